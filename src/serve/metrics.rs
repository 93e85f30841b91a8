//! The numbers of a long run at an address, for Prometheus to fetch.

use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;

use super::address::ServeAddress;
use super::listening::{Listening, bind};
use crate::error::Result;
use crate::ingest::Metrics;

/// Connections at a time: whoever fetches keeps one.
const CONNECTIONS: usize = 16;

/// How long a client may keep the server waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The text format, as Prometheus knows it by.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `/metrics` with the numbers as they are then, for as long as the value lives.
#[derive(Debug)]
pub struct MetricsServer(Listening);

impl MetricsServer {
    /// Shows `metrics` at `address`; an error if nobody may listen there.
    pub fn start(address: ServeAddress, metrics: Metrics) -> Result<Self> {
        let listener = bind(address, "the metrics", "--metrics 127.0.0.1:9101, or --metrics 0 for any free port")?;
        Ok(Self(Listening::start(listener, routes(metrics), CONNECTIONS, PATIENCE)?))
    }

    /// Where the numbers are, `http://HOST:PORT/metrics`.
    pub fn url(&self) -> String {
        format!("{}/metrics", self.0.url())
    }
}

fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(move || ready(response(StatusCode::OK, metrics.text()))))
        .fallback(|| ready(response(StatusCode::NOT_FOUND, "there is nothing at this address; see /metrics\n".into())))
}

fn response(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn ask(url: &str, request: &str) -> String {
        let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/metrics")).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_numbers_are_told_as_they_are_then_and_nothing_else_is() {
        let metrics = Metrics::new();
        let polls = metrics.counter("velib_polls_total", "Polls.");
        let server = MetricsServer::start("127.0.0.1:0".parse().unwrap(), metrics).unwrap();
        let url = server.url();
        for expected in ["0", "3"] {
            let answer = ask(&url, "GET /metrics");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(&format!("content-type: {TEXT}\r\n")),
                "{head}"
            );
            assert_eq!(
                body,
                format!(
                    "# HELP velib_polls_total Polls.\n# TYPE velib_polls_total counter\nvelib_polls_total {expected}\n"
                )
            );
            polls.add(3);
        }
        assert!(ask(&url, "GET /").starts_with("HTTP/1.1 404 "));
        assert!(ask(&url, "POST /metrics").starts_with("HTTP/1.1 405 "));
        let taken = server.0.address().into();
        let error = MetricsServer::start(taken, Metrics::new()).unwrap_err().to_string();
        assert!(
            error.contains("the metrics cannot be shown there: ") && error.contains("as in --metrics 127."),
            "{error}"
        );
        drop(server);
        MetricsServer::start(taken, Metrics::new()).unwrap();
    }
}
