//! The columns that stars stand for, written out in nested queries: what stands above asks for them, and for what stands beside
//! them, by name.
//!
//! The outermost list keeps its stars, for it may answer two columns of one name. Must not know: types. Invariant: a list has
//! the columns that it had, in their order; of two that stars give one name the later has a number behind it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

use super::{UNNAMED, item_name, relations, selects};
use crate::catalog::Table;

/// Names of columns; `None` where they are not known here.
type Names = Option<Vec<String>>;

/// What a table's name means where a query stands.
pub(super) struct Stars<'a> {
    /// By names in lower case.
    tables: &'a HashMap<String, Arc<Table>>,
    /// Those of WITH, of the outermost query first.
    common: Vec<HashMap<String, Names>>,
}

/// A part of FROM.
struct Relation {
    /// What its columns are qualified with.
    qualifier: Vec<Ident>,
    names: Vec<String>,
}

impl Relation {
    fn is_named(&self, name: &ObjectName) -> bool {
        let last = |parts: &[Ident]| parts.last().map(|ident| ident.value.to_lowercase());
        let wanted = name.0.last().and_then(|part| part.as_ident());
        wanted.map(|ident| ident.value.to_lowercase()) == last(&self.qualifier)
    }

    fn column(&self, name: &str) -> Expr {
        let column = Ident::with_quote('"', name);
        if self.qualifier.is_empty() {
            return Expr::Identifier(column);
        }
        let mut parts = self.qualifier.clone();
        parts.push(column);
        Expr::CompoundIdentifier(parts)
    }
}

impl<'a> Stars<'a> {
    pub(super) fn new(tables: &'a HashMap<String, Arc<Table>>) -> Self {
        Self {
            tables,
            common: Vec::new(),
        }
    }

    /// Takes in what WITH names, and writes out the stars of a nested query.
    pub(super) fn enter(&mut self, query: &mut Query) {
        self.common.push(HashMap::new());
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let names = renamed(&table.alias, self.of_query(&table.query));
            if let Some(scope) = self.common.last_mut() {
                scope.insert(table.alias.name.value.to_lowercase(), names);
            }
        }
        if !self.is_nested() {
            return;
        }
        for select in selects(&mut query.body) {
            if let Some(items) = self.without_stars(select) {
                select.projection = items;
            }
        }
    }

    pub(super) fn leave(&mut self) {
        self.common.pop();
    }

    /// True below the outermost query.
    pub(super) fn is_nested(&self) -> bool {
        self.common.len() > 1
    }

    /// The list of a query without stars; `None` where it has none, one alone over one table, or one of unknown columns.
    fn without_stars(&self, select: &Select) -> Option<Vec<SelectItem>> {
        let starred = select.projection.iter().any(is_star);
        if !starred || (select.projection.len() == 1 && !relations::joins(select)) {
            return None;
        }
        let relations = self.relations(&select.from)?;
        let mut taken = HashSet::new();
        let mut items = Vec::with_capacity(select.projection.len());
        for item in &select.projection {
            let Some(chosen) = chosen(item, &relations)? else {
                if let Some(name) = item_name(item) {
                    taken.insert(name.to_lowercase());
                }
                items.push(item.clone());
                continue;
            };
            for relation in chosen {
                for name in &relation.names {
                    let expr = relation.column(name);
                    let alias = Ident::with_quote('"', unique(name, &mut taken));
                    items.push(SelectItem::ExprWithAlias { expr, alias });
                }
            }
        }
        Some(items)
    }

    /// The names of a query's columns.
    pub(super) fn of_body(&self, body: &SetExpr) -> Names {
        match body {
            SetExpr::Select(select) => self.of_select(select),
            SetExpr::SetOperation { left, .. } => self.of_body(left),
            SetExpr::Query(query) => self.of_query(query),
            _ => None,
        }
    }

    /// The names of the columns that a list may read, in lower case; `None` where they are not known.
    pub(super) fn columns(&self, select: &Select) -> Option<HashSet<String>> {
        let relations = self.relations(&select.from)?;
        let names = relations.iter().flat_map(|relation| &relation.names);
        Some(names.map(|name| name.to_lowercase()).collect())
    }

    fn of_query(&self, query: &Query) -> Names {
        let known = |table: &TableAlias| self.named(&table.name.value).is_some();
        let own = query.with.iter().flat_map(|with| &with.cte_tables);
        // What only this query names is known once it is entered.
        let hidden = own.into_iter().any(|table| !known(&table.alias));
        (!hidden).then(|| self.of_body(&query.body))?
    }

    fn of_select(&self, select: &Select) -> Names {
        let relations = match select.projection.iter().any(is_star) {
            true => self.relations(&select.from)?,
            false => Vec::new(),
        };
        let mut names: Vec<String> = Vec::with_capacity(select.projection.len());
        let (mut distinct, mut taken) = (HashSet::new(), HashSet::new());
        for item in &select.projection {
            match chosen(item, &relations)? {
                Some(chosen) => {
                    for name in chosen.iter().flat_map(|relation| &relation.names) {
                        names.push(unique(name, &mut taken));
                    }
                }
                None => {
                    let name = item_name(item);
                    names.push(name.unwrap_or_else(|| format!("{UNNAMED}{}", distinct.len())));
                }
            }
            distinct.extend(names.iter().cloned());
            taken.extend(names.iter().map(|name| name.to_lowercase()));
        }
        Some(names)
    }

    /// The parts of FROM whose columns a star stands for.
    fn relations(&self, from: &[TableWithJoins]) -> Option<Vec<Relation>> {
        let mut found = Vec::new();
        for tables in from {
            found.push(self.relation(&tables.relation)?);
            for join in &tables.joins {
                if joins_both(&join.join_operator)? {
                    found.push(self.relation(&join.relation)?);
                }
            }
        }
        if let [only] = found.as_mut_slice() {
            only.qualifier.clear();
        }
        let unnamed = found.iter().filter(|one| one.qualifier.is_empty()).count();
        (found.len() == 1 || unnamed == 0).then_some(found)
    }

    fn relation(&self, factor: &TableFactor) -> Option<Relation> {
        let (alias, names, mut qualifier) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let parts = name.0.iter().map(|part| part.as_ident().cloned());
                (alias, self.of_table(name)?, parts.collect::<Option<_>>()?)
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => (alias, self.of_query(subquery)?, Vec::new()),
            _ => return None,
        };
        let mut names = Some(names);
        if let Some(alias) = alias {
            qualifier = vec![alias.name.clone()];
            names = renamed(alias, names);
        }
        Some(Relation {
            qualifier,
            names: names?,
        })
    }

    fn of_table(&self, name: &ObjectName) -> Names {
        let parts = name.0.iter().map(|part| Some(&part.as_ident()?.value));
        let parts: Vec<&String> = parts.collect::<Option<_>>()?;
        if let [one] = parts.as_slice()
            && let Some(names) = self.named(one)
        {
            return names.clone();
        }
        let whole: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        let table = self.tables.get(&whole.join(".").to_lowercase())?;
        Some(table.columns().map(str::to_owned).collect())
    }

    /// What WITH gave a name.
    fn named(&self, name: &str) -> Option<&Names> {
        let name = name.to_lowercase();
        self.common.iter().rev().find_map(|scope| scope.get(&name))
    }
}

