//! The page of Part 3 as its user makes it: its numbers, what it needs, and what it says when it rests on little.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use chrono::TimeDelta;
use serde_json::Value;
use support::{assert_failed, assert_misused, folder, history, object, printed, run, write_csv};
use tempfile::TempDir;
use velib::report::Figure;

/// The tables of a page by their captions, without markup: the heads, then the rows.
fn tables(html: &str) -> BTreeMap<String, Vec<Vec<String>>> {
    let text = |cell: &str| {
        let plain: String =
            cell.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect();
        plain.replace("&#39;", "'").replace("&amp;", "&")
    };
    let table = |table: &str| {
        let caption = text(table.split_once("<caption>").unwrap().1.split_once("</caption>").unwrap().0);
        let rows = table.split("<tr>").skip(1).map(|row| {
            let cells = row.split("</t").filter(|cell| cell.contains("<th") || cell.contains("<td"));
            cells.map(|cell| text(&format!("<{}", cell.rsplit_once("<t").unwrap().1))).collect()
        });
        (caption, rows.collect())
    };
    html.split("<table>").skip(1).map(|rest| table(rest.split_once("</table>").unwrap().0)).collect()
}

/// The rows of a table that tells each of these, in this order; of none there is no table.
fn rows<'a, T>(
    tables: &'a BTreeMap<String, Vec<Vec<String>>>,
    begins: &str,
    told: &'a [T],
) -> impl Iterator<Item = (&'a [String], &'a T)> {
    let found = tables.iter().find(|(caption, _)| caption.starts_with(begins)).map(|(_, rows)| &rows[1..]);
    let found = found.unwrap_or_default();
    assert_eq!(found.len(), told.len(), "{begins}");
    found.iter().map(Vec::as_slice).zip(told)
}

/// The first so many that are known and above zero, the greatest first, and of equal ones the earlier.
fn greatest<T: Copy>(all: impl Iterator<Item = (T, Option<f64>)>, least: f64, most: usize) -> Vec<(T, f64)> {
    let mut known: Vec<_> = all.filter_map(|(one, value)| Some((one, value.filter(|value| *value > least)?))).collect();
    known.sort_by(|a, b| b.1.total_cmp(&a.1));
    known.truncate(most);
    known
}

fn code(cell: &str) -> &str {
    cell.split(' ').next().unwrap()
}

/// What a cell says, as the JSON would be rounded.
fn assert_says(cell: &str, value: &Value, decimals: usize, percent: bool) {
    let Some(value) = value.as_f64() else { return assert_eq!(cell, "–") };
    let wanted = if percent { format!("{:.decimals$} %", 100.0 * value) } else { format!("{value:.decimals$}") };
    assert_eq!(cell.replace(',', ""), wanted);
}

fn assert_between(cell: &str, interval: &Value, decimals: usize) {
    let Some((low, high)) = cell.split_once(" to ") else {
        return assert!(cell == "–" && interval.is_null(), "{cell}");
    };
    assert_says(low, &interval["low"], decimals, false);
    assert_says(high, &interval["high"], decimals, false);
}

