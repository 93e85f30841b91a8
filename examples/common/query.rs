//! A query of one's own: from the command line or a file, and its answer to standard output or a file.

use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use velib::batch::{Answer, Table, TableSettings, query};
use velib::{Error, ErrorKind, Place, Result, StationStatus};

use super::print;

/// Rows of a table to be read; the other formats give all.
const SHOWN: usize = 1000;

/// What is asked, and how the answer is given.
#[derive(Args)]
pub struct QueryOptions {
    /// SQL over the tables `readings` and `stations`, instead of the statistics
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["sql", "engine", "behaviours", "partitions", "runs", "gaps", "json"])]
    query: Option<String>,
    /// The same from a file, or from standard input as `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["engine", "behaviours", "partitions", "runs", "gaps", "json"])]
    sql: Option<PathBuf>,
    /// How the answer is given [default: table]
    #[arg(long, value_enum)]
    format: Option<AnswerFormat>,
}

/// A table shows the first 1,000 rows; CSV, JSON and Parquet are whole.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    #[default]
    Table,
    Csv,
    Json,
    Parquet,
}

/// A query that is to be answered.
pub struct Question {
    text: String,
    place: Place,
    format: AnswerFormat,
    out: Option<PathBuf>,
    settings: TableSettings,
}

impl QueryOptions {
    /// The query, if one was asked, of a table that is made with these settings.
    pub fn question(&self, out: Option<&Path>, settings: &TableSettings) -> Result<Option<Question>> {
        let (text, place) = match (&self.query, &self.sql) {
            (Some(text), _) => (text.clone(), Place::Option("--query")),
            (None, Some(path)) if path == Path::new("-") => (read(path)?, Place::Option("--sql")),
            (None, Some(path)) => (read(path)?, Place::file(path)),
            (None, None) if self.format.is_some() => {
                return Err(
                    Error::usage("--format", "there is no query").way_out("give one by --query TEXT or --sql FILE")
                );
            }
            (None, None) => return Ok(None),
        };
        let format = self.format.unwrap_or_default();
        if format == AnswerFormat::Parquet && out.is_none() {
            return Err(
                Error::usage("--out", "is missing: Parquet is no text").way_out("name the file: --out answer.parquet")
            );
        }
        let question = Question { text, place, format, out: out.map(Path::to_path_buf), settings: settings.clone() };
        // Of no readings at all: what is wrong with the query is told before a large history is read.
        question.ask(&Table::with(&[], settings)?)?;
        Ok(Some(question))
    }
}

impl Question {
    /// Asks it of the readings, and gives the answer.
    pub fn answer(self, (described, readings): (String, Vec<StationStatus>)) -> Result<()> {
        // Standard output is for the answer alone.
        eprintln!("Data: {described}");
        let table = Table::with(&readings, &self.settings)?;
        drop(readings);
        let answer = self.ask(&table)?;
        match &self.out {
            Some(path) => to_file(path, |to| self.write(&answer, to)),
            None => {
                let mut text = Vec::new();
                self.write(&answer, &mut text)?;
                print(String::from_utf8_lossy(&text).trim_end_matches('\n'))
            }
        }
    }

    fn ask(&self, table: &Table) -> Result<Answer> {
        query(table, &self.text).map_err(|error| match error.kind() {
            ErrorKind::Usage => error.at(self.place.clone()),
            _ => error,
        })
    }

    fn write(&self, answer: &Answer, to: impl Write) -> Result<()> {
        match self.format {
            AnswerFormat::Table => answer.write_text(to, SHOWN),
            AnswerFormat::Csv => answer.write_csv(to),
            AnswerFormat::Json => answer.write_json(to),
            AnswerFormat::Parquet => answer.write_parquet(to),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().lock().read_to_string(&mut text).map_err(|error| Error::io("standard input", &error))?;
    } else {
        text = fs::read_to_string(path)
            .map_err(|error| Error::io(path, &error).way_out("name a file with SQL, or - for standard input"))?;
    }
    Ok(text)
}

/// Written beside and renamed: an answer that could not be written whole does not take the place of an earlier one.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let failed = |error: io::Error| Error::io(path, &error);
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let file = fs::File::create(&new).map_err(failed)?;
    let mut to = BufWriter::new(file);
    let written =
        write(&mut to).and_then(|()| to.flush().map_err(failed)).and_then(|()| fs::rename(&new, path).map_err(failed));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.map_err(|error| error.at(Place::file(path)))
}
