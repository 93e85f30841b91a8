//! The file that a target's bytes are given in, where its parser wants one.

use std::path::PathBuf;
use std::sync::LazyLock;

static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("velib-fuzz-{}", std::process::id())));

/// The path of a file of these bytes, the same each time.
pub fn holding(bytes: &[u8]) -> &'static PathBuf {
    std::fs::write(&*PATH, bytes).expect("a temporary file");
    &PATH
}
