use super::*;
use crate::batch::COLUMNS;
use crate::batch::testing::{at, wild_readings};
use crate::station::StationCode;
use proptest::prelude::*;
use std::fs;

fn read(path: &Path) -> Vec<StationStatus> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|reading| reading.unwrap()).collect()
}

fn distinct(readings: &[StationStatus]) -> Vec<StationStatus> {
    let mut seen = HashSet::new();
    readings.iter().filter(|reading| seen.insert(key_of(reading))).cloned().collect()
}

/// By key: what had to be looked up is written after the rest of its batch.
fn sorted(mut readings: Vec<StationStatus>) -> Vec<StationStatus> {
    readings.sort_by_key(key_of);
    readings
}

fn awkward() -> Vec<StationStatus> {
    let reading = |code: &str, name: &str, seconds| StationStatus {
        name: Some(name.into()),
        commune: Some("Paris,\n\"16e\"\n".into()),
        ..StationStatus::unknown(StationCode::new(code).unwrap(), at(seconds), at(seconds + 60))
    };
    vec![reading("16107", "Benjamin Godard", 0), reading("\"q\"", "a \"b\"", 0), reading("31024_relais", "é\n", 1)]
}

fn fetched(code: &str, time: &str) -> StationStatus {
    let time = time.parse().unwrap();
    StationStatus::unknown(StationCode::new(code).unwrap(), time, time)
}

/// A file's bookmark.
fn offsets(path: &Path) -> PathBuf {
    Files::One(path.into(), Format::Csv).bookmark()
}

fn daily(folder: &Path) -> CsvCollector {
    CsvCollector::begin(Files::Daily(folder.into(), 0, Format::Csv)).unwrap().unwrap()
}

/// All that stands in the files of a folder.
fn read_all(folder: &Path) -> Vec<StationStatus> {
    let files = Files::Daily(folder.into(), 0, Format::Csv);
    files.names().unwrap().iter().flat_map(|name| read(&files.path(name))).collect()
}

fn append(collector: &mut CsvCollector, readings: &[StationStatus]) -> Appended {
    let appended = collector.append(readings).unwrap();
    collector.sync().unwrap();
    appended
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The halves of the tail hold three readings each in the tests, so most repeats are looked up.
    #[test]
    fn what_is_read_back_is_what_was_appended_each_key_once(
        batches in prop::collection::vec((wild_readings(), any::<bool>()), 0..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let (mut all, mut written) = (vec![], 0);
        for (batch, forgets) in &batches {
            if *forgets {
                fs::remove_file(offsets(&path)).ok();
            }
            let mut collector = CsvCollector::open(&path).unwrap();
            prop_assert_eq!(collector.found(), Found { readings: written, ..Found::default() });
            let appended = append(&mut collector, batch);
            prop_assert_eq!(appended.written + appended.repeated, batch.len() as u64);
            all.extend_from_slice(batch);
            written += appended.written;
        }
        if !batches.is_empty() {
            prop_assert_eq!(sorted(read(&path)), sorted(distinct(&all)));
        }
    }

    /// The disk as it was after any sync, with whatever a crash left of the next: the same readings again make the same files.
    #[test]
    fn a_file_a_day_holds_each_key_once_after_any_crash(
        batches in prop::collection::vec((wild_readings(), 0..20_000_000i64, any::<bool>()), 1..6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut all, mut day) = (vec![], 0);
        for (mut batch, later, crashes) in batches {
            day += later;
            batch.iter_mut().for_each(|reading| reading.fetched_at = at(day));
            let bookmark = Files::Daily(folder.path().into(), 0, Format::Csv).bookmark();
            let before = fs::read(&bookmark).ok();
            append(&mut daily(folder.path()), &batch);
            if let (true, Some(before)) = (crashes, before) {
                fs::write(&bookmark, before).unwrap();
                append(&mut daily(folder.path()), &batch);
            }
            all.extend(batch);
        }
        let collected = read_all(folder.path());
        let arrivals: Vec<_> = collected.iter().map(|reading| reading.fetched_at).collect();
        prop_assert!(arrivals.is_sorted());
        prop_assert_eq!(sorted(collected), sorted(distinct(&all)));
        for name in Files::Daily(folder.path().into(), 0, Format::Csv).names().unwrap() {
            let day = |reading: &StationStatus| format!("part-0-{}.csv", reading.fetched_at.date_naive());
            prop_assert!(read(&folder.path().join(&name)).iter().all(|reading| day(reading) == name));
        }
    }
}

#[test]
fn after_a_crash_at_any_byte_the_same_readings_again_make_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let all = awkward();
    let mut ends = vec![];
    for count in 0..=all.len() {
        append(&mut CsvCollector::open(&path).unwrap(), &all[..count]);
        ends.push((fs::metadata(&path).unwrap().len(), fs::read(offsets(&path)).unwrap()));
    }
    let whole = fs::read(&path).unwrap();
    for cut in 0..=whole.len() {
        // With the bookmark that was there then, and without one.
        let kept = ends.iter().rposition(|&(end, _)| end <= cut as u64);
        for bookmark in [kept.map(|kept| &ends[kept].1), None] {
            fs::write(&path, &whole[..cut]).unwrap();
            match bookmark {
                Some(bookmark) => fs::write(offsets(&path), bookmark).unwrap(),
                None => drop(fs::remove_file(offsets(&path))),
            }
            let mut collector = CsvCollector::open(&path).unwrap();
            let torn_bytes = cut as u64 - kept.map_or(0, |kept| ends[kept].0);
            let readings = kept.unwrap_or(0) as u64;
            assert_eq!(collector.found(), Found { readings, torn_bytes, ..Found::default() }, "cut at byte {cut}");
            let appended = append(&mut collector, &all);
            assert_eq!(appended, Appended { written: all.len() as u64 - readings, repeated: readings });
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at byte {cut}");
        }
    }
}

