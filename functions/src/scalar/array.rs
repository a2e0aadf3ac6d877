//! Functions over arrays (multi-values): the table. Kernels are in [`super::array_read`] and [`super::array_build`].
//!
//! Must not know: columns or dictionaries.
//! Invariant: an index beyond an array answers the element type's placeholder, never an error, except where Java's array
//! copy refuses the bounds.

use common::{Block, ColumnType, DataType};

use super::array_build::{
    concat, construct, generate, intersect_indices, once_each, push_back, push_front, remove,
    reverse, slice, sort, value_in,
};
use super::array_read::{
    contains, doubles, element_at, extreme, index_of, indexes_of, length, map_value, sum_int,
    sum_long, to_text,
};
use super::param::{DOUBLE, DOUBLES, FLOAT, FLOATS, INT, INTS, LONG, LONGS, TEXT, TEXTS};
use super::{Argument, EvalContext, Family, Param, Params, ROW, Returns, ScalarFunction};
use crate::FunctionError;

/// The family's table.
pub(crate) static FAMILY: Family = Family {
    title: "Arrays",
    functions: FUNCTIONS,
};

type Answer = Result<Block, FunctionError>;

const ANY_ONE: Params = Params::Fixed(&[Param::Any]);
const BOOL: Returns = Returns::Is(ColumnType::sv(DataType::Boolean));
const AS_FIRST: Returns = Returns::Argument(0);

const fn sv(data_type: DataType) -> Returns {
    Returns::Is(ColumnType::sv(data_type))
}

const fn mv(data_type: DataType) -> Returns {
    Returns::Is(ColumnType::mv(data_type))
}

/// A row whose names, parameters, result, text and kernel are all there is to say.
const fn row(
    names: &'static [&'static str],
    params: Params,
    returns: Returns,
    text: [&'static str; 3],
    eval: fn(&[Block], &EvalContext) -> Answer,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params,
        returns,
        doc: text[0],
        example: (text[1], text[2]),
        eval,
        ..ROW
    }
}

/// One row for each element type, which only the name and the parameters tell apart.
macro_rules! typed {
    ($name:literal, [$($param:expr),*], $returns:expr, $doc:literal, $example:expr, $eval:expr) => {
        row(&[$name], Params::Fixed(&[$($param),*]), $returns, [$doc, $example.0, $example.1], $eval)
    };
}

const NONE: (&str, &str) = ("", "");

