//! The server: one thread that answers, one that reads, and their end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::address::ServeAddress;
use super::listening::{Listening, bind};
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
    listening: Listening,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Shows at `address` what `store` holds, now and later, divided into `zones`.
    ///
    /// The store is a connection of the page's own, while an engine, in this program or in another, writes to the same one.
    /// An error if nobody may listen there, or if the store cannot be read.
    pub fn start(address: ServeAddress, store: Box<dyn Store>, zones: Zones, settings: ServeSettings) -> Result<Self> {
        let listener = bind(address, "the page", "--serve 127.0.0.1:8081, or --serve 0 for any free port")?;
        let mut reader = Reader::new(store, zones, settings);
        let (told, page) = watch::channel(Arc::new(reader.first()?));
        let (questions, asked) = sync_channel(settings.questions);
        let desk = Desk { page, questions, streams: Arc::new(Semaphore::new(settings.streams)), settings };
        let listening = Listening::start(listener, router(desk), settings.connections, settings.patience)?;
        let read = Builder::new().name("page-reader".into()).spawn(move || reader.run(&asked, &told));
        let failed = |error| Error::new(ErrorKind::Network, error).at(Place::Url(listening.url()));
        Ok(Self { reader: Some(read.map_err(failed)?), listening })
    }

    /// The address that it listens at; where port 0 was asked for, with the port that was found.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The page's address for a browser.
    pub fn url(&self) -> String {
        self.listening.url()
    }

    /// Goes on serving until `stop` is requested; an error if the server itself breaks down.
    pub fn wait(self, stop: &Stop) -> Result<()> {
        while !stop.wait(GLANCE) {
            if self.listening.has_ended() || self.reader.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(Error::new(ErrorKind::Network, "the page is not shown any more").at(Place::Url(self.url())));
            }
        }
        Ok(())
    }
}

/// Nobody is answered any more when this returns.
impl Drop for Server {
    fn drop(&mut self) {
        self.listening.end();
        if let Some(reader) = self.reader.take() {
            let _broken = reader.join();
        }
    }
}
