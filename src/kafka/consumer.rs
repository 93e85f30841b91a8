//! The consumer: batches of readings, and commits of exactly what its caller is done with.
//!
//! Delivery is at least once. What was read and not acknowledged comes again: to the same group after a restart, or to
//! another of its members after a rebalance. From a real Kafka the partitions are shared among the members of a group. On
//! the embedded broker there is one consumer, which takes all of them (its rebalance would only cost three seconds).

mod away;
mod batch;
mod embedded;
mod end;
mod membership;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use self::away::Away;
use self::embedded::Embedded;
use self::membership::Membership;
use super::broker::{ANSWER, BrokerHandle};
use super::message::KnownStations;
use super::transaction::GroupMember;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::{Gauge, Stop};

pub use batch::Batch;
pub(super) use end::known_offsets;

/// A batch ends when no further message came for so long.
const LULL: Duration = Duration::from_millis(5);

/// How long brokers may be away before it is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the embedded broker is asked whether its publisher has finished.
const GLANCE: Duration = Duration::from_millis(10);

/// Tells for each of some partitions the offset to go on from; a partition it leaves out is read from the beginning.
pub type Locate = Box<dyn FnMut(&BTreeSet<i32>) -> Result<BTreeMap<i32, i64>> + Send>;

/// Tells which of some partitions can be read now, and the offset to go on from in each, `None` for the beginning.
pub type Claim = Box<dyn FnMut(&BTreeSet<i32>) -> Result<BTreeMap<i32, Option<i64>>> + Send>;

/// Reads the readings of one topic as a member of a group.
pub struct Consumer {
    client: BaseConsumer<Membership>,
    broker: BrokerHandle,
    topic: String,
    /// The assignment that all below belongs to.
    epoch: u64,
    ended: BTreeSet<i32>,
    embedded: Option<Embedded>,
    stop: Stop,
    claim: Option<Claim>,
    /// Where each partition goes on, if its messages must follow each other.
    expected: Option<BTreeMap<i32, i64>>,
    is_waiting: bool,
    away: Option<Away>,
    patience: Duration,
    known: KnownStations,
    /// How many readings the last batch held.
    usual: usize,
}

impl Consumer {
    /// Joins `group` to read `topic`, from what the group acknowledged last; a new group from the beginning.
    pub fn new(broker: &BrokerHandle, topic: &str, group: &str) -> Result<Self> {
        Self::join(broker, topic, group, None)
    }

