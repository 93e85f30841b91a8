//! From a history to a judged forecast: label, split, fit, choose on the validation span, fit again on the whole
//! training span, score once on the test span.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::blend::Blend;
use super::evaluation::Evaluation;
use super::fitted::Fitted;
use super::metrics::{precision_recall, reliability};
use super::name::ModelName;
use super::parts::{Parts, Span};
use super::save::{Prediction, SavedModel, Trained};
use super::scope::Scope;
use super::split::{ChronologicalSplit, show};
use super::stopwatch::Stopwatch;
use super::test_span::{Test, count_persistence, say_what_the_test_cannot};
use super::training::{BlendWeight, Origins, TrainSettings, Training};
use super::validate::{prefer, validate};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{DailyFlows, Example, Flows, History};
use crate::station::StationStatus;

/// The seed of the bootstrap: the same scores have the same intervals.
pub(super) const SEED: u64 = 1;

/// Trains and judges. `progress` is told each step in a line.
///
/// `readings` may come in any order and repeat. The same readings and settings give the same result.
pub fn train(readings: &[StationStatus], settings: &TrainSettings, progress: &mut dyn FnMut(&str)) -> Result<Training> {
    Trainer::new(readings)?.train(settings, progress)
}

/// The same for one horizon after another in the place of the one in `settings`; what does not depend on it is done once.
pub fn train_each(
    readings: &[StationStatus],
    settings: &TrainSettings,
    horizons: &[TimeDelta],
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Training>> {
    let trainer = Trainer::new(readings)?;
    let one = |&horizon: &TimeDelta| trainer.train(&TrainSettings { horizon, ..settings.clone() }, progress);
    horizons.iter().map(one).collect()
}

/// A history made ready to train on.
pub(super) struct Trainer<'a> {
    readings: &'a [StationStatus],
    pub(super) history: History,
    pub(super) data: (DateTime<Utc>, DateTime<Utc>),
    /// What the history took.
    watch: Stopwatch,
    /// The flows by the readings before a time, as they were asked for.
    flows: RefCell<Vec<FlowsBefore>>,
}

/// Seconds since 1970, and the flows by the readings before.
type FlowsBefore = (i64, Rc<(Flows, DailyFlows)>);

impl<'a> Trainer<'a> {
    pub(super) fn new(readings: &'a [StationStatus]) -> Result<Self> {
        let mut watch = Stopwatch::default();
        let history = watch.time("history", || History::new(readings));
        let Some(data) = history.span() else {
            return Err(Error::new(
                ErrorKind::Model,
                format_args!("none of {} readings is of a usable station with known docks and bikes", readings.len()),
            )
            .way_out("take another history"));
        };
        Ok(Self { readings, history, data, watch, flows: RefCell::default() })
    }

    pub(super) fn flows(&self, before: DateTime<Utc>) -> Rc<(Flows, DailyFlows)> {
        let before = before.timestamp();
        let mut known = self.flows.borrow_mut();
        if let Some((_, flows)) = known.iter().find(|(time, _)| *time == before) {
            return Rc::clone(flows);
        }
        let flows = Rc::new(Flows::fit(&self.history, before));
        // The two of one split serve every horizon; those of an earlier split are not asked for again.
        if known.len() == 2 {
            known.remove(0);
        }
        known.push((before, Rc::clone(&flows)));
        flows
    }

    /// Whose rows are trained on, and the only station whose rows count, if there is one.
    pub(super) fn scope(
        &self,
        settings: &TrainSettings,
        examples: &[Example],
        split: &ChronologicalSplit,
    ) -> Result<(Scope, Option<usize>)> {
        let scope = Scope::of(settings, self.readings, &self.history, examples, split)?;
        let alone = if let Scope::Station(code) = &scope { self.history.position(code.as_str()) } else { None };
        Ok((scope, alone))
    }

