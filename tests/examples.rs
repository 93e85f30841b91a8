//! Each example as its user runs it: what it prints and leaves behind, and with what message and code it refuses bad input.
//!
//! No network is used: the portal is a server on loopback, and Kafka the broker inside the example.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Utc};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::ParquetWriter;
use serde_json::{Value, json};
use support::{
    Server, assert_failed, assert_misused, assert_told, command, error_in, folder, history, object, ok, page, printed,
    record, run, said, start, status, write_csv,
};
use velib::StationStatus;
use velib::features::columns;
use velib::ingest::Recording;
use velib::model::{ModelName, Prediction, SavedModel};

fn half_a_day() -> Vec<StationStatus> {
    history(5, TimeDelta::hours(12), TimeDelta::minutes(5))
}

fn ten_days() -> Vec<StationStatus> {
    history(5, TimeDelta::days(10), TimeDelta::minutes(15))
}

type Key = (String, DateTime<Utc>);

fn key(reading: &StationStatus) -> Key {
    (reading.station_code.to_string(), reading.last_reported)
}

/// Each (station, `last_reported`) once, as it was fetched first.
fn distinct(readings: &[StationStatus]) -> BTreeMap<Key, StationStatus> {
    let mut distinct = BTreeMap::new();
    for reading in readings {
        distinct.entry(key(reading)).or_insert_with(|| reading.clone());
    }
    distinct
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn help_names_every_option() {
    let source = ["--source", "--endpoint", "--api", "--fallback"].as_slice();
    let kafka = ["--brokers", "--topic"].as_slice();
    let options: [(&str, &[&[&str]]); 7] = [
        (
            "part1_fetch",
            &[
                &["--station", "--rows", "--publish", "--every", "--polls", "--json"],
                &["--patience", "--gaps", "--show-gaps", "--reprocess"],
                source,
                kafka,
            ],
        ),
        (
            "part2_stream",
            &[&["--window", "--zone", "--zone-windows", "--store", "--until-end", "--serve", "--json"], source, kafka],
        ),
        ("part3_collect", &[&["--out", "--until-end"], source, kafka]),
        (
            "part3_stats",
            &[
                &["--data", "--engine", "--partitions", "--runs", "--gaps", "--json"],
                &["--max-gap", "--zone", "--behaviours", "--query", "--sql", "--format"],
            ],
        ),
        ("part3_report", &[&["--data", "--max-gap", "--out", "--json"]]),
        (
            "part4_train",
            &[
                &["--station", "--data", "--horizon", "--tolerance", "--split", "--model", "--pooled"],
                &["--predictions", "--export-features", "--timings", "--json", "--out"],
            ],
        ),
        ("whole_path", &[&["--station", "--out"], source]),
    ];
    for (example, options) in options {
        let help = printed(&folder(), example, &["--help"]);
        for option in options.iter().copied().flatten() {
            assert!(help.lines().any(|line| line.trim_start().starts_with(option)), "{example} {option}: {help}");
        }
    }
}

#[test]
fn without_data_the_first_line_names_the_simulated_network() {
    let simulated = "the simulated network (60 stations, seed 1, every 5 min for 14 days)";
    for (example, options, label) in [
        ("part1_fetch", ["--source", "simulate"].as_slice(), "Source: "),
        ("part2_stream", &[], "Source: "),
        ("part3_collect", &[], "Source: "),
        ("part3_stats", &[], "Data: "),
        ("part3_report", &[], "Data: "),
        ("part4_train", &[], "Data: "),
        ("whole_path", &[], "1. Fetch: "),
    ] {
        let folder = folder();
        let mut child = start(command(&folder, example, options));
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        // The line is all that is asked for here.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(first.trim_end(), format!("{label}{simulated}"), "{example}");
    }
}

#[test]
fn part1_shows_stations_of_the_portal() {
    let server = Server::start(|path| match path.contains("where=") {
        true => ok(&json!({"total_count": 1, "results": [record(16107)]})),
        false => page(path, 250),
    });
    let folder = folder();
    let live = ["--endpoint", &server.address];
    let rows = object(&folder, "part1_fetch", &[&live, ["--rows", "120"].as_slice()].concat());
    assert_eq!((&rows["counted"], &rows["distinct"], &rows["set_aside"]), (&json!(250), &json!(120), &json!(0)));
    assert_eq!(rows["stations"].as_array().unwrap().len(), 120);
    let table = printed(&folder, "part1_fetch", &live);
    assert!(table.starts_with("Source: ") && table.contains(&server.address), "{table}");
    assert!(table.contains("Station 9 ") && table.ends_with("10 stations of the 250 the portal counts, 0 set aside\n"));

    let map = object(&folder, "part1_fetch", &[&live, ["--station", "16107"].as_slice()].concat());
    assert_eq!((&map["stationcode"], &map["mechanical"], &map["lat"]), (&json!("16107"), &json!(11), &json!(48.86)));
    let table = printed(&folder, "part1_fetch", &[&live, ["--station", "16107"].as_slice()].concat());
    assert!(table.lines().any(|line| line.split_whitespace().eq(["numdocksavailable", "10"])), "{table}");
}

#[test]
fn part1_shows_one_station_of_a_recording_as_a_map() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let map = object(&folder, "part1_fetch", &["--source", "history.csv", "--station", "16107"]);
    let first = readings.iter().find(|reading| reading.station_code.as_str() == "16107").unwrap();
    assert_eq!(map, serde_json::to_value(first.to_map()).unwrap());
}

#[test]
fn part1_publishes_each_reading_once() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let publish = ["--source", "history.csv", "--publish"];
    let totals = object(&folder, "part1_fetch", &publish);
    let new = distinct(&readings).len();
    assert!(new < readings.len(), "the recording repeats nothing");
    assert_eq!((&totals["received"], &totals["published"]), (&json!(readings.len()), &json!(new)));
    assert_eq!((&totals["polls"], &totals["repeated"]), (&json!(144), &json!(readings.len() - new)));

    let three = printed(&folder, "part1_fetch", &[&publish, ["--polls", "3"].as_slice()].concat());
    let new = distinct(&readings[..15]).len();
    assert!(
        three.contains(&format!(
            "\n{new} readings read back from the topic\n3 polls answered (0 incomplete), 0 failed: "
        ))
    );
}

/// Free docks of one station in one window, as counted here: readings, and of the open ones count, mean, least and most.
type Docks = (i64, i64, Option<f64>, Option<f64>, Option<f64>);

#[test]
fn part2_keeps_in_the_store_what_a_naive_count_finds() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let result = object(&folder, "part2_stream", &["--source", "history.csv", "--store", "sqlite:kept.sqlite"]);

    let mut naive: BTreeMap<(String, i64), Docks> = BTreeMap::new();
    for ((station, time), reading) in distinct(&readings) {
        let window = naive.entry((station, time.timestamp() / 600 * 600)).or_default();
        window.0 += 1;
        if let Some(docks) = reading.docks_available.filter(|_| !reading.is_closed()).map(f64::from) {
            window.1 += 1;
            *window.2.get_or_insert(0.0) += docks;
            window.3 = Some(window.3.map_or(docks, |least| least.min(docks)));
            window.4 = Some(window.4.map_or(docks, |most| most.max(docks)));
        }
    }
    for window in naive.values_mut() {
        window.2 = window.2.map(|sum| sum / window.1 as f64);
    }
    let store = rusqlite::Connection::open(folder.path().join("kept.sqlite")).unwrap();
    let columns = "station_code, window_start, readings, docks_count, docks_mean, docks_min, docks_max";
    let mut rows = store.prepare(&format!("SELECT {columns} FROM station_windows")).unwrap();
    let stored = rows.query_map([], |row| {
        let key = (row.get(0)?, row.get(1)?);
        Ok((key, (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?)))
    });
    let stored: BTreeMap<(String, i64), Docks> = stored.unwrap().map(Result::unwrap).collect();
    assert_eq!(stored, naive);
    assert_eq!(result["totals"]["readings"], json!(distinct(&readings).len()));

    // The same again changes nothing in the store; another length of window is refused.
    let again = object(&folder, "part2_stream", &["--source", "history.csv", "--store", "sqlite:kept.sqlite"]);
    assert_eq!((&again["totals"]["readings"], &again["stations"]), (&json!(0), &result["stations"]));
    let other = ["--source", "history.csv", "--store", "sqlite:kept.sqlite", "--window", "20m"];
    let refused = run(&folder, "part2_stream", &other);
    assert_failed(&refused, &["kept.sqlite: ", "holds windows of 10m, not of 20m", "; keep --window 10m"]);
}

