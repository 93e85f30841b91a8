//! The loop that polls a source and publishes what is new.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::producer::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Clock, Dedupe, SetAside, Snapshot, Source, Stop};
use crate::station::{StationCode, StationStatus};

/// How many readings of a replay are published together: enough that waiting for the broker costs nothing.
const TOGETHER: usize = 2_000;

/// How often to poll, and how many times.
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
    /// Ends the loop when the poll that is under way is published. By default nobody sets it.
    pub stop: Stop,
}

/// What one poll brought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PollReport {
    /// When the poll was made.
    pub fetched_at: DateTime<Utc>,
    /// How many stations the source counted, where it says so.
    pub counted: Option<u64>,
    /// How many readings arrived.
    pub received: usize,
    /// How many different stations they are of, as the source counts them ([`Snapshot::distinct`]).
    pub distinct: usize,
    /// How many of them were new by (station, event time).
    pub new: usize,
    /// The least event time of those that were new.
    pub oldest: Option<DateTime<Utc>>,
    /// How many were not: the source had shown them before.
    pub repeated: usize,
    /// The records that could not be read.
    #[serde(serialize_with = "as_text")]
    pub set_aside: Vec<SetAside>,
    /// How many readings the broker acknowledged: all that were new.
    pub published: usize,
    /// Whether everything arrived that the source counted, and could be read.
    pub complete: bool,
}

/// What all polls brought together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PublishTotals {
    /// Polls that brought a snapshot.
    pub polls: u64,
    /// Polls that failed.
    pub failed_polls: u64,
    /// Polls that brought a snapshot with something missing.
    pub incomplete_polls: u64,
    /// Readings that arrived.
    pub received: usize,
    /// Readings that the broker acknowledged.
    pub published: usize,
    /// Readings that the source had shown before.
    pub repeated: usize,
    /// Records that could not be read.
    pub set_aside: usize,
}

/// Polls `source` and publishes what `dedupe` has not seen, until the source ends, the polls are used up, or it is told to
/// stop.
///
/// A reading is remembered when the broker has acknowledged it, not before. `on_poll` is told of each poll, as a report
/// when its readings are published, or as the error it failed with. A live source that fails is polled again when its time comes; wrong usage, a
/// source that keeps its own times, and a broker that does not take the readings end the loop at once. If no poll
/// succeeded, the last error is the result, but for a loop that was told to stop.
pub fn publish(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    dedupe: &mut Dedupe,
    clock: &dyn Clock,
    settings: &PublishSettings,
    on_poll: &mut dyn FnMut(std::result::Result<&PollReport, &Error>),
) -> Result<PublishTotals> {
    let mut totals = PublishTotals::default();
    let mut gathered = Gathered::default();
    let mut last_error = None;
    let mut due = clock.now();
    let mut own_times = false;
    let mut left = settings.polls.unwrap_or(u64::MAX);
    while left > 0 {
        own_times |= source.next_due().is_some();
        let time = source.next_due().or_else(|| (!own_times).then_some(due));
        if clock.sleep_unless(&settings.stop, time.unwrap_or_else(|| clock.now())) {
            break;
        }
        if !own_times {
            due = next_tick(due, settings.every, clock.now());
        }
        left -= 1;
        match source.poll() {
            Ok(None) => break,
            Ok(Some(snapshot)) => {
                gathered.add(snapshot, dedupe);
                if gathered.readings.len() >= settings.gather {
                    gathered.publish(sink, dedupe, &mut totals, on_poll)?;
                }
            }
            Err(error) => {
                gathered.publish(sink, dedupe, &mut totals, on_poll)?;
                on_poll(Err(&error));
                if own_times || error.kind() == ErrorKind::Usage {
                    return Err(error);
                }
                totals.failed_polls += 1;
                last_error = Some(error);
            }
        }
    }
    gathered.publish(sink, dedupe, &mut totals, on_poll)?;
    match last_error {
        Some(error) if totals.polls == 0 && !settings.stop.is_requested() => Err(error),
        _ => Ok(totals),
    }
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self { every: Duration::from_secs(60), polls: None, gather: 0, stop: Stop::new() }
    }
}

