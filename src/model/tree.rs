//! A decision tree whose leaves are probabilities; each split is found by linfa.
//!
//! linfa's own tree holds classes, prunes what says "no" on both sides (all of it, when the event is rare), breaks ties
//! between classes by the order of a hash map, and misses splits between equal values below its root. So linfa is asked
//! for one split at a time, over exactly the rows of one node: none of this can happen there, and the same rows give the
//! same tree. Gini impurity without class weights is, but for a factor, the Brier score that the split leaves.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use serde::{Deserialize, Serialize};

use super::fitted::Model;
use super::metrics::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Matrix;

/// The fewest training rows of a leaf.
const LEAF_ROWS: usize = 50;
/// The least decrease of impurity that a split is made for: what linfa's single precision still tells.
const LEAST_DECREASE: f32 = 1e-6;
/// How many rows of the node above a node's frequency is mixed with.
const STRENGTH: f64 = 20.0;
/// The most rows of each outcome that a split is chosen by.
const MOST_LOOKED_AT: usize = 20_000;
/// The most values that are told apart in a column.
const MOST_BINS: usize = 256;

/// The nodes, the root first, each before its children.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

/// A node: a leaf if it has no split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Frequency of the event among its training rows, drawn towards that of the node above.
    probability: f64,
    /// Splits on the way from the root.
    depth: usize,
    split: Option<Split>,
}

/// Rows whose value in `column` is at most `threshold`, or not known, go to the node `low`, others to `high`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Split {
    column: usize,
    threshold: f64,
    low: usize,
    high: usize,
}

impl Tree {
    /// A tree of at most `depth` splits on each way down.
    pub(super) fn fit(x: &Array2<f64>, full: &[bool], depth: usize) -> Result<Self> {
        let columns: Vec<_> = x.axis_iter(Axis(1)).map(Bins::of).collect();
        let mut binned = Array2::zeros(x.dim());
        for ((mut to, from), bins) in binned.axis_iter_mut(Axis(1)).zip(x.axis_iter(Axis(1))).zip(&columns) {
            to.zip_mut_with(&from, |to, &value| *to = bins.bin(value) as f32);
        }
        let events = full.iter().filter(|&&full| full).count();
        let mut grower = Grower { binned, columns, full, nodes: Vec::new(), depth };
        grower.grow((0..full.len()).collect(), 0, events as f64 / full.len().max(1) as f64)?;
        Ok(Self { nodes: grower.nodes })
    }

    /// The same tree with nothing below `depth` splits.
    pub(super) fn cut(&self, depth: usize) -> Self {
        let mut cut = self.clone();
        cut.nodes.iter_mut().filter(|node| node.depth >= depth).for_each(|node| node.split = None);
        cut
    }

    /// The probability for one row.
    fn of_row(&self, row: ArrayView1<'_, f64>) -> f64 {
        let mut node = &self.nodes[0];
        while let Some(split) = &node.split {
            node = &self.nodes[if row[split.column] > split.threshold { split.high } else { split.low }];
        }
        node.probability
    }
}

impl Model for Tree {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.values.axis_iter(Axis(0)).map(|row| cut(self.of_row(row))).collect()
    }

    /// Whether it can be walked: every split names one of `width` columns, and nodes that come after it.
    fn is_sound(&self, width: usize) -> bool {
        let sound = |(place, node): (usize, &Node)| {
            node.split.as_ref().is_none_or(|split| {
                split.column < width && [split.low, split.high].iter().all(|&to| place < to && to < self.nodes.len())
            })
        };
        !self.nodes.is_empty() && self.nodes.iter().enumerate().all(sound)
    }
}

/// What a tree grows from.
struct Grower<'a> {
    /// The matrix, each value replaced by its bin: linfa takes values nearer than 1e-5 for equal.
    binned: Array2<f32>,
    columns: Vec<Bins>,
    full: &'a [bool],
    nodes: Vec<Node>,
    depth: usize,
}

