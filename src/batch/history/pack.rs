//! A reading in a few bytes, all of one length.

use chrono::{DateTime, Utc};

use crate::ingest::Compact;
use crate::station::State;

/// How many bytes a reading takes.
pub(super) const PACKED: usize = 4 + 2 * 12 + 2 + 5 * 4;

/// Adds a reading.
pub(super) fn pack(reading: &Compact, into: &mut Vec<u8>) {
    let State { is_installed, is_renting, is_returning, .. } = reading.state;
    let State { capacity, docks_available, bikes_available, mechanical, ebike, .. } = reading.state;
    let counts = [capacity, docks_available, bikes_available, mechanical, ebike];
    let flags = [is_installed, is_renting, is_returning];
    // A bit for each value that is known, and for each flag another that says which.
    let known = counts.iter().map(Option::is_some).chain(flags.iter().map(Option::is_some));
    let known = known.chain(flags.iter().map(|flag| *flag == Some(true)));
    let bits = known.enumerate().fold(0u16, |bits, (place, is_known)| bits | u16::from(is_known) << place);

    into.extend_from_slice(&reading.site.to_le_bytes());
    for time in [reading.fetched_at, reading.last_reported] {
        into.extend_from_slice(&time.timestamp().to_le_bytes());
        into.extend_from_slice(&time.timestamp_subsec_nanos().to_le_bytes());
    }
    into.extend_from_slice(&bits.to_le_bytes());
    for count in counts {
        into.extend_from_slice(&count.unwrap_or_default().to_le_bytes());
    }
}

/// The reading in these bytes; `None` if they are none that was packed.
pub(super) fn unpack(packed: &[u8]) -> Option<Compact> {
    let mut bytes = Bytes(packed);
    let (site, fetched_at, last_reported) = (bytes.u32()?, bytes.time()?, bytes.time()?);
    let bits = u16::from_le_bytes(bytes.take()?);
    let is = |place: u16| bits >> place & 1 == 1;
    let mut count = |place: u16| bytes.u32().map(|count| is(place).then_some(count));
    let (capacity, docks_available, bikes_available) = (count(0)?, count(1)?, count(2)?);
    let (mechanical, ebike) = (count(3)?, count(4)?);
    let flag = |place: u16| is(place).then(|| is(place + 3));
    let (is_installed, is_renting, is_returning) = (flag(5), flag(6), flag(7));
    let state =
        State { is_installed, is_renting, is_returning, capacity, docks_available, bikes_available, mechanical, ebike };
    Some(Compact { site, fetched_at, last_reported, state })
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
    use crate::ingest::Sites;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_out_the_same(readings in readings_with_gaps(), nanoseconds in 0..1_000_000_000i64) {
            let (mut sites, mut packed, mut readings) = (Sites::default(), Vec::new(), readings);
            readings.iter_mut().for_each(|reading| reading.last_reported += chrono::TimeDelta::nanoseconds(nanoseconds));
            readings.iter().for_each(|reading| pack(&sites.compact(reading), &mut packed));
            prop_assert_eq!(packed.len(), readings.len() * PACKED);
            let back = packed.chunks(PACKED).map(|packed| sites.reading(&unpack(packed)?));
            prop_assert_eq!(back.collect::<Option<Vec<_>>>(), Some(readings));
        }

        #[test]
        fn other_bytes_are_a_reading_or_none(packed in prop::collection::vec(any::<u8>(), 0..=PACKED)) {
            let reading = unpack(&packed);
            prop_assert!(packed.len() == PACKED || reading.is_none());
            if let Some(reading) = reading {
                let mut again = Vec::new();
                pack(&reading, &mut again);
                prop_assert_eq!(unpack(&again), Some(reading));
            }
        }
    }
}
