//! Files as Spark's own readers bring them, and of each row a reading, or that there is none.

use std::collections::HashSet;

use spark_connect::functions::expr;
use spark_connect::row::Value;
use spark_connect::{DataFrame, DataType, StructField, lit_string};

use super::cells::{checked, sql_type, typed};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ingest::{Field, Slot, header, slots, suffice};
use crate::streaming::Spark;

/// The columns of CSV files that lie together, as Spark is told them: one more holds a line that has too few or too many cells.
const TORN: &str = "velib_torn";

/// Every row of the files that `paths` name, under the names of a reading's fields and in their types; a row that is no reading
/// has no station code. Besides: `source`, `file`, `block` and `place`, by which rows are in the order of the files; and why a row
/// is none, `torn` or `unreadable`, else null: `fault`.
pub(super) fn read(spark: &Spark, paths: &[String]) -> Result<DataFrame> {
    let mut tables = Vec::new();
    for (source, path) in paths.iter().enumerate() {
        for found in found(spark, path)? {
            tables.push(rows(spark, source, path, &found)?);
        }
    }
    let all = tables.into_iter().reduce(|all, table| all.union_by_name(&table));
    // So that the server does not take it for the table of a session before, whose files may have been others.
    let all = all.map(|all| all.with_column("session", lit_string(&spark.own())));
    all.ok_or_else(|| Error::usage("--data", "Spark reads files").way_out("name one, a folder, or an address of them"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Parquet,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Csv, Self::Parquet];

    fn of(file: &str) -> Option<Self> {
        let name = file.to_ascii_lowercase();
        let is_csv = name.ends_with(".csv") || name.ends_with(".csv.gz");
        if is_csv { Some(Self::Csv) } else { name.ends_with(".parquet").then_some(Self::Parquet) }
    }

    fn files(self) -> &'static str {
        match self {
            Self::Csv => "*.[cC][sS][vV]{,.[gG][zZ]}",
            Self::Parquet => "*.[pP][aA][rR][qQ][uU][eE][tT]",
        }
    }
}

/// Files of one kind.
struct Found {
    kind: Kind,
    /// The first by its name.
    first: String,
    are_many: bool,
}

const OTHER_COLUMNS: &str = "give it a --data of its own";

impl Found {
    fn error(&self, message: String) -> Error {
        Error::new(ErrorKind::Data, message).at(Place::file(&self.first))
    }
}

/// The files that a path names, by their kinds.
fn found(spark: &Spark, path: &str) -> Result<Vec<Found>> {
    let listed = spark.session().read().format("binaryFile").option("recursiveFileLookup", "true").load(Some(path));
    let Some(rows) =
        spark.rows_of_files(&listed.select(["path"]), path, "give a path or an address that it can read")?
    else {
        let what = format!("the Spark server at {} finds nothing there", spark.url());
        return Err(Error::new(ErrorKind::Data, what)
            .at(Place::file(path))
            .way_out("it reads files itself: give a path or an address that it sees"));
    };
    let mut files: Vec<String> =
        rows.iter().filter_map(|row| row.get(0).and_then(Value::as_str).map(str::to_owned)).collect();
    files.sort_unstable();
    let of_kind = |kind: Kind| {
        let mut files = files.iter().filter(|file| Kind::of(file) == Some(kind));
        Some(Found { kind, first: files.next()?.clone(), are_many: files.next().is_some() })
    };
    let found: Vec<_> = Kind::ALL.into_iter().filter_map(of_kind).collect();
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Data, "Spark finds no .csv and no .parquet there")
            .at(Place::file(path))
            .way_out("name such a file, or a folder or pattern of them"));
    }
    Ok(found)
}