    pub(super) fn train(&self, settings: &TrainSettings, progress: &mut dyn FnMut(&str)) -> Result<Training> {
        let (history, data, mut watch) = (&self.history, self.data, self.watch.clone());
        let target = settings.target()?;
        let split = ChronologicalSplit::new(data, settings.split, target)?;
        let examples = watch.time("labels", || target.examples(history));
        progress(&format!(
            "{} of {} usable readings of {} stations have a label",
            examples.len(),
            history.len(),
            history.stations().len()
        ));
        let (scope, alone) = self.scope(settings, &examples, &split)?;
        let mut notes = Vec::new();
        if settings.split.is_none() {
            notes.push(format!(
                "no split was given: the last quarter of the time, from {}, is tested on",
                show(split.test_from())
            ));
        }
        let parts = Parts::new(&examples, &split, settings.test_until, alone)?;
        progress("fitting the flows of each station");
        let span = Span { history, target, alone, flows: &self.flows(split.validation_from()) };
        let validated = validate(&span, &parts, settings, &mut notes, progress);
        let preferred = prefer(&validated, settings.model, &mut notes);

        progress(&format!("fitting on {} origins of the whole training span", span.own(&parts.train).count()));
        let flows = watch.time("flows", || self.flows(split.test_from()));
        let span = Span { flows: &flows, ..span };
        let (matrix, rates) = watch.time("features of the training rows", || span.training(&parts.train));
        let outcomes = span.outcomes(&parts.train);
        let rows = outcomes.rows(&matrix);
        let mut fitted: Vec<Fitted> = Vec::new();
        for &(name, tuning) in &validated.tuned {
            progress(&format!("fitting {name} on {} origins", matrix.len()));
            match watch.time(format!("fit {name}"), || Fitted::fit(name, rows, tuning)) {
                Ok(model) => fitted.push(model),
                Err(error) if settings.model == Some(name) => return Err(error),
                Err(error) => notes.push(format!("{name} is left out: {error}")),
            }
        }
        let blend = validated.blend(&fitted);
        let weights = blend.iter().flat_map(Blend::weights);
        let weights = weights.map(|(model, weight)| BlendWeight { model, weight }).collect();
        fitted.extend(blend.map(Fitted::Blend));
        let persistence = count_persistence(&matrix, &outcomes);
        drop(matrix);

        progress(&format!("scoring on {} origins of the test span", parts.test.len()));
        let test = Test::new(&span, &parts, &rates, &fitted, &mut watch);
        let mut preferred = preferred.into_iter();
        let Some(place) = preferred.find_map(|name| fitted.iter().position(|model| model.name() == name)) else {
            return Err(Error::new(ErrorKind::Model, "no model could be fitted").way_out("take a longer history"));
        };
        let asked = settings.station.as_ref().filter(|_| alone.is_none());
        let asked_rows = asked.and_then(|code| history.position(code.as_str()));
        let all_scores = test.scores(|_| true);
        let test_station = asked.map(|_| test.scores(|example| Some(example.station) == asked_rows));
        let chosen = fitted[place].name();
        say_what_the_test_cannot(chosen, &scope, settings, &all_scores, test_station.as_deref(), &mut notes);

        let forecasts = &test.tested.forecasts[place].1;
        let only = if settings.pooled { None } else { asked_rows };
        let rows = test.examples.iter().zip(forecasts);
        let rows = rows.filter(|(example, _)| only.is_none_or(|only| example.station == only));
        let predictions = rows.map(|(example, &p_full)| Prediction {
            station_code: history.stations()[example.station].code().clone(),
            last_reported: DateTime::from_timestamp(example.time, 0).unwrap_or_default(),
            p_full,
        });
        let predictions = predictions.collect();
        let (reliability, precision_recall) =
            (reliability(&test.full, forecasts), precision_recall(&test.full, forecasts));
        let counts = test.counts(&span, &rates, &persistence);
        progress("how sure the scores are: resampling days");
        let evaluation = Evaluation::new(target.horizon, &test.tested.judged, &test.tested.forecasts, SEED);
        let trained = Trained {
            target,
            station: if let Scope::Station(code) = &scope { Some(code.clone()) } else { None },
            stations: span.own(&parts.train).map(|example| example.station).collect::<BTreeSet<_>>().len(),
            from: data.0,
            until: split.test_from(),
            tested_until: settings.test_until.unwrap_or(data.1).min(data.1),
            origins: outcomes.full.len(),
            base_rate: share(&outcomes.full),
            scores: all_scores[place].scores,
            calibrated: all_scores.iter().find(|one| one.model == ModelName::Calibrated).map(|one| one.scores),
            notes: notes.clone(),
        };
        let (usable_readings, stations) = match alone {
            Some(place) => (history.stations()[place].len(), 1),
            None => (history.len(), history.stations().len()),
        };
        let train_base_rate = share(&outcomes.full);
        let model = SavedModel::new(fitted.swap_remove(place), rates, flows.0.clone(), trained);
        Ok(Training {
            chosen,
            horizon_seconds: target.horizon,
            tolerance_seconds: target.tolerance,
            data_from: data.0,
            data_until: data.1,
            validation_from: split.validation_from(),
            split: split.test_from(),
            readings: self.readings.len(),
            usable_readings,
            stations,
            origins: Origins {
                train: outcomes.full.len(),
                fit: span.own(&parts.fit).count(),
                validation: parts.validation.len(),
                test: parts.test.len(),
            },
            train_base_rate,
            test_base_rate: share(&test.full),
            validation: validated.scores,
            blend: weights,
            test: all_scores,
            test_station,
            reliability,
            precision_recall,
            evaluation,
            counts,
            notes,
            model,
            predictions,
            tested: test.tested,
            timings: watch.into_steps(),
            scope,
        })
    }
}

