//! What is answered: the store's numbers, how old they are, and what is wrong.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Shown, now, quick, reading};
use crate::serve::{ServeSettings, Server, StationDay, Stations, View, ZoneStatistics, Zoned};
use crate::station::StationStatus;
use crate::streaming::{Select, SqliteStore, Zones};

#[test]
fn the_numbers_are_those_of_the_store() {
    let readings = [reading("16107", 300), reading("16107", 40), reading("16107", 11), reading("9020", 45)];
    let mut shown = Shown::new(quick(), &readings);
    let day: StationDay = serde_json::from_value(shown.get("/api/stations/16107")).unwrap();
    let stored = shown.engine.store().station_windows(Select::of("16107")).unwrap();
    assert_eq!((day.windows.len(), &day.windows), (3, &stored));
    assert_eq!((day.until, day.until - day.from), (readings[2].last_reported, TimeDelta::hours(24)));

    let stations: Stations = serde_json::from_value(shown.get("/api/stations")).unwrap();
    let codes: Vec<&str> = stations.stations.iter().map(|station| station.station_code.as_str()).collect();
    assert_eq!((codes, &stations.stations[0]), (vec!["16107", "9020"], &day.station));
    // Each by its own newest window, though another station has reported since.
    for station in &stations.stations {
        let newest = shown.engine.store().station_windows(Select::of(station.station_code.as_str())).unwrap();
        let newest = newest.last().unwrap();
        assert_eq!(station.window, Some(newest.window));
        assert_eq!(
            (station.docks, station.occupancy),
            (newest.statistics.quantities.docks.last, newest.statistics.quantities.occupancy.last)
        );
    }

    let zones: Zoned<ZoneStatistics> = serde_json::from_value(shown.get("/api/zones")).unwrap();
    let newest = shown.engine.store().zone_windows(&Zones::open("commune").unwrap(), Select::ALL).unwrap().pop();
    let paris = &zones.zones[0];
    assert_eq!((paris.now.zone.as_str(), paris.now.stations, paris.now.expected), ("Paris", 2, 2));
    assert_eq!((paris.now.sums.mechanical, paris.now.sums.occupancy, &paris.latest), (Some(18.0), Some(0.75), &newest));

    let network = shown.get("/api/network");
    assert_eq!(network["stations"], json!({"all": 2, "open": 2, "closed": 0, "silent": 0}));
    assert_eq!((&network["capacity"], &network["docks"]), (&json!(40.0), &json!(10.0)));
    assert_eq!(network["feed_lag_seconds"], 120);
    assert!((11 * 60..12 * 60).contains(&network["lag_seconds"].as_i64().unwrap()), "{network}");
    assert_eq!(
        (&network["recording"], &network["stale"], &network["problem"]),
        (&json!(false), &json!(false), &Value::Null)
    );
}

#[test]
fn a_change_is_told_without_being_asked_for() {
    let mut shown = Shown::new(quick(), &[reading("16107", 30)]);
    let mut events = shown.events();
    let first: View = serde_json::from_value(events.next().unwrap()).unwrap();
    assert_eq!((first.stations.len(), first.network.newest), (1, Some(first.stations[0].last_reported)));
    for (stations, code, minutes_ago) in [(1, "16107", 10), (2, "9020", 5)] {
        let newer = StationStatus { docks_available: Some(11), ..reading(code, minutes_ago) };
        shown.update(std::slice::from_ref(&newer));
        let next: View = serde_json::from_value(events.next().unwrap()).unwrap();
        let told = next.stations.iter().find(|station| station.station_code == newer.station_code).unwrap();
        assert_eq!((next.stations.len(), next.network.newest), (stations, Some(newer.last_reported)));
        assert_eq!((told.docks, told.last_reported), (Some(11.0), newer.last_reported));
    }
}

