//! The statistics of a station's window in SQL: the definitions of [`WindowStatistics`](crate::streaming::WindowStatistics),
//! said to Spark.
//!
//! One aggregation with state collects a window's readings, as [`WindowState`](crate::streaming::WindowState) does; the rest
//! is computed from them by functions on arrays when Spark gives the window out. So a reading counts once: of those of one
//! station and time the one that came first, by its offset. `dropDuplicates` would take any of a batch, and the recorded history
//! repeats 32,000 readings with other counts.

use super::zones::arrondissement;
use crate::streaming::window::Windowing;

/// The columns of a window as it is written: those of [`StationWindow`](crate::streaming::StationWindow), and `newest`, which
/// says what else [`Station`](crate::streaming::Station) has of the newest reading.
pub(super) const SCHEMA: &str = "station_code STRING, name STRING, commune STRING, arrondissement STRING, lat DOUBLE, \
     lon DOUBLE, start TIMESTAMP, end TIMESTAMP, readings BIGINT, revision BIGINT, closed BIGINT, capacity DOUBLE, \
     full DOUBLE, empty DOUBLE, mechanical SUMMARY, ebike SUMMARY, docks SUMMARY, occupancy SUMMARY, \
     newest STRUCT<capacity: BIGINT, last_reported: TIMESTAMP, fetched_at: TIMESTAMP, clock: TIMESTAMP>";

/// The columns of one quantity, in the order of [`Summary`](crate::streaming::Summary).
const SUMMARY: &str = "STRUCT<count: BIGINT, mean: DOUBLE, time_weighted_mean: DOUBLE, min: DOUBLE, max: DOUBLE, \
     last: DOUBLE, rate: DOUBLE, turnover: DOUBLE>";

/// The four quantities, each with what a reading `one` says of it.
pub(super) const QUANTITIES: [(&str, &str); 4] = [
    ("mechanical", "one.mechanical"),
    ("ebike", "one.ebike"),
    ("docks", "one.docks"),
    ("occupancy", "one.bikes / nullif(one.capacity, 0)"),
];

/// [`SCHEMA`] as Spark reads it.
pub(super) fn schema() -> String {
    SCHEMA.replace("SUMMARY", SUMMARY)
}

/// The names of its columns.
pub(super) fn columns() -> impl Iterator<Item = &'static str> {
    // What follows are the fields of `newest`.
    let flat = SCHEMA.split_once(" newest ").map_or(SCHEMA, |(flat, _)| flat);
    flat.split(',').filter_map(|column| column.split_whitespace().next()).chain(["newest"])
}

/// The windows of the readings in a table, each a row of [`SCHEMA`].
pub(super) fn statistics(windowing: Windowing, readings: &str) -> String {
    let (collected, said) = (collected(windowing, readings), said());
    // What a step names the next uses several times, and Spark computes it once.
    format!(
        "WITH collected AS ({collected}), \
         ordered AS (SELECT station_code, span.start, span.end, array_sort(heard) AS heard FROM collected), \
         once AS ( \
             SELECT station_code, start, end, \
                 filter(heard, (one, nth) -> one.at IS DISTINCT FROM get(heard, nth - 1).at) AS heard \
             FROM ordered \
         ), steps AS ({steps}) {said}",
        steps = steps(),
    )
}

/// A window's readings as they came. Sorted they stand by time, then in the order in which they came.
fn collected(windowing: Windowing, readings: &str) -> String {
    // Three-valued, as the rules of a reading are.
    let usable = "(is_installed AND is_returning AND capacity > 0)";
    let (length, slide) = (windowing.length().as_secs(), windowing.slide().as_secs());
    let window = format!("window(duedate, '{length} seconds', '{slide} seconds')");
    format!(
        "SELECT station_code, {window} AS span, collect_list(struct( \
             unix_millis(duedate) AS at, partition, offset, coalesce(NOT {usable}, false) AS closed, \
             ({usable} AND docks = 0) AS full, (is_installed AND is_renting AND bikes = 0) AS empty, capacity, bikes, \
             mechanical, ebike, docks, name, commune, lat, lon, unix_millis(fetched_at) AS fetched \
         )) AS heard FROM {readings} GROUP BY station_code, {window}"
    )
}

