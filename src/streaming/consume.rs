//! From a topic to the store, each reading once, whatever crashes and however many processes share the work.
//!
//! How far the topic has been read is written in the transaction of the windows, and only if nobody else has gone on there:
//! whoever is killed goes on from the last transaction, and of two processes that believe the same partition theirs, one
//! writes and the other begins again from what was written. The group's own offsets are for monitors alone.
//!
//! One thread reads and decodes, another computes, and a third writes: what has come in meanwhile goes into one transaction,
//! so that a backlog is worked off in few large ones and the live feed is written at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::engine::StreamingStatistics;
use super::results::Results;
use super::store::{Progress, Span};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{SetAsideFile, Stop};
use crate::kafka::{Batch, BrokerHandle, Consumer, Locate, TransactionalPublisher, ask, stopped};

/// The most messages in one batch: some 4 MB of readings.
const BATCH: usize = 10_000;

/// After so many messages a transaction is written, unless told otherwise: a few tenths of a second's work.
pub const TRANSACTION: usize = 100_000;

/// So many times a transaction's messages may be taken in while the one before is being written: a disk that is slow for a
/// moment holds nobody up.
const AHEAD: usize = 4;

/// A full batch is followed by another within so long, if there is one.
const SOON: Duration = Duration::from_millis(50);

/// Batches that may wait between the two threads: what is read while a transaction is written.
const WAITING: usize = 8;

/// Which topic to read, and as whom.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The topic.
    pub topic: String,
    /// The consumer group. All processes of a group share the partitions, and must share a store.
    pub group: String,
    /// Stop when the whole group has read everything; else never. On the embedded broker always, because nothing comes after.
    pub until_end: bool,
    /// After about so many messages a transaction is written even if more are waiting: [`TRANSACTION`]. While the store is
    /// still busy with the one before, it may become four times as large.
    pub transaction: usize,
    /// A topic, which [exists](crate::kafka::ensure_topic), to publish each changed window to ([`StationWindow`](super::StationWindow) as JSON, by
    /// the key `CODE START`), in Kafka transactions with the group's offsets: to whoever reads committed messages a window comes
    /// once for each of its changes that was written. After a crash or a rebalance some may come again, and end as they are
    /// in the store.
    pub results: Option<String>,
    /// Ends the work when what has been read is written. On the embedded broker it is the publisher that is told to stop.
    pub stop: Stop,
}

/// Reads the topic into the engine and its store; `watch` is shown the engine after each transaction.
///
/// What is no reading is kept in `set_aside` before its place in the topic is passed.
pub fn consume(
    broker: &BrokerHandle,
    settings: &StreamSettings,
    engine: &mut StreamingStatistics,
    set_aside: &mut SetAsideFile,
    watch: &mut dyn FnMut(&StreamingStatistics),
) -> Result<()> {
    let StreamSettings { topic, group, until_end, transaction, results, stop } = settings;
    let (until_end, batch_size) = (*until_end, BATCH.min(*transaction).max(1));
    if broker.is_embedded() {
        if results.is_some() {
            return Err(Error::usage("--results", "the embedded broker keeps no topic of results")
                .way_out("give a real Kafka by --brokers HOST:PORT"));
        }
        // Its offsets mean nothing after the run: a reading that comes again is known by its time.
        let mut consumer = Consumer::new(broker, topic, group)?;
        consumer.each_batch(batch_size, true, |batch| {
            batch.readings.iter().try_for_each(|reading| engine.update(reading).map(drop))?;
            set_aside.keep(&batch.set_aside)?;
            engine.flush()?;
            watch(engine);
            Ok(())
        })?;
        return Ok(());
    }
    let (to_work, work) = mpsc::sync_channel(WAITING);
    let (to_reader, done) = mpsc::channel();
    let consumer = Consumer::located_by(broker, topic, group, asking(to_work.clone()))?;
    let results = match results {
        Some(results) => {
            let id = format!("{group} {} {:?}", std::process::id(), SystemTime::now());
            Some(Results::new(TransactionalPublisher::new(broker, results, topic, group, &id)?))
        }
        None => None,
    };
    let topic = consumer.full_topic()?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || read(consumer, batch_size, until_end, stop, &to_work, &done));
        let mut worker = Worker {
            engine,
            set_aside,
            topic,
            transaction: *transaction,
            full: batch_size,
            results,
            positions: BTreeMap::new(),
            open: Vec::new(),
            waiting: 0,
            written: None,
            to_reader,
            watch,
        };
        let worked = worker.work(&work);
        // The reader ends when nobody takes what it reads, or answers.
        drop((worker, work));
        let read = reader.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Kafka, "the reading thread has failed")));
        worked.and(read)
    })
}

