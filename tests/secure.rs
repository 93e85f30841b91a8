//! TLS and a user on a real Apache Kafka, by `VELIB_KAFKA_SECURE=$(.ci/kafka address secure)` and
//! `VELIB_KAFKA_SECURE_CONFIG=$(.ci/kafka config)`: `cargo test --features tls --test secure`. Without them the tests say that
//! they were skipped.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{TimeDelta, Utc};
use velib::kafka::{
    Broker, ClientProperties, Consumer, Publisher, Retention, Sink as _, TopicMemory, TopicSettings,
    TransactionalPublisher, ensure_topic,
};
use velib::{Error, StationCode, StationStatus};

/// The address of the listener for TLS and a user, and the file that says how it is spoken to.
fn secured() -> Option<(String, PathBuf)> {
    let known = (std::env::var("VELIB_KAFKA_SECURE"), std::env::var("VELIB_KAFKA_SECURE_CONFIG"));
    let (Ok(address), Ok(file)) = known else {
        // Not by `println!`, which the test runner keeps to itself.
        std::io::stderr().write_all(b"skipped: VELIB_KAFKA_SECURE or VELIB_KAFKA_SECURE_CONFIG is not set\n").unwrap();
        return None;
    };
    Some((address, file.into()))
}

fn topic() -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    format!("velib-secure-{}-{time}", std::process::id())
}

fn readings(count: i64) -> Vec<StationStatus> {
    let reading = |minute| {
        let at = Utc::now() - TimeDelta::minutes(minute);
        StationStatus::unknown(StationCode::new("16107").unwrap(), at, at)
    };
    (0..count).rev().map(reading).collect()
}

#[test]
fn every_client_goes_by_tls_and_as_the_user() {
    let Some((address, file)) = secured() else { return };
    let properties = ClientProperties::load(Some(&file)).unwrap();
    assert!(properties.cautions().is_empty(), "{:?}", properties.cautions());
    let broker = Broker::connect_with(&address, properties).unwrap();
    let (name, results) = (topic(), format!("{}-results", topic()));
    // Admin, producer, the reader of what is there, consumer, and a transaction.
    assert!(ensure_topic(&broker, &TopicSettings::named(&name)).unwrap().created);
    let compacted = TopicSettings { retention: Retention::LastOfEachKey, ..TopicSettings::named(&results) };
    ensure_topic(&broker, &compacted).unwrap();
    assert_eq!(Publisher::new(broker.handle(), &name).unwrap().publish(&readings(500)).unwrap(), 500);
    assert_eq!(TopicMemory::recent(broker.handle(), &name).unwrap().len(), 500);
    let locate = Box::new(|_: &_| Ok(BTreeMap::new()));
    let mut consumer = Consumer::located_by(broker.handle(), &name, &name, locate).unwrap();
    let mut read = 0;
    let batch = loop {
        let batch = consumer.next_batch(1_000, Duration::from_secs(30)).unwrap();
        read += batch.readings.len();
        if read == 500 {
            break batch;
        }
    };
    let publisher = TransactionalPublisher::new(broker.handle(), &results, &name, &name, &name).unwrap();
    let window = [("16107".to_owned(), b"{}".to_vec())];
    assert!(publisher.publish(&window, batch.next(), batch.member().unwrap()).unwrap());
    assert_eq!(publisher.published().unwrap(), *batch.next());
}

/// The error when the file is followed by these lines.
fn refused(address: &str, file: &Path, more: &str) -> Error {
    let changed = tempfile::NamedTempFile::new().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(changed.path(), format!("{text}{more}\n")).unwrap();
    let properties = ClientProperties::load(Some(changed.path())).unwrap();
    Broker::connect_with(address, properties).unwrap_err()
}

#[test]
fn a_wrong_password_is_one_clear_line_without_it() {
    let Some((address, file)) = secured() else { return };
    let error = refused(&address, &file, "sasl.password=n0tTheRightOne");
    let told = error.to_string();
    assert!(told.starts_with(&format!("Kafka at {address}: it refuses the user or the password: ")), "{told}");
    assert!(told.ends_with("; check the sasl. keys of --kafka-config"), "{told}");
    assert!(!told.contains("n0tTheRightOne") && !told.contains('\n') && error.exit_code() == 1, "{told}");
}

#[test]
fn a_certificate_of_another_ca_and_a_broker_that_is_asked_in_the_clear_are_said() {
    let Some((address, file)) = secured() else { return };
    // The certificates that Debian trusts, of which none has signed this broker's.
    let others = "/etc/ssl/certs/ca-certificates.crt";
    if Path::new(others).is_file() {
        let told = refused(&address, &file, &format!("ssl.truststore.location={others}")).to_string();
        assert!(told.contains(": no TLS with it: ") && told.contains("certificate"), "{told}");
    }
    let told = Broker::connect(&address).unwrap_err().to_string();
    assert!(told.contains("if it speaks TLS or asks for a user, say so by --kafka-config"), "{told}");
}
