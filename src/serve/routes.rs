//! What each address answers with. Every answer is JSON, an event stream or one of the page's own files, and none may be
//! taken for anything else, framed, or made to load something from elsewhere.

use std::future::ready;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use chrono::{SubsecRound, Utc};
use serde_json::json as object;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use super::events::Events;
use super::published::{Published, json};
use super::reader::Question;
use super::settings::ServeSettings;
use crate::error::Result;

/// The longest code of a station that is looked for.
const LONGEST_CODE: usize = 64;

/// The page needs its own files and its own server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JSON: &str = "application/json";

/// What the answers are made of. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) page: watch::Receiver<Arc<Published>>,
    pub(super) questions: SyncSender<Question>,
    pub(super) streams: Arc<Semaphore>,
    pub(super) settings: ServeSettings,
}

/// Every address with its answer; the description of the API is held to this list.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Desk>)> {
    vec![
        ("/", file("text/html; charset=utf-8", include_str!("page.html"))),
        ("/page.css", file("text/css; charset=utf-8", include_str!("page.css"))),
        ("/page.js", file("text/javascript; charset=utf-8", include_str!("page.js"))),
        ("/words.js", file("text/javascript; charset=utf-8", include_str!("words.js"))),
        ("/map.js", file("text/javascript; charset=utf-8", include_str!("map.js"))),
        ("/chart.js", file("text/javascript; charset=utf-8", include_str!("chart.js"))),
        ("/icon.svg", file("image/svg+xml", include_str!("icon.svg"))),
        ("/api/openapi.json", file(JSON, include_str!("openapi.json"))),
        ("/api/network", get(network)),
        ("/api/stations", get(async |State(desk): State<Desk>| ok(JSON, desk.page.borrow().stations.clone()))),
        ("/api/stations/{code}", get(station)),
        ("/api/zones", get(async |State(desk): State<Desk>| ok(JSON, desk.page.borrow().zones.clone()))),
        ("/api/events", get(events)),
        ("/health", get(health)),
    ]
}

/// All of it as one service.
pub(super) fn router(desk: Desk) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, answer)| router.route(path, answer))
        .fallback(|| ready(failed(StatusCode::NOT_FOUND, "there is nothing at this address; see /api/openapi.json")))
        .method_not_allowed_fallback(|| ready(failed(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered")))
        .layer(from_fn(guarded))
        .with_state(desk)
}

/// The same answer with the headers that all of them have.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn file(kind: &'static str, text: &'static str) -> MethodRouter<Desk> {
    get(move || ready(ok(kind, Bytes::from_static(text.as_bytes()))))
}

async fn network(State(desk): State<Desk>) -> Response {
    let network = desk.page.borrow().network.at(&desk.settings, Utc::now().trunc_subsecs(3));
    told(json(&network))
}

async fn station(State(desk): State<Desk>, code: std::result::Result<Path<String>, PathRejection>) -> Response {
    let Ok(Path(code)) = code else {
        return failed(StatusCode::BAD_REQUEST, "the station's code is not UTF-8");
    };
    if code.len() > LONGEST_CODE {
        return failed(StatusCode::BAD_REQUEST, "a station's code has at most 64 bytes");
    }
    let (answer, answered) = oneshot::channel();
    if desk.questions.try_send(Question { code, answer }).is_err() {
        return busy("too many questions at a time");
    }
    match timeout(desk.settings.patience, answered).await {
        Ok(Ok(Ok(Some(day)))) => told(json(&day)),
        Ok(Ok(Ok(None))) => failed(StatusCode::NOT_FOUND, "no station has this code; see /api/stations"),
        Ok(Ok(Err(error))) => busy(error.message()),
        Ok(Err(_)) | Err(_) => busy("the store does not answer"),
    }
}

async fn events(State(desk): State<Desk>) -> Response {
    let Ok(permit) = desk.streams.try_acquire_owned() else {
        return busy("too many pages are open at a time");
    };
    let body = Body::new(Events::new(desk.page, desk.settings, permit));
    response(StatusCode::OK, "text/event-stream", body)
}

async fn health(State(desk): State<Desk>) -> Response {
    let problem = desk.page.borrow().network.problem.clone();
    match problem {
        None => ok("text/plain; charset=utf-8", Bytes::from_static(b"ok\n")),
        Some(problem) => busy(&problem),
    }
}

fn told(answer: Result<Bytes>) -> Response {
    match answer {
        Ok(answer) => ok(JSON, answer),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, error.message()),
    }
}

fn ok(kind: &'static str, bytes: Bytes) -> Response {
    response(StatusCode::OK, kind, bytes.into())
}

fn failed(status: StatusCode, message: &str) -> Response {
    response(status, JSON, object!({ "error": message }).to_string().into())
}

/// A refusal that is worth another try in a moment.
fn busy(message: &str) -> Response {
    let mut response = failed(StatusCode::SERVICE_UNAVAILABLE, message);
    let seconds = Duration::from_secs(5).as_secs();
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
