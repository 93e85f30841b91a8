//! One station's coming hours: its free docks so far and the fan of what may come, beside P(full) at each step.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Europe::Paris;
use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick};
use super::figure::{Drawing, MOST_DOCKS, check_in, check_interval, check_known, check_time};
use super::palette::{AXIS, BLUE, Colour, INK, QUIET, SKY};
use super::scene::{Anchor, Point, Scene, Style};
use super::sheet::{BOTTOM, Entry, LABEL, LEFT, Mark, NOTE, Panel, RIGHT, TOP, crisp};
use super::station_week::{runs, stroke};
use crate::error::{Error, ErrorKind, Result};

/// The furthest step, in minutes, and the longest history that is drawn beside it.
const FURTHEST: f64 = 1440.0;

/// The most lines of notes that one figure holds.
const MOST_NOTES: usize = 6;

/// The forecast of one station. Of its history the part is drawn that is one and a half times as long as the forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationForecast {
    /// The figure's title.
    pub title: String,
    /// The station: its code, and its name if known.
    pub station: String,
    /// Where the data is from.
    pub source: String,
    /// When the forecast was made: the minutes of its steps count from here.
    pub made_at: DateTime<Utc>,
    /// Number of docks.
    pub capacity: Option<f64>,
    /// The readings before, in any order.
    pub history: Vec<HistoryPoint>,
    /// The steps of the forecast, in any order.
    pub steps: Vec<ForecastStep>,
    /// What the reader must know: what is missing, and what was done about it. Printed below the panels.
    pub notes: Vec<String>,
}

/// The free docks of one reading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Event time: when the station reported it.
    pub time: DateTime<Utc>,
    /// Free docks.
    pub docks: Option<f64>,
}

/// One step of a forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastStep {
    /// Minutes after the forecast was made.
    pub minutes: f64,
    /// The probability that the station is full then.
    pub p_full: f64,
    /// The 10 % quantile of the free docks: the lower end of their 80 % interval.
    pub docks_low: Option<f64>,
    /// The median of the free docks.
    pub docks_median: Option<f64>,
    /// The 90 % quantile of the free docks: the upper end of their 80 % interval.
    pub docks_high: Option<f64>,
}

impl Drawing for StationForecast {
    fn check(&self) -> Result<()> {
        check_time(self.made_at)?;
        check_known(self.capacity, 0.0..=MOST_DOCKS, format_args!("the capacity"))?;
        for HistoryPoint { time, docks } in &self.history {
            check_time(*time)?;
            check_known(*docks, 0.0..=MOST_DOCKS, format_args!("`docks` at {time}"))?;
        }
        for ForecastStep { minutes, p_full, docks_low, docks_median, docks_high } in &self.steps {
            check_in(*minutes, 0.0..=FURTHEST, format_args!("`minutes`"))?;
            check_in(*p_full, 0.0..=1.0, format_args!("`p_full` at {minutes} min"))?;
            let range = 0.0..=MOST_DOCKS;
            check_interval((*docks_low, *docks_high), range.clone(), format_args!("the docks at {minutes} min"))?;
            let inside = docks_low.unwrap_or(0.0)..=docks_high.unwrap_or(MOST_DOCKS);
            check_known(*docks_median, inside, format_args!("`docks_median` at {minutes} min"))?;
        }
        match self.note_lines().len() {
            0..=MOST_NOTES => Ok(()),
            many => {
                Err(Error::new(ErrorKind::Figure, format_args!("{many} lines of notes are too many for one figure"))
                    .way_out(format_args!("say it in at most {MOST_NOTES} lines of about 170 letters")))
            }
        }
    }

