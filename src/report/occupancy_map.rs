//! All stations at one moment on a map: the colour says how full of bikes, the size how many docks.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Paris;
use serde::{Deserialize, Serialize};

use super::axis::{Axis, Spread, counted};
use super::figure::{Drawing, MOST_DOCKS, check_in, check_known};
use super::palette::{AXIS, INK, PAPER, QUIET, scale};
use super::scene::{Anchor, Point, Scene};
use super::sheet::{BOTTOM, HEADING, LABEL, LEFT, Panel, TOP};
use crate::error::Result;

/// Occupancy of the whole network at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OccupancyMap {
    /// The figure's title.
    pub title: String,
    /// Where the data is from.
    pub source: String,
    /// The moment that is shown.
    pub at: DateTime<Utc>,
    /// The stations, in any order. One at (0, 0) or off the globe is left out and counted below the title.
    pub stations: Vec<MapStation>,
}

/// One station of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapStation {
    /// The station's code.
    pub code: String,
    /// Latitude, degrees north (WGS 84).
    pub lat: f64,
    /// Longitude, degrees east (WGS 84).
    pub lon: f64,
    /// Bikes per dock; drawn as 1 where it is above, hollow where unknown.
    pub occupancy: Option<f64>,
    /// Number of docks; drawn as a small station where unknown.
    pub capacity: Option<f64>,
}

impl Drawing for OccupancyMap {
    fn check(&self) -> Result<()> {
        self.stations.iter().try_for_each(|MapStation { code, lat, lon, occupancy, capacity }| {
            check_in(*lat, f64::MIN..=f64::MAX, format_args!("`lat` of station {code}"))?;
            check_in(*lon, f64::MIN..=f64::MAX, format_args!("`lon` of station {code}"))?;
            check_known(*occupancy, 0.0..=MOST_DOCKS, format_args!("`occupancy` of station {code}"))?;
            check_known(*capacity, 0.0..=MOST_DOCKS, format_args!("`capacity` of station {code}"))
        })
    }

    fn scene(&self) -> Scene {
        let mut placed: Vec<&MapStation> = self.stations.iter().filter(|station| station.has_place()).collect();
        // The largest first, so that no station hides a smaller one.
        placed.sort_by(|a, b| b.radius().total_cmp(&a.radius()).then_with(|| a.code.cmp(&b.code)));
        let unknown = placed.iter().filter(|station| station.occupancy.is_none()).count();
        let mut scene = Scene::sheet(&self.title, &self.subtitle(placed.len()), &self.source);

        let panel = fitted(&placed.iter().map(|station| (station.lat, station.lon)).collect::<Vec<_>>());
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
        for station in &placed {
            dot(&mut scene, panel.at(station.lon, station.lat), station.radius(), station.occupancy);
        }
        if placed.is_empty() {
            scene.no_data(&panel, "no data");
        }
        draw_key(&mut scene, panel.x.to + 50.0, unknown);
        scene
    }
}

impl OccupancyMap {
    fn subtitle(&self, placed: usize) -> String {
        let at = self.at.with_timezone(&Paris).format("%a %-d %b %Y, %H:%M");
        let left_out = match self.stations.len() - placed {
            0 => String::new(),
            count => format!(" · {} without a place left out", counted(count, "station", "stations")),
        };
        format!("{} · {at} Paris time{left_out}", counted(placed, "station", "stations"))
    }
}

impl MapStation {
    fn has_place(&self) -> bool {
        is_place(self.lat, self.lon)
    }

    fn radius(&self) -> f64 {
        radius(self.capacity.unwrap_or(0.0))
    }
}

/// The feed's (0, 0) is no place of a station.
pub(super) fn is_place(lat: f64, lon: f64) -> bool {
    lat.abs() <= 85.0 && lon.abs() <= 180.0 && (lat, lon) != (0.0, 0.0)
}

/// The radius of a dot whose area grows with the number of docks.
fn radius(docks: f64) -> f64 {
    1.05 * docks.clamp(8.0, 100.0).sqrt()
}

fn dot(scene: &mut Scene, at: Point, radius: f64, occupancy: Option<f64>) {
    match occupancy {
        Some(occupancy) => {
            scene.disc(at, radius + 0.8, PAPER);
            scene.disc(at, radius, INK);
            scene.disc(at, radius - 0.7, scale(occupancy));
        }
        None => {
            scene.disc(at, radius, AXIS);
            scene.disc(at, radius - 1.6, PAPER);
        }
    }
}

