//! From a statement to rows: syntax, names, types, optimisation, leaves, operators.
//!
//! Must not know: responses, servers. Invariant: every failure carries Pinot's code; a query that is dropped stops.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use common::{ColumnType, ErrorCode, Value};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::displayable;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, ObjectName, ObjectNamePart, Visit, Visitor};
use functions::scalar::lookup::LOOKUP;
use query::ResultTable;
use sql::Statement;
use sql::statement::EXPLAIN_IMPLEMENTATION;

use crate::catalog::{Catalog, Table};
use crate::computed::{conditions, filters, windows};
use crate::distributed::Channels;
use crate::error::{MultiStageError, Phase, missing_column, of};
use crate::join_order::Figures;
use crate::leaf::{self, Leaves};
use crate::memory::Memory;
use crate::run::{Answered, Wish};
use crate::scalar::Dimensions;
use crate::statistics::Statistics;
use crate::syntax::{DUPLICATE, UNNAMED};
use crate::{
    aggregate, asof, computed, constant_conditions, convert, correlated, decimal_rows, join_order,
    key_columns, key_types, listed_subqueries, never_null, null_tests, one_row, outer_tests,
    ranges, run, semi_joins, single_keys, syntax, typing, unnest,
};

/// A query.
#[derive(Debug, Clone)]
pub struct Request {
    /// The statement with its options.
    pub statement: Statement,
    /// The query's time.
    pub now_ms: i64,
    /// Of all queries.
    pub memory: Arc<Memory>,
    /// Figures of tables, kept from query to query.
    pub statistics: Arc<Statistics>,
}

/// The option that has nulls be none of the values that stand for them.
const NULL_HANDLING: &str = "enablenullhandling";

/// The option with the bytes that a query may take.
const MEMORY_OPTION: &str = "queryMemoryMaxBytes";

/// Answers a query.
///
/// # Errors
/// With the code and a message.
pub async fn answer(
    request: &Request,
    leaves: Arc<dyn Leaves>,
) -> Result<ResultTable, MultiStageError> {
    let state = run::session();
    let options = &request.statement.options;
    let plan = planned(request, leaves.as_ref())?;
    let names = names_of(&plan);
    let plan = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})
        .map_err(|error| of(&error, Phase::Validation))?;
    let outer = filters::outer_sides(&plan);
    let plan = windows::below(plan)
        .and_then(conditions::within_choices)
        .and_then(|plan| outer_tests::marked(plan, options.is_true(NULL_HANDLING)))
        .and_then(|plan| state.optimizer().optimize(plan, state, |_, _| {}))
        .and_then(outer_tests::unmarked)
        .and_then(key_types::alike)
        .map_err(|error| of(&error, Phase::Planning))?;
    let wanted = join_order::wanted(&plan);
    let figures = request.statistics.of(&wanted, leaves.as_ref()).await;
    let plan = join_order::ordered(plan, &figures)
        .and_then(run::pruned)
        .and_then(|plan| match filters::outer_sides(&plan) < outer {
            true => filters::of_choices(plan),
            false => Ok(plan),
        })
        .and_then(|plan| match options.is_true(NULL_HANDLING) {
            true => Ok(plan),
            false => filters::below_semi_joins(plan),
        })
        .map_err(|error| of(&error, Phase::Planning))?;
    known_aggregates(&plan)?;
    let wish = Wish {
        distributed: options.is_true("distributed"),
        now_ms: request.now_ms,
    };
    if request.statement.explain {
        let plan = with_leaves(plan, &leaves)?;
        return explained(&request.statement, &plan, &wish, leaves.channels()).await;
    }
    let budget = request.memory.budget(options.number(MEMORY_OPTION));
    let environment = request.memory.environment(budget);
    let running = Running {
        wish,
        figures,
        budget,
        environment: environment.map_err(|error| of(&error, Phase::Execution))?,
        leaves,
    };
    let answered = running.answered(plan).await?;
    if let Some(stages) = answered.stages {
        running.leaves.ran(stages);
    }
    rows_of(&answered.batches, names, answered.types)
}

/// The plan with its leaves cut out.
fn with_leaves(
    plan: LogicalPlan,
    leaves: &Arc<dyn Leaves>,
) -> Result<LogicalPlan, MultiStageError> {
    key_columns::of_sorts(plan)
        .and_then(computed::moved)
        .and_then(|plan| leaf::cut(plan, leaves))
        .and_then(decimal_rows::by_number)
        .and_then(key_columns::computed)
        .map_err(|error| of(&error, Phase::Planning))
}

/// What the plans of one query run with.
struct Running {
    wish: Wish,
    figures: Figures,
    budget: usize,
    environment: Arc<RuntimeEnv>,
    leaves: Arc<dyn Leaves>,
}

