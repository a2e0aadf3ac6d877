//! From a parsed query and a schema to a plan: columns found, expressions bound, literals converted, names and types fixed.
//!
//! Must not know: segments. Invariant: a plan that was made executes on every segment of the table; names and types of the
//! result are known before any row is read.

mod columns;
mod filter;
mod literal;
mod matcher;
mod over;
mod range;
mod refusals;
mod timestamps;

use common::{ColumnType, DataType, Schema, Value};
use functions::FunctionError;
use functions::aggregate::{self, AggregateCall, AggregateFunction, Dialect};
use functions::scalar::{Argument, EvalContext, Role};
use segment::Segment;
use sql::expr::{Call, FILTERED};
use sql::{Expr, Query, text};

use crate::QueryError;
use crate::dimension;
use crate::expr::{BoundExpr, literal_type};

use columns::multi_value_counts;
use over::{Over, type_over_aggregations};

pub(crate) use columns::Binder;
pub use columns::resolve;
use filter::MadeNulls;
pub use filter::{BoundFilter, BoundTest};
pub use matcher::{Literals, Matcher};

/// A column that a plan reads.
#[derive(Debug, Clone)]
pub struct PlanColumn {
    /// Name in the schema.
    pub name: String,
    /// Type.
    pub column_type: ColumnType,
    /// Value where a segment does not have the column.
    pub default: Value,
    /// True where a function reads the column's JSON index.
    pub by_json_index: bool,
}

/// An aggregation of a plan.
pub struct PlanAggregation {
    /// The bound function.
    pub function: Box<dyn AggregateFunction>,
    /// Type of the answers as they are shown.
    pub returns: ColumnType,
    /// Its evaluated arguments.
    pub inputs: Vec<BoundExpr>,
    /// `FILTER (WHERE ..)`.
    pub filter: Option<BoundFilter>,
    /// As the query has it, to find it again in expressions over aggregations.
    pub expr: Expr,
}

/// An ORDER BY key.
#[derive(Debug, Clone)]
pub struct PlanOrder {
    /// Key; over the table's columns for a selection, over the result of [`Shape`] otherwise.
    pub expr: BoundExpr,
    /// Direction.
    pub ascending: bool,
    /// Where nulls go.
    pub nulls_first: bool,
}

/// What a plan computes.
#[allow(clippy::large_enum_variant, reason = "there is one a query")]
pub enum Shape {
    /// Rows.
    Selection {
        /// What is selected.
        outputs: Vec<BoundExpr>,
    },
    /// Distinct rows of these keys.
    Distinct {
        /// Keys, which are what is selected.
        keys: Vec<BoundExpr>,
    },
    /// Aggregations, by keys where there are any.
    Aggregation {
        /// Keys.
        keys: Vec<BoundExpr>,
        /// Aggregations.
        aggregations: Vec<PlanAggregation>,
        /// What is selected, over keys (first) and aggregations (after them) as columns.
        outputs: Vec<BoundExpr>,
        /// HAVING over the same.
        having: Option<BoundFilter>,
    },
}

/// An executable query.
pub struct Plan {
    /// Names of the result's columns.
    pub names: Vec<String>,
    /// Types of the result's columns.
    pub types: Vec<ColumnType>,
    /// Columns that are read.
    pub columns: Vec<PlanColumn>,
    /// WHERE.
    pub filter: BoundFilter,
    /// What is computed.
    pub shape: Shape,
    /// ORDER BY.
    pub order_by: Vec<PlanOrder>,
    /// LIMIT.
    pub limit: usize,
    /// OFFSET.
    pub offset: usize,
    /// `enableNullHandling`.
    pub null_handling: bool,
    /// The engine that asks: a leaf of the multi-stage engine has its types.
    pub dialect: Dialect,
    /// `skipUpsert`: rows count that a newer row of their key replaced.
    pub skip_upsert: bool,
    /// Groups that a query may have.
    pub group_limit: usize,
    /// The query's time.
    pub context: EvalContext,
    /// False with the option `useStarTree=false`.
    pub use_star_tree: bool,
    /// EXPLAIN.
    pub explain: bool,
    /// True with a LOOKUP: whoever executes says in the context where dimension tables are.
    pub reads_dimensions: bool,
    /// True with GROUP BY.
    grouped: bool,
}

/// Groups kept at most, unless the option `numGroupsLimit` says otherwise; memory is limited apart from it.
pub const DEFAULT_GROUP_LIMIT: usize = 10_000_000;

