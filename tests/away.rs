//! A real Apache Kafka that is killed under a publisher and comes back: nothing is lost, and nothing there twice.
//!
//! The broker is one of its own, started by `.ci/kafka` with the jars that it has fetched before. Without `VELIB_KAFKA` or
//! without those jars the test says that it was skipped.

#![cfg(unix)]
// Helpers outside the test functions fail a test by a panic as well.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use velib::ingest::{Snapshot, Source, SystemClock};
use velib::kafka::{
    Broker, Consumer, PublishEvent, PublishSettings, Publisher, TopicMemory, TopicSettings, ensure_topic, publish,
};
use velib::{Result, StationCode, StationStatus};

const STATIONS: i64 = 50;

/// A broker of the test's own.
struct Kafka {
    folder: TempDir,
    port: u16,
}

impl Kafka {
    fn start() -> Option<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let var = std::env::var_os("VELIB_VAR").map_or_else(|| project.join("var"), PathBuf::from);
        let jars = var.join("kafka/lib-4.4.0");
        if std::env::var_os("VELIB_KAFKA").is_none() || !jars.join(".complete").exists() {
            let skipped = b"skipped: VELIB_KAFKA is not set, or `.ci/kafka start` has never fetched a Kafka\n";
            std::io::stderr().write_all(skipped).unwrap();
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kafka")).unwrap();
        std::os::unix::fs::symlink(jars, folder.path().join("kafka/lib-4.4.0")).unwrap();
        let port = free_port();
        let kafka = Self { folder, port };
        kafka.control("start");
        Some(kafka)
    }

    fn control(&self, what: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/kafka");
        let mut command = Command::new(script);
        command.arg(what).env("VELIB_VAR", self.folder.path()).env("VELIB_KAFKA_PORT", self.port.to_string());
        let output = command.env("VELIB_KAFKA_HEAP", "256m").output().unwrap();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.path().join("kafka/pid")).unwrap();
        assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.control("stop");
    }
}

/// A port that nobody listens on, nor on the two after it: the broker takes three.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let is_free =
            |after: u16| port.checked_add(after).is_some_and(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if (0..3).all(is_free) {
            return port;
        }
    }
}

/// A live feed of stations that report anew in every poll, until it is told to end.
struct Feed {
    polls: i64,
    ends: Arc<AtomicBool>,
}

impl Source for Feed {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        if self.ends.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.polls += 1;
        let at = DateTime::from_timestamp(1_652_350_000, 0).unwrap() + TimeDelta::minutes(self.polls);
        let reading = |station: i64| StationStatus::unknown(StationCode::new(&station.to_string()).unwrap(), at, at);
        let readings = (0..STATIONS).map(reading).collect();
        Ok(Some(Snapshot { fetched_at: Utc::now(), readings, counted: Some(STATIONS as u64), set_aside: vec![] }))
    }

    fn describe(&self) -> String {
        "a live feed".to_owned()
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_has_every_reading_once() {
    let Some(kafka) = Kafka::start() else { return };
    let broker = Broker::connect(&format!("127.0.0.1:{}", kafka.port)).unwrap();
    ensure_topic(&broker, &TopicSettings::named("velib")).unwrap();
    let mut memory = TopicMemory::recent(broker.handle(), "velib").unwrap();
    let mut publisher = Publisher::new(broker.handle(), "velib").unwrap().after(&memory);
    let ends = Arc::new(AtomicBool::new(false));
    let mut feed = Feed { polls: 0, ends: Arc::clone(&ends) };
    let settings = PublishSettings { every: Duration::from_millis(100), patience: None, ..PublishSettings::default() };
    let (mut told, mut back_at) = (Vec::new(), None);
    let mut polls = 0;
    let totals = publish(&mut feed, &mut publisher, &mut memory, &SystemClock, &settings, &mut |event| match event {
        PublishEvent::Poll(_) => {
            polls += 1;
            if polls == 20 {
                kafka.kill();
            }
            if back_at.is_some_and(|back| polls == back + 20) {
                ends.store(true, Ordering::Relaxed);
            }
        }
        PublishEvent::BrokerAway { waiting } => {
            told.push("away");
            assert!(waiting > 0);
            kafka.control("start");
        }
        PublishEvent::BrokerBack { .. } => {
            told.push("back");
            back_at = Some(polls);
        }
        PublishEvent::Failed { error, .. } => panic!("{error}"),
        _ => {}
    });
    let totals = totals.unwrap();
    assert_eq!((told, totals.foreign), (vec!["away", "back"], 0));
    assert!(totals.polls > 50, "the feed was polled meanwhile: {}", totals.polls);

    let mut times = HashMap::new();
    let mut consumer = Consumer::new(broker.handle(), "velib", "test").unwrap();
    consumer
        .each_batch(5_000, true, |batch| {
            for reading in &batch.readings {
                *times.entry((reading.station_code.clone(), reading.last_reported)).or_insert(0) += 1;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(times.len(), usize::try_from(STATIONS * feed.polls).unwrap(), "something was lost");
    assert!(times.values().all(|&times| times == 1), "something is there twice");
}
