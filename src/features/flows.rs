//! How many bikes come and go at each station, by the kind of day and the hour: the rates of its queue.
//!
//! Readings tell where a station stood, not how many came and went in between, and at a full station nobody can return.
//! So the rates are fitted by EM: under the rates so far, each pair of successive readings is expected to have seen so many
//! returns and rentals ([`Bridge`]) in so much time in which they were possible; these make the next rates, each
//! drawn towards what stations like it have ([`Shapes`]). A pair that the queue cannot explain, as when a truck came,
//! is passed over. A training row must not meet its own answer: [`DailyFlows`] gives the rates without its days.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::birth_death::Leg;
use super::bridge::{Bridge, Tally};
use super::calendar::LocalTime;
use super::history::{History, StationHistory};
use super::rates::kind;
use super::shapes::{CELLS, CellRates, CellTallies, Shapes};
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
    /// By the kind of day (0 a working day, 1 a weekend) and the hour: returns and rentals.
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

/// Steps of EM after the first rates.
const STEPS: usize = 4;
/// The longest and the shortest time between two readings that are learned from, seconds.
const LONGEST: i64 = 2 * 3600 + 600;
const SHORTEST: i64 = 30;
/// A change that is less probable under the rates is not the riders'.
const LEAST_PROBABLE: f64 = 1e-8;
/// For the first rates, which know no probability, a change above so many bikes is not.
const MOST_AT_FIRST: i64 = 12;
const HOUR: i64 = 3600;

impl Flows {
    /// The rates by the readings before `before` (seconds since 1970, UTC), and what was counted by the day.
    ///
    /// The same history gives the same rates, however many processors there are.
    pub fn fit(history: &History, before: i64) -> (Self, DailyFlows) {
        let days = Days::new(history, before);
        let mut totals: Vec<CellTallies> =
            history.stations().iter().map(|station| first_tallies(station, before, &days)).collect();
        let mut hours = Vec::new();
        let mut shapes = Shapes::fit(&totals);
        let mut rates: Vec<_> = totals.iter().map(|own| shapes.rates(own)).collect();
        for _ in 0..STEPS {
            (totals, hours) = expect(history.stations(), &rates, before, &days).into_iter().unzip();
            shapes = Shapes::fit(&totals);
            rates = totals.iter().map(|own| shapes.rates(own)).collect();
        }
        let flows = Self {
            network: StationFlows::of(&network(&totals)),
            codes: history.stations().iter().map(|station| station.code().clone()).collect(),
            stations: rates.iter().map(StationFlows::of).collect(),
        };
        (flows, DailyFlows { shapes, days, totals, hours })
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
            let [returns, rentals] = self.rates[kind(local)][local.hour];
            legs.push(Leg {
                seconds: seconds as f64,
                returns_per_hour: f64::from(returns),
                rentals_per_hour: f64::from(rentals),
            });
        }
    }
}

impl DailyFlows {
    /// The rates of a station (its place in the history) by all days but two, [`LocalTime::day`] of an origin and of its
    /// target. The shapes that all stations share know the two days, the station's own share in them does not.
    pub(crate) fn without(&self, station: usize, days: (i32, i32)) -> StationFlows {
        let mut tallies = self.totals[station];
        self.take_out(&mut tallies, station, days.0);
        if days.1 != days.0 {
            self.take_out(&mut tallies, station, days.1);
        }
        StationFlows::of(&self.shapes.rates(&tallies))
    }

    fn take_out(&self, tallies: &mut CellTallies, station: usize, day: i32) {
        let Some((place, kind)) = self.days.place(day) else { return };
        let hours = self.hours[station].get(24 * place..).unwrap_or_default();
        for (tally, hour) in tallies[24 * kind..].iter_mut().zip(hours.iter().take(24)) {
            tally.returns = (tally.returns - f64::from(hour[0])).max(0.0);
            tally.rentals = (tally.rentals - f64::from(hour[1])).max(0.0);
            tally.not_full = (tally.not_full - f64::from(hour[2])).max(0.0);
            tally.not_empty = (tally.not_empty - f64::from(hour[3])).max(0.0);
        }
    }
}

/// The local days of a history, and where each full hour (UTC) lies in them. Clocks in Paris differ by whole hours.
#[derive(Clone, Debug, PartialEq)]
struct Days {
    first: i32,
    /// The kind of each day.
    kinds: Vec<usize>,
    first_hour: i64,
    /// By the full hour: the place of the local day and the local hour.
    hours: Vec<(usize, usize)>,
}

