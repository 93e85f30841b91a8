//! The documents of a GBFS feed, each as far as it is of use here.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use reqwest::Url;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ingest::record::{Cell, Dialect, Field, Record, RecordSeed, Slot};

/// The most stations that one document may hold.
const MOST_STATIONS: usize = 100_000;

/// Where a feed's documents are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Feeds {
    pub(super) information: String,
    pub(super) status: String,
    pub(super) vehicle_types: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    url: String,
}

impl Feeds {
    /// Out of the discovery document: `data.feeds` in version 3, `data.LANGUAGE.feeds` before. Languages differ in texts only;
    /// English is taken where it is there.
    pub(super) fn read(body: &[u8], base: &Url) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Discovery {
            data: Value,
        }
        let Discovery { data } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let language =
            || data.get("en").or_else(|| data.as_object()?.values().find(|value| value.get("feeds").is_some()));
        let feeds = data.get("feeds").or_else(|| language()?.get("feeds")).ok_or("it names no feeds")?;
        let feeds = Vec::<Named>::deserialize(feeds).map_err(|error| error.to_string())?;
        let url = |name: &str| {
            let found = feeds.iter().find(|feed| feed.name == name || feed.name == format!("{name}.json"));
            found.map(|feed| allowed(base, &feed.url)).transpose()
        };
        Ok(Self {
            information: url("station_information")?.ok_or("it names no feed station_information")?,
            status: url("station_status")?.ok_or("it names no feed station_status")?,
            vehicle_types: url("vehicle_types")?,
        })
    }
}

/// The address of a feed, which must not leave HTTP, nor HTTPS once it is there.
fn allowed(base: &Url, url: &str) -> Result<String, String> {
    let url = base.join(url).map_err(|error| format!("`{url}` is no address: {error}"))?;
    match (base.scheme(), url.scheme()) {
        (_, "https") | ("http", "http") => Ok(url.into()),
        _ => Err(format!("it leads to another scheme: {url}")),
    }
}

/// `station_information`: what the stations are.
pub(super) struct Information {
    /// For how many seconds it may be kept.
    pub(super) ttl: u64,
    pub(super) stations: Vec<Record<'static>>,
}

impl Information {
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let document: Document<'_, InformationNames> =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let ttl = document.ttl.count().ok().flatten().unwrap_or_default().into();
        Ok(Self { ttl, stations: document.data.stations.records.into_iter().map(Record::into_owned).collect() })
    }

    /// The names of fields that are new.
    pub(super) fn new_names(&self) -> Vec<String> {
        self.stations.iter().flat_map(Record::new_names).map(ToString::to_string).take(MOST_STATIONS).collect()
    }
}

/// The stations of `station_status`.
pub(super) fn read_status(body: &[u8]) -> Result<Vec<Record<'static>>, String> {
    let document: Document<'_, StatusNames> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(document.data.stations.records.into_iter().map(Record::into_owned).collect())
}

/// The stations of a document as they stand there.
pub(super) fn raw_stations(body: &str) -> Vec<&RawValue> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        data: Data<'a>,
    }
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        stations: Vec<&'a RawValue>,
    }
    serde_json::from_str::<Document<'_>>(body).map(|document| document.data.stations).unwrap_or_default()
}

/// `vehicle_types`: which of them are bikes by muscle, and which have a motor.
#[derive(Debug, Default)]
pub(super) struct VehicleTypes(HashMap<String, Field>);

impl VehicleTypes {
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            vehicle_types: Vec<Type>,
        }
        #[derive(Deserialize)]
        struct Type {
            vehicle_type_id: String,
            #[serde(default)]
            propulsion_type: String,
        }
        let document: Document = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let kinds = document.data.vehicle_types.into_iter().filter_map(|kind| {
            let field = match kind.propulsion_type.as_str() {
                "human" => Field::Mechanical,
                "electric_assist" | "electric" => Field::Ebike,
                _ => return None,
            };
            Some((kind.vehicle_type_id, field))
        });
        Ok(Self(kinds.collect()))
    }

    /// Which count a type of bike belongs to: Vélib' names the two themselves.
    pub(super) fn field(&self, id: &str) -> Option<Field> {
        match id {
            "mechanical" => Some(Field::Mechanical),
            "ebike" => Some(Field::Ebike),
            _ => self.0.get(id).copied(),
        }
    }
}

