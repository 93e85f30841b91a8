//! The documents of a GBFS feed: three, parted by a byte 0.
#![no_main]

mod laws;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use velib::error::Place;
use velib::ingest::decode_gbfs;

fuzz_target!(|documents: &[u8]| {
    let mut documents = documents.splitn(3, |&byte| byte == 0);
    let (Some(information), Some(status)) = (documents.next(), documents.next()) else { return };
    let place = Place::file("station_status.json");
    let Ok(snapshot) = decode_gbfs(information, status, documents.next(), DateTime::UNIX_EPOCH, &place) else { return };
    laws::round_trips(&snapshot.readings);
});