/// Each quantity as a step function: its known values, since when each held and for how long, in milliseconds.
fn steps() -> String {
    let step = |value: &str| {
        format!(
            "filter(transform(heard, (one, nth) -> struct(one.at AS at, CAST({value} AS DOUBLE) AS value, \
                 CAST(coalesce(get(heard, nth + 1).at, unix_millis(end)) - one.at AS DOUBLE) AS held \
             )), one -> one.value IS NOT NULL)"
        )
    };
    let open = |(name, value): (&str, &str)| {
        format!("{} AS of_{name}", step(&format!("CASE WHEN NOT one.closed THEN {value} END")))
    };
    let of_each = QUANTITIES.map(open).join(", ");
    format!(
        "SELECT station_code, start, end, heard, {of_each}, {full} AS of_full, {empty} AS of_empty, \
             filter(heard, one -> NOT one.closed AND one.capacity IS NOT NULL) AS sized FROM once",
        full = step("CAST(one.full AS INT)"),
        empty = step("CAST(one.empty AS INT)"),
    )
}

/// What is said of a window, and of its station by its newest readings that know it.
fn said() -> String {
    let summaries = QUANTITIES.map(|(name, _)| format!("{} AS {name}", summary(&format!("of_{name}")))).join(", ");
    let newest = |field: &str| format!("get(filter(reverse(heard), one -> one.{field} IS NOT NULL), 0).{field}");
    let described = ["name", "commune", "lat", "lon"].map(|field| format!("{} AS {field}", newest(field))).join(", ");
    let last = "get(heard, size(heard) - 1)";
    format!(
        "SELECT station_code, name, commune, {arrondissement} AS arrondissement, lat, lon, start, end, readings, \
             0L AS revision, closed, capacity, full, empty, mechanical, ebike, docks, occupancy, newest \
         FROM (SELECT station_code, start, end, {described}, CAST(size(heard) AS BIGINT) AS readings, \
             CAST(size(filter(heard, one -> one.closed)) AS BIGINT) AS closed, \
             {capacity} / nullif(size(sized), 0) AS capacity, {full} AS full, {empty} AS empty, {summaries}, \
             struct({docks} AS capacity, timestamp_millis({last}.at) AS last_reported, \
                 timestamp_millis({last}.fetched) AS fetched_at, \
                 timestamp_millis(array_max(transform(heard, one -> least(one.at, one.fetched)))) AS clock \
             ) AS newest FROM steps)",
        arrondissement = arrondissement("station_code"),
        capacity = total("sized", "one.capacity"),
        full = time_weighted("of_full"),
        empty = time_weighted("of_empty"),
        docks = newest("capacity"),
    )
}

/// The [`Summary`](crate::streaming::Summary) of the step function in this column.
fn summary(steps: &str) -> String {
    let (first, last) = (format!("get({steps}, 0)"), format!("get({steps}, size({steps}) - 1)"));
    let change = format!("abs(one.value - get({steps}, nth - 1).value)");
    format!(
        "struct(CAST(size({steps}) AS BIGINT) AS count, {sum} / nullif(size({steps}), 0) AS mean, \
             {over_time} AS time_weighted_mean, array_min(transform({steps}, one -> one.value)) AS min, \
             array_max(transform({steps}, one -> one.value)) AS max, {last}.value AS last, \
             ({last}.value - {first}.value) * 3600000D / nullif({last}.at - {first}.at, 0) AS rate, \
             CASE WHEN size({steps}) > 1 THEN aggregate(transform({steps}, (one, nth) -> {change}), 0D, \
                 (sum, change) -> sum + coalesce(change, 0D)) END AS turnover)",
        sum = total(steps, "one.value"),
        over_time = time_weighted(steps),
    )
}

fn time_weighted(steps: &str) -> String {
    format!("{} / nullif({}, 0D)", total(steps, "one.value * one.held"), total(steps, "one.held"))
}

fn total(array: &str, of_each: &str) -> String {
    format!("aggregate({array}, 0D, (sum, one) -> sum + {of_each})")
}
