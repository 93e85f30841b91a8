//! Part 3 by a real Spark; without the feature `spark`, only how to get it.

use std::str::FromStr;

use clap::Args;
use velib::batch::Engine;
use velib::{Error, ErrorKind, Result};

#[cfg(feature = "spark")]
pub use with_spark::{Answer, compare, print};

/// What computes the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineName {
    DataFrame,
    Sql,
    Spark,
}

impl FromStr for EngineName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "spark" => Ok(Self::Spark),
            _ => match name.parse() {
                Ok(Engine::DataFrame) => Ok(Self::DataFrame),
                Ok(Engine::Sql) => Ok(Self::Sql),
                Err(_) => Err(Error::usage("--engine", format_args!("`{name}` is no engine"))
                    .way_out("write dataframe, sql or spark")),
            },
        }
    }
}

/// The Spark server that is asked.
#[derive(Args)]
pub struct SparkOptions {
    /// The Spark Connect server of --engine spark, as sc://HOST:15002; it reads --data itself, which may be an address such as
    /// s3a://
    #[arg(long, value_name = "URL")]
    spark: Option<String>,
    /// Compute the same here, from the same files, and fail where a number differs
    #[arg(long)]
    check: bool,
}

impl SparkOptions {
    /// Without Spark neither of them means anything.
    pub fn refuse_without_spark(&self, engine: Option<EngineName>) -> Result<()> {
        let option = match engine {
            Some(EngineName::Spark) => return Ok(()),
            _ if self.spark.is_some() => "--spark",
            _ if self.check => "--check",
            _ => return Ok(()),
        };
        Err(Error::usage(option, "only Spark needs it").way_out("give --engine spark, or leave it out"))
    }

    pub fn check(&self) -> bool {
        self.check
    }

    fn url(&self) -> Result<&str> {
        self.spark.as_deref().ok_or_else(|| {
            Error::usage("--engine", "which Spark is not said").way_out("give its address by --spark sc://HOST:15002")
        })
    }
}

/// The first place where two JSON documents differ, as `.stations[3].name`; and what stands there.
fn difference(place: &str, one: &serde_json::Value, other: &serde_json::Value) -> Option<String> {
    use serde_json::Value::{Array, Object};
    match (one, other) {
        (Object(one), Object(other)) if one.len() == other.len() => one.iter().find_map(|(key, value)| {
            difference(&format!("{place}.{key}"), value, other.get(key).unwrap_or(&serde_json::Value::Null))
        }),
        (Array(one), Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (one, other))| difference(&format!("{place}[{at}]"), one, other)),
        (Array(one), Array(other)) => Some(format!("{place}: {} and {} of them", one.len(), other.len())),
        _ => (one != other).then(|| format!("{place}: {one} and {other}")),
    }
}

#[cfg(feature = "spark")]
mod with_spark {
    use std::num::NonZeroUsize;
    use std::time::Instant;

    use serde::Serialize;
    use serde_json::Value;
    use velib::batch::{
        Behaviour, Engine, Overview, RowsOfSpark, SparkPartitions, SparkReadings, Statistics, TableSettings,
    };
    use velib::streaming::Spark;

    use super::{Error, ErrorKind, Result, SparkOptions, difference};
    use crate::common;

    impl SparkOptions {
        pub fn connect(&self) -> Result<Server> {
            Spark::connect(self.url()?).map(Server)
        }
    }

    /// A Spark server.
    pub struct Server(Spark);

    impl Server {
        pub fn open(&self, paths: &[String], settings: &TableSettings) -> Result<Files<'_>> {
            Ok(Files {
                server: self,
                paths: paths.join(", "),
                readings: SparkReadings::open(&self.0, paths, settings)?,
            })
        }

        pub fn described(&self) -> String {
            format!("Spark {} at {}", self.0.version(), self.0.url())
        }
    }

    /// Files that it reads.
    pub struct Files<'s> {
        server: &'s Server,
        paths: String,
        readings: SparkReadings<'s>,
    }

    /// What it answered.
    pub struct Answer {
        pub engines: String,
        pub statistics: Statistics,
        pub behaviours: Vec<Behaviour>,
        pub found: RowsOfSpark,
        pub seconds: Seconds,
    }

    /// How long each way took, with the reading.
    #[derive(Serialize)]
    pub struct Seconds {
        dataframe: f64,
        sql: f64,
    }

    impl Files<'_> {
        pub fn describe(&self, found: &RowsOfSpark) -> String {
            let rows = found.readings + found.repeats;
            let aside = match found.unreadable + found.torn {
                0 => String::new(),
                rows => format!(", {rows} rows that are none"),
            };
            format!("{} ({rows} readings as read{aside}) by {}", self.paths, self.server.described())
        }

        pub fn overview(&self) -> Result<(Overview, RowsOfSpark, f64)> {
            let started = Instant::now();
            let (overview, found) = self.readings.overview(Engine::DataFrame)?;
            Ok((overview, found, started.elapsed().as_secs_f64()))
        }

        /// The statistics by both ways, which must agree.
        pub fn statistics(&self, behaviours: usize) -> Result<Answer> {
            let gather = |engine| {
                let started = Instant::now();
                let (gathered, found) = self.readings.gather(engine)?;
                Ok::<_, Error>((
                    gathered.behaviours(behaviours)?,
                    gathered.finish(),
                    found,
                    started.elapsed().as_secs_f64(),
                ))
            };
            let (behaviours, statistics, found, dataframe) = gather(Engine::DataFrame)?;
            let (of_sql, by_sql, found_by_sql, sql) = gather(Engine::Sql)?;
            if (&behaviours, &statistics, found) != (&of_sql, &by_sql, found_by_sql) {
                return Err(Error::new(ErrorKind::Spark, "Spark's DataFrame API and its SQL gave different results"));
            }
            let engines = "spark: dataframe = sql".to_owned();
            Ok(Answer { engines, statistics, behaviours, found, seconds: Seconds { dataframe, sql } })
        }

        pub fn compare_partitions(&self, partitions: usize, runs: NonZeroUsize) -> Result<SparkPartitions> {
            self.readings.compare_partitions(1, partitions, runs)
        }
    }

    /// Holds what Spark said to what was computed here.
    pub fn compare(spark: &Value, own: &Value) -> Result<()> {
        match difference("", spark, own) {
            None => Ok(()),
            Some(difference) => Err(Error::new(ErrorKind::Spark, format!("Spark and polars differ at {difference}"))),
        }
    }

    pub fn print(answer: &Answer, partitions: &SparkPartitions, checked: bool) -> Result<()> {
        let found = &partitions.found;
        common::print(format_args!(
            "\nPartitions: Spark cut the files into {}, of {found:?} rows. {}",
            found.len(),
            partitions.sentence()
        ))?;
        let Seconds { dataframe, sql } = answer.seconds;
        common::print(format_args!(
            "All statistics took {dataframe:.1} s by the DataFrame API and {sql:.1} s as SQL, the reading in both{}",
            if checked { "; polars came to the same in every number" } else { "" }
        ))
    }
}
