//! Part 2 on a real Spark, beside our own engine: the addresses are in `VELIB_SPARK` and `VELIB_KAFKA`, as `.ci/spark address`
//! and `.ci/kafka address` print them. Without them these tests say that they were skipped.

#![cfg(feature = "spark")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Output;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _};
use serde_json::{Value, json};
use support::kafka::{broker, unique};
use tempfile::TempDir;
use velib::ingest::Stop;
use velib::kafka::{Broker, Publisher, Sink as _, TopicSettings, ensure_topic};
use velib::streaming::{
    Select, Spark, SparkOutput, SparkStreamSettings, SparkTotals, SparkWindows, SqliteStore, StationWindow, Store,
    StreamingStatistics, Windowing, ZoneWindow, Zones, consume_with_spark,
};
use velib::{StationCode, StationStatus};

/// A Kafka with a topic of its own, a Spark, and a folder for what it writes.
struct Scene {
    broker: Broker,
    spark: Spark,
    folder: TempDir,
    topic: String,
}

impl Scene {
    fn open() -> Option<Self> {
        let Ok(url) = std::env::var("VELIB_SPARK") else {
            std::io::stderr().write_all(b"skipped: VELIB_SPARK is not set\n").unwrap();
            return None;
        };
        let (broker, topic) = (broker()?, unique());
        ensure_topic(&broker, &TopicSettings::named(&topic)).unwrap();
        Some(Self { broker, spark: Spark::connect(&url).unwrap(), folder: support::folder(), topic })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn settings(&self, windowing: Windowing) -> SparkStreamSettings {
        SparkStreamSettings {
            topic: self.topic.clone(),
            windowing,
            lateness: Duration::from_secs(1800),
            checkpoint: self.path("checkpoint"),
            output: SparkOutput::Folder(self.path("windows")),
            batch: 500_000,
            until_end: true,
            stop: Stop::new(),
        }
    }

    fn publish(&self, readings: &[StationStatus]) {
        Publisher::new(self.broker.handle(), &self.topic).unwrap().publish(readings).unwrap();
    }

    fn publish_raw(&self, key: &str, value: &str) {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", self.broker.handle().address()).create().unwrap();
        producer.send(BaseRecord::to(&self.topic).key(key).payload(value)).unwrap();
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn run(&self, settings: &SparkStreamSettings) -> SparkTotals {
        consume_with_spark(&self.spark, self.broker.handle(), settings, &mut |_| ()).unwrap()
    }

    fn written(&self, settings: &SparkStreamSettings) -> SparkWindows<'_> {
        SparkWindows::open(&self.spark, self.broker.handle(), &settings.output).unwrap()
    }
}

fn at(minute: i64) -> DateTime<Utc> {
    "2022-05-12T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

fn reading(code: &str, minute: i64, bikes: u32) -> StationStatus {
    StationStatus {
        name: Some(format!("L'Haÿ {code}").into()),
        is_installed: Some(true),
        is_renting: Some(true),
        is_returning: Some(true),
        capacity: Some(20),
        docks_available: Some(20 - bikes),
        bikes_available: Some(bikes),
        mechanical: Some(bikes / 2),
        ebike: Some(bikes - bikes / 2),
        lat: Some(48.85),
        lon: Some(2.35),
        commune: Some("Paris".into()),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at(minute), at(minute + 3))
    }
}

/// A reading that is so far ahead that all windows of the others close.
fn closing() -> StationStatus {
    reading("closing", 24 * 60, 1)
}

/// Ten stations for an hour: full, empty, closed, changing their capacity and name, with what is unknown now and then, with
/// repeats that say something else, and out of order.
fn readings() -> Vec<StationStatus> {
    let mut readings = Vec::new();
    for (minute, station) in (0..60_u32).step_by(4).flat_map(|minute| (0..10_u32).map(move |station| (minute, station)))
    {
        let code = ["16107", "1001", "7002", "31024_relais", "22504"].get(station as usize / 2).unwrap();
        let code = format!("{}{}", code, if station % 2 == 0 { "" } else { "9" });
        let chance = (minute * 31 + station * 17) % 21;
        let mut one = reading(&code, i64::from(minute), chance.min(20));
        one.last_reported += TimeDelta::milliseconds(i64::from(station * 7_919));
        one.commune = (station > 2 || minute > 20).then(|| if station < 6 { " Paris " } else { "Montreuil" }.into());
        match chance {
            3 => one.is_returning = Some(false),
            5 => (one.is_installed, one.ebike) = (None, None),
            7 => (one.capacity, one.name) = (Some(31), Some("New".into())),
            8 => (one.capacity, one.lat) = (None, None),
            11 => (one.docks_available, one.bikes_available) = (None, None),
            13 => one.capacity = Some(0),
            _ => {}
        }
        let again =
            StationStatus { bikes_available: Some(2), docks_available: Some(1), mechanical: Some(9), ..one.clone() };
        readings.push(one);
        if chance % 4 == 1 {
            readings.push(again);
        }
    }
    readings.swap(20, 31);
    readings
}

fn engine(windowing: Windowing, readings: &[StationStatus]) -> Box<dyn Store> {
    let engine = StreamingStatistics::new(windowing, Box::new(SqliteStore::in_memory().unwrap())).unwrap();
    let mut engine = engine.with_allowed_lateness(Duration::from_secs(1800));
    for reading in readings {
        engine.update(reading).unwrap();
    }
    engine.flush().unwrap();
    engine.into_store()
}

fn minutes(length: u64, slide: u64) -> Windowing {
    Windowing::sliding(Duration::from_secs(60 * length), Duration::from_secs(60 * slide)).unwrap()
}

/// Equal but for rounding, and for what only our engine has.
fn assert_alike(spark: &Value, ours: &Value, place: &str) {
    match (spark, ours) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{place}");
            a.iter()
                .filter(|(key, _)| *key != "revision")
                .for_each(|(key, a)| assert_alike(a, &b[key], &format!("{place} {key}")));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            a.iter().zip(b).for_each(|(a, b)| assert_alike(a, b, &format!("{place} {}", b["start"])));
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{place}: {a} is not {b}");
        }
        (a, b) => assert_eq!(a, b, "{place}"),
    }
}

