//! One reading of one station, and the rules that say what it means.
//!
//! A reading carries two clocks: when the station reported ([`StationStatus::last_reported`], event time) and when we
//! fetched it ([`StationStatus::fetched_at`], arrival). What the feed does not say is `None`, never zero, so the rules
//! answer `None` where the reading does not tell. The counts are the feed's own and are not derived from one another:
//! docks out of order belong to the capacity but neither to the bikes nor to the free docks.

mod wire;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

pub(crate) use wire::usual as usual_time;

/// Mean radius of the earth, metres (IUGG).
pub(crate) const EARTH_RADIUS: f64 = 6_371_008.8;

/// The code that riders and the portal know a station by (`stationcode`), such as `16107`. Not always a number: `31024_relais`.
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct StationCode(Arc<str>);

impl StationCode {
    /// A code from its text, without the white space around it. An empty one is an error, and one with the character 0, which
    /// not every database can keep.
    pub fn new(code: &str) -> Result<Self> {
        let code = code.trim();
        if code.is_empty() {
            return Err(Error::new(ErrorKind::Feed, "the station code is empty"));
        }
        if code.contains('\0') {
            return Err(Error::new(ErrorKind::Feed, "the station code holds the character 0"));
        }
        Ok(Self(code.into()))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for StationCode {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for StationCode {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        Self::new(code)
    }
}

impl TryFrom<String> for StationCode {
    type Error = Error;

    fn try_from(code: String) -> Result<Self> {
        Self::new(&code)
    }
}

impl From<StationCode> for String {
    fn from(code: StationCode) -> Self {
        code.as_str().to_owned()
    }
}

/// One reading: the state of one station as it reported it.
///
/// Outside the program (JSON message, CSV, Parquet) the fields carry the names of the portal's record, given with each
/// field below; times are RFC 3339 in UTC, an unknown value is `null` or an empty cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationStatus {
    /// When the reading was fetched: arrival time. `fetched_at`
    #[serde(deserialize_with = "wire::time")]
    pub fetched_at: DateTime<Utc>,
    /// The station. `stationcode`
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// The station's name; names repeat, codes do not. `name`
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<Arc<str>>,
    /// Whether the station is in service. `is_installed`
    #[serde(default)]
    pub is_installed: Option<bool>,
    /// Number of docks, those out of order included. `capacity`
    #[serde(default)]
    pub capacity: Option<u32>,
    /// Number of docks where a bike can be returned now. `numdocksavailable`
    #[serde(default, rename = "numdocksavailable")]
    pub docks_available: Option<u32>,
    /// Number of bikes that can be taken now. `numbikesavailable`
    #[serde(default, rename = "numbikesavailable")]
    pub bikes_available: Option<u32>,
    /// Number of mechanical bikes. `mechanical`
    #[serde(default)]
    pub mechanical: Option<u32>,
    /// Number of electric bikes. `ebike`
    #[serde(default)]
    pub ebike: Option<u32>,
    /// Whether bikes can be taken. `is_renting`
    #[serde(default)]
    pub is_renting: Option<bool>,
    /// Whether bikes can be returned. `is_returning`
    #[serde(default)]
    pub is_returning: Option<bool>,
    /// When the station itself last reported: event time. `duedate`
    #[serde(rename = "duedate", deserialize_with = "wire::time")]
    pub last_reported: DateTime<Utc>,
    /// Latitude, degrees north (WGS 84). `lat`
    #[serde(default)]
    pub lat: Option<f64>,
    /// Longitude, degrees east (WGS 84). `lon`
    #[serde(default)]
    pub lon: Option<f64>,
    /// The commune that the station stands in: `Paris`, `Montreuil`, … `nom_arrondissement_communes`
    #[serde(default, rename = "nom_arrondissement_communes", deserialize_with = "wire::text")]
    pub commune: Option<Arc<str>>,
}

impl StationStatus {
    /// A reading of which nothing is known but the station and the two clocks.
    pub fn unknown(station_code: StationCode, last_reported: DateTime<Utc>, fetched_at: DateTime<Utc>) -> Self {
        Self {
            fetched_at,
            station_code,
            name: None,
            is_installed: None,
            capacity: None,
            docks_available: None,
            bikes_available: None,
            mechanical: None,
            ebike: None,
            is_renting: None,
            is_returning: None,
            last_reported,
            lat: None,
            lon: None,
            commune: None,
        }
    }

    /// Whether riders can return a bike here at all: installed, taking returns, and of a capacity above zero.
    /// `None` if no known field denies it and not all are known.
    pub fn usable(&self) -> Option<bool> {
        self.state().usable()
    }

