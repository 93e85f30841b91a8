//! The forecasts that need no learning to speak of: what every model has to beat.

use serde::{Deserialize, Serialize};

use super::fitted::Model;
use super::metrics::cut;
use crate::features::Matrix;

/// Free docks above this count as so many.
const MOST_DOCKS: u32 = 25;

/// It stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Persistence;

/// As often as it is full at this station in these two hours on such a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Climatology;

/// What the queue tells, as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue;

/// Persistence calibrated by free docks: how often a station came to be full, by how many docks were free.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Calibrated {
    /// By 0, 1, … 25 and more free docks; 0 where training has no such row.
    by_docks: [f64; MOST_DOCKS as usize + 1],
}

impl Calibrated {
    /// From the free docks of the training rows and whether they came to be full.
    pub(super) fn fit(docks: &[u32], full: &[bool]) -> Self {
        let mut tallies = [(0u32, 0u32); MOST_DOCKS as usize + 1];
        for (&docks, &full) in docks.iter().zip(full) {
            let tally = &mut tallies[docks.min(MOST_DOCKS) as usize];
            *tally = (tally.0 + u32::from(full), tally.1 + 1);
        }
        Self { by_docks: tallies.map(|(full, count)| f64::from(full) / f64::from(count.max(1))) }
    }

    /// The probability at so many free docks.
    pub(super) fn frequency(&self, docks: u32) -> f64 {
        self.by_docks[docks.min(MOST_DOCKS) as usize]
    }
}

impl Model for Persistence {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.docks.iter().map(|&docks| cut(f64::from(u8::from(docks == 0)))).collect()
    }
}

impl Model for Calibrated {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.docks.iter().map(|&docks| cut(self.frequency(docks))).collect()
    }
}

impl Model for Climatology {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.usual_full.iter().map(|&p| cut(p)).collect()
    }
}

impl Model for Queue {
    fn predict(&self, matrix: &Matrix) -> Vec<f64> {
        matrix.queue_full.iter().map(|&p| cut(p)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_training_frequency_and_zero_where_nothing_was_seen() {
        let calibrated = Calibrated::fit(&[0, 0, 1, 40, 25], &[true, false, false, false, true]);
        let p: Vec<_> = [0, 1, 2, 25, 99].map(|docks| calibrated.frequency(docks)).into();
        assert_eq!(p, [0.5, 0.0, 0.0, 0.5, 0.5]);
    }
}
