//! The statistics by polars' lazy DataFrame API. Its twin in SQL is `sql.rs`: same names, same order.

use polars::prelude::*;

use super::engine::of_polars;
use super::partial::{Answers, Partial};
use super::table::Table;
use crate::error::Result;

/// The statistics of a table, or of a part of one.
pub(super) fn part(table: &Table) -> Result<Partial> {
    let observed = observed(table.frame().clone().lazy());
    let collect = |query: LazyFrame| query.collect().map_err(of_polars);
    Partial::read(&Answers {
        stations: collect(stations(observed.clone()))?,
        sometimes_empty: collect(sometimes_empty(observed.clone()))?,
        full_spells: collect(spells(observed.clone(), "full_spell"))?,
        empty_spells: collect(spells(observed.clone(), "empty_spell"))?,
        hours: collect(hours(table.hours().clone().lazy()))?,
        communes: collect(zones(observed.clone(), "commune"))?,
        arrondissements: collect(zones(observed.clone(), "arrondissement"))?,
        zones: collect(zones(observed.clone(), "zone"))?,
        by_station: collect(zones(observed, "stationcode"))?,
    })
}

/// The columns that count, docks and bikes only where the station is open; capacity only where the bikes are known too.
fn observed(rows: LazyFrame) -> LazyFrame {
    let of_open = |value: Expr| when(col("open")).then(value).otherwise(lit(NULL));
    rows.select([
        col("stationcode"),
        col("name"),
        col("duedate"),
        col("commune"),
        col("arrondissement"),
        col("zone"),
        col("open"),
        col("full"),
        col("empty"),
        col("open").not().alias("closed"),
        of_open(col("numdocksavailable")).alias("docks"),
        of_open(col("mechanical")).alias("mechanical"),
        of_open(col("ebike")).alias("ebike"),
        of_open(col("numbikesavailable")).alias("bikes"),
        when(col("open").and(col("numbikesavailable").is_not_null()))
            .then(col("capacity"))
            .otherwise(lit(NULL))
            .alias("capacity"),
        col("held"),
        col("moved"),
        col("full_spell"),
        col("empty_spell"),
    ])
}

fn stations(observed: LazyFrame) -> LazyFrame {
    let mut columns = vec![
        col("name").max(),
        len().alias("readings"),
        col("open").sum(),
        col("closed").sum(),
        col("held").sum(),
        col("moved").sum(),
        col("duedate").min().alias("first"),
        col("duedate").max().alias("last"),
    ];
    columns.extend(["docks", "mechanical", "ebike"].into_iter().flat_map(summary));
    columns.extend(["docks", "mechanical", "ebike"].into_iter().flat_map(|name| [known_held(name), sum_held(name)]));
    columns.extend(["full", "empty"].into_iter().flat_map(share));
    columns.extend(["full", "empty", "closed"].into_iter().flat_map(time_share));
    observed.group_by([col("stationcode")]).agg(columns)
}

fn sometimes_empty(observed: LazyFrame) -> LazyFrame {
    let mut columns = vec![col("name").max()];
    columns.extend(share("empty"));
    observed.group_by([col("stationcode")]).agg(columns).filter(col("empty_times").gt(lit(0)))
}

fn spells(observed: LazyFrame, spell: &str) -> LazyFrame {
    observed
        .filter(col(spell).is_not_null())
        .group_by([col("stationcode"), col(spell)])
        .agg([col("held").sum()])
        .group_by([col("stationcode")])
        .agg([len().alias("number"), col("held").max().alias("longest")])
}

fn hours(hours: LazyFrame) -> LazyFrame {
    hours.group_by([col("stationcode"), col("week_hour")]).agg([
        col("held").sum(),
        sum_held("bikes"),
        sum_held("capacity"),
    ])
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
        col("held").sum(),
        known_held("docks"),
        sum_held("docks"),
        known_held("bikes"),
        sum_held("bikes"),
        sum_held("capacity"),
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

fn time_share(name: &str) -> [Expr; 2] {
    let known = held_while(col(name).is_not_null());
    [held_while(col(name)).alias(format!("{name}_held")), known.alias(format!("{name}_known_held"))]
}

/// For how long a number was known.
fn known_held(name: &str) -> Expr {
    held_while(col(name).is_not_null()).alias(format!("{name}_held"))
}

fn held_while(condition: Expr) -> Expr {
    when(condition).then(col("held")).otherwise(lit(NULL)).sum()
}

/// A number over time. In floating point, which does not overflow and is exact below 2^53.
fn sum_held(name: &str) -> Expr {
    (col(name).cast(DataType::Float64) * col("held")).sum().alias(format!("{name}_sum_held"))
}
