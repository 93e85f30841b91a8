//! The engine: readings in, statistics per station and window of event time out, in whatever order the readings come.
//!
//! What is still moving is held in memory; [`flush`](StreamingStatistics::flush) writes what changed in one transaction and
//! forgets the windows that time has passed. A reading for such a window brings it back from the store, so that being late
//! costs a look-up and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::freshness::Freshness;
use super::state::WindowState;
use super::station::Station;
use super::store::{Changes, Progress, StationWindow, Store, WindowRow};
use super::window::{Window, Windowing};
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
    store: Box<dyn Store>,
    newest: Option<DateTime<Utc>>,
    stations: HashMap<StationCode, Tracked>,
    too_late: BTreeMap<(StationCode, DateTime<Utc>), StationStatus>,
    totals: Totals,
    /// What they were at the last flush.
    flushed: Totals,
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

/// A station with its windows that are in memory, by start in Unix seconds.
#[derive(Debug)]
struct Tracked {
    station: Station,
    changed: bool,
    windows: BTreeMap<i64, Held>,
    /// Windows that start later than this are in memory or nowhere; others may be in the store only. It is the newest of the
    /// station's newest reading that the store held at first, then the newest forgotten.
    stored_until: Option<i64>,
}

#[derive(Debug, Default)]
struct Held {
    state: WindowState,
    changed: bool,
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
            store,
            newest: None,
            stations: HashMap::new(),
            too_late: BTreeMap::new(),
            totals: Totals::default(),
            flushed: Totals::default(),
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
        let windowing = self.windowing;
        self.stations = self
            .store
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
        let windowing = self.windowing;
        let Some(tracked) = self.stations.get_mut(&reading.station_code) else {
            // The store holds no window of a station that it does not know.
            let tracked = Tracked::new(Station::of(reading), None);
            let tracked = self.stations.entry(reading.station_code.clone()).or_insert(tracked);
            return Ok(self.totals.add(tracked.take_in(windowing, reading), &mut self.newest, tracked));
        };
        tracked.load(&mut *self.store, windowing, reading)?;
        if reading.last_reported < before(tracked.station.clock, self.lateness) {
            return self.keep_aside(reading);
        }
        Ok(self.totals.add(tracked.take_in(windowing, reading), &mut self.newest, tracked))
    }

    /// Keeps a reading that is too late, unless it was seen before. Never taken in.
    fn keep_aside(&mut self, reading: &StationStatus) -> Result<bool> {
        let tracked = self.stations.get(&reading.station_code);
        let is_counted = tracked.is_some_and(|tracked| tracked.holds(self.windowing, reading.last_reported));
        let key = (reading.station_code.clone(), reading.last_reported);
        if is_counted || self.too_late.contains_key(&key) || self.store.is_kept_aside(&key.0, key.1)? {
            self.totals.repeated += 1;
        } else {
            self.too_late.insert(key, reading.clone());
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
        let windowing = self.windowing;
        let stations: Vec<&Station> =
            self.stations.values().filter(|tracked| tracked.changed).map(|tracked| &tracked.station).collect();
        let changed = changed(&self.stations, windowing);
        let windows: Vec<WindowRow<'_>> = changed
            .iter()
            .map(|&(station, window, state)| WindowRow { station_code: &station.code, window, state })
            .collect();
        let written = windows.len();
        let too_late: Vec<&StationStatus> = self.too_late.values().collect();
        let changes = Changes { windowing, stations: &stations, windows: &windows, too_late: &too_late, progress };
        if !changes.is_empty() && !self.store.write(&changes)? {
            return Ok(None);
        }
        self.too_late.clear();
        self.flushed = self.totals;
        for tracked in self.stations.values_mut() {
            tracked.forget(windowing, self.lateness);
        }
        Ok(Some(written))
    }

    /// What [`flush`](Self::flush) would write of windows.
    pub(super) fn changed_windows(&self) -> Vec<StationWindow> {
        let row = |(station, window, state): (&Station, Window, &WindowState)| {
            StationWindow::of(station, window, state.statistics(window))
        };
        changed(&self.stations, self.windowing).into_iter().map(row).collect()
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
        self.store.as_mut()
    }

    /// Gives the store back, without what was taken in since the last flush.
    pub fn into_store(self) -> Box<dyn Store> {
        self.store
    }
}

/// The windows that changed since the last flush, by start, then by station code.
fn changed(stations: &HashMap<StationCode, Tracked>, windowing: Windowing) -> Vec<(&Station, Window, &WindowState)> {
    let mut changed: Vec<_> = stations
        .values()
        .filter(|tracked| tracked.changed)
        .flat_map(|tracked| {
            let held = tracked.windows.iter().filter(|(_, held)| held.changed);
            held.map(move |(&start, held)| (&tracked.station, windowing.starting_at_second(start), &held.state))
        })
        .collect();
    changed.sort_unstable_by_key(|&(station, window, _)| (window.start, &station.code));
    changed
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

impl Tracked {
    fn new(station: Station, stored_until: Option<i64>) -> Self {
        Self { station, changed: false, windows: BTreeMap::new(), stored_until }
    }

    /// Brings those windows of a reading that only the store may hold back to memory.
    fn load(&mut self, store: &mut dyn Store, windowing: Windowing, reading: &StationStatus) -> Result<()> {
        for start in windowing.starts_of(reading.last_reported.timestamp()) {
            if self.stored_until < Some(start) || self.windows.contains_key(&start) {
                continue;
            }
            if let Some(state) = store.window_state(&self.station.code, windowing.starting_at_second(start))? {
                self.windows.insert(start, Held { state, changed: false });
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

    /// Counts a reading in all its windows, which are in memory or nowhere.
    fn take_in(&mut self, windowing: Windowing, reading: &StationStatus) -> Taken {
        let clock = self.station.clock.timestamp();
        let (mut is_new, mut is_late) = (false, false);
        for start in windowing.starts_of(reading.last_reported.timestamp()) {
            let held = self.windows.entry(start).or_default();
            let late = start + windowing.seconds() <= clock;
            if held.state.update(start, reading, late) {
                held.changed = true;
                (is_new, is_late) = (true, is_late | late);
            }
        }
        if !is_new {
            return Taken::Repeated;
        }
        self.station.describe(reading);
        self.changed = true;
        Taken::New { late: is_late, closed: reading.is_closed() }
    }

    /// After a flush: what was written is unchanged, and what no reading can change any more need not stay.
    fn forget(&mut self, windowing: Windowing, lateness: TimeDelta) {
        self.changed = false;
        self.windows.values_mut().for_each(|held| held.changed = false);
        let until = before(self.station.clock, lateness).timestamp();
        while let Some(oldest) = self.windows.first_key_value().map(|(&start, _)| start) {
            if oldest + windowing.seconds() > until {
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
