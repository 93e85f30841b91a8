//! The number of free docks to come, as a distribution: how good it was, and the one that needs no model.
//!
//! A distribution is a slice of probabilities of 0, 1, 2, … free docks. Any positive sum will do: it is taken as 1.

use serde::{Deserialize, Serialize};

/// What of a distribution lies below its central 80 %, at most, and as much above.
const TAIL: f64 = 0.1;
/// What two sums of probabilities may differ by and still be equal.
const ROUNDING: f64 = 1e-9;

/// How good distributions of a count were, once it is known what came.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountScores {
    /// Number of distributions.
    pub count: usize,
    /// Mean continuous ranked probability score, docks; 0 is best: `Σ over k (F(k) - 1{y <= k})²`, which for a count is
    /// the integral of Gneiting and Raftery, Strictly proper scoring rules, JASA 102 (2007), section 4.2. Of a sure
    /// forecast it is the absolute error.
    pub crps: f64,
    /// Mean absolute error of the median, docks.
    pub mae: f64,
    /// Root of the mean squared error of the mean, docks.
    pub rmse: f64,
    /// Share of the outcomes from the 10th to the 90th percentile. At least 0.8 is right: the steps of a count make
    /// these percentiles hold rather more than 80 %.
    pub coverage: f64,
}

/// Scores distributions one by one, so that none need be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CountScorer {
    count: usize,
    crps: f64,
    absolute: f64,
    squared: f64,
    covered: usize,
}

impl CountScorer {
    /// Adds the distribution of a count that turned out to be `observed`, which may lie beyond its end. What is no
    /// distribution (empty, a probability below zero or not finite, a sum of zero) is not added; the answer is whether
    /// it was.
    pub fn add(&mut self, distribution: &[f64], observed: u32) -> bool {
        let total: f64 = distribution.iter().sum();
        let is_distribution = total.is_finite() && total > 0.0 && distribution.iter().all(|&p| p >= 0.0);
        if !is_distribution {
            return false;
        }
        let outcome = observed as usize;
        let (mut below, mut crps) = (0.0, 0.0);
        for (k, p) in distribution.iter().enumerate() {
            below += p / total;
            crps += (below - f64::from(u8::from(outcome <= k))).powi(2);
        }
        // Beyond the end all is below, up to what came.
        crps += outcome.saturating_sub(distribution.len()) as f64;
        let median = count_quantile(distribution, 0.5);
        let central = count_quantile(distribution, TAIL)..=count_quantile(distribution, 1.0 - TAIL);
        self.count += 1;
        self.crps += crps;
        self.absolute += f64::from(median.abs_diff(observed));
        self.squared += (count_mean(distribution) - f64::from(observed)).powi(2);
        self.covered += usize::from(central.contains(&observed));
        true
    }

    /// The scores so far; `None` of nothing.
    pub fn scores(&self) -> Option<CountScores> {
        let count = self.count as f64;
        (self.count > 0).then(|| CountScores {
            count: self.count,
            crps: self.crps / count,
            mae: self.absolute / count,
            rmse: (self.squared / count).sqrt(),
            coverage: self.covered as f64 / count,
        })
    }
}

/// The least count that is not exceeded with probability `q`, 0 to 1; 0 of an empty distribution.
pub fn count_quantile(distribution: &[f64], q: f64) -> u32 {
    let least = distribution.iter().sum::<f64>() * (q - ROUNDING);
    let mut below = 0.0;
    let reaches = distribution.iter().position(|p| {
        below += p;
        below >= least
    });
    reaches.unwrap_or(distribution.len().saturating_sub(1)) as u32
}

/// The mean count; NaN of an empty distribution.
pub fn count_mean(distribution: &[f64]) -> f64 {
    let sum: f64 = distribution.iter().enumerate().map(|(count, p)| count as f64 * p).sum();
    sum / distribution.iter().sum::<f64>()
}

