//! What a reading holds, cut at the full hours and put to the hours of the week by the clocks of Paris, so that no engine needs
//! a time zone.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Timelike};
use chrono_tz::Europe::Paris;
use polars::prelude::*;

use super::engine::of_polars;
use super::timeline::{Timeline, due};
use crate::error::Result;
use crate::station::StationStatus;

/// Milliseconds of an hour.
pub(super) const HOUR: i64 = 3_600_000;

/// One row for each hour in which an open station's reading holds that says the bikes.
///
/// | column | type | what it is |
/// |---|---|---|
/// | `stationcode` | text | |
/// | `week_hour` | 64-bit integer | from 0, Monday 0:00 to 1:00, to 167 |
/// | `held` | 64-bit integer | milliseconds, above zero |
/// | `bikes`, `capacity` | 64-bit integer | |
pub(super) fn hours(readings: &[StationStatus], timeline: &Timeline) -> Result<DataFrame> {
    let mut week_hours = HashMap::new();
    let (mut of, mut in_week, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (reading, &holds) in readings.iter().zip(&timeline.held) {
        if !reading.is_open() || reading.bikes_available.is_none() {
            continue;
        }
        let (mut from, end) = (due(reading), due(reading) + holds);
        while from < end {
            let hour = from.div_euclid(HOUR);
            let until = end.min((hour + 1) * HOUR);
            of.push(reading);
            in_week.push(*week_hours.entry(hour).or_insert_with(|| week_hour(hour)));
            held.push(until - from);
            from = until;
        }
    }
    let codes =
        StringChunked::from_iter_values("stationcode".into(), of.iter().map(|reading| reading.station_code.as_str()));
    let counts = |name: &str, count: fn(&StationStatus) -> Option<u32>| {
        let values = of.iter().map(|reading| count(reading).map(i64::from));
        Int64Chunked::from_iter_options(name.into(), values).into_column()
    };
    let columns = vec![
        codes.into_column(),
        Int64Chunked::from_vec("week_hour".into(), in_week).into_column(),
        Int64Chunked::from_vec("held".into(), held).into_column(),
        counts("bikes", |reading| reading.bikes_available),
        counts("capacity", |reading| reading.capacity),
    ];
    DataFrame::new(of.len(), columns).map_err(of_polars)
}

/// The hour of the week in Paris of an hour since 1970 (UTC). Since then the clocks of Paris have differed from UTC by whole hours.
fn week_hour(hour: i64) -> i64 {
    let local = DateTime::from_timestamp_millis(hour * HOUR).unwrap_or_default().with_timezone(&Paris);
    i64::from(24 * local.weekday().num_days_from_monday() + local.hour())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationCode;

    fn week_hours(from: &str, held: i64) -> Vec<(i64, i64)> {
        let at = from.parse().unwrap();
        let reading = StationStatus {
            is_installed: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            bikes_available: Some(4),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
        };
        let timeline =
            Timeline { held: vec![held * 1000], moved: vec![None], full_spell: vec![None], empty_spell: vec![None] };
        let frame = hours(&[reading], &timeline).unwrap();
        let values = |name: &str| frame.column(name).unwrap().i64().unwrap().iter().flatten().collect::<Vec<_>>();
        values("week_hour").into_iter().zip(values("held").iter().map(|held| held / 1000)).collect()
    }

    #[test]
    fn what_a_reading_holds_is_cut_at_the_full_hours_of_paris() {
        // Sunday evening in summer, two hours ahead of UTC: into Monday.
        assert_eq!(week_hours("2022-05-15T21:50:00Z", 4800), [(167, 600), (0, 3600), (1, 600)]);
        assert_eq!(week_hours("2022-05-15T21:00:00Z", 3600), [(167, 3600)]);
        assert_eq!(week_hours("2022-05-15T21:00:00Z", 0), []);
        // In winter one hour, and in the night of the change there is no hour from two to three.
        assert_eq!(week_hours("2022-01-03T00:00:00Z", 60), [(1, 60)]);
        assert_eq!(week_hours("2022-03-27T00:30:00Z", 3600), [(145, 1800), (147, 1800)]);
    }
}
