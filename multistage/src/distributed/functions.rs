//! Pinot's functions of a plan on their way to servers: by name and arguments.
//!
//! A plan names its functions; the servers make those names known before they read it. Must not know: transports.
//! Invariant: a name means the same on both sides; what has no form here keeps the whole plan in the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::Value;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan, WindowFunctionDefinition};
use functions::scalar::lookup::LOOKUP;
use serde::{Deserialize, Serialize};

use crate::aggregate::PinotAggregate;
use crate::error::MultiStageError;
use crate::{decimal_rows, scalar, unnest};

/// The functions of a plan.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Functions {
    now_ms: i64,
    scalars: Vec<String>,
    aggregates: BTreeMap<String, Aggregate>,
    /// Names that mean a function of the engine's own library.
    #[serde(skip)]
    foreign: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Aggregate {
    function: String,
    arguments: Vec<Option<Literal>>,
    rewrite_extremes: bool,
    over_window: bool,
}

/// A literal argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Literal {
    Null,
    Int(i32),
    Long(i64),
    Float(u32),
    Double(u64),
    Boolean(bool),
    Timestamp(i64),
    String(String),
}

impl Literal {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Int(v) => Self::Int(*v),
            Value::Long(v) => Self::Long(*v),
            Value::Float(v) => Self::Float(v.to_bits()),
            Value::Double(v) => Self::Double(v.to_bits()),
            Value::Boolean(v) => Self::Boolean(*v),
            Value::Timestamp(v) => Self::Timestamp(*v),
            Value::String(v) => Self::String(v.clone()),
            _ => return None,
        })
    }

    fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(v) => Value::Int(v),
            Self::Long(v) => Value::Long(v),
            Self::Float(v) => Value::Float(f32::from_bits(v)),
            Self::Double(v) => Value::Double(f64::from_bits(v)),
            Self::Boolean(v) => Value::Boolean(v),
            Self::Timestamp(v) => Value::Timestamp(v),
            Self::String(v) => Value::String(v),
        }
    }
}

fn stays(what: &str) -> MultiStageError {
    MultiStageError::new(
        common::ErrorCode::QueryPlanning,
        format!("`{what}` cannot travel"),
    )
}

impl Functions {
    /// The functions that a plan calls.
    pub(super) fn of(plan: &LogicalPlan, now_ms: i64) -> Result<Self> {
        let mut found = Self {
            now_ms,
            ..Self::default()
        };
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|inner| {
                    found.note(inner)?;
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        let own = found.scalars.iter().chain(found.aggregates.keys());
        // Of two functions with one name the servers would know one.
        match own.into_iter().find(|name| found.foreign.contains(*name)) {
            Some(name) => Err(stays(name).into()),
            None => Ok(found),
        }
    }

    fn note(&mut self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::ScalarFunction(call) => {
                let name = call.func.name();
                if name == LOOKUP {
                    // It knows tables' schemas.
                    return Err(stays(name).into());
                }
                if !scalar::is_own(&call.func) {
                    self.foreign.insert(name.to_owned());
                } else if !self.scalars.iter().any(|n| n == name) {
                    self.scalars.push(name.to_owned());
                }
            }
            Expr::AggregateFunction(call) => self.aggregate(&call.func)?,
            Expr::WindowFunction(call) => {
                if let WindowFunctionDefinition::AggregateUDF(function) = &call.fun {
                    self.aggregate(function)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn aggregate(&mut self, function: &AggregateUDF) -> Result<()> {
        let inner: &dyn std::any::Any = function.inner().as_ref();
        let Some(own) = inner.downcast_ref::<PinotAggregate>() else {
            self.foreign.insert(function.name().to_owned());
            return Ok(());
        };
        let arguments = own
            .arguments
            .iter()
            .map(|argument| match argument {
                None => Ok(None),
                Some(value) => Literal::of(value)
                    .map(Some)
                    .ok_or_else(|| stays(function.name())),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let made = Aggregate {
            function: own.function.clone(),
            arguments,
            rewrite_extremes: own.rewrite_extremes,
            over_window: own.over_window,
        };
        match self.aggregates.get(function.name()) {
            Some(known) if *known != made => Err(stays(function.name()).into()),
            _ => {
                self.aggregates.insert(function.name().to_owned(), made);
                Ok(())
            }
        }
    }

    /// Makes the functions known to a session.
    pub(super) fn register(self, session: &mut SessionState) -> Result<()> {
        for name in &self.scalars {
            let found = scalar::find(name, self.now_ms).ok_or_else(|| stays(name))?;
            session.register_udf(found)?;
        }
        session.register_udf(unnest::ordinals())?;
        session.register_udf(decimal_rows::as_number())?;
        for aggregate in self.aggregates.into_values() {
            let arguments = aggregate.arguments.into_iter();
            let made = PinotAggregate::new(
                &aggregate.function,
                arguments.map(|a| a.map(Literal::value)).collect(),
                aggregate.rewrite_extremes,
                aggregate.over_window,
            );
            session.register_udaf(Arc::new(AggregateUDF::from(made)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;

    use super::*;

    #[test]
    fn functions_come_back_by_their_names() {
        let percentile = Aggregate {
            function: "percentile".to_owned(),
            arguments: vec![None, Some(Literal::Int(50))],
            rewrite_extremes: false,
            over_window: false,
        };
        let sent = Functions {
            now_ms: 7,
            scalars: vec!["upper".to_owned(), "$plus".to_owned()],
            aggregates: BTreeMap::from([("percentile[_,Int(50)]".to_owned(), percentile)]),
            foreign: BTreeSet::new(),
        };
        let text = serde_json::to_vec(&sent).unwrap();
        let read: Functions = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, sent);
        let mut session = SessionStateBuilder::new().build();
        read.register(&mut session).unwrap();
        for name in ["upper", "$plus"] {
            assert!(session.udf(name).is_ok(), "{name}");
        }
        assert!(session.udaf("percentile[_,Int(50)]").is_ok());
        let unknown = Functions {
            scalars: vec!["no such function".to_owned()],
            ..Functions::default()
        };
        assert!(unknown.register(&mut session).is_err());
    }
}
