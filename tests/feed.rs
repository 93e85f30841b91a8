//! The live feed against a server that misbehaves: what is tried again, what is final, and what the message says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use support::{Server, ok, page, record, status};
use velib::ingest::{Api, Clock, Http, HttpSettings, Opendatasoft, VirtualClock};
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
fn failure(answer: impl FnMut(&str) -> String + Send + 'static) -> (Error, usize, i64) {
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
    let (error, ..) = failure(|_| "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"nhits\"".into());
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

#[test]
fn a_redirect_to_another_scheme_is_refused() {
    let (error, asked, _) = failure(|_| status("302 Found", "Location: ftp://127.0.0.1/x\r\n", ""));
    assert_eq!((error.kind(), asked), (ErrorKind::Network, 1));
    let (error, asked, _) = failure(|_| status("302 Found", "Location: https://127.0.0.1:1/x\r\n", ""));
    assert_eq!((error.message(), asked), ("the server redirects to another scheme", 1));
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
