//! Part 1: the real-time state of the stations, to look at or to publish to Kafka every minute, never the same data twice.
//!
//! ```text
//! cargo run --example part1_fetch                                        ten stations, live
//! cargo run --example part1_fetch -- --station 16107                     one station as a map
//! cargo run --example part1_fetch -- --source simulate                   without network
//! cargo run --example part1_fetch -- --publish --brokers 127.0.0.1:9092  every minute, until stopped
//! ```

mod common;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{KafkaOptions, MetricsOptions, Opened, Progress, SourceOptions, log};
use serde_json::json;
use velib::ingest::{Clock, SetAsideFile, Snapshot, Source, SystemClock, VirtualClock};
use velib::kafka::{
    Consumer, PollReport, PublishMetrics, PublishSettings, Publisher, TopicSettings, ensure_topic, seen_in_topic,
};
use velib::{Error, ErrorKind, Place, Result, StationCode, StationStatus};

/// Fetch the state of the stations; publish it to Kafka
#[derive(Parser)]
struct Options {
    /// Show this station as a map
    #[arg(long, value_name = "CODE", conflicts_with_all = ["rows", "publish"])]
    station: Option<StationCode>,
    /// Show so many stations
    #[arg(long, value_name = "N", default_value_t = 10, conflicts_with = "publish")]
    rows: usize,
    #[command(flatten)]
    source: SourceOptions,
    /// Publish every reading that is new to Kafka
    #[arg(long)]
    publish: bool,
    #[command(flatten)]
    kafka: KafkaOptions,
    /// How often to poll the live feed; a recording and a simulation are polled as fast as they go
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = common::duration, requires = "publish")]
    every: Duration,
    /// Stop after so many polls [default: the end of a recording, never for the live feed]
    #[arg(long, value_name = "N", requires = "publish")]
    polls: Option<u64>,
    #[command(flatten)]
    metrics: MetricsOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let opened = options.source.open("live")?;
        let done = if options.publish { publish(&options, opened) } else { show(&options, opened) };
        done.map_err(|error| match error.kind() {
            ErrorKind::Network => {
                error.way_out("check the network and the address, or go on without: --source simulate")
            }
            _ => error,
        })
    })
}

fn show(options: &Options, mut opened: Opened) -> Result<()> {
    let described = match &opened {
        Opened::Live(portal) => portal.describe(),
        Opened::Replay(source) => source.describe(),
    };
    common::headline(options.json, format_args!("Source: {described}"))?;
    if let Some(code) = &options.station {
        let reading = match &mut opened {
            Opened::Live(portal) => portal.station(code)?,
            Opened::Replay(source) => station_of(&next(source.as_mut())?, code)?,
        };
        return show_station(options.json, &reading);
    }
    let mut snapshot = match &mut opened {
        Opened::Live(portal) => portal.rows(options.rows)?,
        Opened::Replay(source) => next(source.as_mut())?,
    };
    common::report_set_aside(&snapshot.set_aside);
    snapshot.readings.truncate(options.rows);
    show_rows(options.json, &snapshot)
}

fn next(source: &mut dyn Source) -> Result<Snapshot> {
    source.poll()?.ok_or_else(|| Error::new(ErrorKind::Data, format!("{} holds no reading", source.describe())))
}

fn station_of(snapshot: &Snapshot, code: &StationCode) -> Result<StationStatus> {
    snapshot.readings.iter().find(|reading| reading.station_code == *code).cloned().ok_or_else(|| {
        let known = snapshot.distinct();
        let example = snapshot.readings.first().map_or("none", |reading| reading.station_code.as_str());
        Error::new(ErrorKind::Data, format!("not among the {known} stations of the first snapshot"))
            .at(Place::Station(code.to_string()))
            .way_out(format!("see them with --rows {known}; the first is {example}"))
    })
}

fn show_station(json: bool, reading: &StationStatus) -> Result<()> {
    let map = reading.to_map();
    if json {
        return common::print_json(&map);
    }
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    common::print(common::table(["field", "value"], &[1], map.iter().map(|(name, value)| [name.clone(), plain(value)])))
}

