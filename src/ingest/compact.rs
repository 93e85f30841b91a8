//! Readings in few bytes, for work on millions of them: what changes from one to the next, and by number what does not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::station::{State, StationCode, StationStatus};

/// A reading without what it says of the station itself, which is the [`Site`] of this number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compact {
    pub(crate) site: u32,
    pub(crate) fetched_at: DateTime<Utc>,
    pub(crate) last_reported: DateTime<Utc>,
    pub(crate) state: State,
}

/// What a reading says of the station itself. A station that is renamed or moved has several.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) code: StationCode,
    /// One number for all sites of the station.
    pub(crate) station: u32,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) commune: Option<Arc<str>>,
    pub(crate) lat: Option<f64>,
    pub(crate) lon: Option<f64>,
}

/// Each different site once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sites {
    sites: Vec<Site>,
    numbers: HashMap<Key, u32>,
    stations: HashMap<StationCode, u32>,
    /// Each different text once, so that the sites of several files share them.
    texts: HashSet<Arc<str>>,
}

/// A site as something to look up: degrees by their bits.
type Key = (StationCode, Option<Arc<str>>, Option<Arc<str>>, Option<u64>, Option<u64>);

impl Sites {
    /// The reading in few bytes; its site is known from now on.
    pub(crate) fn compact(&mut self, reading: &StationStatus) -> Compact {
        let StationStatus { station_code, name, commune, lat, lon, .. } = reading;
        Compact {
            site: self.number(station_code, name.as_ref(), commune.as_ref(), *lat, *lon),
            fetched_at: reading.fetched_at,
            last_reported: reading.last_reported,
            state: reading.state(),
        }
    }

    /// The number here of a site that is one of others.
    pub(crate) fn adopt(&mut self, site: &Site) -> u32 {
        self.number(&site.code, site.name.as_ref(), site.commune.as_ref(), site.lat, site.lon)
    }

    fn number(
        &mut self,
        code: &StationCode,
        name: Option<&Arc<str>>,
        commune: Option<&Arc<str>>,
        lat: Option<f64>,
        lon: Option<f64>,
    ) -> u32 {
        let [name, commune] = [name, commune].map(|text| text.map(|text| self.shared(text)));
        let key = (code.clone(), name, commune, lat.map(f64::to_bits), lon.map(f64::to_bits));
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let next = self.stations.len() as u32;
        let station = *self.stations.entry(code.clone()).or_insert(next);
        let number = self.sites.len() as u32;
        let (name, commune) = (key.1.clone(), key.2.clone());
        self.sites.push(Site { code: code.clone(), station, name, commune, lat, lon });
        self.numbers.insert(key, number);
        number
    }

    fn shared(&mut self, text: &Arc<str>) -> Arc<str> {
        let known = self.texts.get(text).cloned();
        known.unwrap_or_else(|| {
            self.texts.insert(text.clone());
            text.clone()
        })
    }

    /// The whole reading; `None` if its site is not one of these.
    pub(crate) fn reading(&self, compact: &Compact) -> Option<StationStatus> {
        let site = self.sites.get(compact.site as usize)?;
        let State {
            is_installed,
            is_renting,
            is_returning,
            capacity,
            docks_available,
            bikes_available,
            mechanical,
            ebike,
        } = compact.state;
        Some(StationStatus {
            fetched_at: compact.fetched_at,
            station_code: site.code.clone(),
            name: site.name.clone(),
            is_installed,
            capacity,
            docks_available,
            bikes_available,
            mechanical,
            ebike,
            is_renting,
            is_returning,
            last_reported: compact.last_reported,
            lat: site.lat,
            lon: site.lon,
            commune: site.commune.clone(),
        })
    }

    /// The sites, by their numbers.
    pub(crate) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The number of a station, if it has a site.
    pub(crate) fn station(&self, code: &StationCode) -> Option<u32> {
        self.stations.get(code).copied()
    }
}
