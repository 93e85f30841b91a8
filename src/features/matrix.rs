//! The design matrix: one row for each origin, one named column for each feature, from the past alone.
//!
//! A row is made from a [`Past`], which ends at its origin, and from [`Rates`] that were fitted on training rows.

use ndarray::Array2;
use serde::Serialize;

use super::calendar::{self, LocalTime};
use super::history::{History, Past};
use super::label::{Example, Target};
use super::rates::{Rates, Usual};
use super::{memory, state, usual};

/// The version of the features: it rises when a column is added or dropped, or when its formula changes, so that a saved
/// model meets no column it does not know.
pub const FEATURES_VERSION: u32 = 1;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How it is computed. `logit(p) = ln(p / (1 - p))` with `p` cut to 0.0001..0.9999.
    pub formula: &'static str,
}

/// All that one row is made from.
pub(super) struct Context<'a> {
    pub(super) past: Past<'a>,
    pub(super) origin: LocalTime,
    pub(super) usual: Usual,
    pub(super) target: Target,
}

/// The features of some origins.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// One row for each origin, the columns those of [`columns`].
    pub values: Array2<f64>,
    /// Free docks at each origin.
    pub docks: Vec<u32>,
    /// How often the station of each origin is full in the block of two hours and the kind of day that its target lies
    /// in, by the training rows; in 0 to 1.
    pub usual_full: Vec<f64>,
}

/// The columns of a [`Matrix`], in their order.
pub fn columns() -> Vec<Column> {
    [&state::COLUMNS[..], &calendar::COLUMNS, &usual::COLUMNS, &memory::COLUMNS].concat()
}

impl Matrix {
    /// The features of training rows, and the rates fitted on them. No row meets its own answer: what is usual at it is
    /// told by other days. `examples` are in the order of station, then time.
    pub fn of_training(history: &History, examples: &[Example], target: Target) -> (Self, Rates) {
        let (rates, usual) = Rates::fit(history, examples, target);
        let rows = examples.iter().zip(usual).map(|(example, usual)| (example.station, example.reading, usual));
        (Self::build(history, rows, target), rates)
    }

    /// The features of the origins (place of the station in the history, place among its readings), with rates that
    /// were fitted before. An origin that does not exist has no row.
    pub fn of(history: &History, origins: &[(usize, usize)], rates: &Rates, target: Target) -> Self {
        let rows = origins.iter().filter_map(|&(station, reading)| {
            let readings = history.stations().get(station)?;
            let &time = readings.times().get(reading)?;
            let usual = rates.usual(readings.code(), LocalTime::at(time), LocalTime::at(time + target.horizon));
            Some((station, reading, usual))
        });
        Self::build(history, rows, target)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.docks.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.docks.is_empty()
    }

    fn build(history: &History, rows: impl Iterator<Item = (usize, usize, Usual)>, target: Target) -> Self {
        let (mut values, mut docks, mut usual_full) = (Vec::new(), Vec::new(), Vec::new());
        for (station, reading, usual) in rows {
            let Some(past) = history.stations()[station].past(reading) else { continue };
            let context = Context { past, origin: LocalTime::at(past.time()), usual, target };
            values.extend(state::values(&context));
            values.extend(calendar::values(&context));
            values.extend(usual::values(&context));
            values.extend(memory::values(&context));
            docks.push(past.docks());
            usual_full.push(usual.full_then);
        }
        let width = state::COLUMNS.len() + calendar::COLUMNS.len() + usual::COLUMNS.len() + memory::COLUMNS.len();
        let values = Array2::from_shape_fn((docks.len(), width), |(row, column)| values[row * width + column]);
        Self { values, docks, usual_full }
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

    const HOUR: Target = Target { horizon: 3600, tolerance: 1200 };

    #[test]
    fn columns_have_names_of_their_own_and_as_many_as_the_matrix() {
        let mut names: Vec<_> = columns().iter().map(|column| column.name).collect();
        let history = History::new(&[reading("1", 0, 3)]);
        let matrix = Matrix::of(&history, &[(0, 0), (0, 1), (1, 0)], &Rates::default(), HOUR);
        assert_eq!((matrix.len(), matrix.values.dim()), (1, (1, names.len())));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), columns().len());
    }

    #[test]
    fn values_are_those_of_the_formulas() {
        // 1970-01-01 was a Thursday; 06:00 UTC is 07:00 in Paris.
        let history = History::new(&readings("1", &[(14_400, 0), (18_000, 4), (21_600, 1)]));
        let matrix = Matrix::of(&history, &[(0, 2)], &Rates::default(), HOUR);
        let value = |name: &str| {
            let place = columns().iter().position(|column| column.name == name).unwrap();
            matrix.values[(0, place)]
        };
        assert_eq!((value("full_now"), value("at_most_1_dock"), value("free_share")), (0.0, 1.0, 0.05));
        assert_eq!((value("log_docks"), value("log_bikes")), (2f64.ln(), 20f64.ln()));
        assert_eq!((value("capacity"), value("out_of_order"), value("weekend")), (20.0, 0.0, 0.0));
        assert!((value("sin_day") - (std::f64::consts::TAU * 7.0 / 24.0).sin()).abs() < 1e-12);
        assert_eq!((value("change_before"), value("expected_docks")), (-3.0, 2.0));
        assert_eq!(value("logit_full_last_day"), logit(1.0 / 4.0));
        assert_eq!(value("logit_full_last_week"), logit(1.0 / 8.0));
        assert_eq!(value("log_usual_move"), 0.1f64.ln());
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
            let one = |&(station, minute, docks, _): &(u8, i64, u32, Option<u32>)| {
                reading(&station.to_string(), minute * 60, docks)
            };
            let told: Vec<StationStatus> = rows.iter().map(one).collect();
            let otherwise: Vec<StationStatus> = rows
                .iter()
                .filter_map(|row| if row.1 <= cut { Some(one(row)) } else { row.3.map(|docks| one(&(row.0, row.1, docks, None))) })
                .chain(more.iter().filter(|row| row.1 > cut).map(one))
                .collect();
            let (first, second) = (History::new(&told), History::new(&otherwise));
            let (_, rates) = Matrix::of_training(&first, &HOUR.examples(&first), HOUR);
            for (place, station) in first.stations().iter().enumerate() {
                for origin in (0..station.len()).filter(|&origin| station.times()[origin] <= cut * 60) {
                    let other_place = second.position(station.code().as_str()).unwrap();
                    prop_assert_eq!(
                        Matrix::of(&first, &[(place, origin)], &rates, HOUR),
                        Matrix::of(&second, &[(other_place, origin)], &rates, HOUR)
                    );
                }
            }
        }
    }
}
