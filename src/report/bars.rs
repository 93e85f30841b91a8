//! The two figures of horizontal bars: occupancy by zone, and skill by model.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick, counted};
use super::figure::{Drawing, MOST_DOCKS, SKILLS, check_interval, check_known};
use super::palette::{AXIS, BLUE, Colour, INK, QUIET, VERMILION};
use super::scene::{Anchor, Scene, Style};
use super::series::signed;
use super::sheet::{BOTTOM, LABEL, LEFT, Panel, RIGHT, TOP, crisp};
use crate::error::Result;

/// The most bars that one figure shows.
pub(super) const MOST_BARS: usize = 25;

/// Occupancy by zone. Drawn are the 25 zones with the most stations, the fullest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneOccupancy {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The zones, in any order.
    pub zones: Vec<Zone>,
}

/// One zone: a commune, an arrondissement, a cell of a grid, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// The zone's name.
    pub zone: String,
    /// Bikes per dock over all stations of the zone.
    pub occupancy: Option<f64>,
    /// How many stations reported.
    pub stations: u64,
}

/// The Brier skill of models against one reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelScores {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The model that has a skill of zero by definition.
    pub reference: String,
    /// The models, in the order they are drawn; at most 25 are.
    pub models: Vec<ModelScore>,
}

/// The scores of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelScore {
    /// The model's name.
    pub name: String,
    /// The Brier score: 0 is best.
    pub brier: Option<f64>,
    /// The Brier skill: 1 is perfect, 0 no better than the reference.
    pub brier_skill: Option<f64>,
    /// The lower end of the skill's 95 % interval.
    #[serde(default)]
    pub low: Option<f64>,
    /// The upper end of the skill's 95 % interval.
    #[serde(default)]
    pub high: Option<f64>,
}

impl Drawing for ZoneOccupancy {
    fn check(&self) -> Result<()> {
        self.zones.iter().try_for_each(|Zone { zone, occupancy, .. }| {
            check_known(*occupancy, 0.0..=MOST_DOCKS, format_args!("`occupancy` of {zone}"))
        })
    }

    fn scene(&self) -> Scene {
        let mut zones: Vec<&Zone> = self.zones.iter().collect();
        zones.sort_by(|a, b| b.stations.cmp(&a.stations).then_with(|| a.zone.cmp(&b.zone)));
        zones.truncate(MOST_BARS);
        // The unknown come last.
        let fullness = |zone: &Zone| zone.occupancy.unwrap_or(-1.0);
        zones.sort_by(|a, b| fullness(b).total_cmp(&fullness(a)));
        let all = self.zones.len();
        let subtitle = match zones.len() {
            shown if shown < all => format!("Bikes per dock · the {shown} zones with the most stations, of {all}"),
            _ => format!("Bikes per dock · {}", counted(all, "zone", "zones")),
        };
        let bars: Vec<Bar> = zones
            .iter()
            .map(|zone| Bar {
                label: zone.zone.clone(),
                value: zone.occupancy,
                colour: BLUE,
                note: counted(usize::try_from(zone.stations).unwrap_or(usize::MAX), "station", "stations"),
                shown: zone.occupancy.map(|occupancy| format!("{:.0} %", occupancy * 100.0)),
                interval: None,
            })
            .collect();
        let highest = bars.iter().filter_map(|bar| bar.value).fold(0.0, f64::max);
        let scene = Scene::sheet(&self.title, &subtitle, &self.source);
        let range = (0.0, if highest > 0.5 { highest.max(1.0) } else { 0.5 });
        draw(scene, &bars, (Spread::Linear, range), "Occupancy", |x| {
            x.round_ticks(6.0, |value, _| format!("{:.0} %", value * 100.0))
        })
    }
}

impl Drawing for ModelScores {
    fn check(&self) -> Result<()> {
        self.models.iter().try_for_each(|ModelScore { name, brier, brier_skill, low, high }| {
            check_known(*brier, 0.0..=1.0, format_args!("`brier` of {name}"))?;
            check_known(*brier_skill, SKILLS, format_args!("`brier_skill` of {name}"))?;
            check_interval((*low, *high), SKILLS, format_args!("{name}"))
        })
    }

    fn scene(&self) -> Scene {
        let bars: Vec<Bar> = self
            .models
            .iter()
            .take(MOST_BARS)
            .map(|model| Bar {
                label: model.name.clone(),
                value: model.brier_skill,
                colour: if model.brier_skill.is_some_and(|skill| skill < 0.0) { VERMILION } else { BLUE },
                note: model.brier.map_or_else(String::new, |brier| format!("Brier score {brier:.5}")),
                shown: model.brier_skill.map(signed),
                interval: model.low.zip(model.high),
            })
            .collect();
        // A model much worse than the reference is cut at −1, so that the others can be told apart; its number is not.
        let ends = |bar: &Bar| bar.interval.map_or([None; 2], |(low, high)| [Some(low), Some(high)]);
        let extreme = |pick: fn(f64, f64) -> f64| {
            bars.iter().filter(|bar| bar.value.is_some()).flat_map(ends).flatten().fold(0.0, pick)
        };
        let of_values = |pick: fn(f64, f64) -> f64| bars.iter().filter_map(|bar| bar.value).fold(extreme(pick), pick);
        let (low, high) = (of_values(f64::min).max(-1.0), of_values(f64::max).max(0.05));
        let whiskers = if bars.iter().any(|bar| bar.interval.is_some()) { " · whiskers: 95 % intervals" } else { "" };
        let subtitle = format!("1 − Brier score / Brier score of {} · above zero is better{whiskers}", self.reference);
        let scene = Scene::sheet(&self.title, &subtitle, &self.source);
        draw(scene, &bars, (Spread::Linear, (low, high)), "Brier skill", |x| {
            x.round_ticks(6.0, |value, decimals| format!("{value:.decimals$}").replace('-', "−"))
        })
    }
}

