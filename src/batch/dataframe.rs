//! The statistics by polars' lazy DataFrame API. Its twin in SQL is `sql.rs`: same names, same order.

use polars::prelude::*;

use crate::error::Result;

use super::engine::of_polars;
use super::statistics::Part;

/// The statistics of the rows of a [`Table`](super::Table).
pub(super) fn part(rows: &DataFrame) -> Result<Part> {
    let observed = observed(rows.clone().lazy());
    let collect = |query: LazyFrame| query.collect().map_err(of_polars);
    Part::read(
        &collect(stations(observed.clone()))?,
        &collect(sometimes_empty(observed.clone()))?,
        &collect(zones(observed.clone(), "commune"))?,
        &collect(zones(observed, "arrondissement"))?,
    )
}

/// The columns that count, docks and bikes only where the station is open; capacity only where the bikes are known too.
fn observed(rows: LazyFrame) -> LazyFrame {
    let of_open = |value: Expr| when(col("open")).then(value).otherwise(lit(NULL));
    rows.select([
        col("stationcode"),
        col("name"),
        col("commune"),
        col("arrondissement"),
        col("open"),
        col("full"),
        col("empty"),
        of_open(col("numdocksavailable")).alias("docks"),
        of_open(col("mechanical")).alias("mechanical"),
        of_open(col("ebike")).alias("ebike"),
        of_open(col("numbikesavailable")).alias("bikes"),
        when(col("open").and(col("numbikesavailable").is_not_null()))
            .then(col("capacity"))
            .otherwise(lit(NULL))
            .alias("capacity"),
    ])
}

fn stations(observed: LazyFrame) -> LazyFrame {
    let mut columns =
        vec![col("name").max(), len().alias("readings"), col("open").sum(), col("open").not().sum().alias("closed")];
    columns.extend(["docks", "mechanical", "ebike"].into_iter().flat_map(summary));
    columns.extend(["full", "empty"].into_iter().flat_map(share));
    observed.group_by([col("stationcode")]).agg(columns)
}

fn sometimes_empty(observed: LazyFrame) -> LazyFrame {
    let mut columns = vec![col("name").max()];
    columns.extend(share("empty"));
    observed.group_by([col("stationcode")]).agg(columns).filter(col("empty_times").gt(lit(0)))
}

fn zones(observed: LazyFrame, zone: &str) -> LazyFrame {
    observed.filter(col(zone).is_not_null()).group_by([col(zone).alias("zone")]).agg([
        col("stationcode").n_unique().alias("stations"),
        len().alias("readings"),
        col("open").sum(),
        col("docks").count().alias("docks_count"),
        col("docks").sum().alias("docks_sum"),
        col("docks").min().alias("docks_min"),
        col("docks").max().alias("docks_max"),
        col("bikes").count().alias("bikes_count"),
        col("bikes").sum().alias("bikes_sum"),
        col("capacity").sum().alias("capacity_sum"),
    ])
}

fn summary(name: &str) -> [Expr; 4] {
    [
        col(name).count().alias(format!("{name}_count")),
        col(name).mean().alias(format!("{name}_mean")),
        col(name).min().alias(format!("{name}_min")),
        col(name).max().alias(format!("{name}_max")),
    ]
}

fn share(name: &str) -> [Expr; 2] {
    [col(name).sum().alias(format!("{name}_times")), col(name).count().alias(format!("{name}_known"))]
}
