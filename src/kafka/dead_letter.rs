//! Dead letters: what could not be read, kept whole in a topic beside that of the readings, until a later parser can.
//!
//! A broken record stands in every poll until its station reports again. So a letter is written once: a record is known by its
//! source and its text, whose hash is the message's key, and the topic itself says after a restart what it holds.

use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow::Continue;

use chrono::{DateTime, TimeDelta, Utc};
use rdkafka::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::broker::{Broker, BrokerHandle};
use super::consumer::Consumer;
use super::message::decode;
use super::producer::Sink;
use super::scan::Scan;
use super::seen::Memory;
use super::topic::{TopicSettings, ensure_topic};
use crate::error::{Place, Result};
use crate::ingest::{SetAside, decode_record};
use crate::station::StationStatus;

/// A record that was written within this time is not written again after a restart.
const WRITTEN: TimeDelta = TimeDelta::days(7);

/// How many records are remembered as written; when so many different ones have come, each may be written once more.
const REMEMBERED: usize = 1_000_000;

/// How many letters are tried at once.
const BATCH: usize = 1_000;

/// A record that could not be read: one JSON object `{source, reason, raw, fetched_at}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it came from: an address, a file and line, a message.
    pub source: String,
    /// Why it could not be read.
    pub reason: String,
    /// The record as it came.
    pub raw: String,
    /// When it was fetched.
    pub fetched_at: DateTime<Utc>,
}

impl DeadLetter {
    /// The letter about a record set aside.
    pub fn new(record: &SetAside, fetched_at: DateTime<Utc>) -> Self {
        let SetAside { place, reason, raw } = record.clone();
        Self { source: place.to_string(), reason, raw, fetched_at }
    }

    /// The reading in the record, if there is one as far as the present parser can tell, or why not.
    pub fn read(&self) -> std::result::Result<StationStatus, String> {
        let place = Place::Topic(self.source.clone());
        if let Ok(reading) = decode(self.raw.as_bytes(), place.clone()) {
            return Ok(reading);
        }
        decode_record(&self.raw, self.fetched_at, &place).map_err(|aside| aside.reason)
    }

    /// What the record is known by: a hash of its source and text, 32 hexadecimal digits.
    pub(super) fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.source.len().to_le_bytes());
        hash.update(&self.source);
        hash.update(&self.raw);
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn encode(&self) -> String {
        serde_json::json!(self).to_string()
    }

    fn decode(value: &str) -> std::result::Result<Self, String> {
        serde_json::from_str(value).map_err(|error| error.to_string())
    }
}

/// The topic of the dead letters of `topic`: `TOPIC.dead-letters`.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}.dead-letters")
}

/// The dead letters of a topic: which of them are written.
pub struct DeadLetters {
    topic: String,
    written: HashSet<String>,
}

impl DeadLetters {
    /// Creates the topic of the dead letters if it is missing, with one partition that keeps them for ever, and reads which
    /// were written in the last seven days.
    pub fn open(broker: &Broker, topic: &str) -> Result<Self> {
        let name = dead_letter_topic(topic);
        ensure_topic(broker, &TopicSettings { partitions: 1, ..TopicSettings::named(&name) })?;
        let reader = Scan::new(broker.handle(), &name)?;
        let (low, high) = reader.ends_of(0)?;
        let (ends, since) = ([(0, high)].into(), (Utc::now() - WRITTEN).timestamp_millis());
        let start = if broker.is_embedded() { low } else { *reader.first_of(since, &ends)?.get(&0).unwrap_or(&high) };
        let mut written = HashSet::new();
        reader.read(&[(0, start)].into(), &ends, &mut |message| {
            written.extend(message.key().and_then(|key| std::str::from_utf8(key).ok()).map(str::to_owned));
            Continue(())
        })?;
        Ok(Self { topic: name, written })
    }

    /// The topic that they are written to.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The letters about those of `records` that none was written about.
    pub(super) fn new_ones(&mut self, records: &[SetAside], fetched_at: DateTime<Utc>) -> Vec<DeadLetter> {
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        let letters = records.iter().map(|record| DeadLetter::new(record, fetched_at));
        letters.filter(|letter| self.written.insert(letter.key())).collect()
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.topic).field("written", &self.written.len()).finish()
    }
}

/// What became of the dead letters that were tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reprocessed {
    /// Letters that were tried.
    pub tried: usize,
    /// Readings in them that the broker acknowledged.
    pub published: usize,
    /// Readings in them that the topic held already.
    pub repeated: usize,
    /// Letters that still cannot be read. They stay in their topic.
    pub unreadable: usize,
    /// Why the first of those cannot be read.
    pub first_reason: Option<String>,
}

/// Tries the dead letters of `topic` again and publishes what can be read now.
///
/// Each version of this library tries each letter once: how far it has come is kept in a consumer group named after the version.
/// A letter counts as tried when what was in it is acknowledged, so whatever ends this, nothing is left out, and by `memory`
/// nothing is published twice.
pub fn reprocess(
    broker: &BrokerHandle,
    topic: &str,
    sink: &mut dyn Sink,
    memory: &mut dyn Memory,
) -> Result<Reprocessed> {
    let group = format!("velib-reprocess-{}", env!("CARGO_PKG_VERSION"));
    let mut consumer = Consumer::new(broker, &dead_letter_topic(topic), &group)?;
    let mut done = Reprocessed::default();
    consumer.each_batch(BATCH, true, |batch| {
        let mut readings = Vec::new();
        // No letter is a message that carries a reading.
        for message in &batch.set_aside {
            done.tried += 1;
            match DeadLetter::decode(&message.raw).and_then(|letter| letter.read()) {
                Ok(reading) => readings.push(reading),
                Err(reason) => {
                    done.unreadable += 1;
                    done.first_reason.get_or_insert(reason);
                }
            }
        }
        let read = readings.len();
        let mut known = HashSet::new();
        let mut published = memory.published(&readings)?.into_iter();
        readings.retain(|reading| {
            let (code, time) = reading.key();
            !published.next().unwrap_or_default() && known.insert((code.clone(), time.timestamp_millis()))
        });
        sink.publish(&readings)?;
        done.published += readings.len();
        done.repeated += read - readings.len();
        readings.iter().for_each(|reading| memory.remember(&reading.station_code, reading.last_reported));
        Ok(())
    })?;
    Ok(done)
}
