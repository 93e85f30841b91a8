//! Several ways to the same stations: a poll that fails or comes short on one goes to the next.

use std::collections::HashSet;

use super::{Note, Snapshot, Source};
use crate::error::{ErrorKind, Result};
use crate::station::StationCode;

/// Live sources of the same stations, in the order in which they are asked.
///
/// The first snapshot that [is complete](Snapshot::is_complete) is taken; if none is, the one with the most stations, the
/// earlier of equals. Each source that failed or came short is told as a [`Note`]; if all fail, the error is the first's.
///
/// A station must have the same code in each, or it would become two. A snapshot of a later source is therefore taken only
/// if it shares half of its stations, or half of theirs, with the snapshots before; and a GBFS feed beside a portal should
/// be one [with codes](super::Gbfs::with_codes).
pub struct Fallback {
    sources: Vec<Box<dyn Source>>,
    codes: HashSet<StationCode>,
    notes: Vec<Note>,
}

impl Fallback {
    /// The preferred source, and the others in the order in which they are asked.
    pub fn new(first: Box<dyn Source>, others: Vec<Box<dyn Source>>) -> Self {
        let sources = std::iter::once(first).chain(others).collect();
        Self { sources, codes: HashSet::new(), notes: Vec::new() }
    }

    fn told(&mut self, place: usize, why: &str) {
        let then = if place + 1 < self.sources.len() { "; the next source is asked" } else { "" };
        self.notes.push(Note::Trouble { source: self.sources[place].describe(), why: format!("{why}{then}") });
    }

    /// Whether these are the stations that were here before, as far as can be told.
    fn are_known(&self, snapshot: &Snapshot) -> bool {
        let codes: HashSet<_> = snapshot.readings.iter().map(|reading| &reading.station_code).collect();
        let shared = codes.iter().filter(|code| self.codes.contains(**code)).count();
        shared * 2 >= codes.len().min(self.codes.len())
    }

    fn take(&mut self, snapshot: Snapshot) -> Snapshot {
        if !snapshot.readings.is_empty() {
            self.codes = snapshot.readings.iter().map(|reading| reading.station_code.clone()).collect();
        }
        snapshot
    }
}

impl Source for Fallback {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        let (mut best, mut first_error): (Option<Snapshot>, _) = (None, None);
        for place in 0..self.sources.len() {
            match self.sources[place].poll() {
                Err(error) if error.kind() == ErrorKind::Usage => return Err(error),
                Err(error) => {
                    self.told(place, &error.to_string());
                    first_error.get_or_insert(error);
                }
                Ok(None) => {}
                Ok(Some(snapshot)) if place > 0 && !self.are_known(&snapshot) => {
                    self.told(place, "its stations have other codes than those before, so it is not taken");
                }
                Ok(Some(snapshot)) if snapshot.is_complete() => return Ok(Some(self.take(snapshot))),
                Ok(Some(snapshot)) => {
                    self.told(place, &shortfall(&snapshot));
                    if best.as_ref().is_none_or(|best| best.distinct() < snapshot.distinct()) {
                        best = Some(snapshot);
                    }
                }
            }
        }
        match (best, first_error) {
            (Some(best), _) => Ok(Some(self.take(best))),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }

    fn describe(&self) -> String {
        let [first, others @ ..] = self.sources.as_slice() else { return String::new() };
        let others = others.iter().map(|source| format!(", or else {}", source.describe())).collect::<String>();
        format!("{}{others}", first.describe())
    }

    fn notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.sources.iter_mut().flat_map(|source| source.notes()));
        notes
    }
}

