//! Two engines behind one function, so that one test can hold both to one answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use polars::error::PolarsError;

use crate::error::{Error, ErrorKind, Result};

use super::behaviour::Behaviour;
use super::partial::Partial;
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
    Ok(part(table, engine)?.finish(table.max_gap()))
}

fn part(table: &Table, engine: Engine) -> Result<Partial> {
    match engine {
        Engine::DataFrame => dataframe::part(table),
        Engine::Sql => sql::part(table),
    }
}

/// The statistics of several tables, put together: those of one table with all their rows, if each station is in one of them alone
/// and all have one [`max_gap`](super::TableSettings::max_gap).
#[derive(Clone, Debug)]
pub struct Gathered {
    engine: Engine,
    max_gap: Duration,
    part: Partial,
}

impl Gathered {
    /// Of no table yet.
    pub fn new(engine: Engine, max_gap: Duration) -> Self {
        Self { engine, max_gap, part: Partial::default() }
    }

    /// What another than these engines computed.
    #[cfg(feature = "spark")]
    pub(super) fn of(engine: Engine, max_gap: Duration, part: Partial) -> Self {
        Self { engine, max_gap, part }
    }

    /// Computes those of a table more.
    pub fn add(&mut self, table: &Table) -> Result<()> {
        let part = part(table, self.engine)?;
        self.part = std::mem::take(&mut self.part).and(part);
        self.max_gap = table.max_gap();
        Ok(())
    }

    /// The stations of all of them in so many groups by their week; none where fewer stations have one.
    pub fn behaviours(&self, groups: usize) -> Result<Vec<Behaviour>> {
        self.part.behaviours(groups)
    }

    /// The statistics of all of them.
    pub fn finish(self) -> Statistics {
        self.part.finish(self.max_gap)
    }
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
    use crate::batch::naive::{naive, zone};
    use crate::batch::testing::{at, readings_with_gaps};
    use crate::batch::{HowOften, Share, Spells, Summary, TableSettings, TimeMean, partition_statistics};
    use crate::station::{StationCode, StationStatus};
    use crate::streaming::Zones;
    use proptest::prelude::*;

    const ENGINES: [Engine; 2] = [Engine::DataFrame, Engine::Sql];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn both_engines_parts_and_a_loop_agree_to_the_last_digit(
            readings in readings_with_gaps(),
            gap in prop::sample::select(vec![5, 60, 120, 900]),
            zones in prop::option::of(prop::sample::select(vec!["grid:1000km", "near:0,0,5000km"])),
            partitions in 1..5usize,
        ) {
            let zones = zones.map(|zones| Zones::open(zones).unwrap());
            let settings = TableSettings { max_gap: Duration::from_secs(60 * gap), zones };
            let table = Table::with(&readings, &settings).unwrap();
            let wanted = naive(&readings, &settings);
            for engine in ENGINES {
                prop_assert_eq!(&statistics(&table, engine).unwrap(), &wanted, "{}", engine);
            }
            prop_assert_eq!(&partition_statistics(&table, partitions).unwrap(), &wanted);
            let json = serde_json::to_string(&wanted).unwrap();
            prop_assert_eq!(serde_json::from_str::<Statistics>(&json).unwrap(), wanted);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn zones_by_behaviour_are_summarised_as_any_zone_is(
            bikes in prop::collection::vec(prop::collection::vec(0..=20u32, 24), 2..6),
            groups in 1..4usize,
        ) {
            // A week of each station, hour by hour, with the same day seven times.
            let hours = (0..7 * 24).flat_map(|hour| bikes.iter().enumerate().map(move |(station, day)| (hour, station, day[hour % 24])));
            let readings: Vec<_> = hours
                .map(|(hour, station, bikes)| then(60 * hour as i64, open(&format!("100{station}"), 20, 20 - bikes, bikes)))
                .collect();
            let mut found = Vec::new();
            for engine in ENGINES {
                let mut gathered = Gathered::new(engine, Duration::from_secs(1));
                for station in 0..bikes.len() {
                    let code = format!("100{station}");
                    let own: Vec<_> = readings.iter().filter(|reading| reading.station_code.as_str() == code).cloned().collect();
                    gathered.add(&Table::new(&own).unwrap()).unwrap();
                }
                found.push(gathered.behaviours(groups).unwrap());
            }
            prop_assert_eq!(&found[0], &found[1]);
            prop_assert_eq!(found[0].is_empty(), groups > bikes.len());
            for (number, behaviour) in (1..).zip(&found[0]) {
                let own: Vec<_> = readings.iter().filter(|reading| behaviour.stations.contains(&reading.station_code)).collect();
                let gap = TableSettings::default().max_gap.as_millis() as i64;
                prop_assert_eq!(&behaviour.statistics, &zone(&number.to_string(), &own, &readings, gap));
                prop_assert_eq!(&behaviour.profile, &naive(&own.into_iter().cloned().collect::<Vec<_>>(), &TableSettings::default()).profile);
            }
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
            assert_eq!(statistics(&empty, engine).unwrap(), naive(&[], &TableSettings::default()));
        }
    }

