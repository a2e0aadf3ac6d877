//! Truncation, sums and differences of times, and conversion between units.
//!
//! Must not know: calendars (that is [`crate::datetime`]).
//! Invariant: truncation of milliseconds in universal time is integer arithmetic over a plain slice.

use common::time_format::{TimeUnit, parse_period};
use common::{Block, ColumnType, DataType, Values};

use super::datetime_lift::{Prepared, map_longs, map_with, over_items, try_literals};
use super::lift::{Long, Rows};
use super::param::{LONG, LONGS, TEXT, TIMESTAMP};
use super::{Argument, EvalContext, Family, Param, Params, ROW, Returns, ScalarFunction};
use crate::FunctionError;
use crate::datetime::{TimestampUnit, Zone};

/// The family's table.
pub(crate) static FAMILY: Family = Family {
    title: "Date arithmetic",
    functions: FUNCTIONS,
};

type Answer = Result<Block, FunctionError>;
type Kernel = fn(&[Block], &EvalContext) -> Answer;

const fn row(
    names: &'static [&'static str],
    params: &'static [Param],
    text: [&'static str; 3],
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params: Params::Fixed(params),
        returns: Returns::Is(ColumnType::sv(DataType::Long)),
        doc: text[0],
        example: (text[1], text[2]),
        eval,
        ..ROW
    }
}

/// A row that refuses literals when a query is planned.
const fn checked(
    function: ScalarFunction,
    check: fn(&[Argument]) -> Result<(), FunctionError>,
) -> ScalarFunction {
    ScalarFunction { check, ..function }
}

const fn items(
    names: &'static [&'static str],
    params: &'static [Param],
    doc: &'static str,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        returns: Returns::Is(ColumnType::mv(DataType::Long)),
        ..row(names, params, [doc, "", ""], eval)
    }
}

const TRUNCATE_MV: Kernel = |a, c| over_items(a, 1, c, truncate);

static FUNCTIONS: &[ScalarFunction] = &[
    checked(
        row(
            &["datetrunc"],
            &[TEXT, LONG],
            [
                "Milliseconds at the start of a unit.",
                "dateTrunc('week', 0)",
                "-259200000",
            ],
            truncate,
        ),
        |a| try_literals(a, truncate),
    ),
    checked(
        row(
            &["datetrunc"],
            &[TEXT, LONG, TEXT],
            [
                "A time of a unit at the start of another.",
                "dateTrunc('year', 19000, 'DAYS')",
                "18993",
            ],
            truncate,
        ),
        |a| try_literals(a, truncate),
    ),
    checked(
        row(
            &["datetrunc"],
            &[TEXT, LONG, TEXT, TEXT],
            [
                "A time of a unit at the start of another in a zone.",
                "dateTrunc('DAY', 1541300400000, 'MILLISECONDS', 'America/Sao_Paulo')",
                "1541300400000",
            ],
            truncate,
        ),
        |a| try_literals(a, truncate),
    ),
    checked(
        row(
            &["datetrunc"],
            &[TEXT, LONG, TEXT, TEXT, TEXT],
            [
                "A time of a unit at the start of another in a zone, as a third unit.",
                "dateTrunc('HOUR', 1519000200000, 'MILLISECONDS', 'America/Sao_Paulo', 'HOURS')",
                "421944",
            ],
            truncate,
        ),
        |a| try_literals(a, truncate),
    ),
    items(
        &["datetruncmv"],
        &[TEXT, LONGS],
        "Each element at the start of a unit.",
        TRUNCATE_MV,
    ),
    items(
        &["datetruncmv"],
        &[TEXT, LONGS, TEXT],
        "Each element of a unit at the start of another.",
        TRUNCATE_MV,
    ),
    items(
        &["datetruncmv"],
        &[TEXT, LONGS, TEXT, TEXT],
        "Each element at the start of a unit in a zone.",
        TRUNCATE_MV,
    ),
    items(
        &["datetruncmv"],
        &[TEXT, LONGS, TEXT, TEXT, TEXT],
        "Each element at the start of a unit in a zone, as another unit.",
        TRUNCATE_MV,
    ),
    ScalarFunction {
        returns: Returns::Is(ColumnType::sv(DataType::Timestamp)),
        ..row(
            &["datebin"],
            &[TEXT, TIMESTAMP, TIMESTAMP],
            [
                "The bin of a width, counted from an origin, toward the origin.",
                "dateBin('15m', toTimestamp(1764591023456), toTimestamp(0))",
                "2025-12-01 12:00:00.0",
            ],
            bin,
        )
    },
    row(
        &["timestampadd", "dateadd"],
        &[TEXT, LONG, LONG],
        [
            "A time so many units later.",
            "timestampAdd('YEAR', 1, 1709164800000)",
            "1740700800000",
        ],
        add,
    ),
    items(
        &["timestampaddmv", "dateaddmv"],
        &[TEXT, LONG, LONGS],
        "Each element so many units later.",
        |a, c| over_items(a, 2, c, add),
    ),
    row(
        &["timestampdiff", "datediff"],
        &[TEXT, LONG, LONG],
        [
            "Whole units from the first time to the second.",
            "timestampDiff('DAY', 1709164800000, 1764547200123)",
            "641",
        ],
        difference,
    ),
    items(
        &["timestampdiffmv", "datediffmv"],
        &[TEXT, LONGS, LONG],
        "Whole units from each element to a time.",
        |a, c| over_items(a, 1, c, difference),
    ),
    items(
        &["timestampdiffmvreverse", "datediffmvreverse"],
        &[TEXT, LONG, LONGS],
        "Whole units from a time to each element.",
        |a, c| over_items(a, 2, c, difference),
    ),
    checked(
        row(
            &["timeconvert"],
            &[LONG, TEXT, TEXT],
            [
                "A time since the epoch in another unit; WEEKS, MONTHS and YEARS may come out.",
                "timeConvert(20679, 'DAYS', 'WEEKS')",
                "2954",
            ],
            convert,
        ),
        convertible,
    ),
    ScalarFunction {
        returns: Returns::Is(ColumnType::sv(DataType::Int)),
        ..row(
            &["timeseriesbucket"],
            &[LONG, TEXT, LONG, LONG, LONG],
            [
                "The number of a time series' bucket: time, unit, first bucket, bucket size and offset in seconds.",
                "timeSeriesBucket(1786676693953, 'MILLISECONDS', 1700000000, 3600, 0)",
                "24077",
            ],
            time_series_bucket,
        )
    },
];

