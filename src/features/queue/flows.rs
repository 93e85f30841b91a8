//! How many bikes come and go at each station, by the kind of day and the hour: the rates of its queue.
//!
//! Readings tell where a station stood, not how many came and went in between, and at a full station nobody can return.
//! So the rates are fitted by EM: under the rates so far, each pair of successive readings is expected to have seen so many
//! returns and rentals ([`Bridge`]) in so much time in which they were possible; these make the next rates, each
//! drawn towards what stations like it have ([`Shapes`]). A pair that the queue cannot explain, as when a truck came,
//! is passed over. A training row must not meet its own answer: [`DailyFlows`] gives the rates without its days.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::birth_death::Leg;
use super::bridge::{Bridge, Tally};
use super::shapes::{CELLS, CellRates, CellTallies, Shapes};
use crate::features::calendar::LocalTime;
use crate::features::history::{History, StationHistory};
use crate::station::StationCode;

/// Rates of every station, and of the network for a station that was not there; kept with a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flows {
    network: StationFlows,
    /// In rising order.
    codes: Vec<StationCode>,
    stations: Vec<StationFlows>,
}

/// Trips per hour that are tried at one station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationFlows {
    /// By the kind of day (0 a working day, 1 a day off) and the hour: returns and rentals.
    rates: [[[f32; 2]; 24]; 2],
}

/// What was counted at each station on each day: kept only while a model is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct DailyFlows {
    shapes: Shapes,
    days: Days,
    /// By the station, its place that of the history: all days together.
    totals: Vec<CellTallies>,
    /// By the station, the day and the hour.
    hours: Vec<Vec<HourTally>>,
}

/// A tally in a small space.
type HourTally = [f32; 4];

/// Steps of EM after the first rates: each over one in so many pairs of readings.
const STEPS: [u64; 2] = [2, 1];
/// Two to the power of 64 by the golden ratio (Knuth, The Art of Computer Programming, 6.4): spreads numbers in a row.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The longest and the shortest time between two readings that are learned from, seconds.
const LONGEST: i64 = 4 * HOUR;
const SHORTEST: i64 = 30;
/// A pair whose time is below this share of the usual one is not learned from: a station that reports out of turn
/// corrects what it said.
const SHORTEST_SHARE: f64 = 1.0 / 3.0;
/// A change that is less probable under the rates is not the riders'.
const LEAST_PROBABLE: f64 = 1e-8;
/// For the first rates, which know no probability, a change is not that is larger than so many bikes and so many times
/// the station's mean one.
const LARGEST_AT_FIRST: (f64, f64) = (2.0, 5.0);
const HOUR: i64 = 3600;

