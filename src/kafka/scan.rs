//! A topic read from offset to offset, by nobody's group: what it holds, or whether it holds anything there.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::broker::{ANSWER, BrokerHandle};
use super::hearing::Hearing;
use crate::error::{Error, ErrorKind, Place, Result};

/// How long the broker may send nothing before the reading is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// A topic read from offset to offset.
pub(super) struct Scan {
    client: BaseConsumer<Hearing>,
    name: String,
}

impl Scan {
    pub(super) fn new(broker: &BrokerHandle, name: &str) -> Result<Self> {
        let mut config = broker.config();
        config
            // The library wants a group's name even from a reader that joins none and commits nothing.
            .set("group.id", "velib-scan")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50");
        let client = config
            .create_with_context(Hearing::default())
            .map_err(|error| broker.failed("no client to read with", &error))?;
        Ok(Self { client, name: name.to_owned() })
    }

    fn failed(&self, error: &KafkaError) -> Error {
        Error::new(ErrorKind::Kafka, format!("what it holds could not be read: {error}"))
            .at(Place::Topic(self.name.clone()))
    }

    /// How many partitions the topic has; `None` if there is no such topic.
    pub(super) fn partitions(&self, broker: &BrokerHandle) -> Result<Option<i32>> {
        broker.partitions(self.client.client(), &self.name)
    }

    /// The first offset of a partition and the one after its last.
    pub(super) fn ends_of(&self, partition: i32) -> Result<(i64, i64)> {
        self.client.fetch_watermarks(&self.name, partition, ANSWER).map_err(|error| self.failed(&error))
    }

    /// For each of these partitions the offset of the first message of at least `time`, in milliseconds; a partition without
    /// one is left out.
    pub(super) fn first_of(&self, time: i64, partitions: &BTreeMap<i32, i64>) -> Result<BTreeMap<i32, i64>> {
        let mut times = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions.keys() {
            let failed = |error| self.failed(&error);
            times.add_partition_offset(&self.name, partition, Offset::Offset(time)).map_err(failed)?;
        }
        let found = self.client.offsets_for_times(times, ANSWER).map_err(|error| self.failed(&error))?;
        let mut first = BTreeMap::new();
        for element in found.elements() {
            element.error().map_err(|error| self.failed(&error))?;
            if let Offset::Offset(offset) = element.offset() {
                first.insert(element.partition(), offset);
            }
        }
        Ok(first)
    }

    /// Hands the messages of each partition to `each`, from its offset in `from` up to the one in `to`, until that breaks.
    pub(super) fn read(
        &self,
        from: &BTreeMap<i32, i64>,
        to: &BTreeMap<i32, i64>,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let (mut start, mut ends) = (TopicPartitionList::new(), BTreeMap::new());
        for (&partition, &offset) in from {
            let Some(&end) = to.get(&partition).filter(|&&end| end > offset) else { continue };
            let failed = |error| self.failed(&error);
            start.add_partition_offset(&self.name, partition, Offset::Offset(offset)).map_err(failed)?;
            ends.insert(partition, end);
        }
        self.client.assign(&start).map_err(|error| self.failed(&error))?;
        let mut heard = Instant::now();
        while !ends.is_empty() {
            match self.client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let Some(&end) = ends.get(&message.partition()) else { continue };
                    if message.offset() < end && each(&message).is_break() {
                        break;
                    }
                    if message.offset() + 1 >= end {
                        ends.remove(&message.partition());
                    }
                }
                // The last offsets of a partition may hold no message: they were marks of a transaction, or compacted away.
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ends.remove(&partition)),
                Some(Err(error)) if heard.elapsed() >= SILENCE => return Err(self.failed(&error)),
                None if heard.elapsed() >= SILENCE => return Err(self.failed(&KafkaError::NoMessageReceived)),
                Some(Err(_)) | None => {}
            }
        }
        self.client.unassign().map_err(|error| self.failed(&error))
    }
}