/// Every cell of every table of the page is what the JSON says, row by row.
fn assert_agree(html: &str, report: &Value) {
    let tables = tables(html);
    let list = |path: &str| report.pointer(path).unwrap().as_array().unwrap().as_slice();
    for (row, name) in rows(&tables, "The whole network", &["bike", "dock"]) {
        let lack = &report[format!("{name}s")];
        assert_eq!(row[0], format!("a {name}"));
        assert_says(&row[1], &lack["hours"], 1, false);
        assert_says(&row[2], &lack["share"], 1, true);
        assert_says(&row[3], &lack["missed"], 0, false);
        assert_between(&row[4], &lack["missed_interval"], 0);
        assert_says(&row[5], &lack["lost_share"], 1, true);
        assert_says(&row[6], &lack["answered_share"], 1, true);
        assert_says(&row[7], &lack["missed_answered"], 0, false);
    }

    let worst = |list: &[Value]| greatest(list.iter().map(Value::as_f64).enumerate(), -1.0, 10);
    let (bikes, docks) = (worst(list("/bikes_by_hour")), worst(list("/docks_by_hour")));
    let ranks: Vec<usize> = (0..bikes.len().max(docks.len())).collect();
    for (row, &rank) in rows(&tables, "The hours of the week", &ranks) {
        assert_eq!(row[0], (rank + 1).to_string());
        for (cells, hours) in [(&row[1..3], &bikes), (&row[3..5], &docks)] {
            let Some(&(hour, share)) = hours.get(rank) else {
                assert_eq!(cells, ["–", "–"]);
                continue;
            };
            let day = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][hour / 24];
            assert_eq!(cells[0], format!("{day} {}:00", hour % 24));
            assert_says(&cells[1], &share.into(), 1, true);
        }
    }

    for (wanted, kind) in [("bike", "bikes"), ("dock", "docks")] {
        let stations = list("/by_station").iter().map(|station| (station, station[kind]["missed"].as_f64()));
        for (row, (station, _)) in
            rows(&tables, &format!("The stations where most riders find no {wanted}"), &greatest(stations, 0.0, 15))
        {
            let lack = &station[kind];
            let is_little = lack["seen_hours"].as_f64() < Some(24.0);
            assert_eq!(code(&row[0]), station["stationcode"]);
            assert_says(&row[1], &lack["missed"], 1, false);
            assert_between(&row[2], &lack["missed_interval"], 1);
            assert!(!is_little || row[2] == "–", "{row:?}");
            assert_says(&row[3], &lack["hours"], 1, false);
            assert_says(&row[4], &lack["share"], 1, true);
            let answered = if station["neighbours"] == 0 { &Value::Null } else { &lack["answered_share"] };
            assert_says(&row[5], answered, 1, true);
            assert_says(row[6].trim_end_matches(" *"), &lack["seen_hours"], 1, false);
            assert_eq!(row[6].ends_with('*'), is_little);
        }
    }

    for (row, one) in rows(&tables, "The ten moves", list("/moves/top")) {
        assert!(code(&row[0]) == one["from"]["stationcode"] && code(&row[1]) == one["to"]["stationcode"], "{row:?}");
        assert_says(&row[2], &one["metres"], 0, false);
        assert_says(&row[3], &one["missed"], 1, false);
        assert_says(&row[4], &one["hours"], 1, false);
        assert_eq!(row[5], format!("{}:00 to {}:00", one["when_from"], one["when_until"]));
        assert_says(&row[6], &one["when_missed"], 1, false);
    }
    let first = |path: &str| &list(path)[..list(path).len().min(15)];
    for (row, one) in rows(&tables, "The stations with the most docks", first("/missing_docks/stations")) {
        assert_eq!(code(&row[0]), one["stationcode"]);
        assert_says(&row[1], &one["missing"], 0, false);
        assert_says(&row[2], &one["capacity"], 0, false);
        assert_says(&row[3], &one["share"], 1, true);
        assert_says(&row[4], &one["known_hours"], 1, false);
    }
    for (row, one) in rows(&tables, "Stations of which", first("/silent")) {
        assert_eq!(code(&row[0]), one["stationcode"]);
        let heard: chrono::DateTime<chrono::Utc> = one["last_reported"].as_str().unwrap().parse().unwrap();
        assert_eq!(row[1], heard.format("%Y-%m-%d %H:%M").to_string());
        assert_says(&row[2], &one["silent_hours"], 1, false);
        assert_says(&row[3], &one["longest_gap_hours"], 1, false);
    }
    for (row, &kind) in rows(&tables, "Electric and", &["electric", "mechanical"]) {
        let one = &report["kinds"][kind];
        assert_eq!(row[0], kind);
        assert_says(&row[1], &one["mean"], 2, false);
        assert_says(&row[2], &one["only_other_hours"], 1, false);
        assert_says(&row[3], &one["only_other_share"], 1, true);
        assert_says(&row[4], &one["moved"], 0, false);
        assert_says(&row[5], &one["moved_per_bike_day"], 2, false);
    }
    let little = |kind: &str| {
        list("/by_station").iter().filter(|station| station[kind]["seen_hours"].as_f64() < Some(24.0)).count().into()
    };
    let counts =
        ["readings", "stations", "never_open", "without_place", "dates", "days"].map(|name| report[name].clone());
    let counts = [&counts[..], &[little("bikes"), little("docks")]].concat();
    for (row, count) in rows(&tables, "What it rests on", &counts) {
        assert_says(&row[1], count, 0, false);
    }
}

fn page(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("made/index.html")).unwrap()
}

