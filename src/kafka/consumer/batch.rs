//! What is read in one go, and what is needed to acknowledge it.

use std::collections::BTreeMap;

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::error::Place;
use crate::ingest::SetAside;
use crate::kafka::message::{KnownStations, parse, set_aside};
use crate::kafka::transaction::GroupMember;
use crate::station::StationStatus;

/// What was read in one go.
#[derive(Debug)]
pub struct Batch {
    /// The readings, in order within each station.
    pub readings: Vec<StationStatus>,
    /// The messages that are no readings. Acknowledged with the others.
    pub set_aside: Vec<SetAside>,
    /// Whether everything was read: each partition of this consumer to its end. On the embedded broker also that nobody
    /// publishes any more; on a real one somebody may.
    pub at_end: bool,
    /// How many messages the topic had deleted before they were read, by partition. Counted where
    /// [`Consumer::claimed_by`](super::Consumer::claimed_by) made the consumer.
    pub deleted: BTreeMap<i32, i64>,
    /// Which partitions the readings came from, with how many of each in a row.
    runs: Vec<(i32, usize)>,
    pub(super) next: BTreeMap<i32, i64>,
    pub(super) bytes: usize,
    pub(super) epoch: u64,
    member: Option<GroupMember>,
}

impl Batch {
    /// An empty one with room for so many readings.
    pub(super) fn with_room_for(readings: usize, epoch: u64, member: Option<GroupMember>) -> Self {
        let (readings, set_aside, runs) = (Vec::with_capacity(readings), Vec::new(), Vec::new());
        let (deleted, next) = (BTreeMap::new(), BTreeMap::new());
        Self { readings, set_aside, at_end: false, deleted, runs, next, bytes: 0, epoch, member }
    }

    /// The member of the group that has read it, where [`Consumer::located_by`](super::Consumer::located_by) made the consumer.
    pub fn member(&self) -> Option<&GroupMember> {
        self.member.as_ref()
    }

    /// For each partition that was read, the offset of the message that comes next.
    pub fn next(&self) -> &BTreeMap<i32, i64> {
        &self.next
    }

    /// The readings with their partition, those that came in a row together.
    pub fn by_partition(&self) -> impl Iterator<Item = (i32, &[StationStatus])> {
        let mut rest = self.readings.as_slice();
        self.runs.iter().filter_map(move |&(partition, length)| {
            let (run, behind) = rest.split_at_checked(length)?;
            rest = behind;
            Some((partition, run))
        })
    }

    /// How many messages there are, those that are no readings included.
    pub fn messages(&self) -> usize {
        self.readings.len() + self.set_aside.len()
    }

    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>, known: &mut KnownStations) {
        let (partition, offset, value) = (message.partition(), message.offset(), message.payload());
        self.next.insert(partition, offset + 1);
        self.bytes += message.key_len() + message.payload_len();
        match parse(value, known) {
            Ok(reading) => {
                self.readings.push(reading);
                match self.runs.last_mut() {
                    Some((last, length)) if *last == partition => *length += 1,
                    _ => self.runs.push((partition, 1)),
                }
            }
            Err(reason) => {
                let place = Place::Message { topic: message.topic().to_owned(), partition, offset };
                self.set_aside.push(set_aside(value, place, reason));
            }
        }
    }
}
