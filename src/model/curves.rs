//! The curves that a forecast of a probability is judged by, as plain results.

use serde::{Deserialize, Serialize};

/// One bin of a reliability diagram: how often the event came when it was forecast about so.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower edge of the forecast probabilities in this bin, in 0 to 1; inclusive.
    pub lower: f64,
    /// Upper edge; exclusive, but for the last bin.
    pub upper: f64,
    /// Number of forecasts in the bin.
    pub count: u64,
    /// Mean forecast probability of these.
    pub mean_forecast: f64,
    /// Share of these where the event came.
    pub observed_frequency: f64,
}

/// One point of a precision-recall curve: all forecasts of at least `threshold` taken as alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionRecallPoint {
    /// The least forecast probability taken as an alarm.
    pub threshold: f64,
    /// Share of the alarms that were right.
    pub precision: f64,
    /// Share of the events that had an alarm.
    pub recall: f64,
}
