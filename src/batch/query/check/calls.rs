//! Calls of functions, of aggregates among them, and windows.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};

use super::expression::Found;
use super::functions::{self, Kind};
use super::scope::Scope;
use super::values::{constant, truth, whole};
use super::{Checker, refused};
use crate::error::Result;

impl Checker {
    pub(super) fn function(&mut self, function: &Function, scope: &Scope) -> Result<Found> {
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

fn is_star(arguments: &[FunctionArg]) -> bool {
    matches!(arguments, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}
