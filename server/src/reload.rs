//! Rebuilds local segments after a reload request, as schema and table config want them now.
//!
//! Must not know: who asked. Invariant: the old segment answers until the rebuilt one takes its place; a rebuilt file keeps the
//! checksum under which the cluster knows the segment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use segment::build::{self, BuildSettings};
use segment::plan::{INDEX_MARK, SegmentPlan, index_mark};
use segment::{SealedSegment, Segment};

use crate::complete;
use crate::error::ServerError;
use crate::load::{self, ORIGIN_CRC};
use crate::shared::Shared;
use crate::tables::Table;
use crate::upsert::Replaces;

/// Starts to rebuild where the cluster asks for it.
pub(crate) fn follow(shared: &Arc<Shared>, table: &Arc<Table>) {
    let wanted = table.view().reload_generation;
    if table.reloaded.swap(wanted, Ordering::SeqCst) >= wanted {
        return;
    }
    let (shared, table) = (Arc::clone(shared), Arc::clone(table));
    let group = Arc::clone(&shared);
    group.tasks.spawn(async move {
        for (name, held) in table.segments.all().iter() {
            let Some(sealed) = held.sealed() else {
                continue;
            };
            let Ok(_permit) = shared.seals.acquire().await else {
                return;
            };
            let (of, from, name) = (Arc::clone(&table), Arc::clone(sealed), name.clone());
            let now = shared.now_ms();
            let rebuilt =
                tokio::task::spawn_blocking(move || rebuild(&of, &from, &name, now)).await;
            match rebuilt {
                Ok(Ok(rebuilt)) => {
                    let (rebuilt, order) = rebuilt;
                    if table.segments.get(rebuilt.name()).is_some() {
                        let replaces = Replaces::Same(order.as_deref());
                        load::publish(&shared, &table, &Arc::new(rebuilt), &replaces);
                    }
                }
                Ok(Err(error)) => {
                    tracing::error!(table = table.name, %error, "a segment cannot be reloaded");
                }
                Err(error) => tracing::error!(%error, "a reload was interrupted"),
            }
        }
        table.reload_done.fetch_max(wanted, Ordering::SeqCst);
        tracing::info!(table = table.name, "segments reloaded");
    });
}

fn rebuild(
    table: &Table,
    from: &SealedSegment,
    name: &str,
    _now_ms: i64,
) -> Result<(SealedSegment, Option<Vec<u32>>), ServerError> {
    let view = table.view();
    let path = table.path(name);
    let partial = load::partial_of(&path);
    let mut custom = from.metadata().custom.clone();
    custom.insert(ORIGIN_CRC.to_owned(), load::known_crc(from).to_string());
    let settings = BuildSettings {
        name: name.to_owned(),
        created_ms: from.metadata().created_ms,
        custom,
        ..BuildSettings::default()
    };
    let built = complete::with_columns(from, &view.schema, &view.config, |whole| {
        build::seal(whole, &view.schema, &view.config, &settings, &partial)
    })??;
    load::settle_file(&partial, &path)?;
    Ok((SealedSegment::open(&path)?, built.order))
}

/// True where a rebuild would change a segment: a column is new, or other indexes are wanted.
pub(crate) fn is_needed(table: &Table, segment: &SealedSegment) -> bool {
    let view = table.view();
    let Ok(plan) = SegmentPlan::new(&view.schema, &view.config) else {
        return false;
    };
    let mark = segment.metadata().custom.get(INDEX_MARK);
    mark.is_some_and(|mark| *mark != index_mark(&view.config))
        || plan
            .columns
            .iter()
            .any(|column| segment.column(&column.name).is_none())
}
