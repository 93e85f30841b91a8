//! Collecting from a real Apache Kafka, whose address is in `VELIB_KAFKA`: `VELIB_KAFKA=$(.ci/kafka address) cargo test`.
//! Without it these tests say that they were skipped. What killing does is `.ci/collector.py`'s.

// Helpers outside the test functions fail a test by a panic as well.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use support::kafka::{broker, unique};
use velib::batch::{CollectSettings, Collected, Notice, Target, collect, data_files};
use velib::ingest::{Recording, Stop};
use velib::kafka::{Broker, BrokerHandle, Publisher, Sink as _, TopicSettings, ensure_topic};
use velib::{Error, ErrorKind, Result, StationCode, StationStatus};

/// A topic that no other test and no other run has.
fn topic(broker: &Broker) -> String {
    let name = unique();
    ensure_topic(broker, &TopicSettings::named(&name)).unwrap();
    name
}

/// One reading a station and poll, an hour apart from `from` on.
fn readings(stations: usize, polls: std::ops::Range<i32>) -> Vec<StationStatus> {
    let start: DateTime<Utc> = "2022-05-12T10:00:00.250Z".parse().unwrap();
    let reading = |station: usize, poll: i32| {
        let at = start + TimeDelta::hours(1) * poll;
        let code = StationCode::new(&format!("{station}_relais")).unwrap();
        StationStatus { capacity: Some(35), ..StationStatus::unknown(code, at, at + TimeDelta::minutes(1)) }
    };
    polls.flat_map(|poll| (0..stations).map(move |station| reading(station, poll))).collect()
}

fn publish(broker: &Broker, topic: &str, readings: &[StationStatus]) {
    Publisher::new(broker.handle(), topic).unwrap().publish(readings).unwrap();
}

fn settings(topic: &str, target: &Path) -> CollectSettings {
    let target = Target::of(target, None).unwrap();
    CollectSettings { topic: topic.into(), group: None, target, until_end: true, stop: Stop::new(), lag: None }
}

fn collected(broker: &BrokerHandle, topic: &str, target: &Path) -> Result<Collected> {
    collect(broker, &settings(topic, target), &mut |_| ())
}

/// What stands in a file or a folder, by key.
fn held(target: &Path) -> Vec<StationStatus> {
    by_key(Recording::read(&data_files(&[target]).unwrap()).unwrap().into_readings())
}

fn by_key(mut readings: Vec<StationStatus>) -> Vec<StationStatus> {
    readings.sort_by(|a, b| a.key().cmp(&b.key()));
    readings
}

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", broker.handle().address()).create().unwrap()
}

#[test]
fn each_run_goes_on_where_the_last_one_ended() {
    let Some(broker) = broker() else { return };
    let (topic, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib.csv");
    publish(&broker, &topic, &readings(50, 0..20));
    let first = collected(broker.handle(), &topic, &out).unwrap();
    assert_eq!((first.found.readings, first.written, first.repeated), (0, 1_000, 0));
    publish(&broker, &topic, &readings(50, 10..30));
    let second = collected(broker.handle(), &topic, &out).unwrap();
    assert_eq!((second.found.readings, second.written, second.repeated), (1_000, 500, 500));
    let third = collected(broker.handle(), &topic, &out).unwrap();
    assert_eq!((third.found.readings, third.written, third.repeated), (1_500, 0, 0));
    assert!(held(&out) == by_key(readings(50, 0..30)));

    // Without its bookmark the file is read whole, and the topic from its beginning.
    fs::remove_file(folder.path().join("velib.csv.offsets")).unwrap();
    let fourth = collected(broker.handle(), &topic, &out).unwrap();
    assert_eq!((fourth.found.readings, fourth.written, fourth.repeated), (1_500, 0, 2_000));
    assert!(held(&out) == by_key(readings(50, 0..30)));
}

#[test]
fn a_folder_holds_a_file_a_day_and_partition_and_is_shared() {
    let Some(broker) = broker() else { return };
    let (topic, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib/");
    publish(&broker, &topic, &readings(50, 0..30));
    // Two who share one group, begun and ended side by side.
    let handle = broker.handle().clone();
    let run = || collected(&handle, &topic, &out).unwrap();
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(run), scope.spawn(run));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one.written + other.written, 1_500);
    assert!(held(&out) == by_key(readings(50, 0..30)));
    let files = data_files(&[&out]).unwrap();
    for (day, polls) in [("2022-05-12", 0..14), ("2022-05-13", 14..30)] {
        let of_day: Vec<_> = (0..4).map(|partition| out.join(format!("part-{partition}-{day}.csv"))).collect();
        assert!(of_day.iter().all(|file| files.contains(file)), "{files:?}");
        assert!(by_key(Recording::read(&of_day).unwrap().into_readings()) == by_key(readings(50, polls)));
    }
    assert_eq!(files.len(), 8);
    publish(&broker, &topic, &readings(50, 29..31));
    assert_eq!(collected(broker.handle(), &topic, &out).unwrap().written, 50);
}

