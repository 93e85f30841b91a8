//! Which window a reading belongs to. What is computed in it is another matter.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The longest window, in seconds: seven days.
const LONGEST: i64 = 7 * 24 * 3600;

/// The most windows that one reading falls into.
const MOST_OVERLAPPING: i64 = 60;

/// A span of event time, `[start, end)`: the start belongs to it, the end to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first instant of the window.
    pub start: DateTime<Utc>,
    /// The first instant after it.
    pub end: DateTime<Utc>,
}

/// Windows of one length, of which one begins at each multiple of the slide since 1970-01-01T00:00:00Z.
///
/// If the slide is the length they are *tumbling*: they neither overlap nor leave a gap. If it is shorter they are *sliding*
/// and overlap: a reading falls into several, and counts in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Windowing {
    length: i64,
    slide: i64,
}

impl Windowing {
    /// Windows of `length`, in whole seconds, above zero and at most seven days, one after the other; else a usage error.
    pub fn tumbling(length: Duration) -> Result<Self> {
        Self::sliding(length, length)
    }

    /// Windows of `length`, as for [`tumbling`](Self::tumbling), of which one begins every `slide`: whole seconds, above
    /// zero, at most the length, and at least a sixtieth of it, because a reading is kept in each window that it falls into.
    pub fn sliding(length: Duration, slide: Duration) -> Result<Self> {
        let whole = |duration: Duration| (duration.subsec_nanos() == 0).then(|| i64::try_from(duration.as_secs()).ok());
        let Some(length_seconds @ 1..=LONGEST) = whole(length).flatten() else {
            return Err(Error::usage("--window", format!("a window of {length:?} is not possible"))
                .way_out("windows are from 1 second to 7 days, in whole seconds"));
        };
        match whole(slide).flatten() {
            Some(slide @ 1..) if slide <= length_seconds && length_seconds <= slide * MOST_OVERLAPPING => {
                Ok(Self { length: length_seconds, slide })
            }
            _ => Err(Error::usage("--slide", format!("windows of {length:?} cannot begin every {slide:?}")).way_out(
                format!("a slide is in whole seconds, from a {MOST_OVERLAPPING}th of the window to the whole of it"),
            )),
        }
    }

    /// The length of each window.
    pub fn length(self) -> Duration {
        Duration::from_secs(self.length.unsigned_abs())
    }

    /// How long after one window the next begins.
    pub fn slide(self) -> Duration {
        Duration::from_secs(self.slide.unsigned_abs())
    }

    /// The windows that `time` falls in, by their start: one, or where they slide up to `length / slide`, rounded up.
    pub fn windows_of(self, time: DateTime<Utc>) -> impl Iterator<Item = Window> + Clone {
        self.starts_of(time.timestamp()).map(move |start| self.starting_at_second(start))
    }

    /// The starts of the windows that hold this second; all in Unix seconds.
    pub(super) fn starts_of(self, second: i64) -> impl Iterator<Item = i64> + Clone {
        let last = second - second.rem_euclid(self.slide);
        let before = (self.length - 1 - (second - last)) / self.slide;
        (0..=before).rev().map(move |nth| last - nth * self.slide)
    }

