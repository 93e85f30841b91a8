//! A recording as Parquet, as polars, pandas and Arrow write it.

mod pages;
mod usual;

use std::fmt::Display;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use polars::prelude::{
    ArrowDataType, BooleanChunked, DataFrame, DataType, Float64Chunked, Int64Chunked, PolarsError, PolarsResult,
    Series, StringChunked, TimeUnit,
};
use polars_io::SerReader;
use polars_io::mmap::MmapBytesReader;
use polars_io::parquet::read::{FileMetadata, ParquetReader, infer_schema};

use self::usual::Reader;
use super::columns;
use super::in_order::in_order;
use super::pieces::Pieces;
use super::rows::Rows;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::record::{Cell, Field, Record, Slot};

/// How many rows go to a thread at once.
const PIECE: usize = 1 << 15;

/// Reads the rows of a Parquet file, one row group after another: while the next is decoded, the one before is still being read.
pub(super) fn read(path: &Path, mut file: impl MmapBytesReader, drift: &mut Drift, rows: &mut Rows<'_>) -> Result<()> {
    let wanted = whole(path, || Wanted::of(path, &mut file, drift))?;
    let (mut groups, mut start, room) = (wanted.groups().into_iter(), 0, rows.room());
    let (mut group, mut left) = (None, 0..0);
    let (mut pieces, mut row) = (Pieces::default(), 1);
    in_order(
        || {
            while left.is_empty() {
                let Some(length) = groups.next() else { return Ok(None) };
                let table = whole(path, || wanted.rows(path, &mut file, start, length))?;
                start += length;
                left = 0..table.rows;
                group = Some(Arc::new(table));
            }
            let piece = left.start..left.end.min(left.start + PIECE);
            left.start = piece.end;
            Ok(group.clone().map(|group| (group, piece)))
        },
        |reader: &mut Reader, (table, piece)| (piece.len() as u64, reader.read(&table, piece, room)),
        |thread, (length, piece)| {
            pieces.add((path, row), thread, piece, drift, rows)?;
            row += length;
            Ok(ControlFlow::Continue(()))
        },
    )
}

/// Polars asserts some of what a file says of itself; a damaged one must end in an error here, not in a panic.
fn whole<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(damaged(path, "its pages contradict each other")))
}

/// What is read of a file.
struct Wanted {
    metadata: Arc<FileMetadata>,
    columns: Vec<(String, Slot)>,
    /// Columns of nulls only, which are left out.
    nulls: Vec<Slot>,
}

impl Wanted {
    /// Finds the columns and refuses a type that cannot be read.
    ///
    /// The cells are read by Parquet's own types, not by those that the writing library noted besides: so the categories of
    /// pandas and polars are the texts that they stand for. Only the note tells that a column is of nulls only.
    fn of(path: &Path, mut file: &mut impl MmapBytesReader, drift: &mut Drift) -> Result<Self> {
        let fail = |error: PolarsError| damaged(path, error);
        let mut metadata = ParquetReader::new(&mut file).get_metadata().map_err(fail)?.as_ref().clone();
        let noted = infer_schema(&metadata).map_err(fail)?;
        metadata.key_value_metadata = None;
        let schema = infer_schema(&metadata).map_err(fail)?;
        let present: Vec<_> = schema.iter_names().map(|name| name.as_str()).collect();
        let (mut wanted, mut nulls) = (Vec::new(), Vec::new());
        for (&name, slot) in present.iter().zip(columns(path, &present, drift)?) {
            let Some(field) = schema.get(name).filter(|_| matches!(slot, Slot::Field(_) | Slot::Position)) else {
                continue;
            };
            if noted.get(name).is_some_and(|noted| *noted.dtype() == ArrowDataType::Null) {
                nulls.push(slot);
            } else {
                check(slot, name, field.dtype()).map_err(|error| error.at(Place::file(path)))?;
                wanted.push((name.to_owned(), slot));
            }
        }
        let names: Vec<_> = wanted.iter().map(|(name, _)| name.clone()).collect();
        pages::check(&mut file, &metadata, &names).map_err(|why| damaged(path, why))?;
        Ok(Self { metadata: Arc::new(metadata), columns: wanted, nulls })
    }

