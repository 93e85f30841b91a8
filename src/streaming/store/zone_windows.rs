//! The statistics of zones, from those of their stations.

use std::collections::{BTreeMap, HashMap};

use super::{Select, StationWindow, Store, ZoneWindow};
use crate::error::Result;
use crate::station::StationCode;
use crate::streaming::state::Quantities;
use crate::streaming::stats::{Max, Min, Statistic, Summary, WeightedMean};
use crate::streaming::window::Window;
use crate::streaming::zone::Zones;

/// See [`Store::zone_windows`].
pub(super) fn zone_windows<S>(store: &mut S, zones: &Zones, select: Select<'_>) -> Result<Vec<ZoneWindow>>
where
    S: Store + ?Sized,
{
    let mut division = zones.divide(&store.stations()?).zones;
    if let Some(zone) = select.of {
        division.retain(|name, _| name == zone);
    }
    let zone_of: HashMap<&StationCode, usize> = division
        .values()
        .enumerate()
        .flat_map(|(zone, stations)| stations.iter().map(move |code| (code, zone)))
        .collect();
    // By the places of the zones among their names, so in the order of the names.
    let mut parts: BTreeMap<(Window, usize), Part> = BTreeMap::new();
    let mut add = |row: StationWindow| {
        if let Some(&zone) = zone_of.get(&row.station_code) {
            parts.entry((row.window, zone)).or_default().add(&row);
        }
    };
    match select.of {
        Some(_) => {
            for station in division.values().flatten() {
                store.visit_station_windows(Select { of: Some(station.as_str()), ..select }, &mut add)?;
            }
        }
        None => store.visit_station_windows(select, &mut add)?,
    }
    let by_place: Vec<_> = division.iter().collect();
    let finished = parts.into_iter().map(|((window, zone), part)| {
        let (name, stations) = by_place[zone];
        part.finish(zones.as_str(), name, window, stations.len() as u64)
    });
    Ok(finished.collect())
}

/// What is known of one zone in one window. All of it can be put together from parts: sums, minima, maxima.
#[derive(Default)]
struct Part {
    stations: u64,
    readings: u64,
    closed: u64,
    capacity: Option<f64>,
    quantities: [Weighed; 4],
}

/// One quantity over the stations of a zone.
#[derive(Default)]
struct Weighed {
    count: u64,
    mean: WeightedMean,
    min: Min,
    max: Max,
}

impl Part {
    fn add(&mut self, row: &StationWindow) {
        self.stations += 1;
        self.readings += row.readings;
        self.closed += row.closed;
        if let Some(capacity) = row.capacity {
            *self.capacity.get_or_insert(0.0) += capacity;
        }
        for (of_zone, of_station) in self.quantities.iter_mut().zip(row.quantities.each()) {
            of_zone.count += of_station.count;
            of_zone.min.merge(&Min(of_station.min));
            of_zone.max.merge(&Max(of_station.max));
            if let (Some(mean), Some(capacity)) = (of_station.mean, row.capacity) {
                of_zone.mean.update(mean, capacity);
            }
        }
    }

    fn finish(self, kind: &str, zone: &str, window: Window, expected: u64) -> ZoneWindow {
        ZoneWindow {
            kind: kind.to_owned(),
            zone: zone.to_owned(),
            window,
            stations: self.stations,
            expected,
            readings: self.readings,
            closed: self.closed,
            capacity: self.capacity,
            quantities: Quantities::from_each(self.quantities.map(|Weighed { count, mean, min, max }| Summary {
                count,
                mean: mean.get(),
                min: min.get(),
                max: max.get(),
            })),
        }
    }
}
