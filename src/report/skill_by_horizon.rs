//! How much better than a reference each model is, by how far ahead it looks.
//!
//! The models stand a little beside one another at each horizon, so that their intervals do not cover one another.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, Tick};
use super::figure::{Drawing, HORIZONS, SKILLS, check_in, check_interval, check_models};
use super::palette::{QUIET, category};
use super::scene::Scene;
use super::series::{Line, cut_note, extent, legend, skill_range};
use super::sheet::{BOTTOM, LEFT, Panel, RIGHT, TOP};
use crate::error::Result;

/// The Brier skill of models against one reference, by horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkillByHorizon {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The model that has a skill of zero by definition.
    pub reference: String,
    /// The models, in the order of the legend; at most 12.
    pub models: Vec<HorizonSkill>,
}

/// The skill of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonSkill {
    /// The model's name.
    pub name: String,
    /// Its skill at some horizons, in any order.
    pub points: Vec<HorizonPoint>,
}

/// The skill of one model at one horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonPoint {
    /// How far ahead, in minutes.
    pub horizon_minutes: f64,
    /// The Brier skill: 1 is perfect, 0 no better than the reference.
    pub skill: f64,
    /// The lower end of the skill's 95 % interval.
    pub low: Option<f64>,
    /// The upper end of the skill's 95 % interval.
    pub high: Option<f64>,
}

impl Drawing for SkillByHorizon {
    fn check(&self) -> Result<()> {
        check_models(self.models.len())?;
        for HorizonSkill { name, points } in &self.models {
            for HorizonPoint { horizon_minutes, skill, low, high } in points {
                check_in(*horizon_minutes, HORIZONS, format_args!("`horizon_minutes` of {name}"))?;
                let place = format_args!("{name} at {horizon_minutes} min").to_string();
                check_in(*skill, SKILLS, format_args!("`skill` of {place}"))?;
                check_interval((*low, *high), SKILLS, format_args!("{place}"))?;
            }
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let lines: Vec<Line<'_>> =
            self.shown().map(|(place, model)| Line { place, name: &model.name, extent: model.extent() }).collect();
        let range = skill_range(&lines);
        let subtitle = format!(
            "1 − Brier score / Brier score of {} · above zero is better{}{}",
            self.reference,
            if self.points().any(|point| point.low.is_some()) { " · whiskers: 95 % intervals" } else { "" },
            cut_note(&lines, range.0)
        );
        let mut scene = Scene::sheet(&self.title, &subtitle, &self.source);
        let top = scene.legend((LEFT, TOP - 8.0), RIGHT, &legend(&lines, range.0, &self.reference)) + 60.0;

        let horizons = self.horizons();
        let (first, last) = extent(horizons.iter().copied()).unwrap_or((0.0, 120.0));
        let margin = ((last - first) * 0.07).max(1.0);
        let x = Axis::new(Spread::Linear, (first - margin, last + margin), (LEFT + 90.0, RIGHT));
        let panel = Panel { x, y: Axis::new(Spread::Linear, range, (BOTTOM - 80.0, top)) };
        let ticks: Vec<Tick> = horizons
            .iter()
            .map(|&value| Tick { value, label: format!("{} min", (value * 10.0).round() / 10.0) })
            .collect();
        scene.y_axis(&panel, &skill_ticks(&panel.y), "Brier skill");
        scene.x_axis(&panel, &ticks, "Horizon: from the forecast to the moment it is for");
        scene.dashed(&[panel.at(panel.x.low, 0.0), panel.at(panel.x.high, 0.0)], 2.5, QUIET);

        let step = self.step(&panel.x, &horizons);
        let beside = |place: usize| step * (place as f64 - (self.models.len() as f64 - 1.0) / 2.0);
        for (place, model) in self.shown() {
            for point in &model.points {
                let x = panel.x.at(point.horizon_minutes) + beside(place);
                let ends = point.low.zip(point.high).map(|(low, high)| (panel.y.at(low), panel.y.at(high)));
                ends.into_iter().for_each(|ends| scene.whisker(x, ends, 2.0, category(place).tint(0.7)));
            }
        }
        for (place, model) in self.shown() {
            let values: Vec<(f64, Option<f64>)> = model
                .sorted()
                .into_iter()
                .map(|point| (panel.x.at(point.horizon_minutes) + beside(place), Some(point.skill)))
                .collect();
            scene.values(&panel, place, &values, (6.0, 0.0));
        }
        if self.points().next().is_none() {
            scene.no_data(&panel, "no data");
        }
        scene
    }
}

impl SkillByHorizon {
    fn points(&self) -> impl Iterator<Item = &HorizonPoint> {
        self.models.iter().flat_map(|model| &model.points)
    }

