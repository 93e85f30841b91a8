//! What an experiment asks: the shape of `experiments/*.toml`. A value that cannot be is refused where it is read, so that
//! the reader of the file can name its line.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::super::name::ModelName;
use super::super::training::TrainSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{SimulatedNetwork, SimulationConfig, Source};
use crate::station::StationCode;

/// An experiment: the question, the data, the split, what is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSettings {
    /// What it is called, in a few words.
    pub title: String,
    /// What it asks, in a sentence or two.
    pub question: String,
    /// What it works on.
    pub data: ExperimentData,
    /// The network that is simulated, where `data` says so.
    #[serde(default)]
    pub simulation: SimulationSettings,
    /// How far ahead to forecast; each once, in any order.
    #[serde(deserialize_with = "horizons")]
    pub horizons: Vec<Span>,
    /// How far from the horizon the reading that tells the label may be; `None` for a third of the horizon, and at most 20
    /// minutes.
    #[serde(default)]
    pub tolerance: Option<Span>,
    /// The models to compare, calibrated persistence always among them; empty for all.
    #[serde(default)]
    pub models: Vec<ModelName>,
    /// The station whose week is drawn, if any.
    #[serde(default)]
    pub station: Option<StationCode>,
    /// Where training ends and testing begins, once or several times.
    #[serde(default)]
    pub split: SplitSettings,
}

/// What an experiment works on: in TOML `"simulated"`, or a list of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExperimentData {
    /// The simulated network, whose truth is known.
    Simulated,
    /// Recordings, CSV or Parquet.
    Files(Vec<PathBuf>),
}

/// The network of a simulated experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulationSettings {
    /// How many stations. 60.
    pub stations: usize,
    /// For how many days. 14.
    pub days: NonZeroU32,
    /// The time between two polls. 5 minutes.
    pub step: Span,
    /// The same seed gives the same readings. 1.
    pub seed: u64,
}

/// The rolling origin: each fold trains on all before its split and tests until the next fold's; the last tests to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSplit")]
pub struct SplitSettings {
    /// The first split; `None` for `test_days` before the end of the data, or without those the last quarter of its time.
    pub first: Option<DateTime<Utc>>,
    /// How many days (UTC) at the end are tested on, that of the last reading being one of them.
    pub test_days: Option<NonZeroU32>,
    /// From one split to the next; `None` for folds of equal length up to the end.
    pub step: Option<Span>,
    /// Number of splits. 1.
    pub folds: NonZeroU32,
}

/// A length of time of at least a second, written `90s`, `15m`, `2h` or `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(TimeDelta);

impl ExperimentSettings {
    /// The simulated network that it works on; `None` for recorded data. Settings that cannot be simulated are an error.
    pub fn network(&self) -> Result<Option<SimulatedNetwork>> {
        if self.data != ExperimentData::Simulated {
            return Ok(None);
        }
        let SimulationSettings { stations, days, step, seed } = self.simulation;
        let duration = TimeDelta::days(i64::from(days.get()));
        let config = SimulationConfig { seed, stations, duration, step: step.get(), ..SimulationConfig::default() };
        SimulatedNetwork::new(config).map(Some)
    }

    /// Where its data come from, as it stands on everything made from them.
    pub fn source(&self) -> Result<String> {
        let recorded = || "Data: Paris Data, ODbL".to_owned();
        Ok(self.network()?.map_or_else(recorded, |network| network.describe().replacen("the s", "S", 1)))
    }

    /// What is trained in the fold that tests `from` a time `until` the next.
    pub(super) fn training(
        &self,
        horizon: Span,
        (from, until): (DateTime<Utc>, Option<DateTime<Utc>>),
    ) -> TrainSettings {
        TrainSettings {
            horizon: horizon.get(),
            tolerance: self.tolerance.map(Span::get),
            split: Some(from),
            test_until: until,
            among: self.models.clone(),
            pooled: true,
            ..TrainSettings::default()
        }
    }
}

impl Default for SimulationSettings {
    fn default() -> Self {
        let SimulationConfig { seed, stations, step, .. } = SimulationConfig::default();
        Self { stations, days: NonZeroU32::MIN.saturating_add(13), step: Span(step), seed }
    }
}

impl Default for SplitSettings {
    fn default() -> Self {
        Self { first: None, test_days: None, step: None, folds: NonZeroU32::MIN }
    }
}

