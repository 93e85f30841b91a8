//! A bike-share network that nobody built: what every example runs on when it is given no data.
//!
//! Each station is a birth-death chain: its state is how many bikes stand in its working docks, a return adds one unless
//! the station is full, a rental takes one unless it is empty, and both come at rates that depend on the hour and the day
//! of the week in Paris ([`SimulatedStation::rates`]). The chain is simulated exactly, event by event, so that the true
//! probability that a station is full in an hour can be computed from the same rates and held against a forecast.
//!
//! What is left out, and matters to whoever trusts a result on it: stations are independent of each other (a rental here
//! brings no return there), there is no weather, no holiday and no truck that moves bikes about. What is put in is the
//! dirt of the real feed: reports that lag and repeat, stations that close for some hours, docks that are broken.

mod chain;
mod station;
mod town;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{Snapshot, Source};
use crate::station::StationStatus;
use chain::Chain;
pub use station::{Closure, Profile, Rates, SimulatedStation};

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationConfig {
    /// The same seed gives the same readings. Default 1.
    ///
    /// It fixes the stations and every trip: more stations, another step or a longer duration leave those that there
    /// were as they were.
    pub seed: u64,
    /// How many stations, 1 to 2,000. The first is 16107. Default 60.
    pub stations: usize,
    /// When the first poll is made. Default 2024-03-04T00:00:00Z, a Monday.
    pub start: DateTime<Utc>,
    /// The last poll is made before `start + duration`. Default 14 days.
    pub duration: TimeDelta,
    /// The time between two polls, at least a second. Default 5 minutes.
    pub step: TimeDelta,
}

impl Default for SimulationConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            stations: 60,
            start: DateTime::from_timestamp(1_709_510_400, 0).unwrap_or_default(),
            duration: TimeDelta::days(14),
            step: TimeDelta::minutes(5),
        }
    }
}

/// The simulated network as a source: each poll brings one reading of every station.
///
/// A reading shows the chain as it was at `last_reported`, 1 to 10 minutes before `fetched_at`. At 3 % of the polls a
/// station has not reported again and its last reading comes once more, as on the real portal; and none reports more
/// often than once a minute.
#[derive(Clone, Debug)]
pub struct SimulatedNetwork {
    config: SimulationConfig,
    stations: Vec<SimulatedStation>,
    lives: Vec<Life>,
    next: DateTime<Utc>,
    end: DateTime<Utc>,
}

/// The shortest and the longest time between a report and the poll that first shows it, in seconds.
const LAG: (i64, i64) = (60, 600);

/// The shortest time between two reports of a station, in seconds.
const APART: i64 = 60;

/// How often a station has not reported again since the poll before.
const SILENT: f64 = 0.03;

impl SimulatedNetwork {
    /// A network at its start, or what is wrong with the settings.
    pub fn new(config: SimulationConfig) -> Result<Self> {
        let wrong = |message: &str| Error::new(ErrorKind::Usage, format!("the simulated network {message}"));
        if !(1..=town::MOST_STATIONS).contains(&config.stations) {
            return Err(wrong(&format!("cannot have {} stations", config.stations))
                .way_out(format!("ask for 1 to {}", town::MOST_STATIONS)));
        }
        if config.step < TimeDelta::seconds(1) {
            return Err(wrong("must be polled at a step of at least a second"));
        }
        if config.duration <= TimeDelta::zero() {
            return Err(wrong("must run for longer than no time"));
        }
        let years = DateTime::UNIX_EPOCH..DateTime::UNIX_EPOCH + TimeDelta::days(200 * 365);
        let end = config.start.checked_add_signed(config.duration).filter(|end| years.contains(end));
        let Some(end) = end.filter(|_| years.contains(&config.start)) else {
            return Err(wrong("must run between the years 1970 and 2169"));
        };
        let (mut stations, mut lives) = (Vec::new(), Vec::new());
        for station in town::stations(&config).take(config.stations) {
            let (station, random) = station?;
            lives.push(Life::new(&station, config.start, random));
            stations.push(station);
        }
        Ok(Self { next: config.start, end, stations, lives, config })
    }

    /// The stations, as the chains that they are.
    pub fn stations(&self) -> &[SimulatedStation] {
        &self.stations
    }

    /// Whether a station of this name is an invented one, in any simulated network: no real one has such a name. The first,
    /// 16107, has the name of the real one and is not known by it.
    pub fn is_invented(name: &str) -> bool {
        town::is_invented(name)
    }

