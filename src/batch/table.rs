//! Readings as columns: what the statistics are computed from.
//!
//! The rules of a reading (open, full, empty, its zones, for how long it holds) are applied here, once, so that no engine has
//! its own. Counts are 64 bits wide because polars keeps the width of a 32-bit column in its sum.

use std::time::Duration;

use polars::prelude::*;

use super::engine::of_polars;
use super::hours::hours;
use super::timeline::Timeline;
use crate::error::{Error, Result};
use crate::station::StationStatus;
use crate::streaming::{Station, ZoneKind, Zones};

/// For how long a reading holds at most, unless something else is asked for: two hours, twice the pause between two polls of
/// the recorded history, and longer than the portal usually lags.
pub const MAX_GAP: Duration = Duration::from_secs(2 * 3600);

/// The greatest that can be asked for: a year.
const LONGEST_GAP: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a table is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSettings {
    /// For how long a reading holds if no other comes: above zero, at most 366 days. Cut to the millisecond. [`MAX_GAP`]
    pub max_gap: Duration,
    /// A division of the network whose zones are summarised beside communes and arrondissements. `None`
    pub zones: Option<Zones>,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self { max_gap: MAX_GAP, zones: None }
    }
}

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
/// | `zone` | text | the zone by [`TableSettings::zones`] |
/// | `open` | boolean | [`StationStatus::usable`] |
/// | `full`, `empty` | boolean | [`StationStatus::is_full`], [`StationStatus::is_empty`] |
/// | `held` | 64-bit integer | for how many milliseconds it holds |
/// | `moved` | 64-bit integer | by how many bikes it differs from the last before it that says them |
/// | `full_spell`, `empty_spell` | 64-bit integer | one number for all readings of one spell |
///
/// The last four are the time axis, as [`StationOverTime`](super::StationOverTime), [`BikeTurnover`](super::BikeTurnover) and
/// [`Spells`](super::Spells) define it: `held` is 0 for the last reading of a station, and for a repeat that does not count;
/// `moved` is null where no reading at most [`max_gap`](TableSettings::max_gap) before it says the bikes of the open station, the
/// spells where it is none.
///
/// Beside the readings stands what each holds, cut at the full hours, for the [profiles of the week](super::WeekProfile).
#[derive(Clone, Debug)]
pub struct Table {
    frame: DataFrame,
    hours: DataFrame,
    max_gap: Duration,
}

impl Table {
    /// The table of `readings`, in any order, with the usual settings. Times are cut to the millisecond.
    pub fn new(readings: &[StationStatus]) -> Result<Self> {
        Self::with(readings, &TableSettings::default())
    }

    /// The table of `readings` with these settings; a usage error if the greatest gap is none.
    pub fn with(readings: &[StationStatus], settings: &TableSettings) -> Result<Self> {
        let TableSettings { max_gap, zones } = settings;
        let milliseconds = milliseconds_of(*max_gap)?;
        let timeline = Timeline::of(readings, milliseconds);
        let hours = hours(readings, &timeline)?;
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
            rows.texts("zone", |reading| zones.as_ref()?.zone_of(&Station::of(reading))),
            rows.booleans("open", StationStatus::usable),
            rows.booleans("full", StationStatus::is_full),
            rows.booleans("empty", StationStatus::is_empty),
            Int64Chunked::from_vec("held".into(), timeline.held).into_column(),
            Int64Chunked::from_iter_options("moved".into(), timeline.moved.into_iter()).into_column(),
            Int64Chunked::from_iter_options("full_spell".into(), timeline.full_spell.into_iter()).into_column(),
            Int64Chunked::from_iter_options("empty_spell".into(), timeline.empty_spell.into_iter()).into_column(),
        ];
        let frame = DataFrame::new(readings.len(), columns).map_err(of_polars)?;
        Ok(Self { frame, hours, max_gap: Duration::from_millis(milliseconds.unsigned_abs()) })
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

    /// For how long a reading holds at most.
    pub fn max_gap(&self) -> Duration {
        self.max_gap
    }

    pub(super) fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// As [`hours`](super::hours) has it.
    pub(super) fn hours(&self) -> &DataFrame {
        &self.hours
    }

    /// This table in parts, the rows of a station together in the part that `part_of` chooses by its code, in their order.
    pub(super) fn split(&self, parts: usize, part_of: impl Fn(&str) -> usize) -> Result<Vec<Self>> {
        let (frames, hours) = (split(&self.frame, parts, &part_of)?, split(&self.hours, parts, &part_of)?);
        let part = |(frame, hours)| Self { frame, hours, max_gap: self.max_gap };
        Ok(frames.into_iter().zip(hours).map(part).collect())
    }
}

/// The greatest gap in milliseconds; a usage error if it is none.
pub(super) fn milliseconds_of(max_gap: Duration) -> Result<i64> {
    let milliseconds = i64::try_from(max_gap.as_millis()).ok().filter(|&gap| gap > 0 && max_gap <= LONGEST_GAP);
    milliseconds.ok_or_else(|| {
        Error::usage("--max-gap", format_args!("{max_gap:?} is no time that a reading can hold"))
            .way_out("write for example 2h; at most 366days")
    })
}

fn split(rows: &DataFrame, parts: usize, part_of: impl Fn(&str) -> usize) -> Result<Vec<DataFrame>> {
    let mut chosen: Vec<Vec<IdxSize>> = vec![Vec::new(); parts];
    let codes = rows.column("stationcode").and_then(Column::str).map_err(of_polars)?;
    for (row, code) in (0..).zip(codes.iter()) {
        chosen[part_of(code.unwrap_or_default())].push(row);
    }
    let take = |rows_of: Vec<IdxSize>| rows.take(&IdxCa::from_vec("row".into(), rows_of)).map_err(of_polars);
    chosen.into_iter().map(take).collect()
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
            let rules = ["open", "full", "empty", "held", "moved", "full_spell", "empty_spell"];
            assert_eq!(names[COLUMNS.len()..], [["commune", "arrondissement", "zone"].as_slice(), &rules].concat());
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
            let known = ["fetched_at", "stationcode", "duedate", "held"].contains(&column.name().as_str());
            assert_eq!(column.null_count() == 0, known, "{}", column.name());
        }
    }

    #[test]
    fn a_zone_is_known_where_a_division_was_asked_for() {
        let zones = Some(Zones::open("grid:500m").unwrap());
        let placed = StationStatus { lat: Some(48.8530), lon: Some(2.3499), ..reading("4101", None) };
        let settings = TableSettings { zones, ..TableSettings::default() };
        let table = Table::with(&[placed, reading("16107", None)], &settings).unwrap();
        let zones = table.frame().column("zone").unwrap().str().unwrap();
        assert_eq!(zones.iter().collect::<Vec<_>>(), [Some("48.854,2.347"), None]);
    }

    #[test]
    fn a_gap_of_no_length_or_of_years_is_wrong_usage() {
        for (seconds, said) in [(0, "0ns"), (367 * 86_400, "31708800s")] {
            let settings = TableSettings { max_gap: Duration::from_secs(seconds), zones: None };
            let error = Table::with(&[], &settings).unwrap_err();
            let wanted =
                format!("--max-gap: {said} is no time that a reading can hold; write for example 2h; at most 366days");
            assert_eq!((error.to_string(), error.exit_code()), (wanted, 2));
        }
    }
}
