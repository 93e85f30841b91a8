//! Files row by row: what is read goes on at once, so that memory holds no more than whoever takes it keeps.

use std::collections::HashSet;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::{Kind, csv, json, open, parquet};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::opendatasoft::EXPECTED;
use crate::ingest::record::{Texts, UNSAID};
use crate::ingest::{Compact, Note, SetAside, Site, Sites};
use crate::station::StationStatus;

/// How many of the rows that cannot be read are kept where they are not all asked for.
const KEPT: usize = 1_000;

/// What was found in files beside the readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilesRead {
    /// The files, in the order in which they were read.
    pub files: Vec<PathBuf>,
    /// How many readings they hold, repeats included.
    pub readings: u64,
    /// How many rows could not be read.
    pub unreadable: u64,
    /// The first thousand of those.
    pub set_aside: Vec<SetAside>,
    /// What was noticed of the files' form: columns that are new, missing, or hold what cannot be read.
    pub notes: Vec<Note>,
}

/// Reads the files that [`Recording::read`](super::Recording::read) would, by the same rules and with the same errors, and gives
/// each reading to `each` in the order of the files and of the rows in them; of a file, those that do not say when they were
/// fetched after the others. An error of `each` ends it.
///
/// Memory does not grow with the rows, only with the names and places that the stations go by; but for files of one JSON document, and for exports, whose time of arrival is known only
/// when all of one is read: both hold each station once. A Parquet file is read by its row groups.
pub fn read_each<P: AsRef<Path>>(paths: &[P], each: &mut dyn FnMut(StationStatus) -> Result<()>) -> Result<FilesRead> {
    let (found, _) = read_compact(paths, &mut |reading, sites| sites.reading(&reading).map_or(Ok(()), &mut *each))?;
    Ok(found)
}

/// The same with the readings in few bytes, and the sites that they are of.
pub(crate) fn read_compact<P: AsRef<Path>>(paths: &[P], each: &mut Each<'_>) -> Result<(FilesRead, Sites)> {
    let mut rows = Rows::new(each, KEPT);
    for path in paths {
        rows.read(path.as_ref())?;
    }
    rows.finish()
}

/// What is done with each reading; its site is one of these.
pub(crate) type Each<'e> = dyn FnMut(Compact, &Sites) -> Result<()> + 'e;

/// Where the rows of files go.
pub(super) struct Rows<'e> {
    each: &'e mut Each<'e>,
    kept: usize,
    texts: Texts,
    sites: Sites,
    found: FilesRead,
    /// Readings of the present file that do not say when they were fetched.
    unsaid: Vec<StationStatus>,
    /// How many of them are looked at next.
    looked_at: usize,
}

impl<'e> Rows<'e> {
    /// Of the rows that cannot be read so many are kept.
    pub(super) fn new(each: &'e mut Each<'e>, kept: usize) -> Self {
        Self {
            each,
            kept,
            texts: Texts::default(),
            sites: Sites::default(),
            found: FilesRead::default(),
            unsaid: Vec::new(),
            looked_at: 0,
        }
    }

    /// Reads one file.
    pub(super) fn read(&mut self, path: &Path) -> Result<()> {
        let kind = Kind::of(path)?;
        let file = open(path)?;
        self.file(path, |drift, rows| match kind {
            Kind::Csv => csv::read(path, &file, drift, rows),
            Kind::Parquet => parquet::read(path, file, drift, rows),
            Kind::Json => json::read_document(path, &json::whole(path, &file)?, drift, rows),
            Kind::JsonLines => json::read_lines(path, &file, drift, rows),
        })
    }

