//! A figure as a list of shapes: what lies between a result and a file format.
//!
//! A result struct becomes a [`Scene`], and each format draws scenes and knows nothing of results. Text can be measured
//! before it is drawn, so a test can ask of any scene whether two labels overlap or one is cut off.

use super::font::{self, Weight};
use super::palette::Colour;

/// A place on the sheet in pixels, from its upper left corner: to the right, and down.
pub(super) type Point = (f64, f64);

/// The width and height of every sheet, in pixels.
pub(super) const SHEET: (u32, u32) = (1600, 1000);

/// What was drawn, the first at the bottom.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scene {
    pub(super) shapes: Vec<Shape>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A filled outline; the last point is joined to the first.
    Area { outline: Vec<Point>, fill: Colour },
    /// A line through points, with round joints.
    Line { points: Vec<Point>, width: f64, colour: Colour },
    /// A filled circle.
    Disc { centre: Point, radius: f64, fill: Colour },
    /// One line of text.
    Text(Text),
}

/// One line of text, from its left end on its baseline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) start: Point,
    pub(super) style: Style,
    pub(super) text: String,
}

/// How text looks; the size is in pixels per em.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) colour: Colour,
}

impl Style {
    pub(super) const fn new(size: f64, weight: Weight, colour: Colour) -> Self {
        Self { size, weight, colour }
    }

    /// The width of `text` in pixels.
    pub(super) fn width(self, text: &str) -> f64 {
        font::width(text, self.size, self.weight)
    }

    /// As much of `text` as fits into `room` pixels.
    pub(super) fn fit(self, text: &str, room: f64) -> String {
        font::fit(text, self.size, self.weight, room)
    }

    /// `text` broken between words into lines that fit into `room` pixels; a word that is longer is cut.
    pub(super) fn wrap(self, text: &str, room: f64) -> Vec<String> {
        let mut lines: Vec<String> = vec![];
        for word in text.split_whitespace() {
            let longer = lines.last().map(|line| format!("{line} {word}")).filter(|line| self.width(line) <= room);
            match (longer, lines.last_mut()) {
                (Some(longer), Some(line)) => *line = longer,
                _ => lines.push(self.fit(word, room)),
            }
        }
        lines
    }
}

/// Which part of a text lies on the point it is drawn at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Scene {
    pub(super) fn area(&mut self, outline: Vec<Point>, fill: Colour) {
        self.shapes.push(Shape::Area { outline, fill });
    }

    /// A filled rectangle, given two opposite corners.
    pub(super) fn rectangle(&mut self, (x0, y0): Point, (x1, y1): Point, fill: Colour) {
        self.area(vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill);
    }

    pub(super) fn disc(&mut self, centre: Point, radius: f64, fill: Colour) {
        self.shapes.push(Shape::Disc { centre, radius, fill });
    }

    /// A line; points closer than a quarter of a pixel to the one before are left out, the ends are kept.
    pub(super) fn line(&mut self, points: &[Point], width: f64, colour: Colour) {
        let mut kept: Vec<Point> = vec![];
        for (place, &point) in points.iter().enumerate() {
            let far = kept.last().is_none_or(|last| distance(*last, point) >= 0.25);
            if far || place + 1 == points.len() {
                kept.push(point);
            }
        }
        self.shapes.push(Shape::Line { points: kept, width, colour });
    }

    /// A dashed line through points; the dashes go on around its corners.
    pub(super) fn dashed(&mut self, points: &[Point], width: f64, colour: Colour) {
        const DASH: f64 = 9.0;
        const GAP: f64 = 0.8 * DASH;
        let (mut dash, mut drawing, mut left) = (vec![], true, DASH);
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let length = distance(from, to);
            let mut done = 0.0;
            while done < length {
                let end = (done + left).min(length);
                let along = |distance: f64| {
                    let share = distance / length;
                    (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
                };
                if drawing {
                    dash.extend([along(done), along(end)]);
                }
                left -= end - done;
                done = end;
                if left < 1e-6 {
                    if drawing {
                        self.line(&std::mem::take(&mut dash), width, colour);
                    }
                    drawing = !drawing;
                    left = if drawing { DASH } else { GAP };
                }
            }
        }
        if dash.len() > 1 {
            self.line(&dash, width, colour);
        }
    }

    /// Text with its anchor at `at`, on the baseline.
    pub(super) fn text(&mut self, at: Point, anchor: Anchor, style: Style, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let left = match anchor {
            Anchor::Start => at.0,
            Anchor::Middle => at.0 - style.width(&text) / 2.0,
            Anchor::End => at.0 - style.width(&text),
        };
        if !text.trim().is_empty() {
            self.shapes.push(Shape::Text(Text { start: (left, at.1), style, text }));
        }
    }

    /// Text whose capitals are centred on the height `at.1`.
    pub(super) fn text_beside(&mut self, at: Point, anchor: Anchor, style: Style, text: &str) {
        self.text((at.0, at.1 + style.size * font::CAPITAL / 2.0), anchor, style, text);
    }
}

