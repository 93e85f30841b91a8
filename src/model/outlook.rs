//! The coming hours of a station, from the readings as they are now: what a rider asks a saved model for.
//!
//! The forecast is made now, but the newest reading is older than that. What the model looks over is the time from that
//! reading to the moment that is asked for, so a feed that stands still widens the forecast by itself. Where this is longer
//! than the longest horizon that was learned, the forecast goes over to what is usual at that hour: the model's share falls
//! to 1/e for each longest horizon more.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::count::count_quantile;
use super::metrics::cut;
use super::save::{SavedModel, between};
use super::split::minutes;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::features::{History, docks_after};
use crate::station::{StationCode, StationStatus};

/// A newest reading that is older is told of, seconds.
const OLD: i64 = 30 * 60;
/// With fewer readings in the last day, what the station remembers says little.
const FEW: u32 = 12;
const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

/// What may come at one station.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station: StationCode,
    /// When the forecast was made: the minutes of its steps count from here.
    pub made_at: DateTime<Utc>,
    /// Whether the station is closed now. What is closed has no forecast, and no counts.
    pub is_closed: bool,
    /// Event time of the newest usable reading; `None` without any.
    pub last_reported: Option<DateTime<Utc>>,
    /// How old that reading was when the forecast was made, seconds.
    pub staleness_seconds: Option<i64>,
    /// Free docks by that reading.
    pub docks: Option<u32>,
    /// Bikes by that reading.
    pub bikes: Option<u32>,
    /// Docks in all by that reading.
    pub capacity: Option<u32>,
    /// One for each time that was asked for, in that order; empty where there is no forecast.
    pub steps: Vec<OutlookStep>,
    /// What is missing, and what was done about it, in words.
    pub notes: Vec<String>,
}

/// What may come at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OutlookStep {
    /// Minutes after the forecast was made.
    pub minutes: i64,
    /// How far the model looks: from the newest reading to this moment, seconds.
    pub horizon_seconds: i64,
    /// Probability that the station is full then, in 0 to 1.
    pub p_full: f64,
    /// The 10 % quantile of the free docks. As often as `p_full` says there is none; the other counts are as likely among
    /// each other as the queue has them.
    pub docks_low: u32,
    /// The median of the free docks.
    pub docks_median: u32,
    /// The 90 % quantile of the free docks.
    pub docks_high: u32,
}

/// A station that a forecast is made for.
struct Open {
    /// The place of its outlook.
    outlook: usize,
    /// The place of the station in the history, and of its newest reading.
    origin: (usize, usize),
    /// When that was reported, seconds since 1970 (UTC).
    reported: i64,
    /// How old it is, seconds.
    staleness: i64,
}

/// One step of one station, and where its forecast is found.
struct Look {
    /// The place among the open stations, and of the step in its outlook.
    row: usize,
    step: usize,
    minutes: i64,
    /// From the newest reading on.
    seconds: i64,
    /// The moment that is asked for, seconds since 1970 (UTC).
    then: i64,
    /// The learned horizons around it, by their places, and the share of the later one.
    earlier: usize,
    later: Option<(usize, f64)>,
}

