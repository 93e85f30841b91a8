//! What is printed of the newest complete window, whoever computed it.

use std::path::Path;

use serde_json::{Value, json};
use velib::report::write_json_lines;
use velib::streaming::{Division, Limit, Select, StationWindow, Usage, Window, ZoneWindow, Zones};
use velib::{Result, StationCode};

use super::figure;

/// The most zones that are printed: a fine grid has thousands.
const MOST_ZONES: usize = 100;

/// The most stations of a kind that are told of.
const MOST_TOLD: usize = 5;

/// Keeps what a zone's every window says in the file that was asked for, if one was.
pub fn keep_zones(
    file: Option<&Path>,
    zone_windows: impl FnOnce(Select<'static>) -> Result<Vec<ZoneWindow>>,
) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    write_json_lines(file, zone_windows(Select::ALL)?).map(|_| ())
}

/// One window of the whole network.
pub struct Windows<'a> {
    /// Which; `None` while there is none.
    pub window: Option<Window>,
    pub zones: Vec<ZoneWindow>,
    pub stations: Vec<StationWindow>,
    pub division: Division,
    pub divided: &'a Zones,
    pub usage: Option<Usage>,
    /// Where all windows are, in words.
    pub are_in: &'a str,
}

impl Windows<'_> {
    /// As fields of the JSON object that says how it came to them.
    pub fn beside(&self, mut said: Value) -> Value {
        let (inside, outside, unknown) = self.stations_by_zone();
        if let (Some(fields), Value::Object(windows)) = (
            said.as_object_mut(),
            json!({
                "window": self.window, "zones": self.zones,
                "division": {
                    "kind": self.divided.as_str(), "zones": self.division.zones.len(), "inside": inside,
                    "outside": outside, "unknown": unknown,
                },
                "stations": self.stations, "usage": self.usage,
            }),
        ) {
            fields.extend(windows);
        }
        said
    }

    /// As tables.
    pub fn print(&self) -> Result<()> {
        let Some(window) = self.window else { return super::print("no window yet") };
        super::print(format_args!(
            "The newest complete window, {} to {} UTC: means, weighted by capacity in the zones",
            window.start.format("%F %H:%M"),
            window.end.format("%H:%M")
        ))?;
        let header =
            ["zone", "mechanical", "electric", "free docks", "occupancy", "full", "fresh", "expected", "readings"];
        let mut largest: Vec<&ZoneWindow> = self.zones.iter().collect();
        largest.sort_by_key(|zone| std::cmp::Reverse(zone.expected));
        largest.truncate(MOST_ZONES);
        largest.sort_by(|a, b| a.zone.cmp(&b.zone));
        let left_out = self.zones.len() - largest.len();
        let rows = largest.into_iter().map(|zone| {
            let (said, q) = (&zone.statistics, &zone.statistics.quantities);
            [
                zone.zone.clone(),
                figure(q.mechanical.mean, 2),
                figure(q.ebike.mean, 2),
                figure(q.docks.mean, 2),
                figure(q.occupancy.mean, 3),
                figure(said.full, 3),
                zone.stations.to_string(),
                zone.expected.to_string(),
                said.readings.to_string(),
            ]
        });
        super::print(super::table(header, &[], rows))?;
        if left_out > 0 {
            super::print(format_args!("… and {left_out} smaller zones"))?;
        }
        let (inside, outside, unknown) = self.stations_by_zone();
        super::print(format_args!(
            "zones with fresh stations, which reported in this window: {} of {}\n\
             all stations: {inside} in a zone, {outside} outside, {unknown} where the zone is unknown\n",
            self.zones.len(),
            self.division.zones.len(),
        ))?;
        let header = ["station", "name", "mechanical", "electric", "free docks", "min", "max", "readings"];
        let rows = self.stations.iter().take(10).map(|station| {
            let q = &station.statistics.quantities;
            [
                station.station_code.to_string(),
                station.name.clone().unwrap_or_default(),
                figure(q.mechanical.mean, 2),
                figure(q.ebike.mean, 2),
                figure(q.docks.mean, 2),
                figure(q.docks.min, 0),
                figure(q.docks.max, 0),
                station.statistics.readings.to_string(),
            ]
        });
        super::print(super::table(header, &[1], rows))?;
        let (stations, are_in) = (self.stations.len(), self.are_in);
        super::print(format_args!("… {stations} stations in this window; all windows are in {are_in}"))?;
        self.usage.as_ref().map_or(Ok(()), print_usage)
    }

    fn stations_by_zone(&self) -> (usize, usize, usize) {
        let inside = self.division.zones.values().map(Vec::len).sum();
        (inside, self.division.outside.len(), self.division.unknown.len())
    }
}

/// What the windows say about the use of the network; how it is computed is said in the library's `streaming::Usage`.
fn print_usage(usage: &Usage) -> Result<()> {
    if let Some(motion) = usage.motion {
        super::print(format_args!(
            "\n{} bikes stand at {} stations, {} fewer than at the most within a day; turnover {} in this window",
            motion.standing,
            motion.stations,
            motion.in_motion,
            figure(motion.turnover, 0)
        ))?;
    }
    let named = |code: &StationCode, name: &Option<String>| {
        format!("{code} {}", name.as_deref().unwrap_or_default()).trim_end().to_owned()
    };
    let soon = &usage.running_out;
    super::print(format_args!("{} stations run full or empty within an hour if they go on like this", soon.len()))?;
    for one in soon.iter().take(MOST_TOLD) {
        let (limit, of) = match one.limit {
            Limit::Full => ("full", "docks"),
            Limit::Empty => ("empty", "bikes"),
        };
        super::print(format_args!(
            "  {}: {limit} in {:.0} min ({} {of} left, {:+.0} an hour)",
            named(&one.station_code, &one.name),
            one.minutes,
            one.left,
            one.rate
        ))?;
    }
    let imbalance = &usage.imbalance;
    super::print(format_args!(
        "imbalance between neighbours within {} m: {}",
        imbalance.radius,
        figure(imbalance.index, 3)
    ))?;
    for one in imbalance.stations.iter().take(MOST_TOLD) {
        super::print(format_args!(
            "  {}: occupancy {:.2}, its {} neighbours {:.2}",
            named(&one.station_code, &one.name),
            one.occupancy,
            one.neighbours,
            one.of_neighbours
        ))?;
    }
    Ok(())
}
