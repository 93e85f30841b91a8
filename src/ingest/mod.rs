//! Part 1: sources of readings.
//!
//! Every source answers with [`Snapshot`]s through the one trait [`Source`].

mod clock;
mod dedupe;
mod recording;
mod simulate;
mod snapshot;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use dedupe::{Dedupe, REMEMBERED_PER_STATION};
pub use recording::{Recording, Replay};
pub use simulate::{Closure, Profile, Rates, SimulatedNetwork, SimulatedStation, SimulationConfig};
pub use snapshot::{SetAside, Snapshot, Source};
