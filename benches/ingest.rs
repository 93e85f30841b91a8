//! Part 1: a snapshot of the portal to readings, and readings to Kafka messages and back; 1,421 stations each.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use velib::StationStatus;
use velib::error::Place;
use velib::ingest::decode_records;
use velib::kafka::{decode, encode};

/// From the body of the v2.1 export to readings, in the two steps of a poll: the document, then its records.
fn snapshot(c: &mut Criterion) {
    let snapshot = common::snapshot();
    let export = Value::from_iter(snapshot.readings.iter().map(record)).to_string();
    let place = Place::Url("https://opendata.paris.fr".into());
    let poll = |body: &str| {
        let records = serde_json::from_slice(body.as_bytes()).expect("an array of records");
        decode_records(records, snapshot.fetched_at, &place)
    };
    assert_eq!(poll(&export).readings, snapshot.readings);

    let mut group = c.benchmark_group("ingest");
    group.throughput(Throughput::ElementsAndBytes { elements: common::VELIB as u64, bytes: export.len() as u64 });
    group.bench_function("decode an export", |b| b.iter(|| poll(black_box(&export))));
    group.finish();
}

/// Each reading as one message.
fn messages(c: &mut Criterion) {
    let readings = common::snapshot().readings;
    let messages: Vec<_> = readings.iter().map(|reading| encode(reading).expect("a message")).collect();
    let bytes = messages.iter().map(|message| message.len() as u64).sum();
    let places = || vec![Place::Brokers(String::new()); messages.len()];
    let read = |places: Vec<Place>| -> Vec<_> {
        messages.iter().zip(places).map(|(message, place)| decode(message, place).expect("a reading")).collect()
    };
    assert_eq!(read(places()), readings);

    let mut group = c.benchmark_group("kafka");
    group.throughput(Throughput::ElementsAndBytes { elements: common::VELIB as u64, bytes });
    group.bench_function("encode", |b| {
        b.iter(|| {
            for reading in &readings {
                black_box(encode(black_box(reading)).expect("a message"));
            }
        });
    });
    // The places are made beforehand: a consumer makes one only for a message that it sets aside.
    group.bench_function("decode", |b| b.iter_batched(places, read, BatchSize::SmallInput));
    group.finish();
}

/// A reading as the portal's v2.1 export has it.
fn record(reading: &StationStatus) -> Value {
    let flag = |flag: Option<bool>| flag.map(|flag| if flag { "OUI" } else { "NON" });
    json!({
        "stationcode": reading.station_code,
        "name": reading.name,
        "is_installed": flag(reading.is_installed),
        "capacity": reading.capacity,
        "numdocksavailable": reading.docks_available,
        "numbikesavailable": reading.bikes_available,
        "mechanical": reading.mechanical,
        "ebike": reading.ebike,
        "is_renting": flag(reading.is_renting),
        "is_returning": flag(reading.is_returning),
        "duedate": reading.last_reported.to_rfc3339(),
        "coordonnees_geo": {"lon": reading.lon, "lat": reading.lat},
        "nom_arrondissement_communes": reading.commune,
        "code_insee_commune": null,
        "station_opening_hours": null,
    })
}

criterion_group!(benches, snapshot, messages);
criterion_main!(benches);
