//! Whether anything to read is left in a partition that another member owns.
//!
//! Offsets alone do not tell: whoever publishes in transactions ends each with a mark that takes an offset and is no message,
//! and what a compacted topic dropped has left its offsets too. So the broker is asked for the messages themselves.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::error::{Place, Result};
use crate::kafka::broker::{ANSWER, BrokerHandle};
use crate::kafka::hearing::Hearing;

/// Whether `partition` of `topic` holds a message at `from` or after.
pub(super) fn is_any_left(broker: &BrokerHandle, topic: &str, partition: i32, from: i64) -> Result<bool> {
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
