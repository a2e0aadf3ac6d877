//! BIG_DECIMAL as bytes that sort, group and join as the numbers do.
//!
//! Layout: sign (0 negative, 1 zero, 2 positive), then for a number 0.d1d2.. x 10^e: e with its sign bit turned (4 bytes, big
//! endian), the digits each + 1, a zero byte; all complemented for negative numbers; at the end the scale (8 bytes), which
//! keeps the text. Must not know: columns. Invariant: `decode(encode(x))` is `x` with its scale.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

/// Appends the bytes of a number.
pub(crate) fn encode(value: &BigDecimal, out: &mut Vec<u8>) {
    let (digits, scale) = value.as_bigint_and_exponent();
    let text = digits.magnitude().to_string();
    let significant = text.trim_end_matches('0');
    match digits.sign() {
        Sign::NoSign => out.push(1),
        sign => {
            let negative = sign == Sign::Minus;
            out.push(if negative { 0 } else { 2 });
            let start = out.len();
            let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
            let exponent = i32::try_from(length.saturating_sub(scale)).unwrap_or(if scale > 0 {
                i32::MIN
            } else {
                i32::MAX
            });
            out.extend((exponent.cast_unsigned() ^ (1 << 31)).to_be_bytes());
            out.extend(significant.bytes().map(|digit| digit - b'0' + 1));
            out.push(0);
            if negative {
                out[start..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
    }
    out.extend(scale.to_be_bytes());
}

/// Bytes of the scale.
const SCALE: usize = 8;

/// The part of the bytes that is the number, whatever its scale: equal numbers have equal parts.
pub(crate) fn number(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().saturating_sub(SCALE)]
}

/// The number of bytes that [`encode`] made; zero for other bytes.
pub(crate) fn decode(bytes: &[u8]) -> BigDecimal {
    parse(bytes).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<BigDecimal> {
    let (head, scale) = bytes.split_at_checked(bytes.len().checked_sub(SCALE)?)?;
    let scale = i64::from_be_bytes(scale.try_into().ok()?);
    let (sign, rest) = head.split_first()?;
    if *sign == 1 {
        return Some(BigDecimal::new(BigInt::ZERO, scale));
    }
    let negative = *sign == 0;
    let plain: Vec<u8> = rest
        .iter()
        .map(|b| if negative { !*b } else { *b })
        .collect();
    let exponent = u32::from_be_bytes(plain.get(..4)?.try_into().ok()?) ^ (1 << 31);
    let exponent = i64::from(exponent.cast_signed());
    let mut text: String = plain
        .get(4..plain.len().checked_sub(1)?)?
        .iter()
        .map(|digit| char::from(digit.wrapping_sub(1).wrapping_add(b'0')))
        .collect();
    // All digits that the scale says there are.
    let length = usize::try_from(exponent.checked_add(scale)?).ok()?;
    while text.len() < length {
        text.push('0');
    }
    let mut digits = BigInt::from_str(&text).ok()?;
    if negative {
        digits = -digits;
    }
    Some(BigDecimal::new(digits, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_numbers_and_come_back() {
        let sorted = [
            "-1000.5",
            "-999.99",
            "-10",
            "-2.5",
            "-0.001",
            "0",
            "0.0001",
            "0.5",
            "2.5",
            "2.51",
            "9",
            "10",
            "100",
            "1000000000000000000000000.25",
        ];
        let mut last: Vec<u8> = Vec::new();
        for text in sorted {
            let number = BigDecimal::from_str(text).unwrap();
            let mut bytes = Vec::new();
            encode(&number, &mut bytes);
            assert!(bytes > last, "{text}");
            let back = decode(&bytes);
            assert_eq!(back, number);
            assert_eq!(
                back.as_bigint_and_exponent(),
                number.as_bigint_and_exponent(),
                "{text}"
            );
            last = bytes;
        }
    }

    #[test]
    fn numbers_have_no_scale() {
        let encoded = |text: &str| {
            let mut bytes = Vec::new();
            encode(&BigDecimal::from_str(text).unwrap(), &mut bytes);
            bytes
        };
        for (a, b) in [
            ("1", "1.00"),
            ("0", "0.0"),
            ("-20", "-2e1"),
            ("12.5", "12.50"),
        ] {
            let (a, b) = (encoded(a), encoded(b));
            assert_ne!(a, b);
            assert_eq!(number(&a), number(&b));
        }
        assert!(number(&encoded("1.0")) < number(&encoded("1.01")));
    }
}
