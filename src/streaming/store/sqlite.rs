//! The statistics in an SQLite file, which any program can read while they are being written.
//!
//! Write-ahead logging lets readers and the one writer pass each other; every commit reaches the disk before
//! [`write`](Store::write) returns, because offsets are acknowledged to Kafka after it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::types::{ToSqlOutput, Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, params_from_iter};

use super::{Select, StationWindow, Store, WindowRow};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationCode;
use crate::streaming::state::{Quantities, Station, WindowState};
use crate::streaming::stats::{Accumulator, Count, Max, Mean, Min, Summary};
use crate::streaming::window::{Tumbling, Window};

/// What brings a file from each version of the schema to the next. Add to the end; never change one that was released.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];

/// Marks a file as ours: `veli` in ASCII.
const APPLICATION_ID: i64 = 0x7665_6c69;

const OTHER_FILE: &str = "give another file, --store sqlite:FILE";

/// A [`Store`] in an SQLite file.
///
/// The tables `stations` and `station_windows` and the views `station_statistics` and `zone_statistics` may be read by
/// any program; their columns and units are described in the file's own schema (`.schema` in the sqlite3 shell). The view
/// of the zones is for those other programs, and knows communes and arrondissements:
/// [`zone_windows`](Store::zone_windows) gives the same of them, and of all other [`Zones`](crate::streaming::Zones).
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
}

impl SqliteStore {
    /// Opens the file, or makes it. An error if it is something else, or was written by a newer version of this crate.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let mut connection = Connection::open(&path).map_err(|error| failed(&path, &error))?;
        prepare(&path, &mut connection)?;
        Ok(Self { path, connection })
    }

    /// A store that lasts as long as the value.
    pub fn in_memory() -> Result<Self> {
        Self::open(":memory:")
    }

    /// Shows `visit` all rows that `sql` gives, which selects by `column` what [`Select::of`] names.
    fn visit_rows(
        &self,
        sql: &str,
        column: &str,
        select: Select<'_>,
        order: &str,
        mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let times = [("window_start >=", select.from), ("window_start <", select.until)];
        let times = times.into_iter().filter_map(|(is, time)| Some((is.to_owned(), Value::Integer(time?.timestamp()))));
        let of = select.of.map(|name| (format!("{column} ="), Value::Text(name.to_owned())));
        let (filters, values): (Vec<String>, Vec<Value>) = of.into_iter().chain(times).unzip();
        let filter: String = filters.iter().map(|filter| format!("AND {filter} ? ")).collect();
        let mut visit_all = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&format!("{sql} {filter} ORDER BY {order}"))?;
            let mut rows = statement.query(params_from_iter(&values))?;
            while let Some(row) = rows.next()? {
                visit(row)?;
            }
            Ok(())
        };
        visit_all().map_err(|error| failed(&self.path, &error))
    }
}

impl Store for SqliteStore {
    fn place(&self) -> Place {
        Place::file(&self.path)
    }

    fn tumbling(&mut self) -> Result<Option<Tumbling>> {
        let seconds =
            self.connection.query_row("SELECT window_seconds FROM station_windows LIMIT 1", [], |row| row.get(0));
        let seconds: Option<u32> = seconds.optional().map_err(|error| failed(&self.path, &error))?;
        let tumbling = seconds.map(|seconds| Tumbling::new(std::time::Duration::from_secs(seconds.into())));
        tumbling.transpose().map_err(|error| Error::new(ErrorKind::Store, error.message()).at(self.place()))
    }

    fn stations(&mut self) -> Result<Vec<Station>> {
        let sql = "SELECT code, name, lat, lon, commune, arrondissement, capacity, last_reported, fetched_at \
                   FROM stations WHERE TRUE";
        let mut stations = Vec::new();
        self.visit_rows(sql, "code", Select::ALL, "code", |row| {
            stations.push(Station {
                code: station_code(row, 0)?,
                name: row.get(1)?,
                lat: row.get(2)?,
                lon: row.get(3)?,
                commune: row.get(4)?,
                arrondissement: row.get(5)?,
                capacity: row.get(6)?,
                last_reported: time(row, 7)?,
                fetched_at: time(row, 8)?,
            });
            Ok(())
        })?;
        Ok(stations)
    }

