//! The recorded days drawn again, whole, with replacement: how sure a sum over them is (Efron and Tibshirani, An Introduction to
//! the Bootstrap, 1993, ch. 8 and 13). The hours of one day are alike, the same weather and the same strike, so none is drawn alone.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// How often the days are drawn again.
pub(super) const RESAMPLES: usize = 1000;
/// The fewest days that say how days differ.
pub const FEWEST_DAYS: usize = 3;
/// How much of the resamples lies below an interval, and as much above.
const TAIL: f64 = 0.05;

/// Where a value lies with 90 %: between the 5th and the 95th percentile of 1000 resamples of the recorded days, and so far that it
/// holds the value itself: a day drawn twice counts as two, which corrects an expectation more than one did. A resample is scaled to
/// the time that is known in all: times the hours known, over those of the days drawn. With few days it is too narrow, and of fewer
/// than [`FEWEST_DAYS`] there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DayInterval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How often each of `all` days was drawn, for each resample: as many as are `drawable`, of these alone. None of fewer than 3.
pub(super) fn draws(drawable: &[usize], all: usize, seed: u64) -> Vec<Vec<f64>> {
    if drawable.len() < FEWEST_DAYS {
        return Vec::new();
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = || {
        let mut times = vec![0.0; all];
        for _ in drawable {
            times[drawable[(random.random::<f64>() * drawable.len() as f64) as usize]] += 1.0;
        }
        times
    };
    (0..RESAMPLES).map(|_| draw()).collect()
}

/// The interval of what the resamples gave, and the days themselves.
pub(super) fn interval(mut values: Vec<f64>, estimate: f64) -> Option<DayInterval> {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values.get(((share * values.len() as f64).ceil() as usize).max(1) - 1).copied();
    Some(DayInterval { low: at(TAIL)?.min(estimate), high: at(1.0 - TAIL)?.max(estimate) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_days_are_drawn_as_many_as_there_are_and_again_the_same() {
        let days = [0, 2, 3, 4, 6];
        let drawn = draws(&days, 7, 7);
        assert!(drawn.len() == RESAMPLES && drawn.iter().all(|times| times.iter().sum::<f64>() == 5.0));
        assert!((0..7).all(|day| days.contains(&day) == drawn.iter().any(|times| times[day] > 0.0)));
        assert!(drawn == draws(&days, 7, 7) && drawn != draws(&days, 7, 8));
        assert!(draws(&days[..2], 7, 7).is_empty() && interval(Vec::new(), 1.0).is_none());
    }

    #[test]
    fn an_interval_lies_between_the_50th_and_the_950th_of_a_thousand() {
        let counted = |estimate: f64| interval((1..=1000).rev().map(f64::from).collect(), estimate).unwrap();
        assert_eq!(counted(500.0), DayInterval { low: 50.0, high: 950.0 });
        assert_eq!(counted(7.0), DayInterval { low: 7.0, high: 950.0 });
    }
}
