//! What all readers of a run share: from where, to where, and until when.

use crate::oplog::Following;
use crate::{Result, Stop};
use mongoark_deployment::oplog::Level;
use mongoark_deployment::{Incarnation, Source};
use mongoark_monitor::Monitor;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;

/// A run that reads collections into a sink.
pub(crate) struct Run<S> {
    pub(crate) source: Source,
    /// Where documents go.
    pub(crate) sink: S,
    pub(crate) monitor: Monitor,
    pub(crate) stop: Stop,
    /// Set when one failure ends the run, so that the others end too.
    pub(crate) abort: Stop,
    /// Cursors of one collection at most.
    pub(crate) parts_max: usize,
    /// Cursors that may be read at once.
    pub(crate) cursors: Semaphore,
    /// The life of the member in which cursors are opened from now on.
    incarnation: Mutex<Option<Incarnation>>,
}

impl<S> Run<S> {
    /// A run with so many cursors at once.
    pub(crate) fn new(
        source: &Source,
        incarnation: Option<Incarnation>,
        sink: S,
        cursors: usize,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Self {
        Self {
            incarnation: Mutex::new(incarnation),
            source: source.clone(),
            sink,
            monitor: monitor.clone(),
            stop: stop.clone(),
            abort: Stop::default(),
            parts_max: cursors,
            cursors: Semaphore::new(cursors),
        }
    }

    /// The life of the member in which a cursor that is opened now is.
    pub(crate) fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether places of that life are still good; if not, cursors are opened in another one from now on.
    pub(crate) async fn is_still(&self, incarnation: Option<&Incarnation>) -> Result<bool> {
        let now = self.source.incarnation().await?;
        let is_still = now.as_ref() == incarnation;
        *self.incarnation.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(is_still)
    }

    /// An error once the run is to end.
    pub(crate) fn check(&self) -> Result<()> {
        self.stop.check()?;
        self.abort.check_consequence()
    }

    /// How the oplog is followed beside it.
    pub(crate) fn following(&self, level: Level) -> Following {
        Following {
            source: self.source.clone(),
            level,
            monitor: self.monitor.clone(),
            stop: self.stop.clone(),
            abort: self.abort.clone(),
        }
    }
}
