//! Conversion of times between the formats of time columns.
//!
//! Must not know: how patterns work (that is [`crate::datetime`]).
//! Invariant: formats are prepared once a block; the result's type follows the output format's text.

use common::time_format::{DateTimeFormat, Granularity, TimeFormatError, TimeUnit};
use common::{ArrayVec, Block, ColumnType, DataType, TextVec, Value, Values};

use super::Argument;
use super::datetime::print_rows;
use super::datetime_lift::map_longs;
use super::datetime_truncate::OutputUnit;
use super::lift::{Long, Rows, Text};
use crate::FunctionError;
use crate::datetime::field::Field;
use crate::datetime::{Converter, Pattern, Zone};

type Answer = Result<Block, FunctionError>;

/// What a conversion writes.
#[derive(Debug, Clone)]
enum Output {
    /// Units since the epoch, so many a step.
    Number { unit: OutputUnit, size: i64 },
    /// Timestamp text.
    Timestamp,
    /// Text of a pattern.
    Text(Pattern),
}

impl Output {
    fn parse(text: &str) -> Result<Self, FunctionError> {
        let (calendar, plain) = without_calendar_unit(text)?;
        Ok(match converter(&plain)? {
            Converter::Epoch { unit, size } => Self::Number {
                unit: calendar.unwrap_or(OutputUnit::Constant(unit)),
                size,
            },
            Converter::Timestamp => Self::Timestamp,
            Converter::Pattern(pattern) => Self::Text(pattern),
            Converter::Iso(_) => {
                return Err(FunctionError::Evaluation(
                    "Printing not supported".to_owned(),
                ));
            }
        })
    }

    fn is_text(&self, timestamps_are_text: bool) -> bool {
        match self {
            Self::Number { .. } => false,
            Self::Timestamp => timestamps_are_text,
            Self::Text(_) => true,
        }
    }
}

/// WEEKS, MONTHS and YEARS exist in outputs alone: takes such a unit out and leaves a format that configs know.
fn without_calendar_unit(text: &str) -> Result<(Option<OutputUnit>, String), FunctionError> {
    let separator = if text.starts_with(|c: char| c.is_ascii_digit()) {
        ':'
    } else {
        '|'
    };
    let mut parts: Vec<&str> = text.split(separator).collect();
    let is_epoch = if separator == ':' {
        parts.get(2)
    } else {
        parts.first()
    } == Some(&"EPOCH");
    match parts.get_mut(1) {
        Some(unit) if is_epoch && matches!(*unit, "WEEKS" | "MONTHS" | "YEARS") => {
            let calendar = OutputUnit::parse(unit)?;
            *unit = "DAYS";
            Ok((Some(calendar), parts.join(&separator.to_string())))
        }
        _ => Ok((None, text.to_owned())),
    }
}

fn told(error: TimeFormatError) -> FunctionError {
    FunctionError::Evaluation(error.to_string())
}

fn converter(text: &str) -> Result<Converter, FunctionError> {
    if text.is_empty() {
        return Err(FunctionError::Evaluation("Must provide format".to_owned()));
    }
    Converter::new(&text.parse::<DateTimeFormat>().map_err(told)?)
}

/// The type a conversion answers, by the text of its output format.
pub(super) fn converted_type(
    arguments: &[Argument],
    timestamps_are_text: bool,
) -> Result<ColumnType, FunctionError> {
    let format = arguments.get(2).and_then(|a| a.literal.as_ref());
    let Some(format) = format.and_then(Value::as_str) else {
        return Err(FunctionError::Argument(
            "the output format of a time conversion must be a literal".to_owned(),
        ));
    };
    // What is wrong with the format is told by the first evaluation.
    let is_text = Output::parse(format).map_or(true, |o| o.is_text(timestamps_are_text));
    Ok(ColumnType::sv(if is_text {
        DataType::String
    } else {
        DataType::Long
    }))
}

/// Refuses literal formats that make no sense.
pub(super) fn formats(arguments: &[Argument]) -> Result<(), FunctionError> {
    Conversion::refuse(arguments)
}

