//! Whose rows are trained on, and for whom the result is told.
//!
//! A station that was never full in its training history is the normal case. It has nothing to learn the event from by
//! itself, so the models are trained on all stations, with the station's own history as features, and reported for it.

use serde::Serialize;

use super::split::ChronologicalSplit;
use super::training::TrainSettings;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::features::{Example, History};
use crate::station::{StationCode, StationStatus};

/// A station is trained on alone only if at least so many of its training rows are full, and as many are not.
const ENOUGH: usize = 10;

/// Whose rows were trained on, and whose are reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One station alone, on its own history.
    Station(StationCode),
    /// All stations.
    Pooled,
    /// All stations trained on, one reported.
    PooledForStation {
        /// The station.
        code: StationCode,
        /// Why its own history was not enough.
        why: String,
    },
}

impl Scope {
    /// The scope that `settings` and the data allow.
    pub(super) fn of(
        settings: &TrainSettings,
        readings: &[StationStatus],
        history: &History,
        examples: &[Example],
        split: &ChronologicalSplit,
    ) -> Result<Self> {
        let Some(code) = &settings.station else { return Ok(Scope::Pooled) };
        let Some(place) = history.position(code.as_str()) else { return Err(unknown_station(readings, code)) };
        if settings.pooled {
            return Ok(Scope::Pooled);
        }
        let own = examples.iter().filter(|example| example.station == place && split.trains(example));
        let (full, free) =
            own.fold((0, 0), |(full, free), example| if example.full { (full + 1, free) } else { (full, free + 1) });
        if full >= ENOUGH && free >= ENOUGH {
            return Ok(Scope::Station(code.clone()));
        }
        let why = match (full, free) {
            (0, 0) => "it has no labelled origin in the training span".to_owned(),
            (0, _) => "it was never full in its training history".to_owned(),
            _ => format!(
                "only {full} of its {} training origins came to be full, where {ENOUGH} are needed",
                full + free
            ),
        };
        if history.stations().len() == 1 {
            return Err(Error::new(
                ErrorKind::Model,
                format_args!("{why}, and there is no other station to learn from"),
            )
            .at(Place::Station(code.to_string()))
            .way_out("take a longer history, or one of all stations"));
        }
        Ok(Scope::PooledForStation { code: code.clone(), why })
    }
}

/// The error for a station without a usable reading, with the codes nearest to it.
fn unknown_station(readings: &[StationStatus], code: &StationCode) -> Error {
    let place = Place::Station(code.to_string());
    let given = readings.iter().filter(|reading| reading.station_code == *code).count();
    if given > 0 {
        return Error::new(ErrorKind::Model, format_args!("none of its {given} readings is usable")).at(place);
    }
    let mut codes: Vec<_> = readings.iter().map(|reading| reading.station_code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let after = codes.partition_point(|other| *other < code.as_str());
    let near = codes[after.saturating_sub(2)..codes.len().min(after + 2)].join(", ");
    Error::new(ErrorKind::Model, "the history does not hold this station")
        .at(place)
        .way_out(format_args!("near it are {near}"))
}
