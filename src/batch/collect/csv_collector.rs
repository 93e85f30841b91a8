//! Appending readings to files, each once, safe to kill at any moment.
//!
//! Rows wait in memory until [`CsvCollector::sync`] brings them to the disk, and after them the bookmark that says so. What a
//! crash left behind the bookmark is cut off on opening: it was never said to be kept, so it comes again. A sync that failed, on
//! a full disk, can be tried again: it begins where the bookmark ends.

mod folding;
mod opening;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::bookmark::{Bookmark, sync_folder};
use super::files::{Files, Format};
use super::known::{HALF, Known, Seen};
use super::parquet;
use super::read_back::look_up;
use super::row::{self, Key, key_of};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationStatus;

/// A CSV file that readings are appended to, or in a folder one a day. It is locked against a second collector while this one
/// lives.
///
/// Beside `velib.csv` lie `velib.csv.offsets`, which says how much of it counts, and `velib.csv.lock`. A file without the
/// first is read whole once and gone on with.
#[derive(Debug)]
pub struct CsvCollector {
    files: Files,
    _lock: File,
    /// What is on the disk.
    mark: Bookmark,
    is_saved: bool,
    known: Known,
    /// What is not: rows by the name of their file.
    pending: Vec<(String, Vec<u8>)>,
    added: u64,
    /// Where the younger half of the tail begins in the file.
    younger: u64,
    /// Whether all days that are over are Parquet, where they are to be.
    is_folded: bool,
    /// From when, by arrival in milliseconds, another file is due.
    until: i64,
    found: Found,
    /// Set while readings are looked up, so that a look that fails leaves it set.
    broken: bool,
}

/// What [`CsvCollector::open`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Readings.
    pub readings: u64,
    /// Lines whose station or time cannot be read; they stay in the file. Counted where there was no bookmark.
    pub unreadable: u64,
    /// Bytes that a crash left behind what counts, cut off.
    pub torn_bytes: u64,
    /// Whether the files had lost some of what was collected in them. Then they are read whole, as if there were no bookmark, and
    /// the topic from its beginning, so that what is missing comes again.
    pub short: bool,
}

/// What became of the readings of one [`CsvCollector::append`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Readings taken.
    pub written: u64,
    /// Readings left out because they were there.
    pub repeated: u64,
}

