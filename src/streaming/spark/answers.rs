//! What Spark has written, read back through Spark and answered with our own structs.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use spark_connect::DataType;
use spark_connect::row::{Row, Value};

use super::output::SparkOutput;
use super::session::{Spark, of_spark};
use super::wait::unique;
use super::{windows, zones};
use crate::error::Result;
use crate::kafka::BrokerHandle;
use crate::station::StationCode;
use crate::streaming::state::WindowStatistics;
use crate::streaming::station::Station;
use crate::streaming::store::{Select, StationWindow, ZoneWindow};
use crate::streaming::usage::{Usage, UsageSettings};
use crate::streaming::window::Window;
use crate::streaming::zone::{ZoneKind, Zones};

/// The windows that a query of [`consume_with_spark`](super::query::consume_with_spark) has written so far, all of them closed:
/// asked like a [`Store`](crate::streaming::Store), and answered by Spark.
///
/// Each question reads anew what has been written by then, the whole of it.
#[derive(Debug)]
pub struct SparkWindows<'a> {
    spark: &'a Spark,
    /// The view with a row for each window of a station.
    windows: String,
    is_empty: bool,
}

/// A window as it was written. The texts and the place are those that its own readings knew.
#[derive(Deserialize)]
struct Written {
    station_code: StationCode,
    #[serde(flatten)]
    window: Window,
    #[serde(flatten)]
    statistics: WindowStatistics,
}

#[derive(Deserialize)]
struct Described {
    code: StationCode,
    name: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    commune: Option<String>,
    capacity: Option<u32>,
    last_reported: DateTime<Utc>,
    fetched_at: DateTime<Utc>,
    clock: DateTime<Utc>,
}

#[derive(Deserialize)]
struct OfZone {
    zone: String,
    #[serde(flatten)]
    window: Window,
    stations: u64,
    #[serde(flatten)]
    statistics: WindowStatistics,
}

impl<'a> SparkWindows<'a> {
    /// Reads what was written to a folder or a topic; of a folder that is not there yet, no window.
    pub fn open(spark: &'a Spark, broker: &BrokerHandle, output: &SparkOutput) -> Result<Self> {
        let windows = unique("windows");
        let mut is_empty = false;
        match output {
            SparkOutput::Folder(folder) => {
                is_empty = spark.lines(&format!("{folder}/_spark_metadata"))?.is_none();
                if !is_empty {
                    let files = spark.session().read().schema(windows::schema()).parquet(folder);
                    spark.name(&files, &windows)?;
                }
            }
            SparkOutput::Topic(topic) => {
                let messages = spark.session().read().format("kafka");
                let messages = messages
                    .option("kafka.bootstrap.servers", broker.address())
                    .option("subscribe", topic)
                    .option("startingOffsets", "earliest")
                    .load(None);
                let name = unique("messages");
                spark.name(&messages, &name)?;
                // A window that came twice is the same; one of them is taken.
                let last = format!(
                    "SELECT said.* FROM (SELECT from_json(CAST(max_by(value, struct(partition, offset)) AS STRING), '{}') \
                     AS said FROM {name} GROUP BY key)",
                    windows::schema()
                );
                let last = spark.sql(&last)?;
                spark.name(&last, &windows)?;
            }
        }
        Ok(Self { spark, windows, is_empty })
    }

    /// All stations of which a window was written, by code: each as its newest readings in those windows describe it.
    pub fn stations(&self) -> Result<Vec<Station>> {
        // A later window that knows something knows it of a later reading.
        let newest = |field: &str, column: &str| {
            format!("max_by({field}, start) FILTER (WHERE {field} IS NOT NULL) AS {column}")
        };
        let sql = format!(
            "SELECT to_json(struct(*)) FROM (SELECT station_code AS code, {}, {}, {}, {}, {}, \
                 max(newest.last_reported) AS last_reported, \
                 max_by(newest.fetched_at, newest.last_reported) AS fetched_at, max(newest.clock) AS clock \
             FROM {} GROUP BY station_code)",
            newest("name", "name"),
            newest("lat", "lat"),
            newest("lon", "lon"),
            newest("commune", "commune"),
            newest("newest.capacity", "capacity"),
            self.windows
        );
        let station = |said: Described| Station {
            arrondissement: ZoneKind::Arrondissement.zone(&said.code, said.commune.as_deref()),
            code: said.code,
            name: said.name,
            lat: said.lat,
            lon: said.lon,
            commune: said.commune,
            capacity: said.capacity,
            last_reported: said.last_reported,
            fetched_at: said.fetched_at,
            clock: said.clock,
        };
        let mut stations: Vec<_> = self.answers(&sql)?.into_iter().map(station).collect();
        stations.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        Ok(stations)
    }

