//! Documents from the archive into their collections: several collections and several inserts at
//! once, a capped one in order by a single worker.

use super::finish::Written;
use super::ledger::Phase;
use super::oplog::Aside;
use super::plan::{Plan, Planned, is_merged_always, is_refusal};
use super::reconcile::check_whole;
use super::tally::{Counts as Outcome, Reached, Tally};
use super::{Existing, Run};
use crate::catalog::Summary;
use crate::pool::Share;
use crate::reading::{ChunkName, Feed, Piece};
use crate::{Error, Result, Stop};
use mongoark_container::Chunk;
use mongoark_deployment::{Inserter, Target};
use mongoark_model::Counts;
use mongoark_monitor::{Item, Monitor};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Account documents that are kept until they are merged; more of them is no users collection.
const ACCOUNT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A chunk, its place among those of its collection that this run reads, and its name.
type Work = (u64, ChunkName, Chunk, Share);

/// A collection that documents arrive for.
struct Destination {
    planned: Planned,
    /// The way to its workers; none before the first chunk.
    queue: Option<async_channel::Sender<Work>>,
    /// Users or roles, kept until the end.
    accounts: Vec<Vec<u8>>,
    arrived: Counts,
    /// The place of the next chunk that is written.
    next: u64,
    /// Whether any chunk has come by.
    has_come: bool,
    /// What an earlier run has written, and its documents.
    earlier: Earlier,
    kept: u64,
}

/// How much of a collection an earlier run has written.
enum Earlier {
    /// These chunks; of a pipe those that have `passed` are told from others. Where they are all there are, none may follow.
    Chunks { done: Reached, passed: Reached, is_all: bool },
    /// Everything, whatever comes.
    Everything,
}

/// What the inserting tasks share.
struct Context {
    target: Target,
    inserts: Semaphore,
    abort: Stop,
    /// Another run has taken over.
    lost: Stop,
    accept_identical: bool,
    /// Whether an earlier run may have written some of what comes.
    may_be_there: bool,
    /// Whether the oplog is replayed, which settles what of a document that stands in the archive twice is right.
    is_settled_later: bool,
}

/// A collection's progress, which ends when its last worker does.
struct Progress {
    item: Item,
    monitor: Monitor,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.monitor.finish(&self.item);
    }
}

/// Reads the archive to its end and writes every selected document, but for those that were written before this phase.
pub(super) async fn documents(
    run: &Run<'_>,
    mut feed: Feed,
    plan: Plan,
    phase: Phase,
    aside: &mut Aside,
) -> Result<Written> {
    let context = Arc::new(Context {
        target: run.target.clone(),
        inserts: Semaphore::new(run.options.jobs),
        abort: Stop::default(),
        lost: run.ledger.lost(),
        accept_identical: run.options.existing == Existing::Merge,
        may_be_there: phase != Phase::Preparing,
        is_settled_later: aside.is_replayed(),
    });
    let wanted = plan.namespaces.into_iter().map(|planned| Destination::new(planned, phase));
    let mut destinations: HashMap<u32, Destination> =
        wanted.map(|destination| (destination.planned.stream, destination)).collect();
    if let Some(chunks) = feed.chunks() {
        for destination in destinations.values_mut() {
            destination.pass_over(chunks.get(&destination.planned.stream).map_or(&[], Vec::as_slice))?;
        }
    }
    let takes = destinations.values().filter_map(|it| Some((it.planned.stream, it.earlier.behind()?)));
    feed.take_behind(&takes.collect());
    let mut workers: JoinSet<Result<()>> = JoinSet::new();
    let to = Route { context: &context, run };
    let read = route(&mut feed, &mut destinations, &mut workers, aside, &to).await;
    if read.is_err() {
        context.abort.request();
    }
    // Closing the queues lets the workers end.
    for destination in destinations.values_mut() {
        destination.queue = None;
    }
    let inserted = join(&mut workers, &context).await;
    if matches!(read, Err(Error::Retracted)) {
        let why =
            "it was read from a pipe in which the archive took documents back that were written already";
        run.ledger.spoil(why).await?;
    }
    let (summary, ()) = crate::error::cause_of(read, inserted)?;
    run.ledger.check()?;
    destinations.values().try_for_each(Destination::check_passed)?;
    if phase == Phase::Documents {
        check_whole(run.target, run.ledger, destinations.values().map(|destination| &destination.planned))
            .await?;
    }
    account_for_all(&destinations, run.monitor)?;
    Ok(written(destinations, summary))
}

/// What routing needs besides.
struct Route<'a> {
    context: &'a Arc<Context>,
    run: &'a Run<'a>,
}

