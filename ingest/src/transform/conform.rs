//! `schemaConformingTransformerConfig`: fields of a message go to the columns of their paths, and what has no column is kept in two JSON
//! columns: one that is indexed, one that is not.
//!
//! Must not know: conversion. Invariant: every leaf of a message ends in one column, in one of the two JSON columns, or was dropped by name.

use std::collections::{BTreeMap, BTreeSet};

use common::{DataType, Schema, TableConfig};
use serde_json::Value as Json;

use super::invalid;
use crate::error::ConfigError;
use crate::record::{Field, Record};

/// Longer documents are cut, as Lucene wants them.
const LONGEST_DOCUMENT: usize = 32_766;
/// Parts of encoded texts: they are no documents.
const ENCODED: [&str; 3] = ["_logtype", "_dictionaryVars", "_encodedVars"];

/// The rules of one table.
#[derive(Debug)]
pub(super) struct Conforming {
    /// Columns by the path of their field; true where a collection is kept as text.
    columns: BTreeMap<String, (String, bool)>,
    indexable: Option<Extras>,
    unindexable: Option<Extras>,
    suffix: String,
    dropped: BTreeSet<String>,
    preserved: BTreeSet<String>,
    preserved_with_index: BTreeSet<String>,
    not_stored: BTreeSet<String>,
    twice: BTreeSet<String>,
    dots: bool,
    documents: Option<Documents>,
}

/// A column that takes what has none.
#[derive(Debug)]
struct Extras {
    column: String,
    text: bool,
}

/// How the texts for a search over everything are written.
#[derive(Debug)]
struct Documents {
    column: String,
    multi: bool,
    longest: usize,
    binary_from: usize,
    excluded: BTreeSet<String>,
    excluded_prefixes: BTreeSet<String>,
    value_first: bool,
    lower_too: bool,
    separator: String,
    begin: String,
    end: String,
}

/// What a record becomes.
#[derive(Default)]
struct Out {
    record: Record,
    indexable: Vec<(String, Field)>,
    unindexable: Vec<(String, Field)>,
    searched: Vec<(String, Field)>,
}

struct Config<'a>(&'a Json);