impl SplitSettings {
    /// From when, and until when, each fold tests, on data that span `data`; the last until the data end.
    pub(super) fn folds(&self, data: (DateTime<Utc>, DateTime<Utc>)) -> Vec<(DateTime<Utc>, Option<DateTime<Utc>>)> {
        let (start, end) = data;
        let midnight = DateTime::from_timestamp(end.timestamp().div_euclid(DAY) * DAY, 0).unwrap_or(end);
        let days = |days: NonZeroU32| midnight - TimeDelta::days(i64::from(days.get()) - 1);
        let first = self.first.or(self.test_days.map(days)).unwrap_or(end - (end - start) / 4);
        let folds = i32::try_from(self.folds.get()).unwrap_or(i32::MAX);
        let step = self.step.map_or((end - first) / folds, Span::get);
        let at = |fold: i32| first + step * fold;
        (0..folds).map(|fold| (at(fold), (fold + 1 < folds).then(|| at(fold + 1)))).collect()
    }
}

impl Span {
    /// A span of whole seconds; one of less than a second is an error.
    pub fn new(span: TimeDelta) -> Result<Self> {
        let whole = TimeDelta::seconds(span.num_seconds());
        if whole > TimeDelta::zero() { Ok(Self(whole)) } else { Err(no_span(&format!("{}s", span.num_seconds()))) }
    }

    /// The span.
    pub fn get(self) -> TimeDelta {
        self.0
    }
}

/// In the largest unit that it is a whole number of.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let (unit, name) = UNITS.into_iter().find(|(unit, _)| seconds % unit == 0).unwrap_or((1, 's'));
        f.pad(&format!("{}{name}", seconds / unit))
    }
}

impl std::str::FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let name = text.chars().last()?;
            let (unit, _) = UNITS.into_iter().find(|(_, known)| *known == name)?;
            let count: i64 = text[..text.len() - 1].trim().parse().ok()?;
            Self::new(TimeDelta::try_seconds(count.checked_mul(unit)?)?).ok()
        };
        // Years are spans too long to forecast, and too long for arithmetic with times.
        parse().filter(|span| span.0 <= TimeDelta::days(3650)).ok_or_else(|| no_span(text))
    }
}

impl TryFrom<String> for Span {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Seconds of each unit, the largest first.
const UNITS: [(i64, char); 4] = [(DAY, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];

fn no_span(text: &str) -> Error {
    Error::new(ErrorKind::Usage, format_args!("`{text}` is not a length of time")).way_out("write 90s, 15m, 2h or 3d")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedSplit {
    first: Option<DateTime<Utc>>,
    test_days: Option<NonZeroU32>,
    step: Option<Span>,
    folds: Option<NonZeroU32>,
}

impl TryFrom<UncheckedSplit> for SplitSettings {
    type Error = Error;

    fn try_from(UncheckedSplit { first, test_days, step, folds }: UncheckedSplit) -> Result<Self> {
        let refuse = |message: &str| Error::new(ErrorKind::Usage, message);
        if first.is_some() && test_days.is_some() {
            return Err(refuse("`first` and `test_days` both say where testing begins").way_out("keep one of them"));
        }
        if test_days.is_some_and(|days| days.get() > MOST_TEST_DAYS) {
            return Err(refuse("so many `test_days` are longer than any history")
                .way_out(format_args!("take at most {MOST_TEST_DAYS}")));
        }
        let folds = folds.unwrap_or(NonZeroU32::MIN);
        if folds.get() > MOST_FOLDS {
            return Err(
                refuse(&format!("{folds} folds are too many")).way_out(format_args!("take at most {MOST_FOLDS}"))
            );
        }
        Ok(Self { first, test_days, step, folds })
    }
}

/// More would train for days.
const MOST_FOLDS: u32 = 100;
/// Ten years.
const MOST_TEST_DAYS: u32 = 3_650;

/// At least one, and none twice; the shortest first.
fn horizons<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Span>, D::Error> {
    let mut horizons = Vec::<Span>::deserialize(deserializer)?;
    horizons.sort_unstable();
    if horizons.is_empty() {
        return Err(de::Error::custom("there is no horizon; write for example [\"15m\", \"60m\"]"));
    }
    match horizons.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(de::Error::custom(format_args!("the horizon {} is there twice", pair[0]))),
        None => Ok(horizons),
    }
}

impl Serialize for ExperimentData {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Simulated => serializer.serialize_str(SIMULATED),
            Self::Files(files) => files.serialize(serializer),
        }
    }
}

/// The name of the data that need no file.
const SIMULATED: &str = "simulated";

