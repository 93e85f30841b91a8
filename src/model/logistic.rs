//! Logistic regression by linfa, with guards; what it learned is kept as our own weights.
//!
//! linfa's `predict_probabilities` gives the probability of the majority class, its line search may not end on columns
//! of unlike scales, and it can answer with weights that solve nothing. So the columns are standardised, constant ones
//! stay out, the sign is taken from the class that linfa calls positive, and a fit counts only if its gradient is zero,
//! which implies that the mean forecast over the training rows is their base rate.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, Axis, ShapeBuilder, Slice};
use serde::{Deserialize, Serialize};

use super::fitted::Model;
use super::metrics::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Matrix;

/// The steps after which linfa gives up.
const MOST_STEPS: u64 = 300;
/// The most rows that the first steps are taken over.
const MOST_ROUGH: usize = 30_000;
/// A column whose standard deviation is below this is constant.
const CONSTANT: f64 = 1e-9;
/// The largest mean gradient that counts as zero, in standard deviations of the label.
const GRADIENT: f64 = 1e-3;

/// `p = 1 / (1 + exp(-(intercept + Σ weight (x - mean) / scale)))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Logistic {
    /// The penalty on half the squared sum of the weights; the intercept is free.
    alpha: f64,
    intercept: f64,
    /// One for each column of the matrix.
    terms: Vec<Term>,
}

/// What one column adds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Term {
    mean: f64,
    scale: f64,
    weight: f64,
}

impl Logistic {
    /// One fit for each of `alphas`, each starting from the one before: the strongest penalty first is the fastest.
    /// Fits that did not converge are left out; none left is an error.
    pub(super) fn path(x: &Array2<f64>, full: &[bool], alphas: &[f64]) -> Result<Vec<Self>> {
        let events = full.iter().filter(|&&full| full).count();
        if events == 0 || events == full.len() {
            let all = if events == 0 { "none" } else { "every one" };
            return Err(Error::new(
                ErrorKind::Model,
                format_args!("logistic regression needs both outcomes: of {} training rows {all} is full", full.len()),
            )
            .way_out("take a longer history, or all stations together"));
        }
        let terms: Vec<_> = x.axis_iter(Axis(1)).map(Term::of).collect();
        let kept: Vec<_> = (0..terms.len()).filter(|&column| terms[column].scale > CONSTANT).collect();
        // Column by column in memory: the gradient reads it so.
        let mut standardised = Array2::zeros((x.nrows(), kept.len()).f());
        for (mut to, &column) in standardised.axis_iter_mut(Axis(1)).zip(&kept) {
            to.zip_mut_with(&x.column(column), |to, &from| *to = terms[column].standardise(from));
        }
        let problem = Problem { x: standardised, full };
        let mut fits = Vec::new();
        let mut start = alphas.first().map_or_else(|| Array1::zeros(kept.len() + 1), |&alpha| problem.start(alpha));
        let mut failure = String::new();
        for &alpha in alphas {
            match problem.fit(alpha, &start) {
                Ok(weights) => {
                    let mut terms = terms.clone();
                    for (&column, &weight) in kept.iter().zip(&weights) {
                        terms[column].weight = weight;
                    }
                    fits.push(Self { alpha, intercept: weights[kept.len()], terms });
                    start = weights;
                }
                Err(reason) => failure = reason,
            }
        }
        if fits.is_empty() {
            return Err(Error::new(ErrorKind::Model, format_args!("logistic regression did not converge: {failure}"))
                .way_out("take a longer history"));
        }
        Ok(fits)
    }

    /// The penalty it was fitted with.
    pub(super) fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The probability for one row.
    fn of_row(&self, row: ArrayView1<'_, f64>) -> f64 {
        let sum = row.iter().zip(&self.terms).map(|(&x, term)| term.weight * term.standardise(x)).sum::<f64>();
        sigmoid(self.intercept + sum)
    }
}

impl Model for Logistic {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.values.axis_iter(Axis(0)).map(|row| cut(self.of_row(row))).collect()
    }

    fn is_sound(&self, width: usize) -> bool {
        self.terms.len() == width
    }
}

