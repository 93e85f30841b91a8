//! What was read last, written out once: everybody who asks gets the same bytes, however many they are.

use std::collections::HashMap;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::network::Network;
use super::settings::ServeSettings;
use super::view::{StationNow, Stations, View, ZoneNow, Zoned};
use crate::error::{Error, ErrorKind, Result};
use crate::streaming::ZoneWindow;

/// One state of the page. Shared, never changed.
#[derive(Debug)]
pub(super) struct Published {
    /// Kept as it is, because its ages grow while nothing else changes.
    pub(super) network: Network,
    /// The answer of `/api/stations`.
    pub(super) stations: Bytes,
    /// The answer of `/api/zones`.
    pub(super) zones: Bytes,
    /// The event that tells a page all of it, without its beginning, which [`event`](Self::event) adds.
    rest_of_event: Bytes,
}

impl Published {
    pub(super) fn new(view: &View, latest: &HashMap<String, ZoneWindow>) -> Result<Self> {
        let zones = json(&view.zoned.with_latest(latest))?;
        let rest_of_event = rest_of_event(view)?;
        let stations = json(&Stations { newest: view.network.newest, stations: view.stations.clone() })?;
        Ok(Self { network: view.network.clone(), stations, zones, rest_of_event })
    }
}

impl Published {
    /// The event that tells a page all of it, in two pieces: the network with its ages as they are at `now`, which grow while
    /// nothing else changes, and what all pages share.
    pub(super) fn event(&self, settings: &ServeSettings, now: DateTime<Utc>) -> Result<[Bytes; 2]> {
        let network = json(&self.network.at(settings, now))?;
        let beginning = [&b"event: view\ndata: {\"network\":"[..], &network[..], &b","[..]].concat();
        Ok([beginning.into(), self.rest_of_event.clone()])
    }
}

pub(super) fn json(answer: &impl Serialize) -> Result<Bytes> {
    let written = serde_json::to_vec(answer);
    written.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Data, format!("the answer is no JSON: {error}")))
}

/// All of an event but what [`Published::event`] puts before it. JSON holds no line break, so it is one `data` line.
fn rest_of_event(view: &View) -> Result<Bytes> {
    #[derive(Serialize)]
    struct Rest<'a> {
        stations: &'a [StationNow],
        #[serde(flatten)]
        zoned: &'a Zoned<ZoneNow>,
    }
    let object = json(&Rest { stations: &view.stations, zoned: &view.zoned })?;
    Ok([object.strip_prefix(b"{").unwrap_or(&object), b"\n\n"].concat().into())
}