async fn route(
    feed: &mut Feed,
    destinations: &mut HashMap<u32, Destination>,
    workers: &mut JoinSet<Result<()>>,
    aside: &mut Aside,
    to: &Route<'_>,
) -> Result<Option<Summary>> {
    let Route { context, run } = *to;
    loop {
        run.stop.check()?;
        run.ledger.check()?;
        context.abort.check().map_err(|_| Error::PipelineClosed("an inserting task"))?;
        match feed.next().await? {
            Piece::Chunk(chunk, share, name) => {
                if aside.takes(chunk.stream) {
                    aside.put(name.seq, chunk.bytes).await?;
                    continue;
                }
                // A stream that is not selected comes by in a pipe, and is passed over.
                let Some(destination) = destinations.get_mut(&chunk.stream) else { continue };
                destination.take(name, chunk, share, workers, to)?;
            }
            Piece::StreamEnd(stream) => {
                if let Some(destination) = destinations.get_mut(&stream) {
                    destination.queue = None;
                }
            }
            Piece::Retract(back) if aside.takes(back.stream) => aside.take_back(back),
            Piece::Retract(back) => {
                if destinations.get(&back.stream).is_some_and(|destination| destination.has_come) {
                    return Err(Error::Retracted);
                }
            }
            Piece::End(summary) => return Ok(summary),
        }
    }
}

impl Destination {
    /// One of which all that was written before this phase is passed over.
    fn new(planned: Planned, phase: Phase) -> Self {
        let tally = locked(&planned.tally);
        let (done, kept) = (tally.reached, tally.seen());
        drop(tally);
        // Accounts are merged after the documents; until then they are only read.
        let earlier = match planned.metadata.kind.is_accounts() {
            true if phase == Phase::Replaying => Earlier::Everything,
            true => Earlier::nothing(),
            false => Earlier::Chunks { done, passed: Reached::default(), is_all: phase >= Phase::Finishing },
        };
        let (accounts, arrived) = (Vec::new(), Counts::default());
        Self { planned, queue: None, accounts, arrived, next: 0, has_come: false, earlier, kept }
    }

    /// Of a file: what an earlier run has written is passed over, once it is seen to be of this archive.
    fn pass_over(&mut self, chunks: &[ChunkName]) -> Result<()> {
        let Earlier::Chunks { done, passed, is_all } = &mut self.earlier else { return Ok(()) };
        let is_known = done.is_beginning_of(chunks) && (!*is_all || done.chunks == chunks.len() as u64);
        *passed = *done;
        if is_known { Ok(()) } else { Err(self.of_another_archive()) }
    }

    /// An error where an earlier run has written what has not come by.
    fn check_passed(&self) -> Result<()> {
        match &self.earlier {
            Earlier::Chunks { done, passed, .. } if done != passed => Err(self.of_another_archive()),
            _ => Ok(()),
        }
    }

    fn of_another_archive(&self) -> Error {
        Error::Refused(format!(
            "{}: the interrupted restore had read other documents than this archive has: the archive was still being \
             written then, or documents were taken back since. Restore anew without --resume, with --existing drop",
            self.planned.from
        ))
    }

    /// Whether a chunk was written by an earlier run.
    fn is_written(&mut self, name: ChunkName) -> Result<bool> {
        let Earlier::Chunks { done, passed, is_all } = &mut self.earlier else { return Ok(true) };
        if done.behind().is_some_and(|last| name.seq <= last) {
            passed.push(name);
            return Ok(true);
        }
        if passed == done && !*is_all { Ok(false) } else { Err(self.of_another_archive()) }
    }

    fn take(
        &mut self,
        name: ChunkName,
        chunk: Chunk,
        share: Share,
        workers: &mut JoinSet<Result<()>>,
        to: &Route<'_>,
    ) -> Result<()> {
        self.has_come = true;
        if self.is_written(name)? {
            return Ok(());
        }
        let place = self.next;
        self.next += 1;
        self.arrived += Counts::new(u64::from(chunk.documents), chunk.bytes.len() as u64);
        if self.planned.metadata.kind.is_accounts() {
            return self.keep_accounts(&chunk);
        }
        let queue = match &self.queue {
            Some(queue) => queue,
            None => self.queue.insert(start(&self.planned, self.kept, workers, to)),
        };
        queue.try_send((place, name, chunk, share)).map_err(|_| Error::PipelineClosed("an inserting task"))
    }

    fn keep_accounts(&mut self, chunk: &Chunk) -> Result<()> {
        if self.arrived.bytes > ACCOUNT_BYTES_MAX as u64 {
            return Err(Error::Catalog(format!(
                "{} holds more than {ACCOUNT_BYTES_MAX} bytes",
                self.planned.from
            )));
        }
        for document in mongoark_bson_bytes::split_documents(&chunk.bytes) {
            let document = document.map_err(|error| Error::Catalog(error.to_string()))?;
            self.accounts.push(document.to_vec());
        }
        Ok(())
    }
}

impl Earlier {
    fn nothing() -> Self {
        Self::Chunks { done: Reached::default(), passed: Reached::default(), is_all: false }
    }

