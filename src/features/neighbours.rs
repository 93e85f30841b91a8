//! Columns of the stations around, as they were known at the origin.
//!
//! Who finds a station full goes to the next one, and streets fill together. Each neighbour is seen by its newest reading
//! at or before the origin, and only stations that have one count, so that nothing later reaches a feature.

use std::cmp::Ordering;

use super::history::{History, StationHistory};
use super::matrix::{Column, Context};
use super::rates::UsualTable;
use crate::station::metres_between;

/// How many neighbours are looked at.
const COUNT: usize = 10;
/// The distance over which a neighbour's weight falls to 1/e, metres.
const REACH: f64 = 350.0;
/// No station further away is a neighbour, metres.
const FARTHEST: f64 = 3_000.0;
/// Metres in a degree of latitude, a little less than there are.
const METRES_PER_DEGREE: f64 = 111_000.0;
/// A neighbour that has been silent for longer is not looked at, seconds.
pub(super) const SILENT: i64 = 3 * 3600;
/// More free docks than this count as so many: they say nothing more about filling up.
const MANY: f64 = 15.0;

/// The columns of this group.
pub(super) const COLUMNS: [Column; 6] = [
    Column {
        name: "near_docks",
        formula: "mean of min(docks, 15) over the 10 nearest stations heard of in the last 3 hours, weighted by exp(-metres / 350)",
    },
    Column { name: "near_expected", formula: "the same mean of docks + usual_change, cut to -3..15" },
    Column { name: "near_full", formula: "the same mean of 1 if docks = 0, else 0" },
    Column { name: "near_free_share", formula: "the same mean of docks / (docks + bikes)" },
    Column { name: "near_slope", formula: "the same mean of slope, docks per hour, where it is known; else 0" },
    Column { name: "near_least", formula: "fewest docks of the 10" },
];

/// Who is near whom.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Neighbours {
    /// By the station: the places and the weights of its neighbours, the nearest first.
    nearest: Vec<Vec<(usize, f64)>>,
}

/// What one neighbour was last known to be.
struct Seen {
    weight: f64,
    docks: f64,
    expected: f64,
    share: f64,
    slope: f64,
}

impl Neighbours {
    /// The neighbours of each station. A station without a known position has none and is none.
    pub(super) fn new(stations: &[StationHistory]) -> Self {
        let positions: Vec<_> = stations.iter().map(StationHistory::position).collect();
        let nearest = positions.iter().enumerate().map(|(own, position)| {
            let Some(position) = position else { return Vec::new() };
            let others = positions.iter().enumerate().filter(|&(other, _)| other != own);
            let mut near: Vec<_> = others
                .filter_map(|(other, there)| Some((other, (*there)?)))
                // Most are far, which a degree's length tells sooner than the distance.
                .filter(|(_, there)| is_about_near(*position, *there))
                .map(|(other, there)| (other, metres_between(*position, there)))
                .filter(|&(_, metres)| metres <= FARTHEST)
                .collect();
            near.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal));
            near.into_iter().map(|(other, metres)| (other, (-metres / REACH).exp())).collect()
        });
        Self { nearest: nearest.collect() }
    }

    /// The share of a station's neighbours that are full, as known at `time`, by their weights; 0 without any.
    pub(super) fn full_share(history: &History, station: usize, time: i64) -> f64 {
        let known = history.neighbours().nearest[station].iter().filter_map(|&(other, weight)| {
            let there = &history.stations()[other];
            Some((weight, there.docks()[heard_of(there, time)?] == 0))
        });
        let (full, all) = known.take(COUNT).fold((0.0, 0.0), |(full, all), (weight, is_full)| {
            (if is_full { full + weight } else { full }, all + weight)
        });
        if all > 0.0 { full / all } else { 0.0 }
    }

    /// The values of the columns at one origin of a station; unknown without neighbours.
    pub(super) fn values(history: &History, table: &UsualTable<'_>, station: usize, context: &Context<'_>) -> [f64; 6] {
        let time = context.past.time();
        let seen = history.neighbours().nearest[station].iter().filter_map(|&(other, weight)| {
            let there = &history.stations()[other];
            let reading = heard_of(there, time)?;
            let (docks, bikes) = (f64::from(there.docks()[reading]), f64::from(there.bikes()[reading]));
            let usual = table.get(other, reading).map_or(0.0, |usual| usual.change);
            let slope = there.past(reading).and_then(|past| past.slope_within(SLOPE)).unwrap_or(0.0);
            let share = if docks + bikes > 0.0 { docks / (docks + bikes) } else { 0.0 };
            Some(Seen { weight, docks, expected: docks + usual, share, slope })
        });
        let mut weights = 0.0;
        let mut sums = [0.0; 5];
        let mut least = f64::NAN;
        for one in seen.take(COUNT) {
            weights += one.weight;
            least = one.docks.min(least);
            let full = f64::from(u8::from(one.docks == 0.0));
            let terms = [one.docks.min(MANY), one.expected.clamp(-3.0, MANY), full, one.share, one.slope];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += one.weight * term);
        }
        let [docks, expected, full, share, slope] = sums.map(|sum| sum / weights);
        [docks, expected, full, share, slope, least]
    }
}

