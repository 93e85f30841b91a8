//! Part 1: from a source to Kafka and back.
//!
//! - [`Broker`]: a real Kafka, or one inside this process for runs that have none
//! - [`ensure_topic`]: a topic with its partitions and an explicit retention, and a warning where history would be lost
//! - [`encode`], [`decode`]: the JSON message and its fields
//! - [`Publisher`], [`publish`]: readings to the topic, each once, acknowledged by the broker
//! - [`Consumer`]: readings from the topic, in batches, committed when the caller is done with them
//! - [`TransactionalPublisher`]: results to another topic, in the transaction that notes how far their source has been read
//! - [`seen_in_topic`]: what a publisher that starts again need not publish
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

mod broker;
mod consumer;
mod feeder;
mod gate;
mod message;
mod producer;
mod publish;
mod seen;
mod topic;
mod transaction;

pub use broker::{Broker, BrokerHandle};
pub use consumer::{Batch, Claim, Consumer, Locate};
pub use feeder::Feeder;
pub use message::{decode, encode};
pub use producer::{Publisher, Sink};
pub use publish::{PollReport, PublishSettings, PublishTotals, publish};
pub use seen::seen_in_topic;
pub use topic::{Retention, TopicReport, TopicSettings, ensure_topic};
pub use transaction::{GroupMember, TransactionalPublisher};
