//! The reliability diagram: how often the event came when it was forecast about so, and how often it was forecast so.

use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, grouped, probability_ticks};
use super::figure::{Drawing, check_in, check_models};
use super::palette::{AXIS, QUIET, category};
use super::scene::Scene;
use super::sheet::{BOTTOM, Entry, LEFT, Mark, Panel, RIGHT, TOP};
use crate::error::Result;
use crate::model::ReliabilityBin;

/// Reliability of one or more models on the same test readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityDiagram {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The models, in the order of the legend.
    pub models: Vec<ModelReliability>,
}

/// The reliability of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelReliability {
    /// The model's name.
    pub name: String,
    /// Its bins, in any order; those without a forecast are not drawn.
    pub bins: Vec<ReliabilityBin>,
}

impl Drawing for ReliabilityDiagram {
    fn check(&self) -> Result<()> {
        check_models(self.models.len())?;
        for model in &self.models {
            for (place, bin) in model.bins.iter().enumerate() {
                let values = [
                    ("lower", bin.lower),
                    ("upper", bin.upper),
                    ("mean_forecast", bin.mean_forecast),
                    ("observed_frequency", bin.observed_frequency),
                ];
                for (what, value) in values {
                    check_in(value, 0.0..=1.0, format_args!("`{what}` of bin {place} of {}", model.name))?;
                }
            }
        }
        Ok(())
    }

    fn scene(&self) -> Scene {
        let subtitle = match self.base_rate() {
            Some((count, _)) => format!(
                "{} forecasts of each model · bars: 95 % Wilson intervals, as if the forecasts were independent",
                grouped(count as f64)
            ),
            None => "no forecasts".to_owned(),
        };
        let mut scene = Scene::sheet(&self.title, &subtitle, &self.source);
        let mut entries: Vec<Entry> = self
            .models
            .iter()
            .enumerate()
            .map(|(place, model)| Entry::new(Mark::Model(place), category(place), &model.name))
            .collect();
        entries.push(Entry::new(Mark::Dashes, QUIET, "perfect reliability"));
        if let Some((_, rate)) = self.base_rate() {
            entries.push(Entry::new(Mark::Line, AXIS, format!("base rate ({:.2} %)", rate * 100.0)));
        }
        let top = scene.legend((LEFT, TOP - 8.0), RIGHT, &entries) + 60.0;
        let bottom = BOTTOM - 80.0;

        let split = LEFT + 80.0 + (bottom - top).max(560.0);
        let probability = |from, to| Axis::new(Spread::SquareRoot, (0.0, 1.0), (from, to));
        let reliability = Panel { x: probability(LEFT + 80.0, split), y: probability(bottom, top) };
        let most = self.bins().map(|(_, bin)| bin.count).max().unwrap_or(1).max(10) as f64;
        let counts = Axis::new(Spread::Log, (0.8, most * 1.6), (bottom, top));
        let sharpness = Panel { x: probability(split + 142.0, RIGHT - 26.0), y: counts };

        self.draw_reliability(&mut scene, &reliability);
        self.draw_sharpness(&mut scene, &sharpness);
        scene
    }
}

impl ReliabilityDiagram {
    /// Every bin that holds a forecast, with the place of its model.
    fn bins(&self) -> impl Iterator<Item = (usize, &ReliabilityBin)> {
        let bins =
            self.models.iter().enumerate().flat_map(|(place, model)| model.bins.iter().map(move |bin| (place, bin)));
        bins.filter(|(_, bin)| bin.count > 0)
    }

    /// How many forecasts the first model made, and how often the event came; the other models faced the same readings.
    fn base_rate(&self) -> Option<(u64, f64)> {
        let bins = || self.bins().filter(|(place, _)| *place == 0).map(|(_, bin)| bin);
        let count = bins().map(|bin| bin.count).fold(0, u64::saturating_add);
        let events: f64 = bins().map(|bin| bin.count as f64 * bin.observed_frequency).sum();
        (count > 0).then(|| (count, events / count as f64))
    }

