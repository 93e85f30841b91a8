//! Columns of the queue: what the station would hold at the target if bikes kept coming and going at its usual rates.

use super::birth_death::{Leg, Transient};
use super::flows::{DailyFlows, Flows, StationFlows};
use super::history::{History, StationHistory};
use super::matrix::{Column, Context, logit};
use crate::features::Target;

/// The columns of this group.
pub(super) const COLUMNS: [Column; 3] = [
    Column { name: "logit_queue_full", formula: "logit(P(no dock is free at the target)) by the queue" },
    Column { name: "logit_queue_at_most_2", formula: "logit(P(at most 2 docks are free at the target)) by the queue" },
    Column { name: "queue_docks", formula: "ln(1 + the queue's mean of free docks at the target)" },
];

/// The rates that the queues of some rows run on.
#[derive(Clone, Copy)]
pub(super) enum FlowsOf<'a> {
    /// Rows that the rates were fitted on: each without its own days.
    Training(&'a DailyFlows),
    /// Any other rows.
    Use(&'a Flows),
}

/// The queues of many origins, one after another, in one piece of memory.
pub(super) struct Queues<'a> {
    flows: FlowsOf<'a>,
    /// The rates of the origin before, which are often those of the next: its station and its days.
    kept: Option<(usize, (i32, i32), StationFlows)>,
    legs: Vec<Leg>,
    transient: Transient,
}

impl<'a> Queues<'a> {
    pub(super) fn new(flows: FlowsOf<'a>) -> Self {
        Self { flows, kept: None, legs: Vec::new(), transient: Transient::default() }
    }

    /// P(free docks = i) at the target, i from 0 to the docks that work at the origin.
    pub(super) fn docks_then(&mut self, place: usize, station: &StationHistory, context: &Context<'_>) -> &[f64] {
        let (past, seconds) = (&context.past, context.target.horizon);
        match self.flows {
            FlowsOf::Use(flows) => flows.station(station.code()).legs(past.time(), seconds, &mut self.legs),
            FlowsOf::Training(daily) => {
                let days = (context.origin.day, context.then.day);
                let flows = match self.kept.take() {
                    Some((same, known, flows)) if (same, known) == (place, days) => flows,
                    _ => daily.without(place, days),
                };
                flows.legs(past.time(), seconds, &mut self.legs);
                self.kept = Some((place, days, flows));
            }
        }
        self.transient.after(past.docks(), past.docks() + past.bikes(), &self.legs)
    }
}

/// The values of the columns, from the distribution of free docks at the target.
pub(super) fn values(docks: &[f64]) -> [f64; 3] {
    let at_most = |most: usize| docks.iter().take(most + 1).sum::<f64>();
    let mean: f64 = docks.iter().enumerate().map(|(free, p)| free as f64 * p).sum();
    [logit(at_most(0)), logit(at_most(2)), mean.ln_1p()]
}

/// Hands `each` the queue's distribution of free docks at the target for one origin after another (place of the station in
/// the history, place among its readings), with the origin's place in `origins`. An origin that does not exist is
/// passed over.
pub fn docks_at_target(
    history: &History,
    origins: &[(usize, usize)],
    flows: &Flows,
    target: Target,
    mut each: impl FnMut(usize, &[f64]),
) {
    let mut queues = Queues::new(FlowsOf::Use(flows));
    for (row, &(place, reading)) in origins.iter().enumerate() {
        let Some(station) = history.stations().get(place) else { continue };
        let Some(past) = station.past(reading) else { continue };
        let context = Context::new(past, target, None);
        each(row, queues.docks_then(place, station, &context));
    }
}
