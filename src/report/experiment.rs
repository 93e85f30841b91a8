//! An experiment as figures and as a page: what was asked, on what, what came out, how sure that is, and how to get it again.

mod figures;
mod tables;

use std::path::Path;

pub use self::figures::experiment_figures;
use self::tables::{
    advice, blends, by_group, counts, folds, made_from, minutes_ahead, percent, regrets, scores, sharpness, skill,
    tested,
};
use super::{Figure, Page, PageFigure, PageTable, Section};
use crate::model::{Experiment, HorizonResult, ModelName};

/// A figure of an experiment, and the name of its files, without an ending.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFigure {
    /// The name.
    pub name: &'static str,
    /// The figure with its texts.
    pub figure: PageFigure,
}

/// An experiment that was found, for the page of them all.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundExperiment {
    /// The name of its folder.
    pub folder: String,
    /// What came of it.
    pub experiment: Experiment,
    /// Two of its figures, or fewer.
    pub figures: Vec<PageFigure>,
}

/// What skill is measured against.
const REFERENCE: &str = "calibrated persistence";

/// The page of one experiment. `command` runs it again.
pub fn experiment_page(experiment: &Experiment, figures: &[NamedFigure], command: &str) -> Page {
    let figure = |names: &[&str]| {
        let wanted = figures.iter().filter(|named| names.contains(&named.name));
        wanted.map(|named| named.figure.clone()).collect::<Vec<_>>()
    };
    let main = experiment.main_horizon().map(|horizon| horizon.horizon_seconds);
    let mut sections = vec![
        Section {
            heading: "What came out".into(),
            text: findings(experiment),
            tables: vec![tested(experiment)],
            figures: figure(&["skill-by-horizon"]),
more: None,
        },
        Section {
            heading: "Data and split".into(),
            text: vec![
                format!(
                    "{}. {} readings, {} of them used, of {} stations, from {} to {}.",
                    experiment.source,
                    experiment.readings,
                    experiment.usable_readings,
                    experiment.stations,
                    time(experiment.data_from),
                    time(experiment.data_until)
                ),
                "Each fold trains on all that lies before its split and is tested on what follows. No label of a training \
                 row is read from a reading at or after the split: origins within the horizon and its tolerance before it \
                 are left out. The end of each training span validates: it chooses the model and the weights of the blend. \
                 The forecasts of all folds are then judged together."
                    .into(),
            ],
            tables: vec![folds(experiment)],
            figures: figure(&["station-week"]),
more: None,
        },
    ];
    for horizon in &experiment.horizons {
        let own = if main == Some(horizon.horizon_seconds) {
            figure(&["skill", "skill-by-hour", "reliability", "precision-recall"])
        } else {
            Vec::new()
        };
        sections.push(horizon_section(horizon, own));
    }
    sections.push(Section {
        heading: "The number of free docks".into(),
        text: vec![
            "CRPS: the continuous ranked probability score of the whole distribution, in docks; MAE of its median, RMSE of \
             its mean. Persistence: the changes that followed in training on as many free docks."
                .into(),
        ],
        tables: vec![counts(experiment)],
        figures: vec![],
more: None,
    });
    sections.extend(advice(experiment).map(|table| Section {
        heading: "Advice".into(),
        text: vec![
            "A rider wants to leave a bike at a station. Recommended is the nearest station, that one first, that has a \
             free dock on arrival with the probability asked for. Compared is going to the station itself, whatever is \
             forecast."
                .into(),
        ],
        tables: vec![table],
        figures: vec![],
more: None,
    }));
    sections.extend(regrets(experiment).map(|table| Section {
        heading: "Regret".into(),
        text: vec![
            "The stations of this network are simulated, so the probability that one will be full is known exactly. \
             Regret is how far a model's expected Brier score lies above that of the truth itself: no forecast can do \
             better than 0."
                .into(),
        ],
        tables: vec![table],
        figures: figure(&["regret"]),
        more: None,
    }));
    sections.push(Section {
        heading: "Blend and sharpness".into(),
        text: vec![
            "The weights of the blend come from the validation span of each fold. Sharp forecasts vary much (variance) and \
             part the events from the others (resolution); calibrated ones come true as often as they say (reliability, 0 \
             is best)."
                .into(),
        ],
        tables: blends(experiment).into_iter().chain([sharpness(experiment)]).collect(),
        figures: vec![],
more: None,
    });
    let notes = experiment
        .horizons
        .iter()
        .flat_map(|horizon| horizon.notes.iter().map(|note| format!("{}, {note}", minutes_ahead(horizon))));
    let notes: Vec<_> = notes.collect();
    sections.push(Section {
        heading: "Notes".into(),
        text: if notes.is_empty() { vec!["None.".into()] } else { notes },
        ..Section::default()
    });
    sections.push(Section {
        heading: "The same digits again".into(),
        text: vec![
            command.to_owned(),
            "The same readings and settings give the same metrics.json, byte by byte.".into(),
        ],
        tables: vec![made_from(experiment)],
        figures: vec![],
        more: None,
    });
    Page {
        title: experiment.settings.title.clone(),
        lead: format!("{} {}.", experiment.settings.question, experiment.source),
        sections,
    }
}