fn assert_same_windows(spark: &SparkWindows<'_>, ours: &mut dyn Store) {
    let (stations, our_stations) =
        (spark.station_windows(Select::ALL).unwrap(), ours.station_windows(Select::ALL).unwrap());
    assert_alike(&json!(stations), &json!(our_stations), "stations");
    for written in ["commune", "arrondissement", "near:48.85,2.35,1km"] {
        let zones = Zones::open(written).unwrap();
        let (a, b) =
            (spark.zone_windows(&zones, Select::ALL).unwrap(), ours.zone_windows(&zones, Select::ALL).unwrap());
        assert!(!b.is_empty());
        assert_alike(&json!(a), &json!(b), written);
    }
}

#[test]
fn the_same_readings_make_the_same_windows_in_both_engines() {
    let Some(scene) = Scene::open() else { return };
    let mut readings = readings();
    scene.publish(&readings);
    // One that our reader would not take: here its capacity is unknown. The others are none anywhere.
    let odd = StationStatus { capacity: None, ..reading("16107", 59, 4) };
    let mut value = json!(odd);
    value["capacity"] = json!("twenty");
    scene.publish_raw("16107", &value.to_string());
    readings.push(odd);
    for value in [
        r#"{"stationcode": "16107"}"#,
        "no JSON",
        r#"{"stationcode":" ","duedate":"2022-05-12T10:00:00Z","fetched_at":"2022-05-12T10:00:00Z"}"#,
        r#"{"stationcode":"1","duedate":"2022-05-12","fetched_at":"2022-05-12T10:00:00Z"}"#,
    ] {
        scene.publish_raw("16107", value);
    }
    scene.publish(&[closing()]);

    let sliding = scene.settings(minutes(10, 5));
    let totals = scene.run(&sliding);
    assert_eq!((totals.messages, totals.set_aside, totals.dropped), (readings.len() as u64 + 5, 4, 0));
    let (spark, mut ours) = (scene.written(&sliding), engine(sliding.windowing, &readings));
    assert_same_windows(&spark, &mut *ours);
    assert_eq!(json!(spark.stations().unwrap()), json!(ours.stations().unwrap()));
    let newest = ours.latest_window(None).unwrap();
    assert_eq!(spark.latest_window().unwrap(), newest);
    let (at, one) = (Select::at(newest.unwrap().start), Select::of("16107"));
    for select in [at, one, Select { of: Some("none"), ..at }] {
        let windows = spark.station_windows(select).unwrap();
        assert_alike(&json!(windows), &json!(ours.station_windows(select).unwrap()), "selected");
    }

    // And by a topic, whose values are those of our topic of results.
    let out = unique();
    ensure_topic(&scene.broker, &TopicSettings::named(&out)).unwrap();
    let tumbling = SparkStreamSettings {
        checkpoint: scene.path("another"),
        output: SparkOutput::Topic(out.clone()),
        ..scene.settings(minutes(7, 7))
    };
    scene.run(&tumbling);
    let spark = scene.written(&tumbling);
    assert_same_windows(&spark, &mut *engine(tumbling.windowing, &readings));
    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", scene.broker.handle().address())
        .set("group.id", unique())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    reader.subscribe(&[&out]).unwrap();
    let mut arrondissements = BTreeSet::new();
    for _ in spark.station_windows(Select::ALL).unwrap() {
        let message = loop {
            if let Some(message) = reader.poll(Duration::from_secs(1)) {
                break message.unwrap();
            }
        };
        let value: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let row: StationWindow = serde_json::from_value(value.clone()).unwrap();
        let key = format!("{} {}", row.station_code, row.window.start.format("%FT%TZ"));
        assert_eq!(message.key().unwrap(), key.as_bytes());
        let mut fields = json!(row);
        fields["newest"] = value["newest"].clone();
        assert_alike(&value, &fields, "the message");
        assert_eq!(value["start"], fields["start"]);
        arrondissements.insert((row.station_code.to_string(), row.commune, row.arrondissement));
    }
    // A window says of its station what its own readings knew: without a commune a code is in no arrondissement.
    let written = |code: &str, commune: Option<&str>, arrondissement: Option<&str>| {
        arrondissements.contains(&(code.to_owned(), commune.map(str::to_owned), arrondissement.map(str::to_owned)))
    };
    assert!(written("16107", None, None) && written("16107", Some("Paris"), Some("Paris 16e")), "{arrondissements:?}");
    assert!(written("22504", Some("Montreuil"), Some("Montreuil")), "{arrondissements:?}");
    assert!(arrondissements.iter().all(|(_, commune, arrondissement)| commune.is_some() || arrondissement.is_none()));
}