#[test]
fn a_copy_with_its_bookmark_is_another_file_and_leaves_the_first_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [first, copy] = ["a.csv", "b.csv"].map(|name| folder.path().join(name));
    append(&mut CsvCollector::open(&first).unwrap(), &awkward()[..1]);
    fs::copy(&first, &copy).unwrap();
    fs::copy(offsets(&first), offsets(&copy)).unwrap();
    append(&mut CsvCollector::open(&first).unwrap(), &awkward()[..2]);
    let before = fs::read(&first).unwrap();
    assert_eq!(append(&mut CsvCollector::open(&copy).unwrap(), &awkward()).repeated, 1);
    assert_eq!((read(&copy), fs::read(&first).unwrap()), (awkward(), before));
}

#[test]
fn a_publisher_whose_clock_runs_years_ahead_does_not_end_the_daily_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::Daily(folder.path().into(), 0, Format::Csv);
    let mut collector = CsvCollector::begin(files.clone()).unwrap().unwrap();
    let ahead = [fetched("1", "2222-05-12T10:00:00Z"), fetched("2", "2222-05-13T10:00:00Z")];
    append(&mut collector, &ahead);
    let names = files.names().unwrap();
    let latest = format!("part-0-{}.csv", (Utc::now() + TimeDelta::days(1)).date_naive());
    assert!(names.len() <= 2 && names.iter().all(|name| *name <= latest), "{names:?}");
    assert_eq!(names.iter().flat_map(|name| read(&files.path(name))).collect::<Vec<_>>(), ahead);
}

