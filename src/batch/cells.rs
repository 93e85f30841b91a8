//! What an engine answered, column by column, in the types of the statistics.

use polars::prelude::*;

use super::engine::of_polars;
use super::over_time::{TimeMean, TimeShare};
use super::statistics::{Share, Summary};
use crate::error::Result;

/// The columns of an engine's result as plain values, whatever integer type the engine chose.
pub(super) struct Cells<'a>(pub(super) &'a DataFrame);

impl Cells<'_> {
    fn column(&self, name: &str, dtype: &DataType) -> Result<Column> {
        let column = self.0.column(name).map_err(of_polars)?;
        column.strict_cast(dtype).map_err(of_polars)
    }

    pub(super) fn texts(&self, name: &str) -> Result<StringChunked> {
        Ok(self.column(name, &DataType::String)?.str().map_err(of_polars)?.clone())
    }

    /// Numbers that cannot be unknown; a sum over nothing is zero.
    pub(super) fn counts(&self, name: &str) -> Result<Vec<u64>> {
        let column = self.column(name, &DataType::UInt64)?;
        Ok(column.u64().map_err(of_polars)?.iter().map(Option::unwrap_or_default).collect())
    }

    pub(super) fn values(&self, name: &str) -> Result<Vec<Option<u32>>> {
        let column = self.column(name, &DataType::UInt32)?;
        Ok(column.u32().map_err(of_polars)?.iter().collect())
    }

    pub(super) fn means(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name, &DataType::Float64)?;
        Ok(column.f64().map_err(of_polars)?.iter().collect())
    }

    /// `NAME_count`, `NAME_mean`, `NAME_min`, `NAME_max`.
    pub(super) fn summaries(&self, name: &str) -> Result<Vec<Summary>> {
        let (counts, means) = (self.counts(&format!("{name}_count"))?, self.means(&format!("{name}_mean"))?);
        let (mins, maxs) = (self.values(&format!("{name}_min"))?, self.values(&format!("{name}_max"))?);
        let summary = |row: usize| Summary { count: counts[row], mean: means[row], min: mins[row], max: maxs[row] };
        Ok((0..counts.len()).map(summary).collect())
    }

    /// `NAME_times`, `NAME_known`.
    pub(super) fn shares(&self, name: &str) -> Result<Vec<Share>> {
        let (times, known) = (self.counts(&format!("{name}_times"))?, self.counts(&format!("{name}_known"))?);
        Ok(times.into_iter().zip(known).map(|(times, known)| Share::new(times, known)).collect())
    }

    /// Event times, milliseconds since 1970.
    pub(super) fn times(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let column = self.column(name, &DataType::Int64)?;
        Ok(column.i64().map_err(of_polars)?.iter().collect())
    }

    /// Sums of numbers times milliseconds; over nothing zero.
    pub(super) fn sums(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self.means(name)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// `NAME_held`, `NAME_sum_held`.
    pub(super) fn time_means(&self, name: &str) -> Result<Vec<TimeMean>> {
        let (held, sums) = (self.counts(&format!("{name}_held"))?, self.sums(&format!("{name}_sum_held"))?);
        Ok(held.into_iter().zip(sums).map(|(held, sum)| TimeMean::new(held, sum, held as f64)).collect())
    }

    /// `NAME_held`, `NAME_known_held`.
    pub(super) fn time_shares(&self, name: &str) -> Result<Vec<TimeShare>> {
        let (held, known) = (self.counts(&format!("{name}_held"))?, self.counts(&format!("{name}_known_held"))?);
        Ok(held.into_iter().zip(known).map(|(held, known)| TimeShare::new(held, known)).collect())
    }
}
