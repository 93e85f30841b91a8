//! What the statistics are: one set of definitions, whichever engine computes them.
//!
//! Docks and bikes are summarised over the readings of *open* stations alone: at a closed one, no free dock means nothing.
//! What a reading does not say is left out of that figure and not counted in it, and every figure comes with its count.
//! Every reading counts once, however long its state lasted; no mean is weighted by time.

use std::collections::BTreeMap;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::station::StationCode;

use super::engine::of_polars;

/// The statistics of a table of readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Readings in the table.
    pub readings: u64,
    /// Readings of a station known to be open ([`usable`](crate::StationStatus::usable)).
    pub open: u64,
    /// Readings of a station known to be closed. The rest does not tell.
    pub closed: u64,
    /// Readings whose commune is unknown: they are in no zone.
    pub without_commune: u64,
    /// Each station, by its code.
    pub stations: Vec<StationStatistics>,
    /// The stations that were empty at least once, by their code.
    pub sometimes_empty: Vec<SometimesEmpty>,
    /// Each commune, by its name.
    pub communes: Vec<ZoneStatistics>,
    /// Each arrondissement of Paris and each other commune, by its name.
    pub arrondissements: Vec<ZoneStatistics>,
}

/// The statistics of one station.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationStatistics {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Its name; of several, the last in the order of the alphabet.
    pub name: Option<String>,
    /// Its readings.
    pub readings: u64,
    /// Its readings while known to be open.
    pub open: u64,
    /// Its readings while known to be closed.
    pub closed: u64,
    /// Free docks (the assignment's "places") while open.
    pub free_docks: Summary,
    /// Mechanical bikes while open.
    pub mechanical: Summary,
    /// Electric bikes while open.
    pub ebike: Summary,
    /// How often it was [full](crate::StationStatus::is_full). A closed station is not.
    pub full: Share,
    /// How often it was [empty](crate::StationStatus::is_empty). A station that does not rent is not.
    pub empty: Share,
}

/// A station that was seen empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SometimesEmpty {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Its name.
    pub name: Option<String>,
    /// How often it was empty; at least once.
    pub empty: Share,
}

/// The statistics of all stations of one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatistics {
    /// The zone: `Montreuil`, `Paris 16e`.
    pub zone: String,
    /// How many different stations reported.
    pub stations: u64,
    /// Their readings.
    pub readings: u64,
    /// Their readings while known to be open.
    pub open: u64,
    /// Free docks of a station, over all readings of open stations: the mean is one station's, not the zone's total.
    pub free_docks: Summary,
    /// Bikes per dock: the bikes of all readings of open stations over the docks of the same readings (the capacity, so a
    /// large station weighs more). `None` if there is no such reading.
    pub occupancy: Option<f64>,
    /// The readings that `occupancy` is computed from.
    pub occupancy_count: u64,
}

/// A count of docks or of bikes over readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Readings that say how many; without one the rest is `None`.
    pub count: u64,
    /// Their mean.
    pub mean: Option<f64>,
    /// The smallest.
    pub min: Option<u32>,
    /// The largest.
    pub max: Option<u32>,
}

/// How often something was so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Readings that were so.
    pub times: u64,
    /// Readings that say whether it was so.
    pub known: u64,
    /// `times / known`, from 0 to 1; `None` if no reading tells.
    pub share: Option<f64>,
}

impl Share {
    /// The share of `times` in `known`.
    pub(super) fn new(times: u64, known: u64) -> Self {
        Self { times, known, share: ratio(times, known) }
    }
}

/// `numerator / denominator`, if there is anything to divide by. Exact below 2^53.
pub(super) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// What an engine computes from a part of the rows, so that parts can be put together: the stations of a part are in no
/// other part, its zones may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    stations: Vec<StationStatistics>,
    sometimes_empty: Vec<SometimesEmpty>,
    communes: Vec<ZonePart>,
    arrondissements: Vec<ZonePart>,
}

