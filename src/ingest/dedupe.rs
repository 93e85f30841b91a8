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
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { seen: HashMap::new(), per_station: REMEMBERED_PER_STATION }
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
        let time = reading.last_reported.timestamp_millis();
        self.seen.get(&reading.station_code).is_some_and(|times| times.binary_search(&time).is_ok())
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
        let mut unbounded = Dedupe::unbounded();
        for time in 0..=REMEMBERED_PER_STATION as i64 {
            assert!(unbounded.insert(&code, at(time)));
        }
        assert!(!unbounded.insert(&code, at(0)));
    }
}
