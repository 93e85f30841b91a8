//! Whether everything was read: one's own partitions, and those of the group's other members.
//!
//! Offsets alone do not tell the end: whoever publishes in transactions ends each with a mark that takes an offset and is no
//! message, and what a compacted topic dropped has left its offsets too. So where the offsets leave it open, the broker is asked
//! for the messages themselves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::Consumer;
use crate::error::{Place, Result};
use crate::kafka::broker::{ANSWER, BrokerHandle};
use crate::kafka::hearing::Hearing;

impl Consumer {
    /// Whether the group has acknowledged the topic to its end.
    pub(super) fn is_all_acknowledged(&self) -> Result<bool> {
        let mut all = TopicPartitionList::new();
        let partitions = self.broker.existing(self.client.client(), &self.topic)?;
        all.add_partition_range(&self.topic, 0, partitions - 1);
        let failed = |error| self.broker.failed("the group's offsets are unknown", &error);
        let committed = self.client.committed_offsets(all, ANSWER).map_err(failed)?;
        self.is_topic_read(&known_offsets(&committed))
    }

    /// Whether all partitions of the topic were read to their ends, those of other members up to `positions`. To have read
    /// one's own partitions is not enough: another member may be behind, or dead with the group not knowing it yet, and
    /// then its partitions come to those that are still here.
    pub fn is_topic_read(&self, positions: &BTreeMap<i32, i64>) -> Result<bool> {
        let assigned = self.client.context().assigned().clone().unwrap_or_default();
        for partition in 0..self.broker.existing(self.client.client(), &self.topic)? {
            if assigned.contains(&partition) && self.ended.contains(&partition) {
                continue;
            }
            let failed = |error| self.broker.failed("the end of the topic is unknown", &error);
            let (first, end) = self.client.fetch_watermarks(&self.topic, partition, ANSWER).map_err(failed)?;
            // What the topic keeps no more is not waited for.
            let position = positions.get(&partition).map_or(first, |&position| position.max(first));
            if position < end && is_any_left(&self.broker, &self.topic, partition, position)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether `partition` of `topic` holds a message at `from` or after.
fn is_any_left(broker: &BrokerHandle, topic: &str, partition: i32, from: i64) -> Result<bool> {
    let failed = |error: &KafkaError| broker.failed("the end of the topic is unknown", error);
    let mut config = broker.config();
    // The library wants a group's name even from a reader that joins none and commits nothing.
    config.set("group.id", "velib-remains").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("fetch.wait.max.ms", "100");
    let client: BaseConsumer<Hearing> =
        config.create_with_context(Hearing::default()).map_err(|error| failed(&error))?;
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(|error| failed(&error))?;
    client.assign(&start).map_err(|error| failed(&error))?;
    let deadline = Instant::now() + ANSWER;
    while Instant::now() < deadline {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            // What it cannot mend by itself it says again until the time is over.
            Some(Err(_)) | None => {}
        }
    }
    Err(broker.error("the broker does not say what is left to read").at(Place::Topic(topic.to_owned())))
}

/// Those of a group's offsets that are known, by partition.
pub(in crate::kafka) fn known_offsets(committed: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let known = committed.elements().into_iter().filter_map(|one| match one.offset() {
        Offset::Offset(offset) => Some((one.partition(), offset)),
        _ => None,
    });
    known.collect()
}
