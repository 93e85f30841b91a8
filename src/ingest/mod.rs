//! Part 1: sources of readings.
//!
//! Every source answers with [`Snapshot`]s through the one trait [`Source`]: the live portal ([`Opendatasoft`]), a file
//! recorded earlier ([`Recording`]) and a network that is simulated ([`SimulatedNetwork`]). [`Dedupe`] tells which
//! readings were seen before. [`Clock`], [`Stop`] and [`Metrics`] are the time, the end and the numbers of
//! work that goes on for long.

mod clock;
mod dedupe;
mod http;
mod metrics;
mod opendatasoft;
mod recording;
mod simulate;
mod snapshot;
mod stop;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use dedupe::{Dedupe, REMEMBERED_PER_STATION};
pub use http::{Http, HttpSettings};
pub use metrics::{Counter, Gauge, Metrics};
pub use opendatasoft::{Api, DATASET, Opendatasoft, decode_records, get_station, get_velib_data};
pub use recording::{Recording, Replay};
pub use simulate::{Closure, Profile, Rates, SimulatedNetwork, SimulatedStation, SimulationConfig};
pub use snapshot::{SetAside, SetAsideFile, Snapshot, Source};
pub use stop::Stop;
