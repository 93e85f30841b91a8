//! What the portal answers, kept as a file: one JSON document, or a record on each line.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::rows::Rows;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;
use crate::ingest::drift::Drift;
use crate::ingest::opendatasoft::{document, record};

/// A file's content.
pub(super) fn whole(path: &Path, mut file: impl Read) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    file.read_to_end(&mut body).map_err(|error| Error::io(path, &error))?;
    Ok(body)
}

/// Reads the records of one document.
pub(super) fn read_document(path: &Path, body: &[u8], drift: &mut Drift, rows: &mut Rows<'_>) -> Result<()> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let read = document(body, None, &Place::file(path), rows.texts(), drift).map_err(|error| {
        Error::new(ErrorKind::Data, error)
            .at(Place::file(path))
            .way_out("fetch it again; records on lines go by .jsonl")
    })?;
    read.set_aside.into_iter().for_each(|record| rows.set_aside(record));
    read.readings.into_iter().try_for_each(|reading| rows.reading(path, reading))
}

/// Reads the record of each line; a line that holds none is set aside: an export that broke off ends with one.
pub(super) fn read_lines(path: &Path, file: impl Read, drift: &mut Drift, rows: &mut Rows<'_>) -> Result<()> {
    let (mut file, mut line, mut number) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        if file.read_until(b'\n', &mut line).map_err(|error| Error::io(path, &error))? == 0 {
            return Ok(());
        }
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        match record(text, None, rows.texts(), drift) {
            Ok(reading) => rows.reading(path, reading)?,
            Err(reason) => {
                let raw = String::from_utf8_lossy(text).into_owned();
                rows.set_aside(SetAside { place: Place::line(path, number), reason, raw });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::Recording;
    use crate::station::StationStatus;
    use proptest::prelude::*;
    use serde_json::json;

    const RECORD: &str = r#"{"stationcode": "16107", "duedate": "2023-02-26T11:53:57+01:00", "capacity": 35,
        "coordonnees_geo": {"lon": 2.275725, "lat": 48.865983}}"#;

    #[test]
    fn an_export_a_page_an_answer_and_lines_are_one_recording() {
        let record: serde_json::Value = serde_json::from_str(RECORD).unwrap();
        let bodies = [
            ("a.json", json!([record]).to_string()),
            ("a.json", format!("\u{feff}{}", json!([record]))),
            ("a.json", json!({"total_count": 1, "results": [record]}).to_string()),
            ("a.json", json!({"nhits": 1, "records": [{"fields": record}]}).to_string()),
            ("a.jsonl", format!("\u{feff}{record}\n\n")),
            ("a.NDJSON", record.to_string()),
        ];
        for (name, body) in bodies {
            let recording = Recording::from_bytes(name, body.as_bytes()).unwrap();
            let [reading] = recording.readings() else { panic!("{recording:?}") };
            assert_eq!((reading.capacity, reading.lat), (Some(35), Some(48.865983)));
            assert_eq!((reading.fetched_at, recording.set_aside().len()), (reading.last_reported, 0));
        }
    }

    #[test]
    fn lines_that_are_readings_keep_their_clock() {
        let line = r#"{"stationcode": "1", "duedate": "2023-02-26T10:00:00Z", "fetched_at": "2023-02-26T10:05:00Z"}"#;
        let recording = Recording::from_bytes("a.jsonl", line.as_bytes()).unwrap();
        assert_eq!(recording.readings()[0].lag(), chrono::TimeDelta::minutes(5));
    }

    #[test]
    fn a_line_that_is_no_record_is_set_aside_with_its_number() {
        let record = RECORD.replace('\n', " ");
        let body = format!("{record}\n{{\"stationcode\": \n5\n{record}\nthe export broke off");
        let recording = Recording::from_bytes("a.jsonl", body.as_bytes()).unwrap();
        let aside: Vec<_> = recording.set_aside().iter().map(|aside| (aside.place.to_string(), &*aside.raw)).collect();
        let expected = [(2, "{\"stationcode\":"), (3, "5"), (5, "the export broke off")];
        assert_eq!(aside, expected.map(|(line, raw)| (format!("a.jsonl:{line}"), raw)));
        assert_eq!(recording.readings().len(), 2);
    }

    #[test]
    fn half_a_document_is_an_error_with_a_way_out() {
        let error = Recording::from_bytes("a.json", &RECORD.as_bytes()[..40]).unwrap_err().to_string();
        assert!(
            error.starts_with("a.json: ") && error.ends_with("fetch it again; records on lines go by .jsonl"),
            "{error}"
        );
        assert!(Recording::from_bytes("a.jsonl", b"").unwrap_err().to_string().contains("no row stands"));
    }

    proptest! {
        /// Any bytes, and a record with some bytes changed: no panic, and a reading is the same after a message.
        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_round_trips(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
            at in any::<prop::sample::Index>(),
            replaces in 0..9usize,
        ) {
            let mut spoilt = RECORD.replace('\n', " ").into_bytes();
            let at = at.index(spoilt.len());
            spoilt.splice(at..(at + replaces).min(spoilt.len()), bytes.iter().copied().take(3));
            for (name, body) in [("a.json", &bytes), ("a.jsonl", &bytes), ("a.jsonl", &spoilt)] {
                let read = Recording::from_bytes(name, body).map(Recording::into_readings);
                for reading in read.unwrap_or_default() {
                    let message = serde_json::to_vec(&reading).unwrap();
                    prop_assert_eq!(&serde_json::from_slice::<StationStatus>(&message).unwrap(), &reading);
                }
            }
        }
    }
}
