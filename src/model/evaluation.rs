//! How good the forecasts of a test span were, how sure that is, and where: everything from forecasts and outcomes alone.
//!
//! One score of one span says little. A rare event makes few of the rows count, days differ more than rows, and a mean
//! over all stations hides those where the event never came. So every score stands with its interval over days, is told
//! again by hour of day and by how often the station was full before, and each model is tested against the next.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::thread;

use serde::{Deserialize, Serialize};

use super::bootstrap::{Blocks, Interval, Ranking, Resamples, ratio};
use super::curves::ReliabilityBin;
use super::metrics::{Scores, cut, reliability};
use super::name::ModelName;
use super::paired::PairedTest;

/// One origin of a test span, as an evaluation sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Any number that tells stations apart.
    pub station: u32,
    /// Any number that tells local days apart: what is drawn again as a whole.
    pub day: i32,
    /// Local hour of the origin, 0 to 23.
    pub hour: u8,
    /// How often its station was full before the test span.
    pub group: StationGroup,
    /// What came: whether the station was full at the horizon.
    pub full: bool,
}

/// How often a station was full in its training history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StationGroup {
    /// Never.
    Never,
    /// Less than 2 % of the time.
    Seldom,
    /// 2 to 10 % of the time.
    Sometimes,
    /// 10 % of the time and more.
    Often,
}

impl StationGroup {
    /// The group of a station that was full for this share of its training history, 0 to 1.
    pub fn of(share_full: f64) -> Self {
        match share_full {
            share if share >= 0.1 => Self::Often,
            share if share >= 0.02 => Self::Sometimes,
            share if share > 0.0 => Self::Seldom,
            _ => Self::Never,
        }
    }
}

/// Some models on the same rows of a test span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How far ahead the forecasts look, seconds.
    pub horizon_seconds: i64,
    /// Number of rows.
    pub origins: usize,
    /// How many of them the event followed.
    pub events: usize,
    /// `events / origins`.
    pub base_rate: f64,
    /// Number of local days, on which all intervals and tests rest.
    pub days: usize,
    /// Number of stations.
    pub stations: usize,
    /// The rows by local hour; hours without any are left out.
    pub by_hour: Vec<Part<u8>>,
    /// The rows by how often their station was full before; groups without any are left out.
    pub by_group: Vec<Part<StationGroup>>,
    /// The models, in the order given.
    pub models: Vec<ModelEvaluation>,
    /// Each model against the next, in rising order of their Brier scores.
    pub tests: Vec<PairedTest>,
}

/// The rows of one hour, or of one group of stations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part<K> {
    /// Which part.
    pub part: K,
    /// Number of rows.
    pub origins: usize,
    /// How many of them the event followed.
    pub events: usize,
    /// `events / origins`.
    pub base_rate: f64,
}

/// One model on the test span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelEvaluation {
    /// The model.
    pub model: ModelName,
    /// Its scores on all rows.
    pub scores: Scores,
    /// How sure these are.
    pub intervals: Intervals,
    /// How far its forecasts are from always saying the same.
    pub sharpness: Sharpness,
    /// How often the event came when it was forecast about so.
    pub reliability: Vec<ReliabilityBin>,
    /// Its scores by local hour.
    pub by_hour: Vec<PartScore<u8>>,
    /// Its scores by how often the station was full before.
    pub by_group: Vec<PartScore<StationGroup>>,
}

/// The intervals of the [`Scores`] of the same names; each `None` of fewer than three days, or where more than 5 % of the
/// resamples do not have the score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of the Brier score.
    pub brier: Option<Interval>,
    /// Of the Brier skill, calibrated persistence being scored on the same resample.
    pub brier_skill: Option<Interval>,
    /// Of the log loss.
    pub log_loss: Option<Interval>,
    /// Of the average precision.
    pub average_precision: Option<Interval>,
    /// Of the area under the ROC curve.
    pub auc: Option<Interval>,
}

/// What the Brier score is made of: `reliability - resolution + uncertainty + within_bins`, the first three as in Murphy,
/// A new vector partition of the probability score, J. Appl. Meteorol. 12 (1973), over the bins of
/// [`reliability()`](super::reliability()).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sharpness {
    /// Variance of the forecasts; 0 if they are always the same.
    pub variance: f64,
    /// Mean squared distance of a bin's mean forecast from how often the event came there; 0 is best.
    pub reliability: f64,
    /// Mean squared distance of how often the event came in a bin from the base rate; the more, the better.
    pub resolution: f64,
    /// `base rate (1 - base rate)`: what the base rate, always forecast, would score.
    pub uncertainty: f64,
    /// What the bins hide: the variance of the forecasts within a bin, less twice their covariance with what came
    /// (Stephenson, Coelho and Jolliffe, Two extra components in the Brier score decomposition, 2008).
    pub within_bins: f64,
}

