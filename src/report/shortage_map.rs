//! Where riders found no bike or no dock: the size says how many, the colour and the ring which.

use serde::{Deserialize, Serialize};

use super::axis::{counted, grouped};
use super::figure::{Drawing, RIDERS, check_in, check_known};
use super::occupancy_map::{degree, fitted, is_place};
use super::palette::{AXIS, BLUE, Colour, INK, PAPER, QUIET, VERMILION};
use super::scene::{Anchor, Point, Scene};
use super::sheet::{HEADING, LABEL, TOP};
use crate::error::Result;

/// The radius of the largest disc where there is room, pixels.
const LARGEST: f64 = 18.0;
/// With more stations than so many the discs are smaller, so that a city's middle is not one blot.
const ROOMY: f64 = 300.0;
/// From this share on one of the two is the station's lack.
const MOSTLY: f64 = 2.0 / 3.0;

/// Riders that each station is expected to have turned away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortageMap {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The days that are summed over, whole or in part.
    pub days: u64,
    /// The stations, in any order. One without a place is left out and counted below the title.
    pub stations: Vec<ShortStation>,
}

/// One station of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShortStation {
    /// The station's code.
    pub code: String,
    /// Latitude, degrees north (WGS 84).
    pub lat: Option<f64>,
    /// Longitude, degrees east (WGS 84).
    pub lon: Option<f64>,
    /// Riders who found no bike; unknown where it is never known whether there was one.
    pub no_bike: Option<f64>,
    /// Riders who found no dock; unknown likewise.
    pub no_dock: Option<f64>,
}

impl Drawing for ShortageMap {
    fn check(&self) -> Result<()> {
        self.stations.iter().try_for_each(|ShortStation { code, lat, lon, no_bike, no_dock }| {
            for (name, degrees) in [("lat", lat), ("lon", lon)] {
                degrees.map_or(Ok(()), |degrees| {
                    check_in(degrees, f64::MIN..=f64::MAX, format_args!("`{name}` of station {code}"))
                })?;
            }
            check_known(*no_bike, RIDERS, format_args!("`no_bike` of station {code}"))?;
            check_known(*no_dock, RIDERS, format_args!("`no_dock` of station {code}"))
        })
    }

    fn scene(&self) -> Scene {
        let placed = self.stations.iter().filter_map(|station| Some((station.place()?, station)));
        let mut placed: Vec<_> = placed.collect();
        // The largest first, so that no station hides a smaller one.
        placed.sort_by(|a, b| b.1.riders().total_cmp(&a.1.riders()).then_with(|| a.1.code.cmp(&b.1.code)));
        let left_out = match self.stations.len() - placed.len() {
            0 => String::new(),
            count => format!(" · {} without a place left out", counted(count, "station", "stations")),
        };
        let days = counted(usize::try_from(self.days).unwrap_or(usize::MAX), "day", "days");
        let stations = counted(placed.len(), "station", "stations");
        let unknown = match placed.iter().filter(|(_, station)| station.lacks() == Lacks::Unknown).count() {
            0 => String::new(),
            count => format!(" · {} unknown", grouped(count as f64)),
        };
        let subtitle = format!("Riders expected in vain over {days} · {stations}{unknown}{left_out}");
        let mut scene = Scene::sheet(&self.title, &subtitle, &self.source);
        let panel = fitted(&placed.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        scene.y_axis(
            &panel,
            &panel.y.round_ticks(6.0, |degrees, decimals| degree(degrees, decimals, 'N', 'S')),
            "Latitude",
        );
        scene.x_axis(
            &panel,
            &panel.x.round_ticks(6.0, |degrees, decimals| degree(degrees, decimals, 'E', 'W')),
            "Longitude",
        );
        let sizes = Sizes::of(placed.len(), placed.first().map_or(0.0, |(_, station)| station.riders()));
        for ((lat, lon), station) in &placed {
            dot(&mut scene, panel.at(*lon, *lat), sizes.radius(station.riders()), station.lacks());
        }
        if placed.is_empty() {
            scene.no_data(&panel, "no data");
        }
        draw_key(&mut scene, panel.x.to + 50.0, &sizes);
        scene
    }
}

/// What a station lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lacks {
    Bikes,
    Docks,
    Both,
    /// Neither.
    Nothing,
    /// Neither as far as is known, and one is not: who came in vain for that one is not said.
    Unknown,
}

