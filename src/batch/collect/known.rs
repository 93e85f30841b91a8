//! Which readings a collection holds, in bounded memory, and without ever guessing.
//!
//! Remembered are the keys in the last part of the file, its tail, and of each station the newest event time before that. A
//! reading newer than that stands in the tail or nowhere, so memory alone tells; one that is not (a station that was very late,
//! a history published again) is looked up in the files. However long the collection, memory goes with the tail.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::row::{Key, key_of};
use super::wild::{Wild, is_wild};
use crate::station::{StationCode, StationStatus};

/// Bytes of one half of the tail: some 200,000 readings, three hours of a network that reports every minute.
pub(super) const HALF: u64 = if cfg!(test) { 512 } else { 1 << 25 };

/// How many readings that were looked up are remembered.
const LOOKED_UP: usize = 1 << 20;

/// The memory of one collection.
#[derive(Debug, Default)]
pub(super) struct Known {
    stations: HashMap<StationCode, Station>,
    /// Keys that were looked up, or written after that.
    looked_up: HashSet<Key>,
    wild: Wild,
}

#[derive(Debug)]
struct Station {
    /// Its event times in the tail that are newer than `before`, ascending.
    times: Vec<i64>,
    /// Its newest event time before the tail, in the tail's older half and in its younger half; `i64::MIN` for none.
    before: i64,
    older: i64,
    younger: i64,
}

/// What memory tells of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    Repeated,
    /// The files must be asked.
    Unsure,
}

impl Known {
    /// A memory of nothing but each station's newest event time before the tail, and of the [`Wild`].
    pub(super) fn before_tail(newest: &BTreeMap<StationCode, i64>, wild: Wild) -> Self {
        let stations =
            newest.iter().map(|(code, &before)| (code.clone(), Station { before, ..Station::default() })).collect();
        Self { stations, wild, ..Self::default() }
    }

    /// The readings that came from a clock far wrong.
    pub(super) fn wild(&self) -> &Wild {
        &self.wild
    }

    /// Each station's newest event time before the tail.
    pub(super) fn newest_before_tail(&self) -> BTreeMap<StationCode, i64> {
        let known = self.stations.iter().filter(|(_, station)| station.before > i64::MIN);
        known.map(|(code, station)| (code.clone(), station.before)).collect()
    }

    /// Each station's newest event time.
    pub(super) fn newest(&self) -> BTreeMap<StationCode, i64> {
        let newest = |station: &Station| station.before.max(station.older).max(station.younger);
        self.stations.iter().map(|(code, station)| (code.clone(), newest(station))).collect()
    }

    /// Whether a reading is new, and if so remembers it.
    pub(super) fn look(&mut self, reading: &StationStatus) -> Seen {
        let time = reading.last_reported.timestamp_millis();
        if !self.looked_up.is_empty() && self.looked_up.contains(&key_of(reading)) {
            return Seen::Repeated;
        }
        if let Some(seen) = self.wild.tell(&reading.station_code, time) {
            return seen;
        }
        if is_wild(time, reading.fetched_at.timestamp_millis()) {
            // Whatever the files say, it is there after this.
            self.wild.note(&reading.station_code, time);
            return Seen::Unsure;
        }
        let Some(station) = self.stations.get_mut(&reading.station_code) else {
            self.note(&reading.station_code, time);
            return Seen::New;
        };
        if time <= station.before {
            return Seen::Unsure;
        }
        if station.insert(time) { Seen::New } else { Seen::Repeated }
    }

    /// Remembers a reading that stands in the tail, by its key and its arrival in milliseconds.
    pub(super) fn note_line(&mut self, ((code, time), fetched_at): &(Key, i64)) {
        if is_wild(*time, *fetched_at) {
            self.wild.note(code, *time);
        } else {
            self.note(code, *time);
        }
    }

