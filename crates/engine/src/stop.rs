//! A request to stop, which every loop of a run looks at between two pieces of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Clones share the request.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to stop; work that is under way is finished first.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once the run was asked to stop.
    pub(crate) fn check(&self) -> crate::Result<()> {
        if self.is_requested() { Err(crate::Error::Interrupted) } else { Ok(()) }
    }

    /// The same where another part's failure asked for it, and is the cause.
    pub(crate) fn check_consequence(&self) -> crate::Result<()> {
        if self.is_requested() { Err(crate::Error::PipelineClosed("the run")) } else { Ok(()) }
    }
}
