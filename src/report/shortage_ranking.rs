//! The stations that turned away the most riders, with how sure that is.

use serde::{Deserialize, Serialize};

use super::axis::{Spread, counted, grouped};
use super::bars::{Bar, MOST_BARS, draw};
use super::figure::{Drawing, RIDERS, check_in, check_interval, check_known};
use super::palette::BLUE;
use super::scene::Scene;
use crate::error::Result;

/// Riders turned away by station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortageRanking {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The days that are summed over, whole or in part.
    pub days: u64,
    /// The stations, in the order they are drawn; at most 25 are.
    pub stations: Vec<RankedStation>,
}

/// One station of the ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedStation {
    /// The station's name.
    pub station: String,
    /// Riders expected in vain.
    pub missed: f64,
    /// The lower end of its 90 % interval.
    pub low: Option<f64>,
    /// The upper end of its 90 % interval.
    pub high: Option<f64>,
    /// The share of the time in which they could find none.
    pub share: Option<f64>,
}

impl Drawing for ShortageRanking {
    fn check(&self) -> Result<()> {
        self.stations.iter().try_for_each(|RankedStation { station, missed, low, high, share }| {
            check_in(*missed, RIDERS, format_args!("`missed` of {station}"))?;
            check_interval((*low, *high), RIDERS, format_args!("{station}"))?;
            check_known(*share, 0.0..=1.0, format_args!("`share` of {station}"))
        })
    }

    fn scene(&self) -> Scene {
        let bars: Vec<Bar> = self
            .stations
            .iter()
            .take(MOST_BARS)
            .map(|one| Bar {
                label: one.station.clone(),
                value: Some(one.missed),
                colour: BLUE.tint(0.7),
                note: one.share.map_or_else(String::new, |share| format!("{:.0} % of the time", share * 100.0)),
                shown: Some(if one.missed >= 100.0 { grouped(one.missed) } else { format!("{:.1}", one.missed) }),
                interval: one.low.zip(one.high),
            })
            .collect();
        let ends = |bar: &Bar| [bar.value, bar.interval.map(|(_, high)| high)];
        let highest = bars.iter().flat_map(ends).flatten().fold(0.0, f64::max);
        let whiskers = if bars.iter().any(|bar| bar.interval.is_some()) { " · whiskers: 90 % intervals" } else { "" };
        let days = counted(usize::try_from(self.days).unwrap_or(usize::MAX), "day", "days");
        let subtitle = format!("Riders expected in vain over {days}{whiskers} · at the right how long there was none");
        let scene = Scene::sheet(&self.title, &subtitle, &self.source);
        draw(scene, &bars, (Spread::Linear, (0.0, highest.max(1.0))), "Riders", |x| {
            x.round_ticks(
                6.0,
                |value, decimals| if decimals == 0 { grouped(value) } else { format!("{value:.decimals$}") },
            )
        })
    }
}
