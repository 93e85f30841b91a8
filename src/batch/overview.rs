//! What the assignment asks of the batch, in one pass over the files: free docks per station, the mean per zone, the stations that
//! are sometimes empty. It counts every reading once and knows nothing of time, so it keeps nothing but sums, and is the fastest.

mod seen;
mod sums;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use self::seen::{Seeing, Seen};
use self::sums::Sums;
use super::history::History;
use super::statistics::{Share, SometimesEmpty, StationStatistics, Statistics, Summary, ZoneStatistics};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Compact, FilesRead, Sites, read_compact};
use crate::station::{State, StationCode, StationStatus};
use crate::streaming::{Station, ZoneKind, Zones};

/// Those of the [`Statistics`] that count every reading once, with the same definitions and the same values.
///
/// ```
/// use velib::batch::{Engine, Overview, Table, statistics};
/// # use velib::{StationCode, StationStatus};
///
/// # fn main() -> velib::Result<()> {
/// # let at = chrono::DateTime::UNIX_EPOCH;
/// # let readings = vec![StationStatus::unknown(StationCode::new("16107")?, at, at)];
/// let overview = Overview::of(&readings, None); // or Overview::read(&paths, None, &mut |_| {})?
/// assert_eq!(overview, Overview::from(&statistics(&Table::new(&readings)?, Engine::DataFrame)?));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// [`Statistics::readings`]
    pub readings: u64,
    /// [`Statistics::open`]
    pub open: u64,
    /// [`Statistics::closed`]
    pub closed: u64,
    /// [`Statistics::without_commune`]
    pub without_commune: u64,
    /// Each station, by its code.
    pub stations: Vec<StationOverview>,
    /// [`Statistics::sometimes_empty`]
    pub sometimes_empty: Vec<SometimesEmpty>,
    /// Each commune, by its name.
    pub communes: Vec<ZoneOverview>,
    /// Each arrondissement of Paris and each other commune, by its name.
    pub arrondissements: Vec<ZoneOverview>,
    /// Each zone that was asked for, by its name.
    pub zones: Vec<ZoneOverview>,
}

/// One station of an [`Overview`]; each field as in [`StationStatistics`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StationOverview {
    /// [`StationStatistics::station_code`]
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// [`StationStatistics::name`]
    pub name: Option<String>,
    /// [`StationStatistics::readings`]
    pub readings: u64,
    /// [`StationStatistics::open`]
    pub open: u64,
    /// [`StationStatistics::closed`]
    pub closed: u64,
    /// [`StationStatistics::free_docks`]
    pub free_docks: Summary,
    /// [`StationStatistics::mechanical`]
    pub mechanical: Summary,
    /// [`StationStatistics::ebike`]
    pub ebike: Summary,
    /// [`StationStatistics::full`]
    pub full: Share,
    /// [`StationStatistics::empty`]
    pub empty: Share,
}

/// One zone of an [`Overview`]; each field as in [`ZoneStatistics`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneOverview {
    /// [`ZoneStatistics::zone`]
    pub zone: String,
    /// [`ZoneStatistics::stations`]
    pub stations: u64,
    /// [`ZoneStatistics::readings`]
    pub readings: u64,
    /// [`ZoneStatistics::open`]
    pub open: u64,
    /// [`ZoneStatistics::free_docks`]
    pub free_docks: Summary,
    /// [`ZoneStatistics::occupancy`]
    pub occupancy: Option<f64>,
    /// [`ZoneStatistics::occupancy_count`]
    pub occupancy_count: u64,
}

/// An [`Overview`] of files, and what they were.
#[derive(Clone, Debug, PartialEq)]
pub struct OverviewOfFiles {
    /// Of all readings, each (station, `last_reported`) once: the one fetched first.
    pub overview: Overview,
    /// How many repeats were left out.
    pub repeats: u64,
    /// What was found in the files, the rows that could not be read among it.
    pub found: FilesRead,
}

impl Overview {
    /// The overview of readings that are no repeats of each other.
    pub fn of(readings: &[StationStatus], zones: Option<&Zones>) -> Self {
        let mut pass = Pass::default();
        pass.count_all(readings);
        let Pass { sites, sums, .. } = pass;
        finish(&sites, &sums, zones)
    }

