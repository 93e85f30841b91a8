//! Search v1.0: `{nhits, records: [{fields: record}]}`. A field that is unknown is missing from its record.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::explore::encoded;
use super::{DATASET, Page};
use crate::station::StationCode;

/// The most rows that one answer may hold: rows + start. Enough for every station in one request, so nothing is paged.
pub(super) const MOST_ROWS: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Records {
    nhits: u64,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    fields: Map<String, Value>,
}

impl From<Records> for Page {
    fn from(records: Records) -> Self {
        Self { counted: records.nhits, records: records.records.into_iter().map(|record| record.fields).collect() }
    }
}

pub(super) fn page_url(endpoint: &str, start: usize, rows: usize, station: Option<&StationCode>) -> String {
    let only = station.map(|code| format!("&refine.stationcode={}", encoded(code.as_str()))).unwrap_or_default();
    format!("{endpoint}/api/records/1.0/search/?dataset={DATASET}%40parisdata&rows={rows}&start={start}{only}")
}
