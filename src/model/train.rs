//! From a history to a judged forecast: label, split, fit, choose on the validation span, fit again on the whole
//! training span, score once on the test span.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};

use super::blend::{Blend, best_weights};
use super::count::{CountPersistence, CountScorer};
use super::evaluation::{Evaluation, Judged, StationGroup};
use super::fitted::{Fitted, Model, Rows, Tuning};
use super::metrics::{Scores, brier, precision_recall, reliability};
use super::name::ModelName;
use super::save::{Prediction, SavedModel, Trained};
use super::scope::Scope;
use super::split::{ChronologicalSplit, show};
use super::stopwatch::Stopwatch;
use super::training::{BlendWeight, CountForecastScores, ModelScores, Origins, Tested, TrainSettings, Training};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{
    DailyFlows, Example, Flows, History, Matrix, Rates, Target, docks_at_target, local_day_and_hour,
};
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

/// What rows are made from, but for which rows they are.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) history: &'a History,
    pub(super) target: Target,
    /// The only station whose rows count, if the others only stand around it.
    pub(super) alone: Option<usize>,
    pub(super) flows: &'a (Flows, DailyFlows),
}

impl Span<'_> {
    /// Those of the examples that are rows.
    pub(super) fn own<'e>(&self, examples: &'e [Example]) -> impl Iterator<Item = &'e Example> {
        let alone = self.alone;
        examples.iter().filter(move |example| alone.is_none_or(|alone| alone == example.station))
    }

    pub(super) fn training(&self, examples: &[Example]) -> (Matrix, Rates) {
        Matrix::of_training(self.history, examples, self.alone, &self.flows.1, self.target)
    }

    pub(super) fn later(&self, examples: &[Example], rates: &Rates) -> Matrix {
        Matrix::of(self.history, &origins(examples), rates, &self.flows.0, self.target)
    }

    fn outcomes(&self, examples: &[Example]) -> Outcomes {
        let own = || self.own(examples);
        Outcomes {
            full: own().map(|example| example.full).collect(),
            docks_then: own().map(|example| self.docks_then(example)).collect(),
        }
    }

    pub(super) fn docks_then(&self, example: &Example) -> u32 {
        let docks = self.history.stations()[example.station].docks()[example.reading];
        docks.saturating_add_signed(example.change)
    }
}

/// What came of some rows.
struct Outcomes {
    full: Vec<bool>,
    docks_then: Vec<u32>,
}

impl Outcomes {
    fn rows<'a>(&'a self, matrix: &'a Matrix) -> Rows<'a> {
        Rows { matrix, full: &self.full, docks_then: &self.docks_then }
    }
}

/// The labelled origins of each part, in the order of station, then time: of all stations where the rates are fitted, of
/// the rows alone where it is scored.
pub(super) struct Parts {
    fit: Vec<Example>,
    validation: Vec<Example>,
    pub(super) train: Vec<Example>,
    pub(super) test: Vec<Example>,
}

