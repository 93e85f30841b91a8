//! What collected files hold: the tail that is remembered, keys that memory does not know, and files that have no bookmark.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::known::{HALF, Known};
use super::row::{self, COLUMNS, Key};
use crate::error::{Error, ErrorKind, Place, Result};

/// Bytes that no line of a reading reaches; more without an end is not a torn line.
const LONGEST_LINE: u64 = 1 << 16;

/// What was found in a file that was read whole.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Lines that are readings, and lines whose station or time cannot be read.
    pub(super) readings: u64,
    pub(super) unreadable: u64,
    /// Where its last whole line ends; 0 if there is not even a header.
    pub(super) end: u64,
    /// Where the two halves of the tail begin.
    pub(super) tail: u64,
    pub(super) younger: u64,
}

/// Remembers the lines from `tail` to `length` of a file.
pub(super) fn remember_tail(path: &Path, tail: u64, length: u64, known: &mut Known) -> Result<()> {
    let failed = |error: io::Error| Error::io(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(tail)).map_err(failed)?;
    let mut reader = row::reader(file.take(length.saturating_sub(tail)), false);
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| failed(error.into()))? {
        if let Some(line) = row::key(&record) {
            known.note_line(&line);
        }
    }
    Ok(())
}

/// Moves the keys that `lines` hold from `wanted` to `found`.
pub(super) fn look_up(lines: impl Read, wanted: &mut HashSet<Key>, found: &mut HashSet<Key>) -> io::Result<()> {
    let mut reader = row::reader(lines, false);
    let mut record = csv::ByteRecord::new();
    while !wanted.is_empty() && reader.read_byte_record(&mut record)? {
        if let Some((key, _)) = row::key(&record)
            && let Some(key) = wanted.take(&key)
        {
            found.insert(key);
        }
    }
    Ok(())
}

/// Reads a whole file that has no bookmark into memory's tail. One with other columns is an error.
pub(super) fn read_whole(path: &Path, known: &mut Known) -> Result<Whole> {
    let failed = |error: io::Error| Error::io(path, &error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let header = row::header();
    if length < header.len() as u64 && header.as_bytes().starts_with(&bytes_from(&file, 0).map_err(failed)?) {
        return Ok(Whole::default());
    }

    let mut reader = row::reader(BufReader::new(start_at(&file, 0).map_err(failed)?), true);
    let columns = reader.byte_headers().map_err(|error| failed(error.into()))?;
    if columns != COLUMNS.as_slice() {
        let columns: Vec<_> = columns.iter().map(String::from_utf8_lossy).collect();
        return Err(Error::new(ErrorKind::Data, format_args!("its columns are `{}`", columns.join(",")))
            .at(Place::line(path, 1))
            .way_out(format_args!("collect to a new file, or to one with the columns `{}`", COLUMNS.join(","))));
    }
    let first = reader.position().byte();
    let mut whole = Whole { tail: first, younger: first, ..Whole::default() };
    // Only the last record can be torn, so each is noted when the next one has been seen.
    let (mut record, mut last) = (csv::ByteRecord::new(), csv::ByteRecord::new());
    while reader.read_byte_record(&mut record).map_err(|error| failed(error.into()))? {
        if last.position().is_some() {
            whole.note(&last, known);
        }
        std::mem::swap(&mut record, &mut last);
    }
    let Some(start) = last.position() else {
        whole.end = if is_whole(&bytes_from(&file, 0).map_err(failed)?) { length } else { 0 };
        return Ok(whole);
    };
    if length - start.byte() > LONGEST_LINE {
        return Err(Error::new(ErrorKind::Data, "a quote is opened here and never closed")
            .at(Place::line(path, start.line()))
            .way_out("repair the line, or collect to a new file"));
    }
    whole.end = start.byte();
    if is_whole(&bytes_from(&file, start.byte()).map_err(failed)?) {
        whole.note(&last, known);
        whole.end = length;
    }
    Ok(whole)
}

impl Whole {
    fn note(&mut self, record: &csv::ByteRecord, known: &mut Known) {
        let Some(line) = row::key(record) else {
            self.unreadable += 1;
            return;
        };
        self.readings += 1;
        let start = record.position().map_or(0, csv::Position::byte);
        if start.saturating_sub(self.younger) >= HALF {
            (self.tail, self.younger) = (self.younger, start);
            known.turn();
        }
        known.note_line(&line);
    }
}

/// Whether the bytes of one record, from its start to the end of the file, are all of it: no quote open, and an end of line.
fn is_whole(line: &[u8]) -> bool {
    line.ends_with(b"\n") && line.iter().filter(|&&byte| byte == b'"').count() % 2 == 0
}

fn start_at(mut file: &File, byte: u64) -> io::Result<&File> {
    file.seek(SeekFrom::Start(byte))?;
    Ok(file)
}

fn bytes_from(file: &File, byte: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    start_at(file, byte)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
