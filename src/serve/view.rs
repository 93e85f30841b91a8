//! What is shown: every station and zone as the newest windows have them, and the network as a whole.
//!
//! Stations do not report at the same time, and a source that is polled once an hour fills a window in six: the newest
//! window of the network holds a few stations, and the one before the others. So each station is shown by its own newest
//! window, and a zone by those of its stations, until one has been silent for too long.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::network::{Network, newest};
use super::settings::ServeSettings;
use crate::station::StationCode;
use crate::streaming::{Station, StationWindow, Window, ZoneWindow, Zones};

/// Everything that the page shows at first: one event of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// How fresh it is, and the totals.
    pub network: Network,
    /// The stations, by code.
    pub stations: Vec<StationNow>,
    /// The zones.
    #[serde(flatten)]
    pub zoned: Zoned<ZoneNow>,
}

/// All stations, as `/api/stations` has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stations {
    /// The newest event time of them all.
    pub newest: Option<DateTime<Utc>>,
    /// The stations, by code.
    pub stations: Vec<StationNow>,
}

/// The network's zones; `/api/zones` shows them as [`ZoneStatistics`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zoned<Z> {
    /// How the network is divided, as [`Zones`] are written.
    pub kind: String,
    /// The zones, by name.
    pub zones: Vec<Z>,
    /// How many stations stand outside of all zones.
    pub outside: u64,
    /// How many stations stand where the zone is not known.
    pub unknown: u64,
}

/// A station as it was last known to be in its newest window. What is not known, or not true any more because the station is silent, is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationNow {
    /// The station.
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// Its zone.
    pub zone: Option<String>,
    /// Latitude, degrees north (WGS 84). The feed's (0, 0) is no place.
    pub lat: Option<f64>,
    /// Longitude, degrees east (WGS 84).
    pub lon: Option<f64>,
    /// Number of docks, as last reported.
    pub capacity: Option<u32>,
    /// Whether it is heard of, and open.
    pub state: StationState,
    /// Event time of its newest reading.
    pub last_reported: DateTime<Utc>,
    /// When that reading was fetched.
    pub fetched_at: DateTime<Utc>,
    /// The window that what is below was last known in; silent stations have none.
    pub window: Option<Window>,
    /// Mechanical bikes.
    pub mechanical: Option<f64>,
    /// Electric bikes.
    pub ebike: Option<f64>,
    /// Free docks.
    pub docks: Option<f64>,
    /// Bikes per dock.
    pub occupancy: Option<f64>,
}

/// What is known of a station's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StationState {
    /// It reported, and not only while it was closed.
    Open,
    /// Whatever it reported in its newest window, it was closed.
    Closed,
    /// Nothing was heard of it for too long.
    Silent,
}

/// A zone as the newest windows of its stations have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneNow {
    /// The zone.
    pub zone: String,
    /// How many of its stations are fresh: not silent; closed ones included.
    pub stations: u64,
    /// How many stations the zone is known to have.
    pub expected: u64,
    /// What the open ones hold.
    #[serde(flatten)]
    pub sums: Sums,
}

/// A zone now, and as the store has it by windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatistics {
    /// The zone now.
    #[serde(flatten)]
    pub now: ZoneNow,
    /// The statistics of the newest window in which one of its stations reported, which may still be coming in; `null` if
    /// all are silent.
    pub latest: Option<ZoneWindow>,
}

/// One station, and what the store holds of its last day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationDay {
    /// The station now.
    pub station: StationNow,
    /// When the day begins.
    pub from: DateTime<Utc>,
    /// When it ends: the newest event time of the network.
    pub until: DateTime<Utc>,
    /// The station's windows that begin in it, by time.
    pub windows: Vec<StationWindow>,
}

/// What stations hold together: the sums of what was last known of them. A quantity that no station knows is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Docks.
    pub capacity: Option<f64>,
    /// Mechanical bikes.
    pub mechanical: Option<f64>,
    /// Electric bikes.
    pub ebike: Option<f64>,
    /// Free docks.
    pub docks: Option<f64>,
    /// Bikes per dock: the mean of the stations, each weighted by its capacity.
    pub occupancy: Option<f64>,
}

