//! What one poll of a source brings, with the proof of how much of it is there.

use std::collections::HashSet;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::Note;
use crate::error::{Error, Place, Result};
use crate::station::StationStatus;

/// Where readings come from: the live portal, a recording, a simulation.
pub trait Source: Send {
    /// The next snapshot, or `None` when the source has come to its end (the live feed never does).
    fn poll(&mut self) -> Result<Option<Snapshot>>;

    /// When the next snapshot is due, if the source itself decides that: a recording and a simulation do. `None` at their end,
    /// and by default: the live feed is polled at the caller's own pace.
    fn next_due(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// What this is, for the first line that a program prints: "the simulated network (60 stations, seed 1)".
    fn describe(&self) -> String;

    /// What was noticed beside the readings since this was last asked: a field of the feed that came, went or changed its
    /// kind, each told once; and a source that another had to stand in for, told at each poll.
    fn notes(&mut self) -> Vec<Note> {
        Vec::new()
    }
}

/// All readings of one poll, with how many stations the source said there were.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When the poll was made.
    pub fetched_at: DateTime<Utc>,
    /// The readings that could be read, in the order of arrival.
    pub readings: Vec<StationStatus>,
    /// How many stations the source counted, where it says so.
    pub counted: Option<u64>,
    /// The records that could not be read.
    pub set_aside: Vec<SetAside>,
}

impl Snapshot {
    /// How many different stations the snapshot holds, as the portal counts them: a record that a page repeated is one, but
    /// two records that differ are two, even if they share a code (in 2022 `31706` stood there with 20 docks and again
    /// with 26).
    pub fn distinct(&self) -> usize {
        let record = |reading: &'_ StationStatus| {
            let counts = [reading.docks_available, reading.bikes_available, reading.mechanical, reading.ebike];
            (reading.station_code.clone(), reading.last_reported, reading.capacity, counts)
        };
        self.readings.iter().map(record).collect::<HashSet<_>>().len()
    }

    /// How many different station codes the snapshot holds.
    pub fn codes(&self) -> usize {
        self.readings.iter().map(|reading| &reading.station_code).collect::<HashSet<_>>().len()
    }

    /// Whether everything is here: nothing set aside, and as many stations as the source counted.
    pub fn is_complete(&self) -> bool {
        self.set_aside.is_empty() && self.counted.is_none_or(|counted| self.distinct() as u64 == counted)
    }
}

/// A record that could not be read: kept whole, with the reason and its place, while the others go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it came from.
    pub place: Place,
    /// Why it could not be read.
    pub reason: String,
    /// The record as it came.
    pub raw: String,
}

impl SetAside {
    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({"place": self.place.to_string(), "reason": self.reason, "raw": self.raw})
    }
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.reason, self.raw)
    }
}

/// A file that keeps the records set aside, one JSON object `{place, reason, raw}` a line; made when the first one comes.
#[derive(Debug)]
pub struct SetAsideFile {
    path: PathBuf,
    kept: u64,
}

impl SetAsideFile {
    /// Keeps what is set aside at the end of `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), kept: 0 }
    }

    /// Appends records and brings them to the disk.
    pub fn keep(&mut self, records: &[SetAside]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let lines: String = records.iter().map(|record| format!("{}\n", record.to_json())).collect();
        let append = || {
            let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        };
        append().map_err(|error| Error::io(&self.path, &error))?;
        self.kept += records.len() as u64;
        Ok(())
    }

    /// How many records were appended.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationCode;

    #[test]
    fn complete_means_as_many_different_stations_as_counted_and_none_set_aside() {
        let at = "2022-05-12T10:22:18Z".parse().unwrap();
        let reading = |code| StationStatus::unknown(StationCode::new(code).unwrap(), at, at);
        let mut snapshot = Snapshot {
            fetched_at: at,
            readings: vec![reading("1"), reading("1")],
            counted: Some(2),
            set_aside: vec![],
        };
        assert_eq!((snapshot.distinct(), snapshot.is_complete()), (1, false));
        snapshot.readings.push(StationStatus { capacity: Some(26), ..reading("1") });
        assert_eq!((snapshot.distinct(), snapshot.codes(), snapshot.is_complete()), (2, 1, true));
        let place = Place::Url("http://x".into());
        snapshot.set_aside.push(SetAside { place, reason: "no station code".into(), raw: "{}".into() });
        assert!(!snapshot.is_complete());
    }

    #[test]
    fn what_is_set_aside_is_kept_whole_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SetAsideFile::new(folder.path().join("aside.jsonl"));
        file.keep(&[]).unwrap();
        assert!(!file.path().exists());
        let record = |raw: &str| SetAside { place: Place::line("a.csv", 7), reason: "torn".into(), raw: raw.into() };
        file.keep(&[record("1,2"), record("a\nb")]).unwrap();
        file.keep(&[record("3")]).unwrap();
        let lines = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!((lines.lines().count(), file.kept()), (3, 3));
        let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
        assert_eq!((&second["place"], &second["raw"]), (&"a.csv:7".into(), &"a\nb".into()));
    }
}
