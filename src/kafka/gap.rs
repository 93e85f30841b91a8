//! The gap ledger: when the feed was not complete, and why.
//!
//! A gap lies between two complete polls that the broker has acknowledged, if one between them failed or came short, or if they
//! lie further apart than polls do: the machine slept, the program did not run. The ledger is a file of JSON lines that is only
//! ever added to: a gap is written when it opens (`"to": null`), and again when it is closed; an open one is replaced by the
//! line that follows it. So one hour without the portal is one gap, and a gap that was open when the program was killed is
//! found again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::publish::{PollReport, PublishEvent};
use crate::error::{Error, ErrorKind, Place, Result};

/// How many different reasons a gap tells; the others are counted with it all the same.
const REASONS: usize = 5;

/// How each line begins.
const HEAD: &[u8] = br#"{"from":""#;

/// After so many times the time between two polls without a complete one, polls were missed.
const LATE: u32 = 2;

/// A time in which the feed was not complete, from one complete poll to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last complete poll before it; the first poll of all, if there was none.
    pub from: DateTime<Utc>,
    /// The next complete poll; `None` while the gap is open.
    pub to: Option<DateTime<Utc>>,
    /// Polls in it that failed.
    pub failed_polls: u64,
    /// Polls in it that brought less than the portal counted, or what could not be read.
    pub short_polls: u64,
    /// How many stations the worst of those lacked; `None` means all, because a poll failed or none was made.
    pub stations: Option<u64>,
    /// Those of them that are known by their codes, from the polls before.
    pub codes: BTreeSet<String>,
    /// Why, each reason once.
    pub why: Vec<String>,
}

/// The ledger of the gaps, which one process at a time writes.
pub struct GapLedger {
    path: PathBuf,
    file: File,
    /// How much of the file is written in whole lines, in bytes.
    length: u64,
    unsaved: Vec<u8>,
    late: TimeDelta,
    /// The last complete poll that was acknowledged, and the last that was made.
    last_complete: Option<DateTime<Utc>>,
    last_polled: Option<DateTime<Utc>>,
    /// A gap that another run has left open.
    left_open: Option<Gap>,
    /// What happened since, in the order of time.
    misses: VecDeque<(DateTime<Utc>, Gap)>,
}

impl Gap {
    fn new(from: DateTime<Utc>) -> Self {
        let (stations, codes, why) = (Some(0), BTreeSet::new(), Vec::new());
        Self { from, to: None, failed_polls: 0, short_polls: 0, stations, codes, why }
    }

    /// Takes in what another gap says, but for its times.
    fn add(&mut self, other: Self) {
        self.failed_polls += other.failed_polls;
        self.short_polls += other.short_polls;
        self.stations = self.stations.zip(other.stations).map(|(one, two)| one.max(two));
        self.codes.extend(other.codes);
        for why in other.why {
            if self.why.len() < REASONS && !self.why.contains(&why) {
                self.why.push(why);
            }
        }
    }

