//! Part 2: readings from Kafka to averages per station and zone, by event time, kept in a database while they come.
//!
//! ```text
//! cargo run --example part2_stream                                    the simulated network, an embedded broker
//! cargo run --example part2_stream -- --source history.parquet        a recording
//! cargo run --example part2_stream -- --brokers 127.0.0.1:9092        a real Kafka, until stopped
//! cargo run --example part2_stream -- --brokers 127.0.0.1:9092 --store postgres://velib@127.0.0.1/velib
//!                                                                     the same in PostgreSQL; start it as often as you like
//! cargo run --example part2_stream -- --window 1h --slide 10m         windows that overlap
//! cargo run --example part2_stream -- --zone near:48.8530,2.3499,2km  the stations around one place
//! cargo run --example part2_stream -- --zone-windows zones.jsonl      every window of each zone in a file
//! cargo run --example part2_stream -- --serve 8080                    a live page at http://127.0.0.1:8080
//! cargo run --features spark --example part2_stream -- --engine spark --spark sc://127.0.0.1:15002 \
//!     --brokers 127.0.0.1:9092 --checkpoint var/checkpoint --out var/windows
//!                                                                     the same windows by a real Spark
//! ```

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use common::spark_stream::{self, SparkOptions};
use common::windows::{Windows, keep_zones};
use common::{KafkaOptions, Progress, SourceOptions, log};
use serde_json::json;
use velib::ingest::SetAsideFile;
use velib::kafka::{PublishSettings, Retention, TopicSettings, ensure_topic};
use velib::report::{Figure, MapStation, OccupancyMap, Zone, ZoneOccupancy};
use velib::serve::{ServeAddress, ServeSettings, Server};
use velib::streaming::{
    Select, StationWindow, StoreUrl, StreamSettings, StreamingStatistics, Usage, UsageSettings, Window, Windowing,
    ZoneWindow, Zones, consume,
};
use velib::{Error, Result};

/// Who computes the statistics.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// This program
    Own,
    /// A Spark server, by Structured Streaming
    Spark,
}

