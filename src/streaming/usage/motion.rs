//! How much is in motion: the bikes that stand nowhere, and what came and went.
//!
//! The feed shows bikes that stand, never those that ride. But a bike that is not seen at any station and was seen a few
//! hours ago is on its way, in a van, or in repair: most of the difference follows the hours of the day, and is ridden.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Bikes;
use crate::station::StationCode;
use crate::streaming::store::StationWindow;
use crate::streaming::window::Window;

/// The network at the end of one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Motion {
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// *S*: bikes that stand at stations, by each station's last word, at most a day old.
    pub standing: f64,
    /// How many stations that is of.
    pub stations: u64,
    /// How many of them said it in this window.
    pub fresh: u64,
    /// max *S* − *S*, the greatest being that of the last 24 hours: bikes that were seen within a day and stand nowhere now.
    pub in_motion: f64,
    /// The sum of the stations' turnovers of bikes in this window; `None` if no station knows it. A ride is two of it.
    pub turnover: Option<f64>,
}

/// Follows the network from window to window: takes the windows of all stations, by start, and holds a day of totals.
///
/// The first hours know no full day before them: there `in_motion` is too low.
#[derive(Debug, Default)]
pub struct MotionOverTime {
    /// The bikes of each station, and when its window ended.
    said: HashMap<StationCode, (DateTime<Utc>, f64)>,
    /// The window that is taken in, its stations so far that are fresh, and its turnover.
    open: Option<(Window, u64, Option<f64>)>,
    last_day: VecDeque<(DateTime<Utc>, f64)>,
}

impl MotionOverTime {
    /// Takes in a station's window. If it is the first of a new window, the network at the end of the one before.
    pub fn update(&mut self, row: &StationWindow) -> Option<Motion> {
        let before = match self.open {
            Some((window, ..)) if window != row.window => self.finish(),
            _ => None,
        };
        let (_, fresh, turnover) = self.open.get_or_insert((row.window, 0, None));
        let bikes = Bikes::of(row);
        if let Some(known) = bikes.turnover {
            *turnover.get_or_insert(0.0) += known;
        }
        if let Some(last) = bikes.last {
            *fresh += 1;
            let said = (row.window.end, last);
            match self.said.get_mut(&row.station_code) {
                Some(known) => *known = said,
                None => drop(self.said.insert(row.station_code.clone(), said)),
            }
        }
        before
    }

    /// The network at the end of the window that was taken in last, which is complete now.
    pub fn finish(&mut self) -> Option<Motion> {
        let (window, fresh, turnover) = self.open.take()?;
        let is_of_the_day = |time: DateTime<Utc>| window.end - time <= TimeDelta::days(1);
        self.said.retain(|_, (ended, _)| is_of_the_day(*ended));
        // Whole numbers: the order in which they are added changes nothing.
        let standing: f64 = self.said.values().map(|(_, bikes)| bikes).sum();
        self.last_day.retain(|&(ended, _)| is_of_the_day(ended));
        let most = self.last_day.iter().map(|&(_, standing)| standing).fold(standing, f64::max);
        self.last_day.push_back((window.end, standing));
        let stations = self.said.len() as u64;
        Some(Motion { window, standing, stations, fresh, in_motion: most - standing, turnover })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    fn station(code: &str, minute: i64, bikes: f64, turnover: Option<f64>) -> StationWindow {
        let mut row = row(code, minute);
        let quantities = &mut row.statistics.quantities;
        (quantities.mechanical.last, quantities.mechanical.turnover) = (Some(bikes), turnover);
        (quantities.ebike.last, quantities.ebike.turnover) = (Some(0.0), turnover.map(|_| 0.0));
        row
    }

    fn motion(windows: &[StationWindow]) -> Vec<Motion> {
        let mut network = MotionOverTime::default();
        let mut all: Vec<Motion> = windows.iter().filter_map(|row| network.update(row)).collect();
        all.extend(network.finish());
        assert_eq!(network.finish(), None);
        all
    }

    #[test]
    fn what_stood_a_while_ago_and_stands_nowhere_now_is_in_motion() {
        let windows = [
            station("1", 0, 10.0, None),
            station("2", 0, 10.0, Some(2.0)),
            station("1", 10, 4.0, Some(8.0)), // the second says nothing and has what it had
            station("1", 20, 6.0, None),
            station("2", 20, 12.0, Some(3.0)),
        ];
        let said: Vec<_> =
            motion(&windows).iter().map(|one| (one.standing, one.fresh, one.in_motion, one.turnover)).collect();
        assert_eq!(said, [(20.0, 2, 0.0, Some(2.0)), (14.0, 1, 6.0, Some(8.0)), (18.0, 2, 2.0, Some(3.0))]);
    }

    #[test]
    fn a_day_is_remembered_and_no_more() {
        let day = 24 * 60;
        let windows = [
            station("1", 0, 10.0, None),
            station("2", 0, 90.0, None),
            station("1", day, 10.0, None),
            station("1", day + 10, 8.0, None),
        ];
        let said: Vec<_> = motion(&windows).iter().map(|one| (one.stations, one.standing, one.in_motion)).collect();
        assert_eq!(said, [(2, 100.0, 0.0), (2, 100.0, 0.0), (1, 8.0, 92.0)]);
    }
}
