//! The live page: what the streaming statistics say now, in a browser and as JSON.
//!
//! [`Server::start`] reads a [`Store`](crate::streaming::Store) that an engine, here or in another program, keeps writing
//! to, and shows it at `http://ADDRESS/`: a map of the stations, the zones, a station's last day, and how old all of it is.
//! The page changes by itself; the same numbers stand under `/api`, described in `/api/openapi.json`.
//!
//! | path | what it answers with |
//! |---|---|
//! | `/` | the page; it needs nothing from elsewhere |
//! | `/api/network` | how fresh the statistics are, and the network's totals |
//! | `/api/stations` | every station, as it was last known to be |
//! | `/api/stations/{code}` | one station, and all its windows of the last day |
//! | `/api/zones` | every zone: what its stations say now, and the statistics of its newest window |
//! | `/api/events` | server-sent events: all of the above (without windows) at once, then again after each change |
//! | `/api/openapi.json` | these answers, described (OpenAPI 3.1) |
//! | `/health` | `ok`, while the store can be read |
//!
//! [`MetricsServer`] is a server of its own, with a run's numbers for Prometheus at `/metrics`.
//!
//! Nobody can change anything here: only `GET` and `HEAD` are answered. Nor can anybody make the server hold memory without
//! bound: connections, event streams, waiting questions, headers and codes are counted or measured, and who is slow is not
//! waited for. A bare port means this computer only ([`ServeAddress`]).
//!
//! ```
//! use velib::serve::{ServeAddress, ServeSettings, Server};
//! use velib::streaming::{SqliteStore, Zones};
//!
//! let address: ServeAddress = "127.0.0.1:0".parse()?; // any free port
//! let store = Box::new(SqliteStore::in_memory()?); // of an engine: StoreUrl::open
//! let server = Server::start(address, store, Zones::open("commune")?, ServeSettings::default())?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! # Ok::<(), velib::Error>(())
//! ```

mod address;
mod events;
mod limits;
mod listening;
mod metrics;
mod network;
mod published;
mod reader;
mod routes;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use address::ServeAddress;
pub use metrics::MetricsServer;
pub use network::{Network, StationCounts};
pub use server::Server;
pub use settings::ServeSettings;
pub use view::{StationDay, StationNow, StationState, Stations, View, ZoneNow, ZoneStatistics, Zoned};
