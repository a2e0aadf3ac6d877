//! Vector functions over FLOAT arrays.
//!
//! Must not know: vector indexes. Invariant: elements combine as FLOAT and sum up as DOUBLE, in order, as Pinot does;
//! vectors of different lengths are an error.

use common::{Block, ColumnType, DataType, Values};

use super::lift::{Double, Rows, arrays};
use super::{Family, Params, ROW, Returns, ScalarFunction, param};
use crate::FunctionError;

type Fallible<T> = Result<T, FunctionError>;

const TWO: Params = Params::Fixed(&[param::FLOATS, param::FLOATS]);
const DOUBLE: Returns = Returns::Is(ColumnType::sv(DataType::Double));

/// The functions of this file.
pub(crate) static FAMILY: Family = Family {
    title: "Vectors",
    functions: &[
        ScalarFunction {
            names: &["cosinedistance"],
            params: TWO,
            returns: DOUBLE,
            doc: "1 minus the cosine of the angle; NaN where a vector is zero.",
            example: ("cosineDistance(ARRAY[1.0, 0.0], ARRAY[0.0, 1.0])", "1.0"),
            eval: |args, _| pairs(args, |_, a, b| cosine_distance(a, b).unwrap_or(f64::NAN)),
            ..ROW
        },
        ScalarFunction {
            names: &["cosinedistance"],
            params: Params::Fixed(&[param::FLOATS, param::FLOATS, param::DOUBLE]),
            returns: DOUBLE,
            doc: "The same with a default for zero vectors.",
            example: (
                "cosineDistance(ARRAY[0.0, 0.0], ARRAY[1.0, 2.0], 7.5)",
                "7.5",
            ),
            eval: |args, _| {
                let defaults = Rows::<Double>::of(&args[2])?;
                pairs(args, |row, a, b| {
                    cosine_distance(a, b).unwrap_or_else(|| defaults.get(row))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["innerproduct", "dotproduct"],
            params: TWO,
            returns: DOUBLE,
            doc: "The sum of the products of the elements.",
            example: (
                "dotProduct(ARRAY[1.0, 2.0, 3.0], ARRAY[4.0, -5.0, 6.0])",
                "12.0",
            ),
            eval: |args, _| pairs(args, |_, a, b| inner_product(a, b)),
            ..ROW
        },
        ScalarFunction {
            names: &["l1distance"],
            params: TWO,
            returns: DOUBLE,
            doc: "The sum of the absolute differences.",
            example: (
                "l1Distance(ARRAY[1.0, 2.0, 3.0], ARRAY[4.0, -5.0, 6.0])",
                "13.0",
            ),
            eval: |args, _| {
                pairs(args, |_, a, b| {
                    a.iter().zip(b).map(|(x, y)| f64::from((x - y).abs())).sum()
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["l2distance"],
            params: TWO,
            returns: DOUBLE,
            doc: "The straight distance.",
            example: ("l2Distance(ARRAY[0.0, 0.0], ARRAY[3.0, 4.0])", "5.0"),
            eval: |args, _| pairs(args, |_, a, b| squared_distance(a, b).sqrt()),
            ..ROW
        },
        ScalarFunction {
            names: &["euclideandistance"],
            params: TWO,
            returns: DOUBLE,
            doc: "The square of the straight distance, without the root.",
            example: (
                "euclideanDistance(ARRAY[1.0, 2.0, 3.0], ARRAY[4.0, -5.0, 6.0])",
                "67.0",
            ),
            eval: |args, _| pairs(args, |_, a, b| squared_distance(a, b)),
            ..ROW
        },
        ScalarFunction {
            names: &["vectordims"],
            params: Params::Fixed(&[param::FLOATS]),
            returns: Returns::Is(ColumnType::sv(DataType::Int)),
            doc: "The number of elements.",
            example: ("vectorDims(ARRAY[1.0, 2.0, 3.0])", "3"),
            eval: |args, _| {
                let vectors = Vectors::of(&args[0])?;
                let lengths = (0..args[0].rows()).map(|row| vectors.get(row).len() as i32);
                Ok(Block::new(DataType::Int, Values::Int(lengths.collect())))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["vectornorm"],
            params: Params::Fixed(&[param::FLOATS]),
            returns: DOUBLE,
            doc: "The length of the vector.",
            example: ("vectorNorm(ARRAY[3.0, 4.0])", "5.0"),
            eval: |args, _| {
                let vectors = Vectors::of(&args[0])?;
                let norms = (0..args[0].rows()).map(|row| squares(vectors.get(row)).sqrt());
                Ok(Block::new(
                    DataType::Double,
                    Values::Double(norms.collect()),
                ))
            },
            ..ROW
        },
    ],
};

/// The rows of a FLOAT array column.
struct Vectors<'a> {
    block: &'a Block,
    items: &'a [f32],
    array: &'a common::ArrayVec,
}

impl<'a> Vectors<'a> {
    fn of(block: &'a Block) -> Fallible<Self> {
        let array = arrays(block)?;
        match &*array.items {
            Values::Float(items) => Ok(Self {
                block,
                items,
                array,
            }),
            _ => Err(FunctionError::Evaluation(
                "a vector is no FLOAT array".to_owned(),
            )),
        }
    }

    fn get(&self, row: usize) -> &'a [f32] {
        &self.items[self.array.range(self.block.at(row))]
    }
}

fn pairs(args: &[Block], kernel: impl Fn(usize, &[f32], &[f32]) -> f64) -> Fallible<Block> {
    let (left, right) = (Vectors::of(&args[0])?, Vectors::of(&args[1])?);
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        let (a, b) = (left.get(row), right.get(row));
        if a.len() != b.len() {
            return Err(FunctionError::Evaluation(format!(
                "Vector lengths do not match: {} and {}",
                a.len(),
                b.len()
            )));
        }
        out.push(kernel(row, a, b));
    }
    Ok(Block::new(DataType::Double, Values::Double(out)))
}

fn inner_product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum()
}

fn squares(vector: &[f32]) -> f64 {
    vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| {
            let difference = f64::from(x - y);
            difference * difference
        })
        .sum()
}

fn cosine_distance(a: &[f32], b: &[f32]) -> Option<f64> {
    let (left, right) = (squares(a), squares(b));
    (left != 0.0 && right != 0.0).then(|| 1.0 - inner_product(a, b) / (left.sqrt() * right.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::super::json::tests::call;
    use super::*;
    use common::Value;

    fn vector(items: &[f64]) -> Value {
        Value::Array(
            DataType::Double,
            items.iter().map(|i| Value::Double(*i)).collect(),
        )
    }

    #[test]
    fn vectors_answer_as_recorded() -> Fallible<()> {
        let (a, b) = (vector(&[1.0, 2.0, 3.0]), vector(&[4.0, -5.0, 6.0]));
        for (name, expected) in [
            ("dotProduct", 12.0),
            ("innerProduct", 12.0),
            ("l1Distance", 13.0),
            ("l2Distance", 8.18535277187245),
            ("euclideanDistance", 67.0),
            ("cosineDistance", 0.6345130576760964),
        ] {
            assert_eq!(
                call(name, &[a.clone(), b.clone()])?,
                Value::Double(expected),
                "{name}"
            );
        }
        assert_eq!(call("vectorDims", std::slice::from_ref(&a))?, Value::Int(3));
        assert_eq!(
            call("vectorNorm", std::slice::from_ref(&a))?,
            Value::Double(3.7416573867739413)
        );
        let zero = vector(&[0.0, 0.0, 0.0]);
        assert_eq!(
            call(
                "cosineDistance",
                &[zero.clone(), a.clone(), Value::Double(7.5)]
            )?,
            Value::Double(7.5)
        );
        assert!(call("l1Distance", &[a, vector(&[1.0])]).is_err());
        Ok(())
    }
}
