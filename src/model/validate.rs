//! The validation span, the end of the training span: it sets the models' settings, weights the blend, and prefers one.

use super::blend::{Blend, best_weights};
use super::fitted::{Fitted, Model, Tuning};
use super::metrics::brier;
use super::name::ModelName;
use super::parts::{Parts, Span};
use super::test_span::scores;
use super::training::{ModelScores, TrainSettings};

/// What the validation span told.
pub(super) struct Validated {
    pub(super) scores: Vec<ModelScores>,
    /// Every model to fit again, with its setting.
    pub(super) tuned: Vec<(ModelName, Tuning)>,
    /// The models that are mixed, and their weights.
    weights: Vec<(ModelName, f64)>,
}

impl Validated {
    /// The blend of the models once they have been fitted again.
    pub(super) fn blend(&self, fitted: &[Fitted]) -> Option<Blend> {
        let members = self.weights.iter().filter_map(|&(name, weight)| {
            fitted.iter().find(|model| model.name() == name).map(|model| (weight, model.clone()))
        });
        Blend::new(members.collect())
    }
}

/// Fits each model on what lies before the validation span; the scores there, and what is to be fitted again.
pub(super) fn validate(
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
pub(super) fn prefer(validated: &Validated, asked: Option<ModelName>, notes: &mut Vec<String>) -> Vec<ModelName> {
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
