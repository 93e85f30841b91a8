//! A scene as SVG. Text is drawn as outlines, with its words kept as a label, so that no viewer needs the font.
//!
//! Each letter's outline is kept once and used wherever it stands, which makes a figure several times smaller.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use ab_glyph::OutlineCurve;

use super::font::{self, Letter, Weight};
use super::palette::Colour;
use super::scene::{Point, SHEET, Scene, Shape, Text};

/// The scene as an SVG document.
pub(super) fn document(scene: &Scene) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut svg, scene, "", &Outer::Document);
    svg
}

/// The scene as an image inside a page, the `place`-th of that page; `label` says what it shows, in place of its texts.
pub(super) fn embedded(scene: &Scene, label: &str, place: usize) -> String {
    let mut svg = String::new();
    let _ = write(&mut svg, scene, &format!("f{place}"), &Outer::Image(label));
    svg
}

/// What the figure stands in.
enum Outer<'a> {
    Document,
    Image(&'a str),
}

fn write(svg: &mut String, scene: &Scene, prefix: &str, outer: &Outer<'_>) -> fmt::Result {
    let (width, height) = SHEET;
    write!(svg, r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}""#)?;
    if let Outer::Image(label) = outer {
        write!(svg, r#" role="img" aria-label="{}""#, escape(label))?;
    }
    writeln!(
        svg,
        r##" viewBox="0 0 {width} {height}">
<rect width="{width}" height="{height}" fill="#ffffff"/>"##
    )?;
    letters(svg, scene, prefix)?;
    scene.shapes.iter().try_for_each(|shape| element(svg, shape, prefix, outer))?;
    svg.push_str("</svg>\n");
    Ok(())
}

/// The outline of every letter of the scene, once for each weight, in font units.
fn letters(svg: &mut String, scene: &Scene, prefix: &str) -> fmt::Result {
    let texts = scene.shapes.iter().filter_map(|shape| if let Shape::Text(text) = shape { Some(text) } else { None });
    let all: BTreeSet<(bool, char)> =
        texts.flat_map(|text| text.text.chars().map(|letter| (text.style.weight == Weight::Bold, letter))).collect();
    svg.push_str("<defs>\n");
    for (bold, letter) in all {
        let weight = if bold { Weight::Bold } else { Weight::Regular };
        if let [outline] = &*font::outlines(letter.encode_utf8(&mut [0; 4]), 1.0, weight).0 {
            write!(svg, r#"<path id="{}" d=""#, name(prefix, letter, weight))?;
            letter_path(svg, outline)?;
            svg.push_str("\"/>\n");
        }
    }
    svg.push_str("</defs>\n");
    Ok(())
}

/// The name of a letter's outline: `f2b41` is a bold A in the second figure after the first.
fn name(prefix: &str, letter: char, weight: Weight) -> String {
    format!("{prefix}{}{:x}", if weight == Weight::Bold { 'b' } else { 'r' }, u32::from(letter))
}

fn element(svg: &mut String, shape: &Shape, prefix: &str, outer: &Outer<'_>) -> fmt::Result {
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
        Shape::Text(text) => text_element(svg, text, prefix, outer),
    }
}

fn text_element(svg: &mut String, text: &Text, prefix: &str, outer: &Outer<'_>) -> fmt::Result {
    let Text { start: (left, baseline), style, text } = text;
    let (letters, unit) = font::outlines(text, style.size, style.weight);
    svg.push_str("<g");
    if matches!(outer, Outer::Document) {
        write!(svg, r#" role="img" aria-label="{}""#, escape(text))?;
    }
    write!(
        svg,
        r#" fill="{}" transform="translate({left:.2} {baseline:.2}) scale({unit:.6} -{unit:.6})">"#,
        hex(style.colour),
    )?;
    for Letter { letter, offset, .. } in &letters {
        write!(svg, r##"<use href="#{}" x="{offset:.0}"/>"##, name(prefix, *letter, style.weight))?;
    }
    writeln!(svg, "</g>")
}

/// One letter as path commands, in font units; a curve that does not start where the last one ended starts a new outline.
fn letter_path(svg: &mut String, Letter { outline, .. }: &Letter) -> fmt::Result {
    let shown = |point: ab_glyph::Point| (f64::from(point.x), f64::from(point.y));
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

/// Text as it may stand in SVG and HTML, also inside of quotes; control characters, which neither may hold, become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::palette::INK;
    use super::super::scene::{Anchor, Style};
    use super::*;

    #[test]
    fn text_becomes_outlines_and_keeps_its_words_escaped() {
        let mut scene = Scene::default();
        scene.text((10.0, 50.0), Anchor::Start, Style::new(20.0, Weight::Regular, INK), "a < b & \"c\"");
        let svg = document(&scene);
        assert!(svg.contains(r#"aria-label="a &lt; b &amp; &quot;c&quot;""#), "{svg}");
        assert!(svg.contains("<path id=\"r61\" d=\"M") && !svg.contains("<text"), "{svg}");
    }

    #[test]
    fn a_letter_with_a_hole_has_two_outlines() {
        let mut scene = Scene::default();
        scene.text((10.0, 50.0), Anchor::Start, Style::new(20.0, Weight::Regular, INK), "o");
        let svg = document(&scene);
        let path = &svg[svg.find("<path").unwrap()..];
        assert_eq!(path.matches('M').count(), 2, "{path}");
    }

    #[test]
    fn a_letter_is_kept_once_for_each_weight_and_figure() {
        let mut scene = Scene::default();
        for (y, weight) in [(50.0, Weight::Regular), (90.0, Weight::Bold)] {
            scene.text((10.0, y), Anchor::Start, Style::new(20.0, weight, INK), "aa a");
        }
        let svg = embedded(&scene, "letters", 3);
        assert_eq!((svg.matches("<path").count(), svg.matches("<use").count()), (2, 6), "{svg}");
        assert!(svg.contains("id=\"f3b61\"") && svg.contains("href=\"#f3b61\""), "{svg}");
        assert!(svg.contains("aria-label=\"letters\"") && !svg.contains("aria-label=\"aa a\""), "{svg}");
    }
}
