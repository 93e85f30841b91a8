//! A recording as Parquet, as polars, pandas and Arrow write it.

use std::fmt::Display;
use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use polars::prelude::{
    ArrowDataType, BooleanChunked, DataFrame, DataType, Float64Chunked, Int64Chunked, PolarsError, PolarsResult,
    Series, StringChunked, TimeUnit,
};
use polars_io::SerReader;
use polars_io::parquet::read::{ParquetReader, infer_schema};

use super::Recording;
use super::row::{self, Cell, Column, Kind, Layout, Names, Row};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;

/// Adds the rows of a Parquet file to the recording.
pub(super) fn read(path: &Path, file: File, names: &mut Names, into: &mut Recording) -> Result<()> {
    // Polars asserts some of what a file says of itself; a damaged one must end in an error here, not in a panic.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| decode(path, file)));
    let (layout, frame) = decoded.unwrap_or_else(|_| Err(damaged(path, "its pages contradict each other")))?;
    let rows = frame.height();
    let table = Table::new(path, &layout, &frame)?;
    into.readings.reserve(rows);
    for place in 0..rows {
        let row = ParquetRow { table: &table, place };
        match row::reading(&row, names) {
            Ok(reading) => into.readings.push(reading),
            Err(reason) => {
                into.set_aside.push(SetAside { place: Place::line(path, place as u64 + 1), reason, raw: row.raw() });
            }
        }
    }
    Ok(())
}

/// Finds the columns, refuses a type that cannot be read, and decodes those that are there. A column of nulls only is
/// left out of both.
///
/// The cells are read by Parquet's own types, not by those that the writing library noted besides: so the categories of
/// pandas and polars are the texts that they stand for. Only the note tells that a column is of nulls only.
fn decode(path: &Path, file: File) -> Result<(Layout, DataFrame)> {
    let fail = |error: PolarsError| damaged(path, error);
    let mut reader = ParquetReader::new(file);
    let mut metadata = reader.get_metadata().map_err(fail)?.as_ref().clone();
    let noted = infer_schema(&metadata).map_err(fail)?;
    metadata.key_value_metadata = None;
    reader.set_metadata(Arc::new(metadata));
    let schema = reader.schema().map_err(fail)?;
    let present: Vec<_> = schema.iter_names().map(|name| name.as_str()).collect();
    let mut layout = row::layout(path, &present)?;
    let mut wanted = Vec::new();
    for column in Column::ALL {
        let Some(field) = schema.get(column.name()) else { continue };
        if noted.get(column.name()).is_some_and(|noted| *noted.dtype() == ArrowDataType::Null) {
            layout[column as usize] = None;
        } else {
            check(column, field.dtype()).map_err(|error| error.at(Place::file(path)))?;
            wanted.push(column.name().to_owned());
        }
    }
    let frame = reader.with_columns(Some(wanted)).set_rechunk(true).finish().map_err(fail)?;
    Ok((layout, frame))
}

fn damaged(path: &Path, why: impl Display) -> Error {
    Error::new(ErrorKind::Data, format!("not a whole Parquet file: {why}"))
        .at(Place::file(path))
        .way_out("fetch or write it again")
}

/// Whether a column of this type can be read.
fn check(column: Column, dtype: &ArrowDataType) -> Result<()> {
    use ArrowDataType as D;
    let integer = matches!(dtype, D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt32 | D::UInt64);
    let number = integer || matches!(dtype, D::Float32 | D::Float64);
    let text = matches!(dtype, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    let (right, wanted) = match column.kind() {
        Kind::Time => (text || matches!(dtype, D::Timestamp(..)), "a timestamp, or text in RFC 3339"),
        Kind::Text if column == Column::StationCode => (text || integer, "text"),
        Kind::Text => (text, "text"),
        Kind::Count => (number, "an integer of 32 or 64 bits"),
        Kind::Flag => (text || matches!(dtype, D::Boolean), "a boolean"),
        Kind::Degrees => (number, "a number"),
    };
    if right {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Data, format!("column `{}` is of type {dtype:?}", column.name()))
        .way_out(format!("write it as {wanted}")))
}

