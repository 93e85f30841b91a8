//! Results to JSON, JSON lines and CSV, and figures and pages made from those results alone.
//!
//! Each figure is a plain struct. [`Figure`] is any of them: it draws itself as PNG or SVG, and its JSON reads back to the
//! same figure, so a drawing can be changed without computing again. The font is compiled in and plotters only fills
//! pixels: a figure looks the same on every machine, also on one without fonts. A [`Page`] holds figures, tables and text in
//! one HTML file that needs nothing else; [`shortage_page`] is the one that answers the question of Part 3.
//!
//! ```
//! use velib::report::{Figure, Zone, ZoneOccupancy};
//!
//! # let folder = std::env::temp_dir().join("velib-report-doc");
//! let zones = vec![Zone { zone: "Montreuil".into(), occupancy: Some(0.42), stations: 31 }];
//! let figure = ZoneOccupancy { title: "Occupancy by commune".into(), source: "Simulated network, seed 1".into(), zones };
//! figure.write_json(folder.join("zones.json"))?;
//! Figure::read_json(folder.join("zones.json"))?.draw(folder.join("zones.png"))?;
//! # std::fs::remove_dir_all(folder).ok();
//! # Ok::<(), velib::Error>(())
//! ```

mod axis;
mod bars;
mod experiment;
mod figure;
mod font;
mod labelled;
mod occupancy_map;
mod page;
mod palette;
mod png;
mod precision_recall;
mod regret;
mod reliability;
mod results;
mod scene;
mod series;
mod sheet;
mod shortage;
mod shortage_map;
mod shortage_ranking;
mod skill_by_horizon;
mod skill_by_hour;
mod station_forecast;
mod station_week;
mod svg;
#[cfg(test)]
mod tests;
mod week_heat;

pub use bars::{ModelScore, ModelScores, Zone, ZoneOccupancy};
pub use experiment::{
    FoundExperiment, NamedFigure, experiment_figures, experiment_page, experiments_page, main_figures,
};
pub use figure::Figure;
pub use labelled::{TableKind, write_labelled_rows};
pub use occupancy_map::{MapStation, OccupancyMap};
pub use page::{Page, PageFigure, PageTable, Section};
pub use precision_recall::{PrecisionRecall, PrecisionRecallCurve};
pub use regret::{ModelRegret, RegretBars};
pub use reliability::{ModelReliability, ReliabilityDiagram};
pub use results::{read_json, write_csv, write_json, write_json_lines};
pub use shortage::{shortage_figures, shortage_page};
pub use shortage_map::{ShortStation, ShortageMap};
pub use shortage_ranking::{RankedStation, ShortageRanking};
pub use skill_by_horizon::{HorizonPoint, HorizonSkill, SkillByHorizon};
pub use skill_by_hour::{HourShare, HourSkill, SkillByHour};
pub use station_forecast::{ForecastStep, HistoryPoint, StationForecast};
pub use station_week::{ForecastPoint, StationPoint, StationWeek};
pub use week_heat::{HeatPanel, WeekHeat};
