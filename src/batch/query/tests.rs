//! Each usual query is answered as SQLite answers it, or refused with a way round.

mod answered;
mod random;
mod refused;

use std::collections::BTreeMap;
use std::io::Cursor;

use chrono::{DateTime, Utc};
use polars_io::SerReader;
use polars_io::parquet::read::ParquetReader;
use proptest::prelude::*;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::*;
use crate::batch::testing::{at, readings};
use crate::station::{StationCode, StationStatus};
use answered::RIGHT;
use random::Random;
use refused::REFUSED;

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Boolean(value) => i64::from(*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Float(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::Time(value) => value.format("%Y-%m-%d %H:%M:%S").to_string().into(),
            Self::Date(value) => value.to_string().into(),
        })
    }
}

/// A cell as both write it, to nine digits.
fn cell(value: &ToSqlOutput<'_>) -> String {
    let number = |number: f64| format!("{:.9}", if number == 0.0 { 0.0 } else { number });
    let value = match value {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => panic!("no value"),
    };
    match value {
        ValueRef::Null => "null".into(),
        ValueRef::Integer(value) => number(value as f64),
        ValueRef::Real(value) => number(value),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(_) => panic!("a blob"),
    }
}

fn ours(table: &Table, sql: &str) -> Vec<Vec<String>> {
    let answer = query(table, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    answer.rows().map(|row| row.iter().map(|value| cell(&value.to_sql().unwrap())).collect()).collect()
}

fn theirs(sqlite: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = sqlite.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let width = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..width).map(|column| Ok(cell(&ToSqlOutput::Borrowed(row.get_ref(column)?)))).collect());
    rows.unwrap().map(|row: rusqlite::Result<Vec<String>>| row.unwrap()).collect()
}

/// The stations by a loop, as rows of values.
fn stations_by_hand(readings: &[StationStatus]) -> Vec<Vec<Option<Value>>> {
    let mut groups: BTreeMap<&StationCode, Vec<&StationStatus>> = BTreeMap::new();
    for reading in readings {
        groups.entry(&reading.station_code).or_default().push(reading);
    }
    let row = |(code, mut own): (&StationCode, Vec<&StationStatus>)| {
        own.sort_by_key(|reading| (reading.last_reported, reading.fetched_at));
        let text = |text: Option<&str>| text.map(|text| Value::Text(text.to_owned()));
        let zone = |kind: crate::streaming::ZoneKind| {
            own.iter().rev().find_map(|reading| kind.zone_of(reading)).map(Value::Text)
        };
        let time = |reading: Option<&&StationStatus>| reading.map(|reading| Value::Time(reading.last_reported));
        vec![
            Some(Value::Text(code.to_string())),
            text(own.iter().rev().find_map(|reading| reading.name.as_deref())),
            zone(crate::streaming::ZoneKind::Commune),
            zone(crate::streaming::ZoneKind::Arrondissement),
            own.iter().rev().find_map(|reading| reading.capacity).map(|capacity| Value::Integer(capacity.into())),
            own.iter().rev().find_map(|reading| reading.lat).map(Value::Float),
            own.iter().rev().find_map(|reading| reading.lon).map(Value::Float),
            Some(Value::Integer(own.len() as i64)),
            time(own.first()),
            time(own.last()),
        ]
    };
    groups.into_iter().map(row).collect()
}

/// Both tables in SQLite.
fn sqlite(table: &Table, readings: &[StationStatus]) -> Connection {
    let sqlite = Connection::open_in_memory().unwrap();
    sqlite.execute_batch("PRAGMA case_sensitive_like = ON").unwrap();
    let all = query(table, "SELECT * FROM readings").unwrap();
    let names: Vec<_> = all.columns().iter().map(|column| format!("\"{}\"", column.name)).collect();
    sqlite.execute_batch(&format!("CREATE TABLE readings ({})", names.join(", "))).unwrap();
    let columns = stations::columns();
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    sqlite.execute_batch(&format!("CREATE TABLE stations ({})", names.join(", "))).unwrap();
    let insert = |name: &str, rows: &mut dyn Iterator<Item = Vec<Option<Value>>>| {
        for row in rows {
            let marks = vec!["?"; row.len()].join(", ");
            let mut insert = sqlite.prepare_cached(&format!("INSERT INTO {name} VALUES ({marks})")).unwrap();
            insert.execute(params_from_iter(row)).unwrap();
        }
    };
    insert("readings", &mut all.rows());
    insert("stations", &mut stations_by_hand(readings).into_iter());
    sqlite
}

