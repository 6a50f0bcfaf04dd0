//! Where an oplog begins that goes with a dump, and whether that beginning still holds.

use crate::{Error, Result};
use mongoark_deployment::Source;
use mongoark_deployment::oplog::{self, Position, Start};
use mongoark_model::Timestamp;

/// What was found before anything else was read.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    start: Start,
    rollback_id: i32,
    /// When the member was synced, where that can be known.
    initial_sync: Option<Vec<u8>>,
}

impl Beginning {
    /// Looks where the oplog stands now.
    pub(crate) async fn find(source: &Source) -> Result<Self> {
        let rollback_id = oplog::position(source).await?.rollback_id;
        let initial_sync = oplog::initial_sync(source).await?;
        let start = oplog::start(source).await?;
        Ok(Self { start, rollback_id, initial_sync })
    }

    /// The first entry that is needed.
    pub(crate) fn first(&self) -> Timestamp {
        self.start.first.into()
    }

    /// Whether that entry itself is needed, or only what comes behind it.
    pub(crate) fn needs_first(&self) -> bool {
        self.start.is_open
    }

    /// The effect of everything up to here is in what cursors read that were opened later.
    pub(crate) fn seen(&self) -> Timestamp {
        self.start.seen.into()
    }

    /// An error where the member has rolled back writes since.
    pub(crate) fn check_rollback(&self, now: &Position) -> Result<()> {
        if now.rollback_id == self.rollback_id { Ok(()) } else { Err(Error::RolledBack) }
    }

    /// An error where the member was synced anew, so that it is no longer the one that was read. That the oplog has
    /// rolled over its first entry meanwhile does no harm once that entry was read; but where nothing tells the
    /// one from the other, it has to be there still.
    pub(crate) async fn check_same_member(&self, source: &Source) -> Result<()> {
        if oplog::term_of(source, self.start.first).await? == Some(self.start.term) {
            return Ok(());
        }
        if self.initial_sync.is_some() && oplog::initial_sync(source).await? == self.initial_sync {
            return Ok(());
        }
        let oldest = oplog::oldest(source).await?.into();
        Err(Error::OplogLost { needed: self.first(), oldest })
    }
}
