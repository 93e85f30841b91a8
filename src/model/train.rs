//! From a history to a judged forecast: label, split, fit, choose on the validation span, fit again on the whole
//! training span, score once on the test span.

use chrono::DateTime;

use super::fitted::{Fitted, Rows, Tuning};
use super::metrics::{Scores, brier, precision_recall, reliability};
use super::name::ModelName;
use super::save::{Prediction, SavedModel, Trained};
use super::scope::Scope;
use super::split::{ChronologicalSplit, show};
use super::training::{ModelScores, Origins, TrainSettings, Training};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{Example, History, Matrix, Rates, Target};
use crate::station::StationStatus;

/// Trains and judges. `progress` is told each step in a line.
///
/// `readings` may come in any order and repeat. The same readings and settings give the same result.
pub fn train(readings: &[StationStatus], settings: &TrainSettings, progress: &mut dyn FnMut(&str)) -> Result<Training> {
    let target = settings.target()?;
    let mut history = History::new(readings);
    let Some(data) = history.span() else {
        return Err(Error::new(
            ErrorKind::Model,
            format_args!("none of {} readings is of a usable station with known docks and bikes", readings.len()),
        )
        .way_out("take another history"));
    };
    let split = ChronologicalSplit::new(data, settings.split, target)?;
    let mut examples = target.examples(&history);
    let (usable_readings, stations) = (history.len(), history.stations().len());
    progress(&format!("{} of {usable_readings} usable readings of {stations} stations have a label", examples.len()));
    let scope = Scope::of(settings, readings, &history, &examples, &split)?;
    if let Scope::Station(code) = &scope {
        history = history.only(code);
        examples = target.examples(&history);
    }
    let mut notes = Vec::new();
    if settings.split.is_none() {
        notes.push(format!(
            "no split was given: the last quarter of the time, from {}, is tested on",
            show(split.test_from())
        ));
    }
    let parts = Parts::new(&examples, &split)?;
    let (validation, tuned) = validate(&history, &parts, target, settings.model, &mut notes, progress);
    let names = tuned.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let preferred = prefer(&validation, &names, settings.model, &mut notes);

    progress(&format!("fitting on {} origins of the whole training span", parts.train.len()));
    let (matrix, rates) = Matrix::of_training(&history, &parts.train, target);
    let full = outcomes(&parts.train);
    let mut fitted = Vec::new();
    for (name, tuning) in tuned {
        match Fitted::fit(name, Rows { matrix: &matrix, full: &full }, tuning) {
            Ok(model) => fitted.push(model),
            Err(error) if settings.model == Some(name) => return Err(error),
            Err(error) => notes.push(format!("{name} is left out: {error}")),
        }
    }
    drop(matrix);
    progress(&format!("scoring on {} origins of the test span", parts.test.len()));
    let test = Test::new(&history, &parts.test, &rates, &fitted, target);
    let mut preferred = preferred.into_iter();
    let Some(place) = preferred.find_map(|name| fitted.iter().position(|model| model.name() == name)) else {
        return Err(Error::new(ErrorKind::Model, "no model could be fitted").way_out("take a longer history"));
    };
    let asked = settings.station.as_ref().filter(|_| !matches!(scope, Scope::Station(_)));
    let asked_rows = asked.and_then(|code| history.position(code.as_str()));
    let all_scores = test.scores(&fitted, |_| true);
    let test_station = asked.map(|_| test.scores(&fitted, |example| Some(example.station) == asked_rows));
    say_what_the_test_cannot(fitted[place].name(), &scope, settings, &all_scores, test_station.as_deref(), &mut notes);

    let forecasts = &test.forecasts[place];
    let only = if settings.pooled { None } else { asked_rows };
    let rows =
        test.examples.iter().zip(forecasts).filter(|(example, _)| only.is_none_or(|only| example.station == only));
    let predictions = rows.map(|(example, &p_full)| Prediction {
        station_code: history.stations()[example.station].code().clone(),
        last_reported: DateTime::from_timestamp(example.time, 0).unwrap_or_default(),
        p_full,
    });
    let predictions = predictions.collect();
    let (reliability, precision_recall) = (reliability(&test.full, forecasts), precision_recall(&test.full, forecasts));
    let trained = Trained {
        target,
        station: if let Scope::Station(code) = &scope { Some(code.clone()) } else { None },
        from: history.span().unwrap_or(data).0,
        until: split.test_from(),
        origins: parts.train.len(),
        base_rate: share(&full),
        scores: all_scores[place].scores,
    };
    let model = SavedModel::new(fitted.swap_remove(place), rates, trained);
    Ok(Training {
        chosen: model.name(),
        horizon_seconds: target.horizon,
        tolerance_seconds: target.tolerance,
        data_from: data.0,
        data_until: data.1,
        validation_from: split.validation_from(),
        split: split.test_from(),
        readings: readings.len(),
        usable_readings: history.len(),
        stations: history.stations().len(),
        origins: Origins {
            train: parts.train.len(),
            fit: parts.fit.len(),
            validation: parts.validation.len(),
            test: parts.test.len(),
        },
        train_base_rate: share(&full),
        test_base_rate: share(&test.full),
        validation,
        test: all_scores,
        test_station,
        reliability,
        precision_recall,
        notes,
        model,
        predictions,
        scope,
    })
}

