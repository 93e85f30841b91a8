//! A thread that answers at an address, from its first request to its end.

use std::net::{SocketAddr, TcpListener};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use axum::Router;
use tokio::runtime;
use tokio::sync::oneshot;

use super::address::ServeAddress;
use super::limits::answer;
use crate::error::{Error, ErrorKind, Place, Result};

/// Takes the address, so that nobody else can. `what` is to be seen there, and `way_out` an option with another address.
pub(super) fn bind(address: ServeAddress, what: &str, way_out: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(address.socket()).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| {
        Error::new(ErrorKind::Network, format!("{what} cannot be shown there: {error}"))
            .at(Place::Url(url(address.socket())))
            .way_out(format!("give another address, as in {way_out}"))
    })
}

/// Answers for as long as the value lives.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Answers by `routes`, so many connections at a time, each of which may keep it waiting for so long.
    pub(super) fn start(listener: TcpListener, routes: Router, connections: usize, patience: Duration) -> Result<Self> {
        let failed = |error: std::io::Error| Error::new(ErrorKind::Network, error);
        let address = listener.local_addr().map_err(failed)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::spawn(answer(listener, routes, connections, patience));
                let _dropped = stopped.await;
            });
            // What is still being answered ends with the runtime.
        };
        let thread = Builder::new().name("page".into()).spawn(serve).map_err(failed)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address, with the port that was found.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        url(self.address)
    }

    /// Whether nobody is answered any more.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Nobody is answered any more when this returns.
    pub(super) fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _broken = thread.join();
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end();
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
