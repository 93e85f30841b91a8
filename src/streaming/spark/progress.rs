//! How far a query has come, by its own reports: one for each batch, as JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The name under which the messages that are set aside are counted in the reports.
pub(super) const SET_ASIDE: &str = "velib_set_aside";

/// What one batch of the query did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SparkBatch {
    /// Its number, counted from the first of the checkpoint: 0.
    pub id: i64,
    /// How many messages it read.
    pub messages: u64,
    /// How many of them were no readings.
    pub set_aside: u64,
    /// What came later than the watermark and was dropped, as Spark counts it: each window of a station once, however many
    /// readings the batch brought for it.
    pub dropped: u64,
    /// How many windows are open, of all stations.
    pub open: u64,
    /// The watermark by which the batch closed windows; `None` in the first batch, before anything was read.
    pub watermark: Option<DateTime<Utc>>,
    /// The newest event time in it; `None` if it read nothing.
    pub newest: Option<DateTime<Utc>>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Messages a second as they came in since the batch before; `None` if Spark does not say.
    pub input_per_second: Option<f64>,
    /// Messages a second as they were worked off; `None` if Spark does not say.
    pub processed_per_second: Option<f64>,
    /// For each partition of the topic the offset after the last message read; empty if Spark does not say.
    pub ends: BTreeMap<i32, i64>,
}

/// What a run of the query has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SparkTotals {
    /// How many batches.
    pub batches: u64,
    /// The sum of [`SparkBatch::messages`].
    pub messages: u64,
    /// The sum of [`SparkBatch::set_aside`].
    pub set_aside: u64,
    /// The sum of [`SparkBatch::dropped`].
    pub dropped: u64,
    /// The newest event time read.
    pub newest: Option<DateTime<Utc>>,
    /// The last batch.
    pub last: Option<SparkBatch>,
}

impl SparkTotals {
    /// Takes in what the query reports, its batches in order, as far as it is new; whether something was.
    pub(super) fn update(&mut self, reports: &[String]) -> bool {
        let before = self.batches;
        for batch in reports.iter().filter_map(|report| SparkBatch::of(report)) {
            if self.last.as_ref().is_some_and(|last| batch.id <= last.id) {
                continue;
            }
            self.batches += 1;
            self.messages += batch.messages;
            self.set_aside += batch.set_aside;
            self.dropped += batch.dropped;
            self.newest = self.newest.max(batch.newest);
            self.last = Some(batch);
        }
        self.batches > before
    }

    /// Whether the topic was read to these ends, by partition, as far as the last batch tells. Without one nothing was read by a query
    /// that is new; of another it is not known, and taken as read.
    pub(super) fn are_read(&self, ends: &BTreeMap<i32, i64>, is_new: bool) -> bool {
        let read_to = |batch: &SparkBatch, partition| batch.ends.get(&partition).copied().unwrap_or(0);
        let read = |batch: &SparkBatch| {
            batch.ends.is_empty() || ends.iter().all(|(&partition, &end)| read_to(batch, partition) >= end)
        };
        self.last.as_ref().map_or(!is_new || ends.is_empty(), read)
    }
}

impl SparkBatch {
    /// From Spark's report; `None` if it is none of a batch: one that waits reports too, with the number of the batch to come.
    fn of(report: &str) -> Option<Self> {
        let report: Report = serde_json::from_str(report).ok()?;
        report.duration_ms.get("addBatch")?;
        let rate = |rate: fn(&Source) -> Option<f64>| report.sources.iter().map(rate).sum();
        let counted = report.observed_metrics.get(SET_ASIDE).and_then(|counted| counted.values.first());
        Some(Self {
            id: report.batch_id,
            messages: report.sources.iter().map(|source| source.num_input_rows).sum(),
            set_aside: counted.and_then(serde_json::Value::as_u64).unwrap_or(0),
            dropped: report.state_operators.iter().map(|one| one.num_rows_dropped_by_watermark).sum(),
            open: report.state_operators.iter().map(|one| one.num_rows_total).sum(),
            // Spark begins at 1970.
            watermark: report.event_time.watermark.filter(|&time| time > DateTime::UNIX_EPOCH),
            newest: report.event_time.max,
            seconds: report.batch_duration as f64 / 1000.0,
            input_per_second: rate(|source| source.input_rows_per_second),
            processed_per_second: rate(|source| source.processed_rows_per_second),
            ends: report.sources.iter().flat_map(Source::ends).collect(),
        })
    }
}

