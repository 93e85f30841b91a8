//! The live feed against a server that misbehaves: what is tried again, what is final, and what the message says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use support::{Server, ok, page, record, status};
use velib::ingest::{Api, Clock, Fallback, Gbfs, Http, HttpSettings, Opendatasoft, Source, VirtualClock};
use velib::{Error, ErrorKind, StationCode};

fn start() -> DateTime<Utc> {
    "2022-05-12T10:22:18Z".parse().unwrap()
}

fn portal(api: Api, address: &str) -> (Opendatasoft, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new(start()));
    let settings = HttpSettings { max_bytes: 1 << 20, ..HttpSettings::default() };
    let http = Http::new(settings).unwrap().with_clock(clock.clone());
    (Opendatasoft::new(api).unwrap().with_http(http).with_endpoint(address).unwrap(), clock)
}

/// The error of a poll through v1.0, where a poll is one request, with how many requests and seconds it took.
fn failure<A: AsRef<[u8]>>(answer: impl FnMut(&str) -> A + Send + 'static) -> (Error, usize, i64) {
    let server = Server::start(answer);
    let (portal, clock) = portal(Api::V1_0, &server.address);
    let error = portal.snapshot().unwrap_err();
    assert!(error.to_string().starts_with(&server.address), "{error}");
    (error, server.asked().len(), (clock.now() - start()).num_seconds())
}

fn search(codes: &[u32], counted: u32) -> Value {
    let records: Vec<_> = codes.iter().map(|&code| json!({"fields": record(code)})).collect();
    json!({"nhits": counted, "records": records})
}

#[test]
fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (portal, clock) = portal(Api::V2_1, &format!("http://{free}"));
    let error = portal.snapshot().unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Network, 1));
    let said = error.to_string();
    assert!(said.contains("cannot be reached: Connection refused") && said.contains("(4 attempts)"), "{said}");
    assert!(said.ends_with("check the address and the network, or try again later"), "{said}");
    assert_eq!((clock.now() - start()).num_seconds(), 1 + 2 + 4);
}

