//! A segment of which only some rows count.
//!
//! Must not know: keys. Invariant: everything but the rows that count is the inner segment's.

use std::sync::Arc;

use roaring::RoaringBitmap;
use segment::{Column, Segment};

/// The segment.
pub(crate) struct Masked {
    pub(crate) inner: Arc<dyn Segment>,
    pub(crate) valid: Arc<RoaringBitmap>,
}

impl Segment for Masked {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn doc_count(&self) -> u32 {
        self.inner.doc_count()
    }

    fn valid_docs(&self) -> Option<Arc<RoaringBitmap>> {
        Some(Arc::clone(&self.valid))
    }

    fn column(&self, name: &str) -> Option<&dyn Column> {
        self.inner.column(name)
    }

    fn column_names(&self) -> Vec<String> {
        self.inner.column_names()
    }

    fn time_range_ms(&self) -> Option<(i64, i64)> {
        self.inner.time_range_ms()
    }

    fn is_consuming(&self) -> bool {
        self.inner.is_consuming()
    }

    fn last_indexed_ms(&self) -> Option<i64> {
        self.inner.last_indexed_ms()
    }
}
