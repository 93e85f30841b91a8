//! The loop against a source that answers by a script, a sink that comes and goes, and a clock that nobody waits for.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::error::Place;
use crate::ingest::{Dedupe, SetAside, VirtualClock};

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

/// Keeps what it is given until `room` is used up. While it is `down`, in seconds, it takes everything and keeps nothing yet.
struct Shelf {
    kept: Vec<StationStatus>,
    aside: Vec<SetAside>,
    calls: usize,
    room: usize,
    down: Range<i64>,
    open: Vec<StationStatus>,
    foreign: u64,
    clock: Arc<VirtualClock>,
}

impl Sink for Shelf {
    fn send(&mut self, readings: &[StationStatus]) -> Result<()> {
        self.calls += 1;
        if self.kept.len() + self.open.len() + readings.len() > self.room {
            return Err(Error::new(ErrorKind::Kafka, "no room"));
        }
        self.open.extend_from_slice(readings);
        Ok(())
    }

    fn set_aside(&mut self, records: &[SetAside], _: DateTime<Utc>) -> Result<usize> {
        let before = self.aside.len();
        self.aside.extend_from_slice(records);
        self.aside.dedup();
        Ok(self.aside.len() - before)
    }

    fn settle(&mut self, wait: Duration) -> Result<usize> {
        let down = |clock: &VirtualClock| self.down.contains(&(clock.now() - at(0)).num_seconds());
        if down(&self.clock) {
            self.clock.sleep(wait);
        }
        if !down(&self.clock) {
            self.kept.append(&mut self.open);
        }
        Ok(self.open.len())
    }

    fn foreign(&mut self) -> u64 {
        std::mem::take(&mut self.foreign)
    }
}

fn shelf(room: usize) -> Shelf {
    let clock = Arc::new(VirtualClock::new(at(0)));
    Shelf { kept: vec![], aside: vec![], calls: 0, room, down: 0..0, open: vec![], foreign: 0, clock }
}

fn away() -> Error {
    Error::new(ErrorKind::Network, "connection refused").at(Place::Url("http://h".into()))
}

/// (received, new, published) of a poll, or the error it failed with.
type Told = std::result::Result<(usize, usize, usize), String>;

/// An event, kept.
#[derive(Debug, PartialEq)]
enum Event {
    Poll(PollReport),
    Failed(i64, String),
    Away(usize),
    Back(u64),
    Foreign(u64),
}

/// What comes of these answers: the result, what was told, and when the polls were made.
#[allow(clippy::needless_pass_by_value, reason = "each test writes its settings where it runs")]
fn run_telling(
    answers: Vec<Result<Vec<StationStatus>>>,
    settings: PublishSettings,
    due: Option<DateTime<Utc>>,
    sink: &mut Shelf,
    dedupe: &mut Dedupe,
) -> (Result<PublishTotals>, Vec<Event>, Vec<i64>) {
    let clock = Arc::new(VirtualClock::new(at(0)));
    sink.clock = Arc::clone(&clock);
    let takes = Duration::from_secs(1);
    let mut source = Script { answers: answers.into(), due, clock: &clock, takes, asked: Vec::new() };
    let mut told = Vec::new();
    let result = publish(&mut source, sink, dedupe, &*clock, &settings, &mut |event| {
        told.push(match event {
            PublishEvent::Polled(_) => return,
            PublishEvent::Poll(poll) => Event::Poll(poll.clone()),
            PublishEvent::Failed { at: time, error } => Event::Failed((time - at(0)).num_seconds(), error.to_string()),
            PublishEvent::BrokerAway { waiting } => Event::Away(waiting),
            PublishEvent::BrokerBack { away } => Event::Back(away.as_secs()),
            PublishEvent::Foreign { messages } => Event::Foreign(messages),
        });
    });
    (result, told, source.asked)
}

