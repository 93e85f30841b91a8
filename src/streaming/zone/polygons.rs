//! The polygons of a GeoJSON file (RFC 7946).
//!
//! Read by hand rather than by a library of the format: a file that is not right is to be told with the number and the name
//! of the feature, and a ring that is cut short or in metres is to be refused, not closed or taken for degrees. A side is
//! straight in longitude and latitude, as the RFC has it.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use geo::{BoundingRect, Coord, Intersects, LineString, Polygon, Rect};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Place, Result};

/// The properties that may name a feature, the first before the others.
const NAMES: [&str; 3] = ["name", "nom", "id"];

const DEGREES: &str = "write positions in degrees, longitude before latitude (WGS 84)";

/// Zones with the polygons that bound them, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Polygons {
    areas: Vec<Area>,
}

#[derive(Clone, Debug, PartialEq)]
struct Area {
    zone: String,
    polygon: Polygon,
    /// Looked at first: most places lie far away.
    bounds: Rect,
}

impl Polygons {
    /// Reads a FeatureCollection, a Feature or a geometry. Other geometries than polygons bound nothing and are passed over.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
        Self::parse(&text, path).map_err(|error| error.at(Place::file(path)))
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let document = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            wrong(format_args!("is not JSON: {error}"), "give a GeoJSON file")
                .at(Place::line(path, error.line().max(1) as u64))
        })?;
        let mut areas = Vec::new();
        for (number, feature) in (1..).zip(features(document)?) {
            let named = name(&feature);
            let place = match &named {
                Some(name) => format!("feature {number} (`{name}`)"),
                None => format!("feature {number}"),
            };
            let feature = Feature::deserialize(feature)
                .map_err(|error| wrong(format_args!("{place}: {error}"), "see RFC 7946 for the format"))?;
            let zone = named.unwrap_or_else(|| number.to_string());
            for rings in feature.geometry.map_or_else(Vec::new, Geometry::polygons) {
                let rings = (1..).zip(&rings).map(|(n, ring)| closed(ring, &format!("{place}: ring {n}")));
                let mut rings = rings.collect::<Result<Vec<_>>>()?.into_iter();
                let Some(exterior) = rings.next() else { continue };
                let polygon = Polygon::new(exterior, rings.collect());
                if let Some(bounds) = polygon.bounding_rect() {
                    areas.push(Area { zone: zone.clone(), polygon, bounds });
                }
            }
        }
        if areas.is_empty() {
            return Err(wrong(
                "holds no polygon",
                "zones are the features whose geometry is a Polygon or a MultiPolygon",
            ));
        }
        Ok(Self { areas })
    }

    /// The zone of the first polygon that a place, by latitude and longitude in degrees, lies in or on the edge of.
    pub(super) fn zone_of(&self, (lat, lon): (f64, f64)) -> Option<&str> {
        let place = Coord { x: lon, y: lat };
        let holds = |area: &&Area| area.bounds.intersects(&place) && area.polygon.intersects(&place);
        self.areas.iter().find(holds).map(|area| area.zone.as_str())
    }
}

/// A position: longitude, latitude, and perhaps an altitude.
type Position = Vec<f64>;
type Ring = Vec<Position>;
type Rings = Vec<Ring>;

#[derive(Deserialize)]
struct Feature {
    geometry: Option<Geometry>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Geometry {
    Polygon {
        coordinates: Rings,
    },
    MultiPolygon {
        coordinates: Vec<Rings>,
    },
    #[serde(rename = "GeometryCollection")]
    Collection {
        geometries: Vec<Geometry>,
    },
    #[serde(other)]
    Other,
}

impl Geometry {
    fn polygons(self) -> Vec<Rings> {
        match self {
            Self::Polygon { coordinates } => vec![coordinates],
            Self::MultiPolygon { coordinates } => coordinates,
            Self::Collection { geometries } => geometries.into_iter().flat_map(Self::polygons).collect(),
            Self::Other => vec![],
        }
    }
}

/// The features of a document; a geometry alone is one without a name.
fn features(mut document: Value) -> Result<Vec<Value>> {
    match document["type"].as_str() {
        Some("FeatureCollection") => match document["features"].take() {
            Value::Array(features) => Ok(features),
            _ => Err(wrong("is a FeatureCollection without `features`", "see RFC 7946 for the format")),
        },
        Some("Feature") => Ok(vec![document]),
        Some(_) if document.get("coordinates").or(document.get("geometries")).is_some() => {
            Ok(vec![Value::Object(Map::from_iter([("geometry".to_owned(), document)]))])
        }
        _ => Err(wrong("is not GeoJSON", "give a FeatureCollection, a Feature or a geometry")),
    }
}

/// What the feature is called by its properties, else by its own `id`.
fn name(feature: &Value) -> Option<String> {
    let of_properties = NAMES.iter().map(|name| &feature["properties"][name]);
    of_properties.chain([&feature["id"]]).find_map(|name| match name {
        Value::String(name) if !name.trim().is_empty() => Some(name.trim().to_owned()),
        Value::Number(name) => Some(name.to_string()),
        _ => None,
    })
}

/// A ring as `geo` has it.
fn closed(ring: &[Position], named: &str) -> Result<LineString> {
    let coord = |position: &Position| match position[..] {
        [lon, lat, ..] if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Coord { x: lon, y: lat }),
        [lon, lat, ..] => Err(wrong(format_args!("{named} leaves the globe at {lon}, {lat}"), DEGREES)),
        _ => Err(wrong(format_args!("{named} has a position of fewer than two numbers"), DEGREES)),
    };
    let coords = ring.iter().map(coord).collect::<Result<Vec<_>>>()?;
    if coords.len() < 4 || coords.first() != coords.last() {
        let way_out = "a ring is four positions or more, of which the last is the first again";
        return Err(wrong(format_args!("{named} is not closed"), way_out));
    }
    Ok(LineString::new(coords))
}

