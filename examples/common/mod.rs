//! What the examples share: the options that several of them take, how they print, and how they end.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::print_stderr,
    reason = "each example uses its own part of this and talks to its user"
)]

pub mod gaps;
pub mod log;
pub mod picture;
pub mod query;
pub mod spark_statistics;
pub mod spark_stream;
pub mod telling;
pub mod windows;

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Parser};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use velib::batch::{History, Overview, OverviewOfFiles, data_files};
use velib::ingest::{
    Api, Fallback, FilesRead, Gbfs, Metrics, Note, Opendatasoft, Recording, SetAside, SimulatedNetwork,
    SimulationConfig, Snapshot, Source, Stop, VELIB_GBFS,
};
use velib::kafka::{Broker, ClientProperties};
use velib::report::{Figure, StationPoint, StationWeek};
use velib::serve::{MetricsServer, ServeAddress};
use velib::streaming::Zones;
use velib::{Error, Result, StationCode, StationStatus};

/// Reads the command line, runs `main`, and turns its answer into an exit code: 0, 1 for a failure, 2 for wrong usage.
pub fn run<A: Parser>(main: impl FnOnce(A) -> Result<()>) -> ExitCode {
    match main(A::parse()) {
        Ok(()) => {
            if log::is_on() {
                log::note("ended");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// The flag that Ctrl-C and SIGTERM set, for work that ends when its step is done; a second one ends the program at once,
/// with exit code 130. Not SIGHUP, which `nohup` means to be ignored.
pub fn stop_by_signal() -> Result<Stop> {
    let (stop, asked) = (Stop::new(), Arc::new(AtomicBool::new(false)));
    let failed = |error| Error::new(velib::ErrorKind::Io, format!("signals cannot be waited for: {error}"));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset, and sets it.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked)).map_err(failed)?;
        flag::register(signal, Arc::clone(&asked)).map_err(failed)?;
    }
    let told = stop.clone();
    std::thread::spawn(move || {
        // A handler may do no more than set a flag.
        while !asked.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        told.request();
        log::note("stopping when this step is done; once more to stop at once");
    });
    Ok(stop)
}

/// Where readings come from.
#[derive(Args)]
pub struct SourceOptions {
    /// Where readings come from: `live`, `gbfs`, `simulate`, or a file: a recording as CSV or Parquet, an export as CSV or JSON
    #[arg(long, value_name = "live|gbfs|simulate|FILE")]
    source: Option<String>,
    /// Base address of the portal, to which each interface adds its own path, or of GBFS the gbfs.json [default: Vélib's own]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The portal's interface, v2.1 or v1.0 (deprecated)
    #[arg(long, value_name = "v2.1|v1.0", default_value = "v2.1")]
    api: String,
    /// Where to ask when a poll fails or comes short: another portal, or a gbfs.json; may be given several times [default: the
    /// portal's other interface]
    #[arg(long, value_name = "URL")]
    fallback: Vec<String>,
}

/// Where readings come from, once opened.
pub enum Opened {
    /// The portal, which can also be asked for a part.
    Live(Portal),
    /// Any other source, which brings whole snapshots: GBFS, a recording, a simulation.
    Replay(Box<dyn Source>),
}

/// The portal, and what stands in for it.
pub struct Portal {
    portal: Opendatasoft,
    others: Vec<Box<dyn Source>>,
}

impl SourceOptions {
    /// Opens the source; `unless_told` is taken when no `--source` was given, but an endpoint always means `live`.
    pub fn open(&self, unless_told: &str) -> Result<Opened> {
        let unless_told = if self.endpoint.is_some() { "live" } else { unless_told };
        match self.source.as_deref().unwrap_or(unless_told) {
            "live" => {
                let api: Api = self.api.parse()?;
                Ok(Opened::Live(Portal { portal: self.portal(api)?, others: self.others(Some(api))? }))
            }
            "gbfs" => {
                let gbfs = Gbfs::new(self.endpoint.as_deref().unwrap_or(VELIB_GBFS))?;
                let others = self.others(None)?;
                let gbfs = if others.is_empty() { gbfs } else { gbfs.with_codes() };
                Ok(Opened::Replay(told(either(Box::new(gbfs), others))))
            }
            _ if self.endpoint.is_some() => {
                Err(Error::usage("--endpoint", "only a live source has an address").way_out("leave --source out"))
            }
            _ if !self.fallback.is_empty() => {
                Err(Error::usage("--fallback", "only a live source needs another").way_out("leave it out"))
            }
            "simulate" => Ok(Opened::Replay(Box::new(SimulatedNetwork::new(SimulationConfig::default())?))),
            file => {
                let recording = Recording::read(&[file])?;
                report_set_aside(recording.set_aside());
                Ok(Opened::Replay(told(Box::new(recording.replay()))))
            }
        }
    }

    fn portal(&self, api: Api) -> Result<Opendatasoft> {
        let portal = Opendatasoft::new(api)?;
        self.endpoint.as_ref().map_or(Ok(portal.clone()), |endpoint| portal.with_endpoint(endpoint))
    }

    /// What stands in for the source: what was named, or the other interface of the portal that is asked through `api`.
    fn others(&self, api: Option<Api>) -> Result<Vec<Box<dyn Source>>> {
        let mut others: Vec<Box<dyn Source>> = Vec::new();
        for url in &self.fallback {
            others.push(if url.ends_with(".json") || url.contains("gbfs") {
                Box::new(Gbfs::new(url)?.with_codes())
            } else {
                Box::new(Opendatasoft::new(Api::default())?.with_endpoint(url)?)
            });
        }
        if let Some(api) = api.filter(|_| others.is_empty()) {
            others.push(Box::new(self.portal(if api == Api::V2_1 { Api::V1_0 } else { Api::V2_1 })?));
        }
        Ok(others)
    }
}

impl Portal {
    /// The first `rows` stations.
    pub fn rows(&mut self, rows: usize) -> Result<Snapshot> {
        let snapshot = self.portal.rows(rows);
        report_notes(&self.portal.notes());
        snapshot
    }

    /// One station.
    pub fn station(&self, code: &StationCode) -> Result<StationStatus> {
        self.portal.station(code)
    }

    pub fn describe(&self) -> String {
        self.portal.describe()
    }
}

/// The first source, with the others for when it fails.
fn either(first: Box<dyn Source>, others: Vec<Box<dyn Source>>) -> Box<dyn Source> {
    if others.is_empty() { first } else { Box::new(Fallback::new(first, others)) }
}

impl SourceOptions {
    /// With a real Kafka nothing is published here, so a source would be left unread: wrong whether or not it answers.
    pub fn refuse_beside_brokers(&self, kafka: &KafkaOptions) -> Result<()> {
        let option = match (&self.source, &self.endpoint, self.fallback.as_slice()) {
            _ if kafka.brokers.is_none() => return Ok(()),
            (Some(_), ..) => "--source",
            (_, Some(_), _) => "--endpoint",
            (_, _, [_, ..]) => "--fallback",
            _ => return Ok(()),
        };
        Err(Error::usage(option, "with --brokers the readings are those of the topic")
            .way_out("publish the source to it by `part1_fetch --publish`"))
    }
}

impl Opened {
    /// As the one trait that every source answers to.
    pub fn into_source(self) -> Box<dyn Source> {
        match self {
            Self::Live(Portal { portal, others }) => told(either(Box::new(portal), others)),
            Self::Replay(source) => source,
        }
    }
}

/// A source that tells on stderr what it notices.
struct Told(Box<dyn Source>);

fn told(source: Box<dyn Source>) -> Box<dyn Source> {
    Box::new(Told(source))
}

impl Source for Told {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        let snapshot = self.0.poll();
        report_notes(&self.0.notes());
        snapshot
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        self.0.next_due()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// Tells on stderr what was noticed of a feed's or a file's form.
pub fn report_notes(notes: &[Note]) {
    notes.iter().for_each(|note| log::note(format_args!("note: {note}")));
}

/// The broker and the topic.
#[derive(Args)]
pub struct KafkaOptions {
    /// A Kafka to use, HOST:PORT[,HOST:PORT]; without it a broker inside this process, which keeps nothing after the run
    #[arg(long, value_name = "HOST:PORT")]
    pub brokers: Option<String>,
    /// How the Kafka is to be spoken to, TLS and user, in a client.properties of Kafka's; passwords may stand in the
    /// environment instead, as VELIB_KAFKA_CONFIG_SASL_PASSWORD
    #[arg(long, value_name = "FILE", requires = "brokers")]
    kafka_config: Option<PathBuf>,
    /// The topic of the readings
    #[arg(long, default_value = "velib")]
    pub topic: String,
}

impl KafkaOptions {
    /// Whether it is to be spoken to in a way of its own, by the file or by the environment.
    #[cfg(feature = "spark")]
    pub fn is_configured(&self) -> Result<bool> {
        Ok(!ClientProperties::load(self.kafka_config.as_deref())?.is_empty())
    }

    /// Reaches the broker, or starts the embedded one.
    pub fn open(&self) -> Result<Broker> {
        let Some(brokers) = &self.brokers else { return Broker::embedded() };
        let properties = ClientProperties::load(self.kafka_config.as_deref())?;
        properties.cautions().iter().for_each(log::warn);
        Broker::connect_with(brokers, properties)
    }
}

/// The numbers of a long run, for Prometheus.
#[derive(Args)]
pub struct MetricsOptions {
    /// Show the numbers of this run at http://HOST:PORT/metrics, for Prometheus; a port alone is for this computer only
    #[arg(long, value_name = "[HOST:]PORT")]
    metrics: Option<ServeAddress>,
}

impl MetricsOptions {
    /// Where nothing would be counted they are not shown either.
    pub fn refuse_without_brokers(&self, kafka: &KafkaOptions) -> Result<()> {
        if self.metrics.is_none() || kafka.brokers.is_some() {
            return Ok(());
        }
        Err(Error::usage("--metrics", "to measure a publisher needs a real Kafka")
            .way_out("give one by --brokers HOST:PORT"))
    }

    /// The numbers, and the server that shows them where one was asked for.
    pub fn open(&self) -> Result<(Metrics, Option<MetricsServer>)> {
        let metrics = Metrics::new();
        let server = self.metrics.map(|address| MetricsServer::start(address, metrics.clone())).transpose()?;
        if let Some(server) = &server {
            log::note(format_args!("metrics: {}", server.url()));
        }
        Ok((metrics, server))
    }
}

/// The history that Part 3 and Part 4 work on.
#[derive(Args)]
pub struct DataOptions {
    /// History to work on, CSV, Parquet or JSON, or a folder of such; may be given several times [default: the simulated
    /// network]
    #[arg(long, value_name = "FILE|DIR")]
    data: Vec<PathBuf>,
}

impl DataOptions {
    /// What the history is, in words, and its readings, each (station, `last_reported`) once.
    pub fn read(&self) -> Result<(String, Vec<StationStatus>)> {
        if self.data.is_empty() {
            let network = SimulatedNetwork::new(SimulationConfig::default())?;
            let described = network.describe();
            let mut recording = Recording::from_readings(network.readings());
            recording.deduplicate();
            return Ok((described, recording.into_readings()));
        }
        let mut recording = Recording::read(&data_files(&self.data)?)?;
        report_notes(recording.notes());
        report_set_aside(recording.set_aside());
        let repeated = recording.deduplicate();
        let files = self.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let readings = recording.into_readings();
        Ok((format!("{files} ({} readings, {repeated} repeats left out)", readings.len()), readings))
    }

    /// The paths and addresses for a server to read, and beside a file that lies here what its collector has not brought into it.
    pub fn named(&self) -> Result<Vec<String>> {
        let text = |path: PathBuf| from_root(&path.to_string_lossy());
        let seen = |path: &PathBuf| if path.is_file() { data_files(&[path]) } else { Ok(vec![path.clone()]) };
        let paths = self.data.iter().map(seen).collect::<Result<Vec<_>>>()?;
        Ok(paths.into_iter().flatten().map(text).collect())
    }

    /// What the history is, in words, and its readings, which need not fit in memory.
    pub fn history(&self) -> Result<(String, History)> {
        if self.data.is_empty() {
            let network = SimulatedNetwork::new(SimulationConfig::default())?;
            return Ok((network.describe(), History::of(&network.readings())?));
        }
        let mut progress = Progress::new();
        let history = History::read(&data_files(&self.data)?, &mut |readings| {
            progress.show(|| format!("{readings} readings read"));
        })?;
        drop(progress);
        Ok((self.found(history.found()), history))
    }

    /// What the history is, in words, and what counts every reading of it once.
    pub fn overview(&self, zones: Option<&Zones>) -> Result<(String, OverviewOfFiles)> {
        if self.data.is_empty() {
            let network = SimulatedNetwork::new(SimulationConfig::default())?;
            let described = network.describe();
            let mut recording = Recording::from_readings(network.readings());
            let repeats = recording.deduplicate() as u64;
            let overview = Overview::of(recording.readings(), zones);
            return Ok((described, OverviewOfFiles { overview, repeats, found: FilesRead::default() }));
        }
        let mut progress = Progress::new();
        let overview = Overview::read(&data_files(&self.data)?, zones, &mut |readings| {
            progress.show(|| format!("{readings} readings read"));
        })?;
        drop(progress);
        Ok((self.found(&overview.found), overview))
    }

    /// Tells what was noticed in files; what they are, in words.
    fn found(&self, found: &FilesRead) -> String {
        report_notes(&found.notes);
        report_some_set_aside(&found.set_aside, found.unreadable);
        let files = self.data.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        format!("{files} ({} readings as read)", found.readings)
    }
}

/// A path of this machine from its root, for a server that stands in another folder; an address as it is.
pub fn from_root(path: &str) -> String {
    if path.contains("://") || path.starts_with("file:") {
        return path.to_owned();
    }
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// Tells on stderr how many records could not be read, and shows the first few.
pub fn report_set_aside(set_aside: &[SetAside]) {
    report_some_set_aside(set_aside, set_aside.len() as u64);
}

/// The same of the first of so many.
fn report_some_set_aside(first: &[SetAside], all: u64) {
    for record in first.iter().take(3) {
        log::error(format_args!("set aside: {record}"));
    }
    if all > 3 {
        log::error(format_args!("set aside: {all} records in all"));
    }
}

/// A duration such as `60s`, `10m`, `1h` or `1h 30m`.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write for example 60s, 10m or 1h"))
}

/// A duration as it would be written on the command line.
pub fn in_words(duration: Duration) -> impl Display {
    humantime::format_duration(duration)
}

/// The same of whole seconds.
pub fn seconds(seconds: i64) -> impl Display {
    humantime::format_duration(Duration::from_secs(seconds.unsigned_abs()))
}

/// A file in a folder, which is made if it is missing.
pub fn in_folder(folder: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
    Ok(folder.join(name))
}

/// Prints results. A reader that has gone away (`| head`) ends the program quietly.
pub fn print(text: impl Display) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|error| Error::io("standard output", &error)),
    }
}

