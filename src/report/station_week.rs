//! One station over days: free docks above, bikes by type below, on one time axis in local time; and, where there is one,
//! the forecast that was made for each moment.
//!
//! A line joins readings; where there is none for more than two hours it breaks.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Europe::Paris;
use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick, counted};
use super::figure::{Drawing, HORIZONS, MOST_DOCKS, check_in, check_known, check_time};
use super::palette::{AXIS, BLUE, Colour, GREEN, INK, QUIET, SKY, VERMILION};
use super::scene::{Anchor, Point, Scene};
use super::sheet::{Entry, HEADING, LEFT, Mark, Panel, RIGHT, crisp};
use crate::error::{Error, ErrorKind, Result};

/// Readings further apart than this are not joined.
const LONGEST_GAP: TimeDelta = TimeDelta::hours(2);

/// The most days that one figure shows.
const MOST_DAYS: i64 = 92;

/// Availability of one station over a week, or any span from an hour to three months.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationWeek {
    /// The figure's title.
    pub title: String,
    /// The station: its code, and its name if known.
    pub station: String,
    /// Where the data is from: "Data: Paris Data, ODbL" or "Simulated network, seed 1".
    pub source: String,
    /// Number of docks.
    pub capacity: Option<f64>,
    /// The readings, in any order.
    pub points: Vec<StationPoint>,
    /// P(full) as it was forecast, in any order; without any the figure has no panel for it.
    #[serde(default)]
    pub forecast: Vec<ForecastPoint>,
    /// How long before its moment each forecast was made, in minutes.
    #[serde(default)]
    pub horizon_minutes: Option<f64>,
}

/// What one reading says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationPoint {
    /// Event time: when the station reported it.
    pub time: DateTime<Utc>,
    /// Free docks.
    pub docks: Option<f64>,
    /// Mechanical bikes.
    pub mechanical: Option<f64>,
    /// Electric bikes.
    pub ebike: Option<f64>,
}

/// The forecast for one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// The moment that it is for, not the one when it was made.
    pub time: DateTime<Utc>,
    /// The probability that the station is full then.
    pub p_full: f64,
}

impl Drawing for StationWeek {
    fn check(&self) -> Result<()> {
        check_known(self.capacity, 0.0..=MOST_DOCKS, format_args!("the capacity"))?;
        for StationPoint { time, docks, mechanical, ebike } in &self.points {
            for (what, count) in [("docks", docks), ("mechanical", mechanical), ("ebike", ebike)] {
                check_known(*count, 0.0..=MOST_DOCKS, format_args!("`{what}` at {time}"))?;
            }
            check_time(*time)?;
        }
        check_known(self.horizon_minutes, HORIZONS, format_args!("`horizon_minutes`"))?;
        for ForecastPoint { time, p_full } in &self.forecast {
            check_in(*p_full, 0.0..=1.0, format_args!("`p_full` at {time}"))?;
            check_time(*time)?;
        }
        let times = self.times();
        if let (Some(first), Some(last)) = (times.first(), times.last())
            && *last - *first > TimeDelta::days(MOST_DAYS)
        {
            let days = (*last - *first).num_days();
            return Err(Error::new(ErrorKind::Figure, format_args!("{days} days are too many for one figure"))
                .way_out(format_args!("draw at most {MOST_DAYS}")));
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let mut points = self.points.clone();
        points.sort_by_key(|point| point.time);
        let days = LocalDays::over(&self.times());
        let mut scene = Scene::sheet(&self.title, &self.subtitle(&days), &self.source);

        let highest = |count: fn(&StationPoint) -> Option<f64>| points.iter().filter_map(count).fold(4.0, f64::max);
        let top = self.capacity.unwrap_or(0.0).max(highest(|p| p.docks)).max(highest(StationPoint::bikes)) * 1.06;
        let left = LEFT + if self.forecast.is_empty() { 60.0 } else { 80.0 };
        let x = Axis::new(Spread::Linear, (0.0, days.second(days.to)), (left, RIGHT));
        let panel = |from, to| Panel { x, y: Axis::new(Spread::Linear, (0.0, top), (from, to)) };
        let (docks, bikes, lowest) = if self.forecast.is_empty() {
            (panel(505.0, 190.0), panel(885.0, 600.0), panel(885.0, 600.0))
        } else {
            let chances = Panel { x, y: Axis::new(Spread::Linear, (0.0, 1.0), (885.0, 725.0)) };
            (panel(385.0, 190.0), panel(640.0, 470.0), chances)
        };
        self.draw_docks(&mut scene, &docks, &days, &points);
        self.draw_bikes(&mut scene, &bikes, &days, &points);
        if !self.forecast.is_empty() {
            self.draw_forecast(&mut scene, &lowest, &days, &points);
        }
        scene.x_labels(&lowest, &days.labels(x.to - x.from));
        scene
    }
}

impl StationWeek {
    /// The times of the readings and of what was forecast, in order.
    fn times(&self) -> Vec<DateTime<Utc>> {
        let readings = self.points.iter().map(|point| point.time);
        let mut times: Vec<_> = readings.chain(self.forecast.iter().map(|point| point.time)).collect();
        times.sort_unstable();
        times
    }

