//! The mean with weights, kept as two sums, so that parts of a zone can be put together.

/// The mean of values that do not all weigh the same; `None` before the first, and while nothing weighs anything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WeightedMean {
    /// Sum of the weights.
    pub weight: f64,
    /// Sum of the values, each times its weight.
    pub sum: f64,
}

impl WeightedMean {
    /// Takes a value of some weight into account; neither is negative or infinite.
    pub fn update(&mut self, value: f64, weight: f64) {
        self.weight += weight;
        self.sum += value * weight;
    }

    /// The mean of all values so far.
    pub fn get(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// Takes all values of another part into account.
    pub fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[(u32, u32)]) -> WeightedMean {
        let mut mean = WeightedMean::default();
        values.iter().for_each(|&(value, weight)| mean.update(value.into(), weight.into()));
        mean
    }

    proptest! {
        /// A weight of three counts a value three times.
        #[test]
        fn equals_the_plain_mean_of_repeated_values_on_every_prefix(
            values in prop::collection::vec((0..1000u32, 0..40u32), 0..40),
            cut in 0..40usize,
        ) {
            for end in 0..=values.len() {
                let repeated: Vec<u64> = values[..end]
                    .iter()
                    .flat_map(|&(value, weight)| std::iter::repeat_n(u64::from(value), weight as usize))
                    .collect();
                let sum: u64 = repeated.iter().sum();
                let mean = (!repeated.is_empty()).then(|| sum as f64 / repeated.len() as f64);
                prop_assert_eq!(of(&values[..end]).get(), mean);
            }
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = of(left);
            merged.merge(&of(right));
            prop_assert_eq!(merged, of(&values));
        }
    }
}