impl PublishSettings {
    /// As it suits `source`: one that keeps its own times is published some thousand readings together, a live one each
    /// poll by itself.
    pub fn suiting(source: &dyn Source) -> Self {
        Self { gather: if source.next_due().is_some() { TOGETHER } else { 0 }, ..Self::default() }
    }
}

impl PublishTotals {
    fn add(&mut self, poll: &PollReport) {
        self.polls += 1;
        self.incomplete_polls += u64::from(!poll.complete);
        self.received += poll.received;
        self.published += poll.published;
        self.repeated += poll.repeated;
        self.set_aside += poll.set_aside.len();
    }
}

/// What was polled and is not published yet.
#[derive(Default)]
struct Gathered {
    readings: Vec<StationStatus>,
    keys: HashSet<(StationCode, i64)>,
    reports: Vec<PollReport>,
}

impl Gathered {
    fn add(&mut self, snapshot: Snapshot, dedupe: &Dedupe) {
        let (distinct, complete) = (snapshot.distinct(), snapshot.is_complete());
        let Snapshot { fetched_at, mut readings, counted, set_aside } = snapshot;
        let received = readings.len();
        readings.retain(|reading| {
            let (code, time) = reading.key();
            !dedupe.contains(reading) && self.keys.insert((code.clone(), time.timestamp_millis()))
        });
        let new = readings.len();
        let (repeated, published) = (received - new, 0);
        let oldest = readings.iter().map(|reading| reading.last_reported).min();
        self.readings.append(&mut readings);
        self.reports.push(PollReport {
            fetched_at,
            counted,
            received,
            distinct,
            new,
            oldest,
            repeated,
            set_aside,
            published,
            complete,
        });
    }

    fn publish(
        &mut self,
        sink: &mut dyn Sink,
        dedupe: &mut Dedupe,
        totals: &mut PublishTotals,
        on_poll: &mut dyn FnMut(std::result::Result<&PollReport, &Error>),
    ) -> Result<()> {
        sink.publish(&self.readings)?;
        for reading in self.readings.drain(..) {
            dedupe.insert(&reading.station_code, reading.last_reported);
        }
        self.keys.clear();
        for mut report in self.reports.drain(..) {
            report.published = report.new;
            totals.add(&report);
            on_poll(Ok(&report));
        }
        Ok(())
    }
}

/// The tick after `due` that is not over yet: a poll that took longer than its time skips ticks and shifts none.
fn next_tick(due: DateTime<Utc>, every: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
    let every = chrono::TimeDelta::from_std(every).unwrap_or(chrono::TimeDelta::MAX);
    let next = |from: DateTime<Utc>| from.checked_add_signed(every).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let behind = (now - due).num_milliseconds().checked_div(every.num_milliseconds()).unwrap_or(0).max(0);
    let skipped = i32::try_from(behind).ok().and_then(|ticks| every.checked_mul(ticks)).unwrap_or_default();
    next(due + skipped)
}

