//! What holds for every figure: it can be drawn again from its JSON, read by a reader, and never panics.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::scene::{SHEET, Scene, Shape};
use super::*;
use crate::error::ErrorKind;
use crate::model::{PrecisionRecallPoint, ReliabilityBin};

const START: &str = "2024-03-04T00:10:00Z";

fn at(minutes: i64) -> DateTime<Utc> {
    START.parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn week() -> StationWeek {
    let point = |hour: i64| {
        let bikes = (hour % 24) as f64;
        StationPoint {
            time: at(60 * hour),
            docks: Some(23.0 - bikes),
            mechanical: Some(bikes / 2.0),
            ebike: Some(bikes / 2.0),
        }
    };
    StationWeek {
        title: "Œuvre d’Île-de-France".into(),
        station: "16107".into(),
        source: "Simulated network, seed 1".into(),
        capacity: Some(23.0),
        points: (0..7 * 24).map(point).collect(),
        forecast: vec![],
        horizon_minutes: None,
    }
}

fn week_with_forecast() -> StationWeek {
    let forecast = |hour: i64| ForecastPoint { time: at(60 * hour), p_full: (hour % 24) as f64 / 25.0 };
    StationWeek { forecast: (0..7 * 24).map(forecast).collect(), horizon_minutes: Some(60.0), ..week() }
}

fn map() -> OccupancyMap {
    let station = |place: u32| MapStation {
        code: place.to_string(),
        lat: 48.81 + 0.001 * f64::from(place * 37 % 100),
        lon: 2.25 + 0.002 * f64::from(place * 61 % 100),
        occupancy: (!place.is_multiple_of(7)).then(|| f64::from(place % 11) / 10.0),
        capacity: (!place.is_multiple_of(5)).then(|| f64::from(place)),
    };
    OccupancyMap { title: "Occupancy".into(), source: "s".into(), at: at(0), stations: (0..80).map(station).collect() }
}

fn bins() -> Vec<ReliabilityBin> {
    let bin = |place: u32| {
        let (lower, upper) = (f64::from(place) / 10.0, f64::from(place + 1) / 10.0);
        let middle = (lower + upper) / 2.0;
        ReliabilityBin {
            lower,
            upper,
            count: 100_000 >> place,
            mean_forecast: middle,
            observed_frequency: middle * 0.9,
        }
    };
    (0..10).map(bin).collect()
}

fn reliability() -> ReliabilityDiagram {
    let models = ["persistence", "logistic"].map(|name| ModelReliability { name: name.into(), bins: bins() }).to_vec();
    ReliabilityDiagram { title: "Reliability".into(), source: "s".into(), models }
}

fn precision_recall() -> PrecisionRecall {
    let point = |step: u32| {
        let recall = f64::from(step) / 50.0;
        PrecisionRecallPoint { threshold: 1.0 - recall, precision: 1.0 - 0.9 * recall, recall }
    };
    let curve = PrecisionRecallCurve {
        name: "tree".into(),
        average_precision: Some(0.55),
        points: (1..=50).map(point).collect(),
    };
    PrecisionRecall { title: "Precision".into(), source: "s".into(), base_rate: 0.02, models: vec![curve] }
}

fn zones() -> ZoneOccupancy {
    let zone = |place: u32| Zone {
        zone: format!("Saint-Étienne-du-Bœuf-lès-Ponts {place}"),
        occupancy: (!place.is_multiple_of(4)).then(|| f64::from(place) / 30.0),
        stations: u64::from(place),
    };
    ZoneOccupancy { title: "Zones".into(), source: "s".into(), zones: (0..40).map(zone).collect() }
}

fn scores() -> ModelScores {
    let score = |name: &str, brier_skill: Option<f64>| ModelScore {
        name: name.into(),
        brier: Some(0.015),
        brier_skill,
        low: brier_skill.map(|skill| skill - 0.02),
        high: brier_skill.map(|skill| skill + 0.01),
    };
    let models = vec![score("persistence", Some(-0.65)), score("logistic", Some(0.09)), score("tree", None)];
    ModelScores { title: "Skill".into(), source: "s".into(), reference: "calibrated persistence".into(), models }
}

const NINE: [&str; 9] = [
    "persistence",
    "calibrated persistence",
    "climatology",
    "logistic",
    "tree",
    "queue",
    "boosted trees",
    "blend",
    "queue with neighbours",
];

fn by_horizon() -> SkillByHorizon {
    let point = |place: usize, horizon_minutes: f64| {
        let skill = 0.02 * place as f64 - 0.3 / (1.0 + place as f64) + horizon_minutes / 2000.0;
        HorizonPoint { horizon_minutes, skill, low: Some(skill - 0.02), high: Some(skill + 0.02) }
    };
    let model = |(place, name): (usize, &str)| HorizonSkill {
        name: name.into(),
        points: [120.0, 15.0, 30.0, 60.0].map(|horizon| point(place, horizon)).to_vec(),
    };
    let models = NINE.into_iter().enumerate().map(model).collect();
    SkillByHorizon { title: "Skill".into(), source: "s".into(), reference: NINE[1].into(), models }
}

fn by_hour() -> SkillByHour {
    let share = |hour: u32| HourShare { hour, base_rate: (hour != 4).then(|| f64::from(hour) / 500.0), count: 8_000 };
    let model = |(place, name): (usize, &str)| HourSkill {
        name: name.into(),
        skill: (0..24u32).map(|hour| (hour != 4).then(|| 0.01 * place as f64 - 0.04 / f64::from(hour + 1))).collect(),
    };
    SkillByHour {
        title: "Skill".into(),
        source: "s".into(),
        reference: NINE[1].into(),
        horizon_minutes: 60.0,
        hours: (0..24).map(share).collect(),
        models: NINE.into_iter().enumerate().map(model).collect(),
    }
}

fn regret() -> RegretBars {
    let models = NINE
        .into_iter()
        .zip([3.1, 0.4, 0.9, 0.05, 0.2, 0.013, 0.03, 0.01, -0.001])
        .map(|(name, regret)| ModelRegret { name: name.into(), regret, brier: 0.014 * (1.0 + regret) });
    RegretBars { title: "Regret".into(), source: "s".into(), models: models.collect(), optimal_brier: 0.014 }
}

fn forecast() -> StationForecast {
    let step = |place: i32| ForecastStep {
        minutes: f64::from(15 * place),
        p_full: f64::from(place) / 9.0,
        docks_low: Some(f64::from(8 - place)),
        docks_median: Some(f64::from(9 - place)),
        docks_high: Some(f64::from(9 + place)),
    };
    StationForecast {
        title: "The coming two hours".into(),
        station: "16107 Benjamin Godard - Victor Hugo".into(),
        source: "s".into(),
        made_at: at(0),
        capacity: Some(35.0),
        history: (0..24)
            .map(|step| HistoryPoint { time: at(-10 * step), docks: Some(9.0 + step as f64 / 4.0) })
            .collect(),
        steps: (1..=8).map(step).collect(),
        notes: vec![
            "The feed has stood still for 25 minutes: the intervals are wider.".into(),
            "No history of this station over the last week: its usual change at this hour is that of the network, \
             and the neighbours within 500 metres stand in for it where they have a history of their own."
                .into(),
        ],
    }
}

fn heat() -> WeekHeat {
    let panel = |name: &str, step: usize| HeatPanel {
        name: name.into(),
        shares: (0..168).map(|hour| (hour % 29 != 3).then(|| (hour * step % 101) as f64 / 101.0)).collect(),
    };
    WeekHeat {
        title: "When".into(),
        source: "s".into(),
        what: "Share of the riders".into(),
        panels: vec![panel("found no bike", 7), panel("found no dock", 13)],
    }
}

fn shortage_map() -> ShortageMap {
    let station = |place: u32| ShortStation {
        code: place.to_string(),
        lat: (!place.is_multiple_of(11)).then(|| 48.81 + 0.001 * f64::from(place * 37 % 100)),
        lon: Some(2.25 + 0.002 * f64::from(place * 61 % 100)),
        no_bike: (!place.is_multiple_of(7)).then(|| f64::from(place % 12) * 20.0),
        no_dock: Some(f64::from(place % 5) * 15.0),
    };
    ShortageMap { title: "Where".into(), source: "s".into(), days: 21, stations: (0..80).map(station).collect() }
}

fn ranking() -> ShortageRanking {
    let station = |place: u32| RankedStation {
        station: format!("Benjamin Godard - Victor Hugo (161{place:02})"),
        missed: 1500.0 / f64::from(place + 1),
        low: Some(1000.0 / f64::from(place + 1)),
        high: (place != 3).then(|| 1900.0 / f64::from(place + 1)),
        share: (place != 4).then_some(0.25),
    };
    ShortageRanking { title: "First".into(), source: "s".into(), days: 21, stations: (0..15).map(station).collect() }
}

fn every_figure() -> Vec<Figure> {
    vec![
        week().into(),
        week_with_forecast().into(),
        map().into(),
        reliability().into(),
        precision_recall().into(),
        zones().into(),
        scores().into(),
        by_horizon().into(),
        by_hour().into(),
        regret().into(),
        forecast().into(),
        heat().into(),
        shortage_map().into(),
        ranking().into(),
    ]
}

/// The same figures with nothing to show.
fn every_empty_figure() -> Vec<Figure> {
    vec![
        StationWeek { points: vec![], ..week() }.into(),
        OccupancyMap { stations: vec![], ..map() }.into(),
        ReliabilityDiagram { models: vec![], ..reliability() }.into(),
        PrecisionRecall { models: vec![], ..precision_recall() }.into(),
        ZoneOccupancy { zones: vec![], ..zones() }.into(),
        ModelScores { models: vec![], ..scores() }.into(),
        SkillByHorizon { models: vec![], ..by_horizon() }.into(),
        SkillByHour { models: vec![], hours: vec![], ..by_hour() }.into(),
        RegretBars { models: vec![], ..regret() }.into(),
        StationForecast { history: vec![], steps: vec![], notes: vec![], ..forecast() }.into(),
        WeekHeat { panels: vec![HeatPanel { name: "n".into(), shares: vec![None; 168] }], ..heat() }.into(),
        ShortageMap { stations: vec![], ..shortage_map() }.into(),
        ShortageRanking { stations: vec![], ..ranking() }.into(),
    ]
}

/// How many pixels of a stretch of the sheet are not paper; `across` and `down` are in pixels.
fn inked(pixels: &[u8], across: std::ops::Range<usize>, down: std::ops::Range<usize>) -> usize {
    let width = SHEET.0 as usize;
    let places = down.flat_map(|y| across.clone().map(move |x| (y * width + x) * 3));
    places.filter(|&place| pixels[place..place + 3].iter().any(|&channel| channel < 200)).count()
}

#[test]
fn every_figure_is_drawn_from_its_json_with_a_title_and_a_source() {
    let folder = tempfile::tempdir().unwrap();
    for figure in every_figure() {
        let (json, png) = (folder.path().join("a/figure.json"), folder.path().join("b/figure.PNG"));
        figure.write_json(&json).unwrap();
        let read = Figure::read_json(&json).unwrap();
        assert_eq!(read, figure);
        read.draw(&png).unwrap();
        let file = fs::read(&png).unwrap();
        assert_eq!(file[..8], *b"\x89PNG\r\n\x1a\n");
        let size = [16, 20].map(|start| u32::from_be_bytes(file[start..start + 4].try_into().unwrap()));
        assert_eq!(size, [SHEET.0, SHEET.1]);
        assert_eq!(fs::read_dir(png.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left");

        let pixels = png::pixels(&read.scene().unwrap()).unwrap();
        assert!(inked(&pixels, 60..400, 30..75) > 300, "no title on {figure:?}");
        assert!(inked(&pixels, 60..70, 960..985) > 5, "no source on {figure:?}");
        assert_eq!(inked(&pixels, 0..50, 0..1000) + inked(&pixels, 1550..1600, 0..1000), 0, "the margins are free");
    }
}

#[test]
fn every_figure_is_drawn_as_svg_without_a_font() {
    let folder = tempfile::tempdir().unwrap();
    for figure in every_figure() {
        let path = folder.path().join("figure.svg");
        figure.draw(&path).unwrap();
        let svg = fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("<text") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}

#[test]
fn a_figure_without_data_says_so() {
    for figure in every_empty_figure() {
        let scene = figure.scene().unwrap();
        assert!(scene.texts().contains(&"no data"), "{figure:?}");
        assert_eq!(scene.illegible(), None, "{figure:?}");
    }
}

#[test]
fn no_label_overlaps_another_or_is_cut() {
    for figure in every_figure() {
        assert_eq!(figure.scene().unwrap().illegible(), None, "{figure:?}");
    }
}

#[test]
fn a_struct_draws_what_the_figure_draws() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, any] = ["alone.svg", "any.svg"].map(|name| folder.path().join(name));
    week().draw(&alone).unwrap();
    Figure::from(week()).draw(&any).unwrap();
    assert_eq!(fs::read(alone).unwrap(), fs::read(any).unwrap());
    let json = folder.path().join("week.json");
    week().write_json(&json).unwrap();
    assert_eq!(read_json::<StationWeek>(&json).unwrap(), week());
    assert!(fs::read_to_string(json).unwrap().contains("\"figure\": \"station_week\""));
}

#[test]
fn a_figure_kept_before_there_were_forecasts_and_intervals_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.json");
    let old = [
        (Figure::from(week()), vec!["forecast", "horizon_minutes"]),
        (
            ModelScores {
                models: vec![ModelScore { low: None, high: None, ..scores().models[0].clone() }],
                ..scores()
            }
            .into(),
            vec!["low", "high"],
        ),
    ];
    for (figure, new) in old {
        let mut json = serde_json::to_value(&figure).unwrap();
        let parent = if json["figure"] == "model_scores" { &mut json["models"][0] } else { &mut json };
        new.iter().for_each(|field| assert!(parent.as_object_mut().unwrap().remove(*field).is_some(), "{field}"));
        write_json(&path, &json).unwrap();
        assert_eq!(Figure::read_json(&path).unwrap(), figure);
    }
}

#[test]
fn the_truth_is_marked_where_the_forecast_is_drawn() {
    let texts = |figure: StationWeek| -> Vec<String> {
        Figure::from(figure).scene().unwrap().texts().into_iter().map(str::to_owned).collect()
    };
    let said = texts(week_with_forecast());
    assert!(said.iter().any(|text| text == "P(full)") && said.iter().any(|text| text.contains("made 60 min before")));
    assert!(!texts(week()).iter().any(|text| text.contains("P(full)")));
}

#[test]
fn one_figure_of_each_kind_makes_a_page_under_a_megabyte() {
    let figures = every_figure().into_iter().chain([map().into()]);
    let figures = figures.map(|figure| PageFigure { caption: "c".into(), alt: "a".into(), figure }).collect::<Vec<_>>();
    assert_eq!(figures.len(), 15);
    let page = Page { sections: vec![Section { figures, ..Section::default() }], ..Page::default() };
    let bytes = page.html().unwrap().len();
    assert!(bytes < 1_000_000, "{bytes}");
}

#[test]
fn errors_name_the_value_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figure.png");
    let mut diagram = reliability();
    diagram.models[1].bins[3].observed_frequency = f64::NAN;
    for refused in [diagram.draw(&path), diagram.write_json(&path)] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Figure);
        assert_eq!(error.message(), "`observed_frequency` of bin 3 of logistic is NaN, not a number from 0 to 1");
        assert!(error.to_string().contains("figure.png"), "{error}");
    }
    assert!(!path.exists());

    let mut long = week();
    long.points.push(StationPoint { time: at(60 * 24 * 400), ..long.points[0] });
    assert_eq!(long.draw(&path).unwrap_err().message(), "400 days are too many for one figure");

    let mut many = reliability();
    many.models.resize(13, many.models[0].clone());
    let error = many.draw(&path).unwrap_err();
    assert!(error.to_string().ends_with("13 models are too many for one figure; draw at most 12"), "{error}");

    let mut hours = by_hour();
    hours.models[2].skill.pop();
    assert_eq!(hours.draw(&path).unwrap_err().message(), "`skill` of climatology has 23 hours, not 24");
    let mut hours = by_hour();
    hours.hours[3].hour = 24;
    assert_eq!(hours.draw(&path).unwrap_err().message(), "`hour` is 24, not a number from 0 to 23");
    hours.hours[3].hour = 7;
    assert_eq!(hours.draw(&path).unwrap_err().message(), "hour 7 is there twice");

    let mut horizons = by_horizon();
    horizons.models[0].points[0].low = Some(0.9);
    horizons.models[0].points[0].high = Some(0.25);
    let message = "`low` of persistence at 120 min is 0.9, above its `high`, 0.25";
    assert_eq!(horizons.draw(&path).unwrap_err().message(), message);

    let mut sure = week_with_forecast();
    sure.forecast[0].p_full = 1.5;
    let message = "`p_full` at 2024-03-04 00:10:00 UTC is 1.5, not a number from 0 to 1";
    assert_eq!(sure.draw(&path).unwrap_err().message(), message);

    let mut short = heat();
    short.panels[1].shares.pop();
    assert_eq!(short.draw(&path).unwrap_err().message(), "`shares` of found no dock has 167 hours, not 168");
    short.panels.push(heat().panels[0].clone());
    assert!(
        short.draw(&path).unwrap_err().to_string().ends_with("3 panels are too many for one figure; draw at most 2")
    );
    let mut nobody = shortage_map();
    nobody.stations[1].no_dock = Some(-1.0);
    assert!(nobody.draw(&path).unwrap_err().message().starts_with("`no_dock` of station 1 is -1, not a number from 0"));
    let mut crossed = ranking();
    crossed.stations[0].low = Some(2000.0);
    let message = "`low` of Benjamin Godard - Victor Hugo (16100) is 2000, above its `high`, 1900";
    assert_eq!(crossed.draw(&path).unwrap_err().message(), message);

    let error = week().draw("week.gif").unwrap_err();
    assert_eq!(error.to_string(), "week.gif: a figure is written as PNG or SVG; end the file's name in .png or .svg");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_station_of_which_something_is_unknown_is_not_drawn_as_one_that_lacks_nothing() {
    let scene = |no_bike, no_dock| {
        let station = ShortStation { code: "1".into(), lat: Some(48.85), lon: Some(2.35), no_bike, no_dock };
        Figure::from(ShortageMap { stations: vec![station], ..shortage_map() }).scene().unwrap()
    };
    let counts = |scene: &Scene| scene.texts().iter().any(|text| text.contains("1 unknown"));
    let discs = |scene: &Scene| scene.shapes.iter().filter(|shape| matches!(shape, Shape::Disc { .. })).count();
    let nothing = scene(Some(0.0), Some(0.0));
    assert!(!counts(&nothing));
    for unknown in [scene(None, None), scene(None, Some(0.0)), scene(Some(0.0), None)] {
        assert!(counts(&unknown) && discs(&unknown) == discs(&nothing) - 1);
    }
    // What is known is said, whatever else is not.
    assert!(!counts(&scene(Some(3.0), None)));
}

