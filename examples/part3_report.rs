//! Part 3, the question behind it: how to improve the riders' experience and increase usage. Where and when riders find no bike
//! or no dock, which neighbours could have helped, which docks look broken; as one page, its figures, and all numbers as JSON.
//!
//! ```text
//! cargo run --example part3_report                                 the simulated network, into var/part3-report/
//! cargo run --example part3_report -- --data velib.parquet --out report
//! cargo run --example part3_report -- --data velib.csv --max-gap 1h --json
//! ```
//!
//! Every figure can be drawn again from the JSON beside it: `velib::report::Figure::read_json`.

mod common;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::{DataOptions, Progress, figure};
use serde::Serialize;
use velib::Result;
use velib::batch::{FEWEST_DAYS, Lack, Shortages, Table, TableSettings, shortages};
use velib::report::{shortage_figures, shortage_page, write_json};

/// Where and when riders find no bike or no dock, as a page
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    data: DataOptions,
    /// For how long a reading holds if no other comes, at most
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = common::duration)]
    max_gap: Duration,
    /// Where the page goes, index.html, with report.json and the figures as PNG and JSON
    #[arg(long, value_name = "DIR", default_value = "var/part3-report")]
    out: PathBuf,
    /// Print all numbers as one JSON object
    #[arg(long)]
    json: bool,
}

/// All numbers of the page.
#[derive(Serialize)]
struct Report {
    source: String,
    #[serde(flatten)]
    shortages: Shortages,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        // So that a wrong one is refused before anything is read.
        Table::with(&[], &TableSettings { max_gap: options.max_gap, zones: None })?;
        let mut progress = Progress::new();
        progress.show_now("reading");
        let (described, readings) = options.data.read()?;
        drop(progress);
        common::headline(options.json, format_args!("Data: {described}"))?;

        let mut progress = Progress::new();
        progress.show_now("looking for what was lacking, and drawing the days again");
        let source = common::source_line(&described, &readings);
        let report = Report { source, shortages: shortages(&readings, options.max_gap)? };
        drop(readings);
        progress.show_now("writing the page and its figures");
        write(&options.out, &report)?;
        drop(progress);
        if options.json {
            return common::print_json(&report);
        }
        print(&report.shortages)?;
        common::print(format_args!("\nThe page: {}", options.out.join("index.html").display()))
    })
}

fn write(folder: &Path, report: &Report) -> Result<()> {
    write_json(common::in_folder(folder, "report.json")?, report)?;
    let figures = shortage_figures(&report.shortages, &report.source);
    figures.iter().try_for_each(|named| common::draw(folder, named.name, &named.figure.figure))?;
    shortage_page(&report.shortages, &report.source, &figures).write(folder.join("index.html"))
}

fn print(result: &Shortages) -> Result<()> {
    let Shortages { stations, dates, days, .. } = result;
    common::print(format_args!(
        "Stations: {stations}; days, whole or in part: {dates}; long enough to compare: {days}"
    ))?;
    let percent = |share: Option<f64>| share.map_or_else(|| "–".into(), |share| format!("{:.1} %", 100.0 * share));
    let row = |name: &str, lack: &Lack| {
        let interval =
            lack.missed_interval.map_or_else(|| "–".into(), |one| format!("{:.1} to {:.1}", one.low, one.high));
        [
            name.to_owned(),
            figure(Some(lack.hours), 1),
            percent(lack.share),
            figure(lack.missed, 1),
            interval,
            percent(lack.lost_share),
            percent(lack.answered_share),
        ]
    };
    let header = [
        "without",
        "station-hours",
        "of the time",
        "riders missed",
        "90 % interval",
        "of the riders",
        "one within 300 m",
    ];
    common::print(common::table(header, &[], [row("a bike", &result.bikes), row("a dock", &result.docks)]))?;
    if *days < FEWEST_DAYS as u64 {
        common::print("too few days to say how sure that is")?;
    }
    Ok(())
}
