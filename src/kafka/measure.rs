//! What the loop that polls is measured by from outside.

use super::publish::{PollReport, PublishEvent};
use crate::ingest::{Counter, Gauge, Metrics};

/// The numbers of a publisher, told what happens by `on_event` of [`publish`](fn@super::publish).
#[derive(Clone, Debug)]
pub struct PublishMetrics {
    polls: Counter,
    failed: Counter,
    incomplete: Counter,
    received: Counter,
    published: Counter,
    repeated: Counter,
    set_aside: Counter,
    dead_letters: Counter,
    last_poll: Gauge,
    lag_median: Gauge,
    lag_worst: Gauge,
    silent: Gauge,
    is_gap: Gauge,
    is_broker_away: Gauge,
}

impl PublishMetrics {
    /// Puts them among `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help);
        Self {
            polls: counter("velib_polls_total", "Polls that brought a snapshot."),
            failed: counter("velib_polls_failed_total", "Polls that failed."),
            incomplete: counter(
                "velib_polls_incomplete_total",
                "Polls that brought a snapshot with something missing.",
            ),
            received: counter("velib_readings_received_total", "Readings that arrived."),
            published: counter("velib_readings_published_total", "New readings that Kafka has acknowledged."),
            repeated: counter("velib_readings_repeated_total", "Readings that the source had shown before."),
            set_aside: counter("velib_records_set_aside_total", "Records that could not be read, and are kept."),
            dead_letters: counter(
                "velib_dead_letters_total",
                "Different records that could not be read and were written as dead letters.",
            ),
            lag_median: metrics.gauge(
                "velib_feed_lag_median_seconds",
                "How old half of the readings of the last poll were at most when they were fetched.",
            ),
            lag_worst: metrics.gauge(
                "velib_feed_lag_worst_seconds",
                "How old the oldest reading of the last poll was when it was fetched.",
            ),
            silent: metrics
                .gauge("velib_stations_silent", "Stations that have reported nothing for more than six hours."),
            is_gap: metrics.gauge("velib_feed_gap", "1 while the feed is not complete, else 0."),
            is_broker_away: metrics.gauge("velib_broker_away", "1 while Kafka acknowledges nothing, else 0."),
            last_poll: metrics.gauge(
                "velib_last_poll_timestamp_seconds",
                "When the last poll that brought a snapshot was made, in Unix time.",
            ),
        }
    }

    /// Counts what happened.
    pub fn note(&self, event: &PublishEvent<'_>) {
        match event {
            PublishEvent::Poll(poll) => self.poll(poll),
            PublishEvent::Failed { .. } => {
                self.failed.add(1);
                self.is_gap.set(1.0);
            }
            PublishEvent::BrokerAway { .. } => self.is_broker_away.set(1.0),
            PublishEvent::BrokerBack { .. } => self.is_broker_away.set(0.0),
            PublishEvent::Polled(_) | PublishEvent::Foreign { .. } => {}
        }
    }

    fn poll(&self, poll: &PollReport) {
        self.polls.add(1);
        self.incomplete.add(u64::from(!poll.complete));
        self.received.add(poll.received as u64);
        self.published.add(poll.published as u64);
        self.repeated.add(poll.repeated as u64);
        self.set_aside.add(poll.set_aside.len() as u64);
        self.dead_letters.add(poll.dead_letters as u64);
        self.last_poll.set(poll.fetched_at.timestamp_millis() as f64 / 1000.0);
        self.silent.set(poll.silent.len() as f64);
        self.is_gap.set(f64::from(u8::from(!poll.complete)));
        if let Some(lag) = poll.lag {
            self.lag_median.set(lag.median.as_seconds_f64());
            self.lag_worst.set(lag.worst.as_seconds_f64());
        }
    }
}
