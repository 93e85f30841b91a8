//! The statistics of a window as columns of a table, the same in every database.

use crate::streaming::state::{Quantities, WindowStatistics};
use crate::streaming::stats::Summary;

/// The columns of [`WindowStatistics`], in order. Those of the quantities are named `QUANTITY_STATISTIC`.
pub(super) const STATISTICS: [&str; 38] = [
    "readings",
    "revision",
    "closed",
    "capacity",
    "full_share",
    "empty_share",
    "mechanical_count",
    "mechanical_mean",
    "mechanical_time_weighted_mean",
    "mechanical_min",
    "mechanical_max",
    "mechanical_last",
    "mechanical_rate",
    "mechanical_turnover",
    "ebike_count",
    "ebike_mean",
    "ebike_time_weighted_mean",
    "ebike_min",
    "ebike_max",
    "ebike_last",
    "ebike_rate",
    "ebike_turnover",
    "docks_count",
    "docks_mean",
    "docks_time_weighted_mean",
    "docks_min",
    "docks_max",
    "docks_last",
    "docks_rate",
    "docks_turnover",
    "occupancy_count",
    "occupancy_mean",
    "occupancy_time_weighted_mean",
    "occupancy_min",
    "occupancy_max",
    "occupancy_last",
    "occupancy_rate",
    "occupancy_turnover",
];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// A whole number, never missing.
    Count(u64),
    /// A number that may be unknown.
    Real(Option<f64>),
}

/// The values of [`STATISTICS`].
pub(super) fn numbers(said: &WindowStatistics) -> impl Iterator<Item = Number> {
    use Number::{Count, Real};
    let head = [
        Count(said.readings),
        Count(said.revision),
        Count(said.closed),
        Real(said.capacity),
        Real(said.full),
        Real(said.empty),
    ];
    let of_quantity = |summary: &Summary| {
        let &Summary { count, mean, time_weighted_mean, min, max, last, rate, turnover } = summary;
        [
            Count(count),
            Real(mean),
            Real(time_weighted_mean),
            Real(min),
            Real(max),
            Real(last),
            Real(rate),
            Real(turnover),
        ]
    };
    head.into_iter().chain(said.quantities.each().map(of_quantity).into_iter().flatten())
}

/// A row that can be asked for its columns by number.
pub(super) trait Columns {
    /// What goes wrong when a column is not what it must be.
    type Error;

    /// A whole number.
    fn count(&self, column: usize) -> Result<u64, Self::Error>;

    /// A number that may be unknown.
    fn real(&self, column: usize) -> Result<Option<f64>, Self::Error>;
}

/// The statistics in the columns [`STATISTICS`], which begin at `from`.
pub(super) fn statistics<R: Columns>(row: &R, from: usize) -> Result<WindowStatistics, R::Error> {
    let summary = |from: usize| {
        Ok(Summary {
            count: row.count(from)?,
            mean: row.real(from + 1)?,
            time_weighted_mean: row.real(from + 2)?,
            min: row.real(from + 3)?,
            max: row.real(from + 4)?,
            last: row.real(from + 5)?,
            rate: row.real(from + 6)?,
            turnover: row.real(from + 7)?,
        })
    };
    Ok(WindowStatistics {
        readings: row.count(from)?,
        revision: row.count(from + 1)?,
        closed: row.count(from + 2)?,
        capacity: row.real(from + 3)?,
        full: row.real(from + 4)?,
        empty: row.real(from + 5)?,
        quantities: Quantities::from_each([
            summary(from + 6)?,
            summary(from + 14)?,
            summary(from + 22)?,
            summary(from + 30)?,
        ]),
    })
}
