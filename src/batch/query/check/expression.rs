//! The expressions that are let through: each kind of node by name, and no other.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, DuplicateTreatment, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Query, UnaryOperator, Value, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};

use super::functions::{self, Kind};
use super::scope::{Scope, ScopeColumn};
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

    fn boolean(self) -> Self {
        Self { boolean: true, ..self }
    }

    fn and(self, other: Self) -> Self {
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

    fn all<'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr>, scope: &Scope) -> Result<Found> {
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

    fn function(&mut self, function: &Function, scope: &Scope) -> Result<Found> {
        let name = function.name.to_string().to_lowercase();
        let Some((kind, fewest, most)) = functions::known(&name) else {
            return Err(functions::unknown(&name));
        };
        if !function.within_group.is_empty() || function.null_treatment.is_some() {
            return Err(refused("WITHIN GROUP and IGNORE NULLS are not there", "filter in a subquery first"));
        }
        let upper = name.to_uppercase();
        let FunctionArguments::List(list) = &function.args else {
            return Err(refused(format_args!("{upper} has no brackets"), format_args!("write {upper}(...)")));
        };
        if !list.clauses.is_empty() {
            return Err(refused(format_args!("`{function}` holds a clause"), "filter and sort in a subquery"));
        }
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) && name != "count" {
            return Err(refused(
                format_args!("{upper}(DISTINCT ...) is not there"),
                "SELECT DISTINCT in a subquery first",
            ));
        }
        if !(fewest..=most).contains(&list.args.len()) {
            let needed = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
            return Err(refused(
                format_args!("{upper} is given {} arguments", list.args.len()),
                format_args!("give it {needed}"),
            ));
        }
        let mut found = Found::default();
        for (index, argument) in list.args.iter().enumerate() {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    if index > 0 && functions::needs_constants(&name) {
                        constant(expr)?;
                    }
                    if index > 0 && matches!(name.as_str(), "substr" | "left" | "lag" | "lead" | "round") {
                        whole(expr, if name == "substr" && index == 1 { 1 } else { 0 })?;
                    }
                    let argument = self.expression(expr, scope)?;
                    if index == 0 && name == "if" {
                        found = Found { boolean: false, ..truth(expr, argument)? };
                    } else {
                        found = found.and(argument);
                    }
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {}
                other => {
                    return Err(refused(
                        format_args!("{upper}({other}) is not there"),
                        "give it a column or an expression",
                    ));
                }
            }
        }
        if kind != Kind::Row && !found.columns && !found.aggregates && !list.args.is_empty() && !is_star(&list.args) {
            return Err(refused(
                format_args!("`{function}` looks at no column"),
                "write COUNT(*), and multiply; or take it over a column",
            ));
        }
        if let Some(filter) = &function.filter {
            if kind != Kind::Aggregate || function.over.is_some() {
                return Err(refused("FILTER belongs to an aggregate without OVER", "use CASE WHEN ... THEN x END"));
            }
            let asked = truth(filter, self.expression(filter, scope)?)?;
            if !asked.columns {
                return Err(refused("FILTER asks no column", "leave it out, or compare a column"));
            }
            found = Found { boolean: found.boolean, ..found.and(asked) };
        }
        let takes_truth =
            matches!(name.as_str(), "coalesce" | "ifnull" | "nullif" | "if" | "min" | "max" | "count" | "lag" | "lead");
        if found.boolean && !takes_truth {
            return Err(refused(
                format_args!("{upper} is given something true or false"),
                "count it by COUNT(*) FILTER (WHERE x), or write CASE WHEN x THEN 1 ELSE 0 END",
            ));
        }
        let boolean = (found.boolean && name != "count") || matches!(name.as_str(), "starts_with" | "ends_with");
        if kind == Kind::Row {
            return match function.over {
                None => Ok(Found { boolean, ..found }),
                Some(_) => Err(refused(format_args!("{upper} takes no OVER"), "leave OVER out")),
            };
        }
        if found.aggregates || found.windows {
            return Err(refused(
                format_args!("`{function}` has an aggregate inside of another"),
                "compute the inner one in a subquery",
            ));
        }
        match &function.over {
            Some(WindowType::WindowSpec(spec)) => {
                self.window(&name, spec, scope)?;
                Ok(Found { windows: true, boolean, ..Found::default() })
            }
            Some(WindowType::NamedWindow(_)) => {
                Err(refused("OVER names a window", "write it out: OVER (PARTITION BY ... ORDER BY ...)"))
            }
            None if kind == Kind::Window => Err(refused(
                format_args!("{upper} needs OVER"),
                format_args!("write {upper}(...) OVER (PARTITION BY ... ORDER BY ...)"),
            )),
            None => Ok(Found { aggregates: true, boolean, ..Found::default() }),
        }
    }

    fn window(&mut self, function: &str, spec: &WindowSpec, scope: &Scope) -> Result<()> {
        let upper = function.to_uppercase();
        let found = self.all(&spec.partition_by, scope)?;
        if found.aggregates || found.windows || spec.window_name.is_some() {
            return Err(refused("PARTITION BY takes plain columns", "compute them in a subquery first"));
        }
        for order in &spec.order_by {
            let is_column = matches!(order.expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            self.expression(&order.expr, scope)?;
            if !is_column || order.options.nulls_first.is_some() {
                return Err(refused(
                    format_args!("`ORDER BY {order}` inside OVER would not be followed"),
                    "order by a plain column, without NULLS FIRST or LAST; filter the unknown in a subquery first",
                ));
            }
        }
        let running = matches!(function, "sum" | "min" | "max" | "count");
        match (spec.order_by.is_empty(), &spec.window_frame) {
            (true, None) if function == "row_number" || function == "lag" || function == "lead" => Err(refused(
                format_args!("{upper} OVER without ORDER BY follows no order"),
                "write OVER (PARTITION BY stationcode ORDER BY duedate)",
            )),
            (true, None) if spec.partition_by.is_empty() => Err(refused(
                format_args!("{upper} OVER () would give one row"),
                "name it by WITH m AS (SELECT ... AS x FROM ...) and CROSS JOIN m",
            )),
            (true, None) => Ok(()),
            (false, None) if matches!(function, "row_number" | "lag" | "lead") => Ok(()),
            (false, Some(frame)) if running && is_running(frame) => Ok(()),
            _ if running => Err(refused(
                format_args!("{upper} OVER (ORDER BY ...) would not be what SQL means by it"),
                "write ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW after the ORDER BY, the one frame there is; or leave ORDER BY out",
            )),
            _ => Err(refused(
                format_args!(
                    "{upper} OVER (ORDER BY ...) would give the value of the whole partition, the future included"
                ),
                "divide SUM by COUNT, both OVER (... ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW); or leave ORDER BY out",
            )),
        }
    }
}

