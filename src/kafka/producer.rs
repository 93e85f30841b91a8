//! The producer: what [`Publisher::publish`] returns from is on the broker.
//!
//! It is idempotent (a retry is not a second message, and order is kept) and waits for all replicas. The client library
//! works in the background; here is only the count of what it acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rdkafka::Message as _;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::broker::BrokerHandle;
use super::dead_letter::DeadLetters;
use super::gate::Gate;
use super::message::{encode_into, timestamp};
use super::seen::TopicMemory;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;
use crate::station::StationStatus;

/// How long [`Sink::publish`] waits for a broker that acknowledges nothing.
const DELIVERY: Duration = Duration::from_secs(30);

/// How many messages the library keeps while the broker is away. Whoever publishes more waits.
const QUEUE: usize = 200_000;

/// Where readings go: the topic, or whatever a test puts in its place.
pub trait Sink {
    /// Takes over all readings, in this order. They are kept for good when [`settle`](Self::settle) says that nothing is open.
    fn send(&mut self, readings: &[StationStatus]) -> Result<()>;

    /// Takes over the records of a poll that could not be read; how many of them it keeps that it had not kept before.
    fn set_aside(&mut self, records: &[SetAside], fetched_at: DateTime<Utc>) -> Result<usize> {
        let _ = (records, fetched_at);
        Ok(0)
    }

    /// Waits until everything that was taken over is kept for good, or nothing more is for so long: how much is open still.
    fn settle(&mut self, wait: Duration) -> Result<usize>;

    /// How many messages others have written between ours since this was asked last.
    fn foreign(&mut self) -> u64 {
        0
    }

    /// Takes all readings, in this order, and returns how many when the last of them is kept for good.
    fn publish(&mut self, readings: &[StationStatus]) -> Result<usize> {
        self.send(readings)?;
        match self.settle(DELIVERY)? {
            0 => Ok(readings.len()),
            open => Err(Error::new(ErrorKind::Kafka, format!("{open} of {} readings are not kept", readings.len()))),
        }
    }
}

/// Publishes readings to one topic: keyed by station, with the event time for a timestamp.
///
/// While the broker is away the client library keeps what was [sent](Sink::send) and tries again without end; the broker knows a
/// message that it has had already by its number, so that none is written twice, however often it is sent.
pub struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    value: Vec<u8>,
    delivery: Duration,
    dead_letters: Option<DeadLetters>,
}

impl Publisher {
    /// A publisher to a topic that [exists](super::ensure_topic).
    pub fn new(broker: &BrokerHandle, topic: &str) -> Result<Self> {
        Self::with(broker, topic, DELIVERY)
    }

    fn with(broker: &BrokerHandle, topic: &str, delivery: Duration) -> Result<Self> {
        let mut config = broker.config();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Inside one process there is nothing to save, and the gate's count is what the embedded broker holds.
            .set("compression.type", if broker.gate().is_some() { "none" } else { "lz4" })
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", QUEUE.to_string())
            .set("reconnect.backoff.max.ms", "2000")
            // Never given up: a message that the library gave up may have arrived, and would be published again.
            .set("message.timeout.ms", "0");
        let gate = broker.gate().cloned();
        if let Some(gate) = &gate {
            gate.publisher_comes();
        }
        let deliveries = Deliveries { count: Mutex::default(), changed: Condvar::new(), topic: topic.to_owned(), gate };
        let producer: ThreadedProducer<Deliveries> = config
            .create_with_context(deliveries)
            .map_err(|error| broker.failed("no client to publish with", &error))?;
        broker.existing(producer.client(), topic)?;
        let (topic, value) = (topic.to_owned(), Vec::with_capacity(512));
        Ok(Self { producer, topic, value, delivery, dead_letters: None })
    }

    /// The same, and it notices what others write to the topic after `memory` was read.
    #[must_use]
    pub fn after(self, memory: &TopicMemory) -> Self {
        self.producer.context().lock().next.clone_from(memory.ends());
        self
    }

    /// The same, and what could not be read goes to a topic of its own.
    #[must_use]
    pub fn with_dead_letters(self, dead_letters: DeadLetters) -> Self {
        Self { dead_letters: Some(dead_letters), ..self }
    }

