//! The portal that publishes Vélib' in real time, through either of its two interfaces.
//!
//! Explore v2.1 is the present one: the whole data set comes in one request (`exports/json`). Its pages (`records`) are
//! asked only in the order of the station codes, because pages without an order lose stations in silence. Search v1.0
//! is deprecated but still answered, and gives up to 10,000 rows at once. Each poll also asks how many stations there
//! are, and a poll that comes short is made again through the pages before it is believed.

mod decode;
mod explore;
mod search;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::drift::Drift;
use super::record::Texts;
use super::{Http, Note, Snapshot, Source};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::{StationCode, StationStatus};

pub(super) use decode::{EXPECTED, Portal, document, record};
pub use decode::{decode_document, decode_record};

/// The data set's name on the portal.
pub const DATASET: &str = "velib-disponibilite-en-temps-reel";

/// The portal's two interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Explore v2.1, at `https://opendata.paris.fr` unless told otherwise.
    #[default]
    V2_1,
    /// Search v1.0, at `https://data.opendatasoft.com` unless told otherwise. Deprecated.
    V1_0,
}

impl Api {
    /// Where the interface is served.
    pub fn default_endpoint(self) -> &'static str {
        match self {
            Self::V2_1 => "https://opendata.paris.fr",
            Self::V1_0 => "https://data.opendatasoft.com",
        }
    }
}

impl FromStr for Api {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "v2.1" => Ok(Self::V2_1),
            "v1.0" => Ok(Self::V1_0),
            _ => Err(Error::usage("--api", format!("`{name}` is not an interface of the portal"))
                .way_out("write v2.1 or v1.0")),
        }
    }
}

/// The live feed.
#[derive(Clone)]
pub struct Opendatasoft {
    http: Http,
    api: Api,
    endpoint: String,
    drift: Arc<Mutex<Drift>>,
}

impl Opendatasoft {
    /// The portal through `api`, at the address where it is published.
    pub fn new(api: Api) -> Result<Self> {
        let (http, drift) = (Http::shared()?, Arc::default());
        Ok(Self { http, api, endpoint: api.default_endpoint().into(), drift })
    }