fn is_running(frame: &WindowFrame) -> bool {
    frame.units == WindowFrameUnits::Rows
        && frame.start_bound == WindowFrameBound::Preceding(None)
        && matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow))
}

/// What is asked for must be true or false: polars takes numbers for bits.
pub(super) fn truth(expr: &Expr, found: Found) -> Result<Found> {
    match found.boolean {
        true => Ok(found),
        false => Err(refused(format_args!("`{expr}` is neither true nor false"), "compare it: x > 0, x IS NOT NULL")),
    }
}

/// What is reckoned with must not be true or false.
fn number(expr: &Expr, found: Found) -> Result<Found> {
    match found.boolean {
        false => Ok(found),
        true => Err(refused(
            format_args!("`{expr}` is true or false, and no number"),
            "write CASE WHEN x THEN 1 ELSE 0 END",
        )),
    }
}

fn literal(value: &Value) -> Result<Found> {
    match value {
        Value::Boolean(_) => Ok(Found::default().boolean()),
        Value::Number(number, _) if number.len() > 15 => {
            Err(refused(format_args!("{number} is too long a number"), "15 digits are exact"))
        }
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Null => Ok(Found::default()),
        other => {
            Err(refused(format_args!("`{other}` is not a value here"), "write a number, a 'text', TRUE, FALSE or NULL"))
        }
    }
}

