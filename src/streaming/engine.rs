//! The engine: readings in, statistics per station and window of event time out, in whatever order the readings come.
//!
//! What is still moving is held in memory; [`flush`](StreamingStatistics::flush) writes what changed in one transaction and
//! forgets the windows that time has passed. A reading for such a window brings it back from the store, so that being late
//! costs a look-up and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::state::{Station, WindowState};
use super::store::{Store, WindowRow};
use super::window::{Tumbling, Window};
use crate::error::{Error, ErrorKind, Result};
use crate::station::{StationCode, StationStatus};

/// How far behind the newest reading another may be without being late: 90 minutes, because the whole feed comes 5 to 65
/// minutes after the event.
pub const ALLOWED_LATENESS: Duration = Duration::from_secs(90 * 60);

/// Statistics of a stream of readings, per station and window of event time, kept in a [`Store`].
///
/// Each different reading, known by its station and event time, counts once, however often it comes: a stream may be
/// replayed from any point, by this engine or by another one on the same store after a crash, and the store ends the same.
/// So it is enough to acknowledge a reading upstream after the flush that follows it.
///
/// Each station has its own *watermark*: the newest event time seen of it less the allowed lateness. A window that ends at
/// the watermark or before is closed; a reading of a closed window is *late*: it is counted as late, and applied like any
/// other. A station stands in one partition of the topic, so a backlog that is read partition by partition makes nothing
/// late, and a silent station holds nobody up. A clock that runs ahead does not move a watermark past the time of arrival.
#[derive(Debug)]
pub struct StreamingStatistics {
    tumbling: Tumbling,
    lateness: TimeDelta,
    store: Box<dyn Store>,
    /// The start of the newest window that the store held at first.
    stored_first: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    stations: HashMap<StationCode, Tracked>,
    totals: Totals,
}

/// What one engine has taken in since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Different readings, each counted once.
    pub readings: u64,
    /// Readings that were counted before and came again.
    pub repeated: u64,
    /// Of `readings`, those that came when their window was closed.
    pub late: u64,
    /// Of `readings`, those of closed stations, which enter no statistic.
    pub closed: u64,
}

/// A station with its windows that are in memory, by start.
#[derive(Debug)]
struct Tracked {
    station: Station,
    changed: bool,
    windows: BTreeMap<DateTime<Utc>, Held>,
    /// Windows that start later than this are in memory or nowhere; others may be in the store only. It is the newest that
    /// the store held at first, then the newest forgotten.
    stored_until: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Held {
    state: WindowState,
    changed: bool,
}

impl StreamingStatistics {
    /// An engine that goes on where the store was left. An error if the store's windows have another length.
    pub fn new(tumbling: Tumbling, mut store: Box<dyn Store>) -> Result<Self> {
        if let Some(kept) = store.tumbling()?.filter(|&kept| kept != tumbling) {
            let message = format!("holds windows of {kept}, not of {tumbling}");
            return Err(Error::new(ErrorKind::Store, message)
                .at(store.place())
                .way_out(format!("keep --window {kept}, or give another store")));
        }
        let stations = store.stations()?;
        let stored_first = store.latest_window(None)?.map(|window| window.start);
        Ok(Self {
            tumbling,
            lateness: TimeDelta::from_std(ALLOWED_LATENESS).unwrap_or(TimeDelta::MAX),
            stored_first,
            newest: stations.iter().map(heard).max(),
            stations: stations
                .into_iter()
                .map(|station| {
                    let newest = Some(heard(&station));
                    (station.code.clone(), Tracked { newest, ..Tracked::new(station, stored_first) })
                })
                .collect(),
            store,
            totals: Totals::default(),
        })
    }

    /// The same engine with another allowed lateness than [`ALLOWED_LATENESS`].
    #[must_use]
    pub fn with_allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = TimeDelta::from_std(lateness).unwrap_or(TimeDelta::MAX);
        self
    }

