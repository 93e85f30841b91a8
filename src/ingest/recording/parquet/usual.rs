//! The rows of tables as libraries usually write them, read from their arrays as they stand; any other by the one reader of records.

use std::ops::Range;

use chrono::{DateTime, NaiveTime, Utc};
use polars::prelude::{
    BooleanType, ChunkedArray, Float64Type, Int64Type, PolarsDataType, StaticArray, StringType, TimeUnit,
};

use super::{Table, Values, raw, time};
use crate::ingest::Compact;
use crate::ingest::record::{Field, Slot, YEARS};
use crate::ingest::recording::pieces::{Known, Piece};
use crate::station::State;

/// Reads pieces of tables, one after another, and knows what was in those before.
#[derive(Default)]
pub(super) struct Reader {
    known: Known,
    fetched: Ticks,
    reported: Ticks,
}

impl Reader {
    pub(super) fn read(&mut self, table: &Table, rows: Range<usize>, room: usize) -> Piece {
        let (usual, start, mut piece, mut count) = (Usual::of(table), rows.start, Piece::default(), 0);
        piece.rows.reserve(rows.len());
        for row in rows {
            if let Some(columns) = &usual {
                let mut compact = || {
                    let state = columns.state(row)?;
                    let fetched_at = self.fetched.read(columns.fetched_at, row)?;
                    let last_reported = self.reported.read(columns.last_reported, row)?;
                    let site = self.known.site(|text| columns.is_site(row, text), |text| columns.site(row, text))?;
                    Some(Compact { site, fetched_at, last_reported, state })
                };
                if let Some(compact) = compact() {
                    piece.rows.push(compact);
                    count += 1;
                    continue;
                }
            }
            let raw = || raw(&table.record(row));
            let site = self.known.any(Ok(table.record(row)), ((row - start) as u64, raw), &mut piece, room);
            if let (Some(site), Some(columns)) = (site, &usual) {
                self.known.learn(site, |text| columns.site(row, text));
            }
        }
        if count > 0 {
            piece.drift.saw_table(count, table.there());
        }
        self.known.end(&mut piece);
        piece
    }
}