    fn subtitle(&self, days: &LocalDays) -> String {
        let readings = counted(self.points.len(), "reading", "readings");
        match days.described() {
            Some(span) => {
                format!("Station {} · {span}, Paris time · {readings}, gaps over 2 h left open", self.station)
            }
            None => format!("Station {} · {readings}", self.station),
        }
    }

    fn draw_docks(&self, scene: &mut Scene, panel: &Panel, days: &LocalDays, points: &[StationPoint]) {
        let mut entries = vec![Entry::new(Mark::Line, INK, "free docks")];
        if let Some(capacity) = self.capacity {
            entries.push(Entry::new(Mark::Dashes, QUIET, format!("capacity ({capacity:.0} docks)")));
        }
        let share = share_of_known(points).map_or_else(String::new, |share| format!(" ({})", percent(share)));
        entries.push(Entry::new(Mark::Block, VERMILION, format!("no free dock{share}")));
        heading(scene, panel, "Free docks", &entries);

        let full = shade_full(scene, panel, days, points);
        frame(scene, panel, days, &dock_ticks(panel));
        if let Some(capacity) = self.capacity {
            let y = panel.y.at(capacity);
            scene.dashed(&[(panel.x.from, y), (panel.x.to, y)], 2.0, QUIET);
        }
        let known = runs(points.iter().map(|point| (point.time, point.docks.map(|docks| [docks; 2]))));
        for run in &known {
            stroke(scene, &line(run, panel, days, 0), INK);
        }
        mark_full(scene, panel, &full);
        if known.is_empty() {
            scene.no_data(panel, "no data");
        }
    }

    fn draw_bikes(&self, scene: &mut Scene, panel: &Panel, days: &LocalDays, points: &[StationPoint]) {
        let both = |point: &StationPoint| Some([point.mechanical?, point.bikes()?]);
        let known = runs(points.iter().map(|point| (point.time, both(point))));
        let entries = [Entry::new(Mark::Block, GREEN, "mechanical"), Entry::new(Mark::Block, SKY, "electric, on top")];
        heading(scene, panel, "Bikes", &entries);
        frame(scene, panel, days, &dock_ticks(panel));
        for run in &known {
            let (mechanical, bikes) = (line(run, panel, days, 0), line(run, panel, days, 1));
            if run.len() > 1 {
                scene.area(down_to_ground(&bikes, panel), SKY.tint(0.75));
                scene.area(down_to_ground(&mechanical, panel), GREEN.tint(0.75));
            }
            stroke(scene, &bikes, BLUE);
        }
        if known.is_empty() {
            scene.no_data(panel, "no data");
        }
    }

