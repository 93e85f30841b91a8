//! Part 3, second half: mean, minimum and maximum of free docks per station, by readings and over time, spells, turnover and the
//! week; means per zone; the stations that are never, sometimes and often empty; all of it by DataFrame and again by SQL; how
//! many partitions, and one against two.
//!
//! ```text
//! cargo run --example part3_stats                                  the simulated network, both engines
//! cargo run --example part3_stats -- --data velib.csv --engine sql --partitions 4
//! cargo run --example part3_stats -- --data velib.csv --query "SELECT stationcode, AVG(numbikesavailable) AS bikes
//!     FROM readings WHERE open GROUP BY stationcode ORDER BY bikes DESC LIMIT 5"
//! cargo run --example part3_stats -- --data velib.csv --sql question.sql --format parquet --out answer.parquet
//! cargo run --example part3_stats -- --data velib.csv --max-gap 1h --zone grid:500m
//! cargo run --release --example part3_stats -- --data FOLDER --overview --json
//! cargo run --features spark --example part3_stats -- --engine spark --spark sc://127.0.0.1:15002 --data FOLDER --check
//! ```
//!
//! With `--query` or `--sql` no statistics are computed; the tables `readings` and `stations` are described at
//! `velib::batch::query`.

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::query::QueryOptions;
#[cfg(feature = "spark")]
use common::spark_statistics;
use common::spark_statistics::{EngineName, SparkOptions};
use common::{DataOptions, Progress, figure};
use serde_json::json;
use velib::batch::{
    BEHAVIOURS, Behaviour, Engine, Gathered, History, HistoryPart, Overview, OverviewOfFiles, SometimesEmpty, Spells,
    StationStatistics, Statistics, Summary, Table, TableSettings, ZoneOverview, ZoneStatistics, compare_partitions,
};
use velib::kafka::GapLedger;
use velib::report::{Figure, Zone, ZoneOccupancy};
use velib::streaming::Zones;
use velib::{Error, ErrorKind, Result, StationCode};

/// Statistics of what was collected, by DataFrame and by SQL
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    query: QueryOptions,
    /// dataframe or sql [default: both, which must agree], or spark: a real Spark by both
    #[arg(long)]
    engine: Option<EngineName>,
    #[command(flatten)]
    spark: SparkOptions,
    /// For how long a reading holds if no other comes, at most
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = common::duration)]
    max_gap: Duration,
    /// Summarise these zones too: grid:500m, near:LAT,LON,800m or geojson:FILE
    #[arg(long, value_name = "ZONES")]
    zone: Option<String>,
    /// Group the stations by their week into so many zones by behaviour; 0 for none
    #[arg(long, value_name = "N", default_value_t = BEHAVIOURS as u8)]
    behaviours: u8,
    /// Only what counts every reading once: free docks per station and per zone, and the stations sometimes empty, in one pass over
    /// files of any size, the fastest
    #[arg(long, conflicts_with_all = ["max_gap", "behaviours", "partitions", "runs", "gaps", "query", "sql"])]
    overview: bool,
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
        let settings =
            TableSettings { max_gap: options.max_gap, zones: options.zone.as_deref().map(Zones::open).transpose()? };
        // So that a wrong one is refused before anything is read.
        Table::with(&[], &settings)?;
        options.spark.refuse_without_spark(options.engine)?;
        if let Some(question) = options.query.question(options.out.as_deref(), &settings)? {
            return question.answer(options.data.read()?);
        }
        if options.engine == Some(EngineName::Spark) {
            return spark(&options, &settings);
        }
        if options.overview {
            return overview(&options, settings.zones.as_ref());
        }
        let (described, history) = options.data.history()?;
        common::headline(options.json, format_args!("Data: {described}"))?;
        let gaps = options.gaps.as_ref().map(GapLedger::read).transpose()?;
        let gathering = gather(&history, &settings, &options)?;
        let Gathering { result, behaviours, repeats, timed } = &gathering;
        if let Some(folder) = &options.out {
            draw(folder, result, &history, &described)?;
        }
        let engines = engines_of(options.engine).iter().map(ToString::to_string).collect::<Vec<_>>().join(" = ");
        let partitions = compare_partitions(timed, 1, options.partitions.into(), options.runs)?;
        if options.json {
            return common::print_json(
                &json!({"engine": engines, "statistics": result, "behaviours": behaviours, "repeats": repeats, "partitions": partitions, "gaps": gaps}),
            );
        }
        print(result, *repeats, &engines)?;
        self::behaviours(behaviours, options.behaviours)?;
        if let Some(division) = &settings.zones {
            zones(&format!("Zones: {division}"), &result.zones)?;
        }
        if let (Some(gaps), Some((start, end))) = (gaps, history.fetched()) {
            common::print(format_args!("\n{}", common::gaps::observed(&gaps, start, end)))?;
            common::print(common::gaps::table(&common::gaps::touching(&gaps, start, end)))?;
        }
        let these = match result.readings - partitions.readings as u64 {
            0 => format!("the {} readings lie", partitions.readings),
            _ => format!("{} of the {} readings, those of whole stations, lie", partitions.readings, result.readings),
        };
        common::print(format_args!(
            "\nPartitions: {these} in {} as read; cut into {} by station they hold {:?} readings.\n{}",
            if partitions.chunks == 1 { "one chunk".into() } else { format!("{} chunks", partitions.chunks) },
            partitions.many.partitions,
            partitions.many.rows,
            partitions.sentence()
        ))
    })
}

