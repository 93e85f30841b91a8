//! The topic: created with its partitions and an explicit retention, or looked at before anything is published to it.
//!
//! The retention trap: Kafka takes a message's age from its timestamp, and here that is the event time. History that is
//! replayed is older than the seven days a topic keeps by default, so the broker deletes it within minutes, without a
//! word, and consumers read nothing. So a topic of ours keeps its readings for ever unless told otherwise, and for a
//! topic of somebody else's [`TopicReport::warning`] says what would be lost.

#[cfg(feature = "spark")]
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;

use super::broker::{ANSWER, Broker, BrokerHandle};
#[cfg(feature = "spark")]
use super::scan::Scan;
use crate::error::{Error, ErrorKind, Place, Result};

/// What a topic is to be if it has to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Its name: up to 249 letters, digits, `.`, `_` and `-`. Default `velib`.
    pub name: String,
    /// Its partitions, at least 1. Default 4.
    pub partitions: u16,
    /// How long it keeps a reading after its event time. Default [`Retention::Forever`].
    pub retention: Retention,
}

/// How long a topic keeps a message, counted from its timestamp, which is the reading's event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Until somebody deletes it: `retention.ms=-1`.
    Forever,
    /// For at least this long.
    For(Duration),
    /// The last message of each key for ever, and those before it for a while: `cleanup.policy=compact`.
    LastOfEachKey,
}

/// What [`ensure_topic`] found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// The topic's name.
    pub name: String,
    /// Whether it was created just now.
    pub created: bool,
    /// How many partitions it has.
    pub partitions: usize,
    /// How long it keeps messages; `None` for the embedded broker, which keeps what is not acknowledged.
    pub retention: Option<Retention>,
    /// What else in its settings loses readings, a sentence each; empty for a topic created here.
    pub cautions: Vec<String>,
    brokers: String,
}

/// Creates the topic if it is missing; one that exists is left as it is. See [`TopicReport::warning`].
pub fn ensure_topic(broker: &Broker, settings: &TopicSettings) -> Result<TopicReport> {
    settings.check()?;
    let handle = broker.handle();
    let admin: AdminClient<DefaultClientContext> =
        handle.config().create().map_err(|error| handle.failed("no client", &error))?;
    let existing = handle.partitions(admin.inner(), &settings.name)?;
    if existing.is_none() {
        match broker.cluster() {
            Some(cluster) => cluster
                .create_topic(&settings.name, i32::from(settings.partitions), 1)
                .map_err(|error| settings.failed(&error.to_string()))?,
            None => create(&admin, settings)?,
        }
    }
    let partitions = wait_for(handle, &admin, &settings.name)?;
    let (retention, cautions) = match broker.is_embedded() {
        true => (None, Vec::new()),
        false => kept(handle, &admin, &settings.name).map(|(retention, cautions)| (Some(retention), cautions))?,
    };
    Ok(TopicReport {
        name: settings.name.clone(),
        created: existing.is_none(),
        partitions: usize::try_from(partitions).unwrap_or_default(),
        retention,
        cautions,
        brokers: handle.address().to_owned(),
    })
}

/// A topic that must be there, with the cluster that it is of: `CLUSTER/TOPIC`.
#[cfg(feature = "spark")]
pub(crate) fn existing_topic(broker: &BrokerHandle, topic: &str) -> Result<String> {
    let admin: AdminClient<DefaultClientContext> =
        broker.config().create().map_err(|error| broker.failed("no client", &error))?;
    broker.existing(admin.inner(), topic)?;
    let cluster = admin.inner().fetch_cluster_id(ANSWER);
    let cluster = cluster.ok_or_else(|| broker.error("the broker does not say which cluster it is of"))?;
    Ok(format!("{cluster}/{topic}"))
}

/// For each partition of a topic that holds messages the offset after the last.
#[cfg(feature = "spark")]
pub(crate) fn ends_of_topic(broker: &BrokerHandle, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let scan = Scan::new(broker, topic)?;
    let partitions = scan.partitions(broker)?.unwrap_or_default();
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        let (first, end) = scan.ends_of(partition)?;
        if first < end {
            ends.insert(partition, end);
        }
    }
    Ok(ends)
}

