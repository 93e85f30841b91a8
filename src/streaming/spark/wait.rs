//! Waiting for a server that may go away. The client would ask again for an hour, without a word; so it asks on a thread of
//! its own, and whoever waits looks every second whether the server is still there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use spark_connect::row::{Row, Value};
use spark_connect::{DataFrame, SparkError};

use super::session::{Spark, of_spark};
use crate::error::{Error, Result};

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

impl Spark {
    /// What the server answers, or the error that it is not there any more.
    pub(crate) fn wait_for<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> std::result::Result<T, SparkError> + Send + 'static,
    ) -> Result<T> {
        self.reach()?;
        let (to_me, answer) = mpsc::channel();
        // Where nobody waits any more the answer is not needed.
        thread::spawn(move || drop(to_me.send(ask())));
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return self.done(answer),
                Err(RecvTimeoutError::Timeout) => self.reach()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(of_spark(self.url(), "its client has failed").way_out("start again"));
                }
            }
        }
    }

    /// The rows of a table: all of them, or an error.
    pub(crate) fn rows(&self, table: &DataFrame) -> Result<Vec<Row>> {
        let ask = self.asking(table);
        self.wait_for(ask)?.ok_or_else(|| self.broken_off())
    }

    /// The rows of a table that Spark reads from the files at a path; `None` if it finds nothing there. `way_out` is that of a path
    /// that it cannot read.
    pub(crate) fn rows_of_files(&self, table: &DataFrame, path: &str, way_out: &str) -> Result<Option<Vec<Row>>> {
        let ask = self.asking(table);
        let rows = self.wait_for(|| match ask() {
            Err(error) if error.message().contains("PATH_NOT_FOUND") => Ok(Some(None)),
            rows => rows.map(|rows| rows.map(Some)),
        });
        let rows = rows.map_err(|error| self.about(error, path, way_out))?;
        rows.ok_or_else(|| self.broken_off())
    }

    /// What asks for the rows of a table; `None` if the server broke off before their end. A server ends what it sends after two
    /// minutes, if it is not told otherwise, and expects to be asked for the rest; the client takes that for the end of the rows.
    /// Behind the last row the server says what the query has cost: where that is missing, so are rows.
    fn asking(
        &self,
        table: &DataFrame,
    ) -> impl FnOnce() -> std::result::Result<Option<Vec<Row>>, SparkError> + Send + 'static {
        let (table, turn) = (table.clone(), Arc::clone(&self.turn));
        move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = table.collect()?;
            Ok(table.execution_info()?.metrics.map(|_| rows))
        }
    }

    fn broken_off(&self) -> Error {
        of_spark(self.url(), "it broke off its answer, as a server does after two minutes unless it is told otherwise")
            .way_out("start it with --conf spark.connect.execute.reattachable.senderMaxStreamDuration=0")
    }

    /// The first column of a table, of texts.
    pub(super) fn texts(&self, table: &DataFrame) -> Result<Vec<String>> {
        Ok(texts(self.rows(table)?))
    }

    /// The first lines of the text files in a folder of the server's; `None` if there is no such folder. Of a folder whose
    /// name begins with `_`, as Spark's own do, none.
    pub(super) fn lines(&self, folder: &str) -> Result<Option<Vec<String>>> {
        let rows = self.rows_of_files(
            &self.session().read().text(folder).limit(10),
            folder,
            "give a --checkpoint and an --out that it can read and write",
        )?;
        Ok(rows.map(texts))
    }
}

/// A name for a view that nothing else in the session has.
pub(crate) fn unique(what: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("velib_{what}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn texts(rows: Vec<Row>) -> Vec<String> {
    let text = |row: Row| match row.into_values().into_iter().next() {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    rows.into_iter().filter_map(text).collect()
}
