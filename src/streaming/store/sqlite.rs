//! The statistics in an SQLite file, which any program can read while they are being written.
//!
//! Write-ahead logging lets readers and the one writer pass each other. A commit outlives this process however it ends; if the
//! machine itself fails the last ones may be gone, whole, and with them the place in the topic that they noted: what they
//! held is read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::types::{ToSqlOutput, Type, Value};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter};

use super::columns::{Columns, Number, STATISTICS, numbers, statistics};
use super::{Changes, Kept, Progress, Select, Span, StationWindow, Store, WindowRow, station_windows};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationCode;
use crate::streaming::state::WindowState;
use crate::streaming::station::Station;
use crate::streaming::window::{Window, Windowing};

/// What brings a file from each version of the schema to the next, from [`OLDEST`] on. Add to the end; never change one that
/// was released.
const MIGRATIONS: [&str; 1] = [include_str!("sqlite_2.sql")];

/// The version that the first migration makes. Version 1 kept sums without the readings: they cannot be carried on.
const OLDEST: usize = 2;

/// Marks a file as ours: `veli` in ASCII.
const APPLICATION_ID: i64 = 0x7665_6c69;

const OTHER_FILE: &str = "give another file, --store sqlite:FILE";

/// A [`Store`] in an SQLite file.
///
/// The tables `stations`, `station_windows` and `too_late` and the views `station_statistics` and `zone_statistics` may be
/// read by any program; their columns and units are described in the file's own schema (`.schema` in the sqlite3 shell). The view
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

    fn windowing(&mut self) -> Result<Option<Windowing>> {
        windowing(&self.connection).map_err(|error| failed(&self.path, &error))
    }

    fn stations(&mut self) -> Result<Vec<Station>> {
        let sql = "SELECT code, name, lat, lon, commune, arrondissement, capacity, last_reported_ms, \
                   fetched_at_ms, clock_ms                    FROM stations WHERE TRUE";
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
                last_reported: milliseconds(row, 7)?,
                fetched_at: milliseconds(row, 8)?,
                clock: milliseconds(row, 9)?,
            });
            Ok(())
        })?;
        Ok(stations)
    }

    fn window_state(&mut self, station_code: &StationCode, window: Window) -> Result<Option<WindowState>> {
        let look_up = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT samples, revision FROM station_windows WHERE window_start = ?1 AND station_code = ?2",
            )?;
            statement.query_row(params![window.start.timestamp(), station_code.as_str()], read_state).optional()
        };
        look_up().map_err(|error| failed(&self.path, &error))
    }

    fn is_kept_aside(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) -> Result<bool> {
        let look_up = || {
            let sql = "SELECT EXISTS (SELECT 1 FROM too_late WHERE station_code = ?1 AND last_reported_ms = ?2)";
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(params![station_code.as_str(), last_reported.timestamp_millis()], |row| row.get(0))
        };
        look_up().map_err(|error| failed(&self.path, &error))
    }

    fn kept_aside(&mut self) -> Result<u64> {
        let count = self.connection.query_row("SELECT COUNT(*) FROM too_late", [], |row| row.count(0));
        count.map_err(|error| failed(&self.path, &error))
    }

    fn positions(&mut self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        let look_up = || -> rusqlite::Result<_> {
            let mut statement =
                self.connection.prepare("SELECT partition, next_offset FROM positions WHERE topic = ?1")?;
            statement.query_map([topic], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()
        };
        look_up().map_err(|error| failed(&self.path, &error))
    }

    fn write(&mut self, changes: &Changes<'_>) -> Result<bool> {
        let kept = write(&mut self.connection, changes).map_err(|error| failed(&self.path, &error))?;
        kept.or_refused(changes.windowing).map_err(|error| error.at(self.place()))
    }

    fn latest_window(&mut self, until: Option<DateTime<Utc>>) -> Result<Option<Window>> {
        let until = until.map_or(i64::MAX, |until| until.timestamp());
        let sql = "SELECT window_start, window_end FROM station_windows WHERE window_end <= ?1 \
                   ORDER BY window_start DESC LIMIT 1";
        let latest = self.connection.query_row(sql, [until], |row| window(row, 0));
        latest.optional().map_err(|error| failed(&self.path, &error))
    }

    fn visit_station_windows(&mut self, select: Select<'_>, visit: &mut dyn FnMut(StationWindow)) -> Result<()> {
        self.visit_rows(&station_windows(select), "station_code", select, "window_start, station_code", |row| {
            visit(StationWindow {
                station_code: station_code(row, 0)?,
                name: row.get(1)?,
                commune: row.get(2)?,
                arrondissement: row.get(3)?,
                lat: row.get(4)?,
                lon: row.get(5)?,
                window: window(row, 6)?,
                statistics: statistics(row, 8)?,
            });
            Ok(())
        })
    }
}

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
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(sql)?;
    // 40 MB of log before it is moved into the file, not 4: half the time where a flush touches every station.
    connection.pragma_update(None, "wal_autocheckpoint", 10_000).map_err(sql)?;
    // 32 MB of pages in memory, in KiB: the windows that are still changing are not read again.
    connection.pragma_update(None, "cache_size", -32_768).map_err(sql)?;
    let version = |connection: &Connection| {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
        version.map(|version| version as usize).map_err(sql)
    };
    let (known, newest) = (version(connection)?, OLDEST + MIGRATIONS.len() - 1);
    if known > newest {
        return refuse(format!("has schema version {known}, newer than the {newest} that this program knows"));
    }
    if (1..OLDEST).contains(&known) {
        return refuse(format!(
            "has schema version {known}, whose windows cannot be gone on with: replay the topic into a new file"
        ));
    }
    if known == newest {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    // Asked again: another program may have done the work while this one waited for its turn.
    let made = version(&transaction)?;
    for migration in MIGRATIONS.iter().skip((made + 1).saturating_sub(OLDEST)) {
        transaction.execute_batch(migration).map_err(sql)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
    transaction.pragma_update(None, "user_version", natural_value(newest as u64)).map_err(sql)?;
    transaction.commit().map_err(sql)
}

fn write(connection: &mut Connection, changes: &Changes<'_>) -> rusqlite::Result<Kept> {
    // Immediate: what is checked first must still hold when it is written.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match windowing(&transaction)? {
        Some(kept) if kept != changes.windowing => return Ok(Kept::Other(kept)),
        Some(_) => {}
        None => {
            let seconds = [changes.windowing.length(), changes.windowing.slide()].map(|length| length.as_secs());
            let [length, slide] = seconds.map(natural_value);
            transaction.execute("INSERT INTO windowing VALUES (1, ?1, ?2)", params![length, slide])?;
        }
    }
    if let Some(progress) = changes.progress
        && !move_on(&transaction, progress)?
    {
        return Ok(Kept::Overtaken);
    }
    write_stations(&transaction, changes.stations)?;
    write_windows(&transaction, changes.windows)?;
    for reading in changes.too_late {
        let json =
            serde_json::to_string(reading).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        transaction
            .prepare_cached("INSERT INTO too_late VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![reading.station_code.as_str(), reading.last_reported.timestamp_millis(), json])?;
    }
    transaction.commit()?;
    Ok(Kept::All)
}

/// Notes how far the topic has been read; whether it still stood where this reading began.
fn move_on(transaction: &Transaction<'_>, progress: &Progress) -> rusqlite::Result<bool> {
    for (partition, &Span { from, to }) in &progress.partitions {
        let moved = match from {
            None => transaction
                .prepare_cached("INSERT INTO positions VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
                .execute(params![progress.topic, partition, to])?,
            Some(from) => transaction
                .prepare_cached(
                    "UPDATE positions SET next_offset = ?3 WHERE topic = ?1 AND partition = ?2 AND next_offset = ?4",
                )?
                .execute(params![progress.topic, partition, to, from])?,
        };
        if moved != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write_stations(transaction: &Transaction<'_>, stations: &[&Station]) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO stations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET \
         name = excluded.name, lat = excluded.lat, lon = excluded.lon, commune = excluded.commune, \
         arrondissement = excluded.arrondissement, capacity = excluded.capacity, \
         last_reported_ms = excluded.last_reported_ms, fetched_at_ms = excluded.fetched_at_ms, \
         clock_ms = excluded.clock_ms",
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
            station.last_reported.timestamp_millis(),
            station.fetched_at.timestamp_millis(),
            station.clock.timestamp_millis(),
        ])?;
    }
    Ok(())
}

fn write_windows(transaction: &Transaction<'_>, windows: &[WindowRow<'_>]) -> rusqlite::Result<()> {
    let replaced = STATISTICS.map(|column| format!("{column} = excluded.{column}")).join(", ");
    let marks = vec!["?"; 4 + STATISTICS.len()].join(", ");
    let mut upsert = transaction.prepare_cached(&format!(
        "INSERT INTO station_windows (window_start, window_end, station_code, samples, {}) VALUES ({marks}) \
         ON CONFLICT DO UPDATE SET samples = excluded.samples, {replaced}",
        STATISTICS.join(", ")
    ))?;
    for row in windows {
        upsert.raw_bind_parameter(1, row.window.start.timestamp())?;
        upsert.raw_bind_parameter(2, row.window.end.timestamp())?;
        upsert.raw_bind_parameter(3, row.station_code.as_str())?;
        upsert.raw_bind_parameter(4, row.state.to_bytes())?;
        let said = row.state.statistics(row.window);
        for (column, number) in (5..).zip(numbers(&said)) {
            match number {
                Number::Count(count) => upsert.raw_bind_parameter(column, natural_value(count))?,
                Number::Real(real) => upsert.raw_bind_parameter(column, real)?,
            }
        }
        upsert.raw_execute()?;
    }
    Ok(())
}

fn windowing(connection: &Connection) -> rusqlite::Result<Option<Windowing>> {
    let sql = "SELECT length_seconds, slide_seconds FROM windowing";
    let seconds = connection.query_row(sql, [], |row| Ok((row.count(0)?, row.count(1)?))).optional()?;
    let of = |(length, slide)| Windowing::sliding(Duration::from_secs(length), Duration::from_secs(slide));
    seconds
        .map(of)
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(error)))
}

fn read_state(row: &Row<'_>) -> rusqlite::Result<WindowState> {
    let refused = || rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, "these are no samples".into());
    WindowState::from_bytes(row.get_ref(0)?.as_blob()?, row.count(1)?).ok_or_else(refused)
}

impl Columns for Row<'_> {
    type Error = rusqlite::Error;

    fn count(&self, column: usize) -> rusqlite::Result<u64> {
        let number: i64 = self.get(column)?;
        u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
    }

    fn real(&self, column: usize) -> rusqlite::Result<Option<f64>> {
        self.get(column)
    }
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

fn milliseconds(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let milliseconds = row.get(column)?;
    DateTime::from_timestamp_millis(milliseconds).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, milliseconds))
}

fn natural_value(number: u64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)))
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
mod tests;
