//! Where tests find a real PostgreSQL: `VELIB_POSTGRES=$(.ci/postgres address) cargo test`. Without it they say that they were
//! skipped.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use postgres::{Client, NoTls};

use super::*;
use crate::streaming::store::columns::STATISTICS;
use crate::streaming::store::contract::Home;
use crate::streaming::{ZoneKind, ZoneWindow};

/// A schema that no other test and no other run has, dropped with the value.
pub(in crate::streaming) struct Schema {
    pub(super) name: String,
    /// The database, without the schema.
    pub(super) server: String,
}

impl Schema {
    /// A new one on the server, or `None` with a word to whoever runs the tests.
    pub(in crate::streaming) fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("VELIB_POSTGRES") else {
            // Not by `println!`, which the test runner keeps to itself.
            std::io::stderr().write_all(b"skipped: VELIB_POSTGRES is not set\n").unwrap();
            return None;
        };
        let (number, process) = (NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let schema = Self { name: format!("velib_test_{process}_{time}_{number}"), server };
        schema.admin().batch_execute(&format!("CREATE SCHEMA {}", schema.name)).unwrap();
        Some(schema)
    }

    /// The address of the schema, with the settings of the server that `settings` adds, such as `-c lock_timeout=1s`. A
    /// connection is known by the name of the schema.
    pub(super) fn url_with(&self, settings: &str) -> PostgresUrl {
        let (and, name) = (if self.server.contains('?') { '&' } else { '?' }, &self.name);
        let options = format!("-c search_path={name} {settings}").replace(' ', "%20").replace('=', "%3D");
        format!("{}{and}application_name={name}&options={options}", self.server).parse().unwrap()
    }

    pub(super) fn url(&self) -> PostgresUrl {
        self.url_with("")
    }

    pub(super) fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.url()).unwrap()
    }

    /// A connection of the tests' own.
    pub(super) fn admin(&self) -> Client {
        let mut client = Client::connect(&self.server, NoTls).unwrap();
        client.batch_execute(&format!("SET client_min_messages = warning; SET search_path = {}", self.name)).unwrap();
        client
    }

    /// Ends all connections of this schema's stores, as a server that is started again does; how many.
    pub(super) fn end_connections(&self) -> usize {
        let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1";
        self.admin().query(sql, &[&self.name]).unwrap().len()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.admin().batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)).unwrap();
    }
}

impl Home for Schema {
    const CASES: u32 = 12;

    fn open(&self) -> Box<dyn Store> {
        Box::new(self.store())
    }

    fn zones_of_the_view(&self, kind: ZoneKind) -> Vec<ZoneWindow> {
        let sql = format!(
            "SELECT zone, window_start, window_end, stations, expected, {} FROM zone_statistics WHERE kind = '{kind}'",
            STATISTICS.join(", ")
        );
        let mut rows = Vec::new();
        let read = |row: &Row| {
            rows.push(ZoneWindow {
                kind: kind.to_string(),
                zone: row.try_get(0)?,
                window: window(row, 1)?,
                stations: row.count(3)?,
                expected: row.count(4)?,
                statistics: statistics(row, 5)?,
            });
            Ok(())
        };
        self.store().visit_rows(&sql, "zone", Select::ALL, "window_start, zone", read).unwrap();
        rows
    }

    fn refuse_windows_of(&self, code: Option<&str>) {
        let change = code.map_or_else(
            || "DROP CONSTRAINT no".to_owned(),
            |code| format!("ADD CONSTRAINT no CHECK (station_code <> '{code}') NOT VALID"),
        );
        self.admin().batch_execute(&format!("ALTER TABLE station_windows {change}")).unwrap();
    }

    fn kept_aside(&self) -> Vec<String> {
        let rows = self.admin().query("SELECT reading FROM too_late ORDER BY 1", &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}
