//! A station as a queue: where its free docks stand after a while, as an exact distribution.
//!
//! The state is the number of free docks. A return takes one away unless the station is full, a rental adds one unless no
//! bike is there, and both come as Poisson streams whose rates are constant over a leg. The distribution after a leg is
//! computed by uniformisation (Jensen, 1953): a Poisson number of jumps of a chain in discrete time. Every term is above
//! zero, so nothing cancels. As a forecast of bike-share stations: Gast, Massonnet, Reijsbergen and Tribastone,
//! "Probabilistic forecasts of bike-sharing systems for journey planning", CIKM 2015.

/// Some time during which bikes come and go at constant rates.
///
/// A duration or a rate that is not a finite number above zero counts as zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    /// How long it lasts, seconds.
    pub seconds: f64,
    /// Returns that are tried per hour; one at a full station is lost.
    pub returns_per_hour: f64,
    /// Rentals that are tried per hour; one at an empty station is lost.
    pub rentals_per_hour: f64,
}

/// The distribution of free docks, and the room to compute it in, to be used again from one station to the next.
#[derive(Clone, Debug, Default)]
pub struct Transient {
    chain: Uniformised,
    weights: Vec<f64>,
}

/// The probability of each number of free docks, 0 to `docks`, after the legs: `docks + 1` numbers that sum to 1.
///
/// `free` are the free docks at first, at most `docks`; `docks` those that work, with a bike or without. Terms of less
/// than 1e-13 in all are left out of each leg. For many stations, [`Transient::after`] does the same without allocation.
pub fn transient(free: u32, docks: u32, legs: &[Leg]) -> Vec<f64> {
    Transient::default().after(free, docks, legs).to_vec()
}

impl Transient {
    /// As [`transient`].
    pub fn after(&mut self, free: u32, docks: u32, legs: &[Leg]) -> &[f64] {
        self.chain.start(free.min(docks) as usize, docks as usize);
        for leg in legs {
            let Some(jumps) = Jumps::of(leg) else { continue };
            let mut left = jumps.mean.min(jumps.until_at_rest(docks));
            while left > 0.0 {
                let mean = left.min(MOST_JUMPS);
                poisson(mean, TRUNCATION, &mut self.weights);
                self.chain.run(&self.weights, jumps, Direction::Forward, |_, _| {});
                left -= mean;
            }
        }
        self.chain.normalise();
        self.chain.states()
    }
}

/// The probability that a Poisson number is larger than what the weights reach.
const TRUNCATION: f64 = 1e-14;
/// The largest mean number of jumps taken at once: `exp` of its negative is far from the smallest number there is.
pub(super) const MOST_JUMPS: f64 = 500.0;

/// The jumps of a leg in the chain of discrete time, the lost trips included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jumps {
    /// How many there are in the mean.
    pub(super) mean: f64,
    /// The probability that one is a return.
    pub(super) down: f64,
    /// The probability that one is a rental.
    pub(super) up: f64,
}

impl Jumps {
    /// The jumps of a leg, if it has any.
    pub(super) fn of(leg: &Leg) -> Option<Self> {
        let [seconds, returns, rentals] = [leg.seconds, leg.returns_per_hour, leg.rentals_per_hour]
            .map(|value| if value.is_finite() && value > 0.0 { value } else { 0.0 });
        let rate = returns + rentals;
        let mean = rate * (seconds / 3600.0);
        (mean > 0.0 && mean.is_finite()).then(|| Self { mean, down: returns / rate, up: rentals / rate })
    }

    /// After so many jumps the distribution no longer changes: the chain forgets its start within the square of its
    /// length, and this is many times that.
    fn until_at_rest(self, docks: u32) -> f64 {
        64.0 * (f64::from(docks) + 1.0).powi(2)
    }
}

/// The weights of 0, 1, 2, … jumps, until what is left is below `truncation`.
pub(super) fn poisson(mean: f64, truncation: f64, weights: &mut Vec<f64>) {
    weights.clear();
    let (mut weight, mut jumps) = ((-mean).exp(), 0.0);
    loop {
        weights.push(weight);
        jumps += 1.0;
        weight *= mean / jumps;
        // From here on each weight is at most this share of the one before it.
        let ratio = mean / (jumps + 1.0);
        if ratio < 1.0 && weight < truncation * (1.0 - ratio) {
            return;
        }
    }
}

/// Whether a distribution is carried forward in time or the probability of what comes backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// A vector over the states, and what carries it through a leg. Outside of `low..=high` everything is zero, and skipped.
#[derive(Clone, Debug, Default)]
pub(super) struct Uniformised {
    now: Vec<f64>,
    next: Vec<f64>,
    sum: Vec<f64>,
    low: usize,
    high: usize,
}

