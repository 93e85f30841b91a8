//! Precision against recall, drawn as the steps whose area is the average precision.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread};
use super::figure::{Drawing, check_in, check_known, check_models};
use super::palette::{QUIET, category};
use super::scene::{Point, Scene};
use super::sheet::{BOTTOM, Entry, LEFT, Mark, Panel, RIGHT, TOP};
use crate::error::Result;
use crate::model::PrecisionRecallPoint;

/// Precision-recall curves of one or more models on the same test readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecall {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// How often the event came: the precision of an alarm raised without looking.
    pub base_rate: f64,
    /// The models, in the order of the legend.
    pub models: Vec<PrecisionRecallCurve>,
}

/// The curve of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallCurve {
    /// The model's name.
    pub name: String,
    /// The average precision, where there was an event at all.
    pub average_precision: Option<f64>,
    /// The points, in any order.
    pub points: Vec<PrecisionRecallPoint>,
}

impl Drawing for PrecisionRecall {
    fn check(&self) -> Result<()> {
        check_models(self.models.len())?;
        check_in(self.base_rate, 0.0..=1.0, format_args!("`base_rate`"))?;
        for PrecisionRecallCurve { name, average_precision, points } in &self.models {
            check_known(*average_precision, 0.0..=1.0, format_args!("`average_precision` of {name}"))?;
            for (place, point) in points.iter().enumerate() {
                check_in(point.threshold, f64::MIN..=f64::MAX, format_args!("`threshold` of point {place} of {name}"))?;
                check_in(point.precision, 0.0..=1.0, format_args!("`precision` of point {place} of {name}"))?;
                check_in(point.recall, 0.0..=1.0, format_args!("`recall` of point {place} of {name}"))?;
            }
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let subtitle = "Precision: share of the alarms that were right · recall: share of the events that had an alarm · AP: average precision";
        let mut scene = Scene::sheet(&self.title, subtitle, &self.source);
        let top = scene.legend((LEFT, TOP - 8.0), RIGHT, &self.entries()) + 60.0;
        let share = |from, to| Axis::new(Spread::Linear, (0.0, 1.0), (from, to));
        let panel = Panel { x: share(LEFT + 80.0, RIGHT - 26.0), y: share(BOTTOM - 80.0, top) };
        let percent = |value: f64, _| format!("{:.0} %", value * 100.0);
        scene.y_axis(&panel, &panel.y.round_ticks(5.0, percent), "Precision");
        scene.x_axis(&panel, &panel.x.round_ticks(10.0, percent), "Recall");
        scene.dashed(&[panel.at(0.0, self.base_rate), panel.at(1.0, self.base_rate)], 2.5, QUIET);
        for (place, model) in self.models.iter().enumerate() {
            let steps = steps(&model.points, &panel);
            scene.curve(place, &steps);
            if model.points.len() <= 30 {
                // A model that knows few forecasts, such as a small tree, has a curve of few points: show which.
                for point in &model.points {
                    scene.mark(place, panel.at(point.recall, point.precision), 5.0);
                }
            } else if self.models.len() > 1 {
                // Marks now and then tell long curves apart, no two of them at the same recall.
                for tenth in 0..10 {
                    let recall = (f64::from(tenth) + (place as f64 + 0.5) / self.models.len() as f64) / 10.0;
                    let at = steps.iter().find(|step| step.0 >= panel.x.at(recall));
                    at.into_iter().for_each(|step| scene.mark(place, (panel.x.at(recall), step.1), 5.0));
                }
            }
        }
        if self.models.iter().all(|model| model.points.is_empty()) {
            scene.no_data(&panel, "no data");
        }
        scene
    }
}

impl PrecisionRecall {
    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        for (place, model) in self.models.iter().enumerate() {
            let label = match model.average_precision {
                Some(average) => format!("{} (AP {average:.3})", model.name),
                None => format!("{} (AP unknown)", model.name),
            };
            entries.push(Entry::new(Mark::Model(place), category(place), label));
        }
        entries.push(Entry::new(Mark::Dashes, QUIET, format!("base rate ({:.1} %)", self.base_rate * 100.0)));
        entries
    }
}

/// From left to right: up to each recall, the precision at that recall.
fn steps(points: &[PrecisionRecallPoint], panel: &Panel) -> Vec<Point> {
    let mut sorted: Vec<&PrecisionRecallPoint> = points.iter().collect();
    sorted.sort_by(|a, b| a.recall.total_cmp(&b.recall).then(b.threshold.total_cmp(&a.threshold)));
    let mut before = 0.0;
    let mut steps = vec![];
    for point in sorted {
        steps.extend([panel.at(before, point.precision), panel.at(point.recall, point.precision)]);
        before = point.recall;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_below_the_steps_is_the_average_precision(pairs in prop::collection::vec((0.0..=1.0f64, 0.0..=1.0f64), 0..40)) {
            let mut points: Vec<PrecisionRecallPoint> =
                pairs.iter().map(|&(precision, recall)| PrecisionRecallPoint { threshold: 1.0 - recall, precision, recall }).collect();
            let unit = |from, to| Axis::new(Spread::Linear, (0.0, 1.0), (from, to));
            let panel = Panel { x: unit(0.0, 1.0), y: unit(0.0, 1.0) };
            let area: f64 = steps(&points, &panel).windows(2).map(|pair| (pair[1].0 - pair[0].0) * pair[1].1).sum();
            points.sort_by(|a, b| a.recall.total_cmp(&b.recall));
            let mut before = 0.0;
            let average: f64 = points.iter().map(|point| (point.recall - std::mem::replace(&mut before, point.recall)) * point.precision).sum();
            prop_assert!((area - average).abs() < 1e-9);
        }
    }
}
