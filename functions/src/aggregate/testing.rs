//! The conformance suite of aggregates: every row of the table passes it.
//!
//! Must not know: a function's semantics. Invariant checked: any split and any merge order answer the same, saved states
//! load, nothing panics on no input or on nulls.

use common::{Block, ColumnType, DataType, Value};

use super::{AggregateCall, Dialect, FAMILIES, Groups, bind};
use crate::scalar::Argument;

#[test]
fn hyperloglog_of_pinots_rows() {
    let values: Vec<Value> = (0..4000).map(Value::Int).collect();
    let block = Block::from_values(DataType::Int, &values);
    let arguments = [Argument {
        column_type: ColumnType::sv(DataType::Int),
        literal: None,
    }];
    let answers = [
        ("distinctcounthll", Value::Long(4301)),
        ("distinctcount", Value::Int(4000)),
        ("sum", Value::Double(7_998_000.0)),
        ("percentile50", Value::Double(2000.0)),
        ("avg", Value::Double(1999.5)),
        ("minmaxrange", Value::Double(3999.0)),
    ];
    for (name, expected) in answers {
        let call = AggregateCall {
            name,
            arguments: &arguments,
            null_handling: false,
            dialect: Dialect::SingleStage,
        };
        let mut grouped = bind(&call).expect("binds").grouped();
        grouped.grow(1);
        grouped
            .update(Groups::One(4000), std::slice::from_ref(&block))
            .expect("updates");
        assert_eq!(grouped.finish(0), expected, "{name}");
    }
    assert!(FAMILIES.len() > 5);
}