fn longs(out: Vec<i64>) -> Answer {
    Ok(Block::new(DataType::Long, Values::Long(out)))
}

fn unit_of(name: &str) -> Result<TimeUnit, FunctionError> {
    name.parse()
        .map_err(|error: common::time_format::TimeFormatError| {
            FunctionError::Evaluation(error.to_string())
        })
}

fn by_zero<T>() -> Result<T, FunctionError> {
    Err(FunctionError::Evaluation("/ by zero".to_owned()))
}

/// What DATETRUNC's text arguments say.
struct Truncation {
    unit: TimestampUnit,
    from: TimeUnit,
    zone: Zone,
    to: TimeUnit,
}

impl Truncation {
    fn prepare(texts: &[&str]) -> Result<Self, FunctionError> {
        let text = |index: usize| texts.get(index).copied();
        let from = text(1).map_or(Ok(TimeUnit::Milliseconds), unit_of)?;
        let zone = match text(2) {
            None => Zone::utc(),
            Some(id) => Zone::find(id)
                .ok_or_else(|| FunctionError::Evaluation(format!("Timezone {id} not supported")))?,
        };
        Ok(Self {
            unit: TimestampUnit::parse(text(0).unwrap_or_default())?,
            from,
            zone,
            to: text(3).map_or(Ok(from), unit_of)?,
        })
    }

    fn apply(&self, value: i64) -> Result<i64, FunctionError> {
        let millis = self.from.to_millis(value);
        Ok(self.to.from_millis(self.unit.truncate(millis, &self.zone)?))
    }

    fn is_plain(&self) -> bool {
        let millis = TimeUnit::Milliseconds;
        self.zone.is_utc() && self.from == millis && self.to == millis
    }
}

fn truncate(args: &[Block], _: &EvalContext) -> Answer {
    let texts = || std::iter::once(&args[0]).chain(&args[2..]);
    let mut prepared = Prepared::of(texts(), Truncation::prepare)?;
    if prepared.is_constant() && args[1].rows() > 0 {
        let truncation = prepared.get(0)?;
        if truncation.is_plain() {
            let unit = truncation.unit;
            return longs(map_longs(&args[1], |millis| unit.truncate_utc(millis))?);
        }
    }
    longs(map_with(
        &args[1],
        texts(),
        Truncation::prepare,
        Truncation::apply,
    )?)
}

fn width(texts: &[&str]) -> Result<i64, FunctionError> {
    let text = texts.first().copied().unwrap_or_default();
    parse_period(text).map_err(|_| {
        FunctionError::Evaluation(format!(
            "Invalid time spec '{text}' (Valid examples: '3h', '5d', '4h30m')"
        ))
    })
}

fn bin(args: &[Block], _: &EvalContext) -> Answer {
    let mut widths = Prepared::of(&args[..1], width)?;
    let (times, origins) = (Rows::<Long>::of(&args[1])?, Rows::<Long>::of(&args[2])?);
    let mut out = Vec::with_capacity(args[1].rows());
    for row in 0..args[1].rows() {
        let width = *widths.get(row)?;
        if width == 0 {
            return by_zero();
        }
        let (time, origin) = (times.get(row), origins.get(row));
        let span = time
            .wrapping_sub(origin)
            .wrapping_div(width)
            .wrapping_mul(width);
        out.push(origin.wrapping_add(span));
    }
    longs(out)
}

