//! How long the steps of a training took, for whoever compares it with another program.

use std::time::{Duration, Instant};

/// The steps done so far, in their order, each with its wall time.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopwatch(Vec<(String, Duration)>);

impl Stopwatch {
    /// Does `work`, the step of that name.
    pub(super) fn time<T>(&mut self, step: impl Into<String>, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.0.push((step.into(), started.elapsed()));
        result
    }

    /// The steps that were done.
    pub(super) fn into_steps(self) -> Vec<(String, Duration)> {
        self.0
    }
}
