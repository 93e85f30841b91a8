//! How one of several models looks: a colour and a mark of its own, so that nine can be told apart, in a grey print too.
//!
//! The first seven models have the seven colours; those after them take the colours again, dashed and with hollow marks.

use super::palette::{COLOURS, Colour, PAPER, QUIET, category};
use super::scene::{Point, Scene};
use super::sheet::{Entry, Mark, Panel};

impl Scene {
    /// The mark of the model at `place`: a disc, square, diamond or triangle.
    pub(super) fn mark(&mut self, place: usize, at: Point, radius: f64) {
        let colour = category(place);
        self.shape(place, at, radius, colour);
        if again(place) {
            self.shape(place, at, radius * 0.5, PAPER);
        }
    }

    /// The line of the model at `place`.
    pub(super) fn curve(&mut self, place: usize, points: &[Point]) {
        if again(place) {
            self.dashed(points, 2.5, category(place));
        } else {
            self.line(points, 2.5, category(place));
        }
    }

    /// The line of the model at `place` with its mark at each point.
    pub(super) fn marked_curve(&mut self, place: usize, points: &[Point], radius: f64) {
        self.curve(place, points);
        points.iter().for_each(|&point| self.mark(place, point, radius));
    }

    /// An upright interval with caps, and nothing where it has no height.
    pub(super) fn whisker(&mut self, x: f64, (low, high): (f64, f64), width: f64, colour: Colour) {
        const CAP: f64 = 5.0;
        if (low - high).abs() >= 1.0 {
            self.line(&[(x, low), (x, high)], width, colour);
            [low, high].iter().for_each(|&y| self.line(&[(x - CAP, y), (x + CAP, y)], width, colour));
        }
    }

    /// The values of the model at `place`, by their x in pixels: a line that breaks where a value is unknown. Where it is
    /// below the axis, a triangle at the axis points down, `beside` its place by so much, and the line is cut there.
    pub(super) fn values(
        &mut self,
        panel: &Panel,
        place: usize,
        values: &[(f64, Option<f64>)],
        (radius, beside): (f64, f64),
    ) {
        let shown: Vec<(f64, Option<f64>)> =
            values.iter().map(|&(x, value)| (x, value.filter(|&value| value >= panel.y.low))).collect();
        let mut line: Vec<Point> = vec![];
        for (at, pair) in values.windows(2).enumerate() {
            let [(x0, Some(before)), (x1, Some(after))] = *pair else {
                self.curve_if_any(place, &mut line);
                continue;
            };
            let cut = (panel.y.low - before) / (after - before);
            let crossing = (x0 + cut * (x1 - x0), panel.y.from);
            match (shown[at].1, shown[at + 1].1) {
                (Some(before), Some(after)) => line.extend([(x0, panel.y.at(before)), (x1, panel.y.at(after))]),
                (Some(before), None) => line.extend([(x0, panel.y.at(before)), crossing]),
                (None, Some(after)) => line.extend([crossing, (x1, panel.y.at(after))]),
                (None, None) => {}
            }
            if shown[at + 1].1.is_none() {
                self.curve_if_any(place, &mut line);
            }
        }
        self.curve_if_any(place, &mut line);
        for (&(x, known), (_, shown)) in values.iter().zip(&shown) {
            match (known, shown) {
                (_, Some(value)) => self.mark(place, (x, panel.y.at(*value)), radius),
                (Some(_), None) => {
                    let (x, y, half) = (x + beside, panel.y.from - 3.0, radius + 1.0);
                    self.area(vec![(x - half, y - 2.0 * half), (x + half, y - 2.0 * half), (x, y)], category(place));
                }
                (None, None) => {}
            }
        }
    }

    fn curve_if_any(&mut self, place: usize, line: &mut Vec<Point>) {
        if line.len() > 1 {
            self.curve(place, line);
        }
        line.clear();
    }

    fn shape(&mut self, place: usize, (x, y): Point, radius: f64, fill: Colour) {
        match place % 4 {
            0 => self.disc((x, y), radius, fill),
            1 => self.rectangle((x - 0.9 * radius, y - 0.9 * radius), (x + 0.9 * radius, y + 0.9 * radius), fill),
            2 => {
                let half = 1.3 * radius;
                self.area(vec![(x - half, y), (x, y - half), (x + half, y), (x, y + half)], fill);
            }
            _ => {
                let half = 1.2 * radius;
                self.area(vec![(x - half, y + 0.8 * half), (x, y - 1.1 * half), (x + half, y + 0.8 * half)], fill);
            }
        }
    }
}

/// The colours were all used before this place.
fn again(place: usize) -> bool {
    place >= COLOURS
}

/// A model in a figure of skills: its place among all models, which gives it its look, its name, and its skills from the
/// least to the greatest.
pub(super) struct Line<'a> {
    pub(super) place: usize,
    pub(super) name: &'a str,
    pub(super) extent: Option<(f64, f64)>,
}

