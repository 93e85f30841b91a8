//! Back-pressure for the embedded broker, which keeps no more than its newest 5 MiB of a partition and drops the rest
//! unread: whoever publishes waits here until the consumer is done with enough of what was published before.
//!
//! The gate counts the bytes that were published and not acknowledged yet. It never lets them pass [`LIMIT`] in all
//! partitions together, but for a single message larger than that, which passes alone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// How many bytes (keys and values, uncompressed) may be published and not acknowledged.
pub(super) const LIMIT: usize = 2 * 1024 * 1024;

/// How long a full gate waits for the first consumer to come.
const FIRST_CONSUMER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    limit: usize,
    first_consumer: Duration,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    publishers: usize,
    /// How many publishers ever came: whoever noted the end of a topic must look again when this changes.
    arrivals: u64,
    consumers: usize,
    had_consumer: bool,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self::with(LIMIT, FIRST_CONSUMER)
    }

    fn with(limit: usize, first_consumer: Duration) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), limit, first_consumer }
    }

    /// Waits until a message of `bytes` may be published. An error if nobody is there who could make room for it.
    pub(super) fn enter(&self, bytes: usize) -> Result<()> {
        let mut state = self.lock();
        let mut waited = false;
        while state.bytes > 0 && state.bytes + bytes > self.limit {
            if state.consumers > 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.had_consumer {
                return Err(full("its consumer has gone"));
            } else if waited {
                return Err(full("no consumer came"));
            } else {
                let nobody = |state: &mut State| !state.had_consumer;
                let (guard, _) = self
                    .changed
                    .wait_timeout_while(state, self.first_consumer, nobody)
                    .unwrap_or_else(PoisonError::into_inner);
                (state, waited) = (guard, true);
            }
        }
        state.bytes += bytes;
        Ok(())
    }

    /// Makes room: `bytes` were acknowledged, or never got to the broker.
    pub(super) fn leave(&self, bytes: usize) {
        self.update(|state| state.bytes = state.bytes.saturating_sub(bytes));
    }

    pub(super) fn publisher_comes(&self) {
        self.update(|state| (state.publishers, state.arrivals) = (state.publishers + 1, state.arrivals + 1));
    }

    pub(super) fn publisher_goes(&self) {
        self.update(|state| state.publishers -= 1);
    }

    pub(super) fn consumer_comes(&self) {
        self.update(|state| (state.consumers, state.had_consumer) = (state.consumers + 1, true));
    }

    pub(super) fn consumer_goes(&self) {
        self.update(|state| state.consumers -= 1);
    }

    /// If nobody publishes (any more), how many publishers there were.
    pub(super) fn publishers_gone(&self) -> Option<u64> {
        let state = self.lock();
        (state.publishers == 0).then_some(state.arrivals)
    }

    /// Whether somebody waits to publish.
    #[cfg(test)]
    pub(super) fn is_full(&self) -> bool {
        self.lock().bytes + 4096 > self.limit
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(why: &str) -> Error {
    Error::new(ErrorKind::Kafka, format!("the embedded broker is full, and {why}"))
        .way_out("read what is published while it is published, or give a real Kafka by --brokers HOST:PORT")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn what_fits_passes_and_what_does_not_waits_for_room() {
        let gate = Arc::new(Gate::with(100, FIRST_CONSUMER));
        gate.consumer_comes();
        gate.enter(60).unwrap();
        gate.enter(40).unwrap();
        let publisher = thread::spawn({
            let gate = Arc::clone(&gate);
            move || (0..1_000).try_for_each(|_| gate.enter(7))
        });
        gate.leave(100);
        for _ in 0..1_000 {
            assert!(gate.lock().bytes <= 100);
            gate.leave(7);
            thread::yield_now();
        }
        while !publisher.is_finished() {
            gate.leave(100);
        }
        publisher.join().unwrap().unwrap();
    }

    #[test]
    fn a_message_larger_than_the_gate_passes_alone() {
        let gate = Gate::with(100, Duration::ZERO);
        gate.enter(1_000).unwrap();
        assert!(gate.enter(1).is_err());
        gate.leave(1_000);
        gate.enter(1).unwrap();
    }

    #[test]
    fn a_full_gate_that_nobody_can_open_is_an_error_not_a_wait() {
        let gate = Arc::new(Gate::with(100, Duration::ZERO));
        gate.enter(100).unwrap();
        let alone = gate.enter(1).unwrap_err();
        assert_eq!(
            alone.to_string(),
            "the embedded broker is full, and no consumer came; read what is published while it is published, or give a real \
             Kafka by --brokers HOST:PORT"
        );
        gate.consumer_comes();
        let waiting = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.enter(1)
        });
        gate.consumer_goes();
        let left = waiting.join().unwrap().unwrap_err();
        assert_eq!(left.message(), "the embedded broker is full, and its consumer has gone");
    }
}
