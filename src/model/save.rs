//! A trained model as one JSON file: all that is needed to forecast with it, and how well it did.

use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::fitted::Fitted;
use super::metrics::Scores;
use super::name::ModelName;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::features::{FEATURES_VERSION, History, Matrix, Rates, Target, columns};
use crate::station::{StationCode, StationStatus};

/// The version of the file; it rises when a field changes its meaning.
const FORMAT: u32 = 1;

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
    /// How far ahead it forecasts, seconds.
    pub horizon_seconds: i64,
    /// How far from the horizon the reading of a label may be, seconds.
    pub tolerance_seconds: i64,
    /// The only station it knows; `None` if it was trained on all.
    pub station: Option<StationCode>,
    /// Event time of the first reading it was trained on.
    pub trained_from: DateTime<Utc>,
    /// All that it was trained on, labels included, lies before.
    pub trained_until: DateTime<Utc>,
    /// Number of training rows.
    pub origins: usize,
    /// Share of these that came to be full.
    pub base_rate: f64,
    /// Its scores on the test span.
    pub scores: Scores,
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
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) origins: usize,
    pub(super) base_rate: f64,
    pub(super) scores: Scores,
}

impl SavedModel {
    pub(super) fn new(model: Fitted, rates: Rates, trained: Trained) -> Self {
        Self {
            format: FORMAT,
            features: FEATURES_VERSION,
            columns: names(),
            horizon_seconds: trained.target.horizon,
            tolerance_seconds: trained.target.tolerance,
            station: trained.station,
            trained_from: trained.from,
            trained_until: trained.until,
            origins: trained.origins,
            base_rate: trained.base_rate,
            scores: trained.scores,
            model,
            rates,
        }
    }

    /// Which model it is.
    pub fn name(&self) -> ModelName {
        self.model.name()
    }

    /// The forecast for the newest usable reading of each station it knows, in the order of the codes. The features
    /// look back a week: the more of it `readings` hold, in any order, the better.
    pub fn forecast(&self, readings: &[StationStatus]) -> Vec<Prediction> {
        let history = match &self.station {
            Some(station) => History::new(readings).only(station),
            None => History::new(readings),
        };
        let newest: Vec<_> = history.stations().iter().enumerate().map(|(place, all)| (place, all.len() - 1)).collect();
        self.predict(&history, &newest)
    }

    /// The forecasts for the origins (place of the station in the history, place among its readings).
    pub(super) fn predict(&self, history: &History, origins: &[(usize, usize)]) -> Vec<Prediction> {
        let target = Target { horizon: self.horizon_seconds, tolerance: self.tolerance_seconds };
        let p = self.model.predict(&Matrix::of(history, origins, &self.rates, target));
        let prediction = |(&(station, reading), p_full): (&(usize, usize), f64)| {
            let station = &history.stations()[station];
            Prediction {
                station_code: station.code().clone(),
                last_reported: DateTime::from_timestamp(station.times()[reading], 0).unwrap_or_default(),
                p_full,
            }
        };
        origins.iter().zip(p).map(prediction).collect()
    }

    /// Writes it to a file.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let json =
            serde_json::to_string(self).map_err(|error| Error::new(ErrorKind::Model, error).at(Place::file(&path)))?;
        fs::write(&path, json).map_err(|error| Error::io(&path, &error))
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
        if !saved.model.is_sound(saved.columns.len()) || saved.horizon_seconds <= 0 || saved.tolerance_seconds < 0 {
            return Err(refuse(format_args!("the saved model is damaged")));
        }
        Ok(saved)
    }
}

fn names() -> Vec<String> {
    columns().iter().map(|column| column.name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::model::{TrainSettings, train};

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
        for name in ModelName::ALL {
            let (model, path) = (saved(name), folder.path().join(name.as_str()));
            model.save(&path).unwrap();
            let loaded = SavedModel::load(&path).unwrap();
            assert_eq!(loaded, model);
            let bits = |model: &SavedModel| -> Vec<u64> {
                model.predict(&history, &origins).iter().map(|one| one.p_full.to_bits()).collect()
            };
            assert_eq!(bits(&loaded), bits(&model));
            assert_eq!(loaded.forecast(&readings), model.forecast(&readings));
        }
    }

    #[test]
    fn the_forecast_is_for_the_newest_reading_of_each_station() {
        let model = saved(ModelName::Logistic);
        let forecast = model.forecast(&network());
        let newest = DateTime::from_timestamp((14 * 48 - 1) * 1800, 0).unwrap();
        assert_eq!(
            forecast.iter().map(|one| (one.station_code.as_str(), one.last_reported)).collect::<Vec<_>>(),
            [("1", newest), ("2", newest)]
        );
        // A station that training never saw is forecast by the network's rates.
        assert_eq!(model.forecast(&[reading("9", 0, 3)]).len(), 1);
    }

    #[test]
    fn another_version_other_columns_and_damage_are_refused_with_the_way_out() {
        let json = serde_json::to_value(saved(ModelName::Tree)).unwrap();
        let refused = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            SavedModel::parse(&json.to_string()).unwrap_err().to_string()
        };
        let newer = refused(&|json| json["format"] = 2.into());
        assert_eq!(
            newer,
            "the model was saved as format 2 with features 1; this program reads format 1 with features 1"
        );
        assert!(refused(&|json| json["columns"][0] = "other".into()).contains("other columns"));
        assert!(refused(&|json| json["model"]["tree"]["nodes"][0]["split"]["low"] = 0.into()).contains("damaged"));
        assert!(refused(&|json| json["rates"] = 3.into()).contains("not a saved model"));
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
