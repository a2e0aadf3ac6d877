//! Logic and choice: AND, OR, NOT, IS TRUE, IS NULL, COALESCE, NULLIF, CASE.
//!
//! Must not know: the query's null mode; without null handling no block carries nulls and everything is two-valued.
//! Invariant: these kernels see nulls and decide themselves.

use common::{Block, ColumnType, DataType, Value, Values};

use super::math::wider;
use super::{Argument, Family, NullRule, Param, Params, ROW, Returns, ScalarFunction, param};
use crate::FunctionError;

type Answer = Result<Block, FunctionError>;
type Names = &'static [&'static str];
type Example = (&'static str, &'static str);
type Kernel = fn(&[Block], &super::EvalContext) -> Answer;

const BOOLEAN: ColumnType = ColumnType::sv(DataType::Boolean);

const fn test(
    names: Names,
    param: &'static [Param],
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params: Params::Fixed(param),
        returns: Returns::Is(BOOLEAN),
        nulls: NullRule::Sees,
        doc,
        example,
        eval,
        ..ROW
    }
}

const ONE: &[Param] = &[param::BOOLEAN];

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Logic and choice",
    functions: &[
        ScalarFunction {
            params: Params::Variadic {
                params: ONE,
                min: 1,
            },
            ..test(
                &["and"],
                ONE,
                "False where one is false, else null where one is null.",
                ("\"and\"(true, false)", "false"),
                |a, _| connect(a, 0),
            )
        },
        ScalarFunction {
            params: Params::Variadic {
                params: ONE,
                min: 1,
            },
            ..test(
                &["or"],
                ONE,
                "True where one is true, else null where one is null.",
                ("\"or\"(true, false)", "true"),
                |a, _| connect(a, 1),
            )
        },
        ScalarFunction {
            nulls: NullRule::NullInNullOut,
            ..test(
                &["not"],
                ONE,
                "The other truth value; null for null.",
                ("\"not\"(true)", "false"),
                |a, _| flags(a, |value| value == Some(false)),
            )
        },
        test(
            &["istrue"],
            ONE,
            "True for true only.",
            ("is_true(true)", "true"),
            |a, _| flags(a, |value| value == Some(true)),
        ),
        test(
            &["isnottrue"],
            ONE,
            "True for false and null.",
            ("is_not_true(true)", "false"),
            |a, _| flags(a, |value| value != Some(true)),
        ),
        test(
            &["isfalse"],
            ONE,
            "True for false only.",
            ("is_false(true)", "false"),
            |a, _| flags(a, |value| value == Some(false)),
        ),
        test(
            &["isnotfalse"],
            ONE,
            "True for true and null.",
            ("is_not_false(true)", "true"),
            |a, _| flags(a, |value| value != Some(false)),
        ),
        test(
            &["isnull"],
            &[Param::Any],
            "True for null.",
            ("is_null(1)", "false"),
            |a, _| Ok(null_flags(&a[0], true)),
        ),
        test(
            &["isnotnull"],
            &[Param::Any],
            "False for null.",
            ("is_not_null(1)", "true"),
            |a, _| Ok(null_flags(&a[0], false)),
        ),
        ScalarFunction {
            names: &["coalesce"],
            params: Params::Variadic {
                params: &[Param::Any],
                min: 1,
            },
            returns: Returns::Infer(coalesced_type),
            nulls: NullRule::Sees,
            doc: "The first argument that is not null.",
            example: ("coalesce(NULL, 'z')", "z"),
            eval: |a, _| coalesce(a),
            ..ROW
        },
        ScalarFunction {
            names: &["nullif"],
            params: Params::Fixed(&[Param::Any, Param::Any]),
            returns: Returns::Argument(0),
            nulls: NullRule::Sees,
            doc: "Null where both are equal, else the first.",
            example: ("nullIf(1, 2)", "1"),
            eval: |a, _| null_if(a),
            ..ROW
        },
        ScalarFunction {
            names: &["case", "casewhen"],
            params: Params::Variadic {
                params: &[Param::Any],
                min: 2,
            },
            returns: Returns::Infer(case_type),
            check: single_branches,
            nulls: NullRule::Sees,
            doc: "Arguments: condition, value, condition, value, ..., else value. The value of the first true condition.",
            example: ("caseWhen(1 = 2, 'a', 'b')", "b"),
            eval: |a, _| case(a),
            ..ROW
        },
    ],
};

