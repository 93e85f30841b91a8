//! The statistics of some of the rows, so that parts can be put together: what an engine answered, read and added up.

use std::collections::BTreeMap;
use std::time::Duration;

use polars::prelude::*;

use super::behaviour::{Behaviour, alike};
use super::cells::Cells;
use super::over_time::{
    BikeTurnover, HowOften, HowOftenEmpty, Observed, Spells, StationOverTime, TimeMean, ZoneOverTime, seconds,
};
use super::profile::{HourSums, WeekSums};
use super::statistics::{SometimesEmpty, StationStatistics, Statistics, Summary, ZoneStatistics, ratio};
use crate::error::Result;
use crate::station::StationCode;

/// The answers of an engine. Their columns are the names read below.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) stations: DataFrame,
    pub(super) sometimes_empty: DataFrame,
    pub(super) full_spells: DataFrame,
    pub(super) empty_spells: DataFrame,
    pub(super) hours: DataFrame,
    pub(super) communes: DataFrame,
    pub(super) arrondissements: DataFrame,
    pub(super) zones: DataFrame,
    /// Each station as a zone of its own.
    pub(super) by_station: DataFrame,
}

/// What an engine computes from a part of the rows: the stations of a part are in no other part, its zones may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Partial {
    stations: Vec<StationStatistics>,
    sometimes_empty: Vec<SometimesEmpty>,
    /// Milliseconds that the stations' readings held.
    held: u64,
    /// The first and the last event time, milliseconds since 1970.
    times: Option<(i64, i64)>,
    profile: WeekSums,
    communes: Vec<ZonePart>,
    arrondissements: Vec<ZonePart>,
    zones: Vec<ZonePart>,
    by_station: Vec<ZonePart>,
    weeks: BTreeMap<String, WeekSums>,
}

/// Sums instead of means: they add up. Exact, being whole numbers, those over time below 2^53.
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
    held: u64,
    docks_held: u64,
    docks_sum_held: f64,
    bikes_held: u64,
    bikes_sum_held: f64,
    capacity_sum_held: f64,
}

impl Partial {
    /// Reads the answers of an engine.
    pub(super) fn read(answers: &Answers) -> Result<Self> {
        let (weeks, profile) = read_hours(&answers.hours)?;
        let spells = (read_spells(&answers.full_spells)?, read_spells(&answers.empty_spells)?);
        let stations = Cells(&answers.stations);
        let (firsts, lasts) = (stations.times("first")?, stations.times("last")?);
        Ok(Self {
            stations: read_stations(&answers.stations, &spells.0, &spells.1, &weeks)?,
            sometimes_empty: read_sometimes_empty(&answers.sometimes_empty)?,
            held: stations.counts("held")?.iter().sum(),
            times: earliest_and_latest(firsts.into_iter().flatten(), lasts.into_iter().flatten()),
            profile,
            communes: read_zones(&answers.communes)?,
            arrondissements: read_zones(&answers.arrondissements)?,
            zones: read_zones(&answers.zones)?,
            by_station: read_zones(&answers.by_station)?,
            weeks,
        })
    }

