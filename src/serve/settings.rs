//! What a server may be told, and what it does unless told.

use std::time::Duration;

use chrono::TimeDelta;

/// How a [`Server`](super::Server) reads its store, and what it grants those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// How often the store is asked whether something changed: 1 s. Reading takes at most half of the time, however large
    /// the store is.
    pub every: Duration,
    /// After which time without a reading a station is silent, in event time behind the network's newest reading: 3 h. The
    /// feed comes up to an hour late, and some poll it once an hour.
    pub silent_after: TimeDelta,
    /// How much of a station's past its own page shows, in event time: 24 h.
    pub day: TimeDelta,
    /// After which time without an arrival the stream is stale: 10 min. A live source is polled every minute.
    pub stale_after: TimeDelta,
    /// After which time without an arrival the readings are a recording, and ages are counted from its end: 24 h.
    pub recording_after: TimeDelta,
    /// Connections at a time: 256. Those beyond are answered 503.
    pub connections: usize,
    /// Event streams at a time, each of them a connection: 128. Those beyond are answered 503, so that pages which are left
    /// open do not keep the rest from being answered.
    pub streams: usize,
    /// Questions about single stations that wait for the store: 32. Those beyond are answered 503.
    pub questions: usize,
    /// How long a client may take to send a request or to take in what was sent, and the store to answer: 10 s.
    pub patience: Duration,
    /// How often something is sent on an event stream where nothing changes, so that both ends know of each other: 15 s.
    pub keep_alive: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            silent_after: TimeDelta::hours(3),
            day: TimeDelta::hours(24),
            stale_after: TimeDelta::minutes(10),
            recording_after: TimeDelta::hours(24),
            connections: 256,
            streams: 128,
            questions: 32,
            patience: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
        }
    }
}
