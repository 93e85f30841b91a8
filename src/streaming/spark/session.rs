//! A Spark server, spoken to by Spark Connect.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use spark_connect::{DataFrame, SparkError, SparkSession};

use super::wait::unique;
use crate::error::{Error, ErrorKind, Place, Result};

/// The port of Spark Connect where the address names none.
const PORT: u16 = 15002;

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take to open a session; a server that has just started takes some seconds.
const ANSWER: Duration = Duration::from_secs(60);

/// How long after its connection broke a server may take to close its port, which tells that it has gone.
const ENDING: Duration = Duration::from_secs(5);

/// How often to look for that.
const LOOK: Duration = Duration::from_millis(100);

/// Codes of gRPC: "Status codes and their use in gRPC", its documentation.
const CANCELLED: i32 = 1;
const UNKNOWN: i32 = 2;
const PERMISSION_DENIED: i32 = 7;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

/// The version that a server must be of: that of the protocol this speaks, and of the functions it asks for.
const MAJOR: &str = "4";

/// A session on a Spark server: what it is told to name stays its own. It ends when this is dropped.
pub struct Spark {
    /// `sc://HOST:PORT`: what else was given may be a secret.
    url: String,
    /// Where it listens, `HOST:PORT`.
    address: String,
    version: String,
    session: SparkSession,
    /// Held by who asks: how a question ended is told of the session's last one alone.
    pub(super) turn: Arc<Mutex<()>>,
}

impl Spark {
    /// Opens a session on the server at `sc://HOST[:PORT][/;PARAMETER=VALUE...]`, as Spark Connect writes addresses. A usage
    /// error for an address of another kind; an error that names it where nothing answers, or another version than 4.
    pub fn connect(url: &str) -> Result<Self> {
        let address = address(url)?;
        let shown = format!("sc://{address}");
        reach(&shown, &address)?;
        let (session, version) = opened(url, &shown, &address)?;
        suits(&version).map_err(|error| error.at(Place::Url(shown.clone())))?;
        Ok(Self { url: shown, address, version, session, turn: Arc::default() })
    }

    /// The server's version, such as `4.2.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its address, `sc://HOST:PORT`, without the parameters: a token may be among them.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the server still takes connections. The client would try again for an hour where none does.
    pub(crate) fn reach(&self) -> Result<()> {
        reach(&self.url, &self.address)
    }

    pub(crate) fn session(&self) -> &SparkSession {
        &self.session
    }

    /// The table that a query answers with; it is asked for when its rows are.
    pub(crate) fn sql(&self, query: &str) -> Result<DataFrame> {
        self.done(self.session.sql(query))
    }

    /// Gives a table a name in this session, in place of what had it.
    pub(crate) fn name(&self, table: &DataFrame, name: &str) -> Result<()> {
        let (table, name) = (table.clone(), name.to_owned());
        self.wait_for(move || table.create_or_replace_temp_view(&name))
    }

    /// An error of the server's about a path, told at that path with its way out. Of one that has a way out it is not the path, nor
    /// where the server or the session is in trouble whatever the path.
    pub(crate) fn about(&self, error: Error, path: &str, way_out: &str) -> Error {
        let of_server = ["OutOfMemory", "INVALID_HANDLE", "OPERATION_CANCELED", "OPERATION_ABANDONED"];
        if error.has_way_out() || of_server.iter().any(|sign| error.message().contains(sign)) {
            return error;
        }
        let what = format!("the Spark server at {}: {}", self.url, error.message());
        Error::new(ErrorKind::Spark, what).at(Place::file(path)).way_out(way_out)
    }

    /// A text that no other session has. The server gives out a table that it holds in its memory to whoever asks for one that is made
    /// in the same way, also when its files are others by now and the session that wanted it held is gone: this makes a table this
    /// session's own.
    pub(crate) fn own(&self) -> String {
        // The session may have been named in the address, with the same name each time.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("{} {} {now} {}", self.session.session_id(), std::process::id(), unique("own"))
    }

    /// What the client answered, with its error as ours.
    pub(crate) fn done<T>(&self, answer: std::result::Result<T, SparkError>) -> Result<T> {
        answer.map_err(|error| failed(&self.url, &self.address, &error))
    }
}

