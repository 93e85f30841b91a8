//! What every store must do, as tests that each store runs: one macro, one list.
//!
//! A store is put to them by a [`Place`] where it can be opened again and again; where that needs a server that is not there,
//! the tests say that they were skipped.

use std::time::Duration;

use chrono::DateTime;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::columns::{Number, numbers};
use super::*;
use crate::error::ErrorKind;
use crate::streaming::{StreamingStatistics, ZoneKind};

/// A place of its own for each test, empty at first, and gone with the value.
pub(in crate::streaming) trait Home {
    /// How often a property is tried.
    const CASES: u32;

    /// A store on what is there.
    fn open(&self) -> Box<dyn Store>;

    /// What the view says of the zones, for other programs, by window, then by zone.
    fn zones_of_the_view(&self, kind: ZoneKind) -> Vec<ZoneWindow>;

    /// Has the database itself refuse each new window of one station; of none any more.
    fn refuse_windows_of(&self, code: Option<&str>);

    /// The messages in the table of what came too late.
    fn kept_aside(&self) -> Vec<String>;
}

/// Makes a test of each function below, on the home that `$home` gives, if it gives one.
macro_rules! contract {
    ($home:expr) => {
        $crate::streaming::store::contract::contract! { $home =>
            it_is_found_again_as_it_was_left_and_can_be_read_meanwhile
            a_row_is_readable_json
            nothing_is_written_if_one_window_cannot_be
            other_windows_are_refused_and_change_nothing
            a_position_moves_from_where_it_was_or_nothing_is_written
            what_is_too_late_is_kept_whole_and_once
            rows_come_by_window_then_by_the_bytes_of_the_code
            every_value_comes_back_as_it_was_written
            text_of_any_kind_can_be_kept
            the_view_and_the_store_say_the_same_of_communes_and_arrondissements
        }
    };
    ($home:expr => $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                if let Some(home) = $home {
                    $crate::streaming::store::contract::$name(&home);
                }
            }
        )*
    };
}
pub(in crate::streaming) use contract;

fn ten_minutes() -> Windowing {
    Windowing::tumbling(Duration::from_secs(600)).unwrap()
}

pub(super) fn reading(code: &str, minute: i64) -> StationStatus {
    let at = DateTime::from_timestamp(1_652_349_600 + 60 * minute, 0).unwrap();
    StationStatus {
        name: Some("Benjamin Godard - Victor Hugo".into()),
        capacity: Some(35),
        mechanical: Some(3),
        lat: Some(48.865983),
        lon: Some(2.275725),
        commune: Some("Paris".into()),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at, at)
    }
}

pub(super) fn engine(store: Box<dyn Store>) -> StreamingStatistics {
    StreamingStatistics::new(ten_minutes(), store).unwrap()
}

pub(super) fn it_is_found_again_as_it_was_left_and_can_be_read_meanwhile(home: &impl Home) {
    let mut writer = engine(home.open());
    for (code, minute) in [("16107", 0), ("16107", 25), ("9020", 1)] {
        writer.update(&reading(code, minute)).unwrap();
    }
    let mut reader = home.open();
    assert_eq!((reader.latest_window(None).unwrap(), reader.windowing().unwrap()), (None, None));
    writer.flush().unwrap();
    let latest = reader.latest_window(None).unwrap().unwrap();
    assert_eq!(latest.start, reading("16107", 20).last_reported);
    assert_eq!(reader.latest_window(Some(latest.start)).unwrap().unwrap().start, reading("16107", 0).last_reported);
    assert_eq!(reader.windowing().unwrap(), Some(ten_minutes()));
    drop(writer);

    let stations = reader.stations().unwrap();
    assert_eq!(stations[0], Station::of(&reading("16107", 25)));
    assert_eq!(stations.len(), 2);
    let rows = reader.station_windows(Select::of("16107")).unwrap();
    let means: Vec<_> = rows.iter().map(|row| row.statistics.quantities.mechanical.mean).collect();
    assert_eq!(means, [Some(3.0), Some(3.0)]);
    let mut again = engine(home.open());
    assert!(!again.update(&reading("16107", 0)).unwrap());
    assert!(again.update(&reading("16107", 3)).unwrap());
    again.flush().unwrap();
    assert_eq!(reader.station_windows(Select::at(rows[0].window.start)).unwrap()[0].statistics.readings, 2);
}