#[derive(Deserialize)]
#[serde(bound = "D: Dialect")]
struct Document<'a, D> {
    #[serde(borrow, default)]
    ttl: Cell<'a>,
    #[serde(borrow)]
    data: Data<'a, D>,
}

#[derive(Deserialize)]
#[serde(bound = "D: Dialect")]
struct Data<'a, D> {
    #[serde(borrow)]
    stations: Stations<'a, D>,
}

struct Stations<'a, D> {
    records: Vec<Record<'a>>,
    dialect: PhantomData<D>,
}

impl<'de: 'a, 'a, D: Dialect> Deserialize<'de> for Stations<'a, D> {
    fn deserialize<T: Deserializer<'de>>(deserializer: T) -> Result<Self, T::Error> {
        deserializer.deserialize_seq(StationsVisitor(PhantomData))
    }
}

struct StationsVisitor<'a, D>(PhantomData<(&'a (), D)>);

impl<'de: 'a, 'a, D: Dialect> Visitor<'de> for StationsVisitor<'a, D> {
    type Value = Stations<'a, D>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of stations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut stations: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::new();
        let mut record = Record::default();
        while stations.next_element_seed(RecordSeed::<D>::new(&mut record))?.is_some() {
            if records.len() == MOST_STATIONS {
                return Err(A::Error::custom(format_args!("more than {MOST_STATIONS} stations")));
            }
            records.push(std::mem::take(&mut record));
        }
        Ok(Stations { records, dialect: PhantomData })
    }
}

/// The names in `station_information`.
enum InformationNames {}

impl Dialect for InformationNames {
    fn slot(name: &str) -> Slot {
        match name {
            "station_id" => Slot::Id,
            "stationCode" | "station_code" => Slot::Field(Field::StationCode),
            "name" => Slot::Field(Field::Name),
            "lat" => Slot::Field(Field::Lat),
            "lon" => Slot::Field(Field::Lon),
            "capacity" => Slot::Field(Field::Capacity),
            "short_name"
            | "address"
            | "cross_street"
            | "region_id"
            | "post_code"
            | "city"
            | "station_opening_hours"
            | "rental_methods"
            | "is_virtual_station"
            | "station_area"
            | "parking_type"
            | "parking_hoop"
            | "contact_phone"
            | "vehicle_capacity"
            | "vehicle_type_capacity"
            | "vehicle_types_capacity"
            | "vehicle_docks_capacity"
            | "is_valet_station"
            | "is_charging_station"
            | "rental_uris" => Slot::Passed,
            _ => Slot::New,
        }
    }
}

/// The names in `station_status`.
enum StatusNames {}

impl Dialect for StatusNames {
    fn slot(name: &str) -> Slot {
        match name {
            "station_id" => Slot::Id,
            "stationCode" | "station_code" => Slot::Field(Field::StationCode),
            "num_bikes_available" | "num_vehicles_available" => Slot::Field(Field::BikesAvailable),
            "num_docks_available" => Slot::Field(Field::DocksAvailable),
            "is_installed" => Slot::Field(Field::IsInstalled),
            "is_renting" => Slot::Field(Field::IsRenting),
            "is_returning" => Slot::Field(Field::IsReturning),
            "last_reported" => Slot::Field(Field::LastReported),
            "num_bikes_available_types" | "vehicle_types_available" => Slot::Types,
            // Vélib' says some things twice; the others are of no use here.
            "numBikesAvailable"
            | "numDocksAvailable"
            | "num_bikes_disabled"
            | "num_vehicles_disabled"
            | "num_docks_disabled"
            | "num_ebikes_available"
            | "vehicle_docks_available"
            | "station_opening_hours"
            | "station_status_available"
            | "is_charging" => Slot::Passed,
            _ => Slot::New,
        }
    }
}
