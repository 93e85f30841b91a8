//! The programs as whoever runs them for months does: ended by Ctrl-C and SIGTERM, what was begun is finished, kept and
//! counted; their numbers are there for Prometheus, and where stderr is no terminal they write a log.

#![cfg(unix)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use support::{Server, assert_misused, command, folder, history, ok, page, record, run, said, start, write_csv};
use tempfile::TempDir;

/// Asks a process to end, as `kill` and a terminal do.
fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap().success());
}

/// What a portal with 40 stations answers.
fn portal(path: &str) -> String {
    match path.contains("/exports/") {
        true => ok(&(0..40).map(record).collect()),
        false => page(path, 40),
    }
}

/// A portal that says when it is asked, and answers when it is let.
fn hesitant_portal() -> (Server, Receiver<()>, Sender<()>) {
    let ((tell, asked), (go, let_go)) = (channel(), channel());
    let server = Server::start(move |path| {
        tell.send(()).unwrap();
        // Whoever has gone away lets it answer.
        let _gone = let_go.recv();
        portal(path)
    });
    (server, asked, go)
}

fn publish(folder: &TempDir, server: &Server) -> Child {
    start(command(folder, "part1_fetch", &["--publish", "--every", "1h", "--endpoint", &server.address]))
}

fn ended_well(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output.stdout), said(&output.stderr));
    output
}

fn last_line(output: &Output) -> &str {
    said(&output.stdout).lines().last().unwrap()
}

#[test]
fn the_poll_in_flight_is_published_and_the_next_hour_is_not_waited_for() {
    for name in ["TERM", "INT"] {
        let (folder, (server, asked, go)) = (folder(), hesitant_portal());
        let child = publish(&folder, &server);
        asked.recv().unwrap();
        signal(&child, name);
        drop(go);
        let output = ended_well(child);
        let expected =
            "1 polls answered (0 incomplete), 0 failed: 40 readings received, 40 published, 0 repeated, 0 set aside";
        assert_eq!(last_line(&output), expected);
    }
}

#[test]
fn whoever_asks_twice_does_not_wait_for_the_step() {
    let (folder, (server, asked, _go)) = (folder(), hesitant_portal());
    let mut child = publish(&folder, &server);
    let stderr = child.stderr.take().unwrap();
    asked.recv().unwrap();
    signal(&child, "INT");
    let told =
        BufReader::new(stderr).lines().map(Result::unwrap).any(|line| line.contains("once more to stop at once"));
    assert!(told);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn lines(folder: &TempDir, file: &str) -> usize {
    std::fs::read(folder.path().join(file)).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count())
}

#[test]
fn a_collector_of_the_embedded_broker_ends_with_its_publisher_and_holds_what_it_says() {
    let folder = folder();
    let mut child = start(command(&folder, "part3_collect", &["--out", "all.csv"]));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Kafka:") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    signal(&child, "TERM");
    let totals = stdout.lines().map(Result::unwrap).last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rows = lines(&folder, "all.csv") - 1;
    assert!(totals.starts_with(&format!("all.csv: 0 readings were there, {rows} written, 0 repeated")), "{totals}");
    assert!(rows < 60 * 14 * 24 * 4, "{rows}: it went on to the end of the simulated fortnight");
}

#[test]
fn on_a_real_kafka_everything_read_is_kept_and_the_totals_are_told() {
    let Some(brokers) = support::kafka::address() else { return };
    let (folder, readings) = (folder(), history(12, TimeDelta::hours(12), TimeDelta::minutes(5)));
    write_csv(&folder, "history.csv", &readings);
    let topic = support::kafka::unique();
    let kafka = ["--brokers", &brokers, "--topic", &topic];
    let published = run(&folder, "part1_fetch", &[&kafka[..], &["--publish", "--source", "history.csv"]].concat());
    assert!(published.status.success(), "{}", said(&published.stderr));
    let keys: HashSet<_> = readings.iter().map(|reading| reading.key()).collect();

    let child = start(command(&folder, "part3_collect", &[&kafka[..], &["--out", "all.csv"]].concat()));
    until("the CSV is not complete", || lines(&folder, "all.csv") > keys.len());
    signal(&child, "TERM");
    let output = ended_well(child);
    let expected = format!("all.csv: 0 readings were there, {} written, 0 repeated, 0 set aside", keys.len());
    assert_eq!((last_line(&output), lines(&folder, "all.csv")), (expected.as_str(), keys.len() + 1));

    // What the group has acknowledged does not come again.
    let again = run(&folder, "part3_collect", &[&kafka[..], &["--out", "all.csv", "--until-end"]].concat());
    let expected = format!("all.csv: {} readings were there, 0 written, 0 repeated, 0 set aside", keys.len());
    assert_eq!(last_line(&again), expected);

    let mut child = start(command(&folder, "part2_stream", &[&kafka[..], &["--store", "sqlite:s.sqlite"]].concat()));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Store:") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    signal(&child, "INT");
    let report: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let told = |line: &String| line.contains(" readings (") || line == "no window yet";
    assert!(report.iter().any(told), "{report:?}");
    let again =
        run(&folder, "part2_stream", &[&kafka[..], &["--store", "sqlite:s.sqlite", "--until-end", "--json"]].concat());
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["totals"]["late"], 0);
    assert!(again["stations"].as_array().is_some_and(|stations| stations.len() == 12), "{again}");
}

