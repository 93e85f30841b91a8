//! A trained model as one JSON file: all that is needed to forecast with it, for one horizon or several; and its card.

use std::fs;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::card;
use super::fitted::{Fitted, Model};
use super::metrics::{Scores, cut};
use super::name::ModelName;
use super::split::minutes;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::features::{FEATURES_VERSION, Flows, History, Matrix, Rates, Target, columns};
use crate::station::{StationCode, StationStatus};

/// The version of the file; it rises when a field changes its meaning.
const FORMAT: u32 = 2;

/// A forecast: from the readings of stations to probabilities.
pub trait Forecast {
    /// P(full `horizon` later) of each origin (place of the station in the history, place among its readings), from that
    /// reading and what was reported before. An origin that does not exist, or a horizon that was not learned, is an
    /// error.
    fn p_full(&self, history: &History, origins: &[(usize, usize)], horizon: TimeDelta) -> Result<Vec<f64>>;
}

/// The forecast for one origin; as a row of CSV `stationcode,last_reported,p_full`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The station.
    #[serde(rename = "stationcode")]
    pub station_code: StationCode,
    /// Event time of the origin, in whole seconds.
    pub last_reported: DateTime<Utc>,
    /// Probability that the station is full one horizon later, in 0 to 1.
    pub p_full: f64,
}

/// A trained model that forecasts alone: loaded again it gives the same probabilities, bit by bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedModel {
    format: u32,
    features: u32,
    columns: Vec<String>,
    /// The only station whose rows it was trained on; `None` if it was trained on those of all.
    pub station: Option<StationCode>,
    /// How many stations it was trained on.
    pub stations: usize,
    /// Event time of the first reading it was trained on.
    pub trained_from: DateTime<Utc>,
    /// All that it was trained on, labels included, lies before.
    pub trained_until: DateTime<Utc>,
    /// Where its test span ends; it begins at `trained_until`.
    pub tested_until: DateTime<Utc>,
    /// What it learned, for each horizon, the shortest first.
    pub horizons: Vec<HorizonModel>,
    pub(super) flows: Flows,
}

/// What was learned for one horizon, and how well it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonModel {
    /// How far ahead it forecasts, seconds.
    pub horizon_seconds: i64,
    /// How far from the horizon the reading of a label may be, seconds.
    pub tolerance_seconds: i64,
    /// Number of training rows.
    pub origins: usize,
    /// Share of these that came to be full.
    pub base_rate: f64,
    /// Its scores on the test span.
    pub scores: Scores,
    /// Those of calibrated persistence on the same rows.
    pub calibrated: Option<Scores>,
    /// What a reader of these numbers has to know.
    pub notes: Vec<String>,
    pub(super) model: Fitted,
    pub(super) rates: Rates,
}

/// What is read before anything else.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    features: u32,
}

/// What a model was trained on, for [`SavedModel::new`].
pub(super) struct Trained {
    pub(super) target: Target,
    pub(super) station: Option<StationCode>,
    pub(super) stations: usize,
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) tested_until: DateTime<Utc>,
    pub(super) origins: usize,
    pub(super) base_rate: f64,
    pub(super) scores: Scores,
    pub(super) calibrated: Option<Scores>,
    pub(super) notes: Vec<String>,
}

impl SavedModel {
    pub(super) fn new(model: Fitted, rates: Rates, flows: Flows, trained: Trained) -> Self {
        let horizon = HorizonModel {
            horizon_seconds: trained.target.horizon,
            tolerance_seconds: trained.target.tolerance,
            origins: trained.origins,
            base_rate: trained.base_rate,
            scores: trained.scores,
            calibrated: trained.calibrated,
            notes: trained.notes,
            model,
            rates,
        };
        Self {
            format: FORMAT,
            features: FEATURES_VERSION,
            columns: names(),
            station: trained.station,
            stations: trained.stations,
            trained_from: trained.from,
            trained_until: trained.until,
            tested_until: trained.tested_until,
            horizons: vec![horizon],
            flows,
        }
    }

