//! Sums of readings: they add up, site by site to stations and to zones.

use super::{StationOverview, ZoneOverview};
use crate::batch::statistics::{Share, Summary, ratio};
use crate::station::{State, StationCode};

/// Of some readings. Exact, being whole numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) readings: u64,
    pub(super) open: u64,
    pub(super) closed: u64,
    docks: Counts,
    mechanical: Counts,
    ebike: Counts,
    full: Times,
    empty: Times,
    /// Of the readings of open stations that say their bikes.
    bikes_count: u64,
    bikes: u64,
    capacity: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    count: u64,
    sum: u64,
    range: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    times: u64,
    known: u64,
}

impl Sums {
    /// Counts a reading more.
    pub(super) fn count(&mut self, state: &State) {
        self.readings += 1;
        self.full.count(state.is_full());
        self.empty.count(state.is_empty());
        match state.usable() {
            Some(true) => {
                self.open += 1;
                self.docks.count(state.docks_available);
                self.mechanical.count(state.mechanical);
                self.ebike.count(state.ebike);
                if let (Some(bikes), Some(capacity)) = (state.bikes_available, state.capacity) {
                    self.bikes_count += 1;
                    self.bikes += u64::from(bikes);
                    self.capacity += u64::from(capacity);
                }
            }
            Some(false) => self.closed += 1,
            None => {}
        }
    }

    /// Adds other readings.
    pub(super) fn add(&mut self, other: &Self) {
        self.readings += other.readings;
        self.open += other.open;
        self.closed += other.closed;
        self.docks.add(other.docks);
        self.mechanical.add(other.mechanical);
        self.ebike.add(other.ebike);
        self.full.add(other.full);
        self.empty.add(other.empty);
        self.bikes_count += other.bikes_count;
        self.bikes += other.bikes;
        self.capacity += other.capacity;
    }

    pub(super) fn of_station(&self, code: &StationCode, name: Option<&str>) -> StationOverview {
        StationOverview {
            station_code: code.clone(),
            name: name.map(str::to_owned),
            readings: self.readings,
            open: self.open,
            closed: self.closed,
            free_docks: self.docks.finish(),
            mechanical: self.mechanical.finish(),
            ebike: self.ebike.finish(),
            full: Share::new(self.full.times, self.full.known),
            empty: Share::new(self.empty.times, self.empty.known),
        }
    }

    pub(super) fn of_zone(&self, zone: String, stations: u64) -> ZoneOverview {
        ZoneOverview {
            zone,
            stations,
            readings: self.readings,
            open: self.open,
            free_docks: self.docks.finish(),
            occupancy: ratio(self.bikes, self.capacity),
            occupancy_count: self.bikes_count,
        }
    }
}

impl Counts {
    fn count(&mut self, value: Option<u32>) {
        if let Some(value) = value {
            self.add(Self { count: 1, sum: u64::from(value), range: Some((value, value)) });
        }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.range = match (self.range, other.range) {
            (Some((least, most)), Some((min, max))) => Some((least.min(min), most.max(max))),
            (own, others) => own.or(others),
        };
    }

    fn finish(&self) -> Summary {
        let (min, max) = self.range.unzip();
        Summary { count: self.count, mean: ratio(self.sum, self.count), min, max }
    }
}

impl Times {
    fn count(&mut self, so: Option<bool>) {
        self.known += u64::from(so.is_some());
        self.times += u64::from(so == Some(true));
    }

    fn add(&mut self, other: Self) {
        self.times += other.times;
        self.known += other.known;
    }
}
