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
    /// In which it is known whether there was one.
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
        for (_, span) in station.holds().filter(|(reading, _)| wanted.is_short(reading).is_some()) {
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

    /// Whether it never lacked what is wanted.
    pub(super) fn is_never_short(&self) -> bool {
        self.0.iter().all(|cell| cell.short <= 0.0)
    }

    /// By hour of the week, each day as often as it is said.
    pub(super) fn weeks(&self, calendar: &Calendar, times: impl Fn(usize) -> f64) -> Weeks {
        let none = [0.0; WEEK_HOURS];
        let mut weeks = Weeks { known: none, short: none, answered: none, seen: none, moved: none };
        for (day, cells) in self.0.chunks(24).enumerate() {
            let times = times(day);
            if times > 0.0 {
                let first = calendar.week_hour(24 * day);
                for (hour, cell) in (first..).zip(cells) {
                    weeks.known[hour] += times * cell.known / HOUR as f64;
                    weeks.short[hour] += times * cell.short / HOUR as f64;
                    weeks.answered[hour] += times * cell.answered / HOUR as f64;
                    weeks.seen[hour] += times * cell.seen / HOUR as f64;
                    weeks.moved[hour] += times * cell.moved;
                }
            }
        }
        weeks
    }
}
