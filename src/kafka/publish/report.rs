//! What a poll brought, and the proof of how much of it is there.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use crate::ingest::{SetAside, Snapshot};
use crate::station::StationCode;

/// A station whose newest reading is older than this when it is fetched has gone silent.
pub const SILENT_AFTER: TimeDelta = TimeDelta::hours(6);

/// A station that stood in no poll for so long is not missed any more.
const MISSED_FOR: TimeDelta = TimeDelta::days(1);

/// What one poll brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PollReport {
    /// When the poll was made.
    pub fetched_at: DateTime<Utc>,
    /// How many stations the source counted, where it says so.
    pub counted: Option<u64>,
    /// How many readings arrived.
    pub received: usize,
    /// How many different stations they are of, as the source counts them ([`Snapshot::distinct`]).
    pub distinct: usize,
    /// How many of them were new by (station, event time).
    pub new: usize,
    /// The least event time of those that were new.
    pub oldest: Option<DateTime<Utc>>,
    /// How many were not: the source had shown them before.
    pub repeated: usize,
    /// The records that could not be read.
    #[serde(serialize_with = "as_text")]
    pub set_aside: Vec<SetAside>,
    /// How many of those were written as dead letters now; the others were before, or nothing keeps them.
    pub dead_letters: usize,
    /// How many readings the broker acknowledged: all that were new.
    pub published: usize,
    /// How old the readings were when they were fetched; `None` if there are none.
    pub lag: Option<FeedLag>,
    /// The stations that have reported nothing for more than [`SILENT_AFTER`], by code.
    pub silent: Vec<StationCode>,
    /// The stations that stood in an earlier poll of the last day and not in this one, by code.
    pub missing: Vec<StationCode>,
    /// Whether everything arrived that the source counted, and could be read.
    pub complete: bool,
}

/// How old readings are when they are fetched. In JSON in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FeedLag {
    /// Half of the readings are at most so old.
    #[serde(rename = "median_seconds", serialize_with = "in_seconds")]
    pub median: TimeDelta,
    /// The oldest is so old.
    #[serde(rename = "worst_seconds", serialize_with = "in_seconds")]
    pub worst: TimeDelta,
}

/// What all polls brought together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PublishTotals {
    /// Polls that brought a snapshot.
    pub polls: u64,
    /// Polls that failed.
    pub failed_polls: u64,
    /// Polls that brought a snapshot with something missing.
    pub incomplete_polls: u64,
    /// Readings that arrived.
    pub received: usize,
    /// Readings that the broker acknowledged.
    pub published: usize,
    /// Readings that the source had shown before.
    pub repeated: usize,
    /// Records that could not be read.
    pub set_aside: usize,
    /// The different ones among them that were written as dead letters.
    pub dead_letters: usize,
    /// Messages that others wrote to the topic meanwhile.
    pub foreign: u64,
}

impl PollReport {
    /// What a poll brought, with nothing said yet of what was new in it.
    pub(super) fn of(snapshot: &Snapshot, attendance: &mut Attendance) -> Self {
        Self {
            fetched_at: snapshot.fetched_at,
            counted: snapshot.counted,
            received: snapshot.readings.len(),
            distinct: snapshot.distinct(),
            new: 0,
            oldest: None,
            repeated: 0,
            set_aside: Vec::new(),
            dead_letters: 0,
            published: 0,
            lag: FeedLag::of(snapshot),
            silent: silent(snapshot),
            missing: attendance.missing(snapshot),
            complete: snapshot.is_complete(),
        }
    }
}

impl PublishTotals {
    /// Whether every poll was complete.
    pub fn is_complete(&self) -> bool {
        self.failed_polls == 0 && self.incomplete_polls == 0
    }

    pub(super) fn add(&mut self, poll: &PollReport) {
        self.polls += 1;
        self.incomplete_polls += u64::from(!poll.complete);
        self.received += poll.received;
        self.published += poll.published;
        self.repeated += poll.repeated;
        self.set_aside += poll.set_aside.len();
        self.dead_letters += poll.dead_letters;
    }
}

impl FeedLag {
    fn of(snapshot: &Snapshot) -> Option<Self> {
        let mut lags: Vec<TimeDelta> = snapshot.readings.iter().map(|reading| reading.lag()).collect();
        let worst = lags.iter().max().copied()?;
        let middle = (lags.len() - 1) / 2;
        let (_, &mut median, _) = lags.select_nth_unstable(middle);
        Some(Self { median, worst })
    }
}

/// The stations whose newest reading in the snapshot is old.
fn silent(snapshot: &Snapshot) -> Vec<StationCode> {
    let mut newest: HashMap<&StationCode, DateTime<Utc>> = HashMap::new();
    for reading in &snapshot.readings {
        let time = newest.entry(&reading.station_code).or_insert(reading.last_reported);
        *time = reading.last_reported.max(*time);
    }
    let is_silent = |time: &DateTime<Utc>| snapshot.fetched_at - *time > SILENT_AFTER;
    let codes = newest.iter().filter(|(_, time)| is_silent(time)).map(|(&code, _)| code.clone());
    sorted(codes)
}

/// Which stations are expected in a poll: those that stood in one of the last day.
pub(super) struct Attendance {
    /// What was known before the first poll, seen then at the latest.
    before: Vec<StationCode>,
    seen: HashMap<StationCode, DateTime<Utc>>,
}

impl Attendance {
    /// Expects the stations that have reported within a day of the newest report.
    pub(super) fn expecting(stations: Vec<(StationCode, DateTime<Utc>)>) -> Self {
        let newest = stations.iter().map(|(_, time)| *time).max();
        let is_recent = |time: DateTime<Utc>| newest.is_some_and(|newest| newest - time <= MISSED_FOR);
        let before = stations.into_iter().filter(|(_, time)| is_recent(*time)).map(|(code, _)| code).collect();
        Self { before, seen: HashMap::new() }
    }

    fn missing(&mut self, snapshot: &Snapshot) -> Vec<StationCode> {
        let now = snapshot.fetched_at;
        self.seen.extend(self.before.drain(..).map(|code| (code, now)));
        let here: HashSet<&StationCode> = snapshot.readings.iter().map(|reading| &reading.station_code).collect();
        for &code in &here {
            match self.seen.get_mut(code) {
                Some(time) => *time = now,
                None => drop(self.seen.insert(code.clone(), now)),
            }
        }
        self.seen.retain(|_, time| now - *time <= MISSED_FOR);
        sorted(self.seen.keys().filter(|code| !here.contains(code)).cloned())
    }
}

fn sorted(codes: impl Iterator<Item = StationCode>) -> Vec<StationCode> {
    let mut codes: Vec<_> = codes.collect();
    codes.sort_unstable();
    codes
}

fn as_text<S: Serializer>(set_aside: &[SetAside], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(set_aside.iter().map(ToString::to_string))
}

fn in_seconds<S: Serializer>(time: &TimeDelta, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(time.num_seconds())
}
