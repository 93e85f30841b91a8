//! What happened between two readings: the trips that a queue is expected to have made from one to the other.
//!
//! The readings tell where the station stood at both ends, so the path between them is a bridge of the chain. In
//! discrete time the expected number of jumps, and of visits to the two ends of the chain, follow from one run forward
//! from the first reading and one backward from the second (Hobolth and Jensen, "Summary statistics for endpoint-
//! conditioned continuous-time Markov chains", J. Appl. Probab. 2011). No matrix is made: it costs two runs a leg. Where both
//! readings are far from full and from empty, a shorter way serves ([`skellam`]).

use super::birth_death::{Direction, Jumps, Leg, MOST_JUMPS, Uniformised, poisson};
use super::skellam;

/// Trips and the time in which they were possible; sums of expectations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Returns that were taken.
    pub(super) returns: f64,
    /// Rentals that were made.
    pub(super) rentals: f64,
    /// Hours in which a return was possible.
    pub(super) not_full: f64,
    /// Hours in which a rental was possible.
    pub(super) not_empty: f64,
}

/// Room to compute in, to be used again from one interval to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Bridge {
    chain: Uniformised,
    legs: Vec<Part>,
    tallies: Vec<Tally>,
}

/// A leg of the bridge.
#[derive(Clone, Debug, Default)]
struct Part {
    jumps: Option<Jumps>,
    weights: Vec<f64>,
    /// The probability of the second reading from each state at the end of the leg.
    ahead: Vec<f64>,
    /// The same, after each number of jumps backward from there, if full and if empty.
    ends_ahead: Vec<(f64, f64)>,
    ends: Vec<(f64, f64)>,
}

/// The probability that there are more jumps than are counted.
const TRUNCATION: f64 = 1e-11;

impl Bridge {
    /// The tally of each leg, given that there were `from` free docks of `docks` at first and `to` at last; `None` if
    /// that is less probable than `least`.
    pub(super) fn tallies(&mut self, from: u32, to: u32, docks: u32, legs: &[Leg], least: f64) -> Option<&[Tally]> {
        if skellam::tallies((from, to), docks, legs, &mut self.tallies) {
            return Some(&self.tallies);
        }
        self.walk(from, to, docks, legs, least)
    }

    /// The same, state by state.
    pub(super) fn walk(&mut self, from: u32, to: u32, docks: u32, legs: &[Leg], least: f64) -> Option<&[Tally]> {
        if from.max(to) > docks || docks == 0 {
            return None;
        }
        let (from, to, last) = (from as usize, to as usize, docks as usize);
        self.legs.resize_with(self.legs.len().max(legs.len()), Part::default);
        self.chain.start(to, last);
        for (part, leg) in self.legs.iter_mut().zip(legs).rev() {
            part.jumps = Jumps::of(leg);
            part.ends_ahead.clear();
            part.ahead.clear();
            part.ahead.extend_from_slice(self.chain.states());
            let Some(jumps) = part.jumps else { continue };
            if jumps.mean > MOST_JUMPS {
                return None;
            }
            poisson(jumps.mean, TRUNCATION, &mut part.weights);
            let ends = &mut part.ends_ahead;
            self.chain.run(&part.weights, jumps, Direction::Backward, |full, empty| ends.push((full, empty)));
        }
        let probability = self.chain.states()[from];
        if probability.is_nan() || probability < least {
            return None;
        }
        self.tallies.clear();
        self.chain.start(from, last);
        let mut free = from as f64;
        for (part, leg) in self.legs.iter_mut().zip(legs) {
            let hours = leg.seconds / 3600.0;
            let Some(jumps) = part.jumps else {
                self.tallies.push(still(self.chain.states(), &part.ahead, hours, probability));
                continue;
            };
            let ends = &mut part.ends;
            ends.clear();
            self.chain.run(&part.weights, jumps, Direction::Forward, |full, empty| ends.push((full, empty)));
            let now = self.chain.states();
            let free_then = product(now, &part.ahead, |state, p| p * state as f64) / probability;
            let net = free_then - free;
            free = free_then;
            let all = jumps.mean * after_one_more(now, &part.ahead, jumps) / probability;
            let (full, empty) = part.visits();
            let (full, empty) = ((full / probability).min(1.0), (empty / probability).min(1.0));
            let trips = all - jumps.mean * (jumps.down * full + jumps.up * empty);
            self.tallies.push(Tally {
                returns: (0.5 * (trips - net)).max(0.0),
                rentals: (0.5 * (trips + net)).max(0.0),
                not_full: hours * (1.0 - full),
                not_empty: hours * (1.0 - empty),
            });
        }
        Some(&self.tallies)
    }
}

