//! Small readings for the tests of this room and of the model's.

use chrono::DateTime;

use crate::station::{StationCode, StationStatus};

/// A usable reading at a second since 1970, fetched at once, at a station of 20 docks.
pub(crate) fn reading(code: &str, time: i64, docks: u32) -> StationStatus {
    let at = DateTime::from_timestamp(time, 0).unwrap();
    StationStatus {
        is_installed: Some(true),
        is_renting: Some(true),
        is_returning: Some(true),
        capacity: Some(20),
        docks_available: Some(docks),
        bikes_available: Some(20u32.saturating_sub(docks)),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at, at)
    }
}

/// One station's readings from (second, free docks).
pub(crate) fn readings(code: &str, rows: &[(i64, u32)]) -> Vec<StationStatus> {
    rows.iter().map(|&(time, docks)| reading(code, time, docks)).collect()
}
