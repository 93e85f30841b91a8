//! One HTTP client for every feed: bounded in time and size, patient with a server that is not.
//!
//! What may pass by itself is tried again with a doubling wait: no connection, a time-out, a body cut short, 5xx, 429, a
//! proxy's page instead of JSON. A server that says how long to wait (`Retry-After`, RFC 9110 section 10.2.3) is
//! obeyed. Any other 4xx is the caller's mistake and is final.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect;
use serde::de::DeserializeOwned;

use super::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Place, Result};

/// The limits that a request is made under.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// How long to wait for a connection. 10 s.
    pub connect_timeout: Duration,
    /// How long one attempt may take in all, body included. 30 s.
    pub timeout: Duration,
    /// How many attempts are made before giving up; at least one. 4.
    pub attempts: u32,
    /// How long to wait before the second attempt; doubled for each further one. 1 s.
    pub first_wait: Duration,
    /// The longest wait that a server may ask for; if it asks for more, the request fails and says so. 2 min.
    pub longest_wait: Duration,
    /// The longest body read, in bytes, after decompression. 64 MiB.
    pub max_bytes: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            attempts: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
            max_bytes: 64 << 20,
        }
    }
}

/// Fetches JSON.
#[derive(Clone)]
pub struct Http {
    client: Client,
    settings: HttpSettings,
    clock: Arc<dyn Clock>,
}

/// One attempt's failure: final, or worth another attempt after a wait that the server may have named.
enum Failure {
    Final(Error),
    Passing { error: Error, wait: Option<Duration> },
}

impl Http {
    /// A client with these limits.
    pub fn new(settings: HttpSettings) -> Result<Self> {
        // Fails only if a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let same_scheme = redirect::Policy::custom(|attempt| match attempt.previous() {
            [first, ..] if first.scheme() != attempt.url().scheme() => {
                attempt.error("the server redirects to another scheme")
            }
            seen if seen.len() > 5 => attempt.error("the server redirects in circles"),
            _ => attempt.follow(),
        });
        let client = Client::builder()
            .user_agent(concat!("velib/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .redirect(same_scheme)
            .build()
            .map_err(|error| Error::new(ErrorKind::Network, format!("no HTTP client: {}", causes(&error))))?;
        Ok(Self { client, settings, clock: Arc::new(SystemClock) })
    }

    /// The same client, which waits on `clock` between its attempts.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The clock that the client waits on.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The JSON document at `url`.
    pub fn get_json<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.attempt(url) {
                Ok(document) => return Ok(document),
                Err(Failure::Final(error)) => return Err(error.at(Place::Url(url.into()))),
                Err(Failure::Passing { error, wait }) => (error.at(Place::Url(url.into())), wait),
            };
            if attempt >= self.settings.attempts {
                let attempts = if attempt == 1 { String::new() } else { format!(" ({attempt} attempts)") };
                let told =
                    Error::new(error.kind(), format!("{}{attempts}", error.message())).at(Place::Url(url.into()));
                return Err(told.way_out("check the address and the network, or try again later"));
            }
            let wait = wait.unwrap_or_else(|| self.settings.first_wait.saturating_mul(1 << (attempt - 1).min(16)));
            if wait > self.settings.longest_wait {
                let message = format!("{}, and to wait {} s before the next request", error.message(), wait.as_secs());
                return Err(Error::new(error.kind(), message)
                    .at(Place::Url(url.into()))
                    .way_out("try again after that"));
            }
            self.clock.sleep(wait);
            attempt += 1;
        }
    }

    fn attempt<T: DeserializeOwned>(&self, url: &str) -> std::result::Result<T, Failure> {
        let passing = |error, wait| Failure::Passing { error, wait };
        let response = self.client.get(url).send().map_err(|error| {
            if error.is_builder() || error.is_redirect() {
                return Failure::Final(Error::new(ErrorKind::Network, causes(&error)));
            }
            let what = if error.is_timeout() { "no answer in time" } else { "cannot be reached" };
            passing(Error::new(ErrorKind::Network, format!("{what}: {}", causes(&error))), None)
        })?;
        let status = response.status();
        let wait = retry_after(&response, self.clock.now());
        let is_html = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("text/html")));
        let body = self.body(response)?;
        if !status.is_success() {
            let error = Error::new(ErrorKind::Network, format!("the server answers {status}{}", told_by(&body)));
            return Err(if status.is_server_error() || status == 429 || status == 408 {
                passing(error, wait)
            } else {
                Failure::Final(error)
            });
        }
        serde_json::from_slice(&body).map_err(|error| {
            let what =
                if is_html || body.trim_ascii_start().starts_with(b"<") { "HTML" } else { "not the JSON expected" };
            passing(Error::new(ErrorKind::Feed, format!("the answer is {what} ({error}): {}", start_of(&body))), None)
        })
    }

    fn body(&self, response: Response) -> std::result::Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        response.take(self.settings.max_bytes + 1).read_to_end(&mut body).map_err(|error| {
            let message = format!("the answer broke off after {} bytes: {}", body.len(), causes(&error));
            Failure::Passing { error: Error::new(ErrorKind::Network, message), wait: None }
        })?;
        if body.len() as u64 > self.settings.max_bytes {
            let message = format!("the answer is longer than {} bytes", self.settings.max_bytes);
            return Err(Failure::Final(Error::new(ErrorKind::Feed, message)));
        }
        Ok(body)
    }
}

/// The wait that the server asks for, in seconds or as a date.
fn retry_after(response: &Response, now: DateTime<Utc>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    (DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).to_std().ok()
}

/// What an error document of the portal says: `{message}` of Explore v2.1, `{error}` of the quota and of Search v1.0.
fn told_by(body: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let told = ["message", "error"].iter().find_map(|name| document.get(name)?.as_str());
    told.map(|told| format!(": {told}")).unwrap_or_default()
}

/// The first characters of a body, on one line.
fn start_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(240)]);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// An error's innermost cause, which is the one that tells: "Connection refused (os error 111)".
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
