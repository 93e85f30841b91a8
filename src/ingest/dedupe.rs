//! Never the same data twice: the portal repeats a reading until its station reports again.
//!
//! A reading is known by (station, `last_reported`). This is only the memory; across restarts it is filled again from what
//! was really kept, the topic or the file, so that memory and output cannot disagree.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::station::{StationCode, StationStatus};

/// How many of its newest readings are remembered for each station: at one a minute, a week.
///
/// What is older than all of them is taken as new when it comes again: a reading too many can be told apart later by
/// its key, a reading lost cannot be had back.
pub const REMEMBERED_PER_STATION: usize = 10_080;

/// Which readings were seen. Eight bytes for each one remembered.
#[derive(Clone, Debug)]
pub struct Dedupe {
    seen: HashMap<StationCode, Vec<i64>>,
    per_station: usize,
    /// What reported before this time, in milliseconds, may have been seen and is not remembered.
    since: i64,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { seen: HashMap::new(), per_station: REMEMBERED_PER_STATION, since: i64::MIN }
    }
}

impl Dedupe {
    /// A memory that has seen nothing, bounded by [`REMEMBERED_PER_STATION`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A memory that forgets nothing: as large as what it guards, at eight bytes a reading.
    pub fn unbounded() -> Self {
        Self { per_station: usize::MAX, ..Self::default() }
    }

    /// A memory that is going to be told of everything since `time`, and of what was before it not at all.
    pub fn since(time: DateTime<Utc>) -> Self {
        Self { since: time.timestamp_millis(), ..Self::default() }
    }

    /// Remembers a reading; whether it is new.
    pub fn insert(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) -> bool {
        let time = last_reported.timestamp_millis();
        let Some(times) = self.seen.get_mut(station_code) else {
            self.seen.insert(station_code.clone(), vec![time]);
            return true;
        };
        let Err(place) = times.binary_search(&time) else { return false };
        times.insert(place, time);
        if times.len() > self.per_station {
            times.remove(0);
        }
        true
    }

    /// Whether this reading was seen.
    pub fn contains(&self, reading: &StationStatus) -> bool {
        self.recall(&reading.station_code, reading.last_reported) == Some(true)
    }

    /// Whether this reading was seen; `None` if it is older than what is remembered of its station, so that it may have been.
    pub fn recall(&self, station_code: &StationCode, last_reported: DateTime<Utc>) -> Option<bool> {
        let time = last_reported.timestamp_millis();
        let times = self.seen.get(station_code).map_or(&[][..], Vec::as_slice);
        if times.binary_search(&time).is_ok() {
            return Some(true);
        }
        let forgotten = times.len() >= self.per_station && times.first().is_some_and(|&oldest| time < oldest);
        (time >= self.since && !forgotten).then_some(false)
    }

    /// The stations that are remembered, each with the newest of its readings.
    pub fn stations(&self) -> impl Iterator<Item = (&StationCode, DateTime<Utc>)> {
        let newest = |times: &Vec<i64>| times.last().copied().and_then(DateTime::from_timestamp_millis);
        self.seen.iter().filter_map(move |(code, times)| Some((code, newest(times)?)))
    }

    /// How many readings are remembered.
    pub fn len(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    proptest! {
        #[test]
        fn answers_as_a_set_of_keys_does(keys in prop::collection::vec((0..5u8, 0..50i64), 0..300)) {
            let (mut dedupe, mut set) = (Dedupe::new(), HashSet::new());
            for (station, time) in keys {
                let code = StationCode::new(&station.to_string()).unwrap();
                let new = set.insert((station, time));
                prop_assert_eq!(dedupe.contains(&StationStatus::unknown(code.clone(), at(time), at(time))), !new);
                prop_assert_eq!(dedupe.insert(&code, at(time)), new);
            }
            prop_assert_eq!(dedupe.len(), set.len());
        }
    }

    #[test]
    fn memory_is_bounded_per_station_and_forgets_the_oldest() {
        let (mut dedupe, code) = (Dedupe::new(), StationCode::new("16107").unwrap());
        for time in 0..=REMEMBERED_PER_STATION as i64 {
            assert!(dedupe.insert(&code, at(time)));
        }
        assert_eq!(dedupe.len(), REMEMBERED_PER_STATION);
        assert!(!dedupe.insert(&code, at(1)) && dedupe.insert(&code, at(0)));
        let recall = |time| dedupe.recall(&code, at(time));
        assert_eq!((recall(0), recall(2), recall(20_000)), (None, Some(true), Some(false)), "0 was seen and forgotten");
        let mut unbounded = Dedupe::unbounded();
        for time in 0..=REMEMBERED_PER_STATION as i64 {
            assert!(unbounded.insert(&code, at(time)));
        }
        assert!(!unbounded.insert(&code, at(0)));
    }

    #[test]
    fn what_was_before_the_memory_begins_is_neither_seen_nor_new() {
        let (mut dedupe, code) = (Dedupe::since(at(100)), StationCode::new("16107").unwrap());
        assert!(dedupe.insert(&code, at(50)) && dedupe.insert(&code, at(150)));
        let recalled = [49, 50, 99, 100, 150, 151].map(|time| dedupe.recall(&code, at(time)));
        assert_eq!(recalled, [None, Some(true), None, Some(false), Some(true), Some(false)]);
        assert_eq!(dedupe.recall(&StationCode::new("1").unwrap(), at(99)), None);
        assert_eq!(dedupe.stations().collect::<Vec<_>>(), [(&code, at(150))]);
    }
}
