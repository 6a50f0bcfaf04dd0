//! Replaying an oplog onto a deployment: entries in order, in batches, with barriers where the catalog
//! changes. Indexes are not built here: entries edit an [`IndexCatalog`], which the restore builds afterwards.
//!
//! An entry goes from here (is it replayed, is it part of a transaction) to [`write`] or [`command`] and from
//! there to the server; [`transactions`] keeps what is not committed yet.

mod absent;
mod batch;
mod command;
mod disputes;
mod marks;
mod options;
mod places;
mod rules;
mod transactions;
mod write;

pub use disputes::Disputes;
pub use marks::{Marks, ReplayPlace};
pub use mongoark_oplog::{CollectionIndexes, IndexCatalog};
pub use options::{ReplayOptions, Replayed};
pub use places::Places;
pub use rules::Rules;

use crate::{Error, Result, Stop};
use absent::Absent;
use async_channel::Receiver;
use batch::Batch;
use mongoark_bson_bytes as bytes;
use mongoark_deployment::Target;
use mongoark_model::{Namespace, Timestamp};
use mongoark_monitor::Monitor;
use mongoark_oplog::{Class, Entry, Error as OplogError, Part, Skip, TransactionId};
use places::Where;
use std::collections::{BTreeSet, HashMap, HashSet};
use transactions::Transactions;

/// What stands before the name of a time series' buckets.
const BUCKETS: &str = "system.buckets.";

/// Replays the oplog documents that come through `entries`: each message holds one or more whole
/// documents, one after the other, and an error ends the replay with that error. The channel should be
/// bounded; the replay holds one message, one batch for the server, and transactions up to a limit
/// in memory, the rest of them in a temporary file.
///
/// Ends with the first entry at or after [`ReplayOptions::limit`], without waiting for the rest: the
/// sender finds the channel closed. The first entry that cannot be replayed ends it with an error that
/// names the entry's time, namespace and operation.
pub async fn replay(
    target: &Target,
    entries: Receiver<Result<Vec<u8>>>,
    options: &ReplayOptions,
    indexes: &mut IndexCatalog,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Replayed> {
    let mut replay = Replay {
        target,
        options,
        indexes,
        monitor,
        batch: Batch::default(),
        transactions: Transactions::default(),
        absent: Absent::default(),
        places: options.places.clone(),
        disputes: options.disputes.clone(),
        caught_up: HashSet::new(),
        place: options.marks.as_ref().map(|marks| marks.from.clone()).unwrap_or_default(),
        seen: 0,
        settled: 0,
        settled_at: None,
        is_on_known_ground: false,
        done: Replayed::default(),
    };
    let item = monitor.item("oplog", 0, options.expected_bytes);
    let ended = replay.receive(&entries, stop, |documents, bytes| item.add(documents, bytes)).await;
    // A sender that waits for room is told that nobody reads any more.
    entries.close();
    monitor.finish(&item);
    ended?;
    replay.finish().await
}

/// A replay under way.
struct Replay<'a> {
    target: &'a Target,
    options: &'a ReplayOptions,
    indexes: &'a mut IndexCatalog,
    monitor: &'a Monitor,
    /// Writes that are not sent yet.
    batch: Batch,
    /// Transactions that are not committed yet.
    transactions: Transactions,
    absent: Absent,
    places: Places,
    disputes: Disputes,
    /// Capped collections that are known to get what they do not have yet.
    caught_up: HashSet<Namespace>,
    /// How far the replay is, as it is written down; to begin with, how far an earlier run had come.
    place: ReplayPlace,
    /// Operations so far.
    seen: u64,
    /// Of them, those that are done once what is queued is.
    settled: u64,
    /// The time of the last of these.
    settled_at: Option<Timestamp>,
    /// Whether the collections that an earlier run left behind are known to be there.
    is_on_known_ground: bool,
    done: Replayed,
}

