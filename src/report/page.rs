//! Results as one page: text, tables and figures in one HTML file that needs nothing else, no font, no script, no network.
//!
//! Figures are inline SVG, so that they stay sharp in print and every letter is an outline. On a narrow screen the wide
//! things, tables and figures, scroll each in a box of its own, and the text stays where it is.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Figure;
use super::results::write_whole;
use super::svg::{self, escape};
use crate::error::{Error, ErrorKind, Place, Result};

/// A page of results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The page's title.
    pub title: String,
    /// What the reader should know first, in a sentence or three.
    pub lead: String,
    /// The sections, in order; the page begins with a list of them.
    pub sections: Vec<Section>,
}

/// A part of a page: its text, then where more of it stands, its tables, its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// Paragraphs of plain text.
    pub text: Vec<String>,
    /// The page that holds all of it, by its path from this one.
    #[serde(default)]
    pub more: Option<String>,
    /// Tables.
    pub tables: Vec<PageTable>,
    /// Figures.
    pub figures: Vec<PageFigure>,
}

/// A table of a page. Columns that hold nothing but numbers are set to the right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageTable {
    /// What the table shows, with units.
    pub caption: String,
    /// The heads of the columns.
    pub header: Vec<String>,
    /// The rows, each as long as the header. The first cell of a row is its name.
    pub rows: Vec<Vec<String>>,
}

/// A figure of a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageFigure {
    /// What the figure shows, printed below it.
    pub caption: String,
    /// What a reader who cannot see the figure must know of it.
    pub alt: String,
    /// The figure.
    pub figure: Figure,
}

impl Page {
    /// Writes the page as one HTML file. Its folder is made if missing.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let html = self.html().map_err(|error| error.at(Place::file(path)))?;
        write_whole(path, |unfinished| fs::write(unfinished, html).map_err(|error| Error::io(path, &error)))
    }

    /// The page as HTML. A figure that cannot be drawn is an error ([`Figure::draw`] says which are), and so is a table whose
    /// rows are not as long as its header ([`ErrorKind::Data`]).
    pub fn html(&self) -> Result<String> {
        let anchors = self.anchors();
        let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        element(&mut html, "title", "", &self.title);
        html.push_str("<style>\n");
        html.push_str(STYLE);
        html.push_str("</style>\n</head>\n<body>\n<header>\n");
        element(&mut html, "h1", "", &self.title);
        if !self.lead.is_empty() {
            element(&mut html, "p", " class=\"lead\"", &self.lead);
        }
        html.push_str("</header>\n");
        if !self.sections.is_empty() {
            html.push_str("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
            for (section, anchor) in self.sections.iter().zip(&anchors) {
                put(&mut html, format_args!("<li><a href=\"#{anchor}\">{}</a></li>\n", escape(&section.heading)));
            }
            html.push_str("</ol>\n</nav>\n");
        }
        html.push_str("<main>\n");
        let mut drawn = 0;
        for (section, anchor) in self.sections.iter().zip(&anchors) {
            put(&mut html, format_args!("<section aria-labelledby=\"{anchor}\">\n"));
            element(&mut html, "h2", &format!(" id=\"{anchor}\""), &section.heading);
            section.text.iter().for_each(|paragraph| element(&mut html, "p", "", paragraph));
            if let Some(more) = section.more.as_deref().map(escape) {
                put(&mut html, format_args!("<p>All of it: <a href=\"{more}\">{more}</a></p>\n"));
            }
            section.tables.iter().try_for_each(|table| table.html(&mut html))?;
            for figure in &section.figures {
                figure.html(&mut html, drawn)?;
                drawn += 1;
            }
            html.push_str("</section>\n");
        }
        html.push_str("</main>\n</body>\n</html>\n");
        Ok(html)
    }

    /// A name for each section, by its heading; every name once.
    fn anchors(&self) -> Vec<String> {
        let mut taken = HashSet::from(["contents".to_owned()]);
        let mut anchors = vec![];
        for section in &self.sections {
            let name = slug(&section.heading);
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
            let anchor = free.unwrap_or(name);
            taken.insert(anchor.clone());
            anchors.push(anchor);
        }
        anchors
    }
}