    fn join(broker: &BrokerHandle, topic: &str, group: &str, member: Option<&str>) -> Result<Self> {
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
            // A member that was killed is missed after six seconds, the least that a broker allows, not after 45.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "2000")
            .set("fetch.queue.backoff.ms", "50")
            // How often the library tells how far it is behind.
            .set("statistics.interval.ms", "5000")
            // The end of a partition is told after so long without a message.
            .set("fetch.wait.max.ms", "100");
        if let Some(member) = member {
            config.set("group.instance.id", member);
        }
        if broker.gate().is_some() {
            // The embedded broker answers a fetch that found nothing only when this time is over, come what may.
            config.set("fetch.wait.max.ms", "5");
        }
        let client: BaseConsumer<Membership> = config
            .create_with_context(Membership::default())
            .map_err(|error| broker.failed("no client to read with", &error))?;
        let partitions = broker.existing(client.client(), topic)?;
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
            stop: Stop::new(),
            claim: None,
            expected: None,
            is_waiting: false,
            away: None,
            patience: PATIENCE,
            known: KnownStations::default(),
            usual: 0,
        })
    }

    /// As [`new`](Self::new), but where to go on is for `locate` to say, whenever the group gives partitions to this member:
    /// for work that keeps its place in the topic together with its results. The group's own offsets are written
    /// ([`note`](Self::note)) for those who watch its lag, and not read. On the embedded broker, whose topics end with it,
    /// `locate` is not asked.
    pub fn located_by(broker: &BrokerHandle, topic: &str, group: &str, mut locate: Locate) -> Result<Self> {
        let claim: Claim = Box::new(move |assigned| {
            let located = locate(assigned)?;
            Ok(assigned.iter().map(|partition| (*partition, located.get(partition).copied())).collect())
        });
        Ok(Self { claim: Some(claim), ..Self::new(broker, topic, group)? })
    }

    /// As [`located_by`](Self::located_by), for work that must hold a partition's results before it reads it, and that must
    /// miss no message: a partition that `claim` leaves out is not read until [`locate_again`](Self::locate_again) asks anew.
    /// Messages that were deleted before they were read are counted in [`Batch::deleted`]; a topic that was made anew is an
    /// error. With a name for this `member`, of which the group has one alone, it takes its partitions back at once
    /// after a crash; without one the group waits for seconds to see that it has gone.
    pub fn claimed_by(
        broker: &BrokerHandle,
        topic: &str,
        group: &str,
        member: Option<&str>,
        claim: Claim,
    ) -> Result<Self> {
        let expected = Some(BTreeMap::new());
        Ok(Self { claim: Some(claim), expected, ..Self::join(broker, topic, group, member)? })
    }

    /// The same, but brokers may be away for so long before it is an error. Default: 30 seconds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether the brokers are away.
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Whether there are partitions of this member that could not be claimed yet.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// The same consumer, whose [`each_batch`](Self::each_batch) ends when `stop` is requested.
    #[must_use]
    pub fn until(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    /// The topic with the cluster that it is of, `CLUSTER/TOPIC`: the offsets of another cluster mean other messages.
    pub fn full_topic(&self) -> Result<String> {
        let cluster = self.client.client().fetch_cluster_id(ANSWER);
        let cluster = cluster.ok_or_else(|| self.broker.error("the broker does not say which cluster it is of"))?;
        Ok(format!("{cluster}/{}", self.topic))
    }

    /// The same consumer, which shows every few seconds by `gauge` how many messages in its partitions are not acknowledged.
    #[must_use]
    pub fn showing_lag(self, gauge: &Gauge) -> Self {
        self.client.context().lag.get_or_init(|| gauge.clone());
        self
    }

    /// Goes on from where `locate` says now, in all partitions of this member.
    pub fn locate_again(&mut self) -> Result<()> {
        let assigned = self.client.context().assigned().clone();
        let (Some(claim), Some(assigned)) = (&mut self.claim, assigned) else { return Ok(()) };
        self.ended.clear();
        let claimed = claim(&assigned)?;
        let mut start = TopicPartitionList::with_capacity(claimed.len());
        let failed = |error: KafkaError| self.broker.failed("the partitions could not be opened", &error);
        for (&partition, offset) in &claimed {
            let offset = offset.map_or(Offset::Beginning, Offset::Offset);
            start.add_partition_offset(&self.topic, partition, offset).map_err(failed)?;
        }
        self.is_waiting = claimed.len() < assigned.len();
        if let Some(expected) = &mut self.expected {
            *expected = claimed.into_iter().filter_map(|(partition, offset)| Some((partition, offset?))).collect();
        }
        self.client.assign(&start).map_err(failed)
    }

    /// The next readings: waits up to `timeout` for the first, then takes what is there, at most `max` messages. Returns
    /// at once when the end is reached, and an empty batch when the time is over.
    ///
    /// On the embedded broker acknowledge before asking for more: its publisher waits for that.
    pub fn next_batch(&mut self, max: usize, timeout: Duration) -> Result<Batch> {
        let deadline = Instant::now() + timeout;
        let mut batch = self.empty_batch();
        let was_at_end = self.at_end()?;
        loop {
            // What has come already is taken without a look at the clock.
            let mut polled = self.client.poll(Duration::ZERO);
            if polled.is_none() && !self.is_reassigned() {
                let left = deadline.saturating_duration_since(Instant::now());
                let wait = if batch.messages() > 0 { LULL.min(left) } else { left };
                polled = self.client.poll(if self.embedded.is_some() { wait.min(GLANCE) } else { wait });
            }
            let quiet = match polled {
                Some(Ok(message)) => {
                    if self.is_reassigned() {
                        return Err(self.error("a message came with an assignment".to_owned()));
                    }
                    self.away = None;
                    if !self.ended.is_empty() {
                        self.ended.remove(&message.partition());
                    }
                    if let Some(expected) = &mut self.expected
                        && let Some(wanted) = expected.insert(message.partition(), message.offset() + 1)
                        && wanted != message.offset()
                    {
                        let deleted = self.deleted(message.partition(), wanted, message.offset())?;
                        *batch.deleted.entry(message.partition()).or_default() += deleted;
                    }
                    if let Some(embedded) = &mut self.embedded {
                        embedded.next.insert(message.partition(), message.offset() + 1);
                    }
                    batch.push(&message, &mut self.known);
                    if batch.messages() < max {
                        continue;
                    }
                    false
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.away = None;
                    self.ended.insert(partition);
                    false
                }
                Some(Err(error)) => {
                    self.bear(&error)?;
                    true
                }
                None => true,
            };
            if self.reassigned()? {
                // Nothing of this was handed out: it comes again, to whoever it belongs to now.
                batch = self.empty_batch();
            }
            self.check_away()?;
            batch.at_end = self.at_end()?;
            let over = Instant::now() >= deadline || (quiet && batch.messages() > 0);
            if over || batch.messages() >= max || (batch.at_end && !was_at_end) {
                self.usual = batch.readings.len();
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
        let offsets = self.offsets(next)?;
        self.client
            .commit(&offsets, CommitMode::Sync)
            .map_err(|error| self.error(format!("a batch could not be acknowledged, {again}: {error}")))?;
        if let Some(embedded) = &self.embedded {
            embedded.gate.leave(bytes);
        }
        Ok(())
    }

    /// Tells the group that all of `batch` is done with, for those who watch its lag, and does not wait: nothing depends on
    /// it where [`located_by`](Self::located_by) says where to go on.
    pub fn note(&self, batch: Batch) {
        if batch.epoch == self.epoch
            && !batch.next.is_empty()
            && let Ok(offsets) = self.offsets(batch.next)
        {
            // Refused or lost it is made good by the next.
            let _ = self.client.commit(&offsets, CommitMode::Async);
        }
    }

    fn offsets(&self, next: BTreeMap<i32, i64>) -> Result<TopicPartitionList> {
        let mut offsets = TopicPartitionList::with_capacity(next.len());
        for (partition, offset) in next {
            offsets
                .add_partition_offset(&self.topic, partition, Offset::Offset(offset))
                .map_err(|error| self.error(format!("offset {offset} of partition {partition}: {error}")))?;
        }
        Ok(offsets)
    }

    /// Hands each batch that is not empty to `work` and acknowledges it when that is done. Goes on until it is told to stop
    /// ([`until`](Self::until)), or with `until_end` until everything was read. On the embedded broker always until then,
    /// because nothing comes after, and there it is the publisher that is told to stop. How many messages were read.
    pub fn each_batch(
        &mut self,
        max: usize,
        until_end: bool,
        mut work: impl FnMut(&Batch) -> Result<()>,
    ) -> Result<u64> {
        let mut messages = 0;
        loop {
            if self.embedded.is_none() && self.stop.is_requested() {
                return Ok(messages);
            }
            let batch = self.next_batch(max, Duration::from_secs(1))?;
            let at_end = batch.at_end;
            if batch.messages() > 0 {
                messages += batch.messages() as u64;
                work(&batch)?;
                self.acknowledge(batch)?;
            }
            if at_end && (self.embedded.is_some() || (until_end && self.is_all_acknowledged()?)) {
                return Ok(messages);
            }
        }
    }

    fn empty_batch(&self) -> Batch {
        let member = self.claim.is_some().then(|| self.client.group_metadata()).flatten();
        Batch::with_room_for(self.usual, self.epoch, member.map(GroupMember::of))
    }

    /// Whether everything was read, as [`Batch::at_end`] says.
    fn at_end(&mut self) -> Result<bool> {
        match &mut self.embedded {
            Some(embedded) => embedded.at_end(&self.client, &self.broker, &self.topic),
            None => Ok(self.client.context().assigned().as_ref().is_some_and(|all| all.is_subset(&self.ended))),
        }
    }

    /// Whether partitions were assigned or taken away since the last look.
    fn reassigned(&mut self) -> Result<bool> {
        let changed = self.is_reassigned();
        if changed {
            self.epoch = self.client.context().epoch.load(Ordering::Acquire);
            self.ended.clear();
            self.locate_again()?;
        }
        Ok(changed)
    }

    fn is_reassigned(&self) -> bool {
        self.client.context().epoch.load(Ordering::Acquire) != self.epoch
    }

    /// How many messages are gone, where one came at offset `came` and that at `wanted` was to come.
    fn deleted(&self, partition: i32, wanted: i64, came: i64) -> Result<i64> {
        if came < wanted {
            let message = format!(
                "partition {partition} begins anew: offset {wanted} was to come next, and {came} came. The topic was \
                 deleted and made again"
            );
            return Err(self.error(message).way_out(
                "collect to another file, or delete the .offsets beside this one: what the topic holds is then added to it",
            ));
        }
        // Not every offset holds a message: some are marks of a transaction.
        let first = self.client.fetch_watermarks(&self.topic, partition, ANSWER).map_or(came, |(first, _)| first);
        Ok((first.min(came) - wanted).max(0))
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Kafka, message).at(Place::Topic(self.topic.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Broker, Publisher, Sink as _, TopicSettings, ensure_topic};
    use crate::station::{StationCode, StationStatus};
    use chrono::DateTime;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    const SECOND: Duration = Duration::from_secs(1);

    fn broker() -> Broker {
        let broker = Broker::embedded().unwrap();
        ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
        broker
    }

    fn publish(broker: &Broker, seconds: std::ops::Range<i64>) {
        let reading = |second: i64| {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            StationStatus::unknown(StationCode::new(&(second % 7).to_string()).unwrap(), at, at)
        };
        let readings: Vec<_> = seconds.map(reading).collect();
        Publisher::new(broker.handle(), "velib").unwrap().publish(&readings).unwrap();
    }

    fn seconds(batch: &Batch) -> Vec<i64> {
        let mut seconds: Vec<i64> = batch.readings.iter().map(|one| one.last_reported.timestamp()).collect();
        seconds.sort_unstable();
        seconds
    }

    /// All batches until the end, and what was in them.
    fn until_end(consumer: &mut Consumer, max: usize) -> (Vec<Batch>, Vec<i64>) {
        let mut batches = Vec::new();
        loop {
            batches.push(consumer.next_batch(max, SECOND).unwrap());
            if batches.last().unwrap().at_end {
                let mut all: Vec<i64> = batches.iter().flat_map(seconds).collect();
                all.sort_unstable();
                return (batches, all);
            }
        }
    }

    #[test]
    fn what_is_acknowledged_does_not_come_again_and_what_is_not_does() {
        let broker = broker();
        publish(&broker, 0..100);
        let mut first = Consumer::new(broker.handle(), "velib", "test").unwrap();
        let done = first.next_batch(30, SECOND).unwrap();
        let acknowledged = seconds(&done);
        assert!((1..=30).contains(&acknowledged.len()), "{}", acknowledged.len());
        first.acknowledge(done).unwrap();
        assert!(!first.next_batch(30, SECOND).unwrap().readings.is_empty());
        drop(first);

        let (batches, again) = until_end(&mut Consumer::new(broker.handle(), "velib", "test").unwrap(), 1_000);
        let expected: Vec<i64> = (0..100).filter(|second| !acknowledged.contains(second)).collect();
        assert_eq!(again, expected);
        drop(batches);
        let (_, other_group) = until_end(&mut Consumer::new(broker.handle(), "velib", "other").unwrap(), 1_000);
        assert_eq!(other_group, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn batches_stay_within_their_size_and_hold_each_station_in_order() {
        let broker = broker();
        publish(&broker, 0..500);
        let (batches, all) = until_end(&mut Consumer::new(broker.handle(), "velib", "test").unwrap(), 64);
        assert!(batches.iter().all(|batch| batch.messages() <= 64));
        assert_eq!(all, (0..500).collect::<Vec<_>>());
        let mut last = BTreeMap::new();
        for reading in batches.iter().flat_map(|batch| &batch.readings) {
            let before = last.insert(reading.station_code.clone(), reading.last_reported);
            assert!(before < Some(reading.last_reported));
        }
    }

    #[test]
    fn the_end_is_the_end_only_when_nobody_publishes_any_more() {
        let broker = broker();
        let publisher = Publisher::new(broker.handle(), "velib").unwrap();
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        let quiet = consumer.next_batch(10, Duration::from_millis(50)).unwrap();
        assert_eq!((quiet.messages(), quiet.at_end), (0, false));
        consumer.acknowledge(quiet).unwrap();
        drop(publisher);
        assert!(until_end(&mut consumer, 10).1.is_empty());
        publish(&broker, 0..5);
        assert_eq!(until_end(&mut consumer, 10).1, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_message_that_is_no_reading_is_set_aside_with_its_place_and_acknowledged_with_the_rest() {
        let broker = broker();
        publish(&broker, 0..3);
        let raw: BaseProducer = broker.handle().config().create().unwrap();
        raw.send(BaseRecord::<str, str>::to("velib").partition(2).key("16107").payload("<html>")).unwrap();
        raw.send(BaseRecord::<str, str>::to("velib").partition(1).key("16107")).unwrap();
        raw.flush(SECOND * 5).unwrap();
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        let (batches, all) = until_end(&mut consumer, 10);
        assert_eq!(all, [0, 1, 2]);
        let mut aside: Vec<_> = batches.iter().flat_map(|batch| &batch.set_aside).collect();
        aside.sort_by_key(|aside| aside.raw.len());
        assert_eq!((aside.len(), aside[0].reason.as_str()), (2, "the message has no value"));
        assert_eq!(aside[1].raw, "<html>");
        assert!(matches!(&aside[1].place, Place::Message { topic, partition: 2, .. } if topic == "velib"));
        batches.into_iter().for_each(|batch| consumer.acknowledge(batch).unwrap());
        drop(consumer);
        let mut again = Consumer::new(broker.handle(), "velib", "test").unwrap();
        assert_eq!(again.next_batch(10, SECOND).unwrap().messages(), 0);
    }

    #[test]
    fn a_topic_that_is_not_there_and_a_group_without_a_name_are_said_at_once() {
        let broker = broker();
        let error = Consumer::new(broker.handle(), "none", "test").err().unwrap();
        assert!(error.to_string().starts_with("topic none: there is no such topic on Kafka at 127.0.0.1:"), "{error}");
        assert!(error.to_string().ends_with("; publish to it first, or check --topic"), "{error}");
        assert_eq!(Consumer::new(broker.handle(), "velib", "").err().unwrap().kind(), ErrorKind::Usage);
    }

    #[test]
    fn a_broker_that_goes_away_is_an_error_when_patience_ends() {
        let broker = broker();
        let publisher = Publisher::new(broker.handle(), "velib").unwrap();
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        consumer.patience = Duration::from_millis(200);
        broker.cluster().unwrap().broker_down(-1).unwrap();
        let error = consumer.next_batch(10, SECOND * 60).unwrap_err();
        assert!(error.message().starts_with("the broker has gone away: "), "{error}");
        drop(publisher);
    }
}
