//! Any of the models once it has learned, behind one trait, and how its one setting is chosen.

use serde::{Deserialize, Serialize};

use super::baseline::{Calibrated, Climatology, Persistence, Queue};
use super::blend::Blend;
use super::boost::{Boost, Growth};
use super::logistic::Logistic;
use super::metrics::brier;
use super::name::ModelName;
use super::tree::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::features::Matrix;

/// The penalties that are tried, the strongest first.
const ALPHAS: [f64; 4] = [10_000.0, 1_000.0, 100.0, 10.0];
/// With more training rows than this the default penalty is as good as any, and none is tried.
const MANY: usize = 50_000;
/// Trees grow freely unless careful ones have less than this share of their Brier score: a few days of validation tell no
/// smaller difference.
const CLEARLY: f64 = 0.99;
/// The depths that are tried, and the deepest that is grown.
const DEPTHS: [usize; 4] = [3, 4, 6, 8];

/// What has learned to tell, from the features of an origin, how probable it is that the station is full at the target.
pub(super) trait Model {
    /// The probability of each row, none of them 0 or 1.
    fn predict(&self, matrix: &Matrix) -> Vec<f64>;

    /// Whether it can be applied to rows of `width` columns.
    fn is_sound(&self, _width: usize) -> bool {
        true
    }
}

/// A model that has learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fitted {
    Persistence(Persistence),
    Calibrated(Calibrated),
    Climatology(Climatology),
    Logistic(Logistic),
    Tree(Tree),
    Queue(Queue),
    Boost(Box<Boost>),
    Blend(Blend),
}

/// The settings that the validation span chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tuning {
    /// Penalty of the logistic regression.
    pub(super) alpha: f64,
    /// Depth of the tree.
    pub(super) depth: usize,
    /// Growth of the boosted trees.
    pub(super) growth: Growth,
}

/// Rows with what came of them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) full: &'a [bool],
    /// Free docks at the target.
    #[cfg_attr(not(feature = "boost"), allow(dead_code, reason = "boosting alone learns from more than full or not"))]
    pub(super) docks_then: &'a [u32],
}

impl Default for Tuning {
    fn default() -> Self {
        Self { alpha: 1.0, depth: 4, growth: Growth::Careful }
    }
}

impl Fitted {
    /// Learns from `rows`. A blend learns from other models' forecasts and cannot be fitted so.
    pub(super) fn fit(name: ModelName, rows: Rows<'_>, tuning: Tuning) -> Result<Self> {
        let Rows { matrix, full, .. } = rows;
        Ok(match name {
            ModelName::Persistence => Self::Persistence(Persistence),
            ModelName::Calibrated => Self::Calibrated(Calibrated::fit(&matrix.docks, full)),
            ModelName::Climatology => Self::Climatology(Climatology),
            ModelName::Logistic => {
                Self::Logistic(Logistic::path(&matrix.values, full, &[tuning.alpha])?.swap_remove(0))
            }
            ModelName::Tree => Self::Tree(Tree::fit(&matrix.values, full, tuning.depth)?),
            ModelName::Queue => Self::Queue(Queue),
            ModelName::Boost => Self::boosts(rows, &[tuning.growth])?.swap_remove(0),
            ModelName::Blend => {
                return Err(Error::new(ErrorKind::Model, "there is no other model that could be mixed"));
            }
        })
    }

    /// Learns from `rows` with each setting; the one of the best Brier score on `validation`, and the setting.
    pub(super) fn tune(name: ModelName, rows: Rows<'_>, validation: Rows<'_>) -> Result<(Self, Tuning)> {
        let usual = Tuning::default();
        let candidates: Vec<(Self, Tuning)> = match name {
            ModelName::Logistic if rows.full.len() <= MANY => Logistic::path(&rows.matrix.values, rows.full, &ALPHAS)?
                .into_iter()
                .map(|fit| (fit.alpha(), fit))
                .map(|(alpha, fit)| (Self::Logistic(fit), Tuning { alpha, ..usual }))
                .collect(),
            ModelName::Tree => {
                let deepest = Tree::fit(&rows.matrix.values, rows.full, DEPTHS[DEPTHS.len() - 1])?;
                DEPTHS.map(|depth| (Self::Tree(deepest.cut(depth)), Tuning { depth, ..usual })).into()
            }
            ModelName::Boost => {
                let tunings = Growth::ALL.map(|growth| Tuning { growth, ..usual });
                Self::boosts(rows, &Growth::ALL)?.into_iter().zip(tunings).collect()
            }
            _ => return Ok((Self::fit(name, rows, usual)?, usual)),
        };
        let score = |candidate: &Self| brier(validation.full, &candidate.predict(validation.matrix));
        let candidates = candidates.into_iter().map(|candidate| (score(&candidate.0), candidate));
        let clearly = if name == ModelName::Boost { CLEARLY } else { 1.0 };
        let best = candidates.reduce(|best, other| if other.0 < clearly * best.0 { other } else { best });
        best.map(|(_, candidate)| candidate)
            .ok_or_else(|| Error::new(ErrorKind::Model, format_args!("{name} has nothing to choose from")))
    }

    fn boosts(rows: Rows<'_>, growths: &[Growth]) -> Result<Vec<Self>> {
        Ok(Boost::each(rows, growths)?.into_iter().map(Box::new).map(Self::Boost).collect())
    }

    /// The name it was fitted by.
    pub(super) fn name(&self) -> ModelName {
        match self {
            Self::Persistence(_) => ModelName::Persistence,
            Self::Calibrated(_) => ModelName::Calibrated,
            Self::Climatology(_) => ModelName::Climatology,
            Self::Logistic(_) => ModelName::Logistic,
            Self::Tree(_) => ModelName::Tree,
            Self::Queue(_) => ModelName::Queue,
            Self::Boost(_) => ModelName::Boost,
            Self::Blend(_) => ModelName::Blend,
        }
    }

    fn model(&self) -> &dyn Model {
        match self {
            Self::Persistence(model) => model,
            Self::Calibrated(model) => model,
            Self::Climatology(model) => model,
            Self::Logistic(model) => model,
            Self::Tree(model) => model,
            Self::Queue(model) => model,
            Self::Boost(model) => model.as_ref(),
            Self::Blend(model) => model,
        }
    }
}

impl Model for Fitted {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        self.model().predict(matrix)
    }

    fn is_sound(&self, width: usize) -> bool {
        self.model().is_sound(width)
    }
}
