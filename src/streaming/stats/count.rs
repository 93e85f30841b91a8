//! How many values were known.

use super::Statistic;

/// How many values were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

impl Statistic for Count {
    type Value = u64;

    fn update(&mut self, _: i64, value: Option<f64>) {
        self.0 += u64::from(value.is_some());
    }

    fn get(&self) -> u64 {
        self.0
    }

    fn merge(&mut self, later: &Self) {
        self.0 += later.0;
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
            assert_equals_its_twin::<Count>(&values, cut, |values| known(values).len() as u64);
        }
    }
}