impl Config<'_> {
    fn flag(&self, key: &str, default: bool) -> bool {
        self.0.get(key).and_then(Json::as_bool).unwrap_or(default)
    }

    fn text(&self, key: &str, default: &str) -> String {
        let given = self.0.get(key).and_then(Json::as_str);
        given.unwrap_or(default).to_owned()
    }

    fn number(&self, key: &str, default: usize) -> usize {
        let given = self.0.get(key).and_then(Json::as_u64);
        given.map_or(default, |n| usize::try_from(n).unwrap_or(default))
    }

    fn set(&self, key: &str, default: &[&str]) -> BTreeSet<String> {
        match self.0.get(key).and_then(Json::as_array) {
            Some(given) => given
                .iter()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect(),
            None => default.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// A set that has two names.
    fn either(&self, key: &str, other: &str) -> BTreeSet<String> {
        let found = self.set(key, &[]);
        if found.is_empty() {
            return self.set(other, &[]);
        }
        found
    }

    fn extras(
        &self,
        schema: &Schema,
        what: &str,
        default: &str,
    ) -> Result<Option<Extras>, ConfigError> {
        if !self.flag(&format!("enable{what}Extras"), true) {
            return Ok(None);
        }
        let mut key = format!("{what}ExtrasField");
        key.replace_range(..1, &what[..1].to_ascii_lowercase());
        let column = self.text(&key, default);
        let field = schema
            .field(&column)
            .ok_or_else(|| invalid(format!("Field '{column}' doesn't exist in schema")))?;
        match field.data_type {
            DataType::Json | DataType::String => Ok(Some(Extras {
                text: field.data_type == DataType::String,
                column,
            })),
            other => Err(invalid(format!(
                "Field '{column}' has unsupported type {}",
                other.name()
            ))),
        }
    }
}

impl Conforming {
    /// The rules; `None` where the table has none.
    pub(super) fn new(schema: &Schema, table: &TableConfig) -> Result<Option<Self>, ConfigError> {
        let config = table
            .ingestion_config
            .as_ref()
            .and_then(|i| i.extra.get("schemaConformingTransformerConfig"))
            .filter(|config| config.is_object());
        let Some(config) = config.map(Config) else {
            return Ok(None);
        };
        let renamed = config.0.get("columnNameToJsonKeyPathMap");
        let renamed = renamed.and_then(Json::as_object);
        let path_of = |column: &str| {
            let path = renamed.and_then(|map| map.get(column)?.as_str());
            path.unwrap_or(column).to_owned()
        };
        for column in renamed.into_iter().flatten().map(|(column, _)| column) {
            if schema.field(column).is_none() {
                return Err(invalid(format!("Field '{column}' doesn't exist in schema")));
            }
        }
        let columns = schema.fields.iter().map(|(_, field)| {
            let text = field.single_value_field && field.data_type == DataType::String;
            (path_of(&field.name), (field.name.clone(), text))
        });
        let rules = Self {
            columns: columns.collect(),
            indexable: config.extras(schema, "Indexable", "json_data")?,
            unindexable: config.extras(schema, "Unindexable", "json_data_no_idx")?,
            suffix: config.text("unindexableFieldSuffix", "_noindex"),
            dropped: config.set("fieldPathsToDrop", &[]),
            preserved: config.either("fieldPathsToPreserveInput", "fieldPathsToKeepSameAsInput"),
            preserved_with_index: config.either(
                "fieldPathsToPreserveInputWithIndex",
                "fieldPathsToKeepSameAsInputWithIndex",
            ),
            not_stored: config.set("fieldPathsToSkipStorage", &["message"]),
            twice: config.set("fieldsToDoubleIngest", &[]),
            dots: config.flag("useAnonymousDotInFieldNames", true),
            documents: Documents::new(&config, schema),
        };
        rules.check(schema)?;
        Ok(Some(rules))
    }

    fn check(&self, schema: &Schema) -> Result<(), ConfigError> {
        for (_, field) in &schema.fields {
            if field.name.ends_with(&self.suffix) {
                return Err(invalid(format!(
                    "Field '{}' has no-index suffix '{}'",
                    field.name, self.suffix
                )));
            }
            if self.dropped.contains(&field.name) {
                return Err(invalid(
                    "Fields in schema overlap with fieldPathsToDrop".to_owned(),
                ));
            }
        }
        let empty = |path: &&String| path.split('.').any(str::is_empty);
        if let Some(path) = self.columns.keys().find(empty) {
            return Err(invalid(format!("Unsupported empty sub-key in '{path}'.")));
        }
        let unknown = |path: &&String| !self.columns.contains_key(*path);
        if let Some(path) = self.preserved.iter().find(unknown) {
            return Err(invalid(format!(
                "Preserved path '{path}' doesn't exist in columnNameToJsonKeyPathMap or schema"
            )));
        }
        Ok(())
    }

    /// A record as the schema wants it.
    pub(super) fn apply(&self, record: Record) -> Record {
        let mut out = Out::default();
        for (name, value) in record.into_fields() {
            let known = self.dots || !name.contains('.');
            self.field(&mut out, &[name], value, (true, known));
        }
        let Out {
            record: mut conformed,
            indexable,
            unindexable,
            searched,
        } = out;
        for (extras, fields) in [
            (&self.indexable, indexable),
            (&self.unindexable, unindexable),
        ] {
            let Some(extras) = extras.as_ref().filter(|_| !fields.is_empty()) else {
                continue;
            };
            let fields = Field::Map(fields);
            let value = if extras.text {
                Field::Text(fields.to_json())
            } else {
                fields
            };
            conformed.set(&extras.column, value);
        }
        if let Some(documents) = self.documents.as_ref().filter(|_| !searched.is_empty()) {
            conformed.set(&documents.column, documents.of(&searched));
        }
        conformed
    }

    /// One field, whose keys are `path`; `(indexable, known)`: whether it may be indexed, and whether a column may have its path.
    fn field(&self, out: &mut Out, path: &[String], value: Field, at: (bool, bool)) {
        let Some(key) = path.last() else { return };
        let (indexable, known) = at;
        if key.starts_with("__key")
            || key.starts_with("__header$")
            || key.starts_with("__metadata$")
        {
            out.record.set(key, value);
            return;
        }
        let joined = path.join(".");
        if self.dropped.contains(&joined) {
            return;
        }
        let column = self.columns.get(&joined).filter(|_| known);
        let with_index = self.preserved_with_index.contains(&joined);
        if with_index || self.preserved.contains(&joined) {
            if with_index {
                self.search_flattened(out, &joined, &value);
            }
            match column {
                Some(column) => put(&mut out.record, column, value),
                None => out.record.set(&joined, value),
            }
            return;
        }
        let indexable = indexable && (self.suffix.is_empty() || !key.ends_with(&self.suffix));
        match value {
            Field::Null => {}
            Field::Map(entries) => {
                for (name, inner) in entries {
                    let known = known && (self.dots || !name.contains('.'));
                    let mut longer = path.to_vec();
                    longer.push(name);
                    self.field(out, &longer, inner, (indexable, known));
                }
            }
            value if !indexable => {
                if self.unindexable.is_some() {
                    put_deep(&mut out.unindexable, path, value);
                }
            }
            value => match column {
                Some(column) => {
                    if self.twice.contains(&joined) && self.indexable.is_some() {
                        put_deep(&mut out.indexable, path, value.clone());
                    }
                    out.searched.push((column.0.clone(), value.clone()));
                    put(&mut out.record, column, value);
                }
                None if self.indexable.is_some() => {
                    out.searched.push((joined.clone(), value.clone()));
                    if !self.not_stored.contains(&joined) {
                        put_deep(&mut out.indexable, path, value);
                    }
                }
                None => {}
            },
        }
    }

    fn search_flattened(&self, out: &mut Out, path: &str, value: &Field) {
        if !self.suffix.is_empty() && path.ends_with(&self.suffix) {
            return;
        }
        match value {
            Field::Map(entries) => {
                for (name, inner) in entries {
                    self.search_flattened(out, &format!("{path}.{name}"), inner);
                }
            }
            value => out.searched.push((path.to_owned(), value.clone())),
        }
    }
}

fn put(record: &mut Record, (column, text): &(String, bool), value: Field) {
    let value = match value {
        collection if *text && collection.is_collection() => Field::Text(collection.to_json()),
        value => value,
    };
    record.set(column, value);
}

/// Puts a value below its keys.
fn put_deep(fields: &mut Vec<(String, Field)>, path: &[String], value: Field) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    let at = match fields.iter().position(|(name, _)| name == key) {
        Some(at) => at,
        None => {
            fields.push((key.clone(), Field::Null));
            fields.len() - 1
        }
    };
    let Some((_, field)) = fields.get_mut(at) else {
        return;
    };
    if rest.is_empty() {
        *field = value;
        return;
    }
    if !matches!(field, Field::Map(_)) {
        *field = Field::Map(Vec::new());
    }
    if let Field::Map(inner) = field {
        put_deep(inner, rest, value);
    }
}

