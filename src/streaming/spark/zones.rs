//! Zones in SQL: which a station is in, and their statistics, by the definitions of `store/zone_windows.rs`: sums over the
//! stations, and their means by capacity.

use super::windows::QUANTITIES;

/// The arrondissement of the station whose code stands in this column and its commune in `commune`, as
/// [`ZoneKind::zone_of`](crate::streaming::ZoneKind::zone_of) has it.
pub(crate) fn arrondissement(code: &str) -> String {
    let number = format!("try_cast({code} AS INT) DIV 1000");
    format!(
        "if(commune = 'Paris', CASE WHEN {number} = 1 THEN 'Paris 1er' \
         WHEN {number} BETWEEN 2 AND 20 THEN concat('Paris ', {number}, 'e') END, commune)"
    )
}

/// The zones' windows out of those of their stations (`windows`) and of a table that says which zone a station is of: each a
/// row of [`ZoneWindow`](crate::streaming::ZoneWindow), as JSON, without its kind and without how many stations are expected.
pub(super) fn statistics(windows: &str, zone_of: &str) -> String {
    let quantities = QUANTITIES.map(|(name, _)| summary(name)).join(", ");
    format!(
        "SELECT to_json(struct(*)) FROM (SELECT zone, start, end, count(*) AS stations, sum(readings) AS readings, \
             sum(revision) AS revision, sum(closed) AS closed, sum(capacity) AS capacity, {full} AS full, \
             {empty} AS empty, {quantities} \
         FROM {windows} JOIN {zone_of} USING (station_code) GROUP BY zone, start, end)",
        full = weighed("full"),
        empty = weighed("empty"),
    )
}

/// The mean of the stations' values, each by its station's capacity.
fn weighed(value: &str) -> String {
    // A product with an unknown factor is unknown, and no part of the sum.
    format!("sum({value} * capacity) / nullif(sum(CASE WHEN {value} IS NOT NULL THEN capacity END), 0D)")
}

fn summary(quantity: &str) -> String {
    let of = |field: &str| format!("{quantity}.{field}");
    // Bikes and docks add up over a zone; its occupancy is a ratio.
    let total = |field: &str| match quantity {
        "occupancy" => weighed(&of(field)),
        _ => format!("sum({})", of(field)),
    };
    format!(
        "struct(sum({count}) AS count, {mean} AS mean, {over_time} AS time_weighted_mean, min({min}) AS min, \
             max({max}) AS max, {last} AS last, {rate} AS rate, {turnover} AS turnover) AS {quantity}",
        count = of("count"),
        mean = weighed(&of("mean")),
        over_time = weighed(&of("time_weighted_mean")),
        min = of("min"),
        max = of("max"),
        last = weighed(&of("last")),
        rate = total("rate"),
        turnover = total("turnover"),
    )
}