    /// At a minute, and fetched then.
    fn then(minute: i64, reading: StationStatus) -> StationStatus {
        StationStatus { last_reported: at(60 * minute), fetched_at: at(60 * minute), ..reading }
    }

    #[test]
    fn over_time_a_reading_counts_for_as_long_as_it_holds() {
        let closed = StationStatus { is_returning: Some(false), ..open("16107", 20, 0, 3) };
        let table = Table::new(&[
            then(0, open("16107", 20, 20, 0)),
            then(90, open("16107", 20, 14, 6)),
            then(100, open("16107", 20, 16, 4)),
            then(500, closed), // 100 holds for two hours
            then(510, open("16107", 20, 20, 0)),
        ]);
        for engine in ENGINES {
            let statistics = statistics(table.as_ref().unwrap(), engine).unwrap();
            let station = &statistics.stations[0];
            let over_time = &station.over_time;
            assert_eq!((over_time.observed.seconds, over_time.observed.span_seconds), (230.0 * 60.0, 510.0 * 60.0));
            let mean = Some((20.0 * 90.0 + 14.0 * 10.0 + 16.0 * 120.0) / 220.0);
            assert_eq!(over_time.free_docks, TimeMean { known_seconds: 220.0 * 60.0, mean });
            assert_eq!(station.free_docks.mean, Some(70.0 / 4.0));
            assert_eq!((over_time.closed.seconds, over_time.closed.share), (600.0, Some(10.0 / 230.0)));
            assert_eq!((over_time.empty.seconds, over_time.empty.known_seconds), (5400.0, 230.0 * 60.0));
            assert_eq!(over_time.empty_spells, Spells { number: 2, longest_seconds: Some(5400.0) });
            assert_eq!(over_time.full_spells, Spells::default());
            // 6 came, 2 went; the last change was not seen.
            assert_eq!((over_time.turnover.bikes, over_time.turnover.per_hour), (8, Some(8.0 * 60.0 / 230.0)));
            assert_eq!((over_time.how_often_empty, statistics.how_often_empty.often), (Some(HowOften::Often), 1));
            let known: f64 = station.profile.known_seconds.iter().sum();
            assert_eq!((known, station.profile.known_seconds.len()), (220.0 * 60.0, 168));
            assert_eq!(station.profile, statistics.profile);
        }
    }

    #[test]
    fn sums_do_not_overflow_on_absurd_counts() {
        let absurd = || open("16107", u32::MAX, u32::MAX, u32::MAX);
        let readings: Vec<_> = (0..400).map(|minute| then(100 * minute, absurd())).collect();
        let table = Table::new(&readings).unwrap();
        for engine in ENGINES {
            let statistics = statistics(&table, engine).unwrap();
            assert_eq!(statistics.communes[0].free_docks.mean, Some(f64::from(u32::MAX)));
            assert_eq!(statistics.communes[0].occupancy, Some(1.0));
            let over_time = statistics.communes[0].over_time;
            let off = over_time.free_docks.mean.unwrap() / f64::from(u32::MAX) - 1.0;
            assert!(off.abs() < 1e-12 && over_time.occupancy.mean == Some(1.0), "{over_time:?}");
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
