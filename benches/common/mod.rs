//! The readings that every bench runs on: the simulated network, which anyone has and whose seed fixes every one.

#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(clippy::expect_used, reason = "a bench without its readings must stop")]

use std::time::Duration;

use chrono::TimeDelta;
use criterion::Criterion;
use serde_json::{Value, json};
use velib::StationStatus;
use velib::ingest::{SimulatedNetwork, SimulationConfig, Snapshot, Source};

/// The stations of Vélib' in the recorded history of 2022: the size of a real snapshot.
pub(crate) const VELIB: usize = 1_421;

/// So many days of the simulated network as every example has it: 60 stations, 17,280 readings a day.
pub(crate) fn history(days: i64) -> Vec<StationStatus> {
    network(SimulationConfig { duration: TimeDelta::days(days), ..SimulationConfig::default() }).readings()
}

/// So many days of a simulated network as large as Vélib', polled every quarter of an hour.
pub(crate) fn large_history(days: i64) -> Vec<StationStatus> {
    let (duration, step) = (TimeDelta::days(days), TimeDelta::minutes(15));
    network(SimulationConfig { stations: VELIB, duration, step, ..SimulationConfig::default() }).readings()
}

/// The first poll of a simulated network as large as Vélib'.
pub(crate) fn snapshot() -> Snapshot {
    let mut network = network(SimulationConfig { stations: VELIB, ..SimulationConfig::default() });
    network.poll().ok().flatten().expect("a network's first poll")
}

/// A reading as the portal's v2.1 export has it, reported so much later.
pub(crate) fn record(reading: &StationStatus, later: TimeDelta) -> Value {
    let flag = |flag: Option<bool>| flag.map(|flag| if flag { "OUI" } else { "NON" });
    json!({
        "stationcode": reading.station_code,
        "name": reading.name,
        "is_installed": flag(reading.is_installed),
        "capacity": reading.capacity,
        "numdocksavailable": reading.docks_available,
        "numbikesavailable": reading.bikes_available,
        "mechanical": reading.mechanical,
        "ebike": reading.ebike,
        "is_renting": flag(reading.is_renting),
        "is_returning": flag(reading.is_returning),
        "duedate": (reading.last_reported + later).to_rfc3339(),
        "coordonnees_geo": {"lon": reading.lon, "lat": reading.lat},
        "nom_arrondissement_communes": reading.commune,
        "code_insee_commune": null,
        "station_opening_hours": null,
    })
}

/// Criterion for what takes a good part of a second or more: few samples, so that all benches end within minutes.
pub(crate) fn long() -> Criterion {
    Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1))
}

fn network(config: SimulationConfig) -> SimulatedNetwork {
    SimulatedNetwork::new(config).expect("settings of a network")
}
