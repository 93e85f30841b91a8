//! Reading from the embedded broker, whose one consumer takes all partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::membership::Membership;
use crate::error::Result;
use crate::kafka::broker::{ANSWER, BrokerHandle};
use crate::kafka::gate::Gate;

/// Reading from the embedded broker: its one consumer knows for each partition what it will read next.
pub(super) struct Embedded {
    pub(super) gate: Arc<Gate>,
    pub(super) next: BTreeMap<i32, i64>,
    /// After so many publishers, where the partitions end; known when all have finished.
    ends: Option<(u64, BTreeMap<i32, i64>)>,
}

impl Embedded {
    pub(super) fn start(
        client: &BaseConsumer<Membership>,
        broker: &BrokerHandle,
        topic: &str,
        partitions: i32,
        gate: &Arc<Gate>,
    ) -> Result<Self> {
        let failed = |error: KafkaError| broker.failed(&format!("topic {topic} could not be opened"), &error);
        let mut all = TopicPartitionList::new();
        all.add_partition_range(topic, 0, partitions - 1);
        let committed = client.committed_offsets(all, ANSWER).map_err(failed)?;
        let (mut start, mut next) = (TopicPartitionList::new(), BTreeMap::new());
        for one in committed.elements() {
            let offset = match one.offset() {
                Offset::Offset(offset) => offset,
                _ => client.fetch_watermarks(topic, one.partition(), ANSWER).map_err(failed)?.0,
            };
            start.add_partition_offset(topic, one.partition(), Offset::Offset(offset)).map_err(failed)?;
            next.insert(one.partition(), offset);
        }
        client.assign(&start).map_err(failed)?;
        gate.consumer_comes();
        Ok(Self { gate: Arc::clone(gate), next, ends: None })
    }

    pub(super) fn at_end(
        &mut self,
        client: &BaseConsumer<Membership>,
        broker: &BrokerHandle,
        topic: &str,
    ) -> Result<bool> {
        let Some(publishers) = self.gate.publishers_gone() else { return Ok(false) };
        if self.ends.as_ref().is_none_or(|&(known, _)| known != publishers) {
            let end = |&partition: &i32| {
                let watermarks = client.fetch_watermarks(topic, partition, ANSWER);
                watermarks.map(|(_, high)| (partition, high))
            };
            let ends: std::result::Result<_, KafkaError> = self.next.keys().map(end).collect();
            let ends = ends.map_err(|error| broker.failed(&format!("the end of topic {topic} is unknown"), &error))?;
            self.ends = Some((publishers, ends));
        }
        let is_read = |(partition, end): (&i32, &i64)| self.next.get(partition) >= Some(end);
        Ok(self.ends.as_ref().is_some_and(|(_, ends)| ends.iter().all(is_read)))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.gate.consumer_goes();
    }
}