/// The legend of a figure of skills. Of a model that leaves the axis it says how far; the reference is the zero line.
pub(super) fn legend(lines: &[Line<'_>], low: f64, reference: &str) -> Vec<Entry> {
    let entry = |line: &Line<'_>| {
        let label = match line.extent.filter(|extent| extent.0 < low) {
            Some((least, _)) => format!("{} (↓ to {})", line.name, signed(least)),
            None => line.name.to_owned(),
        };
        Entry::new(Mark::Model(line.place), category(line.place), label)
    };
    let reference = Entry::new(Mark::Dashes, QUIET, format!("{reference} (reference, skill 0)"));
    lines.iter().map(entry).chain([reference]).collect()
}

/// What the subtitle says where a model leaves the axis.
pub(super) fn cut_note(lines: &[Line<'_>], low: f64) -> &'static str {
    let cut = lines.iter().filter_map(|line| line.extent).any(|extent| extent.0 < low);
    if cut { " · ↓: below the axis" } else { "" }
}

/// A Brier skill with its sign; a huge one in powers of ten.
pub(super) fn signed(skill: f64) -> String {
    match format!("{skill:+.3}") {
        huge if huge.len() > 7 => format!("{skill:+.1e}"),
        text => text,
    }
    .replace('-', "−")
}

/// The skills that an axis shows: zero always, and the better half of the models wholly, as well as what lies as close to
/// zero as the best. A model far worse than the reference would leave no room to tell the others apart.
pub(super) fn skill_range(lines: &[Line<'_>]) -> (f64, f64) {
    let extent = || lines.iter().filter_map(|line| line.extent);
    let high = extent().map(|extent| extent.1).fold(0.05, f64::max);
    let mut least: Vec<f64> = extent().map(|extent| extent.0.min(0.0)).collect();
    least.sort_by(|a, b| b.total_cmp(a));
    let half = least.get(least.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    let floor = half.min(-high).max(-1.0);
    let (kept, cut): (Vec<f64>, Vec<f64>) = least.into_iter().partition(|&least| least >= floor);
    // Those that are cut are marked at the lower end, apart from the others.
    let low = kept.last().copied().unwrap_or(if cut.is_empty() { 0.0 } else { floor });
    let below = if cut.is_empty() { 0.06 } else { 0.15 };
    (low - below * (high - low), high + 0.06 * (high - low))
}

/// The least and the greatest of some values.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent: Option<(f64, f64)>, value| {
        Some(extent.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

#[cfg(test)]
mod tests {
    use super::super::axis::{Axis, Spread};
    use super::super::scene::Shape;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_skill_shows_its_sign() {
        assert_eq!([0.0882, -0.5, -12345.6].map(signed), ["+0.088", "−0.500", "−1.2e4"]);
    }

    #[test]
    fn one_poor_model_does_not_press_the_others_together_but_a_poor_half_is_shown() {
        let line = |low, high| Line { place: 0, name: "m", extent: Some((low, high)) };
        let (low, high) = skill_range(&[line(0.02, 0.09), line(-0.01, 0.11), line(-0.8, -0.4)]);
        assert!(low > -0.2 && high < 0.14, "{low} {high}");
        let (low, _) = skill_range(&[line(-0.4, -0.3), line(-0.8, -0.6)]);
        assert!((-0.5..-0.4).contains(&low), "{low}");
    }

    #[test]
    fn no_two_of_twelve_models_look_the_same() {
        let looks: Vec<Scene> = (0..12)
            .map(|place| {
                let mut scene = Scene::default();
                scene.marked_curve(place, &[(100.0, 100.0), (200.0, 100.0)], 5.0);
                scene
            })
            .collect();
        for (place, look) in looks.iter().enumerate() {
            assert!(!looks[..place].contains(look), "{place}");
        }
    }

    proptest! {
        #[test]
        fn a_line_breaks_at_the_unknown_and_stays_inside_its_panel(
            values in prop::collection::vec(prop::option::of(-3.0..1.0f64), 0..12),
        ) {
            let axis = |low, high, from, to| Axis::new(Spread::Linear, (low, high), (from, to));
            let panel = Panel { x: axis(0.0, 12.0, 0.0, 1200.0), y: axis(-1.0, 1.0, 900.0, 100.0) };
            let at: Vec<(f64, Option<f64>)> =
                values.iter().enumerate().map(|(x, &value)| (100.0 * x as f64, value)).collect();
            let mut scene = Scene::default();
            scene.values(&panel, 0, &at, (4.0, 0.0));
            prop_assert_eq!(scene.shapes.iter().filter(|shape| !matches!(shape, Shape::Line { .. })).count(),
                values.iter().flatten().count());
            for shape in &scene.shapes {
                let Shape::Line { points, .. } = shape else { continue };
                for &(x, y) in points {
                    prop_assert!((100.0..=900.0 + 1e-9).contains(&y));
                    let (left, right) = ((x / 100.0 + 1e-6).floor() as usize, (x / 100.0 - 1e-6).ceil() as usize);
                    prop_assert!(values[left].is_some() && values[right].is_some());
                }
            }
        }
    }
}
