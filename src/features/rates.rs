//! What is usual at each station: how often it is full, and how its free docks move, by the hour and the kind of day.
//!
//! The tallies are fitted on training rows only. For a training row itself its own day and the day of its label are
//! taken out again, so that no row meets its own answer (but for its weight in the network's means); a row that is forecast meets the tallies as they are. Few rows
//! say little, so each share is drawn towards the coarser one above it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calendar::LocalTime;
use super::history::History;
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
    stations: BTreeMap<StationCode, StationRates>,
}

/// A sum of whole numbers and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally(i64, u32);

/// The tallies of one station. The outer index is 0 for working days, 1 for weekends.
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
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// One training row as the tallies see it.
struct Row {
    origin: LocalTime,
    target: LocalTime,
    full_now: bool,
    change: i32,
}

impl Rates {
    /// The tallies of `examples` (in the order of station, then time), and what is usual at each of these rows with
    /// its own day and the day of its label left out.
    pub(super) fn fit(history: &History, examples: &[Example], target: Target) -> (Self, Vec<Usual>) {
        let mut rates = Self::default();
        let mut rows_by_station = Vec::new();
        for chunk in examples.chunk_by(|a, b| a.station == b.station) {
            let station = &history.stations()[chunk[0].station];
            let rows: Vec<_> = chunk
                .iter()
                .map(|example| Row {
                    origin: LocalTime::at(example.time),
                    target: LocalTime::at(example.time + target.horizon),
                    full_now: station.docks()[example.reading] == 0,
                    change: example.change,
                })
                .collect();
            let mut tallies = StationRates::default();
            for row in &rows {
                tallies.count(row, 1);
                rates.full.add(i64::from(row.full_now), 1);
                rates.absolute_change.add(i64::from(row.change.abs()), 1);
            }
            rates.stations.insert(station.code().clone(), tallies);
            rows_by_station.push((station.code(), rows));
        }
        let mut usual = Vec::with_capacity(examples.len());
        for (code, rows) in rows_by_station {
            usual.extend(rates.usual_left_out(&rates.stations[code], &rows));
        }
        (rates, usual)
    }

    /// What is usual at `station` for an origin and its target; the network's share for a station that was not there.
    pub(super) fn usual(&self, station: &StationCode, origin: LocalTime, target: LocalTime) -> Usual {
        let unseen = StationRates::default();
        self.evaluate(self.stations.get(station).unwrap_or(&unseen), origin, target)
    }

    /// What is usual at each of the rows (in the order of time) of one station without the row's own days.
    fn usual_left_out(&self, station: &StationRates, rows: &[Row]) -> Vec<Usual> {
        let mut kept: Option<(i32, i32, StationRates)> = None;
        rows.iter()
            .map(|row| {
                let days = (row.origin.day, row.target.day);
                let others = match kept.take() {
                    Some((origin, target, others)) if (origin, target) == days => others,
                    _ => without(station, rows, days),
                };
                let usual = self.evaluate(&others, row.origin, row.target);
                kept = Some((days.0, days.1, others));
                usual
            })
            .collect()
    }

    fn evaluate(&self, station: &StationRates, origin: LocalTime, target: LocalTime) -> Usual {
        let full = total(station.full.iter().flatten()).towards(self.full.mean(), STATION_STRENGTH);
        let full_then = station.full[kind(target)][target.hour / 2].towards(full, BLOCK_STRENGTH);
        let by_hour = |tallies: &[[Tally; 24]; 2], above: f64| {
            let hour = total(tallies.iter().map(|hours| &hours[origin.hour])).towards(above, HOUR_STRENGTH);
            tallies[kind(origin)][origin.hour].towards(hour, HOUR_STRENGTH)
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
        let (kind, hour) = (kind(row.origin), row.origin.hour);
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

/// 0 on working days, 1 on weekends.
pub(super) fn kind(time: LocalTime) -> usize {
    usize::from(time.weekend)
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

    #[test]
    fn a_station_never_seen_has_the_networks_share() {
        let history = History::new(&readings("1", &[(0, 0), (3600, 1), (7200, 0), (10_800, 0)]));
        let (rates, _) = Rates::fit(&history, &HOUR.examples(&history), HOUR);
        let noon = LocalTime::at(43_200);
        let usual = rates.usual(&StationCode::new("2").unwrap(), noon, noon);
        assert_eq!((usual.full, usual.full_then, usual.change), (2.0 / 3.0, 2.0 / 3.0, 0.0));
        assert_eq!(usual.absolute_change, 2.0 / 3.0);
    }

    proptest! {
        /// The law behind leaving out: a row sees what a fit without its two days would have told.
        #[test]
        fn leaving_out_is_fitting_without_these_days(docks in prop::collection::vec(0..3u32, 30..80)) {
            let rows: Vec<_> = docks.iter().zip(0..).map(|(&docks, hour)| (hour * 3600, docks)).collect();
            let history = History::new(&readings("1", &rows));
            let examples = HOUR.examples(&history);
            let (rates, left_out) = Rates::fit(&history, &examples, HOUR);
            for (example, usual) in examples.iter().zip(left_out) {
                let (origin, target) = (LocalTime::at(example.time), LocalTime::at(example.time + 3600));
                let others: Vec<_> = examples.iter().copied().filter(|other| {
                    let day = LocalTime::at(other.time).day;
                    day != origin.day && day != target.day
                }).collect();
                let (mut refitted, _) = Rates::fit(&history, &others, HOUR);
                (refitted.full, refitted.absolute_change) = (rates.full, rates.absolute_change);
                prop_assert_eq!(refitted.usual(history.stations()[0].code(), origin, target), usual);
            }
        }
    }
}
