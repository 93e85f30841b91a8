//! The one import rule: a file uses only what stands left of its own folder in the house, or in it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

/// Left to right, as the data flows.
const HOUSE: [&str; 10] =
    ["error", "station", "ingest", "kafka", "streaming", "batch", "features", "model", "report", "serve"];

fn rank(room: &str) -> Option<usize> {
    HOUSE.iter().position(|&known| known == room)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The rooms that a source text names, as `crate::ROOM`, inside of `use` lines and out of them.
fn rooms_named(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap().split(',').map(|item| word(item.trim())).collect(),
            None => vec![word(rest)],
        })
        .collect()
}

/// What breaks the rule in a file of `room`.
fn broken(room: &str, text: &str) -> Vec<String> {
    let own = rank(room).unwrap();
    rooms_named(text).into_iter().filter(|named| rank(named).is_some_and(|rank| rank > own)).collect()
}

#[test]
fn every_file_uses_only_what_stands_left_of_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in files_below(&source).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let inside = path.strip_prefix(&source).unwrap();
        let first = Path::new(inside.components().next().unwrap().as_os_str());
        let room = first.file_stem().unwrap().to_str().unwrap();
        if room == "lib" {
            continue;
        }
        assert!(rank(room).is_some(), "{room} is no room of the house: draw it there first");
        let broken = broken(room, &fs::read_to_string(&path).unwrap());
        assert!(broken.is_empty(), "{} stands left of {broken:?}", inside.display());
        seen += 1;
    }
    assert!(seen >= HOUSE.len() - 1, "only {seen} files were read");
}

#[test]
fn the_rule_sees_what_breaks_it() {
    assert_eq!(broken("ingest", "use crate::kafka::Broker;\nuse crate::error::Error;"), ["kafka"]);
    assert_eq!(broken("station", "use crate::{error::Result, model::{Tree}};"), ["model"]);
    assert_eq!(broken("batch", "fn f() { crate::report::draw() } // crate::station"), ["report"]);
    assert!(broken("model", "//! see crate::report\nuse crate::features::Matrix; use super::split;").is_empty());
}
