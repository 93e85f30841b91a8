//! The mean, kept as a sum and a count.
//!
//! Sums of integers are exact in `f64` below 2^53, so that means of counts agree to the last digit however the stream was
//! cut, merged or ordered. A running mean (Welford's) rounds at every step and would not.

use super::{Count, Statistic};

/// The arithmetic mean; `None` before the first value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// How many values.
    pub count: Count,
    /// Their sum.
    pub sum: f64,
}

impl Statistic for Mean {
    type Value = Option<f64>;

    fn update(&mut self, value: f64) {
        self.count.update(value);
        self.sum += value;
    }

    fn get(&self) -> Option<f64> {
        let count = self.count.get();
        (count > 0).then(|| self.sum / count as f64)
    }

    fn merge(&mut self, other: &Self) {
        self.count.merge(&other.count);
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_equals_its_twin;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_integers_equals_its_batch_twin_to_the_last_digit(
            values in prop::collection::vec(-1_000_000..1_000_000i64, 0..60),
            cut in 0..60usize,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
            assert_equals_its_twin::<Mean>(&values, cut, |values| {
                let sum: i64 = values.iter().map(|&value| value as i64).sum();
                (!values.is_empty()).then(|| sum as f64 / values.len() as f64)
            });
        }

        #[test]
        fn of_fractions_agrees_with_the_running_mean_on_every_prefix(
            values in prop::collection::vec(0.0..2.0f64, 1..60),
        ) {
            let mut mean = Mean::default();
            let mut running = 0.0;
            for (i, &value) in values.iter().enumerate() {
                mean.update(value);
                running += (value - running) / (i + 1) as f64;
                prop_assert!((mean.get().unwrap() - running).abs() <= 1e-12);
            }
        }
    }
}
