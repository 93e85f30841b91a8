//! The server over real sockets of loopback, each test with a store and a server of its own.

mod answers;
mod described;
mod limits;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::Value;
use tempfile::TempDir;

use super::{ServeSettings, Server};
use crate::station::{StationCode, StationStatus};
use crate::streaming::{SqliteStore, StreamingStatistics, Windowing, Zones};

/// A store in a folder of its own, an engine that writes to it, and a server that shows it.
pub(super) struct Shown {
    pub(super) engine: StreamingStatistics,
    pub(super) server: Server,
    folder: TempDir,
}

/// Settings that make a test quick.
pub(super) fn quick() -> ServeSettings {
    ServeSettings {
        every: Duration::from_millis(20),
        keep_alive: Duration::from_millis(200),
        patience: Duration::from_millis(500),
        ..ServeSettings::default()
    }
}

impl Shown {
    /// A server of these readings.
    pub(super) fn new(settings: ServeSettings, readings: &[StationStatus]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = || Box::new(SqliteStore::open(folder.path().join("shown.sqlite")).unwrap());
        let ten_minutes = Windowing::tumbling(Duration::from_secs(600)).unwrap();
        let mut engine = StreamingStatistics::new(ten_minutes, open()).unwrap();
        update(&mut engine, readings);
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::start(address, open(), Zones::open("commune").unwrap(), settings).unwrap();
        Self { engine, server, folder }
    }

    /// Where the store is.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("shown.sqlite")
    }

    pub(super) fn update(&mut self, readings: &[StationStatus]) {
        update(&mut self.engine, readings);
    }

    pub(super) fn connect(&self) -> TcpStream {
        connect(self.server.address())
    }

    /// What is answered to a request, however odd its target.
    pub(super) fn ask(&self, method: &str, target: &str) -> Answer {
        ask(self.server.address(), method, target)
    }

    /// The JSON that is answered, with status 200.
    pub(super) fn get(&self, target: &str) -> Value {
        let answer = self.ask("GET", target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        answer.json()
    }

    /// Asks until the answer is as it should be, for some seconds.
    pub(super) fn wait_for(&self, target: &str, fits: impl Fn(&Answer) -> bool) -> Answer {
        let started = Instant::now();
        loop {
            let answer = self.ask("GET", target);
            if fits(&answer) {
                return answer;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{target} stays {} {}", answer.status, answer.body);
            sleep(Duration::from_millis(20));
        }
    }

    /// An event stream of which nothing is read, unless it is refused.
    pub(super) fn stream(&self) -> Option<TcpStream> {
        let (mut stream, mut start) = (self.connect(), [0; 12]);
        stream.write_all(b"GET /api/events HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.read_exact(&mut start).unwrap();
        start.ends_with(b"200").then_some(stream)
    }

    /// The events, one by one, without the signs of life.
    pub(super) fn events(&self) -> impl Iterator<Item = Value> + use<> {
        let mut stream = self.connect();
        write!(stream, "GET /api/events HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        let mut text = String::new();
        std::iter::from_fn(move || {
            loop {
                if let Some((event, rest)) = text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    text = rest;
                    if let Some((_, data)) = event.split_once("data: ") {
                        return Some(serde_json::from_str(data).unwrap());
                    }
                    continue;
                }
                text.push_str(&chunk(&mut stream)?);
            }
        })
    }
}

/// The next chunk of a chunked body (RFC 9112, section 7.1).
fn chunk(stream: &mut impl BufRead) -> Option<String> {
    let mut size = String::new();
    stream.read_line(&mut size).unwrap();
    let size = usize::from_str_radix(size.trim(), 16).ok().filter(|&size| size > 0)?;
    let mut chunk = vec![0; size + 2];
    stream.read_exact(&mut chunk).unwrap();
    chunk.truncate(size);
    Some(String::from_utf8(chunk).unwrap())
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// What is answered to a request, however odd its target.
pub(super) fn ask(address: SocketAddr, method: &str, target: &str) -> Answer {
    let mut stream = connect(address);
    write!(stream, "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    Answer::read(stream)
}

fn update(engine: &mut StreamingStatistics, readings: &[StationStatus]) {
    for reading in readings {
        engine.update(reading).unwrap();
    }
    engine.flush().unwrap();
}

/// An answer; no status where the connection was closed without one.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = vec![];
        let _reset = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The present, in whole seconds, which is what a store keeps.
pub(super) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0)
}

/// A reading of an open station in Paris, made so many minutes ago and fetched two minutes later.
pub(super) fn reading(code: &str, minutes_ago: i64) -> StationStatus {
    let at = now() - TimeDelta::minutes(minutes_ago);
    StationStatus {
        name: Some(format!("Station {code}").into()),
        is_installed: Some(true),
        is_renting: Some(true),
        is_returning: Some(true),
        capacity: Some(20),
        docks_available: Some(5),
        bikes_available: Some(15),
        mechanical: Some(9),
        ebike: Some(6),
        lat: Some(48.86),
        lon: Some(2.35),
        commune: Some("Paris".into()),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at, at + TimeDelta::minutes(2))
    }
}
