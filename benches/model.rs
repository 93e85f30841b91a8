//! Part 4: the features of two weeks of readings; a training of the logistic model on all stations over one week, which
//! keeps this bench within a minute or so; and the coming two hours of a network as large as Vélib'.

#![allow(clippy::expect_used, reason = "a bench that does not do its work must stop")]

mod common;

use std::hint::black_box;

use chrono::TimeDelta;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use velib::StationCode;
use velib::features::{Flows, History, Matrix, Target};
use velib::model::{ModelName, SavedModel, TrainSettings, train, train_each};

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

/// How far ahead a forecast in use looks.
const HORIZONS: [TimeDelta; 4] =
    [TimeDelta::minutes(15), TimeDelta::minutes(30), TimeDelta::minutes(60), TimeDelta::minutes(120)];

/// The outlook of every station at four horizons from three days of readings, one every quarter of an hour; beside it that of
/// a single station, which is what the whole network has to be looked through for. Its elements are the forecasts.
fn predict(c: &mut Criterion) {
    let of_model = |model| {
        let settings = TrainSettings { model: Some(model), pooled: true, ..TrainSettings::default() };
        let trained = train_each(&common::history(3), &settings, &HORIZONS, &mut |_| ()).expect("a training");
        SavedModel::join(trained.into_iter().map(|one| one.model).collect()).expect("a model of all horizons")
    };
    let readings = common::large_history(3);
    let history = History::new(&readings);
    let made_at = readings.iter().map(|reading| reading.fetched_at).max().expect("a reading");
    let latest: Vec<_> = readings.iter().filter(|reading| reading.fetched_at == made_at).cloned().collect();
    let codes: Vec<StationCode> = history.stations().iter().map(|station| station.code().clone()).collect();

    let mut group = c.benchmark_group("predict network");
    for name in [ModelName::Calibrated, ModelName::Logistic, ModelName::Blend] {
        let model = of_model(name);
        let of = |codes: &[StationCode]| {
            model.outlook(black_box(&history), &latest, codes, made_at, &HORIZONS).expect("an outlook")
        };
        group.throughput(Throughput::Elements(HORIZONS.len() as u64));
        group.bench_function(format!("{name}, one station"), |b| b.iter_with_large_drop(|| of(&codes[..1])));
        group.throughput(Throughput::Elements((codes.len() * HORIZONS.len()) as u64));
        group.bench_function(format!("{name}, all stations"), |b| b.iter_with_large_drop(|| of(&codes)));
    }
    group.finish();
}

criterion_group!(name = benches; config = common::long(); targets = features, fit, predict);
criterion_main!(benches);
