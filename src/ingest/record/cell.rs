//! One value as a feed has it, read as what it should be: a number may come as text, a flag as `OUI`, `true` or 1.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::station::usual_time;

/// A value before it is known what it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Missing or null.
    #[default]
    Unknown,
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Time(DateTime<Utc>),
    /// A text of a file that is not UTF-8.
    Bytes(&'a [u8]),
    /// An array or an object of JSON.
    Nested(Value),
}

/// What a cell says: `Ok(None)` is unknown; an `Err` names what it should have been.
pub(crate) type Said<T> = Result<Option<T>, &'static str>;

/// The seconds after 1970 that a time may be given in: from 2000 to 3000. A station that never reported has 0 or a few days.
const POSIX: std::ops::Range<i64> = 946_684_800..32_503_680_000;

/// The years 1970 to 9999, in seconds after 1970: no feed means any other.
pub(crate) const YEARS: std::ops::Range<i64> = 0..253_402_300_800;

impl<'a> Cell<'a> {
    /// A text that is borrowed, as files have it.
    pub(crate) fn text_of(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The same, where it is not known to be UTF-8.
    pub(crate) fn bytes_of(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::text_of)
    }

    /// The same value, kept longer than where it came from.
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Cell::Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned())),
            Self::Unknown => Cell::Unknown,
            Self::Flag(flag) => Cell::Flag(flag),
            Self::Int(number) => Cell::Int(number),
            Self::Float(number) => Cell::Float(number),
            Self::Time(time) => Cell::Time(time),
            Self::Nested(value) => Cell::Nested(value),
        }
    }

    /// Whether nothing is said at all.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Float(number) => number.is_nan(),
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// A text as it stands, white space included. A number is taken as it is written; of texts in several languages, as
    /// GBFS 3 has them, the first.
    pub(crate) fn text(&self) -> Said<Cow<'_, str>> {
        match self {
            cell if cell.is_unknown() => Ok(None),
            Self::Text(text) => Ok(Some(Cow::Borrowed(text))),
            Self::Int(number) => Ok(Some(number.to_string().into())),
            Self::Float(number) => Ok(Some(number.to_string().into())),
            Self::Nested(Value::Array(texts)) => match texts.first().and_then(|text| text.get("text")?.as_str()) {
                Some(text) => Ok(Some(Cow::Borrowed(text)).filter(|text| !text.trim().is_empty())),
                None => Err("a text"),
            },
            _ => Err("a text"),
        }
    }

    /// A whole number from 0; also as text, or as a decimal number that is whole, as pandas writes them: `12.0`.
    pub(crate) fn count(&self) -> Said<u32> {
        let whole = |number: f64| {
            (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32)
        };
        let count = match self {
            cell if cell.is_unknown() => return Ok(None),
            Self::Int(number) => u32::try_from(*number).ok(),
            Self::Float(number) => whole(*number),
            Self::Text(text) => match text.trim().parse() {
                Ok(count) => Some(count),
                Err(_) => match text.trim().parse::<f64>() {
                    Ok(number) if number.is_nan() => return Ok(None),
                    number => number.ok().and_then(whole),
                },
            },
            _ => None,
        };
        count.map(Some).ok_or("a count")
    }

    /// `OUI`/`NON` as the portal has them, `true`/`false`, 1/0.
    pub(crate) fn flag(&self) -> Said<bool> {
        let flag = match self {
            cell if cell.is_unknown() => return Ok(None),
            Self::Flag(flag) => Some(*flag),
            Self::Int(number) => (0..=1).contains(number).then_some(*number == 1),
            Self::Float(number) => (*number == 0.0 || *number == 1.0).then_some(*number == 1.0),
            Self::Text(text) => {
                let is = |words: [&str; 3]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
                if is(["OUI", "true", "1"]) { Some(true) } else { is(["NON", "false", "0"]).then_some(false) }
            }
            _ => None,
        };
        flag.map(Some).ok_or("OUI or NON")
    }

    /// An instant of the years 1970 to 9999: RFC 3339, also with a blank for the `T`, and without an offset in UTC; or, as a
    /// number, the seconds after 1970.
    pub(crate) fn time(&self) -> Said<DateTime<Utc>> {
        let time = match self {
            cell if cell.is_unknown() => return Ok(None),
            Self::Time(time) => Some(*time),
            Self::Int(seconds) if POSIX.contains(seconds) => DateTime::from_timestamp(*seconds, 0),
            Self::Float(seconds) if POSIX.contains(&(*seconds as i64)) => {
                DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
            }
            Self::Text(text) => parse_time(text.trim()),
            _ => None,
        };
        time.filter(|time| YEARS.contains(&time.timestamp())).map(Some).ok_or("a time (RFC 3339)")
    }

    /// Degrees from `-most` to `most`.
    pub(crate) fn degrees(&self, most: f64) -> Said<f64> {
        let degrees = match self {
            cell if cell.is_unknown() => return Ok(None),
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_nan() => return Ok(None),
                number => number.ok(),
            },
            _ => None,
        };
        degrees.filter(|degrees| degrees.abs() <= most).map(Some).ok_or("a number of degrees")
    }
}

