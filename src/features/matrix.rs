//! The design matrix: one row for each origin, one named column for each feature, from the past alone.
//!
//! A row is made from a [`Past`], which ends at its origin, from what its neighbours had reported by then, and from
//! [`Rates`] and [`Flows`] that were fitted on training rows. What is not known is NaN: a linear model puts the column's mean in
//! its place, a tree has a branch for it.

use ndarray::Array2;
use serde::Serialize;

use super::calendar::{self, LocalTime};
use super::history::{History, Past};
use super::label::{Example, Target};
use super::neighbours::{self, Neighbours};
use super::queue::{self, DailyFlows, Flows, FlowsOf, Queues};
use super::rates::{Rates, Usual, UsualTable};
use super::{memory, state, usual};

/// The version of the features: it rises when a column is added or dropped, or when its formula changes, so that a saved
/// model meets no column it does not know.
pub const FEATURES_VERSION: u32 = 3;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How it is computed. `logit(p) = ln(p / (1 - p))` with `p` cut to 0.0001..0.9999.
    pub formula: &'static str,
}

/// All that one row is made from, but for its neighbours.
pub(super) struct Context<'a> {
    pub(super) past: Past<'a>,
    pub(super) origin: LocalTime,
    pub(super) then: LocalTime,
    pub(super) usual: Usual,
    pub(super) target: Target,
}

impl<'a> Context<'a> {
    pub(super) fn new(past: Past<'a>, target: Target, usual: Option<&Usual>) -> Self {
        let (origin, then) = (LocalTime::at(past.time()), LocalTime::at(past.time() + target.horizon));
        Self { past, origin, then, usual: usual.copied().unwrap_or_default(), target }
    }
}

/// The features of some origins.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// One row for each origin, the columns those of [`columns`]; NaN where unknown.
    pub values: Array2<f64>,
    /// Free docks at each origin.
    pub docks: Vec<u32>,
    /// How often the station of each origin is full in the block of two hours and the kind of day that its target lies
    /// in, by what is usual; in 0 to 1.
    pub usual_full: Vec<f64>,
    /// P(full at the target) of each origin by the queue; in 0 to 1.
    pub queue_full: Vec<f64>,
    /// The local day of each origin, in days since the first of January of the year 1: what belongs together when rows
    /// are parted.
    pub days: Vec<i32>,
}

/// The columns of a [`Matrix`], in their order.
pub fn columns() -> Vec<Column> {
    [&state::COLUMNS[..], &calendar::COLUMNS, &usual::COLUMNS, &memory::COLUMNS, &queue::COLUMNS, &neighbours::COLUMNS]
        .concat()
}

impl Matrix {
    /// The features of training rows, of one station alone if it is given, and the rates fitted on the rows of all. No row
    /// meets its own answer: what is usual at it is told by other days. `examples` are in the order of station, then
    /// time; `flows` were fitted on the same span.
    pub fn of_training(
        history: &History,
        examples: &[Example],
        only: Option<usize>,
        flows: &DailyFlows,
        target: Target,
    ) -> (Self, Rates) {
        let mut rates = Rates::fit(history, examples);
        rates.diversion = queue::fit_diversion(history, examples, flows, target);
        let own = examples.iter().filter(|example| only.is_none_or(|only| only == example.station));
        let rows: Vec<_> = own.map(|example| (example.station, example.reading)).collect();
        let table = rates.left_out(history, examples, target);
        let flows = FlowsOf::Training(flows);
        let matrix = Known { history, table: &table, flows, diversion: rates.diversion, target }.matrix(&rows);
        drop(table);
        (matrix, rates)
    }