impl Days {
    fn new(history: &History, before: i64) -> Self {
        let times = || history.stations().iter().map(StationHistory::times);
        let first = times().filter_map(|times| times.first()).min().copied();
        let last = times().filter_map(|times| times[..times.partition_point(|&time| time < before)].last()).max().copied();
        let (Some(first), Some(last)) = (first, last) else {
            return Self { first: 0, kinds: Vec::new(), first_hour: 0, hours: Vec::new() };
        };
        let (first_hour, last_hour) = (first.div_euclid(HOUR), last.div_euclid(HOUR));
        let first_day = LocalTime::at(first_hour * HOUR).day;
        let (mut kinds, mut hours) = (Vec::new(), Vec::new());
        for hour in first_hour..=last_hour {
            let local = LocalTime::at(hour * HOUR);
            let day = usize::try_from(local.day - first_day).unwrap_or_default();
            kinds.resize(kinds.len().max(day + 1), kind(local));
            hours.push((day, local.hour));
        }
        Self { first: first_day, kinds, first_hour, hours }
    }

    /// The place of a day, and its kind.
    fn place(&self, day: i32) -> Option<(usize, usize)> {
        let place = usize::try_from(day.checked_sub(self.first)?).ok()?;
        Some((place, *self.kinds.get(place)?))
    }

    /// The place of the local day and the local hour of a time.
    fn at(&self, time: i64) -> Option<(usize, usize)> {
        self.hours.get(usize::try_from(time.div_euclid(HOUR) - self.first_hour).ok()?).copied()
    }

    fn cell(&self, (day, hour): (usize, usize)) -> usize {
        24 * self.kinds[day] + hour
    }
}

/// Two successive readings of a station.
struct Interval {
    from: i64,
    until: i64,
    /// Free docks at both.
    free: (u32, u32),
    /// Docks that worked at the first.
    docks: u32,
}

/// The pairs of successive readings that can be learned from.
fn intervals(station: &StationHistory, before: i64) -> impl Iterator<Item = Interval> {
    let times = &station.times()[..station.times().partition_point(|&time| time < before)];
    times.windows(2).enumerate().filter_map(|(index, pair)| {
        let length = pair[1] - pair[0];
        if !(SHORTEST..=LONGEST).contains(&length) {
            return None;
        }
        let free = (station.docks()[index], station.docks()[index + 1]);
        let docks = free.0 + station.past(index)?.bikes();
        (free.1 <= docks).then_some(Interval { from: pair[0], until: pair[1], free, docks })
    })
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
fn first_tallies(station: &StationHistory, before: i64, days: &Days) -> CellTallies {
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
    for interval in intervals(station, before) {
        let change = i64::from(interval.free.1) - i64::from(interval.free.0);
        let middle = i64::midpoint(interval.from, interval.until);
        let Some(at) = days.at(middle).filter(|_| change.abs() <= MOST_AT_FIRST) else { continue };
        let (own, change) = (&mut moments[days.cell(at)], change as f64);
        let hours = (interval.until - interval.from) as f64 / HOUR as f64;
        own.count += 1.0;
        own.hours += hours;
        own.change += change;
        own.square += change * change;
        own.not_full += if interval.free.0 > 0 { hours } else { 0.0 };
        own.not_empty += if interval.free.0 < interval.docks { hours } else { 0.0 };
    }
    moments.map(|own| {
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
    })
}

/// The tallies of each station under its rates: by the cell, and by the day and the hour.
fn expect(
    stations: &[StationHistory],
    rates: &[CellRates],
    before: i64,
    days: &Days,
) -> Vec<(CellTallies, Vec<HourTally>)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = stations.len().div_ceil(threads).max(1);
    let of = |stations: &[StationHistory], rates: &[CellRates]| -> Vec<_> {
        let mut bridge = Bridge::default();
        let pairs = stations.iter().zip(rates);
        pairs.map(|(station, rates)| expect_one(station, rates, before, days, &mut bridge)).collect()
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
    before: i64,
    days: &Days,
    bridge: &mut Bridge,
) -> (CellTallies, Vec<HourTally>) {
    let mut hours = vec![Tally::default(); 24 * days.kinds.len()];
    let (mut legs, mut places) = (Vec::new(), Vec::new());
    for Interval { from, until, free, docks } in intervals(station, before) {
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
    let mut cells = [Tally::default(); CELLS];
    for (place, &tally) in hours.iter().enumerate() {
        cells[days.cell((place / 24, place % 24))] += tally;
    }
    let small = |tally: &Tally| [tally.returns, tally.rentals, tally.not_full, tally.not_empty].map(|sum| sum as f32);
    (cells, hours.iter().map(small).collect())
}

/// The rates of all stations together.
fn network(stations: &[CellTallies]) -> CellRates {
    let mut all = [Tally::default(); CELLS];
    for own in stations {
        for (all, own) in all.iter_mut().zip(own) {
            *all += *own;
        }
    }
    let per_hour = |trips: f64, hours: f64| if hours > 0.0 { trips / hours } else { 0.0 };
    all.map(|tally| [per_hour(tally.returns, tally.not_full), per_hour(tally.rentals, tally.not_empty)])
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.returns += other.returns;
        self.rentals += other.rentals;
        self.not_full += other.not_full;
        self.not_empty += other.not_empty;
    }
}
