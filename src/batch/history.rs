//! A history that need not fit in memory: its readings by station, in memory while they are few, in files when they are many.

mod pack;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use chrono::{DateTime, Utc};

use self::pack::PACKED;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::{Compact, FilesRead, Recording, Sites, read_compact};
use crate::station::{StationCode, StationStatus};

/// In how many files the readings are at most, each those of some stations. Systems let a process have 256 open, or more.
const FILES: usize = 200;

/// How much is kept in memory before it goes to the files, bytes.
const MEMORY: usize = 64 << 20;

/// A part is closed when it has so many rows: as a table they take about a hundred megabytes.
const PART: usize = 200_000;

/// Readings by station, each (station, `last_reported`) once.
///
/// Reading goes row by row, and what exceeds 64 MB goes to temporary files ([`std::env::temp_dir`], 50 bytes a reading), which have
/// no name and are gone when the process is, however it ends. What is then computed station by station goes by
/// [`parts`](Self::parts): memory holds one of them. A part is 200,000 readings or, where that is more, a two-hundredth of the
/// history; a station is never divided.
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
    sites: Sites,
    buckets: Vec<Bucket>,
    /// Bytes in the memory of all buckets.
    kept: usize,
    limits: Limits,
    fetched: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// The readings of some stations.
#[derive(Debug, Default)]
struct Bucket {
    rows: usize,
    kept: Vec<u8>,
    file: Option<File>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    memory: usize,
    part: usize,
}

/// Some of the stations of a history, with all their readings.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPart {
    /// The readings in order of arrival, each (station, `last_reported`) once: the one fetched first. Those of one station and
    /// one arrival stand in the order of the files.
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
        for reading in readings {
            let reading = history.sites.compact(reading);
            let station = history.sites.sites()[reading.site as usize].station;
            history.push(&reading, station)?;
        }
        history.found.readings = readings.len() as u64;
        Ok(history)
    }

    fn read_within<P: AsRef<Path>>(paths: &[P], limits: Limits, progress: &mut dyn FnMut(u64)) -> Result<Self> {
        let (mut history, mut readings) = (Self::new(limits), 0u64);
        let (found, sites) = read_compact(paths, &mut |reading, sites| {
            readings += 1;
            if readings.is_multiple_of(1_000) {
                progress(readings);
            }
            history.push(&reading, sites.sites()[reading.site as usize].station)
        })?;
        Ok(Self { found, sites, ..history })
    }

    fn new(limits: Limits) -> Self {
        Self {
            found: FilesRead::default(),
            sites: Sites::default(),
            buckets: (0..FILES).map(|_| Bucket::default()).collect(),
            kept: 0,
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

    /// Whether some of the readings are in files.
    pub fn is_spilled(&self) -> bool {
        self.buckets.iter().any(|bucket| bucket.file.is_some())
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
        let Some(number) = self.sites.station(station) else { return Ok(Vec::new()) };
        let mut part = self.part(std::slice::from_ref(&self.buckets[number as usize % FILES]))?;
        part.readings.retain(|reading| reading.station_code == *station);
        Ok(part.readings)
    }

    /// Adds a reading of the station of this number.
    fn push(&mut self, reading: &Compact, station: u32) -> Result<()> {
        let bucket = &mut self.buckets[station as usize % FILES];
        pack::pack(reading, &mut bucket.kept);
        bucket.rows += 1;
        self.kept += PACKED;
        let (first, last) = self.fetched.unwrap_or((reading.fetched_at, reading.fetched_at));
        self.fetched = Some((first.min(reading.fetched_at), last.max(reading.fetched_at)));
        if self.kept > self.limits.memory { self.spill() } else { Ok(()) }
    }

    /// Brings what memory holds to the files.
    fn spill(&mut self) -> Result<()> {
        for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.kept.is_empty()) {
            bucket.spill().map_err(|error| {
                Error::io(std::env::temp_dir(), &error).way_out("name a folder with room for the history in TMPDIR")
            })?;
        }
        self.kept = 0;
        Ok(())
    }

    fn part(&self, buckets: &[Bucket]) -> Result<HistoryPart> {
        let rows = buckets.iter().map(|bucket| bucket.rows).sum();
        let mut readings = Vec::with_capacity(rows);
        for bucket in buckets {
            let spilled = bucket.spilled().map_err(|error| Error::io(std::env::temp_dir(), &error))?;
            for packed in spilled.chunks(PACKED).chain(bucket.kept.chunks(PACKED)) {
                readings.extend(pack::unpack(packed).and_then(|reading| self.sites.reading(&reading)));
            }
        }
        if readings.len() != rows {
            let message = format!("of {rows} readings that were written {} can be read back", readings.len());
            return Err(Error::new(ErrorKind::Data, message)
                .at(Place::file(std::env::temp_dir()))
                .way_out("name a folder on a sound disk in TMPDIR"));
        }
        let mut recording = Recording::from_readings(readings);
        let repeats = recording.deduplicate();
        Ok(HistoryPart { readings: recording.into_readings(), repeats })
    }
}

