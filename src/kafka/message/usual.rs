//! The usual message, as [`encode`](super::encode) writes it: fields in that order, no white space, no escape in its texts.
//!
//! A reader of any JSON looks at each field's name and each text's bytes several times: of the time from Kafka to committed
//! windows it takes a third. This takes a sixth of that, and leaves whatever is not quite so to serde_json, which decides
//! what is a reading: the two never disagree. What a station's messages say of the station itself is mostly what its last one
//! said: it is compared, and read only where it differs.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::fast::RandomState;

use crate::station::{StationCode, StationStatus, usual_time};

/// The most digits that a count of 32 bits has.
const MOST_DIGITS: usize = 10;

/// The most stations that are remembered; with one more, all are forgotten.
const MOST: usize = 20_000;

/// What the last message of each station said of the station itself, and the last message of all of its poll.
#[derive(Debug, Default)]
pub(in crate::kafka) struct KnownStations {
    fetched_at: Seen<Option<DateTime<Utc>>>,
    by_code: HashMap<StationCode, usize, RandomState>,
    known: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    code: StationCode,
    name: Seen<Option<Arc<str>>>,
    place: Seen<Place>,
}

/// A piece of a message, and what it means. An empty one was not seen yet.
#[derive(Debug, Default)]
struct Seen<T> {
    text: Box<[u8]>,
    value: T,
}

#[derive(Clone, Debug, Default)]
struct Place {
    lat: Option<f64>,
    lon: Option<f64>,
    commune: Option<Arc<str>>,
}

/// The reading in a message of the usual form; `None` for any other, be it a reading or not.
pub(super) fn read(value: &[u8], stations: &mut KnownStations) -> Option<StationStatus> {
    let mut rest = Rest(value);
    let fetched_at = stations.fetched_at.read(&mut rest, |rest| rest.time(br#"{"fetched_at":"#).map(Some))??;
    let station = stations.of(rest.text(br#","stationcode":"#)??)?;
    let name = station.name.read(&mut rest, |rest| Some(rest.text(br#","name":"#)?.map(Arc::from)))?;
    let mut reading = StationStatus {
        name,
        is_installed: rest.fact(br#","is_installed":"#)?,
        capacity: rest.count(br#","capacity":"#)?,
        docks_available: rest.count(br#","numdocksavailable":"#)?,
        bikes_available: rest.count(br#","numbikesavailable":"#)?,
        mechanical: rest.count(br#","mechanical":"#)?,
        ebike: rest.count(br#","ebike":"#)?,
        is_renting: rest.fact(br#","is_renting":"#)?,
        is_returning: rest.fact(br#","is_returning":"#)?,
        ..StationStatus::unknown(station.code.clone(), rest.time(br#","duedate":"#)?, fetched_at)
    };
    let place = station.place.read(&mut rest, |rest| {
        Some(Place {
            lat: rest.degrees(br#","lat":"#)?,
            lon: rest.degrees(br#","lon":"#)?,
            commune: rest.text(br#","nom_arrondissement_communes":"#)?.map(Arc::from),
        })
    })?;
    (reading.lat, reading.lon, reading.commune) = (place.lat, place.lon, place.commune);
    (rest.0 == b"}").then_some(reading)
}

impl KnownStations {
    /// What is known of the station with this code; `None` if it is no code.
    fn of(&mut self, code: &str) -> Option<&mut Known> {
        let nth = match self.by_code.get(code) {
            Some(&nth) => nth,
            None => {
                if self.known.len() >= MOST {
                    *self = Self::default();
                }
                let code = StationCode::new(code).ok()?;
                self.known.push(Known { code: code.clone(), name: Seen::default(), place: Seen::default() });
                self.by_code.insert(code, self.known.len() - 1);
                self.known.len() - 1
            }
        };
        self.known.get_mut(nth)
    }
}

impl<T: Clone> Seen<T> {
    /// What comes next in the message: what was seen, or else what `read` makes of it.
    fn read<'a>(&mut self, rest: &mut Rest<'a>, read: impl FnOnce(&mut Rest<'a>) -> Option<T>) -> Option<T> {
        let seen = rest.0.strip_prefix(&*self.text).filter(|_| !self.text.is_empty());
        if let Some(behind) = seen {
            rest.0 = behind;
        } else {
            let before = rest.0;
            let value = read(rest)?;
            let text = &before[..before.len() - rest.0.len()];
            *self = Self { text: text.into(), value };
        }
        Some(self.value.clone())
    }
}

/// What has not been read yet. Each method reads a field: its name with the punctuation before it, then its value; `None` if
/// something else stands there, and `Some(None)` for `null`.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// Of a length known to the compiler, so that it takes two comparisons of eight bytes and not a call.
    fn skip<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let (start, rest) = self.0.split_first_chunk::<N>()?;
        (start == expected).then(|| self.0 = rest)
    }

    fn null(&mut self) -> bool {
        self.skip(b"null").is_some()
    }

    /// The next bytes, as far as they are of this kind.
    fn take(&mut self, is_of_it: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|&byte| !is_of_it(byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// The bytes of a text, which must not hold an escape.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.skip(b"\"")?;
        let text = self.take(|byte| byte != b'"' && byte != b'\\' && byte >= b' ');
        self.skip(b"\"")?;
        Some(text)
    }

    fn text<const N: usize>(&mut self, field: &[u8; N]) -> Option<Option<&'a str>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        std::str::from_utf8(self.quoted()?).ok().map(Some)
    }

    fn time<const N: usize>(&mut self, field: &[u8; N]) -> Option<DateTime<Utc>> {
        self.skip(field)?;
        usual_time(self.quoted()?)
    }

    fn fact<const N: usize>(&mut self, field: &[u8; N]) -> Option<Option<bool>> {
        self.skip(field)?;
        match self.0.first()? {
            b't' => self.skip(b"true").map(|()| Some(true)),
            b'f' => self.skip(b"false").map(|()| Some(false)),
            _ => self.null().then_some(None),
        }
    }

    fn count<const N: usize>(&mut self, field: &[u8; N]) -> Option<Option<u32>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        let digits = self.take(|byte| byte.is_ascii_digit());
        if !is_whole(digits) || digits.len() > MOST_DIGITS {
            return None;
        }
        let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        u32::try_from(number).ok().map(Some)
    }

    fn degrees<const N: usize>(&mut self, field: &[u8; N]) -> Option<Option<f64>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        let number = std::str::from_utf8(self.take(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'))).ok()?;
        let (whole, fraction) = number.strip_prefix('-').unwrap_or(number).split_once('.')?;
        let is_number =
            is_whole(whole.as_bytes()) && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse().ok().map(Some)).flatten()
    }
}

/// Whether JSON has these digits for a whole number: at least one, and no zero before others.
fn is_whole(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_digit)
        && match digits {
            [] => false,
            [_] => true,
            [first, ..] => *first != b'0',
        }
}
