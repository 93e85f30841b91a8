//! How far the network has come, and how far the feed is behind: computed from the stations alone, so that any program that
//! reads the store, be there one process or several that write to it, comes to the same.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::station::Station;

/// How far behind the newest station another may be before it counts as idle: a quarter of an hour. A station reports every
/// ten minutes or so even if nothing happens: in the recorded history 99.5 % of a poll's readings are within it.
pub const IDLENESS: Duration = Duration::from_secs(15 * 60);

/// How far the network has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// The newest event time heard of any station ([`Station::clock`]).
    pub newest: DateTime<Utc>,
    /// When that, or anything later, was fetched.
    pub fetched_at: DateTime<Utc>,
    /// The *watermark*: every station that is not idle has reported up to here, so that a window that ends here or before is
    /// complete as far as anybody can tell. It goes by what stations report, never by the time of day: where the feed is an
    /// hour late, so is the watermark.
    pub watermark: DateTime<Utc>,
    /// How long the feed takes: the median over the stations that are not idle of the time from reporting to fetching, in
    /// seconds.
    pub feed_lag_seconds: i64,
    /// How many stations are not idle.
    pub active: u64,
    /// How many are: [`IDLENESS`] behind the newest. They hold nobody up.
    pub idle: u64,
}

impl Freshness {
    /// That of a network of these stations; `None` if there are none.
    pub fn of<'a>(stations: impl IntoIterator<Item = &'a Station>) -> Option<Self> {
        let stations: Vec<&Station> = stations.into_iter().collect();
        let newest = stations.iter().map(|station| station.clock).max()?;
        let fetched_at = stations.iter().map(|station| station.fetched_at).max()?;
        let since = newest.checked_sub_signed(TimeDelta::from_std(IDLENESS).ok()?)?;
        let active = || stations.iter().filter(|station| station.clock >= since);
        let mut lags: Vec<i64> = active().map(|one| (one.fetched_at - one.last_reported).num_seconds()).collect();
        lags.sort_unstable();
        Some(Self {
            newest,
            fetched_at,
            watermark: active().map(|station| station.clock).min()?,
            feed_lag_seconds: *lags.get((lags.len() - 1) / 2)?,
            active: lags.len() as u64,
            idle: (stations.len() - lags.len()) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::{StationCode, StationStatus};

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_652_346_000, 0).unwrap() + TimeDelta::minutes(minute)
    }

    fn freshness(stations: &[(i64, i64)]) -> Option<Freshness> {
        let station = |(nth, &(reported, fetched)): (usize, &(i64, i64))| {
            let code = StationCode::new(&nth.to_string()).unwrap();
            Station::of(&StationStatus::unknown(code, at(reported), at(fetched)))
        };
        let stations: Vec<Station> = stations.iter().enumerate().map(station).collect();
        Freshness::of(&stations)
    }

    #[test]
    fn the_watermark_is_that_of_the_last_station_that_is_not_idle() {
        let network = freshness(&[(60, 90), (52, 90), (45, 75), (44, 75), (-500, 0)]).unwrap();
        assert_eq!((network.newest, network.watermark, network.fetched_at), (at(60), at(45), at(90)));
        assert_eq!((network.active, network.idle, network.feed_lag_seconds), (3, 2, 30 * 60));
        assert_eq!(freshness(&[]), None);
    }

    #[test]
    fn a_feed_that_is_late_as_a_whole_makes_no_station_idle() {
        let network = freshness(&[(60, 125), (59, 125)]).unwrap();
        assert_eq!((network.watermark, network.feed_lag_seconds, network.idle), (at(59), 65 * 60, 0));
    }
}