/// Refuses what is no literal, where polars takes nothing else or would get it wrong.
pub(super) fn constant(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Value(value) => literal(&value.value).map(drop),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(**expr, Expr::Value(_)) => Ok(()),
        other => Err(refused(format_args!("`{other}` must be a number or a 'text'"), "write the value itself")),
    }
}

/// Refuses what is no whole number from `least`.
fn whole(expr: &Expr, least: u32) -> Result<()> {
    let number = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<u32>().ok(),
            _ => None,
        },
        _ => None,
    };
    match number.is_some_and(|number| number >= least) {
        true => Ok(()),
        false => Err(refused(
            format_args!("`{expr}` must be a whole number"),
            format_args!("write one from {least}, and CASE for what depends on a column"),
        )),
    }
}

/// Refuses intervals other than `'2 hours'`, `'1 day 30 minutes'`: polars takes any letters for a unit, or panics.
fn interval(expr: &Expr) -> Result<()> {
    const UNITS: [&str; 10] =
        ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks"];
    let text = match expr {
        Expr::Interval(interval) if interval.leading_field.is_none() => match interval.value.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(text),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    let words: Vec<_> = text.map(|text| text.split_whitespace().collect()).unwrap_or_default();
    let is_right = words.chunks(2).all(|pair| {
        matches!(pair, [count, unit] if count.parse::<u16>().is_ok() && count.bytes().all(|c| c.is_ascii_digit()) && UNITS.contains(unit))
    });
    match is_right && !words.is_empty() {
        true => Ok(()),
        false => Err(refused(
            format_args!("`{expr}` is no length of time"),
            "write INTERVAL '2 hours', in whole seconds, minutes, hours, days or weeks",
        )),
    }
}

fn is_star(arguments: &[FunctionArg]) -> bool {
    matches!(arguments, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}

fn literal_is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

/// Whether a divisor cannot be zero: it stands there, or `NULLIF` sees to it.
fn never_zero(expr: &Expr) -> bool {
    let is_zero = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse::<f64>().ok().map(|number| number == 0.0),
            _ => None,
        },
        _ => None,
    };
    match expr {
        Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => never_zero(inner),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("nullif") => match &function.args {
            FunctionArguments::List(list) => matches!(
                list.args.as_slice(),
                [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(second))] if is_zero(second) == Some(true)
            ),
            _ => false,
        },
        other => is_zero(other) == Some(false),
    }
}

fn cast_to(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::BigInt(None)
        | DataType::Int(None)
        | DataType::Integer(None)
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::Varchar(None)
        | DataType::Text
        | DataType::Date
        | DataType::Boolean => Ok(()),
        other => Err(refused(
            format_args!("CAST to {other} is not there"),
            "cast to BIGINT, DOUBLE, VARCHAR, DATE or BOOLEAN",
        )),
    }
}

fn extracted(field: &DateTimeField) -> Result<()> {
    match field {
        DateTimeField::Year
        | DateTimeField::Quarter
        | DateTimeField::Month
        | DateTimeField::Day
        | DateTimeField::Hour
        | DateTimeField::Minute
        | DateTimeField::Second
        | DateTimeField::Dow
        | DateTimeField::Isodow
        | DateTimeField::Doy
        | DateTimeField::Week(None) => Ok(()),
        other => Err(refused(
            format_args!("EXTRACT({other} FROM ...) is not there"),
            "take YEAR, QUARTER, MONTH, DAY, HOUR, MINUTE, SECOND, DOW, ISODOW, DOY or WEEK",
        )),
    }
}
