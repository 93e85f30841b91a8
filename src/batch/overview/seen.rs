//! Which readings were seen before, with memory for the last: a million at least, two at most.
//!
//! They stand in one log in the order in which they came, because that is quick to write; each knows the one before and after it of
//! its station, by the time of the report. Only what comes late walks along them.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

/// How many are remembered at most, of which the older half is forgotten at once: 32 bytes each.
const REMEMBERED: usize = 2_000_000;

/// How far is looked after the last that came late, before it is looked for from the newest on.
const NEAR: u32 = 8;

/// How many steps are made in all: a history in no order at all is left to what sorts.
const STEPS: u32 = 100_000_000;

/// What a reading is to those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seeing {
    First,
    /// There was one of the same time, not fetched later.
    Repeat,
    /// It is older than what is remembered, or was fetched before the one that it repeats, or too much was looked for.
    Undecided,
}

/// The readings seen.
pub(super) struct Seen {
    stations: Vec<Station>,
    log: VecDeque<Reading>,
    /// How many were forgotten.
    forgotten: u32,
    most: usize,
    /// The steps that are left.
    steps: u32,
}

/// A place in the log, those that were forgotten counted.
type Place = u32;

const NONE: Place = Place::MAX;

#[derive(Clone, Copy)]
struct Reading {
    reported: DateTime<Utc>,
    fetched: DateTime<Utc>,
    before: Place,
    after: Place,
}

#[derive(Clone, Copy)]
struct Station {
    /// When the last was reported and fetched.
    reported: DateTime<Utc>,
    fetched: DateTime<Utc>,
    last: Place,
    /// Where one that came late was found: the next is likely to be near.
    found: Place,
}

impl Default for Seen {
    fn default() -> Self {
        Self { stations: Vec::new(), log: VecDeque::new(), forgotten: 0, most: REMEMBERED, steps: STEPS }
    }
}

impl Seen {
    /// Sees a reading of the station of this number.
    pub(super) fn see(&mut self, station: u32, reported: DateTime<Utc>, fetched: DateTime<Utc>) -> Seeing {
        // More places than can be counted are left to the history.
        if self.forgotten > Place::MAX / 2 {
            return Seeing::Undecided;
        }
        let number = station as usize;
        if number >= self.stations.len() {
            let none = Station { reported: DateTime::<Utc>::MIN_UTC, fetched, last: NONE, found: NONE };
            self.stations.resize(number + 1, none);
        }
        let station = self.stations[number];
        if station.last == NONE || station.reported < reported {
            let place = self.remember(Reading { reported, fetched, before: station.last, after: NONE });
            self.stations[number] = Station { reported, fetched, last: place, ..station };
            return Seeing::First;
        }
        if station.reported == reported {
            return repeats(station.fetched, fetched);
        }
        self.see_late(number, reported, fetched)
    }

    /// Sees one that is older than the last of its station.
    fn see_late(&mut self, station: usize, reported: DateTime<Utc>, fetched: DateTime<Utc>) -> Seeing {
        let Station { last, found, .. } = self.stations[station];
        let older = self.not_after(found, reported, NEAR).or_else(|| self.not_after(last, reported, Place::MAX));
        let seeing = match older {
            None => return Seeing::Undecided,
            Some((place, Some(known))) if known.reported == reported => {
                self.stations[station].found = place;
                return repeats(known.fetched, fetched);
            }
            Some((place, Some(known))) => {
                self.remember(Reading { reported, fetched, before: place, after: known.after })
            }
            Some((oldest, None)) => self.remember(Reading { reported, fetched, before: NONE, after: oldest }),
        };
        self.stations[station].found = seeing;
        Seeing::First
    }

    /// Of the station of which `from` is a reading, the last that was reported not after this time, and where it stands; or, with
    /// nothing, the oldest of all. `None` if too much was forgotten to know, or it is further than so many steps.
    fn not_after(&mut self, from: Place, time: DateTime<Utc>, most: u32) -> Option<(Place, Option<Reading>)> {
        let most = most.min(self.steps);
        let mut left = most;
        let found = self.walk(from, time, &mut left);
        self.steps -= most - left;
        found
    }

    fn walk(&self, from: Place, time: DateTime<Utc>, left: &mut u32) -> Option<(Place, Option<Reading>)> {
        let mut place = from;
        let mut reading = self.get(place)?;
        while reading.reported > time {
            *left = left.checked_sub(1)?;
            if reading.before == NONE {
                return Some((place, None));
            }
            place = reading.before;
            reading = self.get(place)?;
        }
        while reading.after != NONE {
            *left = left.checked_sub(1)?;
            let after = self.get(reading.after)?;
            if after.reported > time {
                break;
            }
            (place, reading) = (reading.after, after);
        }
        Some((place, Some(reading)))
    }

    fn get(&self, place: Place) -> Option<Reading> {
        let place = place.checked_sub(self.forgotten)?;
        self.log.get(place as usize).copied()
    }

    fn get_mut(&mut self, place: Place) -> Option<&mut Reading> {
        let place = place.checked_sub(self.forgotten)?;
        self.log.get_mut(place as usize)
    }

    /// Adds a reading between its neighbours; where.
    fn remember(&mut self, reading: Reading) -> Place {
        if self.log.len() >= self.most {
            let older = self.log.len().div_ceil(2);
            self.log.drain(..older);
            self.forgotten += older as u32;
        }
        let place = self.forgotten + self.log.len() as u32;
        if let Some(before) = self.get_mut(reading.before) {
            before.after = place;
        }
        if let Some(after) = self.get_mut(reading.after) {
            after.before = place;
        }
        self.log.push_back(reading);
        place
    }
}

fn repeats(first: DateTime<Utc>, again: DateTime<Utc>) -> Seeing {
    if first <= again { Seeing::Repeat } else { Seeing::Undecided }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn what_is_decided_is_decided_right(
            readings in prop::collection::vec((0..3u32, 0..30i64, 0..30i64), 0..200),
            most in 1..60usize,
        ) {
            let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0).unwrap();
            let mut seen = Seen { most, ..Seen::default() };
            let mut fetched: HashMap<(u32, i64), i64> = HashMap::new();
            for (station, reported, time) in readings {
                let before = fetched.get(&(station, reported)).copied();
                match seen.see(station, at(reported), at(time)) {
                    Seeing::First => prop_assert_eq!(fetched.insert((station, reported), time), None),
                    Seeing::Repeat => prop_assert!(before.is_some_and(|before| before <= time)),
                    // With nothing forgotten and few steps, only for one reason.
                    Seeing::Undecided => prop_assert!(seen.forgotten > 0 || before.is_some_and(|before| before > time)),
                }
                prop_assert!(seen.log.len() <= most);
            }
        }
    }

    #[test]
    fn with_room_for_all_everything_in_order_of_arrival_is_decided() {
        let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0).unwrap();
        let mut seen = Seen::default();
        // The last but one comes late.
        let seeings =
            [(3, 4), (3, 5), (7, 8), (5, 9), (5, 10)].map(|(reported, fetched)| seen.see(0, at(reported), at(fetched)));
        assert_eq!(seeings, [Seeing::First, Seeing::Repeat, Seeing::First, Seeing::First, Seeing::Repeat]);
    }
}
