//! How much is in motion: the bikes that stand nowhere, and what came and went.
//!
//! The feed shows bikes that stand, never those that ride. But a bike that is not seen at any station and was seen a few
//! hours ago is on its way, in a van, or in repair: most of the difference follows the hours of the day, and is ridden.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
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

/// What is in motion at the end of each window; `windows` are those of all stations, by start. The first hours know no full
/// day before them: there `in_motion` is too low.
pub fn motion(windows: &[StationWindow]) -> Vec<Motion> {
    let day = TimeDelta::days(1);
    let mut said: BTreeMap<&StationCode, (Window, f64)> = BTreeMap::new();
    let mut last_day: VecDeque<Motion> = VecDeque::new();
    let mut all = Vec::new();
    for rows in windows.chunk_by(|a, b| a.window == b.window) {
        let Some(window) = rows.first().map(|row| row.window) else { continue };
        let (mut fresh, mut turnover) = (0, None);
        for row in rows {
            let bikes = Bikes::of(row);
            if let Some(last) = bikes.last {
                fresh += 1;
                said.insert(&row.station_code, (window, last));
            }
            if let Some(known) = bikes.turnover {
                *turnover.get_or_insert(0.0) += known;
            }
        }
        said.retain(|_, (when, _)| window.end - when.end <= day);
        let standing: f64 = said.values().map(|(_, bikes)| bikes).sum();
        while last_day.front().is_some_and(|old| window.end - old.window.end > day) {
            last_day.pop_front();
        }
        let most = last_day.iter().map(|one| one.standing).fold(standing, f64::max);
        let stations = said.len() as u64;
        let now = Motion { window, standing, stations, fresh, in_motion: most - standing, turnover };
        last_day.push_back(now);
        all.push(now);
    }
    all
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
