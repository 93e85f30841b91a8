//! From a topic to files that hold each reading once, whatever breaks, for months.
//!
//! How far the topic has been read is noted with how long the files are ([`bookmark`]), so that a crash can only leave behind
//! what is cut off and comes again; the group's own offsets are for monitors alone. A reading that the topic holds twice is
//! known by its station and event time ([`known`]). So each stands there once however often anything is killed, and memory
//! does not grow with the files.
//!
//! One thread reads and decodes while another writes: what has come in meanwhile is brought to the disk in one go, so that a
//! backlog is worked off in few large pieces and the live feed is written at once. Brokers that are away and a full disk are
//! waited for.

mod bookmark;
mod csv_collector;
mod files;
mod known;
mod parquet;
mod parts;
mod read_back;
mod row;
mod wild;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::parts::Parts;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Gauge, SetAsideFile, Stop};
use crate::kafka::{Batch, BrokerHandle, Claim, Consumer, ask, stopped};

pub(super) use bookmark::beside;
pub use csv_collector::{Appended, CsvCollector, Found};
pub use files::Format;
pub use parts::Target;
pub use row::COLUMNS;

/// The most messages in one batch: some 4 MB of readings.
const BATCH: usize = 10_000;

/// The most messages that are brought to the disk in one go: some 20 MB of rows.
const AT_ONCE: usize = 100_000;

/// Batches that may wait between the two threads: what is read while the disk is written to.
const WAITING: usize = 8;

/// How often it is asked whether to stop, and at first how long anything is waited for.
const GLANCE: Duration = Duration::from_millis(250);

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(10);

/// What to collect, and where.
#[derive(Clone, Debug)]
pub struct CollectSettings {
    /// The topic.
    pub topic: String,
    /// The consumer group; `None` for one of the target's own path. Collectors into one folder are one group.
    pub group: Option<String>,
    /// Where to.
    pub target: Target,
    /// Stop when the whole group has read everything; else never. On the embedded broker always, because nothing comes after.
    pub until_end: bool,
    /// Ends the work when what was read is on the disk.
    pub stop: Stop,
    /// Shows how many messages of this member's partitions are still to be collected.
    pub lag: Option<Gauge>,
}

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// What was there before.
    pub found: Found,
    /// Readings written.
    pub written: u64,
    /// Readings left out because they were there.
    pub repeated: u64,
    /// Messages that are no readings.
    pub set_aside: u64,
    /// Messages that the topic had deleted before they were read.
    pub deleted: u64,
}

/// What a collector has to tell while it works.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// More is on the disk: all so far.
    Written(Collected),
    /// So many bytes that a crash had left behind what counts were cut off; what they held comes again.
    CutOff(u64),
    /// The files had lost some of what was collected: the topic is read from its beginning.
    FilesShort,
    /// The brokers are away; they are waited for.
    BrokersAway,
    /// The brokers are back.
    BrokersBack,
    /// Nothing can be written; it is tried again and again.
    DiskFull(Error),
    /// It can.
    DiskFreed,
    /// Another collector, which the group has given up, still holds the files of some partitions; they are waited for.
    FilesHeld,
    /// The topic had deleted so many messages of a partition before they were read.
    Deleted {
        /// The partition.
        partition: i32,
        /// How many.
        messages: i64,
    },
}

