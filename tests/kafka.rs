//! The round trip on a real Apache Kafka, whose address is in `VELIB_KAFKA`: `VELIB_KAFKA=$(.ci/kafka address) cargo test`.
//! Without it these tests say that they were skipped.

// Helpers outside the test functions fail a test by a panic as well.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use support::kafka::{broker, unique};
use velib::error::Place;
use velib::ingest::{Clock, Dedupe, SetAside, Snapshot, Source, VirtualClock};
use velib::kafka::{
    Batch, Broker, Consumer, DeadLetters, Memory, PublishSettings, Publisher, Retention, Sink as _, TopicMemory,
    TopicSettings, dead_letter_topic, ensure_topic, publish, reprocess,
};
use velib::{ErrorKind, Result, StationCode, StationStatus};

const MINUTE: Duration = Duration::from_secs(60);

/// A topic that no other test and no other run has.
fn topic(retention: Retention) -> TopicSettings {
    TopicSettings { retention, ..TopicSettings::named(unique()) }
}

/// One reading a station and poll, as of May 2022.
fn readings(stations: usize, polls: i64) -> Vec<StationStatus> {
    let reading = |station: usize, poll: i64| {
        let at: DateTime<Utc> = "2022-05-12T10:00:00.250Z".parse().unwrap();
        let at = at + TimeDelta::minutes(poll);
        let bikes = u32::try_from((station * 7 + poll as usize) % 30).unwrap();
        StationStatus {
            name: Some("Benjamin Godard - Victor Hugo".into()),
            capacity: Some(35),
            bikes_available: Some(bikes),
            docks_available: Some(35 - bikes),
            lat: Some(48.865_983),
            ..StationStatus::unknown(
                StationCode::new(&format!("{station}_relais")).unwrap(),
                at,
                at + TimeDelta::hours(1),
            )
        }
    };
    (0..polls).flat_map(|poll| (0..stations).map(move |station| reading(station, poll))).collect()
}

fn read_to_end(consumer: &mut Consumer, max: usize, done: &mut dyn FnMut(&mut Consumer, Batch)) -> Vec<StationStatus> {
    let mut all = Vec::new();
    loop {
        let mut batch = consumer.next_batch(max, MINUTE).unwrap();
        assert!(batch.set_aside.is_empty());
        all.append(&mut batch.readings);
        let at_end = batch.at_end;
        done(consumer, batch);
        if at_end {
            return all;
        }
    }
}

fn acknowledge(consumer: &mut Consumer, batch: Batch) {
    consumer.acknowledge(batch).unwrap();
}

fn by_key(mut readings: Vec<StationStatus>) -> Vec<StationStatus> {
    readings.sort_by(|a, b| a.key().cmp(&b.key()));
    readings
}

#[test]
fn what_is_published_comes_back_the_same_keyed_by_station_and_at_its_event_time() {
    let Some(broker) = broker() else { return };
    let settings = topic(Retention::Forever);
    ensure_topic(&broker, &settings).unwrap();
    let sent = readings(300, 20);
    let mut publisher = Publisher::new(broker.handle(), &settings.name).unwrap();
    assert_eq!(publisher.publish(&sent).unwrap(), 6_000);

    let mut consumer = Consumer::new(broker.handle(), &settings.name, &settings.name).unwrap();
    let back = read_to_end(&mut consumer, 1_000, &mut acknowledge);
    assert!(by_key(back) == by_key(sent.clone()));

    let raw: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.handle().address())
        .set("group.id", "raw")
        .create()
        .unwrap();
    let mut everything = TopicPartitionList::new();
    for partition in 0..4 {
        everything.add_partition_offset(&settings.name, partition, Offset::Beginning).unwrap();
    }
    raw.assign(&everything).unwrap();
    let mut keys = HashSet::new();
    let mut partitions = HashSet::new();
    while keys.len() < sent.len() {
        let message = raw.poll(MINUTE).expect("the broker has more").unwrap();
        let station = std::str::from_utf8(message.key().unwrap()).unwrap().to_owned();
        partitions.insert(message.partition());
        assert!(keys.insert((station, message.timestamp().to_millis().unwrap())));
    }
    let expected = sent.iter().map(|one| (one.station_code.to_string(), one.last_reported.timestamp_millis()));
    assert!(keys == expected.collect() && partitions.len() == 4);
}