impl Uniformised {
    /// One at `state`, zero at the others of `0..=last`.
    pub(super) fn start(&mut self, state: usize, last: usize) {
        for vector in [&mut self.now, &mut self.next, &mut self.sum] {
            vector.clear();
            vector.resize(last + 1, 0.0);
        }
        self.sum[state] = 1.0;
        (self.low, self.high) = (state, state);
    }

    /// The vector.
    pub(super) fn states(&self) -> &[f64] {
        &self.sum
    }

    /// Carries the vector through a leg with these weights; `ends` is told the values at the first and at the last state
    /// after each number of jumps.
    pub(super) fn run(&mut self, weights: &[f64], jumps: Jumps, direction: Direction, mut ends: impl FnMut(f64, f64)) {
        let last = self.sum.len() - 1;
        std::mem::swap(&mut self.now, &mut self.sum);
        let mut weights = weights.iter();
        let first = weights.next().copied().unwrap_or(1.0);
        for (sum, now) in self.sum[self.low..=self.high].iter_mut().zip(&self.now[self.low..=self.high]) {
            *sum = first * now;
        }
        ends(self.now[0], self.now[last]);
        for &weight in weights {
            self.jump(jumps, direction, weight);
            ends(self.now[0], self.now[last]);
        }
    }

    /// One jump, and its share of the sum.
    fn jump(&mut self, jumps: Jumps, direction: Direction, weight: f64) {
        let last = self.now.len() - 1;
        let Jumps { down, up, .. } = jumps;
        if last == 0 {
            self.sum[0] += weight * self.now[0];
            return;
        }
        let (below, above) = if direction == Direction::Forward { (up, down) } else { (down, up) };
        (self.low, self.high) = (self.low.saturating_sub(1), (self.high + 1).min(last));
        let (from, until) = (self.low.max(1), self.high.min(last - 1) + 1);
        if from < until {
            let (now, width) = (&self.now, until - from);
            let (lower, upper) = (&now[from - 1..][..width], &now[from + 1..][..width]);
            let (next, sum) = (&mut self.next[from..until], &mut self.sum[from..until]);
            for (((next, sum), lower), upper) in next.iter_mut().zip(sum).zip(lower).zip(upper) {
                *next = below * lower + above * upper;
                *sum += weight * *next;
            }
        }
        if self.low == 0 {
            self.next[0] = down * self.now[0] + above * self.now[1];
            self.sum[0] += weight * self.next[0];
        }
        if self.high == last {
            self.next[last] = up * self.now[last] + below * self.now[last - 1];
            self.sum[last] += weight * self.next[last];
        }
        std::mem::swap(&mut self.now, &mut self.next);
    }

