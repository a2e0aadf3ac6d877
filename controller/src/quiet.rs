//! A controller that nobody reaches over a network and that does nothing by itself: for simulations.
//!
//! Must not know: what is simulated. Invariant: between two calls nothing happens, so that a story can be told again step by step.

use std::sync::Arc;

use common::Schema;
use proto::ControllerService;

use crate::core::Core;
use crate::error::ControllerError;
use crate::service::Service;
use crate::start::{ControllerSettings, open};
use crate::{periodic, tables};

/// The controller.
pub struct Quiet(Arc<Core>);

impl Quiet {
    /// Opens the stores.
    ///
    /// # Errors
    /// Where one cannot be opened.
    pub async fn open(settings: ControllerSettings) -> Result<Self, ControllerError> {
        Ok(Self(open(settings, 1).await?))
    }

    /// What servers and brokers ask.
    #[must_use]
    pub fn service(&self) -> Arc<dyn ControllerService> {
        Arc::new(Service(Arc::clone(&self.0)))
    }

    /// Makes a table with its schema.
    ///
    /// # Errors
    /// Where a rule is broken.
    pub async fn create(&self, schema: Schema, table: &str) -> Result<(), ControllerError> {
        let sent = tables::read_config(table).map_err(ControllerError::Invalid)?;
        tables::create(&self.0, sent, Some(schema)).await
    }

    /// One round of what a controller does by itself: who is silent is gone, and every partition is consumed.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn look_around(&self) -> Result<(), ControllerError> {
        periodic::liveness(&self.0).await?;
        periodic::run(&self.0, "RealtimeSegmentValidationManager", None)
            .await
            .map(drop)
    }
}