/// The rows of the files of one kind.
fn rows(spark: &Spark, source: usize, path: &str, found: &Found) -> Result<DataFrame> {
    let Found { kind, first, are_many } = found;
    let (kind, are_many) = (*kind, *are_many);
    let reader = spark.session().read().option("recursiveFileLookup", "true").option("pathGlobFilter", kind.files());
    let (table, columns) = match kind {
        Kind::Parquet => {
            // Else the columns would be those of one file, and what others have besides would be lost.
            let table = reader.option("mergeSchema", if are_many { "true" } else { "false" }).parquet(path);
            let asked = table.clone();
            let unreadable = "it is damaged, or keeps a column in a way that Spark does not read, such as times in nanoseconds, or not \
                              as the file beside it: then give it a --data of its own";
            let schema =
                spark.wait_for(move || asked.schema()).map_err(|error| spark.about(error, first, unreadable))?;
            let DataType::Struct { fields } = schema else {
                return Err(found.error("Spark sees no table in it".to_owned()));
            };
            let column =
                |field: StructField| (format!("`{}`", field.name.replace('`', "``")), field.name, field.data_type);
            (table, fields.into_iter().map(column).collect::<Vec<_>>())
        }
        Kind::Csv => {
            let start = spark.session().read().format("text").load(Some(first)).limit(1);
            let start = spark.rows(&start)?;
            let line = start.first().and_then(|row| row.get(0)).and_then(Value::as_str).unwrap_or_default();
            let (delimiter, names) = header(line);
            let text = || DataType::String { collation: "UTF8_BINARY".into() };
            let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.replace('`', "``"))).collect();
            let different: HashSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
            // By its names Spark holds every file beside the first to them. They may be none for it, or stand there twice.
            let is_named = different.len() == names.len() && !different.contains("");
            if are_many && !is_named {
                let what =
                    "a column has no name, or two have the same: Spark would not see if a file beside it has others";
                return Err(found.error(what.to_owned()).way_out(format!("name each column once, or {OTHER_COLUMNS}")));
            }
            let by_place = |place: usize| if is_named { quoted[place].clone() } else { format!("c{place}") };
            let schema: Vec<_> = (0..names.len()).map(|place| format!("{} STRING", by_place(place))).collect();
            let table = reader
                .option("header", "true")
                .option("enforceSchema", if is_named { "false" } else { "true" })
                .option("sep", &delimiter.to_string())
                .option("escape", "\"")
                // Else a line's cells are not counted where one of them is not needed.
                .option("columnPruning", "false")
                .option("columnNameOfCorruptRecord", TORN)
                .schema(format!("{}, {TORN} STRING", schema.join(", ")))
                .csv(path);
            let columns = (0..names.len()).map(|place| (by_place(place), names[place].trim().to_owned(), text()));
            (table, columns.collect::<Vec<_>>())
        }
    };
    let names: Vec<&str> = columns.iter().map(|(_, name, _)| name.as_str()).collect();
    let fields = slots(&names);
    suffice(&names, &fields).map_err(|error| error.at(Place::file(first)))?;
    let are_merged = are_many && kind == Kind::Parquet;
    if are_merged && let Some(again) = said_again(&names) {
        let what = format!("the column {again} and another say the same: they may be those of different files");
        return Err(found.error(what).way_out(format!("give both one name, or {OTHER_COLUMNS}")));
    }
    let mut cells = Vec::new();
    for ((cell, name, data_type), slot) in columns.iter().zip(&fields) {
        let read = |field: Field, cell: &str| {
            typed(field, cell, data_type).map(|typed| (field, typed)).ok_or_else(|| {
                found
                    .error(format!("the column {name} of type {data_type} cannot be read"))
                    .way_out(format!("store it as {}", sql_type(field)))
            })
        };
        match slot {
            Slot::Field(field) => cells.push(read(*field, cell)?),
            // `48.87, 2.48`
            Slot::Position => {
                cells.push(read(Field::Lat, &format!("split_part({cell}, ',', 1)"))?);
                cells.push(read(Field::Lon, &format!("split_part({cell}, ',', 2)"))?);
            }
            _ => {}
        }
    }
    let readings = readings(&table, source, kind, &cells);
    if are_merged {
        have_all(spark, &readings)?;
    }
    if !cells.iter().any(|(field, _)| *field == Field::FetchedAt) {
        are_exports(spark, &readings, first)?;
    }
    Ok(readings)
}

