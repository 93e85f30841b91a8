//! Part 3, first half: gathers everything in the topic in files, each reading once, whatever breaks in between.
//!
//! ```text
//! cargo run --example part3_collect                                                      the simulated network
//! cargo run --example part3_collect -- --brokers 127.0.0.1:9092 --out velib.csv          a real Kafka, until stopped
//! cargo run --example part3_collect -- --brokers 127.0.0.1:9092 --out velib/             a folder: a file a day, and several of
//!                                                                                        these share the work
//! ```

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use chrono::Utc;
use clap::Parser;
use common::{KafkaOptions, MetricsOptions, Progress, SourceOptions, log};
use serde_json::json;
use velib::Error;
use velib::batch::{CollectMetrics, CollectSettings, Format, Notice, Target, collect};
use velib::kafka::{PublishSettings, TopicSettings};

/// Gather everything in the topic in files
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    kafka: KafkaOptions,
    /// What is published to the embedded broker [default: simulate]
    #[command(flatten)]
    source: SourceOptions,
    /// The CSV or Parquet file, or a folder for a file a day and partition, which several collectors can share; what is there is gone on with
    /// [default: var/part3.csv, made anew]
    #[arg(long, value_name = "FILE|DIR/")]
    out: Option<PathBuf>,
    /// csv or parquet [default: that of the name, and csv in a folder]
    #[arg(long)]
    format: Option<Format>,
    /// The consumer group [default: one of the output's own path]
    #[arg(long)]
    group: Option<String>,
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
        let target = Target::of(&out, options.format)?;
        let (metrics, _server) = options.metrics.open()?;
        let mut measured = CollectMetrics::new(&metrics);
        let (broker, stop) = (options.kafka.open()?, common::stop_by_signal()?);
        let mut feeder = None;
        if broker.is_embedded() {
            let source = options.source.open("simulate")?.into_source();
            common::headline(options.json, format_args!("Source: {}", source.describe()))?;
            let settings = PublishSettings { stop: stop.clone(), ..PublishSettings::suiting(&*source) };
            feeder = Some(broker.feed_with(&TopicSettings::named(&options.kafka.topic), source, settings, |_| ())?);
        }
        common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
        let settings = CollectSettings {
            topic: options.kafka.topic.clone(),
            group: options.group.clone(),
            target,
            until_end: options.until_end,
            stop,
            lag: Some(measured.lag().clone()),
        };
        log::begins("part3_collect");
        let (mut progress, started) = (Progress::new(), Instant::now());
        let collected = collect(broker.handle(), &settings, &mut |notice| match &notice {
            Notice::Written(collected) => {
                measured.note(collected, Utc::now());
                progress.show(|| notice.to_string());
            }
            Notice::BrokersBack | Notice::DiskFreed => log::note(&notice),
            _ => log::warn(&notice),
        })?;
        let seconds = started.elapsed().as_secs_f64();
        drop(progress);
        if let Some(feeder) = feeder {
            feeder.join()?;
        }
        if options.json {
            return common::print_json(&json!({
                "out": out,
                "found": collected.found,
                "written": collected.written,
                "repeated": collected.repeated,
                "set_aside": collected.set_aside,
                "deleted": collected.deleted,
                "seconds": seconds,
            }));
        }
        common::print(format_args!(
            "{}: {} readings were there, {} written, {} repeated, {} set aside",
            out.display(),
            collected.found.readings,
            collected.written,
            collected.repeated,
            collected.set_aside
        ))
    })
}
