//! The one thread that reads the store. It looks for news about once a second, and answers questions about single stations
//! in between.
//!
//! A store is read by blocking calls, and each connection to it is one thread's: the server itself never touches it. News
//! are told by the stations' own rows, which an engine writes with every reading that is newer; then only the windows that
//! may have changed are read again. A late reading alone changes no station's row: it is seen with the next that does.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::{oneshot, watch};

use super::network::newest;
use super::published::Published;
use super::settings::ServeSettings;
use super::view::{StationDay, View};
use crate::error::Result;
use crate::station::StationCode;
use crate::streaming::{ALLOWED_LATENESS, Select, Station, StationWindow, Store, ZoneWindow, Zones};

/// The most windows of one station in an answer, the newest: enough for a reading each half minute of a day.
const MOST_WINDOWS: usize = 3_000;

/// A question about one station, and where the answer goes: `None` if there is no such station.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) code: String,
    pub(super) answer: oneshot::Sender<Result<Option<StationDay>>>,
}

/// What the thread keeps of the store: of each station and zone the newest window.
#[derive(Debug)]
pub(super) struct Reader {
    store: Box<dyn Store>,
    zones: Zones,
    settings: ServeSettings,
    stations: Vec<Station>,
    windows: HashMap<StationCode, StationWindow>,
    zone_windows: HashMap<String, ZoneWindow>,
    view: View,
}

impl Reader {
    pub(super) fn new(store: Box<dyn Store>, zones: Zones, settings: ServeSettings) -> Self {
        let (stations, windows) = (vec![], HashMap::new());
        let view = View::of(&stations, &windows, &zones, &settings, Utc::now());
        Self { store, zones, settings, stations, windows, zone_windows: HashMap::new(), view }
    }

    /// What the store holds now, whether or not something changed.
    pub(super) fn first(&mut self) -> Result<Published> {
        self.look()?;
        self.publish()
    }

    /// Reads until nobody can ask any more. An error is shown with what was read before, and the store tried again.
    pub(super) fn run(mut self, questions: &Receiver<Question>, page: &watch::Sender<Arc<Published>>) {
        let mut due = Instant::now() + self.settings.every;
        loop {
            match questions.recv_timeout(due.saturating_duration_since(Instant::now())) {
                // Who gave up waiting needs no answer.
                Ok(question) if question.answer.is_closed() => continue,
                Ok(question) => {
                    let day = self.day_of(&question.code);
                    let _given_up = question.answer.send(day);
                    // Questions wait, news do not: they come in between, however many are asked.
                    if Instant::now() < due {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let started = Instant::now();
            if let Some(published) = self.news() {
                page.send_replace(Arc::new(published));
            }
            due = Instant::now() + self.settings.every.max(started.elapsed());
        }
    }

    /// What is to be shown instead of what is, if something is.
    fn news(&mut self) -> Option<Published> {
        let problem = match self.look() {
            Ok(true) => return self.publish().ok(),
            Ok(false) => None,
            Err(error) => Some(error.message().to_owned()),
        };
        if problem == self.view.network.problem {
            return None;
        }
        self.view.network.problem = problem;
        Published::new(&self.view, &self.zone_windows).ok()
    }

    /// Takes in what changed; whether something did.
    fn look(&mut self) -> Result<bool> {
        let stations = self.store.stations()?;
        if stations == self.stations {
            return Ok(false);
        }
        if let Some(newest) = newest(&stations) {
            let since = self.since(&stations, newest)?;
            // Windows come by time, so that the last of each is its newest.
            // A reading whose clock runs ahead has a window that is still to come: it is shown only if there is no other.
            let is_to_come = |window: &StationWindow| window.window.start > newest;
            let windows = &mut self.windows;
            self.store.visit_station_windows(Select::ALL.since(since), &mut |window| {
                let kept = windows.get(&window.station_code);
                if !is_to_come(&window) || kept.is_none_or(is_to_come) {
                    windows.insert(window.station_code.clone(), window);
                }
            })?;
            let select = Select { until: after(newest), ..Select::ALL.since(since) };
            for window in self.store.zone_windows(&self.zones, select)? {
                self.zone_windows.insert(window.zone.clone(), window);
            }
        }
        self.stations = stations;
        Ok(true)
    }

    /// From which time on windows may have changed since they were read, or are to be shown: those of the stations whose
    /// rows have changed, however far behind the others they are, and of the readings that came late with them.
    fn since(&mut self, stations: &[Station], newest: DateTime<Utc>) -> Result<DateTime<Utc>> {
        let length = self.store.latest_window(None)?.map_or(TimeDelta::zero(), |window| window.end - window.start);
        let lateness = TimeDelta::from_std(ALLOWED_LATENESS).unwrap_or(TimeDelta::MAX);
        let known: HashMap<&StationCode, &Station> =
            self.stations.iter().map(|station| (&station.code, station)).collect();
        let changed = stations.iter().filter(|station| known.get(&station.code) != Some(station));
        let changed = changed.map(|station| before(station.clock, lateness)).min().unwrap_or(newest);
        // The window of a time begins before it.
        Ok(before(changed.max(before(newest, self.settings.silent_after)), length))
    }

    fn publish(&mut self) -> Result<Published> {
        self.view = View::of(&self.stations, &self.windows, &self.zones, &self.settings, Utc::now().trunc_subsecs(3));
        Published::new(&self.view, &self.zone_windows)
    }

    fn day_of(&mut self, code: &str) -> Result<Option<StationDay>> {
        let Some(until) = newest(&self.stations) else { return Ok(None) };
        let shown = self.view.stations.iter().find(|station| station.station_code.as_str() == code);
        let Some(station) = shown.cloned() else { return Ok(None) };
        let from = before(until, self.settings.day);
        let mut windows = VecDeque::new();
        let select = Select { until: after(until), ..Select::of(code).since(from) };
        self.store.visit_station_windows(select, &mut |window| {
            if windows.len() == MOST_WINDOWS {
                windows.pop_front();
            }
            windows.push_back(window);
        })?;
        Ok(Some(StationDay { station, from, until, windows: windows.into() }))
    }
}

/// Windows that begin at `newest` or before begin earlier than this.
fn after(newest: DateTime<Utc>) -> Option<DateTime<Utc>> {
    newest.checked_add_signed(TimeDelta::seconds(1))
}

fn before(time: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    time.checked_sub_signed(span).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