    /// The overview of files, which are read by the rules of [`Recording::read`](crate::ingest::Recording::read), with the zones
    /// of a division beside communes and arrondissements; `progress` is told after each thousand how many readings there are.
    ///
    /// Memory does not grow with the readings, only with the names and places that the stations go by. The last million readings
    /// are remembered at least, to know a repeat. Where one is older than those, was fetched before the one that it repeats, or
    /// stands far from its place too often, the files are read again by way of a [`History`], which looks at all of them.
    pub fn read<P: AsRef<Path>>(
        paths: &[P],
        zones: Option<&Zones>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<OverviewOfFiles> {
        let (mut pass, mut readings) = (Pass::default(), 0u64);
        let read = read_compact(paths, &mut |reading, sites| {
            readings += 1;
            if readings.is_multiple_of(1_000) {
                progress(readings);
            }
            pass.see(&reading, sites)
        });
        if pass.undecided {
            return Self::by_history(&History::read(paths, progress)?, zones);
        }
        let (found, sites) = read?;
        Ok(OverviewOfFiles { overview: finish(&sites, &pass.sums, zones), repeats: pass.repeats, found })
    }

    fn by_history(history: &History, zones: Option<&Zones>) -> Result<OverviewOfFiles> {
        let mut pass = Pass::default();
        for part in history.parts() {
            let part = part?;
            pass.repeats += part.repeats as u64;
            pass.count_all(&part.readings);
        }
        let overview = finish(&pass.sites, &pass.sums, zones);
        Ok(OverviewOfFiles { overview, repeats: pass.repeats, found: history.found().clone() })
    }
}

/// What is kept on the way.
#[derive(Default)]
struct Pass {
    /// By site.
    sums: Vec<Sums>,
    /// The station of each site.
    stations: Vec<u32>,
    seen: Seen,
    repeats: u64,
    /// Whether a reading came of which it cannot be known whether it is a repeat.
    undecided: bool,
    /// The sites of readings that did not come from files.
    sites: Sites,
}

impl Pass {
    /// Counts a reading unless it is a repeat.
    fn see(&mut self, reading: &Compact, sites: &Sites) -> Result<()> {
        let site = reading.site as usize;
        if site >= self.stations.len() {
            self.stations.extend(sites.sites()[self.stations.len()..].iter().map(|site| site.station));
        }
        match self.seen.see(self.stations[site], reading.last_reported, reading.fetched_at) {
            Seeing::First => self.count(reading),
            Seeing::Repeat => self.repeats += 1,
            Seeing::Undecided => {
                self.undecided = true;
                return Err(Error::new(ErrorKind::Data, "a reading is older than what is remembered"));
            }
        }
        Ok(())
    }

    fn count_all(&mut self, readings: &[StationStatus]) {
        for reading in readings {
            let reading = self.sites.compact(reading);
            self.count(&reading);
        }
    }

