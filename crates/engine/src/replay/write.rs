//! Inserts, updates and deletes: gathered into batches, sent, and what a server refuses looked at singly.

use super::Replay;
use super::batch::{Operation, doubtful};
use crate::{Error, Result};
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_deployment::{ApplyFailure, Error as DeploymentError};
use mongoark_oplog::{Entry, Error as OplogError, Op};

/// `NamespaceNotFound`.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// `IllegalOperation`: what servers up to 5.0 say to a deletion from a capped collection.
const ILLEGAL_OPERATION: i32 = 20;

impl Replay<'_> {
    /// Queues a write.
    pub(super) async fn write(&mut self, entry: &Entry<'_>) -> Result<()> {
        if self.absent.takes_no(entry) {
            self.done.skipped += 1;
            return Ok(());
        }
        let bytes = entry.operation(self.options.preserve_uuids)?;
        let upsert = self.options.overlap_until.is_none_or(|until| entry.ts.unwrap_or_default() <= until);
        if !self.batch.has_room_for(bytes.len(), upsert) {
            self.flush().await?;
        }
        self.done.applied += 1;
        self.batch.push(Operation { bytes, ts: entry.ts }, upsert);
        if entry.op != Op::Delete && bytes::has_zero_timestamp(entry.object).map_err(OplogError::from)? {
            self.put_zero_timestamps_back(entry).await?;
        }
        Ok(())
    }

    /// A server writes the current time in place of `Timestamp(0, 0)`.
    async fn put_zero_timestamps_back(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.flush().await?;
        if self.absent.takes_no(entry) {
            return Ok(());
        }
        let put_back = self.target.restore_zero_timestamps(&entry.target(), entry.object).await;
        put_back.map_err(|error| unreplayable(entry, error))
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let (mut operations, upsert) = self.batch.take();
        while !operations.is_empty() {
            let Err(failure) = self.target.apply_ops(&operations, upsert).await else { return Ok(()) };
            let ApplyFailure { applied, tried, .. } = *failure;
            let doubtful = doubtful(0, applied, tried, operations.len());
            let end = doubtful.end;
            for operation in &operations[doubtful] {
                self.apply_alone(operation, upsert).await?;
            }
            operations.drain(..end);
            self.drop_those_in_vain(&mut operations)?;
        }
        Ok(())
    }

    /// Takes out operations of which it is known by now that they come to nothing.
    fn drop_those_in_vain(&mut self, operations: &mut Vec<Operation>) -> Result<()> {
        let mut kept = Vec::with_capacity(operations.len());
        for operation in operations.drain(..) {
            if self.absent.takes_no(&Entry::parse(&operation.bytes)?) {
                self.came_to_nothing();
            } else {
                kept.push(operation);
            }
        }
        *operations = kept;
        Ok(())
    }

    /// Applies one write, which may come to nothing for a reason.
    async fn apply_alone(&mut self, operation: &Operation, upsert: bool) -> Result<()> {
        let mut entry = Entry::parse(&operation.bytes)?;
        entry.ts = operation.ts;
        if self.absent.takes_no(&entry) {
            self.came_to_nothing();
            return Ok(());
        }
        let Err(failure) = self.target.apply_ops(&[operation], upsert).await else { return Ok(()) };
        let error = failure.error;
        if error.is_code(NAMESPACE_NOT_FOUND) {
            if is_made_at_need(&entry) {
                return self.apply_after_create(&entry, operation).await;
            }
            self.absent.is_missing(entry.target(), entry.ts);
        } else if error.is_code(ILLEGAL_OPERATION) && entry.op == Op::Delete && is_about_capped(&error) {
            self.absent.is_capped(entry.target());
        } else {
            return Err(unreplayable(&entry, error));
        }
        self.came_to_nothing();
        Ok(())
    }

    /// Makes a collection that a server makes by itself for its first document, and applies its write again.
    async fn apply_after_create(&mut self, entry: &Entry<'_>, operation: &Operation) -> Result<()> {
        let mut create = Builder::new();
        create.str("op", "c").str("ns", format!("{}.$cmd", entry.db()));
        create.nested("o", |o| {
            o.str("create", entry.collection()).nested("idIndex", |index| {
                index.i32("v", 2).nested("key", |key| _ = key.i32("_id", 1)).str("name", "_id_");
            });
        });
        let applied = self.target.apply_ops(&[&create.finish(), &operation.bytes], true).await;
        applied.map_err(|failure| unreplayable(entry, failure.error))
    }

    /// A write that was counted as applied was not.
    fn came_to_nothing(&mut self) {
        self.done.applied -= 1;
        self.done.skipped += 1;
    }
}

/// Views, users and roles stand in collections for which no `create` need be in the oplog.
fn is_made_at_need(entry: &Entry<'_>) -> bool {
    entry.collection() == "system.views"
        || entry.db() == "admin" && matches!(entry.collection(), "system.users" | "system.roles")
}

fn is_about_capped(error: &DeploymentError) -> bool {
    error.to_string().contains("capped collection")
}

/// The error that an entry cannot be replayed.
pub(super) fn unreplayable(entry: &Entry<'_>, source: DeploymentError) -> Error {
    Error::Unreplayable {
        op: entry.op.letter(),
        namespace: entry.namespace.to_owned(),
        ts: entry.ts.unwrap_or_default(),
        source,
    }
}