impl Sums {
    /// The sums over those of the stations that are open.
    pub(super) fn of<'a>(stations: impl IntoIterator<Item = &'a StationNow>) -> Self {
        let (mut sums, mut bikes, mut weight) = (Self::default(), 0.0, 0.0);
        for station in stations.into_iter().filter(|station| station.state == StationState::Open) {
            let capacity = station.capacity.map(f64::from);
            for (sum, value) in [
                (&mut sums.capacity, capacity),
                (&mut sums.mechanical, station.mechanical),
                (&mut sums.ebike, station.ebike),
                (&mut sums.docks, station.docks),
            ] {
                if let Some(value) = value {
                    *sum.get_or_insert(0.0) += value;
                }
            }
            if let (Some(occupancy), Some(capacity)) = (station.occupancy, capacity) {
                bikes += occupancy * capacity;
                weight += capacity;
            }
        }
        sums.occupancy = (weight > 0.0).then(|| bikes / weight);
        sums
    }
}

impl StationNow {
    fn of(station: &Station, zone: Option<String>, window: Option<&StationWindow>) -> Self {
        let place = station.place();
        let state = match window {
            None => StationState::Silent,
            Some(window) if window.statistics.readings > window.statistics.closed => StationState::Open,
            Some(_) => StationState::Closed,
        };
        let quantities = window.map(|window| &window.statistics.quantities);
        Self {
            station_code: station.code.clone(),
            name: station.name.clone(),
            zone,
            lat: place.map(|(lat, _)| lat),
            lon: place.map(|(_, lon)| lon),
            capacity: station.capacity,
            state,
            last_reported: station.last_reported,
            fetched_at: station.fetched_at,
            window: window.map(|window| window.window),
            mechanical: quantities.and_then(|q| q.mechanical.last),
            ebike: quantities.and_then(|q| q.ebike.last),
            docks: quantities.and_then(|q| q.docks.last),
            occupancy: quantities.and_then(|q| q.occupancy.last),
        }
    }
}

impl View {
    /// What is shown of these stations, at `now`, by the newest window that is known of each.
    pub(super) fn of(
        stations: &[Station],
        windows: &HashMap<StationCode, StationWindow>,
        zones: &Zones,
        settings: &ServeSettings,
        now: DateTime<Utc>,
    ) -> Self {
        let heard_since = newest(stations).and_then(|newest| newest.checked_sub_signed(settings.silent_after));
        let division = zones.divide(stations);
        let mut zone_of = HashMap::new();
        for (zone, codes) in &division.zones {
            zone_of.extend(codes.iter().map(|code| (code, zone)));
        }
        let shown = stations.iter().map(|station| {
            let window = windows.get(&station.code).filter(|_| Some(station.clock) >= heard_since);
            StationNow::of(station, zone_of.get(&station.code).map(|&zone| zone.clone()), window)
        });
        let shown: Vec<StationNow> = shown.collect();
        let mut members: BTreeMap<&str, Vec<&StationNow>> = BTreeMap::new();
        for station in &shown {
            if let Some(zone) = &station.zone {
                members.entry(zone).or_default().push(station);
            }
        }
        let zones_now = members.iter().map(|(zone, stations)| ZoneNow {
            zone: (*zone).to_owned(),
            stations: stations.iter().filter(|station| station.state != StationState::Silent).count() as u64,
            expected: stations.len() as u64,
            sums: Sums::of(stations.iter().copied()),
        });
        let zoned = Zoned {
            kind: zones.as_str().to_owned(),
            zones: zones_now.collect(),
            outside: division.outside.len() as u64,
            unknown: division.unknown.len() as u64,
        };
        Self { network: Network::of(stations, &shown, settings, now), stations: shown, zoned }
    }
}

impl Zoned<ZoneNow> {
    /// The same zones, each with its newest window.
    pub(super) fn with_latest(&self, latest: &HashMap<String, ZoneWindow>) -> Zoned<ZoneStatistics> {
        let zones = self.zones.iter().map(|zone| {
            let latest = latest.get(&zone.zone).filter(|_| zone.stations > 0);
            ZoneStatistics { now: zone.clone(), latest: latest.cloned() }
        });
        Zoned { kind: self.kind.clone(), zones: zones.collect(), outside: self.outside, unknown: self.unknown }
    }
}