impl Running {
    /// The answer of a plan, its semi joins settled one after the other before it.
    async fn answered(&self, mut plan: LogicalPlan) -> Result<Answered, MultiStageError> {
        let planning = |error: DataFusionError| of(&error, Phase::Planning);
        let mut before = Vec::new();
        while let Some(awaited) = semi_joins::first(&plan, &self.figures) {
            let keys = self.run(awaited.keys().map_err(planning)?).await?;
            self.leaves.settled();
            plan = awaited.settled(plan, &keys.batches).map_err(planning)?;
            before.push((awaited.table, keys));
        }
        let mut answered = self.run(plan).await?;
        for (table, keys) in before {
            if let (Some(all), Some(stages)) = (&mut answered.stages, keys.stages) {
                all.follow(&table, stages);
            }
        }
        Ok(answered)
    }

    async fn run(&self, plan: LogicalPlan) -> Result<Answered, MultiStageError> {
        let plan = with_leaves(plan, &self.leaves)?;
        let leaves = self.leaves.as_ref();
        let stages = leaves.channels().map(|channels| (&self.wish, channels));
        run::answered(&plan, &self.environment, self.budget, leaves, stages).await
    }
}

/// The plan of a statement, typed by Pinot's rules.
fn planned(request: &Request, leaves: &dyn Leaves) -> Result<LogicalPlan, MultiStageError> {
    let mut parsed =
        sql::parse::syntax(&syntax::read(&syntax::left_asof(&request.statement.sql))?)?;
    let mut names = Names::default();
    let _ = parsed.visit(&mut names);
    let ast::Statement::Query(query) = &mut parsed else {
        let code = match &parsed {
            ast::Statement::Update { .. } => ErrorCode::QueryValidation,
            ast::Statement::ExplainTable { .. } => ErrorCode::UnknownColumn,
            _ => ErrorCode::SqlParsing,
        };
        return Err(MultiStageError::new(
            code,
            "expected a query: SELECT, WITH or VALUES",
        ));
    };
    let mut tables = HashMap::new();
    let mut columns = HashMap::new();
    for name in names.0 {
        if let Some((full, schema)) = leaves.table(&name) {
            let table = Table::new(&full, &schema, &request.statement.sql);
            for column in table.columns() {
                columns.insert(column.to_lowercase(), column.to_owned());
            }
            tables.insert(name.to_lowercase(), Arc::new(table));
        }
    }
    syntax::rewrite(query, &columns, &tables)?;
    let selected = syntax::bare_items(query);
    let rewrite_extremes = request
        .statement
        .options
        .is_true("autorewriteaggregationtype");
    let nulls = request.statement.options.is_true(NULL_HANDLING);
    let dimensions = dimensions(query, leaves);
    let catalog = Catalog::new(tables, dimensions, request.now_ms, rewrite_extremes);
    let options = ParserOptions::new()
        .with_enable_ident_normalization(false)
        .with_map_string_types_to_utf8view(false);
    SqlToRel::new_with_options(&catalog, options)
        .sql_statement_to_plan(parsed)
        .and_then(asof::joined)
        .and_then(unnest::unnested)
        .and_then(typing::typed)
        .and_then(|plan| never_null::named(plan, nulls))
        .and_then(|plan| never_null::chosen(plan, nulls))
        .and_then(single_keys::checked)
        .and_then(|plan| {
            if nulls {
                null_tests::searched(plan)
            } else {
                Ok(plan)
            }
        })
        .and_then(|plan| ranges::settled(plan, nulls))
        .and_then(|plan| never_null::settled(plan, nulls))
        .and_then(listed_subqueries::joined)
        .and_then(correlated::aggregated)
        .and_then(constant_conditions::literals_last)
        .and_then(one_row::kept)
        .map_err(|error| unknown_in_list(&error, &selected))
}

/// Refuses the aggregations that Pinot's planner types and its operators do not have, where rows are left to aggregate.
fn known_aggregates(plan: &LogicalPlan) -> Result<(), MultiStageError> {
    const UNKNOWN: &str = "percentilesmarttdigest";
    const UNGROUPED: &str = "distinctcountoffheap";
    let (mut unknown, mut grouped) = (false, false);
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let has = |name: &str| {
                let mut calls = aggregate.aggr_expr.iter();
                calls.any(|expr| aggregate::is_named(expr, name))
            };
            unknown |= has(UNKNOWN);
            grouped |= !aggregate.group_expr.is_empty() && has(UNGROUPED);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    if unknown {
        let name = UNKNOWN.to_uppercase();
        let message = format!("Invalid aggregation function name: {name}");
        return Err(MultiStageError::new(ErrorCode::QueryPlanning, message));
    }
    if grouped {
        let message = "DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by queries. Use DISTINCT_COUNT instead.";
        return Err(MultiStageError::new(ErrorCode::QueryExecution, message));
    }
    Ok(())
}