    /// One model for all the horizons of `models`, which were trained on the same readings ([`train_each`](super::train_each)).
    ///
    /// Models of different spans or stations, two of one horizon, or none at all cannot be joined.
    pub fn join(models: Vec<Self>) -> Result<Self> {
        let mut models = models.into_iter();
        let refuse = |message: &str| Error::new(ErrorKind::Model, message);
        let mut joined = models.next().ok_or_else(|| refuse("there is no model to join"))?;
        for mut other in models {
            other.horizons.append(&mut joined.horizons);
            std::mem::swap(&mut other.horizons, &mut joined.horizons);
            if (&other.station, other.trained_from, other.trained_until, &other.flows)
                != (&joined.station, joined.trained_from, joined.trained_until, &joined.flows)
            {
                return Err(refuse("the models were trained on different readings"));
            }
        }
        joined.horizons.sort_by_key(|one| one.horizon_seconds);
        if joined.horizons.windows(2).any(|pair| pair[0].horizon_seconds == pair[1].horizon_seconds) {
            return Err(refuse("two of the models have the same horizon"));
        }
        Ok(joined)
    }

    /// The forecast for the newest usable reading of each station it knows, in the order of the codes, `horizon` later. The
    /// features look back a week: the more of it `readings` hold, in any order, the better.
    pub fn forecast(&self, readings: &[StationStatus], horizon: TimeDelta) -> Result<Vec<Prediction>> {
        let history = History::new(readings);
        let is_known = |code: &StationCode| self.station.as_ref().is_none_or(|station| station == code);
        let newest = history.stations().iter().enumerate().filter(|(_, station)| is_known(station.code()));
        let newest: Vec<_> = newest.map(|(place, station)| (place, station.len() - 1)).collect();
        let p = self.p_full(&history, &newest, horizon)?;
        let prediction = |(&(station, reading), p_full): (&(usize, usize), f64)| {
            let station = &history.stations()[station];
            Prediction {
                station_code: station.code().clone(),
                last_reported: DateTime::from_timestamp(station.times()[reading], 0).unwrap_or_default(),
                p_full,
            }
        };
        Ok(newest.iter().zip(p).map(prediction).collect())
    }

    /// Its card, as Markdown: what it is, what it was trained on, how well it does, and when not to use it.
    pub fn card(&self) -> String {
        card::of(self)
    }

    /// Writes it to a file, and its card beside it, with the ending `.md`.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let json =
            serde_json::to_string(self).map_err(|error| Error::new(ErrorKind::Model, error).at(Place::file(path)))?;
        let write = |path: &Path, text: &str| fs::write(path, text).map_err(|error| Error::io(path, &error));
        write(path, &json)?;
        write(&path.with_extension("md"), &self.card())
    }

    /// Reads it from a file that [`save`](Self::save) wrote. One of another version is refused.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let json = fs::read_to_string(&path).map_err(|error| Error::io(&path, &error))?;
        Self::parse(&json).map_err(|error| error.at(Place::file(&path)).way_out("train it again with part4_train"))
    }

    fn parse(json: &str) -> Result<Self> {
        let refuse = |message: std::fmt::Arguments<'_>| Error::new(ErrorKind::Model, message);
        let unreadable = |error: serde_json::Error| refuse(format_args!("this is not a saved model: {error}"));
        let versions: Versions = serde_json::from_str(json).map_err(unreadable)?;
        if versions.format != FORMAT || versions.features != FEATURES_VERSION {
            return Err(refuse(format_args!(
                "the model was saved as format {} with features {}; this program reads format {FORMAT} with features {FEATURES_VERSION}",
                versions.format, versions.features
            )));
        }
        let saved: Self = serde_json::from_str(json).map_err(unreadable)?;
        if saved.columns != names() {
            return Err(refuse(format_args!("the model was trained on other columns than this program makes")));
        }
        let sound = |one: &HorizonModel| {
            one.model.is_sound(saved.columns.len()) && one.horizon_seconds > 0 && one.tolerance_seconds >= 0
        };
        let rising = saved.horizons.windows(2).all(|pair| pair[0].horizon_seconds < pair[1].horizon_seconds);
        if saved.horizons.is_empty() || !rising || !saved.horizons.iter().all(sound) {
            return Err(refuse(format_args!("the saved model is damaged")));
        }
        Ok(saved)
    }

    /// The places of the horizons that lie at or around one of so many seconds, and the share of the second; `None` outside
    /// of all.
    pub(super) fn around(&self, seconds: i64) -> Option<(usize, Option<(usize, f64)>)> {
        let later = self.horizons.partition_point(|one| one.horizon_seconds < seconds);
        let until = self.horizons.get(later)?.horizon_seconds;
        if until == seconds {
            return Some((later, None));
        }
        let earlier = later.checked_sub(1)?;
        let from = self.horizons[earlier].horizon_seconds;
        Some((earlier, Some((later, (seconds - from) as f64 / (until - from) as f64))))
    }

    /// The error for a horizon that was not learned.
    pub(super) fn not_learned(&self, horizon: TimeDelta) -> Error {
        let learned: Vec<_> = self.horizons.iter().map(|one| minutes(one.horizon_seconds)).collect();
        let ahead = minutes(horizon.num_seconds());
        Error::new(ErrorKind::Model, format_args!("the model did not learn to look {ahead} ahead"))
            .way_out(format_args!("it knows {}, and what lies between", learned.join(", ")))
    }
}