    /// How many rows each group has.
    fn groups(&self) -> Vec<usize> {
        self.metadata.row_groups.iter().map(|group| group.num_rows()).collect()
    }

    /// Decodes `length` rows from the row `start` on.
    fn rows(&self, path: &Path, file: &mut impl MmapBytesReader, start: usize, length: usize) -> Result<Table> {
        let mut reader = ParquetReader::new(file);
        reader.set_metadata(self.metadata.clone());
        let names = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let reader = reader.with_columns(Some(names)).with_slice(Some((start, length))).set_rechunk(true);
        let frame = reader.finish().map_err(|error| damaged(path, error))?;
        Table::new(path, &self.columns, &self.nulls, &frame)
    }
}

fn damaged(path: &Path, why: impl Display) -> Error {
    Error::new(ErrorKind::Data, format!("not a whole Parquet file: {why}"))
        .at(Place::file(path))
        .way_out("fetch or write it again")
}

/// Whether a column of this type can be read.
fn check(slot: Slot, name: &str, dtype: &ArrowDataType) -> Result<()> {
    use ArrowDataType as D;
    let integer = matches!(dtype, D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt32 | D::UInt64);
    let number = integer || matches!(dtype, D::Float32 | D::Float64);
    let text = matches!(dtype, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    let (right, wanted) = match slot {
        Slot::Field(Field::FetchedAt | Field::LastReported) => {
            (text || matches!(dtype, D::Timestamp(..)), "a timestamp, or text in RFC 3339")
        }
        Slot::Field(Field::StationCode) => (text || integer, "text"),
        Slot::Field(Field::Name | Field::Commune) | Slot::Position => (text, "text"),
        Slot::Field(Field::IsInstalled | Field::IsRenting | Field::IsReturning) => {
            (text || integer || matches!(dtype, D::Boolean), "a boolean")
        }
        Slot::Field(Field::Lat | Field::Lon) => (number || text, "a number"),
        _ => (number || text, "an integer of 32 or 64 bits"),
    };
    if right {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Data, format!("column `{name}` is of type {dtype:?}"))
        .way_out(format!("write it as {wanted}")))
}

/// The columns of a file, each in one of the few types that a cell is read from.
struct Table {
    rows: usize,
    columns: Vec<(Slot, Values)>,
}

enum Values {
    Nulls,
    Ticks(Int64Chunked, TimeUnit),
    Text(StringChunked),
    Integer(Int64Chunked),
    Number(Float64Chunked),
    Flag(BooleanChunked),
}

impl Table {
    fn new(path: &Path, wanted: &[(String, Slot)], nulls: &[Slot], frame: &DataFrame) -> Result<Self> {
        let mut columns: Vec<_> = nulls.iter().map(|&slot| (slot, Values::Nulls)).collect();
        for (name, slot) in wanted {
            let values = frame.column(name).and_then(|found| Values::new(found.as_materialized_series()));
            let values = values.map_err(|error| {
                Error::new(ErrorKind::Data, format!("column `{name}`: {error}")).at(Place::file(path))
            })?;
            columns.push((*slot, values));
        }
        Ok(Self { rows: frame.height(), columns })
    }

    /// The fields that are there, a bit each.
    fn there(&self) -> u16 {
        if self.rows == 0 { 0 } else { self.record(0).there() }
    }

    fn record(&self, row: usize) -> Record<'_> {
        let mut record = Record::default();
        for (slot, values) in &self.columns {
            match (slot, values.get(row)) {
                (Slot::Field(field), cell) => record.set(*field, cell),
                (Slot::Position, Cell::Text(text)) => record.set_position(text),
                (Slot::Position, other) => record.set_no_position(&other),
                _ => {}
            }
        }
        record
    }
}

impl Values {
    fn new(series: &Series) -> PolarsResult<Self> {
        Ok(match series.dtype() {
            DataType::Datetime(unit, _) => Self::Ticks(series.datetime()?.physical().clone(), *unit),
            DataType::String => Self::Text(series.str()?.clone()),
            DataType::Boolean => Self::Flag(series.bool()?.clone()),
            DataType::Float32 | DataType::Float64 => Self::Number(series.cast(&DataType::Float64)?.f64()?.clone()),
            DataType::Null => Self::Nulls,
            _ => Self::Integer(series.strict_cast(&DataType::Int64)?.i64()?.clone()),
        })
    }

