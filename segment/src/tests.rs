//! What crosses modules of this crate: rows in, snapshot, file, and the same rows out.

use crate::testing::{Table, reads_as};
use crate::{SealedSegment, Segment};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn table(seed: u64, rows: usize, settings: serde_json::Value) -> Table {
    Table::random(seed, rows, settings).unwrap()
}

#[test]
fn snapshots_and_files_read_as_the_rows() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (seed, rows) in [(1, 0), (2, 1), (3, 40), (4, 700), (5, 3000)] {
        for codec in ["LZ4", "PASS_THROUGH", "ZSTANDARD", "SNAPPY"] {
            let mut table = table(seed, rows, serde_json::json!({}));
            for name in table
                .config
                .table_index_config
                .no_dictionary_columns
                .clone()
            {
                table
                    .config
                    .table_index_config
                    .no_dictionary_config
                    .insert(name, codec.into());
            }
            let order: Vec<usize> = (0..rows).collect();
            let segment = table.mutable()?;
            reads_as(&*segment.snapshot(), &table, &order)?;
            let path = folder.path().join(format!("{seed}-{codec}"));
            let built = table.seal(&*segment.snapshot(), &path)?;
            let sealed = SealedSegment::open(&path)?;
            sealed.verify()?;
            assert_eq!(sealed.crc(), built.crc);
            assert_eq!(*sealed.metadata(), built.metadata);
            reads_as(&sealed, &table, &order).map_err(|e| format!("{codec} {rows}: {e}"))?;
            assert_eq!(sealed.time_range_ms(), segment.snapshot().time_range_ms());
            let again = folder.path().join("again");
            assert_eq!(table.seal(&sealed, &again)?.crc, built.crc);
            assert!(std::fs::read(&path)? == std::fs::read(&again)?);
        }
    }
    Ok(())
}

#[test]
fn an_old_snapshot_does_not_grow() -> Outcome {
    let table = table(9, 500, serde_json::json!({}));
    let (mut writer, segment) = crate::MutableSegment::create("s", &table.schema, &table.config)?;
    let mut snapshots = Vec::new();
    for (at, batch) in table.batches(50).iter().enumerate() {
        writer.append(batch)?;
        assert_eq!(segment.doc_count() as usize, at * 50);
        writer.publish(at as i64);
        snapshots.push(segment.snapshot());
    }
    for (at, snapshot) in snapshots.iter().enumerate() {
        let order: Vec<usize> = (0..(at + 1) * 50).collect();
        reads_as(&**snapshot, &table, &order)?;
        assert_eq!(snapshot.last_indexed_ms(), Some(at as i64));
    }
    assert!(segment.memory_bytes() > 0);
    Ok(())
}