    fn window_state(&mut self, station_code: &StationCode, window: Window) -> Result<Option<WindowState>> {
        let sql = format!(
            "SELECT {} FROM station_windows WHERE window_start = ?1 AND window_seconds = ?2 AND station_code = ?3",
            STATE_COLUMNS.join(", ")
        );
        let key = params![window.start.timestamp(), seconds(window), station_code.as_str()];
        self.connection.query_row(&sql, key, read_state).optional().map_err(|error| failed(&self.path, &error))
    }

    fn write(&mut self, stations: &[&Station], windows: &[WindowRow<'_>]) -> Result<()> {
        write(&mut self.connection, stations, windows).map_err(|error| failed(&self.path, &error))
    }

    fn latest_window(&mut self, until: Option<DateTime<Utc>>) -> Result<Option<Window>> {
        let until = until.map_or(i64::MAX, |until| until.timestamp());
        let sql = "SELECT window_start, window_start + window_seconds FROM station_windows \
                   WHERE window_start + window_seconds <= ?1 ORDER BY window_start DESC LIMIT 1";
        let latest = self.connection.query_row(sql, [until], |row| window(row, 0));
        latest.optional().map_err(|error| failed(&self.path, &error))
    }

    fn visit_station_windows(&mut self, select: Select<'_>, visit: &mut dyn FnMut(StationWindow)) -> Result<()> {
        let sql = format!(
            "SELECT station_code, name, commune, arrondissement, lat, lon, window_start, window_end, readings, closed, \
             capacity, {SUMMARY_COLUMNS} FROM station_statistics WHERE TRUE"
        );
        self.visit_rows(&sql, "station_code", select, "window_start, station_code", |row| {
            visit(StationWindow {
                station_code: station_code(row, 0)?,
                name: row.get(1)?,
                commune: row.get(2)?,
                arrondissement: row.get(3)?,
                lat: row.get(4)?,
                lon: row.get(5)?,
                window: window(row, 6)?,
                readings: natural(row, 8)?,
                closed: natural(row, 9)?,
                capacity: row.get(10)?,
                quantities: summaries(row, 11)?,
            });
            Ok(())
        })
    }
}

/// The columns of a summary in the views, quantity by quantity.
const SUMMARY_COLUMNS: &str = "mechanical_count, mechanical_mean, mechanical_min, mechanical_max, \
                               ebike_count, ebike_mean, ebike_min, ebike_max, \
                               docks_count, docks_mean, docks_min, docks_max, \
                               occupancy_count, occupancy_mean, occupancy_min, occupancy_max";

/// The columns of `station_windows` that hold a window's state, as [`read_state`] and [`write`] order them.
const STATE_COLUMNS: [&str; 21] = [
    "readings",
    "closed",
    "event_times",
    "capacity_count",
    "capacity_sum",
    "mechanical_count",
    "mechanical_sum",
    "mechanical_min",
    "mechanical_max",
    "ebike_count",
    "ebike_sum",
    "ebike_min",
    "ebike_max",
    "docks_count",
    "docks_sum",
    "docks_min",
    "docks_max",
    "occupancy_count",
    "occupancy_sum",
    "occupancy_min",
    "occupancy_max",
];

/// Brings the file to the newest schema, once it is clear that it is ours.
fn prepare(path: &Path, connection: &mut Connection) -> Result<()> {
    let sql = |error: rusqlite::Error| failed(path, &error);
    let refuse = |message: String| Err(Error::new(ErrorKind::Store, message).at(Place::file(path)).way_out(OTHER_FILE));
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sql)?;
    let objects: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    if application != APPLICATION_ID && (application, objects) != (0, 0) {
        return refuse("is a database of another program".to_owned());
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
    // 40 MB of log before it is moved into the file, not 4: half the time where a flush touches every station.
    connection.pragma_update(None, "wal_autocheckpoint", 10_000).map_err(sql)?;
    let version = |connection: &Connection| {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
        version.map(|version| version as usize).map_err(sql)
    };
    let (known, newest) = (version(connection)?, MIGRATIONS.len());
    if known > newest {
        return refuse(format!("has schema version {known}, newer than the {newest} that this program knows"));
    }
    if known == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    // Asked again: another program may have done the work while this one waited for its turn.
    for migration in MIGRATIONS.iter().skip(version(&transaction)?) {
        transaction.execute_batch(migration).map_err(sql)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
    transaction.pragma_update(None, "user_version", natural_value(newest as u64)).map_err(sql)?;
    transaction.commit().map_err(sql)
}

fn write(connection: &mut Connection, stations: &[&Station], windows: &[WindowRow<'_>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut upsert = transaction.prepare(
            "INSERT INTO stations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET \
             name = excluded.name, lat = excluded.lat, lon = excluded.lon, commune = excluded.commune, \
             arrondissement = excluded.arrondissement, capacity = excluded.capacity, \
             last_reported = excluded.last_reported, fetched_at = excluded.fetched_at",
        )?;
        for station in stations {
            upsert.execute(params![
                station.code.as_str(),
                station.name,
                station.lat,
                station.lon,
                station.commune,
                station.arrondissement,
                station.capacity,
                station.last_reported.timestamp(),
                station.fetched_at.timestamp(),
            ])?;
        }
        let marks = vec!["?"; 3 + STATE_COLUMNS.len()].join(", ");
        let replaced = STATE_COLUMNS.map(|column| format!("{column} = excluded.{column}")).join(", ");
        let mut upsert = transaction.prepare(&format!(
            "INSERT INTO station_windows (window_start, window_seconds, station_code, {}) VALUES ({marks}) \
             ON CONFLICT DO UPDATE SET {replaced}",
            STATE_COLUMNS.join(", ")
        ))?;
        for row in windows {
            upsert.execute(params_from_iter(window_values(row)))?;
        }
    }
    transaction.commit()
}

/// The values of a row of `station_windows`: its key, then [`STATE_COLUMNS`].
fn window_values<'a>(row: &WindowRow<'a>) -> impl Iterator<Item = ToSqlOutput<'a>> {
    let state = row.state;
    let event_times: Vec<u8> = state.event_times.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let head = [
        row.window.start.timestamp().into(),
        seconds(row.window).into(),
        ToSqlOutput::from(row.station_code.as_str()),
        natural_value(state.readings()),
        natural_value(state.closed),
        event_times.into(),
        natural_value(state.capacity.count.0),
        state.capacity.sum.into(),
    ];
    let quantities = state.quantities.each().into_iter().flat_map(|Accumulator { mean, min, max }| {
        [natural_value(mean.count.0), mean.sum.into(), real(min.0), real(max.0)]
    });
    head.into_iter().chain(quantities)
}

