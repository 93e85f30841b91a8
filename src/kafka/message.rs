//! The message: one reading as one JSON object, and back.
//!
//! A message's key is the station code, its Kafka timestamp the event time in milliseconds, so that all readings of a
//! station stand in one partition in order, and what a topic holds can be told from keys and timestamps alone. The
//! fields of its value are listed in one place: at [`encode`].

mod usual;

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::SetAside;
use crate::station::StationStatus;

pub(super) use usual::KnownStations;

/// The value of the message that carries `reading`: one JSON object in UTF-8 with the fields of this table. Whoever reads it
/// takes a missing field for an unknown one, and passes over fields that are not here.
///
/// | field | type | unit | meaning |
/// |---|---|---|---|
/// | `fetched_at` | text | RFC 3339, UTC | when the reading was fetched (arrival) |
/// | `stationcode` | text | | the station's code, such as `16107`; not always a number |
/// | `name` | text or null | | the station's name |
/// | `is_installed` | bool or null | | whether the station is in service |
/// | `capacity` | integer or null | docks | all docks, those out of order included |
/// | `numdocksavailable` | integer or null | docks | docks where a bike can be returned now |
/// | `numbikesavailable` | integer or null | bikes | bikes that can be taken now |
/// | `mechanical` | integer or null | bikes | the mechanical ones |
/// | `ebike` | integer or null | bikes | the electric ones |
/// | `is_renting` | bool or null | | whether bikes can be taken |
/// | `is_returning` | bool or null | | whether bikes can be returned |
/// | `duedate` | text | RFC 3339, UTC | when the station itself last reported (event time) |
/// | `lat`, `lon` | number or null | degrees, WGS 84 | where the station stands |
/// | `nom_arrondissement_communes` | text or null | | the commune it stands in |
///
/// The key is the station code, the message's timestamp is `duedate` in milliseconds.
pub fn encode(reading: &StationStatus) -> Result<Vec<u8>> {
    let mut value = Vec::with_capacity(512);
    encode_into(reading, &mut value)?;
    Ok(value)
}

/// The reading that a message's value carries. A value that is not one is set aside as what came from `place`.
pub fn decode(value: &[u8], place: Place) -> std::result::Result<StationStatus, SetAside> {
    parse(Some(value), &mut KnownStations::default()).map_err(|reason| set_aside(Some(value), place, reason))
}

/// Writes the value of the message that carries `reading` in place of what `value` holds.
pub(super) fn encode_into(reading: &StationStatus, value: &mut Vec<u8>) -> Result<()> {
    value.clear();
    serde_json::to_writer(value, reading).map_err(|error| {
        Error::new(ErrorKind::Kafka, format!("the reading cannot be written as JSON: {error}"))
            .at(Place::Station(reading.station_code.to_string()))
    })
}

/// The Kafka timestamp of the message that carries `reading`, in milliseconds: its event time. Zero, which some feeds send for
/// "never", means none to the client library, and the broker takes nothing below: both are written as 1.
pub(super) fn timestamp(reading: &StationStatus) -> i64 {
    reading.last_reported.timestamp_millis().max(1)
}

/// The event time that a Kafka timestamp stands for, in milliseconds.
pub(super) fn event_time(timestamp: i64) -> i64 {
    if timestamp == 1 { 0 } else { timestamp }
}

/// The reading in a message's value, or why there is none. What was `known` of its station from earlier messages saves time.
pub(super) fn parse(value: Option<&[u8]>, known: &mut KnownStations) -> std::result::Result<StationStatus, String> {
    let value = value.ok_or("the message has no value")?;
    usual::read(value, known).map_or_else(|| serde_json::from_slice(value).map_err(|error| error.to_string()), Ok)
}