impl Parts {
    pub(super) fn new(
        examples: &[Example],
        split: &ChronologicalSplit,
        test_until: Option<DateTime<Utc>>,
        alone: Option<usize>,
    ) -> Result<Self> {
        let is_row = |example: &Example| alone.is_none_or(|alone| alone == example.station);
        let part = |name: &str, belongs: &dyn Fn(&Example) -> bool| {
            let part: Vec<_> = examples.iter().copied().filter(belongs).collect();
            if !part.iter().any(is_row) {
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
        let in_time = |example: &Example| test_until.is_none_or(|until| example.time < until.timestamp());
        Ok(Self {
            train: part("training", &|example| split.trains(example))?,
            fit: part("fitting", &|example| split.fits(example))?,
            validation: part("validation", &|example| is_row(example) && split.validates(example))?,
            test: part("test", &|example| is_row(example) && split.tests(example) && in_time(example))?,
        })
    }
}

/// What the validation span told.
struct Validated {
    scores: Vec<ModelScores>,
    /// Every model to fit again, with its setting.
    tuned: Vec<(ModelName, Tuning)>,
    /// The models that are mixed, and their weights.
    weights: Vec<(ModelName, f64)>,
}

impl Validated {
    /// The blend of the models once they have been fitted again.
    fn blend(&self, fitted: &[Fitted]) -> Option<Blend> {
        let members = self.weights.iter().filter_map(|&(name, weight)| {
            fitted.iter().find(|model| model.name() == name).map(|model| (weight, model.clone()))
        });
        Blend::new(members.collect())
    }
}

/// Fits each model on what lies before the validation span; the scores there, and what is to be fitted again.
fn validate(
    span: &Span<'_>,
    parts: &Parts,
    settings: &TrainSettings,
    notes: &mut Vec<String>,
    progress: &mut dyn FnMut(&str),
) -> Validated {
    progress(&format!(
        "validating: fit on {} origins, scored on {}",
        span.own(&parts.fit).count(),
        parts.validation.len()
    ));
    let (matrix, rates) = span.training(&parts.fit);
    let outcomes = span.outcomes(&parts.fit);
    let later = span.later(&parts.validation, &rates);
    let came = span.outcomes(&parts.validation);
    let mut forecasts = Vec::new();
    let mut tuned = Vec::new();
    // Calibrated persistence is always there: skill is measured against it. A blend needs all the others.
    let wanted = |name: &ModelName| match settings.model {
        _ if *name == ModelName::Calibrated => true,
        None if !settings.among.is_empty() => settings.among.contains(name),
        None | Some(ModelName::Blend) => name.is_built_in(),
        Some(asked) => asked == *name,
    };
    for name in ModelName::ALL.into_iter().filter(|name| wanted(name) && *name != ModelName::Blend) {
        match Fitted::tune(name, outcomes.rows(&matrix), came.rows(&later)) {
            Ok((model, tuning)) => {
                let forecast = model.predict(&later);
                progress(&format!("{name}: validation Brier {:.5}", brier(&came.full, &forecast)));
                forecasts.push((name, forecast));
                tuned.push((name, tuning));
            }
            Err(error) => {
                notes.push(format!("{name} could not be validated: {error}"));
                tuned.push((name, Tuning::default()));
            }
        }
    }
    let mut weights = Vec::new();
    if wanted(&ModelName::Blend) && came.full.contains(&true) {
        let (mixed, of_each) = mix(&came.full, &forecasts, &later.days, notes);
        weights = forecasts.iter().map(|(name, _)| *name).zip(of_each).collect();
        progress(&format!("blend: validation Brier {:.5}", brier(&came.full, &mixed)));
        forecasts.push((ModelName::Blend, mixed));
    }
    Validated { scores: scores(&came.full, &forecasts), tuned, weights }
}

/// The forecasts of a blend, each row with the weights that are best on the other half of the days, and the weights that are
/// best on all of them. So the blend's score is that of weights which have not seen the row's day.
fn mix(
    came: &[bool],
    forecasts: &[(ModelName, Vec<f64>)],
    days: &[i32],
    notes: &mut Vec<String>,
) -> (Vec<f64>, Vec<f64>) {
    let members: Vec<_> = forecasts.iter().map(|(_, forecast)| forecast.clone()).collect();
    let halves = [0, 1].map(|half| best_weights(came, &members, |row| days[row].rem_euclid(2) != half));
    if days.iter().all(|day| day.rem_euclid(2) == days[0].rem_euclid(2)) {
        notes.push(
            "the validation span has a single day: the blend's score there is that of its own weights".to_owned(),
        );
    }
    let of_row = |row: usize| {
        let weights = &halves[usize::from(days[row].rem_euclid(2) == 1)];
        weights.iter().zip(&members).map(|(weight, forecast)| weight * forecast[row]).sum()
    };
    ((0..came.len()).map(of_row).collect(), best_weights(came, &members, |_| true))
}

/// The models in the order of preference: the one asked for, or by their Brier score on the validation span.
fn prefer(validated: &Validated, asked: Option<ModelName>, notes: &mut Vec<String>) -> Vec<ModelName> {
    if let Some(asked) = asked {
        return vec![asked];
    }
    let validation = &validated.scores;
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
    let rest = validated.tuned.iter().map(|(name, _)| *name);
    let rest: Vec<_> = rest.filter(|name| !order.contains(name)).collect();
    order.extend(rest);
    order
}

/// The test span with each model's forecasts.
struct Test<'a> {
    examples: &'a [Example],
    full: Vec<bool>,
    tested: Tested,
}

impl<'a> Test<'a> {
    fn new(span: &Span<'_>, parts: &'a Parts, rates: &Rates, fitted: &[Fitted], watch: &mut Stopwatch) -> Self {
        let examples = &parts.test[..];
        let matrix = watch.time("features of the test rows", || span.later(examples, rates));
        let mut forecast = |model: &Fitted| {
            let name = model.name();
            (name, watch.time(format!("predict {name}"), || model.predict(&matrix)))
        };
        let forecasts = fitted.iter().map(&mut forecast).collect();
        let groups = groups(&parts.train, span.history.stations().len());
        let judged = examples.iter().map(|example| {
            let (day, hour) = local_day_and_hour(example.time);
            let (station, group) = (example.station as u32, groups[example.station]);
            Judged { station, day, hour, group, full: example.full }
        });
        let tested = Tested {
            judged: judged.collect(),
            forecasts,
            times: examples.iter().map(|example| example.time).collect(),
            stations: examples.iter().map(|example| span.history.stations()[example.station].code().clone()).collect(),
        };
        Self { examples, full: examples.iter().map(|example| example.full).collect(), tested }
    }

