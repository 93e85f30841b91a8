//! What each station reported, in the order of event time, as columns.
//!
//! Only readings that can be learned from are kept: usable, with capacity, free docks and bikes known, one for each
//! (station, `last_reported`), the first that was fetched. Features see a [`Past`] alone: it ends at the origin, so that
//! nothing later can reach them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::neighbours::Neighbours;
use crate::station::{StationCode, StationStatus};

/// The usable readings of all stations, the stations in the order of their codes.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    stations: Vec<StationHistory>,
    neighbours: Neighbours,
}

/// The usable readings of one station, in columns of equal length; times in whole seconds since 1970 (UTC), strictly rising.
#[derive(Clone, Debug, PartialEq)]
pub struct StationHistory {
    code: StationCode,
    /// Latitude and longitude, degrees, as its first reading tells, so that no later one moves a station.
    position: Option<(f64, f64)>,
    times: Vec<i64>,
    docks: Vec<u32>,
    bikes: Vec<u32>,
    electric: Vec<Option<u32>>,
    capacity: Vec<u32>,
    /// How old each reading was when it was fetched, seconds.
    lags: Vec<i64>,
    /// How many of the readings before each index were full; one entry more than readings.
    full_before: Vec<u32>,
}

/// The readings of one station up to an origin, the origin itself the last of them; never empty.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    times: &'a [i64],
    docks: &'a [u32],
    full_before: &'a [u32],
    bikes: u32,
    electric: Option<u32>,
    capacity: u32,
    lag: i64,
}

impl History {
    /// The history in `readings`, which may come in any order and repeat.
    ///
    /// Left out first are readings without capacity, docks or bikes, with more of them than a station can have, and those
    /// that are stamped more than a day after they were fetched. Of those that share station and second of
    /// `last_reported` the first fetched is kept; of these the usable ones.
    pub fn new(readings: &[StationStatus]) -> Self {
        let mut by_station: HashMap<&StationCode, Vec<&StationStatus>> = HashMap::new();
        for reading in
            readings.iter().filter(|reading| counts(reading).is_some() && reading.lag().num_seconds() >= -DAY)
        {
            by_station.entry(&reading.station_code).or_default().push(reading);
        }
        let mut stations: Vec<_> = by_station
            .into_iter()
            .map(|(code, readings)| StationHistory::new(code.clone(), readings))
            .filter(|station| !station.is_empty())
            .collect();
        stations.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        Self::of(stations)
    }

    fn of(stations: Vec<StationHistory>) -> Self {
        let neighbours = Neighbours::new(&stations);
        Self { stations, neighbours }
    }

    /// Who is near whom.
    pub(super) fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// The stations that have a usable reading, in the order of their codes.
    pub fn stations(&self) -> &[StationHistory] {
        &self.stations
    }

    /// The place of a station in [`stations`](Self::stations).
    pub fn position(&self, code: &str) -> Option<usize> {
        self.stations.binary_search_by(|station| station.code.as_str().cmp(code)).ok()
    }

    /// The history of one station alone; empty if it has none.
    pub fn only(&self, code: &StationCode) -> Self {
        Self::of(self.stations.iter().filter(|station| station.code == *code).cloned().collect())
    }

    /// Event times of the first and the last usable reading. One that was older than a week when it was fetched and that the
    /// station let a week pass after, or never followed up, counts only if there are no others: a station that fell silent
    /// last year does not stretch the span of the data.
    pub fn span(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let of = |counts: fn(&StationHistory, usize) -> bool| {
            let places = self.stations.iter().flat_map(|station| (0..station.len()).map(move |place| (station, place)));
            let times =
                places.filter(|&(station, place)| counts(station, place)).map(|(station, place)| station.times[place]);
            times.fold(None, |span: Option<(i64, i64)>, time| {
                span.map_or(Some((time, time)), |(first, last)| Some((time.min(first), time.max(last))))
            })
        };
        let (first, last) = of(StationHistory::is_in_season).or_else(|| of(|_, _| true))?;
        Some((DateTime::from_timestamp(first, 0)?, DateTime::from_timestamp(last, 0)?))
    }

