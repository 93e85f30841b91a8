//! Part 4: baselines, classifiers, the chronological split, the metrics, save and load.
//!
//! [`train`] does it all once: it labels a history, splits it by time, fits every [`ModelName`], lets the end of the
//! training span choose, and scores on what comes after, with intervals and tests between the models ([`Evaluation`]).
//! A [`SavedModel`] forecasts alone, for the horizons it has learned. Where the truth is known, [`Regret`] measures how far a
//! forecast is from it.

mod advice;
mod baseline;
mod blend;
mod boost;
mod bootstrap;
mod card;
mod count;
mod curves;
mod evaluation;
mod experiment;
mod fitted;
mod labelled;
mod logistic;
mod metrics;
mod name;
mod outlook;
mod paired;
mod parts;
mod regret;
mod save;
mod scope;
mod split;
mod stopwatch;
mod test_span;
mod train;
mod training;
mod tree;
mod validate;

pub use advice::{Advice, AdviceScores, Candidate, Choice, advise};
pub use bootstrap::Interval;
pub use count::{CountPersistence, CountScorer, CountScores, count_mean, count_quantile};
pub use curves::{PrecisionRecallPoint, ReliabilityBin};
pub use evaluation::{Evaluation, Intervals, Judged, ModelEvaluation, Part, PartScore, Sharpness, StationGroup};
pub use experiment::{
    ChosenScores, Experiment, ExperimentData, ExperimentSettings, Fold, ForecastAdvice, HorizonResult,
    SimulationSettings, Span, SplitSettings, TestedPrediction, run_experiment,
};
pub use labelled::{LabelledPart, LabelledRows};
pub use metrics::{Scores, precision_recall, reliability};
pub use name::ModelName;
pub use outlook::{Outlook, OutlookStep};
pub use paired::PairedTest;
pub use regret::{Regret, truth};
pub use save::{Forecast, HorizonModel, Prediction, SavedModel};
pub use scope::Scope;
pub use train::{train, train_each};
pub use training::{BlendWeight, CountForecastScores, ModelScores, Origins, Tested, TrainSettings, Training};
