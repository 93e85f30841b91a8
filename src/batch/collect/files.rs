//! Which files a collection has, and how they are called.
//!
//! `velib.csv` or `velib.parquet` alone has its bookmark and its lock beside it. In a folder each partition of the topic has files of its own, one
//! a day: `part-0-2022-05-12.csv`. The day is that of arrival (UTC), and days never go back: what was fetched before midnight
//! and comes after the next day's file has begun goes there. So only the newest file is ever written to, the names are in the
//! order of writing, and what a crash can leave behind is the end of that file, or a newer one.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use super::bookmark::beside;
use crate::error::{Error, Result};

/// What collected files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// CSV, with the columns [`COLUMNS`](super::COLUMNS).
    #[default]
    Csv,
    /// Parquet. What came last is CSV, until there is enough of it, the day is over, or the collector ends.
    Parquet,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::usage("--format", format!("`{name}` is no format")).way_out("write csv or parquet")),
        }
    }
}

/// The files of one collection.
#[derive(Clone, Debug)]
pub(super) enum Files {
    /// One file of this path. If it is Parquet, the CSV of what is not in it yet lies beside it.
    One(PathBuf, Format),
    /// A file a day in this folder, for one partition.
    Daily(PathBuf, i32, Format),
}

impl Files {
    /// What they end as.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::One(_, format) | Self::Daily(_, _, format) => *format,
        }
    }

    /// Where the bookmark is.
    pub(super) fn bookmark(&self) -> PathBuf {
        beside(&self.stem(), ".offsets")
    }

    /// Which file is locked while somebody collects.
    pub(super) fn lock(&self) -> PathBuf {
        beside(&self.stem(), ".lock")
    }

    /// The CSV of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::One(path, _) => path.with_file_name(name),
            Self::Daily(folder, ..) => folder.join(name),
        }
    }

    /// The Parquet file that the CSV of this name becomes.
    pub(super) fn table(&self, name: &str) -> PathBuf {
        match self {
            Self::One(path, _) => path.clone(),
            Self::Daily(folder, ..) => folder.join(name).with_extension("parquet"),
        }
    }

    /// The name of the CSV for what arrives at `fetched_at`, and from when (milliseconds) another is due.
    pub(super) fn name_at(&self, fetched_at: DateTime<Utc>) -> (String, i64) {
        match self {
            Self::One(path, format) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let end = if *format == Format::Csv { "" } else { ".rest.csv" };
                (format!("{name}{end}"), i64::MAX)
            }
            Self::Daily(_, partition, _) => {
                let day = fetched_at.date_naive();
                (format!("part-{partition}-{day}.csv"), end_of(day))
            }
        }
    }

    /// From when (milliseconds) another CSV than that of this name is due.
    pub(super) fn until(&self, name: &str) -> i64 {
        match self {
            Self::One(..) => i64::MAX,
            Self::Daily(..) => self.day_of(name, ".csv").map_or(i64::MIN, end_of),
        }
    }

    /// The names of the CSVs that are there, in the order of writing.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        self.there(".csv")
    }

    /// The Parquet files that are there.
    pub(super) fn tables(&self) -> Result<Vec<PathBuf>> {
        match self {
            Self::One(path, Format::Parquet) => Ok(path.exists().then(|| path.clone()).into_iter().collect()),
            Self::One(..) => Ok(Vec::new()),
            Self::Daily(folder, ..) => Ok(self.there(".parquet")?.iter().map(|name| folder.join(name)).collect()),
        }
    }

    fn there(&self, end: &str) -> Result<Vec<String>> {
        let Self::Daily(folder, ..) = self else {
            let (name, _) = self.name_at(DateTime::UNIX_EPOCH);
            return Ok(self.path(&name).exists().then_some(name).into_iter().collect());
        };
        let failed = |error: io::Error| Error::io(folder, &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.to_str().filter(|name| self.day_of(name, end).is_some()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The day in a name of ours.
    fn day_of(&self, name: &str, end: &str) -> Option<NaiveDate> {
        let Self::Daily(_, partition, _) = self else { return None };
        let day = name.strip_prefix(&format!("part-{partition}-"))?.strip_suffix(end)?;
        day.parse().ok().filter(|_| day.len() == 10)
    }

    fn stem(&self) -> PathBuf {
        match self {
            Self::One(path, _) => path.clone(),
            Self::Daily(folder, partition, _) => folder.join(format!("part-{partition}")),
        }
    }
}

/// The midnight (UTC) that ends a day, in milliseconds.
fn end_of(day: NaiveDate) -> i64 {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    next.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const TABLE: &str = "part-1-2022-05-13.parquet";

    #[test]
    fn names_tell_partition_and_day_and_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::Daily(folder.path().into(), 1, Format::Csv);
        let at: DateTime<Utc> = "2022-05-12T23:59:59.999Z".parse().unwrap();
        let (name, until) = files.name_at(at);
        assert_eq!((name.as_str(), until), ("part-1-2022-05-12.csv", at.timestamp_millis() + 1));
        assert_eq!(files.until(&name), until);
        for other in [&name, "part-1-2022-05-02.csv", "part-11-2022-05-12.csv", "part-1.offsets", "part-1-x.csv", TABLE]
        {
            fs::write(folder.path().join(other), "").unwrap();
        }
        assert_eq!(files.names().unwrap(), ["part-1-2022-05-02.csv", "part-1-2022-05-12.csv"]);
        assert_eq!(files.tables().unwrap(), [folder.path().join(TABLE)]);
        assert_eq!(files.table(&TABLE.replace("parquet", "csv")), folder.path().join(TABLE));
        assert_eq!(files.bookmark(), folder.path().join("part-1.offsets"));
    }

    #[test]
    fn one_file_is_its_own_name_for_ever() {
        let files = Files::One("a/velib.csv".into(), Format::Csv);
        assert_eq!(files.name_at(DateTime::UNIX_EPOCH), ("velib.csv".into(), i64::MAX));
        assert_eq!(files.path("velib.csv"), Path::new("a/velib.csv"));
        assert!(files.names().unwrap().is_empty());
        let files = Files::One("velib.parquet".into(), Format::Parquet);
        let (rest, _) = files.name_at(DateTime::UNIX_EPOCH);
        assert_eq!(files.path(&rest), Path::new("velib.parquet.rest.csv"));
        assert_eq!((files.table(&rest), files.bookmark()), ("velib.parquet".into(), "velib.parquet.offsets".into()));
    }
}
