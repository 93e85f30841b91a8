//! What a topic holds already, so that a publisher that starts again publishes nothing twice.
//!
//! A message's key and timestamp are the station and its event time: exactly what a reading is known by. So the topic is
//! its own record of what was published, and no second file can disagree with it.
//!
//! A topic of months is not read from its beginning. Its last [`WINDOW`] is, by event time, and the broker knows exactly where
//! that begins: every message before the first one of at least that time is older. So a reading of the window that is not
//! remembered is new. One that is older, of a station that has been silent for days, is looked for where the broker says that
//! the first message of its time stands; it is published only when it is nowhere from there on.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::ControlFlow::{Break, Continue};

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use super::broker::BrokerHandle;
use super::message::{KnownStations, event_time, parse};
use super::scan::Scan;
use crate::error::Result;
use crate::ingest::{Dedupe, Source};
use crate::station::{StationCode, StationStatus};

/// How much of a large topic is remembered from the start, by event time.
pub const WINDOW: TimeDelta = TimeDelta::days(1);

/// A topic of so few messages is read whole: that takes a second or two.
const FEW: i64 = 300_000;

/// How many of a partition's last messages tell what time it is in the topic: one station's clock may be wrong.
const LAST: i64 = 100;

/// How many messages, from where the broker says that a reading's time begins, are read for it alone.
const PROBE: usize = 20_000;

/// Which readings were published before.
pub trait Memory {
    /// Whether each of these readings was published before, in their order.
    fn published(&mut self, readings: &[StationStatus]) -> Result<Vec<bool>>;

    /// Remembers a reading that the broker has acknowledged.
    fn remember(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>);

    /// The stations that have readings, each with the time of its newest.
    fn stations(&self) -> Vec<(StationCode, DateTime<Utc>)>;
}

impl Memory for Dedupe {
    fn published(&mut self, readings: &[StationStatus]) -> Result<Vec<bool>> {
        Ok(readings.iter().map(|reading| self.contains(reading)).collect())
    }

    fn remember(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) {
        self.insert(station_code, last_reported);
    }

    fn stations(&self) -> Vec<(StationCode, DateTime<Utc>)> {
        Self::stations(self).map(|(code, time)| (code.clone(), time)).collect()
    }
}

/// The memory of what a topic holds.
pub struct TopicMemory {
    seen: Dedupe,
    topic: Option<Scan>,
    /// For each partition the offset that the memory begins at.
    starts: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
    last_arrival: Option<DateTime<Utc>>,
}

/// What a message is known by: station and event time in milliseconds.
type Key = (StationCode, i64);

impl TopicMemory {
    /// The memory of everything that `topic` holds, for a replay of history, whose readings may be of any time. As large as the
    /// topic, at eight bytes a message. Empty if there is no such topic.
    pub fn whole(broker: &BrokerHandle, topic: &str) -> Result<Self> {
        Self::open(broker, topic, None)
    }

    /// The same, for a live feed: what is older than the topic's last [`WINDOW`] is looked for when the feed shows it, and of
    /// each station no more is remembered than [`REMEMBERED_PER_STATION`](crate::ingest::REMEMBERED_PER_STATION).
    pub fn recent(broker: &BrokerHandle, topic: &str) -> Result<Self> {
        // The embedded broker keeps little, and does not know where a time begins.
        let few = if broker.is_embedded() { None } else { Some(FEW) };
        Self::open(broker, topic, few)
    }

    /// The memory that suits what is going to be published: history that keeps its own times, or a live feed.
    pub fn of(broker: &BrokerHandle, topic: &str, source: &dyn Source) -> Result<Self> {
        if source.next_due().is_some() { Self::whole(broker, topic) } else { Self::recent(broker, topic) }
    }

    /// Remembers the last [`WINDOW`] of a topic with more messages than `few`, of others everything.
    fn open(broker: &BrokerHandle, name: &str, few: Option<i64>) -> Result<Self> {
        let topic = Scan::new(broker, name)?;
        let seen = if few.is_none() { Dedupe::unbounded() } else { Dedupe::new() };
        let (starts, ends) = (BTreeMap::new(), BTreeMap::new());
        let mut memory = Self { seen, topic: None, starts, ends, last_arrival: None };
        let Some(partitions) = topic.partitions(broker)? else { return Ok(memory) };
        for partition in 0..partitions {
            let (low, high) = topic.ends_of(partition)?;
            memory.starts.insert(partition, low);
            memory.ends.insert(partition, high);
        }
        let messages: i64 = memory.starts.iter().map(|(partition, low)| memory.ends[partition] - low).sum();
        if few.is_some_and(|few| messages > few) {
            memory.begin_late(&topic)?;
        }
        memory.read(&topic)?;
        memory.topic = few.is_some().then_some(topic);
        Ok(memory)
    }

