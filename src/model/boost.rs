//! Gradient-boosted trees by hessboost, behind the feature `boost`; without it the name is known and says what is missing.
//!
//! Whether a dock is free says less than how many are, so three first models learn that from the same features: how many
//! (up to 8), whether at most 1, whether at most 3. What they forecast are further columns for the trees that count, and
//! for a training row it is forecast by models that never saw the row's day (stacking: Wolpert 1992). A few runs with
//! seeds of their own are averaged as log odds. The same rows give the same model, whatever the number of threads; it
//! is saved as hessboost's own bytes.

/// How far the trees that count may go. A large network bears many; rows that are near each other in time, or few
/// stations, are soon learned by heart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Many trees of many leaves.
    Free,
    /// Few and small ones.
    Careful,
}

impl Growth {
    /// Both, for the validation span to choose from.
    pub(super) const ALL: [Self; 2] = [Self::Free, Self::Careful];
}

#[cfg(feature = "boost")]
pub(super) use with::Boost;
#[cfg(not(feature = "boost"))]
pub(super) use without::Boost;

#[cfg(feature = "boost")]
mod with {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use hessboost::config::GrowPolicy;
    use hessboost::objective::{Objective, RegLoss};
    use hessboost::prelude::{
        BoostedModel, DMatrix, HessboostError, Iterations, ModelFormat, TrainingParams, TreeMethod,
    };
    use ndarray::Array2;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    use super::super::fitted::{Model, Rows};
    use super::super::metrics::cut;
    use super::Growth;
    use crate::error::{Error, ErrorKind, Result};
    use crate::features::Matrix;

    type Told<T> = std::result::Result<T, HessboostError>;

    /// What is learned from a number of free docks.
    type Label = fn(u32) -> f32;

    /// The trees of the models whose forecasts are columns.
    const HINTS: Trials = Trials { trees: 120, eta: 0.08, leaves: 31, weight: 5.0 };
    /// The runs that are averaged, by their seeds.
    const SEEDS: [u64; 3] = [1, 2, 3];
    /// The parts that the days are dealt into, one left out at a time.
    const FOLDS: usize = 4;
    /// More free docks than this count as so many.
    const MANY: u32 = 8;

    /// The trees of one run.
    #[derive(Clone, Copy)]
    struct Trials {
        trees: usize,
        /// How much of each tree's advice is followed.
        eta: f64,
        leaves: usize,
        /// The least weight of a leaf: the sum over its rows of the loss's second derivative.
        weight: f64,
    }

    impl Trials {
        fn of(growth: Growth) -> Self {
            match growth {
                Growth::Free => Self { trees: 400, eta: 0.03, leaves: 31, weight: 5.0 },
                Growth::Careful => Self { trees: 100, eta: 0.03, leaves: 8, weight: 100.0 },
            }
        }
    }

