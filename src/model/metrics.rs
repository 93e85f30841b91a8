//! How good forecasts of a probability were, once it is known what came; all in f64, ties told apart from order.
//!
//! Every score stands beside the base rate, and Brier skill is measured against calibrated persistence: where the event
//! is rare, whoever always says "no" is nearly always right, so accuracy is not reported at all.

use serde::{Deserialize, Serialize};

use super::curves::{PrecisionRecallPoint, ReliabilityBin};

/// No forecast is surer than this: probabilities are cut to `FLOOR..=1 - FLOOR` before anything is computed.
pub(super) const FLOOR: f64 = 1e-6;

/// The edges of the reliability bins: narrow where a rare event's forecasts lie.
const EDGES: [f64; 11] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0];

/// The most points that a precision-recall curve is given.
const CURVE_POINTS: usize = 500;

/// The scores of some forecasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of forecasts.
    pub count: usize,
    /// How many of them the event followed.
    pub events: usize,
    /// `events / count`: the mean forecast that a perfectly calibrated one has.
    pub base_rate: f64,
    /// Mean squared error of the probability; 0 is best. By itself it says little of a rare event.
    pub brier: f64,
    /// `1 - brier / brier of calibrated persistence` on the same rows: above 0 is better than that. `None` unless both
    /// outcomes occur: where the event never came, the skill of saying "no" is no skill.
    pub brier_skill: Option<f64>,
    /// Mean of `-ln` of the probability given to what came, natural logarithm; 0 is best.
    pub log_loss: f64,
    /// Area under the precision-recall curve, by steps; the base rate is what chance has, 1 is best. `None` unless both
    /// outcomes occur.
    pub average_precision: Option<f64>,
    /// Probability that a row with the event was forecast higher than one without, ties half; 0.5 is chance. `None`
    /// unless both outcomes occur.
    pub auc: Option<f64>,
}

impl Scores {
    /// The scores of `forecasts` (probabilities) where `came` tells what came, with calibrated persistence's forecasts
    /// of the same rows to compare with. `None` of nothing, or if the lengths differ.
    pub fn new(came: &[bool], forecasts: &[f64], calibrated: &[f64]) -> Option<Self> {
        if came.is_empty() || came.len() != forecasts.len() || came.len() != calibrated.len() {
            return None;
        }
        let (count, events) = (came.len(), came.iter().filter(|&&came| came).count());
        let brier = brier(came, forecasts);
        let reference = self::brier(came, calibrated);
        let log_loss =
            came.iter().zip(forecasts).map(|(&came, &p)| if came { -cut(p).ln() } else { -(-cut(p)).ln_1p() });
        let steps = Steps::new(came, forecasts);
        let both = events > 0 && events < count;
        Some(Self {
            count,
            events,
            base_rate: events as f64 / count as f64,
            brier,
            brier_skill: (both && reference > 0.0).then(|| 1.0 - brier / reference),
            log_loss: log_loss.sum::<f64>() / count as f64,
            average_precision: both.then(|| steps.average_precision()),
            auc: both.then(|| steps.auc()),
        })
    }
}

/// Mean squared error of the probabilities; NaN of nothing.
pub(super) fn brier(came: &[bool], forecasts: &[f64]) -> f64 {
    let error = |(&came, &p): (&bool, &f64)| (f64::from(u8::from(came)) - cut(p)).powi(2);
    came.iter().zip(forecasts).map(error).sum::<f64>() / came.len() as f64
}

/// How often the event came when it was forecast about so: the bins that are not empty, in rising order.
pub fn reliability(came: &[bool], forecasts: &[f64]) -> Vec<ReliabilityBin> {
    let mut sums = [(0u64, 0.0, 0u64); EDGES.len() - 1];
    for (&came, &p) in came.iter().zip(forecasts) {
        let bin = &mut sums[EDGES[1..EDGES.len() - 1].partition_point(|&edge| edge <= p)];
        *bin = (bin.0 + 1, bin.1 + cut(p), bin.2 + u64::from(came));
    }
    EDGES
        .windows(2)
        .zip(sums)
        .filter(|(_, (count, ..))| *count > 0)
        .map(|(edges, (count, sum, events))| ReliabilityBin {
            lower: edges[0],
            upper: edges[1],
            count,
            mean_forecast: sum / count as f64,
            observed_frequency: events as f64 / count as f64,
        })
        .collect()
}

