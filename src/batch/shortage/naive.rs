//! The shortages by a look at each minute, written from the definitions alone: what the code is held to.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use chrono_tz::Europe::Paris;
use proptest::prelude::*;

use super::*;
use crate::batch::testing::{at, readings_with_gaps};

type Week = Vec<f64>;

/// Degrees of latitude north of 48.85 of each station; the last has no place.
const PLACES: [(&str, Option<f64>); 6] = [
    ("1001", Some(0.0)),
    ("9020", Some(0.001)),
    ("16107", Some(0.0023)),
    ("20117", Some(0.0029)),
    ("42", Some(0.0061)),
    ("31024_relais", None),
];

struct Station {
    readings: Vec<StationStatus>,
    /// The others by distance.
    near: Vec<&'static str>,
}

fn stations(readings: &[StationStatus]) -> BTreeMap<&'static str, Station> {
    let mut stations = BTreeMap::new();
    for (code, place) in PLACES {
        let own: Vec<_> = readings.iter().filter(|reading| reading.station_code.as_str() == code).cloned().collect();
        let mut by_time: BTreeMap<DateTime<Utc>, StationStatus> = BTreeMap::new();
        for reading in own {
            let kept = by_time.entry(reading.last_reported).or_insert_with(|| reading.clone());
            if reading.fetched_at >= kept.fetched_at {
                *kept = reading;
            }
        }
        if !by_time.values().any(StationStatus::is_open) {
            continue;
        }
        let metres = |other: Option<f64>| Some((other? - place?).abs() * 6_371_008.8 * std::f64::consts::PI / 180.0);
        let mut near: Vec<_> = PLACES
            .iter()
            .filter(|other| other.0 != code)
            .filter_map(|other| Some((metres(other.1).filter(|&metres| metres <= 300.0)?, other.0)))
            .collect();
        near.sort_by(|a, b| a.0.total_cmp(&b.0));
        let near = near.into_iter().map(|(_, other)| other).collect();
        stations.insert(code, Station { readings: by_time.into_values().collect(), near });
    }
    stations
}

impl Station {
    fn at(&self, time: DateTime<Utc>, gap: TimeDelta) -> Option<&StationStatus> {
        let after = self.readings.iter().position(|reading| reading.last_reported > time)?;
        let holding = &self.readings[after.checked_sub(1)?];
        (time - holding.last_reported < gap).then_some(holding)
    }
}

fn week_hour(time: DateTime<Utc>) -> usize {
    let local = time.with_timezone(&Paris);
    (24 * local.weekday().num_days_from_monday() + local.hour()) as usize
}

fn rents(reading: &StationStatus) -> bool {
    reading.is_installed == Some(true) && reading.is_renting == Some(true)
}

fn is_short(bikes: bool, reading: &StationStatus) -> Option<bool> {
    if bikes { reading.is_empty() } else { reading.is_full() }
}

fn has(bikes: bool, reading: &StationStatus) -> bool {
    match bikes {
        true => rents(reading) && reading.bikes_available > Some(0),
        false => reading.is_open() && reading.docks_available > Some(0),
    }
}

/// Known, short, answered and seen hours, and bikes moved, by hour of the week.
fn weeks(
    all: &BTreeMap<&'static str, Station>,
    minutes: &[DateTime<Utc>],
    gap: TimeDelta,
    bikes: bool,
) -> BTreeMap<&'static str, [Week; 5]> {
    let of = |station: &Station| {
        let mut weeks = [(); 5].map(|()| vec![0.0; 168]);
        for &time in minutes {
            let (hour, minute) = (week_hour(time), 1.0 / 60.0);
            if let Some(reading) = station.at(time, gap) {
                // A closed station with bikes has none to be had, and is not empty.
                let short = is_short(bikes, reading) == Some(true);
                weeks[0][hour] += if short || has(bikes, reading) { minute } else { 0.0 };
                if short {
                    weeks[1][hour] += minute;
                    let answered = station
                        .near
                        .iter()
                        .filter_map(|other| all.get(other)?.at(time, gap))
                        .any(|other| has(bikes, other));
                    weeks[2][hour] += if answered { minute } else { 0.0 };
                }
            }
            let Some(after) =
                station.readings.iter().position(|reading| reading.last_reported > time).filter(|&after| after > 0)
            else {
                continue;
            };
            let (before, after) = (&station.readings[after - 1], &station.readings[after]);
            let length = after.last_reported - before.last_reported;
            let goes_on = if bikes { rents(after) } else { after.is_open() };
            let (Some(had), Some(now)) = (before.bikes_available, after.bikes_available) else { continue };
            if length <= gap && has(bikes, before) && goes_on {
                let change = if bikes { i64::from(had) - i64::from(now) } else { i64::from(now) - i64::from(had) };
                weeks[3][hour] += minute;
                weeks[4][hour] += change.max(0) as f64 / length.num_minutes() as f64;
            }
        }
        weeks
    };
    all.iter().map(|(&code, station)| (code, of(station))).collect()
}

