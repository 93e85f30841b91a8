//! How long stations were without a bike and without a dock, whom that turned away, and what would have helped.
//!
//! A reading [holds](super::StationOverTime) until the next of its station, at most the greatest gap. Riders are estimated where they
//! can be seen: a station that is empty shows no departures, whoever stands there, so the rate of each hour of the week is that
//! of the time with bikes, times the time without. Hours and days are those of the clocks in Paris.
//!
//! With *T* the bikes that were taken in the time *A* in which that could be seen, and *c*(*T*, *E*) = (*T* + 4) / (*E* + 4) what
//! seeing *T* where *E* were expected does to an expectation ([`PRIOR_BIKES`]):
//!
//! - the network: *r* = Σ *T* / Σ *A* in every hour *h* of the week; then *rₕ* ← *rₕ* · *c*(Σ *T*, *rₕ* Σ *A*) over the hours from *h* − 3 to
//!   *h* + 3, again over those from *h* − 1 to *h* + 1, again over *h* alone: an hour that was hardly seen is taken to be like those
//!   around it
//! - station *s*: its level *lₛ* = *c*(Σₕ *Tₛₕ*, Σₕ *rₕ Aₛₕ*); in hour *h* its rate *qₛₕ* = *lₛ rₕ* · *c*(*Tₛₕ*, *lₛ rₕ Aₛₕ*), bikes per hour
//! - riders missed: Σₕ *qₛₕ* · hours without a bike in *h*; the same for docks with the bikes brought back.
//!
//! A bike counts as taken or brought back if two readings at most the greatest gap apart differ by it, the first of which had a bike (or
//! a dock) and both of which rented out (or were open). None of this is a bound, for what pushes it either way is not measured. Too few
//! are counted where bikes come and go between two readings and cancel out. Too many are where a van brings or takes bikes, and
//! where one who finds none takes a bike next door and counts there as well. The correction raises a quiet station, and lowers a
//! busy one, that was hardly seen.

mod axis;
mod calendar;
mod demand;
mod docks;
mod draws;
mod kinds;
mod lack;
mod moves;
#[cfg(test)]
mod naive;
mod silent;
mod spans;
mod tally;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::axis::{StationAxis, axes, neighbours};
use self::calendar::Calendar;
use self::lack::Lacks;
use self::tally::{Tally, Wanted};
use super::table::milliseconds_of;
use crate::error::{Error, ErrorKind, Result};
use crate::station::{StationCode, StationStatus};

pub use demand::PRIOR_BIKES;
pub use docks::{MissingDocks, StationDocks};
pub use draws::{DayInterval, FEWEST_DAYS};
pub use kinds::{Kind, Kinds};
pub use lack::{LITTLE_HOURS, Lack};
pub use moves::{Move, Moves};
pub use silent::{SILENT_HOURS, SilentStation};

/// A station within so many metres can stand in for another: a walk of about four minutes.
pub const NEAR: f64 = 300.0;

/// What the days are drawn with.
const SEED: u64 = 1;

/// Where and when stations fell short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortages {
    /// The earliest event time.
    pub from: DateTime<Utc>,
    /// The latest, or where that is later than its arrival, the arrival.
    pub until: DateTime<Utc>,
    /// For how long a reading holds at most, seconds.
    pub max_gap_seconds: f64,
    /// The readings of these stations.
    pub readings: u64,
    /// How many stations there are: those that were open at least once.
    pub stations: u64,
    /// How many were never known to be open, and are left out.
    pub never_open: u64,
    /// How many have no known place, and so no neighbours.
    pub without_place: u64,
    /// The Paris days on which any reading holds, however short.
    pub dates: u64,
    /// Those of them that the intervals are drawn from: on which readings hold for half as long as on the median day or longer, all
    /// stations together. The median day is the one in which half of all that time is reached, the shortest days first.
    pub days: u64,
    /// The network without bikes.
    pub bikes: Lack,
    /// The network without docks.
    pub docks: Lack,
    /// How many stations, those that turned away the most first, turned away half of those who found no bike; `None` if nobody did.
    pub half_of_bikes: Option<u64>,
    /// The same of those who found no dock.
    pub half_of_docks: Option<u64>,
    /// Of the riders in each hour of the week, Monday 0:00 first, the share who found no bike; `None` if there were none.
    pub bikes_by_hour: Vec<Option<f64>>,
    /// The same of those who found no dock.
    pub docks_by_hour: Vec<Option<f64>>,
    /// Each station, by code.
    pub by_station: Vec<StationShortage>,
    /// Bikes to move.
    pub moves: Moves,
    /// Docks that look broken.
    pub missing_docks: MissingDocks,
    /// Stations gone silent, the longest silent first.
    pub silent: Vec<SilentStation>,
    /// Electric and mechanical bikes.
    pub kinds: Kinds,
}

