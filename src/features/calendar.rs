//! The local time that riders live by, and its columns.

use std::cell::Cell;
use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
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
    /// 0 Monday to 6 Sunday; a public holiday is lived like a Sunday, and counts as one.
    pub(super) weekday: u32,
}

/// How many full hours are remembered.
const REMEMBERED: usize = 16;

thread_local! {
    /// Local times at full hours that were asked for, each at the place of its hour: readings come in the order of time,
    /// and the calendar takes longer than all else that is asked of a time.
    static HOURS: [Cell<Option<(i64, LocalTime)>>; REMEMBERED] = const { [const { Cell::new(None) }; REMEMBERED] };
}

impl LocalTime {
    /// The local time at `time`, seconds since 1970 (UTC); the first hour of 1970 for what no calendar holds.
    pub(super) fn at(time: i64) -> Self {
        // Since 1970 clocks in Paris have differed from UTC by whole hours.
        let (Ok(hour), minute) = (usize::try_from(time.div_euclid(3600)), time.rem_euclid(3600) / 60) else {
            return Self::by_calendar(time);
        };
        HOURS.with(|hours| {
            let place = &hours[hour % REMEMBERED];
            let start = time - time.rem_euclid(3600);
            let local = match place.get() {
                Some((same, local)) if same == start => local,
                _ => Self::by_calendar(start),
            };
            place.set(Some((start, local)));
            Self { minute: minute as u32, ..local }
        })
    }

    fn by_calendar(time: i64) -> Self {
        let local = DateTime::from_timestamp(time, 0).unwrap_or_default().with_timezone(&Paris);
        Self {
            day: local.num_days_from_ce(),
            hour: local.hour() as usize,
            minute: local.minute(),
            weekday: if is_holiday(local.date_naive()) { SUNDAY } else { local.weekday().num_days_from_monday() },
        }
    }

    /// Saturday, Sunday or a public holiday.
    pub(super) fn is_day_off(self) -> bool {
        self.weekday >= 5
    }

    /// 0 on working days, 1 on days off: the kinds of day that tallies are kept for.
    pub(super) fn kind(self) -> usize {
        usize::from(self.is_day_off())
    }

    /// Hours since midnight, 0 to 24.
    pub(super) fn time_of_day(self) -> f64 {
        self.hour as f64 + f64::from(self.minute) / 60.0
    }
}

/// The local day of a time (seconds since 1970, UTC), in days since the first of January of the year 1, and its hour, 0 to 23.
pub(crate) fn local_day_and_hour(time: i64) -> (i32, u8) {
    let local = LocalTime::at(time);
    (local.day, local.hour as u8)
}

/// Days after Monday.
const SUNDAY: u32 = 6;

/// The public holidays of France with a date of their own, month and day (Code du travail, L3133-1).
const FIXED_HOLIDAYS: [(u32, u32); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];

/// Those that move with Easter, in days after Easter Sunday: Easter Monday, Ascension and Whit Monday.
const EASTER_HOLIDAYS: [i64; 3] = [1, 39, 50];

/// Whether this is a public holiday in France (without Alsace and Moselle).
fn is_holiday(date: NaiveDate) -> bool {
    FIXED_HOLIDAYS.contains(&(date.month(), date.day()))
        || easter(date.year()).is_some_and(|easter| EASTER_HOLIDAYS.contains(&(date - easter).num_days()))
}

/// Easter Sunday by the Gregorian calendar (the anonymous algorithm of Meeus, Astronomical Algorithms, ch. 8).
fn easter(year: i32) -> Option<NaiveDate> {
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let moon = (century + 8) / 25;
    let epact = (19 * golden + century - century / 4 - (century - moon + 1) / 3 + 15) % 30;
    let to_sunday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let late = (golden + 11 * epact + 22 * to_sunday) / 451;
    let days = epact + to_sunday - 7 * late + 114;
    NaiveDate::from_ymd_opt(year, u32::try_from(days / 31).ok()?, u32::try_from(days % 31 + 1).ok()?)
}

