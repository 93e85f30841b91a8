//! The same statistics from parts of the table, and what partitioning costs or gains.
//!
//! A partition holds whole stations, chosen by a hash of the code, so that what is computed of a station needs no other
//! partition; the zones are put together from sums. Polars needs no partitions to use all processors. Whether it pays to cut
//! the table by hand is therefore measured here, not assumed.

use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::dataframe;
use super::partial::Partial;
use super::statistics::Statistics;
use super::table::Table;
use crate::error::{Error, Result};

/// The largest number of partitions that can be asked for.
pub const MAX_PARTITIONS: usize = 4096;

/// With fewer runs of each, that none overlaps may be chance: of three and three, one time in ten.
const ENOUGH_RUNS: usize = 3;

/// The statistics of a table, computed from `partitions` parts of it: from 1 to [`MAX_PARTITIONS`]. The same as of the whole.
///
/// Each partition has a thread of its own, up to one a processor.
pub fn partition_statistics(table: &Table, partitions: usize) -> Result<Statistics> {
    check(partitions)?;
    compute(&split(table, partitions)?, table.max_gap())
}

/// One way of partitioning a table timed against another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionReport {
    /// Readings in the table.
    pub readings: usize,
    /// In how many chunks polars kept them before any partitioning.
    pub chunks: usize,
    /// With how many threads polars works, whatever the partitions: `POLARS_MAX_THREADS`, or one a processor.
    pub threads: usize,
    /// The first of the two.
    pub one: PartitionTimes,
    /// The second.
    pub many: PartitionTimes,
}

/// What one number of partitions took. Times are wall seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionTimes {
    /// How many partitions.
    pub partitions: usize,
    /// Readings in each.
    pub rows: Vec<usize>,
    /// Each run, in their order: cutting the table, computing, and putting together.
    pub seconds: Vec<f64>,
    /// The part of each run that went into cutting the table; next to nothing for one partition.
    pub split_seconds: Vec<f64>,
    /// The median of `seconds`.
    pub median: f64,
    /// The fastest run.
    pub min: f64,
    /// The slowest run.
    pub max: f64,
}

/// Times the statistics with `one` and with `many` partitions, `repeats` runs of each, in turns.
///
/// A run of each goes before and is not counted: it wakes polars' threads.
pub fn compare_partitions(table: &Table, one: usize, many: usize, repeats: NonZeroUsize) -> Result<PartitionReport> {
    check(one)?;
    check(many)?;
    let (mut ones, mut manys) = (Vec::new(), Vec::new());
    for _ in 0..=repeats.get() {
        ones.push(run(table, one)?);
        manys.push(run(table, many)?);
    }
    Ok(PartitionReport {
        readings: table.len(),
        chunks: table.chunks(),
        threads: polars_threads(),
        one: times(one, ones),
        many: times(many, manys),
    })
}

impl PartitionReport {
    /// What was measured, in a few sentences: which of the two is faster, if the runs tell them apart, and why it may be so.
    pub fn sentence(&self) -> String {
        let threads = counted(self.threads, "thread");
        let undecided = |undecided: Undecided| undecided.sentence(format_args!("polars has {threads} for either"));
        let verdict = PartitionTimes::faster(&self.one, &self.many).map_or_else(undecided, |(fast, slow, faster)| {
            let partitions = counted(fast.partitions, "partition");
            let reason = if fast.partitions <= slow.partitions {
                format!(
                    "Polars spreads even one partition over {threads}, so a cut brings no processor that was idle; \
                     the other cut its table in {:.3} s and computed for {:.3} s.",
                    median(&slow.split_seconds),
                    slow.computing(),
                )
            } else {
                format!(
                    "Polars has {threads} for the other too, but does not keep them busy all the time; \
                     the cut took {:.3} s and the computing {:.3} s.",
                    median(&fast.split_seconds),
                    fast.computing(),
                )
            };
            format!(
                "With {partitions} it takes {faster:.0} % less, its slowest run below the other's fastest. {reason}"
            )
        });
        format!("{}; {}. {verdict}", self.one.sentence(), self.many.sentence())
    }
}

impl PartitionTimes {
    /// From at least one run.
    pub(super) fn of(partitions: usize, rows: Vec<usize>, seconds: Vec<f64>, split_seconds: Vec<f64>) -> Self {
        Self {
            partitions,
            rows,
            split_seconds,
            median: median(&seconds),
            min: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            max: seconds.iter().copied().fold(0.0, f64::max),
            seconds,
        }
    }