    /// What was forecast for each moment, over the moments when no dock was free: good forecasts rise there.
    fn draw_forecast(&self, scene: &mut Scene, panel: &Panel, days: &LocalDays, points: &[StationPoint]) {
        let made = match self.horizon_minutes {
            Some(minutes) => format!("forecast made {minutes} min before"),
            None => "forecast made before".to_owned(),
        };
        let entries =
            [Entry::new(Mark::Line, BLUE, made), Entry::new(Mark::Block, VERMILION, "then truly no free dock")];
        heading(scene, panel, "P(full)", &entries);
        let full = shade_full(scene, panel, days, points);
        let percent = |value: f64, _| format!("{:.0} %", value * 100.0);
        frame(scene, panel, days, &panel.y.round_ticks(2.0, percent));
        let mut forecast = self.forecast.clone();
        forecast.sort_by_key(|point| point.time);
        for run in &runs(forecast.iter().map(|point| (point.time, Some([point.p_full; 2])))) {
            stroke(scene, &line(run, panel, days, 0), BLUE);
        }
        mark_full(scene, panel, &full);
    }
}

impl StationPoint {
    fn bikes(&self) -> Option<f64> {
        Some(self.mechanical? + self.ebike?)
    }
}

/// Readings without a gap: times, each with two values.
pub(super) type Run = Vec<(DateTime<Utc>, [f64; 2])>;

/// Splits values in the order of time where they are unknown, and where the next one is too far away.
pub(super) fn runs(values: impl IntoIterator<Item = (DateTime<Utc>, Option<[f64; 2]>)>) -> Vec<Run> {
    let mut runs: Vec<Run> = vec![];
    let mut last = None;
    for (time, values) in values {
        let joined = last.is_some_and(|last| time - last <= LONGEST_GAP);
        last = values.map(|values| {
            match runs.last_mut().filter(|_| joined) {
                Some(run) => run.push((time, values)),
                None => runs.push(vec![(time, values)]),
            }
            time
        });
    }
    runs
}

/// The line through one of a run's two values.
fn line(run: &Run, panel: &Panel, days: &LocalDays, which: usize) -> Vec<Point> {
    run.iter().map(|(time, values)| panel.at(days.second(*time), values[which])).collect()
}

/// The area between a line and the panel's ground.
fn down_to_ground(line: &[Point], panel: &Panel) -> Vec<Point> {
    [&[(line[0].0, panel.y.from)], line, &[(line[line.len() - 1].0, panel.y.from)]].concat()
}

/// Shades the stretches without a free dock, and says where they are, in pixels.
fn shade_full(scene: &mut Scene, panel: &Panel, days: &LocalDays, points: &[StationPoint]) -> Vec<(f64, f64)> {
    let none_free = |point: &StationPoint| point.docks.filter(|&docks| docks == 0.0).map(|docks| [docks; 2]);
    let pixel = |time| panel.x.at(days.second(time));
    let full: Vec<(f64, f64)> = runs(points.iter().map(|point| (point.time, none_free(point))))
        .iter()
        .map(|run| widened(pixel(run[0].0), pixel(run[run.len() - 1].0), panel))
        .collect();
    for &(from, to) in &full {
        scene.rectangle((from, panel.y.to), (to, panel.y.from), VERMILION.tint(0.2));
    }
    full
}

/// Marks these stretches below the panel's ground.
fn mark_full(scene: &mut Scene, panel: &Panel, full: &[(f64, f64)]) {
    for &(from, to) in full {
        scene.rectangle((from, panel.y.from + 1.0), (to, panel.y.from + 11.0), VERMILION);
    }
}

/// A stretch of the panel made wide enough to be seen.
fn widened(from: f64, to: f64, panel: &Panel) -> (f64, f64) {
    const LEAST: f64 = 3.0;
    let from = from.min(panel.x.to - LEAST);
    (from, to.max(from + LEAST))
}

/// The share of the readings with known docks that had none free.
fn share_of_known(points: &[StationPoint]) -> Option<f64> {
    let known: Vec<f64> = points.iter().filter_map(|point| point.docks).collect();
    let full = known.iter().filter(|&&docks| docks == 0.0).count();
    (!known.is_empty()).then(|| full as f64 / known.len() as f64)
}

fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "never".to_owned(),
        percent if percent < 1.0 => format!("{percent:.1} % of the readings"),
        percent => format!("{percent:.0} % of the readings"),
    }
}