    /// Takes a reading into account; whether it was new. Only a look-up in the store can fail, and then nothing is taken in.
    pub fn update(&mut self, reading: &StationStatus) -> Result<bool> {
        let window = self.tumbling.window_of(reading.last_reported);
        let tracked = match self.stations.get_mut(&reading.station_code) {
            Some(tracked) => tracked,
            None => {
                let stored_first = self.stored_first;
                let tracked = || Tracked::new(Station::of(reading), stored_first);
                self.stations.entry(reading.station_code.clone()).or_insert_with(tracked)
            }
        };
        let late = tracked.has_closed(window, self.lateness);
        if !tracked.windows.contains_key(&window.start) && tracked.stored_until >= Some(window.start) {
            let state = self.store.window_state(&reading.station_code, window)?.unwrap_or_default();
            tracked.windows.insert(window.start, Held { state, changed: false });
        }
        let held = tracked.windows.entry(window.start).or_default();
        if !held.state.update(window.start, reading) {
            self.totals.repeated += 1;
            return Ok(false);
        }
        held.changed = true;
        tracked.station.describe(reading);
        tracked.changed = true;
        self.totals.readings += 1;
        self.totals.late += u64::from(late);
        self.totals.closed += u64::from(reading.is_closed());
        let heard = Some(reading.last_reported.min(reading.fetched_at));
        tracked.newest = tracked.newest.max(heard);
        self.newest = self.newest.max(heard);
        Ok(true)
    }

    /// Writes every window and station that changed since the last flush, in one transaction, and forgets the closed windows;
    /// how many windows were written. After an error nothing is written and nothing forgotten: flush again.
    pub fn flush(&mut self) -> Result<usize> {
        let changed = || self.stations.values().filter(|tracked| tracked.changed);
        let stations: Vec<&Station> = changed().map(|tracked| &tracked.station).collect();
        let mut windows: Vec<WindowRow<'_>> = changed()
            .flat_map(|tracked| tracked.windows.iter().map(|(&start, held)| (&tracked.station.code, start, held)))
            .filter(|(_, _, held)| held.changed)
            .map(|(station_code, start, held)| WindowRow {
                station_code,
                window: self.tumbling.starting_at(start),
                state: &held.state,
            })
            .collect();
        windows.sort_unstable_by_key(|row| (row.window.start, row.station_code));
        let written = windows.len();
        if !stations.is_empty() {
            self.store.write(&stations, &windows)?;
        }
        let (tumbling, lateness) = (self.tumbling, self.lateness);
        for tracked in self.stations.values_mut() {
            tracked.changed = false;
            tracked.windows.values_mut().for_each(|held| held.changed = false);
            while let Some(oldest) = tracked.windows.first_key_value().map(|(&start, _)| start) {
                if !tracked.has_closed(tumbling.starting_at(oldest), lateness) {
                    break;
                }
                tracked.windows.pop_first();
                tracked.stored_until = tracked.stored_until.max(Some(oldest));
            }
        }
        Ok(written)
    }

    /// The watermark of the station that is ahead of all others; `None` before the first reading. Once a topic was read to
    /// its end, windows up to here are complete as far as anybody can tell.
    pub fn watermark(&self) -> Option<DateTime<Utc>> {
        self.newest.map(|newest| before(newest, self.lateness))
    }

    /// The newest event time seen.
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.newest
    }

    /// What was taken in so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The store, to be asked. It knows what was flushed.
    pub fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut()
    }

    /// Gives the store back, without what was taken in since the last flush.
    pub fn into_store(self) -> Box<dyn Store> {
        self.store
    }
}

impl Tracked {
    fn new(station: Station, stored_until: Option<DateTime<Utc>>) -> Self {
        Self { station, changed: false, windows: BTreeMap::new(), stored_until, newest: None }
    }

    /// Whether the station's own watermark has passed the window.
    fn has_closed(&self, window: Window, lateness: TimeDelta) -> bool {
        self.newest.is_some_and(|newest| window.end <= before(newest, lateness))
    }
}

/// The event time of a station's last reading, and no later than its arrival.
fn heard(station: &Station) -> DateTime<Utc> {
    station.last_reported.min(station.fetched_at)
}