impl ShortStation {
    fn place(&self) -> Option<(f64, f64)> {
        self.lat.zip(self.lon).filter(|&(lat, lon)| is_place(lat, lon))
    }

    fn riders(&self) -> f64 {
        self.no_bike.unwrap_or(0.0) + self.no_dock.unwrap_or(0.0)
    }

    fn lacks(&self) -> Lacks {
        let share = self.no_bike.unwrap_or(0.0) / self.riders();
        match share {
            _ if share >= MOSTLY => Lacks::Bikes,
            _ if share <= 1.0 - MOSTLY => Lacks::Docks,
            _ if share.is_finite() => Lacks::Both,
            _ if self.no_bike.is_some() && self.no_dock.is_some() => Lacks::Nothing,
            _ => Lacks::Unknown,
        }
    }
}

/// How large the discs are: the area grows with the riders.
struct Sizes {
    largest: f64,
    most: f64,
}

impl Sizes {
    /// For so many stations, one of which turned away `most` riders and none more.
    fn of(stations: usize, most: f64) -> Self {
        Self { largest: LARGEST * (ROOMY / (stations as f64).max(ROOMY)).powf(0.25), most }
    }

    fn radius(&self, riders: f64) -> f64 {
        if self.most > 0.0 { (self.largest * (riders / self.most).sqrt()).max(2.5) } else { 2.5 }
    }
}

fn dot(scene: &mut Scene, at: Point, radius: f64, lacks: Lacks) {
    let (fill, hole): (Colour, f64) = match lacks {
        Lacks::Bikes => (BLUE, 0.0),
        Lacks::Docks => (VERMILION, 0.5),
        Lacks::Both => (AXIS, 0.25),
        Lacks::Nothing => return scene.disc(at, 2.0, AXIS),
        Lacks::Unknown => {
            // A cross: no disc of any size.
            let (x, y) = at;
            scene.line(&[(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)], 1.5, QUIET);
            return scene.line(&[(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)], 1.5, QUIET);
        }
    };
    scene.disc(at, radius + 0.8, PAPER);
    scene.disc(at, radius, INK);
    scene.disc(at, radius - 0.7, fill);
    if hole * radius > 1.0 {
        scene.disc(at, hole * radius, PAPER);
    }
}

/// What the colours and sizes mean, in a column at the right of the map.
fn draw_key(scene: &mut Scene, left: f64, sizes: &Sizes) {
    scene.text((left, TOP + 14.0), Anchor::Start, HEADING, "They found");
    let entries = [
        (Lacks::Bikes, "no bike"),
        (Lacks::Docks, "no dock"),
        (Lacks::Both, "one or the other"),
        (Lacks::Unknown, "unknown"),
        (Lacks::Nothing, "what they"),
    ];
    for (place, (lacks, label)) in entries.into_iter().enumerate() {
        let y = TOP + 54.0 + 46.0 * place as f64;
        dot(scene, (left + 16.0, y), 13.0, lacks);
        scene.text_beside((left + 48.0, y), Anchor::Start, LABEL, label);
    }
    scene.text_beside((left + 48.0, TOP + 54.0 + 46.0 * 4.0 + 26.0), Anchor::Start, LABEL, "wanted");
    if sizes.most > 0.0 {
        scene.text((left, 462.0), Anchor::Start, HEADING, "Riders");
        for (place, share) in [1.0, 0.25, 0.05].into_iter().enumerate() {
            let y = 500.0 + 50.0 * place as f64;
            let riders = share * sizes.most;
            dot(scene, (left + LARGEST, y), sizes.radius(riders), Lacks::Bikes);
            let label = if riders >= 10.0 { grouped(riders) } else { format!("{riders:.1}") };
            scene.text_beside((left + 2.0 * LARGEST + 14.0, y), Anchor::Start, LABEL, &LABEL.fit(&label, 110.0));
        }
    }
}
