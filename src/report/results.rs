//! Results to files: JSON for one result, CSV or JSON lines for many rows. A file is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Place, Result};

/// Writes `result` as indented JSON, with its folder if that is missing. Numbers that are not finite become `null`.
pub fn write_json<T: Serialize + ?Sized>(path: impl AsRef<Path>, result: &T) -> Result<()> {
    let path = path.as_ref();
    let mut json = serde_json::to_string_pretty(result).map_err(|error| unwritable(path, &error))?;
    json.push('\n');
    write_whole(path, |unfinished| fs::write(unfinished, json).map_err(|error| Error::io(path, &error)))
}

/// Reads what [`write_json`] wrote.
pub fn read_json<T: DeserializeOwned>(path: impl AsRef<Path>) -> Result<T> {
    let path = path.as_ref();
    let json = fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
    serde_json::from_str(&json).map_err(|error| {
        let place = Place::File { path: path.to_path_buf(), line: Some(error.line() as u64).filter(|&line| line > 0) };
        Error::new(ErrorKind::Data, error).at(place)
    })
}

/// Writes rows as CSV with a header from the names of their fields; an unknown value is an empty cell. How many rows there were.
///
/// Without rows there are no names: the file is then empty.
pub fn write_csv<T: Serialize>(path: impl AsRef<Path>, rows: impl IntoIterator<Item = T>) -> Result<u64> {
    let path = path.as_ref();
    let mut written = 0;
    write_whole(path, |unfinished| {
        let mut csv = csv::Writer::from_path(unfinished).map_err(|error| unwritable(path, &error))?;
        for row in rows {
            csv.serialize(row).map_err(|error| unwritable(path, &error))?;
            written += 1;
        }
        csv.flush().map_err(|error| Error::io(path, &error))
    })?;
    Ok(written)
}

/// Writes rows as JSON lines, for rows with fields in fields, which CSV has no place for. How many rows there were.
pub fn write_json_lines<T: Serialize>(path: impl AsRef<Path>, rows: impl IntoIterator<Item = T>) -> Result<u64> {
    let path = path.as_ref();
    let mut written = 0;
    write_whole(path, |unfinished| {
        let failed = |error: std::io::Error| Error::io(path, &error);
        let mut lines = BufWriter::new(File::create(unfinished).map_err(failed)?);
        for row in rows {
            serde_json::to_writer(&mut lines, &row).map_err(|error| unwritable(path, &error))?;
            lines.write_all(b"\n").map_err(failed)?;
            written += 1;
        }
        lines.flush().map_err(failed)
    })?;
    Ok(written)
}

/// Lets `write` fill a file beside `path` and gives it that name when all is there; after an error nothing is left.
///
/// The unfinished file has the same extension, for writers that choose the format by it.
pub(super) fn write_whole(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let unfinished = unfinished(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
    }
    let done = write(&unfinished).and_then(|()| fs::rename(&unfinished, path).map_err(|error| Error::io(path, &error)));
    if done.is_err() {
        // The first error says what went wrong; that the leftover could not be removed either adds nothing.
        let _ = fs::remove_file(&unfinished);
    }
    done
}

/// A name in the same folder that no other process or thread uses.
fn unfinished(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| {
        Error::new(ErrorKind::Io, "this names no file").at(Place::file(path)).way_out("end the path with a file name")
    })?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut unfinished = OsString::from(format!(".unfinished-{}-{count}-", std::process::id()));
    unfinished.push(name);
    Ok(path.with_file_name(unfinished))
}

fn unwritable(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Io, error).at(Place::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        station: String,
        occupancy: Option<f64>,
    }

    fn rows() -> Vec<Row> {
        vec![
            Row { station: "Hôtel de Ville, côté Seine".into(), occupancy: Some(0.1 + 0.2) },
            Row { station: "31024_relais".into(), occupancy: None },
        ]
    }

    #[test]
    fn json_reads_back_equal_and_its_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/rows.json");
        write_json(&path, &rows()).unwrap();
        write_json(&path, &rows()).unwrap();
        assert_eq!(read_json::<Vec<Row>>(&path).unwrap(), rows());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn csv_has_a_header_and_leaves_the_unknown_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        assert_eq!(write_csv(&path, rows()).unwrap(), 2);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "station,occupancy\n\"Hôtel de Ville, côté Seine\",0.30000000000000004\n31024_relais,\n");
    }

    #[test]
    fn json_lines_read_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        assert_eq!(write_json_lines(&path, rows()).unwrap(), 2);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("}\n"), "{text}");
        let read = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Row>>();
        assert_eq!(read, rows());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        write_json(&path, &1).unwrap();
        let failed = write_whole(&path, |unfinished| {
            fs::write(unfinished, "half").unwrap();
            Err(Error::new(ErrorKind::Figure, "broken"))
        });
        assert_eq!(failed.unwrap_err().message(), "broken");
        assert_eq!(read_json::<u8>(&path).unwrap(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.json");
        fs::write(&path, "[1,\n2,\nx]").unwrap();
        let error = read_json::<Vec<u8>>(&path).unwrap_err();
        assert_eq!(error.place(), Some(&Place::line(&path, 3)));
        let missing = read_json::<u8>(folder.path().join("none.json")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Io);
        assert!(missing.to_string().contains("none.json"), "{missing}");
        let below_a_file = write_json(path.join("x.json"), &1).unwrap_err();
        assert!(below_a_file.to_string().contains("bad.json"), "{below_a_file}");
        assert_eq!(write_json("..", &1).unwrap_err().message(), "this names no file");
    }
}