    /// Moves the beginning of the memory to that of the last window.
    fn begin_late(&mut self, topic: &Scan) -> Result<()> {
        let mut times = Vec::new();
        let last = self.starts.iter().map(|(&partition, &low)| (partition, low.max(self.ends[&partition] - LAST)));
        topic.read(&last.collect(), &self.ends, &mut |message| {
            times.extend(message.timestamp().to_millis());
            Continue(())
        })?;
        let middle = times.len() / 2;
        if times.is_empty() {
            return Ok(());
        }
        let (_, &mut now, _) = times.select_nth_unstable(middle);
        let Some(since) = DateTime::from_timestamp_millis(now).and_then(|now| now.checked_sub_signed(WINDOW)) else {
            return Ok(());
        };
        self.seen = Dedupe::since(since);
        let starts = topic.first_of(since.timestamp_millis(), &self.ends)?;
        for (partition, low) in &mut self.starts {
            // The last messages are always read: they tell when something was fetched last.
            let latest = (self.ends[partition] - LAST).max(*low);
            *low = starts.get(partition).map_or(latest, |&start| start.clamp(*low, latest));
        }
        Ok(())
    }

    fn read(&mut self, topic: &Scan) -> Result<()> {
        let Self { seen, starts, ends, last_arrival, .. } = self;
        let mut known = KnownStations::default();
        topic.read(starts, ends, &mut |message| {
            if let Some((code, time)) = key(message) {
                seen.insert(&code, DateTime::from_timestamp_millis(time).unwrap_or_default());
            }
            if message.offset() + LAST >= ends.get(&message.partition()).copied().unwrap_or_default() {
                let arrival = parse(message.payload(), &mut known).ok().map(|reading| reading.fetched_at);
                *last_arrival = arrival.max(*last_arrival);
            }
            Continue(())
        })
    }

    /// How many readings are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// When the last of the topic's readings was fetched.
    pub fn last_arrival(&self) -> Option<DateTime<Utc>> {
        self.last_arrival
    }

    /// For each partition the offset after what is remembered.
    pub fn ends(&self) -> &BTreeMap<i32, i64> {
        &self.ends
    }

    /// Which of `wanted` the topic holds.
    fn look_up(&self, topic: &Scan, wanted: &[Key]) -> Result<HashSet<Key>> {
        let (mut left, mut found): (HashSet<Key>, _) = (wanted.iter().cloned().collect(), HashSet::new());
        let mut times: Vec<i64> = wanted.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        times.dedup();
        let (mut first, mut ends) = (None, BTreeMap::new());
        for &partition in self.ends.keys() {
            ends.insert(partition, topic.ends_of(partition)?.1);
        }
        // What was published soon after it was reported stands near the first message of its time.
        for time in times {
            if left.iter().any(|(_, wanted)| *wanted == time) {
                let from = topic.first_of(time, &ends)?;
                search(topic, &from, &ends, Some(PROBE), &mut left, &mut found)?;
                if left.iter().any(|(_, wanted)| *wanted == time) {
                    first.get_or_insert(from);
                }
            }
        }
        if let Some(first) = first {
            search(topic, &first, &ends, None, &mut left, &mut found)?;
        }
        Ok(found)
    }
}

impl Memory for TopicMemory {
    fn published(&mut self, readings: &[StationStatus]) -> Result<Vec<bool>> {
        let recall = |reading: &StationStatus| self.seen.recall(&reading.station_code, reading.last_reported);
        let unsure = readings.iter().filter(|reading| recall(reading).is_none());
        let wanted: Vec<Key> =
            unsure.map(|reading| (reading.station_code.clone(), reading.last_reported.timestamp_millis())).collect();
        let found = match &self.topic {
            Some(topic) if !wanted.is_empty() => self.look_up(topic, &wanted)?,
            _ => HashSet::new(),
        };
        for (code, time) in &found {
            self.seen.insert(code, DateTime::from_timestamp_millis(*time).unwrap_or_default());
        }
        let is_found = |reading: &StationStatus| {
            found.contains(&(reading.station_code.clone(), reading.last_reported.timestamp_millis()))
        };
        Ok(readings.iter().map(|reading| self.seen.contains(reading) || is_found(reading)).collect())
    }

    fn remember(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) {
        self.seen.insert(station_code, last_reported);
    }

    fn stations(&self) -> Vec<(StationCode, DateTime<Utc>)> {
        Memory::stations(&self.seen)
    }
}

impl fmt::Debug for TopicMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicMemory").field("readings", &self.len()).field("starts", &self.starts).finish()
    }
}

/// Moves what the topic holds from `from` up to `to`, or among the first `most` messages, out of `left` into `found`.
fn search(
    topic: &Scan,
    from: &BTreeMap<i32, i64>,
    to: &BTreeMap<i32, i64>,
    most: Option<usize>,
    left: &mut HashSet<Key>,
    found: &mut HashSet<Key>,
) -> Result<()> {
    let mut messages = 0;
    topic.read(from, to, &mut |message| {
        messages += 1;
        if let Some(key) = key(message).and_then(|key| left.take(&key)) {
            found.insert(key);
        }
        if left.is_empty() || most.is_some_and(|most| messages >= most) { Break(()) } else { Continue(()) }
    })
}

/// What a message of ours is known by; others have no station for a key, or no time.
fn key(message: &BorrowedMessage<'_>) -> Option<Key> {
    let code = std::str::from_utf8(message.key()?).ok().and_then(|key| StationCode::new(key).ok())?;
    Some((code, event_time(message.timestamp().to_millis()?)))
}
