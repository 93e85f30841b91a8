//! The loop that polls a source and publishes what is new.

mod report;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use self::report::Attendance;
use super::producer::Sink;
use super::seen::Memory;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Clock, Snapshot, Source, Stop};
use crate::station::{StationCode, StationStatus};

pub use report::{FeedLag, PollReport, PublishTotals, SILENT_AFTER};

/// How long the broker may acknowledge nothing before it is told that it is away.
const AWAY: Duration = Duration::from_secs(10);

/// How long the broker is waited for once the loop is told to stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// How many readings of a replay are published together: enough that waiting for the broker costs nothing.
const TOGETHER: usize = 2_000;

/// How long the sink is waited for at a time.
const SLICE: Duration = Duration::from_secs(1);

/// How often to poll, how many times, and what to do while the broker is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishSettings {
    /// The time from one poll of a live source to the next, whatever a poll takes. Default 60 seconds. A recording or a
    /// simulation keeps its own times.
    pub every: Duration,
    /// How many polls to make, failed ones included; `None`, the default, goes on until the source ends.
    pub polls: Option<u64>,
    /// How many new readings to gather, over several polls if need be, before they are published together. Default 0: each
    /// poll by itself, as a live source wants it. History is replayed faster with some thousands.
    pub gather: usize,
    /// How long the broker may acknowledge nothing before the loop ends with an error; `None` waits for ever. Default 5 minutes.
    pub patience: Option<Duration>,
    /// How many readings of a live source are kept while the broker is away. When there are more, no poll is made, and that
    /// counts as one that failed. Default 100,000, about two hours of Vélib' and 60 MB.
    pub hold: usize,
    /// Ends the loop when the poll that is under way is published. By default nobody sets it.
    pub stop: Stop,
}

