//! A source that is published on a thread of its own while this thread consumes: how an example reads Kafka when nobody
//! else publishes to it.

use std::fmt;
use std::thread::JoinHandle;

use super::broker::Broker;
use super::producer::Publisher;
use super::publish::{PublishEvent, PublishSettings, PublishTotals, publish};
use super::seen::TopicMemory;
use super::topic::{TopicReport, TopicSettings, ensure_topic};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Clock, Source, SystemClock, VirtualClock};

/// A publisher at work. Dropped without [`join`](Self::join) it goes on by itself.
pub struct Feeder {
    topic: TopicReport,
    thread: JoinHandle<Result<PublishTotals>>,
}

impl Broker {
    /// Publishes what `source` has and `topic` has not, on a thread of its own, and creates the topic if it is missing.
    ///
    /// A recording or a simulation, which keeps its own times, is published as fast as it is consumed, some thousand
    /// readings together; a live source every minute, each poll by itself.
    pub fn feed(&self, topic: &str, source: Box<dyn Source>) -> Result<Feeder> {
        let settings = PublishSettings::suiting(&*source);
        self.feed_with(&TopicSettings::named(topic), source, settings, |_| ())
    }

    /// The same, by settings of the caller's, who is told what happens: on the publisher's thread.
    pub fn feed_with(
        &self,
        topic: &TopicSettings,
        mut source: Box<dyn Source>,
        settings: PublishSettings,
        mut on_event: impl FnMut(PublishEvent<'_>) + Send + 'static,
    ) -> Result<Feeder> {
        let report = ensure_topic(self, topic)?;
        let mut memory = TopicMemory::of(self.handle(), &topic.name, &*source)?;
        // Made here, not on the thread: a consumer that starts now must not take the topic for finished.
        let mut publisher = Publisher::new(self.handle(), &topic.name)?.after(&memory);
        let work = move || {
            let clock: Box<dyn Clock> = match source.next_due() {
                Some(start) => Box::new(VirtualClock::new(start)),
                None => Box::new(SystemClock),
            };
            publish(&mut *source, &mut publisher, &mut memory, &*clock, &settings, &mut on_event)
        };
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(work)
            .map_err(|error| Error::new(ErrorKind::Kafka, format!("no thread to publish on: {error}")))?;
        Ok(Feeder { topic: report, thread })
    }
}

impl Feeder {
    /// The topic that it publishes to, which knows what a real broker's settings would lose.
    pub fn topic(&self) -> &TopicReport {
        &self.topic
    }

    /// Waits until the source has come to its end and all of it is published; what that amounted to, or why it failed.
    pub fn join(self) -> Result<PublishTotals> {
        let panicked = |_| Err(Error::new(ErrorKind::Kafka, "the thread that publishes broke down"));
        self.thread.join().unwrap_or_else(panicked)
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeder").field("finished", &self.thread.is_finished()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::*;
    use crate::ingest::Snapshot;
    use crate::kafka::Consumer;
    use crate::station::{StationCode, StationStatus};

    /// `polls` polls of `stations` stations, five minutes apart; fails instead of ending if it is told to.
    struct Network {
        stations: usize,
        polls: usize,
        made: usize,
        fails: bool,
    }

    fn network(stations: usize, polls: usize) -> Network {
        Network { stations, polls, made: 0, fails: false }
    }

    fn event_time(poll: usize) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(5) * i32::try_from(poll + 1).unwrap()
    }

