//! The texts of a reading as serde hands them over: read in place, because a backlog is millions of them.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use super::StationCode;

/// An instant in RFC 3339.
pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    struct Instant;

    impl Visitor<'_> for Instant {
        type Value = DateTime<Utc>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time in RFC 3339")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<DateTime<Utc>, E> {
            usual(text.as_bytes()).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }

    deserializer.deserialize_str(Instant)
}

/// A text that may be missing.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
    struct Text(Arc<str>);

    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(InPlace("a text", |text| Ok(Self(text.into()))))
        }
    }

    Ok(Option::<Text>::deserialize(deserializer)?.map(|text| text.0))
}

impl<'de> Deserialize<'de> for StationCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(InPlace("a station code", Self::new))
    }
}

/// Makes something of a text without keeping a copy of it.
struct InPlace<T>(&'static str, fn(&str) -> crate::error::Result<T>);

impl<T> Visitor<'_> for InPlace<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

/// The instant in a text of the usual shape, `2022-05-12T09:18:14Z`, with a fraction of three, six or nine digits, or with an
/// offset such as `+02:00` as the portal has it; `None` for any other, which chrono may still know: it takes ten times as long, a tenth of what a whole reading takes.
pub(crate) fn usual(text: &[u8]) -> Option<DateTime<Utc>> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let marks = [date_time[4], date_time[7], date_time[10], date_time[13], date_time[16]];
    if marks != *b"--T::" {
        return None;
    }
    let (fraction, offset) = match rest.strip_suffix(b"Z") {
        Some(fraction) => (fraction, 0),
        None => {
            let (fraction, &[sign @ (b'+' | b'-'), h, hh, b':', m, mm]) = rest.split_last_chunk::<6>()? else {
                return None;
            };
            let (hours, minutes) = (number(&[h, hh])?, number(&[m, mm])?);
            let seconds = i64::from((hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?);
            (fraction, if sign == b'-' { -seconds } else { seconds })
        }
    };
    let nanoseconds = match fraction.split_first() {
        None => 0,
        Some((b'.', digits)) => match digits.len() {
            3 => number(digits)? * 1_000_000,
            6 => number(digits)? * 1000,
            9 => number(digits)?,
            _ => return None,
        },
        Some(_) => return None,
    };
    let year = i32::try_from(number(&date_time[..4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&date_time[5..7])?, number(&date_time[8..10])?)?;
    let [hour, minute, second] = [number(&date_time[11..13])?, number(&date_time[14..16])?, number(&date_time[17..])?];
    date.and_hms_nano_opt(hour, minute, second, nanoseconds)?.and_utc().checked_sub_signed(TimeDelta::seconds(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_usual_shape_is_read_as_chrono_reads_it(
            seconds in -62_167_219_200..253_402_300_800i64,
            nanoseconds in 0..1_000_000_000u32,
        ) {
            use SecondsFormat::{AutoSi, Micros, Millis, Nanos, Secs};
            let time = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            for format in [Secs, Millis, Micros, Nanos, AutoSi] {
                let text = time.to_rfc3339_opts(format, true);
                prop_assert_eq!(usual(text.as_bytes()), Some(text.parse().unwrap()), "{}", text);
            }
        }

        /// A digit or a mark changed somewhere: never another time than chrono's.
        #[test]
        fn what_is_nearly_usual_is_read_as_chrono_reads_it_or_left_to_it(
            place in any::<prop::sample::Index>(),
            other in prop::sample::select(b"0123456789-:TZtz. +".to_vec()),
            text in prop::sample::select(vec!["2022-05-12T09:18:14.250Z", "2022-05-12T11:18:14+02:00", "0000-01-01T00:30:00.125-01:59"]),
        ) {
            let mut text = text.as_bytes().to_vec();
            let place = place.index(text.len());
            text[place] = other;
            let text = std::str::from_utf8(&text).unwrap();
            if let Some(time) = usual(text.as_bytes()) {
                prop_assert_eq!(Ok(time), text.parse(), "{}", text);
            }
        }

        #[test]
        fn an_offset_is_read_as_chrono_reads_it(seconds in 0..4_102_444_800i64, quarters in -95..=95i32) {
            let offset = chrono::FixedOffset::east_opt(quarters * 900).unwrap();
            let text = DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&offset).to_rfc3339();
            prop_assert_eq!(usual(text.as_bytes()), DateTime::from_timestamp(seconds, 0), "{}", text);
        }
    }

    #[test]
    fn other_shapes_of_rfc_3339_are_read_too() {
        let read = |text: &str| time(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text));
        for text in ["2022-05-12T11:18:14+02:00", "2022-05-12t09:18:14.000000z", "2022-05-12T09:18:14.0Z"] {
            assert_eq!(read(text).unwrap(), "2022-05-12T09:18:14Z".parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
        for text in ["", "2022-05-12", "2022-13-12T09:18:14Z", "2022-05-12T09:18:14", "2022-05-12T24:18:14Z"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