/// The engines here that a name stands for.
fn engines_of(name: Option<EngineName>) -> Vec<Engine> {
    match name {
        Some(EngineName::DataFrame) => vec![Engine::DataFrame],
        Some(EngineName::Sql) => vec![Engine::Sql],
        Some(EngineName::Spark) | None => vec![Engine::DataFrame, Engine::Sql],
    }
}

/// What comes of the parts of a history.
struct Gathering {
    result: Statistics,
    behaviours: Vec<Behaviour>,
    repeats: usize,
    /// The first part, to time partitions on.
    timed: Table,
}

/// The statistics by one engine, or by both if none is named, which must agree.
fn gather(history: &History, settings: &TableSettings, options: &Options) -> Result<Gathering> {
    let mut gathered: Vec<_> =
        engines_of(options.engine).into_iter().map(|engine| Gathered::new(engine, settings.max_gap)).collect();
    let (mut timed, mut repeats, mut done, mut progress) = (None, 0, 0, Progress::new());
    for part in history.parts() {
        let HistoryPart { readings, repeats: left_out } = part?;
        let table = Table::with(&readings, settings)?;
        gathered.iter_mut().try_for_each(|gathered| gathered.add(&table))?;
        repeats += left_out;
        done += readings.len() + left_out;
        progress.show(|| format!("{done} of {} readings summarised", history.len()));
        timed.get_or_insert(table);
    }
    drop(progress);
    let mut results = gathered
        .into_iter()
        .map(|gathered| Ok((gathered.behaviours(options.behaviours.into())?, gathered.finish())))
        .collect::<Result<Vec<_>>>()?
        .into_iter();
    let result = results.next().ok_or_else(|| Error::usage("--engine", "there is none"))?;
    if results.any(|other| other != result) {
        return Err(Error::new(ErrorKind::Data, "the DataFrame and the SQL results differ"));
    }
    let timed = timed.map_or_else(|| Table::with(&[], settings), Ok)?;
    let (behaviours, result) = result;
    Ok(Gathering { result, behaviours, repeats, timed })
}

#[cfg(not(feature = "spark"))]
fn spark(_: &Options, _: &TableSettings) -> Result<()> {
    Err(Error::usage("--engine", "built without the feature `spark`").way_out("run with --features spark"))
}

