//! The producer: what [`Publisher::publish`] returns from is on the broker.
//!
//! It is idempotent (a retry is not a second message, and order is kept) and waits for all replicas. The client library
//! works in the background; here is only the count of what it acknowledged.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

use super::broker::BrokerHandle;
use super::gate::Gate;
use super::message::encode_into;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationStatus;

/// How long the library tries to deliver a message before it reports that it could not.
const DELIVERY: Duration = Duration::from_secs(30);

/// Where readings go: the topic, or whatever a test puts in its place.
pub trait Sink {
    /// Takes all readings, in this order, and returns how many when the last of them is kept for good.
    fn publish(&mut self, readings: &[StationStatus]) -> Result<usize>;
}

/// Publishes readings to one topic: keyed by station, with the event time for a timestamp.
///
/// An event time of 1970-01-01T00:00:00Z, which some feeds send for "never", cannot be told from none in the library's
/// call: such a message bears the time of publishing. Its value says what the feed said.
pub struct Publisher {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    value: Vec<u8>,
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
            .set("message.timeout.ms", delivery.as_millis().to_string());
        let gate = broker.gate().cloned();
        if let Some(gate) = &gate {
            gate.publisher_comes();
        }
        let deliveries = Deliveries { count: Mutex::default(), changed: Condvar::new(), gate };
        let producer: ThreadedProducer<Deliveries> = config
            .create_with_context(deliveries)
            .map_err(|error| broker.failed("no client to publish with", &error))?;
        broker.existing(producer.client(), topic)?;
        Ok(Self { producer, topic: topic.to_owned(), value: Vec::with_capacity(512) })
    }

    /// Hands all readings to the library, which sends them while this goes on.
    fn send(&mut self, readings: &[StationStatus]) -> Result<()> {
        let deliveries = Arc::clone(self.producer.context());
        for reading in readings {
            let key = reading.station_code.as_str();
            encode_into(reading, &mut self.value)?;
            if let Some(gate) = &deliveries.gate {
                gate.enter(key.len() + self.value.len())?;
            }
            let time = reading.last_reported.timestamp_millis();
            let mut record = BaseRecord::to(&self.topic).key(key).payload(&self.value).timestamp(time);
            deliveries.lock().open += 1;
            while let Err((error, unsent)) = self.producer.send(record) {
                if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    deliveries.settle(key.len() + self.value.len(), Some(error));
                    return Ok(());
                }
                record = unsent;
                deliveries.wait_for_any();
            }
        }
        Ok(())
    }
}

impl Sink for Publisher {
    /// Publishes all readings and waits until the broker has acknowledged each. If it does not, the error says how many of
    /// how many it did.
    fn publish(&mut self, readings: &[StationStatus]) -> Result<usize> {
        let sent = self.send(readings);
        let Count { acknowledged, error, .. } = self.producer.context().wait_for_all();
        let reason = match (error, sent) {
            (None, Ok(())) => return Ok(acknowledged),
            (Some(error), _) => error.to_string(),
            (None, Err(error)) if acknowledged == 0 => return Err(error.at(Place::Topic(self.topic.clone()))),
            (None, Err(error)) => error.to_string(),
        };
        let message = format!("{acknowledged} of {} readings were acknowledged: {reason}", readings.len());
        Err(Error::new(ErrorKind::Kafka, message)
            .at(Place::Topic(self.topic.clone()))
            .way_out("start again when the broker is back: what the topic holds is not published twice"))
    }
}

/// The delivery reports of what one call publishes.
struct Deliveries {
    count: Mutex<Count>,
    changed: Condvar,
    gate: Option<Arc<Gate>>,
}

#[derive(Default)]
struct Count {
    open: usize,
    acknowledged: usize,
    error: Option<KafkaError>,
}

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

    /// Returns when something was settled: there is room in the library's queue.
    fn wait_for_any(&self) {
        let count = self.lock();
        drop(self.changed.wait_timeout(count, Duration::from_millis(100)));
    }

    /// Returns when all is settled, which the library promises for every message within its delivery time.
    fn wait_for_all(&self) -> Count {
        let count = self.lock();
        let mut count = self.changed.wait_while(count, |count| count.open > 0).unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut count)
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
            Ok(_) => self.settle(0, None),
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
