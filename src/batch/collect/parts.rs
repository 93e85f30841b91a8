//! Which collection each partition of the topic goes to: all to one file, or each to files of its own in a folder.
//!
//! In a folder the members of a group share the partitions, and whoever has a partition holds its lock. When the group gives
//! it to another member, that one waits until the lock is free, and goes on from the bookmark. A member that the group has
//! given up still holds the lock if it only sleeps: it keeps what it has taken in when it wakes, and hands over then. So
//! no two ever write to the same files, whatever the group believes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bookmark::Bookmark;
use super::csv_collector::{Appended, CsvCollector, Found};
use super::files::{Files, Format};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationStatus;

/// Where collected readings go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One file, by one collector.
    File(PathBuf, Format),
    /// A folder, shared by all collectors of a group: for each partition of the topic a file a day, `part-0-2022-05-12.csv`.
    /// The day is that of arrival (`fetched_at`, UTC).
    Folder(PathBuf, Format),
}

impl Target {
    /// What a path means: a folder if it is one or ends in `/`, a file if its name ends in `.csv` or `.parquet`. A `format` that
    /// is given must be that of the name; a folder is of CSV files unless told otherwise.
    pub fn of(path: &Path, format: Option<Format>) -> Result<Self> {
        let text = path.to_string_lossy();
        if path.is_dir() || text.ends_with(['/', std::path::MAIN_SEPARATOR]) {
            return Ok(Self::Folder(path.to_path_buf(), format.unwrap_or_default()));
        }
        let is = |end: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end));
        let named = match (is("csv"), is("parquet")) {
            (true, _) => Format::Csv,
            (_, true) => Format::Parquet,
            _ => {
                return Err(Error::usage("--out", format!("`{text}` ends neither in .csv, nor in .parquet, nor in /"))
                    .way_out("name a file to write, such as --out velib.csv, or a folder, such as --out velib/"));
            }
        };
        if format.is_some_and(|format| format != named) {
            return Err(Error::usage("--format", format!("`{text}` is of another")).way_out("leave --format out"));
        }
        Ok(Self::File(path.to_path_buf(), named))
    }

    /// The path.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path, _) | Self::Folder(path, _) => path,
        }
    }

    /// Where messages that are no readings are kept.
    pub(super) fn set_aside(&self) -> PathBuf {
        match self {
            Self::File(path, _) => path.with_extension("set-aside.jsonl"),
            Self::Folder(folder, _) => folder.join("set-aside.jsonl"),
        }
    }
}

/// The collections that this process holds.
pub(super) enum Parts {
    One(Box<CsvCollector>),
    Daily { folder: PathBuf, format: Format, held: BTreeMap<i32, CsvCollector>, found: Found },
}

impl Parts {
    pub(super) fn open(target: &Target) -> Result<Self> {
        Ok(match target {
            Target::File(path, format) => Self::One(Box::new(CsvCollector::one(path, *format)?)),
            Target::Folder(folder, format) => {
                fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
                let (held, found) = (BTreeMap::new(), Found::default());
                Self::Daily { folder: folder.clone(), format: *format, held, found }
            }
        })
    }

    /// What was there in all that was opened so far.
    pub(super) fn found(&self) -> Found {
        match self {
            Self::One(one) => one.found(),
            Self::Daily { found, .. } => *found,
        }
    }

    /// Lets go of all partitions but these and takes those that nobody else holds. For each of them where `topic` goes on.
    pub(super) fn claim(
        &mut self,
        topic: Option<&str>,
        partitions: &BTreeSet<i32>,
    ) -> Result<BTreeMap<i32, Option<i64>>> {
        let (folder, format, held, found) = match self {
            Self::One(one) => {
                check(one, topic)?;
                return Ok(partitions.iter().map(|p| (*p, one.mark().next.get(p).copied())).collect());
            }
            Self::Daily { folder, format, held, found } => (folder, *format, held, found),
        };
        held.retain(|partition, _| partitions.contains(partition));
        let mut claimed = BTreeMap::new();
        for &partition in partitions {
            if let Entry::Vacant(free) = held.entry(partition) {
                let Some(part) = CsvCollector::begin(Files::Daily(folder.clone(), partition, format))? else {
                    continue;
                };
                check(&part, topic)?;
                found.readings += part.found().readings;
                found.unreadable += part.found().unreadable;
                found.short |= part.found().short;
                found.torn_bytes += part.found().torn_bytes;
                free.insert(part);
            }
            claimed.insert(partition, held.get(&partition).and_then(|part| part.mark().next.get(&partition).copied()));
        }
        Ok(claimed)
    }

    pub(super) fn append(&mut self, partition: i32, readings: &[StationStatus]) -> Result<Appended> {
        let part = match self {
            Self::One(one) => one,
            Self::Daily { held, .. } => held.get_mut(&partition).ok_or_else(|| {
                Error::new(ErrorKind::Kafka, format!("a message came of partition {partition}, which is not held here"))
            })?,
        };
        part.append(readings)
    }

    /// Brings all to the disk, with the offsets that come next in `topic`. May be tried again.
    pub(super) fn sync(&mut self, topic: Option<&str>, next: &BTreeMap<i32, i64>) -> Result<()> {
        match self {
            Self::One(one) => one.sync_at(topic.map(|topic| (topic, next))),
            Self::Daily { held, .. } => held.iter_mut().try_for_each(|(partition, part)| {
                let next = next.get(partition).map(|&offset| BTreeMap::from([(*partition, offset)]));
                part.sync_at(topic.zip(next.as_ref()))
            }),
        }
    }

    /// The work is over: what is CSV still and should not be becomes Parquet. Everything is to be synced before.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self {
            Self::One(one) => one.finish(),
            Self::Daily { held, .. } => held.values_mut().try_for_each(CsvCollector::finish),
        }
    }

    /// Up to where the topic has been collected, by all who share the folder.
    pub(super) fn positions(&self) -> Result<BTreeMap<i32, i64>> {
        let folder = match self {
            Self::One(one) => return Ok(one.mark().next.clone()),
            Self::Daily { folder, .. } => folder,
        };
        let failed = |error: io::Error| Error::io(folder, &error);
        let mut positions = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "offsets") {
                positions.extend(Bookmark::load(&path)?.into_iter().flat_map(|bookmark| bookmark.next));
            }
        }
        Ok(positions)
    }
}

/// An error if the collection is of another topic than this.
fn check(part: &CsvCollector, topic: Option<&str>) -> Result<()> {
    match (&part.mark().topic, topic) {
        (Some(collected), Some(topic)) if collected != topic => {
            let message = format!("it was collected from {collected} (cluster/topic), and this is {topic}");
            Err(Error::new(ErrorKind::Data, message).at(Place::file(part.bookmark())).way_out(
                "collect to another file, or delete this one: what the topic holds is then added to the collection",
            ))
        }
        _ => Ok(()),
    }
}
