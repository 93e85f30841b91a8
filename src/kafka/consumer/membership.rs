//! What the group tells this member: which partitions are its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};

/// Which partitions the group has given to this member.
#[derive(Default)]
pub(super) struct Membership {
    /// Counts the assignments and what was taken away: asked after each message.
    pub(super) epoch: AtomicU64,
    assigned: Mutex<Option<BTreeSet<i32>>>,
}

impl Membership {
    pub(super) fn assigned(&self) -> MutexGuard<'_, Option<BTreeSet<i32>>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        *self.assigned() = match rebalance {
            Rebalance::Assign(all) => Some(all.elements().iter().map(|one| one.partition()).collect()),
            Rebalance::Revoke(_) | Rebalance::Error(_) => None,
        };
        self.epoch.fetch_add(1, Ordering::Release);
    }
}