/// The id of the index that `jsonExtractIndex` reads.
const JSON_INDEX: &str = "json_index";

impl Plan {
    /// The result's types where no segment was left to execute: nobody evaluated the expressions over rows, so that only
    /// columns under their own names (with their own types, not their elements') and aggregations are known; the others are STRING.
    #[must_use]
    pub fn types_without_segments(&self) -> Vec<ColumnType> {
        let known = |(name, expr): (&String, &BoundExpr)| match expr {
            BoundExpr::Literal(_, column_type) => *column_type,
            _ => self
                .type_by_name(name, expr)
                .unwrap_or(DataType::String.into()),
        };
        let named = self.names.iter();
        match &self.shape {
            Shape::Selection { outputs } => named.zip(outputs).map(known).collect(),
            Shape::Distinct { keys } => named.zip(keys).map(known).collect(),
            Shape::Aggregation { keys, outputs, .. } => named
                .zip(outputs)
                .map(|(name, output)| {
                    let key = output.as_column().and_then(|slot| keys.get(slot));
                    key.map_or_else(|| output.column_type(), |key| known((name, key)))
                })
                .collect(),
        }
    }

    /// A column's type, where it is shown under its own name: an alias hides it.
    fn type_by_name(&self, name: &str, expr: &BoundExpr) -> Option<ColumnType> {
        match expr {
            BoundExpr::Column(at, column_type) => {
                let column = self.columns.get(*at)?;
                (column.name == name).then_some(*column_type)
            }
            _ => None,
        }
    }

    /// The result's types where no group was left: nothing was taken apart, so that multi-value keys keep their own.
    #[must_use]
    pub fn types_without_groups(&self) -> Vec<ColumnType> {
        let Shape::Aggregation { keys, outputs, .. } = &self.shape else {
            return self.types.clone();
        };
        let whole = |((name, output), shown): ((&String, &BoundExpr), &ColumnType)| {
            let key = output.as_column().and_then(|slot| keys.get(slot));
            let own = key.and_then(|key| self.type_by_name(name, key));
            own.unwrap_or(*shown)
        };
        let named = self.names.iter().zip(outputs);
        named.zip(&self.types).map(whole).collect()
    }

    /// Plans a query over a table with that schema.
    ///
    /// # Errors
    /// For unknown columns and functions, and literals that no column can hold.
    pub fn new(query: Query, schema: &Schema, now_ms: i64) -> Result<Self, QueryError> {
        let mut query = multi_value_counts(resolve(query, schema)?, schema);
        if !query.options.is_true("multistageleaf") {
            for order in &mut query.order_by {
                order.expr = counted(&order.expr);
            }
        }
        if query.is_aggregation() && query.group_by.is_empty() {
            // The one row is answered whatever HAVING says, and wherever ORDER BY puts it.
            query.having = None;
            query.order_by.clear();
        }
        if query.distinct || query.is_aggregation() || !query.group_by.is_empty() {
            query.offset = 0;
        }
        let null_handling = query.options.is_true("enablenullhandling");
        let mut binder = Binder {
            schema,
            columns: Vec::new(),
            single_stage: !query.options.is_true("multistageleaf"),
        };
        let filter = where_of(&query, null_handling, &mut binder)?;
        let group_limit = query
            .options
            .number("numgroupslimit")
            .and_then(|n| usize::try_from(n).ok());
        let mut plan = Self {
            names: Vec::new(),
            types: Vec::new(),
            columns: Vec::new(),
            filter,
            shape: Shape::Selection {
                outputs: Vec::new(),
            },
            order_by: Vec::new(),
            limit: query.limit,
            offset: query.offset,
            null_handling,
            dialect: if query.options.is_true("multistageleaf") {
                Dialect::MultiStage
            } else {
                Dialect::SingleStage
            },
            skip_upsert: query.options.is_true("skipupsert"),
            group_limit: group_limit.unwrap_or(DEFAULT_GROUP_LIMIT),
            context: EvalContext::at(now_ms),
            use_star_tree: query
                .options
                .get("usestartree")
                .is_none_or(|value| !value.eq_ignore_ascii_case("false")),
            explain: query.explain,
            reads_dimensions: dimension::reads(&query),
            grouped: !query.group_by.is_empty(),
        };
        if query.distinct {
            plan.distinct(&query, &mut binder)?;
        } else if query.is_aggregation() || !query.group_by.is_empty() {
            plan.aggregation(&query, &mut binder)?;
        } else {
            plan.selection(&query, &mut binder)?;
        }
        plan.columns = binder.columns;
        Ok(plan)
    }