/// Collects the topic into files until its end is reached, or it is told to stop; `tell` is told what happens.
///
/// Messages that are no readings are kept beside the files, in `….set-aside.jsonl`, before their place in the topic is passed.
pub fn collect(broker: &BrokerHandle, settings: &CollectSettings, tell: &mut dyn FnMut(Notice)) -> Result<Collected> {
    let CollectSettings { topic, target, until_end, stop, lag, .. } = settings;
    let parts = Parts::open(target)?;
    let (to_reader, done) = mpsc::channel();
    let aside = SetAsideFile::new(target.set_aside());
    let mut worker = Worker {
        parts,
        aside,
        topic: None,
        collected: Collected::default(),
        next: BTreeMap::new(),
        open: Vec::new(),
        to_reader,
        stop,
        tell,
    };
    worker.claim(&BTreeSet::new())?;
    let own_group = || format!("part3-collect {}", absolute(target.path()));
    let group = settings.group.clone().unwrap_or_else(own_group);
    if broker.is_embedded() {
        // Its offsets mean nothing after the run: a reading that comes again is known by its key.
        let mut consumer = Consumer::new(broker, topic, &group)?.until(stop);
        let mut partitions = BTreeSet::new();
        consumer.each_batch(BATCH, true, |batch| {
            partitions.extend(batch.next().keys());
            worker.claim(&partitions)?;
            worker.take_in(batch)?;
            worker.flush()
        })?;
        worker.finish()?;
        return Ok(worker.collected);
    }
    let (to_work, work) = mpsc::sync_channel(WAITING);
    let member = matches!(target, Target::File(..)).then_some("collector");
    let consumer = Consumer::claimed_by(broker, topic, &group, member, asking(to_work.clone()))?;
    let consumer = consumer.with_patience(Duration::MAX);
    let consumer = match lag {
        Some(lag) => consumer.showing_lag(lag),
        None => consumer,
    };
    worker.topic = Some(consumer.full_topic()?);
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(consumer, *until_end, stop, &to_work, &done));
        let worked = worker.work(&work);
        let collected = worker.collected;
        // The reader ends when nobody takes what it reads, or answers.
        drop((worker, work));
        let read = reader.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Kafka, "the reading thread has failed")));
        worked.and(read).map(|()| collected)
    })
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(collected) => write!(f, "{} readings written", collected.written),
            Self::CutOff(bytes) => {
                write!(f, "{bytes} bytes that a crash had left were cut off: what they held comes again")
            }
            Self::FilesShort => f.write_str(
                "the files are shorter than what was collected in them: the topic is read from its beginning, and what is \
                 missing comes again if it is still there",
            ),
            Self::BrokersAway => f.write_str("the broker is away: waiting for it"),
            Self::BrokersBack => f.write_str("the broker is back"),
            Self::DiskFull(error) => write!(f, "{error}: waiting for room; nothing is lost meanwhile"),
            Self::DiskFreed => f.write_str("there is room again"),
            Self::FilesHeld => f.write_str(
                "another collector still holds files of partitions that are this one's now: waiting until it lets go, or ends",
            ),
            Self::Deleted { partition, messages } => {
                write!(f, "the topic has deleted {messages} messages of partition {partition} before they were read")
            }
        }
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// What the reading thread sends.
enum Event {
    Batch(Batch),
    /// Which of these partitions can be read, and from where? All that was sent before is on the disk when the answer comes.
    Claim(BTreeSet<i32>, Sender<BTreeMap<i32, Option<i64>>>),
    /// Up to where has the group read?
    Positions(Sender<BTreeMap<i32, i64>>),
    Tell(Notice),
}

/// Asks the working thread for partitions.
fn asking(to_work: SyncSender<Event>) -> Claim {
    Box::new(move |partitions| ask(&to_work, |to_me| Event::Claim(partitions.clone(), to_me)))
}

/// The reading thread.
fn read(
    mut consumer: Consumer,
    until_end: bool,
    stop: &Stop,
    to_work: &SyncSender<Event>,
    done: &Receiver<Batch>,
) -> Result<()> {
    let send = |event| to_work.send(event).map_err(|_| stopped());
    let mut was_away = false;
    let (mut asked, mut attempts) = (Instant::now(), 0);
    while !stop.is_requested() {
        let batch = consumer.next_batch(BATCH, GLANCE)?;
        if consumer.is_away() != was_away {
            was_away = consumer.is_away();
            send(Event::Tell(if was_away { Notice::BrokersAway } else { Notice::BrokersBack }))?;
        }
        let is_over = until_end && batch.at_end;
        if batch.messages() > 0 {
            send(Event::Batch(batch))?;
        }
        while let Ok(batch) = done.try_recv() {
            consumer.note(batch);
        }
        if !consumer.is_waiting() {
            attempts = 0;
        } else if asked.elapsed() >= PAUSE.min(GLANCE * 2_u32.saturating_pow(attempts)) {
            // The one that has it now is about to hear of it.
            if attempts == 3 {
                send(Event::Tell(Notice::FilesHeld))?;
            }
            consumer.locate_again()?;
            (asked, attempts) = (Instant::now(), attempts + 1);
        }
        // While the brokers are away nobody knows where the topic ends.
        if is_over && consumer.is_topic_read(&ask(to_work, Event::Positions)?).unwrap_or(false) {
            break;
        }
    }
    Ok(())
}

