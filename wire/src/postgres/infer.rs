//! Types of parameters that a client leaves open, by what they are compared with.
//!
//! Must not know: values. Invariant: a parameter that nothing tells about is text.

use std::collections::HashMap;
use std::ops::ControlFlow;

use common::ColumnType;
use sqlparser::ast::{
    DataType, Expr, LimitClause, Query, SetExpr, Statement, Value, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::kind::{Base, Kind};
use crate::source::Table;

struct Told<'a> {
    columns: HashMap<String, ColumnType>,
    kinds: &'a mut [Option<Kind>],
}

/// The kinds of so many parameters, where the text tells.
pub(crate) fn kinds(sql: &str, count: usize, tables: &[Table]) -> Vec<Option<Kind>> {
    let mut kinds = vec![None; count];
    let Ok(statements) = Parser::parse_sql(&PostgreSqlDialect {}, sql) else {
        return kinds;
    };
    let mut named = Vec::new();
    let _ = sqlparser::ast::visit_relations(&statements, |relation| {
        named.push(relation.to_string().replace(['"', '`'], "").to_lowercase());
        ControlFlow::<()>::Continue(())
    });
    let mut columns = HashMap::new();
    for table in tables {
        let name = table.name.to_lowercase();
        if named
            .iter()
            .any(|n| *n == name || n.rsplit('.').next() == Some(&name))
        {
            for (_, field) in &table.schema.fields {
                columns.insert(field.name.to_lowercase(), field.column_type());
            }
        }
    }
    let mut told = Told {
        columns,
        kinds: &mut kinds,
    };
    statements
        .iter()
        .for_each(|statement| told.inserted(statement, tables));
    let _ = statements.visit(&mut told);
    kinds
}

/// The number of a parameter, from 0.
fn place(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Placeholder(mark) => mark
                .strip_prefix('$')?
                .parse::<usize>()
                .ok()?
                .checked_sub(1),
            _ => None,
        },
        Expr::Nested(inner) => place(inner),
        _ => None,
    }
}

impl Told<'_> {
    /// Values take the types of the columns that they are for.
    fn inserted(&mut self, statement: &Statement, tables: &[Table]) {
        let Statement::Insert(insert) = statement else {
            return;
        };
        let Some(SetExpr::Values(values)) = insert.source.as_deref().map(|q| q.body.as_ref())
        else {
            return;
        };
        let written = insert
            .columns
            .iter()
            .map(|name| name.to_string().replace('"', ""));
        let mut columns: Vec<String> = written.collect();
        if columns.is_empty() {
            let name = insert.table.to_string().replace('"', "").to_lowercase();
            let plain = name.rsplit('.').next().unwrap_or_default();
            let table = tables
                .iter()
                .find(|t| t.plain_name().eq_ignore_ascii_case(plain));
            let fields = table.into_iter().flat_map(|t| &t.schema.fields);
            columns = fields.map(|(_, field)| field.name.clone()).collect();
        }
        let told = columns.iter().map(|name| {
            let found = self.columns.get(&name.to_lowercase());
            found.map(|column| Kind::from(*column))
        });
        let told: Vec<Option<Kind>> = told.collect();
        for row in &values.rows {
            for (expr, kind) in row.iter().zip(&told) {
                self.tell(expr, *kind);
            }
        }
    }

    fn tell(&mut self, expr: &Expr, kind: Option<Kind>) {
        let Some(slot) = place(expr).and_then(|at| self.kinds.get_mut(at)) else {
            return;
        };
        if slot.is_none() {
            *slot = kind;
        }
    }

    /// The type of the other side of a comparison.
    fn kind_of(&self, expr: &Expr) -> Option<Kind> {
        let column = |name: &str| {
            let found = self.columns.get(&name.to_lowercase())?;
            // A multi-value is compared by its elements.
            Some(Kind::of(Kind::from(*found).base))
        };
        match expr {
            Expr::Identifier(name) => column(&name.value),
            Expr::CompoundIdentifier(parts) => column(&parts.last()?.value),
            Expr::Nested(inner) => self.kind_of(inner),
            Expr::Cast { data_type, .. } => cast_kind(data_type),
            Expr::BinaryOp { left, right, .. } => {
                self.kind_of(left).or_else(|| self.kind_of(right))
            }
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) if text.contains(['.', 'e', 'E']) => {
                    Some(Kind::of(Base::Float8))
                }
                Value::Number(..) => Some(Kind::of(Base::Int8)),
                Value::Boolean(_) => Some(Kind::of(Base::Bool)),
                _ => None,
            },
            Expr::Function(function) => match function.name.to_string().to_uppercase().as_str() {
                "COUNT" | "LENGTH" | "YEAR" | "MONTH" | "DAY" | "HOUR" => {
                    Some(Kind::of(Base::Int8))
                }
                "SUM" | "AVG" | "ABS" | "ROUND" => Some(Kind::of(Base::Float8)),
                _ => None,
            },
            _ => None,
        }
    }
}