    /// Refuses a segment that lacks an index which a function of the plan reads.
    ///
    /// # Errors
    /// With Pinot's message for such a function.
    pub(crate) fn expect_indexes(&self, segment: &dyn Segment) -> Result<(), QueryError> {
        let lacking = |column: &&PlanColumn| {
            column.by_json_index
                && segment.column(&column.name).is_some_and(|stored| {
                    stored
                        .indexes()
                        .iter()
                        .all(|index| index.id() != JSON_INDEX)
                })
        };
        match self.columns.iter().find(lacking) {
            Some(column) => Err(QueryError::validation(format!(
                "Caught exception while initializing transform function: jsonextractindex: jsonExtractIndex can only be \
                 applied on a column with JSON index, which `{}` is not",
                column.name
            ))),
            None => Ok(()),
        }
    }

    fn selection(&mut self, query: &Query, binder: &mut Binder<'_>) -> Result<(), QueryError> {
        let mut outputs = Vec::with_capacity(query.select.len());
        for item in &query.select {
            let bound = binder.bind(&item.expr, Role::Transform)?;
            self.names.push(name_of(item));
            self.types.push(output_type(&bound));
            outputs.push(bound);
        }
        if binder.single_stage && outputs.iter().any(refusals::is_text_array) {
            return Err(QueryError::execution(
                "Unsupported PinotDataType: STRING_ARRAY",
            ));
        }
        self.order_by = orders(query, |expr| binder.bind(expr, Role::Transform))?;
        self.shape = Shape::Selection { outputs };
        Ok(())
    }

    fn distinct(&mut self, query: &Query, binder: &mut Binder<'_>) -> Result<(), QueryError> {
        let mut keys = Vec::with_capacity(query.select.len());
        for item in &query.select {
            let bound = binder.bind(&item.expr, Role::Transform)?;
            self.names.push(name_of(item));
            // Multi-value keys are taken apart: the result has elements.
            self.types
                .push(ColumnType::sv(output_type(&bound).data_type));
            keys.push(bound);
        }
        let types = self.types.clone();
        self.order_by = orders(query, |expr| {
            let index = query.select.iter().position(|item| item.expr == *expr);
            let index = index.ok_or_else(|| {
                QueryError::validation("ORDER BY of a column that is not selected")
            })?;
            Ok(BoundExpr::Column(index, types[index]))
        })?;
        self.shape = Shape::Distinct { keys };
        Ok(())
    }

    /// The aggregations of a query, each once.
    fn aggregations(
        &self,
        query: &Query,
        binder: &mut Binder<'_>,
    ) -> Result<Vec<PlanAggregation>, QueryError> {
        let mut aggregations: Vec<PlanAggregation> = Vec::new();
        let found = aggregations_of(query);
        let dictionaries = from_dictionaries(query, &found);
        let answered = dictionaries || without_rows(query, &found);
        for expr in found {
            if aggregations.iter().all(|a| a.expr != expr) {
                let bound = self.bind_aggregation(&expr, binder);
                if let (Ok(bound), Dialect::SingleStage) = (&bound, self.dialect)
                    && (!answered || self.null_handling)
                {
                    refusals::check_aggregation(&innermost(&expr), &bound.inputs)?;
                }
                let mut bound = bound.map_err(|error| refusal_of(error, &expr, dictionaries))?;
                refusals::check_null(&innermost(&expr), &bound.inputs, self.grouped)?;
                self.place_literals(&mut bound);
                // Behind a filter there may be no row to refuse.
                if let Some(refusal) = bound.function.refusal()
                    && query.filter.is_none()
                {
                    return Err(refusal_of(refusal.clone().into(), &expr, dictionaries));
                }
                aggregations.push(bound);
            }
            if self.grouped && names(&expr, "distinctcountoffheap") {
                self.filter.answers()?;
                return Err(QueryError::execution(
                    "DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by queries. Use DISTINCT_COUNT instead.",
                ));
            }
        }
        Ok(aggregations)
    }

