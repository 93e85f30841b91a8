//! Values: which literals, types and lengths of time there are, and what may be reckoned with.

use sqlparser::ast::{
    DataType, DateTimeField, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use super::expression::Found;
use super::refused;
use crate::error::Result;

/// What is asked for must be true or false: polars takes numbers for bits.
pub(super) fn truth(expr: &Expr, found: Found) -> Result<Found> {
    match found.boolean {
        true => Ok(found),
        false => Err(refused(format_args!("`{expr}` is neither true nor false"), "compare it: x > 0, x IS NOT NULL")),
    }
}

/// What is reckoned with must not be true or false.
pub(super) fn number(expr: &Expr, found: Found) -> Result<Found> {
    match found.boolean {
        false => Ok(found),
        true => Err(refused(
            format_args!("`{expr}` is true or false, and no number"),
            "write CASE WHEN x THEN 1 ELSE 0 END",
        )),
    }
}

pub(super) fn literal(value: &Value) -> Result<Found> {
    match value {
        Value::Boolean(_) => Ok(Found::default().boolean()),
        Value::Number(number, _) if number.len() > 15 => {
            Err(refused(format_args!("{number} is too long a number"), "15 digits are exact"))
        }
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Null => Ok(Found::default()),
        other => {
            Err(refused(format_args!("`{other}` is not a value here"), "write a number, a 'text', TRUE, FALSE or NULL"))
        }
    }
}

/// Refuses what is no literal, where polars takes nothing else or would get it wrong.
pub(super) fn constant(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Value(value) => literal(&value.value).map(drop),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(**expr, Expr::Value(_)) => Ok(()),
        other => Err(refused(format_args!("`{other}` must be a number or a 'text'"), "write the value itself")),
    }
}

/// Refuses what is no whole number from `least`.
pub(super) fn whole(expr: &Expr, least: u32) -> Result<()> {
    let number = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<u32>().ok(),
            _ => None,
        },
        _ => None,
    };
    match number.is_some_and(|number| number >= least) {
        true => Ok(()),
        false => Err(refused(
            format_args!("`{expr}` must be a whole number"),
            format_args!("write one from {least}, and CASE for what depends on a column"),
        )),
    }
}

/// Refuses intervals other than `'2 hours'`, `'1 day 30 minutes'`: polars takes any letters for a unit, or panics.
pub(super) fn interval(expr: &Expr) -> Result<()> {
    const UNITS: [&str; 10] =
        ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks"];
    let text = match expr {
        Expr::Interval(interval) if interval.leading_field.is_none() => match interval.value.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(text),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let words: Vec<_> = text.map(|text| text.split_whitespace().collect()).unwrap_or_default();
    let is_right = words.chunks(2).all(|pair| {
        matches!(pair, [count, unit] if count.parse::<u16>().is_ok() && count.bytes().all(|c| c.is_ascii_digit()) && UNITS.contains(unit))
    });
    match is_right && !words.is_empty() {
        true => Ok(()),
        false => Err(refused(
            format_args!("`{expr}` is no length of time"),
            "write INTERVAL '2 hours', in whole seconds, minutes, hours, days or weeks",
        )),
    }
}

pub(super) fn literal_is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

/// Whether a divisor cannot be zero: it stands there, or `NULLIF` sees to it.
pub(super) fn never_zero(expr: &Expr) -> bool {
    let is_zero = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<f64>().ok().map(|number| number == 0.0),
            _ => None,
        },
        _ => None,
    };
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => never_zero(inner),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("nullif") => match &function.args {
            FunctionArguments::List(list) => matches!(
                list.args.as_slice(),
                [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(second))] if is_zero(second) == Some(true)
            ),
            _ => false,
        },
        other => is_zero(other) == Some(false),
    }
}

pub(super) fn cast_to(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::BigInt(None)
        | DataType::Int(None)
        | DataType::Integer(None)
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::Varchar(None)
        | DataType::Text
        | DataType::Date
        | DataType::Boolean => Ok(()),
        other => Err(refused(
            format_args!("CAST to {other} is not there"),
            "cast to BIGINT, DOUBLE, VARCHAR, DATE or BOOLEAN",
        )),
    }
}

pub(super) fn extracted(field: &DateTimeField) -> Result<()> {
    match field {
        DateTimeField::Year
        | DateTimeField::Quarter
        | DateTimeField::Month
        | DateTimeField::Day
        | DateTimeField::Hour
        | DateTimeField::Minute
        | DateTimeField::Second
        | DateTimeField::Dow
        | DateTimeField::Isodow
        | DateTimeField::Doy
        | DateTimeField::Week(None) => Ok(()),
        other => Err(refused(
            format_args!("EXTRACT({other} FROM ...) is not there"),
            "take YEAR, QUARTER, MONTH, DAY, HOUR, MINUTE, SECOND, DOW, ISODOW, DOY or WEEK",
        )),
    }
}
