//! Where an oplog begins that goes with a dump, and whether that beginning still holds.

use crate::{Error, Result, Stop};
use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use mongoark_deployment::oplog::{self, Mark, Position, Start};
use mongoark_deployment::{Error as DeploymentError, ErrorKind, Patience, Source};
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

    /// As a document, for the checkpoints of a dump.
    pub(crate) fn to_document(&self) -> Document {
        let Start { first, term, is_open, seen } = self.start;
        let mut document = doc! { "first": first, "term": term, "isOpen": is_open, "seen": seen, "rollbackId": self.rollback_id };
        if let Some(id) = &self.initial_sync {
            document.insert("initialSync", Binary { subtype: BinarySubtype::Generic, bytes: id.clone() });
        }
        document
    }

    /// From such a document; an error names what is wrong with it.
    pub(crate) fn from_document(document: &Document) -> std::result::Result<Self, bson::error::Error> {
        let start = Start {
            first: document.get_timestamp("first")?,
            term: document.get_i64("term")?,
            is_open: document.get_bool("isOpen")?,
            seen: document.get_timestamp("seen")?,
        };
        let initial_sync = document.get_binary_generic("initialSync").ok().cloned();
        Ok(Self { start, rollback_id: document.get_i32("rollbackId")?, initial_sync })
    }

    /// An error where the member cannot be read on with: it has rolled back, was synced anew, or its oplog does not reach
    /// back to the first entry any more.
    pub(crate) async fn check_reaches_back(&self, source: &Source) -> Result<()> {
        self.check_rollback(&oplog::position(source).await?)?;
        if oplog::term_of(source, self.start.first).await? == Some(self.start.term) {
            return Ok(());
        }
        let oldest = oplog::oldest(source).await?.into();
        Err(Error::OplogLost { needed: self.first(), oldest })
    }

    /// The same beginning on another member, or in another life of the same one, that has all that was read before it was lost:
    /// everything up to `mark`. Waits until the member has applied that.
    pub(crate) async fn elsewhere(&self, source: &Source, mark: &Mark, stop: &Stop) -> Result<Self> {
        // Asked for first: a rollback behind the checks shows in the end.
        let rollback_id = oplog::position(source).await?.rollback_id;
        let initial_sync = oplog::initial_sync(source).await?;
        let moved = Self { start: self.start, rollback_id, initial_sync };
        moved.check_reaches_back(source).await?;
        let mut patience = Patience::default();
        loop {
            stop.check()?;
            let applied = oplog::position(source).await?.last_applied;
            let has = oplog::has(source, mark).await?;
            if has && applied >= mark.time {
                return Ok(moved);
            }
            // Until it has come past that time, the entry may be on its way.
            if applied > mark.time || !patience.pause().await {
                let lacks = if has { "it has not applied" } else { "its oplog does not have" };
                let message =
                    format!("{lacks} the entry at {}, which was read before", Timestamp::from(mark.time));
                let action = "read the dump on there";
                return Err(DeploymentError::new(ErrorKind::Unsupported, action, message).into());
            }
        }
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