/// One model on the rows of one part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartScore<K> {
    /// Which part, and how often the event came in it.
    #[serde(flatten)]
    pub part: Part<K>,
    /// Mean squared error of the probability.
    pub brier: f64,
    /// `1 - brier / brier of calibrated persistence` on the same part; `None` unless both outcomes occur in it.
    pub brier_skill: Option<f64>,
}

impl Evaluation {
    /// The evaluation of forecasts of the rows `judged`, each model's in their order, `horizon_seconds` ahead.
    ///
    /// Calibrated persistence must be among them, to measure skill against. `None` without it, without rows, if the
    /// lengths differ, or if a forecast is not a finite number. `seed` draws the days; the same digits come of the same
    /// seed, however many threads there are and whatever other models stand beside.
    pub fn new(
        horizon_seconds: i64,
        judged: &[Judged],
        forecasts: &[(ModelName, Vec<f64>)],
        seed: u64,
    ) -> Option<Self> {
        let fits = |p: &[f64]| p.len() == judged.len() && p.iter().all(|p| p.is_finite());
        if judged.is_empty() || !forecasts.iter().all(|(_, p)| fits(p)) {
            return None;
        }
        let (_, calibrated) = forecasts.iter().find(|(model, _)| *model == ModelName::Calibrated)?;
        let span = Span::new(judged, calibrated, seed);
        let judgements = span.judge_all(forecasts)?;

        let mut ranks: Vec<_> = judgements.iter().collect();
        ranks.sort_by(|a, b| a.evaluation.scores.brier.total_cmp(&b.evaluation.scores.brier));
        let tests = ranks.windows(2).map(|pair| {
            let models = [pair[0].evaluation.model, pair[1].evaluation.model];
            let differences: Vec<_> = pair[1].errors.iter().zip(&pair[0].errors).map(|(than, it)| than - it).collect();
            PairedTest::new(models, &differences, &span.counts, &span.resamples, seed)
        });
        let events = judged.iter().filter(|row| row.full).count();
        Some(Self {
            horizon_seconds,
            origins: judged.len(),
            events,
            base_rate: events as f64 / judged.len() as f64,
            days: span.days.keys.len(),
            stations: judged.iter().map(|row| row.station).collect::<HashSet<_>>().len(),
            by_hour: span.hours.parts.clone(),
            by_group: span.groups.parts.clone(),
            tests: tests.collect(),
            models: judgements.into_iter().map(|judgement| judgement.evaluation).collect(),
        })
    }

    /// What the tests say, a sentence for each: what beats the next, and what is not shown to.
    pub fn sentences(&self) -> Vec<String> {
        self.tests.iter().map(PairedTest::to_string).collect()
    }
}

/// All that the models have in common.
struct Span<'a> {
    full: Vec<bool>,
    calibrated: &'a [f64],
    days: Blocks<i32>,
    /// Number of rows by day.
    counts: Vec<f64>,
    /// Squared errors of calibrated persistence, summed by day.
    reference: Vec<f64>,
    hours: Parts<u8>,
    groups: Parts<StationGroup>,
    resamples: Resamples,
}

/// One model's evaluation, and its squared errors summed by day.
struct Judgement {
    evaluation: ModelEvaluation,
    errors: Vec<f64>,
}

impl<'a> Span<'a> {
    fn new(judged: &[Judged], calibrated: &'a [f64], seed: u64) -> Self {
        let full: Vec<_> = judged.iter().map(|row| row.full).collect();
        let days = Blocks::new(&judged.iter().map(|row| row.day).collect::<Vec<_>>());
        let errors = squared_errors(&full, calibrated);
        Self {
            calibrated,
            counts: days.sums(full.iter().map(|_| 1.0)),
            reference: days.sums(errors.iter().copied()),
            hours: Parts::new(judged, |row| row.hour, &errors),
            groups: Parts::new(judged, |row| row.group, &errors),
            resamples: Resamples::new(days.keys.len(), seed),
            days,
            full,
        }
    }