impl PageTable {
    fn html(&self, html: &mut String) -> Result<()> {
        let columns = self.header.len();
        if let Some((row, cells)) = self.rows.iter().enumerate().find(|(_, cells)| cells.len() != columns) {
            let message = format_args!(
                "row {} of the table “{}” has {} cells, its header {columns}",
                row + 1,
                self.caption,
                cells.len()
            );
            return Err(Error::new(ErrorKind::Data, message));
        }
        let class: Vec<&str> =
            (0..columns).map(|column| if self.is_numeric(column) { " class=\"number\"" } else { "" }).collect();
        let label = escape(&self.caption);
        put(
            html,
            format_args!("<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">\n<table>\n"),
        );
        put(html, format_args!("<caption><span>{label}</span></caption>\n"));
        html.push_str("<thead>\n<tr>");
        for (head, class) in self.header.iter().zip(&class) {
            put(html, format_args!("<th scope=\"col\"{class}>{}</th>", escape(head)));
        }
        html.push_str("</tr>\n</thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (place, (cell, class)) in row.iter().zip(&class).enumerate() {
                let (tag, scope) = if place == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                put(html, format_args!("<{tag}{scope}{class}>{}</{tag}>", escape(cell)));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n</div>\n");
        Ok(())
    }

    /// Whether a column holds numbers, and nothing else but what stands for an unknown one.
    fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
        let unknown = |cell: &str| matches!(cell, "" | "-" | "–" | "—" | "unknown");
        cells().any(is_number) && cells().all(|cell| unknown(cell) || is_number(cell))
    }
}

impl PageFigure {
    fn html(&self, html: &mut String, place: usize) -> Result<()> {
        let svg = svg::embedded(&self.figure.scene()?, &self.alt, place);
        let label = escape(&self.caption);
        html.push_str("<figure>\n");
        put(
            html,
            format_args!("<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">\n{svg}</div>\n"),
        );
        element(html, "figcaption", "", &self.caption);
        html.push_str("</figure>\n");
        Ok(())
    }
}

/// An element that holds nothing but text.
fn element(html: &mut String, tag: &str, attributes: &str, text: &str) {
    put(html, format_args!("<{tag}{attributes}>{}</{tag}>\n", escape(text)));
}

fn put(html: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = html.write_fmt(text);
}

/// Begins like a number: `+0.088`, `1,421`, `1.3 %`, `12 min`, `0.09 (0.07 to 0.11)`.
fn is_number(cell: &str) -> bool {
    let digits = cell.trim_start_matches(['+', '-', '−', '±', '≤', '≥', '<', '>', '≈', ' ']);
    digits.starts_with(|c: char| c.is_ascii_digit()) && cell.chars().filter(|c| c.is_alphabetic()).count() <= 4
}

/// Small letters, digits and hyphens.
fn slug(heading: &str) -> String {
    let letters = heading.to_lowercase();
    let words: Vec<&str> =
        letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "section".to_owned() } else { words.join("-") }
}

const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::super::{ModelScore, ModelScores};
    use super::*;
    use proptest::prelude::*;

    fn figure() -> PageFigure {
        let model =
            ModelScore { name: "tree".into(), brier: Some(0.02), brier_skill: Some(0.05), low: None, high: None };
        let scores = ModelScores {
            title: "Skill".into(),
            source: "s".into(),
            reference: "calibrated".into(),
            models: vec![model],
        };
        PageFigure { caption: "Skill by model.".into(), alt: "One bar, +0.05.".into(), figure: scores.into() }
    }

    fn page(text: &str) -> Page {
        let table = PageTable {
            caption: format!("{text} caption"),
            header: vec!["model".into(), "skill".into(), text.to_owned()],
            rows: vec![
                vec!["tree".into(), "+0.050".into(), text.to_owned()],
                vec!["boost".into(), "unknown".into(), "yes".into()],
            ],
        };
        let figure = PageFigure { caption: text.to_owned(), alt: text.to_owned(), ..figure() };
        let section = Section {
            heading: format!("{text} heading"),
            text: vec![text.to_owned(), "second".into()],
            tables: vec![table],
            figures: vec![figure.clone(), figure],
            more: None,
        };
        Page { title: text.to_owned(), lead: text.to_owned(), sections: vec![section.clone(), section] }
    }