/// A message that could not be read, kept whole.
pub(super) fn set_aside(value: Option<&[u8]>, place: Place, reason: String) -> SetAside {
    SetAside { place, reason, raw: String::from_utf8_lossy(value.unwrap_or_default()).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationCode;
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    fn time() -> impl Strategy<Value = DateTime<Utc>> {
        (0..4_102_444_800_000_000i64).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
    }

    fn reading() -> impl Strategy<Value = StationStatus> {
        let text = || prop::option::of("\\PC{0,12}").prop_map(|text| text.map(Into::into));
        let count = || prop::option::of(any::<u32>());
        let fact = || prop::option::of(any::<bool>());
        let who = (time(), "[0-9a-z_]{1,9}", time(), text(), text());
        let what = (fact(), count(), count(), count(), count(), count(), fact(), fact());
        let place = (prop::option::of(-90.0..90.0f64), prop::option::of(-180.0..180.0f64));
        (who, what, place).prop_map(|((fetched_at, code, last_reported, name, commune), what, (lat, lon))| {
            StationStatus {
                name,
                is_installed: what.0,
                capacity: what.1,
                docks_available: what.2,
                bikes_available: what.3,
                mechanical: what.4,
                ebike: what.5,
                is_renting: what.6,
                is_returning: what.7,
                lat,
                lon,
                commune,
                ..StationStatus::unknown(StationCode::new(&code).unwrap(), last_reported, fetched_at)
            }
        })
    }

    fn place() -> Place {
        Place::Message { topic: "velib".into(), partition: 1, offset: 42 }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_reading(reading in reading()) {
            prop_assert_eq!(decode(&encode(&reading).unwrap(), place()), Ok(reading));
        }

        #[test]
        fn the_usual_message_is_read_as_serde_reads_it(reading in reading()) {
            let value = encode(&reading).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<StationStatus>(&value).unwrap(), &reading);
            let is_usual = !value.contains(&b'\\') && !String::from_utf8_lossy(&value).contains("e-");
            let mut known = KnownStations::default();
            for _ in 0..2 {
                match usual::read(&value, &mut known) {
                    Some(read) => prop_assert_eq!(&read, &reading),
                    None => prop_assert!(!is_usual, "{}", String::from_utf8_lossy(&value)),
                }
            }
        }

        /// Bytes changed, doubled or left out anywhere: never another reading than serde's.
        #[test]
        fn what_is_nearly_usual_is_read_as_serde_reads_it_or_left_to_it(
            reading in reading(),
            at in any::<prop::sample::Index>(),
            with in prop::sample::select(vec!["", "0", "1", "-", ".", "e", "+", " ", "\"", "\\", ",", "}", "null", "t", "\u{1}", "é", "\n"]),
            replaces in 0..3usize,
            knows in any::<bool>(),
        ) {
            let mut value = encode(&reading).unwrap();
            let mut known = KnownStations::default();
            if knows {
                usual::read(&value, &mut known);
            }
            let at = at.index(value.len());
            let end = (at + replaces).min(value.len());
            value.splice(at..end, with.bytes());
            if let Some(read) = usual::read(&value, &mut known) {
                prop_assert_eq!(read, serde_json::from_slice(&value).unwrap(), "{}", String::from_utf8_lossy(&value));
            }
        }

        /// Whatever the messages before it said of the same few stations.
        #[test]
        fn what_is_known_of_a_station_changes_no_reading(
            readings in prop::collection::vec((reading(), 0..3u8, any::<Option<bool>>()), 1..20),
        ) {
            let mut known = KnownStations::default();
            let mut last: Option<StationStatus> = None;
            for (mut reading, code, like_the_last) in readings {
                reading.station_code = StationCode::new(&code.to_string()).unwrap();
                if let (Some(last), Some(name)) = (&last, like_the_last) {
                    reading.name = if name { last.name.clone() } else { reading.name };
                    (reading.lat, reading.lon, reading.commune) = (last.lat, last.lon, last.commune.clone());
                }
                prop_assert_eq!(&parse(Some(&encode(&reading).unwrap()), &mut known).unwrap(), &reading);
                last = Some(reading);
            }
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_set_aside_whole(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err(aside) = decode(&bytes, place()) {
                prop_assert_eq!(aside.raw, String::from_utf8_lossy(&bytes));
            }
        }

        #[test]
        fn a_message_that_breaks_off_is_set_aside(reading in reading(), share in 0.0..1.0f64) {
            let value = encode(&reading).unwrap();
            let kept = (value.len() as f64 * share) as usize;
            prop_assert!(decode(&value[..kept], place()).is_err());
        }
    }

    #[test]
    fn what_is_set_aside_names_its_place_and_the_reason() {
        let aside = decode(br#"{"stationcode": "16107"}"#, place()).unwrap_err();
        assert_eq!(
            aside.to_string(),
            "topic velib, partition 1, offset 42: missing field `fetched_at` at line 1 column 24: {\"stationcode\": \"16107\"}"
        );
    }

    #[test]
    fn every_field_of_the_table_is_in_the_message_and_no_other() {
        let at = DateTime::UNIX_EPOCH;
        let value = encode(&StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)).unwrap();
        let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&value).unwrap();
        let table = include_str!("message.rs").lines().filter(|line| line.starts_with("/// | `"));
        let mut documented: Vec<&str> = table
            .flat_map(|line| line.split('|').nth(1).unwrap().split(','))
            .map(|name| name.trim().trim_matches('`'))
            .collect();
        documented.sort_unstable();
        assert_eq!(value.keys().map(String::as_str).collect::<Vec<_>>(), documented);
    }

    #[test]
    fn unknown_may_be_null_or_missing_and_other_fields_are_passed_over() {
        let least = br#"{"stationcode":"16107","duedate":"2022-05-12T10:00:00Z","fetched_at":"2022-05-12T11:04:00+01:00","x":1}"#;
        let reading = decode(least, place()).unwrap();
        assert_eq!((reading.capacity, reading.is_full()), (None, None));
        assert_eq!(reading.lag(), chrono::TimeDelta::minutes(4));
    }
}