fn rates(weeks: &BTreeMap<&'static str, [Week; 5]>) -> Option<BTreeMap<&'static str, Week>> {
    let c = |seen: f64, expected: f64| (seen + 4.0) / (expected + 4.0);
    let sum = |of: usize, hour: usize| weeks.values().map(|week| week[of][hour]).sum::<f64>();
    let (seen, moved): (f64, f64) = ((0..168).map(|hour| sum(3, hour)).sum(), (0..168).map(|hour| sum(4, hour)).sum());
    if seen <= 0.0 {
        return None;
    }
    let mean = moved / seen;
    let mut usual: Week = vec![mean; 168];
    for reach in [3, 1, 0] {
        let near = |of: usize, hour: i64| {
            (hour - reach..=hour + reach).map(|near| sum(of, near.rem_euclid(168) as usize)).sum::<f64>()
        };
        usual = (0..168i64)
            .map(|hour| usual[hour as usize] * c(near(4, hour), usual[hour as usize] * near(3, hour)))
            .collect();
    }
    let of = |week: &[Week; 5]| -> Week {
        let level = c(week[4].iter().sum(), (0..168).map(|hour| usual[hour] * week[3][hour]).sum());
        (0..168).map(|hour| level * usual[hour] * c(week[4][hour], level * usual[hour] * week[3][hour])).collect()
    };
    Some(weeks.iter().map(|(&code, week)| (code, of(week))).collect())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

fn all_close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => close(a, b),
        (a, b) => a == b,
    }
}

