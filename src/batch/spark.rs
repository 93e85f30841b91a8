//! The statistics of Part 3 by a real Spark: the same questions, by its DataFrame API and as its SQL, answered with the same
//! [`Statistics`](super::Statistics).
//!
//! Spark reads the files itself ([`SparkReadings::open`]), wherever it sees them: what comes here are sums by station, spell and
//! hour of the week, a few thousand rows however long the history is. The rules are those of this library, written once more in
//! Spark's terms, and tests hold both to one answer; [`SparkReadings`] says what differs.

#![allow(clippy::result_large_err, reason = "the size of the client's errors is not ours to choose")]

mod cells;
mod dataframe;
mod files;
mod partitions;
mod sql;
mod to_polars;

use chrono::DateTime;
use polars::frame::DataFrame as Frame;
use spark_connect::row::{Row, Value};
use spark_connect::{DataFrame, DataType};

use super::engine::{Engine, Gathered};
use super::overview::Overview;
use super::partial::{Answers, Partial};
use super::table::{TableSettings, milliseconds_of};
use crate::error::{Error, ErrorKind, Result};
use crate::station::{StationCode, StationStatus};
use crate::streaming::{Spark, Station, Zones, unique};

pub use partitions::SparkPartitions;

/// What was found in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RowsOfSpark {
    /// Readings, each (station, `last_reported`) once: the one fetched first.
    pub readings: u64,
    /// Readings that came again.
    pub repeats: u64,
    /// Rows without a station or without one of its clocks.
    pub unreadable: u64,
    /// Lines of a CSV with too few or too many cells.
    pub torn: u64,
}

/// A history in files that a Spark server reads, by the rules of [`Recording::read`](crate::ingest::Recording::read) but for these:
///
/// | | here | by Spark |
/// |---|---|---|
/// | a line of a CSV that is no row | kept, told with its line | counted; it stays in the file |
/// | a cell that goes over two lines | one cell | two torn rows, because Spark cuts files anywhere |
/// | of readings fetched at one time the first in the files' order | always | files by their names, as Spark cuts them |
/// | a field that says nothing sensible | unknown, and noted | unknown |
/// | times | to the nanosecond | to the microsecond |
/// | a text that is not UTF-8 | unknown | read, with U+FFFD where it is not |
/// | CSV files of different columns in one folder | each by its own | refused: one `--data` each |
/// | CSV files of one folder with a column without a name, or two of one name | each by its own | refused: one `--data` each |
/// | Parquet files of different columns in one folder | each by its own | by all of theirs. Refused: two names for one field, one name for two types, a file without a column that a reading must have |
/// | times of Parquet in nanoseconds | read | refused by Spark |
///
/// What Spark holds in its memory meanwhile it lets go at the end; of a process that was killed it keeps it until its own end, and
/// gives it to nobody else.
pub struct SparkReadings<'s> {
    spark: &'s Spark,
    settings: TableSettings,
    gap: i64,
    rows: Named,
}

/// A table with a name in the session.
struct Named {
    table: DataFrame,
    name: String,
}

/// A table that the server computes once and holds in its memory for as long as this lives. Not a checkpoint: that is a command,
/// and of a command it is not seen whether the server broke off.
struct Held<'t> {
    spark: &'t Spark,
    table: &'t DataFrame,
}

impl<'t> Held<'t> {
    fn new(spark: &'t Spark, table: &'t Named) -> Result<Self> {
        let table = &table.table;
        spark.done(table.cache())?;
        Ok(Self { spark, table })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.spark.reach().is_ok() {
            // Where this fails it costs the server's memory, and no answer: nobody else is given the table.
            let _ = self.table.unpersist(false);
        }
    }
}

impl<'s> SparkReadings<'s> {
    /// The readings in the CSV and Parquet files that these paths name: a file, a folder with all in it, a pattern, or an address
    /// that the server knows, such as `s3a://`. The CSV files of one path have one header. Nothing is read yet but names and
    /// columns.
    ///
    /// An error is: a path where the server finds no such file, files without the columns `stationcode` and `duedate`, a column
    /// of a type that cannot be read, and settings that [`Table::with`](super::Table::with) refuses.
    pub fn open(spark: &'s Spark, paths: &[String], settings: &TableSettings) -> Result<Self> {
        let gap = milliseconds_of(settings.max_gap)?;
        let rows = named(spark, &files::read(spark, paths)?, "rows")?;
        Ok(Self { spark, settings: settings.clone(), gap, rows })
    }