/// What the reading thread sends.
enum Event {
    Batch(Batch),
    /// Where to go on in these partitions? All that was sent before is done with, or dropped, when the answer comes.
    Locate(BTreeSet<i32>, Sender<BTreeMap<i32, i64>>),
    /// Up to where has the group read?
    Positions(Sender<BTreeMap<i32, i64>>),
}

/// What became of a batch.
enum Done {
    Kept(Batch),
    /// Kept, and the group's offsets stand in the transaction of the results.
    Noted,
    Dropped,
}

/// Asks the working thread where to go on.
fn asking(to_work: SyncSender<Event>) -> Locate {
    Box::new(move |partitions| ask(&to_work, |to_me| Event::Locate(partitions.clone(), to_me)))
}

/// The reading thread.
fn read(
    mut consumer: Consumer,
    batch_size: usize,
    until_end: bool,
    stop: &Stop,
    to_work: &SyncSender<Event>,
    done: &Receiver<Done>,
) -> Result<()> {
    let mut open = 0_usize;
    loop {
        let batch = consumer.next_batch(batch_size, Duration::from_secs(1))?;
        let is_stopped = stop.is_requested();
        let is_over = is_stopped || (until_end && batch.at_end);
        if batch.messages() > 0 {
            to_work.send(Event::Batch(batch)).map_err(|_| stopped())?;
            open += 1;
        }
        let mut lost = false;
        loop {
            let answer = match is_over && open > 0 {
                true => done.recv().map_err(|_| TryRecvError::Disconnected),
                false => done.try_recv(),
            };
            match answer {
                Ok(Done::Kept(batch)) => consumer.note(batch),
                Ok(Done::Noted) => {}
                Ok(Done::Dropped) => lost = true,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(stopped()),
            }
            open -= 1;
        }
        if is_stopped {
            return Ok(());
        }
        if lost {
            consumer.locate_again()?;
            // All that was dropped before the answer is settled by it.
            while open > 0 && done.try_recv().is_ok() {
                open -= 1;
            }
        } else if is_over && consumer.is_topic_read(&ask(to_work, Event::Positions)?)? {
            return Ok(());
        }
    }
}

/// The working thread: the caller's own.
struct Worker<'a> {
    engine: &'a mut StreamingStatistics,
    set_aside: &'a mut SetAsideFile,
    topic: String,
    transaction: usize,
    /// As many messages as a batch has at most.
    full: usize,
    results: Option<Results>,
    /// Where the store stands in each partition of this process; `None` where it was never read. Empty from when another
    /// process has gone on there until the reader asks again.
    positions: BTreeMap<i32, Option<i64>>,
    /// Batches whose readings are in the engine, and not in the store yet; they hold them no more.
    open: Vec<Batch>,
    /// How many messages those were.
    waiting: usize,
    /// Those that are being written, and up to where that brings the store.
    written: Option<(Vec<Batch>, Progress)>,
    to_reader: Sender<Done>,
    watch: &'a mut dyn FnMut(&StreamingStatistics),
}