#[test]
fn what_is_late_for_the_network_is_dropped_by_spark_and_kept_by_us() {
    let Some(scene) = Scene::open() else { return };
    let settings = scene.settings(minutes(10, 10));
    let first = [reading("a", 0, 4), reading("a", 5, 5), reading("b", 120, 6)];
    scene.publish(&first);
    assert_eq!(scene.run(&settings).messages, 3);
    // The network's clock says 12:00, the watermark 11:30. Late for it, not for its station: a at 10:07. Late for both: b at
    // 10:30. Not too late for either: b at 11:45.
    let then = [reading("a", 7, 8), reading("b", 30, 9), reading("b", 105, 7)];
    scene.publish(&then);
    scene.publish(&[closing()]);
    let totals = scene.run(&settings);
    assert_eq!((totals.messages, totals.dropped, totals.set_aside), (4, 2, 0));

    let said = |windows: Vec<StationWindow>| -> Vec<(String, String, u64, u64)> {
        let said = |row: StationWindow| {
            (
                row.station_code.to_string(),
                row.window.start.format("%H:%M").to_string(),
                row.statistics.readings,
                row.statistics.revision,
            )
        };
        windows.into_iter().map(said).collect()
    };
    let row = |code: &str, start: &str, readings, revision| (code.to_owned(), start.to_owned(), readings, revision);
    let spark = scene.written(&settings).station_windows(Select::ALL).unwrap();
    assert_eq!(said(spark), [row("a", "10:00", 2, 0), row("b", "11:40", 1, 0), row("b", "12:00", 1, 0)]);
    let mut ours = engine(settings.windowing, &[&first[..], &then[..]].concat());
    assert_eq!(ours.kept_aside().unwrap(), 1);
    let ours = ours.station_windows(Select::ALL).unwrap();
    assert_eq!(said(ours), [row("a", "10:00", 3, 0), row("b", "11:40", 1, 1), row("b", "12:00", 1, 0)]);
}

