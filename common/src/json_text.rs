//! JSON strings, written as Pinot's JSON library writes them.
//!
//! Must not know: JSON values. Invariant: what is written is one JSON string, quotes and all; control characters without a
//! short form are `\u` and four upper-case digits.

/// Appends a text as a JSON string with its quotes.
pub fn write(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0C => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[start..at]);
        if escape.is_empty() {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push_str("\\u00");
            out.push(DIGITS[usize::from(byte >> 4)].into());
            out.push(DIGITS[usize::from(byte & 15)].into());
        } else {
            out.push_str(escape);
        }
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}
