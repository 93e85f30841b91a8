//! How sure a score is: the test span drawn again, day by day.
//!
//! The rows of one day are alike: the same weather, the same strike, the same station full for hours. Rows drawn one by
//! one would make every interval far too narrow. So whole days are drawn with replacement (Efron and Tibshirani, An
//! Introduction to the Bootstrap, 1993, ch. 8) and an interval is what lies between two percentiles (ch. 13). A score of a
//! resample needs no rows: sums by day are enough for the means, and counts by day at each forecast for the ranks.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::metrics::cut;

/// How often the span is drawn again.
const RESAMPLES: usize = 1000;
/// The fewest days that say how days differ.
const FEWEST_DAYS: usize = 3;
/// How much of the resamples lies below an interval, and as much above.
const TAIL: f64 = 0.025;
/// The share of the resamples that must have the score.
const DEFINED: f64 = 0.95;

/// Where a score lies with 95 %: between the 2.5th and the 97.5th percentile of 1000 resamples of whole days.
///
/// With few days it is too narrow: of days that differ as the normal distribution has it, 3 hold the truth in 75 % of the
/// cases, 5 in 84 %, 7 in 88 %, 14 in 91 % (2000 simulated spans each).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Rows by what they have in common: a day, an hour, a group.
#[derive(Clone, Debug)]
pub(super) struct Blocks<K> {
    /// In rising order.
    pub(super) keys: Vec<K>,
    of_row: Vec<usize>,
}

impl<K: Copy + Ord> Blocks<K> {
    /// From the key of each row.
    pub(super) fn new(of_row: &[K]) -> Self {
        let mut keys = of_row.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let of_row = of_row.iter().map(|row| keys.partition_point(|key| key < row)).collect();
        Self { keys, of_row }
    }

    /// The sum of a value of each row, by block.
    pub(super) fn sums(&self, values: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.keys.len()];
        self.of_row.iter().zip(values).for_each(|(&block, value)| sums[block] += value);
        sums
    }
}

/// How often each block was drawn, in each resample: the same for all models, so that their differences are paired.
#[derive(Clone, Debug)]
pub(super) struct Resamples {
    blocks: usize,
    times: Vec<u32>,
}

impl Resamples {
    /// As many draws as there are blocks, with replacement; no resamples of fewer than three blocks.
    pub(super) fn new(blocks: usize, seed: u64) -> Self {
        if blocks < FEWEST_DAYS {
            return Self { blocks: 1, times: Vec::new() };
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut times = vec![0; RESAMPLES * blocks];
        for times in times.chunks_exact_mut(blocks) {
            for _ in 0..blocks {
                times[(random.random::<f64>() * blocks as f64) as usize] += 1;
            }
        }
        Self { blocks, times }
    }

    /// The interval of a score, given how often each block counts. Resamples that do not have it (no event was drawn)
    /// are left out; `None` if these are more than 5 %, or if there are no resamples.
    pub(super) fn interval(&self, score: impl FnMut(&[u32]) -> Option<f64>) -> Option<Interval> {
        let mut scores: Vec<_> = self.times.chunks_exact(self.blocks).filter_map(score).collect();
        if scores.is_empty() || (scores.len() as f64) < DEFINED * RESAMPLES as f64 {
            return None;
        }
        scores.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| scores[((share * scores.len() as f64).ceil() as usize).max(1) - 1];
        Some(Interval { low: at(TAIL), high: at(1.0 - TAIL) })
    }
}

/// `Σ times over / Σ times under`, of sums by block; `None` where the lower sum is zero.
pub(super) fn ratio(times: &[u32], over: &[f64], under: &[f64]) -> Option<f64> {
    let sum = |sums: &[f64]| sums.iter().zip(times).map(|(&sum, &times)| sum * f64::from(times)).sum::<f64>();
    let under = sum(under);
    (under > 0.0).then(|| sum(over) / under)
}

/// What the ranking scores of a resample are made of; exactly those of [`Scores`](super::Scores), with each block's rows
/// repeated as often as it was drawn.
///
/// Between two forecasts that the event followed, only the number of other rows in each block counts, not their order.
/// So one sort and one pass over the rows leave a few counts for each event, whatever the number of resamples.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    /// One for each different forecast that an event followed, from the highest down.
    steps: Vec<Step>,
    tallies: Vec<Tally>,
    /// Row by row: how many pairs of an event of this block and another row of that block are in order, ties half.
    in_order: Vec<f64>,
    /// By block: the rows with the event, and those without.
    events: Vec<f64>,
    others: Vec<f64>,
}

/// Where in the tallies a step ends: first the rows without the event since the step before, those at the same forecast
/// included; then those with the event.
#[derive(Clone, Copy, Debug)]
struct Step {
    others: usize,
    events: usize,
}

/// So many rows of this block.
#[derive(Clone, Copy, Debug)]
struct Tally {
    block: usize,
    count: u64,
}

