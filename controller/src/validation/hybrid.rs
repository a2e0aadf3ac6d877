//! The rules between the two sides of a hybrid table.
//!
//! Must not know: schemas. Invariant: symmetric.

use common::TableConfig;

use super::{Verdict, refuse};
use crate::tenancy::broker_tenant;

/// Checks a config against its counterpart of the other type.
pub(crate) fn check(config: &TableConfig, other: &TableConfig) -> Verdict {
    let raw = config.raw_name();
    let column = |c: &TableConfig| {
        c.segments_config
            .time_column_name
            .clone()
            .unwrap_or_default()
    };
    let (mine, theirs) = (column(config), column(other));
    refuse(mine != theirs, || {
        format!(
            "Time column names are different for table: {raw}! Offline time column name: {theirs}. Realtime time column name: {mine}"
        )
    })?;
    let (mine, theirs) = (broker_tenant(config), broker_tenant(other));
    refuse(mine != theirs, || {
        format!(
            "Broker Tenants are different for table: {raw}! Offline broker tenant name: {theirs}, Realtime broker tenant name: {mine}"
        )
    })
}
