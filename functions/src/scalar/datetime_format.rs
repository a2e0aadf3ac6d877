//! Times as text: the table, and the kernels over patterns. Conversions between formats: [`super::datetime_convert`].
//!
//! Must not know: how patterns work (that is [`crate::datetime`]).
//! Invariant: patterns and zones are prepared once a block where they are constant.

use common::{Block, ColumnType, DataType, Values};

use super::datetime::print_rows;
use super::datetime_convert::{convert, converted_type, formats, hop};
use super::datetime_lift::{Prepared, over_items};
use super::lift::{Long, Rows, Text};
use super::param::{LONG, LONGS, TEXT, TEXTS};
use super::{EvalContext, Family, Param, Params, ROW, Returns, Role, ScalarFunction};
use crate::FunctionError;
use crate::datetime::{Pattern, Zone};

/// The family's table.
pub(crate) static FAMILY: Family = Family {
    title: "Date formats",
    functions: FUNCTIONS,
};

type Answer = Result<Block, FunctionError>;
type Kernel = fn(&[Block], &EvalContext) -> Answer;

const fn row(
    names: &'static [&'static str],
    params: &'static [Param],
    returns: Returns,
    text: [&'static str; 3],
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params: Params::Fixed(params),
        returns,
        doc: text[0],
        example: (text[1], text[2]),
        eval,
        ..ROW
    }
}

const TEXT_RESULT: Returns = Returns::Is(ColumnType::sv(DataType::String));
const TEXTS_RESULT: Returns = Returns::Is(ColumnType::mv(DataType::String));
const LONG_RESULT: Returns = Returns::Is(ColumnType::sv(DataType::Long));
const LONGS_RESULT: Returns = Returns::Is(ColumnType::mv(DataType::Long));
const TO_MV: Kernel = |a, c| over_items(a, 0, c, to_text);
const FROM_MV: Kernel = |a, c| over_items(a, 0, c, from_text);

