//! Units since the epoch: conversions, rounding and buckets.
//!
//! Must not know: calendars. Invariant: divisions truncate toward zero, products of counts wrap, conversions to smaller
//! units saturate, all as Java's.

use common::time_format::TimeUnit;
use common::{Block, ColumnType, DataType, Values};

use super::datetime_lift::{map_longs, over_items};
use super::lift::{Long, binary};
use super::param::{LONG, LONGS, TIMESTAMP};
use super::{EvalContext, Family, Param, Params, ROW, Returns, ScalarFunction};
use crate::FunctionError;

/// The family's table.
pub(crate) static FAMILY: Family = Family {
    title: "Epoch time",
    functions: FUNCTIONS,
};

type Answer = Result<Block, FunctionError>;
type Kernel = fn(&[Block], &EvalContext) -> Answer;

const LONG_RESULT: Returns = Returns::Is(ColumnType::sv(DataType::Long));
const LONGS_RESULT: Returns = Returns::Is(ColumnType::mv(DataType::Long));

const fn row(
    name: &'static [&'static str],
    params: &'static [Param],
    text: [&'static str; 3],
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names: name,
        params: Params::Fixed(params),
        returns: LONG_RESULT,
        doc: text[0],
        example: (text[1], text[2]),
        eval,
        ..ROW
    }
}

/// The row of an array variant: same document, array result.
const fn items(
    name: &'static [&'static str],
    params: &'static [Param],
    doc: &'static str,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        returns: LONGS_RESULT,
        ..row(name, params, [doc, "", ""], eval)
    }
}

fn by_zero<T>() -> Result<T, FunctionError> {
    Err(FunctionError::Evaluation("/ by zero".to_owned()))
}

fn to_epoch(args: &[Block], unit: TimeUnit) -> Answer {
    let out = map_longs(&args[0], |v| unit.from_millis(v))?;
    Ok(Block::new(DataType::Long, Values::Long(out)))
}

fn from_epoch(args: &[Block], unit: TimeUnit) -> Answer {
    let out = map_longs(&args[0], |v| unit.to_millis(v))?;
    Ok(Block::new(DataType::Long, Values::Long(out)))
}

fn rounded(args: &[Block], unit: TimeUnit) -> Answer {
    binary::<Long, Long, Vec<i64>, _>(args, DataType::Long, |v, n| {
        if n == 0 {
            return by_zero();
        }
        Ok(unit.from_millis(v).wrapping_div(n).wrapping_mul(n))
    })
}

fn bucket(args: &[Block], unit: TimeUnit) -> Answer {
    binary::<Long, Long, Vec<i64>, _>(args, DataType::Long, |v, n| {
        if n == 0 {
            by_zero()
        } else {
            Ok(unit.from_millis(v).wrapping_div(n))
        }
    })
}

fn from_bucket(args: &[Block], unit: TimeUnit) -> Answer {
    binary::<Long, Long, Vec<i64>, _>(args, DataType::Long, |v, n| {
        Ok(unit.to_millis(v.wrapping_mul(n)))
    })
}

fn retype(args: &[Block], to: DataType) -> Answer {
    Ok(args[0].clone().retyped(to))
}

macro_rules! unit_rows {
    ($([$unit:ident, $to:literal, $rounded:literal, $bucket:literal, $from:literal, $from_bucket:literal,
        $to_mv:literal, $rounded_mv:literal, $bucket_mv:literal, $from_mv:literal, $from_bucket_mv:literal,
        $word:literal, $examples:expr]),* $(,)?) => {
        &[$(
            row(&[$to], &[LONG], [concat!("Whole ", $word, " since the epoch of milliseconds."), $examples[0], $examples[1]],
                |a, _| to_epoch(a, TimeUnit::$unit)),
            row(&[$rounded], &[LONG, LONG], [concat!("Whole ", $word, " since the epoch, rounded down to a multiple."), $examples[2], $examples[3]],
                |a, _| rounded(a, TimeUnit::$unit)),
            row(&[$bucket], &[LONG, LONG], [concat!("Whole ", $word, " since the epoch, divided by a size."), $examples[4], $examples[5]],
                |a, _| bucket(a, TimeUnit::$unit)),
            row(&[$from], &[LONG], [concat!("Milliseconds of ", $word, " since the epoch."), $examples[6], $examples[7]],
                |a, _| from_epoch(a, TimeUnit::$unit)),
            row(&[$from_bucket], &[LONG, LONG], [concat!("Milliseconds of buckets of ", $word, " since the epoch."), $examples[8], $examples[9]],
                |a, _| from_bucket(a, TimeUnit::$unit)),
            items(&[$to_mv], &[LONGS], concat!("Whole ", $word, " since the epoch of each element."),
                |a, c| over_items(a, 0, c, |a, _| to_epoch(a, TimeUnit::$unit))),
            items(&[$rounded_mv], &[LONGS, LONG], concat!("Whole ", $word, " since the epoch of each element, rounded down to a multiple."),
                |a, c| over_items(a, 0, c, |a, _| rounded(a, TimeUnit::$unit))),
            items(&[$bucket_mv], &[LONGS, LONG], concat!("Whole ", $word, " since the epoch of each element, divided by a size."),
                |a, c| over_items(a, 0, c, |a, _| bucket(a, TimeUnit::$unit))),
            items(&[$from_mv], &[LONGS], concat!("Milliseconds of each element's ", $word, "."),
                |a, c| over_items(a, 0, c, |a, _| from_epoch(a, TimeUnit::$unit))),
            items(&[$from_bucket_mv], &[LONGS, LONG], concat!("Milliseconds of each element's buckets of ", $word, "."),
                |a, c| over_items(a, 0, c, |a, _| from_bucket(a, TimeUnit::$unit))),
        )*
            row(&["round"], &[LONG, LONG], ["Rounded toward zero to a multiple.", "round(-1234, 100)", "-1200"], round),
            items(&["roundmv"], &[LONGS, LONG], "Each element rounded toward zero to a multiple.", |a, c| over_items(a, 0, c, round)),
            ScalarFunction {
                returns: Returns::Is(ColumnType::sv(DataType::Timestamp)),
                ..row(&["totimestamp"], &[LONG], ["Milliseconds as TIMESTAMP.", "toTimestamp(0)", "1970-01-01 00:00:00.0"],
                    |a, _| retype(a, DataType::Timestamp))
            },
            row(&["fromtimestamp"], &[TIMESTAMP],
                ["Milliseconds of a TIMESTAMP.", "fromTimestamp('2025-12-01 00:00:00.5')", "1764547200500"],
                |a, _| retype(a, DataType::Long)),
            ScalarFunction {
                returns: Returns::Is(ColumnType::mv(DataType::Timestamp)),
                ..items(&["totimestampmv"], &[LONGS], "Each element as TIMESTAMP.",
                    |a, _| Ok(a[0].clone().retyped(ColumnType::mv(DataType::Timestamp))))
            },
            items(&["fromtimestampmv"], &[Param::Is(ColumnType::mv(DataType::Timestamp))], "Milliseconds of each TIMESTAMP.",
                |a, _| Ok(a[0].clone().retyped(ColumnType::mv(DataType::Long)))),
        ]
    };
}