impl Replay<'_> {
    /// Takes entries until there are no more, or one is at the limit.
    async fn receive(
        &mut self,
        entries: &Receiver<Result<Vec<u8>>>,
        stop: &Stop,
        progress: impl Fn(u64, u64),
    ) -> Result<()> {
        while let Ok(message) = entries.recv().await {
            let message = message?;
            for document in bytes::split_documents(&message) {
                stop.check()?;
                let document = document.map_err(OplogError::from)?;
                if !self.entry(document).await? {
                    return Ok(());
                }
                progress(1, document.len() as u64);
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Replayed> {
        self.refuse_less_than_before()?;
        self.look_where_it_goes_on().await?;
        self.flush().await?;
        self.absent.settle()?;
        self.places.settle()?;
        for leftover in self.places.leftovers() {
            self.target.drop(&leftover).await?;
        }
        self.done.unfinished = self.transactions.len() as u64;
        self.done.unsettled = self.disputes.unsettled();
        Ok(self.done)
    }

    /// Replays one entry of the oplog; whether there may be more to replay.
    async fn entry(&mut self, document: &[u8]) -> Result<bool> {
        let entry = Entry::parse(document)?;
        if self.options.skip_repeated && entry.ts.is_some() && entry.ts <= self.done.last {
            self.done.skipped += 1;
            return Ok(true);
        }
        if let Class::Skip(skip) = entry.class()? {
            self.skip(&entry, skip)?;
            return Ok(true);
        }
        if let (Some(ts), Some(limit)) = (entry.ts, self.options.limit)
            && ts >= limit
        {
            self.monitor.detail(format!(
                "timestamp {{{} {}}} is not below limit of {{{} {}}}; ending oplog restoration",
                ts.seconds, ts.increment, limit.seconds, limit.increment
            ));
            return Ok(false);
        }
        self.done.last = entry.ts.or(self.done.last);
        match entry.transaction()? {
            Some((id, part)) => self.part(id, part, &entry, document).await?,
            None => self.done.applied += self.operations(&entry).await?,
        }
        Ok(true)
    }

    /// Applies an entry, or the operations inside it; how many applyOps were opened for that.
    async fn operations(&mut self, entry: &Entry<'_>) -> Result<u64> {
        let (operations, opened) = entry.flatten()?;
        for operation in &operations {
            self.seen += 1;
            if !self.is_on_known_ground && !self.may_be_done() {
                self.look_where_it_goes_on().await?;
            }
            match operation.class()? {
                Class::Skip(skip) => self.skip(operation, skip)?,
                Class::Write => self.write_where_it_belongs(operation).await?,
                Class::Command(command) => self.step(operation, &command).await?,
            }
            (self.settled, self.settled_at) = (self.seen, operation.ts);
            if let Some(marks) = self.options.marks.as_ref().filter(|marks| marks.from.done == self.seen) {
                if marks.from.at != operation.ts {
                    return Err(another_oplog());
                }
                self.absent.restore(&marks.from.missing);
            }
        }
        Ok(opened)
    }

    /// Behind all that an earlier run may have done, its collections must be there, and be its own: what comes next is written to
    /// whatever has their names.
    async fn look_where_it_goes_on(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_on_known_ground, true)
            || self.options.marks.as_ref().is_none_or(|marks| marks.from.ahead == 0)
        {
            return Ok(());
        }
        self.flush().await?;
        let expected: Vec<_> = self.places.expected().map(|(name, uuid)| (name.clone(), uuid)).collect();
        let databases: BTreeSet<String> = expected.iter().map(|(name, _)| name.db.clone()).collect();
        let mut there = HashMap::new();
        for db in databases {
            let found = self.target.collections(&db).await?;
            there.extend(found.into_iter().map(|metadata| (metadata.namespace, metadata.uuid)));
        }
        let is_lost = |(name, uuid): &(Namespace, Option<[u8; 16]>)| match there.get(name) {
            Some(now) => uuid.is_some() && now != uuid,
            None => true,
        };
        match expected.into_iter().find(is_lost) {
            Some((namespace, _)) => Err(Error::Refused(format!(
                "{namespace} was dropped, renamed or made anew by somebody else since the restore was interrupted, and some of \
                 the oplog is replayed already; nothing more was written. Restore anew without --resume, with --existing drop"
            ))),
            None => Ok(()),
        }
    }

    /// An earlier run may have had more of the oplog than there is now.
    fn refuse_less_than_before(&self) -> Result<()> {
        if self.options.marks.as_ref().is_none_or(|marks| marks.from.done <= self.seen) {
            return Ok(());
        }
        let message = "the oplog that is here ends before the place to which the restore that was broken off had \
                       replayed it: give it the slices that it had, or restore anew without --resume";
        Err(Error::Refused(message.to_owned()))
    }

    /// Whether an earlier run has done the operation at hand: what is known of the collections goes on, and nothing is
    /// sent.
    fn is_done(&self) -> bool {
        self.options.marks.as_ref().is_some_and(|marks| self.seen <= marks.from.done)
    }

    /// Whether an earlier run may have done it.
    fn may_be_done(&self) -> bool {
        self.options.marks.as_ref().is_some_and(|marks| self.seen <= marks.from.ahead)
    }

    /// Applies a write to the collection that it is about, whatever that one's name is by now.
    async fn write_where_it_belongs(&mut self, entry: &Entry<'_>) -> Result<()> {
        match self.places.of_write(entry)? {
            Where::Same => self.write(entry).await,
            Where::Elsewhere(bytes) => self.write(&Entry::parse(&bytes)?).await,
            Where::NewView(bytes, target) => {
                let entry = Entry::parse(&bytes)?;
                self.make_room(&target, entry.ts).await?;
                self.write(&entry).await
            }
            Where::Nowhere => {
                self.done.skipped += 1;
                Ok(())
            }
            Where::Kept(name) => {
                self.done.kept.insert(name);
                self.done.skipped += 1;
                Ok(())
            }
        }
    }

    /// What the oplog makes must not be there already: it would be somebody else's. Nothing is, or it is replaced.
    async fn make_room(&mut self, target: &Namespace, ts: Option<Timestamp>) -> Result<()> {
        // Where an earlier run may have made it, it has made room for it before.
        if self.is_done() || self.may_be_done() {
            return Ok(());
        }
        self.flush().await?;
        // The buckets of a time series go with the series.
        let series =
            target.collection.strip_prefix(BUCKETS).map(|name| Namespace::new(target.db.clone(), name));
        for namespace in series.iter().chain([target]) {
            if !self.target.exists(namespace).await? {
                continue;
            }
            if !self.places.replaces_target() {
                return Err(Error::InTheWay { namespace: namespace.clone(), ts: ts.unwrap_or_default() });
            }
            self.target.drop(namespace).await?;
        }
        Ok(())
    }

    /// Takes an entry of a transaction, and applies the transaction when it is committed.
    async fn part(
        &mut self,
        id: TransactionId,
        part: Part,
        entry: &Entry<'_>,
        document: &[u8],
    ) -> Result<()> {
        let commits = match part {
            Part::Operations { first: true, commits: true } => {
                // The applyOps of a transaction is no operation of its own.
                self.operations(entry).await?;
                return Ok(());
            }
            Part::Operations { first, commits } => {
                self.transactions.take(&id, document, first)?;
                commits
            }
            Part::Commit => true,
            Part::Abort => {
                self.transactions.forget(&id);
                false
            }
        };
        if commits { self.commit(&id, entry).await } else { Ok(()) }
    }

    async fn commit(&mut self, id: &TransactionId, entry: &Entry<'_>) -> Result<()> {
        let Some(mut parts) = self.transactions.commit(id) else {
            return self.commit_without_beginning(id, entry);
        };
        while let Some(part) = self.transactions.next(&mut parts)? {
            self.operations(&Entry::parse(&part)?).await?;
        }
        Ok(())
    }

    fn commit_without_beginning(&mut self, id: &TransactionId, entry: &Entry<'_>) -> Result<()> {
        if entry.ts.is_some() && entry.ts <= self.options.committed_until {
            self.done.skipped += 1;
            return Ok(());
        }
        Err(Error::TransactionWithoutBeginning { id: id.to_string(), ts: entry.ts.unwrap_or_default() })
    }

    /// Passes an entry over, and says so where mongorestore does.
    fn skip(&mut self, entry: &Entry<'_>, skip: Skip<'_>) -> Result<()> {
        self.done.skipped += 1;
        match skip {
            Skip::Namespace(namespace) if namespace.starts_with("config.") => {
                self.monitor.step(format!("skipping applying the {namespace} namespace in applyOps"));
            }
            Skip::Command(name) => {
                if name == "abortIndexBuild"
                    && let Some(namespace) = self.places.of_index_build(entry)?
                {
                    self.indexes.abort_index_build(entry, &namespace)?;
                }
                self.monitor.step(format!("skipping applying the oplog entry {name}"));
            }
            Skip::Namespace(_) | Skip::Nothing => {}
        }
        Ok(())
    }
}

/// An oplog whose operations have other places than they had for an earlier run.
fn another_oplog() -> Error {
    let message = "the oplog that is here is another one than the interrupted restore replayed: an operation that it had done \
                   has another time. Give it the archive and the slices that it had, or restore anew without --resume, with \
                   --existing drop";
    Error::Refused(message.to_owned())
}
