//! The shortage of stations and of the network, with its price in riders.

use serde::{Deserialize, Serialize};

use super::super::profile::WEEK_HOURS;
use super::calendar::Calendar;
use super::demand::{Week, of_network, of_station};
use super::draws::{DayInterval, FEWEST_DAYS, draws, interval};
use super::tally::{Tally, Weeks};
use crate::batch::over_time::quotient;

/// A station at which riders were seen for less than this rests on little, on the network's hours more than on its own: a day, hours.
pub const LITTLE_HOURS: f64 = 24.0;

/// How long bikes were lacking, or docks, and how many riders that is expected to have turned away. Of several stations, the sums
/// of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lack {
    /// Hours in which there was one to be had, or none. While a station did not rent (or was not open) riders found none, and it
    /// lacked none: such hours are not among these.
    pub known_hours: f64,
    /// Hours without one: no bike at a station that is [empty](crate::StationStatus::is_empty), no dock at one that is
    /// [full](crate::StationStatus::is_full).
    pub hours: f64,
    /// `hours / known_hours`.
    pub share: Option<f64>,
    /// Of `hours`, those in which another station within [`NEAR`](super::NEAR) metres was known to have one.
    pub answered_hours: f64,
    /// `answered_hours / hours`.
    pub answered_share: Option<f64>,
    /// Hours in which riders could be seen: from a reading with one to the next.
    pub seen_hours: f64,
    /// The bikes that were taken in that time, or brought back.
    pub seen: f64,
    /// Σ over the hours of the week of the hours without one times the bikes expected per hour, bikes; `None` if riders could
    /// nowhere be seen, or none of the hours is known.
    pub missed: Option<f64>,
    /// Where `missed` lies with 90 %. `None` of fewer than [`FEWEST_DAYS`](super::FEWEST_DAYS) [days](super::Shortages::days), or if
    /// the station is known on fewer; and of a station with less than [`LITTLE_HOURS`](super::LITTLE_HOURS) `seen_hours`: its
    /// rate is the network's, and how sure it is of its own the days do not tell.
    pub missed_interval: Option<DayInterval>,
    /// The same as `missed` over the answered hours.
    pub missed_answered: Option<f64>,
    /// The same as `missed` over all known hours: the riders who came, or were expected to.
    pub expected: Option<f64>,
    /// `missed / expected`: of the riders, those who found none.
    pub lost_share: Option<f64>,
}

/// What the tallies of the stations come to.
pub(super) struct Lacks {
    pub(super) network: Lack,
    pub(super) stations: Vec<Lack>,
    /// Of the riders in each hour of the week, the share who found none.
    pub(super) lost_share: Vec<Option<f64>>,
    /// Bikes per hour expected at each station in each hour of the week; empty if riders could nowhere be seen.
    pub(super) rates: Vec<Week>,
}

impl Lacks {
    pub(super) fn of(stations: &[Tally], calendar: &Calendar, seed: u64) -> Self {
        let mut network = Tally::empty(calendar);
        stations.iter().for_each(|station| network.add(station));
        let all = network.weeks(calendar);
        let usual = of_network(&all.moved, &all.seen);
        let (mut lacks, mut rates) = (Vec::new(), Vec::new());
        let (mut missed, mut all_riders) = ([0.0; WEEK_HOURS], [0.0; WEEK_HOURS]);
        for tally in stations {
            let own = tally.weeks(calendar);
            let expected = usual.map(|usual| of_station(&usual, &own.moved, &own.seen));
            lacks.push(Lack::of(&own, expected.as_ref()));
            if let Some(rates_of_station) = expected {
                for (hour, rate) in rates_of_station.iter().enumerate() {
                    missed[hour] += own.short[hour] * rate;
                    all_riders[hour] += own.known[hour] * rate;
                }
                rates.push(rates_of_station);
            }
        }
        let mut sum = Lack::of(&all, None);
        let of_all = |of: fn(&Lack) -> Option<f64>| usual.map(|_| lacks.iter().filter_map(of).sum::<f64>());
        sum.missed = of_all(|lack| lack.missed);
        sum.missed_answered = of_all(|lack| lack.missed_answered);
        sum.expected = of_all(|lack| lack.expected);
        sum.lost_share = sum.missed.zip(sum.expected).and_then(|(missed, expected)| quotient(missed, expected));
        sum.missed_interval = draw_again(stations, &network, calendar, seed, &mut lacks);
        let lost = |hour: usize| quotient(missed[hour], all_riders[hour]);
        Self { network: sum, stations: lacks, lost_share: (0..WEEK_HOURS).map(lost).collect(), rates }
    }
}