impl Term {
    fn of(column: ArrayView1<'_, f64>) -> Self {
        let known = || column.iter().copied().filter(|x| !x.is_nan());
        let count = known().count().max(1) as f64;
        let mean = known().sum::<f64>() / count;
        let scale = (known().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        Self { mean, scale, weight: 0.0 }
    }

    /// In standard deviations from the mean; 0, which is the mean, for what is not known, and for a constant column.
    fn standardise(&self, x: f64) -> f64 {
        if self.scale > CONSTANT && !x.is_nan() { (x - self.mean) / self.scale } else { 0.0 }
    }
}

/// Standardised columns and what came.
struct Problem<'a> {
    x: Array2<f64>,
    full: &'a [bool],
}

impl Problem<'_> {
    /// Weights near the solution. Related columns make linfa take hundreds of steps; combined so that they are
    /// uncorrelated, a few dozen, most of them over a part of the rows. The penalty means something else there, so this
    /// is only where the fit starts.
    fn start(&self, alpha: f64) -> Array1<f64> {
        let combine = uncorrelated(&(self.x.t().dot(&self.x) / self.full.len() as f64));
        let mut x = Array2::zeros(self.x.dim().f());
        general_mat_mul(1.0, &self.x, &combine, 0.0, &mut x);
        let combined = Problem { x, full: self.full };
        let columns = combine.ncols();
        let nothing = Array1::zeros(columns + 1);
        let part: Vec<_> = (0..self.full.len()).step_by(self.full.len().div_ceil(MOST_ROUGH)).collect();
        let full: Vec<_> = part.iter().map(|&row| self.full[row]).collect();
        let mut x = Array2::zeros((part.len(), columns).f());
        x.assign(&combined.x.select(Axis(0), &part));
        let rough = Problem { x, full: &full }.fit(alpha, &nothing).unwrap_or_else(|_| nothing.clone());
        let Ok(weights) = combined.fit(alpha, &rough) else { return nothing };
        let mut start = combine.dot(&weights.slice_axis(Axis(0), Slice::from(..columns))).to_vec();
        start.push(weights[columns]);
        Array1::from_vec(start)
    }

    /// The weights, the intercept last, or why there are none. They are those of `full`.
    fn fit(&self, alpha: f64, start: &Array1<f64>) -> std::result::Result<Array1<f64>, String> {
        let rows = self.full.len() as f64;
        let events = self.full.iter().filter(|&&full| full).count();
        // linfa calls the majority positive, or what it sees first if there are as many of each.
        let positive = match (2 * events).cmp(&self.full.len()) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => self.full[0],
        };
        let base_rate = events as f64 / rows;
        let spread = (base_rate * (1.0 - base_rate)).sqrt();
        let sign = |class: bool| if class { 1.0 } else { -1.0 };
        let data = DatasetBase::new(self.x.view(), Array1::from_vec(self.full.to_vec()));
        let model = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(MOST_STEPS)
            .gradient_tolerance(0.1 * GRADIENT * spread * rows)
            .initial_params(start * sign(positive))
            .fit(&data)
            .map_err(|error| error.to_string())?;
        let sign = sign(model.labels().pos.class);
        let mut weights = start.clone();
        for (weight, &fitted) in weights.iter_mut().zip(model.params().iter().chain([&model.intercept()])) {
            *weight = sign * fitted;
        }
        let gradient = self.largest_gradient(&weights, alpha) / spread;
        if gradient < GRADIENT { Ok(weights) } else { Err(format!("a gradient of {gradient:.1e} is left")) }
    }

    /// The largest absolute mean gradient of the penalised loss.
    fn largest_gradient(&self, weights: &Array1<f64>, alpha: f64) -> f64 {
        let (last, rows) = (weights.len() - 1, self.full.len() as f64);
        let mut errors = self.x.dot(&weights.slice_axis(Axis(0), Slice::from(..last))) + weights[last];
        errors.iter_mut().zip(self.full).for_each(|(z, &full)| *z = sigmoid(*z) - f64::from(u8::from(full)));
        let of_weights = self.x.axis_iter(Axis(1)).zip(weights).map(|(x, weight)| x.dot(&errors) + alpha * weight);
        // Not `f64::max`, which would pass over a NaN.
        of_weights
            .chain([errors.sum()])
            .fold(0.0, |most: f64, gradient| if gradient.abs() <= most { most } else { gradient.abs() })
            / rows
    }
}