/// Prints results as one JSON object.
pub fn print_json(results: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(results);
    print(text.map_err(|error| Error::new(velib::ErrorKind::Data, format!("the results are no JSON: {error}")))?)
}

/// The first line of every example: what it works on. With `--json` stdout is for the object alone.
pub fn headline(json: bool, text: impl Display) -> Result<()> {
    if json {
        eprintln!("{text}");
        return Ok(());
    }
    print(text)
}

/// A table: the first column to the left, the others to the right, or to the left where `left` says so.
pub fn table<const N: usize>(header: [&str; N], left: &[usize], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let is_left = index == 0 || left.contains(&index);
        column.set_cell_alignment(if is_left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// A number that may be unknown, with so many decimals.
pub fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}

/// A count that may be unknown.
pub fn count(value: Option<u32>) -> String {
    value.map_or_else(|| "–".into(), |value| value.to_string())
}

/// A line on stderr that says how far the work is, a few times a second, if there is a terminal to read it; in a log once a
/// minute.
pub struct Progress {
    shown: Option<Instant>,
    is_terminal: bool,
    logged: Instant,
}

impl Progress {
    pub fn new() -> Self {
        Self { shown: None, is_terminal: std::io::stderr().is_terminal(), logged: Instant::now() }
    }

    /// Shows what `text` makes, unless something was shown a moment ago.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if log::is_on() && self.logged.elapsed() > Duration::from_secs(60) {
            self.logged = Instant::now();
            return log::note(text());
        }
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(200));
        if self.is_terminal && is_due {
            eprint!("\r\x1b[K{}", text());
            self.shown = Some(Instant::now());
        }
    }
}

