//! Part 2: online statistics per station and zone by event-time window, and the store that keeps them.
//!
//! [`StreamingStatistics`] takes in readings one by one and keeps, for each station and window of event time ([`Windowing`]:
//! tumbling or sliding), a [`Summary`] of mechanical bikes, electric bikes, free docks and occupancy, and the share of time
//! full and empty. [`consume`] feeds it from Kafka, each reading once whatever crashes. A [`Store`] holds the windows and answers
//! per station ([`StationWindow`]) and per zone ([`ZoneWindow`]). What the zones are is part of the question, not of what is
//! stored: [`Zones`] are communes, arrondissements, a grid, a circle, or the polygons of a file. [`Freshness`] says how far the
//! network has come, [`Usage`] what its windows mean: who runs out soon, who is at odds with the neighbours, what is in motion.
//!
//! ```
//! use std::time::Duration;
//! use velib::streaming::{Select, SqliteStore, StreamingStatistics, Windowing, Zones};
//! use velib::{StationCode, StationStatus};
//!
//! let ten_minutes = Windowing::tumbling(Duration::from_secs(600))?;
//! let mut engine = StreamingStatistics::new(ten_minutes, Box::new(SqliteStore::in_memory()?))?;
//!
//! let at = "2022-05-12T09:18:14Z".parse().unwrap();
//! let reading = StationStatus {
//!     docks_available: Some(7),
//!     capacity: Some(20),
//!     commune: Some("Paris".into()),
//!     ..StationStatus::unknown(StationCode::new("16107")?, at, at)
//! };
//! assert!(engine.update(&reading)?);
//! assert!(!engine.update(&reading)?); // the same reading again counts once
//! engine.flush()?;
//!
//! let zones = engine.store().zone_windows(&Zones::open("arrondissement")?, Select::ALL)?;
//! assert_eq!(zones[0].zone, "Paris 16e");
//! assert_eq!(zones[0].statistics.quantities.docks.mean, Some(7.0));
//! assert_eq!(zones[0].statistics.quantities.ebike.mean, None); // unknown, not zero
//! # Ok::<(), velib::Error>(())
//! ```

mod consume;
mod engine;
mod freshness;
mod results;
mod sample;
#[cfg(feature = "spark")]
mod spark;
mod state;
mod station;
mod stats;
mod store;
mod usage;
mod window;
mod writer;
mod zone;

pub use consume::{StreamSettings, TRANSACTION, consume};
pub use engine::{ALLOWED_LATENESS, StreamingStatistics, Totals};
pub use freshness::{Freshness, IDLENESS};
#[cfg(feature = "spark")]
pub use spark::{
    SPARK_BATCH, Spark, SparkBatch, SparkOutput, SparkStreamSettings, SparkTotals, SparkWindows, consume_with_spark,
};
#[cfg(feature = "spark")]
pub(crate) use spark::{arrondissement, unique};
pub use state::{Quantities, WindowState, WindowStatistics};
pub use station::Station;
pub use stats::{
    Accumulator, Count, Last, Max, Mean, Min, Rate, Statistic, Summary, TimeWeightedMean, Turnover, WeightedMean,
};
pub use store::{
    Changes, PostgresStore, PostgresUrl, Progress, Select, Span, SqliteStore, StationWindow, Store, StoreUrl,
    WindowRow, ZoneWindow,
};
pub use usage::{
    AtOdds, Imbalance, Limit, Motion, MotionOverTime, NewestOfEach, RunningOut, Usage, UsageSettings, imbalance,
    running_out,
};
pub use window::{Window, Windowing};
pub use zone::{Circle, Division, ZoneKind, Zones};
