//! Inserts, updates and deletes: gathered into batches, sent, and what a server refuses looked at singly.

use super::Replay;
use super::ReplayPlace;
use super::batch::Operation;
use crate::{Error, Result};
use mongoark_bson_bytes::{self as bytes, Builder};
use mongoark_deployment::Error as DeploymentError;
use mongoark_oplog::{Entry, Error as OplogError, Op};
use std::borrow::Cow;

/// `NamespaceNotFound`.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// `IllegalOperation`: what servers up to 5.0 say to a deletion from a capped collection.
const ILLEGAL_OPERATION: i32 = 20;

impl Replay<'_> {
    /// Queues a write.
    pub(super) async fn write(&mut self, entry: &Entry<'_>) -> Result<()> {
        if self.disputes.is_kept(entry) {
            self.done.skipped += 1;
            return Ok(());
        }
        if self.is_done() {
            self.done.applied += 1;
            return Ok(());
        }
        let is_overlap = self.may_be_done()
            || self.options.overlap_until.is_none_or(|until| entry.ts.unwrap_or_default() <= until);
        if self.absent.takes_no(entry) || is_overlap && self.is_there_already(entry).await? {
            self.done.skipped += 1;
            return Ok(());
        }
        let bytes = entry.operation(self.options.preserve_uuids)?;
        if !self.batch.has_room_for(bytes.len(), is_overlap) {
            self.flush().await?;
        }
        self.done.applied += 1;
        let once = (entry.op == Op::Insert && self.places.is_capped(&entry.target())).then_some(self.seen);
        self.batch.push(Operation { bytes, ts: entry.ts, once }, is_overlap);
        if entry.op != Op::Delete && bytes::has_zero_timestamp(entry.object).map_err(OplogError::from)? {
            self.put_zero_timestamps_back(entry).await?;
        }
        Ok(())
    }

    /// Whether this is the insert of a document that a capped collection has. Inserted once more, it would push
    /// out the oldest, and no later entry would bring that back. What comes behind the first that is not
    /// there comes anew in any case, in its order.
    async fn is_there_already(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let namespace = entry.target();
        if entry.op != Op::Insert || !self.places.is_capped(&namespace) || self.caught_up.contains(&namespace)
        {
            return Ok(false);
        }
        if self.options.marks.as_ref().is_some_and(|marks| self.seen <= marks.from.capped) {
            return Ok(true);
        }
        let Some(id) = entry.id()? else { return Ok(false) };
        let found = self.target.has_document(&namespace, &id).await;
        if found.map_err(|error| unreplayable(entry, error))? {
            return Ok(true);
        }
        self.caught_up.insert(namespace);
        Ok(false)
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

    /// Sends what is queued, between notes of how far that goes. An update never makes the document that it does not
    /// find: that would be a part of one.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let (mut operations, is_overlap) = self.batch.take();
        if operations.is_empty() && self.is_written_down() {
            return Ok(());
        }
        self.place.ahead = self.seen;
        loop {
            let sent = self.with_notes(&operations)?;
            let Err(failure) = self.target.apply_ops(&sent.operations, false).await else {
                self.are_inserted(&operations);
                break;
            };
            self.check_fence(&failure.error).await?;
            if operations.is_empty() {
                return Err(failure.error.into());
            }
            let applied = sent.of_operations(&failure.applied);
            // A server that says nothing of its results had to do with one at least.
            let tried = applied.len().clamp(1, operations.len());
            self.look_at(&operations[..tried], &applied, is_overlap).await?;
            self.are_inserted(&operations[..tried]);
            operations.drain(..tried);
            self.drop_those_in_vain(&mut operations)?;
            if operations.is_empty() && self.options.marks.is_none() {
                break;
            }
        }
        (self.place.done, self.place.at) = (self.settled, self.settled_at);
        Ok(())
    }

    fn are_inserted(&mut self, operations: &[Operation]) {
        let last = operations.iter().rev().find_map(|operation| operation.once);
        self.place.capped = last.unwrap_or(self.place.capped);
    }

    /// Whether there is nothing to write down.
    fn is_written_down(&self) -> bool {
        self.options.marks.is_none() || self.place.done == self.settled && self.place.ahead >= self.seen
    }

    /// These operations, and the notes between them.
    fn with_notes<'a>(&mut self, operations: &'a [Operation]) -> Result<Sent<'a>> {
        let Some(marks) = &self.options.marks else {
            return Ok(Sent {
                operations: operations.iter().map(|it| Cow::from(&it.bytes)).collect(),
                notes: Vec::new(),
            });
        };
        if marks.lost.is_requested() {
            return Err(Error::PipelineClosed("the restore's notes"));
        }
        self.place.missing = self.absent.missing();
        let (mut sent, mut place) = (Sent::default(), self.place.clone());
        let note = |place: &ReplayPlace| marks.notes.operation(&place.encode());
        if !operations.is_empty() {
            sent.push_note(note(&place));
        }
        for operation in operations {
            sent.operations.push(Cow::from(&operation.bytes));
            if let Some(once) = operation.once {
                place.capped = once;
                sent.push_note(note(&place));
            }
        }
        sent.push_note(note(&ReplayPlace { done: self.settled, at: self.settled_at, ..place }));
        Ok(sent)
    }

    /// Applies singly what a server did not apply, and all that it did behind the first that goes through now:
    /// it may have been about the same document.
    async fn look_at(&mut self, tried: &[Operation], applied: &[bool], is_overlap: bool) -> Result<()> {
        let mut again = false;
        for (place, operation) in tried.iter().enumerate() {
            let was_applied = applied.get(place) == Some(&true);
            if !was_applied || again {
                let goes_through = self.apply_alone(operation, is_overlap).await?;
                again |= goes_through && !was_applied;
            }
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

    /// Applies one write, which may come to nothing for a reason. Whether it did something.
    async fn apply_alone(&mut self, operation: &Operation, is_overlap: bool) -> Result<bool> {
        let mut entry = Entry::parse(&operation.bytes)?;
        entry.ts = operation.ts;
        if self.absent.takes_no(&entry) || is_overlap && self.is_without_document(&entry).await? {
            self.came_to_nothing();
            return Ok(false);
        }
        let sent = self.fenced(&[operation.as_ref()]);
        let Err(failure) = self.target.apply_ops(&sent, false).await else { return Ok(true) };
        let error = failure.error;
        self.check_fence(&error).await?;
        if error.is_code(NAMESPACE_NOT_FOUND) {
            if is_made_at_need(&entry) {
                return self.apply_after_create(&entry, operation).await.map(|()| true);
            }
            self.absent.is_missing(entry.target(), entry.ts);
        } else if error.is_code(ILLEGAL_OPERATION) && entry.op == Op::Delete && is_about_capped(&error) {
            self.absent.is_capped(entry.target());
        } else {
            return Err(unreplayable(&entry, error));
        }
        self.came_to_nothing();
        Ok(false)
    }

    /// Whether an update is about a document that is not there. Within the overlap that document had been removed
    /// before its collection was read; an entry to come removes it, or brings it back whole.
    async fn is_without_document(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let Some(id) = entry.id()?.filter(|_| entry.op == Op::Update) else { return Ok(false) };
        let found = self.target.has_document(&entry.target(), &id).await;
        Ok(!found.map_err(|error| unreplayable(entry, error))?)
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
        let create = create.finish();
        let applied = self.target.apply_ops(&self.fenced(&[&create, &operation.bytes]), true).await;
        applied.map_err(|failure| unreplayable(entry, failure.error))
    }

    /// These operations behind a note of this run: once another run has taken over, the note has no place any more, and the server
    /// does nothing of what comes behind it.
    pub(super) fn fenced<'a>(&self, operations: &[&'a [u8]]) -> Vec<Cow<'a, [u8]>> {
        let note =
            self.options.marks.as_ref().map(|marks| Cow::from(marks.notes.operation(&self.place.encode())));
        note.into_iter().chain(operations.iter().map(|operation| Cow::from(*operation))).collect()
    }

    /// An error where operations failed because another run has taken over.
    pub(super) async fn check_fence(&self, error: &DeploymentError) -> Result<()> {
        let Some(marks) = self.options.marks.as_ref().filter(|_| error.is_code(NAMESPACE_NOT_FOUND)) else {
            return Ok(());
        };
        if marks.notes.exist().await? { Ok(()) } else { Err(Error::TakenOver) }
    }

    /// A write that was counted as applied was not.
    pub(super) fn came_to_nothing(&mut self) {
        self.done.applied -= 1;
        self.done.skipped += 1;
    }
}

/// Operations on their way, with notes among them.
#[derive(Default)]
struct Sent<'a> {
    operations: Vec<Cow<'a, [u8]>>,
    /// Which of them are notes, in ascending order.
    notes: Vec<usize>,
}

impl Sent<'_> {
    fn push_note(&mut self, note: Vec<u8>) {
        self.notes.push(self.operations.len());
        self.operations.push(Cow::from(note));
    }

    /// What became of the operations, without the notes.
    fn of_operations(&self, applied: &[bool]) -> Vec<bool> {
        let is_note = |place: &usize| self.notes.binary_search(place).is_ok();
        applied.iter().enumerate().filter(|(place, _)| !is_note(place)).map(|(_, applied)| *applied).collect()
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