/// The same, of the polls alone.
fn run(
    answers: Vec<Result<Vec<StationStatus>>>,
    settings: PublishSettings,
    due: Option<DateTime<Utc>>,
    sink: &mut Shelf,
    dedupe: &mut Dedupe,
) -> (Result<PublishTotals>, Vec<Told>, Vec<i64>) {
    let (result, events, asked) = run_telling(answers, settings, due, sink, dedupe);
    let told = events.into_iter().filter_map(|event| match event {
        Event::Poll(poll) => Some(Ok((poll.received, poll.new, poll.published))),
        Event::Failed(_, error) => Some(Err(error)),
        _ => None,
    });
    (result, told.collect(), asked)
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
fn a_report_is_written_as_json_with_what_was_set_aside_as_text() {
    let aside = SetAside { place: Place::Url("http://h".into()), reason: "no code".into(), raw: "{}".into() };
    let readings = vec![reading("1", 0), reading("2", -60), reading("3", -30_000)];
    let snapshot = Snapshot { fetched_at: at(0), readings, counted: None, set_aside: vec![aside.clone()] };
    let mut attendance = Attendance::expecting(vec![(StationCode::new("4").unwrap(), at(0))]);
    let report = PollReport { set_aside: vec![aside], ..PollReport::of(&snapshot, &mut attendance) };
    let told = serde_json::to_value(&report).unwrap();
    assert_eq!((&told["set_aside"][0], &told["complete"]), (&"http://h: no code: {}".into(), &false.into()));
    assert_eq!(told["fetched_at"], "2022-05-12T10:06:40Z");
    let mut totals = PublishTotals::default();
    totals.add(&report);
    assert_eq!((totals.set_aside, totals.incomplete_polls, totals.is_complete()), (1, 1, false));
}

/// `of` these stations, fetched at `now` whenever they reported.
fn fetched(now: i64, of: &[(&str, i64)]) -> Vec<StationStatus> {
    of.iter().map(|&(station, time)| StationStatus { fetched_at: at(now), ..reading(station, time) }).collect()
}

#[test]
fn a_poll_tells_how_far_the_feed_lags_who_is_silent_and_who_is_missing() {
    let hour = 3_600;
    let answers = vec![
        Ok(fetched(0, &[("1", -30), ("2", -60), ("3", -6 * hour - 1)])),
        Ok(fetched(60, &[("1", 30), ("9", 0)])),
        Ok(fetched(120, &[])),
    ];
    let mut before = Dedupe::new();
    before.insert(&StationCode::new("4").unwrap(), at(-60));
    before.insert(&StationCode::new("5").unwrap(), at(-86_461));
    let (_, told, _) = run_telling(answers, every(60, 3), None, &mut shelf(99), &mut before);
    let codes = |codes: &[StationCode]| codes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let told: Vec<_> = told
        .iter()
        .map(|event| match event {
            Event::Poll(poll) => {
                let lag = poll.lag.map(|lag| (lag.median.num_seconds(), lag.worst.num_seconds()));
                (lag, codes(&poll.silent), codes(&poll.missing))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let list = |list: &[&str]| list.iter().map(|&code| code.to_owned()).collect::<Vec<_>>();
    assert_eq!(told[0], (Some((60, 6 * hour + 1)), list(&["3"]), list(&["4"])), "5 was silent for a day already");
    assert_eq!(told[1], (Some((30, 60)), vec![], list(&["2", "3", "4"])));
    assert_eq!(told[2], (None, vec![], list(&["1", "2", "3", "4", "9"])));
}

#[test]
fn a_broker_that_is_away_is_waited_for_told_once_and_the_feed_is_polled_meanwhile() {
    let answers = (0..5).map(|poll| Ok(vec![reading("1", poll), reading("2", 0)])).collect();
    let mut sink = Shelf { down: 50..205, ..shelf(99) };
    let patient = PublishSettings { patience: None, ..every(60, 5) };
    let (totals, told, asked) = run_telling(answers, patient, None, &mut sink, &mut Dedupe::new());
    assert_eq!(asked, [0, 60, 120, 180, 240], "no poll is late");
    let kinds: Vec<_> = told
        .iter()
        .map(|event| match event {
            Event::Poll(poll) => format!("{} new", poll.published),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["2 new", "Away(1)", "Back(141)", "1 new", "1 new", "1 new", "1 new"]);
    assert_eq!((totals.unwrap().published, sink.kept.len()), (6, 6));
}

#[test]
fn a_broker_that_is_away_for_longer_than_patience_ends_the_loop_and_nothing_of_it_is_remembered() {
    let mut sink = Shelf { down: 0..100_000, ..shelf(99) };
    let mut dedupe = Dedupe::new();
    let (result, told, asked) =
        run_telling(vec![Ok(vec![reading("1", 0)])], every(600, 1), None, &mut sink, &mut dedupe);
    let error = result.unwrap_err();
    assert_eq!((error.kind(), asked.len()), (ErrorKind::Kafka, 1));
    assert_eq!(error.message(), "1 messages were not acknowledged: the broker was away for 300 s");
    assert_eq!((told, dedupe.len(), sink.kept.len()), (vec![Event::Away(1)], 0, 0));
}

#[test]
fn when_too_much_waits_for_the_broker_a_poll_is_not_made_and_counts_as_failed() {
    let answers = (0..3).map(|poll| Ok(vec![reading("1", poll), reading("2", poll)])).collect();
    let mut sink = Shelf { down: 0..230, ..shelf(99) };
    let held = PublishSettings { hold: 4, patience: None, ..every(60, 5) };
    let (totals, told, asked) = run_telling(answers, held, None, &mut sink, &mut Dedupe::new());
    assert_eq!(asked, [0, 60, 240]);
    let failed = |time| Event::Failed(time, "the broker is away and 4 readings wait for it: no poll was made".into());
    assert_eq!((&told[1], &told[2]), (&failed(120), &failed(180)));
    let totals = totals.unwrap();
    assert_eq!((totals.polls, totals.failed_polls, totals.published, totals.is_complete()), (3, 2, 6, false));
}

#[test]
fn what_waits_for_the_broker_and_is_shown_again_is_sent_once() {
    let answers = (0..4).map(|_| Ok(vec![reading("1", 0)])).collect();
    let mut sink = Shelf { down: 0..1_000, ..shelf(99) };
    let patient = PublishSettings { patience: None, ..every(60, 4) };
    let (totals, ..) = run_telling(answers, patient, None, &mut sink, &mut Dedupe::new());
    assert_eq!((sink.kept.len(), totals.unwrap().repeated), (1, 3));
}

#[test]
fn who_else_publishes_is_told_and_counted() {
    let mut sink = Shelf { foreign: 7, ..shelf(99) };
    let answers = vec![Ok(vec![reading("1", 0)])];
    let (totals, told, _) = run_telling(answers, every(60, 1), None, &mut sink, &mut Dedupe::new());
    assert_eq!((told.last(), totals.unwrap().foreign), (Some(&Event::Foreign(7)), 7));
}

#[test]
fn told_to_stop_it_publishes_the_poll_in_flight_and_makes_no_further_one() {
    for (due, gather) in [(None, 0), (Some(at(0)), 99)] {
        let clock = VirtualClock::new(at(0));
        let answers = (0..9).map(|poll| if poll == 0 { Err(away()) } else { Ok(vec![reading("1", poll)]) });
        let answers = answers.skip(usize::from(due.is_some())).collect();
        let mut source = Script { answers, due, clock: &clock, takes: Duration::ZERO, asked: Vec::new() };
        let settings = PublishSettings { gather, ..PublishSettings::default() };
        let mut sink = shelf(99);
        let mut polls = Stopping { source: &mut source, stop: &settings.stop, at: 3 };
        let totals = publish(&mut polls, &mut sink, &mut Dedupe::new(), &clock, &settings, &mut |_| ()).unwrap();
        assert_eq!((source.asked.len(), totals.polls + totals.failed_polls), (3, 3));
        assert_eq!(sink.kept.len() as u64, totals.polls);
    }
    // Nothing was ever answered: that was told, and is no failure of a loop that was told to stop.
    let (clock, settings) = (VirtualClock::new(at(0)), PublishSettings::default());
    let answers = [Err(away()), Err(away())].into();
    let mut source = Script { answers, due: None, clock: &clock, takes: Duration::ZERO, asked: Vec::new() };
    let mut tell = |_: PublishEvent<'_>| settings.stop.request();
    let totals = publish(&mut source, &mut shelf(9), &mut Dedupe::new(), &clock, &settings, &mut tell).unwrap();
    assert_eq!((totals.failed_polls, totals.polls, source.asked.len()), (1, 0, 1));
}

#[test]
fn told_to_stop_it_does_not_wait_for_a_broker_that_stays_away() {
    let clock = Arc::new(VirtualClock::new(at(0)));
    let answers = (0..9).map(|poll| Ok(vec![reading("1", poll)])).collect();
    let mut source = Script { answers, due: None, clock: &clock, takes: Duration::ZERO, asked: Vec::new() };
    let settings = PublishSettings { patience: None, ..PublishSettings::default() };
    let mut sink = Shelf { down: 0..i64::MAX, clock: Arc::clone(&clock), ..shelf(99) };
    let mut polls = Stopping { source: &mut source, stop: &settings.stop, at: 2 };
    let error = publish(&mut polls, &mut sink, &mut Dedupe::new(), &*clock, &settings, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("2 messages were not acknowledged"), "{error}");
    assert_eq!(source.asked.len(), 2);
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
