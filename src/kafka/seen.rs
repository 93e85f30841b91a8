//! What a topic holds already, so that a publisher that starts again publishes nothing twice.
//!
//! A message's key and timestamp are the station and its event time: exactly what a reading is known by. So the topic is
//! its own record of what was published; no value is read, and no second file can disagree with it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::DateTime;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::broker::{ANSWER, BrokerHandle};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::Dedupe;
use crate::station::StationCode;

/// How long the broker may send nothing before the reading is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// The memory of all readings that `topic` holds now; empty if there is no such topic. Messages that are not of ours (no
/// station code for a key, or no time) are passed over.
pub fn seen_in_topic(broker: &BrokerHandle, topic: &str) -> Result<Dedupe> {
    let mut seen = Dedupe::unbounded();
    let mut config = broker.config();
    // The library wants a group's name even from a reader that joins none and commits nothing.
    config.set("group.id", "velib-seen").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    let client: BaseConsumer = config.create().map_err(|error| broker.failed("no client to read with", &error))?;
    let Some(partitions) = broker.partitions(client.client(), topic)? else { return Ok(seen) };
    let failed = |error: &KafkaError| {
        Error::new(ErrorKind::Kafka, format!("what it holds could not be read: {error}"))
            .at(Place::Topic(topic.to_owned()))
    };

    let (mut start, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
    for partition in 0..partitions {
        let (low, high) = client.fetch_watermarks(topic, partition, ANSWER).map_err(|error| failed(&error))?;
        if low < high {
            start.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(|error| failed(&error))?;
            ends.insert(partition, high);
        }
    }
    client.assign(&start).map_err(|error| failed(&error))?;

    let mut heard = Instant::now();
    while !ends.is_empty() {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                remember(&mut seen, &message);
                if ends.get(&message.partition()).is_some_and(|&end| message.offset() + 1 >= end) {
                    ends.remove(&message.partition());
                }
            }
            // The last offsets of a partition may hold no message: they were marks of a transaction, or compacted away.
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.remove(&partition)),
            Some(Err(error)) if heard.elapsed() >= SILENCE => return Err(failed(&error)),
            None if heard.elapsed() >= SILENCE => {
                return Err(failed(&KafkaError::NoMessageReceived));
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(seen)
}

fn remember(seen: &mut Dedupe, message: &BorrowedMessage<'_>) {
    let code = message.key().and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| StationCode::new(key).ok());
    let time = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
    if let (Some(code), Some(time)) = (code, time) {
        seen.insert(&code, time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Broker, Publisher, Sink as _, TopicSettings, ensure_topic};
    use crate::station::StationStatus;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    #[test]
    fn a_topic_that_is_not_there_or_is_empty_holds_nothing() {
        let broker = Broker::embedded().unwrap();
        assert!(seen_in_topic(broker.handle(), "velib").unwrap().is_empty());
        ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
        assert!(seen_in_topic(broker.handle(), "velib").unwrap().is_empty());
    }

    #[test]
    fn what_was_published_is_seen_and_nothing_else() {
        let broker = Broker::embedded().unwrap();
        ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
        let reading = |second: i64| {
            let at = DateTime::from_timestamp_millis(1_652_350_000_000 + second * 1_000).unwrap();
            StationStatus::unknown(StationCode::new(&(second % 9).to_string()).unwrap(), at, at)
        };
        let readings: Vec<_> = (0..500).map(reading).collect();
        Publisher::new(broker.handle(), "velib").unwrap().publish(&readings).unwrap();
        let foreign: BaseProducer = broker.handle().config().create().unwrap();
        foreign.send(BaseRecord::<[u8], str>::to("velib").key(&[0xff, 0xfe]).payload("not ours")).unwrap();
        foreign.send(BaseRecord::<str, str>::to("velib").payload("nor this")).unwrap();
        foreign.flush(Duration::from_secs(5)).unwrap();

        let seen = seen_in_topic(broker.handle(), "velib").unwrap();
        assert_eq!(seen.len(), 500);
        assert!(readings.iter().all(|reading| seen.contains(reading)) && !seen.contains(&reading(500)));
    }
}
