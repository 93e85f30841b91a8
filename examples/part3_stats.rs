//! Part 3, second half: mean, minimum and maximum of free docks per station, means per zone and the stations that are
//! sometimes empty, by DataFrame and again by SQL; how many partitions, and one against two.
//!
//! ```text
//! cargo run --example part3_stats                                  the simulated network, both engines
//! cargo run --example part3_stats -- --data velib.csv --engine sql --partitions 4
//! cargo run --example part3_stats -- --data velib.csv --query "SELECT stationcode, AVG(numbikesavailable) AS bikes
//!     FROM readings WHERE open GROUP BY stationcode ORDER BY bikes DESC LIMIT 5"
//! cargo run --example part3_stats -- --data velib.csv --sql question.sql --format parquet --out answer.parquet
//! ```
//!
//! With `--query` or `--sql` no statistics are computed; the tables `readings` and `stations` are described at
//! `velib::batch::query`.

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use common::query::QueryOptions;
use common::{DataOptions, figure};
use serde_json::json;
use velib::batch::{
    Engine, SometimesEmpty, Statistics, Summary, Table, ZoneStatistics, compare_partitions, statistics,
};
use velib::kafka::GapLedger;
use velib::report::{Figure, Zone, ZoneOccupancy};
use velib::{Error, ErrorKind, Result, StationCode, StationStatus};

/// Statistics of what was collected, by DataFrame and by SQL
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    query: QueryOptions,
    /// dataframe or sql [default: both, which must agree]
    #[arg(long)]
    engine: Option<Engine>,
    /// Time so many partitions against one
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=4096))]
    partitions: u16,
    /// How often each number of partitions is timed
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,
    /// The ledger of the gaps of the feed, as Part 1 writes it: how much of the time was observed in full
    #[arg(long, value_name = "FILE")]
    gaps: Option<PathBuf>,
    /// Draw the zones and the station most often empty into this folder; with a query, the file that its answer is written to
    #[arg(long, value_name = "DIR|FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        if let Some(question) = options.query.question(options.out.as_deref())? {
            return question.answer(options.data.read()?);
        }
        let (described, readings) = options.data.read()?;
        common::headline(options.json, format_args!("Data: {described}"))?;
        let gaps = options.gaps.as_ref().map(GapLedger::read).transpose()?;
        let times = || readings.iter().map(|reading| reading.fetched_at);
        let span = times().min().zip(times().max());
        let table = Table::new(&readings)?;
        let result = statistics(&table, options.engine.unwrap_or_default())?;
        if options.engine.is_none() && statistics(&table, Engine::Sql)? != result {
            return Err(Error::new(ErrorKind::Data, "the DataFrame and the SQL results differ"));
        }
        if let Some(folder) = &options.out {
            draw(folder, &result, &readings, &described)?;
        }
        drop(readings);
        let engines = options.engine.map_or_else(|| "dataframe = sql".to_owned(), |engine| engine.to_string());
        let partitions = compare_partitions(&table, 1, options.partitions.into(), options.runs)?;
        if options.json {
            return common::print_json(
                &json!({"engine": engines, "statistics": result, "partitions": partitions, "gaps": gaps}),
            );
        }
        print(&result, &engines)?;
        if let (Some(gaps), Some((start, end))) = (gaps, span) {
            common::print(format_args!("\n{}", common::gaps::observed(&gaps, start, end)))?;
            common::print(common::gaps::table(&common::gaps::touching(&gaps, start, end)))?;
        }
        common::print(format_args!(
            "\nPartitions: the {} readings lie in {} as read; cut into {} by station they hold {:?} readings.\n{}",
            partitions.readings,
            if partitions.chunks == 1 { "one chunk".into() } else { format!("{} chunks", partitions.chunks) },
            partitions.many.partitions,
            partitions.many.rows,
            partitions.sentence()
        ))
    })
}

