//! What is selected, grouped and sorted.

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Select, SelectItem, SelectItemQualifiedWildcardKind, Value,
    WildcardAdditionalOptions,
};

use super::clauses::no_aggregate;
use super::expression::Found;
use super::from::one_part;
use super::scope::{Scope, ScopeColumn, ScopeTable};
use super::values::truth;
use super::{Checker, refused};
use crate::error::Result;

impl Checker {
    pub(super) fn items(&mut self, select: &Select, scope: &Scope) -> Result<Vec<Item>> {
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
    pub(super) fn keys(&mut self, select: &Select, scope: &Scope, items: &[Item]) -> Result<Option<Vec<Expr>>> {
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

    pub(super) fn groups(
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
    pub(super) fn order(
        &mut self,
        order_by: Option<&OrderBy>,
        scope: &Scope,
        items: &[Item],
        selected: bool,
    ) -> Result<()> {
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
pub(super) struct Item {
    pub(super) name: String,
    /// None for one of `*`.
    expr: Option<Expr>,
    pub(super) found: Found,
    pub(super) is_named: bool,
}

impl Item {
    fn column(column: &ScopeColumn) -> Self {
        Self { name: column.name.clone(), expr: None, found: Found::column(column), is_named: false }
    }

    pub(super) fn as_column(&self) -> ScopeColumn {
        ScopeColumn { name: self.name.clone(), is_boolean: self.found.boolean }
    }
}

fn plain(options: &WildcardAdditionalOptions) -> Result<()> {
    match *options == WildcardAdditionalOptions::default() {
        true => Ok(()),
        false => Err(refused(format_args!("`*{options}` is more than *"), "name the columns")),
    }
}
