//! Part 3, first half: gathers everything in the topic in one CSV, each reading once, whatever crashes in between.
//!
//! ```text
//! cargo run --example part3_collect                                                      the simulated network
//! cargo run --example part3_collect -- --brokers 127.0.0.1:9092 --out velib.csv          a real Kafka, until stopped
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Utc;
use clap::Parser;
use common::{KafkaOptions, MetricsOptions, Progress, SourceOptions, log};
use serde_json::json;
use velib::Error;
use velib::batch::{CollectMetrics, CsvCollector};
use velib::ingest::SetAsideFile;
use velib::kafka::{Consumer, PublishSettings, TopicSettings};

/// Gather everything in the topic in one CSV
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    kafka: KafkaOptions,
    /// What is published to the embedded broker [default: simulate]
    #[command(flatten)]
    source: SourceOptions,
    /// The CSV; one that is there is gone on with [default: var/part3.csv, made anew]
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    /// Stop when everything in the topic was read; without --brokers that is always so
    #[arg(long)]
    until_end: bool,
    #[command(flatten)]
    metrics: MetricsOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        options.source.refuse_beside_brokers(&options.kafka)?;
        let out = match &options.out {
            Some(out) => out.clone(),
            None if options.kafka.brokers.is_some() => {
                return Err(
                    Error::usage("--out", "is missing").way_out("name the CSV to write, such as --out velib.csv")
                );
            }
            None => common::scratch_file("part3.csv")?,
        };
        log::start();
        let mut collector = CsvCollector::open(&out)?;
        let (metrics, _server) = options.metrics.open()?;
        let measured = CollectMetrics::new(&metrics);
        let (broker, stop) = (options.kafka.open()?, common::stop_by_signal()?);
        let mut feeder = None;
        if broker.is_embedded() {
            let source = options.source.open("simulate")?.into_source();
            common::headline(options.json, format_args!("Source: {}", source.describe()))?;
            let settings = PublishSettings { stop: stop.clone(), ..PublishSettings::suiting(&*source) };
            feeder = Some(broker.feed_with(&TopicSettings::named(&options.kafka.topic), source, settings)?);
        }
        common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
        let found = collector.found();
        if found.torn_bytes > 0 {
            log::warn(format_args!(
                "a torn last line of {} bytes was cut off: its reading comes again",
                found.torn_bytes
            ));
        }

        let mut aside = SetAsideFile::new(out.with_extension("set-aside.jsonl"));
        // A group of the file's own: another file begins at the beginning.
        let group = format!("part3-collect {}", std::path::absolute(&out).unwrap_or_else(|_| out.clone()).display());
        let mut consumer =
            Consumer::new(broker.handle(), &options.kafka.topic, &group)?.until(&stop).showing_lag(measured.lag());
        log::begins("part3_collect");
        let (mut written, mut repeated) = (0, 0);
        let mut progress = Progress::new();
        consumer.each_batch(5_000, options.until_end, |batch| {
            let appended = collector.append(&batch.readings)?;
            aside.keep(&batch.set_aside)?;
            collector.sync()?;
            measured.note(appended, batch.set_aside.len(), Utc::now());
            written += appended.written;
            repeated += appended.repeated;
            progress.show(|| format!("{written} readings written"));
            Ok(())
        })?;
        drop(progress);
        if let Some(feeder) = feeder {
            feeder.join()?;
        }
        let set_aside = aside.kept();
        if options.json {
            return common::print_json(
                &json!({"out": out, "found": found, "written": written, "repeated": repeated, "set_aside": set_aside}),
            );
        }
        common::print(format_args!(
            "{}: {} readings were there, {written} written, {repeated} repeated, {set_aside} set aside",
            out.display(),
            found.readings
        ))
    })
}
