//! Bike-share availability: fetch it, stream it, summarise it, forecast it. Shown on Vélib', the bicycles of Paris.
//!
//! Data flows one way through these modules, and a module uses only what stands before it:
//!
//! - [`error`]: one error type: what failed, where, and the way out
//! - [`station`]: [`StationStatus`], one reading of one station, and the rules: open, closed, full, empty, stale
//! - [`ingest`]: sources of readings: the live portal, any GBFS feed, a recording, a simulated network; which were seen before
//! - [`kafka`]: readings to a topic and back, each acknowledged; a broker inside the process where there is none
//! - [`streaming`]: statistics per station and zone by event-time window, kept in a database
//! - [`batch`]: one CSV of everything, and its statistics by DataFrame and by SQL; where riders found no bike or no dock
//! - [`features`]: from history to a design matrix that knows only the past, and the label that looks ahead
//! - [`model`]: baselines, a queue, logistic regression, trees and their blend: split by time, scored beside the base rate with
//!   intervals, saved, and asked for the coming hours
//! - [`report`]: results as JSON and CSV, and figures drawn from those alone
//! - [`serve`]: a page that shows the statistics while they come, and the same as JSON over HTTP
//!
//! With the feature `spark` a real Spark answers the same questions as [`streaming`] and [`batch`]: [`when_to_move`].
//!
//! # Quick start
//!
//! The state of some stations, live ([`ingest::get_velib_data`]):
//!
//! ```no_run
//! for station in velib::ingest::get_velib_data(5)? {
//!     println!("{}: {:?} free docks", station.station_code, station.docks_available);
//! }
//! # Ok::<(), velib::Error>(())
//! ```
//!
//! A forecast without network, from two days of a simulated network:
//!
//! ```
//! use chrono::TimeDelta;
//! use velib::ingest::{SimulatedNetwork, SimulationConfig};
//! use velib::model::{ModelName, TrainSettings, train};
//!
//! let two_days = SimulationConfig { stations: 12, duration: TimeDelta::days(2), ..SimulationConfig::default() };
//! let readings = SimulatedNetwork::new(two_days)?.readings();
//! let settings = TrainSettings { model: Some(ModelName::Calibrated), pooled: true, ..TrainSettings::default() };
//! let training = train(&readings, &settings, &mut |_| ())?;
//! println!("Brier score {:.4} at a base rate of {:.4}", training.test[0].scores.brier, training.test_base_rate);
//! # assert_eq!(training.chosen, ModelName::Calibrated);
//! # Ok::<(), velib::Error>(())
//! ```
//!
//! The examples do each part of the work as a program; `cargo run --example whole_path` does them all.

pub mod batch;
pub mod error;
pub mod features;
pub mod ingest;
pub mod kafka;
pub mod model;
pub mod report;
pub mod serve;
pub mod station;
pub mod streaming;

#[doc = include_str!("../docs/when-to-move.md")]
pub mod when_to_move {}

pub use error::{Error, ErrorKind, Place, Result};
pub use station::{StationCode, StationStatus};
