//! What is kept of a window while readings come in, and what is said of it.
//!
//! A window remembers its readings, so that one that comes again, be it a minute later or after a crash and a replay of the
//! whole topic, changes nothing, and one that comes late is put in its place. Whatever the order they came in, the
//! statistics are computed from the readings in order of time: they are the same to the last digit.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::sample::{Sample, decode, encode};
use super::stats::{Accumulator, Mean, Statistic, Summary, TimeWeightedMean};
use super::window::Window;
use crate::station::StationStatus;

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

/// What is said of a window: of one station, or of a zone.
///
/// What a station says while it is known to be closed is counted as `closed` and enters no statistic of the quantities: no
/// dock is free there, and that means nothing. A station that may be open is taken at its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowStatistics {
    /// How many different readings fell into the window.
    pub readings: u64,
    /// How many of them came late, when the station had already reported from after the window: each made it another.
    pub revision: u64,
    /// How many of them came from a station while it was closed.
    pub closed: u64,
    /// Number of docks: of a station the mean over its readings while not closed, of a zone the sum of its stations'.
    pub capacity: Option<f64>,
    /// The share of the time in which the station was [full](StationStatus::is_full), from 0 to 1, over the time in which that
    /// is known: each reading holds until the next or the window's end. Of a zone, the mean of its stations' by capacity.
    pub full: Option<f64>,
    /// The same for [empty](StationStatus::is_empty).
    pub empty: Option<f64>,
    /// The four quantities.
    #[serde(flatten)]
    pub quantities: Quantities<Summary>,
}

/// What one station's window keeps: its readings, and how often it was corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowState {
    /// In order of time, each time once.
    samples: Vec<Sample>,
    revision: u64,
}

impl WindowState {
    /// From what [`to_bytes`](Self::to_bytes) made of the readings; `None` if it is something else.
    pub fn from_bytes(samples: &[u8], revision: u64) -> Option<Self> {
        decode(samples).map(|samples| Self { samples, revision })
    }

    /// The readings, as a store keeps them.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.samples)
    }

    /// How many late readings the window has taken in.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn with_room_for(readings: usize) -> Self {
        Self { samples: Vec::with_capacity(readings), revision: 0 }
    }

    /// How many readings were taken in.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether a reading of this time was taken in by the window that begins at the Unix second `start`.
    pub(super) fn holds(&self, start: i64, time: DateTime<Utc>) -> bool {
        self.samples.binary_search_by_key(&offset(start, time), |sample| sample.offset).is_ok()
    }

    /// Takes a reading of the window that begins at the Unix second `start` into account, unless one of its time was taken in
    /// before; whether it was new.
    pub(super) fn update(&mut self, start: i64, reading: &StationStatus, late: bool) -> bool {
        let offset = offset(start, reading.last_reported);
        let place = match self.samples.last() {
            Some(last) if last.offset >= offset => {
                match self.samples.binary_search_by_key(&offset, |sample| sample.offset) {
                    Ok(_) => return false,
                    Err(place) => place,
                }
            }
            _ => self.samples.len(),
        };
        self.samples.insert(place, Sample::of(offset, reading));
        self.revision += u64::from(late);
        true
    }

    /// The statistics of the window, which is this one's.
    pub fn statistics(&self, window: Window) -> WindowStatistics {
        let mut capacity = Mean::default();
        let (mut full, mut empty) = (TimeWeightedMean::default(), TimeWeightedMean::default());
        let mut quantities: [Accumulator; 4] = Default::default();
        for sample in &self.samples {
            let at = i64::from(sample.offset);
            let fact = |fact: Option<bool>| fact.map(|holds| f64::from(u8::from(holds)));
            capacity.update(at, sample.capacity.filter(|_| !sample.closed).map(f64::from));
            full.update(at, fact(sample.full));
            empty.update(at, fact(sample.empty));
            let values = sample.quantities();
            quantities.iter_mut().zip(values.each()).for_each(|(quantity, value)| quantity.update(at, *value));
        }
        let end = (window.end - window.start).num_milliseconds();
        for mean in [&mut full, &mut empty].into_iter().chain(quantities.iter_mut().map(|q| &mut q.time_weighted_mean))
        {
            mean.update(end, None);
        }
        WindowStatistics {
            readings: self.samples.len() as u64,
            revision: self.revision,
            closed: self.samples.iter().filter(|sample| sample.closed).count() as u64,
            capacity: capacity.get(),
            full: full.get(),
            empty: empty.get(),
            quantities: Quantities::from_each(quantities.map(|quantity| quantity.get())),
        }
    }
}