pub(super) fn a_row_is_readable_json(home: &impl Home) {
    let mut engine = engine(home.open());
    engine.update(&reading("16107", 0)).unwrap();
    engine.flush().unwrap();
    let row = engine.store().zone_windows(&ZoneKind::Arrondissement.into(), Select::ALL).unwrap().remove(0);
    let json = serde_json::to_value(&row).unwrap();
    assert_eq!((&json["kind"], &json["zone"]), (&"arrondissement".into(), &"Paris 16e".into()));
    assert_eq!((&json["start"], &json["end"]), (&"2022-05-12T10:00:00Z".into(), &"2022-05-12T10:10:00Z".into()));
    assert_eq!(json["mechanical"]["mean"], 3.0);
    assert!(json["docks"]["mean"].is_null() && json["docks"]["count"] == 0);
    assert_eq!(serde_json::from_value::<ZoneWindow>(json).unwrap(), row);
}

/// Changes of one station and its window at this minute.
fn write(store: &mut dyn Store, windowing: Windowing, minute: i64, progress: Option<&Progress>) -> Result<bool> {
    let mut one = WindowState::default();
    let reading = reading("16107", minute);
    let window = windowing.windows_of(reading.last_reported).next().unwrap();
    one.update(window.start.timestamp(), &reading, false);
    let (station, state) = (Station::of(&reading), one);
    let row = WindowRow { station_code: &station.code, window, state: &state };
    store.write(&Changes { windowing, stations: &[&station], windows: &[row], too_late: &[&reading], progress })
}

pub(super) fn nothing_is_written_if_one_window_cannot_be(home: &impl Home) {
    let mut store = home.open();
    let station = Station::of(&reading("16107", 0));
    let refused = StationCode::new("1").unwrap();
    let state = WindowState::default();
    let window = ten_minutes().windows_of(station.last_reported).next().unwrap();
    let row = |station_code| WindowRow { station_code, window, state: &state };
    let read = progress(&[(0, None, 7)]);
    let late = reading("16107", 0);
    let write = |store: &mut dyn Store, windows: &[WindowRow<'_>]| {
        store.write(&Changes {
            windowing: ten_minutes(),
            stations: &[&station],
            windows,
            too_late: &[&late],
            progress: Some(&read),
        })
    };
    home.refuse_windows_of(Some("1"));
    let error = write(&mut *store, &[row(&station.code), row(&refused)]).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Store, Some(&store.place())));
    assert_eq!((store.stations().unwrap(), store.latest_window(None).unwrap()), (vec![], None));
    assert_eq!((store.kept_aside().unwrap(), store.windowing().unwrap()), (0, None));
    assert!(store.positions("c/velib").unwrap().is_empty());
    home.refuse_windows_of(None);
    assert!(write(&mut *store, &[row(&station.code)]).unwrap());
    assert_eq!(store.window_state(&station.code, window).unwrap(), Some(state));
    assert_eq!(store.window_state(&refused, window).unwrap(), None);
}

pub(super) fn other_windows_are_refused_and_change_nothing(home: &impl Home) {
    let mut store = home.open();
    assert!(write(&mut *store, ten_minutes(), 0, None).unwrap());
    let hour = Windowing::tumbling(Duration::from_secs(3600)).unwrap();
    let sliding = Windowing::sliding(Duration::from_secs(600), Duration::from_secs(300)).unwrap();
    for (other, written) in [(hour, "1h"), (sliding, "10m --slide 5m")] {
        for error in [
            write(&mut *store, other, 60, Some(&progress(&[(0, None, 7)]))).unwrap_err(),
            StreamingStatistics::new(other, home.open()).unwrap_err(),
        ] {
            let message = format!("holds windows of 10m, not of {written}; keep --window 10m, or give another store");
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Store, format!("{}: {message}", store.place())));
        }
    }
    assert!(store.positions("c/velib").unwrap().is_empty());
    assert_eq!(
        (store.station_windows(Select::ALL).unwrap().len(), store.windowing().unwrap()),
        (1, Some(ten_minutes()))
    );
}

fn progress(partitions: &[(i32, Option<i64>, i64)]) -> Progress {
    let partitions = partitions.iter().map(|&(partition, from, to)| (partition, Span { from, to })).collect();
    Progress { topic: "c/velib".into(), partitions }
}

