//! The store that keeps the statistics, and the rows it answers with.
//!
//! A store keeps each window's readings, so that it can go on after a restart, beside its statistics as readable rows, and in
//! the same transaction how far the topic has been read. It knows stations, not zones: the statistics of any [`Zones`] are
//! computed from those of the stations, in one place for all stores.

mod columns;
#[cfg(test)]
pub(super) mod contract;
mod postgres;
mod sqlite;
mod zone_windows;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use self::columns::STATISTICS;
use super::engine::other_windows;
use super::state::{WindowState, WindowStatistics};
use super::station::Station;
use super::window::{Window, Windowing};
use super::zone::Zones;
use crate::error::{Error, Place, Result};
use crate::station::{StationCode, StationStatus};

pub use self::postgres::{PostgresStore, PostgresUrl};
pub use sqlite::SqliteStore;

#[cfg(test)]
pub(super) use self::postgres::home::Schema;

/// Keeps the windows of all stations.
///
/// Of several engines that write to a store each has stations of its own, as the members of a consumer group have; any
/// number of programs may read it meanwhile.
pub trait Store: fmt::Debug + Send {
    /// Where the store is, for messages.
    fn place(&self) -> Place;

    /// Which windows are in the store; `None` while it is empty.
    fn windowing(&mut self) -> Result<Option<Windowing>>;

    /// All stations, by code.
    fn stations(&mut self) -> Result<Vec<Station>>;

    /// What was kept of a station's window.
    fn window_state(&mut self, station_code: &StationCode, window: Window) -> Result<Option<WindowState>>;

    /// Whether a reading of this event time was kept aside, because it came too late.
    fn is_kept_aside(&mut self, station_code: &StationCode, last_reported: DateTime<Utc>) -> Result<bool>;

    /// How many readings were kept aside, because they came too late.
    fn kept_aside(&mut self) -> Result<u64>;

    /// For each partition of a topic the offset of the next message to be read; none of a partition that was never read.
    /// A topic is named with the cluster that it is of ([`Progress::topic`]).
    fn positions(&mut self, topic: &str) -> Result<BTreeMap<i32, i64>>;

    /// Keeps stations and windows in the place of what was kept of them before, what came too late, and how far the topic has
    /// been read: all of it or, after an error, nothing. `false`, and nothing is kept, if somebody else has gone on in the
    /// topic meanwhile. An error if the store keeps other windows.
    ///
    /// Every station of a window is among the stations, or in the store already: else its windows are not found again.
    fn write(&mut self, changes: &Changes<'_>) -> Result<bool>;

    /// The newest window that ends at `until` or before; with `None` the newest of all.
    fn latest_window(&mut self, until: Option<DateTime<Utc>>) -> Result<Option<Window>>;

    /// Shows `visit` the statistics per station and window one by one, by window, then by station code, and holds none.
    ///
    /// [`Select::of`] means a station, by its code.
    fn visit_station_windows(&mut self, select: Select<'_>, visit: &mut dyn FnMut(StationWindow)) -> Result<()>;

    /// Statistics per station and window, as [`visit_station_windows`](Self::visit_station_windows) shows them.
    fn station_windows(&mut self, select: Select<'_>) -> Result<Vec<StationWindow>> {
        let mut windows = Vec::new();
        self.visit_station_windows(select, &mut |window| windows.push(window))?;
        Ok(windows)
    }

    /// Statistics per zone and window, by window, then by zone; a zone has no row in a window where none of its stations
    /// reported. [`Select::of`] means a zone, by its name.
    ///
    /// A station that another program adds meanwhile is counted when the store is asked next.
    fn zone_windows(&mut self, zones: &Zones, select: Select<'_>) -> Result<Vec<ZoneWindow>> {
        zone_windows::zone_windows(self, zones, select)
    }
}

/// What is to be written, in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// Which windows these are.
    pub windowing: Windowing,
    /// The stations that changed.
    pub stations: &'a [&'a Station],
    /// The windows that changed, by start, then by station code.
    pub windows: &'a [WindowRow<'a>],
    /// Readings that came too late, each different from all others here and in the store.
    pub too_late: &'a [&'a StationStatus],
    /// How far the topic has been read; `None` if that is kept elsewhere.
    pub progress: Option<&'a Progress>,
}

/// A window to be written.
#[derive(Clone, Copy, Debug)]
pub struct WindowRow<'a> {
    /// The station.
    pub station_code: &'a StationCode,
    /// The window.
    pub window: Window,
    /// What is kept of it.
    pub state: &'a WindowState,
}

/// How far a topic has been read since what was written before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The topic, with the cluster that it is of: `CLUSTER/TOPIC`. Offsets of another cluster would mean other messages.
    pub topic: String,
    /// For each partition that was read, from where and up to where.
    pub partitions: BTreeMap<i32, Span>,
}

/// The messages of one partition that were read, by their offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The position that the store must still have; `None`: it must have none.
    pub from: Option<i64>,
    /// The position then: the offset of the next message.
    pub to: i64,
}

impl Progress {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
}

/// What became of a transaction that was not an error.
enum Kept {
    All,
    /// Another process has read on.
    Overtaken,
    /// The store keeps other windows.
    Other(Windowing),
}

impl Kept {
    /// Whether it was kept; an error if the store keeps other windows than the `wanted`.
    fn or_refused(self, wanted: Windowing) -> Result<bool> {
        match self {
            Self::All => Ok(true),
            Self::Overtaken => Ok(false),
            Self::Other(kept) => Err(other_windows(kept, wanted)),
        }
    }
}

