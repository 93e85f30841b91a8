//! A reading in a few bytes, all of one length: the station and the texts by number.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::station::{StationCode, StationStatus};

/// How many bytes a reading takes.
pub(super) const PACKED: usize = 3 * 4 + 2 * 12 + 2 + 5 * 4 + 2 * 8;

/// Texts by number, each once. Number 0 is none.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Texts {
    fn number(&mut self, text: Option<&Arc<str>>) -> u32 {
        let Some(text) = text else { return 0 };
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        self.texts.push(text.clone());
        let number = self.texts.len() as u32;
        self.numbers.insert(text.clone(), number);
        number
    }

    fn text(&self, number: u32) -> Option<Option<Arc<str>>> {
        match number {
            0 => Some(None),
            _ => self.texts.get(number as usize - 1).cloned().map(Some),
        }
    }
}

/// Adds a reading of the station of this number.
pub(super) fn pack(reading: &StationStatus, station: u32, texts: &mut Texts, into: &mut Vec<u8>) {
    let counts =
        [reading.capacity, reading.docks_available, reading.bikes_available, reading.mechanical, reading.ebike];
    let flags = [reading.is_installed, reading.is_renting, reading.is_returning];
    let degrees = [reading.lat, reading.lon];
    // A bit for each value that is known, and for each flag another that says which.
    let known = counts.iter().map(Option::is_some).chain(flags.iter().map(Option::is_some));
    let known = known.chain(flags.iter().map(|flag| *flag == Some(true))).chain(degrees.iter().map(Option::is_some));
    let bits = known.enumerate().fold(0u16, |bits, (place, is_known)| bits | u16::from(is_known) << place);

    for number in [station, texts.number(reading.name.as_ref()), texts.number(reading.commune.as_ref())] {
        into.extend_from_slice(&number.to_le_bytes());
    }
    for time in [reading.fetched_at, reading.last_reported] {
        into.extend_from_slice(&time.timestamp().to_le_bytes());
        into.extend_from_slice(&time.timestamp_subsec_nanos().to_le_bytes());
    }
    into.extend_from_slice(&bits.to_le_bytes());
    for count in counts {
        into.extend_from_slice(&count.unwrap_or_default().to_le_bytes());
    }
    for degree in degrees {
        into.extend_from_slice(&degree.unwrap_or_default().to_le_bytes());
    }
}

/// The reading in these bytes; `None` if they are none that was packed.
pub(super) fn unpack(packed: &[u8], codes: &[StationCode], texts: &Texts) -> Option<StationStatus> {
    let mut bytes = Bytes(packed);
    let (station, name, commune) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
    let (fetched_at, last_reported) = (bytes.time()?, bytes.time()?);
    let bits = u16::from_le_bytes(bytes.take()?);
    let is = |place: u16| bits >> place & 1 == 1;
    let mut count = |place: u16| bytes.u32().map(|count| is(place).then_some(count));
    let (capacity, docks_available, bikes_available) = (count(0)?, count(1)?, count(2)?);
    let (mechanical, ebike) = (count(3)?, count(4)?);
    let flag = |place: u16| is(place).then(|| is(place + 3));
    let mut degrees = |place: u16| bytes.take().map(f64::from_le_bytes).map(|degrees| is(place).then_some(degrees));
    Some(StationStatus {
        fetched_at,
        station_code: codes.get(station as usize)?.clone(),
        name: texts.text(name)?,
        is_installed: flag(5),
        capacity,
        docks_available,
        bikes_available,
        mechanical,
        ebike,
        is_renting: flag(6),
        is_returning: flag(7),
        last_reported,
        lat: degrees(11)?,
        lon: degrees(12)?,
        commune: texts.text(commune)?,
    })
}

struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn time(&mut self) -> Option<DateTime<Utc>> {
        let seconds = self.take().map(i64::from_le_bytes)?;
        DateTime::from_timestamp(seconds, self.u32()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::readings_with_gaps;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_out_the_same(readings in readings_with_gaps(), nanoseconds in 0..1_000_000_000i64) {
            let (mut texts, mut packed) = (Texts::default(), Vec::new());
            let mut readings = readings;
            readings.iter_mut().for_each(|reading| reading.last_reported += chrono::TimeDelta::nanoseconds(nanoseconds));
            let codes: Vec<_> = readings.iter().map(|reading| reading.station_code.clone()).collect();
            for (number, reading) in (0..).zip(&readings) {
                pack(reading, number, &mut texts, &mut packed);
            }
            prop_assert_eq!(packed.len(), readings.len() * PACKED);
            let back = packed.chunks(PACKED).map(|packed| unpack(packed, &codes, &texts));
            prop_assert_eq!(back.collect::<Option<Vec<_>>>(), Some(readings));
        }

        #[test]
        fn other_bytes_are_a_reading_or_none(mut packed in prop::collection::vec(any::<u8>(), 0..=PACKED)) {
            let (code, mut texts) = (StationCode::new("16107").unwrap(), Texts::default());
            texts.number(Some(&"Paris".into()));
            // Of the one station, and without texts.
            packed.iter_mut().take(12).for_each(|byte| *byte = 0);
            let codes = [code];
            let reading = unpack(&packed, &codes, &texts);
            prop_assert!(packed.len() == PACKED || reading.is_none());
            if let Some(reading) = reading {
                let mut again = Vec::new();
                pack(&reading, 0, &mut texts, &mut again);
                prop_assert_eq!(format!("{:?}", unpack(&again, &codes, &texts)), format!("{:?}", Some(reading)));
            }
        }
    }
}
