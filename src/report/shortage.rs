//! The page that answers the question of Part 3: how to improve the riders' experience and increase usage.

mod figures;
mod tables;
mod words;

use super::{NamedFigure, Page, PageTable, Section};
use crate::batch::{Lack, Shortages, StationName, StationShortage};

pub use figures::shortage_figures;

/// How many stations a ranking shows.
const RANKED: usize = 15;

/// The page of shortages and their figures ([`shortage_figures`]); `source` says where the data is from.
pub fn shortage_page(result: &Shortages, source: &str, figures: &[NamedFigure]) -> Page {
    let own = |names: &[&str]| {
        figures.iter().filter(|named| names.contains(&named.name)).map(|named| named.figure.clone()).collect()
    };
    // A table without rows tells nothing that the text does not.
    let section = |heading: &str, mut text: Vec<String>, mut tables: Vec<PageTable>, names: &[&str]| {
        let had = tables.len();
        tables.retain(|table| !table.rows.is_empty());
        let figures = if tables.len() < had { Vec::new() } else { own(names) };
        text.extend((tables.len() < had).then(|| "None, as far as these data show.".to_owned()));
        Section { heading: heading.into(), text, more: None, tables, figures }
    };
    let sections = vec![
        section("In short", words::in_short(result), vec![tables::network(result)], &[]),
        section("When", words::when(), vec![tables::worst_hours(result)], &["week"]),
        section("Where", words::whereabouts(result), vec![], &["map"]),
        section(
            "Stations without bikes",
            words::ranking("bike"),
            vec![tables::ranking(result, "bike", bikes)],
            &["without-bikes"],
        ),
        section(
            "Stations without docks",
            words::ranking("dock"),
            vec![tables::ranking(result, "dock", docks)],
            &["without-docks"],
        ),
        section("Bikes to move", words::moves(result), vec![tables::moves(result)], &[]),
        section("Docks that look broken", words::docks(result), vec![tables::missing_docks(result)], &[]),
        section("Stations gone silent", words::silent(result), vec![tables::silent(result)], &[]),
        section("Electric and mechanical bikes", words::kinds(), vec![tables::kinds(result)], &[]),
        section("What these data cannot show", words::limits(result), vec![], &[]),
        section("How it was computed", words::method(result), vec![tables::rests_on(result)], &[]),
    ];
    Page {
        title: "Where riders find no bike and no dock".into(),
        lead: format!(
            "How to improve the riders' experience and increase usage, as far as the stations' own counts tell. {source}."
        ),
        sections,
    }
}

/// The stations that turned away the most riders, the most first; none that turned away nobody.
fn ranked(result: &Shortages, lack: fn(&StationShortage) -> &Lack) -> Vec<(&StationShortage, &Lack)> {
    let missed = |lack: &Lack| lack.missed.unwrap_or(0.0);
    let mut ranked: Vec<_> = result.by_station.iter().map(|station| (station, lack(station))).collect();
    ranked.retain(|(_, lack)| missed(lack) > 0.0);
    ranked.sort_by(|a, b| missed(b.1).total_cmp(&missed(a.1)));
    ranked.truncate(RANKED);
    ranked
}

fn bikes(station: &StationShortage) -> &Lack {
    &station.bikes
}

fn docks(station: &StationShortage) -> &Lack {
    &station.docks
}

/// A station as a reader knows it: its code, and its name, which may repeat.
fn called(station: &StationName) -> String {
    let name = station.name.as_deref().unwrap_or_default();
    format!("{} {}", station.code, name.trim()).trim().to_owned()
}
