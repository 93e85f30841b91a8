//! The engine: readings in, statistics per station and window of event time out, in whatever order the readings come.
//!
//! What is still moving is held in memory; [`flush`](StreamingStatistics::flush) writes what changed in one transaction and
//! forgets the windows that time has passed. A reading for such a window brings it back from the store, so that being late
//! costs a look-up and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::freshness::Freshness;
use super::state::WindowState;
use super::station::Station;
use super::store::{Progress, StationWindow, Store};
use super::window::{Window, Windowing};
use super::writer::{Draft, StoreWriter};
use crate::error::{Error, ErrorKind, Result};
use crate::station::{StationCode, StationStatus};

/// How far behind its station's newest reading another may be and still be taken in, unless told otherwise: 90 minutes. In
/// the recorded history none was further behind than 14.
pub const ALLOWED_LATENESS: Duration = Duration::from_secs(90 * 60);

/// Statistics of a stream of readings, per station and window of event time, kept in a [`Store`].
///
/// Each different reading, known by its station and event time, counts once, however often it comes: a stream may be
/// replayed from any point, by this engine or by another one on the same store after a crash, and the store ends the same.
///
/// Each station has its own clock ([`Station::clock`]), the newest event time heard of it. A window that ends at the clock or
/// before is *closed*. A reading of a closed window is *late*: it is counted as late, taken in like any other, and makes the
/// window a new revision. One that is further behind the clock than the allowed lateness is *too late*: it is kept aside in
/// the store, whole, and changes no window. A station stands in one partition of the topic, in order: so what is late does not
/// depend on how fast the partitions are read, a backlog makes nothing late, and a silent station holds nobody up. How far
/// the whole network has come is [`Freshness`]'s to say.
#[derive(Debug)]
pub struct StreamingStatistics {
    windowing: Windowing,
    lateness: TimeDelta,
    writer: StoreWriter,
    newest: Option<DateTime<Utc>>,
    stations: Stations,
    too_late: BTreeMap<(StationCode, DateTime<Utc>), (u64, StationStatus)>,
    totals: Totals,
    /// What they were at the last flush.
    flushed: Totals,
    /// What changes now is for the flush of this number.
    round: u64,
    /// What changed for this flush or before is written.
    written: u64,
    /// What was begun to be written, until it is settled.
    flight: Option<Flight>,
}

/// A flush that is under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    round: u64,
    windows: usize,
    totals: Totals,
}

/// What one engine has taken in since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Different readings, each counted once; those that came too late are not among them.
    pub readings: u64,
    /// Readings that came again.
    pub repeated: u64,
    /// Of `readings`, those that came when a window of theirs was closed.
    pub late: u64,
    /// Different readings that came too late and were kept aside.
    pub too_late: u64,
    /// Of `readings`, those of closed stations, which enter no statistic.
    pub closed: u64,
}

type Stations = HashMap<StationCode, Tracked, RandomState>;

/// A station with its windows that are in memory, by start in Unix seconds.
#[derive(Debug)]
struct Tracked {
    station: Station,
    /// The texts of its newest reading, by which it is described.
    texts: [Option<Arc<str>>; 2],
    /// The flush that its last change is for.
    changed: u64,
    windows: BTreeMap<i64, Held>,
    /// Windows that start later than this are in memory or nowhere; others may be in the store only. It is the newest of the
    /// station's newest reading that the store held at first, then the newest forgotten.
    stored_until: Option<i64>,
}

#[derive(Debug)]
struct Held {
    state: WindowState,
    /// The flush that its last change is for; 0 as the store gave it.
    changed: u64,
}