/// The truth values of a BOOLEAN block's elements, `None` for null.
fn truth(block: &Block, row: usize) -> Result<Option<bool>, FunctionError> {
    let Values::Int(values) = block.values() else {
        return Err(super::numbers::not_numeric());
    };
    Ok((!block.is_null(row)).then(|| values[block.at(row)] != 0))
}

fn flags(args: &[Block], test: impl Fn(Option<bool>) -> bool) -> Answer {
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        out.push(i32::from(test(truth(&args[0], row)?)));
    }
    Ok(Block::new(BOOLEAN, Values::Int(out)))
}

/// AND with `deciding` 0, OR with `deciding` 1.
fn connect(args: &[Block], deciding: i32) -> Answer {
    let rows = args[0].rows();
    let mut out = vec![1 - deciding; rows];
    let mut nulls = vec![false; rows];
    for block in args {
        let Values::Int(values) = block.values() else {
            return Err(super::numbers::not_numeric());
        };
        for row in 0..rows {
            let at = block.at(row);
            if block.nulls().is_some_and(|n| n[at]) {
                nulls[row] = true;
            } else if (values[at] != 0) == (deciding != 0) {
                out[row] = deciding;
            }
        }
    }
    for row in 0..rows {
        nulls[row] &= out[row] != deciding;
    }
    Ok(Block::new(BOOLEAN, Values::Int(out)).with_nulls(Some(nulls)))
}

fn null_flags(block: &Block, wanted: bool) -> Block {
    let out = (0..block.rows())
        .map(|row| i32::from(block.is_null(row) == wanted))
        .collect();
    Block::new(BOOLEAN, Values::Int(out))
}

/// The first argument's type where the others fit into it, else STRING, as the single-stage engine shows it.
fn coalesced_type(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let mut typed = arguments
        .iter()
        .map(|a| a.column_type)
        .filter(|t| t.data_type != DataType::Unknown);
    let Some(first) = typed.next() else {
        return Ok(ColumnType::sv(DataType::Unknown));
    };
    let text = ColumnType::sv(DataType::String);
    let mut answer = first;
    for next in typed {
        if next == answer {
            continue;
        }
        answer = match (answer.data_type.is_numeric(), next.data_type.is_numeric()) {
            _ if answer.multi || next.multi => {
                return Err(FunctionError::Argument(format!(
                    "coalesce of `{answer}` and `{next}`: arrays have no common type with others"
                )));
            }
            (true, true) => wider(answer, next).unwrap_or(answer),
            _ => text,
        };
    }
    Ok(answer)
}

/// Numbers stay apart from their printed form where TIMESTAMP becomes text: it shows its milliseconds there.
fn as_type(block: &Block, to: ColumnType) -> Result<Block, FunctionError> {
    let from = block.column_type();
    if from.data_type == DataType::Unknown {
        return Ok(super::lift::all_null(to, block.rows()));
    }
    if from.data_type == DataType::Timestamp && to.data_type == DataType::String {
        return Ok(block.clone().retyped(DataType::Long).cast(to)?);
    }
    Ok(block.cast(to)?)
}

fn coalesce(args: &[Block]) -> Answer {
    let arguments: Vec<Argument> = args.iter().map(argument).collect();
    let to = coalesced_type(&arguments)?;
    let blocks = as_types(args, to)?;
    let rows = args[0].rows();
    if blocks[0].nulls().is_none() {
        return Ok(blocks
            .into_iter()
            .next()
            .unwrap_or_else(|| super::lift::all_null(to, rows)));
    }
    Ok(pick(&blocks, to, rows, |row| {
        blocks.iter().position(|block| !block.is_null(row))
    }))
}

/// The argument as binding saw it. Calls with literals alone come as columns of one row.
fn argument(block: &Block) -> Argument {
    Argument {
        column_type: block.column_type(),
        literal: (block.values().len() == 1).then(|| block.value(0)),
    }
}

fn as_types(args: &[Block], to: ColumnType) -> Result<Vec<Block>, FunctionError> {
    args.iter().map(|block| as_type(block, to)).collect()
}

