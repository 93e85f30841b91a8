//! How many values there were.

use super::Statistic;

/// How many values there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

impl Statistic for Count {
    type Value = u64;

    fn update(&mut self, _: f64) {
        self.0 += 1;
    }

    fn get(&self) -> u64 {
        self.0
    }

    fn merge(&mut self, other: &Self) {
        self.0 += other.0;
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
            assert_equals_its_twin::<Count>(&values, cut, |values| values.len() as u64);
        }
    }
}
