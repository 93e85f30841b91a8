//! An experiment: the forecasts judged as they would be used, again and again from a later origin, and written down so that
//! anybody gets the same digits.
//!
//! One split says how a forecast did in one week. Here each fold trains on all that lies before its split and tests until
//! the next, as a forecaster who trains anew every few days would; in each the validation span chooses the model and the
//! weights of the blend. The forecasts of all folds are then judged together, once, so that the intervals rest on all days.

mod hash;
mod judge;
mod settings;

use std::fmt::Display;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::settings::{ExperimentData, ExperimentSettings, SimulationSettings, Span, SplitSettings};
use super::advice::AdviceScores;
use super::bootstrap::Interval;
use super::count::CountScores;
use super::evaluation::Evaluation;
use super::metrics::Scores;
use super::name::ModelName;
use super::regret::Regret;
use super::save::SavedModel;
use super::train::{SEED, Trainer};
use super::training::{BlendWeight, CountForecastScores, Origins, Tested, Training};
use crate::error::{ErrorKind, Result};
use crate::features::{FEATURES_VERSION, History};
use crate::ingest::SimulatedStation;
use crate::station::{StationCode, StationStatus};

/// What came of an experiment. In JSON, all that can be told without the rows; no clock and no machine is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// What was asked.
    pub settings: ExperimentSettings,
    /// Where the data come from.
    pub source: String,
    /// SHA-256 over the JSON of the settings.
    pub settings_sha256: String,
    /// SHA-256 over the readings, in an order and a form of their own.
    pub readings_sha256: String,
    /// The version of this crate.
    pub crate_version: String,
    /// The version of the features.
    pub features_version: u32,
    /// Event time of the first usable reading.
    pub data_from: DateTime<Utc>,
    /// Event time of the last usable reading.
    pub data_until: DateTime<Utc>,
    /// Number of readings given.
    pub readings: usize,
    /// Number of readings used: usable, with all counts known, not repeated.
    pub usable_readings: usize,
    /// Number of stations used.
    pub stations: usize,
    /// Each horizon, the shortest first.
    pub horizons: Vec<HorizonResult>,
    /// The models chosen in the last fold, for all horizons that it has; `None` where it has none.
    #[serde(skip)]
    pub model: Option<SavedModel>,
}

/// One horizon over all folds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonResult {
    /// How far ahead, seconds.
    pub horizon_seconds: i64,
    /// How far from the horizon a label's reading may be, seconds; `None` where no fold could be trained.
    pub tolerance_seconds: Option<i64>,
    /// The folds that could be trained, in the order of time.
    pub folds: Vec<Fold>,
    /// The models on the test spans of all folds together; `None` where no fold could be trained.
    pub evaluation: Option<Evaluation>,
    /// The forecasts of the model that each fold chose.
    pub chosen: Option<ChosenScores>,
    /// How well the number of free docks was forecast.
    pub counts: Vec<CountForecastScores>,
    /// How far each model is from the optimum, where the truth is known.
    pub regret: Vec<Regret>,
    /// What riders would have found who went where they were advised to; up to half an hour ahead, where there are labels.
    pub advice: Vec<ForecastAdvice>,
    /// What a reader of these numbers has to know, in sentences.
    pub notes: Vec<String>,
    /// Every row of all test spans with every model's forecast, in the order of the folds.
    #[serde(skip)]
    pub tested: Tested,
    /// Of each of these rows, the forecast of the model that its fold chose.
    #[serde(skip)]
    pub chosen_forecasts: Vec<f64>,
}

/// One training and its test span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fold {
    /// When its test span begins. All that it learned, labels included, lies before.
    pub from: DateTime<Utc>,
    /// Where its test span ends.
    pub until: DateTime<Utc>,
    /// When the validation span, the end of its training span, begins.
    pub validation_from: DateTime<Utc>,
    /// Number of labelled origins.
    pub origins: Origins,
    /// The model that the validation span prefers.
    pub chosen: ModelName,
    /// What the blend mixes, and how much of each.
    pub blend: Vec<BlendWeight>,
}

/// The scores of what would have been used: in each fold the model that it chose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenScores {
    /// The scores over all folds.
    #[serde(flatten)]
    pub scores: Scores,
    /// How sure the skill is.
    pub skill_interval: Option<Interval>,
}

/// The advice that one forecast leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastAdvice {
    /// Which forecast: `chosen`, or `persistence` for riders who go by the docks that are free as they set out.
    pub forecast: String,
    /// Metres around the destination that are searched.
    pub metres: f64,
    /// The probability of a free dock that is asked for.
    pub least: f64,
    /// What came of it.
    #[serde(flatten)]
    pub scores: AdviceScores,
}

