//! Conditions that compare NULL: no row meets them, and none their negation.
//!
//! Must not know: columns, rows. Invariant: a condition that compares no NULL stays as it is written.

use crate::filter::Test;
use crate::{Expr, Filter};

/// A condition in which comparisons of NULL are decided, in SQL's logic of three values.
pub(super) fn decided(filter: Filter) -> Filter {
    let mut found = false;
    filter.visit(&mut |expr, test| found |= is_unknown(expr, test));
    match found {
        true => under(filter, false),
        false => filter,
    }
}

/// A condition or its negation. What is unknown is neither true nor false, so that negations go down to what they negate.
fn under(filter: Filter, negated: bool) -> Filter {
    let all = |children: Vec<Filter>, negated| {
        let children = children.into_iter();
        children.map(|child| under(child, negated)).collect()
    };
    match (filter, negated) {
        (Filter::And(children), false) => Filter::and(all(children, false)),
        (Filter::And(children), true) => Filter::or(all(children, true)),
        (Filter::Or(children), false) => Filter::or(all(children, false)),
        (Filter::Or(children), true) => Filter::and(all(children, true)),
        (Filter::Not(child), negated) => under(*child, !negated),
        (Filter::Predicate(expr, test), _) if is_unknown(&expr, &test) => Filter::Constant(false),
        (other, false) => other,
        (other, true) => other.negated(),
    }
}

/// True for a comparison of NULL; tests for NULL are none.
fn is_unknown(expr: &Expr, test: &Test) -> bool {
    let null = expr.as_literal().is_some_and(common::Value::is_null);
    null && !matches!(test, Test::IsNull | Test::IsNotNull)
}

#[cfg(test)]
mod tests {
    use common::Value;

    use super::*;

    fn compared(value: Value) -> Filter {
        Filter::Predicate(Expr::Literal(value), Test::NotEq(Value::Int(10)))
    }

    fn of_rows() -> Filter {
        Filter::Predicate(Expr::Column("q".into()), Test::Eq(Value::Int(1)))
    }

    #[test]
    fn neither_a_comparison_of_null_nor_its_negation_holds() {
        let null = compared(Value::Null);
        assert_eq!(decided(null.clone()), Filter::Constant(false));
        assert_eq!(decided(null.negated()), Filter::Constant(false));
    }

    #[test]
    fn the_negation_of_a_conjunction_is_what_its_other_part_says() {
        let both = Filter::And(vec![compared(Value::Null), of_rows()]);
        assert_eq!(decided(both.clone()), Filter::Constant(false));
        assert_eq!(decided(both.negated()), of_rows().negated());
    }

    #[test]
    fn tests_for_null_and_conditions_without_it_stay() {
        let test = Filter::Predicate(Expr::Literal(Value::Null), Test::IsNull);
        assert_eq!(decided(test.clone()), test);
        let negated = Filter::And(vec![of_rows(), compared(Value::Int(1))]).negated();
        assert_eq!(decided(negated.clone()), negated);
    }
}
