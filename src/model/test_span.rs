//! The test span, looked at once: what each model forecast there, and what its scores cannot say.

use super::count::{CountPersistence, CountScorer};
use super::evaluation::{Judged, StationGroup};
use super::fitted::{Fitted, Model};
use super::metrics::Scores;
use super::name::ModelName;
use super::parts::{Outcomes, Parts, Span, origins};
use super::scope::Scope;
use super::stopwatch::Stopwatch;
use super::training::{CountForecastScores, ModelScores, Tested, TrainSettings};
use crate::features::{Example, Matrix, Rates, docks_at_target, local_day_and_hour};

/// The test span with each model's forecasts.
pub(super) struct Test<'a> {
    pub(super) examples: &'a [Example],
    pub(super) full: Vec<bool>,
    pub(super) tested: Tested,
}

impl<'a> Test<'a> {
    pub(super) fn new(
        span: &Span<'_>,
        parts: &'a Parts,
        rates: &Rates,
        fitted: &[Fitted],
        watch: &mut Stopwatch,
    ) -> Self {
        let examples = &parts.test[..];
        let matrix = watch.time("features of the test rows", || span.later(examples, rates));
        let mut forecast = |model: &Fitted| {
            let name = model.name();
            (name, watch.time(format!("predict {name}"), || model.predict(&matrix)))
        };
        let forecasts = fitted.iter().map(&mut forecast).collect();
        let groups = groups(&parts.train, span.history.stations().len());
        let judged = examples.iter().map(|example| {
            let (day, hour) = local_day_and_hour(example.time);
            let (station, group) = (example.station as u32, groups[example.station]);
            Judged { station, day, hour, group, full: example.full }
        });
        let tested = Tested {
            judged: judged.collect(),
            forecasts,
            times: examples.iter().map(|example| example.time).collect(),
            stations: examples.iter().map(|example| span.history.stations()[example.station].code().clone()).collect(),
        };
        Self { examples, full: examples.iter().map(|example| example.full).collect(), tested }
    }

    /// The scores of each model over some of the rows; none if there are none.
    pub(super) fn scores(&self, of: impl Fn(&Example) -> bool) -> Vec<ModelScores> {
        let rows: Vec<_> = (0..self.examples.len()).filter(|&row| of(&self.examples[row])).collect();
        let came: Vec<_> = rows.iter().map(|&row| self.full[row]).collect();
        let pick = |(name, all): &(ModelName, Vec<f64>)| (*name, rows.iter().map(|&row| all[row]).collect());
        scores(&came, &self.tested.forecasts.iter().map(pick).collect::<Vec<_>>())
    }

    /// How well the number of free docks was forecast, by the queue and by what followed on as many free docks.
    pub(super) fn counts(
        &self,
        span: &Span<'_>,
        rates: &Rates,
        persistence: &CountPersistence,
    ) -> Vec<CountForecastScores> {
        let (mut by_queue, mut by_persistence) = (CountScorer::default(), CountScorer::default());
        docks_at_target(
            span.history,
            &origins(self.examples),
            rates,
            &span.flows.0,
            span.target,
            |row, distribution| {
                let example = &self.examples[row];
                let station = &span.history.stations()[example.station];
                let (docks, bikes) = (station.docks()[example.reading], station.bikes()[example.reading]);
                let then = span.docks_then(example);
                by_queue.add(distribution, then);
                by_persistence.add(&persistence.predict(docks, docks + bikes), then);
            },
        );
        let named = |forecast: ModelName, scorer: &CountScorer| {
            scorer.scores().map(|scores| CountForecastScores { forecast: forecast.to_string(), scores })
        };
        let both = [named(ModelName::Persistence, &by_persistence), named(ModelName::Queue, &by_queue)];
        both.into_iter().flatten().collect()
    }
}

/// How free docks changed in the training rows, by how many there were.
pub(super) fn count_persistence(matrix: &Matrix, outcomes: &Outcomes) -> CountPersistence {
    let change = |(&docks, &then): (&u32, &u32)| (i64::from(then) - i64::from(docks)) as i32;
    let changes: Vec<_> = matrix.docks.iter().zip(&outcomes.docks_then).map(change).collect();
    CountPersistence::fit(&matrix.docks, &changes)
}

/// How often each station came to be full in the training span.
fn groups(train: &[Example], stations: usize) -> Vec<StationGroup> {
    let mut tallies = vec![(0u32, 0u32); stations];
    for example in train {
        let tally = &mut tallies[example.station];
        *tally = (tally.0 + u32::from(example.full), tally.1 + 1);
    }
    tallies.iter().map(|&(full, count)| StationGroup::of(f64::from(full) / f64::from(count.max(1)))).collect()
}

/// The scores of each model's forecasts, with calibrated persistence, which is one of them, to compare with.
pub(super) fn scores(came: &[bool], forecasts: &[(ModelName, Vec<f64>)]) -> Vec<ModelScores> {
    let Some((_, calibrated)) = forecasts.iter().find(|(name, _)| *name == ModelName::Calibrated) else {
        return Vec::new();
    };
    let one = |(model, p): &(ModelName, Vec<f64>)| {
        Some(ModelScores { model: *model, scores: Scores::new(came, p, calibrated)? })
    };
    forecasts.iter().filter_map(one).collect()
}

/// The sentences that keep a reader from taking a number for a success.
pub(super) fn say_what_the_test_cannot(
    chosen: ModelName,
    scope: &Scope,
    settings: &TrainSettings,
    test: &[ModelScores],
    station: Option<&[ModelScores]>,
    notes: &mut Vec<String>,
) {
    if let Scope::PooledForStation { code, why } = scope {
        notes.push(format!(
            "station {code} is not trained on alone: {why}; the models are trained on all stations, with each station's \
             own history as features"
        ));
    }
    let reported = station.unwrap_or(test);
    let who = settings.station.as_ref().map_or_else(|| "no station".to_owned(), |code| format!("station {code}"));
    match reported.first() {
        None => notes.push(format!("{who} has no labelled origin in the test span: there is nothing to score for it")),
        Some(one) if one.scores.events == 0 => {
            let never =
                if settings.station.is_some() { format!("{who} was never full") } else { format!("{who} was full") };
            notes.push(format!(
                "{never} in the test span: no ranking score can be had, and a Brier score near 0 is what anybody gets who \
                 always says no"
            ));
        }
        Some(_) => {}
    }
    let own = reported.iter().find(|scores| scores.model == chosen);
    if let Some(skill) = own.and_then(|own| own.scores.brier_skill).filter(|&skill| skill <= 0.0)
        && chosen != ModelName::Calibrated
    {
        notes.push(format!(
            "{chosen} does not beat calibrated persistence in the test span (Brier skill {skill:+.3}): use `--model \
             calibrated`, or a longer history"
        ));
    }
}
