//! What a rider asks for: the nearest station that will have a free dock on arrival, with 90 %.
//!
//! The forecast is judged here by the choices that it leads to: whether those who went where it sent them found a dock,
//! how much farther they rode, and how they would have fared at the nearest station.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::station::{StationCode, metres_between};

/// A station that a rider may go to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its code.
    pub station: StationCode,
    /// Its name, if known.
    pub name: Option<Arc<str>>,
    /// How far it is from the destination as the crow flies, metres.
    pub metres: f64,
    /// Probability that a dock is free on arrival.
    pub p_free: f64,
}

impl Candidate {
    /// A station at `place`, for a rider who wants to get to `destination`; both latitude and longitude in degrees.
    pub fn new(
        station: StationCode,
        name: Option<Arc<str>>,
        place: (f64, f64),
        destination: (f64, f64),
        p_free: f64,
    ) -> Self {
        Self { station, name, metres: metres_between(place, destination), p_free }
    }
}

/// Where to go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice<'a> {
    /// The nearest of those that are sure enough.
    Nearest(&'a Candidate),
    /// None is sure enough; this is the likeliest.
    Likeliest(&'a Candidate),
}

impl<'a> Advice<'a> {
    /// The station, sure enough or not.
    pub fn candidate(self) -> &'a Candidate {
        match self {
            Self::Nearest(candidate) | Self::Likeliest(candidate) => candidate,
        }
    }

    /// Whether the station is sure enough.
    pub fn is_sure(self) -> bool {
        matches!(self, Self::Nearest(_))
    }
}

/// The nearest station where a dock is free with probability `least` or more; else the likeliest. Of equally near ones the
/// likelier, of equally likely ones the nearer. Candidates whose distance or probability is not finite are passed over;
/// `None` if no others are there.
pub fn advise(candidates: &[Candidate], least: f64) -> Option<Advice<'_>> {
    let (place, is_sure) = choose(candidates, least, |candidate| (candidate.metres, candidate.p_free))?;
    let candidate = &candidates[place];
    Some(if is_sure { Advice::Nearest(candidate) } else { Advice::Likeliest(candidate) })
}

/// A station that a rider might have gone to, once it is known what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// How far it is from the destination, metres; 0 for a station at the destination.
    pub metres: f64,
    /// Probability, as forecast at the origin, that a dock is free at the horizon.
    pub p_free: f64,
    /// Whether one was.
    pub was_free: bool,
}

/// How riders fared who went where [`advise`] sent them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdviceScores {
    /// Number of destinations with a station in reach.
    pub destinations: usize,
    /// Those where a station was sure enough to be recommended. All below is of these.
    pub recommended: usize,
    /// Share of the recommended stations that had a free dock; `None` without any.
    pub share_free: Option<f64>,
    /// What was promised: the mean forecast probability of these. `None` without any.
    pub mean_p_free: Option<f64>,
    /// Share of the same destinations whose nearest station had a free dock, whatever was forecast; `None` without any.
    pub base_share_free: Option<f64>,
    /// How much farther from the destination than the nearest station the recommended one was, mean, metres; `None`
    /// without any.
    pub mean_extra_metres: Option<f64>,
}

impl AdviceScores {
    /// The scores of the advice with probability `least` or more, given each destination's stations in reach. A
    /// destination is most often the place of a station at an origin, and that station one of its choices, at 0 metres.
    ///
    /// Give persistence's forecasts to score riders who go by the docks that are free as they set out. Destinations are
    /// taken one by one, so that they need not all be kept.
    pub fn new<D: AsRef<[Choice]>>(destinations: impl IntoIterator<Item = D>, least: f64) -> Self {
        let (mut count, mut recommended, mut free, mut base_free) = (0, 0, 0, 0);
        let (mut promised, mut extra) = (0.0, 0.0);
        for destination in destinations {
            let choices = destination.as_ref();
            let Some((place, is_sure)) = choose(choices, least, |choice| (choice.metres, choice.p_free)) else {
                continue;
            };
            count += 1;
            // Anything is sure enough here, so that this is the nearest.
            let nearest = choose(choices, f64::MIN, |choice| (choice.metres, choice.p_free));
            if let (true, Some((nearest, _))) = (is_sure, nearest) {
                let (choice, nearest) = (choices[place], choices[nearest]);
                recommended += 1;
                free += usize::from(choice.was_free);
                base_free += usize::from(nearest.was_free);
                promised += choice.p_free;
                extra += choice.metres - nearest.metres;
            }
        }
        let mean = |sum: f64| (recommended > 0).then(|| sum / recommended as f64);
        Self {
            destinations: count,
            recommended,
            share_free: mean(free as f64),
            mean_p_free: mean(promised),
            base_share_free: mean(base_free as f64),
            mean_extra_metres: mean(extra),
        }
    }
}