static FUNCTIONS: &[ScalarFunction] = unit_rows!(
    [
        Seconds,
        "toepochseconds",
        "toepochsecondsrounded",
        "toepochsecondsbucket",
        "fromepochseconds",
        "fromepochsecondsbucket",
        "toepochsecondsmv",
        "toepochsecondsroundedmv",
        "toepochsecondsbucketmv",
        "fromepochsecondsmv",
        "fromepochsecondsbucketmv",
        "seconds",
        [
            "toEpochSeconds(1735689599999)",
            "1735689599",
            "toEpochSecondsRounded(1735689599999, 90)",
            "1735689510",
            "toEpochSecondsBucket(1735689599999, 90)",
            "19285439",
            "fromEpochSeconds(20000)",
            "20000000",
            "fromEpochSecondsBucket(20000, 90)",
            "1800000000"
        ]
    ],
    [
        Minutes,
        "toepochminutes",
        "toepochminutesrounded",
        "toepochminutesbucket",
        "fromepochminutes",
        "fromepochminutesbucket",
        "toepochminutesmv",
        "toepochminutesroundedmv",
        "toepochminutesbucketmv",
        "fromepochminutesmv",
        "fromepochminutesbucketmv",
        "minutes",
        [
            "toEpochMinutes(1735689599999)",
            "28928159",
            "toEpochMinutesRounded(1735689599999, 15)",
            "28928145",
            "toEpochMinutesBucket(1735689599999, 15)",
            "1928543",
            "fromEpochMinutes(20000)",
            "1200000000",
            "fromEpochMinutesBucket(20000, 15)",
            "18000000000"
        ]
    ],
    [
        Hours,
        "toepochhours",
        "toepochhoursrounded",
        "toepochhoursbucket",
        "fromepochhours",
        "fromepochhoursbucket",
        "toepochhoursmv",
        "toepochhoursroundedmv",
        "toepochhoursbucketmv",
        "fromepochhoursmv",
        "fromepochhoursbucketmv",
        "hours",
        [
            "toEpochHours(1735689599999)",
            "482135",
            "toEpochHoursRounded(1735689599999, 6)",
            "482130",
            "toEpochHoursBucket(1735689599999, 6)",
            "80355",
            "fromEpochHours(1)",
            "3600000",
            "fromEpochHoursBucket(20000, 6)",
            "432000000000"
        ]
    ],
    [
        Days,
        "toepochdays",
        "toepochdaysrounded",
        "toepochdaysbucket",
        "fromepochdays",
        "fromepochdaysbucket",
        "toepochdaysmv",
        "toepochdaysroundedmv",
        "toepochdaysbucketmv",
        "fromepochdaysmv",
        "fromepochdaysbucketmv",
        "days",
        [
            "toEpochDays(1735689599999)",
            "20088",
            "toEpochDaysRounded(1735689599999, 7)",
            "20083",
            "toEpochDaysBucket(1735689599999, 7)",
            "2869",
            "fromEpochDays(1)",
            "86400000",
            "fromEpochDaysBucket(1, 7)",
            "604800000"
        ]
    ],
);

fn round(args: &[Block], _: &EvalContext) -> Answer {
    binary::<Long, Long, Vec<i64>, _>(args, DataType::Long, |v, n| {
        if n == 0 {
            by_zero()
        } else {
            Ok(v.wrapping_div(n).wrapping_mul(n))
        }
    })
}