impl HorizonModel {
    /// Which model it is.
    pub fn name(&self) -> ModelName {
        self.model.name()
    }

    fn target(&self) -> Target {
        Target { horizon: self.horizon_seconds, tolerance: self.tolerance_seconds }
    }

    /// P(full) of each origin, all of which exist.
    pub(super) fn p_full(&self, history: &History, origins: &[(usize, usize)], flows: &Flows) -> Vec<f64> {
        self.model.predict(&Matrix::of(history, origins, &self.rates, flows, self.target()))
    }
}

impl Forecast for SavedModel {
    /// Between two horizons that were learned the log odds are interpolated by time; outside of them is an error.
    fn p_full(&self, history: &History, origins: &[(usize, usize)], horizon: TimeDelta) -> Result<Vec<f64>> {
        let exists = |&(station, reading): &(usize, usize)| {
            history.stations().get(station).is_some_and(|station| reading < station.len())
        };
        if !origins.iter().all(exists) {
            return Err(Error::new(ErrorKind::Model, "an origin does not exist in the history"));
        }
        let Some((earlier, later)) = self.around(horizon.num_seconds()) else { return Err(self.not_learned(horizon)) };
        let learned = |place: usize| self.horizons[place].p_full(history, origins, &self.flows);
        let p = learned(earlier);
        let Some((later, share)) = later else { return Ok(p) };
        Ok(p.into_iter().zip(learned(later)).map(|(early, late)| between(early, late, share)).collect())
    }
}

/// The probability whose log odds lie so far from those of `early` to those of `late`.
pub(super) fn between(early: f64, late: f64, share: f64) -> f64 {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    cut(1.0 / (1.0 + (-(logit(early) * (1.0 - share) + logit(late) * share)).exp()))
}