/// One horizontal bar.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: Option<f64>,
    pub(super) colour: Colour,
    /// What is said at the right of the sheet.
    pub(super) note: String,
    /// The value as text, beside the bar.
    pub(super) shown: Option<String>,
    /// An interval of the value, drawn as a whisker.
    pub(super) interval: Option<(f64, f64)>,
}

/// The bars over one value axis, labels at the left, notes at the right.
pub(super) fn draw(
    mut scene: Scene,
    bars: &[Bar],
    (spread, range): (Spread, (f64, f64)),
    title: &str,
    ticks: impl Fn(&Axis) -> Vec<Tick>,
) -> Scene {
    let (top, bottom) = (TOP + 4.0, BOTTOM - 80.0);
    let row = ((bottom - top) / bars.len().max(1) as f64).min(96.0);
    let style = Style { size: (row * 0.72).min(LABEL.size), ..LABEL };
    let quiet = Style { colour: QUIET, ..style };
    let widest = |text: fn(&Bar) -> &str| bars.iter().map(|bar| style.width(text(bar))).fold(60.0, f64::max).min(420.0);
    // At both ends of the axis room for a bar's own number.
    const NUMBER: f64 = 100.0;
    let left = LEFT + widest(|bar| &bar.label) + 14.0 + if range.0 < 0.0 { NUMBER } else { 0.0 };
    let right = RIGHT - widest(|bar| &bar.note) - NUMBER;
    let rows = Axis::new(Spread::Linear, (0.0, 1.0), (top + row * bars.len().max(1) as f64, top));
    let panel = Panel { x: Axis::new(spread, range, (left, right)), y: rows };
    scene.x_axis(&panel, &ticks(&panel.x), title);

    let zero = panel.x.at(0.0);
    for (place, bar) in bars.iter().enumerate() {
        let middle = top + row * (place as f64 + 0.5);
        scene.text_beside((LEFT, middle), Anchor::Start, style, &style.fit(&bar.label, 420.0));
        scene.text_beside((RIGHT, middle), Anchor::End, quiet, &style.fit(&bar.note, 420.0));
        let Some(value) = bar.value else {
            scene.text_beside((zero + 10.0, middle), Anchor::Start, quiet, "unknown");
            continue;
        };
        let (end, half) = (panel.x.at(value), (row * 0.36).min(24.0));
        scene.rectangle((zero, middle - half), (end, middle + half), bar.colour);
        let (low, high) = bar.interval.map_or((end, end), |(low, high)| (panel.x.at(low), panel.x.at(high)));
        if high - low >= 1.0 {
            scene.line(&[(low, middle), (high, middle)], 2.5, INK);
            [low, high].iter().for_each(|&x| scene.line(&[(x, middle - 7.0), (x, middle + 7.0)], 2.5, INK));
        }
        // The number stands beyond the bar and its whisker.
        let (at, anchor) =
            if value < 0.0 { (end.min(low) - 10.0, Anchor::End) } else { (end.max(high) + 10.0, Anchor::Start) };
        scene.text_beside(
            (at, middle),
            anchor,
            style,
            &style.fit(bar.shown.as_deref().unwrap_or_default(), NUMBER - 16.0),
        );
    }
    scene.line(&[(crisp(zero), panel.y.to), (crisp(zero), panel.y.from)], 2.0, AXIS);
    if bars.is_empty() {
        scene.no_data(&panel, "no data");
    }
    scene
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zones_with_the_most_stations_are_shown_the_fullest_first_and_the_unknown_last() {
        let zone = |zone: &str, occupancy, stations| Zone { zone: zone.into(), occupancy, stations };
        let mut zones = vec![zone("Paris", Some(0.4), 991), zone("Créteil", Some(0.7), 8), zone("Sèvres", None, 9)];
        zones.extend((0..30).map(|place| zone(&format!("small {place}"), Some(0.1), 2)));
        let figure = ZoneOccupancy { title: "Zones".into(), source: "x".into(), zones };
        let scene = figure.scene();
        let texts = scene.texts();
        assert_eq!(texts[1], "Bikes per dock · the 25 zones with the most stations, of 33");
        let place = |label| texts.iter().position(|&text| text == label).unwrap();
        assert!(place("Créteil") < place("Paris") && place("Paris") < place("Sèvres"));
        assert!(place("small 0") < place("Sèvres") && !texts.contains(&"small 9"), "{texts:?}");
    }
}