fn timestamp_unit(texts: &[&str]) -> Result<TimestampUnit, FunctionError> {
    TimestampUnit::parse(texts.first().copied().unwrap_or_default())
}

/// A kernel over a unit and two longs.
fn with_unit(
    args: &[Block],
    kernel: impl Fn(TimestampUnit, i64, i64) -> Result<i64, FunctionError>,
) -> Answer {
    let mut units = Prepared::of(&args[..1], timestamp_unit)?;
    let (a, b) = (Rows::<Long>::of(&args[1])?, Rows::<Long>::of(&args[2])?);
    longs(
        (0..args[0].rows())
            .map(|row| kernel(*units.get(row)?, a.get(row), b.get(row)))
            .collect::<Result<_, _>>()?,
    )
}

fn add(args: &[Block], _: &EvalContext) -> Answer {
    with_unit(args, |unit, count, millis| unit.add(millis, count))
}

fn difference(args: &[Block], _: &EvalContext) -> Answer {
    with_unit(args, |unit, first, second| unit.difference(second, first))
}

/// A unit into which times may be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputUnit {
    /// A unit of constant length.
    Constant(TimeUnit),
    /// Weeks, months or years.
    Calendar(TimestampUnit),
}

impl OutputUnit {
    /// The unit of a name.
    pub(super) fn parse(name: &str) -> Result<Self, FunctionError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "WEEKS" => Self::Calendar(TimestampUnit::Week),
            "MONTHS" => Self::Calendar(TimestampUnit::Month),
            "YEARS" => Self::Calendar(TimestampUnit::Year),
            _ => Self::Constant(unit_of(name)?),
        })
    }

    /// Whole units from the epoch to an instant.
    pub(super) fn units_of(self, millis: i64) -> Result<i64, FunctionError> {
        match self {
            Self::Constant(unit) => Ok(unit.from_millis(millis)),
            Self::Calendar(unit) => {
                let units = unit.difference(millis, 0)?;
                if i32::try_from(units).is_err() {
                    return Err(FunctionError::Evaluation(format!(
                        "Value cannot fit in an int: {units}"
                    )));
                }
                Ok(units)
            }
        }
    }
}

fn convertible(arguments: &[Argument]) -> Result<(), FunctionError> {
    if arguments.first().is_some_and(|a| a.literal.is_some()) {
        return Err(FunctionError::Argument(
            "The first argument of TIME_CONVERT transform function must be a single-valued column or a transform function"
                .to_owned(),
        ));
    }
    try_literals(arguments, convert)
}

fn convert(args: &[Block], _: &EvalContext) -> Answer {
    let prepare = |texts: &[&str]| match texts {
        [from, to] => Ok((unit_of(from)?, OutputUnit::parse(to)?)),
        _ => Err(FunctionError::Evaluation(
            "two units were expected".to_owned(),
        )),
    };
    longs(map_with(
        &args[0],
        &args[1..],
        prepare,
        |(from, to), value| match to {
            OutputUnit::Constant(to) => Ok(between(*from, *to, value)),
            calendar => calendar.units_of(from.to_millis(value)),
        },
    )?)
}

/// Java's `TimeUnit.convert`: exact where the units divide, saturating.
fn between(from: TimeUnit, to: TimeUnit, value: i64) -> i64 {
    let nanos = |unit: TimeUnit| match unit {
        TimeUnit::Nanoseconds => 1_i64,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Milliseconds => 1_000_000,
        TimeUnit::Seconds => 1_000_000_000,
        TimeUnit::Minutes => 60_000_000_000,
        TimeUnit::Hours => 3_600_000_000_000,
        TimeUnit::Days => 86_400_000_000_000,
    };
    let (a, b) = (nanos(from), nanos(to));
    if a >= b {
        value.saturating_mul(a / b)
    } else {
        value / (b / a)
    }
}

fn time_series_bucket(args: &[Block], _: &EvalContext) -> Answer {
    let units = |texts: &[&str]| unit_of(texts.first().copied().unwrap_or_default());
    let mut units = Prepared::of(&args[1..2], units)?;
    let times = Rows::<Long>::of(&args[0])?;
    let (first, size, offset) = (
        Rows::<Long>::of(&args[2])?,
        Rows::<Long>::of(&args[3])?,
        Rows::<Long>::of(&args[4])?,
    );
    let mut out = Vec::with_capacity(args[0].rows());
    for row in 0..args[0].rows() {
        let unit = *units.get(row)?;
        let of_seconds = |seconds: i64| between(TimeUnit::Seconds, unit, seconds);
        let reference = of_seconds(first.get(row).wrapping_sub(size.get(row)));
        let size = of_seconds(size.get(row));
        if size == 0 {
            return by_zero();
        }
        let since = times
            .get(row)
            .wrapping_add(of_seconds(offset.get(row)))
            .wrapping_sub(reference)
            .wrapping_sub(1);
        out.push(since.wrapping_div(size) as i32);
    }
    Ok(Block::new(DataType::Int, Values::Int(out)))
}
