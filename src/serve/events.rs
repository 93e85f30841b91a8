//! The stream of events: at once what is shown now, then each newer state, and in between now and then a sign of life.
//!
//! All streams share the bytes of one state. Who is slow is sent the newest one when there is room again, and never those in
//! between: nothing piles up.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use chrono::{SubsecRound, Utc};
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::published::Published;
use super::settings::ServeSettings;

/// After how many milliseconds a page asks again when the stream has broken off.
const RETRY: &[u8] = b"retry: 2000\n\n";

type Page = watch::Receiver<Arc<Published>>;

/// What will be sent next, with the receiver for what comes after it.
type Coming = Pin<Box<dyn Future<Output = Option<([Bytes; 2], Page)>> + Send>>;

/// The body of an answer that goes on until the client leaves or the server stops.
pub(super) struct Events {
    settings: ServeSettings,
    next: Coming,
    /// The second piece of what was begun.
    rest: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl Events {
    /// A stream for as long as it has its permit.
    pub(super) fn new(mut page: Page, settings: ServeSettings, permit: OwnedSemaphorePermit) -> Self {
        page.mark_changed();
        let next = Box::pin(async move { Some(([Bytes::from_static(RETRY), Bytes::new()], page)) });
        Self { settings, next, rest: Bytes::new(), _permit: permit }
    }
}

/// The next thing to send; `None` when nothing newer will come.
async fn next(mut page: Page, settings: ServeSettings) -> Option<([Bytes; 2], Page)> {
    let sent = match timeout(settings.keep_alive, page.changed()).await {
        Ok(Ok(())) => page.borrow_and_update().event(&settings, Utc::now().trunc_subsecs(3)).ok()?,
        Ok(Err(_gone)) => return None,
        Err(_nothing_new) => [Bytes::from_static(b": still here\n\n"), Bytes::new()],
    };
    Some((sent, page))
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        match self.next.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(([sent, rest], page))) => {
                self.next = Box::pin(next(page, self.settings));
                self.rest = rest;
                Poll::Ready(Some(Ok(Frame::data(sent))))
            }
        }
    }
}