/// One row of a test span as a row of CSV.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestedPrediction {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Event time of the origin.
    pub last_reported: DateTime<Utc>,
    /// How far ahead.
    pub horizon_minutes: f64,
    /// The probability of the model that was chosen.
    pub p_full: f64,
    /// What came.
    pub full: bool,
}

/// Runs an experiment. `progress` is told each step in a line.
///
/// `readings` may come in any order and repeat. Where they were simulated, `stations` are the chains they come from
/// ([`SimulatedNetwork::stations`](crate::ingest::SimulatedNetwork::stations)); else it is empty, and no regret is known.
/// A horizon that cannot be trained, or not in every fold, says so in its notes; it is an error if none can be at all.
pub fn run_experiment(
    settings: &ExperimentSettings,
    readings: &[StationStatus],
    stations: &[SimulatedStation],
    progress: &mut dyn FnMut(&str),
) -> Result<Experiment> {
    let trainer = Trainer::new(readings)?;
    let folds = settings.split.folds(trainer.data);
    let mut pools: Vec<_> = settings.horizons.iter().map(|&horizon| Pool::new(horizon)).collect();
    let mut models = Vec::new();
    let mut failed = None;
    for (place, &fold) in folds.iter().enumerate() {
        models.clear();
        for pool in &mut pools {
            let name = format!("fold {} of {}", place + 1, folds.len());
            let mut told = |step: &str| progress(&format!("{name}, {} ahead: {step}", pool.horizon));
            match trainer.train(&settings.training(pool.horizon, fold), &mut told) {
                Ok(training) => models.push(pool.add(&name, fold.1, training)),
                Err(error) if error.kind() == ErrorKind::Model => {
                    pool.notes.push(format!("{name} could not be trained: {error}"));
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    if let Some(error) = failed.filter(|_| pools.iter().all(|pool| pool.folds.is_empty())) {
        return Err(error);
    }
    let mut horizons = Vec::new();
    for pool in pools {
        progress(&format!("{} ahead: judging all folds together", pool.horizon));
        horizons.push(pool.finish(&trainer.history, stations));
    }
    Ok(Experiment {
        settings: settings.clone(),
        source: settings.source()?,
        settings_sha256: hash::of_settings(settings)?,
        readings_sha256: hash::of_readings(readings),
        crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        features_version: FEATURES_VERSION,
        data_from: trainer.data.0,
        data_until: trainer.data.1,
        readings: readings.len(),
        usable_readings: trainer.history.len(),
        stations: trainer.history.stations().len(),
        horizons,
        model: if models.is_empty() { None } else { Some(SavedModel::join(models)?) },
    })
}

impl Experiment {
    /// Every row of every test span with the chosen model's forecast: horizon by horizon, fold by fold, by station and time.
    pub fn predictions(&self) -> impl Iterator<Item = TestedPrediction> {
        self.horizons.iter().flat_map(|horizon| {
            let tested = &horizon.tested;
            let rows =
                tested.judged.iter().zip(&tested.stations).zip(tested.times.iter().zip(&horizon.chosen_forecasts));
            rows.map(|((judged, station), (&time, &p_full))| TestedPrediction {
                station_code: station.clone(),
                last_reported: DateTime::from_timestamp(time, 0).unwrap_or_default(),
                horizon_minutes: horizon.minutes(),
                p_full,
                full: judged.full,
            })
        })
    }

    /// The horizon that stands for all where there is room for one: an hour, or what is nearest to it and has scores.
    pub fn main_horizon(&self) -> Option<&HorizonResult> {
        let scored = self.horizons.iter().filter(|horizon| horizon.evaluation.is_some());
        scored.min_by_key(|horizon| horizon.horizon_seconds.abs_diff(3600))
    }
}

impl HorizonResult {
    /// How far ahead, in minutes.
    pub fn minutes(&self) -> f64 {
        self.horizon_seconds as f64 / 60.0
    }

    /// The models that the folds chose, each once, in the order of the folds.
    pub fn chosen_models(&self) -> Vec<ModelName> {
        let mut chosen = Vec::new();
        for fold in &self.folds {
            if !chosen.contains(&fold.chosen) {
                chosen.push(fold.chosen);
            }
        }
        chosen
    }
}

/// The folds of one horizon as they come.
struct Pool {
    horizon: Span,
    tolerance: Option<i64>,
    folds: Vec<Fold>,
    tested: Tested,
    chosen: Vec<f64>,
    counts: Vec<CountForecastScores>,
    notes: Vec<String>,
}

impl Pool {
    fn new(horizon: Span) -> Self {
        Self {
            horizon,
            tolerance: None,
            folds: Vec::new(),
            tested: Tested::default(),
            chosen: Vec::new(),
            counts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the test span of a fold that was called so; the model that it trained is given back.
    fn add(&mut self, name: &str, until: Option<DateTime<Utc>>, training: Training) -> SavedModel {
        let Training { chosen, tested, .. } = training;
        let forecast = tested.forecasts.iter().find(|(model, _)| *model == chosen);
        self.chosen.extend(forecast.iter().flat_map(|(_, forecast)| forecast));
        self.notes.extend(training.notes.iter().map(|note| format!("{name}: {note}")));
        self.notes.extend(pool_rows(&mut self.tested, tested, self.folds.is_empty(), name));
        pool_counts(&mut self.counts, &training.counts);
        self.tolerance = Some(training.tolerance_seconds);
        self.folds.push(Fold {
            from: training.split,
            until: until.unwrap_or(training.data_until).min(training.data_until),
            validation_from: training.validation_from,
            origins: training.origins,
            chosen,
            blend: training.blend,
        });
        training.model
    }

    fn finish(self, history: &History, stations: &[SimulatedStation]) -> HorizonResult {
        let Self { horizon, tested, chosen, .. } = self;
        let seconds = horizon.get().num_seconds();
        let evaluation = Evaluation::new(seconds, &tested.judged, &tested.forecasts, SEED);
        HorizonResult {
            horizon_seconds: seconds,
            tolerance_seconds: self.tolerance,
            chosen: chosen_scores(seconds, &tested, &chosen),
            regret: judge::regrets(seconds, &tested, history, stations),
            advice: judge::advice(seconds, &tested, &chosen, history),
            folds: self.folds,
            evaluation,
            counts: self.counts,
            notes: self.notes,
            tested,
            chosen_forecasts: chosen,
        }
    }
}

/// Puts the rows of the next fold behind those of the folds before. A model that is not in every fold leaves them; what is
/// to be said of that.
fn pool_rows(pooled: &mut Tested, next: Tested, is_first: bool, name: &str) -> Vec<String> {
    if is_first {
        *pooled = next;
        return Vec::new();
    }
    let left_out = |model: ModelName, why: &dyn Display| format!("{model} is left out of the scores: {why}");
    let mut notes = Vec::new();
    for (model, _) in &next.forecasts {
        if !pooled.forecasts.iter().any(|(known, _)| known == model) {
            notes.push(left_out(*model, &format_args!("{name} has it, one before has not")));
        }
    }
    pooled.forecasts.retain_mut(|(model, forecasts)| {
        let more = next.forecasts.iter().find(|(other, _)| other == model);
        match more {
            Some((_, more)) => forecasts.extend(more),
            None => notes.push(left_out(*model, &format_args!("{name} has not got it"))),
        }
        more.is_some()
    });
    pooled.judged.extend(next.judged);
    pooled.times.extend(next.times);
    pooled.stations.extend(next.stations);
    notes
}

/// Means over the rows of all folds.
fn pool_counts(pooled: &mut Vec<CountForecastScores>, next: &[CountForecastScores]) {
    for CountForecastScores { forecast, scores: more } in next {
        let Some(known) = pooled.iter_mut().find(|known| known.forecast == *forecast) else {
            pooled.push(CountForecastScores { forecast: forecast.clone(), scores: *more });
            continue;
        };
        let scores = known.scores;
        let (rows, more_rows) = (scores.count as f64, more.count as f64);
        let mean = |one: f64, other: f64| (one * rows + other * more_rows) / (rows + more_rows);
        known.scores = CountScores {
            count: scores.count + more.count,
            crps: mean(scores.crps, more.crps),
            mae: mean(scores.mae, more.mae),
            rmse: mean(scores.rmse.powi(2), more.rmse.powi(2)).sqrt(),
            coverage: mean(scores.coverage, more.coverage),
        };
    }
}

fn chosen_scores(seconds: i64, tested: &Tested, chosen: &[f64]) -> Option<ChosenScores> {
    let calibrated = tested.forecasts.iter().find(|(model, _)| *model == ModelName::Calibrated)?;
    // The chosen models stand under one name; calibrated persistence is the first of its name if it is that.
    let both = [calibrated.clone(), (ModelName::Calibrated, chosen.to_vec())];
    let evaluation = Evaluation::new(seconds, &tested.judged, &both, SEED)?;
    let judged = evaluation.models.last()?;
    Some(ChosenScores { scores: judged.scores, skill_interval: judged.intervals.brier_skill })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Target;
    use chrono::TimeDelta;

    fn settings(more: &str) -> ExperimentSettings {
        let toml = format!(
            "title = \"t\"\nquestion = \"q\"\ndata = \"simulated\"\nmodels = [\"persistence\", \"queue\"]\n{more}\n\
             [simulation]\nstations = 12\ndays = 6\nstep = \"30m\""
        );
        toml::from_str(&toml).unwrap()
    }

    const TWO_FOLDS: &str = "horizons = [\"30m\", \"1h\"]\nsplit = { test_days = 2, folds = 2 }";

    fn run(settings: &ExperimentSettings, turned: bool) -> Result<Experiment> {
        let network = settings.network()?.unwrap();
        let stations = network.stations().to_vec();
        let mut readings = network.readings();
        if turned {
            readings.reverse();
        }
        run_experiment(settings, &readings, &stations, &mut |_| ())
    }

    #[test]
    fn the_folds_are_tested_one_after_another_and_judged_together() {
        let experiment = run(&settings(TWO_FOLDS), false).unwrap();
        for horizon in &experiment.horizons {
            let [one, two] = &horizon.folds[..] else { panic!("{:?}", horizon.folds) };
            assert_eq!((one.until, two.until), (two.from, experiment.data_until));
            assert_eq!(one.from.to_rfc3339(), "2024-03-08T00:00:00+00:00");
            assert!(two.until - one.from > TimeDelta::hours(47));
            let (evaluation, tested) = (horizon.evaluation.as_ref().unwrap(), &horizon.tested);
            assert_eq!(evaluation.origins, one.origins.test + two.origins.test);
            let (of_one, of_two) = tested.times.split_at(one.origins.test);
            let between = |times: &[i64], fold: &Fold| {
                let (from, until) = (fold.from.timestamp(), fold.until.timestamp());
                times.iter().all(|&time| time >= from && time <= until)
            };
            assert!(
                between(of_one, one) && between(of_two, two) && of_one.iter().all(|&time| time < two.from.timestamp())
            );
            let models: Vec<_> = evaluation.models.iter().map(|model| model.model).collect();
            assert_eq!(models, [ModelName::Persistence, ModelName::Calibrated, ModelName::Queue]);
            assert!(tested.forecasts.iter().all(|(_, forecast)| forecast.len() == evaluation.origins));
            assert!(horizon.counts.iter().all(|count| count.scores.count == evaluation.origins));
            assert_eq!(horizon.chosen.unwrap().scores.count, evaluation.origins);
        }
        let model = experiment.model.as_ref().unwrap();
        assert_eq!((model.horizons.len(), model.trained_until), (2, experiment.horizons[0].folds[1].from));
        assert_eq!(experiment.main_horizon().unwrap().minutes(), 60.0);
        let rows: usize = experiment.horizons.iter().map(|horizon| horizon.tested.times.len()).sum();
        assert_eq!(experiment.predictions().count(), rows);
        let full = experiment.predictions().filter(|row| row.full).count();
        assert_eq!(full, experiment.horizons.iter().map(|one| one.evaluation.as_ref().unwrap().events).sum::<usize>());
    }

    #[test]
    fn no_fold_learns_from_what_its_test_span_reports() {
        let settings = settings("horizons = [\"1h\"]\nsplit = { test_days = 2, folds = 2 }");
        let network = settings.network().unwrap().unwrap();
        let mut readings = network.readings();
        let known = run_experiment(&settings, &readings, &[], &mut |_| ()).unwrap();
        let second = &known.horizons[0].folds[1];
        let otherwise = readings.iter_mut().filter(|reading| reading.last_reported >= second.from);
        otherwise.for_each(|reading| reading.docks_available = reading.docks_available.map(|docks| docks / 3));
        let other = run_experiment(&settings, &readings, &[], &mut |_| ()).unwrap();
        let first = known.horizons[0].folds[0].origins.test;
        let of_first = |experiment: &Experiment| {
            let tested = &experiment.horizons[0].tested;
            tested.forecasts.iter().map(|(_, forecast)| forecast[..first].to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(of_first(&known), of_first(&other));
        let learned = |experiment: &Experiment| experiment.horizons[0].folds[1].blend.clone();
        assert_eq!(
            (learned(&known), second.origins.train),
            (learned(&other), other.horizons[0].folds[1].origins.train)
        );
        assert_ne!(known.readings_sha256, other.readings_sha256);
        // The embargo: an origin whose label could lie behind the split is neither trained nor tested on.
        let history = History::new(&readings);
        let target = Target { horizon: 3600, tolerance: 1200 };
        let before = |example: &&crate::features::Example| example.time + 4800 < second.from.timestamp();
        assert_eq!(target.examples(&history).iter().filter(before).count(), second.origins.train);
    }

    #[test]
    fn the_same_readings_in_another_order_give_the_same_digits() {
        let settings = settings(TWO_FOLDS);
        let json = |turned| serde_json::to_string(&run(&settings, turned).unwrap()).unwrap();
        let one = json(false);
        assert_eq!(one, json(true));
        let read: Experiment = serde_json::from_str(&one).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), one);
        assert_eq!((read.settings_sha256.len(), read.readings_sha256.len()), (64, 64));
    }

    #[test]
    fn where_the_truth_is_known_each_model_has_a_regret_and_short_rides_an_advice() {
        let experiment = run(&settings(TWO_FOLDS), false).unwrap();
        for horizon in &experiment.horizons {
            assert_eq!(horizon.regret.len(), 3);
            let rows = horizon.regret[0].origins;
            assert!(rows > 0 && rows <= horizon.tested.times.len());
            let regret = |name| horizon.regret.iter().find(|one| one.model == name).unwrap().regret;
            assert!(0.0 < regret(ModelName::Queue) && regret(ModelName::Queue) < regret(ModelName::Persistence));
        }
        let [half, hour] = &experiment.horizons[..] else { panic!("two horizons") };
        let [chosen, persistence] = &half.advice[..] else { panic!("{:?}", half.advice) };
        assert_eq!((chosen.forecast.as_str(), persistence.forecast.as_str()), ("chosen", "persistence"));
        assert_eq!(chosen.scores.destinations, half.tested.times.len());
        assert!(chosen.scores.share_free.unwrap() > 0.9 && hour.advice.is_empty());
    }

    #[test]
    fn a_horizon_without_labels_is_told_and_the_others_stand() {
        let sparse = settings("horizons = [\"10m\", \"1h\"]\ntolerance = \"1m\"\nsplit = { test_days = 2 }");
        let network = sparse.network().unwrap().unwrap();
        // What is reported once an hour, on the hour, tells nothing ten minutes later.
        let mut readings = network.readings();
        readings.retain(|reading| reading.fetched_at.timestamp() % 3600 == 0);
        readings.iter_mut().for_each(|reading| reading.last_reported = reading.fetched_at);
        let experiment = run_experiment(&sparse, &readings, &[], &mut |_| ()).unwrap();
        let [short, hour] = &experiment.horizons[..] else { panic!("two horizons") };
        assert!(short.evaluation.is_none() && short.chosen.is_none() && short.folds.is_empty());
        assert!(short.notes[0].starts_with("fold 1 of 1 could not be trained: no origin in the"), "{:?}", short.notes);
        assert!(hour.evaluation.is_some() && hour.regret.is_empty());
        assert_eq!(experiment.model.unwrap().horizons.len(), 1);
        let none = ExperimentSettings { horizons: vec!["10m".parse().unwrap()], ..sparse };
        let error = run_experiment(&none, &readings, &[], &mut |_| ()).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Model, 1));
    }

    #[test]
    fn means_over_folds_are_means_over_rows_and_a_model_must_be_in_all() {
        let scores = |count, value| CountForecastScores {
            forecast: "queue".into(),
            scores: CountScores { count, crps: value, mae: value, rmse: value, coverage: value / 10.0 },
        };
        let mut pooled = Vec::new();
        pool_counts(&mut pooled, &[scores(1, 1.0)]);
        pool_counts(&mut pooled, &[scores(3, 5.0)]);
        let CountScores { count, crps, mae, rmse, coverage } = pooled[0].scores;
        assert_eq!((count, crps, mae, coverage), (4, 4.0, 4.0, 0.4));
        assert!((rmse - 19f64.sqrt()).abs() < 1e-12);

        let of = |models: &[ModelName]| Tested {
            forecasts: models.iter().map(|&model| (model, vec![0.5])).collect(),
            times: vec![7],
            ..Tested::default()
        };
        let mut pooled = Tested::default();
        assert!(pool_rows(&mut pooled, of(&[ModelName::Calibrated, ModelName::Tree]), true, "fold 1").is_empty());
        let notes = pool_rows(&mut pooled, of(&[ModelName::Calibrated, ModelName::Boost]), false, "fold 2");
        assert_eq!(pooled.forecasts, [(ModelName::Calibrated, vec![0.5, 0.5])]);
        assert_eq!((notes.len(), pooled.times.len()), (2, 2));
    }
}
