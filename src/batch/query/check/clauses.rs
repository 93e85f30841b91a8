//! The clauses of a query, each in the scope that it has.

use std::fmt::Display;

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    OrderBy, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, TableAlias, TableFactor, Value, WildcardAdditionalOptions,
};

use super::expression::{Found, truth};
use super::scope::{Scope, ScopeColumn, ScopeTable};
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

    fn from(&mut self, select: &Select) -> Result<Scope> {
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
                return Err(super::functions::unknown(&name.to_string().to_lowercase()));
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
    fn name(&mut self, name: &str, meaning: &str) -> Result<()> {
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

    fn items(&mut self, select: &Select, scope: &Scope) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let found = self.expression(expr, scope)?;
                    let name = match expr {
                        Expr::Identifier(name) => name.value.clone(),
                        Expr::CompoundIdentifier(parts) => {
                            parts.last().map(|name| name.value.clone()).unwrap_or_default()
                        }
                        _ => {
                            return Err(refused(
                                format_args!("`{expr}` has no name"),
                                format_args!("write {expr} AS x"),
                            ));
                        }
                    };
                    items.push(Item { name, expr: Some(expr.clone()), found, is_named: false });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let found = self.expression(expr, scope)?;
                    items.push(Item { name: alias.value.clone(), expr: Some(expr.clone()), found, is_named: true });
                }
                SelectItem::Wildcard(options) => {
                    plain(options)?;
                    if scope.tables.len() > 1 {
                        return Err(refused(
                            "* stands for the columns of several tables",
                            "write TABLE.*, or name the columns",
                        ));
                    }
                    items.extend(scope.tables.iter().flat_map(|table| &table.columns).map(Item::column));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    plain(options)?;
                    let table = scope.table(&one_part(name)?)?;
                    items.extend(table.columns.iter().map(Item::column));
                }
                other => {
                    return Err(refused(format_args!("`{other}` cannot be selected"), "write an expression AS a name"));
                }
            }
        }
        if items.is_empty() {
            return Err(refused("nothing is selected", "write SELECT * or the columns"));
        }
        for (index, item) in items.iter().enumerate() {
            if items[..index].iter().any(|before| before.name == item.name) {
                return Err(refused(
                    format_args!("two columns would be called `{}`", item.name),
                    "give one another name by AS",
                ));
            }
        }
        Ok(items)
    }

    /// What the rows are grouped by, where there is a GROUP BY.
    fn keys(&mut self, select: &Select, scope: &Scope, items: &[Item]) -> Result<Option<Vec<Expr>>> {
        let keys = match &select.group_by {
            GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => keys,
            _ => return Err(refused("GROUP BY ALL, ROLLUP and CUBE are not there", "name what to group by")),
        };
        if keys.is_empty() {
            return Ok(None);
        }
        let mut expressions = Vec::new();
        for key in keys {
            let column = match key {
                Expr::Identifier(name) => Some(&name.value),
                Expr::CompoundIdentifier(parts) => parts.last().map(|name| &name.value),
                Expr::Value(_) => None,
                _ if keys.len() > 1 => {
                    return Err(refused(
                        format_args!("`{key}` is not the only key of GROUP BY, and has no name there"),
                        "select it by a name, and GROUP BY that name",
                    ));
                }
                _ => None,
            };
            if let Some(column) = column.filter(|column| scope.is_renamed(key, column)) {
                return Err(refused(
                    format_args!("GROUP BY {key} would group by the first table's `{column}`"),
                    format_args!("give it a name in a subquery: FROM (SELECT {key} AS x ...) AS t GROUP BY x"),
                ));
            }
            let expression = match key {
                Expr::Identifier(name) if !scope.has(&name.value) => items
                    .iter()
                    .find(|item| item.is_named && item.name == name.value)
                    .and_then(|item| item.expr.clone()),
                Expr::Value(value) => match &value.value {
                    Value::Number(number, _) => number
                        .parse::<usize>()
                        .ok()
                        .and_then(|number| items.get(number.checked_sub(1)?))
                        .and_then(|item| item.expr.clone()),
                    _ => None,
                },
                _ => Some(key.clone()),
            };
            let Some(expression) = expression.or_else(|| matches!(key, Expr::Identifier(_)).then(|| key.clone()))
            else {
                return Err(refused(format_args!("GROUP BY {key} names no selected column"), "write the column"));
            };
            let found = self.expression(&expression, scope)?;
            no_aggregate(found, "GROUP BY", "compute it in a subquery first")?;
            if !found.columns {
                return Err(refused(
                    format_args!("GROUP BY {key} is the same in every row"),
                    "leave it out, or group by a column",
                ));
            }
            expressions.push(expression);
        }
        Ok(Some(expressions))
    }

    fn groups(
        &mut self,
        select: &Select,
        scope: &Scope,
        items: &[Item],
        keys: &[Expr],
        order_by: Option<&OrderBy>,
    ) -> Result<()> {
        for item in items {
            let is_key = item.expr.as_ref().is_some_and(|expr| keys.contains(expr));
            if item.found.windows {
                return Err(refused(
                    format_args!("`{}` looks over groups", item.name),
                    "group in a subquery, and use OVER in the outer query",
                ));
            }
            if item.found.columns && !is_key {
                return Err(refused(
                    format_args!("`{}` is neither grouped by nor inside of an aggregate", item.name),
                    "GROUP BY it, or take its MIN, MAX or AVG",
                ));
            }
            let is_alias_of_column = item.is_named && scope.has(&item.name) && !is_key;
            if is_alias_of_column && !keys.is_empty() {
                return Err(refused(
                    format_args!("`{}` is a column of the table and the name of an aggregate", item.name),
                    "give it another name by AS",
                ));
            }
        }
        if let Some(having) = &select.having {
            if keys.is_empty() {
                return Err(refused("HAVING stands without GROUP BY", "filter in an outer query"));
            }
            let found = truth(having, self.expression(having, scope)?)?;
            if found.columns || found.windows || !found.aggregates {
                return Err(refused(
                    "HAVING compares more than aggregates",
                    "filter columns by WHERE, before they are grouped",
                ));
            }
        }
        let selected = Scope {
            tables: vec![ScopeTable {
                name: "the selected columns".into(),
                columns: items.iter().map(Item::as_column).collect(),
            }],
            ..Scope::default()
        };
        self.order(order_by, &selected, items, true)
    }

    /// `selected`: nothing but selected columns may be ordered by.
    fn order(&mut self, order_by: Option<&OrderBy>, scope: &Scope, items: &[Item], selected: bool) -> Result<()> {
        let Some(order_by) = order_by else { return Ok(()) };
        let OrderByKind::Expressions(orders) = &order_by.kind else {
            return Err(refused("ORDER BY ALL is not there", "name the columns"));
        };
        for order in orders {
            let name = match &order.expr {
                Expr::Identifier(Ident { value, .. }) => Some(value),
                Expr::CompoundIdentifier(parts) => parts.last().map(|part| &part.value),
                Expr::Value(value) => {
                    let number = match &value.value {
                        Value::Number(number, _) => number.parse::<usize>().ok(),
                        _ => None,
                    };
                    if number.is_some_and(|number| (1..=items.len()).contains(&number)) {
                        continue;
                    }
                    return Err(refused(
                        format_args!("ORDER BY {} names no selected column", order.expr),
                        "write the column",
                    ));
                }
                _ => None,
            };
            let is_selected = name.is_some_and(|name| items.iter().any(|item| item.name == *name));
            if selected && !is_selected {
                return Err(refused(
                    format_args!("ORDER BY {} is not selected", order.expr),
                    "select it by a name, and order by that name",
                ));
            }
            if selected {
                continue;
            }
            let found = self.expression(&order.expr, scope)?;
            no_aggregate(found, "ORDER BY", "select it by a name, and order by that name")?;
            // An expression would be computed from the selected column where the two have one name.
            let shadowed = items.iter().find(|item| item.is_named && scope.has(&item.name));
            if let Some(item) = shadowed.filter(|_| name.is_none() || matches!(order.expr, Expr::CompoundIdentifier(_)))
            {
                return Err(refused(
                    format_args!("ORDER BY {} may mean the selected `{}` or the table's", order.expr, item.name),
                    "give the selected one another name by AS",
                ));
            }
        }
        Ok(())
    }
}

