//! A recording as Parquet.
#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use velib::ingest::Recording;

fuzz_target!(init: {
    // Polars asserts what a damaged file says of itself, and the reader makes an error of that: a panic must not end the
    // process on the spot. One that gets past the reader still does.
    std::panic::set_hook(Box::new(|_| ()));
}, |file: &[u8]| {
    let Ok(recording) = Recording::from_bytes("recording.parquet", file) else { return };
    laws::round_trips(recording.readings());
});
