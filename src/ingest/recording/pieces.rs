//! A file in pieces, each read by one of several threads: what is read of a piece, and what a thread knows from one to the next.

use std::collections::HashMap;
use std::path::Path;

use foldhash::fast::RandomState;

use super::rows::Rows;
use crate::error::{Place, Result};
use crate::ingest::drift::Drift;
use crate::ingest::record::{Record, Texts};
use crate::ingest::{Compact, SetAside, Site, Sites};

/// What was read of a piece of a file.
#[derive(Default)]
pub(super) struct Piece {
    /// The readings, with their sites by the numbers of the thread.
    pub(super) rows: Vec<Compact>,
    /// The sites that the thread met for the first time.
    sites: Vec<Site>,
    unreadable: Vec<Unreadable>,
    /// Rows that cannot be read and are not kept.
    passed_over: u64,
    pub(super) drift: Drift,
}

/// A row that cannot be read, by its place in the piece, from 0.
struct Unreadable {
    place: u64,
    reason: String,
    raw: String,
}

/// What a thread knows.
#[derive(Default)]
pub(super) struct Known {
    texts: Texts,
    sites: Sites,
    /// How many of them were told.
    told: usize,
    by_text: HashMap<Box<[u8]>, u32, RandomState>,
    /// The last text of each site that was learnt.
    text_of: Vec<Box<[u8]>>,
    /// After which site came which: a poll lists the stations as the one before it did.
    after: Vec<u32>,
    last: usize,
    /// What is looked up.
    text: Vec<u8>,
}

impl Known {
    /// The number of the site that was [learnt](Self::learn) with the text of which `is` holds, or else with the one that `write`
    /// writes.
    pub(super) fn site(&mut self, is: impl FnOnce(&[u8]) -> bool, write: impl FnOnce(&mut Vec<u8>)) -> Option<u32> {
        let expected = self.after.get(self.last).map_or(0, |&next| next as usize);
        let number = match self.text_of.get(expected) {
            Some(known) if is(known) => expected,
            _ => {
                self.text.clear();
                write(&mut self.text);
                *self.by_text.get(self.text.as_slice())? as usize
            }
        };
        if let Some(after) = self.after.get_mut(self.last) {
            *after = number as u32;
        }
        self.last = number;
        Some(number as u32)
    }

    /// Knows a site from now on by the text that `write` writes, which is not empty.
    pub(super) fn learn(&mut self, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
        self.text.clear();
        write(&mut self.text);
        let text = self.text.as_slice();
        if self.by_text.insert(text.into(), number).is_none() {
            let place = number as usize;
            self.text_of.resize_with(self.text_of.len().max(place + 1), Box::default);
            self.after.resize(self.after.len().max(place + 1), 0);
            self.text_of[place] = text.into();
        }
    }

    /// Reads any record, or keeps it with the `room` first that cannot be read; the number of its site if all of it could be.
    pub(super) fn any(
        &mut self,
        record: std::result::Result<Record<'_>, String>,
        (place, raw): (u64, impl FnOnce() -> String),
        piece: &mut Piece,
        room: usize,
    ) -> Option<u32> {
        let mut drift = Drift::default();
        let reading = record.and_then(|record| record.reading(None, &mut self.texts, &mut drift));
        let all_read = drift.all_read();
        piece.drift.absorb(drift);
        match reading {
            Ok(reading) => {
                let row = self.sites.compact(&reading);
                piece.rows.push(row);
                return all_read.then_some(row.site);
            }
            Err(reason) if piece.unreadable.len() < room => {
                piece.unreadable.push(Unreadable { place, reason, raw: raw() });
            }
            Err(_) => piece.passed_over += 1,
        }
        None
    }

    /// Ends a piece: tells the sites that are new in it.
    pub(super) fn end(&mut self, piece: &mut Piece) {
        piece.sites = self.sites.sites()[self.told..].to_vec();
        self.told += piece.sites.len();
    }
}

/// Puts the pieces of a file together.
#[derive(Default)]
pub(super) struct Pieces {
    /// The sites of each thread by its numbers.
    sites: Vec<Vec<u32>>,
}

impl Pieces {
    /// Adds the next piece, which this thread read; its first line or row has the number `start` in the file. Gives back the
    /// list of its rows.
    pub(super) fn add(
        &mut self,
        (path, start): (&Path, u64),
        thread: usize,
        piece: Piece,
        drift: &mut Drift,
        rows: &mut Rows<'_>,
    ) -> Result<Vec<Compact>> {
        if self.sites.len() <= thread {
            self.sites.resize_with(thread + 1, Vec::new);
        }
        let sites = &mut self.sites[thread];
        sites.extend(piece.sites.iter().map(|site| rows.site(site)));
        drift.absorb(piece.drift);
        for row in &piece.rows {
            rows.compact(path, Compact { site: sites[row.site as usize], ..*row })?;
        }
        for Unreadable { place, reason, raw } in piece.unreadable {
            rows.set_aside(SetAside { place: Place::line(path, start + place), reason, raw });
        }
        rows.pass_over(piece.passed_over);
        Ok(piece.rows)
    }
}
