//! Typed extraction: jsonExtractScalar, jsonExtractIndex, jsonExtractKey.
//!
//! Must not know: indexes (jsonExtractIndex evaluates on the text what the index would answer).
//! Invariant: the result type comes from the literal type name; a value that does not fit it is an error.

use std::str::FromStr;

use base64::Engine as _;
use bigdecimal::BigDecimal;
use common::java_text::parse_timestamp;
use common::{ArrayVec, Block, ColumnType, DataType, Value, Values};

use super::json::{LastPath, document, find};
use super::{
    Argument, EvalContext, NullRule, Param, Params, ROW, Returns, ScalarFunction, lift, param,
};
use crate::FunctionError;
use crate::json::{Json, JsonMatch, Numbers, flatten, place_text, search_key};

type Fallible<T> = Result<T, FunctionError>;

const UNRESOLVED: &str =
    "Cannot resolve JSON path on some records. Consider setting a default value.";
const NULL_ELEMENT: &str = "At least one of the resolved JSON arrays include nulls, which is not supported in Pinot. \
     Consider setting a default value as the fourth argument of jsonExtractScalar.";

pub(super) const SCALAR: ScalarFunction = ScalarFunction {
    names: &["jsonextractscalar"],
    params: Params::Variadic {
        params: &[Param::Any, param::TEXT, param::TEXT, Param::Any],
        min: 3,
    },
    returns: Returns::Infer(|args| {
        if args.len() > 4 {
            return Err(FunctionError::Argument(
                "Expected 3/4 arguments for transform function: jsonExtractScalar(jsonFieldName, 'jsonPath', \
                 'resultsType', ['defaultValue'])"
                    .to_owned(),
            ));
        }
        // A default also stands for a path that is none.
        if let (Some(Value::String(text)), None) = (&args[1].literal, args.get(3)) {
            LastPath::default().get(text)?;
        }
        literal_type(args)
    }),
    nulls: NullRule::SeesOrReads,
    doc: "The value at a JSON path as the named type (or `<type>_ARRAY`), or the default where there is none.",
    example: (
        r#"jsonExtractScalar('{"a":{"b":[1,2]}}', '$.a.b[1]', 'INT')"#,
        "2",
    ),
    eval: extract_scalar,
    ..ROW
};

