//! The ledger against a model of when the feed was complete, killed wherever it can be.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::kafka::PublishTotals;
use crate::station::StationCode;

const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_652_350_000 + seconds, 0).unwrap()
}

fn poll(seconds: i64, complete: bool) -> PollReport {
    PollReport {
        fetched_at: at(seconds),
        counted: Some(5),
        received: 5,
        distinct: if complete { 5 } else { 3 },
        new: 1,
        oldest: None,
        repeated: 4,
        set_aside: vec![],
        dead_letters: 0,
        published: 1,
        lag: None,
        silent: vec![],
        missing: if complete { vec![] } else { vec![StationCode::new("16107").unwrap()] },
        complete,
    }
}

fn polled(ledger: &mut GapLedger, seconds: i64, complete: bool) {
    ledger.note(&PublishEvent::Polled(&poll(seconds, complete))).unwrap();
}

fn acknowledged(ledger: &mut GapLedger, seconds: i64, complete: bool) {
    ledger.note(&PublishEvent::Poll(&poll(seconds, complete))).unwrap();
}

fn good(ledger: &mut GapLedger, seconds: i64) {
    polled(ledger, seconds, true);
    acknowledged(ledger, seconds, true);
}

fn failed(ledger: &mut GapLedger, seconds: i64) {
    let error = Error::new(ErrorKind::Network, "connection refused");
    ledger.note(&PublishEvent::Failed { at: at(seconds), error: &error }).unwrap();
}

fn new(folder: &TempDir, last_arrival: Option<i64>) -> GapLedger {
    GapLedger::open(folder.path().join("gaps.jsonl"), MINUTE, last_arrival.map(at)).unwrap()
}

/// From and to of each gap, in seconds.
fn times(folder: &TempDir) -> Vec<(i64, Option<i64>)> {
    let seconds = |time: DateTime<Utc>| (time - at(0)).num_seconds();
    let gaps = GapLedger::read(folder.path().join("gaps.jsonl")).unwrap();
    gaps.iter().map(|gap| (seconds(gap.from), gap.to.map(seconds))).collect()
}

#[test]
fn a_feed_that_is_complete_has_no_gap_and_an_hour_without_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = new(&folder, None);
    (0..5).for_each(|minute| good(&mut ledger, minute * 60));
    assert_eq!((times(&folder), ledger.is_open()), (vec![], false));
    (5..65).for_each(|minute| failed(&mut ledger, minute * 60));
    assert_eq!((times(&folder), ledger.is_open()), (vec![(240, None)], true));
    good(&mut ledger, 3_900);
    good(&mut ledger, 3_960);
    let gap = GapLedger::read(ledger.path()).unwrap().remove(0);
    assert_eq!((gap.from, gap.to, gap.failed_polls, gap.short_polls), (at(240), Some(at(3_900)), 60, 0));
    assert_eq!((gap.stations, gap.why), (None, vec!["connection refused".to_owned()]));
    assert_eq!(fs::read_to_string(ledger.path()).unwrap().lines().count(), 2);
}

#[test]
fn a_poll_that_came_short_says_how_many_stations_it_lacks_and_which() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = new(&folder, None);
    good(&mut ledger, 0);
    polled(&mut ledger, 60, false);
    acknowledged(&mut ledger, 60, false);
    good(&mut ledger, 120);
    let gap = GapLedger::read(ledger.path()).unwrap().remove(0);
    assert_eq!((gap.stations, gap.codes), (Some(2), BTreeSet::from(["16107".to_owned()])));
    assert_eq!((gap.short_polls, gap.why), (1, vec!["3 of 5 stations arrived".to_owned()]));
}

#[test]
fn a_machine_that_slept_and_a_program_that_did_not_run_leave_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = new(&folder, None);
    good(&mut ledger, 0);
    good(&mut ledger, 120);
    assert_eq!(times(&folder), []);
    good(&mut ledger, 241);
    drop(ledger);
    let mut ledger = new(&folder, Some(241));
    good(&mut ledger, 9_000);
    assert_eq!(times(&folder), [(120, Some(241)), (241, Some(9_000))]);
    assert_eq!(GapLedger::read(ledger.path()).unwrap()[1].why, ["no poll was made"]);
}

#[test]
fn polls_that_wait_for_the_broker_are_a_gap_only_if_they_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = new(&folder, None);
    good(&mut ledger, 0);
    (1..10).for_each(|minute| polled(&mut ledger, minute * 60, true));
    failed(&mut ledger, 600);
    polled(&mut ledger, 660, true);
    assert_eq!(times(&folder), [(0, None)]);
    (1..10).for_each(|minute| acknowledged(&mut ledger, minute * 60, true));
    assert_eq!(times(&folder), [(540, None)], "what is acknowledged is in no gap");
    acknowledged(&mut ledger, 660, true);
    (12..20).for_each(|minute| polled(&mut ledger, minute * 60, true));
    drop(ledger);
    good(&mut new(&folder, Some(660)), 1_200);
    assert_eq!(times(&folder), [(540, Some(660)), (660, Some(1_200))]);
}

