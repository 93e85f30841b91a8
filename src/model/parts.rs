//! The rows of each part of a history, and what came of them.

use chrono::{DateTime, Utc};

use super::fitted::Rows;
use super::split::{ChronologicalSplit, show};
use crate::error::{Error, ErrorKind, Result};
use crate::features::{DailyFlows, Example, Flows, History, Matrix, Rates, Target};

/// What rows are made from, but for which rows they are.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) history: &'a History,
    pub(super) target: Target,
    /// The only station whose rows count, if the others only stand around it.
    pub(super) alone: Option<usize>,
    pub(super) flows: &'a (Flows, DailyFlows),
}

impl Span<'_> {
    /// Those of the examples that are rows.
    pub(super) fn own<'e>(&self, examples: &'e [Example]) -> impl Iterator<Item = &'e Example> {
        let alone = self.alone;
        examples.iter().filter(move |example| alone.is_none_or(|alone| alone == example.station))
    }

    pub(super) fn training(&self, examples: &[Example]) -> (Matrix, Rates) {
        Matrix::of_training(self.history, examples, self.alone, &self.flows.1, self.target)
    }

    pub(super) fn later(&self, examples: &[Example], rates: &Rates) -> Matrix {
        Matrix::of(self.history, &origins(examples), rates, &self.flows.0, self.target)
    }

    pub(super) fn outcomes(&self, examples: &[Example]) -> Outcomes {
        let own = || self.own(examples);
        Outcomes {
            full: own().map(|example| example.full).collect(),
            docks_then: own().map(|example| self.docks_then(example)).collect(),
        }
    }

    pub(super) fn docks_then(&self, example: &Example) -> u32 {
        let docks = self.history.stations()[example.station].docks()[example.reading];
        docks.saturating_add_signed(example.change)
    }
}

/// What came of some rows.
pub(super) struct Outcomes {
    pub(super) full: Vec<bool>,
    pub(super) docks_then: Vec<u32>,
}

impl Outcomes {
    pub(super) fn rows<'a>(&'a self, matrix: &'a Matrix) -> Rows<'a> {
        Rows { matrix, full: &self.full, docks_then: &self.docks_then }
    }
}

/// The labelled origins of each part, in the order of station, then time: of all stations where the rates are fitted, of
/// the rows alone where it is scored.
pub(super) struct Parts {
    pub(super) fit: Vec<Example>,
    pub(super) validation: Vec<Example>,
    pub(super) train: Vec<Example>,
    pub(super) test: Vec<Example>,
}

impl Parts {
    pub(super) fn new(
        examples: &[Example],
        split: &ChronologicalSplit,
        test_until: Option<DateTime<Utc>>,
        alone: Option<usize>,
    ) -> Result<Self> {
        let is_row = |example: &Example| alone.is_none_or(|alone| alone == example.station);
        let part = |name: &str, belongs: &dyn Fn(&Example) -> bool| {
            let part: Vec<_> = examples.iter().copied().filter(belongs).collect();
            if !part.iter().any(is_row) {
                return Err(Error::new(
                    ErrorKind::Model,
                    format_args!(
                        "no origin in the {name} span has a label (validation from {}, test from {})",
                        show(split.validation_from()),
                        show(split.test_from())
                    ),
                )
                .way_out("take another --split, a larger --tolerance or a longer history"));
            }
            Ok(part)
        };
        let in_time = |example: &Example| test_until.is_none_or(|until| example.time < until.timestamp());
        Ok(Self {
            train: part("training", &|example| split.trains(example))?,
            fit: part("fitting", &|example| split.fits(example))?,
            validation: part("validation", &|example| is_row(example) && split.validates(example))?,
            test: part("test", &|example| is_row(example) && split.tests(example) && in_time(example))?,
        })
    }
}

/// The origins of examples, as the features take them.
pub(super) fn origins(examples: &[Example]) -> Vec<(usize, usize)> {
    examples.iter().map(|example| (example.station, example.reading)).collect()
}
