//! What a training is asked for, and what it answers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::count::CountScores;
use super::curves::{PrecisionRecallPoint, ReliabilityBin};
use super::evaluation::{Evaluation, Judged};
use super::metrics::Scores;
use super::name::ModelName;
use super::save::{Prediction, SavedModel};
use super::scope::Scope;
use crate::error::{Error, Result};
use crate::features::Target;
use crate::station::StationCode;

/// What to train, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSettings {
    /// How far ahead to forecast; above zero. 60 minutes.
    pub horizon: TimeDelta,
    /// How far from the horizon the reading that tells the label may be; `None` for a third of the horizon, and at most 20
    /// minutes.
    pub tolerance: Option<TimeDelta>,
    /// When the test span begins; `None` for the last quarter of the data's time.
    pub split: Option<DateTime<Utc>>,
    /// When the test span ends: origins from then on are not tested on. `None` for the end of the data.
    pub test_until: Option<DateTime<Utc>>,
    /// The model to train; `None` for all of them, and the one that the validation span prefers.
    pub model: Option<ModelName>,
    /// Unless `model` is given: the models to train and choose from, calibrated persistence always with them; empty for all.
    pub among: Vec<ModelName>,
    /// The station to report for.
    pub station: Option<StationCode>,
    /// Train on all stations and predict for all, even if one is asked for.
    pub pooled: bool,
}

/// How many origins have a label in each part; validation is a part of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// In the training span.
    pub train: usize,
    /// Of these, before the validation span.
    pub fit: usize,
    /// Of these, in the validation span.
    pub validation: usize,
    /// In the test span.
    pub test: usize,
}

/// The scores of one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ModelScores {
    /// The model.
    pub model: ModelName,
    /// Its scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// What came of a training.
#[derive(Clone, Debug, Serialize)]
pub struct Training {
    /// Whose rows were trained on and reported.
    pub scope: Scope,
    /// The model asked for, or preferred by the validation span.
    pub chosen: ModelName,
    /// How far ahead, seconds.
    pub horizon_seconds: i64,
    /// How far from the horizon a label's reading may be, seconds.
    pub tolerance_seconds: i64,
    /// Event time of the first usable reading.
    pub data_from: DateTime<Utc>,
    /// Event time of the last usable reading.
    pub data_until: DateTime<Utc>,
    /// When the validation span, the end of the training span, begins.
    pub validation_from: DateTime<Utc>,
    /// When the test span begins.
    pub split: DateTime<Utc>,
    /// Number of readings given.
    pub readings: usize,
    /// Number of readings used: usable, with all counts known, not repeated.
    pub usable_readings: usize,
    /// Number of stations used.
    pub stations: usize,
    /// Number of labelled origins.
    pub origins: Origins,
    /// Share of the training origins that came to be full.
    pub train_base_rate: f64,
    /// Share of the test origins that came to be full.
    pub test_base_rate: f64,
    /// Scores on the validation span, fitted on what lies before it; those of the blend with weights from the other days.
    pub validation: Vec<ModelScores>,
    /// What the blend mixes, and how much of each.
    pub blend: Vec<BlendWeight>,
    /// Scores on the test span, fitted on the whole training span.
    pub test: Vec<ModelScores>,
    /// The same for the rows of the station asked for, if it was trained with others and has any.
    pub test_station: Option<Vec<ModelScores>>,
    /// Reliability of the chosen model over all rows of the test span.
    pub reliability: Vec<ReliabilityBin>,
    /// Precision and recall of the chosen model over all rows of the test span.
    pub precision_recall: Vec<PrecisionRecallPoint>,
    /// How sure the test scores are, where they come from, and which model beats which.
    pub evaluation: Option<Evaluation>,
    /// How well the number of free docks at the target was forecast on the test span.
    pub counts: Vec<CountForecastScores>,
    /// What a reader of these numbers has to know, in sentences.
    pub notes: Vec<String>,
    /// The chosen model, ready to be saved.
    #[serde(skip)]
    pub model: SavedModel,
    /// The chosen model's forecasts for the test origins, of the station asked for alone unless pooled.
    #[serde(skip)]
    pub predictions: Vec<Prediction>,
    /// Every row of the test span with every model's forecast.
    #[serde(skip)]
    pub tested: Tested,
    /// How long each step took, in their order: `history`, `labels`, and of the fit on the whole training span `flows`,
    /// `features of the training rows`, `fit MODEL`, `features of the test rows` and `predict MODEL`. Flows that an
    /// earlier horizon fitted take no time again.
    #[serde(skip)]
    pub timings: Vec<(String, Duration)>,
}

/// The weight of one model in a blend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlendWeight {
    /// The model.
    pub model: ModelName,
    /// Its share, in 0 to 1.
    pub weight: f64,
}

/// How well the distribution of free docks at the target was forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CountForecastScores {
    /// Which forecast: `queue`, or `persistence` with the changes that followed on as many free docks in training.
    pub forecast: String,
    /// Its scores, in docks.
    #[serde(flatten)]
    pub scores: CountScores,
}

/// The rows of a test span: whose they are, what came, and what was forecast.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tested {
    /// One for each row.
    pub judged: Vec<Judged>,
    /// Each model's probabilities, in the order of the rows.
    pub forecasts: Vec<(ModelName, Vec<f64>)>,
    /// Event times of the origins, seconds since 1970 (UTC).
    pub times: Vec<i64>,
    /// The station's code of each row.
    pub stations: Vec<StationCode>,
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            horizon: TimeDelta::minutes(60),
            tolerance: None,
            split: None,
            test_until: None,
            model: None,
            among: Vec::new(),
            station: None,
            pooled: false,
        }
    }
}

impl TrainSettings {
    /// The target, if it is one that can be asked for.
    pub(super) fn target(&self) -> Result<Target> {
        let usual = TimeDelta::minutes(20).min(self.horizon / 3);
        let target = Target::new(self.horizon, self.tolerance.unwrap_or(usual));
        if target.horizon <= 0 {
            return Err(
                Error::usage("--horizon", "the horizon must be at least a second").way_out("write 15m, 60m or 2h")
            );
        }
        if target.tolerance < 0 {
            return Err(
                Error::usage("--tolerance", "the tolerance cannot be below zero").way_out("write 0s, 10m or 20m")
            );
        }
        Ok(target)
    }
}
