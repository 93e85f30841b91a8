//! A recording as CSV, its header included: any columns in any order, parted by any of the characters.
#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use velib::ingest::Recording;

fuzz_target!(|file: &[u8]| {
    let Ok(recording) = Recording::from_bytes("recording.csv", file) else { return };
    laws::round_trips(recording.readings());
});
