//! `part4_predict` as its user runs it, with a small model of the simulated network: what it tells, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::sync::LazyLock;

use chrono::TimeDelta;
use serde_json::{Value, json};
use support::{
    Server, assert_failed, assert_misused, folder, history, object, ok, printed, run, said, status, write_csv,
};
use tempfile::TempDir;
use velib::StationStatus;

/// Eight days of five stations, each (station, `last_reported`) as it came.
static READINGS: LazyLock<Vec<StationStatus>> =
    LazyLock::new(|| history(5, TimeDelta::days(8), TimeDelta::minutes(15)));

/// A folder with a model that looks 15 and 60 minutes ahead.
static TRAINED: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = folder();
    write_csv(&folder, "history.csv", &READINGS);
    let options = ["--data", "history.csv", "--pooled", "--model", "logistic", "--horizon", "15m,60m", "--out", "."];
    printed(&folder, "part4_train", &options);
    folder
});

/// A folder with that model and these readings as `now.csv`.
fn beside_the_model(readings: &[StationStatus]) -> TempDir {
    let folder = folder();
    fs::copy(TRAINED.path().join("model.json"), folder.path().join("model.json")).unwrap();
    write_csv(&folder, "now.csv", readings);
    folder
}

const NOW: [&str; 4] = ["--load", "model.json", "--source", "now.csv"];

fn predict(folder: &TempDir, options: &[&str]) -> String {
    printed(folder, "part4_predict", &[&NOW, options].concat())
}

fn predicted(folder: &TempDir, options: &[&str]) -> Value {
    object(folder, "part4_predict", &[&NOW, options].concat())
}

fn newest<'a>(readings: &'a [StationStatus], code: &str) -> &'a StationStatus {
    readings.iter().rfind(|reading| reading.station_code.as_str() == code).unwrap()
}

/// The rows of the table: the columns of each line that ends in a range of docks.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|words| words.len() > 5 && words[words.len() - 2] == "to" && words[2] == "min").collect()
}

#[test]
fn a_station_is_told_as_a_table_with_a_picture_and_the_same_as_json() {
    let folder = beside_the_model(&READINGS);
    let text = predict(&folder, &[]);
    assert!(text.starts_with("Source: the recording now.csv ("), "{text}");
    assert!(text.contains("\nModel:  logistic, 15 to 60 min ahead, of 5 stations, 2024-03-04 to "), "{text}");
    let own = newest(&READINGS, "16107");
    let name = format!("\nStation 16107 {}\n", own.name.as_deref().unwrap());
    let counts = format!(
        "\nFree docks: {}, bikes: {}, docks in all: ",
        own.docks_available.unwrap(),
        own.bikes_available.unwrap()
    );
    assert!(text.contains(&name) && text.contains(&counts), "{text}");
    // What was learned ends at an hour; the feed's newest poll was at 23:45 UTC, 00:45 in Paris.
    let times: Vec<_> = rows(&text).iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(times, [("01:00", "15"), ("01:15", "30"), ("01:30", "45"), ("01:45", "60")]);
    let picture: Vec<_> = text.lines().skip_while(|line| !line.contains("free docks, the last 3 hours")).collect();
    assert!(picture.len() >= 6 && picture.iter().take(6).all(|line| line.chars().count() <= 80), "{text}");
    assert!(picture[1].contains(" ┤") && picture[1].contains("100 % ┤") && picture[5].contains("00:00"), "{text}");

    let told = predicted(&folder, &["--station", "16107"]);
    let steps = told["stations"][0]["steps"].as_array().unwrap();
    assert_eq!(told["made_at"], json!(own.fetched_at));
    assert_eq!(
        (&told["model"]["models"], &told["model"]["horizons_minutes"]),
        (&json!(["logistic"]), &json!([15.0, 60.0]))
    );
    assert_eq!(steps.iter().map(|step| step["minutes"].as_i64().unwrap()).collect::<Vec<_>>(), [15, 30, 45, 60]);
    for (step, row) in steps.iter().zip(rows(&text)) {
        let (p, percent) = (step["p_full"].as_f64().unwrap(), row[3].trim_start_matches('<').parse::<f64>().unwrap());
        assert!((100.0 * p - percent).abs() <= 0.1, "{step} {row:?}");
        let docks = [&step["docks_low"], &step["docks_high"]].map(Value::to_string);
        assert_eq!([row[row.len() - 3], row[row.len() - 1]], docks.each_ref().map(String::as_str));
    }
}

#[test]
fn one_moment_two_stations_and_a_figure() {
    let folder = beside_the_model(&READINGS);
    let other = READINGS.iter().map(|reading| reading.station_code.as_str()).find(|code| *code != "16107").unwrap();
    let options = ["--horizon", "30m", "--station", "16107", "--station", other, "--out", "figures"];
    let text = predict(&folder, &options);
    assert_eq!(rows(&text).iter().map(|row| row[1]).collect::<Vec<_>>(), ["30", "30"]);
    assert!(text.ends_with("\nThe figures are in figures\n"), "{text}");
    for code in ["16107", other] {
        let file = |end: &str| folder.path().join(format!("figures/forecast-{code}.{end}"));
        assert!(fs::read(file("png")).unwrap().starts_with(b"\x89PNG"));
        let json: Value = serde_json::from_slice(&fs::read(file("json")).unwrap()).unwrap();
        assert!(json.to_string().contains("\"minutes\":30.0"), "{json}");
    }
}

