//! Part 1: from a source to Kafka and back.
//!
//! - [`Broker`]: a real Kafka, or one inside this process for runs that have none
//! - [`ClientProperties`]: TLS and who one is, from a properties file and the environment
//! - [`ensure_topic`]: a topic with its partitions and an explicit retention, and a warning where history would be lost
//! - [`encode`], [`decode`]: the JSON message and its fields
//! - [`Publisher`], [`publish`]: readings to the topic, each once, acknowledged by the broker
//! - [`Consumer`]: readings from the topic, in batches, committed when the caller is done with them
//! - [`TransactionalPublisher`]: results to another topic, in the transaction that notes how far their source has been read
//! - [`TopicMemory`]: what a publisher that starts again need not publish
//! - [`DeadLetters`], [`reprocess`]: what could not be read, in a topic of its own, and tried again
//! - [`GapLedger`]: when the feed was not complete, and why
//! - [`Broker::feed`]: a source published on its own thread, for a program that consumes and has nobody to publish
//!
//! ```no_run
//! use std::time::Duration;
//! use velib::kafka::{Broker, Consumer};
//!
//! # fn run(source: Box<dyn velib::ingest::Source>) -> velib::Result<()> {
//! let broker = Broker::embedded()?;
//! let feeder = broker.feed("velib", source)?;
//! let mut consumer = Consumer::new(broker.handle(), "velib", "my-group")?;
//! loop {
//!     let batch = consumer.next_batch(10_000, Duration::from_secs(1))?;
//!     for reading in &batch.readings {
//!         println!("{} {:?}", reading.station_code, reading.bikes_available);
//!     }
//!     let at_end = batch.at_end;
//!     consumer.acknowledge(batch)?;
//!     if at_end {
//!         break;
//!     }
//! }
//! println!("{} readings published", feeder.join()?.published);
//! # Ok(())
//! # }
//! ```

mod ask;
mod broker;
mod consumer;
mod dead_letter;
mod feeder;
mod gap;
mod gate;
mod hearing;
mod measure;
mod message;
mod producer;
mod properties;
mod publish;
mod scan;
mod seen;
mod topic;
mod transaction;

pub(crate) use ask::{ask, stopped};
pub use broker::{Broker, BrokerHandle};
pub use consumer::{Batch, Claim, Consumer, Locate};
pub use dead_letter::{DeadLetter, DeadLetters, Reprocessed, dead_letter_topic, reprocess};
pub use feeder::Feeder;
pub use gap::{Gap, GapLedger};
pub use measure::PublishMetrics;
pub use message::{decode, encode};
pub use producer::{Publisher, Sink};
pub use properties::ClientProperties;
pub use publish::{FeedLag, PollReport, PublishEvent, PublishSettings, PublishTotals, SILENT_AFTER, publish};
pub use seen::{Memory, TopicMemory, WINDOW};
pub use topic::{Retention, TopicReport, TopicSettings, ensure_topic};
#[cfg(feature = "spark")]
pub(crate) use topic::{ends_of_topic, existing_topic};
pub use transaction::{GroupMember, TransactionalPublisher};
