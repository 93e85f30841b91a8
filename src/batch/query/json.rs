//! An answer as JSON: one array, one object a row, a line each. Unknown is `null`.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::answer::{Answer, AnswerColumn, Value};
use crate::error::{Error, ErrorKind, Result};

impl Answer {
    /// Writes the answer as one JSON array, each row an object on a line of its own.
    pub fn write_json(&self, mut to: impl Write) -> Result<()> {
        let mut write = || -> io::Result<()> {
            to.write_all(b"[")?;
            for (index, row) in self.rows().enumerate() {
                to.write_all(if index == 0 { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut to, &Row { columns: self.columns(), values: &row })?;
            }
            to.write_all(if self.is_empty() { b"]\n" } else { b"\n]\n" })?;
            to.flush()
        };
        write().map_err(|error| Error::new(ErrorKind::Io, error))
    }
}

struct Row<'a> {
    columns: &'a [AnswerColumn],
    values: &'a [Option<Value>],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, value) in self.columns.iter().zip(self.values) {
            map.serialize_entry(&column.name, value)?;
        }
        map.end()
    }
}
