//! A disk that is full for a while, where the system lets us make a small one. A file of its own: it starts programs, and a
//! process that is just being started holds the locks of all collectors in this one for a moment.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::DateTime;
use velib::batch::CsvCollector;
use velib::ingest::Recording;
use velib::{StationCode, StationStatus};

/// A file system of 64 KB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        // Not by `println!`, which the test runner keeps to itself.
        std::io::stderr().write_all(b"skipped: no file system can be mounted here\n").unwrap();
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn when_there_is_room_again_the_same_sync_goes_on_and_nothing_is_lost_or_doubled() {
    let Some(disk) = SmallDisk::new() else { return };
    let (path, ballast) = (disk.0.path().join("a.csv"), disk.0.path().join("ballast"));
    fs::write(&ballast, vec![0; 40_000]).unwrap();
    let mut collector = CsvCollector::open(&path).unwrap();
    let (mut appended, mut failed) = (0, 0);
    while appended < 300 {
        let readings = (appended..appended + 10).map(|second| {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
        });
        collector.append(&readings.collect::<Vec<_>>()).unwrap();
        appended += 10;
        if let Err(error) = collector.sync() {
            assert!(error.is_disk_full(), "{error}");
            failed += 1;
            fs::remove_file(&ballast).unwrap();
            collector.sync().unwrap();
        }
    }
    drop(collector);
    let found = CsvCollector::open(&path).unwrap().found();
    assert_eq!((failed, found.readings, found.torn_bytes), (1, 300, 0));
    assert_eq!(Recording::read(&[&path]).unwrap().into_readings().len(), 300);
}
