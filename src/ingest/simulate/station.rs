//! One simulated station: where it stands, and the rates at which bikes come and go.

use std::sync::Arc;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use chrono_tz::Europe::Paris;

use crate::station::{StationCode, StationStatus};

/// A station as a birth-death chain, and what its readings say besides.
///
/// The state is the number of bikes, from 0 to [`working_docks`](Self::working_docks). From `n` bikes it goes to `n + 1`
/// at the rate of returns if `n` is below the working docks, and to `n - 1` at the rate of rentals if `n` is above 0.
/// [`rates`](Self::rates) is all that the chain depends on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimulatedStation {
    /// The code. Only 16107 is also the code of a real station.
    pub code: StationCode,
    /// The name; invented, but for 16107.
    pub name: Arc<str>,
    /// The commune.
    pub commune: Arc<str>,
    /// Latitude, degrees north.
    pub lat: f64,
    /// Longitude, degrees east.
    pub lon: f64,
    /// How the hours of a week differ.
    pub profile: Profile,
    /// Number of docks, the broken ones included.
    pub capacity: u32,
    /// Number of docks that are broken all the time: neither a bike nor a free dock.
    pub broken_docks: u32,
    /// Number of bikes ten minutes before the first poll.
    pub bikes_at_start: u32,
    /// Returns that are tried per hour, mean of a week.
    pub returns_per_hour: f64,
    /// Rentals that are tried per hour, mean of a week.
    pub rentals_per_hour: f64,
    /// When it is closed, in order of time. Whole hours, so that the rates are constant within each.
    pub closures: Vec<Closure>,
}

/// How many returns and rentals are tried per hour. A return at a full station and a rental at an empty one are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Returns per hour: one bike more.
    pub returns_per_hour: f64,
    /// Rentals per hour: one bike less.
    pub rentals_per_hour: f64,
}

/// What a station is near, and so when it fills and empties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Near offices: fills on weekday mornings and empties in the evening.
    Commuter,
    /// Near homes: empties on weekday mornings and fills in the evening.
    Residential,
    /// Near parks, shops and bars: busiest in the afternoon and at the weekend.
    Leisure,
}

/// Some hours during which a station is closed: it has no trips, and reads no free dock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The first moment of it.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub until: DateTime<Utc>,
    /// Whether the station stays in service and only takes no returns and gives no rentals; else it reads not installed
    /// and without a bike.
    pub installed: bool,
}

impl SimulatedStation {
    /// Number of docks that work: the most bikes it can hold.
    pub fn working_docks(&self) -> u32 {
        self.capacity.saturating_sub(self.broken_docks)
    }

    /// The closure that `time` falls in.
    pub fn closure(&self, time: DateTime<Utc>) -> Option<&Closure> {
        self.closures.iter().find(|closure| closure.from <= time && time < closure.until)
    }

    /// The rates at `time`: constant from one full hour to the next, zero while the station is closed.
    pub fn rates(&self, time: DateTime<Utc>) -> Rates {
        if self.closure(time).is_some() {
            return Rates { returns_per_hour: 0.0, rentals_per_hour: 0.0 };
        }
        let shape = self.profile.shape(time);
        Rates {
            returns_per_hour: self.returns_per_hour * shape.returns_per_hour,
            rentals_per_hour: self.rentals_per_hour * shape.rentals_per_hour,
        }
    }

    /// The reading that a station with so many bikes gives of itself.
    pub(super) fn reading(
        &self,
        last_reported: DateTime<Utc>,
        fetched_at: DateTime<Utc>,
        bikes: u32,
        ebikes: u32,
    ) -> StationStatus {
        let closure = self.closure(last_reported);
        let (open, installed) = (closure.is_none(), closure.is_none_or(|closure| closure.installed));
        let if_installed = |count| Some(if installed { count } else { 0 });
        StationStatus {
            fetched_at,
            station_code: self.code.clone(),
            name: Some(self.name.clone()),
            is_installed: Some(installed),
            capacity: Some(self.capacity),
            docks_available: Some(if open { self.working_docks() - bikes } else { 0 }),
            bikes_available: if_installed(bikes),
            mechanical: if_installed(bikes - ebikes),
            ebike: if_installed(ebikes),
            is_renting: Some(open),
            is_returning: Some(open),
            last_reported,
            lat: Some(self.lat),
            lon: Some(self.lon),
            commune: Some(self.commune.clone()),
        }
    }
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commuter, Self::Residential, Self::Leisure];

    /// The rates at `time` as multiples of their mean of a week, by the hour and the day in Paris.
    pub fn shape(self, time: DateTime<Utc>) -> Rates {
        let local = time.with_timezone(&Paris);
        let (hour, weekend) = (local.hour() as usize, matches!(local.weekday(), Weekday::Sat | Weekday::Sun));
        let (trips, pull) = match (self, weekend) {
            (Self::Leisure, false) => (LEISURE_WEEKDAY[hour], leisure_pull(hour)),
            (Self::Leisure, true) => (LEISURE_WEEKEND[hour], leisure_pull(hour)),
            (_, false) => (WEEKDAY[hour], OFFICE_PULL[hour]),
            (_, true) => (WEEKEND[hour], OFFICE_PULL[hour] / 4.0),
        };
        let pull = if self == Self::Residential { -pull } else { pull };
        Rates { returns_per_hour: trips * (1.0 + pull), rentals_per_hour: trips * (1.0 - pull) }
    }
}