impl Worker<'_> {
    fn work(&mut self, work: &Receiver<Event>) -> Result<()> {
        let mut next = work.recv().ok();
        while let Some(event) = next {
            let mut more = false;
            match event {
                Event::Batch(batch) => {
                    more = batch.messages() >= self.full;
                    self.take_in(batch)?;
                }
                Event::Locate(partitions, to_reader) => {
                    self.flush()?;
                    self.settle()?;
                    // A reader that has gone needs no answer.
                    let _ = to_reader.send(self.locate(&partitions)?);
                }
                Event::Positions(to_reader) => {
                    self.flush()?;
                    self.settle()?;
                    let _ = to_reader.send(self.engine.store().positions(&self.topic)?);
                }
            }
            if self.waiting >= self.transaction.saturating_mul(AHEAD)
                || (self.waiting >= self.transaction && self.engine.is_flushed())
            {
                self.flush()?;
            }
            next = if more { work.recv_timeout(SOON).ok() } else { work.try_recv().ok() };
            // Nothing has come meanwhile: what is open is written, and what is being written is waited for.
            while next.is_none() && self.is_busy() {
                match self.written {
                    None => self.flush()?,
                    Some(_) => self.settle()?,
                }
                next = work.try_recv().ok();
            }
            if next.is_none() {
                next = work.recv().ok();
            }
        }
        Ok(())
    }

    fn is_busy(&self) -> bool {
        self.written.is_some() || !self.open.is_empty()
    }

    fn take_in(&mut self, mut batch: Batch) -> Result<()> {
        if batch.next().keys().any(|partition| !self.positions.contains_key(partition)) {
            self.answer(Done::Dropped);
            return Ok(());
        }
        for reading in &batch.readings {
            self.engine.update(reading)?;
        }
        self.set_aside.keep(&batch.set_aside)?;
        self.waiting += batch.messages();
        (batch.readings, batch.set_aside) = (Vec::new(), Vec::new());
        self.open.push(batch);
        Ok(())
    }

    /// Begins to write what is open in one transaction, after the one before.
    fn flush(&mut self) -> Result<()> {
        self.settle()?;
        let mut partitions = BTreeMap::new();
        for (&partition, &to) in self.open.iter().flat_map(Batch::next) {
            let from = self.positions.get(&partition).copied().flatten();
            partitions.insert(partition, Span { from, to });
        }
        let progress = Progress { topic: self.topic.clone(), partitions };
        if progress.is_empty() {
            return Ok(());
        }
        let member = self.open.last().and_then(Batch::member).cloned();
        let published = match (&mut self.results, member) {
            (None, _) => true,
            (Some(results), Some(member)) => results.publish(&progress, &member, || self.engine.changed_windows())?,
            (Some(_), None) => {
                return Err(Error::new(ErrorKind::Kafka, "the library does not know the member of the group"));
            }
        };
        if !published {
            return self.begin_again();
        }
        self.engine.begin_flush(Some(&progress))?;
        self.written = Some((std::mem::take(&mut self.open), progress));
        self.waiting = 0;
        Ok(())
    }

    /// Waits for what is being written; all is dropped if another process has gone on meanwhile.
    fn settle(&mut self) -> Result<()> {
        let Some((batches, progress)) = self.written.take() else { return Ok(()) };
        if self.engine.settle_flush()?.is_none() {
            batches.iter().for_each(|_| self.answer(Done::Dropped));
            return self.begin_again();
        }
        self.positions.extend(progress.partitions.iter().map(|(&partition, span)| (partition, Some(span.to))));
        for batch in batches {
            self.answer(if self.results.is_some() { Done::Noted } else { Done::Kept(batch) });
        }
        (self.watch)(self.engine);
        Ok(())
    }

    /// Forgets what is not written: the reader is told to ask where to go on.
    fn begin_again(&mut self) -> Result<()> {
        self.engine.reload()?;
        self.positions.clear();
        self.waiting = 0;
        for _ in std::mem::take(&mut self.open) {
            self.answer(Done::Dropped);
        }
        Ok(())
    }

    /// Where to go on in the partitions that are this process's from now on, with what the store holds of them.
    fn locate(&mut self, partitions: &BTreeSet<i32>) -> Result<BTreeMap<i32, i64>> {
        // The positions first: what another process writes after this look is noticed by them.
        let stored = self.engine.store().positions(&self.topic)?;
        if let Some(results) = &mut self.results {
            results.locate(&stored)?;
        }
        self.engine.reload()?;
        self.positions = partitions.iter().map(|&partition| (partition, stored.get(&partition).copied())).collect();
        Ok(stored.into_iter().filter(|(partition, _)| partitions.contains(partition)).collect())
    }

    fn answer(&self, done: Done) {
        // A reader that has ended by an error needs no answer: the work ends when what it sent is done.
        let _ = self.to_reader.send(done);
    }
}
