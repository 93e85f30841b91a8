//! Logistic regression by linfa, with guards; what it learned is kept as our own weights.
//!
//! linfa's `predict_probabilities` gives the probability of the majority class, its line search may not end on columns
//! of unlike scales, and it can answer with weights that solve nothing. So the columns are standardised, constant ones
//! stay out, and the sign is taken from the class that linfa calls positive. linfa looks at many rows dozens of times, so
//! of a large network it is given a part, and a few of Newton's steps lead from there to the weights of all rows. A fit
//! counts only if its gradient is zero, which implies that the mean forecast over the training rows is their base rate.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};

use super::fitted::Model;
use super::metrics::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Matrix;

/// The steps after which linfa gives up.
const MOST_STEPS: u64 = 300;
/// The most rows that linfa is given.
const MOST_ROUGH: usize = 10_000;
/// The steps after which Newton's method gives up.
const MOST_NEWTON: usize = 60;
/// A row whose forecast has a lower variance bends the loss little: of such rows one in so many is looked at, a prime, so
/// that they are not of the same hours; all of few.
const LIGHT: (f64, usize) = (0.02, 17);
const FEW: usize = 5_000;
/// A column whose standard deviation is below this is constant.
const CONSTANT: f64 = 1e-9;
/// The largest mean gradient that counts as zero, in standard deviations of the label.
const GRADIENT: f64 = 1e-4;

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
        let terms = Term::of_columns(x.view());
        let kept: Vec<_> = (0..terms.len()).filter(|&column| terms[column].scale > CONSTANT).collect();
        let problem = Problem::new(x, full, &terms, &kept);
        let mut fits = Vec::new();
        let mut start = alphas.first().map_or_else(|| Array1::zeros(kept.len() + 1), |&alpha| problem.start(alpha));
        let mut failure = String::new();
        for &alpha in alphas {
            match problem.solve(alpha, &start) {
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
    /// Mean and scale of each column, by what is known of it; row by row, as the rows lie in memory.
    fn of_columns(x: ArrayView2<'_, f64>) -> Vec<Self> {
        let mut sums = vec![(0.0, 0.0); x.ncols()];
        for row in x.rows() {
            for ((sum, count), &x) in sums.iter_mut().zip(row).filter(|(_, x)| !x.is_nan()) {
                *sum += x;
                *count += 1.0;
            }
        }
        let counts: Vec<f64> = sums.iter().map(|&(_, count)| f64::max(count, 1.0)).collect();
        let means: Vec<f64> = sums.iter().zip(&counts).map(|(&(sum, _), count)| sum / count).collect();
        let mut squares = vec![0.0; x.ncols()];
        for row in x.rows() {
            for ((square, mean), &x) in squares.iter_mut().zip(&means).zip(row).filter(|(_, x)| !x.is_nan()) {
                *square += (x - mean) * (x - mean);
            }
        }
        let scales = squares.iter().zip(&counts).map(|(square, count)| f64::sqrt(square / count));
        means.iter().zip(scales).map(|(&mean, scale)| Self { mean, scale, weight: 0.0 }).collect()
    }

    /// In standard deviations from the mean; 0, which is the mean, for what is not known, and for a constant column.
    fn standardise(&self, x: f64) -> f64 {
        if self.scale > CONSTANT && !x.is_nan() { (x - self.mean) / self.scale } else { 0.0 }
    }
}

/// Standardised columns and a last one of ones, and what came.
struct Problem<'a> {
    x: Array2<f64>,
    full: &'a [bool],
}

/// A loss and its gradient, or some rows' part of them.
struct Loss {
    value: f64,
    gradient: Array1<f64>,
}

impl<'a> Problem<'a> {
    fn new(x: &Array2<f64>, full: &'a [bool], terms: &[Term], kept: &[usize]) -> Self {
        let mut standardised = Array2::ones((x.nrows(), kept.len() + 1));
        for (mut to, from) in standardised.rows_mut().into_iter().zip(x.rows()) {
            for (to, &column) in to.iter_mut().zip(kept) {
                *to = terms[column].standardise(from[column]);
            }
        }
        Self { x: standardised, full }
    }

    /// Weights near the solution, by linfa over a part of the rows; zeros if that does not end well. Related columns make
    /// it take hundreds of steps; combined so that they are uncorrelated, a few dozen. The penalty means something else
    /// there, so this is only where the fit starts.
    fn start(&self, alpha: f64) -> Array1<f64> {
        let columns = self.x.ncols() - 1;
        let part: Vec<_> = (0..self.full.len()).step_by(self.full.len().div_ceil(MOST_ROUGH)).collect();
        let full = Array1::from_iter(part.iter().map(|&row| self.full[row]));
        let x = self.x.slice_axis(Axis(1), Slice::from(..columns)).select(Axis(0), &part);
        let combine = uncorrelated(&(x.t().dot(&x) / part.len() as f64), 1e-3);
        let data = DatasetBase::new(x.dot(&combine), full);
        let fit = LogisticRegression::default().alpha(alpha).max_iterations(MOST_STEPS).fit(&data);
        let mut start = Array1::zeros(columns + 1);
        if let Ok(model) = fit {
            let sign = if model.labels().pos.class { 1.0 } else { -1.0 };
            let weights = combine.dot(model.params());
            for (to, from) in start.iter_mut().zip(weights.iter().chain([&model.intercept()])) {
                *to = sign * from;
            }
        }
        if start.iter().all(|weight| weight.is_finite()) { start } else { Array1::zeros(columns + 1) }
    }

