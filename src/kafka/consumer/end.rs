//! Whether everything was read: one's own partitions, and those of the group's other members.
//!
//! Offsets alone do not tell the end: whoever publishes in transactions ends each with a mark that takes an offset and is no
//! message, and what a compacted topic dropped has left its offsets too. So where the offsets leave it open, the broker is asked
//! for the messages themselves.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::Consumer;
use crate::error::Result;
use crate::kafka::broker::ANSWER;
use crate::kafka::scan::Scan;

impl Consumer {
    /// Whether the group has acknowledged the topic to its end.
    pub(super) fn is_all_acknowledged(&self) -> Result<bool> {
        let mut all = TopicPartitionList::new();
        let partitions = self.broker.existing(self.client.client(), &self.topic)?;
        all.add_partition_range(&self.topic, 0, partitions - 1);
        let failed = |error| self.broker.failed("the group's offsets are unknown", &error);
        let committed = self.client.committed_offsets(all, ANSWER).map_err(failed)?;
        self.is_topic_read(&known_offsets(&committed))
    }

    /// Whether all partitions of the topic were read to their ends, those of other members up to `positions`. To have read
    /// one's own partitions is not enough: another member may be behind, or dead with the group not knowing it yet, and
    /// then its partitions come to those that are still here.
    pub fn is_topic_read(&self, positions: &BTreeMap<i32, i64>) -> Result<bool> {
        let assigned = self.client.context().assigned().clone().unwrap_or_default();
        for partition in 0..self.broker.existing(self.client.client(), &self.topic)? {
            if assigned.contains(&partition) && self.ended.contains(&partition) {
                continue;
            }
            let failed = |error| self.broker.failed("the end of the topic is unknown", &error);
            let (first, end) = self.client.fetch_watermarks(&self.topic, partition, ANSWER).map_err(failed)?;
            // What the topic keeps no more is not waited for.
            let position = positions.get(&partition).map_or(first, |&position| position.max(first));
            if position < end && self.holds_any(partition, position, end)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a message stands between these offsets.
    fn holds_any(&self, partition: i32, from: i64, to: i64) -> Result<bool> {
        let only = |offset| BTreeMap::from([(partition, offset)]);
        let mut is_any = false;
        Scan::new(&self.broker, &self.topic)?.read(&only(from), &only(to), &mut |_| {
            is_any = true;
            ControlFlow::Break(())
        })?;
        Ok(is_any)
    }
}

/// Those of a group's offsets that are known, by partition.
pub(in crate::kafka) fn known_offsets(committed: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let known = committed.elements().into_iter().filter_map(|one| match one.offset() {
        Offset::Offset(offset) => Some((one.partition(), offset)),
        _ => None,
    });
    known.collect()
}