#[test]
fn the_place_in_the_topic_is_that_of_the_bytes_that_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let mut collector = CsvCollector::open(&path).unwrap();
    let all = awkward();
    collector.append(&all[..1]).unwrap();
    collector.sync_at(Some(("c/velib", &BTreeMap::from([(0, 1)])))).unwrap();
    let bookmark = fs::read(offsets(&path)).unwrap();
    collector.append(&all[1..]).unwrap();
    collector.sync_at(Some(("c/velib", &BTreeMap::from([(1, 2)])))).unwrap();
    assert_eq!(collector.mark().next, BTreeMap::from([(0, 1), (1, 2)]));
    drop(collector);
    // The rows reached the disk, and the bookmark did not.
    fs::write(offsets(&path), bookmark).unwrap();
    let mut collector = CsvCollector::open(&path).unwrap();
    assert_eq!((collector.mark().next.clone(), collector.found().readings), (BTreeMap::from([(0, 1)]), 1));
    assert_eq!(append(&mut collector, &all), Appended { written: 2, repeated: 1 });
    assert_eq!(read(&path), all);
}

#[test]
fn a_file_that_lost_what_was_collected_is_read_whole_and_all_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, next) = (folder.path().join("a.csv"), BTreeMap::from([(0, 3)]));
    let mut collector = CsvCollector::open(&path).unwrap();
    collector.append(&awkward()).unwrap();
    collector.sync_at(Some(("c/velib", &next))).unwrap();
    drop(collector);
    let (whole, bookmark) = (fs::read(&path).unwrap(), fs::read(offsets(&path)).unwrap());
    for length in [None, Some(0), Some(100), Some(whole.len() - 20)] {
        fs::write(offsets(&path), &bookmark).unwrap();
        match length {
            Some(length) => fs::write(&path, &whole[..length]).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let mut collector = CsvCollector::open(&path).unwrap();
        assert!(collector.found().short && collector.mark().next.is_empty() && collector.mark().topic.is_some());
        append(&mut collector, &awkward());
        assert_eq!(fs::read(&path).unwrap(), whole, "{length:?}");
    }
}

#[test]
fn what_was_fetched_before_midnight_and_comes_after_it_goes_to_the_new_day() {
    let folder = tempfile::tempdir().unwrap();
    let late = fetched("2", "2022-05-12T23:59:59.999Z");
    let all = [fetched("1", "2022-05-12T23:59:00Z"), fetched("1", "2022-05-13T00:00:00Z"), late];
    append(&mut daily(folder.path()), &all);
    assert_eq!(read(&folder.path().join("part-0-2022-05-12.csv")), all[..1]);
    assert_eq!(read(&folder.path().join("part-0-2022-05-13.csv")), all[1..]);
    assert_eq!(append(&mut daily(folder.path()), &all), Appended { written: 0, repeated: 3 });
}

#[test]
fn a_file_with_other_columns_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.csv");
    for text in ["stationcode;duedate\n16107;x\n", "id\n", "not a table"] {
        fs::write(&path, text).unwrap();
        let error = CsvCollector::open(&path).unwrap_err();
        let columns = text.lines().next().unwrap();
        let start = format!("{}:1: its columns are `{columns}`; collect to a new file", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!((error.kind(), fs::read_to_string(&path).unwrap().as_str()), (ErrorKind::Data, text));
    }
}

#[test]
fn unreadable_lines_stay_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let text = format!("{}\nbroken,line\n{}\n", COLUMNS.join(","), ",".repeat(COLUMNS.len() - 1));
    fs::write(&path, &text).unwrap();
    let mut collector = CsvCollector::open(&path).unwrap();
    assert_eq!(collector.found(), Found { unreadable: 2, ..Found::default() });
    append(&mut collector, &awkward());
    assert!(fs::read_to_string(&path).unwrap().starts_with(&text));
}

#[test]
fn a_header_without_its_end_of_line_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    for text in [format!("\u{feff}{}", COLUMNS.join(",")), COLUMNS.join(",")] {
        fs::write(&path, &text).unwrap();
        assert_eq!(CsvCollector::open(&path).unwrap().found().torn_bytes, text.len() as u64);
        assert_eq!(fs::read_to_string(&path).unwrap(), COLUMNS.join(",") + "\n");
        fs::remove_file(offsets(&path)).unwrap();
    }
}

