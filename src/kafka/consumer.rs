//! The consumer: batches of readings, and commits of exactly what its caller is done with.
//!
//! Delivery is at least once. What was read and not acknowledged comes again: to the same group after a restart, or to
//! another of its members after a rebalance. From a real Kafka the partitions are shared among the members of a group. On
//! the embedded broker there is one consumer, which takes all of them (its rebalance would only cost three seconds).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::broker::{ANSWER, BrokerHandle};
use super::gate::Gate;
use super::message::{parse, set_aside};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;
use crate::station::StationStatus;

/// A batch ends when no further message came for so long.
const LULL: Duration = Duration::from_millis(5);

/// How long brokers may be away before it is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the embedded broker is asked whether its publisher has finished.
const GLANCE: Duration = Duration::from_millis(10);

/// Reads the readings of one topic as a member of a group.
pub struct Consumer {
    client: BaseConsumer<Membership>,
    broker: BrokerHandle,
    topic: String,
    /// The assignment that all below belongs to.
    epoch: u64,
    ended: BTreeSet<i32>,
    embedded: Option<Embedded>,
    away_since: Option<Instant>,
    patience: Duration,
}

/// What was read in one go.
#[derive(Debug)]
pub struct Batch {
    /// The readings, in order within each station.
    pub readings: Vec<StationStatus>,
    /// The messages that are no readings. Acknowledged with the others.
    pub set_aside: Vec<SetAside>,
    /// Whether everything was read: each partition of this consumer to its end. On the embedded broker also that nobody
    /// publishes any more; on a real one somebody may.
    pub at_end: bool,
    next: BTreeMap<i32, i64>,
    bytes: usize,
    epoch: u64,
}

impl Consumer {
    /// Joins `group` to read `topic`, from what the group acknowledged last; a new group from the beginning.
    pub fn new(broker: &BrokerHandle, topic: &str, group: &str) -> Result<Self> {
        if group.is_empty() {
            return Err(Error::usage("--group", "the consumer group needs a name"));
        }
        let mut config = broker.config();
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.queue.backoff.ms", "50");
        if broker.gate().is_some() {
            // The embedded broker answers a fetch that found nothing only when this time is over, come what may.
            config.set("fetch.wait.max.ms", "5");
        }
        let client: BaseConsumer<Membership> = config
            .create_with_context(Membership::default())
            .map_err(|error| broker.failed("no client to read with", &error))?;
        let partitions = broker.existing(&client.client(), topic)?;
        let embedded = match broker.gate() {
            Some(gate) => Some(Embedded::start(&client, broker, topic, partitions, gate)?),
            None => {
                client.subscribe(&[topic]).map_err(|error| broker.failed("the group could not be joined", &error))?;
                None
            }
        };
        Ok(Self {
            client,
            broker: broker.clone(),
            topic: topic.to_owned(),
            epoch: 0,
            ended: BTreeSet::new(),
            embedded,
            away_since: None,
            patience: PATIENCE,
        })
    }

    /// The next readings: waits up to `timeout` for the first, then takes what is there, at most `max` messages. Returns
    /// at once when the end is reached, and an empty batch when the time is over.
    ///
    /// On the embedded broker acknowledge before asking for more: its publisher waits for that.
    pub fn next_batch(&mut self, max: usize, timeout: Duration) -> Result<Batch> {
        let deadline = Instant::now() + timeout;
        let mut batch = Batch::new(self.epoch);
        let was_at_end = self.at_end()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if batch.messages() > 0 { LULL.min(left) } else { left };
            let wait = if self.embedded.is_some() { wait.min(GLANCE) } else { wait };
            let quiet = match self.client.poll(wait) {
                Some(Ok(message)) => {
                    self.away_since = None;
                    self.ended.remove(&message.partition());
                    if let Some(embedded) = &mut self.embedded {
                        embedded.next.insert(message.partition(), message.offset() + 1);
                    }
                    batch.push(&message);
                    false
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.away_since = None;
                    self.ended.insert(partition);
                    false
                }
                Some(Err(error)) => {
                    self.bear(error)?;
                    true
                }
                None => true,
            };
            if self.reassigned() {
                // Nothing of this was handed out: it comes again, to whoever it belongs to now.
                batch = Batch::new(self.epoch);
            }
            self.check_away()?;
            batch.at_end = self.at_end()?;
            let over = Instant::now() >= deadline || (quiet && batch.messages() > 0);
            if over || batch.messages() >= max || (batch.at_end && !was_at_end) {
                return Ok(batch);
            }
        }
    }

    /// Commits that all of `batch` is done with, and waits until the broker has noted it. Acknowledge batches in the order
    /// they came; the last one stands for all before it.
    pub fn acknowledge(&mut self, batch: Batch) -> Result<()> {
        let Batch { next, bytes, epoch, .. } = batch;
        if next.is_empty() {
            return Ok(());
        }
        let again = "its readings come again";
        if epoch != self.epoch {
            return Err(self
                .error(format!("the group was rebalanced before the batch was acknowledged: {again}"))
                .way_out("acknowledge each batch before asking for the next"));
        }
        let mut offsets = TopicPartitionList::with_capacity(next.len());
        for (partition, offset) in next {
            offsets
                .add_partition_offset(&self.topic, partition, Offset::Offset(offset))
                .map_err(|error| self.error(format!("offset {offset} of partition {partition}: {error}")))?;
        }
        self.client
            .commit(&offsets, CommitMode::Sync)
            .map_err(|error| self.error(format!("a batch could not be acknowledged, {again}: {error}")))?;
        if let Some(embedded) = &self.embedded {
            embedded.gate.leave(bytes);
        }
        Ok(())
    }

    /// Whether everything was read, as [`Batch::at_end`] says.
    fn at_end(&mut self) -> Result<bool> {
        match &mut self.embedded {
            Some(embedded) => embedded.at_end(&self.client, &self.broker, &self.topic),
            None => Ok(self.client.context().lock().assigned.as_ref().is_some_and(|all| all.is_subset(&self.ended))),
        }
    }

    /// Whether partitions were assigned or taken away since the last look.
    fn reassigned(&mut self) -> bool {
        let epoch = self.client.context().lock().epoch;
        let changed = epoch != self.epoch;
        if changed {
            self.epoch = epoch;
            self.ended.clear();
        }
        changed
    }

    /// What the library mends by itself is borne for a while; everything else ends the reading.
    fn bear(&mut self, error: KafkaError) -> Result<()> {
        use RDKafkaErrorCode::{
            AllBrokersDown, BrokerTransportFailure, OperationTimedOut, Resolve, UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            Some(AllBrokersDown | BrokerTransportFailure | OperationTimedOut | Resolve) => {
                self.away_since.get_or_insert_with(Instant::now);
                Ok(())
            }
            Some(UnknownTopicOrPartition) => Err(self.error("the topic is not there any more".to_owned())),
            _ => Err(self.error(format!("it could not be read: {error}"))),
        }
    }

    /// An error if the brokers have been away for too long and do not answer now either.
    fn check_away(&mut self) -> Result<()> {
        if self.away_since.is_some_and(|since| since.elapsed() >= self.patience) {
            self.client.fetch_metadata(Some(&self.topic), self.patience.min(ANSWER)).map_err(|error| {
                self.broker
                    .failed("the broker has gone away", &error)
                    .way_out("start again when it is back: what was acknowledged is not read twice")
            })?;
            self.away_since = None;
        }
        Ok(())
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Kafka, message).at(Place::Topic(self.topic.clone()))
    }
}

