//! What the statistics are: one set of definitions, whichever engine computes them.
//!
//! Docks and bikes are summarised over the readings of *open* stations alone: at a closed one, no free dock means nothing.
//! What a reading does not say is left out of that figure and not counted in it, and every figure comes with its count.
//! The figures of this file count every reading once, however long its state lasted; those of `over_time` count a reading for
//! as long as it holds ([`StationOverTime`]), and stand beside them.

use serde::{Deserialize, Serialize};

use super::over_time::{HowOftenEmpty, Observed, StationOverTime, ZoneOverTime};
use super::profile::WeekProfile;
use crate::station::StationCode;

/// The statistics of a table of readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Readings in the table.
    pub readings: u64,
    /// Readings of a station known to be open ([`usable`](crate::StationStatus::usable)).
    pub open: u64,
    /// Readings of a station known to be closed. The rest does not tell.
    pub closed: u64,
    /// Readings whose commune is unknown: they are in no zone.
    pub without_commune: u64,
    /// For how long a reading holds at most, seconds ([`TableSettings::max_gap`](super::TableSettings::max_gap)).
    pub max_gap_seconds: f64,
    /// How much of the stations' time was observed: of all of them, each from the first reading of the table to the last.
    pub observed: Observed,
    /// How many stations were never, sometimes and often empty, by time.
    pub how_often_empty: HowOftenEmpty,
    /// The week of the whole network.
    pub profile: WeekProfile,
    /// Each station, by its code.
    pub stations: Vec<StationStatistics>,
    /// The stations that were empty in at least one reading, by their code.
    pub sometimes_empty: Vec<SometimesEmpty>,
    /// Each commune, by its name.
    pub communes: Vec<ZoneStatistics>,
    /// Each arrondissement of Paris and each other commune, by its name.
    pub arrondissements: Vec<ZoneStatistics>,
    /// Each zone that was asked for ([`TableSettings::zones`](super::TableSettings::zones)), by its name; none if none was.
    pub zones: Vec<ZoneStatistics>,
}

/// The statistics of one station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationStatistics {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Its name; of several, the last in the order of the alphabet.
    pub name: Option<String>,
    /// Its readings.
    pub readings: u64,
    /// Its readings while known to be open.
    pub open: u64,
    /// Its readings while known to be closed.
    pub closed: u64,
    /// Free docks (the assignment's "places") while open.
    pub free_docks: Summary,
    /// Mechanical bikes while open.
    pub mechanical: Summary,
    /// Electric bikes while open.
    pub ebike: Summary,
    /// How often it was [full](crate::StationStatus::is_full). A closed station is not.
    pub full: Share,
    /// How often it was [empty](crate::StationStatus::is_empty). A station that does not rent is not.
    pub empty: Share,
    /// The same and more by time instead of by readings.
    pub over_time: StationOverTime,
    /// Its week.
    pub profile: WeekProfile,
}

/// A station that was seen empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SometimesEmpty {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// How often it was empty; at least once.
    pub empty: Share,
}

/// The statistics of all stations of one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatistics {
    /// The zone: `Montreuil`, `Paris 16e`, `48.854,2.347`.
    pub zone: String,
    /// How many different stations reported.
    pub stations: u64,
    /// Their readings.
    pub readings: u64,
    /// Their readings while known to be open.
    pub open: u64,
    /// Free docks of a station, over all readings of open stations: the mean is one station's, not the zone's total.
    pub free_docks: Summary,
    /// Bikes per dock: the bikes of all readings of open stations over the docks of the same readings (the capacity, so a
    /// large station weighs more). `None` if there is no such reading.
    pub occupancy: Option<f64>,
    /// The readings that `occupancy` is computed from.
    pub occupancy_count: u64,
    /// The same by time instead of by readings.
    pub over_time: ZoneOverTime,
}

/// A count of docks or of bikes over readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Readings that say how many; without one the rest is `None`.
    pub count: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The smallest.
    pub min: Option<u32>,
    /// The largest.
    pub max: Option<u32>,
}

/// How often something was so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Readings that were so.
    pub times: u64,
    /// Readings that say whether it was so.
    pub known: u64,
    /// `times / known`, from 0 to 1; `None` if no reading tells.
    pub share: Option<f64>,
}

impl Share {
    /// The share of `times` in `known`.
    pub(super) fn new(times: u64, known: u64) -> Self {
        Self { times, known, share: ratio(times, known) }
    }
}

/// `numerator / denominator`, if there is anything to divide by. Exact below 2^53.
pub(super) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}
