//! What a collector is measured by from outside.

use chrono::{DateTime, Utc};

use super::collect::Appended;
use crate::ingest::{Counter, Gauge, Metrics};

/// The numbers of a collector, told after each write.
#[derive(Clone, Debug)]
pub struct CollectMetrics {
    written: Counter,
    repeated: Counter,
    set_aside: Counter,
    lag: Gauge,
    last_write: Gauge,
}

impl CollectMetrics {
    /// Puts them among `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            written: metrics.counter("velib_collector_rows_written_total", "Readings written to the file and synced."),
            repeated: metrics
                .counter("velib_collector_rows_repeated_total", "Readings left out because the file holds them."),
            set_aside: metrics
                .counter("velib_collector_set_aside_total", "Messages that are no readings, and are kept."),
            lag: metrics.gauge(
                "velib_collector_lag_messages",
                "Messages in this member's partitions that are not acknowledged.",
            ),
            last_write: metrics.gauge(
                "velib_collector_last_write_timestamp_seconds",
                "When something was written and synced last, in Unix time.",
            ),
        }
    }

    /// Counts what was written and synced at `now`, with so many messages set aside.
    pub fn note(&self, appended: Appended, set_aside: usize, now: DateTime<Utc>) {
        self.written.add(appended.written);
        self.repeated.add(appended.repeated);
        self.set_aside.add(set_aside as u64);
        self.last_write.set(now.timestamp_millis() as f64 / 1000.0);
    }

    /// For [`Consumer::showing_lag`](crate::kafka::Consumer::showing_lag).
    pub fn lag(&self) -> &Gauge {
        &self.lag
    }
}
