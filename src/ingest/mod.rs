//! Part 1: sources of readings.
//!
//! Every source answers with [`Snapshot`]s through the one trait [`Source`]: the live portal ([`Opendatasoft`]), any city's
//! GBFS feed ([`Gbfs`]), a file recorded or exported earlier ([`Recording`]) and a network that is simulated
//! ([`SimulatedNetwork`]). [`Fallback`] asks one live source when another fails. [`Dedupe`] tells which readings were seen
//! before. [`Clock`], [`Stop`] and [`Metrics`] are the time, the end and the numbers of work that goes on for long.
//!
//! Whatever its shape, a record is read by one reader: a field may be missing, null, new or of another kind, and the rest goes
//! on; what changed is told once, as a [`Note`].

mod clock;
mod compact;
mod dedupe;
mod drift;
mod fallback;
mod gbfs;
mod http;
mod metrics;
mod opendatasoft;
mod record;
mod recording;
mod simulate;
mod snapshot;
mod stop;

pub use clock::{Clock, SystemClock, VirtualClock};
pub(crate) use compact::{Compact, Site, Sites};
pub use dedupe::{Dedupe, REMEMBERED_PER_STATION};
pub use drift::Note;
pub use fallback::Fallback;
pub use gbfs::{Gbfs, VELIB_GBFS, decode_gbfs};
pub use http::{Http, HttpSettings};
pub use metrics::{Counter, Gauge, Metrics};
pub use opendatasoft::{Api, DATASET, Opendatasoft, decode_document, decode_record, get_station, get_velib_data};
#[cfg(feature = "spark")]
pub(crate) use record::{Field, Slot};
pub(crate) use recording::read_compact;
pub use recording::{FilesRead, Recording, Replay, read_each};
#[cfg(feature = "spark")]
pub(crate) use recording::{header, slots, suffice};
pub use simulate::{Closure, Profile, Rates, SimulatedNetwork, SimulatedStation, SimulationConfig};
pub use snapshot::{SetAside, SetAsideFile, Snapshot, Source};
pub use stop::Stop;
