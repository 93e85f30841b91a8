//! Zones by behaviour: stations that fill and empty at the same hours of the week, wherever they stand.

use std::collections::BTreeMap;

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::{KMeans, KMeansInit};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::profile::{WEEK_HOURS, WeekProfile, WeekSums};
use super::statistics::ZoneStatistics;
use crate::error::{Error, ErrorKind, Result};
use crate::station::StationCode;

/// How many groups of stations are made unless another number is asked for.
pub const BEHAVIOURS: usize = 5;

/// A station of which fewer hours of the week are known is in no group: half of them.
pub const KNOWN_HOURS: usize = WEEK_HOURS / 2;

/// So often k-means begins anew; the best run is taken.
const RUNS: usize = 5;

/// Stations whose week is alike.
///
/// Each station is the point of its 168 hourly occupancies ([`WeekProfile`]); an hour that is not known stands at the mean of the
/// station's known hours, and a station with fewer than [`KNOWN_HOURS`] of them is left out. The groups are those of k-means (Lloyd,
/// "Least squares quantization in PCM", 1982) with k-means++ (Arthur and Vassilvitskii, 2007), by `linfa-clustering`: the best
/// of five runs from a fixed seed, so that the same readings give the same groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Its statistics, as those of any zone; it is called by its number, from `1`, the largest group.
    pub statistics: ZoneStatistics,
    /// Its stations, by their code.
    pub stations: Vec<StationCode>,
    /// The week of all its stations together.
    pub profile: WeekProfile,
}

/// The codes of the stations of each group, the largest group first; no group where there are fewer stations than groups.
pub(super) fn alike(weeks: &BTreeMap<String, WeekSums>, groups: usize) -> Result<Vec<Vec<String>>> {
    let (codes, points): (Vec<_>, Vec<_>) =
        weeks.iter().filter_map(|(code, week)| Some((code.clone(), point(&week.finish())?))).unzip();
    if groups == 0 || codes.len() < groups {
        return Ok(Vec::new());
    }
    let failed = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Data, format!("k-means of the weeks: {error}"));
    let points = Array2::from_shape_vec((codes.len(), WEEK_HOURS), points.concat()).map_err(|error| failed(&error))?;
    let points = DatasetBase::from(points);
    let means = KMeans::params(groups)
        .init_method(KMeansInit::KMeansPlusPlus)
        .n_runs(RUNS)
        .fit(&points)
        .map_err(|error| failed(&error))?;
    let mut of_group = vec![Vec::new(); groups];
    for (code, group) in codes.into_iter().zip(means.predict(&points)) {
        of_group[group].push(code);
    }
    of_group.retain(|group: &Vec<String>| !group.is_empty());
    of_group.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    Ok(of_group)
}

fn point(week: &WeekProfile) -> Option<Vec<f64>> {
    let known = || week.occupancy.iter().flatten();
    let count = known().count();
    let mean = known().sum::<f64>() / count as f64;
    (count >= KNOWN_HOURS).then(|| week.occupancy.iter().map(|hour| hour.unwrap_or(mean)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::profile::HourSums;
    use proptest::prelude::*;

    /// A week by the occupancy of each hour; of none, nothing is known.
    fn week(occupancy: impl Fn(usize) -> Option<f64>) -> WeekSums {
        let mut week = WeekSums::default();
        for hour in 0..WEEK_HOURS {
            if let Some(occupancy) = occupancy(hour) {
                week.add(hour, &HourSums { held: 3_600_000, bikes: 100.0 * occupancy, capacity: 100.0 });
            }
        }
        week
    }

    #[test]
    fn stations_that_fill_by_day_stand_apart_from_those_that_fill_by_night() {
        let by_day = |hour: usize| (9..18).contains(&(hour % 24));
        let weeks = (0..9).map(|number| {
            let code = format!("100{number}");
            let known = |hour: usize| number != 4 || hour.is_multiple_of(2);
            let full = move |hour| if by_day(hour) == (number % 3 == 0) { 0.9 } else { 0.1 };
            (code, week(|hour| known(hour).then(|| full(hour) + 0.01 * number as f64)))
        });
        let mut weeks: BTreeMap<_, _> = weeks.collect();
        weeks.insert("little".into(), week(|hour| (hour < KNOWN_HOURS - 1).then_some(0.5)));
        let groups = alike(&weeks, 2).unwrap();
        assert_eq!(groups[0], ["1001", "1002", "1004", "1005", "1007", "1008"]);
        assert_eq!(groups[1..], [["1000", "1003", "1006"]]);
        assert_eq!(alike(&weeks, 10).unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(alike(&weeks, 0).unwrap(), Vec::<Vec<String>>::new());
    }

    fn mean(points: &[&Vec<f64>]) -> Vec<f64> {
        (0..WEEK_HOURS).map(|hour| points.iter().map(|point| point[hour]).sum::<f64>() / points.len() as f64).collect()
    }

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// What k-means ends at: each station is nearest to the mean of its own group.
        #[test]
        fn each_station_is_in_one_group_and_nearest_to_its_mean(
            levels in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 4), 3..30),
            groups in 1..4usize,
        ) {
            let weeks: BTreeMap<_, _> = (0..)
                .zip(&levels)
                .map(|(number, levels)| (format!("{number:03}"), week(|hour| Some(levels[hour % levels.len()]))))
                .collect();
            let found = alike(&weeks, groups).unwrap();
            prop_assert_eq!(&found, &alike(&weeks, groups).unwrap());
            let mut codes = found.concat();
            codes.sort();
            prop_assert_eq!(&codes, &weeks.keys().cloned().collect::<Vec<_>>());
            let points: BTreeMap<_, _> = weeks.iter().map(|(code, week)| (code, point(&week.finish()).unwrap())).collect();
            let means: Vec<_> = found.iter().map(|group| mean(&group.iter().map(|code| &points[code]).collect::<Vec<_>>())).collect();
            for (group, own) in found.iter().zip(&means) {
                for code in group {
                    let nearest = means.iter().map(|mean| distance(&points[code], mean)).fold(f64::INFINITY, f64::min);
                    // It ends when the means hardly move, so a station between two may stand a little nearer to the other.
                    prop_assert!(distance(&points[code], own) <= nearest + 0.01, "{code}");
                }
            }
        }
    }
}
