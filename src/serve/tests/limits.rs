//! Whatever clients do, the server goes on answering, and holds no more than it was told to.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Answer, Shown, ask, quick, reading};
use crate::serve::ServeSettings;
use crate::station::StationStatus;

/// How long it takes until the other end closes.
fn closed_after(mut stream: TcpStream) -> Duration {
    let started = Instant::now();
    let _reset = stream.read_to_end(&mut vec![]);
    started.elapsed()
}

#[test]
fn more_connections_than_there_is_room_for_are_turned_away_and_the_others_answered() {
    let shown = Shown::new(ServeSettings { patience: Duration::from_secs(5), ..quick() }, &[reading("1", 10)]);
    // The first answer says that its connection was granted; it stays open.
    let mut streams: Vec<TcpStream> = (0..300).map(|_| shown.connect()).collect();
    let statuses: Vec<u16> = streams
        .iter_mut()
        .map(|stream| {
            let mut start = [0; 12];
            let sent = stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
            match sent.and_then(|()| stream.read_exact(&mut start)) {
                Ok(()) => std::str::from_utf8(&start[9..]).unwrap().parse().unwrap(),
                Err(_) => 0,
            }
        })
        .collect();
    let count = |status| statuses.iter().filter(|&&own| own == status).count();
    assert_eq!((count(200), count(503) + count(0)), (256, 44), "{statuses:?}");
    assert!(count(503) >= 20, "{statuses:?}");
    drop(streams);
    shown.wait_for("/health", |answer| answer.status == 200);
}

#[test]
fn who_is_slow_to_ask_is_not_waited_for() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let silent = shown.connect();
    let mut dripping = shown.connect();
    dripping.write_all(b"GET / HTTP/1.1\r\nhost: ").unwrap();
    let mut idle = shown.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    for stream in [silent, dripping, idle] {
        assert!(closed_after(stream) < Duration::from_secs(5));
    }
}

#[test]
fn headers_without_end_are_refused() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    for endless in ["a", "x-a: b\r\n"] {
        let mut stream = shown.connect();
        let start = if endless == "a" { "GET /" } else { "GET / HTTP/1.1\r\n" };
        stream.write_all(start.as_bytes()).unwrap();
        let chunk = endless.repeat(1000);
        let mut sent = 0;
        while sent < 10_000_000 && stream.write_all(chunk.as_bytes()).is_ok() {
            sent += chunk.len();
        }
        // What the two ends of the connection themselves hold may be some megabytes.
        assert!(sent < 10_000_000, "{sent} bytes were taken in");
    }
    assert_eq!(shown.ask("GET", "/health").status, 200);
}

#[test]
fn a_body_is_not_read() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let mut stream = shown.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000000\r\n\r\n").unwrap();
    let chunk = [b'x'; 100_000];
    let sent = (0..1000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 1000, "100 MB were taken in");
    assert_eq!(shown.ask("GET", "/health").status, 200);
}

#[test]
fn pages_left_open_do_not_keep_the_rest_from_being_answered() {
    let shown = Shown::new(ServeSettings { streams: 2, ..quick() }, &[reading("1", 10)]);
    let mut open: Vec<_> = (0..2).map(|_| shown.events()).collect();
    assert!(open.iter_mut().all(|events| events.next().is_some()));
    let refused = shown.ask("GET", "/api/events");
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 5"), "{}", refused.head);
    assert_eq!(shown.ask("GET", "/api/network").status, 200);
    drop(open.pop());
    // The server notices with the next sign of life.
    let started = Instant::now();
    while shown.stream().is_none() {
        assert!(started.elapsed() < Duration::from_secs(10), "no room was made");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn who_takes_in_nothing_is_let_go_and_what_he_missed_is_not_kept() {
    let name = "x".repeat(20_000);
    let many: Vec<StationStatus> = (0..200)
        .map(|code| StationStatus { name: Some(name.as_str().into()), ..reading(&code.to_string(), 100) })
        .collect();
    let mut shown = Shown::new(ServeSettings { streams: 1, ..quick() }, &many);
    let _never_read = shown.stream().unwrap();
    assert!(shown.stream().is_none());
    let started = Instant::now();
    // Each event holds 4 MB, so that some fill what lies between the two ends.
    for minutes_ago in (1..100).rev() {
        shown.update(&[reading("1", minutes_ago)]);
        if shown.stream().is_some() {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "the stream still has its place");
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn questions_that_do_not_fit_are_refused_and_the_others_answered() {
    let shown = Shown::new(ServeSettings { questions: 1, ..quick() }, &[reading("1", 10)]);
    let address = shown.server.address();
    let ask_often = move || (0..20).map(|_| ask(address, "GET", "/api/stations/1").status).collect::<Vec<_>>();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask_often)).collect();
        asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
}

#[test]
fn any_target_and_any_bytes_get_an_answer() {
    let shown = Shown::new(quick(), &[reading("1", 10)]);
    let path = prop_oneof![
        "[!-~]{0,80}",
        "/api/stations/[!-~]{0,90}",
        "/(api|page|health|\\.\\.|%[0-9a-f]{2}|[a-z]{0,5}){0,4}(\\?[!-~]{0,40})?",
        "/api/stations/(%[0-9a-fA-F]{2}){0,30}",
    ];
    let request = prop_oneof![
        4 => ("(GET|HEAD|POST|PUT|OPTIONS|X|get)", path).prop_map(|(method, path)| {
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 1..200).prop_map(|mut bytes| {
            bytes.extend(b"\r\n\r\n");
            bytes
        }),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(256));
    let outcome = runner.run(&request, |request| {
        let mut stream = shown.connect();
        stream.write_all(&request).unwrap();
        // An event stream has no end, but a start.
        let is_stream = String::from_utf8_lossy(&request).contains("/api/events");
        let answer = if is_stream { return Ok(()) } else { Answer::read(stream) };
        prop_assert!([200, 400, 404, 405, 414, 431].contains(&answer.status), "{:?}", answer);
        Ok(())
    });
    outcome.unwrap();
    assert_eq!(shown.ask("GET", "/health").body, "ok\n");
}
