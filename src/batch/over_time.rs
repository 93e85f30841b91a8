//! The statistics over time: each reading counts for as long as it holds, which [`StationOverTime`] defines.

use serde::{Deserialize, Serialize};

/// A station that is empty for this share of the known time, or more, is often empty.
pub const OFTEN: f64 = 0.10;

/// How much of a time was observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Σ *hᵢ*: for how long some reading [held](StationOverTime), seconds. Of several stations, the sum of theirs.
    pub seconds: f64,
    /// The time in which that was, seconds: of a station, from its first reading to its last; of several, how many they are
    /// times the time from the table's first reading to its last.
    pub span_seconds: f64,
    /// `seconds / span_seconds`; `None` if the span has no length.
    pub share: Option<f64>,
}

/// A mean over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeMean {
    /// The time that the mean is over: that in which the quantity is known, seconds.
    pub known_seconds: f64,
    /// Σ *vᵢ hᵢ* / Σ *hᵢ* over the readings that know *vᵢ*; `None` if their time has no length.
    pub mean: Option<f64>,
}

/// For how much of the time something was so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeShare {
    /// Σ *hᵢ* of the readings by which it was so, seconds.
    pub seconds: f64,
    /// Σ *hᵢ* of the readings that say whether it was so, seconds.
    pub known_seconds: f64,
    /// `seconds / known_seconds`, from 0 to 1; `None` if that time has no length.
    pub share: Option<f64>,
}

/// The spells in which something was so without a break.
///
/// A spell is a run of readings that say so, each at most `max_gap` after the one before. It ends with a reading that says
/// otherwise or does not tell, and where nothing was heard for longer than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spells {
    /// How many.
    pub number: u64,
    /// Σ *hᵢ* of the longest, seconds: of a spell of the last reading alone, 0. `None` without a spell.
    pub longest_seconds: Option<f64>,
}

/// How much came and went, as far as the readings show it: a bike that comes and another that goes between two are not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BikeTurnover {
    /// Σ |*bᵢ₊₁* − *bᵢ*|, bikes: from each reading that knows the bikes of the open station to the next that does, where
    /// that is at most `max_gap` later.
    pub bikes: u64,
    /// `bikes` over the hours observed, those while closed too; `None` without any.
    pub per_hour: Option<f64>,
}

/// The statistics of one station over time.
///
/// A reading holds from its event time until that of the next of its station, at most
/// [`max_gap`](super::TableSettings::max_gap); the last of a station holds for nothing. *hᵢ* is how long reading *i* holds, and
/// Σ *hᵢ* the time *observed*. Of readings of one station and one event time the one fetched last counts, and the others hold for
/// nothing. As everywhere here, docks and bikes are known while the station is known to be open. Times are in seconds, exact
/// to the millisecond.
///
/// [Streaming](crate::streaming::WindowStatistics) means the same by the same words, with three differences: there a reading holds
/// until the next or the window's end, whatever the gap; of two readings of one time the one that came first counts; and a
/// station of which it is not known whether it is open is taken at its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StationOverTime {
    /// How much of its time was observed.
    pub observed: Observed,
    /// Free docks while open.
    pub free_docks: TimeMean,
    /// Mechanical bikes while open.
    pub mechanical: TimeMean,
    /// Electric bikes while open.
    pub ebike: TimeMean,
    /// How long it was [full](crate::StationStatus::is_full).
    pub full: TimeShare,
    /// How long it was [empty](crate::StationStatus::is_empty).
    pub empty: TimeShare,
    /// How long it was [closed](crate::StationStatus::is_closed).
    pub closed: TimeShare,
    /// Its spells of being full.
    pub full_spells: Spells,
    /// Its spells of being empty.
    pub empty_spells: Spells,
    /// How much came and went.
    pub turnover: BikeTurnover,
    /// How often it was empty; `None` if that is not known of any time.
    pub how_often_empty: Option<HowOften>,
}

/// The statistics of one zone over time: over the time of all its stations, so that each counts for as long as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ZoneOverTime {
    /// How much of its stations' time was observed.
    pub observed: Observed,
    /// Free docks of a station while open: one station's, not the zone's total.
    pub free_docks: TimeMean,
    /// Bikes per dock while open: Σ *bᵢ hᵢ* / Σ *cᵢ hᵢ* with *bᵢ* the bikes and *cᵢ* the capacity.
    pub occupancy: TimeMean,
}

/// How often a station is empty, by its share *e* of the time in which that is known ([`TimeShare::share`]).
///
/// A station whose last reading alone is empty was never empty by this, since that holds for nothing, and is
/// [sometimes empty](super::SometimesEmpty) by its readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HowOften {
    /// *e* = 0.
    Never,
    /// 0 < *e* < [`OFTEN`].
    Sometimes,
    /// *e* ≥ [`OFTEN`].
    Often,
}

/// How many stations are how often empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HowOftenEmpty {
    /// [`HowOften::Never`].
    pub never: u64,
    /// [`HowOften::Sometimes`].
    pub sometimes: u64,
    /// [`HowOften::Often`].
    pub often: u64,
    /// Not known of any time.
    pub unknown: u64,
}

impl Observed {
    /// From milliseconds.
    pub(super) fn new(held: u64, span: u64) -> Self {
        Self { seconds: seconds(held), span_seconds: seconds(span), share: quotient(held as f64, span as f64) }
    }
}

impl TimeMean {
    /// From the milliseconds in which something was known, and what it is the quotient of.
    pub(super) fn new(known: u64, sum: f64, weight: f64) -> Self {
        Self { known_seconds: seconds(known), mean: quotient(sum, weight) }
    }
}

impl TimeShare {
    /// From milliseconds.
    pub(super) fn new(held: u64, known: u64) -> Self {
        Self { seconds: seconds(held), known_seconds: seconds(known), share: quotient(held as f64, known as f64) }
    }
}

impl BikeTurnover {
    /// From bikes and the milliseconds observed.
    pub(super) fn new(bikes: u64, held: u64) -> Self {
        Self { bikes, per_hour: quotient(bikes as f64 * 3_600_000.0, held as f64) }
    }
}

impl HowOften {
    pub(super) fn of(empty: &TimeShare) -> Option<Self> {
        empty.share.map(|share| match share {
            _ if share <= 0.0 => Self::Never,
            _ if share < OFTEN => Self::Sometimes,
            _ => Self::Often,
        })
    }
}

impl HowOftenEmpty {
    /// Counts one station more.
    pub(super) fn count(&mut self, station: Option<HowOften>) {
        *match station {
            Some(HowOften::Never) => &mut self.never,
            Some(HowOften::Sometimes) => &mut self.sometimes,
            Some(HowOften::Often) => &mut self.often,
            None => &mut self.unknown,
        } += 1;
    }
}

pub(super) fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// `numerator / denominator`, if there is anything to divide by.
pub(super) fn quotient(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}
