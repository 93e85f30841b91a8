//! The chain of one station, simulated exactly: waiting times are exponential, and where the hour ends before the next
//! event, the wait starts anew at the new rates, which changes nothing because such a wait has no memory.

use chrono::{DateTime, Utc};
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::station::{Rates, SimulatedStation, full_hour, start_of};

/// The share of the bikes that are returned electric.
pub(super) const ELECTRIC_SHARE: f64 = 0.4;

/// How many bikes a station holds, and when that changes next.
///
/// Its path does not depend on the times at which it is looked at.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    random: Xoshiro256PlusPlus,
    docks: u32,
    bikes: u32,
    ebikes: u32,
    /// The full hour that `rates` are of.
    hour: i64,
    rates: Rates,
    /// When the next bike comes or goes, in seconds since 1970; infinite if none does at these rates.
    next: f64,
}

impl Chain {
    pub(super) fn new(station: &SimulatedStation, start: DateTime<Utc>, random: Xoshiro256PlusPlus) -> Self {
        let docks = station.working_docks();
        let bikes = station.bikes_at_start.min(docks);
        let ebikes = (f64::from(bikes) * ELECTRIC_SHARE).round() as u32;
        let (hour, rates) = (full_hour(start), station.rates(start));
        let mut chain = Self { random, docks, bikes, ebikes, hour, rates, next: 0.0 };
        chain.wait(seconds(start));
        chain
    }

    /// Lets everything happen that happens until `to`. A time before the last one changes nothing.
    pub(super) fn advance(&mut self, station: &SimulatedStation, to: DateTime<Utc>) {
        let to = seconds(to);
        loop {
            let end = seconds(start_of(self.hour + 1));
            if self.next <= to.min(end) {
                self.step();
                self.wait(self.next);
            } else if end < to {
                self.hour += 1;
                self.rates = station.rates(start_of(self.hour));
                self.wait(end);
            } else {
                return;
            }
        }
    }

    pub(super) fn bikes(&self) -> u32 {
        self.bikes
    }

    pub(super) fn ebikes(&self) -> u32 {
        self.ebikes
    }

    /// The rates of the steps up and down that are possible from here.
    fn possible(&self) -> (f64, f64) {
        let up = if self.bikes < self.docks { self.rates.returns_per_hour } else { 0.0 };
        let down = if self.bikes > 0 { self.rates.rentals_per_hour } else { 0.0 };
        (up, down)
    }

    /// Draws when the next bike comes or goes, seen from `now`.
    fn wait(&mut self, now: f64) {
        let (up, down) = self.possible();
        // 1 - u lies above 0, so its logarithm is finite; at a rate of zero the wait is infinite.
        let exponential = -(1.0 - self.random.random::<f64>()).ln();
        self.next = if up + down > 0.0 { now + exponential / (up + down) * 3600.0 } else { f64::INFINITY };
    }

    /// One bike comes or goes.
    fn step(&mut self) {
        let (up, down) = self.possible();
        let (direction, kind): (f64, f64) = (self.random.random(), self.random.random());
        if direction * (up + down) < up {
            self.bikes += 1;
            self.ebikes += u32::from(kind < ELECTRIC_SHARE);
        } else {
            self.ebikes -= u32::from(kind * f64::from(self.bikes) < f64::from(self.ebikes));
            self.bikes -= 1;
        }
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Closure, Profile};
    use crate::station::StationCode;
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn station(capacity: u32, bikes_at_start: u32, returns_per_hour: f64, rentals_per_hour: f64) -> SimulatedStation {
        SimulatedStation {
            code: StationCode::new("1").unwrap(),
            name: "".into(),
            commune: "".into(),
            lat: 0.0,
            lon: 0.0,
            profile: Profile::Commuter,
            capacity,
            broken_docks: 0,
            bikes_at_start,
            returns_per_hour,
            rentals_per_hour,
            closures: Vec::new(),
        }
    }

    /// Half past eight on a Monday in Paris.
    fn monday() -> DateTime<Utc> {
        "2024-03-04T07:30:00Z".parse().unwrap()
    }

