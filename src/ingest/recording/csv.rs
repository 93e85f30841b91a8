//! A recording as CSV: comma, one line of column names, UTF-8.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str;

use chrono::{DateTime, Utc};
use csv::{ByteRecord, ReaderBuilder};

use super::Recording;
use super::row::{self, Cell, Column, Layout, Names, Row};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;

/// Adds the rows of a CSV file to the recording.
pub(super) fn read(path: &Path, file: &File, names: &mut Names, into: &mut Recording) -> Result<()> {
    let fail = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::io(path, &error),
        kind => Error::new(ErrorKind::Data, format!("{kind:?}")).at(Place::file(path)),
    };
    let mut reader = ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(file);
    let header = reader.byte_headers().map_err(fail)?.clone();
    if header.is_empty() {
        return Err(Error::new(ErrorKind::Data, "the file is empty")
            .at(Place::file(path))
            .way_out("its first line must name the columns"));
    }
    let present: Vec<_> = header.iter().map(|name| str::from_utf8(name).unwrap_or("?").trim()).collect();
    let layout = row::layout(path, &present)?;
    let mut record = ByteRecord::new();
    let mut bad = Vec::new();
    while reader.read_byte_record(&mut record).map_err(fail)? {
        let row = CsvRow { record: &record, layout: &layout };
        let reading = if record.len() == header.len() {
            row::reading(&row, names)
        } else {
            Err(format!("{} cells under {} columns", record.len(), header.len()))
        };
        match reading {
            Ok(reading) => into.readings.push(reading),
            Err(reason) => {
                let start = record.position().map(|start| (start.byte(), start.line())).unwrap_or_default();
                bad.push((start, reader.position().byte(), reason));
            }
        }
    }
    for ((start, line), end, reason) in bad {
        let raw = text_between(file, start, end).map_err(|error| Error::io(path, &error))?;
        // The reader counts the end of the line before, and empty lines, to the record that follows them.
        let record = raw.trim_start_matches(['\r', '\n']);
        let skipped = raw[..raw.len() - record.len()].matches('\n').count() as u64;
        let raw = record.trim_end_matches(['\r', '\n']).to_owned();
        into.set_aside.push(SetAside { place: Place::line(path, line + skipped), reason, raw });
    }
    Ok(())
}

/// The bytes of a file from `start` to `end`, as text.
fn text_between(mut file: &File, start: u64, end: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(end.saturating_sub(start)).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct CsvRow<'a> {
    record: &'a ByteRecord,
    layout: &'a Layout,
}

impl CsvRow<'_> {
    /// The cell of a column without the white space around it, read by `parse`.
    fn parsed<T>(&self, column: Column, parse: impl FnOnce(&str) -> Option<T>) -> Cell<T> {
        match self.text(column)?.map(str::trim) {
            None | Some("") => Ok(None),
            Some(cell) => parse(cell).map(Some).ok_or_else(|| row::unreadable(column, cell)),
        }
    }
}