#[test]
fn a_query_goes_on_where_it_was_stopped_or_replaced_with_each_window_once() {
    let Some(scene) = Scene::open() else { return };
    let readings = readings();
    scene.publish(&readings);
    scene.publish(&[closing()]);
    let settings = SparkStreamSettings { batch: 40, ..scene.settings(minutes(10, 10)) };
    // Stopped after its first batch.
    let stopped = settings.clone();
    let totals =
        consume_with_spark(&scene.spark, scene.broker.handle(), &stopped, &mut |_| stopped.stop.request()).unwrap();
    assert!((1..readings.len() as u64).contains(&totals.messages), "{totals:?}");
    // In the middle, another takes its place: the one before ends.
    let settings = SparkStreamSettings { until_end: false, stop: Stop::new(), ..settings };
    let url = scene.spark.url().to_owned();
    let handle = scene.broker.handle().clone();
    let replaced = settings.clone();
    let (began, begins) = std::sync::mpsc::channel();
    let one = std::thread::spawn(move || {
        let spark = Spark::connect(&url).unwrap();
        consume_with_spark(&spark, &handle, &replaced, &mut |_| began.send(()).unwrap_or(())).unwrap_err()
    });
    begins.recv().unwrap();
    let last = SparkStreamSettings { until_end: true, ..settings };
    let rest = scene.run(&last);
    assert!(rest.batches > 0, "{rest:?}");
    let told = one.join().unwrap().to_string();
    assert!(told.contains("was ended from outside, before it had read all: its checkpoint was taken over"), "{told}");

    let written = scene.written(&last);
    let windows = written.station_windows(Select::ALL).unwrap();
    let different: BTreeSet<_> = windows.iter().map(|row| (row.window, row.station_code.clone())).collect();
    assert_eq!(different.len(), windows.len());
    let mut ours = engine(last.windowing, &readings);
    assert_same_windows(&written, &mut *ours);
    let none: Vec<ZoneWindow> = written.zone_windows(&Zones::open("commune").unwrap(), Select::of("nowhere")).unwrap();
    assert!(none.is_empty());
}

/// Code 1 and the error as the last line, without what is said of the run.
fn assert_failed(output: &Output, parts: &[&str]) {
    let told = support::said(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().last(), Some(support::error_in(output)), "{told}");
    support::assert_told(support::error_in(output), parts);
}

#[test]
fn what_cannot_be_is_said_on_one_line() {
    let Some(scene) = Scene::open() else { return };
    scene.publish(&[reading("a", 0, 4)]);
    let (url, kafka) = (scene.spark.url().to_owned(), scene.broker.handle().address().to_owned());
    let run = |url: &str, more: &[&str]| {
        let options = ["--engine", "spark", "--spark", url, "--brokers", &kafka, "--until-end"];
        support::run(&scene.folder, "part2_stream", &[&options, more].concat())
    };
    let of_topic = ["--topic", &scene.topic, "--checkpoint", "checkpoint", "--out", "windows"];
    let ran = run(&url, &of_topic);
    assert!(ran.status.success(), "{}", support::said(&ran.stderr));
    assert!(support::said(&ran.stdout).contains("no window yet"), "{}", support::said(&ran.stdout));

    let ended = run(&url, &["--topic", "velib-none", "--checkpoint", "none", "--out", "none"]);
    assert_failed(&ended, &["topic velib-none: there is no such topic on", "publish to it first"]);
    let ended = run(&url, &[&of_topic[..], &["--window", "1h"]].concat());
    assert_failed(
        &ended,
        &["checkpoint: the checkpoint belongs to another query: windows of 10m, not 1h; ", "another --checkpoint"],
    );
    let ended = run(&url, &[&of_topic[..4], &["--out", "other"]].concat());
    assert_failed(&ended, &["checkpoint belongs to another query: output to ", "windows, not ", "other; "]);
    let ended = run(&url, &[&of_topic[..2], &["--checkpoint", "new", "--out", "windows"]].concat());
    assert_failed(&ended, &["windows: holds the windows of another checkpoint", "another --out"]);
    // No folder can be made below a file.
    fs::write(scene.folder.path().join("file"), "").unwrap();
    let ended = run(&url, &[&of_topic[..2], &["--checkpoint", "file/checkpoint", "--out", "new"]].concat());
    assert_failed(&ended, &["file/checkpoint", "give a --checkpoint that it can write"]);
    let ended = run(&url, &[&of_topic[..2], &["--checkpoint", "new", "--out", "file/windows"]].concat());
    assert_failed(&ended, &["file/windows", "give an --out and a --checkpoint that it can write"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = format!("sc://127.0.0.1:{port}");
    assert_failed(&run(&away, &of_topic), &[&away, ": no Spark Connect server answers: "]);

    support::assert_misused(
        &run(&url, &of_topic[2..4]),
        &["--out: --engine spark needs it; give --out DIR or topic:NAME"],
    );
    support::assert_misused(&run(&url, &["--store", "sqlite:a"]), &["--store: that is not Spark's; leave it out"]);
    let topic = format!("topic:{}", scene.topic);
    support::assert_misused(
        &run(&url, &[&of_topic[..4], &["--out", &topic]].concat()),
        &["--out: the windows would go to the topic of the readings"],
    );
    let alone = support::run(&scene.folder, "part2_stream", &["--checkpoint", "a"]);
    support::assert_misused(&alone, &["--checkpoint: that is Spark's; add --engine spark"]);
}