    /// Every model, in the order given, on as many threads as there are processors. No thread's work depends on another's.
    fn judge_all(&self, forecasts: &[(ModelName, Vec<f64>)]) -> Option<Vec<Judgement>> {
        let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(forecasts.len());
        let mut judgements: Vec<_> = forecasts.iter().map(|_| None).collect();
        let share = forecasts.len().div_ceil(workers);
        thread::scope(|scope| {
            for (judgements, forecasts) in judgements.chunks_mut(share).zip(forecasts.chunks(share)) {
                scope.spawn(move || {
                    for (judgement, (model, p)) in judgements.iter_mut().zip(forecasts) {
                        *judgement = self.judge(*model, p);
                    }
                });
            }
        });
        judgements.into_iter().collect()
    }

    fn judge(&self, model: ModelName, forecasts: &[f64]) -> Option<Judgement> {
        let scores = Scores::new(&self.full, forecasts, self.calibrated)?;
        let errors = squared_errors(&self.full, forecasts);
        let bins = reliability(&self.full, forecasts);
        let by_day = self.days.sums(errors.iter().copied());
        let evaluation = ModelEvaluation {
            model,
            intervals: self.intervals(forecasts, &by_day),
            sharpness: Sharpness::new(&scores, forecasts, &bins),
            reliability: bins,
            by_hour: self.hours.scores(&errors),
            by_group: self.groups.scores(&errors),
            scores,
        };
        Some(Judgement { evaluation, errors: by_day })
    }

    fn intervals(&self, forecasts: &[f64], errors: &[f64]) -> Intervals {
        let losses = self.days.sums(self.full.iter().zip(forecasts).map(|(&full, &p)| log_loss(full, p)));
        let ranking = Ranking::new(&self.full, forecasts, &self.days);
        let skill = |times: &[u32]| {
            let relative = ratio(times, errors, &self.reference).filter(|_| ranking.has_both(times));
            relative.map(|relative| 1.0 - relative)
        };
        Intervals {
            brier: self.resamples.interval(|times| ratio(times, errors, &self.counts)),
            brier_skill: self.resamples.interval(skill),
            log_loss: self.resamples.interval(|times| ratio(times, &losses, &self.counts)),
            average_precision: self.resamples.interval(|times| ranking.average_precision(times)),
            auc: self.resamples.interval(|times| ranking.auc(times)),
        }
    }
}

/// The parts that the rows fall into.
struct Parts<K> {
    blocks: Blocks<K>,
    parts: Vec<Part<K>>,
    /// Squared errors of calibrated persistence, summed by part.
    reference: Vec<f64>,
}

impl<K: Copy + Ord> Parts<K> {
    fn new(judged: &[Judged], key: impl Fn(&Judged) -> K, reference: &[f64]) -> Self {
        let blocks = Blocks::new(&judged.iter().map(key).collect::<Vec<_>>());
        let origins = blocks.sums(judged.iter().map(|_| 1.0));
        let events = blocks.sums(judged.iter().map(|row| f64::from(u8::from(row.full))));
        let parts = blocks.keys.iter().zip(origins.iter().zip(&events));
        let part = |(&part, (&origins, &events)): (&K, (&f64, &f64))| Part {
            part,
            origins: origins as usize,
            events: events as usize,
            base_rate: events / origins,
        };
        Self { parts: parts.map(part).collect(), reference: blocks.sums(reference.iter().copied()), blocks }
    }

    fn scores(&self, errors: &[f64]) -> Vec<PartScore<K>> {
        let sums = self.blocks.sums(errors.iter().copied());
        let scores = self.parts.iter().zip(sums.iter().zip(&self.reference)).map(|(&part, (&sum, &reference))| {
            let both = part.events > 0 && part.events < part.origins;
            PartScore {
                part,
                brier: sum / part.origins as f64,
                brier_skill: (both && reference > 0.0).then(|| 1.0 - sum / reference),
            }
        });
        scores.collect()
    }
}

impl Sharpness {
    fn new(scores: &Scores, forecasts: &[f64], bins: &[ReliabilityBin]) -> Self {
        let count = scores.count as f64;
        let over_bins = |distance: fn(&ReliabilityBin, f64) -> f64| {
            bins.iter().map(|bin| bin.count as f64 * distance(bin, scores.base_rate).powi(2)).sum::<f64>() / count
        };
        let mean = forecasts.iter().map(|&p| cut(p)).sum::<f64>() / count;
        let reliability = over_bins(|bin, _| bin.mean_forecast - bin.observed_frequency);
        let resolution = over_bins(|bin, base_rate| bin.observed_frequency - base_rate);
        let uncertainty = scores.base_rate * (1.0 - scores.base_rate);
        Self {
            variance: forecasts.iter().map(|&p| (cut(p) - mean).powi(2)).sum::<f64>() / count,
            reliability,
            resolution,
            uncertainty,
            within_bins: scores.brier - (reliability - resolution + uncertainty),
        }
    }
}