static FUNCTIONS: &[ScalarFunction] = &[
    row(
        &["todatetime"],
        &[LONG, TEXT],
        TEXT_RESULT,
        [
            "Milliseconds as text of a pattern.",
            "toDateTime(0, 'yyyy-MM-dd')",
            "1970-01-01",
        ],
        to_text,
    ),
    row(
        &["todatetime"],
        &[LONG, TEXT, TEXT],
        TEXT_RESULT,
        [
            "Milliseconds as text of a pattern in a zone.",
            "toDateTime(1541300400000, 'yyyy-MM-dd HH:mm', 'America/Sao_Paulo')",
            "2018-11-04 01:00",
        ],
        to_text,
    ),
    row(
        &["todatetimemv"],
        &[LONGS, TEXT],
        TEXTS_RESULT,
        ["Each element as text of a pattern.", "", ""],
        TO_MV,
    ),
    row(
        &["todatetimemv"],
        &[LONGS, TEXT, TEXT],
        TEXTS_RESULT,
        ["Each element as text of a pattern in a zone.", "", ""],
        TO_MV,
    ),
    row(
        &["fromdatetime"],
        &[TEXT, TEXT],
        LONG_RESULT,
        [
            "Milliseconds of a text that follows a pattern.",
            "fromDateTime('1969-12-31', 'yyyy-MM-dd')",
            "-86400000",
        ],
        from_text,
    ),
    row(
        &["fromdatetime"],
        &[TEXT, TEXT, TEXT],
        LONG_RESULT,
        [
            "Milliseconds of a text that follows a pattern in a zone.",
            "fromDateTime('2018-02-17 23:30:00', 'yyyy-MM-dd HH:mm:ss', 'America/Sao_Paulo')",
            "1518917400000",
        ],
        from_text,
    ),
    row(
        &["fromdatetime"],
        &[TEXT, TEXT, TEXT, LONG],
        LONG_RESULT,
        [
            "Milliseconds of a text that follows a pattern in a zone, or a default.",
            "fromDateTime('2025-02-30', 'yyyy-MM-dd', 'UTC', -7)",
            "-7",
        ],
        from_text,
    ),
    row(
        &["fromdatetimemv"],
        &[TEXTS, TEXT],
        LONGS_RESULT,
        ["Milliseconds of each text.", "", ""],
        FROM_MV,
    ),
    row(
        &["fromdatetimemv"],
        &[TEXTS, TEXT, TEXT],
        LONGS_RESULT,
        ["Milliseconds of each text in a zone.", "", ""],
        FROM_MV,
    ),
    row(
        &["fromdatetimemv"],
        &[TEXTS, TEXT, TEXT, LONG],
        LONGS_RESULT,
        ["Milliseconds of each text in a zone, or a default.", "", ""],
        FROM_MV,
    ),
    ScalarFunction {
        role: Role::Transform,
        check: formats,
        ..row(
            &["datetimeconvert"],
            &[Param::Any, TEXT, TEXT, TEXT],
            Returns::Infer(|a| converted_type(a, false)),
            [
                "A time of one format in another, rounded to a granularity.",
                "dateTimeConvert(1764591023456, '1:MILLISECONDS:EPOCH', '15:MINUTES:EPOCH', '30:MINUTES')",
                "1960656",
            ],
            |a, _| convert(a, false),
        )
    },
    ScalarFunction {
        role: Role::Scalar,
        ..row(
            &["datetimeconvert"],
            &[Param::Any, TEXT, TEXT, TEXT],
            Returns::Infer(|a| converted_type(a, true)),
            [
                "A time of one format in another, rounded to a granularity.",
                "dateTimeConvert(0, '1:MILLISECONDS:EPOCH', '1:DAYS:SIMPLE_DATE_FORMAT:yyyy-MM-dd', '1:DAYS')",
                "1970-01-01",
            ],
            |a, _| convert(a, true),
        )
    },
    ScalarFunction {
        check: formats,
        ..row(
            &["datetimeconvert"],
            &[Param::Any, TEXT, TEXT, TEXT, TEXT],
            Returns::Infer(|a| converted_type(a, false)),
            [
                "A time of one format in another, rounded to a granularity in a zone.",
                "dateTimeConvert(1541300400000, '1:MILLISECONDS:EPOCH', '1:MILLISECONDS:EPOCH', '7:DAYS', 'America/Sao_Paulo')",
                "1541041200000",
            ],
            |a, _| convert(a, false),
        )
    },
    row(
        &["datetimeconvertwindowhop"],
        &[Param::Any, TEXT, TEXT, TEXT, TEXT],
        Returns::Infer(|a| converted_type(a, false).map(|t| ColumnType::mv(t.data_type))),
        [
            "The windows of a hop that hold a time: value, formats in and out, granularity, hop.",
            "dateTimeConvertWindowHop(7200000, '1:MILLISECONDS:EPOCH', '1:HOURS:EPOCH', '1:HOURS', '2:HOURS')",
            "[2,1]",
        ],
        |a, _| hop(a),
    ),
];

fn pattern(texts: &[&str]) -> Result<Pattern, FunctionError> {
    let zone = texts
        .get(1)
        .map_or_else(|| Ok(Zone::utc()), |id| Zone::parse(id))?;
    Pattern::compile(texts.first().copied().unwrap_or_default(), zone)
}

fn to_text(args: &[Block], _: &EvalContext) -> Answer {
    let millis = Rows::<Long>::of(&args[0])?;
    let mut patterns = Prepared::of(&args[1..], pattern)?;
    print_rows(args[0].rows(), |row, out| {
        patterns.get(row)?.print(out, millis.get(row));
        Ok(())
    })
}

fn from_text(args: &[Block], _: &EvalContext) -> Answer {
    let texts = Rows::<Text>::of(&args[0])?;
    let mut patterns = Prepared::of(&args[1..args.len().min(3)], pattern)?;
    let default = args.get(3).map(Rows::<Long>::of).transpose()?;
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        // The default stands for what is no pattern and no zone too.
        let parsed = patterns.get(row).and_then(|p| p.parse(texts.get(row)));
        out.push(match &default {
            Some(default) => parsed.unwrap_or_else(|_| default.get(row)),
            None => parsed?,
        });
    }
    Ok(Block::new(DataType::Long, Values::Long(out)))
}
