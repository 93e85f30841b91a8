//! The usual message, as [`encode`](super::encode) writes it: fields in that order, no white space, no escape in its texts.
//!
//! A reader of any JSON looks at each field's name and each text's bytes several times: of the time from Kafka to committed
//! windows it takes a third. This takes a quarter of that, and leaves whatever is not quite so to serde_json, which decides
//! what is a reading: the two never disagree.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::station::{StationCode, StationStatus, usual_time};

/// The reading in a message of the usual form; `None` for any other, be it a reading or not.
pub(super) fn read(value: &[u8]) -> Option<StationStatus> {
    let mut rest = Rest(std::str::from_utf8(value).ok()?);
    let reading = StationStatus {
        fetched_at: rest.time(r#"{"fetched_at":"#)?,
        station_code: StationCode::new(rest.text(r#","stationcode":"#)??).ok()?,
        name: rest.text(r#","name":"#)?.map(Arc::from),
        is_installed: rest.fact(r#","is_installed":"#)?,
        capacity: rest.count(r#","capacity":"#)?,
        docks_available: rest.count(r#","numdocksavailable":"#)?,
        bikes_available: rest.count(r#","numbikesavailable":"#)?,
        mechanical: rest.count(r#","mechanical":"#)?,
        ebike: rest.count(r#","ebike":"#)?,
        is_renting: rest.fact(r#","is_renting":"#)?,
        is_returning: rest.fact(r#","is_returning":"#)?,
        last_reported: rest.time(r#","duedate":"#)?,
        lat: rest.degrees(r#","lat":"#)?,
        lon: rest.degrees(r#","lon":"#)?,
        commune: rest.text(r#","nom_arrondissement_communes":"#)?.map(Arc::from),
    };
    (rest.0 == "}").then_some(reading)
}

/// What has not been read yet. Each method reads a field: its name with the punctuation before it, then its value; `None` if
/// something else stands there, and `Some(None)` for `null`.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn null(&mut self) -> bool {
        self.skip("null").is_some()
    }

    /// The next bytes, as far as they are of this kind.
    fn take(&mut self, is_of_it: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|byte| !is_of_it(byte)).unwrap_or(self.0.len());
        // Only where a byte of ASCII stands, or at the end, so never within a character.
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or((self.0, ""));
        self.0 = rest;
        taken
    }

    fn text(&mut self, field: &str) -> Option<Option<&'a str>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        self.skip("\"")?;
        let text = self.take(|byte| byte != b'"' && byte != b'\\' && byte >= b' ');
        self.skip("\"")?;
        Some(Some(text))
    }

    fn time(&mut self, field: &str) -> Option<DateTime<Utc>> {
        usual_time(self.text(field)??.as_bytes())
    }

    fn fact(&mut self, field: &str) -> Option<Option<bool>> {
        self.skip(field)?;
        match self.0.as_bytes().first()? {
            b't' => self.skip("true").map(|()| Some(true)),
            b'f' => self.skip("false").map(|()| Some(false)),
            _ => self.null().then_some(None),
        }
    }

    fn count(&mut self, field: &str) -> Option<Option<u32>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        let digits = self.take(|byte| byte.is_ascii_digit());
        is_whole(digits).then(|| digits.parse().ok().map(Some)).flatten()
    }

    fn degrees(&mut self, field: &str) -> Option<Option<f64>> {
        self.skip(field)?;
        if self.null() {
            return Some(None);
        }
        let number = self.take(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
        let (whole, fraction) = number.strip_prefix('-').unwrap_or(number).split_once('.')?;
        let is_number = is_whole(whole) && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse().ok().map(Some)).flatten()
    }
}

/// Whether JSON has these digits for a whole number: at least one, and no zero before others.
fn is_whole(digits: &str) -> bool {
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'))
}
