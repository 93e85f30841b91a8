//! Columns of the queue: what the station would hold at the target if bikes kept coming and going at its usual rates.
//!
//! Who finds a full station rides on to one nearby. So returns come faster where the stations around are full, by a factor
//! that is learned: what Feng, Hillston and Reijsbergen ("Moment-based availability prediction for bike-sharing systems",
//! Performance Evaluation 117, 2017) model as flow between stations that a rider can reach, as far as readings without
//! trips can tell.

mod birth_death;
mod bridge;
mod flows;
mod shapes;
mod skellam;

pub use birth_death::{Leg, Transient, transient};
pub use flows::{DailyFlows, Flows, StationFlows};

use super::history::History;
use super::label::{Example, Target};
use super::matrix::{Column, Context, logit};
use super::neighbours::Neighbours;
use super::rates::Rates;

/// The columns of this group.
pub(super) const COLUMNS: [Column; 3] = [
    Column { name: "logit_queue_full", formula: "logit(P(no dock is free at the target)) by the queue" },
    Column { name: "logit_queue_at_most_2", formula: "logit(P(at most 2 docks are free at the target)) by the queue" },
    Column { name: "queue_docks", formula: "ln(1 + the queue's mean of free docks at the target)" },
];

/// The diversions that are tried, rising.
const DIVERSIONS: [f64; 6] = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0];
/// The most rows that they are tried on.
const MOST_TRIED: usize = 30_000;

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
    /// By how much of itself the rate of returns rises when all stations around are full.
    diversion: f64,
    /// The rates of the origin before, which are often those of the next: its station and its days.
    kept: Option<(usize, (i32, i32), StationFlows)>,
    legs: Vec<Leg>,
    transient: Transient,
}

impl<'a> Queues<'a> {
    pub(super) fn new(flows: FlowsOf<'a>, diversion: f64) -> Self {
        Self { flows, diversion, kept: None, legs: Vec::new(), transient: Transient::default() }
    }

    /// P(free docks = i) at the target, i from 0 to the docks that work at the origin.
    pub(super) fn docks_then(&mut self, history: &History, place: usize, context: &Context<'_>) -> &[f64] {
        let (past, seconds) = (&context.past, context.target.horizon);
        match self.flows {
            FlowsOf::Use(flows) => {
                flows.station(history.stations()[place].code()).legs(past.time(), seconds, &mut self.legs);
            }
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
        if self.diversion > 0.0 {
            let factor = 1.0 + self.diversion * Neighbours::full_share(history, place, past.time());
            self.legs.iter_mut().for_each(|leg| leg.returns_per_hour *= factor);
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

/// The diversion whose queues have the least logarithmic loss over the training rows (in the order of station, then time); of
/// many rows those of every n-th station are tried.
pub(super) fn fit_diversion(history: &History, examples: &[Example], flows: &DailyFlows, target: Target) -> f64 {
    let step = examples.len().div_ceil(MOST_TRIED).max(1);
    let loss = |diversion: f64| {
        let mut queues = Queues::new(FlowsOf::Training(flows), diversion);
        let of_row = |example: &Example| {
            let past = history.stations()[example.station].past(example.reading)?;
            let docks = queues.docks_then(history, example.station, &Context::new(past, target, None));
            let full = docks.first().copied().unwrap_or(0.0).clamp(1e-6, 1.0 - 1e-6);
            Some(if example.full { -full.ln() } else { -(-full).ln_1p() })
        };
        let stations = examples.chunk_by(|a, b| a.station == b.station).step_by(step);
        stations.flatten().filter_map(of_row).sum::<f64>()
    };
    let mut best = (f64::INFINITY, 0.0);
    for diversion in DIVERSIONS {
        let loss = loss(diversion);
        // The loss falls to its least and rises from there.
        if loss >= best.0 {
            break;
        }
        best = (loss, diversion);
    }
    best.1
}

/// Hands `each` the queue's distribution of free docks at the target for one origin after another (place of the station in
/// the history, place among its readings), with the origin's place in `origins`. An origin that does not exist is
/// passed over.
pub fn docks_at_target(
    history: &History,
    origins: &[(usize, usize)],
    rates: &Rates,
    flows: &Flows,
    target: Target,
    each: impl FnMut(usize, &[f64]),
) {
    docks_after(history, origins.iter().map(|&origin| (origin, target.horizon, rates)), flows, each);
}

/// The same, so many seconds after each origin, by rates of its own.
pub(crate) fn docks_after<'a>(
    history: &History,
    origins: impl IntoIterator<Item = ((usize, usize), i64, &'a Rates)>,
    flows: &Flows,
    mut each: impl FnMut(usize, &[f64]),
) {
    let mut queues = Queues::new(FlowsOf::Use(flows), 0.0);
    for (row, ((place, reading), horizon, rates)) in origins.into_iter().enumerate() {
        let Some(past) = history.stations().get(place).and_then(|station| station.past(reading)) else { continue };
        queues.diversion = rates.diversion;
        let context = Context::new(past, Target { horizon, tolerance: 0 }, None);
        each(row, queues.docks_then(history, place, &context));
    }
}