    fn note(&mut self, code: &StationCode, time: i64) {
        match self.stations.get_mut(code) {
            Some(station) => drop(station.insert(time)),
            None => {
                let mut station = Station::default();
                station.insert(time);
                self.stations.insert(code.clone(), station);
            }
        }
    }

    /// Remembers a key that was looked up and is there now.
    pub(super) fn settle(&mut self, key: Key) {
        if self.looked_up.len() >= LOOKED_UP {
            self.looked_up.clear();
        }
        self.looked_up.insert(key);
    }

    /// The tail's older half is left out, and its younger half becomes the older.
    pub(super) fn turn(&mut self) {
        for station in self.stations.values_mut() {
            station.before = station.before.max(station.older);
            station.older = std::mem::replace(&mut station.younger, i64::MIN);
            let kept = station.times.partition_point(|&time| time <= station.before);
            station.times.drain(..kept);
            station.times.shrink_to(2 * station.times.len());
        }
    }

    /// A new file begins: the tail is all before it.
    pub(super) fn begin_anew(&mut self) {
        self.turn();
        self.turn();
    }
}

impl Default for Station {
    fn default() -> Self {
        Self { times: Vec::new(), before: i64::MIN, older: i64::MIN, younger: i64::MIN }
    }
}

impl Station {
    /// Whether it is new among those remembered.
    fn insert(&mut self, time: i64) -> bool {
        self.younger = self.younger.max(time);
        match self.times.last() {
            Some(&last) if time <= last => match self.times.binary_search(&time) {
                Ok(_) => false,
                Err(place) => {
                    self.times.insert(place, time);
                    true
                }
            },
            _ => {
                self.times.push(time);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::at;
    use proptest::prelude::*;

    fn reading(station: u8, time: i64) -> StationStatus {
        StationStatus::unknown(StationCode::new(&station.to_string()).unwrap(), at(time), at(time))
    }

    proptest! {
        /// Against a set that forgets nothing, whatever is turned when, and with what is unsure looked up in it.
        #[test]
        fn what_memory_tells_is_true(steps in prop::collection::vec((0..4u8, 0..60i64, 0..12u8), 0..300)) {
            let (mut known, mut all) = (Known::default(), HashSet::new());
            for (station, time, turn) in steps {
                if turn == 0 {
                    known.turn();
                    // What is told to another run brings it to the same answers but for the tail.
                    let again = Known::before_tail(&known.newest_before_tail(), known.wild().clone());
                    prop_assert_eq!(again.newest_before_tail(), known.newest_before_tail());
                }
                let reading = reading(station, time);
                match known.look(&reading) {
                    Seen::New => prop_assert!(all.insert(key_of(&reading))),
                    Seen::Repeated => prop_assert!(all.contains(&key_of(&reading))),
                    Seen::Unsure => {
                        all.insert(key_of(&reading));
                        known.settle(key_of(&reading));
                    }
                }
            }
        }
    }

    #[test]
    fn in_order_memory_is_never_unsure_and_goes_with_the_tail() {
        let mut known = Known::default();
        for time in 0..10_000 {
            if time % 100 == 0 {
                known.turn();
            }
            assert_eq!(known.look(&reading(1, time)), Seen::New);
            assert_eq!(known.look(&reading(1, time)), Seen::Repeated);
        }
        let station = known.stations.values().next().unwrap();
        assert!(station.times.len() <= 200 && station.times.capacity() <= 800, "{}", station.times.capacity());
    }

    #[test]
    fn a_clock_that_runs_ahead_makes_nothing_else_look_late() {
        let mut known = Known::default();
        let ahead = StationStatus { fetched_at: at(0), ..reading(1, 3_000_000) };
        assert_eq!(known.look(&ahead), Seen::Unsure);
        known.settle(key_of(&ahead));
        known.begin_anew();
        assert_eq!((known.look(&ahead), known.look(&reading(1, 1))), (Seen::Repeated, Seen::New));
    }
}
