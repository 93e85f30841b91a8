//! SQL of one's own over what was collected, on polars' engine for it.
//!
//! What that engine is known to answer rightly is answered, everything else refused with the way round (`check.rs`).

mod answer;
mod check;
mod csv;
mod json;
mod parquet;
mod stations;
#[cfg(test)]
mod tests;
mod text;

use polars::error::PolarsError;
use polars::prelude::{DataFrame, DataType, IntoLazy, LazyFrame};
use polars::sql::SQLContext;

pub use answer::{Answer, AnswerColumn, ColumnType, Value};

use super::table::Table;
use crate::error::{Error, ErrorKind, Result};
use check::ScopeColumn;

/// Asks one SELECT, or WITH ... SELECT, of two tables: `readings`, with the columns of [`Table`], and `stations`:
///
/// | column | type | what it is |
/// |---|---|---|
/// | `stationcode` | text | never null; a row for each |
/// | `name`, `commune`, `arrondissement` | text | the last that was known |
/// | `capacity` | 64-bit integer | the last that was known |
/// | `lat`, `lon` | 64-bit float | the last that were known |
/// | `readings` | 64-bit integer | how many there are of it |
/// | `first_duedate`, `last_duedate` | datetime, ms, UTC | the event times of the first and the last |
///
/// There are WHERE, `IN (SELECT ...)`, JOIN and LEFT JOIN on equal columns, CROSS JOIN, GROUP BY, HAVING, DISTINCT, UNION, ORDER BY,
/// LIMIT, CASE, CAST, EXTRACT and INTERVAL; COUNT, SUM, AVG, MIN, MAX, MEDIAN, STDDEV and VARIANCE, with FILTER (WHERE ...) or OVER
/// (PARTITION BY ...); ROW_NUMBER, LAG and LEAD. Times are in UTC and compared with texts: `duedate >= '2022-05-12 09:00:00'`. `/`
/// does not round, `ROUND` goes to the even of two neighbours, nulls come last in ascending order, but first in that of OVER. An expression in
/// SELECT needs a name by AS.
///
/// An error of the kind [`Usage`](ErrorKind::Usage) says what is wrong with the query, what is not there and what is, or how to ask
/// what would be answered wrongly; it is told before anything is computed, unless it lies in the values (`CAST`).
pub fn query(table: &Table, sql: &str) -> Result<Answer> {
    let (readings, stations) = (table.frame(), stations::stations(table.frame()));
    let tables = [("readings", columns(readings)), ("stations", stations::columns())];
    let sql = check::check(sql, &tables)?;
    let mut context = SQLContext::new();
    context.register("readings", readings.clone().lazy());
    context.register("stations", stations);
    let answer = context.execute(&sql).and_then(LazyFrame::collect).map_err(|error| of_query(&error))?;
    Answer::new(&answer)
}

fn columns(frame: &DataFrame) -> Vec<ScopeColumn> {
    let columns = frame.columns().iter();
    columns
        .map(|column| ScopeColumn { name: column.name().to_string(), is_boolean: column.dtype() == &DataType::Boolean })
        .collect()
}

/// What polars still refuses of a query that was let through: types that do not go together, above all.
fn of_query(error: &PolarsError) -> Error {
    let message = error.to_string();
    let first = message.lines().next().unwrap_or_default();
    let way_out = match message.contains("datetime") {
        true => {
            "write the column on the left and the text on the right, duedate >= '2022-05-12 09:00:00', and what is computed or joined \
             in a subquery first"
        }
        false => "compare and join values of one type, and CAST where they differ",
    };
    Error::new(ErrorKind::Usage, format_args!("the query cannot be answered: {first}")).way_out(way_out)
}
