//! Values in Postgres' binary format.
//!
//! Must not know: messages. Invariant: what is written has the form of its column's type, or is NULL.

use bytes::BufMut;
use common::Value;
use common::java_text::decimal_text;

use super::kind::{Base, Kind};
use super::text::{millis, said, truth};

/// Milliseconds from 1970 to 2000, where Postgres begins to count.
const EPOCH_MS: i64 = 946_684_800_000;

/// The bytes of a value in a column of that type; `None` for NULL.
pub(crate) fn binary(value: &Value, kind: Kind) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::Array(_, items) => Some(array(items, kind)),
        _ if kind.array => Some(array(std::slice::from_ref(value), kind)),
        _ => single(value, kind.base),
    }
}

fn array(items: &[Value], kind: Kind) -> Vec<u8> {
    let cells: Vec<Option<Vec<u8>>> = items.iter().map(|i| single(i, kind.base)).collect();
    let mut out = Vec::new();
    out.put_i32(i32::from(!items.is_empty()));
    out.put_i32(i32::from(cells.iter().any(Option::is_none)));
    out.put_u32(Kind::of(kind.base).oid());
    if !items.is_empty() {
        out.put_i32(i32::try_from(items.len()).unwrap_or(i32::MAX));
        out.put_i32(1);
    }
    for cell in cells {
        match cell {
            None => out.put_i32(-1),
            Some(cell) => {
                out.put_i32(i32::try_from(cell.len()).unwrap_or(i32::MAX));
                out.put_slice(&cell);
            }
        }
    }
    out
}

fn single(value: &Value, base: Base) -> Option<Vec<u8>> {
    Some(match base {
        Base::Bool => vec![u8::from(truth(value)?)],
        Base::Int2 => i16::try_from(value.as_i64()?).ok()?.to_be_bytes().to_vec(),
        Base::Int4 => i32::try_from(value.as_i64()?).ok()?.to_be_bytes().to_vec(),
        Base::Oid => u32::try_from(value.as_i64()?).ok()?.to_be_bytes().to_vec(),
        Base::Int8 => value.as_i64()?.to_be_bytes().to_vec(),
        Base::Float4 => (value.as_f64()? as f32).to_be_bytes().to_vec(),
        Base::Float8 => value.as_f64()?.to_be_bytes().to_vec(),
        Base::Timestamp => {
            let micros = millis(value)?.checked_sub(EPOCH_MS)?.checked_mul(1000)?;
            micros.to_be_bytes().to_vec()
        }
        Base::Bytes => match value {
            Value::Bytes(bytes) => bytes.clone(),
            _ => return None,
        },
        Base::Numeric => numeric(&match value {
            Value::BigDecimal(v) => decimal_text(v),
            other => other.as_f64()?.to_string(),
        })?,
        Base::Text | Base::Json => said(value)?.into_bytes(),
    })
}

/// A plain decimal as groups of four digits.
fn numeric(text: &str) -> Option<Vec<u8>> {
    if text == "NaN" {
        return Some(
            [0, 0, 0xC000_u16, 0]
                .iter()
                .flat_map(|v| v.to_be_bytes())
                .collect(),
        );
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let front = "0".repeat((4 - whole.len() % 4) % 4) + whole;
    let back = fraction.to_owned() + &"0".repeat((4 - fraction.len() % 4) % 4);
    let groups = |text: &str| -> Option<Vec<i16>> {
        let chunks = text.as_bytes().chunks(4);
        chunks
            .map(|c| std::str::from_utf8(c).ok()?.parse().ok())
            .collect()
    };
    let mut all = groups(&front)?;
    let mut weight = i16::try_from(all.len()).ok()? - 1;
    all.extend(groups(&back)?);
    let leading = all.iter().take_while(|g| **g == 0).count();
    all.drain(..leading);
    weight -= i16::try_from(leading).ok()?;
    while all.last() == Some(&0) {
        all.pop();
    }
    if all.is_empty() {
        weight = 0;
    }
    let mut out = Vec::with_capacity(8 + 2 * all.len());
    out.put_i16(i16::try_from(all.len()).ok()?);
    out.put_i16(weight);
    out.put_u16(if negative { 0x4000 } else { 0 });
    out.put_i16(i16::try_from(fraction.len()).ok()?);
    all.into_iter().for_each(|group| out.put_i16(group));
    Some(out)
}

/// The text of a decimal that a client sends in binary.
pub(crate) fn numeric_text(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| -> Option<i16> {
        let two = bytes.get(at * 2..at * 2 + 2)?;
        Some(i16::from_be_bytes(two.try_into().ok()?))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?, word(3)?);
    if sign as u16 == 0xC000 {
        return Some("NaN".to_owned());
    }
    let group = |at: i32| -> Option<i16> {
        match usize::try_from(at) {
            Ok(at) if at < usize::try_from(count).ok()? => word(4 + at),
            _ => Some(0),
        }
    };
    let mut whole = String::new();
    for at in 0..=i32::from(weight.max(-1)) {
        whole += &format!("{:04}", group(at)?);
    }
    let whole = whole.trim_start_matches('0');
    let mut fraction = String::new();
    let mut at = i32::from(weight) + 1;
    // Groups before the first that is sent are nought.
    for _ in 0..usize::try_from(-(i32::from(weight) + 1)).unwrap_or(0) {
        fraction += "0000";
    }
    at = at.max(0);
    let scale = usize::try_from(scale).ok()?;
    while fraction.len() < scale {
        fraction += &format!("{:04}", group(at)?);
        at += 1;
    }
    fraction.truncate(scale);
    let sign = if sign as u16 == 0x4000 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if scale == 0 {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use common::{DataType, Value};

    use super::{Base, Kind, binary, numeric, numeric_text};

    #[test]
    fn decimals_are_groups_of_four_digits() {
        for text in [
            "0",
            "1",
            "-12345.678",
            "0.0001",
            "0.00000012",
            "10000",
            "123456789012345678901234.5",
            "-0.5",
        ] {
            let back = numeric(text).and_then(|bytes| numeric_text(&bytes));
            assert_eq!(back.as_deref(), Some(text));
        }
        assert_eq!(
            numeric("12345.678"),
            Some(vec![0, 3, 0, 1, 0, 0, 0, 3, 0, 1, 9, 41, 26, 124])
        );
        assert_eq!(numeric_text(&[0, 9, 0, 0]), None);
    }

    #[test]
    fn moments_count_from_2000() {
        let moment = Value::Timestamp(946_684_800_001);
        assert_eq!(
            binary(&moment, Kind::of(Base::Timestamp)),
            Some(1000_i64.to_be_bytes().to_vec())
        );
        let far = Value::Timestamp(i64::MIN);
        assert_eq!(binary(&far, Kind::of(Base::Timestamp)), None);
    }

    #[test]
    fn arrays_say_how_long_they_are() {
        let kind = Kind {
            base: Base::Int4,
            array: true,
        };
        let array = Value::Array(DataType::Int, vec![Value::Int(7)]);
        let bytes = [
            0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 7,
        ];
        assert_eq!(binary(&array, kind), Some(bytes.to_vec()));
        let none = Value::Array(DataType::Int, Vec::new());
        assert_eq!(binary(&none, kind).map(|b| b.len()), Some(12));
    }
}