    fn scene(&self) -> Scene {
        const NOTE_ROW: f64 = 26.0;
        let mut steps = self.steps.clone();
        steps.sort_by(|a, b| a.minutes.total_cmp(&b.minutes));
        let made = self.made_at.with_timezone(&Paris).format("%a %-d %b %Y, %-H:%M");
        let subtitle = format!("Station {} · forecast made {made}, Paris time", self.station);
        let mut scene = Scene::sheet(&self.title, &subtitle, &self.source);

        let lines = self.note_lines();
        let bottom = BOTTOM - 84.0 - NOTE_ROW * lines.len() as f64;
        let first_note = bottom + 84.0 + NOTE_ROW;
        for (row, line) in lines.iter().enumerate() {
            scene.text((LEFT, first_note + NOTE_ROW * row as f64), Anchor::Start, NOTE, line);
        }
        let middle = LEFT + 820.0;
        let top = scene.legend((LEFT, TOP - 8.0), RIGHT, &self.entries(&steps)) + 60.0;
        self.draw_docks(&mut scene, &steps, (LEFT + 60.0, middle), (bottom, top));
        draw_chances(&mut scene, &steps, (middle + 140.0, RIGHT), (bottom, top));
        scene
    }
}

impl StationForecast {
    /// The notes, each on as many lines as it needs.
    fn note_lines(&self) -> Vec<String> {
        self.notes.iter().flat_map(|note| NOTE.wrap(note, RIGHT - LEFT)).collect()
    }

    fn entries(&self, steps: &[ForecastStep]) -> Vec<Entry> {
        let mut entries = vec![Entry::new(Mark::Line, INK, "free docks so far")];
        if steps.iter().any(|step| step.docks_median.is_some()) {
            entries.push(Entry::new(Mark::Line, BLUE, "median of the forecast"));
        }
        if steps.iter().any(|step| step.docks_low.is_some() && step.docks_high.is_some()) {
            entries.push(Entry::new(Mark::Block, fan_colour(), "80 % interval"));
        }
        if let Some(capacity) = self.capacity {
            entries.push(Entry::new(Mark::Dashes, QUIET, format!("capacity ({capacity:.0} docks)")));
        }
        entries
    }

    /// Minutes after the forecast was made; before it they are negative.
    fn minute(&self, time: DateTime<Utc>) -> f64 {
        (time - self.made_at).num_milliseconds() as f64 / 60_000.0
    }

    fn draw_docks(&self, scene: &mut Scene, steps: &[ForecastStep], across: (f64, f64), down: (f64, f64)) {
        let ahead = steps.last().map_or(0.0, |step| step.minutes).max(30.0);
        let start = -1.5 * ahead;
        let mut history: Vec<HistoryPoint> =
            self.history.iter().filter(|point| (start..=ahead).contains(&self.minute(point.time))).copied().collect();
        history.sort_by_key(|point| point.time);
        let counts = history.iter().filter_map(|point| point.docks);
        let forecast = steps.iter().flat_map(|step| [step.docks_low, step.docks_median, step.docks_high]).flatten();
        let highest = counts.chain(forecast).chain(self.capacity).fold(4.0, f64::max);
        let panel = Panel {
            x: Axis::new(Spread::Linear, (start, ahead), across),
            y: Axis::new(Spread::Linear, (0.0, highest * 1.06), down),
        };

        let whole = |value: f64, decimals: usize| if decimals == 0 { format!("{value:.0}") } else { String::new() };
        let (grid, labels) = (panel.y.round_ticks(6.0, whole), self.clock(start, ahead));
        scene.y_axis(&panel, &grid, "Free docks");
        scene.x_axis(&panel, &labels, "Time of day (Paris)");
        let last = history.last().and_then(|point| Some((self.minute(point.time), point.docks?)));
        // A clock that is ahead of ours must not fold the fan.
        let last = last.filter(|last| steps.first().is_some_and(|step| last.0 <= step.minutes));
        fan(scene, &panel, steps, last);
        if let Some(capacity) = self.capacity {
            scene.dashed(&[panel.at(start, capacity), panel.at(ahead, capacity)], 2.0, QUIET);
        }
        let now = crisp(panel.x.at(0.0));
        scene.line(&[(now, panel.y.from), (now, panel.y.to)], 2.0, AXIS);
        scene.text((now, panel.y.to - 12.0), Anchor::Middle, LABEL, "forecast made");

        let known = runs(history.iter().map(|point| (point.time, point.docks.map(|docks| [docks; 2]))));
        for run in &known {
            let line: Vec<Point> = run.iter().map(|(time, docks)| panel.at(self.minute(*time), docks[0])).collect();
            stroke(scene, &line, INK);
        }
        let forecast = steps.iter().any(|step| step.docks_median.is_some() || step.docks_low.is_some());
        if known.is_empty() && !forecast {
            scene.no_data(&panel, "no data");
        }
    }

