//! The differences from a real Pinot that docs/differences.md lists, so that a run beside one tells what is new.
//!
//! Must not know: how queries are made. Invariant: a rule looks at both answers; the shape of a query alone excuses no row.

use serde_json::Value as Json;

use super::asking::{self, Answer};
use crate::conformance::compare;

/// What a rule looks at.
struct Difference<'a> {
    sql: &'a str,
    case: &'a Json,
    ours: &'a Answer,
}

/// A rule: its name, as docs/differences.md has it, and whether it explains a difference wholly.
type Rule = (&'static str, fn(&Difference) -> bool);

/// A shape: its name, and whether a query has it.
type Shape = (&'static str, fn(&str) -> bool);

const MULTI_STAGE: &str = "SET useMultistageEngine=true;";
const NULL_HANDLING: &str = "SET enableNullHandling=true;";

const RULES: &[Rule] = &[
    ("an untyped function over a column", |d| {
        d.only_peer_refuses("Unsupported parameter type: OBJECT")
    }),
    ("a CPC sketch of no column", |d| {
        d.only_peer_refuses("CpcSketch cannot be cast to class")
    }),
    ("FUNNELCOUNT correlated by no column", |d| {
        d.peer_refuses("CORRELATE_BY column in FUNNELCOUNT")
    }),
    ("two columns compared in FILTER", |d| {
        d.only_peer_refuses("does not support column or function on the right-hand side")
    }),
    (
        "BETWEEN, IN and LIKE over columns, DISTINCT ordered by a literal",
        |d| {
            d.peer_refuses("It seems that the query is only supported by the multi-stage")
                || d.peer_refuses("the operands except for the first one must be literal")
        },
    ),
    ("SUM0 by its name", |d| {
        d.peer_refuses("No match found for function signature SUM0(")
    }),
    ("EXTRACT of a number", |d| {
        d.peer_refuses("Cannot apply 'EXTRACT' to arguments of type 'EXTRACT(<INTERVAL")
    }),
    ("JSON_MATCH without an index", |d| {
        let unknown = d.we_refuse("Unsupported function: jsonmatch") && d.code() != 0;
        d.peer_refuses("without json index") || unknown
    }),
    ("a negated filter that no row passes", |d| {
        d.only_peer_refuses("because \"this._docIdSets\" is null")
    }),
    (
        "a literal among an aggregation's arguments above a subquery",
        |d| {
            d.only_peer_refuses("because \"blockValSet\" is null")
                || d.only_peer_refuses("because the return value of \"java.util.Map.get(Object)\"")
                || (d.multi() && d.only_peer_refuses("Invalid aggregation function: "))
        },
    ),
    ("LEAD and LAG with a default", |d| {
        d.only_peer_refuses("Failed to instantiate WindowFunction for function: L")
    }),
    ("texts that are subtracted", |d| {
        let numbers = [
            "For input string: \"",
            "decimal digit number",
            "Not a digit",
            "missing \"e\" notation",
            "empty String",
        ];
        numbers.iter().any(|message| d.peer_refuses(message))
    }),
    ("arrays that are subtracted", |d| {
        d.only_peer_refuses("every argument of SUB transform function must be single-valued")
    }),
    ("a transform above a subquery", |d| {
        d.multi() && d.only_peer_refuses("Unsupported function: ")
    }),
    ("the order of a literal", |d| {
        let message = "SELECT_PARTIAL_ORDER_BY_DESC can only be used when";
        d.only_peer_refuses(message) || d.both_refuse(message)
    }),
    ("an aggregation over no rows", |d| {
        d.only_peer_refuses("out of bounds for length 0")
            || d.only_peer_refuses("Error serializing response")
    }),
    ("nullIf over a column", |d| {
        let untyped = "Cannot convert ColumnDataType: OBJECT to DataType";
        d.we_refuse("nullIf over columns has no type") || d.both_refuse(untyped)
    }),
    ("a failure without a message", |d| {
        let message = d.case["expect"]["message"].as_str().unwrap_or_default();
        let first = message.lines().next().unwrap_or_default();
        // What stands before `null` names an operator, a server or a function, never a value.
        let of_operator = ["Caught exception while ", "Server_", "Invalid conversion"]
            .iter()
            .any(|part| first.contains(part));
        let alone = first.trim() == "null";
        let bare = first.trim_end().ends_with("null") && (of_operator || alone);
        bare && d.only_peer_refuses("")
    }),
    ("HAVING over an array", |d| {
        let cast = [
            "class [I cannot be cast",
            "class [D cannot be cast",
            "class [J cannot be cast",
        ];
        d.sql.contains("HAVING ") && cast.iter().any(|message| d.only_peer_refuses(message))
    }),
    ("a type that is not the planner's", |d| {
        let arrays = |a: &str, b: &str| a.ends_with("_ARRAY") && b.ends_with("_ARRAY");
        let typed = ["ARRAY_AGG(", "FIRSTWITHTIME(", "LASTWITHTIME("];
        let named = typed.iter().any(|call| d.sql.contains(call));
        let of_stage = d.code() == 1000 && d.only_peer_refuses("Received 1 error from stage");
        let refused = d.multi() && named && of_stage;
        refused || (d.multi() && d.sql.contains("ARRAY_AGG(") && d.agree(same, arrays, same_values))
    }),
    ("texts and arrays of no rows", |d| {
        let named = d.sql.contains("LISTAGG(") || d.sql.contains("SUMARRAY");
        named && d.cells_agree(|ours, theirs| theirs.is_null() && is_empty(ours))
    }),
    ("types of no rows", |d| {
        let lost = |_: &str, theirs: &str| matches!(theirs, "STRING" | "OBJECT");
        items(&d.case["expect"]["rows"]).next().is_none() && d.types_agree(lost)
    }),
    ("types of covariances", |d| {
        let decimal = |ours: &str, theirs: &str| (ours, theirs) == ("DOUBLE", "BIG_DECIMAL");
        d.sql.contains("COVAR_")
            && d.agree(same, decimal, |a, b| {
                number(a).is_some() && number(a) == number(b)
            })
    }),
    ("an aggregation over a semi-join of none", |d| {
        d.sql.contains(" IN (SELECT ")
            && d.multi()
            && d.cells_agree(|a, b| a.is_null() && (is_extreme(b) || b == &Json::from(0)))
    }),
    ("a default that a name shows", |d| {
        d.names_agree(|ours, theirs| theirs.replace(",'8')", ")") == ours)
    }),
    ("BYTES compared in CASE", |d| {
        d.we_refuse("BYTES compare with BYTES alone")
    }),
    ("BIG_DECIMAL beside a text in CASE", |d| {
        d.we_refuse("Cannot upcast from BIG_DECIMAL to STRING")
    }),
    ("logarithms of BIG_DECIMAL where no row is left", |d| {
        d.we_refuse("Math operator does not support BIG_DECIMAL data type")
    }),
    ("a negative position in GROUP BY", |d| {
        d.we_refuse("Cannot find column with position -")
    }),
    ("arithmetic and order of arrays", |d| {
        let refused = d.we_refuse("Unsupported function: plus with arguments of type: [")
            && d.our_message().contains("_ARRAY");
        refused || d.we_refuse("should not be included in the ORDER-BY clause")
    }),
    ("an array compared with a text", |d| {
        d.we_refuse("Cannot apply a comparison to arguments of type '<STRING_ARRAY>'")
    }),
    ("an aggregation among the keys", |d| {
        d.both_refuse("Aggregate expression is illegal in GROUP BY clause")
    }),
    ("DISTINCT with arithmetic of aggregations", |d| {
        d.both_refuse("Failed to find SELECT expression")
    }),
    ("a text beside a number in a function", |d| {
        d.both_refuse("Character array is missing \"e\" notation exponential mark")
    }),
    ("SUM, AVG, MIN and MAX over texts", |d| {
        d.we_refuse("for non-numeric type: STRING") && d.multi()
    }),
    ("the order of distinct values in an array", |d| {
        d.sql.contains("ARRAY_AGG(") && d.cells_agree(same_values)
    }),
    ("COUNT of what folds to NULL", |d| {
        // Which counts fold shows in them alone: they are as many as the rows, whose number another count may tell.
        let counts = d.sql.contains("COUNT(CASE WHEN ") && d.multi();
        let folds = d.null_handling() || d.sql.contains(" IN (SELECT ");
        counts && folds && d.cells_agree(fewer)
    }),
    ("INTERSECT and EXCEPT of two types", |d| {
        let set = d.sql.contains(" INTERSECT ") || d.sql.contains(" EXCEPT ");
        set && d.types_agree(widens)
    }),
    ("an exact decimal rounded", |d| {
        let rounded = [" / 6.0)", "floor(", "ceil("]
            .iter()
            .any(|call| d.sql.contains(call));
        let long = |ours: &str, theirs: &str| {
            matches!(
                (ours, theirs),
                ("DOUBLE", "LONG" | "INT") | ("INT", "LONG" | "DOUBLE")
            )
        };
        rounded && d.agree(same, long, |a, b| cut(a).is_some() && cut(a) == b.as_f64())
    }),
    ("IGNORE NULLS over a frame of rows", |d| {
        let shifted = d.sql.contains(" IGNORE NULLS OVER ") && d.sql.contains(" ROWS BETWEEN ");
        shifted && d.only_peer_refuses("Failed to convert query to relational expression")
    }),
    ("COUNT over a frame behind the last row", |d| {
        let framed = d.sql.contains("COUNT(") && d.sql.contains(" FOLLOWING AND ");
        framed
            && d.multi()
            && d.cells_agree(|ours, theirs| ours == &Json::from(0) && theirs.is_null())
    }),
    ("NOT IN over JSON without a dictionary", |d| {
        d.sql.contains("json_col NOT IN ") && d.only_peer_refuses("Unsupported data type: JSON")
    }),
    ("a range of one BIG_DECIMAL", |d| {
        let none = items(&d.case["expect"]["rows"]).next().is_none();
        d.sql.contains("big_col BETWEEN ") && d.multi() && none && d.ours.is_ok() && d.code() == 0
    }),
    ("arrays above a subquery", |d| {
        let from_rows = d.sql.contains(" FROM (SELECT * FROM ");
        let boxed = ["class [I cannot", "class [J cannot", "class [D cannot"];
        from_rows && boxed.iter().any(|message| d.only_peer_refuses(message))
    }),
    ("a window above a filter that folds", |d| {
        d.sql.contains(" OVER (")
            && d.only_peer_refuses("InternalError: Error while planning query")
    }),
    ("a refusal where no row is left", |d| {
        d.code() == 0 && d.nothing_is_left() && REFUSED.iter().any(|with| d.we_refuse(with))
    }),
    ("a NaN that a group begins with", |d| {
        d.sql.contains("MINMAXRANGE(") && d.cells_agree(|_, theirs| theirs.as_str() == Some("NaN"))
    }),
    ("covariances of large numbers", |d| {
        let both = |a: &Json, b: &Json| number(a).is_some() && number(b).is_some();
        let large = ["exp(", "int_col", "crc32(", "murmurHash2(", "long_col"];
        d.sql.contains("COVAR_")
            && large.iter().any(|part| d.sql.contains(part))
            && d.cells_agree(both)
    }),
    ("HISTOGRAM of BIG_DECIMAL", |d| {
        d.only_peer_refuses("Cannot compute histogram for non-numeric type: BIG_DECIMAL")
    }),
    ("texts joined by two bars", |d| {
        d.we_refuse("Unsupported function: ||") && d.code() != 0
    }),
    ("EXPR_MAX beside another mistake", |d| {
        d.code() != 0 && d.we_refuse("is only supported in selection without alias")
    }),
    ("a column selected twice", |d| {
        d.names_agree(|ours, theirs| ours.starts_with("EXPR$") && theirs.starts_with("EXPR$"))
    }),
];

/// What we refuse while planning, and Pinot where the first row comes.
const REFUSED: &[&str] = &[
    "Cannot compute MAXSTRING for numeric column",
    "Cannot compute MINSTRING for numeric column",
    "Cannot convert value: '",
    "DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by queries",
    "Unsupported function: jsonmatch",
    "Unsupported function: ||",
    "cannot convert value: `",
    "like cannot be called with a row's values of type: [STRING_ARRAY",
];

/// Shapes in which Pinot's rows are wrong, or ours, and no value tells them from right ones: they are not asked.
const UNASKED: &[Shape] = &[
    ("least and greatest as texts", |sql| {
        sql.contains("CAST(least(") || sql.contains("CAST(greatest(")
    }),
    ("nullIf without null handling", |sql| {
        sql.contains("nullIf(") && sql.contains(MULTI_STAGE) && !sql.contains(NULL_HANDLING)
    }),
    ("a FILTER in HAVING", |sql| {
        let having = sql.split_once(" HAVING ").map(|(_, having)| having);
        !sql.contains(MULTI_STAGE) && having.is_some_and(|having| having.contains(" FILTER ("))
    }),
    ("dateTrunc to months and quarters in a range", |sql| {
        let unit = ["(dateTrunc('QUARTER'", "(dateTrunc('MONTH'"];
        let ranged = sql.contains(" BETWEEN 1740723283312 AND ");
        let after = sql.contains(" > '2025-06-01 00:00:00'") && sql.contains("dateTrunc('MONTH'");
        after || (ranged && unit.iter().any(|call| sql.contains(call)))
    }),
];

/// True for a query that is not asked.
pub(super) fn is_unasked(sql: &str) -> bool {
    UNASKED.iter().any(|(_, fits)| fits(sql))
}

/// The name of the rule that explains a difference.
pub(super) fn rule(case: &Json, ours: &Answer) -> Option<&'static str> {
    let sql = case["sql"].as_str().unwrap_or_default();
    let difference = Difference { sql, case, ours };
    let fits = RULES.iter().find(|(_, fits)| fits(&difference));
    fits.map(|(name, _)| *name)
}

impl Difference<'_> {
    fn multi(&self) -> bool {
        self.sql.contains(MULTI_STAGE)
    }

    fn null_handling(&self) -> bool {
        self.sql.contains(NULL_HANDLING)
    }

    /// Pinot's code, 0 where it answers.
    fn code(&self) -> u64 {
        self.case["expect"]["error"].as_u64().unwrap_or_default()
    }

    fn peer_refuses(&self, with: &str) -> bool {
        let message = self.case["expect"]["message"].as_str();
        self.code() != 0 && message.is_some_and(|message| message.contains(with))
    }

    fn only_peer_refuses(&self, with: &str) -> bool {
        self.ours.is_ok() && self.peer_refuses(with)
    }

    fn both_refuse(&self, with: &str) -> bool {
        self.ours.is_err() && !asking::is_panic(self.ours) && self.peer_refuses(with)
    }

    fn our_message(&self) -> &str {
        match self.ours {
            Err(error) => &error.message,
            Ok(_) => "",
        }
    }

    fn we_refuse(&self, with: &str) -> bool {
        self.our_message().contains(with)
    }

    /// True where Pinot answers no row, or one with nothing in it.
    fn nothing_is_left(&self) -> bool {
        let rows: Vec<&Json> = items(&self.case["expect"]["rows"]).collect();
        let nothing = |cell: &Json| {
            let none = cell.is_null() || is_extreme(cell) || is_empty(cell);
            let flag = cell.as_str() == Some("null") || cell.is_boolean();
            none || flag || number(cell) == Some(0.0) || cell.as_array().is_some()
        };
        rows.is_empty() || (rows.len() == 1 && items(rows[0]).all(nothing))
    }

    /// True where names, types and cells agree, each as they are or by a rule.
    fn agree(
        &self,
        name: fn(&str, &str) -> bool,
        of_type: fn(&str, &str) -> bool,
        cell: fn(&Json, &Json) -> bool,
    ) -> bool {
        let Ok(table) = self.ours else {
            return false;
        };
        let texts = |ours: &[String], theirs: &str, rule: fn(&str, &str) -> bool| {
            let theirs: Vec<&str> = items(&self.case["expect"][theirs])
                .filter_map(Json::as_str)
                .collect();
            let mut pairs = ours.iter().zip(&theirs);
            ours.len() == theirs.len() && pairs.all(|(a, b)| a == b || rule(a, b))
        };
        let types: Vec<String> = table.types.iter().map(ToString::to_string).collect();
        let theirs: Vec<&Json> = items(&self.case["expect"]["rows"]).collect();
        let ours = asking::cells(table);
        let same = |(ours, theirs): (&Vec<Json>, &&Json)| {
            let theirs: Vec<&Json> = items(theirs).collect();
            let mut cells = ours.iter().zip(&theirs);
            ours.len() == theirs.len() && cells.all(|(a, b)| compare::agree(a, b) || cell(a, b))
        };
        self.code() == 0
            && texts(&table.names, "names", name)
            && texts(&types, "types", of_type)
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(same)
    }

    /// The same where names and types are as they are.
    fn cells_agree(&self, rule: fn(&Json, &Json) -> bool) -> bool {
        self.agree(same, same, rule)
    }

    /// The same where names and cells are as they are.
    fn types_agree(&self, rule: fn(&str, &str) -> bool) -> bool {
        self.agree(same, rule, same)
    }

    /// The same where types and cells are as they are.
    fn names_agree(&self, rule: fn(&str, &str) -> bool) -> bool {
        self.agree(rule, same, same)
    }
}