#[test]
fn a_feed_that_stands_still_is_widened_and_said() {
    // 16107 was last heard of three hours before the others.
    let own = |reading: &StationStatus| reading.station_code.as_str() == "16107";
    let last = newest(&READINGS, "16107").fetched_at - TimeDelta::hours(3);
    let still: Vec<_> = READINGS.iter().filter(|one| !own(one) || one.fetched_at <= last).cloned().collect();
    let (fresh, folder) = (beside_the_model(&READINGS), beside_the_model(&still));
    let text = predict(&folder, &[]);
    assert!(
        text.contains("\nNote: the newest reading is 3 h old: from 60 min after it the forecast goes over to"),
        "{text}"
    );
    assert!(text.contains('·'), "the picture tells what is not known: {text}");
    let step = |folder: &TempDir| predicted(folder, &[])["stations"][0]["steps"][3].clone();
    let width = |step: &Value| step["docks_high"].as_u64().unwrap() - step["docks_low"].as_u64().unwrap();
    let (now, then) = (step(&fresh), step(&folder));
    assert!(width(&then) > width(&now), "{now} {then}");
    assert!(then["horizon_seconds"].as_i64().unwrap() > 4 * 3600, "{then}");
}

#[test]
fn a_history_is_read_from_a_folder_and_what_is_missing_is_said() {
    let poll = newest(&READINGS, "16107").fetched_at;
    let now: Vec<_> = READINGS.iter().filter(|reading| reading.fetched_at == poll).cloned().collect();
    let before: Vec<_> = READINGS.iter().filter(|reading| reading.fetched_at < poll).cloned().collect();
    let folder = beside_the_model(&now);
    let note = "Note: only 1 reading in its last day: the forecast rests on what is usual here";
    assert!(predict(&folder, &[]).contains(note));
    fs::create_dir(folder.path().join("collected")).unwrap();
    write_csv(&folder, "collected/velib.csv", &before);
    fs::write(folder.path().join("collected/notes.txt"), "not a recording").unwrap();
    let text = predict(&folder, &["--history", "collected"]);
    assert!(text.contains(&format!("\nWith {} readings collected before\n", before.len())), "{text}");
    assert!(!text.contains("Note: "), "{text}");
    // Collected or from the source, it is the same history.
    let whole = predicted(&beside_the_model(&READINGS), &[]);
    assert_eq!(predicted(&folder, &["--history", "collected"])["stations"], whole["stations"]);

    let mut stranger = now;
    stranger[0].station_code = "99001".parse().unwrap();
    let unseen = predict(&beside_the_model(&stranger), &["--station", "99001"]);
    assert!(
        unseen.contains("and not there when the model was trained: the forecast rests on what is usual in the network")
    );
}

#[test]
fn a_closed_station_has_no_forecast() {
    let mut readings = READINGS.clone();
    let last = readings.iter().rposition(|reading| reading.station_code.as_str() == "16107").unwrap();
    readings[last].is_returning = Some(false);
    let folder = beside_the_model(&readings);
    let text = predict(&folder, &["--out", "figures"]);
    assert!(
        text.contains("\nNote: the station is closed: no bike can be returned") && rows(&text).is_empty(),
        "{text}"
    );
    assert!(folder.path().join("figures/forecast-16107.png").is_file());
    let told = &predicted(&folder, &[])["stations"][0];
    assert_eq!((&told["is_closed"], &told["docks"], &told["steps"]), (&json!(true), &Value::Null, &json!([])));
}

#[test]
fn the_nearest_station_with_a_free_dock_is_advised() {
    let folder = beside_the_model(&READINGS);
    let own = newest(&READINGS, "16107");
    let place = format!("{},{},30km", own.lat.unwrap(), own.lon.unwrap());
    let text = predict(&folder, &["--near", &place]);
    assert!(text.contains("\nStations within 30000 m, arriving in 15 min, at 01:00\n"), "{text}");
    let told = predicted(&folder, &["--near", &place, "--horizon", "30m"]);
    let stations = told["stations"].as_array().unwrap();
    assert_eq!((stations.len(), &stations[0]["stationcode"], &told["minutes"]), (5, &json!("16107"), &json!(30)));
    let metres: Vec<_> = stations.iter().map(|one| one["metres"].as_f64().unwrap()).collect();
    assert!(metres.is_sorted() && metres[0] < 1.0, "{metres:?}");
    let free = |one: &Value| 1.0 - one["steps"][0]["p_full"].as_f64().unwrap();
    let nearest = stations.iter().find(|one| free(one) >= 0.9).unwrap();
    assert_eq!(told["advice"]["nearest"]["station"], nearest["stationcode"]);
    let text = predict(&folder, &["--near", &place, "--horizon", "30m"]);
    let code = nearest["stationcode"].as_str().unwrap();
    assert!(text.contains(&format!("\nGo to {code} ")) && text.contains("the nearest with 90 % or more"), "{text}");

    // All docks are taken: nowhere is one free with 90 %.
    let mut full = READINGS.clone();
    let poll = own.fetched_at;
    for reading in full.iter_mut().filter(|reading| reading.fetched_at == poll) {
        (reading.docks_available, reading.bikes_available) = (Some(0), reading.capacity);
        reading.last_reported = poll;
    }
    let text = predict(&beside_the_model(&full), &["--near", &place]);
    assert!(text.contains("\nNone reaches 90 %. The likeliest is "), "{text}");
}