fn as_text<S: Serializer>(set_aside: &[SetAside], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(set_aside.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use crate::ingest::VirtualClock;
    use std::collections::VecDeque;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_652_350_000 + seconds, 0).unwrap()
    }

    fn reading(station: &str, seconds: i64) -> StationStatus {
        StationStatus::unknown(StationCode::new(station).unwrap(), at(seconds), at(seconds))
    }

    /// Answers as it is told to, notes when it was asked, and takes its time.
    struct Script<'a> {
        answers: VecDeque<Result<Vec<StationStatus>>>,
        due: Option<DateTime<Utc>>,
        clock: &'a VirtualClock,
        takes: Duration,
        asked: Vec<i64>,
    }

    impl Source for Script<'_> {
        fn poll(&mut self) -> Result<Option<Snapshot>> {
            let now = self.clock.now();
            self.asked.push((now - at(0)).num_seconds());
            self.clock.sleep(self.takes);
            let snapshot = |readings| Snapshot { fetched_at: now, readings, counted: Some(2), set_aside: Vec::new() };
            self.answers.pop_front().map(|answer| answer.map(snapshot)).transpose()
        }

        fn next_due(&self) -> Option<DateTime<Utc>> {
            self.due.filter(|_| !self.answers.is_empty())
        }

        fn describe(&self) -> String {
            "a script".to_owned()
        }
    }

    /// Keeps what it is given until `room` is used up.
    struct Shelf {
        kept: Vec<StationStatus>,
        calls: usize,
        room: usize,
    }

    impl Sink for Shelf {
        fn publish(&mut self, readings: &[StationStatus]) -> Result<usize> {
            self.calls += 1;
            if self.kept.len() + readings.len() > self.room {
                return Err(Error::new(ErrorKind::Kafka, "no room"));
            }
            self.kept.extend_from_slice(readings);
            Ok(readings.len())
        }
    }

    fn shelf(room: usize) -> Shelf {
        Shelf { kept: Vec::new(), calls: 0, room }
    }

    fn away() -> Error {
        Error::new(ErrorKind::Network, "connection refused").at(Place::Url("http://h".into()))
    }

    /// (received, new, published) of a poll, or the error it failed with.
    type Told = std::result::Result<(usize, usize, usize), String>;

    /// What comes of these answers: the result, what was told of each poll, and when the polls were made.
    fn run(
        answers: Vec<Result<Vec<StationStatus>>>,
        settings: PublishSettings,
        due: Option<DateTime<Utc>>,
        sink: &mut Shelf,
        dedupe: &mut Dedupe,
    ) -> (Result<PublishTotals>, Vec<Told>, Vec<i64>) {
        let clock = VirtualClock::new(at(0));
        let takes = Duration::from_secs(1);
        let mut source = Script { answers: answers.into(), due, clock: &clock, takes, asked: Vec::new() };
        let mut told = Vec::new();
        let result = publish(&mut source, sink, dedupe, &clock, &settings, &mut |poll| {
            told.push(poll.map(|poll| (poll.received, poll.new, poll.published)).map_err(ToString::to_string));
        });
        (result, told, source.asked)
    }

    fn every(seconds: u64, polls: u64) -> PublishSettings {
        PublishSettings { every: Duration::from_secs(seconds), polls: Some(polls), ..PublishSettings::default() }
    }

    #[test]
    fn a_reading_that_the_portal_repeats_is_published_once() {
        let answers = vec![
            Ok(vec![reading("1", 0), reading("2", 0), reading("1", 0)]),
            Ok(vec![reading("1", 0), reading("2", 60)]),
            Ok(vec![reading("1", 0), reading("2", 60)]),
        ];
        let (mut sink, mut dedupe) = (shelf(99), Dedupe::new());
        let (totals, told, _) = run(answers, every(60, 3), None, &mut sink, &mut dedupe);
        assert_eq!(told, [Ok((3, 2, 2)), Ok((2, 1, 1)), Ok((2, 0, 0))]);
        assert_eq!(sink.kept, [reading("1", 0), reading("2", 0), reading("2", 60)]);
        let expected = PublishTotals { polls: 3, received: 7, published: 3, repeated: 4, ..PublishTotals::default() };
        assert_eq!(totals, Ok(expected));
        assert_eq!(dedupe.len(), 3);
    }

    #[test]
    fn a_reading_is_remembered_only_when_it_was_acknowledged() {
        let (mut sink, mut dedupe) = (shelf(1), Dedupe::new());
        let answers = || vec![Ok(vec![reading("1", 0)]), Ok(vec![reading("2", 0), reading("3", 0)])];
        let (result, told, _) = run(answers(), every(60, 2), None, &mut sink, &mut dedupe);
        assert_eq!((result.unwrap_err().message(), told), ("no room", vec![Ok((1, 1, 1))]));
        assert!(dedupe.contains(&reading("1", 0)) && !dedupe.contains(&reading("2", 0)));
        sink.room = 99;
        run(answers(), every(60, 2), None, &mut sink, &mut dedupe).0.unwrap();
        assert_eq!(sink.kept, [reading("1", 0), reading("2", 0), reading("3", 0)]);
    }

    #[test]
    fn a_live_source_is_polled_by_a_schedule_that_does_not_drift() {
        let answers = || (0..4).map(|poll| Ok(vec![reading("1", poll)])).collect::<Vec<_>>();
        let (_, _, asked) = run(answers(), every(60, 4), None, &mut shelf(99), &mut Dedupe::new());
        assert_eq!(asked, [0, 60, 120, 180]);
        // Nothing to catch up with: a poll of a second, twice in each second.
        let half = PublishSettings { every: Duration::from_millis(500), ..every(0, 4) };
        let (_, _, asked) = run(answers(), half, None, &mut shelf(99), &mut Dedupe::new());
        assert_eq!(asked, [0, 1, 2, 3]);
        let (_, _, asked) = run(answers(), every(0, 4), None, &mut shelf(99), &mut Dedupe::new());
        assert_eq!(asked, [0, 1, 2, 3]);
    }

    #[test]
    fn a_tick_that_was_missed_is_skipped() {
        let (minute, tick) = (Duration::from_secs(60), |now| next_tick(at(0), Duration::from_secs(60), at(now)));
        assert_eq!((tick(0), tick(59), tick(60), tick(61), tick(200)), (at(60), at(60), at(120), at(120), at(240)));
        assert_eq!(next_tick(at(100), minute, at(0)), at(160));
        assert_eq!(next_tick(at(0), Duration::MAX, at(0)), DateTime::<Utc>::MAX_UTC);
    }

    #[test]
    fn a_poll_that_fails_is_told_and_counted_and_the_next_goes_on() {
        let answers = vec![Err(away()), Ok(vec![reading("1", 0)]), Err(away())];
        let (totals, told, asked) = run(answers, every(60, 3), None, &mut shelf(99), &mut Dedupe::new());
        let failed = || Err("http://h: connection refused".to_owned());
        assert_eq!((told, asked), (vec![failed(), Ok((1, 1, 1)), failed()], vec![0, 60, 120]));
        let totals = totals.unwrap();
        assert_eq!((totals.polls, totals.failed_polls, totals.incomplete_polls), (1, 2, 1));
    }

    #[test]
    fn if_every_poll_fails_so_does_the_loop_and_wrong_usage_ends_it_at_once() {
        let (all, ..) = run(vec![Err(away()), Err(away())], every(60, 2), None, &mut shelf(99), &mut Dedupe::new());
        assert_eq!(all.unwrap_err().kind(), ErrorKind::Network);
        let wrong = vec![Err(Error::usage("--rows", "0")), Ok(vec![reading("1", 0)])];
        let (result, _, asked) = run(wrong, every(60, 2), None, &mut shelf(99), &mut Dedupe::new());
        assert_eq!((result.unwrap_err().kind(), asked), (ErrorKind::Usage, vec![0]));
    }

    #[test]
    fn a_source_with_times_of_its_own_is_waited_for_and_not_asked_again_when_it_fails() {
        let answers = vec![Ok(vec![reading("1", 0)]), Err(away()), Ok(vec![reading("2", 0)])];
        let forever = PublishSettings::default();
        let (result, told, asked) = run(answers, forever, Some(at(500)), &mut shelf(99), &mut Dedupe::new());
        assert_eq!((result, told.len(), asked), (Err(away()), 2, vec![500, 501]));
    }

    #[test]
    fn what_is_gathered_is_published_together_and_told_poll_by_poll() {
        let answers = |end: Result<_>| {
            let polls = (0..5).map(|poll| Ok(vec![reading("1", poll / 2), reading("2", poll)]));
            polls.chain([end]).collect::<Vec<_>>()
        };
        let gather = PublishSettings { gather: 4, ..PublishSettings::default() };
        let together = |end| {
            let mut sink = shelf(99);
            let (result, told, _) = run(answers(end), gather.clone(), Some(at(0)), &mut sink, &mut Dedupe::new());
            (result, told, sink)
        };
        let (result, told, sink) = together(Ok(vec![]));
        assert_eq!(told[..5], [Ok((2, 2, 2)), Ok((2, 1, 1)), Ok((2, 2, 2)), Ok((2, 1, 1)), Ok((2, 2, 2))]);
        assert_eq!((sink.calls, sink.kept.len(), result.unwrap().published), (2, 8, 8));
        let (result, told, sink) = together(Err(away()));
        assert_eq!((result, told.len(), sink.kept.len()), (Err(away()), 6, 8));
    }

    #[test]
    fn told_to_stop_it_publishes_the_poll_in_flight_and_makes_no_further_one() {
        let clock = VirtualClock::new(at(0));
        for (due, gather) in [(None, 0), (Some(at(0)), 99)] {
            let answers = (0..9).map(|poll| if poll == 0 { Err(away()) } else { Ok(vec![reading("1", poll)]) });
            let answers = answers.skip(usize::from(due.is_some())).collect();
            let mut source = Script { answers, due, clock: &clock, takes: Duration::ZERO, asked: Vec::new() };
            let settings = PublishSettings { gather, ..PublishSettings::default() };
            let stop = settings.stop.clone();
            let mut sink = shelf(99);
            let mut polls = Stopping { source: &mut source, stop: &stop, at: 3 };
            let totals = publish(&mut polls, &mut sink, &mut Dedupe::new(), &clock, &settings, &mut |_| ()).unwrap();
            assert_eq!((source.asked.len(), totals.polls + totals.failed_polls), (3, 3));
            assert_eq!(sink.kept.len() as u64, totals.polls);
        }
        // Nothing was ever answered: that was told, and is no failure of a loop that was told to stop.
        let settings = PublishSettings::default();
        let answers = [Err(away()), Err(away())].into();
        let mut source = Script { answers, due: None, clock: &clock, takes: Duration::ZERO, asked: Vec::new() };
        let mut tell = |_: std::result::Result<&PollReport, &Error>| settings.stop.request();
        let totals = publish(&mut source, &mut shelf(9), &mut Dedupe::new(), &clock, &settings, &mut tell).unwrap();
        assert_eq!((totals.failed_polls, totals.polls, source.asked.len()), (1, 0, 1));
    }

    /// Sets the flag while poll number `at`, from 1, is under way.
    struct Stopping<'a, 'b> {
        source: &'a mut Script<'b>,
        stop: &'a Stop,
        at: usize,
    }

    impl Source for Stopping<'_, '_> {
        fn poll(&mut self) -> Result<Option<Snapshot>> {
            if self.source.asked.len() + 1 == self.at {
                self.stop.request();
            }
            self.source.poll()
        }

        fn next_due(&self) -> Option<DateTime<Utc>> {
            self.source.next_due()
        }

        fn describe(&self) -> String {
            self.source.describe()
        }
    }

    #[test]
    fn a_report_is_written_as_json_with_what_was_set_aside_as_text() {
        let aside = SetAside { place: Place::Url("http://h".into()), reason: "no code".into(), raw: "{}".into() };
        let snapshot = Snapshot { fetched_at: at(0), readings: vec![], counted: None, set_aside: vec![aside] };
        let (mut gathered, mut told) = (Gathered::default(), Vec::new());
        gathered.add(snapshot, &Dedupe::new());
        let mut totals = PublishTotals::default();
        gathered
            .publish(&mut shelf(0), &mut Dedupe::new(), &mut totals, &mut |poll| {
                told.push(serde_json::to_value(poll.unwrap()).unwrap());
            })
            .unwrap();
        assert_eq!((&told[0]["set_aside"][0], &told[0]["complete"]), (&"http://h: no code: {}".into(), &false.into()));
        assert_eq!((totals.set_aside, totals.incomplete_polls), (1, 1));
        assert_eq!(told[0]["fetched_at"], "2022-05-12T10:06:40Z");
    }
}
