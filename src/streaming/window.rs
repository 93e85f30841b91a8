//! Which window a reading belongs to. What is computed in it is another matter.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest window, in seconds: seven days.
const LONGEST: i64 = 7 * 24 * 3600;

/// A span of event time, `[start, end)`: the start belongs to it, the end to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first instant of the window.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
}

/// Windows of one length that neither overlap nor leave a gap, aligned to 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tumbling {
    seconds: i64,
}

impl Tumbling {
    /// Windows of `length`, in whole seconds, above zero and at most seven days; else a usage error.
    pub fn new(length: Duration) -> Result<Self> {
        match i64::try_from(length.as_secs()) {
            Ok(seconds @ 1..=LONGEST) if length.subsec_nanos() == 0 => Ok(Self { seconds }),
            _ => Err(Error::usage("--window", format!("a window of {length:?} is not possible"))
                .way_out("windows are from 1 second to 7 days, in whole seconds")),
        }
    }

    /// The length of each window.
    pub fn length(self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs())
    }

    /// The window that `time` falls in.
    pub fn window_of(self, time: DateTime<Utc>) -> Window {
        let start = time.timestamp() - time.timestamp().rem_euclid(self.seconds);
        self.starting_at(DateTime::from_timestamp(start, 0).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// The window that begins at `start`.
    pub fn starting_at(self, start: DateTime<Utc>) -> Window {
        let end = start.checked_add_signed(TimeDelta::seconds(self.seconds));
        Window { start, end: end.unwrap_or(DateTime::<Utc>::MAX_UTC) }
    }
}

/// The length, in the largest unit that divides it: `10m`, `2h`, `90s`.
impl fmt::Display for Tumbling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds if seconds % 86_400 == 0 => write!(f, "{}d", seconds / 86_400),
            seconds if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tumbling(seconds: u64) -> Tumbling {
        Tumbling::new(Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let window = tumbling(600).window_of("2022-05-12T09:18:14Z".parse().unwrap());
        assert_eq!(window.start.to_rfc3339(), "2022-05-12T09:10:00+00:00");
        assert_eq!(window.end.to_rfc3339(), "2022-05-12T09:20:00+00:00");
        assert_eq!(tumbling(600).window_of(window.start), window);
        assert_eq!(tumbling(600).window_of(window.end).start, window.end);
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_one_aligned_window(
            seconds in 1..=LONGEST as u64,
            millis in prop_oneof![-100_000_000_000_000..100_000_000_000_000i64, Just(-1), Just(0)],
        ) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let window = tumbling(seconds).window_of(time);
            prop_assert!(window.start <= time && time < window.end);
            prop_assert_eq!(window.start.timestamp() % seconds.cast_signed(), 0);
            prop_assert_eq!((window.end - window.start).num_seconds(), seconds.cast_signed());
        }
    }

    #[test]
    fn the_ends_of_time_have_a_window_too() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let window = tumbling(7 * 24 * 3600).window_of(time);
            assert!(window.start <= time && time <= window.end);
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_wrong_usage() {
        for length in
            [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(7 * 24 * 3600 + 1), Duration::MAX]
        {
            assert_eq!(Tumbling::new(length).unwrap_err().exit_code(), 2);
        }
        let error = Tumbling::new(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(
            error,
            "--window: a window of 0ns is not possible; windows are from 1 second to 7 days, in whole seconds"
        );
    }

    #[test]
    fn a_length_is_shown_in_its_largest_unit() {
        let shown = [90, 600, 7200, 86_400].map(|seconds| tumbling(seconds).to_string());
        assert_eq!(shown, ["90s", "10m", "2h", "1d"]);
    }
}
