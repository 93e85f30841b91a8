//! Readings whose event time lies more than a day after their arrival: a station's clock, or the publisher's, is far wrong.
//!
//! Their times say nothing of what came before or after. So they are known by their keys, apart from the others, as long as
//! there are few; of many only how far they go, and what is not newer than that is looked up in the files.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::known::Seen;
use crate::station::StationCode;

const WILD: i64 = TimeDelta::days(1).num_milliseconds();

/// The most keys that are kept, some 300 kB in the bookmark.
const MOST: usize = if cfg!(test) { 8 } else { 10_000 };

/// What a collection holds of them. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wild {
    keys: BTreeSet<(StationCode, i64)>,
    /// The newest of each station's that are no longer among the keys.
    until: BTreeMap<StationCode, i64>,
}

/// Whether a reading of this event time that arrived then is one of them.
pub(super) fn is_wild(time: i64, fetched_at: i64) -> bool {
    time.saturating_sub(fetched_at) > WILD
}

impl Wild {
    /// What is known of a key by them; `None` if nothing.
    pub(super) fn tell(&self, code: &StationCode, time: i64) -> Option<Seen> {
        if self.until.get(code) >= Some(&time) {
            return Some(Seen::Unsure);
        }
        let is_there = !self.keys.is_empty() && self.keys.contains(&(code.clone(), time));
        is_there.then_some(Seen::Repeated)
    }

    /// Remembers one that is there.
    pub(super) fn note(&mut self, code: &StationCode, time: i64) {
        if self.until.get(code) >= Some(&time) {
            return;
        }
        self.keys.insert((code.clone(), time));
        if self.keys.len() > MOST {
            for (code, time) in std::mem::take(&mut self.keys) {
                let until = self.until.entry(code).or_insert(time);
                *until = time.max(*until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Never a wrong answer: what was noted is there or to be looked up, however many there were; what is newer than all of a
        /// station's is no business of theirs.
        #[test]
        fn what_was_noted_is_never_new(noted in prop::collection::vec((0..3u8, 0..50i64), 0..40), asked in (0..3u8, 0..60i64)) {
            let code = |station: u8| StationCode::new(&station.to_string()).unwrap();
            let mut wild = Wild::default();
            noted.iter().for_each(|&(station, time)| wild.note(&code(station), time));
            for &(station, time) in &noted {
                prop_assert!(wild.tell(&code(station), time).is_some());
            }
            let (station, time) = asked;
            let newest = noted.iter().filter(|noted| noted.0 == station).map(|noted| noted.1).max();
            match wild.tell(&code(station), time) {
                Some(Seen::Repeated) => prop_assert!(noted.contains(&asked)),
                Some(_) => prop_assert!(newest >= Some(time)),
                None => prop_assert!(!noted.contains(&asked)),
            }
            prop_assert!(wild.keys.len() <= MOST);
        }
    }
}
