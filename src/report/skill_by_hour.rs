//! How much better than a reference each model is, by hour of day, above how often the event came in that hour.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick, grouped};
use super::figure::{Drawing, HORIZONS, SKILLS, check_in, check_known, check_models};
use super::palette::{QUIET, VERMILION};
use super::scene::{Anchor, Scene, Style};
use super::series::{Line, cut_note, extent, legend, skill_range};
use super::sheet::{LABEL, LEFT, Panel, RIGHT, TOP};
use super::skill_by_horizon::skill_ticks;
use crate::error::{Error, ErrorKind, Result};

/// The hours of a day; where the clocks change, an hour that comes twice counts as one.
const HOURS: usize = 24;

/// The Brier skill of models against one reference, by hour of the local day, and the base rate in each hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkillByHour {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The model that has a skill of zero by definition.
    pub reference: String,
    /// How far ahead the forecasts look, in minutes.
    pub horizon_minutes: f64,
    /// What came in each hour; an hour that is missing had no forecast.
    pub hours: Vec<HourShare>,
    /// The models, in the order of the legend; at most 12.
    pub models: Vec<HourSkill>,
}

/// What came in one hour of the day.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HourShare {
    /// The hour that the forecast was for, local time, from 0 to 23.
    pub hour: u32,
    /// The share of the forecasts whose event came; unknown without a forecast.
    pub base_rate: Option<f64>,
    /// How many forecasts each model made.
    pub count: u64,
}

/// The skill of one model in each hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HourSkill {
    /// The model's name.
    pub name: String,
    /// The Brier skill in each of the 24 hours: 1 is perfect, 0 no better than the reference.
    pub skill: Vec<Option<f64>>,
}

impl Drawing for SkillByHour {
    fn check(&self) -> Result<()> {
        check_models(self.models.len())?;
        check_in(self.horizon_minutes, HORIZONS, format_args!("`horizon_minutes`"))?;
        let mut seen = [false; HOURS];
        for HourShare { hour, base_rate, .. } in &self.hours {
            check_in(f64::from(*hour), 0.0..=(HOURS - 1) as f64, format_args!("`hour`"))?;
            check_known(*base_rate, 0.0..=1.0, format_args!("`base_rate` of hour {hour}"))?;
            if std::mem::replace(&mut seen[*hour as usize], true) {
                return Err(Error::new(ErrorKind::Figure, format_args!("hour {hour} is there twice")));
            }
        }
        for HourSkill { name, skill } in &self.models {
            if skill.len() != HOURS {
                let hours = skill.len();
                return Err(Error::new(ErrorKind::Figure, format_args!("`skill` of {name} has {hours} hours, not 24")));
            }
            for (hour, skill) in skill.iter().enumerate() {
                check_known(*skill, SKILLS, format_args!("`skill` of {name} in hour {hour}"))?;
            }
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let extent = |model: &HourSkill| extent(model.skill.iter().copied().flatten());
        let lines: Vec<Line<'_>> =
            self.shown().map(|(place, model)| Line { place, name: &model.name, extent: extent(model) }).collect();
        let range = skill_range(&lines);
        let subtitle = format!("{}{}", self.subtitle(), cut_note(&lines, range.0));
        let mut scene = Scene::sheet(&self.title, &subtitle, &self.source);
        let top = scene.legend((LEFT, TOP - 8.0), RIGHT, &legend(&lines, range.0, &self.reference)) + 54.0;

        let x = Axis::new(Spread::Linear, (0.0, HOURS as f64), (LEFT + 90.0, RIGHT));
        let skill = Panel { x, y: Axis::new(Spread::Linear, range, (648.0, top.min(600.0))) };
        let highest = self.hours.iter().filter_map(|hour| hour.base_rate).fold(0.0, f64::max);
        let rate_range = (0.0, if highest > 0.0 { highest * 1.25 } else { 0.1 });
        let rate = Panel { x, y: Axis::new(Spread::Linear, rate_range, (858.0, 728.0)) };
        self.draw_skill(&mut scene, &skill);
        self.draw_rate(&mut scene, &rate);
        scene
    }
}

impl SkillByHour {
    fn subtitle(&self) -> String {
        let forecasts = self.hours.iter().map(|hour| hour.count).fold(0, u64::saturating_add);
        format!(
            "1 − Brier score / Brier score of {} · above zero is better · {} forecasts of each model, {} min ahead",
            self.reference,
            grouped(forecasts as f64),
            self.horizon_minutes
        )
    }

    /// The models that are drawn, each with its place among all; the reference is the zero line already.
    fn shown(&self) -> impl Iterator<Item = (usize, &HourSkill)> {
        self.models.iter().enumerate().filter(|(_, model)| model.name != self.reference)
    }

    fn draw_skill(&self, scene: &mut Scene, panel: &Panel) {
        scene.y_axis(panel, &skill_ticks(&panel.y), "Brier skill");
        scene.x_axis(panel, &hour_ticks(|_| String::new()), "");
        scene.dashed(&[panel.at(0.0, 0.0), panel.at(panel.x.high, 0.0)], 2.5, QUIET);
        // Many models may be below the axis in the same hour.
        let step = (50.0 / self.models.len().max(1) as f64).min(10.0);
        for (place, model) in self.shown() {
            let beside = step * (place as f64 - (self.models.len() as f64 - 1.0) / 2.0);
            let values: Vec<(f64, Option<f64>)> =
                (0..HOURS).zip(&model.skill).map(|(hour, skill)| (panel.x.at(middle(hour)), *skill)).collect();
            scene.values(panel, place, &values, (5.0, beside));
        }
        if self.models.iter().all(|model| model.skill.iter().all(Option::is_none)) {
            scene.no_data(panel, "no data");
        }
    }

    fn draw_rate(&self, scene: &mut Scene, panel: &Panel) {
        const NUMBER: Style = Style { size: 16.0, colour: QUIET, ..LABEL };
        let percent = |value: f64, decimals: usize| format!("{:.*} %", decimals.saturating_sub(2), value * 100.0);
        scene.y_axis(panel, &panel.y.round_ticks(3.0, percent), "Base rate: share of the forecasts whose event came");
        scene.x_axis(
            panel,
            &hour_ticks(|hour| hour.to_string()),
            "Hour that the forecast is for (Paris time; 8 is 8:00 to 9:00)",
        );
        for HourShare { hour, base_rate, .. } in &self.hours {
            let Some(base_rate) = *base_rate else { continue };
            let (left, right) = (panel.x.at(f64::from(*hour) + 0.12), panel.x.at(f64::from(*hour) + 0.88));
            let (top, ground) = (panel.y.at(base_rate), panel.y.from);
            scene.rectangle((left, top), (right, ground), VERMILION.tint(0.8));
            let number = format!("{:.1}", base_rate * 100.0);
            scene.text(((left + right) / 2.0, top - 8.0), Anchor::Middle, NUMBER, &number);
        }
        if self.hours.iter().all(|hour| hour.base_rate.is_none()) {
            scene.no_data(panel, "no data");
        }
    }
}

/// Where the middle of an hour lies on the axis.
fn middle(hour: usize) -> f64 {
    hour as f64 + 0.5
}

fn hour_ticks(label: fn(usize) -> String) -> Vec<Tick> {
    (0..HOURS).map(|hour| Tick { value: middle(hour), label: label(hour) }).collect()
}