/// The precision-recall curve, from the highest threshold to the lowest, thinned evenly in recall to at most 500 points;
/// empty if the event never came.
pub fn precision_recall(came: &[bool], forecasts: &[f64]) -> Vec<PrecisionRecallPoint> {
    let Steps { steps, events, .. } = Steps::new(came, forecasts);
    let Some(lowest) = steps.last().filter(|_| events > 0) else { return Vec::new() };
    let lowest = lowest.alarms;
    let mut next_hits = 0.0;
    let kept = steps.iter().filter(|step| {
        let is_due = step.hits as f64 >= next_hits;
        if is_due {
            next_hits = step.hits as f64 + events as f64 / (CURVE_POINTS - 2) as f64;
        }
        is_due || step.alarms == lowest
    });
    kept.map(|step| PrecisionRecallPoint {
        threshold: step.threshold,
        precision: step.hits as f64 / step.alarms as f64,
        recall: step.hits as f64 / events as f64,
    })
    .collect()
}

/// What there is to count at each different forecast, from the highest down.
struct Steps {
    steps: Vec<Step>,
    events: u64,
    others: u64,
}

/// Everything forecast at `threshold` or above taken as an alarm.
struct Step {
    threshold: f64,
    alarms: u64,
    hits: u64,
}

impl Steps {
    fn new(came: &[bool], forecasts: &[f64]) -> Self {
        let mut rows: Vec<_> = forecasts.iter().map(|&p| cut(p)).zip(came.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut steps, mut alarms, mut hits) = (Vec::new(), 0, 0);
        for equal in rows.chunk_by(|a, b| a.0 == b.0) {
            alarms += equal.len() as u64;
            hits += equal.iter().filter(|row| row.1).count() as u64;
            steps.push(Step { threshold: equal[0].0, alarms, hits });
        }
        Self { steps, events: hits, others: alarms - hits }
    }

    /// The steps, each with the hits and the alarms of the step before.
    fn pairs(&self) -> impl Iterator<Item = (&Step, u64, u64)> {
        let before = std::iter::once((0, 0)).chain(self.steps.iter().map(|step| (step.hits, step.alarms)));
        self.steps.iter().zip(before).map(|(step, (hits, alarms))| (step, hits, alarms))
    }

    fn average_precision(&self) -> f64 {
        let area =
            |(step, hits, _): (&Step, u64, u64)| (step.hits - hits) as f64 * step.hits as f64 / step.alarms as f64;
        self.pairs().map(area).sum::<f64>() / self.events as f64
    }

    fn auc(&self) -> f64 {
        let below = |(step, hits, alarms): (&Step, u64, u64)| {
            let (events, others) = (step.hits - hits, step.alarms - alarms - (step.hits - hits));
            let lower = self.others - (step.alarms - step.hits);
            events as f64 * (lower as f64 + 0.5 * others as f64)
        };
        self.pairs().map(below).sum::<f64>() / (self.events as f64 * self.others as f64)
    }
}

