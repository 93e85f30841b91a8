//! One error type for the whole crate: what kind of failure it is, where it happened, what was wrong, and the way out.
//!
//! Nothing of a dependency shows through it, so that a new version of polars or librdkafka breaks no caller. An example's
//! exit code follows from the kind: 2 for wrong usage, 1 for every other failure ([`Error::exit_code`]).

use std::fmt;
use std::path::{Path, PathBuf};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What failed, where, and what to do about it.
///
/// Displayed as `place: message; way out` on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    place: Option<Place>,
    message: String,
    way_out: Option<String>,
    is_disk_full: bool,
}

/// The kinds of failure that a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option or an argument that cannot be right, whatever the data: found before work starts.
    Usage,
    /// A file or folder that cannot be read or written.
    Io,
    /// A server that cannot be reached, or that answers with an error.
    Network,
    /// An answer that is not what the feed's specification says.
    Feed,
    /// A table whose columns or rows do not fit what is asked of them.
    Data,
    /// The broker, a topic or a message.
    Kafka,
    /// The database that keeps the streaming statistics.
    Store,
    /// The Spark server, or what it was asked.
    Spark,
    /// Training, evaluating, saving or loading a forecast.
    Model,
    /// Drawing a figure.
    Figure,
}

/// Where a failure, or a record that was set aside, comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An address that was asked.
    Url(String),
    /// A file, with the line (from 1) where it is known.
    File {
        /// The file's path as it was given.
        path: PathBuf,
        /// The line in it, from 1.
        line: Option<u64>,
    },
    /// A Kafka broker list, `HOST:PORT[,HOST:PORT]`.
    Brokers(String),
    /// A Kafka topic.
    Topic(String),
    /// One message of a Kafka topic.
    Message {
        /// The topic.
        topic: String,
        /// The partition, from 0.
        partition: i32,
        /// The offset in the partition.
        offset: i64,
    },
    /// A station, by its code.
    Station(String),
    /// An option of the command line, with its dashes.
    Option(&'static str),
}

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        Self(Box::new(Inner { kind, place: None, message, way_out: None, is_disk_full: false }))
    }

    /// A file that could not be read or written.
    pub fn io(path: impl AsRef<Path>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let mut io = Self::new(ErrorKind::Io, error).at(Place::file(path));
        io.0.is_disk_full = matches!(error.kind(), StorageFull | QuotaExceeded);
        io
    }

    /// An option whose value cannot be right.
    pub fn usage(option: &'static str, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Usage, message).at(Place::Option(option))
    }

    /// The same error, with the place where it happened. A place that is already known is kept: the innermost is the most exact.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// The same error, with what the reader can do about it.
    #[must_use]
    pub fn way_out(mut self, way_out: impl fmt::Display) -> Self {
        self.0.way_out = Some(way_out.to_string());
        self
    }

    /// Which kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Where it happened, if that is known.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What was wrong, without its place and its way out.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether it says what can be done.
    #[cfg(feature = "spark")]
    pub(crate) fn has_way_out(&self) -> bool {
        self.0.way_out.is_some()
    }

    /// Whether it is that no more can be written until somebody makes room.
    pub fn is_disk_full(&self) -> bool {
        self.0.is_disk_full
    }

    /// The exit code of a program that ends with this error: 2 for wrong usage, 1 for any other failure.
    pub fn exit_code(&self) -> u8 {
        if self.0.kind == ErrorKind::Usage { 2 } else { 1 }
    }
}

impl Place {
    /// A file as a whole.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), line: None }
    }

    /// A line (from 1) of a file.
    pub fn line(path: impl AsRef<Path>, line: u64) -> Self {
        Self::File { path: path.as_ref().to_path_buf(), line: Some(line) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(way_out) = &self.0.way_out {
            write!(f, "; {way_out}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::Brokers(brokers) => write!(f, "Kafka at {brokers}"),
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::Message { topic, partition, offset } => {
                write!(f, "topic {topic}, partition {partition}, offset {offset}")
            }
            Self::Station(code) => write!(f, "station {code}"),
            Self::Option(option) => f.write_str(option),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_place_message_and_way_out_in_that_order() {
        let error =
            Error::new(ErrorKind::Data, "no column `duedate`").at(Place::line("a.csv", 1)).way_out("see the README");
        assert_eq!(error.to_string(), "a.csv:1: no column `duedate`; see the README");
        assert_eq!((error.kind(), error.message(), error.exit_code()), (ErrorKind::Data, "no column `duedate`", 1));
    }

    #[test]
    fn the_innermost_place_is_kept() {
        let error = Error::new(ErrorKind::Kafka, "x").at(Place::Topic("velib".into())).at(Place::Brokers("h:1".into()));
        assert_eq!(error.to_string(), "topic velib: x");
    }

    #[test]
    fn wrong_usage_exits_with_2() {
        let error = Error::usage("--every", "`soon` is not a duration").way_out("write 60s, 10m or 1h");
        assert_eq!(error.to_string(), "--every: `soon` is not a duration; write 60s, 10m or 1h");
        assert_eq!(error.exit_code(), 2);
    }
}
