//! The time axis of each station: for how long each of its readings holds, and what follows from that.
//!
//! An engine could find the next reading by a window over each station, and would sort all of them again for every question.
//! The rule is applied here instead, once, as the rules of a reading are in [`Table`](super::Table).

use crate::station::StationStatus;

/// What the time axis says of each reading, in the order of the readings.
pub(super) struct Timeline {
    /// For how many milliseconds it holds: until the next reading of its station, at most the greatest gap. 0 for the last of
    /// a station, and for one of which another was fetched later with the same event time.
    pub(super) held: Vec<i64>,
    /// By how many bikes it differs from the one before of the open station that says them, if that is not too long ago.
    pub(super) moved: Vec<Option<i64>>,
    /// The number of the spell of being full that it belongs to, unlike that of any other.
    pub(super) full_spell: Vec<Option<i64>>,
    /// The same of being empty.
    pub(super) empty_spell: Vec<Option<i64>>,
}

impl Timeline {
    /// The time axes of the stations of these readings, which may come in any order. `max_gap` is in milliseconds.
    pub(super) fn of(readings: &[StationStatus], max_gap: i64) -> Self {
        let mut timeline = Self {
            held: vec![0; readings.len()],
            moved: vec![None; readings.len()],
            full_spell: vec![None; readings.len()],
            empty_spell: vec![None; readings.len()],
        };
        for station in stations(readings) {
            timeline.hold(readings, &station, max_gap);
            timeline.count_moves(readings, &station, max_gap);
            number_spells(&mut timeline.full_spell, readings, &station, max_gap, StationStatus::is_full);
            number_spells(&mut timeline.empty_spell, readings, &station, max_gap, StationStatus::is_empty);
        }
        timeline
    }

    fn hold(&mut self, readings: &[StationStatus], station: &[usize], max_gap: i64) {
        for pair in station.windows(2) {
            self.held[pair[0]] = (due(&readings[pair[1]]) - due(&readings[pair[0]])).min(max_gap);
        }
    }

    fn count_moves(&mut self, readings: &[StationStatus], station: &[usize], max_gap: i64) {
        let mut before: Option<(i64, i64)> = None;
        for &index in station {
            let reading = &readings[index];
            let Some(bikes) = reading.bikes_available.filter(|_| reading.is_open()).map(i64::from) else { continue };
            if let Some((_, had)) = before.filter(|(at, _)| due(reading) - at <= max_gap) {
                self.moved[index] = Some((bikes - had).abs());
            }
            before = Some((due(reading), bikes));
        }
    }
}

/// Event time as the table keeps it.
pub(super) fn due(reading: &StationStatus) -> i64 {
    reading.last_reported.timestamp_millis()
}

/// For each station the indices of its readings in order of event time, each time once: of repeats the one fetched last, and
/// of those the last.
pub(super) fn stations(readings: &[StationStatus]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..readings.len()).collect();
    // Stable: equal ones stay in their order.
    order.sort_by(|&a, &b| {
        let (a, b) = (&readings[a], &readings[b]);
        let by_time = || due(a).cmp(&due(b)).then_with(|| a.fetched_at.cmp(&b.fetched_at));
        a.station_code.cmp(&b.station_code).then_with(by_time)
    });
    let same_time = |a: &usize, b: &usize| due(&readings[*a]) == due(&readings[*b]);
    order
        .chunk_by(|&a, &b| readings[a].station_code == readings[b].station_code)
        .map(|station| station.chunk_by(same_time).filter_map(|repeats| repeats.last().copied()).collect())
        .collect()
}

/// Numbers each spell by the place of its first reading.
fn number_spells(
    spells: &mut [Option<i64>],
    readings: &[StationStatus],
    station: &[usize],
    max_gap: i64,
    is_so: impl Fn(&StationStatus) -> Option<bool>,
) {
    let mut before: Option<(i64, i64)> = None;
    for &index in station {
        let reading = &readings[index];
        before = (is_so(reading) == Some(true)).then(|| {
            let goes_on = before.filter(|(at, _)| due(reading) - at <= max_gap);
            (due(reading), goes_on.map_or(index as i64, |(_, number)| number))
        });
        spells[index] = before.map(|(_, number)| number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::at;
    use crate::station::StationCode;

    const MINUTE: i64 = 60_000;

    fn reading(minute: i64, fetched: i64, bikes: u32) -> StationStatus {
        StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            bikes_available: Some(bikes),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at(60 * minute), at(60 * fetched))
        }
    }

    #[test]
    fn a_reading_holds_until_the_next_at_most_the_gap_and_the_last_for_nothing() {
        let readings =
            [reading(30, 31, 4), reading(0, 5, 9), reading(0, 4, 5), reading(300, 301, 0), reading(10, 11, 7)];
        let timeline = Timeline::of(&readings, 120 * MINUTE);
        assert_eq!(timeline.held, [120 * MINUTE, 10 * MINUTE, 0, 0, 20 * MINUTE]);
        // 9, 7, 4, and hours later 0.
        assert_eq!(timeline.moved, [Some(3), None, None, None, Some(2)]);
    }

    #[test]
    fn a_spell_ends_with_a_bike_with_the_unknown_and_with_a_gap() {
        let unknown = StationStatus { bikes_available: None, ..reading(40, 40, 0) };
        let readings = [
            reading(0, 0, 0),
            reading(10, 10, 0),
            reading(20, 20, 1),
            reading(30, 30, 0),
            unknown,
            reading(50, 50, 0),
            reading(170, 170, 0),
            reading(291, 291, 0),
        ];
        let spells = Timeline::of(&readings, 120 * MINUTE).empty_spell;
        assert_eq!(spells, [Some(0), Some(0), None, Some(3), None, Some(5), Some(5), Some(7)]);
    }

    #[test]
    fn stations_do_not_touch_each_other() {
        let other = StationStatus { station_code: StationCode::new("1001").unwrap(), ..reading(10, 10, 0) };
        let timeline = Timeline::of(&[reading(0, 0, 0), other, reading(20, 20, 0)], 120 * MINUTE);
        assert_eq!(timeline.held, [20 * MINUTE, 0, 0]);
        assert_eq!(timeline.empty_spell, [Some(0), Some(1), Some(0)]);
    }
}
