//! FROM and JOIN: the tables that a query sees.

use sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, ObjectName, Select, TableAlias, TableFactor,
};

use super::clauses::{head, no_aggregate};
use super::scope::{Scope, ScopeTable};
use super::{Checker, functions, refused};
use crate::error::Result;

impl Checker {
    pub(super) fn from(&mut self, select: &Select) -> Result<Scope> {
        let mut scope = Scope::default();
        match select.from.as_slice() {
            [] => return Ok(scope),
            [first] => {
                self.table(&first.relation, &mut scope)?;
                for join in &first.joins {
                    self.join(join, &mut scope)?;
                }
            }
            _ => return Err(refused("FROM lists several tables", "write JOIN ... ON, or CROSS JOIN")),
        }
        Ok(scope)
    }

    fn table(&mut self, factor: &TableFactor, scope: &mut Scope) -> Result<()> {
        let table = match factor {
            TableFactor::Table { args: Some(_), name, .. } => {
                return Err(functions::unknown(&name.to_string().to_lowercase()));
            }
            TableFactor::Table { name, alias, .. } => {
                let own = one_part(name)?;
                let Some(columns) = self.tables.get(&own).cloned() else {
                    let there: Vec<_> = self.tables.keys().cloned().collect();
                    return Err(refused(
                        format_args!("there is no table `{name}`; there: {}", there.join(", ")),
                        "files are named by --data",
                    ));
                };
                if let Some(alias) = alias {
                    no_columns(alias)?;
                    self.name(&alias.name.value, &own)?;
                }
                ScopeTable { name: alias.as_ref().map_or(own, |alias| alias.name.value.clone()), columns }
            }
            TableFactor::Derived { lateral: false, subquery, alias, .. } => {
                let columns = self.query(subquery)?;
                let Some(alias) = alias else {
                    return Err(refused("a query in FROM has no name", "write (SELECT ...) AS t"));
                };
                no_columns(alias)?;
                self.name(&alias.name.value, &subquery.to_string())?;
                ScopeTable { name: alias.name.value.clone(), columns }
            }
            other => {
                return Err(refused(
                    format_args!("`{}` is not a table", head(other)),
                    "select from readings, stations, a WITH or (SELECT ...) AS t",
                ));
            }
        };
        if scope.tables.iter().any(|known| known.name == table.name) {
            return Err(refused(
                format_args!("two tables are called {}", table.name),
                "give each a name of its own by AS",
            ));
        }
        scope.tables.push(table);
        Ok(())
    }

    /// Notes what a name stands for; the same name for something else is refused, because polars would take either.
    pub(super) fn name(&mut self, name: &str, meaning: &str) -> Result<()> {
        let is_other = self.tables.contains_key(name) && name != meaning;
        match self.aliases.insert(name.to_owned(), meaning.to_owned()) {
            Some(before) if before != meaning => {}
            _ if is_other => {}
            _ => return Ok(()),
        }
        Err(refused(format_args!("`{name}` names two things in this query"), "give each a name of its own"))
    }

    fn join(&mut self, join: &Join, scope: &mut Scope) -> Result<()> {
        use JoinOperator::{CrossJoin, Inner, Join as Plain, Left, LeftOuter};
        self.table(&join.relation, scope)?;
        let constraint = match &join.join_operator {
            CrossJoin(JoinConstraint::None) => return Ok(()),
            Plain(constraint) | Inner(constraint) | Left(constraint) | LeftOuter(constraint) => constraint,
            _ => {
                return Err(refused(
                    format_args!("`{}` is not among the joins that are answered rightly", join.to_string().trim()),
                    "use JOIN, LEFT JOIN or CROSS JOIN: a RIGHT JOIN is a LEFT JOIN with its tables the other way round",
                ));
            }
        };
        match constraint {
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let column = one_part(column)?;
                    for table in &scope.tables {
                        if scope.tables.len() == 2 {
                            scope.column_of(&table.name, &column)?;
                        }
                    }
                    scope.shared.push(column);
                }
                Ok(())
            }
            JoinConstraint::On(condition) => {
                let found = self.expression(condition, scope)?;
                no_aggregate(found, "ON", "compute it in a subquery first")?;
                equalities(condition, scope)
            }
            _ => Err(refused("the join has no condition", "write ON a.x = b.x, or CROSS JOIN")),
        }
    }
}

pub(super) fn no_columns(alias: &TableAlias) -> Result<()> {
    match alias.columns.is_empty() {
        true => Ok(()),
        false => Err(refused(format_args!("`{alias}` names columns"), "name them where they are selected, by AS")),
    }
}

pub(super) fn one_part(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|name| name.value.clone()),
        _ => None,
    }
    .ok_or_else(|| refused(format_args!("`{name}` has more than one part"), "write the name alone"))
}

/// Each condition of a join must be that a column of the one is equal to a column of the other.
fn equalities(condition: &Expr, scope: &Scope) -> Result<()> {
    match condition {
        Expr::Nested(inner) => return equalities(inner, scope),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            equalities(left, scope)?;
            return equalities(right, scope);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
            let (left, right) = (owner(left, scope), owner(right, scope));
            let joined = scope.tables.last().map(|table| table.name.as_str());
            if left.is_some() && right.is_some() && left != right && (left == joined || right == joined) {
                return Ok(());
            }
        }
        _ => {}
    }
    Err(refused(
        format_args!("`{condition}` does not say that a column of one table is equal to one of the other"),
        "join ON a.x = b.x, and filter by WHERE, or before in (SELECT ... WHERE ...) AS t",
    ))
}

/// The table that a column stands in.
fn owner<'a>(expr: &'a Expr, scope: &'a Scope) -> Option<&'a str> {
    match expr {
        Expr::CompoundIdentifier(parts) => parts.first().map(|part| part.value.as_str()),
        Expr::Identifier(name) => scope
            .tables
            .iter()
            .find(|table| table.columns.iter().any(|column| column.name == name.value))
            .map(|table| table.name.as_str()),
        _ => None,
    }
}