fn placed(readings: Vec<StationStatus>) -> Vec<StationStatus> {
    let place = |mut reading: StationStatus| {
        let north =
            PLACES.iter().find(|(code, _)| *code == reading.station_code.as_str()).and_then(|(_, north)| *north);
        (reading.lat, reading.lon) = (north.map(|north| 48.85 + north), north.map(|_| 2.35));
        reading
    };
    readings.into_iter().map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn shortages_and_moves_are_those_of_each_minute(
        readings in readings_with_gaps().prop_map(placed),
        gap in prop::sample::select(vec![5, 60, 120, 900i64]),
    ) {
        let result = shortages(&readings, Duration::from_secs(60 * gap as u64));
        let (all, gap) = (stations(&readings), TimeDelta::minutes(gap));
        let Ok(result) = result else {
            prop_assert!(all.is_empty());
            return Ok(());
        };
        let minutes: Vec<_> = (-1..60 * 45).map(|minute| at(60 * minute)).collect();
        let by_kind = [true, false].map(|bikes| weeks(&all, &minutes, gap, bikes));
        let expected = by_kind.each_ref().map(rates);
        prop_assert_eq!(result.by_station.len(), all.len());
        for station in &result.by_station {
            let code = station.station.code.as_str();
            for ((lack, weeks), rates) in [station.bikes, station.docks].iter().zip(&by_kind).zip(&expected) {
                let week = &weeks[code];
                let sums = week.each_ref().map(|week| week.iter().sum::<f64>());
                let said = [lack.known_hours, lack.hours, lack.answered_hours, lack.seen_hours, lack.seen];
                prop_assert!(sums.iter().zip(said).all(|(a, b)| close(*a, b)), "{code} {sums:?} {said:?}");
                let price = |of: usize| rates.as_ref().filter(|_| sums[0] > 0.0).map(|rates| (0..168).map(|hour| week[of][hour] * rates[code][hour]).sum::<f64>());
                prop_assert!(all_close(lack.missed, price(1)) && all_close(lack.missed_answered, price(2)), "{code} {lack:?}");
                prop_assert!(all_close(lack.expected, price(0)), "{code} {lack:?}");
            }
        }
        let of_all = |of: fn(&Lack) -> Option<f64>| expected[0].as_ref().map(|_| result.by_station.iter().filter_map(|station| of(&station.bikes)).sum::<f64>());
        prop_assert!(all_close(result.bikes.missed, of_all(|lack| lack.missed)));
        prop_assert!(close(result.bikes.hours, result.by_station.iter().map(|station| station.bikes.hours).sum()));

        for (shares, (weeks, rates)) in [&result.bikes_by_hour, &result.docks_by_hour].into_iter().zip(by_kind.iter().zip(&expected)) {
            for (hour, share) in shares.iter().enumerate() {
                let riders = |of: usize| all.keys().filter_map(|code| Some(weeks[code][of][hour] * rates.as_ref()?[code][hour])).sum::<f64>();
                prop_assert!(all_close(*share, (riders(0) > 0.0).then(|| riders(1) / riders(0))), "{hour} {share:?}");
            }
        }

        let mut moves: BTreeMap<(&str, &str), (f64, Week)> = BTreeMap::new();
        for &time in &minutes {
            for (to, station) in &all {
                let is_empty = station.at(time, gap).is_some_and(|reading| reading.is_empty() == Some(true));
                let gives = |other: &&&str| {
                    let reading = all.get(**other).and_then(|other| other.at(time, gap));
                    reading.is_some_and(|reading| rents(reading) && reading.capacity > Some(0)
                        && reading.bikes_available.zip(reading.capacity).is_some_and(|(bikes, docks)| 2 * bikes >= docks))
                };
                let Some(from) = station.near.iter().find(gives).filter(|_| is_empty) else { continue };
                let (hours, by_hour) = moves.entry((from, to)).or_insert((0.0, vec![0.0; 24]));
                *hours += 1.0 / 60.0;
                by_hour[week_hour(time) % 24] += expected[0].as_ref().map_or(0.0, |rates| rates[to][week_hour(time)] / 60.0);
            }
        }
        // Where nobody came in vain there is nothing to move.
        moves.retain(|_, (_, by_hour)| by_hour.iter().sum::<f64>() > 0.0);
        prop_assert_eq!((result.moves.pairs, result.moves.top.len()), (moves.len() as u64, moves.len().min(10)));
        prop_assert!(close(result.moves.missed, moves.values().flat_map(|(_, by_hour)| by_hour).sum()));
        for told in &result.moves.top {
            let (hours, by_hour) = &moves[&(told.from.code.as_str(), told.to.code.as_str())];
            prop_assert!(close(told.hours, *hours) && told.by_hour.iter().zip(by_hour).all(|(a, b)| close(*a, *b)));
            prop_assert!(told.when_missed * 2.0 >= told.missed * 0.999_999);
        }
    }

    #[test]
    fn docks_and_kinds_are_those_of_each_minute(readings in readings_with_gaps().prop_map(placed)) {
        let Ok(result) = shortages(&readings, Duration::from_secs(7200)) else { return Ok(()) };
        let (all, gap) = (stations(&readings), TimeDelta::minutes(120));
        let (mut docks, mut capacity) = (BTreeMap::new(), 0);
        // Minutes known, minutes with neither; of electric and mechanical: minutes without, bikes times minutes.
        let (mut known, mut neither, mut without, mut bikes) = (0, 0, [0, 0], [0.0, 0.0]);
        // In the minutes between two readings that show a move if there is one: bikes that moved, bikes times minutes.
        let (mut watched, mut moved, mut stood) = (0, [0.0, 0.0], [0.0, 0.0]);
        for (code, station) in &all {
            let mut missing = Vec::new();
            for time in (-1..60 * 45).map(|minute| at(60 * minute)) {
                let kinds = |reading: &StationStatus| Some([reading.ebike?, reading.mechanical?]).filter(|_| reading.is_open());
                let next = station.readings.iter().position(|reading| reading.last_reported > time);
                let pair = next.filter(|&next| next > 0).map(|next| (&station.readings[next - 1], &station.readings[next]));
                let pair = pair.map(|(before, after)| (kinds(before), kinds(after), after.last_reported - before.last_reported));
                if let Some((Some(had), Some(has), length)) = pair.filter(|(_, _, length)| *length <= gap) {
                    watched += 1;
                    for kind in [0, 1] {
                        moved[kind] += (f64::from(has[kind]) - f64::from(had[kind])).abs() / length.num_minutes() as f64;
                        stood[kind] += f64::from(had[kind]);
                    }
                }
                let Some(reading) = station.at(time, gap).filter(|reading| reading.is_open()) else { continue };
                if let (Some(all), Some(bikes), Some(docks)) = (reading.capacity, reading.bikes_available, reading.docks_available) {
                    missing.push(i64::from(all) - i64::from(bikes) - i64::from(docks));
                }
                if let (Some(electric), Some(mechanical)) = (reading.ebike, reading.mechanical) {
                    known += 1;
                    neither += i32::from(electric + mechanical == 0);
                    without[0] += i32::from(electric == 0 && mechanical > 0);
                    without[1] += i32::from(mechanical == 0 && electric > 0);
                    bikes[0] += f64::from(electric);
                    bikes[1] += f64::from(mechanical);
                }
            }
            missing.sort_unstable();
            if missing.is_empty() {
                continue;
            }
            capacity += u64::from(station.readings.iter().rev().find_map(|reading| reading.capacity).unwrap());
            if missing[(missing.len() - 1) / 2] > 0 {
                docks.insert(*code, missing[(missing.len() - 1) / 2] as u64);
            }
        }
        let told: BTreeMap<_, _> = result.missing_docks.stations.iter().map(|one| (one.station.code.as_str(), one.missing)).collect();
        prop_assert_eq!((&told, result.missing_docks.docks, result.missing_docks.capacity), (&docks, docks.values().sum(), capacity));
        prop_assert!(result.missing_docks.stations.iter().all(|station| station.share >= 0.5));
        let kinds = result.kinds;
        prop_assert!(close(kinds.known_hours, f64::from(known) / 60.0) && close(kinds.neither_hours, f64::from(neither) / 60.0));
        for (kind, place) in [(kinds.electric, 0), (kinds.mechanical, 1)] {
            prop_assert!(close(kind.only_other_hours, f64::from(without[place]) / 60.0));
            prop_assert!(all_close(kind.mean, (known > 0).then(|| bikes[place] / f64::from(known))));
            prop_assert!(all_close(kind.moved.map(|moved| moved as f64), (watched > 0).then_some(moved[place])), "{kind:?}");
            let a_day = (stood[place] > 0.0).then(|| moved[place] * 24.0 * 60.0 / stood[place]);
            prop_assert!(all_close(kind.moved_per_bike_day, a_day), "{kind:?} {a_day:?}");
        }
    }
}

