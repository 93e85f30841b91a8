//! What came of an origin: the only code that looks forward.
//!
//! The label of an origin at `t` is the state of the same station at its usable reading nearest to `t + horizon`.

use chrono::TimeDelta;

use super::history::{History, StationHistory, nearest};

/// How far ahead the label lies, and how far a reading may be from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// From the origin to the time that is forecast, seconds, above zero.
    pub horizon: i64,
    /// The largest distance from that time to the reading that tells the label, seconds.
    pub tolerance: i64,
}

/// An origin with its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The station's place in [`History::stations`].
    pub station: usize,
    /// The origin's place among the station's readings.
    pub reading: usize,
    /// Event time of the origin, seconds since 1970 (UTC).
    pub time: i64,
    /// Whether the station was full at the horizon.
    pub full: bool,
    /// Free docks at the horizon, less those at the origin.
    pub change: i32,
}

impl Target {
    /// A target of whole seconds; what is below a second is cut off.
    pub fn new(horizon: TimeDelta, tolerance: TimeDelta) -> Self {
        Self { horizon: horizon.num_seconds(), tolerance: tolerance.num_seconds() }
    }

    /// All origins that have a label, in the order of station, then time.
    ///
    /// The label is read from the reading nearest to the horizon within the tolerance, the earlier one of two as near,
    /// if that is strictly after the origin.
    pub fn examples(self, history: &History) -> Vec<Example> {
        let mut examples = Vec::with_capacity(history.len());
        for (place, station) in history.stations().iter().enumerate() {
            examples.extend((0..station.len()).filter_map(|origin| self.example(station, place, origin)));
        }
        examples
    }

    /// The label of one origin of the station at `place`, if there is one.
    pub(super) fn example(self, station: &StationHistory, place: usize, origin: usize) -> Option<Example> {
        let (times, docks) = (station.times(), station.docks());
        let told = nearest(times, times[origin] + self.horizon, self.tolerance).filter(|&told| told > origin)?;
        Some(Example {
            station: place,
            reading: origin,
            time: times[origin],
            full: docks[told] == 0,
            change: i32::try_from(i64::from(docks[told]) - i64::from(docks[origin])).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::readings;
    use super::*;

    fn labels(rows: &[(i64, u32)], horizon: i64, tolerance: i64) -> Vec<(i64, bool, i32)> {
        let history = History::new(&readings("1", rows));
        let examples = Target { horizon, tolerance }.examples(&history);
        examples.iter().map(|example| (example.time, example.full, example.change)).collect()
    }

    #[test]
    fn the_label_is_the_nearest_reading_within_the_tolerance() {
        let rows = [(0, 4), (50, 3), (62, 0), (200, 7)];
        assert_eq!(labels(&rows, 60, 20), [(0, true, -4)]);
        assert_eq!(labels(&rows, 60, 1), []);
    }

    #[test]
    fn of_two_as_near_the_earlier_tells() {
        assert_eq!(labels(&[(0, 4), (50, 3), (70, 0)], 60, 10), [(0, false, -1)]);
    }

    #[test]
    fn an_origin_is_never_its_own_label() {
        // At 0 the nearest to 60 is 0 itself, as near as 120 and earlier.
        assert_eq!(labels(&[(0, 0), (120, 0)], 60, 60), []);
        assert_eq!(labels(&[(0, 0), (119, 0)], 60, 60), [(0, true, 0)]);
    }
}
