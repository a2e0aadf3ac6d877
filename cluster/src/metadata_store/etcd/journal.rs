//! Batches that are larger than a transaction of etcd.
//!
//! Must not know: what the values mean. Invariants: a batch counts from the moment at which its journal is marked as whole;
//! carrying a journal out twice does what once does.

use serde::{Deserialize, Serialize};

use super::{BATCH, BATCH_BYTES, EtcdStore, failed, wrong};
use crate::metadata_store::shared::Term;
use crate::metadata_store::{Expect, MetadataStore, StoreError, Write};

/// Pieces of a journal.
const PIECES: &str = "journal/pieces/";
/// Says that a journal is whole; its value is the number of pieces.
const WHOLE: &str = "journal/whole";
/// Bytes of a piece.
const PIECE_BYTES: usize = BATCH_BYTES / 2;

/// One write as a journal has it; expectations were looked at before.
#[derive(Serialize, Deserialize)]
struct Noted {
    key: String,
    value: Option<Vec<u8>>,
}

/// Writes a large batch: its journal, the mark, then its writes in transactions.
pub(super) async fn write(
    store: &EtcdStore,
    term: Option<&Term>,
    batch: &[Write],
) -> Result<u64, StoreError> {
    if batch.iter().any(|write| write.expect != Expect::Any) {
        return Err(wrong(
            "write a large batch",
            "its writes must not expect anything",
        ));
    }
    let noted: Vec<Noted> = batch
        .iter()
        .map(|write| Noted {
            key: write.key.clone(),
            value: write.value.clone(),
        })
        .collect();
    let text = serde_json::to_vec(&noted).map_err(failed("write a journal"))?;
    let mut pieces = 0_usize;
    for piece in text.chunks(PIECE_BYTES) {
        let put = Write::put(format!("{PIECES}{pieces:06}"), piece.to_vec());
        store.transaction(term, &[put], Vec::new()).await?;
        pieces = pieces.saturating_add(1);
    }
    let mark = Write::put(WHOLE.to_owned(), pieces.to_string().into_bytes());
    store.transaction(term, &[mark], Vec::new()).await?;
    carry_out(store, term, batch, pieces).await
}

async fn carry_out(
    store: &EtcdStore,
    term: Option<&Term>,
    batch: &[Write],
    pieces: usize,
) -> Result<u64, StoreError> {
    let mut part: Vec<Write> = Vec::new();
    let mut bytes = 0_usize;
    for write in batch {
        let size = write.value.as_ref().map_or(0, Vec::len);
        if part.len() >= BATCH || bytes.saturating_add(size) > BATCH_BYTES {
            store.transaction(term, &part, Vec::new()).await?;
            part.clear();
            bytes = 0;
        }
        bytes = bytes.saturating_add(size);
        part.push(write.clone());
    }
    store.transaction(term, &part, Vec::new()).await?;
    let done = [Write::delete(WHOLE.to_owned())];
    let revision = store.transaction(term, &done, Vec::new()).await?;
    let gone: Vec<Write> = (0..pieces)
        .map(|n| Write::delete(format!("{PIECES}{n:06}")))
        .collect();
    for part in gone.chunks(BATCH) {
        store.transaction(term, part, Vec::new()).await?;
    }
    Ok(revision)
}

/// Completes a journal that is whole; a part of one is nothing.
pub(super) async fn settle(store: &EtcdStore, term: &Term) -> Result<(), StoreError> {
    let doing = "complete what the leader before had begun to write";
    let Some(mark) = store.get(WHOLE).await? else {
        return Ok(());
    };
    let pieces: usize = String::from_utf8_lossy(&mark.value)
        .parse()
        .map_err(failed(doing))?;
    let mut text = Vec::new();
    for (_, piece) in store.list(PIECES).await?.into_iter().take(pieces) {
        text.extend(piece.value);
    }
    let noted: Vec<Noted> = serde_json::from_slice(&text).map_err(failed(doing))?;
    let batch: Vec<Write> = noted
        .into_iter()
        .map(|noted| Write {
            key: noted.key,
            value: noted.value,
            expect: Expect::Any,
        })
        .collect();
    carry_out(store, Some(term), &batch, pieces).await?;
    Ok(())
}