pub(super) const INDEX: ScalarFunction = ScalarFunction {
    names: &["jsonextractindex"],
    params: Params::Variadic {
        params: &[
            Param::Any,
            param::TEXT,
            param::TEXT,
            Param::Any,
            param::TEXT,
        ],
        min: 3,
    },
    returns: Returns::Infer(|args| {
        let returns = literal_type(args)?;
        match &args[1].literal {
            Some(Value::String(path)) if !returns.multi && path.contains("[*]") => {
                Err(FunctionError::Argument(
                    "[*] syntax in json path is unsupported for singleValue field json_extract_index".to_owned(),
                ))
            }
            _ => Ok(returns),
        }
    }),
    nulls: NullRule::Sees,
    doc: "The value at a path as the JSON index sees it: scalars only, arrays by `[*]`, optionally only of the records \
          that a JSON_MATCH filter selects.",
    example: (r#"jsonExtractIndex('{"a":{"b":5}}', '$.a.b', 'INT')"#, "5"),
    eval: extract_index,
    ..ROW
};

pub(super) const KEY: ScalarFunction = ScalarFunction {
    names: &["jsonextractkey"],
    params: Params::Fixed(&[Param::Any, param::TEXT]),
    returns: Returns::Is(ColumnType::mv(DataType::String)),
    doc: "The paths of everything that a JSON path matches.",
    example: (
        r#"jsonExtractKey('{"a":1,"b":{"c":2}}', '$.*')"#,
        "[$['a'],$['b']]",
    ),
    eval: extract_key,
    ..ROW
};

pub(super) const KEY_WITH_OPTIONS: ScalarFunction = ScalarFunction {
    params: Params::Fixed(&[Param::Any, param::TEXT, param::TEXT]),
    doc: "The same with options: `maxDepth=2;dotNotation=true`.",
    example: (
        r#"jsonExtractKey('{"a":1,"b":{"c":2}}', '$..**', 'dotNotation=true')"#,
        "[a,b,b.c]",
    ),
    ..KEY
};

/// The type that the literal third argument names.
fn literal_type(args: &[Argument]) -> Fallible<ColumnType> {
    match &args[2].literal {
        Some(Value::String(name)) => type_named(name),
        _ => Err(FunctionError::Argument(
            "Result type argument must be a literal".to_owned(),
        )),
    }
}

fn type_named(name: &str) -> Fallible<ColumnType> {
    let upper = name.to_uppercase();
    let (element, multi) = match upper.strip_suffix("_ARRAY") {
        Some(element) => (element, true),
        None => (upper.as_str(), false),
    };
    let data_type = match element {
        "INT" => DataType::Int,
        "LONG" => DataType::Long,
        "FLOAT" => DataType::Float,
        "DOUBLE" => DataType::Double,
        "BIG_DECIMAL" => DataType::BigDecimal,
        "BOOLEAN" => DataType::Boolean,
        "TIMESTAMP" => DataType::Timestamp,
        "STRING" => DataType::String,
        "JSON" => DataType::Json,
        "BYTES" => DataType::Bytes,
        _ => {
            return Err(FunctionError::Argument(format!(
                "Unsupported results type: {upper} for jsonExtractScalar function. Supported types are: \
                 INT/LONG/FLOAT/DOUBLE/BOOLEAN/BIG_DECIMAL/TIMESTAMP/STRING/JSON/BYTES/INT_ARRAY/LONG_ARRAY/\
                 FLOAT_ARRAY/DOUBLE_ARRAY/BIG_DECIMAL_ARRAY/BOOLEAN_ARRAY/TIMESTAMP_ARRAY/STRING_ARRAY"
            )));
        }
    };
    Ok(ColumnType { data_type, multi })
}

/// The type in evaluation; the argument is a literal, so any row has it.
fn row_type(args: &[Block]) -> Fallible<ColumnType> {
    if args[2].values().is_empty() {
        return Ok(ColumnType::sv(DataType::String));
    }
    match args[2].value(0) {
        Value::String(name) => type_named(&name),
        other => type_named(&other.to_text()),
    }
}

fn extract_scalar(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let returns = row_type(args)?;
    let rows = args[0].rows();
    let default = match args.get(3) {
        Some(block) if rows > 0 => Some(block.value(0).cast(returns.data_type)?),
        _ => None,
    };
    let paths = lift::Rows::<lift::Text>::of(&args[1])?;
    let mut last = LastPath::default();
    let mut out = Values::empty_of(returns);
    let mut nulls = Vec::with_capacity(rows);
    for row in 0..rows {
        let Some(text) = document(&args[0], row) else {
            out.push_placeholder();
            nulls.push(true);
            continue;
        };
        let path = match (last.get(paths.get(row)), &default) {
            (Ok(path), _) => path,
            (Err(_), Some(default)) if !returns.multi => {
                out.push(default);
                nulls.push(false);
                continue;
            }
            (Err(error), _) => return Err(error),
        };
        let value = match &mut out {
            Values::Array(array) => {
                push_elements(&text, path, array, returns.data_type, default.as_ref())?;
                nulls.push(false);
                continue;
            }
            _ => find(&text, path, |found| {
                found.map(|json| typed(json, returns.data_type))
            })
            .unwrap_or(None)
            .transpose()?
            .or_else(|| default.clone())
            .ok_or_else(|| FunctionError::Evaluation(UNRESOLVED.to_owned()))?,
        };
        nulls.push(value.is_null());
        out.push(&value);
    }
    Ok(Block::new(returns, out).with_nulls(Some(nulls)))
}

/// The items of the array at the path; anything else there is an empty array.
fn push_elements(
    text: &str,
    path: &crate::json::JsonPath,
    array: &mut ArrayVec,
    element: DataType,
    default: Option<&Value>,
) -> Fallible<()> {
    let pushed = find(text, path, |found| {
        let Some(Json::Array(items)) = found else {
            return Ok(());
        };
        for item in items {
            match (item, default) {
                (Json::Null, Some(default)) => array.items.push(default),
                (Json::Null, None) => {
                    return Err(FunctionError::Evaluation(NULL_ELEMENT.to_owned()));
                }
                (item, _) => array.items.push(&typed(item, element)?),
            }
        }
        Ok(())
    });
    // A document that is no JSON resolves nothing.
    pushed.unwrap_or(Ok(()))?;
    array.end_row();
    Ok(())
}

fn no_number(text: &str) -> FunctionError {
    FunctionError::Evaluation(format!("For input string: \"{text}\""))
}

/// A JSON value as a type. JSON null does not come here.
fn typed(json: &Json<'_>, to: DataType) -> Fallible<Value> {
    Ok(match (to, json) {
        (DataType::String, _) => Value::String(json.to_cell(Numbers::Exact)),
        (DataType::Json, _) => Value::Json(json.to_cell(Numbers::Exact)),
        (DataType::Boolean, Json::Bool(value)) => Value::Boolean(*value),
        (_, Json::Bool(value)) => Value::Int(i32::from(*value)).cast(to)?,
        (DataType::Boolean, Json::Number(_)) => Value::Boolean(json.as_f64() != Some(0.0)),
        (DataType::Int, Json::Number(_)) => Value::Int(int_value(json)),
        (DataType::Long, Json::Number(_)) => Value::Long(json.as_i64().unwrap_or_default()),
        (DataType::Timestamp, Json::Number(_)) => {
            Value::Timestamp(json.as_i64().unwrap_or_default())
        }
        (DataType::Float, Json::Number(_)) => {
            Value::Float(json.as_f64().unwrap_or(f64::NAN) as f32)
        }
        (DataType::Double, Json::Number(_)) => Value::Double(json.as_f64().unwrap_or(f64::NAN)),
        (DataType::BigDecimal, Json::Number(number)) => Value::BigDecimal(decimal(number)?),
        (_, json) => {
            let mut text = String::new();
            json.write_java(&mut text);
            typed_text(&text, to)?
        }
    })
}

/// `Number.intValue`: whole numbers wrap, others saturate.
fn int_value(json: &Json<'_>) -> i32 {
    let Json::Number(text) = json else { return 0 };
    match text.parse::<i64>() {
        Ok(whole) => whole as i32,
        Err(_) if text.contains(['.', 'e', 'E']) => json.as_f64().unwrap_or_default() as i32,
        Err(_) => json.as_i64().unwrap_or_default() as i32,
    }
}

fn decimal(text: &str) -> Fallible<BigDecimal> {
    BigDecimal::from_str(text.trim()).map_err(|_| no_number(text))
}

/// Text as a type, with Java's strict number parsers. The index stores every value as text.
fn typed_text(text: &str, to: DataType) -> Fallible<Value> {
    let wrong = || no_number(text);
    Ok(match to {
        DataType::Int => Value::Int(text.parse().map_err(|_| wrong())?),
        DataType::Long => Value::Long(text.parse().map_err(|_| wrong())?),
        DataType::Float => {
            Value::Float(common::cast::parse_double(text.trim()).ok_or_else(wrong)? as f32)
        }
        DataType::Double => {
            Value::Double(common::cast::parse_double(text.trim()).ok_or_else(wrong)?)
        }
        DataType::BigDecimal => Value::BigDecimal(decimal(text)?),
        DataType::Boolean => Value::Boolean(common::cast::text_is_true(text)),
        DataType::Timestamp => Value::Timestamp(parse_timestamp(text).ok_or_else(wrong)?),
        DataType::Json => Value::Json(text.to_owned()),
        DataType::Bytes => Value::Bytes(
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_err(|_| FunctionError::Evaluation(format!("not Base64: `{text}`")))?,
        ),
        _ => Value::String(text.to_owned()),
    })
}

/// The default of jsonExtractIndex: a value, or for arrays the text of a JSON array.
fn index_default(value: &Value, returns: ColumnType) -> Fallible<Vec<Value>> {
    if !returns.multi {
        return Ok(vec![value.cast(returns.data_type)?]);
    }
    let text = value.to_text();
    match Json::parse(&text) {
        Ok(Json::Array(items)) => items
            .iter()
            .map(|item| Ok(Value::String(item.to_cell(Numbers::Double)).cast(returns.data_type)?))
            .collect(),
        _ => Err(FunctionError::Argument(
            "Default value must be a valid JSON array".to_owned(),
        )),
    }
}

fn extract_index(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let returns = row_type(args)?;
    let rows = args[0].rows();
    if rows == 0 {
        return Ok(Block::new(returns, Values::empty_of(returns)));
    }
    let path = args[1].value(0).to_text();
    let default = args
        .get(3)
        .map(|block| index_default(&block.value(0), returns))
        .transpose()?;
    let filter = args
        .get(4)
        .map(|block| JsonMatch::parse(&block.value(0).to_text()))
        .transpose()?;
    let (key, positions) = search_key(&path).ok_or_else(|| {
        FunctionError::Argument("JSON path argument is not a valid JSON path".to_owned())
    })?;
    let mut results = Vec::with_capacity(rows);
    for row in 0..rows {
        let text = document(&args[0], row).unwrap_or_default();
        let mut found = Vec::new();
        for record in flatten(&text) {
            let selected = filter.as_ref().is_none_or(|f| f.matches_record(&record));
            if selected && positions.iter().all(|wanted| record.contains(wanted)) {
                for (_, value) in record.iter().filter(|(k, _)| *k == key) {
                    found.push(typed_text(value, returns.data_type)?);
                }
            }
        }
        if found.is_empty() {
            found = default.clone().ok_or_else(|| {
                FunctionError::Evaluation(format!("Illegal Json Path: [{path}], for docId [{row}]"))
            })?;
        }
        results.push(if returns.multi {
            Value::Array(returns.data_type, found)
        } else {
            found.pop().unwrap_or_default()
        });
    }
    Ok(Block::from_values(returns, &results))
}

/// Options of jsonExtractKey.
struct KeyOptions {
    max_depth: usize,
    dots: bool,
}

impl KeyOptions {
    fn parse(text: &str) -> Fallible<Self> {
        let mut options = Self {
            max_depth: usize::MAX,
            dots: false,
        };
        for pair in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(FunctionError::Argument(format!(
                    "Invalid parameter: {pair}"
                )));
            };
            match key.trim().to_uppercase().as_str() {
                "MAXDEPTH" => {
                    let depth: i32 = value.trim().parse().map_err(|_| no_number(value.trim()))?;
                    options.max_depth = usize::try_from(depth).unwrap_or(usize::MAX);
                }
                "DOTNOTATION" => options.dots = value.trim().eq_ignore_ascii_case("true"),
                _ => {
                    return Err(FunctionError::Argument(format!(
                        "Invalid parameter key: {key}"
                    )));
                }
            }
        }
        Ok(options)
    }
}