impl StreamingStatistics {
    /// An engine that goes on where the store was left. An error if the store's windows are others.
    pub fn new(windowing: Windowing, mut store: Box<dyn Store>) -> Result<Self> {
        if let Some(kept) = store.windowing()?.filter(|&kept| kept != windowing) {
            return Err(other_windows(kept, windowing).at(store.place()));
        }
        let mut engine = Self {
            windowing,
            lateness: TimeDelta::from_std(ALLOWED_LATENESS).unwrap_or(TimeDelta::MAX),
            writer: StoreWriter::new(store),
            newest: None,
            stations: Stations::default(),
            too_late: BTreeMap::new(),
            totals: Totals::default(),
            flushed: Totals::default(),
            round: 1,
            written: 0,
            flight: None,
        };
        engine.reload()?;
        Ok(engine)
    }

    /// The same engine with another allowed lateness than [`ALLOWED_LATENESS`].
    #[must_use]
    pub fn with_allowed_lateness(mut self, lateness: Duration) -> Self {
        self.lateness = TimeDelta::from_std(lateness).unwrap_or(TimeDelta::MAX);
        self
    }

    /// Forgets what is in memory, with what was not flushed, and goes on from what the store holds now: another engine may
    /// have written to it. The totals are those of the last flush again.
    pub fn reload(&mut self) -> Result<()> {
        // One that was begun and not settled: somebody's work was broken off.
        self.settle_flush()?;
        let windowing = self.windowing;
        self.stations = self
            .store()
            .stations()?
            .into_iter()
            .map(|station| {
                let newest = windowing.starts_of(station.last_reported.timestamp()).last();
                (station.code.clone(), Tracked::new(station, newest))
            })
            .collect();
        self.newest = self.stations.values().map(|tracked| tracked.station.clock).max();
        self.too_late.clear();
        self.totals = self.flushed;
        Ok(())
    }

    /// Takes a reading into account; whether it was, because it was new and not too late. Only a look-up in the store can
    /// fail, and then nothing is taken in.
    pub fn update(&mut self, reading: &StationStatus) -> Result<bool> {
        let (windowing, round) = (self.windowing, self.round);
        let Some(tracked) = self.stations.get_mut(&reading.station_code) else {
            // The store holds no window of a station that it does not know.
            let tracked = Tracked::new(Station::of(reading), None);
            let tracked = self.stations.entry(reading.station_code.clone()).or_insert(tracked);
            return Ok(self.totals.add(tracked.take_in(windowing, reading, round), &mut self.newest, tracked));
        };
        tracked.load(&mut self.writer, windowing, reading)?;
        if reading.last_reported < before(tracked.station.clock, self.lateness) {
            return self.keep_aside(reading);
        }
        Ok(self.totals.add(tracked.take_in(windowing, reading, round), &mut self.newest, tracked))
    }

    /// Keeps a reading that is too late, unless it was seen before. Never taken in.
    fn keep_aside(&mut self, reading: &StationStatus) -> Result<bool> {
        let tracked = self.stations.get(&reading.station_code);
        let is_counted = tracked.is_some_and(|tracked| tracked.holds(self.windowing, reading.last_reported));
        let key = (reading.station_code.clone(), reading.last_reported);
        if is_counted || self.too_late.contains_key(&key) || self.store().is_kept_aside(&key.0, key.1)? {
            self.totals.repeated += 1;
        } else {
            self.too_late.insert(key, (self.round, reading.clone()));
            self.totals.too_late += 1;
        }
        Ok(false)
    }

    /// Writes every window and station that changed since the last flush, in one transaction, and forgets the windows that
    /// nothing can change any more; how many windows were written. After an error nothing is written and nothing forgotten:
    /// flush again.
    pub fn flush(&mut self) -> Result<usize> {
        Ok(self.flush_with(None)?.unwrap_or(0))
    }

    /// As [`flush`](Self::flush), and in the same transaction notes how far the topic has been read; `None` if another
    /// process has gone on there meanwhile, and then nothing is written: [`reload`](Self::reload).
    pub fn flush_with(&mut self, progress: Option<&Progress>) -> Result<Option<usize>> {
        // One that was begun and not settled: somebody's work was broken off.
        if self.settle_flush()?.is_none() {
            return Ok(None);
        }
        self.begin_flush(progress)?;
        self.settle_flush()
    }