/// A station that is empty from 8 to 9 each day and from which two bikes an hour are taken else, for so many days.
fn days(code: &str, days: i64) -> Vec<StationStatus> {
    let mut readings = Vec::new();
    for hour in 0..24 * days {
        let bikes = if (hour % 24) == 8 { 0 } else { 10 - 2 * (hour % 2) as u32 };
        let time = DateTime::<Utc>::from_timestamp(1_652_047_200 + 3600 * hour, 0).unwrap();
        readings.push(StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(12),
            bikes_available: Some(bikes),
            docks_available: Some(11 - bikes),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), time, time)
        });
    }
    readings
}

#[test]
fn an_interval_holds_the_estimate_and_few_days_have_none() {
    let result = shortages(&days("1", 8), Duration::from_secs(7200)).unwrap();
    let interval = result.bikes.missed_interval.unwrap();
    assert_eq!((result.days, result.bikes.hours, result.docks.hours), (8, 8.0, 0.0));
    let missed = result.bikes.missed.unwrap();
    assert!(interval.low <= missed && missed < interval.high && interval.high < 1.5 * missed, "{missed} {interval:?}");
    assert_eq!(result.docks.missed_interval, Some(DayInterval { low: 0.0, high: 0.0 }));
    let again = shortages(&days("1", 8), Duration::from_secs(7200)).unwrap();
    assert_eq!(again, result);

    let few = shortages(&days("1", 2), Duration::from_secs(7200)).unwrap();
    assert_eq!((few.days, few.bikes.missed_interval, few.by_station[0].bikes.missed_interval), (2, None, None));
    assert!(few.bikes.missed.unwrap() > 0.0);
    // One of 12 docks was neither free nor held a bike.
    assert_eq!((few.missing_docks.docks, few.missing_docks.stations[0].share), (1, 1.0));
}

#[test]
fn a_day_and_an_hour_over_three_dates_are_one_day() {
    let mut readings = days("1", 2);
    readings.truncate(26);
    readings.iter_mut().for_each(|reading| reading.last_reported -= TimeDelta::minutes(30));
    let result = shortages(&readings, Duration::from_secs(7200)).unwrap();
    assert_eq!((result.dates, result.days, result.bikes.known_hours), (3, 1, 25.0));
    assert!(result.bikes.missed.unwrap() > 0.0 && result.bikes.missed_interval.is_none());
    assert_eq!(result.by_station[0].bikes.missed_interval, None);
}

