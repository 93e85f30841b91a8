//! Part 4: an experiment from its file to its report: metrics, predictions, model, figures and a page, the same digits every
//! time.
//!
//! ```text
//! cargo run --release --example part4_experiment -- experiments/simulated.toml        into reports/simulated/
//! cargo run --release --example part4_experiment -- experiments/velib-2022.toml --data velib-2022.parquet
//! cargo run --release --example part4_experiment -- --index reports                   the page of all experiments alone
//! ```

#![allow(clippy::print_stderr, reason = "an example talks to its user")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta};
use clap::Parser;
use common::Progress;
use velib::ingest::{Recording, SimulatedStation, Source};
use velib::model::{Experiment, ExperimentData, ExperimentSettings, run_experiment};
use velib::report::{
    Figure, ForecastPoint, FoundExperiment, NamedFigure, PageFigure, experiment_figures, experiment_page,
    experiments_page, main_figures, read_json, write_csv, write_json,
};
use velib::{Error, ErrorKind, Place, Result, StationCode, StationStatus};

/// Runs an experiment and writes its report
#[derive(Parser)]
struct Options {
    /// What to try: experiments/*.toml
    #[arg(value_name = "FILE.toml", required_unless_present = "index")]
    experiment: Option<PathBuf>,
    /// The history, CSV or Parquet, in the place of the one that the file names; may be given several times
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Where the report goes; the page of all experiments is written beside it [default: reports/ and the file's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only write DIR/index.html, the page of the experiments that have reports in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["experiment", "data", "out", "json"])]
    index: Option<PathBuf>,
    /// Print the metrics as one JSON object
    #[arg(long)]
    json: bool,
}

/// What an experiment is made from.
struct Data {
    described: String,
    readings: Vec<StationStatus>,
    /// The chains that the readings come from, if they are simulated.
    stations: Vec<SimulatedStation>,
}

fn main() -> ExitCode {
    common::run(|options: Options| match (&options.index, &options.experiment) {
        (Some(reports), _) => index(reports),
        (None, Some(file)) => experiment(&options, file),
        (None, None) => Err(Error::usage("FILE.toml", "no experiment is named")),
    })
}

fn experiment(options: &Options, file: &Path) -> Result<()> {
    let settings = read_settings(file)?;
    let data = read_data(options, &settings).map_err(|error| match error.kind() {
        ErrorKind::Usage => error.at(Place::file(file)),
        _ => error,
    })?;
    if let Some(code) = &settings.station
        && !data.readings.iter().any(|reading| reading.station_code == *code)
    {
        return Err(Error::new(ErrorKind::Usage, format_args!("the data do not hold `station` {code}"))
            .at(Place::file(file))
            .way_out("name another, or none"));
    }
    let stem = file.file_stem().unwrap_or_default();
    let folder = options.out.clone().unwrap_or_else(|| Path::new("reports").join(stem));
    common::headline(options.json, format_args!("{}\nData: {}", settings.question, data.described))?;

    let mut progress = Progress::new();
    let mut result = run_experiment(&settings, &data.readings, &data.stations, &mut |step| progress.show_now(step))?;
    result.source = common::source_line(&data.described, &data.readings);
    progress.show_now("writing the report");
    write_json(common::in_folder(&folder, "metrics.json")?, &result)?;
    write_csv(folder.join("predictions.csv"), result.predictions())?;
    if let Some(model) = &result.model {
        model.save(folder.join("model.json"))?;
    }
    let mut figures = experiment_figures(&result);
    figures.extend(settings.station.as_ref().and_then(|code| station_week(&result, code, &data)));
    for named in &figures {
        common::draw(&folder, named.name, &named.figure.figure)?;
    }
    experiment_page(&result, &figures, &command(options, file)).write(folder.join("index.html"))?;
    if let Some(reports) = folder.parent().filter(|reports| !reports.as_os_str().is_empty()) {
        index(reports)?;
    }
    drop(progress);
    if options.json {
        return common::print_json(&result);
    }
    print(&result)?;
    common::print(format_args!("\nThe report: {}", folder.join("index.html").display()))
}

/// What cannot be right is said with its line.
fn read_settings(file: &Path) -> Result<ExperimentSettings> {
    let text = fs::read_to_string(file).map_err(|error| Error::io(file, &error))?;
    toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let place = match before {
            Some(before) => Place::line(file, before.matches('\n').count() as u64 + 1),
            None => Place::file(file),
        };
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::new(ErrorKind::Usage, message).at(place).way_out("experiments/README.md tells every key")
    })
}

