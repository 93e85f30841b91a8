//! One connection to a server: what goes wrong on it, and how it is made again when it is lost.

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use postgres::error::Severity;
use postgres::{Client, NoTls, Statement};

use super::url::PostgresUrl;
use crate::error::{Error, ErrorKind, Place, Result};

/// How long a lost server is waited for: it takes some seconds to start again.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long between two attempts at that.
const PAUSE: Duration = Duration::from_millis(250);

/// So that the server ends the transaction of a program whose machine is gone, and what it has locked, within minutes.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '5min'; SET tcp_keepalives_idle = 60; \
                        SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6";

/// A connection, and what was prepared on it.
pub(super) struct Session {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
    /// Whether it has its temporary tables.
    pub(super) can_write: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("can_write", &self.can_write).finish_non_exhaustive()
    }
}

/// A result whose error is [`Failed`].
pub(super) type Tried<T> = std::result::Result<T, Failed>;

/// Why something could not be done on a connection.
#[derive(Debug)]
pub(in crate::streaming::store) enum Failed {
    /// What the server or the way to it said.
    Sql(postgres::Error),
    /// The same, after some of the rows that were asked for have been shown.
    Midway(postgres::Error),
    /// A row that is not what it must be.
    Row(String),
    /// What must not be done.
    Refused(Error),
}

impl From<postgres::Error> for Failed {
    fn from(error: postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failed {
    /// Whether nothing was done and a new connection may do it.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Sql(error) if is_lost(error))
    }

    /// Whether the transaction stood in the way of another one, and may not when it is tried again.
    pub(super) fn is_conflict(&self) -> bool {
        // A serialization failure, or a deadlock.
        matches!(self, Self::Sql(error) if error.code().is_some_and(|code| ["40001", "40P01"].contains(&code.code())))
    }

    /// What to tell of it.
    pub(super) fn said(&self, url: &PostgresUrl) -> Error {
        match self {
            Self::Sql(error) | Self::Midway(error) => failed(url, error),
            Self::Row(message) => Error::new(ErrorKind::Store, message).at(place(url)),
            Self::Refused(error) => error.clone().at(place(url)),
        }
    }
}

impl Session {
    /// Connects.
    pub(super) fn open(url: &PostgresUrl) -> Result<Self> {
        connect(url).map_err(|error| failed(url, &error))
    }

    /// Connects again, waiting for a server that is on its way.
    pub(super) fn open_again(url: &PostgresUrl) -> Result<Self> {
        let began = Instant::now();
        loop {
            match connect(url) {
                Err(error) if is_away(&error) && began.elapsed() < PATIENCE => thread::sleep(PAUSE),
                connected => return connected.map_err(|error| failed(url, &error)),
            }
        }
    }

    /// The statement, prepared once.
    pub(super) fn prepare(&mut self, sql: &str) -> std::result::Result<Statement, postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn connect(url: &PostgresUrl) -> std::result::Result<Session, postgres::Error> {
    let mut client = url.config()?.connect(NoTls)?;
    client.batch_execute(SETTINGS)?;
    Ok(Session { client, statements: HashMap::new(), can_write: false })
}

/// Where the store is, for messages.
pub(super) fn place(url: &PostgresUrl) -> Place {
    Place::Url(url.to_string())
}

/// Whether the connection is no more.
fn is_lost(error: &postgres::Error) -> bool {
    match error.as_db_error() {
        Some(said) => matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)),
        None => error.is_closed() || is_io(error),
    }
}

/// Whether a server that could not be connected to may be there soon.
fn is_away(error: &postgres::Error) -> bool {
    // It starts or ends, or all its connections are taken, as by those that were just lost.
    error.code().map_or_else(|| is_io(error), |code| ["57P03", "57P01", "53300"].contains(&code.code()))
}

fn is_io(error: &postgres::Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// What the server or the way to it said, with the way out where one is known.
fn failed(url: &PostgresUrl, error: &postgres::Error) -> Error {
    const NO_SERVER: &str =
        "start one by `.ci/postgres start` or `docker compose up --wait`, or see that the address is right";
    const PASSWORD: &str = "give the right one, postgres://USER:PASSWORD@HOST/DATABASE or in PGPASSWORD";
    let cause = error.source().map(ToString::to_string);
    let Some(said) = error.as_db_error() else {
        let message = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        let error_is = |text: &str| message.contains(text);
        let told = Error::new(ErrorKind::Store, &message).at(place(url));
        return match () {
            () if error_is("password missing") => {
                Error::new(ErrorKind::Store, "asks for a password").at(place(url)).way_out(PASSWORD)
            }
            () if is_io(error) || error_is("connecting to server") || error.is_closed() => told.way_out(NO_SERVER),
            () => told,
        };
    };
    let message = match said.detail() {
        Some(detail) => format!("{} ({detail})", said.message()),
        None => said.message().to_owned(),
    };
    let told = Error::new(ErrorKind::Store, message).at(place(url));
    match said.code().code() {
        "3D000" => told.way_out(format!("make it: createdb {}, with the server's -h, -p and -U", url.database())),
        "28P01" => told.way_out(PASSWORD),
        "28000" => {
            told.way_out("see that there is this user (createuser), and that the server's pg_hba.conf lets it in")
        }
        "42501" => told.way_out("let the database's owner run this once, and grant what this user needs"),
        "25006" => told.way_out("give the address of a server that takes changes: this one only follows another"),
        "53100" => told.way_out("make room on the server's disk"),
        "53300" => told.way_out("end other programs that are connected to it, or raise its max_connections"),
        "57P03" => told.way_out("wait until it has started"),
        _ => told,
    }
}
