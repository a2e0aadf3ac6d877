//! The hash table of a growing dictionary: one writer inserts, anyone finds, without locks.
//!
//! A cell holds a 32-bit tag (the value itself for 32-bit types, else the upper half of its hash) and the id plus one.
//! Must not know: values. Invariant: an id that was published is found in whichever table a reader holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

const FIRST_BITS: u32 = 10;

/// One size of the table.
pub(crate) struct Table {
    cells: Box<[AtomicU64]>,
    shift: u32,
}

impl Table {
    fn new(bits: u32) -> Self {
        Self {
            cells: (0..1_usize << bits).map(|_| AtomicU64::new(0)).collect(),
            shift: u32::BITS - bits,
        }
    }

    #[inline]
    fn start(&self, tag: u32) -> usize {
        // A shift by 32 would be the table of one cell, which does not exist.
        (tag.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }

    /// The id of a tag for which `same` holds, or the cell where it belongs.
    #[inline]
    pub(crate) fn find(&self, tag: u32, mut same: impl FnMut(u32) -> bool) -> Result<u32, usize> {
        let mask = self.cells.len() - 1;
        let mut at = self.start(tag);
        loop {
            let cell = self.cells[at & mask].load(Ordering::Acquire);
            if cell == 0 {
                return Err(at & mask);
            }
            if (cell >> 32) as u32 == tag {
                let id = (cell as u32).wrapping_sub(1);
                if same(id) {
                    return Ok(id);
                }
            }
            at += 1;
        }
    }
}

/// The writer's side.
pub(crate) struct TableWriter {
    table: Arc<Table>,
    shared: Arc<ArcSwap<Table>>,
    len: usize,
}

impl TableWriter {
    pub(crate) fn new() -> Self {
        let table = Arc::new(Table::new(FIRST_BITS));
        Self {
            shared: Arc::new(ArcSwap::new(Arc::clone(&table))),
            table,
            len: 0,
        }
    }

    pub(crate) fn reader(&self) -> Arc<ArcSwap<Table>> {
        Arc::clone(&self.shared)
    }

    #[inline]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Puts an id into the empty cell that `find` answered.
    #[inline]
    pub(crate) fn insert(&mut self, cell: usize, tag: u32, id: u32) {
        let word = (u64::from(tag) << 32) | u64::from(id.wrapping_add(1));
        self.table.cells[cell].store(word, Ordering::Release);
        self.len += 1;
        if self.len * 2 > self.table.cells.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let bits = (self.table.cells.len().trailing_zeros() + 1).min(31);
        let larger = Table::new(bits);
        let mask = larger.cells.len() - 1;
        for cell in &self.table.cells {
            let word = cell.load(Ordering::Relaxed);
            if word == 0 {
                continue;
            }
            let mut at = larger.start((word >> 32) as u32);
            while larger.cells[at & mask].load(Ordering::Relaxed) != 0 {
                at += 1;
            }
            larger.cells[at & mask].store(word, Ordering::Relaxed);
        }
        self.table = Arc::new(larger);
        self.shared.store(Arc::clone(&self.table));
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.table.cells.len() * size_of::<AtomicU64>()
    }
}
