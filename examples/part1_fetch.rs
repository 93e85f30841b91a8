//! Part 1: the real-time state of the stations, to look at or to publish to Kafka every minute, never the same data twice.
//!
//! ```text
//! cargo run --example part1_fetch                                        ten stations, live
//! cargo run --example part1_fetch -- --station 16107                     one station as a map
//! cargo run --example part1_fetch -- --source simulate                   without network
//! cargo run --example part1_fetch -- --publish --brokers 127.0.0.1:9092  every minute, until stopped
//! cargo run --example part1_fetch -- --show-gaps                         when the feed was not complete, and why
//! cargo run --example part1_fetch -- --reprocess --brokers ...           what could not be read, tried again
//! ```
//!
//! With `--polls N` it exits 0 only if each of the N polls was complete and Kafka has acknowledged all that was new in it.

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;
use common::telling::Teller;
use common::{KafkaOptions, MetricsOptions, Opened, Progress, SourceOptions, log};
use serde_json::json;
use velib::ingest::{Clock, SetAsideFile, Snapshot, Source, SystemClock, VirtualClock};
use velib::kafka::{
    Broker, Consumer, DeadLetters, GapLedger, PollReport, PublishEvent, PublishMetrics, PublishSettings, PublishTotals,
    Publisher, TopicMemory, TopicSettings, dead_letter_topic, ensure_topic, reprocess,
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
    /// Stop after so many polls, and fail unless all were complete and acknowledged [default: the end of a recording, never for
    /// the live feed]
    #[arg(long, value_name = "N", requires = "publish")]
    polls: Option<u64>,
    #[command(flatten)]
    metrics: MetricsOptions,
    /// How long to wait for a broker that goes away [default: 5m with --polls or a recording, without end for the live feed]
    #[arg(long, value_name = "DURATION", value_parser = common::duration, requires = "publish")]
    patience: Option<Duration>,
    /// The ledger of the gaps of the live feed, JSON lines [default: TOPIC.gaps.jsonl]
    #[arg(long, value_name = "FILE")]
    gaps: Option<PathBuf>,
    /// Show the ledger of the gaps
    #[arg(long, conflicts_with_all = ["station", "publish", "reprocess"])]
    show_gaps: bool,
    /// Try what could not be read again, and publish what can be read now
    #[arg(long, conflicts_with_all = ["station", "publish", "rows"])]
    reprocess: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        if options.show_gaps {
            return show_gaps(&options);
        }
        if options.reprocess {
            return try_again(&options);
        }
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
    let source = opened.into_source();
    options.metrics.refuse_without_brokers(&options.kafka)?;
    log::start();
    let stop = common::stop_by_signal()?;
    let broker = options.kafka.open()?;
    common::headline(options.json, format_args!("Source: {}", source.describe()))?;
    common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
    let is_endless = source.next_due().is_none() && options.polls.is_none();
    let defaults = PublishSettings::suiting(&*source);
    let patience = options.patience.or(defaults.patience.filter(|_| !is_endless));
    let settings = PublishSettings { every: options.every, polls: options.polls, patience, stop, ..defaults };
    let mut aside = SetAsideFile::new(format!("{}.set-aside.jsonl", options.kafka.topic));
    let (totals, polls) = match broker.is_embedded() {
        true => publish_inside(options, &broker, source, settings, &mut aside)?,
        false => publish_to(options, &broker, source, &settings)?,
    };
    if options.json {
        let mut object = json!(totals);
        object["each"] = json!(polls);
        common::print_json(&object)?;
    } else {
        let kept = match (aside.kept(), totals.dead_letters) {
            (0, 0) => String::new(),
            (0, letters) => format!(", {letters} different ones in {}", dead_letter_topic(&options.kafka.topic)),
            _ => format!(" in {}", aside.path().display()),
        };
        common::print(format_args!(
            "{} polls answered ({} incomplete), {} failed: {} readings received, {} published, {} repeated, {} set aside{kept}",
            totals.polls,
            totals.incomplete_polls,
            totals.failed_polls,
            totals.received,
            totals.published,
            totals.repeated,
            totals.set_aside,
        ))?;
    }
    match options.polls {
        Some(wanted) if totals.is_complete() && totals.polls < wanted => {
            let message = format!("only {} of {wanted} polls were made", totals.polls);
            Err(Error::new(ErrorKind::Feed, message))
        }
        Some(_) if !totals.is_complete() => {
            let (failed, short) = (totals.failed_polls, totals.incomplete_polls);
            let all = totals.polls + failed;
            Err(Error::new(
                ErrorKind::Feed,
                format!("{} of {all} polls were not complete: {failed} failed, {short} came short", failed + short),
            ))
        }
        _ => Ok(()),
    }
}

type Published = (PublishTotals, Vec<PollReport>);