#[test]
fn too_many_requests_waits_as_long_as_the_server_asks() {
    let mut asked = 0;
    let server = Server::start(move |_| {
        asked += 1;
        match asked {
            1 => status("429 Too Many Requests", "Retry-After: 17\r\n", r#"{"error": "Too many requests"}"#),
            2 => status("503 Service Unavailable", "Retry-After: Thu, 12 May 2022 10:23:00 GMT\r\n", "later"),
            _ => ok(&search(&[1, 2], 2)),
        }
    });
    let (portal, clock) = portal(Api::V1_0, &server.address);
    assert_eq!(portal.snapshot().unwrap().distinct(), 2);
    assert_eq!((server.asked().len(), clock.now().to_rfc3339().as_str()), (3, "2022-05-12T10:23:00+00:00"));
}

#[test]
fn too_many_requests_for_the_day_is_said_at_once() {
    let answer = r#"{"errorcode": 10005, "error": "Too many requests on the domain."}"#;
    let (error, asked, waited) = failure(|_| status("429 Too Many Requests", "Retry-After: 40000\r\n", answer));
    assert_eq!((error.kind(), asked, waited), (ErrorKind::Network, 1, 0));
    let said = error.to_string();
    assert!(said.contains("429 Too Many Requests: Too many requests on the domain., and to wait 40000 s"), "{said}");
}

#[test]
fn a_page_of_html_is_no_feed() {
    let html = "<!doctype html><title>Maintenance</title><p>Service en maintenance";
    let (error, asked, _) = failure(|_| status("200 OK", "Content-Type: text/html\r\n", html));
    assert_eq!((error.kind(), error.exit_code(), asked), (ErrorKind::Feed, 1, 4));
    let said = error.to_string();
    assert!(said.contains("the answer is HTML") && said.contains("<title>Maintenance"), "{said}");
}

#[test]
fn a_body_cut_short_is_asked_for_again() {
    let mut asked = 0;
    let server = Server::start(move |_| {
        asked += 1;
        let whole = ok(&search(&[1, 2, 3], 3));
        if asked == 1 { whole[..whole.len() / 2].to_owned() } else { whole }
    });
    let (portal, _) = portal(Api::V1_0, &server.address);
    assert!(portal.snapshot().unwrap().is_complete());
    let (error, ..) = failure(|_| status("200 OK", "", r#"[{"stationcode": "1"}, {"sta"#));
    assert_eq!(error.kind(), ErrorKind::Feed);
    let (error, ..) = failure(|_| "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"nhits\"");
    assert!(error.to_string().contains("broke off after 8 bytes"), "{error}");
}

#[test]
fn a_request_that_the_portal_refuses_is_not_repeated() {
    let (error, asked, _) =
        failure(|_| status("400 Bad Request", "", r#"{"error_code": "X", "message": "Invalid rows"}"#));
    assert_eq!((error.kind(), asked), (ErrorKind::Network, 1));
    assert!(error.to_string().ends_with("the server answers 400 Bad Request: Invalid rows"), "{error}");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let (error, ..) = failure(|_| status("200 OK", "", &" ".repeat((1 << 20) + 1)));
    assert!(error.to_string().ends_with("the answer is longer than 1048576 bytes"), "{error}");
}

/// A gzip member that holds so many blanks (to a multiple of 258), in 13 bits for each 258: one literal, then "the same again,
/// 258 bytes" over and over (RFC 1951, section 3.2.6). Its checksum is not there: nobody should come so far.
fn gzip_of_blanks(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false]; // the last block, of fixed codes
    let mut code = |code: u32, length: u32| bits.extend((0..length).rev().map(|place| code >> place & 1 == 1));
    code(0x30 + u32::from(b' '), 8);
    for _ in 0..bytes / 258 {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit)));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).collect()
}

#[test]
fn a_small_answer_that_unpacks_to_a_large_one_is_cut_off() {
    let bomb = gzip_of_blanks(64 << 20);
    assert!(bomb.len() < 1 << 20);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
    let (error, asked, _) = failure(move |_| [head.as_bytes(), &bomb].concat());
    assert!(error.to_string().ends_with("the answer is longer than 1048576 bytes"), "{error}");
    assert_eq!(asked, 1);
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    let server = Server::write(|_, mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[b' '; 4096])?;
        }
    });
    let error = portal(Api::V1_0, &server.address).0.snapshot().unwrap_err();
    assert!(error.to_string().ends_with("the answer is longer than 1048576 bytes"), "{error}");
}

#[test]
fn an_answer_that_drips_is_cut_off_in_time() {
    // A byte at a time, each well within the time-out; the whole would take a hundred of them.
    let timeout = Duration::from_millis(200);
    let server = Server::write(move |_, mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")?;
        for _ in 0..1000 {
            stream.write_all(b" ")?;
            std::thread::sleep(timeout / 10);
        }
        Ok(())
    });
    let settings = HttpSettings { timeout, attempts: 1, ..HttpSettings::default() };
    let portal = Opendatasoft::new(Api::V1_0).unwrap().with_http(Http::new(settings).unwrap());
    let error = portal.with_endpoint(&server.address).unwrap().snapshot().unwrap_err();
    assert!(error.to_string().contains("the answer takes longer than 0.2 s"), "{error}");
}

#[test]
fn a_redirect_to_another_scheme_and_one_in_circles_are_refused() {
    for location in ["ftp://127.0.0.1/x", "https://127.0.0.1:1/x", "file:///etc/passwd"] {
        let (error, asked, _) = failure(move |_| status("302 Found", &format!("Location: {location}\r\n"), ""));
        assert_eq!((error.kind(), asked), (ErrorKind::Network, 1), "{location}: {error}");
    }
    let (error, asked, _) = failure(|_| status("302 Found", "Location: https://127.0.0.1:1/x\r\n", ""));
    assert_eq!((error.message(), asked), ("the server redirects to another scheme", 1));
    let (error, asked, _) = failure(|_| status("302 Found", "Location: /again\r\n", ""));
    assert_eq!((error.message(), asked), ("the server redirects in circles", 6));
}

#[test]
fn the_export_comes_whole_in_one_request_beside_the_count() {
    let server = Server::start(|path| match path.contains("/exports/json") {
        true => ok(&(0..250).map(record).collect()),
        false => page(path, 250),
    });
    let snapshot = portal(Api::V2_1, &server.address).0.snapshot().unwrap();
    assert_eq!((snapshot.distinct(), snapshot.counted, snapshot.is_complete()), (250, Some(250), true));
    assert_eq!((snapshot.fetched_at, server.asked().len()), (start(), 2));
}

