//! A statement of Postgres' in words that DataFusion knows.
//!
//! Must not know: tables' rows. Invariant: what is rewritten means the same over this catalog.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, SelectItem,
    SetExpr, Statement, Value, VisitMut, VisitorMut,
};

use super::emptiness;

struct Rewriter;

/// Rewrites a statement in place.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Rewriter);
}

fn last_of(name: &ObjectName) -> String {
    let name = name.to_string().replace('"', "").to_lowercase();
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

fn truth(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).into())
}

fn null_text() -> Expr {
    cast(Expr::Value(Value::Null.into()), DataType::Text)
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type,
        array: false,
        format: None,
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments
        .into_iter()
        .map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The text of a literal.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => value.value.clone().into_string(),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => literal(inner),
        _ => None,
    }
}

/// An expression that stands in a list, instead of an array.
fn in_list(left: &Expr, right: &Expr) -> Expr {
    let list: Vec<Expr> = match right {
        Expr::Array(array) => array.elem.clone(),
        Expr::Nested(inner) => return in_list(left, inner),
        Expr::Cast { expr, .. } => return in_list(left, expr),
        Expr::Function(function) if last_of(&function.name) == "current_schemas" => {
            vec![text("pg_catalog"), text("public")]
        }
        other => match literal(other) {
            Some(array) => array
                .trim_matches(['{', '}'])
                .split(',')
                .map(|item| text(item.trim().trim_matches('"')))
                .collect(),
            // Columns that are arrays are all null here.
            None => return truth(false),
        },
    };
    if list.is_empty() {
        return truth(false);
    }
    Expr::InList {
        expr: Box::new(left.clone()),
        list,
        negated: false,
    }
}

fn binary_operator(said: &str) -> Option<BinaryOperator> {
    Some(match said {
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "=" => BinaryOperator::Eq,
        "<>" => BinaryOperator::NotEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        _ => return None,
    })
}

/// A cast to a type that only Postgres has.
fn casted(expr: &Expr, data_type: &DataType) -> Option<Expr> {
    let name = match data_type {
        DataType::Regclass => "regclass".to_owned(),
        DataType::Custom(name, _) => last_of(name),
        DataType::Array(_) => return Some(expr.clone()),
        _ => return None,
    };
    let is_text = literal(expr).is_some_and(|t| t.parse::<u32>().is_err());
    Some(match name.as_str() {
        "regclass" if is_text => call("to_regclass", vec![expr.clone()]),
        "regclass" => call("regclass_name", vec![expr.clone()]),
        "regproc" if is_text => {
            let name = literal(expr).unwrap_or_default();
            text(name.rsplit('.').next().unwrap_or_default())
        }
        "regtype" if is_text => call("to_regtype", vec![expr.clone()]),
        "regtype" => call(
            "format_type",
            vec![expr.clone(), Expr::Value(Value::Null.into())],
        ),
        "oid" | "xid" | "int8" => cast(expr.clone(), DataType::BigInt(None)),
        "int4" => cast(expr.clone(), DataType::Integer(None)),
        "int2" => cast(expr.clone(), DataType::SmallInt(None)),
        "bool" => cast(expr.clone(), DataType::Boolean),
        "float8" => cast(
            expr.clone(),
            DataType::Double(sqlparser::ast::ExactNumberInfo::None),
        ),
        "name"
        | "char"
        | "text"
        | "varchar"
        | "regproc"
        | "regprocedure"
        | "regnamespace"
        | "regrole"
        | "information_schema.sql_identifier"
        | "json"
        | "jsonb" => cast(expr.clone(), DataType::Text),
        _ => expr.clone(),
    })
}

