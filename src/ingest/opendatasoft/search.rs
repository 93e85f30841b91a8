//! Search v1.0: `{nhits, records: [{fields: record}]}`. A field that is unknown is missing from its record.

use super::DATASET;
use super::explore::encoded;
use crate::station::StationCode;

/// The most rows that one answer may hold: rows + start. Enough for every station in one request, so nothing is paged.
pub(super) const MOST_ROWS: usize = 10_000;

pub(super) fn page_url(endpoint: &str, start: usize, rows: usize, station: Option<&StationCode>) -> String {
    let only = station.map(|code| format!("&refine.stationcode={}", encoded(code.as_str()))).unwrap_or_default();
    format!("{endpoint}/api/records/1.0/search/?dataset={DATASET}%40parisdata&rows={rows}&start={start}{only}")
}
