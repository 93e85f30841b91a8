//! The server: one thread that answers, one that reads, and their end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Semaphore, oneshot, watch};

use super::address::ServeAddress;
use super::limits::answer;
use super::reader::Reader;
use super::routes::{Desk, router};
use super::settings::ServeSettings;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::Stop;
use crate::streaming::{Store, Zones};

/// How often it is looked at whether the server is still well.
const GLANCE: Duration = Duration::from_secs(1);

/// A live page at an address, for as long as the value lives.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Shows at `address` what `store` holds, now and later, divided into `zones`.
    ///
    /// The store is a connection of the page's own, while an engine, in this program or in another, writes to the same one.
    /// An error if nobody may listen there, or if the store cannot be read.
    pub fn start(address: ServeAddress, store: Box<dyn Store>, zones: Zones, settings: ServeSettings) -> Result<Self> {
        let place = Place::Url(url(address.socket()));
        let failed = |error: std::io::Error| {
            let way_out = "give another address, as in --serve 127.0.0.1:8081, or --serve 0 for any free port";
            Error::new(ErrorKind::Network, format!("the page cannot be shown there: {error}"))
                .at(place.clone())
                .way_out(way_out)
        };
        let listener = TcpListener::bind(address.socket()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let mut reader = Reader::new(store, zones, settings);
        let (told, page) = watch::channel(Arc::new(reader.first()?));
        let (questions, asked) = sync_channel(settings.questions);
        let desk = Desk { page, questions, streams: Arc::new(Semaphore::new(settings.streams)), settings };
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::spawn(answer(listener, router(desk), settings.connections, settings.patience));
                let _dropped = stopped.await;
            });
            // What is still being answered ends with the runtime, and then the reader, whom nobody can ask any more.
        };
        let mut server = Self { address, stop: Some(stop), threads: vec![] };
        server.threads.push(Builder::new().name("page".into()).spawn(serve).map_err(failed)?);
        let read = move || reader.run(&asked, &told);
        server.threads.push(Builder::new().name("page-reader".into()).spawn(read).map_err(failed)?);
        Ok(server)
    }

    /// The address that it listens at; where port 0 was asked for, with the port that was found.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address for a browser.
    pub fn url(&self) -> String {
        url(self.address)
    }

    /// Goes on serving until `stop` is requested; an error if the server itself breaks down.
    pub fn wait(self, stop: &Stop) -> Result<()> {
        while !stop.wait(GLANCE) {
            if self.threads.iter().any(JoinHandle::is_finished) {
                return Err(Error::new(ErrorKind::Network, "the page is not shown any more").at(Place::Url(self.url())));
            }
        }
        Ok(())
    }
}

/// Nobody is answered any more when this returns.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            let _broken = thread.join();
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
