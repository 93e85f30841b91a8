//! The value of a Kafka message.
#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use velib::error::Place;
use velib::kafka::decode;

fuzz_target!(|value: &[u8]| {
    match decode(value, Place::Topic(String::new())) {
        Ok(reading) => laws::round_trips(&[reading]),
        Err(aside) => assert_eq!(aside.raw, String::from_utf8_lossy(value)),
    }
});