    /// Number of usable readings.
    pub fn len(&self) -> usize {
        self.stations.iter().map(StationHistory::len).sum()
    }

    /// Whether no reading is usable.
    pub fn is_empty(&self) -> bool {
        self.stations.is_empty()
    }
}

impl StationHistory {
    fn new(code: StationCode, mut readings: Vec<&StationStatus>) -> Self {
        // Stable: of two fetched at once, the one that was given first.
        readings.sort_by_key(|reading| (reading.last_reported.timestamp(), reading.fetched_at));
        readings.dedup_by_key(|reading| reading.last_reported.timestamp());
        readings.retain(|reading| reading.is_open());
        let mut station = Self {
            code,
            position: readings.first().and_then(|reading| reading.lat.zip(reading.lon)),
            times: Vec::with_capacity(readings.len()),
            docks: Vec::with_capacity(readings.len()),
            bikes: Vec::with_capacity(readings.len()),
            electric: Vec::with_capacity(readings.len()),
            capacity: Vec::with_capacity(readings.len()),
            lags: Vec::with_capacity(readings.len()),
            full_before: vec![0],
        };
        let mut full = 0;
        for reading in readings {
            let Some((capacity, docks, bikes)) = counts(reading) else { continue };
            station.times.push(reading.last_reported.timestamp());
            station.docks.push(docks);
            station.bikes.push(bikes);
            station.electric.push(reading.ebike);
            station.capacity.push(capacity);
            station.lags.push(reading.lag().num_seconds());
            full += u32::from(docks == 0);
            station.full_before.push(full);
        }
        station
    }

    /// Whether a reading was fetched or followed within a week.
    fn is_in_season(&self, place: usize) -> bool {
        let next = self.times.get(place + 1);
        self.lags[place] <= WEEK || next.is_some_and(|next| next - self.times[place] <= WEEK)
    }

    /// The station.
    pub fn code(&self) -> &StationCode {
        &self.code
    }

    /// Latitude and longitude in degrees (WGS 84), as its first usable reading tells.
    pub fn position(&self) -> Option<(f64, f64)> {
        self.position
    }

    /// Number of usable readings.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether no reading is usable.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Event times, seconds since 1970 (UTC).
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Free docks. The readings are usable, so 0 means full.
    pub fn docks(&self) -> &[u32] {
        &self.docks
    }

    /// Bikes.
    pub fn bikes(&self) -> &[u32] {
        &self.bikes
    }

    /// The place of the newest reading at or before `time`, seconds since 1970.
    pub fn newest_at(&self, time: i64) -> Option<usize> {
        self.times.partition_point(|&reported| reported <= time).checked_sub(1)
    }

    /// What is known at the reading `origin`: it, and what the station reported before; `None` if there is no such reading.
    pub fn past(&self, origin: usize) -> Option<Past<'_>> {
        Some(Past {
            bikes: *self.bikes.get(origin)?,
            electric: *self.electric.get(origin)?,
            capacity: *self.capacity.get(origin)?,
            lag: *self.lags.get(origin)?,
            times: self.times.get(..=origin)?,
            docks: self.docks.get(..=origin)?,
            full_before: self.full_before.get(..origin + 2)?,
        })
    }
}