impl<'de> Deserialize<'de> for ExperimentData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = ExperimentData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"simulated\", or a list of CSV and Parquet files")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<ExperimentData, E> {
        if text == SIMULATED {
            return Ok(ExperimentData::Simulated);
        }
        Err(E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<ExperimentData, A::Error> {
        let mut files = Vec::new();
        while let Some(file) = list.next_element()? {
            files.push(file);
        }
        if files.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(ExperimentData::Files(files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(more: &str) -> std::result::Result<ExperimentSettings, toml::de::Error> {
        toml::from_str(&format!("title = \"t\"\nquestion = \"q\"\n{more}"))
    }

    #[test]
    fn a_short_file_is_enough_and_comes_back_from_json() {
        let settings = parse("data = \"simulated\"\nhorizons = [\"2h\", \"15m\"]").unwrap();
        assert_eq!(settings.horizons.iter().map(Span::to_string).collect::<Vec<_>>(), ["15m", "2h"]);
        assert_eq!((settings.simulation, settings.split), (SimulationSettings::default(), SplitSettings::default()));
        assert_eq!(settings.source().unwrap(), "Simulated network (60 stations, seed 1, every 5 min for 14 days)");
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<ExperimentSettings>(&json).unwrap(), settings);

        let recorded =
            parse("data = [\"a.csv\"]\nhorizons = [\"1h\"]\n[split]\nfirst = \"2022-05-23T00:00:00Z\"\nfolds = 2");
        let recorded = recorded.unwrap();
        assert_eq!((recorded.data, recorded.split.folds.get()), (ExperimentData::Files(vec!["a.csv".into()]), 2));
    }

    #[test]
    fn what_cannot_be_is_refused_in_its_line() {
        for (more, line, message) in [
            ("data = \"simulated\"\nhorizons = [\"15 parsecs\"]", 4, "`15 parsecs` is not a length of time; write 90s"),
            ("data = \"simulated\"\nhorizons = [\"0m\"]", 4, "`0m` is not a length of time"),
            ("data = \"simulated\"\nhorizons = []", 4, "there is no horizon"),
            ("data = \"simulated\"\nhorizons = [\"1h\", \"60m\"]", 4, "the horizon 1h is there twice"),
            ("horizons = [\"1h\"]\ndata = \"portal\"", 4, "expected \"simulated\", or a list"),
            ("horizons = [\"1h\"]\ndata = []", 4, "expected \"simulated\", or a list"),
            ("data = \"simulated\"\nhorizon = \"1h\"", 4, "unknown field `horizon`"),
            ("data = \"simulated\"\nhorizons = [\"1h\"]\nmodels = [\"forest\"]", 5, "unknown variant `forest`"),
            ("data = \"simulated\"\nhorizons = [\"1h\"]\n[split]\nfolds = 0", 6, "nonzero"),
            ("data = \"simulated\"\nhorizons = [\"1h\"]\n[split]\nfold = 1", 6, "unknown field `fold`"),
            ("data = \"simulated\"\nhorizons = [\"1h\"]\n[split]\nfolds = 101", 5, "101 folds are too many"),
            (
                "data = \"simulated\"\nhorizons = [\"1h\"]\n[split]\ntest_days = 1\nfirst = \"2022-05-23T00:00:00Z\"",
                5,
                "both say where testing begins",
            ),
        ] {
            let error = parse(more).unwrap_err();
            assert!(error.message().contains(message), "{more}: {error}");
            let text = format!("title = \"t\"\nquestion = \"q\"\n{more}");
            let found = text[..error.span().unwrap().start].matches('\n').count() + 1;
            assert_eq!(found, line, "{more}: {error}");
        }
    }

    #[test]
    fn folds_follow_on_one_another_to_the_end() {
        let at = |day: i64| DateTime::from_timestamp(day * DAY, 0).unwrap();
        let split = |split: &str| toml::from_str::<SplitSettings>(split).unwrap().folds((at(0), at(20)));
        assert_eq!(split(""), [(at(15), None)]);
        assert_eq!(split("test_days = 5\nstep = \"2d\"\nfolds = 2"), [(at(16), Some(at(18))), (at(18), None)]);
        let equal = split("test_days = 5\nfolds = 2");
        assert_eq!(equal, [(at(16), Some(at(18))), (at(18), None)]);
        let three = split("first = \"1970-01-11T00:00:00Z\"\nstep = \"3d\"\nfolds = 3");
        assert_eq!(three, [(at(10), Some(at(13))), (at(13), Some(at(16))), (at(16), None)]);
    }

    proptest! {
        #[test]
        fn every_span_reads_back(seconds in 1..300_000_000i64) {
            let span = Span::new(TimeDelta::seconds(seconds)).unwrap();
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
            prop_assert_eq!(span.get().num_seconds(), seconds);
        }

        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = text.parse::<Span>();
        }
    }
}
