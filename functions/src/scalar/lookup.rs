//! LOOKUP: a column of a dimension table, found by the table's primary key.
//!
//! What a query's plan calls has the column's type before the arguments that the query has: whoever plans knows the table's
//! schema, whoever holds the table answers. Must not know: segments, how a table is held.
//! Invariant: a key without row answers null.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use common::{Block, ColumnType, DataType, Value};

use super::{
    Argument, EvalContext, Family, NullRule, Param, Params, ROW, Returns, ScalarFunction, param,
};
use crate::FunctionError;

/// A dimension table in memory.
pub trait DimensionTable: Send + Sync {
    /// The values of a column in the rows of these keys (one block for each column of the primary key, in its order); null
    /// where there is no such row.
    ///
    /// # Errors
    /// Where the column is none of the table's.
    fn values(&self, column: &str, keys: &[Block]) -> Result<Block, FunctionError>;
}

/// Where LOOKUP finds tables.
pub trait DimensionTables: Send + Sync {
    /// The table of a raw name.
    ///
    /// # Errors
    /// Where there is none, or it has no rows yet.
    fn table(&self, name: &str) -> Result<Arc<dyn DimensionTable>, FunctionError>;
}

/// The tables that calls of one plan read: empty until somebody who holds tables executes it.
#[derive(Clone, Default)]
pub struct Dimensions(Arc<RwLock<Option<Arc<dyn DimensionTables>>>>);

impl fmt::Debug for Dimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dimensions")
    }
}

impl Dimensions {
    /// Says where tables are.
    pub fn set(&self, tables: Arc<dyn DimensionTables>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(tables);
    }

    fn table(&self, name: &str) -> Result<Arc<dyn DimensionTable>, FunctionError> {
        let tables = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        tables.ok_or_else(|| missing(name))?.table(name)
    }
}

/// The refusal of a table that is none.
#[must_use]
pub fn missing(name: &str) -> FunctionError {
    FunctionError::Argument(format!("Dimension table does not exist: {name}_OFFLINE"))
}

/// The function's name.
pub const LOOKUP: &str = "lookup";

pub(super) static FAMILY: Family = Family {
    title: "Dimension tables",
    functions: &[ScalarFunction {
        names: &[LOOKUP],
        params: Params::Variadic {
            params: &[param::TEXT, param::TEXT, param::TEXT, Param::Any],
            min: 2,
        },
        returns: Returns::Infer(returns),
        nulls: NullRule::Sees,
        deterministic: false,
        doc: "A column of a dimension table in the row of a primary key: LOOKUP('table', 'column', 'key', value, ..).",
        eval: look_up,
        ..ROW
    }],
};

/// The type that stands before the arguments of a planned call.
fn returns(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let text = |at: usize| {
        let literal = arguments.get(at)?.literal.as_ref()?;
        literal.as_str()
    };
    if arguments.len().is_multiple_of(2) {
        return Err(missing(text(0).unwrap_or_default()));
    }
    let name = text(0).unwrap_or_default();
    let (element, multi) = match name.strip_suffix("_ARRAY") {
        Some(element) => (element, true),
        None => (name, false),
    };
    let element: DataType = element
        .parse()
        .map_err(|_| FunctionError::Argument(format!("`{name}` is no type of a column")))?;
    Ok(if multi {
        ColumnType::mv(element)
    } else {
        ColumnType::sv(element)
    })
}

fn look_up(arguments: &[Block], context: &EvalContext) -> Result<Block, FunctionError> {
    let [_, table, column, keys @ ..] = arguments else {
        return Err(missing(""));
    };
    let text = |block: &Block| match block.constant_value() {
        Some(Value::String(text)) => Ok(text),
        _ if block.rows() > 0 => Ok(block.value(0).to_text()),
        _ => Ok::<_, FunctionError>(String::new()),
    };
    let values: Vec<Block> = keys.iter().skip(1).step_by(2).cloned().collect();
    context
        .dimensions
        .table(&text(table)?)?
        .values(&text(column)?, &values)
}

#[cfg(test)]
mod tests {
    use common::Values;

    use super::*;
    use crate::scalar::{Role, bind};

    struct Doubled;

    impl DimensionTables for Doubled {
        fn table(&self, name: &str) -> Result<Arc<dyn DimensionTable>, FunctionError> {
            if name == "d" {
                Ok(Arc::new(Self))
            } else {
                Err(missing(name))
            }
        }
    }

    impl DimensionTable for Doubled {
        fn values(&self, _: &str, keys: &[Block]) -> Result<Block, FunctionError> {
            let rows = (0..keys[0].rows()).map(|row| keys[0].value(row).as_i64().unwrap_or(0) * 2);
            Ok(Block::new(DataType::Long, Values::Long(rows.collect())))
        }
    }

    #[test]
    fn answers_from_the_tables_of_its_context() -> Result<(), FunctionError> {
        let text = |text: &str| Block::constant(DataType::String, &Value::String(text.into()), 2);
        let keys = Block::new(DataType::Int, Values::Int(vec![3, 4]));
        let blocks = [text("LONG"), text("d"), text("v"), text("k"), keys];
        let arguments: Vec<Argument> = blocks
            .iter()
            .map(|block| Argument {
                column_type: block.column_type(),
                literal: block.constant_value(),
            })
            .collect();
        let bound = bind(LOOKUP, &arguments, Role::Transform)?;
        let context = EvalContext::at(0);
        assert!(bound.call(&blocks, 2, &context).is_err());
        context.dimensions.set(Arc::new(Doubled));
        let answer = bound.call(&blocks, 2, &context)?;
        assert_eq!(answer.value(1), Value::Long(8));
        assert!(bind(LOOKUP, &arguments[1..], Role::Transform).is_err());
        Ok(())
    }
}
