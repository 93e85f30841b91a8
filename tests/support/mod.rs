//! A server on loopback that answers as a test tells it to, for what a real portal cannot be made to do; and the examples, run
//! as their users run them.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its own part; a test may panic")]

pub(crate) mod kafka;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;
use velib::StationStatus;
use velib::ingest::{SimulatedNetwork, SimulationConfig};

/// Answers every request with what `answer` makes of its path and query, and remembers what was asked.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gives a whole HTTP response, from [`ok`], [`status`] or by hand.
    pub(crate) fn start<A: AsRef<[u8]>>(mut answer: impl FnMut(&str) -> A + Send + 'static) -> Self {
        Self::write(move |path, mut stream| stream.write_all(answer(path).as_ref()))
    }

    /// `answer` writes the response itself, until it is through or the client has gone.
    pub(crate) fn write(mut answer: impl FnMut(&str, &TcpStream) -> std::io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(path) = path_of(&stream) {
                    remembered.lock().unwrap().push(path.clone());
                    let _ = answer(&path, &stream);
                }
            }
        });
        Self { address, asked }
    }

    /// The paths asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn path_of(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty);
    Some(path)
}

/// 200 with a JSON document.
pub(crate) fn ok(document: &Value) -> String {
    status("200 OK", "", &document.to_string())
}

/// A status with further headers (each ended by CRLF) and a body.
pub(crate) fn status(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A record of Explore v2.1.
pub(crate) fn record(code: u32) -> Value {
    json!({"stationcode": code.to_string(), "name": format!("Station {code}"), "is_installed": "OUI", "capacity": 30,
        "numdocksavailable": 10, "numbikesavailable": 18, "mechanical": 11, "ebike": 7, "is_renting": "OUI",
        "is_returning": "OUI", "duedate": "2022-05-12T09:18:14+00:00", "coordonnees_geo": {"lon": 2.36, "lat": 48.86},
        "nom_arrondissement_communes": "Paris"})
}

/// The value of `name` in the query of `path`, as a number.
pub(crate) fn number(path: &str, name: &str) -> usize {
    let (_, query) = path.split_once('?').unwrap();
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap().parse().unwrap()
}

/// A page of Explore v2.1 out of `stations` records, in the order of their codes.
pub(crate) fn page(path: &str, stations: u32) -> String {
    let (offset, limit) = (number(path, "offset"), number(path, "limit"));
    let results: Vec<_> = (0..stations).map(record).skip(offset).take(limit).collect();
    ok(&json!({"total_count": stations, "results": results}))
}

/// `cargo test` puts the examples' executables into `examples`, beside the `deps` that this one runs from. (`cargo test
/// --test examples` alone builds none: `cargo build --examples` before it.)
pub(crate) fn executable(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(example).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is missing: run cargo test, which builds the examples", path.display());
    path
}

/// An example with its command line, to run in a folder of its own.
pub(crate) fn command(folder: &TempDir, example: &str, options: &[&str]) -> Command {
    let mut command = Command::new(executable(example));
    command.args(options).current_dir(folder.path()).env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
    command
}

pub(crate) fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn run(folder: &TempDir, example: &str, options: &[&str]) -> Output {
    start(command(folder, example, options)).wait_with_output().unwrap()
}

pub(crate) fn said(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap()
}

/// What an example that ends well prints.
pub(crate) fn printed(folder: &TempDir, example: &str, options: &[&str]) -> String {
    let output = run(folder, example, options);
    assert!(output.status.success(), "{example} {options:?}: {}", said(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one JSON object, and nothing else, that an example prints.
pub(crate) fn object(folder: &TempDir, example: &str, options: &[&str]) -> Value {
    let value: Value = serde_json::from_str(&printed(folder, example, &[options, &["--json"]].concat())).unwrap();
    assert!(value.is_object(), "{example}: {value}");
    value
}

/// A failure: code 1 and one line on stderr, `error: ` with each of `parts` in this order.
pub(crate) fn assert_failed(output: &Output, parts: &[&str]) {
    let told = said(&output.stderr);
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert_told(told, parts);
}

/// Wrong usage: code 2, and the first line on stderr as above; the command line's own syntax may follow it.
pub(crate) fn assert_misused(output: &Output, parts: &[&str]) {
    let told = said(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
    assert_told(told.lines().next().unwrap(), parts);
}

/// The line with which a program that failed says why.
pub(crate) fn error_in(output: &Output) -> &str {
    let mut lines = said(&output.stderr).lines().filter(|line| line.starts_with("error: "));
    lines.next_back().unwrap_or_default()
}

pub(crate) fn assert_told(line: &str, parts: &[&str]) {
    assert!(line.starts_with("error: ") && !line.contains("panicked"), "{line}");
    let mut rest = line;
    for part in parts {
        let found = rest.split_once(part);
        assert!(found.is_some(), "`{part}` is not in its place in: {line}");
        rest = found.unwrap().1;
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Readings of the simulated network as they arrive, repeats included.
pub(crate) fn history(stations: usize, duration: TimeDelta, step: TimeDelta) -> Vec<StationStatus> {
    SimulatedNetwork::new(SimulationConfig { stations, duration, step, ..SimulationConfig::default() })
        .unwrap()
        .readings()
}

pub(crate) fn write_csv(folder: &TempDir, name: &str, readings: &[StationStatus]) {
    let mut writer = csv::Writer::from_path(folder.path().join(name)).unwrap();
    readings.iter().for_each(|reading| writer.serialize(reading).unwrap());
    writer.flush().unwrap();
}