/// The full hour that `time` falls in, as a number of hours since 1970. Clocks in Paris differ by whole hours from UTC.
pub(super) fn full_hour(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(3600)
}

/// The start of a full hour.
pub(super) fn start_of(hour: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
}

/// Trips by the hour in Paris, as multiples of the mean; each day sums to 24.
#[rustfmt::skip]
const WEEKDAY: [f64; 24] = [
    0.35, 0.2, 0.12, 0.08, 0.08, 0.15, 0.45, 1.1, 2.2, 1.6, 0.9, 0.9, 1.1, 1.1, 1.0, 1.1, 1.4, 2.0, 2.37, 2.0, 1.5, 1.0, 0.75, 0.55,
];
#[rustfmt::skip]
const WEEKEND: [f64; 24] = [
    0.88, 0.66, 0.49, 0.33, 0.22, 0.16, 0.22, 0.33, 0.49, 0.77, 1.04, 1.32, 1.48, 1.53, 1.64, 1.75, 1.75, 1.75, 1.65, 1.42, 1.21, 1.04, 0.99, 0.88,
];
#[rustfmt::skip]
const LEISURE_WEEKDAY: [f64; 24] = [
    0.31, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.41, 0.71, 0.82, 0.92, 1.12, 1.53, 1.53, 1.33, 1.43, 1.63, 1.94, 2.28, 2.14, 1.84, 1.53, 1.12, 0.61,
];
#[rustfmt::skip]
const LEISURE_WEEKEND: [f64; 24] = [
    0.52, 0.42, 0.31, 0.21, 0.1, 0.1, 0.1, 0.21, 0.31, 0.62, 0.94, 1.25, 1.45, 1.66, 1.97, 2.18, 2.18, 1.97, 1.78, 1.56, 1.35, 1.14, 0.94, 0.73,
];

/// By how much returns exceed the mean of the two directions near offices, and rentals fall short of it: people come in
/// the morning and go in the evening. Over a day as many come as go.
#[rustfmt::skip]
const OFFICE_PULL: [f64; 24] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.45, 0.45, 0.3, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, -0.1, -0.25, -0.35, -0.25, -0.12, -0.05, 0.0, 0.0,
];

fn leisure_pull(hour: usize) -> f64 {
    match hour {
        10..=14 => 0.2,
        17..=19 => -0.2,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn over_a_week_as_many_come_as_go_and_the_mean_is_one() {
        for profile in Profile::ALL {
            let monday = full_hour(at("2024-03-04T00:00:00Z"));
            let week: Vec<_> = (monday..monday + 168).map(|hour| profile.shape(start_of(hour))).collect();
            let returns: f64 = week.iter().map(|rates| rates.returns_per_hour).sum();
            let rentals: f64 = week.iter().map(|rates| rates.rentals_per_hour).sum();
            assert!((returns / 168.0 - 1.0).abs() < 0.01, "{profile:?} {returns}");
            assert!((rentals / 168.0 - 1.0).abs() < 0.01, "{profile:?} {rentals}");
            assert!(week.iter().all(|rates| rates.returns_per_hour > 0.0 && rates.rentals_per_hour > 0.0));
        }
    }

    #[test]
    fn rates_go_by_the_time_in_paris_winter_and_summer() {
        for profile in Profile::ALL {
            let winter = profile.shape(at("2024-01-15T07:30:00Z"));
            assert_eq!(profile.shape(at("2024-07-15T06:30:00Z")), winter);
            assert_ne!(profile.shape(at("2024-07-15T07:30:00Z")), winter);
            // A Saturday that has begun in Paris, not in UTC.
            assert_eq!(profile.shape(at("2024-07-12T22:30:00Z")), profile.shape(at("2024-07-13T22:30:00Z")));
        }
    }

    #[test]
    fn offices_fill_in_the_morning_and_homes_in_the_evening() {
        let (morning, evening) = (at("2024-03-05T07:00:00Z"), at("2024-03-05T17:00:00Z"));
        let net = |profile: Profile, time| {
            let rates = profile.shape(time);
            rates.returns_per_hour - rates.rentals_per_hour
        };
        assert!(net(Profile::Commuter, morning) > 1.0 && net(Profile::Commuter, evening) < -1.0);
        assert!(net(Profile::Residential, morning) < -1.0 && net(Profile::Residential, evening) > 1.0);
    }
}