/// The same by a Spark server, which reads the files itself.
#[cfg(feature = "spark")]
fn spark(options: &Options, settings: &TableSettings) -> Result<()> {
    if options.gaps.is_some() {
        return Err(Error::usage("--gaps", "Spark does not know the ledger").way_out("leave --engine out"));
    }
    let spark = options.spark.connect()?;
    let readings = spark.open(&options.data.named()?, settings)?;
    if options.overview {
        let (told, found, seconds) = readings.overview()?;
        if options.spark.check() {
            let OverviewOfFiles { overview, repeats, found: files } = options.data.overview(settings.zones.as_ref())?.1;
            spark_statistics::compare(
                &json!({"overview": told, "repeats": found.repeats, "no_rows": found.unreadable + found.torn}),
                &json!({"overview": overview, "repeats": repeats, "no_rows": files.unreadable}),
            )?;
        }
        return print_overview(options, &readings.describe(&found), &told, found.repeats, seconds);
    }
    let answer = readings.statistics(options.behaviours.into())?;
    if options.spark.check() {
        let history = options.data.history()?.1;
        let own = gather(&history, settings, options)?;
        let spark_statistics::Answer { statistics, behaviours, found, .. } = &answer;
        spark_statistics::compare(
            &json!({
                "statistics": statistics, "behaviours": behaviours, "repeats": found.repeats,
                "no_rows": found.unreadable + found.torn,
            }),
            &json!({
                "statistics": own.result, "behaviours": own.behaviours, "repeats": own.repeats,
                "no_rows": history.found().unreadable,
            }),
        )?;
    }
    let described = readings.describe(&answer.found);
    common::headline(options.json, format_args!("Data: {described}"))?;
    if let Some(folder) = &options.out {
        draw_zones(folder, &answer.statistics, &described)?;
    }
    let partitions = readings.compare_partitions(options.partitions.into(), options.runs)?;
    if options.json {
        return common::print_json(&json!({
            "engine": answer.engines, "spark": spark.described(), "statistics": answer.statistics, "behaviours": answer.behaviours,
            "repeats": answer.found.repeats, "rows": answer.found, "seconds": answer.seconds, "partitions": partitions,
            "checked": options.spark.check(),
        }));
    }
    print(&answer.statistics, answer.found.repeats as usize, &answer.engines)?;
    behaviours(&answer.behaviours, options.behaviours)?;
    if let Some(division) = &settings.zones {
        zones(&format!("Zones: {division}"), &answer.statistics.zones)?;
    }
    spark_statistics::print(&answer, &partitions, options.spark.check())
}

/// What counts every reading once, alone.
fn overview(options: &Options, zones: Option<&Zones>) -> Result<()> {
    if options.engine.is_some() {
        return Err(Error::usage("--engine", "an overview is taken in a pass of its own")
            .way_out("leave it out, or write --engine spark"));
    }
    let started = Instant::now();
    let (described, OverviewOfFiles { overview, repeats, .. }) = options.data.overview(zones)?;
    print_overview(options, &described, &overview, repeats, started.elapsed().as_secs_f64())
}

fn print_overview(options: &Options, described: &str, overview: &Overview, repeats: u64, seconds: f64) -> Result<()> {
    common::headline(options.json, format_args!("Data: {described}"))?;
    if let Some(folder) = &options.out {
        let zone =
            |zone: &ZoneOverview| Zone { zone: zone.zone.clone(), occupancy: zone.occupancy, stations: zone.stations };
        let names = overview.stations.iter().filter_map(|station| station.name.as_deref());
        let communes = overview.communes.iter().map(|commune| commune.zone.as_str());
        let source = common::source_line_by(described, names, communes);
        mean_occupancy(folder, overview.arrondissements.iter().map(zone).collect(), source)?;
    }
    if options.json {
        return common::print_json(&json!({"overview": overview, "repeats": repeats, "seconds": seconds}));
    }
    stations(overview, repeats, "in one pass")?;
    let divisions = [
        ("Communes", &overview.communes),
        ("Arrondissements of Paris, and other communes", &overview.arrondissements),
        ("Zones", &overview.zones),
    ];
    for (title, zones) in divisions.into_iter().filter(|(_, zones)| !zones.is_empty()) {
        let row = |zone: &ZoneOverview| {
            let [mean, min, max] = of(&zone.free_docks);
            let [stations, readings] = [zone.stations, zone.readings].map(|count| count.to_string());
            (zone.readings, [zone.zone.clone(), mean, min, max, percent(zone.occupancy), stations, readings])
        };
        let header = ["zone", "free docks, mean", "min", "max", "occupancy", "stations", "readings"];
        largest(title, header, zones.iter().map(row).collect())?;
    }
    sometimes_empty(overview)
}

fn of(summary: &Summary) -> [String; 3] {
    [figure(summary.mean, 2), common::count(summary.min), common::count(summary.max)]
}

fn print(result: &Statistics, repeats: usize, engines: &str) -> Result<()> {
    let overview = Overview::from(result);
    stations(&overview, repeats as u64, engines)?;
    over_time(result)?;
    week(result)?;
    zones("Communes", &result.communes)?;
    zones("Arrondissements of Paris, and other communes", &result.arrondissements)?;
    let times = result.how_often_empty;
    common::print(format_args!(
        "\nBy time {} stations are never empty, {} sometimes, {} often (10 % or more); of {} it is not known",
        times.never, times.sometimes, times.often, times.unknown
    ))?;
    sometimes_empty(&overview)
}

