//! Which dictionary tests an index answers, and which are scanned for: the index where few rows match, or where nothing
//! else is asked and the number of rows may be all that is wanted.
//!
//! Must not know: the query. Invariant: the rows of a node are the same either way.

use roaring::RoaringBitmap;
use segment::{Answer, Column, IdSet, Predicate};

use super::{Node, ask, simplified};

/// An index answers among other conditions where it finds at most one row in this many.
const FEW: u32 = 16;
/// And where it finds at most this many times the rows that another index leaves: to intersect them costs less than to look at each.
const TIMES: u32 = 4;

/// Puts bitmaps in the place of tests that an index answers.
pub(super) fn choose(root: Node<'_>, docs: u32) -> Node<'_> {
    match root {
        Node::Ids {
            index,
            column,
            ids,
            negated,
        } => match bitmap(column, &ids) {
            Some(found) => exact(found, negated, docs),
            None => Node::Ids {
                index,
                column,
                ids,
                negated,
            },
        },
        Node::Known { node, nulls } => Node::Known {
            node: Box::new(choose(*node, docs)),
            nulls,
        },
        other => among(other, docs),
    }
}

fn exact<'a>(found: RoaringBitmap, negated: bool, docs: u32) -> Node<'a> {
    if negated {
        let mut rest = RoaringBitmap::new();
        rest.insert_range(0..docs);
        Node::Bitmap(rest - found)
    } else {
        Node::Bitmap(found)
    }
}

fn bitmap(column: &dyn Column, ids: &IdSet) -> Option<RoaringBitmap> {
    match ask(column, &Predicate::Ids(ids.clone()))? {
        Answer::Exact(found) => Some(found),
        Answer::AtMost(_) | Answer::Between { .. } => None,
    }
}

/// About how many rows an index would find.
fn estimate(node: &Node<'_>) -> Option<u32> {
    match node {
        Node::Ids {
            column,
            ids,
            negated: false,
            ..
        } => {
            let predicate = Predicate::Ids(ids.clone());
            let mut indexes = column.indexes().iter();
            indexes.find_map(|index| index.estimate(&predicate))
        }
        Node::Known { node, .. } => estimate(node),
        _ => None,
    }
}

/// Rows that a node leaves at most, as far as it is known without reading.
fn candidates(node: &Node<'_>, docs: u32) -> u32 {
    match node {
        Node::Docs(rows) => rows.len() as u32,
        Node::Bitmap(rows) => u32::try_from(rows.len()).unwrap_or(docs),
        _ => docs,
    }
}

/// Nodes below AND, OR and NOT.
fn among(node: Node<'_>, docs: u32) -> Node<'_> {
    match node {
        Node::And(children) => all_of(children, docs),
        Node::Or(children) => {
            let small = |child: &Node<'_>| match child {
                Node::Ids { .. } | Node::Known { .. } => {
                    estimate(child).is_some_and(|rows| rows <= docs / FEW)
                }
                _ => true,
            };
            let with_indexes = children.iter().all(small);
            let children = children.into_iter().map(|child| match child {
                Node::Ids { .. } | Node::Known { .. } if !with_indexes => child,
                Node::Ids { .. } | Node::Known { .. } => choose(child, docs),
                child => among(child, docs),
            });
            simplified(Node::Or(children.collect()))
        }
        Node::Not(child) => Node::Not(Box::new(choose(*child, docs))),
        other => other,
    }
}

/// The most selective test gets its index; of the others those that find fewer rows than are left to look at.
fn all_of(children: Vec<Node<'_>>, docs: u32) -> Node<'_> {
    let mut left = children
        .iter()
        .map(|child| candidates(child, docs))
        .min()
        .unwrap_or(docs);
    let mut tests = Vec::with_capacity(children.len());
    let mut done = Vec::with_capacity(children.len());
    for child in children {
        match estimate(&child) {
            Some(rows) => tests.push((rows, child)),
            None => done.push(among(child, docs)),
        }
    }
    tests.sort_by_key(|(rows, _)| *rows);
    for (rows, test) in tests {
        let worth = if left == docs {
            docs / FEW
        } else {
            (docs / FEW).min(left.saturating_mul(TIMES))
        };
        if rows <= worth {
            let test = choose(test, docs);
            left = left.min(candidates(&test, docs).max(1));
            done.push(test);
        } else {
            done.push(test);
        }
    }
    simplified(Node::And(done))
}

/// One bitmap in the place of all that AND has, cut to the rows of sorted columns and without nulls.
pub(super) fn gathered(root: Node<'_>) -> Node<'_> {
    let Node::And(children) = root else {
        return certain(root);
    };
    let mut found: Option<RoaringBitmap> = None;
    let mut others = Vec::with_capacity(children.len());
    for child in children {
        match certain(child) {
            Node::Bitmap(rows) => {
                found = Some(match found {
                    Some(found) => found & rows,
                    None => rows,
                });
            }
            other => others.push(other),
        }
    }
    let Some(mut found) = found else {
        return simplified(Node::And(others));
    };
    others.retain(|other| {
        if let Node::Docs(rows) = other {
            found.remove_range(..rows.start);
            found.remove_range(rows.end..);
        }
        !matches!(other, Node::Docs(_))
    });
    if found.is_empty() {
        return Node::Constant(false);
    }
    others.push(Node::Bitmap(found));
    simplified(Node::And(others))
}

/// What has to be true: nulls taken out at once.
fn certain(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Known { node, nulls } => match *node {
            Node::Bitmap(rows) => Node::Bitmap(rows - nulls),
            other => Node::Known {
                node: Box::new(other),
                nulls,
            },
        },
        other => other,
    }
}