/// What happens in the loop.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishEvent<'a> {
    /// A poll was made, and nothing of it is published yet.
    Polled(&'a PollReport),
    /// The broker has acknowledged everything of this poll.
    Poll(&'a PollReport),
    /// A poll failed.
    Failed {
        /// When it was made.
        at: DateTime<Utc>,
        /// Why it failed.
        error: &'a Error,
    },
    /// The broker acknowledges nothing any more. Told once; the loop goes on.
    BrokerAway {
        /// How many messages wait for it.
        waiting: usize,
    },
    /// The broker is back, and has acknowledged all that waited.
    BrokerBack {
        /// How long it was away.
        away: Duration,
    },
    /// Somebody else publishes to the topic too. Then a reading can be there twice, for neither knows what the other has sent.
    Foreign {
        /// How many messages were found between ours since this was told last.
        messages: u64,
    },
}

/// Polls `source` and publishes what `memory` does not know, until the source ends, the polls are used up, or it is told to
/// stop.
///
/// A reading is remembered when the broker has acknowledged it, not before. A poll is told when all of it is acknowledged, or
/// as the error it failed with. A live source that fails is polled again when its time comes. A broker that is away is waited for,
/// and a live source polled meanwhile ([`PublishSettings::hold`]). Wrong usage, a source that keeps its own times and fails,
/// a broker that refuses a reading, and one that is away for longer than [`PublishSettings::patience`] end the loop. If no poll
/// succeeded, the last error is the result, but for a loop that was told to stop.
pub fn publish(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    memory: &mut dyn Memory,
    clock: &dyn Clock,
    settings: &PublishSettings,
    on_event: &mut dyn FnMut(PublishEvent<'_>),
) -> Result<PublishTotals> {
    let attendance = Attendance::expecting(memory.stations());
    let (totals, waiting) = (PublishTotals::default(), Waiting::default());
    let mut work = Work { sink, memory, settings, on_event, attendance, totals, waiting, last_error: None };
    let mut due = clock.now();
    let mut own_times = false;
    let mut left = settings.polls.unwrap_or(u64::MAX);
    while left > 0 {
        own_times |= source.next_due().is_some();
        if !own_times {
            let time_left = (due - clock.now()).to_std().unwrap_or_default();
            work.settle(Some(time_left))?;
        }
        let time = source.next_due().or_else(|| (!own_times).then_some(due));
        if clock.sleep_unless(&settings.stop, time.unwrap_or_else(|| clock.now())) {
            break;
        }
        if !own_times {
            due = next_tick(due, settings.every, clock.now());
        }
        left -= 1;
        let asked_at = clock.now();
        let polled = match work.is_full() && !own_times {
            false => source.poll(),
            true => Err(work.full()),
        };
        let done = match polled {
            Ok(None) => break,
            Ok(Some(snapshot)) => work.take(snapshot),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) if work.waiting.readings.len() < settings.gather => {}
            // History waits for the broker, a live feed goes on.
            Ok(()) => work.publish(if own_times { None } else { Some(Duration::ZERO) })?,
            Err(error) => {
                let ends = own_times || error.kind() == ErrorKind::Usage;
                work.publish(if ends { None } else { Some(Duration::ZERO) })?;
                (work.on_event)(PublishEvent::Failed { at: asked_at, error: &error });
                if ends {
                    return Err(error);
                }
                work.totals.failed_polls += 1;
                work.last_error = Some(error);
            }
        }
    }
    let is_stopped = settings.stop.is_requested();
    work.publish(is_stopped.then_some(FAREWELL))?;
    if !work.waiting.reports.is_empty() {
        return Err(work.gone());
    }
    match work.last_error {
        Some(error) if work.totals.polls == 0 && !is_stopped => Err(error),
        _ => Ok(work.totals),
    }
}

impl Default for PublishSettings {
    fn default() -> Self {
        let (every, patience) = (Duration::from_secs(60), Some(Duration::from_secs(300)));
        Self { every, polls: None, gather: 0, patience, hold: 100_000, stop: Stop::new() }
    }
}

impl PublishSettings {
    /// As it suits `source`: one that keeps its own times is published some thousand readings together, a live one each
    /// poll by itself.
    pub fn suiting(source: &dyn Source) -> Self {
        Self { gather: if source.next_due().is_some() { TOGETHER } else { 0 }, ..Self::default() }
    }
}

/// The loop's state.
struct Work<'a> {
    sink: &'a mut dyn Sink,
    memory: &'a mut dyn Memory,
    settings: &'a PublishSettings,
    on_event: &'a mut dyn FnMut(PublishEvent<'_>),
    attendance: Attendance,
    totals: PublishTotals,
    waiting: Waiting,
    last_error: Option<Error>,
}

/// What was polled and is not acknowledged yet.
#[derive(Default)]
struct Waiting {
    /// What the sink has not been given yet.
    readings: Vec<StationStatus>,
    keys: HashSet<(StationCode, DateTime<Utc>)>,
    reports: Vec<PollReport>,
    /// How much of what the sink was given was not acknowledged at the last look, and how long nothing has been since.
    open: usize,
    idle: Duration,
    /// How long that was in all, and whether it was told.
    away: Duration,
    told: bool,
}

