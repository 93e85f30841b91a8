//! The expressions that are let through: each kind of node by name, and no other.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Query, UnaryOperator,
};

use super::scope::{Scope, ScopeColumn};
use super::values::{
    cast_to, constant, extracted, interval, literal, literal_is_null, never_zero, number, truth, whole,
};
use super::{Checker, refused};
use crate::error::Result;

/// Deeper nesting than anybody writes.
const MAX_DEPTH: usize = 100;

/// What an expression holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// A column outside of aggregates.
    pub(super) columns: bool,
    pub(super) aggregates: bool,
    pub(super) windows: bool,
    /// Its value is true or false, or may be.
    pub(super) boolean: bool,
}

impl Found {
    pub(super) fn column(column: &ScopeColumn) -> Self {
        Self { columns: true, boolean: column.is_boolean, ..Self::default() }
    }

    pub(super) fn boolean(self) -> Self {
        Self { boolean: true, ..self }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            columns: self.columns || other.columns,
            aggregates: self.aggregates || other.aggregates,
            windows: self.windows || other.windows,
            boolean: self.boolean || other.boolean,
        }
    }
}

impl Checker {
    pub(super) fn expression(&mut self, expr: &Expr, scope: &Scope) -> Result<Found> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(refused("the query is nested too deeply", "name the steps by WITH"));
        }
        let found = self.node(expr, scope);
        self.depth -= 1;
        found
    }

    pub(super) fn all<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr>, scope: &Scope) -> Result<Found> {
        let mut found = Found::default();
        for expr in expressions {
            found = found.and(self.expression(expr, scope)?);
        }
        Ok(found)
    }

    fn node(&mut self, expr: &Expr, scope: &Scope) -> Result<Found> {
        match expr {
            Expr::Identifier(name) => scope.column(&name.value).map(Found::column),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, name] => scope.column_of(&table.value, &name.value).map(Found::column),
                _ => Err(refused(format_args!("`{expr}` has more than two parts"), "write TABLE.COLUMN")),
            },
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(text) => match text.data_type {
                DataType::Date => Ok(Found::default()),
                _ => Err(refused(
                    format_args!("`{expr}` would have no time zone"),
                    "compare with the text alone: duedate >= '2022-05-12 09:00:00' (UTC)",
                )),
            },
            Expr::Nested(inner) => self.expression(inner, scope),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => self.expression(inner, scope).map(Found::boolean),
            Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsNotTrue(_) | Expr::IsNotFalse(_) => Err(refused(
                format_args!("`{expr}` would be unknown where the value is unknown"),
                "write COALESCE(x, FALSE) for IS TRUE, NOT COALESCE(x, TRUE) for IS FALSE, NOT COALESCE(x, FALSE) for IS NOT TRUE",
            )),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => match right.as_ref() {
                // The parser takes `a IS DISTINCT FROM b AND c` for `a IS DISTINCT FROM (b AND c)`.
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_) | Expr::Nested(_) => {
                    self.all([left.as_ref(), right], scope).map(Found::boolean)
                }
                _ => Err(refused(
                    format_args!("`{expr}` would reach to its end, AND and OR included"),
                    "put brackets around it: (a IS DISTINCT FROM b) AND ...",
                )),
            },
            Expr::InList { expr, list, .. } => {
                for item in list {
                    constant(item)?;
                }
                self.expression(expr, scope).map(Found::boolean)
            }
            Expr::InSubquery { expr: inner, subquery, .. } => self.in_subquery(inner, subquery, scope),
            Expr::Exists { .. } => Err(refused("EXISTS is not there", "write x IN (SELECT ...), or JOIN")),
            Expr::Subquery(_) => Err(refused(
                "a SELECT in brackets cannot stand for a value",
                "name it by WITH m AS (SELECT ... AS x ...) and CROSS JOIN m",
            )),
            Expr::Between { expr, low, high, .. } => self.all([expr.as_ref(), low, high], scope).map(Found::boolean),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => truth(expr, self.expression(expr, scope)?),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr, self.expression(expr, scope)?),
            Expr::Like { expr, pattern, escape_char: None, any: false, .. }
            | Expr::ILike { expr, pattern, escape_char: None, any: false, .. } => {
                constant(pattern)?;
                self.expression(expr, scope).map(Found::boolean)
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, format: None, ..
            } => {
                cast_to(data_type)?;
                let found = self.expression(inner, scope)?;
                Ok(Found { boolean: matches!(data_type, DataType::Boolean), ..found })
            }
            Expr::AtTimeZone { .. } => Err(refused(
                "AT TIME ZONE is not there: all times are UTC",
                "shift by hand, duedate + INTERVAL '2 hours' for Paris in summer, '1 hour' in winter",
            )),
            Expr::Extract { field, expr: inner, .. } => {
                extracted(field)?;
                number(inner, self.expression(inner, scope)?)
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => match field {
                CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => self.expression(expr, scope),
                _ => Err(refused("CEIL and FLOOR take one number", "divide first, and multiply again")),
            },
            Expr::Trim { expr, trim_where: None, trim_what: None, trim_characters: None } => {
                self.expression(expr, scope)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
                whole(from, 1)?;
                substring_for.iter().try_for_each(|length| whole(length, 0))?;
                self.expression(expr, scope)
            }
            Expr::Function(function) => self.function(function, scope),
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut asked = self.all(operand.as_deref(), scope)?;
                for CaseWhen { condition, .. } in conditions {
                    let found = self.expression(condition, scope)?;
                    asked = asked.and(if operand.is_none() { truth(condition, found)? } else { found });
                }
                let results = conditions.iter().map(|CaseWhen { result, .. }| result);
                let results = self.all(results.chain(else_result.as_deref()), scope)?;
                Ok(Found { boolean: results.boolean, ..asked.and(results) })
            }
            Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_) => {
                Err(refused("ROLLUP, CUBE and GROUPING SETS are not there", "join queries with UNION ALL"))
            }
            other => Err(refused(
                format_args!("`{other}` is not among what is known to be answered rightly"),
                "write it with comparisons, arithmetic, CASE and the functions that are known",
            )),
        }
    }

    fn in_subquery(&mut self, value: &Expr, subquery: &Query, scope: &Scope) -> Result<Found> {
        if !self.subqueries {
            return Err(refused("IN (SELECT ...) stands outside of WHERE", "JOIN, or select it first by WITH"));
        }
        let found = self.expression(value, scope)?;
        self.subqueries = false;
        let columns = self.query(subquery)?;
        self.subqueries = true;
        match columns.len() {
            1 => Ok(found.boolean()),
            many => Err(refused(format_args!("IN (SELECT ...) selects {many} columns"), "select one")),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, scope: &Scope) -> Result<Found> {
        use BinaryOperator::{
            And, Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Or, Plus, StringConcat,
        };
        match op {
            Plus | Minus if matches!(right, Expr::Interval(_)) => {
                interval(right)?;
                number(left, self.expression(left, scope)?)
            }
            Divide | Modulo if !never_zero(right) => Err(refused(
                format_args!("`{left} {op} {right}` may divide by zero"),
                format_args!("write {left} {op} NULLIF({right}, 0)"),
            )),
            And | Or => {
                let (first, second) = (self.expression(left, scope)?, self.expression(right, scope)?);
                Ok(truth(left, first)?.and(truth(right, second)?))
            }
            Eq | NotEq | Lt | LtEq | Gt | GtEq => match (left, right) {
                (Expr::Value(_), Expr::Value(_)) if left != right || literal_is_null(left) => Err(refused(
                    format_args!("`{left} {op} {right}` compares no column"),
                    "compare a column, or leave it out",
                )),
                _ => self.all([left, right], scope).map(Found::boolean),
            },
            Plus | Minus | Multiply | Divide | Modulo | StringConcat => {
                let (first, second) = (self.expression(left, scope)?, self.expression(right, scope)?);
                Ok(number(left, first)?.and(number(right, second)?))
            }
            other => Err(refused(
                format_args!("the operator {other} is not there"),
                "use + - * / %, ||, comparisons, AND and OR",
            )),
        }
    }
}
