//! What a long run tells on stderr: plain lines for whoever sits at a terminal; elsewhere, where nobody knows any more when a
//! line was written, a log with time and level, to which the Kafka client's own messages go too.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::filter::LevelFilter;

static IS_ON: AtomicBool = AtomicBool::new(false);

/// Begins the log, where stderr is no terminal. `RUST_LOG` names the least level that is told: error, warn, info (the
/// default), debug or off.
pub fn start() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        // Nor does it end the work when nobody reads stderr any more.
        .log_internal_errors(false);
    if !io::stderr().is_terminal() && log.try_init().is_ok() {
        IS_ON.store(true, Ordering::Relaxed);
        // Fails only if there is a logger already, which serves as well.
        let _there = ::log::set_logger(&Libraries).map(|()| ::log::set_max_level(::log::LevelFilter::Debug));
    }
}

/// Takes in what the Kafka client and others tell by the crate `log`; the log's level says what of it is shown.
struct Libraries;

impl ::log::Log for Libraries {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        let text = record.args();
        // That brokers are away the work itself tells, and when the embedded one ends there is nothing to tell.
        if text.to_string().contains("AllBrokersDown") {
            return tracing::debug!("{text}");
        }
        match record.level() {
            ::log::Level::Error => tracing::error!("{text}"),
            ::log::Level::Warn => tracing::warn!("{text}"),
            ::log::Level::Info => tracing::info!("{text}"),
            ::log::Level::Debug | ::log::Level::Trace => tracing::debug!("{text}"),
        }
    }

    fn flush(&self) {}
}

/// The work begins: what it needs is there. Only for the log.
pub fn begins(program: &str) {
    if is_on() {
        note(format_args!("{program} {} begins, process {}", env!("CARGO_PKG_VERSION"), std::process::id()));
    }
}

/// Whether there is a log.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// What is as it should be.
pub fn note(text: impl Display) {
    if is_on() {
        tracing::info!("{text}");
    } else {
        plain(text);
    }
}

/// What somebody should look at.
pub fn warn(text: impl Display) {
    if is_on() {
        tracing::warn!("{text}");
    } else {
        plain(format_args!("warning: {text}"));
    }
}

/// What went wrong, while the work goes on.
pub fn error(text: impl Display) {
    if is_on() {
        tracing::error!("{text}");
    } else {
        plain(text);
    }
}

/// A stderr that nobody reads any more ends no work.
fn plain(text: impl Display) {
    let _unread = writeln!(io::stderr(), "{text}");
}
