//! Expressions: columns, literals and calls. Operators are calls under the names that Pinot gives them.
//!
//! Must not know: types of columns. Invariant: a function's name is canonical (lower case, no underscores) unless it
//! stands for an operator, whose names keep their underscores (`less_than`).

use common::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column, as written until it is resolved.
    Column(String),
    /// A constant.
    Literal(Value),
    /// A function or operator.
    Call(Call),
    /// `*`, as an argument of COUNT or alone in SELECT.
    Star,
}

/// A function or operator with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Name; see the module's head.
    pub name: String,
    /// Arguments.
    pub args: Vec<Expr>,
}

/// The call that stands for `agg(..) FILTER (WHERE cond)`; its arguments are the aggregation and the condition.
pub const FILTERED: &str = "filter";

impl Expr {
    /// A call.
    pub fn call(name: impl Into<String>, args: Vec<Self>) -> Self {
        Self::Call(Call {
            name: name.into(),
            args,
        })
    }

    /// A text literal.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Literal(Value::String(text.into()))
    }

    /// The literal's value.
    #[must_use]
    pub fn as_literal(&self) -> Option<&Value> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// Calls `f` on this expression and everything below it, parents first.
    pub fn visit<'a>(&'a self, f: &mut impl FnMut(&'a Self)) {
        f(self);
        if let Self::Call(call) = self {
            call.args.iter().for_each(|arg| arg.visit(f));
        }
    }

    /// Replaces parts, children first.
    #[must_use]
    pub fn rewrite(self, f: &mut impl FnMut(Self) -> Self) -> Self {
        let inner = match self {
            Self::Call(Call { name, args }) => Self::Call(Call {
                name,
                args: args.into_iter().map(|arg| arg.rewrite(f)).collect(),
            }),
            other => other,
        };
        f(inner)
    }

    /// Replaces parts, children first; stops at the first error.
    ///
    /// # Errors
    /// What `f` gives.
    pub fn try_rewrite<E>(self, f: &mut impl FnMut(Self) -> Result<Self, E>) -> Result<Self, E> {
        let inner = match self {
            Self::Call(Call { name, args }) => {
                let args = args
                    .into_iter()
                    .map(|arg| arg.try_rewrite(f))
                    .collect::<Result<_, E>>()?;
                Self::Call(Call { name, args })
            }
            other => other,
        };
        f(inner)
    }

    /// True where the expression is an aggregation or a filtered one.
    #[must_use]
    pub fn is_aggregation(&self) -> bool {
        match self {
            Self::Call(call) if call.name == FILTERED => {
                call.args.first().is_some_and(Self::is_aggregation)
            }
            Self::Call(call) => functions::aggregate::find(&call.name).is_some(),
            _ => false,
        }
    }

    /// True where an aggregation is anywhere in it.
    #[must_use]
    pub fn has_aggregation(&self) -> bool {
        let mut found = false;
        self.visit(&mut |e| found |= e.is_aggregation());
        found
    }

    /// The columns in it, in order of appearance, with repetitions.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.visit(&mut |e| {
            if let Self::Column(name) = e {
                out.push(name.as_str());
            }
        });
        out
    }
}
