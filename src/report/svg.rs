//! A scene as SVG. Text is drawn as outlines, with its words kept as a label, so that no viewer needs the font.

use std::fmt::{self, Write};

use ab_glyph::OutlineCurve;

use super::font::{self, Letter};
use super::palette::Colour;
use super::scene::{Point, SHEET, Scene, Shape, Text};

/// The scene as an SVG document.
pub(super) fn document(scene: &Scene) -> String {
    let (width, height) = SHEET;
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<rect width="{width}" height="{height}" fill="#ffffff"/>"##
    );
    for shape in &scene.shapes {
        let _ = element(&mut svg, shape);
    }
    svg.push_str("</svg>\n");
    svg
}

fn element(svg: &mut String, shape: &Shape) -> fmt::Result {
    match shape {
        Shape::Area { outline, fill } => {
            writeln!(svg, r#"<polygon points="{}" fill="{}"/>"#, points(outline), hex(*fill))
        }
        Shape::Line { points: line, width, colour } => writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{}" stroke-width="{width:.2}" stroke-linejoin="round"/>"#,
            points(line),
            hex(*colour),
        ),
        Shape::Disc { centre: (x, y), radius, fill } => {
            writeln!(svg, r#"<circle cx="{x:.2}" cy="{y:.2}" r="{radius:.2}" fill="{}"/>"#, hex(*fill))
        }
        Shape::Text(text) => text_element(svg, text),
    }
}

fn text_element(svg: &mut String, Text { start: (left, baseline), style, text }: &Text) -> fmt::Result {
    let (letters, unit) = font::outlines(text, style.size, style.weight);
    write!(
        svg,
        r#"<g role="img" aria-label="{}" fill="{}" transform="translate({left:.2} {baseline:.2}) scale({unit:.6} -{unit:.6})"><path d=""#,
        escape(text),
        hex(style.colour),
    )?;
    letters.iter().try_for_each(|letter| letter_path(svg, letter))?;
    writeln!(svg, r#""/></g>"#)
}

/// One letter as path commands, in font units; a curve that does not start where the last one ended starts a new outline.
fn letter_path(svg: &mut String, Letter { outline, offset }: &Letter) -> fmt::Result {
    let shown = |point: ab_glyph::Point| (f64::from(point.x) + offset, f64::from(point.y));
    let mut end = None;
    for curve in &outline.curves {
        let (start, controls) = match *curve {
            OutlineCurve::Line(start, a) => (start, ("L", vec![a])),
            OutlineCurve::Quad(start, a, b) => (start, ("Q", vec![a, b])),
            OutlineCurve::Cubic(start, a, b, c) => (start, ("C", vec![a, b, c])),
        };
        if end != Some(start) {
            let (x, y) = shown(start);
            write!(svg, "M{x:.0} {y:.0}")?;
        }
        svg.push_str(controls.0);
        for (place, (x, y)) in controls.1.iter().map(|&point| shown(point)).enumerate() {
            write!(svg, "{}{x:.0} {y:.0}", if place == 0 { "" } else { " " })?;
        }
        end = controls.1.last().copied();
    }
    Ok(())
}

fn points(points: &[Point]) -> String {
    points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect::<Vec<_>>().join(" ")
}

fn hex(Colour(red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::font::Weight;
    use super::super::palette::INK;
    use super::super::scene::{Anchor, Style};
    use super::*;

    #[test]
    fn text_becomes_outlines_and_keeps_its_words_escaped() {
        let mut scene = Scene::default();
        scene.text((10.0, 50.0), Anchor::Start, Style::new(20.0, Weight::Regular, INK), "a < b & \"c\"");
        let svg = document(&scene);
        assert!(svg.contains(r#"aria-label="a &lt; b &amp; &quot;c&quot;""#), "{svg}");
        assert!(svg.contains("<path d=\"M") && !svg.contains("<text"), "{svg}");
    }

    #[test]
    fn a_letter_with_a_hole_has_two_outlines() {
        let mut scene = Scene::default();
        scene.text((10.0, 50.0), Anchor::Start, Style::new(20.0, Weight::Regular, INK), "o");
        let svg = document(&scene);
        let path = &svg[svg.find("<path").unwrap()..];
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }
}
