//! Words that Pinot's grammar keeps for itself and the grammar at hand does not.
//!
//! Must not know: what the words mean. Invariant: a word in quotes is always free.

use sqlparser::ast::Ident;

use crate::SqlError;

/// In order.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "ANY", "ASOF", "CALL", "CASE", "CREATE", "CROSS", "CURRENT", "CURSOR", "DATE", "DEFAULT", "DEFINE", "DELETE", "DESCRIBE",
    "DISTINCT", "DOT", "DROP", "EXCEPT", "EXPLAIN", "FETCH", "FRIDAY", "FROM", "FULL", "GRANT", "GROUP", "GROUPING", "HAVING",
    "IN", "INNER", "INSERT", "INTERSECT", "INTERVAL", "INTO", "JOIN", "LATERAL", "LEFT", "LIMIT", "MATCH_CONDITION",
    "MATCH_RECOGNIZE", "MEASURE", "MERGE", "MINUS", "MONDAY", "MORE", "NATURAL", "NEW", "NEXT", "NULL", "OFFSET", "ON",
    "ORDER", "ORDINAL", "OUTER", "OVER", "PARTITION", "PATTERN", "QUALIFY", "RANGE", "RIGHT", "ROLLUP", "ROW", "ROWS",
    "SAFE_CAST", "SAFE_OFFSET", "SAFE_ORDINAL", "SATURDAY", "SELECT", "SET", "SKIP", "SOME", "STREAM", "SUNDAY", "TABLE",
    "TABLESAMPLE", "THEN", "THURSDAY", "TIME", "TIMESTAMP", "TRY_CAST", "TUESDAY", "UNION", "UNNEST", "UPDATE", "USING",
    "VALUES", "WEDNESDAY", "WHEN", "WHERE", "WINDOW", "WITH",
];

/// An error of the grammar.
pub(super) fn encountered(what: &str) -> SqlError {
    SqlError::Parse(format!(
        "Caught exception while parsing query: Encountered {what}"
    ))
}

/// The name that an identifier is, unless it is a reserved word without quotes.
pub(super) fn free(ident: &Ident) -> Result<String, SqlError> {
    if ident.quote_style == Some('`') {
        return Err(encountered(
            "a back quote: names are quoted by double quotes",
        ));
    }
    if ident.quote_style.is_none() && is_reserved(&ident.value) {
        return Err(encountered(&format!(
            "`{}`, a reserved word: expected it in double quotes",
            ident.value
        )));
    }
    Ok(ident.value.clone())
}

/// True for a word that names nothing unless it is in double quotes.
#[must_use]
pub fn is_reserved(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    RESERVED.binary_search(&upper.as_str()).is_ok()
}

/// True for the functions whose call ends with a bare unit, as the grammar has it.
pub(super) fn ends_with_unit(written: &[String]) -> bool {
    let [name] = written else { return false };
    ["date_diff", "datetime_diff", "time_diff", "timestamp_diff"]
        .iter()
        .any(|function| name.eq_ignore_ascii_case(function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_need_quotes() {
        assert!(RESERVED.is_sorted());
        assert!(free(&Ident::new("timestamp")).is_err());
        assert!(free(&Ident::with_quote('"', "timestamp")).is_ok());
        assert!(free(&Ident::new("year")).is_ok());
        assert!(free(&Ident::with_quote('`', "year")).is_err());
    }
}
