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

fn table<'a>(tables: &'a BTreeMap<String, Vec<Vec<String>>>, begins: &str) -> &'a [Vec<String>] {
    let found = tables.iter().find(|(caption, _)| caption.starts_with(begins));
    &found.unwrap().1[1..]
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

    let tables = tables(&html);
    for (row, lack) in table(&tables, "The whole network").iter().zip([&report["bikes"], &report["docks"]]) {
        assert_says(&row[1], &lack["hours"], 1, false);
        assert_says(&row[2], &lack["share"], 1, true);
        assert_says(&row[3], &lack["missed"], 0, false);
        assert_between(&row[4], &lack["missed_interval"], 0);
        assert_says(&row[5], &lack["lost_share"], 1, true);
        assert_says(&row[6], &lack["answered_share"], 1, true);
        assert_says(&row[7], &lack["missed_answered"], 0, false);
    }
    let stations = report["by_station"].as_array().unwrap();
    let code = |cell: &str| cell.split(' ').next().unwrap().to_owned();
    for (wanted, kind) in [("bike", "bikes"), ("dock", "docks")] {
        for row in table(&tables, &format!("The stations where most riders find no {wanted}")) {
            let station = stations.iter().find(|station| station["stationcode"] == code(&row[0])).unwrap();
            let lack = &station[kind];
            assert_says(&row[1], &lack["missed"], 1, false);
            assert_between(&row[2], &lack["missed_interval"], 1);
            assert_says(&row[3], &lack["hours"], 1, false);
            assert_says(row[6].trim_end_matches(" *"), &lack["seen_hours"], 1, false);
            assert_eq!(row[6].ends_with('*'), lack["seen_hours"].as_f64() < Some(24.0));
            assert_eq!(row[5] == "–", station["neighbours"] == 0, "{row:?}");
        }
    }
    let moves = table(&tables, "The ten moves");
    assert_eq!(moves.len(), report["moves"]["top"].as_array().unwrap().len());
    for (row, one) in moves.iter().zip(report["moves"]["top"].as_array().unwrap()) {
        assert_eq!(
            (code(&row[0]), code(&row[1])),
            (one["from"]["stationcode"].as_str().unwrap().into(), one["to"]["stationcode"].as_str().unwrap().into())
        );
        assert_says(&row[3], &one["missed"], 1, false);
        assert_eq!(row[5], format!("{}:00 to {}:00", one["when_from"], one["when_until"]));
    }
    for (row, kind) in table(&tables, "Electric and").iter().zip(["electric", "mechanical"]) {
        assert_says(&row[1], &report["kinds"][kind]["mean"], 2, false);
        assert_says(&row[3], &report["kinds"][kind]["only_other_share"], 1, true);
        assert_says(&row[5], &report["kinds"][kind]["moved_per_bike_day"], 2, false);
    }

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
    assert!(page(&folder).contains("Data: Paris Data, ODbL"));

    let one: Vec<_> = readings.iter().filter(|reading| reading.station_code.as_str() == "16107").cloned().collect();
    write_csv(&folder, "one.csv", &one);
    let report = object(&folder, "part3_report", &["--data", "one.csv", "--out", "made"]);
    assert_eq!(
        (&report["stations"], &report["moves"]["pairs"], &report["bikes"]["answered_hours"]),
        (&1.into(), &0.into(), &0.0.into())
    );
    assert!(page(&folder).contains("None, as far as these data show."));
    assert!(page(&folder).contains("Without another station within 300 m: 1 of 1."));
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