/// The panel that shows all places (latitude, longitude) as large as the sheet allows, a kilometre north as long as a kilometre east.
pub(super) fn fitted(places: &[(f64, f64)]) -> Panel {
    const ROOM: (f64, f64) = (1108.0, BOTTOM - TOP - 112.0);
    let extent = |coordinate: fn(&(f64, f64)) -> f64, otherwise: f64| {
        let all = || places.iter().map(coordinate);
        match (all().reduce(f64::min), all().reduce(f64::max)) {
            (Some(low), Some(high)) => ((low + high) / 2.0, (high - low).max(0.01) * 1.06),
            _ => (otherwise, 0.2),
        }
    };
    let ((north, height), (east, width)) = (extent(|place| place.0, 48.86), extent(|place| place.1, 2.35));
    let squeeze = north.to_radians().cos();
    // Pixels for one degree north; the network need not fill the room, but its panel does.
    let pixels = (ROOM.1 / height).min(ROOM.0 / (width * squeeze));
    let (height, width) = (ROOM.1 / pixels, (ROOM.0 / (pixels * squeeze)).min(width * 1.6));
    let (left, top) = (LEFT + 112.0, TOP + 44.0);
    Panel {
        x: Axis::new(Spread::Linear, (east - width / 2.0, east + width / 2.0), (left, left + width * squeeze * pixels)),
        y: Axis::new(Spread::Linear, (north - height / 2.0, north + height / 2.0), (top + ROOM.1, top)),
    }
}

pub(super) fn degree(degrees: f64, decimals: usize, positive: char, negative: char) -> String {
    let side = if degrees < 0.0 { negative } else { positive };
    format!("{:.decimals$}° {side}", degrees.abs())
}

/// What the colours and sizes mean, in a column at the right of the map.
fn draw_key(scene: &mut Scene, left: f64, unknown: usize) {
    let bar = Axis::new(Spread::Linear, (0.0, 1.0), (480.0, TOP + 70.0));
    scene.text((left, TOP + 14.0), Anchor::Start, HEADING, "Occupancy");
    scene.text((left, TOP + 42.0), Anchor::Start, LABEL, "bikes per dock");
    let steps = (bar.from - bar.to) as i32;
    for step in 0..steps {
        let y = bar.from - f64::from(step);
        // Each reaches below the next, so that no seam shows where the drawing is scaled.
        scene.rectangle(
            (left, y - 1.0),
            (left + 30.0, (y + 2.0).min(bar.from)),
            scale(f64::from(step) / f64::from(steps)),
        );
    }
    for (share, label) in [(0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %, or more")] {
        let y = bar.at(share);
        scene.line(&[(left + 30.0, y), (left + 38.0, y)], 1.5, QUIET);
        scene.text_beside((left + 48.0, y), Anchor::Start, LABEL, label);
    }
    scene.text((left, 556.0), Anchor::Start, HEADING, "Capacity");
    for (place, docks) in [20.0, 40.0, 60.0].into_iter().enumerate() {
        let y = 586.0 + 34.0 * place as f64;
        dot(scene, (left + 15.0, y), radius(docks), Some(0.5));
        scene.text_beside((left + 48.0, y), Anchor::Start, LABEL, &format!("{docks:.0} docks"));
    }
    if unknown > 0 {
        dot(scene, (left + 15.0, 722.0), 7.0, None);
        scene.text_beside((left + 48.0, 722.0), Anchor::Start, LABEL, &format!("unknown ({unknown})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(lat: f64, lon: f64) -> MapStation {
        MapStation { code: "1".into(), lat, lon, occupancy: Some(0.5), capacity: Some(20.0) }
    }

    #[test]
    fn a_kilometre_north_is_as_long_as_a_kilometre_east() {
        let stations = [station(48.80, 2.20), station(48.92, 2.48)];
        let panel = fitted(&stations.map(|station| (station.lat, station.lon)));
        let (a, b) = (panel.at(2.3, 48.85), panel.at(2.4, 48.9));
        let (east, north) = ((b.0 - a.0) / 0.1 / 48.86f64.to_radians().cos(), (a.1 - b.1) / 0.05);
        assert!((east / north - 1.0).abs() < 1e-9, "{east} {north}");
    }

    #[test]
    fn a_station_without_a_place_is_left_out_and_counted() {
        let at = "2022-05-12T10:22:18Z".parse().unwrap();
        let stations = vec![station(48.85, 2.35), station(0.0, 0.0), station(4885.0, 235.0)];
        let map = OccupancyMap { title: "Map".into(), source: "x".into(), at, stations };
        let scene = map.scene();
        let subtitle = "1 station · Thu 12 May 2022, 12:22 Paris time · 2 stations without a place left out";
        assert_eq!(scene.texts()[1], subtitle);
    }
}
