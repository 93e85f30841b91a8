//! Part 2: readings from Kafka to averages per station and zone, by event time, kept in a database while they come.
//!
//! ```text
//! cargo run --example part2_stream                                    the simulated network, an embedded broker
//! cargo run --example part2_stream -- --source history.parquet        a recording
//! cargo run --example part2_stream -- --brokers 127.0.0.1:9092        a real Kafka, until stopped
//! ```

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{KafkaOptions, Progress, SourceOptions, figure};
use serde_json::json;
use velib::Result;
use velib::ingest::SetAsideFile;
use velib::kafka::Consumer;
use velib::report::{Figure, MapStation, OccupancyMap, Zone, ZoneOccupancy};
use velib::streaming::{Select, StationWindow, StoreUrl, StreamingStatistics, Tumbling, Window, ZoneKind, ZoneWindow};

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
    /// How the network is divided: commune or arrondissement
    #[arg(long, value_name = "KIND", default_value = "commune")]
    zone: ZoneKind,
    /// Where the statistics are kept [default: sqlite:TOPIC.sqlite with --brokers, else var/part2.sqlite, made anew]
    #[arg(long, value_name = "sqlite:FILE")]
    store: Option<StoreUrl>,
    /// Stop when everything in the topic was read; without --brokers that is always so
    #[arg(long)]
    until_end: bool,
    /// Draw the map and the zones of the last window into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        options.source.refuse_beside_brokers(&options.kafka)?;
        let tumbling = Tumbling::new(options.window)?;
        let url = match &options.store {
            Some(url) => url.clone(),
            None if options.kafka.brokers.is_some() => {
                StoreUrl::Sqlite(format!("{}.sqlite", options.kafka.topic).into())
            }
            None => StoreUrl::Sqlite(common::scratch_file("part2.sqlite")?),
        };
        let mut engine = StreamingStatistics::new(tumbling, url.open()?)?;
        let broker = options.kafka.open()?;
        let mut described = broker.describe();
        let mut feeder = None;
        if broker.is_embedded() {
            let source = options.source.open("simulate")?.into_source();
            described = source.describe();
            common::headline(options.json, format_args!("Source: {described}"))?;
            feeder = Some(broker.feed(&options.kafka.topic, source)?);
        }
        common::headline(options.json, format_args!("Kafka:  {}", broker.describe()))?;
        common::headline(options.json, format_args!("Store:  {url}, windows of {tumbling}"))?;

        let mut aside = SetAsideFile::new(format!("{}.set-aside.jsonl", options.kafka.topic));
        // A group of the store's own: another store begins at the beginning.
        let mut consumer =
            Consumer::new(broker.handle(), &options.kafka.topic, &format!("part2-stream {}", place(&url)))?;
        let mut progress = Progress::new();
        consumer.each_batch(5_000, options.until_end, |batch| {
            for reading in &batch.readings {
                engine.update(reading)?;
            }
            aside.keep(&batch.set_aside)?;
            engine.flush()?;
            progress.show(|| {
                let newest =
                    engine.newest().map_or_else(String::new, |time| time.format(" up to %F %T UTC").to_string());
                format!("{} readings{newest}", engine.totals().readings)
            });
            Ok(())
        })?;
        drop(progress);
        if let Some(feeder) = feeder {
            feeder.join()?;
        }
        report(&options, &mut engine, &described, aside.kept())
    })
}

/// What the store holds of the newest window that nothing can change any more.
fn report(options: &Options, engine: &mut StreamingStatistics, source: &str, aside: u64) -> Result<()> {
    let (totals, watermark) = (engine.totals(), engine.watermark());
    let window = match engine.store().latest_window(watermark)? {
        None => engine.store().latest_window(None)?,
        closed => closed,
    };
    let at = |window: Window| Select::At(window.start);
    let zones = window.map_or_else(|| Ok(vec![]), |window| engine.store().zone_windows(options.zone, at(window)))?;
    let stations = window.map_or_else(|| Ok(vec![]), |window| engine.store().station_windows(at(window)))?;
    if let Some(window) = window {
        draw(options, window, &stations, &zones, source)?;
    }
    if options.json {
        let (watermark, kept_aside) = (watermark, aside);
        return common::print_json(&json!({
            "totals": totals, "watermark": watermark, "set_aside": kept_aside, "window": window, "zones": zones,
            "stations": stations,
        }));
    }
    common::print(format_args!(
        "\n{} readings ({} repeated, {} late, {} of closed stations, {aside} set aside)",
        totals.readings, totals.repeated, totals.late, totals.closed
    ))?;
    let Some(window) = window else { return common::print("no window yet") };
    common::print(format_args!(
        "The newest complete window, {} to {} UTC: means, weighted by capacity in the zones",
        window.start.format("%F %H:%M"),
        window.end.format("%H:%M")
    ))?;
    let header = ["zone", "mechanical", "electric", "free docks", "occupancy", "stations", "of", "readings"];
    let rows = zones.iter().map(|zone| {
        let q = &zone.quantities;
        [
            zone.zone.clone(),
            figure(q.mechanical.mean, 2),
            figure(q.ebike.mean, 2),
            figure(q.docks.mean, 2),
            figure(q.occupancy.mean, 3),
            zone.stations.to_string(),
            zone.expected.to_string(),
            zone.readings.to_string(),
        ]
    });
    common::print(common::table(header, &[], rows))?;
    let header = ["station", "name", "mechanical", "electric", "free docks", "min", "max", "readings"];
    let rows = stations.iter().take(10).map(|station| {
        let q = &station.quantities;
        [
            station.station_code.to_string(),
            station.name.clone().unwrap_or_default(),
            figure(q.mechanical.mean, 2),
            figure(q.ebike.mean, 2),
            figure(q.docks.mean, 2),
            figure(q.docks.min, 0),
            figure(q.docks.max, 0),
            station.readings.to_string(),
        ]
    });
    common::print("")?;
    common::print(common::table(header, &[1], rows))?;
    common::print(format_args!("… {} stations in this window; all windows are in the store", stations.len()))
}

fn draw(
    options: &Options,
    window: Window,
    stations: &[StationWindow],
    zones: &[ZoneWindow],
    source: &str,
) -> Result<()> {
    let Some(folder) = &options.out else { return Ok(()) };
    let source = common::source_line(source);
    let places = stations.iter().filter_map(|station| {
        let (lat, lon) = (station.lat?, station.lon?);
        let (occupancy, capacity) = (station.quantities.occupancy.mean, station.capacity);
        Some(MapStation { code: station.station_code.to_string(), lat, lon, occupancy, capacity })
    });
    let map = OccupancyMap {
        title: "Occupancy of the stations".into(),
        source: source.clone(),
        at: window.end,
        stations: places.collect(),
    };
    let bars = ZoneOccupancy {
        title: format!("Occupancy by {}, {} UTC", options.zone, window.end.format("%F %H:%M")),
        source,
        zones: zones
            .iter()
            .map(|zone| Zone {
                zone: zone.zone.clone(),
                occupancy: zone.quantities.occupancy.mean,
                stations: zone.stations,
            })
            .collect(),
    };
    common::draw(folder, "occupancy-map", &Figure::from(map))?;
    common::draw(folder, "occupancy-by-zone", &Figure::from(bars))
}

/// The store's place, the same from whichever folder it is named.
fn place(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Sqlite(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
        other => other.to_string(),
    }
}