#[test]
fn what_cannot_be_answered_is_told_with_the_way_out() {
    let folder = beside_the_model(&READINGS);
    let with = |options: &[&str]| run(&folder, "part4_predict", &[&NOW, options].concat());
    let missing = run(&folder, "part4_predict", &["--load", "none.json", "--source", "now.csv"]);
    assert_failed(&missing, &["none.json: No such file"]);
    let other = run(&folder, "part4_predict", &["--load", "now.csv", "--source", "now.csv"]);
    assert_failed(&other, &["now.csv: this is not a saved model", "; train it again with part4_train"]);
    assert_failed(&with(&["--station", "99999"]), &["station 99999: no reading is of this station", "; near it are "]);
    let far = ["--horizon", "2h"];
    assert_failed(
        &with(&far),
        &["the model did not learn to look 120 min ahead", "; it knows 15 min, 60 min, and what"],
    );
    assert_failed(
        &with(&["--near", "48.0,2.0,500m"]),
        &["--near: no station lies within 500 m of 48, 2", "; take a larger distance: ", " m away"],
    );
    fs::create_dir(folder.path().join("nothing")).unwrap();
    assert_failed(
        &with(&["--history", "nothing"]),
        &["nothing: no .csv and no .parquet lies in it", "; name the folder"],
    );
    for near in ["48.86,2.27", "north,2.27,500m", "48.86,2.27,0m", "91,2.27,500m"] {
        assert_misused(&with(&["--near", near]), &[near, "--near", "write latitude, longitude and distance"]);
    }
    let both = ["--near", "48.86,2.27,500m", "--station", "16107"];
    assert_misused(&with(&both), &["--near", "cannot be used with", "--station"]);
    let odd = with(&["--horizon", "90s"]);
    assert_eq!((odd.status.code(), said(&odd.stderr).lines().count()), (Some(2), 1));
    assert!(said(&odd.stderr).contains("--horizon: is not in whole minutes; write 15m"));
    assert_misused(&run(&folder, "part4_predict", &["--source", "now.csv"]), &["not provided"]);
    let help = printed(&folder, "part4_predict", &["--help"]);
    for option in
        ["--load", "--station", "--near", "--horizon", "--history", "--source", "--endpoint", "--json", "--out"]
    {
        assert!(help.lines().any(|line| line.trim_start().starts_with(option)), "{option}: {help}");
    }
}

#[test]
fn live_is_the_default_and_a_portal_that_is_away_is_told() {
    let folder = beside_the_model(&READINGS);
    let poll: Vec<_> = READINGS[READINGS.len() - 5..].iter().map(portal_record).collect();
    let server = Server::start(move |path| match path.contains("/exports/json") {
        true => ok(&poll.iter().cloned().collect()),
        false => ok(&json!({"total_count": poll.len(), "results": []})),
    });
    let live = ["--load", "model.json", "--endpoint", &server.address];
    let text = printed(&folder, "part4_predict", &live);
    assert!(text.starts_with("Source: the live feed of ") && text.contains("\nStation 16107 "), "{text}");
    // The readings are of 2024: nothing but what is usual can be told.
    assert!(text.contains(" days old: from 60 min after it"), "{text}");

    let away = Server::start(|_| status("429 Too Many Requests", "Retry-After: 40000\r\n", "{}"));
    let output = run(&folder, "part4_predict", &["--load", "model.json", "--endpoint", &away.address]);
    assert_eq!(output.status.code(), Some(1));
    let told = said(&output.stderr);
    assert!(
        told.contains("error: ")
            && told.ends_with("; check the network and the address, or go by a recording: --source FILE\n"),
        "{told}"
    );
}

/// A reading as a record of Explore v2.1.
fn portal_record(reading: &StationStatus) -> Value {
    let mut record = serde_json::to_value(reading).unwrap();
    for flag in ["is_installed", "is_renting", "is_returning"] {
        record[flag] = if record[flag] == true { "OUI".into() } else { "NON".into() };
    }
    record["coordonnees_geo"] = json!({"lon": reading.lat.and(reading.lon), "lat": reading.lat});
    record
}
