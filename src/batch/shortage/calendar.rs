//! The hours of the recorded days, by the clocks of Paris.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use chrono_tz::Europe::Paris;

use super::spans::Span;
use crate::batch::hours::HOUR;

/// The days that something was heard of, and the place of each of their hours: 24 a day, the first day first. An hour that a
/// clock shows twice is one.
pub(super) struct Calendar {
    /// By the hour since 1970 (UTC).
    places: HashMap<i64, usize>,
    /// The hour of the week that each day begins with, 0 for a Monday.
    midnights: Vec<usize>,
}

impl Calendar {
    /// The days that these spans touch.
    pub(super) fn of(spans: impl Iterator<Item = Span>) -> Self {
        let mut hours = BTreeSet::new();
        for (from, until) in spans.filter(|(from, until)| from < until) {
            hours.extend(from.div_euclid(HOUR)..=(until - 1).div_euclid(HOUR));
        }
        let local: Vec<(i64, NaiveDate, usize)> = hours.into_iter().map(local).collect();
        let mut days: Vec<NaiveDate> = local.iter().map(|(_, day, _)| *day).collect();
        days.dedup();
        let place = |day: &NaiveDate| days.partition_point(|other| other < day);
        let places = local.iter().map(|(hour, day, of_day)| (*hour, 24 * place(day) + of_day)).collect();
        let midnights = days.iter().map(|day| 24 * day.weekday().num_days_from_monday() as usize).collect();
        Self { places, midnights }
    }

    pub(super) fn days(&self) -> usize {
        self.midnights.len()
    }

    /// The hour of the week at a place.
    pub(super) fn week_hour(&self, place: usize) -> usize {
        self.midnights[place / 24] + place % 24
    }

    /// Cuts a span of those days at the full hours: the place of each piece, and its milliseconds.
    pub(super) fn cut(&self, (mut from, until): Span, mut piece: impl FnMut(usize, i64)) {
        while from < until {
            let hour = from.div_euclid(HOUR);
            let end = until.min((hour + 1) * HOUR);
            if let Some(&place) = self.places.get(&hour) {
                piece(place, end - from);
            }
            from = end;
        }
    }
}

/// Since 1970 the clocks of Paris have differed from UTC by whole hours.
fn local(hour: i64) -> (i64, NaiveDate, usize) {
    let local = DateTime::from_timestamp_millis(hour * HOUR).unwrap_or_default().with_timezone(&Paris);
    (hour, local.date_naive(), local.hour() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_paris_and_those_in_between_that_were_not_heard_of_are_none() {
        let at = |time: &str| time.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        // Sunday 23:30 in Paris to Monday 0:30, and Wednesday.
        let spans = [
            (at("2022-05-15T21:30:00Z"), at("2022-05-15T22:30:00Z")),
            (at("2022-05-18T10:00:00Z"), at("2022-05-18T11:00:00Z")),
            (at("2022-05-18T20:10:00Z"), at("2022-05-18T20:10:00Z")),
        ];
        let calendar = Calendar::of(spans.into_iter());
        assert_eq!(calendar.days(), 3);
        let pieces = |span| {
            let mut pieces = Vec::new();
            calendar.cut(span, |place, held| pieces.push((place, calendar.week_hour(place), held)));
            pieces
        };
        assert_eq!(pieces(spans[0]), [(23, 167, HOUR / 2), (24, 0, HOUR / 2)]);
        assert_eq!(pieces(spans[1]), [(2 * 24 + 12, 2 * 24 + 12, HOUR)]);
        assert_eq!(pieces(spans[2]), []);
    }
}
