//! What a row of a recording says: the columns, the texts that stand for a time, a count or a flag, and one reading made of
//! its cells. CSV and Parquet bring the cells through the trait [`Row`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::error::{Error, ErrorKind, Place, Result};
use crate::station::{StationCode, StationStatus};

/// The columns, in the order in which a reading's fields are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    FetchedAt,
    StationCode,
    Name,
    IsInstalled,
    Capacity,
    DocksAvailable,
    BikesAvailable,
    Mechanical,
    Ebike,
    IsRenting,
    IsReturning,
    LastReported,
    Lat,
    Lon,
    Commune,
}

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Time,
    Text,
    Count,
    Flag,
    Degrees,
}

impl Column {
    pub(super) const ALL: [Self; 15] = [
        Self::FetchedAt,
        Self::StationCode,
        Self::Name,
        Self::IsInstalled,
        Self::Capacity,
        Self::DocksAvailable,
        Self::BikesAvailable,
        Self::Mechanical,
        Self::Ebike,
        Self::IsRenting,
        Self::IsReturning,
        Self::LastReported,
        Self::Lat,
        Self::Lon,
        Self::Commune,
    ];

    /// The name outside the program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FetchedAt => "fetched_at",
            Self::StationCode => "stationcode",
            Self::Name => "name",
            Self::IsInstalled => "is_installed",
            Self::Capacity => "capacity",
            Self::DocksAvailable => "numdocksavailable",
            Self::BikesAvailable => "numbikesavailable",
            Self::Mechanical => "mechanical",
            Self::Ebike => "ebike",
            Self::IsRenting => "is_renting",
            Self::IsReturning => "is_returning",
            Self::LastReported => "duedate",
            Self::Lat => "lat",
            Self::Lon => "lon",
            Self::Commune => "nom_arrondissement_communes",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::FetchedAt | Self::LastReported => Kind::Time,
            Self::StationCode | Self::Name | Self::Commune => Kind::Text,
            Self::Capacity | Self::DocksAvailable | Self::BikesAvailable | Self::Mechanical | Self::Ebike => {
                Kind::Count
            }
            Self::IsInstalled | Self::IsRenting | Self::IsReturning => Kind::Flag,
            Self::Lat | Self::Lon => Kind::Degrees,
        }
    }

    fn is_required(self) -> bool {
        matches!(
            self,
            Self::FetchedAt
                | Self::StationCode
                | Self::LastReported
                | Self::Capacity
                | Self::DocksAvailable
                | Self::BikesAvailable
        )
    }
}

/// Where each column stands in a file, by `Column as usize`; `None` for one that the file does not have.
pub(super) type Layout = [Option<usize>; Column::ALL.len()];

/// Finds the columns among the names that a file has, or says which are missing.
pub(super) fn layout(path: &Path, present: &[&str]) -> Result<Layout> {
    let layout = Column::ALL.map(|column| present.iter().position(|&name| name == column.name()));
    let missing: Vec<_> = Column::ALL
        .into_iter()
        .filter(|&column| column.is_required() && layout[column as usize].is_none())
        .map(Column::name)
        .collect();
    if missing.is_empty() {
        return Ok(layout);
    }
    let (missing, present) = (missing.join(", "), present.join(", "));
    Err(Error::new(ErrorKind::Data, format!("columns missing: {missing}; columns there: {present}"))
        .at(Place::line(path, 1))
        .way_out("rename the columns to the names of the portal's record"))
}

/// The cells of one row. `Ok(None)` is unknown: an empty cell, a null, or a column that the file does not have; an `Err`
/// says why a cell cannot be read.
pub(super) trait Row {
    fn time(&self, column: Column) -> Cell<DateTime<Utc>>;
    fn text(&self, column: Column) -> Cell<&str>;
    fn count(&self, column: Column) -> Cell<u32>;
    fn flag(&self, column: Column) -> Cell<bool>;
    fn degrees(&self, column: Column) -> Cell<f64>;
}

pub(super) type Cell<T> = std::result::Result<Option<T>, String>;