/// Six dates, unlike in how long anything lacks, in how many bikes move, and in what was recorded: of the last hardly anything, of
/// the fourth not all; of one station not the second date, of one a few hours of some, of one two dates.
fn unlike_days() -> Vec<StationStatus> {
    let mut readings = Vec::new();
    for (code, day, hour) in ["1001", "9020", "16107", "20117"]
        .iter()
        .flat_map(|code| (0..6 * 24).map(move |hour| (*code, hour / 24, hour % 24)))
    {
        let (recorded, empty) = match code {
            "1001" => (true, (8..8 + day).contains(&hour)),
            "9020" => (day != 1, (18..19 + day / 2).contains(&hour)),
            "16107" => (day < 3 && hour < 6, hour == 4),
            _ => (day < 2, hour == 12),
        };
        if !recorded || (day == 3 && hour > 14) || (day == 5 && hour > 1) {
            continue;
        }
        let bikes = match (empty, hour == 2 && day % 2 == 0) {
            (true, _) => 0,
            (_, true) => 11,
            _ => 6 + (hour * (day + 2)) as u32 % 4,
        };
        let time = DateTime::<Utc>::from_timestamp(1_652_047_200 + 3600 * (24 * day + hour), 0).unwrap();
        readings.push(StationStatus {
            is_installed: Some(true),
            is_renting: Some(true),
            is_returning: Some(true),
            capacity: Some(12),
            bikes_available: Some(bikes),
            docks_available: Some(11 - bikes),
            ..StationStatus::unknown(StationCode::new(code).unwrap(), time, time)
        });
    }
    placed(readings)
}

#[test]
fn intervals_are_those_of_the_same_days_drawn_one_by_one() {
    let (readings, gap) = (unlike_days(), TimeDelta::minutes(120));
    let result = shortages(&readings, Duration::from_secs(7200)).unwrap();
    let all = stations(&readings);
    let mut dates: BTreeMap<_, Vec<DateTime<Utc>>> = BTreeMap::new();
    let mut lengths: BTreeMap<_, usize> = BTreeMap::new();
    for time in (0..60 * 24 * 7).map(|minute| readings[0].last_reported + TimeDelta::minutes(minute)) {
        let observed = all.values().filter(|station| station.at(time, gap).is_some()).count();
        if observed > 0 {
            let date = time.with_timezone(&Paris).date_naive();
            dates.entry(date).or_default().push(time);
            *lengths.entry(date).or_default() += observed;
        }
    }
    // The date of each minute of each station, by its length: the one in the middle.
    let mut of_minutes: Vec<usize> = lengths.values().flat_map(|&length| vec![length; length]).collect();
    of_minutes.sort_unstable();
    let middle = of_minutes[(of_minutes.len() - 1) / 2];
    let drawable: Vec<usize> =
        lengths.values().enumerate().filter(|(_, length)| **length * 2 >= middle).map(|(date, _)| date).collect();
    assert_eq!((result.dates, result.days), (6, 5));
    assert_eq!((dates.len(), &drawable[..]), (6, &[0, 1, 2, 3, 4][..]));

    let drawn = draws::draws(&drawable, dates.len(), SEED);
    for bikes in [true, false] {
        let by_date: Vec<_> = dates.values().map(|minutes| weeks(&all, minutes, gap, bikes)).collect();
        let summed = |times: &[f64]| -> BTreeMap<&'static str, [Week; 5]> {
            let of = |code: &str| -> [Week; 5] {
                std::array::from_fn(|what| {
                    let hour = |hour: usize| {
                        by_date.iter().zip(times).map(|(date, times)| times * date[code][what][hour]).sum()
                    };
                    (0..168).map(hour).collect()
                })
            };
            all.keys().map(|&code| (code, of(code))).collect()
        };
        let sum = |week: &Week| week.iter().sum::<f64>();
        let once = summed(&[1.0; 6]);
        let known = |weeks: &BTreeMap<&str, [Week; 5]>| weeks.values().map(|week| sum(&week[0])).sum::<f64>();
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for times in &drawn {
            let weeks = summed(times);
            let rates = rates(&weeks).unwrap();
            let mut network = 0.0;
            for (&code, week) in &weeks {
                let missed: f64 = (0..168).map(|hour| week[1][hour] * rates[code][hour]).sum();
                network += missed;
                if sum(&week[0]) > 0.0 {
                    values.entry(code).or_default().push(missed * sum(&once[code][0]) / sum(&week[0]));
                }
            }
            values.entry("all").or_default().push(network * known(&once) / known(&weeks));
        }
        let told = |lack: &Lack, code: &str| {
            let mut values = values[code].clone();
            values.sort_by(f64::total_cmp);
            let of = |hundredths: usize| values[(hundredths * values.len()).div_ceil(100) - 1];
            let (low, high) = (of(5).min(lack.missed.unwrap()), of(95).max(lack.missed.unwrap()));
            let interval = lack.missed_interval.unwrap();
            assert!(close(interval.low, low) && close(interval.high, high), "{code} {interval:?} {low} {high}");
            interval
        };
        let lack = if bikes { &result.bikes } else { &result.docks };
        let interval = told(lack, "all");
        assert!(interval.low < lack.missed.unwrap() && lack.missed.unwrap() < interval.high, "{lack:?}");
        for station in &result.by_station {
            let (code, lack) = (station.station.code.as_str(), if bikes { &station.bikes } else { &station.docks });
            let days = drawable.iter().filter(|&&date| sum(&by_date[date][code][0]) > 0.0).count();
            assert_eq!(lack.missed_interval.is_some(), sum(&once[code][3]) >= 24.0 && days >= 3, "{code}");
            if lack.missed_interval.is_some() {
                told(lack, code);
            }
        }
        // Of one station too few hours were seen, of one too few days.
        let known: Vec<_> = result.by_station.iter().map(|station| station.bikes.missed_interval.is_some()).collect();
        assert_eq!(known, [true, false, false, true]);
    }
}

