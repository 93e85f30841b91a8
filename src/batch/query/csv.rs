//! An answer as CSV: a header with the names, `,`, quotes where they are needed. Unknown is an empty cell.

use std::io::Write;

use super::answer::Answer;
use crate::error::{Error, ErrorKind, Result};

impl Answer {
    /// Writes the answer as CSV. Moments stand there as `2022-05-12T09:18:14Z`; an unknown value and an empty text look the same.
    pub fn write_csv(&self, to: impl Write) -> Result<()> {
        let mut csv = csv::Writer::from_writer(to);
        let mut write = || {
            csv.write_record(self.columns().iter().map(|column| &column.name))?;
            for row in self.rows() {
                csv.write_record(row.iter().map(|value| value.as_ref().map_or_else(String::new, ToString::to_string)))?;
            }
            csv.flush().map_err(csv::Error::from)
        };
        write().map_err(|error| Error::new(ErrorKind::Io, error))
    }
}