/// Of each station one reading at a time: then an order by time is one order.
fn distinct(mut readings: Vec<StationStatus>) -> Vec<StationStatus> {
    readings.sort_by(|a, b| (&a.station_code, a.last_reported).cmp(&(&b.station_code, b.last_reported)));
    readings.dedup_by(|a, b| (&a.station_code, a.last_reported) == (&b.station_code, b.last_reported));
    readings
}

fn is_ordered(sql: &str) -> bool {
    sql.rsplit(')').next().is_some_and(|end| end.contains("ORDER BY"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn what_is_answered_is_what_sqlite_answers(readings in readings().prop_map(distinct)) {
        let table = Table::new(&readings).unwrap();
        let sqlite = sqlite(&table, &readings);
        for (sql, theirs_sql) in RIGHT {
            let theirs_sql = if theirs_sql.is_empty() { sql } else { theirs_sql };
            let (mut ours, mut theirs) = (ours(&table, sql), theirs(&sqlite, theirs_sql));
            if !is_ordered(sql) {
                ours.sort();
                theirs.sort();
            }
            prop_assert_eq!(ours, theirs, "{}", sql);
        }
    }

    #[test]
    fn queries_that_nobody_wrote_are_answered_as_sqlite_answers_them(readings in readings(), seed: u64) {
        let table = Table::new(&readings).unwrap();
        let sqlite = sqlite(&table, &readings);
        let mut random = Random::new(seed);
        for sql in (0..40).map(|_| random.query()) {
            let (mut ours, mut theirs) = (ours(&table, &sql), theirs(&sqlite, &sql));
            ours.sort();
            theirs.sort();
            prop_assert_eq!(ours, theirs, "{}", sql);
        }
    }

    #[test]
    fn the_stations_are_those_of_a_loop(readings in readings()) {
        let table = Table::new(&readings).unwrap();
        let found: Vec<_> = query(&table, "SELECT * FROM stations").unwrap().rows().collect();
        prop_assert_eq!(found, stations_by_hand(&readings));
    }

    #[test]
    fn no_text_brings_it_down(sql in "[ -~]{0,60}", words in prop::collection::vec(prop::sample::select(WORDS), 0..16)) {
        let table = Table::new(&[]).unwrap();
        for sql in [sql, words.join(" ")] {
            if let Err(error) = query(&table, &sql) {
                prop_assert_eq!(error.kind(), ErrorKind::Usage, "{}", sql);
            }
        }
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "readings",
    "stations",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "stationcode",
    "name",
    "duedate",
    "open",
    "*",
    ",",
    "(",
    ")",
    "COUNT(*) AS n",
    "AVG(numbikesavailable) AS m",
    "0",
    "1",
    "-1",
    "=",
    "+",
    "/",
    "'a'",
    "NULL",
    "AS x",
    "JOIN",
    "ON",
    "AND",
    "CASE WHEN",
    "THEN",
    "END",
    "WITH",
    "OVER",
    "PARTITION BY",
    "UNION",
    "DISTINCT",
    "HAVING",
    "BETWEEN",
    "IN",
    "LIKE",
];

fn reading(code: &str, seconds: i64) -> StationStatus {
    StationStatus {
        name: Some("Rue \"A\", bis".into()),
        capacity: Some(20),
        bikes_available: Some(3),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at(seconds), at(seconds + 60))
    }
}

fn two() -> Table {
    Table::new(&[reading("16107", 0), StationStatus { name: None, ..reading("9020", 90) }]).unwrap()
}

#[test]
fn what_would_be_wrong_is_refused_with_the_way_round() {
    let table = two();
    for (sql, part) in REFUSED {
        let error = query(&table, sql).map(|answer| panic!("{sql}: {answer:?}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{sql}: {error}");
        let told = error.to_string();
        assert!(told.contains(part) && told.contains("; ") && !told.contains('\n'), "{sql}: {told}");
    }
}

#[test]
fn whole_numbers_do_not_go_round() {
    let number = |sql: &str| match query(&two(), sql).unwrap().rows().next().unwrap().remove(0) {
        Some(Value::Integer(number)) => number,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(number("SELECT COUNT(*) - 100 AS n FROM readings"), -98);
    assert_eq!(number("SELECT n - 100 AS m FROM (SELECT COUNT(*) AS n FROM readings) AS t"), -98);
    assert_eq!(number("SELECT LENGTH(stationcode) - 100 AS n FROM readings ORDER BY stationcode"), -95);
    assert_eq!(number("SELECT EXTRACT(YEAR FROM duedate) * 1000000 AS n FROM readings"), 2_022_000_000);
    assert_eq!(number("SELECT EXTRACT(HOUR FROM duedate) * 600 AS n FROM readings"), 3000);
    assert_eq!(
        number("SELECT SUM(CASE WHEN capacity > 1 THEN 2000000000 ELSE 0 END) AS n FROM readings"),
        4_000_000_000
    );
    assert_eq!(number("SELECT 2000000000 + 2000000000 AS n FROM readings"), 4_000_000_000);
    assert_eq!(number("SELECT SUM(x) AS n FROM (SELECT 2000000000 AS x FROM readings) AS t"), 4_000_000_000);
}

#[test]
fn an_answer_is_written_in_four_formats() {
    let sql = "SELECT stationcode, name, duedate, numbikesavailable / 2 AS half, capacity > 5 AS big, CAST(duedate AS DATE) AS day
        FROM readings ORDER BY duedate";
    let answer = query(&two(), sql).unwrap();
    let types: Vec<_> = answer.columns().iter().map(|column| column.column_type.to_string()).collect();
    assert_eq!(types, ["text", "text", "time", "float", "boolean", "date"]);
    let mut written = Vec::new();
    answer.write_csv(&mut written).unwrap();
    let csv = "stationcode,name,duedate,half,big,day\n16107,\"Rue \"\"A\"\", bis\",2022-04-15T05:20:00Z,1.5,true,2022-04-15\n\
        9020,,2022-04-15T05:21:30Z,1.5,true,2022-04-15\n";
    assert_eq!(String::from_utf8(written).unwrap(), csv);

    let mut written = Vec::new();
    answer.write_json(&mut written).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let second = serde_json::json!({"stationcode": "9020", "name": null, "duedate": "2022-04-15T05:21:30Z", "half": 1.5, "big": true,
        "day": "2022-04-15"});
    assert_eq!((json.as_array().unwrap().len(), &json[1]), (2, &second));

    let mut written = Vec::new();
    answer.write_parquet(&mut written).unwrap();
    let read = ParquetReader::new(Cursor::new(written)).finish();
    assert_eq!(Answer::new(&read.unwrap()).unwrap().rows().collect::<Vec<_>>(), answer.rows().collect::<Vec<_>>());

    let mut written = Vec::new();
    answer.write_text(&mut written, 1).unwrap();
    let text = "stationcode  name          duedate                 half  big   day\n\
        16107        Rue \"A\", bis  2022-04-15T05:20:00Z  1.5000  true  2022-04-15\n… 2 rows in all\n";
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

#[test]
fn nothing_found_is_an_empty_answer() {
    let answer = query(&two(), "SELECT name FROM readings WHERE capacity > 100").unwrap();
    assert!(answer.is_empty());
    assert_eq!((answer.len(), answer.rows().count()), (0, 0));
    let mut written = Vec::new();
    answer.write_json(&mut written).unwrap();
    answer.write_csv(&mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), "[]\nname\n");
}

#[test]
fn lengths_of_time_are_seconds() {
    let sql = "SELECT duedate - LAG(duedate) OVER (ORDER BY duedate) AS waited FROM readings ORDER BY duedate";
    let rows: Vec<_> = query(&two(), sql).unwrap().rows().collect();
    assert_eq!(rows, [vec![None], vec![Some(Value::Float(90.0))]]);
}

#[test]
fn a_value_says_what_it_is() {
    let time: DateTime<Utc> = at(0);
    assert_eq!(Value::Time(time).to_string(), "2022-04-15T05:20:00Z");
    assert_eq!(Value::Date(time.date_naive()).to_string(), "2022-04-15");
    assert_eq!(
        serde_json::to_string(&[Value::Float(0.5), Value::Time(time)]).unwrap(),
        "[0.5,\"2022-04-15T05:20:00Z\"]"
    );
}
