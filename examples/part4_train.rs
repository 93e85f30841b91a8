//! Part 4: from the history of one station, or of all, whether a station will be full an hour later.
//!
//! ```text
//! cargo run --example part4_train -- --station 16107                          the simulated network
//! cargo run --example part4_train -- --pooled --data history.parquet --split 2022-05-26T00:00:00Z --predictions p.csv
//! cargo run --example part4_train -- --pooled --data history.parquet --horizon 15m,30m,60m,120m   for part4_predict
//! ```

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use common::{DataOptions, Progress, figure};
use serde::Serialize;
use velib::model::{LabelledRows, ModelName, ModelScores, SavedModel, Scope, TrainSettings, Training, train_each};
use velib::report::{
    Figure, ModelReliability, ModelScore, PrecisionRecall, PrecisionRecallCurve, ReliabilityDiagram, TableKind,
    write_labelled_rows,
};
use velib::{Error, ErrorKind, Result, StationCode, StationStatus};

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
    /// How far ahead; several with commas between, for one model that knows them all
    #[arg(long, value_name = "DURATION", default_value = "60m", value_delimiter = ',', value_parser = common::duration)]
    horizon: Vec<Duration>,
    /// How far from the horizon the reading that tells the label may be [default: a third of it, at most 20m]
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    tolerance: Option<Duration>,
    /// When the test span begins [default: the last quarter of the time]
    #[arg(long, value_name = "RFC3339")]
    split: Option<DateTime<Utc>>,
    /// persistence, calibrated, climatology, logistic, tree, queue, boost or blend [default: all, and the one that
    /// validation prefers]
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    /// Train on all stations and predict for all
    #[arg(long)]
    pooled: bool,
    /// Write the forecasts of the test span: stationcode,last_reported,p_full
    #[arg(long, value_name = "FILE.csv")]
    predictions: Option<PathBuf>,
    /// Write the rows that are learned from and tested on, each with its label and every feature
    #[arg(long, value_name = "FILE.parquet|FILE.csv")]
    export_features: Option<PathBuf>,
    /// Print on stderr how many seconds each step took, as a line of JSON for each horizon
    #[arg(long)]
    timings: bool,
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
        let horizons = options.horizon.iter().map(|&horizon| span("--horizon", horizon)).collect::<Result<Vec<_>>>()?;
        let files = [("--predictions", &options.predictions), ("--export-features", &options.export_features)];
        if let Some((option, _)) = files.iter().find(|(_, file)| file.is_some() && horizons.len() > 1) {
            return Err(Error::usage(option, "the file is of one horizon").way_out("give a single --horizon"));
        }
        options.export_features.as_ref().map(TableKind::of).transpose()?;
        let own = || if options.pooled { None } else { StationCode::new(STATION).ok() };
        let settings = TrainSettings {
            tolerance: options.tolerance.map(|tolerance| span("--tolerance", tolerance)).transpose()?,
            split: options.split,
            model: options.model,
            station: options.station.clone().or_else(own),
            pooled: options.pooled,
            horizon: horizons.first().copied().unwrap_or_default(),
            ..TrainSettings::default()
        };
        let (described, readings) = options.data.read()?;
        common::headline(options.json, format_args!("Data: {described}"))?;
        let mut progress = Progress::new();
        // Before the training, which takes longer than to find that a file cannot be written.
        if let Some(path) = &options.export_features {
            progress.show_now("making the features for their file");
            write_labelled_rows(path, &LabelledRows::of(&readings, &settings)?)?;
        }
        let mut trained = train_each(&readings, &settings, &horizons, &mut |step| progress.show_now(step))?;
        drop(progress);
        if options.timings {
            trained.iter().try_for_each(timings)?;
        }

        SavedModel::join(trained.iter().map(|training| training.model.clone()).collect())?
            .save(common::in_folder(&options.out, "model.json")?)?;
        for training in &trained {
            draw(&options.out, training, &settings, &readings, &described, horizons.len() > 1)?;
            if let Some(path) = &options.predictions {
                velib::report::write_csv(path, &training.predictions)?;
            }
        }
        if !options.json {
            trained.iter().try_for_each(|training| print(&options, training))?;
        }
        let scores = options.out.join("scores.json");
        match trained.pop() {
            Some(only) if trained.is_empty() => told(&options, &scores, &only),
            last => {
                trained.extend(last);
                told(&options, &scores, &Horizons { horizons: trained })
            }
        }
    })
}