impl TopicSettings {
    /// A topic of this name, with 4 partitions, that keeps its readings for ever.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
            return Err(Error::usage("--topic", format!("`{name}` is not a topic name"))
                .way_out("use up to 249 of the letters a-z and A-Z, the digits, `.`, `_` and `-`"));
        }
        if self.partitions == 0 {
            return Err(Error::usage("--partitions", "a topic has at least one partition"));
        }
        Ok(())
    }

    fn failed(&self, reason: &str) -> Error {
        Error::new(ErrorKind::Kafka, format!("it could not be created: {reason}")).at(Place::Topic(self.name.clone()))
    }
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { name: "velib".to_owned(), partitions: 4, retention: Retention::Forever }
    }
}

impl Retention {
    /// The value of `retention.ms`: milliseconds, or -1 for ever.
    pub fn as_millis(self) -> i64 {
        match self {
            Self::Forever | Self::LastOfEachKey => -1,
            Self::For(time) => i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
        }
    }

    fn from_millis(millis: i64) -> Self {
        u64::try_from(millis).map_or(Self::Forever, |millis| Self::For(Duration::from_millis(millis)))
    }
}

impl TopicReport {
    /// What will be lost if readings as old as `oldest` (event time) are published at the time `now`, and the command that
    /// prevents it; `None` if nothing will.
    pub fn warning(&self, oldest: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
        let Some(Retention::For(kept)) = self.retention else { return None };
        let kept = TimeDelta::from_std(kept).ok()?;
        if now - oldest <= kept {
            return None;
        }
        let (name, millis) = (&self.name, kept.num_milliseconds());
        Some(format!(
            "topic {name} has retention.ms={millis} ({}) and the oldest reading to be published is of {}: the broker will \
             delete it and all that are older than that, without a word; prevent it by: kafka-configs.sh \
             --bootstrap-server {} --alter --topic {name} --add-config retention.ms=-1",
            in_words(kept),
            oldest.format("%Y-%m-%d %H:%M UTC"),
            self.brokers,
        ))
    }
}

/// A duration in its largest whole unit.
fn in_words(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    for (unit, length) in [("days", 86_400), ("hours", 3_600), ("minutes", 60)] {
        if seconds >= 2 * length && seconds % length == 0 {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} seconds")
}

/// The longest time that a topic's setting can say, in milliseconds.
const FOREVER: &str = "9223372036854775807";

fn create(admin: &AdminClient<DefaultClientContext>, settings: &TopicSettings) -> Result<()> {
    let retention = settings.retention.as_millis().to_string();
    // Replication -1 is the broker's own default: 1 on one node, more where there are more.
    let topic = NewTopic::new(&settings.name, i32::from(settings.partitions), TopicReplication::Fixed(-1))
        .set("retention.ms", &retention)
        .set("cleanup.policy", if settings.retention == Retention::LastOfEachKey { "compact" } else { "delete" })
        .set("retention.bytes", "-1")
        .set("message.timestamp.type", "CreateTime")
        // One station whose clock runs ahead by more than an hour would have its whole batch refused.
        .set("message.timestamp.after.max.ms", FOREVER);
    let options = AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER));
    let results =
        block_on(admin.create_topics([&topic], &options)).map_err(|error| settings.failed(&error.to_string()))?;
    match results.into_iter().next() {
        // Somebody else created it in between: it is theirs, and reported as it is.
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => Err(settings.failed(&code.to_string())),
        _ => Ok(()),
    }
}