    /// The faster and the slower of two, and by how many per cent; or why they cannot be told apart.
    pub(super) fn faster<'t>(
        one: &'t Self,
        other: &'t Self,
    ) -> std::result::Result<(&'t Self, &'t Self, f64), Undecided> {
        let (fast, slow) = if one.median <= other.median { (one, other) } else { (other, one) };
        let runs = fast.seconds.len();
        if runs < ENOUGH_RUNS {
            return Err(Undecided::TooFew(runs));
        }
        if fast.max >= slow.min {
            return Err(Undecided::Overlap);
        }
        Ok((fast, slow, 100.0 * (1.0 - fast.median / slow.median)))
    }

    pub(super) fn sentence(&self) -> String {
        let rows = match (self.rows.iter().min(), self.rows.iter().max()) {
            (Some(least), Some(most)) if least < most => format!("{least} to {most} rows"),
            (_, most) => counted(most.copied().unwrap_or_default(), "row"),
        };
        format!(
            "{} of {rows}: {:.3} s ({:.3} to {:.3}, {})",
            counted(self.partitions, "partition"),
            self.median,
            self.min,
            self.max,
            counted(self.seconds.len(), "run"),
        )
    }

    /// The median of the runs without the cutting.
    fn computing(&self) -> f64 {
        let seconds: Vec<f64> =
            self.seconds.iter().zip(&self.split_seconds).map(|(whole, split)| whole - split).collect();
        median(&seconds)
    }
}

/// Why it cannot be said which of two is faster.
#[derive(Clone, Copy)]
pub(super) enum Undecided {
    TooFew(usize),
    Overlap,
}

impl Undecided {
    /// `may_be` is why the runs may overlap.
    pub(super) fn sentence(self, may_be: impl std::fmt::Display) -> String {
        match self {
            Self::TooFew(runs) => format!("{} of each: too few to tell the two apart.", counted(runs, "run")),
            Self::Overlap => format!("The runs overlap and do not tell the two apart: {may_be}."),
        }
    }
}

pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn check(partitions: usize) -> Result<()> {
    if (1..=MAX_PARTITIONS).contains(&partitions) {
        return Ok(());
    }
    Err(Error::usage("--partitions", format_args!("{partitions} is not a number of partitions"))
        .way_out(format_args!("ask for 1 to {MAX_PARTITIONS}")))
}

/// The table of each partition, its rows in their order.
fn split(table: &Table, partitions: usize) -> Result<Vec<Table>> {
    if partitions == 1 {
        return Ok(vec![table.clone()]);
    }
    table.split(partitions, |code| partition_of(code, partitions))
}

/// The partition of a station, from 0: by the 64-bit FNV-1a hash of its code, the same on every machine and in every run.
fn partition_of(station_code: &str, partitions: usize) -> usize {
    let hash = station_code
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    // The low bits alone would depend on little more than the last character.
    ((hash ^ (hash >> 32)) % partitions as u64) as usize
}