fn squared_errors(full: &[bool], forecasts: &[f64]) -> Vec<f64> {
    full.iter().zip(forecasts).map(|(&full, &p)| (f64::from(u8::from(full)) - cut(p)).powi(2)).collect()
}

/// As in [`Scores::log_loss`].
fn log_loss(full: bool, p: f64) -> f64 {
    if full { -cut(p).ln() } else { -(-cut(p)).ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    const ALL: [ModelName; 5] =
        [ModelName::Persistence, ModelName::Calibrated, ModelName::Climatology, ModelName::Logistic, ModelName::Tree];

    /// A span of so many days: the truth is known, and forecast ever more exactly by the later models.
    fn span(days: i32, rows_a_day: u32, seed: u64) -> (Vec<Judged>, Vec<(ModelName, Vec<f64>)>) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut forecasts = ALL.map(|model| (model, Vec::new()));
        let mut judged = Vec::new();
        for day in 0..days {
            for row in 0..rows_a_day {
                let truth = random.random::<f64>().powi(3);
                let full = random.random::<f64>() < truth;
                let group = StationGroup::of(f64::from(row % 4) * 0.04);
                judged.push(Judged { station: row % 50, day, hour: (row % 24) as u8, group, full });
                for (place, (_, p)) in forecasts.iter_mut().enumerate() {
                    let noise = 0.2 * (4 - place) as f64 * (random.random::<f64>() - 0.5);
                    p.push((truth + noise).clamp(0.0, 1.0));
                }
            }
        }
        (judged, forecasts.into())
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn a_span_is_scored_by_hand() {
        let row = |day, hour: u8, group, full| Judged { station: hour.into(), day, hour, group, full };
        let judged = [
            row(4, 7, StationGroup::Never, false),
            row(4, 8, StationGroup::Often, true),
            row(9, 7, StationGroup::Never, false),
            row(9, 8, StationGroup::Often, false),
        ];
        let forecasts =
            [(ModelName::Tree, vec![0.1, 0.8, 0.1, 0.4]), (ModelName::Calibrated, vec![0.2, 0.6, 0.0, 0.6])];
        let evaluation = Evaluation::new(3600, &judged, &forecasts, 1).unwrap();
        assert_eq!((evaluation.origins, evaluation.events, evaluation.base_rate), (4, 1, 0.25));
        assert_eq!((evaluation.days, evaluation.stations), (2, 2));
        let hour = Part { part: 8, origins: 2, events: 1, base_rate: 0.5 };
        assert_eq!(evaluation.by_hour, [Part { part: 7, origins: 2, events: 0, base_rate: 0.0 }, hour]);

        let tree = &evaluation.models[0];
        close(tree.scores.brier, 0.22 / 4.0);
        close(tree.by_hour[1].brier, 0.1);
        // Calibrated persistence has 0.16 and 0.36 there.
        close(tree.by_hour[1].brier_skill.unwrap(), 1.0 - 0.2 / 0.52);
        assert_eq!((tree.by_group[0].part.part, tree.by_group[0].brier_skill), (StationGroup::Never, None));
        assert_eq!(tree.by_group[1].part, Part { part: StationGroup::Often, ..evaluation.by_group[1] });

        let sharpness = tree.sharpness;
        close(sharpness.variance, 0.0825);
        // Bins of their own for 0.4 and 0.8; both 0.1 in one.
        close(sharpness.reliability, (2.0 * 0.01 + 0.04 + 0.16) / 4.0);
        close(sharpness.resolution, (3.0 * 0.0625 + 0.5625) / 4.0);
        close(sharpness.uncertainty, 0.1875);
        close(sharpness.within_bins, 0.0);

        // Two days are too few for an interval.
        let none = Intervals { brier: None, brier_skill: None, log_loss: None, average_precision: None, auc: None };
        assert_eq!(tree.intervals, none);
        let test = evaluation.tests[0];
        assert_eq!((test.better, test.than, test.interval, test.wins), (ALL[4], ALL[1], None, false));
        // By day 0.15 and 0.19, so that the sum of both is the farthest.
        assert_eq!((test.p_value, test.days), (0.5, 2));
        close(test.difference, (0.04 + 0.16 + 0.0 + 0.36 - 0.22) / 4.0);
        assert_eq!(
            evaluation.sentences(),
            ["tree is not shown to beat calibrated: Brier lower by 0.08500, p = 0.500, the least possible over 2 days"]
        );
    }

    #[test]
    fn better_models_win_and_every_interval_holds_its_score() {
        let (judged, forecasts) = span(8, 600, 3);
        let evaluation = Evaluation::new(1800, &judged, &forecasts, 1).unwrap();
        for model in &evaluation.models {
            let (scores, intervals) = (model.scores, model.intervals);
            let holds = |interval: Option<Interval>, score: f64| {
                let interval = interval.unwrap();
                assert!(interval.low <= score && score <= interval.high, "{interval:?} of {score}");
            };
            holds(intervals.brier, scores.brier);
            holds(intervals.brier_skill, scores.brier_skill.unwrap());
            holds(intervals.log_loss, scores.log_loss);
            holds(intervals.average_precision, scores.average_precision.unwrap());
            holds(intervals.auc, scores.auc.unwrap());
            assert!(intervals.brier.unwrap().low < intervals.brier.unwrap().high);
        }
        // Its own skill is none, in every resample.
        assert_eq!(evaluation.models[1].intervals.brier_skill, Some(Interval { low: 0.0, high: 0.0 }));
        let order: Vec<_> = evaluation.tests.iter().map(|test| (test.better, test.than)).collect();
        assert_eq!(order, [(ALL[4], ALL[3]), (ALL[3], ALL[2]), (ALL[2], ALL[1]), (ALL[1], ALL[0])]);
        assert!(evaluation.tests[2].wins && evaluation.sentences()[2].starts_with("climatology beats calibrated: "));
    }

    #[test]
    fn the_digits_do_not_depend_on_the_company_and_come_back_from_json() {
        let (judged, forecasts) = span(5, 200, 4);
        let all = Evaluation::new(1800, &judged, &forecasts, 9).unwrap();
        let two = Evaluation::new(1800, &judged, &forecasts[..2], 9).unwrap();
        assert_eq!(all.models[..2], two.models);
        assert_ne!(all.models, Evaluation::new(1800, &judged, &forecasts, 8).unwrap().models);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), all);
    }

    #[test]
    fn what_cannot_be_judged_is_none() {
        let (judged, forecasts) = span(3, 10, 5);
        let none = |judged: &[Judged], forecasts: &[_]| assert_eq!(Evaluation::new(60, judged, forecasts, 1), None);
        none(&[], &[(ModelName::Calibrated, Vec::new())]);
        none(&judged, &[]);
        none(&judged, &forecasts[2..]);
        none(&judged[1..], &forecasts);
        let mut holed = forecasts;
        holed[4].1[3] = f64::NAN;
        none(&judged, &holed);
    }

    #[test]
    fn where_the_event_never_came_there_is_no_skill_and_no_ranking() {
        let (mut judged, forecasts) = span(4, 50, 6);
        judged.iter_mut().for_each(|row| row.full = false);
        let evaluation = Evaluation::new(60, &judged, &forecasts, 1).unwrap();
        let model = &evaluation.models[4];
        assert_eq!((model.scores.brier_skill, model.scores.auc), (None, None));
        let Intervals { brier, brier_skill, log_loss, average_precision, auc } = model.intervals;
        assert_eq!((brier_skill, average_precision, auc), (None, None, None));
        assert!(brier.is_some() && log_loss.is_some() && model.by_group.iter().all(|part| part.brier_skill.is_none()));
    }

    #[test]
    fn a_group_holds_its_lower_edge() {
        let groups = [0.0, 0.001, 0.02, 0.0999, 0.1, 1.0].map(StationGroup::of);
        use StationGroup::{Never, Often, Seldom, Sometimes};
        assert_eq!(groups, [Never, Seldom, Sometimes, Sometimes, Often, Often]);
    }

    proptest! {
        #[test]
        fn the_parts_of_the_brier_score_sum_to_it(rows in prop::collection::vec((any::<bool>(), 0.0..1.0f64), 1..60)) {
            let (full, p): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let scores = Scores::new(&full, &p, &p).unwrap();
            let bins = reliability(&full, &p);
            let sharpness = Sharpness::new(&scores, &p, &bins);
            let within = full.iter().zip(&p).map(|(&full, &p)| {
                let bin = bins.iter().rev().find(|bin| bin.lower <= p).unwrap();
                let off = cut(p) - bin.mean_forecast;
                off * off - 2.0 * off * (f64::from(u8::from(full)) - bin.observed_frequency)
            });
            let within = within.sum::<f64>() / p.len() as f64;
            prop_assert!((sharpness.within_bins - within).abs() < 1e-9, "{} is not {within}", sharpness.within_bins);
        }
    }
}