    fn count(&mut self, reading: &Compact) {
        let site = reading.site as usize;
        if site >= self.sums.len() {
            self.sums.resize_with(site + 1, Sums::default);
        }
        self.sums[site].count(&reading.state);
    }
}

fn finish(sites: &Sites, sums: &[Sums], zones: Option<&Zones>) -> Overview {
    let mut stations: BTreeMap<&StationCode, (Option<&str>, Sums)> = BTreeMap::new();
    let mut by_commune = BTreeMap::new();
    let mut by_arrondissement = BTreeMap::new();
    let mut by_zone = BTreeMap::new();
    let mut all = Sums::default();
    // A site whose readings were all repeats is none.
    for (number, (site, own)) in (0..).zip(sites.sites().iter().zip(sums)).filter(|(_, (_, own))| own.readings > 0) {
        all.add(own);
        let station = stations.entry(&site.code).or_default();
        station.0 = station.0.max(site.name.as_deref());
        station.1.add(own);
        let nothing = Compact {
            site: number,
            fetched_at: DateTime::UNIX_EPOCH,
            last_reported: DateTime::UNIX_EPOCH,
            state: State::default(),
        };
        let Some(reading) = sites.reading(&nothing) else { continue };
        let divisions = [
            (&mut by_commune, ZoneKind::Commune.zone_of(&reading)),
            (&mut by_arrondissement, ZoneKind::Arrondissement.zone_of(&reading)),
            (&mut by_zone, zones.and_then(|zones| zones.zone_of(&Station::of(&reading)))),
        ];
        for (division, zone) in divisions {
            if let Some(zone) = zone {
                let (members, sums): &mut (HashSet<u32>, Sums) = division.entry(zone).or_default();
                members.insert(site.station);
                sums.add(own);
            }
        }
    }
    let in_communes: u64 = by_commune.values().map(|(_, sums)| sums.readings).sum();
    let stations: Vec<_> = stations.into_iter().map(|(code, (name, sums))| sums.of_station(code, name)).collect();
    let finish_zones = |division: BTreeMap<String, (HashSet<u32>, Sums)>| {
        division.into_iter().map(|(zone, (members, sums))| sums.of_zone(zone, members.len() as u64)).collect()
    };
    let empty = |station: &&StationOverview| station.empty.times > 0;
    Overview {
        readings: all.readings,
        open: all.open,
        closed: all.closed,
        without_commune: all.readings - in_communes,
        sometimes_empty: stations.iter().filter(empty).map(SometimesEmpty::from).collect(),
        stations,
        communes: finish_zones(by_commune),
        arrondissements: finish_zones(by_arrondissement),
        zones: finish_zones(by_zone),
    }
}

impl From<&StationOverview> for SometimesEmpty {
    fn from(station: &StationOverview) -> Self {
        Self { station_code: station.station_code.clone(), name: station.name.clone(), empty: station.empty }
    }
}

impl From<&Statistics> for Overview {
    fn from(statistics: &Statistics) -> Self {
        let zones = |zones: &[ZoneStatistics]| zones.iter().map(ZoneOverview::from).collect();
        Self {
            readings: statistics.readings,
            open: statistics.open,
            closed: statistics.closed,
            without_commune: statistics.without_commune,
            stations: statistics.stations.iter().map(StationOverview::from).collect(),
            sometimes_empty: statistics.sometimes_empty.clone(),
            communes: zones(&statistics.communes),
            arrondissements: zones(&statistics.arrondissements),
            zones: zones(&statistics.zones),
        }
    }
}

impl From<&StationStatistics> for StationOverview {
    fn from(station: &StationStatistics) -> Self {
        Self {
            station_code: station.station_code.clone(),
            name: station.name.clone(),
            readings: station.readings,
            open: station.open,
            closed: station.closed,
            free_docks: station.free_docks,
            mechanical: station.mechanical,
            ebike: station.ebike,
            full: station.full,
            empty: station.empty,
        }
    }
}

impl From<&ZoneStatistics> for ZoneOverview {
    fn from(zone: &ZoneStatistics) -> Self {
        Self {
            zone: zone.zone.clone(),
            stations: zone.stations,
            readings: zone.readings,
            open: zone.open,
            free_docks: zone.free_docks,
            occupancy: zone.occupancy,
            occupancy_count: zone.occupancy_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::{at, readings_with_gaps};
    use crate::batch::{Engine, Table, TableSettings, statistics};
    use crate::ingest::Recording;
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use std::fs;
    use std::path::PathBuf;

    /// Two files of two kinds, some readings in both.
    fn files(folder: &Path, readings: &[StationStatus]) -> [PathBuf; 2] {
        let paths = ["a.csv", "b.jsonl"].map(|name| folder.join(name));
        let mut csv = csv::Writer::from_path(&paths[0]).unwrap();
        readings[..readings.len() / 2].iter().for_each(|reading| csv.serialize(reading).unwrap());
        csv.flush().unwrap();
        let lines = readings[readings.len() / 3..].iter().map(|reading| serde_json::to_string(reading).unwrap());
        fs::write(&paths[1], lines.collect::<Vec<_>>().join("\n")).unwrap();
        paths
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn it_is_what_either_engine_says_of_the_readings_without_repeats(
            readings in readings_with_gaps(),
            in_order in any::<bool>(),
            zones in prop::option::of(Just("grid:1000km")),
        ) {
            prop_assume!(readings.len() > 1);
            let mut readings = readings;
            if in_order {
                readings.sort_by_key(|reading| (reading.fetched_at, reading.last_reported));
            }
            let zones = zones.map(|zones| Zones::open(zones).unwrap());
            let folder = tempfile::tempdir().unwrap();
            let paths = files(folder.path(), &readings);
            let read = Overview::read(&paths, zones.as_ref(), &mut |_| {}).unwrap();
            let by_history = Overview::by_history(&History::read(&paths, &mut |_| {}).unwrap(), zones.as_ref()).unwrap();
            prop_assert_eq!(&read, &by_history);

            let mut recording = Recording::read(&paths).unwrap();
            let repeats = recording.deduplicate();
            prop_assert_eq!(read.repeats, repeats as u64);
            let settings = TableSettings { zones, ..TableSettings::default() };
            let table = Table::with(recording.readings(), &settings).unwrap();
            for engine in [Engine::DataFrame, Engine::Sql] {
                prop_assert_eq!(&Overview::from(&statistics(&table, engine).unwrap()), &read.overview);
            }
            prop_assert_eq!(Overview::of(recording.readings(), settings.zones.as_ref()), read.overview);
        }
    }

    #[test]
    fn a_repeat_that_was_fetched_before_the_first_sends_it_through_the_history() {
        let reading = |fetched: i64, docks: u32| StationStatus {
            is_installed: Some(true),
            is_returning: Some(true),
            capacity: Some(20),
            docks_available: Some(docks),
            ..StationStatus::unknown(StationCode::new("16107").unwrap(), at(0), at(0) + TimeDelta::minutes(fetched))
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut csv = csv::Writer::from_path(&path).unwrap();
        [reading(9, 9), reading(5, 5), reading(7, 7)].iter().for_each(|reading| csv.serialize(reading).unwrap());
        csv.flush().unwrap();
        let read = Overview::read(&[path], None, &mut |_| {}).unwrap();
        assert_eq!((read.repeats, read.found.readings), (2, 3));
        assert_eq!(read.overview.stations[0].free_docks.mean, Some(5.0));
    }
}
