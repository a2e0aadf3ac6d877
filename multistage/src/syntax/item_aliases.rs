//! Aliases of a SELECT list within the list: an item may use another's wherever no column has that name.
//!
//! Must not know: types. Invariant: columns go before aliases; an alias that needs itself is left, to be refused as unknown.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, VisitMut,
    visit_expressions_mut,
};
use functions::canonical_name;
use sql::parse::takes_unit;

use crate::error::MultiStageError;

/// So many aliases are written out in one list: each may name two others.
const MOST: usize = 1000;

/// Writes out the aliases that items of a list use.
///
/// # Errors
/// Where an item is nothing but another's alias, which Pinot's planner holds to be ambiguous.
pub(super) fn written_out(
    select: &mut Select,
    is_column: &dyn Fn(&str) -> bool,
) -> Result<(), MultiStageError> {
    let aliased = |item: &SelectItem| matches!(item, SelectItem::ExprWithAlias { alias, .. } if !is_column(&alias.value));
    if !select.projection.iter().any(aliased) {
        return Ok(());
    }
    each_item(select, |expr| mark_units(expr, None, Some(UNIT)));
    let aliases = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if aliased(item) => {
            Some((alias.value.to_lowercase(), expr.clone()))
        }
        _ => None,
    });
    let mut list = List {
        aliases: aliases.collect(),
        left: MOST,
    };
    let mut items = select.projection.iter_mut();
    let written = items.try_for_each(|item| list.item(item));
    each_item(select, |expr| mark_units(expr, Some(UNIT), None));
    written
}

fn each_item(select: &mut Select, change: impl Fn(&mut Expr)) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            change(expr);
        }
    }
}

/// What a unit is quoted with; no name is in this dialect.
const UNIT: char = '[';

/// The unit of `TIMESTAMPADD(DAY, ..)` is no name: it is quoted otherwise while aliases are written out.
fn mark_units(expr: &mut Expr, from: Option<char>, to: Option<char>) {
    let _ = visit_expressions_mut(expr, |inner| {
        if let Expr::Function(function) = inner
            && takes_unit(&canonical_name(&function.name.to_string()))
            && let FunctionArguments::List(list) = &mut function.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(unit)))) =
                list.args.first_mut()
            && unit.quote_style == from
        {
            unit.quote_style = to;
        }
        ControlFlow::<()>::Continue(())
    });
}

struct List {
    /// By names in lower case.
    aliases: HashMap<String, Expr>,
    /// How many more are written out.
    left: usize,
}

impl List {
    fn find(&self, ident: &Ident) -> Option<(String, &Expr)> {
        let name = ident.value.to_lowercase();
        let expr = self.aliases.get(&name)?;
        (ident.quote_style != Some(UNIT)).then_some((name, expr))
    }

    fn item(&mut self, item: &mut SelectItem) -> Result<(), MultiStageError> {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) if self.find(ident).is_some() => Err(
                MultiStageError::invalid(format!("Column '{}' is ambiguous", ident.value)),
            ),
            SelectItem::UnnamedExpr(expr) => self.write_out(expr, &mut Vec::new()),
            SelectItem::ExprWithAlias { expr, alias } => {
                self.write_out(expr, &mut vec![alias.value.to_lowercase()])
            }
            _ => Ok(()),
        }
    }

    /// `within` are the aliases that are being written out.
    fn write_out(
        &mut self,
        expr: &mut impl VisitMut,
        within: &mut Vec<String>,
    ) -> Result<(), MultiStageError> {
        let visited = visit_expressions_mut(expr, |inner| {
            let Expr::Identifier(ident) = &*inner else {
                return ControlFlow::Continue(());
            };
            let Some((name, meant)) = self.find(ident) else {
                return ControlFlow::Continue(());
            };
            if within.contains(&name) {
                return ControlFlow::Continue(());
            }
            let mut meant = meant.clone();
            let Some(left) = self.left.checked_sub(1) else {
                return ControlFlow::Break(MultiStageError::invalid(format!(
                    "the aliases of a SELECT list use each other more than {MOST} times"
                )));
            };
            self.left = left;
            within.push(name);
            let written = self.write_out(&mut meant, within);
            within.pop();
            if let Err(error) = written {
                return ControlFlow::Break(error);
            }
            *inner = Expr::Nested(Box::new(meant));
            ControlFlow::Continue(())
        });
        match visited {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}
