//! The broker: a real Kafka, or one inside this process for runs that have none.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::gate::Gate;
use super::hearing::{Hearing, Refusal};
use super::properties::ClientProperties;
use crate::error::{Error, ErrorKind, Place, Result};

/// How long a broker may take to accept a connection, and again to answer the first question.
const HELLO: Duration = Duration::from_secs(4);

/// How long a broker that answered once may take for any later question.
pub(super) const ANSWER: Duration = Duration::from_secs(15);

/// How long is listened for why a broker did not answer.
const HEARSAY: Duration = Duration::from_millis(500);

const HOW_TO_START: &str = "start one by `.ci/kafka start` or `docker compose up`, or leave --brokers out";

/// A broker, and for the embedded one its life: it ends when this is dropped.
///
/// Stays on the thread that made it. What publishes and consumes elsewhere takes its [`handle`](Self::handle).
pub struct Broker {
    handle: BrokerHandle,
    embedded: Option<MockCluster<'static, DefaultProducerContext>>,
}

/// How to reach a broker. Cheap to clone and to send to another thread.
#[derive(Clone, Debug)]
pub struct BrokerHandle {
    address: Arc<str>,
    gate: Option<Arc<Gate>>,
    properties: Arc<ClientProperties>,
}

impl Broker {
    /// A real Kafka at `HOST:PORT[,HOST:PORT]`, without TLS or a user. An error within seconds if none of them answers.
    pub fn connect(brokers: &str) -> Result<Self> {
        Self::connect_with(brokers, ClientProperties::default())
    }

    /// The same by TLS, as a user, or whatever else `properties` say; they reach every client that works on this broker.
    pub fn connect_with(brokers: &str, properties: ClientProperties) -> Result<Self> {
        let brokers: Vec<&str> = brokers.split(',').map(str::trim).collect();
        for broker in &brokers {
            check_address(broker)?;
        }
        let address = brokers.join(",").into();
        let handle = BrokerHandle { address, gate: None, properties: Arc::new(properties) };
        if let Some(reason) = unreachable(&brokers) {
            return Err(handle.error(format!("no broker there: {reason}")).way_out(HOW_TO_START));
        }
        let client: BaseConsumer<Hearing> = handle
            .config()
            .create_with_context(Hearing::default())
            .map_err(|error| handle.failed("no client", &error))?;
        match client.fetch_metadata(None, HELLO) {
            Ok(_) => Ok(Self { handle, embedded: None }),
            Err(error) => Err(handle.silent(&client, &error)),
        }
    }

    /// A broker inside this process, for one publisher and one consumer at a time. It keeps nothing after the run, and
    /// while it runs only what is not acknowledged yet: who publishes waits for who consumes.
    pub fn embedded() -> Result<Self> {
        let cluster = MockCluster::new(1).map_err(|error| {
            Error::new(ErrorKind::Kafka, format!("the embedded broker did not start: {error}"))
                .way_out("give a real Kafka by --brokers HOST:PORT")
        })?;
        let gate = Some(Arc::new(Gate::new()));
        let handle = BrokerHandle { address: cluster.bootstrap_servers().into(), gate, properties: Arc::default() };
        Ok(Self { handle, embedded: Some(cluster) })
    }

    /// What this is, for the first lines that a program prints.
    pub fn describe(&self) -> String {
        match self.embedded {
            Some(_) => "an embedded broker, inside this process: it keeps nothing after the run".to_owned(),
            None => self.handle.place().to_string(),
        }
    }

    /// Whether this is the embedded broker.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// How to reach it, from any thread.
    pub fn handle(&self) -> &BrokerHandle {
        &self.handle
    }

    pub(super) fn cluster(&self) -> Option<&MockCluster<'static, DefaultProducerContext>> {
        self.embedded.as_ref()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("address", &self.handle.address).field("embedded", &self.is_embedded()).finish()
    }
}

