//! The chronological split: what is trained on, what validates, what tests; with an embargo, so that no label of one
//! part is read from a reading of the next.

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, ErrorKind, Result};
use crate::features::{Example, Target};

/// Share of the data's time that is tested on when no split is given: its end.
const TEST_SHARE: f64 = 0.25;
/// Share of the training span's time that validates: its end.
const VALIDATION_SHARE: f64 = 0.2;

/// Where the parts begin. An origin at `t` is trained on if `t + horizon + tolerance` lies before the split, and tested
/// on if `t` does not; in the same way the training span is parted into fitting and validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChronologicalSplit {
    /// Seconds from an origin to the end of where its label may be read.
    reach: i64,
    validation: i64,
    test: i64,
}

impl ChronologicalSplit {
    /// The split of data that spans `span`; the test part begins `at`, or with the last quarter of the time.
    pub(super) fn new(span: (DateTime<Utc>, DateTime<Utc>), at: Option<DateTime<Utc>>, target: Target) -> Result<Self> {
        let (start, end) = span;
        let between = format!("the data span {} to {}", show(start), show(end));
        if target.horizon >= (end - start).num_seconds() {
            let horizon = minutes(target.horizon);
            return Err(Error::new(
                ErrorKind::Model,
                format_args!("the horizon of {horizon} is longer than the data: {between}"),
            )
            .way_out("take a shorter --horizon or a longer history"));
        }
        let at = at.unwrap_or_else(|| end - part(end - start, TEST_SHARE));
        if at <= start || at > end {
            return Err(Error::new(
                ErrorKind::Model,
                format_args!("the split at {} lies outside the data: {between}", show(at)),
            )
            .way_out("take a --split between the two, or none for the last quarter"));
        }
        Ok(Self {
            reach: target.horizon + target.tolerance,
            validation: (at - part(at - start, VALIDATION_SHARE)).timestamp(),
            test: at.timestamp(),
        })
    }

    /// When the test part begins.
    pub(super) fn test_from(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.test, 0).unwrap_or_default()
    }

    /// When the validation part of the training span begins.
    pub(super) fn validation_from(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.validation, 0).unwrap_or_default()
    }

    /// Fitted on before the validation part is looked at.
    pub(super) fn fits(&self, example: &Example) -> bool {
        example.time + self.reach < self.validation
    }

    /// Validates.
    pub(super) fn validates(&self, example: &Example) -> bool {
        example.time >= self.validation && self.trains(example)
    }

    /// In the training span: fitted on in the end.
    pub(super) fn trains(&self, example: &Example) -> bool {
        example.time + self.reach < self.test
    }

    /// Tested on.
    pub(super) fn tests(&self, example: &Example) -> bool {
        example.time >= self.test
    }
}

/// A time as it is said in a message.
pub(super) fn show(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Seconds, said in minutes where they are whole.
pub(super) fn minutes(seconds: i64) -> String {
    if seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

/// A share of a time, in whole seconds.
fn part(time: TimeDelta, share: f64) -> TimeDelta {
    TimeDelta::seconds((time.num_seconds() as f64 * share) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Target = Target { horizon: 3600, tolerance: 1200 };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn without_a_split_the_last_quarter_is_tested_on() {
        let split = ChronologicalSplit::new((at(0), at(400_000)), None, HOUR).unwrap();
        assert_eq!((split.test_from(), split.validation_from()), (at(300_000), at(240_000)));
    }

    #[test]
    fn a_horizon_longer_than_the_data_and_a_split_outside_are_errors() {
        let long = ChronologicalSplit::new((at(0), at(3600)), None, HOUR).unwrap_err();
        assert_eq!(
            long.to_string(),
            "the horizon of 60 min is longer than the data: the data span 1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z; \
             take a shorter --horizon or a longer history"
        );
        for outside in [-1, 0, 86_401] {
            let error = ChronologicalSplit::new((at(0), at(86_400)), Some(at(outside)), HOUR).unwrap_err();
            assert!(
                error.to_string().contains("lies outside the data: the data span 1970-01-01T00:00:00Z to 1970-01-02")
            );
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Model, 1));
        }
    }

    proptest! {
        /// The embargo: no label of a part can be read from a reading of a later part, and no origin is in two parts.
        #[test]
        fn no_part_reaches_into_the_next(times in prop::collection::vec(0..100_000i64, 1..60), split in 20_000..100_000i64) {
            let parts = ChronologicalSplit::new((at(0), at(100_000)), Some(at(split)), HOUR).unwrap();
            for time in times {
                let example = Example { station: 0, reading: 0, time, full: false, change: 0 };
                let label_until = time + HOUR.horizon + HOUR.tolerance;
                let memberships = [parts.fits(&example), parts.validates(&example), parts.tests(&example)];
                prop_assert!(memberships.iter().filter(|&&member| member).count() <= 1);
                prop_assert!(!parts.fits(&example) || label_until < parts.validation_from().timestamp());
                prop_assert!(!parts.trains(&example) || label_until < split);
                prop_assert_eq!(parts.tests(&example), time >= split);
            }
        }
    }
}
