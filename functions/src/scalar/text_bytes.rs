//! Text as bytes in a character set and back; UUID text as its sixteen bytes.
//!
//! Must not know: hashing. Invariant: an unknown character set answers null, unmappable characters become `?`.

use common::{BytesVec, DataType, TextVec, Value};

use super::lift::{Bytes, Text, by_value, unary};
use super::text::{BYTES, TEXT, row};
use super::{Family, Params, param};
use crate::FunctionError;

const ONE_TEXT: Params = Params::Fixed(&[param::TEXT]);
const ONE_BYTES: Params = Params::Fixed(&[param::BYTES]);

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "Text and bytes",
    functions: &[
        row(
            &["tobytes"],
            Params::Fixed(&[param::TEXT, param::TEXT]),
            BYTES,
            "The text's bytes in a character set; null for an unknown one.",
            ("toBytes('é', 'ISO-8859-1')", "e9"),
            |a, _| {
                by_value(a, BYTES, a[0].rows(), |row| {
                    let (text, charset) = (row[0].as_str(), row[1].as_str());
                    let bytes = Charset::named(charset.unwrap_or_default())
                        .map(|charset| charset.encode(text.unwrap_or_default()));
                    Ok(bytes.map_or(Value::Null, Value::Bytes))
                })
            },
        ),
        row(
            &["frombytes"],
            Params::Fixed(&[param::BYTES, param::TEXT]),
            TEXT,
            "The text of bytes in a character set; null for an unknown one.",
            ("fromBytes(hexToBytes('e9'), 'ISO-8859-1')", "é"),
            |a, _| {
                by_value(a, TEXT, a[0].rows(), |row| {
                    let Value::Bytes(bytes) = &row[0] else {
                        return Ok(Value::Null);
                    };
                    let charset = Charset::named(row[1].as_str().unwrap_or_default());
                    Ok(charset.map_or(Value::Null, |c| Value::String(c.decode(bytes))))
                })
            },
        ),
        row(
            &["toutf8"],
            ONE_TEXT,
            BYTES,
            "The text's bytes in UTF-8.",
            ("toUtf8('Ωa')", "cea961"),
            |a, _| unary::<Text, BytesVec, _>(a, BYTES, |text| Ok(text.as_bytes().to_vec())),
        ),
        row(
            &["fromutf8"],
            ONE_BYTES,
            TEXT,
            "The text of UTF-8 bytes.",
            ("fromUtf8(hexToBytes('616263'))", "abc"),
            |a, _| unary::<Bytes, TextVec, _>(a, TEXT, |bytes| Ok(Charset::Utf8.decode(bytes))),
        ),
        row(
            &["toascii"],
            ONE_TEXT,
            BYTES,
            "The text's bytes in ASCII.",
            ("toAscii('ab')", "6162"),
            |a, _| unary::<Text, BytesVec, _>(a, BYTES, |text| Ok(Charset::Ascii.encode(text))),
        ),
        row(
            &["fromascii"],
            ONE_BYTES,
            TEXT,
            "The text of ASCII bytes.",
            ("fromAscii(hexToBytes('6162'))", "ab"),
            |a, _| unary::<Bytes, TextVec, _>(a, TEXT, |bytes| Ok(Charset::Ascii.decode(bytes))),
        ),
        row(
            &["touuidbytes"],
            ONE_TEXT,
            BYTES,
            "The sixteen bytes of a UUID; null where the text is none.",
            (
                "toUUIDBytes('123e4567-e89b-12d3-a456-426614174000')",
                "123e4567e89b12d3a456426614174000",
            ),
            |a, _| {
                by_value(a, DataType::Bytes, a[0].rows(), |row| {
                    let uuid = row[0].as_str().and_then(uuid_bytes);
                    Ok(uuid.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec())))
                })
            },
        ),
        row(
            &["fromuuidbytes"],
            ONE_BYTES,
            TEXT,
            "The text of a UUID's sixteen bytes.",
            (
                "fromUUIDBytes(hexToBytes('123e4567e89b12d3a456426614174000'))",
                "123e4567-e89b-12d3-a456-426614174000",
            ),
            |a, _| {
                unary::<Bytes, TextVec, _>(a, TEXT, |bytes| {
                    let sixteen = bytes.first_chunk::<16>().ok_or_else(|| {
                        FunctionError::Evaluation(format!(
                            "a UUID takes 16 bytes, got `{}`",
                            bytes.len()
                        ))
                    })?;
                    Ok(uuid::Uuid::from_bytes(*sixteen).to_string())
                })
            },
        ),
    ],
};

