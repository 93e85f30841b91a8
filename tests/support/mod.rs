//! A server on loopback that answers as a test tells it to: for what a real portal cannot be made to do.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its own part; a test may panic")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers every request with what `answer` makes of its path and query, and remembers what was asked.
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gives a whole HTTP response, from [`ok`], [`status`] or by hand.
    pub(crate) fn start(mut answer: impl FnMut(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Some(path) = path_of(&stream) {
                    remembered.lock().unwrap().push(path.clone());
                    let _ = (&stream).write_all(answer(&path).as_bytes());
                }
            }
        });
        Self { address, asked }
    }

    /// The paths asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn path_of(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty);
    Some(path)
}

/// 200 with a JSON document.
pub(crate) fn ok(document: &Value) -> String {
    status("200 OK", "", &document.to_string())
}

/// A status with further headers (each ended by CRLF) and a body.
pub(crate) fn status(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A record of Explore v2.1.
pub(crate) fn record(code: u32) -> Value {
    json!({"stationcode": code.to_string(), "name": format!("Station {code}"), "is_installed": "OUI", "capacity": 30,
        "numdocksavailable": 10, "numbikesavailable": 18, "mechanical": 11, "ebike": 7, "is_renting": "OUI",
        "is_returning": "OUI", "duedate": "2022-05-12T09:18:14+00:00", "coordonnees_geo": {"lon": 2.36, "lat": 48.86},
        "nom_arrondissement_communes": "Paris"})
}

/// The value of `name` in the query of `path`, as a number.
pub(crate) fn number(path: &str, name: &str) -> usize {
    let (_, query) = path.split_once('?').unwrap();
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap().parse().unwrap()
}

/// A page of Explore v2.1 out of `stations` records, in the order of their codes.
pub(crate) fn page(path: &str, stations: u32) -> String {
    let (offset, limit) = (number(path, "offset"), number(path, "limit"));
    let results: Vec<_> = (0..stations).map(record).skip(offset).take(limit).collect();
    ok(&json!({"total_count": stations, "results": results}))
}
