//! Spans of time and what they have in common: half-open, in milliseconds since 1970, none of no length.

/// From, and until.
pub(super) type Span = (i64, i64);

/// The time that lies in any of the spans, in order; spans that touch are one.
pub(super) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for (from, until) in spans.into_iter().filter(|(from, until)| from < until) {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => joined.push((from, until)),
        }
    }
    joined
}

/// The time that lies in both; each as [`union`] leaves it.
pub(super) fn common(a: &[Span], b: &[Span]) -> Vec<Span> {
    let (mut at_a, mut at_b, mut both) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (a.get(at_a), b.get(at_b)) {
        let (from, until) = (a.0.max(b.0), a.1.min(b.1));
        if from < until {
            both.push((from, until));
        }
        if a.1 <= b.1 {
            at_a += 1;
        } else {
            at_b += 1;
        }
    }
    both
}

/// The time that lies in `a` and not in `b`; each as [`union`] leaves it.
pub(super) fn without(a: &[Span], b: &[Span]) -> Vec<Span> {
    let (mut rest, mut at_b) = (Vec::new(), 0);
    for &(mut from, until) in a {
        while b.get(at_b).is_some_and(|b| b.1 <= from) {
            at_b += 1;
        }
        for &(taken, back) in b[at_b..].iter().take_while(|b| b.0 < until) {
            if from < taken {
                rest.push((from, taken));
            }
            from = from.max(back);
        }
        if from < until {
            rest.push((from, until));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(spans: &[Span]) -> Vec<i64> {
        (0..80).filter(|time| spans.iter().any(|&(from, until)| (from..until).contains(time))).collect()
    }

    proptest! {
        #[test]
        fn spans_hold_the_moments_that_a_look_at_each_finds(
            a in prop::collection::vec((0..60i64, 0..20i64), 0..12),
            b in prop::collection::vec((0..60i64, 0..20i64), 0..12),
        ) {
            let of = |spans: &[Span]| union(spans.iter().map(|&(from, length)| (from, from + length)).collect());
            let (a, b) = (of(&a), of(&b));
            let (in_a, in_b) = (moments(&a), moments(&b));
            prop_assert_eq!(moments(&common(&a, &b)), in_a.iter().copied().filter(|t| in_b.contains(t)).collect::<Vec<_>>());
            prop_assert_eq!(moments(&without(&a, &b)), in_a.iter().copied().filter(|t| !in_b.contains(t)).collect::<Vec<_>>());
            for spans in [&a, &b, &common(&a, &b), &without(&a, &b)] {
                prop_assert!(spans.iter().all(|(from, until)| from < until) && spans.is_sorted_by(|a, b| a.1 <= b.0));
                prop_assert_eq!(spans.iter().map(|(from, until)| until - from).sum::<i64>(), moments(spans).len() as i64);
            }
        }
    }
}
