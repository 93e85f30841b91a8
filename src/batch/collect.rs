//! From a stream of readings to one CSV: appended batch by batch, each reading once, safe to kill at any moment.
//!
//! The file itself is the memory. Opening it again reads its keys back, so that what it holds is not written twice, and
//! cuts off a last line that a crash left torn. A consumer that acknowledges to Kafka only after [`CsvCollector::sync`]
//! therefore loses nothing and repeats nothing: what was not synced comes again, what comes again is known.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::Dedupe;
use crate::station::{StationCode, StationStatus};

/// The columns of the file, in their order: the names that [`StationStatus`] carries outside the program.
pub const COLUMNS: [&str; 15] = [
    "fetched_at",
    "stationcode",
    "name",
    "is_installed",
    "capacity",
    "numdocksavailable",
    "numbikesavailable",
    "mechanical",
    "ebike",
    "is_renting",
    "is_returning",
    "duedate",
    "lat",
    "lon",
    "nom_arrondissement_communes",
];
const STATION_CODE: usize = 1;
const LAST_REPORTED: usize = 11;

/// Bytes that no line of a reading reaches; more without an end is not a torn line.
const LONGEST_LINE: u64 = 1 << 16;

/// One CSV file that readings are appended to. It is locked against a second collector while this one lives.
#[derive(Debug)]
pub struct CsvCollector {
    path: PathBuf,
    writer: csv::Writer<File>,
    dedupe: Dedupe,
    found: Found,
    /// Set while a write is under way, so that one that fails leaves it set.
    broken: bool,
}

/// What [`CsvCollector::open`] found in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Lines that are readings.
    pub readings: u64,
    /// Lines whose station or time cannot be read; they stay in the file.
    pub unreadable: u64,
    /// Bytes of a torn last line, cut off; 0 if the file ended with a whole line.
    pub torn_bytes: u64,
}

/// What became of the readings of one [`CsvCollector::append`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Readings written.
    pub written: u64,
    /// Readings left out because the file holds them.
    pub repeated: u64,
}

impl CsvCollector {
    /// Opens a file to append to, and creates it with its header where there is none.
    ///
    /// A file with other columns is an error and is not touched; so is one that another collector holds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: io::Error| Error::io(path, &error);
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => Error::new(ErrorKind::Io, "another collector is writing to it")
                .at(Place::file(path))
                .way_out("stop that one, or collect to another file"),
            std::fs::TryLockError::Error(error) => failed(error),
        })?;

        let mut dedupe = Dedupe::unbounded();
        let (found, end) = read_back(&file, path, &mut dedupe)?;
        file.set_len(end).map_err(failed)?;
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        if end == 0 {
            writer.write_record(COLUMNS).map_err(|error| Error::io(path, &error.into()))?;
        }
        let mut collector = Self { path: path.to_path_buf(), writer, dedupe, found, broken: false };
        collector.sync()?;
        sync_folder(path);
        Ok(collector)
    }

    /// What the file held when it was opened.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Appends the readings that the file does not hold yet, in their order. They are safe only after [`sync`](Self::sync).
    ///
    /// After an error nobody knows what reached the file, so every further call fails: open it again.
    pub fn append(&mut self, readings: &[StationStatus]) -> Result<Appended> {
        self.write(|collector| {
            let mut appended = Appended::default();
            for reading in readings {
                if collector.dedupe.insert(&reading.station_code, reading.last_reported) {
                    collector.writer.serialize(reading)?;
                    appended.written += 1;
                } else {
                    appended.repeated += 1;
                }
            }
            Ok(appended)
        })
    }

    /// Returns when everything appended is on the disk. To be called before the readings are acknowledged to Kafka.
    pub fn sync(&mut self) -> Result<()> {
        self.write(|collector| {
            collector.writer.flush()?;
            collector.writer.get_ref().sync_all()
        })
    }

    fn write<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> Result<T> {
        if self.broken {
            return Err(Error::new(ErrorKind::Io, "an earlier write failed")
                .at(Place::file(&self.path))
                .way_out("open the file again; what it does not hold comes again from Kafka"));
        }
        self.broken = true;
        let done = work(self).map_err(|error| Error::io(&self.path, &error))?;
        self.broken = false;
        Ok(done)
    }
}