    /// The window that begins at this Unix second.
    pub(super) fn starting_at_second(self, start: i64) -> Window {
        self.starting_at(DateTime::from_timestamp(start, 0).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// How long a window is, in seconds.
    pub(super) fn seconds(self) -> i64 {
        self.length
    }

    /// The window that begins at `start`.
    pub fn starting_at(self, start: DateTime<Utc>) -> Window {
        let end = start.checked_add_signed(TimeDelta::seconds(self.length));
        Window { start, end: end.unwrap_or(DateTime::<Utc>::MAX_UTC) }
    }
}

/// As the options would be written, each length in the largest unit that divides it: `10m`, `90s`, `10m --slide 5m`.
impl fmt::Display for Windowing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |seconds: i64| match seconds {
            seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
            seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
            seconds => format!("{seconds}s"),
        };
        f.write_str(&written(self.length))?;
        if self.slide == self.length { Ok(()) } else { write!(f, " --slide {}", written(self.slide)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sliding(length: u64, slide: u64) -> Windowing {
        Windowing::sliding(Duration::from_secs(length), Duration::from_secs(slide)).unwrap()
    }

    fn tumbling(length: u64) -> Windowing {
        Windowing::tumbling(Duration::from_secs(length)).unwrap()
    }

    fn of(windowing: Windowing, time: DateTime<Utc>) -> Vec<Window> {
        windowing.windows_of(time).collect()
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let windows = of(tumbling(600), "2022-05-12T09:18:14Z".parse().unwrap());
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].start.to_rfc3339(), "2022-05-12T09:10:00+00:00");
        assert_eq!(windows[0].end.to_rfc3339(), "2022-05-12T09:20:00+00:00");
        assert_eq!(of(tumbling(600), windows[0].start), windows);
        assert_eq!(of(tumbling(600), windows[0].end)[0].start, windows[0].end);
    }

    #[test]
    fn sliding_windows_overlap() {
        let time = |time: &str| format!("2022-05-12T{time}:00Z").parse::<DateTime<Utc>>().unwrap();
        let starts = |windowing, at| of(windowing, time(at)).into_iter().map(|window| window.start).collect::<Vec<_>>();
        assert_eq!(starts(sliding(600, 300), "09:18"), [time("09:10"), time("09:15")]);
        assert_eq!(starts(sliding(600, 300), "09:20"), [time("09:15"), time("09:20")]);
        // Every four minutes, ten long: two or three at a time.
        assert_eq!(starts(sliding(600, 240), "09:04"), [time("08:56"), time("09:00"), time("09:04")]);
        assert_eq!(starts(sliding(600, 240), "09:07"), [time("09:00"), time("09:04")]);
    }

    proptest! {
        #[test]
        fn the_windows_of_an_instant_are_all_that_hold_it(
            (length, slide) in (1..=LONGEST as u64)
                .prop_flat_map(|length| (Just(length), length.div_ceil(MOST_OVERLAPPING as u64)..=length)),
            millis in prop_oneof![-100_000_000_000_000..100_000_000_000_000i64, Just(-1), Just(0)],
        ) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let windows = of(sliding(length, slide), time);
            prop_assert!(!windows.is_empty() && windows.len() <= MOST_OVERLAPPING as usize);
            for window in &windows {
                prop_assert!(window.start <= time && time < window.end);
                prop_assert_eq!(window.start.timestamp() % slide.cast_signed(), 0);
                prop_assert_eq!((window.end - window.start).num_seconds(), length.cast_signed());
            }
            let slide = TimeDelta::seconds(slide.cast_signed());
            prop_assert!(windows.windows(2).all(|pair| pair[1].start - pair[0].start == slide));
            prop_assert!(windows[0].end - slide <= time && time < windows[windows.len() - 1].start + slide);
        }
    }

    #[test]
    fn the_ends_of_time_have_a_window_too() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let windows = of(tumbling(7 * 24 * 3600), time);
            assert!(windows.len() == 1 && windows[0].start <= time && time <= windows[0].end);
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_wrong_usage() {
        for length in
            [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(7 * 24 * 3600 + 1), Duration::MAX]
        {
            assert_eq!(Windowing::tumbling(length).unwrap_err().exit_code(), 2);
        }
        let error = Windowing::tumbling(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(
            error,
            "--window: a window of 0ns is not possible; windows are from 1 second to 7 days, in whole seconds"
        );
        let hour = Duration::from_secs(3600);
        for slide in [Duration::ZERO, Duration::from_millis(90_500), hour * 2, Duration::from_secs(59), Duration::MAX] {
            assert_eq!(Windowing::sliding(hour, slide).unwrap_err().exit_code(), 2);
        }
        assert_eq!(
            Windowing::sliding(hour, hour * 2).unwrap_err().to_string(),
            "--slide: windows of 3600s cannot begin every 7200s; a slide is in whole seconds, from a 60th of the window to \
             the whole of it"
        );
    }

    #[test]
    fn a_length_is_shown_in_its_largest_unit() {
        let shown = [90, 600, 7200, 86_400].map(|seconds| tumbling(seconds).to_string());
        assert_eq!(shown, ["90s", "10m", "2h", "1d"]);
        assert_eq!(sliding(3600, 300).to_string(), "1h --slide 5m");
    }
}
