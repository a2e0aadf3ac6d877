//! Upsert over growing and sealed segments, against a plain replay of the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Schema, TableConfig, Value};
use segment::build::{self, BuildSettings};
use segment::{Docs, MutableSegment, RowBatch, SealedSegment, SegmentWriter};
use serde_json::json;

use super::{Keys, Replaces, Target};
use crate::segments::SegmentSet;

type Outcome = Result<(), Box<dyn std::error::Error>>;

struct Fixture {
    schema: Schema,
    config: TableConfig,
    keys: Keys,
    segments: SegmentSet,
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(upsert: &serde_json::Value) -> Result<Self, Box<dyn std::error::Error>> {
        let schema: Schema = serde_json::from_value(json!({
            "schemaName": "t",
            "dimensionFieldSpecs": [
                {"name": "id", "dataType": "STRING"}, {"name": "gone", "dataType": "BOOLEAN"}],
            "metricFieldSpecs": [{"name": "v", "dataType": "LONG"}],
            "dateTimeFieldSpecs": [{"name": "ts", "dataType": "LONG", "format": "EPOCH", "granularity": "1:MILLISECONDS"}],
            "primaryKeyColumns": ["id"],
        }))?;
        let dedup = upsert.get("dedupEnabled").is_some();
        let section = if dedup { "dedupConfig" } else { "upsertConfig" };
        let config: TableConfig = serde_json::from_value(json!({
            "tableName": "t_REALTIME", "tableType": "REALTIME",
            "segmentsConfig": {"timeColumnName": "ts"},
            "tableIndexConfig": {"sortedColumn": ["v"], "nullHandlingEnabled": true},
            (section): upsert,
        }))?;
        let folder = tempfile::tempdir()?;
        let keys = Keys::new(&schema, &config, folder.path()).ok_or("no keys")?;
        Ok(Self {
            schema,
            config,
            keys,
            segments: SegmentSet::default(),
            folder,
        })
    }

    fn open(&self, sequence: u32) -> Result<SegmentWriter, Box<dyn std::error::Error>> {
        let name = format!("t__0__{sequence}__20240501T0930Z");
        let (writer, segment) = MutableSegment::create(&name, &self.schema, &self.config)?;
        self.keys.begin(&self.schema, &self.segments, &segment);
        Ok(writer)
    }

    fn take(&self, writer: &mut SegmentWriter, rows: &[(String, bool, i64, i64)]) -> Outcome {
        let mut batch = RowBatch::new(&self.schema)?;
        for (id, gone, v, ts) in rows {
            for ((_, field), column) in self.schema.fields.iter().zip(batch.columns_mut()) {
                column.push(&match field.name.as_str() {
                    "id" => Value::String(id.clone()),
                    "gone" => Value::Boolean(*gone),
                    "v" => Value::Long(*v),
                    _ => Value::Long(*ts),
                });
            }
        }
        let plan = self.keys.plan();
        let target = Target {
            plan: &plan,
            schema: &self.schema,
            writer,
            now_ms: 0,
        };
        self.keys.partition(0).take(target, &mut batch)?;
        Ok(())
    }

    fn seal(&self, writer: &SegmentWriter) -> Outcome {
        let name = writer.segment().name().to_owned();
        let path = self.folder.path().join(&name);
        let settings = BuildSettings {
            name,
            ..BuildSettings::default()
        };
        let snapshot = writer.segment().snapshot();
        let built = build::seal(
            snapshot.as_ref(),
            &self.schema,
            &self.config,
            &settings,
            &path,
        )?;
        let sealed = Arc::new(SealedSegment::open(&path)?);
        let replaces = Replaces::Same(built.order.as_deref());
        self.keys
            .put(&self.schema, &self.segments, &sealed, &replaces);
        Ok(())
    }

    /// What queries see: value by key.
    fn seen(&self) -> BTreeMap<String, Vec<i64>> {
        let names: Vec<String> = self.segments.all().keys().cloned().collect();
        let pinned = self.keys.pin(&self.segments, &names);
        let mut seen: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for segment in pinned.segments {
            for row in segment.valid_docs().unwrap_or_default().iter() {
                let cell = |name: &str| {
                    let column = segment.column(name);
                    column.map(|c| {
                        c.values(Docs::List(&[row]))
                            .get(0, c.column_type().data_type)
                    })
                };
                let id = cell("id").and_then(|v| v.as_str().map(str::to_owned));
                let v = cell("v").and_then(|v| v.as_i64());
                seen.entry(id.unwrap_or_default())
                    .or_default()
                    .push(v.unwrap_or_default());
            }
        }
        seen
    }
}

