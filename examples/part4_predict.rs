//! Part 4: from a saved model, the collected history and the feed as it is now: will there be a free dock?
//!
//! ```text
//! cargo run --example part4_train -- --pooled --horizon 15m,30m,60m,120m              a model of the simulated network
//! cargo run --example part4_predict -- --load var/part4/model.json --source simulate
//! cargo run --example part4_predict -- --load var/part4/model.json --source simulate --near 48.8636,2.2743,500m
//! cargo run --example part4_predict -- --load model.json --history velib.csv --station 16107 --out figures    live
//! ```

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Paris;
use clap::Parser;
use common::{SourceOptions, picture};
use serde::Serialize;
use velib::batch::data_files;
use velib::error::{ErrorKind, Place};
use velib::features::History;
use velib::ingest::Recording;
use velib::model::{Advice, Candidate, Outlook, SavedModel, advise};
use velib::report::{Figure, ForecastStep, HistoryPoint, StationForecast};
use velib::streaming::Circle;
use velib::{Error, Result, StationCode, StationStatus};

/// The assignment's own station.
const STATION: &str = "16107";
/// The steps of the coming two hours, minutes.
const STEPS: [i64; 8] = [15, 30, 45, 60, 75, 90, 105, 120];
/// A rider arrives after so many minutes unless told.
const ARRIVAL: i64 = 15;
/// The advice is the nearest station where a dock is free with this probability.
const SURE: f64 = 0.9;

/// Will there be a free dock? The coming two hours, by a saved model
#[derive(Parser)]
struct Options {
    /// The model, as part4_train saved it
    #[arg(long, value_name = "MODEL")]
    load: PathBuf,
    /// The station to forecast; may be given several times [default: 16107]
    #[arg(long, value_name = "CODE")]
    station: Vec<StationCode>,
    /// The stations around a place, by latitude, longitude and distance: 48.8636,2.2743,500m
    #[arg(long, value_name = "LAT,LON,DISTANCE", value_parser = circle, allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["station", "out"])]
    near: Option<Circle>,
    /// One moment alone, so far from now [default: every 15 minutes; 15m with --near]
    #[arg(long, value_name = "DURATION", value_parser = common::duration)]
    horizon: Option<Duration>,
    /// What was collected before, CSV or Parquet, or a folder of these; may be given several times
    #[arg(long, value_name = "FILE|FOLDER")]
    history: Vec<PathBuf>,
    #[command(flatten)]
    source: SourceOptions,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Draw each station's forecast to forecast-CODE.png in this folder, beside its JSON
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// All that is known now.
struct Known {
    source: String,
    /// Of the newest poll.
    made_at: DateTime<Utc>,
    readings: Vec<StationStatus>,
    history: History,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let model = SavedModel::load(&options.load)?;
        let known = read(&options)?;
        common::headline(options.json, format_args!("Model:  {}", in_words(&model)))?;
        match options.near {
            Some(near) => advice(&options, &model, &known, near),
            None => stations(&options, &model, &known),
        }
    })
}

/// The source as it is now, or to its end where it is a recording, and what was collected before.
fn read(options: &Options) -> Result<Known> {
    let before = if options.history.is_empty() {
        None
    } else {
        let recording = Recording::read(&data_files(&options.history)?)?;
        common::report_notes(recording.notes());
        common::report_set_aside(recording.set_aside());
        Some(recording.into_readings())
    };
    let mut source = options.source.open("live")?.into_source();
    let is_live = source.next_due().is_none();
    common::headline(options.json, format_args!("Source: {}", source.describe()))?;
    let mut readings = before.unwrap_or_default();
    let (collected, mut made_at) = (readings.len(), None);
    while let Some(snapshot) = source.poll().map_err(away)? {
        common::report_set_aside(&snapshot.set_aside);
        made_at = made_at.max(Some(snapshot.fetched_at));
        readings.extend(snapshot.readings);
        if is_live {
            break;
        }
    }
    if collected > 0 {
        common::headline(options.json, format_args!("With {collected} readings collected before"))?;
    }
    let none = || Error::new(ErrorKind::Data, format_args!("{} holds no reading", source.describe()));
    let (made_at, mut recording) = (made_at.ok_or_else(none)?, Recording::from_readings(readings));
    recording.deduplicate();
    let readings = recording.into_readings();
    Ok(Known { source: source.describe(), made_at, history: History::new(&readings), readings })
}

/// The error for a portal that does not answer, with what can be done instead.
fn away(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Network => error.way_out("check the network and the address, or go by a recording: --source FILE"),
        _ => error,
    }
}

impl Known {
    /// A station's newest reading up to now, usable or not.
    fn newest(&self, code: &StationCode) -> Option<&StationStatus> {
        let own = self.readings.iter().filter(|reading| reading.station_code == *code);
        own.filter(|reading| reading.last_reported <= self.made_at).max_by_key(|reading| reading.last_reported)
    }