    /// All readings that are still to come, in order of arrival.
    pub fn readings(mut self) -> Vec<StationStatus> {
        let mut readings = Vec::new();
        while self.next_poll(&mut readings).is_some() {}
        readings
    }

    /// Adds the readings of the next poll; when it was made.
    fn next_poll(&mut self, readings: &mut Vec<StationStatus>) -> Option<DateTime<Utc>> {
        let fetched_at = self.next_due()?;
        self.next = self.next.checked_add_signed(self.config.step).unwrap_or(self.end);
        let lives = self.lives.iter_mut().zip(&self.stations);
        readings.extend(lives.map(|(life, station)| life.reading(station, fetched_at)));
        Some(fetched_at)
    }
}

impl Source for SimulatedNetwork {
    fn poll(&mut self) -> Result<Option<Snapshot>> {
        let mut readings = Vec::with_capacity(self.stations.len());
        let counted = Some(self.stations.len() as u64);
        let fetched_at = self.next_poll(&mut readings);
        Ok(fetched_at.map(|fetched_at| Snapshot { fetched_at, readings, counted, set_aside: Vec::new() }))
    }

    fn next_due(&self) -> Option<DateTime<Utc>> {
        (self.next < self.end).then_some(self.next)
    }

    fn describe(&self) -> String {
        let SimulationConfig { seed, stations, step, duration, .. } = &self.config;
        let stations = if *stations == 1 { "1 station".to_owned() } else { format!("{stations} stations") };
        format!("the simulated network ({stations}, seed {seed}, every {} for {})", span(*step), span(*duration))
    }
}

/// One station's trips and reports.
#[derive(Clone, Debug)]
struct Life {
    chain: Chain,
    reports: Xoshiro256PlusPlus,
    shown: StationStatus,
}

impl Life {
    fn new(station: &SimulatedStation, start: DateTime<Utc>, mut chain: Xoshiro256PlusPlus) -> Self {
        let before = start - TimeDelta::seconds(LAG.1);
        let mut reports = chain.clone();
        reports.long_jump();
        chain.long_jump();
        chain.long_jump();
        let chain = Chain::new(station, before, chain);
        let shown = station.reading(before, start, chain.bikes(), chain.ebikes());
        Self { chain, reports, shown }
    }

    /// What the portal shows of this station at a poll.
    fn reading(&mut self, station: &SimulatedStation, fetched_at: DateTime<Utc>) -> StationStatus {
        let since = (fetched_at - self.shown.last_reported).num_seconds();
        let longest = LAG.1.min(since - APART);
        let silent = self.reports.random::<f64>() < SILENT;
        if silent || longest < LAG.0 {
            self.shown.fetched_at = fetched_at;
        } else {
            let lag = LAG.0 + between(&mut self.reports, longest - LAG.0 + 1);
            let last_reported = fetched_at - TimeDelta::seconds(lag);
            self.chain.advance(station, last_reported);
            self.shown = station.reading(last_reported, fetched_at, self.chain.bikes(), self.chain.ebikes());
        }
        self.shown.clone()
    }
}

/// One of `0..below`, each as likely. By way of a number in 0 to 1, whose value is the same in every version of `rand`.
fn between(random: &mut Xoshiro256PlusPlus, below: i64) -> i64 {
    (random.random::<f64>() * below as f64) as i64
}