    /// Known to be [usable](Self::usable).
    pub fn is_open(&self) -> bool {
        self.usable() == Some(true)
    }

    /// Known not to be [usable](Self::usable). A closed station is neither full nor available.
    pub fn is_closed(&self) -> bool {
        self.usable() == Some(false)
    }

    /// Full: usable, and no dock free. No dock free at a closed station is not full.
    pub fn is_full(&self) -> Option<bool> {
        self.state().is_full()
    }

    /// Empty: installed, renting, and no bike.
    pub fn is_empty(&self) -> Option<bool> {
        self.state().is_empty()
    }

    pub(crate) fn state(&self) -> State {
        State {
            is_installed: self.is_installed,
            is_renting: self.is_renting,
            is_returning: self.is_returning,
            capacity: self.capacity,
            docks_available: self.docks_available,
            bikes_available: self.bikes_available,
            mechanical: self.mechanical,
            ebike: self.ebike,
        }
    }

    /// Bikes per dock, `bikes_available / capacity`; `None` where either is unknown or the capacity is zero.
    /// Above 1 where the feed counts more bikes than docks (0.4 % of the readings of 2022 exceed their capacity).
    pub fn occupancy(&self) -> Option<f64> {
        let capacity = self.capacity.filter(|&docks| docks > 0)?;
        Some(f64::from(self.bikes_available?) / f64::from(capacity))
    }

    /// How old the reading was when it was fetched: `fetched_at - last_reported`. Negative if the two clocks disagree.
    pub fn lag(&self) -> TimeDelta {
        self.fetched_at - self.last_reported
    }

    /// Stale: older than `limit` when it was fetched.
    pub fn is_stale(&self, limit: TimeDelta) -> bool {
        self.lag() > limit
    }

    /// The reading as a map from the portal's field names to values, `null` where unknown.
    pub fn to_map(&self) -> BTreeMap<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => fields.into_iter().collect(),
            _ => BTreeMap::new(),
        }
    }

    /// What makes a reading the same reading when it is fetched again: the station and its event time.
    pub fn key(&self) -> (&StationCode, DateTime<Utc>) {
        (&self.station_code, self.last_reported)
    }
}

/// What a reading says of a station's docks and bikes: what differs from one reading to the next. The rules are computed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) is_installed: Option<bool>,
    pub(crate) is_renting: Option<bool>,
    pub(crate) is_returning: Option<bool>,
    pub(crate) capacity: Option<u32>,
    pub(crate) docks_available: Option<u32>,
    pub(crate) bikes_available: Option<u32>,
    pub(crate) mechanical: Option<u32>,
    pub(crate) ebike: Option<u32>,
}

impl State {
    /// As [`StationStatus::usable`].
    pub(crate) fn usable(&self) -> Option<bool> {
        all([self.is_installed, self.is_returning, self.capacity.map(|docks| docks > 0)])
    }

    /// As [`StationStatus::is_full`].
    pub(crate) fn is_full(&self) -> Option<bool> {
        all([self.usable(), self.docks_available.map(|docks| docks == 0)])
    }

    /// As [`StationStatus::is_empty`].
    pub(crate) fn is_empty(&self) -> Option<bool> {
        all([self.is_installed, self.is_renting, self.bikes_available.map(|bikes| bikes == 0)])
    }
}

/// How far two places are from each other along the great circle, metres; each latitude and longitude in degrees. By the
/// haversine, which is exact also for places close together, on a sphere: it may differ from the ellipsoid by 0.5 %.
pub(crate) fn metres_between(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half_sine_squared = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let parallels = a.0.to_radians().cos() * b.0.to_radians().cos();
    let haversine = half_sine_squared(a.0, b.0) + parallels * half_sine_squared(a.1, b.1);
    2.0 * EARTH_RADIUS * haversine.min(1.0).sqrt().asin()
}

