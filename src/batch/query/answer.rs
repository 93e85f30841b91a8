//! What a query answers: columns with names and types, and rows. Each format it is written in has a file of its own.

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use polars::prelude::{AnyValue, Column, DataFrame, DataType, TimeUnit, TimeZone};
use serde::{Serialize, Serializer};

use crate::batch::engine::of_polars;
use crate::error::{Error, ErrorKind, Result};

/// The rows that a query asked for, in the order it asked for.
#[derive(Clone, Debug)]
pub struct Answer {
    /// In one chunk, and of the types in [`ColumnType`] alone.
    frame: DataFrame,
    columns: Vec<AnswerColumn>,
}

/// A column of an [`Answer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerColumn {
    /// Its name, as the query gave it.
    pub name: String,
    /// The type of all its values.
    pub column_type: ColumnType,
}

/// The type of a column's values, each of which may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// 64 bits.
    Integer,
    /// 64 bits. A length of time is its seconds.
    Float,
    /// UTF-8.
    Text,
    /// A moment in UTC, to the millisecond.
    Time,
    /// A day of the calendar.
    Date,
}

/// A known value. Serialised as JSON's own types, moments and days as text (RFC 3339).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Of [`ColumnType::Boolean`].
    Boolean(bool),
    /// Of [`ColumnType::Integer`].
    Integer(i64),
    /// Of [`ColumnType::Float`].
    Float(f64),
    /// Of [`ColumnType::Text`].
    Text(String),
    /// Of [`ColumnType::Time`].
    Time(DateTime<Utc>),
    /// Of [`ColumnType::Date`].
    Date(NaiveDate),
}

impl Answer {
    /// From what polars computed; a list or a struct has no place in a row.
    pub(super) fn new(frame: &DataFrame) -> Result<Self> {
        let (mut columns, mut kinds) = (Vec::with_capacity(frame.width()), Vec::with_capacity(frame.width()));
        for column in frame.columns() {
            let (column, column_type) = typed(column)?;
            kinds.push(AnswerColumn { name: column.name().to_string(), column_type });
            columns.push(column);
        }
        let mut frame = DataFrame::new(frame.height(), columns).map_err(of_polars)?;
        frame.rechunk_mut();
        Ok(Self { frame, columns: kinds })
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[AnswerColumn] {
        &self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Whether no row was found.
    pub fn is_empty(&self) -> bool {
        self.frame.height() == 0
    }

    /// Each row's values, in the order of [`columns`](Self::columns); unknown is `None`.
    pub fn rows(&self) -> impl Iterator<Item = Vec<Option<Value>>> + '_ {
        (0..self.frame.height()).map(|row| self.frame.columns().iter().map(|column| value(column, row)).collect())
    }

    pub(super) fn frame(&self) -> &DataFrame {
        &self.frame
    }
}

/// A column in one of our types.
fn typed(column: &Column) -> Result<(Column, ColumnType)> {
    let (to, column_type) = match column.dtype() {
        DataType::Boolean => (DataType::Boolean, ColumnType::Boolean),
        // What is unknown throughout, `NULL AS x`, has no type of its own.
        DataType::String | DataType::Null => (DataType::String, ColumnType::Text),
        DataType::Date => (DataType::Date, ColumnType::Date),
        DataType::Datetime(..) => (DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)), ColumnType::Time),
        DataType::Duration(_) => return Ok((seconds(column)?, ColumnType::Float)),
        dtype if dtype.is_integer() => (DataType::Int64, ColumnType::Integer),
        dtype if dtype.is_float() => (DataType::Float64, ColumnType::Float),
        other => {
            let message = format!("`{}` would be of the type {other}, which has no place in a row", column.name());
            return Err(Error::new(ErrorKind::Usage, message).way_out("select numbers, texts, times, days or booleans"));
        }
    };
    Ok((column.strict_cast(&to).map_err(of_polars)?, column_type))
}

fn seconds(column: &Column) -> Result<Column> {
    let milliseconds = column
        .cast(&DataType::Duration(TimeUnit::Milliseconds))
        .and_then(|column| column.cast(&DataType::Int64))
        .and_then(|column| column.cast(&DataType::Float64))
        .map_err(of_polars)?;
    Ok(milliseconds / 1000.0)
}

fn value(column: &Column, row: usize) -> Option<Value> {
    // Of a column that holds one value throughout polars gives an owned one.
    match column.get(row).ok()?.as_borrowed() {
        AnyValue::Boolean(value) => Some(Value::Boolean(value)),
        AnyValue::Int64(value) => Some(Value::Integer(value)),
        AnyValue::Float64(value) => Some(Value::Float(value)),
        AnyValue::String(value) => Some(Value::Text(value.to_owned())),
        AnyValue::Datetime(value, TimeUnit::Milliseconds, _) => DateTime::from_timestamp_millis(value).map(Value::Time),
        AnyValue::Date(days) => {
            NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(days))).map(Value::Date)
        }
        _ => None,
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::Time(value) => f.write_str(&value.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            Self::Date(value) => write!(f, "{value}"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Time(_) | Self::Date(_) => serializer.collect_str(self),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Text => "text",
            Self::Time => "time",
            Self::Date => "date",
        })
    }
}