impl SavedModel {
    /// The outlook of `stations` at `made_at`, at each of the times `ahead` (whole minutes, at most the longest horizon that
    /// was learned).
    ///
    /// The model sees `history` up to `made_at`; features look back a week, so the more of it is there, the better.
    /// `latest` tells which stations are closed, of which a history knows nothing: the newest poll, or any readings that
    /// hold the newest of each station. A time that lies nearer to the newest reading than the shortest horizon learned is
    /// forecast like that one. What a station lacks is told in its notes.
    ///
    /// An error is: a time ahead that was not learned, and a station other than the one that the model was trained on alone.
    pub fn outlook(
        &self,
        history: &History,
        latest: &[StationStatus],
        stations: &[StationCode],
        made_at: DateTime<Utc>,
        ahead: &[TimeDelta],
    ) -> Result<Vec<Outlook>> {
        self.can_answer(stations, ahead)?;
        let closed = closures(latest, made_at);
        let mut open = Vec::new();
        let mut outlooks = Vec::with_capacity(stations.len());
        for code in stations {
            let newest = history.position(code.as_str()).and_then(|place| {
                let reading = history.stations()[place].newest_at(made_at.timestamp())?;
                Some((place, reading))
            });
            let last = newest.map(|(place, reading)| history.stations()[place].times()[reading]);
            let is_closed = closed.get(code).is_some_and(|&since| last.is_none_or(|last| since >= last));
            if let (Some(origin), Some(last), false) = (newest, last, is_closed) {
                let staleness = made_at.timestamp() - last;
                open.push(Open { outlook: outlooks.len(), origin, reported: last, staleness });
            }
            outlooks.push(blank(code, made_at, last, is_closed));
        }
        self.fill(history, &open, ahead, &mut outlooks);
        Ok(outlooks)
    }

    fn can_answer(&self, stations: &[StationCode], ahead: &[TimeDelta]) -> Result<()> {
        if let Some(own) = &self.station
            && let Some(other) = stations.iter().find(|&code| code != own)
        {
            return Err(Error::new(ErrorKind::Model, format_args!("the model was trained on station {own} alone"))
                .at(Place::Station(other.to_string()))
                .way_out("train one on all stations: part4_train --pooled"));
        }
        let is_whole = |&&ahead: &&TimeDelta| ahead >= TimeDelta::zero() && ahead.num_seconds() % 60 == 0;
        if !ahead.iter().all(|ahead| is_whole(&ahead)) {
            return Err(
                Error::usage("--horizon", "a forecast is for whole minutes from now").way_out("write 15m or 1h")
            );
        }
        match ahead.iter().find(|ahead| ahead.num_seconds() > self.longest()) {
            Some(&further) => Err(self.not_learned(further)),
            None => Ok(()),
        }
    }

    /// The shortest horizon that was learned, seconds.
    fn shortest(&self) -> i64 {
        self.horizons.first().map_or(0, |one| one.horizon_seconds)
    }

    /// The longest, seconds.
    fn longest(&self) -> i64 {
        self.horizons.last().map_or(0, |one| one.horizon_seconds)
    }

    /// The steps, counts and notes of the open stations. The features are made once for each learned horizon that is
    /// needed, for all stations and steps together.
    fn fill(&self, history: &History, open: &[Open], ahead: &[TimeDelta], outlooks: &mut [Outlook]) {
        let looks: Vec<_> = open.iter().enumerate().flat_map(|(row, one)| self.looks(row, one, ahead)).collect();
        let mut needed = vec![false; self.horizons.len()];
        for look in &looks {
            needed[look.earlier] = true;
            look.later.iter().for_each(|&(later, _)| needed[later] = true);
        }
        let origins: Vec<_> = open.iter().map(|one| one.origin).collect();
        let learned = self.horizons.iter().zip(needed);
        let learned = learned.map(|(one, needed)| needed.then(|| one.p_full(history, &origins, &self.flows)));
        let p: Vec<Vec<f64>> = learned.map(Option::unwrap_or_default).collect();

        for look in &looks {
            let outlook = &mut outlooks[open[look.row].outlook];
            let mut p_full = match look.later {
                Some((later, share)) => between(p[look.earlier][look.row], p[later][look.row], share),
                None => p[look.earlier][look.row],
            };
            let excess = look.seconds - self.longest();
            if excess > 0 {
                let share = (-excess as f64 / self.longest() as f64).exp();
                let usual = self.horizons[look.earlier].rates.usual_full(&outlook.station, look.then);
                p_full = cut(share * p_full + (1.0 - share) * usual);
            }
            outlook.steps.push(OutlookStep {
                minutes: look.minutes,
                horizon_seconds: look.seconds,
                p_full,
                docks_low: 0,
                docks_median: 0,
                docks_high: 0,
            });
        }
        self.fill_docks(history, open, &looks, outlooks);
        open.iter().for_each(|one| self.describe(history, one, &mut outlooks[one.outlook]));
    }

