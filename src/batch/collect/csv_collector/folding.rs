//! How CSV becomes Parquet, a file at a time, wherever a crash stops it.

use std::fs;
use std::io;

use super::CsvCollector;
use crate::batch::collect::files::{Files, Format};
use crate::batch::collect::parquet;
use crate::error::{Error, Result};

/// So many bytes of CSV are enough to make Parquet of them.
const ENOUGH: u64 = if cfg!(test) { 2000 } else { 1 << 26 };

impl CsvCollector {
    /// Makes Parquet of what is CSV still. Everything is to be synced before.
    pub(in crate::batch::collect) fn finish(&mut self) -> Result<()> {
        if self.files.format() == Format::Parquet && self.mark.length > 0 {
            self.fold(&self.mark.file.clone())?;
        }
        Ok(())
    }

    /// Days that are over become Parquet, and one file when there is enough: a quarter more than it holds, so that all the
    /// rewriting together goes with what there is.
    pub(super) fn fold_what_is_due(&mut self) -> Result<()> {
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
    pub(super) fn settle_fold(&mut self) -> Result<()> {
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
}
