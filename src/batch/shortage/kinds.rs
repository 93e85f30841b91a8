//! What differs between electric and mechanical bikes.

use serde::{Deserialize, Serialize};

use super::axis::StationAxis;
use crate::batch::hours::HOUR;
use crate::batch::over_time::quotient;
use crate::station::StationStatus;

/// Electric against mechanical bikes, over the time in which a station was open and said both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kinds {
    /// That time, hours of all stations.
    pub known_hours: f64,
    /// Hours in which there was neither.
    pub neither_hours: f64,
    /// The electric ones.
    pub electric: Kind,
    /// The mechanical ones.
    pub mechanical: Kind,
}

/// The bikes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// Bikes at a station, mean over time.
    pub mean: Option<f64>,
    /// Hours in which there was none of them and one of the other kind.
    pub only_other_hours: f64,
    /// `only_other_hours` over the hours known.
    pub only_other_share: Option<f64>,
    /// Σ |difference| between a reading and the next, at most the greatest gap apart and both of an open station that says both kinds,
    /// bikes; `None` if there are no two such readings.
    pub moved: Option<u64>,
    /// `moved` a day for each bike that stood there: over Σ bikes of the first reading × time to the second, of the same pairs.
    pub moved_per_bike_day: Option<f64>,
}

/// What is summed of one kind. Times are in milliseconds.
#[derive(Clone, Copy, Default)]
struct Sums {
    /// Without, while the other was there.
    without: i64,
    /// Bikes times time.
    bikes: f64,
    /// The same of the time in which a move can be seen: a reading that no other follows in time holds too, but shows none.
    watched: f64,
    moved: Option<u64>,
}

/// The bikes of either kind at these stations; `max_gap` is in milliseconds.
pub(super) fn kinds(stations: &[StationAxis<'_>], max_gap: i64) -> Kinds {
    let (mut known, mut neither) = (0, 0);
    let mut sums = [Sums::default(); 2];
    for station in stations {
        for (reading, (from, until)) in station.holds() {
            let Some(counts) = counts(reading) else { continue };
            let held = until - from;
            known += held;
            neither += if counts == [0, 0] { held } else { 0 };
            for (kind, sums) in sums.iter_mut().enumerate() {
                sums.without += if counts[kind] == 0 && counts[1 - kind] > 0 { held } else { 0 };
                sums.bikes += f64::from(counts[kind]) * held as f64;
            }
        }
        for (before, after, (from, until)) in station.pairs(max_gap) {
            let Some((before, after)) = counts(before).zip(counts(after)) else { continue };
            for (kind, sums) in sums.iter_mut().enumerate() {
                *sums.moved.get_or_insert(0) += u64::from(before[kind].abs_diff(after[kind]));
                sums.watched += f64::from(before[kind]) * (until - from) as f64;
            }
        }
    }
    let hours = |milliseconds: i64| milliseconds as f64 / HOUR as f64;
    let [electric, mechanical] = sums.map(|sums| Kind {
        mean: quotient(sums.bikes, known as f64),
        only_other_hours: hours(sums.without),
        only_other_share: quotient(sums.without as f64, known as f64),
        moved: sums.moved,
        moved_per_bike_day: sums.moved.and_then(|moved| quotient(24.0 * HOUR as f64 * moved as f64, sums.watched)),
    });
    Kinds { known_hours: hours(known), neither_hours: hours(neither), electric, mechanical }
}

/// Electric and mechanical bikes, while known to be open.
fn counts(reading: &StationStatus) -> Option<[u32; 2]> {
    reading
        .ebike
        .zip(reading.mechanical)
        .filter(|_| reading.is_open())
        .map(|(electric, mechanical)| [electric, mechanical])
}