/// What several horizons are written as: one object.
#[derive(Serialize)]
struct Horizons {
    horizons: Vec<Training>,
}

/// The results to their file, and to stdout if they are asked for there.
fn told(options: &Options, path: &Path, results: &impl Serialize) -> Result<()> {
    velib::report::write_json(path, results)?;
    if options.json { common::print_json(results) } else { Ok(()) }
}

/// The seconds of each step on stderr, so that stdout stays for the results.
fn timings(training: &Training) -> Result<()> {
    let seconds = training.timings.iter().map(|(step, time)| (step.as_str(), time.as_secs_f64()));
    let told = Timings { horizon_seconds: training.horizon_seconds, seconds: seconds.collect() };
    let json = serde_json::to_string(&told).map_err(|error| Error::new(ErrorKind::Data, error))?;
    eprintln!("{json}");
    Ok(())
}

#[derive(Serialize)]
struct Timings<'a> {
    horizon_seconds: i64,
    seconds: BTreeMap<&'a str, f64>,
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
        common::seconds(training.horizon_seconds),
        common::seconds(training.tolerance_seconds),
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
    if let Some(evaluation) = &training.evaluation {
        common::print(format_args!("\nWhich beats which in the test, over {} days", evaluation.days))?;
        evaluation.sentences().iter().try_for_each(|sentence| common::print(format_args!("  {sentence}")))?;
    }
    let counts = training.counts.iter().map(|one| {
        let scores = &one.scores;
        [
            one.forecast.clone(),
            format!("{:.3}", scores.crps),
            format!("{:.3}", scores.mae),
            format!("{:.3}", scores.rmse),
            format!("{:.1} %", 100.0 * scores.coverage),
        ]
    });
    common::print("\nHow many docks will be free? Test, in docks")?;
    common::print(common::table(["forecast", "CRPS", "MAE", "RMSE", "in the central 80 %"], &[], counts))?;
    if !training.blend.is_empty() {
        let weights = training.blend.iter().map(|one| format!("{:.0} % {}", 100.0 * one.weight, one.model));
        common::print(format_args!("\nThe blend: {}", weights.collect::<Vec<_>>().join(", ")))?;
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
    one_of_several: bool,
) -> Result<()> {
    let source = common::source_line(described, readings);
    let horizon = training.horizon_seconds / 60;
    let ahead = format!("{horizon} min ahead");
    let named = |name: &str| if one_of_several { format!("{name}-{horizon}min") } else { name.to_owned() };
    let name = training.chosen.to_string();
    let reliability = ReliabilityDiagram {
        title: format!("Reliability: station full {ahead}"),
        source: source.clone(),
        models: vec![ModelReliability { name: name.clone(), bins: training.reliability.clone() }],
    };
    common::draw(folder, &named("reliability"), &Figure::from(reliability))?;
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
    common::draw(folder, &named("precision-recall"), &Figure::from(curve))?;
    let interval = |model: ModelName| {
        let one = training.evaluation.as_ref()?.models.iter().find(|one| one.model == model)?;
        one.intervals.brier_skill.filter(|_| model != ModelName::Calibrated)
    };
    let score = |scores: &ModelScores| ModelScore {
        name: scores.model.to_string(),
        brier: Some(scores.scores.brier),
        brier_skill: scores.scores.brier_skill,
        low: interval(scores.model).map(|interval| interval.low),
        high: interval(scores.model).map(|interval| interval.high),
    };
    let bars = velib::report::ModelScores {
        title: format!("Brier skill: station full {ahead}"),
        source: source.clone(),
        reference: "calibrated persistence".into(),
        models: training.test.iter().map(score).collect(),
    };
    common::draw(folder, &named("skill"), &Figure::from(bars))?;
    let week = settings.station.as_ref().and_then(|code| common::station_week(readings, code, &source));
    week.map_or(Ok(()), |week| common::draw(folder, "station-week", &week))
}