    /// The trees of all runs, and of the models before them.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(in super::super) struct Boost {
        hints: Vec<Trees>,
        trees: Trees,
    }

    /// Trees as hessboost keeps them; in JSON its own bytes.
    #[derive(Clone, Debug)]
    struct Trees(BoostedModel);

    impl Boost {
        /// Learns from rows and what came of them, once for each growth.
        pub(in super::super) fn each(rows: Rows<'_>, growths: &[Growth]) -> Result<Vec<Self>> {
            let events = rows.full.iter().filter(|&&full| full).count();
            if events == 0 || events == rows.full.len() {
                let all = if events == 0 { "none" } else { "every one" };
                return Err(Error::new(
                    ErrorKind::Model,
                    format_args!("boosting needs both outcomes: of {} training rows {all} is full", rows.full.len()),
                )
                .way_out("take a longer history, or all stations together"));
            }
            Self::grow(rows, growths).map_err(|error| {
                Error::new(ErrorKind::Model, format_args!("the boosted trees cannot be fitted: {error}"))
            })
        }

        fn grow(Rows { matrix, full, docks_then }: Rows<'_>, growths: &[Growth]) -> Told<Vec<Self>> {
            let (count, width) = matrix.values.dim();
            let plain = DMatrix::from_dense_vec(singles(&matrix.values), count, width)?;
            let folds = folds(&matrix.days);
            let (mut hints, mut columns) = (Vec::new(), Vec::new());
            if let Some(folds) = folds {
                for (objective, label) in hint_targets() {
                    let labels: Vec<f32> = docks_then.iter().map(|&docks| label(docks)).collect();
                    let mut column = vec![0.0; count];
                    for fold in 0..FOLDS {
                        let (out, kept): (Vec<_>, Vec<_>) = (0..count).partition(|&row| folds[row] == fold);
                        if out.is_empty() {
                            continue;
                        }
                        let model = run(&objective, &plain.select_rows(&kept)?, &pick(&labels, &kept), HINTS, 1)?;
                        let told = model.predict(&plain.select_rows(&out)?, Iterations::Best)?;
                        out.iter().zip(told.as_slice()).for_each(|(&row, &told)| column[row] = told);
                    }
                    hints.push(Trees(run(&objective, &plain, &labels, HINTS, 1)?));
                    columns.push(column);
                }
            }
            let data = DMatrix::from_dense_vec(beside(&matrix.values, &columns), count, width + columns.len())?;
            drop(plain);
            let labels: Vec<_> = full.iter().map(|&full| f32::from(u8::from(full))).collect();
            let objective = Objective::BinaryLogistic(RegLoss::default());
            let grown = growths.iter().map(|&growth| {
                let runs = SEEDS.map(|seed| run(&objective, &data, &labels, Trials::of(growth), seed));
                let runs = runs.into_iter().collect::<Told<Vec<_>>>()?;
                Ok(Self { hints: hints.clone(), trees: Trees(BoostedModel::average(&runs)?) })
            });
            grown.collect()
        }

        fn told(&self, matrix: &Matrix) -> Told<Vec<f64>> {
            let plain = singles(&matrix.values);
            let hint = |hint: &Trees| Ok(hint.0.predict_rows(&plain, Iterations::Best)?.as_slice().to_vec());
            let columns = self.hints.iter().map(hint).collect::<Told<Vec<_>>>()?;
            let told = self.trees.0.predict_rows(&beside(&matrix.values, &columns), Iterations::Best)?;
            Ok(told.as_slice().iter().map(|&p| cut(f64::from(p))).collect())
        }
    }

    impl Model for Boost {
        fn predict(&self, matrix: &Matrix) -> Vec<f64> {
            // `is_sound` has seen to the only thing that can be wrong, the number of columns: no forecast is no certainty.
            self.told(matrix).unwrap_or_else(|_| vec![0.5; matrix.len()])
        }

        fn is_sound(&self, width: usize) -> bool {
            let hints = self.hints.len();
            self.hints.iter().all(|hint| hint.0.n_features() == width) && self.trees.0.n_features() == width + hints
        }
    }

    /// What the first models learn to tell, from the free docks at the target.
    fn hint_targets() -> [(Objective, Label); 3] {
        let whether = || Objective::BinaryLogistic(RegLoss::default());
        [
            (Objective::SquaredError(RegLoss::default()), |docks| docks.min(MANY) as f32),
            (whether(), |docks| f32::from(u8::from(docks <= 1))),
            (whether(), |docks| f32::from(u8::from(docks <= 3))),
        ]
    }

    fn run(objective: &Objective, data: &DMatrix, labels: &[f32], trials: Trials, seed: u64) -> Told<BoostedModel> {
        let settings = TrainingParams::builder()
            .objective(objective.clone())
            .tree_method(TreeMethod::Hist)
            .grow_policy(GrowPolicy::LossGuide)
            .max_leaves(trials.leaves)
            .max_depth(6)
            .eta(trials.eta)
            .lambda(5.0)
            .min_child_weight(trials.weight)
            .subsample(0.8)
            .colsample_bytree(0.5)
            .max_bin(256)
            .seed(seed)
            .build()?;
        hessboost::training::train(&settings, &data.clone().with_labels(labels)?, trials.trees)
    }

    /// The part that each row's day is dealt into; `None` of a single day, which cannot be left out.
    fn folds(days: &[i32]) -> Option<Vec<usize>> {
        let mut known = days.to_vec();
        known.sort_unstable();
        known.dedup();
        let fold = |day: &i32| known.partition_point(|other| other < day) % FOLDS;
        (known.len() > 1).then(|| days.iter().map(fold).collect())
    }

    fn pick(labels: &[f32], rows: &[usize]) -> Vec<f32> {
        rows.iter().map(|&row| labels[row]).collect()
    }

    /// Row by row in single precision, which is what the trees are made of.
    fn singles(values: &Array2<f64>) -> Vec<f32> {
        beside(values, &[])
    }

    /// The same, each row followed by its value in each of the columns.
    fn beside(values: &Array2<f64>, columns: &[Vec<f32>]) -> Vec<f32> {
        let mut all = Vec::with_capacity(values.nrows() * (values.ncols() + columns.len()));
        for (row, own) in values.rows().into_iter().enumerate() {
            all.extend(own.iter().map(|&value| value as f32));
            all.extend(columns.iter().map(|column| column[row]));
        }
        all
    }

    impl Trees {
        fn bytes(&self) -> Told<Vec<u8>> {
            self.0.encode(ModelFormat::Binary)
        }
    }

    impl PartialEq for Trees {
        fn eq(&self, other: &Self) -> bool {
            matches!((self.bytes(), other.bytes()), (Ok(one), Ok(other)) if one == other)
        }
    }

    impl Serialize for Trees {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            let bytes = self.bytes().map_err(ser::Error::custom)?;
            serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
        }
    }

    impl<'de> Deserialize<'de> for Trees {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let bytes = BASE64_STANDARD.decode(text).map_err(de::Error::custom)?;
            BoostedModel::decode(bytes, ModelFormat::Binary).map(Self).map_err(de::Error::custom)
        }
    }
}

