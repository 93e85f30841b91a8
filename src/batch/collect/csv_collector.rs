//! Appending readings to files, each once, safe to kill at any moment.
//!
//! Rows wait in memory until [`CsvCollector::sync`] brings them to the disk, and after them the bookmark that says so. What a
//! crash left behind the bookmark is cut off on opening: it was never said to be kept, so it comes again. A sync that failed, on
//! a full disk, can be tried again: it begins where the bookmark ends.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::bookmark::{Bookmark, sync_folder};
use super::files::{Files, Format};
use super::known::{HALF, Known, Seen};
use super::parquet;
use super::read_back::{look_up, read_whole, remember_tail};
use super::row::{self, Key, key_of};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationStatus;

/// So many bytes of CSV are enough to make Parquet of them.
const ENOUGH: u64 = if cfg!(test) { 2000 } else { 1 << 26 };

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

    /// Opens the files of a collection, unless another collector holds them; a new one is made by the first sync.
    pub(super) fn begin(files: Files) -> Result<Option<Self>> {
        let Some(lock) = lock(&files)? else { return Ok(None) };
        let mut bookmark = Bookmark::load(&files.bookmark())?;
        // One file keeps its name: a bookmark that was copied or moved with it must not lead to the other one.
        if let (Files::One(..), Some(mark)) = (&files, &mut bookmark)
            && !mark.file.is_empty()
        {
            mark.file = files.name_at(DateTime::UNIX_EPOCH).0;
            mark.folding = mark.folding.take().map(|(_, length)| (mark.file.clone(), length));
        }
        let mut collector = Self {
            files,
            _lock: lock,
            is_saved: bookmark.is_some(),
            mark: bookmark.unwrap_or_default(),
            known: Known::default(),
            pending: Vec::new(),
            added: 0,
            younger: 0,
            is_folded: false,
            until: i64::MIN,
            found: Found::default(),
            broken: false,
        };
        if collector.is_saved && !collector.go_on()? {
            collector.mark = Bookmark { topic: collector.mark.topic, ..Bookmark::default() };
            (collector.known, collector.is_saved, collector.found.short) = (Known::default(), false, true);
        }
        if !collector.is_saved {
            collector.take_over()?;
        }
        collector.found.readings = collector.mark.readings;
        if let Files::One(_, Format::Csv) = collector.files {
            collector.file_at(DateTime::UNIX_EPOCH);
        }
        Ok(Some(collector))
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

    /// Makes Parquet of what is CSV still. Everything is to be synced before.
    pub(super) fn finish(&mut self) -> Result<()> {
        if self.files.format() == Format::Parquet && self.mark.length > 0 {
            self.fold(&self.mark.file.clone())?;
        }
        Ok(())
    }

    /// Days that are over become Parquet, and one file when there is enough: a quarter more than it holds, so that all the
    /// rewriting together goes with what there is.
    fn fold_what_is_due(&mut self) -> Result<()> {
        if self.is_folded {
            return Ok(());
        }
        let mut over = self.files.names()?;
        over.retain(|name| *name < self.mark.file);
        over.iter().try_for_each(|name| self.fold(name))?;
        if let Files::One(..) = self.files {
            if self.mark.length >= ENOUGH.max(2 * self.mark.table) {
                self.fold(&self.mark.file.clone())?;
            }
        } else {
            self.is_folded = true;
        }
        Ok(())
    }

    /// Adds the rows of a CSV to its Parquet file, and removes it.
    fn fold(&mut self, name: &str) -> Result<()> {
        let (rows, table) = (self.files.path(name), self.files.table(name));
        let length = if name == self.mark.file { self.mark.length } else { u64::MAX };
        let old = table.exists().then_some(table.as_path());
        let (mut mark, path) = (self.mark.clone(), self.files.bookmark());
        if name == self.mark.file {
            // Where a crash comes before the end, its rows are no tail any more.
            mark.before_tail = self.known.newest();
        }
        parquet::write(old, &rows, length, &table, |length| {
            mark.folding = Some((name.to_owned(), length));
            mark.save(&path).map_err(|error| Error::io(&path, &error))
        })?;
        self.mark = mark;
        self.settle_fold()
    }

    /// Ends a fold, wherever a crash stopped it.
    fn settle_fold(&mut self) -> Result<()> {
        let Some((name, length)) = self.mark.folding.take() else { return Ok(()) };
        let (rows, table) = (self.files.path(&name), self.files.table(&name));
        if fs::metadata(&table).is_ok_and(|table| table.len() == length) {
            match fs::remove_file(&rows) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(&rows, &error)),
                _ => {}
            }
            if name == self.mark.file {
                self.known.begin_anew();
                (self.mark.length, self.mark.tail, self.younger) = (0, 0, 0);
                (self.mark.table, self.mark.before_tail) = (length, self.known.newest_before_tail());
            }
        }
        let path = self.files.bookmark();
        self.mark.save(&path).map_err(|error| Error::io(&path, &error))
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

    /// Goes on from the bookmark: cuts off what stands behind it, and remembers the tail. Whether all is there that counts.
    fn go_on(&mut self) -> Result<bool> {
        self.known = Known::before_tail(&self.mark.before_tail);
        self.settle_fold()?;
        self.until = self.files.until(&self.mark.file);
        let (path, length) = (self.files.path(&self.mark.file), self.mark.length);
        if length_of(&path)? < length
            || (self.mark.table > 0 && length_of(&self.files.table(&self.mark.file))? != self.mark.table)
        {
            return Ok(false);
        }
        let counts = |name: &String| *name < self.mark.file || (*name == self.mark.file && length > 0);
        for name in self.files.names()?.into_iter().filter(|name| !counts(name)) {
            let path = self.files.path(&name);
            self.found.torn_bytes += length_of(&path)?;
            fs::remove_file(&path).map_err(|error| Error::io(&path, &error))?;
        }
        if length > 0 {
            self.found.torn_bytes += cut(&path, length).map_err(|error| Error::io(&path, &error))?;
            remember_tail(&path, self.mark.tail, length, &mut self.known)?;
            self.younger = self.mark.tail;
        }
        Ok(true)
    }

    /// Goes on with files that have no bookmark: reads them whole.
    fn take_over(&mut self) -> Result<()> {
        for table in self.files.tables()? {
            self.mark.readings += parquet::remember(&table, &mut self.known)?;
        }
        for name in self.files.names()? {
            let path = self.files.path(&name);
            self.known.begin_anew();
            let whole = read_whole(&path, &mut self.known)?;
            self.mark.readings += whole.readings;
            self.found.unreadable += whole.unreadable;
            if whole.end == 0 {
                // Not even a header: as if it were not there.
                self.found.torn_bytes = fs::metadata(&path).map_err(|error| Error::io(&path, &error))?.len();
                continue;
            }
            (self.mark.length, self.mark.tail, self.younger) = (whole.end, whole.tail, whole.younger);
            (self.until, self.mark.file) = (self.files.until(&name), name);
        }
        if self.mark.file.is_empty() {
            self.known.begin_anew();
        }
        self.mark.before_tail = self.known.newest_before_tail();
        if self.mark.file.is_empty() {
            return Ok(());
        }
        let path = self.files.path(&self.mark.file);
        self.found.torn_bytes = cut(&path, self.mark.length).map_err(|error| Error::io(&path, &error))?;
        Ok(())
    }
}

/// Locks a collection for as long as the file is open, also while its process sleeps; `None` if another process holds it.
fn lock(files: &Files) -> Result<Option<File>> {
    let path = files.lock();
    let failed = |error: io::Error| Error::io(&path, &error);
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Cuts a file off at `length`; how many bytes went.
fn cut(path: &Path, length: u64) -> io::Result<u64> {
    let file = File::options().write(true).open(path)?;
    let there = file.metadata()?.len();
    let torn = there.saturating_sub(length);
    if torn > 0 {
        file.set_len(length)?;
        file.sync_all()?;
    }
    Ok(torn)
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

/// How long a file is; 0 if there is none.
fn length_of(path: &Path) -> Result<u64> {
    match fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io(path, &error)),
    }
}

#[cfg(test)]
mod tests;