/// A prepared conversion.
struct Conversion {
    input: Converter,
    output: Output,
    granularity: Granularity,
    zone: Option<Zone>,
}

impl Conversion {
    fn prepare(texts: &[&str]) -> Result<Self, FunctionError> {
        let text = |index: usize| texts.get(index).copied().unwrap_or_default();
        let zone = texts
            .get(3)
            .map(|id| Zone::parse(id))
            .transpose()
            .map_err(|error| {
                FunctionError::Evaluation(format!("Error parsing bucketing time zone: {error}"))
            })?;
        Ok(Self {
            input: converter(text(0))?,
            output: Output::parse(text(1))?,
            granularity: text(2).parse().map_err(told)?,
            zone,
        })
    }

    /// The first thing wrong with literal formats.
    fn refuse(arguments: &[Argument]) -> Result<(), FunctionError> {
        let texts: Option<Vec<&str>> = arguments
            .iter()
            .skip(1)
            .map(|a| a.literal.as_ref().and_then(Value::as_str))
            .collect();
        let Some(texts) = texts else { return Ok(()) };
        Self::prepare(&texts)
            .map(drop)
            .map_err(|error| FunctionError::Argument(error.to_string()))
    }

    /// Milliseconds of one step of the granularity, as a divisor.
    fn step(&self) -> Result<i64, FunctionError> {
        match self.granularity.unit.to_millis(self.granularity.size) {
            0 => Err(FunctionError::Evaluation("/ by zero".to_owned())),
            step => Ok(step),
        }
    }
}

/// The milliseconds that the first argument means.
fn input_millis(block: &Block, input: &Converter) -> Result<Block, FunctionError> {
    if input.is_text() {
        let texts = block.cast(ColumnType::sv(DataType::String))?;
        let rows = Rows::<Text>::of(&texts)?;
        let millis = (0..texts.rows())
            .map(|row| input.millis_of_text(rows.get(row)))
            .collect::<Result<_, _>>()?;
        return Ok(Block::new(DataType::Long, Values::Long(millis)));
    }
    let longs = block.cast(ColumnType::sv(DataType::Long))?;
    match input {
        Converter::Epoch { unit, size } if (*unit, *size) != (TimeUnit::Milliseconds, 1) => {
            let millis = map_longs(&longs, |v| unit.to_millis(v.wrapping_mul(*size)))?;
            Ok(Block::new(DataType::Long, Values::Long(millis)))
        }
        _ => Ok(longs),
    }
}

/// Formats are prepared from their first row: they are literals wherever the type of the result could be told.
fn first_row<T>(
    args: &[Block],
    prepare: fn(&[&str]) -> Result<T, FunctionError>,
) -> Result<T, FunctionError> {
    let texts = args
        .iter()
        .map(Rows::<Text>::of)
        .collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<&str> = texts.iter().map(|rows| rows.get(0)).collect();
    prepare(&texts)
}

pub(super) fn convert(args: &[Block], timestamps_are_text: bool) -> Answer {
    if args[0].rows() == 0 {
        return Ok(Block::new(
            DataType::String,
            Values::empty(DataType::String),
        ));
    }
    let conversion = first_row(&args[1..], Conversion::prepare)?;
    let millis = input_millis(&args[0], &conversion.input)?;
    let rows = Rows::<Long>::of(&millis)?;
    let granularity = conversion.granularity;
    let count = millis.rows();
    if let Output::Text(pattern) = &conversion.output {
        let zone = conversion.zone.as_ref().unwrap_or_else(|| pattern.zone());
        return print_rows(count, |row, out| {
            pattern.print(out, bucket(rows.get(row), granularity, zone)?);
            Ok(())
        });
    }
    let rounded = if let Some(zone) = &conversion.zone {
        (0..count)
            .map(|row| bucket(rows.get(row), granularity, zone))
            .collect::<Result<Vec<i64>, _>>()?
    } else {
        let step = conversion.step()?;
        map_longs(&millis, |v| v.wrapping_div(step).wrapping_mul(step))?
    };
    match &conversion.output {
        Output::Timestamp if timestamps_are_text => print_rows(count, |row, out| {
            Converter::Timestamp.print(out, rounded[row]);
            Ok(())
        }),
        output => numbers(rounded, output),
    }
}