    /// Statistics per station and window, by window, then by station code; [`Select::of`] means a station, by its code.
    pub fn station_windows(&self, select: Select<'_>) -> Result<Vec<StationWindow>> {
        let stations: HashMap<_, _> =
            self.stations()?.into_iter().map(|station| (station.code.clone(), station)).collect();
        let sql = format!(
            "SELECT to_json(struct(* EXCEPT (name, commune, arrondissement, lat, lon, newest))) FROM {} WHERE {} AND {}",
            self.windows,
            starts(select),
            select.of.map_or("TRUE".to_owned(), |code| format!("station_code = {}", quoted(code))),
        );
        let row = |row: Written| {
            let station = stations.get(&row.station_code)?;
            Some(StationWindow::of(station, row.window, row.statistics))
        };
        // A station whose first window was written meanwhile is there when it is asked for next.
        let mut rows: Vec<_> = self.answers(&sql)?.into_iter().filter_map(row).collect();
        rows.sort_unstable_by(|a, b| (a.window, &a.station_code).cmp(&(b.window, &b.station_code)));
        Ok(rows)
    }

    /// Statistics per zone and window, by window, then by zone, as [`Store::zone_windows`](crate::streaming::Store::zone_windows)
    /// has them; [`Select::of`] means a zone, by its name.
    pub fn zone_windows(&self, zones: &Zones, select: Select<'_>) -> Result<Vec<ZoneWindow>> {
        let mut division = zones.divide(&self.stations()?).zones;
        if let Some(zone) = select.of {
            division.retain(|name, _| name == zone);
        }
        let row = |code: &StationCode, zone: &String| {
            let fields = ["station_code", "zone"].map(str::to_owned).to_vec();
            Row::new(fields, vec![Value::String(code.to_string()), Value::String(zone.clone())])
        };
        let of_zone =
            |(zone, codes): (&String, &Vec<StationCode>)| codes.iter().map(|code| row(code, zone)).collect::<Vec<_>>();
        let rows: Vec<Row> = division.iter().flat_map(of_zone).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let schema = self.spark.done(DataType::from_ddl("station_code STRING, zone STRING"))?;
        let table = self.spark.done(self.spark.session().create_dataframe(rows, schema))?;
        let zone_of = unique("zone_of");
        self.spark.name(&table, &zone_of)?;
        let selected = format!("(SELECT * FROM {} WHERE {})", self.windows, starts(select));
        let row = |row: OfZone| ZoneWindow {
            kind: zones.as_str().to_owned(),
            expected: division.get(&row.zone).map_or(0, Vec::len) as u64,
            zone: row.zone,
            window: row.window,
            stations: row.stations,
            statistics: row.statistics,
        };
        let mut rows: Vec<_> = self.answers(&zones::statistics(&selected, &zone_of))?.into_iter().map(row).collect();
        rows.sort_unstable_by(|a: &ZoneWindow, b| (a.window, &a.zone).cmp(&(b.window, &b.zone)));
        Ok(rows)
    }

    /// The newest window; `None` while none was written.
    pub fn latest_window(&self) -> Result<Option<Window>> {
        let sql = format!(
            "SELECT to_json(window) FROM (SELECT max(struct(start, end)) AS window FROM {}) WHERE window IS NOT NULL",
            self.windows
        );
        Ok(self.answers(&sql)?.pop())
    }

    /// What the windows of the day before `until` say of the network's use, as [`Usage::at`] has it.
    pub fn usage(&self, until: DateTime<Utc>, settings: UsageSettings) -> Result<Usage> {
        Usage::of(until, settings, |select, visit| {
            self.station_windows(select)?.into_iter().for_each(visit);
            Ok(())
        })
    }

    /// The rows of a query, each of which is a text of JSON.
    fn answers<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>> {
        if self.is_empty {
            return Ok(Vec::new());
        }
        let table = self.spark.sql(sql)?;
        let read = |text: &String| {
            let failed =
                |error| of_spark(self.spark.url(), format!("a row is not what was asked for: {error}: {text}"));
            serde_json::from_str(text).map_err(failed)
        };
        self.spark.texts(&table)?.iter().map(read).collect()
    }
}

/// What [`Select`] says of the windows, in SQL.
fn starts(select: Select<'_>) -> String {
    let instant = |time: DateTime<Utc>| format!("TIMESTAMP '{}'", time.to_rfc3339_opts(SecondsFormat::Micros, true));
    let from = select.from.map_or("TRUE".to_owned(), |from| format!("start >= {}", instant(from)));
    let until = select.until.map_or("TRUE".to_owned(), |until| format!("start < {}", instant(until)));
    format!("{from} AND {until}")
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_selected_is_said_in_sql() {
        let at = "2022-05-12T09:10:00Z".parse().unwrap();
        assert_eq!(starts(Select::ALL), "TRUE AND TRUE");
        assert_eq!(
            starts(Select::at(at)),
            "start >= TIMESTAMP '2022-05-12T09:10:00.000000Z' AND start < TIMESTAMP '2022-05-12T09:10:01.000000Z'"
        );
        assert_eq!(quoted(r"l'Hay\ "), r"'l\'Hay\\ '");
    }
}
