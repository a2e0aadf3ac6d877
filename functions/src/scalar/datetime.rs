//! The time of the query, the fields of a date, and ISO-8601 text.
//!
//! Must not know: how fields are computed (that is [`crate::datetime`]).
//! Invariant: without a zone a field is integer arithmetic over a plain slice.

use common::{Block, ColumnType, DataType, TextVec, Value, Values};

use super::datetime_lift::{Prepared, map_longs, map_with, over_items, try_literals};
use super::lift::{Long, Rows, Text, unary, unary_into_text};
use super::param::{LONG, LONGS, TEXT, TEXTS};
use super::{EvalContext, Family, Param, Params, ROW, Returns, ScalarFunction};
use crate::FunctionError;
use crate::datetime::civil::{HOUR, MINUTE};
use crate::datetime::field::Field;
use crate::datetime::{Zone, iso};

/// The family's table.
pub(crate) static FAMILY: Family = Family {
    title: "Dates and times",
    functions: FUNCTIONS,
};

type Answer = Result<Block, FunctionError>;
type Kernel = fn(&[Block], &EvalContext) -> Answer;

const INT_RESULT: Returns = Returns::Is(ColumnType::sv(DataType::Int));
const INTS_RESULT: Returns = Returns::Is(ColumnType::mv(DataType::Int));
const LONG_RESULT: Returns = Returns::Is(ColumnType::sv(DataType::Long));
const LONGS_RESULT: Returns = Returns::Is(ColumnType::mv(DataType::Long));

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

/// The four rows of a field: with and without zone, of a value and of each element.
macro_rules! field_rows {
    ($([$part:ident, $names:expr, $mv_names:expr, $doc:literal, $example:expr, $zoned:expr]),* ; $($more:expr),* $(,)?) => {
        &[$(
            row($names, &[LONG], INT_RESULT, [concat!($doc, ", in universal time."), $example.0, $example.1],
                |a, _| part(a, Part::$part)),
            ScalarFunction {
                check: |a| try_literals(a, |a, _| part_in_zone(a, Part::$part)),
                ..row($names, &[LONG, TEXT], INT_RESULT, [concat!($doc, ", in a zone."), $zoned.0, $zoned.1],
                    |a, _| part_in_zone(a, Part::$part))
            },
            row($mv_names, &[LONGS], INTS_RESULT, [concat!($doc, ", of each element."), "", ""],
                |a, c| over_items(a, 0, c, |a, _| part(a, Part::$part))),
            row($mv_names, &[LONGS, TEXT], INTS_RESULT, [concat!($doc, ", of each element in a zone."), "", ""],
                |a, c| over_items(a, 0, c, |a, _| part_in_zone(a, Part::$part))),
        )* $($more),*]
    };
}

