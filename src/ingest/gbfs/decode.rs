//! What the stations are and how they are now, joined into readings.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::documents::{Information, VehicleTypes, raw_stations, read_status};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::record::{Cell, Field, Record, Texts};
use crate::ingest::{SetAside, Snapshot};

/// The fields that every feed should have.
const EXPECTED: [Field; 11] = [
    Field::StationCode,
    Field::Name,
    Field::IsInstalled,
    Field::Capacity,
    Field::DocksAvailable,
    Field::BikesAvailable,
    Field::IsRenting,
    Field::IsReturning,
    Field::LastReported,
    Field::Lat,
    Field::Lon,
];

/// The first instant that is a report's time when it is given in seconds; a smaller one is a station that never reported.
const FIRST_REPORT: i64 = 946_684_800;

/// The readings in the documents of a GBFS feed of any version: `station_information`, `station_status` and, where the feed has
/// it, `vehicle_types`, as JSON.
///
/// A station that cannot be read is set aside as what came from `place`; a document that is not one is an error. See
/// [`Gbfs`](super::Gbfs) for the station's code and for what is counted.
///
/// ```
/// use velib::{error::Place, ingest::decode_gbfs};
///
/// let information = br#"{"data": {"stations": [{"station_id": "a", "name": "Opera", "capacity": 20, "lat": 48.87, "lon": 2.33}]}}"#;
/// let status = br#"{"data": {"stations": [{"station_id": "a", "num_bikes_available": 7, "num_docks_available": 12,
///     "is_installed": true, "is_renting": true, "is_returning": true, "last_reported": 1652347094}]}}"#;
/// let fetched_at = "2022-05-12T09:22:18Z".parse().unwrap();
/// let snapshot = decode_gbfs(information, status, None, fetched_at, &Place::file("station_status.json"))?;
///
/// let reading = &snapshot.readings[0];
/// assert_eq!((reading.station_code.as_str(), reading.capacity, reading.bikes_available), ("a", Some(20), Some(7)));
/// # Ok::<(), velib::Error>(())
/// ```
pub fn decode_gbfs(
    information: &[u8],
    status: &[u8],
    vehicle_types: Option<&[u8]>,
    fetched_at: DateTime<Utc>,
    place: &Place,
) -> Result<Snapshot> {
    let wrong = |what: &str, error: String| Error::new(ErrorKind::Feed, format!("{what}: {error}")).at(place.clone());
    let information = Information::read(information).map_err(|error| wrong("station_information", error))?;
    let types = vehicle_types.map(VehicleTypes::read).transpose().map_err(|error| wrong("vehicle_types", error))?;
    let status = Status::read(status).map_err(|error| wrong("station_status", error))?;
    let known = Known::new(information, types.unwrap_or_default(), false, fetched_at);
    Ok(known.snapshot(status, fetched_at, place, &mut Drift::default()))
}

/// `station_status`: how the stations are.
pub(super) struct Status {
    stations: Vec<Record<'static>>,
    /// The document, for the records that cannot be read.
    body: Vec<u8>,
}

impl Status {
    pub(super) fn read(body: &[u8]) -> std::result::Result<Self, String> {
        read_status(body).map(|stations| Self { stations, body: body.to_vec() })
    }
}

/// What the stations are.
pub(super) struct Known {
    stations: Vec<Record<'static>>,
    by_id: HashMap<String, usize>,
    by_code: HashMap<String, usize>,
    types: VehicleTypes,
    only_codes: bool,
    /// The stations of a status that are not in it, so that it need not be fetched again for them.
    unknown: HashSet<String>,
    pub(super) good_until: DateTime<Utc>,
    /// It could not be fetched anew when its time was over: of a station that is not in it nothing can be said, not even its
    /// code.
    pub(super) is_outdated: bool,
}

impl Known {
    pub(super) fn new(
        information: Information,
        types: VehicleTypes,
        only_codes: bool,
        good_until: DateTime<Utc>,
    ) -> Self {
        let stations = information.stations;
        let places = |key: fn(&Record<'_>) -> Option<String>| {
            stations.iter().enumerate().filter_map(|(place, station)| Some((key(station)?, place))).collect()
        };
        let (by_id, by_code) = (places(id_of), places(code_of));
        Self { stations, by_id, by_code, types, only_codes, unknown: HashSet::new(), good_until, is_outdated: false }
    }

    /// Whether every station of a status is known, or known not to be.
    pub(super) fn covers(&self, status: &Status) -> bool {
        status
            .stations
            .iter()
            .all(|station| self.of(station).is_some() || key_of(station).is_none_or(|key| self.unknown.contains(&key)))
    }

    /// Remembers the stations of a status that are not known even now.
    pub(super) fn remember_unknown(&mut self, status: &Status) {
        let unknown = status.stations.iter().filter(|station| self.of(station).is_none());
        self.unknown = unknown.filter_map(key_of).collect();
    }

