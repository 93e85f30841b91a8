//! Bike-share availability: fetch it, stream it, summarise it, forecast it.

pub mod batch;
pub mod error;
pub mod features;
pub mod ingest;
pub mod kafka;
pub mod model;
pub mod report;
pub mod station;
pub mod streaming;

pub use error::{Error, ErrorKind, Place, Result};
pub use station::{StationCode, StationStatus};