    /// Makes the vector sum to 1.
    fn normalise(&mut self) {
        let total: f64 = self.sum.iter().sum();
        for p in &mut self.sum {
            *p /= total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leg(seconds: f64, returns_per_hour: f64, rentals_per_hour: f64) -> Leg {
        Leg { seconds, returns_per_hour, rentals_per_hour }
    }

    /// The largest difference.
    fn distance(a: &[f64], b: &[f64]) -> f64 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    /// Kolmogorov's forward equation by Runge and Kutta, in steps of a second at most.
    fn kolmogorov(free: usize, docks: usize, legs: &[Leg]) -> Vec<f64> {
        let mut p = vec![0.0; docks + 1];
        p[free] = 1.0;
        for leg in legs {
            let (returns, rentals) = (leg.returns_per_hour / 3600.0, leg.rentals_per_hour / 3600.0);
            let slope = |p: &[f64]| -> Vec<f64> {
                let flow = |from: usize| returns * p[from + 1] - rentals * p[from];
                let into = |i: usize| if i < docks { flow(i) } else { 0.0 };
                let out_of = |i: usize| if i > 0 { flow(i - 1) } else { 0.0 };
                (0..=docks).map(|i| into(i) - out_of(i)).collect()
            };
            let steps = leg.seconds.ceil().max(1.0);
            let step = leg.seconds / steps;
            let ahead = |slope: &[f64], p: &[f64], by: f64| -> Vec<f64> {
                p.iter().zip(slope).map(|(p, slope)| p + by * slope).collect()
            };
            for _ in 0..steps as usize {
                let first = slope(&p);
                let second = slope(&ahead(&first, &p, step / 2.0));
                let third = slope(&ahead(&second, &p, step / 2.0));
                let fourth = slope(&ahead(&third, &p, step));
                for (i, p) in p.iter_mut().enumerate() {
                    *p += step / 6.0 * (first[i] + 2.0 * second[i] + 2.0 * third[i] + fourth[i]);
                }
            }
        }
        p
    }

    #[test]
    fn after_a_long_time_it_is_the_stationary_distribution() {
        for (docks, returns, rentals) in [(1u32, 3.0, 4.0), (8, 5.0, 4.0), (30, 6.0, 6.0), (40, 2.0, 3.0)] {
            let weights: Vec<_> = (0..=docks).map(|i| f64::powf(rentals / returns, f64::from(i))).collect();
            let total: f64 = weights.iter().sum();
            let stationary: Vec<_> = weights.iter().map(|weight| weight / total).collect();
            for seconds in [3600.0 * 1e4, 3600.0 * 1e12] {
                let p = transient(docks / 2, docks, &[leg(seconds, returns, rentals)]);
                assert!(distance(&p, &stationary) < 1e-11, "{docks}: {}", distance(&p, &stationary));
            }
        }
    }

    #[test]
    fn many_jumps_at_once_are_as_many_after_one_another() {
        let whole = transient(50, 60, &[leg(36_000.0, 130.0, 120.0)]);
        let parts = transient(50, 60, &[leg(360.0, 130.0, 120.0); 100]);
        assert!(distance(&whole, &parts) < 1e-12, "{}", distance(&whole, &parts));
    }

    #[test]
    fn one_dock_is_a_chain_of_two_states() {
        let (returns, rentals, hours) = (3.0, 2.0, 0.3);
        let p = transient(1, 1, &[leg(hours * 3600.0, returns, rentals)]);
        let full = returns / (returns + rentals) * (1.0 - f64::exp(-(returns + rentals) * hours));
        assert!((p[0] - full).abs() < 1e-14 && (p[1] - (1.0 - full)).abs() < 1e-14);
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let odd = [f64::NAN, -1.0, 0.0, f64::INFINITY];
        for odd in odd {
            assert_eq!(transient(2, 3, &[leg(odd, 1.0, 1.0), leg(3600.0, odd, odd)]), [0.0, 0.0, 1.0, 0.0]);
            assert_eq!(transient(2, 3, &[leg(3600.0, odd, 5.0)]), transient(2, 3, &[leg(3600.0, 0.0, 5.0)]));
        }
        assert_eq!(transient(9, 2, &[]), [0.0, 0.0, 1.0]);
        assert_eq!(transient(0, 0, &[leg(3600.0, 5.0, 5.0)]), [1.0]);
    }

    #[test]
    fn the_room_may_be_used_again_for_another_station() {
        let mut room = Transient::default();
        let legs = [leg(1800.0, 4.0, 3.0), leg(1800.0, 1.0, 9.0)];
        for (free, docks) in [(3, 40), (0, 0), (7, 9), (40, 40), (1, 2)] {
            assert_eq!(room.after(free, docks, &legs), transient(free, docks, &legs));
        }
    }

    fn legs(most: usize) -> impl Strategy<Value = Vec<Leg>> {
        let one = (0.0..4000.0f64, 0.0..30.0f64, 0.0..30.0f64).prop_map(|(seconds, a, b)| leg(seconds, a, b));
        prop::collection::vec(one, 0..=most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_solves_kolmogorovs_equation(free in 0..=12u32, docks in 0..=12u32, legs in legs(2)) {
            let p = transient(free, docks, &legs);
            let solved = kolmogorov(free.min(docks) as usize, docks as usize, &legs);
            prop_assert!(distance(&p, &solved) < 1e-9, "{}", distance(&p, &solved));
        }

        #[test]
        fn it_is_a_distribution_and_legs_compose(
            free in 0..=30u32, docks in 0..=30u32, first in legs(2), second in legs(2)
        ) {
            let whole = transient(free, docks, &[first.clone(), second.clone()].concat());
            prop_assert!((whole.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(whole.iter().all(|&p| (0.0..=1.0).contains(&p)));
            let mut composed = vec![0.0; whole.len()];
            for (middle, weight) in (0..).zip(transient(free, docks, &first)) {
                for (sum, p) in composed.iter_mut().zip(transient(middle, docks, &second)) {
                    *sum += weight * p;
                }
            }
            prop_assert!(distance(&whole, &composed) < 1e-12, "{}", distance(&whole, &composed));
        }

        /// Free docks are to returns what bikes are to rentals.
        #[test]
        fn a_mirrored_station_has_the_mirrored_distribution(free in 0..=20u32, legs in legs(3)) {
            let mirrored: Vec<_> =
                legs.iter().map(|one| leg(one.seconds, one.rentals_per_hour, one.returns_per_hour)).collect();
            let mut bikes = transient(20 - free, 20, &mirrored);
            bikes.reverse();
            prop_assert!(distance(&transient(free, 20, &legs), &bikes) < 1e-13);
        }
    }
}