impl Flows {
    /// The rates by the readings before `before` (seconds since 1970, UTC), and what was counted by the day.
    ///
    /// The same history gives the same rates, however many processors there are.
    pub fn fit(history: &History, before: i64) -> (Self, DailyFlows) {
        Self::fit_on(history, before, std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn fit_on(history: &History, before: i64, threads: usize) -> (Self, DailyFlows) {
        let days = Days::new(history, before);
        let stations = history.stations();
        let mut totals: Vec<_> = stations.iter().map(|station| first_tallies(station, &days)).collect();
        let mut hours = Vec::new();
        let mut shapes = Shapes::fit(&totals);
        for every in STEPS {
            let rates: Vec<_> = totals.iter().map(|own| shapes.rates(own)).collect();
            (totals, hours) = expect(stations, &rates, &days, every, threads).into_iter().unzip();
            shapes = shapes.refit(&totals);
        }
        let network = StationFlows::of(&shapes.rates(&CellTallies::default()));
        let seen = stations.iter().zip(&totals).filter(|(_, own)| own.was_seen());
        let (codes, stations) =
            seen.map(|(station, own)| (station.code().clone(), StationFlows::of(&shapes.rates(own)))).unzip();
        (Self { network, codes, stations }, DailyFlows { shapes, days, totals, hours })
    }

    /// The rates of a station; the network's for one that was not there.
    pub fn station(&self, code: &StationCode) -> &StationFlows {
        self.codes.binary_search(code).ok().and_then(|place| self.stations.get(place)).unwrap_or(&self.network)
    }
}

impl StationFlows {
    fn of(rates: &CellRates) -> Self {
        Self {
            rates: std::array::from_fn(|kind| {
                std::array::from_fn(|hour| rates[24 * kind + hour].map(|rate| rate as f32))
            }),
        }
    }

    /// Puts the legs of the `seconds` that follow on `from` (seconds since 1970, UTC) in the place of what is in `legs`:
    /// one for each hour that they touch.
    pub fn legs(&self, from: i64, seconds: i64, legs: &mut Vec<Leg>) {
        legs.clear();
        for (start, seconds) in hours_of(from, from + seconds) {
            let local = LocalTime::at(start);
            let [returns, rentals] = self.rates[local.kind()][local.hour];
            legs.push(Leg {
                seconds: seconds as f64,
                returns_per_hour: f64::from(returns),
                rentals_per_hour: f64::from(rentals),
            });
        }
    }
}

impl DailyFlows {
    /// The rates of a station, by its place in the history, from all days but two: the local days of an origin and of its
    /// target, each as days since the first of January of the year 1, that day itself being 1. The shapes that all
    /// stations share know the two days, and so did the rates under which the other days were counted; the station's own
    /// loads in the shapes, and its own counts, do not.
    pub fn without(&self, station: usize, days: (i32, i32)) -> StationFlows {
        let Some(mut tallies) = self.totals.get(station).copied() else {
            return StationFlows::of(&self.shapes.rates(&CellTallies::default()));
        };
        self.take_out(&mut tallies, station, days.0);
        if days.1 != days.0 {
            self.take_out(&mut tallies, station, days.1);
        }
        StationFlows::of(&self.shapes.rates(&tallies))
    }

    fn take_out(&self, tallies: &mut CellTallies, station: usize, day: i32) {
        let Some((place, kind)) = self.days.place(day) else { return };
        let hours = self.hours[station].get(24 * place..).unwrap_or_default();
        for (tally, hour) in tallies.0[24 * kind..].iter_mut().zip(hours.iter().take(24)) {
            tally.returns = (tally.returns - f64::from(hour[0])).max(0.0);
            tally.rentals = (tally.rentals - f64::from(hour[1])).max(0.0);
            tally.not_full = (tally.not_full - f64::from(hour[2])).max(0.0);
            tally.not_empty = (tally.not_empty - f64::from(hour[3])).max(0.0);
        }
    }
}

/// The local days on which a history has readings: a reading that is stamped years away adds a day, not years.
#[derive(Clone, Debug, PartialEq)]
struct Days {
    /// In rising order.
    days: Vec<i32>,
    /// The kind of each day.
    kinds: Vec<usize>,
    /// Readings at and after this are not looked at, seconds since 1970 (UTC).
    before: i64,
    /// The least time between two readings that are learned from, seconds.
    shortest: i64,
}

impl Days {
    fn new(history: &History, before: i64) -> Self {
        let times = || history.stations().iter().map(|station| known(station, before));
        let mut lengths: Vec<_> = times().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0])).collect();
        let middle = lengths.len() / 2;
        let usual = if lengths.is_empty() { 0 } else { *lengths.select_nth_unstable(middle).1 };
        let shortest = SHORTEST.max((usual as f64 * SHORTEST_SHARE) as i64);
        let mut days = BTreeMap::new();
        for local in times().flatten().map(|&time| LocalTime::at(time)) {
            days.entry(local.day).or_insert(local.kind());
        }
        let (days, kinds) = days.into_iter().unzip();
        Self { days, kinds, before, shortest }
    }

    /// The place of a day, and its kind.
    fn place(&self, day: i32) -> Option<(usize, usize)> {
        let place = self.days.binary_search(&day).ok()?;
        Some((place, self.kinds[place]))
    }

    /// The place of the local day and the local hour of a time.
    fn at(&self, time: i64) -> Option<(usize, usize)> {
        let local = LocalTime::at(time);
        Some((self.place(local.day)?.0, local.hour))
    }

    fn cell(&self, (day, hour): (usize, usize)) -> usize {
        24 * self.kinds[day] + hour
    }
}

