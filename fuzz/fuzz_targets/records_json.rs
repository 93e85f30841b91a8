//! A document of the portal: an export's array, a page of Explore v2.1, an answer of Search v1.0.
#![no_main]

mod laws;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use velib::error::Place;
use velib::ingest::{decode_document, decode_record};

fuzz_target!(|body: &[u8]| {
    let place = Place::file("export.json");
    let Ok(snapshot) = decode_document(body, DateTime::UNIX_EPOCH, &place) else { return };
    laws::round_trips(&snapshot.readings);
    // What is set aside is kept so that it can be tried again, and then is set aside for the same reason.
    for aside in &snapshot.set_aside {
        assert_eq!(decode_record(&aside.raw, DateTime::UNIX_EPOCH, &place).as_ref(), Err(aside));
    }
});