    /// The models that are drawn, each with its place among all; the reference is the zero line already.
    fn shown(&self) -> impl Iterator<Item = (usize, &HorizonSkill)> {
        self.models.iter().enumerate().filter(|(_, model)| model.name != self.reference)
    }

    /// Every horizon once, the nearest first.
    fn horizons(&self) -> Vec<f64> {
        let mut horizons: Vec<f64> = self.points().map(|point| point.horizon_minutes).collect();
        horizons.sort_by(f64::total_cmp);
        horizons.dedup();
        horizons
    }

    /// How far apart two models stand at the same horizon, in pixels: never so far that they reach the next one.
    fn step(&self, x: &Axis, horizons: &[f64]) -> f64 {
        let narrowest = horizons.windows(2).map(|pair| x.at(pair[1]) - x.at(pair[0])).fold(200.0, f64::min);
        (0.7 * narrowest / self.models.len().max(1) as f64).min(14.0)
    }
}

impl HorizonSkill {
    /// From the least to the greatest skill.
    fn extent(&self) -> Option<(f64, f64)> {
        let (low, high) = extent(self.points.iter().map(|point| point.skill))?;
        // Whiskers get their room above; those that reach far below are cut.
        let highest = self.points.iter().filter_map(|point| point.high).fold(high, f64::max);
        Some((low, highest))
    }

    fn sorted(&self) -> Vec<&HorizonPoint> {
        let mut points: Vec<&HorizonPoint> = self.points.iter().collect();
        points.sort_by(|a, b| a.horizon_minutes.total_cmp(&b.horizon_minutes));
        points
    }
}

/// Labels with their sign, but for zero.
pub(super) fn skill_ticks(y: &Axis) -> Vec<Tick> {
    y.round_ticks(10.0, |skill, decimals| match format!("{skill:+.decimals$}") {
        zero if zero.chars().all(|c| "+-0.".contains(c)) => "0".to_owned(),
        text => text.replace('-', "−"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_below_the_axis_is_named_with_its_skill_and_the_reference_is_the_zero_line() {
        let model = |name: &str, skill| HorizonSkill {
            name: name.into(),
            points: vec![HorizonPoint { horizon_minutes: 60.0, skill, low: None, high: None }],
        };
        let models =
            vec![model("blend", 0.12), model("boost", 0.1), model("calibrated", 0.0), model("persistence", -0.447)];
        let figure = SkillByHorizon { title: "t".into(), source: "s".into(), reference: "calibrated".into(), models };
        let scene = figure.scene();
        let texts = scene.texts();
        assert!(texts.contains(&"persistence (↓ to −0.447)") && texts.contains(&"blend"), "{texts:?}");
        assert!(texts.contains(&"calibrated (reference, skill 0)") && !texts.contains(&"calibrated"), "{texts:?}");
        assert!(texts[1].ends_with("↓: below the axis"), "{texts:?}");
    }

    #[test]
    fn nine_models_at_close_horizons_stay_nearer_to_their_own() {
        let point = |horizon_minutes| HorizonPoint { horizon_minutes, skill: 0.1, low: None, high: None };
        let model = HorizonSkill { name: "m".into(), points: [120.0, 15.0, 30.0].map(point).to_vec() };
        let figure = SkillByHorizon {
            title: String::new(),
            source: String::new(),
            reference: String::new(),
            models: vec![model; 9],
        };
        assert_eq!(figure.horizons(), [15.0, 30.0, 120.0]);
        let x = Axis::new(Spread::Linear, (0.0, 120.0), (0.0, 480.0));
        let step = figure.step(&x, &figure.horizons());
        assert!(step > 4.0 && 8.0 * step < 60.0, "{step}");
    }

    #[test]
    fn a_skill_axis_signs_all_but_zero() {
        let labels: Vec<String> = skill_ticks(&Axis::new(Spread::Linear, (-0.1, 0.12), (1.0, 0.0)))
            .into_iter()
            .map(|tick| tick.label)
            .collect();
        assert_eq!(labels, ["−0.10", "−0.05", "0", "+0.05", "+0.10"]);
    }
}