    /// How much of the time from `start` to `end` lies in it; an open gap goes on until then.
    fn within(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> TimeDelta {
        let to = self.to.unwrap_or(end).min(end);
        (to - self.from.max(start)).max(TimeDelta::zero())
    }

    /// How much of the time from `start` to `end` lies in gaps, which do not overlap: those of one ledger.
    pub fn time_within(gaps: &[Self], start: DateTime<Utc>, end: DateTime<Utc>) -> TimeDelta {
        gaps.iter().map(|gap| gap.within(start, end)).sum()
    }
}

impl GapLedger {
    /// Opens the ledger at `path`, which is made if it is missing, for a feed that is polled `every` so often and whose last
    /// reading in the topic was fetched at `last_arrival`: from then on nothing was published, whatever ended it.
    ///
    /// A line that broke off when the machine did is removed: what it would have said is found again. An error if the file is
    /// something else, or if another process writes it.
    pub fn open(path: impl Into<PathBuf>, every: Duration, last_arrival: Option<DateTime<Utc>>) -> Result<Self> {
        let path = path.into();
        let io = |error: std::io::Error| Error::io(&path, &error);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(io)?;
        // A file system without locks is gone on with.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::new(ErrorKind::Io, "another process writes this ledger")
                .at(Place::file(&path))
                .way_out("end it, or name another by --gaps"));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io)?;
        let (mut gaps, whole) = parse(&text, &path)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(io)?;
        }
        let left_open = gaps.pop_if(|gap| gap.to.is_none());
        let last_end = gaps.last().and_then(|gap| gap.to);
        let mut ledger = Self {
            file,
            length: whole as u64,
            unsaved: Vec::new(),
            late: TimeDelta::from_std(every.saturating_mul(LATE)).unwrap_or(TimeDelta::MAX),
            last_complete: last_arrival.max(last_end),
            last_polled: None,
            left_open: None,
            misses: VecDeque::new(),
            path,
        };
        if let Some(gap) = left_open {
            // What was complete before it and is not in the topic was not acknowledged: it belongs to the gap.
            ledger.last_complete = Some(last_arrival.map_or(gap.from, |last| last.min(gap.from))).max(last_end);
            ledger.left_open = Some(gap);
        }
        Ok(ledger)
    }

    /// The gaps in a ledger, by time; an open one last. A last line that broke off is passed over.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<Gap>> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|error| Error::io(path, &error))?;
        parse(&text, path).map(|(gaps, _)| gaps)
    }

    /// Enters what an event of [`publish`](super::publish()) means for the ledger. An error if it could not be written: it is kept,
    /// and written with what comes next.
    pub fn note(&mut self, event: &PublishEvent<'_>) -> Result<()> {
        match event {
            PublishEvent::Polled(poll) if !poll.complete => self.miss(poll.fetched_at, short(poll)),
            PublishEvent::Polled(poll) => self.polled(poll.fetched_at),
            PublishEvent::Failed { at, error } => {
                let gap = Gap { failed_polls: 1, stations: None, why: vec![error.to_string()], ..Gap::new(*at) };
                self.miss(*at, gap);
            }
            PublishEvent::Poll(poll) if poll.complete => self.complete(poll.fetched_at),
            _ => {}
        }
        self.save()
    }

    /// Whether a gap is open.
    pub fn is_open(&self) -> bool {
        self.left_open.is_some() || !self.misses.is_empty()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn miss(&mut self, at: DateTime<Utc>, gap: Gap) {
        let from = *self.last_complete.get_or_insert(at);
        if !self.is_open() {
            self.write(&Gap { from, ..gap.clone() });
        }
        // What happened between two complete polls is one gap, however long.
        match self.misses.back_mut() {
            Some((time, last)) if self.last_polled.is_none_or(|polled| polled < *time) => {
                last.add(gap);
                *time = at.max(*time);
            }
            _ => self.misses.push_back((at, gap)),
        }
    }

    /// A complete poll was made. Nothing says that none was made before it but its own lateness.
    fn polled(&mut self, at: DateTime<Utc>) {
        let before = self.last_polled.replace(at).max(self.last_complete);
        if let Some(since) = before.filter(|&since| at - since > self.late)
            && self.misses.back().is_none_or(|(time, _)| *time < since)
        {
            let why = vec!["no poll was made".to_owned()];
            self.miss(since, Gap { stations: None, why, ..Gap::new(since) });
        }
    }

    /// A complete poll was acknowledged. While the broker was away, polls after it may have failed already.
    fn complete(&mut self, at: DateTime<Utc>) {
        let Some(from) = self.last_complete.replace(at) else { return };
        if at < from {
            // The clock was set back.
            self.last_complete = Some(from);
            return;
        }
        let mut gap = self.left_open.take().map(|gap| Gap { from, ..gap });
        while let Some((_, miss)) = self.misses.pop_front_if(|(time, _)| *time < at) {
            gap.get_or_insert_with(|| Gap::new(from)).add(miss);
        }
        if let Some(gap) = gap {
            self.write(&Gap { to: Some(at), ..gap });
        }
        // In the place of the open line that has been written of it.
        if let Some((_, next)) = self.misses.front() {
            let open = Gap { from: at, ..next.clone() };
            self.write(&open);
        }
    }

    fn write(&mut self, gap: &Gap) {
        if let Ok(line) = serde_json::to_string(gap) {
            self.unsaved.extend_from_slice(line.as_bytes());
            self.unsaved.push(b'\n');
        }
    }

    /// Brings what is unsaved to the disk; if that fails, nothing of it is left there.
    fn save(&mut self) -> Result<()> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.unsaved).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let _ = self.file.set_len(self.length);
            return Err(
                Error::io(&self.path, &error).way_out("make room there: the gap is kept, and written when it can be")
            );
        }
        self.length += self.unsaved.len() as u64;
        self.unsaved.clear();
        Ok(())
    }
}

impl fmt::Debug for GapLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GapLedger").field("path", &self.path).field("open", &self.is_open()).finish()
    }
}

/// What a poll that came short says of its gap.
fn short(poll: &PollReport) -> Gap {
    let lacking = poll.counted.map(|counted| counted.saturating_sub(poll.distinct as u64));
    let aside = poll.set_aside.first().map(|record| format!("{}: {}", record.place, record.reason));
    let why = aside.unwrap_or_else(|| match poll.counted {
        Some(counted) => format!("{} of {counted} stations arrived", poll.distinct),
        None => "the poll was not complete".to_owned(),
    });
    Gap {
        short_polls: 1,
        stations: Some(lacking.unwrap_or_default().max(poll.set_aside.len() as u64)),
        codes: poll.missing.iter().map(ToString::to_string).collect(),
        why: vec![why],
        ..Gap::new(poll.fetched_at)
    }
}

/// The gaps in the text of a ledger, without those that a later line replaces, and how much of it is whole lines, in bytes.
fn parse(text: &[u8], path: &Path) -> Result<(Vec<Gap>, usize)> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let (lines, rest) = text.split_at(whole);
    let wrong = |line: usize, reason: &dyn fmt::Display| {
        Error::new(ErrorKind::Data, format!("this is no line of a gap ledger: {reason}"))
            .at(Place::line(path, line as u64))
            .way_out("name another file by --gaps")
    };
    let mut gaps: Vec<Gap> = Vec::new();
    for (number, line) in lines.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let gap: Gap = serde_json::from_slice(line).map_err(|error| wrong(number + 1, &error))?;
        gaps.pop_if(|last| last.to.is_none());
        gaps.push(gap);
    }
    if gaps.is_empty() && !rest.starts_with(HEAD) && !HEAD.starts_with(rest) {
        return Err(wrong(1, &"it has no end"));
    }
    Ok((gaps, whole))
}
