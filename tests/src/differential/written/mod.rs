//! Random queries as users write them: top-n by group, pivots by CASE, joins, subqueries, WITH, unions and windows.
//!
//! Must not know: what a query answers. Invariant: equal seeds make equal queries, every query orders its rows wholly, and what
//! `Node::shrunk` leaves out of one leaves a query.

mod scope;
mod words;

use std::collections::BTreeSet;

use super::Random;
use super::node::{Kind, Node};
use scope::{Built, Named, Scope, Selected, optional};
use words::{AGGREGATES, JOINS, NUMBER_ORDERS, SOURCES, Source, TEXT_ORDERS, WINDOWS};

/// A query with the tables that it reads.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) tables: BTreeSet<&'static str>,
    node: Node,
}

impl Written {
    /// The query of a seed, for one engine or the other: the single-stage one knows one table.
    pub(super) fn new(seed: u64, multi: bool) -> Self {
        let mut writer = Writer {
            random: Random(seed),
            tables: BTreeSet::new(),
            common: Vec::new(),
            names: 0,
            multi,
        };
        let node = writer.statement();
        Self {
            tables: writer.tables,
            node,
        }
    }

    pub(super) fn sql(&self) -> String {
        self.node.sql()
    }

    /// Queries that ask a little less.
    pub(super) fn shrunk(&self) -> Vec<Self> {
        let smaller = self.node.shrunk().into_iter();
        let tables = &self.tables;
        smaller
            .map(|node| Self {
                tables: tables.clone(),
                node,
            })
            .collect()
    }
}

/// Makes the query of one seed.
struct Writer {
    random: Random,
    tables: BTreeSet<&'static str>,
    /// What WITH names, in its order.
    common: Vec<(String, Node)>,
    /// Names that were given.
    names: u64,
    multi: bool,
}

fn ordered_by(keys: &[String]) -> String {
    match keys {
        [] => String::new(),
        _ => format!(" ORDER BY {}", keys.join(", ")),
    }
}

