//! `RefreshSegmentTask`: segments older than the last change of schema or config are written anew, so that the deep store has them as
//! servers would build them.
//!
//! Must not know: servers. Invariant: rows stay.

use async_trait::async_trait;

use super::{Keep, Rewrite, TaskType, View, Work};
use crate::error::ControllerError;

pub(super) struct Refresh;

#[async_trait]
impl TaskType for Refresh {
    fn name(&self) -> &'static str {
        "RefreshSegmentTask"
    }

    async fn plan(&self, view: &View<'_>) -> Result<Vec<Work>, ControllerError> {
        let old = view
            .sealed()
            .filter(|s| s.pushed_ms.max(s.created_ms) < view.modified_ms);
        let works = old.map(|segment| {
            Work::Rewrite(Rewrite {
                segments: vec![(segment.name.clone(), segment.crc)],
                keep: Keep::All,
            })
        });
        Ok(works.collect())
    }
}
