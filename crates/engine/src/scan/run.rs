//! What all readers of a run share: from where, to where, and until when.

use crate::oplog::Following;
use crate::{Result, Stop};
use mongoark_deployment::Source;
use mongoark_deployment::oplog::Level;
use mongoark_monitor::Monitor;
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
}

impl<S> Run<S> {
    /// A run with so many cursors at once.
    pub(crate) fn new(source: &Source, sink: S, cursors: usize, monitor: &Monitor, stop: &Stop) -> Self {
        Self {
            source: source.clone(),
            sink,
            monitor: monitor.clone(),
            stop: stop.clone(),
            abort: Stop::default(),
            parts_max: cursors,
            cursors: Semaphore::new(cursors),
        }
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
