//! Random queries over the own data sets.
//!
//! Must not know: what a query answers. Invariant: equal seeds make equal queries, and every query orders its rows wholly.

use super::node::{Kind, Node};
use super::vocabulary::{
    Column, FURTHER, FURTHER_AGGREGATES, PORTABLE, PORTABLE_AGGREGATES, TABLES, Table,
};
use super::{Random, further, wide};

/// Seeds from this one on also ask what `further` lists: what a Pinot answered to smaller ones stays good.
const FURTHER_FROM: u64 = 100_000_000;

/// A query: rows in the order of the table's key, or aggregations in the order of the groups' keys.
#[derive(Clone)]
pub(super) struct Query {
    pub(super) table: &'static Table,
    pub(super) filter: Option<Node>,
    pub(super) keys: Vec<Node>,
    pub(super) values: Vec<Node>,
    pub(super) aggregated: bool,
    pub(super) having: Option<Node>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Query {
    /// The query over its table.
    pub(super) fn sql(&self) -> String {
        self.over(self.table.name)
    }

    /// The query over another table with the same columns.
    pub(super) fn over(&self, table: &str) -> String {
        let list = |nodes: &[Node]| nodes.iter().map(Node::sql).collect::<Vec<_>>();
        let mut selected = list(&self.keys);
        if !self.aggregated {
            selected.insert(0, self.table.key.to_owned());
        }
        selected.extend(list(&self.values));
        let mut sql = format!("SELECT {} FROM {table}", selected.join(", "));
        if let Some(filter) = &self.filter {
            sql += &format!(" WHERE {}", filter.sql());
        }
        if self.aggregated && !self.keys.is_empty() {
            sql += &format!(" GROUP BY {}", list(&self.keys).join(", "));
        }
        if let Some(having) = &self.having {
            sql += &format!(" HAVING {}", having.sql());
        }
        if !self.aggregated {
            sql += &format!(" ORDER BY {}", self.table.key);
        } else if !self.keys.is_empty() {
            sql += &format!(" ORDER BY {}", list(&self.keys).join(", "));
        }
        if self.offset > 0 {
            return sql + &format!(" LIMIT {} OFFSET {}", self.limit, self.offset);
        }
        sql + &format!(" LIMIT {}", self.limit)
    }

    /// Queries that ask a little less.
    pub(super) fn shrunk(&self) -> Vec<Self> {
        let mut out = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut copy = self.clone();
            change(&mut copy);
            out.push(copy);
        };
        if self.filter.is_some() {
            with(&|q| q.filter = None);
        }
        if self.having.is_some() {
            with(&|q| q.having = None);
        }
        if self.offset > 0 {
            with(&|q| q.offset = 0);
        }
        if self.values.len() > 1 {
            (0..self.values.len()).for_each(|i| with(&|q| drop(q.values.remove(i))));
        }
        (0..self.keys.len()).for_each(|i| with(&|q| drop(q.keys.remove(i))));
        for smaller in self.filter.iter().flat_map(Node::shrunk) {
            with(&|q| q.filter = Some(smaller.clone()));
        }
        for smaller in self.having.iter().flat_map(Node::shrunk) {
            with(&|q| q.having = Some(smaller.clone()));
        }
        for (index, value) in self.values.iter().enumerate() {
            for smaller in value.shrunk() {
                with(&|q| q.values[index] = smaller.clone());
            }
        }
        for (index, key) in self.keys.iter().enumerate() {
            for smaller in key.shrunk() {
                with(&|q| q.keys[index] = smaller.clone());
            }
        }
        out
    }
}

/// Makes queries of one seed.
pub(super) struct Generator {
    random: Random,
    table: &'static Table,
    /// Only what both engines answer alike.
    portable: bool,
    /// Everything that a real Pinot is asked.
    wide: bool,
    /// And what `further` lists.
    further: bool,
}

impl Generator {
    pub(super) fn new(seed: u64, portable: bool, tables: &'static [Table]) -> Self {
        let mut random = Random(seed);
        let table = &tables[random.below(tables.len() as u64) as usize];
        Self {
            random,
            table,
            portable,
            wide: false,
            further: false,
        }
    }

    /// All tables.
    pub(super) fn of_any_table(seed: u64, portable: bool) -> Self {
        Self::new(seed, portable, TABLES)
    }

    /// All tables, and everything that a real Pinot is asked.
    pub(super) fn beside_pinot(seed: u64) -> Self {
        Self {
            wide: true,
            further: seed >= FURTHER_FROM,
            ..Self::of_any_table(seed, false)
        }
    }

