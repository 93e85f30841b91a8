//! The greatest value.

use super::Statistic;

/// The greatest value; `None` before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Max(pub Option<f64>);

impl Statistic for Max {
    type Value = Option<f64>;

    fn update(&mut self, value: f64) {
        self.0 = Some(self.0.map_or(value, |greatest| greatest.max(value)));
    }

    fn get(&self) -> Option<f64> {
        self.0
    }

    fn merge(&mut self, other: &Self) {
        if let Some(value) = other.0 {
            self.update(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_equals_its_twin;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_its_batch_twin(values in prop::collection::vec(-1e9..1e9, 0..60), cut in 0..60usize) {
            assert_equals_its_twin::<Max>(&values, cut, |values| {
                values.iter().copied().find(|a| !values.iter().any(|b| b > a))
            });
        }
    }
}