fn stations(overview: &Overview, repeats: u64, how: &str) -> Result<()> {
    common::print(format_args!(
        "{} readings of {} stations, {} while open, {} while closed, {repeats} repeats left out ({how})\n\nFree docks per station, while open",
        overview.readings,
        overview.stations.len(),
        overview.open,
        overview.closed
    ))?;
    let header = ["station", "name", "mean", "min", "max", "mechanical", "electric", "full", "empty", "readings"];
    let rows = overview.stations.iter().take(10).map(|station| {
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
    common::print(format_args!("… {} stations in all (--json gives each)", overview.stations.len()))
}

fn sometimes_empty(overview: &Overview) -> Result<()> {
    let empty = most_often_empty(&overview.sometimes_empty);
    common::print(format_args!("\nSometimes empty: {} of {} stations", empty.len(), overview.stations.len()))?;
    let rows = empty.iter().take(10).map(|station| {
        let name = station.name.clone().unwrap_or_default();
        let times = format!("{} of {}", station.empty.times, station.empty.known);
        [station.station_code.to_string(), name, percent(station.empty.share), times]
    });
    common::print(common::table(["station", "name", "empty", "readings"], &[1], rows))
}

/// What a table of stations begins with.
fn names(station: &StationStatistics) -> [String; 2] {
    [station.station_code.to_string(), station.name.clone().unwrap_or_default()]
}

fn over_time(result: &Statistics) -> Result<()> {
    let hold = common::in_words(Duration::from_secs_f64(result.max_gap_seconds));
    common::print(format_args!(
        "\nOver time: a reading holds until the next, at most {hold}; {} of the stations' time was observed",
        percent(result.observed.share)
    ))?;
    let header = ["station", "name", "free docks", "mechanical", "electric", "full", "empty", "closed", "observed"];
    let rows = result.stations.iter().take(10).map(|station| {
        let [code, name] = names(station);
        let own = &station.over_time;
        let [docks, mechanical, ebike] =
            [own.free_docks, own.mechanical, own.ebike].map(|quantity| figure(quantity.mean, 2));
        let [full, empty, closed] = [own.full, own.empty, own.closed].map(|time| percent(time.share));
        [code, name, docks, mechanical, ebike, full, empty, closed, percent(own.observed.share)]
    });
    common::print(common::table(header, &[1], rows))?;

    common::print("\nSpells without a bike and without a dock, the longest of each, and bikes that came or went")?;
    let header = ["station", "name", "empty", "longest", "full", "longest", "came or went", "an hour", "observed"];
    let rows = result.stations.iter().take(10).map(|station| {
        let [code, name] = names(station);
        let own = &station.over_time;
        let longest = |spells: &Spells| {
            spells.longest_seconds.map_or_else(|| "–".into(), |length| common::seconds(length as i64).to_string())
        };
        [
            code,
            name,
            own.empty_spells.number.to_string(),
            longest(&own.empty_spells),
            own.full_spells.number.to_string(),
            longest(&own.full_spells),
            own.turnover.bikes.to_string(),
            figure(own.turnover.per_hour, 2),
            percent(own.observed.share),
        ]
    });
    common::print(common::table(header, &[1], rows))
}

/// Every third hour of the network's week.
fn week(result: &Statistics) -> Result<()> {
    common::print("\nBikes per dock of the network by hour of the week, in Paris; every third hour")?;
    let rows = (0..24).step_by(3).map(|hour| {
        let day = |day: usize| percent(result.profile.occupancy[24 * day + hour]);
        [format!("{hour}:00"), day(0), day(1), day(2), day(3), day(4), day(5), day(6)]
    });
    common::print(common::table(["hour", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], &[], rows))?;
    let hours: f64 = result.profile.known_seconds.iter().sum::<f64>() / 3600.0;
    common::print(format_args!("… over {hours:.0} hours of stations; each station's own week is in --json"))
}

fn zones(title: &str, zones: &[ZoneStatistics]) -> Result<()> {
    let row = |zone: &ZoneStatistics| {
        let [mean, min, max] = of(&zone.free_docks);
        let cells = [
            zone.zone.clone(),
            mean,
            figure(zone.over_time.free_docks.mean, 2),
            min,
            max,
            percent(zone.occupancy),
            percent(zone.over_time.occupancy.mean),
            zone.stations.to_string(),
            zone.readings.to_string(),
            percent(zone.over_time.observed.share),
        ];
        (zone.readings, cells)
    };
    let header = [
        "zone",
        "free docks, mean",
        "over time",
        "min",
        "max",
        "occupancy",
        "over time",
        "stations",
        "readings",
        "observed",
    ];
    largest(title, header, zones.iter().map(row).collect())
}

/// The ten zones with most readings.
fn largest<const N: usize>(title: &str, header: [&str; N], mut zones: Vec<(u64, [String; N])>) -> Result<()> {
    common::print(format_args!("\n{title}"))?;
    zones.sort_by_key(|(readings, _)| std::cmp::Reverse(*readings));
    let all = zones.len();
    common::print(common::table(header, &[], zones.into_iter().take(10).map(|(_, cells)| cells)))?;
    if all > 10 {
        common::print(format_args!("… {all} zones in all"))?;
    }
    Ok(())
}

/// The zones by behaviour, each with how full it is at some hours of the week.
fn behaviours(behaviours: &[Behaviour], asked: u8) -> Result<()> {
    if behaviours.is_empty() {
        return match asked {
            0 => Ok(()),
            _ => common::print(format_args!(
                "\nZones by behaviour: none, for fewer than {asked} stations are known for half the hours of a week"
            )),
        };
    }
    common::print("\nZones by behaviour: stations whose week is alike; bikes per dock at some hours of it")?;
    let rows = behaviours.iter().map(|behaviour| {
        let zone = &behaviour.statistics;
        let at = |day: usize, hour: usize| percent(behaviour.profile.occupancy[24 * day + hour]);
        let first = behaviour.stations.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        [
            zone.zone.clone(),
            zone.stations.to_string(),
            figure(zone.over_time.free_docks.mean, 2),
            percent(zone.over_time.occupancy.mean),
            at(1, 3),
            at(1, 9),
            at(1, 14),
            at(1, 19),
            at(5, 14),
            percent(zone.over_time.observed.share),
            first,
        ]
    });
    let header = [
        "zone",
        "stations",
        "free docks",
        "occupancy",
        "Tue 3:00",
        "9:00",
        "14:00",
        "19:00",
        "Sat 14:00",
        "observed",
        "the first of them",
    ];
    common::print(common::table(header, &[10], rows))
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{:.1} %", 100.0 * share))
}

fn most_often_empty(stations: &[SometimesEmpty]) -> Vec<&SometimesEmpty> {
    let mut empty: Vec<_> = stations.iter().collect();
    empty.sort_by(|a, b| b.empty.share.unwrap_or(0.0).total_cmp(&a.empty.share.unwrap_or(0.0)));
    empty
}

fn draw(folder: &Path, result: &Statistics, history: &History, described: &str) -> Result<()> {
    let source = draw_zones(folder, result, described)?;
    // A station that was never open (one has no dock at all) is empty for good, and has no week to show.
    let was_open =
        |code: &StationCode| result.stations.iter().any(|station| station.station_code == *code && station.open > 0);
    let empty = most_often_empty(&result.sometimes_empty).into_iter().find(|station| was_open(&station.station_code));
    let Some(SometimesEmpty { station_code, .. }) = empty else { return Ok(()) };
    let week = common::station_week(&history.readings_of(station_code)?, station_code, &source);
    week.map_or(Ok(()), |week| common::draw(folder, "most-often-empty", &week))
}

/// What is drawn from the statistics alone; whose data it shows.
fn draw_zones(folder: &Path, result: &Statistics, described: &str) -> Result<String> {
    let zone =
        |zone: &ZoneStatistics| Zone { zone: zone.zone.clone(), occupancy: zone.occupancy, stations: zone.stations };
    let names = result.stations.iter().filter_map(|station| station.name.as_deref());
    let source = common::source_line_by(described, names, result.communes.iter().map(|commune| commune.zone.as_str()));
    mean_occupancy(folder, result.arrondissements.iter().map(zone).collect(), source.clone())?;
    Ok(source)
}

fn mean_occupancy(folder: &Path, zones: Vec<Zone>, source: String) -> Result<()> {
    let bars = ZoneOccupancy { title: "Mean occupancy by zone".into(), source, zones };
    common::draw(folder, "mean-occupancy", &Figure::from(bars))
}
