//! Online statistics: each takes one value at a time and can be asked at any time.
//!
//! One statistic, one file, two verbs: [`update`](Statistic::update) and [`get`](Statistic::get). A third,
//! [`merge`](Statistic::merge), joins two parts of a stream, so that short windows can be put together to long ones. None
//! keeps its values; each is proven equal to its batch twin on every prefix.

mod count;
mod max;
mod mean;
mod min;
mod weighted_mean;

use serde::{Deserialize, Serialize};

pub use count::Count;
pub use max::Max;
pub use mean::Mean;
pub use min::Min;
pub use weighted_mean::WeightedMean;

/// A statistic of a stream of finite numbers, in constant memory.
pub trait Statistic: Default {
    /// What the statistic says.
    type Value;

    /// Takes one more value into account.
    fn update(&mut self, value: f64);

    /// The statistic of all values so far.
    fn get(&self) -> Self::Value;

    /// Takes all values of another part of the stream into account.
    fn merge(&mut self, other: &Self);
}

/// The four statistics that are kept of each quantity: what a [`Summary`] is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accumulator {
    /// Sum and count.
    pub mean: Mean,
    /// The least value.
    pub min: Min,
    /// The greatest value.
    pub max: Max,
}

impl Accumulator {
    /// Takes a value into account if it is known. An unknown one is skipped and not counted, and so is one that is not finite.
    pub fn update_known(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.update(value);
        }
    }
}

impl Statistic for Accumulator {
    type Value = Summary;

    fn update(&mut self, value: f64) {
        self.mean.update(value);
        self.min.update(value);
        self.max.update(value);
    }

    fn get(&self) -> Summary {
        Summary { count: self.mean.count.get(), mean: self.mean.get(), min: self.min.get(), max: self.max.get() }
    }

    fn merge(&mut self, other: &Self) {
        self.mean.merge(&other.mean);
        self.min.merge(&other.min);
        self.max.merge(&other.max);
    }
}

/// Mean, minimum, maximum and count of one quantity, in the quantity's own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many values were known.
    pub count: u64,
    /// Their mean; `None` without a value. For a zone it is weighted by capacity, and `None` also without a capacity.
    pub mean: Option<f64>,
    /// The least of them.
    pub min: Option<f64>,
    /// The greatest of them.
    pub max: Option<f64>,
}

/// Panics unless `S` equals its batch twin on every prefix, and on the whole when merged from two parts cut at `cut`.
#[cfg(test)]
fn assert_equals_its_twin<S>(values: &[f64], cut: usize, twin: impl Fn(&[f64]) -> S::Value)
where
    S: Statistic,
    S::Value: PartialEq + std::fmt::Debug,
{
    let of = |part: &[f64]| {
        let mut statistic = S::default();
        part.iter().for_each(|&value| statistic.update(value));
        statistic
    };
    let mut online = S::default();
    assert_eq!(online.get(), twin(&[]));
    for (i, &value) in values.iter().enumerate() {
        online.update(value);
        assert_eq!(online.get(), twin(&values[..=i]));
    }
    let (left, right) = values.split_at(cut.min(values.len()));
    let mut merged = of(left);
    merged.merge(&of(right));
    assert_eq!(merged.get(), online.get());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_accumulator_of_counts_equals_its_batch_twin(counts in prop::collection::vec(0..100_000u32, 0..60), cut in 0..60usize) {
            let values: Vec<f64> = counts.into_iter().map(f64::from).collect();
            assert_equals_its_twin::<Accumulator>(&values, cut, |values| Summary {
                count: values.len() as u64,
                mean: (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
                min: values.iter().copied().reduce(f64::min),
                max: values.iter().copied().reduce(f64::max),
            });
        }
    }

    #[test]
    fn an_unknown_value_is_not_counted() {
        let mut accumulator = Accumulator::default();
        for value in [None, Some(4.0), Some(f64::NAN), None, Some(2.0)] {
            accumulator.update_known(value);
        }
        assert_eq!(accumulator.get(), Summary { count: 2, mean: Some(3.0), min: Some(2.0), max: Some(4.0) });
    }
}
