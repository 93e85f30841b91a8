//! Part 3: two weeks of readings to a table, and its statistics by either engine.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use velib::batch::{Engine, Table, statistics};

fn batch(c: &mut Criterion) {
    let readings = common::history(14);
    let table = Table::new(&readings).expect("a table");

    let mut group = c.benchmark_group("batch");
    group.throughput(Throughput::Elements(readings.len() as u64));
    group.bench_function("table", |b| b.iter_with_large_drop(|| Table::new(black_box(&readings)).expect("a table")));
    for engine in [Engine::DataFrame, Engine::Sql] {
        group.bench_function(format!("statistics by {engine}"), |b| {
            b.iter(|| statistics(black_box(&table), engine).expect("statistics"));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = common::long(); targets = batch);
criterion_main!(benches);
