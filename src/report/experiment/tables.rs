//! The tables of an experiment. A dash stands for what is not known or cannot be had.

use super::super::PageTable;
use super::{name, table, time};
use crate::model::{Evaluation, Experiment, HorizonResult, Interval, ModelName, StationGroup};

/// What was tested, horizon by horizon, and how the chosen models did.
pub(super) fn tested(experiment: &Experiment) -> PageTable {
    let row = |horizon: &HorizonResult| {
        let mut row = vec![minutes_ahead(horizon)];
        let Some((evaluation, chosen)) = horizon.evaluation.as_ref().zip(horizon.chosen.as_ref()) else {
            row.resize(11, DASH.to_owned());
            return row;
        };
        let names: Vec<_> = horizon.chosen_models().iter().map(ToString::to_string).collect();
        row.extend([
            names.join(", "),
            format!("{:.5}", chosen.scores.brier),
            skill(chosen.scores.brier_skill),
            interval(chosen.skill_interval),
            known(chosen.scores.average_precision, 3),
            known(chosen.scores.auc, 3),
            percent(evaluation.base_rate, 2),
            evaluation.events.to_string(),
            evaluation.origins.to_string(),
            evaluation.days.to_string(),
        ]);
        row
    };
    table(
        "The model that validation chose in each fold, on all test spans. Skill: 1 − Brier score / Brier score of calibrated \
         persistence; intervals: 95 %, by a bootstrap over local days.",
        &["ahead", "chosen", "Brier", "skill", "95 % interval", "AP", "AUC", "base rate", "events", "origins", "days"],
        experiment.horizons.iter().map(row).collect(),
    )
}

/// The scores of each model at one horizon.
pub(super) fn scores(horizon: &HorizonResult, evaluation: &Evaluation) -> PageTable {
    let rows = evaluation.models.iter().map(|model| {
        vec![
            name(model.model),
            format!("{:.5}", model.scores.brier),
            skill(model.scores.brier_skill),
            // The baseline is measured against itself.
            interval(model.intervals.brier_skill.filter(|_| model.model != ModelName::Calibrated)),
            format!("{:.4}", model.scores.log_loss),
            known(model.scores.average_precision, 3),
            known(model.scores.auc, 3),
        ]
    });
    let tolerance = horizon.tolerance_seconds.map_or_else(|| DASH.to_owned(), minutes);
    table(
        format!(
            "{} ahead, ± {tolerance}. AP: average precision; AUC: area under the ROC curve.",
            minutes_ahead(horizon)
        ),
        &["model", "Brier", "skill", "95 % interval", "log loss", "AP", "AUC"],
        rows.collect(),
    )
}

/// The skill of each model by how often the stations were full before.
pub(super) fn by_group(evaluation: &Evaluation) -> PageTable {
    let mut header: Vec<String> =
        ["full before", "origins", "events", "base rate", "baseline"].map(str::to_owned).into();
    let models = || evaluation.models.iter().filter(|model| model.model != ModelName::Calibrated);
    header.extend(models().map(|model| name(model.model)));
    let baseline = evaluation.models.iter().find(|model| model.model == ModelName::Calibrated);
    let rows = evaluation.by_group.iter().enumerate().map(|(place, group)| {
        let mut row = vec![
            match group.part {
                StationGroup::Never => "never",
                StationGroup::Seldom => "below 2 %",
                StationGroup::Sometimes => "2 to 10 %",
                StationGroup::Often => "10 % and more",
            }
            .to_owned(),
            group.origins.to_string(),
            group.events.to_string(),
            percent(group.base_rate, 2),
            baseline.map_or_else(|| DASH.to_owned(), |model| format!("{:.5}", model.by_group[place].brier)),
        ];
        row.extend(models().map(|model| skill(model.by_group[place].brier_skill)));
        row
    });
    PageTable {
        caption: "Brier skill by how often the station was full in its training history; baseline: the Brier score of calibrated persistence.".into(),
        rows: rows.collect(),
        header,
    }
}

/// The folds of each horizon.
pub(super) fn folds(experiment: &Experiment) -> PageTable {
    let rows = experiment.horizons.iter().flat_map(|horizon| {
        horizon.folds.iter().enumerate().map(|(place, fold)| {
            vec![
                minutes_ahead(horizon),
                (place + 1).to_string(),
                time(fold.validation_from),
                time(fold.from),
                time(fold.until),
                fold.origins.train.to_string(),
                fold.origins.validation.to_string(),
                fold.origins.test.to_string(),
                fold.chosen.to_string(),
            ]
        })
    });
    table(
        "The folds. Training: number of labelled origins, those of the validation span included.",
        &["ahead", "fold", "validates from", "tests from", "until", "training", "validation", "test", "chosen"],
        rows.collect(),
    )
}

pub(super) fn counts(experiment: &Experiment) -> PageTable {
    let rows = experiment.horizons.iter().flat_map(|horizon| {
        horizon.counts.iter().map(|count| {
            vec![
                minutes_ahead(horizon),
                count.forecast.clone(),
                format!("{:.3}", count.scores.crps),
                format!("{:.3}", count.scores.mae),
                format!("{:.3}", count.scores.rmse),
                percent(count.scores.coverage, 1),
            ]
        })
    });
    table(
        "Forecasts of the number of free docks, in docks.",
        &["ahead", "forecast", "CRPS", "MAE", "RMSE", "in the central 80 %"],
        rows.collect(),
    )
}

