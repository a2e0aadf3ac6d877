//! Kernels whose result is an array.
//!
//! Must not know: names and types of functions, those are rows of [`super::array`].
//! Invariant: every row ends with exactly one `end_row`; no array is longer than [`LONGEST`].

use ahash::HashSet;
use common::{ArrayVec, Block, ColumnType, DataType, Values};

use super::array_read::{compare, key};
use super::lift::{Int, Rows, arrays};
use super::{Argument, EvalContext};
use crate::FunctionError;

type Answer = Result<Block, FunctionError>;

/// No generated array has more elements: a call must not take all memory.
const LONGEST: i64 = 1 << 24;

/// Builds one array a row, of the element type of the first argument.
fn build(
    args: &[Block],
    mut kernel: impl FnMut(usize, &mut Values) -> Result<(), FunctionError>,
) -> Answer {
    let like = arrays(&args[0])?;
    let mut out = ArrayVec {
        offsets: vec![0],
        items: Box::new(like.items.empty_like()),
    };
    for row in 0..args[0].rows() {
        kernel(row, &mut out.items)?;
        out.end_row();
    }
    Ok(Block::new(args[0].column_type(), Values::Array(out)))
}

/// Builds one array a row by copying elements of the first argument, whose places (absolute) the kernel picks.
fn pick(
    args: &[Block],
    mut kernel: impl FnMut(&Values, std::ops::Range<usize>) -> Vec<usize>,
) -> Answer {
    let array = arrays(&args[0])?;
    build(args, |row, out| {
        for i in kernel(&array.items, array.range(args[0].at(row))) {
            out.push_from(&array.items, i);
        }
        Ok(())
    })
}

pub(super) fn reverse(args: &[Block], _: &EvalContext) -> Answer {
    pick(args, |_, range| range.rev().collect())
}

pub(super) fn sort(args: &[Block], _: &EvalContext) -> Answer {
    pick(args, |items, range| {
        let mut places: Vec<usize> = range.collect();
        places.sort_by(|a, b| compare(items, *a, *b));
        places
    })
}

/// Each element of all the arrays once, in order of first appearance.
pub(super) fn once_each(args: &[Block], _: &EvalContext) -> Answer {
    let lists = args.iter().map(arrays).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::default();
    build(args, |row, out| {
        seen.clear();
        for (array, block) in lists.iter().zip(args) {
            for i in array.range(block.at(row)) {
                if seen.insert(key(&array.items, i)) {
                    out.push_from(&array.items, i);
                }
            }
        }
        Ok(())
    })
}

pub(super) fn concat(args: &[Block], _: &EvalContext) -> Answer {
    let (a, b) = (arrays(&args[0])?, arrays(&args[1])?);
    build(args, |row, out| {
        for (array, block) in [(a, &args[0]), (b, &args[1])] {
            for i in array.range(block.at(row)) {
                out.push_from(&array.items, i);
            }
        }
        Ok(())
    })
}

pub(super) fn push_back(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    build(args, |row, out| {
        for i in array.range(args[0].at(row)) {
            out.push_from(&array.items, i);
        }
        out.push_from(args[1].values(), args[1].at(row));
        Ok(())
    })
}

pub(super) fn push_front(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    build(args, |row, out| {
        out.push_from(args[1].values(), args[1].at(row));
        for i in array.range(args[0].at(row)) {
            out.push_from(&array.items, i);
        }
        Ok(())
    })
}

pub(super) fn remove(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    build(args, |row, out| {
        let wanted = key(args[1].values(), args[1].at(row));
        let mut removed = false;
        for i in array.range(args[0].at(row)) {
            if !removed && key(&array.items, i) == wanted {
                removed = true;
            } else {
                out.push_from(&array.items, i);
            }
        }
        Ok(())
    })
}

pub(super) fn intersect_indices(args: &[Block], _: &EvalContext) -> Answer {
    let (a, b) = (arrays(&args[0])?, arrays(&args[1])?);
    build(args, |row, out| {
        let mut theirs = b.range(args[1].at(row)).peekable();
        for i in a.range(args[0].at(row)) {
            let Some(j) = theirs.peek() else { break };
            if key(&a.items, i) == key(&b.items, *j) {
                out.push_from(&a.items, i);
                theirs.next();
            }
        }
        Ok(())
    })
}