impl Lack {
    fn of(weeks: &Weeks, rates: Option<&Week>) -> Self {
        let sum = |week: &Week| week.iter().sum::<f64>();
        let [known_hours, hours, answered_hours] = [&weeks.known, &weeks.short, &weeks.answered].map(sum);
        let rates = rates.filter(|_| known_hours > 0.0);
        let missed = rates.map(|rates| priced(&weeks.short, rates));
        let expected = rates.map(|rates| priced(&weeks.known, rates));
        Self {
            known_hours,
            hours,
            share: quotient(hours, known_hours),
            answered_hours,
            answered_share: quotient(answered_hours, hours),
            seen_hours: sum(&weeks.seen),
            seen: sum(&weeks.moved),
            missed,
            missed_interval: None,
            missed_answered: rates.map(|rates| priced(&weeks.answered, rates)),
            expected,
            lost_share: missed.zip(expected).and_then(|(missed, expected)| quotient(missed, expected)),
        }
    }
}

/// The riders that come in these hours.
fn priced(hours: &Week, rates: &Week) -> f64 {
    hours.iter().zip(rates).map(|(hours, rate)| hours * rate).sum()
}

/// The intervals of the stations, which they take, and of their sum. Everything is estimated again from the days drawn, the
/// network's hours too, and scaled to the time known: of the station for its own, of the network for the sum.
fn draw_again(
    stations: &[Tally],
    network: &Tally,
    calendar: &Calendar,
    seed: u64,
    lacks: &mut [Lack],
) -> Option<DayInterval> {
    let network = network.by_day(calendar);
    // A draw in which nobody could be seen says nothing; there is none if people were seen on most days.
    let again = |times: Vec<f64>| {
        let all = network.drawn(&times);
        Some((of_network(&all.moved, &all.seen)?, quotient(network.known(), all.known)?, times))
    };
    let drawn: Vec<_> = draws(calendar.drawable(), calendar.days(), seed).into_iter().filter_map(again).collect();
    let mut sums = vec![0.0; drawn.len()];
    for (tally, lack) in stations.iter().zip(&mut *lacks) {
        let days = tally.by_day(calendar);
        let mut missed = Vec::with_capacity(drawn.len());
        if days.is_never_short() {
            missed.resize(drawn.len(), 0.0);
        } else {
            for ((usual, _, times), sum) in drawn.iter().zip(&mut sums) {
                let own = days.drawn(times);
                let riders = priced(&own.short, &of_station(usual, &own.moved, &own.seen));
                *sum += riders;
                // Of days on which it is not known nothing follows for it.
                missed.extend(quotient(days.known(), own.known).map(|scale| scale * riders));
            }
        }
        let tells = lack.seen_hours >= LITTLE_HOURS && days.known_days(calendar.drawable()) >= FEWEST_DAYS;
        lack.missed_interval = lack.missed.filter(|_| tells).and_then(|estimate| interval(missed, estimate));
    }
    sums.iter_mut().zip(&drawn).for_each(|(sum, (_, scale, _))| *sum *= scale);
    let estimate = lacks.iter().filter_map(|lack| lack.missed).sum();
    interval(sums, estimate)
}