#[test]
fn it_stops_when_it_is_told_to_with_all_that_it_has_read_kept() {
    let Some(broker) = broker() else { return };
    let (topic, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib.csv");
    publish(&broker, &topic, &readings(50, 0..20));
    let mut notices = vec![];
    let settings = CollectSettings { until_end: false, ..settings(&topic, &out) };
    let collected = collect(broker.handle(), &settings, &mut |notice| {
        if let Notice::Written(collected) = &notice
            && collected.written == 1_000
        {
            settings.stop.request();
        }
        notices.push(notice);
    });
    assert_eq!(collected.unwrap().written, 1_000);
    assert!(notices.iter().all(|notice| matches!(notice, Notice::Written(_))), "{notices:?}");
    assert!(held(&out) == by_key(readings(50, 0..20)));
}

#[test]
fn a_message_that_is_no_reading_is_kept_aside_and_passed() {
    let Some(broker) = broker() else { return };
    let (topic, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib.csv");
    publish(&broker, &topic, &readings(3, 0..1));
    let raw: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker.handle().address()).create().unwrap();
    raw.send(BaseRecord::<str, str>::to(&topic).key("16107").payload("<html>")).unwrap();
    raw.flush(std::time::Duration::from_secs(10)).unwrap();
    let first = collected(broker.handle(), &topic, &out).unwrap();
    assert_eq!((first.written, first.set_aside), (3, 1));
    let aside = fs::read_to_string(folder.path().join("velib.set-aside.jsonl")).unwrap();
    assert!(aside.contains("<html>") && aside.lines().count() == 1, "{aside}");
    assert_eq!(collected(broker.handle(), &topic, &out).unwrap().set_aside, 0);
}

#[test]
fn what_the_topic_has_deleted_before_it_was_read_is_counted_and_told() {
    let Some(broker) = broker() else { return };
    let (topic, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib.csv");
    publish(&broker, &topic, &readings(40, 0..5));
    assert_eq!(collected(broker.handle(), &topic, &out).unwrap().written, 200);
    publish(&broker, &topic, &readings(40, 5..10));
    let ends = delete_records(&broker, &topic);
    publish(&broker, &topic, &readings(40, 10..12));

    let mut told = BTreeMap::new();
    let collected = collect(broker.handle(), &settings(&topic, &out), &mut |notice| {
        if let Notice::Deleted { partition, messages } = notice {
            told.insert(partition, messages);
        }
    });
    let collected = collected.unwrap();
    assert_eq!((collected.written, collected.deleted), (80, 200));
    assert_eq!((told.values().sum::<i64>(), told.len()), (200, ends));
    assert!(held(&out) == by_key([readings(40, 0..5), readings(40, 10..12)].concat()));
}

/// Deletes all that the topic holds, as a short retention would; of how many partitions.
fn delete_records(broker: &Broker, topic: &str) -> usize {
    let mut all = rdkafka::TopicPartitionList::new();
    (0..4).for_each(|partition| {
        all.add_partition_offset(topic, partition, rdkafka::Offset::End).unwrap();
    });
    block_on(admin(broker).delete_records(&all, &AdminOptions::new())).unwrap().count()
}

#[test]
fn a_topic_that_was_made_anew_and_another_topic_are_errors_with_a_way_out() {
    let Some(broker) = broker() else { return };
    let (topic_name, folder) = (topic(&broker), tempfile::tempdir().unwrap());
    let out = folder.path().join("velib.csv");
    publish(&broker, &topic_name, &readings(40, 0..5));
    collected(broker.handle(), &topic_name, &out).unwrap();
    let whole = fs::read(&out).unwrap();

    let other = topic(&broker);
    let error = collected(broker.handle(), &other, &out).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let told = format!("velib.csv.offsets: it was collected from {}", "");
    assert!(error.to_string().contains(&told) && error.to_string().contains("; collect to another file"), "{error}");

    let deleted = block_on(admin(&broker).delete_topics(&[&topic_name], &AdminOptions::new())).unwrap();
    assert!(deleted.iter().all(std::result::Result::is_ok));
    let made = std::iter::repeat_with(|| ensure_topic(&broker, &TopicSettings::named(&topic_name)));
    made.take(100).find(|report| report.as_ref().is_ok_and(|report| report.created)).unwrap().unwrap();
    publish(&broker, &topic_name, &readings(40, 0..1));
    let error: Error = collected(broker.handle(), &topic_name, &out).unwrap_err();
    assert!(error.to_string().contains("The topic was deleted and made again; collect to another file, or"), "{error}");
    assert_eq!(fs::read(&out).unwrap(), whole);
}