impl std::fmt::Debug for Spark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spark").field("url", &self.url).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        if self.reach().is_ok() {
            // The server ends it by itself where this fails, after an hour.
            let _ = self.session.stop();
        }
    }
}

/// `HOST:PORT` of an address of Spark Connect. Of its parameters only the names are ever told: a token may be among them.
fn address(url: &str) -> Result<String> {
    let (host, parameters) = match url.strip_prefix("sc://") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", ""),
    };
    if host.is_empty() || host.contains([';', '?', '#', '=']) {
        let given = url.split([';', '?', '#', '=']).next().unwrap_or_default();
        return Err(Error::usage("--spark", format!("`{given}` is no address of Spark Connect"))
            .way_out(format!("write sc://HOST:{PORT}, or sc://HOST:{PORT}/;NAME=VALUE")));
    }
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        if name.is_empty() || value.contains(['=', '/']) {
            return Err(Error::usage("--spark", format!("what stands behind `{host}/` are no parameters: {name}"))
                .way_out("write ;NAME=VALUE, in the value %3D for = and %2F for /"));
        }
    }
    // In brackets an address of IPv6 holds colons of its own.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { host.to_owned() } else { format!("{host}:{PORT}") })
}

/// A session, and the server's version.
fn opened(url: &str, shown: &str, address: &str) -> Result<(SparkSession, String)> {
    let asked = url.to_owned();
    let open = move || -> std::result::Result<_, SparkError> {
        let session = SparkSession::builder().remote(&asked).get_or_create()?;
        let version = session.version()?;
        // Times without an offset are UTC, as everywhere here, and so are those that it writes.
        session.conf().set("spark.sql.session.timeZone", "UTC")?;
        Ok((session, version))
    };
    // What accepts a connection need not be a Spark, and the client would wait for its answer without end.
    let (to_me, answer) = mpsc::channel();
    thread::spawn(move || drop(to_me.send(open())));
    let silent = |_| {
        Error::new(ErrorKind::Spark, format!("what listens there does not answer as Spark Connect within {ANSWER:?}"))
            .at(Place::Url(shown.to_owned()))
            .way_out("give the address of a Spark Connect server by --spark sc://HOST:PORT")
    };
    answer.recv_timeout(ANSWER).map_err(silent)?.map_err(|error| failed(shown, address, &error))
}

fn reach(url: &str, address: &str) -> Result<()> {
    let away = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Spark, format!("no Spark Connect server answers: {error}"))
            .at(Place::Url(url.to_owned()))
            .way_out("start one, as the README says, or give its address by --spark sc://HOST:PORT")
    };
    let mut addresses = address.to_socket_addrs().map_err(|error| away(&error))?.peekable();
    let mut reached = Err(std::io::Error::from(std::io::ErrorKind::AddrNotAvailable));
    while let (Err(_), Some(address)) = (&reached, addresses.next()) {
        reached = TcpStream::connect_timeout(&address, PATIENCE);
    }
    reached.map(drop).map_err(|error| away(&error))
}

/// What the client's error says. Where it is none of the server's but that of a connection, the server may be about to go, and
/// then it is that which is told.
fn failed(url: &str, address: &str, error: &SparkError) -> Error {
    // What Spark answers has details: its class and the message's parameters. The codes are gRPC's.
    match error.grpc_code.filter(|_| error.grpc_details.is_none()) {
        Some(CANCELLED | UNKNOWN | INTERNAL | UNAVAILABLE) => {}
        Some(UNIMPLEMENTED) => {
            return of_spark(url, error)
                .way_out("give the address of a Spark Connect server by --spark sc://HOST:PORT");
        }
        Some(PERMISSION_DENIED | UNAUTHENTICATED) => {
            return of_spark(url, error).way_out("give the token that it wants: --spark \"sc://HOST:PORT/;token=...\"");
        }
        _ => return of_spark(url, error),
    }
    let broken = Instant::now();
    while broken.elapsed() < ENDING {
        if let Err(away) = reach(url, address) {
            return away;
        }
        thread::sleep(LOOK);
    }
    of_spark(url, format!("the connection broke: {error}")).way_out("the server is there: start again")
}

fn suits(version: &str) -> Result<()> {
    if version.split('.').next() == Some(MAJOR) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Spark, format!("the server is Spark {version}"))
        .way_out(format!("Spark {MAJOR} is needed; 4.2.0 is what this was tested with")))
}

