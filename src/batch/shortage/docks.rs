//! Docks that look broken: neither a bike in them nor free.

use serde::{Deserialize, Serialize};

use super::StationName;
use super::axis::StationAxis;
use crate::batch::hours::HOUR;
use crate::station::StationStatus;

/// The docks that are missing in the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MissingDocks {
    /// Those of all stations together.
    pub docks: u64,
    /// The capacity of the stations of which it is known.
    pub capacity: u64,
    /// The stations that miss any, those that miss most first.
    pub stations: Vec<StationDocks>,
}

/// A station of which docks look broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationDocks {
    /// The station.
    #[serde(flatten)]
    pub station: StationName,
    /// Its capacity, as it said last.
    pub capacity: u64,
    /// How many docks are missing: the median over time of capacity − bikes − free docks, while open and all three are known; the
    /// lower of two. So for half of that time or more at least so many were neither free nor held a bike that can be taken.
    pub missing: u64,
    /// For how much of that time at least one was missing.
    pub share: f64,
    /// How long that time is, hours.
    pub known_hours: f64,
}

/// The docks that are missing at these stations.
pub(super) fn missing_docks(stations: &[StationAxis<'_>]) -> MissingDocks {
    let mut all = MissingDocks::default();
    for station in stations {
        let mut known: Vec<(i64, i64)> =
            station.holds().filter_map(|(reading, span)| Some((missing(reading)?, span.1 - span.0))).collect();
        known.sort_unstable();
        let whole: i64 = known.iter().map(|(_, held)| held).sum();
        let Some(capacity) = station.latest(|reading| reading.capacity).filter(|_| whole > 0) else { continue };
        all.capacity += u64::from(capacity);
        let mut until = 0;
        let median = known.iter().find(|(_, held)| {
            until += held;
            2 * until >= whole
        });
        let Some(missing) = median.and_then(|&(missing, _)| u64::try_from(missing).ok()).filter(|&missing| missing > 0)
        else {
            continue;
        };
        let Some(name) = StationName::of(station) else { continue };
        let short: i64 = known.iter().filter(|(missing, _)| *missing > 0).map(|(_, held)| held).sum();
        all.docks += missing;
        all.stations.push(StationDocks {
            station: name,
            capacity: capacity.into(),
            missing,
            share: short as f64 / whole as f64,
            known_hours: whole as f64 / HOUR as f64,
        });
    }
    all.stations.sort_by_key(|station| std::cmp::Reverse(station.missing));
    all
}

/// Below zero where the feed counts more than there is.
fn missing(reading: &StationStatus) -> Option<i64> {
    let known = reading.capacity.zip(reading.bikes_available).zip(reading.docks_available);
    let ((capacity, bikes), docks) = known.filter(|_| reading.is_open())?;
    Some(i64::from(capacity) - i64::from(bikes) - i64::from(docks))
}
