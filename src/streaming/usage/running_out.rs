//! Which stations are about to run full or empty: what is left against the rate at which it goes.
//!
//! A straight line, no forecast: [`model`](crate::model) has those. It says what happens if the last minutes go on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Bikes;
use crate::station::StationCode;
use crate::streaming::store::StationWindow;

/// What a station runs out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// Of docks.
    Full,
    /// Of bikes.
    Empty,
}

/// A station that reaches a limit soon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningOut {
    /// The station.
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// What it will be.
    pub limit: Limit,
    /// Docks, or bikes, that are left at the end of its newest window.
    pub left: f64,
    /// How they change, per hour: negative.
    pub rate: f64,
    /// After how many minutes none will be left, from its last reading on.
    pub minutes: f64,
}

/// The stations that will be full or empty within that time, the soonest first.
///
/// With *d* the free docks last known in the window and *ḋ* their rate of change in it (docks per hour), a station is full
/// after *d* / −*ḋ* hours if *d* > 0 and *ḋ* < 0; and empty in the same way by its bikes, mechanical and electric together. A
/// station that is full or empty already is not among them, nor is one of which the window has fewer than two readings.
pub fn running_out(newest: &[StationWindow], within: Duration) -> Vec<RunningOut> {
    let mut soon: Vec<RunningOut> = newest
        .iter()
        .flat_map(|row| {
            let (docks, bikes) = (row.statistics.quantities.docks, Bikes::of(row));
            let limits = [(Limit::Full, docks.last, docks.rate), (Limit::Empty, bikes.last, bikes.rate)];
            limits.into_iter().filter_map(|(limit, left, rate)| {
                let (left, rate) = (left.filter(|&left| left > 0.0)?, rate.filter(|&rate| rate < 0.0)?);
                Some(RunningOut {
                    station_code: row.station_code.clone(),
                    name: row.name.clone(),
                    limit,
                    left,
                    rate,
                    minutes: 60.0 * left / -rate,
                })
            })
        })
        .filter(|station| station.minutes * 60.0 <= within.as_secs_f64())
        .collect();
    soon.sort_by(|a, b| a.minutes.total_cmp(&b.minutes).then_with(|| a.station_code.cmp(&b.station_code)));
    soon
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    /// A station by its docks and bikes: the last known, and the change per hour.
    fn station(code: &str, docks: (f64, f64), bikes: (f64, f64)) -> StationWindow {
        let mut row = row(code, 0);
        let quantities = &mut row.statistics.quantities;
        (quantities.docks.last, quantities.docks.rate) = (Some(docks.0), Some(docks.1));
        (quantities.mechanical.last, quantities.mechanical.rate) = (Some(bikes.0 - 1.0), Some(bikes.1));
        (quantities.ebike.last, quantities.ebike.rate) = (Some(1.0), Some(0.0));
        row
    }

    #[test]
    fn what_is_left_is_set_against_the_rate() {
        let network = [
            station("1", (4.0, -12.0), (14.0, 12.0)), // full in 20 minutes
            station("2", (17.0, 18.0), (3.0, -18.0)), // empty in 10
            station("3", (10.0, -5.0), (10.0, 5.0)),  // full in two hours
            station("4", (0.0, -6.0), (20.0, 6.0)),   // full already
            row("5", 0),
        ];
        let soon = running_out(&network, Duration::from_secs(3600));
        let said: Vec<_> = soon.iter().map(|one| (one.station_code.as_str(), one.limit, one.minutes)).collect();
        assert_eq!(said, [("2", Limit::Empty, 10.0), ("1", Limit::Full, 20.0)]);
        assert_eq!((soon[0].left, soon[0].rate), (3.0, -18.0));
        assert_eq!(running_out(&network, Duration::from_secs(7200)).len(), 3);
    }
}
