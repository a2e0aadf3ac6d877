//! Expressions over keys and aggregations, which are the columns of what is grouped, and their names.
//!
//! Must not know: rows. Invariant: what is no key, no aggregation and no literal is refused.

use common::{ColumnType, DataType, ErrorCode, QueryException};
use functions::scalar::Role;
use sql::expr::FILTERED;
use sql::{Expr, Query, text};

use super::{PlanAggregation, output_type};
use crate::QueryError;
use crate::expr::BoundExpr;

/// Binds expressions over keys and aggregations, which are columns there.
pub(super) struct Over<'a> {
    pub(super) query: &'a Query,
    pub(super) keys: &'a [BoundExpr],
    pub(super) aggregations: &'a [PlanAggregation],
    /// True for a query of the single-stage engine, false for a leaf of the multi-stage one, which has types of its own.
    pub(super) whole: bool,
}

impl Over<'_> {
    pub(super) fn bind(&self, expr: &Expr) -> Result<BoundExpr, QueryError> {
        let slots = expr.clone().rewrite(&mut |e| e);
        let replaced = self.replace(slots);
        BoundExpr::bind(&replaced, Role::Scalar, &mut |name| self.slot(name))
    }

    /// Puts `#3` in the place of the third key or aggregation, outermost first.
    fn replace(&self, expr: Expr) -> Expr {
        if expr.as_literal().is_some() {
            return expr;
        }
        if let Some(index) = self.position(&expr) {
            return Expr::Column(format!("#{index}"));
        }
        match expr {
            Expr::Call(call) => {
                let args = call.args.into_iter().map(|arg| {
                    let arg = self.replace(arg);
                    match self.whole {
                        true => number_of_untyped(&call.name, arg),
                        false => arg,
                    }
                });
                Expr::call(&call.name, args.collect())
            }
            other => other,
        }
    }

    fn position(&self, expr: &Expr) -> Option<usize> {
        self.query
            .group_by
            .iter()
            .position(|key| key == expr)
            .or_else(|| {
                self.aggregations
                    .iter()
                    .position(|a| a.expr == *expr)
                    .map(|i| i + self.keys.len())
            })
    }

    fn slot(&self, name: &str) -> Result<(usize, ColumnType), QueryError> {
        let index: Option<usize> = name.strip_prefix('#').and_then(|n| n.parse().ok());
        let Some(index) = index else {
            return Err(QueryError::Exception(QueryException::new(
                ErrorCode::MergeResponse,
                format!("Failed to find SELECT expression: {name} in the GROUP-BY clause"),
            )));
        };
        let column_type = match self.keys.get(index) {
            // Multi-value keys are taken apart into their elements.
            Some(key) => ColumnType::sv(key.column_type().data_type),
            None => self.aggregations[index - self.keys.len()].returns,
        };
        Ok((index, column_type))
    }

    /// An expression over aggregations, of which those over a multi-value column have the names of functions over arrays.
    fn over_arrays(&self, expr: Expr) -> Expr {
        let own = self.aggregations.iter().find(|a| a.expr == expr);
        let Expr::Call(mut call) = expr else {
            return expr;
        };
        if let Some(aggregation) = own.filter(|_| call.name != FILTERED) {
            let array = format!("{}mv", call.name);
            let column = matches!(call.args.first(), Some(Expr::Column(_)));
            let args: Vec<String> = call.args.iter().map(text::expression).collect();
            let shown = aggregation.function.label(&call.name, &args);
            if column && names_arrays(&call.name) && shown.starts_with(&array) {
                call.name = array;
            }
        } else {
            let parts = std::mem::take(&mut call.args).into_iter();
            call.args = parts.map(|part| self.over_arrays(part)).collect();
        }
        Expr::Call(call)
    }

    /// A result column's name: an aggregation names itself, `COUNT(x)` is `count(*)` where nulls do not count.
    pub(super) fn name(&self, expr: &Expr, null_handling: bool) -> String {
        let Some(aggregation) = self.aggregations.iter().find(|a| a.expr == *expr) else {
            return text::expression(&self.over_arrays(expr.clone()));
        };
        let Expr::Call(call) = expr else {
            return text::expression(expr);
        };
        if call.name == FILTERED {
            return format!(
                "{}{}",
                label(aggregation, &call.args[0], null_handling),
                text::filter_suffix(&call.args[1])
            );
        }
        label(aggregation, expr, null_handling)
    }
}

/// The functions over arrays that an expression names as such; no percentile is among them.
fn names_arrays(name: &str) -> bool {
    !name.starts_with("percentile") && !name.ends_with("mv")
}

fn label(aggregation: &PlanAggregation, expr: &Expr, null_handling: bool) -> String {
    let Expr::Call(call) = expr else {
        return text::expression(expr);
    };
    let of_literal = call.args.iter().all(|arg| arg.as_literal().is_some());
    if call.name == "count" && (!null_handling || of_literal) {
        return "count(*)".to_owned();
    }
    if call.args.iter().any(is_steps) {
        return text::expression(expr);
    }
    let args: Vec<String> = call.args.iter().map(text::expression).collect();
    let shown = aggregation.function.label(&call.name, &args);
    // Only a column is known to be a multi-value when names are given.
    let computed = matches!(call.args.first(), Some(Expr::Call(_)));
    match shown.strip_prefix(&call.name) {
        Some(rest) if computed && !call.name.ends_with("mv") => match rest.strip_prefix("mv") {
            Some(rest) => format!("{}{rest}", call.name),
            None => shown,
        },
        _ => shown,
    }
}

fn is_steps(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(call) if call.name == "steps")
}

/// Functions of which nothing but OBJECT is known: choices between values, and casts.
const UNTYPED: &[&str] = &["case", "cast", "coalesce", "nullif"];

/// The shown type of an expression over aggregations.
pub(super) fn type_over_aggregations(bound: &BoundExpr) -> ColumnType {
    match bound {
        BoundExpr::Call { function, .. }
            if function
                .function()
                .names
                .first()
                .is_some_and(|n| UNTYPED.contains(n)) =>
        {
            DataType::Object.into()
        }
        other => output_type(other),
    }
}

/// Arithmetic over what has no type is of DOUBLEs.
fn number_of_untyped(function: &str, arg: Expr) -> Expr {
    let adds = matches!(function, "plus" | "minus" | "times");
    match &arg {
        Expr::Call(call) if adds && UNTYPED.contains(&call.name.as_str()) => {
            Expr::call("cast", vec![arg, Expr::text("DOUBLE")])
        }
        _ => arg,
    }
}