pub(super) fn a_position_moves_from_where_it_was_or_nothing_is_written(home: &impl Home) {
    let (mut first, mut other) = (home.open(), home.open());
    let at = |store: &mut dyn Store| store.positions("c/velib").unwrap();
    let mut write = |store: usize, minute, partitions: &[(i32, Option<i64>, i64)]| {
        let store = if store == 0 { &mut first } else { &mut other };
        let kept = write(&mut **store, ten_minutes(), minute, Some(&progress(partitions))).unwrap();
        (kept, at(&mut **store), store.station_windows(Select::ALL).unwrap().len())
    };
    assert_eq!(write(0, 0, &[(0, None, 7), (1, None, 0)]), (true, [(0, 7), (1, 0)].into(), 1));
    // Whoever began at the beginning too, and is slower; whoever is ahead of what was written; both at once.
    assert_eq!(write(1, 10, &[(0, None, 8)]), (false, [(0, 7), (1, 0)].into(), 1));
    assert_eq!(write(1, 10, &[(0, Some(9), 10)]), (false, [(0, 7), (1, 0)].into(), 1));
    assert_eq!(write(1, 10, &[(0, Some(7), 10), (2, Some(0), 1)]), (false, [(0, 7), (1, 0)].into(), 1));
    assert_eq!(write(1, 10, &[(0, Some(7), 10), (2, None, 1)]), (true, [(0, 10), (1, 0), (2, 1)].into(), 2));
    assert_eq!(write(0, 20, &[(0, Some(7), 8)]), (false, [(0, 10), (1, 0), (2, 1)].into(), 2));
    assert_eq!(write(0, 20, &[]), (true, [(0, 10), (1, 0), (2, 1)].into(), 3));
    assert!(first.positions("d/velib").unwrap().is_empty());
}

pub(super) fn what_is_too_late_is_kept_whole_and_once(home: &impl Home) {
    let mut engine = engine(home.open()).with_allowed_lateness(Duration::from_secs(1200));
    engine.update(&reading("16107", 90)).unwrap();
    let late = StationStatus { name: Some("Ménil\0'\"\n\u{1F6B2}".into()), lon: Some(-0.1), ..reading("16107", 30) };
    for _ in 0..2 {
        engine.update(&late).unwrap();
        engine.flush().unwrap();
        engine.update(&late).unwrap();
    }
    assert_eq!((engine.totals().too_late, engine.totals().repeated), (1, 3));
    let mut store = engine.into_store();
    // Another process that did not know of it.
    assert!(write(&mut *store, ten_minutes(), 30, None).unwrap());
    assert_eq!(store.kept_aside().unwrap(), 1);
    assert!(store.is_kept_aside(&late.station_code, late.last_reported).unwrap());
    assert!(!store.is_kept_aside(&late.station_code, late.fetched_at + TimeDelta::seconds(1)).unwrap());
    let kept: Vec<StationStatus> = home.kept_aside().iter().map(|kept| serde_json::from_str(kept).unwrap()).collect();
    assert_eq!(kept, [late]);
}

pub(super) fn rows_come_by_window_then_by_the_bytes_of_the_code(home: &impl Home) {
    let mut engine = engine(home.open());
    let codes = ["b", "É", "A", "a_relais", "B", "10", "9", "a-1", "a1"];
    for (nth, code) in codes.iter().enumerate() {
        let commune = ["Évry", "Zoé", "antony", "Bagneux"][nth % 4];
        for minute in [10, 0] {
            engine.update(&StationStatus { commune: Some(commune.into()), ..reading(code, minute) }).unwrap();
        }
    }
    engine.flush().unwrap();
    let store = engine.store();
    let mut sorted = codes.to_vec();
    sorted.sort_unstable();
    let of_stations: Vec<_> = store.stations().unwrap().iter().map(|station| station.code.to_string()).collect();
    assert_eq!(of_stations, sorted);
    let rows = store.station_windows(Select::ALL).unwrap();
    assert!(rows.is_sorted_by(|a, b| (a.window, &a.station_code) < (b.window, &b.station_code)) && rows.len() == 18);
    let from = rows[17].window.start;
    let some = [
        (Select::ALL.since(from), 9),
        (Select { until: Some(from), ..Select::ALL }, 9),
        (Select::of("É"), 2),
        (Select::of("É").since(from), 1),
        (Select { of: Some("é"), ..Select::at(from) }, 0),
        (Select::at(from + TimeDelta::seconds(1)), 0),
    ];
    for (select, count) in some {
        assert_eq!(store.station_windows(select).unwrap().len(), count, "{select:?}");
    }
}

pub(super) fn every_value_comes_back_as_it_was_written(home: &impl Home) {
    let (at, fetched) = ("2022-05-12T09:59:59.987Z", "1969-12-31T23:59:59.001Z");
    let odd = StationStatus {
        capacity: Some(u32::MAX),
        bikes_available: Some(u32::MAX),
        mechanical: Some(1),
        lat: Some(48.865_983_000_000_1),
        lon: Some(-1.0 / 3.0),
        is_installed: Some(true),
        is_renting: Some(true),
        fetched_at: fetched.parse().unwrap(),
        ..reading("16107", 0)
    };
    let mut engine = engine(home.open());
    for (minute, bikes) in [(1, 1), (2, u32::MAX), (4, 0)] {
        engine.update(&StationStatus { bikes_available: Some(bikes), ..reading("9020", minute) }).unwrap();
    }
    engine.update(&StationStatus { last_reported: at.parse().unwrap(), ..odd.clone() }).unwrap();
    engine.flush().unwrap();
    let stations = engine.store().stations().unwrap();
    assert_eq!(stations[0], Station::of(&StationStatus { last_reported: at.parse().unwrap(), ..odd }));
    for row in engine.store().station_windows(Select::ALL).unwrap() {
        let state = engine.store().window_state(&row.station_code, row.window).unwrap().unwrap();
        assert_eq!(state.statistics(row.window), row.statistics);
    }
}

