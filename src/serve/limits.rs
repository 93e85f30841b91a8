//! Connections: how many at a time, and how long each may keep the server waiting.
//!
//! A connection that says nothing, or that takes in nothing of what it is sent, is closed after a while. One beyond the
//! limit is told so, by 503, and a flood of them is closed without a word: so the memory that clients can make the server
//! hold is bounded, whatever they do.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};

/// The most bytes of a request's line and headers together.
const MOST_HEADER: usize = 16 * 1024;

/// How many of those that are turned away are told so at a time.
const TURNED_AWAY: usize = 32;

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 5\r\n\
content-length: 32\r\nconnection: close\r\n\r\n{\"error\":\"too many connections\"}";

/// Answers whoever connects, until it is dropped.
pub(super) async fn answer(listener: TcpListener, routes: Router, connections: usize, patience: Duration) {
    let (granted, turned_away) = (Arc::new(Semaphore::new(connections)), Arc::new(Semaphore::new(TURNED_AWAY)));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file handle is left, or the client has gone already: others will go too.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        if let Ok(permit) = Arc::clone(&granted).try_acquire_owned() {
            let routes = routes.clone();
            tokio::spawn(async move {
                let _until_the_end = permit;
                converse(stream, routes, patience).await;
            });
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(async move {
                let _until_the_end = permit;
                let _gone = timeout(Duration::from_secs(1), turn_away(stream)).await;
            });
        }
    }
}

/// One connection, from its first request to its last. Whatever goes wrong with it is its client's matter.
async fn converse(stream: TcpStream, routes: Router, patience: Duration) {
    let _without_delay = stream.set_nodelay(true);
    let stream = TokioIo::new(Patient { stream, patience, waiting: None });
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(MOST_HEADER)
        .serve_connection(stream, TowerToHyperService::new(routes))
        .await;
}

/// Tells a client that there is no room, and reads what it sent: closing before would take the answer from it again.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(FULL).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// A connection that fails when nothing can be written to it for too long.
struct Patient {
    stream: TcpStream,
    patience: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// Passes on what became of a write, and counts the time since it was possible last.
    fn written<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.written(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
