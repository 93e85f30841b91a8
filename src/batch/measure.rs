//! What a collector is measured by from outside.

use chrono::{DateTime, Utc};

use super::collect::Collected;
use crate::ingest::{Counter, Gauge, Metrics};

/// The numbers of a collector, told after each write.
#[derive(Clone, Debug)]
pub struct CollectMetrics {
    written: Counter,
    repeated: Counter,
    set_aside: Counter,
    lag: Gauge,
    last_write: Gauge,
    /// What was counted so far.
    counted: Collected,
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
            counted: Collected::default(),
        }
    }

    /// Counts what was collected until `now`, all of it written and synced.
    pub fn note(&mut self, collected: &Collected, now: DateTime<Utc>) {
        self.written.add(collected.written - self.counted.written);
        self.repeated.add(collected.repeated - self.counted.repeated);
        self.set_aside.add(collected.set_aside - self.counted.set_aside);
        self.last_write.set(now.timestamp_millis() as f64 / 1000.0);
        self.counted = *collected;
    }

    /// For [`CollectSettings::lag`](super::CollectSettings::lag).
    pub fn lag(&self) -> &Gauge {
        &self.lag
    }
}
