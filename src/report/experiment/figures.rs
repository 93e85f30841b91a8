//! The figures of an experiment: one by horizon, the others of the horizon that stands for all.

use super::super::{
    Figure, HorizonPoint, HorizonSkill, HourShare, HourSkill, ModelRegret, ModelReliability, ModelScore, ModelScores,
    PageFigure, PrecisionRecall, PrecisionRecallCurve, RegretBars, ReliabilityDiagram, SkillByHorizon, SkillByHour,
};
use super::tables::{minutes_ahead, percent, skill};
use super::{NamedFigure, REFERENCE, name};
use crate::features::local_day_and_hour;
use crate::model::{Evaluation, Experiment, HorizonResult, ModelEvaluation, ModelName, Tested, precision_recall};

/// The figures that an experiment has; none without scores. That of precision and recall and that by hour need the rows,
/// which are not in the JSON of an experiment.
pub fn experiment_figures(experiment: &Experiment) -> Vec<NamedFigure> {
    let Some((main, evaluation)) = experiment.main_horizon().and_then(|main| Some((main, main.evaluation.as_ref()?)))
    else {
        return Vec::new();
    };
    let of = Of { source: &experiment.source, ahead: minutes_ahead(main), main, evaluation };
    let mut figures = vec![by_horizon(experiment), of.scores(), of.reliability()];
    if !main.tested.times.is_empty() {
        figures.extend([of.precision_recall(), of.by_hour()]);
    }
    figures.extend(of.regret());
    figures
}

/// The models that a crowded figure shows: the baseline, and the best three.
const MOST: usize = 4;

fn by_horizon(experiment: &Experiment) -> NamedFigure {
    let mut models: Vec<ModelName> = Vec::new();
    let scored = || experiment.horizons.iter().filter_map(|horizon| Some((horizon, horizon.evaluation.as_ref()?)));
    for (_, evaluation) in scored() {
        let new = evaluation.models.iter().map(|model| model.model).filter(|model| !models.contains(model));
        let new: Vec<_> = new.collect();
        models.extend(new);
    }
    models.sort_unstable();
    // A horizon of too few days for intervals would only spoil the scale of the others.
    let is_sure = |evaluation: &Evaluation| evaluation.models.iter().any(|one| one.intervals.brier_skill.is_some());
    let some_are = scored().any(|(_, evaluation)| is_sure(evaluation));
    let drawn = || scored().filter(|(_, evaluation)| is_sure(evaluation) || !some_are);
    let of_model = |&model: &ModelName| {
        let points = drawn().filter_map(|(horizon, evaluation)| {
            let own = evaluation.models.iter().find(|one| one.model == model)?;
            Some(HorizonPoint {
                horizon_minutes: horizon.minutes(),
                skill: own.scores.brier_skill?,
                low: own.intervals.brier_skill.map(|interval| interval.low),
                high: own.intervals.brier_skill.map(|interval| interval.high),
            })
        });
        HorizonSkill { name: name(model), points: points.collect() }
    };
    let figure = SkillByHorizon {
        title: "Station full? Brier skill by horizon".into(),
        source: experiment.source.clone(),
        reference: REFERENCE.into(),
        models: models.iter().map(of_model).collect(),
    };
    let told = drawn().filter_map(|(horizon, evaluation)| {
        let best = best_first(evaluation).into_iter().next()?;
        Some(format!("{} at {}: {}", name(best.model), minutes_ahead(horizon), skill(best.scores.brier_skill)))
    });
    named(
        "skill-by-horizon",
        "Brier skill of each model by horizon; whiskers: 95 % intervals over days.",
        &format!("The best: {}.", told.collect::<Vec<_>>().join("; ")),
        figure,
    )
}

/// One horizon of an experiment.
struct Of<'a> {
    source: &'a str,
    ahead: String,
    main: &'a HorizonResult,
    evaluation: &'a Evaluation,
}

