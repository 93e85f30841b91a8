//! The address of a PostgreSQL database, which never shows its password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postgres::Config;

use crate::error::Error;

/// How long to wait for a server that does not answer, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how long a silent server is asked whether it is still there, how long each answer may take, and how often it is asked.
/// The system's own two hours would let the program wait as long.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(10), 6);

/// What may be asked of the encryption of a connection. There is none, so nothing that insists on it.
const POSSIBLE_SSL_MODES: [&str; 2] = ["disable", "prefer"];

/// A PostgreSQL database, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE`. Without a port it is 5432, without a
/// user whoever runs the program, and without a password what `PGPASSWORD` holds in the environment, if anything. Of libpq's
/// options those that concern a connection without encryption are known, such as `connect_timeout` in seconds,
/// `application_name` and `options`; a folder of a socket is given as `?host=/var/run/postgresql`.
///
/// It is shown, also by `Debug`, with `***` for the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// With its password.
    written: String,
    shown: String,
    database: String,
}

impl PostgresUrl {
    /// What is needed to connect.
    pub(super) fn config(&self) -> Result<Config, postgres::Error> {
        let mut config: Config = self.written.parse()?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let (idle, interval, retries) = KEEPALIVE;
        config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
        if config.get_application_name().is_none() {
            config.application_name("velib");
        }
        Ok(config)
    }

    /// The name of the database.
    pub(super) fn database(&self) -> &str {
        &self.database
    }
}

impl FromStr for PostgresUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let shown = without_password(url);
        let refused = |message: String| Error::usage("--store", message);
        if let Some((_, mode)) =
            options(url).find(|&(key, mode)| key == "sslmode" && !POSSIBLE_SSL_MODES.contains(&mode))
        {
            return Err(refused(format!(
                "sslmode={mode} is not possible: connections to PostgreSQL are not encrypted"
            ))
            .way_out(
                "leave it out, and reach a server elsewhere through a tunnel, as by ssh -L 5432:localhost:5432 HOST",
            ));
        }
        let unclear = |what: &str| refused(format!("`{shown}` {what}")).way_out("write postgres://USER@HOST/DATABASE");
        let config: Config = url.parse().map_err(|error: postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            unclear(&format!("is no address of a database ({cause})"))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unclear("names no host"));
        }
        let Some(database) = config.get_dbname().map(str::to_owned) else {
            return Err(unclear("names no database"));
        };
        Ok(Self { written: url.to_owned(), shown, database })
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

/// The options of an address, as they are written.
fn options(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let options = url.split_once('?').map_or("", |(_, options)| options);
    options.split('&').filter_map(|option| option.split_once('='))
}

/// The address with `***` in the place of whatever may be a password, also where it is written wrongly.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (who, rest) = rest.rsplit_once('@').map_or((None, rest), |(who, rest)| (Some(who), rest));
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let mut shown = format!("{scheme}://");
    if let Some(who) = who {
        shown += who.split_once(':').map_or(who, |(user, _)| user);
        shown += if who.contains(':') { ":***@" } else { "@" };
    }
    shown += place;
    for (nth, option) in options.split('&').filter(|option| !option.is_empty()).enumerate() {
        shown += if nth == 0 { "?" } else { "&" };
        // A key that is encoded may be any.
        shown += &match option.split_once('=') {
            Some((key, _)) if key.contains("password") || key.contains('%') => format!("{key}=***"),
            _ => option.to_owned(),
        };
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let cases = [
            ("postgres://velib@127.0.0.1:15432/velib", "postgres://velib@127.0.0.1:15432/velib"),
            ("postgresql://h/velib", "postgresql://h/velib"),
            ("postgres://u:secret@h/velib?connect_timeout=3", "postgres://u:***@h/velib?connect_timeout=3"),
            ("postgres://u:sec/ret@h:1/velib", "postgres://u:***@h:1/velib"),
            ("postgres://u:sec%40:ret@h:1/velib", "postgres://u:***@h:1/velib"),
            ("postgres://u@h/velib?password=secret&user=u", "postgres://u@h/velib?password=***&user=u"),
            ("postgres://u@h/velib?pass%77ord=secret", "postgres://u@h/velib?pass%77ord=***"),
            ("postgres://u@/velib?host=/var/run/postgresql", "postgres://u@/velib?host=/var/run/postgresql"),
        ];
        for (written, shown) in cases {
            let url: PostgresUrl = written.parse().unwrap();
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), format!("PostgresUrl({shown})")));
            assert!(!format!("{:?}", url.config().unwrap()).contains("secret"));
        }
    }

    #[test]
    fn what_is_no_address_is_wrong_usage_and_not_shown_with_its_password_either() {
        let cases = [
            (
                "postgres://u:secret@h:x/velib",
                "`postgres://u:***@h:x/velib` is no address of a database (invalid value",
            ),
            ("postgres://u:secret@h/velib?a=b", "`postgres://u:***@h/velib?a=b` is no address of a database (unknown"),
            ("postgres://u:se@cret@h/velib?a", "`postgres://u:***@h/velib?a` is no address of a database"),
            ("postgres://u:secret@/velib", "`postgres://u:***@/velib` names no host; write postgres://USER@HOST"),
            ("postgres://u:secret@h", "`postgres://u:***@h` names no database; write postgres://USER@HOST/DATABASE"),
            (
                "postgres://u:secret@h/v?sslmode=require",
                "sslmode=require is not possible: connections to PostgreSQL are not",
            ),
            ("postgres://u:secret@h/v?sslmode=verify-full", "sslmode=verify-full is not possible"),
        ];
        for (written, said) in cases {
            let error = written.parse::<PostgresUrl>().unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(&format!("--store: {said}")) && message.contains("; "), "{message}");
            assert!(error.exit_code() == 2 && !message.contains("cret"), "{message}");
        }
        assert!("postgres://h/velib?sslmode=disable".parse::<PostgresUrl>().is_ok());
    }
}