/// Takes each row from the block that `which` names, null where it names none.
fn pick(
    blocks: &[Block],
    to: ColumnType,
    rows: usize,
    which: impl Fn(usize) -> Option<usize>,
) -> Block {
    let mut values = Values::empty_of(to);
    let mut nulls = Vec::with_capacity(rows);
    for row in 0..rows {
        match which(row).map(|index| &blocks[index]) {
            Some(block) if !block.is_null(row) => {
                values.push_from(block.values(), block.at(row));
                nulls.push(false);
            }
            _ => {
                values.push_placeholder();
                nulls.push(true);
            }
        }
    }
    Block::new(to, values).with_nulls(Some(nulls))
}

fn null_if(args: &[Block]) -> Answer {
    let to = args[0].column_type();
    let rows = args[0].rows();
    let same = super::comparison::same(args)?;
    Ok(pick(&args[..1], to, rows, |row| (!same[row]).then_some(0)))
}

/// Positions of the values among the arguments of CASE: every second one, and the last where the number is odd.
fn branches(count: usize) -> impl Iterator<Item = usize> {
    (0..count).filter(move |i| i % 2 == 1 || (*i + 1 == count && count % 2 == 1))
}

/// The common type of the branches: numbers widen, a text literal takes the others' type where it can be read as one.
fn case_type(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let mut answer: Option<ColumnType> = None;
    let all: Vec<&Argument> = branches(arguments.len()).map(|i| &arguments[i]).collect();
    let text_literal = |a: &Argument| matches!(a.literal, Some(Value::String(_)));
    let (texts, others): (Vec<&Argument>, Vec<&Argument>) =
        all.into_iter().partition(|a| text_literal(a));
    for argument in others {
        let next = argument.column_type;
        if next.data_type == DataType::Unknown {
            continue;
        }
        answer = Some(match answer {
            None => next,
            Some(so_far) => wider(so_far, next).ok_or_else(|| {
                FunctionError::Argument(format!("Cannot upcast from {so_far} to {next}"))
            })?,
        });
    }
    let Some(answer) = answer else {
        let any_text = !texts.is_empty();
        let none = if any_text {
            DataType::String
        } else {
            DataType::Unknown
        };
        return Ok(ColumnType::sv(none));
    };
    for text in texts {
        let literal = text.literal.clone().unwrap_or_default();
        if literal.cast(answer.data_type).is_err() {
            let literal = literal.to_text();
            return Err(FunctionError::Argument(format!(
                "Invalid literal: {literal} for {answer}"
            )));
        }
    }
    Ok(answer)
}

fn single_branches(arguments: &[Argument]) -> Result<(), FunctionError> {
    if branches(arguments.len()).any(|i| arguments[i].column_type.multi) {
        return Err(FunctionError::Argument(
            "Unsupported multi-value expression in THEN/ELSE clause".to_owned(),
        ));
    }
    Ok(())
}

/// A condition's values, of which only 1 is true: those of an INT count as they are.
fn condition(block: &Block) -> Answer {
    if block.column_type() == ColumnType::sv(DataType::Int) {
        return Ok(block.clone());
    }
    Ok(block.cast(BOOLEAN)?)
}

fn case(args: &[Block]) -> Answer {
    let arguments: Vec<Argument> = args.iter().map(argument).collect();
    let to = case_type(&arguments)?;
    let rows = args[0].rows();
    let positions: Vec<usize> = branches(args.len()).collect();
    let conditions = args.len() / 2;
    let otherwise = (args.len() % 2 == 1).then_some(conditions);
    let mut chosen: Vec<Option<usize>> = vec![None; rows];
    for branch in 0..conditions {
        let condition = condition(&args[branch * 2])?;
        let Values::Int(flags) = condition.values() else {
            return Err(super::numbers::not_numeric());
        };
        for (row, slot) in chosen.iter_mut().enumerate() {
            if slot.is_none() && flags[condition.at(row)] == 1 && !condition.is_null(row) {
                *slot = Some(branch);
            }
        }
    }
    let of_row = |row: usize| chosen[row].or(otherwise);
    let values: Vec<Block> = positions
        .iter()
        .enumerate()
        .map(|(branch, at)| branch_as(&args[*at], to, rows, &|row| of_row(row) == Some(branch)))
        .collect::<Result<_, _>>()?;
    Ok(pick(&values, to, rows, of_row))
}

