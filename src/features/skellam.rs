//! Trips between two readings of a station that never comes near full or empty.
//!
//! Far from both ends no trip is lost, so returns and rentals are two independent Poisson numbers of which the difference
//! is known (Skellam, "The frequency distribution of the difference between two Poisson variates", J. R. Stat. Soc. 1946).
//! What is expected of each is then a short sum, where a bridge has to carry a distribution over all states.

use super::birth_death::Leg;
use super::bridge::Tally;

/// At most so probable is it, about, that an end was touched on the way.
const TOUCHED: f64 = 1e-5;
/// Nearer to an end than this, a few trips may touch it.
const FAR: u32 = 3;
/// Terms below this share of the sum are left out.
const NEGLIGIBLE: f64 = 1e-12;

/// Whether a station with `free` docks of `docks`, at first and at last, came near no end between: by the probability that
/// a Brownian path of the same spread touches an end (the reflection principle).
pub(super) fn is_far(free: (u32, u32), docks: u32, legs: &[Leg]) -> bool {
    let spread: f64 = legs.iter().map(|leg| (leg.returns_per_hour + leg.rentals_per_hour) * leg.seconds / 3600.0).sum();
    let far = |first: u32, last: u32| {
        first.min(last) >= FAR && -2.0 * f64::from(first) * f64::from(last) < TOUCHED.ln() * spread
    };
    far(free.0, free.1) && far(docks.saturating_sub(free.0), docks.saturating_sub(free.1))
}

/// Puts the tally of each leg into `tallies`, given that free docks changed by `change`, unless that is less probable than
/// `least`; whether it did.
pub(super) fn tallies(change: i64, legs: &[Leg], least: f64, tallies: &mut Vec<Tally>) -> bool {
    tallies.clear();
    let (mut returns, mut rentals) = (0.0, 0.0);
    for leg in legs {
        let hours = leg.seconds / 3600.0;
        let own = (leg.returns_per_hour * hours, leg.rentals_per_hour * hours);
        returns += own.0;
        rentals += own.1;
        tallies.push(Tally { returns: own.0, rentals: own.1, not_full: hours, not_empty: hours });
    }
    // As many of one direction as the change needs, and from there on pairs of one of each.
    let needed = change.unsigned_abs();
    let main = if change < 0 { returns } else { rentals };
    let first = (1..=needed).fold((-returns - rentals).exp(), |term, trips| term * main / trips as f64);
    let (mut term, mut sum, mut pairs) = (first, 0.0, 0.0);
    let mut count = 0.0;
    while term > NEGLIGIBLE * sum {
        sum += term;
        pairs += count * term;
        count += 1.0;
        term *= returns * rentals / (count * (count + needed as f64));
    }
    if !(sum > 0.0 && sum >= least) {
        return false;
    }
    let pairs = pairs / sum;
    let extra = |direction: bool| if direction { needed as f64 } else { 0.0 };
    let factor = |expected: f64, all: f64| if all > 0.0 { expected / all } else { 0.0 };
    let returned = factor(pairs + extra(change < 0), returns);
    let rented = factor(pairs + extra(change > 0), rentals);
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
    fn what_cannot_be_has_no_tally_and_without_a_change_nothing_need_have_come() {
        let mut room = Vec::new();
        let still = [Leg { seconds: 3600.0, returns_per_hour: 0.0, rentals_per_hour: 0.0 }];
        assert!(tallies(0, &still, 1e-8, &mut room) && room[0].returns == 0.0 && room[0].not_full == 1.0);
        assert!(!tallies(1, &still, 0.0, &mut room) && !tallies(-200, &still, 0.0, &mut room));
        assert!(is_far((5, 5), 10, &still) && !is_far((2, 5), 10, &still) && !is_far((5, 5), 7, &still));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Where it says that no end is near, it says what the bridge says, which knows the ends.
        #[test]
        fn it_is_the_bridge_where_no_end_is_near(
            docks in 8..=40u32, from in 0..=40u32, to in 0..=40u32, legs in legs()
        ) {
            let (from, to) = (from.min(docks), to.min(docks));
            if !is_far((from, to), docks, &legs) {
                return Ok(());
            }
            let mut short = Vec::new();
            let found = tallies(i64::from(to) - i64::from(from), &legs, 1e-8, &mut short);
            let mut bridge = Bridge::default();
            let long = bridge.walk(from, to, docks, &legs, 1e-8);
            prop_assert_eq!(found, long.is_some());
            for (short, long) in short.iter().zip(long.unwrap_or_default()) {
                let off = |a: f64, b: f64| (a - b).abs() / (0.1 + b.abs());
                prop_assert!(off(short.returns, long.returns) < 2e-3, "{short:?} {long:?}");
                prop_assert!(off(short.rentals, long.rentals) < 2e-3, "{short:?} {long:?}");
                prop_assert!(off(short.not_full, long.not_full) < 2e-3 && off(short.not_empty, long.not_empty) < 2e-3);
            }
        }
    }
}
