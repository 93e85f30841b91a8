//! What is usual at each station: how often it is full, and how its free docks move, by the hour and the kind of day.
//!
//! The tallies are fitted on training rows only. For a training row itself its own day and the day of its label are
//! taken out again, so that no row meets its own answer (but for its weight in the network's means, and for a label that
//! is read within the tolerance on the other side of midnight). A row that is
//! forecast later meets the tallies as they are, and with them those of every later day that had ended before its own
//! began: what is usual is learned on while a model is in use, and never from what comes after the origin. Few rows say
//! little, so each share is drawn towards the coarser one above it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::calendar::LocalTime;
use super::history::{History, StationHistory};
use super::label::{Example, Target};
use crate::station::StationCode;

/// How many rows of the network's share a station's own share is mixed with.
const STATION_STRENGTH: f64 = 20.0;
/// How many rows of the station's share a block of hours is mixed with.
const BLOCK_STRENGTH: f64 = 10.0;
/// The same for the changes at an hour.
const HOUR_STRENGTH: f64 = 3.0;

/// What is usual, station by station; fitted on training rows and kept with the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Full readings of the whole network.
    full: Tally,
    /// Absolute changes of free docks over a horizon, of the whole network.
    absolute_change: Tally,
    /// Rows from here on are not in the tallies, seconds since 1970.
    until: i64,
    /// By how much of itself a station's rate of returns rises when all stations around it are full.
    pub(super) diversion: f64,
    stations: BTreeMap<StationCode, StationRates>,
}

/// A sum of whole numbers and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally(i64, u32);

/// The tallies of one station. The outer index is 0 for working days, 1 for days off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct StationRates {
    /// Full readings by blocks of two hours.
    full: [[Tally; 12]; 2],
    /// Changes of free docks over a horizon by the hour of its start.
    change: [[Tally; 24]; 2],
    /// Their absolute values.
    absolute_change: [[Tally; 24]; 2],
}

/// What is usual at one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usual {
    /// Share of the station's readings that are full, in 0 to 1.
    pub(super) full: f64,
    /// The same share in the block of two hours and the kind of day that the target lies in.
    pub(super) full_then: f64,
    /// Mean change of free docks over a horizon that starts at the origin's hour and kind of day, docks.
    pub(super) change: f64,
    /// Mean of its absolute value, docks.
    pub(super) absolute_change: f64,
}

/// What is usual at the readings of a history, each from what was known to it. A station's part is made when it is first
/// asked for.
pub(super) struct UsualTable<'a> {
    stations: Vec<OnceLock<StationTable>>,
    make: Box<dyn Fn(usize) -> StationTable + Sync + 'a>,
}

/// The place of the first reading that is told of, and its and its followers' values.
type StationTable = (usize, Vec<Usual>);

/// One labelled row as the tallies see it.
struct Row {
    origin: LocalTime,
    full_now: bool,
    change: i32,
}

impl Row {
    fn new(station: &StationHistory, example: &Example) -> Self {
        Self {
            origin: LocalTime::at(example.time),
            full_now: station.docks()[example.reading] == 0,
            change: example.change,
        }
    }
}

impl<'a> UsualTable<'a> {
    fn new(history: &History, make: impl Fn(usize) -> StationTable + Sync + 'a) -> Self {
        Self { stations: history.stations().iter().map(|_| OnceLock::new()).collect(), make: Box::new(make) }
    }

    /// What is usual at a reading, if the table was made for its time.
    pub(super) fn get(&self, station: usize, reading: usize) -> Option<&Usual> {
        let (first, values) = self.stations.get(station)?.get_or_init(|| (self.make)(station));
        values.get(reading.checked_sub(*first)?)
    }
}

impl Rates {
    /// Whether the station had rows to learn from.
    pub fn knows(&self, code: &StationCode) -> bool {
        self.stations.contains_key(code)
    }

    /// How often a station is full in the two hours and on the kind of day that `time` (seconds since 1970, UTC) lies in, by
    /// the training span alone; in 0 to 1. A station that was not there has the network's share.
    pub fn usual_full(&self, code: &StationCode, time: i64) -> f64 {
        let (then, unseen) = (LocalTime::at(time), StationRates::default());
        self.evaluate(self.stations.get(code).unwrap_or(&unseen), then, then).full_then
    }

