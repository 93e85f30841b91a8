//! The statistics by loops over the readings, written from the definitions and the rules of the reading alone: what the tests
//! hold the engines to.

use std::collections::{BTreeMap, BTreeSet};

use super::over_time::{
    BikeTurnover, HowOften, HowOftenEmpty, Observed, Spells, StationOverTime, TimeMean, TimeShare, ZoneOverTime,
};
use super::profile::WeekProfile;
use super::statistics::{Share, SometimesEmpty, StationStatistics, Statistics, Summary, ZoneStatistics};
use super::table::TableSettings;
use crate::station::{StationCode, StationStatus};
use crate::streaming::Station;

/// The statistics of the readings.
pub(super) fn naive(readings: &[StationStatus], settings: &TableSettings) -> Statistics {
    let gap = settings.max_gap.as_millis() as i64;
    let stations: Vec<_> = grouped(readings, |reading| Some(&reading.station_code))
        .iter()
        .map(|(code, readings)| station(code, readings, gap))
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
        groups.iter().map(|(name, own)| zone(name, own, readings, gap)).collect()
    };
    let of_stations = grouped(readings, |reading| Some(&reading.station_code));
    let all: Vec<&[&StationStatus]> = of_stations.values().map(Vec::as_slice).collect();
    let held = all.iter().flat_map(|own| own.iter().map(|reading| held(reading, own, gap))).sum();
    let how_often = |often| stations.iter().filter(|station| station.over_time.how_often_empty == often).count() as u64;
    let by_division = |reading: &StationStatus| settings.zones.as_ref()?.zone_of(&Station::of(reading));
    Statistics {
        readings: readings.len() as u64,
        open: readings.iter().filter(|reading| reading.is_open()).count() as u64,
        closed: readings.iter().filter(|reading| reading.is_closed()).count() as u64,
        without_commune: readings.iter().filter(|reading| reading.commune.is_none()).count() as u64,
        max_gap_seconds: seconds(gap),
        observed: observed(held, all.len() as i64 * span(readings.iter())),
        how_often_empty: HowOftenEmpty {
            never: how_often(Some(HowOften::Never)),
            sometimes: how_often(Some(HowOften::Sometimes)),
            often: how_often(Some(HowOften::Often)),
            unknown: how_often(None),
        },
        profile: profile(&all, gap),
        sometimes_empty: sometimes_empty.collect(),
        stations,
        communes: zones(grouped(readings, |reading| reading.commune.as_deref().map(str::to_owned))),
        arrondissements: zones(grouped(readings, arrondissement)),
        zones: zones(grouped(readings, by_division)),
    }
}

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

fn station(code: &StationCode, readings: &[&StationStatus], gap: i64) -> StationStatistics {
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
        over_time: over_time(readings, gap),
        profile: profile(&[readings], gap),
    }
}

