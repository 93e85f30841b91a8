//! Readings that somebody recorded, from CSV and Parquet files, and their replay on the clock they were fetched by.
//!
//! Both kinds of file hold the same table, whose columns are the names that [`StationStatus`] has outside the program.
//! What a row says is read in one place (`row`), whatever the file; `csv` and `parquet` only bring its cells.

mod csv;
mod parquet;
mod row;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::vec;

use chrono::{DateTime, Utc};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::{SetAside, Snapshot, Source};
use crate::station::StationStatus;
use row::Names;

/// Recorded readings in order of arrival, and the rows that could not be read.
///
/// The order is that of `fetched_at`, and for one `fetched_at` that of the files and of the rows in them. Readings that
/// the portal repeated are kept until [`deduplicate`](Self::deduplicate) is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    files: Vec<PathBuf>,
    readings: Vec<StationStatus>,
    set_aside: Vec<SetAside>,
}

impl Recording {
    /// Reads files, `.csv` and `.parquet` mixed, into one recording.
    ///
    /// A file must have the columns `fetched_at`, `stationcode`, `duedate`, `capacity`, `numdocksavailable` and
    /// `numbikesavailable`; the others that [`StationStatus`] names may be missing, and columns that it does not name are
    /// passed over. Times are RFC 3339 or, in Parquet, timestamps; a time without an offset is taken as UTC. A flag is
    /// `true`/`false`, `OUI`/`NON` or `1`/`0`. An empty cell, a null and `NaN` are unknown. A row without a station or
    /// without one of its clocks, and one with a cell that says nothing sensible, is [set aside](Self::set_aside) with
    /// its place: the line in a CSV file, the row (from 1) in a Parquet file.
    ///
    /// An error is: a file that cannot be opened or is neither kind, a column missing or of the wrong type, a Parquet
    /// file that is not whole, and files that hold no reading at all.
    pub fn read<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        let (mut recording, mut names) = (Self::default(), Names::default());
        for path in paths {
            let path = path.as_ref();
            match Kind::of(path)? {
                Kind::Csv => csv::read(path, &open(path)?, &mut names, &mut recording)?,
                Kind::Parquet => parquet::read(path, open(path)?, &mut names, &mut recording)?,
            }
            recording.files.push(path.to_path_buf());
        }
        if recording.readings.is_empty() {
            return Err(recording.nothing_read());
        }
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
        }
    }

    /// By arrival; stable, so that the order within one poll stays.
    fn sort(&mut self) {
        if !self.readings.is_sorted_by_key(|reading| reading.fetched_at) {
            self.readings.sort_by_key(|reading| reading.fetched_at);
        }
    }

    /// Why there is not one reading, once all files were read.
    fn nothing_read(&self) -> Error {
        let (message, way_out) = match (self.files.as_slice(), self.set_aside.as_slice()) {
            ([], _) => return Error::usage("--data", "no file was named").way_out("name a .csv or a .parquet file"),
            (_, [first, ..]) => (
                format!("not one of {} rows can be read; the first: {first}", self.set_aside.len()),
                "mend that row first",
            ),
            (_, []) => ("no row stands under the names of the columns".to_owned(), "collect some readings first"),
        };
        let error = Error::new(ErrorKind::Data, message).way_out(way_out);
        if let [file] = self.files.as_slice() { error.at(Place::file(file)) } else { error }
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
}

enum Kind {
    Csv,
    Parquet,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::new(ErrorKind::Usage, "its name ends neither in .csv nor in .parquet")
                .at(Place::file(path))
                .way_out("name a CSV or a Parquet file")),
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
                format!("{name}: its name ends neither in .csv nor in .parquet; name a CSV or a Parquet file")
            );
        }
        assert_eq!(Recording::read::<&str>(&[]).unwrap_err().exit_code(), 2);
    }
}