/// The working thread: the caller's own.
struct Worker<'a> {
    parts: Parts,
    aside: SetAsideFile,
    /// The topic with its cluster; `None` on the embedded broker.
    topic: Option<String>,
    collected: Collected,
    /// For each partition the offset after the last message that was taken in.
    next: BTreeMap<i32, i64>,
    /// Batches that were taken in and are not on the disk yet.
    open: Vec<Batch>,
    to_reader: Sender<Batch>,
    stop: &'a Stop,
    tell: &'a mut dyn FnMut(Notice),
}

impl Worker<'_> {
    fn work(&mut self, work: &Receiver<Event>) -> Result<()> {
        while let Ok(first) = work.recv() {
            let mut event = Some(first);
            while let Some(next) = event {
                match next {
                    Event::Batch(batch) => {
                        self.take_in(&batch)?;
                        self.open.push(batch);
                    }
                    Event::Claim(partitions, to_reader) => {
                        self.flush()?;
                        // A reader that has gone needs no answer.
                        let _ = to_reader.send(self.claim(&partitions)?);
                    }
                    Event::Positions(to_reader) => {
                        self.flush()?;
                        let _ = to_reader.send(self.parts.positions()?);
                    }
                    Event::Tell(notice) => (self.tell)(notice),
                }
                let waiting: usize = self.open.iter().map(Batch::messages).sum();
                event = if waiting < AT_ONCE { work.try_recv().ok() } else { None };
            }
            self.flush()?;
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        self.patiently(|worker| worker.parts.finish())
    }

    /// Takes partitions with their files.
    fn claim(&mut self, partitions: &BTreeSet<i32>) -> Result<BTreeMap<i32, Option<i64>>> {
        let claimed = self.parts.claim(self.topic.as_deref(), partitions)?;
        let cut_off = self.parts.found().torn_bytes - self.collected.found.torn_bytes;
        if cut_off > 0 {
            (self.tell)(Notice::CutOff(cut_off));
        }
        if self.parts.found().short && !self.collected.found.short {
            (self.tell)(Notice::FilesShort);
        }
        self.collected.found = self.parts.found();
        Ok(claimed)
    }

    fn take_in(&mut self, batch: &Batch) -> Result<()> {
        for (partition, readings) in batch.by_partition() {
            let appended = self.parts.append(partition, readings)?;
            self.collected.written += appended.written;
            self.collected.repeated += appended.repeated;
        }
        for (&partition, &messages) in batch.deleted.iter().filter(|(_, messages)| **messages > 0) {
            self.collected.deleted += messages.unsigned_abs();
            (self.tell)(Notice::Deleted { partition, messages });
        }
        self.patiently(|worker| worker.aside.keep(&batch.set_aside))?;
        self.collected.set_aside += batch.set_aside.len() as u64;
        self.next.extend(batch.next());
        Ok(())
    }

    /// Brings what was taken in to the disk.
    fn flush(&mut self) -> Result<()> {
        if self.next.is_empty() {
            return Ok(());
        }
        self.patiently(|worker| worker.parts.sync(worker.topic.as_deref(), &worker.next))?;
        self.next.clear();
        for batch in self.open.drain(..) {
            // A reader that has ended needs no answer: its group reads on from the bookmark.
            let _ = self.to_reader.send(batch);
        }
        (self.tell)(Notice::Written(self.collected));
        Ok(())
    }

    /// Does something again and again as long as the disk is full, unless it is time to stop.
    fn patiently(&mut self, mut work: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let mut pause = GLANCE;
        loop {
            let done = work(self);
            match &done {
                Err(error) if error.is_disk_full() && !self.stop.is_requested() => {
                    if pause == GLANCE {
                        (self.tell)(Notice::DiskFull(error.clone()));
                    }
                    self.stop.wait(pause);
                    pause = PAUSE.min(2 * pause);
                }
                _ => {
                    if pause > GLANCE && done.is_ok() {
                        (self.tell)(Notice::DiskFreed);
                    }
                    return done;
                }
            }
        }
    }
}