/// A line, or a dot where it would have no length.
pub(super) fn stroke(scene: &mut Scene, line: &[Point], colour: Colour) {
    if line[line.len() - 1].0 - line[0].0 < 2.0 {
        scene.disc(line[0], 3.5, colour);
    } else {
        scene.line(line, 2.5, colour);
    }
}

fn heading(scene: &mut Scene, panel: &Panel, title: &str, entries: &[Entry]) {
    let y = panel.y.to - 32.0;
    scene.text_beside((LEFT, y), Anchor::Start, HEADING, title);
    scene.legend((LEFT + 160.0, y - 17.0), RIGHT, entries);
}

/// Whole numbers of docks or bikes.
fn dock_ticks(panel: &Panel) -> Vec<Tick> {
    let whole = |value: f64, decimals: usize| if decimals == 0 { format!("{value:.0}") } else { String::new() };
    panel.y.round_ticks(4.0, whole)
}

/// Grid and midnights of one panel.
fn frame(scene: &mut Scene, panel: &Panel, days: &LocalDays, ticks: &[Tick]) {
    scene.y_axis(panel, ticks, "");
    for (midnight, _) in days.visible().into_iter().skip(1) {
        let x = crisp(panel.x.at(days.second(midnight)));
        scene.line(&[(x, panel.y.from), (x, panel.y.to)], 1.0, AXIS.tint(0.55));
    }
    scene.x_axis(panel, &[], "");
}

/// The span that a figure covers, and the local days in it.
struct LocalDays {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// Local dates, from that of the first reading to that of the last; none without readings.
    dates: Vec<NaiveDate>,
}

impl LocalDays {
    /// From the first time to the last; the whole day if these are close together.
    fn over(sorted: &[DateTime<Utc>]) -> Self {
        let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
            return Self { from: DateTime::UNIX_EPOCH, to: DateTime::UNIX_EPOCH + TimeDelta::days(7), dates: vec![] };
        };
        let date = |time: DateTime<Utc>| time.with_timezone(&Paris).date_naive();
        let dates: Vec<NaiveDate> = date(first).iter_days().take_while(|&day| day <= date(last)).collect();
        if last - first < TimeDelta::hours(6) {
            Self { from: midnight(date(first)), to: midnight(date(last) + Days::new(1)), dates }
        } else {
            Self { from: first, to: last, dates }
        }
    }

    /// What is shown of each day: from when to when.
    fn visible(&self) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let whole = self.dates.iter().map(|&day| (midnight(day), midnight(day + Days::new(1))));
        whole.map(|(from, to)| (from.max(self.from), to.min(self.to))).collect()
    }

    /// Seconds from the start of the span.
    fn second(&self, time: DateTime<Utc>) -> f64 {
        (time - self.from).num_milliseconds() as f64 / 1000.0
    }

    fn described(&self) -> Option<String> {
        let (first, last) = (self.dates.first()?, self.dates.last()?);
        Some(match self.dates.len() {
            1 => last.format("%a %-d %b %Y").to_string(),
            _ => format!("{} to {}", first.format("%a %-d %b"), last.format("%a %-d %b %Y")),
        })
    }

    /// A label in the middle of each day, or of as many as there is room for; hours where only a day or two are shown.
    fn labels(&self, width: f64) -> Vec<Tick> {
        if !self.dates.is_empty() && self.to - self.from <= TimeDelta::days(2) {
            return self.hours();
        }
        let pixels = width / self.second(self.to);
        let day = pixels * 86_400.0;
        let (format, needed) = if day >= 112.0 { ("%a %-d %b", 112.0) } else { ("%-d %b", 76.0) };
        let every = (needed / day).ceil().max(1.0);
        let labelled = self.dates.iter().zip(self.visible()).step_by(every as usize);
        labelled
            .map(|(date, (from, to))| (date, self.second(from), self.second(to)))
            // The part of a day at either end may be too short for its name.
            .filter(|(_, from, to)| (to - from) * pixels >= 0.8 * needed.min(day))
            .map(|(date, from, to)| Tick { value: (from + to) / 2.0, label: date.format(format).to_string() })
            .collect()
    }

    /// Every fourth hour of the local clock.
    fn hours(&self) -> Vec<Tick> {
        let days = self.dates.iter().map(|&day| (midnight(day), midnight(day + Days::new(1))));
        let hours =
            days.flat_map(|(from, to)| (0..(to - from).num_hours()).map(move |hour| from + TimeDelta::hours(hour)));
        hours
            .filter(|hour| (self.from..=self.to).contains(hour))
            .map(|hour| (hour, hour.with_timezone(&Paris)))
            .filter(|(_, local)| local.hour().is_multiple_of(4))
            .map(|(hour, local)| Tick { value: self.second(hour), label: local.format("%a %-H:00").to_string() })
            .collect()
    }
}

