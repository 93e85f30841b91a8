//! Which statements are run: those that polars' SQL answers rightly, and no others.
//!
//! Polars 0.55 answers some usual SQL wrongly and without a word: a running `AVG` knows the future, `NULLS LAST` inside `OVER` is
//! passed over, a `WITH` inside brackets is forgotten. So the statement is looked at before it is run, and only what the tests
//! beside this file hold to a second database, SQLite, is let through. What is refused says the way round.

mod calls;
mod clauses;
mod expression;
mod from;
mod functions;
mod scope;
mod selected;
mod values;
mod widen;

use std::collections::BTreeMap;
use std::fmt::Display;

use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};

pub(super) use self::scope::ScopeColumn;
use crate::error::{Error, ErrorKind, Result};

/// Longer ones are no questions that a person asked, and each level of nesting costs stack.
const MAX_LENGTH: usize = 1 << 16;

/// Refuses what is not one query over `tables` (name and columns) that is answered rightly; the text to run.
pub(super) fn check(sql: &str, tables: &[(&str, Vec<ScopeColumn>)]) -> Result<String> {
    if sql.len() > MAX_LENGTH {
        return Err(refused(format_args!("the query is longer than {MAX_LENGTH} bytes"), "ask in several queries"));
    }
    let query = parse(sql)?;
    let tables = tables.iter().map(|(name, columns)| ((*name).to_owned(), columns.clone())).collect();
    Checker { tables, aliases: BTreeMap::new(), subqueries: false, depth: 0 }.whole(&query)?;
    let query = widen::widen(*query);
    let text = query.to_string();
    // Polars takes text, not a tree: `- -1` is written as the beginning of a comment.
    match parse(&text).is_ok_and(|read_back| *read_back == query) {
        true => Ok(text),
        false => Err(refused("the query cannot be written as it was read", "put negative numbers in brackets")),
    }
}

/// As polars parses it.
fn parse(sql: &str) -> Result<Box<Query>> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let mut parser =
        Parser::new(&GenericDialect).with_options(options).try_with_sql(sql).map_err(|error| syntax(&error))?;
    let mut statements = parser.parse_statements().map_err(|error| syntax(&error))?;
    match (statements.pop(), statements.is_empty()) {
        (None, _) => Err(refused("the query is empty", "write SELECT ... FROM readings")),
        (Some(Statement::Query(query)), true) => Ok(query),
        (Some(_), false) => Err(refused("these are several statements", "ask one query at a time")),
        (Some(other), true) => {
            let text = other.to_string();
            let verb = text.split_whitespace().next().unwrap_or_default();
            Err(refused(
                format_args!("{verb} is no query: nothing here can be changed"),
                "write one SELECT, or WITH ... SELECT",
            ))
        }
    }
}

fn syntax(error: &dyn Display) -> Error {
    let error = error.to_string();
    let error = error.strip_prefix("sql parser error: ").unwrap_or(&error);
    refused(
        format_args!("this is no SQL: {error}"),
        "write for example SELECT stationcode, AVG(numdocksavailable) AS docks FROM readings GROUP BY stationcode",
    )
}

/// What is wrong with the query, and the way round.
fn refused(message: impl Display, way_out: impl Display) -> Error {
    Error::new(ErrorKind::Usage, message).way_out(way_out)
}

struct Checker {
    /// Tables by name, those of `WITH` among them, and their columns.
    tables: BTreeMap<String, Vec<ScopeColumn>>,
    /// What each other name stands for throughout the statement: polars forgets in which brackets it was given.
    aliases: BTreeMap<String, String>,
    /// Whether `IN (SELECT ...)` may stand here: in WHERE alone.
    subqueries: bool,
    depth: usize,
}