fn numbers(mut millis: Vec<i64>, output: &Output) -> Answer {
    if let Output::Number { unit, size } = output {
        match unit {
            OutputUnit::Constant(unit) => {
                millis
                    .iter_mut()
                    .for_each(|v| *v = unit.from_millis(*v) / size);
            }
            calendar => {
                for v in &mut millis {
                    *v = calendar.units_of(*v)? / size;
                }
            }
        }
    }
    Ok(Block::new(DataType::Long, Values::Long(millis)))
}

/// The start of the bucket that an instant lies in: the unit's field rounded down to a multiple of the size.
fn bucket(millis: i64, granularity: Granularity, zone: &Zone) -> Result<i64, FunctionError> {
    let (field, first) = match granularity.unit {
        TimeUnit::Milliseconds => (Field::Milli, 0),
        TimeUnit::Seconds => (Field::Second, 0),
        TimeUnit::Minutes => (Field::Minute, 0),
        TimeUnit::Hours => (Field::Hour, 0),
        TimeUnit::Days => (Field::DayOfMonth, 1),
        TimeUnit::Nanoseconds | TimeUnit::Microseconds => return Ok(millis),
    };
    let size = granularity.size;
    let local = zone.to_local(millis)?;
    let value = (field.get(local) - first) / size * size + first;
    if zone.is_utc() {
        return Ok(field.floor(field.set(local, value)?));
    }
    let set = zone.instant_near(field.set(local, value)?, millis)?;
    let local = zone.to_local(set)?;
    if field.get(local) != value {
        return Err(FunctionError::Evaluation(format!(
            "Value {value} for {} is not supported: Illegal instant due to time zone offset transition ({})",
            field.name(),
            zone.id()
        )));
    }
    if field == Field::DayOfMonth {
        return zone.instant_near(field.floor(local), set);
    }
    Ok(set.wrapping_sub(local.wrapping_sub(field.floor(local))))
}

/// More windows than this a row are refused.
const MOST_WINDOWS: i64 = 1 << 20;

pub(super) fn hop(args: &[Block]) -> Answer {
    if args[0].rows() == 0 {
        let empty = ColumnType::mv(DataType::String);
        return Ok(Block::new(empty, Values::empty_of(empty)));
    }
    let conversion = first_row(&args[1..4], Conversion::prepare)?;
    let hop: Granularity = first_row(&args[4..], |texts| {
        texts
            .first()
            .copied()
            .unwrap_or_default()
            .parse()
            .map_err(told)
    })?;
    let (step, hop) = (conversion.step()?, hop.unit.to_millis(hop.size));
    if hop / step > MOST_WINDOWS {
        return Err(FunctionError::Evaluation(format!(
            "a hop of `{hop}` ms has too many windows of `{step}` ms"
        )));
    }
    let millis = input_millis(&args[0], &conversion.input)?;
    let rows = Rows::<Long>::of(&millis)?;
    let (mut offsets, mut windows) = (vec![0_u32], Vec::new());
    for row in 0..millis.rows() {
        let time = rows.get(row);
        let oldest = time.saturating_sub(hop);
        let mut window = time.wrapping_div(step).wrapping_mul(step);
        while window > oldest {
            windows.push(window);
            window = window.saturating_sub(step);
        }
        offsets.push(windows.len() as u32);
    }
    let (element, items) = if let Output::Text(pattern) = &conversion.output {
        let mut texts = TextVec::with_capacity(windows.len(), windows.len() * 16);
        for window in windows {
            pattern.print(texts.buffer(), window);
            texts.end_value();
        }
        (DataType::String, Values::Text(texts))
    } else {
        (
            DataType::Long,
            numbers(windows, &conversion.output)?.into_values(),
        )
    };
    let items = Box::new(items);
    Ok(Block::new(
        ColumnType::mv(element),
        Values::Array(ArrayVec { offsets, items }),
    ))
}
