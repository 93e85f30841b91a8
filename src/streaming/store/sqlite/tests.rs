use super::*;
use crate::streaming::store::contract::{Home, contract, engine, reading};
use crate::streaming::{ZoneKind, ZoneWindow};

/// A file in a folder of its own.
struct File(tempfile::TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("velib.sqlite")
    }
}

impl Home for File {
    const CASES: u32 = 64;

    fn open(&self) -> Box<dyn Store> {
        Box::new(SqliteStore::open(self.path()).unwrap())
    }

    fn zones_of_the_view(&self, kind: ZoneKind) -> Vec<ZoneWindow> {
        let sql = format!(
            "SELECT zone, window_start, window_end, stations, expected, {} FROM zone_statistics WHERE kind = '{kind}'",
            STATISTICS.join(", ")
        );
        let mut rows = Vec::new();
        let read = |row: &Row<'_>| {
            rows.push(ZoneWindow {
                kind: kind.to_string(),
                zone: row.get(0)?,
                window: window(row, 1)?,
                stations: row.count(3)?,
                expected: row.count(4)?,
                statistics: statistics(row, 5)?,
            });
            Ok(())
        };
        let store = SqliteStore::open(self.path()).unwrap();
        store.visit_rows(&sql, "zone", Select::ALL, "window_start, zone", read).unwrap();
        rows
    }

    fn refuse_windows_of(&self, code: Option<&str>) {
        let trigger = code.map_or_else(
            || "DROP TRIGGER no".to_owned(),
            |code| {
                format!(
                    "CREATE TRIGGER no BEFORE INSERT ON station_windows WHEN NEW.station_code = '{code}' \
                     BEGIN SELECT RAISE(FAIL, 'no'); END"
                )
            },
        );
        Connection::open(self.path()).unwrap().execute_batch(&trigger).unwrap();
    }

    fn kept_aside(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let mut statement = connection.prepare("SELECT reading FROM too_late ORDER BY 1").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
    }
}

contract!(Some(File::new()));

#[test]
fn what_is_not_our_file_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let refusal = |path: &Path| {
        let before = std::fs::read(path).unwrap();
        let error = SqliteStore::open(path).unwrap_err();
        assert_eq!((error.kind(), std::fs::read(path).unwrap()), (ErrorKind::Store, before));
        error.to_string().strip_prefix(&path.display().to_string()).unwrap().to_owned()
    };

    std::fs::write(&path, "stationcode,duedate\n".repeat(1000)).unwrap();
    assert_eq!(refusal(&path), ": is not an SQLite database; give another file, --store sqlite:FILE");

    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert_eq!(refusal(&path), ": is a database of another program; give another file, --store sqlite:FILE");

    std::fs::remove_file(&path).unwrap();
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert_eq!(
        refusal(&path),
        ": has schema version 7, newer than the 2 that this program knows; give another file, --store sqlite:FILE"
    );

    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(
        refusal(&path),
        ": has schema version 1, whose windows cannot be gone on with: replay the topic into a new file; \
         give another file, --store sqlite:FILE"
    );

    let nowhere = folder.path().join("missing/a.db");
    let error = SqliteStore::open(&nowhere).unwrap_err().to_string();
    assert!(error.ends_with("; see that its folder exists and can be written to"), "{error}");
}

#[test]
fn half_a_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.db");
    let mut whole = engine(Box::new(SqliteStore::open(&path).unwrap()));
    for minute in 0..3000 {
        whole.update(&reading("16107", minute)).unwrap();
    }
    whole.flush().unwrap();
    drop(whole);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let failed = SqliteStore::open(&path).and_then(|mut store| store.station_windows(Select::ALL)).unwrap_err();
    assert_eq!((failed.kind(), failed.place()), (ErrorKind::Store, Some(&Place::file(&path))));
    assert!(failed.to_string().ends_with("give another file and replay the topic into it"), "{failed}");
}