    /// Hands a message to the library, which sends it while this goes on.
    fn produce(&self, mut record: BaseRecord<'_, str, [u8]>) -> Result<()> {
        let deliveries = self.producer.context();
        let bytes = record.key.map_or(0, str::len) + record.payload.map_or(0, <[u8]>::len);
        if let Some(gate) = &deliveries.gate {
            gate.enter(bytes)?;
        }
        deliveries.lock().open += 1;
        let mut idle = Duration::ZERO;
        while let Err((error, unsent)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) || idle >= self.delivery {
                deliveries.settle(bytes, Some(error));
                return Ok(());
            }
            record = unsent;
            idle = if deliveries.wait_for_any() { Duration::ZERO } else { idle + GLANCE };
        }
        Ok(())
    }

    fn failed(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Kafka, message)
            .at(Place::Topic(self.topic.clone()))
            .way_out("start again when the broker is back: what the topic holds is not published twice")
    }
}

impl Sink for Publisher {
    fn send(&mut self, readings: &[StationStatus]) -> Result<()> {
        let mut value = std::mem::take(&mut self.value);
        let sent = readings.iter().try_for_each(|reading| {
            encode_into(reading, &mut value)?;
            let record = BaseRecord::to(&self.topic).key(reading.station_code.as_str()).payload(&*value);
            self.produce(record.timestamp(timestamp(reading)))
        });
        self.value = value;
        sent
    }

    fn set_aside(&mut self, records: &[SetAside], fetched_at: DateTime<Utc>) -> Result<usize> {
        let Some(mut dead_letters) = self.dead_letters.take() else { return Ok(0) };
        let letters = dead_letters.new_ones(records, fetched_at);
        let sent = letters.iter().try_for_each(|letter| {
            let (key, value) = (letter.key(), letter.encode());
            let record = BaseRecord::to(dead_letters.topic()).key(key.as_str()).payload(value.as_bytes());
            self.produce(record.timestamp(letter.fetched_at.timestamp_millis().max(1)))
        });
        self.dead_letters = Some(dead_letters);
        sent.map(|()| letters.len())
    }

    /// An error if a message cannot be delivered at all, however long one waits: the topic has gone, the broker refuses it.
    fn settle(&mut self, wait: Duration) -> Result<usize> {
        let count = self.producer.context().wait_for_all(wait);
        match &count.error {
            Some(error) => Err(self.failed(format!("a message was not taken: {error}"))),
            None => Ok(count.open),
        }
    }

    fn foreign(&mut self) -> u64 {
        std::mem::take(&mut self.producer.context().lock().foreign)
    }

    /// Publishes all readings and waits until the broker has acknowledged each. If it does not for half a minute, the error says
    /// how many of how many it did, and the rest is not sent any more.
    fn publish(&mut self, readings: &[StationStatus]) -> Result<usize> {
        let deliveries = Arc::clone(self.producer.context());
        let before = deliveries.lock().acknowledged;
        let sent = self.send(readings);
        let mut count = deliveries.wait_for_all(self.delivery);
        if count.open > 0 {
            self.producer.purge(PurgeConfig::default().queue().inflight());
            count = Count { open: count.open, ..deliveries.wait_for_all(self.delivery) };
        }
        let acknowledged = count.acknowledged - before;
        let reason = match (count.error, sent) {
            _ if count.open > 0 => format!("the broker has not answered for {} seconds", self.delivery.as_secs()),
            (None, Ok(())) => return Ok(acknowledged),
            (Some(error), _) => error.to_string(),
            (None, Err(error)) if acknowledged == 0 => return Err(error.at(Place::Topic(self.topic.clone()))),
            (None, Err(error)) => error.to_string(),
        };
        Err(self.failed(format!("{acknowledged} of {} readings were acknowledged: {reason}", readings.len())))
    }
}

/// The delivery reports of what is sent.
struct Deliveries {
    count: Mutex<Count>,
    changed: Condvar,
    topic: String,
    gate: Option<Arc<Gate>>,
}

#[derive(Default)]
struct Count {
    open: usize,
    acknowledged: usize,
    error: Option<KafkaError>,
    /// For each partition the offset that our next message will have if nobody else writes.
    next: BTreeMap<i32, i64>,
    foreign: u64,
}