fn read_state(row: &Row<'_>) -> rusqlite::Result<WindowState> {
    let times: Vec<u8> = row.get(2)?;
    let (times, rest) = times.as_chunks::<4>();
    let event_times: Vec<u32> = times.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    if !rest.is_empty() || event_times.len() as u64 != natural(row, 0)? {
        let reason = "as many event times as readings were expected";
        return Err(rusqlite::Error::FromSqlConversionFailure(2, Type::Blob, reason.into()));
    }
    let mean = |from| Ok::<_, rusqlite::Error>(Mean { count: Count(natural(row, from)?), sum: row.get(from + 1)? });
    let accumulator = |from| {
        Ok::<_, rusqlite::Error>(Accumulator {
            mean: mean(from)?,
            min: Min(row.get(from + 2)?),
            max: Max(row.get(from + 3)?),
        })
    };
    Ok(WindowState {
        event_times,
        closed: natural(row, 1)?,
        capacity: mean(3)?,
        quantities: Quantities::from_each([accumulator(5)?, accumulator(9)?, accumulator(13)?, accumulator(17)?]),
    })
}

/// The sixteen [`SUMMARY_COLUMNS`], which begin at column `from`.
fn summaries(row: &Row<'_>, from: usize) -> rusqlite::Result<Quantities<Summary>> {
    let summary = |from| {
        Ok::<_, rusqlite::Error>(Summary {
            count: natural(row, from)?,
            mean: row.get(from + 1)?,
            min: row.get(from + 2)?,
            max: row.get(from + 3)?,
        })
    };
    Ok(Quantities::from_each([summary(from)?, summary(from + 4)?, summary(from + 8)?, summary(from + 12)?]))
}

