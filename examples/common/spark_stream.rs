//! Part 2 by a real Spark: the options that only it has, and the run.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use velib::streaming::{Windowing, Zones};

use super::{KafkaOptions, SourceOptions};

/// What only `--engine spark` takes.
#[derive(Args)]
pub struct SparkOptions {
    /// With --engine spark: the Spark Connect server
    #[arg(long, value_name = "sc://HOST:PORT")]
    spark: Option<String>,
    /// With --engine spark: where Spark keeps how far it is; a folder on its machine, of this query alone
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<String>,
    /// With --engine spark: the most messages in a batch [default: 500000]
    #[arg(long, value_name = "MESSAGES")]
    batch: Option<u64>,
}

impl SparkOptions {
    /// One of them that was given.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--spark", self.spark.is_some()),
            ("--checkpoint", self.checkpoint.is_some()),
            ("--batch", self.batch.is_some()),
        ];
        options.into_iter().find_map(|(option, is_given)| is_given.then_some(option))
    }
}

/// What is asked of Spark.
pub struct Asked<'a> {
    pub spark: &'a SparkOptions,
    pub kafka: &'a KafkaOptions,
    pub source: &'a SourceOptions,
    pub windowing: Windowing,
    pub lateness: Duration,
    pub zones: &'a Zones,
    pub zone_windows: Option<&'a Path>,
    pub out: Option<&'a Path>,
    pub until_end: bool,
    pub json: bool,
}

#[cfg(not(feature = "spark"))]
pub fn run(_: &Asked<'_>) -> velib::Result<()> {
    Err(velib::Error::usage("--engine", "built without the feature `spark`").way_out("run with --features spark"))
}

#[cfg(feature = "spark")]
pub fn run(asked: &Asked<'_>) -> velib::Result<()> {
    with_spark::run(asked)
}

#[cfg(feature = "spark")]
mod with_spark {
    use std::time::Instant;

    use serde_json::json;
    use velib::kafka::{Retention, TopicSettings, ensure_topic};
    use velib::streaming::{
        SPARK_BATCH, Select, Spark, SparkOutput, SparkStreamSettings, SparkTotals, SparkWindows, UsageSettings,
        consume_with_spark,
    };
    use velib::{Error, Result};

    use super::Asked;
    use crate::common::windows::{Windows, keep_zones};
    use crate::common::{self, Progress, log};

    pub(super) fn run(asked: &Asked<'_>) -> Result<()> {
        if asked.kafka.brokers.is_none() {
            return Err(missing("--brokers", "HOST:PORT"));
        }
        asked.source.refuse_beside_brokers(asked.kafka)?;
        if asked.kafka.is_configured()? {
            return Err(Error::usage("--kafka-config", "Spark is told of no TLS and no user here")
                .way_out("leave it out, and VELIB_KAFKA_CONFIG_... out of the environment"));
        }
        let url = asked.spark.spark.as_deref().ok_or_else(|| missing("--spark", "sc://HOST:PORT"))?;
        let checkpoint = asked.spark.checkpoint.as_deref().ok_or_else(|| missing("--checkpoint", "DIR"))?;
        let out = asked.out.ok_or_else(|| missing("--out", "DIR or topic:NAME"))?.to_string_lossy();
        let output = match out.parse()? {
            SparkOutput::Folder(folder) => SparkOutput::Folder(common::from_root(&folder)),
            other => other,
        };
        let settings = SparkStreamSettings {
            topic: asked.kafka.topic.clone(),
            windowing: asked.windowing,
            lateness: asked.lateness,
            checkpoint: common::from_root(checkpoint),
            output: output.clone(),
            batch: asked.spark.batch.unwrap_or(SPARK_BATCH),
            until_end: asked.until_end,
            stop: common::stop_by_signal()?,
        };
        settings.check()?;
        log::start();
        let broker = asked.kafka.open()?;
        let spark = Spark::connect(url)?;
        common::headline(asked.json, format_args!("Kafka:  {}", broker.describe()))?;
        common::headline(asked.json, format_args!("Spark:  {}, version {}", spark.url(), spark.version()))?;
        common::headline(asked.json, format_args!("Output: {output}, windows of {}", asked.windowing))?;
        if let SparkOutput::Topic(topic) = &output {
            let compacted = TopicSettings { retention: Retention::LastOfEachKey, ..TopicSettings::named(topic) };
            ensure_topic(&broker, &compacted)?;
        }
        let mut progress = Progress::new();
        let began = Instant::now();
        log::begins("part2_stream");
        let totals = consume_with_spark(&spark, broker.handle(), &settings, &mut |totals| {
            progress.show(|| so_far(totals));
        })?;
        let took = began.elapsed();
        drop(progress);

        let written = SparkWindows::open(&spark, broker.handle(), &output)?;
        keep_zones(asked.zone_windows, |select| written.zone_windows(asked.zones, select))?;
        let window = written.latest_window()?;
        let at = window.map(|window| Select::at(window.start));
        let windows = Windows {
            window,
            zones: at.map_or_else(|| Ok(vec![]), |at| written.zone_windows(asked.zones, at))?,
            stations: at.map_or_else(|| Ok(vec![]), |at| written.station_windows(at))?,
            division: asked.zones.divide(&written.stations()?),
            divided: asked.zones,
            usage: window.map(|window| written.usage(window.end, UsageSettings::default())).transpose()?,
            are_in: &output.to_string(),
        };
        if asked.json {
            let said = json!({ "totals": totals, "seconds": took.as_secs_f64(), "spark": spark.version() });
            return common::print_json(&windows.beside(said));
        }
        common::print(format_args!(
            "\n{} messages in {} batches ({} set aside)",
            totals.messages, totals.batches, totals.set_aside
        ))?;
        if totals.dropped > 0 {
            common::print(format_args!(
                "readings for {} windows of stations came later than --lateness {} allows and were dropped; they are in the topic",
                totals.dropped,
                common::in_words(asked.lateness)
            ))?;
        }
        windows.print()
    }

    fn missing(option: &'static str, value: &str) -> Error {
        Error::usage(option, "--engine spark needs it").way_out(format!("give {option} {value}"))
    }

    /// From the query's own reports.
    fn so_far(totals: &SparkTotals) -> String {
        let Some(last) = &totals.last else { return "no batch yet".to_owned() };
        let speed = last.processed_per_second.map_or_else(String::new, |speed| format!(", {speed:.0} a second"));
        let watermark =
            last.watermark.map_or_else(String::new, |time| time.format("; watermark %F %T UTC").to_string());
        format!(
            "{} messages{speed}{watermark}, {} windows open; batch {} took {:.1} s",
            totals.messages, last.open, last.id, last.seconds
        )
    }
}