impl Ranking {
    pub(super) fn new<K>(came: &[bool], forecasts: &[f64], blocks: &Blocks<K>) -> Self {
        let count = blocks.keys.len();
        let (mut events, mut others) = (vec![0u64; count], vec![0u64; count]);
        for (&came, &block) in came.iter().zip(&blocks.of_row) {
            let rows = if came { &mut events } else { &mut others };
            rows[block] += 1;
        }
        let mut rows: Vec<_> =
            forecasts.iter().zip(came).zip(&blocks.of_row).map(|((&p, &came), &block)| (cut(p), came, block)).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut steps, mut tallies, mut in_order) = (Vec::new(), Vec::new(), vec![0.0; count * count]);
        // Rows without the event: forecast higher than the present tie, and of these, since the last step.
        let (mut higher, mut since) = (vec![0u64; count], vec![0u64; count]);
        let (mut hits, mut tied) = (vec![0u64; count], vec![0u64; count]);
        for equal in rows.chunk_by(|a, b| a.0 == b.0) {
            for &(_, came, block) in equal {
                let rows = if came { &mut hits } else { &mut since };
                rows[block] += 1;
                tied[block] += u64::from(!came);
            }
            let has_event = equal.iter().any(|row| row.1);
            if has_event {
                for (mine, &hits) in hits.iter().enumerate().filter(|(_, hits)| **hits > 0) {
                    for (other, in_order) in in_order[mine * count..][..count].iter_mut().enumerate() {
                        let lower = others[other] - higher[other] - tied[other];
                        *in_order += hits as f64 * (lower as f64 + 0.5 * tied[other] as f64);
                    }
                }
                drain(&mut since, &mut tallies);
                let others = tallies.len();
                drain(&mut hits, &mut tallies);
                steps.push(Step { others, events: tallies.len() });
            }
            for &(_, came, block) in equal {
                higher[block] += u64::from(!came);
                tied[block] = 0;
            }
        }
        let float = |counts: Vec<u64>| counts.into_iter().map(|count| count as f64).collect();
        Self { steps, tallies, in_order, events: float(events), others: float(others) }
    }

    /// Average precision where each block counts so many times; `None` unless both outcomes occur.
    pub(super) fn average_precision(&self, times: &[u32]) -> Option<f64> {
        let rows = |from: usize, until: usize| {
            self.tallies[from..until].iter().map(|tally| u64::from(times[tally.block]) * tally.count).sum::<u64>()
        };
        let (mut area, mut alarms, mut hits, mut from) = (0.0, 0, 0, 0);
        for step in &self.steps {
            let here = rows(step.others, step.events);
            alarms += rows(from, step.others) + here;
            if here > 0 {
                hits += here;
                area += here as f64 * hits as f64 / alarms as f64;
            }
            from = step.events;
        }
        self.has_both(times).then(|| area / hits as f64)
    }

    /// Area under the ROC curve where each block counts so many times; `None` unless both outcomes occur.
    pub(super) fn auc(&self, times: &[u32]) -> Option<f64> {
        let by_block = self.in_order.chunks_exact(times.len()).map(|in_order| total(times, in_order));
        let won: f64 = by_block.zip(times).map(|(won, &times)| won * f64::from(times)).sum();
        self.has_both(times).then(|| won / (total(times, &self.events) * total(times, &self.others)))
    }

    /// Whether rows with and without the event were drawn.
    pub(super) fn has_both(&self, times: &[u32]) -> bool {
        total(times, &self.events) > 0.0 && total(times, &self.others) > 0.0
    }
}

/// `Σ times sum`, by block.
fn total(times: &[u32], sums: &[f64]) -> f64 {
    sums.iter().zip(times).map(|(&sum, &times)| sum * f64::from(times)).sum()
}

