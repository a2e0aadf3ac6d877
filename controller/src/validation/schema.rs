//! The rules of a schema, and of its replacement by a newer one.
//!
//! Must not know: tables' data. Invariant: a schema that passes can hold a table.

use common::time_format::DateTimeFormat;
use common::{FieldRole, Schema};

use super::{Verdict, refuse};

/// Checks a schema by itself.
pub(crate) fn check(schema: &Schema) -> Verdict {
    refuse(schema.name.is_empty(), || {
        "'schemaName' should not be null or empty".to_owned()
    })?;
    schema.validate()?;
    for (role, field) in &schema.fields {
        if *role == FieldRole::Metric {
            refuse(!field.single_value_field, || {
                format!("METRIC field: {} must be single-valued", field.name)
            })?;
        }
        if let (FieldRole::DateTime, Some(format)) = (role, field.format.as_deref()) {
            sorted_pattern(format)?;
        }
    }
    Ok(())
}

/// A pattern's text must sort as the times it writes: largest unit first.
fn sorted_pattern(format: &str) -> Verdict {
    let Ok(DateTimeFormat::Pattern {
        pattern: Some(pattern),
        ..
    }) = format.parse()
    else {
        return Ok(());
    };
    let mut quoted = false;
    let mut last = 0;
    for letter in pattern.chars() {
        if letter == '\'' {
            quoted = !quoted;
        }
        let rank = match letter {
            _ if quoted => continue,
            'y' | 'Y' | 'x' | 'u' => 1,
            'M' | 'w' | 'D' => 2,
            'd' | 'e' => 3,
            'a' => 4,
            'H' | 'h' | 'K' | 'k' => 5,
            'm' => 6,
            's' => 7,
            'S' => 8,
            _ => continue,
        };
        refuse(rank < last, || {
            format!(
                "SIMPLE_DATE_FORMAT pattern {pattern} has to be sorted by both lexicographical and datetime order"
            )
        })?;
        last = rank;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sorted_pattern;

    #[test]
    fn patterns_sort() {
        assert!(sorted_pattern("1:DAYS:SIMPLE_DATE_FORMAT:dd/MM/yyyy").is_err());
        assert!(sorted_pattern("SIMPLE_DATE_FORMAT|yyyy-MM-dd'T'HH:mm:ss.SSS|UTC").is_ok());
        assert!(sorted_pattern("1:MILLISECONDS:EPOCH").is_ok());
    }
}