    /// Whole hours of the local clock, or halves and quarters where there is room.
    fn clock(&self, start: f64, end: f64) -> Vec<Tick> {
        let every = [15, 30, 60, 120, 240, 480].into_iter().find(|&every| (end - start) / f64::from(every) <= 9.0);
        let every = every.unwrap_or(720);
        let local = self.made_at.with_timezone(&Paris);
        let since_midnight = i64::from(local.hour() * 60 + local.minute());
        let whole = self.made_at - TimeDelta::seconds(i64::from(local.second()));
        let first = whole - TimeDelta::minutes(since_midnight + 2 * FURTHEST as i64);
        let times =
            (0..7 * FURTHEST as i64 / i64::from(every)).map(|step| first + TimeDelta::minutes(step * i64::from(every)));
        times
            .map(|time| (self.minute(time), time.with_timezone(&Paris)))
            .filter(|(minute, _)| (start..=end).contains(minute))
            .map(|(value, local)| Tick { value, label: local.format("%-H:%M").to_string() })
            .collect()
    }
}

/// The colour of the 80 % interval.
fn fan_colour() -> Colour {
    SKY.tint(0.5)
}

/// The interval and the median, from the last known count on.
fn fan(scene: &mut Scene, panel: &Panel, steps: &[ForecastStep], last: Option<(f64, f64)>) {
    let through = |count: fn(&ForecastStep) -> Option<f64>| -> Vec<Point> {
        let ahead = steps.iter().filter_map(|step| Some((step.minutes, count(step)?)));
        last.into_iter().chain(ahead).map(|(minute, docks)| panel.at(minute, docks)).collect()
    };
    let low = through(|step| step.docks_high.and(step.docks_low));
    let high = through(|step| step.docks_low.and(step.docks_high));
    let median = through(|step| step.docks_median);
    if low.len() > 1 {
        scene.area(low.into_iter().chain(high.into_iter().rev()).collect(), fan_colour());
    }
    if median.len() > 1 {
        scene.line(&median, 2.5, BLUE);
    }
    let from = usize::from(last.is_some());
    median.iter().skip(from).for_each(|&point| scene.disc(point, 4.5, BLUE));
}

/// P(full) at each step, with its number.
fn draw_chances(scene: &mut Scene, steps: &[ForecastStep], across: (f64, f64), down: (f64, f64)) {
    const NUMBER: Style = Style { size: 18.0, ..LABEL };
    let furthest = steps.last().map_or(120.0, |step| step.minutes).max(1.0);
    let narrowest = steps.windows(2).map(|pair| pair[1].minutes - pair[0].minutes).filter(|&gap| gap > 0.0);
    let gap = narrowest.fold(furthest, f64::min).max(furthest / 60.0);
    let first = steps.first().map_or(0.0, |step| step.minutes);
    let margin = (0.7 * gap).max(0.06 * (furthest - first));
    let panel = Panel {
        x: Axis::new(Spread::Linear, (first - margin, furthest + margin), across),
        // Room above for the numbers, below the title.
        y: Axis::new(Spread::Linear, (0.0, 1.0), (down.0, down.1 + 28.0)),
    };
    let pixels = panel.x.at(furthest) - panel.x.at(furthest - gap);
    let percent = |value: f64, _| format!("{:.0} %", value * 100.0);
    scene.y_axis(&panel, &panel.y.round_ticks(5.0, percent), "");
    scene.text((across.0 - 70.0, down.1 - 24.0), Anchor::Start, LABEL, "P(full): no dock is free");
    let named = named_steps(steps, 52.0 * gap / pixels);
    let label = |step: &&ForecastStep| Tick { value: step.minutes, label: format!("{:.0}", step.minutes) };
    scene.x_labels(&panel, &named.iter().map(label).collect::<Vec<_>>());
    scene.x_axis(&panel, &[], "Minutes ahead");
    let half = (0.35 * pixels).clamp(1.0, 22.0);
    for step in steps {
        let (x, y) = panel.at(step.minutes, step.p_full);
        scene.rectangle((x - half, y), (x + half, panel.y.from), BLUE);
    }
    // Numbers stand on their bars, or in a row above the panel where a bar beside would cover them.
    let roomy = pixels >= NUMBER.width("100 %") + 4.0;
    let mut free = across.0;
    for step in named {
        let (x, y) = panel.at(step.minutes, if roomy { step.p_full } else { 1.0 });
        let number = percent(step.p_full, 0);
        let width = NUMBER.width(&number) / 2.0;
        if x - width >= free && x + width <= across.1 {
            scene.text((x, y - 8.0), Anchor::Middle, NUMBER, &number);
            free = x + width + 4.0;
        }
    }
    if steps.is_empty() {
        scene.no_data(&panel, "no data");
    }
}

