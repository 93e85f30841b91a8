//! The statistics by SQL, on polars' own engine for it. Its twin by the DataFrame API is `dataframe.rs`: same names, same order.

use polars::prelude::*;
use polars::sql::SQLContext;

use super::engine::of_polars;
use super::partial::{Answers, Partial};
use super::table::Table;
use crate::error::Result;

/// The columns that count, docks and bikes only where the station is open; capacity only where the bikes are known too.
const OBSERVED: &str = r#"
    SELECT stationcode, name, duedate, commune, arrondissement, "zone", "open", "full", "empty",
           NOT "open" AS closed,
           CASE WHEN "open" THEN numdocksavailable END AS docks,
           CASE WHEN "open" THEN mechanical END AS mechanical,
           CASE WHEN "open" THEN ebike END AS ebike,
           CASE WHEN "open" THEN numbikesavailable END AS bikes,
           CASE WHEN "open" AND numbikesavailable IS NOT NULL THEN capacity END AS capacity,
           held, moved, full_spell, empty_spell
    FROM readings"#;

const STATIONS: &str = r#"
    SELECT stationcode,
           MAX(name) AS name,
           COUNT(*) AS readings,
           COUNT(CASE WHEN "open" THEN 1 END) AS "open",
           COUNT(CASE WHEN closed THEN 1 END) AS closed,
           SUM(held) AS held,
           SUM(moved) AS moved,
           MIN(duedate) AS "first",
           MAX(duedate) AS "last",
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
           SUM(CASE WHEN docks IS NOT NULL THEN held END) AS docks_held,
           SUM(CAST(docks AS DOUBLE) * held) AS docks_sum_held,
           SUM(CASE WHEN mechanical IS NOT NULL THEN held END) AS mechanical_held,
           SUM(CAST(mechanical AS DOUBLE) * held) AS mechanical_sum_held,
           SUM(CASE WHEN ebike IS NOT NULL THEN held END) AS ebike_held,
           SUM(CAST(ebike AS DOUBLE) * held) AS ebike_sum_held,
           COUNT(CASE WHEN "full" THEN 1 END) AS full_times,
           COUNT("full") AS full_known,
           COUNT(CASE WHEN "empty" THEN 1 END) AS empty_times,
           COUNT("empty") AS empty_known,
           SUM(CASE WHEN "full" THEN held END) AS full_held,
           SUM(CASE WHEN "full" IS NOT NULL THEN held END) AS full_known_held,
           SUM(CASE WHEN "empty" THEN held END) AS empty_held,
           SUM(CASE WHEN "empty" IS NOT NULL THEN held END) AS empty_known_held,
           SUM(CASE WHEN closed THEN held END) AS closed_held,
           SUM(CASE WHEN closed IS NOT NULL THEN held END) AS closed_known_held
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

const HOURS: &str = r#"
    SELECT stationcode,
           week_hour,
           SUM(held) AS held,
           SUM(CAST(bikes AS DOUBLE) * held) AS bikes_sum_held,
           SUM(CAST(capacity AS DOUBLE) * held) AS capacity_sum_held
    FROM hours
    GROUP BY stationcode, week_hour"#;

/// The statistics of a table, or of a part of one.
pub(super) fn part(table: &Table) -> Result<Partial> {
    let mut context = SQLContext::new();
    context.register("readings", table.frame().clone().lazy());
    context.register("hours", table.hours().clone().lazy());
    let observed = context.execute(OBSERVED).map_err(of_polars)?;
    context.register("observed", observed);
    let mut answer = |query: &str| context.execute(query).and_then(LazyFrame::collect).map_err(of_polars);
    Partial::read(&Answers {
        stations: answer(STATIONS)?,
        sometimes_empty: answer(SOMETIMES_EMPTY)?,
        full_spells: answer(&spells("full_spell"))?,
        empty_spells: answer(&spells("empty_spell"))?,
        hours: answer(HOURS)?,
        communes: answer(&zones("commune"))?,
        arrondissements: answer(&zones("arrondissement"))?,
        zones: answer(&zones("zone"))?,
        by_station: answer(&zones("stationcode"))?,
    })
}

/// `spell` is the name of a column.
fn spells(spell: &str) -> String {
    format!(
        r#"
    SELECT stationcode,
           COUNT(*) AS number,
           MAX(held) AS longest
    FROM (SELECT stationcode,
                 {spell} AS spell,
                 SUM(held) AS held
          FROM observed
          WHERE {spell} IS NOT NULL
          GROUP BY stationcode, {spell}) AS spells
    GROUP BY stationcode"#
    )
}

/// `zone` is the name of a column.
fn zones(zone: &str) -> String {
    format!(
        r#"
    SELECT "{zone}" AS zone,
           COUNT(DISTINCT stationcode) AS stations,
           COUNT(*) AS readings,
           COUNT(CASE WHEN "open" THEN 1 END) AS "open",
           COUNT(docks) AS docks_count,
           SUM(docks) AS docks_sum,
           MIN(docks) AS docks_min,
           MAX(docks) AS docks_max,
           COUNT(bikes) AS bikes_count,
           SUM(bikes) AS bikes_sum,
           SUM(capacity) AS capacity_sum,
           SUM(held) AS held,
           SUM(CASE WHEN docks IS NOT NULL THEN held END) AS docks_held,
           SUM(CAST(docks AS DOUBLE) * held) AS docks_sum_held,
           SUM(CASE WHEN bikes IS NOT NULL THEN held END) AS bikes_held,
           SUM(CAST(bikes AS DOUBLE) * held) AS bikes_sum_held,
           SUM(CAST(capacity AS DOUBLE) * held) AS capacity_sum_held
    FROM observed
    WHERE "{zone}" IS NOT NULL
    GROUP BY "{zone}""#
    )
}