impl Progress {
    /// Shows a step that is worth a line of its own, however soon after the last.
    pub fn show_now(&mut self, text: &str) {
        self.shown = None;
        self.show(|| text.to_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// A file for the results of a run that was not told where to put them: `var/NAME`, in the place of an earlier run's.
pub fn scratch_file(name: &str) -> Result<PathBuf> {
    let path = Path::new("var").join(name);
    std::fs::create_dir_all("var").map_err(|error| Error::io("var", &error))?;
    for old in ["", "-wal", "-shm", ".offsets"].map(|end| PathBuf::from(format!("{}{end}", path.display()))) {
        match std::fs::remove_file(&old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(&old, &error)),
            _ => {}
        }
    }
    Ok(path)
}

/// An empty folder; what an earlier run of ours left there under `var` is replaced, anything else is refused.
pub fn folder_made_anew(folder: &Path) -> Result<&Path> {
    if folder.starts_with("var") && folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
    }
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::usage("--out", format!("{} is not empty", folder.display())).way_out("name a new folder"));
    }
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
    Ok(folder)
}

/// Where the data of a figure come from. A file does not say who published it, so its stations do: those of Vélib' are under
/// the licence of Paris Data. Of anything else only what was read is named, of an address or a file.
pub fn source_line(described: &str, readings: &[StationStatus]) -> String {
    let names = readings.iter().filter_map(|reading| reading.name.as_deref());
    source_line_by(described, names, readings.iter().filter_map(|reading| reading.commune.as_deref()))
}

