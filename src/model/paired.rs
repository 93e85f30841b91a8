//! Whether one model is better than another, or only came out ahead: days are the pairs.
//!
//! If two models were equally good, each day's difference could as well have had the other sign. The p-value is how often
//! a difference at least as large comes of signs given at random (Fisher's permutation test of pairs, The Design of
//! Experiments, 1935, § 21). It assumes nothing of the rows within a day, and so few days can never say much: of seven
//! days, the least p is 2/128.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::bootstrap::{Interval, Resamples, ratio};
use super::name::ModelName;

/// So many days have all their signs gone through; of more, as many are drawn.
const MOST_DAYS: usize = 14;
/// A p-value above this is chance.
const LEVEL: f64 = 0.05;

/// Two models on the same rows.
///
/// Every pair is tested by itself: the more pairs, the more of them come out ahead by chance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedTest {
    /// The model with the lower Brier score.
    pub better: ModelName,
    /// The model it is compared with.
    pub than: ModelName,
    /// Brier score of `than` minus that of `better`.
    pub difference: f64,
    /// 95 % of the resamples of days have a difference within; `None` of fewer than three days.
    pub interval: Option<Interval>,
    /// Two-sided p-value of the sign-flip test over days: exact up to 14 days, else from 16384 seeded draws.
    pub p_value: f64,
    /// Whether `better` is shown to be so: the interval excludes 0, and the p-value is at most 0.05. Both, because the
    /// interval of three to five days is so narrow that chance alone would often leave 0 outside.
    pub wins: bool,
    /// Number of days that this rests on.
    pub days: usize,
}

impl PairedTest {
    /// The test of `differences`, the sums by day of the squared errors of `than` minus those of `better`, where `counts`
    /// has the number of rows by day.
    pub(super) fn new(
        [better, than]: [ModelName; 2],
        differences: &[f64],
        counts: &[f64],
        resamples: &Resamples,
        seed: u64,
    ) -> Self {
        let interval = resamples.interval(|times| ratio(times, differences, counts));
        let p_value = sign_flip(differences, seed);
        Self {
            better,
            than,
            difference: differences.iter().sum::<f64>() / counts.iter().sum::<f64>(),
            interval,
            p_value,
            wins: interval.is_some_and(|interval| interval.low > 0.0) && p_value <= LEVEL,
            days: differences.len(),
        }
    }
}

/// A sentence, such as "boost beats logistic: Brier lower by 0.00021 [0.00010, 0.00034], p = 0.031 over 7 days".
impl fmt::Display for PairedTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.wins { "beats" } else { "is not shown to beat" };
        write!(f, "{} {verdict} {}: Brier lower by {:.5}", self.better, self.than, self.difference)?;
        if let Some(Interval { low, high }) = self.interval {
            write!(f, " [{low:.5}, {high:.5}]")?;
        }
        match self.p_value {
            p if p < 0.0005 => write!(f, ", p < 0.001")?,
            p => write!(f, ", p = {p:.3}")?,
        }
        let is_least = self.days <= MOST_DAYS && self.p_value <= 2.0 / flips(self.days) as f64;
        let least = if is_least { ", the least possible" } else { "" };
        write!(f, "{least} over {} day{}", self.days, if self.days == 1 { "" } else { "s" })
    }
}

/// In how many ways so many days can have signs.
fn flips(days: usize) -> u32 {
    1 << days.min(MOST_DAYS)
}