fn offset(start: i64, time: DateTime<Utc>) -> u32 {
    u32::try_from(time.timestamp_millis() - start * 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationCode;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    const START: i64 = 1_652_346_000;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(START, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn ten_minutes() -> Window {
        Window { start: at(0), end: at(10) }
    }

    fn reading(minute: i64, docks: u32) -> StationStatus {
        StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            docks_available: Some(docks),
            bikes_available: Some(20 - docks),
            mechanical: Some(20 - docks),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at(minute), at(minute))
        }
    }

    fn state(readings: &[StationStatus]) -> WindowState {
        let mut state = WindowState::default();
        readings.iter().for_each(|reading| assert!(state.update(START, reading, false)));
        state
    }

    #[test]
    fn a_closed_station_is_counted_and_distorts_nothing() {
        let closed = StationStatus { is_returning: Some(false), ..reading(2, 0) };
        let none = StationStatus { capacity: Some(0), ..reading(3, 0) };
        let said = state(&[reading(1, 4), closed, none]).statistics(ten_minutes());
        assert_eq!((said.readings, said.closed, said.capacity), (3, 2, Some(20.0)));
        let docks = said.quantities.docks;
        assert_eq!((docks.count, docks.mean, docks.time_weighted_mean), (1, Some(4.0), Some(4.0)));
        assert_eq!((docks.min, docks.max, docks.turnover), (Some(4.0), Some(4.0), None));
        assert_eq!(said.full, Some(0.0));
    }

    #[test]
    fn each_quantity_counts_the_readings_where_it_was_known() {
        let unknown = StationStatus { bikes_available: None, is_installed: None, ..reading(2, 6) };
        let said = state(&[reading(1, 4), unknown]).statistics(ten_minutes());
        assert_eq!(said.quantities.each().map(|quantity| quantity.count), [2, 0, 2, 1]);
    }

    #[test]
    fn every_reading_counts_once_in_one_mean_and_for_as_long_as_it_held_in_the_other() {
        let said = state(&[reading(2, 0), reading(8, 20)]).statistics(ten_minutes());
        let docks = said.quantities.docks;
        // None free for six minutes, all twenty for the last two.
        assert_eq!((docks.mean, docks.time_weighted_mean), (Some(10.0), Some(5.0)));
        assert_eq!((docks.rate, docks.turnover), (Some(200.0), Some(20.0)));
        assert_eq!((said.full, said.empty), (Some(0.75), Some(0.25)));
    }

    #[test]
    fn a_reading_that_comes_again_changes_nothing() {
        let mut state = state(&[reading(5, 4), reading(0, 6)]);
        let before = state.clone();
        assert!(!state.update(START, &reading(5, 4), true) && !state.update(START, &reading(0, 6), false));
        assert_eq!(state, before);
        assert!(state.holds(START, at(5)) && !state.holds(START, at(4)));
    }

    proptest! {
        #[test]
        fn the_order_in_which_readings_come_changes_no_digit(
            readings in prop::collection::btree_map(0..10i64, 0..21u32, 1..10),
            order in any::<u64>(),
        ) {
            let readings: Vec<_> = readings.into_iter().map(|(minute, docks)| reading(minute, docks)).collect();
            let mut others = readings.clone();
            others.sort_by_key(|reading| (reading.last_reported.timestamp() as u64).wrapping_mul(order | 1));
            prop_assert_eq!(state(&readings).statistics(ten_minutes()), state(&others).statistics(ten_minutes()));
        }
    }

    #[test]
    fn a_late_reading_makes_a_new_revision_and_is_kept_with_it() {
        let mut state = state(&[reading(0, 6)]);
        assert_eq!(state.revision(), 0);
        assert!(state.update(START, &reading(5, 4), true) && !state.update(START, &reading(5, 4), true));
        assert_eq!(state.revision(), 1);
        assert_eq!(WindowState::from_bytes(&state.to_bytes(), 1), Some(state));
    }
}