#[test]
fn part2_prints_and_draws_the_newest_complete_window() {
    let folder = folder();
    write_csv(&folder, "history.csv", &half_a_day());
    let text = printed(&folder, "part2_stream", &["--source", "history.csv", "--zone", "arrondissement", "--out", "d"]);
    assert!(text.contains("\nStore:  sqlite:var/part2.sqlite, windows of 10m\n"), "{text}");
    assert!(text.contains("\nThe newest complete window, 2024-03-04 ") && text.contains("\n 16107 "), "{text}");
    for drawn in ["d/occupancy-map.png", "d/occupancy-by-zone.png"] {
        assert!(fs::read(folder.path().join(drawn)).unwrap().starts_with(b"\x89PNG"), "{drawn}");
    }
}

/// The mean of free docks over the stations of these codes, weighted by capacity, from the rows that `part2_stream` prints.
fn weighted_docks(result: &Value, codes: &[String]) -> f64 {
    let rows = result["stations"].as_array().unwrap().iter();
    let own: Vec<_> = rows.filter(|row| codes.iter().any(|code| row["station_code"] == code.as_str())).collect();
    assert_eq!(own.len(), codes.len());
    let capacity = |row: &Value| row["capacity"].as_f64().unwrap();
    let docks = own.iter().map(|row| capacity(row) * row["docks"]["mean"].as_f64().unwrap());
    docks.sum::<f64>() / own.iter().map(|row| capacity(row)).sum::<f64>()
}

/// The ring of a square around a place.
fn square((lat, lon): (f64, f64), half: f64) -> Value {
    let corner = |up: f64, right: f64| json!([lon + right * half, lat + up * half]);
    json!([corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0), corner(-1.0, -1.0)])
}

