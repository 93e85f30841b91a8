//! The forecasts to choose from, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A way to forecast whether a station will be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelName {
    /// It stays as it is: 1 if the station is full now, else 0.
    Persistence,
    /// How often it came to be full, in training, from as many free docks as there are now.
    Calibrated,
    /// How often this station is full in these two hours, on working days or on days off.
    Climatology,
    /// Logistic regression on all features (linfa).
    Logistic,
    /// A decision tree on all features, its splits found by linfa.
    Tree,
    /// The station as a queue whose returns and rentals come at the rates usual at this hour.
    Queue,
    /// Gradient-boosted trees on all features (hessboost; the feature `boost` of this crate).
    Boost,
    /// The others, mixed with the weights that are best on the validation span.
    Blend,
}

impl ModelName {
    /// All of them, the simplest first.
    pub const ALL: [Self; 8] = [
        Self::Persistence,
        Self::Calibrated,
        Self::Climatology,
        Self::Logistic,
        Self::Tree,
        Self::Queue,
        Self::Boost,
        Self::Blend,
    ];

    /// Whether this program can fit it: all but [`Boost`](Self::Boost) without the feature `boost`.
    pub fn is_built_in(self) -> bool {
        self != Self::Boost || cfg!(feature = "boost")
    }

    /// The name, as it is written on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Persistence => "persistence",
            Self::Calibrated => "calibrated",
            Self::Climatology => "climatology",
            Self::Logistic => "logistic",
            Self::Tree => "tree",
            Self::Queue => "queue",
            Self::Boost => "boost",
            Self::Blend => "blend",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|model| model.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::usage("--model", format_args!("no model is called `{name}`")).way_out(format_args!("one of {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_another_is_wrong_usage() {
        for model in ModelName::ALL {
            assert_eq!(model.to_string().parse::<ModelName>().unwrap(), model);
            assert_eq!(serde_json::to_value(model).unwrap(), model.as_str());
        }
        let error = "forest".parse::<ModelName>().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error
                .to_string()
                .ends_with("one of persistence, calibrated, climatology, logistic, tree, queue, boost, blend"),
            "{error}"
        );
    }
}