impl Past<'_> {
    /// Event time of the origin, seconds since 1970 (UTC).
    pub fn time(&self) -> i64 {
        self.times[self.times.len() - 1]
    }

    /// Free docks at the origin.
    pub fn docks(&self) -> u32 {
        self.docks[self.docks.len() - 1]
    }

    /// Bikes at the origin.
    pub fn bikes(&self) -> u32 {
        self.bikes
    }

    /// Electric bikes at the origin.
    pub fn electric(&self) -> Option<u32> {
        self.electric
    }

    /// Docks in all at the origin, above zero.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// How old the origin was when it was fetched, seconds.
    pub fn lag(&self) -> i64 {
        self.lag
    }

    /// Free docks `seconds` ago: of the reading before the origin that is nearest to then within `tolerance` seconds.
    pub fn docks_ago(&self, seconds: i64, tolerance: i64) -> Option<u32> {
        let before = &self.times[..self.times.len() - 1];
        nearest(before, self.time() - seconds, tolerance).map(|index| self.docks[index])
    }

    /// Free docks per hour: the slope of the straight line through the readings of the last `seconds`, the origin's
    /// included, by least squares over time; `None` of a single reading.
    pub fn slope_within(&self, seconds: i64) -> Option<f64> {
        let start = self.times.partition_point(|&time| time < self.time() - seconds);
        let points = self.times[start..].iter().zip(&self.docks[start..]);
        let points = points.map(|(&time, &docks)| ((time - self.time()) as f64 / 3600.0, f64::from(docks)));
        let (n, x, y, xx, xy) = points.fold((0.0, 0.0, 0.0, 0.0, 0.0), |(n, sx, sy, sxx, sxy), (x, y)| {
            (n + 1.0, sx + x, sy + y, sxx + x * x, sxy + x * y)
        });
        (n > 1.0).then(|| (n * xy - x * y) / (n * xx - x * x))
    }

    /// Among the readings of the last `seconds`, the origin's included: how many were full, and how many there are.
    pub fn full_within(&self, seconds: i64) -> (u32, u32) {
        let end = self.times.len();
        let start = self.times.partition_point(|&time| time <= self.time() - seconds);
        let count = u32::try_from(end - start).unwrap_or(u32::MAX);
        (self.full_before[end] - self.full_before[start], count)
    }
}

/// The index of the time nearest to `target`, if it is at most `tolerance` away; of two as near, the earlier.
/// `times` are strictly rising.
pub(super) fn nearest(times: &[i64], target: i64, tolerance: i64) -> Option<usize> {
    let after = times.partition_point(|&time| time < target);
    let candidates = [after.checked_sub(1), Some(after).filter(|&index| index < times.len())];
    candidates
        .into_iter()
        .flatten()
        .min_by_key(|&index| (times[index] - target).abs())
        .filter(|&index| (times[index] - target).abs() <= tolerance)
}

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;
/// No station has so many docks: a count above is a mistake of the feed.
const MOST_DOCKS: u32 = 1_000;

