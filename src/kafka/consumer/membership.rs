//! What the group tells this member: which partitions are its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;

use crate::ingest::Gauge;

/// Which partitions the group has given to this member.
#[derive(Default)]
pub(super) struct Membership {
    /// Counts the assignments and what was taken away: asked after each message.
    pub(super) epoch: AtomicU64,
    assigned: Mutex<Option<BTreeSet<i32>>>,
    /// Where it is shown how many messages are not acknowledged.
    pub(super) lag: OnceLock<Gauge>,
}

impl Membership {
    pub(super) fn assigned(&self) -> MutexGuard<'_, Option<BTreeSet<i32>>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Membership {
    /// Each stands in the answer of a poll too; the end of a partition is no error at all.
    fn error(&self, _: KafkaError, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        let assigned = self.assigned();
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let own = partitions.filter(|one| assigned.as_ref().is_some_and(|all| all.contains(&one.partition)));
        // Negative where nothing was acknowledged or heard of yet.
        let known: Vec<u64> = own.filter_map(|one| u64::try_from(one.consumer_lag).ok()).collect();
        if let Some(gauge) = self.lag.get().filter(|_| !known.is_empty()) {
            gauge.set(known.iter().sum::<u64>() as f64);
        }
    }
}

impl ConsumerContext for Membership {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        *self.assigned() = match rebalance {
            Rebalance::Assign(all) => Some(all.elements().iter().map(|one| one.partition()).collect()),
            Rebalance::Revoke(_) | Rebalance::Error(_) => None,
        };
        self.epoch.fetch_add(1, Ordering::Release);
    }
}