#[test]
fn a_quote_that_never_closes_is_no_torn_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let text = format!("{}\n\"{}", COLUMNS.join(","), "16107\n".repeat(20_000));
    fs::write(&path, &text).unwrap();
    let error = CsvCollector::open(&path).unwrap_err();
    assert!(error.to_string().contains("a.csv:2: a quote is opened here"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_second_collector_on_the_same_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let first = CsvCollector::open(&path).unwrap();
    let error = CsvCollector::open(&path).unwrap_err().to_string();
    let told = "a.csv: another collector is writing to it; stop that one, or collect to another file";
    assert!(error.ends_with(told), "{error}");
    drop(first);
    CsvCollector::open(&path).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("a.csv");
    let error = CsvCollector::open(&path).unwrap_err();
    assert_eq!(
        (error.kind(), error.place()),
        (ErrorKind::Io, Some(&Place::file(Files::One(path, Format::Csv).lock())))
    );
}

/// All of a Parquet collection, the part that is CSV still included.
fn read_parquet(folder: &Path) -> Vec<StationStatus> {
    let files = crate::batch::data_files(&[folder]).unwrap();
    crate::ingest::Recording::read(&files).unwrap().into_readings()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One file and a file a day, whose rest becomes Parquet now and then, with a crash before the last bookmark now and then.
    #[test]
    fn parquet_holds_each_key_once_at_every_moment(
        batches in prop::collection::vec((wild_readings(), 0..3u8), 1..5),
        is_daily in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = match is_daily {
            true => Files::Daily(folder.path().into(), 0, Format::Parquet),
            false => Files::One(folder.path().join("a.parquet"), Format::Parquet),
        };
        let open = || CsvCollector::begin(files.clone()).unwrap().unwrap();
        let mut all = vec![];
        for (day, (mut batch, what)) in (0..).zip(batches) {
            batch.iter_mut().for_each(|reading| reading.fetched_at = at(day * 40_000));
            all.extend_from_slice(&batch);
            append(&mut open(), &batch);
            if what > 0 {
                open().finish().unwrap();
            }
            if !distinct(&all).is_empty() {
                prop_assert_eq!(read_parquet(folder.path()).len(), distinct(&all).len());
                prop_assert_eq!(sorted(read_parquet(folder.path())), sorted(distinct(&all)));
            }
            if what > 1 {
                fs::remove_file(files.bookmark()).unwrap();
            }
            prop_assert_eq!(append(&mut open(), &batch).written, 0);
        }
    }
}

#[test]
fn a_crash_while_rows_become_parquet_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::One(folder.path().join("a.parquet"), Format::Parquet);
    let open = || CsvCollector::begin(files.clone()).unwrap().unwrap();
    append(&mut open(), &awkward()[..1]);
    open().finish().unwrap();
    append(&mut open(), &awkward()[1..]);
    let (name, _) = files.name_at(at(0));
    let (rows, table, bookmark) = (files.path(&name), files.table(&name), files.bookmark());
    let before = [&rows, &table, &bookmark].map(|path| fs::read(path).unwrap());
    open().finish().unwrap();
    let folded = fs::read(&table).unwrap();
    let mark: Bookmark = serde_json::from_slice(&before[2]).unwrap();
    let newest = awkward().iter().map(|one| (one.station_code.clone(), one.last_reported.timestamp_millis())).collect();
    let folding = Bookmark { folding: Some((name, folded.len() as u64)), before_tail: newest, ..mark };
    // The note is written, and the new file has not or has taken the old one's place; the rows may be gone by then.
    for (new_table, new_rows) in [(&before[1], Some(&before[0])), (&folded, Some(&before[0])), (&folded, None)] {
        folding.save(&bookmark).unwrap();
        fs::write(&table, new_table).unwrap();
        match new_rows {
            Some(new_rows) => fs::write(&rows, new_rows).unwrap(),
            None => drop(fs::remove_file(&rows)),
        }
        assert_eq!(append(&mut open(), &awkward()), Appended { written: 0, repeated: 3 });
        assert_eq!(sorted(read_parquet(folder.path())), sorted(awkward()));
    }
}
