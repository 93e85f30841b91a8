//! The statistics in a PostgreSQL database, which several processes can write to and any program can read meanwhile.
//!
//! The processes of a consumer group share one database, each with stations of its own. That two of them count one reading is
//! prevented by the positions alone: whoever moves one that another has moved meanwhile writes nothing, and begins again.
//! A connection that is lost is made again, and what was under way is done again where it is certain that it was not done.

#[cfg(test)]
pub(super) mod home;
mod schema;
mod session;
mod url;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use postgres::Row;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;

use self::session::{Failed, Session, Tried};
use self::write::Broken;
use super::columns::{Columns, statistics};
use super::{Changes, Kept, Progress, Select, StationWindow, Store, station_windows};
use crate::error::{Place, Result};
use crate::station::StationCode;
use crate::streaming::state::WindowState;
use crate::streaming::station::Station;
use crate::streaming::window::{Window, Windowing};

pub use self::url::PostgresUrl;

/// How often a transaction is tried again that stood in the way of another one, or whose connection was lost.
const MOST_ATTEMPTS: u32 = 5;

/// A [`Store`] in a PostgreSQL database, of version 12 or newer.
///
/// Its tables and views have the names, columns and units of [`SqliteStore`](super::SqliteStore)'s, so that one query serves
/// both; `\d+` in psql describes them. They are in the schema that the search path of the address names first, which is
/// `public` unless it says otherwise. Rows are put in place of one another all the time: the server's autovacuum must be on,
/// as it is by default.
///
/// Connections are not encrypted: a server on another machine is best reached through a tunnel, such as `ssh -L`.
#[derive(Debug)]
pub struct PostgresStore {
    url: PostgresUrl,
    session: Session,
}

impl PostgresStore {
    /// Connects, and makes the tables if they are missing. An error if there is no such server or database, if the tables'
    /// names are taken by another program's, or if they were made by a newer version of this crate.
    pub fn open(url: &PostgresUrl) -> Result<Self> {
        let mut session = Session::open(url)?;
        schema::prepare(&mut session).map_err(|failed| failed.said(url))?;
        Ok(Self { url: url.clone(), session })
    }

    /// Reads something, on a new connection if this one is lost.
    fn read<T>(&mut self, mut work: impl FnMut(&mut Session) -> Tried<T>) -> Result<T> {
        let mut done = work(&mut self.session);
        if done.as_ref().is_err_and(Failed::is_lost) {
            self.session = Session::open_again(&self.url)?;
            done = work(&mut self.session);
        }
        done.map_err(|failed| failed.said(&self.url))
    }

    /// Shows `visit` all rows that `sql` gives, which selects by `column` what [`Select::of`] names.
    fn visit_rows(
        &mut self,
        sql: &str,
        column: &str,
        select: Select<'_>,
        order: &str,
        mut visit: impl FnMut(&Row) -> Tried<()>,
    ) -> Result<()> {
        let of = select.of.map(text);
        let [from, until] = [select.from, select.until].map(|time| time.map(|time| time.timestamp()));
        let mut filters = String::new();
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
        let mut filter = |is: &str, value| {
            values.push(value);
            filters += &format!("AND {is} ${} ", values.len());
        };
        if let Some(of) = &of {
            filter(&format!("{column} ="), of);
        }
        if let Some(from) = &from {
            filter("window_start >=", from);
        }
        if let Some(until) = &until {
            filter("window_start <", until);
        }
        let sql = format!("{sql} {filters} ORDER BY {order}");
        self.read(|session| {
            // Not kept, because its text holds times. One row after the other, as they come.
            let mut rows = session.client.query_raw(&sql, values.iter().copied())?;
            let mut shown = false;
            loop {
                let row = match rows.next() {
                    Err(error) if shown => return Err(Failed::Midway(error)),
                    row => row?,
                };
                let Some(row) = row else { return Ok(()) };
                shown = true;
                visit(&row)?;
            }
        })
    }

    /// What became of a transaction whose connection was lost while it was being committed; `None` if nothing did.
    fn outcome(&mut self, progress: Option<&Progress>) -> Result<Option<Kept>> {
        // Without positions the same rows are put in place of themselves.
        let Some(progress) = progress.filter(|progress| !progress.is_empty()) else { return Ok(None) };
        let positions = self.positions(&progress.topic)?;
        let stand_at = |at: fn(&super::Span) -> Option<i64>| {
            progress.partitions.iter().all(|(partition, span)| positions.get(partition).copied() == at(span))
        };
        Ok(if stand_at(|span| span.from) {
            None
        } else if stand_at(|span| Some(span.to)) {
            Some(Kept::All)
        } else {
            // Another process has gone on since: whether from here or from before, the store says.
            Some(Kept::Overtaken)
        })
    }
}

impl Store for PostgresStore {
    fn place(&self) -> Place {
        session::place(&self.url)
    }

    fn windowing(&mut self) -> Result<Option<Windowing>> {
        self.read(|session| {
            read_windowing(session.client.query_opt("SELECT length_seconds, slide_seconds FROM windowing", &[])?)
        })
    }

    fn stations(&mut self) -> Result<Vec<Station>> {
        let sql = "SELECT code, name, lat, lon, commune, arrondissement, capacity, last_reported_ms, fetched_at_ms, clock_ms \
                   FROM stations WHERE TRUE";
        let mut stations = Vec::new();
        self.visit_rows(sql, "code", Select::ALL, "code", |row| {
            let capacity: Option<i64> = row.try_get(6)?;
            stations.push(Station {
                code: station_code(row, 0)?,
                name: row.try_get(1)?,
                lat: row.try_get(2)?,
                lon: row.try_get(3)?,
                commune: row.try_get(4)?,
                arrondissement: row.try_get(5)?,
                capacity: capacity.map(|docks| u32::try_from(docks).map_err(|_| wrong(6, docks))).transpose()?,
                last_reported: milliseconds(row, 7)?,
                fetched_at: milliseconds(row, 8)?,
                clock: milliseconds(row, 9)?,
            });
            Ok(())
        })?;
        Ok(stations)
    }

