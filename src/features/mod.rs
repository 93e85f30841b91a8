//! Part 4: from the history of stations to a design matrix that knows only the past, and its label.
//!
//! - [`History`]: what each station reported, by event time; features see no further than the origin.
//! - [`Target`], [`Example`]: the origins that have a label; the only code that looks forward.
//! - [`Rates`]: what is usual at a station, fitted on training rows.
//! - [`Flows`], [`Transient`]: the station as a queue: how bikes come and go, and where that leads.
//! - [`Matrix`]: the features, one column for each of [`columns`].

mod calendar;
mod history;
mod label;
mod matrix;
mod memory;
mod neighbours;
mod queue;
mod rates;
mod state;
#[cfg(test)]
pub(crate) mod testing;
mod usual;

pub(crate) use calendar::local_day_and_hour;
pub use history::{History, Past, StationHistory};
pub use label::{Example, Target};
pub use matrix::{Column, FEATURES_VERSION, Matrix, columns};
pub(crate) use queue::docks_after;
pub use queue::{DailyFlows, Flows, Leg, StationFlows, Transient, docks_at_target, transient};
pub use rates::Rates;
