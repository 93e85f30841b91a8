//! Part 2 on a real Spark, and the session that Part 3 asks too: behind the feature `spark`.

mod session;

pub use session::Spark;
