//! Which names a clause may use, and what is said of one that is not there.

use sqlparser::ast::Expr;

use super::refused;
use crate::error::{Error, Result};

/// The tables of a FROM, in their order.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) tables: Vec<ScopeTable>,
    /// Columns that USING makes one of two.
    pub(super) shared: Vec<String>,
    /// What the SELECT gives names to, where a clause may use them.
    pub(super) given: Vec<ScopeColumn>,
}

/// A table by the name that it has in the query.
#[derive(Debug)]
pub(super) struct ScopeTable {
    pub(super) name: String,
    pub(super) columns: Vec<ScopeColumn>,
}

/// A column, and whether it is true or false: polars would reckon with those as with numbers, in 32 bits.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) is_boolean: bool,
}

impl ScopeTable {
    fn get(&self, name: &str) -> Option<&ScopeColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }
}

impl Scope {
    /// The one column of this name; none of the tables having it, or more than one of them, is refused.
    pub(super) fn column(&self, name: &str) -> Result<&ScopeColumn> {
        if let Some(given) = self.given.iter().find(|given| given.name == name) {
            return Ok(given);
        }
        let mut owners = self.tables.iter().filter_map(|table| Some((table, table.get(name)?)));
        match (owners.next(), owners.next()) {
            (Some((_, column)), None) => Ok(column),
            (Some((_, column)), Some(_)) if self.shared.iter().any(|shared| shared == name) => Ok(column),
            (Some((first, _)), Some((second, _))) => Err(refused(
                format_args!("`{name}` is a column of {} and of {}", first.name, second.name),
                format_args!("write {}.{name} or {}.{name}", first.name, second.name),
            )),
            (None, _) => Err(self.missing(name)),
        }
    }

    /// The column of this name of the table `table`.
    pub(super) fn column_of(&self, table: &str, name: &str) -> Result<&ScopeColumn> {
        let table = self.table(table)?;
        table.get(name).ok_or_else(|| {
            refused(
                format_args!("{} has no column `{name}`; its columns: {}", table.name, table.list()),
                "write the name as it stands there, small letters small",
            )
        })
    }

    pub(super) fn table(&self, name: &str) -> Result<&ScopeTable> {
        self.tables.iter().find(|table| table.name == name).ok_or_else(|| {
            let names: Vec<_> = self.tables.iter().map(|table| table.name.as_str()).collect();
            refused(
                format_args!("`{name}` is no table of this FROM; there: {}", names.join(", ")),
                "a table that has a name by AS goes by that alone, and a subquery knows its own FROM alone: JOIN instead",
            )
        })
    }

    /// Whether a table of it has this column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.get(name).is_some())
    }

    /// Whether `expr`, a column of this name, is not the first of its name: polars gives it another one.
    pub(super) fn is_renamed(&self, expr: &Expr, name: &str) -> bool {
        let first = self.tables.iter().find(|table| table.get(name).is_some());
        match expr {
            Expr::CompoundIdentifier(parts) => {
                first.zip(parts.first()).is_some_and(|(first, part)| first.name != part.value)
            }
            _ => false,
        }
    }

    fn missing(&self, name: &str) -> Error {
        let there: Vec<_> = self.tables.iter().map(|table| format!("{}: {}", table.name, table.list())).collect();
        let message = match there.is_empty() {
            true => format!("there is no column `{name}`: nothing is selected FROM"),
            false => format!("there is no column `{name}`; columns of {}", there.join("; of ")),
        };
        refused(message, "write the name as it stands there, small letters small, and texts in 'single quotes'")
    }
}