/// A probability that is neither 0 nor 1.
pub(super) fn cut(p: f64) -> f64 {
    p.clamp(FLOOR, 1.0 - FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scores_are_those_computed_by_hand_ties_included() {
        let came = [true, false, true, false, false];
        let p = [0.9, 0.5, 0.5, 0.2, 0.1];
        let scores = Scores::new(&came, &p, &[0.4; 5]).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(scores.base_rate, 0.4);
        close(scores.brier, (0.01 + 0.25 + 0.25 + 0.04 + 0.01) / 5.0);
        close(scores.brier_skill.unwrap(), 1.0 - 0.112 / 0.24);
        close(scores.log_loss, -(0.9f64.ln() + 2.0 * 0.5f64.ln() + 0.8f64.ln() + 0.9f64.ln()) / 5.0);
        // At 0.9 one alarm, one hit; at 0.5 three alarms, two hits.
        close(scores.average_precision.unwrap(), 0.5 * 1.0 + 0.5 * 2.0 / 3.0);
        // Of six pairs five are in order and one is tied.
        close(scores.auc.unwrap(), 5.5 / 6.0);
    }

    #[test]
    fn one_outcome_alone_has_no_ranking_and_nothing_has_no_score() {
        let never = Scores::new(&[false; 3], &[0.0, 0.1, 0.2], &[0.0; 3]).unwrap();
        assert_eq!((never.average_precision, never.auc, never.brier_skill, never.events), (None, None, None, 0));
        assert!(never.log_loss.is_finite());
        assert!(Scores::new(&[], &[], &[]).is_none() && Scores::new(&[true], &[], &[]).is_none());
        assert!(precision_recall(&[false], &[0.3]).is_empty());
    }

    #[test]
    fn a_sure_forecast_that_fails_costs_much_but_not_infinitely() {
        let wrong = Scores::new(&[true, false], &[0.0, 1.0], &[0.5; 2]).unwrap();
        assert!((wrong.log_loss + FLOOR.ln()).abs() < 1e-9, "{}", wrong.log_loss);
    }

    #[test]
    fn a_bin_holds_its_lower_edge_and_the_last_also_its_upper() {
        let bins = reliability(&[true, false, true], &[0.01, 0.0199, 1.0]);
        let summary: Vec<_> =
            bins.iter().map(|bin| (bin.lower, bin.upper, bin.count, bin.observed_frequency)).collect();
        assert_eq!(summary, [(0.01, 0.02, 2, 0.5), (0.9, 1.0, 1, 1.0)]);
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let p: Vec<_> = (0..5000).map(|row| f64::from(row) / 5001.0 + 1e-4).collect();
        let came: Vec<_> = (0..5000).map(|row| row % 7 == 0).collect();
        let curve = precision_recall(&came, &p);
        let last = curve[curve.len() - 1];
        assert!((350..=500).contains(&curve.len()), "{}", curve.len());
        assert_eq!((curve[0].recall, last.recall, last.threshold), (0.0, 1.0, 1e-4));
        assert!(curve.windows(2).all(|pair| pair[1].recall - pair[0].recall < 0.005));
        assert!(curve.windows(2).all(|pair| pair[0].threshold > pair[1].threshold && pair[0].recall <= pair[1].recall));
    }

    proptest! {
        #[test]
        fn ranks_agree_with_the_definition_over_all_pairs(rows in prop::collection::vec((any::<bool>(), 0..6u8), 2..40)) {
            let (came, p): (Vec<_>, Vec<_>) = rows.iter().map(|&(came, p)| (came, f64::from(p) / 6.0)).unzip();
            let scores = Scores::new(&came, &p, &p).unwrap();
            let (mut won, mut pairs, mut precision, mut events) = (0.0, 0.0, 0.0, 0.0);
            for (i, _) in came.iter().enumerate().filter(|(_, came)| **came) {
                let alarms = p.iter().filter(|&&other| other >= p[i]).count() as f64;
                let hits = (0..p.len()).filter(|&j| came[j] && p[j] >= p[i]).count() as f64;
                precision += hits / alarms;
                events += 1.0;
                for (j, _) in came.iter().enumerate().filter(|(_, came)| !**came) {
                    pairs += 1.0;
                    won += if p[i] > p[j] { 1.0 } else if p[i] == p[j] { 0.5 } else { 0.0 };
                }
            }
            if events > 0.0 && pairs > 0.0 {
                prop_assert!((scores.auc.unwrap() - won / pairs).abs() < 1e-9);
                prop_assert!((scores.average_precision.unwrap() - precision / events).abs() < 1e-9);
            } else {
                prop_assert_eq!((scores.auc, scores.average_precision), (None, None));
            }
            prop_assert_eq!(reliability(&came, &p).iter().map(|bin| bin.count).sum::<u64>(), p.len() as u64);
        }
    }
}
