//! Part 4: the features of two weeks of readings, and a training of the logistic model on all stations over one week,
//! which keeps this bench within a minute or so.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::hint::black_box;

use chrono::TimeDelta;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use velib::features::{Flows, History, Matrix, Target};
use velib::model::{ModelName, TrainSettings, train};

/// The rates and the matrix of every origin that has a label. Its elements are the rows.
fn features(c: &mut Criterion) {
    let settings = TrainSettings::default();
    let target = Target::new(settings.horizon, TimeDelta::minutes(20));
    let history = History::new(&common::history(14));
    let examples = target.examples(&history);
    let (_, flows) = Flows::fit(&history, i64::MAX);

    let mut group = c.benchmark_group("features");
    group.throughput(Throughput::Elements(examples.len() as u64));
    group.bench_function("matrix", |b| {
        b.iter_with_large_drop(|| Matrix::of_training(&history, black_box(&examples), None, &flows, target));
    });
    group.finish();
}

/// All of [`train`]: labels, split, features, the fits for validation and the one that is kept, scores. Its elements are the
/// readings.
fn fit(c: &mut Criterion) {
    let readings = common::history(7);
    let settings = TrainSettings { model: Some(ModelName::Logistic), pooled: true, ..TrainSettings::default() };

    let mut group = c.benchmark_group("model");
    group.throughput(Throughput::Elements(readings.len() as u64));
    group.bench_function("train logistic", |b| {
        b.iter_with_large_drop(|| train(black_box(&readings), &settings, &mut |_| ()).expect("a training"));
    });
    group.finish();
}

criterion_group!(name = benches; config = common::long(); targets = features, fit);
criterion_main!(benches);