#[test]
fn the_page_says_what_the_json_says_and_needs_nothing_else() {
    let folder = folder();
    let report = object(&folder, "part3_report", &["--out", "made"]);
    let kept: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("made/report.json")).unwrap()).unwrap();
    assert_eq!(kept, report);
    assert!(report["stations"] == 60 && report["bikes"]["hours"].as_f64().unwrap() > 100.0);
    let html = page(&folder);
    let alone = html.replace("http://www.w3.org/2000/svg", "");
    for outside in ["<script", "<link", "<img", "src=", "url(", "@import", "http://", "https://"] {
        assert!(!alone.contains(outside), "{outside}");
    }
    assert!(html.contains("Simulated network (60 stations") && html.contains("What these data cannot show"));

    assert_agree(&html, &report);

    for name in ["week", "map", "without-bikes", "without-docks"] {
        let path = folder.path().join("made").join(name);
        let again = folder.path().join("again.png");
        Figure::read_json(path.with_extension("json")).unwrap().draw(&again).unwrap();
        assert_eq!(fs::read(again).unwrap(), fs::read(path.with_extension("png")).unwrap(), "{name}");
    }
    // The same again, in the place of what is there.
    let files = || {
        let entries = fs::read_dir(folder.path().join("made")).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let before = files();
    let told = printed(&folder, "part3_report", &["--out", "made"]);
    assert!(told.starts_with("Data: the simulated network") && told.ends_with("The page: made/index.html\n"), "{told}");
    assert!(before.len() == 10 && before == files());
}

#[test]
fn one_station_and_one_day_say_how_little_they_rest_on() {
    let folder = folder();
    let readings = history(30, TimeDelta::hours(20), TimeDelta::minutes(10));
    write_csv(&folder, "day.csv", &readings);
    let report = object(&folder, "part3_report", &["--data", "day.csv", "--out", "made"]);
    assert!(report["days"].as_u64().unwrap() < 3 && report["bikes"]["missed_interval"].is_null());
    assert!(page(&folder).contains("too few to say how sure a number is: no interval is given"));
    // What the simulation made is not Vélib's because it came by a file.
    assert_eq!(report["source"], "Data: day.csv");
    assert!(page(&folder).contains("Data: day.csv.") && !page(&folder).contains("ODbL"));
    assert_agree(&page(&folder), &report);

    // 16107 has the name of the real one: alone it does not tell.
    let one: Vec<_> = readings.iter().filter(|reading| reading.station_code.as_str() == "16107").cloned().collect();
    write_csv(&folder, "one.csv", &one);
    let report = object(&folder, "part3_report", &["--data", "one.csv", "--out", "made"]);
    assert_eq!(report["source"], "Data: one.csv");
    assert_eq!(
        (&report["stations"], &report["moves"]["pairs"], &report["bikes"]["answered_hours"]),
        (&1.into(), &0.into(), &0.0.into())
    );
    assert!(page(&folder).contains("None, as far as these data show."));
    assert!(page(&folder).contains("Without another station within 300 m: 1 of 1."));
    assert_agree(&page(&folder), &report);
}

#[test]
fn a_station_gone_silent_and_one_with_broken_docks_are_told() {
    let folder = folder();
    let mut readings = history(3, TimeDelta::hours(60), TimeDelta::minutes(30));
    let (silent, broken) = (readings[0].station_code.clone(), readings[1].station_code.clone());
    let end = readings[0].last_reported + TimeDelta::hours(20);
    readings.retain(|reading| reading.station_code != silent || reading.last_reported < end);
    for reading in readings.iter_mut().filter(|reading| reading.station_code == broken) {
        reading.docks_available = reading.docks_available.map(|docks| docks.saturating_sub(2));
    }
    // Under names that the simulation does not give they are taken for Vélib's.
    for reading in &mut readings {
        reading.name = Some(format!("Rue {}", reading.station_code).into());
    }
    write_csv(&folder, "some.csv", &readings);
    let report = object(&folder, "part3_report", &["--data", "some.csv", "--out", "made"]);
    assert_eq!(report["source"], "Data: Paris Data, ODbL");
    assert_eq!(report["silent"].as_array().map(Vec::len), Some(1), "{}", report["silent"]);
    assert!(report["missing_docks"]["docks"].as_u64() > Some(0));
    assert_agree(&page(&folder), &report);
}

#[test]
fn nothing_to_report_on_is_an_error_that_says_so() {
    let folder = folder();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    let report = |options: &[&str]| run(&folder, "part3_report", &[options, &["--out", "made"]].concat());
    assert_failed(&report(&["--data", "empty"]), &["empty: no .csv and no .parquet lies in it"]);
    assert_failed(&report(&["--data", "other.csv"]), &["other.csv"]);
    assert_misused(&report(&["--max-gap", "0s"]), &["--max-gap: 0ns is no time", "; write for example 2h"]);
    assert!(!folder.path().join("made").exists());
}
