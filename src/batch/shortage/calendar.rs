//! The hours of the recorded days, by the clocks of Paris.

use std::collections::{BTreeMap, HashMap};

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
    /// The days that were observed for long enough to stand for one.
    drawable: Vec<usize>,
}

impl Calendar {
    /// The days that these spans of the stations touch.
    pub(super) fn of(spans: impl Iterator<Item = Span>) -> Self {
        let mut hours = BTreeMap::new();
        spans.for_each(|span| by_hour(span, |hour, held| *hours.entry(hour).or_insert(0) += held));
        let local: Vec<(i64, NaiveDate, usize, i64)> =
            hours.into_iter().map(|(hour, held)| local(hour, held)).collect();
        let mut days: Vec<NaiveDate> = local.iter().map(|(_, day, ..)| *day).collect();
        days.dedup();
        let place = |day: &NaiveDate| days.partition_point(|other| other < day);
        let places = local.iter().map(|(hour, day, of_day, _)| (*hour, 24 * place(day) + of_day)).collect();
        let mut observed = vec![0; days.len()];
        local.iter().for_each(|(_, day, _, held)| observed[place(day)] += held);
        let midnights = days.iter().map(|day| 24 * day.weekday().num_days_from_monday() as usize).collect();
        Self { places, midnights, drawable: long_enough(&observed) }
    }

    pub(super) fn days(&self) -> usize {
        self.midnights.len()
    }

    /// Those of the days that were observed for half as long as the median day or longer.
    pub(super) fn drawable(&self) -> &[usize] {
        &self.drawable
    }

    /// The hour of the week at a place.
    pub(super) fn week_hour(&self, place: usize) -> usize {
        self.midnights[place / 24] + place % 24
    }

    /// Cuts a span of those days at the full hours: the place of each piece, and its milliseconds.
    pub(super) fn cut(&self, span: Span, mut piece: impl FnMut(usize, i64)) {
        by_hour(span, |hour, held| {
            if let Some(&place) = self.places.get(&hour) {
                piece(place, held);
            }
        });
    }
}

/// Cuts a span at the full hours: each hour since 1970, and the milliseconds in it.
fn by_hour((mut from, until): Span, mut piece: impl FnMut(i64, i64)) {
    while from < until {
        let hour = from.div_euclid(HOUR);
        let end = until.min((hour + 1) * HOUR);
        piece(hour, end - from);
        from = end;
    }
}

/// Since 1970 the clocks of Paris have differed from UTC by whole hours.
fn local(hour: i64, held: i64) -> (i64, NaiveDate, usize, i64) {
    let local = DateTime::from_timestamp_millis(hour * HOUR).unwrap_or_default().with_timezone(&Paris);
    (hour, local.date_naive(), local.hour() as usize, held)
}

/// Which days were observed for half as long as the median one or longer. The median is that of the time observed, not of the number
/// of days: the shortest days first, the day in which half of the time is reached. So two scraps at the ends of one day do not
/// make a scrap the measure.
fn long_enough(observed: &[i64]) -> Vec<usize> {
    let mut lengths = observed.to_vec();
    lengths.sort_unstable();
    let (all, mut until) = (lengths.iter().sum::<i64>(), 0);
    let median = lengths.into_iter().find(|length| {
        until += length;
        2 * until >= all
    });
    let is_long = |length: i64| median.is_some_and(|median| 2 * length >= median);
    (0..observed.len()).filter(|&day| is_long(observed[day])).collect()
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

    #[test]
    fn a_scrap_of_a_day_is_not_drawn_whatever_else_there_is() {
        assert_eq!(long_enough(&[1, 48, 1]), [1]);
        assert_eq!(long_enough(&[20, 24, 11, 12, 24, 24]), [0, 1, 3, 4, 5]);
        assert_eq!(long_enough(&[7]), [0]);
        assert_eq!(long_enough(&[]), [0; 0]);
        // Alternating scraps are all there is.
        assert_eq!(long_enough(&[3, 3, 3, 3]), [0, 1, 2, 3]);
    }
}