    /// Every statistic, by Spark's DataFrame API or as its SQL; and what was found in the files.
    pub fn gather(&self, engine: Engine) -> Result<(Gathered, RowsOfSpark)> {
        let observed = self.observed(engine)?;
        // Read and sorted once, for all questions.
        let _held = Held::new(self.spark, &observed)?;
        let found = self.counted(&observed, "1")?;
        let axis = self.named(
            engine,
            "axis",
            || sql::timeline(&observed.name, self.gap),
            || dataframe::timeline(&observed.table, self.gap),
        )?;
        let full = self.asked(engine, || sql::spells(&axis.name, "full"), || dataframe::spells(&axis.table, "full"))?;
        let empty =
            self.asked(engine, || sql::spells(&axis.name, "empty"), || dataframe::spells(&axis.table, "empty"))?;
        let hours = self.asked(engine, || sql::hours(&axis.name), || dataframe::hours(&axis.table))?;
        let sites = self.sites(engine, &axis)?;
        let _sites_held = Held::new(self.spark, &sites)?;
        let zoned = self.zoned(engine, &sites)?;
        let answers = Answers {
            full_spells: full,
            empty_spells: empty,
            hours,
            by_station: self.zones(engine, &zoned, "stationcode")?,
            ..self.answers(engine, &zoned)?
        };
        Ok((Gathered::of(engine, self.settings.max_gap, Partial::read(&answers)?), found))
    }

    /// What counts every reading once, in one pass over the files; and what was found in them.
    pub fn overview(&self, engine: Engine) -> Result<(Overview, RowsOfSpark)> {
        let observed = self.observed(engine)?;
        let axis =
            self.named(engine, "axis", || sql::timeless(&observed.name), || dataframe::timeless(&observed.table))?;
        let sites = self.sites(engine, &axis)?;
        let _held = Held::new(self.spark, &sites)?;
        let found = self.counted(&sites, "readings")?;
        let zoned = self.zoned(engine, &sites)?;
        let part = Partial::read(&self.answers(engine, &zoned)?)?;
        Ok((Overview::from(&part.finish(self.settings.max_gap)), found))
    }

    fn observed(&self, engine: Engine) -> Result<Named> {
        self.named(engine, "observed", || sql::observed(&self.rows.name), || dataframe::observed(&self.rows.table))
    }

    /// Sums by station and place.
    fn sites(&self, engine: Engine, axis: &Named) -> Result<Named> {
        self.named(engine, "sites", || sql::sites(&axis.name), || dataframe::sites(&axis.table))
    }

    /// The sums with the zones that each is in.
    fn zoned(&self, engine: Engine, sites: &Named) -> Result<Named> {
        let places = self.places(sites)?;
        self.named(
            engine,
            "zoned",
            || sql::zoned(&sites.name, &places.name),
            || dataframe::zoned(&sites.table, &places.table),
        )
    }

    /// What is said of stations and zones without a time axis.
    fn answers(&self, engine: Engine, zoned: &Named) -> Result<Answers> {
        let zones = |by: &str| self.zones(engine, zoned, by);
        Ok(Answers {
            stations: self.asked(engine, || sql::stations(&zoned.name), || dataframe::stations(&zoned.table))?,
            sometimes_empty: self.asked(
                engine,
                || sql::sometimes_empty(&zoned.name),
                || dataframe::sometimes_empty(&zoned.table),
            )?,
            communes: zones("commune")?,
            arrondissements: zones("arrondissement")?,
            zones: if self.settings.zones.is_some() { zones("zone")? } else { Frame::default() },
            ..Answers::default()
        })
    }

    fn zones(&self, engine: Engine, zoned: &Named, by: &str) -> Result<Frame> {
        self.asked(engine, || sql::zones(&zoned.name, by), || dataframe::zones(&zoned.table, by))
    }

    /// The zone of each site by the division that was asked for: what that is only this library knows.
    fn places(&self, sites: &Named) -> Result<Named> {
        const SITE: [&str; 4] = ["at_station", "at_commune", "at_lat", "at_lon"];
        let places = "SELECT DISTINCT stationcode, commune, lat, lon FROM";
        let places = self.spark.sql(&format!("{places} {} WHERE kind = 'first'", sites.name))?;
        let names: Vec<String> = SITE.into_iter().chain(["zone"]).map(str::to_owned).collect();
        let with_zone = |row: Row| {
            let zone = self.settings.zones.as_ref().and_then(|zones| zone_of(zones, &row));
            let zone = zone.map_or(Value::Null, Value::String);
            Row::new(names.clone(), row.into_values().into_iter().chain([zone]).collect())
        };
        let rows: Vec<Row> = self.spark.rows(&places)?.into_iter().map(with_zone).collect();
        let columns = "at_station STRING, at_commune STRING, at_lat DOUBLE, at_lon DOUBLE, zone STRING";
        let columns = self.spark.done(DataType::from_ddl(columns))?;
        named(self.spark, &self.spark.done(self.spark.session().create_dataframe(rows, columns))?, "places")
    }

