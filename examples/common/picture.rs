//! A station in the terminal: its free docks of the last hours, and P(full) of the coming ones. At most 80 columns wide.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Europe::Paris;

/// Lines that a bar may fill, and the levels of each.
const LINES: usize = 4;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the past, and the minutes of each: three hours.
const COLUMNS: usize = 36;
const MINUTES: i64 = 5;
/// Between two readings further apart than this nothing is known, nor so long after the newest.
const LONGEST_GAP: TimeDelta = TimeDelta::minutes(70);
const NEWEST_HOLDS: TimeDelta = TimeDelta::minutes(15);
/// No dock is free.
const FULL: char = '_';
/// What is not known.
const UNKNOWN: char = '·';

/// The picture. `past` are the free docks by event time, rising, none after `made_at`; `steps` the minutes ahead with P(full).
pub fn draw(
    past: &[(DateTime<Utc>, u32)],
    steps: &[(i64, f64)],
    capacity: Option<u32>,
    made_at: DateTime<Utc>,
) -> String {
    let most = past.iter().map(|(_, docks)| *docks).chain(capacity).max().unwrap_or(0).max(1);
    let end_of = |column: usize| made_at - TimeDelta::minutes(MINUTES * (COLUMNS - 1 - column) as i64);
    let docks: Vec<_> = (0..COLUMNS).map(|column| docks_at(past, end_of(column))).collect();
    let title = format!("free docks, the last {} hours", COLUMNS as i64 * MINUTES / 60);
    let mut lines = vec![format!("     {title:<COLUMNS$}          P(full)")];
    for line in (0..LINES).rev() {
        let (most_label, percent) = match line {
            0 => ("0".to_owned(), "0 %"),
            line if line == LINES - 1 => (most.to_string(), "100 %"),
            _ => (String::new(), ""),
        };
        let left: String = docks
            .iter()
            .map(|docks| match docks {
                Some(0) if line == 0 => FULL,
                Some(docks) => level(f64::from(*docks) / f64::from(most), line),
                None if line == 0 => UNKNOWN,
                None => ' ',
            })
            .collect();
        let right: String = steps
            .iter()
            .map(|(_, p)| {
                let bar = level(*p, line);
                format!(" {bar}{bar}")
            })
            .collect();
        lines.push(format!("{most_label:>3} ┤{left}   {percent:>5} ┤{right}"));
    }
    let mut hours = String::new();
    for column in 0..COLUMNS {
        let local = end_of(column).with_timezone(&Paris);
        let is_new_hour = i64::from(local.minute()) < MINUTES;
        if is_new_hour && hours.chars().count() <= column && column + 5 <= COLUMNS {
            hours = format!("{hours:<column$}{}", local.format("%H:00"));
        }
    }
    let every = if steps.len() > 3 { 2 } else { 1 };
    let minutes: String = steps
        .iter()
        .enumerate()
        .map(|(place, (minutes, _))| if (place + 1) % every == 0 { format!("{minutes:>3}") } else { "   ".into() })
        .collect();
    lines.push(format!("     {hours:<COLUMNS$}    min  {minutes}"));
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// The free docks that were known at a time: those of the reading before, unless that is too long ago.
fn docks_at(past: &[(DateTime<Utc>, u32)], time: DateTime<Utc>) -> Option<u32> {
    let after = past.partition_point(|(reported, _)| *reported <= time);
    let (reported, docks) = past[..after].last()?;
    let holds = match past.get(after) {
        Some((next, _)) => *next - *reported <= LONGEST_GAP,
        None => time - *reported <= NEWEST_HOLDS,
    };
    holds.then_some(*docks)
}

/// What a bar that fills a share of the height shows in a line, counted from below. One above nothing is never invisible.
fn level(share: f64, line: usize) -> char {
    let all = LINES * (LEVELS.len() - 1);
    let filled = (share * all as f64).round() as usize;
    let filled = if share >= 0.005 { filled.max(1) } else { filled };
    LEVELS[filled.saturating_sub(line * (LEVELS.len() - 1)).min(LEVELS.len() - 1)]
}
