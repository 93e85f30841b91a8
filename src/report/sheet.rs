//! What every figure shares: title, subtitle, source line, legend, and the frame of a panel with its axes.

use super::axis::{Axis, Tick};
use super::font::Weight;
use super::palette::{AXIS, Colour, GRID, INK, PAPER, QUIET};
use super::scene::{Anchor, Point, Scene, Style};

/// The left and right margins of everything on a sheet.
pub(super) const LEFT: f64 = 60.0;
pub(super) const RIGHT: f64 = 1540.0;
/// Where the first thing below the subtitle may begin, and where the last thing above the source line must end.
pub(super) const TOP: f64 = 136.0;
pub(super) const BOTTOM: f64 = 935.0;

const TITLE: Style = Style::new(36.0, Weight::Bold, INK);
const SUBTITLE: Style = Style::new(22.0, Weight::Regular, QUIET);
const SOURCE: Style = Style::new(18.0, Weight::Regular, QUIET);
/// Notes below the panels.
pub(super) const NOTE: Style = SOURCE;
/// Headings of panels and titles of axes.
pub(super) const HEADING: Style = Style::new(22.0, Weight::Bold, INK);
pub(super) const LABEL: Style = Style::new(20.0, Weight::Regular, INK);
const TICK: Style = Style::new(20.0, Weight::Regular, QUIET);

/// One entry of a legend.
pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) colour: Colour,
    pub(super) label: String,
}

/// What stands before an entry's label.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Line,
    Dashes,
    Block,
    /// The line and the mark of the model at this place.
    Model(usize),
}

impl Entry {
    pub(super) fn new(mark: Mark, colour: Colour, label: impl Into<String>) -> Self {
        Self { mark, colour, label: label.into() }
    }
}

/// The plot area of a panel: the axes meet at its lower left corner.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Panel {
    /// Where a pair of values lies.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.x.at(x), self.y.at(y))
    }

    fn middle(&self) -> Point {
        ((self.x.from + self.x.to) / 2.0, (self.y.from + self.y.to) / 2.0)
    }
}

impl Scene {
    /// A sheet with its title, the line below it that says what is shown in which units, and the source at the foot.
    pub(super) fn sheet(title: &str, subtitle: &str, source: &str) -> Self {
        let mut sheet = Self::default();
        let room = RIGHT - LEFT;
        // A long title is set smaller before it is cut.
        let size = (TITLE.size * room / TITLE.width(title).max(room)).max(26.0);
        let style = Style { size, ..TITLE };
        sheet.text((LEFT, 66.0), Anchor::Start, style, &style.fit(title, room));
        sheet.text((LEFT, 106.0), Anchor::Start, SUBTITLE, &SUBTITLE.fit(subtitle, room));
        sheet.text((LEFT, 978.0), Anchor::Start, SOURCE, &SOURCE.fit(source, room));
        sheet
    }

    /// Entries side by side from `(left, top)`, in as many rows as they need up to `right`; where the last row ends.
    pub(super) fn legend(&mut self, (left, top): Point, right: f64, entries: &[Entry]) -> f64 {
        const MARK: f64 = 34.0;
        const GAP: f64 = 34.0;
        const ROW: f64 = 34.0;
        let (mut x, mut y) = (left, top);
        for Entry { mark, colour, label } in entries {
            let label = LABEL.fit(label, (right - left - MARK - 10.0).min(620.0));
            let width = MARK + 10.0 + LABEL.width(&label);
            if x > left && x + width > right {
                (x, y) = (left, y + ROW);
            }
            let middle = y + ROW / 2.0;
            match mark {
                Mark::Line => self.line(&[(x, middle), (x + MARK, middle)], 4.0, *colour),
                Mark::Dashes => self.dashed(&[(x, middle), (x + MARK, middle)], 2.5, *colour),
                Mark::Block => self.rectangle((x + 8.0, middle - 9.0), (x + MARK, middle + 9.0), *colour),
                Mark::Model(place) => {
                    self.curve(*place, &[(x, middle), (x + MARK, middle)]);
                    self.mark(*place, (x + MARK / 2.0, middle), 6.0);
                }
            }
            self.text_beside((x + MARK + 10.0, middle), Anchor::Start, LABEL, &label);
            x += width + GAP;
        }
        if entries.is_empty() { top } else { y + ROW }
    }

    /// The grid and the labels of a panel's x axis, with the axis title below.
    pub(super) fn x_axis(&mut self, panel: &Panel, ticks: &[Tick], title: &str) {
        let (top, bottom) = (panel.y.to, panel.y.from);
        for tick in ticks {
            let x = crisp(panel.x.at(tick.value));
            self.line(&[(x, top), (x, bottom)], 1.0, GRID);
        }
        self.x_labels(panel, ticks);
        self.text(
            (panel.middle().0, bottom + 68.0),
            Anchor::Middle,
            LABEL,
            &LABEL.fit(title, panel.x.to - panel.x.from),
        );
        self.line(&[(panel.x.from, crisp(bottom)), (panel.x.to, crisp(bottom))], 1.5, AXIS);
    }

    /// The labels alone, below the panel; one that would touch the label before it is left out.
    pub(super) fn x_labels(&mut self, panel: &Panel, ticks: &[Tick]) {
        let mut free = f64::NEG_INFINITY;
        for tick in ticks {
            let (x, half) = (panel.x.at(tick.value), TICK.width(&tick.label) / 2.0);
            if x - half >= free {
                self.text((x, panel.y.from + 32.0), Anchor::Middle, TICK, &tick.label);
                free = x + half + 12.0;
            }
        }
    }

    /// The grid and the labels of a panel's y axis; its title stands above the panel, where it can be read without turning the head.
    pub(super) fn y_axis(&mut self, panel: &Panel, ticks: &[Tick], title: &str) {
        let mut free = f64::INFINITY;
        for tick in ticks {
            let y = crisp(panel.y.at(tick.value));
            self.line(&[(panel.x.from, y), (panel.x.to, y)], 1.0, GRID);
            if y + TICK.size / 2.0 <= free {
                self.text_beside((panel.x.from - 14.0, y), Anchor::End, TICK, &tick.label);
                free = y - TICK.size / 2.0 - 6.0;
            }
        }
        let widest = ticks.iter().map(|tick| TICK.width(&tick.label)).fold(0.0, f64::max);
        self.text((panel.x.from - 14.0 - widest, panel.y.to - 24.0), Anchor::Start, LABEL, title);
    }

    /// Says in the middle of a panel that it has nothing to show.
    pub(super) fn no_data(&mut self, panel: &Panel, why: &str) {
        let (x, y) = panel.middle();
        let width = HEADING.width(why) / 2.0 + 24.0;
        self.rectangle((x - width, y - 28.0), (x + width, y + 28.0), PAPER);
        self.text_beside((x, y), Anchor::Middle, Style { colour: QUIET, ..HEADING }, why);
    }
}

/// The pixel's middle, where a line one pixel wide stays sharp.
pub(super) fn crisp(pixel: f64) -> f64 {
    pixel.floor() + 0.5
}
