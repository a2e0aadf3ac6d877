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
    Aggregate,
}

/// A text with a `{}` for every child.
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
        let mut pieces = self.text.split("{}");
        let mut out = pieces.next().unwrap_or_default().to_owned();
        for (piece, child) in pieces.zip(&self.children) {
            out.push_str(&child.sql());
            out.push_str(piece);
        }
        out
    }

    /// Smaller expressions of the same kind: a part instead of the whole, or the whole with a smaller part.
    pub(super) fn shrunk(&self) -> Vec<Self> {
        let same = |child: &&Self| {
            child.kind == self.kind || (self.kind == Kind::Number && child.kind == Kind::Whole)
        };
        let mut out: Vec<Self> = self.children.iter().filter(same).cloned().collect();
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
    let smaller: Vec<String> = whole.shrunk().iter().map(Node::sql).collect();
    assert_eq!(smaller, ["1", "ln(x)", "abs(1 + x)"]);
}
