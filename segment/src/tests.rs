//! What crosses modules of this crate: rows in, snapshot, file, and the same rows out.

use roaring::RoaringBitmap;

use crate::build::{BuildSettings, seal};
use crate::testing::{Table, indexes_agree, reads_as};
use crate::{Docs, SealedSegment, Segment};

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

/// The usual indexes on every column that may have them.
fn indexed(seed: u64, rows: usize) -> Table {
    let names: Vec<String> = table(seed, 0, serde_json::json!({}))
        .schema
        .fields
        .iter()
        .map(|(_, field)| field.name.clone())
        .filter(|name| !name.starts_with("m_"))
        .collect();
    let settings = serde_json::json!({
        "invertedIndexColumns": names, "rangeIndexColumns": names, "bloomFilterColumns": names
    });
    table(seed, rows, settings)
}

#[test]
fn indexes_answer_as_a_scan() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (seed, rows) in [(1, 0), (2, 1), (3, 100), (4, 1500), (5, 9000)] {
        let table = indexed(seed, rows);
        let snapshot = table.mutable()?.snapshot();
        let path = folder.path().join("s");
        table.seal(&*snapshot, &path)?;
        let sealed = SealedSegment::open(&path)?;
        let mut answered = 0;
        for name in sealed.column_names() {
            for (form, segment) in [("mutable", &*snapshot), ("sealed", &sealed as &dyn Segment)] {
                let column = segment.column(&name).ok_or("missing")?;
                answered += indexes_agree(column, segment.doc_count(), seed)
                    .map_err(|e| format!("{form} {name}, {rows} rows: {e}"))?;
            }
        }
        assert!(rows < 100 || answered > 1000, "{answered}");
    }
    Ok(())
}

#[test]
fn sorted_and_thinned_segments() -> Outcome {
    let folder = tempfile::tempdir()?;
    for name in ["d_sv_int", "d_sv_string", "r_sv_double"] {
        let table = table(11, 800, serde_json::json!({"sortedColumn": [name]}));
        let at = table
            .schema
            .fields
            .iter()
            .position(|(_, f)| f.name == name)
            .ok_or("no")?;
        let keep: RoaringBitmap = (0..800).filter(|row| row % 3 != 0).collect();
        let mut order: Vec<usize> = keep.iter().map(|row| row as usize).collect();
        order.sort_by(|a, b| table.stored(*a, at).total_cmp(&table.stored(*b, at)));
        let path = folder.path().join(name);
        let settings = BuildSettings {
            keep: Some(keep),
            ..BuildSettings::default()
        };
        let source = table.mutable()?.snapshot();
        seal(&*source, &table.schema, &table.config, &settings, &path)?;
        let sealed = SealedSegment::open(&path)?;
        reads_as(&sealed, &table, &order)?;
        let column = sealed.column(name).ok_or("missing")?;
        assert!(column.stats().sorted);
        if let Some(dictionary) = column.dictionary() {
            let ids = dictionary.len() / 4..dictionary.len() / 2;
            let rows = column.sorted_docs(ids.clone()).ok_or("not sorted")?;
            let mut found = Vec::new();
            column.ids(Docs::Range(0..sealed.doc_count()), &mut found);
            assert_eq!(
                found.iter().filter(|id| ids.contains(id)).count(),
                rows.len()
            );
            assert!(ids.contains(&found[rows.start as usize]));
        }
    }
    Ok(())
}