    fn aggregation(&mut self, query: &Query, binder: &mut Binder<'_>) -> Result<(), QueryError> {
        let keys = query
            .group_by
            .iter()
            .map(|k| binder.bind(k, Role::Transform))
            .collect::<Result<Vec<_>, _>>()?;
        let aggregations = self.aggregations(query, binder)?;
        let over = Over {
            query,
            keys: &keys,
            aggregations: &aggregations,
            whole: self.dialect == Dialect::SingleStage,
        };
        let mut outputs = Vec::with_capacity(query.select.len());
        for item in &query.select {
            let bound = over.bind(&item.expr);
            let bound = bound.or_else(|error| self.filter.answers().and(Err(error)))?;
            self.names.push(
                item.alias
                    .clone()
                    .unwrap_or_else(|| over.name(&item.expr, self.null_handling)),
            );
            self.types.push(match over.whole {
                true => type_over_aggregations(&bound),
                false => output_type(&bound),
            });
            outputs.push(bound);
        }
        self.order_by = orders(query, |expr| {
            over.bind(expr).map_err(|_| {
                QueryError::execution(format!(
                    "Failed to find ORDER-BY expression: {} in the GROUP-BY clause",
                    text::expression(expr)
                ))
            })
        })?;
        let having = match &query.having {
            Some(having) => Some(BoundFilter::bind_over(
                having,
                self.literals(),
                &mut |expr| over.bind(expr),
            )?),
            None => None,
        };
        self.shape = Shape::Aggregation {
            keys,
            aggregations,
            outputs,
            having,
        };
        Ok(())
    }

    /// How HAVING and FILTER read literals.
    fn literals(&self) -> Literals {
        match self.dialect {
            Dialect::SingleStage => Literals::Strict,
            Dialect::MultiStage => Literals::Lenient,
        }
    }

    fn bind_aggregation(
        &self,
        expr: &Expr,
        binder: &mut Binder<'_>,
    ) -> Result<PlanAggregation, QueryError> {
        let Expr::Call(call) = expr else {
            return Err(QueryError::validation("expected an aggregation"));
        };
        if call.name == FILTERED {
            let condition = sql::Filter::from_expr(&call.args[1])?;
            let mut bound = self.bind_aggregation(&call.args[0], binder)?;
            let literals = match self.literals() {
                Literals::Strict => Literals::StrictWhereReached,
                other => other,
            };
            let made = made_nulls(self.null_handling);
            bound.filter = Some(BoundFilter::bind(&condition, literals, made, binder)?);
            bound.expr = expr.clone();
            return Ok(bound);
        }
        let mut args = Vec::new();
        for (index, arg) in spliced(&call.args).into_iter().enumerate() {
            // Where nulls do not count, COUNT looks at no expression: not even one that is no function.
            let rows_alone = self.dialect == Dialect::SingleStage && !self.null_handling;
            let counted = arg == Expr::Star || (rows_alone && matches!(arg, Expr::Call(_)));
            if counted && call.name == "count" {
                continue;
            }
            if has_star(&arg) {
                if let Some(nested) = aggregation_within(&arg) {
                    binder.bind(nested, Role::Transform)?;
                }
                // Nothing is refused before there is a row to read.
                let unreadable = Expr::call("cast", vec![Expr::text("*"), Expr::text("DOUBLE")]);
                args.push(binder.bind(&unreadable, Role::Transform)?);
                continue;
            }
            args.push(match filter_text(call, index) {
                Some(text) => binder.bind(&sql::parse::condition(text)?, Role::Transform)?,
                None => binder.bind(&arg, Role::Transform)?,
            });
        }
        let bound = self.bind_function(&call.name, &args);
        let refused = match &bound {
            Ok(function) => matches!(function.refusal(), Some(FunctionError::Argument(_))),
            Err(error) => matches!(error, FunctionError::Argument(_)),
        };
        let function = match bound {
            _ if refused && self.reads_text(&call.name, &call.args, &args) => {
                let number = Expr::call("cast", vec![call.args[0].clone(), Expr::text("DOUBLE")]);
                args[0] = binder.bind(&number, Role::Transform)?;
                self.bind_function(&call.name, &args)?
            }
            other => other?,
        };
        let inputs = function
            .inputs()
            .into_iter()
            .filter_map(|i| args.get(i).cloned())
            .collect();
        // Without groups the value keeps its type.
        let returns = match args.as_slice() {
            [arg] if names(expr, "anyvalue") && !self.grouped => any_value_type(arg.column_type()),
            _ => function.returns(),
        };
        Ok(PlanAggregation {
            function,
            returns,
            inputs,
            filter: None,
            expr: expr.clone(),
        })
    }
}