    impl Source for Network {
        fn poll(&mut self) -> Result<Option<Snapshot>> {
            if self.made == self.polls {
                let broken = Error::new(ErrorKind::Feed, "the recording breaks off");
                return if self.fails { Err(broken) } else { Ok(None) };
            }
            let at = event_time(self.made);
            let reading = |station: usize| StationStatus {
                name: Some("Benjamin Godard - Victor Hugo".into()),
                is_installed: Some(true),
                capacity: Some(35),
                docks_available: Some(u32::try_from((station * 7 + self.made) % 36).unwrap()),
                bikes_available: Some(u32::try_from((station * 5 + self.made) % 36).unwrap()),
                lat: Some(48.865_983 + station as f64 * 1e-5),
                lon: Some(2.275_725),
                commune: Some("Paris".into()),
                ..StationStatus::unknown(StationCode::new(&station.to_string()).unwrap(), at, at)
            };
            let readings = (0..self.stations).map(reading).collect();
            self.made += 1;
            Ok(Some(Snapshot { fetched_at: at, readings, counted: Some(self.stations as u64), set_aside: vec![] }))
        }

        fn next_due(&self) -> Option<DateTime<Utc>> {
            (self.made < self.polls || self.fails).then(|| event_time(self.made))
        }

        fn describe(&self) -> String {
            "a network made up for a test".to_owned()
        }
    }

    /// Everything in the topic, with how often each reading came.
    fn read_to_end(consumer: &mut Consumer) -> (HashSet<(String, DateTime<Utc>)>, usize) {
        let (mut keys, mut count) = (HashSet::new(), 0);
        loop {
            let batch = consumer.next_batch(10_000, Duration::from_secs(1)).unwrap();
            assert!(batch.set_aside.is_empty());
            count += batch.readings.len();
            keys.extend(batch.readings.iter().map(|reading| (reading.station_code.to_string(), reading.last_reported)));
            let at_end = batch.at_end;
            consumer.acknowledge(batch).unwrap();
            if at_end {
                return (keys, count);
            }
        }
    }

    #[test]
    fn several_times_more_than_the_embedded_broker_keeps_goes_through_it_and_nothing_is_lost() {
        let (stations, polls) = (1_421, 212);
        let broker = Broker::embedded().unwrap();
        let feeder = broker.feed("velib", Box::new(network(stations, polls))).unwrap();
        // The consumer comes when the publisher already waits for it.
        while !broker.handle().gate().unwrap().is_full() && !feeder.thread.is_finished() {
            std::thread::yield_now();
        }
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        let (keys, count) = read_to_end(&mut consumer);
        let totals = feeder.join().unwrap();
        assert_eq!((totals.published, totals.polls, totals.repeated), (stations * polls, polls as u64, 0));
        assert_eq!(count, stations * polls);
        let all = (0..stations).flat_map(|code| (0..polls).map(move |poll| (code.to_string(), event_time(poll))));
        assert!(keys == all.collect());
    }

    #[test]
    fn a_topic_that_is_fed_again_gets_only_what_it_has_not() {
        let broker = Broker::embedded().unwrap();
        assert_eq!(broker.feed("velib", Box::new(network(9, 4))).unwrap().join().unwrap().published, 36);
        let again = broker.feed("velib", Box::new(network(9, 5))).unwrap().join().unwrap();
        assert_eq!((again.published, again.repeated), (9, 36));
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        assert_eq!(read_to_end(&mut consumer).1, 45);
    }

    #[test]
    fn a_source_that_fails_lets_the_consumer_come_to_the_end_and_is_told_by_join() {
        let broker = Broker::embedded().unwrap();
        let feeder = broker.feed("velib", Box::new(Network { fails: true, ..network(9, 4) })).unwrap();
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        assert_eq!(read_to_end(&mut consumer).1, 36);
        assert_eq!(feeder.join().unwrap_err().message(), "the recording breaks off");
    }

    #[test]
    fn a_consumer_that_goes_away_ends_the_feeder_instead_of_holding_it() {
        let broker = Broker::embedded().unwrap();
        let feeder = broker.feed("velib", Box::new(network(1_421, 30))).unwrap();
        let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
        assert!(!consumer.next_batch(100, Duration::from_secs(5)).unwrap().readings.is_empty());
        drop(consumer);
        let error = feeder.join().unwrap_err();
        assert!(error.message().contains("the embedded broker is full, and its consumer has gone"), "{error}");
    }
}