impl Work<'_> {
    /// Takes the new readings of a poll, and hands what could not be read to the sink.
    fn take(&mut self, snapshot: Snapshot) -> Result<()> {
        let mut report = PollReport::of(&snapshot, &mut self.attendance);
        let Snapshot { fetched_at, mut readings, set_aside, .. } = snapshot;
        // What can fail comes first: a key that is noted is published, or the loop ends.
        report.dead_letters = self.sink.set_aside(&set_aside, fetched_at)?;
        readings.retain(|reading| !self.waiting.keys.contains(&key(reading)));
        let mut published = self.memory.published(&readings)?.into_iter();
        readings.retain(|reading| !published.next().unwrap_or_default() && self.waiting.keys.insert(key(reading)));
        report.new = readings.len();
        report.repeated = report.received - report.new;
        report.oldest = readings.iter().map(|reading| reading.last_reported).min();
        report.set_aside = set_aside;
        (self.on_event)(PublishEvent::Polled(&report));
        self.waiting.readings.append(&mut readings);
        self.waiting.reports.push(report);
        Ok(())
    }

    /// Whether as much waits for the broker as is kept.
    fn is_full(&self) -> bool {
        self.waiting.told && self.waiting.keys.len() >= self.settings.hold
    }

    fn full(&self) -> Error {
        let waiting = self.waiting.keys.len();
        Error::new(ErrorKind::Kafka, format!("the broker is away and {waiting} readings wait for it: no poll was made"))
    }

    fn publish(&mut self, wait: Option<Duration>) -> Result<()> {
        self.sink.send(&self.waiting.readings)?;
        self.waiting.open += self.waiting.readings.len();
        self.waiting.readings.clear();
        self.settle(wait)
    }

    /// Waits until the sink has kept everything, at most for `wait`, and without that as long as the settings allow.
    fn settle(&mut self, wait: Option<Duration>) -> Result<()> {
        let mut left = wait;
        let was_stopped = self.settings.stop.is_requested();
        // What is gathered still is not the sink's yet.
        while !self.waiting.reports.is_empty() && self.waiting.readings.is_empty() {
            let slice = left.unwrap_or(SLICE).min(SLICE);
            let open = self.sink.settle(slice)?;
            if open == 0 {
                self.acknowledged();
                return Ok(());
            }
            self.check_away(open, slice)?;
            left = left.map(|left| left.saturating_sub(slice));
            let is_told_to_stop = !was_stopped && self.settings.stop.is_requested();
            if left == Some(Duration::ZERO) || is_told_to_stop {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Nothing was acknowledged for a `slice` of time.
    fn check_away(&mut self, open: usize, slice: Duration) -> Result<()> {
        let waiting = &mut self.waiting;
        if open < waiting.open {
            waiting.idle = Duration::ZERO;
        }
        waiting.open = open;
        waiting.idle += slice;
        waiting.away += slice;
        if waiting.idle >= AWAY && !waiting.told {
            waiting.told = true;
            (self.on_event)(PublishEvent::BrokerAway { waiting: open });
        }
        if self.settings.patience.is_some_and(|patience| waiting.idle >= patience) {
            return Err(self.gone());
        }
        Ok(())
    }

    /// The broker has not acknowledged everything, and is not waited for any longer.
    fn gone(&self) -> Error {
        let Waiting { open, idle, .. } = &self.waiting;
        let message = format!("{open} messages were not acknowledged: the broker was away for {} s", idle.as_secs());
        Error::new(ErrorKind::Kafka, message)
            .way_out("start again when it is back: what the topic holds is not published twice")
    }

    fn acknowledged(&mut self) {
        let Waiting { keys, reports, away, told, .. } = std::mem::take(&mut self.waiting);
        for (code, time) in keys {
            self.memory.remember(&code, time);
        }
        if told {
            (self.on_event)(PublishEvent::BrokerBack { away });
        }
        for mut report in reports {
            report.published = report.new;
            self.totals.add(&report);
            (self.on_event)(PublishEvent::Poll(&report));
        }
        let messages = self.sink.foreign();
        if messages > 0 {
            self.totals.foreign += messages;
            (self.on_event)(PublishEvent::Foreign { messages });
        }
    }
}

/// What a reading is known by. Kafka's clock, and so the memory's, knows no less than a millisecond.
fn key(reading: &StationStatus) -> (StationCode, DateTime<Utc>) {
    let (code, time) = reading.key();
    (code.clone(), DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time))
}

/// The tick after `due` that is not over yet: a poll that took longer than its time skips ticks and shifts none.
fn next_tick(due: DateTime<Utc>, every: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let every = chrono::TimeDelta::from_std(every).unwrap_or(chrono::TimeDelta::MAX);
    let next = |from: DateTime<Utc>| from.checked_add_signed(every).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let behind = (now - due).num_milliseconds().checked_div(every.num_milliseconds()).unwrap_or(0).max(0);
    let skipped = i32::try_from(behind).ok().and_then(|ticks| every.checked_mul(ticks)).unwrap_or_default();
    next(due + skipped)
}