/// Averages per station and zone from Kafka, by event time
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    kafka: KafkaOptions,
    /// What is published to the embedded broker [default: simulate]
    #[command(flatten)]
    source: SourceOptions,
    /// Length of a window of event time
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = common::duration)]
    window: Duration,
    /// How long after one window the next begins, if they are to overlap [default: the window's length]
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    slide: Option<Duration>,
    /// How far behind its station's newest reading another may come; what is later is kept aside in the store
    #[arg(long, value_name = "DURATION", default_value = "90m", value_parser = common::duration)]
    lateness: Duration,
    /// How the network is divided: commune, arrondissement, grid:500m, near:LAT,LON,800m, or geojson:FILE
    #[arg(long, value_name = "ZONES", default_value = "commune")]
    zone: String,
    /// When all is read, write what every window says of each zone to this file too, as JSON lines
    #[arg(long, value_name = "FILE")]
    zone_windows: Option<PathBuf>,
    /// Where the statistics are kept: sqlite:FILE or postgres://USER@HOST/DATABASE; in PostgreSQL several of this program,
    /// with --brokers, share the work [default: sqlite:TOPIC.sqlite with --brokers, else var/part2.sqlite, made anew]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Stop when everything in the topic was read; without --brokers that is always so
    #[arg(long)]
    until_end: bool,
    /// After so many readings write them, in one transaction, once the one before is written [default: 100000]
    #[arg(long, value_name = "READINGS")]
    transaction: Option<usize>,
    /// Publish each window that changed to this topic too, in Kafka transactions
    #[arg(long, value_name = "TOPIC", requires = "brokers")]
    results: Option<String>,
    /// Draw the map and the zones of the last window into this folder; with --engine spark where the windows go, to Parquet
    /// files in DIR or as JSON to topic:NAME
    #[arg(long, value_name = "DIR|topic:NAME")]
    out: Option<PathBuf>,
    /// Show a live page at this address, and go on after the end until stopped; a port alone is for this computer only
    #[arg(long, value_name = "[HOST:]PORT")]
    serve: Option<ServeAddress>,
    /// Who computes the statistics; `spark` needs --spark, --brokers, --checkpoint and --out, and the feature `spark`
    #[arg(long, value_enum, default_value = "own")]
    engine: Engine,
    #[command(flatten)]
    spark: SparkOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Options {
    /// What belongs to one of the engines alone is wrong beside the other.
    fn refuse_other_engines(&self) -> Result<()> {
        let own = [
            ("--store", self.store.is_some()),
            ("--transaction", self.transaction.is_some()),
            ("--results", self.results.is_some()),
            ("--serve", self.serve.is_some()),
        ];
        let (given, whose) = match self.engine {
            Engine::Own => (self.spark.given(), "that is Spark's"),
            Engine::Spark => {
                (own.into_iter().find_map(|(option, is_given)| is_given.then_some(option)), "that is not Spark's")
            }
        };
        let way_out = if self.engine == Engine::Own { "add --engine spark" } else { "leave it out" };
        given.map_or(Ok(()), |option| Err(Error::usage(option, whose).way_out(way_out)))
    }
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        options.refuse_other_engines()?;
        options.source.refuse_beside_brokers(&options.kafka)?;
        let windowing = Windowing::sliding(options.window, options.slide.unwrap_or(options.window))?;
        let zones = Zones::open(&options.zone)?;
        if options.engine == Engine::Spark {
            return spark_stream::run(&spark_stream::Asked {
                spark: &options.spark,
                kafka: &options.kafka,
                source: &options.source,
                windowing,
                lateness: options.lateness,
                zones: &zones,
                zone_windows: options.zone_windows.as_deref(),
                out: options.out.as_deref(),
                until_end: options.until_end,
                json: options.json,
            });
        }
        let url = match &options.store {
            // Not by clap, which would show a password.
            Some(url) => url.parse()?,
            None if options.kafka.brokers.is_some() => {
                StoreUrl::Sqlite(format!("{}.sqlite", options.kafka.topic).into())
            }
            None => StoreUrl::Sqlite(common::scratch_file("part2.sqlite")?),
        };
        let engine = StreamingStatistics::new(windowing, url.open()?)?;
        let mut engine = engine.with_allowed_lateness(options.lateness);
        let server = options.serve.map(|address| show(address, &url, &zones)).transpose()?;
        log::start();
        let (broker, stop) = (options.kafka.open()?, common::stop_by_signal()?);
        let mut described = broker.describe();
        let mut feeder = None;
        if broker.is_embedded() {
            let source = options.source.open("simulate")?.into_source();
            described = source.describe();
            common::headline(options.json, format_args!("Source: {described}"))?;
            let settings = PublishSettings { stop: stop.clone(), ..PublishSettings::suiting(&*source) };
            feeder = Some(broker.feed_with(&TopicSettings::named(&options.kafka.topic), source, settings, |_| ())?);
        }
        common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
        common::headline(options.json, format_args!("Store:  {url}, windows of {windowing}"))?;
        if let Some(server) = &server {
            common::headline(options.json, format_args!("Page:   {}", server.url()))?;
        }

        let mut aside = SetAsideFile::new(format!("{}.set-aside.jsonl", options.kafka.topic));
        let settings = StreamSettings {
            topic: options.kafka.topic.clone(),
            // A group of the store's own: another store begins at the beginning.
            group: format!("part2-stream {}", place(&url)),
            until_end: options.until_end,
            transaction: options.transaction.unwrap_or(velib::streaming::TRANSACTION),
            results: options.results.clone(),
            stop: stop.clone(),
        };
        if let Some(results) = &options.results {
            let compacted = TopicSettings { retention: Retention::LastOfEachKey, ..TopicSettings::named(results) };
            ensure_topic(&broker, &compacted)?;
        }
        let mut progress = Progress::new();
        let began = Instant::now();
        log::begins("part2_stream");
        consume(broker.handle(), &settings, &mut engine, &mut aside, &mut |engine| {
            progress.show(|| {
                let newest =
                    engine.newest().map_or_else(String::new, |time| time.format(" up to %F %T UTC").to_string());
                format!("{} readings{newest}", engine.totals().readings)
            });
        })?;
        let took = began.elapsed();
        drop(progress);
        if let Some(feeder) = feeder {
            feeder.join()?;
        }
        report(&options, &mut engine, &zones, &described, aside.kept(), took)?;
        server.map_or(Ok(()), |server| server.wait(&stop))
    })
}

/// The live page, which reads the store by a connection of its own.
fn show(address: ServeAddress, url: &StoreUrl, zones: &Zones) -> Result<Server> {
    if matches!(url, StoreUrl::Sqlite(path) if path == Path::new(":memory:")) {
        return Err(
            Error::usage("--serve", "a store in memory cannot be read by the page").way_out("give --store sqlite:FILE")
        );
    }
    Server::start(address, url.open()?, zones.clone(), ServeSettings::default())
}