fn rewritten(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Collate { expr, .. } => Some((**expr).clone()),
        Expr::Cast {
            expr, data_type, ..
        } => casted(expr, data_type),
        Expr::AnyOp {
            left,
            right,
            compare_op: BinaryOperator::Eq,
            ..
        } => Some(in_list(left, right)),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::PGCustomBinaryOperator(said),
            right,
        } => {
            let op = binary_operator(said.last()?)?;
            Some(Expr::BinaryOp {
                left: left.clone(),
                op,
                right: right.clone(),
            })
        }
        Expr::Exists { subquery, negated } if emptiness::is_empty(subquery) => {
            Some(truth(*negated))
        }
        Expr::InSubquery {
            subquery, negated, ..
        } if emptiness::is_empty(subquery) => Some(truth(*negated)),
        Expr::Subquery(query) => {
            if emptiness::is_empty(query) {
                return Some(null_text());
            }
            let mut query = query.clone();
            let SetExpr::Select(select) = query.body.as_mut() else {
                return None;
            };
            // One row, as Postgres would demand of it.
            let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
                select.projection.as_mut_slice()
            else {
                return None;
            };
            if matches!(item, Expr::Function(f) if AGGREGATES.contains(&last_of(&f.name).as_str()))
            {
                return None;
            }
            *item = call("max", vec![item.clone()]);
            query.order_by = None;
            query.limit_clause = None;
            Some(Expr::Subquery(query))
        }
        Expr::Function(function) if last_of(&function.name) == "array" => Some(null_text()),
        Expr::Array(_) => Some(null_text()),
        Expr::CompoundFieldAccess { .. } => Some(null_text()),
        Expr::Function(function) if is_length(function) => Some(Expr::Value(
            Value::Number(SCHEMAS.to_string(), false).into(),
        )),
        Expr::Identifier(name) if name.quote_style.is_none() && is_bare_function(&name.value) => {
            Some(call(&name.value.to_lowercase(), Vec::new()))
        }
        _ => None,
    }
}

/// Functions that make one row of many.
const AGGREGATES: &[&str] = &[
    "max",
    "min",
    "count",
    "sum",
    "array_agg",
    "string_agg",
    "bool_or",
    "bool_and",
];

/// Schemas that a name without one is looked for in.
const SCHEMAS: usize = 2;

/// Whether a function counts these schemas.
fn is_length(function: &Function) -> bool {
    let counts = matches!(
        last_of(&function.name).as_str(),
        "array_upper" | "array_length"
    );
    counts && function.args.to_string().contains("current_schemas")
}

fn is_bare_function(name: &str) -> bool {
    [
        "current_schema",
        "current_user",
        "session_user",
        "current_catalog",
        "current_role",
    ]
    .iter()
    .any(|f| name.eq_ignore_ascii_case(f))
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // Before the elements of an array are looked at: the array itself becomes nothing.
        if let Expr::AnyOp { .. } = expr
            && let Some(new) = rewritten(expr)
        {
            *expr = new;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let last = function.name.0.last().cloned();
            if let Some(last) = last
                && function.name.0.len() > 1
            {
                function.name = ObjectName(vec![last]);
            }
            if matches!(function.args, FunctionArguments::None) {
                *expr = call(&last_of(&function.name), Vec::new());
            }
        }
        if let Some(new) = rewritten(expr) {
            *expr = new;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        // The database in front.
        while relation.0.len() > 2 {
            relation.0.remove(0);
        }
        for part in &mut relation.0 {
            if let ObjectNamePart::Identifier(name) = part {
                name.value = name.value.to_lowercase();
            }
        }
        ControlFlow::Continue(())
    }
}

/// Gives the columns of the answer names that are all different; back come those that the client sees, where they are known.
pub(super) fn with_own_names(statement: &mut Statement) -> Option<Vec<String>> {
    let Statement::Query(query) = statement else {
        return None;
    };
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    let mut names = Vec::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => names.push(alias.value.clone()),
            SelectItem::UnnamedExpr(expr) => {
                names.push(emptiness::name(expr));
                if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                    let alias = Ident::with_quote('"', format!("column {at}"));
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias,
                    };
                }
            }
            _ => return None,
        }
    }
    Some(names)
}
