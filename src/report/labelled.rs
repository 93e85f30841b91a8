//! The rows that a model learned from and was judged on, as one table in a file.

use std::fs::File;
use std::iter;
use std::path::Path;

use polars::prelude::*;
use polars_io::csv::write::CsvWriter;
use polars_io::parquet::write::ParquetWriter;

use super::results::write_whole;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::features::columns;
use crate::model::LabelledRows;

/// The two kinds of file that hold a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Comma-separated text with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl TableKind {
    /// The kind that a file's extension names; another one is wrong usage.
    pub fn of(path: impl AsRef<Path>) -> Result<Self> {
        let extension = path.as_ref().extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::new(ErrorKind::Usage, "its name ends neither in .csv nor in .parquet")
                .at(Place::file(path))
                .way_out("name a CSV or a Parquet file")),
        }
    }
}

/// Writes the rows, those of training first, to a file of the kind that its extension names. How many rows there were.
///
/// | column | type | what it is |
/// |---|---|---|
/// | `stationcode` | text | |
/// | `last_reported` | 64-bit integer | event time of the origin, seconds since 1970 (UTC) |
/// | `horizon_seconds` | 64-bit integer | how far ahead the target lies |
/// | `part` | text | `train` or `test` |
/// | `full` | boolean | whether the station was full at the target |
/// | `docks_then` | 64-bit integer | free docks at the target |
/// | each of [`columns`] | 64-bit float | null where unknown |
pub fn write_labelled_rows(path: impl AsRef<Path>, rows: &LabelledRows) -> Result<usize> {
    let path = path.as_ref();
    let kind = TableKind::of(path)?;
    let refused = |error: PolarsError| Error::new(ErrorKind::Io, error).at(Place::file(path));
    let mut frame = frame(rows).map_err(refused)?;
    write_whole(path, |unfinished| {
        let file = File::create(unfinished).map_err(|error| Error::io(path, &error))?;
        match kind {
            TableKind::Csv => CsvWriter::new(file).finish(&mut frame),
            TableKind::Parquet => ParquetWriter::new(file).finish(&mut frame).map(|_| ()),
        }
        .map_err(refused)
    })?;
    Ok(frame.height())
}

fn frame(rows: &LabelledRows) -> PolarsResult<DataFrame> {
    let parts = [("train", &rows.train), ("test", &rows.test)];
    let height = parts.iter().map(|(_, part)| part.matrix.len()).sum();
    let names = parts.iter().flat_map(|&(name, part)| iter::repeat_n(Some(name), part.matrix.len()));
    let codes = parts.iter().flat_map(|(_, part)| part.stations.iter().map(|code| Some(code.as_str())));
    let times = parts.iter().flat_map(|(_, part)| part.times.iter().copied());
    let full = parts.iter().flat_map(|(_, part)| part.full.iter().map(|&full| Some(full)));
    let docks = parts.iter().flat_map(|(_, part)| part.docks_then.iter().copied().map(i64::from));
    let mut table = vec![
        StringChunked::from_iter_options("stationcode".into(), codes).into_column(),
        Int64Chunked::from_vec("last_reported".into(), times.collect()).into_column(),
        Int64Chunked::from_vec("horizon_seconds".into(), vec![rows.horizon_seconds; height]).into_column(),
        StringChunked::from_iter_options("part".into(), names).into_column(),
        BooleanChunked::from_iter_options("full".into(), full).into_column(),
        Int64Chunked::from_vec("docks_then".into(), docks.collect()).into_column(),
    ];
    for (place, column) in columns().iter().enumerate() {
        let values = parts.iter().flat_map(|(_, part)| part.matrix.values.column(place));
        let known = values.map(|&value| Some(value).filter(|value| !value.is_nan()));
        table.push(Float64Chunked::from_iter_options(column.name.into(), known).into_column());
    }
    DataFrame::new(height, table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TrainSettings;
    use crate::station::{StationCode, StationStatus};
    use chrono::{DateTime, TimeDelta, Utc};
    use polars_io::SerReader;
    use polars_io::parquet::read::ParquetReader;

    fn rows() -> LabelledRows {
        let start = DateTime::<Utc>::from_timestamp(1_709_510_400, 0).unwrap();
        let reading = |slot: i32| {
            let time = start + TimeDelta::minutes(30) * slot;
            let unknown = StationStatus::unknown(StationCode::new("16107").unwrap(), time, time);
            StationStatus {
                is_installed: Some(true),
                is_renting: Some(true),
                is_returning: Some(true),
                capacity: Some(20),
                docks_available: Some(u32::from(slot % 5 != 0) * 3),
                bikes_available: Some(15),
                ..unknown
            }
        };
        LabelledRows::of(&(0..200).map(reading).collect::<Vec<_>>(), &TrainSettings::default()).unwrap()
    }

    #[test]
    fn a_file_holds_every_row_and_column_and_no_number_where_nothing_is_known() {
        let (folder, rows) = (tempfile::tempdir().unwrap(), rows());
        let count = rows.train.matrix.len() + rows.test.matrix.len();
        let path = folder.path().join("rows.parquet");
        assert_eq!(write_labelled_rows(&path, &rows).unwrap(), count);
        let read = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
        assert_eq!(read.shape(), (count, 6 + columns().len()));
        for (place, column) in columns().iter().enumerate() {
            let told = read.column(column.name).unwrap().f64().unwrap();
            let own = rows.train.matrix.values.column(place).into_iter().chain(rows.test.matrix.values.column(place));
            assert!(told.iter().eq(own.map(|&value| Some(value).filter(|value| !value.is_nan()))), "{}", column.name);
        }
        // A station alone has no neighbours.
        assert_eq!(read.column("near_docks").unwrap().null_count(), count);

        let path = folder.path().join("rows.csv");
        assert_eq!(write_labelled_rows(&path, &rows).unwrap(), count);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 1 + count);
        assert!(text.starts_with("stationcode,last_reported,horizon_seconds,part,full,docks_then,"), "{text}");
        let parts: Vec<_> = text.lines().skip(1).map(|line| line.split(',').nth(3).unwrap()).collect();
        assert_eq!(parts.iter().filter(|&&part| part == "train").count(), rows.train.times.len());
        assert!(parts.is_sorted_by(|a, b| a >= b), "the training rows stand first");
    }

    #[test]
    fn another_kind_of_file_is_wrong_usage() {
        let error = TableKind::of("rows.txt").unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().contains("rows.txt: ")), (2, true));
    }
}