impl Row for CsvRow<'_> {
    fn text(&self, column: Column) -> Cell<&str> {
        let cell = self.layout[column as usize].and_then(|place| self.record.get(place));
        let Some(cell) = cell.filter(|cell| !cell.is_empty()) else { return Ok(None) };
        match str::from_utf8(cell) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(row::unreadable(column, String::from_utf8_lossy(cell))),
        }
    }

    fn time(&self, column: Column) -> Cell<DateTime<Utc>> {
        self.parsed(column, row::parse_time)
    }

    fn count(&self, column: Column) -> Cell<u32> {
        // The inner `None` is a NaN: unknown.
        let count = self.parsed(column, |cell| match cell.parse() {
            Ok(count) => Some(Some(count)),
            Err(_) => row::whole(cell.parse().ok()?),
        })?;
        Ok(count.flatten())
    }

    fn flag(&self, column: Column) -> Cell<bool> {
        self.parsed(column, row::parse_flag)
    }

    fn degrees(&self, column: Column) -> Cell<f64> {
        Ok(self.parsed(column, |cell| row::finite(cell.parse().ok()?))?.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::{StationCode, StationStatus};
    use proptest::prelude::*;
    use std::fs;
    use tempfile::TempDir;

    const HEADER: &str = "fetched_at,stationcode,capacity,numdocksavailable,numbikesavailable,duedate";
    const ROW: &str = "2022-05-12T10:22:18Z,16107,35,20,14,2022-05-12T09:18:14Z";

    /// Reads a file of this content; also the folder that it stands in, for as long as its path is needed.
    fn read(content: impl AsRef<[u8]>) -> (TempDir, Result<Recording>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, content).unwrap();
        let recording = Recording::read(&[path]);
        (folder, recording)
    }

    /// The message of the error, without the folder.
    fn error(content: impl AsRef<[u8]>) -> String {
        let (folder, recording) = read(content);
        recording.unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "")
    }

    /// Line, reason and raw text of what was set aside, and how many rows went on.
    fn set_aside(content: impl AsRef<[u8]>) -> (Vec<(u64, String, String)>, usize) {
        let (_folder, recording) = read(content);
        let recording = recording.unwrap();
        let line = |place: &Place| match place {
            Place::File { line: Some(line), .. } => *line,
            other => panic!("{other}"),
        };
        let rows = recording.set_aside().iter().map(|row| (line(&row.place), row.reason.clone(), row.raw.clone()));
        (rows.collect(), recording.readings().len())
    }

    #[test]
    fn what_the_file_does_not_say_is_unknown() {
        let (_folder, recording) =
            read(format!("{HEADER},weather\n2022-05-12T10:22:18Z,1,,NaN,14.0,2022-05-12T09:18:14Z,rain\n"));
        let recording = recording.unwrap();
        let (fetched_at, last_reported) =
            ("2022-05-12T10:22:18Z".parse().unwrap(), "2022-05-12T09:18:14Z".parse().unwrap());
        let unknown = StationStatus::unknown(StationCode::new("1").unwrap(), last_reported, fetched_at);
        assert_eq!(recording.readings(), [StationStatus { bikes_available: Some(14), ..unknown }]);
    }

    #[test]
    fn columns_may_stand_in_any_order_after_a_byte_order_mark() {
        let (_folder, recording) = read(
            "\u{feff}duedate,name,numbikesavailable,numdocksavailable,capacity,stationcode,fetched_at\r\n\
             2022-05-12T09:18:14Z,\"A, B\",14,20,35,16107,2022-05-12T10:22:18Z\r\n",
        );
        let recording = recording.unwrap();
        let reading = &recording.readings()[0];
        assert_eq!((reading.name.as_deref(), reading.capacity), (Some("A, B"), Some(35)));
        assert_eq!(reading.lag(), chrono::TimeDelta::seconds(3844));
    }

    #[test]
    fn a_missing_column_is_an_error_that_names_it_and_those_there_are() {
        assert_eq!(
            error("fetched_at,stationcode,capacity,bikes\n1,2,3,4\n"),
            "a.csv:1: columns missing: numdocksavailable, numbikesavailable, duedate; columns there: fetched_at, \
             stationcode, capacity, bikes; rename the columns to the names of the portal's record"
        );
    }

    #[test]
    fn a_file_without_a_reading_is_an_error() {
        assert_eq!(error(""), "a.csv: the file is empty; its first line must name the columns");
        assert_eq!(
            error(format!("{HEADER}\n")),
            "a.csv: no row stands under the names of the columns; collect some readings first"
        );
        assert_eq!(
            error(format!("{HEADER}\n,16107,1,1,1,2022-05-12T09:18:14Z\n")),
            "a.csv: not one of 1 rows can be read; the first: a.csv:2: no `fetched_at`: \
             ,16107,1,1,1,2022-05-12T09:18:14Z; mend that row first"
        );
    }

    #[test]
    fn a_row_that_cannot_be_read_is_set_aside_and_the_others_go_on() {
        let bad = [
            "2022-05-12T10:22:18Z, ,35,20,14,2022-05-12T09:18:14Z",
            "2022-05-12T10:22:18Z,1,35,-1,14,2022-05-12T09:18:14Z",
            "2022-05-12T10:22:18Z,1,35,1.5,14,2022-05-12T09:18:14Z",
            "yesterday,1,35,1,14,2022-05-12T09:18:14Z",
        ];
        let (rows, read) = set_aside([&[HEADER, ROW], &bad[..], &[ROW]].concat().join("\n"));
        assert_eq!(read, 2);
        let reasons = [
            "the station code is empty",
            "`numdocksavailable` is `-1`, not a count",
            "`numdocksavailable` is `1.5`, not a count",
            "`fetched_at` is `yesterday`, not a time (RFC 3339)",
        ];
        for (place, row) in rows.iter().enumerate() {
            assert_eq!(row, &(place as u64 + 3, reasons[place].to_owned(), bad[place].to_owned()));
        }
        assert_eq!(rows.len(), bad.len());
    }

    #[test]
    fn a_torn_last_line_is_set_aside() {
        let (rows, read) = set_aside(format!("{HEADER}\n{ROW}\n{}", &ROW[..30]));
        assert_eq!(rows, [(3, "4 cells under 6 columns".to_owned(), ROW[..30].to_owned())]);
        assert_eq!(read, 1);
    }

    #[test]
    fn the_line_is_right_whatever_ends_the_lines_and_after_empty_ones() {
        for end in ["\n", "\r\n"] {
            let (rows, _) = set_aside([HEADER, ROW, "", "x,y", ROW, "z"].join(end));
            let rows: Vec<_> = rows.iter().map(|(line, _, raw)| (*line, raw.as_str())).collect();
            assert_eq!(rows, [(4, "x,y"), (6, "z")], "{end:?}");
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_set_aside() {
        let (rows, read) =
            set_aside([HEADER.as_bytes(), b",name\n", ROW.as_bytes(), b",caf\xe9\n", ROW.as_bytes(), b",\n"].concat());
        assert_eq!((rows[0].0, rows[0].1.as_str(), read), (2, "`name` is `caf\u{fffd}`, not text in UTF-8", 1));
    }

    fn any_reading() -> impl Strategy<Value = StationStatus> {
        let time =
            || (0..4_102_444_800i64, 0..1_000_000_000u32).prop_map(|(s, n)| DateTime::from_timestamp(s, n).unwrap());
        let text = || prop::option::of("[^\\x00]{1,12}".prop_map(|text| text.as_str().into()));
        let count = || prop::option::of(any::<u32>());
        let flag = || prop::option::of(any::<bool>());
        let degrees = || prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL);
        let fixed = (time(), time(), "[0-9a-z_]{1,8}", text(), text());
        (fixed, (count(), count(), count(), count(), count()), (flag(), flag(), flag()), (degrees(), degrees()))
            .prop_map(|((fetched_at, last_reported, code, name, commune), counts, flags, (lat, lon))| StationStatus {
                fetched_at,
                station_code: StationCode::new(&code).unwrap(),
                name,
                is_installed: flags.0,
                capacity: counts.0,
                docks_available: counts.1,
                bikes_available: counts.2,
                mechanical: counts.3,
                ebike: counts.4,
                is_renting: flags.1,
                is_returning: flags.2,
                last_reported,
                lat,
                lon,
                commune,
            })
    }

    proptest! {
        #[test]
        fn what_serde_writes_is_read_back_equal(readings in prop::collection::vec(any_reading(), 1..20)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            for reading in &readings {
                writer.serialize(reading).unwrap();
            }
            let (_folder, recording) = read(writer.into_inner().unwrap());
            let recording = recording.unwrap();
            prop_assert_eq!(recording.set_aside(), []);
            prop_assert_eq!(recording, Recording { files: vec![_folder.path().join("a.csv")], ..Recording::from_readings(readings) });
        }

        #[test]
        fn no_content_makes_it_panic(content in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let _ = read(&content);
            let _ = read([HEADER.as_bytes(), b"\n", &content, b"\n", ROW.as_bytes()].concat());
            let text = format!("{HEADER}\n{ROW}\n{ROW}\n");
            let _ = read(&text[..cut.min(text.len())]);
        }
    }
}