fn share(full: &[bool]) -> f64 {
    full.iter().filter(|&&full| full).count() as f64 / full.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::station::StationCode;
    const DAY: i64 = 86_400;

    /// Three stations over `days`, a reading every half hour: 1 fills in most mornings and 2 in some, 3 never.
    fn network(days: i64) -> Vec<StationStatus> {
        let mut readings = Vec::new();
        for slot in 0..days * 48 {
            let (time, hour, day) = (slot * 1800, slot % 48 / 2, slot / 48);
            let dice = u32::try_from(slot * 7919 % 101 % 4).unwrap();
            for (code, busy) in [("1", day % 4 != 3), ("2", day % 3 == 0), ("3", false)] {
                let docks = match hour {
                    6 if busy => 1 + dice,
                    7..=9 if busy => dice.saturating_sub(2),
                    _ => 6 + dice,
                };
                readings.push(reading(code, time, docks));
            }
        }
        readings
    }

    fn built_in() -> Vec<ModelName> {
        ModelName::ALL.into_iter().filter(|name| name.is_built_in()).collect()
    }

    fn run(readings: &[StationStatus], settings: &TrainSettings) -> Result<Training> {
        train(readings, settings, &mut |_| {})
    }

    fn for_station(code: &str) -> TrainSettings {
        TrainSettings { station: Some(StationCode::new(code).unwrap()), ..TrainSettings::default() }
    }

    #[test]
    fn all_models_stand_side_by_side_and_the_validation_span_chooses() {
        let training = run(&network(24), &TrainSettings::default()).unwrap();
        let names: Vec<_> = training.test.iter().map(|one| one.model).collect();
        assert_eq!((names, training.validation.len()), (built_in(), built_in().len()));
        let best = training.validation.iter().min_by(|a, b| a.scores.brier.total_cmp(&b.scores.brier)).unwrap();
        assert_eq!((training.chosen, training.model.horizons[0].name()), (best.model, best.model));
        assert_eq!(training.predictions.len(), training.origins.test);
        assert!(training.predictions.iter().all(|one| one.last_reported >= training.split));
        let calibrated = training.test[1].scores;
        assert_eq!(calibrated.brier_skill, Some(0.0));
        let chosen = training.test.iter().find(|one| one.model == training.chosen).unwrap().scores;
        assert!(chosen.brier_skill.unwrap() > 0.1 && chosen.average_precision.unwrap() > 2.0 * chosen.base_rate);
        assert_eq!(training.reliability.iter().map(|bin| bin.count).sum::<u64>(), training.origins.test as u64);
        let Origins { train, fit, validation, .. } = training.origins;
        assert!(fit + validation < train && fit > validation);
    }

    #[test]
    fn the_same_readings_in_any_order_give_the_same_result() {
        let readings = network(16);
        let mut turned: Vec<_> = readings.iter().rev().cloned().collect();
        turned.extend_from_slice(&readings[..100]);
        let (one, other) = (run(&readings, &TrainSettings::default()), run(&turned, &TrainSettings::default()));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!((one.predictions, one.model), (other.predictions, other.model));
        assert_eq!((one.usable_readings, other.readings), (other.usable_readings, turned.len()));
    }

    #[test]
    fn what_happens_after_the_split_changes_no_weight() {
        let readings = network(16);
        let settings =
            TrainSettings { split: Some(DateTime::from_timestamp(12 * DAY, 0).unwrap()), ..Default::default() };
        let one = run(&readings, &settings).unwrap();
        let mut otherwise = readings;
        for reading in otherwise.iter_mut().filter(|reading| reading.last_reported.timestamp() >= 12 * DAY) {
            reading.docks_available = reading.docks_available.map(|docks| docks / 3);
        }
        let other = run(&otherwise, &settings).unwrap();
        let learned = |training: &Training| {
            let learned = &training.model.horizons[0];
            (learned.model.clone(), learned.rates.clone(), training.model.flows.clone())
        };
        assert_eq!(learned(&one), learned(&other));
        assert_eq!(one.validation, other.validation);
        assert_ne!(one.test, other.test);
    }

    #[test]
    fn a_station_that_fills_is_trained_on_alone() {
        let training = run(&network(24), &for_station("1")).unwrap();
        assert_eq!(training.scope, Scope::Station(StationCode::new("1").unwrap()));
        assert_eq!((training.stations, training.test_station.is_some()), (1, false));
        assert_eq!(training.model.station.as_ref().unwrap().as_str(), "1");
        assert!(training.predictions.iter().all(|one| one.station_code.as_str() == "1"));
        assert_eq!(training.model.forecast(&network(24), TimeDelta::hours(1)).unwrap().len(), 1);
    }

    #[test]
    fn a_station_that_is_never_full_is_trained_with_all_and_says_what_its_score_is_not() {
        let training = run(&network(24), &for_station("3")).unwrap();
        let Scope::PooledForStation { code, why } = &training.scope else { panic!("{:?}", training.scope) };
        assert_eq!((code.as_str(), why.as_str()), ("3", "it was never full in its training history"));
        let own = training.test_station.as_ref().unwrap();
        assert_eq!((own.len(), own[0].scores.events, own[0].scores.average_precision), (built_in().len(), 0, None));
        assert_eq!(own[0].scores.count, training.predictions.len());
        assert!(training.predictions.iter().all(|one| one.station_code.as_str() == "3"));
        assert!(training.test[0].scores.events > 0);
        assert!(training.notes.iter().any(|note| note.contains("no ranking score can be had")), "{:?}", training.notes);
        let pooled = run(&network(24), &TrainSettings { pooled: true, ..for_station("3") }).unwrap();
        assert_eq!((&pooled.scope, pooled.predictions.len()), (&Scope::Pooled, pooled.origins.test));
        assert_eq!(pooled.test_station.as_ref(), Some(own));
    }

    #[test]
    fn a_model_asked_for_stands_beside_the_baseline_alone() {
        let settings = TrainSettings { model: Some(ModelName::Tree), ..TrainSettings::default() };
        let training = run(&network(12), &settings).unwrap();
        let names: Vec<_> = training.test.iter().map(|one| one.model).collect();
        assert_eq!((names, training.chosen), (vec![ModelName::Calibrated, ModelName::Tree], ModelName::Tree));
    }

    #[test]
    fn wrong_settings_and_data_that_cannot_serve_say_so() {
        let error = |readings: &[StationStatus], settings: TrainSettings| run(readings, &settings).unwrap_err();
        let none = error(&[], TrainSettings::default());
        assert!(none.to_string().starts_with("none of 0 readings"), "{none}");
        let zero = error(&network(3), TrainSettings { horizon: TimeDelta::zero(), ..Default::default() });
        assert_eq!((zero.exit_code(), zero.to_string().starts_with("--horizon: ")), (2, true));
        let long = error(&network(3), TrainSettings { horizon: TimeDelta::days(4), ..Default::default() });
        assert!(long.to_string().contains("the horizon of 5760 min is longer than the data"), "{long}");
        let unknown = error(&network(3), for_station("22"));
        assert_eq!(unknown.to_string(), "station 22: the history does not hold this station; near it are 1, 2, 3");
        let alone: Vec<_> = network(12).into_iter().filter(|one| one.station_code.as_str() == "3").collect();
        let alone = error(&alone, for_station("3"));
        assert_eq!((alone.kind(), alone.exit_code()), (ErrorKind::Model, 1));
        assert!(alone.to_string().contains("never full") && alone.to_string().contains("no other station"), "{alone}");
        let unlabelled = error(&network(3), TrainSettings { horizon: TimeDelta::hours(60), ..Default::default() });
        assert!(unlabelled.to_string().contains("no origin in the"), "{unlabelled}");
        let closed: Vec<_> =
            network(3).into_iter().map(|one| StationStatus { is_installed: Some(false), ..one }).collect();
        assert!(error(&closed, TrainSettings::default()).to_string().contains("usable station"));
    }

    #[test]
    fn where_nobody_was_ever_full_a_classifier_that_was_asked_for_is_an_error() {
        let calm: Vec<_> = network(12).into_iter().filter(|one| one.station_code.as_str() == "3").collect();
        let asked = TrainSettings { model: Some(ModelName::Logistic), ..TrainSettings::default() };
        let error = run(&calm, &asked).unwrap_err();
        assert!(error.to_string().starts_with("logistic regression needs both outcomes"), "{error}");
        let all = run(&calm, &TrainSettings::default()).unwrap();
        assert!(all.test.iter().all(|one| one.model != ModelName::Logistic));
        assert!(all.notes.iter().any(|note| note.starts_with("logistic is left out")), "{:?}", all.notes);
        assert!(
            all.notes.iter().any(|note| note.starts_with("no station was full in the test span")),
            "{:?}",
            all.notes
        );
    }
}
