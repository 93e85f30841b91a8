//! What the loop that polls is measured by from outside.

use super::publish::PollReport;
use crate::error::Error;
use crate::ingest::{Counter, Gauge, Metrics};

/// The numbers of a publisher, told of each poll by `on_poll` of [`publish`](fn@super::publish).
#[derive(Clone, Debug)]
pub struct PublishMetrics {
    polls: Counter,
    failed: Counter,
    incomplete: Counter,
    received: Counter,
    published: Counter,
    repeated: Counter,
    set_aside: Counter,
    last_poll: Gauge,
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
            last_poll: metrics.gauge(
                "velib_last_poll_timestamp_seconds",
                "When the last poll that brought a snapshot was made, in Unix time.",
            ),
        }
    }

    /// Counts one poll.
    pub fn note(&self, poll: Result<&PollReport, &Error>) {
        let Ok(poll) = poll else { return self.failed.add(1) };
        self.polls.add(1);
        self.incomplete.add(u64::from(!poll.complete));
        self.received.add(poll.received as u64);
        self.published.add(poll.published as u64);
        self.repeated.add(poll.repeated as u64);
        self.set_aside.add(poll.set_aside.len() as u64);
        self.last_poll.set(poll.fetched_at.timestamp_millis() as f64 / 1000.0);
    }
}
