//! Readings that somebody recorded, and what the portal exports as files; and their replay on the clock they were fetched by.
//!
//! Each kind of file holds the same table, whose columns are the names that [`StationStatus`] has outside the program, or the
//! portal's own. What a row says is read by the one reader of records; `csv`, `parquet` and `json` only bring its cells.

mod csv;
mod in_order;
mod json;
mod parquet;
mod pieces;
mod rows;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::opendatasoft::Portal;
use crate::ingest::record::{Dialect, Field, Slot};
use crate::ingest::{Compact, Note, SetAside, Sites, Snapshot, Source};
use crate::station::StationStatus;

#[cfg(feature = "spark")]
pub(crate) use csv::header;
use rows::Rows;
pub(crate) use rows::read_compact;
pub use rows::{FilesRead, read_each};

/// Recorded readings in order of arrival, and the rows that could not be read.
///
/// The order is that of `fetched_at`, and for one `fetched_at` that of the files and of the rows in them. Readings that
/// the portal repeated are kept until [`deduplicate`](Self::deduplicate) is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    files: Vec<PathBuf>,
    readings: Vec<StationStatus>,
    set_aside: Vec<SetAside>,
    notes: Vec<Note>,
}

impl Recording {
    /// Reads files, `.csv`, `.parquet`, `.json` and `.jsonl` mixed, into one recording.
    ///
    /// A table's columns are named as [`StationStatus`] is outside the program, as the portal's fields, or, in its exports
    /// with `use_labels=true`, in French; a CSV may be parted by commas, semicolons or tabs and begin with a byte order
    /// mark. A JSON file is an export, a page of Explore v2.1 or an answer of Search v1.0; of JSON lines each is a record,
    /// or a reading as a Kafka message has it.
    ///
    /// A record without a station or without one of its clocks is [set aside](Self::set_aside) with its place: the line in
    /// a CSV or JSON lines file, the row (from 1) in a Parquet file. Any other field may be missing, null, empty or `NaN`,
    /// which is unknown; one that says nothing sensible is unknown too, and [noted](Self::notes). A number may come as text
    /// or as `12.0`. Times are RFC 3339 or, in Parquet, timestamps; a time without an offset is taken as UTC. A flag is
    /// `true`/`false`, `OUI`/`NON` or `1`/`0`.
    ///
    /// **An export of the portal does not say when it was fetched.** Its readings are taken as fetched when the newest of
    /// them was reported.
    ///
    /// An error is: a file that cannot be opened or is of no such kind, a table without the columns `stationcode` and
    /// `duedate`, a column of a type that cannot be read, a file of JSON or Parquet that is not whole, a history without
    /// `fetched_at`, and files that hold no reading at all.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        Self::of_rows(|rows| paths.iter().try_for_each(|path| rows.read(path.as_ref())))
    }

    /// Reads what a file of this name would hold; the name's ending says its kind.
    pub fn from_bytes(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Self> {
        Self::of_rows(|rows| rows.read_bytes(name.as_ref(), bytes))
    }

    fn of_rows(read: impl FnOnce(&mut Rows<'_>) -> Result<()>) -> Result<Self> {
        let mut readings = Vec::new();
        let mut keep = |reading: Compact, sites: &Sites| {
            readings.extend(sites.reading(&reading));
            Ok(())
        };
        let mut rows = Rows::new(&mut keep, usize::MAX);
        read(&mut rows)?;
        let (FilesRead { files, set_aside, notes, .. }, _) = rows.finish()?;
        let mut recording = Self { files, readings, set_aside, notes };
        recording.sort();
        Ok(recording)
    }

    /// A recording of these readings, put in order of arrival.
    pub fn from_readings(readings: Vec<StationStatus>) -> Self {
        let mut recording = Self { readings, ..Self::default() };
        recording.sort();
        recording
    }

    /// The readings, in order of arrival.
    pub fn readings(&self) -> &[StationStatus] {
        &self.readings
    }

    /// The readings by value, in order of arrival.
    pub fn into_readings(self) -> Vec<StationStatus> {
        self.readings
    }

    /// The rows that could not be read, in the order of the files.
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }

    /// What was noticed of the files' form: columns that are new, missing, or hold what cannot be read.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Leaves one reading for each (station, `last_reported`), the one fetched first; how many repeats went.
    pub fn deduplicate(&mut self) -> usize {
        let before = self.readings.len();
        let mut seen = HashSet::with_capacity(before);
        self.readings.retain(|reading| seen.insert((reading.station_code.clone(), reading.last_reported)));
        before - self.readings.len()
    }

    /// The recording as a source: one snapshot for each `fetched_at`.
    pub fn replay(self) -> Replay {
        let polls = self.readings.chunk_by(|a, b| a.fetched_at == b.fetched_at).count();
        let readings = self.readings.len();
        let what = match self.files.as_slice() {
            [] => "a recording".to_owned(),
            [file] => format!("the recording {}", file.display()),
            [first, others @ ..] => format!("the recording {} and {} more", first.display(), others.len()),
        };
        Replay {
            described: format!("{what} ({readings} readings in {polls} polls)"),
            readings: self.readings.into_iter(),
            set_aside: self.set_aside,
            notes: self.notes,
        }
    }

    /// By arrival; stable, so that the order within one poll stays.
    fn sort(&mut self) {
        if !self.readings.is_sorted_by_key(|reading| reading.fetched_at) {
            self.readings.sort_by_key(|reading| reading.fetched_at);
        }
    }
}

