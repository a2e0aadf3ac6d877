//! What a written query may name, and queries that grow part by part.
//!
//! Must not know: shapes of queries. Invariant: a template is filled with what its scope names, and nothing else.

use super::super::node::{Kind, Node};
use super::super::vocabulary::TABLES;
use super::Writer;
use super::words::EXPRESSIONS;

/// A column with literals that it may be compared with.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) kind: Kind,
    literals: &'static [&'static str],
}

impl Named {
    pub(super) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            literals: match kind {
                Kind::Text => &["'SP'", "'Moda'", "'app'", "''"],
                Kind::Whole => &["1", "7", "40", "0"],
                Kind::Time => &["1750000000000", "1764547200000"],
                _ => &["0", "2.5", "100", "1000"],
            },
        }
    }
}

/// The columns that expressions may read, and those that tell rows apart.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) columns: Vec<Named>,
    pub(super) unique: Vec<String>,
}

impl Scope {
    /// The columns of a table behind a prefix.
    pub(super) fn of_table(table: &str, prefix: &str) -> Self {
        let Some(found) = TABLES.iter().find(|other| other.name == table) else {
            return Self::default();
        };
        let single = found.columns.iter().filter(|c| c.kind != Kind::Numbers);
        Self {
            columns: single
                .map(|column| Named {
                    name: format!("{prefix}{}", column.name),
                    kind: column.kind,
                    literals: column.literals,
                })
                .collect(),
            unique: vec![format!("{prefix}{}", found.key)],
        }
    }

    /// The name before the dot of the first column.
    pub(super) fn alias(&self) -> &str {
        let first = self.columns.first().map_or("", |column| &column.name);
        first.split('.').next().unwrap_or_default()
    }

    /// True where columns have names without a dot, which `*` keeps.
    pub(super) fn is_plain(&self) -> bool {
        self.columns.iter().all(|column| !column.name.contains('.')) && !self.unique.is_empty()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.columns.extend(other.columns);
        self.unique.extend(other.unique);
    }

    pub(super) fn unique_or(&self, otherwise: &str) -> String {
        match self.unique.is_empty() {
            true => otherwise.to_owned(),
            false => self.unique.join(", "),
        }
    }
}

/// A query and what it names.
pub(super) struct Selected {
    pub(super) node: Node,
    pub(super) scope: Scope,
}

impl Selected {
    pub(super) fn new(built: Built, scope: Scope) -> Self {
        Self {
            node: built.finished(Kind::Statement),
            scope,
        }
    }
}

/// A text that grows, with nodes in it.
#[derive(Default)]
pub(super) struct Built {
    text: String,
    children: Vec<Node>,
}

impl Built {
    pub(super) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            children: Vec::new(),
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.text += text;
    }

    pub(super) fn node(&mut self, node: Node) {
        self.text += "{}";
        self.children.push(node);
    }

    /// An item of a list under a name; the number of its node.
    pub(super) fn named(&mut self, node: Node, name: &str, further: bool) -> usize {
        self.text += if further { ", " } else { "" };
        self.node(node);
        self.text += &format!(" AS {name}");
        self.children.len() - 1
    }

    pub(super) fn finished(self, kind: Kind) -> Node {
        Node {
            kind,
            text: self.text,
            children: self.children,
        }
    }
}

/// A part that a query may do without.
pub(super) fn optional(text: &str, node: Node) -> Node {
    Node {
        kind: Kind::Optional,
        text: text.to_owned(),
        children: vec![node],
    }
}

impl Writer {
    pub(super) fn column(&mut self, scope: &Scope, kind: Kind) -> Node {
        let fits = |k: Kind| k == kind || (kind == Kind::Number && k == Kind::Whole);
        let found: Vec<&str> = scope
            .columns
            .iter()
            .filter(|column| fits(column.kind))
            .map(|column| column.name.as_str())
            .collect();
        if !found.is_empty() {
            let at = self.random.below(found.len() as u64) as usize;
            return Node::leaf(kind, found[at]);
        }
        Node::leaf(
            kind,
            match kind {
                Kind::Text => "'SP'",
                Kind::Time => "1750000000000",
                Kind::Condition => "1 = 1",
                _ => "7",
            },
        )
    }

    pub(super) fn expression(&mut self, scope: &Scope, kind: Kind, depth: u64) -> Node {
        if depth == 0 || self.random.below(3) == 0 {
            return match (kind, self.random.below(8)) {
                (Kind::Condition, _) => self.test(scope),
                (Kind::Number, 0) => {
                    let number = self.random.pick(&["1", "0.5", "100", "2.25", "1000"]);
                    Node::leaf(kind, number)
                }
                (Kind::Whole, 0) => {
                    let number = self.random.pick(&["1", "7", "2", "30"]);
                    Node::leaf(kind, number)
                }
                _ => self.column(scope, kind),
            };
        }
        let fits = |k: Kind| k == kind || (kind == Kind::Number && k == Kind::Whole);
        let fitting = EXPRESSIONS.iter().filter(|(found, _)| fits(*found));
        let templates: Vec<&'static str> = fitting.map(|(_, text)| *text).collect();
        let template = self.random.pick(&templates);
        self.filled(scope, kind, template, depth - 1)
    }

    /// A template with its places filled.
    pub(super) fn filled(&mut self, scope: &Scope, kind: Kind, template: &str, depth: u64) -> Node {
        let (mut built, mut rest) = (Built::default(), template);
        // A part of a larger expression keeps its bounds.
        let spaced = template.starts_with('{') && kind != Kind::Aggregate;
        built.text(if spaced { "(" } else { "" });
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            built.text(before);
            rest = after;
            let wanted = match place {
                "n" => Kind::Number,
                "i" => Kind::Whole,
                "t" => Kind::Text,
                "d" => Kind::Time,
                _ => Kind::Condition,
            };
            built.node(self.expression(scope, wanted, depth));
        }
        built.text(rest);
        built.text(if spaced { ")" } else { "" });
        built.finished(kind)
    }

    /// A test of a column against literals of its own.
    fn test(&mut self, scope: &Scope) -> Node {
        if scope.columns.is_empty() {
            return Node::leaf(Kind::Condition, "1 = 1");
        }
        let at = self.random.below(scope.columns.len() as u64) as usize;
        let column = &scope.columns[at];
        let (name, a) = (&column.name, self.random.pick(column.literals));
        let b = self.random.pick(column.literals);
        let text = match self.random.below(9) {
            0 | 1 => format!("{name} = {a}"),
            2 => format!("{name} <> {a}"),
            3 => format!("{name} < {a}"),
            4 => format!("{name} >= {a}"),
            5 => format!("{name} BETWEEN {a} AND {b}"),
            6 => format!("{name} IN ({a}, {b})"),
            7 => format!("{name} NOT IN ({a}, {b})"),
            _ => format!("{name} IS NOT NULL"),
        };
        Node::leaf(Kind::Condition, text)
    }
}