#[test]
fn a_topic_is_created_with_its_partitions_and_an_explicit_retention() {
    let Some(broker) = broker() else { return };
    for retention in [Retention::Forever, Retention::For(MINUTE)] {
        let settings = TopicSettings { partitions: 3, ..topic(retention) };
        let made = ensure_topic(&broker, &settings).unwrap();
        assert_eq!((made.created, made.partitions, made.retention), (true, 3, Some(retention)));
        let found = ensure_topic(&broker, &TopicSettings { partitions: 9, retention: Retention::Forever, ..settings });
        let found = found.unwrap();
        assert_eq!((found.created, found.partitions, found.retention), (false, 3, Some(retention)));
    }
}

#[test]
fn a_topic_whose_retention_would_eat_history_is_warned_of() {
    let Some(broker) = broker() else { return };
    let settings = topic(Retention::For(MINUTE * 60 * 24 * 7));
    ensure_topic(&broker, &settings).unwrap();
    let found = ensure_topic(&broker, &topic(Retention::Forever)).unwrap();
    assert_eq!(found.warning(readings(1, 1)[0].last_reported, Utc::now()), None);
    let found = ensure_topic(&broker, &settings).unwrap();
    let warning = found.warning(readings(1, 1)[0].last_reported, Utc::now()).unwrap();
    let setting = format!("topic {} has retention.ms=604800000 (7 days)", settings.name);
    assert!(warning.starts_with(&setting) && warning.contains(broker.handle().address()), "{warning}");
    assert_eq!(found.warning(Utc::now() - TimeDelta::days(6), Utc::now()), None);
}

#[test]
fn what_is_not_acknowledged_comes_again_for_its_group_and_what_is_does_not() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    let sent = readings(50, 10);
    Publisher::new(broker.handle(), &name).unwrap().publish(&sent).unwrap();

    let mut first = Consumer::new(broker.handle(), &name, &name).unwrap();
    let batch = first.next_batch(120, MINUTE).unwrap();
    let mut all = batch.readings.clone();
    assert!((1..=120).contains(&all.len()));
    first.acknowledge(batch).unwrap();
    let forgotten = first.next_batch(120, MINUTE).unwrap();
    assert!(!forgotten.readings.is_empty());
    drop(first);

    let mut second = Consumer::new(broker.handle(), &name, &name).unwrap();
    all.extend(read_to_end(&mut second, 120, &mut acknowledge));
    assert!(by_key(all) == by_key(sent), "acknowledged once, and the rest once more");
    drop(second);
    let mut third = Consumer::new(broker.handle(), &name, &name).unwrap();
    assert!(read_to_end(&mut third, 120, &mut acknowledge).is_empty());
}

#[test]
fn two_members_of_a_group_share_the_partitions_and_nothing_acknowledged_comes_twice() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    let mut publisher = Publisher::new(broker.handle(), &name).unwrap();
    let mut members = [0, 1].map(|_| Consumer::new(broker.handle(), &name, &name).unwrap());
    let mut shares = [Vec::new(), Vec::new()];
    let mut sent = Vec::new();
    // The second joins some polls after the first, and the partitions are shared out anew.
    for poll in 1..=200 {
        let latest = readings(200, poll).split_off(200 * (poll as usize - 1));
        publisher.publish(&latest).unwrap();
        sent.extend(latest);
        while shares.iter().map(Vec::len).sum::<usize>() < sent.len() {
            for (member, share) in members.iter_mut().zip(&mut shares) {
                let mut batch = member.next_batch(100, Duration::from_millis(100)).unwrap();
                let mut readings = std::mem::take(&mut batch.readings);
                // Refused while the group is shared out anew: these come again, to whoever has them now.
                if member.acknowledge(batch).is_ok() {
                    share.append(&mut readings);
                }
            }
        }
        if shares.iter().all(|share| !share.is_empty()) && poll > 5 {
            break;
        }
    }
    assert!(shares.iter().all(|share| !share.is_empty()), "one member got everything");
    assert!(by_key(shares.concat()) == by_key(sent));
}

