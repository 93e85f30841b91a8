//! One record of the portal, as either interface gives it, to one reading.
//!
//! Only the station code and the time of the report are needed; any other field may be missing or null. A field that is
//! there but cannot be what it should be makes the record unreadable, with a reason that names the field.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::station::{StationCode, StationStatus};

/// The reading, or why the record cannot be read.
pub(super) fn reading(record: &Map<String, Value>, fetched_at: DateTime<Utc>) -> Result<StationStatus, String> {
    let station_code = text(record, "stationcode")?.ok_or("stationcode is missing")?;
    let last_reported = text(record, "duedate")?.ok_or("duedate is missing")?;
    let last_reported = DateTime::parse_from_rfc3339(&last_reported)
        .map_err(|error| format!("duedate is `{last_reported}`: {error}"))?
        .to_utc();
    let (lat, lon) = position(record)?.unzip();
    Ok(StationStatus {
        name: text(record, "name")?.map(Arc::from),
        is_installed: flag(record, "is_installed")?,
        capacity: count(record, "capacity")?,
        docks_available: count(record, "numdocksavailable")?,
        bikes_available: count(record, "numbikesavailable")?,
        mechanical: count(record, "mechanical")?,
        ebike: count(record, "ebike")?,
        is_renting: flag(record, "is_renting")?,
        is_returning: flag(record, "is_returning")?,
        lat,
        lon,
        commune: text(record, "nom_arrondissement_communes")?.map(Arc::from),
        ..StationStatus::unknown(
            StationCode::new(&station_code).map_err(|_| {
                if station_code.contains('\0') { "stationcode holds the character 0" } else { "stationcode is empty" }
            })?,
            last_reported,
            fetched_at,
        )
    })
}

type Field<T> = Result<Option<T>, String>;

fn known<'r>(record: &'r Map<String, Value>, name: &str) -> Option<&'r Value> {
    record.get(name).filter(|value| !value.is_null())
}

fn wrong<T>(name: &str, value: &Value, expected: &str) -> Field<T> {
    Err(format!("{name} is `{value}`, not {expected}"))
}

fn text(record: &Map<String, Value>, name: &str) -> Field<String> {
    match known(record, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(value) => wrong(name, value, "a text"),
    }
}

fn count(record: &Map<String, Value>, name: &str) -> Field<u32> {
    let Some(value) = known(record, name) else { return Ok(None) };
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.map_or_else(|| wrong(name, value, "a count"), |number| Ok(Some(number)))
}

fn flag(record: &Map<String, Value>, name: &str) -> Field<bool> {
    match known(record, name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) if text == "OUI" => Ok(Some(true)),
        Some(Value::String(text)) if text == "NON" => Ok(Some(false)),
        Some(value) => wrong(name, value, "OUI or NON"),
    }
}

/// Latitude and longitude: `{lon, lat}` in v2.1, `[lat, lon]` in v1.0.
fn position(record: &Map<String, Value>) -> Field<(f64, f64)> {
    let Some(value) = known(record, "coordonnees_geo") else { return Ok(None) };
    let pair = match value {
        Value::Object(place) => place.get("lat").zip(place.get("lon")),
        Value::Array(place) => place.first().zip(place.get(1)),
        _ => None,
    };
    match pair.and_then(|(lat, lon)| lat.as_f64().zip(lon.as_f64())) {
        Some((lat, lon)) if lat.abs() <= 90.0 && lon.abs() <= 180.0 => Ok(Some((lat, lon))),
        _ => wrong("coordonnees_geo", value, "a position"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(record: &Value) -> Result<StationStatus, String> {
        reading(record.as_object().unwrap(), "2023-02-26T11:05:00Z".parse().unwrap())
    }

    fn record() -> Value {
        json!({"stationcode": "16107", "name": "Benjamin Godard - Victor Hugo", "is_installed": "OUI", "capacity": 35,
            "numdocksavailable": 33, "numbikesavailable": 2, "mechanical": 0, "ebike": 2, "is_renting": "OUI",
            "is_returning": "NON", "duedate": "2023-02-26T11:53:57+01:00",
            "coordonnees_geo": {"lon": 2.275725, "lat": 48.865983}, "nom_arrondissement_communes": "Paris",
            "code_insee_commune": null, "station_opening_hours": null, "a_field_of_tomorrow": [1]})
    }

    #[test]
    fn both_interfaces_give_one_reading() {
        let explore = read(&record()).unwrap();
        assert_eq!(explore.last_reported.to_rfc3339(), "2023-02-26T10:53:57+00:00");
        assert_eq!((explore.is_installed, explore.is_returning, explore.ebike), (Some(true), Some(false), Some(2)));
        let mut search = record();
        search["coordonnees_geo"] = json!([48.865983, 2.275725]);
        search.as_object_mut().unwrap().remove("code_insee_commune");
        assert_eq!(read(&search).unwrap(), explore);
    }

    #[test]
    fn a_missing_field_is_unknown_and_a_number_may_come_as_text() {
        let bare = read(&json!({"stationcode": 16107, "duedate": "2023-02-26T10:53:57Z", "capacity": "35"})).unwrap();
        assert_eq!((bare.station_code.as_str(), bare.capacity, bare.docks_available), ("16107", Some(35), None));
    }

    #[test]
    fn the_reason_names_the_field() {
        let with = |name: &str, value: Value| {
            let mut record = record();
            record[name] = value;
            read(&record).unwrap_err()
        };
        assert_eq!(with("stationcode", Value::Null), "stationcode is missing");
        assert_eq!(with("stationcode", json!(" ")), "stationcode is empty");
        assert_eq!(with("capacity", json!(-1)), "capacity is `-1`, not a count");
        assert_eq!(with("ebike", json!(1.5)), "ebike is `1.5`, not a count");
        assert_eq!(with("is_renting", json!("PEUT-ETRE")), "is_renting is `\"PEUT-ETRE\"`, not OUI or NON");
        assert_eq!(with("coordonnees_geo", json!([2.27])), "coordonnees_geo is `[2.27]`, not a position");
        assert!(with("duedate", json!("hier")).starts_with("duedate is `hier`: "));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            prop::collection::vec(any::<f64>(), 0..3).prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_field_nothing_panics(field in 0..15usize, value in any_value()) {
            let mut record = record();
            let name = record.as_object().unwrap().keys().nth(field).unwrap().clone();
            record[name] = value;
            let _ = read(&record);
        }
    }
}
