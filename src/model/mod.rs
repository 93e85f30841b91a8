//! Part 4: baselines, classifiers, the chronological split, the metrics, save and load.
//!
//! [`train`] does it all once: it labels a history, splits it by time, fits every [`ModelName`], lets the end of the
//! training span choose, and scores on what comes after. A [`SavedModel`] forecasts alone.

mod advice;
mod baseline;
mod blend;
mod boost;
mod bootstrap;
mod card;
mod count;
mod curves;
mod evaluation;
mod fitted;
mod logistic;
mod metrics;
mod name;
mod outlook;
mod paired;
mod regret;
mod save;
mod scope;
mod split;
mod train;
mod training;
mod tree;

pub use advice::{Advice, AdviceScores, Candidate, Choice, advise};
pub use bootstrap::Interval;
pub use count::{CountPersistence, CountScorer, CountScores, count_mean, count_quantile};
pub use curves::{PrecisionRecallPoint, ReliabilityBin};
pub use evaluation::{Evaluation, Intervals, Judged, ModelEvaluation, Part, PartScore, Sharpness, StationGroup};
pub use metrics::{Scores, precision_recall, reliability};
pub use name::ModelName;
pub use outlook::{Outlook, OutlookStep};
pub use paired::PairedTest;
pub use regret::{Regret, truth};
pub use save::{Forecast, HorizonModel, Prediction, SavedModel};
pub use scope::Scope;
pub use train::{train, train_each};
pub use training::{BlendWeight, CountForecastScores, ModelScores, Origins, Tested, TrainSettings, Training};
