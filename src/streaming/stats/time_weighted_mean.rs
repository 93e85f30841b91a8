//! The mean over time: a value counts for as long as it holds.
//!
//! Kept as an integral and a length, in whole milliseconds, so that of integers it is exact. Of a yes-or-no quantity, as 1
//! and 0, it is the share of the known time in which it was so.

use super::Statistic;

/// The mean of a step function over the time in which it is known; `None` while that has no length.
///
/// Σ *vᵢ* (*tᵢ₊₁* − *tᵢ*) / Σ (*tᵢ₊₁* − *tᵢ*) over the known *vᵢ*. The last value has held for no time yet: say where the time
/// ends, by an unknown value, before asking for the mean of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeWeightedMean {
    /// The sum of the values, each times the milliseconds that it held.
    integral: f64,
    /// For how many milliseconds the value was known.
    known: i64,
    /// The first time of all, known or not.
    first: Option<i64>,
    /// Since when which value holds.
    holds: Option<(i64, f64)>,
}

impl Statistic for TimeWeightedMean {
    type Value = Option<f64>;

    fn update(&mut self, at: i64, value: Option<f64>) {
        self.first.get_or_insert(at);
        if let Some((since, held)) = self.holds {
            self.integral += held * (at - since) as f64;
            self.known += at - since;
        }
        self.holds = value.map(|value| (at, value));
    }

    fn get(&self) -> Option<f64> {
        (self.known > 0).then(|| self.integral / self.known as f64)
    }

    fn merge(&mut self, later: &Self) {
        let Some(first) = later.first else { return };
        self.update(first, None);
        self.integral += later.integral;
        self.known += later.known;
        self.holds = later.holds;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_equals_its_twin, some_values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_integers_equals_its_batch_twin_to_the_last_digit(
            values in some_values((-100_000..100_000i32).prop_map(f64::from)),
            cut in 0..60usize,
        ) {
            assert_equals_its_twin::<TimeWeightedMean>(&values, cut, |values| {
                let pairs = values.windows(2).filter_map(|pair| Some((pair[0].1? as i64, pair[1].0 - pair[0].0)));
                let (sum, length) = pairs.fold((0, 0), |(sum, length), (value, held)| (sum + value * held, length + held));
                (length > 0).then(|| sum as f64 / length as f64)
            });
        }
    }

    #[test]
    fn a_value_counts_for_as_long_as_it_holds() {
        let mut mean = TimeWeightedMean::default();
        mean.update(0, Some(10.0));
        assert_eq!(mean.get(), None);
        mean.update(9_000, Some(20.0));
        mean.update(10_000, None); // 10 for nine seconds, 20 for one
        assert_eq!(mean.get(), Some(11.0));
        mean.update(50_000, Some(11.0)); // unknown for 40
        mean.update(51_000, None);
        assert_eq!(mean.get(), Some(11.0));
    }
}
