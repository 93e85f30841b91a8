//! The clock as an argument: the real one for the live feed, a virtual one for recordings, simulations and tests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::stop::Stop;

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> DateTime<Utc>;

    /// Returns when `now()` is `time` or later.
    fn sleep_until(&self, time: DateTime<Utc>);

    /// Returns when `duration` has passed.
    fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now() + duration);
    }

    /// Returns when `now()` is `time` or later, or when the work is to end: whether it is.
    ///
    /// A clock that really waits is to wake up for `stop`; as it stands here the sleep is slept out first.
    fn sleep_unless(&self, stop: &Stop, time: DateTime<Utc>) -> bool {
        if !stop.is_requested() {
            self.sleep_until(time);
        }
        stop.is_requested()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep_until(&self, time: DateTime<Utc>) {
        if let Ok(wait) = (time - self.now()).to_std() {
            std::thread::sleep(wait);
        }
    }

    fn sleep_unless(&self, stop: &Stop, time: DateTime<Utc>) -> bool {
        stop.wait((time - self.now()).to_std().unwrap_or_default())
    }
}

/// A clock that stands still until somebody waits for it: a sleep sets it forward and returns at once.
#[derive(Debug)]
pub struct VirtualClock(Mutex<DateTime<Utc>>);

impl VirtualClock {
    /// A clock that shows `start`.
    pub fn new(start: DateTime<Utc>) -> Self {
        Self(Mutex::new(start))
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep_until(&self, time: DateTime<Utc>) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = time.max(*now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_sleep_sets_the_clock_forward_and_never_back() {
        let start: DateTime<Utc> = "2022-05-12T10:00:00Z".parse().unwrap();
        let clock = VirtualClock::new(start);
        clock.sleep(Duration::from_secs(3600));
        assert_eq!(clock.now().to_rfc3339(), "2022-05-12T11:00:00+00:00");
        clock.sleep_until(start);
        assert_eq!(clock.now().to_rfc3339(), "2022-05-12T11:00:00+00:00");
    }
}