/// Two successive readings of a station.
#[derive(Clone, Copy)]
struct Interval {
    from: i64,
    until: i64,
    /// Free docks at both.
    free: (u32, u32),
    /// Docks that worked at the first.
    docks: u32,
}

/// The pairs of successive readings that can be learned from, one in `every`, by a hash of their time, so that the choice is in
/// step with no clock.
fn intervals<'a>(station: &'a StationHistory, days: &Days, every: u64) -> impl Iterator<Item = Interval> + use<'a> {
    let allowed = days.shortest..=LONGEST;
    known(station, days.before).windows(2).enumerate().filter_map(move |(index, pair)| {
        let turn = || ((pair[0] as u64).wrapping_mul(GOLDEN) >> 32) % every;
        if !allowed.contains(&(pair[1] - pair[0])) || (every > 1 && turn() != 0) {
            return None;
        }
        let free = (station.docks()[index], station.docks()[index + 1]);
        let docks = free.0 + station.past(index)?.bikes();
        (free.1 <= docks).then_some(Interval { from: pair[0], until: pair[1], free, docks })
    })
}

/// The times of a station's readings that are looked at.
fn known(station: &StationHistory, before: i64) -> &[i64] {
    &station.times()[..station.times().partition_point(|&time| time < before)]
}

/// The pieces of a time by full hours: the start and the length of each.
fn hours_of(from: i64, until: i64) -> impl Iterator<Item = (i64, i64)> {
    let mut start = from;
    std::iter::from_fn(move || {
        let end = ((start.div_euclid(HOUR) + 1) * HOUR).min(until);
        let piece = (start, end - start);
        start = end;
        (piece.1 > 0).then_some(piece)
    })
}

/// Tallies without any rates, by the moments: the spread of the changes within a cell tells how many trips there were,
/// their sum by how much one direction led.
fn first_tallies(station: &StationHistory, days: &Days) -> CellTallies {
    #[derive(Clone, Copy, Default)]
    struct Moments {
        count: f64,
        hours: f64,
        change: f64,
        square: f64,
        not_full: f64,
        not_empty: f64,
    }
    let mut moments = [Moments::default(); CELLS];
    let change = |interval: &Interval| f64::from(interval.free.1) - f64::from(interval.free.0);
    let (count, sum) = intervals(station, days, 1)
        .fold((0.0, 0.0), |(count, sum), interval| (count + 1.0, sum + change(&interval).abs()));
    let largest = LARGEST_AT_FIRST.0 + LARGEST_AT_FIRST.1 * sum / f64::max(count, 1.0);
    for interval in intervals(station, days, 1) {
        let change = change(&interval);
        let middle = i64::midpoint(interval.from, interval.until);
        let Some(at) = days.at(middle).filter(|_| change.abs() <= largest) else { continue };
        let own = &mut moments[days.cell(at)];
        let hours = (interval.until - interval.from) as f64 / HOUR as f64;
        own.count += 1.0;
        own.hours += hours;
        own.change += change;
        own.square += change * change;
        own.not_full += if interval.free.0 > 0 { hours } else { 0.0 };
        own.not_empty += if interval.free.0 < interval.docks { hours } else { 0.0 };
    }
    CellTallies(moments.map(|own| {
        let spread = if own.count > 1.0 {
            (own.square - own.change * own.change / own.count) * own.count / (own.count - 1.0)
        } else {
            own.square
        };
        let trips = spread.max(own.change.abs());
        Tally {
            returns: 0.5 * (trips - own.change),
            rentals: 0.5 * (trips + own.change),
            not_full: own.not_full,
            not_empty: own.not_empty,
        }
    }))
}