/// A branch in the type of all of them: a value that has no form in it matters only where it is chosen.
fn branch_as(
    branch: &Block,
    to: ColumnType,
    rows: usize,
    is_chosen: &dyn Fn(usize) -> bool,
) -> Answer {
    let whole = as_type(branch, to);
    if whole.is_ok() || branch.is_constant() {
        return whole;
    }
    let values: Vec<Value> = (0..rows)
        .map(|row| match is_chosen(row) {
            true => branch.value(row),
            false => Value::Null,
        })
        .collect();
    as_type(&Block::from_values(branch.column_type(), &values), to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{EvalContext, Role, bind};

    fn call(name: &str, args: &[Block]) -> Answer {
        let arguments: Vec<Argument> = args.iter().map(argument).collect();
        bind(name, &arguments, Role::Scalar)?.call(args, args[0].rows(), &EvalContext::at(0))
    }

    fn truths(values: &[Option<bool>]) -> Block {
        let values: Vec<Value> = values
            .iter()
            .map(|v| v.map_or(Value::Null, Value::Boolean))
            .collect();
        Block::from_values(DataType::Boolean, &values)
    }

    fn rows(block: &Block) -> Vec<Value> {
        (0..block.rows()).map(|row| block.value(row)).collect()
    }

    #[test]
    fn logic_is_three_valued() -> Result<(), FunctionError> {
        use Value::{Boolean, Null};
        let a = truths(&[Some(true), Some(false), None]);
        let b = truths(&[None, None, Some(true)]);
        assert_eq!(
            rows(&call("and", &[a.clone(), b.clone()])?),
            [Null, Boolean(false), Null]
        );
        assert_eq!(
            rows(&call("or", &[a.clone(), b])?),
            [Boolean(true), Null, Boolean(true)]
        );
        assert_eq!(
            rows(&call("not", std::slice::from_ref(&a))?),
            [Boolean(false), Boolean(true), Null]
        );
        assert_eq!(
            rows(&call("is_not_true", std::slice::from_ref(&a))?),
            [Boolean(false), Boolean(true), Boolean(true)]
        );
        assert_eq!(
            rows(&call("isNull", &[a])?),
            [Boolean(false), Boolean(false), Boolean(true)]
        );
        Ok(())
    }

    #[test]
    fn case_widens_and_reads_text() -> Result<(), FunctionError> {
        let when = truths(&[Some(true), Some(false), None]);
        let int = Block::new(DataType::Int, Values::Int(vec![1, 2, 3]));
        let real = Block::constant(DataType::Double, &Value::Double(2.5), 3);
        let text = Block::constant(DataType::String, &Value::String("7".into()), 3);
        let word = Block::constant(DataType::String, &Value::String("x".into()), 3);
        let answer = call("case", &[when.clone(), int.clone(), real])?;
        assert_eq!(
            rows(&answer),
            [Value::Double(1.0), Value::Double(2.5), Value::Double(2.5)]
        );
        let answer = call("case", &[when.clone(), int.clone(), text])?;
        assert_eq!(rows(&answer), [Value::Int(1), Value::Int(7), Value::Int(7)]);
        let answer = call("case", &[when.clone(), int.clone()])?;
        assert_eq!(rows(&answer), [Value::Int(1), Value::Null, Value::Null]);
        assert!(call("case", &[when, int, word]).is_err());
        Ok(())
    }

    #[test]
    fn coalesce_and_nullif() -> Result<(), FunctionError> {
        let a = Block::from_values(DataType::Int, &[Value::Int(1), Value::Null]);
        let b = Block::constant(DataType::Long, &Value::Long(-1), 2);
        let answer = call("coalesce", &[a.clone(), b])?;
        assert_eq!(rows(&answer), [Value::Long(1), Value::Long(-1)]);
        let one = Block::constant(DataType::Int, &Value::Int(1), 2);
        assert_eq!(
            rows(&call("nullif", &[a, one])?),
            [Value::Null, Value::Null]
        );
        // The smallest difference is one.
        let small = Block::from_values(
            DataType::Double,
            &[Value::Double(1e-12), Value::Double(-0.0)],
        );
        let zero = Block::constant(DataType::Int, &Value::Int(0), 2);
        assert_eq!(
            rows(&call("nullif", &[small, zero])?),
            [Value::Double(1e-12), Value::Null]
        );
        let time = Block::new(DataType::Timestamp, Values::Long(vec![5]));
        let zero = Block::constant(DataType::Int, &Value::Int(0), 1);
        assert_eq!(
            rows(&call("coalesce", &[time, zero])?),
            [Value::String("5".into())]
        );
        Ok(())
    }
}
