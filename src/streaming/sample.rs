//! What a window remembers of each of its readings, and how a store keeps that: everything the statistics are computed from.
//!
//! With its readings at hand a window can take in one that comes late, in its place in time, and is the same window whatever
//! the order they came in. A reading takes about ten bytes.

use super::state::Quantities;
use crate::station::StationStatus;

/// What one reading said that the statistics need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Event time, in milliseconds from the window's start.
    pub offset: u32,
    /// Known to be closed: then the counts mean nothing.
    pub closed: bool,
    /// Whether the station was full.
    pub full: Option<bool>,
    /// Whether it was empty.
    pub empty: Option<bool>,
    /// Docks in all.
    pub capacity: Option<u32>,
    /// Bikes.
    pub bikes: Option<u32>,
    /// Mechanical bikes.
    pub mechanical: Option<u32>,
    /// Electric bikes.
    pub ebike: Option<u32>,
    /// Free docks.
    pub docks: Option<u32>,
}

impl Sample {
    pub(super) fn of(offset: u32, reading: &StationStatus) -> Self {
        Self {
            offset,
            closed: reading.is_closed(),
            full: reading.is_full(),
            empty: reading.is_empty(),
            capacity: reading.capacity,
            bikes: reading.bikes_available,
            mechanical: reading.mechanical,
            ebike: reading.ebike,
            docks: reading.docks_available,
        }
    }

    /// The four quantities, as far as they are known. At a closed station none is.
    pub(super) fn quantities(&self) -> Quantities<Option<f64>> {
        let known = |count: Option<u32>| count.filter(|_| !self.closed).map(f64::from);
        let capacity = known(self.capacity).filter(|&docks| docks > 0.0);
        Quantities {
            mechanical: known(self.mechanical),
            ebike: known(self.ebike),
            docks: known(self.docks),
            occupancy: known(self.bikes).zip(capacity).map(|(bikes, docks)| bikes / docks),
        }
    }
}

/// Samples as bytes, one after the other: the offset less the one before, a byte of flags (1 closed; 2 full known, 4 full;
/// 8 empty known, 16 empty), then capacity, bikes, mechanical, ebike, docks, each one more than it is and 0 where it is
/// unknown. Numbers are unsigned LEB128 (the DWARF standard, section 7.6).
pub(super) fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() * 11);
    let mut before = 0;
    for sample in samples {
        let step = sample.offset.wrapping_sub(before);
        before = sample.offset;
        let fact = |fact: Option<bool>| fact.map_or(0, |holds| 1 | u8::from(holds) << 1);
        let flags = u8::from(sample.closed) | fact(sample.full) << 1 | fact(sample.empty) << 3;
        put(&mut bytes, u64::from(step));
        let counts = [sample.capacity, sample.bikes, sample.mechanical, sample.ebike, sample.docks];
        // Mostly of one byte each: then they are written at once.
        let [capacity, bikes, mechanical, ebike, docks] =
            counts.map(|count| count.map_or(0, |count| u64::from(count) + 1));
        if capacity | bikes | mechanical | ebike | docks < 0x80 {
            let short = [capacity, bikes, mechanical, ebike, docks].map(|count| count as u8);
            bytes.extend_from_slice(&[flags, short[0], short[1], short[2], short[3], short[4]]);
        } else {
            bytes.push(flags);
            [capacity, bikes, mechanical, ebike, docks].into_iter().for_each(|count| put(&mut bytes, count));
        }
    }
    bytes
}

/// The samples in these bytes; `None` if they are not what [`encode`] makes.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Sample>> {
    let mut samples = Vec::with_capacity(bytes.len() / 8);
    let mut before: Option<u32> = None;
    while !bytes.is_empty() {
        let step = u32::try_from(take(&mut bytes)?).ok()?;
        let offset =
            before.unwrap_or(0).checked_add(step).filter(|&offset| before.is_none_or(|before| before < offset))?;
        before = Some(offset);
        let (&flags, rest) = bytes.split_first()?;
        bytes = rest;
        let fact = |known: u8| (flags & known != 0).then_some(flags & known << 1 != 0);
        let mut count = || match take(&mut bytes)? {
            0 => Some(None),
            more => u32::try_from(more - 1).ok().map(Some),
        };
        samples.push(Sample {
            offset,
            closed: flags & 1 != 0,
            full: fact(2),
            empty: fact(8),
            capacity: count()?,
            bikes: count()?,
            mechanical: count()?,
            ebike: count()?,
            docks: count()?,
        });
    }
    Some(samples)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// At most five bytes: no number here has more than 33 bits.
fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
pub(super) fn some_samples() -> impl proptest::strategy::Strategy<Value = Vec<Sample>> {
    use proptest::prelude::*;
    let count = || prop::option::of(prop_oneof![0..100u32, any::<u32>()]);
    let said =
        (any::<bool>(), any::<Option<bool>>(), any::<Option<bool>>(), count(), count(), count(), count(), count());
    prop::collection::btree_map(any::<u32>(), said, 0..30).prop_map(|samples| {
        let of = |(offset, (closed, full, empty, capacity, bikes, mechanical, ebike, docks))| Sample {
            offset,
            closed,
            full,
            empty,
            capacity,
            bikes,
            mechanical,
            ebike,
            docks,
        };
        samples.into_iter().map(of).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(samples in some_samples()) {
            prop_assert_eq!(decode(&encode(&samples)), Some(samples));
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(samples) = decode(&bytes) {
                prop_assert!(samples.is_sorted_by(|a, b| a.offset < b.offset));
            }
        }
    }

    #[test]
    fn a_usual_reading_takes_about_ten_bytes() {
        let sample = |minute: u32| Sample {
            offset: minute * 60_000 + 14_000,
            closed: false,
            full: Some(false),
            empty: Some(false),
            capacity: Some(35),
            bikes: Some(20),
            mechanical: Some(12),
            ebike: Some(8),
            docks: Some(14),
        };
        let samples: Vec<_> = (0..10).map(sample).collect();
        assert_eq!(encode(&samples).len(), 89);
    }
}
