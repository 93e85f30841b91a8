//! A history that need not fit in memory: its readings by station, in memory while they are few, in files when they are many.

mod pack;

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use self::pack::{PACKED, Texts};
use crate::error::{Error, Place, Result};
use crate::ingest::{FilesRead, read_each};
use crate::station::{StationCode, StationStatus};

/// In how many files the readings are at most. A network has some thousand stations, and each file those of some.
const FILES: usize = 256;

/// How much is kept in memory before it goes to the files, bytes.
const MEMORY: usize = 64 << 20;

/// A part is closed when it has so many rows: as a table they take about a hundred megabytes.
const PART: usize = 200_000;

/// Readings by station, each (station, `last_reported`) once.
///
/// Reading goes row by row, and what exceeds 64 MB goes to a temporary folder ([`std::env::temp_dir`], about 75 bytes a reading),
/// which is deleted with the history. What is then computed station by station goes by [`parts`](Self::parts): memory holds one
/// of them, whatever the number of rows.
///
/// ```
/// use velib::batch::{Engine, Gathered, History, Table, TableSettings};
/// # use velib::{StationCode, StationStatus};
///
/// # fn main() -> velib::Result<()> {
/// # let at = chrono::DateTime::UNIX_EPOCH;
/// # let readings = vec![StationStatus::unknown(StationCode::new("16107")?, at, at)];
/// let history = History::of(&readings)?; // or History::read(&paths, &mut |_| {})?
/// let settings = TableSettings::default();
/// let mut gathered = Gathered::new(Engine::DataFrame, settings.max_gap);
/// for part in history.parts() {
///     gathered.add(&Table::with(&part?.readings, &settings)?)?;
/// }
/// assert_eq!(gathered.finish().readings, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct History {
    found: FilesRead,
    stations: HashMap<StationCode, u32>,
    codes: Vec<StationCode>,
    texts: Texts,
    buckets: Vec<Bucket>,
    /// Bytes in the memory of all buckets.
    kept: usize,
    folder: Option<TempDir>,
    limits: Limits,
    fetched: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The readings of some stations.
#[derive(Clone, Debug, Default)]
struct Bucket {
    rows: usize,
    kept: Vec<u8>,
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    memory: usize,
    part: usize,
}

/// Some of the stations of a history, with all their readings.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPart {
    /// The readings in order of arrival, each (station, `last_reported`) once: the one fetched first.
    pub readings: Vec<StationStatus>,
    /// How many repeats were left out.
    pub repeats: usize,
}

impl History {
    /// Reads files by the rules of [`Recording::read`](crate::ingest::Recording::read); `progress` is told after each thousand
    /// how many readings there are.
    pub fn read<P: AsRef<Path>>(paths: &[P], progress: &mut dyn FnMut(u64)) -> Result<Self> {
        Self::read_within(paths, Limits::default(), progress)
    }

    /// The history of these readings.
    pub fn of(readings: &[StationStatus]) -> Result<Self> {
        let mut history = Self::new(Limits::default());
        readings.iter().try_for_each(|reading| history.push(reading))?;
        history.found.readings = readings.len() as u64;
        Ok(history)
    }

    fn read_within<P: AsRef<Path>>(paths: &[P], limits: Limits, progress: &mut dyn FnMut(u64)) -> Result<Self> {
        let (mut history, mut readings) = (Self::new(limits), 0);
        let found = read_each(paths, &mut |reading| {
            readings += 1;
            if readings % 1_000 == 0 {
                progress(readings);
            }
            history.push(&reading)
        })?;
        Ok(Self { found, ..history })
    }

    fn new(limits: Limits) -> Self {
        Self {
            found: FilesRead::default(),
            stations: HashMap::new(),
            codes: Vec::new(),
            texts: Texts::default(),
            buckets: vec![Bucket::default(); FILES],
            kept: 0,
            folder: None,
            limits,
            fetched: None,
        }
    }

    /// What was found in the files, the rows that could not be read among it.
    pub fn found(&self) -> &FilesRead {
        &self.found
    }

    /// How many readings it holds, repeats included.
    pub fn len(&self) -> u64 {
        self.found.readings
    }

    /// Whether it holds no reading.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first and the last of its readings were fetched.
    pub fn fetched(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        self.fetched
    }