impl Plan {
    fn bind_function(
        &self,
        name: &str,
        args: &[BoundExpr],
    ) -> Result<Box<dyn AggregateFunction>, FunctionError> {
        let arguments: Vec<Argument> = args.iter().map(BoundExpr::as_argument).collect();
        aggregate::bind(&AggregateCall {
            name,
            arguments: &arguments,
            null_handling: self.null_handling,
            dialect: self.dialect,
        })
    }

    /// Puts what an aggregation of the single-stage engine reads of a literal null, where nulls are not told apart: zero, and no text.
    fn place_literals(&self, aggregation: &mut PlanAggregation) {
        if self.dialect == Dialect::MultiStage || self.null_handling {
            return;
        }
        // A digest is text, of numbers.
        let digest = innermost(&aggregation.expr).starts_with("percentileraw");
        let read = match aggregation.returns.data_type {
            DataType::String if !digest => Value::String(String::new()),
            _ => Value::Int(0),
        };
        for input in &mut aggregation.inputs {
            if matches!(input, BoundExpr::Literal(Value::Null, _)) {
                *input = BoundExpr::Literal(read.clone(), read.column_type());
            }
        }
    }

    /// True where texts are read as numbers row by row.
    fn reads_text(&self, name: &str, written: &[Expr], args: &[BoundExpr]) -> bool {
        let [only] = args else {
            return false;
        };
        let text = only.column_type() == ColumnType::sv(DataType::String);
        let json = only.column_type() == ColumnType::sv(DataType::Json);
        self.dialect == Dialect::SingleStage
            && match name {
                "avg" => text || json,
                // Without groups they look at the type before they read.
                "min" | "max" | "sum" => self.grouped && (text || json),
                _ => text && matches!(written, [Expr::Call(_)]),
            }
    }
}

/// WHERE of a query.
fn where_of(
    query: &Query,
    null_handling: bool,
    binder: &mut Binder<'_>,
) -> Result<BoundFilter, QueryError> {
    let Some(filter) = &query.filter else {
        return Ok(BoundFilter::Constant(true));
    };
    let (literals, made) = match binder.single_stage {
        true => (Literals::ByValue, made_nulls(null_handling)),
        // WHERE of the multi-stage engine knows nulls.
        false => (Literals::Lenient, MadeNulls::Kept),
    };
    BoundFilter::bind(filter, literals, made, binder)
}

fn made_nulls(null_handling: bool) -> MadeNulls {
    match null_handling {
        true => MadeNulls::Kept,
        false => MadeNulls::Placed,
    }
}

/// ANY_VALUE answers text, but numbers and bytes where there are no groups.
fn any_value_type(of: ColumnType) -> ColumnType {
    match of.data_type.stored() {
        stored if of.multi || stored == DataType::String => DataType::String.into(),
        stored => stored.into(),
    }
}

/// An aggregation of rows within an argument: no function of that name is one of rows.
fn aggregation_within(expr: &Expr) -> Option<&Expr> {
    let Expr::Call(call) = expr else {
        return None;
    };
    let aggregates = functions::aggregate::find(&call.name).is_some();
    match aggregates && !has_star(expr) {
        true => Some(expr),
        false => call.args.iter().find_map(aggregation_within),
    }
}

/// True for `*` and for a function of it, of which a row has no value.
fn has_star(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |part| found |= *part == Expr::Star);
    found
}

fn names(expr: &Expr, function: &str) -> bool {
    match expr {
        Expr::Call(call) if call.name == FILTERED => {
            call.args.first().is_some_and(|a| names(a, function))
        }
        Expr::Call(call) => call.name == function,
        _ => false,
    }
}

/// True where Pinot answers every aggregation from dictionaries, without reading a row.
fn from_dictionaries(query: &Query, aggregations: &[Expr]) -> bool {
    const EXTREMES: &[&str] = &[
        "min",
        "max",
        "minmv",
        "maxmv",
        "minmaxrange",
        "minmaxrangemv",
    ];
    query.filter.is_none()
        && query.group_by.is_empty()
        && aggregations.iter().all(|expr| match expr {
            Expr::Call(call) => {
                EXTREMES.contains(&call.name.as_str())
                    && call.args.iter().all(|arg| matches!(arg, Expr::Column(_)))
            }
            _ => false,
        })
}

/// The name of the function inside of a filtered aggregation.
fn innermost(expr: &Expr) -> String {
    match expr {
        Expr::Call(call) if call.name == FILTERED => {
            call.args.first().map_or_else(String::new, innermost)
        }
        Expr::Call(call) => call.name.clone(),
        _ => String::new(),
    }
}