/// A share, mostly; now and then any number at all, or none.
fn number() -> impl Strategy<Value = f64> {
    let odd = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MAX, -0.0, 0.0, 1.0]);
    prop_oneof![80 => 0.0..=1.0f64, 10 => 0.0..70.0f64, 1 => any::<f64>(), 2 => odd]
}

fn unknown_or_number() -> impl Strategy<Value = Option<f64>> {
    prop::option::weighted(0.8, number())
}

/// A figure of any kind from any numbers and names.
fn any_figure() -> impl Strategy<Value = Figure> {
    let name = || prop_oneof!["\\PC{0,12}", "[A-Za-zéèçœ’ -]{0,120}"];
    let minutes = prop_oneof![60 => 0..120_000i64, 1 => -100_000_000_000..100_000_000_000i64];
    let point = (minutes, unknown_or_number(), unknown_or_number(), unknown_or_number())
        .prop_map(|(minutes, docks, mechanical, ebike)| StationPoint { time: at(minutes), docks, mechanical, ebike });
    let forecast_point =
        (0..120_000i64, number()).prop_map(|(minutes, p_full)| ForecastPoint { time: at(minutes), p_full });
    let forecasts = prop_oneof![Just(vec![]), prop::collection::vec(forecast_point, 0..9)];
    let week = (name(), unknown_or_number(), prop::collection::vec(point, 0..30), forecasts, unknown_or_number())
        .prop_map(|(title, capacity, points, forecast, horizon_minutes)| {
            StationWeek { title, capacity, points, forecast, horizon_minutes, ..week() }.into()
        });
    let station = (number(), number(), unknown_or_number(), unknown_or_number())
        .prop_map(|(lat, lon, occupancy, capacity)| MapStation { code: "1".into(), lat, lon, occupancy, capacity });
    let map = prop::collection::vec(station, 0..6).prop_map(|stations| OccupancyMap { stations, ..map() }.into());
    let bin = (any::<u64>(), number(), number()).prop_map(|(count, mean_forecast, observed_frequency)| {
        ReliabilityBin { lower: 0.0, upper: 1.0, count, mean_forecast, observed_frequency }
    });
    let model = (name(), prop::collection::vec(bin, 0..4)).prop_map(|(name, bins)| ModelReliability { name, bins });
    let reliability =
        prop::collection::vec(model, 0..14).prop_map(|models| ReliabilityDiagram { models, ..reliability() }.into());
    let point = (number(), number(), number()).prop_map(|(threshold, precision, recall)| PrecisionRecallPoint {
        threshold,
        precision,
        recall,
    });
    let curve = (name(), unknown_or_number(), prop::collection::vec(point, 0..5))
        .prop_map(|(name, average_precision, points)| PrecisionRecallCurve { name, average_precision, points });
    let precision_recall = (number(), prop::collection::vec(curve, 0..4))
        .prop_map(|(base_rate, models)| PrecisionRecall { base_rate, models, ..precision_recall() }.into());
    let zone = (name(), unknown_or_number(), any::<u64>()).prop_map(|(zone, occupancy, stations)| Zone {
        zone,
        occupancy,
        stations,
    });
    let zones = prop::collection::vec(zone, 0..40).prop_map(|zones| ZoneOccupancy { zones, ..self::zones() }.into());
    let interval = || {
        prop::option::weighted(0.6, (number(), number())).prop_map(|ends| {
            let (low, high) = ends.map(|(a, b)| (1.0 - a.max(b), 1.0 - a.min(b))).unzip();
            (low, high)
        })
    };
    let score =
        (name(), unknown_or_number(), unknown_or_number(), interval()).prop_map(|(name, brier, skill, (low, high))| {
            ModelScore { name, brier, brier_skill: skill.map(|skill| -skill), low, high }
        });
    let scores = (name(), prop::collection::vec(score, 0..9))
        .prop_map(|(reference, models)| ModelScores { reference, models, ..scores() }.into());
    prop_oneof![
        week,
        map,
        reliability,
        precision_recall,
        zones,
        scores,
        any_skill_by_horizon(name(), interval()),
        any_skill_by_hour(name()),
        any_regret(name()),
        any_forecast(name()),
        any_heat(name()),
        any_shortage_map(),
        any_ranking(name(), interval())
    ]
}