/// The page of several experiments, each with its main table and figures.
pub fn experiments_page(found: &[FoundExperiment]) -> Page {
    let section = |one: &FoundExperiment| {
        let mut text = vec![one.experiment.settings.question.clone()];
        text.extend(findings(&one.experiment));
        text.push(format!("{}.", one.experiment.source));
        let main = one.experiment.main_horizon();
        let main = main.and_then(|horizon| Some(scores(horizon, horizon.evaluation.as_ref()?)));
        Section {
            heading: one.experiment.settings.title.clone(),
            text,
            more: Some(format!("{}/index.html", one.folder)),
            tables: [tested(&one.experiment)].into_iter().chain(main).collect(),
            figures: one.figures.clone(),
        }
    };
    Page {
        title: "Is the station full? Experiments".into(),
        lead:
            "P(full): the probability that an open station will have no free dock, some time ahead. Skill is measured \
               against calibrated persistence: how often a station with so many free docks came to be full."
                .into(),
        sections: found.iter().map(section).collect(),
    }
}

/// The two figures that stand for an experiment, from the JSON in its folder; one that is not there is left out.
pub fn main_figures(folder: &Path) -> Vec<PageFigure> {
    let read = |name: &str, caption: &str| {
        let figure = Figure::read_json(folder.join(name).with_extension("json")).ok()?;
        Some(PageFigure { caption: caption.into(), alt: caption.into(), figure })
    };
    let both = [
        read("skill-by-horizon", "Brier skill of each model by horizon, with 95 % intervals over days."),
        read("reliability", "How often stations were full when it was forecast about so."),
    ];
    both.into_iter().flatten().collect()
}

fn horizon_section(horizon: &HorizonResult, figures: Vec<PageFigure>) -> Section {
    let heading = format!("{} ahead", minutes_ahead(horizon));
    let Some(evaluation) = &horizon.evaluation else {
        let text = vec!["No fold could be trained at this horizon; the notes say why.".into()];
        return Section { heading, text, ..Section::default() };
    };
    let mut text = vec![format!(
        "{} origins of {} stations on {} days, {} of which came to be full: a base rate of {}.",
        evaluation.origins,
        evaluation.stations,
        evaluation.days,
        evaluation.events,
        percent(evaluation.base_rate, 2)
    )];
    text.extend(evaluation.sentences());
    Section { heading, text, tables: vec![scores(horizon, evaluation), by_group(evaluation)], figures, more: None }
}