pub(super) fn text_of_any_kind_can_be_kept(home: &impl Home) {
    let (odd, code) = ("a\0b\t\\N\\x\"'';--\u{202E}\u{1F6B2}", "a\t\\N\\x\"'';--\u{202E}\u{1F6B2}");
    let mut engine = engine(home.open());
    let of = |minute| StationStatus { name: Some(odd.into()), commune: Some(odd.into()), ..reading(code, minute) };
    engine.update(&of(0)).unwrap();
    engine.flush().unwrap();
    engine.reload().unwrap();
    assert!(!engine.update(&of(0)).unwrap() && engine.update(&of(1)).unwrap());
    engine.flush().unwrap();
    let store = engine.store();
    let station = store.stations().unwrap().remove(0);
    // PostgreSQL has no room for the character 0.
    assert_eq!(station.name.unwrap().replace('\u{FFFD}', "\0"), odd);
    let rows = store.station_windows(Select::of(code)).unwrap();
    assert_eq!((rows.len(), rows[0].statistics.readings, &rows[0].commune), (1, 2, &station.commune));
    assert!(store.station_windows(Select::of(odd)).unwrap().is_empty());
    let zones = store.zone_windows(&ZoneKind::Commune.into(), Select::of(&station.commune.unwrap())).unwrap();
    assert_eq!(zones[0].stations, 1);
}

/// Equal, but for the rounding of what is summed in another order.
fn assert_same(ours: &ZoneWindow, of_view: &ZoneWindow) {
    for pair in numbers(&ours.statistics).zip(numbers(&of_view.statistics)) {
        match pair {
            (Number::Real(Some(a)), Number::Real(Some(b))) => {
                assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0), "{ours:?} {of_view:?}");
            }
            (a, b) => assert_eq!(a, b),
        }
    }
    let without = |row: &ZoneWindow| ZoneWindow { statistics: WindowStatistics::default(), ..row.clone() };
    assert_eq!(without(ours), without(of_view));
}

/// Code, minute, commune, capacity, bikes, whether it takes bikes back.
type Said = (&'static str, i64, Option<&'static str>, Option<u32>, Option<u32>, Option<bool>);

fn some_readings() -> impl Strategy<Value = Vec<Said>> {
    let said = (
        prop::sample::select(vec!["16107", "16003", "9020", "31024_relais", "12167"]),
        0..40i64,
        prop::option::weighted(0.8, prop::sample::select(vec!["Paris", "Montreuil", "Éragny"])),
        prop::option::weighted(0.9, 0..30u32),
        prop::option::weighted(0.9, 0..20u32),
        prop::option::weighted(0.9, any::<bool>()),
    );
    prop::collection::vec(said, 0..40)
}

/// On one store, which is filled further from case to case.
pub(super) fn the_view_and_the_store_say_the_same_of_communes_and_arrondissements<H: Home>(home: &H) {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(H::CASES) });
    let day = std::cell::Cell::new(0);
    let tried = runner.run(&some_readings(), |readings| {
        let mut engine = engine(home.open());
        day.set(day.get() + 1);
        for (code, minute, commune, capacity, bikes, returning) in readings {
            engine
                .update(&StationStatus {
                    commune: commune.map(Into::into),
                    capacity,
                    bikes_available: bikes,
                    mechanical: bikes.map(|bikes| bikes / 2),
                    is_installed: Some(true),
                    is_returning: returning,
                    ..reading(code, minute + 1440 * day.get())
                })
                .unwrap();
        }
        engine.flush().unwrap();
        for kind in [ZoneKind::Commune, ZoneKind::Arrondissement] {
            let of_view = home.zones_of_the_view(kind);
            let ours = engine.store().zone_windows(&Zones::from(kind), Select::ALL).unwrap();
            prop_assert_eq!(ours.len(), of_view.len());
            ours.iter().zip(&of_view).for_each(|(ours, of_view)| assert_same(ours, of_view));
            for row in ours.iter().rev().take(3) {
                let of_zone = engine.store().zone_windows(&Zones::from(kind), Select::of(&row.zone)).unwrap();
                prop_assert!(of_zone.contains(row));
                let at = engine.store().zone_windows(&Zones::from(kind), Select::at(row.window.start)).unwrap();
                prop_assert!(at.contains(row));
            }
        }
        Ok(())
    });
    tried.unwrap();
}
