//! The table `stations`: what the readings tell of each station, the last known value of each.

use polars::prelude::*;

use super::check::ScopeColumn;

const COLUMNS: [&str; 10] = [
    "stationcode",
    "name",
    "commune",
    "arrondissement",
    "capacity",
    "lat",
    "lon",
    "readings",
    "first_duedate",
    "last_duedate",
];

/// Its columns, none of them true or false.
pub(super) fn columns() -> Vec<ScopeColumn> {
    COLUMNS.iter().map(|name| ScopeColumn { name: (*name).to_owned(), is_boolean: false }).collect()
}

/// One row a station, by its code. Nothing is computed before a query asks for it.
pub(super) fn stations(readings: &DataFrame) -> LazyFrame {
    let last_known = |name: &str| col(name).drop_nulls().last();
    readings
        .clone()
        .lazy()
        // A stable sort: of two readings with the same times the later row is the last.
        .sort(["duedate", "fetched_at"], SortMultipleOptions::default().with_maintain_order(true))
        .group_by_stable([col("stationcode")])
        .agg([
            last_known("name"),
            last_known("commune"),
            last_known("arrondissement"),
            last_known("capacity"),
            last_known("lat"),
            last_known("lon"),
            len().cast(DataType::Int64).alias("readings"),
            col("duedate").min().alias("first_duedate"),
            col("duedate").max().alias("last_duedate"),
        ])
        .sort(["stationcode"], SortMultipleOptions::default())
}