impl Grower<'_> {
    /// Adds the node of `rows` and all below it; its place.
    fn grow(&mut self, rows: Vec<usize>, depth: usize, above: f64) -> Result<usize> {
        let events = rows.iter().filter(|&&row| self.full[row]).count();
        let probability = (events as f64 + STRENGTH * above) / (rows.len() as f64 + STRENGTH);
        let place = self.nodes.len();
        self.nodes.push(Node { probability, depth, split: None });
        if depth == self.depth || events == 0 || events == rows.len() || rows.len() < 2 * LEAF_ROWS {
            return Ok(place);
        }
        let Some((column, last_low)) = self.best_split(&rows)? else { return Ok(place) };
        let (low, high): (Vec<_>, Vec<_>) = rows.into_iter().partition(|&row| self.binned[(row, column)] <= last_low);
        if low.len() < LEAF_ROWS || high.len() < LEAF_ROWS {
            return Ok(place);
        }
        let threshold = self.columns[column].upper_edge(last_low);
        let low = self.grow(low, depth + 1, probability)?;
        let high = self.grow(high, depth + 1, probability)?;
        self.nodes[place].split = Some(Split { column, threshold, low, high });
        Ok(place)
    }

    /// The column and the last bin below the split that linfa finds best. Of many rows with the same outcome every n-th
    /// is looked at, with the weight n.
    fn best_split(&self, rows: &[usize]) -> Result<Option<(usize, f32)>> {
        let (events, others): (Vec<_>, Vec<_>) = rows.iter().partition(|&&row| self.full[row]);
        let mut looked_at = Vec::new();
        for outcome in [events, others] {
            let step = outcome.len().div_ceil(MOST_LOOKED_AT).max(1);
            looked_at.extend(outcome.into_iter().step_by(step).map(|row| (row, step as f32)));
        }
        looked_at.sort_unstable_by_key(|&(row, _)| row);
        let rows: Vec<_> = looked_at.iter().map(|&(row, _)| row).collect();
        let outcomes: Array1<_> = rows.iter().map(|&row| self.full[row]).collect();
        let weights: Array1<_> = looked_at.iter().map(|&(_, weight)| weight).collect();
        let data = DatasetBase::new(self.binned.select(Axis(0), &rows), outcomes).with_weights(weights);
        let stump = DecisionTree::params()
            .max_depth(Some(1))
            .min_weight_leaf(LEAF_ROWS as f32)
            .min_impurity_decrease(LEAST_DECREASE)
            .fit(&data)
            .map_err(|error| {
                Error::new(ErrorKind::Model, format_args!("the decision tree cannot be fitted: {error}"))
            })?;
        // Also of a stump that was pruned: its split stands, which is all that is asked for.
        let (column, between, decrease) = stump.root_node().split();
        Ok((decrease > 0.0).then(|| (column, between.floor())))
    }
}

/// A column's values in order, as at most [`MOST_BINS`] bins.
struct Bins {
    /// The upper edge of each bin but the last: half way to the next value.
    edges: Vec<f64>,
}

impl Bins {
    fn of(column: ArrayView1<'_, f64>) -> Self {
        let mut sorted: Vec<_> = column.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut values = sorted.clone();
        values.dedup();
        if values.is_empty() {
            return Self { edges: Vec::new() };
        }
        let lowers: Vec<f64> = if values.len() <= MOST_BINS {
            values.clone()
        } else {
            // As many rows in each, as far as equal values allow.
            let mut quantiles: Vec<_> = (0..MOST_BINS).map(|bin| sorted[bin * sorted.len() / MOST_BINS]).collect();
            quantiles.dedup();
            quantiles
        };
        let edges = lowers.iter().skip(1).map(|&lower| {
            let below = values[values.partition_point(|&value| value < lower) - 1];
            below + (lower - below) / 2.0
        });
        Self { edges: edges.collect() }
    }

    /// The bin of a value; the lowest for what is not known.
    fn bin(&self, value: f64) -> usize {
        self.edges.partition_point(|&edge| edge < value)
    }

