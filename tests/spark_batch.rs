//! Part 3 on a real Spark, whose address is in `VELIB_SPARK`: `VELIB_SPARK=$(.ci/spark address) cargo test --features spark --test
//! spark_batch`. Without it these tests say that they were skipped.

#![cfg(feature = "spark")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::env;
use std::fs;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use support::write_csv;
use velib::batch::{Engine, Gathered, Overview, RowsOfSpark, SparkReadings, Table, TableSettings};
use velib::ingest::Recording;
use velib::streaming::{Spark, Zones};
use velib::{ErrorKind, StationCode, StationStatus};

fn spark() -> Option<Spark> {
    let url = env::var("VELIB_SPARK").ok();
    if url.is_none() {
        // Not by `println!`, which the test runner keeps to itself.
        std::io::stderr().write_all(b"skipped: VELIB_SPARK is not set\n").unwrap();
    }
    url.map(|url| Spark::connect(&url).unwrap())
}

/// A folder that the server can read, whoever runs it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

fn path(path: &Path) -> Vec<String> {
    vec![path.to_str().unwrap().to_owned()]
}

fn settings() -> TableSettings {
    TableSettings { max_gap: Duration::from_secs(3600), zones: Some(Zones::open("grid:500m").unwrap()) }
}

/// Readings of a few stations over days, with everything that a feed leaves out, repeats and moves, and in no order.
fn readings(seed: u64) -> Vec<StationStatus> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let begin: DateTime<Utc> = "2022-03-26T20:00:00Z".parse().unwrap();
    let reading = |random: &mut Xoshiro256PlusPlus, number: i64| {
        let code = ["1013", "16107", "21001", "31024_relais", "999"][random.random_range(0..5)];
        let at = begin + TimeDelta::milliseconds(random.random_range(0..200) * 613_250);
        let count = |random: &mut Xoshiro256PlusPlus| random.random_bool(0.9).then(|| random.random_range(0..4));
        let flag = |random: &mut Xoshiro256PlusPlus| random.random_bool(0.95).then(|| random.random_bool(0.9));
        let place = random.random_bool(0.9).then(|| (48.8 + f64::from(random.random_range(0..3)) / 100.0, 2.3));
        StationStatus {
            name: random.random_bool(0.8).then(|| format!("{code}, \"here\" {}", random.random_range(0..2)).into()),
            is_installed: flag(random),
            is_renting: flag(random),
            is_returning: flag(random),
            capacity: count(random),
            docks_available: count(random),
            bikes_available: count(random),
            mechanical: count(random),
            ebike: count(random),
            lat: place.map(|(lat, _)| lat),
            lon: place.map(|(_, lon)| lon),
            commune: random
                .random_bool(0.8)
                .then(|| ["Paris", " Paris ", "Montreuil"][random.random_range(0..3)].into()),
            ..StationStatus::unknown(
                StationCode::new(code).unwrap(),
                at,
                begin + TimeDelta::days(9) + TimeDelta::seconds(number),
            )
        }
    };
    (0..900).map(|number| reading(&mut random, number)).collect()
}

#[test]
fn spark_s_statistics_are_ours_by_dataframe_and_as_sql() {
    let Some(spark) = spark() else { return };
    let folder = folder();
    let readings = readings(1);
    write_csv(&folder, "history.csv", &readings);
    let settings = settings();
    let mut recording = Recording::from_readings(readings);
    let repeats = recording.deduplicate() as u64;
    let table = Table::with(recording.readings(), &settings).unwrap();
    let spark_readings = SparkReadings::open(&spark, &path(folder.path()), &settings).unwrap();
    for engine in [Engine::DataFrame, Engine::Sql] {
        let mut own = Gathered::new(engine, settings.max_gap);
        own.add(&table).unwrap();
        let (theirs, found) = spark_readings.gather(engine).unwrap();
        let rows = RowsOfSpark { readings: table.len() as u64, repeats, ..RowsOfSpark::default() };
        assert_eq!(found, rows);
        assert_eq!(theirs.behaviours(2).unwrap(), own.behaviours(2).unwrap());
        let (theirs, own) = (theirs.finish(), own.finish());
        assert_eq!(theirs, own);
        assert_eq!(spark_readings.overview(engine).unwrap(), (Overview::from(&own), rows));
    }
}

#[test]
fn one_partition_is_timed_against_two() {
    let Some(spark) = spark() else { return };
    let folder = folder();
    write_csv(&folder, "history.csv", &readings(7));
    let readings = SparkReadings::open(&spark, &path(folder.path()), &settings()).unwrap();
    let told = readings.compare_partitions(1, 2, NonZeroUsize::new(3).unwrap()).unwrap();
    assert_eq!(told.found.iter().sum::<usize>(), told.one.rows.iter().sum::<usize>());
    assert_eq!((told.one.rows.len(), told.many.rows.len(), told.many.seconds.len()), (1, 2, 3));
    let said = told.sentence();
    assert!(said.starts_with("1 partition of ") && said.contains("; 2 partitions of "), "{said}");
}

#[test]
fn what_spark_cannot_read_is_one_line_that_names_it() {
    let Some(spark) = spark() else { return };
    let folder = folder();
    let refused = |name: &str| {
        let whole = folder.path().join(name);
        let error = SparkReadings::open(&spark, &path(&whole), &TableSettings::default()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Data, 1), "{error}");
        let said = error.to_string();
        assert!(said.contains(whole.to_str().unwrap()) && !said.contains('\n'), "{said}");
        said
    };
    assert!(refused("none.csv").contains("finds nothing there; it reads files itself"), "{}", refused("none.csv"));
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(refused("empty").contains("no .csv and no .parquet"), "{}", refused("empty"));
    fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    assert!(refused("other.csv").contains("columns missing: stationcode, duedate; columns there: a, b"));
    let none = SparkReadings::open(&spark, &[], &TableSettings::default()).unwrap_err();
    assert_eq!(none.exit_code(), 2);
}