/// The combinations of columns (one in each column of the answer) that are uncorrelated where `correlation` is that of
/// the columns: Gram and Schmidt's method, with a little added to the diagonal for columns that repeat others.
fn uncorrelated(correlation: &Array2<f64>) -> Array2<f64> {
    let size = correlation.ncols();
    let correlation = correlation + &(Array2::<f64>::eye(size) * 1e-3);
    let mut combine = Array2::eye(size);
    for column in 0..size {
        let related = correlation.column(column);
        let mut own: Array1<f64> = combine.column(column).to_owned();
        for before in 0..column {
            let other = combine.column(before);
            own.scaled_add(-other.dot(&related), &other);
        }
        own /= own.dot(&correlation.dot(&own)).sqrt();
        combine.column_mut(column).assign(&own);
    }
    combine
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows whose second column raises the odds; columns of unlike scales, the third constant.
    fn rows(events_are_rare: bool) -> (Array2<f64>, Vec<bool>) {
        let x = Array2::from_shape_fn((600, 3), |(row, column)| match column {
            0 => (row * 7919 % 600) as f64 * 1000.0,
            1 => (row % 10) as f64,
            _ => 3.0,
        });
        let full = (0..600).map(|row| (row * 31 % 97 < row % 10 * 4) == events_are_rare).collect();
        (x, full)
    }

    fn fit(x: &Array2<f64>, full: &[bool]) -> Logistic {
        Logistic::path(x, full, &[1.0]).unwrap().remove(0)
    }

    #[test]
    fn the_sign_is_that_of_full_whichever_class_is_the_larger() {
        for rare in [true, false] {
            let (x, full) = rows(rare);
            let events = full.iter().filter(|&&full| full).count();
            assert_eq!(events < 300, rare);
            let model = fit(&x, &full);
            let (low, high) = (model.of_row(x.row(0)), model.of_row(x.row(9)));
            assert_eq!(low < high, rare, "{low} and {high}");
            let mean = x.axis_iter(Axis(0)).map(|row| model.of_row(row)).sum::<f64>() / 600.0;
            assert!((mean - events as f64 / 600.0).abs() < 1e-4, "{mean} for {events} of 600");
        }
    }

    #[test]
    fn a_constant_column_has_no_weight_and_a_stronger_penalty_makes_the_others_smaller() {
        let (x, full) = rows(true);
        let path = Logistic::path(&x, &full, &[1000.0, 1.0]).unwrap();
        assert_eq!((path.len(), path[0].alpha(), path[1].terms[2].weight), (2, 1000.0, 0.0));
        assert!(path[0].terms[1].weight.abs() < path[1].terms[1].weight.abs());
    }

    #[test]
    fn what_is_not_known_counts_as_the_mean() {
        let (mut x, full) = rows(true);
        x.column_mut(1).iter_mut().skip(600 / 2).for_each(|x| *x = f64::NAN);
        let model = fit(&x, &full);
        let known = ndarray::arr1(&[x[(0, 0)], model.terms[1].mean, 3.0]);
        let unknown = ndarray::arr1(&[x[(0, 0)], f64::NAN, 3.0]);
        assert_eq!(model.of_row(unknown.view()), model.of_row(known.view()));
        assert!(model.terms[1].mean == 4.5 && model.terms[1].weight > 0.0);
    }

    #[test]
    fn one_column_of_two_values_has_the_odds_of_the_two() {
        // 10 of 100 at 0, 40 of 100 at 1: the weights are known in closed form but for a small penalty.
        let x = Array2::from_shape_fn((200, 1), |(row, _)| f64::from(u8::from(row >= 100)));
        let full: Vec<_> = (0..200).map(|row| if row < 100 { row < 10 } else { row < 140 }).collect();
        let model = Logistic::path(&x, &full, &[1e-6]).unwrap().remove(0);
        assert!((model.of_row(x.row(0)) - 0.1).abs() < 1e-4 && (model.of_row(x.row(199)) - 0.4).abs() < 1e-4);
    }

    #[test]
    fn uncorrelated_combinations_are_so() {
        let correlation = ndarray::arr2(&[[1.0, 0.9, 0.2], [0.9, 1.0, 0.4], [0.2, 0.4, 1.0]]);
        let combine = uncorrelated(&correlation);
        let left = combine.t().dot(&correlation).dot(&combine) - Array2::<f64>::eye(3);
        assert!(left.iter().all(|value| value.abs() < 0.02), "{left}");
        // Also of a column that repeats another.
        assert!(uncorrelated(&Array2::ones((2, 2))).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn one_outcome_alone_is_an_error_that_says_so() {
        let (x, _) = rows(true);
        let error = Logistic::path(&x, &[false; 600], &[1.0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "logistic regression needs both outcomes: of 600 training rows none is full; \
             take a longer history, or all stations together"
        );
    }
}
