//! Part 4: baselines, classifiers, the chronological split, the metrics, save and load.
//!
//! [`train`] does it all once: it labels a history, splits it by time, fits every [`ModelName`], lets the end of the
//! training span choose, and scores on what comes after. A [`SavedModel`] forecasts alone.

mod baseline;
mod curves;
mod fitted;
mod logistic;
mod metrics;
mod name;
mod regret;
mod save;
mod scope;
mod split;
mod train;
mod training;
mod tree;

pub use curves::{PrecisionRecallPoint, ReliabilityBin};
pub use metrics::{Scores, precision_recall, reliability};
pub use name::ModelName;
pub use regret::{Regret, truth};
pub use save::{Prediction, SavedModel};
pub use scope::Scope;
pub use train::train;
pub use training::{ModelScores, Origins, TrainSettings, Training};