fn cast_kind(data_type: &DataType) -> Option<Kind> {
    let name = data_type.to_string().to_uppercase();
    let name = name.split(['(', ' ']).next().unwrap_or_default();
    Some(Kind::of(match name {
        "BOOL" | "BOOLEAN" => Base::Bool,
        "SMALLINT" | "INT2" => Base::Int2,
        "INT" | "INTEGER" | "INT4" => Base::Int4,
        "BIGINT" | "LONG" | "INT8" => Base::Int8,
        "REAL" | "FLOAT" | "FLOAT4" => Base::Float4,
        "DOUBLE" | "FLOAT8" => Base::Float8,
        "NUMERIC" | "DECIMAL" | "BIG_DECIMAL" => Base::Numeric,
        "TIMESTAMP" => Base::Timestamp,
        "TEXT" | "VARCHAR" | "CHAR" | "STRING" => Base::Text,
        _ => return None,
    }))
}

impl Visitor for Told<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            let whole = Some(Kind::of(Base::Int8));
            if let Some(limit) = limit {
                self.tell(limit, whole);
            }
            if let Some(offset) = offset {
                self.tell(&offset.value, whole);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, right, .. } => {
                let (of_left, of_right) = (self.kind_of(left), self.kind_of(right));
                self.tell(left, of_right);
                self.tell(right, of_left);
            }
            Expr::Between {
                expr, low, high, ..
            } => {
                let kind = self.kind_of(expr);
                self.tell(low, kind);
                self.tell(high, kind);
            }
            Expr::InList { expr, list, .. } => {
                let kind = self.kind_of(expr);
                list.iter().for_each(|item| self.tell(item, kind));
            }
            Expr::Cast {
                expr, data_type, ..
            } => self.tell(expr, cast_kind(data_type)),
            Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. } => {
                let array = |kind: Kind| Kind {
                    array: true,
                    ..kind
                };
                let kind = self.kind_of(left).map(array);
                self.tell(right, kind);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::Schema;

    use super::{Base, Kind, kinds};
    use crate::source::Table;

    #[test]
    fn columns_tell_about_parameters() -> Result<(), Box<dyn std::error::Error>> {
        let schema: Schema = serde_json::from_str(
            r#"{"schemaName":"t","dimensionFieldSpecs":[{"name":"city","dataType":"STRING"},{"name":"n","dataType":"INT"}],
                "metricFieldSpecs":[{"name":"price","dataType":"DOUBLE"}]}"#,
        )?;
        let tables = [Table {
            name: "t".to_owned(),
            schema: Arc::new(schema),
        }];
        let sql = "SELECT $6, SUM(price) FROM public.t WHERE N = $1 AND city IN ($2) AND t.price BETWEEN $3 AND 5 AND $4::int = 3 \
                   LIMIT $5";
        let found = kinds(sql, 6, &tables);
        let of = |base| Some(Kind::of(base));
        assert_eq!(
            found,
            [
                of(Base::Int4),
                of(Base::Text),
                of(Base::Float8),
                of(Base::Int4),
                of(Base::Int8),
                None
            ]
        );
        assert_eq!(kinds("not sql $1", 1, &tables), [None]);
        Ok(())
    }
}