/// The columns of a table as libraries usually write them: times as timestamps, counts as whole numbers, flags as flags.
struct Usual<'t> {
    fetched_at: (&'t Integers, TimeUnit),
    last_reported: (&'t Integers, TimeUnit),
    texts: Vec<&'t Texts>,
    degrees: Vec<&'t Numbers>,
    counts: [Option<&'t Integers>; 5],
    flags: [Option<&'t Flags>; 3],
}

pub(super) type Integers = <Int64Type as PolarsDataType>::Array;
type Numbers = <Float64Type as PolarsDataType>::Array;
type Texts = <StringType as PolarsDataType>::Array;
type Flags = <BooleanType as PolarsDataType>::Array;

impl<'t> Usual<'t> {
    /// `None` for a table with others.
    fn of(table: &'t Table) -> Option<Self> {
        let column =
            |field| table.columns.iter().find(|(slot, _)| *slot == Slot::Field(field)).map(|(_, values)| values);
        let ticks = |field| match column(field) {
            Some(Values::Ticks(ticks, unit)) => Some((array(ticks)?, *unit)),
            _ => None,
        };
        let count = |field| match column(field) {
            Some(Values::Integer(counts)) => array(counts).map(Some),
            Some(Values::Nulls) | None => Some(None),
            _ => None,
        };
        let flag = |field| match column(field) {
            Some(Values::Flag(flags)) => array(flags).map(Some),
            Some(Values::Nulls) | None => Some(None),
            _ => None,
        };
        let (mut texts, mut degrees) = (Vec::new(), Vec::new());
        for field in [Field::StationCode, Field::Name, Field::Commune, Field::Lat, Field::Lon] {
            match column(field) {
                Some(Values::Text(column)) if !matches!(field, Field::Lat | Field::Lon) => texts.push(array(column)?),
                Some(Values::Number(column)) if matches!(field, Field::Lat | Field::Lon) => {
                    degrees.push(array(column)?);
                }
                Some(Values::Nulls) | None => {}
                _ => return None,
            }
        }
        if table.columns.iter().any(|(slot, _)| *slot == Slot::Position) {
            return None;
        }
        Some(Self {
            fetched_at: ticks(Field::FetchedAt)?,
            last_reported: ticks(Field::LastReported)?,
            texts,
            degrees,
            counts: [
                count(Field::Capacity)?,
                count(Field::DocksAvailable)?,
                count(Field::BikesAvailable)?,
                count(Field::Mechanical)?,
                count(Field::Ebike)?,
            ],
            flags: [flag(Field::IsInstalled)?, flag(Field::IsRenting)?, flag(Field::IsReturning)?],
        })
    }

    /// Whether a row says this of the station itself.
    fn is_site(&self, row: usize, text: &[u8]) -> bool {
        let rest = self.texts.iter().try_fold(text, |text, column| {
            let cell = column.get(row);
            text.strip_prefix(&length(cell)).and_then(|text| text.strip_prefix(cell.unwrap_or_default().as_bytes()))
        });
        let rest = rest.and_then(|text| {
            self.degrees.iter().try_fold(text, |text, column| text.strip_prefix(&bits(column.get(row))))
        });
        rest.is_some_and(<[u8]>::is_empty)
    }

    /// What a row says of the station itself, one after another.
    fn site(&self, row: usize, text: &mut Vec<u8>) {
        for column in &self.texts {
            let cell = column.get(row);
            text.extend_from_slice(&length(cell));
            text.extend_from_slice(cell.unwrap_or_default().as_bytes());
        }
        for column in &self.degrees {
            text.extend_from_slice(&bits(column.get(row)));
        }
    }

    /// `None` if a count is none.
    fn state(&self, row: usize) -> Option<State> {
        let count = |place: usize| match self.counts[place].and_then(|column| column.get(row)) {
            Some(count) => u32::try_from(count).ok().map(Some),
            None => Some(None),
        };
        let flag = |place: usize| self.flags[place].and_then(|column| column.get(row));
        Some(State {
            is_installed: flag(0),
            is_renting: flag(1),
            is_returning: flag(2),
            capacity: count(0)?,
            docks_available: count(1)?,
            bikes_available: count(2)?,
            mechanical: count(3)?,
            ebike: count(4)?,
        })
    }
}

/// The length of a text, which stands before it, so that no two rows read alike.
fn length(text: Option<&str>) -> [u8; 8] {
    text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes()
}

/// The bits of degrees; if they are not known, those of no number.
fn bits(degrees: Option<f64>) -> [u8; 8] {
    degrees.map_or(u64::MAX, f64::to_bits).to_le_bytes()
}

/// The one array of a column.
pub(super) fn array<T: PolarsDataType>(column: &ChunkedArray<T>) -> Option<&T::Array> {
    let mut arrays = column.downcast_iter();
    arrays.next().filter(|_| arrays.next().is_none())
}

/// Times one after another, which mostly are of one day, or the same.
#[derive(Default)]
pub(super) struct Ticks {
    last: Option<(i64, TimeUnit, DateTime<Utc>)>,
    /// The midnight before it, in ticks.
    midnight: i64,
}

impl Ticks {
    /// The time in a row; `None` for none, and for years that no feed means.
    pub(super) fn read(&mut self, (column, unit): (&Integers, TimeUnit), row: usize) -> Option<DateTime<Utc>> {
        let tick = column.get(row)?;
        let a_second: i64 = match unit {
            TimeUnit::Nanoseconds => 1_000_000_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Milliseconds => 1_000,
        };
        if let Some((last, of, time)) = self.last.filter(|(_, of, _)| *of == unit) {
            if last == tick {
                return Some(time);
            }
            let of_the_day = tick.wrapping_sub(self.midnight);
            if (0..86_400 * a_second).contains(&of_the_day) {
                let (second, rest) = (of_the_day / a_second, of_the_day % a_second);
                let nanoseconds = rest * (1_000_000_000 / a_second);
                let of_day = NaiveTime::from_num_seconds_from_midnight_opt(second as u32, nanoseconds as u32)?;
                let time = time.date_naive().and_time(of_day).and_utc();
                self.last = Some((tick, of, time));
                return Some(time);
            }
        }
        let time = time(tick, unit).filter(|time| YEARS.contains(&time.timestamp()))?;
        self.midnight = tick - tick.rem_euclid(86_400 * a_second);
        self.last = Some((tick, unit, time));
        Some(time)
    }
}