#[test]
fn a_line_that_broke_off_is_removed_and_a_file_that_is_no_ledger_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaps.jsonl");
    good(&mut new(&folder, Some(0)), 1_000);
    let whole = fs::read(&path).unwrap();
    for torn in [&whole[..1], &whole[..40], "{\"from\":\"é".as_bytes().split_last().unwrap().1] {
        for before in [&[][..], &whole] {
            fs::write(&path, [before, torn].concat()).unwrap();
            drop(new(&folder, None));
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    }
    for other in ["fetched_at,stationcode", "{}\n", "{\"a\": 1}"] {
        fs::write(&path, other).unwrap();
        let error = GapLedger::open(&path, MINUTE, None).unwrap_err();
        assert_eq!((error.kind(), fs::read_to_string(&path).unwrap().as_str()), (ErrorKind::Data, other));
        assert!(error.to_string().contains("gaps.jsonl:1: this is no line of a gap ledger"), "{error}");
    }
}

#[test]
fn two_processes_do_not_write_one_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = new(&folder, None);
    let error = GapLedger::open(ledger.path(), MINUTE, None).unwrap_err();
    assert_eq!(error.message(), "another process writes this ledger");
    drop(ledger);
    new(&folder, None);
}

#[test]
fn the_time_in_gaps_is_counted_within_a_span() {
    let gap = |from, to: Option<i64>| Gap { to: to.map(at), ..Gap::new(at(from)) };
    let gaps = [gap(0, Some(100)), gap(100, Some(150)), gap(300, None)];
    let within = |start, end| Gap::time_within(&gaps, at(start), at(end)).num_seconds();
    assert_eq!((within(0, 400), within(50, 120), within(150, 300), within(-100, -50)), (250, 70, 0, 0));
}

/// What a poll comes to, and whether the program is killed: before any of it is in the topic, or when all is and the ledger does
/// not know it yet.
#[derive(Clone, Copy, Debug)]
enum Step {
    Good,
    Short,
    Failed,
    KilledBefore,
    KilledAfter,
}

/// What the ledger is to say, in seconds.
#[derive(Default)]
struct Model {
    last: Option<i64>,
    broken: bool,
    topic: Option<i64>,
    gaps: Vec<(i64, Option<i64>)>,
}

impl Model {
    fn step(&mut self, now: i64, step: Step) {
        let late = self.last.is_some_and(|last| now - last > 120);
        match step {
            Step::Good => {
                if self.broken || late {
                    self.gaps.push((self.last.unwrap(), Some(now)));
                }
                (self.last, self.broken, self.topic) = (Some(now), false, Some(now));
            }
            Step::Short => {
                self.last.get_or_insert(now);
                (self.broken, self.topic) = (true, Some(now));
            }
            Step::Failed => {
                self.last.get_or_insert(now);
                self.broken = true;
            }
            Step::KilledBefore => self.broken |= late,
            // Whether all of it got there is not known to who comes after.
            Step::KilledAfter => {
                self.broken |= late;
                self.topic = Some(now);
                if !self.broken {
                    self.last = Some(now);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gaps_cover_the_incomplete_time_and_nothing_else_whatever_happens(
        steps in prop::collection::vec(
            (
                1..200i64,
                prop::sample::select(vec![Step::Good, Step::Good, Step::Short, Step::Failed, Step::KilledBefore, Step::KilledAfter]),
            ),
            0..40,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut ledger, mut model, mut now) = (new(&folder, None), Model::default(), 0);
        for (time, step) in steps {
            now += time;
            match step {
                Step::Good => good(&mut ledger, now),
                Step::Short => {
                    polled(&mut ledger, now, false);
                    acknowledged(&mut ledger, now, false);
                }
                Step::Failed => failed(&mut ledger, now),
                Step::KilledBefore | Step::KilledAfter => polled(&mut ledger, now, true),
            }
            model.step(now, step);
            if matches!(step, Step::KilledBefore | Step::KilledAfter) {
                drop(ledger);
                ledger = new(&folder, model.topic);
            }
        }
        let open = model.broken.then_some((model.last.unwrap_or_default(), None));
        let expected: Vec<_> = model.gaps.into_iter().chain(open).collect();
        prop_assert!(expected.windows(2).all(|two| two[0].1 <= Some(two[1].0)), "{expected:?} overlap");
        prop_assert_eq!(times(&folder), expected);
    }
}

/// The events that say nothing of completeness change nothing.
#[test]
fn other_events_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = new(&folder, None);
    ledger.note(&PublishEvent::BrokerAway { waiting: 7 }).unwrap();
    assert!(!ledger.is_open() && PublishTotals::default().is_complete());
}