impl Of<'_> {
    fn scores(&self) -> NamedFigure {
        let model = |model: &ModelEvaluation| ModelScore {
            name: name(model.model),
            brier: Some(model.scores.brier),
            brier_skill: model.scores.brier_skill,
            low: model.intervals.brier_skill.map(|interval| interval.low),
            high: model.intervals.brier_skill.map(|interval| interval.high),
        };
        let figure = ModelScores {
            title: format!("Station full {} ahead? Brier skill", self.ahead),
            source: self.source.to_owned(),
            reference: REFERENCE.into(),
            models: self.evaluation.models.iter().map(model).collect(),
        };
        let told = self
            .evaluation
            .models
            .iter()
            .map(|model| format!("{} {}", name(model.model), skill(model.scores.brier_skill)));
        let alt = format!("Skill: {}.", told.collect::<Vec<_>>().join(", "));
        named("skill", &format!("Brier skill {} ahead, with 95 % intervals over days.", self.ahead), &alt, figure)
    }

    fn reliability(&self) -> NamedFigure {
        let model =
            |model: &&ModelEvaluation| ModelReliability { name: name(model.model), bins: model.reliability.clone() };
        let shown = self.shown();
        let figure = ReliabilityDiagram {
            title: format!("Reliability: station full {} ahead", self.ahead),
            source: self.source.to_owned(),
            models: shown.iter().map(model).collect(),
        };
        let told = shown.iter().map(|model| format!("{} {:.5}", name(model.model), model.sharpness.reliability));
        named(
            "reliability",
            &format!("How often stations were full {} later when it was forecast about so.", self.ahead),
            &format!("Mean squared distance from the diagonal: {}.", told.collect::<Vec<_>>().join(", ")),
            figure,
        )
    }

    fn precision_recall(&self) -> NamedFigure {
        let tested = &self.main.tested;
        let came: Vec<_> = tested.judged.iter().map(|row| row.full).collect();
        let shown = self.shown();
        let curves = shown.iter().filter_map(|model| {
            let (_, forecasts) = tested.forecasts.iter().find(|(name, _)| *name == model.model)?;
            Some(PrecisionRecallCurve {
                name: name(model.model),
                average_precision: model.scores.average_precision,
                points: precision_recall(&came, forecasts),
            })
        });
        let figure = PrecisionRecall {
            title: format!("Precision and recall: station full {} ahead", self.ahead),
            source: self.source.to_owned(),
            base_rate: self.evaluation.base_rate,
            models: curves.collect(),
        };
        let told = shown
            .iter()
            .filter_map(|model| Some(format!("{} {:.3}", name(model.model), model.scores.average_precision?)));
        named(
            "precision-recall",
            &format!("Precision against recall {} ahead.", self.ahead),
            &format!("Average precision: {}.", told.collect::<Vec<_>>().join(", ")),
            figure,
        )
    }

    fn by_hour(&self) -> NamedFigure {
        let hours = Hours::new(&self.main.tested, self.main.horizon_seconds);
        // The baseline is not drawn, but keeps its place: so the others have the colours of the figures beside this.
        let models = self.shown();
        let models = models.iter().map(|model| HourSkill { name: name(model.model), skill: hours.skill(model.model) });
        let figure = SkillByHour {
            title: format!("Station full {} ahead? Brier skill by hour of day", self.ahead),
            source: self.source.to_owned(),
            reference: REFERENCE.into(),
            horizon_minutes: self.main.minutes(),
            hours: hours.shares(),
            models: models.collect(),
        };
        let highest =
            hours.shares().into_iter().max_by(|a, b| a.base_rate.unwrap_or(0.0).total_cmp(&b.base_rate.unwrap_or(0.0)));
        let told = highest.map_or_else(String::new, |hour| {
            format!("The base rate is highest at {}:00: {}.", hour.hour, percent(hour.base_rate.unwrap_or(0.0), 1))
        });
        named(
            "skill-by-hour",
            &format!("Brier skill by hour of day, {} ahead, above the base rate.", self.ahead),
            &told,
            figure,
        )
    }

    fn regret(&self) -> Option<NamedFigure> {
        let regret = &self.main.regret;
        let figure = RegretBars {
            title: format!("Regret against the exact probabilities, {} ahead", self.ahead),
            source: self.source.to_owned(),
            optimal_brier: regret.first()?.optimal_brier,
            models: regret
                .iter()
                .map(|one| ModelRegret { name: name(one.model), regret: one.regret, brier: one.brier })
                .collect(),
        };
        let told = regret.iter().map(|one| format!("{} {}", name(one.model), percent(one.regret, 1)));
        let alt = format!("Regret: {}.", told.collect::<Vec<_>>().join(", "));
        Some(named("regret", &format!("How far each model is from the truth {} ahead.", self.ahead), &alt, figure))
    }

    /// The baseline and the best of the others, in the order of their names.
    fn shown(&self) -> Vec<&ModelEvaluation> {
        let best = best_first(self.evaluation).into_iter().filter(|model| model.model != ModelName::Calibrated);
        let mut shown: Vec<_> = best.take(MOST - 1).collect();
        shown.extend(self.evaluation.models.iter().filter(|model| model.model == ModelName::Calibrated));
        shown.sort_by_key(|model| model.model);
        shown
    }
}