fn any_heat(name: impl Strategy<Value = String>) -> impl Strategy<Value = Figure> {
    let share = prop_oneof![1 => Just(None), 30 => (0.0..=1.0f64).prop_map(Some)];
    let hours = prop_oneof![20 => Just(168usize), 1 => 0..200usize];
    let shares = hours.prop_flat_map(move |hours| prop::collection::vec(share.clone(), hours));
    let panel = (name, shares).prop_map(|(name, shares)| HeatPanel { name, shares });
    prop::collection::vec(panel, 0..=3).prop_map(|panels| WeekHeat { panels, ..heat() }.into())
}

fn any_shortage_map() -> impl Strategy<Value = Figure> {
    let degrees = || prop::option::weighted(0.9, number());
    let station = (degrees(), degrees(), unknown_or_number(), unknown_or_number())
        .prop_map(|(lat, lon, no_bike, no_dock)| ShortStation { code: "1".into(), lat, lon, no_bike, no_dock });
    (any::<u64>(), prop::collection::vec(station, 0..6))
        .prop_map(|(days, stations)| ShortageMap { days, stations, ..shortage_map() }.into())
}

fn any_ranking(
    name: impl Strategy<Value = String>,
    interval: impl Strategy<Value = (Option<f64>, Option<f64>)>,
) -> impl Strategy<Value = Figure> {
    let station = (name, number(), interval, unknown_or_number()).prop_map(|(station, missed, ends, share)| {
        let (high, low) = (ends.0.map(|end| 1.0 - end), ends.1.map(|end| 1.0 - end));
        RankedStation { station, missed, low, high, share }
    });
    prop::collection::vec(station, 0..30).prop_map(|stations| ShortageRanking { stations, ..ranking() }.into())
}