/// The columns of this group.
pub(super) const COLUMNS: [Column; 11] = [
    Column {
        name: "day_off",
        formula: "1 on Saturdays, Sundays and public holidays of the origin's local time, else 0",
    },
    Column {
        name: "hour",
        formula: "hours since midnight, with the minutes as a fraction, of the origin's local time",
    },
    Column { name: "weekday", formula: "0 Monday to 6 Sunday; a public holiday is 6" },
    Column { name: "sin_day", formula: "sin(2 pi hour / 24)" },
    Column { name: "cos_day", formula: "cos(2 pi hour / 24)" },
    Column { name: "sin_half_day", formula: "sin(4 pi hour / 24)" },
    Column { name: "cos_half_day", formula: "cos(4 pi hour / 24)" },
    Column { name: "sin_third_day", formula: "sin(6 pi hour / 24)" },
    Column { name: "cos_third_day", formula: "cos(6 pi hour / 24)" },
    Column { name: "sin_day_off", formula: "sin_day * day_off" },
    Column { name: "cos_day_off", formula: "cos_day * day_off" },
];

/// Their values at one origin.
pub(super) fn values(context: &Context<'_>) -> [f64; 11] {
    let local = context.origin;
    let hour = local.time_of_day();
    let angle = TAU * hour / 24.0;
    let day_off = f64::from(u8::from(local.is_day_off()));
    let (sin, cos) = angle.sin_cos();
    let (sin2, cos2) = (2.0 * angle).sin_cos();
    let (sin3, cos3) = (3.0 * angle).sin_cos();
    [day_off, hour, f64::from(local.weekday), sin, cos, sin2, cos2, sin3, cos3, sin * day_off, cos * day_off]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> LocalTime {
        LocalTime::at(text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp())
    }

    proptest! {
        /// What is remembered of an hour is what the calendar says of its times, also where clocks change.
        #[test]
        fn a_time_is_that_of_the_calendar(around in prop::sample::select(vec![-3_000_000_000i64, 0, 1_648_342_800, 1_667_091_600, 3_000_000_000]), offsets in prop::collection::vec(-200_000..200_000i64, 1..40)) {
            for offset in offsets {
                prop_assert_eq!(LocalTime::at(around + offset), LocalTime::by_calendar(around + offset));
            }
        }
    }

    #[test]
    fn the_clock_is_that_of_paris_in_summer_and_in_winter() {
        let summer = at("2022-05-27T22:10:59Z");
        assert_eq!((summer.hour, summer.minute, summer.weekday), (0, 10, 5));
        let winter = at("2022-01-28T22:10:00Z");
        assert_eq!((winter.hour, winter.kind()), (23, 0));
        assert_eq!(at("2022-05-27T22:00:00Z").day, at("2022-05-27T21:59:59Z").day + 1);
    }

    #[test]
    fn a_public_holiday_is_lived_like_a_sunday() {
        // Ascension of 2022, a Thursday; Easter Mondays; the fourteenth of July.
        for holiday in ["2022-05-26T10:00:00Z", "2024-04-01T10:00:00Z", "2038-04-26T10:00:00Z", "2025-07-14T10:00:00Z"]
        {
            assert_eq!((at(holiday).weekday, at(holiday).kind()), (6, 1), "{holiday}");
        }
        // The day between Ascension and the weekend, and Easter Sunday's Tuesday, are working days.
        for day in ["2022-05-27T10:00:00Z", "2024-04-02T10:00:00Z"] {
            assert_eq!(at(day).kind(), 0, "{day}");
        }
        let easters = [(1961, "1961-04-02"), (2000, "2000-04-23"), (2022, "2022-04-17"), (2285, "2285-03-22")];
        for (year, date) in easters {
            assert_eq!(easter(year).unwrap().to_string(), date);
        }
    }
}