/// What the store holds of the newest window that nothing can change any more.
fn report(
    options: &Options,
    engine: &mut StreamingStatistics,
    divided: &Zones,
    source: &str,
    aside: u64,
    took: Duration,
) -> Result<()> {
    let (totals, freshness) = (engine.totals(), engine.freshness());
    let watermark = freshness.map(|freshness| freshness.watermark);
    let window = match engine.store().latest_window(watermark)? {
        None => engine.store().latest_window(None)?,
        complete => complete,
    };
    let too_late = engine.store().kept_aside()?;
    let usage = window.map(|window| Usage::at(engine.store(), window.end, UsageSettings::default())).transpose()?;
    let at = |window: Window| Select::at(window.start);
    let zones = window.map_or_else(|| Ok(vec![]), |window| engine.store().zone_windows(divided, at(window)))?;
    let stations = window.map_or_else(|| Ok(vec![]), |window| engine.store().station_windows(at(window)))?;
    keep_zones(options.zone_windows.as_deref(), |select| engine.store().zone_windows(divided, select))?;
    let division = divided.divide(&engine.store().stations()?);
    if let Some(window) = window {
        draw(options, window, &stations, &zones, divided, source)?;
    }
    let windows = Windows { window, zones, stations, division, divided, usage, are_in: "the store" };
    if options.json {
        return common::print_json(&windows.beside(json!({
            "totals": totals, "seconds": took.as_secs_f64(), "freshness": freshness, "set_aside": aside,
            "too_late_in_store": too_late,
        })));
    }
    common::print(format_args!(
        "\n{} readings ({} repeated, {} late, {} of closed stations, {aside} set aside)",
        totals.readings, totals.repeated, totals.late, totals.closed
    ))?;
    if too_late > 0 {
        common::print(format_args!(
            "{too_late} more came later than --lateness {} and are kept in the store's table too_late",
            common::in_words(options.lateness)
        ))?;
    }
    if let Some(fresh) = freshness {
        common::print(format_args!(
            "newest reading {} UTC, complete up to {}; the feed is {} behind; {} stations, {} more are idle",
            fresh.newest.format("%F %T"),
            fresh.watermark.format("%T"),
            common::seconds(fresh.feed_lag_seconds),
            fresh.active,
            fresh.idle
        ))?;
    }
    windows.print()
}

fn draw(
    options: &Options,
    window: Window,
    stations: &[StationWindow],
    zones: &[ZoneWindow],
    divided: &Zones,
    source: &str,
) -> Result<()> {
    let Some(folder) = &options.out else { return Ok(()) };
    let names = stations.iter().filter_map(|station| station.name.as_deref());
    let source =
        common::source_line_by(source, names, stations.iter().filter_map(|station| station.commune.as_deref()));
    let places = stations.iter().filter_map(|station| {
        let (lat, lon) = (station.lat?, station.lon?);
        let (occupancy, capacity) = (station.statistics.quantities.occupancy.mean, station.statistics.capacity);
        Some(MapStation { code: station.station_code.to_string(), lat, lon, occupancy, capacity })
    });
    let map = OccupancyMap {
        title: "Occupancy of the stations".into(),
        source: source.clone(),
        at: window.end,
        stations: places.collect(),
    };
    let bars = ZoneOccupancy {
        title: format!("Occupancy by {}, {} UTC", in_title(divided), window.end.format("%F %H:%M")),
        source,
        zones: zones
            .iter()
            .map(|zone| Zone {
                zone: zone.zone.clone(),
                occupancy: zone.statistics.quantities.occupancy.mean,
                stations: zone.stations,
            })
            .collect(),
    };
    common::draw(folder, "occupancy-map", &Figure::from(map))?;
    // One circle is one bar: nothing to compare.
    if divided.as_str().starts_with("near:") {
        return Ok(());
    }
    common::draw(folder, "occupancy-by-zone", &Figure::from(bars))
}

/// What a title calls the zones: of a file its name alone, wherever it lies.
fn in_title(zones: &Zones) -> String {
    match zones.as_str().split_once(':') {
        None => zones.to_string(),
        Some(("geojson", file)) => {
            format!("zone ({})", Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy()))
        }
        Some(_) => format!("zone ({zones})"),
    }
}

/// The store's place, the same from whichever folder it is named, and whoever names it.
fn place(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Sqlite(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        other => {
            let url = other.to_string();
            url.rsplit_once('@').map_or_else(|| url.clone(), |(_, place)| format!("postgres://{place}"))
        }
    }
}
