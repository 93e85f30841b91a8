//! Part 2 on a real Spark, by Structured Streaming, and the session that Part 3 asks too: behind the feature `spark`.
//!
//! [`consume_with_spark`] runs a query that reads the topic of readings and writes each station's windows, with the same
//! statistics as ours, to Parquet files or to a topic ([`SparkOutput`]), and says in what it differs; [`SparkWindows`] reads them
//! back and answers per station and per zone.

#![allow(clippy::result_large_err, reason = "the size of the client's errors is not ours to choose")]

mod answers;
mod checkpoint;
mod messages;
mod output;
mod progress;
mod query;
mod session;
mod wait;
mod windows;
mod zones;

pub use answers::SparkWindows;
pub use output::SparkOutput;
pub use progress::{SparkBatch, SparkTotals};
pub use query::{SPARK_BATCH, SparkStreamSettings, consume_with_spark};
pub use session::Spark;
pub(crate) use wait::unique;
pub(crate) use zones::arrondissement;
