//! Expressions of random queries as trees of text, so that a failing one can be made smaller.
//!
//! Must not know: what an expression answers. Invariant: what `shrunk` lists is strictly smaller and of the same kind.

/// What an expression is, as far as it may stand for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Whole,
    Text,
    Time,
    Condition,
    Numbers,
    Texts,
    Json,
    Bytes,
    Aggregate,
    Statement,
    /// What rows are read from.
    Source,
    /// What nothing else stands for.
    Unique,
    /// What a statement may do without.
    Optional,
}

/// A text with a `{}` for every child, and `{=N}` where the child of that number stands once more.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn leaf(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            children: Vec::new(),
        }
    }

    pub(super) fn sql(&self) -> String {
        let (mut out, mut next, mut rest) = (String::new(), 0, self.text.as_str());
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let again = after.strip_prefix('=').and_then(|a| a.split_once('}'));
            let (child, left) = match (after.strip_prefix('}'), again) {
                (Some(left), _) => {
                    next += 1;
                    (Some(next - 1), left)
                }
                (None, Some((number, left))) => (number.parse().ok(), left),
                _ => (None, after),
            };
            match child.and_then(|at: usize| self.children.get(at)) {
                Some(child) => out.push_str(&child.sql()),
                None => out.push('{'),
            }
            rest = left;
        }
        out + rest
    }

    /// Smaller expressions of the same kind: a part instead of the whole, or the whole with a smaller part.
    pub(super) fn shrunk(&self) -> Vec<Self> {
        let same = |child: &&Self| {
            child.kind == self.kind || (self.kind == Kind::Number && child.kind == Kind::Whole)
        };
        let mut out: Vec<Self> = self.children.iter().filter(same).cloned().collect();
        if self.kind == Kind::Optional && !self.text.is_empty() {
            out.push(Self::leaf(self.kind, ""));
        }
        for (index, child) in self.children.iter().enumerate() {
            for smaller in child.shrunk() {
                let mut copy = self.clone();
                copy.children[index] = smaller;
                out.push(copy);
            }
        }
        out
    }
}

#[test]
fn parts_of_the_same_kind_are_smaller() {
    let whole = Node {
        kind: Kind::Number,
        text: "abs({} + {})".to_owned(),
        children: vec![
            Node::leaf(Kind::Whole, "1"),
            Node {
                kind: Kind::Number,
                text: "ln({})".to_owned(),
                children: vec![Node::leaf(Kind::Number, "x")],
            },
        ],
    };
    assert_eq!(whole.sql(), "abs(1 + ln(x))");
    let twice = Node {
        text: "{} / {=0} || '{\"a\":1}' || {}".to_owned(),
        ..whole.clone()
    };
    assert_eq!(twice.sql(), "1 / 1 || '{\"a\":1}' || ln(x)");
    let smaller: Vec<String> = whole.shrunk().iter().map(Node::sql).collect();
    assert_eq!(smaller, ["1", "ln(x)", "abs(1 + x)"]);
}
