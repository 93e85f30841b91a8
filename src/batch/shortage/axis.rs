//! Each station's readings in order, for how long each holds, where the station stands, and who is near.

use super::spans::{Span, union};
use crate::batch::timeline::{Timeline, due, stations};
use crate::station::{StationStatus, metres_between};
use crate::streaming::Station;

/// One station over time.
pub(super) struct StationAxis<'a> {
    /// By event time, each time once; at least one.
    pub(super) readings: Vec<&'a StationStatus>,
    /// For how many milliseconds each holds.
    pub(super) held: Vec<i64>,
    /// Latitude and longitude, degrees, as it said last.
    pub(super) place: Option<(f64, f64)>,
}

/// The stations of these readings by code; `max_gap` is in milliseconds.
pub(super) fn axes(readings: &[StationStatus], max_gap: i64) -> Vec<StationAxis<'_>> {
    let held = Timeline::of(readings, max_gap).held;
    let axis = |station: Vec<usize>| {
        let own: Vec<_> = station.iter().map(|&index| &readings[index]).collect();
        let place = own.iter().rev().find_map(|reading| Station::of(reading).place());
        StationAxis { readings: own, held: station.iter().map(|&index| held[index]).collect(), place }
    };
    stations(readings).into_iter().map(axis).collect()
}

impl<'a> StationAxis<'a> {
    /// Each reading and the span in which it holds.
    pub(super) fn holds(&self) -> impl Iterator<Item = (&'a StationStatus, Span)> {
        self.readings.iter().zip(&self.held).map(|(reading, held)| (*reading, (due(reading), due(reading) + held)))
    }

    /// When it was so.
    pub(super) fn spans(&self, is_so: impl Fn(&StationStatus) -> bool) -> Vec<Span> {
        union(self.holds().filter(|(reading, _)| is_so(reading)).map(|(_, span)| span).collect())
    }

    /// Each reading and the next, where that is at most `max_gap` milliseconds later, and the span between them.
    pub(super) fn pairs(&self, max_gap: i64) -> impl Iterator<Item = (&'a StationStatus, &'a StationStatus, Span)> {
        let pairs = self.readings.windows(2).map(|pair| (pair[0], pair[1], (due(pair[0]), due(pair[1]))));
        pairs.filter(move |(_, _, (from, until))| until - from <= max_gap)
    }

    /// The reading that came last.
    pub(super) fn last(&self) -> Option<&'a StationStatus> {
        self.readings.last().copied()
    }

    /// The newest word on something.
    pub(super) fn latest<T>(&self, said: impl Fn(&'a StationStatus) -> Option<T>) -> Option<T> {
        self.readings.iter().rev().find_map(|reading| said(reading))
    }
}

/// For each station the others within `reach` metres: their index and distance, the nearest first. One without a place has none.
pub(super) fn neighbours(axes: &[StationAxis<'_>], reach: f64) -> Vec<Vec<(usize, f64)>> {
    // Along a meridian no degree is shorter than this many metres.
    const DEGREE: f64 = 110_000.0;
    let of = |own: usize| {
        let Some(place) = axes[own].place else { return Vec::new() };
        let near = axes.iter().enumerate().filter_map(|(other, axis)| {
            let there = axis.place.filter(|there| (there.0 - place.0).abs() * DEGREE <= reach)?;
            let metres = metres_between(place, there);
            (other != own && metres <= reach).then_some((other, metres))
        });
        let mut near: Vec<_> = near.collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        near
    };
    (0..axes.len()).map(of).collect()
}
