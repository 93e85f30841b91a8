//! The polygons of a GeoJSON file.
#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;
use velib::streaming::Zones;

fuzz_target!(|bytes: &[u8]| {
    let written = format!("geojson:{}", file::holding(bytes).display());
    // The same file gives the same zones.
    let (once, again) = (Zones::open(&written), Zones::open(&written));
    assert_eq!(once.is_ok(), again.is_ok());
});
