//! What the windows say about the use of the network: which stations are about to run full or empty, which are at odds with
//! their neighbours, and how much is in motion. Computed from a store's windows when they are asked for, never kept.

mod imbalance;
mod motion;
mod running_out;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::store::{Select, StationWindow, Store};
use crate::error::Result;
use crate::station::StationCode;

pub use imbalance::{AtOdds, Imbalance, imbalance};
pub use motion::{Motion, MotionOverTime};
pub use running_out::{Limit, RunningOut, running_out};

/// What is looked at, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsageSettings {
    /// Stations that run out within this time are told: an hour.
    pub within: Duration,
    /// Stations this near to each other, in metres, are neighbours: 500.
    pub radius: f64,
    /// A station whose newest window ended longer ago than this is left out of both: an hour.
    pub silent: Duration,
}

impl Default for UsageSettings {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self { within: hour, radius: 500.0, silent: hour }
    }
}

/// The use of the network at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The stations that run out soon, the soonest first.
    pub running_out: Vec<RunningOut>,
    /// How unevenly the bikes are spread among neighbours.
    pub imbalance: Imbalance,
    /// How much is in motion; `None` without a window.
    pub motion: Option<Motion>,
}

impl Usage {
    /// What the store's windows of the day before `until` say, of those that had ended by then: [`running_out`],
    /// [`imbalance`], and the last [`Motion`].
    pub fn at(store: &mut dyn Store, until: DateTime<Utc>, settings: UsageSettings) -> Result<Self> {
        // A day is some hundred thousand rows: none is held.
        Self::of(until, settings, |select, visit| store.visit_station_windows(select, visit))
    }

    /// The same by whoever shows the windows that are selected one by one, by window, then by station code.
    pub(super) fn of(
        until: DateTime<Utc>,
        settings: UsageSettings,
        visit: impl FnOnce(Select<'_>, &mut dyn FnMut(StationWindow)) -> Result<()>,
    ) -> Result<Self> {
        let before = |span| until.checked_sub_signed(span).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let select = Select { until: Some(until), ..Select::ALL.since(before(TimeDelta::days(1))) };
        let heard_since = before(TimeDelta::from_std(settings.silent).unwrap_or(TimeDelta::MAX));
        let (mut network, mut newest) = (MotionOverTime::default(), NewestOfEach::default());
        visit(select, &mut |row| {
            if row.window.end <= until {
                network.update(&row);
                if row.window.end >= heard_since {
                    newest.update(row);
                }
            }
        })?;
        let (motion, newest) = (network.finish(), newest.into_rows());
        Ok(Self {
            running_out: running_out(&newest, settings.within),
            imbalance: imbalance(&newest, settings.radius),
            motion,
        })
    }
}

/// The newest window of each station: what [`running_out`] and [`imbalance`] look at.
#[derive(Debug, Default)]
pub struct NewestOfEach(BTreeMap<StationCode, StationWindow>);

impl NewestOfEach {
    /// Takes in a station's window; whichever is the newest is kept.
    pub fn update(&mut self, row: StationWindow) {
        match self.0.get_mut(&row.station_code) {
            Some(kept) if kept.window.start >= row.window.start => {}
            Some(kept) => *kept = row,
            None => drop(self.0.insert(row.station_code.clone(), row)),
        }
    }

    /// The newest window of each station, by code.
    pub fn into_rows(self) -> Vec<StationWindow> {
        self.0.into_values().collect()
    }
}

/// All bikes of a station at the end of a window and how they change: the last known values, and bikes per hour.
#[derive(Clone, Copy, Debug)]
struct Bikes {
    last: Option<f64>,
    rate: Option<f64>,
    turnover: Option<f64>,
}

impl Bikes {
    /// The mechanical and the electric ones; unknown where one of them is.
    fn of(row: &StationWindow) -> Self {
        let (mechanical, ebike) = (row.statistics.quantities.mechanical, row.statistics.quantities.ebike);
        let both = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
        Self {
            last: both(mechanical.last, ebike.last),
            rate: both(mechanical.rate, ebike.rate),
            turnover: both(mechanical.turnover, ebike.turnover),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streaming::Window;
    use chrono::{DateTime, TimeDelta, Utc};

    pub(super) fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_652_346_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    /// A station with 20 docks whose window of ten minutes begins then.
    pub(super) fn row(code: &str, minute: i64) -> StationWindow {
        let mut row = StationWindow {
            station_code: StationCode::new(code).unwrap(),
            name: None,
            commune: None,
            arrondissement: None,
            lat: Some(48.85),
            lon: Some(2.35),
            window: Window { start: at(minute), end: at(minute + 10) },
            statistics: Default::default(),
        };
        row.statistics.capacity = Some(20.0);
        row
    }

    #[test]
    fn the_newest_window_of_each_station_counts_whatever_the_order() {
        let mut newest = NewestOfEach::default();
        [row("1", 10), row("2", 0), row("1", 20), row("1", 0)].into_iter().for_each(|row| newest.update(row));
        let rows = newest.into_rows();
        let kept: Vec<_> = rows.iter().map(|row| (row.station_code.as_str(), row.window.start)).collect();
        assert_eq!(kept, [("1", at(20)), ("2", at(0))]);
    }
}
