//! The local time that riders live by, and its columns.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Timelike, Weekday};
use chrono_tz::Europe::Paris;

use super::matrix::{Column, Context};

/// A moment by the clock and the calendar of Paris, summer time included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LocalTime {
    /// Days since the first of January of the year 1.
    pub(super) day: i32,
    /// Whole hours, 0 to 23.
    pub(super) hour: usize,
    /// Minutes past the hour, 0 to 59.
    pub(super) minute: u32,
    /// Saturday or Sunday.
    pub(super) weekend: bool,
}

impl LocalTime {
    /// The local time at `time`, seconds since 1970 (UTC); the start of 1970 for what no calendar holds.
    pub(super) fn at(time: i64) -> Self {
        let local = DateTime::from_timestamp(time, 0).unwrap_or_default().with_timezone(&Paris);
        Self {
            day: local.num_days_from_ce(),
            hour: local.hour() as usize,
            minute: local.minute(),
            weekend: matches!(local.weekday(), Weekday::Sat | Weekday::Sun),
        }
    }
}

/// The columns of this group.
pub(super) const COLUMNS: [Column; 9] = [
    Column { name: "weekend", formula: "1 on Saturday and Sunday, else 0, of the origin's local time" },
    Column {
        name: "sin_day",
        formula: "sin(2 pi hour / 24), hour the origin's local time of day in hours and minutes",
    },
    Column { name: "cos_day", formula: "cos(2 pi hour / 24)" },
    Column { name: "sin_half_day", formula: "sin(4 pi hour / 24)" },
    Column { name: "cos_half_day", formula: "cos(4 pi hour / 24)" },
    Column { name: "sin_third_day", formula: "sin(6 pi hour / 24)" },
    Column { name: "cos_third_day", formula: "cos(6 pi hour / 24)" },
    Column { name: "sin_day_weekend", formula: "sin_day * weekend" },
    Column { name: "cos_day_weekend", formula: "cos_day * weekend" },
];

/// Their values at one origin.
pub(super) fn values(context: &Context<'_>) -> [f64; 9] {
    let local = context.origin;
    let angle = TAU * (local.hour as f64 + f64::from(local.minute) / 60.0) / 24.0;
    let weekend = f64::from(u8::from(local.weekend));
    let (sin, cos) = angle.sin_cos();
    let (sin2, cos2) = (2.0 * angle).sin_cos();
    let (sin3, cos3) = (3.0 * angle).sin_cos();
    [weekend, sin, cos, sin2, cos2, sin3, cos3, sin * weekend, cos * weekend]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> LocalTime {
        LocalTime::at(text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp())
    }

    #[test]
    fn the_clock_is_that_of_paris_in_summer_and_in_winter() {
        let summer = at("2022-05-27T22:10:59Z");
        assert_eq!((summer.hour, summer.minute, summer.weekend), (0, 10, true));
        let winter = at("2022-01-28T22:10:00Z");
        assert_eq!((winter.hour, winter.weekend), (23, false));
        assert_eq!(at("2022-05-27T22:00:00Z").day, at("2022-05-27T21:59:59Z").day + 1);
    }
}