pub(super) fn advice(experiment: &Experiment) -> Option<PageTable> {
    let rows = experiment.horizons.iter().flat_map(|horizon| {
        horizon.advice.iter().map(|one| {
            let share = |share: Option<f64>| share.map_or_else(|| DASH.to_owned(), |share| percent(share, 2));
            let forecast = if one.forecast == "chosen" { "the chosen model" } else { "free as they set out" };
            vec![
                minutes_ahead(horizon),
                forecast.to_owned(),
                one.scores.destinations.to_string(),
                one.scores.recommended.to_string(),
                share(one.scores.mean_p_free),
                share(one.scores.share_free),
                share(one.scores.base_share_free),
                one.scores.mean_extra_metres.map_or_else(|| DASH.to_owned(), |metres| format!("{metres:.0}")),
            ]
        })
    });
    let rows: Vec<_> = rows.collect();
    let asked = experiment.horizons.iter().flat_map(|horizon| &horizon.advice).next()?;
    Some(table(
        format!(
            "A free dock within {:.0} m with {}: what was promised, what was found, and what the nearest station had.",
            asked.metres,
            percent(asked.least, 0)
        ),
        &[
            "ahead",
            "riders go by",
            "destinations",
            "recommended",
            "promised",
            "found a dock",
            "at the nearest",
            "mean metres more",
        ],
        rows,
    ))
}

pub(super) fn regrets(experiment: &Experiment) -> Option<PageTable> {
    let with = || experiment.horizons.iter().filter(|horizon| !horizon.regret.is_empty());
    let models: Vec<_> = with().next()?.regret.iter().map(|one| one.model).collect();
    let mut header = vec!["ahead".to_owned(), "origins".to_owned(), "Brier of the truth".to_owned()];
    header.extend(models.iter().map(|&model| name(model)));
    let rows = with().map(|horizon| {
        let mut row = vec![
            minutes_ahead(horizon),
            horizon.regret[0].origins.to_string(),
            format!("{:.5}", horizon.regret[0].optimal_brier),
        ];
        row.extend(models.iter().map(|model| {
            let own = horizon.regret.iter().find(|one| one.model == *model);
            own.map_or_else(|| DASH.to_owned(), |own| percent(own.regret, 1))
        }));
        row
    });
    Some(PageTable {
        caption: "Expected Brier score above that of the exact probabilities, in per cent of it.".into(),
        rows: rows.collect(),
        header,
    })
}

/// The weights of the blend in each fold; nothing where none was mixed.
pub(super) fn blends(experiment: &Experiment) -> Option<PageTable> {
    let folds = || experiment.horizons.iter().flat_map(|horizon| horizon.folds.iter().map(move |fold| (horizon, fold)));
    let mut models = Vec::new();
    for weight in folds().flat_map(|(_, fold)| &fold.blend) {
        if !models.contains(&weight.model) {
            models.push(weight.model);
        }
    }
    if models.is_empty() {
        return None;
    }
    models.sort_unstable();
    let mut header = vec!["ahead".to_owned(), "tests from".to_owned()];
    header.extend(models.iter().map(|&model| name(model)));
    let rows = folds().map(|(horizon, fold)| {
        let mut row = vec![minutes_ahead(horizon), time(fold.from)];
        row.extend(models.iter().map(|model| {
            let own = fold.blend.iter().find(|weight| weight.model == *model);
            own.map_or_else(|| DASH.to_owned(), |own| percent(own.weight, 0))
        }));
        row
    });
    Some(PageTable { caption: "Weights of the blend, by fold.".into(), rows: rows.collect(), header })
}

pub(super) fn sharpness(experiment: &Experiment) -> PageTable {
    let evaluations = experiment.horizons.iter().filter_map(|horizon| Some((horizon, horizon.evaluation.as_ref()?)));
    let rows = evaluations.flat_map(|(horizon, evaluation)| {
        evaluation.models.iter().map(|model| {
            let sharpness = &model.sharpness;
            vec![
                minutes_ahead(horizon),
                name(model.model),
                format!("{:.5}", sharpness.variance),
                format!("{:.5}", sharpness.reliability),
                format!("{:.5}", sharpness.resolution),
                format!("{:.5}", sharpness.uncertainty),
                format!("{:+.5}", sharpness.within_bins).replace('-', "−"),
            ]
        })
    });
    table(
        "What the Brier scores are made of (Murphy, 1973): reliability − resolution + uncertainty + what the bins hide.",
        &["ahead", "model", "variance", "reliability", "resolution", "uncertainty", "within bins"],
        rows.collect(),
    )
}

/// What the digits were made from.
pub(super) fn made_from(experiment: &Experiment) -> PageTable {
    let rows = [
        ("readings, SHA-256", experiment.readings_sha256.clone()),
        ("settings, SHA-256", experiment.settings_sha256.clone()),
        ("velib", format!("version {}", experiment.crate_version)),
        ("features", format!("version {}", experiment.features_version)),
    ];
    let rows = rows.into_iter().map(|(what, which)| vec![what.to_owned(), which]).collect();
    table("What the digits were made from.", &["what", "which"], rows)
}

/// What stands for a number that is not there.
pub(super) const DASH: &str = "–";

/// A Brier skill with its sign.
pub(super) fn skill(value: Option<f64>) -> String {
    match value {
        Some(0.0) => "0".to_owned(),
        Some(value) => format!("{value:+.3}").replace('-', "−"),
        None => DASH.to_owned(),
    }
}

pub(super) fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$} %", 100.0 * share)
}

/// How far ahead, in minutes.
pub(super) fn minutes_ahead(horizon: &HorizonResult) -> String {
    minutes(horizon.horizon_seconds)
}

fn minutes(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

fn interval(interval: Option<Interval>) -> String {
    let both = |interval: Interval| format!("{} to {}", skill(Some(interval.low)), skill(Some(interval.high)));
    interval.map_or_else(|| DASH.to_owned(), both)
}

fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| DASH.to_owned(), |value| format!("{value:.decimals$}"))
}
