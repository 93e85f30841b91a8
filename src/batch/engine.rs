//! Two engines behind one function, so that one test can hold both to one answer.

use std::fmt;
use std::str::FromStr;

use polars::error::PolarsError;

use crate::error::{Error, ErrorKind, Result};

use super::statistics::Statistics;
use super::table::Table;
use super::{dataframe, sql};

/// What computes the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Polars' lazy DataFrame API. `dataframe`
    #[default]
    DataFrame,
    /// SQL, on polars too. `sql`
    Sql,
}

/// The statistics of a table. The same whichever engine computes them.
pub fn statistics(table: &Table, engine: Engine) -> Result<Statistics> {
    let part = match engine {
        Engine::DataFrame => dataframe::part(table.frame()),
        Engine::Sql => sql::part(table.frame()),
    };
    Ok(part?.finish())
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "dataframe" => Ok(Self::DataFrame),
            "sql" => Ok(Self::Sql),
            _ => Err(Error::usage("--engine", format_args!("`{name}` is no engine")).way_out("write dataframe or sql")),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DataFrame => "dataframe",
            Self::Sql => "sql",
        })
    }
}

/// What polars refuses is a table that does not fit the question.
pub(super) fn of_polars(error: PolarsError) -> Error {
    Error::new(ErrorKind::Data, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::{at, readings};
    use crate::batch::{Share, SometimesEmpty, StationStatistics, Summary, ZoneStatistics};
    use crate::station::{StationCode, StationStatus};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const ENGINES: [Engine; 2] = [Engine::DataFrame, Engine::Sql];

    fn summary(values: impl Iterator<Item = Option<u32>>) -> Summary {
        let values: Vec<u32> = values.flatten().collect();
        let sum: u32 = values.iter().sum();
        Summary {
            count: values.len() as u64,
            mean: (!values.is_empty()).then(|| f64::from(sum) / values.len() as f64),
            min: values.iter().copied().min(),
            max: values.iter().copied().max(),
        }
    }

    fn share(answers: impl Iterator<Item = Option<bool>>) -> Share {
        let answers: Vec<bool> = answers.flatten().collect();
        let times = answers.iter().filter(|&&yes| yes).count();
        let share = (!answers.is_empty()).then(|| times as f64 / answers.len() as f64);
        Share { times: times as u64, known: answers.len() as u64, share }
    }

    fn station(code: &StationCode, readings: &[&StationStatus]) -> StationStatistics {
        let open = || readings.iter().filter(|reading| reading.is_open());
        StationStatistics {
            station_code: code.clone(),
            name: readings.iter().filter_map(|reading| reading.name.as_deref()).max().map(str::to_owned),
            readings: readings.len() as u64,
            open: open().count() as u64,
            closed: readings.iter().filter(|reading| reading.is_closed()).count() as u64,
            free_docks: summary(open().map(|reading| reading.docks_available)),
            mechanical: summary(open().map(|reading| reading.mechanical)),
            ebike: summary(open().map(|reading| reading.ebike)),
            full: share(readings.iter().map(|reading| reading.is_full())),
            empty: share(readings.iter().map(|reading| reading.is_empty())),
        }
    }

    fn zone(name: &str, readings: &[&StationStatus]) -> ZoneStatistics {
        let open = || readings.iter().filter(|reading| reading.is_open());
        let pairs: Vec<(u32, u32)> =
            open().filter_map(|reading| Some((reading.bikes_available?, reading.capacity?))).collect();
        let (bikes, capacity) = pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        ZoneStatistics {
            zone: name.to_owned(),
            stations: readings.iter().map(|reading| &reading.station_code).collect::<BTreeSet<_>>().len() as u64,
            readings: readings.len() as u64,
            open: open().count() as u64,
            free_docks: summary(open().map(|reading| reading.docks_available)),
            occupancy: (!pairs.is_empty()).then(|| f64::from(bikes) / f64::from(capacity)),
            occupancy_count: pairs.len() as u64,
        }
    }

    fn grouped<'a, K: Ord>(
        readings: &'a [StationStatus],
        key: impl Fn(&'a StationStatus) -> Option<K>,
    ) -> BTreeMap<K, Vec<&'a StationStatus>> {
        let mut groups: BTreeMap<K, Vec<&StationStatus>> = BTreeMap::new();
        for reading in readings {
            if let Some(key) = key(reading) {
                groups.entry(key).or_default().push(reading);
            }
        }
        groups
    }

    /// The same by loops over the readings, written from the definitions and the rules of the reading alone.
    fn naive(readings: &[StationStatus]) -> Statistics {
        let stations: Vec<_> = grouped(readings, |reading| Some(&reading.station_code))
            .iter()
            .map(|(code, readings)| station(code, readings))
            .collect();
        let sometimes_empty = stations.iter().filter(|station| station.empty.times > 0).map(|station| SometimesEmpty {
            station_code: station.station_code.clone(),
            name: station.name.clone(),
            empty: station.empty,
        });
        let arrondissement = |reading: &StationStatus| {
            let name = match (reading.commune.as_deref()?, reading.station_code.as_str()) {
                ("Paris", "1001") => "Paris 1er",
                ("Paris", "9020") => "Paris 9e",
                ("Paris", "16107") => "Paris 16e",
                ("Paris", "20117") => "Paris 20e",
                ("Paris", _) => return None,
                (commune, _) => commune,
            };
            Some(name.to_owned())
        };
        let zones = |groups: BTreeMap<String, Vec<&StationStatus>>| {
            groups.iter().map(|(name, readings)| zone(name, readings)).collect()
        };
        Statistics {
            readings: readings.len() as u64,
            open: readings.iter().filter(|reading| reading.is_open()).count() as u64,
            closed: readings.iter().filter(|reading| reading.is_closed()).count() as u64,
            without_commune: readings.iter().filter(|reading| reading.commune.is_none()).count() as u64,
            sometimes_empty: sometimes_empty.collect(),
            stations,
            communes: zones(grouped(readings, |reading| reading.commune.as_deref().map(str::to_owned))),
            arrondissements: zones(grouped(readings, arrondissement)),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn both_engines_and_a_loop_agree_to_the_last_digit(readings in readings()) {
            let table = Table::new(&readings).unwrap();
            let wanted = naive(&readings);
            for engine in ENGINES {
                prop_assert_eq!(&statistics(&table, engine).unwrap(), &wanted, "{}", engine);
            }
            let json = serde_json::to_string(&wanted).unwrap();
            prop_assert_eq!(serde_json::from_str::<Statistics>(&json).unwrap(), wanted);
        }
    }

    fn open(code: &str, capacity: u32, docks: u32, bikes: u32) -> StationStatus {
        StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(capacity),
            docks_available: Some(docks),
            bikes_available: Some(bikes),
            commune: Some("Paris".into()),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), at(0), at(60))
        }
    }

    #[test]
    fn closed_readings_are_counted_but_not_averaged() {
        let closed = StationStatus { is_returning: Some(false), ..open("16107", 20, 0, 0) };
        let table = Table::new(&[open("16107", 20, 4, 0), open("16107", 20, 8, 12), closed, open("16005", 60, 6, 50)]);
        for engine in ENGINES {
            let statistics = statistics(table.as_ref().unwrap(), engine).unwrap();
            assert_eq!((statistics.readings, statistics.open, statistics.closed), (4, 3, 1));
            let station = &statistics.stations[1];
            assert_eq!(station.free_docks, Summary { count: 2, mean: Some(6.0), min: Some(4), max: Some(8) });
            assert_eq!((station.full.times, station.empty), (0, Share { times: 2, known: 3, share: Some(2.0 / 3.0) }));
            assert_eq!(statistics.sometimes_empty.len(), 1);
            let zone = &statistics.arrondissements[0];
            assert_eq!((zone.zone.as_str(), zone.stations, zone.open), ("Paris 16e", 2, 3));
            assert_eq!((zone.free_docks.mean, zone.occupancy), (Some(6.0), Some(62.0 / 100.0)));
        }
    }

    #[test]
    fn nothing_open_and_nothing_at_all_leave_the_means_unknown() {
        let table = Table::new(&[StationStatus { is_installed: Some(false), ..open("16107", 20, 0, 0) }]).unwrap();
        let empty = Table::new(&[]).unwrap();
        for engine in ENGINES {
            let closed = statistics(&table, engine).unwrap();
            assert_eq!((closed.stations[0].free_docks, closed.communes[0].occupancy), (Summary::default(), None));
            assert_eq!(statistics(&empty, engine).unwrap(), naive(&[]));
        }
    }

    #[test]
    fn sums_do_not_overflow_on_absurd_counts() {
        let readings = vec![open("16107", u32::MAX, u32::MAX, u32::MAX); 3];
        let table = Table::new(&readings).unwrap();
        for engine in ENGINES {
            let statistics = statistics(&table, engine).unwrap();
            assert_eq!(statistics.communes[0].free_docks.mean, Some(f64::from(u32::MAX)));
            assert_eq!(statistics.communes[0].occupancy, Some(1.0));
        }
    }

    #[test]
    fn an_engine_is_known_by_its_name() {
        for engine in ENGINES {
            assert_eq!(engine.to_string().parse::<Engine>().unwrap(), engine);
        }
        let error = "spork".parse::<Engine>().unwrap_err();
        assert_eq!(error.to_string(), "--engine: `spork` is no engine; write dataframe or sql");
    }
}
