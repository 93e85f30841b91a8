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
    let log =
        tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).with_target(false).with_max_level(level);
    if !io::stderr().is_terminal() && log.try_init().is_ok() {
        IS_ON.store(true, Ordering::Relaxed);
    }
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
