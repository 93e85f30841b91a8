//! One transaction: windows, stations, what came too late, and how far the topic has been read.
//!
//! Rows go by COPY into temporary tables, and from there into the tables by one statement each: no answer is waited for row by
//! row.

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use postgres::{IsolationLevel, Statement, Transaction};

use super::session::{Failed, Session, Tried};
use super::{read_windowing, text, whole};
use crate::station::{StationCode, StationStatus};
use crate::streaming::state::WindowStatistics;
use crate::streaming::station::Station;
use crate::streaming::store::columns::{Number, STATISTICS, numbers};
use crate::streaming::store::{Changes, Kept, Progress, Span, WindowRow};

const STATION_COLUMNS: [&str; 10] = [
    "code",
    "name",
    "lat",
    "lon",
    "commune",
    "arrondissement",
    "capacity",
    "last_reported_ms",
    "fetched_at_ms",
    "clock_ms",
];

const WINDOW_COLUMNS: [&str; 4] = ["window_start", "station_code", "window_end", "samples"];

const TOO_LATE_COLUMNS: [&str; 3] = ["station_code", "last_reported_ms", "reading"];

const WINDOWING: &str = "SELECT length_seconds, slide_seconds FROM windowing";

/// A transaction that did not succeed.
pub(super) enum Broken {
    /// Nothing of it was kept.
    Undone(Failed),
    /// Whether it was kept is not known: the connection was lost while it was being committed.
    Unclear(Failed),
}

impl<E: Into<Failed>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Undone(error.into())
    }
}

/// A table that rows are copied to.
struct Target {
    copy: Statement,
    put: Statement,
    types: Vec<Type>,
}

/// Writes the changes in one transaction.
pub(super) fn write(session: &mut Session, changes: &Changes<'_>) -> Result<Kept, Broken> {
    let targets = targets(session)?;
    let [windowing, note_windowing, begin, move_on] = [
        WINDOWING,
        "INSERT INTO windowing (one, length_seconds, slide_seconds) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
        "INSERT INTO positions (topic, partition, next_offset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        "UPDATE positions SET next_offset = $3 WHERE topic = $1 AND partition = $2 AND next_offset = $4",
    ]
    .map(|sql| session.prepare(sql));
    let (windowing, note_windowing, begin, move_on) = (windowing?, note_windowing?, begin?, move_on?);
    // Read committed: a statement that waited for another transaction goes by what that one has written.
    let mut transaction = session.client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start()?;
    let kept = match read_windowing(transaction.query_opt(&windowing, &[])?)? {
        Some(kept) => Some(kept),
        None => {
            let seconds = [changes.windowing.length(), changes.windowing.slide()].map(|length| whole(length.as_secs()));
            transaction.execute(&note_windowing, &[&seconds[0], &seconds[1]])?;
            // Another process may have been first.
            read_windowing(transaction.query_opt(&windowing, &[])?)?
        }
    };
    if let Some(kept) = kept.filter(|&kept| kept != changes.windowing) {
        return Ok(Kept::Other(kept));
    }
    if let Some(progress) = changes.progress
        && !go_on(&mut transaction, progress, &begin, &move_on)?
    {
        return Ok(Kept::Overtaken);
    }
    let [stations, windows, too_late] = &targets;
    // In one order in all processes: they wait for each other, but never in a circle.
    let mut by_code = changes.stations.to_vec();
    by_code.sort_unstable_by(|a, b| a.code.cmp(&b.code));
    stations.put(&mut transaction, by_code.iter().map(|station| station_cells(station)))?;
    windows.put(&mut transaction, changes.windows.iter().map(window_cells))?;
    let readings: Tried<Vec<_>> = changes.too_late.iter().map(|reading| too_late_cells(reading)).collect();
    too_late.put(&mut transaction, readings?.into_iter())?;
    match transaction.commit() {
        Ok(()) => Ok(Kept::All),
        Err(error) => {
            let failed = Failed::from(error);
            Err(if failed.is_lost() { Broken::Unclear(failed) } else { Broken::Undone(failed) })
        }
    }
}

