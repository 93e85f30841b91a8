//! Collected rows as Parquet: files that are over and done with.
//!
//! A Parquet file can be read only when its last byte is written, so what is being collected is CSV, and becomes Parquet in one
//! go: written beside, brought to the disk, renamed. Whatever crashes, the rows are in one of the two. Memory holds one group
//! of rows at a time.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use polars::prelude::{DataFrame, PolarsError, Schema};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use polars_io::parquet::write::ParquetWriter;

use super::bookmark::{beside, sync_folder};
use super::known::Known;
use super::row::{self, COLUMNS, Key};
use crate::batch::table::Table;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::{StationCode, StationStatus};

/// Rows of a group.
const GROUP: usize = 1 << 17;

/// Writes the rows of a Parquet file, if there is `old`, and those of the first `length` bytes of a CSV to `path`, complete and on
/// the disk. `before_rename` is told how long it is before it takes the place of what is there.
///
/// A line that is no reading is an error: it has no place in a table.
pub(super) fn write(
    old: Option<&Path>,
    rows: &Path,
    length: u64,
    path: &Path,
    before_rename: impl FnOnce(u64) -> Result<()>,
) -> Result<()> {
    let new = beside(path, ".new");
    let failed = |error: std::io::Error| Error::io(&new, &error);
    let file = File::create(&new).map_err(failed)?;
    let written = file.try_clone().map_err(failed)?;
    let mut writer = ParquetWriter::new(file).batched(&schema()?).map_err(|error| of_polars(&new, &error))?;
    let mut add = |frame: &DataFrame| writer.write_batch(frame).map_err(|error| of_polars(&new, &error));
    if let Some(old) = old {
        each_group(old, None, &mut add)?;
    }
    let csv = File::open(rows).map_err(|error| Error::io(rows, &error))?;
    let mut readings = Vec::with_capacity(GROUP);
    for reading in row::reader(csv.take(length), true).into_deserialize::<StationStatus>() {
        readings.push(reading.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            Error::new(ErrorKind::Data, format!("it cannot become Parquet: {error}")).at(Place::line(rows, line))
        })?);
        if readings.len() == GROUP {
            add(&frame(&readings)?)?;
            readings.clear();
        }
    }
    if !readings.is_empty() {
        add(&frame(&readings)?)?;
    }
    writer.finish().map_err(|error| of_polars(&new, &error))?;
    written.sync_all().map_err(failed)?;
    before_rename(written.metadata().map_err(failed)?.len())?;
    fs::rename(&new, path).map_err(|error| Error::io(path, &error))?;
    sync_folder(path);
    Ok(())
}

/// Remembers what a Parquet file holds; how many readings. One with other columns is an error.
pub(super) fn remember(path: &Path, known: &mut Known) -> Result<u64> {
    let found = open(path)?.schema().map_err(|error| of_polars(path, &error))?;
    let names: Vec<_> = found.iter_names().map(|name| name.as_str()).collect();
    if names != COLUMNS {
        return Err(Error::new(ErrorKind::Data, format_args!("its columns are `{}`", names.join(",")))
            .at(Place::file(path))
            .way_out("collect to a new file"));
    }
    let mut readings = 0;
    each_group(path, Some(&["fetched_at", "stationcode", "duedate"]), &mut |frame| {
        let arrivals = frame.column("fetched_at").and_then(|column| Ok(column.datetime()?.physical().clone()));
        let arrivals = arrivals.map_err(|error| of_polars(path, &error))?;
        for (key, arrival) in keys(path, frame)?.into_iter().zip(arrivals.iter()) {
            known.note_line(&(key, arrival.unwrap_or_default()));
        }
        known.turn();
        readings += frame.height() as u64;
        Ok(())
    })?;
    Ok(readings)
}

/// Moves the keys that a Parquet file holds from `wanted` to `found`.
pub(super) fn look_up(path: &Path, wanted: &mut HashSet<Key>, found: &mut HashSet<Key>) -> Result<()> {
    each_group(path, Some(&["stationcode", "duedate"]), &mut |frame| {
        found.extend(keys(path, frame)?.iter().filter_map(|key| wanted.take(key)));
        Ok(())
    })
}

fn keys(path: &Path, frame: &DataFrame) -> Result<Vec<Key>> {
    let columns = || {
        let codes = frame.column("stationcode")?.str()?.clone();
        let times = frame.column("duedate")?.datetime()?.physical().clone();
        Ok((codes, times))
    };
    let (codes, times) = columns().map_err(|error: PolarsError| of_polars(path, &error))?;
    let keys = codes.iter().zip(times.iter()).filter_map(|(code, time)| Some((StationCode::new(code?).ok()?, time?)));
    Ok(keys.collect())
}

/// Hands a file to `work` in pieces.
fn each_group(path: &Path, columns: Option<&[&str]>, work: &mut dyn FnMut(&DataFrame) -> Result<()>) -> Result<()> {
    let failed = |error: PolarsError| of_polars(path, &error);
    let rows = open(path)?.num_rows().map_err(failed)?;
    let columns = columns.map(|columns| columns.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    for start in (0..rows).step_by(GROUP) {
        let reader = open(path)?.with_columns(columns.clone()).with_slice(Some((start, GROUP)));
        work(&reader.finish().map_err(failed)?)?;
    }
    Ok(())
}

fn open(path: &Path) -> Result<ParquetReader<File>> {
    Ok(ParquetReader::new(File::open(path).map_err(|error| Error::io(path, &error))?))
}

/// The columns of a collected file of these readings. Times are cut to the millisecond.
fn frame(readings: &[StationStatus]) -> Result<DataFrame> {
    Table::new(readings)?.frame().select(COLUMNS).map_err(|error| Error::new(ErrorKind::Data, error))
}

fn schema() -> Result<Schema> {
    Ok(frame(&[])?.schema().as_ref().clone())
}

fn of_polars(path: &Path, error: &PolarsError) -> Error {
    match error {
        PolarsError::IO { error, .. } => Error::io(path, error),
        _ => Error::new(ErrorKind::Data, error).at(Place::file(path)),
    }
}
