//! A record out of JSON, without a tree of values between: of a poll's time most would go into that.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cell::AnyCell;
use super::{Cell, Field, Record};

/// What a name means in a feed's records.
pub(crate) trait Dialect {
    /// Where the value of this name goes.
    fn slot(name: &str) -> Slot;
}

/// Where a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A field of the reading.
    Field(Field),
    /// Both degrees: `{lat, lon}`, `[lat, lon]` or `"lat, lon"`.
    Position,
    /// The record proper, inside of what is said about it.
    Record,
    /// The station's key in the feed.
    Id,
    /// Counts by type of bike.
    Types,
    /// Known, and of no use here.
    Passed,
    /// Not known.
    New,
}

/// Reads one record in place of what `record` holds.
pub(crate) struct RecordSeed<'r, 'de, D> {
    record: &'r mut Record<'de>,
    dialect: PhantomData<D>,
}

impl<'r, 'de, D: Dialect> RecordSeed<'r, 'de, D> {
    pub(crate) fn new(record: &'r mut Record<'de>) -> Self {
        Self { record, dialect: PhantomData }
    }
}

impl<'de, D: Dialect> DeserializeSeed<'de> for RecordSeed<'_, 'de, D> {
    type Value = ();

    fn deserialize<T: Deserializer<'de>>(self, deserializer: T) -> Result<(), T::Error> {
        *self.record = Record::default();
        deserializer.deserialize_any(self)
    }
}

impl<'de, D: Dialect> RecordSeed<'_, 'de, D> {
    fn instead<E>(self, cell: Result<Cell<'de>, E>) -> Result<(), E> {
        self.record.instead = Some(cell?);
        Ok(())
    }
}

/// An object is a record; anything else is kept as what stood there instead of one.
impl<'de, D: Dialect> Visitor<'de> for RecordSeed<'_, 'de, D> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some((slot, name)) = fields.next_key_seed(Name::<D>(PhantomData))? {
            match slot {
                Slot::Field(field) => self.record.set(field, fields.next_value()?),
                Slot::Position => fields.next_value_seed(Position(self.record))?,
                Slot::Record => fields.next_value_seed(RecordSeed::<D>::new(self.record))?,
                Slot::Id => self.record.id = fields.next_value()?,
                Slot::Types => fields.next_value_seed(Types(&mut self.record.types))?,
                Slot::Passed => _ = fields.next_value::<IgnoredAny>()?,
                Slot::New => {
                    self.record.new.extend(name);
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.instead(AnyCell.visit_unit())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.instead(AnyCell.visit_bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.instead(AnyCell.visit_i64(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.instead(AnyCell.visit_u64(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.instead(AnyCell.visit_f64(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.instead(AnyCell.visit_str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<(), A::Error> {
        self.instead(AnyCell.visit_seq(values))
    }
}

/// A field's name: its slot, and the name itself where it is new.
struct Name<D>(PhantomData<D>);

impl<'de, D: Dialect> DeserializeSeed<'de> for Name<D> {
    type Value = (Slot, Option<Cow<'de, str>>);

    fn deserialize<T: Deserializer<'de>>(self, deserializer: T) -> Result<Self::Value, T::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, D: Dialect> Visitor<'de> for Name<D> {
    type Value = (Slot, Option<Cow<'de, str>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        let slot = D::slot(name);
        Ok((slot, (slot == Slot::New).then_some(Cow::Borrowed(name))))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let slot = D::slot(name);
        Ok((slot, (slot == Slot::New).then(|| Cow::Owned(name.to_owned()))))
    }
}

/// `{lon, lat}` as Explore v2.1 has it, `[lat, lon]` as Search v1.0, `"lat, lon"` as a table.
struct Position<'r, 'de>(&'r mut Record<'de>);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Degrees {
    Lat,
    Lon,
    #[serde(other)]
    Other,
}

impl<'de> Position<'_, 'de> {
    fn set(self, lat: Cell<'de>, lon: Cell<'de>) {
        self.0.set(Field::Lat, lat);
        self.0.set(Field::Lon, lon);
    }
}

impl<'de> DeserializeSeed<'de> for Position<'_, 'de> {
    type Value = ();

    fn deserialize<T: Deserializer<'de>>(self, deserializer: T) -> Result<(), T::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Position<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let (mut lat, mut lon) = (Cell::Unknown, Cell::Unknown);
        while let Some(name) = fields.next_key()? {
            match name {
                Degrees::Lat => lat = fields.next_value()?,
                Degrees::Lon => lon = fields.next_value()?,
                Degrees::Other => _ = fields.next_value::<IgnoredAny>()?,
            }
        }
        self.set(lat, lon);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let (lat, lon) = (values.next_element()?, values.next_element()?);
        while values.next_element::<IgnoredAny>()?.is_some() {}
        self.set(lat.unwrap_or_default(), lon.unwrap_or_default());
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.0.set_position(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.set_position(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.set(Cell::Unknown, Cell::Unknown);
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.set(Cell::Flag(flag), Cell::Flag(flag));
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_bool(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_bool(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_bool(false)
    }
}

/// `[{"mechanical": 3}, {"ebike": 1}]` as Vélib' has it, `[{"vehicle_type_id": "e", "count": 1}]` as GBFS 2 and 3. Whatever is
/// neither says nothing.
struct Types<'r, 'de>(&'r mut Vec<(Cow<'de, str>, Cell<'de>)>);

impl<'de> DeserializeSeed<'de> for Types<'_, 'de> {
    type Value = ();

    fn deserialize<T: Deserializer<'de>>(self, deserializer: T) -> Result<(), T::Error> {
        let Cell::Nested(serde_json::Value::Array(types)) = deserializer.deserialize_any(AnyCell)? else {
            return Ok(());
        };
        for counted in types {
            let serde_json::Value::Object(mut counted) = counted else { continue };
            if let Some(id) = counted.remove("vehicle_type_id") {
                let count = counted.remove("count").unwrap_or_default();
                let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
                self.0.push((id.into(), Cell::from(count)));
            } else {
                self.0.extend(counted.into_iter().map(|(name, count)| (name.into(), Cell::from(count))));
            }
        }
        Ok(())
    }
}