#[test]
fn an_export_that_comes_short_is_made_good_by_ordered_pages() {
    let server = Server::start(|path| match path.contains("/exports/json") {
        true => ok(&(0..200).map(record).collect()),
        false => page(path, 250),
    });
    let snapshot = portal(Api::V2_1, &server.address).0.snapshot().unwrap();
    assert_eq!((snapshot.distinct(), snapshot.is_complete()), (250, true));
    let asked = server.asked();
    assert_eq!(asked.len(), 1 + 1 + 3);
    assert!(asked.iter().filter(|path| path.contains("/records")).all(|path| path.contains("order_by=stationcode")));
}

#[test]
fn a_record_that_cannot_be_read_is_set_aside_and_the_others_go_on() {
    let server = Server::start(|_| {
        let mut document = search(&[1, 2, 3], 3);
        document["records"][1]["fields"]["stationcode"] = Value::Null;
        document["records"][2]["fields"]["numdocksavailable"] = Value::Null;
        ok(&document)
    });
    let snapshot = portal(Api::V1_0, &server.address).0.snapshot().unwrap();
    assert_eq!((snapshot.distinct(), snapshot.is_complete()), (2, false));
    assert_eq!(snapshot.readings[1].docks_available, None);
    assert_eq!((snapshot.set_aside.len(), snapshot.set_aside[0].reason.as_str()), (1, "stationcode is missing"));
    assert!(snapshot.set_aside[0].raw.contains("\"name\":\"Station 2\""));
}

#[test]
fn some_rows_and_one_station() {
    let server = Server::start(|path| match path.contains("where=") {
        true => ok(&json!({"total_count": 1, "results": [record(16107)]})),
        false => page(path, 250),
    });
    let (portal, _) = portal(Api::V2_1, &server.address);
    assert_eq!(portal.rows(120).unwrap().distinct(), 120);
    assert_eq!(portal.rows(0).unwrap().distinct(), 0);
    let station = portal.station(&StationCode::new("16107").unwrap()).unwrap().to_map();
    assert_eq!((&station["stationcode"], &station["numdocksavailable"]), (&json!("16107"), &json!(10)));
    assert!(server.asked().last().unwrap().ends_with("limit=1&offset=0&where=stationcode%3D%2216107%22"));
}

#[test]
fn an_unknown_station_is_named() {
    let server = Server::start(|_| ok(&json!({"total_count": 0, "results": []})));
    let error = portal(Api::V2_1, &server.address).0.station(&StationCode::new("99").unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("station 99: the portal knows no such station"), "{error}");
}

