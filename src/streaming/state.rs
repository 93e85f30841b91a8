//! What is kept while readings come in: of each station its latest description, of each window what its statistics are
//! computed from.
//!
//! A window remembers which readings it has counted, so that a reading that comes again, be it a minute later or after a
//! crash and a replay of the whole topic, changes nothing. That memory is stored and forgotten together with the sums it
//! guards: the two cannot disagree, which a memory beside them could.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::stats::{Accumulator, Mean, Statistic};
use super::zone::ZoneKind;
use crate::station::{StationCode, StationStatus};

/// One thing for each of the four quantities that are summarised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantities<T> {
    /// Mechanical bikes at the station, in bikes.
    pub mechanical: T,
    /// Electric bikes at the station, in bikes.
    pub ebike: T,
    /// Docks where a bike can be returned, in docks.
    pub docks: T,
    /// Bikes per dock, as [`StationStatus::occupancy`] has it.
    pub occupancy: T,
}

impl<T> Quantities<T> {
    /// The four in their order: mechanical, ebike, docks, occupancy.
    pub fn each(&self) -> [&T; 4] {
        [&self.mechanical, &self.ebike, &self.docks, &self.occupancy]
    }

    /// The four from their order.
    pub(super) fn from_each([mechanical, ebike, docks, occupancy]: [T; 4]) -> Self {
        Self { mechanical, ebike, docks, occupancy }
    }
}

/// What one station's window keeps: enough to go on exactly where it was left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WindowState {
    /// The readings counted: their event times as milliseconds since the window's start, ascending, each once.
    pub event_times: Vec<u32>,
    /// How many of them came from the station while it was closed.
    pub closed: u64,
    /// Number of docks, over the readings that were not closed.
    pub capacity: Mean,
    /// The four quantities, over the readings that were not closed; each counts the readings where it was known.
    pub quantities: Quantities<Accumulator>,
}

impl WindowState {
    /// How many different readings the window has counted, those of the closed station included.
    pub fn readings(&self) -> u64 {
        self.event_times.len() as u64
    }

    /// Takes a reading of the window that begins at `start` into account, unless it was counted before; whether it was new.
    ///
    /// What a station says while it is known to be closed is counted as `closed` and enters no statistic: no dock is free
    /// there, and that means nothing. A station that may be open is taken at its word.
    pub(super) fn update(&mut self, start: DateTime<Utc>, reading: &StationStatus) -> bool {
        let offset = u32::try_from((reading.last_reported - start).num_milliseconds()).unwrap_or(u32::MAX);
        let Err(place) = self.event_times.binary_search(&offset) else { return false };
        self.event_times.insert(place, offset);
        if reading.is_closed() {
            self.closed += 1;
            return true;
        }
        if let Some(capacity) = reading.capacity {
            self.capacity.update(f64::from(capacity));
        }
        let quantities = &mut self.quantities;
        quantities.mechanical.update_known(reading.mechanical.map(f64::from));
        quantities.ebike.update_known(reading.ebike.map(f64::from));
        quantities.docks.update_known(reading.docks_available.map(f64::from));
        quantities.occupancy.update_known(reading.occupancy());
        true
    }
}

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
}

impl Station {
    /// The station as this reading describes it.
    pub(super) fn of(reading: &StationStatus) -> Self {
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
        };
        station.describe(reading);
        station
    }

    /// Latitude and longitude in degrees; `None` where they are unknown or lie off the globe.
    pub(super) fn place(&self) -> Option<(f64, f64)> {
        self.lat.zip(self.lon).filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0)
    }

    /// Takes over what the reading knows: the newest reading's word goes before that of older ones, and an older one fills
    /// in only what was unknown.
    pub(super) fn describe(&mut self, reading: &StationStatus) {
        let newer = reading.last_reported >= self.last_reported;
        if newer {
            (self.last_reported, self.fetched_at) = (reading.last_reported, reading.fetched_at);
        }
        take_over(newer, &mut self.lat, reading.lat);
        take_over(newer, &mut self.lon, reading.lon);
        take_over(newer, &mut self.capacity, reading.capacity);
        take_over_text(newer, &mut self.name, reading.name.as_deref());
        let commune = ZoneKind::Commune.zone(&reading.station_code, reading.commune.as_deref());
        if take_over_text(newer, &mut self.commune, commune.as_deref()) {
            self.arrondissement = ZoneKind::Arrondissement.zone(&self.code, self.commune.as_deref());
        }
    }
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
    use super::super::stats::Summary;
    use super::*;
    use chrono::TimeDelta;

    fn reading(minute: i64, docks: u32) -> StationStatus {
        let at: DateTime<Utc> = "2022-05-12T09:00:00Z".parse().unwrap();
        let at = at + TimeDelta::minutes(minute);
        StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            docks_available: Some(docks),
            bikes_available: Some(20 - docks),
            mechanical: Some(20 - docks),
            commune: Some("Paris".into()),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
        }
    }

    #[test]
    fn a_closed_station_is_counted_and_distorts_nothing() {
        let start = reading(0, 0).last_reported;
        let mut state = WindowState::default();
        assert!(state.update(start, &reading(1, 4)));
        assert!(state.update(start, &StationStatus { is_returning: Some(false), ..reading(2, 0) }));
        assert!(state.update(start, &StationStatus { capacity: Some(0), ..reading(3, 0) }));
        assert_eq!((state.readings(), state.closed), (3, 2));
        assert_eq!(state.quantities.docks.get(), Summary { count: 1, mean: Some(4.0), min: Some(4.0), max: Some(4.0) });
        assert_eq!(state.capacity.get(), Some(20.0));
    }

    #[test]
    fn each_quantity_counts_the_readings_where_it_was_known() {
        let start = reading(0, 0).last_reported;
        let mut state = WindowState::default();
        state.update(start, &reading(1, 4));
        state.update(start, &StationStatus { bikes_available: None, is_installed: None, ..reading(2, 6) });
        let counts = state.quantities.each().map(|quantity| quantity.get().count);
        assert_eq!(counts, [2, 0, 2, 1]);
    }

    #[test]
    fn a_reading_that_comes_again_changes_nothing() {
        let start = reading(0, 0).last_reported;
        let mut state = WindowState::default();
        assert!(state.update(start, &reading(5, 4)) && state.update(start, &reading(0, 6)));
        let before = state.clone();
        assert!(!state.update(start, &reading(5, 4)) && !state.update(start, &reading(0, 6)));
        assert_eq!(state, before);
        assert_eq!(state.event_times, [0, 300_000]);
    }

    #[test]
    fn the_newest_word_describes_a_station_and_an_older_one_fills_in_the_unknown() {
        let mut station = Station::of(&StationStatus { commune: None, ..reading(10, 0) });
        assert_eq!((station.commune.as_deref(), station.capacity), (None, Some(20)));
        station.describe(&StationStatus { capacity: Some(30), ..reading(5, 0) });
        assert_eq!((station.commune.as_deref(), station.capacity), (Some("Paris"), Some(20)));
        assert_eq!(station.arrondissement.as_deref(), Some("Paris 16e"));
        station.describe(&StationStatus { capacity: Some(31), commune: None, ..reading(15, 0) });
        assert_eq!((station.commune.as_deref(), station.capacity), (Some("Paris"), Some(31)));
        assert_eq!(station.last_reported, reading(15, 0).last_reported);
    }
}
