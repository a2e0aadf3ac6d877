//! A filter within one segment: which rows, block by block.
//!
//! Every test is first brought to what the segment knows: a constant, a row range, a bitmap from an index, dictionary ids to
//! scan for, values to scan. Cheaper children of AND come first, and the later ones look only at rows that are left.
//! Must not know: what is done with the rows. Invariant: the answer equals testing every row; with null handling a row is
//! in exactly one of true, false and unknown.

pub(crate) mod bounds;
mod geo;
mod index;
pub mod mask;
mod members;
mod pair;
mod range;
mod scan;

use std::ops::Range;

use functions::scalar::EvalContext;
use roaring::RoaringBitmap;
use segment::{Answer, Column, Docs, IdSet, Predicate};

use crate::QueryError;
use crate::plan::{BoundFilter, BoundTest, Matcher};
use crate::project::{SegmentColumns, Source};

pub use mask::Mask;
pub use pair::Pair;

/// Indexes that find at most one row in this many are walked row by row instead of block by block.
const SPARSE: u64 = 8;

/// A filter compiled for one segment.
pub enum Node<'a> {
    /// Every row or none.
    Constant(bool),
    /// Consecutive rows.
    Docs(Range<u32>),
    /// Rows an index found (or a null bitmap).
    Bitmap(RoaringBitmap),
    /// Scan for dictionary ids. `negated`: no id of the row is in the set.
    Ids {
        /// Column of the plan.
        index: usize,
        /// The column.
        column: &'a dyn Column,
        /// Ids.
        ids: IdSet,
        /// For multi-value `!=` and `NOT IN`.
        negated: bool,
    },
    /// Compare two columns by the ranks of their values.
    Pair(Pair<'a>),
    /// Scan values or evaluate an expression.
    Values(&'a BoundTest),
    /// All of them, cheapest first.
    And(Vec<Node<'a>>),
    /// Any of them.
    Or(Vec<Node<'a>>),
    /// The opposite.
    Not(Box<Node<'a>>),
    /// The inside, minus rows where the tested column is null: what null handling makes of a test.
    Known {
        /// The test.
        node: Box<Node<'a>>,
        /// Rows that are unknown.
        nulls: RoaringBitmap,
    },
}

/// Compiles and runs a filter over one segment.
pub struct SegmentFilter<'a> {
    columns: &'a SegmentColumns<'a>,
    context: &'a EvalContext,
    root: Node<'a>,
    docs: u32,
}

impl<'a> SegmentFilter<'a> {
    /// Compiles.
    ///
    /// # Errors
    /// Where an index refuses a condition.
    pub fn compile(
        filter: &'a BoundFilter,
        columns: &'a SegmentColumns<'a>,
        docs: u32,
        valid: Option<&RoaringBitmap>,
        context: &'a EvalContext,
    ) -> Result<Self, QueryError> {
        let compiler = Compiler { columns, docs };
        let mut root = index::choose(compiler.node(filter)?, docs);
        // Segments of which every row counts, as most do where keys seldom come again, are read as any other.
        let valid = valid.filter(|valid| valid.range_cardinality(0..docs) < u64::from(docs));
        if let Some(valid) = valid {
            root = simplified(Node::And(vec![Node::Bitmap(valid.clone()), root]));
        }
        Ok(Self {
            columns,
            context,
            root: index::gathered(root),
            docs,
        })
    }

    /// True where no row can match.
    #[must_use]
    pub fn matches_nothing(&self) -> bool {
        matches!(self.root, Node::Constant(false))
    }

    /// True where every row matches.
    #[must_use]
    pub fn matches_all(&self) -> bool {
        matches!(self.root, Node::Constant(true))
    }

    /// How many rows match, where that is known without a scan.
    #[must_use]
    pub fn exact_count(&self) -> Option<u64> {
        match &self.root {
            Node::Constant(true) => Some(u64::from(self.docs)),
            Node::Constant(false) => Some(0),
            Node::Docs(range) => Some(range.len() as u64),
            Node::Bitmap(bitmap) => Some(bitmap.len()),
            _ => None,
        }
    }

    /// A range outside which no row matches.
    #[must_use]
    pub fn bounds(&self) -> Range<u32> {
        fn of(node: &Node<'_>, docs: u32) -> Range<u32> {
            match node {
                Node::Constant(false) => 0..0,
                Node::Docs(range) => range.clone(),
                Node::Bitmap(bitmap) => {
                    bitmap.min().unwrap_or(0)..bitmap.max().map_or(0, |m| m + 1)
                }
                Node::And(children) => {
                    children.iter().map(|c| of(c, docs)).fold(0..docs, |a, b| {
                        a.start.max(b.start)..a.end.min(b.end).max(a.start.max(b.start))
                    })
                }
                _ => 0..docs,
            }
        }
        of(&self.root, self.docs)
    }

    /// The rows that indexes found, where they are so few that only they are looked at.
    #[must_use]
    pub fn listed(&self) -> Option<&RoaringBitmap> {
        let found = match &self.root {
            Node::Bitmap(found) => found,
            Node::And(children) => match children.first() {
                Some(Node::Bitmap(found)) => found,
                _ => return None,
            },
            _ => return None,
        };
        (found.len() * SPARSE <= u64::from(self.docs)).then_some(found)
    }

    /// Which of some rows match. `scanned` counts the values that were looked at.
    ///
    /// # Errors
    /// Where an expression refuses a value.
    pub fn among(&self, rows: Docs<'_>, scanned: &mut u64) -> Result<Mask, QueryError> {
        self.keep(std::slice::from_ref(&self.root), rows, scanned)
    }

    /// Which of some rows that are [`SegmentFilter::listed`] match.
    ///
    /// # Errors
    /// As [`SegmentFilter::among`].
    pub fn among_listed(&self, rows: Docs<'_>, scanned: &mut u64) -> Result<Mask, QueryError> {
        let others = match &self.root {
            Node::And(children) => children.get(1..).unwrap_or_default(),
            _ => &[],
        };
        self.keep(others, rows, scanned)
    }

    fn keep(
        &self,
        nodes: &[Node<'a>],
        rows: Docs<'_>,
        scanned: &mut u64,
    ) -> Result<Mask, QueryError> {
        let mut mask = Mask::all(rows.len());
        let mut run = scan::Run {
            columns: self.columns,
            context: self.context,
            rows,
            scanned,
        };
        for node in nodes {
            run.keep(node, true, &mut mask)?;
        }
        Ok(mask)
    }
}

struct Compiler<'a> {
    columns: &'a SegmentColumns<'a>,
    docs: u32,
}

impl<'a> Compiler<'a> {
    fn node(&self, filter: &'a BoundFilter) -> Result<Node<'a>, QueryError> {
        Ok(match filter {
            BoundFilter::Constant(value) => Node::Constant(*value),
            BoundFilter::Refused(error) => return Err(error.clone()),
            BoundFilter::And(children) => simplified(Node::And(self.until(children, false)?)),
            BoundFilter::Or(children) => simplified(Node::Or(self.until(children, true)?)),
            BoundFilter::Not(child) => simplified(Node::Not(Box::new(self.node(child)?))),
            BoundFilter::IsNull(expr, wanted) => self.null_test(expr, *wanted),
            BoundFilter::Test(test) => self.test(test)?,
        })
    }

    /// Children up to the first that settles all of them in this segment.
    fn until(
        &self,
        children: &'a [BoundFilter],
        settling: bool,
    ) -> Result<Vec<Node<'a>>, QueryError> {
        let mut nodes = Vec::with_capacity(children.len());
        for child in children {
            let node = self.node(child)?;
            let settled = matches!(node, Node::Constant(value) if value == settling);
            nodes.push(node);
            if settled {
                break;
            }
        }
        Ok(nodes)
    }

    fn null_test(&self, expr: &crate::expr::BoundExpr, wanted: bool) -> Node<'a> {
        let nulls = match expr.as_column().map(|index| &self.columns.sources[index]) {
            Some(Source::Stored {
                nulls: Some(nulls), ..
            }) => Node::Bitmap(nulls.as_ref().clone()),
            Some(Source::Constant(_, true)) => Node::Constant(true),
            _ => Node::Constant(false),
        };
        if wanted {
            nulls
        } else {
            simplified(Node::Not(Box::new(nulls)))
        }
    }

    fn test(&self, test: &'a BoundTest) -> Result<Node<'a>, QueryError> {
        let Some(index) = test.expr.as_column() else {
            return Ok(geo::node(test, self.columns)
                .or_else(|| pair::node(test, self.columns, self.docs))
                .unwrap_or(Node::Values(test)));
        };
        let node = match &self.columns.sources[index] {
            Source::DocId => Node::Values(test),
            Source::Constant(value, _) => Node::Constant(constant_matches(test, value)),
            Source::Stored { column, .. } => {
                self.refuse_without_index(index, *column, &test.matcher)?;
                self.stored(index, *column, test)
            }
        };
        Ok(match self.columns.handled_nulls(index) {
            // What no value of the segment passes is false for nulls too, as Pinot has it: NOT of it is true for them.
            _ if matches!(node, Node::Constant(false)) => node,
            Some(nulls) => Node::Known {
                node: Box::new(node),
                nulls: nulls.clone(),
            },
            None => node,
        })
    }

    fn refuse_without_index(
        &self,
        index: usize,
        column: &dyn Column,
        matcher: &Matcher,
    ) -> Result<(), QueryError> {
        let Some((kind, function)) = matcher.needed_index() else {
            return Ok(());
        };
        let mut ids = column.indexes().iter().map(|index| index.id());
        if ids.any(|id| id.strip_suffix("_index") == Some(kind)) {
            return Ok(());
        }
        let name = self.columns.name(index);
        Err(QueryError::execution(format!(
            "Cannot apply {function} on column: {name} without {kind} index"
        )))
    }

    /// What a growing segment finds without the index that it announces; `None` where each row is to be checked.
    fn unbuilt(&self, column: &dyn Column, predicate: &Predicate) -> Option<Node<'a>> {
        let Predicate::Nearest { .. } = predicate else {
            return None;
        };
        let values = column.values(Docs::Range(0..self.docs));
        let mut indexes = column.indexes().iter();
        let found = indexes.find_map(|index| index.among(predicate, &values))?;
        Some(Node::Bitmap(found))
    }

    /// Rows that an index names, each to be checked, where they are fewer than the values to check otherwise.
    fn candidates(&self, column: &dyn Column, test: &'a BoundTest) -> Option<Node<'a>> {
        test.matcher.needed_index()?;
        let predicate = test.matcher.predicate(column.column_type().data_type)?;
        let mut indexes = column.indexes().iter();
        let found = match indexes.find_map(|index| index.matching(&predicate)) {
            Some(Answer::AtMost(found)) => found,
            Some(Answer::Between { sure, open }) => sure | open,
            Some(Answer::Exact(found)) => {
                return Some(self.maybe_negated(Node::Bitmap(found), test.negated));
            }
            None => return self.unbuilt(column, &predicate),
        };
        let values = column
            .dictionary()
            .map_or(self.docs, segment::Dictionary::len);
        if found.is_empty() {
            return Some(Node::Constant(test.negated));
        }
        let fewer = found.len() < u64::from(values) && !test.negated;
        fewer.then(|| Node::And(vec![Node::Bitmap(found), Node::Values(test)]))
    }

    fn stored(&self, index: usize, column: &'a dyn Column, test: &'a BoundTest) -> Node<'a> {
        if let Some(node) = self.candidates(column, test) {
            return node;
        }
        if let Some(found) = range::unordered(column, test) {
            return self.maybe_negated(found, test.negated);
        }
        if let Some(ids) = dictionary_ids(column, &test.matcher) {
            return self.by_ids(index, column, ids, test.negated);
        }
        if let Matcher::Integers(low, high) = &test.matcher
            && let Some(docs) = column.sorted_longs(*low, *high)
        {
            return self.maybe_negated(Node::Docs(docs), test.negated);
        }
        let data_type = column.column_type().data_type;
        if let Some(predicate) = test.matcher.predicate(data_type)
            && let Some(Answer::Exact(bitmap)) = ask(column, &predicate)
        {
            return self.maybe_negated(range::run_or_bitmap(bitmap), test.negated);
        }
        Node::Values(test)
    }

    fn by_ids(&self, index: usize, column: &'a dyn Column, ids: IdSet, negated: bool) -> Node<'a> {
        let cardinality = column.dictionary().map_or(0, segment::Dictionary::len);
        if ids.is_empty() {
            return Node::Constant(negated);
        }
        if ids.len() == cardinality {
            return Node::Constant(!negated);
        }
        if let IdSet::Run(run) = &ids
            && let Some(docs) = column.sorted_docs(run.clone())
        {
            return self.maybe_negated(Node::Docs(docs), negated);
        }
        if negated && !column.column_type().multi {
            return Node::Ids {
                index,
                column,
                ids: ids.complement(cardinality),
                negated: false,
            };
        }
        Node::Ids {
            index,
            column,
            ids,
            negated,
        }
    }

    fn maybe_negated(&self, node: Node<'a>, negated: bool) -> Node<'a> {
        if !negated {
            return node;
        }
        match node {
            Node::Bitmap(bitmap) => {
                let mut rest = RoaringBitmap::new();
                rest.insert_range(0..self.docs);
                Node::Bitmap(rest - bitmap)
            }
            Node::Constant(value) => Node::Constant(!value),
            other => Node::Not(Box::new(other)),
        }
    }
}

fn ask(column: &dyn Column, predicate: &Predicate) -> Option<Answer> {
    column.indexes().iter().find_map(|index| {
        index.estimate(predicate)?;
        match index.matching(predicate) {
            exact @ Some(Answer::Exact(_)) => exact,
            _ => None,
        }
    })
}

fn constant_matches(test: &BoundTest, value: &common::Value) -> bool {
    let any = match value {
        common::Value::Array(_, items) => items.iter().any(|item| test.matcher.matches(item)),
        single => test.matcher.matches(single),
    };
    any != test.negated
}

/// The ids of a dictionary that a matcher accepts; `None` for a raw column.
pub(crate) fn dictionary_ids(column: &dyn Column, matcher: &Matcher) -> Option<IdSet> {
    let dictionary = column.dictionary()?;
    let data_type = column.column_type().data_type;
    if let Some(test) = matcher.text_test() {
        let predicate = matcher.predicate(data_type)?;
        let mut indexes = column.indexes().iter();
        return Some(
            match indexes.find_map(|index| index.candidates(&predicate)) {
                Some(mut ids) => {
                    let accepted = |id: &u32| dictionary.value(*id).as_str().is_some_and(test);
                    ids.retain(accepted);
                    IdSet::from_ids(dictionary.len(), &ids)
                }
                None => dictionary.matching_text(&mut |text| test(text)),
            },
        );
    }
    if let Matcher::Ids(integers) = matcher {
        return Some(members::ids(dictionary, data_type, integers));
    }
    Some(match matcher.predicate(data_type) {
        Some(Predicate::Eq(value)) => dictionary
            .find(&value)
            .map_or_else(IdSet::none, |id| IdSet::Run(id..id + 1)),
        Some(Predicate::In(values)) => {
            let ids: Vec<u32> = values
                .iter()
                .filter_map(|value| dictionary.find(value))
                .collect();
            IdSet::from_ids(dictionary.len(), &ids)
        }
        Some(Predicate::Range { lower, upper }) => dictionary.range(&lower, &upper),
        _ => IdSet::from_test(dictionary.len(), |id| {
            matcher.matches(&dictionary.value(id))
        }),
    })
}

/// Works constants out and puts cheaper children first.
fn simplified(node: Node<'_>) -> Node<'_> {
    match node {
        Node::And(children) => combined(children, false, Node::And),
        Node::Or(children) => combined(children, true, Node::Or),
        Node::Not(child) => match *child {
            Node::Constant(value) => Node::Constant(!value),
            other => Node::Not(Box::new(other)),
        },
        other => other,
    }
}

fn combined<'a>(
    children: Vec<Node<'a>>,
    absorbing: bool,
    make: fn(Vec<Node<'a>>) -> Node<'a>,
) -> Node<'a> {
    let mut kept = Vec::with_capacity(children.len());
    for child in children {
        match child {
            Node::Constant(value) if value == absorbing => return Node::Constant(absorbing),
            Node::Constant(_) => {}
            other => kept.push(other),
        }
    }
    kept.sort_by_key(cost);
    match (kept.len(), kept.pop()) {
        (_, None) => Node::Constant(!absorbing),
        (1, Some(only)) => only,
        (_, Some(last)) => {
            kept.push(last);
            make(kept)
        }
    }
}

fn cost(node: &Node<'_>) -> u32 {
    match node {
        Node::Constant(_) => 0,
        Node::Docs(_) => 1,
        Node::Bitmap(_) => 2,
        Node::Known { node, .. } | Node::Not(node) => 1 + cost(node),
        Node::And(children) | Node::Or(children) => {
            children.iter().map(cost).max().unwrap_or(0) + 1
        }
        Node::Ids { column, ids, .. } if !column.column_type().multi => {
            // Among equally cheap ones the most selective comes first.
            let cardinality = column
                .dictionary()
                .map_or(1, segment::Dictionary::len)
                .max(1);
            let share = u64::from(ids.len()) * 8 / u64::from(cardinality);
            10 + share as u32
        }
        Node::Ids { .. } => 30,
        Node::Values(test) if test.expr.as_column().is_some() => 20,
        Node::Pair(_) => 25,
        Node::Values(_) => 40,
    }
}
