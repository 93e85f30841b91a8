//! Where the simulated stations stand, what they are called, and how busy they are.

use std::iter;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::station::{Closure, Profile, SimulatedStation, full_hour, start_of};
use super::{SimulationConfig, between};
use crate::error::Result;
use crate::station::StationCode;

/// The most stations that there are codes for.
pub(super) const MOST_STATIONS: usize = 2000;

/// The stations one after another, without end, each with the random numbers that are its own: they do not depend on how
/// many stations there are. The numbers after one and after two long jumps are left for its reports and its trips.
pub(super) fn stations(
    config: &SimulationConfig,
) -> impl Iterator<Item = Result<(SimulatedStation, Xoshiro256PlusPlus)>> {
    let (start, duration) = (config.start, config.duration);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(config.seed);
    let streams = iter::repeat_with(move || {
        random.jump();
        random.clone()
    });
    streams.enumerate().map(move |(number, random)| {
        let mut own = random.clone();
        let mut station = if number == 0 { godard(&mut own)? } else { invented(number, &mut own)? };
        station.closures = closures(start, duration, &mut own);
        Ok((station, random))
    })
}

/// An area that stations stand in.
struct Area {
    commune: &'static str,
    /// The code of its first invented station. Real codes do not reach so far.
    first_code: usize,
    /// Latitude and longitude of its middle.
    middle: (f64, f64),
    /// What most of its stations are near.
    profile: Profile,
}

const fn paris(arrondissement: usize, lat: f64, lon: f64, profile: Profile) -> Area {
    Area { commune: "Paris", first_code: arrondissement * 1000 + 901, middle: (lat, lon), profile }
}

const fn suburb(commune: &'static str, first_code: usize, lat: f64, lon: f64) -> Area {
    Area { commune, first_code, middle: (lat, lon), profile: Profile::Residential }
}

const AREAS: [Area; 25] = [
    paris(1, 48.8626, 2.3363, Profile::Commuter),
    paris(2, 48.8683, 2.3431, Profile::Commuter),
    paris(3, 48.8629, 2.3601, Profile::Leisure),
    paris(4, 48.8543, 2.3577, Profile::Leisure),
    paris(5, 48.8445, 2.3506, Profile::Leisure),
    paris(6, 48.8492, 2.3329, Profile::Leisure),
    paris(7, 48.8562, 2.3122, Profile::Commuter),
    paris(8, 48.8727, 2.3126, Profile::Commuter),
    paris(9, 48.8771, 2.3375, Profile::Commuter),
    paris(10, 48.8761, 2.3607, Profile::Leisure),
    paris(11, 48.8590, 2.3800, Profile::Leisure),
    paris(12, 48.8410, 2.3880, Profile::Residential),
    paris(13, 48.8284, 2.3624, Profile::Commuter),
    paris(14, 48.8293, 2.3266, Profile::Residential),
    paris(15, 48.8401, 2.2929, Profile::Residential),
    paris(16, 48.8600, 2.2740, Profile::Residential),
    paris(17, 48.8873, 2.3068, Profile::Residential),
    paris(18, 48.8925, 2.3482, Profile::Residential),
    paris(19, 48.8871, 2.3848, Profile::Residential),
    paris(20, 48.8634, 2.4012, Profile::Residential),
    suburb("Boulogne-Billancourt", 21801, 48.8397, 2.2399),
    suburb("Issy-les-Moulineaux", 21901, 48.8245, 2.2737),
    suburb("Montreuil", 31901, 48.8638, 2.4485),
    suburb("Saint-Denis", 32901, 48.9362, 2.3574),
    suburb("Pantin", 35901, 48.8945, 2.4093),
];

const FIRST_NAMES: [&str; 16] = [
    "Tilleuls",
    "Glycines",
    "Peupliers",
    "Hirondelles",
    "Lavandes",
    "Cerisiers",
    "Alouettes",
    "Noisetiers",
    "Coquelicots",
    "Mésanges",
    "Acacias",
    "Bleuets",
    "Érables",
    "Libellules",
    "Marronniers",
    "Jonquilles",
];

const SECOND_NAMES: [&str; 15] = [
    "Fontaine",
    "Marché",
    "Écluse",
    "Moulin",
    "Verger",
    "Passerelle",
    "Kiosque",
    "Atelier",
    "Belvédère",
    "Lavoir",
    "Pavillon",
    "Horloge",
    "Manège",
    "Théâtre",
    "Potager",
];

/// The station that the assignment asks about: near homes, and most evenings full for a while.
fn godard(random: &mut Xoshiro256PlusPlus) -> Result<SimulatedStation> {
    Ok(SimulatedStation {
        code: StationCode::new("16107")?,
        name: "Benjamin Godard - Victor Hugo".into(),
        commune: "Paris".into(),
        lat: 48.865983,
        lon: 2.275725,
        profile: Profile::Residential,
        capacity: 35,
        broken_docks: 0,
        bikes_at_start: 16 + between(random, 9) as u32,
        returns_per_hour: 9.6,
        rentals_per_hour: 10.0,
        closures: Vec::new(),
    })
}

/// Whether an invented station may be called so.
pub(super) fn is_invented(name: &str) -> bool {
    name.split_once(" - ").is_some_and(|(first, second)| FIRST_NAMES.contains(&first) && SECOND_NAMES.contains(&second))
}

fn invented(number: usize, random: &mut Xoshiro256PlusPlus) -> Result<SimulatedStation> {
    // Steps of 7 go through all 25 areas, near and far in turn.
    let area = &AREAS[number * 7 % AREAS.len()];
    let first = FIRST_NAMES[number % FIRST_NAMES.len()];
    let second = SECOND_NAMES[number % SECOND_NAMES.len()];
    let mut uniform = |low: f64, high: f64| low + (high - low) * random.random::<f64>();
    let (lat, lon) = (area.middle.0 + uniform(-0.006, 0.006), area.middle.1 + uniform(-0.009, 0.009));
    let profile = if uniform(0.0, 1.0) < 0.7 { area.profile } else { Profile::ALL[uniform(0.0, 3.0) as usize] };
    // Few stations are large; a larger one is busier.
    let capacity = 16.0 + 40.0 * uniform(0.0, 1.0).powi(2);
    let rentals_per_hour = capacity * uniform(0.03, 0.09);
    Ok(SimulatedStation {
        code: StationCode::new(&(area.first_code + number / AREAS.len()).to_string())?,
        name: format!("{first} - {second}").into(),
        commune: area.commune.into(),
        lat,
        lon,
        profile,
        capacity: capacity as u32,
        broken_docks: if number % 40 == 11 { 3 } else { 0 },
        bikes_at_start: (capacity * uniform(0.1, 0.7)) as u32,
        returns_per_hour: rentals_per_hour * uniform(0.92, 1.04),
        rentals_per_hour,
        closures: Vec::new(),
    })
}

/// On one day in a hundred a station closes, for 2 to 12 hours.
fn closures(start: DateTime<Utc>, duration: TimeDelta, random: &mut Xoshiro256PlusPlus) -> Vec<Closure> {
    let mut closures: Vec<Closure> = Vec::new();
    for day in 0..=duration.num_days() {
        let (closes, hour, hours) = (between(random, 100) == 0, between(random, 24), 2 + between(random, 11));
        let installed = between(random, 2) == 0;
        let from = full_hour(start) + 24 * day + hour;
        let (from, until) = (start_of(from), start_of(from + hours));
        if closes && closures.last().is_none_or(|last| last.until <= from) {
            closures.push(Closure { from, until, installed });
        }
    }
    closures
}
