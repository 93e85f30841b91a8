//! `part1_fetch --publish` as its users run it: what its exit code proves, and what it notes of the feed's gaps. The part that
//! needs a real Kafka takes its address from `VELIB_KAFKA`, and says that it was skipped without.

// Helpers outside the test functions fail a test by a panic as well.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::{Server, assert_misused, error_in, folder, object, ok, printed, record, run, said};

/// A portal of three stations; while it is `spoilt` the last of its records has nothing in it.
fn portal(spoilt: &Arc<AtomicBool>) -> Server {
    let spoilt = Arc::clone(spoilt);
    Server::start(move |path| {
        let last = match spoilt.load(Ordering::Relaxed) {
            true => json!({"stationcode": null, "name": "Nowhere"}),
            false => record(3),
        };
        let all = [record(1), record(2), last];
        match path.contains("/exports/") {
            true => ok(&json!(all)),
            false => ok(&json!({"total_count": 3, "results": all[..1]})),
        }
    })
}

fn lines_of(folder: &tempfile::TempDir, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn polls_that_are_not_complete_are_published_and_end_with_1() {
    let (folder, spoilt) = (folder(), Arc::new(AtomicBool::new(true)));
    let server = portal(&spoilt);
    let publish = ["--publish", "--endpoint", &server.address, "--every", "10ms", "--polls", "2"];
    let short = run(&folder, "part1_fetch", &publish);
    assert_eq!(short.status.code(), Some(1), "{}", said(&short.stderr));
    assert_eq!(error_in(&short), "error: 2 of 2 polls were not complete: 0 failed, 2 came short");
    assert!(
        said(&short.stdout).contains("2 readings read back from the topic\n2 polls answered (2 incomplete), 0 failed")
    );
    let kept = lines_of(&folder, "velib.set-aside.jsonl");
    assert_eq!((kept.len(), &kept[0]["reason"]), (2, &json!("stationcode is missing")));

    spoilt.store(false, Ordering::Relaxed);
    let totals = object(&folder, "part1_fetch", &publish);
    assert_eq!(
        (&totals["published"], &totals["repeated"], &totals["incomplete_polls"]),
        (&json!(3), &json!(3), &json!(0))
    );
    let first = &totals["each"][0];
    assert_eq!((&first["counted"], &first["distinct"], &first["new"]), (&json!(3), &json!(3), &json!(3)));
    assert_eq!((&first["silent"], &first["missing"]), (&json!(["1", "2", "3"]), &json!([])));
    assert!(first["lag"]["median_seconds"].as_i64() > Some(0), "{first}");
}

#[test]
fn a_ledger_is_shown_and_what_is_none_is_refused() {
    let folder = folder();
    let gaps = [
        json!({"from": "2022-05-12T10:00:00Z", "to": "2022-05-12T11:00:00Z", "failed_polls": 59, "short_polls": 0,
            "stations": null, "codes": [], "why": ["connection refused"]}),
        json!({"from": "2022-05-12T20:00:00Z", "to": "2022-05-12T20:02:00Z", "failed_polls": 0, "short_polls": 1,
            "stations": 7, "codes": ["16107"], "why": ["7 records"]}),
    ];
    let text: String = gaps.iter().map(|gap| format!("{gap}\n")).collect();
    fs::write(folder.path().join("velib.gaps.jsonl"), text).unwrap();
    assert_eq!(object(&folder, "part1_fetch", &["--show-gaps"])["gaps"], json!(gaps));
    let shown = printed(&folder, "part1_fetch", &["--show-gaps"]);
    assert!(shown.starts_with("Observed in full: 89.70 % of 10h 2m (2 gaps, 1h 2m in all)\n"), "{shown}");
    assert!(shown.contains("2022-05-12 11:00:00") && shown.contains("connection refused"), "{shown}");

    fs::write(folder.path().join("other.jsonl"), "{}\n").unwrap();
    let refused = run(&folder, "part1_fetch", &["--show-gaps", "--gaps", "other.jsonl"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused.stderr).starts_with("error: other.jsonl:1: this is no line of a gap ledger: "));
    assert_misused(&run(&folder, "part1_fetch", &["--reprocess"]), &["--reprocess: ", "; name a Kafka by --brokers"]);
}

#[test]
fn a_gap_between_two_runs_is_noted_and_what_was_spoilt_is_a_dead_letter() {
    let Some(brokers) = support::kafka::address() else { return };
    let (folder, spoilt) = (folder(), Arc::new(AtomicBool::new(false)));
    let server = portal(&spoilt);
    let topic = support::kafka::unique();
    let kafka = ["--brokers", &brokers, "--topic", &topic];
    let publish = [&kafka, ["--publish", "--endpoint", &server.address, "--polls", "1"].as_slice()].concat();
    let ledger = || lines_of(&folder, &format!("{topic}.gaps.jsonl"));
    assert_eq!(object(&folder, "part1_fetch", &publish)["published"], json!(3));
    assert!(ledger().is_empty());
    spoilt.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(run(&folder, "part1_fetch", &publish).status.code(), Some(1));
    }
    let open = ledger();
    assert_eq!((open.len(), &open[0]["to"], &open[0]["codes"]), (1, &Value::Null, &json!(["3"])));
    spoilt.store(false, Ordering::Relaxed);
    let totals = object(&folder, "part1_fetch", &publish);
    assert_eq!((&totals["published"], &totals["repeated"]), (&json!(0), &json!(3)), "a restart publishes it again");
    let closed = ledger();
    assert_eq!((closed.len(), &closed[1]["from"], &closed[1]["stations"]), (2, &open[0]["from"], &json!(1)));
    assert!(closed[1]["to"].is_string());

    let tried = object(&folder, "part1_fetch", &[&kafka, ["--reprocess"].as_slice()].concat());
    let counts = ["tried", "published", "unreadable"].map(|name| tried[name].as_u64().unwrap());
    assert_eq!(counts, [1, 0, 1], "the record came twice and is there once");
}