/// When a local day begins, also where a change of clocks skips or repeats the hour.
fn midnight(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    let local = Paris.from_local_datetime(&midnight).earliest();
    local.map_or_else(|| midnight.and_utc(), |local| local.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(minutes: i64, docks: Option<f64>) -> StationPoint {
        let start: DateTime<Utc> = "2022-05-16T06:00:00Z".parse().unwrap();
        StationPoint { time: start + TimeDelta::minutes(minutes), docks, mechanical: None, ebike: None }
    }

    #[test]
    fn a_line_breaks_after_two_hours_and_where_a_value_is_unknown() {
        let points =
            [(0, Some(3.0)), (60, Some(2.0)), (180, Some(0.0)), (301, Some(1.0)), (330, None), (340, Some(5.0))]
                .map(|(minutes, docks)| point(minutes, docks));
        let lengths: Vec<usize> =
            runs(points.map(|point| (point.time, point.docks.map(|docks| [docks; 2])))).iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 1, 1]);
    }

    #[test]
    fn days_are_local_and_may_have_23_hours() {
        let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
        // 23:30 UTC on the 25th is 0:30 on the 26th in Paris, and in the night to the 27th the clocks go forward.
        let days = LocalDays::over(&[at("2022-03-25T23:30:00Z"), at("2022-03-27T23:30:00Z")]);
        assert_eq!(days.described().unwrap(), "Sat 26 Mar to Mon 28 Mar 2022");
        let minutes: Vec<i64> = days.visible().iter().map(|(from, to)| (*to - *from).num_minutes()).collect();
        assert_eq!(minutes, [23 * 60 + 30, 23 * 60, 90]);
        // One reading shows its whole day.
        let day = LocalDays::over(&[at("2022-03-27T12:00:00Z")]);
        assert_eq!((day.from.to_rfc3339(), day.second(day.to)), ("2022-03-26T23:00:00+00:00".into(), 23.0 * 3600.0));
        let hours: Vec<String> = day.hours().into_iter().map(|tick| tick.label).collect();
        assert_eq!(hours, ["Sun 0:00", "Sun 4:00", "Sun 8:00", "Sun 12:00", "Sun 16:00", "Sun 20:00"]);
    }

    #[test]
    fn the_share_without_a_dock_counts_known_readings_only() {
        let points = [point(0, Some(0.0)), point(10, None), point(20, Some(4.0))];
        assert_eq!(share_of_known(&points), Some(0.5));
        assert_eq!(
            (share_of_known(&points[1..2]), percent(0.0), percent(0.004)),
            (None, "never".into(), "0.4 % of the readings".into())
        );
    }
}