/// What is read of a report.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    batch_id: i64,
    #[serde(default)]
    batch_duration: i64,
    /// What of the batch took how long, by name.
    #[serde(default)]
    duration_ms: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    event_time: EventTime,
    #[serde(default)]
    state_operators: Vec<StateOperator>,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default)]
    observed_metrics: BTreeMap<String, Observed>,
}

#[derive(Default, Deserialize)]
struct EventTime {
    watermark: Option<DateTime<Utc>>,
    max: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateOperator {
    num_rows_total: u64,
    num_rows_dropped_by_watermark: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(default)]
    num_input_rows: u64,
    input_rows_per_second: Option<f64>,
    processed_rows_per_second: Option<f64>,
    /// By topic and partition, as JSON in a text.
    end_offset: Option<String>,
}

impl Source {
    fn ends(&self) -> BTreeMap<i32, i64> {
        let topics = self.end_offset.as_deref().and_then(|text| serde_json::from_str(text).ok());
        topics.into_iter().flat_map(BTreeMap::<String, BTreeMap<i32, i64>>::into_values).flatten().collect()
    }
}

#[derive(Deserialize)]
struct Observed {
    values: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: i64, messages: u64) -> String {
        format!(
            r#"{{"id": "d66076ce", "batchId": {id}, "batchDuration": 3595, "durationMs": {{"addBatch": 3001}}, "eventTime": {{"watermark":
            "1970-01-01T00:00:00.000Z", "max": "2022-05-12T09:18:14.250Z"}}, "stateOperators": [{{"numRowsTotal": 7,
            "numRowsDroppedByWatermark": 2, "customMetrics": {{}}}}], "sources": [{{"numInputRows": {messages},
            "processedRowsPerSecond": 12.5, "startOffset": null, "endOffset": "{{\"velib\": {{\"0\": {messages}, \"1\": 7}}}}"}}], "sink": {{}}, "observedMetrics": {{"velib_set_aside": {{"values": [3],
            "schema": {{}}}}}}}}"#
        )
    }

    #[test]
    fn each_batch_counts_once_however_often_it_is_reported() {
        let mut totals = SparkTotals::default();
        assert!(totals.update(&[report(4, 10), report(5, 20), "{}".to_owned()]));
        assert!(!totals.update(&[report(4, 10), report(5, 20)]) && totals.update(&[report(5, 20), report(6, 1)]));
        let said = (totals.batches, totals.messages, totals.set_aside, totals.dropped);
        assert_eq!(said, (3, 31, 9, 6));
        // While it waits for more it says so under the number of the batch that comes next.
        let waits = r#"{"batchId": 7, "durationMs": {"latestOffset": 1}, "sources": [{"numInputRows": 0}]}"#.to_owned();
        assert!(!totals.update(&[report(6, 1), waits.clone()]) && totals.update(&[waits, report(7, 0)]));
        assert_eq!((totals.batches, totals.messages, totals.last.as_ref().map(|last| last.id)), (4, 31, Some(7)));
        let ends = |first| BTreeMap::from([(0, first), (1, 7), (2, 0)]);
        totals.update(&[report(8, 40)]);
        assert!(totals.are_read(&ends(40), true) && !totals.are_read(&ends(41), false));
        let none = SparkTotals::default();
        assert!(
            none.are_read(&ends(1), false) && !none.are_read(&ends(1), true) && none.are_read(&BTreeMap::new(), true)
        );
        let last = totals.last.unwrap();
        assert_eq!((last.open, last.watermark, last.seconds), (7, None, 3.595));
        assert_eq!((last.input_per_second, last.processed_per_second), (None, Some(12.5)));
        assert_eq!(totals.newest, Some("2022-05-12T09:18:14.250Z".parse().unwrap()));
    }
}