#[test]
fn the_marks_that_end_transactions_are_nothing_left_to_read() {
    let Some(broker) = broker() else { return };
    let settings = TopicSettings { partitions: 1, ..topic(Retention::Forever) };
    ensure_topic(&broker, &settings).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.handle().address())
        .set("transactional.id", &settings.name)
        .create()
        .unwrap();
    producer.init_transactions(MINUTE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::to(&settings.name).key("1").payload("one")).map_err(|(error, _)| error).unwrap();
    producer.commit_transaction(MINUTE).unwrap();

    // Of a member that has no partition: it goes by what the group has read. The topic ends at offset 2.
    let member = Consumer::new(broker.handle(), &settings.name, &settings.name).unwrap();
    let is_read = |position: i64| member.is_topic_read(&BTreeMap::from([(0, position)])).unwrap();
    // The broker writes the mark after it has acknowledged the commit, and only then the topic ends behind it.
    let until = Instant::now() + MINUTE;
    while is_read(0) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!([0, 1, 2].map(is_read), [false, true, true]);
    assert!(!member.is_topic_read(&BTreeMap::new()).unwrap());
}

/// Shows the first `polls` polls of the readings above, three at a time repeated.
struct Replay {
    polls: i64,
    made: i64,
}

impl Source for Replay {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        self.made += 1;
        let shown = readings(20, (self.made + 2) / 3);
        let readings = shown[shown.len() - 20..].to_vec();
        let snapshot = Snapshot { fetched_at: Utc::now(), readings, counted: Some(20), set_aside: vec![] };
        Ok((self.made <= self.polls).then_some(snapshot))
    }

    fn describe(&self) -> String {
        "a replay".to_owned()
    }
}

#[test]
fn a_publisher_that_starts_again_publishes_nothing_twice() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    assert!(TopicMemory::recent(broker.handle(), &name).unwrap().is_empty(), "a missing topic holds nothing");
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    let clock = VirtualClock::new(Utc::now());
    let run = |polls: i64, memory: &mut dyn Memory| {
        let mut publisher = Publisher::new(broker.handle(), &name).unwrap();
        let (mut source, settings) = (Replay { polls, made: 0 }, PublishSettings::default());
        publish(&mut source, &mut publisher, memory, &clock as &dyn Clock, &settings, &mut |_| ()).unwrap()
    };
    let first = run(6, &mut Dedupe::new());
    assert_eq!((first.received, first.published, first.repeated), (120, 40, 80));
    let mut seen = TopicMemory::recent(broker.handle(), &name).unwrap();
    assert_eq!(seen.len(), 40);
    let second = run(9, &mut seen);
    assert_eq!((second.received, second.published, second.repeated), (180, 20, 160));

    let mut consumer = Consumer::new(broker.handle(), &name, &name).unwrap();
    assert!(by_key(read_to_end(&mut consumer, 1_000, &mut acknowledge)) == by_key(readings(20, 3)));
}

#[test]
fn a_source_is_fed_to_a_real_kafka_as_to_the_embedded_broker() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    let settings = PublishSettings { every: Duration::ZERO, ..PublishSettings::default() };
    let source = Box::new(Replay { polls: 9, made: 0 });
    let totals = broker.feed_with(&TopicSettings::named(&name), source, settings, |_| ()).unwrap().join().unwrap();
    assert_eq!((totals.polls, totals.published), (9, 60));
    let mut consumer = Consumer::new(broker.handle(), &name, &name).unwrap();
    assert_eq!(read_to_end(&mut consumer, 1_000, &mut acknowledge).len(), 60);
}

/// Shows two stations and a record that it cannot read, three times.
struct Spoilt {
    made: i64,
    raw: String,
}

