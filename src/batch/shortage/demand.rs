//! How many riders come in each hour of the week, estimated where they can be seen.

use super::super::profile::WEEK_HOURS;

/// A value for each hour of the week.
pub(super) type Week = [f64; WEEK_HOURS];

/// How many bikes an expectation weighs when it is corrected by what was seen. As if the true rates were spread about the
/// expected ones with a standard deviation of half of them: 1 / 0.5².
pub const PRIOR_BIKES: f64 = 4.0;

/// By what an expectation is multiplied when so much was expected and so much was seen: the mean of a Gamma distribution about 1
/// after so many Poisson events.
fn correction(seen: f64, expected: f64) -> f64 {
    (seen + PRIOR_BIKES) / (expected + PRIOR_BIKES)
}

/// How many hours to either side stand in for an hour that was hardly seen, the widest first.
const AROUND: [usize; 3] = [3, 1, 0];

/// Bikes per hour at a station of the network, by the bikes that moved and the hours in which that could be seen; `None` if it
/// never could. The mean of the week, corrected by what was seen within 3 hours of the hour, within 1, and in it.
pub(super) fn of_network(moved: &Week, seen: &Week) -> Option<Week> {
    let hours: f64 = seen.iter().sum();
    let mean = (hours > 0.0).then(|| moved.iter().sum::<f64>() / hours)?;
    Some(AROUND.iter().fold([mean; WEEK_HOURS], |rates, reach| {
        let around = |of: &Week, hour: usize| -> f64 {
            (0..=2 * reach).map(|step| of[(hour + WEEK_HOURS + step - reach) % WEEK_HOURS]).sum()
        };
        std::array::from_fn(|hour| rates[hour] * correction(around(moved, hour), rates[hour] * around(seen, hour)))
    }))
}

/// The same of one station.
pub(super) fn of_station(network: &Week, moved: &Week, seen: &Week) -> Week {
    let expected = network.iter().zip(seen).map(|(rate, hours)| rate * hours).sum();
    let level = correction(moved.iter().sum(), expected);
    std::array::from_fn(|hour| {
        let usual = level * network[hour];
        usual * correction(moved[hour], seen[hour] * usual)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn week(first: &[f64]) -> Week {
        std::array::from_fn(|hour| first.get(hour).copied().unwrap_or(0.0))
    }

    #[test]
    fn the_more_was_seen_the_less_the_network_counts() {
        let network = week(&[2.0; WEEK_HOURS]);
        assert_eq!(of_station(&network, &week(&[]), &week(&[])), network);
        // A thousand hours at 6 bikes an hour, in the first hour of the week alone.
        let own = of_station(&network, &week(&[6000.0]), &week(&[1000.0]));
        assert!((own[0] - 6.0).abs() < 0.01 && (own[1] - 6.0).abs() < 0.02, "{own:?}");
        // Two hours, 12 bikes: the level is (12 + 4) / (4 + 4), and the hour (12 + 4) / (2 · 4 + 4) of 4.
        let few = of_station(&network, &week(&[12.0]), &week(&[2.0]));
        assert_eq!((few[0], few[1]), (4.0 * 16.0 / 12.0, 4.0));
        assert_eq!(of_network(&week(&[]), &week(&[])), None);
    }

    #[test]
    fn an_hour_that_was_never_seen_is_like_those_around_it() {
        // A thousand hours in each of the week, 2 bikes an hour by day and 0.1 at night; from 2 to 3 nothing is seen.
        let seen: Week = std::array::from_fn(|hour| if hour % 24 == 2 { 0.0 } else { 1000.0 });
        let rate = |hour: usize| if hour % 24 < 5 { 0.1 } else { 2.0 };
        let moved: Week = std::array::from_fn(|hour| seen[hour] * rate(hour));
        let network = of_network(&moved, &seen).unwrap();
        assert!((network[26] - 0.1).abs() < 0.01, "{}", network[26]);
        assert!((0..WEEK_HOURS).all(|hour| (network[hour] / rate(hour) - 1.0).abs() < 0.1), "{network:?}");
    }

    proptest! {
        #[test]
        fn rates_lie_between_the_least_and_the_most_that_was_seen(
            seen in prop::collection::vec(0.1..50.0f64, WEEK_HOURS), moved in prop::collection::vec(0.0..90.0f64, WEEK_HOURS),
        ) {
            let (moved, seen) = (week(&moved), week(&seen));
            let network = of_network(&moved, &seen).unwrap();
            let raw = || moved.iter().zip(&seen).map(|(moved, seen)| moved / seen);
            let (least, most) = (raw().fold(f64::INFINITY, f64::min), raw().fold(0.0, f64::max));
            prop_assert!(network.iter().all(|&rate| rate >= least * 0.999_999 && rate <= most * 1.000_001));
        }
    }
}
