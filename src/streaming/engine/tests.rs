use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::station::metres_between;
use crate::streaming::store::Schema;
use crate::streaming::store::contract::Home as _;
use crate::streaming::{Select, Span, SqliteStore, Window, WindowStatistics, ZoneKind, Zones};

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
    sliding_engine_on(ten_minutes(), store)
}

fn ten_minutes() -> Windowing {
    Windowing::tumbling(Duration::from_secs(600)).unwrap()
}

/// The same with other windows.
fn sliding_engine_on(windowing: Windowing, store: Box<dyn Store>) -> StreamingStatistics {
    StreamingStatistics::new(windowing, store).unwrap().with_allowed_lateness(Duration::from_secs(1200))
}

fn engine() -> StreamingStatistics {
    engine_on(Box::new(SqliteStore::in_memory().unwrap()))
}

/// What a window's statistics are, computed in one go from its readings.
mod batch {
    use super::*;
    use crate::streaming::{Quantities, Summary, WindowStatistics};

    /// A quantity over time, unknown where the station is closed; the window's end is where it ends.
    type Steps = Vec<(DateTime<Utc>, Option<f64>)>;

    fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
        values.into_iter().fold(0.0, |sum, value| sum + value)
    }

    fn mean(values: &[f64]) -> Option<f64> {
        (!values.is_empty()).then(|| sum(values.iter().copied()) / values.len() as f64)
    }

    fn over_time(steps: &Steps) -> Option<f64> {
        let held = |pair: &[(DateTime<Utc>, Option<f64>)]| {
            Some((pair[0].1?, (pair[1].0 - pair[0].0).num_milliseconds() as f64))
        };
        let held: Vec<(f64, f64)> = steps.windows(2).filter_map(held).collect();
        let known = sum(held.iter().map(|&(_, time)| time));
        (known > 0.0).then(|| sum(held.iter().map(|&(value, time)| value * time)) / known)
    }

    fn summary(steps: &Steps) -> Summary {
        let known: Vec<(DateTime<Utc>, f64)> = steps.iter().filter_map(|&(time, value)| Some((time, value?))).collect();
        let values: Vec<f64> = known.iter().map(|&(_, value)| value).collect();
        let rate = || {
            let (first, last) = (known.first()?, known.last()?);
            let hours = (last.0 - first.0).num_milliseconds() as f64 / 3_600_000.0;
            (hours > 0.0).then(|| (last.1 - first.1) / hours)
        };
        Summary {
            count: values.len() as u64,
            mean: mean(&values),
            time_weighted_mean: over_time(steps),
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
            last: values.last().copied(),
            rate: rate(),
            turnover: (values.len() > 1).then(|| sum(values.windows(2).map(|pair| (pair[1] - pair[0]).abs()))),
        }
    }

    pub(super) fn of_station(readings: &[&StationStatus], window: Window, revision: u64) -> WindowStatistics {
        let mut readings = readings.to_vec();
        readings.sort_by_key(|reading| reading.last_reported);
        let steps = |quantity: &dyn Fn(&StationStatus) -> Option<f64>| -> Steps {
            let said = readings.iter().map(|reading| (reading.last_reported, quantity(reading)));
            said.chain([(window.end, None)]).collect()
        };
        let open = |quantity: &dyn Fn(&StationStatus) -> Option<f64>| {
            steps(&|reading| if reading.is_closed() { None } else { quantity(reading) })
        };
        let fact = |fact: Option<bool>| fact.map(|holds| if holds { 1.0 } else { 0.0 });
        WindowStatistics {
            readings: readings.len() as u64,
            revision,
            closed: readings.iter().filter(|reading| reading.is_closed()).count() as u64,
            capacity: summary(&open(&|reading| reading.capacity.map(f64::from))).mean,
            full: over_time(&steps(&|reading| fact(reading.is_full()))),
            empty: over_time(&steps(&|reading| fact(reading.is_empty()))),
            quantities: Quantities {
                mechanical: summary(&open(&|reading| reading.mechanical.map(f64::from))),
                ebike: summary(&open(&|reading| reading.ebike.map(f64::from))),
                docks: summary(&open(&|reading| reading.docks_available.map(f64::from))),
                occupancy: summary(&open(&StationStatus::occupancy)),
            },
        }
    }

    /// Each mean weighted by capacity, but for the rates and turnovers of what adds up.
    pub(super) fn of_zone(stations: &[WindowStatistics]) -> WindowStatistics {
        type Of<'a> = &'a dyn Fn(&WindowStatistics) -> Option<f64>;
        let weighted = |of: Of<'_>| {
            let weighed: Vec<(f64, f64)> =
                stations.iter().filter_map(|station| Some((station.capacity?, of(station)?))).collect();
            let weight = sum(weighed.iter().map(|&(weight, _)| weight));
            (weight > 0.0).then(|| sum(weighed.iter().map(|&(weight, value)| weight * value)) / weight)
        };
        let total = |of: Of<'_>| {
            let known: Vec<f64> = stations.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| sum(known))
        };
        let summary = |nth: usize| {
            let of = |value: fn(&Summary) -> Option<f64>| {
                move |station: &WindowStatistics| value(station.quantities.each()[nth])
            };
            let flow = |value| if nth == 3 { weighted(&of(value)) } else { total(&of(value)) };
            let every = |value: fn(&Summary) -> Option<f64>| stations.iter().filter_map(of(value)).collect::<Vec<_>>();
            Summary {
                count: stations.iter().map(|station| station.quantities.each()[nth].count).sum(),
                mean: weighted(&of(|summary| summary.mean)),
                time_weighted_mean: weighted(&of(|summary| summary.time_weighted_mean)),
                min: every(|summary| summary.min).into_iter().reduce(f64::min),
                max: every(|summary| summary.max).into_iter().reduce(f64::max),
                last: weighted(&of(|summary| summary.last)),
                rate: flow(|summary| summary.rate),
                turnover: flow(|summary| summary.turnover),
            }
        };
        WindowStatistics {
            readings: stations.iter().map(|station| station.readings).sum(),
            revision: stations.iter().map(|station| station.revision).sum(),
            closed: stations.iter().map(|station| station.closed).sum(),
            capacity: total(&|station| station.capacity),
            full: weighted(&|station| station.full),
            empty: weighted(&|station| station.empty),
            quantities: Quantities {
                mechanical: summary(0),
                ebike: summary(1),
                docks: summary(2),
                occupancy: summary(3),
            },
        }
    }
}

fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Equal, but for the rounding of what is added or divided in another order.
fn assert_near(stored: &WindowStatistics, batch: &WindowStatistics) {
    fn compare(a: &serde_json::Value, b: &serde_json::Value) {
        match (a, b) {
            (serde_json::Value::Object(a), serde_json::Value::Object(b)) => {
                assert_eq!(a.len(), b.len());
                a.iter().for_each(|(key, value)| compare(value, &b[key]));
            }
            _ => match (a.as_f64(), b.as_f64()) {
                (Some(x), Some(y)) => assert!(is_near(x, y), "{x} is not {y}"),
                _ => assert_eq!(a, b),
            },
        }
    }
    compare(&serde_json::to_value(stored).unwrap(), &serde_json::to_value(batch).unwrap());
}

/// What adds up from whole numbers must be equal to the last digit.
fn assert_exact(stored: &WindowStatistics, batch: &WindowStatistics) {
    assert_eq!((stored.readings, stored.revision, stored.closed), (batch.readings, batch.revision, batch.closed));
    assert_eq!((stored.capacity, stored.full, stored.empty), (batch.capacity, batch.full, batch.empty));
    let (stored, batch) = (stored.quantities, batch.quantities);
    for (a, b) in stored.each().into_iter().zip(batch.each()).take(3) {
        assert_eq!((a.mean, a.time_weighted_mean, a.turnover), (b.mean, b.time_weighted_mean, b.turnover));
    }
}

/// A circle that holds two of the test's stations.
const NEAR: &str = "near:48.8530,2.3500,150m";

type ZoneOf<'a> = &'a dyn Fn(&StationStatus) -> Option<String>;

/// How often each window became another.
type Revisions = BTreeMap<(Window, StationCode), u64>;

