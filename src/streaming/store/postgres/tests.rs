use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use super::home::Schema;
use super::*;
use crate::error::{Error, ErrorKind};
use crate::streaming::store::contract::{contract, engine, reading};
use crate::streaming::store::{Span, WindowRow};

contract!(Schema::new());

fn at(partition: i32, from: Option<i64>, to: i64) -> Progress {
    Progress { topic: "c/velib".into(), partitions: [(partition, Span { from, to })].into() }
}

/// Writes one reading of each of these stations at this minute.
fn write(store: &mut PostgresStore, codes: &[&str], minute: i64, progress: Option<&Progress>) -> Result<bool> {
    let windowing = Windowing::tumbling(Duration::from_secs(600)).unwrap();
    let stations: Vec<Station> = codes.iter().map(|code| Station::of(&reading(code, minute))).collect();
    let stations: Vec<&Station> = stations.iter().collect();
    let state = WindowState::default();
    let row =
        |station: &&'_ Station| (windowing.windows_of(station.last_reported).next().unwrap(), station.code.clone());
    let keys: Vec<_> = stations.iter().map(row).collect();
    let windows: Vec<WindowRow<'_>> =
        keys.iter().map(|(window, code)| WindowRow { station_code: code, window: *window, state: &state }).collect();
    store.write(&Changes { windowing, stations: &stations, windows: &windows, too_late: &[], progress })
}

fn rows(store: &mut PostgresStore) -> usize {
    store.station_windows(Select::ALL).unwrap().len()
}

#[test]
fn of_programs_that_start_at_once_on_an_empty_database_one_makes_the_tables() {
    let Some(schema) = Schema::new() else { return };
    let url = schema.url();
    thread::scope(|scope| {
        let opened: Vec<_> = (0..6).map(|_| scope.spawn(|| PostgresStore::open(&url).map(drop))).collect();
        opened.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
    });
    let made = schema.admin().query("SELECT version FROM velib_migrations", &[]).unwrap();
    assert_eq!(made.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [1]);
}

#[test]
fn what_is_not_our_database_is_refused_and_left_as_it_was() {
    let Some(schema) = Schema::new() else { return };
    let mut admin = schema.admin();
    let refusal = || {
        let error = PostgresStore::open(&schema.url()).unwrap_err();
        assert_eq!((error.kind(), error.place()), (ErrorKind::Store, Some(&Place::Url(schema.url().to_string()))));
        error.to_string().strip_prefix(&schema.url().to_string()).unwrap().to_owned()
    };
    admin.batch_execute("CREATE TABLE stations (x TEXT); INSERT INTO stations VALUES ('theirs')").unwrap();
    assert_eq!(
        refusal(),
        ": is a database of another program: it has a `stations` that this one did not make; \
         give another database, --store postgres://USER@HOST/DATABASE"
    );
    let tables = "SELECT relname::TEXT FROM pg_class WHERE relnamespace = current_schema()::REGNAMESPACE";
    assert_eq!(admin.query_one(tables, &[]).unwrap().get::<_, &str>(0), "stations");
    assert_eq!(admin.query_one("SELECT x FROM stations", &[]).unwrap().get::<_, &str>(0), "theirs");

    admin.batch_execute("DROP TABLE stations").unwrap();
    drop(schema.store());
    admin.batch_execute("INSERT INTO velib_migrations (version) VALUES (7)").unwrap();
    assert_eq!(
        refusal(),
        ": has schema version 7, newer than the 1 that this program knows; \
         give another database, --store postgres://USER@HOST/DATABASE"
    );

    let nowhere = schema.url_with(&format!("-c search_path={}_missing", schema.name));
    let error = PostgresStore::open(&nowhere).unwrap_err().to_string();
    assert!(error.contains("there is no schema in the search_path"), "{error}");
}

