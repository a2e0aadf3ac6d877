//! JSON functions: values by path, formatting, conversion of JSON text to lists and maps.
//!
//! Must not know: indexes. Invariant: results that are lists or maps have the type OBJECT and hold compact JSON text;
//! a path is compiled once per block, a document read once per row.

use std::borrow::Cow;

use base64::Engine as _;
use common::java_text::{decimal_text, double_text};
use common::{Block, ColumnType, DataType, TextVec, Value, Values};

use super::json_extract;
use super::{
    EvalContext, Family, NullRule, Param, Params, ROW, Returns, Role, ScalarFunction, lift, param,
};
use crate::FunctionError;
use crate::json::{Json, JsonPath, Numbers, is_valid_document, quoted};

type Fallible<T> = Result<T, FunctionError>;

const OBJECT: Returns = Returns::Is(ColumnType::sv(DataType::Object));
const STRING: Returns = Returns::Is(ColumnType::sv(DataType::String));
const PATH: &[Param] = &[Param::Any, param::TEXT];

/// The functions of this file.
pub(crate) static FAMILY: Family = Family {
    title: "JSON",
    functions: &[
        json_extract::SCALAR,
        json_extract::INDEX,
        json_extract::KEY,
        json_extract::KEY_WITH_OPTIONS,
        ScalarFunction {
            names: &["jsonpath"],
            params: Params::Fixed(PATH),
            returns: OBJECT,
            doc: "The value at a JSON path; null where there is none. A path with `*`, `..` or a filter answers a list.",
            example: (r#"jsonPath('{"a":[1,2]}', '$.a')"#, "[1,2]"),
            eval: |args, _| objects(args, |found| found.map(|json| json_text(json))),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathstring"],
            params: Params::Fixed(PATH),
            returns: STRING,
            doc: "The value at a JSON path as text; objects and arrays as JSON; null where there is none.",
            example: (r#"jsonPathString('{"a":1.50}', '$.a')"#, "1.5"),
            eval: |args, _| {
                objects(args, |found| {
                    found.map(|json| json.to_cell(Numbers::Double))
                })
                .map(|block| block.retyped(DataType::String))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathstring"],
            params: Params::Fixed(&[Param::Any, param::TEXT, param::TEXT]),
            returns: STRING,
            nulls: NullRule::Sees,
            doc: "The same with a default for what is missing or no JSON.",
            example: (r#"jsonPathString('{"a":1}', '$.b', 'none')"#, "none"),
            eval: path_string_or,
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathlong"],
            params: Params::Fixed(PATH),
            returns: Returns::Is(ColumnType::sv(DataType::Long)),
            doc: "The number at a JSON path as LONG, or the smallest LONG where there is none.",
            example: (r#"jsonPathLong('{"a":1.9}', '$.a')"#, "1"),
            eval: path_long,
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathlong"],
            params: Params::Fixed(&[Param::Any, param::TEXT, param::LONG]),
            returns: Returns::Is(ColumnType::sv(DataType::Long)),
            nulls: NullRule::Sees,
            doc: "The same with a default.",
            example: (r#"jsonPathLong('{"a":true}', '$.a', -5)"#, "-5"),
            eval: path_long,
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathdouble"],
            params: Params::Fixed(PATH),
            returns: Returns::Is(ColumnType::sv(DataType::Double)),
            doc: "The number at a JSON path as DOUBLE, or NaN where there is none.",
            example: (r#"jsonPathDouble('{"a":"12.5"}', '$.a')"#, "12.5"),
            eval: path_double,
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathdouble"],
            params: Params::Fixed(&[Param::Any, param::TEXT, param::DOUBLE]),
            returns: Returns::Is(ColumnType::sv(DataType::Double)),
            nulls: NullRule::Sees,
            doc: "The same with a default.",
            example: (r#"jsonPathDouble('{"a":null}', '$.a', -5)"#, "-5.0"),
            eval: path_double,
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpatharray"],
            params: Params::Fixed(PATH),
            returns: OBJECT,
            doc: "The list at a JSON path, a single value as a list of one; null where there is none.",
            example: (r#"jsonPathArray('{"a":1}', '$.a')"#, "[1]"),
            eval: |args, _| objects(args, |found| found.map(list_text)),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpatharraydefaultempty"],
            params: Params::Fixed(PATH),
            returns: OBJECT,
            nulls: NullRule::Sees,
            doc: "The list at a JSON path, empty where there is none.",
            example: (r#"jsonPathArrayDefaultEmpty('{"a":1}', '$.b')"#, "[]"),
            eval: |args, _| {
                let mut out = TextVec::with_capacity(args[0].rows(), 0);
                for_each(args, |answer| {
                    out.push(
                        &answer
                            .ok()
                            .flatten()
                            .map_or_else(|| "[]".to_owned(), list_text),
                    );
                    Ok(())
                })?;
                Ok(Block::new(DataType::Object, Values::Text(out)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["jsonpathexists"],
            params: Params::Fixed(PATH),
            returns: Returns::Is(ColumnType::sv(DataType::Boolean)),
            doc: "Whether there is a value at a JSON path that is not null.",
            example: (
                r#"jsonPathExists('{"a":{"b":[1,null]}}', '$.a.b[1]')"#,
                "false",
            ),
            eval: |args, _| {
                let mut out = Vec::with_capacity(args[0].rows());
                for_each(args, |answer| {
                    out.push(i32::from(matches!(answer, Ok(Some(_)))));
                    Ok(())
                })?;
                Ok(Block::new(DataType::Boolean, Values::Int(out)))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["jsonformat"],
            params: Params::Fixed(&[Param::Any]),
            returns: STRING,
            doc: "The value as JSON text. Text becomes a JSON string.",
            example: ("jsonFormat('a')", "\"a\""),
            eval: |args, _| {
                let block = &args[0];
                texts(block.rows(), |row| Ok(Some(value_json(block, row))))
            },
            ..ROW
        },
        ScalarFunction {
            names: &["tojsonmapstr"],
            params: Params::Fixed(&[Param::Any]),
            returns: STRING,
            nulls: NullRule::Sees,
            doc: "A map as JSON text; null becomes the text null.",
            example: (
                r#"toJsonMapStr(jsonStringToMap('{"a" : 1}'))"#,
                r#"{"a":1}"#,
            ),
            eval: |args, _| {
                let block = &args[0];
                texts(block.rows(), |row| {
                    Ok(Some(document(block, row).map_or_else(
                        || "null".to_owned(),
                        |text| match Json::parse(&text) {
                            Ok(json) => json_text(&json),
                            Err(_) => quoted(&text),
                        },
                    )))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["jsonstringtoarray"],
            role: Role::Transform,
            params: Params::Fixed(&[param::TEXT]),
            returns: STRING,
            doc: "JSON text as a list, printed as Java prints lists; empty where it is no JSON array.",
            eval: |args, _| java_text(args, "["),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonstringtoarray"],
            role: Role::Scalar,
            params: Params::Fixed(&[param::TEXT]),
            returns: OBJECT,
            doc: "JSON text as a list; null where it is no JSON array.",
            example: ("jsonStringToArray('[1, 2]')", "[1,2]"),
            eval: |args, _| from_text(args, "["),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonstringtomap"],
            params: Params::Fixed(&[param::TEXT]),
            returns: OBJECT,
            doc: "JSON text as a map; null where it is no JSON object.",
            example: (r#"jsonStringToMap('{"a" : 1}')"#, r#"{"a":1}"#),
            eval: |args, _| from_text(args, "{"),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonstringtolistormap"],
            role: Role::Transform,
            params: Params::Fixed(&[param::TEXT]),
            returns: STRING,
            doc: "JSON text as a list or map, printed as Java prints them; empty where it is neither.",
            eval: |args, _| java_text(args, "[{"),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonstringtolistormap"],
            role: Role::Scalar,
            params: Params::Fixed(&[param::TEXT]),
            returns: OBJECT,
            doc: "JSON text as a list or map; null where it is neither.",
            example: ("jsonStringToListOrMap('[1, 2]')", "[1,2]"),
            eval: |args, _| from_text(args, "[{"),
            ..ROW
        },
        ScalarFunction {
            names: &["jsonkeyvaluearraytomap"],
            params: Params::Variadic {
                params: &[Param::Any, param::TEXT],
                min: 1,
            },
            returns: OBJECT,
            doc: "An array of `{\"key\": .., \"value\": ..}` objects as a map; the two field names may be given.",
            example: (
                r#"jsonKeyValueArrayToMap('[{"key":"a","value":"x"}]')"#,
                r#"{"a":"x"}"#,
            ),
            eval: key_value_array_to_map,
            ..ROW
        },
        ScalarFunction {
            names: &["isjson"],
            params: Params::Fixed(&[param::TEXT]),
            returns: Returns::Is(ColumnType::sv(DataType::Boolean)),
            doc: "Whether the text is JSON.",
            example: ("isJson('[1,2')", "false"),
            eval: |args, _| {
                lift::unary::<lift::Text, Vec<i32>, bool>(args, DataType::Boolean, |text| {
                    Ok(is_valid_document(text))
                })
            },
            ..ROW
        },
        ScalarFunction {
            names: &["item"],
            params: Params::Fixed(&[Param::Any, param::TEXT]),
            returns: Returns::Infer(|args| match args.first().map(|a| a.column_type) {
                Some(map) if map == ColumnType::sv(DataType::Map) => {
                    Ok(ColumnType::sv(DataType::String))
                }
                _ => Err(FunctionError::Argument(
                    "The left operand for a MAP ITEM operation must resolve to a Map Data Source"
                        .to_owned(),
                )),
            }),
            doc: "The value of a MAP column under a key, as text; also written `column['key']`.",
            eval: |args, _| {
                let keys = lift::Rows::<lift::Text>::of(&args[1])?;
                texts(args[0].rows(), |row| {
                    Ok(document(&args[0], row).and_then(|text| {
                        let map = Json::parse(&text).ok()?;
                        let value = map.field(keys.get(row))?;
                        (*value != Json::Null).then(|| value.to_cell(Numbers::Double))
                    }))
                })
            },
            ..ROW
        },
    ],
};

/// A row's JSON text: text as it is, other values as their JSON; `None` for null.
pub(super) fn document(block: &Block, row: usize) -> Option<Cow<'_, str>> {
    if block.is_null(row) {
        return None;
    }
    Some(match block.values() {
        Values::Text(texts) => Cow::Borrowed(texts.get(block.at(row))),
        Values::Bytes(bytes) => String::from_utf8_lossy(bytes.get(block.at(row))),
        _ => Cow::Owned(value_json(block, row)),
    })
}

/// The compiled path of the last row; literal paths are compiled once.
#[derive(Debug, Default)]
pub(super) struct LastPath {
    last: Option<(String, Result<JsonPath, FunctionError>)>,
}

impl LastPath {
    pub(super) fn get(&mut self, text: &str) -> Fallible<&JsonPath> {
        let stale = self.last.as_ref().is_none_or(|(last, _)| last != text);
        if stale {
            let path = JsonPath::parse(text).map_err(|e| FunctionError::Argument(e.to_string()));
            self.last = Some((text.to_owned(), path));
        }
        match &self.last {
            Some((_, Ok(path))) => Ok(path),
            Some((_, Err(error))) => Err(error.clone()),
            None => Err(FunctionError::Evaluation("no JSON path".to_owned())),
        }
    }
}

/// What a path finds in a text.
pub(super) fn find<R>(
    text: &str,
    path: &JsonPath,
    use_found: impl FnOnce(Option<&Json<'_>>) -> R,
) -> Fallible<R> {
    let found = path
        .find(text)
        .map_err(|e| FunctionError::Evaluation(e.to_string()))?;
    Ok(use_found(found.as_ref()))
}

/// Calls `take` for each row with what the path (second argument) finds in the document (first argument): an error where
/// the document or the path is broken.
fn for_each(
    args: &[Block],
    mut take: impl FnMut(Fallible<Option<&Json<'_>>>) -> Fallible<()>,
) -> Fallible<()> {
    let paths = lift::Rows::<lift::Text>::of(&args[1])?;
    let mut last = LastPath::default();
    for row in 0..args[0].rows() {
        let Some(text) = document(&args[0], row) else {
            take(Ok(None))?;
            continue;
        };
        let path = match last.get(paths.get(row)) {
            Ok(path) => path,
            Err(error) => {
                take(Err(error))?;
                continue;
            }
        };
        let mut used = Ok(());
        let parsed = find(&text, path, |found| used = take(Ok(found)));
        used?;
        if let Err(error) = parsed {
            take(Err(error))?;
        }
    }
    Ok(())
}

/// A text column from a kernel by row; `None` is null.
pub(super) fn texts(
    rows: usize,
    mut kernel: impl FnMut(usize) -> Fallible<Option<String>>,
) -> Fallible<Block> {
    let mut out = TextVec::with_capacity(rows, rows * 8);
    let mut nulls = Vec::with_capacity(rows);
    for row in 0..rows {
        let text = kernel(row)?;
        nulls.push(text.is_none());
        out.push(text.as_deref().unwrap_or_default());
    }
    Ok(Block::new(DataType::String, Values::Text(out)).with_nulls(Some(nulls)))
}

fn objects(
    args: &[Block],
    mut kernel: impl FnMut(Option<&Json<'_>>) -> Option<String>,
) -> Fallible<Block> {
    let mut out = Vec::with_capacity(args[0].rows());
    for_each(args, |answer| {
        out.push(kernel(answer?));
        Ok(())
    })?;
    let mut items = out.into_iter();
    let block = texts(items.len(), |_| Ok(items.next().flatten()))?;
    Ok(block.retyped(DataType::Object))
}

fn json_text(json: &Json<'_>) -> String {
    let mut out = String::new();
    json.write(&mut out, Numbers::Double);
    out
}

fn list_text(json: &Json<'_>) -> String {
    match json {
        Json::Array(_) => json_text(json),
        single => format!("[{}]", json_text(single)),
    }
}

fn path_string_or(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let mut found = Vec::with_capacity(args[0].rows());
    for_each(args, |answer| {
        found.push(
            answer
                .ok()
                .flatten()
                .map(|json| json.to_cell(Numbers::Double)),
        );
        Ok(())
    })?;
    let defaults = lift::Rows::<lift::Text>::of(&args[2])?;
    let mut found = found.into_iter();
    texts(found.len(), |row| {
        Ok(found
            .next()
            .flatten()
            .or_else(|| (!args[2].is_null(row)).then(|| defaults.get(row).to_owned())))
    })
}

fn path_long(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let mut found = Vec::with_capacity(args[0].rows());
    for_each(args, |answer| {
        found.push(answer.ok().flatten().and_then(|json| match json {
            Json::Text(text) => text.parse().ok(),
            other => other.as_i64(),
        }));
        Ok(())
    })?;
    let defaults = args.get(2).map(lift::Rows::<lift::Long>::of).transpose()?;
    let values = found.iter().enumerate().map(|(row, found)| {
        found.unwrap_or_else(|| defaults.as_ref().map_or(i64::MIN, |d| d.get(row)))
    });
    Ok(Block::new(DataType::Long, Values::Long(values.collect())))
}

fn path_double(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let mut found = Vec::with_capacity(args[0].rows());
    for_each(args, |answer| {
        found.push(answer.ok().flatten().and_then(|json| match json {
            Json::Text(text) => common::cast::parse_double(text.trim()),
            other => other.as_f64(),
        }));
        Ok(())
    })?;
    let defaults = args
        .get(2)
        .map(lift::Rows::<lift::Double>::of)
        .transpose()?;
    let values = found.iter().enumerate().map(|(row, found)| {
        found.unwrap_or_else(|| defaults.as_ref().map_or(f64::NAN, |d| d.get(row)))
    });
    Ok(Block::new(
        DataType::Double,
        Values::Double(values.collect()),
    ))
}

/// JSON text that starts with one of `starts` as an object.
fn from_text(args: &[Block], starts: &str) -> Fallible<Block> {
    let rows = lift::Rows::<lift::Text>::of(&args[0])?;
    let block = texts(args[0].rows(), |row| {
        let text = rows.get(row).trim();
        if !text.starts_with(|c| starts.contains(c)) {
            return Ok(None);
        }
        Ok(Json::parse(text).ok().map(|json| json_text(&json)))
    })?;
    Ok(block.retyped(DataType::Object))
}

fn java_text(args: &[Block], starts: &str) -> Fallible<Block> {
    let rows = lift::Rows::<lift::Text>::of(&args[0])?;
    texts(args[0].rows(), |row| {
        let text = rows.get(row).trim();
        if !text.starts_with(|c| starts.contains(c)) {
            return Ok(None);
        }
        Ok(Json::parse(text)
            .ok()
            .map(|_| crate::json::java_object_text(text)))
    })
}

fn key_value_array_to_map(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let name = |index: usize, row: usize, default: &str| match args.get(index).map(|b| b.value(row))
    {
        Some(Value::String(name)) => name,
        _ => default.to_owned(),
    };
    let block = texts(args[0].rows(), |row| {
        let Some(text) = document(&args[0], row) else {
            return Ok(None);
        };
        // A document without anything in it is no error to Jackson.
        if text.trim().is_empty() {
            return Ok(Some("{}".to_owned()));
        }
        let wrong = |what: &str| {
            FunctionError::Evaluation(format!("jsonKeyValueArrayToMap: {what} in `{text}`"))
        };
        let json = Json::parse(&text).map_err(|e| wrong(&e.to_string()))?;
        let (key_name, value_name) = (name(1, row, "key"), name(2, row, "value"));
        let Json::Array(items) = &json else {
            return Ok(Some("{}".to_owned()));
        };
        let mut fields: Vec<(Cow<'_, str>, Json<'_>)> = Vec::with_capacity(items.len());
        for item in items {
            let (Some(key), Some(value)) = (item.field(&key_name), item.field(&value_name)) else {
                return Err(wrong(&format!("no field `{key_name}` or `{value_name}`")));
            };
            let key = Cow::Owned(key.to_cell(Numbers::Double));
            fields.retain(|(known, _)| *known != key);
            fields.push((key, Json::Text(Cow::Owned(value.to_cell(Numbers::Double)))));
        }
        Ok(Some(json_text(&Json::Object(fields))))
    })?;
    Ok(block.retyped(DataType::Object))
}

/// A value as Jackson writes it; objects and maps are JSON already.
fn value_json(block: &Block, row: usize) -> String {
    let is_json = matches!(
        block.column_type().data_type,
        DataType::Object | DataType::Map
    );
    match block.value(row) {
        Value::String(text) if is_json => text,
        value => scalar_json(&value),
    }
}

fn scalar_json(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Float(v) if v.is_finite() => common::java_text::float_text(*v),
        Value::Double(v) if v.is_finite() => double_text(*v),
        Value::BigDecimal(v) => decimal_text(v),
        Value::Timestamp(v) => v.to_string(),
        Value::Int(_) | Value::Long(_) | Value::Boolean(_) => value.to_text(),
        Value::Map(text) => text.clone(),
        Value::Bytes(bytes) => quoted(&base64::engine::general_purpose::STANDARD.encode(bytes)),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(scalar_json).collect();
            format!("[{}]", items.join(","))
        }
        other => quoted(&other.to_text()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Argument, Role, bind};
    use super::*;

    const DOC: &str = r#"{"a":1,"b":[1,2,{"c":"x"}],"d":{"e f":null,"g":2.5,"h":true},"s":"12","big":12345678901234567890}"#;

    fn literal(value: &Value) -> Argument {
        Argument {
            column_type: value.column_type(),
            literal: Some(value.clone()),
        }
    }

    pub(in crate::scalar) fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// Binds and calls a function with literals.
    pub(in crate::scalar) fn call(name: &str, args: &[Value]) -> Fallible<Value> {
        let literals: Vec<Argument> = args.iter().map(literal).collect();
        let bound = bind(name, &literals, Role::Scalar)?;
        let blocks: Vec<Block> = args
            .iter()
            .map(|value| Block::constant(value.column_type(), value, 1))
            .collect();
        Ok(bound.call(&blocks, 1, &EvalContext::at(0))?.value(0))
    }

    #[test]
    fn paths_answer_as_recorded() -> Fallible<()> {
        for (name, path, default, expected) in [
            ("jsonPathString", "$.d['e f']", Some(text("n")), text("n")),
            ("jsonPathString", "$.a", None, text("1")),
            ("jsonPathString", "$.b", None, text("[1,2,{\"c\":\"x\"}]")),
            ("jsonPathString", "$.zz", Some(text("def")), text("def")),
            ("jsonPathString", "$.zz", None, Value::Null),
            ("jsonPathLong", "$.a", None, Value::Long(1)),
            ("jsonPathLong", "$.zz", None, Value::Long(i64::MIN)),
            ("jsonPathLong", "$.zz", Some(Value::Int(5)), Value::Long(5)),
            ("jsonPathLong", "$.d.g", None, Value::Long(2)),
            ("jsonPathLong", "$.s", None, Value::Long(12)),
            (
                "jsonPathLong",
                "$.big",
                None,
                Value::Long(-6101065172474983726),
            ),
            ("jsonPathDouble", "$.d.g", None, Value::Double(2.5)),
            ("jsonPathDouble", "$.zz", None, Value::Double(f64::NAN)),
            (
                "jsonPathDouble",
                "$.d.h",
                Some(Value::Int(-5)),
                Value::Double(-5.0),
            ),
            ("jsonPathExists", "$.a", None, Value::Boolean(true)),
            ("jsonPathExists", "$.d['e f']", None, Value::Boolean(false)),
            ("jsonPathExists", "$..b", None, Value::Boolean(true)),
            ("jsonPathArray", "$.b", None, text("[1,2,{\"c\":\"x\"}]")),
            ("jsonPathArrayDefaultEmpty", "$.zz", None, text("[]")),
        ] {
            let mut args = vec![text(DOC), text(path)];
            args.extend(default);
            assert_eq!(call(name, &args)?, expected, "{name} {path}");
        }
        assert_eq!(
            call("jsonPathString", &[text("{\"a\":1e3}"), text("$.a")])?,
            text("1000.0")
        );
        assert_eq!(
            call("jsonPathExists", &[text("nope"), text("$.a")])?,
            Value::Boolean(false)
        );
        assert!(call("jsonPathString", &[text("nope"), text("$.a")]).is_err());
        Ok(())
    }

    #[test]
    fn formatting_answers_as_recorded() -> Fallible<()> {
        assert_eq!(call("jsonFormat", &[text("a\"b")])?, text("\"a\\\"b\""));
        assert_eq!(call("jsonFormat", &[Value::Int(3)])?, text("3"));
        assert_eq!(call("jsonStringToArray", &[text("[1, 2]")])?, text("[1,2]"));
        assert_eq!(crate::json::java_object_text("[1,2]"), "[1, 2]");
        assert_eq!(call("jsonStringToArray", &[text("x")])?, Value::Null);
        let pairs = text("[{\"key\":\"a\",\"value\":\"v0\"}]");
        assert_eq!(
            call("jsonKeyValueArrayToMap", &[pairs])?,
            text("{\"a\":\"v0\"}")
        );
        for (json, expected) in [
            ("3", true),
            ("[1,2", false),
            ("null", true),
            ("", true),
            ("{a", false),
        ] {
            assert_eq!(call("isJson", &[text(json)])?, Value::Boolean(expected));
        }
        assert!(matches!(
            call("item", &[text("{}"), text("a")]),
            Err(FunctionError::Argument(_))
        ));
        Ok(())
    }

    #[test]
    fn extraction_answers_as_recorded() -> Fallible<()> {
        let doc = "{\"name\":\"iota\",\"n\":88,\"p\":1.50,\"nested\":{\"k\":0,\"list\":[7,2,0]},\"flag\":false}";
        let ints = |items: &[i32]| {
            Value::Array(
                DataType::Int,
                items.iter().map(|i| Value::Int(*i)).collect(),
            )
        };
        for (path, kind, default, expected) in [
            ("$.nested.k", "LONG", Some(Value::Int(-1)), Value::Long(0)),
            (
                "$.nested.list[0]",
                "DOUBLE",
                Some(Value::Double(-0.5)),
                Value::Double(7.0),
            ),
            (
                "$.nested.list[9]",
                "DOUBLE",
                Some(Value::Double(-0.5)),
                Value::Double(-0.5),
            ),
            (
                "$.nested",
                "STRING",
                None,
                text("{\"k\":0,\"list\":[7,2,0]}"),
            ),
            ("$.n", "TIMESTAMP", None, Value::Timestamp(88)),
            (
                "$.nested",
                "JSON",
                None,
                Value::Json("{\"k\":0,\"list\":[7,2,0]}".into()),
            ),
            ("$.nested.list", "INT_ARRAY", None, ints(&[7, 2, 0])),
            ("$.nope", "INT_ARRAY", None, ints(&[])),
            ("$['name']", "STRING", Some(text("q")), text("iota")),
            ("$.p", "STRING", None, text("1.50")),
            ("$.flag", "BOOLEAN", None, Value::Boolean(false)),
            ("$.nested.list.length()", "INT", None, Value::Int(3)),
        ] {
            let mut args = vec![Value::Json(doc.to_owned()), text(path), text(kind)];
            args.extend(default);
            assert_eq!(call("jsonExtractScalar", &args)?, expected, "{path} {kind}");
        }
        let fails = |path: &str, kind: &str| {
            call("jsonExtractScalar", &[text(doc), text(path), text(kind)])
                .map_err(|e| e.to_string())
        };
        assert_eq!(
            fails("$.name", "INT"),
            Err("For input string: \"iota\"".into())
        );
        assert_eq!(
            fails("$.nope", "INT"),
            Err(
                "Cannot resolve JSON path on some records. Consider setting a default value."
                    .into()
            )
        );
        assert!(
            fails("$.n", "NOPE").is_err_and(|e| e.starts_with("Unsupported results type: NOPE"))
        );
        Ok(())
    }

    #[test]
    fn keys_and_indexed_values_answer_as_recorded() -> Fallible<()> {
        let doc = text("{\"n\":88,\"nested\":{\"k\":0,\"list\":[7,2]},\"flag\":false}");
        let list = |items: &[&str]| {
            Value::Array(DataType::String, items.iter().map(|i| text(i)).collect())
        };
        assert_eq!(
            call("jsonExtractKey", &[doc.clone(), text("$.*")])?,
            list(&["$['n']", "$['nested']", "$['flag']"])
        );
        assert_eq!(
            call(
                "jsonExtractKey",
                &[doc.clone(), text("$..*"), text("maxDepth=1")]
            )?,
            list(&["$['n']", "$['nested']", "$['flag']"])
        );
        assert_eq!(
            call(
                "jsonExtractKey",
                &[doc.clone(), text("$..**"), text("dotNotation=true")]
            )?,
            list(&[
                "n",
                "nested",
                "nested.k",
                "nested.list",
                "nested.list.0",
                "nested.list.1",
                "flag"
            ])
        );
        let index = |args: &[Value]| {
            call(
                "jsonExtractIndex",
                &[std::slice::from_ref(&doc), args].concat(),
            )
        };
        assert_eq!(index(&[text("$.n"), text("STRING")])?, text("88"));
        assert_eq!(
            index(&[text("$.nested.list[9]"), text("INT"), Value::Int(-1)])?,
            Value::Int(-1)
        );
        let ints = |items: &[i32]| {
            Value::Array(
                DataType::Int,
                items.iter().map(|i| Value::Int(*i)).collect(),
            )
        };
        let filtered = |filter: &str| {
            index(&[
                text("$.nested.list[*]"),
                text("INT_ARRAY"),
                text("[]"),
                text(filter),
            ])
        };
        assert_eq!(filtered("\"$.n\" > 50")?, ints(&[7, 2]));
        assert_eq!(filtered("\"$.n\" > 90")?, ints(&[]));
        assert!(index(&[text("$.nope"), text("INT")]).is_err());
        Ok(())
    }
}