fn distance(a: Point, b: Point) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

#[cfg(test)]
impl Scene {
    /// Every text that was drawn, in order.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.labels().map(|label| label.text.as_str()).collect()
    }

    fn labels(&self) -> impl Iterator<Item = &Text> {
        self.shapes.iter().filter_map(|shape| if let Shape::Text(text) = shape { Some(text) } else { None })
    }

    /// Why a reader could not read this scene, if so: a label cut off, two that overlap, a shape off the sheet.
    pub(super) fn illegible(&self) -> Option<String> {
        let (right, bottom) = (f64::from(SHEET.0), f64::from(SHEET.1));
        let inside = |&(x, y): &Point| (0.0..=right).contains(&x) && (0.0..=bottom).contains(&y);
        for shape in &self.shapes {
            let outside = match shape {
                Shape::Area { outline: points, .. } | Shape::Line { points, .. } => !points.iter().all(inside),
                Shape::Disc { centre, radius, .. } => !inside(centre) || !radius.is_finite() || *radius > 100.0,
                Shape::Text(_) => false,
            };
            if outside {
                return Some(format!("off the sheet: {shape:?}"));
            }
        }
        let boxes: Vec<(&str, [f64; 4])> = self
            .labels()
            .map(|label| {
                let ((x, y), size) = (label.start, label.style.size);
                (&*label.text, [x, y - 0.80 * size, x + label.style.width(&label.text), y + 0.22 * size])
            })
            .collect();
        for (place, (text, a)) in boxes.iter().enumerate() {
            if !inside(&(a[0], a[1])) || !inside(&(a[2], a[3])) {
                return Some(format!("cut off: {text} at {a:?}"));
            }
            for (other, b) in &boxes[..place] {
                if a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3] {
                    return Some(format!("overlap: {text} at {a:?} and {other} at {b:?}"));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette::INK;
    use super::*;

    const STYLE: Style = Style::new(20.0, Weight::Regular, INK);

    #[test]
    fn labels_that_overlap_or_leave_the_sheet_are_found() {
        let mut scene = Scene::default();
        scene.text((100.0, 100.0), Anchor::Start, STYLE, "one");
        scene.text((100.0, 130.0), Anchor::Start, STYLE, "below");
        scene.text((100.0, 100.0), Anchor::End, STYLE, "before");
        assert_eq!(scene.illegible(), None);
        let mut cut = scene.clone();
        cut.text((1590.0, 500.0), Anchor::Start, STYLE, "Vélib’");
        assert!(cut.illegible().unwrap().starts_with("cut off: Vélib’"));
        scene.text((110.0, 105.0), Anchor::Start, STYLE, "upon");
        assert!(scene.illegible().unwrap().starts_with("overlap: upon"));
    }

    #[test]
    fn a_line_keeps_its_ends_and_drops_what_nobody_can_see() {
        let mut scene = Scene::default();
        let points: Vec<Point> = (0..=1000).map(|step| (f64::from(step) / 100.0, 5.0)).collect();
        scene.line(&points, 1.0, INK);
        let Shape::Line { points: kept, .. } = &scene.shapes[0] else { panic!("a line") };
        assert_eq!((kept[0], kept[kept.len() - 1]), ((0.0, 5.0), (10.0, 5.0)));
        assert!((30..=45).contains(&kept.len()), "{}", kept.len());
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
        let text = "No history of this station  over the last week: its usual change is that of the network.";
        let lines = STYLE.wrap(text, 300.0);
        assert!(lines.len() > 2 && lines.iter().all(|line| STYLE.width(line) <= 300.0), "{lines:?}");
        assert_eq!(lines.join(" "), text.replace("  ", " "));
        assert!(STYLE.wrap(" ", 300.0).is_empty());
        assert!(STYLE.wrap("anticonstitutionnellement", 100.0)[0].ends_with('…'));
    }

    #[test]
    fn a_dashed_line_stays_between_its_ends_and_one_of_no_length_is_nothing() {
        let mut scene = Scene::default();
        scene.dashed(&[(10.0, 10.0), (10.0, 10.0)], 1.0, INK);
        assert!(scene.shapes.is_empty());
        scene.dashed(&[(10.0, 10.0), (30.0, 10.0), (30.0, 50.0)], 1.0, INK);
        assert_eq!(scene.shapes.len(), 4, "a dash and a gap are 16 pixels, also around the corner");
        assert!(scene.shapes.iter().all(|shape| matches!(shape, Shape::Line { points, .. }
            if points.iter().all(|point| (10.0..=40.0).contains(&point.0)))));
    }
}