/// What Prometheus fetches, line by line: name and value of each number, held to the text format 0.0.4.
fn fetched(url: &str) -> Vec<(String, f64)> {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.ends_with('\n'), "{body}");
    let lines: Vec<&str> = body.lines().collect();
    let mut names = HashSet::new();
    let numbers = lines.chunks(3).map(|three| {
        let [help, kind, number] = three else { panic!("{body}") };
        let (name, value) = number.split_once(' ').unwrap();
        assert!(
            name.starts_with("velib_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert!(help.starts_with(&format!("# HELP {name} ")), "{help}");
        let expected = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert_eq!(*kind, format!("# TYPE {name} {expected}"));
        assert!(names.insert(name), "{name} comes twice");
        (name.to_owned(), value.parse().unwrap())
    });
    numbers.collect()
}

fn number(numbers: &[(String, f64)], name: &str) -> Option<f64> {
    numbers.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
}

#[test]
fn the_numbers_of_a_run_are_at_the_address_it_logs() {
    let (folder, server) = (folder(), Server::start(portal));
    let options = ["--out", "all.csv", "--endpoint", &server.address, "--metrics", "0"];
    let mut child = start(command(&folder, "part3_collect", &options));
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = log.find_map(|line| line.split_once("metrics: ").map(|(_, url)| url.to_owned())).unwrap();
    let begins = log.next().unwrap();
    assert!(begins.contains("Z  INFO part3_collect ") && begins.contains(" begins, process "), "{begins}");
    until("the CSV is not complete", || lines(&folder, "all.csv") == 41);
    until("the rows are not counted", || number(&fetched(&url), "velib_collector_rows_written_total") == Some(40.0));
    let numbers = fetched(&url);
    assert_eq!(number(&numbers, "velib_collector_rows_repeated_total"), Some(0.0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let last = number(&numbers, "velib_collector_last_write_timestamp_seconds").unwrap();
    assert!((now - 120.0..=now + 1.0).contains(&last), "{last}");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rest: Vec<String> = log.collect();
    assert!(rest.first().is_some_and(|line| line.contains("INFO stopping when this step is done")), "{rest:?}");
    assert!(rest.last().is_some_and(|line| line.ends_with("INFO ended")), "{rest:?}");
}

#[test]
fn what_cannot_be_measured_or_is_no_address_is_wrong_usage() {
    let folder = folder();
    let embedded = run(&folder, "part1_fetch", &["--publish", "--source", "simulate", "--metrics", "0"]);
    assert_misused(&embedded, &["--metrics: ", "needs a real Kafka; give one by --brokers"]);
    let address = run(&folder, "part3_collect", &["--metrics", "nowhere"]);
    assert_misused(&address, &["`nowhere` is not an address of this computer"]);
}

#[test]
fn kafkas_settings_are_told_where_they_are_wrong_and_never_with_their_values() {
    let folder = folder();
    std::fs::write(folder.path().join("client.properties"), "# ours\nsasl.pasword=hidden\n").unwrap();
    let options = ["--brokers", "127.0.0.1:1", "--out", "all.csv", "--kafka-config", "client.properties"];
    let output = run(&folder, "part3_collect", &options);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let told = said(&output.stderr);
    assert!(
        told.contains("error: client.properties:2: `sasl.pasword` is not a setting that is known here; "),
        "{told}"
    );
    assert!(!told.contains("hidden"), "{told}");
    let unused = run(&folder, "part3_collect", &["--kafka-config", "client.properties"]);
    assert!(unused.status.code() == Some(2) && said(&unused.stderr).contains("--brokers"));
}