/// The tallies of each station under its rates, from one in `every` pairs of readings: by the cell, and by the day and
/// the hour.
fn expect(
    stations: &[StationHistory],
    rates: &[CellRates],
    days: &Days,
    every: u64,
    threads: usize,
) -> Vec<(CellTallies, Vec<HourTally>)> {
    let share = stations.len().div_ceil(threads).max(1);
    let of = |stations: &[StationHistory], rates: &[CellRates]| -> Vec<_> {
        let mut bridge = Bridge::default();
        let pairs = stations.iter().zip(rates);
        pairs.map(|(station, rates)| expect_one(station, rates, days, every, &mut bridge)).collect()
    };
    std::thread::scope(|scope| {
        let parts = stations.chunks(share).zip(rates.chunks(share));
        let threads: Vec<_> = parts.map(|(stations, rates)| scope.spawn(move || of(stations, rates))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn expect_one(
    station: &StationHistory,
    rates: &CellRates,
    days: &Days,
    every: u64,
    bridge: &mut Bridge,
) -> (CellTallies, Vec<HourTally>) {
    let mut hours = vec![Tally::default(); 24 * days.kinds.len()];
    let (mut legs, mut places) = (Vec::new(), Vec::new());
    for Interval { from, until, free, docks } in intervals(station, days, every) {
        legs.clear();
        places.clear();
        for (start, seconds) in hours_of(from, until) {
            let Some(at) = days.at(start) else { continue };
            let [returns_per_hour, rentals_per_hour] = rates[days.cell(at)];
            legs.push(Leg { seconds: seconds as f64, returns_per_hour, rentals_per_hour });
            places.push(24 * at.0 + at.1);
        }
        let Some(tallies) = bridge.tallies(free.0, free.1, docks, &legs, LEAST_PROBABLE) else { continue };
        for (&place, &tally) in places.iter().zip(tallies) {
            hours[place] += tally;
        }
    }
    let mut cells = CellTallies::default();
    for (place, &tally) in hours.iter().enumerate() {
        cells.0[days.cell((place / 24, place % 24))] += tally;
    }
    let small = |tally: &Tally| [tally.returns, tally.rentals, tally.not_full, tally.not_empty].map(|sum| sum as f32);
    (cells, hours.iter().map(small).collect())
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.returns += other.returns;
        self.rentals += other.rentals;
        self.not_full += other.not_full;
        self.not_empty += other.not_empty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{reading, readings};
    use crate::ingest::{SimulatedNetwork, SimulatedStation, SimulationConfig};
    use crate::station::StationStatus;
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    fn simulated(days: i64, stations: usize) -> (Vec<SimulatedStation>, Vec<StationStatus>) {
        let config = SimulationConfig { stations, duration: TimeDelta::days(days), ..SimulationConfig::default() };
        let network = SimulatedNetwork::new(config).unwrap();
        (network.stations().to_vec(), network.readings())
    }

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
    }

    /// Rates known, the fit is held against them: all trips of a station within the spread of their number, and each hour
    /// nearer than its own trips alone could tell.
    #[test]
    fn on_simulated_chains_the_fit_recovers_the_rates() {
        let (stations, readings) = simulated(14, 60);
        let (flows, daily) = Flows::fit(&History::new(&readings), i64::MAX);
        let week = at("2024-03-03T23:00:00Z");
        let (mut squares, mut cells) = (0.0, 0.0);
        for (place, station) in stations.iter().enumerate() {
            let mut station = station.clone();
            station.closures.clear();
            let place = flows.codes.binary_search(&station.code).unwrap_or(place);
            let own = &flows.stations[place];
            let (mut true_trips, mut trips) = ([0.0; 2], [0.0; 2]);
            for hour in 0..48 {
                let (kind, hour) = (hour / 24, hour % 24);
                let time = week + (5 * kind + hour) as i64 * HOUR + (if kind == 1 { 5 * 24 - 5 } else { 0 }) * HOUR;
                let truth = station.rates(DateTime::from_timestamp(time, 0).unwrap());
                let tally = daily.totals[place].0[24 * kind + hour];
                let truths = [truth.returns_per_hour, truth.rentals_per_hour];
                for (side, hours) in [tally.not_full, tally.not_empty].into_iter().enumerate() {
                    let rate = f64::from(own.rates[kind][hour][side]);
                    true_trips[side] += truths[side] * hours;
                    trips[side] += rate * hours;
                    squares += (rate - truths[side]).powi(2) * hours / truths[side];
                    cells += 1.0;
                }
            }
            for side in 0..2 {
                let spread = f64::sqrt(true_trips[side]);
                assert!(
                    (trips[side] - true_trips[side]).abs() < 5.0 * spread,
                    "{} {trips:?} {true_trips:?}",
                    station.code
                );
            }
        }
        // A rate told by the cell's own trips has 1 in the mean.
        assert!(squares / cells < 0.3, "{}", squares / cells);
    }

    #[test]
    fn without_two_days_are_the_tallies_of_the_others() {
        let (_, readings) = simulated(9, 16);
        let (_, daily) = Flows::fit(&History::new(&readings), i64::MAX);
        let first = daily.days.days[0];
        for (station, days) in [(0, (first + 1, first + 2)), (5, (first + 5, first + 5)), (15, (first + 8, first + 9))]
        {
            let mut others = CellTallies::default();
            for (place, hour) in daily.hours[station].iter().enumerate() {
                let day = first + i32::try_from(place / 24).unwrap();
                if day != days.0 && day != days.1 {
                    let [returns, rentals, not_full, not_empty] = hour.map(f64::from);
                    others.0[daily.days.cell((place / 24, place % 24))] +=
                        Tally { returns, rentals, not_full, not_empty };
                }
            }
            let (left_out, told) = (daily.without(station, days), StationFlows::of(&daily.shapes.rates(&others)));
            let pairs = left_out.rates.iter().flatten().flatten().zip(told.rates.iter().flatten().flatten());
            for (a, b) in pairs {
                assert!((a - b).abs() < 1e-3 * b, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_day_that_nobody_saw_leaves_the_rates_as_they_are() {
        let (_, readings) = simulated(3, 10);
        let history = History::new(&readings);
        let (flows, daily) = Flows::fit(&history, i64::MAX);
        for (place, station) in history.stations().iter().enumerate() {
            assert_eq!(daily.without(place, (0, i32::MAX)), *flows.station(station.code()));
        }
    }

    #[test]
    fn what_comes_at_the_end_of_the_span_or_later_changes_nothing() {
        let (_, readings) = simulated(4, 10);
        let before = at("2024-03-06T12:00:00Z");
        let told = Flows::fit(&History::new(&readings), before);
        let mut changed: Vec<_> = readings
            .iter()
            .map(|reading| match reading.last_reported.timestamp() < before {
                true => reading.clone(),
                false => StationStatus { docks_available: Some(1), bikes_available: Some(3), ..reading.clone() },
            })
            .collect();
        assert_eq!(Flows::fit(&History::new(&changed), before), told);
        changed.retain(|reading| reading.last_reported.timestamp() < before);
        assert_eq!(Flows::fit(&History::new(&changed), before), told);
        // A station that is new then is not known, and changes no other.
        changed.extend((0..50).map(|minutes| reading("1", before + 600 * minutes, 3)));
        let (flows, _) = Flows::fit(&History::new(&changed), before);
        assert_eq!(flows, told.0);
        assert_eq!(*flows.station(&StationCode::new("1").unwrap()), flows.network);
    }

    #[test]
    fn threads_change_nothing_and_what_is_saved_reads_back() {
        let (_, readings) = simulated(2, 7);
        let history = History::new(&readings);
        let told = Flows::fit_on(&history, i64::MAX, 1);
        for threads in [2, 3, 16] {
            assert_eq!(Flows::fit_on(&history, i64::MAX, threads), told);
        }
        let json = serde_json::to_string(&told.0).unwrap();
        assert!(json.len() < 8 * 96 * 12 + 400, "{}", json.len());
        assert_eq!(serde_json::from_str::<Flows>(&json).unwrap(), told.0);
    }

    #[test]
    fn a_truck_and_a_correction_are_passed_over() {
        let mut rows: Vec<_> = (0..400).map(|slot| (slot * 600, 10 + u32::from(slot % 3 == 0))).collect();
        let told = Flows::fit(&History::new(&readings("1", &rows)), i64::MAX).1;
        // A truck takes eight bikes, and the same number of bikes come within a moment of a reading.
        rows.insert(300, (299 * 600 + 20, 2));
        rows[200].1 = 19;
        let dirty = Flows::fit(&History::new(&readings("1", &rows)), i64::MAX).1;
        let rentals = |daily: &DailyFlows| daily.totals[0].0.iter().map(|tally| tally.rentals).sum::<f64>();
        assert!((rentals(&dirty) - rentals(&told)).abs() < 3.0, "{} {}", rentals(&dirty), rentals(&told));
    }

    #[test]
    fn a_reading_that_is_stamped_decades_away_changes_nothing() {
        let (_, told) = simulated(3, 10);
        let mut stray = told.clone();
        let long_ago = DateTime::UNIX_EPOCH;
        stray.push(StationStatus { last_reported: long_ago, fetched_at: long_ago, ..told[0].clone() });
        let [(told, _), (with, daily)] = [told, stray].map(|readings| Flows::fit(&History::new(&readings), i64::MAX));
        assert!(told == with && daily.hours[0].len() == 24 * 5);
    }

    #[test]
    fn no_reading_and_one_reading_are_no_flow() {
        for readings in [vec![], vec![reading("1", 0, 3)]] {
            let (flows, daily) = Flows::fit(&History::new(&readings), i64::MAX);
            let mut legs = Vec::new();
            flows.station(&StationCode::new("1").unwrap()).legs(0, 60, &mut legs);
            assert_eq!(legs, [Leg { seconds: 60.0, returns_per_hour: 0.0, rentals_per_hour: 0.0 }]);
            assert_eq!(daily.without(0, (1, 1)), flows.network);
        }
    }

    proptest! {
        #[test]
        fn legs_part_the_time_at_full_hours(from in -100_000..2_000_000_000i64, seconds in -10..40_000i64) {
            let rates = std::array::from_fn(|kind| {
                std::array::from_fn(|hour| [f32::from(kind as u8), f32::from(hour as u8)])
            });
            let mut legs = vec![Leg { seconds: 1.0, returns_per_hour: 1.0, rentals_per_hour: 1.0 }];
            StationFlows { rates }.legs(from, seconds, &mut legs);
            prop_assert_eq!(legs.iter().map(|leg| leg.seconds).sum::<f64>(), seconds.max(0) as f64);
            let mut start = from;
            for leg in &legs {
                let local = LocalTime::at(start);
                prop_assert!(leg.seconds > 0.0 && leg.seconds <= 3600.0);
                prop_assert_eq!((leg.returns_per_hour, leg.rentals_per_hour), (local.kind() as f64, local.hour as f64));
                let end = start + leg.seconds as i64;
                prop_assert_eq!(LocalTime::at(end - 1).hour, local.hour);
                start = end;
            }
        }
    }
}