/// Moves what was counted to the end of `tallies`.
fn drain(counts: &mut [u64], tallies: &mut Vec<Tally>) {
    for (block, count) in counts.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
        tallies.push(Tally { block, count: std::mem::take(count) });
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Scores;
    use super::*;
    use proptest::prelude::*;
    use rand::Rng;

    #[test]
    fn each_resample_draws_as_many_days_as_there_are_and_again_the_same() {
        let resamples = Resamples::new(5, 7);
        assert_eq!(resamples.times.len(), 5 * RESAMPLES);
        assert!(resamples.times.chunks_exact(5).all(|times| times.iter().sum::<u32>() == 5));
        assert_eq!(resamples.times, Resamples::new(5, 7).times);
        assert_ne!(resamples.times, Resamples::new(5, 8).times);
        // A day is in a resample with 1 - (4/5)^5.
        let drawn = resamples.times.iter().filter(|&&times| times > 0).count() as f64 / resamples.times.len() as f64;
        assert!((drawn - 0.67232).abs() < 0.02, "{drawn}");
    }

    #[test]
    fn an_interval_lies_between_the_25th_and_the_975th_of_a_thousand() {
        let mut next = 0.0;
        let counted = Resamples::new(3, 0).interval(|_| {
            next += 1.0;
            Some(1000.0 - next)
        });
        assert_eq!(counted, Some(Interval { low: 24.0, high: 974.0 }));
        assert_eq!(Resamples::new(2, 0).interval(|_| Some(1.0)), None);
        let mut calls = 0;
        let seldom = Resamples::new(3, 0).interval(|_| {
            calls += 1;
            (calls % 10 > 0).then_some(1.0)
        });
        assert_eq!((seldom, calls), (None, 1000));
    }

    /// Twenty days of forty rows, each day with a rate of its own between 0.1 and 0.5; always forecast 0.3. The expected
    /// Brier score is 0.3 · 0.7² + 0.7 · 0.3² = 0.21.
    #[test]
    fn the_interval_over_days_holds_the_true_score_about_as_often_as_it_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let (mut by_day, mut by_row) = (0, 0);
        for run in 0..200 {
            let (mut errors, mut days) = (Vec::new(), Vec::new());
            for day in 0..20 {
                let rate = 0.1 + 0.4 * random.random::<f64>();
                for _ in 0..40 {
                    errors.push(if random.random::<f64>() < rate { 0.49 } else { 0.09 });
                    days.push(day);
                }
            }
            let covers = |keys: &[i32]| {
                let blocks = Blocks::new(keys);
                let (sums, counts) = (blocks.sums(errors.iter().copied()), blocks.sums(keys.iter().map(|_| 1.0)));
                let resamples = Resamples::new(blocks.keys.len(), run);
                let interval = resamples.interval(|times| ratio(times, &sums, &counts)).unwrap();
                usize::from((interval.low..=interval.high).contains(&0.21))
            };
            by_day += covers(&days);
            if run < 40 {
                by_row += covers(&(0..800).collect::<Vec<_>>());
            }
        }
        assert!((172..=198).contains(&by_day), "{by_day} of 200");
        // Rows drawn one by one are too sure.
        assert!(by_row < 34, "{by_row} of 40");
    }

    /// Days that are nearly normal, as sums of twelve uniform numbers are.
    #[test]
    fn with_few_days_an_interval_is_as_much_too_narrow_as_it_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        for (days, least, most) in [(3, 0.70, 0.80), (7, 0.84, 0.92)] {
            let runs = 500;
            let covered = (0..runs).filter(|&run| {
                let day = |_| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
                let sums: Vec<_> = (0..days).map(day).collect();
                let counts = vec![1.0; days];
                let interval = Resamples::new(days, run).interval(|times| ratio(times, &sums, &counts)).unwrap();
                (interval.low..=interval.high).contains(&0.0)
            });
            let covered = covered.count() as f64 / runs as f64;
            assert!((least..=most).contains(&covered), "{covered} of {days} days");
        }
    }

    proptest! {
        #[test]
        fn ranks_of_a_resample_are_those_of_the_rows_repeated(
            rows in prop::collection::vec((any::<bool>(), 0..6u8, 0..4usize), 1..40),
            times in prop::collection::vec(0..4u32, 4),
        ) {
            let came: Vec<_> = rows.iter().map(|row| row.0).collect();
            let p: Vec<_> = rows.iter().map(|row| f64::from(row.1) / 5.0).collect();
            let days: Vec<_> = rows.iter().map(|row| row.2).collect();
            let blocks = Blocks::new(&days);
            let times_by_block: Vec<_> = blocks.keys.iter().map(|&day| times[day]).collect();
            let ranking = Ranking::new(&came, &p, &blocks);
            let repeated: Vec<_> = (0..rows.len()).flat_map(|row| vec![row; times[days[row]] as usize]).collect();
            let came: Vec<_> = repeated.iter().map(|&row| came[row]).collect();
            let p: Vec<_> = repeated.iter().map(|&row| p[row]).collect();
            let scores = Scores::new(&came, &p, &p);
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-12,
                (a, b) => a == b,
            };
            let (ap, auc) = (ranking.average_precision(&times_by_block), ranking.auc(&times_by_block));
            prop_assert!(close(ap, scores.and_then(|scores| scores.average_precision)), "{ap:?}");
            prop_assert!(close(auc, scores.and_then(|scores| scores.auc)), "{auc:?}");
        }

        #[test]
        fn sums_by_block_are_those_of_a_search(rows in prop::collection::vec((-3..3i32, 0..9u8), 0..30)) {
            let keys: Vec<_> = rows.iter().map(|row| row.0).collect();
            let blocks = Blocks::new(&keys);
            let sums = blocks.sums(rows.iter().map(|row| f64::from(row.1)));
            for (key, sum) in blocks.keys.iter().zip(sums) {
                let found: u32 = rows.iter().filter(|row| row.0 == *key).map(|row| u32::from(row.1)).sum();
                prop_assert_eq!(sum, f64::from(found));
            }
            prop_assert!(blocks.keys.is_sorted_by(|a, b| a < b) && keys.iter().all(|key| blocks.keys.contains(key)));
        }
    }
}