pub(super) fn zone(name: &str, readings: &[&StationStatus], all: &[StationStatus], gap: i64) -> ZoneStatistics {
    let open = || readings.iter().filter(|reading| reading.is_open());
    let pairs: Vec<(u32, u32)> =
        open().filter_map(|reading| Some((reading.bikes_available?, reading.capacity?))).collect();
    let (bikes, capacity) = pairs.iter().fold((0, 0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let stations = readings.iter().map(|reading| &reading.station_code).collect::<BTreeSet<_>>().len() as u64;
    let own = |code: &StationCode| all.iter().filter(|reading| reading.station_code == *code).collect::<Vec<_>>();
    // A station's readings may be in several zones: which is the next is asked of all of them.
    let held: Vec<i64> = readings.iter().map(|reading| held(reading, &own(&reading.station_code), gap)).collect();
    let weigh = |value: &dyn Fn(&StationStatus) -> Option<u32>| {
        let known = readings.iter().zip(&held).filter_map(|(reading, held)| Some((value(reading)?, *held)));
        known.fold((0, 0), |sum, (value, held)| (sum.0 + i64::from(value) * held, sum.1 + held))
    };
    let docks_held = weigh(&|reading| reading.docks_available.filter(|_| reading.is_open()));
    let bikes_held = weigh(&|reading| reading.bikes_available.filter(|_| reading.is_open()));
    let with_bikes = |reading: &StationStatus| reading.is_open() && reading.bikes_available.is_some();
    let capacity_held = weigh(&|reading| reading.capacity.filter(|_| with_bikes(reading)));
    ZoneStatistics {
        zone: name.to_owned(),
        stations,
        readings: readings.len() as u64,
        open: open().count() as u64,
        free_docks: summary(open().map(|reading| reading.docks_available)),
        occupancy: (!pairs.is_empty()).then(|| f64::from(bikes) / f64::from(capacity)),
        occupancy_count: pairs.len() as u64,
        over_time: ZoneOverTime {
            observed: observed(held.iter().sum(), stations as i64 * span(all.iter())),
            free_docks: TimeMean { known_seconds: seconds(docks_held.1), mean: divided(docks_held.0, docks_held.1) },
            occupancy: TimeMean { known_seconds: seconds(bikes_held.1), mean: divided(bikes_held.0, capacity_held.0) },
        },
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

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn divided(numerator: i64, denominator: i64) -> Option<f64> {
    (denominator != 0).then(|| numerator as f64 / denominator as f64)
}

fn observed(held: i64, span: i64) -> Observed {
    Observed { seconds: seconds(held), span_seconds: seconds(span), share: divided(held, span) }
}

fn due(reading: &StationStatus) -> i64 {
    reading.last_reported.timestamp_millis()
}

/// From the first event time to the last.
fn span<'a>(readings: impl Iterator<Item = &'a StationStatus>) -> i64 {
    let times: Vec<i64> = readings.map(due).collect();
    times.iter().max().unwrap_or(&0) - times.iter().min().unwrap_or(&0)
}

/// Whether a reading stands on the time axis: no other of its station and time was fetched later, or stands after it.
fn stands(reading: &StationStatus, own: &[&StationStatus]) -> bool {
    let place = own.iter().position(|other| std::ptr::eq(*other, reading)).unwrap();
    let beats = |(index, other): (usize, &&StationStatus)| {
        due(other) == due(reading) && (other.fetched_at, index) > (reading.fetched_at, place)
    };
    !own.iter().enumerate().any(beats)
}

/// For how long a reading holds among those of its station: every other one is looked at.
fn held(reading: &StationStatus, own: &[&StationStatus], gap: i64) -> i64 {
    let later = own.iter().map(|other| due(other)).filter(|&other| other > due(reading));
    later.min().filter(|_| stands(reading, own)).map_or(0, |next| gap.min(next - due(reading)))
}

/// The reading on the time axis that comes before another, of those that are looked at.
fn before<'a>(
    reading: &StationStatus,
    own: &[&'a StationStatus],
    counts: impl Fn(&StationStatus) -> bool,
) -> Option<&'a StationStatus> {
    let earlier = own.iter().filter(|other| due(other) < due(reading) && stands(other, own) && counts(other));
    earlier.max_by_key(|other| due(other)).copied()
}

fn over_time(own: &[&StationStatus], gap: i64) -> StationOverTime {
    let mean = |value: &dyn Fn(&StationStatus) -> Option<u32>| {
        let known = own.iter().filter(|reading| reading.is_open() && value(reading).is_some());
        let (sum, time) = known.fold((0, 0), |(sum, time), reading| {
            let held = held(reading, own, gap);
            (sum + i64::from(value(reading).unwrap()) * held, time + held)
        });
        TimeMean { known_seconds: seconds(time), mean: divided(sum, time) }
    };
    let share = |answer: &dyn Fn(&StationStatus) -> Option<bool>| {
        let time = |wanted: &dyn Fn(Option<bool>) -> bool| {
            own.iter().filter(|reading| wanted(answer(reading))).map(|reading| held(reading, own, gap)).sum::<i64>()
        };
        let (so, known) = (time(&|answer| answer == Some(true)), time(&|answer| answer.is_some()));
        TimeShare { seconds: seconds(so), known_seconds: seconds(known), share: divided(so, known) }
    };
    // Each spell from its beginning on, reading by reading.
    let spells = |is_so: &dyn Fn(&StationStatus) -> Option<bool>| {
        let so: Vec<_> = own.iter().filter(|reading| stands(reading, own) && is_so(reading) == Some(true)).collect();
        let goes_on = |reading: &StationStatus| {
            let earlier = before(reading, own, |_| true);
            earlier.filter(|earlier| is_so(earlier) == Some(true) && due(reading) - due(earlier) <= gap)
        };
        let length = |begin: &StationStatus| {
            let of_it = so.iter().filter(|reading| {
                let mut first: &StationStatus = reading;
                while let Some(earlier) = goes_on(first) {
                    first = earlier;
                }
                std::ptr::eq(first, begin)
            });
            of_it.map(|reading| held(reading, own, gap)).sum::<i64>()
        };
        let lengths: Vec<i64> =
            so.iter().filter(|reading| goes_on(reading).is_none()).map(|begin| length(begin)).collect();
        Spells { number: lengths.len() as u64, longest_seconds: lengths.iter().max().map(|&longest| seconds(longest)) }
    };
    let says_bikes = |reading: &StationStatus| reading.is_open() && reading.bikes_available.is_some();
    let moved = own.iter().filter(|reading| stands(reading, own) && says_bikes(reading)).map(|reading| {
        let earlier = before(reading, own, says_bikes).filter(|earlier| due(reading) - due(earlier) <= gap);
        let had = |earlier: &StationStatus| earlier.bikes_available.unwrap();
        earlier.map_or(0, |earlier| had(reading).abs_diff(had(earlier)))
    });
    let moved = moved.map(u64::from).sum::<u64>();
    let time: i64 = own.iter().map(|reading| held(reading, own, gap)).sum();
    let empty = share(&StationStatus::is_empty);
    StationOverTime {
        observed: observed(time, span(own.iter().copied())),
        free_docks: mean(&|reading| reading.docks_available),
        mechanical: mean(&|reading| reading.mechanical),
        ebike: mean(&|reading| reading.ebike),
        full: share(&StationStatus::is_full),
        empty,
        closed: share(&|reading| reading.usable().map(|usable| !usable)),
        full_spells: spells(&StationStatus::is_full),
        empty_spells: spells(&StationStatus::is_empty),
        turnover: BikeTurnover { bikes: moved, per_hour: divided(3_600_000 * moved as i64, time) },
        how_often_empty: empty.share.map(|share| match share {
            0.0 => HowOften::Never,
            share if share < 0.1 => HowOften::Sometimes,
            _ => HowOften::Often,
        }),
    }
}

/// The week by going through all that is held minute by minute: times here are whole minutes, in Paris in summer.
fn profile(stations: &[&[&StationStatus]], gap: i64) -> WeekProfile {
    let mut sums = vec![(0, 0, 0); 168];
    for own in stations {
        for reading in own.iter().filter(|reading| reading.is_open()) {
            let Some(bikes) = reading.bikes_available else { continue };
            for minute in (due(reading)..due(reading) + held(reading, own, gap)).step_by(60_000) {
                // The first of January 1970 was a Thursday.
                let hour = (minute / 3_600_000 + 2 + 72) % 168;
                let (minutes, all_bikes, docks): &mut (i64, i64, i64) = &mut sums[hour as usize];
                *minutes += 1;
                *all_bikes += i64::from(bikes);
                *docks += i64::from(reading.capacity.unwrap());
            }
        }
    }
    WeekProfile {
        occupancy: sums.iter().map(|&(_, bikes, docks)| divided(60_000 * bikes, 60_000 * docks)).collect(),
        known_seconds: sums.iter().map(|&(minutes, ..)| 60.0 * minutes as f64).collect(),
    }
}
