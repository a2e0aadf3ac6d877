//! Notation of Pinot's grammar that the grammar at hand does not have, and what it takes that Pinot's refuses.
//!
//! Must not know: tables. Invariant: text in quotes and comments stays.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::{checks, text};
use crate::error::MultiStageError;

/// Stands before the first bound of a BETWEEN whose bounds come in any order.
const SYMMETRIC: &str = "$symmetric$";

/// Words that name nothing unless they stand in quotes.
const RESERVED: [&str; 14] = [
    "SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "UNION", "JOIN", "ON", "WHEN", "THEN",
    "ELSE", "DISTINCT", "CASE",
];

/// The text in the notation of the grammar at hand.
///
/// # Errors
/// For what Pinot's grammar refuses.
pub(crate) fn read(sql: &str) -> Result<String, MultiStageError> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .with_unescape(false)
        .tokenize();
    let Ok(tokens) = tokens else {
        // The parser says where.
        return Ok(sql.to_owned());
    };
    let words: Vec<&Token> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let nameless = |token: &&Token| matches!(token, Token::Word(word) if word.value.is_empty());
    if words.iter().any(nameless) {
        return Err(checks::no_syntax("a name without characters"));
    }
    for pair in words.windows(2) {
        refuse(pair[0], pair[1])?;
    }
    if !words
        .iter()
        .any(|token| is(token, "SYMMETRIC") || is(token, "ASYMMETRIC"))
    {
        return Ok(sql.to_owned());
    }
    let mut out = String::with_capacity(sql.len());
    let mut after_between = false;
    for token in &tokens {
        match token {
            Token::Whitespace(_) => {}
            word if after_between && is(word, "ASYMMETRIC") => {
                after_between = false;
                continue;
            }
            word if after_between && is(word, "SYMMETRIC") => {
                out.push_str(&format!("'{SYMMETRIC}' ||"));
                after_between = false;
                continue;
            }
            word => after_between = is(word, "BETWEEN"),
        }
        out.push_str(&token.to_string());
    }
    Ok(out)
}

/// True for an unquoted word.
fn is(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn refuse(first: &Token, second: &Token) -> Result<(), MultiStageError> {
    let refused = match first {
        Token::Comma => is(second, "FROM"),
        first if is(first, "CASE") => is(second, "END"),
        first if is(first, "AS") => RESERVED.iter().any(|word| is(second, word)),
        _ => false,
    };
    if refused {
        return Err(checks::no_syntax(&format!("`{first} {second}`")));
    }
    Ok(())
}

/// Rewrites `IS [NOT] DISTINCT FROM` and a marked BETWEEN.
pub(super) fn rewrite(expr: &mut Expr) {
    if !matches!(
        expr,
        Expr::Between { .. } | Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..)
    ) {
        return;
    }
    let taken = std::mem::replace(expr, Expr::Value(Value::Null.with_empty_span()));
    *expr = match taken {
        Expr::IsNotDistinctFrom(left, right) => bound(*right, |right| same(left, right)),
        Expr::IsDistinctFrom(left, right) => bound(*right, |right| not(same(left, right))),
        Expr::Between {
            expr,
            negated,
            mut low,
            high,
        } => {
            let between = |low: Box<Expr>, high: Box<Expr>| Expr::Between {
                expr: expr.clone(),
                negated: false,
                low,
                high,
            };
            if take_mark(&mut low) {
                let either = Expr::BinaryOp {
                    left: Box::new(between(low.clone(), high.clone())),
                    op: BinaryOperator::Or,
                    right: Box::new(between(high, low)),
                };
                if negated { not(either) } else { either }
            } else {
                Expr::Between {
                    expr,
                    negated,
                    low,
                    high,
                }
            }
        }
        other => other,
    };
}

/// The grammar hands over `b AND c` as the right side of `a IS DISTINCT FROM b AND c`, although AND and OR bind weaker.
fn bound(right: Expr, test: impl FnOnce(Box<Expr>) -> Expr) -> Expr {
    match right {
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::And | BinaryOperator::Or),
            right,
        } => Expr::BinaryOp {
            left: Box::new(bound(*left, test)),
            op,
            right,
        },
        right => test(Box::new(right)),
    }
}

fn same(left: Box<Expr>, right: Box<Expr>) -> Expr {
    Expr::BinaryOp {
        left,
        op: BinaryOperator::Spaceship,
        right,
    }
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}

/// Takes the mark out of a first bound; false where there is none.
fn take_mark(bound: &mut Expr) -> bool {
    let Expr::BinaryOp { left, op, right } = bound else {
        return false;
    };
    if *op == BinaryOperator::StringConcat && **left == text(SYMMETRIC) {
        let rest = right.as_ref().clone();
        *bound = rest;
        return true;
    }
    take_mark(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_grammar_at_hand_does_not_have() {
        let cases = [
            ("SELECT 'a''b' FROM t", "SELECT 'a''b' FROM t"),
            ("x between asymmetric 1 AND 2", "x between  1 AND 2"),
            (
                "x BETWEEN SYMMETRIC 1 AND 'it''s SYMMETRIC'",
                "x BETWEEN '$symmetric$' || 1 AND 'it''s SYMMETRIC'",
            ),
        ];
        for (sql, expected) in cases {
            assert_eq!(read(sql).unwrap(), expected);
        }
        for refused in [
            "SELECT a, FROM t",
            "SELECT COUNT(*) FROM \"\" ",
            "SELECT CASE END FROM t",
            "SELECT a AS select FROM t",
        ] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