    /// Reads what a file of this name would hold.
    pub(super) fn read_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let kind = Kind::of(path)?;
        self.file(path, |drift, rows| match kind {
            Kind::Csv => csv::read(path, Cursor::new(bytes), drift, rows),
            Kind::Parquet => parquet::read(path, Cursor::new(bytes), drift, rows),
            Kind::Json => json::read_document(path, bytes, drift, rows),
            Kind::JsonLines => json::read_lines(path, bytes, drift, rows),
        })
    }

    fn file(&mut self, path: &Path, read: impl FnOnce(&mut Drift, &mut Self) -> Result<()>) -> Result<()> {
        self.looked_at = 1 << 16;
        let mut drift = Drift::default();
        read(&mut drift, self)?;
        drift.close(&Place::file(path), &EXPECTED);
        self.found.notes.append(&mut drift.take());
        self.found.files.push(path.to_path_buf());
        let mut unsaid = std::mem::take(&mut self.unsaid);
        arrive(path, &mut unsaid)?;
        unsaid.iter().try_for_each(|reading| self.whole(reading))
    }

    fn whole(&mut self, reading: &StationStatus) -> Result<()> {
        let compact = self.sites.compact(reading);
        (self.each)(compact, &self.sites)
    }

    pub(super) fn texts(&mut self) -> &mut Texts {
        &mut self.texts
    }

    /// A reading of the file at `path`.
    pub(super) fn reading(&mut self, path: &Path, reading: StationStatus) -> Result<()> {
        self.found.readings += 1;
        if reading.fetched_at != UNSAID {
            return self.whole(&reading);
        }
        self.unsaid.push(reading);
        // What is no export is refused before it fills the memory.
        if self.unsaid.len() >= self.looked_at {
            self.looked_at *= 2;
            is_export(path, &self.unsaid)?;
        }
        Ok(())
    }

    /// A reading in few bytes of the file at `path`, whose [site](Self::site) is known.
    pub(super) fn compact(&mut self, path: &Path, reading: Compact) -> Result<()> {
        if reading.fetched_at == UNSAID {
            return self.sites.reading(&reading).map_or(Ok(()), |reading| self.reading(path, reading));
        }
        self.found.readings += 1;
        (self.each)(reading, &self.sites)
    }

    /// The number that a site has here.
    pub(super) fn site(&mut self, site: &Site) -> u32 {
        self.sites.adopt(site)
    }

    /// How many more of the rows that cannot be read are kept.
    pub(super) fn room(&self) -> usize {
        self.kept.saturating_sub(self.found.set_aside.len())
    }

    /// Whether another row that cannot be read would be kept, when `waiting` are kept before it.
    pub(super) fn keeps(&self, waiting: usize) -> bool {
        self.found.set_aside.len() + waiting < self.kept
    }

    /// Rows that cannot be read, and are not kept.
    pub(super) fn pass_over(&mut self, rows: u64) {
        self.found.unreadable += rows;
    }

    /// A row that cannot be read.
    pub(super) fn set_aside(&mut self, record: SetAside) {
        self.found.unreadable += 1;
        if self.found.set_aside.len() < self.kept {
            self.found.set_aside.push(record);
        }
    }

    /// An error if there was no reading at all.
    pub(super) fn finish(self) -> Result<(FilesRead, Sites)> {
        if self.found.readings == 0 { Err(nothing_read(&self.found)) } else { Ok((self.found, self.sites)) }
    }
}

/// Gives the readings of a file that says nothing of their arrival the time of its newest report.
fn arrive(path: &Path, unsaid: &mut [StationStatus]) -> Result<()> {
    let Some(newest) = unsaid.iter().map(|reading| reading.last_reported).max() else { return Ok(()) };
    is_export(path, unsaid)?;
    unsaid.iter_mut().for_each(|reading| reading.fetched_at = newest);
    Ok(())
}

fn is_export(path: &Path, unsaid: &[StationStatus]) -> Result<()> {
    let (count, stations) =
        (unsaid.len(), unsaid.iter().map(|reading| &reading.station_code).collect::<HashSet<_>>().len());
    // A code may stand twice in one export; a history has each many times.
    if count <= 2 * stations {
        return Ok(());
    }
    let message = format!("no `fetched_at`, and {count} readings of {stations} stations: an export has each once");
    Err(Error::new(ErrorKind::Data, message)
        .at(Place::file(path))
        .way_out("add the column `fetched_at`: when each reading was fetched"))
}

/// Why there is not one reading, once all files were read.
fn nothing_read(found: &FilesRead) -> Error {
    let (message, way_out) = match (found.files.as_slice(), found.set_aside.as_slice()) {
        ([], _) => {
            return Error::usage("--data", "no file was named").way_out("name a .csv, .parquet, .json or .jsonl file");
        }
        (_, [first, ..]) => {
            (format!("not one of {} rows can be read; the first: {first}", found.unreadable), "mend that row first")
        }
        (_, []) => ("no row stands under the names of the columns".to_owned(), "collect some readings first"),
    };
    let error = Error::new(ErrorKind::Data, message).way_out(way_out);
    if let [file] = found.files.as_slice() { error.at(Place::file(file)) } else { error }
}