impl Batch {
    fn new(epoch: u64) -> Self {
        Self { readings: Vec::new(), set_aside: Vec::new(), at_end: false, next: BTreeMap::new(), bytes: 0, epoch }
    }

    fn messages(&self) -> usize {
        self.readings.len() + self.set_aside.len()
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let (partition, offset, value) = (message.partition(), message.offset(), message.payload());
        self.next.insert(partition, offset + 1);
        self.bytes += message.key_len() + message.payload_len();
        match parse(value) {
            Ok(reading) => self.readings.push(reading),
            Err(reason) => {
                let place = Place::Message { topic: message.topic().to_owned(), partition, offset };
                self.set_aside.push(set_aside(value, place, reason));
            }
        }
    }
}

/// Which partitions the group has given to this member.
#[derive(Default)]
struct Membership(Mutex<Assignment>);

#[derive(Default)]
struct Assignment {
    epoch: u64,
    assigned: Option<BTreeSet<i32>>,
}

impl Membership {
    fn lock(&self) -> MutexGuard<'_, Assignment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut state = self.lock();
        state.epoch += 1;
        state.assigned = match rebalance {
            Rebalance::Assign(all) => Some(all.elements().iter().map(|one| one.partition()).collect()),
            Rebalance::Revoke(_) | Rebalance::Error(_) => None,
        };
    }
}

/// Reading from the embedded broker: its one consumer knows for each partition what it will read next.
struct Embedded {
    gate: Arc<Gate>,
    next: BTreeMap<i32, i64>,
    /// Where the partitions end, known when the publisher has finished.
    ends: Option<BTreeMap<i32, i64>>,
}

impl Embedded {
    fn start(
        client: &BaseConsumer<Membership>,
        broker: &BrokerHandle,
        topic: &str,
        partitions: i32,
        gate: &Arc<Gate>,
    ) -> Result<Self> {
        let failed = |error: KafkaError| broker.failed(&format!("topic {topic} could not be opened"), &error);
        let mut all = TopicPartitionList::new();
        all.add_partition_range(topic, 0, partitions - 1);
        let committed = client.committed_offsets(all, ANSWER).map_err(failed)?;
        let (mut start, mut next) = (TopicPartitionList::new(), BTreeMap::new());
        for one in committed.elements() {
            let offset = match one.offset() {
                Offset::Offset(offset) => offset,
                _ => client.fetch_watermarks(topic, one.partition(), ANSWER).map_err(failed)?.0,
            };
            start.add_partition_offset(topic, one.partition(), Offset::Offset(offset)).map_err(failed)?;
            next.insert(one.partition(), offset);
        }
        client.assign(&start).map_err(failed)?;
        gate.consumer_comes();
        Ok(Self { gate: Arc::clone(gate), next, ends: None })
    }

    fn at_end(&mut self, client: &BaseConsumer<Membership>, broker: &BrokerHandle, topic: &str) -> Result<bool> {
        if !self.gate.publishers_are_gone() {
            self.ends = None;
            return Ok(false);
        }
        if self.ends.is_none() {
            let end = |&partition: &i32| {
                let watermarks = client.fetch_watermarks(topic, partition, ANSWER);
                watermarks.map(|(_, high)| (partition, high))
            };
            let ends: std::result::Result<_, KafkaError> = self.next.keys().map(end).collect();
            self.ends =
                Some(ends.map_err(|error| broker.failed(&format!("the end of topic {topic} is unknown"), &error))?);
        }
        Ok(self
            .ends
            .as_ref()
            .is_some_and(|ends| ends.iter().all(|(partition, end)| self.next.get(partition) >= Some(end))))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.gate.consumer_goes();
    }
}
