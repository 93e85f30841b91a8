//! One HTTP client for every feed: bounded in time and size, patient with a server that is not.
//!
//! What may pass by itself is tried again with a doubling wait: no connection, a time-out, a body cut short, 5xx, 429, a
//! proxy's page instead of JSON. A server that says how long to wait (`Retry-After`, RFC 9110 section 10.2.3) is
//! obeyed. Any other 4xx is the caller's mistake and is final.
//!
//! An answer is not trusted: its size counts after decompression, its time from the request to the last byte, and a redirect
//! may neither leave its scheme nor go on for ever.

use std::io::Read;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Url, redirect};

use super::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Place, Result};

/// The limits that a request is made under.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// How long to wait for a connection. 10 s.
    pub connect_timeout: Duration,
    /// How long one attempt may take in all, body included, and how long any part of the answer may be waited for. 30 s.
    pub timeout: Duration,
    /// How many attempts are made before giving up; at least one. 4.
    pub attempts: u32,
    /// How long to wait before the second attempt; doubled for each further one. 1 s.
    pub first_wait: Duration,
    /// The longest wait that a server may ask for; if it asks for more, the request fails and says so. 2 min.
    pub longest_wait: Duration,
    /// The longest body read, in bytes, after decompression. 16 MiB: the whole of Vélib' is less than one.
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
            max_bytes: 16 << 20,
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
        let redirects = redirect::Policy::custom(|attempt| match refused(attempt.previous(), attempt.url()) {
            Some(why) => attempt.error(why),
            None => attempt.follow(),
        });
        let client = Client::builder()
            .user_agent(concat!("velib/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .redirect(redirects)
            .build()
            .map_err(|error| Error::new(ErrorKind::Network, format!("no HTTP client: {}", causes(&error))))?;
        Ok(Self { client, settings, clock: Arc::new(SystemClock) })
    }

    /// The client with the default limits, one for all sources of the process that are given no other.
    pub(super) fn shared() -> Result<Self> {
        static SHARED: OnceLock<Http> = OnceLock::new();
        match SHARED.get() {
            Some(shared) => Ok(shared.clone()),
            None => Self::new(HttpSettings::default()).map(|http| SHARED.get_or_init(|| http).clone()),
        }
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

    /// What `read` makes of the body at `url`; if it cannot, the request is made again.
    pub(super) fn get<T>(&self, url: &str, mut read: impl FnMut(&[u8]) -> std::result::Result<T, String>) -> Result<T> {
        let mut attempt = 1;
        loop {
            let (error, wait) = match self.attempt(url, &mut read) {
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

    fn attempt<T>(
        &self,
        url: &str,
        read: &mut impl FnMut(&[u8]) -> std::result::Result<T, String>,
    ) -> std::result::Result<T, Failure> {
        let passing = |error, wait| Failure::Passing { error, wait };
        let started = Instant::now();
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
        let body = self.body(response, started)?;
        if !status.is_success() {
            let error = Error::new(ErrorKind::Network, format!("the server answers {status}{}", told_by(&body)));
            return Err(if status.is_server_error() || status == 429 || status == 408 {
                passing(error, wait)
            } else {
                Failure::Final(error)
            });
        }
        read(&body).map_err(|error| {
            let what =
                if is_html || body.trim_ascii_start().starts_with(b"<") { "HTML" } else { "not the JSON expected" };
            passing(Error::new(ErrorKind::Feed, format!("the answer is {what} ({error}): {}", start_of(&body))), None)
        })
    }

    /// The body, of an attempt that was `started` then. The client's own time-out begins anew with every read, so a body that
    /// drips would be read for ever without this one.
    fn body(&self, response: Response, started: Instant) -> std::result::Result<Vec<u8>, Failure> {
        let passing = |message| Failure::Passing { error: Error::new(ErrorKind::Network, message), wait: None };
        let mut response = response.take(self.settings.max_bytes.saturating_add(1));
        let (mut body, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let read = response.read(&mut chunk).map_err(|error| {
                passing(format!("the answer broke off after {} bytes: {}", body.len(), causes(&error)))
            })?;
            body.extend_from_slice(&chunk[..read]);
            if body.len() as u64 > self.settings.max_bytes {
                let message = format!("the answer is longer than {} bytes", self.settings.max_bytes);
                return Err(Failure::Final(Error::new(ErrorKind::Feed, message)));
            }
            if read == 0 {
                return Ok(body);
            }
            if started.elapsed() > self.settings.timeout {
                let (so_far, limit) = (body.len(), self.settings.timeout.as_secs_f32());
                return Err(passing(format!("the answer takes longer than {limit} s: {so_far} bytes so far")));
            }
        }
    }
}

/// Why a redirect is not followed: it leaves the scheme, as from HTTPS to HTTP or to a file, or the last of many led here.
fn refused(seen: &[Url], to: &Url) -> Option<&'static str> {
    match seen {
        [first, ..] if first.scheme() != to.scheme() => Some("the server redirects to another scheme"),
        seen if seen.len() > 5 => Some("the server redirects in circles"),
        _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_its_scheme_and_ends() {
        let url = |url: &str| Url::parse(url).unwrap();
        let https = [url("https://a/1")];
        assert_eq!(refused(&https, &url("https://b/2")), None);
        for other in ["http://a/1", "file:///etc/passwd", "ftp://a/1", "data:text/json,1"] {
            assert_eq!(refused(&https, &url(other)), Some("the server redirects to another scheme"), "{other}");
        }
        assert_eq!(refused(&[url("http://a")], &url("https://a")), Some("the server redirects to another scheme"));
        assert_eq!(refused(&vec![url("http://a"); 5], &url("http://b")), None);
        assert_eq!(refused(&vec![url("http://a"); 6], &url("http://b")), Some("the server redirects in circles"));
    }
}
