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
