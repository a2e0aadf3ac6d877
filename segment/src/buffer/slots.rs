//! A growing array of 32-bit cells that one writer sets and anyone reads: heads and links of posting lists.
//!
//! Must not know: what the cells mean. Invariant: a cell that was never set reads as 0.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const BASE_BITS: u32 = 10;
const BUCKETS: usize = 23;

/// The cells.
pub(crate) struct Slots {
    buckets: [OnceLock<Box<[AtomicU32]>>; BUCKETS],
}

#[inline]
fn locate(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + (1 << BASE_BITS);
    let top = u64::BITS - 1 - shifted.leading_zeros();
    ((top - BASE_BITS) as usize, (shifted - (1 << top)) as usize)
}

impl Slots {
    /// Every cell 0.
    pub(crate) fn new() -> Self {
        Self {
            buckets: [const { OnceLock::new() }; BUCKETS],
        }
    }

    /// Reads a cell; sees everything that was written before it was set.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> u32 {
        let (bucket, offset) = locate(index);
        self.buckets[bucket]
            .get()
            .and_then(|cells| cells.get(offset))
            .map_or(0, |cell| cell.load(Ordering::Acquire))
    }

    /// Sets a cell and answers what it held.
    #[inline]
    pub(crate) fn replace(&self, index: u32, value: u32) -> u32 {
        let (bucket, offset) = locate(index);
        let cells = self.buckets[bucket].get_or_init(|| {
            let size = 1_usize << (BASE_BITS as usize + bucket);
            (0..size).map(|_| AtomicU32::new(0)).collect()
        });
        let Some(cell) = cells.get(offset) else {
            return 0;
        };
        // One writer: a load and a store are enough.
        let old = cell.load(Ordering::Relaxed);
        cell.store(value, Ordering::Release);
        old
    }
}
