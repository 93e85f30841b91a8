//! The statistics of zones, from those of their stations.

use std::collections::{BTreeMap, HashMap};

use super::{Select, StationWindow, Store, ZoneWindow};
use crate::error::Result;
use crate::station::StationCode;
use crate::streaming::state::{Quantities, WindowStatistics};
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

/// What is known of one zone in one window. All of it can be put together from parts, whoever read them: sums, minima, maxima.
#[derive(Default)]
struct Part {
    stations: u64,
    /// Counts and capacity are summed up in it, the rest is empty.
    sums: WindowStatistics,
    full: WeightedMean,
    empty: WeightedMean,
    quantities: [Weighed; 4],
}

/// One quantity over the stations of a zone.
#[derive(Default)]
struct Weighed {
    count: u64,
    mean: WeightedMean,
    time_weighted_mean: WeightedMean,
    min: Min,
    max: Max,
    last: WeightedMean,
    rate: Total,
    turnover: Total,
}

/// The sum over the stations, and their mean by capacity.
#[derive(Default)]
struct Total {
    sum: Option<f64>,
    mean: WeightedMean,
}

impl Part {
    fn add(&mut self, row: &StationWindow) {
        let said = &row.statistics;
        self.stations += 1;
        self.sums.readings += said.readings;
        self.sums.revision += said.revision;
        self.sums.closed += said.closed;
        if let Some(capacity) = said.capacity {
            *self.sums.capacity.get_or_insert(0.0) += capacity;
        }
        let weigh = |mean: &mut WeightedMean, value: Option<f64>| {
            if let Some((value, capacity)) = value.zip(said.capacity) {
                mean.update(value, capacity);
            }
        };
        weigh(&mut self.full, said.full);
        weigh(&mut self.empty, said.empty);
        for (of_zone, of_station) in self.quantities.iter_mut().zip(said.quantities.each()) {
            of_zone.count += of_station.count;
            of_zone.min.merge(&Min(of_station.min));
            of_zone.max.merge(&Max(of_station.max));
            weigh(&mut of_zone.mean, of_station.mean);
            weigh(&mut of_zone.time_weighted_mean, of_station.time_weighted_mean);
            weigh(&mut of_zone.last, of_station.last);
            for (total, value) in [(&mut of_zone.rate, of_station.rate), (&mut of_zone.turnover, of_station.turnover)] {
                weigh(&mut total.mean, value);
                if let Some(value) = value {
                    *total.sum.get_or_insert(0.0) += value;
                }
            }
        }
    }

    fn finish(self, kind: &str, zone: &str, window: Window, expected: u64) -> ZoneWindow {
        let [mechanical, ebike, docks, occupancy] = self.quantities;
        // Bikes and docks add up over a zone; its occupancy is a ratio.
        let sum = |total: Total| total.sum;
        let mean = |total: Total| total.mean.get();
        ZoneWindow {
            kind: kind.to_owned(),
            zone: zone.to_owned(),
            window,
            stations: self.stations,
            expected,
            statistics: WindowStatistics {
                full: self.full.get(),
                empty: self.empty.get(),
                quantities: Quantities {
                    mechanical: mechanical.finish(sum),
                    ebike: ebike.finish(sum),
                    docks: docks.finish(sum),
                    occupancy: occupancy.finish(mean),
                },
                ..self.sums
            },
        }
    }
}

impl Weighed {
    fn finish(self, total: impl Fn(Total) -> Option<f64>) -> Summary {
        Summary {
            count: self.count,
            mean: self.mean.get(),
            time_weighted_mean: self.time_weighted_mean.get(),
            min: self.min.get(),
            max: self.max.get(),
            last: self.last.get(),
            rate: total(self.rate),
            turnover: total(self.turnover),
        }
    }
}