/// True for `*` and `t.*`.
pub(super) fn is_star(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
    )
}

/// The relations of a star; nothing for another item, `None` for a star that is more than one.
fn chosen<'r>(item: &SelectItem, relations: &'r [Relation]) -> Option<Option<Vec<&'r Relation>>> {
    let plain = |options: &WildcardAdditionalOptions| {
        *options
            == WildcardAdditionalOptions {
                wildcard_token: options.wildcard_token.clone(),
                ..WildcardAdditionalOptions::default()
            }
    };
    match item {
        SelectItem::Wildcard(options) => plain(options).then(|| Some(relations.iter().collect())),
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            options,
        ) if plain(options) => {
            let one = match relations {
                [only] => Some(only),
                _ => relations.iter().find(|relation| relation.is_named(name)),
            };
            one.map(|relation| Some(vec![relation]))
        }
        SelectItem::QualifiedWildcard(..) => None,
        _ => Some(None),
    }
}

/// A name that none before it has.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let mut unique = name.to_owned();
    let mut turn = 0;
    while !taken.insert(unique.to_lowercase()) {
        unique = format!("{name}{turn}");
        turn += 1;
    }
    unique
}

/// The names after those that an alias gives, `AS t (a, b)`.
fn renamed(alias: &TableAlias, names: Names) -> Names {
    if alias.columns.is_empty() {
        return names;
    }
    let given = alias.columns.iter().map(|column| column.name.value.clone());
    Some(given.collect())
}

/// Whether a join answers the columns of both sides; `None` where it merges some.
fn joins_both(join: &JoinOperator) -> Option<bool> {
    use JoinOperator as Join;
    let (constraint, both) = match join {
        Join::Join(constraint)
        | Join::Inner(constraint)
        | Join::Left(constraint)
        | Join::LeftOuter(constraint)
        | Join::Right(constraint)
        | Join::RightOuter(constraint)
        | Join::FullOuter(constraint)
        | Join::CrossJoin(constraint)
        | Join::AsOf { constraint, .. } => (constraint, true),
        Join::Semi(constraint)
        | Join::LeftSemi(constraint)
        | Join::Anti(constraint)
        | Join::LeftAnti(constraint) => (constraint, false),
        _ => return None,
    };
    let merges = matches!(
        constraint,
        JoinConstraint::Using(_) | JoinConstraint::Natural
    );
    (!merges).then_some(both)
}
