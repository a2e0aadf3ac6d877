//! Membership in a serialised id set, and functions that are always refused.
//!
//! Must not know: how id sets are stored. Invariant: a literal id set is read once per block.

use common::{Block, ColumnType, DataType, Values};

use super::lift::{Rows, Text};
use super::{Family, Param, Params, ROW, Returns, ScalarFunction, param};
use crate::FunctionError;
use crate::id_set::IdSet;

/// The functions of this file.
pub(crate) static FAMILY: Family = Family {
    title: "Membership",
    functions: &[
        ScalarFunction {
            names: &["inidset"],
            params: Params::Fixed(&[Param::Any, param::TEXT]),
            returns: Returns::Is(ColumnType::sv(DataType::Boolean)),
            doc: "Whether the value is in a set that ID_SET answered.",
            example: ("inIdSet(1, 'AA==')", "false"),
            eval: |args, _| in_id_set(args),
            ..ROW
        },
        ScalarFunction {
            names: &["groovy"],
            params: Params::Variadic {
                params: &[Param::Any],
                min: 0,
            },
            returns: Returns::Infer(|_| {
                Err(FunctionError::Argument(
                    "Groovy transform functions are disabled for queries".to_owned(),
                ))
            }),
            doc: "Scripts are not run; every call is refused.",
            ..ROW
        },
    ],
};

fn in_id_set(args: &[Block]) -> Result<Block, FunctionError> {
    let sets = Rows::<Text>::of(&args[1])?;
    let mut last: Option<(&str, IdSet)> = None;
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        let text = sets.get(row);
        let set = match &last {
            // A literal is one text for all rows, and may have millions of bytes.
            Some((known, set)) if std::ptr::eq(*known, text) || *known == text => set,
            _ => {
                let set = IdSet::from_base64(text)
                    .map_err(|error| FunctionError::Evaluation(error.to_string()))?;
                &last.insert((text, set)).1
            }
        };
        out.push(i32::from(set.contains(&args[0].value(row))));
    }
    Ok(Block::new(DataType::Boolean, Values::Int(out)))
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::{call, text};
    use super::*;
    use common::Value;

    #[test]
    fn values_are_looked_up() -> Result<(), FunctionError> {
        let mut set = IdSet::create(DataType::Int);
        set.add(&Value::Int(7));
        let set = text(&set.to_base64());
        assert_eq!(
            call("IN_ID_SET", &[Value::Int(7), set.clone()])?,
            Value::Boolean(true)
        );
        assert_eq!(
            call("inIdSet", &[Value::Int(8), set])?,
            Value::Boolean(false)
        );
        assert!(call("inIdSet", &[Value::Int(8), text("?")]).is_err());
        assert_eq!(
            call("groovy", &[text("{}"), text("1")]).map_err(|e| e.to_string()),
            Err("Groovy transform functions are disabled for queries".into())
        );
        Ok(())
    }
}
