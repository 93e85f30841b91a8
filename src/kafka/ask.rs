//! A question from one thread to another, which answers when it comes to it.

use std::sync::mpsc::{self, Sender, SyncSender};

use crate::error::{Error, ErrorKind, Result};

/// Sends the question, which holds the way back, and waits for the answer; an error if the other thread has ended.
pub(crate) fn ask<E, T>(to_work: &SyncSender<E>, question: impl FnOnce(Sender<T>) -> E) -> Result<T> {
    let (to_me, answer) = mpsc::channel();
    to_work.send(question(to_me)).map_err(|_| stopped())?;
    answer.recv().map_err(|_| stopped())
}

/// Nobody is there any more to take what is read.
pub(crate) fn stopped() -> Error {
    Error::new(ErrorKind::Kafka, "reading was stopped")
}
