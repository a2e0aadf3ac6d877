//! A metadata store that several controllers share: one of them holds the seat of the leader, and only it writes.
//!
//! Must not know: what the values mean, who wants the seat. Invariants: a seat has one holder at a time; a write in a term is
//! refused once that term has ended, whatever its holder believes; followers see every write, in order, or are told to look anew.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{MetadataStore, StoreError, Versioned, Write};

/// The key of the seat: its value tells who holds it.
pub const SEAT: &str = "leader";

/// One holding of the seat. Terms of later holders are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The revision that took the seat.
    pub number: u64,
    /// What keeps it, known to the store.
    pub lease: i64,
}

/// Keys that changed together; a value of `None` is a key that is gone.
pub type Step = Vec<(String, Option<Vec<u8>>)>;

/// Everything at one moment, and what comes after it. A channel that ends says that steps were missed: look anew.
pub struct Followed {
    /// The revision of `entries`.
    pub revision: u64,
    /// Every key, in order.
    pub entries: Vec<(String, Versioned)>,
    /// Revision and keys of each later write.
    pub steps: mpsc::Receiver<(u64, Step)>,
}

/// A metadata store with a seat for a leader.
#[async_trait]
pub trait SharedStore: MetadataStore {
    /// Takes the seat where nobody holds it; `None` where somebody does.
    async fn take_seat(&self, holder: &str) -> Result<Option<Term>, StoreError>;
    /// Keeps the seat for another while; false where it is lost. Somebody who does not say so often enough loses it.
    async fn keep_seat(&self, term: &Term) -> Result<bool, StoreError>;
    /// Gives the seat up, at once.
    async fn leave_seat(&self, term: &Term) -> Result<(), StoreError>;
    /// Writes a batch as the holder of the seat.
    ///
    /// # Errors
    /// [`StoreError::Deposed`] where the term has ended; nothing is written then.
    async fn write_in(&self, term: &Term, batch: Vec<Write>) -> Result<u64, StoreError>;
    /// Completes what an earlier holder had begun to write. To be called once in a term, before anything is read.
    async fn settle(&self, term: &Term) -> Result<(), StoreError> {
        let _ = term;
        Ok(())
    }
    /// Reads everything and follows what comes.
    async fn follow(&self) -> Result<Followed, StoreError>;
    /// How long a holder who says nothing keeps the seat, milliseconds.
    fn seat_ms(&self) -> u64;
}
