//! What is known of a station itself, from all its readings.

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::zone::ZoneKind;
use crate::station::{StationCode, StationStatus};

/// A station as its readings describe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Station {
    /// The station's code.
    pub code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// Latitude, degrees north (WGS 84).
    pub lat: Option<f64>,
    /// Longitude, degrees east (WGS 84).
    pub lon: Option<f64>,
    /// Its zone by [`ZoneKind::Commune`].
    pub commune: Option<String>,
    /// Its zone by [`ZoneKind::Arrondissement`].
    pub arrondissement: Option<String>,
    /// Number of docks, as last reported.
    pub capacity: Option<u32>,
    /// Event time of its newest reading.
    pub last_reported: DateTime<Utc>,
    /// When that reading was fetched.
    pub fetched_at: DateTime<Utc>,
    /// The station's own clock: the latest event time heard of it, none of them later than its arrival, in whole
    /// milliseconds. A reading's own clock may run ahead and moves this one no further.
    pub clock: DateTime<Utc>,
}

impl Station {
    /// The station as this reading describes it.
    pub(crate) fn of(reading: &StationStatus) -> Self {
        let mut station = Self {
            code: reading.station_code.clone(),
            name: None,
            lat: None,
            lon: None,
            commune: None,
            arrondissement: None,
            capacity: None,
            last_reported: reading.last_reported,
            fetched_at: reading.fetched_at,
            clock: heard(reading),
        };
        station.describe_by_numbers(reading);
        station.describe_by_names(reading);
        station
    }

    /// Latitude and longitude in degrees; `None` where they are unknown, lie off the globe, or are both zero, as some feeds
    /// have it for unknown.
    pub fn place(&self) -> Option<(f64, f64)> {
        place(self.lat, self.lon)
    }

    /// Takes over the numbers that the reading knows: the newest reading's word goes before that of older ones, and an older
    /// one fills in only what was unknown. Whether the reading is the newest.
    pub(super) fn describe_by_numbers(&mut self, reading: &StationStatus) -> bool {
        let newer = reading.last_reported >= self.last_reported;
        if newer {
            (self.last_reported, self.fetched_at) = (reading.last_reported, reading.fetched_at);
        }
        self.clock = self.clock.max(heard(reading));
        take_over(newer, &mut self.lat, reading.lat);
        take_over(newer, &mut self.lon, reading.lon);
        take_over(newer, &mut self.capacity, reading.capacity);
        newer
    }

    /// The same for its names, after the numbers.
    pub(super) fn describe_by_names(&mut self, reading: &StationStatus) {
        let newer = reading.last_reported >= self.last_reported;
        take_over_text(newer, &mut self.name, reading.name.as_deref());
        if take_over_text(newer, &mut self.commune, ZoneKind::commune(reading.commune.as_deref())) {
            self.arrondissement = ZoneKind::Arrondissement.zone(&self.code, self.commune.as_deref());
        }
    }
}

/// As [`Station::place`].
pub(super) fn place(lat: Option<f64>, lon: Option<f64>) -> Option<(f64, f64)> {
    lat.zip(lon).filter(|&(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0 && (lat, lon) != (0.0, 0.0))
}

fn heard(reading: &StationStatus) -> DateTime<Utc> {
    reading.last_reported.min(reading.fetched_at).trunc_subsecs(3)
}

fn take_over<T: Copy>(newer: bool, known: &mut Option<T>, said: Option<T>) {
    if newer || known.is_none() {
        *known = said.or(*known);
    }
}

/// As [`take_over`], without a new allocation where nothing changes; whether something did.
fn take_over_text(newer: bool, known: &mut Option<String>, said: Option<&str>) -> bool {
    let changes = said.is_some() && said != known.as_deref() && (newer || known.is_none());
    if changes {
        *known = said.map(str::to_owned);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn reading(minute: i64) -> StationStatus {
        let at = DateTime::from_timestamp(1_652_346_000, 0).unwrap() + TimeDelta::minutes(minute);
        StationStatus {
            capacity: Some(20),
            commune: Some("Paris".into()),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
        }
    }

    fn describe(station: &mut Station, reading: &StationStatus) {
        station.describe_by_numbers(reading);
        station.describe_by_names(reading);
    }

    #[test]
    fn the_newest_word_describes_a_station_and_an_older_one_fills_in_the_unknown() {
        let mut station = Station::of(&StationStatus { commune: None, ..reading(10) });
        assert_eq!((station.commune.as_deref(), station.capacity), (None, Some(20)));
        describe(&mut station, &StationStatus { capacity: Some(30), ..reading(5) });
        assert_eq!((station.commune.as_deref(), station.capacity), (Some("Paris"), Some(20)));
        assert_eq!(station.arrondissement.as_deref(), Some("Paris 16e"));
        describe(&mut station, &StationStatus { capacity: Some(31), commune: None, ..reading(15) });
        assert_eq!((station.commune.as_deref(), station.capacity), (Some("Paris"), Some(31)));
        assert_eq!(station.last_reported, reading(15).last_reported);
    }

    #[test]
    fn a_reading_that_runs_ahead_of_its_arrival_does_not_set_the_clock() {
        let mut station = Station::of(&reading(0));
        describe(&mut station, &StationStatus { fetched_at: reading(5).fetched_at, ..reading(500) });
        assert_eq!((station.clock, station.last_reported), (reading(5).fetched_at, reading(500).last_reported));
        describe(&mut station, &reading(3));
        assert_eq!(station.clock, reading(5).fetched_at);
    }
}