/// A station by code and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationName {
    /// Its code.
    #[serde(rename = "stationcode")]
    pub code: StationCode,
    /// Its name, as it said last.
    pub name: Option<String>,
}

/// One station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationShortage {
    /// The station.
    #[serde(flatten)]
    pub station: StationName,
    /// Latitude, degrees.
    pub lat: Option<f64>,
    /// Longitude, degrees.
    pub lon: Option<f64>,
    /// How many others are within [`NEAR`] metres.
    pub neighbours: u64,
    /// Without bikes.
    pub bikes: Lack,
    /// Without docks.
    pub docks: Lack,
}

impl StationName {
    fn of(station: &StationAxis<'_>) -> Option<Self> {
        let name = station.latest(|reading| reading.name.as_deref()).map(str::to_owned);
        Some(Self { code: station.last()?.station_code.clone(), name })
    }
}

/// Where and when stations fell short, by readings in any order; `max_gap` as in [`TableSettings`](super::TableSettings).
///
/// Without a station that was ever open there is nothing to tell: [`ErrorKind::Data`].
pub fn shortages(readings: &[StationStatus], max_gap: Duration) -> Result<Shortages> {
    let gap = milliseconds_of(max_gap)?;
    let mut stations = axes(readings, gap);
    let all = stations.len();
    stations.retain(|station| station.readings.iter().any(|reading| reading.is_open()));
    let heard = |reading: &&StationStatus| reading.last_reported.min(reading.fetched_at);
    let own = || stations.iter().flat_map(|station| station.readings.iter().copied());
    let Some((from, until)) =
        own().map(|reading| reading.last_reported).min().zip(own().map(|reading| heard(&reading)).max())
    else {
        return Err(Error::new(
            ErrorKind::Data,
            format_args!("no reading of an open station among {}", readings.len()),
        )
        .way_out("collect some by part3_collect"));
    };
    let near = neighbours(&stations, NEAR);
    let calendar = Calendar::of(stations.iter().flat_map(|station| station.holds().map(|(_, span)| span)));
    let lacks = |wanted: Wanted| {
        let there: Vec<_> = stations.iter().map(|station| station.spans(|reading| wanted.is_there(reading))).collect();
        let tally = |(station, near): (&StationAxis<'_>, &Vec<(usize, f64)>)| {
            let answers = near.iter().flat_map(|&(other, _)| there[other].iter().copied()).collect();
            Tally::of(station, answers, wanted, &calendar, gap)
        };
        let tallies: Vec<_> = stations.iter().zip(&near).map(tally).collect();
        Lacks::of(&tallies, &calendar, SEED)
    };
    let (bikes, docks) = (lacks(Wanted::Bike), lacks(Wanted::Dock));
    let by_station = stations.iter().zip(&near).zip(bikes.stations.iter().zip(&docks.stations));
    let by_station = by_station.filter_map(|((station, near), (bikes, docks))| {
        let (lat, lon) = station.place.unzip();
        let neighbours = near.len() as u64;
        Some(StationShortage { station: StationName::of(station)?, lat, lon, neighbours, bikes: *bikes, docks: *docks })
    });
    Ok(Shortages {
        from,
        until,
        max_gap_seconds: gap as f64 / 1000.0,
        readings: own().count() as u64,
        stations: stations.len() as u64,
        never_open: (all - stations.len()) as u64,
        without_place: stations.iter().filter(|station| station.place.is_none()).count() as u64,
        dates: calendar.days() as u64,
        days: calendar.drawable().len() as u64,
        half_of_bikes: half_of(&bikes.stations),
        half_of_docks: half_of(&docks.stations),
        bikes: bikes.network,
        docks: docks.network,
        bikes_by_hour: bikes.lost_share.clone(),
        docks_by_hour: docks.lost_share.clone(),
        by_station: by_station.collect(),
        moves: moves::moves(&stations, &near, &bikes.rates, &calendar),
        missing_docks: docks::missing_docks(&stations),
        silent: silent::silent(&stations, until.timestamp_millis()),
        kinds: kinds::kinds(&stations, gap),
    })
}

/// How many stations hold half of the missed riders.
fn half_of(stations: &[Lack]) -> Option<u64> {
    let mut missed: Vec<_> = stations.iter().filter_map(|lack| lack.missed).filter(|&missed| missed > 0.0).collect();
    missed.sort_unstable_by(|a, b| b.total_cmp(a));
    let (all, mut sum) = (missed.iter().sum::<f64>(), 0.0);
    let last = missed.iter().position(|missed| {
        sum += missed;
        2.0 * sum >= all
    });
    last.map(|last| last as u64 + 1)
}