    /// A model's bins by mean forecast.
    fn sorted(&self, model: usize) -> Vec<&ReliabilityBin> {
        let mut bins: Vec<&ReliabilityBin> =
            self.bins().filter(|(place, _)| *place == model).map(|(_, bin)| bin).collect();
        bins.sort_by(|a, b| a.mean_forecast.total_cmp(&b.mean_forecast));
        bins
    }

    fn draw_reliability(&self, scene: &mut Scene, panel: &Panel) {
        scene.y_axis(panel, &probability_ticks(), "Observed frequency (square-root scale)");
        scene.x_axis(panel, &probability_ticks(), "Mean forecast probability (square-root scale)");
        if let Some((_, rate)) = self.base_rate() {
            scene.line(&[panel.at(0.0, rate), panel.at(1.0, rate)], 2.0, AXIS);
        }
        scene.dashed(&[panel.at(0.0, 0.0), panel.at(1.0, 1.0)], 2.0, QUIET);
        for (place, bin) in self.bins() {
            let (low, high) = wilson(bin.observed_frequency, bin.count);
            scene.line(
                &[panel.at(bin.mean_forecast, low), panel.at(bin.mean_forecast, high)],
                1.5,
                category(place).tint(0.55),
            );
        }
        for place in 0..self.models.len() {
            let points: Vec<_> =
                self.sorted(place).iter().map(|bin| panel.at(bin.mean_forecast, bin.observed_frequency)).collect();
            scene.marked_curve(place, &points, 5.5);
        }
        if self.bins().next().is_none() {
            scene.no_data(panel, "no data");
        }
    }

    fn draw_sharpness(&self, scene: &mut Scene, panel: &Panel) {
        scene.y_axis(panel, &panel.y.decades(), "Forecasts in the bin (log scale)");
        scene.x_axis(panel, &probability_ticks(), "Mean forecast probability (square-root scale)");
        for place in 0..self.models.len() {
            let points: Vec<_> =
                self.sorted(place).iter().map(|bin| panel.at(bin.mean_forecast, bin.count as f64)).collect();
            scene.marked_curve(place, &points, 5.5);
        }
        if self.bins().next().is_none() {
            scene.no_data(panel, "no data");
        }
    }
}

/// Wilson's 95 % interval of a share that was `share` in `count` independent trials.
fn wilson(share: f64, count: u64) -> (f64, f64) {
    const Z2: f64 = 1.959_964 * 1.959_964;
    let n = count as f64;
    let middle = (share + Z2 / (2.0 * n)) / (1.0 + Z2 / n);
    let half = (Z2 * (share * (1.0 - share) / n + Z2 / (4.0 * n * n))).sqrt() / (1.0 + Z2 / n);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(count: u64, mean_forecast: f64, observed_frequency: f64) -> ReliabilityBin {
        ReliabilityBin { lower: 0.0, upper: 1.0, count, mean_forecast, observed_frequency }
    }

    #[test]
    fn the_base_rate_is_that_of_all_forecasts_not_of_the_bins() {
        let bins = vec![bin(900, 0.01, 0.0), bin(100, 0.3, 0.2), bin(0, 0.9, 0.0)];
        let models = vec![ModelReliability { name: "tree".into(), bins }];
        let diagram = ReliabilityDiagram { title: String::new(), source: String::new(), models };
        assert_eq!(diagram.base_rate(), Some((1000, 0.02)));
    }

    #[test]
    fn wilsons_interval_is_the_one_of_the_books() {
        // 1 of 10: Newcombe (1998) and R's prop.test(1, 10, correct = FALSE) give 0.0179 to 0.4042.
        let (low, high) = wilson(0.1, 10);
        assert!((low - 0.0179).abs() < 5e-5 && (high - 0.4042).abs() < 5e-5, "{low} {high}");
        assert!(wilson(0.0, 5).0 == 0.0 && wilson(1.0, 5).1 == 1.0);
    }
}
