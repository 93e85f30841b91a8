//! Any city's bike share that publishes GBFS, of the versions 1, 2 and 3, and Vélib's dialect of it.
//!
//! Three documents make a snapshot: the discovery (`gbfs.json`) names the others, `station_information` says what a station
//! is, `station_status` how it is now. What a station is changes rarely, so it is fetched again only when its `ttl` is over or
//! the status speaks of a station that it does not know.

mod decode;
mod documents;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;

use super::drift::Drift;
use super::{Http, Note, Snapshot, Source};
use crate::error::{Error, ErrorKind, Place, Result};
use decode::{Known, Status};
use documents::{Feeds, Information, VehicleTypes};

pub use decode::decode_gbfs;

/// Where Vélib' Métropole publishes its own GBFS feed.
pub const VELIB_GBFS: &str = "https://velib-metropole-opendata.smovengo.cloud/opendata/Velib_Metropole/gbfs.json";

/// How long what is known goes on when it could not be fetched anew.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// A GBFS feed.
///
/// **The station's code** is the feed's `stationCode` where it has one, as Vélib' does: the same code as the portal's
/// `stationcode`. Any other feed's is the `station_id`, by which every tool that reads GBFS knows a station. (`short_name` may
/// be missing or stand at two stations.)
///
/// **How many stations there are**: as many as `station_status` names; if those are less than nine tenths of the stations in
/// `station_information`, as many as that names, and the poll came short. A station that never reported (`last_reported` is 0
/// or some days after 1970) has no reading and is not counted.
///
/// **Bikes by kind**: Vélib's `[{"mechanical": 3}, {"ebike": 1}]`, or `vehicle_types_available` with the feed
/// `vehicle_types`, in which `human` is mechanical, `electric_assist` and `electric` are electric.
pub struct Gbfs {
    http: Http,
    url: String,
    feeds: Option<Feeds>,
    known: Option<Known>,
    only_codes: bool,
    drift: Drift,
    notes: Vec<Note>,
}

impl Gbfs {
    /// The feed whose discovery document is at `url`, `https://HOST/.../gbfs.json`.
    pub fn new(url: &str) -> Result<Self> {
        match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {}
            _ => {
                return Err(Error::usage("--endpoint", format!("`{url}` is not the address of a GBFS feed"))
                    .way_out("write https://HOST/.../gbfs.json"));
            }
        }
        let (http, drift) = (Http::shared()?, Drift::default());
        Ok(Self { http, url: url.to_owned(), feeds: None, known: None, only_codes: false, drift, notes: Vec::new() })
    }

    /// The same feed through another client.
    #[must_use]
    pub fn with_http(mut self, http: Http) -> Self {
        self.http = http;
        self
    }

    /// The same feed, which sets a station aside that has no `stationCode` instead of taking its `station_id`: for a feed that
    /// stands in for the portal, where a station under another code would be another station.
    #[must_use]
    pub fn with_codes(mut self) -> Self {
        self.only_codes = true;
        self
    }

    /// Every station as it is now.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let feeds = self.feeds()?;
        let is_fresh = self.refresh(&feeds)?;
        let place = Place::Url(feeds.status.clone());
        let status = self.http.get(&feeds.status, Status::read).inspect_err(|_| self.feeds = None)?;
        if !is_fresh && self.known.as_ref().is_none_or(|known| !known.covers(&status)) {
            if let Some(known) = &mut self.known {
                known.good_until = DateTime::<Utc>::MIN_UTC;
            }
            self.refresh(&feeds)?;
        }
        let fetched_at = self.http.clock().now();
        let fetched_at = DateTime::from_timestamp(fetched_at.timestamp(), 0).unwrap_or(fetched_at);
        let Some(known) = &mut self.known else {
            return Err(Error::new(ErrorKind::Feed, "what the stations are is not known").at(place));
        };
        if !known.is_outdated {
            known.remember_unknown(&status);
        }
        Ok(known.snapshot(status, fetched_at, &place, &mut self.drift))
    }

    /// Where the documents are: asked once, and again after one of them could not be had.
    fn feeds(&mut self) -> Result<Feeds> {
        if let Some(feeds) = &self.feeds {
            return Ok(feeds.clone());
        }
        let base = Url::parse(&self.url).map_err(|error| Error::new(ErrorKind::Network, error))?;
        let feeds = self.http.get(&self.url, |body| Feeds::read(body, &base))?;
        Ok(self.feeds.insert(feeds).clone())
    }

    /// Fetches what the stations are, if its time is over; whether it did. If that fails, what is known goes on.
    fn refresh(&mut self, feeds: &Feeds) -> Result<bool> {
        let now = self.http.clock().now();
        if self.known.as_ref().is_some_and(|known| now < known.good_until) {
            return Ok(false);
        }
        match self.fetch_known(feeds, now) {
            Ok(known) => self.known = Some(known),
            Err(error) if self.known.is_none() => {
                self.feeds = None;
                return Err(error);
            }
            Err(error) => {
                // Not asked again at once, and then where it may stand by now.
                self.feeds = None;
                if let Some(known) = &mut self.known {
                    known.good_until = now + ASK_AGAIN;
                    known.is_outdated = true;
                }
                let why = format!("{error}; what was known of the stations goes on");
                self.notes.push(Note::Trouble { source: self.describe(), why });
            }
        }
        Ok(true)
    }

    fn fetch_known(&mut self, feeds: &Feeds, now: DateTime<Utc>) -> Result<Known> {
        let information = self.http.get(&feeds.information, Information::read)?;
        self.drift.saw_names(&information.new_names());
        let types = match &feeds.vehicle_types {
            Some(url) => self.http.get(url, VehicleTypes::read)?,
            None => VehicleTypes::default(),
        };
        let ttl = Duration::from_secs(information.ttl.clamp(60, 86_400));
        Ok(Known::new(information, types, self.only_codes, now + ttl))
    }
}

impl Source for Gbfs {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        self.snapshot().map(Some)
    }

    fn describe(&self) -> String {
        format!("the live feed of {} (GBFS)", self.url)
    }

    fn notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.append(&mut self.drift.take());
        notes
    }
}
