//! An answer as Parquet, with its types.

use std::io::Write;

use polars_io::parquet::write::ParquetWriter;

use super::answer::Answer;
use crate::error::{Error, ErrorKind, Result};

impl Answer {
    /// Writes the answer as Parquet: moments are timestamps in UTC, to the millisecond.
    pub fn write_parquet(&self, to: impl Write) -> Result<()> {
        // Its columns are shared, not copied.
        let mut frame = self.frame().clone();
        ParquetWriter::new(to).finish(&mut frame).map(drop).map_err(|error| Error::new(ErrorKind::Io, error))
    }
}