/// How long a full queue is waited for before it is tried again.
const GLANCE: Duration = Duration::from_millis(100);

impl Deliveries {
    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One message of `bytes` was acknowledged, or will never be.
    fn settle(&self, bytes: usize, error: Option<KafkaError>) {
        let mut count = self.lock();
        count.open = count.open.saturating_sub(1);
        match error {
            None => count.acknowledged += 1,
            Some(error) => {
                if let Some(gate) = &self.gate {
                    gate.leave(bytes);
                }
                count.error.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }

    /// A message of ours stands at this offset, and what stands between it and the one before is somebody else's.
    fn note(&self, partition: i32, offset: i64) {
        let count = &mut *self.lock();
        if offset < 0 {
            // Acknowledged as one that the broker had already, without saying where: what comes next cannot be compared.
            count.next.remove(&partition);
        } else if let Some(next) = count.next.get_mut(&partition) {
            count.foreign += u64::try_from(offset - *next).unwrap_or_default();
            *next = offset + 1;
        }
    }

    /// Returns when something was settled, so that there is room in the library's queue, or after a while; whether something was.
    fn wait_for_any(&self) -> bool {
        let count = self.lock();
        let waited = self.changed.wait_timeout(count, GLANCE);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Returns when all is settled, or when nothing was for as long as `wait`. What was counted; an error is told once.
    fn wait_for_all(&self, wait: Duration) -> Count {
        let mut count = self.lock();
        loop {
            let open = count.open;
            let (after, waited) = self
                .changed
                .wait_timeout_while(count, wait, |count| count.open >= open && open > 0)
                .unwrap_or_else(PoisonError::into_inner);
            count = after;
            if count.open == 0 || waited.timed_out() {
                let Count { open, acknowledged, .. } = *count;
                return Count { open, acknowledged, error: count.error.take(), ..Count::default() };
            }
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        if let Some(gate) = &self.gate {
            gate.publisher_goes();
        }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                if message.topic() == self.topic {
                    self.note(message.partition(), message.offset());
                }
                self.settle(0, None);
            }
            Err((error, message)) => {
                let bytes = message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len);
                self.settle(bytes, Some(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::{Broker, TopicSettings, ensure_topic};
    use crate::station::StationCode;
    use chrono::DateTime;

    fn readings(count: i64) -> Vec<StationStatus> {
        let reading = |second| {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
        };
        (0..count).map(reading).collect()
    }

    #[test]
    fn what_is_not_delivered_is_an_error_that_says_how_much_was() {
        let broker = Broker::embedded().unwrap();
        ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
        let mut publisher = Publisher::with(broker.handle(), "velib", Duration::from_secs(4)).unwrap();
        assert_eq!(publisher.publish(&readings(3)).unwrap(), 3);
        assert_eq!(publisher.publish(&[]).unwrap(), 0);
        let before = format!("{:?}", broker.handle().gate());
        broker.cluster().unwrap().broker_down(-1).unwrap();
        let error = publisher.publish(&readings(2)).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Kafka, Some(&Place::Topic("velib".into()))));
        assert!(error.message().starts_with("0 of 2 readings were acknowledged: "), "{error}");
        assert_eq!(format!("{:?}", broker.handle().gate()), before, "what was not delivered takes no room");
    }

    #[test]
    fn a_topic_that_is_not_there_is_named_before_anything_is_sent() {
        let broker = Broker::embedded().unwrap();
        let error = Publisher::new(broker.handle(), "velib").err().unwrap();
        assert!(error.to_string().starts_with("topic velib: there is no such topic on Kafka at "), "{error}");
        assert!(broker.handle().gate().unwrap().publishers_gone().is_some());
    }

    #[test]
    fn publishing_where_nobody_reads_ends_with_an_error_instead_of_a_wait() {
        let broker = Broker::embedded().unwrap();
        ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
        drop(crate::kafka::Consumer::new(broker.handle(), "velib", "test").unwrap());
        let mut publisher = Publisher::new(broker.handle(), "velib").unwrap();
        let error = publisher.publish(&readings(20_000)).unwrap_err();
        assert!(
            error.message().contains(" of 20000 readings were acknowledged: the embedded broker is full"),
            "{error}"
        );
        assert!(!error.message().starts_with("0 of"), "{error}");
    }
}
