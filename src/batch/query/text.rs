//! An answer as a table to be read: columns side by side, numbers to the right. Unknown is `–`.

use std::io::{self, Write};

use super::answer::{Answer, ColumnType, Value};
use crate::error::{Error, ErrorKind, Result};

/// Decimals of a number that is not whole; CSV, JSON and Parquet give all of them.
const DECIMALS: usize = 4;

impl Answer {
    /// Writes the first `most` rows as a table to be read, then how many there are if there are more.
    pub fn write_text(&self, to: impl Write, most: usize) -> Result<()> {
        self.write_lines(to, most).map_err(|error| Error::new(ErrorKind::Io, error))
    }

    fn write_lines(&self, mut to: impl Write, most: usize) -> io::Result<()> {
        let mut lines = vec![self.columns().iter().map(|column| column.name.clone()).collect::<Vec<_>>()];
        lines.extend(self.rows().take(most).map(|row| row.iter().map(cell).collect()));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns().len()).map(width).collect();
        for line in &lines {
            let mut text = String::new();
            for ((cell, width), column) in line.iter().zip(&widths).zip(self.columns()) {
                text += &match column.column_type {
                    ColumnType::Integer | ColumnType::Float => format!("{cell:>width$}  "),
                    _ => format!("{cell:<width$}  "),
                };
            }
            writeln!(to, "{}", text.trim_end())?;
        }
        if self.len() > most {
            writeln!(to, "… {} rows in all", self.len())?;
        }
        to.flush()
    }
}

/// On one line, whatever stands in a text.
fn cell(value: &Option<Value>) -> String {
    match value {
        None => "–".into(),
        Some(Value::Float(value)) if value.fract() != 0.0 => format!("{value:.DECIMALS$}"),
        Some(Value::Text(text)) => text.replace(['\n', '\r', '\t'], " "),
        Some(value) => value.to_string(),
    }
}