/// What a snapshot lacks.
fn shortfall(snapshot: &Snapshot) -> String {
    let counted = snapshot.counted.map_or_else(|| "an unknown number".to_owned(), |counted| counted.to_string());
    let (arrived, aside) = (snapshot.distinct(), snapshot.set_aside.len());
    format!("{arrived} of {counted} stations arrived, {aside} records could not be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Place};
    use crate::ingest::SetAside;
    use crate::station::StationStatus;
    use chrono::DateTime;

    /// Answers the same at every poll.
    struct Script(&'static str, Result<Option<Snapshot>>);

    impl Source for Script {
        fn poll(&mut self) -> Result<Option<Snapshot>> {
            self.1.clone()
        }

        fn describe(&self) -> String {
            self.0.to_owned()
        }
    }

    fn snapshot(codes: &[&str], counted: u64) -> Result<Option<Snapshot>> {
        let at = DateTime::UNIX_EPOCH;
        let reading = |code: &&str| StationStatus::unknown(StationCode::new(code).unwrap(), at, at);
        let readings = codes.iter().map(reading).collect();
        Ok(Some(Snapshot { fetched_at: at, readings, counted: Some(counted), set_aside: vec![] }))
    }

    fn away(message: &str) -> Result<Option<Snapshot>> {
        Err(Error::new(ErrorKind::Network, message))
    }

    fn fallback(sources: Vec<Script>) -> Fallback {
        let mut sources = sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>);
        Fallback::new(sources.next().unwrap(), sources.collect())
    }

    /// Which stations come of these sources, and what is told.
    fn poll(sources: Vec<Script>) -> (Result<Vec<String>>, Vec<String>) {
        let mut fallback = fallback(sources);
        let codes = |snapshot: Option<Snapshot>| {
            snapshot.unwrap().readings.iter().map(|reading| reading.station_code.to_string()).collect()
        };
        let taken = fallback.poll().map(codes);
        (taken, fallback.notes().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_first_that_is_complete_is_taken_and_no_other_is_asked() {
        let (taken, told) = poll(vec![Script("a", snapshot(&["1", "2"], 2)), Script("b", away("never asked"))]);
        assert_eq!((taken.unwrap(), told), (vec!["1".to_owned(), "2".to_owned()], vec![]));
    }

    #[test]
    fn a_failure_and_a_short_poll_are_told_and_the_next_is_asked() {
        let sources =
            vec![Script("a", away("refused")), Script("b", snapshot(&["1"], 2)), Script("c", snapshot(&["1", "2"], 2))];
        let (taken, told) = poll(sources);
        assert_eq!(taken.unwrap().len(), 2);
        assert_eq!(
            told,
            [
                "a: refused; the next source is asked",
                "b: 1 of 2 stations arrived, 0 records could not be read; the next source is asked"
            ]
        );
    }

    #[test]
    fn if_none_is_complete_the_one_with_the_most_stations_is_taken_the_earlier_of_equals() {
        let short = |name, codes: &[&str]| Script(name, snapshot(codes, 9));
        let most = poll(vec![short("a", &["1"]), short("b", &["1", "2"]), short("c", &["2", "3"])]);
        assert_eq!((most.0.unwrap(), most.1.len()), (vec!["1".to_owned(), "2".to_owned()], 3));
        let none = poll(vec![Script("a", away("one")), Script("b", away("two"))]);
        assert_eq!((none.0.unwrap_err().message(), none.1.len()), ("one", 2));
    }

    #[test]
    fn a_record_set_aside_makes_a_poll_short() {
        let spoilt = SetAside { place: Place::Url("u".into()), reason: "r".into(), raw: "{}".into() };
        let mut short = snapshot(&["1"], 1).unwrap().unwrap();
        short.set_aside.push(spoilt);
        let (taken, told) = poll(vec![Script("a", Ok(Some(short))), Script("b", snapshot(&["1", "2"], 2))]);
        assert_eq!((taken.unwrap().len(), told.len()), (2, 1));
    }

    #[test]
    fn stations_under_other_codes_are_not_taken() {
        let others = Script("b", snapshot(&["x1", "x2", "x3", "1"], 4));
        let mut fallback = fallback(vec![Script("a", snapshot(&["1", "2", "3"], 4)), others]);
        // Nothing was here before: whoever is first says what the codes are.
        assert_eq!(fallback.poll().unwrap().unwrap().readings.len(), 4);
        fallback.codes = ["1", "2", "3"].map(|code| StationCode::new(code).unwrap()).into();
        assert_eq!(fallback.poll().unwrap().unwrap().readings.len(), 3);
        let last = fallback.notes().pop().unwrap().to_string();
        assert_eq!(last, "b: its stations have other codes than those before, so it is not taken");
    }
}