/// Three-valued "and" (Kleene's): one `false` decides; else one unknown leaves it unknown.
fn all<const N: usize>(facts: [Option<bool>; N]) -> Option<bool> {
    if facts.contains(&Some(false)) {
        Some(false)
    } else if facts.contains(&None) {
        None
    } else {
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(capacity: u32, docks: u32, bikes: u32) -> StationStatus {
        let at = "2022-05-12T09:18:14Z".parse().unwrap();
        StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(capacity),
            docks_available: Some(docks),
            bikes_available: Some(bikes),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at, at + TimeDelta::minutes(64))
        }
    }

    #[test]
    fn a_station_without_a_free_dock_is_full_only_if_it_is_usable() {
        assert_eq!(reading(20, 0, 20).is_full(), Some(true));
        assert_eq!(reading(20, 1, 19).is_full(), Some(false));
        let not_returning = StationStatus { is_returning: Some(false), ..reading(20, 0, 20) };
        assert_eq!((not_returning.is_full(), not_returning.is_closed()), (Some(false), true));
        let not_installed = StationStatus { is_installed: Some(false), ..reading(20, 0, 20) };
        assert_eq!((not_installed.is_full(), not_installed.is_open()), (Some(false), false));
    }

    #[test]
    fn a_capacity_of_zero_is_closed_not_full() {
        assert_eq!((reading(0, 0, 0).is_full(), reading(0, 0, 0).is_closed()), (Some(false), true));
        assert_eq!(reading(0, 0, 0).occupancy(), None);
    }

    #[test]
    fn broken_docks_make_a_station_full_below_its_capacity_and_empty_at_once() {
        assert_eq!(reading(20, 0, 12).is_full(), Some(true));
        let all_broken = reading(20, 0, 0);
        assert_eq!((all_broken.is_full(), all_broken.is_empty()), (Some(true), Some(true)));
    }

    #[test]
    fn empty_goes_by_renting_not_by_returning() {
        assert_eq!(reading(20, 20, 0).is_empty(), Some(true));
        assert_eq!(StationStatus { is_returning: Some(false), ..reading(20, 20, 0) }.is_empty(), Some(true));
        assert_eq!(StationStatus { is_renting: Some(false), ..reading(20, 20, 0) }.is_empty(), Some(false));
    }

    #[test]
    fn unknown_stays_unknown_unless_a_known_field_decides() {
        let docks_unknown = StationStatus { docks_available: None, ..reading(20, 0, 3) };
        assert_eq!((docks_unknown.is_full(), docks_unknown.usable()), (None, Some(true)));
        let closed = StationStatus { is_installed: Some(false), ..docks_unknown };
        assert_eq!(closed.is_full(), Some(false));
        let capacity_unknown = StationStatus { capacity: None, ..reading(20, 0, 3) };
        assert_eq!(
            (capacity_unknown.is_full(), capacity_unknown.is_open(), capacity_unknown.is_closed()),
            (None, false, false)
        );
        assert_eq!(StationStatus { capacity: None, ..reading(20, 4, 3) }.is_full(), Some(false));
    }

    #[test]
    fn more_bikes_than_docks_is_an_occupancy_above_one() {
        assert_eq!(reading(20, 0, 21).occupancy(), Some(1.05));
        assert_eq!(StationStatus { bikes_available: None, ..reading(20, 0, 21) }.occupancy(), None);
    }

    #[test]
    fn staleness_is_measured_between_the_two_clocks() {
        let late = reading(20, 1, 19);
        assert_eq!(late.lag(), TimeDelta::minutes(64));
        assert!(late.is_stale(TimeDelta::minutes(63)) && !late.is_stale(TimeDelta::minutes(64)));
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let close = |metres: f64, to: f64, by: f64| assert!((metres - to).abs() < by, "{metres} is not {to}");
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS;
        close(metres_between((0.0, 0.0), (90.0, 17.0)), quarter, 1e-6);
        close(metres_between((0.0, -170.0), (0.0, 100.0)), quarter, 1e-6);
        close(metres_between((48.0, 2.0), (-48.0, -178.0)), 2.0 * quarter, 1e-6);
        // Notre-Dame to the Eiffel tower, about 4.1 km; a metre north.
        close(metres_between((48.853, 2.3499), (48.8584, 2.2945)), 4097.0, 5.0);
        close(metres_between((48.85, 2.35), (48.85 + 1.0 / 111_195.08, 2.35)), 1.0, 1e-6);
        assert_eq!(metres_between((48.85, 2.35), (48.85, 2.35)), 0.0);
    }

    #[test]
    fn a_code_need_not_be_a_number_but_must_not_be_empty() {
        assert_eq!(StationCode::new(" 31024_relais ").unwrap().as_str(), "31024_relais");
        assert_eq!(StationCode::new("  ").unwrap_err().to_string(), "the station code is empty");
        assert_eq!(StationCode::new("1\0").unwrap_err().to_string(), "the station code holds the character 0");
        assert!(serde_json::from_str::<StationCode>("\"\"").is_err());
    }

    #[test]
    fn outside_the_program_a_reading_has_the_portals_names() {
        let json = serde_json::to_value(reading(20, 0, 12)).unwrap();
        assert_eq!((&json["stationcode"], &json["duedate"]), (&"16107".into(), &"2022-05-12T09:18:14Z".into()));
        assert_eq!((&json["numdocksavailable"], &json["mechanical"]), (&0.into(), &serde_json::Value::Null));
        assert_eq!(serde_json::from_value::<StationStatus>(json).unwrap(), reading(20, 0, 12));
    }
}
