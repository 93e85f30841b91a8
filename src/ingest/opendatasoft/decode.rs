//! The portal's records, out of JSON in each shape that it gives them: an export's array, a page of Explore v2.1, an answer of
//! Search v1.0. The names are the portal's, or the French labels of a table written with `use_labels=true`.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::record::{Dialect, Field, Record, RecordSeed, Slot, Texts, UNSAID};
use crate::ingest::{SetAside, Snapshot};
use crate::station::StationStatus;

/// The most records that one document may hold; the largest network has a few thousand stations.
const MOST_RECORDS: usize = 100_000;

/// The names that the portal's records have, and those of a reading outside the program, which are mostly the same.
pub(crate) struct Portal;

impl Dialect for Portal {
    fn slot(name: &str) -> Slot {
        match name {
            "coordonnees_geo" | "Coordonnées géographiques" => Slot::Position,
            "fields" => Slot::Record,
            "code_insee_commune" | "Code INSEE communes équipées" | "station_opening_hours" => Slot::Passed,
            "datasetid" | "recordid" | "geometry" | "record_timestamp" => Slot::Passed,
            _ => Field::named(name).or_else(|| labelled(name)).map_or(Slot::New, Slot::Field),
        }
    }
}

/// The field that a French label stands for.
fn labelled(label: &str) -> Option<Field> {
    Some(match label {
        "Identifiant station" => Field::StationCode,
        "Nom station" => Field::Name,
        "Station en fonctionnement" => Field::IsInstalled,
        "Capacité de la station" => Field::Capacity,
        "Nombre bornettes libres" => Field::DocksAvailable,
        "Nombre total vélos disponibles" => Field::BikesAvailable,
        "Vélos mécaniques disponibles" => Field::Mechanical,
        "Vélos électriques disponibles" => Field::Ebike,
        // "A payment terminal is there": the portal's mislabelling, the column is `is_renting`.
        "Borne de paiement disponible" => Field::IsRenting,
        "Retour vélib possible" => Field::IsReturning,
        "Actualisation de la donnée" => Field::LastReported,
        "Nom communes équipées" => Field::Commune,
        _ => return None,
    })
}

/// The fields that every record of the portal has, or can have.
pub(crate) const EXPECTED: [Field; 14] = [
    Field::StationCode,
    Field::Name,
    Field::IsInstalled,
    Field::Capacity,
    Field::DocksAvailable,
    Field::BikesAvailable,
    Field::Mechanical,
    Field::Ebike,
    Field::IsRenting,
    Field::IsReturning,
    Field::LastReported,
    Field::Lat,
    Field::Lon,
    Field::Commune,
];

/// The readings in a JSON document of the portal: an export's array of records, a page of Explore v2.1 (`{total_count,
/// results}`) or an answer of Search v1.0 (`{nhits, records}`), whose own count is then [`Snapshot::counted`].
///
/// A record that cannot be read is set aside as what came from `place`. A document that is none of these is an error.
///
/// ```
/// use velib::{error::Place, ingest::decode_document};
///
/// let export = br#"[
///     {"stationcode": "16107", "duedate": "2022-05-12T09:18:14+00:00", "numdocksavailable": 7, "capacity": "?"},
///     {"stationcode": "20117", "duedate": "yesterday", "numdocksavailable": 3}
/// ]"#;
/// let fetched_at = "2022-05-12T09:22:18Z".parse().unwrap();
/// let snapshot = decode_document(export, fetched_at, &Place::file("export.json"))?;
///
/// assert_eq!(snapshot.readings.len(), 1);
/// assert_eq!(snapshot.readings[0].docks_available, Some(7));
/// assert_eq!(snapshot.readings[0].capacity, None); // unknown, not zero
/// assert!(snapshot.set_aside[0].reason.starts_with("duedate is `\"yesterday\"`"));
/// # Ok::<(), velib::Error>(())
/// ```
pub fn decode_document(body: &[u8], fetched_at: DateTime<Utc>, place: &Place) -> Result<Snapshot> {
    let (mut texts, mut drift) = (Texts::default(), Drift::default());
    document(body, Some(fetched_at), place, &mut texts, &mut drift)
        .map_err(|error| Error::new(ErrorKind::Feed, error).at(place.clone()))
}

