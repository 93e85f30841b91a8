//! The network as a whole: how old what is shown is, said in so many numbers, and its totals.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::settings::ServeSettings;
use super::view::{StationNow, StationState, Sums};
use crate::streaming::{Freshness, Station};

/// How fresh the statistics are, and what all open stations hold together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// When this was computed.
    pub generated_at: DateTime<Utc>,
    /// The moment that ages are counted from: the present, or for a recording its newest arrival.
    pub now: DateTime<Utc>,
    /// Whether the newest arrival is so long ago that the readings are a recording being shown again.
    pub recording: bool,
    /// Whether nothing has arrived for too long; a recording is not stale.
    pub stale: bool,
    /// The newest event time: when the network's newest reading was made. A clock that runs ahead of its arrival does not count.
    pub newest: Option<DateTime<Utc>>,
    /// How old the newest reading is, in seconds: `now - newest`.
    pub lag_seconds: Option<i64>,
    /// How far the feed itself runs behind, in seconds ([`Freshness::feed_lag_seconds`]).
    pub feed_lag_seconds: Option<i64>,
    /// The newest arrival: when the source was last read with something new in it.
    pub fetched_at: Option<DateTime<Utc>>,
    /// Windows that end here or before are complete as far as anybody can tell ([`Freshness::watermark`]).
    pub watermark: Option<DateTime<Utc>>,
    /// After how many seconds without an arrival the stream is stale.
    pub stale_after_seconds: i64,
    /// After how many seconds behind the newest reading a station is silent.
    pub silent_after_seconds: i64,
    /// Why the store cannot be read at the moment; what is shown is then what was read before.
    pub problem: Option<String>,
    /// How many stations there are.
    pub stations: StationCounts,
    /// What the open ones hold.
    #[serde(flatten)]
    pub sums: Sums,
}

/// How many stations there are, and in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationCounts {
    /// All that the store knows.
    pub all: u64,
    /// Those that reported, and were not closed.
    pub open: u64,
    /// Those that reported while closed.
    pub closed: u64,
    /// Those of which nothing was heard for too long.
    pub silent: u64,
}

impl StationCounts {
    pub(super) fn count(&mut self, state: StationState) {
        self.all += 1;
        match state {
            StationState::Open => self.open += 1,
            StationState::Closed => self.closed += 1,
            StationState::Silent => self.silent += 1,
        }
    }
}

impl Network {
    /// What the stations amount to; `now` is the present.
    pub(super) fn of(stations: &[Station], shown: &[StationNow], settings: &ServeSettings, now: DateTime<Utc>) -> Self {
        let mut counts = StationCounts::default();
        shown.iter().for_each(|station| counts.count(station.state));
        let freshness = Freshness::of(stations);
        let mut network = Self {
            generated_at: now,
            now,
            recording: false,
            stale: false,
            newest: freshness.map(|freshness| freshness.newest),
            lag_seconds: None,
            feed_lag_seconds: freshness.map(|freshness| freshness.feed_lag_seconds),
            fetched_at: freshness.map(|freshness| freshness.fetched_at),
            watermark: freshness.map(|freshness| freshness.watermark),
            stale_after_seconds: settings.stale_after.num_seconds(),
            silent_after_seconds: settings.silent_after.num_seconds(),
            problem: None,
            stations: counts,
            sums: Sums::of(shown),
        };
        network.tell_ages(settings, now);
        network
    }

    /// The same network, its ages as they are at `now`.
    pub(super) fn at(&self, settings: &ServeSettings, now: DateTime<Utc>) -> Self {
        let mut network = self.clone();
        network.tell_ages(settings, now);
        network
    }

    fn tell_ages(&mut self, settings: &ServeSettings, now: DateTime<Utc>) {
        let quiet = self.fetched_at.map(|fetched_at| now - fetched_at);
        self.generated_at = now;
        self.recording = quiet.is_some_and(|quiet| quiet > settings.recording_after);
        self.stale = !self.recording && quiet.is_some_and(|quiet| quiet > settings.stale_after);
        self.now = if self.recording { self.fetched_at.unwrap_or(now) } else { now };
        self.lag_seconds = self.newest.map(|newest| (self.now - newest).num_seconds());
    }
}

/// The newest event time over all stations, as [`Network::newest`] has it.
pub(super) fn newest(stations: &[Station]) -> Option<DateTime<Utc>> {
    stations.iter().map(|station| station.clock).max()
}