    /// The largest value that still falls into `bin`.
    fn upper_edge(&self, bin: f32) -> f64 {
        self.edges.get(bin as usize).copied().unwrap_or(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The event comes where the first column is below 5 and the second above 0.5; the third is noise.
    fn rows() -> (Array2<f64>, Vec<bool>) {
        let x = Array2::from_shape_fn((2000, 3), |(row, column)| match column {
            0 => (row % 20) as f64,
            1 => (row * 7919 % 2000) as f64 / 2000.0,
            _ => (row * 104_729 % 1999) as f64,
        });
        let full = x.axis_iter(Axis(0)).map(|row| row[0] < 5.0 && row[1] > 0.5).collect();
        (x, full)
    }

    #[test]
    fn finds_the_rule_behind_the_rows() {
        let (x, full) = rows();
        let tree = Tree::fit(&x, &full, 4).unwrap();
        assert!(tree.is_sound(3));
        for (row, &full) in x.axis_iter(Axis(0)).zip(&full) {
            assert_eq!(tree.of_row(row) > 0.5, full);
        }
        let thresholds: Vec<_> =
            tree.nodes.iter().filter_map(|node| node.split.as_ref()).map(|split| split.column).collect();
        assert_eq!(thresholds.len(), 2);
        assert!(thresholds.contains(&0) && thresholds.contains(&1));
    }

    #[test]
    fn the_same_rows_give_the_same_tree() {
        let (x, mut full) = rows();
        full.iter_mut().step_by(9).for_each(|full| *full = !*full);
        let tree = Tree::fit(&x, &full, 6).unwrap();
        assert!(tree.nodes.len() > 5);
        for _ in 0..4 {
            assert_eq!(Tree::fit(&x, &full, 6).unwrap(), tree);
        }
    }

    #[test]
    fn what_is_not_known_goes_low_when_it_grows_and_when_it_is_walked() {
        let (mut x, full) = rows();
        x.column_mut(1).iter_mut().filter(|x| **x < 0.3).for_each(|x| *x = f64::NAN);
        x.column_mut(2).fill(f64::NAN);
        let tree = Tree::fit(&x, &full, 4).unwrap();
        for (row, &full) in x.axis_iter(Axis(0)).zip(&full) {
            assert_eq!(tree.of_row(row) > 0.5, full);
        }
    }

    #[test]
    fn a_rare_event_does_not_make_a_single_leaf() {
        let (x, _) = rows();
        let full: Vec<_> = x.axis_iter(Axis(0)).map(|row| row[0] < 3.0 && row[1] > 0.9).collect();
        let tree = Tree::fit(&x, &full, 3).unwrap();
        assert!(tree.nodes.len() >= 3);
        assert!(tree.of_row(ndarray::arr1(&[1.0, 0.95, 0.0]).view()) > 0.3);
    }

    #[test]
    fn cut_to_nothing_it_is_the_base_rate() {
        let (x, full) = rows();
        let tree = Tree::fit(&x, &full, 4).unwrap().cut(0);
        let events = full.iter().filter(|&&full| full).count();
        assert_eq!(tree.of_row(x.row(0)), events as f64 / 2000.0);
    }

    #[test]
    fn a_tree_that_cannot_be_walked_is_not_sound() {
        let (x, full) = rows();
        let tree = Tree::fit(&x, &full, 2).unwrap();
        assert!(!tree.is_sound(1) && !Tree { nodes: vec![] }.is_sound(3));
        let mut loops = tree;
        loops.nodes[0].split.as_mut().unwrap().low = 0;
        assert!(!loops.is_sound(3));
    }

    proptest! {
        #[test]
        fn bins_keep_the_order_and_their_edges(values in prop::collection::vec(-1e3..1e3f64, 1..600)) {
            let bins = Bins::of(ArrayView1::from(&values));
            for &a in &values {
                prop_assert!(bins.bin(a) < MOST_BINS && a <= bins.upper_edge(bins.bin(a) as f32));
                for &b in values.iter().take(20) {
                    prop_assert!(a < b || bins.bin(a) >= bins.bin(b));
                    prop_assert_eq!(bins.bin(b) <= bins.bin(a), b <= bins.upper_edge(bins.bin(a) as f32));
                }
            }
        }
    }
}
