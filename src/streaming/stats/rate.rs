//! The rate of change: from the first to the last known value, per hour.

use super::Statistic;

const MILLISECONDS_PER_HOUR: f64 = 3_600_000.0;

/// (*vₙ* − *v₁*) / (*tₙ* − *t₁*) over the known values, per hour; `None` unless two are known at different times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    first: Option<(i64, f64)>,
    last: Option<(i64, f64)>,
}

impl Statistic for Rate {
    type Value = Option<f64>;

    fn update(&mut self, at: i64, value: Option<f64>) {
        if let Some(value) = value {
            self.first.get_or_insert((at, value));
            self.last = Some((at, value));
        }
    }

    fn get(&self) -> Option<f64> {
        let ((start, first), (end, last)) = self.first.zip(self.last)?;
        (end > start).then(|| (last - first) * MILLISECONDS_PER_HOUR / (end - start) as f64)
    }

    fn merge(&mut self, later: &Self) {
        self.first = self.first.or(later.first);
        self.last = later.last.or(self.last);
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
            assert_equals_its_twin::<Rate>(&values, cut, |values| {
                let values = known(values);
                let ((start, first), (end, last)) = (*values.first()?, *values.last()?);
                (start != end).then(|| (last - first) * 3_600_000.0 / (end - start) as f64)
            });
        }
    }

    #[test]
    fn a_rate_is_per_hour() {
        let mut rate = Rate::default();
        rate.update(0, Some(4.0));
        assert_eq!(rate.get(), None);
        rate.update(60_000, Some(20.0));
        rate.update(600_000, Some(7.0));
        assert_eq!(rate.get(), Some(18.0)); // three in ten minutes
    }
}
