//! Imbalance between neighbours: a full station beside an empty one could be helped by a walk, or by a van.

use serde::{Deserialize, Serialize};

use crate::station::{StationCode, metres_between};
use crate::streaming::station::place;
use crate::streaming::store::StationWindow;

/// How unevenly the bikes are spread among neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Imbalance {
    /// Up to how many metres two stations are neighbours.
    pub radius: f64,
    /// Σ *cᵢ* |Δ*ᵢ*| / Σ *cᵢ* over the stations that have neighbours, 0 if all are alike, and about 1 at
    /// most; `None` if none has.
    pub index: Option<f64>,
    /// The stations that have neighbours, the greatest |Δ| first.
    pub stations: Vec<AtOdds>,
}

/// A station and how it differs from its neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtOdds {
    /// The station.
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// Its own occupancy.
    pub occupancy: f64,
    /// That of its neighbours together.
    pub of_neighbours: f64,
    /// How many they are.
    pub neighbours: u64,
    /// Δ: its own less theirs. Above zero it has bikes to give, below it takes.
    pub difference: f64,
}

/// How each station differs from its neighbours within `radius` metres.
///
/// With *oⱼ* the occupancy last known in the window of station *j* and *cⱼ* its capacity, Δ*ᵢ* = *oᵢ* − Σ *cⱼ oⱼ* / Σ *cⱼ*, over
/// the neighbours *j* ≠ *i*: their bikes over their docks. Stations without place, capacity or occupancy are left out.
pub fn imbalance(newest: &[StationWindow], radius: f64) -> Imbalance {
    struct Known<'a> {
        row: &'a StationWindow,
        place: (f64, f64),
        capacity: f64,
        occupancy: f64,
    }
    let mut known: Vec<Known<'_>> = newest
        .iter()
        .filter_map(|row| {
            let capacity = row.statistics.capacity.filter(|&capacity| capacity > 0.0)?;
            let occupancy = row.statistics.quantities.occupancy.last?;
            Some(Known { row, place: place(row.lat, row.lon)?, capacity, occupancy })
        })
        .collect();
    // Along a meridian no degree is shorter than this: who is further north is no neighbour.
    known.sort_by(|a, b| a.place.0.total_cmp(&b.place.0));
    let degrees = radius / 110_000.0;
    let (mut weight, mut sum) = (0.0, 0.0);
    let mut stations = Vec::new();
    for station in &known {
        let first = known.partition_point(|other| other.place.0 < station.place.0 - degrees);
        let candidates = known.iter().skip(first).take_while(|other| other.place.0 <= station.place.0 + degrees);
        let near = candidates.filter(|other| {
            other.row.station_code != station.row.station_code && metres_between(station.place, other.place) <= radius
        });
        let (count, docks, bikes) = near.fold((0, 0.0, 0.0), |(count, docks, bikes), other| {
            (count + 1, docks + other.capacity, bikes + other.capacity * other.occupancy)
        });
        if count > 0 {
            let of_neighbours = bikes / docks;
            let difference = station.occupancy - of_neighbours;
            weight += station.capacity;
            sum += station.capacity * difference.abs();
            stations.push(AtOdds {
                station_code: station.row.station_code.clone(),
                name: station.row.name.clone(),
                occupancy: station.occupancy,
                of_neighbours,
                neighbours: count,
                difference,
            });
        }
    }
    stations.sort_by(|a, b| {
        let by_difference = b.difference.abs().total_cmp(&a.difference.abs());
        by_difference.then_with(|| a.station_code.cmp(&b.station_code))
    });
    Imbalance { radius, index: (weight > 0.0).then(|| sum / weight), stations }
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    /// So many metres north of the first, with that capacity and occupancy.
    fn station(code: &str, metres: f64, capacity: f64, occupancy: f64) -> StationWindow {
        let mut row = row(code, 0);
        row.lat = Some(48.85 + metres / 111_195.08);
        row.statistics.capacity = Some(capacity);
        row.statistics.quantities.occupancy.last = Some(occupancy);
        row
    }

    #[test]
    fn a_station_is_set_against_the_bikes_and_docks_of_its_neighbours() {
        let mut nowhere = station("5", 0.0, 10.0, 1.0);
        nowhere.lon = None;
        let network = [
            station("1", 0.0, 10.0, 1.0),
            station("2", 300.0, 20.0, 0.0),
            station("3", 450.0, 10.0, 0.3),
            station("4", 2000.0, 50.0, 0.5),
            nowhere,
        ];
        let found = imbalance(&network, 400.0);
        let said: Vec<_> =
            found.stations.iter().map(|one| (one.station_code.as_str(), one.neighbours, one.difference)).collect();
        // The second has bikes 10 + 3 of 20 docks beside it.
        assert_eq!(said, [("1", 1, 1.0), ("2", 2, -0.65), ("3", 1, 0.3)]);
        assert!((found.index.unwrap() - (10.0 + 13.0 + 3.0) / 40.0).abs() < 1e-12);
        assert_eq!(imbalance(&network[3..], 400.0), Imbalance { radius: 400.0, index: None, stations: vec![] });
    }
}
