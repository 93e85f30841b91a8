//! What was read last, written out once: everybody who asks gets the same bytes, however many they are.

use std::collections::HashMap;

use axum::body::Bytes;
use serde::Serialize;

use super::network::Network;
use super::view::{Stations, View};
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
    /// The event that tells a page all of it.
    pub(super) event: Bytes,
}

impl Published {
    pub(super) fn new(view: &View, latest: &HashMap<String, ZoneWindow>) -> Result<Self> {
        let zones = json(&view.zoned.with_latest(latest))?;
        let event = event(view)?;
        let stations = json(&Stations { newest: view.network.newest, stations: view.stations.clone() })?;
        Ok(Self { network: view.network.clone(), stations, zones, event })
    }
}

pub(super) fn json(answer: &impl Serialize) -> Result<Bytes> {
    let written = serde_json::to_vec(answer);
    written.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Data, format!("the answer is no JSON: {error}")))
}

/// An event of the stream. JSON holds no line break, so it is one `data` line.
fn event(view: &View) -> Result<Bytes> {
    let mut event = b"event: view\ndata: ".to_vec();
    event.extend_from_slice(&json(view)?);
    event.extend_from_slice(b"\n\n");
    Ok(event.into())
}
