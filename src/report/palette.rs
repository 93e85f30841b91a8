//! The colours: one set for categories and one scale for amounts, both readable by colour-blind people.

/// An opaque colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

impl Colour {
    /// This colour laid on white paper at `strength`, from 0 (paper) to 1 (itself).
    pub(super) fn tint(self, strength: f64) -> Self {
        mix(PAPER, self, strength)
    }
}

pub(super) const PAPER: Colour = Colour(255, 255, 255);
pub(super) const INK: Colour = Colour(30, 33, 38);
pub(super) const QUIET: Colour = Colour(92, 98, 107);
pub(super) const AXIS: Colour = Colour(140, 146, 154);
pub(super) const GRID: Colour = Colour(228, 231, 235);

// The categories of Okabe and Ito.
pub(super) const BLUE: Colour = Colour(0, 114, 178);
pub(super) const VERMILION: Colour = Colour(213, 94, 0);
pub(super) const GREEN: Colour = Colour(0, 158, 115);
pub(super) const ORANGE: Colour = Colour(230, 159, 0);
pub(super) const PURPLE: Colour = Colour(204, 121, 167);
pub(super) const SKY: Colour = Colour(86, 180, 233);

/// How many categories have a colour of their own.
pub(super) const COLOURS: usize = 7;

/// The colour of the `index`-th category; the seventh is ink, then they repeat.
pub(super) fn category(index: usize) -> Colour {
    const ALL: [Colour; COLOURS] = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, INK];
    ALL[index % COLOURS]
}

/// Viridis: the colour of an amount from 0 (dark violet) to 1 (yellow); what lies outside takes the nearer end.
pub(super) fn scale(amount: f64) -> Colour {
    const STOPS: [Colour; 9] = [
        Colour(68, 1, 84),
        Colour(71, 44, 122),
        Colour(59, 81, 139),
        Colour(44, 113, 142),
        Colour(33, 144, 141),
        Colour(39, 173, 129),
        Colour(92, 200, 99),
        Colour(170, 220, 50),
        Colour(253, 231, 37),
    ];
    let place = amount.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let below = (place as usize).min(STOPS.len() - 2);
    mix(STOPS[below], STOPS[below + 1], place - below as f64)
}

fn mix(from: Colour, to: Colour, share: f64) -> Colour {
    let channel = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    Colour(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as WCAG 2 defines it: what is left of a colour in a grey print.
    fn luminance(Colour(red, green, blue): Colour) -> f64 {
        let linear = |channel: u8| match f64::from(channel) / 255.0 {
            low if low <= 0.04045 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    #[test]
    fn the_scale_gets_lighter_all_the_way_so_that_it_survives_a_grey_print() {
        let greys: Vec<f64> = (0..=100).map(|percent| luminance(scale(f64::from(percent) / 100.0))).collect();
        assert!(greys.windows(2).all(|pair| pair[0] < pair[1]), "{greys:?}");
        assert_eq!((scale(-3.0), scale(7.0)), (scale(0.0), scale(1.0)));
    }

    #[test]
    fn small_text_has_the_contrast_that_wcag_asks_for() {
        for colour in [INK, QUIET] {
            assert!((luminance(PAPER) + 0.05) / (luminance(colour) + 0.05) >= 4.5);
        }
    }
}
