//! What an experiment was made from, in 64 digits: who has the same hashes has the same readings and settings.

use std::fmt::{Display, Write};

use sha2::{Digest, Sha256};

use super::settings::ExperimentSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::station::StationStatus;

/// SHA-256 over the readings, as hexadecimal digits: whatever order they come in and however often each, the same.
///
/// Hashed are lines, one for each different reading, in the order of their bytes: station, `last_reported` and `fetched_at`
/// (milliseconds since 1970), installed, returning, renting, capacity, docks, bikes, mechanical, electric, latitude,
/// longitude, with commas between and nothing for what is unknown.
pub(super) fn of_readings(readings: &[StationStatus]) -> String {
    let mut lines: Vec<String> = readings.iter().map(line).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut hash = Sha256::new();
    lines.iter().for_each(|line| hash.update(line));
    hex(&hash.finalize())
}

/// SHA-256 over the settings' JSON, as hexadecimal digits.
pub(super) fn of_settings(settings: &ExperimentSettings) -> Result<String> {
    let json = serde_json::to_vec(settings).map_err(|error| Error::new(ErrorKind::Model, error))?;
    Ok(hex(&Sha256::digest(json)))
}

fn line(reading: &StationStatus) -> String {
    let mut line = reading.station_code.to_string();
    let mut add = |value: Option<&dyn Display>| {
        line.push(',');
        // Writing to a string cannot fail.
        let _ = value.map_or(Ok(()), |value| write!(line, "{value}"));
    };
    let times = [reading.last_reported, reading.fetched_at].map(|time| time.timestamp_millis());
    times.iter().for_each(|time| add(Some(time)));
    let flags = [&reading.is_installed, &reading.is_returning, &reading.is_renting].map(|flag| flag.map(u8::from));
    flags.iter().for_each(|flag| add(flag.as_ref().map(|flag| flag as &dyn Display)));
    let counts =
        [&reading.capacity, &reading.docks_available, &reading.bikes_available, &reading.mechanical, &reading.ebike];
    counts.iter().for_each(|count| add(count.as_ref().map(|count| count as &dyn Display)));
    [&reading.lat, &reading.lon].iter().for_each(|place| add(place.as_ref().map(|place| place as &dyn Display)));
    line.push('\n');
    line
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::{reading, readings};
    use proptest::prelude::*;

    #[test]
    fn it_is_the_sha_256_of_the_lines() {
        assert_eq!(of_readings(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let known = reading("16107", 60, 3);
        let line = line(&known);
        assert!(line.starts_with("16107,60000,") && line.matches(',').count() == 12, "{line}");
        assert_eq!(of_readings(&[known]), hex(&Sha256::digest(line)));
    }

    #[test]
    fn whatever_a_forecast_reads_changes_it() {
        let known = reading("16107", 60, 3);
        let mut seen = vec![of_readings(std::slice::from_ref(&known))];
        for change in [
            |reading: &mut StationStatus| reading.is_installed = Some(false),
            |reading: &mut StationStatus| reading.is_returning = None,
            |reading: &mut StationStatus| reading.capacity = None,
            |reading: &mut StationStatus| reading.docks_available = Some(0),
            |reading: &mut StationStatus| reading.bikes_available = None,
            |reading: &mut StationStatus| reading.ebike = Some(77),
            |reading: &mut StationStatus| reading.lat = Some(48.5),
            |reading: &mut StationStatus| reading.fetched_at += chrono::TimeDelta::seconds(1),
        ] {
            let mut changed = known.clone();
            change(&mut changed);
            let hash = of_readings(&[changed]);
            assert!(!seen.contains(&hash));
            seen.push(hash);
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_repeats_change_it(rows in prop::collection::vec((0..500i64, 0..9u32), 1..20), turn in 0..20usize) {
            let one = readings("1", &rows);
            let mut other = one.clone();
            other.rotate_left(turn % one.len());
            other.push(one[0].clone());
            prop_assert_eq!(of_readings(&one), of_readings(&other));
        }
    }
}