    /// What has to be looked up for one station.
    fn looks(&self, row: usize, open: &Open, ahead: &[TimeDelta]) -> Vec<Look> {
        let look = |(step, ahead): (usize, &TimeDelta)| {
            let seconds = open.staleness + ahead.num_seconds();
            let (earlier, later) = self.around(seconds.clamp(self.shortest(), self.longest()))?;
            let then = open.reported + seconds;
            Some(Look { row, step, minutes: ahead.num_minutes(), seconds, then, earlier, later })
        };
        ahead.iter().enumerate().filter_map(look).collect()
    }

    /// The quantiles of the free docks, once P(full) is known.
    fn fill_docks(&self, history: &History, open: &[Open], looks: &[Look], outlooks: &mut [Outlook]) {
        if looks.is_empty() {
            return;
        }
        let mut distribution = Vec::new();
        let rates = |look: &Look| &self.horizons[look.earlier].rates;
        let origins = looks.iter().map(|look| (open[look.row].origin, within_two_weeks(look.seconds), rates(look)));
        docks_after(history, origins, &self.flows, |place, docks| {
            let look = &looks[place];
            let step = &mut outlooks[open[look.row].outlook].steps[look.step];
            distribution.clear();
            distribution.extend_from_slice(docks);
            share_of_full(&mut distribution, step.p_full);
            step.docks_low = count_quantile(&distribution, 0.1);
            step.docks_median = count_quantile(&distribution, 0.5);
            step.docks_high = count_quantile(&distribution, 0.9);
        });
    }

    /// The counts of the newest reading, and what has to be said.
    fn describe(&self, history: &History, open: &Open, outlook: &mut Outlook) {
        let Some(past) = history.stations()[open.origin.0].past(open.origin.1) else { return };
        outlook.docks = Some(past.docks());
        outlook.bikes = Some(past.bikes());
        outlook.capacity = Some(past.capacity());
        let farthest = outlook.steps.iter().map(|step| step.horizon_seconds).max().unwrap_or(0);
        let nearest = outlook.steps.iter().map(|step| step.horizon_seconds).min().unwrap_or(i64::MAX);
        if open.staleness > OLD {
            let longest = minutes(self.longest());
            let so = if farthest > self.longest() {
                format!(
                    "from {longest} after it the forecast goes over to how often the station is full at such an hour"
                )
            } else {
                "the forecast looks as much further ahead".to_owned()
            };
            outlook.notes.push(format!("the newest reading is {} old: {so}", age(open.staleness)));
        }
        let (_, readings) = past.full_within(DAY);
        let is_known = self.horizons.iter().any(|one| one.rates.knows(&outlook.station));
        let place = if is_known { "here" } else { "in the network" };
        let only = (readings < FEW).then(|| match readings {
            1 => "only 1 reading in its last day".to_owned(),
            many => format!("only {many} readings in its last day"),
        });
        let unseen = (!is_known).then(|| "not there when the model was trained".to_owned());
        let missing: Vec<_> = only.into_iter().chain(unseen).collect();
        if !missing.is_empty() {
            outlook.notes.push(format!("{}: the forecast rests on what is usual {place}", missing.join(" and ")));
        }
        if nearest < self.shortest() {
            let shortest = minutes(self.shortest());
            outlook.notes.push(format!("the model learned no horizon below {shortest}: a nearer time has its P(full)"));
        }
    }
}

/// An outlook that says nothing yet.
fn blank(code: &StationCode, made_at: DateTime<Utc>, last: Option<i64>, is_closed: bool) -> Outlook {
    let note = match (is_closed, last) {
        (true, _) => Some("the station is closed: no bike can be returned, and there is no forecast"),
        (false, None) => Some("no reading tells its docks and bikes: there is no forecast"),
        (false, Some(_)) => None,
    };
    Outlook {
        station: code.clone(),
        made_at,
        is_closed,
        last_reported: last.and_then(|last| DateTime::from_timestamp(last, 0)),
        staleness_seconds: last.map(|last| made_at.timestamp() - last),
        docks: None,
        bikes: None,
        capacity: None,
        steps: Vec::new(),
        notes: note.map(str::to_owned).into_iter().collect(),
    }
}

