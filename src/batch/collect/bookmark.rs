//! The bookmark: how far a collection counts, in its files and in the topic, in one small file beside them.
//!
//! It is written whole beside the old one, brought to the disk and renamed over it, so that at any moment one of the two is
//! there. Because one file names both places, the length of the collected file and the offsets in the topic cannot disagree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::wild::Wild;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::StationCode;

/// What counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bookmark {
    /// The topic with its cluster, `CLUSTER/TOPIC`; `None` as long as nothing came from a real Kafka.
    pub(super) topic: Option<String>,
    /// For each partition the offset of the message that comes next.
    pub(super) next: BTreeMap<i32, i64>,
    /// The name of the file that is written to, which lies beside the bookmark. Those before it are done with.
    pub(super) file: String,
    /// So many of its bytes count; what stands behind them does not.
    pub(super) length: u64,
    /// How long the Parquet file is that its rows were added to; 0 if there is none.
    #[serde(default)]
    pub(super) table: u64,
    /// A file whose rows are becoming Parquet, and how long that will be: if it is so long, they have.
    #[serde(default)]
    pub(super) folding: Option<(String, u64)>,
    /// How many readings all files hold.
    pub(super) readings: u64,
    /// Where the [tail](super::known) begins in the file, a line's first byte.
    pub(super) tail: u64,
    /// For each station its newest event time before the tail, in milliseconds.
    pub(super) before_tail: BTreeMap<StationCode, i64>,
    /// The readings that came from a clock far wrong.
    #[serde(default)]
    pub(super) wild: Wild,
}

impl Bookmark {
    /// The bookmark at `path`, if there is one.
    pub(super) fn load(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::new(ErrorKind::Data, format!("it does not say where the collection stands: {error}"))
                .at(Place::file(path))
                .way_out("delete it: the collected files are then read whole, and the topic from its beginning")
        })
    }

    /// Puts it in the place of the one at `path`.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let new = beside(path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, path)
    }
}

/// The path with more at the end of its name.
pub(in crate::batch) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A new name outlives a loss of power only if its folder was synced too. Not every system can; the file itself is synced.
pub(super) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_what_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv.offsets");
        assert_eq!(Bookmark::load(&path), Ok(None));
        let bookmark = Bookmark {
            topic: Some("x/velib".into()),
            next: BTreeMap::from([(0, 7), (11, 0)]),
            length: 300,
            before_tail: BTreeMap::from([(StationCode::new("31024_relais").unwrap(), -1)]),
            ..Bookmark::default()
        };
        bookmark.save(&path).unwrap();
        assert_eq!(Bookmark::load(&path), Ok(Some(bookmark)));
        fs::write(&path, "{").unwrap();
        let error = Bookmark::load(&path).unwrap_err().to_string();
        assert!(error.contains("a.csv.offsets: it does not say") && error.contains("; delete it: "), "{error}");
    }
}
