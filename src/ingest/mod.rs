//! Part 1: sources of readings.
//!
//! Every source answers with [`Snapshot`]s through the one trait [`Source`].

mod clock;
mod dedupe;
mod http;
mod opendatasoft;
mod snapshot;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use dedupe::{Dedupe, REMEMBERED_PER_STATION};
pub use http::{Http, HttpSettings};
pub use opendatasoft::{Api, DATASET, Opendatasoft, get_station, get_velib_data};
pub use snapshot::{SetAside, SetAsideFile, Snapshot, Source};