fn before(time: DateTime<Utc>, lateness: TimeDelta) -> DateTime<Utc> {
    time.checked_sub_signed(lateness).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::station::metres_between;
    use crate::streaming::{Quantities, Select, SqliteStore, Summary, ZoneKind, Zones};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_652_349_600 + seconds, 0).unwrap()
    }

    /// A reading of an open station with 20 docks in Paris.
    fn reading(code: &str, seconds: i64, docks: u32) -> StationStatus {
        StationStatus {
            is_installed: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            docks_available: Some(docks),
            bikes_available: Some(20 - docks),
            commune: Some("Paris".into()),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), at(seconds), at(seconds + 300))
        }
    }

    fn engine_on(store: Box<dyn Store>) -> StreamingStatistics {
        let tumbling = Tumbling::new(Duration::from_secs(600)).unwrap();
        StreamingStatistics::new(tumbling, store).unwrap().with_allowed_lateness(Duration::from_secs(1200))
    }

    fn engine() -> StreamingStatistics {
        engine_on(Box::new(SqliteStore::in_memory().unwrap()))
    }

    /// The readings of one window, and what is known of its stations, computed in one go.
    mod batch {
        use super::*;

        type Quantity = fn(&StationStatus) -> Option<f64>;

        const QUANTITIES: [Quantity; 4] = [
            |reading| reading.mechanical.map(f64::from),
            |reading| reading.ebike.map(f64::from),
            |reading| reading.docks_available.map(f64::from),
            |reading| reading.occupancy(),
        ];

        fn known(readings: &[&StationStatus], quantity: Quantity) -> Vec<f64> {
            readings.iter().filter(|reading| !reading.is_closed()).filter_map(|reading| quantity(reading)).collect()
        }

        fn mean(values: &[f64]) -> Option<f64> {
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        }

        pub(super) fn capacity(readings: &[&StationStatus]) -> Option<f64> {
            mean(&known(readings, |reading| reading.capacity.map(f64::from)))
        }

        pub(super) fn closed(readings: &[&StationStatus]) -> u64 {
            readings.iter().filter(|reading| reading.is_closed()).count() as u64
        }

        pub(super) fn summaries(readings: &[&StationStatus]) -> [Summary; 4] {
            QUANTITIES.map(|quantity| {
                let values = known(readings, quantity);
                Summary {
                    count: values.len() as u64,
                    mean: mean(&values),
                    min: values.iter().copied().reduce(f64::min),
                    max: values.iter().copied().reduce(f64::max),
                }
            })
        }

        /// As [`summaries`], with each station's mean weighted by its capacity.
        pub(super) fn weighted(stations: &[Vec<&StationStatus>]) -> [Summary; 4] {
            let whole = summaries(&stations.concat());
            std::array::from_fn(|i| {
                let weighed: Vec<(f64, f64)> = stations
                    .iter()
                    .filter_map(|station| Some((capacity(station)?, mean(&known(station, QUANTITIES[i]))?)))
                    .collect();
                let weight: f64 = weighed.iter().map(|(weight, _)| weight).sum();
                let sum: f64 = weighed.iter().map(|(weight, mean)| weight * mean).sum();
                Summary { mean: (!weighed.is_empty()).then(|| sum / weight), ..whole[i] }
            })
        }
    }

    fn near(a: Option<f64>, b: Option<f64>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
            _ => a == b,
        }
    }

    /// Equal, but for the rounding of the means where `exact` does not hold.
    fn assert_same(stored: &Quantities<Summary>, batch: [Summary; 4], exact: [bool; 4]) {
        for ((&stored, batch), exact) in stored.each().into_iter().zip(batch).zip(exact) {
            assert!(if exact { stored.mean == batch.mean } else { near(stored.mean, batch.mean) });
            assert_eq!(Summary { mean: None, ..stored }, Summary { mean: None, ..batch });
        }
    }

    /// A circle that holds two of the test's stations.
    const NEAR: &str = "near:48.8530,2.3500,150m";

    type ZoneOf<'a> = &'a dyn Fn(&StationStatus) -> Option<String>;

    /// Asserts that the store holds of these readings exactly what a batch over them gives.
    fn assert_equals_the_batch(store: &mut dyn Store, readings: &[&StationStatus]) {
        let tumbling = store.tumbling().unwrap();
        let mut expected: BTreeMap<_, Vec<&StationStatus>> = BTreeMap::new();
        for reading in readings {
            let window = tumbling.unwrap().window_of(reading.last_reported);
            expected.entry((window, reading.station_code.clone())).or_default().push(reading);
        }
        let stored = store.station_windows(Select::ALL).unwrap();
        let keys: Vec<_> = stored.iter().map(|row| (row.window, row.station_code.clone())).collect();
        assert_eq!(keys, expected.keys().cloned().collect::<Vec<_>>());
        for (row, readings) in stored.iter().zip(expected.values()) {
            assert_eq!((row.readings, row.closed), (readings.len() as u64, batch::closed(readings)));
            assert_eq!(row.capacity, batch::capacity(readings));
            assert_same(&row.quantities, batch::summaries(readings), [true, true, true, false]);
        }

        let cell = |place: (f64, f64)| {
            let cells = ["48.849,2.349", "48.854,2.345", "48.854,2.354"];
            Some(cells[if place.0 < 48.8513 { 0 } else { 1 + usize::from(place.1 > 2.3496) }].to_owned())
        };
        let circle = |place| (metres_between((48.853, 2.35), place) <= 150.0).then(|| NEAR.to_owned());
        let of_place = |zone: &dyn Fn((f64, f64)) -> Option<String>, reading: &StationStatus| {
            reading.lat.zip(reading.lon).and_then(zone)
        };
        let divisions: [(&str, ZoneOf<'_>); 4] = [
            ("commune", &|reading| ZoneKind::Commune.zone_of(reading)),
            ("arrondissement", &|reading| ZoneKind::Arrondissement.zone_of(reading)),
            ("grid:600m", &|reading| of_place(&cell, reading)),
            (NEAR, &|reading| of_place(&circle, reading)),
        ];
        for (written, zone_of) in divisions {
            // A station's zone is what any of its readings said: the test's stations do not move.
            let zone_of = |code: &StationCode| {
                let mut of_station = readings.iter().filter(|reading| reading.station_code == *code);
                of_station.find_map(|reading| zone_of(reading))
            };
            let mut zones: BTreeMap<_, Vec<Vec<&StationStatus>>> = BTreeMap::new();
            for ((window, code), readings) in &expected {
                if let Some(zone) = zone_of(code) {
                    zones.entry((*window, zone)).or_default().push(readings.clone());
                }
            }
            let codes: BTreeSet<_> = readings.iter().map(|reading| &reading.station_code).collect();
            let stored = store.zone_windows(&Zones::open(written).unwrap(), Select::ALL).unwrap();
            let keys: Vec<_> = stored.iter().map(|row| (row.window, row.zone.clone())).collect();
            assert_eq!(keys, zones.keys().cloned().collect::<Vec<_>>());
            for (row, stations) in stored.iter().zip(zones.values()) {
                let whole = stations.concat();
                let known = codes.iter().filter(|code| zone_of(code).as_ref() == Some(&row.zone)).count();
                assert_eq!((row.stations, row.expected), (stations.len() as u64, known as u64));
                assert_eq!((row.readings, row.closed), (whole.len() as u64, batch::closed(&whole)));
                let capacities: Vec<f64> = stations.iter().filter_map(|station| batch::capacity(station)).collect();
                assert!(near(row.capacity, (!capacities.is_empty()).then(|| capacities.iter().sum())));
                assert_same(&row.quantities, batch::weighted(stations), [false; 4]);
            }
        }
    }

    /// Some different readings of six stations over two hours.
    fn some_readings() -> impl Strategy<Value = Vec<StationStatus>> {
        // Four of them with a place, the second and the third in one cell of 600 m and in NEAR.
        type Known = (&'static str, Option<&'static str>, Option<(f64, f64)>);
        const STATIONS: [Known; 6] = [
            ("16107", Some("Paris"), Some((48.8500, 2.3500))),
            ("16003", Some("Paris"), Some((48.8517, 2.3500))),
            ("9020", Some("Paris"), Some((48.8535, 2.3500))),
            ("31024_relais", Some("Montreuil"), Some((48.8535, 2.3480))),
            ("12167", Some("Saint-Mandé"), None),
            ("40001", None, None),
        ];
        let count = || prop::option::weighted(0.9, 0..20u32);
        let open = || prop::option::weighted(0.9, prop::bool::weighted(0.8));
        let content =
            (count(), count(), count(), count(), prop::option::weighted(0.9, 0..30u32), open(), any::<bool>());
        prop::collection::btree_map((0..STATIONS.len(), 0..7200i64), content, 1..40).prop_map(|readings| {
            let of = |((station, second), (mechanical, ebike, docks, bikes, capacity, open, placed))| {
                let (code, commune, place): Known = STATIONS[station];
                let (lat, lon) = place.filter(|_| placed).unzip();
                StationStatus {
                    mechanical,
                    ebike,
                    docks_available: docks,
                    bikes_available: bikes,
                    capacity,
                    is_installed: Some(true),
                    is_returning: open,
                    commune: commune.filter(|_| placed).map(Into::into),
                    lat,
                    lon,
                    ..reading(code, second, 0)
                }
            };
            readings.into_iter().map(of).collect()
        })
    }

    #[test]
    fn a_backlog_read_partition_by_partition_makes_nothing_late() {
        let tumbling = Tumbling::new(Duration::from_secs(600)).unwrap();
        let mut engine = StreamingStatistics::new(tumbling, Box::new(SqliteStore::in_memory().unwrap())).unwrap();
        for code in ["1", "2"] {
            for seconds in (0..86_400).step_by(300) {
                let code = StationCode::new(code).unwrap();
                engine.update(&StationStatus::unknown(code, at(seconds), at(seconds))).unwrap();
            }
            engine.flush().unwrap();
        }
        assert_eq!((engine.totals().readings, engine.totals().late), (576, 0));
        let code = StationCode::new("1").unwrap();
        engine.update(&StationStatus::unknown(code, at(1), at(86_400))).unwrap();
        assert_eq!((engine.totals().readings, engine.totals().late), (577, 1));
        engine.flush().unwrap();
        assert_eq!(engine.store().station_windows(Select::of("1")).unwrap()[0].readings, 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// In any order, with repeats, flushes anywhere, crashes that lose what was not flushed, and replays from anywhere.
        #[test]
        fn the_store_equals_a_batch_over_the_distinct_readings(
            readings in some_readings(),
            lives in prop::collection::vec(
                (any::<Index>(), prop::collection::vec((any::<Index>(), prop::bool::weighted(0.3)), 1..40)),
                1..4,
            ),
        ) {
            let mut engine = engine();
            let mut flushed: Vec<usize> = Vec::new();
            for (replay_from, steps) in lives {
                let mut seen: BTreeSet<usize> = flushed.iter().copied().collect();
                let mut pending = match flushed.len() {
                    0 => Vec::new(),
                    length => flushed[replay_from.index(length)..].to_vec(),
                };
                for &replayed in &pending {
                    prop_assert!(!engine.update(&readings[replayed]).unwrap());
                }
                for (index, flush) in steps {
                    let i = index.index(readings.len());
                    prop_assert_eq!(engine.update(&readings[i]).unwrap(), seen.insert(i));
                    pending.push(i);
                    if flush {
                        engine.flush().unwrap();
                        flushed.append(&mut pending);
                        let distinct: BTreeSet<usize> = flushed.iter().copied().collect();
                        let distinct: Vec<_> = distinct.into_iter().map(|i| &readings[i]).collect();
                        assert_equals_the_batch(engine.store(), &distinct);
                    }
                }
                engine = engine_on(engine.into_store());
            }
        }
    }

    #[test]
    fn a_late_reading_is_counted_and_applied_to_the_window_it_belongs_to() {
        let mut engine = engine();
        engine.update(&reading("16107", 0, 4)).unwrap();
        engine.update(&reading("16107", 1799, 9)).unwrap();
        assert_eq!(engine.flush().unwrap(), 2);
        assert_eq!(engine.totals().late, 0);
        // 20 minutes of lateness: the window [0, 600) closes when 1800 is seen.
        engine.update(&reading("16107", 1800, 9)).unwrap();
        assert_eq!(engine.watermark(), Some(at(600)));
        engine.update(&reading("16107", 600, 9)).unwrap();
        assert_eq!(engine.totals().late, 0);
        engine.update(&reading("16107", 599, 6)).unwrap();
        assert_eq!(engine.flush().unwrap(), 3);
        engine.update(&reading("16107", 30, 8)).unwrap();
        engine.update(&reading("16107", 0, 4)).unwrap();
        assert_eq!(engine.totals(), Totals { readings: 6, repeated: 1, late: 2, closed: 0 });
        assert_eq!(engine.flush().unwrap(), 1);
        let rows = engine.store().station_windows(Select::at(at(0))).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].quantities.docks, Summary { count: 3, mean: Some(6.0), min: Some(4.0), max: Some(8.0) });
    }

    #[test]
    fn only_open_windows_stay_in_memory() {
        let mut engine = engine();
        let held = |engine: &StreamingStatistics| -> usize {
            engine.stations.values().map(|tracked| tracked.windows.len()).sum()
        };
        for minute in 0..300 {
            engine.update(&reading("16107", minute * 60, 4)).unwrap();
            engine.update(&reading("16003", minute * 60, 4)).unwrap();
            engine.flush().unwrap();
            assert!(held(&engine) <= 2 * 4, "{} windows after {minute} minutes", held(&engine));
        }
        assert_eq!(engine.store().station_windows(Select::ALL).unwrap().len(), 60);
    }

    #[test]
    fn a_clock_that_runs_ahead_does_not_close_the_windows_of_others() {
        let mut engine = engine();
        let mut ahead = reading("9020", 500_000, 4);
        ahead.fetched_at = at(300);
        engine.update(&ahead).unwrap();
        assert_eq!(engine.newest(), Some(at(300)));
        engine.flush().unwrap();
        let mut engine = engine_on(engine.into_store());
        assert_eq!(engine.newest(), Some(at(300)));
        engine.update(&reading("16107", 60, 4)).unwrap();
        assert_eq!(engine.totals().late, 0);
    }

    #[test]
    fn a_zone_is_weighted_by_capacity_and_says_who_is_missing() {
        let mut engine = engine();
        let small = StationStatus { capacity: Some(10), bikes_available: Some(0), ..reading("16003", 0, 10) };
        for reading in [&small, &reading("16107", 60, 10), &reading("16107", 120, 20), &reading("9020", 900, 3)] {
            engine.update(reading).unwrap();
        }
        engine.flush().unwrap();
        let zones = engine.store().zone_windows(&ZoneKind::Arrondissement.into(), Select::of("Paris 16e")).unwrap();
        let docks = zones[0].quantities.docks;
        assert_eq!((zones.len(), zones[0].stations, zones[0].expected, zones[0].capacity), (1, 2, 2, Some(30.0)));
        // (10 · 10 + 15 · 20) / 30
        assert!(near(docks.mean, Some(40.0 / 3.0)));
        assert_eq!((docks.count, docks.min, docks.max), (3, Some(10.0), Some(20.0)));
        // 0 bikes in 10 docks, and 10 and 0 in 20: 5 of 30
        assert!(near(zones[0].quantities.occupancy.mean, Some(5.0 / 30.0)));
        let paris = engine.store().zone_windows(&ZoneKind::Commune.into(), Select::at(at(0))).unwrap();
        assert_eq!((paris.len(), paris[0].stations, paris[0].expected), (1, 2, 3));
    }

    #[test]
    fn a_store_of_another_window_length_is_refused() {
        let mut engine = engine();
        engine.update(&reading("16107", 0, 4)).unwrap();
        engine.flush().unwrap();
        let hour = Tumbling::new(Duration::from_secs(3600)).unwrap();
        let error = StreamingStatistics::new(hour, engine.into_store()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
        assert_eq!(
            error.to_string(),
            ":memory:: holds windows of 10m, not of 1h; keep --window 10m, or give another store"
        );
    }
}