static FUNCTIONS: &[ScalarFunction] = &[
    row(
        &["arraylength", "cardinality"],
        ANY_ONE,
        Returns::Infer(|a| multi(a, "ARRAYLENGTH").map(|_| ColumnType::sv(DataType::Int))),
        ["Number of elements.", "arrayLength(ARRAY['a', 'b'])", "2"],
        length,
    ),
    row(
        &["arraysum"],
        ANY_ONE,
        Returns::Infer(|a| multi_number(a, "ARRAYSUM").map(|_| ColumnType::sv(DataType::Double))),
        [
            "Sum of the elements as DOUBLE.",
            "arraySum(ARRAY[1, 2])",
            "3.0",
        ],
        |args, _| doubles(args, |sum, _| sum),
    ),
    row(
        &["arrayaverage"],
        ANY_ONE,
        Returns::Infer(|a| {
            multi_number(a, "ARRAYAVERAGE").map(|_| ColumnType::sv(DataType::Double))
        }),
        [
            "Average of the elements; NaN for none.",
            "arrayAverage(ARRAY[1, 2])",
            "1.5",
        ],
        |args, _| doubles(args, |sum, count| sum / count as f64),
    ),
    row(
        &["arraymin"],
        ANY_ONE,
        Returns::Infer(|a| multi(a, "ARRAYMIN").map(ColumnType::sv)),
        ["Smallest element.", "arrayMin(ARRAY[3, 1, 2])", "1"],
        |args, _| extreme(args, std::cmp::Ordering::Less),
    ),
    row(
        &["arraymax"],
        ANY_ONE,
        Returns::Infer(|a| multi(a, "ARRAYMAX").map(ColumnType::sv)),
        ["Greatest element.", "arrayMax(ARRAY[3, 1, 2])", "3"],
        |args, _| extreme(args, std::cmp::Ordering::Greater),
    ),
    typed!(
        "arraysumint",
        [INTS],
        sv(DataType::Int),
        "Sum of INT elements, wrapping.",
        ("arraySumInt(ARRAY[1, 2])", "3"),
        sum_int
    ),
    typed!(
        "arraysumlong",
        [LONGS],
        sv(DataType::Long),
        "Sum of LONG elements, wrapping.",
        ("arraySumLong(ARRAY[1, 2])", "3"),
        sum_long
    ),
    typed!(
        "arrayreverseint",
        [INTS],
        AS_FIRST,
        "The elements in reverse order.",
        ("arrayReverseInt(ARRAY[1, 2])", "[2,1]"),
        reverse
    ),
    typed!(
        "arrayreversestring",
        [TEXTS],
        AS_FIRST,
        "The elements in reverse order.",
        ("arrayReverseString(ARRAY['a', 'b'])", "[b,a]"),
        reverse
    ),
    typed!(
        "arraysortint",
        [INTS],
        AS_FIRST,
        "The elements in ascending order.",
        ("arraySortInt(ARRAY[3, 1, 2])", "[1,2,3]"),
        sort
    ),
    typed!(
        "arraysortstring",
        [TEXTS],
        AS_FIRST,
        "The elements in ascending order.",
        ("arraySortString(ARRAY['b', 'a', 'B'])", "[B,a,b]"),
        sort
    ),
    typed!(
        "arraydistinctint",
        [INTS],
        AS_FIRST,
        "Each element once, in order of first appearance.",
        ("arrayDistinctInt(ARRAY[3, 1, 3])", "[3,1]"),
        once_each
    ),
    typed!(
        "arraydistinctstring",
        [TEXTS],
        AS_FIRST,
        "Each element once, in order of first appearance.",
        ("arrayDistinctString(ARRAY['b', 'a', 'b'])", "[b,a]"),
        once_each
    ),
    typed!(
        "arrayindexofint",
        [INTS, INT],
        sv(DataType::Int),
        "Zero-based place of the first equal element, -1 without one.",
        ("arrayIndexOfInt(ARRAY[1, 2], 2)", "1"),
        index_of
    ),
    typed!(
        "arrayindexofstring",
        [TEXTS, TEXT],
        sv(DataType::Int),
        "Zero-based place of the first equal element, -1 without one.",
        ("arrayIndexOfString(ARRAY['a', 'b'], 'b')", "1"),
        index_of
    ),
    typed!(
        "arrayindexesofint",
        [INTS, INT],
        mv(DataType::Int),
        "Zero-based places of all equal elements.",
        ("arrayIndexesOfInt(ARRAY[1, 2, 1], 1)", "[0,2]"),
        indexes_of
    ),
    typed!(
        "arrayindexesoflong",
        [LONGS, LONG],
        mv(DataType::Int),
        "Zero-based places of all equal elements.",
        ("arrayIndexesOfLong(ARRAY[1, 2, 1], 1)", "[0,2]"),
        indexes_of
    ),
    typed!(
        "arrayindexesoffloat",
        [FLOATS, FLOAT],
        mv(DataType::Int),
        "Zero-based places of all equal elements.",
        ("arrayIndexesOfFloat(ARRAY[1.5, 2.5], 2.5)", "[1]"),
        indexes_of
    ),
    typed!(
        "arrayindexesofdouble",
        [DOUBLES, DOUBLE],
        mv(DataType::Int),
        "Zero-based places of all equal elements.",
        ("arrayIndexesOfDouble(ARRAY[1.5, 2.5, 1.5], 1.5)", "[0,2]"),
        indexes_of
    ),
    typed!(
        "arrayindexesofstring",
        [TEXTS, TEXT],
        mv(DataType::Int),
        "Zero-based places of all equal elements.",
        ("arrayIndexesOfString(ARRAY['a', 'b'], 'b')", "[1]"),
        indexes_of
    ),
    typed!(
        "intersectindices",
        [INTS, INTS],
        mv(DataType::Int),
        "Values that two ascending arrays share.",
        ("intersectIndices(ARRAY[1, 2, 5], ARRAY[2, 5])", "[2,5]"),
        intersect_indices
    ),
    typed!(
        "arraycontainsint",
        [INTS, INT],
        BOOL,
        "True where an element is equal.",
        ("arrayContainsInt(ARRAY[1, 2], 2)", "true"),
        contains
    ),
    typed!(
        "arraycontainsstring",
        [TEXTS, TEXT],
        BOOL,
        "True where an element is equal.",
        ("arrayContainsString(ARRAY['a', 'b'], 'c')", "false"),
        contains
    ),
    typed!(
        "arraysliceint",
        [INTS, INT, INT],
        AS_FIRST,
        "Elements from a zero-based start to an exclusive end, padded with 0.",
        ("arraySliceInt(ARRAY[1, 2, 3], 1, 4)", "[2,3,0]"),
        slice
    ),
    typed!(
        "arrayslicestring",
        [TEXTS, INT, INT],
        AS_FIRST,
        "Elements from a zero-based start to an exclusive end, padded with null.",
        ("arraySliceString(ARRAY['a', 'b', 'c'], 1, 3)", "[b,c]"),
        slice
    ),
    typed!(
        "arrayremoveint",
        [INTS, INT],
        AS_FIRST,
        "The array without the first equal element.",
        ("arrayRemoveInt(ARRAY[1, 2, 1], 1)", "[2,1]"),
        remove
    ),
    typed!(
        "arrayremovestring",
        [TEXTS, TEXT],
        AS_FIRST,
        "The array without the first equal element.",
        ("arrayRemoveString(ARRAY['a', 'b', 'a'], 'a')", "[b,a]"),
        remove
    ),
    typed!(
        "arrayunionint",
        [INTS, INTS],
        AS_FIRST,
        "Elements of both, each once.",
        ("arrayUnionInt(ARRAY[1, 2, 2], ARRAY[2, 3])", "[1,2,3]"),
        once_each
    ),
    typed!(
        "arrayunionstring",
        [TEXTS, TEXTS],
        AS_FIRST,
        "Elements of both, each once.",
        ("arrayUnionString(ARRAY['a'], ARRAY['a', 'b'])", "[a,b]"),
        once_each
    ),
    typed!(
        "arrayconcatint",
        [INTS, INTS],
        AS_FIRST,
        "The second array behind the first.",
        ("arrayConcatInt(ARRAY[1], ARRAY[1, 2])", "[1,1,2]"),
        concat
    ),
    typed!(
        "arrayconcatlong",
        [LONGS, LONGS],
        AS_FIRST,
        "The second array behind the first.",
        ("arrayConcatLong(ARRAY[1], ARRAY[1, 2])", "[1,1,2]"),
        concat
    ),
    typed!(
        "arrayconcatfloat",
        [FLOATS, FLOATS],
        AS_FIRST,
        "The second array behind the first.",
        ("arrayConcatFloat(ARRAY[1.5], ARRAY[2.5])", "[1.5,2.5]"),
        concat
    ),
    typed!(
        "arrayconcatdouble",
        [DOUBLES, DOUBLES],
        AS_FIRST,
        "The second array behind the first.",
        ("arrayConcatDouble(ARRAY[1.5], ARRAY[2.5])", "[1.5,2.5]"),
        concat
    ),
    typed!(
        "arrayconcatstring",
        [TEXTS, TEXTS],
        AS_FIRST,
        "The second array behind the first.",
        ("arrayConcatString(ARRAY['a'], ARRAY['b'])", "[a,b]"),
        concat
    ),
    typed!(
        "arraypushbackint",
        [INTS, INT],
        AS_FIRST,
        "The array with a value behind it.",
        ("arrayPushBackInt(ARRAY[1], 2)", "[1,2]"),
        push_back
    ),
    typed!(
        "arraypushbacklong",
        [LONGS, LONG],
        AS_FIRST,
        "The array with a value behind it.",
        ("arrayPushBackLong(ARRAY[1], 2)", "[1,2]"),
        push_back
    ),
    typed!(
        "arraypushbackfloat",
        [FLOATS, FLOAT],
        AS_FIRST,
        "The array with a value behind it.",
        ("arrayPushBackFloat(ARRAY[1.5], 2.5)", "[1.5,2.5]"),
        push_back
    ),
    typed!(
        "arraypushbackdouble",
        [DOUBLES, DOUBLE],
        AS_FIRST,
        "The array with a value behind it.",
        ("arrayPushBackDouble(ARRAY[1.5], 2.5)", "[1.5,2.5]"),
        push_back
    ),
    typed!(
        "arraypushbackstring",
        [TEXTS, TEXT],
        AS_FIRST,
        "The array with a value behind it.",
        ("arrayPushBackString(ARRAY['a'], 'b')", "[a,b]"),
        push_back
    ),
    typed!(
        "arraypushfrontint",
        [INTS, INT],
        AS_FIRST,
        "The array with a value before it.",
        ("arrayPushFrontInt(ARRAY[1], 2)", "[2,1]"),
        push_front
    ),
    typed!(
        "arraypushfrontlong",
        [LONGS, LONG],
        AS_FIRST,
        "The array with a value before it.",
        ("arrayPushFrontLong(ARRAY[1], 2)", "[2,1]"),
        push_front
    ),
    typed!(
        "arraypushfrontfloat",
        [FLOATS, FLOAT],
        AS_FIRST,
        "The array with a value before it.",
        ("arrayPushFrontFloat(ARRAY[1.5], 2.5)", "[2.5,1.5]"),
        push_front
    ),
    typed!(
        "arraypushfrontdouble",
        [DOUBLES, DOUBLE],
        AS_FIRST,
        "The array with a value before it.",
        ("arrayPushFrontDouble(ARRAY[1.5], 2.5)", "[2.5,1.5]"),
        push_front
    ),
    typed!(
        "arraypushfrontstring",
        [TEXTS, TEXT],
        AS_FIRST,
        "The array with a value before it.",
        ("arrayPushFrontString(ARRAY['a'], 'b')", "[b,a]"),
        push_front
    ),
    typed!(
        "arrayelementatint",
        [INTS, INT],
        sv(DataType::Int),
        "The element at a one-based place, 0 outside.",
        ("arrayElementAtInt(ARRAY[5, 6], 2)", "6"),
        element_at
    ),
    typed!(
        "arrayelementatlong",
        [LONGS, INT],
        sv(DataType::Long),
        "The element at a one-based place, 0 outside.",
        ("arrayElementAtLong(ARRAY[5, 6], 9)", "0"),
        element_at
    ),
    typed!(
        "arrayelementatfloat",
        [FLOATS, INT],
        sv(DataType::Float),
        "The element at a one-based place, 0.0 outside.",
        ("arrayElementAtFloat(ARRAY[1.5], 1)", "1.5"),
        element_at
    ),
    typed!(
        "arrayelementatdouble",
        [DOUBLES, INT],
        sv(DataType::Double),
        "The element at a one-based place, 0.0 outside.",
        ("arrayElementAtDouble(ARRAY[1.5], 2)", "0.0"),
        element_at
    ),
    typed!(
        "arrayelementatstring",
        [TEXTS, INT],
        sv(DataType::String),
        "The element at a one-based place, empty outside.",
        ("arrayElementAtString(ARRAY['a'], 1)", "a"),
        element_at
    ),
    row(
        &["array", "arrayvalueconstructor"],
        Params::Variadic {
            params: &[Param::Any],
            min: 1,
        },
        Returns::Infer(super::array_build::constructed_type),
        [
            "An array of the arguments.",
            "arrayValueConstructor(1, 2)",
            "[1,2]",
        ],
        construct,
    ),
    typed!(
        "generateintarray",
        [INT, INT, INT],
        mv(DataType::Int),
        "From a start to an inclusive end by a step.",
        ("generateIntArray(5, 1, -2)", "[5,3,1]"),
        generate::ints
    ),
    typed!(
        "generatelongarray",
        [LONG, LONG, LONG],
        mv(DataType::Long),
        "From a start to an inclusive end by a step.",
        ("generateLongArray(1, 10, 3)", "[1,4,7,10]"),
        generate::longs
    ),
    typed!(
        "generatefloatarray",
        [FLOAT, FLOAT, FLOAT],
        mv(DataType::Float),
        "From a start to an inclusive end by a step.",
        ("generateFloatArray(1, 2, 1)", "[1.0,2.0]"),
        generate::floats
    ),
    typed!(
        "generatedoublearray",
        [DOUBLE, DOUBLE, DOUBLE],
        mv(DataType::Double),
        "From a start to an inclusive end by a step.",
        ("generateDoubleArray(0, 0, 1)", "[0.0]"),
        generate::doubles
    ),
    typed!(
        "arraytostring",
        [TEXTS, TEXT],
        sv(DataType::String),
        "The elements joined by a delimiter.",
        ("arrayToString(ARRAY['a', 'b'], ',')", "a,b"),
        to_text
    ),
    typed!(
        "arraytostring",
        [TEXTS, TEXT, TEXT],
        sv(DataType::String),
        "The elements joined by a delimiter, empty ones replaced.",
        (
            "arrayToString(ARRAY['a', 'null', 'b'], ',', 'X')",
            "a,null,b"
        ),
        to_text
    ),
    row(
        &["valuein"],
        Params::Variadic {
            params: &[Param::Any],
            min: 2,
        },
        Returns::Infer(|a| multi(a, "VALUEIN").map(ColumnType::mv)),
        [
            "The elements that are among the values.",
            "valueIn(ARRAY[3, 4, 6], 3, 6)",
            "[3,6]",
        ],
        value_in,
    ),
    row(
        &["mapvalue"],
        Params::Fixed(&[Param::Any, Param::Any, Param::Any]),
        Returns::Infer(|a| {
            multi(a, "MAPVALUE")?;
            multi(a.get(2..).unwrap_or_default(), "MAPVALUE").map(ColumnType::sv)
        }),
        [
            "The element of the second array at the place where the first holds the key.",
            "mapValue(ARRAY['a', 'b'], 'b', ARRAY[1, 2])",
            "2",
        ],
        map_value,
    ),
    typed!(
        "arraytomv",
        [Param::Any],
        AS_FIRST,
        "The array itself, as a multi-value.",
        NONE,
        |args, _| Ok(args[0].clone())
    ),
];

/// The element type of the first argument, which must be multi-value.
fn multi(arguments: &[Argument], name: &str) -> Result<DataType, FunctionError> {
    match arguments.first() {
        Some(argument) if argument.column_type.multi => Ok(argument.column_type.data_type),
        _ => Err(FunctionError::Argument(format!(
            "The argument of {name} transform function must be a multi-valued column or a transform function"
        ))),
    }
}

fn multi_number(arguments: &[Argument], name: &str) -> Result<DataType, FunctionError> {
    let element = multi(arguments, name)?;
    if element.is_numeric() || matches!(element, DataType::Boolean | DataType::Timestamp) {
        return Ok(element);
    }
    Err(FunctionError::Argument(format!(
        "The argument of {name} transform function must be numeric"
    )))
}
