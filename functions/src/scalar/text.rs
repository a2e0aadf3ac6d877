//! Building blocks of the text functions: UTF-16 positions, results written into one buffer.
//!
//! Java counts UTF-16 units; text is UTF-8 here, so positions translate, at no cost for ASCII.
//! Must not know: any function. Invariant: half of a surrogate pair, which UTF-8 cannot hold, becomes `?`; a block of
//! results never grows beyond [`LIMIT`] bytes.

use common::{ArrayVec, Block, ColumnType, DataType, TextVec, Values};

use super::{EvalContext, Params, ROW, Returns, ScalarFunction};
use crate::FunctionError;

pub(super) type Answer = Result<Block, FunctionError>;
pub(super) type Names = &'static [&'static str];
pub(super) type Example = (&'static str, &'static str);
pub(super) type Kernel = fn(&[Block], &EvalContext) -> Answer;

/// Most bytes of text in the results of one block.
pub(super) const LIMIT: usize = 1 << 30;

/// A row of the table, shorter to write.
pub(super) const fn row(
    names: Names,
    params: Params,
    returns: ColumnType,
    doc: &'static str,
    example: Example,
    eval: Kernel,
) -> ScalarFunction {
    ScalarFunction {
        names,
        params,
        returns: Returns::Is(returns),
        doc,
        example,
        eval,
        ..ROW
    }
}

/// Result types.
pub(super) const TEXT: ColumnType = ColumnType::sv(DataType::String);
pub(super) const TEXTS: ColumnType = ColumnType::mv(DataType::String);
pub(super) const INT: ColumnType = ColumnType::sv(DataType::Int);
pub(super) const LONG: ColumnType = ColumnType::sv(DataType::Long);
pub(super) const BOOLEAN: ColumnType = ColumnType::sv(DataType::Boolean);
pub(super) const BYTES: ColumnType = ColumnType::sv(DataType::Bytes);

/// Refuses results that would not fit into memory.
pub(super) fn check_size(bytes: usize) -> Result<(), FunctionError> {
    if bytes <= LIMIT {
        return Ok(());
    }
    Err(FunctionError::Evaluation(format!(
        "the result would take `{bytes}` bytes of text, at most {LIMIT} are possible"
    )))
}

/// Text results, one a row, written by `kernel(row, buffer)`.
pub(super) fn write_text(
    args: &[Block],
    mut kernel: impl FnMut(usize, &mut String) -> Result<(), FunctionError>,
) -> Answer {
    let rows = args[0].rows();
    let mut out = TextVec::with_capacity(rows, rows * 8);
    for row in 0..rows {
        kernel(row, out.buffer())?;
        check_size(out.buffer().len())?;
        out.end_value();
    }
    Ok(Block::new(TEXT, Values::Text(out)))
}

/// Text results where `kernel` answers false for null.
pub(super) fn write_optional_text(
    args: &[Block],
    mut kernel: impl FnMut(usize, &mut String) -> Result<bool, FunctionError>,
) -> Answer {
    let rows = args[0].rows();
    let mut out = TextVec::with_capacity(rows, rows * 8);
    let mut nulls = Vec::with_capacity(rows);
    for row in 0..rows {
        nulls.push(!kernel(row, out.buffer())?);
        check_size(out.buffer().len())?;
        out.end_value();
    }
    Ok(Block::new(TEXT, Values::Text(out)).with_nulls(Some(nulls)))
}

/// Arrays of text, one a row, whose items `kernel(row, items)` pushes.
pub(super) fn write_texts(
    args: &[Block],
    mut kernel: impl FnMut(usize, &mut TextVec) -> Result<(), FunctionError>,
) -> Answer {
    let rows = args[0].rows();
    let mut items = TextVec::with_capacity(rows * 2, rows * 16);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    for row in 0..rows {
        kernel(row, &mut items)?;
        check_size(items.data().len())?;
        offsets.push(items.len() as u32);
    }
    let items = Box::new(Values::Text(items));
    Ok(Block::new(
        TEXTS,
        Values::Array(ArrayVec { offsets, items }),
    ))
}

/// `String.length`.
pub(super) fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().map(char::len_utf16).sum()
    }
}

/// Appends `text.substring(begin, end)`; bounds beyond the text are cut.
pub(super) fn push_slice(out: &mut String, text: &str, begin: usize, end: usize) {
    if text.is_ascii() {
        let end = end.min(text.len());
        if begin < end {
            out.push_str(&text[begin..end]);
        }
        return;
    }
    let mut position = 0;
    for c in text.chars() {
        if position >= end {
            break;
        }
        let next = position + c.len_utf16();
        if position >= begin && next <= end {
            out.push(c);
        } else if next > begin {
            out.push('?');
        }
        position = next;
    }
}

/// `text.substring(begin, end)`.
pub(super) fn slice(text: &str, begin: usize, end: usize) -> String {
    let mut out = String::new();
    push_slice(&mut out, text, begin, end);
    out
}

/// The byte at which a UTF-16 position lies; the length where it lies beyond the text.
pub(super) fn byte_of(text: &str, position: usize) -> usize {
    if text.is_ascii() {
        return position.min(text.len());
    }
    let mut units = 0;
    for (byte, c) in text.char_indices() {
        if units >= position {
            return byte;
        }
        units += c.len_utf16();
    }
    text.len()
}

/// `StringUtils.substring(text, begin, end)`: negative bounds count from the end, all are cut to the text.
pub(super) fn push_counted(out: &mut String, text: &str, begin: i64, end: Option<i64>) {
    let length = length(text) as i64;
    let from_end = |at: i64| if at < 0 { at + length } else { at };
    let begin = from_end(begin).max(0);
    let end = end.map_or(length, |end| from_end(end).clamp(0, length));
    if begin < end {
        push_slice(out, text, begin as usize, end as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_java() {
        assert_eq!(length("Ω😀"), 3);
        assert_eq!(slice("aΩ😀b", 1, 4), "Ω😀");
        assert_eq!(slice("a😀b", 2, 9), "?b");
        assert_eq!(slice("abc", 2, 1), "");
        assert_eq!(byte_of("Ωa", 1), 2);
        let counted = |begin, end| {
            let mut out = String::new();
            push_counted(&mut out, "hello", begin, end);
            out
        };
        assert_eq!(counted(-3, None), "llo");
        assert_eq!(counted(-1, Some(1)), "");
        assert_eq!(counted(2, Some(100)), "llo");
        assert_eq!(counted(10, None), "");
    }
}