/// Capacity, free docks and bikes, where all three are known and can be.
fn counts(reading: &StationStatus) -> Option<(u32, u32, u32)> {
    let counts = (reading.capacity?, reading.docks_available?, reading.bikes_available?);
    (counts.0.max(counts.1).max(counts.2) <= MOST_DOCKS).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reading, readings};
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_is_wrong_by_years_does_not_stretch_the_span() {
        let good = readings("1", &[(1_000_000, 5), (1_003_600, 6)]);
        let stamped =
            |time: i64| StationStatus { last_reported: DateTime::from_timestamp(time, 0).unwrap(), ..good[0].clone() };
        let with = |times: &[i64]| {
            let more = times.iter().map(|&time| stamped(time));
            let history = History::new(&good.iter().cloned().chain(more).collect::<Vec<_>>());
            (history.len(), history.span())
        };
        assert_eq!(with(&[1_000_000 + 30 * DAY]), with(&[]));
        // It is still what was last known of the station.
        assert_eq!(with(&[0]), (3, with(&[]).1));
        assert_eq!(with(&[1_000_000 - DAY]).1.unwrap().0.timestamp(), 1_000_000 - DAY);
        // An archive that was fetched at once, years later, is a history like any other.
        let archive: Vec<_> = (0..9)
            .map(|day| StationStatus { fetched_at: good[1].fetched_at + TimeDelta::days(400), ..stamped(day * DAY) })
            .collect();
        assert_eq!(History::new(&archive).span().map(|(first, last)| (last - first).num_days()), Some(7));
        assert_eq!(History::new(&[stamped(0)]).span().unwrap().0.timestamp(), 0);
    }

    #[test]
    fn keeps_the_first_fetched_of_a_repeated_reading_and_only_usable_ones() {
        let first = reading("2", 600, 5);
        let again = StationStatus {
            docks_available: Some(9),
            fetched_at: first.fetched_at + TimeDelta::hours(1),
            ..first.clone()
        };
        let closed = StationStatus { is_returning: Some(false), ..reading("2", 1200, 0) };
        let unknown = StationStatus { bikes_available: None, ..reading("2", 1800, 3) };
        let history = History::new(&[again, closed, unknown, reading("10", 0, 1), first]);
        let codes: Vec<_> = history.stations().iter().map(|station| station.code().as_str()).collect();
        assert_eq!(codes, ["10", "2"]);
        assert_eq!((history.stations()[1].times(), history.stations()[1].docks()), (&[600][..], &[5][..]));
        assert_eq!((history.position("2"), history.position("3"), history.len()), (Some(1), None, 2));
    }

    #[test]
    fn a_first_fetched_reading_that_is_closed_hides_its_later_copies() {
        let closed = StationStatus { is_installed: Some(false), ..reading("1", 0, 3) };
        let open = StationStatus { fetched_at: closed.fetched_at + TimeDelta::hours(1), ..reading("1", 0, 3) };
        assert!(History::new(&[open, closed]).is_empty());
    }

    #[test]
    fn of_two_times_as_near_the_earlier_is_taken() {
        assert_eq!(nearest(&[0, 10, 20], 15, 5), Some(1));
        assert_eq!(nearest(&[0, 10, 20], 16, 5), Some(2));
        assert_eq!((nearest(&[0, 10], 16, 5), nearest(&[], 0, 5)), (None, None));
    }

    #[test]
    fn the_past_counts_full_readings_and_looks_back() {
        let history = History::new(&readings("1", &[(0, 0), (60, 4), (120, 0), (180, 2)]));
        let past = history.stations()[0].past(2).unwrap();
        assert_eq!((past.time(), past.docks()), (120, 0));
        assert_eq!((past.full_within(120), past.full_within(121), past.full_within(1)), ((1, 2), (2, 3), (1, 1)));
        assert_eq!((past.docks_ago(60, 0), past.docks_ago(30, 29), past.docks_ago(30, 30)), (Some(4), None, Some(4)));
        assert!(history.stations()[0].past(4).is_none());
        assert_eq!((history.stations()[0].newest_at(119), history.stations()[0].newest_at(-1)), (Some(1), None));
    }

    #[test]
    fn a_slope_is_by_time_not_by_row() {
        let history = History::new(&readings("1", &[(0, 9), (1800, 8), (3600, 7), (9000, 4)]));
        let past = history.stations()[0].past(3).unwrap();
        let slope = |seconds| past.slope_within(seconds).map(|slope| (slope * 1e9).round() / 1e9);
        assert_eq!((slope(9000), slope(5400), slope(60)), (Some(-2.0), Some(-2.0), None));
    }

    proptest! {
        #[test]
        fn nearest_is_the_first_of_the_least_distance(
            times in prop::collection::btree_set(-50..50i64, 0..20), target in -60..60i64, tolerance in 0..20i64
        ) {
            let times: Vec<_> = times.into_iter().collect();
            let least = times.iter().map(|time| (time - target).abs()).min().filter(|&least| least <= tolerance);
            let expected = least.and_then(|least| times.iter().position(|time| (time - target).abs() == least));
            prop_assert_eq!(nearest(&times, target, tolerance), expected);
        }

        #[test]
        fn the_order_of_the_readings_does_not_matter(
            (sorted, shuffled) in prop::collection::vec((0..3u8, 0..40i64, 0..4u32), 0..60).prop_flat_map(|rows| {
                let mut fetched = 0;
                let all: Vec<_> = rows.into_iter().map(|(station, time, docks)| {
                    fetched += 1;
                    let one = reading(&station.to_string(), time, docks);
                    StationStatus { fetched_at: one.fetched_at + TimeDelta::seconds(fetched), ..one }
                }).collect();
                (Just(all.clone()), Just(all).prop_shuffle())
            })
        ) {
            prop_assert_eq!(History::new(&sorted), History::new(&shuffled));
        }
    }
}