#[test]
fn every_key_is_seen_once_while_segments_seal_and_load_again() -> Outcome {
    let fixture = Fixture::new(&json!({"mode": "FULL", "deleteRecordColumn": "gone"}))?;
    let mut model: BTreeMap<String, (i64, bool, i64)> = BTreeMap::new();
    let mut random = 11_u64;
    let mut writer = fixture.open(0)?;
    for step in 0..60 {
        let mut rows = Vec::new();
        for _ in 0..40 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let id = format!("k{}", (random >> 33) % 97);
            let (ts, v) = ((random >> 20) as i64 % 500, (random >> 12) as i64 % 1000);
            let gone = random.is_multiple_of(9);
            if model.get(&id).is_none_or(|(known, ..)| ts >= *known) {
                model.insert(id.clone(), (ts, gone, v));
            }
            rows.push((id, gone, v, ts));
        }
        fixture.take(&mut writer, &rows)?;
        let expected: BTreeMap<String, Vec<i64>> = model
            .iter()
            .filter(|(_, (_, gone, _))| !gone)
            .map(|(id, (_, _, v))| (id.clone(), vec![*v]))
            .collect();
        assert_eq!(fixture.seen(), expected, "step {step}");
        if step % 7 == 6 {
            // The next segment takes rows before this one is sealed.
            let sealing = std::mem::replace(&mut writer, fixture.open(step / 7 + 1)?);
            fixture.take(&mut writer, &[("extra".to_owned(), false, 1, step.into())])?;
            model.insert("extra".to_owned(), (step.into(), false, 1));
            fixture.seal(&sealing)?;
        }
    }
    // A restart: the sealed segments come in any order, into an empty index.
    let again = Fixture::new(&json!({"mode": "FULL", "deleteRecordColumn": "gone"}))?;
    fixture.seal(&writer)?;
    let mut paths: Vec<_> = std::fs::read_dir(fixture.folder.path())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .collect();
    paths.sort();
    paths.reverse();
    for path in paths {
        let sealed = Arc::new(SealedSegment::open(&path)?);
        let keys = &again.keys;
        keys.put(&again.schema, &again.segments, &sealed, &Replaces::Other);
    }
    assert_eq!(again.seen(), fixture.seen());
    Ok(())
}

#[test]
fn segments_that_come_together_are_as_those_that_come_one_by_one() -> Outcome {
    let upsert = json!({"mode": "FULL", "deleteRecordColumn": "gone"});
    let (fixture, mut random) = (Fixture::new(&upsert)?, 5_u64);
    for sequence in 0..6 {
        let mut writer = fixture.open(sequence)?;
        let rows = (0..300).map(|_| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (ts, v) = ((random >> 20) as i64 % 90, (random >> 12) as i64 % 1000);
            let id = format!("k{}", (random >> 33) % 211);
            (id, random.is_multiple_of(9), v, ts)
        });
        fixture.take(&mut writer, &rows.collect::<Vec<_>>())?;
        fixture.seal(&writer)?;
    }
    let open = |name: &String| SealedSegment::open(&fixture.folder.path().join(name)).map(Arc::new);
    let all = fixture.segments.all();
    let sealed = all.keys().map(open).collect::<Result<Vec<_>, _>>()?;
    let (single, together) = (Fixture::new(&upsert)?, Fixture::new(&upsert)?);
    for segment in &sealed {
        let (keys, segments) = (&single.keys, &single.segments);
        keys.put(&single.schema, segments, segment, &Replaces::Other);
    }
    // The first is there, then the others wait for each other, the youngest before the older ones.
    let (keys, segments) = (&together.keys, &together.segments);
    keys.put(&together.schema, segments, &sealed[0], &Replaces::Other);
    for segment in sealed[2..].iter().rev() {
        keys.partition(0).arrive(segment);
    }
    keys.put(&together.schema, segments, &sealed[1], &Replaces::Other);
    assert_eq!(segments.all().len(), sealed.len());
    assert_eq!(together.seen(), single.seen());
    // Once more, as a reload brings them.
    for segment in sealed.iter().rev() {
        keys.partition(0).arrive(segment);
    }
    keys.put(&together.schema, segments, &sealed[3], &Replaces::Other);
    assert_eq!(together.seen(), single.seen());
    Ok(())
}

