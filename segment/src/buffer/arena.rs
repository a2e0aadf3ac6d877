//! Texts and byte strings of a growing column: one arena of bytes, one span a value.
//!
//! Must not know: what the bytes mean. Invariant: a published span lies wholly in one bucket of the arena.

use std::sync::Arc;

use super::chunks::{Appender, Chunks};

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u64,
    len: u32,
}

/// The readers' side.
#[derive(Clone)]
pub(crate) struct Arena {
    spans: Arc<Chunks<Span>>,
    bytes: Arc<Chunks<u8>>,
}

impl Arena {
    /// The bytes of a value; empty where it is not published.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let span = self.spans.get(index);
        let start = span.start as usize;
        self.bytes.piece(start, start + span.len as usize)
    }
}

/// The one writer.
pub(crate) struct ArenaWriter {
    spans: Appender<Span>,
    bytes: Appender<u8>,
}

impl ArenaWriter {
    /// Without values.
    pub(crate) fn new() -> Self {
        Self {
            spans: Appender::new(),
            bytes: Appender::new(),
        }
    }

    /// The readers' side.
    pub(crate) fn reader(&self) -> Arena {
        Arena {
            spans: self.spans.reader(),
            bytes: self.bytes.reader(),
        }
    }

    /// Appends a value; the longest is 4 GiB, anything above is cut.
    #[inline]
    pub(crate) fn push(&mut self, value: &[u8]) {
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        let start = self.bytes.push_run(&value[..len as usize]) as u64;
        // Bytes become readable with their value, so that the writer itself reads through the readers' side.
        self.bytes.publish();
        self.spans.push(Span { start, len });
        self.spans.publish();
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes in use.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<Span>()
    }
}
