//! The differences from a real Pinot that docs/differences.md lists, so that a run beside one tells what is new.
//!
//! Must not know: how queries are made. Invariant: a rule looks at both answers; the shape of a query alone excuses no row.

mod composed;
mod orders;

use serde_json::Value as Json;

use super::asking::Answer;
use super::difference::{
    Difference, cut, fewer, is_empty, is_extreme, items, number, same, same_values,
};
#[cfg(test)]
use super::unasked::UNASKED;

/// A rule: its name, as docs/differences.md has it, and whether it explains a difference wholly.
type Rule = (&'static str, fn(&Difference) -> bool);

const RULES: &[Rule] = &[
    ("an untyped function over a column", |d| {
        let untyped = "Unsupported parameter type: OBJECT";
        d.only_peer_refuses(untyped) || d.both_refuse(untyped)
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
                || (d.sql.contains(" AS v, ") && {
                    let listed = "ORDER-BY columns should be included in the DISTINCT";
                    d.only_peer_refuses(listed) || d.both_refuse(listed)
                })
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
        let function = d.both_refuse("Unsupported function: jsonmatch");
        // Pinot's other test leaves it no row.
        let settled = d.code() == 0 && d.we_refuse("without json index");
        d.peer_refuses("without json index") || unknown || function || (d.multi() && settled)
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
        let subtracted = "every argument of SUB transform function must be single-valued";
        d.only_peer_refuses(subtracted) || d.both_refuse(subtracted)
    }),
    ("a transform above a subquery", |d| {
        d.multi() && d.only_peer_refuses("Unsupported function: ")
    }),
    ("the order of a literal", |d| {
        let messages = [
            "SELECT_PARTIAL_ORDER_BY_DESC can only be used when",
            "SELECT_PARTIAL_ORDER_BY_LINEAR requires the input operator",
        ];
        let known = |message: &&str| d.only_peer_refuses(message) || d.both_refuse(message);
        messages.iter().any(known)
    }),
    ("an aggregation over no rows", |d| {
        d.only_peer_refuses("out of bounds for length 0")
            || d.peer_refuses("Error serializing response")
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
        let silent = first.trim_end().ends_with(':') && of_operator;
        let bare = silent || (first.trim_end().ends_with("null") && (of_operator || alone));
        bare && (d.only_peer_refuses("") || d.both_refuse(""))
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
        let nothing = |ours: &Json, theirs: &Json| {
            (theirs.is_null() && is_empty(ours)) || (ours.is_null() && is_empty(theirs))
        };
        (named || d.sql.contains("ARRAY_AGG(")) && d.cells_agree(nothing)
    }),
    ("types of no rows", |d| {
        let lost = |ours: &str, theirs: &str| {
            matches!(theirs, "STRING" | "OBJECT" | "BIG_DECIMAL") || ours == "STRING"
        };
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
        let counts_none = |row: &[Json]| row.first() == Some(&Json::from(0));
        let none = d.our_rows().iter().all(|row| counts_none(row));
        let filtered = d.sql.contains(" FILTER (WHERE ");
        let null = |ours: &Json, theirs: &Json| {
            ours.is_null() && (none || (filtered && is_extreme(theirs)))
        };
        d.sql.contains(" IN (SELECT ") && d.multi() && (none || filtered) && d.cells_agree(null)
    }),
    ("ids of numbers above a semi-join", |d| {
        let named = d.sql.contains("IDSET(") && d.sql.contains(" IN (SELECT ");
        let ids = |cell: &Json| cell.as_str().is_some_and(|text| text.ends_with('='));
        named && d.multi() && d.cells_agree(|ours, theirs| ids(ours) && ids(theirs))
    }),
    ("ids of a folded literal", |d| {
        let ids = |cell: &Json| cell.as_str().is_some_and(|text| text.ends_with('='));
        d.sql.contains("IDSET(intDiv(")
            && d.multi()
            && d.cells_agree(|ours, theirs| ids(ours) && ids(theirs))
    }),
    ("BYTES compared in CASE", |d| {
        d.we_refuse("BYTES compare with BYTES alone")
    }),
    ("BIG_DECIMAL beside a text in CASE", |d| {
        d.we_refuse("Cannot upcast from BIG_DECIMAL to STRING")
    }),
    ("logarithms of BIG_DECIMAL where no row is left", |d| {
        let refused = "Math operator does not support BIG_DECIMAL data type";
        d.we_refuse(refused) || (d.multi() && d.only_peer_refuses(refused))
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
        let chosen = |cell: &Json| matches!(cell.as_str(), Some("many" | "few"));
        let compared = d.sql.contains("CASE WHEN ARRAY_AGG(");
        (d.sql.contains("ARRAY_AGG(") && d.cells_agree(same_values))
            || (compared && d.agree(same, same, |a, b| chosen(a) && chosen(b)))
            || (compared && d.agree(same, of_choice, |a, b| chosen(a) && chosen(b)))
    }),
    ("COUNT of what folds to NULL", |d| {
        // What folds is true of no row: where we count none, Pinot counts them all.
        let counted = |ours: &Json, theirs: &Json| fewer(ours, theirs) && ours == &Json::from(0);
        let added = |ours: &Json, theirs: &Json| matches!((ours.as_i64(), theirs.as_i64()), (Some(a), Some(b)) if a < b);
        let sum = d.sql.contains(" + COUNT(CASE WHEN ") && d.cells_agree(added);
        let counts = d.sql.contains("COUNT(CASE WHEN ") && d.multi();
        counts && (sum || d.cells_agree(counted))
    }),
    ("an exact decimal rounded", |d| {
        let rounded = [" / 6.0)", "floor(", "ceil("]
            .iter()
            .any(|call| d.sql.contains(call));
        let long = |ours: &str, theirs: &str| {
            matches!(
                (ours, theirs),
                ("DOUBLE", "LONG" | "INT")
                    | ("INT", "LONG" | "DOUBLE")
                    | ("LONG", "DOUBLE" | "INT")
            )
        };
        let whole = |ours: &Json, theirs: &Json| {
            // No whole number is infinite, nor none.
            let other = ours.as_str().is_some() && number(ours).is_some();
            let bounded = is_extreme(theirs) && ours.as_f64().is_some_and(|x| x.abs() > 9.2e18);
            let same = |a: &Json, b: &Json| cut(a).is_some() && cut(a) == b.as_f64();
            other || bounded || same(ours, theirs) || same(theirs, ours)
        };
        // A UNION then has other rows that are distinct.
        let union = d.sql.contains(" UNION ") && d.ours.is_ok() && d.code() == 0;
        rounded && (union || d.agree(same, long, whole))
    }),
    ("IGNORE NULLS over a frame of rows", |d| {
        let shifted = d.sql.contains(" IGNORE NULLS OVER ") && d.sql.contains(" ROWS BETWEEN ");
        let refused = "Failed to convert query to relational expression";
        shifted && (d.only_peer_refuses(refused) || d.both_refuse(refused))
    }),
    ("COUNT over a frame behind the last row", |d| {
        let framed = d.sql.contains("COUNT(") && d.sql.contains(" FOLLOWING AND ");
        framed
            && d.multi()
            && d.cells_agree(|ours, theirs| ours == &Json::from(0) && theirs.is_null())
    }),
    ("IN over JSON without a dictionary", |d| {
        let untyped = "Unsupported data type: JSON";
        let refused = d.only_peer_refuses(untyped) || d.both_refuse(untyped);
        d.sql.contains("json_col ") && refused
    }),
    ("a range of one BIG_DECIMAL", |d| {
        let none = items(&d.case["expect"]["rows"]).next().is_none();
        let found_none = none && d.ours.is_ok() && d.code() == 0;
        // Of one side of a join it leaves nulls.
        let unmatched = d.sql.contains(" FULL JOIN ") && d.answered_alike();
        let unlike = "Cannot compare incompatible type: BIG_DECIMAL and: DOUBLE";
        let ranged = d.sql.contains("big_col BETWEEN ") && d.multi();
        ranged && (found_none || unmatched || d.only_peer_refuses(unlike))
    }),
    ("arrays above a subquery", |d| {
        let from_rows = d.sql.contains(" FROM (SELECT * FROM ");
        let of_arrays = d.sql.contains("COUNTMV(") && d.code() == 1000 && d.only_peer_refuses("");
        let boxed = [
            "class [I cannot",
            "class [J cannot",
            "class [D cannot",
            "Cannot read bytes values from data type: INT",
            "Cannot read bytes values from data type: LONG",
            "Cannot read bytes values from data type: DOUBLE",
        ];
        from_rows && (of_arrays || boxed.iter().any(|message| d.only_peer_refuses(message)))
    }),
    ("a window or NOT IN above a filter that folds", |d| {
        let failures = [
            "InternalError: Error while planning query",
            "Failed to convert query to relational expression",
        ];
        d.multi() && failures.iter().any(|message| d.only_peer_refuses(message))
    }),
    ("HAVING and ORDER BY of what has no type", |d| {
        let untyped = "Cannot convert ColumnDataType: OBJECT to DataType";
        let mixed = [
            "cannot be cast to class java.lang.Double",
            "java.lang.Double cannot be cast to class",
        ];
        let mixed = || mixed.iter().any(|message| d.only_peer_refuses(message));
        !d.multi() && (d.only_peer_refuses(untyped) || mixed())
    }),
    ("a union with a part of no rows, in an order", |d| {
        d.only_peer_refuses("The query is not order by identifiers")
    }),
    ("a call that folds to a literal at a leaf", |d| {
        let failures = [
            "Argument cannot be literal for transform function",
            "Unsupported data type: UNKNOWN",
            "must be a single-valued column or a transform",
            "for non-numeric type: UNKNOWN",
        ];
        d.multi() && failures.iter().any(|message| d.only_peer_refuses(message))
    }),
    ("a semi-join of two types", |d| {
        let boxed = [
            "java.lang.Long cannot be cast to class java.lang.Integer",
            "java.lang.String cannot be cast to class java.lang.Integer",
        ];
        let asks = d.sql.contains("EXISTS (SELECT ") || d.sql.contains(" IN (SELECT ");
        d.multi() && asks && boxed.iter().any(|failure| d.only_peer_refuses(failure))
    }),
    ("a refusal where no row is left", |d| {
        d.code() == 0 && d.nothing_is_left() && REFUSED.iter().any(|with| d.we_refuse(with))
    }),
    ("a NaN that a group begins with", |d| {
        // MIN and MAX keep it where nulls are handled; HAVING then drops the group.
        let extremes = ["MIN(", "MAX("].iter().any(|call| d.sql.contains(call));
        let named = d.sql.contains("MINMAXRANGE") || (extremes && (d.null_handling() || d.multi()));
        let having = d.sql.split_once(" HAVING M").is_some();
        let none = |cell: &Json| cell.as_str() == Some("NaN");
        named
            && (d.cells_agree(|ours, theirs| none(ours) || none(theirs))
                || (having && d.only_further_rows()))
    }),
    ("covariances of large numbers", |d| {
        // The digits that are lost depend on the order in which parts merge.
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) if a.is_finite() && b.is_finite() => {
                (a - b).abs() <= 1e-3 * a.abs().max(b.abs()).max(10.0)
            }
            _ => false,
        };
        // Of exponentials no digit is left.
        let finite = |cell: &Json| number(cell).is_some_and(f64::is_finite);
        let exponential = d.sql.contains("exp(") || d.sql.contains("sinh(");
        // Products of hashes with days leave some digits before the point.
        let hashes = ["murmurHash", "adler32", "cityHash"];
        let below = match hashes.map(|hash| d.sql.matches(hash).count()).iter().sum() {
            0_usize => 0.0,
            1 => 100.0,
            _ => 1e4,
        };
        let small = |a: &Json| number(a).is_some_and(|x| x.abs() < below);
        let lost = |a: &Json, b: &Json| {
            near(a, b) || (exponential && finite(a) && finite(b)) || (small(a) && small(b))
        };
        d.sql.contains("COVAR_") && d.cells_agree(lost)
    }),
    ("variances of large numbers", |d| {
        // What is left of nearly equal squares depends on the order in which parts merge.
        let nothing = |cell: &Json| number(cell).is_some_and(|x| x.abs() < 1e-6);
        // So does whether squares beyond a DOUBLE are infinite or no number.
        let beyond = |cell: &Json| matches!(cell.as_str(), Some("NaN" | "Infinity"));
        let named = ["VARPOP(", "VAR_POP(", "VAR_SAMP(", "STDDEV"];
        let lost = |a: &Json, b: &Json| (nothing(a) && nothing(b)) || (beyond(a) && beyond(b));
        named.iter().any(|call| d.sql.contains(call)) && d.cells_agree(lost)
    }),
    ("HISTOGRAM of BIG_DECIMAL", |d| {
        d.only_peer_refuses("Cannot compute histogram for non-numeric type: BIG_DECIMAL")
    }),
    ("texts joined by two bars", |d| {
        const BARS: &str = "Unsupported function: ||";
        (d.we_refuse(BARS) && d.code() != 0) || d.both_refuse(BARS)
    }),
    ("EXPR_MAX beside another mistake", |d| {
        d.code() != 0 && d.we_refuse("is only supported in selection without alias")
    }),
    ("a funnel that is read twice", |d| {
        let read = [" ORDER BY FUNNEL", " HAVING FUNNEL"];
        let nothing = |cell: &Json| {
            let steps = cell.as_array();
            cell == &Json::from(0)
                || steps.is_some_and(|steps| steps.iter().all(|step| step == &Json::from(0)))
        };
        read.iter().any(|part| d.sql.contains(part)) && !d.multi() && {
            let emptied = |_: &Json, theirs: &Json| theirs == &Json::from(0);
            let ordered = d.sql.contains(" ORDER BY FUNNEL") && d.answered_alike();
            ordered || d.cells_agree(emptied) || d.their_last_cells().all(nothing)
        }
    }),
    ("the order of texts in LISTAGG", |d| {
        let sorted = |cell: &Json| {
            let mut texts: Vec<String> = cell
                .as_str()?
                .split([',', '|'])
                .map(str::to_owned)
                .collect();
            texts.sort();
            Some(texts)
        };
        let equal = |a: &Json, b: &Json| sorted(a).is_some() && sorted(a) == sorted(b);
        d.sql.contains("LISTAGG(") && d.cells_agree(equal)
    }),
    ("a bitmap of hashes", |d| {
        let ordered = d.sql.contains(" ORDER BY DISTINCTCOUNTBITMAP(") && d.answered_alike();
        let counted = d.cells_agree(|ours, theirs| fewer(theirs, ours));
        d.sql.contains("DISTINCTCOUNTBITMAP(") && (ordered || counted)
    }),
    ("one row more behind a negated filter", |d| {
        let rows = ["FILTER (WHERE ", "(CASE WHEN "];
        let filtered = rows.iter().any(|part| d.sql.contains(part));
        let negated = d.sql.split_once(" WHERE ").is_some() && d.sql.contains("NOT ");
        // A group has less rows.
        let share = if d.sql.contains(" GROUP BY ") {
            0.1
        } else {
            0.01
        };
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (a - b).abs() <= share * a.abs().max(b.abs()),
            _ => false,
        };
        filtered && negated && (d.cells_agree(near) || d.differs_by_one_row())
    }),
    ("zero and minus zero", |d| {
        let union = d.sql.contains(" UNION SELECT ") && d.only_zeros_twice();
        let others = [" INTERSECT SELECT ", " EXCEPT SELECT "];
        union || (others.iter().any(|op| d.sql.contains(op)) && d.only_zeros_differ())
    }),
    ("the last digit of an exponential", |d| {
        let finite = |cell: &Json| number(cell).is_some_and(f64::is_finite);
        d.sql.contains("moduloOrZero(exp(") && d.cells_agree(|a, b| finite(a) && finite(b))
    }),
    ("comparisons with a literal NaN", |d| {
        let literal = ["log2(-", "log10(-", "ln(-", "sqrt(-"];
        let compared = literal.iter().any(|call| d.sql.contains(call));
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (a - b).abs() <= 1.0,
            _ => false,
        };
        compared
            && d.sql.contains("DISTINCT FROM ")
            && (d.cells_agree(near) || d.differs_by_one_row())
    }),
    ("sums over a sliding frame", |d| {
        // Pinot takes off DOUBLEs that it added: what is left depends on all rows before.
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()),
            _ => false,
        };
        let infinite = |ours: &Json, theirs: &Json| {
            theirs.as_str() == Some("NaN") && number(ours).is_some_and(f64::is_infinite)
        };
        let framed = d.sql.contains(" OVER (") && d.sql.contains(" ROWS BETWEEN ");
        let sums = d.sql.contains("SUM(") || d.sql.contains("AVG(");
        framed && sums && d.multi() && d.cells_agree(|a, b| near(a, b) || infinite(a, b))
    }),
    ("DISTINCTCOUNTOFFHEAP of a literal text", |d| {
        let named = d.multi() && d.sql.contains("DISTINCTCOUNTOFFHEAP(");
        named && d.only_peer_refuses("is not Hex encoded")
    }),
    ("texts of a literal that is null", |d| {
        let named = ["MAXSTRING(", "MINSTRING("];
        let empty = |ours: &Json, theirs: &Json| ours.is_null() && is_empty(theirs);
        named.iter().any(|call| d.sql.contains(call)) && !d.null_handling() && d.cells_agree(empty)
    }),
    ("a literal of no form beside another mistake", |d| {
        let literal = d.we_refuse("cannot convert value: `");
        d.multi() && literal && d.both_refuse("must have compatible types")
    }),
    ("a t-digest of infinite numbers", |d| {
        // Nothing is left of a covariance with years but rounding.
        let nothing = |cell: &Json| number(cell).is_some_and(|x| x.abs() < 1e-6);
        let lost = |ours: &Json, theirs: &Json| {
            let digest = number(ours).is_some() && theirs.as_str() == Some("NaN");
            digest || (nothing(ours) && nothing(theirs))
        };
        // One infinite value takes part in the centroids beside it.
        let beside = d.sql.contains("PERCENTILETDIGEST(double_col, ")
            && d.cells_agree(|a, b| number(a).is_some() && number(b).is_some());
        d.sql.contains("TDIGEST(") && (beside || d.cells_agree(lost))
    }),
    ("a t-digest of exponentials", |d| {
        let exponential = d.sql.contains("exp(") || d.sql.contains("sinh(");
        let number = |cell: &Json| number(cell).is_some();
        let compared = [
            " ORDER BY PERCENTILETDIGEST(",
            "CASE WHEN PERCENTILETDIGEST(",
        ];
        let compared = compared.iter().any(|part| d.sql.contains(part));
        let ordered = compared && d.answered_alike();
        let another = ordered || d.cells_agree(|a, b| number(a) && number(b));
        d.sql.contains("TDIGEST(") && exponential && another
    }),
    ("a sum of CASE above a subquery", |d| {
        let zero = |ours: &Json, theirs: &Json| number(ours) == Some(0.0) && theirs.is_null();
        let chosen = ["SUM(CASE WHEN ", "AVG(CASE WHEN "];
        let chosen = chosen.iter().any(|call| d.sql.contains(call));
        chosen && d.multi() && d.cells_agree(zero)
    }),
    ("a truth value that folds", |d| {
        let folded = d.sql.contains("IS NOT NULL AS STRING)");
        let known = |_: &Json, theirs: &Json| !theirs.is_null();
        let case = |ours: &Json, theirs: &Json| match (ours.as_str(), theirs.as_str()) {
            (Some(ours), Some(theirs)) => ours.to_lowercase() == theirs.to_lowercase(),
            _ => false,
        };
        let spelled = d.sql.contains(" AS STRING)") && d.cells_agree(case);
        d.multi() && (spelled || (folded && d.null_handling() && d.cells_agree(known)))
    }),
    ("codepoint of no text", |d| {
        let refused = d.we_refuse("codepoint of an empty text") && d.code() == 0;
        let placed = d.only_peer_refuses("index 0, length 0") && d.sql.contains("codepoint(");
        (d.null_handling() && (refused || placed)) || (d.multi() && placed)
    }),
    ("a trim that folds", |d| {
        let with = "while invoking method: trim with arguments: [BOTH";
        d.only_peer_refuses(with) || d.both_refuse(with)
    }),
    ("CORR, which is no function", |d| {
        let other = d.code() != 0 && d.sql.contains("CORR(");
        let unknown = (d.code() == 0 && d.nothing_is_left() && d.we_refuse("(corr("))
            || (other && d.we_refuse("Aggregate functions can't co-exist"));
        d.both_refuse("Unsupported function: corr") || unknown
    }),
    ("BYTES that are no hexadecimal", |d| {
        d.both_refuse("is not Hex encoded")
    }),
    ("an array that LIKE tests beside another mistake", |d| {
        let test = [
            "like cannot be called with",
            "regexplike cannot be called with",
        ];
        d.code() != 0 && test.iter().any(|with| d.we_refuse(with))
    }),
    ("a choice between a number and a text", |d| {
        d.only_peer_refuses("Cannot infer return type for COALESCE")
    }),
    ("a literal that is no position", |d| {
        d.only_peer_refuses("Ordinal out of range")
    }),
    ("abs, sign and ceil of texts", |d| {
        let decimal = |ours: &str, theirs: &str| (ours, theirs) == ("DOUBLE", "BIG_DECIMAL");
        let cast = ["abs(", "sign(", "ceil("];
        let equal = |a: &Json, b: &Json| number(a).is_some() && number(a) == number(b);
        cast.iter().any(|call| d.sql.contains(call)) && d.agree(same, decimal, equal)
    }),
    ("a part of a time over no rows", |d| {
        let least = Json::from(i64::MIN);
        let none =
            |ours: &Json, theirs: &Json| ours == &Json::from(0) && theirs == &Json::from(i64::MIN);
        let answered = items(&d.case["expect"]["rows"]).any(|row| items(row).any(|c| c == &least));
        d.sql.contains("LASTWITHTIME(") && d.multi() && answered && d.cells_agree(none)
    }),
    ("COUNT of a function that fails", |d| {
        let vector = d.multi() && d.sql.contains("COUNT(cosineDistance(");
        let chosen = d.null_handling() && d.sql.contains("COUNT(CASE WHEN ");
        d.code() == 0
            && ((vector && d.we_refuse("Vector lengths do not match"))
                || (chosen && d.we_refuse("cannot convert value: `")))
    }),
    ("columns compared in FILTER beside another mistake", |d| {
        d.both_refuse("does not support column or function on the right-hand side")
    }),
    ("a FILTER of no condition", |d| {
        d.peer_refuses("FILTER clause must be a condition")
    }),
    ("a key that is null", |d| {
        d.only_peer_refuses("Illegal data type for no-dictionary key generator: UNKNOWN")
    }),
    ("an order by a key within a key", |d| {
        d.only_peer_refuses("Failed to find ORDER-BY expression: ")
    }),
    ("BYTES beside a number", |d| {
        d.both_refuse("GreaterThanScalarFunction.doubleGreaterThan")
    }),
    ("BIG_DECIMAL and texts in aggregations", |d| {
        d.both_refuse("for non-numeric type: BIG_DECIMAL")
            || d.both_refuse("for non-numeric type: STRING")
    }),
    ("a FLOAT as BIG_DECIMAL", |d| {
        let narrow = |cell: &Json| number(cell).map(|v| v as f32);
        let equal = |a: &Json, b: &Json| narrow(a).is_some() && narrow(a) == narrow(b);
        let readers = ["SUM(", "MIN(", "MAX(", "AVG(", "least(", "greatest("];
        let read = readers.iter().any(|call| d.sql.contains(call));
        read && d.sql.contains(" AS BIG_DECIMAL)") && d.cells_agree(equal)
    }),
    ("a literal on the side of a join that may be missing", |d| {
        let outer = [" RIGHT JOIN ", " FULL JOIN ", " LEFT JOIN "];
        // LIMIT cuts other rows then.
        let literals = ["(SELECT 1 AS k FROM ", "(SELECT 1000 AS k FROM "];
        let literal = literals.iter().any(|part| d.sql.contains(part)) && d.answered_alike();
        outer.iter().any(|join| d.sql.contains(join)) && (literal || d.same_rows_in_another_order())
    }),
    ("a folded literal beside an array", |d| {
        let array = d.sql.contains(" = roundDecimal(") || d.sql.contains(" mv_long = ");
        let none = d.ours.is_ok() && d.our_rows().is_empty();
        (array || none) && d.only_peer_refuses("Cannot convert value: '")
    }),
    ("groups of an array beside steps over it", |d| {
        d.only_peer_refuses("class [[I cannot be cast to class [I")
    }),
    ("DISTINCTCOUNTOFFHEAP above a subquery", |d| {
        let above = d.sql.contains(" FROM (SELECT ") && d.sql.contains("DISTINCTCOUNTOFFHEAP(");
        let above = above && !d.sql.contains(" GROUP BY ");
        d.multi() && above && d.code() == 1000 && d.only_peer_refuses("Received 1 error from stage")
    }),
    ("DISTINCTCOUNT of arrays above a subquery", |d| {
        let above = d.sql.contains(" FROM (SELECT ") && d.sql.contains("DISTINCTCOUNT(mv_");
        d.multi() && above && d.cells_agree(fewer)
    }),
    ("numbers that fold to a DOUBLE", |d| {
        let cast = "class java.lang.Double cannot be cast to class java.math.BigDecimal";
        d.multi() && d.only_peer_refuses(cast)
    }),
    ("a DOUBLE where the planner has an INT", |d| {
        let cast = "class java.lang.Double cannot be cast to class java.lang.Integer";
        d.multi() && d.only_peer_refuses(cast)
    }),
    ("DISTINCTCOUNTOFFHEAP beside another mistake", |d| {
        d.code() != 0 && d.we_refuse("DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by")
    }),
    ("a sum of DOUBLEs cut to a whole number", |d| {
        let cut = |ours: &Json, theirs: &Json| match (ours.as_i64(), theirs.as_i64()) {
            (Some(a), Some(b)) => a.abs_diff(b) <= 1,
            _ => false,
        };
        let sums = ["CAST(SUM(", "CAST(AVG("];
        sums.iter().any(|call| d.sql.contains(call)) && d.cells_agree(cut)
    }),
    ("types that no operator takes beside another mistake", |d| {
        let later = [
            "cannot convert value: `",
            "Multi-valued columns are not supported",
        ];
        d.multi() && d.both_refuse("Cannot apply '") && later.iter().any(|with| d.we_refuse(with))
    }),
    ("estimates that depend on the order of parts", |d| {
        let near = |ours: &Json, theirs: &Json| match (number(ours), number(theirs)) {
            (Some(a), Some(b)) => (a - b).abs() <= 0.02 * a.abs().max(b.abs()),
            _ => false,
        };
        let named = ["DISTINCTCOUNTCPCSKETCH(", "DISTINCTCOUNTTHETASKETCH("];
        named.iter().any(|call| d.sql.contains(call)) && d.cells_agree(near)
    }),
    ("the cosine of a huge number", |d| {
        let bounded = |cell: &Json| number(cell).is_some_and(|x| x.abs() <= 1.0);
        let huge = d.sql.contains("cos(") && d.sql.contains("sinh(");
        huge && d.cells_agree(|ours, theirs| bounded(ours) && bounded(theirs))
    }),
    ("a TIMESTAMP of dateTimeConvert among texts", |d| {
        let text = "class java.lang.String cannot be cast to class java.lang.Number";
        let timed = [":TIMESTAMP'", "'TIMESTAMP'"];
        let stage = d.code() == 1000 && timed.iter().any(|part| d.sql.contains(part));
        let refused = d.only_peer_refuses(text) || (stage && d.only_peer_refuses(""));
        d.sql.contains("dateTimeConvert(") && d.multi() && refused
    }),
    ("NOT of a test that every value passes", |d| {
        let tested = d.sql.split_once(" WHERE NOT (").map(|(_, test)| test);
        let simple = tested.is_some_and(|test| {
            let mut words = test.split(' ');
            words.next().is_some_and(|column| !column.contains('('))
                && matches!(words.next(), Some("<>" | "<" | ">" | "<=" | ">=" | "NOT"))
        });
        simple && !d.multi() && d.null_handling() && d.our_rows().is_empty() && d.code() == 0
    }),
    ("BYTES beside a text", |d| {
        let bytes = d.sql.contains("toAscii(") || d.sql.contains("bytes_col");
        let compared = d.code() == 0
            && (d.we_refuse("'<STRING>' and '<BYTES>'") || d.we_refuse("'<BYTES>' and '<STRING>'"));
        let refused = d.peer_refuses("InternalError: Error while planning query");
        d.multi() && bytes && (refused || compared)
    }),
    ("IN over BIG_DECIMAL above a subquery", |d| {
        let listed = d.sql.contains("big_col NOT IN (") || d.sql.contains("big_col IN (");
        let above = d.sql.contains(" FROM (SELECT * FROM ");
        listed && above && d.multi() && d.differs_by_one_row()
    }),
    ("a JSON value read as a text", |d| {
        let read = d.sql.contains("jsonExtractScalar(") && d.we_refuse("For input string: ");
        d.code() == 0 && read
    }),
    ("DISTINCT with a filtered aggregation", |d| {
        let filtered = d.sql.contains("SELECT DISTINCT ") && d.sql.contains(" FILTER (");
        d.code() == 0 && filtered && d.we_refuse("DISTINCT with aggregation")
    }),
    ("distinct values of a literal that is null", |d| {
        d.only_peer_refuses("Illegal data type for DISTINCT")
    }),
    ("AVG of what is never null to the planner", |d| {
        let none = |ours: &Json, theirs: &Json| number(ours) == Some(0.0) && theirs.is_null();
        d.sql.contains("AVG(") && d.multi() && d.null_handling() && d.cells_agree(none)
    }),
    ("a NaN within a frame", |d| {
        let framed =
            d.sql.contains(" OVER (") && (d.sql.contains("MIN(") || d.sql.contains("MAX("));
        framed && d.multi() && {
            let nan = |cell: &Json| cell.as_str() == Some("NaN");
            d.cells_agree(|ours, theirs| nan(ours) || nan(theirs))
        }
    }),
    ("the extreme of a literal's type", |d| {
        let extremes = d.sql.contains("MIN(") || d.sql.contains("MAX(");
        extremes
            && d.multi()
            && d.cells_agree(|ours, theirs| is_extreme(ours) && is_extreme(theirs))
    }),
    ("a range up to NaN", |d| {
        d.only_peer_refuses("Invalid range: ")
    }),
    ("a division of BIG_DECIMAL by zero", |d| {
        d.sql.contains(" / big_col") && d.only_peer_refuses("/ by zero")
    }),
    ("a function that no row is asked for", |d| {
        let none = items(&d.case["expect"]["rows"]).next().is_none();
        let unknown = d.only_peer_refuses("Invalid aggregation function name: ");
        let ours = unknown && d.our_rows().is_empty();
        ours || (none && d.code() == 0 && d.we_refuse("Unsupported function: "))
    }),
    ("a vector that is null", |d| {
        d.null_handling() && d.only_peer_refuses("Vector lengths do not match")
    }),
    ("a refused branch that no row takes", |d| {
        let refused = d.we_refuse(" cannot be called with a row's values of type: ");
        refused && d.code() == 0 && d.sql.contains("CASE ")
    }),
    ("infinity as a BIG_DECIMAL", |d| {
        d.code() == 0 && d.we_refuse("Infinity` to type: BIG_DECIMAL")
    }),
    ("a row that the rest of an OR takes", |d| {
        d.sql.contains(" OR ") && d.only_peer_refuses("index 0, length 0")
    }),
];