    /// The same interface at another base address, `http://HOST:PORT`, to which it adds its own path.
    pub fn with_endpoint(mut self, endpoint: &str) -> Result<Self> {
        let endpoint = endpoint.trim_end_matches('/');
        match reqwest::Url::parse(endpoint) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => self.endpoint = endpoint.into(),
            _ => {
                let message = format!("`{endpoint}` is not the base address of a portal");
                return Err(Error::usage("--endpoint", message).way_out("write http://HOST:PORT or https://HOST"));
            }
        }
        Ok(self)
    }

    /// The same feed through another client.
    #[must_use]
    pub fn with_http(mut self, http: Http) -> Self {
        self.http = http;
        self
    }

    /// Every station as it is now, with the portal's own count beside it.
    pub fn snapshot(&self) -> Result<Snapshot> {
        match self.api {
            Api::V1_0 => self.rows(search::MOST_ROWS),
            Api::V2_1 => {
                let counted = self.page(0, 1, None)?.counted;
                let whole = self.export(counted);
                // A record that cannot be read would be no better on a page; one that is missing may be there.
                let is_all_here = |whole: &Snapshot| {
                    counted.is_none_or(|counted| (whole.distinct() + whole.set_aside.len()) as u64 >= counted)
                };
                if whole.as_ref().is_ok_and(is_all_here) {
                    return whole;
                }
                // Cut short or refused: the pages are the second way to the same records.
                match (whole, self.pages(usize::MAX)) {
                    (Ok(whole), Ok(paged)) => Ok(if paged.distinct() < whole.distinct() { whole } else { paged }),
                    (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(only),
                    (Err(error), Err(_)) => Err(error),
                }
            }
        }
    }

    /// The first `nrows` stations (with v2.1 in the order of their codes), and how many the portal counts in all.
    pub fn rows(&self, nrows: usize) -> Result<Snapshot> {
        match self.api {
            Api::V2_1 => self.pages(nrows),
            Api::V1_0 => {
                let snapshot = self.page(0, nrows.min(search::MOST_ROWS), None)?;
                self.close();
                Ok(snapshot)
            }
        }
    }

    /// One station as it is now; an unknown code is an error.
    pub fn station(&self, code: &StationCode) -> Result<StationStatus> {
        let mut snapshot = self.page(0, 1, Some(code))?;
        if let Some(reading) = snapshot.readings.pop() {
            return Ok(reading);
        }
        let error = match snapshot.set_aside.pop() {
            Some(spoilt) => Error::new(ErrorKind::Feed, format!("{}: {}", spoilt.reason, spoilt.raw)),
            None => Error::new(ErrorKind::Data, "the portal knows no such station")
                .way_out("station codes are listed by `part1_fetch --rows 2000`"),
        };
        Err(error.at(Place::Station(code.to_string())))
    }

    fn export(&self, counted: Option<u64>) -> Result<Snapshot> {
        let snapshot = self.fetch(&explore::export_url(&self.endpoint), false)?;
        self.close();
        Ok(Snapshot { counted, ..snapshot })
    }

    fn pages(&self, nrows: usize) -> Result<Snapshot> {
        let mut whole = Snapshot { fetched_at: self.now(), readings: vec![], counted: None, set_aside: vec![] };
        let mut offset = 0;
        while offset < nrows.min(explore::MOST_ROWS) {
            let page = self.page(offset, (nrows - offset).min(explore::MOST_ROWS_A_PAGE), None)?;
            let records = page.readings.len() + page.set_aside.len();
            whole.fetched_at = page.fetched_at;
            whole.counted = page.counted;
            whole.readings.extend(page.readings);
            whole.set_aside.extend(page.set_aside);
            offset += records;
            if records == 0 || page.counted.is_none_or(|counted| offset as u64 >= counted) {
                break;
            }
        }
        // The clock of one poll is one: the moment when its last page had come.
        for reading in &mut whole.readings {
            reading.fetched_at = whole.fetched_at;
        }
        self.close();
        Ok(whole)
    }

    fn page(&self, offset: usize, limit: usize, station: Option<&StationCode>) -> Result<Snapshot> {
        let url = match self.api {
            Api::V2_1 => explore::page_url(&self.endpoint, offset, limit, station),
            Api::V1_0 => search::page_url(&self.endpoint, offset, limit, station),
        };
        self.fetch(&url, true)
    }

    /// A document, which must say how many records the portal counts if it `is_page`.
    fn fetch(&self, url: &str, is_page: bool) -> Result<Snapshot> {
        let place = Place::Url(url.into());
        let (snapshot, drift) = self.http.get(url, |body| {
            let mut drift = Drift::default();
            let read = document(body, Some(self.now()), &place, &mut Texts::default(), &mut drift);
            match read? {
                snapshot if is_page && snapshot.counted.is_none() => Err("it counts no records".to_owned()),
                snapshot => Ok((snapshot, drift)),
            }
        })?;
        self.drift().absorb(drift);
        Ok(snapshot)
    }

    /// Ends what is noticed of one snapshot.
    fn close(&self) {
        self.drift().close(&Place::Url(self.endpoint.clone()), &EXPECTED);
    }

    fn drift(&self) -> std::sync::MutexGuard<'_, Drift> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of arrival in whole seconds, as every recording keeps it.
    fn now(&self) -> DateTime<Utc> {
        let now = self.http.clock().now();
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }
}

impl Source for Opendatasoft {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        self.snapshot().map(Some)
    }

    fn describe(&self) -> String {
        format!("the live feed of {} ({})", self.endpoint, if self.api == Api::V2_1 { "v2.1" } else { "v1.0" })
    }

    fn notes(&mut self) -> Vec<Note> {
        self.drift().take()
    }
}

/// The first `nrows` stations of Vélib' as they are now: the assignment's own function, with its live portal.
///
/// ```no_run
/// for station in velib::ingest::get_velib_data(5)? {
///     println!("{} {:?}", station.station_code, station.docks_available);
/// }
/// # Ok::<(), velib::Error>(())
/// ```
pub fn get_velib_data(nrows: usize) -> Result<Vec<StationStatus>> {
    Ok(Opendatasoft::new(Api::default())?.rows(nrows)?.readings)
}

/// One station of Vélib' as it is now, as a map from the portal's field names to values.
pub fn get_station(code: &StationCode) -> Result<BTreeMap<String, Value>> {
    Ok(Opendatasoft::new(Api::default())?.station(code)?.to_map())
}
