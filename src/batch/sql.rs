//! The statistics by SQL, on polars' own engine for it. Its twin by the DataFrame API is `dataframe.rs`: same names, same order.

use polars::prelude::*;
use polars::sql::SQLContext;

use crate::error::Result;

use super::engine::of_polars;
use super::statistics::Part;

/// The columns that count, docks and bikes only where the station is open; capacity only where the bikes are known too.
const OBSERVED: &str = r#"
    SELECT stationcode, name, commune, arrondissement, "open", "full", "empty",
           CASE WHEN "open" THEN numdocksavailable END AS docks,
           CASE WHEN "open" THEN mechanical END AS mechanical,
           CASE WHEN "open" THEN ebike END AS ebike,
           CASE WHEN "open" THEN numbikesavailable END AS bikes,
           CASE WHEN "open" AND numbikesavailable IS NOT NULL THEN capacity END AS capacity
    FROM readings"#;

const STATIONS: &str = r#"
    SELECT stationcode,
           MAX(name) AS name,
           COUNT(*) AS readings,
           COUNT(CASE WHEN "open" THEN 1 END) AS "open",
           COUNT(CASE WHEN NOT "open" THEN 1 END) AS closed,
           COUNT(docks) AS docks_count,
           AVG(docks) AS docks_mean,
           MIN(docks) AS docks_min,
           MAX(docks) AS docks_max,
           COUNT(mechanical) AS mechanical_count,
           AVG(mechanical) AS mechanical_mean,
           MIN(mechanical) AS mechanical_min,
           MAX(mechanical) AS mechanical_max,
           COUNT(ebike) AS ebike_count,
           AVG(ebike) AS ebike_mean,
           MIN(ebike) AS ebike_min,
           MAX(ebike) AS ebike_max,
           COUNT(CASE WHEN "full" THEN 1 END) AS full_times,
           COUNT("full") AS full_known,
           COUNT(CASE WHEN "empty" THEN 1 END) AS empty_times,
           COUNT("empty") AS empty_known
    FROM observed
    GROUP BY stationcode"#;

const SOMETIMES_EMPTY: &str = r#"
    SELECT stationcode,
           MAX(name) AS name,
           COUNT(CASE WHEN "empty" THEN 1 END) AS empty_times,
           COUNT("empty") AS empty_known
    FROM observed
    GROUP BY stationcode
    HAVING COUNT(CASE WHEN "empty" THEN 1 END) > 0"#;

/// The statistics of the rows of a [`Table`](super::Table).
pub(super) fn part(rows: &DataFrame) -> Result<Part> {
    let mut context = SQLContext::new();
    context.register("readings", rows.clone().lazy());
    let observed = context.execute(OBSERVED).map_err(of_polars)?;
    context.register("observed", observed);
    let mut answer = |query: &str| context.execute(query).and_then(LazyFrame::collect).map_err(of_polars);
    Part::read(
        &answer(STATIONS)?,
        &answer(SOMETIMES_EMPTY)?,
        &answer(&zones("commune"))?,
        &answer(&zones("arrondissement"))?,
    )
}

/// `zone` is the name of a column.
fn zones(zone: &str) -> String {
    format!(
        r#"
    SELECT {zone} AS zone,
           COUNT(DISTINCT stationcode) AS stations,
           COUNT(*) AS readings,
           COUNT(CASE WHEN "open" THEN 1 END) AS "open",
           COUNT(docks) AS docks_count,
           SUM(docks) AS docks_sum,
           MIN(docks) AS docks_min,
           MAX(docks) AS docks_max,
           COUNT(bikes) AS bikes_count,
           SUM(bikes) AS bikes_sum,
           SUM(capacity) AS capacity_sum
    FROM observed
    WHERE {zone} IS NOT NULL
    GROUP BY {zone}"#
    )
}