/// The labelled origins of each part, in the order of station, then time.
struct Parts {
    fit: Vec<Example>,
    validation: Vec<Example>,
    train: Vec<Example>,
    test: Vec<Example>,
}

impl Parts {
    fn new(examples: &[Example], split: &ChronologicalSplit) -> Result<Self> {
        let part = |name: &str, belongs: &dyn Fn(&Example) -> bool| {
            let part: Vec<_> = examples.iter().copied().filter(belongs).collect();
            if part.is_empty() {
                return Err(Error::new(
                    ErrorKind::Model,
                    format_args!(
                        "no origin in the {name} span has a label (validation from {}, test from {})",
                        show(split.validation_from()),
                        show(split.test_from())
                    ),
                )
                .way_out("take another --split, a larger --tolerance or a longer history"));
            }
            Ok(part)
        };
        Ok(Self {
            train: part("training", &|example| split.trains(example))?,
            fit: part("fitting", &|example| split.fits(example))?,
            validation: part("validation", &|example| split.validates(example))?,
            test: part("test", &|example| split.tests(example))?,
        })
    }
}

/// Fits each model on what lies before the validation span; the scores there, and every model with its setting.
fn validate(
    history: &History,
    parts: &Parts,
    target: Target,
    asked: Option<ModelName>,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&str),
) -> (Vec<ModelScores>, Vec<(ModelName, Tuning)>) {
    progress(&format!("validating: fit on {} origins, scored on {}", parts.fit.len(), parts.validation.len()));
    let (matrix, rates) = Matrix::of_training(history, &parts.fit, target);
    let full = outcomes(&parts.fit);
    let later = Matrix::of(history, &origins(&parts.validation), &rates, target);
    let came = outcomes(&parts.validation);
    let (rows, validation) = (Rows { matrix: &matrix, full: &full }, Rows { matrix: &later, full: &came });
    let mut forecasts = Vec::new();
    let mut tuned = Vec::new();
    // Calibrated persistence is always there: skill is measured against it.
    let wanted = |name: &ModelName| asked.is_none_or(|asked| asked == *name) || *name == ModelName::Calibrated;
    for name in ModelName::ALL.into_iter().filter(wanted) {
        match Fitted::tune(name, rows, validation) {
            Ok((model, tuning)) => {
                let forecast = model.predict(&later);
                progress(&format!("{name}: validation Brier {:.5}", brier(&came, &forecast)));
                forecasts.push((name, forecast));
                tuned.push((name, tuning));
            }
            Err(error) => {
                notes.push(format!("{name} could not be validated: {error}"));
                tuned.push((name, Tuning::default()));
            }
        }
    }
    (scores(&came, &forecasts), tuned)
}

/// The models in the order of preference: the one asked for, or by their Brier score on the validation span.
fn prefer(
    validation: &[ModelScores],
    names: &[ModelName],
    asked: Option<ModelName>,
    notes: &mut Vec<String>,
) -> Vec<ModelName> {
    if let Some(asked) = asked {
        return vec![asked];
    }
    let mut order = validation.to_vec();
    order.sort_by(|a, b| a.scores.brier.total_cmp(&b.scores.brier));
    let mut order: Vec<_> = order.iter().map(|one| one.model).collect();
    if validation.iter().all(|one| one.scores.events == 0) {
        notes.push(
            "no station was full in the validation span, which therefore cannot prefer a model: \
                    logistic regression is taken if it can be fitted"
                .to_owned(),
        );
        order = vec![ModelName::Logistic, ModelName::Calibrated];
    }
    let rest: Vec<_> = names.iter().copied().filter(|name| !order.contains(name)).collect();
    order.extend(rest);
    order
}

/// The test span with each model's forecasts.
struct Test<'a> {
    examples: &'a [Example],
    full: Vec<bool>,
    forecasts: Vec<Vec<f64>>,
}

