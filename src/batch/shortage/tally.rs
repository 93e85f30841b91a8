//! What each hour of each day adds to the shortage of a station: bikes or docks, looked at one like the other.

use super::super::profile::WEEK_HOURS;
use super::axis::StationAxis;
use super::calendar::Calendar;
use super::demand::Week;
use super::spans::{Span, common, union};
use crate::batch::hours::HOUR;
use crate::station::StationStatus;

/// What riders look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Bike,
    Dock,
}

impl Wanted {
    /// Whether a reading says that there was none, as the station's rules have it.
    pub(super) fn is_short(self, reading: &StationStatus) -> Option<bool> {
        match self {
            Self::Bike => reading.is_empty(),
            Self::Dock => reading.is_full(),
        }
    }

    /// Whether there was one to be had.
    pub(super) fn is_there(self, reading: &StationStatus) -> bool {
        match self {
            Self::Bike => rents(reading) && reading.bikes_available.is_some_and(|bikes| bikes > 0),
            Self::Dock => reading.is_open() && reading.docks_available.is_some_and(|docks| docks > 0),
        }
    }

    /// Whether it is known if riders found one. Where they cannot rent (or bring back) they find none and the station is not short: such
    /// time counts as neither.
    fn is_known(self, reading: &StationStatus) -> bool {
        self.is_short(reading) == Some(true) || self.is_there(reading)
    }

    /// The bikes that were taken, or brought back, from a reading until the next; `None` where riders could not, or it is unknown.
    fn moved(self, before: &StationStatus, after: &StationStatus) -> Option<u32> {
        let (had, has) = (before.bikes_available?, after.bikes_available?);
        match self {
            Self::Bike => (self.is_there(before) && rents(after)).then(|| had.saturating_sub(has)),
            Self::Dock => (self.is_there(before) && after.is_open()).then(|| has.saturating_sub(had)),
        }
    }
}

fn rents(reading: &StationStatus) -> bool {
    reading.is_installed == Some(true) && reading.is_renting == Some(true)
}

/// One hour of one day. Times are in milliseconds, exact below 2^53 also for all stations together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    known: f64,
    short: f64,
    answered: f64,
    seen: f64,
    moved: f64,
}

/// All hours of all days, of one station or of several.
#[derive(Clone, Debug)]
pub(super) struct Tally(Vec<Cell>);

/// The same by hour of the week. Times are in hours.
pub(super) struct Weeks {
    /// In which there was one to be had, or none.
    pub(super) known: Week,
    /// In which there was none.
    pub(super) short: Week,
    /// Of these, in which a neighbour had one.
    pub(super) answered: Week,
    /// In which riders could be seen.
    pub(super) seen: Week,
    /// The bikes that they took, or brought back, in that time.
    pub(super) moved: Week,
}

impl Tally {
    /// Of one station, with the time in which a neighbour had what was wanted. `max_gap` is in milliseconds.
    pub(super) fn of(
        station: &StationAxis<'_>,
        answers: Vec<Span>,
        wanted: Wanted,
        calendar: &Calendar,
        max_gap: i64,
    ) -> Self {
        let mut cells = vec![Cell::default(); 24 * calendar.days()];
        for (_, span) in station.holds().filter(|(reading, _)| wanted.is_known(reading)) {
            calendar.cut(span, |place, held| cells[place].known += held as f64);
        }
        let short = station.spans(|reading| wanted.is_short(reading) == Some(true));
        for span in common(&short, &union(answers)) {
            calendar.cut(span, |place, held| cells[place].answered += held as f64);
        }
        for span in short {
            calendar.cut(span, |place, held| cells[place].short += held as f64);
        }
        for (before, after, span) in station.pairs(max_gap) {
            let Some(moved) = wanted.moved(before, after) else { continue };
            calendar.cut(span, |place, held| {
                cells[place].seen += held as f64;
                // As if they had come evenly.
                cells[place].moved += f64::from(moved) * held as f64 / (span.1 - span.0) as f64;
            });
        }
        Self(cells)
    }

    /// Of no station.
    pub(super) fn empty(calendar: &Calendar) -> Self {
        Self(vec![Cell::default(); 24 * calendar.days()])
    }

    /// Adds another station.
    pub(super) fn add(&mut self, other: &Self) {
        for (cell, other) in self.0.iter_mut().zip(&other.0) {
            cell.known += other.known;
            cell.short += other.short;
            cell.answered += other.answered;
            cell.seen += other.seen;
            cell.moved += other.moved;
        }
    }

    /// By hour of the week.
    pub(super) fn weeks(&self, calendar: &Calendar) -> Weeks {
        let none = [0.0; WEEK_HOURS];
        let mut weeks = Weeks { known: none, short: none, answered: none, seen: none, moved: none };
        for (place, cell) in self.0.iter().enumerate() {
            let hour = calendar.week_hour(place);
            weeks.known[hour] += cell.known / HOUR as f64;
            weeks.short[hour] += cell.short / HOUR as f64;
            weeks.answered[hour] += cell.answered / HOUR as f64;
            weeks.seen[hour] += cell.seen / HOUR as f64;
            weeks.moved[hour] += cell.moved;
        }
        weeks
    }

    /// What the draws need.
    pub(super) fn by_day(&self, calendar: &Calendar) -> ByDay {
        let day = |(day, cells): (usize, &[Cell])| {
            let first = calendar.week_hour(24 * day);
            let known = cells.iter().map(|cell| cell.known).sum::<f64>() / HOUR as f64;
            let hours = (first..).zip(cells).filter(|(_, cell)| cell.short > 0.0 || cell.seen > 0.0);
            let hours = hours.map(|(hour, cell)| (hour, cell.short / HOUR as f64, cell.seen / HOUR as f64, cell.moved));
            Day { known, hours: hours.collect() }
        };
        ByDay(self.0.chunks(24).enumerate().map(day).collect())
    }
}

/// A tally by day. The draws go over it a thousand times, so it holds nothing else.
pub(super) struct ByDay(Vec<Day>);

/// One day of it.
struct Day {
    /// Hours known.
    known: f64,
    /// Of each hour of the week in which anything lacked or could be seen: the hour, how much of it lacked and was seen, in hours, and
    /// the bikes that moved.
    hours: Vec<(usize, f64, f64, f64)>,
}

/// What some days come to, each as often as it was drawn. Times are in hours.
pub(super) struct Drawn {
    pub(super) known: f64,
    pub(super) short: Week,
    pub(super) seen: Week,
    pub(super) moved: Week,
}

impl ByDay {
    /// Hours in which it is known whether there was one.
    pub(super) fn known(&self) -> f64 {
        self.0.iter().map(|day| day.known).sum()
    }

    /// How many of these days are known at all.
    pub(super) fn known_days(&self, days: &[usize]) -> usize {
        days.iter().filter(|&&day| self.0[day].known > 0.0).count()
    }

    /// Whether what is wanted never lacked.
    pub(super) fn is_never_short(&self) -> bool {
        self.0.iter().flat_map(|day| &day.hours).all(|&(_, short, ..)| short <= 0.0)
    }

    pub(super) fn drawn(&self, times: &[f64]) -> Drawn {
        let none = [0.0; WEEK_HOURS];
        let mut drawn = Drawn { known: 0.0, short: none, seen: none, moved: none };
        for (day, &times) in self.0.iter().zip(times).filter(|(_, times)| **times > 0.0) {
            drawn.known += times * day.known;
            for &(hour, short, seen, moved) in &day.hours {
                drawn.short[hour] += times * short;
                drawn.seen[hour] += times * seen;
                drawn.moved[hour] += times * moved;
            }
        }
        drawn
    }
}
