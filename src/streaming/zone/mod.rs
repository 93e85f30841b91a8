//! Which zone of the city a station belongs to, by whichever division of the city was asked for.

mod circle;
mod grid;
mod kind;
mod length;
mod polygons;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use self::grid::Grid;
use self::polygons::Polygons;
use super::station::Station;
use crate::error::{Error, Result};
use crate::station::StationCode;

pub use circle::Circle;
pub use kind::ZoneKind;

/// How the network is divided into zones: a station belongs to one of them, or to none.
///
/// | written | zones |
/// |---|---|
/// | `commune` | the communes, as the portal names them ([`ZoneKind::Commune`]) |
/// | `arrondissement` | the arrondissements of Paris, elsewhere the communes ([`ZoneKind::Arrondissement`]) |
/// | `grid:500m` | the cells of a grid, of about that size |
/// | `near:48.8530,2.3499,800m` | one circle: a latitude, a longitude in degrees, and a distance |
/// | `geojson:FILE` | the polygons of a file |
///
/// Lengths are in `m` or `km`. All figures lie on the sphere, with the mean radius of the earth, *R* = 6 371 008.8 m.
///
/// **Grid.** The cells depend on the size *s* (1 m to 1000 km) alone, so that a place is always in the same one, and in no
/// other. There are *n* = round(π *R* / *s*) rows from pole to pole, each *h* = 180° / *n* high: a place at latitude *φ* is in
/// row *r* = ⌊(*φ* + 90°) / *h*⌋, whose middle is *φᵣ* = (*r* + ½) *h* − 90°. A row has *m* = round(2 *n* cos *φᵣ*) columns
/// (one at least), each *w* = 360° / *m* wide: a place at longitude *λ* is in column *c* = ⌊(*λ* + 180°) / *w*⌋ mod *m*. An edge
/// belongs to the cell north or east of it. A cell is named by its centre, `48.854,2.347`: latitude and longitude in degrees
/// to three decimals, to more where the cells are smaller.
///
/// **Circle.** The zone, named as it was written, holds the stations whose distance from the centre by the great circle
/// (haversine) is at most the one given. The others are in no zone.
///
/// **Polygons.** GeoJSON (RFC 7946): a FeatureCollection, a Feature or a geometry, of which each Polygon and MultiPolygon is
/// a zone, holes left out; features without area are passed over. A zone is named by the property `name`, `nom` or `id`, then
/// by the feature's own `id`, then by its number in the file, from 1; features of one name are one zone. An edge, that of a
/// hole too, belongs to its polygon, and a station in two polygons to the first in the file. Sides are straight in longitude
/// and latitude.
///
/// A station of which the commune, or the place, is not known is in no zone: [`divide`](Self::divide) tells it, and it is
/// never put into one by a guess.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones {
    written: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    Named(ZoneKind),
    Grid(Grid),
    Circle(Circle),
    Polygons(Polygons),
}

/// How some stations are divided: each is in one zone, outside of all, or not to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// The zones that hold a station, by name, each with its stations in the order they were given.
    pub zones: BTreeMap<String, Vec<StationCode>>,
    /// The stations that stand in none of the zones.
    pub outside: Vec<StationCode>,
    /// The stations whose zone is not known: without coordinates, without a commune, or, by arrondissement, with a code that
    /// does not say it.
    pub unknown: Vec<StationCode>,
}

/// Where one station stands.
enum Stands {
    In(String),
    Outside,
    Unknown,
}

impl Zones {
    /// The zones as they are written in options; a file is read. A usage error for what cannot be meant, and an error that
    /// names the file, and the feature in it, for a file that is not right.
    pub fn open(written: &str) -> Result<Self> {
        let written = written.trim();
        let refuse =
            |what: &str, way_out: &str| Err(Error::usage("--zone", format!("`{written}` is {what}")).way_out(way_out));
        let rule = match written.split_once(':') {
            None => ZoneKind::ALL.into_iter().find(|kind| kind.as_str() == written).map(Rule::Named),
            Some(("grid", size)) => match Grid::parse(size) {
                Some(grid) => Some(Rule::Grid(grid)),
                None => return refuse("not a grid", "write a size from 1 m to 1000 km with its unit, as in grid:500m"),
            },
            Some(("near", circle)) => match Circle::parse(circle) {
                Some(circle) => Some(Rule::Circle(circle)),
                None => {
                    let way_out = "write latitude, longitude and a distance above zero with its unit, as in \
                                   near:48.8530,2.3499,800m";
                    return refuse("not a circle", way_out);
                }
            },
            Some(("geojson", file)) if !file.is_empty() => Some(Rule::Polygons(Polygons::read(Path::new(file))?)),
            Some(_) => None,
        };
        match rule {
            Some(rule) => Ok(Self { written: written.to_owned(), rule }),
            None => refuse(
                "not a kind of zone",
                "known: commune, arrondissement, grid:500m, near:LAT,LON,800m, geojson:FILE",
            ),
        }
    }

    /// The zones as they were written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The zone that a station belongs to; `None` if it stands outside of all, or if it is not known where it stands.
    pub fn zone_of(&self, station: &Station) -> Option<String> {
        match self.stands(station) {
            Stands::In(zone) => Some(zone),
            Stands::Outside | Stands::Unknown => None,
        }
    }

    /// Tells for each station which zone it belongs to.
    pub fn divide(&self, stations: &[Station]) -> Division {
        let mut division = Division::default();
        for station in stations {
            let others = match self.stands(station) {
                Stands::In(zone) => division.zones.entry(zone).or_default(),
                Stands::Outside => &mut division.outside,
                Stands::Unknown => &mut division.unknown,
            };
            others.push(station.code.clone());
        }
        division
    }

