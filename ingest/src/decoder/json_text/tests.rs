//! Tokens as Jackson takes and refuses them.

use super::*;

fn read(text: &str) -> Fallible<Field> {
    let mut cursor = JsonCursor::new(text.as_bytes(), false);
    cursor.skip_blanks();
    cursor.value(0)
}

#[test]
fn numbers_are_exact() -> Fallible<()> {
    assert_eq!(read("-12")?, Field::Int(-12));
    assert_eq!(read("9223372036854775807")?, Field::Long(i64::MAX));
    assert_eq!(read("-9223372036854775808")?, Field::Long(i64::MIN));
    assert!(matches!(read("9223372036854775808")?, Field::BigInt(_)));
    for text in [
        "0.1",
        "123.456e-7",
        "1e400",
        "2.2250738585072014E-308",
        "1714521600000.9",
    ] {
        assert_eq!(
            read(text)?,
            Field::Double(text.parse().unwrap_or(f64::NAN)),
            "{text}"
        );
    }
    for wrong in ["007", "+1", "1.", ".5", "1e", "-", "NaN", "0x10"] {
        let mut cursor = JsonCursor::new(wrong.as_bytes(), false);
        let all = cursor.value(0).is_ok() && cursor.at_end();
        assert!(!all, "{wrong}");
    }
    Ok(())
}

#[test]
fn strings_unescape() -> Fallible<()> {
    assert_eq!(
        read(r#""a\u00e9\n\ud83d\ude00\/""#)?,
        Field::Text("aé\n😀/".into())
    );
    assert_eq!(read(r#""\ud83dx""#)?, Field::Text("?x".into()));
    assert!(read("\"a\nb\"").is_err());
    assert!(read(r#""\u12g4""#).is_err());
    assert!(read("\"open").is_err());
    Ok(())
}

#[test]
fn objects_keep_the_last_of_equal_names() -> Fallible<()> {
    let field = read(r#"{"a":1,"b":{"c":[1,[2]]},"a":2}"#)?;
    assert_eq!(field.to_json(), r#"{"a":2,"b":{"c":[1,[2]]}}"#);
    let many: Vec<String> = (0..60).map(|i| format!("\"k{}\":{i}", i % 40)).collect();
    let field = read(&format!("{{{}}}", many.join(",")))?;
    assert!(
        matches!(field, Field::Map(entries) if entries.len() == 40 && entries[1].1 == Field::Int(41))
    );
    Ok(())
}

#[test]
fn nesting_is_bounded() {
    assert!(read(&"[".repeat(100_000)).is_err());
}