/// What we refuse while planning, and Pinot where the first row comes.
const REFUSED: &[&str] = &[
    "Cannot upcast from ",
    "Invalid literal: ",
    "Failed to find SELECT expression: ",
    "REGEXP_LIKE and LIKE expect text",
    "Cannot compute MAXSTRING for numeric column",
    "Cannot compute MINSTRING for numeric column",
    "Cannot convert value: '",
    "Cannot convert value from BYTES to DOUBLE",
    " for non-numeric type: BIG_DECIMAL",
    " for non-numeric type: UNKNOWN",
    "Illegal data type for DISTINCT_AGGREGATE aggregation function: BIG_DECIMAL",
    "DISTINCT_COUNT_OFF_HEAP cannot be applied to group-by queries",
    "Unsupported function: jsonmatch",
    "Cannot apply JSON_MATCH on column: ",
    "Multi-valued columns are not supported as a grouping key",
    "Unsupported function: ||",
    "is only supported in selection without alias",
    "Invalid aggregation function name: PERCENTILESMARTTDIGEST",
    "cannot convert value: `",
    "like cannot be called with a row's values of type: [STRING_ARRAY",
    "regexplike cannot be called with a row's values of type: [STRING_ARRAY",
];

/// The type of a choice over aggregations, which only Pinot's rows have.
fn of_choice(_: &str, theirs: &str) -> bool {
    theirs == "OBJECT"
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    let further = composed::RULES.iter().chain(orders::RULES);
    RULES.iter().chain(further)
}

/// The name of the rule that explains a difference.
pub(super) fn rule(case: &Json, ours: &Answer) -> Option<&'static str> {
    let sql = case["sql"].as_str().unwrap_or_default();
    let difference = Difference { sql, case, ours };
    let fits = rules().find(|(_, fits)| fits(&difference));
    fits.map(|(name, _)| *name)
}

#[test]
fn rules_are_documented() -> anyhow::Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let text = std::fs::read_to_string(path)?;
    for name in rules()
        .map(|(name, _)| name)
        .chain(UNASKED.iter().map(|(name, _)| name))
    {
        anyhow::ensure!(
            text.contains(&format!("| {name} |")),
            "`{name}` is not in docs/differences.md"
        );
    }
    Ok(())
}