    /// Begins a [`flush_with`](Self::flush_with) and does not wait: [`settle_flush`](Self::settle_flush) says what became of
    /// it. What is taken in meanwhile is for the next one, and that is begun when this one is settled.
    pub(super) fn begin_flush(&mut self, progress: Option<&Progress>) -> Result<()> {
        let (windowing, written, round) = (self.windowing, self.written, self.round);
        let changed_stations = self.stations.values().filter(|tracked| tracked.changed > written);
        let late = self.too_late.values().filter(|(round, _)| *round > written);
        let draft = Draft {
            windowing,
            stations: changed_stations.map(|tracked| tracked.station.clone()).collect(),
            windows: changed(&self.stations, windowing, written)
                .map(|(station, window, state)| (station.code.clone(), window, state.clone()))
                .collect(),
            too_late: late.map(|(_, reading)| reading.clone()).collect(),
            progress: progress.cloned(),
        };
        let windows = draft.windows.len();
        if !draft.is_empty() {
            self.writer.begin(draft)?;
        }
        self.flight = Some(Flight { round, windows, totals: self.totals });
        self.round += 1;
        Ok(())
    }

    /// Waits for what was begun: as [`flush_with`](Self::flush_with) answers. `Some(0)` if nothing was.
    pub(super) fn settle_flush(&mut self) -> Result<Option<usize>> {
        let Some(Flight { round, windows, totals }) = self.flight.take() else { return Ok(Some(0)) };
        if !self.writer.settle().unwrap_or(Ok(true))? {
            return Ok(None);
        }
        (self.written, self.flushed) = (round, totals);
        self.too_late.retain(|_, (changed, _)| *changed > round);
        for tracked in self.stations.values_mut() {
            tracked.forget(self.windowing, self.lateness, round);
        }
        Ok(Some(windows))
    }

    /// Whether nothing is being written, so that [`settle_flush`](Self::settle_flush) would not wait.
    pub(super) fn is_flushed(&mut self) -> bool {
        self.writer.is_here()
    }

    /// What [`flush`](Self::flush) would write of windows.
    pub(super) fn changed_windows(&self) -> Vec<StationWindow> {
        let row = |(station, window, state): (&Station, Window, &WindowState)| {
            StationWindow::of(station, window, state.statistics(window))
        };
        let mut windows: Vec<_> = changed(&self.stations, self.windowing, self.written).map(row).collect();
        windows.sort_unstable_by(|a, b| (a.window.start, &a.station_code).cmp(&(b.window.start, &b.station_code)));
        windows
    }

    /// How far the network has come, as far as this engine has heard: after the last flush also what the store says.
    pub fn freshness(&self) -> Option<Freshness> {
        Freshness::of(self.stations.values().map(|tracked| &tracked.station))
    }

    /// The newest event time seen.
    pub fn newest(&self) -> Option<DateTime<Utc>> {
        self.newest
    }

    /// What was taken in so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The store, to be asked. It knows what was flushed.
    pub fn store(&mut self) -> &mut dyn Store {
        self.writer.store()
    }

    /// Gives the store back, without what was taken in since the last flush.
    pub fn into_store(self) -> Box<dyn Store> {
        self.writer.into_store()
    }
}

/// The windows that changed for a later flush than that of the number `written`.
fn changed(
    stations: &Stations,
    windowing: Windowing,
    written: u64,
) -> impl Iterator<Item = (&Station, Window, &WindowState)> {
    stations.values().filter(move |tracked| tracked.changed > written).flat_map(move |tracked| {
        let held = tracked.windows.iter().filter(move |(_, held)| held.changed > written);
        held.map(move |(&start, held)| (&tracked.station, windowing.starting_at_second(start), &held.state))
    })
}

/// What became of a reading that was not too late.
#[derive(Clone, Copy)]
enum Taken {
    Repeated,
    New { late: bool, closed: bool },
}

