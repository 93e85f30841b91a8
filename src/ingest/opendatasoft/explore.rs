//! Explore v2.1: `{total_count, results: [record]}` by pages, or a bare array of records as an export.

use super::DATASET;
use crate::station::StationCode;

/// The most rows that one page may hold.
pub(super) const MOST_ROWS_A_PAGE: usize = 100;
/// The most rows that pages reach: offset + limit.
pub(super) const MOST_ROWS: usize = 10_000;

pub(super) fn export_url(endpoint: &str) -> String {
    format!("{endpoint}/api/explore/v2.1/catalog/datasets/{DATASET}/exports/json?limit=-1")
}

/// Always ordered: pages without an order repeat some stations and lose others.
pub(super) fn page_url(endpoint: &str, offset: usize, limit: usize, station: Option<&StationCode>) -> String {
    let only =
        station.map(|code| format!("&where={}", encoded(&format!("stationcode=\"{code}\"")))).unwrap_or_default();
    format!(
        "{endpoint}/api/explore/v2.1/catalog/datasets/{DATASET}/records?order_by=stationcode&limit={limit}&offset={offset}{only}"
    )
}

/// Percent-encoded for a query (RFC 3986, section 2).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