#[test]
fn a_server_a_database_or_a_right_that_is_missing_is_said_with_the_way_out() {
    let Some(schema) = Schema::new() else { return };
    let error = |url: &str| {
        let error = PostgresStore::open(&url.parse().unwrap()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Store, 1));
        error.to_string()
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("postgres://u:secret@127.0.0.1:{port}/velib");
    let said = error(&nobody);
    assert!(
        said.starts_with(&format!("postgres://u:***@127.0.0.1:{port}/velib: error connecting to server: ")),
        "{said}"
    );
    assert!(said.contains("; start one by `.ci/postgres start` or `docker compose up --wait`"), "{said}");

    let (server, _) = schema.server.rsplit_once('/').unwrap();
    let said = error(&format!("{server}/velib_missing"));
    assert!(said.ends_with("database \"velib_missing\" does not exist; make it: createdb velib_missing, with the server's -h, -p and -U"), "{said}");

    // Whoever may read alone.
    let (mut admin, name) = (schema.admin(), &schema.name);
    let (who, place) = schema.server.rsplit_once('@').unwrap();
    let reader = schema.url().to_string().replace(&format!("{who}@{place}"), &format!("postgres://{name}@{place}"));
    admin.batch_execute(&format!("CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA {name} TO {name}")).unwrap();
    let said = error(&reader);
    let owner = "; let the database's owner run this once, and grant what this user needs";
    assert!(said.contains("permission denied for schema") && said.ends_with(owner), "{said}");
    write(&mut schema.store(), &["16107"], 0, None).unwrap();
    admin.batch_execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO {name}")).unwrap();
    let mut store = PostgresStore::open(&reader.parse().unwrap()).unwrap();
    assert_eq!(rows(&mut store), 1);
    let refused = write(&mut store, &["16107"], 10, None).unwrap_err().to_string();
    assert!(refused.contains("permission denied for table ") && refused.ends_with(owner), "{refused}");
    assert_eq!(rows(&mut store), 1);
    drop(store);
    admin.batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).unwrap();
}

#[test]
fn a_connection_that_was_lost_is_made_again_and_nothing_is_lost_with_it() {
    let Some(schema) = Schema::new() else { return };
    let mut engine = engine(Box::new(schema.store()));
    engine.update(&reading("16107", 0)).unwrap();
    let progress = |from, to| at(0, from, to);
    assert_eq!(engine.flush_with(Some(&progress(None, 1))).unwrap(), Some(1));
    assert_eq!(schema.end_connections(), 1);
    engine.update(&reading("16107", 5)).unwrap();
    assert_eq!(engine.flush_with(Some(&progress(Some(1), 2))).unwrap(), Some(1));
    schema.end_connections();
    assert_eq!(engine.store().positions("c/velib").unwrap(), [(0, 2)].into());
    schema.end_connections();
    let rows = engine.store().station_windows(Select::ALL).unwrap();
    assert_eq!((rows.len(), rows[0].statistics.readings), (1, 2));
    schema.end_connections();
    engine.reload().unwrap();
    assert!(!engine.update(&reading("16107", 5)).unwrap());
}

#[test]
fn rows_that_were_shown_are_not_shown_again() {
    let Some(schema) = Schema::new() else { return };
    let mut store = schema.store();
    let codes: Vec<String> = (0..20_000).map(|code| code.to_string()).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    assert!(write(&mut store, &codes, 0, None).unwrap());
    let mut shown = 0;
    let failed = store.visit_station_windows(Select::ALL, &mut |_| {
        shown += 1;
        if shown == 1 {
            schema.end_connections();
        }
    });
    // What lay in the way between the two has come.
    assert!(failed.is_err() && (1..20_000).contains(&shown), "{shown} {failed:?}");
    assert_eq!(rows(&mut store), 20_000);
}

/// Stands between a store and its server, and cuts the connection when a transaction is committed.
struct Cutter {
    port: u16,
    cut: Arc<AtomicU8>,
}

const BEFORE: u8 = 1;
const AFTER: u8 = 2;

impl Cutter {
    fn before(server: &str) -> Self {
        let config: postgres::Config = server.parse().unwrap();
        let postgres::config::Host::Tcp(host) = config.get_hosts()[0].clone() else { panic!("{server} is a socket") };
        let (server, cut) = ((host, config.get_ports()[0]), Arc::new(AtomicU8::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cutter = Self { port: listener.local_addr().unwrap().port(), cut: Arc::clone(&cut) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect((server.0.as_str(), server.1)).unwrap());
                let swallow = Arc::new(AtomicU8::new(0));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (cut, answer) = (Arc::clone(&cut), Arc::clone(&swallow));
                thread::spawn(move || {
                    pass(&from, &to, |bytes| {
                        if !bytes.windows(7).any(|bytes| bytes == b"COMMIT\0") {
                            return true;
                        }
                        let cut = cut.swap(0, Ordering::SeqCst);
                        answer.store(cut, Ordering::SeqCst);
                        cut != BEFORE
                    });
                });
                // The answer to a commit has come when it is on the disk.
                thread::spawn(move || pass(&server, &client, |_| swallow.load(Ordering::SeqCst) != AFTER));
            }
        });
        cutter
    }
}

