//! Part 4: from the history of one station, or of all, whether a station will be full an hour later.
//!
//! ```text
//! cargo run --example part4_train -- --station 16107                          the simulated network
//! cargo run --example part4_train -- --pooled --data history.parquet --split 2022-05-26T00:00:00Z --predictions p.csv
//! ```

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use common::{DataOptions, Progress, figure};
use velib::model::{ModelName, ModelScores, Scope, TrainSettings, Training, train};
use velib::report::{Figure, ModelReliability, ModelScore, PrecisionRecall, PrecisionRecallCurve, ReliabilityDiagram};
use velib::{Error, Result, StationCode, StationStatus};

/// The assignment's own station, reported when neither a station nor all of them are asked for.
const STATION: &str = "16107";

/// Will the station be full? Train, compare, save
#[derive(Parser)]
struct Options {
    /// The station to report for [default: 16107, unless pooled]
    #[arg(long, value_name = "CODE")]
    station: Option<StationCode>,
    #[command(flatten)]
    data: DataOptions,
    /// How far ahead
    #[arg(long, value_name = "DURATION", default_value = "60m", value_parser = common::duration)]
    horizon: Duration,
    /// How far from the horizon the reading that tells the label may be
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = common::duration)]
    tolerance: Duration,
    /// When the test span begins [default: the last quarter of the time]
    #[arg(long, value_name = "RFC3339")]
    split: Option<DateTime<Utc>>,
    /// persistence, calibrated, climatology, logistic or tree [default: all, and the one that validation prefers]
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// Train on all stations and predict for all
    #[arg(long)]
    pooled: bool,
    /// Write the forecasts of the test span: stationcode,last_reported,p_full
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Where the model, the scores and the figures go
    #[arg(long, value_name = "DIR", default_value = "var/part4")]
    out: PathBuf,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let span = |option, duration| {
            TimeDelta::from_std(duration)
                .map_err(|_| Error::usage(option, "is longer than any history").way_out("write 15m, 60m or 2h"))
        };
        let own = || if options.pooled { None } else { StationCode::new(STATION).ok() };
        let settings = TrainSettings {
            horizon: span("--horizon", options.horizon)?,
            tolerance: span("--tolerance", options.tolerance)?,
            split: options.split,
            model: options.model,
            station: options.station.clone().or_else(own),
            pooled: options.pooled,
        };
        let (described, readings) = options.data.read()?;
        common::headline(options.json, format_args!("Data: {described}"))?;
        let mut progress = Progress::new();
        let training = train(&readings, &settings, &mut |step| progress.show_now(step))?;
        drop(progress);

        velib::report::write_json(options.out.join("scores.json"), &training)?;
        training.model.save(options.out.join("model.json"))?;
        draw(&options.out, &training, &settings, &readings, &described)?;
        if let Some(path) = &options.predictions {
            velib::report::write_csv(path, &training.predictions)?;
        }
        if options.json { common::print_json(&training) } else { print(&options, &training) }
    })
}

fn print(options: &Options, training: &Training) -> Result<()> {
    common::print(match &training.scope {
        Scope::Station(code) => format!("Station {code}, trained on its own history"),
        Scope::Pooled => format!("All {} stations", training.stations),
        Scope::PooledForStation { code, why } => format!(
            "Station {code}: {why}.\nTrained on all {} stations, with each station's own history as features; reported for {code}.",
            training.stations
        ),
    })?;
    common::print(format_args!(
        "Full in {} (±{})? {} training origins, {:.2} % full; {} test origins from {}, {:.2} % full",
        common::in_words(options.horizon),
        common::in_words(options.tolerance),
        training.origins.train,
        100.0 * training.train_base_rate,
        training.origins.test,
        training.split.format("%F %H:%M UTC"),
        100.0 * training.test_base_rate
    ))?;
    scores("Validation, the end of the training span", &training.validation)?;
    scores("Test", &training.test)?;
    if let Some(own) = &training.test_station {
        let station = options.station.as_ref().map_or_else(|| STATION.to_owned(), ToString::to_string);
        scores(&format!("Test, the rows of station {station} alone"), own)?;
    }
    let chosen = if options.model.is_some() { "asked for" } else { "preferred by validation" };
    common::print(format_args!("\n{} ({chosen}) is saved to {}", training.chosen, options.out.display()))?;
    training.notes.iter().try_for_each(|note| common::print(format_args!("Note: {note}")))
}

fn scores(title: &str, models: &[ModelScores]) -> Result<()> {
    common::print(format_args!("\n{title}"))?;
    let header = ["model", "Brier", "skill", "log loss", "avg precision", "AUC", "base rate", "events", "origins"];
    let rows = models.iter().map(|ModelScores { model, scores }| {
        [
            model.to_string(),
            format!("{:.5}", scores.brier),
            scores.brier_skill.map_or_else(|| "–".into(), |skill| format!("{skill:+.3}")),
            format!("{:.4}", scores.log_loss),
            figure(scores.average_precision, 3),
            figure(scores.auc, 3),
            format!("{:.4}", scores.base_rate),
            scores.events.to_string(),
            scores.count.to_string(),
        ]
    });
    common::print(common::table(header, &[], rows))
}

fn draw(
    folder: &Path,
    training: &Training,
    settings: &TrainSettings,
    readings: &[StationStatus],
    described: &str,
) -> Result<()> {
    let source = common::source_line(described);
    let ahead = format!("{} min ahead", settings.horizon.num_minutes());
    let name = training.chosen.to_string();
    let reliability = ReliabilityDiagram {
        title: format!("Reliability: station full {ahead}"),
        source: source.clone(),
        models: vec![ModelReliability { name: name.clone(), bins: training.reliability.clone() }],
    };
    common::draw(folder, "reliability", &Figure::from(reliability))?;
    let of_chosen = training.test.iter().find(|scores| scores.model == training.chosen);
    let curve = PrecisionRecall {
        title: format!("Precision and recall: station full {ahead}"),
        source: source.clone(),
        base_rate: training.test_base_rate,
        models: vec![PrecisionRecallCurve {
            name,
            average_precision: of_chosen.and_then(|scores| scores.scores.average_precision),
            points: training.precision_recall.clone(),
        }],
    };
    common::draw(folder, "precision-recall", &Figure::from(curve))?;
    let score = |scores: &ModelScores| ModelScore {
        name: scores.model.to_string(),
        brier: Some(scores.scores.brier),
        brier_skill: scores.scores.brier_skill,
        low: None,
        high: None,
    };
    let bars = velib::report::ModelScores {
        title: format!("Brier skill: station full {ahead}"),
        source,
        reference: "calibrated persistence".into(),
        models: training.test.iter().map(score).collect(),
    };
    common::draw(folder, "skill", &Figure::from(bars))?;
    let week = settings.station.as_ref().and_then(|code| common::station_week(readings, code, described));
    week.map_or(Ok(()), |week| common::draw(folder, "station-week", &week))
}