/// The reading that a row holds, or why it holds none.
pub(super) fn reading(row: &impl Row, names: &mut Names) -> std::result::Result<StationStatus, String> {
    let missing = |column: Column| format!("no `{}`", column.name());
    let code = row.text(Column::StationCode)?.ok_or_else(|| missing(Column::StationCode))?;
    Ok(StationStatus {
        fetched_at: row.time(Column::FetchedAt)?.ok_or_else(|| missing(Column::FetchedAt))?,
        station_code: names.code(code)?,
        name: row.text(Column::Name)?.map(|name| names.text(name)),
        is_installed: row.flag(Column::IsInstalled)?,
        capacity: row.count(Column::Capacity)?,
        docks_available: row.count(Column::DocksAvailable)?,
        bikes_available: row.count(Column::BikesAvailable)?,
        mechanical: row.count(Column::Mechanical)?,
        ebike: row.count(Column::Ebike)?,
        is_renting: row.flag(Column::IsRenting)?,
        is_returning: row.flag(Column::IsReturning)?,
        last_reported: row.time(Column::LastReported)?.ok_or_else(|| missing(Column::LastReported))?,
        lat: row.degrees(Column::Lat)?,
        lon: row.degrees(Column::Lon)?,
        commune: row.text(Column::Commune)?.map(|commune| names.text(commune)),
    })
}

/// Each different text once: a recording repeats the same few thousand in every poll.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: HashSet<Arc<str>>,
    codes: HashSet<StationCode>,
}

impl Names {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn code(&mut self, code: &str) -> std::result::Result<StationCode, String> {
        if let Some(known) = self.codes.get(code) {
            return Ok(known.clone());
        }
        let new = StationCode::new(code).map_err(|error| error.message().to_owned())?;
        self.codes.insert(new.clone());
        Ok(new)
    }
}

/// RFC 3339, also with a blank for the `T`; without an offset it is UTC.
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let naive = |format| NaiveDateTime::parse_from_str(text, format).ok();
    naive("%Y-%m-%dT%H:%M:%S%.f").or_else(|| naive("%Y-%m-%d %H:%M:%S%.f")).map(|time| time.and_utc())
}

/// The portal's own flags are `OUI` and `NON`.
pub(super) fn parse_flag(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("OUI") || is("1") {
        Some(true)
    } else if is("false") || is("NON") || is("0") {
        Some(false)
    } else {
        None
    }
}

/// A count that was written as a decimal number, as pandas does in a column with unknown values: `12.0`.
/// `Some(None)` for NaN, which is unknown; `None` for what is no count.
pub(super) fn whole(number: f64) -> Option<Option<u32>> {
    if number.is_nan() {
        return Some(None);
    }
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(Some(number as u32))
}

/// A number of degrees: `Some(None)` for NaN, which is unknown; `None` for an infinite one.
pub(super) fn finite(number: f64) -> Option<Option<f64>> {
    if number.is_nan() {
        return Some(None);
    }
    number.is_finite().then_some(Some(number))
}

/// Why the cell of this column cannot be read.
pub(super) fn unreadable(column: Column, cell: impl std::fmt::Display) -> String {
    let what = match column.kind() {
        Kind::Time => "a time (RFC 3339)",
        Kind::Text => "text in UTF-8",
        Kind::Count => "a count",
        Kind::Flag => "true or false",
        Kind::Degrees => "a number of degrees",
    };
    format!("`{}` is `{cell}`, not {what}", column.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_a_reading_outside_the_program() {
        let at = "2022-05-12T10:22:18Z".parse().unwrap();
        let json = serde_json::to_value(StationStatus::unknown(StationCode::new("1").unwrap(), at, at)).unwrap();
        let mut there: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut ours = Column::ALL.map(Column::name);
        there.sort_unstable();
        ours.sort_unstable();
        assert_eq!(there, ours);
        assert!(Column::ALL.iter().enumerate().all(|(place, &column)| column as usize == place));
    }

    #[test]
    fn times_are_rfc_3339_or_without_an_offset_utc() {
        for text in [
            "2022-05-12T09:18:14Z",
            "2022-05-12T11:18:14+02:00",
            "2022-05-12 09:18:14+00:00",
            "2022-05-12 09:18:14",
            "2022-05-12T09:18:14.000000",
        ] {
            assert_eq!(parse_time(text).unwrap().to_rfc3339(), "2022-05-12T09:18:14+00:00", "{text}");
        }
        assert_eq!((parse_time("2022-05-12"), parse_time("2022-05-12T9"), parse_time("soon")), (None, None, None));
    }

    #[test]
    fn flags_are_true_false_oui_non_one_zero() {
        assert_eq!(["True", "oui", "1"].map(parse_flag), [Some(true); 3]);
        assert_eq!(["false", "NON", "0"].map(parse_flag), [Some(false); 3]);
        assert_eq!(["", "2", "yes"].map(parse_flag), [None; 3]);
    }

    #[test]
    fn a_decimal_number_is_a_count_if_it_is_whole_and_not_negative() {
        assert_eq!([12.0, 0.0, -0.0, f64::NAN].map(whole), [Some(Some(12)), Some(Some(0)), Some(Some(0)), Some(None)]);
        assert_eq!([0.5, -1.0, 4_294_967_296.0, f64::INFINITY].map(whole), [None; 4]);
    }
}
