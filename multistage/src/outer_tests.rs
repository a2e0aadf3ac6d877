//! Tests of a WHERE that a side of an outer join is there: `x IS NOT NULL` makes no inner join of it.
//!
//! Pinot's planner leaves such a join an outer one, and computes above it what it computes below an inner one, where a segment keeps
//! fractions and zero stands for a null. Must not know: leaves, rows. Invariant: the same rows; nothing is marked when it is over.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Filter, JoinType, LogicalPlan, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use crate::computed;
use crate::expressions::mapped;

/// What is tested, for as long as the optimiser must not see what it is.
const MARK: &str = "$there";

/// The plan with its tests marked: without null handling, where a leaf would tell the nulls that are none above it, and where
/// something in the plan is another value below a join than above it.
///
/// # Errors
/// Where a condition cannot be rebuilt.
pub(crate) fn marked(plan: LogicalPlan, nulls: bool) -> Result<LogicalPlan> {
    if nulls && !depends(&plan)? {
        return Ok(plan);
    }
    plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Filter(filter) if is_above_outer(&filter.input) => {
            let predicate = filter.predicate.transform_down(mark)?;
            let made = Filter::try_new(predicate.data, filter.input)?;
            Ok(Transformed::yes(LogicalPlan::Filter(made)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

/// The plan without marks.
///
/// # Errors
/// Where a node cannot be rebuilt.
pub(crate) fn unmarked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plain = |expr: Expr| match expr {
        Expr::ScalarFunction(mut call) if call.func.name() == MARK => {
            let tested = call.args.pop();
            let tested = tested.ok_or_else(|| internal_datafusion_err!("`{MARK}` of nothing"))?;
            Ok(Transformed::yes(tested))
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(|node| mapped(node, |expr| expr.transform_up(plain)))
        .data()
}

/// True where the place of an expression decides its value.
fn depends(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if !matches!(node, LogicalPlan::Filter(_) | LogicalPlan::TableScan(_)) {
            let schema = merge_schema(&node.inputs());
            node.apply_expressions(|expr| {
                found |= expr.exists(|inner| Ok(computed::moves(inner, &schema)))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn is_above_outer(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join)
        if matches!(join.join_type, JoinType::Left | JoinType::Right | JoinType::Full))
}

fn mark(expr: Expr) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::IsNotNull(tested) if tested.any_column_refs() => {
            let mark = Arc::new(ScalarUDF::new_from_impl(There::new()));
            let call = ScalarFunction::new_udf(mark, vec![*tested]);
            let marked = Expr::IsNotNull(Box::new(Expr::ScalarFunction(call)));
            Transformed::new(marked, true, TreeNodeRecursion::Jump)
        }
        other => Transformed::no(other),
    })
}

/// The value as it is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct There {
    signature: Signature,
}

impl There {
    fn new() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for There {
    fn name(&self) -> &str {
        MARK
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[ArrowType]) -> Result<ArrowType> {
        let tested = arguments.first().cloned();
        tested.ok_or_else(|| internal_datafusion_err!("`{MARK}` of nothing"))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let tested = args.args.into_iter().next();
        tested.ok_or_else(|| internal_datafusion_err!("`{MARK}` of nothing"))
    }
}