fn compute(partitions: &[Table], max_gap: Duration) -> Result<Statistics> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(partitions.len());
    let work = |share: &[Table]| {
        share.iter().try_fold(Partial::default(), |sum, table| Ok::<_, Error>(sum.and(dataframe::part(table)?)))
    };
    let parts: Vec<Result<Partial>> = thread::scope(|scope| {
        let threads: Vec<_> = partitions
            .chunks(partitions.len().div_ceil(workers))
            .map(|share| scope.spawn(move || work(share)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let whole = parts.into_iter().try_fold(Partial::default(), |sum, part| Ok::<_, Error>(sum.and(part?)))?;
    Ok(whole.finish(max_gap))
}

struct Run {
    rows: Vec<usize>,
    split: Duration,
    whole: Duration,
}

fn run(table: &Table, partitions: usize) -> Result<Run> {
    let start = Instant::now();
    let parts = split(table, partitions)?;
    let split = start.elapsed();
    compute(&parts, table.max_gap())?;
    Ok(Run { rows: parts.iter().map(Table::len).collect(), split, whole: start.elapsed() })
}

/// The first run is left out.
fn times(partitions: usize, mut runs: Vec<Run>) -> PartitionTimes {
    let rows = runs.remove(0).rows;
    let (seconds, split) = runs.iter().map(|run| (run.whole.as_secs_f64(), run.split.as_secs_f64())).unzip();
    PartitionTimes::of(partitions, rows, seconds, split)
}

/// The median of at least one number.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { f64::midpoint(sorted[half - 1], sorted[half]) }
}

/// As polars itself decides it.
fn polars_threads() -> usize {
    std::env::var("POLARS_MAX_THREADS")
        .ok()
        .and_then(|threads| threads.parse().ok())
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::readings_with_gaps;
    use crate::batch::{Engine, statistics};
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_give_what_the_whole_gives(readings in readings_with_gaps(), partitions in 1..9usize) {
            let table = Table::new(&readings).unwrap();
            let whole = statistics(&table, Engine::DataFrame).unwrap();
            prop_assert_eq!(partition_statistics(&table, partitions).unwrap(), whole);
        }

        #[test]
        fn a_partition_holds_whole_stations_and_no_row_is_lost(readings in readings_with_gaps(), partitions in 1..9usize) {
            let table = Table::new(&readings).unwrap();
            let parts = split(&table, partitions).unwrap();
            prop_assert_eq!(parts.len(), partitions);
            prop_assert_eq!(parts.iter().map(Table::len).sum::<usize>(), readings.len());
            for (index, part) in parts.iter().enumerate() {
                for code in part.frame().column("stationcode").unwrap().str().unwrap().iter() {
                    prop_assert!(partitions == 1 || partition_of(code.unwrap(), partitions) == index);
                }
            }
        }
    }

    #[test]
    fn stations_spread_evenly() {
        let codes: Vec<String> = (1..=20).flat_map(|a| (1..=60).map(move |b| (1000 * a + b).to_string())).collect();
        for partitions in [2, 3, 8] {
            let mut counts = vec![0; partitions];
            codes.iter().for_each(|code| counts[partition_of(code, partitions)] += 1);
            let fair = codes.len() / partitions;
            assert!(counts.iter().all(|&count| count > fair * 8 / 10 && count < fair * 12 / 10), "{counts:?}");
        }
    }

    #[test]
    fn no_partition_and_too_many_are_wrong_usage() {
        let table = Table::new(&[]).unwrap();
        for partitions in [0, MAX_PARTITIONS + 1] {
            let error = partition_statistics(&table, partitions).unwrap_err();
            let wanted = format!("--partitions: {partitions} is not a number of partitions; ask for 1 to 4096");
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Usage, wanted));
            assert!(compare_partitions(&table, 1, partitions, NonZeroUsize::MIN).is_err());
        }
    }

    #[test]
    fn a_comparison_reports_every_run_and_all_rows() {
        let table = Table::new(&[]).unwrap();
        let report = compare_partitions(&table, 1, 2, NonZeroUsize::new(3).unwrap()).unwrap();
        assert_eq!((report.one.seconds.len(), report.many.split_seconds.len()), (3, 3));
        assert_eq!((&report.one.rows, &report.many.rows), (&vec![0], &vec![0, 0]));
        assert!(report.one.min <= report.one.median && report.one.median <= report.one.max);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<PartitionReport>(&json).unwrap(), report);
    }

    fn timed(partitions: usize, seconds: &[f64]) -> PartitionTimes {
        PartitionTimes {
            partitions,
            rows: vec![10; partitions],
            seconds: seconds.to_vec(),
            split_seconds: vec![0.25; seconds.len()],
            median: median(seconds),
            min: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            max: seconds.iter().copied().fold(0.0, f64::max),
        }
    }

    #[test]
    fn the_sentence_follows_the_numbers() {
        let report = |one: &[f64], many: &[f64]| PartitionReport {
            readings: 20,
            chunks: 1,
            threads: 2,
            one: timed(1, one),
            many: timed(2, many),
        };
        let one_wins = report(&[1.0, 1.1, 0.9], &[2.0, 2.0, 2.2]).sentence();
        assert!(one_wins.contains("With 1 partition it takes 50 % less"), "{one_wins}");
        assert!(one_wins.ends_with("cut its table in 0.250 s and computed for 1.750 s."), "{one_wins}");
        let many_win = report(&[2.0, 2.0, 2.2], &[1.0, 1.1, 0.9]).sentence();
        assert!(many_win.contains("With 2 partitions it takes 50 % less"), "{many_win}");
        assert!(many_win.ends_with("the cut took 0.250 s and the computing 0.750 s."), "{many_win}");
        let overlap = report(&[1.0, 1.1, 0.9], &[1.0, 1.2, 1.3]).sentence();
        assert!(overlap.contains("do not tell the two apart"), "{overlap}");
        assert!(
            overlap.starts_with("1 partition of 10 rows: 1.000 s (0.900 to 1.100, 3 runs); 2 partitions of 10 rows")
        );
        let few = report(&[1.0], &[2.0]).sentence();
        assert!(few.ends_with("1 run of each: too few to tell the two apart."), "{few}");
        assert_eq!(median(&[3.0, 1.0, 2.0, 4.0]), 2.5);
    }
}
