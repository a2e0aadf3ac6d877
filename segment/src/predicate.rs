//! What a filter asks of a column, with literals already converted to the column's stored type.
//!
//! Must not know: SQL, how an index answers. Invariant: a predicate never asks for null; the filter adds null semantics.

use common::Value;
use roaring::RoaringBitmap;

use crate::IdSet;

/// An end of a range.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// No limit.
    Unbounded,
    /// The value belongs to the range.
    Included(Value),
    /// The value does not.
    Excluded(Value),
}

/// A predicate on one column. On a multi-value column the positive forms hold where any element matches; the negative
/// ones (`NotEq`, `NotIn`) where no element is among the values.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// `=`.
    Eq(Value),
    /// `!=`.
    NotEq(Value),
    /// `IN`.
    In(Vec<Value>),
    /// `NOT IN`.
    NotIn(Vec<Value>),
    /// `<`, `<=`, `>`, `>=`, BETWEEN and what merges from them.
    Range {
        /// Lower end.
        lower: Bound,
        /// Upper end.
        upper: Bound,
    },
    /// A Java regular expression that is to be found in the text.
    RegexpLike {
        /// Pattern.
        pattern: String,
        /// Letters match in either case.
        ignore_case: bool,
    },
    /// A condition on JSON text in the language of JSON_MATCH.
    JsonMatch(String),
    /// A text query in Lucene's syntax.
    TextMatch(String),
    /// The rows whose vectors are nearest to a vector.
    Nearest {
        /// The vector.
        target: Vec<f32>,
        /// How many rows.
        top_k: usize,
    },
    /// The rows whose points are so far from a point.
    Distance {
        /// The point, serialised.
        from: Vec<u8>,
        /// Least distance.
        low: f64,
        /// Largest distance.
        high: f64,
    },
    /// The rows whose points lie within a shape.
    Within {
        /// The shape, serialised.
        shape: Vec<u8>,
    },
    /// Dictionary ids, for a column with a dictionary: the form other predicates are brought into there. Positive form.
    Ids(IdSet),
}

/// What an index knows.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Exactly the matching rows.
    Exact(RoaringBitmap),
    /// A superset of them; each is to be checked.
    AtMost(RoaringBitmap),
    /// Rows that match, and others of which each is to be checked.
    Between {
        /// Rows that match.
        sure: RoaringBitmap,
        /// Rows that may.
        open: RoaringBitmap,
    },
}