impl BrokerHandle {
    /// `HOST:PORT[,HOST:PORT]`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The settings that every client shares.
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &*self.address).set("client.id", "velib");
        self.properties.apply(&mut config);
        config
            // A topic is created with its partitions and its retention, or not at all.
            .set("allow.auto.create.topics", "false");
        config
    }

    /// Whether it is the embedded broker.
    pub fn is_embedded(&self) -> bool {
        self.gate.is_some()
    }

    pub(super) fn gate(&self) -> Option<&Arc<Gate>> {
        self.gate.as_ref()
    }

    pub(super) fn place(&self) -> Place {
        Place::Brokers(self.address.to_string())
    }

    pub(super) fn error(&self, message: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Kafka, message).at(self.place())
    }

    pub(super) fn failed(&self, what: &str, error: &KafkaError) -> Error {
        match error {
            // It would show the value, which may be a key or a password.
            KafkaError::ClientConfig(_, reason, key, _) => self.error(format!("{what}: `{key}`: {reason}")),
            error => self.error(format!("{what}: {error}")),
        }
    }

    /// Why a broker that takes connections does not answer: what it said to TLS or to the user, if it said something.
    fn silent(&self, client: &BaseConsumer<Hearing>, error: &KafkaError) -> Error {
        let deadline = Instant::now() + HEARSAY;
        while client.context().refusal().is_none() && Instant::now() < deadline {
            // What it tells is told while it is polled; there is nothing to read.
            let _nothing = client.poll(HEARSAY / 10);
        }
        match client.context().refusal() {
            Some(Refusal { is_tls: true, reason }) => self
                .error(format!("no TLS with it: {reason}"))
                .way_out("check security.protocol and the ssl. keys of --kafka-config"),
            Some(Refusal { is_tls: false, reason }) => self
                .error(format!("it refuses the user or the password: {reason}"))
                .way_out("check the sasl. keys of --kafka-config"),
            None => self.failed("it takes connections but does not answer as a Kafka broker", error).way_out(
                "if it speaks TLS or asks for a user, say so by --kafka-config; else ".to_owned() + HOW_TO_START,
            ),
        }
    }

    /// The number of partitions of a topic; `None` if there is no such topic (yet).
    pub(super) fn partitions<C: ClientContext>(&self, client: &Client<C>, topic: &str) -> Result<Option<i32>> {
        let metadata = client
            .fetch_metadata(Some(topic), ANSWER)
            .map_err(|error| self.failed("the topics could not be asked for", &error))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        // A partition without a leader was created a moment ago; nothing can be read or written before it has one.
        let ready = found.filter(|found| found.partitions().iter().all(|partition| partition.leader() >= 0));
        Ok(ready.and_then(|found| i32::try_from(found.partitions().len()).ok()).filter(|&count| count > 0))
    }

    /// The partitions of a topic that must be there.
    pub(super) fn existing<C: ClientContext>(&self, client: &Client<C>, topic: &str) -> Result<i32> {
        self.partitions(client, topic)?.ok_or_else(|| {
            Error::new(ErrorKind::Kafka, format!("there is no such topic on {}", self.place()))
                .at(Place::Topic(topic.to_owned()))
                .way_out("publish to it first, or check --topic")
        })
    }
}

/// `HOST:PORT`, whatever the host.
fn check_address(broker: &str) -> Result<()> {
    let right = broker.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if right {
        return Ok(());
    }
    Err(Error::usage("--brokers", format!("`{broker}` is not HOST:PORT"))
        .way_out("write localhost:9092, or several with commas between them"))
}

/// Why none of the brokers takes a connection; `None` as soon as one does. Told by the system in an instant, where the
/// client library would try again until its time is over and then say less.
fn unreachable(brokers: &[&str]) -> Option<String> {
    let mut reason = String::new();
    for broker in brokers {
        let addresses = match broker.to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => {
                reason = error.to_string();
                continue;
            }
        };
        for address in addresses {
            match TcpStream::connect_timeout(&address, HELLO) {
                Ok(_) => return None,
                Err(error) => reason = error.to_string(),
            }
        }
    }
    Some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_address_without_a_port_is_wrong_usage() {
        for wrong in ["localhost", "localhost:", ":9092", "localhost:0", "localhost:99999", "a b:1", "", "h:1,,h:2"] {
            let error = Broker::connect(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{wrong}");
        }
        let error = Broker::connect("localhost").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--brokers: `localhost` is not HOST:PORT; write localhost:9092, or several with commas between them"
        );
    }

    #[test]
    fn a_broker_that_is_away_is_named_with_the_way_to_start_one() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = Broker::connect(&format!("127.0.0.1:{port}")).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Kafka, 1));
        let text = error.to_string();
        assert!(text.starts_with(&format!("Kafka at 127.0.0.1:{port}: no broker there: ")), "{text}");
        assert!(
            text.ends_with("start one by `.ci/kafka start` or `docker compose up`, or leave --brokers out"),
            "{text}"
        );
    }

    #[test]
    fn a_listener_that_is_not_kafka_is_said_to_be_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Broker::connect(&listener.local_addr().unwrap().to_string()).unwrap_err();
        assert!(error.to_string().contains("does not answer as a Kafka broker"), "{error}");
    }

    #[test]
    fn the_embedded_broker_answers_as_a_real_one_and_says_that_it_keeps_nothing() {
        let embedded = Broker::embedded().unwrap();
        assert_eq!(embedded.describe(), "an embedded broker, inside this process: it keeps nothing after the run");
        let as_real = Broker::connect(embedded.handle().address()).unwrap();
        assert_eq!(as_real.describe(), format!("Kafka at {}", embedded.handle().address()));
    }
}
