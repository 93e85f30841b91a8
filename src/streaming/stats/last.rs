//! The last known value.

use super::Statistic;

/// The last known value; `None` before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Last(pub Option<f64>);

impl Statistic for Last {
    type Value = Option<f64>;

    fn update(&mut self, _: i64, value: Option<f64>) {
        self.0 = value.or(self.0);
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
            assert_equals_its_twin::<Last>(&values, cut, |values| known(values).last().map(|&(_, value)| value));
        }
    }
}
