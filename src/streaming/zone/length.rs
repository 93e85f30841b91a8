//! A length on the ground, as it is written in options.

/// The metres that `800m` or `1.5km` stand for, finite and above zero. `None` for anything else: a number without its unit
/// is not taken for metres.
pub(super) fn metres(text: &str) -> Option<f64> {
    let (number, factor) = match text.strip_suffix("km") {
        Some(number) => (number, 1000.0),
        None => (text.strip_suffix('m')?, 1.0),
    };
    let metres = number.trim_end().parse::<f64>().ok()? * factor;
    (metres.is_finite() && metres > 0.0).then_some(metres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_a_unit_and_is_above_zero() {
        assert_eq!(["500m", "1.5km", "2 km", "0.5m"].map(metres), [Some(500.0), Some(1500.0), Some(2000.0), Some(0.5)]);
        for text in ["500", "500ft", "0m", "-1m", "m", "", "infm", "nankm", "1e400m"] {
            assert_eq!(metres(text), None, "{text}");
        }
    }
}
