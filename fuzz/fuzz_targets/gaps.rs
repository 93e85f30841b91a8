//! The ledger of the gaps of a feed.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use velib::kafka::GapLedger;

fuzz_target!(|bytes: &[u8]| {
    let Ok(gaps) = GapLedger::read(file::holding(bytes)) else { return };
    // A ledger that is written from what was read is read as the same.
    let lines: String = gaps.iter().map(|gap| serde_json::to_string(gap).expect("JSON") + "\n").collect();
    let again = GapLedger::read(file::holding(lines.as_bytes())).expect("the same ledger");
    assert_eq!(again, gaps);
});
