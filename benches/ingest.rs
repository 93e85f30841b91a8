//! Part 1: a snapshot of the portal to readings, and readings to Kafka messages and back; 1,421 stations each.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::hint::black_box;

use chrono::TimeDelta;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;
use velib::error::Place;
use velib::ingest::decode_document;
use velib::kafka::{decode, encode};

/// From the body of the v2.1 export to readings, as a poll does it.
fn snapshot(c: &mut Criterion) {
    let snapshot = common::snapshot();
    let export = Value::from_iter(snapshot.readings.iter().map(|reading| common::record(reading, TimeDelta::zero())))
        .to_string();
    let place = Place::Url("https://opendata.paris.fr".into());
    let poll = |body: &str| decode_document(body.as_bytes(), snapshot.fetched_at, &place).expect("an export");
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

criterion_group!(benches, snapshot, messages);
criterion_main!(benches);
