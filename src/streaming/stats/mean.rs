//! The mean, kept as a sum and a count.
//!
//! Sums of integers are exact in `f64` below 2^53, so that means of counts agree to the last digit however the stream was
//! cut, merged or ordered. A running mean (Welford's) rounds at every step and would not.

use super::{Count, Statistic};

/// The arithmetic mean of the known values, each of which counts once; `None` before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// How many values.
    pub count: Count,
    /// Their sum.
    pub sum: f64,
}

impl Statistic for Mean {
    type Value = Option<f64>;

    fn update(&mut self, at: i64, value: Option<f64>) {
        self.count.update(at, value);
        self.sum += value.unwrap_or(0.0);
    }

    fn get(&self) -> Option<f64> {
        let count = self.count.get();
        (count > 0).then(|| self.sum / count as f64)
    }

    fn merge(&mut self, later: &Self) {
        self.count.merge(&later.count);
        self.sum += later.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_equals_its_twin, known, some_values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_integers_equals_its_batch_twin_to_the_last_digit(
            values in some_values((-1_000_000..1_000_000i64).prop_map(|value| value as f64)),
            cut in 0..60usize,
        ) {
            assert_equals_its_twin::<Mean>(&values, cut, |values| {
                let values = known(values);
                let sum: i64 = values.iter().map(|&(_, value)| value as i64).sum();
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
                mean.update(0, Some(value));
                running += (value - running) / (i + 1) as f64;
                prop_assert!((mean.get().unwrap() - running).abs() <= 1e-12);
            }
        }
    }
}
