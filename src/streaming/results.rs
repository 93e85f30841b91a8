//! A topic of results: each window that changed, as soon as it is written, for whoever wants to follow rather than ask.
//!
//! Published before the store's transaction, with the group's offsets: if this process is killed between the two, the store is
//! behind, the same messages are read again, and what they change is known to have been published.

use std::collections::BTreeMap;

use super::store::{Progress, StationWindow};
use crate::error::{Error, ErrorKind, Result};
use crate::kafka::{GroupMember, TransactionalPublisher};

/// Publishes windows.
pub(super) struct Results {
    publisher: TransactionalPublisher,
    /// Up to where the results of each partition have been published.
    published: BTreeMap<i32, i64>,
}

impl Results {
    pub(super) fn new(publisher: TransactionalPublisher) -> Self {
        Self { publisher, published: BTreeMap::new() }
    }

    /// Asks again how far the group has come, in the partitions where the store stands somewhere: of what a new store
    /// reads again nothing counts as published.
    pub(super) fn locate(&mut self, stored: &BTreeMap<i32, i64>) -> Result<()> {
        self.published = self.publisher.published()?;
        self.published.retain(|partition, _| stored.contains_key(partition));
        Ok(())
    }

    /// Publishes the windows that these messages changed, unless that was done before. `false` if this process has been
    /// replaced in the group: nothing is published then.
    pub(super) fn publish(
        &mut self,
        progress: &Progress,
        member: &GroupMember,
        windows: impl FnOnce() -> Vec<StationWindow>,
    ) -> Result<bool> {
        let next: BTreeMap<i32, i64> =
            progress.partitions.iter().map(|(&partition, span)| (partition, span.to)).collect();
        if next.iter().all(|(partition, to)| self.published.get(partition) >= Some(to)) {
            return Ok(true);
        }
        let message = |row: &StationWindow| {
            let value = serde_json::to_vec(row).map_err(|error| {
                Error::new(ErrorKind::Store, format!("a window cannot be written as JSON: {error}"))
            })?;
            Ok((format!("{} {}", row.station_code, row.window.start.format("%FT%TZ")), value))
        };
        let messages = windows().iter().map(message).collect::<Result<Vec<_>>>()?;
        let done = self.publisher.publish(&messages, &next, member)?;
        if done {
            self.published.extend(next);
        }
        Ok(done)
    }
}