#[test]
fn part2_divides_the_network_by_a_grid_a_circle_and_polygons() {
    let (folder, mut readings) = (folder(), half_a_day());
    let mut places: BTreeMap<String, (f64, f64)> = readings
        .iter()
        .map(|reading| (reading.station_code.to_string(), (reading.lat.unwrap(), reading.lon.unwrap())))
        .collect();
    let godard = places.remove("16107").unwrap();
    // Of one station the place is never said; one more stands in the hole of a polygon.
    let lost = places.pop_first().unwrap().0;
    let (left_out, hole) = places.pop_first().unwrap();
    for reading in readings.iter_mut().filter(|reading| reading.station_code.as_str() == lost) {
        (reading.lat, reading.lon) = (None, None);
    }
    write_csv(&folder, "history.csv", &readings);
    let feature = |name: &str, rings: Value| json!({"type": "Feature", "properties": {"nom": name}, "geometry": {"type": "Polygon", "coordinates": rings}});
    let features = [
        feature("Godard", json!([square(godard, 0.001)])),
        feature("elsewhere", json!([square((48.86, 2.35), 0.5), square(hole, 1e-6)])),
    ];
    let document = json!({"type": "FeatureCollection", "features": features});
    fs::write(folder.path().join("zones.geojson"), document.to_string()).unwrap();

    let stream = ["--source", "history.csv", "--window", "2h", "--zone"].as_slice();
    let result = |zone: &str| object(&folder, "part2_stream", &[stream, &[zone]].concat());
    let division = |zone: &str, zones: usize, inside: usize, outside: usize| json!({"kind": zone, "zones": zones, "inside": inside, "outside": outside, "unknown": 1});
    let check = |result: &Value, place: usize, name: &str, codes: &[String]| {
        let zone = &result["zones"][place];
        assert_eq!((&zone["zone"], &zone["kind"]), (&json!(name), &result["division"]["kind"]));
        assert_eq!((&zone["stations"], &zone["expected"]), (&json!(codes.len()), &json!(codes.len())));
        let (found, naive) = (zone["docks"]["mean"].as_f64().unwrap(), weighted_docks(result, codes));
        assert!((found - naive).abs() < 1e-9, "{name}: {found} is not {naive}");
    };

    let polygons = result("geojson:zones.geojson");
    assert_eq!(polygons["division"], division("geojson:zones.geojson", 2, 3, 1));
    check(&polygons, 0, "Godard", &["16107".into()]);
    check(&polygons, 1, "elsewhere", &places.keys().cloned().collect::<Vec<_>>());

    let circle = "near:48.865983,2.275725,100m";
    let near = object(
        &folder,
        "part2_stream",
        &[stream, &[circle, "--out", "near", "--zone-windows", "near/circle.jsonl"]].concat(),
    );
    assert!(folder.path().join("near/occupancy-map.png").exists());
    assert!(!folder.path().join("near/occupancy-by-zone.png").exists(), "one bar compares nothing");
    assert_eq!(near["division"], division(circle, 1, 1, 3));
    check(&near, 0, circle, &["16107".into()]);
    // Every window of the circle is in the file, in order of time; the newest that is complete is the one that was told.
    let lines = fs::read_to_string(folder.path().join("near/circle.jsonl")).unwrap();
    let windows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begins: BTreeSet<_> = windows.iter().map(|window| window["start"].as_str().unwrap()).collect();
    assert!(windows.len() >= 6 && begins.len() == windows.len(), "{begins:?}");
    assert!(begins.iter().copied().eq(windows.iter().map(|window| window["start"].as_str().unwrap())), "{begins:?}");
    assert!(windows.contains(&near["zones"][0]), "{windows:?}");

    // Cells of a metre hold a station each; one of 1000 km holds all.
    let fine = result("grid:1m");
    assert_eq!(fine["division"], division("grid:1m", 4, 4, 0));
    let names: Vec<_> = fine["zones"].as_array().unwrap().iter().map(|zone| zone["zone"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("48.8659") && name.contains(",2.2757")), "{names:?}");
    let coarse = result("grid:1000km");
    assert_eq!(coarse["division"], division("grid:1000km", 1, 4, 0));
    let all = [vec!["16107".to_owned(), left_out], places.into_keys().collect()].concat();
    check(&coarse, 0, coarse["zones"][0]["zone"].as_str().unwrap(), &all);

    let text = printed(&folder, "part2_stream", &[stream, &["geojson:zones.geojson", "--out", "d"]].concat());
    let header = |line: &str| line.contains(" fresh ") && line.contains(" expected ");
    assert!(
        text.lines().any(header)
            && text.contains("\nzones with fresh stations, which reported in this window: 2 of 2\n"),
        "{text}"
    );
    assert!(text.contains("\nall stations: 3 in a zone, 1 outside, 1 where the zone is unknown\n"), "{text}");
    assert!(fs::read(folder.path().join("d/occupancy-by-zone.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn part2_refuses_zones_that_are_not_right_before_anything_is_done() {
    let folder = folder();
    let refused = |zone: &str| run(&folder, "part2_stream", &["--zone", zone]);
    assert_failed(&refused("geojson:away.geojson"), &["away.geojson: "]);
    let ring = json!([[652_469, 6_862_035], [653_000, 6_862_035], [653_000, 6_863_000], [652_469, 6_862_035]]);
    let geometry = json!({"type": "Polygon", "coordinates": [ring]});
    let feature = json!({"type": "Feature", "properties": {"name": "Halles"}, "geometry": geometry});
    fs::write(folder.path().join("lambert.geojson"), feature.to_string()).unwrap();
    let parts =
        ["lambert.geojson: feature 1 (`Halles`): ring 1 leaves the globe at 652469, 6862035", "; write positions"];
    assert_failed(&refused("geojson:lambert.geojson"), &parts);
    fs::write(folder.path().join("cut.geojson"), &feature.to_string()[..40]).unwrap();
    assert_failed(&refused("geojson:cut.geojson"), &["cut.geojson:1: is not JSON: ", "; give a GeoJSON file"]);
    assert!(!folder.path().join("var").exists(), "something was written");
}

#[test]
fn part3_collects_each_reading_once_however_often_it_is_run() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let (collect, distinct) = (["--source", "history.csv", "--out", "kept.csv"], distinct(&readings));
    let kept = folder.path().join("kept.csv");
    let collected = || {
        let readings = Recording::read(&[&kept]).unwrap().into_readings();
        let by_key: BTreeMap<_, _> = readings.iter().map(|reading| (key(reading), reading.clone())).collect();
        assert_eq!(by_key.len(), readings.len(), "a reading is there twice");
        by_key
    };

    let first = object(&folder, "part3_collect", &collect);
    assert_eq!((&first["found"]["readings"], &first["written"]), (&json!(0), &json!(distinct.len())));
    assert_eq!(collected(), distinct);
    let second = object(&folder, "part3_collect", &collect);
    assert_eq!((&second["found"]["readings"], &second["written"]), (&json!(distinct.len()), &json!(0)));
    assert_eq!(collected(), distinct);

    // Half a last line, as a crash leaves it, is cut off, and its reading comes again.
    File::options().write(true).open(&kept).unwrap().set_len(fs::metadata(&kept).unwrap().len() - 20).unwrap();
    let text = printed(&folder, "part3_collect", &collect);
    assert!(text.contains(&format!("{} readings were there, 1 written", distinct.len() - 1)), "{text}");
    assert_eq!(collected(), distinct);
}

#[test]
fn part3_collect_touches_no_file_with_other_columns() {
    let folder = folder();
    write_csv(&folder, "history.csv", &half_a_day()[..5]);
    fs::write(folder.path().join("notes.csv"), "day,note\n1,rain\n").unwrap();
    let refused = run(&folder, "part3_collect", &["--source", "history.csv", "--out", "notes.csv"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_told(error_in(&refused), &["notes.csv:1: ", "its columns are `day,note`", "; collect to a new file"]);
    assert_eq!(fs::read_to_string(folder.path().join("notes.csv")).unwrap(), "day,note\n1,rain\n");
}

#[test]
fn part3_finds_the_same_by_dataframe_by_sql_and_by_hand() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let stats = |options: &[&str]| object(&folder, "part3_stats", &[&["--data", "history.csv"], options].concat());
    let by_dataframe = stats(&["--engine", "dataframe"]);
    let by_sql = stats(&["--engine", "sql", "--partitions", "3"]);
    assert_eq!(by_dataframe["statistics"], by_sql["statistics"]);
    assert_eq!((&by_dataframe["engine"], &by_sql["engine"]), (&json!("dataframe"), &json!("sql")));
    assert_eq!(by_sql["partitions"]["many"]["partitions"], json!(3));
    // A history given twice counts once.
    let both = stats(&["--data", "history.csv"]);
    assert_eq!((&both["engine"], &both["statistics"]), (&json!("dataframe = sql"), &by_sql["statistics"]));

    let (mut docks, mut empty) = (BTreeMap::<_, Vec<u32>>::new(), BTreeSet::new());
    for ((station, _), reading) in distinct(&readings) {
        if reading.is_empty() == Some(true) {
            empty.insert(station.clone());
        }
        docks.entry(station).or_default().extend(reading.docks_available.filter(|_| reading.is_open()));
    }
    let stations = both["statistics"]["stations"].as_array().unwrap();
    assert_eq!(stations.len(), docks.len());
    for station in stations {
        let (own, found) = (&docks[station["stationcode"].as_str().unwrap()], &station["free_docks"]);
        let mean = f64::from(own.iter().sum::<u32>()) / own.len() as f64;
        assert!((found["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{station}");
        assert_eq!((&found["min"], &found["max"]), (&json!(own.iter().min()), &json!(own.iter().max())));
    }
    let found = both["statistics"]["sometimes_empty"].as_array().unwrap();
    assert!(found.iter().map(|station| station["stationcode"].as_str().unwrap()).eq(empty.iter()));

    // In one pass: less, and in that the same.
    let overview = stats(&["--data", "history.csv", "--overview"]);
    assert_eq!(overview["repeats"], both["repeats"]);
    assert_part(&overview["overview"], &both["statistics"]);
    let told = printed(
        &folder,
        "part3_stats",
        &["--data", "history.csv", "--overview", "--zone", "grid:1km", "--out", "less"],
    );
    for part in ["(in one pass)\n", "\nCommunes\n", "\nZones\n", "\nSometimes empty: "] {
        assert!(told.contains(part) && !told.contains("Over time"), "{part}: {told}");
    }
    assert!(folder.path().join("less/mean-occupancy.png").is_file());

    let text = printed(&folder, "part3_stats", &["--data", "history.csv", "--out", "drawn"]);
    assert!(text.contains(&format!("\nSometimes empty: {} of 5 stations\n", empty.len())), "{text}");
    assert!(text.contains("\nPartitions: "), "{text}");
    assert!(folder.path().join("drawn/mean-occupancy.png").is_file());
}

/// What `part` says is said by `whole` too.
fn assert_part(part: &Value, whole: &Value) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().for_each(|(key, value)| assert_part(value, whole.get(key).unwrap_or(&Value::Null)));
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len());
            part.iter().zip(whole).for_each(|(part, whole)| assert_part(part, whole));
        }
        _ => assert_eq!(part, whole),
    }
}

#[test]
fn part3_says_how_little_one_station_of_one_day_tells() {
    let (folder, mut readings) = (folder(), half_a_day());
    let station = readings[0].station_code.clone();
    readings.retain(|reading| reading.station_code == station);
    readings.reverse();
    write_csv(&folder, "history.csv", &readings);
    let text = printed(&folder, "part3_stats", &["--data", "history.csv", "--runs", "1"]);
    for told in [
        "readings of 1 stations, ",
        "\nZones by behaviour: none, for fewer than 5 stations are known for half the hours of a week\n",
        " % of the stations' time was observed\n",
        "1 run of each: too few to tell the two apart.",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let found = object(&folder, "part3_stats", &["--data", "history.csv", "--behaviours", "0"]);
    assert_eq!((&found["behaviours"], found["statistics"]["stations"].as_array().unwrap().len()), (&json!([]), 1));
    let read = found["statistics"]["readings"].as_u64().unwrap() + found["repeats"].as_u64().unwrap();
    assert_eq!(read, readings.len() as u64);
}

#[test]
fn part3_answers_a_query_of_one_s_own_in_every_format() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "history.csv", &readings);
    let mut bikes = BTreeMap::<_, Vec<u32>>::new();
    for ((station, _), reading) in distinct(&readings) {
        bikes.entry(station).or_default().extend(reading.bikes_available.filter(|_| reading.is_open()));
    }
    let mean = |bikes: &[u32]| f64::from(bikes.iter().sum::<u32>()) / bikes.len() as f64;
    let sql = "SELECT stationcode, AVG(numbikesavailable) AS bikes, COUNT(*) AS n FROM readings WHERE open AND
        numbikesavailable IS NOT NULL GROUP BY stationcode ORDER BY stationcode";
    fs::write(folder.path().join("question.sql"), sql).unwrap();
    let ask = |options: &[&str]| printed(&folder, "part3_stats", &[&["--data", "history.csv"], options].concat());

    let json: Value = serde_json::from_str(&ask(&["--query", sql, "--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), bikes.len());
    for (row, (station, bikes)) in json.as_array().unwrap().iter().zip(&bikes) {
        assert_eq!((&row["stationcode"], &row["n"]), (&json!(station), &json!(bikes.len())));
        assert!((row["bikes"].as_f64().unwrap() - mean(bikes)).abs() < 1e-9, "{row}");
    }
    let csv = ask(&["--sql", "question.sql", "--format", "csv"]);
    let rows: Vec<Vec<String>> = csv::Reader::from_reader(csv.as_bytes()).deserialize().map(Result::unwrap).collect();
    let found = rows.iter().map(|row| (row[0].clone(), row[1].parse::<f64>().unwrap()));
    assert!(
        found.eq(json
            .as_array()
            .unwrap()
            .iter()
            .map(|row| { (row["stationcode"].as_str().unwrap().to_owned(), row["bikes"].as_f64().unwrap()) }))
    );
    assert!(csv.starts_with("stationcode,bikes,n\n"), "{csv}");

    let nothing = ask(&["--query", sql, "--format", "parquet", "--out", "answer.parquet"]);
    assert_eq!(nothing.trim(), "");
    let file = File::open(folder.path().join("answer.parquet")).unwrap();
    let frame = ParquetReader::new(file).finish().unwrap();
    assert_eq!((frame.height(), frame.width()), (bikes.len(), 3));
    assert_eq!(ask(&["--query", sql, "--format", "csv", "--out", "answer.csv"]).trim(), "");
    assert_eq!(fs::read_to_string(folder.path().join("answer.csv")).unwrap().trim(), csv.trim());

    let mut piped = command(&folder, "part3_stats", &["--data", "history.csv", "--sql", "-"]);
    let mut child = start({
        piped.stdin(Stdio::piped());
        piped
    });
    child.stdin.take().unwrap().write_all(b"SELECT stationcode, readings FROM stations LIMIT 2").unwrap();
    let output = child.wait_with_output().unwrap();
    let told: Vec<_> = said(&output.stdout).lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!((told.len(), &told[0]), (3, &vec!["stationcode", "readings"]), "{told:?}");
    // The simulated network, where no data are named.
    let simulated = printed(&folder, "part3_stats", &["--query", "SELECT COUNT(*) AS stations FROM stations"]);
    assert!(simulated.split_whitespace().eq(["stations", "60"]), "{simulated}");
}

#[test]
fn part3_says_what_is_wrong_with_a_query() {
    let folder = folder();
    write_csv(&folder, "history.csv", &history(2, TimeDelta::hours(1), TimeDelta::minutes(5)));
    fs::write(folder.path().join("two.sql"), "SELECT 1 AS a; SELECT 2 AS b").unwrap();
    let cases: [(&[&str], &[&str]); 8] = [
        (
            &["--query", "SELECT color FROM readings"],
            &["--query: there is no column `color`; columns of readings: ", "numdocks"],
        ),
        (&["--query", "SELECT * FROM rides"], &["--query: there is no table `rides`; there: readings, stations; "]),
        (&["--query", "SELECT * FROM"], &["--query: this is no SQL: ", "; write for example SELECT"]),
        (
            &["--query", "SELECT AVG(capacity) OVER (ORDER BY duedate) AS a FROM readings"],
            &[
                "--query: AVG OVER (ORDER BY ...) would give the value of the whole partition, the future included; divide SUM",
            ],
        ),
        (
            &["--query", "SELECT DATE_TRUNC('hour', duedate) AS h FROM readings"],
            &["--query: there is no function DATE_TRUNC; "],
        ),
        (&["--sql", "two.sql"], &["two.sql: these are several statements; ask one query at a time"]),
        (&["--query", "SELECT 1 AS a", "--format", "parquet"], &["--out: is missing", "; name the file"]),
        (&["--format", "csv"], &["--format: there is no query; give one by --query TEXT or --sql FILE"]),
    ];
    for (options, parts) in cases {
        let output = run(&folder, "part3_stats", &[&["--data", "history.csv"], options].concat());
        assert_eq!((output.status.code(), said(&output.stdout)), (Some(2), ""), "{options:?}");
        assert_told(said(&output.stderr).lines().last().unwrap(), parts);
    }
    let missing = run(&folder, "part3_stats", &["--data", "history.csv", "--sql", "none.sql"]);
    assert_failed(&missing, &["none.sql: No such file", "; name a file with SQL"]);
    let both = run(&folder, "part3_stats", &["--query", "SELECT 1 AS a", "--sql", "two.sql"]);
    assert_misused(&both, &["--query", "cannot be used with", "--sql"]);
}

/// The minutes that each reading of a station holds, at most the gap, by its place in time.
fn holds(own: &[StationStatus], gap: i64) -> Vec<i64> {
    let minutes = own.windows(2).map(|pair| (pair[1].last_reported - pair[0].last_reported).num_minutes().min(gap));
    minutes.chain([0]).collect()
}

#[test]
fn part3_weighs_by_time_with_the_gap_and_the_zones_that_are_asked_for() {
    let (folder, mut readings) = (folder(), half_a_day());
    // A hole of hours in the feed: the last reading before it holds no longer than the gap.
    let begin = readings[0].fetched_at;
    readings.retain(|reading| !(120..400).contains(&(reading.fetched_at - begin).num_minutes()));
    readings.iter_mut().for_each(|reading| reading.last_reported = reading.fetched_at);
    write_csv(&folder, "history.csv", &readings);
    let stats = |options: &[&str]| object(&folder, "part3_stats", &[&["--data", "history.csv"], options].concat());
    let mut stations = BTreeMap::<String, Vec<StationStatus>>::new();
    for ((station, _), reading) in distinct(&readings) {
        stations.entry(station).or_default().push(reading);
    }
    for (gap, written) in [(120, "2h"), (30, "30m")] {
        let found = &stats(&["--max-gap", written, "--zone", "grid:500m"])["statistics"];
        assert_eq!(found["max_gap_seconds"].as_f64(), Some(60.0 * f64::from(gap)));
        for station in found["stations"].as_array().unwrap() {
            let own = &stations[station["stationcode"].as_str().unwrap()];
            let (mut docks, mut open, mut empty, mut all) = (0.0, 0.0, 0.0, 0.0);
            for (reading, held) in own.iter().zip(holds(own, gap.into())) {
                let held = held as f64;
                all += held;
                if reading.is_open() {
                    docks += f64::from(reading.docks_available.unwrap()) * held;
                    open += held;
                }
                empty += if reading.is_empty() == Some(true) { held } else { 0.0 };
            }
            let close = |place: &str, wanted: f64| {
                let value = station["over_time"].pointer(place).and_then(Value::as_f64).unwrap();
                assert!((value - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{place}: {value}, not {wanted}");
            };
            close("/free_docks/mean", docks / open);
            close("/free_docks/known_seconds", 60.0 * open);
            close("/empty/seconds", 60.0 * empty);
            close("/observed/seconds", 60.0 * all);
        }
        let zones = found["zones"].as_array().unwrap();
        let in_zones: u64 = zones.iter().map(|zone| zone["readings"].as_u64().unwrap()).sum();
        assert_eq!((zones.is_empty(), in_zones), (false, distinct(&readings).len() as u64));
    }
    let text = printed(&folder, "part3_stats", &["--data", "history.csv", "--max-gap", "30m", "--zone", "grid:500m"]);
    for part in ["\nOver time: a reading holds until the next, at most 30m; ", "\nZones: grid:500m\n", "\nBy time "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The origins of the test span by the rule: a usable reading of the same station after the origin, within the tolerance
/// of an hour later; each reading looked at for each.
fn origins(readings: &[StationStatus], split: DateTime<Utc>) -> BTreeSet<Key> {
    let usable: Vec<_> = distinct(readings).into_values().filter(|reading| reading.usable() == Some(true)).collect();
    let is_label = |origin: &StationStatus, later: &StationStatus| {
        let off = later.last_reported - origin.last_reported - TimeDelta::minutes(60);
        later.station_code == origin.station_code && off.abs() <= TimeDelta::minutes(20)
    };
    let origins = usable.iter().filter(|origin| origin.last_reported >= split);
    origins.filter(|origin| usable.iter().any(|later| is_label(origin, later))).map(key).collect()
}

#[test]
fn part4_forecasts_every_origin_of_every_station() {
    let (folder, readings) = (folder(), ten_days());
    write_csv(&folder, "history.csv", &readings);
    let split = "2024-03-12T00:00:00Z";
    let pooled = ["--data", "history.csv", "--pooled", "--split", split, "--predictions", "p.csv", "--out", "trained"];
    let training = object(&folder, "part4_train", &pooled);

    let text = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    assert_eq!(text.lines().next(), Some("stationcode,last_reported,p_full"));
    let predictions: Vec<Prediction> =
        csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect();
    assert!(predictions.iter().all(|one| (0.0..=1.0).contains(&one.p_full)), "{text}");
    let predicted: BTreeSet<_> =
        predictions.iter().map(|one| (one.station_code.to_string(), one.last_reported)).collect();
    assert_eq!(predicted, origins(&readings, split.parse().unwrap()));
    assert_eq!(json!(predictions.len()), training["origins"]["test"]);
    assert_eq!(predicted.iter().map(|(station, _)| station).collect::<BTreeSet<_>>().len(), 5);

    let names: Vec<_> = training["test"].as_array().unwrap().iter().map(|one| one["model"].as_str().unwrap()).collect();
    let built_in = ModelName::ALL.into_iter().filter(|name| name.is_built_in());
    assert!(built_in.map(ModelName::as_str).eq(names), "{training}");
    let model = SavedModel::load(folder.path().join("trained/model.json")).unwrap();
    assert_eq!(json!(model.horizons[0].name()), training["chosen"]);
    let now = model.forecast(&readings, TimeDelta::hours(1)).unwrap();
    assert!(now.len() == 5 && now.iter().all(|one| (0.0..=1.0).contains(&one.p_full)), "{now:?}");
    let scores: Value = serde_json::from_slice(&fs::read(folder.path().join("trained/scores.json")).unwrap()).unwrap();
    assert_eq!(scores, training);
    for figure in ["reliability", "precision-recall", "skill"] {
        assert!(folder.path().join("trained").join(figure).with_extension("png").is_file(), "{figure}");
    }
}

#[test]
fn part4_learns_several_horizons_into_one_model_with_its_card() {
    let (folder, readings) = (folder(), ten_days());
    write_csv(&folder, "history.csv", &readings);
    let options =
        ["--data", "history.csv", "--pooled", "--model", "logistic", "--horizon", "60m,15m", "--out", "trained"];
    let told = object(&folder, "part4_train", &options);
    let seconds: Vec<_> = told["horizons"].as_array().unwrap().iter().map(|one| &one["horizon_seconds"]).collect();
    assert_eq!(seconds, [&json!(3600), &json!(900)]);

    let trained = folder.path().join("trained");
    let scores: Value = serde_json::from_slice(&fs::read(trained.join("scores.json")).unwrap()).unwrap();
    assert_eq!(scores, told);
    let model = SavedModel::load(trained.join("model.json")).unwrap();
    assert_eq!(model.horizons.iter().map(|one| one.horizon_seconds).collect::<Vec<_>>(), [900, 3600]);
    for minutes in [15, 30, 60] {
        assert_eq!(model.forecast(&readings, TimeDelta::minutes(minutes)).unwrap().len(), 5, "{minutes}");
    }
    model.forecast(&readings, TimeDelta::minutes(90)).unwrap_err();
    for figure in ["reliability-15min", "precision-recall-60min", "skill-15min", "skill-60min"] {
        assert!(trained.join(figure).with_extension("png").is_file(), "{figure}");
    }

    let card = fs::read_to_string(trained.join("model.md")).unwrap();
    for (minutes, place) in [(15, 1), (60, 0)] {
        let test = told["horizons"][place]["test"].as_array().unwrap();
        for model in ["logistic", "calibrated"] {
            let scores = test.iter().find(|one| one["model"] == model).unwrap();
            let row = format!("| {minutes} min | {model} | {:.5} |", scores["brier"].as_f64().unwrap());
            assert!(card.contains(&row), "{row}: {card}");
        }
    }
    assert!(
        columns().iter().all(|column| card.contains(&format!("- `{}`: {}", column.name, column.formula))),
        "{card}"
    );
}

#[cfg(feature = "boost")]
#[test]
fn part4_boosts_trees_to_the_same_digits_every_time() {
    let folder = folder();
    write_csv(&folder, "history.csv", &history(3, TimeDelta::days(6), TimeDelta::minutes(15)));
    let boosted = |out: &str| {
        let options = ["--data", "history.csv", "--pooled", "--model", "boost", "--predictions", "p.csv", "--out", out];
        let told = object(&folder, "part4_train", &options);
        (told, fs::read_to_string(folder.path().join("p.csv")).unwrap())
    };
    let (told, predictions) = boosted("one");
    assert_eq!(told["chosen"], "boost");
    let names: Vec<_> = told["test"].as_array().unwrap().iter().map(|one| &one["model"]).collect();
    assert_eq!(names, ["calibrated", "boost"]);
    assert_eq!(boosted("other"), (told, predictions));
    let model = |name: &str| SavedModel::load(folder.path().join(name).join("model.json")).unwrap();
    assert_eq!(model("one"), model("other"));
}

#[test]
fn part4_exports_the_rows_that_it_learns_from_and_is_tested_on() {
    let (folder, readings) = (folder(), ten_days());
    write_csv(&folder, "history.csv", &readings);
    let split = "2024-03-12T00:00:00Z";
    let pooled = ["--data", "history.csv", "--pooled", "--split", split, "--model", "calibrated", "--json"];
    let output =
        run(&folder, "part4_train", &[&pooled, ["--timings", "--export-features", "f.csv"].as_slice()].concat());
    assert!(output.status.success(), "{}", said(&output.stderr));
    let training: Value = serde_json::from_slice(&output.stdout).unwrap();

    let mut file = csv::Reader::from_path(folder.path().join("f.csv")).unwrap();
    let names = ["stationcode", "last_reported", "horizon_seconds", "part", "full", "docks_then"];
    assert!(file.headers().unwrap().iter().eq(names.into_iter().chain(columns().iter().map(|column| column.name))));
    let (mut tested, mut trained) = (BTreeSet::new(), 0);
    for row in file.records().map(Result::unwrap) {
        assert_eq!(&row[2], "3600");
        assert_eq!(&row[4] == "true", &row[5] == "0", "full is no dock free: {row:?}");
        match &row[3] {
            "train" => trained += 1,
            part => {
                assert_eq!(part, "test");
                let time = DateTime::from_timestamp(row[1].parse().unwrap(), 0).unwrap();
                tested.insert((row[0].to_owned(), time));
            }
        }
    }
    assert_eq!(tested, origins(&readings, split.parse().unwrap()));
    assert_eq!(
        (json!(trained), json!(tested.len())),
        (training["origins"]["train"].clone(), training["origins"]["test"].clone())
    );

    let timings: Value = serde_json::from_str(said(&output.stderr).lines().last().unwrap()).unwrap();
    assert_eq!(timings["horizon_seconds"], json!(3600));
    for step in ["history", "labels", "flows", "features of the training rows", "fit calibrated", "predict calibrated"]
    {
        assert!(timings["seconds"][step].is_f64(), "{step}: {timings}");
    }
}

#[test]
fn part4_trains_nothing_if_the_rows_cannot_be_written() {
    let folder = folder();
    write_csv(&folder, "history.csv", &ten_days());
    fs::create_dir(folder.path().join("taken.parquet")).unwrap();
    for (file, named) in [("history.csv/f.csv", "history.csv: "), ("taken.parquet", "taken.parquet: ")] {
        let output = run(&folder, "part4_train", &["--data", "history.csv", "--pooled", "--export-features", file]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output.stderr));
        assert_told(error_in(&output), &[named]);
    }
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["history.csv", "taken.parquet"]);
}

#[test]
fn part4_says_that_a_station_was_never_full_and_learns_from_all() {
    let (folder, mut readings) = (folder(), ten_days());
    assert!(readings.iter().any(|reading| reading.station_code.as_str() == "16107" && reading.is_full() == Some(true)));
    for reading in readings.iter_mut().filter(|reading| reading.station_code.as_str() == "16107") {
        reading.docks_available = reading.docks_available.map(|docks| docks.max(1));
    }
    write_csv(&folder, "history.csv", &readings);
    let text = printed(&folder, "part4_train", &["--data", "history.csv", "--model", "logistic"]);
    assert!(text.contains("\nStation 16107: it was never full in its training history.\n"), "{text}");
    assert!(text.contains("\nTrained on all 5 stations, with each station's own history as features"), "{text}");
    assert!(text.contains("\nNote: station 16107 was never full in the test span"), "{text}");
    assert!(text.contains("\nlogistic (asked for) is saved to var/part4\n"), "{text}");
    assert!(!text.to_lowercase().contains("accuracy"), "{text}");
    let (_, own) = text.split_once("\nTest, the rows of station 16107 alone\n").unwrap();
    let (own, _) = own.split_once("\n\n").unwrap();
    assert!(own.contains("logistic") && !own.split_whitespace().any(|word| word.starts_with("1.0")), "{own}");
    SavedModel::load(folder.path().join("var/part4/model.json")).unwrap();
}

#[test]
fn part4_trains_a_station_that_is_often_full_alone() {
    let (folder, mut readings) = (folder(), ten_days());
    for reading in readings.iter_mut().filter(|reading| reading.station_code.as_str() == "16107") {
        reading.docks_available = reading.docks_available.map(|docks| docks.saturating_sub(2));
    }
    write_csv(&folder, "history.csv", &readings);
    let options = ["--data", "history.csv", "--model", "calibrated", "--predictions", "p.csv"];
    let text = printed(&folder, "part4_train", &options);
    assert!(text.contains("\nStation 16107, trained on its own history\n"), "{text}");
    assert!(fs::read_to_string(folder.path().join("p.csv")).unwrap().lines().skip(1).all(|l| l.starts_with("16107,")));
}

#[test]
fn the_whole_path_ends_in_figures() {
    let folder = folder();
    write_csv(&folder, "history.csv", &ten_days());
    let text = printed(&folder, "whole_path", &["--source", "history.csv"]);
    for step in ["1. Fetch: ", "\n2. Stream: ", "\n3. Batch: ", "\n4. Predict: ", "\n5. Draw: "] {
        assert!(text.contains(step), "{step}: {text}");
    }
    for file in ["velib.csv", "statistics.sqlite", "model.json", "reliability.png", "station-week.png"] {
        assert!(folder.path().join("var/whole-path").join(file).is_file(), "{file}");
    }
}

#[test]
fn a_portal_that_cannot_be_used_is_told_in_one_line() {
    let html = "<!doctype html><title>Maintenance</title>";
    let unreachable = format!("http://{}", nobody());
    let html = Server::start(move |_| status("200 OK", "Content-Type: text/html\r\n", html));
    let truncated = Server::start(|_| status("200 OK", "", r#"{"total_count": 250, "results": [{"stat"#));
    let broken_off = Server::start(|_| "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"total");
    let too_many = Server::start(|_| status("429 Too Many Requests", "Retry-After: 40000\r\n", r#"{"error": "slow"}"#));
    let by_simulation = "; check the network and the address, or go on without: --source simulate";
    let later = "; check the address and the network, or try again later";
    let cases: [(&str, &[&str]); 5] = [
        (&unreachable, &["cannot be reached: Connection refused", "(4 attempts)", by_simulation]),
        (&html.address, &["the answer is HTML", "<title>Maintenance", "(4 attempts)", later]),
        (&truncated.address, &["the answer is not the JSON expected", "(4 attempts)", later]),
        (&broken_off.address, &["the answer broke off after 7 bytes", "(4 attempts)", by_simulation]),
        (&too_many.address, &["429 Too Many Requests: slow", "to wait 40000 s", by_simulation]),
    ];
    // All at once, because each tries four times and waits between.
    let folder = folder();
    let mut offline = command(&folder, "part1_fetch", &["--json"]);
    offline.env("HTTPS_PROXY", &unreachable);
    let offline = start(offline);
    let children = cases.map(|(address, parts)| {
        let child = start(command(&folder, "part1_fetch", &["--endpoint", address]));
        (child, [&[address], parts].concat())
    });
    for (child, parts) in children {
        assert_failed(&child.wait_with_output().unwrap(), &parts);
    }
    // Live is the default, and so is the portal; a proxy where nobody listens is how it is kept out of reach.
    let output = offline.wait_with_output().unwrap();
    assert_told(
        error_in(&output),
        &["https://opendata.paris.fr/", "cannot be reached: Connection refused", by_simulation],
    );
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}

#[test]
fn a_poll_that_fails_while_publishing_is_counted_and_the_next_goes_on() {
    let mut asked = 0;
    let server = Server::start(move |path| {
        asked += 1;
        match (asked, path.contains("/exports/json")) {
            // Nor does the other interface answer, which stands in for the first.
            _ if path.contains("/records/1.0/") => status("404 Not Found", "", "{}"),
            (1, _) => status("404 Not Found", "", "{}"),
            (_, true) => ok(&(0..40).map(record).collect()),
            (_, false) => page(path, 40),
        }
    });
    let options = ["--endpoint", &server.address, "--publish", "--polls", "2", "--every", "1s"];
    let output = run(&folder(), "part1_fetch", &options);
    let text = said(&output.stdout);
    let totals =
        "\n1 polls answered (0 incomplete), 1 failed: 40 readings received, 40 published, 0 repeated, 0 set aside\n";
    assert!(text.ends_with(totals), "{text}");
    // Polls that are counted are to be complete.
    assert_eq!(output.status.code(), Some(1));
    assert_told(error_in(&output), &["1 of 2 polls were not complete: 1 failed, 0 came short"]);
}

#[test]
fn a_file_that_is_no_history_is_told_in_one_line() {
    let folder = folder();
    write_csv(&folder, "whole.csv", &half_a_day());
    let whole = fs::read_to_string(folder.path().join("whole.csv")).unwrap();
    let header = whole.lines().next().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("empty.csv", "");
    write("header.csv", header);
    write("column.csv", &whole.replacen("duedate", "reported", 1));
    write("unreadable.csv", &format!("{header}\nyesterday,16107,,,,,,,,,,,,,\n"));
    let path = folder.path().join("half.parquet");
    let mut frame = polars::prelude::df!("stationcode" => ["16107", "1"], "capacity" => [35, 20]).unwrap();
    ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(fs::metadata(&path).unwrap().len() / 2).unwrap();

    let files: [(&str, &[&str]); 6] = [
        ("missing.csv", &["missing.csv: No such file", "; check the path"]),
        ("empty.csv", &["empty.csv: the file is empty", "; its first line must name the columns"]),
        ("header.csv", &["header.csv: no row stands under the names", "; collect some readings first"]),
        ("column.csv", &["column.csv:1: columns missing: duedate; columns there: ", "; rename the columns"]),
        ("unreadable.csv", &["unreadable.csv: not one of 1 rows can be read; the first: ", "; mend that row first"]),
        ("half.parquet", &["half.parquet: not a whole Parquet file", "; fetch or write it again"]),
    ];
    for (example, option) in [
        ("part1_fetch", "--source"),
        ("part2_stream", "--source"),
        ("part3_collect", "--source"),
        ("part3_stats", "--data"),
        ("part3_report", "--data"),
        ("part4_train", "--data"),
        ("whole_path", "--source"),
    ] {
        for (file, parts) in files {
            assert_failed(&run(&folder, example, &[option, file]), parts);
        }
        assert_misused(
            &run(&folder, example, &[option, "notes.txt"]),
            &["notes.txt: ", "; name a CSV, a Parquet or a JSON"],
        );
    }
}

/// An export of the portal with French labels, of stations that reported a few seconds apart.
fn export(stations: usize) -> String {
    let labels = "\u{feff}Identifiant station;Nom station;Station en fonctionnement;Capacité de la station;\
        Nombre bornettes libres;Nombre total vélos disponibles;Vélos mécaniques disponibles;Vélos électriques disponibles;\
        Borne de paiement disponible;Retour vélib possible;Actualisation de la donnée;Coordonnées géographiques;\
        Nom communes équipées;Code INSEE communes équipées\r\n";
    let row = |n: usize| {
        let (code, lon) = (16101 + n, 2.2 + n as f64 / 1000.0);
        format!("{code};Gare {n};OUI;30;10;18;11;7;OUI;OUI;2023-02-26T12:00:{n:02}+01:00;48.86, {lon};Paris;\r\n")
    };
    labels.to_owned() + &(0..stations).map(row).collect::<String>()
}

#[test]
fn an_export_of_the_portal_is_read_by_every_command() {
    let folder = folder();
    fs::write(folder.path().join("export.csv"), export(30)).unwrap();
    let file = ["--source", "export.csv"];
    let rows = object(&folder, "part1_fetch", &[&file, ["--rows", "100"].as_slice()].concat());
    assert_eq!((&rows["distinct"], &rows["set_aside"]), (&json!(30), &json!(0)));
    assert_eq!(
        (&rows["fetched_at"], &rows["stations"][0]["is_renting"]),
        (&json!("2023-02-26T11:00:29Z"), &json!(true))
    );
    assert_eq!(object(&folder, "part2_stream", &file)["totals"]["readings"], json!(30));
    assert_eq!(
        object(&folder, "part3_collect", &[&file, ["--out", "all.csv"].as_slice()].concat())["written"],
        json!(30)
    );
    assert_eq!(object(&folder, "part3_stats", &["--data", "export.csv"])["statistics"]["readings"], json!(30));
    // One moment holds no hour to look ahead.
    let training = run(&folder, "part4_train", &["--data", "export.csv", "--pooled"]);
    assert_failed(&training, &["the horizon of 60 min is longer than the data:", "; "]);
}

#[test]
fn gbfs_of_any_city_is_a_source() {
    let status = json!({"station_id": "abc-1", "num_bikes_available": 9, "num_docks_available": 3, "is_installed": true,
        "is_renting": true, "is_returning": true, "last_reported": 1_652_347_094});
    let information = json!({"station_id": "abc-1", "name": "Broadway", "capacity": 20, "lat": 40.7, "lon": -74.0});
    let server = Server::start(move |path| {
        let feeds = ["station_information", "station_status"].map(|name| json!({"name": name, "url": name}));
        ok(&match path {
            "/gbfs.json" => json!({"data": {"feeds": feeds}}),
            "/station_information" => json!({"ttl": 60, "data": {"stations": [information]}}),
            _ => json!({"ttl": 60, "data": {"stations": [status]}}),
        })
    });
    let (folder, url) = (folder(), format!("{}/gbfs.json", server.address));
    let source = ["--source", "gbfs", "--endpoint", &url];
    let map = object(&folder, "part1_fetch", &[source.as_slice(), &["--station", "abc-1"]].concat());
    assert_eq!((&map["name"], &map["numdocksavailable"], &map["ebike"]), (&json!("Broadway"), &json!(3), &Value::Null));
    let publish = object(&folder, "part1_fetch", &[source.as_slice(), &["--publish", "--polls", "1"]].concat());
    assert_eq!(publish["published"], json!(1));
}

#[test]
fn what_drifts_in_a_feed_is_told_once_and_changes_nothing_else() {
    let server = Server::start(|path| {
        let drifted = |code| {
            let mut record = record(code);
            record["weather"] = json!("rain");
            record["capacity"] = json!("30");
            record["ebike"] = json!("many");
            record
        };
        let stations: Vec<_> = (0..3).map(drifted).collect();
        ok(&match path.contains("/exports/") {
            true => json!(stations),
            false => json!({"total_count": 3, "results": stations}),
        })
    });
    let options = ["--endpoint", &server.address, "--publish", "--polls", "2", "--every", "1s", "--json"];
    let output = run(&folder(), "part1_fetch", &options);
    let totals: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&totals["published"], &totals["incomplete_polls"]), (&json!(3), &json!(0)));
    let told: Vec<_> =
        said(&output.stderr).lines().filter(|line| line.contains("weather") || line.contains("many")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn half_a_row_is_set_aside_and_the_others_go_on() {
    let (folder, readings) = (folder(), half_a_day());
    write_csv(&folder, "half.csv", &readings);
    let path = folder.path().join("half.csv");
    File::options().write(true).open(&path).unwrap().set_len(fs::metadata(&path).unwrap().len() - 60).unwrap();
    let output = run(&folder, "part3_stats", &["--data", "half.csv", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (_, others) = readings.split_last().unwrap();
    assert_eq!(result["statistics"]["readings"], json!(distinct(others).len()));
    let told = said(&output.stderr);
    assert!(told.contains(&format!("set aside: half.csv:{}: ", readings.len() + 1)), "{told}");
}

#[test]
fn an_unknown_station_is_told_with_those_that_are_known() {
    let folder = folder();
    write_csv(&folder, "history.csv", &half_a_day());
    let of_file = run(&folder, "part1_fetch", &["--source", "history.csv", "--station", "99999"]);
    assert_failed(&of_file, &["station 99999: not among the 5 stations", "; see them with --rows 5", "16107"]);
    let server = Server::start(|_| ok(&json!({"total_count": 0, "results": []})));
    let live = run(&folder, "part1_fetch", &["--endpoint", &server.address, "--station", "99999"]);
    assert_failed(&live, &["station 99999: the portal knows no such station", "; station codes are listed by"]);
    let training = run(&folder, "part4_train", &["--data", "history.csv", "--station", "99999"]);
    assert_failed(&training, &["station 99999: the history does not hold this station", "; near it are "]);
}

#[test]
fn a_horizon_and_a_split_that_do_not_fit_the_data_are_told_with_its_span() {
    let folder = folder();
    write_csv(&folder, "history.csv", &half_a_day());
    let train = |options: &[&str]| run(&folder, "part4_train", &[&["--data", "history.csv"], options].concat());
    let (from, until) = (" the data span 2024-03-0", " to 2024-03-04T11:");
    let long = train(&["--horizon", "2days"]);
    assert_failed(
        &long,
        &["the horizon of 2880 min is longer than the data:", from, until, "; take a shorter --horizon"],
    );
    for split in ["2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"] {
        let outside = format!("the split at {split} lies outside the data:");
        assert_failed(&train(&["--split", split]), &[&outside, from, until, "; take a --split between the two"]);
    }
    let late = train(&["--split", "2024-03-04T11:40:00Z"]);
    assert_failed(&late, &["no origin in the test span has a label", "; take another --split"]);
}

#[test]
fn a_broker_that_is_away_is_told_with_its_address() {
    let (folder, broker) = (folder(), nobody());
    for (example, options) in [
        ("part1_fetch", ["--publish", "--source", "simulate"].as_slice()),
        ("part2_stream", &["--until-end"]),
        ("part3_collect", &["--out", "kept.csv"]),
    ] {
        let away = run(&folder, example, &[&["--brokers", &broker], options].concat());
        assert_failed(&away, &[&format!("Kafka at {broker}: no broker there"), "; ", "`.ci/kafka start`"]);
    }
}

#[test]
fn wrong_usage_exits_with_2_before_anything_is_done() {
    let (folder, broker) = (folder(), nobody());
    let two = ["--horizon", "15m,60m"];
    let without_spark: &[&str] = &["--engine: built without the feature `spark`", "; run with --features spark"];
    let (without_brokers, without_server): (&[&str], &[&str]) = match cfg!(feature = "spark") {
        true => (
            &["--brokers: --engine spark needs it", "; give --brokers HOST:PORT"],
            &["--engine: which Spark is not said", "; give its address by --spark sc://HOST:15002"],
        ),
        false => (without_spark, without_spark),
    };
    let cases: [(&str, &[&str], &[&str]); 34] = [
        ("part1_fetch", &["--nonsense"], &["unexpected argument '--nonsense'"]),
        ("part1_fetch", &["--api", "v3"], &["--api", "`v3`", "; write v2.1 or v1.0"]),
        ("part1_fetch", &["--endpoint", "nonsense"], &["--endpoint: ", "; write http://HOST:PORT"]),
        ("part1_fetch", &["--source", "simulate", "--endpoint", "http://127.0.0.1:1"], &["--endpoint: ", "; leave"]),
        ("part1_fetch", &["--publish", "--every", "soon"], &["'soon' for '--every", "; write for example 60s"]),
        ("part1_fetch", &["--station", "16107", "--rows", "3"], &["--station", "cannot be used with", "--rows"]),
        ("part1_fetch", &["--rows", "many"], &["'many' for '--rows"]),
        ("part1_fetch", &["--publish", "--source", "simulate", "--brokers", "x"], &["--brokers: `x`", "; write "]),
        ("part2_stream", &["--brokers", &broker, "--source", "simulate"], &["--source: with --brokers", "; publish"]),
        ("part2_stream", &["--brokers", &broker, "--endpoint", "http://h"], &["--endpoint: with --brokers", "; "]),
        (
            "part2_stream",
            &["--store", "mysql://h/velib"],
            &["--store", "`mysql://h/velib`", "; known: sqlite:FILE, postgres:"],
        ),
        (
            "part2_stream",
            &["--store", "postgres://h"],
            &["--store: `postgres://h` names no database; write postgres://"],
        ),
        ("part2_stream", &["--checkpoint", "a"], &["--checkpoint: that is Spark's", "; add --engine spark"]),
        (
            "part2_stream",
            &["--engine", "spark", "--store", "sqlite:a"],
            &["--store: that is not Spark's", "; leave it out"],
        ),
        ("part2_stream", &["--engine", "spark"], without_brokers),
        ("part2_stream", &["--window", "0s"], &["--window: ", "; windows are from 1 second to 7 days"]),
        ("part2_stream", &["--zone", "street"], &["--zone: `street`", "; known: commune, arrondissement, grid:"]),
        ("part2_stream", &["--zone", "grid:500ft"], &["--zone: `grid:500ft`", "; write a size from 1 m"]),
        ("part2_stream", &["--zone", "near:48.8,2.3,0m"], &["--zone: `near:48.8,2.3,0m`", "; write latitude"]),
        ("part3_collect", &["--brokers", &broker, "--source", "simulate"], &["--source: with --brokers", "; publish"]),
        ("part3_collect", &["--brokers", &broker], &["--out: is missing", "; name the CSV"]),
        ("part3_stats", &["--max-gap", "0s"], &["--max-gap: 0ns is no time", "; write for example 2h"]),
        ("part3_report", &["--max-gap", "0s"], &["--max-gap: 0ns is no time", "; write for example 2h"]),
        ("part3_stats", &["--zone", "street"], &["--zone: `street`", "; known: commune, arrondissement, grid:"]),
        ("part3_stats", &["--partitions", "0"], &["'0' for '--partitions", "1..=4096"]),
        (
            "part3_stats",
            &["--overview", "--engine", "sql"],
            &["--engine: an overview is taken in a pass of its own", "; leave it"],
        ),
        ("part3_stats", &["--check"], &["--check: only Spark needs it", "; give --engine spark, or leave it out"]),
        ("part3_stats", &["--engine", "spark", "--data", "history.csv"], without_server),
        ("part3_stats", &["--engine", "awk"], &["--engine", "`awk`", "dataframe"]),
        ("part4_train", &["--model", "nonsense"], &["--model", "`nonsense`", "; one of persistence, calibrated, "]),
        ("part4_train", &["--split", "yesterday"], &["'yesterday' for '--split"]),
        (
            "part4_train",
            &[two[0], two[1], "--predictions", "p.csv"],
            &["--predictions: ", "one horizon", "; give a single"],
        ),
        ("part4_train", &[two[0], two[1], "--export-features", "f.csv"], &["--export-features: ", "; give a single"]),
        ("part4_train", &["--export-features", "f.txt"], &["f.txt: ", "; name a CSV or a Parquet file"]),
    ];
    for (example, options, parts) in cases {
        assert_misused(&run(&folder, example, options), parts);
    }
    write_csv(&folder, "history.csv", &half_a_day());
    let no_time = run(&folder, "part4_train", &["--data", "history.csv", "--horizon", "0s"]);
    assert_eq!(no_time.status.code(), Some(2));
    assert_told(said(&no_time.stderr), &["--horizon: the horizon must be at least a second", "; write 15m"]);
    let no_name = run(&folder, "part1_fetch", &["--publish", "--source", "history.csv", "--topic", "a b"]);
    assert_eq!(no_name.status.code(), Some(2));
    assert_told(said(&no_name.stderr), &["--topic: `a b` is not a topic name", "; use up to 249 "]);
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/notes.txt"), "keep").unwrap();
    let kept = run(&folder, "whole_path", &["--out", "full"]);
    assert_misused(&kept, &["--out: full is not empty", "; name a new folder"]);
    assert!(!folder.path().join("var").exists(), "something was written");
}