fn extract_key(args: &[Block], _: &EvalContext) -> Fallible<Block> {
    let paths = lift::Rows::<lift::Text>::of(&args[1])?;
    let options = args.get(2).map(lift::Rows::<lift::Text>::of).transpose()?;
    let mut last = LastPath::default();
    let mut out = ArrayVec::empty(DataType::String);
    for row in 0..args[0].rows() {
        let options = KeyOptions::parse(options.as_ref().map_or("", |o| o.get(row)))?;
        let text = document(&args[0], row).unwrap_or_default();
        let path_text = paths.get(row);
        let everything = matches!(path_text, "" | "$..**" | "$..");
        let json = Json::parse(&text).map_err(|e| FunctionError::Evaluation(e.to_string()));
        if everything {
            if let Ok(json) = &json {
                all_keys(
                    json,
                    if options.dots { "" } else { "$" },
                    1,
                    &options,
                    &mut out,
                );
            }
        } else {
            let json = json?;
            for place in last.get(path_text)?.places(&json) {
                if place.len() <= options.max_depth {
                    out.items
                        .push(&Value::String(place_text(&place, options.dots)));
                }
            }
        }
        out.end_row();
    }
    Ok(Block::new(
        ColumnType::mv(DataType::String),
        Values::Array(out),
    ))
}

/// Every key below a value, each before what is below it.
fn all_keys(json: &Json<'_>, path: &str, depth: usize, options: &KeyOptions, out: &mut ArrayVec) {
    if depth > options.max_depth {
        return;
    }
    let mut below = |name: String, bracketed: String, child: &Json<'_>| {
        let full = match (options.dots, path.is_empty()) {
            (true, true) => name,
            (true, false) => format!("{path}.{name}"),
            (false, _) => format!("{path}{bracketed}"),
        };
        out.items.push(&Value::String(full.clone()));
        all_keys(child, &full, depth + 1, options, out);
    };
    match json {
        Json::Object(fields) => {
            for (name, child) in fields {
                below(name.to_string(), format!("['{name}']"), child);
            }
        }
        Json::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                below(index.to_string(), format!("[{index}]"), child);
            }
        }
        _ => {}
    }
}
