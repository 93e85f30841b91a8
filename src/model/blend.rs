//! Several forecasts mixed: a weighted mean of their probabilities, the weights at least zero and together one.
//!
//! The weights are those of the least Brier score on the validation span, from forecasts of models that never saw it; a mean
//! of so few weights over so many rows has little room to flatter itself. It keeps the models, fitted again on all of the
//! training span.

use serde::{Deserialize, Serialize};

use super::fitted::{Fitted, Model};
use super::metrics::cut;
use crate::features::Matrix;

/// Steps towards the best weights: the problem is convex and small.
const STEPS: usize = 2_000;
/// A smaller weight is no weight.
const LEAST_WEIGHT: f64 = 0.005;

/// Models and their weights, which sum to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Blend {
    members: Vec<(f64, Fitted)>,
}

impl Blend {
    /// From models with weights of at least 0, not all 0; `None` of nothing.
    pub(super) fn new(members: Vec<(f64, Fitted)>) -> Option<Self> {
        let total: f64 = members.iter().map(|(weight, _)| weight).sum();
        let members = members.into_iter().filter(|(weight, _)| *weight > 0.0);
        let members: Vec<_> = members.map(|(weight, model)| (weight / total, model)).collect();
        (!members.is_empty()).then_some(Self { members })
    }

    /// The names and the weights.
    pub(super) fn weights(&self) -> impl Iterator<Item = (super::ModelName, f64)> {
        self.members.iter().map(|(weight, model)| (model.name(), *weight))
    }
}

impl Model for Blend {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        let mut mean = vec![0.0; matrix.len()];
        for (weight, model) in &self.members {
            mean.iter_mut().zip(model.predict(matrix)).for_each(|(mean, p)| *mean += weight * p);
        }
        mean.iter().map(|&p| cut(p)).collect()
    }

    fn is_sound(&self, width: usize) -> bool {
        self.members.iter().all(|(weight, model)| {
            (0.0..=1.0).contains(weight) && !matches!(model, Fitted::Blend(_)) && model.is_sound(width)
        })
    }
}

/// The weights, at least 0 and in sum 1, whose mean of the forecasts has the least Brier score on the rows that `belongs`
/// tells of. Equal weights where no row belongs.
pub(super) fn best_weights(came: &[bool], forecasts: &[Vec<f64>], belongs: impl Fn(usize) -> bool) -> Vec<f64> {
    let count = forecasts.len();
    // Brier = w'Aw - 2 b'w + c, with A the mean products of the forecasts and b their mean products with what came.
    let (mut products, mut hits, mut rows) = (vec![0.0; count * count], vec![0.0; count], 0.0);
    for row in (0..came.len()).filter(|&row| belongs(row)) {
        rows += 1.0;
        for one in 0..count {
            hits[one] += if came[row] { forecasts[one][row] } else { 0.0 };
            for other in 0..count {
                products[one * count + other] += forecasts[one][row] * forecasts[other][row];
            }
        }
    }
    let mut weights = vec![1.0 / count.max(1) as f64; count];
    if rows == 0.0 {
        return weights;
    }
    let trace: f64 = (0..count).map(|one| products[one * count + one]).sum();
    if trace <= 0.0 {
        return weights;
    }
    // Projected gradient descent with Nesterov's momentum; the trace bounds the largest eigenvalue.
    let mut ahead = weights.clone();
    for step in 0..STEPS {
        let slope = |one: usize| {
            let row = &products[one * count..(one + 1) * count];
            row.iter().zip(&ahead).map(|(product, weight)| product * weight).sum::<f64>() - hits[one]
        };
        let next = onto_simplex((0..count).map(|one| ahead[one] - slope(one) / trace).collect());
        let momentum = step as f64 / (step as f64 + 3.0);
        ahead = next.iter().zip(&weights).map(|(next, before)| next + momentum * (next - before)).collect();
        weights = next;
    }
    weights.iter_mut().filter(|weight| **weight < LEAST_WEIGHT).for_each(|weight| *weight = 0.0);
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// The nearest point whose coordinates are at least 0 and sum to 1 (Held, Wolfe and Crowder 1974).
fn onto_simplex(mut point: Vec<f64>) -> Vec<f64> {
    let mut sorted = point.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (place, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (place + 1) as f64;
        if *value > candidate {
            shift = candidate;
        }
    }
    point.iter_mut().for_each(|value| *value = (*value - shift).max(0.0));
    point
}

#[cfg(test)]
mod tests {
    use super::super::metrics::brier;
    use super::*;
    use proptest::prelude::*;

    fn mix(weights: &[f64], forecasts: &[Vec<f64>]) -> Vec<f64> {
        (0..forecasts[0].len())
            .map(|row| weights.iter().zip(forecasts).map(|(weight, p)| weight * p[row]).sum())
            .collect()
    }

    #[test]
    fn the_one_that_knows_gets_all_and_two_that_err_apart_share() {
        let came: Vec<_> = (0..100).map(|row| row % 3 == 0).collect();
        let knows: Vec<_> = came.iter().map(|&came| f64::from(u8::from(came))).collect();
        let weights = best_weights(&came, &[vec![0.3; 100], knows], |_| true);
        assert!(weights[0] < 0.01 && weights[1] > 0.99, "{weights:?}");
        let noisy = |odd: usize| -> Vec<f64> {
            (0..100).map(|row| if row % 2 == odd { 0.5 } else { f64::from(u8::from(came[row])) }).collect()
        };
        let weights = best_weights(&came, &[noisy(0), noisy(1)], |_| true);
        assert!(weights.iter().all(|weight| (weight - 0.5).abs() < 0.1), "{weights:?}");
    }

    proptest! {
        /// No other weights on a grid do better.
        #[test]
        fn nothing_on_a_grid_is_better(
            rows in prop::collection::vec((any::<bool>(), 0.01..0.99f64, 0.01..0.99f64, 0.01..0.99f64), 3..40)
        ) {
            let came: Vec<_> = rows.iter().map(|row| row.0).collect();
            let forecasts: Vec<Vec<f64>> =
                vec![rows.iter().map(|row| row.1).collect(), rows.iter().map(|row| row.2).collect(), rows.iter().map(|row| row.3).collect()];
            let weights = best_weights(&came, &forecasts, |_| true);
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && weights.iter().all(|&weight| weight >= 0.0));
            let best = brier(&came, &mix(&weights, &forecasts));
            for a in 0..=10 {
                for b in 0..=10 - a {
                    let other = [f64::from(a) / 10.0, f64::from(b) / 10.0, f64::from(10 - a - b) / 10.0];
                    prop_assert!(best <= brier(&came, &mix(&other, &forecasts)) + 2e-4);
                }
            }
        }
    }
}
