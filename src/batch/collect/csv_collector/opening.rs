//! How a collection is gone on with: from its bookmark, or where there is none from the files themselves.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use chrono::DateTime;

use super::{CsvCollector, Found};
use crate::batch::collect::bookmark::Bookmark;
use crate::batch::collect::files::{Files, Format};
use crate::batch::collect::known::Known;
use crate::batch::collect::parquet;
use crate::batch::collect::read_back::{read_whole, remember_tail};
use crate::error::{Error, Result};

impl CsvCollector {
    /// Opens the files of a collection, unless another collector holds them; a new one is made by the first sync.
    pub(in crate::batch::collect) fn begin(files: Files) -> Result<Option<Self>> {
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

    /// Goes on from the bookmark: cuts off what stands behind it, and remembers the tail. Whether all is there that counts.
    fn go_on(&mut self) -> Result<bool> {
        self.known = Known::before_tail(&self.mark.before_tail, self.mark.wild.clone());
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

/// How long a file is; 0 if there is none.
fn length_of(path: &Path) -> Result<u64> {
    match fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io(path, &error)),
    }
}