/// The tables that LOOKUP names, whose columns' types a plan has to know.
fn dimensions(query: &ast::Query, leaves: &dyn Leaves) -> Dimensions {
    let mut found = Dimensions::new();
    let _ = ast::visit_expressions(query, |expr| {
        if let ast::Expr::Function(function) = expr
            && functions::canonical_name(&function.name.to_string().replace('"', "")) == LOOKUP
            && let ast::FunctionArguments::List(list) = &function.args
            && let Some(ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(ast::Expr::Value(
                value,
            )))) = list.args.first()
            && let ast::Value::SingleQuotedString(name) = &value.value
        {
            let raw = common::ids::split_type(name).0;
            if let Some((_, schema)) = leaves.table(raw) {
                found.insert(raw.to_owned(), schema);
            }
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    found
}

/// A name of a SELECT list that is no column is, to Pinot's planner, an alias that depends on itself.
fn unknown_in_list(error: &DataFusionError, selected: &HashSet<String>) -> MultiStageError {
    let found = of(error, Phase::Validation);
    match missing_column(error) {
        Some(name) if selected.contains(name) => {
            MultiStageError::invalid(format!("Column '{name}' not found in any table"))
        }
        _ => found,
    }
}

/// The tables a statement names.
#[derive(Default)]
struct Names(Vec<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> std::ops::ControlFlow<()> {
        let parts: Vec<&str> = relation
            .0
            .iter()
            .filter_map(|part| match part {
                ObjectNamePart::Identifier(ident) => Some(ident.value.as_str()),
                ObjectNamePart::Function(_) => None,
            })
            .collect();
        self.0.push(parts.join("."));
        std::ops::ControlFlow::Continue(())
    }
}

/// The columns' names as the user wrote them; one that `*` brings again has a number behind it.
fn names_of(plan: &LogicalPlan) -> Vec<String> {
    let mut taken = HashSet::new();
    plan.schema()
        .fields()
        .iter()
        .map(|field| {
            if let Some((base, _)) = field.name().split_once(DUPLICATE) {
                if base == UNNAMED {
                    let name = format!("{UNNAMED}{}", taken.len());
                    taken.insert(name.clone());
                    return name;
                }
                // Written out: it stays as it is.
                taken.insert(base.to_owned());
                return base.to_owned();
            }
            let base = field.name();
            let mut name = base.to_owned();
            let mut turn = 0;
            while !taken.insert(name.clone()) {
                name = format!("{base}{turn}");
                turn += 1;
            }
            name
        })
        .collect()
}

/// The plan as text; with its operators where EXPLAIN IMPLEMENTATION PLAN asks for them.
async fn explained(
    statement: &Statement,
    plan: &LogicalPlan,
    wish: &Wish,
    channels: Option<&Channels>,
) -> Result<ResultTable, MultiStageError> {
    let (words, text) = if statement.options.is_true(EXPLAIN_IMPLEMENTATION) {
        let stages = match channels {
            Some(channels) => run::shown_stages(plan, wish, channels).await?,
            None => None,
        };
        let text = match stages {
            Some(text) => text,
            None => {
                let operators = run::operators(plan, run::session()).await?;
                displayable(operators.as_ref()).indent(false).to_string()
            }
        };
        ("EXPLAIN IMPLEMENTATION PLAN FOR", text)
    } else {
        ("EXPLAIN PLAN FOR", format!("{}\n", plan.display_indent()))
    };
    let string = ColumnType::sv(common::DataType::String);
    Ok(ResultTable {
        names: ["SQL", "PLAN", "RULE_TIMINGS"].map(str::to_owned).to_vec(),
        types: vec![string, string, string],
        rows: vec![vec![
            Value::String(format!("{words} {}", statement.sql.trim())),
            Value::String(format!("Execution Plan\n{text}")),
            Value::String("Rule Execution Times\n".to_owned()),
        ]],
    })
}

fn rows_of(
    batches: &[RecordBatch],
    names: Vec<String>,
    types: Vec<ColumnType>,
) -> Result<ResultTable, MultiStageError> {
    let mut rows = Vec::new();
    for batch in batches {
        let blocks = batch
            .columns()
            .iter()
            .map(convert::block_of)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| of(&error, Phase::Execution))?;
        rows.extend((0..batch.num_rows()).map(|row| {
            blocks
                .iter()
                .map(|block| block.value(row))
                .collect::<Vec<_>>()
        }));
    }
    Ok(ResultTable { names, types, rows })
}
