//! What the planner may ask: tables, functions, types.
//!
//! Must not know: servers. Invariant: a name means what the cluster's catalog said when the query came.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use common::{ErrorCode, Schema};
use datafusion::arrow::datatypes::{
    DataType as ArrowType, Field, Schema as ArrowSchema, SchemaRef,
};
use datafusion::common::{DFSchema, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions_window::all_default_window_functions;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableScan, TableSource,
    WindowFunctionDefinition, WindowUDF,
};

use crate::error::MultiStageError;
use crate::types::arrow_type;
use crate::{aggregate, scalar, typing};

/// A table as the planner sees it.
#[derive(Debug)]
pub(crate) struct Table {
    /// The name that leaf queries use.
    pub(crate) name: String,
    /// True where columns say for themselves whether they have nulls; without it none has one to the planner.
    pub(crate) nullable: bool,
    schema: SchemaRef,
}

impl TableSource for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Virtual columns of every table.
const VIRTUAL: [(&str, ArrowType); 3] = [
    ("$docId", ArrowType::Int32),
    ("$hostName", ArrowType::Utf8),
    ("$segmentName", ArrowType::Utf8),
];

impl Table {
    /// A table of a schema; virtual columns are there where the text names them, so that `*` leaves them out.
    pub(crate) fn new(name: &str, schema: &Schema, text: &str) -> Self {
        let mut fields: Vec<Field> = schema
            .fields
            .iter()
            .filter(|(_, field)| !field.name.starts_with('$') || text.contains(&field.name))
            .map(|(_, field)| Field::new(&field.name, arrow_type(field.column_type()), true))
            .collect();
        fields.sort_by(|a, b| a.name().cmp(b.name()));
        let named = VIRTUAL.into_iter().filter(|(name, _)| text.contains(name));
        fields.extend(named.map(|(name, found)| Field::new(name, found, true)));
        Self {
            name: name.to_owned(),
            nullable: schema.column_based_null_handling,
            schema: Arc::new(ArrowSchema::new(fields)),
        }
    }

    /// The table that a scan reads; `None` where it reads anything else.
    pub(crate) fn of(scan: &TableScan) -> Option<&Self> {
        let source: &dyn std::any::Any = scan.source.as_ref();
        source.downcast_ref()
    }

    /// The columns' names.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
    }
}

/// The catalog of one query.
pub(crate) struct Catalog {
    tables: HashMap<String, Arc<Table>>,
    planners: Vec<Arc<dyn ExprPlanner>>,
    options: ConfigOptions,
    now_ms: i64,
    rewrite_extremes: bool,
    dimensions: Arc<scalar::Dimensions>,
}

/// The window functions by name.
fn windows() -> &'static HashMap<String, Arc<WindowUDF>> {
    static WINDOWS: OnceLock<HashMap<String, Arc<WindowUDF>>> = OnceLock::new();
    WINDOWS.get_or_init(|| {
        all_default_window_functions()
            .into_iter()
            .map(|window| (window.name().to_owned(), window))
            .collect()
    })
}

impl Catalog {
    /// The tables by the names that the query uses, in lower case.
    pub(crate) fn new(
        tables: HashMap<String, Arc<Table>>,
        dimensions: scalar::Dimensions,
        now_ms: i64,
        rewrite_extremes: bool,
    ) -> Self {
        let mut options = ConfigOptions::new();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.map_string_types_to_utf8view = false;
        Self {
            tables,
            planners: vec![Arc::new(Calls)],
            options,
            now_ms,
            rewrite_extremes,
            dimensions: Arc::new(dimensions),
        }
    }
}

impl ContextProvider for Catalog {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let table = self
            .tables
            .get(&name.to_string().to_lowercase())
            .ok_or_else(|| {
                MultiStageError::new(
                    ErrorCode::TableDoesNotExist,
                    format!("Object '{name}' not found"),
                )
            })?;
        Ok(Arc::clone(table) as Arc<dyn TableSource>)
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if functions::aggregate::find(name).is_some() {
            return None;
        }
        scalar::found(name, self.now_ms, &self.dimensions)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        aggregate::find(name, self.rewrite_extremes)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        windows().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<ArrowType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        functions::scalar::FAMILIES
            .iter()
            .flat_map(|family| family.functions)
            .filter_map(|function| function.names.first())
            .map(|name| (*name).to_owned())
            .collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        windows().keys().cloned().collect()
    }
}

/// Gives aggregates the literals of their calls.
#[derive(Debug)]
struct Calls;

impl ExprPlanner for Calls {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        match typing::compared(&raw, schema)? {
            Some(expr) => Ok(PlannerResult::Planned(expr)),
            None => Ok(PlannerResult::Original(raw)),
        }
    }

    fn plan_aggregate(&self, raw: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        // A percentile pays no attention to it.
        if raw.distinct && !raw.func.name().starts_with("percentile") {
            return Err(MultiStageError::invalid(format!(
                "DISTINCT has no meaning in `{}`",
                raw.func.name()
            ))
            .into());
        }
        let Some((func, args)) = aggregate::of_call(&raw.func, raw.args.clone()) else {
            return Ok(PlannerResult::Original(raw));
        };
        Ok(PlannerResult::Planned(Expr::AggregateFunction(
            AggregateFunction::new_udf(func, args, false, raw.filter, Vec::new(), None),
        )))
    }

    fn plan_window(&self, raw: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let WindowFunctionDefinition::AggregateUDF(func) = &raw.func_def else {
            return Ok(PlannerResult::Original(raw));
        };
        let Some((func, args)) = aggregate::of_window(func, raw.args.clone(), raw.distinct)? else {
            return Ok(PlannerResult::Original(raw));
        };
        Ok(PlannerResult::Planned(Expr::WindowFunction(Box::new(
            WindowFunction {
                fun: WindowFunctionDefinition::AggregateUDF(func),
                params: WindowFunctionParams {
                    args,
                    partition_by: raw.partition_by,
                    order_by: raw.order_by,
                    window_frame: raw.window_frame,
                    filter: raw.filter,
                    null_treatment: raw.null_treatment,
                    // The function says so itself.
                    distinct: false,
                },
            },
        ))))
    }
}