/// A span of time in its largest whole unit: `14 days`, `90 min`, `45 s`.
fn span(time: TimeDelta) -> String {
    let units = [(86_400, if time.num_days() == 1 { "day" } else { "days" }), (3600, "h"), (60, "min")];
    let seconds = time.num_seconds();
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0);
    let (unit, name) = whole.unwrap_or((1, "s"));
    format!("{} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashMap};

    fn network(config: SimulationConfig) -> SimulatedNetwork {
        SimulatedNetwork::new(config).unwrap()
    }

    fn two_days(seed: u64) -> SimulationConfig {
        SimulationConfig { seed, stations: 20, duration: TimeDelta::days(2), ..SimulationConfig::default() }
    }

    /// The share of these readings for which the rule holds.
    fn share<'a>(readings: impl IntoIterator<Item = &'a StationStatus>, rule: impl Fn(&StationStatus) -> bool) -> f64 {
        let (all, those) = readings
            .into_iter()
            .fold((0u32, 0u32), |(all, those), reading| (all + 1, those + u32::from(rule(reading))));
        f64::from(those) / f64::from(all)
    }

    fn is_full(reading: &StationStatus) -> bool {
        reading.is_full() == Some(true)
    }

    #[test]
    fn a_seed_fixes_every_reading_and_another_seed_gives_others() {
        let readings = network(two_days(7)).readings();
        assert_eq!(network(two_days(7)).readings(), readings);
        assert_ne!(network(two_days(8)).readings(), readings);
    }

    #[test]
    fn more_stations_and_a_longer_run_leave_what_there_was() {
        let readings = network(two_days(3)).readings();
        let longer = SimulationConfig { duration: TimeDelta::days(3), ..two_days(3) };
        assert!(network(longer).readings().starts_with(&readings));
        let more = network(SimulationConfig { stations: 30, ..two_days(3) });
        let known: BTreeSet<_> = more.stations()[..20].iter().map(|station| station.code.clone()).collect();
        let mut of_more = more.readings();
        of_more.retain(|reading| known.contains(&reading.station_code));
        assert_eq!(of_more, readings);
    }

    #[test]
    fn docks_bikes_and_broken_docks_make_the_capacity_and_reports_go_forward() {
        let network = network(SimulationConfig::default());
        let stations: HashMap<_, _> =
            network.stations().iter().map(|station| (station.code.clone(), station.clone())).collect();
        assert!(stations.values().any(|station| station.broken_docks > 0));
        let (mut last, mut repeats, mut closed) = (HashMap::new(), 0u32, 0u32);
        let readings = network.readings();
        assert_eq!(readings.len(), 60 * 14 * 288);
        for reading in &readings {
            let station = &stations[&reading.station_code];
            let (bikes, docks) = (reading.bikes_available.unwrap(), reading.docks_available.unwrap());
            assert_eq!(reading.mechanical.unwrap() + reading.ebike.unwrap(), bikes);
            assert!(bikes <= station.working_docks());
            assert_eq!(reading.is_open(), station.closure(reading.last_reported).is_none());
            if reading.is_open() {
                assert_eq!(bikes + docks + station.broken_docks, reading.capacity.unwrap());
            } else {
                assert!(reading.is_closed() && docks == 0 && !is_full(reading));
                closed += 1;
            }
            match last.insert(&reading.station_code, reading) {
                Some(before) if before.last_reported == reading.last_reported => {
                    repeats += 1;
                    assert_eq!(&StationStatus { fetched_at: before.fetched_at, ..reading.clone() }, before);
                }
                before => {
                    assert!(before.is_none_or(|before| before.last_reported < reading.last_reported));
                    assert!((LAG.0..=LAG.1).contains(&reading.lag().num_seconds()), "{}", reading.lag());
                }
            }
        }
        assert!(closed > 0);
        let repeats = f64::from(repeats) / readings.len() as f64;
        assert!((0.02..0.04).contains(&repeats), "{repeats}");
    }

    #[test]
    fn station_16107_is_full_for_a_while_on_most_days_and_the_network_is_a_mix() {
        for seed in 1..=5 {
            let readings = network(SimulationConfig { seed, ..SimulationConfig::default() }).readings();
            let full = share(&readings, is_full);
            assert!((0.02..0.06).contains(&full), "seed {seed}: {full} of the network");

            let godard = || readings.iter().filter(|reading| reading.station_code.as_str() == "16107");
            let full = share(godard(), is_full);
            assert!((0.02..0.08).contains(&full), "seed {seed}: {full} of 16107");
            let days: BTreeSet<_> =
                godard().filter(|reading| is_full(reading)).map(|reading| reading.last_reported.date_naive()).collect();
            assert!(days.len() >= 8, "seed {seed}: {days:?}");

            let ever = |rule: fn(&StationStatus) -> bool| {
                let those = readings.iter().filter(|reading| rule(reading)).map(|reading| &reading.station_code);
                those.collect::<BTreeSet<_>>().len()
            };
            assert!((20..58).contains(&ever(is_full)) && ever(|reading| reading.is_empty() == Some(true)) > 10);
        }
    }

    #[test]
    fn stations_are_spread_over_the_arrondissements_and_some_suburbs() {
        let network = network(SimulationConfig { stations: town::MOST_STATIONS, ..SimulationConfig::default() });
        let codes: BTreeSet<_> = network.stations().iter().map(|station| &station.code).collect();
        assert_eq!(codes.len(), town::MOST_STATIONS);
        for station in network.stations() {
            let area: u32 = station.code.as_str().parse::<u32>().unwrap() / 1000;
            assert_eq!((1..=20).contains(&area), &*station.commune == "Paris", "{station:?}");
            assert!((48.7..49.0).contains(&station.lat) && (2.2..2.5).contains(&station.lon), "{station:?}");
            assert!(station.bikes_at_start <= station.working_docks(), "{station:?}");
            assert_eq!(SimulatedNetwork::is_invented(&station.name), station.code.as_str() != "16107");
        }
        assert!(!SimulatedNetwork::is_invented("Alouettes - Maréchal de Lattre de Tassigny"));
        let communes: BTreeSet<_> = network.stations()[..60].iter().map(|station| &*station.commune).collect();
        assert_eq!(communes.len(), 6);
        let first = &network.stations()[0];
        assert_eq!((first.code.as_str(), &*first.name), ("16107", "Benjamin Godard - Victor Hugo"));
        assert_eq!((first.capacity, first.lat, first.lon), (35, 48.865983, 2.275725));
    }

    #[test]
    fn as_a_source_it_brings_every_station_at_every_step_until_its_end() {
        let config = SimulationConfig { duration: TimeDelta::minutes(12), stations: 3, ..SimulationConfig::default() };
        let (start, mut source) = (config.start, network(config.clone()));
        assert_eq!(start.to_rfc3339(), "2024-03-04T00:00:00+00:00");
        let mut readings = Vec::new();
        for minutes in [0, 5, 10] {
            let due = start + TimeDelta::minutes(minutes);
            assert_eq!(source.next_due(), Some(due));
            let snapshot = source.poll().unwrap().unwrap();
            assert_eq!((snapshot.fetched_at, snapshot.counted, snapshot.is_complete()), (due, Some(3), true));
            assert!(snapshot.readings.iter().all(|reading| reading.fetched_at == due));
            readings.extend(snapshot.readings);
        }
        assert_eq!((source.next_due(), source.poll()), (None, Ok(None)));
        assert_eq!(network(config.clone()).readings(), readings);
        let once = SimulationConfig { step: TimeDelta::MAX, ..config };
        assert_eq!(network(once).readings(), &readings[..3]);
    }

    #[test]
    fn it_says_what_it_is() {
        let default = SimulationConfig::default();
        assert_eq!(
            network(default.clone()).describe(),
            "the simulated network (60 stations, seed 1, every 5 min for 14 days)"
        );
        let other = SimulationConfig {
            seed: 9,
            stations: 1,
            step: TimeDelta::seconds(90),
            duration: TimeDelta::hours(36),
            ..default
        };
        assert_eq!(network(other).describe(), "the simulated network (1 station, seed 9, every 90 s for 36 h)");
    }

    #[test]
    fn a_poll_more_often_than_stations_report_repeats_their_readings() {
        let config = SimulationConfig { step: TimeDelta::seconds(1), duration: TimeDelta::minutes(5), ..two_days(1) };
        let readings = network(config).readings();
        let keys: BTreeSet<_> = readings.iter().map(StationStatus::key).collect();
        assert!(keys.len() < readings.len() / 10 && keys.len() > 20, "{} of {}", keys.len(), readings.len());
    }

    #[test]
    fn settings_that_cannot_be_right_are_errors_before_anything_runs() {
        let default = SimulationConfig::default;
        for (config, message) in [
            (SimulationConfig { stations: 0, ..default() }, "cannot have 0 stations; ask for 1 to 2000"),
            (SimulationConfig { stations: 2001, ..default() }, "cannot have 2001 stations; ask for 1 to 2000"),
            (
                SimulationConfig { step: TimeDelta::zero(), ..default() },
                "must be polled at a step of at least a second",
            ),
            (SimulationConfig { duration: TimeDelta::days(-1), ..default() }, "must run for longer than no time"),
            (SimulationConfig { duration: TimeDelta::MAX, ..default() }, "must run between the years 1970 and 2169"),
            (
                SimulationConfig { start: DateTime::<Utc>::MIN_UTC, ..default() },
                "must run between the years 1970 and 2169",
            ),
        ] {
            let error = SimulatedNetwork::new(config).unwrap_err();
            assert_eq!((error.to_string(), error.exit_code()), (format!("the simulated network {message}"), 2));
        }
    }
}
