//! What a feed's form does over the months: fields come, go and change their kind. None of it stops the readings; each change
//! is told once, as a [`Note`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::record::{Field, Record};
use crate::error::Place;

/// How many new names are remembered of one source, and how long a name may be told: a feed that makes up names for ever
/// fills no memory.
const MOST_NAMES: usize = 64;
const LONGEST_NAME: usize = 60;
/// How much of a reason is told.
const LONGEST_REASON: usize = 200;

/// Something that a source noticed beside the readings, for whoever watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// Fields that are not known here; they are passed over.
    NewFields {
        /// Where they came from.
        place: Place,
        /// Their names, in the order of the alphabet.
        fields: Vec<String>,
    },
    /// Fields that not one record has; they are unknown.
    MissingFields {
        /// Where they are missing.
        place: Place,
        /// Their names outside the program.
        fields: Vec<&'static str>,
    },
    /// A field of another kind than it should be, which is unknown in these records.
    UnreadableField {
        /// Where it came from.
        place: Place,
        /// Its name outside the program.
        field: &'static str,
        /// In how many records of the snapshot or the file.
        records: u64,
        /// What stood in the first of them, what should have, and at which station.
        first: String,
    },
    /// A source failed or came short, and something else has to do. Told at each poll that it happens.
    Trouble {
        /// The source.
        source: String,
        /// The error or what was missing, and what was done.
        why: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewFields { place, fields } => {
                write!(f, "{place}: fields that are new here and passed over: {}", fields.join(", "))
            }
            Self::MissingFields { place, fields } => {
                write!(f, "{place}: fields that no record has, unknown therefore: {}", fields.join(", "))
            }
            Self::UnreadableField { place, field, records, first } => {
                let records = if *records == 1 { "1 record".to_owned() } else { format!("{records} records") };
                write!(f, "{place}: {field} cannot be read in {records} and is unknown there; the first: {first}")
            }
            Self::Trouble { source, why } => write!(f, "{source}: {why}"),
        }
    }
}

/// What was noticed in the records since [`close`](Self::close) was called last, and what was told before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drift {
    records: u64,
    there: u16,
    new: BTreeSet<String>,
    unreadable: BTreeMap<Field, (u64, String)>,
    told_new: BTreeSet<String>,
    told_missing: BTreeSet<Field>,
    told_unreadable: BTreeSet<Field>,
    notes: Vec<Note>,
}

impl Drift {
    /// Looks at the names of a record.
    pub(crate) fn saw(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.there |= record.there();
        self.saw_names(record.new_names());
    }

    /// Looks at so many records, each with these fields and every one of them read.
    pub(crate) fn saw_table(&mut self, records: u64, there: u16) {
        self.records += records;
        self.there |= there;
    }

    /// Whether every field could be read.
    pub(crate) fn all_read(&self) -> bool {
        self.unreadable.is_empty()
    }

    /// Looks at names that are new, of a record or of a table's columns.
    pub(crate) fn saw_names(&mut self, names: &[impl AsRef<str>]) {
        for name in names {
            if self.new.len() + self.told_new.len() < MOST_NAMES {
                let name: String = name.as_ref().chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
                if !self.told_new.contains(&name) {
                    self.new.insert(name);
                }
            }
        }
    }

    /// Counts a field that could not be read.
    pub(crate) fn wrong(&mut self, field: Field, why: impl FnOnce() -> String) {
        let first = || (0, why().chars().take(LONGEST_REASON).collect());
        self.unreadable.entry(field).or_insert_with(first).0 += 1;
    }

    /// Adds what was noticed in some more records of the same snapshot.
    pub(crate) fn absorb(&mut self, more: Self) {
        self.records += more.records;
        self.there |= more.there;
        self.new.extend(more.new.into_iter().filter(|name| !self.told_new.contains(name)));
        for (field, (records, first)) in more.unreadable {
            self.unreadable.entry(field).or_insert((0, first)).0 += records;
        }
    }

    /// Ends a snapshot or a file, which should have had the `expected` fields; what is new becomes notes.
    pub(crate) fn close(&mut self, place: &Place, expected: &[Field]) {
        let there = self.there;
        let missing = expected.iter().filter(|&&field| there & 1 << field as u16 == 0);
        let fields: Vec<_> = if self.records == 0 {
            vec![]
        } else {
            missing.filter(|field| self.told_missing.insert(**field)).collect()
        };
        if !fields.is_empty() {
            let fields = fields.into_iter().map(|field| field.name()).collect();
            self.notes.push(Note::MissingFields { place: place.clone(), fields });
        }
        if !self.new.is_empty() {
            let fields: Vec<_> = std::mem::take(&mut self.new).into_iter().collect();
            self.told_new.extend(fields.iter().cloned());
            self.notes.push(Note::NewFields { place: place.clone(), fields });
        }
        for (field, (records, first)) in std::mem::take(&mut self.unreadable) {
            if self.told_unreadable.insert(field) {
                let field = field.name();
                self.notes.push(Note::UnreadableField { place: place.clone(), field, records, first });
            }
        }
        (self.records, self.there) = (0, 0);
    }

    /// The notes that were not taken yet.
    pub(crate) fn take(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}