    /// Each station's newest reading up to now, in the order of the codes.
    fn all_newest(&self) -> BTreeMap<&StationCode, &StationStatus> {
        let mut newest: BTreeMap<&StationCode, &StationStatus> = BTreeMap::new();
        for reading in self.readings.iter().filter(|reading| reading.last_reported <= self.made_at) {
            let known = newest.entry(&reading.station_code).or_insert(reading);
            if known.last_reported < reading.last_reported {
                *known = reading;
            }
        }
        newest
    }

    fn outlook(&self, model: &SavedModel, codes: &[StationCode], minutes: &[i64]) -> Result<Vec<Outlook>> {
        let ahead: Vec<_> = minutes.iter().map(|&minutes| TimeDelta::minutes(minutes)).collect();
        model.outlook(&self.history, &self.readings, codes, self.made_at, &ahead)
    }
}

/// A station's forecast with its name.
#[derive(Serialize)]
struct Named<'a> {
    name: Option<&'a str>,
    #[serde(flatten)]
    outlook: Outlook,
}

fn stations(options: &Options, model: &SavedModel, known: &Known) -> Result<()> {
    let own = || StationCode::new(STATION).into_iter().collect();
    let codes = if options.station.is_empty() { own() } else { options.station.clone() };
    let mut told = Vec::with_capacity(codes.len());
    for code in &codes {
        let newest = known.newest(code).ok_or_else(|| unknown(known, code))?;
        let minutes = match options.horizon {
            Some(horizon) => vec![whole_minutes(horizon)?],
            None => steps(model, known, code)?,
        };
        let name = newest.name.as_deref();
        let outlooks = known.outlook(model, std::slice::from_ref(code), &minutes)?;
        told.extend(outlooks.into_iter().map(|outlook| Named { name, outlook }));
    }
    for one in &told {
        if let Some(folder) = &options.out {
            draw(folder, known, one)?;
        }
        if !options.json {
            print(known, one)?;
        }
    }
    if options.json {
        return common::print_json(&serde_json::json!({
            "source": known.source, "model": about(model), "made_at": known.made_at, "stations": told,
        }));
    }
    let drawn = |folder: &PathBuf| common::print(format_args!("\nThe figures are in {}", folder.display()));
    options.out.as_ref().map_or(Ok(()), drawn)
}

/// The steps that the model can answer for a station: those that were learned, seen from its newest reading.
fn steps(model: &SavedModel, known: &Known, code: &StationCode) -> Result<Vec<i64>> {
    let (shortest, longest) = horizons(model);
    let now = known.outlook(model, std::slice::from_ref(code), &[])?;
    let old = now.first().and_then(|now| now.staleness_seconds).unwrap_or(0);
    let answered = |minutes: &i64| minutes * 60 <= longest && minutes * 60 + old >= shortest;
    let steps: Vec<_> = STEPS.into_iter().filter(answered).collect();
    Ok(if steps.is_empty() { vec![longest / 60] } else { steps })
}

fn unknown(known: &Known, code: &StationCode) -> Error {
    let codes: Vec<_> = known.all_newest().into_keys().map(StationCode::as_str).collect();
    let after = codes.partition_point(|other| *other < code.as_str());
    let near = codes[after.saturating_sub(2)..codes.len().min(after + 2)].join(", ");
    Error::new(ErrorKind::Data, "no reading is of this station")
        .at(Place::Station(code.to_string()))
        .way_out(format_args!("near it are {near}"))
}

fn whole_minutes(horizon: Duration) -> Result<i64> {
    let whole = i64::try_from(horizon.as_secs() / 60).ok().filter(|_| horizon.as_secs().is_multiple_of(60));
    whole.ok_or_else(|| Error::usage("--horizon", "is not in whole minutes").way_out("write 15m, 60m or 2h"))
}

/// The shortest and the longest horizon of a model, seconds.
fn horizons(model: &SavedModel) -> (i64, i64) {
    let seconds = |one: Option<&velib::model::HorizonModel>| one.map_or(0, |one| one.horizon_seconds);
    (seconds(model.horizons.first()), seconds(model.horizons.last()))
}

/// The names of its parts, each once.
fn names(model: &SavedModel) -> Vec<&'static str> {
    let mut names: Vec<_> = model.horizons.iter().map(|one| one.name().as_str()).collect();
    names.dedup();
    names
}

