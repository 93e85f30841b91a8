//! In how many partitions Spark found the readings, and one against many: a partition is what one core works on at a time.

use std::num::NonZeroUsize;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spark_connect::functions::spark_partition_id;
use spark_connect::row::Value;
use spark_connect::{DataFrame, col};

use super::{Held, Named, SparkReadings, dataframe};
use crate::batch::engine::Engine;
use crate::batch::partitions::{PartitionTimes, check, counted};
use crate::error::Result;
use crate::streaming::Spark;

/// One number of partitions timed against another on a Spark server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparkPartitions {
    /// Rows in each partition as Spark's readers cut the files.
    pub found: Vec<usize>,
    /// How many of them it works on at once, as far as the server tells.
    pub cores: Option<usize>,
    /// The first of the two.
    pub one: PartitionTimes,
    /// The second.
    pub many: PartitionTimes,
}

impl SparkReadings<'_> {
    /// How Spark cut the files, and what the free docks of each station take with `one` and with `many` partitions of whole
    /// stations, `repeats` runs of each in turns, from readings in its memory. A run of each goes before and is not counted.
    pub fn compare_partitions(&self, one: usize, many: usize, repeats: NonZeroUsize) -> Result<SparkPartitions> {
        check(one)?;
        check(many)?;
        let found = rows_of_each(self.spark, &self.rows.table)?;
        let observed = self.observed(Engine::DataFrame)?;
        let _held = Held::new(self.spark, &observed)?;
        let (mut ones, mut manys) = (Vec::new(), Vec::new());
        for _ in 0..=repeats.get() {
            ones.push(self.run(&observed, one)?);
            manys.push(self.run(&observed, many)?);
        }
        let cores = self.spark.done(self.spark.session().conf().get_with_default("spark.master", Some("")))?;
        Ok(SparkPartitions {
            found,
            cores: cores.and_then(|master| master.strip_prefix("local[")?.strip_suffix(']')?.parse().ok()),
            one: times(one, ones),
            many: times(many, manys),
        })
    }

    fn run(&self, observed: &Named, partitions: usize) -> Result<Run> {
        let by_station = vec![col("stationcode").expression().clone()];
        let cut = observed.table.repartition_by_expressions(i32::try_from(partitions).unwrap_or(i32::MAX), by_station);
        let start = Instant::now();
        let rows = rows_of_each(self.spark, &cut)?;
        let split = start.elapsed().as_secs_f64();
        let start = Instant::now();
        self.spark.rows(&dataframe::sites(&dataframe::timeless(&cut)))?;
        Ok(Run { rows, split, whole: start.elapsed().as_secs_f64() })
    }
}

struct Run {
    rows: Vec<usize>,
    split: f64,
    whole: f64,
}

/// The first run is left out.
fn times(partitions: usize, mut runs: Vec<Run>) -> PartitionTimes {
    let mut rows = runs.remove(0).rows;
    // One that holds no row is not told of.
    rows.resize(partitions.max(rows.len()), 0);
    let (seconds, split) = runs.iter().map(|run| (run.whole, run.split)).unzip();
    PartitionTimes::of(partitions, rows, seconds, split)
}

/// How many rows each partition holds, the empty ones left out.
fn rows_of_each(spark: &Spark, table: &DataFrame) -> Result<Vec<usize>> {
    let counts = table
        .group_by([spark_partition_id().alias("partition")])
        .count()
        .order_by(vec![col("partition").asc().expression().clone()]);
    let rows = spark.rows(&counts)?;
    let count = |value: Option<&Value>| value.and_then(Value::as_i64).and_then(|count| usize::try_from(count).ok());
    Ok(rows.iter().map(|row| count(row.get(1)).unwrap_or_default()).collect())
}

impl SparkPartitions {
    /// What was measured, in a few sentences: how Spark cut the files, which of the two is faster, if the runs tell them apart,
    /// and why it may be so.
    pub fn sentence(&self) -> String {
        let works = self.cores.map_or_else(
            || "Spark works on one partition a core".to_owned(),
            |cores| format!("this Spark works on {} at once", counted(cores, "partition")),
        );
        let verdict = PartitionTimes::faster(&self.one, &self.many).map_or_else(
            |undecided| undecided.sentence(&works),
            |(fast, slow, faster)| {
                let reason = if fast.partitions > slow.partitions {
                    format!("{works}, and the other left cores idle")
                } else {
                    "each partition more is a task more to send, to wait for and to put together, which this table is too small \
                     to pay for"
                        .to_owned()
                };
                format!(
                    "With {} it takes {faster:.0} % less, its slowest run below the other's fastest: {reason}.",
                    counted(fast.partitions, "partition")
                )
            },
        );
        format!("{}; {}. {verdict}", self.one.sentence(), self.many.sentence())
    }
}