    /// The scores of each model over some of the rows; none if there are none.
    fn scores(&self, of: impl Fn(&Example) -> bool) -> Vec<ModelScores> {
        let rows: Vec<_> = (0..self.examples.len()).filter(|&row| of(&self.examples[row])).collect();
        let came: Vec<_> = rows.iter().map(|&row| self.full[row]).collect();
        let pick = |(name, all): &(ModelName, Vec<f64>)| (*name, rows.iter().map(|&row| all[row]).collect());
        scores(&came, &self.tested.forecasts.iter().map(pick).collect::<Vec<_>>())
    }

    /// How well the number of free docks was forecast, by the queue and by what followed on as many free docks.
    fn counts(&self, span: &Span<'_>, rates: &Rates, persistence: &CountPersistence) -> Vec<CountForecastScores> {
        let (mut by_queue, mut by_persistence) = (CountScorer::default(), CountScorer::default());
        docks_at_target(
            span.history,
            &origins(self.examples),
            rates,
            &span.flows.0,
            span.target,
            |row, distribution| {
                let example = &self.examples[row];
                let station = &span.history.stations()[example.station];
                let (docks, bikes) = (station.docks()[example.reading], station.bikes()[example.reading]);
                let then = span.docks_then(example);
                by_queue.add(distribution, then);
                by_persistence.add(&persistence.predict(docks, docks + bikes), then);
            },
        );
        let named = |forecast: ModelName, scorer: &CountScorer| {
            scorer.scores().map(|scores| CountForecastScores { forecast: forecast.to_string(), scores })
        };
        let both = [named(ModelName::Persistence, &by_persistence), named(ModelName::Queue, &by_queue)];
        both.into_iter().flatten().collect()
    }
}

/// How free docks changed in the training rows, by how many there were.
fn count_persistence(matrix: &Matrix, outcomes: &Outcomes) -> CountPersistence {
    let change = |(&docks, &then): (&u32, &u32)| (i64::from(then) - i64::from(docks)) as i32;
    let changes: Vec<_> = matrix.docks.iter().zip(&outcomes.docks_then).map(change).collect();
    CountPersistence::fit(&matrix.docks, &changes)
}

/// How often each station came to be full in the training span.
fn groups(train: &[Example], stations: usize) -> Vec<StationGroup> {
    let mut tallies = vec![(0u32, 0u32); stations];
    for example in train {
        let tally = &mut tallies[example.station];
        *tally = (tally.0 + u32::from(example.full), tally.1 + 1);
    }
    tallies.iter().map(|&(full, count)| StationGroup::of(f64::from(full) / f64::from(count.max(1)))).collect()
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
