//! The regret against a world whose truth is known: how far a forecast is from the best there can be.
//!
//! The simulated network knows the rates of its own chains, so the probability that one of its stations will be full is a
//! number that can be computed. Against it a forecast is judged without labels, and so without their noise: the Brier
//! score that it will have in the mean, beside the one that the truth itself has.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::metrics::cut;
use super::name::ModelName;
use crate::features::{Leg, transient};
use crate::ingest::SimulatedStation;

/// What a model loses by not knowing the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regret {
    /// The model.
    pub model: ModelName,
    /// Number of forecasts.
    pub origins: usize,
    /// The Brier score that the true probabilities have in the mean: that of `p (1 - p)`. No forecast has less.
    pub optimal_brier: f64,
    /// The Brier score that the forecasts have in the mean over what can come: more by their mean squared distance from
    /// the truth.
    pub brier: f64,
    /// `brier / optimal_brier - 1`, above 0 unless the forecast is the truth.
    pub regret: f64,
}

impl Regret {
    /// The regret of `forecasts` where `truths` are the true probabilities, both cut as for every score. `None` of nothing,
    /// or if the lengths differ.
    pub fn new(model: ModelName, truths: &[f64], forecasts: &[f64]) -> Option<Self> {
        if truths.is_empty() || truths.len() != forecasts.len() {
            return None;
        }
        let origins = truths.len();
        let mean = |sum: f64| sum / origins as f64;
        let optimal_brier = mean(truths.iter().map(|&truth| cut(truth) * (1.0 - cut(truth))).sum());
        let distance: f64 = truths.iter().zip(forecasts).map(|(&truth, &p)| (cut(p) - cut(truth)).powi(2)).sum();
        let brier = optimal_brier + mean(distance);
        Some(Self { model, origins, optimal_brier, brier, regret: brier / optimal_brier - 1.0 })
    }
}