impl Part {
    /// The shares of the leg's time that are spent full and empty, each times the probability of the second reading.
    ///
    /// With `k` jumps before a moment and `l` after it, the moment is as likely to be any of the leg's: the integral over
    /// it of both Poisson probabilities is that of `k + l` jumps, divided by `k + l + 1`.
    fn visits(&self) -> (f64, f64) {
        let share = |end: fn(&(f64, f64)) -> f64| {
            // Before so many jumps an end is out of reach.
            let reach = |ends: &[(f64, f64)]| ends.iter().position(|one| end(one) > 0.0);
            let (Some(before), Some(after)) = (reach(&self.ends), reach(&self.ends_ahead)) else { return 0.0 };
            let of = |jumps: usize| {
                let pairs =
                    self.ends[before..=jumps - after].iter().zip(self.ends_ahead[after..=jumps - before].iter().rev());
                pairs.map(|(before, after)| end(before) * end(after)).sum::<f64>()
            };
            let weights = self.weights.iter().enumerate().skip(before + after);
            weights.map(|(jumps, weight)| weight / (jumps + 1) as f64 * of(jumps)).sum()
        };
        (share(|end| end.0), share(|end| end.1))
    }
}

/// The sum over the states of the two vectors' product, each changed by `term`.
fn product(now: &[f64], ahead: &[f64], term: impl Fn(usize, f64) -> f64) -> f64 {
    now.iter().zip(ahead).enumerate().map(|(state, (now, ahead))| term(state, now * ahead)).sum()
}

/// The probability of the second reading if one jump more is made at the end of the leg.
fn after_one_more(now: &[f64], ahead: &[f64], jumps: Jumps) -> f64 {
    let last = now.len() - 1;
    let returned: f64 = now[1..].iter().zip(ahead).map(|(now, ahead)| now * ahead).sum();
    let rented: f64 = now.iter().zip(&ahead[1..]).map(|(now, ahead)| now * ahead).sum();
    jumps.down * (returned + now[0] * ahead[0]) + jumps.up * (rented + now[last] * ahead[last])
}

/// The tally of a leg without trips.
fn still(now: &[f64], ahead: &[f64], hours: f64, probability: f64) -> Tally {
    let last = now.len() - 1;
    let share = |state: usize| now[state] * ahead[state] / probability;
    Tally { not_full: hours * (1.0 - share(0)), not_empty: hours * (1.0 - share(last)), ..Tally::default() }
}

#[cfg(test)]
mod tests {
    use super::super::birth_death::transient;
    use super::*;
    use proptest::prelude::*;

    fn legs() -> impl Strategy<Value = Vec<Leg>> {
        let one = (200.0..3600.0f64, 0.2..8.0f64, 0.2..8.0f64);
        let leg = |(seconds, returns_per_hour, rentals_per_hour)| Leg { seconds, returns_per_hour, rentals_per_hour };
        prop::collection::vec(one.prop_map(leg), 1..=3)
    }

    fn tallies(from: u32, to: u32, docks: u32, legs: &[Leg]) -> Option<Vec<Tally>> {
        Bridge::default().tallies(from, to, docks, legs, 1e-6).map(<[Tally]>::to_vec)
    }