    /// The features of the origins (place of the station in the history, place among its readings), with rates and flows
    /// that were fitted before. An origin that does not exist has no row.
    pub fn of(history: &History, origins: &[(usize, usize)], rates: &Rates, flows: &Flows, target: Target) -> Self {
        let exists = |&&(station, reading): &&(usize, usize)| {
            history.stations().get(station).is_some_and(|station| reading < station.len())
        };
        let origins: Vec<_> = origins.iter().filter(exists).copied().collect();
        let first = origins.iter().map(|&(station, reading)| history.stations()[station].times()[reading]).min();
        let table = rates.table(history, target, first.unwrap_or(0) - neighbours::SILENT);
        let flows = FlowsOf::Use(flows);
        Known { history, table: &table, flows, diversion: rates.diversion, target }.matrix(&origins)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.docks.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.docks.is_empty()
    }
}

/// All that rows are made from, but for which rows they are.
#[derive(Clone, Copy)]
struct Known<'a> {
    history: &'a History,
    table: &'a UsualTable<'a>,
    flows: FlowsOf<'a>,
    diversion: f64,
    target: Target,
}

impl Known<'_> {
    fn matrix(self, rows: &[(usize, usize)]) -> Matrix {
        // Two halves, each on a processor of its own; a row does not depend on the others.
        let (first, second) = rows.split_at(rows.len() / 2);
        let (mut first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(|| self.part(second));
            let first = self.part(first);
            (first, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        first.append(second);
        let width = columns().len();
        let values = Array2::from_shape_vec((first.docks.len(), width), first.values);
        Matrix {
            values: values.unwrap_or_else(|_| Array2::zeros((0, width))),
            docks: first.docks,
            usual_full: first.usual_full,
            queue_full: first.queue_full,
            days: first.days,
        }
    }

    fn part(self, rows: &[(usize, usize)]) -> Part {
        let mut part = Part::default();
        part.values.reserve(rows.len() * columns().len());
        let mut queues = Queues::new(self.flows, self.diversion);
        for &(place, reading) in rows {
            let Some(past) = self.history.stations()[place].past(reading) else { continue };
            let context = Context::new(past, self.target, self.table.get(place, reading));
            part.values.extend(state::values(&context));
            part.values.extend(calendar::values(&context));
            part.values.extend(usual::values(&context));
            part.values.extend(memory::values(&context));
            let docks_then = queues.docks_then(self.history, place, &context);
            part.values.extend(queue::values(docks_then));
            part.queue_full.push(docks_then.first().copied().unwrap_or(0.0));
            part.values.extend(Neighbours::values(self.history, self.table, place, &context));
            part.docks.push(past.docks());
            part.usual_full.push(context.usual.full_then);
            part.days.push(context.origin.day);
        }
        part
    }
}

/// Some rows of a matrix, the values row by row.
#[derive(Default)]
struct Part {
    values: Vec<f64>,
    docks: Vec<u32>,
    usual_full: Vec<f64>,
    queue_full: Vec<f64>,
    days: Vec<i32>,
}

impl Part {
    fn append(&mut self, mut other: Self) {
        self.values.append(&mut other.values);
        self.docks.append(&mut other.docks);
        self.usual_full.append(&mut other.usual_full);
        self.queue_full.append(&mut other.queue_full);
        self.days.append(&mut other.days);
    }
}

/// `ln(p / (1 - p))`, with `p` cut to 0.0001..0.9999.
pub(super) fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-4, 1.0 - 1e-4);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{reading, readings};
    use super::*;
    use crate::station::StationStatus;
    use proptest::prelude::*;

    /// Equal bit by bit: NaN too.
    fn bits(matrix: &Matrix) -> Vec<u64> {
        matrix.values.iter().chain(&matrix.usual_full).chain(&matrix.queue_full).map(|value| value.to_bits()).collect()
    }

    const HOUR: Target = Target { horizon: 3600, tolerance: 1200 };

    #[test]
    fn columns_have_names_of_their_own_and_as_many_as_the_matrix() {
        let mut names: Vec<_> = columns().iter().map(|column| column.name).collect();
        let history = History::new(&[reading("1", 0, 3)]);
        let matrix = Matrix::of(&history, &[(0, 0), (0, 1), (1, 0)], &Rates::default(), &flows(&history), HOUR);
        assert_eq!((matrix.len(), matrix.values.dim()), (1, (1, names.len())));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), columns().len());
    }

    #[test]
    fn values_are_those_of_the_formulas() {
        // 1970-01-01 was New Year; 06:00 UTC is 07:00 in Paris.
        let history = History::new(&readings("1", &[(14_400, 0), (18_000, 4), (21_600, 1)]));
        let matrix = Matrix::of(&history, &[(0, 2)], &Rates::default(), &flows(&history), HOUR);
        let value = |name: &str| {
            let place = columns().iter().position(|column| column.name == name).unwrap();
            matrix.values[(0, place)]
        };
        assert_eq!((value("full_now"), value("at_most_1_dock"), value("free_share")), (0.0, 1.0, 0.05));
        assert_eq!((value("log_docks"), value("log_bikes")), (2f64.ln(), 20f64.ln()));
        assert_eq!((value("capacity"), value("out_of_order"), value("day_off")), (20.0, 0.0, 1.0));
        assert!((value("sin_day") - (std::f64::consts::TAU * 7.0 / 24.0).sin()).abs() < 1e-12);
        assert_eq!((value("change_before"), value("expected_docks")), (-3.0, 2.0));
        assert_eq!(value("logit_full_last_day"), logit(1.0 / 4.0));
        assert_eq!(value("logit_full_last_week"), logit(1.0 / 8.0));
        assert_eq!(value("log_usual_move"), 0.1f64.ln());
        assert_eq!((value("slope"), value("hour"), value("weekday")), (0.5, 7.0, 6.0));
        assert_eq!(value("change_two_before"), 1.0);
        assert!(["docks_yesterday", "near_docks", "electric_share"].iter().all(|name| value(name).is_nan()));
    }

    fn flows(history: &History) -> Flows {
        Flows::fit(history, i64::MAX).0
    }

    /// Readings of two stations, times in minutes, each with a second and a third way that it might have been.
    fn stories() -> impl Strategy<Value = Vec<(u8, i64, u32, Option<u32>)>> {
        prop::collection::vec((0..2u8, 0..6000i64, 0..6u32, prop::option::of(0..20u32)), 2..120)
    }

    proptest! {
        /// The past-only rule: whatever comes after the origin, changed, dropped or added, its features stay the same.
        #[test]
        fn nothing_after_the_origin_touches_its_features(
            rows in stories(), more in stories(), cut in 0..6000i64
        ) {
            let one = |&(station, minute, docks, _): &(u8, i64, u32, Option<u32>)| StationStatus {
                lat: Some(48.85 + 0.001 * f64::from(station)),
                lon: Some(2.35),
                ..reading(&station.to_string(), minute * 60, docks)
            };
            let told: Vec<StationStatus> = rows.iter().map(one).collect();
            let otherwise: Vec<StationStatus> = rows
                .iter()
                .filter_map(|row| if row.1 <= cut { Some(one(row)) } else { row.3.map(|docks| one(&(row.0, row.1, docks, None))) })
                .chain(more.iter().filter(|row| row.1 > cut).map(one))
                .collect();
            let (first, second) = (History::new(&told), History::new(&otherwise));
            // Trained on what lies well before, so that days after training are learned from too.
            let early: Vec<_> =
                HOUR.examples(&first).into_iter().filter(|example| example.time < cut * 30).collect();
            let (flows, daily) = Flows::fit(&first, cut * 30);
            let (_, rates) = Matrix::of_training(&first, &early, None, &daily, HOUR);
            for (place, station) in first.stations().iter().enumerate() {
                for origin in (0..station.len()).filter(|&origin| station.times()[origin] <= cut * 60) {
                    let other_place = second.position(station.code().as_str()).unwrap();
                    prop_assert_eq!(
                        bits(&Matrix::of(&first, &[(place, origin)], &rates, &flows, HOUR)),
                        bits(&Matrix::of(&second, &[(other_place, origin)], &rates, &flows, HOUR))
                    );
                }
            }
        }
    }
}