    /// This part and another one, of other stations.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.stations.extend(other.stations);
        self.sometimes_empty.extend(other.sometimes_empty);
        self.held += other.held;
        let (firsts, lasts): (Vec<_>, Vec<_>) = [self.times, other.times].into_iter().flatten().unzip();
        self.times = earliest_and_latest(firsts.into_iter(), lasts.into_iter());
        self.profile.merge(&other.profile);
        self.communes.extend(other.communes);
        self.arrondissements.extend(other.arrondissements);
        self.zones.extend(other.zones);
        self.by_station.extend(other.by_station);
        self.weeks.extend(other.weeks);
        self
    }

    /// The stations in so many groups by their weeks, when every part is in this one.
    pub(super) fn behaviours(&self, groups: usize) -> Result<Vec<Behaviour>> {
        let span = self.span();
        let stations: BTreeMap<_, _> = self.by_station.iter().map(|station| (&station.zone, station)).collect();
        let behaviour = |(number, codes): (usize, Vec<String>)| {
            let mut week = WeekSums::default();
            codes.iter().filter_map(|code| self.weeks.get(code)).for_each(|own| week.merge(own));
            let mut parts = codes.iter().filter_map(|code| stations.get(code)).map(|&station| station.clone());
            let sums = parts.by_ref().reduce(|mut sums, station| {
                sums.add(&station);
                sums
            });
            let Some(sums) = sums else { return Ok(None) };
            let statistics = ZonePart { zone: number.to_string(), ..sums }.finish(span);
            let stations = codes.iter().map(|code| StationCode::new(code)).collect::<Result<_>>()?;
            Ok(Some(Behaviour { statistics, stations, profile: week.finish() }))
        };
        (1..).zip(alike(&self.weeks, groups)?).map(behaviour).filter_map(Result::transpose).collect()
    }

    /// Milliseconds from the first event time to the last.
    fn span(&self) -> u64 {
        self.times.map_or(0, |(first, last)| first.abs_diff(last))
    }

    /// The statistics, when every part is in this one.
    pub(super) fn finish(mut self, max_gap: Duration) -> Statistics {
        self.stations.sort_unstable_by(|a, b| a.station_code.cmp(&b.station_code));
        self.sometimes_empty.sort_unstable_by(|a, b| a.station_code.cmp(&b.station_code));
        let readings = self.stations.iter().map(|station| station.readings).sum();
        let in_communes: u64 = self.communes.iter().map(|zone| zone.readings).sum();
        let span = self.span();
        let mut how_often_empty = HowOftenEmpty::default();
        self.stations.iter().for_each(|station| how_often_empty.count(station.over_time.how_often_empty));
        Statistics {
            readings,
            open: self.stations.iter().map(|station| station.open).sum(),
            closed: self.stations.iter().map(|station| station.closed).sum(),
            without_commune: readings - in_communes,
            max_gap_seconds: max_gap.as_secs_f64(),
            observed: Observed::new(self.held, span * self.stations.len() as u64),
            how_often_empty,
            profile: self.profile.finish(),
            stations: self.stations,
            sometimes_empty: self.sometimes_empty,
            communes: finish_zones(self.communes, span),
            arrondissements: finish_zones(self.arrondissements, span),
            zones: finish_zones(self.zones, span),
        }
    }
}

fn earliest_and_latest(firsts: impl Iterator<Item = i64>, lasts: impl Iterator<Item = i64>) -> Option<(i64, i64)> {
    firsts.min().zip(lasts.max())
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
        self.held += other.held;
        self.docks_held += other.docks_held;
        self.docks_sum_held += other.docks_sum_held;
        self.bikes_held += other.bikes_held;
        self.bikes_sum_held += other.bikes_sum_held;
        self.capacity_sum_held += other.capacity_sum_held;
    }

    fn finish(self, span: u64) -> ZoneStatistics {
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
            over_time: ZoneOverTime {
                observed: Observed::new(self.held, span * self.stations),
                free_docks: TimeMean::new(self.docks_held, self.docks_sum_held, self.docks_held as f64),
                occupancy: TimeMean::new(self.bikes_held, self.bikes_sum_held, self.capacity_sum_held),
            },
        }
    }
}

fn finish_zones(parts: Vec<ZonePart>, span: u64) -> Vec<ZoneStatistics> {
    let mut zones: BTreeMap<String, ZonePart> = BTreeMap::new();
    for part in parts {
        match zones.get_mut(&part.zone) {
            Some(zone) => zone.add(&part),
            None => drop(zones.insert(part.zone.clone(), part)),
        }
    }
    zones.into_values().map(|zone| zone.finish(span)).collect()
}

fn read_stations(
    frame: &DataFrame,
    full_spells: &BTreeMap<String, Spells>,
    empty_spells: &BTreeMap<String, Spells>,
    weeks: &BTreeMap<String, WeekSums>,
) -> Result<Vec<StationStatistics>> {
    let cells = Cells(frame);
    let (codes, names) = (cells.texts("stationcode")?, cells.texts("name")?);
    let (readings, open, closed) = (cells.counts("readings")?, cells.counts("open")?, cells.counts("closed")?);
    let free_docks = cells.summaries("docks")?;
    let (mechanical, ebike) = (cells.summaries("mechanical")?, cells.summaries("ebike")?);
    let (full, empty) = (cells.shares("full")?, cells.shares("empty")?);
    let over_time = read_over_time(&cells)?;
    (0..)
        .zip(over_time)
        .map(|(row, over_time)| {
            let code = codes.get(row).unwrap_or_default();
            Ok(StationStatistics {
                station_code: StationCode::new(code)?,
                name: names.get(row).map(str::to_owned),
                readings: readings[row],
                open: open[row],
                closed: closed[row],
                free_docks: free_docks[row],
                mechanical: mechanical[row],
                ebike: ebike[row],
                full: full[row],
                empty: empty[row],
                over_time: StationOverTime {
                    full_spells: full_spells.get(code).copied().unwrap_or_default(),
                    empty_spells: empty_spells.get(code).copied().unwrap_or_default(),
                    ..over_time
                },
                profile: weeks.get(code).map_or_else(|| WeekSums::default().finish(), WeekSums::finish),
            })
        })
        .collect()
}

