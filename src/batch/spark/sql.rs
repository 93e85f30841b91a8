//! The questions as Spark SQL. Their twins by the DataFrame API are in `dataframe.rs`: same names, same order.

use crate::batch::hours::HOUR;
use crate::streaming::arrondissement;

/// Which reading of each (station, event time) is the first that was fetched, and what each says by the rules: docks and bikes
/// only where the station is open, the capacity only where the bikes are known too.
pub(super) fn observed(rows: &str) -> String {
    format!(
        "SELECT kind, stationcode, name, trim(nom_arrondissement_communes) AS commune, lat, lon, duedate,
                unix_millis(duedate) AS due,
                open, NOT open AS closed, open AND numdocksavailable = 0 AS full,
                is_installed AND is_renting AND numbikesavailable = 0 AS empty,
                CASE WHEN open THEN numdocksavailable END AS docks,
                CASE WHEN open THEN mechanical END AS mechanical,
                CASE WHEN open THEN ebike END AS ebike,
                CASE WHEN open THEN numbikesavailable END AS bikes,
                CASE WHEN open AND numbikesavailable IS NOT NULL THEN capacity END AS capacity
         FROM (SELECT *,
                      CASE WHEN stationcode IS NULL THEN fault
                           WHEN lag(duedate) OVER (axis) = duedate THEN 'repeat'
                           ELSE 'first' END AS kind,
                      is_installed AND is_returning AND capacity > 0 AS open
               FROM {rows}
               WINDOW axis AS (PARTITION BY stationcode ORDER BY duedate, fetched_at, source, file, block, place))"
    )
}