/// The number of free docks changes as it did in training from about as many: the baseline of every distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountPersistence {
    /// By free docks at the origin: 0, 1, 2, 3, 4, 5, 6 to 9, 10 to 19, 20 and more. The changes that were seen, in
    /// rising order, each with its share.
    changes: [Vec<(i32, f64)>; BINS.len()],
}

/// The least number of free docks of each bin.
const BINS: [u32; 9] = [0, 1, 2, 3, 4, 5, 6, 10, 20];

impl CountPersistence {
    /// From the free docks of the training rows and the change of free docks to the horizon. A bin without rows has the
    /// changes of all; without any rows, nothing ever changes.
    pub fn fit(docks: &[u32], change: &[i32]) -> Self {
        let mut seen: [Vec<i32>; BINS.len()] = Default::default();
        for (&docks, &change) in docks.iter().zip(change) {
            seen[bin(docks)].push(change);
        }
        let all = shares(seen.concat());
        let of_bin = |seen: Vec<i32>| if seen.is_empty() { all.clone() } else { shares(seen) };
        Self { changes: seen.map(of_bin) }
    }

    /// The distribution over `0..=working` free docks at the horizon, from so many now; `working` docks are in order.
    /// What would lie below none or above all of them is taken as none or all.
    pub fn predict(&self, docks: u32, working: u32) -> Vec<f64> {
        let mut distribution = vec![0.0; working as usize + 1];
        for &(change, share) in &self.changes[bin(docks)] {
            let then = (i64::from(docks) + i64::from(change)).clamp(0, i64::from(working));
            distribution[then as usize] += share;
        }
        distribution
    }
}

fn bin(docks: u32) -> usize {
    BINS.partition_point(|&least| least <= docks) - 1
}

