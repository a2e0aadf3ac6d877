//! Keys that every table config must have, and words that must be of a list.
//!
//! Must not know: schemas. Invariant: what passes can be read as a table config.

use serde_json::Value as Json;

use super::{Verdict, refuse};

/// Words that a key takes, by pointer; `*` stands for every item.
const WORDS: &[(&[&str], &[&str], &str)] = &[
    (
        &["fieldConfigList", "*", "encodingType"],
        &["RAW", "DICTIONARY"],
        "FieldConfig$EncodingType",
    ),
    (
        &["upsertConfig", "mode"],
        &["NONE", "PARTIAL", "FULL"],
        "UpsertConfig$Mode",
    ),
    (&["upsertConfig", "hashFunction"], HASHES, "HashFunction"),
    (&["dedupConfig", "hashFunction"], HASHES, "HashFunction"),
    (
        &["upsertConfig", "partialUpsertStrategies", "*"],
        STRATEGIES,
        "UpsertConfig$Strategy",
    ),
    (
        &["upsertConfig", "defaultPartialUpsertStrategy"],
        STRATEGIES,
        "UpsertConfig$Strategy",
    ),
    (
        &["upsertConfig", "consistencyMode"],
        &["NONE", "SYNC", "SNAPSHOT"],
        "UpsertConfig$ConsistencyMode",
    ),
    (
        &[
            "ingestionConfig",
            "complexTypeConfig",
            "collectionNotUnnestedToJson",
        ],
        &["NONE", "ALL", "NON_PRIMITIVE"],
        "ingestion.ComplexTypeConfig$CollectionNotUnnestedToJson",
    ),
    (
        &["fieldConfigList", "*", "compressionCodec"],
        &[
            "PASS_THROUGH",
            "SNAPPY",
            "ZSTANDARD",
            "LZ4",
            "GZIP",
            "CLP",
            "CLPV2",
            "CLPV2_ZSTD",
            "CLPV2_LZ4",
            "DELTA",
            "DELTADELTA",
            "MV_ENTRY_DICT",
        ],
        "FieldConfig$CompressionCodec",
    ),
    (
        &["fieldConfigList", "*", "indexType"],
        INDEX_TYPES,
        "FieldConfig$IndexType",
    ),
    (
        &["fieldConfigList", "*", "indexTypes", "*"],
        INDEX_TYPES,
        "FieldConfig$IndexType",
    ),
];

const HASHES: &[&str] = &["MURMUR3", "NONE", "UUID", "XXHASH", "XXH128", "MD5"];
const STRATEGIES: &[&str] = &[
    "MIN",
    "MAX",
    "FORCE_OVERWRITE",
    "APPEND",
    "OVERWRITE",
    "INCREMENT",
    "IGNORE",
    "UNION",
];
const INDEX_TYPES: &[&str] = &[
    "INVERTED",
    "SORTED",
    "TEXT",
    "FST",
    "IFST",
    "H3",
    "JSON",
    "TIMESTAMP",
    "VECTOR",
    "RANGE",
];

/// Checks a config's JSON before it is read.
pub(crate) fn check(json: &Json) -> Verdict {
    refuse(!json.is_object(), || {
        "a table config must be a JSON object".to_owned()
    })?;
    for (index, key) in ["tableName", "tableType", "segmentsConfig"]
        .iter()
        .enumerate()
    {
        required(json, key, index)?;
    }
    required(json, "tableIndexConfig", 4)?;
    let name = json
        .get("tableName")
        .and_then(Json::as_str)
        .unwrap_or_default();
    let instance =
        "Cannot construct instance of `org.apache.pinot.spi.config.table.TableConfig`, problem";
    refuse(name.is_empty(), || {
        format!("{instance}: 'tableName' must be configured")
    })?;
    refuse(name.contains("__"), || {
        format!("{instance}: 'tableName' cannot contain double underscore ('__')")
    })?;
    let table_type = json
        .get("tableType")
        .and_then(Json::as_str)
        .unwrap_or_default();
    refuse(!matches!(table_type, "OFFLINE" | "REALTIME"), || {
        format!(
            "{instance}: No enum constant org.apache.pinot.spi.config.table.TableType.{table_type}"
        )
    })?;
    for key in [
        "segmentsConfig",
        "tableIndexConfig",
        "tenants",
        "ingestionConfig",
        "upsertConfig",
        "dedupConfig",
        "routing",
    ] {
        let ill = json
            .get(key)
            .is_some_and(|v| !v.is_object() && !v.is_null());
        refuse(ill, || format!("`{key}` must be a JSON object"))?;
    }
    for key in ["replication", "replicasPerPartition"] {
        number(json, key)?;
    }
    for (path, words, class) in WORDS {
        each(json, path, &mut |word| word_of(word, words, class))?;
    }
    Ok(())
}

fn required(json: &Json, key: &str, index: usize) -> Verdict {
    refuse(json.get(key).is_none_or(Json::is_null), || {
        format!(
            "Missing required creator property '{key}' (index {index}) (through reference chain: org.apache.pinot.spi.config.table.TableConfig[\"{key}\"])"
        )
    })
}

fn number(json: &Json, key: &str) -> Verdict {
    match json.get("segmentsConfig").and_then(|s| s.get(key)) {
        Some(Json::String(text)) => refuse(text.parse::<i32>().is_err(), || {
            format!("For input string: \"{text}\"")
        }),
        _ => Ok(()),
    }
}

fn word_of(word: &Json, words: &[&str], class: &str) -> Verdict {
    let known = match word {
        Json::String(word) => words.contains(&word.as_str()),
        other => other.is_null(),
    };
    refuse(!known, || {
        format!(
            "Cannot deserialize value of type `org.apache.pinot.spi.config.table.{class}` from String {word}: not one of the values accepted for Enum class: [{}]",
            words.join(", ")
        )
    })
}

fn each(json: &Json, path: &[&str], see: &mut impl FnMut(&Json) -> Verdict) -> Verdict {
    let Some((key, rest)) = path.split_first() else {
        return see(json);
    };
    match (json, *key) {
        (Json::Array(items), "*") => items.iter().try_for_each(|item| each(item, rest, see)),
        (Json::Object(map), "*") => map.values().try_for_each(|item| each(item, rest, see)),
        (_, key) => json.get(key).map_or(Ok(()), |below| each(below, rest, see)),
    }
}