    /// The tallies of `examples`, in the order of station, then time.
    pub(super) fn fit(history: &History, examples: &[Example]) -> Self {
        let until = examples.iter().map(|example| example.time + 1).max().unwrap_or(i64::MIN);
        let mut rates = Self { until, ..Self::default() };
        for chunk in examples.chunk_by(|a, b| a.station == b.station) {
            let station = &history.stations()[chunk[0].station];
            let mut tallies = StationRates::default();
            for row in chunk.iter().map(|example| Row::new(station, example)) {
                tallies.count(&row, 1);
                rates.full.add(i64::from(row.full_now), 1);
                rates.absolute_change.add(i64::from(row.change.abs()), 1);
            }
            rates.stations.insert(station.code().clone(), tallies);
        }
        rates
    }

    /// What is usual at every reading up to the last of the `examples` that the rates were fitted on, with its own day and
    /// the day of its target left out.
    pub(super) fn left_out<'a>(
        &'a self,
        history: &'a History,
        examples: &'a [Example],
        target: Target,
    ) -> UsualTable<'a> {
        UsualTable::new(history, move |place| {
            let station = &history.stations()[place];
            let own = &examples[examples.partition_point(|example| example.station < place)..];
            let own = own.iter().take_while(|example| example.station == place);
            let rows: Vec<_> = own.map(|example| Row::new(station, example)).collect();
            (0, self.usual_left_out(station, &rows, target))
        })
    }

    /// What is usual at every reading from `from` on (seconds since 1970): by the tallies, and by the days after their
    /// end that were over when the reading's own day began. A station that was not there has the network's share.
    pub(super) fn table<'a>(&'a self, history: &'a History, target: Target, from: i64) -> UsualTable<'a> {
        UsualTable::new(history, move |place| {
            let station = &history.stations()[place];
            let mut tallies = self.stations.get(station.code()).cloned().unwrap_or_default();
            let start = station.times().partition_point(|&time| time < self.until);
            let later = (start..station.len()).filter_map(|origin| target.example(station, place, origin));
            // A label is known for certain when the tolerance has passed too.
            let known = |example: &Example| LocalTime::at(example.time + target.horizon + target.tolerance).day;
            let mut later = later.peekable();
            let first = station.times().partition_point(|&time| time < from);
            let values = station.times()[first..].iter().map(|&time| {
                let origin = LocalTime::at(time);
                while let Some(example) = later.next_if(|example| known(example) < origin.day) {
                    tallies.count(&Row::new(station, &example), 1);
                }
                self.evaluate(&tallies, origin, LocalTime::at(time + target.horizon))
            });
            (first, values.collect())
        })
    }

    /// What is usual at each reading of a station up to the end of training, without the reading's own days.
    fn usual_left_out(&self, station: &StationHistory, rows: &[Row], target: Target) -> Vec<Usual> {
        let tallies = self.stations.get(station.code()).cloned().unwrap_or_default();
        let mut kept: Option<((i32, i32), StationRates)> = None;
        let times = station.times().iter().take_while(|&&time| time < self.until);
        times
            .map(|&time| {
                let (origin, target) = (LocalTime::at(time), LocalTime::at(time + target.horizon));
                let days = (origin.day, target.day);
                let others = match kept.take() {
                    Some((same, others)) if same == days => others,
                    _ => without(&tallies, rows, days),
                };
                let usual = self.evaluate(&others, origin, target);
                kept = Some((days, others));
                usual
            })
            .collect()
    }

    fn evaluate(&self, station: &StationRates, origin: LocalTime, target: LocalTime) -> Usual {
        let full = total(station.full.iter().flatten()).towards(self.full.mean(), STATION_STRENGTH);
        let full_then = station.full[target.kind()][target.hour / 2].towards(full, BLOCK_STRENGTH);
        let by_hour = |tallies: &[[Tally; 24]; 2], above: f64| {
            let hour = total(tallies.iter().map(|hours| &hours[origin.hour])).towards(above, HOUR_STRENGTH);
            tallies[origin.kind()][origin.hour].towards(hour, HOUR_STRENGTH)
        };
        let moves =
            total(station.absolute_change.iter().flatten()).towards(self.absolute_change.mean(), STATION_STRENGTH);
        Usual {
            full,
            full_then,
            change: by_hour(&station.change, 0.0),
            absolute_change: by_hour(&station.absolute_change, moves),
        }
    }
}

impl StationRates {
    /// Adds a row, or with `sign` -1 takes it out again.
    fn count(&mut self, row: &Row, sign: i64) {
        let (kind, hour) = (row.origin.kind(), row.origin.hour);
        self.full[kind][hour / 2].add(i64::from(row.full_now), sign);
        self.change[kind][hour].add(i64::from(row.change), sign);
        self.absolute_change[kind][hour].add(i64::from(row.change.abs()), sign);
    }
}

impl Tally {
    /// Adds one value, or with `sign` -1 takes it out again.
    fn add(&mut self, value: i64, sign: i64) {
        self.0 += sign * value;
        self.1 = self.1.saturating_add_signed(if sign < 0 { -1 } else { 1 });
    }

