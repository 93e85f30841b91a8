//! A query and its sides, each clause in the scope that it has.

use std::fmt::Display;

use sqlparser::ast::{Distinct, Expr, LimitClause, OrderBy, Query, Select, SetExpr, SetOperator, SetQuantifier, Value};

use super::expression::Found;
use super::from::no_columns;
use super::scope::ScopeColumn;
use super::selected::Item;
use super::values::truth;
use super::{Checker, refused};
use crate::error::Result;

impl Checker {
    /// The statement, with the tables of its WITH.
    pub(super) fn whole(&mut self, query: &Query) -> Result<()> {
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(refused("WITH RECURSIVE is not there", "write the steps out"));
            }
            for table in &with.cte_tables {
                let name = &table.alias.name.value;
                no_columns(&table.alias)?;
                self.name(name, &format!("WITH {name}"))?;
                let columns = self.query(&table.query)?;
                self.tables.insert(name.clone(), columns);
            }
        }
        self.body(query).map(drop)
    }

    /// A query in brackets: the names of its columns.
    pub(super) fn query(&mut self, query: &Query) -> Result<Vec<ScopeColumn>> {
        if query.with.is_some() {
            return Err(refused("a WITH stands inside of brackets", "put all of WITH at the very beginning"));
        }
        self.body(query)
    }

    fn body(&mut self, query: &Query) -> Result<Vec<ScopeColumn>> {
        if query.fetch.is_some() {
            return Err(refused("FETCH is not there", "write LIMIT"));
        }
        if let Some(LimitClause::LimitOffset { limit, offset, limit_by }) = &query.limit_clause {
            let counts = limit.iter().chain(offset.as_ref().map(|offset| &offset.value));
            if !limit_by.is_empty() || !counts.into_iter().all(is_count) {
                return Err(refused("LIMIT and OFFSET take a whole number", "write LIMIT 10"));
            }
        }
        match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, query.order_by.as_ref()),
            SetExpr::SetOperation { .. } => {
                let columns = self.set(&query.body)?;
                if query.order_by.is_some() || query.limit_clause.is_some() {
                    return Err(refused(
                        "ORDER BY and LIMIT after UNION would be taken by each of its sides",
                        "name it first: WITH u AS (... UNION ALL ...) SELECT * FROM u ORDER BY ...",
                    ));
                }
                Ok(columns)
            }
            SetExpr::Query(inner) => Err(refused(
                format_args!("the brackets around `{}` are not needed", head(inner)),
                "leave them out, or name the query by WITH",
            )),
            other => Err(refused(format_args!("`{}` is no SELECT", head(other)), "write SELECT ... FROM readings")),
        }
    }

    fn set(&mut self, set: &SetExpr) -> Result<Vec<ScopeColumn>> {
        match set {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } => {
                let is_plain =
                    matches!(set_quantifier, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None);
                let (columns, others) = (self.set(left)?, self.set(right)?);
                match is_plain && columns.len() == others.len() {
                    true => Ok(columns),
                    false => Err(refused(
                        format_args!("the sides of UNION have {} and {} columns", columns.len(), others.len()),
                        "select as many columns on both sides; UNION and UNION ALL go by their order",
                    )),
                }
            }
            SetExpr::SetOperation { op, .. } => Err(refused(
                format_args!("{op} is not there"),
                "write WHERE x IN (SELECT ...) for INTERSECT and WHERE x NOT IN (SELECT ...) for EXCEPT",
            )),
            other => Err(refused(
                format_args!("a side of UNION is `{}`", head(other)),
                "each side is a plain SELECT; name what is sorted or limited by WITH",
            )),
        }
    }

    fn select(&mut self, select: &Select, order_by: Option<&OrderBy>) -> Result<Vec<ScopeColumn>> {
        let mut scope = self.from(select)?;
        if select.qualify.is_some() {
            return Err(refused(
                "QUALIFY is not there",
                "number the rows in a subquery: SELECT ... FROM (SELECT *, ROW_NUMBER() OVER (...) AS k FROM readings) AS t WHERE k = 1",
            ));
        }
        if !select.named_window.is_empty() {
            return Err(refused("WINDOW names a window", "write it out in each OVER (...)"));
        }
        if matches!(select.distinct, Some(Distinct::On(_))) {
            return Err(refused(
                "DISTINCT ON is not there",
                "number the rows in a subquery: SELECT ... FROM (SELECT *, ROW_NUMBER() OVER (...) AS k FROM readings) AS t WHERE k = 1",
            ));
        }
        if let Some(selection) = &select.selection {
            self.subqueries = true;
            let found = self.expression(selection, &scope);
            self.subqueries = false;
            no_aggregate(
                truth(selection, found?)?,
                "WHERE",
                "filter groups by HAVING, and window functions in an outer query",
            )?;
        }
        let items = self.items(select, &scope)?;
        let keys = self.keys(select, &scope, &items)?;
        if keys.is_some() || items.iter().any(|item| item.found.aggregates) {
            self.groups(select, &scope, &items, keys.as_deref().unwrap_or_default(), order_by)?;
        } else {
            if select.having.is_some() {
                return Err(refused("HAVING stands without GROUP BY", "filter rows by WHERE"));
            }
            scope.given =
                items.iter().filter(|item| item.is_named && !scope.has(&item.name)).map(Item::as_column).collect();
            self.order(order_by, &scope, &items, select.distinct.is_some())?;
        }
        Ok(items.iter().map(Item::as_column).collect())
    }
}

pub(super) fn no_aggregate(found: Found, clause: &str, way_out: &str) -> Result<()> {
    match found.aggregates || found.windows {
        true => Err(refused(format_args!("{clause} holds an aggregate or a window function"), way_out)),
        false => Ok(()),
    }
}

fn is_count(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if number.parse::<u32>().is_ok()))
}

/// Enough of a clause to know it again.
pub(super) fn head(clause: &dyn Display) -> String {
    let text = clause.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
