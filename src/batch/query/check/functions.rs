//! The functions that are let through, and what is said of the others.

use super::refused;
use crate::error::Error;

/// What a function makes a value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of the values of one row.
    Row,
    /// Of all rows of a group.
    Aggregate,
    /// Of the rows around it: only with OVER.
    Window,
}

/// Name, kind, fewest and most arguments.
const KNOWN: [(&str, Kind, usize, usize); 29] = [
    ("count", Kind::Aggregate, 1, 1),
    ("sum", Kind::Aggregate, 1, 1),
    ("avg", Kind::Aggregate, 1, 1),
    ("min", Kind::Aggregate, 1, 1),
    ("max", Kind::Aggregate, 1, 1),
    ("median", Kind::Aggregate, 1, 1),
    ("stddev", Kind::Aggregate, 1, 1),
    ("variance", Kind::Aggregate, 1, 1),
    ("row_number", Kind::Window, 0, 0),
    ("lag", Kind::Window, 1, 2),
    ("lead", Kind::Window, 1, 2),
    ("abs", Kind::Row, 1, 1),
    ("round", Kind::Row, 1, 2),
    ("coalesce", Kind::Row, 1, 100),
    ("ifnull", Kind::Row, 2, 2),
    ("nullif", Kind::Row, 2, 2),
    ("greatest", Kind::Row, 2, 100),
    ("least", Kind::Row, 2, 100),
    ("if", Kind::Row, 3, 3),
    ("upper", Kind::Row, 1, 1),
    ("lower", Kind::Row, 1, 1),
    ("length", Kind::Row, 1, 1),
    ("replace", Kind::Row, 3, 3),
    ("substr", Kind::Row, 2, 3),
    ("left", Kind::Row, 2, 2),
    ("starts_with", Kind::Row, 2, 2),
    ("ends_with", Kind::Row, 2, 2),
    ("concat", Kind::Row, 1, 100),
    ("strftime", Kind::Row, 2, 2),
];

pub(super) fn known(name: &str) -> Option<(Kind, usize, usize)> {
    KNOWN.iter().find(|known| known.0 == name).map(|&(_, kind, fewest, most)| (kind, fewest, most))
}

/// Whether all arguments but the first must be literals: polars takes nothing else, or gets it wrong.
pub(super) fn needs_constants(name: &str) -> bool {
    matches!(name, "lag" | "lead" | "round" | "replace" | "substr" | "left" | "starts_with" | "ends_with" | "strftime")
}

/// The way round a function that is not known.
pub(super) fn unknown(name: &str) -> Error {
    let way = match name {
        "date_trunc" | "time_bucket" | "date_bin" | "date" => {
            "group by CAST(duedate AS DATE), or by STRFTIME(duedate, '%Y-%m-%d %H:00') for the hour"
        }
        "rank" | "dense_rank" | "ntile" | "percent_rank" | "cume_dist" => {
            "ROW_NUMBER() OVER (ORDER BY ...) numbers the rows"
        }
        "first_value" | "last_value" | "first" | "last" | "nth_value" | "any_value" => {
            "number the rows in a subquery by ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...) and keep number 1"
        }
        "now" | "current_timestamp" | "current_date" | "localtimestamp" => {
            "write the moment as text: duedate >= '2022-05-12 09:00:00' (UTC)"
        }
        "quantile" | "percentile_cont" | "percentile_disc" | "quantile_cont" | "quantile_disc" => {
            "MEDIAN is there, and CSV or Parquet for another program"
        }
        "strpos" | "position" | "instr" => "look for it with LIKE '%text%'",
        "right" => "compare by LIKE '%text' or ENDS_WITH",
        "sqrt" | "ln" | "log" | "power" | "pow" | "exp" | "sin" | "cos" => {
            "write the answer as CSV or Parquet and reckon on in another program"
        }
        _ if name.starts_with("read_") || name.starts_with("scan_") => "files are named by --data",
        _ => {
            return refused(
                format_args!("there is no function {}", name.to_uppercase()),
                format_args!("known: {}", list()),
            );
        }
    };
    refused(format_args!("there is no function {}", name.to_uppercase()), way)
}

fn list() -> String {
    let names: Vec<_> = KNOWN.iter().map(|known| known.0.to_uppercase()).collect();
    names.join(", ")
}
