//! One reading as one line of CSV, the same bytes as the crate `csv` writes, which takes several times as long: from Kafka to
//! the file a line is a third of the work.

use std::io::{Read, Write};

use chrono::{DateTime, Datelike, Timelike, Utc};

use crate::station::{StationCode, StationStatus};

/// The columns of a collected file, in their order: the names that [`StationStatus`] carries outside the program.
pub const COLUMNS: [&str; 15] = [
    "fetched_at",
    "stationcode",
    "name",
    "is_installed",
    "capacity",
    "numdocksavailable",
    "numbikesavailable",
    "mechanical",
    "ebike",
    "is_renting",
    "is_returning",
    "duedate",
    "lat",
    "lon",
    "nom_arrondissement_communes",
];
const FETCHED_AT: usize = 0;
const STATION_CODE: usize = 1;
const LAST_REPORTED: usize = 11;

/// What a reading is known by: its station, and its event time in milliseconds since 1970.
pub(super) type Key = (StationCode, i64);

/// The key of a reading.
pub(super) fn key_of(reading: &StationStatus) -> Key {
    (reading.station_code.clone(), reading.last_reported.timestamp_millis())
}

/// The first line of every file.
pub(super) fn header() -> String {
    COLUMNS.join(",") + "\n"
}

/// Adds the line of `reading`.
pub(super) fn write(rows: &mut Vec<u8>, reading: &StationStatus) {
    time(rows, reading.fetched_at);
    text(rows, Some(reading.station_code.as_str()));
    text(rows, reading.name.as_deref());
    fact(rows, reading.is_installed);
    for count in [reading.capacity, reading.docks_available, reading.bikes_available, reading.mechanical, reading.ebike]
    {
        rows.push(b',');
        if let Some(count) = count {
            number(rows, count);
        }
    }
    fact(rows, reading.is_renting);
    fact(rows, reading.is_returning);
    rows.push(b',');
    time(rows, reading.last_reported);
    for degrees in [reading.lat, reading.lon] {
        rows.push(b',');
        if let Some(degrees) = degrees {
            rows.extend_from_slice(ryu::Buffer::new().format(degrees).as_bytes());
        }
    }
    text(rows, reading.commune.as_deref());
    rows.push(b'\n');
}

/// RFC 3339 in UTC, with as many digits of the second as are needed.
fn time(rows: &mut Vec<u8>, time: DateTime<Utc>) {
    let (date, clock) = (time.date_naive(), time.time());
    let (Ok(year @ 0..=9999), true) = (u32::try_from(date.year()), clock.nanosecond() < 1_000_000_000) else {
        // A year of five digits, or a leap second. Writing to memory does not fail.
        let _ = write!(rows, "{}", time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
        return;
    };
    let parts = [
        (year, 4, b'-'),
        (date.month(), 2, b'-'),
        (date.day(), 2, b'T'),
        (clock.hour(), 2, b':'),
        (clock.minute(), 2, b':'),
    ];
    for (value, width, mark) in parts {
        digits(rows, value, width);
        rows.push(mark);
    }
    digits(rows, clock.second(), 2);
    let nanoseconds = clock.nanosecond();
    if nanoseconds > 0 {
        rows.push(b'.');
        match nanoseconds {
            _ if nanoseconds % 1_000_000 == 0 => digits(rows, nanoseconds / 1_000_000, 3),
            _ if nanoseconds % 1000 == 0 => digits(rows, nanoseconds / 1000, 6),
            _ => digits(rows, nanoseconds, 9),
        }
    }
    rows.push(b'Z');
}

/// A number with zeros before it.
fn digits(rows: &mut Vec<u8>, mut value: u32, width: usize) {
    let mut text = [b'0'; 10];
    for digit in text[..width].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    rows.extend_from_slice(&text[..width]);
}

fn number(rows: &mut Vec<u8>, value: u32) {
    digits(rows, value, value.checked_ilog10().unwrap_or(0) as usize + 1);
}

fn fact(rows: &mut Vec<u8>, fact: Option<bool>) {
    rows.extend_from_slice(match fact {
        None => b",",
        Some(true) => b",true",
        Some(false) => b",false",
    });
}

fn text(rows: &mut Vec<u8>, text: Option<&str>) {
    rows.push(b',');
    let Some(text) = text else { return };
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        rows.extend_from_slice(text.as_bytes());
        return;
    }
    rows.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            rows.push(b'"');
        }
        rows.push(byte);
    }
    rows.push(b'"');
}