impl<'a> Test<'a> {
    fn new(history: &History, examples: &'a [Example], rates: &Rates, fitted: &[Fitted], target: Target) -> Self {
        let matrix = Matrix::of(history, &origins(examples), rates, target);
        let forecasts = fitted.iter().map(|model| model.predict(&matrix)).collect();
        Self { examples, full: outcomes(examples), forecasts }
    }

    /// The scores of each model over some of the rows; none if there are none.
    fn scores(&self, fitted: &[Fitted], of: impl Fn(&Example) -> bool) -> Vec<ModelScores> {
        let rows: Vec<_> = (0..self.examples.len()).filter(|&row| of(&self.examples[row])).collect();
        let came: Vec<_> = rows.iter().map(|&row| self.full[row]).collect();
        let forecasts: Vec<_> = fitted
            .iter()
            .zip(&self.forecasts)
            .map(|(model, all)| (model.name(), rows.iter().map(|&row| all[row]).collect()))
            .collect();
        scores(&came, &forecasts)
    }
}

/// The scores of each model's forecasts, with calibrated persistence, which is one of them, to compare with.
fn scores(came: &[bool], forecasts: &[(ModelName, Vec<f64>)]) -> Vec<ModelScores> {
    let Some((_, calibrated)) = forecasts.iter().find(|(name, _)| *name == ModelName::Calibrated) else {
        return Vec::new();
    };
    let one = |(model, p): &(ModelName, Vec<f64>)| {
        Some(ModelScores { model: *model, scores: Scores::new(came, p, calibrated)? })
    };
    forecasts.iter().filter_map(one).collect()
}

/// The sentences that keep a reader from taking a number for a success.
fn say_what_the_test_cannot(
    chosen: ModelName,
    scope: &Scope,
    settings: &TrainSettings,
    test: &[ModelScores],
    station: Option<&[ModelScores]>,
    notes: &mut Vec<String>,
) {
    if let Scope::PooledForStation { code, why } = scope {
        notes.push(format!(
            "station {code} is not trained on alone: {why}; the models are trained on all stations, with each station's \
             own history as features"
        ));
    }
    let reported = station.unwrap_or(test);
    let who = settings.station.as_ref().map_or_else(|| "no station".to_owned(), |code| format!("station {code}"));
    match reported.first() {
        None => notes.push(format!("{who} has no labelled origin in the test span: there is nothing to score for it")),
        Some(one) if one.scores.events == 0 => {
            let never =
                if settings.station.is_some() { format!("{who} was never full") } else { format!("{who} was full") };
            notes.push(format!(
                "{never} in the test span: no ranking score can be had, and a Brier score near 0 is what anybody gets who \
                 always says no"
            ));
        }
        Some(_) => {}
    }
    let own = reported.iter().find(|scores| scores.model == chosen);
    if let Some(skill) = own.and_then(|own| own.scores.brier_skill).filter(|&skill| skill <= 0.0)
        && chosen != ModelName::Calibrated
    {
        notes.push(format!(
            "{chosen} does not beat calibrated persistence in the test span (Brier skill {skill:+.3}): use `--model \
             calibrated`, or a longer history"
        ));
    }
}

fn outcomes(examples: &[Example]) -> Vec<bool> {
    examples.iter().map(|example| example.full).collect()
}

fn origins(examples: &[Example]) -> Vec<(usize, usize)> {
    examples.iter().map(|example| (example.station, example.reading)).collect()
}

fn share(full: &[bool]) -> f64 {
    full.iter().filter(|&&full| full).count() as f64 / full.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::station::StationCode;
    use chrono::TimeDelta;

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
        assert_eq!((names, training.validation.len()), (ModelName::ALL.to_vec(), 5));
        let best = training.validation.iter().min_by(|a, b| a.scores.brier.total_cmp(&b.scores.brier)).unwrap();
        assert_eq!((training.chosen, training.model.name()), (best.model, best.model));
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
        assert_eq!((&one.model.model, &one.model.rates), (&other.model.model, &other.model.rates));
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
        assert_eq!(training.model.forecast(&network(24)).len(), 1);
    }

    #[test]
    fn a_station_that_is_never_full_is_trained_with_all_and_says_what_its_score_is_not() {
        let training = run(&network(24), &for_station("3")).unwrap();
        let Scope::PooledForStation { code, why } = &training.scope else { panic!("{:?}", training.scope) };
        assert_eq!((code.as_str(), why.as_str()), ("3", "it was never full in its training history"));
        let own = training.test_station.as_ref().unwrap();
        assert_eq!((own.len(), own[0].scores.events, own[0].scores.average_precision), (5, 0, None));
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