/// Sums instead of means: they add up. Exact, being whole numbers.
#[derive(Clone, Debug)]
struct ZonePart {
    zone: String,
    stations: u64,
    readings: u64,
    open: u64,
    docks_count: u64,
    docks_sum: u64,
    docks_min: Option<u32>,
    docks_max: Option<u32>,
    bikes_count: u64,
    bikes_sum: u64,
    capacity_sum: u64,
}

impl Part {
    /// Reads the four results of an engine. Its columns are the names read below.
    pub(super) fn read(
        stations: &DataFrame,
        sometimes_empty: &DataFrame,
        communes: &DataFrame,
        arrondissements: &DataFrame,
    ) -> Result<Self> {
        Ok(Self {
            stations: read_stations(stations)?,
            sometimes_empty: read_sometimes_empty(sometimes_empty)?,
            communes: read_zones(communes)?,
            arrondissements: read_zones(arrondissements)?,
        })
    }

    /// This part and another one, of other stations.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.stations.extend(other.stations);
        self.sometimes_empty.extend(other.sometimes_empty);
        self.communes.extend(other.communes);
        self.arrondissements.extend(other.arrondissements);
        self
    }

    /// The statistics, when every part is in this one.
    pub(super) fn finish(mut self) -> Statistics {
        self.stations.sort_unstable_by(|a, b| a.station_code.cmp(&b.station_code));
        self.sometimes_empty.sort_unstable_by(|a, b| a.station_code.cmp(&b.station_code));
        let readings = self.stations.iter().map(|station| station.readings).sum();
        let in_communes: u64 = self.communes.iter().map(|zone| zone.readings).sum();
        Statistics {
            readings,
            open: self.stations.iter().map(|station| station.open).sum(),
            closed: self.stations.iter().map(|station| station.closed).sum(),
            without_commune: readings - in_communes,
            stations: self.stations,
            sometimes_empty: self.sometimes_empty,
            communes: finish_zones(self.communes),
            arrondissements: finish_zones(self.arrondissements),
        }
    }
}

impl ZonePart {
    fn add(&mut self, other: &Self) {
        self.stations += other.stations;
        self.readings += other.readings;
        self.open += other.open;
        self.docks_count += other.docks_count;
        self.docks_sum += other.docks_sum;
        self.docks_min = [self.docks_min, other.docks_min].into_iter().flatten().min();
        self.docks_max = self.docks_max.max(other.docks_max);
        self.bikes_count += other.bikes_count;
        self.bikes_sum += other.bikes_sum;
        self.capacity_sum += other.capacity_sum;
    }

    fn finish(self) -> ZoneStatistics {
        ZoneStatistics {
            zone: self.zone,
            stations: self.stations,
            readings: self.readings,
            open: self.open,
            free_docks: Summary {
                count: self.docks_count,
                mean: ratio(self.docks_sum, self.docks_count),
                min: self.docks_min,
                max: self.docks_max,
            },
            occupancy: ratio(self.bikes_sum, self.capacity_sum),
            occupancy_count: self.bikes_count,
        }
    }
}

fn finish_zones(parts: Vec<ZonePart>) -> Vec<ZoneStatistics> {
    let mut zones: BTreeMap<String, ZonePart> = BTreeMap::new();
    for part in parts {
        match zones.get_mut(&part.zone) {
            Some(zone) => zone.add(&part),
            None => drop(zones.insert(part.zone.clone(), part)),
        }
    }
    zones.into_values().map(ZonePart::finish).collect()
}

fn read_stations(frame: &DataFrame) -> Result<Vec<StationStatistics>> {
    let cells = Cells(frame);
    let (codes, names) = (cells.texts("stationcode")?, cells.texts("name")?);
    let (readings, open, closed) = (cells.counts("readings")?, cells.counts("open")?, cells.counts("closed")?);
    let free_docks = cells.summaries("docks")?;
    let (mechanical, ebike) = (cells.summaries("mechanical")?, cells.summaries("ebike")?);
    let (full, empty) = (cells.shares("full")?, cells.shares("empty")?);
    (0..frame.height())
        .map(|row| {
            Ok(StationStatistics {
                station_code: StationCode::new(codes.get(row).unwrap_or_default())?,
                name: names.get(row).map(str::to_owned),
                readings: readings[row],
                open: open[row],
                closed: closed[row],
                free_docks: free_docks[row],
                mechanical: mechanical[row],
                ebike: ebike[row],
                full: full[row],
                empty: empty[row],
            })
        })
        .collect()
}

