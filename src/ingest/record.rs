//! The one reader of records: whatever the feed or the file, a record is cells under the names of a reading's fields, and one
//! reading is made of them here.
//!
//! Only the station and its clocks are needed. Any other field may be missing, null or unreadable; then it is unknown, and the
//! [`Drift`] remembers what was met, while the rest of the record goes on.

mod cell;
mod json;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::drift::Drift;
use crate::station::{StationCode, StationStatus};

pub(crate) use cell::{Cell, YEARS};
pub(crate) use json::{Dialect, RecordSeed, Slot};

/// The time of arrival of a reading whose file does not say it, until the whole file is read.
pub(crate) const UNSAID: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;

/// The fields, in the order in which a reading declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
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

impl Field {
    pub(crate) const ALL: [Self; 15] = [
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

    /// The name outside the program: the portal's own, where it has the field.
    pub(crate) fn name(self) -> &'static str {
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

    /// The field of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// The cells of one record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record<'a> {
    cells: [Cell<'a>; Field::ALL.len()],
    /// A bit for each field whose name was there, whatever its value.
    there: u16,
    /// Names of no meaning that are known of no dialect.
    new: Vec<Cow<'a, str>>,
    /// The station's key within a GBFS feed.
    pub(crate) id: Cell<'a>,
    /// Bikes by type, as GBFS counts them: the type's key and the count.
    pub(crate) types: Vec<(Cow<'a, str>, Cell<'a>)>,
    /// What stood there in place of a record.
    instead: Option<Cell<'a>>,
}

impl<'a> Record<'a> {
    pub(crate) fn set(&mut self, field: Field, cell: Cell<'a>) {
        self.there |= 1 << field as u16;
        self.cells[field as usize] = cell;
    }

    pub(crate) fn get(&self, field: Field) -> &Cell<'a> {
        &self.cells[field as usize]
    }

    /// Whether the field's name is there, whatever its value.
    pub(crate) fn has(&self, field: Field) -> bool {
        self.there & 1 << field as u16 != 0
    }

    /// The fields whose names are there, a bit each.
    pub(crate) fn there(&self) -> u16 {
        self.there
    }

    /// The same record, kept longer than what it was read from.
    pub(crate) fn into_owned(self) -> Record<'static> {
        let owned = |name: Cow<'a, str>| Cow::Owned(name.into_owned());
        Record {
            cells: self.cells.map(Cell::into_owned),
            there: self.there,
            new: self.new.into_iter().map(owned).collect(),
            id: self.id.into_owned(),
            types: self.types.into_iter().map(|(id, count)| (owned(id), count.into_owned())).collect(),
            instead: self.instead.map(Cell::into_owned),
        }
    }

    /// The names that are new.
    pub(crate) fn new_names(&self) -> &[Cow<'a, str>] {
        &self.new
    }

    /// Sets both degrees from the portal's text, `48.87, 2.48`.
    pub(crate) fn set_position(&mut self, text: Cow<'a, str>) {
        let both = match text {
            Cow::Borrowed(text) => text.split_once(',').map(|(lat, lon)| (Cow::Borrowed(lat), Cow::Borrowed(lon))),
            Cow::Owned(ref text) => {
                text.split_once(',').map(|(lat, lon)| (Cow::Owned(lat.to_owned()), Cow::Owned(lon.to_owned())))
            }
        };
        let (lat, lon) = both.unwrap_or_else(|| (text.clone(), text));
        self.set(Field::Lat, Cell::Text(lat));
        self.set(Field::Lon, Cell::Text(lon));
    }

    /// Sets both degrees to what stands in the place of the text.
    pub(crate) fn set_no_position(&mut self, cell: &Cell<'a>) {
        self.set(Field::Lat, cell.clone());
        self.set(Field::Lon, cell.clone());
    }

    /// The reading, or why the record has none. Of a poll the arrival is known; of a file it stands in the record, or is left
    /// [`UNSAID`].
    pub(crate) fn reading(
        &self,
        fetched_at: Option<DateTime<Utc>>,
        texts: &mut Texts,
        drift: &mut Drift,
    ) -> Result<StationStatus, String> {
        if let Some(instead) = &self.instead {
            return Err(format!("`{instead}` stands where a record should"));
        }
        drift.saw(self);
        let time = |field: Field| match self.get(field).time() {
            Ok(Some(time)) => Ok(time),
            Ok(None) => Err(format!("{} is missing", field.name())),
            Err(expected) => Err(wrong(field, self.get(field), expected)),
        };
        let code = match self.get(Field::StationCode).text() {
            Ok(code) => code.ok_or("stationcode is missing")?,
            Err(expected) => return Err(wrong(Field::StationCode, self.get(Field::StationCode), expected)),
        };
        let code = texts.code(&code)?;
        let fetched_at = match fetched_at {
            Some(known) => known,
            None if self.has(Field::FetchedAt) => time(Field::FetchedAt)?,
            None => UNSAID,
        };
        let last_reported = time(Field::LastReported)?;
        let mut optional = Optional { record: self, code: &code, drift };
        let position = optional.read(Field::Lat, |cell| cell.degrees(90.0));
        let position = position.zip(optional.read(Field::Lon, |cell| cell.degrees(180.0)));
        Ok(StationStatus {
            name: optional.text(Field::Name, texts),
            is_installed: optional.read(Field::IsInstalled, Cell::flag),
            capacity: optional.read(Field::Capacity, Cell::count),
            docks_available: optional.read(Field::DocksAvailable, Cell::count),
            bikes_available: optional.read(Field::BikesAvailable, Cell::count),
            mechanical: optional.read(Field::Mechanical, Cell::count),
            ebike: optional.read(Field::Ebike, Cell::count),
            is_renting: optional.read(Field::IsRenting, Cell::flag),
            is_returning: optional.read(Field::IsReturning, Cell::flag),
            lat: position.map(|(lat, _)| lat),
            lon: position.map(|(_, lon)| lon),
            commune: optional.text(Field::Commune, texts),
            ..StationStatus::unknown(code.clone(), last_reported, fetched_at)
        })
    }
}

fn wrong(field: Field, cell: &Cell<'_>, expected: &str) -> String {
    format!("{} is `{cell}`, not {expected}", field.name())
}

/// Reads the fields that a record can do without.
struct Optional<'r, 'a> {
    record: &'r Record<'a>,
    code: &'r StationCode,
    drift: &'r mut Drift,
}

impl<'r, 'a> Optional<'r, 'a> {
    fn read<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&'r Cell<'a>) -> Result<Option<T>, &'static str>,
    ) -> Option<T> {
        let cell = self.record.get(field);
        read(cell).unwrap_or_else(|expected| {
            self.drift.wrong(field, || format!("`{cell}`, not {expected}, at station {}", self.code));
            None
        })
    }

    fn text(&mut self, field: Field, texts: &mut Texts) -> Option<Arc<str>> {
        self.read(field, Cell::text).map(|text| texts.text(&text))
    }
}

/// Each different text once: a recording repeats the same few thousand in every poll.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    texts: HashSet<Arc<str>>,
    codes: HashSet<StationCode>,
}

impl Texts {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn code(&mut self, code: &str) -> Result<StationCode, String> {
        if let Some(known) = self.codes.get(code) {
            return Ok(known.clone());
        }
        let new = StationCode::new(code).map_err(|error| error.message().to_owned())?;
        self.codes.insert(new.clone());
        Ok(new)
    }
}
