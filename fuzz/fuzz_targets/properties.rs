//! The settings of a Kafka client, as its own tools read them.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use velib::kafka::ClientProperties;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = ClientProperties::load(Some(file::holding(bytes))) {
        // What is refused is said in a line.
        assert!(!error.to_string().contains('\n'), "{error}");
    }
});
