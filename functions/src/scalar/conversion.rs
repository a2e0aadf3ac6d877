//! CAST and the conversions between numbers, text, bytes, hex and base64.
//!
//! Must not know: how blocks convert between types; `common::cast` does. Invariant: malformed text is an error, as a cast
//! never invents a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use common::cast::{decimal_from_bytes, decimal_to_bytes};
use common::{Block, BytesVec, ColumnType, DataType, TextVec, Value, Values};

use super::lift::{Bytes, Long, Text, unary};
use super::{Argument, Family, Param, Params, ROW, Returns, Role, ScalarFunction, param};
use crate::FunctionError;

const STRING: Returns = Returns::Is(ColumnType::sv(DataType::String));
const BYTES: Returns = Returns::Is(ColumnType::sv(DataType::Bytes));

/// Decodes with or without padding, as `java.util.Base64` does.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The conversions.
pub(crate) static FAMILY: Family = Family {
    title: "Conversion",
    functions: &[
        ScalarFunction {
            role: Role::Transform,
            eval: |a, _| {
                numbers_only(&a[0], cast_target(a)?)?;
                cast(a)
            },
            example: ("", ""),
            doc: "The column in another type; text becomes a number only where it is one.",
            ..CAST
        },
        ScalarFunction {
            role: Role::Scalar,
            eval: |a, _| {
                if cast_target(a)? == ColumnType::sv(DataType::Json) {
                    return json_documents(&a[0]);
                }
                cast(a)
            },
            ..CAST
        },
        ScalarFunction {
            names: &["bigdecimaltobytes"],
            params: Params::Fixed(&[param::DECIMAL]),
            returns: BYTES,
            doc: "Two bytes of scale, then the digits in two's complement.",
            example: ("bigDecimalToBytes(-300)", "0000fed4"),
            eval: |a, _| {
                let flat = a[0].clone().flattened();
                let mut out = BytesVec::with_capacity(flat.rows(), flat.rows() * 8);
                if let Values::BigDecimal(values) = flat.values() {
                    for value in values {
                        out.push(&decimal_to_bytes(value));
                    }
                }
                Ok(Block::new(DataType::Bytes, Values::Bytes(out)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["bytestobigdecimal"],
            params: Params::Fixed(&[param::BYTES]),
            returns: Returns::Is(ColumnType::sv(DataType::BigDecimal)),
            doc: "The inverse of bigDecimalToBytes.",
            example: ("bytesToBigDecimal(hexToBytes('00010f'))", "1.5"),
            eval: |a, _| {
                unary::<Bytes, Vec<common::BigDecimal>, _>(a, DataType::BigDecimal, |b| {
                    decimal_from_bytes(b).ok_or_else(|| {
                        FunctionError::Evaluation(format!("`{}` is no BIG_DECIMAL", hex::encode(b)))
                    })
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["hextobytes"],
            params: Params::Fixed(&[param::TEXT]),
            returns: BYTES,
            doc: "Bytes from hexadecimal text.",
            example: ("hexToBytes('0aff')", "0aff"),
            eval: |a, _| {
                unary::<Text, BytesVec, _>(a, DataType::Bytes, |text| {
                    hex::decode(text).map_err(|_| {
                        FunctionError::Evaluation(format!("Value: {text} is not Hex encoded"))
                    })
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["bytestohex"],
            params: Params::Fixed(&[param::BYTES]),
            returns: STRING,
            doc: "Bytes as lower-case hexadecimal text.",
            example: ("bytesToHex(toUtf8('ABC'))", "414243"),
            eval: |a, _| unary::<Bytes, TextVec, _>(a, DataType::String, |b| Ok(hex::encode(b))),
            ..ROW
        },
        ScalarFunction {
            names: &["hexdecimaltolong"],
            params: Params::Fixed(&[param::TEXT]),
            returns: Returns::Is(ColumnType::sv(DataType::Long)),
            doc: "A LONG from hexadecimal text, with or without 0x.",
            example: ("hexDecimalToLong('0xff')", "255"),
            eval: |a, _| {
                unary::<Text, Vec<i64>, _>(a, DataType::Long, |text| {
                    let digits = text.strip_prefix("0x").unwrap_or(text);
                    i64::from_str_radix(digits, 16).map_err(|_| {
                        FunctionError::Evaluation(format!("For input string: \"{text}\""))
                    })
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["longtohexdecimal"],
            params: Params::Fixed(&[param::LONG]),
            returns: STRING,
            doc: "A LONG as hexadecimal text in two's complement.",
            example: ("longToHexDecimal(255)", "ff"),
            eval: |a, _| unary::<Long, TextVec, _>(a, DataType::String, |n| Ok(format!("{n:x}"))),
            ..ROW
        },
        ScalarFunction {
            names: &["base64encode"],
            params: Params::Fixed(&[param::BYTES]),
            returns: BYTES,
            doc: "The base64 form of bytes, as the bytes of its text.",
            example: ("fromUtf8(base64Encode(toUtf8('hello')))", "aGVsbG8="),
            eval: |a, _| {
                unary::<Bytes, BytesVec, _>(a, DataType::Bytes, |b| Ok(STANDARD.encode(b)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["base64decode"],
            params: Params::Fixed(&[param::BYTES]),
            returns: BYTES,
            doc: "The inverse of base64Encode.",
            example: ("fromUtf8(base64Decode(toUtf8('aGVsbG8=')))", "hello"),
            eval: |a, _| unary::<Bytes, BytesVec, _>(a, DataType::Bytes, decode),
            ..ROW
        },
        ScalarFunction {
            names: &["tobase64"],
            params: Params::Fixed(&[param::BYTES]),
            returns: STRING,
            doc: "Bytes as base64 text.",
            example: ("toBase64(toUtf8('hello'))", "aGVsbG8="),
            eval: |a, _| {
                unary::<Bytes, TextVec, _>(a, DataType::String, |b| Ok(STANDARD.encode(b)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["frombase64"],
            params: Params::Fixed(&[param::TEXT]),
            returns: BYTES,
            doc: "Bytes from base64 text.",
            example: ("fromBase64('aGVsbG8=')", "68656c6c6f"),
            eval: |a, _| unary::<Text, BytesVec, _>(a, DataType::Bytes, |t| decode(t.as_bytes())),
            ..ROW
        },
    ],
};

const CAST: ScalarFunction = ScalarFunction {
    names: &["cast"],
    params: Params::Fixed(&[Param::Any, param::TEXT]),
    returns: Returns::Infer(cast_type),
    doc: "The value in another type; text may be a number or a time for LONG. Arrays convert element by element.",
    example: ("CAST('12' AS LONG)", "12"),
    ..ROW
};

fn cast_target(args: &[Block]) -> Result<ColumnType, FunctionError> {
    let name = (!args[1].values().is_empty()).then(|| args[1].value(0));
    target(name.as_ref(), args[0].column_type())
}

fn cast(args: &[Block]) -> Result<Block, FunctionError> {
    let to = cast_target(args)?;
    if args[0].column_type().data_type == DataType::Unknown {
        return Ok(super::lift::all_null(to, args[0].rows()));
    }
    readable(&args[0], to)?;
    Ok(args[0].cast(to)?)
}

/// Refuses BYTES where a number, a time or a truth value is wanted: only reading a value shows it.
fn readable(block: &Block, to: ColumnType) -> Result<(), FunctionError> {
    let bytes = block.column_type().data_type == DataType::Bytes && block.rows() > 0;
    let known = matches!(
        to.data_type,
        DataType::Bytes | DataType::String | DataType::Json | DataType::BigDecimal
    );
    if bytes && !known {
        let message = format!("Cannot cast from BYTES to {}", to.data_type);
        return Err(FunctionError::Evaluation(message));
    }
    Ok(())
}

/// Refuses text that is no number where LONG is wanted.
fn numbers_only(block: &Block, to: ColumnType) -> Result<(), FunctionError> {
    let items = match block.values() {
        Values::Array(array) => array.items.as_ref(),
        values => values,
    };
    let (Values::Text(texts), DataType::Long) = (items, to.data_type) else {
        return Ok(());
    };
    for index in 0..texts.len() {
        let text = texts.get(index).trim();
        if text.parse::<i64>().is_err() && common::cast::parse_double(text).is_none() {
            return Err(FunctionError::Evaluation(format!(
                "For input string: \"{text}\""
            )));
        }
    }
    Ok(())
}

/// Text that is no JSON document becomes a JSON text.
fn json_documents(block: &Block) -> Result<Block, FunctionError> {
    let text = block.cast(ColumnType::sv(DataType::String))?;
    let from_text = block.column_type().data_type == DataType::String;
    let values: Vec<Value> = (0..text.rows())
        .map(|row| match text.value(row) {
            Value::String(text) if from_text && crate::json::Json::parse(&text).is_err() => {
                Value::Json(crate::json::quoted(&text))
            }
            Value::String(text) => Value::Json(text),
            other => other,
        })
        .collect();
    Ok(Block::from_values(DataType::Json, &values))
}

fn decode(text: &[u8]) -> Result<Vec<u8>, FunctionError> {
    LENIENT.decode(text).map_err(|_| {
        let illegal = text
            .iter()
            .find(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'+' | b'/' | b'='));
        FunctionError::Evaluation(match illegal {
            Some(byte) => format!("Illegal base64 character {byte:x}"),
            None => format!("`{}` is not base64", String::from_utf8_lossy(text)),
        })
    })
}

fn cast_type(arguments: &[Argument]) -> Result<ColumnType, FunctionError> {
    target(arguments[1].literal.as_ref(), arguments[0].column_type)
}

/// The type that CAST names. An array stays one; a single value becomes one only where the name says so.
fn target(name: Option<&Value>, from: ColumnType) -> Result<ColumnType, FunctionError> {
    let Some(name) = name.and_then(Value::as_str) else {
        return Err(FunctionError::Argument(
            "the type of a cast must be a text literal".to_owned(),
        ));
    };
    let upper = name.to_ascii_uppercase();
    let element = upper
        .strip_suffix("_ARRAY")
        .or_else(|| upper.strip_suffix(" ARRAY"));
    let unknown = || FunctionError::Argument(format!("Unable to cast expression to type - {name}"));
    let data_type: DataType = element.unwrap_or(&upper).parse().map_err(|_| unknown())?;
    if matches!(
        data_type,
        DataType::Unknown | DataType::Map | DataType::Object
    ) {
        return Err(unknown());
    }
    Ok(ColumnType {
        data_type,
        multi: from.multi || element.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{EvalContext, Role, bind};

    fn cast(value: &Value, to: &str) -> Result<Value, FunctionError> {
        let args = [
            Block::constant(value.column_type(), value, 1),
            Block::constant(DataType::String, &Value::String(to.into()), 1),
        ];
        let arguments: Vec<Argument> = args
            .iter()
            .map(|block| Argument {
                column_type: block.column_type(),
                literal: block.constant_value(),
            })
            .collect();
        let bound = bind("cast", &arguments, Role::Scalar)?;
        Ok(bound.call(&args, 1, &EvalContext::at(0))?.value(0))
    }

    #[test]
    fn casts_answer_what_was_recorded() -> Result<(), FunctionError> {
        let text = |t: &str| Value::String(t.to_owned());
        assert_eq!(cast(&text(" 7"), "INT")?, Value::Int(7));
        assert_eq!(
            cast(&text("2025-12-01 00:00:00"), "LONG")?,
            Value::Long(1_764_547_200_000)
        );
        assert_eq!(cast(&Value::Double(12.9), "BIGINT")?, Value::Long(12));
        assert_eq!(
            cast(&Value::Int(16_777_217), "FLOAT")?,
            Value::Float(16_777_216.0)
        );
        assert_eq!(cast(&text("x"), "BOOLEAN")?, Value::Boolean(false));
        assert_eq!(cast(&Value::Double(1e10), "STRING")?, text("1.0E10"));
        assert_eq!(cast(&Value::Boolean(true), "BIG_DECIMAL")?.to_text(), "1");
        assert!(cast(&text("abc"), "INT").is_err());
        assert!(cast(&text("zz"), "BYTES").is_err());
        assert!(cast(&text("a"), "NOPE").is_err());
        assert_eq!(
            cast(&Value::Array(DataType::Int, vec![Value::Int(3)]), "STRING")?,
            Value::Array(DataType::String, vec![text("3")])
        );
        Ok(())
    }

    #[test]
    fn base64_refuses_other_characters() {
        assert_eq!(
            decode(b"aGVsbG8").ok().as_deref(),
            Some(b"hello".as_slice())
        );
        assert_eq!(
            decode(b"***"),
            Err(FunctionError::Evaluation(
                "Illegal base64 character 2a".into()
            ))
        );
    }
}
