//! Stations gone silent.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::StationName;
use super::axis::StationAxis;
use crate::batch::hours::HOUR;
use crate::batch::timeline::due;

/// A station that has not been heard of for longer than this before the data's end is silent: a day, hours.
pub const SILENT_HOURS: f64 = 24.0;

/// A station gone silent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SilentStation {
    /// The station.
    #[serde(flatten)]
    pub station: StationName,
    /// When it reported last.
    pub last_reported: DateTime<Utc>,
    /// For how long it has been silent at the data's end, hours.
    pub silent_hours: f64,
    /// The longest time between two of its reports before, hours; `None` if there is only one.
    pub longest_gap_hours: Option<f64>,
}

/// Those among these stations, the longest silent first; `end` is in milliseconds since 1970.
pub(super) fn silent(stations: &[StationAxis<'_>], end: i64) -> Vec<SilentStation> {
    let hours = |milliseconds: i64| milliseconds as f64 / HOUR as f64;
    let of = |station: &StationAxis<'_>| {
        let last = station.last()?;
        let gap = station.readings.windows(2).map(|pair| due(pair[1]) - due(pair[0])).max();
        let silent_hours = hours(end - due(last));
        (silent_hours > SILENT_HOURS).then_some(())?;
        let (station, last_reported) = (StationName::of(station)?, last.last_reported);
        Some(SilentStation { station, last_reported, silent_hours, longest_gap_hours: gap.map(hours) })
    };
    let mut silent: Vec<_> = stations.iter().filter_map(of).collect();
    silent.sort_by(|a, b| b.silent_hours.total_cmp(&a.silent_hours));
    silent
}