/// Asserts that the store holds of these readings exactly what a batch over them gives.
fn assert_equals_the_batch(
    store: &mut dyn Store,
    windowing: Windowing,
    readings: &[&StationStatus],
    revisions: &Revisions,
) {
    let mut expected: BTreeMap<_, Vec<&StationStatus>> = BTreeMap::new();
    for reading in readings {
        for window in windowing.windows_of(reading.last_reported) {
            expected.entry((window, reading.station_code.clone())).or_default().push(reading);
        }
    }
    let expected: BTreeMap<_, _> = expected
        .into_iter()
        .map(|(key, readings)| {
            let revision = revisions.get(&key).copied().unwrap_or(0);
            let said = batch::of_station(&readings, key.0, revision);
            (key, said)
        })
        .collect();
    let stored = store.station_windows(Select::ALL).unwrap();
    let keys: Vec<_> = stored.iter().map(|row| (row.window, row.station_code.clone())).collect();
    assert_eq!(keys, expected.keys().cloned().collect::<Vec<_>>());
    for (row, batch) in stored.iter().zip(expected.values()) {
        assert_near(&row.statistics, batch);
        assert_exact(&row.statistics, batch);
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
        let mut zones: BTreeMap<_, Vec<WindowStatistics>> = BTreeMap::new();
        for ((window, code), said) in &expected {
            if let Some(zone) = zone_of(code) {
                zones.entry((*window, zone)).or_default().push(*said);
            }
        }
        let codes: BTreeSet<_> = readings.iter().map(|reading| &reading.station_code).collect();
        let stored = store.zone_windows(&Zones::open(written).unwrap(), Select::ALL).unwrap();
        let keys: Vec<_> = stored.iter().map(|row| (row.window, row.zone.clone())).collect();
        assert_eq!(keys, zones.keys().cloned().collect::<Vec<_>>());
        for (row, stations) in stored.iter().zip(zones.values()) {
            let known = codes.iter().filter(|code| zone_of(code).as_ref() == Some(&row.zone)).count();
            assert_eq!((row.stations, row.expected), (stations.len() as u64, known as u64));
            assert_near(&row.statistics, &batch::of_zone(stations));
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
    let content = (count(), count(), count(), count(), prop::option::weighted(0.9, 0..30u32), open(), any::<bool>());
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
    let store = Box::new(SqliteStore::in_memory().unwrap());
    let mut engine = StreamingStatistics::new(ten_minutes(), store).unwrap();
    for code in ["1", "2"] {
        for seconds in (0..86_400).step_by(300) {
            let code = StationCode::new(code).unwrap();
            engine.update(&StationStatus::unknown(code, at(seconds), at(seconds))).unwrap();
        }
        engine.flush().unwrap();
    }
    assert_eq!((engine.totals().readings, engine.totals().late, engine.totals().too_late), (576, 0, 0));
    let code = || StationCode::new("1").unwrap();
    engine.update(&StationStatus::unknown(code(), at(81_001), at(86_400))).unwrap();
    engine.update(&StationStatus::unknown(code(), at(1), at(86_400))).unwrap();
    assert_eq!((engine.totals().readings, engine.totals().late, engine.totals().too_late), (577, 1, 1));
    engine.flush().unwrap();
    let rows = engine.store().station_windows(Select::of("1").since(at(81_000))).unwrap();
    assert_eq!((rows[0].statistics.readings, rows[0].statistics.revision), (3, 1));
}

/// What an engine should have taken in, step by step.
#[derive(Clone, Default)]
struct Model {
    counted: BTreeSet<usize>,
    too_late: BTreeSet<usize>,
    clocks: BTreeMap<StationCode, DateTime<Utc>>,
    revisions: Revisions,
}

impl Model {
    /// Whether the engine should take this reading in.
    fn update(&mut self, windowing: Windowing, i: usize, reading: &StationStatus) -> bool {
        if self.counted.contains(&i) || self.too_late.contains(&i) {
            return false;
        }
        let clock = self.clocks.get(&reading.station_code).copied();
        if clock.is_some_and(|clock| reading.last_reported < clock - TimeDelta::seconds(1200)) {
            self.too_late.insert(i);
            return false;
        }
        for window in windowing.windows_of(reading.last_reported) {
            if clock.is_some_and(|clock| window.end <= clock) {
                *self.revisions.entry((window, reading.station_code.clone())).or_default() += 1;
            }
        }
        self.counted.insert(i);
        self.clocks.insert(reading.station_code.clone(), clock.max(Some(reading.last_reported)).unwrap());
        true
    }
}

/// What is done after a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Nothing,
    /// A flush is begun, and more comes before it is settled.
    Begin,
    Settle,
    Flush,
}

/// From where a replay begins, then which reading comes next, and what is done after it.
type Life = (Index, Vec<(Index, After)>);

fn some_lives() -> impl Strategy<Value = Vec<Life>> {
    let after = prop_oneof![
        6 => Just(After::Nothing), 2 => Just(After::Begin), 1 => Just(After::Settle), 2 => Just(After::Flush)
    ];
    let steps = prop::collection::vec((any::<Index>(), after), 1..40);
    prop::collection::vec((any::<Index>(), steps), 1..4)
}

/// In any order, with repeats, flushes anywhere, readings while one is written, crashes that lose what was not flushed, and
/// replays from anywhere.
fn assert_equals_the_batch_after(lives: Vec<Life>, readings: &[StationStatus], slide: u64, store: Box<dyn Store>) {
    let windowing = Windowing::sliding(Duration::from_secs(600), Duration::from_secs(slide)).unwrap();
    let mut engine = sliding_engine_on(windowing, store);
    let (mut kept, mut flushed) = (Model::default(), Vec::new());
    for (replay_from, steps) in lives {
        let mut model = kept.clone();
        let mut pending: Vec<usize> = match flushed.len() {
            0 => Vec::new(),
            length => flushed[replay_from.index(length)..].to_vec(),
        };
        for &replayed in &pending {
            assert!(!engine.update(&readings[replayed]).unwrap());
        }
        let mut begun: Option<(Model, Vec<usize>)> = None;
        for (index, after) in steps {
            let i = index.index(readings.len());
            assert_eq!(engine.update(&readings[i]).unwrap(), model.update(windowing, i, &readings[i]));
            pending.push(i);
            if after == After::Nothing {
                continue;
            }
            assert!(engine.settle_flush().unwrap().is_some());
            if let Some((model, mut written)) = begun.take() {
                flushed.append(&mut written);
                kept = model;
            }
            match after {
                After::Nothing | After::Settle => {}
                After::Begin => {
                    engine.begin_flush(None).unwrap();
                    begun = Some((model.clone(), std::mem::take(&mut pending)));
                }
                After::Flush => {
                    engine.flush().unwrap();
                    flushed.append(&mut pending);
                    kept = model.clone();
                }
            }
            if begun.is_none() {
                let counted: Vec<_> = kept.counted.iter().map(|&i| &readings[i]).collect();
                assert_equals_the_batch(engine.store(), windowing, &counted, &kept.revisions);
                assert_eq!(engine.store().kept_aside().unwrap(), kept.too_late.len() as u64);
            }
        }
        // What was begun is written, whoever asks for the store.
        if let Some((model, mut written)) = begun {
            flushed.append(&mut written);
            kept = model;
        }
        engine = sliding_engine_on(windowing, engine.into_store());
    }
}

fn some_slide() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![600u64, 300, 240])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_store_equals_a_batch_over_the_distinct_readings(
        (readings, slide, lives) in (some_readings(), some_slide(), some_lives()),
    ) {
        assert_equals_the_batch_after(lives, &readings, slide, Box::new(SqliteStore::in_memory().unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var("VELIB_POSTGRES").is_ok() { 12 } else { 1 }))]

    #[test]
    fn a_store_in_postgres_equals_a_batch_over_the_distinct_readings(
        (readings, slide, lives) in (some_readings(), some_slide(), some_lives()),
    ) {
        if let Some(schema) = Schema::new() {
            assert_equals_the_batch_after(lives, &readings, slide, schema.open());
        }
    }
}

