//! Shares in each hour of the week as a heat map, with the number in each cell.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick};
use super::figure::{Drawing, check_known};
use super::palette::{Colour, GRID, INK, PAPER, QUIET, scale};
use super::scene::{Anchor, Scene, Style};
use super::sheet::{HEADING, LABEL, LEFT, Panel, TOP};
use crate::error::{Error, ErrorKind, Result};

/// Hours of a week.
const HOURS: usize = 168;
/// How many panels a sheet has room for.
const MOST: usize = 2;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Shares by hour of the week; one scale for all panels, the more the darker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeekHeat {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// What the shares are of, below the title.
    pub what: String,
    /// At most two.
    pub panels: Vec<HeatPanel>,
}

/// The week of one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatPanel {
    /// What it is.
    pub name: String,
    /// The share in each of the 168 hours, Monday 0:00 to 1:00 first; drawn as a dash where it is unknown.
    pub shares: Vec<Option<f64>>,
}

impl Drawing for WeekHeat {
    fn check(&self) -> Result<()> {
        if self.panels.len() > MOST {
            let message = format_args!("{} panels are too many for one figure", self.panels.len());
            return Err(Error::new(ErrorKind::Figure, message).way_out(format_args!("draw at most {MOST}")));
        }
        for HeatPanel { name, shares } in &self.panels {
            if shares.len() != HOURS {
                let hours = shares.len();
                return Err(Error::new(
                    ErrorKind::Figure,
                    format_args!("`shares` of {name} has {hours} hours, not 168"),
                ));
            }
            for (hour, share) in shares.iter().enumerate() {
                check_known(*share, 0.0..=1.0, format_args!("`shares` of {name} in hour {hour}"))?;
            }
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let mut scene =
            Scene::sheet(&self.title, &format!("{} · in each cell percent, Paris time", self.what), &self.source);
        let known = self.panels.iter().flat_map(|panel| panel.shares.iter().flatten());
        let highest = known.copied().reduce(f64::max);
        let x = Axis::new(Spread::Linear, (0.0, 24.0), (LEFT + 64.0, 1400.0));
        let panel = |place: usize| {
            let top = TOP + 38.0 + 394.0 * place as f64;
            Panel { x, y: Axis::new(Spread::Linear, (0.0, 7.0), (top, top + 7.0 * 43.0)) }
        };
        let Some(highest) = highest else {
            scene.no_data(&panel(0), "no data");
            return scene;
        };
        // Of nothing at all no cell is dark.
        let most = highest.max(0.01);
        for (place, week) in self.panels.iter().enumerate() {
            week.draw(&mut scene, &panel(place), most);
        }
        draw_key(&mut scene, most);
        scene
    }
}

impl HeatPanel {
    fn draw(&self, scene: &mut Scene, panel: &Panel, most: f64) {
        const NUMBER: Style = Style { size: 17.0, ..LABEL };
        scene.text((panel.x.from, panel.y.from - 14.0), Anchor::Start, HEADING, &HEADING.fit(&self.name, 1200.0));
        for (day, (name, shares)) in DAYS.iter().zip(self.shares.chunks(24)).enumerate() {
            let (top, bottom) = (panel.y.at(day as f64), panel.y.at(day as f64 + 1.0));
            let middle = (top + bottom) / 2.0;
            scene.text_beside((panel.x.from - 14.0, middle), Anchor::End, LABEL, name);
            for (hour, share) in shares.iter().enumerate() {
                let (left, right) = (panel.x.at(hour as f64), panel.x.at(hour as f64 + 1.0));
                let at = ((left + right) / 2.0, middle);
                let Some(share) = *share else {
                    scene.rectangle((left + 1.0, top + 1.0), (right - 1.0, bottom - 1.0), GRID.tint(0.4));
                    scene.text_beside(at, Anchor::Middle, Style { colour: QUIET, ..NUMBER }, "–");
                    continue;
                };
                scene.rectangle((left + 1.0, top + 1.0), (right - 1.0, bottom - 1.0), shade(share / most));
                let colour = if share / most > 0.5 { PAPER } else { INK };
                let number = Style { colour, ..NUMBER };
                scene.text_beside(at, Anchor::Middle, number, &format!("{:.0}", share * 100.0));
            }
        }
        let hours: Vec<Tick> = (0..24).map(|hour| Tick { value: hour as f64 + 0.5, label: hour.to_string() }).collect();
        let below = Panel { y: Axis::new(Spread::Linear, (0.0, 1.0), (panel.y.to - 4.0, panel.y.from)), ..*panel };
        scene.x_labels(&below, &hours);
    }
}

/// The more the darker, so that it survives a grey print on white paper.
fn shade(share: f64) -> Colour {
    scale(1.0 - 0.95 * share.clamp(0.0, 1.0))
}

fn draw_key(scene: &mut Scene, most: f64) {
    const LEFT: f64 = 1424.0;
    let bar = Axis::new(Spread::Linear, (0.0, most), (560.0, TOP + 38.0));
    let steps = (bar.from - bar.to) as i32;
    for step in 0..steps {
        let y = bar.from - f64::from(step);
        // Each reaches below the next, so that no seam shows where the drawing is scaled.
        scene.rectangle(
            (LEFT, y - 1.0),
            (LEFT + 26.0, (y + 2.0).min(bar.from)),
            shade(f64::from(step) / f64::from(steps)),
        );
    }
    for tick in bar.round_ticks(5.0, |value, decimals| format!("{:.*} %", decimals.saturating_sub(2), value * 100.0)) {
        let y = bar.at(tick.value);
        scene.line(&[(LEFT + 26.0, y), (LEFT + 32.0, y)], 1.5, QUIET);
        scene.text_beside((LEFT + 38.0, y), Anchor::Start, LABEL, &tick.label);
    }
}