/// [`source_line`] by the names and the communes of the stations: they are Vélib's if one of the communes is Paris, and the names
/// are not those of the simulated network, which a file may hold too. 16107 alone does not tell: its name is in both.
pub fn source_line_by<'a>(
    described: &str,
    names: impl IntoIterator<Item = &'a str>,
    communes: impl IntoIterator<Item = &'a str>,
) -> String {
    if let Some(settings) = described.strip_prefix("the simulated network") {
        return format!("Simulated network{settings}");
    }
    let mut names = names.into_iter().filter(|name| *name != IN_BOTH).peekable();
    let are_real = names.peek().is_some() && !names.any(SimulatedNetwork::is_invented);
    if are_real && communes.into_iter().any(|commune| commune == "Paris") {
        return "Data: Paris Data, ODbL".into();
    }
    format!("Data: {}", described.split(" (").next().unwrap_or(described))
}

/// The name of 16107.
const IN_BOTH: &str = "Benjamin Godard - Victor Hugo";

/// Draws a figure as `FOLDER/NAME.png`, beside the JSON that it can be drawn again from.
pub fn draw(folder: &Path, name: &str, figure: &Figure) -> Result<()> {
    figure.write_json(folder.join(name).with_extension("json"))?;
    figure.draw(folder.join(name).with_extension("png"))
}

/// The last week of one station's history; `source` as [`source_line`] says it.
pub fn station_week(readings: &[StationStatus], code: &StationCode, source: &str) -> Option<Figure> {
    let own = || readings.iter().filter(|reading| reading.station_code == *code);
    let last = own().max_by_key(|reading| reading.last_reported)?;
    let from = last.last_reported - TimeDelta::days(7);
    let name = last.name.as_deref().unwrap_or_default();
    Some(Figure::from(StationWeek {
        title: "Availability over a week".into(),
        station: format!("{code} {name}").trim().to_owned(),
        source: source.to_owned(),
        capacity: last.capacity.map(f64::from),
        points: own()
            .filter(|reading| reading.last_reported > from && !reading.is_closed())
            .map(|reading| StationPoint {
                time: reading.last_reported,
                docks: reading.docks_available.map(f64::from),
                mechanical: reading.mechanical.map(f64::from),
                ebike: reading.ebike.map(f64::from),
            })
            .collect(),
        forecast: vec![],
        horizon_minutes: None,
    }))
}
