//! Rows of Spark as a table of polars, so that one reader serves every engine.

use polars::prelude::*;
use spark_connect::row::{Row, Value};

use crate::batch::engine::of_polars;
use crate::error::Result;

/// The columns of a question that no row answers.
const COLUMNS: [&str; 6] = ["stationcode", "number", "longest", "week_hour", "held", "bikes_sum_held"];

/// The rows, whose columns are texts, whole numbers or decimal ones.
pub(super) fn frame(rows: &[Row]) -> Result<DataFrame> {
    let Some(first) = rows.first() else {
        let names = COLUMNS.into_iter().chain(["capacity_sum_held"]);
        let columns = names.map(|name| Int64Chunked::from_vec(name.into(), vec![]).into_column()).collect();
        return DataFrame::new(0, columns).map_err(of_polars);
    };
    let column = |(place, name): (usize, &String)| {
        let values = || rows.iter().map(|row| row.get(place).filter(|value| !value.is_null()));
        match values().flatten().next() {
            Some(Value::String(_)) => {
                StringChunked::from_iter_options(name.into(), values().map(|value| value?.as_str())).into_column()
            }
            Some(Value::Double(_)) => {
                Float64Chunked::from_iter_options(name.into(), values().map(|value| value?.as_f64())).into_column()
            }
            _ => Int64Chunked::from_iter_options(name.into(), values().map(|value| value?.as_i64())).into_column(),
        }
    };
    let columns = first.fields().iter().enumerate().map(column).collect();
    DataFrame::new(rows.len(), columns).map_err(of_polars)
}