fn items(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

/// What agrees as it is alone.
fn same<T: PartialEq + ?Sized>(ours: &T, theirs: &T) -> bool {
    ours == theirs
}

/// A number, written as one or as a text.
fn number(json: &Json) -> Option<f64> {
    json.as_f64().or_else(|| json.as_str()?.parse().ok())
}

/// True for what a type answers as the extreme of no rows.
fn is_extreme(json: &Json) -> bool {
    match json {
        Json::String(text) => matches!(text.as_str(), "Infinity" | "-Infinity" | "NaN"),
        _ => matches!(
            json.as_i64(),
            Some(i64::MIN | i64::MAX | -2_147_483_648 | 2_147_483_647)
        ),
    }
}

/// True for a count of ours that is less than theirs.
fn fewer(ours: &Json, theirs: &Json) -> bool {
    matches!((ours.as_u64(), theirs.as_u64()), (Some(a), Some(b)) if a < b)
}

/// True for a text or an array without anything in it.
fn is_empty(json: &Json) -> bool {
    json.as_str() == Some("") || json.as_array().is_some_and(Vec::is_empty)
}

/// A number without its fraction.
fn cut(json: &Json) -> Option<f64> {
    json.as_f64().map(f64::trunc)
}

/// True for a whole number whose type is wider in Pinot.
fn widens(ours: &str, theirs: &str) -> bool {
    matches!(
        (ours, theirs),
        ("INT", "LONG" | "DOUBLE") | ("LONG", "DOUBLE")
    )
}

/// True for arrays of the same values.
fn same_values(ours: &Json, theirs: &Json) -> bool {
    let (Some(ours), Some(theirs)) = (ours.as_array(), theirs.as_array()) else {
        return false;
    };
    let sorted = |all: &[Json]| {
        let mut texts: Vec<String> = all.iter().map(Json::to_string).collect();
        texts.sort();
        texts
    };
    sorted(ours) == sorted(theirs)
}

#[test]
fn rules_are_documented() -> anyhow::Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let text = std::fs::read_to_string(path)?;
    let rules = RULES.iter().map(|(name, _)| name);
    for name in rules.chain(UNASKED.iter().map(|(name, _)| name)) {
        anyhow::ensure!(
            text.contains(&format!("| {name} |")),
            "`{name}` is not in docs/differences.md"
        );
    }
    Ok(())
}
