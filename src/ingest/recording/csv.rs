//! A table as CSV: one line of column names; parted by commas as recordings are, by semicolons as the portal's exports, or tabs.

mod cells;
mod lines;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::str;

use csv::{ByteRecord, ReaderBuilder};

use self::cells::Layout;
use super::columns;
use super::rows::Rows;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;
use crate::ingest::drift::Drift;
use crate::ingest::opendatasoft::Portal;
use crate::ingest::record::{Cell, Dialect, Record, Slot};

/// Reads the rows of a CSV file.
pub(super) fn read(path: &Path, file: impl Read + Seek, drift: &mut Drift, rows: &mut Rows<'_>) -> Result<()> {
    read_in_blocks(path, file, drift, rows, lines::BLOCK)
}

fn read_in_blocks(
    path: &Path,
    mut file: impl Read + Seek,
    drift: &mut Drift,
    rows: &mut Rows<'_>,
    block: usize,
) -> Result<()> {
    let fail = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => Error::io(path, &error),
        kind => Error::new(ErrorKind::Data, format!("{kind:?}")).at(Place::file(path)),
    };
    let delimiter = delimiter(&mut file).map_err(|error| Error::io(path, &error))?;
    let mut reader =
        ReaderBuilder::new().flexible(true).delimiter(delimiter).buffer_capacity(1 << 16).from_reader(&mut file);
    let header = reader.byte_headers().map_err(fail)?.clone();
    if header.is_empty() {
        return Err(Error::new(ErrorKind::Data, "the file is empty")
            .at(Place::file(path))
            .way_out("its first line must name the columns"));
    }
    let names: Vec<_> = header.iter().map(|name| str::from_utf8(name).unwrap_or("?").trim()).collect();
    let slots = columns(path, &names, drift)?;
    // By several threads as far as every line is a row; from there on, or from the start, by one.
    if let Some(layout) = Layout::of(&slots, delimiter) {
        let (start, io) = (reader.position().clone(), |error| Error::io(path, &error));
        let ahead = reader.get_mut().stream_position().map_err(io)?;
        match lines::read((path, reader.get_mut()), &layout, start.clone(), drift, rows, block)? {
            None => return Ok(()),
            Some(end) if end.byte() == start.byte() => {
                reader.get_mut().seek(SeekFrom::Start(ahead)).map_err(io)?;
            }
            Some(mut end) => {
                // From the end of the line before: what begins there is no file, whose mark of the byte order is passed over.
                let (byte, line) = (end.byte() - 1, end.line() - 1);
                end.set_byte(byte).set_line(line);
                reader.seek_raw(SeekFrom::Start(byte), end).map_err(fail)?;
            }
        }
    }
    let mut row = ByteRecord::new();
    let mut bad = Vec::new();
    while reader.read_byte_record(&mut row).map_err(fail)? {
        let reading = if row.len() == header.len() {
            record(row.iter(), &slots).reading(None, rows.texts(), drift)
        } else {
            Err(format!("{} cells under {} columns", row.len(), header.len()))
        };
        match reading {
            Ok(reading) => rows.reading(path, reading)?,
            Err(_) if !rows.keeps(bad.len()) => rows.pass_over(1),
            Err(reason) => {
                let start = row.position().map(|start| (start.byte(), start.line())).unwrap_or_default();
                bad.push((start, reader.position().byte(), reason));
            }
        }
    }
    drop(reader);
    for ((start, line), end, reason) in bad {
        let raw = text_between(&mut file, start, end).map_err(|error| Error::io(path, &error))?;
        // The reader counts the end of the line before, and empty lines, to the record that follows them.
        let record = raw.trim_start_matches(['\r', '\n']);
        let skipped = raw[..raw.len() - record.len()].matches('\n').count() as u64;
        let raw = record.trim_end_matches(['\r', '\n']).to_owned();
        rows.set_aside(SetAside { place: Place::line(path, line + skipped), reason, raw });
    }
    Ok(())
}

