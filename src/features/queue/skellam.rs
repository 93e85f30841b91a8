//! Trips between two readings of a station that never comes near full or empty.
//!
//! Far from both ends no trip is lost, so returns and rentals are two independent Poisson numbers of which the difference
//! is known (Skellam, "The frequency distribution of the difference between two Poisson variates", J. R. Stat. Soc. 1946).
//! What is expected of each is then a short sum, where a bridge has to carry a distribution over all states.

use super::birth_death::Leg;
use super::bridge::Tally;

/// At most so probable is it, given the change, that an end was touched on the way.
const TOUCHED: f64 = 1e-3;
/// A change less probable than this may have come about in another way, by trips that were lost at an end.
const ORDINARY: f64 = 1e-5;
/// Terms below this share of the sum are left out.
const NEGLIGIBLE: f64 = 1e-12;

/// Puts the tally of each leg into `tallies`, given that there were so many free docks of `docks` at first and at last;
/// whether it can be told in this way.
pub(super) fn tallies(free: (u32, u32), docks: u32, legs: &[Leg], tallies: &mut Vec<Tally>) -> bool {
    let (mut returns, mut rentals) = (0.0, 0.0);
    tallies.clear();
    for leg in legs {
        let hours = leg.seconds / 3600.0;
        let own = (leg.returns_per_hour * hours, leg.rentals_per_hour * hours);
        returns += own.0;
        rentals += own.1;
        tallies.push(Tally { returns: own.0, rentals: own.1, not_full: hours, not_empty: hours });
    }
    // As many trips of one direction as the change needs, and from there on pairs of one of each. Even if all those of one
    // direction came first, it takes `touching` pairs to touch an end.
    let (fewer, needed) = (free.1 < free.0, free.0.abs_diff(free.1));
    let touching = free.0.min(free.1).min(docks.saturating_sub(free.0.max(free.1)));
    let main = if fewer { returns } else { rentals };
    let mut term = (1..=needed).fold((-returns - rentals).exp(), |term, trips| term * main / f64::from(trips));
    let (mut sum, mut weighted, mut touched, mut pairs) = (0.0, 0.0, 0.0, 0u32);
    while term > NEGLIGIBLE * sum {
        sum += term;
        weighted += f64::from(pairs) * term;
        touched += if pairs < touching { 0.0 } else { term };
        pairs += 1;
        term *= returns * rentals / (f64::from(pairs) * f64::from(pairs + needed));
    }
    if touching == 0 || sum < ORDINARY || touched > TOUCHED * sum {
        return false;
    }
    let (pairs, needed) = (weighted / sum, f64::from(needed));
    let factor = |trips: f64, all: f64| if all > 0.0 { trips / all } else { 0.0 };
    let returned = factor(pairs + if fewer { needed } else { 0.0 }, returns);
    let rented = factor(pairs + if fewer { 0.0 } else { needed }, rentals);
    for tally in tallies {
        tally.returns *= returned;
        tally.rentals *= rented;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::bridge::Bridge;
    use super::*;
    use proptest::prelude::*;

    fn legs() -> impl Strategy<Value = Vec<Leg>> {
        let one = (60.0..3600.0f64, 0.0..6.0f64, 0.0..6.0f64);
        let leg = |(seconds, returns_per_hour, rentals_per_hour)| Leg { seconds, returns_per_hour, rentals_per_hour };
        prop::collection::vec(one.prop_map(leg), 1..=3)
    }

    #[test]
    fn what_is_near_an_end_or_hardly_ever_happens_is_not_told() {
        let mut room = Vec::new();
        let still = [Leg { seconds: 3600.0, returns_per_hour: 0.0, rentals_per_hour: 0.0 }];
        assert!(tallies((5, 5), 10, &still, &mut room) && room[0].returns == 0.0 && room[0].not_full == 1.0);
        for (free, docks) in [((5, 6), 10), ((250, 50), 300), ((0, 5), 10), ((5, 10), 10), ((5, 12), 10)] {
            assert!(!tallies(free, docks, &still, &mut room), "{free:?}");
        }
        // Many came and were lost: more probable than that none came.
        let rush = [Leg { seconds: 3600.0, returns_per_hour: 18.0, rentals_per_hour: 0.001 }];
        assert!(!tallies((2, 2), 8, &rush, &mut room));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Where it says that no end is near, it says what the bridge says, which knows the ends.
        #[test]
        fn it_is_the_bridge_where_no_end_is_near(
            docks in 8..=40u32, from in 0..=40u32, to in 0..=40u32, legs in legs()
        ) {
            let (from, to) = (from.min(docks), to.min(docks));
            let mut short = Vec::new();
            if !tallies((from, to), docks, &legs, &mut short) {
                return Ok(());
            }
            let mut bridge = Bridge::default();
            let Some(long) = bridge.walk(from, to, docks, &legs, 1e-8) else { return Err(TestCaseError::fail("none")) };
            for (short, long) in short.iter().zip(long) {
                let off = |a: f64, b: f64| (a - b).abs() / (0.1 + b.abs());
                prop_assert!(off(short.returns, long.returns) < 2e-3, "{short:?} {long:?}");
                prop_assert!(off(short.rentals, long.rentals) < 2e-3, "{short:?} {long:?}");
                prop_assert!(off(short.not_full, long.not_full) < 2e-3 && off(short.not_empty, long.not_empty) < 2e-3);
            }
        }
    }
}
