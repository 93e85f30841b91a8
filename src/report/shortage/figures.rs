//! The figures of the shortages: when, where, and which stations first.

use super::super::{
    Figure, HeatPanel, NamedFigure, PageFigure, RankedStation, ShortStation, ShortageMap, ShortageRanking, WeekHeat,
};
use super::{bikes, called, docks, ranked};
use crate::batch::{Lack, Shortages, StationShortage};

/// The figures that shortages have; `source` says where the data is from.
pub fn shortage_figures(result: &Shortages, source: &str) -> Vec<NamedFigure> {
    let panel = |name: &str, shares: &[Option<f64>]| HeatPanel { name: name.into(), shares: shares.to_vec() };
    let week = WeekHeat {
        title: "When riders find no bike and no dock".into(),
        source: source.into(),
        what: "Share of the riders expected in each hour of the week".into(),
        panels: vec![panel("found no bike", &result.bikes_by_hour), panel("found no dock", &result.docks_by_hour)],
    };
    let station = |one: &StationShortage| ShortStation {
        code: one.station.code.to_string(),
        lat: one.lat,
        lon: one.lon,
        no_bike: one.bikes.missed,
        no_dock: one.docks.missed,
    };
    let map = ShortageMap {
        title: "Where riders find no bike and no dock".into(),
        source: source.into(),
        days: result.dates,
        stations: result.by_station.iter().map(station).collect(),
    };
    vec![
        named("week", "The share of the riders who found none, by hour of the week.", week),
        named("map", "Riders whom each station is expected to have turned away.", map),
        ranking(result, source, "without-bikes", "bike", bikes),
        ranking(result, source, "without-docks", "dock", docks),
    ]
}

fn ranking(
    result: &Shortages,
    source: &str,
    name: &'static str,
    wanted: &str,
    lack: fn(&StationShortage) -> &Lack,
) -> NamedFigure {
    let station = |(station, lack): (&StationShortage, &Lack)| {
        Some(RankedStation {
            station: called(&station.station),
            missed: lack.missed?,
            low: lack.missed_interval.map(|interval| interval.low),
            high: lack.missed_interval.map(|interval| interval.high),
            share: lack.share,
        })
    };
    let figure = ShortageRanking {
        title: format!("The stations where most riders find no {wanted}"),
        source: source.into(),
        days: result.dates,
        stations: ranked(result, lack).into_iter().filter_map(station).collect(),
    };
    named(
        name,
        &format!("Riders expected to have found no {wanted}, by station; the table has the same numbers."),
        figure,
    )
}

fn named(name: &'static str, caption: &str, figure: impl Into<Figure>) -> NamedFigure {
    NamedFigure { name, figure: PageFigure { caption: caption.into(), alt: caption.into(), figure: figure.into() } }
}
