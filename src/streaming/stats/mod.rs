//! Online statistics: each takes one value at a time, in order of time, and can be asked at any time.
//!
//! One statistic, one file, two verbs: [`update`](Statistic::update) and [`get`](Statistic::get). A third,
//! [`merge`](Statistic::merge), joins two parts of a stream, so that short windows can be put together to long ones. None
//! keeps its values; each is proven equal to its batch twin on every prefix.
//!
//! A value holds from the time it is said until the next is, or until it is said that it is not known any more. How long
//! it held matters to [`TimeWeightedMean`] and [`Rate`] alone; to the others every value counts the same.

mod count;
mod last;
mod max;
mod mean;
mod min;
mod rate;
mod time_weighted_mean;
mod turnover;
mod weighted_mean;

use serde::{Deserialize, Serialize};

pub use count::Count;
pub use last::Last;
pub use max::Max;
pub use mean::Mean;
pub use min::Min;
pub use rate::Rate;
pub use time_weighted_mean::TimeWeightedMean;
pub use turnover::Turnover;
pub use weighted_mean::WeightedMean;

/// A statistic of a quantity over time, in constant memory.
pub trait Statistic: Default {
    /// What the statistic says.
    type Value;

    /// Takes into account that the quantity is `value` from `at` on, or from then on unknown. `at` is in milliseconds from
    /// an instant that all calls share, and never less than in the call before; `value` is finite.
    fn update(&mut self, at: i64, value: Option<f64>);

    /// The statistic of all values so far.
    fn get(&self) -> Self::Value;

    /// Takes all values of the part of the stream that comes next into account.
    fn merge(&mut self, later: &Self);
}

/// All statistics that are kept of each quantity: what a [`Summary`] is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accumulator {
    /// Sum and count.
    pub mean: Mean,
    /// The mean by time.
    pub time_weighted_mean: TimeWeightedMean,
    /// The least value.
    pub min: Min,
    /// The greatest value.
    pub max: Max,
    /// The last value.
    pub last: Last,
    /// The change per hour.
    pub rate: Rate,
    /// The sum of the changes.
    pub turnover: Turnover,
}

impl Statistic for Accumulator {
    type Value = Summary;

    fn update(&mut self, at: i64, value: Option<f64>) {
        self.mean.update(at, value);
        self.time_weighted_mean.update(at, value);
        self.min.update(at, value);
        self.max.update(at, value);
        self.last.update(at, value);
        self.rate.update(at, value);
        self.turnover.update(at, value);
    }

    fn get(&self) -> Summary {
        Summary {
            count: self.mean.count.get(),
            mean: self.mean.get(),
            time_weighted_mean: self.time_weighted_mean.get(),
            min: self.min.get(),
            max: self.max.get(),
            last: self.last.get(),
            rate: self.rate.get(),
            turnover: self.turnover.get(),
        }
    }

    fn merge(&mut self, later: &Self) {
        self.mean.merge(&later.mean);
        self.time_weighted_mean.merge(&later.time_weighted_mean);
        self.min.merge(&later.min);
        self.max.merge(&later.max);
        self.last.merge(&later.last);
        self.rate.merge(&later.rate);
        self.turnover.merge(&later.turnover);
    }
}

/// The statistics of one quantity, in the quantity's own unit.
///
/// Of a zone, each mean is the mean of the stations' own, weighted by their capacities, and `None` also without a capacity;
/// count, least and greatest are over all readings; `rate` and `turnover` are the sums of the stations', but of the occupancy
/// their mean by capacity, so that they are the zone's own as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many values were known.
    pub count: u64,
    /// Their mean, in which every reading counts once however long its value held; `None` without a value.
    pub mean: Option<f64>,
    /// The mean over the time in which the value is known: each value counts for as long as it held in the window. A value
    /// holds until the next reading or the window's end; the time before the window's first reading is unknown.
    pub time_weighted_mean: Option<f64>,
    /// The least value.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// The last known value.
    pub last: Option<f64>,
    /// The last known value less the first, per hour between them; `None` unless two readings knew it.
    pub rate: Option<f64>,
    /// The sum of the absolute changes from each known value to the next; `None` unless two readings knew it.
    pub turnover: Option<f64>,
}

/// Values over time for the tests, about a third of them unknown; times never go back and sometimes stand still.
#[cfg(test)]
fn some_values(
    value: impl proptest::strategy::Strategy<Value = f64>,
) -> impl proptest::strategy::Strategy<Value = Vec<(i64, Option<f64>)>> {
    use proptest::prelude::*;
    let step = (0..10_000i64, prop::option::weighted(0.7, value));
    prop::collection::vec(step, 0..60).prop_map(|steps| {
        let times = steps.iter().scan(0, |time, (step, _)| {
            *time += step;
            Some(*time)
        });
        times.zip(steps.iter().map(|&(_, value)| value)).collect()
    })
}

/// The known ones of some values.
#[cfg(test)]
fn known(values: &[(i64, Option<f64>)]) -> Vec<(i64, f64)> {
    values.iter().filter_map(|&(at, value)| Some((at, value?))).collect()
}

/// Panics unless `S` equals its batch twin on every prefix, and on the whole when merged from two parts cut at `cut`.
#[cfg(test)]
fn assert_equals_its_twin<S>(
    values: &[(i64, Option<f64>)],
    cut: usize,
    twin: impl Fn(&[(i64, Option<f64>)]) -> S::Value,
) where
    S: Statistic,
    S::Value: PartialEq + std::fmt::Debug,
{
    let of = |part: &[(i64, Option<f64>)]| {
        let mut statistic = S::default();
        part.iter().for_each(|&(at, value)| statistic.update(at, value));
        statistic
    };
    let mut online = S::default();
    assert_eq!(online.get(), twin(&[]));
    for (i, &(at, value)) in values.iter().enumerate() {
        online.update(at, value);
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
        /// Each statistic's own twin is in its file: here, that the accumulator holds them all.
        #[test]
        fn an_accumulator_says_what_each_of_its_statistics_says(
            values in some_values((0..100_000u32).prop_map(f64::from)),
            cut in 0..60usize,
        ) {
            fn alone<S: Statistic>(values: &[(i64, Option<f64>)]) -> S::Value {
                let mut statistic = S::default();
                values.iter().for_each(|&(at, value)| statistic.update(at, value));
                statistic.get()
            }
            assert_equals_its_twin::<Accumulator>(&values, cut, |values| Summary {
                count: alone::<Count>(values),
                mean: alone::<Mean>(values),
                time_weighted_mean: alone::<TimeWeightedMean>(values),
                min: alone::<Min>(values),
                max: alone::<Max>(values),
                last: alone::<Last>(values),
                rate: alone::<Rate>(values),
                turnover: alone::<Turnover>(values),
            });
        }
    }
}