/// Which to go to, and whether it is sure enough, by the distance and the probability of each.
fn choose<T>(choices: &[T], least: f64, of: impl Fn(&T) -> (f64, f64)) -> Option<(usize, bool)> {
    let known = || {
        let all = choices.iter().map(&of).enumerate();
        all.filter(|(_, (metres, p))| metres.is_finite() && p.is_finite())
    };
    let nearer = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0);
    let likelier = |a: &(f64, f64), b: &(f64, f64)| b.1.total_cmp(&a.1);
    let sure = known().filter(|(_, (_, p))| *p >= least);
    let nearest = sure.min_by(|(_, a), (_, b)| nearer(a, b).then_with(|| likelier(a, b)));
    let likeliest = || known().min_by(|(_, a), (_, b)| likelier(a, b).then_with(|| nearer(a, b)));
    nearest.map(|(place, _)| (place, true)).or_else(|| likeliest().map(|(place, _)| (place, false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(code: &str, metres: f64, p_free: f64) -> Candidate {
        Candidate { station: StationCode::new(code).unwrap(), name: None, metres, p_free }
    }

    #[test]
    fn the_nearest_that_is_sure_enough_is_advised() {
        let candidates = [
            candidate("1", 40.0, 0.6),
            candidate("2", 450.0, 0.99),
            candidate("3", 210.0, 0.9),
            candidate("4", 60.0, 0.89),
        ];
        let advice = advise(&candidates, 0.9).unwrap();
        assert_eq!((advice, advice.candidate().station.as_str()), (Advice::Nearest(&candidates[2]), "3"));
        assert!(advice.is_sure());
    }

    #[test]
    fn without_one_the_likeliest_is_and_is_told_apart() {
        let candidates = [candidate("1", 40.0, 0.6), candidate("2", 450.0, 0.7), candidate("3", 300.0, 0.7)];
        let advice = advise(&candidates, 0.9).unwrap();
        assert_eq!(advice, Advice::Likeliest(&candidates[2]));
        assert!(!advice.is_sure());
        assert_eq!(serde_json::to_value(advice).unwrap()["likeliest"]["station"], "3");
    }

    #[test]
    fn nothing_known_is_no_advice() {
        assert_eq!(advise(&[], 0.9), None);
        let unknown = [candidate("1", 40.0, f64::NAN), candidate("2", f64::INFINITY, 1.0)];
        assert_eq!(advise(&unknown, 0.9), None);
    }

    #[test]
    fn a_candidate_knows_how_far_it_is() {
        let at = |place| Candidate::new(StationCode::new("1").unwrap(), None, place, (48.85, 2.35), 0.5).metres;
        // A thousandth of a degree of latitude.
        assert!((at((48.851, 2.35)) - 111.195).abs() < 1e-3);
        assert_eq!(at((48.85, 2.35)), 0.0);
    }

    #[test]
    fn advice_is_scored_by_hand_beside_the_nearest_station() {
        let choice = |metres, p_free, was_free| Choice { metres, p_free, was_free };
        let destinations = [
            vec![choice(0.0, 0.95, true), choice(100.0, 1.0, false)],
            vec![choice(0.0, 0.2, false), choice(300.0, 0.91, true), choice(200.0, 0.5, true)],
            vec![choice(0.0, 0.3, true), choice(100.0, 0.94, false)],
            // Not recommended, so that what came of it counts nowhere.
            vec![choice(0.0, 0.5, false)],
            vec![],
        ];
        let scores = AdviceScores::new(&destinations, 0.9);
        assert_eq!((scores.destinations, scores.recommended), (4, 3));
        assert_eq!((scores.share_free, scores.base_share_free), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert!((scores.mean_p_free.unwrap() - 2.8 / 3.0).abs() < 1e-12);
        assert!((scores.mean_extra_metres.unwrap() - 400.0 / 3.0).abs() < 1e-12);
        let none = AdviceScores::new(&destinations[3..], 0.9);
        assert_eq!((none.destinations, none.recommended, none.share_free, none.mean_extra_metres), (1, 0, None, None));
    }

    proptest! {
        #[test]
        fn advice_is_that_of_a_search(rows in prop::collection::vec((0..5u8, 0..5u8), 1..8), least in 0.0..1.0f64) {
            let candidates: Vec<_> =
                rows.iter().map(|&(metres, p)| candidate("1", f64::from(metres), f64::from(p) / 4.0)).collect();
            let advice = advise(&candidates, least).unwrap();
            let chosen = advice.candidate();
            prop_assert_eq!(advice.is_sure(), candidates.iter().any(|other| other.p_free >= least));
            for other in &candidates {
                if advice.is_sure() {
                    prop_assert!(chosen.p_free >= least);
                    prop_assert!(other.p_free < least || other.metres >= chosen.metres);
                } else {
                    prop_assert!(other.p_free <= chosen.p_free);
                    prop_assert!(other.p_free < chosen.p_free || other.metres >= chosen.metres);
                }
            }
        }
    }
}
