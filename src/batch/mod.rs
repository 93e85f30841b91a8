//! Part 3: from Kafka to one CSV, and the statistics of what was collected, by DataFrame and by SQL.
//!
//! [`collect()`] brings a topic to files, each reading once, whatever breaks in between; [`CsvCollector`] is the file alone. A
//! [`Table`] is any slice of readings as columns, with for how long each holds; a [`History`] is readings that need not fit in
//! memory, table by table. [`statistics`] summarises a table by polars' DataFrame API or by SQL ([`Engine`]): one set of
//! definitions ([`Statistics`]), two ways to compute it, one answer; [`Gathered`] puts those of several tables together.
//! An [`Overview`] is those that count every reading once, in one pass over files of any size. [`partition_statistics`] computes the
//! same from parts of the table, and [`compare_partitions`] times one way of partitioning against another. [`Behaviour`]s are
//! zones of stations whose week is alike. [`query()`] asks SQL of one's own of the table, and of its stations. [`shortages`] tells
//! where riders found no bike or no dock.
//!
//! ```
//! use velib::batch::{Engine, Table, statistics};
//! # use velib::{StationCode, StationStatus};
//!
//! # fn main() -> velib::Result<()> {
//! # let at = chrono::DateTime::UNIX_EPOCH;
//! # let readings = vec![StationStatus {
//! #     is_installed: Some(true),
//! #     is_returning: Some(true),
//! #     capacity: Some(35),
//! #     docks_available: Some(30),
//! #     ..StationStatus::unknown(StationCode::new("16107")?, at, at)
//! # }];
//! let table = Table::new(&readings)?;
//! let summary = statistics(&table, Engine::DataFrame)?;
//! assert_eq!(summary.stations[0].free_docks.mean, Some(30.0));
//! assert_eq!(summary, statistics(&table, Engine::Sql)?);
//! # Ok(())
//! # }
//! ```

mod behaviour;
mod cells;
mod collect;
mod data_files;
mod dataframe;
mod engine;
mod history;
mod hours;
mod measure;
#[cfg(test)]
mod naive;
mod over_time;
mod overview;
mod partial;
mod partitions;
mod profile;
mod query;
mod shortage;
#[cfg(feature = "spark")]
mod spark;
mod sql;
mod statistics;
mod table;
#[cfg(test)]
mod testing;
mod timeline;

pub use behaviour::{BEHAVIOURS, Behaviour, KNOWN_HOURS};
pub use collect::{
    Appended, COLUMNS, CollectSettings, Collected, CsvCollector, Format, Found, Notice, Target, collect,
};
pub use data_files::data_files;
pub use engine::{Engine, Gathered, statistics};
pub use history::{History, HistoryPart};
pub use measure::CollectMetrics;
pub use over_time::{
    BikeTurnover, HowOften, HowOftenEmpty, OFTEN, Observed, Spells, StationOverTime, TimeMean, TimeShare, ZoneOverTime,
};
pub use overview::{Overview, OverviewOfFiles, StationOverview, ZoneOverview};
pub use partitions::{MAX_PARTITIONS, PartitionReport, PartitionTimes, compare_partitions, partition_statistics};
pub use profile::{WEEK_HOURS, WeekProfile};
pub use query::{Answer, AnswerColumn, ColumnType, Value, query};
pub use shortage::{
    DayInterval, FEWEST_DAYS, Kind, Kinds, LITTLE_HOURS, Lack, MissingDocks, Move, Moves, NEAR, PRIOR_BIKES,
    SILENT_HOURS, Shortages, SilentStation, StationDocks, StationName, StationShortage, shortages,
};
#[cfg(feature = "spark")]
pub use spark::{RowsOfSpark, SparkPartitions, SparkReadings};
pub use statistics::{Share, SometimesEmpty, StationStatistics, Statistics, Summary, ZoneStatistics};
pub use table::{MAX_GAP, Table, TableSettings};
