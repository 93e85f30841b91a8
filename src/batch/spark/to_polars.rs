//! Rows of Spark as a table of polars, so that one reader serves every engine.

use polars::prelude::*;
use spark_connect::row::{Row, Value};

use crate::batch::engine::of_polars;
use crate::error::Result;

/// The rows, whose columns have these names and are texts, whole numbers or decimal ones.
pub(super) fn frame(names: &[String], rows: &[Row]) -> Result<DataFrame> {
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
    let columns = names.iter().enumerate().map(column).collect();
    DataFrame::new(rows.len(), columns).map_err(of_polars)
}