#[test]
fn a_station_says_nothing_when_it_is_silent_closed_or_nowhere() {
    let closed = StationStatus { is_returning: Some(false), docks_available: Some(0), ..reading("2", 10) };
    let nowhere = StationStatus { lat: Some(0.0), lon: Some(0.0), commune: None, ..reading("4", 10) };
    let unknown = StationStatus { capacity: None, ebike: None, ..reading("5", 10) };
    let shown = Shown::new(quick(), &[reading("1", 10), closed, reading("3", 400), nowhere, unknown]);
    let stations = shown.get("/api/stations")["stations"].clone();
    let states: Vec<&str> = stations.as_array().unwrap().iter().map(|s| s["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["open", "closed", "silent", "open", "open"]);
    for place in [1, 2] {
        assert_eq!((&stations[place]["docks"], &stations[place]["occupancy"]), (&Value::Null, &Value::Null));
    }
    assert_eq!((&stations[2]["window"], &stations[2]["capacity"]), (&Value::Null, &json!(20)));
    assert_eq!(
        (&stations[3]["lat"], &stations[3]["lon"], &stations[3]["zone"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&stations[4]["ebike"], &stations[4]["occupancy"], &stations[4]["docks"]),
        (&Value::Null, &Value::Null, &json!(5.0))
    );
    let zones = shown.get("/api/zones");
    assert_eq!(
        (&zones["unknown"], &zones["zones"][0]["stations"], &zones["zones"][0]["expected"]),
        (&json!(1), &json!(3), &json!(4))
    );
    // What it was on its last day is known all the same.
    assert_eq!(shown.get("/api/stations/3")["windows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_clock_that_runs_ahead_silences_nobody() {
    let ahead = StationStatus { last_reported: now() + TimeDelta::days(3000), ..reading("2", 9) };
    let mut shown = Shown::new(quick(), &[reading("1", 10), ahead]);
    let network = shown.get("/api/network");
    assert_eq!((&network["stations"]["open"], &network["stations"]["silent"]), (&json!(2), &json!(0)));
    assert!(network["lag_seconds"].as_i64().unwrap() >= -120, "{network}");
    // Its day ends now, and the next reading is shown, though its window begins earlier.
    assert_eq!(shown.get("/api/stations/2")["windows"], json!([]));
    shown.update(&[StationStatus { docks_available: Some(9), ..reading("2", 0) }]);
    shown.wait_for("/api/stations/2", |answer| answer.json()["station"]["docks"] == 9.0);
}

#[test]
fn a_page_that_comes_later_is_told_the_ages_of_then() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let now = || shown.events().next().unwrap()["network"]["now"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    let first = now();
    std::thread::sleep(Duration::from_millis(50));
    assert!(now() - first >= TimeDelta::milliseconds(50));
}

#[test]
fn a_station_from_a_backlog_is_read_however_far_it_is_behind() {
    let mut shown = Shown::new(quick(), &[reading("1", 10)]);
    shown.update(&[reading("2", 170)]);
    let told = shown.wait_for("/api/stations/2", |answer| answer.status == 200).json();
    assert_eq!((&told["station"]["state"], &told["station"]["docks"]), (&json!("open"), &json!(5.0)));
}

#[test]
fn a_recording_and_a_stale_stream_are_told_apart() {
    let of = |minutes_ago| Shown::new(quick(), &[reading("1", minutes_ago)]).get("/api/network");
    let stale = of(60);
    assert_eq!((&stale["stale"], &stale["recording"]), (&json!(true), &json!(false)));
    let recording = of(3 * 24 * 60);
    assert_eq!((&recording["stale"], &recording["recording"]), (&json!(false), &json!(true)));
    assert_eq!((&recording["now"], &recording["lag_seconds"]), (&recording["fetched_at"], &json!(120)));
}

#[test]
fn an_empty_store_is_shown_and_fills() {
    let mut shown = Shown::new(quick(), &[]);
    let network = shown.get("/api/network");
    assert_eq!(
        (&network["newest"], &network["lag_seconds"], &network["docks"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(shown.get("/api/stations"), json!({"newest": null, "stations": []}));
    assert_eq!(shown.ask("GET", "/api/stations/1").status, 404);
    shown.update(&[reading("1", 10)]);
    shown.wait_for("/api/stations/1", |answer| answer.status == 200);
}

#[test]
fn text_from_outside_stays_text() {
    let name = "<img src=x onerror=alert(1)>\n\ndata: {}\u{2028}\"";
    let shown = Shown::new(quick(), &[StationStatus { name: Some(name.into()), ..reading("<b>/..?#", 10) }]);
    assert_eq!(shown.events().next().unwrap()["stations"][0]["name"], name);
    let day = shown.get("/api/stations/%3Cb%3E%2F..%3F%23");
    assert_eq!((&day["station"]["station_code"], &day["station"]["name"]), (&json!("<b>/..?#"), &json!(name)));
}

#[test]
fn what_cannot_be_answered_is_refused_in_words() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let long = format!("/api/stations/{}", "9".repeat(65));
    for (method, target, status, reason) in [
        ("GET", "/api/stations/2", 404, "no station has this code; see /api/stations"),
        ("GET", "/api/stations/", 404, "there is nothing at this address; see /api/openapi.json"),
        ("GET", "/../Cargo.toml", 404, "there is nothing at this address; see /api/openapi.json"),
        ("GET", &long, 400, "a station's code has at most 64 bytes"),
        ("GET", "/api/stations/%ff", 400, "the station's code is not UTF-8"),
        ("POST", "/api/stations", 405, "only GET and HEAD are answered"),
        ("DELETE", "/", 405, "only GET and HEAD are answered"),
    ] {
        let answer = shown.ask(method, target);
        assert_eq!((answer.status, answer.json()), (status, json!({ "error": reason })), "{method} {target}");
    }
    let head = shown.ask("HEAD", "/api/stations");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("content-type: application/json"), "{}", head.head);
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_cannot_be_framed() {
    let shown = Shown::new(quick(), &[]);
    for target in ["/", "/page.css", "/page.js", "/map.js", "/chart.js", "/words.js", "/icon.svg", "/nothing"] {
        let answer = shown.ask("GET", target);
        for header in [
            "content-security-policy: default-src 'none'; ",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
        ] {
            assert!(answer.head.contains(header), "{target}: {}", answer.head);
        }
        let outside = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http:") && !outside.contains("https:"), "{target}");
        for markup in ["innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!answer.body.contains(markup), "{target}");
        }
    }
}

#[test]
fn a_store_that_cannot_be_read_is_told_and_tried_again() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let other = Connection::open(shown.path()).unwrap();
    other.execute_batch("ALTER TABLE stations RENAME TO gone").unwrap();
    let told = shown.wait_for("/api/network", |answer| !answer.json()["problem"].is_null());
    assert!(told.body.contains("no such table"), "{}", told.body);
    // What was read before is shown all the same.
    assert_eq!((shown.ask("GET", "/health").status, &told.json()["stations"]["all"]), (503, &json!(1)));
    assert!(!shown.events().next().unwrap()["network"]["problem"].is_null());
    other.execute_batch("ALTER TABLE gone RENAME TO stations").unwrap();
    shown.wait_for("/health", |answer| answer.body == "ok\n");
}

#[test]
fn an_address_that_is_taken_is_an_error_with_a_way_out() {
    let shown = Shown::new(quick(), &[]);
    let start = || {
        let store = Box::new(SqliteStore::in_memory().unwrap());
        Server::start(shown.server.address().into(), store, Zones::open("commune").unwrap(), ServeSettings::default())
    };
    let error = start().unwrap_err();
    assert!(error.to_string().starts_with(&shown.server.url()), "{error}");
    assert!(error.to_string().contains("in use") && error.to_string().contains("; give another address"), "{error}");
    assert_eq!(error.exit_code(), 1);
    let address = shown.server.address();
    drop(shown);
    std::net::TcpStream::connect(address).unwrap_err();
}
