//! Names of tables and of what stands for one: any case means the same, and a joined subquery has a name of its own.
//!
//! Must not know: columns. Invariant: a name is written as where it was given; two names that differ in their case alone stay.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    TableAlias, TableFactor, Visit, Visitor,
};

/// The names of a statement: lower case -> as written, nothing for several.
#[derive(Default)]
pub(super) struct Relations {
    given: HashMap<String, Option<String>>,
    common: HashMap<String, Option<String>>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            note(&mut self.common, &table.alias.name.value);
            note(&mut self.given, &table.alias.name.value);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                alias: Some(alias), ..
            }
            | TableFactor::Derived {
                alias: Some(alias), ..
            } => note(&mut self.given, &alias.name.value),
            TableFactor::Table { name, .. } => {
                if let Some(ident) = name.0.last().and_then(ObjectNamePart::as_ident) {
                    note(&mut self.given, &ident.value);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn note(names: &mut HashMap<String, Option<String>>, name: &str) {
    let known = names
        .entry(name.to_lowercase())
        .or_insert_with(|| Some(name.to_owned()));
    if known.as_deref().is_some_and(|known| known != name) {
        *known = None;
    }
}

impl Relations {
    pub(super) fn of(query: &Query) -> Self {
        let mut found = Self::default();
        let _ = query.visit(&mut found);
        found
    }

    /// Writes the name that qualifies a column as where it was given.
    pub(super) fn qualifier(&self, ident: &mut Ident) {
        if let Some(Some(written)) = self.given.get(&ident.value.to_lowercase()) {
            ident.value.clone_from(written);
        }
    }

    /// The same of a table that WITH names.
    pub(super) fn table(&self, factor: &mut TableFactor) {
        if let TableFactor::Table { name, .. } = factor
            && let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice()
            && let Some(Some(written)) = self.common.get(&ident.value.to_lowercase())
        {
            ident.value.clone_from(written);
        }
    }

    /// The same of the stars of a list.
    pub(super) fn stars(&self, select: &mut Select) {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName(parts)),
                _,
            ) = item
                && let Some(ObjectNamePart::Identifier(ident)) = parts.last_mut()
            {
                self.qualifier(ident);
            }
        }
    }
}

/// True for a query over several tables.
pub(super) fn joins(select: &Select) -> bool {
    select.from.len() > 1 || select.from.iter().any(|from| !from.joins.is_empty())
}

/// Names the subqueries of a join that have no name: without one their columns would keep the names of tables within.
pub(super) fn named(select: &mut Select) {
    if !joins(select) {
        return;
    }
    let mut turn = 0;
    for from in &mut select.from {
        let joined = from.joins.iter_mut().map(|join| &mut join.relation);
        for factor in std::iter::once(&mut from.relation).chain(joined) {
            if let TableFactor::Derived {
                alias: alias @ None,
                ..
            } = factor
            {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: Ident::with_quote('"', format!("$derived{turn}")),
                    columns: Vec::new(),
                    at: None,
                });
                turn += 1;
            }
        }
    }
}