impl Totals {
    /// Counts what became of a reading; whether it was new.
    fn add(&mut self, taken: Taken, newest: &mut Option<DateTime<Utc>>, tracked: &Tracked) -> bool {
        let Taken::New { late, closed } = taken else {
            self.repeated += 1;
            return false;
        };
        self.readings += 1;
        self.late += u64::from(late);
        self.closed += u64::from(closed);
        *newest = (*newest).max(Some(tracked.station.clock));
        true
    }
}

impl Held {
    fn with_room_for(readings: usize) -> Self {
        Self { state: WindowState::with_room_for(readings), changed: 0 }
    }
}

/// Whether both are the same text in memory, as those of one station's messages mostly are.
fn is_same(one: Option<&Arc<str>>, other: Option<&Arc<str>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl Tracked {
    fn new(station: Station, stored_until: Option<i64>) -> Self {
        Self { station, texts: [None, None], changed: 0, windows: BTreeMap::new(), stored_until }
    }

    /// Brings those windows of a reading that only the store may hold back to memory.
    fn load(&mut self, writer: &mut StoreWriter, windowing: Windowing, reading: &StationStatus) -> Result<()> {
        for start in windowing.starts_of(reading.last_reported.timestamp()) {
            if self.stored_until < Some(start) || self.windows.contains_key(&start) {
                continue;
            }
            if let Some(state) = writer.store().window_state(&self.station.code, windowing.starting_at_second(start))? {
                self.windows.insert(start, Held { state, changed: 0 });
            }
        }
        Ok(())
    }

    /// Whether a reading of this time has been counted, as far as memory goes.
    fn holds(&self, windowing: Windowing, time: DateTime<Utc>) -> bool {
        windowing
            .starts_of(time.timestamp())
            .next()
            .is_some_and(|start| self.windows.get(&start).is_some_and(|held| held.state.holds(start, time)))
    }

    /// Counts a reading in all its windows, which are in memory or nowhere, for the flush of the number `round`.
    fn take_in(&mut self, windowing: Windowing, reading: &StationStatus, round: u64) -> Taken {
        let clock = self.station.clock.timestamp();
        let (mut is_new, mut is_late) = (false, false);
        for start in windowing.starts_of(reading.last_reported.timestamp()) {
            // A window mostly holds as many readings as the one before it.
            let before = self.windows.last_key_value().map_or(0, |(_, held)| held.state.len());
            let held = self.windows.entry(start).or_insert_with(|| Held::with_room_for(before));
            let late = start + windowing.seconds() <= clock;
            if held.state.update(start, reading, late) {
                held.changed = round;
                (is_new, is_late) = (true, is_late | late);
            }
        }
        if !is_new {
            return Taken::Repeated;
        }
        let is_newest = self.station.describe_by_numbers(reading);
        let texts = [&reading.name, &reading.commune];
        if !self.texts.iter().zip(texts).all(|(known, text)| is_same(known.as_ref(), text.as_ref())) {
            self.station.describe_by_names(reading);
            if is_newest {
                self.texts = texts.map(Clone::clone);
            }
        }
        self.changed = round;
        Taken::New { late: is_late, closed: reading.is_closed() }
    }

    /// What no reading can change any more need not stay once it is written, with the flush of the number `written`.
    fn forget(&mut self, windowing: Windowing, lateness: TimeDelta, written: u64) {
        let until = before(self.station.clock, lateness).timestamp();
        while let Some((&oldest, held)) = self.windows.first_key_value() {
            if oldest + windowing.seconds() > until || held.changed > written {
                break;
            }
            self.windows.pop_first();
            self.stored_until = self.stored_until.max(Some(oldest));
        }
    }
}

/// What is wrong with a store that keeps `kept` for whoever wants `wanted`.
pub(super) fn other_windows(kept: Windowing, wanted: Windowing) -> Error {
    let message = format!("holds windows of {kept}, not of {wanted}");
    Error::new(ErrorKind::Store, message).way_out(format!("keep --window {kept}, or give another store"))
}

fn before(time: DateTime<Utc>, lateness: TimeDelta) -> DateTime<Utc> {
    time.checked_sub_signed(lateness).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests;