/// The partitions of a topic that was just created: brokers tell of it a moment later.
fn wait_for(handle: &BrokerHandle, admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<i32> {
    let deadline = Instant::now() + ANSWER;
    loop {
        match handle.partitions(admin.inner(), topic)? {
            Some(partitions) => return Ok(partitions),
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            None => return handle.existing(admin.inner(), topic),
        }
    }
}

/// `retention.ms` of a topic, as it holds for it now, and what else in its settings loses readings. A topic whose
/// timestamps are not event times is refused: what it holds could not be told from what is new.
fn kept(
    handle: &BrokerHandle,
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
) -> Result<(Retention, Vec<String>)> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    let failed = |reason: String| handle.error(format!("the settings of topic {topic} could not be read: {reason}"));
    let described = block_on(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options))
        .map_err(|error| failed(error.to_string()))?;
    let resource = described
        .into_iter()
        .next()
        .ok_or_else(|| failed("the answer is empty".to_owned()))?
        .map_err(|code| failed(code.to_string()))?;
    let setting = |name| resource.get(name).and_then(|entry| entry.value.as_deref());
    if setting("message.timestamp.type") == Some("LogAppendTime") {
        let message = "its message.timestamp.type is LogAppendTime, so its messages do not carry their event time";
        return Err(Error::new(ErrorKind::Kafka, message)
            .at(Place::Topic(topic.to_owned()))
            .way_out("take another topic, or set it to CreateTime"));
    }
    let mut cautions = Vec::new();
    if setting("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        cautions.push(format!(
            "topic {topic} has cleanup.policy=compact: the broker keeps only the newest reading of each station"
        ));
    }
    if let Some(bytes) = setting("retention.bytes").filter(|bytes| !bytes.starts_with('-')) {
        cautions.push(format!(
            "topic {topic} has retention.bytes={bytes}: the broker deletes the oldest readings of a larger partition"
        ));
    }
    let value = setting("retention.ms");
    let millis = value.and_then(|value| value.parse().ok());
    let retention = millis.map(Retention::from_millis).ok_or_else(|| failed(format!("retention.ms is {value:?}")))?;
    Ok((retention, cautions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_refuses_are_wrong_usage() {
        let broker = Broker::embedded().unwrap();
        for name in ["", ".", "..", "a b", "vélib", "a/b", &"x".repeat(250)] {
            let error = ensure_topic(&broker, &TopicSettings::named(name)).unwrap_err();
            assert_eq!((error.kind(), error.place()), (ErrorKind::Usage, Some(&Place::Option("--topic"))), "{name}");
        }
        let none = TopicSettings { partitions: 0, ..TopicSettings::default() };
        assert_eq!(ensure_topic(&broker, &none).unwrap_err().kind(), ErrorKind::Usage);
        assert!(ensure_topic(&broker, &TopicSettings::named("x".repeat(249))).is_ok());
    }

    #[test]
    fn a_missing_topic_is_created_once_with_its_partitions() {
        let broker = Broker::embedded().unwrap();
        let settings = TopicSettings { partitions: 3, ..TopicSettings::named("velib.test_1-a") };
        let first = ensure_topic(&broker, &settings).unwrap();
        assert_eq!((first.created, first.partitions, first.retention), (true, 3, None));
        let again = ensure_topic(&broker, &TopicSettings { partitions: 8, ..settings }).unwrap();
        assert_eq!((again.created, again.partitions), (false, 3));
    }

    fn kept_for(retention: Option<Retention>) -> TopicReport {
        let (name, brokers) = ("velib".to_owned(), "h:9092".to_owned());
        TopicReport { name, created: false, partitions: 4, retention, cautions: Vec::new(), brokers }
    }

    #[test]
    fn history_older_than_the_retention_is_warned_of_by_name_value_and_command() {
        let week = kept_for(Some(Retention::For(Duration::from_secs(7 * 86_400))));
        let now: DateTime<Utc> = "2022-06-01T00:00:00Z".parse().unwrap();
        let warning = week.warning(now - TimeDelta::days(20), now).unwrap();
        assert_eq!(
            warning,
            "topic velib has retention.ms=604800000 (7 days) and the oldest reading to be published is of 2022-05-12 00:00 UTC: \
             the broker will delete it and all that are older than that, without a word; prevent it by: kafka-configs.sh \
             --bootstrap-server h:9092 --alter --topic velib --add-config retention.ms=-1"
        );
        assert_eq!(week.warning(now - TimeDelta::days(7), now), None);
        assert!(week.warning(now - TimeDelta::days(7) - TimeDelta::milliseconds(1), now).is_some());
    }

    #[test]
    fn a_topic_that_keeps_for_ever_loses_nothing() {
        let now = Utc::now();
        for retention in [None, Some(Retention::Forever), Some(Retention::For(Duration::MAX))] {
            assert_eq!(kept_for(retention).warning(DateTime::UNIX_EPOCH, now), None);
        }
    }

    #[test]
    fn retention_is_written_as_kafka_writes_it() {
        for retention in [Retention::Forever, Retention::For(Duration::ZERO), Retention::For(Duration::from_secs(60))] {
            assert_eq!(Retention::from_millis(retention.as_millis()), retention);
        }
        assert_eq!((Retention::Forever.as_millis(), in_words(TimeDelta::seconds(90))), (-1, "90 seconds".to_owned()));
    }
}