fn show_rows(json: bool, snapshot: &Snapshot) -> Result<()> {
    if json {
        return common::print_json(&json!({
            "fetched_at": snapshot.fetched_at,
            "counted": snapshot.counted,
            "received": snapshot.readings.len(),
            "distinct": snapshot.distinct(),
            "codes": snapshot.codes(),
            "set_aside": snapshot.set_aside.len(),
            "stations": snapshot.readings,
        }));
    }
    let header = ["station", "name", "commune", "mechanical", "electric", "free docks", "capacity", "reported (UTC)"];
    let rows = snapshot.readings.iter().map(|reading| {
        [
            reading.station_code.to_string(),
            reading.name.as_deref().unwrap_or("–").to_owned(),
            reading.commune.as_deref().unwrap_or("–").to_owned(),
            common::count(reading.mechanical),
            common::count(reading.ebike),
            common::count(reading.docks_available),
            common::count(reading.capacity),
            reading.last_reported.format("%Y-%m-%d %H:%M:%S").to_string(),
        ]
    });
    common::print(common::table(header, &[1, 2], rows))?;
    let counted = snapshot.counted.map_or_else(String::new, |counted| format!(" of the {counted} the portal counts"));
    let shared = match snapshot.distinct() - snapshot.codes() {
        0 => String::new(),
        shared => format!(" ({shared} with a code that another has too)"),
    };
    let (distinct, aside) = (snapshot.distinct(), snapshot.set_aside.len());
    common::print(format_args!("{distinct} stations{shared}{counted}, {aside} set aside"))
}

fn publish(options: &Options, opened: Opened) -> Result<()> {
    let mut source = opened.into_source();
    options.metrics.refuse_without_brokers(&options.kafka)?;
    log::start();
    let stop = common::stop_by_signal()?;
    let settings = PublishSettings { every: options.every, polls: options.polls, stop, ..PublishSettings::default() };
    let (metrics, _server) = options.metrics.open()?;
    let measured = PublishMetrics::new(&metrics);
    let broker = options.kafka.open()?;
    common::headline(options.json, format_args!("Source: {}", source.describe()))?;
    common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
    let topic = TopicSettings::named(&options.kafka.topic);
    let mut aside = SetAsideFile::new(format!("{}.set-aside.jsonl", options.kafka.topic));
    let mut told = Ok(());
    let totals = if broker.is_embedded() {
        // Nobody else can read from this broker, so the round trip is made here: what comes back is counted.
        let PublishSettings { gather, .. } = PublishSettings::suiting(&*source);
        let feeder = broker.feed_with(&topic, source, PublishSettings { gather, ..settings })?;
        let mut consumer = Consumer::new(broker.handle(), &topic.name, "part1-fetch")?;
        let mut progress = Progress::new();
        let mut read = 0;
        consumer.each_batch(5_000, true, |batch| {
            read += batch.readings.len();
            progress.show(|| format!("{read} readings read back"));
            Ok(())
        })?;
        drop(progress);
        let totals = feeder.join()?;
        common::headline(options.json, format_args!("{read} readings read back from the topic"))?;
        totals
    } else {
        let report = ensure_topic(&broker, &topic)?;
        report.cautions.iter().for_each(log::warn);
        let start = source.next_due();
        let mut warned = false;
        let mut dedupe = seen_in_topic(broker.handle(), &topic.name)?;
        if !dedupe.is_empty() {
            log::note(format_args!("{} readings are in the topic already", dedupe.len()));
        }
        let clock: Box<dyn Clock> = match start {
            Some(start) => Box::new(VirtualClock::new(start)),
            None => Box::new(SystemClock),
        };
        let mut publisher = Publisher::new(broker.handle(), &topic.name)?;
        let mut progress = Progress::new();
        log::begins("part1_fetch");
        velib::kafka::publish(&mut *source, &mut publisher, &mut dedupe, &*clock, &settings, &mut |poll| {
            measured.note(poll);
            let oldest = poll.ok().and_then(|poll| poll.oldest).filter(|_| !warned);
            if let Some(warning) = oldest.and_then(|oldest| report.warning(oldest, SystemClock.now())) {
                log::warn(warning);
                warned = true;
            }
            match poll {
                Ok(poll) if start.is_some() => progress.show(|| format!("{}: {}", poll.fetched_at, in_a_line(poll))),
                Ok(poll) => {
                    log::note(format_args!("{}: {}", poll.fetched_at.format("%Y-%m-%d %H:%M:%S"), in_a_line(poll)));
                    common::report_set_aside(&poll.set_aside);
                    if let Err(error) = aside.keep(&poll.set_aside) {
                        told = Err(error);
                    }
                }
                Err(error) => log::error(format_args!("poll failed: {error}")),
            }
        })?
    };
    told?;
    if options.json {
        return common::print_json(&totals);
    }
    common::print(format_args!(
        "{} polls answered ({} incomplete), {} failed: {} readings received, {} published, {} repeated, {} set aside{}",
        totals.polls,
        totals.incomplete_polls,
        totals.failed_polls,
        totals.received,
        totals.published,
        totals.repeated,
        totals.set_aside,
        if aside.kept() > 0 { format!(" in {}", aside.path().display()) } else { String::new() },
    ))
}

fn in_a_line(poll: &PollReport) -> String {
    let counted = poll.counted.map_or_else(|| "an unknown number".to_owned(), |counted| counted.to_string());
    format!(
        "{counted} stations counted, {} arrived, {} readings new, {} repeated, {} set aside",
        poll.distinct,
        poll.new,
        poll.repeated,
        poll.set_aside.len()
    )
}
