//! The rows that models learn from and are judged on, laid open, so that another program can learn from the very same.

use super::parts::{Parts, Span};
use super::split::ChronologicalSplit;
use super::train::Trainer;
use super::training::TrainSettings;
use crate::error::Result;
use crate::features::{Example, Matrix};
use crate::station::{StationCode, StationStatus};

/// The rows of the training span and of the test span, as [`train`](super::train) makes them from the same readings and
/// settings.
#[derive(Clone, Debug)]
pub struct LabelledRows {
    /// How far the target lies ahead of each origin, seconds.
    pub horizon_seconds: i64,
    /// Those that are learned from; no row meets its own answer in its features.
    pub train: LabelledPart,
    /// Those that are scored.
    pub test: LabelledPart,
}

/// Rows in the order of station, then time, all of one length.
#[derive(Clone, Debug)]
pub struct LabelledPart {
    /// The station of each row.
    pub stations: Vec<StationCode>,
    /// Event time of each origin, seconds since 1970 (UTC).
    pub times: Vec<i64>,
    /// Whether the station was full at the target.
    pub full: Vec<bool>,
    /// Free docks at the target.
    pub docks_then: Vec<u32>,
    /// The features, by the columns of [`columns`](crate::features::columns).
    pub matrix: Matrix,
}

impl LabelledRows {
    /// Labels and splits a history and makes the features, without fitting any model; `settings.model` counts for nothing.
    pub fn of(readings: &[StationStatus], settings: &TrainSettings) -> Result<Self> {
        let trainer = Trainer::new(readings)?;
        let target = settings.target()?;
        let split = ChronologicalSplit::new(trainer.data, settings.split, target)?;
        let examples = target.examples(&trainer.history);
        let (_, alone) = trainer.scope(settings, &examples, &split)?;
        let parts = Parts::new(&examples, &split, settings.test_until, alone)?;
        let flows = trainer.flows(split.test_from());
        let span = Span { history: &trainer.history, target, alone, flows: &flows };
        let (train, rates) = span.training(&parts.train);
        let test = span.later(&parts.test, &rates);
        Ok(Self {
            horizon_seconds: target.horizon,
            train: LabelledPart::new(&span, span.own(&parts.train), train),
            test: LabelledPart::new(&span, parts.test.iter(), test),
        })
    }
}

impl LabelledPart {
    fn new<'e>(span: &Span<'_>, examples: impl Iterator<Item = &'e Example>, matrix: Matrix) -> Self {
        let mut part = Self { stations: vec![], times: vec![], full: vec![], docks_then: vec![], matrix };
        for example in examples {
            part.stations.push(span.history.stations()[example.station].code().clone());
            part.times.push(example.time);
            part.full.push(example.full);
            part.docks_then.push(span.docks_then(example));
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::testing::reading;
    use crate::model::fitted::{Fitted, Model, Rows, Tuning};
    use crate::model::{ModelName, train};

    /// Two stations over ten days: 1 is full every morning, 2 every second one.
    fn network() -> Vec<StationStatus> {
        let slots = (0..10 * 48).flat_map(|slot: i64| [("1", slot), ("2", slot)]);
        let one = |(code, slot): (&str, i64)| {
            let busy = code == "1" || slot / 48 % 2 == 0;
            let full = busy && (14..20).contains(&(slot % 48));
            reading(code, slot * 1800, if full { 0 } else { u32::try_from(1 + slot % 7).unwrap() })
        };
        slots.map(one).collect()
    }

    #[test]
    fn they_are_the_rows_that_a_training_counts_and_scores() {
        let settings = TrainSettings { model: Some(ModelName::Calibrated), pooled: true, ..TrainSettings::default() };
        let readings = network();
        let training = train(&readings, &settings, &mut |_| {}).unwrap();
        let rows = LabelledRows::of(&readings, &settings).unwrap();
        for (part, origins) in [(&rows.train, training.origins.train), (&rows.test, training.origins.test)] {
            let lengths = [part.stations.len(), part.times.len(), part.full.len(), part.docks_then.len()];
            assert_eq!((lengths, part.matrix.len()), ([origins; 4], origins));
            assert!(part.full.iter().zip(&part.docks_then).all(|(&full, &docks)| full == (docks == 0)));
        }
        let tested = &training.tested;
        assert_eq!((&rows.test.stations, &rows.test.times), (&tested.stations, &tested.times));
        assert!(rows.test.full.iter().eq(tested.judged.iter().map(|judged| &judged.full)));
        assert!(rows.train.times.iter().all(|&time| time < training.split.timestamp()));
    }

    #[test]
    fn whoever_learns_from_them_learns_what_the_training_has_learned() {
        let settings = TrainSettings { model: Some(ModelName::Logistic), pooled: true, ..TrainSettings::default() };
        let readings = network();
        let training = train(&readings, &settings, &mut |_| {}).unwrap();
        let rows = LabelledRows::of(&readings, &settings).unwrap();
        let Fitted::Logistic(learned) = &training.model.horizons[0].model else { panic!("another model") };
        let LabelledPart { matrix, full, docks_then, .. } = &rows.train;
        let tuning = Tuning { alpha: learned.alpha(), ..Tuning::default() };
        let again = Fitted::fit(ModelName::Logistic, Rows { matrix, full, docks_then }, tuning).unwrap();
        assert_eq!(again, training.model.horizons[0].model);
        assert!(training.tested.forecasts.contains(&(ModelName::Logistic, again.predict(&rows.test.matrix))));
        assert_eq!(rows.horizon_seconds, training.horizon_seconds);
    }

    #[test]
    fn of_a_station_that_is_trained_on_alone_they_are_its_own() {
        let settings = TrainSettings { station: Some(StationCode::new("1").unwrap()), ..TrainSettings::default() };
        let rows = LabelledRows::of(&network(), &settings).unwrap();
        for part in [&rows.train, &rows.test] {
            assert!(part.stations.iter().all(|code| code.as_str() == "1"));
            assert_eq!(part.stations.len(), part.matrix.len());
        }
    }
}