fn in_words(model: &SavedModel) -> String {
    let learned = match horizons(model) {
        (shortest, longest) if shortest < longest => format!("{} to {} min", shortest / 60, longest / 60),
        (only, _) => format!("{} min", only / 60),
    };
    let on = match &model.station {
        Some(code) => format!("station {code}"),
        None => format!("{} stations", model.stations),
    };
    let day = |time: DateTime<Utc>| time.with_timezone(&Paris).date_naive();
    let (from, until) = (day(model.trained_from), day(model.trained_until));
    format!("{}, {learned} ahead, of {on}, {from} to {until}", names(model).join(", "))
}

fn about(model: &SavedModel) -> serde_json::Value {
    let minutes: Vec<_> = model.horizons.iter().map(|one| one.horizon_seconds as f64 / 60.0).collect();
    serde_json::json!({
        "models": names(model), "horizons_minutes": minutes, "station": model.station, "stations": model.stations,
        "trained_from": model.trained_from, "trained_until": model.trained_until,
    })
}

fn print(known: &Known, one: &Named<'_>) -> Result<()> {
    let Named { name, outlook } = one;
    common::print(format!("\nStation {} {}", outlook.station, name.unwrap_or_default()).trim_end())?;
    let local = |time: DateTime<Utc>| time.with_timezone(&Paris);
    let made = local(outlook.made_at).format("%a %-d %b %Y, %H:%M");
    let reported = outlook.staleness_seconds.map_or_else(String::new, |age| format!(", reported {} min ago", age / 60));
    common::print(format_args!("{made} in Paris{reported}"))?;
    if let (Some(docks), Some(bikes), Some(capacity)) = (outlook.docks, outlook.bikes, outlook.capacity) {
        common::print(format_args!("Free docks: {docks}, bikes: {bikes}, docks in all: {capacity}\n"))?;
    }
    if !outlook.steps.is_empty() {
        let rows = outlook.steps.iter().map(|step| {
            [
                local(outlook.made_at + TimeDelta::minutes(step.minutes)).format("%H:%M").to_string(),
                format!("{} min", step.minutes),
                percent(step.p_full),
                percent(1.0 - step.p_full),
                format!("{} to {}", step.docks_low, step.docks_high),
            ]
        });
        common::print(common::table(["at", "in", "P(full)", "P(free dock)", "free docks (80 %)"], &[], rows))?;
        let steps: Vec<_> = outlook.steps.iter().map(|step| (step.minutes, step.p_full)).collect();
        let picture = picture::draw(&past(known, &outlook.station), &steps, outlook.capacity, outlook.made_at);
        common::print(format_args!("\n{picture}"))?;
    }
    outlook.notes.iter().try_for_each(|note| common::print(format_args!("Note: {note}")))
}

/// The free docks that a station reported up to now.
fn past(known: &Known, code: &StationCode) -> Vec<(DateTime<Utc>, u32)> {
    let own = known.history.position(code.as_str()).map(|place| &known.history.stations()[place]);
    let rows = own.into_iter().flat_map(|own| own.times().iter().zip(own.docks()));
    let rows = rows.filter_map(|(&time, &docks)| Some((DateTime::from_timestamp(time, 0)?, docks)));
    rows.take_while(|(time, _)| *time <= known.made_at).collect()
}

fn draw(folder: &Path, known: &Known, one: &Named<'_>) -> Result<()> {
    let outlook = &one.outlook;
    let step = |step: &velib::model::OutlookStep| ForecastStep {
        minutes: step.minutes as f64,
        p_full: step.p_full,
        docks_low: Some(step.docks_low.into()),
        docks_median: Some(step.docks_median.into()),
        docks_high: Some(step.docks_high.into()),
    };
    let code = &outlook.station;
    let point = |(time, docks): (DateTime<Utc>, u32)| HistoryPoint { time, docks: Some(docks.into()) };
    let drawn_from = known.made_at - TimeDelta::hours(4);
    let forecast = StationForecast {
        title: "Will there be a free dock?".into(),
        station: format!("{code} {}", one.name.unwrap_or_default()).trim_end().to_owned(),
        source: common::source_line(&known.source, &known.readings),
        made_at: outlook.made_at,
        capacity: outlook.capacity.map(f64::from),
        history: past(known, code).into_iter().filter(|(time, _)| *time >= drawn_from).map(point).collect(),
        steps: outlook.steps.iter().map(step).collect(),
        notes: outlook.notes.clone(),
    };
    common::draw(folder, &format!("forecast-{code}").replace(['/', '\\'], "_"), &Figure::from(forecast))
}

/// A station in reach.
#[derive(Serialize)]
struct InReach<'a> {
    metres: f64,
    #[serde(flatten)]
    named: Named<'a>,
}