/// The steps that are named, at least so many minutes apart: those at round minutes, or all where none are.
fn named_steps(steps: &[ForecastStep], apart: f64) -> Vec<&ForecastStep> {
    let every = [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 240.0].into_iter().find(|&every| every >= apart);
    let round = |step: &&ForecastStep| step.minutes % every.unwrap_or(480.0) == 0.0;
    let named: Vec<&ForecastStep> = steps.iter().filter(round).collect();
    if named.is_empty() { steps.iter().collect() } else { named }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(made_at: &str) -> StationForecast {
        StationForecast {
            title: "Coming".into(),
            station: "16107".into(),
            source: "s".into(),
            made_at: made_at.parse().unwrap(),
            capacity: Some(30.0),
            history: vec![],
            steps: vec![],
            notes: vec![],
        }
    }

    #[test]
    fn the_clock_is_local_and_its_labels_are_whole() {
        let labels: Vec<(String, f64)> = forecast("2022-05-16T16:05:30Z")
            .clock(-180.0, 120.0)
            .into_iter()
            .map(|tick| (tick.label, tick.value))
            .collect();
        assert_eq!(labels[0], ("16:00".into(), -125.5));
        assert_eq!((labels.len(), &labels[4]), (5, &("20:00".into(), 114.5)));
    }

    #[test]
    fn steps_are_named_at_round_minutes_where_there_are_some() {
        let step =
            |minutes| ForecastStep { minutes, p_full: 0.0, docks_low: None, docks_median: None, docks_high: None };
        let minutes = |steps: &[f64], apart| -> Vec<f64> {
            let steps: Vec<ForecastStep> = steps.iter().map(|&minutes| step(minutes)).collect();
            named_steps(&steps, apart).into_iter().map(|step| step.minutes).collect()
        };
        assert_eq!(minutes(&[5.0, 10.0, 15.0, 20.0, 25.0, 30.0], 12.0), [15.0, 30.0]);
        assert_eq!(minutes(&[15.0, 30.0, 60.0, 120.0], 14.0), [15.0, 30.0, 60.0, 120.0]);
        assert_eq!(minutes(&[7.0, 14.0], 6.0), [7.0, 14.0]);
    }

    #[test]
    fn a_median_outside_its_interval_and_endless_notes_are_refused() {
        let mut figure = forecast("2022-05-16T16:05:30Z");
        let step = ForecastStep {
            minutes: 15.0,
            p_full: 0.2,
            docks_low: Some(2.0),
            docks_median: Some(1.0),
            docks_high: Some(5.0),
        };
        figure.steps.push(step);
        assert_eq!(figure.check().unwrap_err().message(), "`docks_median` at 15 min is 1, not a number from 2 to 5");
        figure.steps[0].docks_low = Some(6.0);
        assert_eq!(figure.check().unwrap_err().message(), "`low` of the docks at 15 min is 6, above its `high`, 5");
        figure.steps.clear();
        figure.notes = vec!["no history of this station".into(); 7];
        assert_eq!(figure.check().unwrap_err().message(), "7 lines of notes are too many for one figure");
    }
}
