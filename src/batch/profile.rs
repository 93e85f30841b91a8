//! The week of a station and of the network, hour by hour.

use serde::{Deserialize, Serialize};

use super::over_time::{quotient, seconds};

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;

/// How full each hour of the week finds a station, or the network.
///
/// The hours are those of the clocks in Paris: 0 is Monday from 0:00 to 1:00, 167 Sunday from 23:00. What a reading holds is
/// cut at the full hours, so that each hour has its own part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekProfile {
    /// Bikes per dock in each hour while open: Σ *bᵢ hᵢ* / Σ *cᵢ hᵢ* with *bᵢ* the bikes, *cᵢ* the capacity and *hᵢ* the time that
    /// falls into the hour, as in [`ZoneOverTime::occupancy`](super::ZoneOverTime::occupancy); `None` where that time has no
    /// length.
    pub occupancy: Vec<Option<f64>>,
    /// The time that the occupancy of each hour is over, seconds: Σ *hᵢ*.
    pub known_seconds: Vec<f64>,
}

/// What one hour of the week is computed from: it adds up. Exact below 2^53.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HourSums {
    /// Milliseconds in which the occupancy is known.
    pub(super) held: u64,
    /// Bikes, each times the milliseconds that it was there.
    pub(super) bikes: f64,
    /// The same of docks.
    pub(super) capacity: f64,
}

/// The hours of one profile.
#[derive(Clone, Debug)]
pub(super) struct WeekSums(Vec<HourSums>);

impl Default for WeekSums {
    fn default() -> Self {
        Self(vec![HourSums::default(); WEEK_HOURS])
    }
}

impl WeekSums {
    /// Adds to an hour of the week; one that is none is passed over.
    pub(super) fn add(&mut self, hour: usize, sums: &HourSums) {
        if let Some(own) = self.0.get_mut(hour) {
            own.held += sums.held;
            own.bikes += sums.bikes;
            own.capacity += sums.capacity;
        }
    }

    /// Adds another profile.
    pub(super) fn merge(&mut self, other: &Self) {
        (0..).zip(&other.0).for_each(|(hour, sums)| self.add(hour, sums));
    }

    pub(super) fn finish(&self) -> WeekProfile {
        WeekProfile {
            occupancy: self.0.iter().map(|sums| quotient(sums.bikes, sums.capacity)).collect(),
            known_seconds: self.0.iter().map(|sums| seconds(sums.held)).collect(),
        }
    }
}
