//! What must hold of whatever a parser accepts.

use velib::StationStatus;
use velib::error::Place;
use velib::kafka::{decode, encode};

/// Each reading is the same after it has been a message.
pub fn round_trips(readings: &[StationStatus]) {
    for reading in readings {
        let message = encode(reading).expect("a reading can be a message");
        let back = decode(&message, Place::Topic(String::new())).expect("a message can be read");
        assert_eq!(&back, reading);
    }
}
