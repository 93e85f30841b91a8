//! What scores alone do not tell: where the forecasts would have sent riders, and how far they are from the truth.

use std::collections::HashMap;

use chrono::DateTime;

use super::super::advice::{AdviceScores, Choice};
use super::super::name::ModelName;
use super::super::regret::{Regret, truth};
use super::super::training::Tested;
use super::ForecastAdvice;
use crate::features::History;
use crate::ingest::SimulatedStation;
use crate::station::metres_between;

/// How far a rider would walk back, metres.
const REACH: f64 = 500.0;
/// How sure a rider wants to be of a dock.
const LEAST: f64 = 0.9;
/// What two stations reported within so many seconds is known at once.
const AT_ONCE: i64 = 600;
/// Who rides longer than this many seconds asks again on the way.
const LONGEST_RIDE: i64 = 1800;
/// Of so many rows at most the truth is computed.
const MOST_TRUTHS: usize = 20_000;

/// The regret of each model, over rows spread evenly over the test span; nothing where no station's truth is known.
pub(super) fn regrets(horizon: i64, tested: &Tested, history: &History, stations: &[SimulatedStation]) -> Vec<Regret> {
    let chains: HashMap<_, _> = stations.iter().map(|station| (&station.code, station)).collect();
    let every = tested.times.len().div_ceil(MOST_TRUTHS).max(1);
    let truths = (0..tested.times.len()).step_by(every).filter_map(|row| {
        let chain = chains.get(&tested.stations[row])?;
        let reported = &history.stations()[history.position(tested.stations[row].as_str())?];
        let origin = reported.newest_at(tested.times[row])?;
        let time = DateTime::from_timestamp(tested.times[row], 0)?;
        Some((row, truth(chain, time, reported.bikes()[origin], horizon)?))
    });
    let (rows, truths): (Vec<_>, Vec<_>) = truths.unzip();
    let regret = |(model, forecasts): &(ModelName, Vec<f64>)| {
        Regret::new(*model, &truths, &rows.iter().map(|&row| forecasts[row]).collect::<Vec<_>>())
    };
    tested.forecasts.iter().filter_map(regret).collect()
}

/// How riders would have fared who set out for a station at each of its origins and were advised where to go, by the chosen
/// models and by what was free as they set out. Nothing for rides longer than half an hour, or where positions are unknown.
pub(super) fn advice(horizon: i64, tested: &Tested, chosen: &[f64], history: &History) -> Vec<ForecastAdvice> {
    if horizon > LONGEST_RIDE || tested.times.is_empty() {
        return Vec::new();
    }
    let network = Network::new(tested, history);
    let persistence = tested.forecasts.iter().find(|(model, _)| *model == ModelName::Persistence);
    let forecasts = [("chosen", Some(chosen)), ("persistence", persistence.map(|(_, forecast)| &forecast[..]))];
    let scored = forecasts.into_iter().filter_map(|(name, forecast)| {
        let forecast = forecast?;
        let destinations = (0..tested.times.len()).map(|row| {
            let choice = |(row, metres): (usize, f64)| Choice {
                metres,
                p_free: 1.0 - forecast[row],
                was_free: !tested.judged[row].full,
            };
            network.candidates(row).map(choice).collect::<Vec<_>>()
        });
        let scores = AdviceScores::new(destinations, LEAST);
        Some(ForecastAdvice { forecast: name.to_owned(), metres: REACH, least: LEAST, scores })
    });
    scored.filter(|advice| advice.scores.destinations > 0).collect()
}

/// The rows of a test span by station and time, and who stands near whom.
struct Network<'a> {
    tested: &'a Tested,
    /// For each station of the rows, its rows in the order of time.
    rows: HashMap<u32, Vec<usize>>,
    /// The stations within reach, itself the first, and how far they are, metres.
    near: HashMap<u32, Vec<(u32, f64)>>,
}