/// A reader of lines, with a header or without. A line may have any number of cells.
pub(super) fn reader<R: Read>(from: R, has_header: bool) -> csv::Reader<R> {
    csv::ReaderBuilder::new().flexible(true).has_headers(has_header).buffer_capacity(1 << 16).from_reader(from)
}

/// The key of a line and its time of arrival in milliseconds, if it is one of a reading.
pub(super) fn key(record: &csv::ByteRecord) -> Option<(Key, i64)> {
    let text = |column: usize| std::str::from_utf8(record.get(column)?).ok();
    let time = |column: usize| {
        let text = text(column)?;
        let usual = crate::station::usual_time(text.as_bytes());
        Some(usual.or_else(|| text.parse().ok())?.timestamp_millis())
    };
    let key = (StationCode::new(text(STATION_CODE)?).ok()?, time(LAST_REPORTED)?);
    (record.len() == COLUMNS.len()).then_some((key, time(FETCHED_AT)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::readings;
    use proptest::prelude::*;

    /// What the crate `csv` makes of the readings.
    fn by_csv(readings: &[StationStatus]) -> String {
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(vec![]);
        readings.iter().for_each(|reading| writer.serialize(reading).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    fn by_us(readings: &[StationStatus]) -> String {
        let mut rows = vec![];
        readings.iter().for_each(|reading| write(&mut rows, reading));
        String::from_utf8(rows).unwrap()
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_crate_csv(
            mut readings in readings(),
            text in "\\PC{0,6}[,\"\r\n ;]{0,2}\\PC{0,3}",
            counts in any::<[u32; 5]>(),
            degrees in any::<[f64; 2]>(),
            seconds in -62_167_219_200..253_402_300_800i64,
            fraction in prop::sample::select(vec![0, 250_000_000, 1_000, 123_456_789]),
        ) {
            if let Some(reading) = readings.first_mut() {
                reading.name = Some(text.as_str().into());
                [reading.capacity, reading.docks_available, reading.bikes_available, reading.mechanical, reading.ebike] =
                    counts.map(Some);
                [reading.lat, reading.lon] = degrees.map(Some);
                reading.fetched_at = DateTime::from_timestamp(seconds, fraction).unwrap();
            }
            prop_assert_eq!(by_us(&readings), by_csv(&readings));
        }

        #[test]
        fn the_key_of_a_line_is_that_of_its_reading(readings in readings()) {
            let rows = by_us(&readings);
            let mut reader = reader(rows.as_bytes(), false);
            let keys: Vec<_> = reader.byte_records().map(|record| key(&record.unwrap())).collect();
            let arrival = |reading: &StationStatus| reading.fetched_at.timestamp_millis();
            let expected = readings.iter().map(|reading| Some((key_of(reading), arrival(reading))));
            prop_assert_eq!(keys, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn times_that_are_not_of_the_usual_shape_are_written_as_chrono_does() {
        for (seconds, nanoseconds) in [(253_402_300_800, 0), (59, 1_500_000_000), (-62_167_219_201, 0)] {
            let (mut rows, at) = (vec![], DateTime::from_timestamp(seconds, nanoseconds).unwrap());
            time(&mut rows, at);
            assert_eq!(String::from_utf8(rows).unwrap().parse(), Ok(at));
        }
    }

    #[test]
    fn the_columns_are_the_names_of_the_reading_in_its_order() {
        let mut writer = csv::Writer::from_writer(vec![]);
        let at = DateTime::UNIX_EPOCH;
        writer.serialize(StationStatus::unknown(StationCode::new("1").unwrap(), at, at)).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next(), Some(COLUMNS.join(",").as_str()));
        let used = [COLUMNS[FETCHED_AT], COLUMNS[STATION_CODE], COLUMNS[LAST_REPORTED]];
        assert_eq!(used, ["fetched_at", "stationcode", "duedate"]);
    }
}