fn wrong(message: impl Display, way_out: &'static str) -> Error {
    Error::new(ErrorKind::Data, message).way_out(way_out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(document: &Value) -> Polygons {
        Polygons::parse(&document.to_string(), Path::new("zones.geojson")).unwrap()
    }

    /// The ring of a rectangle, from its south-west corner to its north-east one, by longitude and latitude.
    fn ring((west, south): (f64, f64), (east, north): (f64, f64)) -> Value {
        json!([[west, south], [east, south], [east, north], [west, north], [west, south]])
    }

    fn feature(properties: &Value, rings: &Value) -> Value {
        json!({"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": rings}})
    }

    fn collection(features: &[Value]) -> Value {
        json!({"type": "FeatureCollection", "features": features})
    }

    #[test]
    fn a_zone_is_called_by_its_properties_else_by_its_number() {
        let square = json!([ring((2.0, 48.0), (3.0, 49.0))]);
        let named = |properties: Value| {
            let areas = parse(&collection(&[feature(&properties, &square)])).areas;
            areas.into_iter().next().unwrap().zone
        };
        assert_eq!(named(json!({"id": 7, "nom": "Halles", "name": " Marais "})), "Marais");
        assert_eq!(named(json!({"id": 7, "nom": "Halles", "name": " "})), "Halles");
        assert_eq!(named(json!({"id": 75_101, "nom": null})), "75101");
        assert_eq!([named(json!({"colour": "red"})), named(Value::Null)], ["1", "1"]);
        let geometry = json!({"type": "Polygon", "coordinates": square});
        assert_eq!(parse(&geometry).areas[0].zone, "1");
        assert_eq!(parse(&json!({"type": "Feature", "id": "own", "geometry": geometry})).areas[0].zone, "own");
        // The number counts every feature, as an editor would.
        let point = json!({"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [2, 48]}});
        let lost = json!({"type": "Feature", "properties": {}, "geometry": null});
        assert_eq!(parse(&collection(&[point, lost, feature(&json!({}), &square)])).areas[0].zone, "3");
    }

    #[test]
    fn the_first_of_two_that_meet_has_the_edge_and_the_overlap() {
        let two = parse(&collection(&[
            feature(&json!({"name": "west"}), &json!([ring((2.0, 48.0), (2.5, 49.0))])),
            feature(&json!({"name": "east"}), &json!([ring((2.25, 48.0), (3.0, 49.0))])),
        ]));
        let zones = [2.0, 2.25, 2.4, 2.5, 2.75, 3.0, 3.25].map(|lon| two.zone_of((48.5, lon)));
        let (west, east) = (Some("west"), Some("east"));
        assert_eq!(zones, [west, west, west, west, east, east, None]);
    }

    #[test]
    fn a_hole_is_outside_and_its_edge_is_not() {
        let rings = json!([ring((0.0, 0.0), (10.0, 10.0)), ring((4.0, 4.0), (6.0, 6.0))]);
        let island = ring((4.5, 4.5), (5.5, 5.5));
        let zones = parse(&collection(&[json!({"type": "Feature", "properties": {"name": "both"},
                "geometry": {"type": "MultiPolygon", "coordinates": [rings, [island]]}})]));
        let holds = |lat, lon| zones.zone_of((lat, lon)).is_some();
        assert!(holds(2.0, 2.0) && holds(4.0, 5.0) && holds(5.0, 5.0));
        assert!(!holds(4.2, 5.0) && !holds(5.0, 5.8) && !holds(11.0, 5.0));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file_and_the_feature() {
        let refused = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("zones.geojson");
            fs::write(&path, text).unwrap();
            let error = Polygons::read(&path).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Data, 1));
            error.to_string().strip_prefix(&path.display().to_string()).unwrap().to_owned()
        };
        let of_rings = |rings: Value| refused(&collection(&[feature(&json!({"nom": "Halles"}), &rings)]).to_string());

        let cut = refused("{\"type\":\n \"Feature");
        assert!(cut.starts_with(":2: is not JSON: EOF") && cut.ends_with("; give a GeoJSON file"), "{cut}");
        for text in ["[1, 2]", "{\"type\": \"Topology\"}", "\"x\""] {
            assert_eq!(refused(text), ": is not GeoJSON; give a FeatureCollection, a Feature or a geometry");
        }
        let none = ": holds no polygon; zones are the features whose geometry is a Polygon or a MultiPolygon";
        assert_eq!(refused("{\"type\": \"FeatureCollection\", \"features\": []}"), none);
        assert_eq!(refused("{\"type\": \"Point\", \"coordinates\": [2, 48]}"), none);
        assert_eq!(of_rings(json!([])), none);
        assert_eq!(
            of_rings(json!([ring((652_469.0, 6_862_035.0), (653_000.0, 6_863_000.0))])),
            ": feature 1 (`Halles`): ring 1 leaves the globe at 652469, 6862035; write positions in degrees, longitude \
             before latitude (WGS 84)"
        );
        let not_closed = ": feature 1 (`Halles`): ring 2 is not closed; a ring is four positions or more, of which the \
                          last is the first again";
        assert_eq!(
            of_rings(json!([ring((2.0, 48.0), (3.0, 49.0)), [[2.1, 48.1], [2.2, 48.1], [2.2, 48.2]]])),
            not_closed
        );
        assert!(of_rings(json!([[[2.0]]])).contains("ring 1 has a position of fewer than two numbers; "));
        let text = of_rings(json!([[["2", "48"]]]));
        assert!(
            text.starts_with(": feature 1 (`Halles`): invalid type: string \"2\", expected f64; see RFC"),
            "{text}"
        );

        let missing = Polygons::read(Path::new("no-such-folder/zones.geojson")).unwrap_err();
        assert_eq!((missing.kind(), missing.exit_code()), (ErrorKind::Io, 1));
        assert!(missing.to_string().starts_with("no-such-folder/zones.geojson: "));
    }

    proptest! {
        /// A polygon with a hole, both star-shaped around one middle: a place is in it if it lies between the two outlines.
        #[test]
        fn a_place_is_in_a_polygon_with_a_hole_if_it_is_between_the_outlines(
            outer in prop::collection::vec(0.6..1.0f64, 3..12),
            inner in prop::collection::vec(0.1..0.29f64, 3..12),
            (bearing, radius) in (0.0..1.0f64, 0.0..1.2f64),
        ) {
            let middle = (2.35, 48.85);
            let at = |turn: f64, radius: f64| {
                let (sine, cosine) = (turn * std::f64::consts::TAU).sin_cos();
                (middle.0 + radius * cosine, middle.1 + radius * sine)
            };
            let outline = |radii: &[f64]| -> Vec<(f64, f64)> {
                let corner = |(i, &radius): (usize, &f64)| at(i as f64 / radii.len() as f64, radius);
                radii.iter().enumerate().map(corner).collect()
            };
            // A ray from the place crosses an outline an odd number of times if the place is within it.
            let within = |outline: &[(f64, f64)], (x, y): (f64, f64)| {
                let sides = outline.iter().zip(outline.iter().cycle().skip(1));
                let crossed = sides.filter(|&(&(x1, y1), &(x2, y2))| {
                    (y1 > y) != (y2 > y) && x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
                });
                crossed.count() % 2 == 1
            };
            let (outer, inner) = (outline(&outer), outline(&inner));
            let ring = |outline: &[(f64, f64)]| -> Vec<[f64; 2]> {
                outline.iter().chain(outline.first()).map(|&(lon, lat)| [lon, lat]).collect()
            };
            let zones = parse(&json!({"type": "Polygon", "coordinates": [ring(&outer), ring(&inner)]}));
            let place = at(bearing, radius);
            let expected = within(&outer, place) && !within(&inner, place);
            prop_assert_eq!(zones.zone_of((place.1, place.0)).is_some(), expected);
        }
    }
}