/// Notes how far the topic has been read; whether it still stood where this reading began.
fn go_on(
    transaction: &mut Transaction<'_>,
    progress: &Progress,
    begin: &Statement,
    move_on: &Statement,
) -> Tried<bool> {
    for (partition, Span { from, to }) in &progress.partitions {
        let moved = match from {
            None => transaction.execute(begin, &[&progress.topic, partition, to])?,
            Some(from) => transaction.execute(move_on, &[&progress.topic, partition, to, from])?,
        };
        if moved != 1 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The tables for stations, windows and what came too late, with what the connection needs to write to them.
fn targets(session: &mut Session) -> Tried<[Target; 3]> {
    if !session.can_write {
        let tables = ["stations", "station_windows", "too_late"]
            .map(|table| format!("CREATE TEMPORARY TABLE new_{table} (LIKE {table}) ON COMMIT DELETE ROWS;"));
        session.client.batch_execute(&tables.concat())?;
        session.can_write = true;
    }
    let window_columns = [&WINDOW_COLUMNS[..], &STATISTICS].concat();
    let of_number = |number| match number {
        Number::Count(_) => Type::INT8,
        Number::Real(_) => Type::FLOAT8,
    };
    let none = WindowStatistics::default();
    let window_types = [Type::INT8, Type::TEXT, Type::INT8, Type::BYTEA];
    let window_types = window_types.into_iter().chain(numbers(&none).map(of_number));
    let station_types = [
        Type::TEXT,
        Type::TEXT,
        Type::FLOAT8,
        Type::FLOAT8,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
    ];
    Ok([
        Target::of(session, "stations", &STATION_COLUMNS, 1, station_types.into())?,
        Target::of(session, "station_windows", &window_columns, 2, window_types.collect())?,
        Target::once(session, "too_late", &TOO_LATE_COLUMNS, vec![Type::TEXT, Type::INT8, Type::TEXT])?,
    ])
}

impl Target {
    /// A table whose first `key` columns say which row it is, and where a new row is put in the place of the old one.
    fn of(session: &mut Session, table: &str, columns: &[&str], key: usize, types: Vec<Type>) -> Tried<Self> {
        let replaced: Vec<String> =
            columns[key..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let keys = columns[..key].join(", ");
        Self::made(session, table, columns, types, &format!("({keys}) DO UPDATE SET {}", replaced.join(", ")))
    }

    /// A table where the old row stays.
    fn once(session: &mut Session, table: &str, columns: &[&str], types: Vec<Type>) -> Tried<Self> {
        Self::made(session, table, columns, types, "DO NOTHING")
    }

    fn made(session: &mut Session, table: &str, columns: &[&str], types: Vec<Type>, on_conflict: &str) -> Tried<Self> {
        let all = columns.join(", ");
        let copy = session.prepare(&format!("COPY pg_temp.new_{table} ({all}) FROM STDIN BINARY"))?;
        let put = session.prepare(&format!(
            "INSERT INTO {table} ({all}) SELECT {all} FROM pg_temp.new_{table} ON CONFLICT {on_conflict}"
        ))?;
        Ok(Self { copy, put, types })
    }

    /// Puts the rows into the table.
    fn put(&self, transaction: &mut Transaction<'_>, mut rows: impl Iterator<Item = Vec<Cell>>) -> Tried<()> {
        let Some(first) = rows.next() else { return Ok(()) };
        let mut copy = BinaryCopyInWriter::new(transaction.copy_in(&self.copy)?, &self.types);
        for row in std::iter::once(first).chain(rows) {
            copy.write_raw(row.iter().map(Cell::to_sql))?;
        }
        copy.finish()?;
        transaction.execute(&self.put, &[])?;
        Ok(())
    }
}

/// What goes into one column of one row.
enum Cell {
    Text(Option<String>),
    Whole(Option<i64>),
    Real(Option<f64>),
    Bytes(Vec<u8>),
}

impl Cell {
    fn to_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number,
            Self::Real(number) => number,
            Self::Bytes(bytes) => bytes,
        }
    }
}

fn code(code: &StationCode) -> Cell {
    Cell::Text(Some(text(code.as_str())))
}

fn known(known: Option<&str>) -> Cell {
    Cell::Text(known.map(text))
}

fn station_cells(station: &Station) -> Vec<Cell> {
    let time = |time: chrono::DateTime<chrono::Utc>| Cell::Whole(Some(time.timestamp_millis()));
    vec![
        code(&station.code),
        known(station.name.as_deref()),
        Cell::Real(station.lat),
        Cell::Real(station.lon),
        known(station.commune.as_deref()),
        known(station.arrondissement.as_deref()),
        Cell::Whole(station.capacity.map(i64::from)),
        time(station.last_reported),
        time(station.fetched_at),
        time(station.clock),
    ]
}

fn window_cells(row: &WindowRow<'_>) -> Vec<Cell> {
    let said = row.state.statistics(row.window);
    let key = [
        Cell::Whole(Some(row.window.start.timestamp())),
        code(row.station_code),
        Cell::Whole(Some(row.window.end.timestamp())),
        Cell::Bytes(row.state.to_bytes()),
    ];
    let said = numbers(&said).map(|number| match number {
        Number::Count(count) => Cell::Whole(Some(whole(count))),
        Number::Real(real) => Cell::Real(real),
    });
    key.into_iter().chain(said).collect()
}

fn too_late_cells(reading: &StationStatus) -> Tried<Vec<Cell>> {
    let json = serde_json::to_string(reading).map_err(|error| Failed::Row(error.to_string()))?;
    let time = reading.last_reported.timestamp_millis();
    Ok(vec![code(&reading.station_code), Cell::Whole(Some(time)), Cell::Text(Some(json))])
}
