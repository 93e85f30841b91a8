//! The font of the figures, compiled in: text measures and looks the same on every machine, also on one without fonts.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, Outline, PxScale};

/// Regular or bold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The height of a capital, as a share of the font size; half of it centres a line of text on a point.
pub(super) const CAPITAL: f64 = 0.727;

/// A font that cannot be parsed would be a broken build; the test below reads both. Text is then left out, not a panic.
static REGULAR: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("font/Inter-Regular.otf")).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("font/Inter-Bold.otf")).ok());

fn font(weight: Weight) -> Option<&'static FontRef<'static>> {
    match weight {
        Weight::Regular => REGULAR.as_ref(),
        Weight::Bold => BOLD.as_ref(),
    }
}

/// The width of a line of text in pixels, at a font size in pixels.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let Some(font) = font(weight) else { return 0.0 };
    text.chars().map(|c| advance(font, c, size)).sum()
}

/// As much of `text` as fits into `room` pixels, with an ellipsis if any of it is cut; nothing if not one letter fits.
pub(super) fn fit(text: &str, size: f64, weight: Weight, room: f64) -> String {
    if width(text, size, weight) <= room {
        return text.to_owned();
    }
    let mut room = room - width("…", size, weight);
    let kept: String = text
        .chars()
        .take_while(|&c| {
            room -= width(c.encode_utf8(&mut [0; 4]), size, weight);
            room >= 0.0
        })
        .collect();
    if kept.is_empty() { kept } else { format!("{}…", kept.trim_end()) }
}

/// One letter of a line: its character, its outline, and where its origin lies from the start of the line, both in font units.
pub(super) struct Letter {
    pub(super) letter: char,
    pub(super) outline: Outline,
    pub(super) offset: f64,
}

/// The letters of a line that leave ink, and the size of a font unit in pixels.
pub(super) fn outlines(text: &str, size: f64, weight: Weight) -> (Vec<Letter>, f64) {
    let Some(font) = font(weight) else { return (vec![], 0.0) };
    let unit = size / units_per_em(font);
    let mut offset = 0.0;
    let mut letters = vec![];
    for c in text.chars() {
        if let Some(outline) = font.outline(font.glyph_id(c)) {
            letters.push(Letter { letter: c, outline, offset });
        }
        offset += advance(font, c, size) / unit;
    }
    (letters, unit)
}

/// Calls `dot` with each pixel that a line of text covers, starting at `(left, baseline)`, and how much of the pixel it covers.
pub(super) fn rasterize(
    text: &str,
    size: f64,
    weight: Weight,
    (left, baseline): (f64, f64),
    mut dot: impl FnMut(i32, i32, f64),
) {
    let Some(font) = font(weight) else { return };
    let scale = PxScale::from((size / units_per_em(font)) as f32 * font.height_unscaled());
    let mut x = left;
    for c in text.chars() {
        let position = ab_glyph::point(x as f32, baseline as f32);
        if let Some(glyph) = font.outline_glyph(Glyph { id: font.glyph_id(c), scale, position }) {
            let corner = glyph.px_bounds().min;
            let (x, y) = (corner.x as i32, corner.y as i32);
            glyph.draw(|dx, dy, cover| {
                dot(x.saturating_add_unsigned(dx), y.saturating_add_unsigned(dy), f64::from(cover));
            });
        }
        x += advance(font, c, size);
    }
}

fn advance(font: &FontRef<'_>, c: char, size: f64) -> f64 {
    f64::from(font.h_advance_unscaled(font.glyph_id(c))) * size / units_per_em(font)
}

fn units_per_em(font: &FontRef<'_>) -> f64 {
    f64::from(font.units_per_em().unwrap_or(1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_weights_hold_what_french_names_and_our_labels_need() {
        for weight in [Weight::Regular, Weight::Bold] {
            let font = font(weight).expect("the font parses");
            for c in "azAZ09⁰¹²³⁴⁵⁶⁷⁸⁹éèêëçœŒàùîôÉÈÇ’‘“”«»–—…·≤≥≈−×%°±→\u{202f}\u{2009}\u{a0}".chars()
            {
                assert_ne!(font.glyph_id(c).0, 0, "{c} is not in the {weight:?} font");
            }
        }
    }

    #[test]
    fn a_capital_is_as_high_as_it_says() {
        let (mut top, mut bottom) = (i32::MAX, i32::MIN);
        rasterize("H", 1000.0, Weight::Regular, (0.0, 2000.0), |_, y, cover| {
            if cover > 0.5 {
                (top, bottom) = (top.min(y), bottom.max(y));
            }
        });
        assert!((f64::from(bottom + 1 - top) / 1000.0 - CAPITAL).abs() < 0.002, "{top} to {bottom}");
        assert_eq!(bottom, 1999);
    }

    proptest! {
        #[test]
        fn what_is_fitted_fits_and_what_fits_is_kept(text in "\\PC{0,60}", room in 0.0..900.0f64) {
            let fitted = fit(&text, 20.0, Weight::Regular, room);
            prop_assert!(width(&fitted, 20.0, Weight::Regular) <= room);
            if width(&text, 20.0, Weight::Regular) <= room {
                prop_assert_eq!(fitted, text);
            }
        }
    }
}
