//! Which files a history is, where folders are named: all that a collector wrote, and whatever else of the kind lies there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::collect::beside;
use crate::error::{Error, ErrorKind, Place, Result};

/// The files that `paths` name, for [`Recording::read`](crate::ingest::Recording::read): of a folder all its CSV and Parquet
/// files and those of the folders in it, by name; what else lies there is passed over, and so are hidden ones.
///
/// A folder without any is an error. Files that are named themselves are not looked at; a collector's Parquet file brings with
/// it what is not in it yet, `FILE.rest.csv`.
pub fn data_files<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        if !path.is_dir() {
            // What a collector has not brought into its Parquet file yet.
            let is_table = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"));
            let rest = Some(beside(path, ".rest.csv")).filter(|rest| is_table && rest.exists());
            if path.exists() || rest.is_none() {
                files.push(path.to_path_buf());
            }
            files.extend(rest);
            continue;
        }
        let before = files.len();
        add_folder(path, &mut files).map_err(|error| Error::io(path, &error))?;
        if files.len() == before {
            return Err(Error::new(ErrorKind::Data, "no .csv and no .parquet lies in it")
                .at(Place::file(path))
                .way_out("name the folder that part3_collect writes to"));
        }
    }
    Ok(files)
}

fn add_folder(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
        let path = entry.path();
        // A link to a folder is not followed: it could lead back here.
        if entry.file_type()?.is_dir() {
            add_folder(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("csv") || end.eq_ignore_ascii_case("parquet"))
        {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_tables_and_those_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("b/empty")).unwrap();
        for name in
            ["c.CSV", "a.parquet", "b/part-0-2022-05-12.csv", "b/part-0.offsets", ".hidden.csv", "x.csv.new", "y.lock"]
        {
            fs::write(path(name), "").unwrap();
        }
        let all = [path("a.parquet"), path("b/part-0-2022-05-12.csv"), path("c.CSV")];
        assert_eq!(data_files(&[folder.path()]).unwrap(), all);
        assert_eq!(data_files(&[path("c.CSV"), path("b")]).unwrap(), [path("c.CSV"), path("b/part-0-2022-05-12.csv")]);
        assert_eq!(data_files(&["no/such.csv"]).unwrap(), [Path::new("no/such.csv")]);
        // With what a collector has not brought into its table yet, which may be all.
        fs::write(path("a.parquet.rest.csv"), "").unwrap();
        fs::write(path("new.parquet.rest.csv"), "").unwrap();
        assert_eq!(data_files(&[path("a.parquet")]).unwrap(), [path("a.parquet"), path("a.parquet.rest.csv")]);
        assert_eq!(data_files(&[path("new.parquet")]).unwrap(), [path("new.parquet.rest.csv")]);
        // That is of tables alone: what is named and not there is an error of who reads it.
        fs::write(path("z.csv.rest.csv"), "").unwrap();
        assert_eq!(data_files(&[path("z.csv")]).unwrap(), [path("z.csv")]);
        let error = data_files(&[path("b/empty")]).unwrap_err().to_string();
        assert!(error.contains("empty: no .csv and no .parquet lies in it; name the folder"), "{error}");
    }
}