#[test]
fn a_late_reading_is_counted_and_makes_its_window_a_new_revision() {
    let mut engine = engine();
    engine.update(&reading("16107", 0, 4)).unwrap();
    engine.update(&reading("16107", 599, 9)).unwrap();
    assert_eq!((engine.flush().unwrap(), engine.totals().late), (1, 0));
    engine.update(&reading("16107", 600, 9)).unwrap();
    // Closed now, but not too late for 20 minutes.
    assert!(engine.update(&reading("16107", 30, 8)).unwrap());
    engine.update(&reading("16107", 1799, 9)).unwrap();
    assert!(engine.update(&reading("16107", 599 + 1, 9)).is_ok_and(|new| !new));
    engine.flush().unwrap();
    let mut engine = engine_on(engine.into_store());
    assert!(engine.update(&reading("16107", 598, 9)).is_ok_and(|new| !new));
    assert_eq!(engine.totals(), Totals { too_late: 1, ..Totals::default() });
    assert!(engine.update(&reading("16107", 599, 9)).is_ok_and(|new| !new));
    assert!(engine.update(&reading("16107", 1100, 9)).unwrap());
    assert_eq!(engine.totals(), Totals { readings: 1, repeated: 1, late: 1, too_late: 1, closed: 0 });
    engine.flush().unwrap();
    let rows = engine.store().station_windows(Select::ALL).unwrap();
    let said: Vec<_> = rows.iter().map(|row| (row.statistics.readings, row.statistics.revision)).collect();
    assert_eq!(said, [(3, 1), (2, 1), (1, 0)]);
    let docks = rows[0].statistics.quantities.docks;
    assert_eq!((docks.count, docks.mean, docks.min, docks.max), (3, Some(7.0), Some(4.0), Some(9.0)));
}

