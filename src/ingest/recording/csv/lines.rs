//! CSV by several threads: the file goes to them in blocks of whole lines, and what they read comes back in its order.
//!
//! A line is a row unless it ends within quotes, holds a carriage return, has text after a closing quote, or is longer than a block:
//! from the first of those on one thread goes on by the library for CSV, to the end of the file. A row of the usual shape is read where it stands; any other by the one reader of records.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use csv::{ByteRecord, Position, ReaderBuilder};
use memchr::{memchr, memchr_iter, memrchr};

use super::cells::{Cells, Ends, Layout, Times};
use super::record;
use crate::error::{Error, Result};
use crate::ingest::Compact;
use crate::ingest::drift::Drift;
use crate::ingest::recording::in_order::in_order;
use crate::ingest::recording::pieces::{Known, Piece, Pieces};
use crate::ingest::recording::rows::Rows;

/// How much of a file goes to a thread at once, bytes.
pub(super) const BLOCK: usize = 1 << 20;

/// Reads rows of a file from `start` on, by blocks of so many bytes; where it ended, if that is before the file does.
pub(super) fn read(
    (path, file): (&Path, &mut (impl Read + Seek)),
    layout: &Layout<'_>,
    start: Position,
    drift: &mut Drift,
    rows: &mut Rows<'_>,
    block: usize,
) -> Result<Option<Position>> {
    let fail = |error: io::Error| Error::io(path, &error);
    file.seek(SeekFrom::Start(start.byte())).map_err(fail)?;
    // What one block took, another takes.
    let spare = RefCell::new(Vec::new());
    let mut blocks = Blocks { file, size: block, rest: Vec::new(), ended: false, stuck: false, spare: &spare };
    let (mut end, mut all, mut pieces, room) = (start, true, Pieces::default(), rows.room());
    in_order(
        || blocks.next().map_err(fail),
        |reader: &mut Reader, (block, rows): Block| (reader.read(layout, &block, rows, room), block),
        |thread, (lines, block)| {
            let mut left = pieces.add((path, end.line()), thread, lines.piece, drift, rows)?;
            left.clear();
            spare.borrow_mut().push((block, left));
            let (byte, line) = (end.byte() + lines.bytes, end.line() + lines.count);
            end.set_byte(byte).set_line(line);
            all = lines.all;
            Ok(if all { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    )?;
    Ok((!all || blocks.stuck).then_some(end))
}

/// Bytes, and where their rows go.
type Block = (Vec<u8>, Vec<Compact>);

/// A file in blocks that end with a line.
struct Blocks<'f, F> {
    file: &'f mut F,
    size: usize,
    spare: &'f RefCell<Vec<Block>>,
    /// What was read of the line after the last block.
    rest: Vec<u8>,
    ended: bool,
    /// Whether a line is longer than a block.
    stuck: bool,
}

impl<F: Read> Blocks<'_, F> {
    /// The next; none after the last, and none where a line is longer than a block.
    fn next(&mut self) -> io::Result<Option<Block>> {
        if self.ended {
            return Ok(None);
        }
        let (mut block, rows) = self.spare.borrow_mut().pop().unwrap_or_default();
        block.clear();
        block.append(&mut self.rest);
        self.ended = self.file.by_ref().take(self.size as u64).read_to_end(&mut block)? < self.size;
        if !self.ended {
            let end = memrchr(b'\n', &block).map_or(0, |end| end + 1);
            self.rest.extend_from_slice(&block[end..]);
            block.truncate(end);
            self.stuck = end == 0;
            self.ended = self.stuck;
        }
        Ok(Some((block, rows)).filter(|(block, _)| !block.is_empty()))
    }
}

/// What was read of a block.
#[derive(Default)]
struct Lines {
    piece: Piece,
    bytes: u64,
    count: u64,
    /// Whether it was the whole block.
    all: bool,
}

/// Reads blocks, one after another, and knows what was in those before.
#[derive(Default)]
struct Reader {
    known: Known,
    fetched: Times,
    reported: Times,
    ends: Ends,
    quoted: ByteRecord,
}

impl Reader {
    fn read(&mut self, layout: &Layout<'_>, block: &[u8], rows: Vec<Compact>, room: usize) -> Lines {
        let mut lines = Lines { all: true, ..Lines::default() };
        lines.piece.rows = rows;
        let (quotes, returns) = (memchr(b'"', block).is_some(), memchr(b'\r', block).is_some());
        let (mut start, mut usual) = (0, 0);
        while start < block.len() {
            let end = memchr(b'\n', &block[start..]).map_or(block.len(), |length| start + length);
            let mut line = &block[start..end];
            if returns {
                line = line.strip_suffix(b"\r").unwrap_or(line);
            }
            let in_quotes = quotes && memchr(b'"', line).is_some();
            // The library takes a carriage return alone for the end of a line.
            if returns && memchr(b'\r', line).is_some() || in_quotes && !is_row(line, layout.delimiter) {
                lines.all = false;
                break;
            }
            if in_quotes {
                self.quoted(layout, line, &mut lines, room);
            } else if !line.is_empty() {
                usual += u64::from(self.plain(layout, line, &mut lines, room));
            }
            lines.count += 1;
            start = (end + 1).min(block.len());
        }
        lines.bytes = start as u64;
        if usual > 0 {
            lines.piece.drift.saw_table(usual, layout.there);
        }
        self.known.end(&mut lines.piece);
        lines
    }

    /// A line without quotes; whether it was of the usual shape.
    fn plain(&mut self, layout: &Layout<'_>, line: &[u8], lines: &mut Lines, room: usize) -> bool {
        let cells = Cells::of(line, layout.delimiter, &mut self.ends);
        if cells.len() != layout.slots.len() {
            self.known.any(Err(wrong_count(layout, cells.len())), (lines.count, || text(line)), &mut lines.piece, room);
            return false;
        }
        let mut usual = || {
            let state = layout.state(&cells)?;
            let fetched_at = self.fetched.read(layout.fetched_at(&cells))?;
            let last_reported = self.reported.read(layout.last_reported(&cells))?;
            let site = self.known.site(|text| layout.is_site(&cells, text), |text| layout.site(&cells, text))?;
            Some(Compact { site, fetched_at, last_reported, state })
        };
        if let Some(row) = usual() {
            lines.piece.rows.push(row);
            return true;
        }
        let record = Ok(record(cells.iter(), layout.slots));
        if let Some(site) = self.known.any(record, (lines.count, || text(line)), &mut lines.piece, room) {
            self.known.learn(site, |text| layout.site(&cells, text));
        }
        false
    }

    /// A line with quotes, by the library.
    fn quoted(&mut self, layout: &Layout<'_>, line: &[u8], lines: &mut Lines, room: usize) {
        let mut reader = ReaderBuilder::new();
        reader.has_headers(false).flexible(true).delimiter(layout.delimiter).buffer_capacity(line.len());
        // A line in memory cannot fail to be read.
        // Behind the end of another: at the start a mark of the byte order would be passed over.
        _ = reader.from_reader(b"\n".chain(line)).read_byte_record(&mut self.quoted);
        let row = &self.quoted;
        let record = if row.len() == layout.slots.len() {
            Ok(record(row.iter(), layout.slots))
        } else {
            Err(wrong_count(layout, row.len()))
        };
        self.known.any(record, (lines.count, || text(line)), &mut lines.piece, room);
    }
}

fn wrong_count(layout: &Layout<'_>, cells: usize) -> String {
    format!("{cells} cells under {} columns", layout.slots.len())
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Whether a line with quotes is a whole row: every cell in quotes ends with one.
fn is_row(line: &[u8], delimiter: u8) -> bool {
    let mut rest = line;
    loop {
        if let Some(cell) = rest.strip_prefix(b"\"") {
            // Two quotes within a cell are one that it holds.
            let mut quotes = memchr_iter(b'"', cell);
            let end = loop {
                let Some(quote) = quotes.next() else { return false };
                if cell.get(quote + 1) != Some(&b'"') {
                    break quote;
                }
                quotes.next();
            };
            rest = &cell[end + 1..];
            match rest.split_first() {
                None => return true,
                Some((&next, after)) if next == delimiter => rest = after,
                Some(_) => return false,
            }
        } else {
            match memchr(delimiter, rest) {
                None => return true,
                Some(end) => rest = &rest[end + 1..],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
    }

    proptest! {
        #[test]
        fn as_long_as_lines_are_rows_the_library_reads_the_same_from_each_alone(text in "[ab\",\r\n]{0,40}") {
            let lines = text.as_bytes().split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let alone = |line: &&[u8]| !line.contains(&b'\r') && (!line.contains(&b'"') || is_row(line, b','));
            let all = lines.clone().all(|line| alone(&line));
            let found: Vec<_> = lines.take_while(alone).flat_map(rows).collect();
            let expected = rows(text.as_bytes());
            prop_assert_eq!(&found[..], &expected[..found.len()]);
            prop_assert!(!all || found.len() == expected.len());
        }
    }
}