/// Which rows are asked for: those that fulfil all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Select<'a> {
    /// One station, by its code, or one zone, by its name.
    pub of: Option<&'a str>,
    /// Windows that start then or later.
    pub from: Option<DateTime<Utc>>,
    /// Windows that start earlier than that.
    pub until: Option<DateTime<Utc>>,
}

impl<'a> Select<'a> {
    /// All rows.
    pub const ALL: Self = Self { of: None, from: None, until: None };

    /// The rows of the window that begins then.
    pub fn at(start: DateTime<Utc>) -> Self {
        // Windows start at whole seconds.
        Self { from: Some(start), until: start.checked_add_signed(TimeDelta::seconds(1)), ..Self::ALL }
    }

    /// The rows of one station, by its code, or of one zone, by its name.
    pub fn of(name: &'a str) -> Self {
        Self { of: Some(name), ..Self::ALL }
    }

    /// Of these rows, those of windows that start then or later.
    #[must_use]
    pub fn since(self, from: DateTime<Utc>) -> Self {
        Self { from: Some(from), ..self }
    }
}

/// What [`Store::visit_station_windows`] asks a database for; a filter may follow.
fn station_windows(select: Select<'_>) -> String {
    // A station's rows stand in as many places as there are windows: the key leads to each.
    let starts = match select.of {
        Some(_) => format!("window_start IN ({})", starts(select)),
        None => "TRUE".to_owned(),
    };
    format!(
        "SELECT station_code, name, commune, arrondissement, lat, lon, window_start, window_end, {} \
         FROM station_statistics WHERE {starts}",
        STATISTICS.join(", ")
    )
}

/// The starts of all windows from the first that is selected to the last, each looked up by the key of the windows; the
/// same SQL for every database.
fn starts(select: Select<'_>) -> String {
    let from = select.from.map_or("TRUE".to_owned(), |from| format!("window_start >= {}", from.timestamp()));
    let until = select.until.map_or("start IS NOT NULL".to_owned(), |until| format!("start < {}", until.timestamp()));
    format!(
        "WITH RECURSIVE starts (start) AS ( \
             SELECT MIN(window_start) FROM station_windows WHERE {from} \
             UNION ALL \
             SELECT (SELECT MIN(window_start) FROM station_windows WHERE window_start > start) FROM starts WHERE {until} \
         ) SELECT start FROM starts WHERE start IS NOT NULL"
    )
}

/// The statistics of one station in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationWindow {
    /// The station.
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// Its zone by [`ZoneKind::Commune`](super::ZoneKind::Commune).
    pub commune: Option<String>,
    /// Its zone by [`ZoneKind::Arrondissement`](super::ZoneKind::Arrondissement).
    pub arrondissement: Option<String>,
    /// Latitude, degrees north (WGS 84).
    pub lat: Option<f64>,
    /// Longitude, degrees east (WGS 84).
    pub lon: Option<f64>,
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// What is said of it.
    #[serde(flatten)]
    pub statistics: WindowStatistics,
}

impl StationWindow {
    pub(super) fn of(station: &Station, window: Window, statistics: WindowStatistics) -> Self {
        Self {
            station_code: station.code.clone(),
            name: station.name.clone(),
            commune: station.commune.clone(),
            arrondissement: station.arrondissement.clone(),
            lat: station.lat,
            lon: station.lon,
            window,
            statistics,
        }
    }
}

/// The statistics of one zone in one window.
///
/// The mean of a quantity is the mean of its stations' means, each weighted by the station's mean capacity in the window;
/// for the occupancy that is the zone's bikes over its docks. A station whose capacity is unknown has no weight. What the
/// others are is said at [`Summary`](super::Summary) and [`WindowStatistics`]. A zone's revision is the sum of its stations'.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneWindow {
    /// How the network is divided, as [`Zones`] are written.
    pub kind: String,
    /// The zone.
    pub zone: String,
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// How many of its stations are fresh: reported in the window, closed ones included.
    pub stations: u64,
    /// How many stations the zone is known to have, whenever they reported.
    pub expected: u64,
    /// What is said of it.
    #[serde(flatten)]
    pub statistics: WindowStatistics,
}

/// Where a store is to be found, as it is written in options: `sqlite:FILE` or `postgres://USER@HOST/DATABASE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// An SQLite file, made if it is missing. `sqlite::memory:` is one that lasts as long as the program.
    Sqlite(PathBuf),
    /// A PostgreSQL database. Its tables are made if they are missing.
    Postgres(PostgresUrl),
}

impl StoreUrl {
    /// Opens the store.
    pub fn open(&self) -> Result<Box<dyn Store>> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(SqliteStore::open(path)?)),
            Self::Postgres(url) => Ok(Box::new(PostgresStore::open(url)?)),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        match url.split_once(':') {
            Some(("sqlite", file)) if !file.is_empty() => Ok(Self::Sqlite(file.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(url.parse()?)),
            _ => Err(Error::usage("--store", format!("`{url}` is no store that is known"))
                .way_out("known: sqlite:FILE, postgres://USER@HOST/DATABASE")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_kind_and_place() {
        for url in ["sqlite:velib.db", "sqlite:data/a:b.db", "sqlite::memory:", "postgres://velib@h:1/velib"] {
            assert_eq!(url.parse::<StoreUrl>().unwrap().to_string(), url);
        }
        for url in ["mysql://h/velib", "postgres:velib", "velib.db", "sqlite:", ""] {
            let error = url.parse::<StoreUrl>().unwrap_err();
            let message = format!(
                "--store: `{url}` is no store that is known; known: sqlite:FILE, postgres://USER@HOST/DATABASE"
            );
            assert_eq!((error.to_string(), error.exit_code()), (message, 2));
        }
    }
}
