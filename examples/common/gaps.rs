//! The gaps of a ledger, as Part 1 and Part 3 show them.

use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use comfy_table::Table;
use velib::kafka::Gap;

/// One line a gap.
pub fn table(gaps: &[Gap]) -> Table {
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S").to_string();
    let header = ["from (UTC)", "to (UTC)", "lasted", "polls failed", "polls short", "stations", "why"];
    let rows = gaps.iter().map(|gap| {
        [
            time(gap.from),
            gap.to.map_or_else(|| "open".to_owned(), time),
            gap.to.map_or_else(|| "–".to_owned(), |to| lasted(to - gap.from).to_string()),
            gap.failed_polls.to_string(),
            gap.short_polls.to_string(),
            gap.stations.map_or_else(|| "all".to_owned(), |stations| stations.to_string()),
            gap.why.join("; "),
        ]
    });
    super::table(header, &[1, 6], rows)
}

/// How much of a time was observed in full.
pub fn observed(gaps: &[Gap], start: DateTime<Utc>, end: DateTime<Utc>) -> String {
    let (all, within) = (end - start, Gap::time_within(gaps, start, end));
    let seconds = |time: TimeDelta| time.num_milliseconds() as f64 / 1e3;
    let share = if all > TimeDelta::zero() { 1.0 - seconds(within) / seconds(all) } else { 1.0 };
    let touching = touching(gaps, start, end).len();
    format!(
        "Observed in full: {:.2} % of {} ({touching} {}, {} in all)",
        100.0 * share,
        lasted(all),
        if touching == 1 { "gap" } else { "gaps" },
        lasted(within)
    )
}

/// Those of the gaps that some of this time lies in.
pub fn touching(gaps: &[Gap], start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Gap> {
    let touches = |gap: &&Gap| gap.from < end && gap.to.is_none_or(|to| to > start);
    gaps.iter().filter(touches).cloned().collect()
}

fn lasted(time: TimeDelta) -> impl Display {
    super::seconds(time.num_seconds())
}