/// Reads the keys of a file into `dedupe`; what was found, and where its last whole line ends (0: not even a header).
fn read_back(file: &File, path: &Path, dedupe: &mut Dedupe) -> Result<(Found, u64)> {
    let failed = |error: io::Error| Error::io(path, &error);
    let length = file.metadata().map_err(failed)?.len();
    let header = format!("{}\n", COLUMNS.join(","));
    if length < header.len() as u64 && header.as_bytes().starts_with(&bytes_from(file, 0).map_err(failed)?) {
        return Ok((Found { torn_bytes: length, ..Found::default() }, 0));
    }

    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_reader(BufReader::new(start_at(file, 0).map_err(failed)?));
    let columns = reader.byte_headers().map_err(|error| failed(error.into()))?;
    if columns != COLUMNS.as_slice() {
        let columns: Vec<_> = columns.iter().map(String::from_utf8_lossy).collect();
        return Err(Error::new(ErrorKind::Data, format_args!("its columns are `{}`", columns.join(",")))
            .at(Place::line(path, 1))
            .way_out(format_args!("collect to a new file, or to one with the columns `{}`", COLUMNS.join(","))));
    }

    let mut found = Found::default();
    let mut note = |record: &csv::ByteRecord| match key(record) {
        Some((station_code, last_reported)) => {
            dedupe.insert(&station_code, last_reported);
            found.readings += 1;
        }
        None => found.unreadable += 1,
    };
    // Only the last record can be torn, so each is noted when the next one has been seen.
    let (mut record, mut last) = (csv::ByteRecord::new(), csv::ByteRecord::new());
    while reader.read_byte_record(&mut record).map_err(|error| failed(error.into()))? {
        if last.position().is_some() {
            note(&last);
        }
        std::mem::swap(&mut record, &mut last);
    }
    let Some(start) = last.position() else {
        let header_is_whole = is_whole(&bytes_from(file, 0).map_err(failed)?);
        return Ok(if header_is_whole { (found, length) } else { (Found { torn_bytes: length, ..found }, 0) });
    };
    if length - start.byte() > LONGEST_LINE {
        return Err(Error::new(ErrorKind::Data, "a quote is opened here and never closed")
            .at(Place::line(path, start.line()))
            .way_out("repair the line, or collect to a new file"));
    }
    if is_whole(&bytes_from(file, start.byte()).map_err(failed)?) {
        note(&last);
        return Ok((found, length));
    }
    found.torn_bytes = length - start.byte();
    Ok((found, start.byte()))
}

/// The station and the event time of a line, if it is one of a reading.
fn key(record: &csv::ByteRecord) -> Option<(StationCode, DateTime<Utc>)> {
    let text = |column: usize| std::str::from_utf8(record.get(column)?).ok();
    let last_reported = DateTime::parse_from_rfc3339(text(LAST_REPORTED)?).ok()?;
    (record.len() == COLUMNS.len()).then_some((StationCode::new(text(STATION_CODE)?).ok()?, last_reported.to_utc()))
}

/// Whether the bytes of one record, from its start to the end of the file, are all of it: no quote open, and an end of line.
fn is_whole(line: &[u8]) -> bool {
    line.ends_with(b"\n") && line.iter().filter(|&&byte| byte == b'"').count() % 2 == 0
}

fn start_at(mut file: &File, byte: u64) -> io::Result<&File> {
    file.seek(SeekFrom::Start(byte))?;
    Ok(file)
}

