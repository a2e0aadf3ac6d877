//! Growing storage of values of one stored type, under a dictionary or for a raw column.
//!
//! Must not know: rows, ids. Invariant: a value keeps its position for ever.

use std::sync::Arc;

use common::{DataType, Value, Values};

use crate::Docs;
use crate::buffer::arena::{Arena, ArenaWriter};
use crate::buffer::chunks::{Appender, Chunks};
use crate::number::Number;
use crate::var::{self, VarKind};

/// The readers' side.
#[derive(Clone)]
pub(crate) enum Store {
    Int(Arc<Chunks<i32>>),
    Long(Arc<Chunks<i64>>),
    Float(Arc<Chunks<f32>>),
    Double(Arc<Chunks<f64>>),
    Var(Arena, VarKind),
}

/// The writer's side.
pub(crate) enum StoreWriter {
    Int(Appender<i32>),
    Long(Appender<i64>),
    Float(Appender<f32>),
    Double(Appender<f64>),
    Var(ArenaWriter, VarKind),
}

/// Runs an expression on whichever number store it is, or another on the varying one.
macro_rules! each_store {
    ($kind:ident, $store:expr, $s:ident => $number:expr, ($a:ident, $k:ident) => $var:expr) => {
        match $store {
            $kind::Int($s) => $number,
            $kind::Long($s) => $number,
            $kind::Float($s) => $number,
            $kind::Double($s) => $number,
            $kind::Var($a, $k) => $var,
        }
    };
}

impl StoreWriter {
    pub(crate) fn new(data_type: DataType) -> Self {
        match data_type.stored() {
            DataType::Int => Self::Int(Appender::new()),
            DataType::Long => Self::Long(Appender::new()),
            DataType::Float => Self::Float(Appender::new()),
            DataType::Double => Self::Double(Appender::new()),
            _ => Self::Var(ArenaWriter::new(), VarKind::of(data_type)),
        }
    }

    pub(crate) fn reader(&self) -> Store {
        match self {
            Self::Int(s) => Store::Int(s.reader()),
            Self::Long(s) => Store::Long(s.reader()),
            Self::Float(s) => Store::Float(s.reader()),
            Self::Double(s) => Store::Double(s.reader()),
            Self::Var(s, kind) => Store::Var(s.reader(), *kind),
        }
    }

    /// Appends a column slice of the stored type; the caller has checked that it is.
    pub(crate) fn extend(&mut self, values: &Values) {
        match (self, values) {
            (Self::Int(s), Values::Int(v)) => s.extend(v),
            (Self::Long(s), Values::Long(v)) => s.extend(v),
            (Self::Float(s), Values::Float(v)) => s.extend(v),
            (Self::Double(s), Values::Double(v)) => s.extend(v),
            (Self::Var(s, _), values) => var::for_each(values, |bytes| s.push(bytes)),
            _ => debug_assert!(false, "values of another type"),
        }
    }

    pub(crate) fn len(&self) -> usize {
        each_store!(Self, self, s => s.len(), (s, _k) => s.len())
    }

    pub(crate) fn publish(&mut self) {
        match self {
            Self::Int(s) => s.publish(),
            Self::Long(s) => s.publish(),
            Self::Float(s) => s.publish(),
            Self::Double(s) => s.publish(),
            Self::Var(..) => {}
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Int(s) => s.len() * 4,
            Self::Long(s) => s.len() * 8,
            Self::Float(s) => s.len() * 4,
            Self::Double(s) => s.len() * 8,
            Self::Var(s, _) => s.memory_bytes(),
        }
    }
}

fn numbers<T: Number>(chunks: &Chunks<T>, docs: &Docs<'_>) -> Values {
    let mut out = Vec::with_capacity(docs.len());
    match docs {
        Docs::Range(range) => chunks.for_range(range.start as usize..range.end as usize, |piece| {
            out.extend_from_slice(piece);
        }),
        Docs::List(list) => chunks.for_list(list, |value| out.push(value)),
    }
    T::wrap(out)
}

impl Store {
    /// The values at positions.
    pub(crate) fn gather(&self, docs: &Docs<'_>) -> Values {
        each_store!(Self, self, s => numbers(s, docs), (arena, kind) => match docs {
            Docs::Range(range) => {
                kind.collect(range.len(), range.clone().map(|doc| arena.get(doc as usize)))
            }
            Docs::List(list) => {
                kind.collect(list.len(), list.iter().map(|doc| arena.get(*doc as usize)))
            }
        })
    }

    /// The values of ids, in any order.
    pub(crate) fn decode(&self, ids: &[u32]) -> Values {
        fn numbers<T: Number>(chunks: &Chunks<T>, ids: &[u32]) -> Values {
            let mut out = Vec::with_capacity(ids.len());
            chunks.for_any(ids, |value| out.push(value));
            T::wrap(out)
        }
        each_store!(Self, self, s => numbers(s, ids), (arena, kind) => {
            kind.collect(ids.len(), ids.iter().map(|id| arena.get(*id as usize)))
        })
    }

    /// The value at a position, typed as the column.
    pub(crate) fn value(&self, index: usize, data_type: DataType) -> Value {
        each_store!(Self, self, s => s.get(index).value(data_type), (arena, kind) => {
            kind.value(arena.get(index), data_type)
        })
    }
}