fn read_sometimes_empty(frame: &DataFrame) -> Result<Vec<SometimesEmpty>> {
    let cells = Cells(frame);
    let (codes, names, empty) = (cells.texts("stationcode")?, cells.texts("name")?, cells.shares("empty")?);
    (0..frame.height())
        .map(|row| {
            Ok(SometimesEmpty {
                station_code: StationCode::new(codes.get(row).unwrap_or_default())?,
                name: names.get(row).map(str::to_owned),
                empty: empty[row],
            })
        })
        .collect()
}

fn read_zones(frame: &DataFrame) -> Result<Vec<ZonePart>> {
    let cells = Cells(frame);
    let zones = cells.texts("zone")?;
    let (stations, readings, open) = (cells.counts("stations")?, cells.counts("readings")?, cells.counts("open")?);
    let (docks_count, docks_sum) = (cells.counts("docks_count")?, cells.counts("docks_sum")?);
    let (docks_min, docks_max) = (cells.values("docks_min")?, cells.values("docks_max")?);
    let (bikes_count, bikes_sum) = (cells.counts("bikes_count")?, cells.counts("bikes_sum")?);
    let capacity_sum = cells.counts("capacity_sum")?;
    let part = |row: usize| ZonePart {
        zone: zones.get(row).unwrap_or_default().to_owned(),
        stations: stations[row],
        readings: readings[row],
        open: open[row],
        docks_count: docks_count[row],
        docks_sum: docks_sum[row],
        docks_min: docks_min[row],
        docks_max: docks_max[row],
        bikes_count: bikes_count[row],
        bikes_sum: bikes_sum[row],
        capacity_sum: capacity_sum[row],
    };
    Ok((0..frame.height()).map(part).collect())
}

/// The columns of an engine's result as plain values, whatever integer type the engine chose.
struct Cells<'a>(&'a DataFrame);

impl Cells<'_> {
    fn column(&self, name: &str, dtype: &DataType) -> Result<Column> {
        let column = self.0.column(name).map_err(of_polars)?;
        column.strict_cast(dtype).map_err(of_polars)
    }

    fn texts(&self, name: &str) -> Result<StringChunked> {
        Ok(self.column(name, &DataType::String)?.str().map_err(of_polars)?.clone())
    }

    /// Numbers that cannot be unknown; a sum over nothing is zero.
    fn counts(&self, name: &str) -> Result<Vec<u64>> {
        let column = self.column(name, &DataType::UInt64)?;
        Ok(column.u64().map_err(of_polars)?.iter().map(Option::unwrap_or_default).collect())
    }

    fn values(&self, name: &str) -> Result<Vec<Option<u32>>> {
        let column = self.column(name, &DataType::UInt32)?;
        Ok(column.u32().map_err(of_polars)?.iter().collect())
    }

    fn means(&self, name: &str) -> Result<Vec<Option<f64>>> {
        let column = self.column(name, &DataType::Float64)?;
        Ok(column.f64().map_err(of_polars)?.iter().collect())
    }

    /// `NAME_count`, `NAME_mean`, `NAME_min`, `NAME_max`.
    fn summaries(&self, name: &str) -> Result<Vec<Summary>> {
        let (counts, means) = (self.counts(&format!("{name}_count"))?, self.means(&format!("{name}_mean"))?);
        let (mins, maxs) = (self.values(&format!("{name}_min"))?, self.values(&format!("{name}_max"))?);
        let summary = |row: usize| Summary { count: counts[row], mean: means[row], min: mins[row], max: maxs[row] };
        Ok((0..counts.len()).map(summary).collect())
    }

    /// `NAME_times`, `NAME_known`.
    fn shares(&self, name: &str) -> Result<Vec<Share>> {
        let (times, known) = (self.counts(&format!("{name}_times"))?, self.counts(&format!("{name}_known"))?);
        Ok(times.into_iter().zip(known).map(|(times, known)| Share::new(times, known)).collect())
    }
}