/// The time axis of each station: for how long each reading holds, at most `gap` milliseconds, and what follows from that.
pub(super) fn timeline(observed: &str, gap: i64) -> String {
    format!(
        "SELECT *,
                sum(CASE WHEN full AND NOT (near AND coalesce(full_before, false)) THEN 1 ELSE 0 END) OVER (axis) AS full_spell,
                sum(CASE WHEN empty AND NOT (near AND coalesce(empty_before, false)) THEN 1 ELSE 0 END) OVER (axis) AS empty_spell
         FROM (SELECT *,
                      least(coalesce(lead(due) OVER (axis), due) - due, {gap}) AS held,
                      coalesce(due - lag(due) OVER (axis) <= {gap}, false) AS near,
                      lag(full) OVER (axis) AS full_before,
                      lag(empty) OVER (axis) AS empty_before,
                      CASE WHEN due - last(CASE WHEN bikes IS NOT NULL THEN due END, true) OVER (before) <= {gap}
                           THEN abs(bikes - last(bikes, true) OVER (before)) END AS moved
               FROM {observed}
               WHERE kind = 'first'
               WINDOW axis AS (PARTITION BY stationcode ORDER BY duedate),
                      before AS (PARTITION BY stationcode ORDER BY duedate
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
         WINDOW axis AS (PARTITION BY stationcode ORDER BY duedate)"
    )
}

/// The same without a time axis, for what counts every reading once.
pub(super) fn timeless(observed: &str) -> String {
    format!("SELECT *, 0 AS held, CAST(NULL AS BIGINT) AS moved FROM {observed}")
}

/// Sums by station, name and place: all that is said of stations and zones is put together from them.
pub(super) fn sites(axis: &str) -> String {
    format!(
        "SELECT kind, stationcode, name, commune, lat, lon,
                count(*) AS readings,
                count_if(open) AS open,
                count_if(closed) AS closed,
                sum(held) AS held,
                sum(moved) AS moved,
                min(due) AS first,
                max(due) AS last,
                {docks}, {mechanical}, {ebike},
                count_if(full) AS full_times, count(full) AS full_known,
                count_if(empty) AS empty_times, count(empty) AS empty_known,
                {full}, {empty}, {closed},
                count(bikes) AS bikes_count, sum(bikes) AS bikes_sum, sum(capacity) AS capacity_sum,
                sum(CASE WHEN bikes IS NOT NULL THEN held END) AS bikes_held,
                sum(CAST(bikes AS DOUBLE) * held) AS bikes_sum_held,
                sum(CAST(capacity AS DOUBLE) * held) AS capacity_sum_held
         FROM {axis}
         GROUP BY kind, stationcode, name, commune, lat, lon",
        docks = quantity("docks"),
        mechanical = quantity("mechanical"),
        ebike = quantity("ebike"),
        full = state("full"),
        empty = state("empty"),
        closed = state("closed"),
    )
}

fn quantity(of: &str) -> String {
    format!(
        "count({of}) AS {of}_count, sum({of}) AS {of}_sum, min({of}) AS {of}_min, max({of}) AS {of}_max,
         sum(CASE WHEN {of} IS NOT NULL THEN held END) AS {of}_held, sum(CAST({of} AS DOUBLE) * held) AS {of}_sum_held"
    )
}

fn state(of: &str) -> String {
    format!(
        "sum(CASE WHEN {of} THEN held END) AS {of}_held, sum(CASE WHEN {of} IS NOT NULL THEN held END) AS {of}_known_held"
    )
}

/// The spells of each station; `spell` is the column that numbers them, of the state `of`.
pub(super) fn spells(axis: &str, of: &str) -> String {
    format!(
        "SELECT stationcode, count(*) AS number, max(held) AS longest
         FROM (SELECT stationcode, {of}_spell, sum(held) AS held FROM {axis} WHERE {of} GROUP BY stationcode, {of}_spell)
         GROUP BY stationcode"
    )
}

/// What each reading holds, cut at the full hours and put to the hours of the week in Paris.
pub(super) fn hours(axis: &str) -> String {
    format!(
        "SELECT stationcode, week_hour,
                sum(held) AS held,
                sum(CAST(bikes AS DOUBLE) * held) AS bikes_sum_held,
                sum(CAST(capacity AS DOUBLE) * held) AS capacity_sum_held
         FROM (SELECT stationcode, bikes, capacity,
                      least(due + held, (hour + 1) * {HOUR}) - greatest(due, hour * {HOUR}) AS held,
                      24 * weekday(local) + hour(local) AS week_hour
               FROM (SELECT *, from_utc_timestamp(timestamp_seconds(hour * 3600), 'Europe/Paris') AS local
                     FROM (SELECT stationcode, bikes, capacity, due, held,
                                  explode(sequence(due DIV {HOUR}, (due + held - 1) DIV {HOUR})) AS hour
                           FROM {axis}
                           WHERE bikes IS NOT NULL AND held > 0)))
         GROUP BY stationcode, week_hour"
    )
}

/// The sites with their zones: communes and arrondissements by their names, and that of the division by `places`.
pub(super) fn zoned(sites: &str, places: &str) -> String {
    format!(
        "SELECT *, {arrondissement} AS arrondissement
         FROM (SELECT * FROM {sites} WHERE kind = 'first')
         LEFT JOIN {places} ON stationcode = at_station AND commune <=> at_commune AND lat <=> at_lat AND lon <=> at_lon",
        arrondissement = arrondissement("stationcode"),
    )
}

/// Each station.
pub(super) fn stations(zoned: &str) -> String {
    let summary = |of: &str| {
        format!(
            "sum({of}_count) AS {of}_count, sum({of}_sum) / nullif(sum({of}_count), 0) AS {of}_mean,
             min({of}_min) AS {of}_min, max({of}_max) AS {of}_max,
             sum({of}_held) AS {of}_held, sum({of}_sum_held) AS {of}_sum_held"
        )
    };
    let share = |of: &str| format!("sum({of}_held) AS {of}_held, sum({of}_known_held) AS {of}_known_held");
    format!(
        "SELECT stationcode, max(name) AS name,
                sum(readings) AS readings, sum(open) AS open, sum(closed) AS closed,
                sum(held) AS held, sum(moved) AS moved, min(first) AS first, max(last) AS last,
                {docks}, {mechanical}, {ebike},
                sum(full_times) AS full_times, sum(full_known) AS full_known,
                sum(empty_times) AS empty_times, sum(empty_known) AS empty_known,
                {full}, {empty}, {closed}
         FROM {zoned}
         GROUP BY stationcode",
        docks = summary("docks"),
        mechanical = summary("mechanical"),
        ebike = summary("ebike"),
        full = share("full"),
        empty = share("empty"),
        closed = share("closed"),
    )
}

/// The stations that are sometimes empty.
pub(super) fn sometimes_empty(zoned: &str) -> String {
    format!(
        "SELECT stationcode, max(name) AS name, sum(empty_times) AS empty_times, sum(empty_known) AS empty_known
         FROM {zoned}
         GROUP BY stationcode
         HAVING sum(empty_times) > 0"
    )
}

/// The zones by a column.
pub(super) fn zones(zoned: &str, by: &str) -> String {
    format!(
        "SELECT {by} AS zone, count(DISTINCT stationcode) AS stations,
                sum(readings) AS readings, sum(open) AS open,
                sum(docks_count) AS docks_count, sum(docks_sum) AS docks_sum,
                min(docks_min) AS docks_min, max(docks_max) AS docks_max,
                sum(bikes_count) AS bikes_count, sum(bikes_sum) AS bikes_sum, sum(capacity_sum) AS capacity_sum,
                sum(held) AS held, sum(docks_held) AS docks_held, sum(docks_sum_held) AS docks_sum_held,
                sum(bikes_held) AS bikes_held, sum(bikes_sum_held) AS bikes_sum_held,
                sum(capacity_sum_held) AS capacity_sum_held
         FROM {zoned}
         WHERE {by} IS NOT NULL
         GROUP BY {by}"
    )
}