/// RFC 3339, also with a blank for the `T`; without an offset it is UTC.
fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    if let Some(time) = usual_time(text.as_bytes()) {
        return Some(time);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let naive = |format| NaiveDateTime::parse_from_str(text, format).ok();
    naive("%Y-%m-%dT%H:%M:%S%.f").or_else(|| naive("%Y-%m-%d %H:%M:%S%.f")).map(|time| time.and_utc())
}

/// The value as it would stand in JSON: a text in quotes, so that `12` and `"12"` can be told apart.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("null"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Time(time) => f.write_str(&time.to_rfc3339()),
            Self::Bytes(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Nested(value) => value.fmt(f),
        }
    }
}

impl From<Value> for Cell<'_> {
    fn from(value: Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyCell)
    }
}

pub(super) struct AnyCell;

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cell::Unknown)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Cell::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Cell::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(number).map_or(Cell::Float(number as f64), Cell::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Cell::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(values)).map(Cell::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(fields)).map(Cell::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> Cell<'_> {
        Cell::text_of(text)
    }

    #[test]
    fn times_are_rfc_3339_or_without_an_offset_utc_or_seconds_after_1970() {
        let at = "2022-05-12T09:18:14Z".parse().unwrap();
        for written in [
            "2022-05-12T09:18:14Z",
            "2022-05-12T11:18:14+02:00",
            "2022-05-12 09:18:14+00:00",
            " 2022-05-12 09:18:14 ",
            "2022-05-12T09:18:14.000000",
        ] {
            assert_eq!(text(written).time(), Ok(Some(at)), "{written}");
        }
        assert_eq!([Cell::Int(1_652_347_094), Cell::Float(1_652_347_094.0)].map(|cell| cell.time()), [Ok(Some(at)); 2]);
        assert_eq!([text(""), Cell::Unknown].map(|cell| cell.time()), [Ok(None); 2]);
        let no_times =
            ["2022-05-12", "2022-05-12T9", "soon", "9999-12-31T23:59:59-01:00", "1969-12-31T23:59:59Z", "1652347094"];
        assert_eq!(no_times.map(|written| text(written).time()), [Err("a time (RFC 3339)"); 6]);
        // Never reported, milliseconds, nonsense.
        let numbers = [Cell::Int(0), Cell::Int(86_400), Cell::Int(1_652_347_094_000), Cell::Float(f64::INFINITY)];
        assert_eq!(numbers.map(|cell| cell.time()), [Err("a time (RFC 3339)"); 4]);
    }

    #[test]
    fn flags_are_oui_non_true_false_one_zero() {
        let yes = [text("oui"), text("True"), text("1"), Cell::Flag(true), Cell::Int(1), Cell::Float(1.0)];
        assert_eq!(yes.map(|cell| cell.flag()), [Ok(Some(true)); 6]);
        assert_eq!([text("NON"), text("false"), Cell::Int(0)].map(|cell| cell.flag()), [Ok(Some(false)); 3]);
        assert_eq!(
            [text("yes"), Cell::Int(2), Cell::Nested(json!([]))].map(|cell| cell.flag()),
            [Err("OUI or NON"); 3]
        );
    }

    #[test]
    fn a_count_may_come_as_text_or_as_a_whole_decimal_number() {
        let twelve = [Cell::Int(12), Cell::Float(12.0), text("12"), text(" 12.0 ")];
        assert_eq!(twelve.map(|cell| cell.count()), [Ok(Some(12)); 4]);
        assert_eq!(Cell::Float(-0.0).count(), Ok(Some(0)));
        assert_eq!(
            [Cell::Unknown, text(" "), text("NaN"), Cell::Float(f64::NAN)].map(|cell| cell.count()),
            [Ok(None); 4]
        );
        let wrong =
            [Cell::Int(-1), Cell::Float(0.5), Cell::Float(4_294_967_296.0), text("inf"), text("x"), Cell::Flag(true)];
        assert_eq!(wrong.map(|cell| cell.count()), [Err("a count"); 6]);
    }

    #[test]
    fn degrees_are_bounded_and_finite() {
        assert_eq!([Cell::Int(48), text("48"), Cell::Float(48.0)].map(|cell| cell.degrees(90.0)), [Ok(Some(48.0)); 3]);
        assert_eq!(Cell::Float(f64::NAN).degrees(90.0), Ok(None));
        let wrong = [Cell::Float(90.1), Cell::Float(f64::NEG_INFINITY), text("north")];
        assert_eq!(wrong.map(|cell| cell.degrees(90.0)), [Err("a number of degrees"); 3]);
    }

    #[test]
    fn a_text_may_be_a_number_or_stand_in_several_languages() {
        assert_eq!(Cell::Int(16107).text(), Ok(Some("16107".into())));
        let localised =
            Cell::Nested(json!([{"text": "Gare", "language": "fr"}, {"text": "Station", "language": "en"}]));
        assert_eq!(localised.text(), Ok(Some("Gare".into())));
        assert_eq!([text(""), Cell::Unknown].map(|cell| cell.text().unwrap().is_none()), [true; 2]);
        assert_eq!(Cell::Flag(true).text(), Err("a text"));
    }
}
