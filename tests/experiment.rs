//! An experiment as its user runs it: the report that it leaves, that another run leaves the same, and how it refuses a file
//! that cannot be right.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use velib::model::{Experiment, ModelName, SavedModel};
use velib::report::{Figure, read_json};

/// `cargo test` puts the examples' executables into `examples`, beside the `deps` that this one runs from.
fn run(folder: &TempDir, options: &[&str]) -> Output {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples/part4_experiment").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is missing: run cargo test, which builds the examples", path.display());
    Command::new(path).args(options).current_dir(folder.path()).stdin(Stdio::null()).output().unwrap()
}

fn said(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn printed(folder: &TempDir, options: &[&str]) -> String {
    let output = run(folder, options);
    assert!(output.status.success(), "{options:?}: {}", said(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn smoke() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/smoke.toml").display().to_string()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort_unstable();
    files
}

#[test]
fn an_experiment_leaves_its_report_and_again_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(&folder, &[&smoke()]);
    assert!(text.contains("60 min ahead:") && text.contains("reports/smoke/index.html"), "{text}");
    let again: Value = serde_json::from_str(&printed(&folder, &[&smoke(), "--out", "again/smoke", "--json"])).unwrap();

    let (one, other) = (folder.path().join("reports/smoke"), folder.path().join("again/smoke"));
    for name in ["metrics.json", "predictions.csv", "model.json", "model.md", "index.html"] {
        assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(other.join(name)).unwrap(), "{name}");
    }
    let metrics: Experiment = read_json(one.join("metrics.json")).unwrap();
    assert_eq!(serde_json::to_value(&metrics).unwrap(), again);
    assert_eq!(metrics.horizons.iter().map(|horizon| horizon.folds.len()).collect::<Vec<_>>(), [2, 2]);

    // The page holds the numbers, and nothing of the machine.
    let page = fs::read_to_string(one.join("index.html")).unwrap();
    let index = fs::read_to_string(folder.path().join("reports/index.html")).unwrap();
    for horizon in &metrics.horizons {
        let evaluation = horizon.evaluation.as_ref().unwrap();
        for model in &evaluation.models {
            assert!(
                page.contains(&format!("<td class=\"number\">{:.5}</td>", model.scores.brier)),
                "{:?}",
                model.model
            );
        }
        assert!(page.contains(&format!("<td class=\"number\">{}</td>", evaluation.origins)));
        evaluation.sentences().iter().for_each(|sentence| assert!(page.contains(sentence), "{sentence}"));
        let queue = horizon.regret.iter().find(|one| one.model == ModelName::Queue).unwrap();
        assert!(page.contains(&format!("<td class=\"number\">{:.1} %</td>", 100.0 * queue.regret)));
        assert!(index.contains(&format!("<td class=\"number\">{:.5}</td>", horizon.chosen.unwrap().scores.brier)));
    }
    assert!(page.contains(&metrics.readings_sha256) && page.contains("part4_experiment -- smoke.toml"));
    let home = env!("CARGO_MANIFEST_DIR");
    let here = folder.path().to_str().unwrap();
    for text in [&page, &index, &fs::read_to_string(one.join("metrics.json")).unwrap()] {
        assert!(!text.contains(home) && !text.contains(here));
    }

    // What was forecast, by what.
    let csv = fs::read_to_string(one.join("predictions.csv")).unwrap();
    let rows: usize = metrics.horizons.iter().map(|horizon| horizon.evaluation.as_ref().unwrap().origins).sum();
    assert_eq!(csv.lines().next(), Some("stationcode,last_reported,horizon_minutes,p_full,full"));
    assert_eq!(csv.lines().count(), rows + 1);
    assert_eq!(SavedModel::load(one.join("model.json")).unwrap().horizons.len(), 2);

    // Each figure can be drawn again from its JSON.
    let pictures = files(&one, "png");
    assert_eq!(pictures.len(), 7, "{pictures:?}");
    for picture in pictures {
        let drawn = folder.path().join("again.png");
        Figure::read_json(picture.with_extension("json")).unwrap().draw(&drawn).unwrap();
        assert_eq!(fs::read(&picture).unwrap(), fs::read(drawn).unwrap(), "{}", picture.display());
    }

    // The page of all is made anew from what is there.
    fs::remove_file(folder.path().join("reports/index.html")).unwrap();
    printed(&folder, &["--index", "reports"]);
    assert_eq!(fs::read_to_string(folder.path().join("reports/index.html")).unwrap(), index);
}

#[test]
fn what_cannot_be_right_is_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let head = "title = \"t\"\nquestion = \"q\"\n";
    let simulated = format!("{head}data = \"simulated\"\nhorizons = [\"1h\"]\n");
    for (text, options, code, parts) in [
        (format!("{simulated}folds = 3\n"), &[][..], 2, &["x.toml:5: unknown field `folds`", "README.md"][..]),
        (
            format!("{head}data = \"simulated\"\nhorizons = [\"1 hour\"]\n"),
            &[],
            2,
            &["x.toml:4: `1 hour` is not a length of time"],
        ),
        (format!("{simulated}models = [\"forest\"]\n"), &[], 2, &["x.toml:5: unknown variant `forest`", "`boost`"]),
        (format!("{simulated}[split]\nfirst = \"soon\"\n"), &[], 2, &["x.toml:6: ", "experiments/README.md"]),
        (
            format!("{simulated}[simulation]\nstations = 0\n"),
            &[],
            2,
            &["x.toml: the simulated network cannot have 0 stations", "1 to 2000"],
        ),
        (format!("{simulated}station = \"99\"\n"), &[], 2, &["x.toml: the data do not hold `station` 99"]),
        (simulated.clone(), &["--data", "a.csv"], 2, &["--data: the experiment is one of the simulated network"]),
        (format!("{head}data = [\"none.parquet\"]\nhorizons = [\"1h\"]\n"), &[], 1, &["none.parquet: ", "--data FILE"]),
        (
            format!("{simulated}[split]\nfirst = \"2031-01-01T00:00:00Z\"\n[simulation]\nstations = 3\ndays = 1\n"),
            &[],
            1,
            &["the split at 2031-01-01T00:00:00Z lies outside the data"],
        ),
    ] {
        fs::write(folder.path().join("x.toml"), text).unwrap();
        let output = run(&folder, &[&["x.toml"], options].concat());
        let told = said(&output.stderr);
        assert_eq!((output.status.code(), told.lines().count()), (Some(code), 1), "{told}");
        let mut rest = told.strip_prefix("error: ").unwrap();
        for part in parts {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("`{part}` is not in its place in: {told}")).1;
        }
        assert!(!folder.path().join("reports").exists(), "{told}");
    }
    let missing = run(&folder, &["none.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing.stderr).starts_with("error: none.toml: "));
}