fn of(summary: &Summary) -> [String; 3] {
    [figure(summary.mean, 2), common::count(summary.min), common::count(summary.max)]
}

fn print(result: &Statistics, engines: &str) -> Result<()> {
    common::print(format_args!(
        "{} readings of {} stations, {} while open, {} while closed ({engines})\n\nFree docks per station, while open",
        result.readings,
        result.stations.len(),
        result.open,
        result.closed
    ))?;
    let header = ["station", "name", "mean", "min", "max", "mechanical", "electric", "full", "empty", "readings"];
    let rows = result.stations.iter().take(10).map(|station| {
        let [mean, min, max] = of(&station.free_docks);
        [
            station.station_code.to_string(),
            station.name.clone().unwrap_or_default(),
            mean,
            min,
            max,
            figure(station.mechanical.mean, 2),
            figure(station.ebike.mean, 2),
            percent(station.full.share),
            percent(station.empty.share),
            station.readings.to_string(),
        ]
    });
    common::print(common::table(header, &[1], rows))?;
    common::print(format_args!("… {} stations in all (--json gives each)", result.stations.len()))?;
    zones("Communes", &result.communes)?;
    zones("Arrondissements of Paris, and other communes", &result.arrondissements)?;

    let empty = most_often_empty(result);
    common::print(format_args!("\nSometimes empty: {} of {} stations", empty.len(), result.stations.len()))?;
    let rows = empty.iter().take(10).map(|station| {
        let name = station.name.clone().unwrap_or_default();
        let times = format!("{} of {}", station.empty.times, station.empty.known);
        [station.station_code.to_string(), name, percent(station.empty.share), times]
    });
    common::print(common::table(["station", "name", "empty", "readings"], &[1], rows))
}

fn zones(title: &str, zones: &[ZoneStatistics]) -> Result<()> {
    common::print(format_args!("\n{title}"))?;
    let mut zones: Vec<_> = zones.iter().collect();
    zones.sort_by_key(|zone| std::cmp::Reverse(zone.readings));
    let rows = zones.iter().take(10).map(|zone| {
        let [mean, min, max] = of(&zone.free_docks);
        [
            zone.zone.clone(),
            mean,
            min,
            max,
            percent(zone.occupancy),
            zone.stations.to_string(),
            zone.readings.to_string(),
        ]
    });
    let header = ["zone", "free docks, mean", "min", "max", "occupancy", "stations", "readings"];
    common::print(common::table(header, &[], rows))?;
    if zones.len() > 10 {
        common::print(format_args!("… {} zones in all", zones.len()))?;
    }
    Ok(())
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{:.1} %", 100.0 * share))
}

fn most_often_empty(result: &Statistics) -> Vec<&SometimesEmpty> {
    let mut empty: Vec<_> = result.sometimes_empty.iter().collect();
    empty.sort_by(|a, b| b.empty.share.unwrap_or(0.0).total_cmp(&a.empty.share.unwrap_or(0.0)));
    empty
}

fn draw(folder: &Path, result: &Statistics, readings: &[StationStatus], described: &str) -> Result<()> {
    let zone =
        |zone: &ZoneStatistics| Zone { zone: zone.zone.clone(), occupancy: zone.occupancy, stations: zone.stations };
    let bars = ZoneOccupancy {
        title: "Mean occupancy by zone".into(),
        source: common::source_line(described),
        zones: result.arrondissements.iter().map(zone).collect(),
    };
    common::draw(folder, "mean-occupancy", &Figure::from(bars))?;
    // A station that was never open (one has no dock at all) is empty for good, and has no week to show.
    let was_open =
        |code: &StationCode| result.stations.iter().any(|station| station.station_code == *code && station.open > 0);
    let empty = most_often_empty(result).into_iter().find(|station| was_open(&station.station_code));
    let week = empty.and_then(|station| common::station_week(readings, &station.station_code, described));
    week.map_or(Ok(()), |week| common::draw(folder, "most-often-empty", &week))
}