pub(super) fn slice(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    let (from, to) = (Rows::<Int>::of(&args[1])?, Rows::<Int>::of(&args[2])?);
    build(args, |row, out| {
        let (from, to) = (i64::from(from.get(row)), i64::from(to.get(row)));
        let range = array.range(args[0].at(row));
        let length = range.len() as i64;
        if from > to {
            return Err(FunctionError::Evaluation(format!("{from} > {to}")));
        }
        if from < 0 || from > length || to - from > LONGEST {
            return Err(FunctionError::Evaluation(format!(
                "slice from `{from}` to `{to}` is outside an array of {length} elements"
            )));
        }
        for place in from..to {
            if place < length {
                out.push_from(&array.items, range.start + place as usize);
            } else if let Values::Text(texts) = out {
                texts.push("null");
            } else {
                out.push_placeholder();
            }
        }
        Ok(())
    })
}

pub(super) fn value_in(args: &[Block], _: &EvalContext) -> Answer {
    let array = arrays(&args[0])?;
    let element = ColumnType::sv(args[0].column_type().data_type);
    let wanted = args[1..]
        .iter()
        .map(|block| block.cast(element))
        .collect::<Result<Vec<_>, _>>()?;
    build(args, |row, out| {
        for i in array.range(args[0].at(row)) {
            let item = key(&array.items, i);
            if wanted
                .iter()
                .any(|block| key(block.values(), block.at(row)) == item)
            {
                out.push_from(&array.items, i);
            }
        }
        Ok(())
    })
}

/// The array type that holds all arguments: the widest number, or their common type.
pub(super) fn constructed_type(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    let mut element = DataType::Unknown;
    for argument in arguments {
        let next = argument.column_type;
        let refused = || {
            FunctionError::Argument(format!(
                "an array cannot hold `{element}` and `{next}` elements"
            ))
        };
        if next.multi {
            return Err(refused());
        }
        element = match (element, next.data_type) {
            (DataType::Unknown, other) | (other, DataType::Unknown) => other,
            (a, b) if a == b => a,
            (a, b) if a.is_numeric() && b.is_numeric() => wider(a, b),
            _ => return Err(refused()),
        };
    }
    Ok(ColumnType::mv(match element {
        DataType::Unknown => DataType::String,
        known => known,
    }))
}

fn wider(a: DataType, b: DataType) -> DataType {
    let rank = |t: DataType| match t {
        DataType::Int => 0,
        DataType::Long => 1,
        DataType::Float => 2,
        DataType::Double => 3,
        _ => 4,
    };
    if rank(a).max(rank(b)) == 2 && a != b {
        return DataType::Double;
    }
    if rank(a) > rank(b) { a } else { b }
}

pub(super) fn construct(args: &[Block], _: &EvalContext) -> Answer {
    let arguments: Vec<Argument> = args
        .iter()
        .map(|block| Argument {
            column_type: block.column_type(),
            literal: None,
        })
        .collect();
    let to = constructed_type(&arguments)?;
    let element = ColumnType::sv(to.data_type);
    let columns = args
        .iter()
        .map(|block| block.cast(element))
        .collect::<Result<Vec<_>, _>>()?;
    let mut out = ArrayVec::empty(to.data_type);
    for row in 0..args[0].rows() {
        for column in &columns {
            out.items.push_from(column.values(), column.at(row));
        }
        out.end_row();
    }
    Ok(Block::new(to, Values::Array(out)))
}

/// `generate*Array`: arithmetic progressions.
pub(super) mod generate {
    use super::{
        Answer, ArrayVec, Block, ColumnType, DataType, EvalContext, FunctionError, Int, LONGEST,
        Rows, Values,
    };
    use crate::scalar::lift::{Double, Float, Long};

    fn refuse(count: impl std::fmt::Display) -> FunctionError {
        FunctionError::Evaluation(format!("an array cannot have `{count}` elements"))
    }

    fn checked(count: i64) -> Result<i64, FunctionError> {
        if (0..=LONGEST).contains(&count) {
            Ok(count)
        } else {
            Err(refuse(count))
        }
    }

    /// The number of steps of a floating-point progression.
    fn steps(span: f64) -> Result<i64, FunctionError> {
        let count = span + 1.0;
        if count < 0.0 || count > LONGEST as f64 {
            Err(refuse(count))
        } else {
            Ok(count as i64)
        }
    }

    macro_rules! progression {
        ($name:ident, $stored:ident, $variant:ident, $data_type:expr, |$a:ident, $b:ident, $step:ident| $count:expr, $next:expr) => {
            pub(in crate::scalar) fn $name(args: &[Block], _: &EvalContext) -> Answer {
                let (start, end, step) = (
                    Rows::<$stored>::of(&args[0])?,
                    Rows::<$stored>::of(&args[1])?,
                    Rows::<$stored>::of(&args[2])?,
                );
                let (mut offsets, mut items) = (vec![0], Vec::new());
                for row in 0..args[0].rows() {
                    let ($a, $b, $step) = (start.get(row), end.get(row), step.get(row));
                    let count = $count?;
                    let mut value = $a;
                    for _ in 0..count {
                        items.push(value);
                        value = $next(value, $step);
                    }
                    offsets.push(items.len() as u32);
                }
                let items = Box::new(Values::$variant(items));
                Ok(Block::new(
                    ColumnType::mv($data_type),
                    Values::Array(ArrayVec { offsets, items }),
                ))
            }
        };
    }