    fn random(seed: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(seed)
    }

    /// What Kolmogorov's forward equation says of the number of bikes after these minutes, in steps of a second.
    fn exact(station: &SimulatedStation, minutes: i64) -> Vec<f64> {
        let docks = station.working_docks() as usize;
        let mut p = vec![0.0; docks + 1];
        p[station.bikes_at_start as usize] = 1.0;
        for second in 0..minutes * 60 {
            let rates = station.rates(monday() + TimeDelta::seconds(second));
            let (up, down) = (rates.returns_per_hour / 3600.0, rates.rentals_per_hour / 3600.0);
            let before = p.clone();
            for n in 0..=docks {
                let comes = if n > 0 { before[n - 1] * up } else { 0.0 };
                let goes = if n < docks { before[n + 1] * down } else { 0.0 };
                let leaves = if n < docks { up } else { 0.0 } + if n > 0 { down } else { 0.0 };
                p[n] += comes + goes - before[n] * leaves;
            }
        }
        p
    }

    #[test]
    fn the_number_of_bikes_is_distributed_as_the_rates_say_at_every_horizon() {
        // Across two full hours, with rates high enough to touch both ends.
        let mut station = station(5, 2, 2.5, 3.5);
        let runs = 20_000u32;
        for (closed, minutes) in [(false, 20), (false, 45), (false, 100), (true, 100)] {
            let hour = |hour| start_of(full_hour(monday()) + hour);
            station.closures =
                if closed { vec![Closure { from: hour(1), until: hour(2), installed: true }] } else { vec![] };
            let mut seen = [0u32; 6];
            for run in 0..runs {
                let mut chain = Chain::new(&station, monday(), random(u64::from(run)));
                chain.advance(&station, monday() + TimeDelta::minutes(minutes));
                seen[chain.bikes() as usize] += 1;
            }
            for (bikes, p) in exact(&station, minutes).into_iter().enumerate() {
                let deviation = (p * (1.0 - p) / f64::from(runs)).sqrt();
                let share = f64::from(seen[bikes]) / f64::from(runs);
                // 0.001 for the steps of the equation.
                assert!((share - p).abs() < 4.5 * deviation + 0.001, "{minutes} min, {bikes} bikes: {share} for {p}");
            }
        }
    }

    #[test]
    fn returns_and_rentals_come_as_often_as_their_rates_say() {
        for (returns, rentals, at_start) in [(6.0, 0.0, 0), (0.0, 6.0, 5000)] {
            let station = station(5000, at_start, returns, rentals);
            let mut chain = Chain::new(&station, monday(), random(7));
            chain.advance(&station, monday() + TimeDelta::days(28));
            let (trips, mean) = (f64::from(chain.bikes().abs_diff(at_start)), 6.0 * 24.0 * 28.0);
            assert!((trips - mean).abs() < 5.0 * f64::sqrt(mean), "{trips} for {mean}");
            let electric = f64::from(chain.ebikes()) / f64::from(chain.bikes());
            assert!((electric - ELECTRIC_SHARE).abs() < 0.05, "{electric}");
        }
    }

    proptest! {
        #[test]
        fn its_path_does_not_depend_on_when_it_is_looked_at(
            seed: u64, docks in 0..20u32, bikes in 0..30u32, looks in prop::collection::vec(0..200_000i64, 0..20)
        ) {
            let station = station(docks, bikes, 3.0, 3.0);
            let end = monday() + TimeDelta::seconds(200_000);
            let mut often = Chain::new(&station, monday(), random(seed));
            let mut once = often.clone();
            for look in looks {
                often.advance(&station, monday() + TimeDelta::seconds(look));
                prop_assert!(often.bikes() <= docks && often.ebikes() <= often.bikes());
            }
            often.advance(&station, end);
            once.advance(&station, end);
            prop_assert_eq!((often.bikes(), often.ebikes(), often.next), (once.bikes(), once.ebikes(), once.next));
        }
    }
}