/// The columns of a file, each in one of the few types that a cell is read from.
struct Table([Values; Column::ALL.len()]);

enum Values {
    Unknown,
    Ticks(Int64Chunked, TimeUnit),
    Text(StringChunked),
    Integer(Int64Chunked),
    Number(Float64Chunked),
    Flag(BooleanChunked),
}

impl Table {
    fn new(path: &Path, layout: &Layout, frame: &DataFrame) -> Result<Self> {
        let mut table = Self([const { Values::Unknown }; Column::ALL.len()]);
        for column in Column::ALL.into_iter().filter(|&column| layout[column as usize].is_some()) {
            let values =
                frame.column(column.name()).and_then(|found| Values::new(column, found.as_materialized_series()));
            table.0[column as usize] = values.map_err(|error| {
                Error::new(ErrorKind::Data, format!("column `{}`: {error}", column.name())).at(Place::file(path))
            })?;
        }
        Ok(table)
    }
}

impl Values {
    fn new(column: Column, series: &Series) -> PolarsResult<Self> {
        Ok(match (column.kind(), series.dtype()) {
            (Kind::Time, DataType::Datetime(unit, _)) => Self::Ticks(series.datetime()?.physical().clone(), *unit),
            (Kind::Text, _) | (_, DataType::String) => Self::Text(series.cast(&DataType::String)?.str()?.clone()),
            (Kind::Count, DataType::Float32 | DataType::Float64) | (Kind::Degrees, _) => {
                Self::Number(series.cast(&DataType::Float64)?.f64()?.clone())
            }
            (Kind::Flag, _) => Self::Flag(series.bool()?.clone()),
            _ => Self::Integer(series.strict_cast(&DataType::Int64)?.i64()?.clone()),
        })
    }
}

struct ParquetRow<'a> {
    table: &'a Table,
    place: usize,
}

impl ParquetRow<'_> {
    /// The row as text, for a row that cannot be read: its known cells as `name=value`.
    fn raw(&self) -> String {
        let cells = Column::ALL.into_iter().filter_map(|column| {
            let value = match &self.table.0[column as usize] {
                Values::Unknown => None,
                Values::Ticks(ticks, unit) => ticks.get(self.place).map(|tick| match time(tick, *unit) {
                    Some(time) => time.to_rfc3339(),
                    None => tick.to_string(),
                }),
                Values::Text(texts) => texts.get(self.place).map(str::to_owned),
                Values::Integer(integers) => integers.get(self.place).map(|value| value.to_string()),
                Values::Number(numbers) => numbers.get(self.place).map(|value| value.to_string()),
                Values::Flag(flags) => flags.get(self.place).map(|value| value.to_string()),
            };
            value.map(|value| format!("{}={value}", column.name()))
        });
        cells.collect::<Vec<_>>().join(", ")
    }

    fn known<T, V: Display + Copy>(column: Column, value: Option<V>, read: impl FnOnce(V) -> Option<T>) -> Cell<T> {
        value.map(|value| read(value).ok_or_else(|| row::unreadable(column, value))).transpose()
    }
}

impl Row for ParquetRow<'_> {
    fn time(&self, column: Column) -> Cell<DateTime<Utc>> {
        match &self.table.0[column as usize] {
            Values::Ticks(ticks, unit) => Self::known(column, ticks.get(self.place), |tick| time(tick, *unit)),
            _ => Self::known(column, self.text(column)?, |text| row::parse_time(text.trim())),
        }
    }

    fn text(&self, column: Column) -> Cell<&str> {
        let Values::Text(texts) = &self.table.0[column as usize] else { return Ok(None) };
        Ok(texts.get(self.place).filter(|text| !text.is_empty()))
    }

    fn count(&self, column: Column) -> Cell<u32> {
        match &self.table.0[column as usize] {
            Values::Integer(values) => Self::known(column, values.get(self.place), |value| value.try_into().ok()),
            Values::Number(values) => Ok(Self::known(column, values.get(self.place), row::whole)?.flatten()),
            _ => Ok(None),
        }
    }

    fn flag(&self, column: Column) -> Cell<bool> {
        match &self.table.0[column as usize] {
            Values::Flag(flags) => Ok(flags.get(self.place)),
            _ => Self::known(column, self.text(column)?, |text| row::parse_flag(text.trim())),
        }
    }

    fn degrees(&self, column: Column) -> Cell<f64> {
        let Values::Number(values) = &self.table.0[column as usize] else { return Ok(None) };
        Ok(Self::known(column, values.get(self.place), row::finite)?.flatten())
    }
}