impl Bucket {
    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.kept)?;
        self.kept.clear();
        Ok(())
    }

    /// What its file holds.
    fn spilled(&self) -> io::Result<Vec<u8>> {
        let mut packed = Vec::new();
        if let Some(mut file) = self.file.as_ref() {
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut packed)?;
        }
        Ok(packed)
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
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::fs;
    use std::path::PathBuf;

    const LITTLE: Limits = Limits { memory: 10 * PACKED, part: 20 };

    /// Two files of readings, some of them in both, and rows that cannot be read.
    fn files(folder: &Path, readings: &[StationStatus]) -> [PathBuf; 2] {
        let paths = ["a.csv", "b.jsonl"].map(|name| folder.join(name));
        let mut csv = CsvCollector::open(&paths[0]).unwrap();
        csv.append(&readings[..readings.len() / 2]).unwrap();
        csv.sync().unwrap();
        let lines = readings[readings.len() / 3..].iter().map(|reading| serde_json::to_string(reading).unwrap());
        let lines: Vec<_> = lines.chain(["{".into(), "{}".into()]).collect();
        fs::write(&paths[1], lines.join("\n")).unwrap();
        paths
    }

    /// Each station's in their order.
    fn by_station(mut readings: Vec<StationStatus>) -> Vec<StationStatus> {
        readings.sort_by_key(|reading| reading.station_code.clone());
        readings
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
            prop_assert_eq!(history.is_spilled(), history.len() > 10);
            let times = || recording.readings().iter().map(|reading| reading.fetched_at);
            prop_assert_eq!(history.fetched(), times().min().zip(times().max()));
            let repeats = recording.deduplicate();
            let all = recording.into_readings();

            let settings = TableSettings::default();
            let mut gathered = Gathered::new(Engine::DataFrame, settings.max_gap);
            let (mut left_out, mut stations) = (0, HashSet::new());
            for part in history.parts() {
                let HistoryPart { readings, repeats } = part.unwrap();
                let own: HashSet<_> = readings.iter().map(|reading| reading.station_code.clone()).collect();
                prop_assert!(own.is_disjoint(&stations));
                let expected = all.iter().filter(|reading| own.contains(&reading.station_code)).cloned();
                prop_assert!(readings.is_sorted_by_key(|reading| reading.fetched_at));
                prop_assert_eq!(by_station(readings.clone()), by_station(expected.collect()));
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
    fn rows_that_are_lost_on_the_way_are_told() {
        let at = DateTime::UNIX_EPOCH;
        let readings: Vec<_> = (0..30)
            .map(|minute| at + chrono::TimeDelta::minutes(minute))
            .map(|time| StationStatus::unknown(StationCode::new("16107").unwrap(), time, time))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let history = History::read_within(&files(folder.path(), &readings), LITTLE, &mut |_| {}).unwrap();
        let file = history.buckets[0].file.as_ref().unwrap();
        file.set_len(2 * PACKED as u64).unwrap();
        let error = history.parts().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("of 35 readings that were written 4 can be read back"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }
}
