//! The tables of the shortages. A dash stands for what is not known.

use super::super::PageTable;
use super::super::axis::grouped;
use super::{bikes, called, docks, ranked};
use crate::batch::{DayInterval, Kind, LITTLE_HOURS, Lack, Move, Shortages, StationShortage};

const DASH: &str = "–";
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// How many hours of the week are told.
const HOURS: usize = 10;

pub(super) fn network(result: &Shortages) -> PageTable {
    let row = |name: &str, lack: &Lack| {
        vec![
            name.into(),
            number(lack.hours, 1),
            percent(lack.share),
            known(lack.missed, 0),
            interval(lack.missed_interval, 0),
            percent(lack.lost_share),
            percent(lack.answered_share),
            known(lack.missed_answered, 0),
        ]
    };
    table(
        "The whole network over the recorded days. Riders: expected to have come while there was none.",
        &[
            "without",
            "station-hours",
            "of the time",
            "riders missed",
            "90 % interval",
            "of the riders",
            "hours with one within 300 m",
            "riders in these",
        ],
        vec![row("a bike", &result.bikes), row("a dock", &result.docks)],
    )
}

pub(super) fn worst_hours(result: &Shortages) -> PageTable {
    let worst = |shares: &[Option<f64>]| {
        let mut hours: Vec<(usize, f64)> =
            shares.iter().enumerate().filter_map(|(hour, share)| Some((hour, (*share)?))).collect();
        hours.sort_by(|a, b| b.1.total_cmp(&a.1));
        hours.truncate(HOURS);
        hours
    };
    let (bikes, docks) = (worst(&result.bikes_by_hour), worst(&result.docks_by_hour));
    let cells = |hours: &[(usize, f64)], rank: usize| match hours.get(rank) {
        Some(&(hour, share)) => [format!("{} {}:00", DAYS[hour / 24 % 7], hour % 24), percent(Some(share))],
        None => [DASH.into(), DASH.into()],
    };
    let row =
        |rank: usize| [vec![(rank + 1).to_string()], cells(&bikes, rank).into(), cells(&docks, rank).into()].concat();
    table(
        "The hours of the week in which the greatest share of the riders found none.",
        &["rank", "no bike", "of the riders", "no dock", "of the riders"],
        (0..bikes.len().max(docks.len())).map(row).collect(),
    )
}

pub(super) fn ranking(result: &Shortages, wanted: &str, lack: fn(&StationShortage) -> &Lack) -> PageTable {
    let row = |(station, lack): (&StationShortage, &Lack)| {
        vec![
            called(&station.station),
            known(lack.missed, 1),
            interval(lack.missed_interval, 1),
            number(lack.hours, 1),
            percent(lack.share),
            percent(lack.answered_share.filter(|_| station.neighbours > 0)),
            // Marked where it rests on little.
            format!("{}{}", number(lack.seen_hours, 1), if lack.seen_hours < LITTLE_HOURS { " *" } else { "" }),
        ]
    };
    table(
        &format!(
            "The stations where most riders find no {wanted}; a dash where no other is within 300 m. Seen: the hours in which their \
             riders could be counted; with a star they are few, the rest is the network's, and no interval is given."
        ),
        &["station", "riders missed", "90 % interval", "hours", "of the time", "one within 300 m", "seen, h"],
        ranked(result, lack).into_iter().map(row).collect(),
    )
}

pub(super) fn moves(result: &Shortages) -> PageTable {
    let row = |one: &Move| {
        vec![
            called(&one.from),
            called(&one.to),
            number(one.metres, 0),
            number(one.missed, 1),
            number(one.hours, 1),
            format!("{}:00 to {}:00", one.when_from, one.when_until),
            number(one.when_missed, 1),
        ]
    };
    table(
        "The ten moves that could have saved the most riders, and the hours of the day in which most of them came in vain. Hours: while \
         one was empty, and the other was the nearest with bikes to give.",
        &["from", "to", "metres", "riders, at most", "hours", "when", "then, at most"],
        result.moves.top.iter().map(row).collect(),
    )
}