/// The time that is so many ticks after 1970.
fn time(ticks: i64, unit: TimeUnit) -> Option<DateTime<Utc>> {
    match unit {
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(ticks)),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(ticks),
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(ticks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::{StationCode, StationStatus};
    use polars::prelude::{Column as Series, IntoColumn, NamedFrom, TimeZone};
    use polars_io::parquet::write::ParquetWriter;
    use std::fs;
    use tempfile::TempDir;

    const FETCHED: &str = "2022-05-12T10:22:18Z";
    const REPORTED: &str = "2022-05-12T09:18:14Z";

    fn series<T, P: AsRef<[T]>>(name: Column, values: P) -> Series
    where
        polars::prelude::Series: NamedFrom<P, [T]>,
    {
        polars::prelude::Series::new(name.name().into(), values).into_column()
    }

    /// The required columns of two readings, as text and 64-bit integers.
    fn required() -> Vec<Series> {
        let mut columns = vec![
            series(Column::FetchedAt, [FETCHED, FETCHED]),
            series(Column::StationCode, ["16107", "31024_relais"]),
            series(Column::LastReported, [REPORTED, REPORTED]),
        ];
        let counts = [Column::Capacity, Column::DocksAvailable, Column::BikesAvailable];
        columns.extend(counts.map(|column| series(column, [Some(20i64), None])));
        columns
    }

    /// The required columns, with some put in the place of those of the same name.
    fn with(changed: impl IntoIterator<Item = Series>) -> DataFrame {
        let mut frame = DataFrame::new_infer_height(required()).unwrap();
        for column in changed {
            frame.with_column(column).unwrap();
        }
        frame
    }

    fn write(mut frame: DataFrame) -> (TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
        (folder, path)
    }

    fn read(frame: DataFrame) -> Result<Recording> {
        let (_folder, path) = write(frame);
        Recording::read(&[path])
    }

    /// The message of the error, without the folder.
    fn error(folder: &TempDir, path: &Path) -> String {
        let error = Recording::read(&[path]).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    fn expected() -> [StationStatus; 2] {
        let at = |text: &str| text.parse().unwrap();
        let unknown = |code| StationStatus::unknown(StationCode::new(code).unwrap(), at(REPORTED), at(FETCHED));
        let known = StationStatus {
            capacity: Some(20),
            docks_available: Some(20),
            bikes_available: Some(20),
            ..unknown("16107")
        };
        [known, unknown("31024_relais")]
    }

    #[test]
    fn times_may_be_text_or_timestamps_of_any_unit_with_a_zone_or_without() {
        assert_eq!(read(with([])).unwrap().readings(), expected());
        let seconds = REPORTED.parse::<DateTime<Utc>>().unwrap().timestamp();
        let units = [
            (TimeUnit::Milliseconds, 1000),
            (TimeUnit::Microseconds, 1_000_000),
            (TimeUnit::Nanoseconds, 1_000_000_000),
        ];
        for (unit, ticks) in units {
            for zone in [
                None,
                TimeZone::opt_try_new(Some("UTC")).unwrap(),
                TimeZone::opt_try_new(Some("Europe/Paris")).unwrap(),
            ] {
                let instants = series(Column::LastReported, [seconds * ticks; 2]);
                let times = instants.cast(&DataType::Datetime(unit, zone.clone())).unwrap();
                assert_eq!(read(with([times])).unwrap().readings(), expected(), "{unit} {zone:?}");
            }
        }
    }

    #[test]
    fn counts_may_be_of_any_width_or_decimal_with_nan_for_unknown() {
        for dtype in
            [DataType::Int8, DataType::Int16, DataType::Int32, DataType::UInt32, DataType::UInt64, DataType::Float32]
        {
            let counts = series(Column::Capacity, [Some(20i64), None]).cast(&dtype).unwrap();
            assert_eq!(read(with([counts])).unwrap().readings(), expected(), "{dtype}");
        }
        assert_eq!(read(with([series(Column::Capacity, [20.0, f64::NAN])])).unwrap().readings(), expected());
    }

    #[test]
    fn flags_and_texts_and_degrees_are_read_and_nulls_are_unknown() {
        let recording = read(with([
            series(Column::IsReturning, [Some("OUI"), None]),
            series(Column::IsRenting, [None, Some(false)]),
            series(Column::Commune, [Some("Paris"), Some("")]),
            series(Column::Lat, [Some(48.5f32), None]),
            polars::prelude::Series::new_null("name".into(), 2).into_column(),
        ]));
        let recording = recording.unwrap();
        let [first, second] = recording.readings() else { panic!("{recording:?}") };
        assert_eq!((first.is_returning, first.is_renting, first.lat), (Some(true), None, Some(48.5)));
        assert_eq!((second.is_returning, second.is_renting, second.lat), (None, Some(false), None));
        assert_eq!(
            (first.commune.as_deref(), second.commune.as_deref(), first.name.as_deref()),
            (Some("Paris"), None, None)
        );
    }

    #[test]
    fn a_row_that_cannot_be_read_is_set_aside_with_its_number() {
        let recording = read(with([series(Column::StationCode, [None, Some("2")])])).unwrap();
        assert_eq!(recording.readings().len(), 1);
        let [row] = recording.set_aside() else { panic!("{recording:?}") };
        assert!(row.place.to_string().ends_with("a.parquet:1"));
        assert_eq!(row.reason, "no `stationcode`");
        assert!(row.raw.starts_with("fetched_at=2022-05-12T10:22:18Z, capacity=20"), "{}", row.raw);

        let recording = read(with([series(Column::Capacity, [20i64, -1])])).unwrap();
        assert_eq!(recording.set_aside()[0].reason, "`capacity` is `-1`, not a count");
        assert_eq!(recording.readings(), &expected()[..1]);
    }

    #[test]
    fn a_column_of_the_wrong_type_or_missing_is_an_error_that_names_it() {
        let (folder, path) = write(with([series(Column::Capacity, ["20", "30"])]));
        assert_eq!(
            error(&folder, &path),
            "a.parquet: column `capacity` is of type Utf8View; write it as an integer of 32 or 64 bits"
        );
        let (folder, path) = write(with([]).drop("duedate").unwrap());
        assert_eq!(
            error(&folder, &path),
            "a.parquet:1: columns missing: duedate; columns there: fetched_at, stationcode, capacity, \
             numdocksavailable, numbikesavailable; rename the columns to the names of the portal's record"
        );
    }

    #[test]
    fn half_a_file_an_empty_one_and_one_without_rows_are_errors_that_name_it() {
        let (folder, path) = write(with([]));
        let whole = fs::read(&path).unwrap();
        for length in [0, 4, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = error(&folder, &path);
            assert!(error.starts_with("a.parquet: not a whole Parquet file: "), "{error}");
            assert!(error.ends_with("; fetch or write it again"), "{error}");
        }
        let (folder, path) = write(with([]).clear());
        assert!(error(&folder, &path).starts_with("a.parquet: no row stands"));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let (folder, path) = write(with([]));
        let whole = fs::read(&path).unwrap();
        for place in (0..whole.len()).step_by(5) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            fs::write(&path, damaged).unwrap();
            if Recording::read(&[&path]).is_err() {
                assert!(error(&folder, &path).starts_with("a.parquet"));
            }
        }
    }
}