    fn stands(&self, station: &Station) -> Stands {
        let place = station.place();
        let zone = match &self.rule {
            Rule::Named(ZoneKind::Commune) => return Stands::named(station.commune.as_ref()),
            Rule::Named(ZoneKind::Arrondissement) => return Stands::named(station.arrondissement.as_ref()),
            Rule::Grid(grid) => place.map(|place| Some(grid.zone_of(place))),
            Rule::Circle(circle) => place.map(|place| circle.holds(place).then(|| self.written.clone())),
            Rule::Polygons(polygons) => place.map(|place| polygons.zone_of(place).map(str::to_owned)),
        };
        match zone {
            Some(Some(zone)) => Stands::In(zone),
            Some(None) => Stands::Outside,
            None => Stands::Unknown,
        }
    }
}

impl Stands {
    fn named(zone: Option<&String>) -> Self {
        zone.map_or(Self::Unknown, |zone| Self::In(zone.clone()))
    }
}

impl From<ZoneKind> for Zones {
    fn from(kind: ZoneKind) -> Self {
        Self { written: kind.as_str().to_owned(), rule: Rule::Named(kind) }
    }
}

/// As it was written.
impl fmt::Display for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::station::StationStatus;

    fn station(code: &str, commune: Option<&str>, place: Option<(f64, f64)>) -> Station {
        let at = "2022-05-12T09:18:14Z".parse().unwrap();
        let (lat, lon) = place.unzip();
        let code = StationCode::new(code).unwrap();
        Station::of(&StationStatus {
            commune: commune.map(Into::into),
            lat,
            lon,
            ..StationStatus::unknown(code, at, at)
        })
    }

    /// Notre-Dame; the Halles, 1.07 km away; one whose place is not known, one off the globe.
    fn stations() -> [Station; 4] {
        [
            station("4101", Some("Paris"), Some((48.8530, 2.3499))),
            station("31024_relais", Some("Paris"), Some((48.8620, 2.3449))),
            station("12167", Some("Saint-Mandé"), None),
            station("40001", None, Some((4885.3, 2.35))),
        ]
    }

    #[test]
    fn zones_are_read_as_they_are_written() {
        for written in ["commune", "arrondissement", "grid:500m", "near:48.8530,2.3499,800m"] {
            assert_eq!(Zones::open(written).unwrap().to_string(), written);
        }
        for kind in ZoneKind::ALL {
            assert_eq!(Zones::open(kind.as_str()), Ok(Zones::from(kind)));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_wrong_usage() {
        let refused = |written: &str| {
            let error = Zones::open(written).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string()
        };
        for written in ["quartier", "", "geojson:", "postcode:75004", "Grid:500m"] {
            let known = "known: commune, arrondissement, grid:500m, near:LAT,LON,800m, geojson:FILE";
            assert_eq!(refused(written), format!("--zone: `{written}` is not a kind of zone; {known}"));
        }
        assert_eq!(
            refused("grid:500ft"),
            "--zone: `grid:500ft` is not a grid; write a size from 1 m to 1000 km with its unit, as in grid:500m"
        );
        assert_eq!(
            refused("near:48.8530,2.3499,0m"),
            "--zone: `near:48.8530,2.3499,0m` is not a circle; write latitude, longitude and a distance above zero with \
             its unit, as in near:48.8530,2.3499,800m"
        );
    }

    #[test]
    fn a_station_is_in_a_zone_or_outside_or_not_to_be_told() {
        let divided = |written: &str| {
            let division = Zones::open(written).unwrap().divide(&stations());
            let codes = |codes: &[StationCode]| codes.iter().map(|code| code.as_str().to_owned()).collect::<Vec<_>>();
            let zones = division.zones.iter().map(|(zone, stations)| (zone.clone(), codes(stations)));
            (zones.collect::<Vec<_>>(), codes(&division.outside), codes(&division.unknown))
        };
        let owned = |codes: &[&str]| codes.iter().map(|&code| code.to_owned()).collect::<Vec<_>>();
        let zone = |zone: &str, stations: &[&str]| (zone.to_owned(), owned(stations));

        let communes = vec![zone("Paris", &["4101", "31024_relais"]), zone("Saint-Mandé", &["12167"])];
        assert_eq!(divided("commune"), (communes, vec![], owned(&["40001"])));
        let arrondissements = vec![zone("Paris 4e", &["4101"]), zone("Saint-Mandé", &["12167"])];
        assert_eq!(divided("arrondissement"), (arrondissements, vec![], owned(&["31024_relais", "40001"])));
        let unknown = owned(&["12167", "40001"]);
        let circle = "near:48.8530,2.3499,800m";
        assert_eq!(divided(circle), (vec![zone(circle, &["4101"])], owned(&["31024_relais"]), unknown.clone()));
        let (cells, outside, unplaced) = divided("grid:500m");
        assert_eq!((cells.len(), outside, unplaced), (2, vec![], unknown));
    }

    #[test]
    fn the_division_says_of_each_station_what_zone_of_says() {
        for written in ["commune", "arrondissement", "grid:500m", "near:48.8530,2.3499,800m"] {
            let zones = Zones::open(written).unwrap();
            let division = zones.divide(&stations());
            for station in stations() {
                let held = division.zones.iter().find(|(_, codes)| codes.contains(&station.code));
                assert_eq!(held.map(|(zone, _)| zone.clone()), zones.zone_of(&station), "{written}");
            }
        }
    }
}