fn bytes_from(file: &File, byte: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    start_at(file, byte)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A new file outlives a loss of power only if its folder was synced too. Not every system can; the file itself is synced.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::{at, readings};
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::fs;

    fn read(path: &Path) -> Vec<StationStatus> {
        csv::Reader::from_path(path).unwrap().deserialize().map(|reading| reading.unwrap()).collect()
    }

    fn distinct(readings: &[StationStatus]) -> Vec<StationStatus> {
        let mut seen = HashSet::new();
        readings.iter().filter(|reading| seen.insert(reading.key())).cloned().collect()
    }

    fn awkward() -> Vec<StationStatus> {
        let reading = |code: &str, name: &str, seconds| StationStatus {
            name: Some(name.into()),
            commune: Some("Paris,\n\"16e\"\n".into()),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), at(seconds), at(seconds + 60))
        };
        vec![reading("16107", "Benjamin Godard", 0), reading("\"q\"", "a \"b\"", 0), reading("31024_relais", "é\n", 1)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_read_back_is_what_was_appended_each_key_once(
            batches in prop::collection::vec(readings(), 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.csv");
            let all = batches.concat();
            let mut written = 0;
            for batch in &batches {
                let mut collector = CsvCollector::open(&path).unwrap();
                prop_assert_eq!(collector.found(), Found { readings: written, ..Found::default() });
                let appended = collector.append(batch).unwrap();
                prop_assert_eq!(appended.written + appended.repeated, batch.len() as u64);
                collector.sync().unwrap();
                written += appended.written;
            }
            if !batches.is_empty() {
                prop_assert_eq!(read(&path), distinct(&all));
            }
        }
    }

    #[test]
    fn after_a_crash_at_any_byte_the_same_readings_again_make_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let all = awkward();
        let mut ends = vec![];
        for count in 0..=all.len() {
            let mut collector = CsvCollector::open(&path).unwrap();
            collector.append(&all[..count]).unwrap();
            collector.sync().unwrap();
            ends.push(fs::metadata(&path).unwrap().len());
        }
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut collector = CsvCollector::open(&path).unwrap();
            let kept = ends.iter().rposition(|&end| end <= cut as u64);
            let torn_bytes = cut as u64 - kept.map_or(0, |kept| ends[kept]);
            let readings = kept.unwrap_or(0) as u64;
            assert_eq!(collector.found(), Found { readings, unreadable: 0, torn_bytes }, "cut at byte {cut}");
            let appended = collector.append(&all).unwrap();
            assert_eq!(appended, Appended { written: all.len() as u64 - readings, repeated: readings });
            collector.sync().unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at byte {cut}");
        }
    }

    #[test]
    fn the_columns_are_the_names_of_the_reading_in_its_order() {
        let mut writer = csv::Writer::from_writer(vec![]);
        writer.serialize(&awkward()[0]).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next(), Some(COLUMNS.join(",").as_str()));
        assert_eq!((COLUMNS[STATION_CODE], COLUMNS[LAST_REPORTED]), ("stationcode", "duedate"));
    }

    #[test]
    fn a_file_with_other_columns_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.csv");
        for text in ["stationcode;duedate\n16107;x\n", "id\n", "not a table"] {
            fs::write(&path, text).unwrap();
            let error = CsvCollector::open(&path).unwrap_err();
            let columns = text.lines().next().unwrap();
            let start = format!("{}:1: its columns are `{columns}`; collect to a new file", path.display());
            assert!(error.to_string().starts_with(&start), "{error}");
            assert_eq!((error.kind(), fs::read_to_string(&path).unwrap().as_str()), (ErrorKind::Data, text));
        }
    }

    #[test]
    fn unreadable_lines_stay_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let text = format!("{}\nbroken,line\n{}\n", COLUMNS.join(","), ",".repeat(COLUMNS.len() - 1));
        fs::write(&path, &text).unwrap();
        let mut collector = CsvCollector::open(&path).unwrap();
        assert_eq!(collector.found(), Found { unreadable: 2, ..Found::default() });
        collector.append(&awkward()).unwrap();
        collector.sync().unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with(&text));
    }

    #[test]
    fn a_header_without_its_end_of_line_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for text in [format!("\u{feff}{}", COLUMNS.join(",")), COLUMNS.join(",")] {
            fs::write(&path, &text).unwrap();
            assert_eq!(CsvCollector::open(&path).unwrap().found().torn_bytes, text.len() as u64);
            assert_eq!(fs::read_to_string(&path).unwrap(), COLUMNS.join(",") + "\n");
        }
    }

    #[test]
    fn a_quote_that_never_closes_is_no_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let text = format!("{}\n\"{}", COLUMNS.join(","), "16107\n".repeat(20_000));
        fs::write(&path, &text).unwrap();
        let error = CsvCollector::open(&path).unwrap_err();
        assert!(error.to_string().contains("a.csv:2: a quote is opened here"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_second_collector_on_the_same_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let first = CsvCollector::open(&path).unwrap();
        let error = CsvCollector::open(&path).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("another collector is writing to it; stop that one, or collect to another file")
        );
        drop(first);
        CsvCollector::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.csv");
        let error = CsvCollector::open(&path).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Io, Some(&Place::file(&path))));
    }

    /// A full disk, where the system has one to offer.
    #[test]
    #[cfg(target_os = "linux")]
    fn after_a_failed_write_every_call_fails_until_the_file_is_opened_again() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut collector = CsvCollector {
            path: "/dev/full".into(),
            writer: csv::WriterBuilder::new().has_headers(false).from_writer(full),
            dedupe: Dedupe::new(),
            found: Found::default(),
            broken: false,
        };
        collector.append(&awkward()).unwrap();
        assert_eq!(collector.sync().unwrap_err().kind(), ErrorKind::Io);
        let again = collector.append(&awkward()).unwrap_err();
        assert!(again.to_string().contains("an earlier write failed; open the file again"), "{again}");
    }
}
