//! From a real Apache Kafka to the store and to the topic of results; its address is in `VELIB_KAFKA`, as for `tests/kafka.rs`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _};
use support::kafka::{broker, unique};
use velib::ingest::{SetAsideFile, Stop};
use velib::kafka::{Broker, Publisher, Retention, Sink as _, TopicSettings, ensure_topic};
use velib::streaming::{
    Changes, Progress, Select, Span, SqliteStore, StationWindow, Store, StreamSettings, StreamingStatistics, Windowing,
    consume,
};
use velib::{ErrorKind, Place, StationCode, StationStatus};

/// Thirty stations, polled each minute for two hours.
fn readings() -> Vec<StationStatus> {
    let start: DateTime<Utc> = "2022-05-12T10:00:00Z".parse().unwrap();
    let reading = |poll: i64, station: i64| {
        let (at, bikes) = (start + TimeDelta::minutes(poll), u32::try_from((station * 7 + poll) % 30).unwrap());
        StationStatus {
            is_installed: Some(true),
            is_returning: Some(true),
            capacity: Some(35),
            bikes_available: Some(bikes),
            mechanical: Some(bikes),
            docks_available: Some(35 - bikes),
            ..StationStatus::unknown(StationCode::new(&station.to_string()).unwrap(), at, at + TimeDelta::minutes(5))
        }
    };
    (0..120).flat_map(|poll| (0..30).map(move |station| reading(poll, station))).collect()
}

fn ten_minutes() -> Windowing {
    Windowing::tumbling(Duration::from_secs(600)).unwrap()
}

fn engine(path: &Path) -> StreamingStatistics {
    StreamingStatistics::new(ten_minutes(), Box::new(SqliteStore::open(path).unwrap())).unwrap()
}

/// A topic with these readings, and the settings to read it to its end in small transactions.
fn published(broker: &Broker, readings: &[StationStatus]) -> StreamSettings {
    let topic = unique();
    ensure_topic(broker, &TopicSettings::named(&topic)).unwrap();
    Publisher::new(broker.handle(), &topic).unwrap().publish(readings).unwrap();
    StreamSettings { group: topic.clone(), topic, until_end: true, transaction: 200, results: None, stop: Stop::new() }
}

/// What an engine makes of the readings without Kafka.
fn expected(readings: &[StationStatus]) -> Vec<StationWindow> {
    let mut engine = StreamingStatistics::new(ten_minutes(), Box::new(SqliteStore::in_memory().unwrap())).unwrap();
    for reading in readings {
        engine.update(reading).unwrap();
    }
    engine.flush().unwrap();
    engine.store().station_windows(Select::ALL).unwrap()
}

#[test]
fn a_topic_goes_to_the_store_and_each_change_to_the_topic_of_results() {
    let Some(broker) = broker() else { return };
    let (folder, readings) = (tempfile::tempdir().unwrap(), readings());
    let mut settings = published(&broker, &readings);
    let results = unique();
    let compacted = TopicSettings { retention: Retention::LastOfEachKey, ..TopicSettings::named(&results) };
    ensure_topic(&broker, &compacted).unwrap();
    settings.results = Some(results.clone());

    let path = folder.path().join("velib.sqlite");
    let mut aside = SetAsideFile::new(folder.path().join("aside.jsonl"));
    let mut transactions = 0;
    for life in 0..2 {
        let mut engine = engine(&path);
        consume(broker.handle(), &settings, &mut engine, &mut aside, &mut |_| transactions += 1).unwrap();
        assert_eq!(engine.totals().readings, if life == 0 { 3600 } else { 0 });
    }
    assert!(transactions > 3, "{transactions}");
    let kept = SqliteStore::open(&path).unwrap().station_windows(Select::ALL).unwrap();
    assert_eq!(kept, expected(&readings));

    let reader: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.handle().address())
        .set("group.id", unique())
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    reader.subscribe(&[&results]).unwrap();
    let (mut last, mut messages) = (BTreeMap::new(), 0);
    let mut quiet = 0;
    while quiet < 20 {
        let Some(message) = reader.poll(Duration::from_millis(500)) else {
            quiet += usize::from(messages > 0);
            continue;
        };
        let message = message.unwrap();
        let row: StationWindow = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let key = format!("{} {}", row.station_code, row.window.start.format("%FT%TZ"));
        assert_eq!(message.key().unwrap(), key.as_bytes());
        let before = last.insert((row.window, row.station_code.clone()), row.clone());
        // Never twice the same: each message is another state of its window.
        assert!(before.is_none_or(|before| before.statistics.readings < row.statistics.readings), "{key}");
        messages += 1;
        quiet = 0;
        if last.len() == kept.len() && last.values().zip(&kept).all(|(followed, kept)| followed == kept) {
            break;
        }
    }
    assert_eq!(last.into_values().collect::<Vec<_>>(), kept);
}

#[test]
fn whoever_is_overtaken_begins_again_from_what_was_written() {
    let Some(broker) = broker() else { return };
    let (folder, readings) = (tempfile::tempdir().unwrap(), readings());
    let settings = published(&broker, &readings);
    let path = folder.path().join("velib.sqlite");
    let mut aside = SetAsideFile::new(folder.path().join("aside.jsonl"));
    let mut engine = engine(&path);
    // Another process that believes the partitions its own moves all of them back to their beginning, in the midst of it.
    let mut transactions = 0;
    let mut other = SqliteStore::open(&path).unwrap();
    let topic = std::cell::OnceCell::new();
    consume(broker.handle(), &settings, &mut engine, &mut aside, &mut |_| {
        transactions += 1;
        if transactions == 3 {
            let full = topic.get_or_init(|| {
                let connection = rusqlite::Connection::open(&path).unwrap();
                connection.query_row("SELECT topic FROM positions", [], |row| row.get::<_, String>(0)).unwrap()
            });
            let moved =
                other.positions(full).unwrap().into_iter().map(|(one, at)| (one, Span { from: Some(at), to: 0 }));
            let progress = Progress { topic: full.clone(), partitions: moved.collect() };
            let windowing = ten_minutes();
            let changes = Changes { windowing, stations: &[], windows: &[], too_late: &[], progress: Some(&progress) };
            assert!(other.write(&changes).unwrap());
        }
    })
    .unwrap();
    let totals = engine.totals();
    assert!(transactions > 3 && totals.repeated > 0 && totals.readings == 3600, "{totals:?}");
    assert_eq!(other.station_windows(Select::ALL).unwrap(), expected(&readings));
    let ends: i64 = other.positions(topic.get().unwrap()).unwrap().values().sum();
    assert_eq!(ends, 3600);
}

#[test]
fn a_store_that_fails_ends_the_work_with_its_error() {
    let Some(broker) = broker() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = published(&broker, &readings());
    let path = folder.path().join("velib.sqlite");
    let mut aside = SetAsideFile::new(folder.path().join("aside.jsonl"));
    let break_it = "CREATE TRIGGER IF NOT EXISTS no BEFORE INSERT ON stations BEGIN SELECT RAISE(FAIL, 'no room'); END";
    for until_end in [true, false] {
        let settings = StreamSettings { until_end, group: unique(), ..settings.clone() };
        let mut engine = engine(&path);
        rusqlite::Connection::open(&path).unwrap().execute_batch(break_it).unwrap();
        let error = consume(broker.handle(), &settings, &mut engine, &mut aside, &mut |_| ()).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Store, Some(&Place::file(&path))), "{error}");
    }
}