fn any_skill_by_horizon(
    name: impl Strategy<Value = String> + Clone,
    interval: impl Strategy<Value = (Option<f64>, Option<f64>)>,
) -> impl Strategy<Value = Figure> {
    let horizon =
        prop_oneof![20 => prop::sample::select(vec![15.0, 30.0, 60.0, 120.0]), 1 => 0.0..10_080.0f64, 1 => number()];
    let point = (horizon, number(), interval).prop_map(|(horizon_minutes, skill, (low, high))| HorizonPoint {
        horizon_minutes,
        skill: 1.0 - skill,
        low,
        high,
    });
    let model =
        (name.clone(), prop::collection::vec(point, 0..6)).prop_map(|(name, points)| HorizonSkill { name, points });
    (name, prop::collection::vec(model, 0..13))
        .prop_map(|(reference, models)| SkillByHorizon { reference, models, ..by_horizon() }.into())
}

fn any_skill_by_hour(name: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Figure> {
    let hours = prop::collection::vec((unknown_or_number(), any::<u64>()), 0..=24).prop_map(|hours| {
        let share = |(hour, (base_rate, count))| HourShare { hour, base_rate, count };
        (0..).zip(hours).map(share).collect::<Vec<_>>()
    });
    let skill = prop::collection::vec(unknown_or_number().prop_map(|skill| skill.map(|skill| 0.5 - skill)), 24);
    let model = (name.clone(), skill).prop_map(|(name, skill)| HourSkill { name, skill });
    (name, number(), hours, prop::collection::vec(model, 0..13)).prop_map(
        |(reference, horizon_minutes, hours, models)| {
            SkillByHour { reference, horizon_minutes, hours, models, ..by_hour() }.into()
        },
    )
}

fn any_regret(name: impl Strategy<Value = String>) -> impl Strategy<Value = Figure> {
    let model = (name, number(), number()).prop_map(|(name, regret, brier)| ModelRegret { name, regret, brier });
    (number(), prop::collection::vec(model, 0..30))
        .prop_map(|(optimal_brier, models)| RegretBars { models, optimal_brier, ..regret() }.into())
}

fn any_forecast(name: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Figure> {
    let point =
        (-2_000..200i64, unknown_or_number()).prop_map(|(minutes, docks)| HistoryPoint { time: at(minutes), docks });
    let docks = prop::option::weighted(0.8, (number(), number(), number()));
    let step = (0.0..300.0f64, number(), docks).prop_map(|(minutes, p_full, docks)| {
        let mut sorted = docks.map(|(a, b, c)| [a, b, c]);
        sorted.iter_mut().for_each(|docks| docks.sort_by(f64::total_cmp));
        let [docks_low, docks_median, docks_high] = [0, 1, 2].map(|place| sorted.map(|docks| docks[place]));
        ForecastStep { minutes, p_full, docks_low, docks_median, docks_high }
    });
    let history = prop::collection::vec(point, 0..20);
    let steps = prop::collection::vec(step, 0..26);
    (name.clone(), unknown_or_number(), history, steps, prop::collection::vec(name, 0..4)).prop_map(
        |(station, capacity, history, steps, notes)| {
            StationForecast { station, capacity, history, steps, notes, ..forecast() }.into()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_input_is_a_legible_figure_or_an_error_of_its_kind(figure in any_figure()) {
        match figure.scene() {
            Ok(scene) => prop_assert_eq!(scene.illegible(), None),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Figure),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn whatever_passes_the_check_can_be_kept_and_drawn(figure in any_figure()) {
        if let Ok(scene) = figure.scene() {
            png::pixels(&scene).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let json = folder.path().join("figure.json");
            figure.write_json(&json).unwrap();
            prop_assert_eq!(Figure::read_json(&json).unwrap(), figure);
        }
    }
}
