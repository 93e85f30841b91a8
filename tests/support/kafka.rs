//! The real Kafka that a test runs on, where there is one.

use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use velib::kafka::Broker;

/// The address in `VELIB_KAFKA`, or `None` with a word to whoever runs the tests.
pub(crate) fn address() -> Option<String> {
    let address = std::env::var("VELIB_KAFKA").ok();
    if address.is_none() {
        // Not by `println!`, which the test runner keeps to itself.
        std::io::stderr().write_all(b"skipped: VELIB_KAFKA is not set\n").unwrap();
    }
    address
}

/// The broker at that address.
pub(crate) fn broker() -> Option<Broker> {
    address().map(|address| Broker::connect(&address).unwrap())
}

/// A name, for a topic or a group, that no other test and no other run has.
pub(crate) fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let (number, process) = (NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    format!("velib-test-{process}-{time}-{number}")
}