#[test]
fn where_nobody_rides_no_bike_is_to_be_moved() {
    let mut readings = days("1001", 1);
    readings.iter_mut().for_each(|reading| reading.bikes_available = Some(0));
    readings.extend(days("9020", 1).into_iter().map(|reading| StationStatus { bikes_available: Some(10), ..reading }));
    let result = shortages(&placed(readings), Duration::from_secs(7200)).unwrap();
    assert_eq!((result.bikes.hours, result.bikes.answered_hours, result.bikes.missed), (23.0, 23.0, Some(0.0)));
    assert_eq!((result.moves.pairs, result.moves.top), (0, vec![]));
}

#[test]
fn a_closed_station_is_not_known_and_unknown_is_not_nobody() {
    let mut closed = days("1001", 1);
    closed[1..].iter_mut().for_each(|reading| reading.is_renting = Some(false));
    let result = shortages(&placed([closed, days("9020", 1)].concat()), Duration::from_secs(7200)).unwrap();
    let lack = result.by_station[0].bikes;
    // It rented out for its first hour, in which no rider could be seen.
    assert_eq!((lack.known_hours, lack.hours, lack.seen_hours), (1.0, 0.0, 0.0));
    assert_eq!(lack.missed, Some(0.0));
    let mut closed = days("1001", 1);
    closed.iter_mut().for_each(|reading| reading.is_renting = Some(false));
    let result = shortages(&placed([closed, days("9020", 1)].concat()), Duration::from_secs(7200)).unwrap();
    let lack = result.by_station[0].bikes;
    assert_eq!((lack.known_hours, lack.share, lack.missed, lack.expected), (0.0, None, None, None));
    assert!(result.bikes.missed.unwrap() > 0.0);
}

#[test]
fn a_station_of_which_nothing_was_heard_for_a_day_is_silent() {
    let readings = [days("1", 3), days("2", 1)].concat();
    let silent = shortages(&readings, Duration::from_secs(7200)).unwrap().silent;
    let told: Vec<_> =
        silent.iter().map(|one| (one.station.code.as_str(), one.silent_hours, one.longest_gap_hours)).collect();
    assert_eq!(told, [("2", 48.0, Some(1.0))]);
}

#[test]
fn nothing_open_is_an_error_and_so_is_a_gap_of_no_length() {
    let closed = StationStatus { is_installed: Some(false), ..days("1", 1)[0].clone() };
    let error = shortages(&[closed], Duration::from_secs(7200)).unwrap_err();
    assert_eq!(error.to_string(), "no reading of an open station among 1; collect some by part3_collect");
    assert_eq!(shortages(&days("1", 1), Duration::ZERO).unwrap_err().exit_code(), 2);
}