/// When each station that was closed by its newest reading up to `made_at` reported so, seconds since 1970 (UTC).
fn closures(latest: &[StationStatus], made_at: DateTime<Utc>) -> HashMap<&StationCode, i64> {
    let mut newest: HashMap<&StationCode, &StationStatus> = HashMap::new();
    for reading in latest.iter().filter(|reading| reading.last_reported <= made_at) {
        let known = newest.entry(&reading.station_code).or_insert(reading);
        if known.last_reported < reading.last_reported {
            *known = reading;
        }
    }
    let closed = newest.into_iter().filter(|(_, reading)| reading.is_closed());
    closed.map(|(code, reading)| (code, reading.last_reported.timestamp())).collect()
}

/// The same time of the week, less than two weeks away: by then a queue has forgotten where it began.
fn within_two_weeks(seconds: i64) -> i64 {
    if seconds < 2 * WEEK { seconds } else { WEEK + seconds % WEEK }
}

/// Gives a distribution of free docks another share of full, 0 to 1; the other counts keep their proportions. One that knows
/// nothing but full stays.
fn share_of_full(docks: &mut [f64], p_full: f64) {
    let others: f64 = docks.iter().skip(1).sum();
    if others > 0.0 {
        docks.iter_mut().skip(1).for_each(|p| *p *= (1.0 - p_full) / others);
        docks[0] = p_full;
    }
}