    /// Up to which record number nothing is to be read; nothing where nothing is to be read at all.
    #[expect(clippy::option_option, reason = "whether to read, and from where")]
    fn behind(&self) -> Option<Option<u64>> {
        match self {
            Self::Chunks { done, is_all, .. } => (!is_all).then(|| done.behind()),
            Self::Everything => None,
        }
    }
}

/// Starts a collection's workers: one where order matters.
fn start(
    planned: &Planned,
    kept: u64,
    workers: &mut JoinSet<Result<()>>,
    to: &Route<'_>,
) -> async_channel::Sender<Work> {
    let Route { context, run } = *to;
    let metadata = &planned.metadata;
    let item = run.monitor.item(metadata.namespace.to_string(), planned.documents, planned.bytes);
    item.add(kept, 0);
    let item = Arc::new(Progress { item, monitor: run.monitor.clone() });
    let (sender, queue) = async_channel::unbounded();
    let inserter = Inserter::new(&context.target, metadata.data_namespace())
        .ordered(metadata.is_capped())
        .accept_identical(context.accept_identical || context.is_settled_later || is_merged_always(metadata))
        .bypass_validation(planned.has_validator())
        .may_be_there(context.may_be_there);
    let collection = Arc::new(Filled {
        inserter,
        name: metadata.namespace.to_string(),
        tally: Arc::clone(&planned.tally),
        is_new: !planned.stays(run.options.existing),
    });
    for _ in 0..if metadata.is_capped() { 1 } else { run.options.jobs } {
        let (context, collection, queue) = (Arc::clone(context), Arc::clone(&collection), queue.clone());
        let item = Arc::clone(&item);
        workers.spawn(async move { insert_all(&context, &collection, &queue, &item).await });
    }
    sender
}

/// A collection that several workers fill.
struct Filled {
    inserter: Inserter,
    name: String,
    tally: Arc<Mutex<Tally>>,
    /// Whether this restore has made it: what is in it then is of the archive, or somebody else wrote it meanwhile.
    is_new: bool,
}

async fn insert_all(
    context: &Context,
    collection: &Filled,
    queue: &async_channel::Receiver<Work>,
    progress: &Progress,
) -> Result<()> {
    let Filled { inserter, name, tally, is_new } = collection;
    while let Ok((place, chunk_name, chunk, _share)) = queue.recv().await {
        if context.abort.is_requested() || context.lost.is_requested() {
            continue;
        }
        let documents = u64::from(chunk.documents);
        if locked(tally).refuses() {
            locked(tally).add(place, chunk_name, Outcome::skipped(documents));
            continue;
        }
        let _permit = context.inserts.acquire().await.map_err(|_| Error::PipelineClosed("the inserts"))?;
        match inserter.insert(&chunk.bytes).await {
            Ok(outcome) => {
                let outcome = if context.is_settled_later {
                    Outcome::of_unsettled(outcome, *is_new)
                } else {
                    Outcome::of(outcome)
                };
                locked(tally).add(place, chunk_name, outcome);
            }
            Err(error) if is_refusal(&error) => {
                // How much of this chunk was taken is unknown; none of it is claimed.
                progress.monitor.fail(name, error.to_string(), 0);
                let mut tally = locked(tally);
                tally.refuse_all();
                tally.add(place, chunk_name, Outcome::skipped(documents));
            }
            Err(error) => {
                context.abort.request();
                return Err(error.into());
            }
        }
        progress.item.add(documents, chunk.bytes.len() as u64);
    }
    Ok(())
}

async fn join(workers: &mut JoinSet<Result<()>>, context: &Context) -> Result<()> {
    let mut first = Ok(());
    while let Some(ended) = workers.join_next().await {
        let ended = ended.unwrap_or(Err(Error::PipelineClosed("an inserting task")));
        if ended.is_err() {
            context.abort.request();
            first = first.and(ended);
        }
    }
    first
}

/// Every document that arrived must have an outcome; and what was refused is reported.
fn account_for_all(destinations: &HashMap<u32, Destination>, monitor: &Monitor) -> Result<()> {
    for destination in destinations.values().filter(|d| !d.planned.metadata.kind.is_accounts()) {
        let mut tally = locked(&destination.planned.tally);
        let name = destination.planned.metadata.namespace.to_string();
        let came = destination.kept + destination.arrived.documents;
        if tally.seen() != came {
            let message = format!(
                "{name}: {came} documents came from the archive, but {} are accounted for; this is a defect of mongoark",
                tally.seen()
            );
            return Err(Error::Catalog(message));
        }
        let lost = tally.counts.rejected;
        if let Some(text) = tally.failure() {
            monitor.fail(name, text, lost);
        }
    }
    Ok(())
}

fn written(destinations: HashMap<u32, Destination>, summary: Option<Summary>) -> Written {
    let mut read = Counts::default();
    let mut namespaces = Vec::new();
    for destination in destinations.into_values() {
        read += destination.arrived;
        namespaces.push((destination.planned, destination.accounts));
    }
    namespaces.sort_by_key(|(planned, _)| planned.stream);
    Written { namespaces, summary, read }
}

pub(super) fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