/// What parts the columns of a CSV whose first line this is, and their names as they stand there.
#[cfg(feature = "spark")]
pub(crate) fn header(line: &str) -> (char, Vec<String>) {
    let line = line.trim_start_matches('\u{feff}');
    let delimiter = delimiter_of(line);
    let mut reader = ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(line.as_bytes());
    let names = reader.records().next().and_then(std::result::Result::ok).unwrap_or_default();
    (char::from(delimiter), names.iter().map(str::to_owned).collect())
}

/// The character that parts the first line of a file.
fn delimiter(file: &mut (impl Read + Seek)) -> std::io::Result<u8> {
    let mut start = Vec::new();
    file.take(1 << 16).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    Ok(delimiter_of(line.trim_start_matches('\u{feff}')))
}

/// The character that parts a line into the most names that are known; a comma if none does.
fn delimiter_of(line: &str) -> u8 {
    let known = |delimiter: u8| {
        let names = line.split(char::from(delimiter)).map(|name| name.trim().trim_matches('"'));
        names.filter(|name| Portal::slot(name) != Slot::New).count()
    };
    // Of those that are as good the last is taken.
    [b'\t', b';', b','].into_iter().max_by_key(|&delimiter| known(delimiter)).unwrap_or(b',')
}

/// The bytes of a file from `start` to `end`, as text.
fn text_between(file: &mut (impl Read + Seek), start: u64, end: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(end.saturating_sub(start)).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The cells of a row under the columns that they stand in.
fn record<'r>(cells: impl Iterator<Item = &'r [u8]>, slots: &[Slot]) -> Record<'r> {
    let mut record = Record::default();
    for (bytes, slot) in cells.zip(slots) {
        match (slot, Cell::bytes_of(bytes)) {
            (Slot::Field(field), cell) => record.set(*field, cell),
            (Slot::Position, Cell::Text(text)) => record.set_position(text),
            (Slot::Position, other) => record.set_no_position(&other),
            _ => {}
        }
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Compact, Recording, Sites};
    use crate::station::{StationCode, StationStatus};
    use chrono::DateTime;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Cursor;
    use std::sync::Arc;
    use tempfile::TempDir;

    const HEADER: &str = "fetched_at,stationcode,capacity,numdocksavailable,numbikesavailable,duedate";
    const ROW: &str = "2022-05-12T10:22:18Z,16107,35,20,14,2022-05-12T09:18:14Z";

    const WIDE: &str = "name,stationcode,is_installed,capacity,numdocksavailable,numbikesavailable,mechanical,ebike,is_renting,\
        is_returning,duedate,fetched_at,coordonnees_geo,nom_arrondissement_communes,name";

    /// Rows of some stations as files have them, and what else may stand on a line.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let site = prop::sample::select(vec![
            ("Gare", "16107", "\"48.8, 2.3\"", "Paris"),
            ("Place", "1001", "", "Montreuil"),
            ("\"A, \"\"B\"\"\"", "31024_relais", "\"91.0, 2.3\"", ""),
            ("\u{feff}\"A", "7", "x", "Paris"),
            ("\u{feff}B", "8", "", "Paris"),
            ("", "", "", ""),
        ]);
        let count = || prop::sample::select(vec!["0", "14", "14.0", "", "many"]);
        let flag = || prop::sample::select(vec!["true", "OUI", "false", "", "maybe"]);
        let time = prop_oneof![
            Just("2022-05-12T09:18:14Z"),
            Just("2022-05-12 09:18:14"),
            Just("2022-05-12T11:18:14.5+02:00"),
            Just("then")
        ];
        let row = (site, (count(), count(), count()), (flag(), flag(), flag()), time, 10..60u32).prop_map(
            |((name, code, place, commune), counts, flags, time, minute)| {
                let (a, b, c) = counts;
                let fetched = format!("2022-05-12T10:{minute}:18Z");
                [name, code, flags.0, "35", a, b, c, "2", flags.1, flags.2, time, &fetched, place, commune, "again"]
                    .join(",")
                    .into_bytes()
            },
        );
        let other = prop::sample::select(vec![
            b"".as_slice(),
            b"torn",
            b"a,b\"c",
            b"\"two\nlines\",1,true,3,4,5,6,7,true,true,2022-05-12T09:18:14Z,2022-05-12T10:18:14Z,,Paris,",
            b"a\rb",
            b"\xff,1,true,3,4,5,6,7,true,true,2022-05-12T09:18:14Z,2022-05-12T10:18:14Z,\xff,Paris,",
            b"\xef\xbb\xbfa\rb",
            b"\"never closed",
        ]);
        prop_oneof![12 => row, 1 => other.prop_map(<[u8]>::to_vec)]
    }

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
            error("fetched_at,capacity,bikes\n1,2,3\n"),
            "a.csv:1: columns missing: stationcode, duedate; columns there: fetched_at, capacity, bikes; \
             rename the columns to the names of the portal's record"
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
            "a.csv: not one of 1 rows can be read; the first: a.csv:2: fetched_at is missing: \
             ,16107,1,1,1,2022-05-12T09:18:14Z; mend that row first"
        );
    }

    #[test]
    fn a_row_that_cannot_be_read_is_set_aside_and_the_others_go_on() {
        let bad = [
            "2022-05-12T10:22:18Z, ,35,20,14,2022-05-12T09:18:14Z",
            "yesterday,1,35,1,14,2022-05-12T09:18:14Z",
            "2022-05-12T10:22:18Z,1,35,1,14,",
        ];
        let (rows, read) = set_aside([&[HEADER, ROW], &bad[..], &[ROW]].concat().join("\n"));
        assert_eq!(read, 2);
        let reasons =
            ["stationcode is missing", "fetched_at is `\"yesterday\"`, not a time (RFC 3339)", "duedate is missing"];
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
    fn a_cell_that_cannot_be_read_is_unknown_and_noted_once() {
        let row =
            |station: &str, docks: &str| format!("2022-05-12T10:22:18Z,{station},35,{docks},14,2022-05-12T09:18:14Z,");
        let rows = [format!("{HEADER},name"), row("1", "-1"), row("2", "1.5"), row("3", "7")].join("\n");
        let (folder, recording) = read([rows.as_bytes(), b"\n", row("4", "7").as_bytes(), b"caf\xe9\n"].concat());
        let recording = recording.unwrap();
        let docks: Vec<_> = recording.readings().iter().map(|reading| reading.docks_available).collect();
        assert_eq!((docks, recording.set_aside()), (vec![None, None, Some(7), Some(7)], [].as_slice()));
        let notes: Vec<_> = recording.notes().iter().map(ToString::to_string).collect();
        let file = folder.path().join("a.csv").display().to_string();
        assert_eq!(
            notes,
            [
                format!(
                    "{file}: fields that no record has, unknown therefore: is_installed, mechanical, ebike, is_renting, \
                     is_returning, lat, lon, nom_arrondissement_communes"
                ),
                format!(
                    "{file}: name cannot be read in 1 record and is unknown there; the first: `\"caf\u{fffd}\"`, not a text, at station 4"
                ),
                format!(
                    "{file}: numdocksavailable cannot be read in 2 records and is unknown there; the first: `\"-1\"`, not a count, at station 1"
                ),
            ]
        );
    }

    const LABELS: &str = "\u{feff}Identifiant station;Nom station;Station en fonctionnement;Capacité de la station;\
        Nombre bornettes libres;Nombre total vélos disponibles;Vélos mécaniques disponibles;Vélos électriques disponibles;\
        Borne de paiement disponible;Retour vélib possible;Actualisation de la donnée;Coordonnées géographiques;\
        Nom communes équipées;Code INSEE communes équipées";
    const NAMES: &str = "\u{feff}stationcode;name;is_installed;capacity;numdocksavailable;numbikesavailable;mechanical;ebike;\
        is_renting;is_returning;duedate;coordonnees_geo;nom_arrondissement_communes;code_insee_commune";
    const EXPORTED: &str = "16107;Benjamin Godard - Victor Hugo;OUI;35;33;2;0;2;OUI;NON;2023-02-26T11:53:57+01:00;48.865983, 2.275725;Paris;";

    #[test]
    fn an_export_of_the_portal_is_read_with_names_or_with_french_labels() {
        let later = EXPORTED.replace("16107", "9020").replace("11:53:57", "12:02:02");
        for header in [LABELS, NAMES] {
            let (_folder, recording) = read([header, EXPORTED, &later].join("\r\n"));
            let recording = recording.unwrap();
            assert_eq!((recording.set_aside(), recording.notes()), ([].as_slice(), [].as_slice()));
            let [first, second] = recording.readings() else { panic!("{recording:?}") };
            assert_eq!((first.is_renting, first.is_returning, first.lat), (Some(true), Some(false), Some(48.865983)));
            assert_eq!((first.capacity, first.docks_available, first.lon), (Some(35), Some(33), Some(2.275725)));
            assert_eq!(first.last_reported.to_rfc3339(), "2023-02-26T10:53:57+00:00");
            // Fetched when the newest was reported.
            assert_eq!((first.fetched_at, second.fetched_at), (second.last_reported, second.last_reported));
        }
    }

    #[test]
    fn a_history_must_say_when_it_was_fetched() {
        let rows: Vec<_> = (10..13).map(|hour| EXPORTED.replace("T11", &format!("T{hour}"))).collect();
        assert_eq!(
            error([&[NAMES.to_owned()], rows.as_slice()].concat().join("\n")),
            "a.csv: no `fetched_at`, and 3 readings of 1 stations: an export has each once; add the column `fetched_at`: \
             when each reading was fetched"
        );
    }

    fn any_reading() -> impl Strategy<Value = StationStatus> {
        let time =
            || (0..4_102_444_800i64, 0..1_000_000_000u32).prop_map(|(s, n)| DateTime::from_timestamp(s, n).unwrap());
        let text = || prop::option::of("[^\\x00]{1,12}".prop_map(|text| text.as_str().into()));
        let count = || prop::option::of(any::<u32>());
        let flag = || prop::option::of(any::<bool>());
        // A name of white space alone is none.
        let text = move || text().prop_map(|text: Option<Arc<str>>| text.filter(|text| !text.trim().is_empty()));
        let place = prop::option::of((-90.0..=90.0f64, -180.0..=180.0f64));
        let fixed = (time(), time(), "[0-9a-z_]{1,8}", text(), text());
        (fixed, (count(), count(), count(), count(), count()), (flag(), flag(), flag()), place).prop_map(
            |((fetched_at, last_reported, code, name, commune), counts, flags, place)| StationStatus {
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
                lat: place.map(|(lat, _)| lat),
                lon: place.map(|(_, lon)| lon),
                commune,
            },
        )
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
            let readings = Recording::from_readings(readings);
            prop_assert_eq!(recording.readings(), readings.readings());
        }

        #[test]
        fn by_lines_in_blocks_of_any_length_it_is_what_the_library_and_the_one_reader_of_records_read(
            lines in prop::collection::vec(line(), 0..60),
            block in prop::sample::select(vec![150, 400, 1000, 1 << 20]),
            end in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let content = [&[WIDE.as_bytes().to_vec()], lines.as_slice()].concat().join(end.as_bytes());
            let all = |block| {
                let (mut readings, mut drift) = (Vec::new(), Drift::default());
                let mut keep = |reading: Compact, sites: &Sites| {
                    readings.push(sites.reading(&reading));
                    Ok(())
                };
                let mut rows = Rows::new(&mut keep, 5);
                read_in_blocks(Path::new("a.csv"), Cursor::new(&content), &mut drift, &mut rows, block).unwrap();
                let found = rows.finish().map(|(found, _)| (found.readings, found.unreadable, found.set_aside));
                drift.close(&Place::file("a.csv"), &[]);
                (found.map_err(|error| error.to_string()), readings, drift.take())
            };
            // In blocks of nothing no line is read.
            prop_assert_eq!(all(block), all(0));
        }

        #[test]
        fn no_content_makes_it_panic(content in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let _ = read(&content);
            let _ = read([LABELS.as_bytes(), b"\n", &content, b"\n", EXPORTED.as_bytes()].concat());
            let _ = read([HEADER.as_bytes(), b"\n", &content, b"\n", ROW.as_bytes()].concat());
            let text = format!("{HEADER}\n{ROW}\n{ROW}\n");
            let _ = read(&text[..cut.min(text.len())]);
        }
    }
}
