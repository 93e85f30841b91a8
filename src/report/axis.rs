//! Axes: where a value lies on the sheet, and which values get a label.

/// How an axis spreads its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    Linear,
    /// Spread by square root: room for small probabilities, and zero is still there.
    SquareRoot,
    /// Powers of ten at equal distances; values above zero only.
    Log,
}

/// A range of values and the stretch of pixels that shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    spread: Spread,
    pub(super) low: f64,
    pub(super) high: f64,
    /// The pixel of `low`.
    pub(super) from: f64,
    /// The pixel of `high`.
    pub(super) to: f64,
}

/// A labelled value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

impl Axis {
    /// An axis from `low` to `high`, finite both; a range without extent is widened by one.
    pub(super) fn new(spread: Spread, (low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { spread, low, high, from, to }
    }

    /// The pixel of a value; a value outside the range lies at the nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let spread = |value: f64| match self.spread {
            Spread::Linear => value,
            Spread::SquareRoot => value.max(0.0).sqrt(),
            Spread::Log => value.max(f64::MIN_POSITIVE).log10(),
        };
        let (low, high) = (spread(self.low), spread(self.high));
        let share = ((spread(value) - low) / (high - low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Round values on a linear axis, about `count` of them, labelled by `label`.
    pub(super) fn round_ticks(&self, count: f64, label: impl Fn(f64, usize) -> String) -> Vec<Tick> {
        let step = round_step((self.high - self.low) / count);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step - 1e-9).ceil() as i64, (self.high / step + 1e-9).floor() as i64);
        (first..=last).map(|k| k as f64 * step).map(|value| Tick { value, label: label(value, decimals) }).collect()
    }

    /// The powers of ten on a log axis: `1,000`, and from ten million `10⁷`.
    pub(super) fn decades(&self) -> Vec<Tick> {
        let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
        let label = |power: i32| match power {
            ..7 => grouped(10f64.powi(power)),
            _ => format!("10{}", power.to_string().chars().map(superscript).collect::<String>()),
        };
        (first..=last).map(|power| Tick { value: 10f64.powi(power), label: label(power) }).collect()
    }
}

fn superscript(digit: char) -> char {
    "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().zip('0'..='9').find_map(|(raised, plain)| (plain == digit).then_some(raised)).unwrap_or(digit)
}

/// Ticks for a probability spread by square root, as percentages.
pub(super) fn probability_ticks() -> Vec<Tick> {
    [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0]
        .map(|value| Tick { value, label: format!("{:.0} %", value * 100.0) })
        .to_vec()
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|digit| digit * power)
        .into_iter()
        .find(|&step| step >= least * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A whole number with its thousands set apart: `2,622,304`.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::from(if number < 0.0 { "−" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `one` or `many`, after its count: `1 station`, `1,421 stations`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count as f64), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn round_ticks_are_round() {
        let axis = Axis::new(Spread::Linear, (0.0, 33.0), (0.0, 100.0));
        let labels: Vec<String> =
            axis.round_ticks(4.0, |v, d| format!("{v:.d$}")).into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["0", "10", "20", "30"]);
        let axis = Axis::new(Spread::Linear, (48.803, 48.912), (0.0, 100.0));
        let labels: Vec<String> =
            axis.round_ticks(5.0, |v, d| format!("{v:.d$}")).into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["48.85", "48.90"]);
    }

    #[test]
    fn decades_lie_at_equal_distances() {
        let axis = Axis::new(Spread::Log, (1.0, 10_000.0), (400.0, 0.0));
        let ticks: Vec<(String, f64)> = axis.decades().into_iter().map(|t| (t.label, axis.at(t.value))).collect();
        assert_eq!(ticks[1], ("10".into(), 300.0));
        assert_eq!(ticks[4], ("10,000".into(), 0.0));
        let axis = Axis::new(Spread::Log, (1e6, 1e12), (400.0, 0.0));
        let labels: Vec<String> = axis.decades().into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["1,000,000", "10⁷", "10⁸", "10⁹", "10¹⁰", "10¹¹", "10¹²"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0.0, 999.0, 1000.0, 2_622_304.0, -12.0].map(grouped), ["0", "999", "1,000", "2,622,304", "−12"]);
    }

    proptest! {
        #[test]
        fn an_axis_keeps_order_and_stays_between_its_ends(
            a in 0.0..1e6f64, b in 0.0..1e6f64, low in 0.0..1e6f64, high in 0.0..1e6f64,
            spread in prop::sample::select(vec![Spread::Linear, Spread::SquareRoot, Spread::Log]),
        ) {
            let axis = Axis::new(spread, (low, high), (900.0, 100.0));
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(axis.at(a) >= axis.at(b));
            prop_assert!((100.0..=900.0).contains(&axis.at(a)));
        }

        #[test]
        fn round_ticks_lie_in_the_range_and_are_few(low in -1e6..1e6f64, width in 1e-3..1e6f64, count in 2.0..12.0f64) {
            let axis = Axis::new(Spread::Linear, (low, low + width), (0.0, 1.0));
            let ticks = axis.round_ticks(count, |_, _| String::new());
            prop_assert!(ticks.len() as f64 <= count + 1.0);
            prop_assert!(ticks.iter().all(|t| t.value >= low - width * 1e-6 && t.value <= low + width * (1.0 + 1e-6)));
        }
    }
}
