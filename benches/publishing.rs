//! Part 1 as a whole: the bytes of an export of 1,421 stations to messages that the broker has acknowledged, beside what each
//! half of it costs at the least, measured in the same run: serde_json alone into the plain struct, and the bytes of the same
//! messages to a file. Publishing needs the Kafka whose address is in `VELIB_KAFKA`; without one that is left out.
//!
//! ```text
//! VELIB_KAFKA=$(.ci/kafka address) cargo bench --bench publishing
//! ```

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]
#![allow(clippy::print_stdout, reason = "a program that is run by hand")]

mod common;

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use velib::StationStatus;
use velib::error::Place;
use velib::ingest::{Dedupe, decode_document};
use velib::kafka::{Broker, Publisher, Retention, Sink as _, TopicSettings, encode, ensure_topic};

/// Polls in one round, each of all stations anew: about 71,000 readings.
const POLLS: i64 = 50;

/// Rounds that are timed; the median counts.
const ROUNDS: usize = 15;

/// The portal's record as plainly as a struct can have it: nothing checked, nothing renamed, no flag or time understood.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what is read is the point, not what it is used for")]
struct Plain {
    stationcode: String,
    name: Option<String>,
    is_installed: Option<String>,
    capacity: Option<u32>,
    numdocksavailable: Option<u32>,
    numbikesavailable: Option<u32>,
    mechanical: Option<u32>,
    ebike: Option<u32>,
    is_renting: Option<String>,
    is_returning: Option<String>,
    duedate: DateTime<Utc>,
    coordonnees_geo: Option<Position>,
    nom_arrondissement_communes: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "as above")]
struct Position {
    lon: f64,
    lat: f64,
}

fn main() {
    // As criterion does: without `--bench` it is a test, and one round shows that all works.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let stations = common::snapshot().readings;
    let exports: Vec<String> = (0..POLLS).map(|poll| export(&stations, poll)).collect();
    let readings: Vec<StationStatus> = exports.iter().flat_map(|export| decoded(export)).collect();
    let messages: Vec<Vec<u8>> = readings.iter().map(|reading| encode(reading).expect("a message")).collect();
    let count = readings.len();
    println!("{count} readings of {} exports, the median of {rounds} rounds", exports.len());

    let plain =
        show("serde_json into the plain struct", count, None, &mut times(rounds, || timed(|| plainly(&exports))));
    let decode = || exports.iter().map(|export| black_box(decoded(export)).len()).sum::<usize>();
    show("decoding", count, Some(plain), &mut times(rounds, || timed(decode)));
    let file = show("the messages to a file", count, None, &mut times(rounds, || timed(|| to_a_file(&messages))));
    let Ok(brokers) = std::env::var("VELIB_KAFKA") else {
        println!("publishing: skipped, VELIB_KAFKA is not set");
        return;
    };
    let broker = Broker::connect(&brokers).expect("a broker");
    let both = 1.0 / (1.0 / plain + 1.0 / file);
    show("both floors, one after the other", count, None, &mut [Duration::from_secs_f64(count as f64 / both)]);
    show("from the exports to acknowledged", count, Some(both), &mut times(rounds, || published(&broker, &exports)));
}

/// The times of so many rounds of some work, each on all readings; one before them is not counted.
fn times(rounds: usize, mut work: impl FnMut() -> Duration) -> Vec<Duration> {
    work();
    (0..rounds).map(|_| work()).collect()
}

fn timed(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

/// Prints the readings per second of the median, and their ratio to a floor's; returns them.
fn show(what: &str, count: usize, floor: Option<f64>, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let rate = count as f64 / times[times.len() / 2].as_secs_f64();
    let ratio = floor.map_or_else(String::new, |floor| format!("{:>8.2} of the floor", rate / floor));
    println!("{what:<36}{rate:>12.0} readings/s{ratio}");
    rate
}

fn plainly(exports: &[String]) -> usize {
    let read = |export: &String| serde_json::from_slice::<Vec<Plain>>(export.as_bytes()).expect("records").len();
    exports.iter().map(read).sum()
}

/// The way of a poll: the body of an export to readings.
fn decoded(export: &str) -> Vec<StationStatus> {
    let place = Place::Url("http://h".into());
    decode_document(export.as_bytes(), DateTime::UNIX_EPOCH, &place).expect("an export").readings
}

fn to_a_file(messages: &[Vec<u8>]) -> usize {
    let mut file = tempfile::tempfile().expect("a file");
    let mut writer = std::io::BufWriter::with_capacity(1 << 20, &mut file);
    messages.iter().for_each(|message| writer.write_all(message).expect("room"));
    writer.flush().expect("room");
    drop(writer);
    file.sync_data().expect("a disk");
    messages.len()
}

/// All that a publisher does: each poll decoded, held against what was seen, and all acknowledged at the end.
fn published(broker: &Broker, exports: &[String]) -> Duration {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_micros();
    // The readings are older than the broker is to keep them: it removes them by itself.
    let retention = Retention::For(Duration::from_secs(3_600));
    let topic = TopicSettings { retention, ..TopicSettings::named(format!("velib-bench-publishing-{time}")) };
    ensure_topic(broker, &topic).expect("a topic");
    let mut publisher = Publisher::new(broker.handle(), &topic.name).expect("a publisher");
    let mut seen = Dedupe::new();
    timed(|| {
        for export in exports {
            let mut readings = decoded(export);
            readings.retain(|reading| seen.insert(&reading.station_code, reading.last_reported));
            publisher.send(&readings).expect("readings to be taken");
        }
        assert_eq!(publisher.settle(Duration::from_secs(60)), Ok(0));
        seen.len()
    })
}

/// The portal's v2.1 export, so many minutes after the first.
fn export(stations: &[StationStatus], minutes: i64) -> String {
    let later = TimeDelta::minutes(minutes);
    Value::from_iter(stations.iter().map(|reading| common::record(reading, later))).to_string()
}
