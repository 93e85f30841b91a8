//! One circle on the globe.

use super::length::metres;
use crate::station::metres_between;

/// All places within a distance of a centre, by the great circle; those at exactly that distance too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Latitude and longitude of the centre, degrees (WGS 84).
    pub centre: (f64, f64),
    /// The distance.
    pub metres: f64,
}

impl Circle {
    /// From `LAT,LON,DISTANCE`, as in `48.8530,2.3499,800m`: degrees on the globe, and a distance above zero with its unit. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [lat, lon, distance] = parts[..] else { return None };
        let degrees = |text: &str, most: f64| text.parse().ok().filter(|degrees: &f64| degrees.abs() <= most);
        Some(Self { centre: (degrees(lat, 90.0)?, degrees(lon, 180.0)?), metres: metres(distance)? })
    }

    /// Whether a place, by latitude and longitude in degrees, lies in the circle.
    pub fn holds(&self, place: (f64, f64)) -> bool {
        metres_between(self.centre, place) <= self.metres
    }
}

#[cfg(test)]
mod tests {
    use geo::{Destination, Distance, Haversine, Point};
    use proptest::prelude::*;

    use super::*;

    fn point((lat, lon): (f64, f64)) -> Point {
        Point::new(lon, lat)
    }

    #[test]
    fn a_circle_is_a_place_and_a_distance_with_its_unit() {
        let circle = Circle { centre: (48.853, 2.3499), metres: 800.0 };
        for text in ["48.8530,2.3499,800m", " 48.853, 2.3499, 800 m ", "48.853,2.3499,0.8km"] {
            assert_eq!(Circle::parse(text), Some(circle), "{text}");
        }
        for text in
            ["", "48.8,2.3", "48.8,2.3,800", "48.8,2.3,0m", "91,2.3,800m", "48.8,181,800m", "nan,2.3,800m", "1,2,3m,4"]
        {
            assert_eq!(Circle::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// Near the edge, where it matters, and anywhere, by `geo`'s own distance.
        #[test]
        fn a_circle_holds_the_places_within_its_distance(
            centre in (-89.0..89.0f64, -180.0..180.0f64),
            metres in 1.0..50_000.0f64,
            (bearing, share) in (0.0..360.0f64, 0.0..2.0f64),
            anywhere in (-90.0..90.0f64, -180.0..180.0f64),
        ) {
            let circle = Circle { centre, metres };
            let near = Haversine.destination(point(centre), bearing, metres * share);
            for place in [(near.y(), near.x()), anywhere, centre] {
                let distance: f64 = Haversine.distance(point(centre), point(place));
                // Within a millimetre of the edge the two may round apart.
                if (distance - metres).abs() > 1e-3 {
                    prop_assert_eq!(circle.holds(place), distance < metres);
                }
            }
        }
    }
}