/// A selected column.
struct Item {
    name: String,
    /// None for one of `*`.
    expr: Option<Expr>,
    found: Found,
    is_named: bool,
}

impl Item {
    fn column(column: &ScopeColumn) -> Self {
        Self { name: column.name.clone(), expr: None, found: Found::column(column), is_named: false }
    }

    fn as_column(&self) -> ScopeColumn {
        ScopeColumn { name: self.name.clone(), is_boolean: self.found.boolean }
    }
}

fn no_aggregate(found: Found, clause: &str, way_out: &str) -> Result<()> {
    match found.aggregates || found.windows {
        true => Err(refused(format_args!("{clause} holds an aggregate or a window function"), way_out)),
        false => Ok(()),
    }
}

fn no_columns(alias: &TableAlias) -> Result<()> {
    match alias.columns.is_empty() {
        true => Ok(()),
        false => Err(refused(format_args!("`{alias}` names columns"), "name them where they are selected, by AS")),
    }
}

fn plain(options: &WildcardAdditionalOptions) -> Result<()> {
    match *options == WildcardAdditionalOptions::default() {
        true => Ok(()),
        false => Err(refused(format_args!("`*{options}` is more than *"), "name the columns")),
    }
}

fn one_part(name: &ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] => part.as_ident().map(|name| name.value.clone()),
        _ => None,
    }
    .ok_or_else(|| refused(format_args!("`{name}` has more than one part"), "write the name alone"))
}

fn is_count(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if number.parse::<u32>().is_ok()))
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

/// Enough of a clause to know it again.
fn head(clause: &dyn Display) -> String {
    let text = clause.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