/// To the broker in this process. Nobody else can read from it, so the round trip is made here: what comes back is counted.
fn publish_inside(
    options: &Options,
    broker: &Broker,
    source: Box<dyn Source>,
    settings: PublishSettings,
    aside: &mut SetAsideFile,
) -> Result<Published> {
    let topic = TopicSettings::named(&options.kafka.topic);
    let is_counted = options.polls.is_some();
    let (tell, told) = mpsc::channel();
    let feeder = broker.feed_with(&topic, source, settings, move |event| {
        // Nobody listens any more when this has failed.
        let _ = match event {
            PublishEvent::Poll(poll) => tell.send(Ok(poll.clone())),
            PublishEvent::Failed { error, .. } => tell.send(Err(error.clone())),
            _ => Ok(()),
        };
    })?;
    let mut consumer = Consumer::new(broker.handle(), &topic.name, "part1-fetch")?;
    let (mut progress, mut read, mut polls) = (Progress::new(), 0, Vec::new());
    let mut listen = |polls: &mut Vec<PollReport>| {
        told.try_iter().try_for_each(|poll| match poll {
            Ok(poll) => {
                common::report_set_aside(&poll.set_aside);
                aside.keep(&poll.set_aside)?;
                polls.extend(is_counted.then_some(poll));
                Ok(())
            }
            Err(error) => {
                log::error(format_args!("poll failed: {error}"));
                Ok(())
            }
        })
    };
    consumer.each_batch(5_000, true, |batch| {
        read += batch.readings.len();
        progress.show(|| format!("{read} readings read back"));
        listen(&mut polls)
    })?;
    drop(progress);
    let totals = feeder.join()?;
    listen(&mut polls)?;
    common::headline(options.json, format_args!("{read} readings read back from the topic"))?;
    Ok((totals, polls))
}

/// To a real Kafka.
fn publish_to(
    options: &Options,
    broker: &Broker,
    mut source: Box<dyn Source>,
    settings: &PublishSettings,
) -> Result<Published> {
    let name = &options.kafka.topic;
    let (metrics, _server) = options.metrics.open()?;
    let measured = PublishMetrics::new(&metrics);
    let topic = ensure_topic(broker, &TopicSettings::named(name))?;
    topic.cautions.iter().for_each(log::warn);
    let mut memory = TopicMemory::of(broker.handle(), name, &*source)?;
    if !memory.is_empty() {
        log::note(format_args!("{} readings are in the topic already", memory.len()));
    }
    let (clock, gaps): (Box<dyn Clock>, _) = match source.next_due() {
        Some(start) => (Box::new(VirtualClock::new(start)), None),
        None => {
            (Box::new(SystemClock), Some(GapLedger::open(options.ledger(), settings.every, memory.last_arrival())?))
        }
    };
    let dead_letters = DeadLetters::open(broker, name)?;
    let mut publisher = Publisher::new(broker.handle(), name)?.after(&memory).with_dead_letters(dead_letters);
    let mut teller = Teller::new(topic, gaps, options.polls.is_some());
    log::begins("part1_fetch");
    let totals = velib::kafka::publish(&mut *source, &mut publisher, &mut memory, &*clock, settings, &mut |event| {
        measured.note(&event);
        teller.tell(&event);
    })?;
    teller.end().map(|polls| (totals, polls))
}

fn show_gaps(options: &Options) -> Result<()> {
    let gaps = GapLedger::read(options.ledger())?;
    if options.json {
        return common::print_json(&json!({"gaps": gaps}));
    }
    if let (Some(first), Some(last)) = (gaps.first(), gaps.last()) {
        let end = last.to.unwrap_or_else(|| SystemClock.now());
        common::print(common::gaps::observed(&gaps, first.from, end))?;
    }
    common::print(common::gaps::table(&gaps))
}

fn try_again(options: &Options) -> Result<()> {
    if options.kafka.brokers.is_none() {
        return Err(Error::usage("--reprocess", "the broker inside this process keeps no dead letters")
            .way_out("name a Kafka by --brokers HOST:PORT"));
    }
    let (broker, name) = (options.kafka.open()?, &options.kafka.topic);
    common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
    ensure_topic(&broker, &TopicSettings::named(name))?;
    let mut memory = TopicMemory::recent(broker.handle(), name)?;
    let mut publisher = Publisher::new(broker.handle(), name)?;
    let done = reprocess(broker.handle(), name, &mut publisher, &mut memory)?;
    if options.json {
        return common::print_json(&done);
    }
    common::print(format_args!(
        "{} dead letters tried: {} readings published, {} in the topic already, {} still unreadable{}",
        done.tried,
        done.published,
        done.repeated,
        done.unreadable,
        done.first_reason.map_or_else(String::new, |reason| format!(" (the first: {reason})"))
    ))
}

impl Options {
    /// Where the gaps are entered.
    fn ledger(&self) -> PathBuf {
        self.gaps.clone().unwrap_or_else(|| format!("{}.gaps.jsonl", self.kafka.topic).into())
    }
}