    fn get(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Nulls => None,
            Self::Ticks(ticks, unit) => {
                ticks.get(row).map(|tick| time(tick, *unit).map_or(Cell::Int(tick), Cell::Time))
            }
            Self::Text(texts) => texts.get(row).map(Cell::text_of),
            Self::Integer(integers) => integers.get(row).map(Cell::Int),
            Self::Number(numbers) => numbers.get(row).map(Cell::Float),
            Self::Flag(flags) => flags.get(row).map(Cell::Flag),
        };
        cell.unwrap_or_default()
    }
}

/// A row as text, for one that cannot be read: its known cells as `name=value`.
fn raw(record: &Record<'_>) -> String {
    let known = Field::ALL.into_iter().filter(|&field| !record.get(field).is_unknown());
    let cell = |field| match record.get(field) {
        Cell::Text(text) => text.to_string(),
        other => other.to_string(),
    };
    known.map(|field| format!("{}={}", field.name(), cell(field))).collect::<Vec<_>>().join(", ")
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
    use super::usual::{Ticks, array};
    use super::*;
    use crate::ingest::Recording;
    use crate::ingest::record::{Field as Column, YEARS};
    use crate::station::{StationCode, StationStatus};
    use polars::prelude::{Column as Series, IntoColumn, NamedFrom, TimeZone};
    use polars_io::parquet::write::ParquetWriter;
    use std::fs::{self, File};
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
    fn what_does_not_say_when_it_was_fetched_is_an_export_or_refused() {
        let unsaid = |times: usize| {
            let codes: Vec<_> = ["16107", "1001"].repeat(times);
            let reported: Vec<_> = ["2022-05-12T09:18:14Z", "2022-05-12T09:20:00Z"].repeat(times);
            let columns = vec![series(Column::StationCode, codes), series(Column::LastReported, reported)];
            DataFrame::new_infer_height(columns).unwrap()
        };
        let newest: DateTime<Utc> = "2022-05-12T09:20:00Z".parse().unwrap();
        let recording = read(unsaid(1)).unwrap();
        assert!(recording.readings().iter().all(|reading| reading.fetched_at == newest), "{recording:?}");
        assert_eq!(recording.readings().len(), 2);
        let (folder, path) = write(unsaid(3));
        assert!(error(&folder, &path).starts_with("a.parquet: no `fetched_at`, and 6 readings of 2 stations: "));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_found_in_any_piece() {
        let rows = 2 * PIECE + 7;
        let code = |row: usize| if row == PIECE + 5 { None } else { Some(["16107", "1001"][row % 2]) };
        let second = |row: usize| 1_650_000_000 + row as i64;
        let ticks = |of: Column| {
            let seconds: Vec<_> = (0..rows).map(|row| 1000 * second(row)).collect();
            series(of, seconds).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap()
        };
        let codes: Vec<_> = (0..rows).map(code).collect();
        let columns = vec![ticks(Column::FetchedAt), series(Column::StationCode, codes), ticks(Column::LastReported)];
        let recording = read(DataFrame::new_infer_height(columns).unwrap()).unwrap();
        let [row] = recording.set_aside() else { panic!("{:?}", recording.set_aside()) };
        assert!(row.place.to_string().ends_with(&format!("a.parquet:{}", PIECE + 6)), "{}", row.place);
        let read = recording.readings().iter().map(|reading| reading.last_reported.timestamp());
        assert!(read.eq((0..rows).filter(|&row| row != PIECE + 5).map(second)));
    }

    #[test]
    fn times_one_after_another_are_those_of_each_alone() {
        let day = 86_400i64;
        for (unit, a_second) in [
            (TimeUnit::Milliseconds, 1000),
            (TimeUnit::Microseconds, 1_000_000),
            (TimeUnit::Nanoseconds, 1_000_000_000),
        ] {
            let seconds =
                [0, 1, 1, day - 1, day, 3 * day + 7, day + 5, -1, 19_000 * day + 43_200, 19_000 * day, 400_000 * day];
            let ticks: Vec<_> = seconds
                .iter()
                .filter_map(|second: &i64| second.checked_mul(a_second))
                .flat_map(|tick| [tick, tick + 1])
                .collect();
            let column = Int64Chunked::from_vec("t".into(), ticks.clone());
            let mut one_after_another = Ticks::default();
            for (row, &tick) in ticks.iter().enumerate() {
                let alone = time(tick, unit).filter(|time| YEARS.contains(&time.timestamp()));
                assert_eq!(one_after_another.read((array(&column).unwrap(), unit), row), alone, "{tick} {unit}");
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
        assert_eq!(read(with([series(Column::Capacity, [Some("20"), None])])).unwrap().readings(), expected());
        assert_eq!(read(with([series(Column::Capacity, [20.0, f64::NAN])])).unwrap().readings(), expected());
    }

    #[test]
    fn flags_and_texts_and_degrees_are_read_and_nulls_are_unknown() {
        let recording = read(with([
            series(Column::IsReturning, [Some("OUI"), None]),
            series(Column::IsRenting, [None, Some(false)]),
            series(Column::Commune, [Some("Paris"), Some("")]),
            series(Column::Lat, [Some(48.5f32), Some(48.5)]),
            // Half a position is none.
            series(Column::Lon, [Some("2.5"), None]),
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
    fn row_groups_are_one_table() {
        let codes: Vec<_> = (1..=5).map(|code| (code != 4).then(|| code.to_string())).collect();
        let columns = vec![
            series(Column::FetchedAt, [FETCHED; 5]),
            series(Column::StationCode, codes),
            series(Column::LastReported, [REPORTED; 5]),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let writer = ParquetWriter::new(File::create(&path).unwrap()).with_row_group_size(Some(2));
        writer.finish(&mut DataFrame::new_infer_height(columns).unwrap()).unwrap();
        let groups = ParquetReader::new(File::open(&path).unwrap()).get_metadata().unwrap().row_groups.len();
        let recording = Recording::read(&[&path]).unwrap();
        let read: Vec<_> = recording.readings().iter().map(|reading| reading.station_code.as_str()).collect();
        assert!(groups > 1);
        assert_eq!(read, ["1", "2", "3", "5"]);
        assert_eq!(recording.set_aside()[0].place, Place::line(&path, 4));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_set_aside_with_its_number() {
        let recording = read(with([series(Column::StationCode, [None, Some("2")])])).unwrap();
        assert_eq!(recording.readings().len(), 1);
        let [row] = recording.set_aside() else { panic!("{recording:?}") };
        assert!(row.place.to_string().ends_with("a.parquet:1"));
        assert_eq!(row.reason, "stationcode is missing");
        assert!(row.raw.starts_with("fetched_at=2022-05-12T10:22:18Z, capacity=20"), "{}", row.raw);

        let recording = read(with([series(Column::Capacity, [20i64, -1])])).unwrap();
        assert_eq!((recording.readings(), recording.set_aside()), (expected().as_slice(), [].as_slice()));
        let noted = recording.notes().last().unwrap().to_string();
        assert!(
            noted.contains("capacity cannot be read in 1 record") && noted.contains("`-1`, not a count"),
            "{noted}"
        );
    }

    #[test]
    fn a_column_of_the_wrong_type_or_missing_is_an_error_that_names_it() {
        let (folder, path) = write(with([series(Column::Capacity, [true, false])]));
        assert_eq!(
            error(&folder, &path),
            "a.parquet: column `capacity` is of type Boolean; write it as an integer of 32 or 64 bits"
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
    fn a_count_that_cannot_be_is_refused_before_memory_is_asked_for_it() {
        let (_folder, path) = write(with([]));
        let whole = fs::read(&path).unwrap();
        // In Thrift's compact protocol a field of type i32 that follows another, and two of something.
        let counts =
            whole.windows(2).enumerate().filter(|(_, bytes)| *bytes == [0x15, 0x04]).map(|(place, _)| place + 1);
        let mut refused = 0;
        for place in counts {
            let mut damaged = whole.clone();
            damaged[place] = 0x01; // minus one
            fs::write(&path, damaged).unwrap();
            if let Err(error) = Recording::read(&[&path]) {
                refused += u32::from(error.to_string().contains("a page is larger than it can be"));
            }
        }
        assert!(refused > 0);
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