/// Squared errors by the local hour that the forecasts are for.
struct Hours<'a> {
    tested: &'a Tested,
    hours: Vec<usize>,
    tallies: [(u64, u64); 24],
    reference: [f64; 24],
}

impl<'a> Hours<'a> {
    fn new(tested: &'a Tested, horizon: i64) -> Self {
        let hour = |&time: &i64| usize::from(local_day_and_hour(time + horizon).1) % 24;
        let mut hours = Self {
            tested,
            hours: tested.times.iter().map(hour).collect(),
            tallies: [(0, 0); 24],
            reference: [0.0; 24],
        };
        for (row, &hour) in tested.judged.iter().zip(&hours.hours) {
            hours.tallies[hour].0 += 1;
            hours.tallies[hour].1 += u64::from(row.full);
        }
        hours.reference = hours.errors(ModelName::Calibrated);
        hours
    }

    fn errors(&self, model: ModelName) -> [f64; 24] {
        let mut errors = [0.0; 24];
        let forecasts = self.tested.forecasts.iter().find(|(name, _)| *name == model);
        for ((p, row), &hour) in forecasts.iter().flat_map(|(_, p)| p).zip(&self.tested.judged).zip(&self.hours) {
            errors[hour] += (f64::from(u8::from(row.full)) - p).powi(2);
        }
        errors
    }

    /// The skill in each hour; unknown where only one thing ever came.
    fn skill(&self, model: ModelName) -> Vec<Option<f64>> {
        let errors = self.errors(model).into_iter().zip(self.reference).zip(self.tallies);
        let skill = |((error, reference), (origins, events)): ((f64, f64), (u64, u64))| {
            (events > 0 && events < origins && reference > 0.0).then(|| 1.0 - error / reference)
        };
        errors.map(skill).collect()
    }

    fn shares(&self) -> Vec<HourShare> {
        let some = (0..).zip(self.tallies).filter(|(_, (origins, _))| *origins > 0);
        let share = |(hour, (origins, events)): (u32, (u64, u64))| HourShare {
            hour,
            base_rate: Some(events as f64 / origins as f64),
            count: origins,
        };
        some.map(share).collect()
    }
}

fn best_first(evaluation: &Evaluation) -> Vec<&ModelEvaluation> {
    let mut models: Vec<_> = evaluation.models.iter().collect();
    models.sort_by(|a, b| a.scores.brier.total_cmp(&b.scores.brier));
    models
}

fn named(name: &'static str, caption: &str, alt: &str, figure: impl Into<Figure>) -> NamedFigure {
    NamedFigure { name, figure: PageFigure { caption: caption.to_owned(), alt: alt.to_owned(), figure: figure.into() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Judged, StationGroup};

    #[test]
    fn an_hour_is_that_of_the_moment_forecast_and_one_outcome_alone_has_no_skill() {
        let row = |full| Judged { station: 0, day: 0, hour: 0, group: StationGroup::Never, full };
        // 12:30 in Paris in winter, an hour before the moment; then 13:30.
        let noon = 1_709_551_800;
        let tested = Tested {
            judged: vec![row(true), row(false), row(false)],
            times: vec![noon, noon, noon + 3600],
            forecasts: vec![(ModelName::Calibrated, vec![0.5, 0.5, 0.5]), (ModelName::Queue, vec![0.75, 0.25, 0.0])],
            ..Tested::default()
        };
        let hours = Hours::new(&tested, 3600);
        let shares = hours.shares();
        assert_eq!(
            shares.iter().map(|one| (one.hour, one.base_rate, one.count)).collect::<Vec<_>>(),
            [(13, Some(0.5), 2), (14, Some(0.0), 1)]
        );
        let skill = hours.skill(ModelName::Queue);
        assert_eq!((skill.len(), skill[13], skill[14], skill[0]), (24, Some(0.75), None, None));
    }
}