/// The character sets that every Java has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// With a byte order mark.
    Utf16,
    Utf16Be,
    Utf16Le,
}

impl Charset {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Self::Utf8,
            "US-ASCII" | "ASCII" | "ISO646-US" => Self::Ascii,
            "ISO-8859-1" | "ISO8859_1" | "ISO8859-1" | "LATIN1" | "L1" => Self::Latin1,
            "UTF-16" | "UTF16" | "UTF_16" | "UNICODE" => Self::Utf16,
            "UTF-16BE" | "UTF_16BE" => Self::Utf16Be,
            "UTF-16LE" | "UTF_16LE" => Self::Utf16Le,
            _ => return None,
        })
    }

    fn encode(self, text: &str) -> Vec<u8> {
        let narrow = |most: u32| -> Vec<u8> {
            text.chars()
                .map(|c| if c as u32 <= most { c as u8 } else { b'?' })
                .collect()
        };
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes);
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => narrow(0x7F),
            Self::Latin1 => narrow(0xFF),
            // Java writes the byte order mark with the first character.
            Self::Utf16 if text.is_empty() => Vec::new(),
            Self::Utf16 => [0xFE, 0xFF]
                .into_iter()
                .chain(wide(u16::to_be_bytes))
                .collect(),
            Self::Utf16Be => wide(u16::to_be_bytes).collect(),
            Self::Utf16Le => wide(u16::to_le_bytes).collect(),
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        let wide = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = bytes
                .chunks(2)
                .map(|pair| <[u8; 2]>::try_from(pair).map_or(0xFFFD, read))
                .collect();
            String::from_utf16_lossy(&units)
        };
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Ascii => bytes
                .iter()
                .map(|b| if b.is_ascii() { *b as char } else { '\u{FFFD}' })
                .collect(),
            Self::Latin1 => bytes.iter().map(|b| *b as char).collect(),
            Self::Utf16 => match bytes {
                [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
                [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
                _ => wide(bytes, u16::from_be_bytes),
            },
            Self::Utf16Be => wide(bytes, u16::from_be_bytes),
            Self::Utf16Le => wide(bytes, u16::from_le_bytes),
        }
    }
}

/// `UUID.fromString`: five hexadecimal groups; short groups are filled with zeros, long ones cut.
fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    if text.len() > 36 {
        return None;
    }
    let mut groups = text.split('-');
    let mut value: u128 = 0;
    for bits in [32, 16, 16, 16, 48] {
        let group = groups.next()?;
        if group.is_empty() || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let group = u128::from_str_radix(group, 16).ok()?;
        value = (value << bits) | (group & ((1 << bits) - 1));
    }
    groups.next().is_none().then(|| value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_encode_as_java() {
        assert_eq!(hex::encode(Charset::Utf16.encode("Ga")), "feff00470061");
        assert_eq!(hex::encode(Charset::Utf16Le.encode("a")), "6100");
        assert_eq!(Charset::Ascii.decode(&[0x61, 0xFF]), "a\u{FFFD}");
        assert_eq!(
            Charset::Utf16.decode(&[0xFE, 0xFF, 0, 0x61, 0]),
            "a\u{FFFD}"
        );
        assert_eq!(Charset::named("nope"), None);
    }

    #[test]
    fn uuids_read_as_java() {
        assert_eq!(
            uuid_bytes("1-2-3-4-5").map(hex::encode).as_deref(),
            Some("00000001000200030004000000000005")
        );
        assert_eq!(uuid_bytes("x"), None);
        assert_eq!(uuid_bytes("1-2-3-4-5-6"), None);
    }
}
