//! Dimension tables that LOOKUP reads, in memory by primary key.
//!
//! Must not know: functions. Invariant: a lookup reads one version of a table's segments; a version is read into memory once,
//! when it is asked for first.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use functions::FunctionError;
use functions::scalar::lookup::{DimensionTable, DimensionTables, missing};
use parking_lot::Mutex;
use query::dimension::DimensionRows;

use crate::segments::SegmentMap;
use crate::shared::Shared;

/// What was read of a table, with the segments that it was read from.
type Read = (Arc<SegmentMap>, Arc<DimensionRows>);

/// Dimension tables that were read.
#[derive(Default)]
pub(crate) struct DimensionCache(Mutex<HashMap<String, Read>>);

/// The dimension tables of a server.
pub(crate) struct HeldTables(pub(crate) Weak<Shared>);

impl DimensionTables for HeldTables {
    fn table(&self, name: &str) -> Result<Arc<dyn DimensionTable>, FunctionError> {
        let shared = self.0.upgrade().ok_or_else(|| missing(name))?;
        let full = format!("{name}_OFFLINE");
        let table = shared
            .tables
            .get(&full)
            .filter(|table| table.view().config.is_dim_table)
            .ok_or_else(|| missing(name))?;
        let segments = table.segments.all();
        let mut read = shared.dimensions.0.lock();
        if let Some((of, rows)) = read.get(&full)
            && Arc::ptr_eq(of, &segments)
        {
            return Ok(Arc::clone(rows) as Arc<dyn DimensionTable>);
        }
        let held = segments.values().map(|held| held.snapshot()).collect();
        let rows = Arc::new(DimensionRows::load(&table.view().schema, held)?);
        read.insert(full, (segments, Arc::clone(&rows)));
        Ok(rows)
    }
}
