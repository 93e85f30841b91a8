//! `part2_stream --serve` as its user runs it: the page is there while the stream is read, and after its end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use support::{assert_failed, assert_misused, command, folder, history, run, start, write_csv};
use tempfile::TempDir;

/// The example while it serves; it is ended with the value.
struct Serving {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Serving {
    fn start(folder: &TempDir, options: &[&str]) -> Self {
        let serve = ["--serve", "127.0.0.1:0"].as_slice();
        let mut child = start(command(folder, "part2_stream", &[serve, options].concat()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Vec<String> = lines.by_ref().take(4).map(Result::unwrap).collect();
        let address = first[3].strip_prefix("Page:   http://").unwrap().to_owned();
        Self { child, lines, address }
    }

    /// The body that is answered with status 200.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        body.to_owned()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn the_page_shows_what_the_stream_has_brought_and_stays() {
    let (folder, readings) = (folder(), history(5, TimeDelta::hours(12), TimeDelta::minutes(5)));
    write_csv(&folder, "history.csv", &readings);
    let mut serving = Serving::start(&folder, &["--source", "history.csv", "--zone", "arrondissement"]);
    assert!(serving.get("/").starts_with("<!doctype html>"));
    // The report is printed when all was read; the page is told within a second or two.
    assert!(serving.lines.by_ref().map(Result::unwrap).any(|line| line.contains("all windows are in the store")));
    let newest = readings.iter().map(|reading| reading.last_reported).max().unwrap();
    let started = Instant::now();
    while serving.json("/api/network")["newest"] != json!(newest) {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", serving.json("/api/network"));
        sleep(Duration::from_millis(100));
    }
    let network = serving.json("/api/network");
    assert_eq!((&network["stations"]["all"], &network["recording"]), (&json!(5), &json!(true)));
    assert_eq!(serving.json("/api/zones")["kind"], "arrondissement");
    assert!(!serving.json("/api/stations/16107")["windows"].as_array().unwrap().is_empty());
    assert_eq!((serving.get("/health").as_str(), serving.child.try_wait().unwrap()), ("ok\n", None));

    // The same address again is not to be had.
    let again = run(&folder, "part2_stream", &["--store", "sqlite:b.sqlite", "--serve", &serving.address]);
    assert_failed(
        &again,
        &["http://127.0.0.1:", "the page cannot be shown there: ", "in use", "; give another address"],
    );
}

#[test]
fn what_cannot_be_served_is_wrong_usage() {
    let folder = folder();
    let memory = run(&folder, "part2_stream", &["--store", "sqlite::memory:", "--serve", "0"]);
    assert_misused(&memory, &["--serve: a store in memory cannot be read by the page; give --store sqlite:FILE"]);
    for written in ["x", "127.0.0.1", "99999"] {
        let refused = run(&folder, "part2_stream", &["--serve", written]);
        assert_misused(&refused, &[&format!("`{written}` is not an address of this computer"), "as in 127.0.0.1:8080"]);
    }
}
