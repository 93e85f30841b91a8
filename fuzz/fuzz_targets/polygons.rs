//! The polygons of a GeoJSON file.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use velib::streaming::Zones;

static FILE: LazyLock<(PathBuf, String)> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("velib-fuzz-{}.geojson", std::process::id()));
    let written = format!("geojson:{}", path.display());
    (path, written)
});

fuzz_target!(|file: &[u8]| {
    let (path, written) = &*FILE;
    std::fs::write(path, file).expect("a temporary file");
    // The same file gives the same zones.
    let (once, again) = (Zones::open(written), Zones::open(written));
    assert_eq!(once.is_ok(), again.is_ok());
});