#[cfg(not(feature = "boost"))]
mod without {
    use serde::{Deserialize, Deserializer, Serialize, de};

    use super::super::fitted::{Model, Rows};
    use super::Growth;
    use crate::error::{Error, ErrorKind, Result};
    use crate::features::Matrix;

    const MISSING: &str = "this program was built without gradient boosting";

    /// No value: nothing can be fitted.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
    pub(in super::super) enum Boost {}

    impl Boost {
        pub(in super::super) fn each(_: Rows<'_>, _: &[Growth]) -> Result<Vec<Self>> {
            Err(Error::new(ErrorKind::Model, MISSING).way_out("build it with the feature `boost`"))
        }
    }

    impl Model for Boost {
        fn predict(&self, _: &Matrix) -> Vec<f64> {
            match *self {}
        }
    }

    impl<'de> Deserialize<'de> for Boost {
        fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
            Err(de::Error::custom(MISSING))
        }
    }
}

#[cfg(all(test, feature = "boost"))]
mod tests {
    use ndarray::Array2;

    use super::super::fitted::{Model, Rows};
    use super::*;
    use crate::features::Matrix;

    /// Rows of four days; the station fills where the first column is below 3 and the second is known.
    fn rows() -> (Matrix, Vec<u32>) {
        let values = Array2::from_shape_fn((2000, 2), |(row, column)| match column {
            0 => (row % 20) as f64,
            _ if row % 3 == 0 => f64::NAN,
            _ => (row * 7919 % 2000) as f64,
        });
        let then: Vec<_> = values
            .rows()
            .into_iter()
            .map(|row| if row[0] < 3.0 && !row[1].is_nan() { 0 } else { row[0] as u32 + 1 })
            .collect();
        let days = (0..2000).map(|row| row / 500).collect();
        let unused = vec![0.0; 2000];
        let matrix = Matrix { values, docks: vec![5; 2000], usual_full: unused.clone(), queue_full: unused, days };
        (matrix, then)
    }

    fn fit(matrix: &Matrix, docks_then: &[u32]) -> crate::Result<Boost> {
        let full: Vec<_> = docks_then.iter().map(|&docks| docks == 0).collect();
        Ok(Boost::each(Rows { matrix, full: &full, docks_then }, &[Growth::Free])?.remove(0))
    }

    #[test]
    fn finds_the_rule_behind_the_rows_also_where_a_value_is_unknown() {
        let (matrix, then) = rows();
        let full: Vec<_> = then.iter().map(|&docks| docks == 0).collect();
        let both = Boost::each(Rows { matrix: &matrix, full: &full, docks_then: &then }, &Growth::ALL).unwrap();
        assert_eq!(both[0], fit(&matrix, &then).unwrap());
        assert_ne!(both[0], both[1]);
        let model = &both[0];
        assert!(model.is_sound(2) && !model.is_sound(3));
        for (p, then) in model.predict(&matrix).into_iter().zip(then) {
            assert_eq!(p > 0.5, then == 0, "{p} for {then} docks");
        }
    }

    #[test]
    fn the_same_rows_give_the_same_model_and_a_single_day_is_enough() {
        let (mut matrix, then) = rows();
        assert_eq!(fit(&matrix, &then).unwrap(), fit(&matrix, &then).unwrap());
        matrix.days.fill(7);
        let single = fit(&matrix, &then).unwrap();
        assert!(single.is_sound(2) && single.predict(&matrix).iter().all(|p| (0.0..1.0).contains(p)));
    }

    #[test]
    fn one_outcome_alone_is_an_error_that_says_so() {
        let (matrix, _) = rows();
        let error = fit(&matrix, &[3; 2000]).unwrap_err().to_string();
        assert!(error.starts_with("boosting needs both outcomes: of 2000 training rows none is full"), "{error}");
    }
}
