//! Any figure: from its result to PNG or SVG, to JSON, and from the JSON back.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::results::{read_json, write_json, write_whole};
use super::scene::Scene;
use super::{
    ModelScores, OccupancyMap, PrecisionRecall, RegretBars, ReliabilityDiagram, ShortageMap, ShortageRanking,
    SkillByHorizon, SkillByHour, StationForecast, StationWeek, WeekHeat, ZoneOccupancy, png, svg,
};
use crate::error::{Error, ErrorKind, Place, Result};

/// A figure of any kind. In JSON the field `figure` tells which: `station_week`, `occupancy_map`, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Figure {
    /// One station over days.
    StationWeek(StationWeek),
    /// All stations at one moment.
    OccupancyMap(OccupancyMap),
    /// How often the event came when it was forecast about so.
    ReliabilityDiagram(ReliabilityDiagram),
    /// Precision against recall.
    PrecisionRecall(PrecisionRecall),
    /// Occupancy by zone.
    ZoneOccupancy(ZoneOccupancy),
    /// Brier skill by model.
    ModelScores(ModelScores),
    /// Brier skill by horizon.
    SkillByHorizon(SkillByHorizon),
    /// Brier skill by hour of day.
    SkillByHour(SkillByHour),
    /// How far each model is from the optimum of a world where it is known.
    RegretBars(RegretBars),
    /// One station's coming hours.
    StationForecast(StationForecast),
    /// Shares by hour of the week.
    WeekHeat(WeekHeat),
    /// Where riders found no bike or no dock.
    ShortageMap(ShortageMap),
    /// The stations that turned away the most riders.
    ShortageRanking(ShortageRanking),
}

impl Figure {
    /// Reads a figure's JSON, to draw it again.
    pub fn read_json(path: impl AsRef<Path>) -> Result<Self> {
        read_json(path)
    }

    /// Draws the figure, 1600 × 1000 pixels, as the ending of `path` says: `.png` or `.svg`. Its folder is made if missing.
    ///
    /// A value that cannot be (NaN, a probability above 1) is an error of the kind [`ErrorKind::Figure`] that names it;
    /// a result without data is a figure that says so.
    pub fn draw(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if extension != "png" && extension != "svg" {
            return Err(Error::new(ErrorKind::Usage, "a figure is written as PNG or SVG")
                .at(Place::file(path))
                .way_out("end the file's name in .png or .svg"));
        }
        let scene = self.scene().map_err(|error| error.at(Place::file(path)))?;
        write_whole(path, |unfinished| {
            if extension == "png" {
                png::write(&scene, unfinished).map_err(|error| error.at(Place::file(path)))
            } else {
                fs::write(unfinished, svg::document(&scene)).map_err(|error| Error::io(path, &error))
            }
        })
    }

    /// Writes the result that the figure is drawn from; [`Figure::read_json`] reads it back. Refuses what
    /// [`Figure::draw`] refuses, so that whatever is kept can be drawn.
    pub fn write_json(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.drawing().check().map_err(|error| error.at(Place::file(path)))?;
        write_json(path, self)
    }

    pub(super) fn scene(&self) -> Result<Scene> {
        let drawing = self.drawing();
        drawing.check()?;
        Ok(drawing.scene())
    }

    fn drawing(&self) -> &dyn Drawing {
        match self {
            Self::StationWeek(figure) => figure,
            Self::OccupancyMap(figure) => figure,
            Self::ReliabilityDiagram(figure) => figure,
            Self::PrecisionRecall(figure) => figure,
            Self::ZoneOccupancy(figure) => figure,
            Self::ModelScores(figure) => figure,
            Self::SkillByHorizon(figure) => figure,
            Self::SkillByHour(figure) => figure,
            Self::RegretBars(figure) => figure,
            Self::StationForecast(figure) => figure,
            Self::WeekHeat(figure) => figure,
            Self::ShortageMap(figure) => figure,
            Self::ShortageRanking(figure) => figure,
        }
    }
}

/// What each kind of figure does in its own way.
pub(super) trait Drawing {
    /// Refuses what cannot be drawn, by name.
    fn check(&self) -> Result<()>;

    /// The figure of a result that passed the check.
    fn scene(&self) -> Scene;
}

macro_rules! drawn_alone {
    ($($figure:ident),+) => {$(
        impl From<$figure> for Figure {
            fn from(figure: $figure) -> Self {
                Self::$figure(figure)
            }
        }

        impl $figure {
            /// Draws the figure as PNG or SVG: [`Figure::draw`].
            pub fn draw(&self, path: impl AsRef<Path>) -> Result<()> {
                Figure::from(self.clone()).draw(path)
            }

            /// Writes what the figure is drawn from: [`Figure::write_json`].
            pub fn write_json(&self, path: impl AsRef<Path>) -> Result<()> {
                Figure::from(self.clone()).write_json(path)
            }
        }
    )+};
}

drawn_alone!(
    StationWeek,
    OccupancyMap,
    ReliabilityDiagram,
    PrecisionRecall,
    ZoneOccupancy,
    ModelScores,
    SkillByHorizon,
    SkillByHour,
    RegretBars,
    StationForecast,
    WeekHeat,
    ShortageMap,
    ShortageRanking
);

/// An error unless `value` lies in `range`; NaN lies in none. `what` names the value: "observed_frequency of bin 3".
pub(super) fn check_in(value: f64, range: RangeInclusive<f64>, what: fmt::Arguments<'_>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(Error::new(ErrorKind::Figure, format_args!("{what} is {value}, not a number from {low} to {high}")))
}

/// [`check_in`] for a value that may be unknown.
pub(super) fn check_known(value: Option<f64>, range: RangeInclusive<f64>, what: fmt::Arguments<'_>) -> Result<()> {
    value.map_or(Ok(()), |value| check_in(value, range, what))
}

/// An error unless a time lies far from the ends of the calendar, so that a day more or less is always a date.
pub(super) fn check_time(time: DateTime<Utc>) -> Result<()> {
    check_in(time.timestamp() as f64, -9e10..=9e10, format_args!("the time {time} in seconds since 1970"))
}

/// An error unless the known ends of an interval lie in `range`, and the lower is not above the upper.
pub(super) fn check_interval(
    (low, high): (Option<f64>, Option<f64>),
    range: RangeInclusive<f64>,
    what: fmt::Arguments<'_>,
) -> Result<()> {
    check_known(low, range.clone(), format_args!("`low` of {what}"))?;
    check_known(high, range, format_args!("`high` of {what}"))?;
    match (low, high) {
        (Some(low), Some(high)) if low > high => {
            Err(Error::new(ErrorKind::Figure, format_args!("`low` of {what} is {low}, above its `high`, {high}")))
        }
        _ => Ok(()),
    }
}

/// An error if there are more models than a legend and a reader can tell apart.
pub(super) fn check_models(count: usize) -> Result<()> {
    const MOST: usize = 12;
    if count <= MOST {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Figure, format_args!("{count} models are too many for one figure"))
        .way_out(format_args!("draw at most {MOST}")))
}

/// The range of a Brier skill: 1 is perfect, and nothing is too bad.
pub(super) const SKILLS: RangeInclusive<f64> = f64::MIN..=1.0;

/// The range of a horizon in minutes: up to a week.
pub(super) const HORIZONS: RangeInclusive<f64> = 0.0..=10_080.0;

/// More docks or bikes than any station has: what exceeds it is no count of them.
pub(super) const MOST_DOCKS: f64 = 10_000.0;

/// More riders than any network has in a lifetime: what exceeds it is no count of them.
pub(super) const RIDERS: RangeInclusive<f64> = 0.0..=1e9;