    /// What is known of a station. By its key in the feed, unless that has come to be another station's.
    fn of(&self, status: &Record<'_>) -> Option<&Record<'static>> {
        let code = code_of(status);
        let by_id = id_of(status).and_then(|id| self.stations.get(*self.by_id.get(&id)?));
        by_id
            .filter(|known| code.is_none() || code_of(known).is_none_or(|other| code.as_ref() == Some(&other)))
            .or_else(|| self.stations.get(*self.by_code.get(&code?)?))
    }

    /// The readings of a status, with what is known of the stations.
    pub(super) fn snapshot(
        &self,
        status: Status,
        fetched_at: DateTime<Utc>,
        place: &Place,
        drift: &mut Drift,
    ) -> Snapshot {
        let (mut texts, mut readings, mut bad, mut silent) = (Texts::default(), vec![], vec![], 0);
        for (index, station) in status.stations.into_iter().enumerate() {
            if never_reported(&station) {
                silent += 1;
                continue;
            }
            match self.join(station).reading(Some(fetched_at), &mut texts, drift) {
                Ok(reading) => readings.push(reading),
                Err(reason) => bad.push((index, reason)),
            }
        }
        drift.close(place, &EXPECTED);
        let set_aside = set_aside(&status.body, bad, place);
        let mut snapshot = Snapshot { fetched_at, readings, counted: None, set_aside };
        let counted = match (snapshot.distinct() + snapshot.set_aside.len(), self.stations.len()) {
            (status, known) if (status + silent) * 10 < known * 9 => known,
            (status, _) => status,
        };
        snapshot.counted = Some(counted as u64);
        snapshot
    }

    /// One record of both: the status decides, and says nothing of what it does not know.
    fn join(&self, mut status: Record<'static>) -> Record<'static> {
        for (id, count) in std::mem::take(&mut status.types) {
            if let Some(field) = self.types.field(&id) {
                let sum = match (status.get(field).count(), count.count()) {
                    (Ok(Some(before)), Ok(Some(more))) => Cell::Int(i64::from(before) + i64::from(more)),
                    _ => count,
                };
                status.set(field, sum);
            }
        }
        let known = self.of(&status);
        if let Some(known) = known {
            for field in Field::ALL.into_iter().filter(|&field| known.has(field)) {
                if !status.has(field) {
                    status.set(field, known.get(field).clone());
                }
            }
        }
        // A feed whose code is null has one and does not tell it: its own key would make another station of it.
        let is_key_enough = !self.only_codes && (known.is_some() || !self.is_outdated);
        if is_key_enough && !status.has(Field::StationCode) && !status.id.is_unknown() {
            status.set(Field::StationCode, status.id.clone());
        }
        status
    }
}

/// The records that could not be read, as they stand there.
fn set_aside(body: &[u8], bad: Vec<(usize, String)>, place: &Place) -> Vec<SetAside> {
    if bad.is_empty() {
        return Vec::new();
    }
    let body = String::from_utf8_lossy(body); // what is passed over need not be UTF-8
    let records = raw_stations(&body);
    let aside = bad.into_iter().map(|(index, reason)| SetAside {
        place: place.clone(),
        reason,
        raw: records.get(index).map_or_else(String::new, |raw| raw.get().to_owned()),
    });
    aside.collect()
}

fn never_reported(station: &Record<'_>) -> bool {
    matches!(station.get(Field::LastReported), Cell::Int(seconds) if (0..FIRST_REPORT).contains(seconds))
}

fn id_of(station: &Record<'_>) -> Option<String> {
    station.id.text().ok().flatten().map(|id| id.into_owned())
}

fn code_of(station: &Record<'_>) -> Option<String> {
    station.get(Field::StationCode).text().ok().flatten().map(|code| code.into_owned())
}

/// What tells a station of a status from the others.
fn key_of(station: &Record<'_>) -> Option<String> {
    id_of(station).or_else(|| code_of(station))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationStatus;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const AT: &str = "2022-05-12T09:18:14Z";

    fn place() -> Place {
        Place::Url("http://h".into())
    }

    fn feed(stations: &Value) -> Vec<u8> {
        json!({"last_updated": 1_652_347_094, "ttl": 60, "data": {"stations": stations}}).to_string().into_bytes()
    }

    fn decode(information: &Value, status: &Value, types: Option<&Value>) -> Snapshot {
        let types = types.map(|types| json!({"data": {"vehicle_types": types}}).to_string().into_bytes());
        let fetched_at = "2022-05-12T09:22:18Z".parse().unwrap();
        decode_gbfs(&feed(information), &feed(status), types.as_deref(), fetched_at, &place()).unwrap()
    }

    fn one(information: &Value, status: &Value, types: Option<&Value>) -> StationStatus {
        let snapshot = decode(&json!([information]), &json!([status]), types);
        assert_eq!(
            (snapshot.set_aside.as_slice(), snapshot.counted, snapshot.is_complete()),
            ([].as_slice(), Some(1), true)
        );
        snapshot.readings[0].clone()
    }

    /// A station in Vélib's dialect.
    fn velib(id: u64, code: &str) -> (Value, Value) {
        let information = json!({"station_id": id, "stationCode": code, "name": "Gare", "capacity": 35, "lat": 48.8, "lon": 2.3,
            "rental_methods": ["CREDITCARD"]});
        let status = json!({"station_id": id, "stationCode": code, "num_bikes_available": 6, "numBikesAvailable": 6,
            "num_bikes_available_types": [{"mechanical": 2}, {"ebike": 4}], "num_docks_available": 28,
            "numDocksAvailable": 28, "is_installed": 1, "is_returning": 1, "is_renting": 0,
            "station_opening_hours": null, "last_reported": 1_652_347_094});
        (information, status)
    }

    #[test]
    fn a_new_station_has_no_code_while_what_the_stations_are_cannot_be_had() {
        let information = feed(&json!([{"station_id": "1", "stationCode": "16107", "capacity": 35}]));
        let status = feed(&json!([
            {"station_id": "1", "num_bikes_available": 6, "last_reported": 1_652_347_094},
            {"station_id": "2", "num_bikes_available": 6, "last_reported": 1_652_347_094},
        ]));
        let at = AT.parse().unwrap();
        let mut known = Known::new(Information::read(&information).unwrap(), VehicleTypes::default(), false, at);
        let codes = |known: &Known| {
            let snapshot = known.snapshot(Status::read(&status).unwrap(), at, &place(), &mut Drift::default());
            let codes: Vec<_> = snapshot.readings.iter().map(|reading| reading.station_code.to_string()).collect();
            (codes, snapshot.set_aside.len())
        };
        assert_eq!(codes(&known), (vec!["16107".to_owned(), "2".to_owned()], 0));
        known.is_outdated = true;
        assert_eq!(codes(&known), (vec!["16107".to_owned()], 1));
    }

    #[test]
    fn velibs_dialect_of_version_1() {
        let (information, status) = velib(213_688_169, "16107");
        let reading = one(&information, &status, None);
        assert_eq!((reading.station_code.as_str(), reading.last_reported), ("16107", AT.parse().unwrap()));
        assert_eq!((reading.name.as_deref(), reading.capacity, reading.lat), (Some("Gare"), Some(35), Some(48.8)));
        assert_eq!((reading.bikes_available, reading.docks_available), (Some(6), Some(28)));
        assert_eq!((reading.mechanical, reading.ebike), (Some(2), Some(4)));
        assert_eq!(
            (reading.is_installed, reading.is_returning, reading.is_renting),
            (Some(true), Some(true), Some(false))
        );
    }

    #[test]
    fn version_2_has_booleans_and_types_of_vehicles() {
        let types = json!([{"vehicle_type_id": "m", "form_factor": "bicycle", "propulsion_type": "human"},
            {"vehicle_type_id": "e", "form_factor": "bicycle", "propulsion_type": "electric_assist"},
            {"vehicle_type_id": "f", "form_factor": "bicycle", "propulsion_type": "electric"},
            {"vehicle_type_id": "c", "form_factor": "car", "propulsion_type": "combustion"}]);
        let status = json!({"station_id": "abc", "num_bikes_available": 9, "num_docks_available": 3, "is_installed": true,
            "is_renting": true, "is_returning": false, "last_reported": 1_652_347_094, "vehicle_types_available": [
                {"vehicle_type_id": "m", "count": 2}, {"vehicle_type_id": "e", "count": 3},
                {"vehicle_type_id": "f", "count": 4}, {"vehicle_type_id": "c", "count": 5}]});
        let information = json!({"station_id": "abc", "name": "Broadway", "short_name": "6926.01", "capacity": 20});
        let reading = one(&information, &status, Some(&types));
        assert_eq!((reading.station_code.as_str(), reading.is_returning), ("abc", Some(false)));
        assert_eq!((reading.mechanical, reading.ebike), (Some(2), Some(7)));
        // Without the types' feed the kinds are unknown, not zero.
        let reading = one(&information, &status, None);
        assert_eq!((reading.mechanical, reading.ebike, reading.bikes_available), (None, None, Some(9)));
    }

    #[test]
    fn version_3_has_vehicles_texts_in_languages_and_rfc_3339() {
        let information =
            json!({"station_id": "s", "name": [{"text": "Gare du Nord", "language": "fr"}], "lat": 50, "lon": 4});
        let status = json!({"station_id": "s", "num_vehicles_available": 5, "num_docks_available": 1, "is_installed": true,
            "is_renting": true, "is_returning": true, "last_reported": "2022-05-12T11:18:14+02:00"});
        let reading = one(&information, &status, None);
        assert_eq!((reading.name.as_deref(), reading.bikes_available), (Some("Gare du Nord"), Some(5)));
        assert_eq!((reading.last_reported, reading.capacity, reading.lon), (AT.parse().unwrap(), None, Some(4.0)));
    }

    #[test]
    fn a_poll_of_null_codes_and_empty_types_gives_no_false_record() {
        let (information, mut status) = velib(1, "16107");
        status["num_bikes_available_types"] = json!([{}, {}]);
        let reading = one(&information, &status, None);
        assert_eq!((reading.mechanical, reading.ebike, reading.bikes_available), (None, None, Some(6)));
        status["stationCode"] = Value::Null;
        let snapshot = decode(&json!([information]), &json!([status]), None);
        assert_eq!((snapshot.readings.as_slice(), snapshot.counted), ([].as_slice(), Some(1)));
        let [aside] = snapshot.set_aside.as_slice() else { panic!("{snapshot:?}") };
        assert_eq!(
            (aside.reason.as_str(), serde_json::from_str(&aside.raw).ok()),
            ("stationcode is missing", Some(status))
        );
    }

    #[test]
    fn a_key_that_has_come_to_be_another_stations_joins_nothing_false() {
        let ((first, _), (_, status)) = (velib(1, "16107"), velib(1, "9020"));
        let reading = one(&first, &status, None);
        assert_eq!((reading.station_code.as_str(), reading.name, reading.capacity), ("9020", None, None));
        // Known by its code, under another key.
        let mut second = velib(2, "9020").0;
        second["capacity"] = json!(9);
        assert_eq!(decode(&json!([first, second]), &json!([status]), None).readings[0].capacity, Some(9));
    }

    #[test]
    fn stations_are_counted_and_a_status_that_is_much_too_short_is_told_by_it() {
        let (information, status): (Vec<_>, Vec<_>) = (0..20).map(|id| velib(id, &format!("c{id}"))).unzip();
        let counted = |stations: usize| {
            let snapshot = decode(&json!(information), &json!(status[..stations]), None);
            (snapshot.distinct(), snapshot.counted, snapshot.is_complete())
        };
        assert_eq!(counted(20), (20, Some(20), true));
        assert_eq!(counted(18), (18, Some(18), true));
        assert_eq!(counted(17), (17, Some(20), false));
        // A station that never reported is neither read nor counted.
        let mut silent = status[0].clone();
        silent["last_reported"] = json!(86_400);
        let snapshot = decode(&json!(information[..2]), &json!([silent, status[1]]), None);
        assert_eq!((snapshot.distinct(), snapshot.counted, snapshot.set_aside.len()), (1, Some(1), 0));
    }

    #[test]
    fn a_document_of_another_kind_is_an_error() {
        let error = |information: &[u8], status: &[u8]| {
            decode_gbfs(information, status, None, DateTime::UNIX_EPOCH, &place()).unwrap_err().to_string()
        };
        let good = feed(&json!([]));
        assert!(error(b"{}", &good).starts_with("http://h: station_information: missing field `data`"));
        assert!(error(&good, br#"{"data": {"stations": 5}}"#).contains("station_status: invalid type"));
    }

    proptest! {
        /// Whatever stands in a field: no panic, no station lost, and a reading is the same after a message.
        #[test]
        fn whatever_stands_in_a_field_is_read_or_set_aside(
            field in any::<prop::sample::Index>(),
            of_status in any::<bool>(),
            value in prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from),
                ".{0,9}".prop_map(Value::from), Just(json!([{"text": 1}])), Just(json!([{"mechanical": 1}, {"mechanical": "x"}]))],
        ) {
            let (mut information, mut status) = velib(1, "16107");
            let changed = if of_status { &mut status } else { &mut information };
            let names: Vec<_> = changed.as_object().unwrap().keys().cloned().collect();
            changed[&names[field.index(names.len())]] = value;
            let snapshot = decode(&json!([information]), &json!([status]), None);
            prop_assert!(snapshot.readings.len() + snapshot.set_aside.len() <= 1);
            for reading in snapshot.readings {
                let message = serde_json::to_vec(&reading).unwrap();
                prop_assert_eq!(&serde_json::from_slice::<StationStatus>(&message).unwrap(), &reading);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let good = feed(&json!([velib(1, "16107").1]));
            let _ = decode_gbfs(&body, &good, Some(&body), DateTime::UNIX_EPOCH, &place());
            let _ = decode_gbfs(&good, &body, None, DateTime::UNIX_EPOCH, &place());
        }
    }
}
