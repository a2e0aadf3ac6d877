//! Which aggregations are kept in a star-tree as states: those whose parts merge to what all rows give.
//!
//! Must not know: how states look inside. Invariant: two calls with the same key have the same states.

use common::{ColumnType, DataType, Value};
use functions::aggregate::{self, AggregateCall, AggregateFunction, Dialect};
use functions::scalar::Argument;
use serde_json::Value as Json;

/// What may follow the column among the arguments of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameters {
    /// Nothing.
    None,
    /// One setting.
    Setting,
    /// A percentile, which does not matter to the state, and one setting.
    Percentile,
}

struct Family {
    /// Names that the states answer; the first one makes them.
    names: &'static [&'static str],
    parameters: Parameters,
    /// The setting where none is given.
    usual: &'static str,
}

const fn family(
    names: &'static [&'static str],
    parameters: Parameters,
    usual: &'static str,
) -> Family {
    Family {
        names,
        parameters,
        usual,
    }
}

static FAMILIES: &[Family] = &[
    family(&["sum"], Parameters::None, ""),
    family(&["min"], Parameters::None, ""),
    family(&["max"], Parameters::None, ""),
    family(&["avg"], Parameters::None, ""),
    family(&["minmaxrange"], Parameters::None, ""),
    family(&["sumprecision"], Parameters::None, ""),
    family(&["distinctcountbitmap"], Parameters::None, ""),
    family(
        &["distinctcounthll", "distinctcountrawhll", "fasthll"],
        Parameters::Setting,
        "8",
    ),
    family(
        &["distinctcounthllplus", "distinctcountrawhllplus"],
        Parameters::Setting,
        "14",
    ),
    family(
        &["distinctcountull", "distinctcountrawull"],
        Parameters::Setting,
        "12",
    ),
    family(
        &["distinctcountcpcsketch", "distinctcountrawcpcsketch"],
        Parameters::Setting,
        "12",
    ),
    family(
        &["distinctcountthetasketch", "distinctcountrawthetasketch"],
        Parameters::Setting,
        "",
    ),
    family(
        &["percentileest", "percentilerawest"],
        Parameters::Percentile,
        "",
    ),
    family(
        &["percentiletdigest", "percentilerawtdigest"],
        Parameters::Percentile,
        "100",
    ),
    family(
        &["percentilekll", "percentilerawkll"],
        Parameters::Percentile,
        "200",
    ),
];

fn family_of(name: &str) -> Option<&'static Family> {
    let mut families = FAMILIES.iter();
    families.find(|family| family.names.contains(&name))
}

/// The key of a call: its name and the literals after the column; `None` where no tree keeps its states.
#[must_use]
pub fn key(name: &str, literals: &[Value]) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let (family, numbered) = match family_of(name) {
        Some(family) => (family, false),
        None => (family_of(stem)?, true),
    };
    let percentile = family.parameters == Parameters::Percentile;
    if numbered && !percentile {
        return None;
    }
    let rest = match (percentile, numbered) {
        (true, false) => literals.get(1..)?,
        _ => literals,
    };
    let setting = match (family.parameters, rest) {
        (_, []) => family.usual.to_owned(),
        (Parameters::None, _) => return None,
        (_, [setting]) => setting.to_text(),
        _ => return None,
    };
    Some(format!("{}:{setting}", family.names.first()?))
}

/// The key of a configured function with its `functionParameters`.
pub(super) fn configured_key(function: &str, parameters: Option<&Json>) -> Option<String> {
    let name = function.replace('_', "").to_ascii_lowercase();
    let family = family_of(&name)?;
    const SETTINGS: [&str; 6] = [
        "log2m",
        "p",
        "lgk",
        "compressionfactor",
        "k",
        "nominalentries",
    ];
    let given = parameters.and_then(Json::as_object).into_iter().flatten();
    let given = given.filter_map(|(key, value)| {
        let key = key.to_ascii_lowercase();
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        SETTINGS.contains(&key.as_str()).then_some((key, text))
    });
    let mut setting = given.map(|(key, text)| match key.as_str() {
        "nominalentries" => format!("nominalEntries={text}"),
        _ => text,
    });
    let setting = setting
        .next_back()
        .filter(|_| family.parameters != Parameters::None);
    let setting = setting.unwrap_or_else(|| family.usual.to_owned());
    Some(format!("{}:{setting}", family.names.first()?))
}

/// The function that makes the states of a key.
pub(crate) fn function(key: &str, column_type: ColumnType) -> Option<Box<dyn AggregateFunction>> {
    let (name, setting) = key.split_once(':')?;
    let family = family_of(name)?;
    let literal = |value: Value| Argument {
        column_type: value.column_type(),
        literal: Some(value),
    };
    let mut arguments = vec![Argument {
        column_type,
        literal: None,
    }];
    if family.parameters == Parameters::Percentile {
        arguments.push(literal(Value::Int(50)));
    }
    if !setting.is_empty() {
        arguments.push(literal(match setting.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::String(setting.to_owned()),
        }));
    }
    aggregate::bind(&AggregateCall {
        name,
        arguments: &arguments,
        null_handling: false,
        dialect: Dialect::SingleStage,
    })
    .ok()
    .filter(|function| function.refusal().is_none())
}

/// True for columns whose values these functions can take.
pub(super) fn is_possible(key: &str, data_type: DataType) -> bool {
    function(key, data_type.into()).is_some_and(|function| function.inputs() == [0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_with_the_same_states_have_the_same_key() {
        let hll = Some("distinctcounthll:8".to_owned());
        assert_eq!(key("distinctcountrawhll", &[]), hll);
        assert_eq!(key("distinctcounthll", &[Value::Int(8)]), hll);
        assert_eq!(configured_key("DISTINCTCOUNTHLL", None), hll);
        let twelve = serde_json::json!({"log2m": 12});
        let with = configured_key("distinct_count_hll", Some(&twelve));
        assert_eq!(with, key("distinctcounthll", &[Value::Int(12)]));
        let digest = Some("percentiletdigest:100".to_owned());
        assert_eq!(key("percentiletdigest95", &[]), digest);
        assert_eq!(key("percentiletdigest", &[Value::Int(95)]), digest);
        assert_eq!(configured_key("PERCENTILETDIGEST", None), digest);
        assert_ne!(
            key("percentiletdigest", &[Value::Int(95), Value::Int(50)]),
            digest
        );
        assert_eq!(
            (key("mode", &[]), key("sum", &[Value::Int(1)])),
            (None, None)
        );
        for family in FAMILIES {
            let key = configured_key(family.names[0], None).unwrap();
            assert!(
                is_possible(&key, DataType::Double) || family.names[0] == "distinctcountbitmap"
            );
        }
    }
}
