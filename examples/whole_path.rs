//! All parts in one run, from a source to figures: fetch, Kafka, stream, collect, summarise, forecast, draw.
//!
//! ```text
//! cargo run --example whole_path                                   the simulated network, an embedded broker
//! cargo run --example whole_path -- --source history.parquet       a recording
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{Progress, SourceOptions};
use velib::batch::{CsvCollector, Engine, Table, statistics};
use velib::ingest::Recording;
use velib::kafka::{Broker, Consumer};
use velib::model::{TrainSettings, train};
use velib::report::{Figure, ModelReliability, ReliabilityDiagram};
use velib::streaming::{Select, SqliteStore, StreamingStatistics, Windowing, ZoneKind};
use velib::{Error, ErrorKind, StationCode};

/// The whole path once: fetch, Kafka, stream, collect, summarise, forecast, draw
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    source: SourceOptions,
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "var/whole-path")]
    out: PathBuf,
    /// The station to report for
    #[arg(long, value_name = "CODE", default_value = "16107")]
    station: StationCode,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let out = common::folder_made_anew(&options.out)?;
        let source = options.source.open("simulate")?.into_source();
        if source.next_due().is_none() {
            return Err(Error::usage("--source", "the live feed has no end").way_out("take a recording, or simulate"));
        }
        let described = source.describe();
        common::print(format_args!("1. Fetch: {described}"))?;

        // One consumer, two hands: each batch goes to the windows and to the CSV, and only then is it acknowledged.
        let broker = Broker::embedded()?;
        let feeder = broker.feed("velib", source)?;
        let store = SqliteStore::open(out.join("statistics.sqlite"))?;
        let mut engine = StreamingStatistics::new(Windowing::tumbling(Duration::from_secs(600))?, Box::new(store))?;
        let csv = out.join("velib.csv");
        let mut collector = CsvCollector::open(&csv)?;
        let mut consumer = Consumer::new(broker.handle(), "velib", "whole-path")?;
        let mut progress = Progress::new();
        consumer.each_batch(5_000, true, |batch| {
            for reading in &batch.readings {
                engine.update(reading)?;
            }
            engine.flush()?;
            collector.append(&batch.readings)?;
            collector.sync()?;
            progress.show(|| format!("{} readings", engine.totals().readings));
            Ok(())
        })?;
        drop((progress, collector));
        let fed = feeder.join()?;
        common::print(format_args!("   {} readings published to {}", fed.published, broker.describe()))?;
        let totals = engine.totals();
        let zones = engine.store().zone_windows(&ZoneKind::Commune.into(), Select::ALL)?;
        common::print(format_args!(
            "2. Stream: {} readings, {} late; {} windows of communes in {}",
            totals.readings,
            totals.late,
            zones.len(),
            out.join("statistics.sqlite").display()
        ))?;

        let readings = Recording::read(&[&csv])?.into_readings();
        let table = Table::new(&readings)?;
        let by_dataframe = statistics(&table, Engine::DataFrame)?;
        if by_dataframe != statistics(&table, Engine::Sql)? {
            return Err(Error::new(ErrorKind::Data, "the DataFrame and the SQL results differ"));
        }
        common::print(format_args!(
            "3. Batch: {} readings of {} stations in {}; {} stations sometimes empty, by DataFrame and by SQL",
            by_dataframe.readings,
            by_dataframe.stations.len(),
            csv.display(),
            by_dataframe.sometimes_empty.len()
        ))?;

        let mut progress = Progress::new();
        let settings = TrainSettings { station: Some(options.station.clone()), ..TrainSettings::default() };
        let training = train(&readings, &settings, &mut |step| progress.show_now(step))?;
        drop(progress);
        velib::report::write_json(out.join("scores.json"), &training)?;
        training.model.save(out.join("model.json"))?;
        common::print(format_args!("4. Predict: station {} full in an hour?", options.station))?;
        for scores in training.test_station.as_ref().unwrap_or(&training.test) {
            let (model, skill) = (scores.model, scores.scores.brier_skill);
            let skill = skill.map_or_else(|| "none to be had".into(), |skill| format!("{skill:+.3}"));
            let chosen = if model == training.chosen { ", preferred by validation" } else { "" };
            common::print(format_args!("   {model:<12} Brier {:.5}, skill {skill}{chosen}", scores.scores.brier))?;
        }
        for note in &training.notes {
            common::print(format_args!("   Note: {note}"))?;
        }

        let source = common::source_line(&described, &readings);
        let reliability = ReliabilityDiagram {
            title: "Reliability: station full 60 min ahead".into(),
            source: source.clone(),
            models: vec![ModelReliability { name: training.chosen.to_string(), bins: training.reliability }],
        };
        common::draw(out, "reliability", &Figure::from(reliability))?;
        if let Some(week) = common::station_week(&readings, &options.station, &source) {
            common::draw(out, "station-week", &week)?;
        }
        common::print(format_args!("5. Draw: reliability.png and station-week.png in {}", out.display()))
    })
}
