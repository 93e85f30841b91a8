//! Part 2 on a real Spark, by Structured Streaming, and the session that Part 3 asks too: behind the feature `spark`.
//!
//! [`consume_with_spark`] runs a query that reads the topic of readings and writes each station's windows, with the same
//! statistics as ours, to Parquet files or to a topic ([`SparkOutput`]); [`SparkWindows`] reads them back and answers per station
//! and per zone. Over the same readings, with every window closed, both engines answer alike. They differ in what is late, and
//! in when a window is to be seen:
//!
//! | | our engine | Spark |
//! |---|---|---|
//! | the clock | each station's own: the newest event time heard of it, which no reading moves ahead of its arrival | one of the whole network: the newest event time of all. A station whose clock runs ahead makes the others late |
//! | when it moves | with every reading | between two batches. In the first nothing is late. So what is late depends on how the topic is cut into batches, as [`SparkStreamSettings::batch`] and the speed of the feed have it; a checkpoint remembers how it was cut |
//! | too late | what is further behind the clock than the allowed lateness; kept aside in the store, whole | what falls into windows that all ended at the watermark (the clock less the lateness) of the batch before, or earlier. It is dropped, and stays in the topic. Spark counts, for each batch, the windows of stations that it came for ([`SparkBatch::dropped`]), not the readings |
//! | late | taken in, and the window gets a revision | taken in while the window is open; a window is written once: its revision is always 0 |
//! | a window is seen | as soon as something is in it | when the watermark has passed its end: the last windows of a topic stay open in the checkpoint, also at its end |
//! | a repeated reading | is known for as long as the store | is known while its window is open; later it is dropped as too late |
//! | a message that is no reading | kept in a file, with the reason and its place | counted ([`SparkTotals::set_aside`]), and stays in the topic |
//! | a number or flag of the wrong type | makes the message no reading | is unknown; the rest of the reading counts. A code that is a number is read as its text |
//! | a station is described | by all its readings, the newest first | the same by those in windows that were written |
//! | the zones | part of the question | the same: Spark is told which station is in which zone |
//!
//! What a window holds while it is open, Spark keeps in its checkpoint: all readings of it, as our store does.

#![allow(clippy::result_large_err, reason = "the size of the client's errors is not ours to choose")]

mod answers;
mod messages;
mod note;
mod output;
mod patience;
mod progress;
mod query;
mod session;
mod windows;
mod zones;

pub use answers::SparkWindows;
pub use output::SparkOutput;
pub(crate) use patience::unique;
pub use progress::{SparkBatch, SparkTotals};
pub use query::{SPARK_BATCH, SparkStreamSettings, consume_with_spark};
pub use session::Spark;