/// A recording that is played again, poll by poll.
///
/// The rows that could not be read come with the first snapshot; how many stations the portal counted was not recorded.
#[derive(Clone, Debug)]
pub struct Replay {
    described: String,
    readings: vec::IntoIter<StationStatus>,
    set_aside: Vec<SetAside>,
    notes: Vec<Note>,
}

impl Source for Replay {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        let Some(fetched_at) = self.next_due() else { return Ok(None) };
        let same_poll = |reading: &&StationStatus| reading.fetched_at == fetched_at;
        let length = self.readings.as_slice().iter().take_while(same_poll).count();
        let readings = self.readings.by_ref().take(length).collect();
        Ok(Some(Snapshot { fetched_at, readings, counted: None, set_aside: std::mem::take(&mut self.set_aside) }))
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        self.readings.as_slice().first().map(|reading| reading.fetched_at)
    }

    fn describe(&self) -> String {
        self.described.clone()
    }

    fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

/// Where each column of a table goes, or which of the two are missing that none can do without.
fn columns<'n>(path: &Path, names: &[&'n str], drift: &mut Drift) -> Result<Vec<Slot>> {
    let slots = slots(names);
    let new: Vec<&'n str> =
        names.iter().zip(&slots).filter(|(_, slot)| **slot == Slot::New).map(|(name, _)| *name).collect();
    drift.saw_names(&new);
    suffice(names, &slots).map_err(|error| error.at(Place::line(path, 1)))?;
    Ok(slots)
}

/// Where the values of the columns go; of two for one field the first is taken.
pub(crate) fn slots(names: &[&str]) -> Vec<Slot> {
    let mut slots: Vec<_> = names.iter().map(|name| Portal::slot(name)).collect();
    for place in 0..slots.len() {
        if slots[..place].contains(&slots[place]) && slots[place] != Slot::New {
            slots[place] = Slot::Passed;
        }
    }
    slots
}