fn names() -> Vec<String> {
    columns().iter().map(|column| column.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::model::{TrainSettings, train, train_each};

    /// Two stations over two weeks that are full every second morning.
    fn network() -> Vec<StationStatus> {
        let slots = (0..14 * 48).flat_map(|slot| ["1", "2"].map(|code| (code, slot)));
        slots
            .map(|(code, slot)| {
                let full = slot / 48 % 2 == 0 && (14..20).contains(&(slot % 48));
                let docks = u32::try_from(slot * 31 % 17).unwrap();
                reading(code, slot * 1800, if full { docks / 12 } else { docks })
            })
            .collect()
    }

    fn saved(model: ModelName) -> SavedModel {
        let settings = TrainSettings { model: Some(model), ..TrainSettings::default() };
        train(&network(), &settings, &mut |_| {}).unwrap().model
    }

    #[test]
    fn a_loaded_model_forecasts_bit_by_bit_the_same() {
        let (folder, readings) = (tempfile::tempdir().unwrap(), network());
        let history = History::new(&readings);
        let origins: Vec<_> = (0..200).map(|reading| (reading % 2, reading * 3)).collect();
        let hour = TimeDelta::hours(1);
        for name in ModelName::ALL.into_iter().filter(|name| name.is_built_in()) {
            let (model, path) = (saved(name), folder.path().join(name.as_str()));
            model.save(&path).unwrap();
            let loaded = SavedModel::load(&path).unwrap();
            assert_eq!(loaded, model);
            let bits = |model: &SavedModel| -> Vec<u64> {
                model.p_full(&history, &origins, hour).unwrap().iter().map(|p| p.to_bits()).collect()
            };
            assert_eq!(bits(&loaded), bits(&model));
            assert_eq!(loaded.forecast(&readings, hour).unwrap(), model.forecast(&readings, hour).unwrap());
            assert!(fs::read_to_string(path.with_extension("md")).unwrap().contains(name.as_str()));
        }
    }

    #[test]
    fn the_forecast_is_for_the_newest_reading_of_each_station() {
        let model = saved(ModelName::Logistic);
        let hour = TimeDelta::hours(1);
        let forecast = model.forecast(&network(), hour).unwrap();
        let newest = DateTime::from_timestamp((14 * 48 - 1) * 1800, 0).unwrap();
        assert_eq!(
            forecast.iter().map(|one| (one.station_code.as_str(), one.last_reported)).collect::<Vec<_>>(),
            [("1", newest), ("2", newest)]
        );
        // A station that training never saw is forecast by the network's rates.
        assert_eq!(model.forecast(&[reading("9", 0, 3)], hour).unwrap().len(), 1);
    }

    #[test]
    fn between_two_horizons_it_interpolates_and_outside_it_refuses() {
        let settings = TrainSettings { model: Some(ModelName::Calibrated), ..TrainSettings::default() };
        let horizons = [TimeDelta::hours(2), TimeDelta::hours(1)];
        let trained = train_each(&network(), &settings, &horizons, &mut |_| {}).unwrap();
        let apart: Vec<_> = trained.into_iter().map(|training| training.model).collect();
        let joined = SavedModel::join(apart.clone()).unwrap();
        let at =
            |model: &SavedModel, minutes| model.forecast(&network(), TimeDelta::minutes(minutes)).unwrap()[0].p_full;
        let (one, two, between) = (at(&joined, 60), at(&joined, 120), at(&joined, 90));
        assert_eq!((one, two), (at(&apart[1], 60), at(&apart[0], 120)));
        assert!((one.min(two)..=one.max(two) + 1e-12).contains(&between), "{one} {between} {two}");
        let error = joined.forecast(&network(), TimeDelta::minutes(30)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model did not learn to look 30 min ahead; it knows 60 min, 120 min, and what lies between"
        );
        assert!(
            SavedModel::join(vec![apart[0].clone(), apart[0].clone()]).is_err() && SavedModel::join(vec![]).is_err()
        );
    }

    #[test]
    fn another_version_other_columns_and_damage_are_refused_with_the_way_out() {
        let json = serde_json::to_value(saved(ModelName::Tree)).unwrap();
        let refused = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            SavedModel::parse(&json.to_string()).unwrap_err().to_string()
        };
        let newer = refused(&|json| json["format"] = 3.into());
        let features = format!("with features {FEATURES_VERSION}");
        assert_eq!(
            newer,
            format!("the model was saved as format 3 {features}; this program reads format 2 {features}")
        );
        assert!(refused(&|json| json["columns"][0] = "other".into()).contains("other columns"));
        assert!(
            refused(&|json| json["horizons"][0]["model"]["tree"]["nodes"][0]["split"]["low"] = 0.into())
                .contains("damaged")
        );
        assert!(refused(&|json| json["horizons"][0]["rates"] = 3.into()).contains("not a saved model"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.json");
        fs::write(&path, &json.to_string()[..100]).unwrap();
        let half = SavedModel::load(&path).unwrap_err();
        assert!(half.to_string().contains("half.json: this is not a saved model"), "{half}");
        assert!(half.to_string().ends_with("train it again with part4_train"));
        let missing = SavedModel::load(folder.path().join("none.json")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Io);
    }
}