/// The share of all ways to give the differences signs that leave a sum at least as far from zero.
fn sign_flip(differences: &[f64], seed: u64) -> f64 {
    // Sums that differ only by rounding are equal.
    let slack = 1e-12 * differences.iter().map(|difference| difference.abs()).sum::<f64>();
    let far = differences.iter().sum::<f64>().abs() - slack;
    let count = flips(differences.len());
    let is_far = |sum: f64| u32::from(sum.abs() >= far);
    if differences.len() <= MOST_DAYS {
        let sum = |flip: u32| {
            let signed = differences.iter().enumerate();
            signed.map(|(day, &difference)| if flip >> day & 1 == 0 { difference } else { -difference }).sum::<f64>()
        };
        return f64::from((0..count).map(|flip| is_far(sum(flip))).sum::<u32>()) / f64::from(count);
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut draw = || differences.iter().map(|&it| if random.random::<bool>() { it } else { -it }).sum::<f64>();
    // What came is itself one of the draws, so that p is never zero.
    f64::from(1 + (0..count).map(|_| is_far(draw())).sum::<u32>()) / f64::from(1 + count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn test(differences: &[f64]) -> PairedTest {
        let counts = vec![100.0; differences.len()];
        let resamples = Resamples::new(differences.len(), 1);
        PairedTest::new([ModelName::Tree, ModelName::Logistic], differences, &counts, &resamples, 2)
    }

    #[test]
    fn seven_days_of_one_sign_win_and_say_on_what_it_rests() {
        let test = test(&[0.2, 0.1, 0.3, 0.1, 0.2, 0.4, 0.1]);
        assert!(test.wins && test.p_value == 2.0 / 128.0 && (test.difference - 0.002).abs() < 1e-12);
        let Interval { low, high } = test.interval.unwrap();
        assert!((0.001..0.002).contains(&low) && 0.002 < high && high <= 0.004);
        assert_eq!(
            test.to_string(),
            format!(
                "tree beats logistic: Brier lower by 0.00200 [{low:.5}, {high:.5}], p = 0.016, the least possible over 7 days"
            )
        );
    }

    #[test]
    fn what_does_not_win_is_said_not_to_win() {
        let test = test(&[0.3, -0.2, 0.1, -0.3, 0.2, -0.1, 0.1]);
        assert!(!test.wins && test.interval.unwrap().low < 0.0 && test.p_value > 0.5);
        let sentence = test.to_string();
        assert!(sentence.starts_with("tree is not shown to beat logistic: Brier lower by 0.00014 [-0."), "{sentence}");
        assert!(sentence.ends_with(&format!("p = {:.3} over 7 days", test.p_value)), "{sentence}");
    }

    #[test]
    fn few_days_never_win_however_clear_they_look() {
        let three = test(&[0.2, 0.1, 0.3]);
        assert!(three.interval.unwrap().low > 0.0 && three.p_value == 0.25 && !three.wins);
        assert_eq!(
            test(&[0.2]).to_string(),
            "tree is not shown to beat logistic: Brier lower by 0.00200, p = 1.000, the least possible over 1 day"
        );
    }

    #[test]
    fn equal_models_have_a_p_of_one() {
        let test = test(&[0.0; 4]);
        assert_eq!((test.difference, test.p_value, test.wins), (0.0, 1.0, false));
        assert_eq!(test.interval, Some(Interval { low: 0.0, high: 0.0 }));
    }

    #[test]
    fn many_days_are_drawn_near_the_exact_share() {
        // Fifteen of one sign and one of the other, all as large: 2 · (1 + 16) / 2^16 is exact.
        let mut differences = [1.0; 16];
        differences[3] = -1.0;
        let p = sign_flip(&differences, 5);
        assert!(p > 0.0 && (p - 34.0 / 65536.0).abs() < 5e-4, "{p}");
        // Ten of one sign and six of the other: two-sided binomial, 0.4545.
        let differences: Vec<_> = (0..16).map(|day| if day < 10 { 1.0 } else { -1.0 }).collect();
        assert!((sign_flip(&differences, 5) - 0.454_498).abs() < 0.015);
        assert!(test(&[1.0; 40]).to_string().ends_with("p < 0.001 over 40 days"));
    }

    proptest! {
        #[test]
        fn p_is_the_share_of_all_signs_by_brute_force(days in prop::collection::vec(-6..6i32, 1..9)) {
            let sum = days.iter().sum::<i32>().abs();
            let mut sums = vec![0];
            for day in &days {
                sums = sums.iter().flat_map(|sum| [sum + day, sum - day]).collect();
            }
            let p = sums.iter().filter(|other| other.abs() >= sum).count() as f64 / sums.len() as f64;
            // Tenths are not exact in binary: sums that should be equal differ by rounding.
            let differences: Vec<_> = days.iter().map(|&day| f64::from(day) * 0.1).collect();
            prop_assert_eq!(sign_flip(&differences, 0), p);
        }
    }
}
