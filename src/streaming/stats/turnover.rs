//! The turnover: how much came and went in all.
//!
//! It is what the readings show: a bike that comes and another that goes between two readings are not seen.

use super::Statistic;

/// Σ |*vᵢ₊₁* − *vᵢ*| over the known values; `None` unless two are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Turnover {
    /// The sum; `None` before the second value.
    sum: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
}

impl Statistic for Turnover {
    type Value = Option<f64>;

    fn update(&mut self, _: i64, value: Option<f64>) {
        let Some(value) = value else { return };
        self.first.get_or_insert(value);
        if let Some(last) = self.last.replace(value) {
            *self.sum.get_or_insert(0.0) += (value - last).abs();
        }
    }

    fn get(&self) -> Option<f64> {
        self.sum
    }

    fn merge(&mut self, later: &Self) {
        self.update(0, later.first);
        self.last = later.last.or(self.last);
        if let Some(sum) = later.sum {
            *self.sum.get_or_insert(0.0) += sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{assert_equals_its_twin, known, some_values};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn of_integers_equals_its_batch_twin(
            values in some_values((0..100_000u32).prop_map(f64::from)),
            cut in 0..60usize,
        ) {
            assert_equals_its_twin::<Turnover>(&values, cut, |values| {
                let values = known(values);
                (values.len() > 1).then(|| values.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).sum())
            });
        }
    }

    #[test]
    fn what_comes_and_goes_adds_up() {
        let mut turnover = Turnover::default();
        for value in [Some(4.0), None, Some(9.0), Some(2.0)] {
            turnover.update(0, value);
        }
        assert_eq!(turnover.get(), Some(12.0));
    }
}