static FUNCTIONS: &[ScalarFunction] = field_rows!(
    [Year, &["year"], &["yearmv"], "The year",
        ("year(1735689599999)", "2024"), ("year(1709164800000, 'America/Sao_Paulo')", "2024")],
    [YearOfWeek, &["yearofweek", "yow"], &["yearofweekmv", "yowmv"], "The year of the ISO week",
        ("yearOfWeek(1735689599999)", "2025"), ("yearOfWeek(0, 'America/Sao_Paulo')", "1970")],
    [Quarter, &["quarter"], &["quartermv"], "The quarter, 1 to 4",
        ("quarter(1735689599999)", "4"), ("quarter(1519000200000, 'Europe/London')", "1")],
    [Month, &["month", "monthofyear"], &["monthmv", "monthofyearmv"], "The month, 1 to 12",
        ("month(1709164800000)", "2"), ("month(0, 'America/Sao_Paulo')", "12")],
    [Week, &["week", "weekofyear"], &["weekmv", "weekofyearmv"], "The ISO week, 1 to 53",
        ("week(1609459200000)", "53"), ("week(1541300400000, 'Europe/London')", "44")],
    [DayOfYear, &["dayofyear", "doy"], &["dayofyearmv", "doymv"], "The day of the year, 1 to 366",
        ("dayOfYear(1735689599999)", "366"), ("dayOfYear(1764547200123, 'America/Sao_Paulo')", "334")],
    [Day, &["day", "dayofmonth"], &["daymv", "dayofmonthmv"], "The day of the month, 1 to 31",
        ("dayOfMonth(1541300400000)", "4"), ("day(1764547200123, 'America/Sao_Paulo')", "30")],
    [DayOfWeek, &["dayofweek", "dow"], &["dayofweekmv", "dowmv"], "The day of the week, Monday 1 to Sunday 7",
        ("dayOfWeek(-1)", "3"), ("dayOfWeek(-86400001, 'America/Sao_Paulo')", "2")],
    [Hour, &["hour"], &["hourmv"], "The hour, 0 to 23",
        ("hour(-1)", "23"), ("hour(1519000200000, 'America/Sao_Paulo')", "21")],
    [Minute, &["minute"], &["minutemv"], "The minute, 0 to 59",
        ("minute(1735689599999)", "59"), ("minute(0, 'Asia/Kolkata')", "30")],
    [Second, &["second"], &["secondmv"], "The second, 0 to 59",
        ("second(-86400001)", "59"), ("second(1735689599999, 'America/Sao_Paulo')", "59")],
    [Millisecond, &["millisecond"], &["millisecondmv"], "The millisecond, 0 to 999",
        ("millisecond(-1)", "999"), ("millisecond(1519000200000, 'America/Sao_Paulo')", "0")] ;
    ScalarFunction {
        check: |a| try_literals(a, extract),
        ..row(&["extract"], &[TEXT, LONG], INT_RESULT,
            ["A field of a time, `EXTRACT(YEAR FROM t)`.", "EXTRACT(YEAR FROM 1735689599999)", "2024"], extract)
    },
    row(&["now"], &[], LONG_RESULT, ["The time of the query.", "", ""],
        |_, c| Ok(Block::constant(DataType::Long, &Value::Long(c.now_ms), 1))),
    row(&["ago"], &[TEXT], LONG_RESULT, ["The time of the query less an ISO-8601 duration, `ago('P1DT2H')`.", "", ""], ago),
    row(&["agomv"], &[TEXTS], LONGS_RESULT, ["The time of the query less each ISO-8601 duration.", "", ""],
        |a, c| over_items(a, 0, c, ago)),
    ScalarFunction {
        deterministic: false,
        ..row(&["sleep"], &[LONG], LONG_RESULT, ["Waits so many milliseconds, at most a second, and answers them.", "sleep(1)", "1"], sleep)
    },
    row(&["toiso8601"], &[LONG], Returns::Is(ColumnType::sv(DataType::String)),
        ["ISO-8601 text of milliseconds.", "toIso8601(292162581840)", "1979-04-05T12:16:21.840Z"], to_iso),
    row(&["fromiso8601"], &[TEXT], LONG_RESULT,
        ["Milliseconds of ISO-8601 text.", "fromIso8601('2025-12-01T01:02:03-03:00')", "1764561723000"], from_iso),
    row(&["toiso8601mv"], &[LONGS], Returns::Is(ColumnType::mv(DataType::String)),
        ["ISO-8601 text of each element.", "", ""], |a, c| over_items(a, 0, c, to_iso)),
    row(&["fromiso8601mv"], &[TEXTS], LONGS_RESULT,
        ["Milliseconds of each ISO-8601 text.", "", ""], |a, c| over_items(a, 0, c, from_iso)),
    row(&["timezonehour"], &[TEXT], INT_RESULT,
        ["Hours of a zone's offset at the epoch.", "timezoneHour('Asia/Kolkata')", "5"], |a, _| zone_part(a, hours)),
    row(&["timezonehour"], &[TEXT, LONG], INT_RESULT,
        ["Hours of a zone's offset at a time.", "timezoneHour('America/Sao_Paulo', 1541300400000)", "-2"],
        |a, _| zone_part(a, hours)),
    row(&["timezoneminute"], &[TEXT], INT_RESULT,
        ["Minutes of a zone's offset at the epoch.", "timezoneMinute('Asia/Kolkata')", "30"], |a, _| zone_part(a, minutes)),
    row(&["timezoneminute"], &[TEXT, LONG], INT_RESULT,
        ["Minutes of a zone's offset at a time.", "timezoneMinute('Asia/Kathmandu', 1764547200000)", "45"],
        |a, _| zone_part(a, minutes)),
    row(&["timezonehourmv"], &[TEXTS], INTS_RESULT,
        ["Hours of each zone's offset at the epoch.", "", ""], |a, c| over_items(a, 0, c, |a, _| zone_part(a, hours))),
    row(&["timezonehourmv"], &[TEXT, LONGS], INTS_RESULT,
        ["Hours of a zone's offset at each time.", "", ""], |a, c| over_items(a, 1, c, |a, _| zone_part(a, hours))),
    row(&["timezoneminutemv"], &[TEXTS], INTS_RESULT,
        ["Minutes of each zone's offset at the epoch.", "", ""], |a, c| over_items(a, 0, c, |a, _| zone_part(a, minutes))),
    row(&["timezoneminutemv"], &[TEXT, LONGS], INTS_RESULT,
        ["Minutes of a zone's offset at each time.", "", ""], |a, c| over_items(a, 1, c, |a, _| zone_part(a, minutes))),
);

