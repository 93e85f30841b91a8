//! Part 2: readings into windows of ten minutes, and the windows into the store, which is SQLite in memory: what a disk
//! adds is not measured here.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use velib::StationStatus;
use velib::streaming::{SqliteStore, StreamingStatistics, Windowing};

/// Readings between two flushes in the whole run.
const BATCH: usize = 10_000;

/// Two weeks of readings, first without a flush and then with one after each batch, as a consumer takes them in.
fn update(c: &mut Criterion) {
    let readings = common::history(14);
    let mut group = c.benchmark_group("streaming");
    group.throughput(Throughput::Elements(readings.len() as u64));
    group.bench_function("update", |b| {
        b.iter_batched(engine, |engine| updated(engine, &readings), BatchSize::PerIteration);
    });
    group.bench_function("update and flush", |b| {
        let run = |mut engine: StreamingStatistics| {
            for batch in readings.chunks(BATCH) {
                engine = updated(engine, batch);
                engine.flush().expect("a flush");
            }
            engine
        };
        b.iter_batched(engine, run, BatchSize::PerIteration);
    });
    group.finish();
}

/// A day's windows, written in one transaction. Its elements are windows.
fn flush(c: &mut Criterion) {
    let readings = common::history(1);
    let windows = updated(engine(), &readings).flush().expect("a flush");
    let mut group = c.benchmark_group("streaming");
    group.throughput(Throughput::Elements(windows as u64));
    group.bench_function("flush", |b| {
        let flush = |engine: &mut StreamingStatistics| engine.flush().expect("a flush");
        b.iter_batched_ref(|| updated(engine(), &readings), flush, BatchSize::PerIteration);
    });
    group.finish();
}

fn engine() -> StreamingStatistics {
    let ten_minutes = Windowing::tumbling(Duration::from_secs(600)).expect("a window's length");
    let store = SqliteStore::in_memory().expect("a store in memory");
    StreamingStatistics::new(ten_minutes, Box::new(store)).expect("an engine on an empty store")
}

/// The engine when it has taken in `readings`.
fn updated(mut engine: StreamingStatistics, readings: &[StationStatus]) -> StreamingStatistics {
    for reading in readings {
        engine.update(reading).expect("an update");
    }
    engine
}

criterion_group!(name = benches; config = common::long(); targets = update, flush);
criterion_main!(benches);
