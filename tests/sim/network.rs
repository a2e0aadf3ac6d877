//! Calls of the controller that may not arrive, may not be answered, or be given up in the middle.
//!
//! Must not know: what is asked. Invariant: what was answered was done by a controller that ran when it did it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use controller::Quiet;
use proto::{ControllerService, ServiceError};

use super::stores::Weather;

/// A run of the controller.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) controller: Rc<Quiet>,
    pub(crate) over: Arc<AtomicBool>,
}

/// The way to the controller.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) run: Rc<RefCell<Option<Run>>>,
    pub(crate) weather: Weather,
}

fn unreachable() -> ServiceError {
    ServiceError::Unreachable("controller".to_owned())
}

impl Network {
    /// One call.
    pub(crate) async fn call<T, F>(
        &self,
        ask: impl FnOnce(Arc<dyn ControllerService>) -> F,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        self.weather.pause().await;
        let Some(run) = self.run.borrow().clone() else {
            return Err(unreachable());
        };
        if self.weather.fails(8) {
            return Err(unreachable());
        }
        // Whoever asked goes away after so many turns: the controller drops what it was doing, wherever it is.
        let mut patience = if self.weather.fails(6) {
            self.weather.random.below(4)
        } else {
            u64::MAX
        };
        let mut asked = pin!(ask(run.controller.service()));
        let answer = std::future::poll_fn(|context| {
            if run.over.load(Ordering::Relaxed) || patience == 0 {
                return Poll::Ready(Err(unreachable()));
            }
            patience -= 1;
            asked.as_mut().poll(context)
        })
        .await;
        if answer.is_ok() && self.weather.fails(8) {
            return Err(unreachable());
        }
        answer
    }
}
