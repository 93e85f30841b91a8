//! Records of the portal, or readings, one on each line.
#![no_main]

mod laws;

use libfuzzer_sys::fuzz_target;
use velib::ingest::Recording;
use velib::kafka::encode;

fuzz_target!(|lines: &[u8]| {
    let Ok(recording) = Recording::from_bytes("export.jsonl", lines) else { return };
    laws::round_trips(recording.readings());
    // Messages are such lines.
    let lines: Vec<_> = recording.readings().iter().map(|reading| encode(reading).expect("a message")).collect();
    let again = Recording::from_bytes("messages.jsonl", &lines.join(&b'\n')).expect("the same readings");
    assert_eq!(again.readings(), recording.readings());
});