/// A part of a date that a function answers.
#[derive(Debug, Clone, Copy)]
enum Part {
    Year,
    YearOfWeek,
    Quarter,
    Month,
    Week,
    DayOfYear,
    Day,
    DayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Part {
    fn of_name(name: &str) -> Result<Self, FunctionError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "YEAR" => Self::Year,
            "QUARTER" => Self::Quarter,
            "MONTH" => Self::Month,
            "WEEK" => Self::Week,
            "DAY" => Self::Day,
            "DOY" => Self::DayOfYear,
            "DOW" => Self::DayOfWeek,
            "HOUR" => Self::Hour,
            "MINUTE" => Self::Minute,
            "SECOND" => Self::Second,
            _ => {
                return Err(FunctionError::Evaluation(format!(
                    "EXTRACT of `{name}` is not one of YEAR, QUARTER, MONTH, WEEK, DAY, DOY, DOW, HOUR, MINUTE, SECOND"
                )));
            }
        })
    }

    #[inline]
    fn get(self, local: i64) -> i32 {
        let field = match self {
            Self::Year => Field::Year,
            Self::YearOfWeek => Field::WeekYear,
            Self::Quarter => return (Field::Month.get(local) as i32 - 1) / 3 + 1,
            Self::Month => Field::Month,
            Self::Week => Field::Week,
            Self::DayOfYear => Field::DayOfYear,
            Self::Day => Field::DayOfMonth,
            Self::DayOfWeek => Field::DayOfWeek,
            Self::Hour => Field::Hour,
            Self::Minute => Field::Minute,
            Self::Second => Field::Second,
            Self::Millisecond => Field::Milli,
        };
        field.get(local) as i32
    }
}

fn ints(out: Vec<i32>) -> Answer {
    Ok(Block::new(DataType::Int, Values::Int(out)))
}

fn part(args: &[Block], part: Part) -> Answer {
    ints(map_longs(&args[0], |millis| part.get(millis))?)
}

fn one_zone(texts: &[&str]) -> Result<Zone, FunctionError> {
    Zone::parse(texts.first().copied().unwrap_or_default())
}

fn part_in_zone(args: &[Block], part: Part) -> Answer {
    ints(map_with(
        &args[0],
        &args[1..2],
        one_zone,
        |zone, millis| Ok(part.get(zone.to_local(millis)?)),
    )?)
}

fn extract(args: &[Block], _: &EvalContext) -> Answer {
    let parse = |texts: &[&str]| Part::of_name(texts.first().copied().unwrap_or_default());
    let mut parts = Prepared::of(&args[..1], parse)?;
    if parts.is_constant() && args[1].rows() > 0 {
        return part(&args[1..], *parts.get(0)?);
    }
    ints(map_with(&args[1], &args[..1], parse, |part, millis| {
        Ok(part.get(millis))
    })?)
}

fn ago(args: &[Block], context: &EvalContext) -> Answer {
    let now = context.now_ms;
    unary::<Text, Vec<i64>, _>(args, DataType::Long, |text| {
        Ok(now.wrapping_sub(iso::parse_duration(text)?))
    })
}

fn sleep(args: &[Block], _: &EvalContext) -> Answer {
    unary::<Long, Vec<i64>, _>(args, DataType::Long, |millis| {
        std::thread::sleep(std::time::Duration::from_millis(
            millis.clamp(0, 1_000) as u64
        ));
        Ok(millis)
    })
}

fn to_iso(args: &[Block], _: &EvalContext) -> Answer {
    unary_into_text::<Long>(args, DataType::String, |millis, out| {
        iso::print_instant(out, millis);
        Ok(())
    })
}

fn from_iso(args: &[Block], _: &EvalContext) -> Answer {
    unary::<Text, Vec<i64>, _>(args, DataType::Long, iso::parse_instant)
}

fn hours(offset_ms: i64) -> i64 {
    offset_ms / HOUR
}

fn minutes(offset_ms: i64) -> i64 {
    offset_ms / MINUTE % 60
}

fn zone_part(args: &[Block], part: fn(i64) -> i64) -> Answer {
    let mut zones = Prepared::of(&args[..1], one_zone)?;
    let times = args.get(1).map(Rows::<Long>::of).transpose()?;
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        let millis = times.as_ref().map_or(0, |times| times.get(row));
        out.push(part(zones.get(row)?.offset_ms(millis)) as i32);
    }
    ints(out)
}

/// Collects texts that a printer appends row by row.
pub(super) fn print_rows(
    rows: usize,
    mut print: impl FnMut(usize, &mut String) -> Result<(), FunctionError>,
) -> Answer {
    let mut out = TextVec::with_capacity(rows, rows * 16);
    for row in 0..rows {
        print(row, out.buffer())?;
        out.end_value();
    }
    Ok(Block::new(DataType::String, Values::Text(out)))
}