    fn by_zero<T>() -> Result<T, FunctionError> {
        Err(FunctionError::Evaluation("/ by zero".to_owned()))
    }

    progression!(
        ints,
        Int,
        Int,
        DataType::Int,
        |a, b, step| if step == 0 {
            by_zero()
        } else {
            checked(i64::from(
                b.wrapping_sub(a).wrapping_div(step).wrapping_add(1),
            ))
        },
        i32::wrapping_add
    );
    progression!(
        longs,
        Long,
        Long,
        DataType::Long,
        |a, b, step| if step == 0 {
            by_zero()
        } else {
            checked(b.wrapping_sub(a).wrapping_div(step).wrapping_add(1))
        },
        i64::wrapping_add
    );
    progression!(
        floats,
        Float,
        Float,
        DataType::Float,
        |a, b, step| steps(f64::from((b - a) / step)),
        std::ops::Add::add
    );
    progression!(
        doubles,
        Double,
        Double,
        DataType::Double,
        |a, b, step| steps((b - a) / step),
        std::ops::Add::add
    );
}

#[cfg(test)]
mod tests {
    use common::Value;

    use super::*;
    use crate::scalar::{Role, bind};

    pub(crate) fn call(name: &str, values: &[Value]) -> Result<Value, FunctionError> {
        let arguments: Vec<Argument> = values
            .iter()
            .map(|v| Argument {
                column_type: v.column_type(),
                literal: Some(v.clone()),
            })
            .collect();
        let blocks: Vec<Block> = values
            .iter()
            .map(|v| Block::constant(v.column_type(), v, 1))
            .collect();
        let answer = bind(name, &arguments, Role::Scalar)?.call(&blocks, 1, &EvalContext::at(0))?;
        Ok(answer.value(0))
    }

    fn ints(items: &[i32]) -> Value {
        Value::Array(
            DataType::Int,
            items.iter().map(|i| Value::Int(*i)).collect(),
        )
    }

    fn texts(items: &[&str]) -> Value {
        let items = items.iter().map(|i| Value::String((*i).to_owned()));
        Value::Array(DataType::String, items.collect())
    }

    #[test]
    fn recorded_answers() -> Result<(), FunctionError> {
        let int = Value::Int;
        assert_eq!(
            call("arraySliceInt", &[ints(&[1, 2, 3]), int(1), int(9)])?,
            ints(&[2, 3, 0, 0, 0, 0, 0, 0])
        );
        assert_eq!(
            call("generateIntArray", &[int(5), int(1), int(-2)])?,
            ints(&[5, 3, 1])
        );
        assert_eq!(
            call("arrayRemoveInt", &[ints(&[1, 2, 1]), int(1)])?,
            ints(&[2, 1])
        );
        assert_eq!(
            call("arrayUnionInt", &[ints(&[1, 2, 2]), ints(&[2, 3])])?,
            ints(&[1, 2, 3])
        );
        assert_eq!(
            call("arraySortString", &[texts(&["b", "a", "B"])])?,
            texts(&["B", "a", "b"])
        );
        assert_eq!(
            call("arrayElementAtInt", &[ints(&[5, 6]), int(-1)])?,
            int(0)
        );
        assert_eq!(call("arraySumInt", &[ints(&[i32::MAX, 1])])?, int(i32::MIN));
        assert_eq!(call("arrayMax", &[ints(&[7, 9, 3])])?, int(9));
        assert_eq!(
            call("valueIn", &[ints(&[4, 3, 6, 6]), int(3), int(6)])?,
            ints(&[3, 6, 6])
        );
        assert_eq!(call("array", &[int(1), Value::Long(2)])?.to_text(), "[1,2]");
        Ok(())
    }

    #[test]
    fn refusals() {
        let int = Value::Int;
        let zero = call("generateIntArray", &[int(1), int(5), int(0)]);
        assert_eq!(zero.map_err(|e| e.to_string()), Err("/ by zero".to_owned()));
        assert!(call("generateIntArray", &[int(5), int(1), int(2)]).is_err());
        assert!(
            call(
                "generateDoubleArray",
                &[Value::Double(0.0), Value::Double(1.0), Value::Double(0.0)]
            )
            .is_err()
        );
        assert!(call("arraySliceInt", &[ints(&[1]), int(0), int(i32::MAX)]).is_err());
        assert!(call("arrayLength", &[int(1)]).is_err());
    }
}