/// Each different change with its share; no change, surely, of nothing.
fn shares(mut changes: Vec<i32>) -> Vec<(i32, f64)> {
    if changes.is_empty() {
        return vec![(0, 1.0)];
    }
    changes.sort_unstable();
    let count = changes.len() as f64;
    changes.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as f64 / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(distribution: &[f64], observed: u32) -> CountScores {
        let mut scorer = CountScorer::default();
        assert!(scorer.add(distribution, observed));
        scorer.scores().unwrap()
    }

    #[test]
    fn scores_are_those_computed_by_hand() {
        let mut scorer = CountScorer::default();
        assert!(scorer.add(&[0.5, 0.25, 0.25], 2) && scorer.add(&[0.0, 1.0], 1));
        let scores = scorer.scores().unwrap();
        // The first: F is 0.5, 0.75, 1, so that the score is 0.25 + 0.5625; its median is 0, its mean 0.75.
        assert_eq!((scores.count, scores.crps, scores.mae), (2, 0.8125 / 2.0, 1.0));
        assert!((scores.rmse - (1.25f64.powi(2) / 2.0).sqrt()).abs() < 1e-12);
        assert_eq!(scores.coverage, 1.0);
    }

    #[test]
    fn the_score_of_a_sure_forecast_is_its_absolute_error_also_beyond_the_end() {
        let mut sure = vec![0.0; 6];
        sure[5] = 2.0;
        for (observed, error) in [(0, 5.0), (5, 0.0), (6, 1.0), (9, 4.0)] {
            let scores = score(&sure, observed);
            assert_eq!((scores.crps, scores.mae, scores.rmse), (error, error, error), "{observed}");
            assert_eq!(scores.coverage, f64::from(u8::from(observed == 5)));
        }
    }

    #[test]
    fn what_is_no_distribution_is_not_counted() {
        let mut scorer = CountScorer::default();
        for wrong in [&[][..], &[0.0, 0.0], &[1.5, -0.5], &[f64::NAN], &[f64::INFINITY]] {
            assert!(!scorer.add(wrong, 0), "{wrong:?}");
        }
        assert_eq!(scorer.scores(), None);
    }

    #[test]
    fn a_quantile_is_the_first_count_that_reaches_it() {
        let tenth = [0.1; 10];
        // Tenths do not sum to 0.8 exactly; it is reached all the same.
        assert_eq!([0.0, 0.1, 0.11, 0.5, 0.8, 0.9, 1.0].map(|q| count_quantile(&tenth, q)), [0, 0, 1, 4, 7, 8, 9]);
        assert_eq!((count_quantile(&[], 0.5), count_quantile(&[0.0, 3.0, 1.0], 0.5)), (0, 1));
        assert!((count_mean(&tenth) - 4.5).abs() < 1e-12 && (count_mean(&[0.0, 3.0, 1.0]) - 1.25).abs() < 1e-12);
        assert!(count_mean(&[]).is_nan());
    }

    #[test]
    fn changes_are_those_seen_from_as_many_docks_and_stop_at_the_ends() {
        let persistence = CountPersistence::fit(&[0, 0, 0, 0, 7, 9, 25], &[0, 0, 0, 1, -8, 2, -1]);
        assert_eq!(persistence.predict(0, 2), [0.75, 0.25, 0.0]);
        // Seven and nine are one bin: from six, eight fewer are none, and two more are all there are.
        assert_eq!(persistence.predict(6, 7), [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
        // No row had three: all changes, the two that lead below none together.
        let from_three = persistence.predict(3, 9);
        assert!((from_three[0] - 1.0 / 7.0).abs() < 1e-12 && (from_three[3] - 3.0 / 7.0).abs() < 1e-12);
        assert_eq!(CountPersistence::fit(&[], &[]).predict(2, 3), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(persistence.predict(40, 30)[30], 1.0);
        let json = serde_json::to_string(&persistence).unwrap();
        assert_eq!(serde_json::from_str::<CountPersistence>(&json).unwrap(), persistence);
    }

    proptest! {
        /// `∫ (F(x) - 1{y <= x})² dx`, by a sum over steps of an eighth, F counted anew at each.
        #[test]
        fn the_score_is_the_integral(weights in prop::collection::vec(0..9u32, 1..20), observed in 0..30u32) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let distribution: Vec<_> = weights.iter().map(|&weight| f64::from(weight)).collect();
            let total: f64 = distribution.iter().sum();
            let integral: f64 = (-80..400).map(|step| {
                let x = (f64::from(step) + 0.5) / 8.0;
                let below = (0..weights.len()).filter(|&k| k as f64 <= x).map(|k| distribution[k]).sum::<f64>() / total;
                (below - f64::from(u8::from(f64::from(observed) <= x))).powi(2) / 8.0
            }).sum();
            let crps = score(&distribution, observed).crps;
            prop_assert!((crps - integral).abs() < 1e-9, "{crps} is not {integral}");
        }

        /// Also `E|X - y| - E|X - X'| / 2` (Gneiting and Raftery, equation 21).
        #[test]
        fn the_score_is_the_mean_distance_less_half_the_spread(
            weights in prop::collection::vec(1..9u32, 1..20), observed in 0..30u32,
        ) {
            let total = f64::from(weights.iter().sum::<u32>());
            let p: Vec<_> = weights.iter().map(|&weight| f64::from(weight) / total).collect();
            let distance = |from: f64| p.iter().enumerate().map(|(k, p)| p * (k as f64 - from).abs()).sum::<f64>();
            let spread: f64 = p.iter().enumerate().map(|(k, p)| p * distance(k as f64)).sum();
            let crps = score(&p, observed).crps;
            prop_assert!((crps - (distance(f64::from(observed)) - spread / 2.0)).abs() < 1e-9);
        }

        #[test]
        fn a_baseline_is_a_distribution_over_the_working_docks(
            rows in prop::collection::vec((0..40u32, -30..30i32), 0..40), docks in 0..40u32, working in 0..40u32,
        ) {
            let (from, change): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let distribution = CountPersistence::fit(&from, &change).predict(docks, working);
            prop_assert_eq!(distribution.len(), working as usize + 1);
            prop_assert!((distribution.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}