fn station_code(row: &Row<'_>, column: usize) -> rusqlite::Result<StationCode> {
    let code: String = row.get(column)?;
    StationCode::new(&code)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

fn window(row: &Row<'_>, from: usize) -> rusqlite::Result<Window> {
    Ok(Window { start: time(row, from)?, end: time(row, from + 1)? })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let seconds = row.get(column)?;
    DateTime::from_timestamp(seconds, 0).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, seconds))
}

fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn natural_value(number: u64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn real(number: Option<f64>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(number.map_or(Value::Null, Value::Real))
}

fn seconds(window: Window) -> i64 {
    (window.end - window.start).num_seconds()
}

/// What SQLite said about this file, with the way out where one is known.
fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let (message, way_out) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ("is not an SQLite database".to_owned(), OTHER_FILE),
        Some(ErrorCode::DatabaseCorrupt) => {
            (format!("is damaged ({error})"), "give another file and replay the topic into it")
        }
        Some(ErrorCode::CannotOpen) => (error.to_string(), "see that its folder exists and can be written to"),
        Some(ErrorCode::ReadOnly) => (error.to_string(), "see that the file and its folder can be written to"),
        Some(ErrorCode::DatabaseBusy) => {
            (error.to_string(), "wait for the other program that writes to it, or end that")
        }
        Some(ErrorCode::DiskFull) => (error.to_string(), "make room on the disk"),
        _ => return Error::new(ErrorKind::Store, error).at(Place::file(path)),
    };
    Error::new(ErrorKind::Store, message).at(Place::file(path)).way_out(way_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationStatus;
    use crate::streaming::{StreamingStatistics, ZoneKind, ZoneWindow, Zones};
    use proptest::prelude::*;
    use std::time::Duration;

    fn ten_minutes() -> Tumbling {
        Tumbling::new(Duration::from_secs(600)).unwrap()
    }

    fn reading(code: &str, minute: i64) -> StationStatus {
        let at = DateTime::from_timestamp(1_652_349_600 + 60 * minute, 0).unwrap();
        StationStatus {
            name: Some("Benjamin Godard - Victor Hugo".into()),
            capacity: Some(35),
            mechanical: Some(3),
            lat: Some(48.865983),
            lon: Some(2.275725),
            commune: Some("Paris".into()),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), at, at)
        }
    }

    fn engine(path: &Path) -> StreamingStatistics {
        StreamingStatistics::new(ten_minutes(), Box::new(SqliteStore::open(path).unwrap())).unwrap()
    }

    #[test]
    fn a_file_is_found_again_as_it_was_left_and_can_be_read_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("velib.db");
        let mut writer = engine(&path);
        for (code, minute) in [("16107", 0), ("16107", 25), ("9020", 1)] {
            writer.update(&reading(code, minute)).unwrap();
        }
        let mut reader = SqliteStore::open(&path).unwrap();
        assert_eq!((reader.latest_window(None).unwrap(), reader.tumbling().unwrap()), (None, None));
        writer.flush().unwrap();
        let latest = reader.latest_window(None).unwrap().unwrap();
        assert_eq!(latest.start, reading("16107", 20).last_reported);
        assert_eq!(reader.latest_window(Some(latest.start)).unwrap().unwrap().start, reading("16107", 0).last_reported);
        drop(writer);

        let stations = reader.stations().unwrap();
        assert_eq!(stations[0], Station::of(&reading("16107", 25)));
        assert_eq!(stations.len(), 2);
        let rows = reader.station_windows(Select::of("16107")).unwrap();
        assert_eq!(rows.iter().map(|row| row.quantities.mechanical.mean).collect::<Vec<_>>(), [Some(3.0), Some(3.0)]);
        let mut again = engine(&path);
        assert!(!again.update(&reading("16107", 0)).unwrap());
        assert!(again.update(&reading("16107", 3)).unwrap());
        again.flush().unwrap();
        assert_eq!(reader.station_windows(Select::at(rows[0].window.start)).unwrap()[0].readings, 2);
    }

    #[test]
    fn a_row_is_readable_json() {
        let mut engine = StreamingStatistics::new(ten_minutes(), Box::new(SqliteStore::in_memory().unwrap())).unwrap();
        engine.update(&reading("16107", 0)).unwrap();
        engine.flush().unwrap();
        let row = engine.store().zone_windows(&ZoneKind::Arrondissement.into(), Select::ALL).unwrap().remove(0);
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["kind"], &json["zone"]), (&"arrondissement".into(), &"Paris 16e".into()));
        assert_eq!((&json["start"], &json["end"]), (&"2022-05-12T10:00:00Z".into(), &"2022-05-12T10:10:00Z".into()));
        assert_eq!(json["mechanical"]["mean"], 3.0);
        assert!(json["docks"]["mean"].is_null() && json["docks"]["count"] == 0);
        assert_eq!(serde_json::from_value::<ZoneWindow>(json).unwrap(), row);
    }

    #[test]
    fn what_is_not_our_file_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let refusal = |path: &Path| {
            let before = std::fs::read(path).unwrap();
            let error = SqliteStore::open(path).unwrap_err();
            assert_eq!((error.kind(), std::fs::read(path).unwrap()), (ErrorKind::Store, before));
            error.to_string().strip_prefix(&path.display().to_string()).unwrap().to_owned()
        };

        std::fs::write(&path, "stationcode,duedate\n".repeat(1000)).unwrap();
        assert_eq!(refusal(&path), ": is not an SQLite database; give another file, --store sqlite:FILE");

        std::fs::remove_file(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        assert_eq!(refusal(&path), ": is a database of another program; give another file, --store sqlite:FILE");

        std::fs::remove_file(&path).unwrap();
        drop(SqliteStore::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
        assert_eq!(
            refusal(&path),
            ": has schema version 7, newer than the 1 that this program knows; give another file, --store sqlite:FILE"
        );

        let nowhere = folder.path().join("missing/a.db");
        let error = SqliteStore::open(&nowhere).unwrap_err().to_string();
        assert!(error.ends_with("; see that its folder exists and can be written to"), "{error}");
    }

    #[test]
    fn half_a_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.db");
        let mut whole = engine(&path);
        for minute in 0..3000 {
            whole.update(&reading("16107", minute)).unwrap();
        }
        whole.flush().unwrap();
        drop(whole);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let failed = SqliteStore::open(&path).and_then(|mut store| store.station_windows(Select::ALL)).unwrap_err();
        assert_eq!((failed.kind(), failed.place()), (ErrorKind::Store, Some(&Place::file(&path))));
        assert!(failed.to_string().ends_with("give another file and replay the topic into it"), "{failed}");
    }

    #[test]
    fn nothing_is_written_if_one_window_cannot_be() {
        let mut store = SqliteStore::in_memory().unwrap();
        let station = Station::of(&reading("16107", 0));
        let unknown = StationCode::new("1").unwrap();
        let state = WindowState::default();
        let window = ten_minutes().window_of(station.last_reported);
        let row = |station_code| WindowRow { station_code, window, state: &state };
        assert!(store.write(&[&station], &[row(&station.code), row(&unknown)]).is_err());
        assert_eq!((store.stations().unwrap(), store.latest_window(None).unwrap()), (vec![], None));
        store.write(&[&station], &[row(&station.code)]).unwrap();
        assert_eq!(store.window_state(&station.code, window).unwrap(), Some(state));
    }

    /// What the view says of the zones, for other programs.
    fn zones_of_the_view(store: &SqliteStore, kind: ZoneKind) -> Vec<ZoneWindow> {
        let sql = format!(
            "SELECT zone, window_start, window_end, stations, expected, readings, closed, capacity, {SUMMARY_COLUMNS} \
             FROM zone_statistics WHERE kind = '{kind}'"
        );
        let mut rows = Vec::new();
        let read = |row: &Row<'_>| {
            rows.push(ZoneWindow {
                kind: kind.to_string(),
                zone: row.get(0)?,
                window: window(row, 1)?,
                stations: natural(row, 3)?,
                expected: natural(row, 4)?,
                readings: natural(row, 5)?,
                closed: natural(row, 6)?,
                capacity: row.get(7)?,
                quantities: summaries(row, 8)?,
            });
            Ok(())
        };
        store.visit_rows(&sql, "zone", Select::ALL, "window_start, zone", read).unwrap();
        rows
    }

    /// Equal, but for the rounding of what is summed in another order.
    fn assert_same(ours: &ZoneWindow, of_view: &ZoneWindow) {
        let numbers = |row: &ZoneWindow| {
            let means = row.quantities.each().map(|summary| summary.mean);
            means.into_iter().chain([row.capacity]).collect::<Vec<_>>()
        };
        for pair in numbers(ours).into_iter().zip(numbers(of_view)) {
            match pair {
                (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{ours:?} {of_view:?}"),
                (a, b) => assert_eq!(a, b),
            }
        }
        let without_means = |row: &ZoneWindow| {
            let rest = row.quantities.each().map(|&summary| Summary { mean: None, ..summary });
            ZoneWindow { capacity: None, quantities: Quantities::from_each(rest), ..row.clone() }
        };
        assert_eq!(without_means(ours), without_means(of_view));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_view_and_the_store_say_the_same_of_communes_and_arrondissements(
            readings in prop::collection::vec(
                (
                    prop::sample::select(vec!["16107", "16003", "9020", "31024_relais", "12167"]),
                    0..40i64,
                    prop::option::weighted(0.8, prop::sample::select(vec!["Paris", "Montreuil", "Éragny"])),
                    prop::option::weighted(0.9, 0..30u32),
                    prop::option::weighted(0.9, 0..20u32),
                    prop::option::weighted(0.9, any::<bool>()),
                ),
                0..40,
            ),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("velib.db");
            let mut engine = engine(&path);
            for (code, minute, commune, capacity, bikes, returning) in readings {
                engine
                    .update(&StationStatus {
                        commune: commune.map(Into::into),
                        capacity,
                        bikes_available: bikes,
                        mechanical: bikes.map(|bikes| bikes / 2),
                        is_installed: Some(true),
                        is_returning: returning,
                        ..reading(code, minute)
                    })
                    .unwrap();
            }
            engine.flush().unwrap();
            let view = SqliteStore::open(&path).unwrap();
            for kind in [ZoneKind::Commune, ZoneKind::Arrondissement] {
                let of_view = zones_of_the_view(&view, kind);
                let ours = engine.store().zone_windows(&Zones::from(kind), Select::ALL).unwrap();
                prop_assert_eq!(ours.len(), of_view.len());
                ours.iter().zip(&of_view).for_each(|(ours, of_view)| assert_same(ours, of_view));
                for row in &ours {
                    let of_zone = engine.store().zone_windows(&Zones::from(kind), Select::of(&row.zone)).unwrap();
                    prop_assert!(of_zone.contains(row));
                    let at = engine.store().zone_windows(&Zones::from(kind), Select::at(row.window.start)).unwrap();
                    prop_assert!(at.contains(row));
                }
            }
        }
    }
}