impl CsvCollector {
    /// Opens a file to append to, and creates it with its header where there is none.
    ///
    /// A file with other columns is an error and is not touched; so is one that another collector holds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::one(path, Format::Csv)
    }

    /// Opens one file of either kind.
    pub(super) fn one(path: &Path, format: Format) -> Result<Self> {
        let mut collector = Self::begin(Files::One(path.to_path_buf(), format))?.ok_or_else(|| {
            Error::new(ErrorKind::Io, "another collector is writing to it")
                .at(Place::file(path))
                .way_out("stop that one, or collect to another file")
        })?;
        collector.sync()?;
        Ok(collector)
    }

    /// What was there when it was opened.
    pub fn found(&self) -> Found {
        self.found
    }

    /// Where its bookmark is.
    pub(super) fn bookmark(&self) -> PathBuf {
        self.files.bookmark()
    }

    /// What is on the disk.
    pub(super) fn mark(&self) -> &Bookmark {
        &self.mark
    }

    /// Appends the readings that are not there yet. They are safe only after [`sync`](Self::sync).
    pub fn append(&mut self, readings: &[StationStatus]) -> Result<Appended> {
        if self.broken {
            return Err(Error::new(ErrorKind::Io, "an earlier append failed")
                .at(Place::file(self.files.bookmark()))
                .way_out("open it again; what it does not hold comes again from Kafka"));
        }
        let (mut appended, mut unsure) = (Appended::default(), Vec::new());
        for reading in readings {
            match self.known.look(reading) {
                Seen::New => self.write(reading),
                Seen::Repeated => appended.repeated += 1,
                Seen::Unsure => unsure.push(reading),
            }
        }
        if !unsure.is_empty() {
            self.broken = true;
            let mut there = self.look_up(unsure.iter().map(|reading| key_of(reading)).collect())?;
            for reading in unsure {
                self.known.settle(key_of(reading));
                if there.insert(key_of(reading)) {
                    self.write(reading);
                } else {
                    appended.repeated += 1;
                }
            }
            self.broken = false;
        }
        appended.written = readings.len() as u64 - appended.repeated;
        Ok(appended)
    }

    /// Returns when everything appended is on the disk. After an error it may be tried again.
    pub fn sync(&mut self) -> Result<()> {
        self.sync_at(None)
    }

    /// The same, and notes with it where to go on in a topic: for some partitions the offset of the message that comes next.
    pub(super) fn sync_at(&mut self, place: Option<(&str, &BTreeMap<i32, i64>)>) -> Result<()> {
        let mut mark = self.mark.clone();
        if let Some((topic, next)) = place {
            mark.topic = Some(topic.to_owned());
            mark.next.extend(next);
        }
        for (name, rows) in &self.pending {
            if *name != mark.file {
                (mark.file, mark.length, mark.table) = (name.clone(), 0, 0);
            }
            if mark.length == 0 {
                self.younger = row::header().len() as u64;
                (mark.tail, mark.before_tail) = (self.younger, self.known.newest_before_tail());
            }
            let path = self.files.path(name);
            write_behind(&path, mark.length, rows).map_err(|error| Error::io(&path, &error))?;
            mark.length += rows.len() as u64;
        }
        mark.readings += self.added;
        mark.wild = self.known.wild().clone();
        if !self.is_saved || mark != self.mark {
            let path = self.files.bookmark();
            mark.save(&path).map_err(|error| Error::io(&path, &error))?;
        }
        if !self.is_saved {
            sync_folder(&self.files.bookmark());
        }
        (self.mark, self.is_saved, self.added) = (mark, true, 0);
        self.pending.clear();
        if self.mark.length.saturating_sub(self.younger) >= HALF {
            // Noted with the next sync; until then the tail is only longer than it need be.
            self.known.turn();
            (self.mark.tail, self.younger) = (self.younger, self.mark.length);
            self.mark.before_tail = self.known.newest_before_tail();
        }
        if self.files.format() == Format::Parquet {
            self.fold_what_is_due()?;
        }
        Ok(())
    }

    fn write(&mut self, reading: &StationStatus) {
        // A publisher's clock that runs far ahead must not put all that follows into a day to come.
        let arrival = reading.fetched_at.min(Utc::now() + TimeDelta::days(1));
        if arrival.timestamp_millis() >= self.until || self.pending.is_empty() {
            self.file_at(arrival);
        }
        if let Some((_, rows)) = self.pending.last_mut() {
            row::write(rows, reading);
            self.added += 1;
        }
    }

    /// Makes the rows of the file for what arrives at `fetched_at` the last of those that wait.
    fn file_at(&mut self, fetched_at: DateTime<Utc>) {
        let current = self.pending.last().map_or(&self.mark.file, |(name, _)| name);
        if fetched_at.timestamp_millis() < self.until && !current.is_empty() {
            let current = current.clone();
            if self.pending.is_empty() {
                let begun = if self.mark.length > 0 { Vec::new() } else { row::header().into_bytes() };
                self.pending.push((current, begun));
            }
            return;
        }
        let (name, until) = self.files.name_at(fetched_at);
        if !current.is_empty() {
            self.known.begin_anew();
        }
        (self.until, self.is_folded) = (until, false);
        self.pending.push((name, row::header().into_bytes()));
    }

    /// Which of these keys the files hold, or the rows that wait.
    fn look_up(&self, mut wanted: HashSet<Key>) -> Result<HashSet<Key>> {
        let mut found = HashSet::new();
        for name in self.files.names()? {
            let path = self.files.path(&name);
            let length = if name == self.mark.file { self.mark.length } else { u64::MAX };
            let looked = File::open(&path).and_then(|file| look_up(file.take(length), &mut wanted, &mut found));
            looked.map_err(|error| Error::io(&path, &error))?;
        }
        for table in self.files.tables()? {
            parquet::look_up(&table, &mut wanted, &mut found)?;
        }
        for (name, rows) in &self.pending {
            let looked = look_up(rows.as_slice(), &mut wanted, &mut found);
            looked.map_err(|error| Error::io(self.files.path(name), &error))?;
        }
        Ok(found)
    }
}

/// Writes rows at the byte `start` of a file, where it ends or what stands behind does not count, and brings them to the disk.
fn write_behind(path: &Path, start: u64, rows: &[u8]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut file = File::options().write(true).create(start == 0).truncate(false).open(path)?;
    let there = file.metadata()?.len();
    if there < start {
        return Err(io::Error::other(format!("it has {there} bytes, but {start} were collected in it")));
    }
    if there > start {
        file.set_len(start)?;
    }
    file.seek(SeekFrom::Start(start))?;
    file.write_all(rows)?;
    file.sync_data()?;
    if start == 0 {
        sync_folder(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