/// An age in the unit that one would say it in.
fn age(seconds: i64) -> String {
    match seconds / 60 {
        minutes if minutes < 180 => format!("{minutes} min"),
        minutes if minutes < 48 * 60 => format!("{} h", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::model::{Forecast, ModelName, TrainSettings, train_each};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const SLOT: i64 = 900;
    const SLOTS: i64 = 14 * 96;

    /// Two stations over two weeks, a reading every quarter of an hour, full every second morning.
    fn network() -> Vec<StationStatus> {
        let slots = (0..SLOTS).flat_map(|slot| ["1", "2"].map(|code| (code, slot)));
        slots
            .map(|(code, slot)| {
                let full = slot / 96 % 2 == 0 && (28..40).contains(&(slot % 96));
                let docks = u32::try_from(slot * 31 % 17).unwrap();
                reading(code, slot * SLOT, if full { docks / 12 } else { docks })
            })
            .collect()
    }

    fn trained(model: ModelName, station: Option<StationCode>) -> SavedModel {
        let settings = TrainSettings { model: Some(model), station, ..TrainSettings::default() };
        let horizons = [30, 60, 120].map(TimeDelta::minutes);
        let trained = train_each(&network(), &settings, &horizons, &mut |_| {}).unwrap();
        SavedModel::join(trained.into_iter().map(|training| training.model).collect()).unwrap()
    }

    static MODEL: LazyLock<SavedModel> = LazyLock::new(|| trained(ModelName::Logistic, None));

    fn code(code: &str) -> StationCode {
        StationCode::new(code).unwrap()
    }

    fn time(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// When the newest reading of the network was made.
    const NEWEST: i64 = (SLOTS - 1) * SLOT;

    fn outlook(readings: &[StationStatus], station: &str, made_at: i64, ahead: &[i64]) -> Outlook {
        let ahead: Vec<_> = ahead.iter().map(|&minutes| TimeDelta::minutes(minutes)).collect();
        let history = History::new(readings);
        MODEL.outlook(&history, readings, &[code(station)], time(made_at), &ahead).unwrap().remove(0)
    }

    #[test]
    fn of_a_fresh_reading_it_is_the_forecast_of_the_model() {
        let (readings, history) = (network(), History::new(&network()));
        let own = outlook(&readings, "1", NEWEST, &[30, 45, 120]);
        for (step, minutes) in own.steps.iter().zip([30, 45, 120]) {
            let p =
                MODEL.p_full(&history, &[(0, history.stations()[0].len() - 1)], TimeDelta::minutes(minutes)).unwrap();
            assert_eq!((step.minutes, step.horizon_seconds, step.p_full), (minutes, minutes * 60, p[0]));
            assert!(
                step.docks_low <= step.docks_median && step.docks_median <= step.docks_high && step.docks_high <= 20
            );
        }
        let docks = (SLOTS - 1) * 31 % 17;
        assert_eq!((own.docks.map(i64::from), own.capacity), (Some(docks), Some(20)));
        assert_eq!((own.staleness_seconds, own.last_reported, own.notes), (Some(0), Some(time(NEWEST)), vec![]));
    }

    #[test]
    fn the_age_of_the_reading_is_time_to_look_over() {
        let readings = network();
        let p = |made_at, ahead| outlook(&readings, "2", made_at, &[ahead]).steps[0];
        let (late, fresh) = (p(NEWEST + 45 * 60, 60), p(NEWEST, 105));
        assert_eq!((late.p_full, late.docks_high, late.horizon_seconds), (fresh.p_full, fresh.docks_high, 105 * 60));
        let told = outlook(&readings, "2", NEWEST + 45 * 60, &[60]).notes;
        assert_eq!(told, ["the newest reading is 45 min old: the forecast looks as much further ahead"]);
    }

    #[test]
    fn a_feed_that_stands_still_leads_to_what_is_usual() {
        let readings = network();
        // Whole days later, at the same time of day and on the same kind of day.
        let week = 7 * DAY;
        let (fresh, still) = (outlook(&readings, "1", NEWEST, &[120]), outlook(&readings, "1", NEWEST + week, &[120]));
        let usual = MODEL.horizons[2].rates.usual_full(&code("1"), NEWEST + week + 7200);
        assert!((still.steps[0].p_full - usual).abs() < 1e-9 && (fresh.steps[0].p_full - usual).abs() > 1e-4);
        // Of the reading itself the docks are known.
        let width = |outlook: &Outlook| outlook.steps[0].docks_high - outlook.steps[0].docks_low;
        assert!(width(&still) > width(&outlook(&readings, "1", NEWEST, &[0])), "{still:?}");
        let half = outlook(&readings, "1", NEWEST + 7200, &[120]).steps[0].p_full;
        let then = MODEL.horizons[2].rates.usual_full(&code("1"), NEWEST + 14_400);
        let share = (-1f64).exp();
        assert!((half - share * fresh.steps[0].p_full - (1.0 - share) * then).abs() < 1e-12);
        assert_eq!(
            still.notes,
            [
                "the newest reading is 7 days old: from 120 min after it the forecast goes over to how often the station is \
              full at such an hour"
            ]
        );
    }

    #[test]
    fn a_closed_station_and_one_without_counts_have_no_forecast() {
        let mut readings = network();
        readings.push(StationStatus { is_returning: Some(false), ..reading("1", NEWEST + 60, 0) });
        readings.push(StationStatus { docks_available: None, ..reading("3", NEWEST, 0) });
        let closed = outlook(&readings, "1", NEWEST + 60, &[60]);
        assert!(closed.is_closed && closed.steps.is_empty() && closed.docks.is_none());
        assert_eq!(closed.notes, ["the station is closed: no bike can be returned, and there is no forecast"]);
        // Before that it was open, and when it opens again it is.
        assert!(!outlook(&readings, "1", NEWEST, &[60]).is_closed);
        readings.push(reading("1", NEWEST + 120, 4));
        assert_eq!(outlook(&readings, "1", NEWEST + 120, &[60]).docks, Some(4));
        let unknown = outlook(&readings, "3", NEWEST, &[60]);
        assert_eq!((unknown.is_closed, unknown.steps.len(), unknown.last_reported), (false, 0, None));
        assert_eq!(unknown.notes, ["no reading tells its docks and bikes: there is no forecast"]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let mut readings = network();
        readings.push(reading("9", NEWEST, 3));
        assert_eq!(
            outlook(&readings, "9", NEWEST, &[60]).notes,
            [
                "only 1 reading in its last day and not there when the model was trained: the forecast rests on what is usual \
              in the network"
            ]
        );
        let alone = [reading("1", NEWEST, 3), reading("1", NEWEST - 900, 3)];
        assert_eq!(
            outlook(&alone, "1", NEWEST, &[60]).notes,
            ["only 2 readings in its last day: the forecast rests on what is usual here"]
        );
        let near = outlook(&readings, "2", NEWEST, &[15, 30]);
        assert_eq!(near.steps[0].p_full, near.steps[1].p_full);
        assert_eq!(near.notes, ["the model learned no horizon below 30 min: a nearer time has its P(full)"]);
    }

    #[test]
    fn what_was_not_learned_is_refused() {
        let (readings, history) = (network(), History::new(&network()));
        let ask = |model: &SavedModel, ahead| model.outlook(&history, &readings, &[code("2")], time(NEWEST), &[ahead]);
        let far = ask(&MODEL, TimeDelta::minutes(121)).unwrap_err();
        assert_eq!(
            far.to_string(),
            "the model did not learn to look 121 min ahead; it knows 30 min, 60 min, 120 min, and what lies between"
        );
        for odd in [TimeDelta::seconds(90), TimeDelta::minutes(-1)] {
            assert_eq!(ask(&MODEL, odd).unwrap_err().exit_code(), 2);
        }
        let alone = trained(ModelName::Calibrated, Some(code("1")));
        assert_eq!(
            ask(&alone, TimeDelta::minutes(60)).unwrap_err().to_string(),
            "station 2: the model was trained on station 1 alone; train one on all stations: part4_train --pooled"
        );
    }

    #[test]
    fn a_share_of_full_leaves_the_other_counts_in_proportion() {
        let mut docks = [0.2, 0.6, 0.2];
        share_of_full(&mut docks, 0.6);
        assert!(docks.iter().zip([0.6, 0.3, 0.1]).all(|(p, by_hand)| (p - by_hand).abs() < 1e-12), "{docks:?}");
        let mut full = [1.0];
        share_of_full(&mut full, 0.5);
        assert_eq!(full, [1.0]);
    }

    #[test]
    fn ages_are_said_as_one_would() {
        assert_eq!([95 * 60, 3 * 3600, 50 * 3600].map(age), ["95 min", "3 h", "2 days"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// All at once is one by one, and whatever is reported after the forecast was made does not touch it.
        #[test]
        fn neither_company_nor_the_future_changes_an_outlook(
            slot in 200..SLOTS, age in 0..20_000i64, ahead in prop::collection::vec(0..=120i64, 1..5)
        ) {
            let readings = network();
            let made_at = slot * SLOT + age;
            let known: Vec<_> = readings.iter().filter(|one| one.last_reported <= time(made_at)).cloned().collect();
            let both = MODEL.outlook(
                &History::new(&readings),
                &readings,
                &[code("2"), code("1")],
                time(made_at),
                &ahead.iter().map(|&minutes| TimeDelta::minutes(minutes)).collect::<Vec<_>>(),
            ).unwrap();
            let apart = [outlook(&known, "2", made_at, &ahead), outlook(&known, "1", made_at, &ahead)];
            for step in both.iter().flat_map(|outlook| &outlook.steps) {
                prop_assert!((0.0..=1.0).contains(&step.p_full));
                prop_assert!(step.docks_low <= step.docks_median && step.docks_median <= step.docks_high);
                prop_assert!(step.p_full < 0.1 || step.docks_low == 0);
            }
            prop_assert_eq!(both, apart);
        }
    }
}
