//! Results to a topic, in the transaction that notes how far their source has been read: a reader that asks for committed
//! messages alone (`isolation.level=read_committed`) sees the results of each message of the source once, or not yet.
//!
//! A process that the group has replaced, and that does not know it yet, is refused by the broker: the offsets are written as a
//! member of the group (Kafka's KIP-447).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::broker::{ANSWER, BrokerHandle};
use super::consumer::known_offsets;
use crate::error::{Error, ErrorKind, Place, Result};

/// How long a transaction may take: after so long without an end the broker gives up that of a process that was killed.
const TRANSACTION: Duration = Duration::from_secs(15);

/// How long the group's offsets may be in the balance after that: the broker looks every ten seconds.
const UNSETTLED: Duration = Duration::from_secs(45);

/// A member of a consumer group as it was when a batch was read. Cheap to clone.
#[derive(Clone)]
pub struct GroupMember(Arc<ConsumerGroupMetadata>);

/// Publishes the results of a group's work on a source topic.
pub struct TransactionalPublisher {
    producer: ThreadedProducer<DefaultProducerContext>,
    /// Asks for the group's offsets and reads nothing.
    group: BaseConsumer,
    broker: BrokerHandle,
    source: String,
    topic: String,
}

impl GroupMember {
    pub(super) fn of(metadata: ConsumerGroupMetadata) -> Self {
        Self(Arc::new(metadata))
    }
}

impl fmt::Debug for GroupMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupMember")
    }
}

impl TransactionalPublisher {
    /// A publisher to `topic`, which [exists](super::ensure_topic), of what `group` makes of the topic `source`. No two at a
    /// time may have one `id`.
    pub fn new(broker: &BrokerHandle, topic: &str, source: &str, group: &str, id: &str) -> Result<Self> {
        let failed = |error: KafkaError| broker.failed("no client to publish results with", &error);
        let mut config = broker.config();
        config
            .set("transactional.id", id)
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .set("transaction.timeout.ms", TRANSACTION.as_millis().to_string());
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().map_err(failed)?;
        broker.existing(producer.client(), topic)?;
        producer.init_transactions(ANSWER).map_err(failed)?;
        let mut config = broker.config();
        let group = config.set("group.id", group).create().map_err(failed)?;
        Ok(Self { producer, group, broker: broker.clone(), source: source.to_owned(), topic: topic.to_owned() })
    }

    /// Up to where the results of each partition of the source have been published.
    pub fn published(&self) -> Result<BTreeMap<i32, i64>> {
        let mut all = TopicPartitionList::new();
        let partitions = self.broker.existing(self.group.client(), &self.source)?;
        all.add_partition_range(&self.source, 0, partitions - 1);
        let deadline = Instant::now() + UNSETTLED;
        loop {
            match self.group.committed_offsets(all.clone(), ANSWER) {
                Ok(committed) => return Ok(known_offsets(&committed)),
                // The transaction of a process that was killed in its midst is open still.
                Err(_) if Instant::now() < deadline => {}
                Err(error) => return Err(self.failed("how far it has been published is unknown", &error)),
            }
        }
    }

    /// Publishes messages, each a key and a value, and that the source has been read up to `next`, in one transaction.
    /// `false`, and nothing is published, if `member` is no member of the group any more.
    pub fn publish(
        &self,
        messages: &[(String, Vec<u8>)],
        next: &BTreeMap<i32, i64>,
        member: &GroupMember,
    ) -> Result<bool> {
        self.producer.begin_transaction().map_err(|error| self.failed("no transaction", &error))?;
        let sent = self.send(messages, next, member);
        let Err(error) = sent.and_then(|()| self.producer.commit_transaction(TRANSACTION)) else { return Ok(true) };
        if self.producer.abort_transaction(ANSWER).is_err() || !is_of_a_former_member(&error) {
            return Err(self
                .failed("the results could not be published", &error)
                .way_out("start again when the broker is back: nothing is lost, and nothing published twice"));
        }
        Ok(false)
    }

    fn send(
        &self,
        messages: &[(String, Vec<u8>)],
        next: &BTreeMap<i32, i64>,
        member: &GroupMember,
    ) -> std::result::Result<(), KafkaError> {
        for (key, value) in messages {
            let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
            while let Err((error, unsent)) = self.producer.send(record) {
                if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    return Err(error);
                }
                // Until some of what was sent before has gone.
                self.producer.flush(Duration::from_millis(100)).ok();
                record = unsent;
            }
        }
        // First, so that the offsets are in the balance for as short as can be.
        self.producer.flush(TRANSACTION)?;
        let mut offsets = TopicPartitionList::with_capacity(next.len());
        for (&partition, &offset) in next {
            offsets.add_partition_offset(&self.source, partition, Offset::Offset(offset))?;
        }
        self.producer.send_offsets_to_transaction(&offsets, &member.0, TRANSACTION)
    }

    fn failed(&self, what: &str, error: &KafkaError) -> Error {
        Error::new(ErrorKind::Kafka, format!("{what}: {error}")).at(Place::Topic(self.topic.clone()))
    }
}

/// Whether the broker refused because the group has gone on without this member.
fn is_of_a_former_member(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId};
    let code = match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    };
    matches!(code, Some(FencedInstanceId | IllegalGeneration | RebalanceInProgress | UnknownMemberId))
}
