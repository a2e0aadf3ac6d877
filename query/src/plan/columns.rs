//! The columns of a plan: names found in the schema, virtual columns, `*` spelled out.
//!
//! Must not know: segments. Invariant: a column has one position in a plan, however often and in whatever case it is named.

use common::schema::default_null_value;
use common::{ColumnType, DataType, ErrorCode, FieldRole, QueryException, Schema, Value};
use functions::scalar::Role;
use sql::{Expr, Query};

use super::refusals;
use super::{PlanColumn, timestamps};
use crate::QueryError;
use crate::expr::BoundExpr;

/// Binds names to columns, each to one position.
pub(crate) struct Binder<'a> {
    pub(super) schema: &'a Schema,
    pub(super) columns: Vec<PlanColumn>,
    /// False where the multi-stage engine asks, which knows types better.
    pub(super) single_stage: bool,
}

impl Binder<'_> {
    fn column(&mut self, name: &str) -> Result<(usize, ColumnType), QueryError> {
        if let Some(index) = self
            .columns
            .iter()
            .position(|c| c.name.eq_ignore_ascii_case(name))
        {
            return Ok((index, self.columns[index].column_type));
        }
        let column = self.find(name)?;
        let column_type = column.column_type;
        self.columns.push(column);
        Ok((self.columns.len() - 1, column_type))
    }

    fn find(&self, name: &str) -> Result<PlanColumn, QueryError> {
        if let Some((canonical, column_type)) = virtual_column(name) {
            return Ok(PlanColumn {
                name: canonical.to_owned(),
                column_type,
                default: Value::Null,
                by_json_index: false,
            });
        }
        let field = self
            .schema
            .field_ignoring_case(name)
            .ok_or_else(|| unknown_column(name))?;
        let role = self
            .schema
            .field_with_role(&field.name)
            .map_or(FieldRole::Dimension, |(role, _)| role);
        let value = field
            .null_value(role)
            .unwrap_or_else(|_| default_null_value(field.data_type, role));
        let column_type = field.column_type();
        let default = if column_type.multi {
            Value::Array(field.data_type, vec![value])
        } else {
            value
        };
        Ok(PlanColumn {
            name: field.name.clone(),
            column_type,
            default,
            by_json_index: false,
        })
    }

    /// Notes the columns whose JSON index a call reads.
    fn note_json_indexes(&mut self, expr: &BoundExpr) {
        let BoundExpr::Call { function, args } = expr else {
            return;
        };
        args.iter().for_each(|arg| self.note_json_indexes(arg));
        let by_index = function.function().names.contains(&"jsonextractindex");
        let column = args.first().and_then(BoundExpr::as_column);
        if let (true, Some(column)) = (by_index, column.and_then(|at| self.columns.get_mut(at))) {
            column.by_json_index = true;
        }
    }

    pub(super) fn bind(&mut self, expr: &Expr, role: Role) -> Result<BoundExpr, QueryError> {
        let bound = BoundExpr::bind(expr, role, &mut |name| self.column(name));
        if let Ok(bound) = &bound {
            self.note_json_indexes(bound);
        }
        if !self.single_stage {
            return bound;
        }
        let bound = bound.map_err(refusals::of_binding)?;
        refusals::check(&bound)?;
        Ok(bound)
    }
}

fn unknown_column(name: &str) -> QueryError {
    if name.starts_with('$') {
        // Such names are not looked up before servers do.
        return QueryError::execution(format!("Failed to find column: {name}"));
    }
    QueryError::Exception(QueryException::new(
        ErrorCode::UnknownColumn,
        format!("Unknown columnName '{name}' found in the query"),
    ))
}

fn virtual_column(name: &str) -> Option<(&'static str, ColumnType)> {
    match name.to_ascii_lowercase().as_str() {
        "$docid" => Some(("$docId", DataType::Int.into())),
        "$segmentname" => Some(("$segmentName", DataType::String.into())),
        "$hostname" => Some(("$hostName", DataType::String.into())),
        _ => None,
    }
}

/// Puts the schema's spelling into every column of a query and spells `*` out.
///
/// # Errors
/// For a column that the schema does not have.
pub fn resolve(mut query: Query, schema: &Schema) -> Result<Query, QueryError> {
    let spelled = |name: &str| -> Result<String, QueryError> {
        if let Some((canonical, _)) = virtual_column(name) {
            return Ok(canonical.to_owned());
        }
        schema
            .field_ignoring_case(name)
            .map(|f| f.name.clone())
            .ok_or_else(|| unknown_column(name))
    };
    let mut fix = |expr: Expr| -> Result<Expr, QueryError> {
        expr.try_rewrite(&mut |e| match e {
            Expr::Column(name) => Ok(Expr::Column(spelled(&name)?)),
            other => Ok(other),
        })
    };
    let mut select = Vec::with_capacity(query.select.len());
    for mut item in query.select {
        if item.expr == Expr::Star {
            let mut names: Vec<&str> = schema.fields.iter().map(|(_, f)| f.name.as_str()).collect();
            names.retain(|name| !name.starts_with('$'));
            names.sort_unstable();
            select.extend(names.into_iter().map(|n| sql::SelectItem {
                expr: Expr::Column(n.to_owned()),
                alias: None,
            }));
        } else {
            item.expr = fix(item.expr)?;
            select.push(item);
        }
    }
    query.select = select;
    query.filter = query.filter.map(|f| f.try_map(&mut fix)).transpose()?;
    query.having = query.having.map(|f| f.try_map(&mut fix)).transpose()?;
    query.group_by = query
        .group_by
        .into_iter()
        .map(&mut fix)
        .collect::<Result<_, _>>()?;
    for order in &mut query.order_by {
        order.expr = fix(order.expr.clone())?;
    }
    Ok(timestamps::rewrite(query, schema))
}

/// `COUNT(column)` of a multi-value column counts its values: it is COUNTMV.
pub(super) fn multi_value_counts(mut query: Query, schema: &Schema) -> Query {
    let multi = |arg: &Expr| match arg {
        Expr::Column(name) => schema
            .field_ignoring_case(name)
            .is_some_and(|field| field.column_type().multi),
        _ => false,
    };
    let mut replace = |expr: Expr| {
        let nested = !expr.is_aggregation();
        expr.rewrite(&mut |e| match e {
            Expr::Call(call)
                if nested && call.name == "distinctcount" && call.args.iter().any(multi) =>
            {
                Expr::call("distinctcountmv", call.args)
            }
            Expr::Call(call) if call.name == "count" && call.args.iter().any(multi) => {
                Expr::call("countmv", call.args)
            }
            other => other,
        })
    };
    for item in &mut query.select {
        item.expr = replace(std::mem::replace(&mut item.expr, Expr::Star));
    }
    for order in &mut query.order_by {
        order.expr = replace(std::mem::replace(&mut order.expr, Expr::Star));
    }
    query.having = query.having.map(|having| having.map(&mut replace));
    query
}
