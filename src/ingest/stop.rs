//! The end of work that goes on until it is told to stop: a flag that many share, and that wakes whoever sleeps.
//!
//! Whoever does the work looks at it between two steps, so that each step is finished and kept: the poll in flight is
//! published, the batch that was read is written. Who sets it is the program's matter: a signal, a button, a test.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tells long-running work to end when its step is done. All clones are one flag.
///
/// ```
/// use std::time::Duration;
/// use velib::ingest::Stop;
///
/// let stop = Stop::new();
/// let other = stop.clone();
/// std::thread::spawn(move || other.request());
/// assert!(stop.wait(Duration::from_secs(3600))); // woken at once
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_set: Mutex<bool>,
    set: Condvar,
}

impl Stop {
    /// A flag that nobody has set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks all work that shares this to end.
    pub fn request(&self) {
        *self.lock() = true;
        self.0.set.notify_all();
    }

    /// Whether the work is to end.
    pub fn is_requested(&self) -> bool {
        *self.lock()
    }

    /// Returns when `duration` has passed, or at once when the work is to end: whether it is.
    pub fn wait(&self, duration: Duration) -> bool {
        let waited = self.0.set.wait_timeout_while(self.lock(), duration, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two are equal if they are one flag.
impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Stop {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Clock as _, SystemClock};

    #[test]
    fn every_clone_is_the_same_flag_and_another_is_not() {
        let (stop, other) = (Stop::new(), Stop::new());
        let clone = stop.clone();
        assert!(!clone.is_requested() && !clone.wait(Duration::ZERO));
        stop.request();
        assert!(clone.is_requested() && clone.wait(Duration::MAX) && !other.is_requested());
        assert!(clone == stop && stop != other);
    }

    #[test]
    fn a_sleeper_is_woken_however_long_it_meant_to_sleep() {
        let stop = Stop::new();
        let sleeper = std::thread::spawn({
            let stop = stop.clone();
            move || SystemClock.sleep_unless(&stop, chrono::DateTime::<chrono::Utc>::MAX_UTC)
        });
        stop.request();
        assert!(sleeper.join().unwrap());
    }
}