/// The reading in the text of one record, what was set aside for example; or why it holds none.
pub fn decode_record(
    text: &str,
    fetched_at: DateTime<Utc>,
    place: &Place,
) -> std::result::Result<StationStatus, SetAside> {
    let (mut texts, mut drift) = (Texts::default(), Drift::default());
    record(text.as_bytes(), Some(fetched_at), &mut texts, &mut drift).map_err(|reason| SetAside {
        place: place.clone(),
        reason,
        raw: text.to_owned(),
    })
}

/// As [`decode_record`], with what the texts and the form of the feed are remembered in; the error as text.
pub(crate) fn record(
    text: &[u8],
    fetched_at: Option<DateTime<Utc>>,
    texts: &mut Texts,
    drift: &mut Drift,
) -> std::result::Result<StationStatus, String> {
    let mut record = Record::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = RecordSeed::<Portal>::new(&mut record).deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| error.to_string()).and_then(|()| record.reading(fetched_at, texts, drift))
}

/// As [`decode_document`], with what the texts and the form of the feed are remembered in; the error as text.
pub(crate) fn document(
    body: &[u8],
    fetched_at: Option<DateTime<Utc>>,
    place: &Place,
    texts: &mut Texts,
    drift: &mut Drift,
) -> std::result::Result<Snapshot, String> {
    let mut decoder = Decoder::new(fetched_at, texts, drift);
    let mut json = serde_json::Deserializer::from_slice(body);
    let counted = Document(&mut decoder).deserialize(&mut json).and_then(|counted| json.end().map(|()| counted));
    let counted = counted.map_err(|error| error.to_string())?;
    // The texts of the records are looked for only where one could not be read.
    if decoder.bad.is_empty() {
        return Ok(decoder.snapshot(counted, place, &[]));
    }
    let body = String::from_utf8_lossy(body); // what is passed over need not be UTF-8
    Ok(decoder.snapshot(counted, place, &raw_records(&body)))
}

/// The records of a document as they stand there.
fn raw_records(body: &str) -> Vec<&RawValue> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow, alias = "records")]
        results: Vec<&'a RawValue>,
    }
    let page = || serde_json::from_str::<Page<'_>>(body).map(|page| page.results);
    serde_json::from_str(body).or_else(|_| page()).unwrap_or_default()
}

/// Records to readings.
struct Decoder<'d> {
    /// When the poll was made; of a file it stands in the records.
    fetched_at: Option<DateTime<Utc>>,
    texts: &'d mut Texts,
    drift: &'d mut Drift,
    seen: usize,
    readings: Vec<StationStatus>,
    /// Which of the records could not be read, and why.
    bad: Vec<(usize, String)>,
}

impl<'d> Decoder<'d> {
    fn new(fetched_at: Option<DateTime<Utc>>, texts: &'d mut Texts, drift: &'d mut Drift) -> Self {
        Self { fetched_at, texts, drift, seen: 0, readings: Vec::new(), bad: Vec::new() }
    }

    fn take(&mut self, record: &Record<'_>) {
        match record.reading(self.fetched_at, self.texts, self.drift) {
            Ok(reading) => self.readings.push(reading),
            Err(reason) => self.bad.push((self.seen, reason)),
        }
        self.seen += 1;
    }

    fn snapshot(self, counted: Option<u64>, place: &Place, raw: &[&RawValue]) -> Snapshot {
        let set_aside = self.bad.into_iter().map(|(index, reason)| {
            let raw = raw.get(index).map_or_else(String::new, |raw| raw.get().to_owned());
            SetAside { place: place.clone(), reason, raw }
        });
        let set_aside = set_aside.collect();
        Snapshot { fetched_at: self.fetched_at.unwrap_or(UNSAID), readings: self.readings, counted, set_aside }
    }
}