fn advice(options: &Options, model: &SavedModel, known: &Known, near: Circle) -> Result<()> {
    let minutes = options.horizon.map_or(Ok(ARRIVAL), whole_minutes)?;
    let candidate = |reading: &&StationStatus| {
        let place = reading.lat.zip(reading.lon)?;
        let (code, name) = (reading.station_code.clone(), reading.name.clone());
        Some(Candidate::new(code, name, place, near.centre, f64::NAN))
    };
    let mut candidates: Vec<_> = known.all_newest().values().filter_map(candidate).collect();
    candidates.sort_by(|a, b| a.metres.total_cmp(&b.metres));
    let in_reach = candidates.partition_point(|candidate| candidate.metres <= near.metres);
    if in_reach == 0 {
        return Err(nobody_near(near, candidates.first()));
    }
    candidates.truncate(in_reach);
    let codes: Vec<_> = candidates.iter().map(|candidate| candidate.station.clone()).collect();
    let outlooks = known.outlook(model, &codes, &[minutes])?;
    for (candidate, outlook) in candidates.iter_mut().zip(&outlooks) {
        candidate.p_free = outlook.steps.first().map_or(f64::NAN, |step| 1.0 - step.p_full);
    }
    let advice = advise(&candidates, SURE);
    if options.json {
        let named = candidates.iter().zip(outlooks).map(|(candidate, outlook)| InReach {
            metres: candidate.metres,
            named: Named { name: candidate.name.as_deref(), outlook },
        });
        return common::print_json(&serde_json::json!({
            "source": known.source, "model": about(model), "made_at": known.made_at, "near": {"lat": near.centre.0, "lon": near.centre.1, "metres": near.metres}, "minutes": minutes,
            "advice": advice, "stations": named.collect::<Vec<_>>(),
        }));
    }
    let arrival = (known.made_at + TimeDelta::minutes(minutes)).with_timezone(&Paris).format("%H:%M");
    common::print(format_args!("\nStations within {:.0} m, arriving in {minutes} min, at {arrival}\n", near.metres))?;
    let rows = candidates.iter().zip(&outlooks).map(|(candidate, outlook)| {
        let now = if outlook.is_closed { "closed".to_owned() } else { common::count(outlook.docks) };
        let p_free = if candidate.p_free.is_nan() { "–".to_owned() } else { percent(candidate.p_free) };
        [candidate.station.to_string(), short(candidate), format!("{:.0}", candidate.metres), now, p_free]
    });
    common::print(common::table(["station", "name", "metres", "free docks now", "P(free dock)"], &[1], rows))?;
    common::print(format_args!("\n{}", sentence(advice)))?;
    let mut notes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (outlook, note) in outlooks.iter().flat_map(|outlook| outlook.notes.iter().map(move |note| (outlook, note))) {
        notes.entry(note).or_default().push(outlook.station.as_str());
    }
    notes.into_iter().try_for_each(|(note, codes)| match codes.len() == outlooks.len() {
        true => common::print(format_args!("Note: {note}")),
        false => common::print(format_args!("Note on {}: {note}", codes.join(", "))),
    })
}

fn nobody_near(near: Circle, nearest: Option<&Candidate>) -> Error {
    let message = format!("no station lies within {:.0} m of {}, {}", near.metres, near.centre.0, near.centre.1);
    let error = Error::new(ErrorKind::Data, message).at(Place::Option("--near"));
    match nearest {
        Some(one) => error.way_out(format_args!("take a larger distance: {} is {:.0} m away", one.station, one.metres)),
        None => error.way_out("the readings tell no positions: take a source that does"),
    }
}

/// A name that leaves room for the other columns.
fn short(candidate: &Candidate) -> String {
    let name = candidate.name.as_deref().unwrap_or("–");
    if name.chars().count() > 30 { name.chars().take(29).chain(['…']).collect() } else { name.to_owned() }
}

fn sentence(advice: Option<Advice<'_>>) -> String {
    let Some(advice) = advice else { return "None of them takes bikes back now: take a larger distance".into() };
    let to = advice.candidate();
    let name = format!("{} {}", to.station, to.name.as_deref().unwrap_or_default());
    let (name, p) = (name.trim_end(), percent(to.p_free).replace('>', "more than "));
    if advice.is_sure() {
        format!("Go to {name}, {:.0} m: a dock is free with {p}, the nearest with 90 % or more", to.metres)
    } else {
        format!("None reaches 90 %. The likeliest is {name}, {:.0} m, with {p}", to.metres)
    }
}

/// A probability; one that is not quite sure is not shown as if it were.
fn percent(p: f64) -> String {
    match 100.0 * p {
        low if low < 0.1 => "<0.1 %".into(),
        high if high > 99.9 => ">99.9 %".into(),
        percent => format!("{percent:.1} %"),
    }
}

fn circle(text: &str) -> std::result::Result<Circle, String> {
    let way_out = "write latitude, longitude and distance, for example 48.8636,2.2743,500m";
    Circle::parse(text).ok_or_else(|| way_out.to_owned())
}