    /// The weights, the intercept last, or why there are none: Newton's method, its steps halved until the loss falls.
    fn solve(&self, alpha: f64, start: &Array1<f64>) -> std::result::Result<Array1<f64>, String> {
        let rows = self.full.len() as f64;
        let base_rate = self.full.iter().filter(|&&full| full).count() as f64 / rows;
        let spread = (base_rate * (1.0 - base_rate)).sqrt();
        // Not `f64::max`, which would pass over a NaN.
        let largest = |gradient: &Array1<f64>| {
            let larger = |most: f64, one: &f64| if most.is_nan() || one.abs() <= most { most } else { one.abs() };
            gradient.iter().fold(0.0, larger) / rows / spread
        };
        let mut weights = start.clone();
        let mut loss = self.loss(&weights, alpha);
        for _ in 0..=MOST_NEWTON {
            if largest(&loss.gradient) < GRADIENT {
                return Ok(weights);
            }
            let combine = uncorrelated(&self.curvature(&weights, alpha), 1e-6);
            let step = combine.dot(&combine.t().dot(&loss.gradient));
            let shorter = std::iter::successors(Some(1.0), |length| Some(0.5 * length)).take(30);
            let better = shorter.map(|length| &weights - &(length * &step)).find_map(|weights| {
                let then = self.loss(&weights, alpha);
                (then.value < loss.value).then_some((weights, then))
            });
            let Some(better) = better else { break };
            (weights, loss) = better;
        }
        Err(format!("a gradient of {:.1e} is left", largest(&loss.gradient)))
    }

    /// The penalised loss, two halves of the rows each on a processor of its own.
    fn loss(&self, weights: &Array1<f64>, alpha: f64) -> Loss {
        let middle = self.full.len() / 2;
        let (first, second) = self.x.view().split_at(Axis(0), middle);
        let (first, second) = std::thread::scope(|scope| {
            let second = scope.spawn(|| Loss::of(second, &self.full[middle..], weights));
            let first = Loss::of(first, &self.full[..middle], weights);
            (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let mut penalised = weights.clone();
        penalised[weights.len() - 1] = 0.0;
        Loss {
            value: first.value + second.value + 0.5 * alpha * penalised.dot(&penalised),
            gradient: first.gradient + second.gradient + alpha * penalised,
        }
    }

    /// The loss's second derivatives, a little more than they are where columns repeat others. Light rows are looked at
    /// in part: only the way to the solution depends on them, not the solution.
    fn curvature(&self, weights: &Array1<f64>, alpha: f64) -> Array2<f64> {
        let rows: Vec<_> = self
            .x
            .rows()
            .into_iter()
            .enumerate()
            .filter_map(|(place, row)| {
                let p = sigmoid(row.dot(weights));
                let variance = p * (1.0 - p);
                let (least, one_in) = if self.full.len() < FEW { (0.0, 1) } else { LIGHT };
                if variance >= least {
                    return Some((place, variance));
                }
                (place % one_in == 0).then_some((place, variance * one_in as f64))
            })
            .collect();
        let mut scaled = Array2::zeros((rows.len(), weights.len()));
        for (mut to, &(place, variance)) in scaled.rows_mut().into_iter().zip(&rows) {
            to.scaled_add(variance.sqrt(), &self.x.row(place));
        }
        let mut curvature = scaled.t().dot(&scaled);
        let last = weights.len() - 1;
        curvature.diag_mut().iter_mut().take(last).for_each(|own| *own += alpha);
        curvature
    }
}

impl Loss {
    /// Of some rows, without the penalty.
    fn of(x: ArrayView2<'_, f64>, full: &[bool], weights: &Array1<f64>) -> Self {
        let mut loss = Self { value: 0.0, gradient: Array1::zeros(weights.len()) };
        for (row, &full) in x.rows().into_iter().zip(full) {
            let z = row.dot(weights);
            let small = (-z.abs()).exp();
            let p = if z < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
            // ln(1 + exp(z)), less z if full.
            loss.value += z.max(0.0) + small.ln_1p() - if full { z } else { 0.0 };
            loss.gradient.scaled_add(p - f64::from(u8::from(full)), &row);
        }
        loss
    }
}

/// The combinations of columns (one in each column of the answer) that are uncorrelated, each with variance 1, where
/// `covariance` is that of the columns: Gram and Schmidt's method, with `little` added to the diagonal for columns that
/// repeat others. The answer times its transpose is the inverse of the covariance.
fn uncorrelated(covariance: &Array2<f64>, little: f64) -> Array2<f64> {
    let size = covariance.ncols();
    let covariance = covariance + &(Array2::<f64>::eye(size) * little);
    let mut combine = Array2::eye(size);
    for column in 0..size {
        let related = covariance.column(column);
        let mut own: Array1<f64> = combine.column(column).to_owned();
        for before in 0..column {
            let other = combine.column(before);
            own.scaled_add(-other.dot(&related), &other);
        }
        own /= own.dot(&covariance.dot(&own)).sqrt();
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
        let combine = uncorrelated(&correlation, 1e-3);
        let left = combine.t().dot(&correlation).dot(&combine) - Array2::<f64>::eye(3);
        assert!(left.iter().all(|value| value.abs() < 0.02), "{left}");
        // Also of a column that repeats another.
        assert!(uncorrelated(&Array2::ones((2, 2)), 1e-3).iter().all(|value| value.is_finite()));
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
