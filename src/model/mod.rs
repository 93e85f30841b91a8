//! Part 4: baselines, classifiers, the chronological split, the metrics, save and load.

mod curves;

pub use curves::{PrecisionRecallPoint, ReliabilityBin};