    /// Where the readings are that memory did not hold.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// The stations part by part: every station is in one of them, with all its readings.
    pub fn parts(&self) -> impl Iterator<Item = Result<HistoryPart>> + '_ {
        let mut rest = self.buckets.as_slice();
        std::iter::from_fn(move || {
            let (mut rows, mut end) = (0, 0);
            while end < rest.len() && (rows == 0 || rows + rest[end].rows <= self.limits.part) {
                rows += rest[end].rows;
                end += 1;
            }
            let (part, others) = rest.split_at(end);
            rest = others;
            (rows > 0).then(|| self.part(part))
        })
    }

    /// The readings of one station, as in its part.
    pub fn readings_of(&self, station: &StationCode) -> Result<Vec<StationStatus>> {
        let Some(&number) = self.stations.get(station) else { return Ok(Vec::new()) };
        let mut part = self.part(std::slice::from_ref(&self.buckets[number as usize % FILES]))?;
        part.readings.retain(|reading| reading.station_code == *station);
        Ok(part.readings)
    }

    fn push(&mut self, reading: &StationStatus) -> Result<()> {
        let number = self.number(&reading.station_code);
        let bucket = &mut self.buckets[number as usize % FILES];
        pack::pack(reading, number, &mut self.texts, &mut bucket.kept);
        bucket.rows += 1;
        self.kept += PACKED;
        let (first, last) = self.fetched.unwrap_or((reading.fetched_at, reading.fetched_at));
        self.fetched = Some((first.min(reading.fetched_at), last.max(reading.fetched_at)));
        if self.kept > self.limits.memory { self.spill() } else { Ok(()) }
    }

    fn number(&mut self, station: &StationCode) -> u32 {
        if let Some(&number) = self.stations.get(station) {
            return number;
        }
        let number = self.codes.len() as u32;
        self.stations.insert(station.clone(), number);
        self.codes.push(station.clone());
        number
    }

    /// Brings what memory holds to the files.
    fn spill(&mut self) -> Result<()> {
        let folder = match &self.folder {
            Some(folder) => folder,
            None => self.folder.insert(TempDir::with_prefix("velib-").map_err(|error| {
                Error::io(std::env::temp_dir(), &error).way_out("name a folder with room for it in TMPDIR")
            })?),
        };
        for (number, bucket) in self.buckets.iter_mut().enumerate().filter(|(_, bucket)| !bucket.kept.is_empty()) {
            let path = bucket.file.get_or_insert_with(|| folder.path().join(number.to_string()));
            let append = || OpenOptions::new().append(true).create(true).open(&*path)?.write_all(&bucket.kept);
            append().map_err(|error| {
                Error::io(path, &error).way_out("make room, or name a folder with room for it in TMPDIR")
            })?;
            bucket.kept.clear();
        }
        self.kept = 0;
        Ok(())
    }

    fn part(&self, buckets: &[Bucket]) -> Result<HistoryPart> {
        let mut readings = Vec::with_capacity(buckets.iter().map(|bucket| bucket.rows).sum());
        for bucket in buckets {
            if let Some(path) = &bucket.file {
                let mut packed = Vec::new();
                File::open(path)
                    .and_then(|mut file| file.read_to_end(&mut packed))
                    .map_err(|error| Error::io(path, &error))?;
                self.unpack(&packed, &mut readings)?;
            }
            self.unpack(&bucket.kept, &mut readings)?;
        }
        // Stable: what was fetched at one time stays in the order of the files.
        readings.sort_by_key(|reading| reading.fetched_at);
        let rows = readings.len();
        let mut seen = HashSet::with_capacity(rows);
        readings.retain(|reading| seen.insert((reading.station_code.clone(), reading.last_reported)));
        Ok(HistoryPart { repeats: rows - readings.len(), readings })
    }

    fn unpack(&self, packed: &[u8], readings: &mut Vec<StationStatus>) -> Result<()> {
        for packed in packed.chunks(PACKED) {
            let reading = pack::unpack(packed, &self.codes, &self.texts);
            readings.push(reading.ok_or_else(|| {
                let folder = self.folder().unwrap_or(Path::new("memory"));
                Error::new(crate::error::ErrorKind::Data, "what was written there is not what stands there now")
                    .at(Place::file(folder))
                    .way_out("leave the folder alone while this runs, and start again")
            })?);
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: MEMORY, part: PART }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::readings_with_gaps;
    use crate::batch::{CsvCollector, Engine, Gathered, Table, TableSettings, statistics};
    use crate::ingest::Recording;
    use proptest::prelude::*;
    use std::fs;

    const LITTLE: Limits = Limits { memory: 10 * PACKED, part: 20 };

    /// Two files of readings, some of them in both, and rows that cannot be read.
    fn files(folder: &Path, readings: &[StationStatus]) -> [PathBuf; 2] {
        let paths = ["a.csv", "b.jsonl"].map(|name| folder.join(name));
        let mut csv = CsvCollector::open(&paths[0]).unwrap();
        csv.append(&readings[..readings.len() / 2]).unwrap();
        drop(csv);
        let lines = readings[readings.len() / 3..].iter().map(|reading| serde_json::to_string(reading).unwrap());
        let lines: Vec<_> = lines.chain(["{".into(), "{}".into()]).collect();
        fs::write(&paths[1], lines.join("\n")).unwrap();
        paths
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn from_files_and_part_by_part_it_is_what_the_whole_is_in_memory(readings in readings_with_gaps()) {
            prop_assume!(!readings.is_empty());
            let folder = tempfile::tempdir().unwrap();
            let paths = files(folder.path(), &readings);
            let mut recording = Recording::read(&paths).unwrap();
            let history = History::read_within(&paths, LITTLE, &mut |_| {}).unwrap();
            prop_assert_eq!(history.len(), recording.readings().len() as u64);
            prop_assert_eq!(&history.found().set_aside, recording.set_aside());
            prop_assert_eq!(history.found().unreadable, 2);
            prop_assert_eq!(history.folder().is_some(), history.len() > 10);
            let repeats = recording.deduplicate();
            let all = recording.into_readings();
            let times = || all.iter().map(|reading| reading.fetched_at);
            prop_assert_eq!(history.fetched(), times().min().zip(times().max()));

            let settings = TableSettings::default();
            let mut gathered = Gathered::new(Engine::DataFrame, settings.max_gap);
            let (mut left_out, mut stations) = (0, HashSet::new());
            for part in history.parts() {
                let HistoryPart { readings, repeats } = part.unwrap();
                let own: HashSet<_> = readings.iter().map(|reading| reading.station_code.clone()).collect();
                prop_assert!(own.is_disjoint(&stations));
                let expected = all.iter().filter(|reading| own.contains(&reading.station_code)).cloned();
                prop_assert_eq!(&readings, &expected.collect::<Vec<_>>());
                gathered.add(&Table::with(&readings, &settings).unwrap()).unwrap();
                left_out += repeats;
                stations.extend(own);
            }
            prop_assert_eq!(left_out, repeats);
            prop_assert_eq!(gathered.finish(), statistics(&Table::new(&all).unwrap(), Engine::DataFrame).unwrap());

            let station = &all[0].station_code;
            let own: Vec<_> = all.iter().filter(|reading| reading.station_code == *station).cloned().collect();
            prop_assert_eq!(history.readings_of(station).unwrap(), own);
        }
    }

    #[test]
    fn a_station_that_is_not_there_has_no_readings_and_nothing_has_no_part() {
        let history = History::of(&[]).unwrap();
        assert_eq!(history.readings_of(&StationCode::new("1").unwrap()).unwrap(), []);
        assert_eq!((history.parts().count(), history.is_empty(), history.fetched()), (0, true, None));
    }

    #[test]
    fn the_files_go_with_the_history() {
        let folder = tempfile::tempdir().unwrap();
        let at = DateTime::UNIX_EPOCH;
        let lines: Vec<_> = (0..30)
            .map(|minute| at + chrono::TimeDelta::minutes(minute))
            .map(|time| StationStatus::unknown(StationCode::new("16107").unwrap(), time, time))
            .collect();
        let paths = files(folder.path(), &lines);
        let history = History::read_within(&paths, LITTLE, &mut |_| {}).unwrap();
        let kept = history.folder().unwrap().to_owned();
        assert!(kept.is_dir());
        fs::write(kept.join("0"), [0; 5]).unwrap();
        let error = history.parts().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("what was written there is not what stands there now"), "{error}");
        drop(history);
        assert!(!kept.exists());
    }
}