/// An error of Spark's on one line: its own first lines, without the stack and the plan that follow them.
pub(crate) fn of_spark(url: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Spark, first_lines(&error.to_string())).at(Place::Url(url.to_owned()))
}

/// What an error of the JVM says before its stack and its plan, on one line.
pub(crate) fn first_lines(text: &str) -> String {
    let of_stack = |line: &str| line.starts_with("at ") || line.starts_with("=== ") || line.starts_with("'");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("JVM stacktrace"));
    lines.take_while(|line| !of_stack(line)).take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_spark_connect() {
        assert_eq!(address("sc://127.0.0.1:15002").unwrap(), "127.0.0.1:15002");
        assert_eq!(address("sc://spark/;user_id=a;use_ssl=true").unwrap(), "spark:15002");
        assert_eq!(address("sc://[::1]").unwrap(), "[::1]:15002");
        for wrong in ["127.0.0.1:15002", "spark://host:7077", "sc://", ""] {
            let error = address(wrong).unwrap_err();
            let said = format!(
                "--spark: `{wrong}` is no address of Spark Connect; write sc://HOST:15002, or sc://HOST:15002/;NAME=VALUE"
            );
            assert_eq!((error.to_string(), error.exit_code()), (said, 2));
        }
        for wrong in [
            "http://host/;token=secret",
            "sc://host;token=secret",
            "sc://host?token=secret",
            "sc://host/;token=secret==",
            "sc://host/;token=a/secret",
            "sc://host/secret",
        ] {
            let error = address(wrong).unwrap_err();
            assert!(error.exit_code() == 2 && !error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_server_that_is_away_is_named_at_once() {
        // Whatever listened there has gone.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("sc://127.0.0.1:{port}");
        let error = Spark::connect(&format!("{url}/;token=secret")).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Spark, 1));
        assert!(error.to_string().starts_with(&format!("{url}: no Spark Connect server answers: ")), "{error}");
    }

    #[test]
    fn a_server_that_goes_while_it_is_asked_is_told_from_a_connection_that_broke() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (url, broken) = (format!("sc://{address}"), || {
            let mut error = SparkError::connect_msg("[Unknown error] transport error");
            error.grpc_code = Some(2);
            error
        });
        let said =
            format!("{url}: the connection broke: [Unknown error] transport error; the server is there: start again");
        assert_eq!(failed(&url, &address, &broken()).to_string(), said);
        let mut answered = broken();
        (answered.message, answered.grpc_details) = ("[TABLE_OR_VIEW_NOT_FOUND] none".to_owned(), Some(vec![8]));
        assert_eq!(failed(&url, &address, &answered).to_string(), format!("{url}: [TABLE_OR_VIEW_NOT_FOUND] none"));
        for (code, way_out) in [(16, "token=..."), (12, "give the address of a Spark Connect server")] {
            let mut refused = SparkError::connect_msg("[refused] no");
            refused.grpc_code = Some(code);
            let said = failed(&url, &address, &refused).to_string();
            assert!(said.starts_with(&format!("{url}: [refused] no; ")) && said.contains(way_out), "{said}");
        }
        // Its port closes only a while after its connection.
        let ends = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(listener);
        });
        let error = failed(&url, &address, &broken());
        assert!(error.to_string().starts_with(&format!("{url}: no Spark Connect server answers: ")), "{error}");
        ends.join().unwrap();
    }

    #[test]
    fn a_server_of_another_version_is_refused() {
        assert!(["4.0.0", "4.2.0"].map(|version| suits(version).is_ok()) == [true; 2]);
        let said = "the server is Spark 3.5.6; Spark 4 is needed; 4.2.0 is what this was tested with";
        assert_eq!(suits("3.5.6").unwrap_err().to_string(), said);
    }

    #[test]
    fn an_error_of_the_server_is_one_line() {
        let said = "[PATH_NOT_FOUND] Path does not exist: file:/none. SQLSTATE: 42K03\n\nJVM stacktrace:\norg.apache.spark.sql\n\tat x";
        assert_eq!(
            first_lines(said),
            "[PATH_NOT_FOUND] Path does not exist: file:/none. SQLSTATE: 42K03 org.apache.spark.sql"
        );
    }
}