impl<'a> Network<'a> {
    fn new(tested: &'a Tested, history: &History) -> Self {
        let mut rows: HashMap<u32, Vec<usize>> = HashMap::new();
        for (row, judged) in tested.judged.iter().enumerate() {
            rows.entry(judged.station).or_default().push(row);
        }
        rows.values_mut().for_each(|rows| rows.sort_by_key(|&row| tested.times[row]));
        let place = |station: u32| history.stations().get(station as usize).and_then(|station| station.position());
        let near = rows.keys().map(|&station| {
            let mut near: Vec<_> = rows
                .keys()
                .filter(|&&other| other != station)
                .filter_map(|&other| Some((other, metres_between(place(station)?, place(other)?))))
                .filter(|(_, metres)| *metres <= REACH)
                .collect();
            near.push((station, 0.0));
            near.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            (station, near)
        });
        Self { tested, near: near.collect(), rows }
    }

    /// The rows among which a rider to the station of this row can choose, and how far their stations are: of each station
    /// near it the newest row at that time.
    fn candidates(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let (station, time) = (self.tested.judged[row].station, self.tested.times[row]);
        let near = self.near.get(&station).map_or(&[][..], Vec::as_slice);
        near.iter().filter_map(move |&(other, metres)| {
            if other == station {
                return Some((row, 0.0));
            }
            let rows = self.rows.get(&other)?;
            // Never a later one: the rider has set out by then.
            let newest = rows.partition_point(|&row| self.tested.times[row] <= time).checked_sub(1)?;
            let newest = *rows.get(newest)?;
            (time - self.tested.times[newest] <= AT_ONCE).then_some((newest, metres))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::evaluation::{Judged, StationGroup};
    use super::*;
    use crate::features::testing::reading;
    use crate::station::StationCode;

    /// Three stations in a row, the third out of reach of the first; each reports twice, an hour apart, the
    /// farther the sooner.
    fn street() -> (History, Tested) {
        let mut readings = Vec::new();
        let mut tested = Tested::default();
        for (place, metres) in [0.0, 300.0, 700.0].into_iter().enumerate() {
            let code = (place + 1).to_string();
            for hour in 0..2 {
                let time = 1000 + hour * 3600 - place as i64 * 400;
                let lat = Some(48.85 + metres / 111_195.0);
                readings.push(crate::station::StationStatus { lat, lon: Some(2.3), ..reading(&code, time, 3) });
                let (station, group) = (place as u32, StationGroup::Seldom);
                tested.judged.push(Judged { station, day: 0, hour: 0, group, full: place == 0 && hour == 1 });
                tested.times.push(time);
                tested.stations.push(StationCode::new(&code).unwrap());
            }
        }
        (History::new(&readings), tested)
    }

    #[test]
    fn a_rider_chooses_among_the_stations_in_reach_as_they_were_then() {
        let (history, tested) = street();
        let network = Network::new(&tested, &history);
        let of = |row| network.candidates(row).map(|(row, metres)| (row, metres.round())).collect::<Vec<_>>();
        assert_eq!(of(0), [(0, 0.0), (2, 300.0)]);
        assert_eq!(of(1), [(1, 0.0), (3, 300.0)]);
        // The first station reports a little later, which nobody knows yet.
        assert_eq!(of(2), [(2, 0.0), (4, 400.0)]);
    }

    #[test]
    fn advice_leads_away_from_the_station_that_will_be_full() {
        let (history, mut tested) = street();
        let chosen = [0.0, 0.8, 0.05, 0.05, 0.0, 0.0];
        tested.forecasts = vec![(ModelName::Persistence, vec![0.0; 6])];
        let [with, without] = &advice(1800, &tested, &chosen, &history)[..] else { panic!("two forecasts") };
        assert_eq!(
            (with.scores.recommended, with.scores.share_free, with.scores.base_share_free),
            (6, Some(1.0), Some(5.0 / 6.0))
        );
        assert!((with.scores.mean_extra_metres.unwrap() - 50.0).abs() < 0.1);
        assert_eq!((without.scores.share_free, without.scores.mean_extra_metres), (Some(5.0 / 6.0), Some(0.0)));
        assert!(advice(3600, &tested, &chosen, &history).is_empty());
    }
}
