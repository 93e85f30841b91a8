//! Readings as columns: what the statistics are computed from.
//!
//! The rules of a reading (open, full, empty, its zones) are applied here, once, so that no engine has its own. Counts are
//! 64 bits wide because polars keeps the width of a 32-bit column in its sum.

use polars::prelude::*;

use crate::error::Result;
use crate::station::StationStatus;
use crate::streaming::ZoneKind;

use super::engine::of_polars;

/// Readings as a polars table, one row each, in their order. Unknown is null.
///
/// | column | type | what it is |
/// |---|---|---|
/// | `fetched_at` | datetime, ms, UTC | arrival time |
/// | `stationcode` | text | never null |
/// | `name` | text | |
/// | `is_installed` | boolean | |
/// | `capacity` | 64-bit integer | docks, those out of order included |
/// | `numdocksavailable` | 64-bit integer | free docks |
/// | `numbikesavailable` | 64-bit integer | bikes |
/// | `mechanical`, `ebike` | 64-bit integer | bikes of either kind |
/// | `is_renting`, `is_returning` | boolean | |
/// | `duedate` | datetime, ms, UTC | event time |
/// | `lat`, `lon` | 64-bit float | degrees |
/// | `nom_arrondissement_communes` | text | as the portal says it |
/// | `commune`, `arrondissement` | text | the zones that the station stands in, by [`ZoneKind`] |
/// | `open` | boolean | [`StationStatus::usable`] |
/// | `full`, `empty` | boolean | [`StationStatus::is_full`], [`StationStatus::is_empty`] |
#[derive(Clone, Debug)]
pub struct Table {
    frame: DataFrame,
}

impl Table {
    /// The table of `readings`. Times are cut to the millisecond.
    pub fn new(readings: &[StationStatus]) -> Result<Self> {
        let rows = Rows(readings);
        let columns = vec![
            rows.times("fetched_at", |reading| reading.fetched_at.timestamp_millis()),
            rows.texts("stationcode", |reading| Some(reading.station_code.as_str())),
            rows.texts("name", |reading| reading.name.as_deref()),
            rows.booleans("is_installed", |reading| reading.is_installed),
            rows.counts("capacity", |reading| reading.capacity),
            rows.counts("numdocksavailable", |reading| reading.docks_available),
            rows.counts("numbikesavailable", |reading| reading.bikes_available),
            rows.counts("mechanical", |reading| reading.mechanical),
            rows.counts("ebike", |reading| reading.ebike),
            rows.booleans("is_renting", |reading| reading.is_renting),
            rows.booleans("is_returning", |reading| reading.is_returning),
            rows.times("duedate", |reading| reading.last_reported.timestamp_millis()),
            rows.floats("lat", |reading| reading.lat),
            rows.floats("lon", |reading| reading.lon),
            rows.texts("nom_arrondissement_communes", |reading| reading.commune.as_deref()),
            rows.texts("commune", |reading| ZoneKind::Commune.zone_of(reading)),
            rows.texts("arrondissement", |reading| ZoneKind::Arrondissement.zone_of(reading)),
            rows.booleans("open", StationStatus::usable),
            rows.booleans("full", StationStatus::is_full),
            rows.booleans("empty", StationStatus::is_empty),
        ];
        Ok(Self { frame: DataFrame::new(readings.len(), columns).map_err(of_polars)? })
    }

    /// How many readings it holds.
    pub fn len(&self) -> usize {
        self.frame.height()
    }

    /// Whether it holds no reading.
    pub fn is_empty(&self) -> bool {
        self.frame.height() == 0
    }

    /// In how many chunks polars keeps the rows.
    pub fn chunks(&self) -> usize {
        self.frame.max_n_chunks()
    }

    /// Each column's name and its type as polars writes it, in their order.
    pub fn schema(&self) -> Vec<(String, String)> {
        self.frame.schema().iter().map(|(name, dtype)| (name.to_string(), dtype.to_string())).collect()
    }

    pub(super) fn frame(&self) -> &DataFrame {
        &self.frame
    }
}

struct Rows<'a>(&'a [StationStatus]);

impl<'a> Rows<'a> {
    fn texts<S: AsRef<str>>(&self, name: &str, value: impl Fn(&'a StationStatus) -> Option<S>) -> Column {
        StringChunked::from_iter_options(name.into(), self.0.iter().map(value)).into_column()
    }

    fn booleans(&self, name: &str, value: impl Fn(&StationStatus) -> Option<bool>) -> Column {
        BooleanChunked::from_iter_options(name.into(), self.0.iter().map(value)).into_column()
    }

    fn counts(&self, name: &str, value: impl Fn(&StationStatus) -> Option<u32>) -> Column {
        let values = self.0.iter().map(|reading| value(reading).map(i64::from));
        Int64Chunked::from_iter_options(name.into(), values).into_column()
    }

    fn floats(&self, name: &str, value: impl Fn(&StationStatus) -> Option<f64>) -> Column {
        Float64Chunked::from_iter_options(name.into(), self.0.iter().map(value)).into_column()
    }

    fn times(&self, name: &str, value: impl Fn(&StationStatus) -> i64) -> Column {
        let values = Int64Chunked::from_vec(name.into(), self.0.iter().map(value).collect());
        values.into_datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)).into_column()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::COLUMNS;
    use crate::batch::testing::at;
    use crate::station::StationCode;

    fn reading(code: &str, commune: Option<&str>) -> StationStatus {
        let station_code = StationCode::new(code).unwrap();
        StationStatus { commune: commune.map(Into::into), ..StationStatus::unknown(station_code, at(0), at(60)) }
    }

    #[test]
    fn the_schema_is_the_file_s_columns_then_zones_and_rules() {
        for readings in [vec![], vec![reading("16107", None)]] {
            let schema = Table::new(&readings).unwrap().schema();
            let names: Vec<&str> = schema.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names[..COLUMNS.len()], COLUMNS);
            assert_eq!(names[COLUMNS.len()..], ["commune", "arrondissement", "open", "full", "empty"]);
            let types: Vec<&str> = schema.iter().map(|(_, dtype)| dtype.as_str()).collect();
            assert_eq!(types[..5], ["datetime[ms, UTC]", "str", "str", "bool", "i64"]);
            assert_eq!(types[11..16], ["datetime[ms, UTC]", "f64", "f64", "str", "str"]);
        }
    }

    #[test]
    fn what_the_reading_does_not_tell_is_null() {
        let table = Table::new(&[reading("16107", None)]).unwrap();
        assert_eq!((table.len(), table.chunks(), table.is_empty()), (1, 1, false));
        for column in table.frame().columns() {
            let known = ["fetched_at", "stationcode", "duedate"].contains(&column.name().as_str());
            assert_eq!(column.null_count() == 0, known, "{}", column.name());
        }
    }
}