pub(super) fn missing_docks(result: &Shortages) -> PageTable {
    let row = |one: &crate::batch::StationDocks| {
        vec![
            called(&one.station),
            one.missing.to_string(),
            one.capacity.to_string(),
            percent(Some(one.share)),
            number(one.known_hours, 1),
        ]
    };
    table(
        "The stations with the most docks that were neither free nor held a bike, median over time.",
        &["station", "docks missing", "of", "some missing, of the time", "observed, h"],
        result.missing_docks.stations.iter().take(super::RANKED).map(row).collect(),
    )
}

pub(super) fn silent(result: &Shortages) -> PageTable {
    let row = |one: &crate::batch::SilentStation| {
        vec![
            called(&one.station),
            one.last_reported.format("%Y-%m-%d %H:%M").to_string(),
            number(one.silent_hours, 1),
            known(one.longest_gap_hours, 1),
        ]
    };
    table(
        "Stations of which nothing was heard for more than a day before the data end.",
        &["station", "heard last (UTC)", "silent, h", "longest gap before, h"],
        result.silent.iter().take(super::RANKED).map(row).collect(),
    )
}

pub(super) fn kinds(result: &Shortages) -> PageTable {
    let row = |name: &str, kind: &Kind| {
        vec![
            name.into(),
            known(kind.mean, 2),
            number(kind.only_other_hours, 1),
            percent(kind.only_other_share),
            known(kind.moved.map(|moved| moved as f64), 0),
            known(kind.moved_per_bike_day, 2),
        ]
    };
    table(
        "Electric and mechanical bikes at open stations.",
        &[
            "bikes",
            "at a station",
            "station-hours without, the other there",
            "of the time",
            "came or went",
            "for each bike a day",
        ],
        vec![row("electric", &result.kinds.electric), row("mechanical", &result.kinds.mechanical)],
    )
}

/// How much all of it rests on.
pub(super) fn rests_on(result: &Shortages) -> PageTable {
    let little = |lack: fn(&StationShortage) -> &Lack| {
        result.by_station.iter().filter(|station| lack(station).seen_hours < LITTLE_HOURS).count()
    };
    let rows = [
        ("readings", result.readings as usize),
        ("stations", result.stations as usize),
        ("stations never open, left out", result.never_open as usize),
        ("stations without a place, so without neighbours", result.without_place as usize),
        ("days, whole or in part", result.dates as usize),
        ("days that intervals are drawn from", result.days as usize),
        ("stations at which departures were seen for less than a day", little(bikes)),
        ("stations at which returns were seen for less than a day", little(docks)),
    ];
    table(
        "What it rests on.",
        &["what", "how many"],
        rows.map(|(what, count)| vec![what.into(), grouped(count as f64)]).into(),
    )
}

fn table(caption: &str, header: &[&str], rows: Vec<Vec<String>>) -> PageTable {
    PageTable { caption: caption.into(), header: header.iter().map(|&head| head.into()).collect(), rows }
}

/// A number with its thousands set apart.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let digits = format!("{value:.decimals$}");
    match digits.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole.parse().unwrap_or(value.trunc()))),
        None => grouped(value),
    }
}

fn known(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| DASH.into(), |value| number(value, decimals))
}

pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| DASH.into(), |share| format!("{:.1} %", 100.0 * share))
}

fn interval(interval: Option<DayInterval>, decimals: usize) -> String {
    let ends = |one: DayInterval| format!("{} to {}", number(one.low, decimals), number(one.high, decimals));
    interval.map_or_else(|| DASH.into(), ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_before_the_point() {
        assert_eq!(
            [number(1234.56, 1), number(0.04, 1), number(999_999.96, 1), number(17.5, 0)],
            ["1,234.6", "0.0", "1,000,000.0", "18"]
        );
    }
}
