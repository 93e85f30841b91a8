//! On the embedded broker, and where a time begins on the real one whose address is in `VELIB_KAFKA`.

use super::*;
use crate::kafka::{Broker, Publisher, Sink as _, TopicSettings, ensure_topic};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::Duration;

fn reading(second: i64) -> StationStatus {
    let at = DateTime::from_timestamp_millis(1_652_350_000_000 + second * 1_000).unwrap();
    StationStatus::unknown(StationCode::new(&(second % 9).to_string()).unwrap(), at, at + TimeDelta::minutes(1))
}

#[test]
fn a_topic_that_is_not_there_or_is_empty_holds_nothing() {
    let broker = Broker::embedded().unwrap();
    let recent = || TopicMemory::recent(broker.handle(), "velib").unwrap();
    assert!(recent().is_empty() && recent().ends().is_empty());
    ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
    assert!(recent().is_empty() && TopicMemory::whole(broker.handle(), "velib").unwrap().is_empty());
    assert_eq!((recent().last_arrival(), recent().ends().len()), (None, 4));
    assert_eq!(recent().published(&[reading(0)]), Ok(vec![false]));
}

#[test]
fn what_was_published_is_seen_and_nothing_else() {
    let broker = Broker::embedded().unwrap();
    ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
    let readings: Vec<_> = (0..500).map(reading).collect();
    Publisher::new(broker.handle(), "velib").unwrap().publish(&readings).unwrap();
    let foreign: BaseProducer = broker.handle().config().create().unwrap();
    foreign.send(BaseRecord::<[u8], str>::to("velib").key(&[0xff, 0xfe]).payload("not ours")).unwrap();
    foreign.send(BaseRecord::<str, str>::to("velib").payload("nor this")).unwrap();
    foreign.flush(Duration::from_secs(5)).unwrap();

    let mut seen = TopicMemory::recent(broker.handle(), "velib").unwrap();
    assert_eq!((seen.len(), seen.ends().values().sum::<i64>()), (500, 502));
    assert_eq!(seen.last_arrival(), Some(reading(499).fetched_at));
    assert_eq!(seen.published(&readings), Ok(vec![true; 500]));
    assert_eq!(seen.published(&[reading(500), reading(3)]), Ok(vec![false, true]));
    assert_eq!(Memory::stations(&seen).len(), 9);
}

/// A topic of the real Kafka that no other run has, or `None` with a word to whoever runs the tests.
fn real_topic() -> Option<(Broker, String)> {
    let Ok(address) = std::env::var("VELIB_KAFKA") else {
        std::io::Write::write_all(&mut std::io::stderr(), b"skipped: VELIB_KAFKA is not set\n").unwrap();
        return None;
    };
    let (broker, now) = (Broker::connect(&address).unwrap(), Utc::now().timestamp_micros());
    let name = format!("velib-seen-{}-{now}", std::process::id());
    ensure_topic(&broker, &TopicSettings::named(&name)).unwrap();
    Some((broker, name))
}

fn of(station: &str, minutes: i64) -> StationStatus {
    let at = DateTime::from_timestamp(1_652_350_000 + minutes * 60, 0).unwrap();
    StationStatus::unknown(StationCode::new(station).unwrap(), at, at + TimeDelta::minutes(1))
}

#[test]
fn a_topic_of_days_is_remembered_from_its_last_day_and_looked_up_before_that() {
    let Some((broker, name)) = real_topic() else { return };
    let day = 24 * 60;
    let stations: Vec<String> = (0..20).map(|station| format!("{station}")).collect();
    let mut sent = vec![of("silent from the first", -100_000)];
    for minutes in (0..5 * day).step_by(10) {
        sent.extend(stations.iter().map(|station| of(station, minutes)));
        // One goes silent on the third day, and two report late.
        sent.extend((minutes < 2 * day).then(|| of("gone", minutes)));
        sent.extend((minutes == 4 * day).then(|| of("late", 10)));
        sent.extend((minutes == 4 * day + 600).then(|| of("very late", -5 * day)));
    }
    Publisher::new(broker.handle(), &name).unwrap().publish(&sent).unwrap();

    let mut memory = TopicMemory::open(broker.handle(), &name, Some(1_000)).unwrap();
    // 20 stations every ten minutes, the two that came late, and a little more: it is the middle of the last messages that counts.
    assert!((2_850..3_200).contains(&memory.len()), "{} of {}", memory.len(), sent.len());
    assert_eq!(memory.last_arrival(), Some(of("5", 5 * day - 10).fetched_at));
    let unknown = [
        of("new", -200_000),
        of("new", 3 * day),
        of("gone", 2 * day),
        of("5", 5),
        of("5", 5 * day),
        of("5", 4 * day + 5),
    ];
    let asked: Vec<_> = sent.iter().step_by(97).chain([&sent[0]]).chain(&unknown).cloned().collect();
    let told = memory.published(&asked).unwrap();
    assert!(told[..asked.len() - unknown.len()].iter().all(|&told| told), "something of the topic is taken for new");
    assert_eq!(told[asked.len() - unknown.len()..], [false; 6]);
    let late = [of("late", 10), of("very late", -5 * day), of("gone", 2 * day - 10)];
    assert_eq!(memory.published(&late), Ok(vec![true; 3]));
}

#[test]
fn a_clock_that_runs_ahead_costs_time_and_no_reading() {
    let Some((broker, name)) = real_topic() else { return };
    let sent: Vec<_> =
        [of("ahead", 10_000_000)].into_iter().chain((0..3_000).map(|minutes| of("5", minutes))).collect();
    Publisher::new(broker.handle(), &name).unwrap().publish(&sent).unwrap();
    let mut memory = TopicMemory::open(broker.handle(), &name, Some(100)).unwrap();
    assert_eq!(memory.published(&sent), Ok(vec![true; 3_001]));
    assert_eq!(memory.published(&[of("ahead", 9_999_999), of("5", 3_001)]), Ok(vec![false; 2]));
}

#[test]
fn what_a_bounded_memory_has_forgotten_is_found_in_the_topic() {
    let Some((broker, name)) = real_topic() else { return };
    let sent: Vec<_> = (0..12_000).map(|minutes| of("5", minutes)).collect();
    Publisher::new(broker.handle(), &name).unwrap().publish(&sent).unwrap();
    let mut memory = TopicMemory::recent(broker.handle(), &name).unwrap();
    assert_eq!(memory.len(), crate::ingest::REMEMBERED_PER_STATION);
    let asked = [sent[0].clone(), sent[1_000].clone(), of("5", -1), sent[11_999].clone(), of("5", 12_000)];
    assert_eq!(memory.published(&asked), Ok(vec![true, true, false, true, false]));
}