/// A document of any of the three shapes; how many records the portal counts, where it says so.
struct Document<'r, 'd>(&'r mut Decoder<'d>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records, or a page of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, records: A) -> std::result::Result<Self::Value, A::Error> {
        Records(self.0).visit_seq(records).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut counted, mut found) = (None, false);
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "total_count" | "nhits" => counted = Some(fields.next_value()?),
                "results" | "records" if found => return Err(A::Error::custom("two lists of records")),
                "results" | "records" => {
                    fields.next_value_seed(Records(&mut *self.0))?;
                    found = true;
                }
                _ => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        if found { Ok(counted) } else { Err(A::Error::custom("no list of records")) }
    }
}

/// An array of records.
struct Records<'r, 'd>(&'r mut Decoder<'d>);

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> std::result::Result<(), A::Error> {
        let mut record = Record::default();
        while records.next_element_seed(RecordSeed::<Portal>::new(&mut record))?.is_some() {
            if self.0.seen == MOST_RECORDS {
                return Err(A::Error::custom(format_args!("more than {MOST_RECORDS} records")));
            }
            self.0.take(&record);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Note;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn place() -> Place {
        Place::Url("http://h".into())
    }

    fn fetched_at() -> DateTime<Utc> {
        "2023-02-26T11:05:00Z".parse().unwrap()
    }

    /// What comes of records in an export, and what was noticed of their form.
    fn read(records: &[Value]) -> (Snapshot, Vec<Note>) {
        let (mut texts, mut drift) = (Texts::default(), Drift::default());
        let body = json!(records).to_string();
        let snapshot = document(body.as_bytes(), Some(fetched_at()), &place(), &mut texts, &mut drift).unwrap();
        drift.close(&place(), &EXPECTED);
        let (mut readings, mut aside) = (vec![], vec![]);
        for record in records {
            match decode_record(&record.to_string(), fetched_at(), &place()) {
                Ok(reading) => readings.push(reading),
                Err(record) => aside.push(record),
            }
        }
        assert_eq!((&readings, &aside), (&snapshot.readings, &snapshot.set_aside));
        (snapshot, drift.take())
    }

    fn record() -> Value {
        json!({"stationcode": "16107", "name": "Benjamin Godard - Victor Hugo", "is_installed": "OUI", "capacity": 35,
            "numdocksavailable": 33, "numbikesavailable": 2, "mechanical": 0, "ebike": 2, "is_renting": "OUI",
            "is_returning": "NON", "duedate": "2023-02-26T11:53:57+01:00",
            "coordonnees_geo": {"lon": 2.275725, "lat": 48.865983}, "nom_arrondissement_communes": "Paris",
            "code_insee_commune": null, "station_opening_hours": null})
    }

    fn with(field: &str, value: Value) -> Value {
        let mut record = record();
        record[field] = value;
        record
    }

    fn reading(record: &Value) -> StationStatus {
        let (snapshot, _) = read(std::slice::from_ref(record));
        assert_eq!(snapshot.set_aside, []);
        snapshot.readings[0].clone()
    }

    #[test]
    fn every_shape_gives_one_reading() {
        let explore = reading(&record());
        assert_eq!(explore.last_reported.to_rfc3339(), "2023-02-26T10:53:57+00:00");
        assert_eq!((explore.is_installed, explore.is_returning, explore.ebike), (Some(true), Some(false), Some(2)));
        assert_eq!((explore.lat, explore.commune.as_deref()), (Some(48.865983), Some("Paris")));
        assert_eq!(reading(&with("coordonnees_geo", json!([48.865983, 2.275725]))), explore);
        assert_eq!(reading(&with("coordonnees_geo", json!("48.865983, 2.275725"))), explore);
        // A reading as a message has it.
        assert_eq!(reading(&serde_json::to_value(&explore).unwrap()), explore);

        let decode =
            |document: Value| decode_document(document.to_string().as_bytes(), fetched_at(), &place()).unwrap();
        let page = decode(json!({"total_count": 7, "results": [record()]}));
        assert_eq!((page.counted, page.readings.as_slice()), (Some(7), [explore.clone()].as_slice()));
        let answer =
            json!({"nhits": 8, "records": [{"datasetid": "d", "fields": record(), "geometry": {"type": "Point"}}]});
        assert_eq!((decode(answer.clone()).counted, decode(answer).readings), (Some(8), vec![explore]));
    }

    #[test]
    fn drift_of_a_field_changes_nothing_else() {
        let as_text = json!({"stationcode": 16107, "duedate": "2023-02-26T10:53:57Z", "capacity": "35", "ebike": "2.0",
            "mechanical": 0.0, "is_renting": true, "is_returning": 0});
        let read_as_text = reading(&as_text);
        assert_eq!((read_as_text.station_code.as_str(), read_as_text.docks_available), ("16107", None));
        assert_eq!((read_as_text.capacity, read_as_text.ebike, read_as_text.mechanical), (Some(35), Some(2), Some(0)));
        assert_eq!((read_as_text.is_renting, read_as_text.is_returning), (Some(true), Some(false)));

        let plain = reading(&record());
        assert_eq!(reading(&with("a_field_of_tomorrow", json!([1]))), plain);
        let unknown = [json!(-1), json!(1.5), json!("many"), json!({}), json!(true), Value::Null];
        for value in unknown {
            assert_eq!(reading(&with("capacity", value)), StationStatus { capacity: None, ..plain.clone() });
        }
        for place in [json!([2.27]), json!("Paris"), json!(5), json!({"lat": 48.8}), json!({"lat": 91, "lon": 2})] {
            assert_eq!(
                reading(&with("coordonnees_geo", place)),
                StationStatus { lat: None, lon: None, ..plain.clone() }
            );
        }
        assert_eq!(reading(&with("is_renting", json!("PEUT-ETRE"))), StationStatus { is_renting: None, ..plain });
    }

    #[test]
    fn each_drift_is_told_once() {
        let told = |notes: &[Note]| notes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut short = with("tomorrow", json!(1));
        short.as_object_mut().unwrap().remove("ebike");
        short["capacity"] = json!("?");
        let mut other = short.clone();
        other["stationcode"] = json!("9020");
        assert_eq!(
            told(&read(&[short.clone(), other]).1),
            [
                "http://h: fields that no record has, unknown therefore: ebike",
                "http://h: fields that are new here and passed over: tomorrow",
                "http://h: capacity cannot be read in 2 records and is unknown there; the first: `\"?\"`, not a count, at station 16107",
            ]
        );
        // One record that has the field is enough.
        assert_eq!(told(&read(&[short, record()]).1).len(), 2);
        assert_eq!(told(&read(&[]).1), [""; 0]);

        let (mut texts, mut drift) = (Texts::default(), Drift::default());
        let body = json!([with("tomorrow", json!(1)), with("capacity", json!("?"))]).to_string();
        for notes in [2, 0, 0] {
            document(body.as_bytes(), Some(fetched_at()), &place(), &mut texts, &mut drift).unwrap();
            drift.close(&place(), &EXPECTED);
            assert_eq!(drift.take().len(), notes);
        }
    }

    #[test]
    fn without_a_station_or_its_clock_a_record_is_set_aside_whole() {
        let aside = |record: Value| {
            let (mut snapshot, _) = read(&[self::record(), record]);
            assert_eq!((snapshot.readings.len(), snapshot.set_aside.len()), (1, 1));
            snapshot.set_aside.remove(0)
        };
        assert_eq!(aside(with("stationcode", Value::Null)).reason, "stationcode is missing");
        assert_eq!(aside(with("stationcode", json!(" "))).reason, "stationcode is missing");
        assert_eq!(aside(with("stationcode", json!("a\0"))).reason, "the station code holds the character 0");
        assert_eq!(aside(with("stationcode", json!([]))).reason, "stationcode is `[]`, not a text");
        assert_eq!(aside(with("duedate", json!("hier"))).reason, "duedate is `\"hier\"`, not a time (RFC 3339)");
        assert_eq!(aside(json!(5)).reason, "`5` stands where a record should");
        let spoilt = with("duedate", Value::Null);
        let kept = aside(spoilt.clone());
        assert_eq!((kept.reason.as_str(), serde_json::from_str(&kept.raw).ok()), ("duedate is missing", Some(spoilt)));
    }

    #[test]
    fn what_is_set_aside_is_kept_as_it_stood() {
        let twice = r#"{"stationcode" : "1", "duedate": "2023-02-26T10:53:57Z", "Actualisation de la donnée": "hier"}"#;
        for document in [format!("[{twice}]"), format!(r#"{{"nhits": 1, "records": [ {twice} ]}}"#)] {
            let snapshot = decode_document(document.as_bytes(), fetched_at(), &place()).unwrap();
            assert_eq!(snapshot.set_aside[0].raw, twice);
            assert_eq!(decode_record(twice, fetched_at(), &place()), Err(snapshot.set_aside[0].clone()));
        }
        let snapshot = decode_document(b"[{\"new\": \"\xff\"}]", fetched_at(), &place()).unwrap();
        assert_eq!(snapshot.set_aside[0].raw, "{\"new\": \"\u{fffd}\"}");
    }

    #[test]
    fn a_document_of_another_kind_is_an_error() {
        let error = |body: &str| decode_document(body.as_bytes(), fetched_at(), &place()).unwrap_err().to_string();
        assert!(error("{}").starts_with("http://h: no list of records"), "{}", error("{}"));
        assert!(error(r#"{"results": [], "records": []}"#).contains("two lists of records"));
        assert!(error("12").contains("an array of records, or a page of them"));
        assert!(error(r#"[{"stationcode": "1"}, {"sta"#).contains("EOF"));
        assert!(error("[] and a trailer").contains("trailing characters"));
        assert!(error(&format!("[{}1]", "1,".repeat(MOST_RECORDS))).contains("more than 100000 records"));
        assert!(error(&"[".repeat(100_000)).contains("recursion limit"));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            prop::sample::select(vec!["OUI", "12", "12.0", "48.8, 2.3", "2022-05-12T09:18:14+02:00"])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::hash_map("lat|lon|fields|text", inner, 0..3).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        /// Whatever stands in a field: no panic, no record lost, and a reading is the same after a message.
        #[test]
        fn whatever_stands_in_a_field_is_read_or_set_aside(changes in prop::collection::vec((0..15usize, any_value()), 1..4)) {
            let mut record = record();
            for (field, value) in changes {
                let name = record.as_object().unwrap().keys().nth(field).unwrap().clone();
                record[name] = value;
            }
            let (snapshot, _) = read(&[record, self::record()]);
            prop_assert_eq!(snapshot.readings.len() + snapshot.set_aside.len(), 2);
            for reading in snapshot.readings {
                let message = serde_json::to_vec(&reading).unwrap();
                prop_assert_eq!(&serde_json::from_slice::<StationStatus>(&message).unwrap(), &reading);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), cut in any::<prop::sample::Index>()) {
            let _ = decode_document(&body, fetched_at(), &place());
            let whole = json!({"total_count": 1, "results": [record()]}).to_string();
            prop_assert!(decode_document(&whole.as_bytes()[..cut.index(whole.len())], fetched_at(), &place()).is_err());
        }
    }
}