impl Source for Spoilt {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        self.made += 1;
        let place = Place::Url("http://h/records".into());
        let aside = SetAside { place, reason: "it was not known how".into(), raw: self.raw.clone() };
        let set_aside = vec![aside.clone(), SetAside { raw: "<html>".into(), ..aside }];
        let readings = readings(2, self.made).split_off(2 * (self.made as usize - 1));
        let snapshot = Snapshot { fetched_at: Utc::now(), readings, counted: Some(4), set_aside };
        Ok((self.made <= 3).then_some(snapshot))
    }

    fn describe(&self) -> String {
        "a source that spoils a record".to_owned()
    }
}

#[test]
fn what_cannot_be_read_is_written_once_and_published_once_when_it_can_be_read() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    let clock = VirtualClock::new(Utc::now());
    let run = || {
        let mut memory = TopicMemory::recent(broker.handle(), &name).unwrap();
        let letters = DeadLetters::open(&broker, &name).unwrap();
        let mut publisher = Publisher::new(broker.handle(), &name).unwrap().after(&memory).with_dead_letters(letters);
        let raw = r#"{"stationcode": "16107", "duedate": "2022-05-12T09:18:14+00:00", "numdocksavailable": 7}"#;
        let (mut source, settings) = (Spoilt { made: 0, raw: raw.into() }, PublishSettings::default());
        publish(&mut source, &mut publisher, &mut memory, &clock as &dyn Clock, &settings, &mut |_| ()).unwrap()
    };
    let first = run();
    assert_eq!((first.published, first.set_aside, first.dead_letters, first.is_complete()), (6, 6, 2, false));
    let again = run();
    assert_eq!((again.published, again.set_aside, again.dead_letters), (0, 6, 0), "a restart writes them again");

    let tried = || {
        let mut memory = TopicMemory::recent(broker.handle(), &name).unwrap();
        let mut publisher = Publisher::new(broker.handle(), &name).unwrap();
        reprocess(broker.handle(), &name, &mut publisher, &mut memory).unwrap()
    };
    let done = tried();
    assert_eq!((done.tried, done.published, done.repeated, done.unreadable), (2, 1, 0, 1));
    assert_eq!(tried().tried, 0, "each is tried once");
    let mut consumer = Consumer::new(broker.handle(), &name, &name).unwrap();
    let all = read_to_end(&mut consumer, 1_000, &mut acknowledge);
    assert_eq!((all.len(), all.iter().filter(|one| one.docks_available == Some(7)).count()), (7, 1));
    let letters = dead_letter_topic(&name);
    let mut letters = Consumer::new(broker.handle(), &letters, &letters).unwrap();
    assert_eq!(letters.next_batch(10, MINUTE).unwrap().set_aside.len(), 2, "they stay in their topic");
}

#[test]
fn a_publisher_notices_another_that_publishes_to_its_topic() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    let memory = TopicMemory::recent(broker.handle(), &name).unwrap();
    let mut one = Publisher::new(broker.handle(), &name).unwrap().after(&memory);
    one.publish(&readings(50, 2)).unwrap();
    assert_eq!(one.foreign(), 0);
    Publisher::new(broker.handle(), &name).unwrap().publish(&readings(50, 1)).unwrap();
    one.publish(&readings(50, 1)).unwrap();
    assert_eq!((one.foreign(), one.foreign()), (50, 0));
}

#[test]
fn a_topic_that_is_not_there_is_an_error_that_names_it() {
    let Some(broker) = broker() else { return };
    let name = topic(Retention::Forever).name;
    let error = Consumer::new(broker.handle(), &name, "velib-test").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Kafka);
    assert!(error.to_string().starts_with(&format!("topic {name}: there is no such topic on Kafka at")), "{error}");
}

#[test]
fn a_broker_that_is_away_is_said_with_its_address_and_the_way_out() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Broker::connect(&format!("127.0.0.1:{port}")).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Kafka, 1));
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")) && error.to_string().contains(".ci/kafka start"));
}