/// True where the extremes of text are looked up in dictionaries, whatever their type.
fn without_rows(query: &Query, aggregations: &[Expr]) -> bool {
    const EXTREMES: &[&str] = &["minstring", "maxstring", "min", "max", "count"];
    query.filter.is_none()
        && query.group_by.is_empty()
        && aggregations.iter().all(|expr| match expr {
            Expr::Call(call) => EXTREMES.contains(&call.name.as_str()),
            _ => false,
        })
}

/// An extreme out of a dictionary of texts fails at reading them as numbers, which is an error of execution.
fn refusal_of(error: QueryError, expr: &Expr, from_dictionaries: bool) -> QueryError {
    match error {
        QueryError::Function(functions::FunctionError::Argument(message)) if from_dictionaries => {
            QueryError::execution(format!("{}: {message}", text::expression(expr)))
        }
        other => other,
    }
}

/// The filter that a sketch has as text between its settings and its set expression.
fn filter_text(call: &sql::Call, index: usize) -> Option<&str> {
    const SKETCHES: &[&str] = &["distinctcountthetasketch", "distinctcountrawthetasketch"];
    if index < 2 || index + 1 >= call.args.len() || !SKETCHES.contains(&call.name.as_str()) {
        return None;
    }
    call.args[index].as_literal().and_then(Value::as_str)
}

/// `STEPS(a, b)` as an argument becomes the marker `steps` and its arguments, and so do its companions.
fn spliced(args: &[Expr]) -> Vec<Expr> {
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        match arg {
            Expr::Call(call)
                if matches!(call.name.as_str(), "steps" | "correlateby" | "settings") =>
            {
                out.push(Expr::text(call.name.clone()));
                out.extend(call.args.iter().cloned());
            }
            other => out.push(other.clone()),
        }
    }
    out
}

fn name_of(item: &sql::SelectItem) -> String {
    item.alias
        .clone()
        .unwrap_or_else(|| text::expression(&item.expr))
}

fn output_type(bound: &BoundExpr) -> ColumnType {
    match bound {
        BoundExpr::Literal(value, _) => literal_type(value),
        other => other.column_type(),
    }
}

fn orders(
    query: &Query,
    mut bind: impl FnMut(&Expr) -> Result<BoundExpr, QueryError>,
) -> Result<Vec<PlanOrder>, QueryError> {
    let mut out = Vec::with_capacity(query.order_by.len());
    for order in &query.order_by {
        let expr = bind(&order.expr)?;
        if expr.column_type().multi {
            return Err(QueryError::validation(format!(
                "MV expression: {} should not be included in the ORDER-BY clause",
                text::expression(&order.expr)
            )));
        }
        let nulls_first = order.puts_nulls_first();
        out.push(PlanOrder {
            expr,
            ascending: order.ascending,
            nulls_first,
        });
    }
    Ok(out)
}

/// A serialised HyperLogLog is ordered by what it counts.
fn counted(expr: &Expr) -> Expr {
    let named = |call: &Call| match call.name.as_str() {
        "distinctcountrawhll" => Some("distinctcounthll"),
        "distinctcountrawhllmv" => Some("distinctcounthllmv"),
        "distinctcountrawhllplus" => Some("distinctcounthllplus"),
        "distinctcountrawhllplusmv" => Some("distinctcounthllplusmv"),
        _ => None,
    };
    match expr {
        Expr::Call(call) => match named(call) {
            Some(name) => Expr::call(name, call.args.clone()),
            None => expr.clone(),
        },
        _ => expr.clone(),
    }
}

/// Every aggregation of a query, outermost first, in order of appearance.
fn aggregations_of(query: &Query) -> Vec<Expr> {
    fn collect(expr: &Expr, out: &mut Vec<Expr>) {
        if expr.is_aggregation() {
            out.push(expr.clone());
        } else if let Expr::Call(call) = expr {
            call.args.iter().for_each(|arg| collect(arg, out));
        }
    }
    let mut out = Vec::new();
    query
        .select
        .iter()
        .for_each(|item| collect(&item.expr, &mut out));
    if let Some(having) = &query.having {
        having.visit(&mut |expr, _| collect(expr, &mut out));
    }
    query
        .order_by
        .iter()
        .for_each(|order| collect(&order.expr, &mut out));
    out
}