/// The true probability that a simulated station which holds so many bikes at `origin` is full `horizon_seconds` later.
///
/// `None` where it is closed for a part of that time, the target included: its chain then stands still, and a reading of
/// it tells nothing.
pub fn truth(station: &SimulatedStation, origin: DateTime<Utc>, bikes: u32, horizon_seconds: i64) -> Option<f64> {
    let target = origin.checked_add_signed(TimeDelta::try_seconds(horizon_seconds)?)?;
    if station.closures.iter().any(|closure| closure.from <= target && origin < closure.until) {
        return None;
    }
    let mut legs = Vec::new();
    let mut start = origin;
    while start < target {
        // The rates are constant from one full hour to the next.
        let next_hour = DateTime::from_timestamp((start.timestamp().div_euclid(3600) + 1) * 3600, 0)?;
        let end = next_hour.min(target);
        let rates = station.rates(start);
        legs.push(Leg {
            seconds: (end - start).as_seconds_f64(),
            returns_per_hour: rates.returns_per_hour,
            rentals_per_hour: rates.rentals_per_hour,
        });
        start = end;
    }
    let docks = station.working_docks();
    transient(docks.saturating_sub(bikes), docks, &legs).first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Flows, History, Matrix, Target, docks_at_target};
    use crate::ingest::{Closure, SimulatedNetwork, SimulationConfig};
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn the_truth_has_no_regret_and_an_error_costs_its_square() {
        let regret = Regret::new(ModelName::Queue, &[0.5, 0.1], &[0.5, 0.1]).unwrap();
        assert_eq!((regret.origins, regret.optimal_brier, regret.brier, regret.regret), (2, 0.17, 0.17, 0.0));
        let wrong = Regret::new(ModelName::Queue, &[0.5, 0.1], &[0.7, 0.1]).unwrap();
        assert!((wrong.brier - 0.19).abs() < 1e-12 && (wrong.regret - 0.02 / 0.17).abs() < 1e-12);
        assert!(Regret::new(ModelName::Tree, &[], &[]).is_none());
        assert!(Regret::new(ModelName::Tree, &[0.5], &[0.5, 0.5]).is_none());
    }

    #[test]
    fn the_expected_score_is_the_mean_of_the_score_over_what_can_come() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let (truths, forecasts) = (vec![0.3; 100_000], vec![0.4; 100_000]);
        let came: Vec<_> = truths.iter().map(|&truth| random.random::<f64>() < truth).collect();
        let regret = Regret::new(ModelName::Tree, &truths, &forecasts).unwrap();
        assert!((super::super::metrics::brier(&came, &forecasts) - regret.brier).abs() < 0.002);
    }

    #[test]
    fn a_closure_on_the_way_leaves_no_truth_and_over_no_time_a_full_station_is_full() {
        let mut station = SimulatedNetwork::new(SimulationConfig::default()).unwrap().stations()[0].clone();
        let noon: DateTime<Utc> = "2024-03-06T12:00:00Z".parse().unwrap();
        let hours = |hours: i64| noon + TimeDelta::hours(hours);
        station.closures = vec![Closure { from: hours(2), until: hours(4), installed: true }];
        let docks = station.working_docks();
        let at = |origin, horizon| truth(&station, origin, docks, horizon);
        assert!(at(noon, 7199).is_some() && at(noon, 7200).is_none());
        assert!(at(hours(3), 60).is_none() && at(hours(4) - TimeDelta::seconds(1), 9000).is_none());
        assert!(at(hours(4), 9000).is_some());
        assert_eq!((at(noon, 0), truth(&station, noon, docks - 1, 0)), (Some(1.0), Some(0.0)));
    }

    /// Readings of many chains that the network simulates itself, event by event, agree with the truth.
    #[test]
    fn the_truth_is_how_often_it_comes() {
        let (mut expected, mut came, mut variance) = (0.0, 0.0, 0.0);
        for seed in 1..=3 {
            let config = SimulationConfig { seed, duration: TimeDelta::days(7), ..SimulationConfig::default() };
            let network = SimulatedNetwork::new(config).unwrap();
            let stations = network.stations().to_vec();
            let history = History::new(&network.readings());
            for station in &stations {
                let place = history.position(station.code.as_str()).unwrap();
                let readings = &history.stations()[place];
                let mut start = 0;
                // Apart from each other, so that the sum's spread is the sum of the spreads.
                while start + 1 < readings.len() {
                    let from = readings.times()[start];
                    let then = readings.times().partition_point(|&time| time < from + 1800);
                    let Some(&until) = readings.times().get(then) else { break };
                    let bikes = readings.past(start).unwrap().bikes();
                    let origin = DateTime::from_timestamp(from, 0).unwrap();
                    if let Some(truth) = truth(station, origin, bikes, until - from) {
                        expected += truth;
                        variance += truth * (1.0 - truth);
                        came += f64::from(u8::from(readings.docks()[then] == 0));
                    }
                    start = then;
                }
            }
        }
        assert!(expected > 500.0 && (came - expected).abs() < 3.0 * f64::sqrt(variance), "{came} for {expected}");
    }

    /// Two weeks of readings of the default network, and what the queue fitted on them regrets in the three days after.
    fn regret_of_the_queue(seed: u64, horizon_seconds: i64) -> Regret {
        let config = SimulationConfig { seed, duration: TimeDelta::days(17), ..SimulationConfig::default() };
        let network = SimulatedNetwork::new(config.clone()).unwrap();
        let stations = network.stations().to_vec();
        let history = History::new(&network.readings());
        let split = (config.start + TimeDelta::days(14)).timestamp();
        // As `train` does it: flows, and how riders are diverted, from the training span.
        let (flows, daily) = Flows::fit(&history, split);
        let target = Target { horizon: horizon_seconds, tolerance: 600 };
        let mut examples = target.examples(&history);
        examples.retain(|example| example.time + target.horizon + target.tolerance < split);
        let (_, rates) = Matrix::of_training(&history, &examples, Some(0), &daily, target);
        let (mut truths, mut origins) = (Vec::new(), Vec::new());
        for station in &stations {
            let place = history.position(station.code.as_str()).unwrap();
            let readings = &history.stations()[place];
            let first = readings.times().partition_point(|&time| time < split);
            for origin in (first..readings.len()).step_by(3) {
                let past = readings.past(origin).unwrap();
                let at = DateTime::from_timestamp(past.time(), 0).unwrap();
                let Some(truth) = truth(station, at, past.bikes(), horizon_seconds) else { continue };
                truths.push(truth);
                origins.push((place, origin));
            }
        }
        let mut forecasts = Vec::new();
        docks_at_target(&history, &origins, &rates, &flows, target, |_, docks| forecasts.push(docks[0]));
        Regret::new(ModelName::Queue, &truths, &forecasts).unwrap()
    }

    /// The test that the machinery is right: with two weeks of data a model comes within 2 % of the optimum in its own world.
    #[test]
    fn on_its_own_world_the_queue_is_within_two_percent_of_the_optimum() {
        for (seed, horizon_seconds) in [(1, 3600), (2, 7200)] {
            let regret = regret_of_the_queue(seed, horizon_seconds);
            assert!(regret.origins > 15_000 && regret.optimal_brier > 0.01, "{regret:?}");
            assert!(regret.regret > 0.0 && regret.regret < 0.02, "{regret:?}");
        }
    }
}