    /// The columns that may be asked for.
    fn columns(&self) -> impl Iterator<Item = &'static Column> {
        wide::columns(self.table, self.wide)
    }

    pub(super) fn table(&self) -> &'static Table {
        self.table
    }

    /// What statements are made of beside the lists of their family.
    pub(super) fn further_statements(&self) -> &'static [&'static str] {
        if self.further {
            further::STATEMENTS
        } else {
            &[]
        }
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    pub(super) fn pick(&mut self, from: &[&'static str]) -> &'static str {
        self.random.pick(from)
    }

    pub(super) fn query(&mut self) -> Query {
        let aggregated = self.random.below(5) < 3;
        let keys = match aggregated {
            true => self.random.pick(&[0, 0, 1, 1, 2]),
            false => 0,
        };
        let keys: Vec<Node> = (0..keys).map(|_| self.key()).collect();
        let count = 1 + self.random.below(3);
        let values = (0..count).map(|_| match aggregated {
            true => self.aggregate(),
            false => {
                let kind = self
                    .random
                    .pick(&[Kind::Number, Kind::Text, Kind::Time, Kind::Whole]);
                self.expression(kind, 3)
            }
        });
        let values = values.collect();
        let having = aggregated && !keys.is_empty() && self.random.below(5) == 0;
        Query {
            table: self.table,
            filter: (self.random.below(5) > 0).then(|| self.condition(3)),
            keys,
            values,
            aggregated,
            having: having.then(|| self.having()),
            limit: self.random.pick(&[5, 10, 30, 400]),
            offset: self.random.pick(&[0, 0, 0, 3]),
        }
    }

    fn having(&mut self) -> Node {
        let test = self
            .random
            .pick(&["> 1", ">= 3", "< 100", "<> 2", "BETWEEN 2 AND 500"]);
        Node::leaf(Kind::Condition, format!("COUNT(*) {test}"))
    }

    /// A key of groups: few values, and text or whole numbers, which have one order.
    fn key(&mut self) -> Node {
        match self.random.below(4) {
            0 => self.expression(Kind::Text, 2),
            1 => self.expression(Kind::Whole, 2),
            _ => {
                let kind = self.random.pick(&[Kind::Whole, Kind::Text, Kind::Text]);
                self.column(kind)
            }
        }
    }

    fn column(&mut self, kind: Kind) -> Node {
        let fits = |k: Kind| k == kind || (kind == Kind::Number && k == Kind::Whole);
        let found: Vec<&'static str> = self
            .columns()
            .filter(|c| fits(c.kind))
            .map(|c| c.name)
            .collect();
        match (found.is_empty(), kind) {
            (false, _) => {
                let name = self.random.pick(&found);
                Node::leaf(kind, name)
            }
            (true, Kind::Numbers) => Node::leaf(kind, "ARRAY[3, 1, 2]"),
            (true, Kind::Texts) => Node::leaf(kind, "ARRAY['b', 'a']"),
            (true, Kind::Bytes) => Node::leaf(kind, "toUtf8('alfa')"),
            (true, Kind::Json) => Node::leaf(
                kind,
                r#"'{"name":"eta","n":90,"nested":{"k":3,"list":[1,3,4]},"flag":true}'"#,
            ),
            (true, _) => Node::leaf(kind, "7"),
        }
    }

    pub(super) fn expression(&mut self, kind: Kind, depth: u64) -> Node {
        if depth == 0 || self.random.below(3) == 0 {
            return match (kind, self.random.below(6)) {
                (Kind::Condition, _) => self.test(),
                (Kind::Number, 0) => {
                    let number = self.random.pick(&["1", "0.5", "-3", "100", "2.25"]);
                    Node::leaf(kind, number)
                }
                (Kind::Whole, 0) => {
                    let number = self.random.pick(&["1", "7", "-2", "1000"]);
                    Node::leaf(kind, number)
                }
                _ => self.column(kind),
            };
        }
        let fits = |k: Kind| k == kind || (kind == Kind::Number && k == Kind::Whole);
        let further = if self.portable { &[][..] } else { FURTHER };
        let wider = if self.wide { wide::EXPRESSIONS } else { &[] };
        let widest = if self.further {
            further::EXPRESSIONS
        } else {
            &[]
        };
        let templates: Vec<&'static str> = PORTABLE
            .iter()
            .chain(further)
            .chain(wider)
            .chain(widest)
            .filter(|(k, text)| fits(*k) && self.offers(text))
            .map(|(_, text)| *text)
            .collect();
        if templates.is_empty() {
            return self.column(kind);
        }
        let template = self.random.pick(&templates);
        self.filled(kind, template, depth - 1)
    }

    /// True where the table has a column for every place of a template that only a column fits.
    pub(super) fn offers(&self, template: &str) -> bool {
        const PLACES: &[(&str, Kind)] = &[
            ("{m}", Kind::Numbers),
            ("mv_", Kind::Numbers),
            ("{s}", Kind::Texts),
            ("{texts}", Kind::Texts),
            ("{j}", Kind::Json),
            ("{b}", Kind::Bytes),
        ];
        let has = |kind: Kind| self.columns().any(|column| column.kind == kind);
        let places = |(place, kind): &(&str, Kind)| !template.contains(place) || has(*kind);
        !self.wide || (!wide::LEFT_OUT.contains(&template) && PLACES.iter().all(places))
    }

    fn condition(&mut self, depth: u64) -> Node {
        self.expression(Kind::Condition, depth)
    }

    pub(super) fn aggregate(&mut self) -> Node {
        let further = if self.portable {
            &[][..]
        } else {
            FURTHER_AGGREGATES
        };
        let wider = if self.wide { wide::AGGREGATES } else { &[] };
        let widest = if self.further {
            further::AGGREGATES
        } else {
            &[]
        };
        let all = PORTABLE_AGGREGATES
            .iter()
            .chain(further)
            .chain(wider)
            .chain(widest)
            .copied();
        let all: Vec<&'static str> = all.filter(|text| self.offers(text)).collect();
        let template = self.random.pick(&all);
        self.filled(Kind::Aggregate, template, 2)
    }

    /// A template with its places filled.
    pub(super) fn filled(&mut self, kind: Kind, template: &str, depth: u64) -> Node {
        let (mut text, mut children, mut rest) = (String::new(), Vec::new(), template);
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            text += before;
            rest = after;
            if place.starts_with('=') {
                text += &format!("{{{place}}}");
                continue;
            }
            let picked = match place {
                "format" => wide::OUTPUT_FORMATS,
                "grain" => wide::GRAINS,
                "unit" => wide::UNITS,
                "zone" => wide::ZONES,
                "pattern" => wide::PATTERNS,
                "path" => wide::PATHS,
                "rank" => wide::RANKS,
                _ => &[],
            };
            if !picked.is_empty() {
                text += self.random.pick(picked);
                continue;
            }
            text += "{}";
            children.push(match place {
                "n" => self.expression(Kind::Number, depth),
                "i" => self.expression(Kind::Whole, depth),
                "t" => self.expression(Kind::Text, depth),
                "d" => self.expression(Kind::Time, depth),
                "m" => self.column(Kind::Numbers),
                "s" => self.column(Kind::Texts),
                "j" => self.column(Kind::Json),
                "b" => self.column(Kind::Bytes),
                "x" => self.aggregate(),
                "key" => Node::leaf(Kind::Whole, self.table.key),
                _ => self.expression(Kind::Condition, depth),
            });
        }
        text += rest;
        // A part of a larger expression keeps its bounds.
        let spaced = template.starts_with('{') && kind != Kind::Aggregate;
        if spaced {
            text = format!("({text})");
        }
        Node {
            kind,
            text,
            children,
        }
    }

    /// A test of a column against literals of its own.
    fn test(&mut self) -> Node {
        let columns: Vec<&'static Column> = self.columns().collect();
        let column = self.random.pick(&columns);
        let (name, a) = (column.name, self.random.pick(column.literals));
        let b = self.random.pick(column.literals);
        let text = match self.random.below(9) {
            0 => format!("{name} = {a}"),
            1 => format!("{name} <> {a}"),
            2 => format!("{name} < {a}"),
            3 => format!("{name} >= {a}"),
            4 => format!("{name} BETWEEN {a} AND {b}"),
            5 => format!("{name} IN ({a}, {b})"),
            6 => format!("{name} NOT IN ({a}, {b})"),
            7 if column.kind == Kind::Text => {
                let pattern = self.random.pick(&["'%a'", "'v_'", "'S%'", "'%et%'"]);
                format!("{name} LIKE {pattern}")
            }
            7 => format!("{name} IS NOT NULL"),
            _ => format!("{name} > {a}"),
        };
        Node::leaf(Kind::Condition, text)
    }
}