#[test]
fn an_endpoint_that_is_no_address_is_wrong_usage() {
    for endpoint in ["127.0.0.1:8787", "file:///etc", "nonsense", ""] {
        let error = Opendatasoft::new(Api::V2_1).unwrap().with_endpoint(endpoint).err().unwrap();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
    assert_eq!("v3".parse::<Api>().unwrap_err().exit_code(), 2);
}

/// A station's information and its status in a GBFS feed of Vélib's dialect.
fn gbfs(stations: u32) -> (Value, Value) {
    let information = |code: u32| json!({"station_id": 1000 + code, "stationCode": code.to_string(), "name": "Gare", "capacity": 30, "lat": 48.8, "lon": 2.3});
    let status = |code: u32| {
        json!({"station_id": 1000 + code, "stationCode": code.to_string(), "num_bikes_available": 18,
            "num_bikes_available_types": [{"mechanical": 11}, {"ebike": 7}], "num_docks_available": 10, "is_installed": 1,
            "is_renting": 1, "is_returning": 1, "last_reported": 1_652_347_094})
    };
    let document = |stations: Vec<Value>| json!({"lastUpdatedOther": 1, "ttl": 3600, "data": {"stations": stations}});
    (document((0..stations).map(information).collect()), document((0..stations).map(status).collect()))
}

/// What each of the three interfaces answers about so many stations.
fn answer(path: &str, stations: u32) -> Value {
    let (information, status) = gbfs(stations);
    let name = path.split('?').next().unwrap().rsplit('/').next().unwrap();
    match name {
        "gbfs.json" => {
            let feeds = ["station_information", "station_status"]
                .map(|name| json!({"name": name, "url": format!("{name}.json")}));
            json!({"data": {"en": {"feeds": feeds}}})
        }
        "station_information.json" => information,
        "station_status.json" => status,
        "json" => (0..stations).map(record).collect(),
        "records" => json!({"total_count": stations, "results": (0..stations.min(1)).map(record).collect::<Vec<_>>()}),
        _ => search(&(0..stations).collect::<Vec<_>>(), stations),
    }
}

/// A feed through each of the three interfaces, on a clock that nobody waits for.
fn feeds(address: &str) -> [(Box<dyn Source>, Arc<VirtualClock>); 3] {
    // One client for all: to make one takes longer than all that is asked with it.
    static HTTP: LazyLock<Http> = LazyLock::new(|| {
        Http::new(HttpSettings { timeout: Duration::from_millis(500), ..HttpSettings::default() }).unwrap()
    });
    let clock = || Arc::new(VirtualClock::new(start()));
    let http = |clock: &Arc<VirtualClock>| HTTP.clone().with_clock(clock.clone());
    let portal = |api| {
        let clock = clock();
        let portal = Opendatasoft::new(api).unwrap().with_http(http(&clock)).with_endpoint(address).unwrap();
        (Box::new(portal) as Box<dyn Source>, clock)
    };
    let gbfs_clock = clock();
    let gbfs = Gbfs::new(&format!("{address}/gbfs.json")).unwrap().with_http(http(&gbfs_clock));
    [portal(Api::V2_1), portal(Api::V1_0), (Box::new(gbfs), gbfs_clock)]
}

#[test]
fn each_interface_overcomes_each_fault_that_passes() {
    for fault in ["500", "503", "429", "slow", "truncated", "html", "reset"] {
        let mut met = std::collections::HashSet::new();
        let mut held = Vec::new();
        let server = Server::write(move |path, mut stream| {
            let whole = ok(&answer(path, 20));
            // Every address answers with the fault once, and then as it should.
            if !met.insert(path.to_owned()) {
                return stream.write_all(whole.as_bytes());
            }
            let fault = match fault {
                "500" => status("500 Internal Server Error", "", r#"{"error_code": "InternalError"}"#),
                "503" => status("503 Service Unavailable", "Retry-After: 1\r\n", "<html>"),
                "429" => status("429 Too Many Requests", "Retry-After: 1\r\n", r#"{"errorcode": 10005}"#),
                "html" => status("200 OK", "Content-Type: text/html\r\n", "<!doctype html><title>Maintenance</title>"),
                "truncated" => whole[..whole.len() - 10].to_owned(),
                "slow" => {
                    held.push(stream.try_clone()?);
                    String::new()
                }
                _ => String::new(),
            };
            stream.write_all(fault.as_bytes())
        });
        for (mut feed, _) in feeds(&server.address) {
            let snapshot = feed.poll().unwrap_or_else(|error| panic!("{fault}: {error}")).unwrap();
            assert_eq!((snapshot.distinct(), snapshot.is_complete()), (20, true), "{fault}: {}", feed.describe());
            assert_eq!(snapshot.readings[7].bikes_available, Some(18));
        }
    }
}

#[test]
fn rows_of_nulls_among_good_ones_are_set_aside_by_each_interface() {
    let server = Server::start(|path| {
        let text = answer(path, 20).to_string();
        let spoilt = |text: String, code: u32| {
            ["stationcode", "stationCode"]
                .iter()
                .fold(text, |text, name| text.replace(&format!("\"{name}\":\"{code}\""), &format!("\"{name}\":null")))
        };
        let text = (0..7).fold(text, spoilt).replacen("\"num_docks_available\":10", "\"num_docks_available\":null", 9);
        status("200 OK", "", &text.replacen("\"numdocksavailable\":10", "\"numdocksavailable\":null", 9))
    });
    for (mut feed, _) in feeds(&server.address) {
        let snapshot = feed.poll().unwrap().unwrap();
        assert_eq!((snapshot.distinct(), snapshot.counted, snapshot.is_complete()), (13, Some(20), false));
        assert_eq!(snapshot.set_aside.len(), 7);
        assert!(snapshot.set_aside.iter().all(|aside| aside.reason == "stationcode is missing"));
        let unknown = snapshot.readings.iter().filter(|reading| reading.docks_available.is_none()).count();
        assert_eq!((unknown, feed.notes()), (2, vec![]), "{}", feed.describe());
    }
}

#[test]
fn what_gbfs_stations_are_is_fetched_again_when_its_time_is_over_or_a_station_is_new() {
    let mut stations = 3;
    let server = Server::start(move |path| {
        // A station more at each status; the information knows of it at once.
        stations += u32::from(path == "/status" && stations < 5);
        ok(&match path {
            // Version 3: no languages.
            "/gbfs" => {
                json!({"data": {"feeds": [{"name": "station_information", "url": "/information"}, {"name": "station_status", "url": "/status"}]}})
            }
            "/information" => gbfs(stations).0,
            _ => gbfs(stations).1,
        })
    });
    let clock = Arc::new(VirtualClock::new(start()));
    let http = Http::new(HttpSettings::default()).unwrap().with_clock(clock.clone());
    let mut feed = Gbfs::new(&format!("{}/gbfs", server.address)).unwrap().with_http(http);
    let (mut asked, mut known) = (0, vec![]);
    let mut poll = |minutes: u64| {
        clock.sleep(Duration::from_secs(minutes * 60));
        let snapshot = feed.snapshot().unwrap();
        assert!(snapshot.is_complete());
        known.push(snapshot.readings.iter().filter(|reading| reading.capacity.is_some()).count());
        let all = server.asked();
        let new = all[asked..].to_vec();
        asked = all.len();
        new
    };
    assert_eq!(poll(0), ["/gbfs", "/information", "/status"]);
    assert_eq!(poll(1), ["/status", "/information"]);
    assert_eq!(poll(1), ["/status"]);
    assert_eq!(poll(57), ["/status"]);
    assert_eq!(poll(2), ["/information", "/status"]);
    // The first information was fetched before the station more was there.
    assert_eq!(known, [3, 5, 5, 5, 5]);
}

#[test]
fn a_discovery_that_leads_elsewhere_or_nowhere_is_refused() {
    let poll = |feeds: Value| {
        let server = Server::start(move |_| ok(&json!({"data": {"fr": {"feeds": feeds.clone()}}})));
        let clock = Arc::new(VirtualClock::new(start()));
        let http = Http::new(HttpSettings::default()).unwrap().with_clock(clock);
        let error =
            Gbfs::new(&format!("{}/gbfs.json", server.address)).unwrap().with_http(http).snapshot().unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, said) = poll(json!([{"name": "station_information", "url": "file:///etc/passwd"}]));
    assert!(kind == ErrorKind::Feed && said.contains("it leads to another scheme: file:///etc/passwd"), "{said}");
    assert!(poll(json!([])).1.contains("it names no feed station_information"));
    assert_eq!(Gbfs::new("file:///gbfs.json").err().unwrap().exit_code(), 2);
}

#[test]
fn a_poll_that_comes_short_through_one_interface_is_made_through_the_other() {
    let server = Server::start(|path| match path {
        path if path.contains("/exports/") => ok(&(0..3).map(record).collect()),
        path if path.contains("/v2.1/") => {
            let whole = page(path, 5);
            let (_, body) = whole.split_once("\r\n\r\n").unwrap();
            status("200 OK", "", &body.replace("\"stationcode\":\"4\"", "\"stationcode\":null"))
        }
        path => ok(&answer(path, 5)),
    });
    let (explore, search) = (portal(Api::V2_1, &server.address).0, portal(Api::V1_0, &server.address).0);
    let mut both = Fallback::new(Box::new(explore), vec![Box::new(search)]);
    let snapshot = both.poll().unwrap().unwrap();
    assert_eq!((snapshot.distinct(), snapshot.is_complete()), (5, true));
    let notes: Vec<_> = both.notes().iter().map(ToString::to_string).collect();
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(
        note.contains("(v2.1): 4 of 5 stations arrived, 1 records could not be read; the next source is asked"),
        "{note}"
    );
}