impl Documents {
    fn new(config: &Config<'_>, schema: &Schema) -> Option<Self> {
        let column = config.text("mergedTextIndexField", "__mergedTextIndex");
        let field = schema.field(&column)?;
        let binary = config.number("mergedTextIndexBinaryTokenDetectionMinLength", 512);
        Some(Self {
            multi: !field.single_value_field,
            column,
            longest: config
                .number("mergedTextIndexDocumentMaxLength", LONGEST_DOCUMENT)
                .min(LONGEST_DOCUMENT),
            binary_from: config.number("mergedTextIndexBinaryDocumentDetectionMinLength", binary),
            excluded: config.set("mergedTextIndexPathToExclude", &[]),
            excluded_prefixes: config.set("mergedTextIndexPrefixToExclude", &[]),
            value_first: config.flag("reverseTextIndexKeyValueOrder", true),
            lower_too: config.flag("optimizeCaseInsensitiveSearch", false),
            separator: config.text("jsonKeyValueSeparator", ":"),
            begin: config.text("mergedTextIndexBeginOfDocAnchor", ""),
            end: config.text("mergedTextIndexEndOfDocAnchor", ""),
        })
    }

    fn of(&self, searched: &[(String, Field)]) -> Field {
        let mut documents = Vec::new();
        for (key, value) in searched
            .iter()
            .filter(|(key, value)| self.takes(key, value))
        {
            if let Field::Array(items) = value {
                self.add(&mut documents, key, &value.to_json());
                for item in items {
                    self.add(&mut documents, key, &item.to_json());
                }
            } else {
                self.add(&mut documents, key, &value.to_text());
            }
        }
        if self.multi {
            return Field::Array(documents.into_iter().map(Field::Text).collect());
        }
        Field::Text(documents.join(" "))
    }

    fn takes(&self, key: &str, value: &Field) -> bool {
        let prefixed = |prefix: &String| key.starts_with(prefix.as_str());
        !self.excluded.contains(key)
            && !self.excluded_prefixes.iter().any(prefixed)
            && !ENCODED.iter().any(|end| key.ends_with(end))
            && !self.is_binary(&value.to_text())
    }

    /// Long texts of Base64's characters alone are taken for encoded bytes.
    fn is_binary(&self, text: &str) -> bool {
        let of_base64 =
            |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=' | b'-' | b'_');
        text.len() >= self.binary_from && text.trim_end_matches('.').bytes().all(of_base64)
    }

    fn add(&self, documents: &mut Vec<String>, key: &str, value: &str) {
        let Some(room) = self.longest.checked_sub(key.len() + self.separator.len()) else {
            return;
        };
        let value: String = value.chars().take(room).collect();
        self.write(documents, key, &value);
        if self.lower_too && value.chars().any(char::is_uppercase) {
            self.write(documents, key, &value.to_lowercase());
        }
    }

    fn write(&self, documents: &mut Vec<String>, key: &str, value: &str) {
        let (begin, end, between) = (&self.begin, &self.end, &self.separator);
        documents.push(if self.value_first {
            format!("{begin}{value}{between}{key}{end}")
        } else {
            format!("{begin}{key}{between}{value}{end}")
        });
    }
}