/// Refuses a table in which no row could be a reading.
pub(crate) fn suffice(names: &[&str], slots: &[Slot]) -> Result<()> {
    let missing: Vec<_> = [Field::StationCode, Field::LastReported]
        .into_iter()
        .filter(|&field| !slots.contains(&Slot::Field(field)))
        .map(Field::name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (missing, present) = (missing.join(", "), names.join(", "));
    Err(Error::new(ErrorKind::Data, format!("columns missing: {missing}; columns there: {present}"))
        .way_out("rename the columns to the names of the portal's record"))
}

#[derive(Clone, Copy)]
enum Kind {
    Csv,
    Parquet,
    Json,
    JsonLines,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some("json") => Ok(Self::Json),
            Some("jsonl" | "ndjson") => Ok(Self::JsonLines),
            _ => Err(Error::new(ErrorKind::Usage, "its name ends in none of .csv, .parquet, .json and .jsonl")
                .at(Place::file(path))
                .way_out("name a CSV, a Parquet or a JSON file")),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::io(path, &error).way_out("check the path"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationCode;
    use proptest::prelude::*;
    use std::fs;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// A reading by station, event time and arrival.
    fn reading(station: u8, last_reported: i64, fetched_at: i64) -> StationStatus {
        let code = StationCode::new(&station.to_string()).unwrap();
        StationStatus::unknown(code, at(last_reported), at(fetched_at))
    }

    fn some_readings() -> impl Strategy<Value = Vec<StationStatus>> {
        let one =
            (0..4u8, 0..20i64, 0..10i64).prop_map(|(station, reported, fetched)| reading(station, reported, fetched));
        prop::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn a_replay_brings_every_reading_once_in_order_of_arrival(readings in some_readings()) {
            let recording = Recording::from_readings(readings.clone());
            let mut sorted = readings;
            sorted.sort_by_key(|reading| reading.fetched_at);
            prop_assert_eq!(recording.readings(), sorted.as_slice());

            let mut replay = recording.replay();
            let mut replayed = Vec::new();
            let mut last = None;
            while let Some(due) = replay.next_due() {
                let snapshot = replay.poll().unwrap().unwrap();
                prop_assert!(last < Some(due) && !snapshot.readings.is_empty() && snapshot.counted.is_none());
                prop_assert!(snapshot.fetched_at == due && snapshot.readings.iter().all(|reading| reading.fetched_at == due));
                replayed.extend(snapshot.readings);
                last = Some(due);
            }
            prop_assert_eq!(replayed, sorted);
            prop_assert_eq!(replay.poll(), Ok(None));
        }

        #[test]
        fn deduplicating_leaves_the_reading_of_each_key_that_was_fetched_first(readings in some_readings()) {
            let mut recording = Recording::from_readings(readings);
            let all = recording.readings().to_vec();
            let gone = recording.deduplicate();
            prop_assert_eq!(gone + recording.readings().len(), all.len());
            let mut keys = HashSet::new();
            let first: Vec<_> = all.iter().filter(|reading| keys.insert(reading.key())).cloned().collect();
            prop_assert_eq!(recording.readings(), first.as_slice());
            prop_assert_eq!(recording.deduplicate(), 0);
        }
    }

    #[test]
    fn several_files_are_one_recording_and_share_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let header = "fetched_at,stationcode,name,capacity,numdocksavailable,numbikesavailable,duedate";
        let row = |minute, station| format!("2022-05-12T10:{minute}:00Z,{station},Gare,9,4,5,2022-05-12T09:18:14Z");
        let (a, b) = (folder.path().join("a.csv"), folder.path().join("b.CSV"));
        fs::write(&a, [header, &row(20, 1), &row(30, 1), "torn"].join("\n")).unwrap();
        fs::write(&b, [header, &row(10, 1), &row(20, 2)].join("\n")).unwrap();
        let recording = Recording::read(&[&a, &b]).unwrap();
        let codes: Vec<_> = recording.readings().iter().map(|reading| reading.station_code.as_str()).collect();
        assert_eq!(codes, ["1", "1", "2", "1"]);
        let [first, others @ ..] = recording.readings() else { panic!("{recording:?}") };
        let same = |other: &StationStatus| std::ptr::eq(other.name.as_deref().unwrap(), first.name.as_deref().unwrap());
        assert!(others.iter().all(same));

        let mut replay = recording.replay();
        let described = format!("the recording {} and 1 more (4 readings in 3 polls)", a.display());
        assert_eq!(replay.describe(), described);
        let set_aside = std::iter::from_fn(|| replay.poll().unwrap()).map(|snapshot| snapshot.set_aside.len());
        assert_eq!(set_aside.collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn a_file_that_is_not_there_or_neither_kind_is_an_error_that_names_it() {
        let error = Recording::read(&["no/such.csv"]).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Io, Some(&Place::file("no/such.csv"))));
        for name in ["velib.txt", "velib", ".csv"] {
            let error = Recording::read(&[name]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert_eq!(
                error.to_string(),
                format!(
                    "{name}: its name ends in none of .csv, .parquet, .json and .jsonl; name a CSV, a Parquet or a JSON file"
                )
            );
        }
        assert_eq!(Recording::read::<&str>(&[]).unwrap_err().exit_code(), 2);
    }
}
