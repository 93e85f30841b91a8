//! The store, and the thread that it is lent to while it writes, so that the engine goes on computing meanwhile.
//!
//! One write at a time: whoever wants the store waits until it is back.

use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::thread;

use super::state::WindowState;
use super::station::Station;
use super::store::{Changes, Progress, Store, WindowRow};
use super::window::{Window, Windowing};
use crate::error::{Error, ErrorKind, Result};
use crate::station::{StationCode, StationStatus};

/// Where the store is kept, written to, and asked.
#[derive(Debug)]
pub(super) struct StoreWriter {
    store: Whereabouts,
    /// What became of the last write, until somebody asks.
    outcome: Option<Result<bool>>,
    /// To the thread that writes, once there was something to write.
    thread: Option<Sender<Job>>,
}

#[derive(Debug)]
enum Whereabouts {
    Here(Box<dyn Store>),
    Away(Receiver<(Box<dyn Store>, Result<bool>)>),
}

/// The store, what is to be written, and the way back.
type Job = (Box<dyn Store>, Draft, Sender<(Box<dyn Store>, Result<bool>)>);

/// What is to be written, as [`Changes`] has it, but for the order of the windows.
#[derive(Debug)]
pub(super) struct Draft {
    pub windowing: Windowing,
    pub stations: Vec<Station>,
    pub windows: Vec<(StationCode, Window, WindowState)>,
    pub too_late: Vec<StationStatus>,
    pub progress: Option<Progress>,
}

impl StoreWriter {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store: Whereabouts::Here(store), outcome: None, thread: None }
    }

    /// Whether the store has written what it was given.
    pub(super) fn is_here(&mut self) -> bool {
        if let Whereabouts::Away(comes_back) = &self.store
            && let Ok((store, outcome)) = comes_back.try_recv()
        {
            self.store = Whereabouts::Here(store);
            self.outcome = Some(outcome);
        }
        matches!(self.store, Whereabouts::Here(_))
    }

    /// The store, once it has written what it was given.
    pub(super) fn store(&mut self) -> &mut dyn Store {
        self.fetch();
        match &mut self.store {
            Whereabouts::Here(store) => &mut **store,
            Whereabouts::Away(_) => gone(),
        }
    }

    pub(super) fn into_store(mut self) -> Box<dyn Store> {
        self.fetch();
        match self.store {
            Whereabouts::Here(store) => store,
            Whereabouts::Away(_) => gone(),
        }
    }

    /// Begins to write, when what was begun before is written; [`settle`](Self::settle) that first.
    pub(super) fn begin(&mut self, draft: Draft) -> Result<()> {
        self.fetch();
        let thread = match &self.thread {
            Some(thread) => thread.clone(),
            None => self.thread.insert(start()?).clone(),
        };
        let (way_back, comes_back) = mpsc::channel();
        match std::mem::replace(&mut self.store, Whereabouts::Away(comes_back)) {
            Whereabouts::Here(store) => match thread.send((store, draft, way_back)) {
                Ok(()) => Ok(()),
                Err(SendError((store, ..))) => {
                    self.store = Whereabouts::Here(store);
                    Err(failed("has ended"))
                }
            },
            Whereabouts::Away(_) => gone(),
        }
    }

    /// What became of what was begun: as [`Store::write`] says. `None` if that was told, or nothing was begun.
    pub(super) fn settle(&mut self) -> Option<Result<bool>> {
        self.store();
        self.outcome.take()
    }

    /// Waits until the store is here.
    fn fetch(&mut self) {
        if let Whereabouts::Away(comes_back) = &self.store
            && let Ok((store, outcome)) = comes_back.recv()
        {
            self.store = Whereabouts::Here(store);
            self.outcome = Some(outcome);
        }
    }
}

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        let Self { windowing: _, stations, windows, too_late, progress } = self;
        stations.is_empty()
            && windows.is_empty()
            && too_late.is_empty()
            && progress.as_ref().is_none_or(Progress::is_empty)
    }

    fn write(&mut self, store: &mut dyn Store) -> Result<bool> {
        self.windows.sort_unstable_by(|a, b| (a.1.start, &a.0).cmp(&(b.1.start, &b.0)));
        let rows = self.windows.iter();
        let windows: Vec<_> =
            rows.map(|(station_code, window, state)| WindowRow { station_code, window: *window, state }).collect();
        let stations: Vec<_> = self.stations.iter().collect();
        let too_late: Vec<_> = self.too_late.iter().collect();
        store.write(&Changes {
            windowing: self.windowing,
            stations: &stations,
            windows: &windows,
            too_late: &too_late,
            progress: self.progress.as_ref(),
        })
    }
}

/// The thread that writes, until nobody can give it anything any more.
fn start() -> Result<Sender<Job>> {
    let (to_writer, jobs) = mpsc::channel::<Job>();
    let work = move || {
        for (mut store, mut draft, way_back) in jobs {
            let outcome = draft.write(&mut *store);
            // Who has gone meanwhile has no use for it.
            let _ = way_back.send((store, outcome));
        }
    };
    thread::Builder::new().name("store".into()).spawn(work).map_err(failed)?;
    Ok(to_writer)
}

fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Store, format!("the thread that writes: {what}"))
}

/// The thread that had the store has panicked, and so does who needs it.
fn gone() -> ! {
    std::panic::resume_unwind(Box::new("the thread that writes to the store has panicked"))
}