    #[test]
    fn without_trips_nothing_comes_and_what_cannot_be_has_no_tally() {
        let still = Leg { seconds: 1800.0, returns_per_hour: 0.0, rentals_per_hour: 0.0 };
        let tally = tallies(0, 0, 5, &[still]).unwrap()[0];
        assert_eq!(tally, Tally { returns: 0.0, rentals: 0.0, not_full: 0.0, not_empty: 0.5 });
        assert_eq!(
            (tallies(0, 1, 5, &[still]), tallies(0, 6, 5, &[still]), tallies(0, 0, 0, &[still])),
            (None, None, None)
        );
        let busy = Leg { returns_per_hour: 3.0, rentals_per_hour: 3.0, ..still };
        assert!(tallies(20, 3, 30, &[busy]).is_none(), "a truck came");
    }

    #[test]
    fn a_bike_fewer_within_a_moment_was_one_rental() {
        let moment = Leg { seconds: 1.0, returns_per_hour: 2.0, rentals_per_hour: 2.0 };
        let tally = tallies(4, 5, 9, &[moment]).unwrap()[0];
        assert!((tally.rentals - 1.0).abs() < 1e-6 && tally.returns < 1e-6, "{tally:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// How fast the logarithm of the probability rises with that of a rate is what was counted less what was to be
        /// expected in the time (Fisher's identity); and what came less what went is the change.
        #[test]
        fn counts_and_times_are_the_slope_of_the_probability(
            docks in 1..=9u32, from in 0..=9u32, to in 0..=9u32, legs in legs()
        ) {
            let (from, to) = (from.min(docks), to.min(docks));
            let log = |legs: &[Leg]| transient(from, docks, legs)[to as usize].ln();
            let Some(tallies) = tallies(from, to, docks, &legs) else { return Ok(()) };
            let net: f64 = tallies.iter().map(|tally| tally.rentals - tally.returns).sum();
            prop_assert!((net - (f64::from(to) - f64::from(from))).abs() < 1e-6, "{net}");
            for (place, (tally, leg)) in tallies.iter().zip(&legs).enumerate() {
                let slope = |change: fn(&mut Leg, f64)| {
                    let at = |by: f64| {
                        let mut legs = legs.clone();
                        change(&mut legs[place], by);
                        log(&legs)
                    };
                    (at(1.0001) - at(0.9999)) / f64::ln(1.0001 / 0.9999)
                };
                let returns = slope(|leg, by| leg.returns_per_hour *= by);
                let rentals = slope(|leg, by| leg.rentals_per_hour *= by);
                let returns_told = tally.returns - leg.returns_per_hour * tally.not_full;
                let rentals_told = tally.rentals - leg.rentals_per_hour * tally.not_empty;
                prop_assert!((returns - returns_told).abs() < 1e-4, "{returns} {returns_told}");
                prop_assert!((rentals - rentals_told).abs() < 1e-4, "{rentals} {rentals_told}");
            }
        }

        /// Over all that can come, the time in which a return is possible is that of the distribution itself.
        #[test]
        fn times_over_all_ends_are_those_of_the_chain(docks in 1..=6u32, from in 0..=6u32, legs in legs()) {
            let (leg, from) = (legs[0], from.min(docks));
            let mut bridge = Bridge::default();
            let (mut not_full, mut not_empty) = (0.0, 0.0);
            for (to, p) in (0..).zip(transient(from, docks, &[leg])) {
                let tally = bridge.tallies(from, to, docks, &[leg], 0.0).unwrap()[0];
                not_full += p * tally.not_full;
                not_empty += p * tally.not_empty;
            }
            let steps = 400;
            let (mut full, mut empty) = (0.0, 0.0);
            for step in 0..steps {
                let seconds = leg.seconds * (f64::from(step) + 0.5) / f64::from(steps);
                let p = transient(from, docks, &[Leg { seconds, ..leg }]);
                full += p[0] / f64::from(steps);
                empty += p[docks as usize] / f64::from(steps);
            }
            let hours = leg.seconds / 3600.0;
            prop_assert!((not_full - hours * (1.0 - full)).abs() < 1e-4, "{not_full} {full}");
            prop_assert!((not_empty - hours * (1.0 - empty)).abs() < 1e-4, "{not_empty} {empty}");
        }
    }
}
