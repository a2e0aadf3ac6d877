//! `complexTypeConfig`: nested objects become fields with joined names, listed arrays become rows, other arrays JSON text.
//!
//! Must not know: columns. Invariant: flattening keeps the nested object under its own name beside the fields made of it.

use common::table_config::ComplexTypeConfig;

use crate::record::{Field, Record};

/// Which arrays become JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToJson {
    None,
    NonPrimitive,
    All,
}

/// The rules of one table.
#[derive(Debug)]
pub(super) struct ComplexTypes {
    unnested: Vec<String>,
    delimiter: String,
    to_json: ToJson,
    renamed: Vec<(String, String)>,
}

impl ComplexTypes {
    pub(super) fn new(config: &ComplexTypeConfig) -> Self {
        let mode = config
            .collection_not_unnested_to_json
            .as_deref()
            .unwrap_or("");
        let mut unnested = config.fields_to_unnest.clone();
        // An array is unnested before the arrays within it, whose names are longer.
        unnested.sort();
        Self {
            unnested,
            delimiter: config.delimiter.clone().unwrap_or_else(|| ".".to_owned()),
            to_json: match mode.to_ascii_uppercase().as_str() {
                "NONE" => ToJson::None,
                "ALL" => ToJson::All,
                _ => ToJson::NonPrimitive,
            },
            renamed: config
                .prefixes_to_rename
                .iter()
                .map(|(from, to)| (from.clone(), to.clone()))
                .collect(),
        }
    }

    pub(super) fn apply(&self, record: Record) -> Vec<Record> {
        let mut flat = Record::new();
        for (name, value) in record.into_fields() {
            // A joined name belongs to flattening; a field that is called so in the message is not read, as in Pinot.
            if !name.contains(&self.delimiter) {
                self.flatten(&mut flat, name, value);
            }
        }
        let mut records = vec![flat];
        for field in &self.unnested {
            records = records
                .into_iter()
                .flat_map(|record| self.unnest(record, field))
                .collect();
        }
        if !self.renamed.is_empty() {
            records = records
                .into_iter()
                .map(|record| self.rename(record))
                .collect();
        }
        records
    }

    fn flatten(&self, out: &mut Record, name: String, value: Field) {
        match value {
            Field::Map(entries) => {
                for (key, inner) in &entries {
                    let joined = format!("{name}{}{key}", self.delimiter);
                    self.flatten(out, joined, inner.clone());
                }
                out.set(&name, Field::Map(entries));
            }
            Field::Array(items) if !self.unnested.contains(&name) && self.becomes_json(&items) => {
                out.set(&name, Field::Text(Field::Array(items).to_json()));
            }
            other => out.set(&name, other),
        }
    }

    fn becomes_json(&self, items: &[Field]) -> bool {
        match self.to_json {
            ToJson::None => false,
            ToJson::All => true,
            ToJson::NonPrimitive => !items.is_empty() && items.iter().all(Field::is_collection),
        }
    }

    fn unnest(&self, mut record: Record, name: &str) -> Vec<Record> {
        let unnestable = matches!(record.get(name), Some(Field::Array(items)) if !items.is_empty());
        if !unnestable {
            return vec![record];
        }
        let Some(Field::Array(items)) = record.remove(name) else {
            return vec![record];
        };
        items
            .into_iter()
            .map(|item| {
                let mut row = record.clone();
                self.flatten(&mut row, name.to_owned(), item);
                row
            })
            .collect()
    }

    fn rename(&self, record: Record) -> Record {
        let mut out = Record::new();
        for (name, value) in record.into_fields() {
            let renamed = self.renamed.iter().find_map(|(from, to)| {
                name.strip_prefix(from.as_str())
                    .map(|rest| format!("{to}{rest}"))
            });
            out.set(renamed.as_ref().unwrap_or(&name), value);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::decoder::json::JsonDecoder;

    fn apply(config: &str, message: &str) -> Vec<String> {
        let config: ComplexTypeConfig = serde_json::from_str(config).unwrap_or_default();
        let mut record = Record::new();
        let decoded = JsonDecoder.decode(message.as_bytes(), &mut record);
        assert!(decoded.is_ok(), "{message}");
        ComplexTypes::new(&config)
            .apply(record)
            .into_iter()
            .map(|r| Field::Map(r.into_fields()).to_json())
            .collect()
    }

    #[test]
    fn objects_flatten_and_arrays_of_objects_become_text() {
        assert_eq!(
            apply(
                "{}",
                r#"{"a":{"b":1,"c":{"d":[1,2]}},"l":[{"x":1}],"e":[],"a.b":7}"#
            ),
            [
                r#"{"a.b":1,"a.c.d":[1,2],"a.c":{"d":[1,2]},"a":{"b":1,"c":{"d":[1,2]}},"l":"[{\"x\":1}]","e":[]}"#
            ]
        );
        assert_eq!(
            apply(
                r#"{"collectionNotUnnestedToJson":"ALL"}"#,
                r#"{"n":[1],"e":[]}"#
            ),
            [r#"{"n":"[1]","e":"[]"}"#]
        );
    }

    #[test]
    fn listed_arrays_become_rows() {
        let config =
            r#"{"fieldsToUnnest":["i","i__l"],"delimiter":"__","prefixesToRename":{"i__":""}}"#;
        let rows = apply(
            config,
            r#"{"p":1,"i":[{"s":"a","l":[{"c":1},{"c":2}]},{"s":"b","l":[]},null]}"#,
        );
        assert_eq!(rows.len(), 4);
        assert!(
            rows[1].contains(r#""s":"a""#) && rows[1].contains(r#""l__c":2"#),
            "{}",
            rows[1]
        );
        assert!(rows[2].contains(r#""s":"b""#), "{}", rows[2]);
        assert_eq!(apply(config, r#"{"p":2,"i":[]}"#).len(), 1);
    }
}