/// Whether two places (degrees) may be within reach of each other; true for all that are, but for the poles.
fn is_about_near(a: (f64, f64), b: (f64, f64)) -> bool {
    let reach = FARTHEST / METRES_PER_DEGREE;
    let circle = a.0.abs().max(b.0.abs()).to_radians().cos();
    let degrees = (a.1 - b.1).abs();
    (a.0 - b.0).abs() <= reach && degrees.min(360.0 - degrees) * circle <= 1.01 * reach
}

/// The newest reading of a station at `time`, unless it is too old.
fn heard_of(station: &StationHistory, time: i64) -> Option<usize> {
    station.newest_at(time).filter(|&reading| time - station.times()[reading] <= SILENT)
}

/// How far back the slope of a neighbour looks, seconds.
const SLOPE: i64 = 150 * 60;

#[cfg(test)]
mod tests {
    use super::super::label::Target;
    use super::super::rates::Rates;
    use super::super::testing::reading;
    use super::*;
    use crate::station::StationStatus;

    const HOUR: Target = Target { horizon: 3600, tolerance: 600 };

    fn at(code: &str, time: i64, docks: u32, lat: f64) -> StationStatus {
        StationStatus { lat: Some(lat), lon: Some(2.35), ..reading(code, time, docks) }
    }

    fn values(readings: &[StationStatus], code: &str) -> [f64; 6] {
        let history = History::new(readings);
        let rates = Rates::default();
        let table = rates.table(&history, HOUR, i64::MIN);
        let place = history.position(code).unwrap();
        let station = &history.stations()[place];
        let past = station.past(station.len() - 1).unwrap();
        let usual = *table.get(place, station.len() - 1).unwrap();
        let context = Context::new(past, HOUR, Some(&usual));
        Neighbours::values(&history, &table, place, &context)
    }

    #[test]
    fn near_stations_count_by_their_distance_and_silent_ones_not() {
        // A degree of latitude is 111.2 km: 0.001 of it is 111 m.
        let readings = [
            at("1", 20_000, 5, 48.85),
            at("2", 19_000, 0, 48.851),
            at("3", 19_000, 12, 48.853),
            at("4", 0, 3, 48.8501),
        ];
        let [docks, expected, full, share, slope, least] = values(&readings, "1");
        let (near, far) = ((-111.19f64 / 350.0).exp(), (-333.58f64 / 350.0).exp());
        assert!((docks - 12.0 * far / (near + far)).abs() < 1e-3 && docks == expected, "{docks}");
        assert!((full - near / (near + far)).abs() < 1e-4 && (share - 0.6 * far / (near + far)).abs() < 1e-4);
        assert_eq!((slope, least), (0.0, 0.0));
    }

    #[test]
    fn what_a_neighbour_reports_later_is_not_seen_and_without_any_nothing_is_known() {
        let mut readings = vec![at("1", 20_000, 5, 48.85), at("2", 19_000, 7, 48.851)];
        let before = values(&readings, "1");
        readings.push(at("2", 20_001, 0, 48.851));
        assert_eq!(values(&readings, "1"), before);
        let alone = values(&[at("1", 20_000, 5, 48.85)], "1");
        assert!(alone.iter().all(|value| value.is_nan()), "{alone:?}");
    }
}
