//! Random readings for the tests of this room: few stations, small counts, and every field sometimes unknown.

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use crate::station::{StationCode, StationStatus};

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_650_000_000 + seconds, 0).unwrap()
}

/// Up to 120 readings in no order, some of them repeats, of stations that open, close, move and lose their names; of less
/// than an hour.
pub(crate) fn readings() -> impl Strategy<Value = Vec<StationStatus>> {
    prop::collection::vec(reading(0..40i64, 0..9i64), 0..120)
}

/// The same of two days, with gaps of minutes and of hours.
pub(crate) fn readings_with_gaps() -> impl Strategy<Value = Vec<StationStatus>> {
    let minute = (0..40i64, prop::sample::select(vec![1, 7, 61])).prop_map(|(step, minutes)| step * minutes);
    prop::collection::vec(reading(minute, 0..9i64), 0..120)
}

/// The same over two days, some of them fetched by a clock that is two days behind.
pub(crate) fn wild_readings() -> impl Strategy<Value = Vec<StationStatus>> {
    let minute = (0..40i64, prop::sample::select(vec![1, 61])).prop_map(|(step, minutes)| step * minutes);
    prop::collection::vec(reading(minute, prop_oneof![4 => 0..9i64, 1 => Just(-2 * 24 * 60)]), 0..120)
}

fn reading(
    minute: impl Strategy<Value = i64>,
    lag: impl Strategy<Value = i64>,
) -> impl Strategy<Value = StationStatus> {
    let code = prop::sample::select(vec!["1001", "9020", "16107", "20117", "31024_relais", "42"]);
    let name = prop::option::of(prop::sample::select(vec!["Benjamin Godard", "Rue \"A\", bis", "Été\nindien"]));
    let commune = prop::option::of(prop::sample::select(vec!["Paris", "Montreuil", "Issy-les-Moulineaux"]));
    let yes = || prop::option::weighted(0.9, prop::bool::weighted(0.8));
    let count = || prop::option::weighted(0.9, 0..6u32);
    // Half a position is none, wherever it is read.
    let place = prop::option::of((-90.0..90.0, -180.0..180.0));
    ((code, name, commune, minute, lag), (yes(), yes(), yes()), (count(), count(), count(), count(), count()), place)
        .prop_map(|((code, name, commune, time, lag), (installed, renting, returning), counts, place)| {
            let (lat, lon): (Option<f64>, Option<f64>) = place.unzip();
            StationStatus {
                name: name.map(Into::into),
                is_installed: installed,
                capacity: counts.0,
                docks_available: counts.1,
                bikes_available: counts.2,
                mechanical: counts.3,
                ebike: counts.4,
                is_renting: renting,
                is_returning: returning,
                lat,
                lon,
                commune: commune.map(Into::into),
                ..StationStatus::unknown(StationCode::new(code).unwrap(), at(60 * time), at(60 * (time + lag)))
            }
        })
}