#[test]
fn what_is_too_late_is_kept_whole_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("velib.sqlite");
    let mut engine = engine_on(Box::new(SqliteStore::open(&path).unwrap()));
    engine.update(&reading("16107", 5000, 4)).unwrap();
    for _ in 0..2 {
        engine.update(&reading("16107", 3000, 9)).unwrap();
        engine.flush().unwrap();
        engine.update(&reading("16107", 3000, 9)).unwrap();
    }
    assert_eq!(engine.totals(), Totals { readings: 1, repeated: 3, too_late: 1, ..Totals::default() });
    assert_eq!(engine.store().kept_aside().unwrap(), 1);
    let kept: String = rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("SELECT reading FROM too_late", [], |row| row.get(0))
        .unwrap();
    assert_eq!(serde_json::from_str::<StationStatus>(&kept).unwrap(), reading("16107", 3000, 9));
}

#[test]
fn the_place_in_the_topic_moves_with_the_windows_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("velib.sqlite");
    let open = || engine_on(Box::new(SqliteStore::open(&path).unwrap()));
    let read = |from, to| Progress { topic: "c/velib".into(), partitions: [(0, Span { from, to })].into() };
    let (mut first, mut other) = (open(), open());
    first.update(&reading("16107", 0, 4)).unwrap();
    assert_eq!(first.flush_with(Some(&read(None, 7))).unwrap(), Some(1));
    // Another that began at the beginning too, and is slower.
    other.update(&reading("16107", 60, 9)).unwrap();
    assert_eq!(other.flush_with(Some(&read(None, 8))).unwrap(), None);
    assert_eq!(other.store().positions("c/velib").unwrap(), [(0, 7)].into());
    assert!(other.store().positions("d/velib").unwrap().is_empty());
    assert_eq!(other.store().station_windows(Select::ALL).unwrap()[0].statistics.readings, 1);
    other.reload().unwrap();
    assert!(!other.update(&reading("16107", 0, 4)).unwrap() && other.update(&reading("16107", 60, 9)).unwrap());
    assert_eq!(other.flush_with(Some(&read(Some(7), 8))).unwrap(), Some(1));
    first.update(&reading("16107", 60, 9)).unwrap();
    assert_eq!(first.flush_with(Some(&read(Some(7), 8))).unwrap(), None);
    assert_eq!(first.store().station_windows(Select::ALL).unwrap()[0].statistics.readings, 2);
}

#[test]
fn only_open_windows_stay_in_memory() {
    let mut engine = engine();
    let held =
        |engine: &StreamingStatistics| -> usize { engine.stations.values().map(|tracked| tracked.windows.len()).sum() };
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
    let docks = zones[0].statistics.quantities.docks;
    assert_eq!(
        (zones.len(), zones[0].stations, zones[0].expected, zones[0].statistics.capacity),
        (1, 2, 2, Some(30.0))
    );
    // (10 · 10 + 15 · 20) / 30
    assert!(is_near(docks.mean.unwrap(), 40.0 / 3.0));
    assert_eq!((docks.count, docks.min, docks.max), (3, Some(10.0), Some(20.0)));
    // 0 bikes in 10 docks, and 10 and 0 in 20: 5 of 30
    assert!(is_near(zones[0].statistics.quantities.occupancy.mean.unwrap(), 5.0 / 30.0));
    let paris = engine.store().zone_windows(&ZoneKind::Commune.into(), Select::at(at(0))).unwrap();
    assert_eq!((paris.len(), paris[0].stations, paris[0].expected), (1, 2, 3));
}

#[test]
fn a_store_of_another_window_length_is_refused() {
    let mut engine = engine();
    engine.update(&reading("16107", 0, 4)).unwrap();
    engine.flush().unwrap();
    let hour = Windowing::tumbling(Duration::from_secs(3600)).unwrap();
    let error = StreamingStatistics::new(hour, engine.into_store()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(
        error.to_string(),
        ":memory:: holds windows of 10m, not of 1h; keep --window 10m, or give another store"
    );
}