#[test]
fn a_segment_that_is_consumed_again_gives_back_what_it_replaced() -> Outcome {
    let fixture = Fixture::new(&json!({"mode": "FULL"}))?;
    let row = |id: &str, v: i64, ts: i64| (id.to_owned(), false, v, ts);
    let mut first = fixture.open(0)?;
    fixture.take(&mut first, &[row("a", 1, 1), row("b", 2, 1)])?;
    fixture.seal(&first)?;
    let mut second = fixture.open(1)?;
    fixture.take(&mut second, &[row("a", 10, 2)])?;
    let mut second = fixture.open(1).inspect(|_| drop(second))?;
    assert_eq!(fixture.seen()["a"], [1]);
    fixture.take(&mut second, &[row("a", 10, 2)])?;
    assert_eq!(fixture.seen()["a"], [10]);
    let name = second.segment().name().to_owned();
    fixture
        .keys
        .remove(&fixture.schema, &fixture.segments, &name);
    assert_eq!(fixture.seen()["a"], [1]);
    // Whoever still writes to a segment that was taken away changes nothing any more.
    fixture.take(&mut second, &[row("a", 100, 9)])?;
    assert_eq!(fixture.seen()["a"], [1]);
    Ok(())
}

#[test]
fn increments_meet_rows_of_the_batch_and_of_sealed_segments() -> Outcome {
    let upsert = json!({"mode": "PARTIAL", "partialUpsertStrategies": {"v": "INCREMENT"}});
    let fixture = Fixture::new(&upsert)?;
    let row = |v: i64, ts: i64| ("a".to_owned(), false, v, ts);
    let mut first = fixture.open(0)?;
    fixture.take(&mut first, &[row(1, 1), row(2, 2), row(4, 3), row(100, 1)])?;
    assert_eq!(fixture.seen()["a"], [7]);
    fixture.seal(&first)?;
    let mut second = fixture.open(1)?;
    fixture.take(&mut second, &[row(8, 4)])?;
    assert_eq!(fixture.seen()["a"], [15]);
    Ok(())
}

#[test]
fn dedup_keeps_the_first_row() -> Outcome {
    let mut fixture = Fixture::new(&json!({"mode": "FULL"}))?;
    fixture.config.upsert_config = None;
    fixture.config.dedup_config = Some(json!({"dedupEnabled": true}));
    let folder = fixture.folder.path();
    fixture.keys = Keys::new(&fixture.schema, &fixture.config, folder).ok_or("no keys")?;
    let row = |id: &str, v: i64| (id.to_owned(), false, v, 1);
    let mut first = fixture.open(0)?;
    fixture.take(&mut first, &[row("a", 1), row("a", 2), row("b", 3)])?;
    assert_eq!(first.rows(), 2);
    fixture.seal(&first)?;
    let mut second = fixture.open(1)?;
    fixture.take(&mut second, &[row("b", 4), row("c", 5)])?;
    assert_eq!(second.rows(), 1);
    Ok(())
}

#[test]
fn keys_that_were_forgotten_stay_forgotten_after_a_restart() -> Outcome {
    let upsert = json!({"mode": "FULL", "metadataTTL": 100});
    let fixture = Fixture::new(&upsert)?;
    let row = |id: &str, v: i64, ts: i64| (id.to_owned(), false, v, ts);
    let mut first = fixture.open(0)?;
    fixture.take(&mut first, &[row("a", 1, 0), row("b", 2, 450)])?;
    fixture.seal(&first)?;
    let mut second = fixture.open(1)?;
    fixture.take(&mut second, &[row("c", 3, 500)])?;
    fixture.seal(&second)?;
    let mut third = fixture.open(2)?;
    fixture.take(&mut third, &[row("a", 10, 501), row("b", 20, 501)])?;
    fixture.seal(&third)?;
    let _fourth = fixture.open(3)?;
    assert_eq!(fixture.seen()["a"], [1, 10]);
    assert_eq!(fixture.seen()["b"], [20]);
    let again = Fixture {
        keys: Keys::new(&fixture.schema, &fixture.config, fixture.folder.path())
            .ok_or("no keys")?,
        ..Fixture::new(&upsert)?
    };
    for name in fixture.segments.all().keys().take(3) {
        let sealed = Arc::new(SealedSegment::open(&fixture.folder.path().join(name))?);
        let keys = &again.keys;
        keys.put(&again.schema, &again.segments, &sealed, &Replaces::Other);
    }
    assert_eq!(again.seen(), fixture.seen());
    Ok(())
}

#[test]
fn a_key_that_is_too_old_for_dedup_is_new_again() -> Outcome {
    let table = Fixture::new(&json!({"dedupEnabled": true, "metadataTTL": 100}))?;
    let mut writer = table.open(0)?;
    let row = |id: &str, ts: i64| (id.to_owned(), false, ts, ts);
    table.take(&mut writer, &[row("a", 1000), row("a", 1050)])?;
    table.take(
        &mut writer,
        &[row("b", 1150), row("a", 1160), row("a", 1170)],
    )?;
    assert_eq!(writer.rows(), 3);
    Ok(())
}