impl Writer {
    fn chance(&mut self, of: u64) -> bool {
        self.random.below(of) == 0
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn statement(&mut self) -> Node {
        let selected = self.selected(2);
        let mut built = Built::default();
        for (at, (name, query)) in std::mem::take(&mut self.common).into_iter().enumerate() {
            built.text(if at == 0 { "WITH " } else { ", " });
            built.text(&format!("{name} AS ("));
            built.node(query);
            built.text(") ");
        }
        let mut order = self.order(&selected);
        let limit = self.random.pick(&[5, 20, 100, 1000]);
        if self.multi && !order.is_empty() && self.chance(6) {
            order.splice(0..0, self.computed_order(&selected));
        }
        built.node(selected.node);
        built.text(&ordered_by(&order));
        built.text(&format!(" LIMIT {limit}"));
        built.finished(Kind::Statement)
    }

    /// What tells all rows' order.
    fn order(&mut self, selected: &Selected) -> Vec<String> {
        let unique = &selected.scope.unique;
        let mut first = Vec::new();
        if self.chance(3) && !selected.scope.columns.is_empty() {
            let at = self.random.below(selected.scope.columns.len() as u64) as usize;
            let name = &selected.scope.columns[at].name;
            let direction = self.random.pick(&["", " DESC", " ASC", " DESC NULLS LAST"]);
            first.push(format!("{name}{direction}"));
        }
        first.extend(unique.iter().cloned());
        first
    }

    /// An expression over a column that is selected, for ORDER BY.
    fn computed_order(&mut self, selected: &Selected) -> Option<String> {
        let columns = &selected.scope.columns;
        let at = self.random.below(columns.len() as u64) as usize;
        let column = columns.get(at)?;
        let templates = match column.kind {
            Kind::Text => TEXT_ORDERS,
            Kind::Whole | Kind::Number => NUMBER_ORDERS,
            _ => return None,
        };
        Some(self.random.pick(templates).replace("{}", &column.name))
    }

    /// A query whose rows have names; it has no order of its own.
    fn selected(&mut self, depth: u64) -> Selected {
        if !self.multi {
            return match self.random.below(4) {
                0 => self.rows(depth),
                1 => self.distinct(depth),
                _ => self.grouped(depth),
            };
        }
        match self.random.below(10) {
            0..=3 => self.grouped(depth),
            4 | 5 => self.rows(depth),
            6 | 7 => self.over_windows(depth),
            8 => self.distinct(depth),
            _ => self.union(depth),
        }
    }

    fn grouped(&mut self, depth: u64) -> Selected {
        let (from, inner) = self.from(depth);
        let count = self.random.pick(&[0, 1, 1, 1, 2, 2]);
        let (mut built, mut scope) = (Built::of("SELECT "), Scope::default());
        let mut groups = Vec::new();
        for at in 0..count {
            let kind = self
                .random
                .pick(&[Kind::Text, Kind::Text, Kind::Whole, Kind::Time]);
            let key = match self.chance(3) {
                true => self.expression(&inner, kind, 2),
                false => self.column(&inner, kind),
            };
            let name = self.name("g");
            let number = built.named(key, &name, at > 0);
            groups.push(match self.random.below(4) {
                0 if self.multi => name.clone(),
                1 => (at + 1).to_string(),
                _ => format!("{{={number}}}"),
            });
            scope.columns.push(Named::new(&name, kind));
            scope.unique.push(name);
        }
        for at in 0..1 + self.random.below(3) {
            let (kind, template) = self.random.pick(AGGREGATES);
            let node = self.filled(&inner, Kind::Aggregate, template, 2);
            let name = self.name("m");
            match at {
                0 => drop(built.named(node, &name, count > 0)),
                _ => built.node(optional(&format!(", {{}} AS {name}"), node)),
            }
            scope.columns.push(Named::new(&name, kind));
        }
        built.text(" FROM ");
        built.node(from);
        self.condition(&mut built, &inner, depth);
        if count > 0 {
            built.text(&format!(" GROUP BY {}", groups.join(", ")));
            if self.chance(4) {
                let (_, template) = self.random.pick(AGGREGATES);
                let node = self.filled(&inner, Kind::Aggregate, template, 1);
                let test =
                    self.random
                        .pick(&["> 1", ">= 10", "< 1000", "<> 0", "BETWEEN 2 AND 500"]);
                built.node(optional(&format!(" HAVING {{}} {test}"), node));
            }
        }
        Selected::new(built, scope)
    }

    fn rows(&mut self, depth: u64) -> Selected {
        let (from, inner) = self.from(depth);
        let (mut built, mut scope) = (Built::of("SELECT "), Scope::default());
        let starred = self.multi && inner.is_plain() && self.chance(4);
        match starred {
            true => {
                built.text("*");
                scope = inner.clone();
            }
            false => self.keys(&inner, &mut built, &mut scope),
        }
        for _ in 0..1 + self.random.below(3) {
            let kind = self.kind();
            let node = self.expression(&inner, kind, 3);
            let name = self.name("e");
            built.node(optional(&format!(", {{}} AS {name}"), node));
            // In the single-stage engine nothing is ordered by a literal.
            if self.multi {
                scope.columns.push(Named::new(&name, kind));
            }
        }
        built.text(" FROM ");
        built.node(from);
        self.condition(&mut built, &inner, depth);
        Selected::new(built, scope)
    }

    /// The columns that tell rows apart, under names of their own.
    fn keys(&mut self, inner: &Scope, built: &mut Built, scope: &mut Scope) {
        for (at, unique) in inner.unique.iter().enumerate() {
            let name = self.name("k");
            built.named(Node::leaf(Kind::Unique, unique), &name, at > 0);
            scope.unique.push(name);
        }
        if inner.unique.is_empty() {
            let name = self.name("k");
            built.named(Node::leaf(Kind::Whole, "1"), &name, false);
        }
    }

    fn distinct(&mut self, depth: u64) -> Selected {
        let (from, inner) = self.from(depth);
        let (mut built, mut scope) = (Built::of("SELECT DISTINCT "), Scope::default());
        for at in 0..1 + self.random.below(2) {
            let kind = self.random.pick(&[Kind::Text, Kind::Whole]);
            let node = match self.chance(2) {
                true => self.expression(&inner, kind, 2),
                false => self.column(&inner, kind),
            };
            let name = self.name("g");
            built.named(node, &name, at > 0);
            scope.columns.push(Named::new(&name, kind));
            scope.unique.push(name);
        }
        built.text(" FROM ");
        built.node(from);
        self.condition(&mut built, &inner, depth);
        Selected::new(built, scope)
    }

    /// Windows over rows, half of the time within a query that reads what they answer.
    fn over_windows(&mut self, depth: u64) -> Selected {
        let (from, inner) = self.from(depth);
        let (mut built, mut scope) = (Built::of("SELECT "), Scope::default());
        self.keys(&inner, &mut built, &mut scope);
        let kind = self.kind();
        let node = self.expression(&inner, kind, 2);
        let name = self.name("e");
        built.node(optional(&format!(", {{}} AS {name}"), node));
        scope.columns.push(Named::new(&name, kind));
        let mut last = String::new();
        for _ in 0..1 + self.random.below(2) {
            let (kind, template) = self.random.pick(WINDOWS);
            let template = template.replace("{unique}", &inner.unique_or("1"));
            let node = self.filled(&inner, Kind::Aggregate, &template, 1);
            last = self.name("w");
            built.node(optional(&format!(", {{}} AS {last}"), node));
            scope.columns.push(Named::new(&last, kind));
        }
        built.text(" FROM ");
        built.node(from);
        self.condition(&mut built, &inner, depth);
        if self.chance(2) {
            return Selected::new(built, scope);
        }
        let alias = self.name("s");
        let test = self
            .random
            .pick(&["<= 3", "= 1", "> 2", "IS NOT NULL", "BETWEEN 1 AND 40"]);
        let mut outer = Built::of("SELECT * FROM (");
        outer.node(built.finished(Kind::Statement));
        outer.text(&format!(") {alias} WHERE {last} {test}"));
        Selected::new(outer, scope)
    }

    /// Rows of two tables, one after the other.
    fn union(&mut self, depth: u64) -> Selected {
        let kinds = [self.kind(), self.kind()];
        let names = ["u", "u", "u", "u"].map(|prefix| self.name(prefix));
        let (mut built, mut scope) = (Built::default(), Scope::default());
        for (at, side) in ["'a'", "'b'"].into_iter().enumerate() {
            let source = self.random.pick(&[0, 1, 2]);
            let (from, inner) = self.table(&SOURCES[source]);
            built.text(match at {
                0 => "SELECT ",
                _ => " UNION ALL SELECT ",
            });
            let key = Node::leaf(Kind::Text, format!("CAST({} AS VARCHAR)", inner.unique[0]));
            built.named(Node::leaf(Kind::Unique, side), &names[0], false);
            built.named(key, &names[1], true);
            for (kind, name) in kinds.into_iter().zip(&names[2..]) {
                let node = self.expression(&inner, kind, 2);
                built.named(node, name, true);
            }
            built.text(" FROM ");
            built.node(from);
            self.condition(&mut built, &inner, depth);
        }
        scope.unique.extend(names[..2].iter().cloned());
        scope.columns.push(Named::new(&names[0], Kind::Text));
        for (kind, name) in kinds.into_iter().zip(&names[2..]) {
            scope.columns.push(Named::new(name, kind));
        }
        let alias = self.name("s");
        let mut outer = Built::of("SELECT * FROM (");
        outer.node(built.finished(Kind::Statement));
        outer.text(&format!(") {alias}"));
        Selected::new(outer, scope)
    }

    /// What rows are read from.
    fn from(&mut self, depth: u64) -> (Node, Scope) {
        let source = self.random.pick(&[0, 0, 1, 2, 3]);
        if !self.multi {
            return self.table(&SOURCES[source]);
        }
        match self.random.below(if depth == 0 { 5 } else { 10 }) {
            0 | 1 => self.table(&SOURCES[source]),
            2..=4 => self.joined(),
            5 | 6 => self.derived(depth - 1),
            7 => self.joined_with_totals(),
            8 => self.with(depth - 1),
            _ => self.top(depth - 1),
        }
    }

    fn table(&mut self, source: &Source) -> (Node, Scope) {
        self.tables.insert(source.table);
        if !self.multi {
            let scope = Scope::of_table(source.table, "");
            return (Node::leaf(Kind::Source, source.table), scope);
        }
        let alias = self.name(&source.table[..1]);
        let scope = Scope::of_table(source.table, &format!("{alias}."));
        (
            Node::leaf(Kind::Source, format!("{} {alias}", source.table)),
            scope,
        )
    }

    /// Two or three tables that share a person.
    fn joined(&mut self) -> (Node, Scope) {
        let count = self.random.pick(&[2, 2, 2, 3]);
        let mut picked: Vec<&Source> = Vec::new();
        while picked.len() < count {
            let at = self.random.below(SOURCES.len() as u64) as usize;
            if picked.iter().all(|other| other.table != SOURCES[at].table) {
                picked.push(&SOURCES[at]);
            }
        }
        let (first, mut scope) = self.table(picked[0]);
        let person = format!("{}.{}", scope.alias(), picked[0].person);
        let mut built = Built::default();
        built.node(first);
        for source in &picked[1..] {
            let (node, own) = self.table(source);
            let key = format!("{}.{}", own.alias(), source.person);
            let word = self.random.pick(JOINS);
            built.text(&format!(" {word} "));
            built.node(node);
            built.text(&format!(" ON {person} = {key}"));
            scope.add(own);
            if self.chance(4) {
                let test = self.expression(&scope, Kind::Condition, 1);
                built.node(optional(" AND {}", test));
            }
        }
        (built.finished(Kind::Source), scope)
    }

    /// A table beside what each person has of another one.
    fn joined_with_totals(&mut self) -> (Node, Scope) {
        let at = self.random.pick(&[0, 1, 2, 3]);
        let (first, mut scope) = self.table(&SOURCES[at]);
        let person = format!("{}.{}", scope.alias(), SOURCES[at].person);
        let other = self.random.pick(&[0, 2]);
        let (node, inner) = self.table(&SOURCES[other]);
        let mut totals = Built::of("(SELECT ");
        let of = format!("{}.{}", inner.alias(), SOURCES[other].person);
        let names = [self.name("p"), self.name("m")];
        totals.named(Node::leaf(Kind::Unique, of.as_str()), &names[0], false);
        let (kind, template) = self.random.pick(AGGREGATES);
        let total = self.filled(&inner, Kind::Aggregate, template, 2);
        totals.named(total, &names[1], true);
        totals.text(" FROM ");
        totals.node(node);
        self.condition(&mut totals, &inner, 0);
        totals.text(&format!(" GROUP BY {of})"));
        let (alias, word) = (self.name("x"), self.random.pick(JOINS));
        let mut built = Built::default();
        built.node(first);
        built.text(&format!(" {word} "));
        built.node(totals.finished(Kind::Statement));
        built.text(&format!(" {alias} ON {person} = {alias}.{}", names[0]));
        let mut own = Scope::default();
        own.columns
            .push(Named::new(&format!("{alias}.{}", names[1]), kind));
        own.unique.push(format!("{alias}.{}", names[0]));
        scope.add(own);
        (built.finished(Kind::Source), scope)
    }

    fn derived(&mut self, depth: u64) -> (Node, Scope) {
        let selected = self.selected(depth);
        let alias = self.name("d");
        let mut built = Built::of("(");
        built.node(selected.node);
        built.text(&format!(") {alias}"));
        (built.finished(Kind::Source), selected.scope)
    }

    fn with(&mut self, depth: u64) -> (Node, Scope) {
        let selected = self.selected(depth);
        let name = self.name("w");
        self.common.push((name.clone(), selected.node));
        (Node::leaf(Kind::Source, name), selected.scope)
    }

    /// The first rows of a query.
    fn top(&mut self, depth: u64) -> (Node, Scope) {
        let selected = self.selected(depth);
        let (order, alias) = (self.order(&selected), self.name("d"));
        let limit = self.random.pick(&[3, 10, 50]);
        let mut built = Built::of("(");
        built.node(selected.node);
        built.text(&format!("{} LIMIT {limit}) {alias}", ordered_by(&order)));
        (built.finished(Kind::Source), selected.scope)
    }

    fn condition(&mut self, built: &mut Built, scope: &Scope, depth: u64) {
        if self.chance(3) {
            return;
        }
        let node = match self.multi && depth > 0 && self.chance(4) {
            true => self.asking(scope),
            false => self.expression(scope, Kind::Condition, 2),
        };
        built.node(optional(" WHERE {}", node));
    }

    /// A condition that asks another query.
    fn asking(&mut self, scope: &Scope) -> Node {
        let source = self.random.pick(&[0, 1, 2]);
        let (from, inner) = self.table(&SOURCES[source]);
        let person = format!("{}.{}", inner.alias(), SOURCES[source].person);
        let mut built = Built::default();
        match self.random.below(4) {
            0 | 1 => {
                built.node(self.column(scope, Kind::Whole));
                built.text(
                    self.random
                        .pick(&[" IN (SELECT ", " IN (SELECT ", " NOT IN (SELECT "]),
                );
                built.text(&person);
            }
            2 => {
                built.node(self.column(scope, Kind::Number));
                built.text(self.random.pick(&[" > (SELECT AVG(", " < (SELECT MAX("]));
                built.node(self.expression(&inner, Kind::Number, 1));
                built.text(")");
            }
            _ => {
                built.text(
                    self.random
                        .pick(&["EXISTS (SELECT 1", "NOT EXISTS (SELECT 1"]),
                );
                let own = self.column(scope, Kind::Whole);
                built.text(" FROM ");
                built.node(from);
                built.text(&format!(" WHERE {person} = "));
                built.node(own);
                let test = self.expression(&inner, Kind::Condition, 1);
                built.node(optional(" AND {}", test));
                built.text(")");
                return built.finished(Kind::Condition);
            }
        }
        built.text(" FROM ");
        built.node(from);
        self.condition(&mut built, &inner, 0);
        built.text(")");
        built.finished(Kind::Condition)
    }

    fn kind(&mut self) -> Kind {
        self.random.pick(&[
            Kind::Number,
            Kind::Number,
            Kind::Whole,
            Kind::Text,
            Kind::Time,
        ])
    }
}