/// Refuses readings without `fetched_at` that are a history, which must say it.
fn are_exports(spark: &Spark, readings: &DataFrame, first: &str) -> Result<()> {
    let counts = ["count(*) AS readings", "count(DISTINCT stationcode) AS stations"].map(expr);
    let counts = counts.iter().map(|count| count.expression().clone()).collect();
    let of_file = readings.filter(expr("fault IS NULL")).group_by(["file"]).agg(counts);
    // A code may stand twice in one export; a history has each many times.
    let histories = spark.rows(&of_file.filter(expr("readings > 2 * stations")).limit(1))?;
    let Some(history) = histories.first() else { return Ok(()) };
    let count = |at: usize| history.get(at).and_then(Value::as_i64).unwrap_or_default();
    let message =
        format!("no `fetched_at`, and {} readings of {} stations: an export has each once", count(1), count(2));
    Err(Error::new(ErrorKind::Data, message)
        .at(Place::file(history.get(0).and_then(Value::as_str).unwrap_or(first)))
        .way_out("add the column `fetched_at`: when each reading was fetched"))
}

/// The first column for a field that another is for too: of the two the first would be read, in all files.
fn said_again<'n>(names: &[&'n str]) -> Option<&'n str> {
    let mut said: Vec<Field> = Vec::new();
    names.iter().copied().find(|&name| {
        let fields: &[Field] = match slots(&[name])[..] {
            [Slot::Field(field)] => &[field],
            [Slot::Position] => &[Field::Lat, Field::Lon],
            _ => &[],
        };
        let is_again = fields.iter().any(|field| said.contains(field));
        said.extend(fields);
        is_again
    })
}

/// Refuses a file in which no row is a reading, beside others: it may lack a column that they have.
fn have_all(spark: &Spark, readings: &DataFrame) -> Result<()> {
    let read = expr("count_if(fault IS NULL) AS readings").expression().clone();
    let without = readings.group_by(["file"]).agg(vec![read]).filter(expr("readings = 0")).limit(1);
    let rows = spark.rows(&without)?;
    let Some(file) = rows.first().and_then(|row| row.get(0)).and_then(Value::as_str) else { return Ok(()) };
    let what =
        "none of its rows is a reading: it lacks a column that the files beside it have, or all of it is unreadable";
    Err(Error::new(ErrorKind::Data, what).at(Place::file(file)).way_out(OTHER_COLUMNS))
}

/// From cells to readings.
fn readings(table: &DataFrame, source: usize, kind: Kind, cells: &[(Field, String)]) -> DataFrame {
    let of = |field: Field| cells.iter().find(|(of, _)| *of == field).map(|(_, typed)| typed.as_str());
    let typed = |field: Field| match of(field) {
        Some(typed) => format!("{typed} AS {}", field.name()),
        None => format!("CAST(NULL AS {}) AS {}", sql_type(field), field.name()),
    };
    let torn = if kind == Kind::Csv { format!("{TORN} IS NOT NULL AS torn") } else { "false AS torn".into() };
    let order = [
        format!("{source} AS source"),
        "_metadata.file_path AS file".into(),
        "_metadata.file_block_start AS block".into(),
        "monotonically_increasing_id() AS place".into(),
    ];
    let columns: Vec<_> = Field::ALL.into_iter().map(typed).chain([torn]).chain(order).collect();
    let table = table.select_expr(columns.iter().map(String::as_str).collect());

    let value = |field: Field| match field {
        // An export of the portal does not say when it was fetched: when the newest of its readings was reported.
        Field::FetchedAt if of(field).is_none() => "max(duedate) OVER (PARTITION BY file) AS fetched_at".into(),
        _ => format!("{} AS {}", checked(field), field.name()),
    };
    let kept = ["torn", "source", "file", "block", "place"].map(str::to_owned);
    let columns: Vec<_> = Field::ALL.into_iter().map(value).chain(kept).collect();
    let table = table.select_expr(columns.iter().map(String::as_str).collect());

    let fault = "CASE WHEN torn THEN 'torn' WHEN stationcode IS NULL OR duedate IS NULL OR fetched_at IS NULL \
                 OR contains(stationcode, '\\u0000') THEN 'unreadable' END AS fault";
    let table = table.select_expr(vec!["*", fault]);
    let code = "CASE WHEN fault IS NULL THEN stationcode END AS stationcode";
    let others = Field::ALL.into_iter().filter(|&field| field != Field::StationCode).map(Field::name);
    let columns = others.chain([code, "fault", "source", "file", "block", "place"]).collect();
    table.select_expr(columns)
}
