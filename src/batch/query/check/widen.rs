//! The statement with 64 bits for every whole number, and SQL's remainder.
//!
//! Polars counts in 32 bits without a sign, gives the hour of a time in 8, and a number that stands in the query in 32: `COUNT(*) -
//! 100`, `EXTRACT(HOUR FROM duedate) * 60` and `SUM(CASE WHEN x THEN 1000000 END)` would go round like a clock. So each of these is
//! cast where it stands. And the remainder of -1 by 2 is 1 to polars, which goes by the divisor's sign, and -1 to SQL.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, UnaryOperator, Value, VisitMut, VisitorMut,
};

/// The same query, widened.
pub(super) fn widen(mut query: Query) -> Query {
    let _ = query.visit(&mut Widen);
    query
}

struct Widen;

impl VisitorMut for Widen {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                number(expr);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type: data_type @ (DataType::Int(None) | DataType::Integer(None)), .. } = expr {
            *data_type = DataType::BigInt(None);
        } else if let Expr::BinaryOp { left, op: BinaryOperator::Modulo, right } = expr {
            *expr = remainder(left, right);
        } else if is_narrow(expr) {
            cast(expr);
        } else {
            numbers_in(expr);
        }
        ControlFlow::Continue(())
    }
}

fn is_narrow(expr: &Expr) -> bool {
    match expr {
        Expr::Extract { .. } => true,
        Expr::Function(function) => {
            matches!(function.name.to_string().to_lowercase().as_str(), "count" | "length" | "row_number")
        }
        _ => false,
    }
}

/// Casts the numbers that stand where they become a column's values.
fn numbers_in(expr: &mut Expr) {
    match expr {
        Expr::Case { conditions, else_result, .. } => {
            conditions.iter_mut().for_each(|when| number(&mut when.result));
            else_result.iter_mut().for_each(|otherwise| number(otherwise));
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let FunctionArguments::List(list) = &mut function.args else { return };
            if matches!(
                name.as_str(),
                "coalesce" | "ifnull" | "if" | "greatest" | "least" | "sum" | "avg" | "min" | "max"
            ) {
                for argument in &mut list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                        number(expr);
                    }
                }
            }
        }
        Expr::BinaryOp { left, right, .. } if is_number(left) && is_number(right) => number(left),
        _ => {}
    }
}

/// `a % b` as `SIGN(a) * (ABS(a) % ABS(b))`.
fn remainder(left: &Expr, right: &Expr) -> Expr {
    let call = |name: &str, of: &Expr| {
        let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(of.clone()));
        let list = FunctionArgumentList { duplicate_treatment: None, args: vec![argument], clauses: vec![] };
        Expr::Function(Function {
            name: ObjectName::from(vec![Ident::new(name)]),
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args: FunctionArguments::List(list),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: vec![],
        })
    };
    let operation = |left: Expr, op: BinaryOperator, right: Expr| {
        Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
    };
    let size = operation(call("ABS", left), BinaryOperator::Modulo, call("ABS", right));
    operation(call("SIGN", left), BinaryOperator::Multiply, size)
}

fn number(expr: &mut Expr) {
    if is_number(expr) {
        cast(expr);
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(&value.value, Value::Number(number, _) if !number.contains('.')),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } | Expr::Nested(expr) => is_number(expr),
        _ => false,
    }
}

fn cast(expr: &mut Expr) {
    let narrow = std::mem::replace(expr, Expr::value(Value::Null));
    *expr = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(narrow),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    };
}