    fn window_state(&mut self, station_code: &StationCode, window: Window) -> Result<Option<WindowState>> {
        let sql = "SELECT samples, revision FROM station_windows WHERE window_start = $1 AND station_code = $2";
        let (start, code) = (window.start.timestamp(), text(station_code.as_str()));
        self.read(|session| {
            let statement = session.prepare(sql)?;
            session.client.query_opt(&statement, &[&start, &code])?.map(|row| read_state(&row)).transpose()
        })
    }

    fn is_kept_aside(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM too_late WHERE station_code = $1 AND last_reported_ms = $2)";
        let (code, time) = (text(station_code.as_str()), last_reported.timestamp_millis());
        self.read(|session| {
            let statement = session.prepare(sql)?;
            Ok(session.client.query_one(&statement, &[&code, &time])?.try_get(0)?)
        })
    }

    fn kept_aside(&mut self) -> Result<u64> {
        self.read(|session| session.client.query_one("SELECT COUNT(*) FROM too_late", &[])?.count(0))
    }

    fn positions(&mut self, topic: &str) -> Result<BTreeMap<i32, i64>> {
        self.read(|session| {
            let rows =
                session.client.query("SELECT partition, next_offset FROM positions WHERE topic = $1", &[&topic])?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        })
    }

    fn write(&mut self, changes: &Changes<'_>) -> Result<bool> {
        let mut attempts = 1;
        let kept = loop {
            let (failed, unclear) = match write::write(&mut self.session, changes) {
                Ok(kept) => break kept,
                Err(Broken::Undone(failed)) => (failed, false),
                Err(Broken::Unclear(failed)) => (failed, true),
            };
            if attempts == MOST_ATTEMPTS || !(failed.is_lost() || failed.is_conflict()) {
                return Err(failed.said(&self.url));
            }
            attempts += 1;
            if failed.is_lost() {
                self.session = Session::open_again(&self.url)?;
            }
            if unclear && let Some(kept) = self.outcome(changes.progress)? {
                break kept;
            }
        };
        kept.or_refused(changes.windowing).map_err(|error| error.at(self.place()))
    }

    fn latest_window(&mut self, until: Option<DateTime<Utc>>) -> Result<Option<Window>> {
        let until = until.map_or(i64::MAX, |until| until.timestamp());
        let sql = "SELECT window_start, window_end FROM station_windows WHERE window_end <= $1 \
                   ORDER BY window_start DESC LIMIT 1";
        self.read(|session| session.client.query_opt(sql, &[&until])?.map(|row| window(&row, 0)).transpose())
    }

    fn visit_station_windows(&mut self, select: Select<'_>, visit: &mut dyn FnMut(StationWindow)) -> Result<()> {
        self.visit_rows(&station_windows(select), "station_code", select, "window_start, station_code", |row| {
            visit(StationWindow {
                station_code: station_code(row, 0)?,
                name: row.try_get(1)?,
                commune: row.try_get(2)?,
                arrondissement: row.try_get(3)?,
                lat: row.try_get(4)?,
                lon: row.try_get(5)?,
                window: window(row, 6)?,
                statistics: statistics(row, 8)?,
            });
            Ok(())
        })
    }
}

/// The text as PostgreSQL can keep it: it has no room for the character 0.
fn text(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A count as PostgreSQL keeps it.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn wrong(column: usize, what: impl std::fmt::Display) -> Failed {
    Failed::Row(format!("holds a row that this program did not write: {what} in column {}", column + 1))
}

fn read_windowing(row: Option<Row>) -> Tried<Option<Windowing>> {
    let of = |row: Row| {
        let [length, slide] = [row.count(0)?, row.count(1)?].map(Duration::from_secs);
        Windowing::sliding(length, slide).map_err(|error| wrong(0, error))
    };
    row.map(of).transpose()
}

fn read_state(row: &Row) -> Tried<WindowState> {
    WindowState::from_bytes(row.try_get(0)?, row.count(1)?).ok_or_else(|| wrong(0, "no samples"))
}

impl Columns for Row {
    type Error = Failed;

    fn count(&self, column: usize) -> Tried<u64> {
        let number: i64 = self.try_get(column)?;
        u64::try_from(number).map_err(|_| wrong(column, number))
    }

    fn real(&self, column: usize) -> Tried<Option<f64>> {
        Ok(self.try_get(column)?)
    }
}

fn station_code(row: &Row, column: usize) -> Tried<StationCode> {
    StationCode::new(row.try_get(column)?).map_err(|error| wrong(column, error))
}

fn window(row: &Row, from: usize) -> Tried<Window> {
    Ok(Window { start: time(row, from)?, end: time(row, from + 1)? })
}

fn time(row: &Row, column: usize) -> Tried<DateTime<Utc>> {
    let seconds = row.try_get(column)?;
    DateTime::from_timestamp(seconds, 0).ok_or_else(|| wrong(column, seconds))
}

fn milliseconds(row: &Row, column: usize) -> Tried<DateTime<Utc>> {
    let milliseconds = row.try_get(column)?;
    DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| wrong(column, milliseconds))
}

#[cfg(test)]
mod tests;