/// The sentences that a reader in a hurry takes away.
fn findings(experiment: &Experiment) -> Vec<String> {
    let mut findings = Vec::new();
    for horizon in &experiment.horizons {
        let ahead = minutes_ahead(horizon);
        let Some((chosen, evaluation)) = horizon.chosen.as_ref().zip(horizon.evaluation.as_ref()) else {
            findings.push(format!("{ahead} ahead: no fold could be trained."));
            continue;
        };
        let Some(value) = chosen.scores.brier_skill else {
            findings.push(format!("{ahead} ahead: no skill can be had, the event came {} times.", evaluation.events));
            continue;
        };
        let known = match chosen.skill_interval {
            Some(interval) if interval.low > 0.0 => "it beats the baseline",
            Some(interval) if interval.high < 0.0 => "it is worse than the baseline",
            Some(_) => "it is not shown to beat the baseline",
            None => "too few days to say how sure that is",
        };
        let interval = chosen.skill_interval.map_or_else(String::new, |interval| {
            format!(" (95 % interval {} to {})", skill(Some(interval.low)), skill(Some(interval.high)))
        });
        let names: Vec<_> = horizon.chosen_models().into_iter().map(ModelName::as_str).collect();
        findings.push(format!(
            "{ahead} ahead: validation chose {}, with a Brier skill of {}{interval} against {REFERENCE}: {known}.",
            names.join(" and "),
            skill(Some(value))
        ));
    }
    findings
}

/// A model's name as the figures and tables have it.
fn name(model: ModelName) -> String {
    if model == ModelName::Calibrated { REFERENCE.to_owned() } else { model.to_string() }
}

fn time(time: chrono::DateTime<chrono::Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// A table of these columns.
fn table(caption: impl Into<String>, header: &[&str], rows: Vec<Vec<String>>) -> PageTable {
    let header = header.iter().map(|&head| head.to_owned()).collect();
    PageTable { caption: caption.into(), header, rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExperimentSettings, run_experiment};

    fn experiment() -> Experiment {
        let toml = "title = 'A <small> network'\nquestion = 'Does it?'\ndata = 'simulated'\nhorizons = ['10m', '60m']\n\
                    tolerance = '1m'\nmodels = ['queue']\nsplit = { test_days = 2 }\n\
                    simulation = { stations = 10, days = 5, step = '30m' }";
        let settings: ExperimentSettings = toml::from_str(toml).unwrap();
        let network = settings.network().unwrap().unwrap();
        let stations = network.stations().to_vec();
        // Reported on the hour: of ten minutes later nothing is known.
        let mut readings = network.readings();
        readings.retain(|reading| reading.fetched_at.timestamp() % 3600 == 0);
        readings.iter_mut().for_each(|reading| reading.last_reported = reading.fetched_at);
        run_experiment(&settings, &readings, &stations, &mut |_| ()).unwrap()
    }

    #[test]
    fn a_page_says_what_came_out_and_what_could_not_be_had() {
        let experiment = experiment();
        let figures = experiment_figures(&experiment);
        let names: Vec<_> = figures.iter().map(|named| named.name).collect();
        let all = ["skill-by-horizon", "skill", "reliability", "precision-recall", "skill-by-hour", "regret"];
        assert_eq!(names, all);
        let html = experiment_page(&experiment, &figures, "cargo run --x <y>").html().unwrap();
        for held in [
            "<title>A &lt;small&gt; network</title>",
            "10 min ahead: no fold could be trained.",
            "No fold could be trained at this horizon; the notes say why.",
            "10 min, fold 1 of 1 could not be trained: no origin in the",
            "<p>cargo run --x &lt;y&gt;</p>",
            &experiment.readings_sha256,
            "Brier of the truth",
        ] {
            assert!(html.contains(held), "{held}");
        }
        let brier = experiment.horizons[1].evaluation.as_ref().unwrap().models[1].scores.brier;
        assert!(html.contains(&format!("{brier:.5}")));
        assert_eq!(html.matches("<figure>").count(), all.len());
    }

    #[test]
    fn an_experiment_read_from_its_json_has_the_figures_that_need_no_rows() {
        let json = serde_json::to_string(&experiment()).unwrap();
        let read: Experiment = serde_json::from_str(&json).unwrap();
        let names: Vec<_> = experiment_figures(&read).iter().map(|named| named.name).collect();
        assert_eq!(names, ["skill-by-horizon", "skill", "reliability", "regret"]);
        let found = FoundExperiment { folder: "small".into(), experiment: read, figures: vec![] };
        let html = experiments_page(&[found]).html().unwrap();
        assert!(html.contains("All of it: <a href=\"small/index.html\">") && html.contains("validation chose"));
    }
}