    /// How many rows are of each kind, of which one must be a reading; `rows` says how many a row of the table stands for.
    fn counted(&self, table: &Named, rows: &str) -> Result<RowsOfSpark> {
        let kinds = self.spark.sql(&format!("SELECT kind, sum({rows}) FROM {} GROUP BY kind", table.name))?;
        let mut found = RowsOfSpark::default();
        for row in self.rows_of(&kinds)? {
            let count = row.get(1).and_then(Value::as_i64).unwrap_or_default().unsigned_abs();
            match row.get(0).and_then(Value::as_str) {
                Some("first") => found.readings = count,
                Some("repeat") => found.repeats = count,
                Some("torn") => found.torn = count,
                _ => found.unreadable += count,
            }
        }
        if found.readings > 0 {
            return Ok(found);
        }
        let rows = found.unreadable + found.torn;
        Err(Error::new(ErrorKind::Data, format!("no reading: {rows} rows, of which none can be read"))
            .way_out("each needs stationcode and duedate"))
    }

    fn rows_of(&self, table: &DataFrame) -> Result<Vec<Row>> {
        self.spark.rows(table).map_err(of_files)
    }

    /// A table by one of the two ways, with a name.
    fn named(
        &self,
        engine: Engine,
        what: &str,
        sql: impl FnOnce() -> String,
        dataframe: impl FnOnce() -> DataFrame,
    ) -> Result<Named> {
        named(self.spark, &self.table(engine, sql, dataframe)?, what)
    }

    /// The answer to a question that is put in one of the two ways.
    fn asked(
        &self,
        engine: Engine,
        sql: impl FnOnce() -> String,
        dataframe: impl FnOnce() -> DataFrame,
    ) -> Result<Frame> {
        let table = self.table(engine, sql, dataframe)?;
        let rows = self.rows_of(&table)?;
        let names = match rows.first() {
            Some(row) => row.fields().to_vec(),
            None => self.spark.done(table.columns())?,
        };
        to_polars::frame(&names, &rows)
    }

    fn table(
        &self,
        engine: Engine,
        sql: impl FnOnce() -> String,
        dataframe: impl FnOnce() -> DataFrame,
    ) -> Result<DataFrame> {
        match engine {
            Engine::Sql => self.spark.sql(&sql()),
            Engine::DataFrame => Ok(dataframe()),
        }
    }
}

impl std::fmt::Debug for SparkReadings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SparkReadings")
            .field("spark", self.spark)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Gives a table a name that no other has.
fn named(spark: &Spark, table: &DataFrame, what: &str) -> Result<Named> {
    let name = unique(what);
    spark.name(table, &name)?;
    // By its name: what is built on it does not carry how it was made.
    let table = spark.done(spark.session().table(&name))?;
    Ok(Named { table, name })
}

/// Spark names the file that it could not read, and seldom why.
fn of_files(error: Error) -> Error {
    if !error.message().contains("FAILED_READ_FILE") {
        return error;
    }
    error.way_out("it is damaged, or its columns are not those of the file beside it: then give it a --data of its own")
}

/// The zone that a station of this code, in this commune and at this place is in.
fn zone_of(zones: &Zones, site: &Row) -> Option<String> {
    let text = |at: usize| site.get(at).and_then(Value::as_str);
    let degrees = |at: usize| site.get(at).and_then(Value::as_f64);
    let reading = StationStatus {
        commune: text(1).map(Into::into),
        lat: degrees(2),
        lon: degrees(3),
        ..StationStatus::unknown(StationCode::new(text(0)?).ok()?, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH)
    };
    zones.zone_of(&Station::of(&reading))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_a_session_that_is_gone_had_held_is_given_to_nobody() {
        let Ok(url) = std::env::var("VELIB_SPARK") else {
            // Not by `println!`, which the test runner keeps to itself.
            return std::io::stderr().write_all(b"skipped: VELIB_SPARK is not set\n").unwrap();
        };
        let folder = tempfile::tempdir().unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let write = |name: &str, minute: u8| {
            let text =
                format!("fetched_at,stationcode,duedate\n2022-05-12T11:00:00Z,1013,2022-05-12T10:0{minute}:00Z\n");
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("a.csv", 1);
        let paths = [folder.path().to_str().unwrap().to_owned()];
        let ask = |is_killed: bool| {
            let spark = Spark::connect(&url).unwrap();
            let readings = SparkReadings::open(&spark, &paths, &TableSettings::default()).unwrap();
            if is_killed {
                let observed = readings.observed(Engine::DataFrame).unwrap();
                std::mem::forget(Held::new(&spark, &observed).unwrap());
                return readings.counted(&observed, "1").unwrap().readings;
            }
            readings.gather(Engine::DataFrame).unwrap().1.readings
        };
        assert_eq!(ask(true), 1);
        write("b.csv", 2);
        assert_eq!(ask(false), 2);
    }
}