    /// The mean; 0 of nothing.
    fn mean(self) -> f64 {
        self.towards(0.0, 0.0)
    }

    /// The mean of these values and of `strength` more that are `prior`; the prior if there is nothing.
    fn towards(self, prior: f64, strength: f64) -> f64 {
        let weight = f64::from(self.1) + strength;
        if weight > 0.0 { (self.0 as f64 + strength * prior) / weight } else { prior }
    }
}

fn total<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    tallies.fold(Tally::default(), |sum, tally| Tally(sum.0 + tally.0, sum.1 + tally.1))
}

/// The tallies without the rows (in the order of time) whose origin lies on one of the two days.
fn without(station: &StationRates, rows: &[Row], days: (i32, i32)) -> StationRates {
    let mut others = station.clone();
    let mut take_out = |day: i32| {
        let start = rows.partition_point(|row| row.origin.day < day);
        for row in rows[start..].iter().take_while(|row| row.origin.day == day) {
            others.count(row, -1);
        }
    };
    take_out(days.0);
    if days.1 != days.0 {
        take_out(days.1);
    }
    others
}

#[cfg(test)]
mod tests {
    use super::super::testing::readings;
    use super::*;
    use proptest::prelude::*;

    const HOUR: Target = Target { horizon: 3600, tolerance: 600 };

    #[test]
    fn shares_are_drawn_towards_the_coarser_one() {
        let tally = Tally(2, 4);
        assert_eq!((tally.mean(), tally.towards(0.0, 4.0), Tally(0, 0).towards(0.3, 0.0)), (0.5, 0.25, 0.3));
    }

    /// What is usual at the newest reading of the only station.
    fn newest(rates: &Rates, history: &History) -> Usual {
        let table = rates.table(history, HOUR, i64::MIN);
        *table.get(0, history.stations()[0].len() - 1).unwrap()
    }

    #[test]
    fn a_station_never_seen_has_the_networks_share() {
        let history = History::new(&readings("1", &[(0, 0), (3600, 1), (7200, 0), (10_800, 0)]));
        let rates = Rates::fit(&history, &HOUR.examples(&history));
        let usual = newest(&rates, &History::new(&readings("2", &[(43_200, 5)])));
        assert_eq!((usual.full, usual.full_then, usual.change), (2.0 / 3.0, 2.0 / 3.0, 0.0));
        assert_eq!(usual.absolute_change, 2.0 / 3.0);
    }

    #[test]
    fn days_after_training_are_learned_from_once_they_are_over() {
        let day = 86_400;
        let start = readings("1", &[(0, 9), (3600, 9)]);
        let first = History::new(&start);
        let rates = Rates::fit(&first, &HOUR.examples(&first));
        let with = |later: &[(i64, u32)]| {
            let mut all = start.clone();
            all.extend(readings("1", later));
            newest(&rates, &History::new(&all)).full
        };
        let unchanged = with(&[(3 * day, 4)]);
        assert_eq!(unchanged, 0.0);
        // Full readings of the day before count, those of the origin's own day do not.
        assert!(with(&[(2 * day, 0), (2 * day + 3600, 0), (3 * day, 4)]) > 0.0);
        assert_eq!(with(&[(3 * day, 0), (3 * day + 3600, 0), (3 * day + 7200, 4)]), 0.0);
    }

    proptest! {
        /// The law behind leaving out: a row sees what a fit without its two days would have told.
        #[test]
        fn leaving_out_is_fitting_without_these_days(docks in prop::collection::vec(0..3u32, 30..80)) {
            let rows: Vec<_> = docks.iter().zip(0..).map(|(&docks, hour)| (hour * 3600, docks)).collect();
            let history = History::new(&readings("1", &rows));
            let examples = HOUR.examples(&history);
            let rates = Rates::fit(&history, &examples);
            let left_out = rates.left_out(&history, &examples, HOUR);
            for example in &examples {
                let (origin, target) = (LocalTime::at(example.time), LocalTime::at(example.time + 3600));
                let others: Vec<_> = examples.iter().copied().filter(|other| {
                    let day = LocalTime::at(other.time).day;
                    day != origin.day && day != target.day
                }).collect();
                let mut refitted = Rates::fit(&history, &others);
                (refitted.full, refitted.absolute_change) = (rates.full, rates.absolute_change);
                let tallies = refitted.stations.values().next().cloned().unwrap_or_default();
                let usual = refitted.evaluate(&tallies, origin, target);
                prop_assert_eq!(Some(&usual), left_out.get(0, example.reading));
            }
        }
    }
}
