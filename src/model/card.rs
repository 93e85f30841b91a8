//! The card of a saved model: what a stranger has to know before using it (Mitchell et al., Model Cards for Model
//! Reporting, 2019), written from the model itself.

use std::fmt::Write;

use super::metrics::Scores;
use super::name::ModelName;
use super::save::{HorizonModel, SavedModel};
use super::split::{minutes, show};
use crate::features::{FEATURES_VERSION, columns};

pub(super) fn of(model: &SavedModel) -> String {
    let mut card = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut card, model);
    card
}

fn write(card: &mut String, model: &SavedModel) -> std::fmt::Result {
    writeln!(card, "# Model card: is the station full?\n")?;
    writeln!(card, "Forecasts P(full): the probability that a station that is open will have no free dock.\n")?;

    writeln!(card, "## Data\n")?;
    match &model.station {
        Some(code) => writeln!(card, "- Trained on station {code} alone; others only as its neighbours")?,
        None => writeln!(card, "- Trained on all {} stations together", model.stations)?,
    }
    writeln!(card, "- Training span: {} to {}", show(model.trained_from), show(model.trained_until))?;
    writeln!(card, "- Test span: {} to {}\n", show(model.trained_until), show(model.tested_until))?;

    writeln!(card, "## Scores on the test span\n")?;
    writeln!(
        card,
        "| horizon | model | Brier | skill | log loss | average precision | AUC | base rate | events | origins | trained on |"
    )?;
    writeln!(card, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    for one in &model.horizons {
        row(card, one, one.name(), &one.scores)?;
        if let Some(scores) = one.calibrated.as_ref().filter(|_| one.name() != ModelName::Calibrated) {
            row(card, one, ModelName::Calibrated, scores)?;
        }
    }
    writeln!(
        card,
        "\nSkill: 1 - Brier / Brier of calibrated persistence, how often a station with so many free docks came to be full. \
         A label is read from the usable reading nearest to the horizon, within {}.",
        model.horizons.iter().map(|one| minutes(one.tolerance_seconds)).collect::<Vec<_>>().join(", ")
    )?;

    writeln!(card, "\n## When not to use it\n")?;
    writeln!(card, "- In another network, or after its stations, docks or prices changed: train again")?;
    writeln!(card, "- Months after {}: seasons are not in so short a span", show(model.trained_until))?;
    writeln!(card, "- For stations that are closed: the forecast is that of an open station")?;
    writeln!(card, "- Where strikes, storms, events or trucks decide: it knows nothing of them")?;
    writeln!(card, "- For a horizon outside {}", span(model))?;
    let unskilled = model.horizons.iter().filter(|one| one.scores.brier_skill.is_none_or(|skill| skill <= 0.0));
    for one in unskilled.filter(|one| one.name() != ModelName::Calibrated) {
        writeln!(
            card,
            "- At {}: it did not beat calibrated persistence in the test span",
            minutes(one.horizon_seconds)
        )?;
    }
    let mut notes: Vec<_> = model.horizons.iter().flat_map(|one| &one.notes).collect();
    notes.dedup();
    if !notes.is_empty() {
        writeln!(card, "\n## Notes\n")?;
        notes.iter().try_for_each(|note| writeln!(card, "- {note}"))?;
    }

    writeln!(card, "\n## Features, version {FEATURES_VERSION}\n")?;
    columns().iter().try_for_each(|column| writeln!(card, "- `{}`: {}", column.name, column.formula))
}

fn row(card: &mut String, one: &HorizonModel, name: ModelName, scores: &Scores) -> std::fmt::Result {
    let known = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    writeln!(
        card,
        "| {} | {name} | {:.5} | {} | {:.4} | {} | {} | {:.4} | {} | {} | {} |",
        minutes(one.horizon_seconds),
        scores.brier,
        known(scores.brier_skill),
        scores.log_loss,
        known(scores.average_precision),
        known(scores.auc),
        scores.base_rate,
        scores.events,
        scores.count,
        one.origins,
    )
}

fn span(model: &SavedModel) -> String {
    match (model.horizons.first(), model.horizons.last()) {
        (Some(first), Some(last)) if first.horizon_seconds < last.horizon_seconds => {
            format!("{} to {}", minutes(first.horizon_seconds), minutes(last.horizon_seconds))
        }
        (Some(only), _) => minutes(only.horizon_seconds),
        _ => "none".to_owned(),
    }
}