    /// Why a text is not well-formed: a tag that is not closed, or closed in the wrong order; a name that is given twice.
    fn malformed(html: &str) -> Option<String> {
        let (mut open, mut ids): (Vec<&str>, HashSet<&str>) = (vec![], HashSet::new());
        for piece in html.split('<').skip(1) {
            let Some((tag, text)) = piece.split_once('>') else { return Some(format!("no end: {piece}")) };
            if text.contains('>') && !open.contains(&"style") {
                return Some(format!("a bare > in {text}"));
            }
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            for id in tag.split(" id=\"").skip(1) {
                if !ids.insert(id.split('"').next().unwrap()) {
                    return Some(format!("twice: {tag}"));
                }
            }
            if tag.matches('"').count() % 2 != 0 {
                return Some(format!("an open quote: {tag}"));
            }
            if tag.starts_with('/') {
                if open.pop() != Some(name) {
                    return Some(format!("closed out of order: {tag}"));
                }
            } else if !tag.ends_with('/') && name != "meta" && name != "!DOCTYPE" {
                open.push(name);
            }
        }
        (!open.is_empty()).then(|| format!("left open: {open:?}"))
    }

    #[test]
    fn the_checker_sees_what_is_malformed() {
        assert_eq!(malformed("<p>a <b>c</b><br/></p>"), None);
        for bad in [
            "<p>",
            "<p></b>",
            "<p><b></p></b>",
            "<p a=\"></p>",
            "<p>a > b</p>",
            "<p",
            "<p id=\"a\"><b id=\"a\"></b></p>",
        ] {
            assert!(malformed(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn the_page_holds_what_it_was_given_and_nothing_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports/index.html");
        page("Vélib’").write(&path).unwrap();
        let html = fs::read_to_string(path).unwrap();
        assert_eq!(malformed(&html), None);
        for held in [
            "<title>Vélib’</title>",
            "<h1>Vélib’</h1>",
            "<p>second</p>",
            "<caption><span>Vélib’ caption</span></caption>",
            "<th scope=\"col\" class=\"number\">skill</th>",
            "<th scope=\"col\">Vélib’</th>",
            "<th scope=\"row\">tree</th><td class=\"number\">+0.050</td>",
            "<figcaption>Vélib’</figcaption>",
            "role=\"img\" aria-label=\"Vélib’\"",
            "<a href=\"#v-lib-heading\">",
            "<h2 id=\"v-lib-heading-2\">",
        ] {
            assert!(html.contains(held), "{held}");
        }
        for outside in ["<script", "<link", "<img", "src=", "url(", "@import", "http://", "https://"] {
            let html = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains(outside), "{outside}");
        }
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        let html = page("<script>alert(\"1\" & '2')</script>\u{0}").html().unwrap();
        assert_eq!(malformed(&html), None);
        assert!(!html.contains("<script") && !html.contains('\u{0}'));
        let escaped = "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;";
        assert!(html.contains(&format!("<p>{escaped}")) && html.contains(&format!("aria-label=\"{escaped}")));
    }

    #[test]
    fn a_row_of_another_length_is_refused_by_name() {
        let mut bad = page("a");
        bad.sections[1].tables[0].rows[1].pop();
        let error = bad.write("page.html").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(error.to_string(), "page.html: row 2 of the table “a caption” has 2 cells, its header 3");
        let mut bad = page("a");
        let Figure::ModelScores(scores) = &mut bad.sections[0].figures[0].figure else { panic!("scores") };
        scores.models[0].brier = Some(f64::NAN);
        assert_eq!(bad.html().unwrap_err().kind(), ErrorKind::Figure);
    }

    #[test]
    fn numbers_are_told_from_names() {
        for number in ["+0.088", "−0.5", "1,421", "1.3 %", "12 min", "≤ 0.5", "0.09 (0.07 to 0.11)"] {
            assert!(is_number(number), "{number}");
        }
        for name in ["tree", "", "2022 in spring and summer", "a1"] {
            assert!(!is_number(name), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn whatever_its_texts_hold_a_page_is_well_formed(text in "[ -~\\PC]{0,30}") {
            prop_assert_eq!(malformed(&page(&text).html().unwrap()), None);
        }
    }
}
