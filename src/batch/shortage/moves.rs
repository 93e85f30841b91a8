//! Which bikes to move: stations that lacked them beside ones that had many.

use serde::{Deserialize, Serialize};

use super::StationName;
use super::axis::StationAxis;
use super::calendar::Calendar;
use super::demand::Week;
use super::spans::{common, without};
use crate::batch::hours::HOUR;
use crate::station::StationStatus;

/// How many are told.
const MOST: usize = 10;

/// What moving bikes between neighbours could have saved.
///
/// A station has bikes to give while it rents out, its capacity is known and above zero, and its bikes fill half of that or more.
/// Each moment in which a station is empty goes to the nearest such station within [`NEAR`](super::NEAR) metres, of two at one
/// distance to the first by code, and to no other. A pair for which no riders are expected in vain is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moves {
    /// Riders expected in vain at stations while a neighbour had bikes to give, all pairs together.
    pub missed: f64,
    /// How many pairs, from and to, that is spread over.
    pub pairs: u64,
    /// The ten pairs that could have saved the most riders, the most first; at most ten.
    pub top: Vec<Move>,
}

/// Bikes that could be moved from a station to its neighbour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// The station that had bikes to give.
    pub from: StationName,
    /// The station that was empty.
    pub to: StationName,
    /// How far apart they are, metres.
    pub metres: f64,
    /// Hours in which one was empty and the other had bikes to give, and no nearer neighbour of the empty one had.
    pub hours: f64,
    /// Riders expected in vain in that time: Σ of the hours times the bikes expected per hour. Above zero, and the most that the move
    /// could have saved.
    pub missed: f64,
    /// The same by hour of the day in Paris, 24 values.
    pub by_hour: Vec<f64>,
    /// The shortest run of hours of the day that holds half of `missed` or more, of those the one that holds most: its first hour.
    /// It may pass midnight.
    pub when_from: u64,
    /// The hour in which it ends, from 1 to 24: at 9 if its last hour is 8.
    pub when_until: u64,
    /// What of `missed` lies in it.
    pub when_missed: f64,
}

/// The moves; `rates` are the bikes expected per hour at each station, as many as there are stations.
pub(super) fn moves(
    stations: &[StationAxis<'_>],
    neighbours: &[Vec<(usize, f64)>],
    rates: &[Week],
    calendar: &Calendar,
) -> Moves {
    let giving: Vec<_> = stations.iter().map(|station| station.spans(can_give)).collect();
    let mut moves = Moves::default();
    for ((to, near), rates) in stations.iter().zip(neighbours).zip(rates) {
        let mut rest = to.spans(|reading| reading.is_empty() == Some(true));
        for &(from, metres) in near {
            let met = common(&rest, &giving[from]);
            rest = without(&rest, &met);
            let (mut by_hour, mut held) = (vec![0.0; 24], 0);
            for span in met {
                calendar.cut(span, |place, milliseconds| {
                    held += milliseconds;
                    by_hour[place % 24] += milliseconds as f64 / HOUR as f64 * rates[calendar.week_hour(place)];
                });
            }
            let missed = by_hour.iter().sum::<f64>();
            if let Some((from, to)) = StationName::of(&stations[from]).zip(StationName::of(to)).filter(|_| missed > 0.0)
            {
                let (first, length, when_missed) = shortest_half(&by_hour);
                let (when_from, when_until) = (first as u64, ((first + length - 1) % 24 + 1) as u64);
                let hours = held as f64 / HOUR as f64;
                moves.missed += missed;
                moves.pairs += 1;
                moves.top.push(Move { from, to, metres, hours, missed, by_hour, when_from, when_until, when_missed });
            }
        }
    }
    moves.top.sort_by(|a, b| b.missed.total_cmp(&a.missed));
    moves.top.truncate(MOST);
    moves
}

fn can_give(reading: &StationStatus) -> bool {
    let half = reading.bikes_available.zip(reading.capacity.filter(|&docks| docks > 0));
    let rents = reading.is_installed == Some(true) && reading.is_renting == Some(true);
    rents && half.is_some_and(|(bikes, docks)| 2 * u64::from(bikes) >= u64::from(docks))
}

/// The first hour, the length and the sum of the shortest run on the clock that holds half of the whole.
fn shortest_half(by_hour: &[f64]) -> (usize, usize, f64) {
    let half = by_hour.iter().sum::<f64>() / 2.0;
    let of = |first: usize, length: usize| (0..length).map(|step| by_hour[(first + step) % by_hour.len()]).sum::<f64>();
    for length in 1..by_hour.len() {
        let runs = (0..by_hour.len()).map(|first| (first, length, of(first, length)));
        let best = runs.reduce(|best, run| if run.2 > best.2 { run } else { best });
        if let Some(best) = best.filter(|best| best.2 >= half) {
            return best;
        }
    }
    (0, by_hour.len(), 2.0 * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_run_that_holds_half_may_pass_midnight() {
        let mut hours = vec![0.0; 24];
        (hours[8], hours[23], hours[0], hours[1]) = (5.0, 3.0, 4.0, 2.0);
        assert_eq!(shortest_half(&hours), (23, 2, 7.0));
        hours[8] = 20.0;
        assert_eq!(shortest_half(&hours), (8, 1, 20.0));
        assert_eq!(shortest_half(&[1.0; 24]), (0, 12, 12.0));
    }
}