/// Passes bytes on while `may_pass`, then ends both connections.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_connection_that_is_cut_while_it_commits_keeps_each_transaction_once() {
    let Some(schema) = Schema::new() else { return };
    let cutter = Cutter::before(&schema.server);
    let config: postgres::Config = schema.server.parse().unwrap();
    let port = format!(":{}/", config.get_ports()[0]);
    let url = schema.url().to_string().replace(&port, &format!(":{}/", cutter.port));
    let mut store = PostgresStore::open(&url.parse().unwrap()).unwrap();
    for (nth, cut) in [0, BEFORE, AFTER, AFTER, BEFORE].into_iter().enumerate() {
        cutter.cut.store(cut, Ordering::SeqCst);
        let from = nth.checked_sub(1).map(|nth| nth as i64);
        assert!(write(&mut store, &["16107"], nth as i64 * 10, Some(&at(0, from, nth as i64))).unwrap(), "{nth}");
        assert_eq!(cutter.cut.load(Ordering::SeqCst), 0);
        assert_eq!((rows(&mut store), store.positions("c/velib").unwrap()), (nth + 1, [(0, nth as i64)].into()));
    }
    for cut in [BEFORE, AFTER] {
        cutter.cut.store(cut, Ordering::SeqCst);
        assert!(write(&mut store, &["16107"], 60, None).unwrap());
        assert_eq!(rows(&mut store), 6);
    }
    // Another process was faster meanwhile: the store says how far.
    for (progress, kept) in
        [(at(0, Some(2), 3), None), (at(0, Some(2), 4), Some(true)), (at(0, Some(1), 3), Some(false))]
    {
        let progress = if kept.is_none() { at(0, Some(4), 5) } else { progress };
        let outcome = store.outcome(Some(&progress)).unwrap();
        assert_eq!(outcome.map(|kept| matches!(kept, Kept::All)), kept);
    }
}

#[test]
fn a_transaction_that_stood_in_anothers_way_is_tried_again() {
    let Some(schema) = Schema::new() else { return };
    let mut store = PostgresStore::open(&schema.url_with("-c deadlock_timeout=50ms")).unwrap();
    assert!(write(&mut store, &["1", "2"], 0, None).unwrap());
    let (mut other, mut watch) = (schema.admin(), schema.admin());
    other
        .batch_execute("SET deadlock_timeout = '1min'; BEGIN; UPDATE stations SET name = 'other' WHERE code = '2'")
        .unwrap();
    let written =
        thread::spawn(move || write(&mut store, &["1", "2"], 10, Some(&at(0, None, 7))).map(|kept| (kept, store)));
    let waits = "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
    while watch.query_opt(waits, &[&schema.name]).unwrap().is_none() {
        thread::yield_now();
    }
    // Now each waits for the other.
    other.batch_execute("UPDATE stations SET name = 'other' WHERE code = '1'; COMMIT").unwrap();
    let (kept, mut store) = written.join().unwrap().unwrap();
    assert!(kept && rows(&mut store) == 4);
    assert_ne!(store.stations().unwrap()[0].name.as_deref(), Some("other"));
}

#[test]
fn processes_with_stations_of_their_own_write_at_once_and_of_two_on_one_partition_one_writes() {
    let Some(schema) = Schema::new() else { return };
    let kept: i64 = thread::scope(|scope| {
        let schema = &schema;
        let process = |nth: usize| {
            scope.spawn(move || {
                let (mut store, partition) = (schema.store(), i32::try_from(nth / 2).unwrap());
                let codes: Vec<String> = (0..50).map(|code| format!("{partition}-{code}")).collect();
                let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
                let mut kept = 0;
                while kept < 20 {
                    let from = store.positions("c/velib").unwrap().get(&partition).copied();
                    let to = from.unwrap_or(0) + 1;
                    kept += i64::from(write(&mut store, &codes, to * 10, Some(&at(partition, from, to))).unwrap());
                }
                kept
            })
        };
        let processes: Vec<_> = (0..6).map(process).collect();
        processes.into_iter().map(|process| process.join().unwrap()).sum()
    });
    let mut store = schema.store();
    let positions = store.positions("c/velib").unwrap();
    assert_eq!((positions.values().sum::<i64>(), positions.len()), (kept, 3));
    assert_eq!(rows(&mut store), 50 * usize::try_from(kept).unwrap());
}

#[test]
fn a_row_that_another_program_spoiled_is_an_error_that_says_so() {
    let Some(schema) = Schema::new() else { return };
    let mut store = schema.store();
    write(&mut store, &["16107"], 0, None).unwrap();
    let window = store.latest_window(None).unwrap().unwrap();
    schema.admin().batch_execute("UPDATE station_windows SET samples = '\\x07', readings = -5").unwrap();
    let said = |error: Error| error.message().to_owned();
    assert_eq!(
        said(store.station_windows(Select::ALL).unwrap_err()),
        "holds a row that this program did not write: -5 in column 9"
    );
    let code = StationCode::new("16107").unwrap();
    assert_eq!(
        said(store.window_state(&code, window).unwrap_err()),
        "holds a row that this program did not write: no samples in column 1"
    );
}
