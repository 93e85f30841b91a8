//! How far each model is from the optimum, in a world where the optimum is known.

use serde::{Deserialize, Serialize};

use super::axis::{Spread, Tick, grouped};
use super::bars::{Bar, MOST_BARS, draw};
use super::figure::{Drawing, check_in};
use super::palette::BLUE;
use super::scene::Scene;
use crate::error::Result;

/// The regret of models against the exact probabilities of a simulated world. The axis is spread by square root, so that
/// one per cent is still seen beside three hundred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegretBars {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The models, in the order they are drawn; at most 25 are.
    pub models: Vec<ModelRegret>,
    /// The Brier score of the exact probabilities: no forecast can be expected to do better.
    pub optimal_brier: f64,
}

/// The regret of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRegret {
    /// The model's name.
    pub name: String,
    /// By which share its Brier score is above the optimal one: 0.013 is 1.3 % above. By chance it can be a little below 0.
    pub regret: f64,
    /// The Brier score: 0 is best.
    pub brier: f64,
}

impl Drawing for RegretBars {
    fn check(&self) -> Result<()> {
        check_in(self.optimal_brier, 0.0..=1.0, format_args!("`optimal_brier`"))?;
        self.models.iter().try_for_each(|ModelRegret { name, regret, brier }| {
            check_in(*regret, -1.0..=MOST_REGRET, format_args!("`regret` of {name}"))?;
            check_in(*brier, 0.0..=1.0, format_args!("`brier` of {name}"))
        })
    }

    fn scene(&self) -> Scene {
        let bars: Vec<Bar> = self
            .models
            .iter()
            .take(MOST_BARS)
            .map(|model| Bar {
                label: model.name.clone(),
                // A regret below zero has no bar, and its number says so.
                value: Some(model.regret.max(0.0)),
                colour: BLUE,
                note: format!("Brier score {:.5}", model.brier),
                shown: Some(percent(model.regret)),
                interval: None,
            })
            .collect();
        let highest = bars.iter().filter_map(|bar| bar.value).fold(0.02, f64::max);
        let subtitle = format!(
            "Brier score above that of the exact probabilities ({:.5}), in per cent of it · shorter is better",
            self.optimal_brier
        );
        let scene = Scene::sheet(&self.title, &subtitle, &self.source);
        draw(scene, &bars, (Spread::SquareRoot, (0.0, highest)), "Regret (square-root scale)", |x| ticks(x.high))
    }
}

/// More than a model that is always wrong can have beside any optimum worth the name.
const MOST_REGRET: f64 = 1e6;

/// Round regrets up to `highest`, not too close on a square-root scale.
fn ticks(highest: f64) -> Vec<Tick> {
    let steps = (-4..=6).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    let mut ticks = vec![Tick { value: 0.0, label: "0 %".to_owned() }];
    let mut last = 0.0;
    for value in steps.filter(|&value| value <= highest * (1.0 + 1e-9)) {
        if value.sqrt() - last >= 0.08 * highest.sqrt() {
            last = value.sqrt();
            ticks.push(Tick { value, label: unsigned(value) });
        }
    }
    ticks
}

/// A regret as text: one digit after the point below ten per cent.
fn percent(regret: f64) -> String {
    let sign = if regret < 0.0 { "−" } else { "" };
    match regret.abs() * 100.0 {
        small if small < 9.95 => format!("{sign}{small:.1} %"),
        large => format!("{sign}{} %", grouped(large)),
    }
}

/// A tick's label: no digit that is not needed.
fn unsigned(value: f64) -> String {
    let percent = value * 100.0;
    if percent < 0.995 { format!("{:.2} %", percent) } else { format!("{} %", grouped(percent)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_cent_is_seen_beside_three_hundred() {
        let labels: Vec<String> = ticks(3.0).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["0 %", "2 %", "10 %", "50 %", "100 %", "200 %"]);
        assert_eq!([0.013, 0.4, 3.0, 23.5, -0.002].map(percent), ["1.3 %", "40 %", "300 %", "2,350 %", "−0.2 %"]);
    }
}