fn read_data(options: &Options, settings: &ExperimentSettings) -> Result<Data> {
    if let Some(network) = settings.network()? {
        if !options.data.is_empty() {
            return Err(Error::usage("--data", "the experiment is one of the simulated network")
                .way_out("name the files in it: data = [\"velib.csv\"]"));
        }
        let (described, stations) = (network.describe(), network.stations().to_vec());
        let mut recording = Recording::from_readings(network.readings());
        recording.deduplicate();
        return Ok(Data { described, readings: recording.into_readings(), stations });
    }
    let files = match &settings.data {
        ExperimentData::Files(files) if options.data.is_empty() => files,
        _ => &options.data,
    };
    let mut recording = Recording::read(files).map_err(|error| {
        if error.kind() == ErrorKind::Io { error.way_out("say where it is by --data FILE") } else { error }
    })?;
    common::report_set_aside(recording.set_aside());
    recording.deduplicate();
    let described = files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(Data { described, readings: recording.into_readings(), stations: Vec::new() })
}

/// The last week of a station, and what was forecast for each moment of it.
fn station_week(result: &Experiment, code: &StationCode, data: &Data) -> Option<NamedFigure> {
    let Figure::StationWeek(mut week) = common::station_week(&data.readings, code, &result.source)? else {
        return None;
    };
    let from = week.points.iter().map(|point| point.time).min()?;
    if let Some(horizon) = result.main_horizon() {
        let rows = horizon.tested.stations.iter().zip(&horizon.tested.times).zip(&horizon.chosen_forecasts);
        let own = rows.filter(|((station, _), _)| *station == code).filter_map(|((_, &time), &p_full)| {
            Some(ForecastPoint { time: DateTime::from_timestamp(time + horizon.horizon_seconds, 0)?, p_full })
        });
        let until = week.points.iter().map(|point| point.time).max()? + TimeDelta::minutes(1);
        week.forecast = own.filter(|point| point.time >= from && point.time <= until).collect();
        week.horizon_minutes = (!week.forecast.is_empty()).then(|| horizon.minutes());
    }
    let station = week.station.clone();
    let figure = PageFigure {
        caption: format!("The last week of station {station}, and the forecast for each moment where there is one."),
        alt: format!("Free docks and bikes of station {station} by time, above the probability that it is full."),
        figure: Figure::from(week),
    };
    Some(NamedFigure { name: "station-week", figure })
}

/// How to run it again, without where this machine keeps things.
fn command(options: &Options, file: &Path) -> String {
    let own = |path: &Path| {
        let name = Path::new(path.file_name().unwrap_or_default());
        if path.is_relative() { path.display().to_string() } else { name.display().to_string() }
    };
    let mut command = format!("cargo run --release --example part4_experiment -- {}", own(file));
    for data in &options.data {
        command.push_str(&format!(" --data {}", own(data)));
    }
    command
}

/// The page of all experiments that have metrics in a folder of `reports`.
fn index(reports: &Path) -> Result<()> {
    let entries = fs::read_dir(reports).map_err(|error| Error::io(reports, &error))?;
    let mut folders: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.retain(|folder| folder.join("metrics.json").is_file());
    folders.sort_unstable();
    let found = folders.iter().map(|folder| {
        let experiment: Experiment = read_json(folder.join("metrics.json"))
            .map_err(|error| error.way_out("run the experiment again, or remove its folder"))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(FoundExperiment { folder: name, experiment, figures: main_figures(folder) })
    });
    experiments_page(&found.collect::<Result<Vec<_>>>()?).write(reports.join("index.html"))
}

fn print(result: &Experiment) -> Result<()> {
    for horizon in &result.horizons {
        let Some(evaluation) = &horizon.evaluation else {
            common::print(format_args!("\n{} min ahead: no fold could be trained", horizon.minutes()))?;
            horizon.notes.iter().try_for_each(|note| common::print(format_args!("  {note}")))?;
            continue;
        };
        common::print(format_args!(
            "\n{} min ahead: {} test origins on {} days, {:.2} % full; validation chose {}",
            horizon.minutes(),
            evaluation.origins,
            evaluation.days,
            100.0 * evaluation.base_rate,
            horizon.chosen_models().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ))?;
        let rows = evaluation.models.iter().map(|model| {
            let regret = horizon.regret.iter().find(|one| one.model == model.model);
            let interval = model.intervals.brier_skill;
            [
                model.model.to_string(),
                format!("{:.5}", model.scores.brier),
                model.scores.brier_skill.map_or_else(|| "–".into(), |skill| format!("{skill:+.3}")),
                interval.map_or_else(|| "–".into(), |one| format!("{:+.3} to {:+.3}", one.low, one.high)),
                common::figure(model.scores.average_precision, 3),
                common::figure(model.scores.auc, 3),
                regret.map_or_else(|| "–".into(), |one| format!("{:.1} %", 100.0 * one.regret)),
            ]
        });
        let header = ["model", "Brier", "skill", "95 % interval", "avg precision", "AUC", "regret"];
        common::print(common::table(header, &[], rows))?;
    }
    Ok(())
}