/// All of it but the spells.
fn read_over_time(cells: &Cells<'_>) -> Result<Vec<StationOverTime>> {
    let (held, moved) = (cells.counts("held")?, cells.counts("moved")?);
    let (first, last) = (cells.times("first")?, cells.times("last")?);
    let (free_docks, mechanical) = (cells.time_means("docks")?, cells.time_means("mechanical")?);
    let ebike = cells.time_means("ebike")?;
    let (full, empty) = (cells.time_shares("full")?, cells.time_shares("empty")?);
    let closed = cells.time_shares("closed")?;
    let station = |row: usize| StationOverTime {
        observed: Observed::new(held[row], first[row].zip(last[row]).map_or(0, |(first, last)| first.abs_diff(last))),
        free_docks: free_docks[row],
        mechanical: mechanical[row],
        ebike: ebike[row],
        full: full[row],
        empty: empty[row],
        closed: closed[row],
        full_spells: Spells::default(),
        empty_spells: Spells::default(),
        turnover: BikeTurnover::new(moved[row], held[row]),
        how_often_empty: HowOften::of(&empty[row]),
    };
    Ok((0..held.len()).map(station).collect())
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

/// An answer without a row still has its columns.
fn was_not_asked(answer: &DataFrame) -> bool {
    answer.width() == 0
}

/// The spells of each station that has one.
fn read_spells(frame: &DataFrame) -> Result<BTreeMap<String, Spells>> {
    if was_not_asked(frame) {
        return Ok(BTreeMap::new());
    }
    let cells = Cells(frame);
    let (codes, number, longest) = (cells.texts("stationcode")?, cells.counts("number")?, cells.counts("longest")?);
    let spells = |row: usize| Spells { number: number[row], longest_seconds: Some(seconds(longest[row])) };
    Ok((0..frame.height()).map(|row| (codes.get(row).unwrap_or_default().to_owned(), spells(row))).collect())
}

/// The week of each station that has one, and of all of them.
fn read_hours(frame: &DataFrame) -> Result<(BTreeMap<String, WeekSums>, WeekSums)> {
    if was_not_asked(frame) {
        return Ok(Default::default());
    }
    let cells = Cells(frame);
    let (codes, hours, held) = (cells.texts("stationcode")?, cells.counts("week_hour")?, cells.counts("held")?);
    let (bikes, capacity) = (cells.sums("bikes_sum_held")?, cells.sums("capacity_sum_held")?);
    let (mut stations, mut all) = (BTreeMap::new(), WeekSums::default());
    for row in 0..frame.height() {
        let sums = HourSums { held: held[row], bikes: bikes[row], capacity: capacity[row] };
        let code = codes.get(row).unwrap_or_default();
        if !stations.contains_key(code) {
            stations.insert(code.to_owned(), WeekSums::default());
        }
        if let Some(station) = stations.get_mut(code) {
            station.add(hours[row] as usize, &sums);
        }
        all.add(hours[row] as usize, &sums);
    }
    Ok((stations, all))
}

fn read_zones(frame: &DataFrame) -> Result<Vec<ZonePart>> {
    if was_not_asked(frame) {
        return Ok(Vec::new());
    }
    let cells = Cells(frame);
    let zones = cells.texts("zone")?;
    let (stations, readings, open) = (cells.counts("stations")?, cells.counts("readings")?, cells.counts("open")?);
    let (docks_count, docks_sum) = (cells.counts("docks_count")?, cells.counts("docks_sum")?);
    let (docks_min, docks_max) = (cells.values("docks_min")?, cells.values("docks_max")?);
    let (bikes_count, bikes_sum) = (cells.counts("bikes_count")?, cells.counts("bikes_sum")?);
    let capacity_sum = cells.counts("capacity_sum")?;
    let (held, docks_held, bikes_held) =
        (cells.counts("held")?, cells.counts("docks_held")?, cells.counts("bikes_held")?);
    let (docks_sum_held, bikes_sum_held) = (cells.sums("docks_sum_held")?, cells.sums("bikes_sum_held")?);
    let capacity_sum_held = cells.sums("capacity_sum_held")?;
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
        held: held[row],
        docks_held: docks_held[row],
        docks_sum_held: docks_sum_held[row],
        bikes_held: bikes_held[row],
        bikes_sum_held: bikes_sum_held[row],
        capacity_sum_held: capacity_sum_held[row],
    };
    Ok((0..frame.height()).map(part).collect())
}
