//! The least value.

use super::Statistic;

/// The least value; `None` before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Min(pub Option<f64>);

impl Statistic for Min {
    type Value = Option<f64>;

    fn update(&mut self, _: i64, value: Option<f64>) {
        self.0 = match (self.0, value) {
            (Some(least), Some(value)) => Some(least.min(value)),
            (least, value) => least.or(value),
        };
    }

    fn get(&self) -> Option<f64> {
        self.0
    }

    fn merge(&mut self, later: &Self) {
        self.update(0, later.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_equals_its_twin, known, some_values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_its_batch_twin(values in some_values(-1e9..1e9), cut in 0..60usize) {
            assert_equals_its_twin::<Min>(&values, cut, |values| {
                let values: Vec<f64> = known(values).into_iter().map(|(_, value)| value).collect();
                values.iter().copied().find(|a| !values.iter().any(|b| b < a))
            });
        }
    }
}
