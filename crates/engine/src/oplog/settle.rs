//! Where an oplog may end: at the first moment that a majority has in which every cursor had ended.

use super::Beginning;
use crate::{Result, Stop};
use mongoark_deployment::{Source, oplog};
use mongoark_model::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is asked whether the last entry has reached a majority.
const POLL: Duration = Duration::from_millis(100);
/// How long the majority may stand still.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the oplog stands once all collections are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// What cursors have read is of this time at the latest.
    pub(crate) consistent: Timestamp,
    /// A majority has everything up to here. Before `consistent` only where that majority stands still.
    pub(crate) committed: Timestamp,
}

impl Settled {
    /// Whether nothing that cursors have read can be rolled back.
    pub(crate) fn is_committed(&self) -> bool {
        self.committed >= self.consistent
    }
}

/// To be asked after the last cursor has ended: waits until a majority has what is applied now, or until that
/// majority has not moved for half a minute.
pub(crate) async fn settle(source: &Source, beginning: &Beginning, stop: &Stop) -> Result<Settled> {
    // What cursors see is in the oplog a moment before it counts as applied.
    let written = oplog::last(source).await?;
    let consistent = oplog::position(source).await?.last_applied.max(written);
    let mut committed = None;
    let mut moved = Instant::now();
    loop {
        stop.check()?;
        let now = oplog::position(source).await?;
        beginning.check_rollback(&now)?;
        let stands_still = committed == Some(now.last_committed) && moved.elapsed() > PATIENCE;
        if now.last_committed >= consistent || stands_still {
            return Ok(Settled { consistent: consistent.into(), committed: now.last_committed.into() });
        }
        if committed != Some(now.last_committed) {
            (committed, moved) = (Some(now.last_committed), Instant::now());
        }
        sleep(POLL).await;
    }
}
