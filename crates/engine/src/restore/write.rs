//! Documents from the archive into their collections: several collections and several inserts at
//! once, a capped one in order by a single worker.

use super::RestoreOptions;
use super::finish::Written;
use super::oplog::Aside;
use super::plan::{Plan, Planned, is_merged_always, is_refusal};
use super::{Existing, tally::Tally};
use crate::catalog::Summary;
use crate::pool::Share;
use crate::reading::{Feed, Piece};
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

type Work = (Chunk, Share);

/// A collection that documents arrive for.
struct Destination {
    planned: Planned,
    /// The way to its workers; none before the first chunk.
    queue: Option<async_channel::Sender<Work>>,
    /// Users or roles, kept until the end.
    accounts: Vec<Vec<u8>>,
    arrived: Counts,
}

/// What the inserting tasks share.
struct Context {
    target: Target,
    inserts: Semaphore,
    abort: Stop,
    accept_identical: bool,
    /// Whether the oplog settles which of two documents with one `_id` is right. A document that was removed and
    /// stored anew while its collection was read may stand in the archive twice.
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

/// Reads the archive to its end and writes every selected document.
pub(super) async fn documents(
    target: &Target,
    mut feed: Feed,
    plan: Plan,
    aside: &mut Aside,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Written> {
    let context = Arc::new(Context {
        target: target.clone(),
        inserts: Semaphore::new(options.jobs),
        abort: Stop::default(),
        accept_identical: options.existing == Existing::Merge,
        is_settled_later: aside.is_replayed(),
    });
    feed.take_only(plan.streams());
    let mut destinations: HashMap<u32, Destination> =
        plan.namespaces.into_iter().map(|planned| (planned.stream, destination(planned))).collect();
    let mut workers: JoinSet<Result<()>> = JoinSet::new();
    let to = Route { context: &context, jobs: options.jobs, monitor, stop };
    let read = route(&mut feed, &mut destinations, &mut workers, aside, &to).await;
    if read.is_err() {
        context.abort.request();
    }
    // Closing the queues lets the workers end.
    for destination in destinations.values_mut() {
        destination.queue = None;
    }
    let inserted = join(&mut workers, &context).await;
    let (summary, ()) = crate::error::cause_of(read, inserted)?;
    account_for_all(&destinations, monitor)?;
    Ok(written(destinations, summary))
}

fn destination(planned: Planned) -> Destination {
    Destination { planned, queue: None, accounts: Vec::new(), arrived: Counts::default() }
}

/// What routing needs besides.
struct Route<'a> {
    context: &'a Arc<Context>,
    jobs: usize,
    monitor: &'a Monitor,
    stop: &'a Stop,
}

async fn route(
    feed: &mut Feed,
    destinations: &mut HashMap<u32, Destination>,
    workers: &mut JoinSet<Result<()>>,
    aside: &mut Aside,
    to: &Route<'_>,
) -> Result<Option<Summary>> {
    let Route { context, jobs, monitor, stop } = *to;
    loop {
        stop.check()?;
        context.abort.check().map_err(|_| Error::PipelineClosed("an inserting task"))?;
        match feed.next().await? {
            Piece::Chunk(chunk, share) => {
                if aside.takes(chunk.stream) {
                    aside.put(chunk.bytes).await?;
                    continue;
                }
                // A stream that is not selected comes by in a pipe, and is passed over.
                let Some(destination) = destinations.get_mut(&chunk.stream) else { continue };
                destination.take(chunk, share, workers, context, jobs, monitor)?;
            }
            Piece::StreamEnd(stream) => {
                if let Some(destination) = destinations.get_mut(&stream) {
                    destination.queue = None;
                }
            }
            Piece::Retract(stream) => {
                let arrived = destinations.get(&stream).map(|destination| destination.arrived);
                if arrived.is_some_and(|arrived| arrived.documents > 0) {
                    return Err(Error::Retracted);
                }
            }
            Piece::End(summary) => return Ok(summary),
        }
    }
}

impl Destination {
    fn take(
        &mut self,
        chunk: Chunk,
        share: Share,
        workers: &mut JoinSet<Result<()>>,
        context: &Arc<Context>,
        jobs: usize,
        monitor: &Monitor,
    ) -> Result<()> {
        self.arrived += Counts::new(u64::from(chunk.documents), chunk.bytes.len() as u64);
        if self.planned.metadata.kind.is_accounts() {
            return self.keep_accounts(&chunk);
        }
        let queue = match &self.queue {
            Some(queue) => queue,
            None => self.queue.insert(start(&self.planned, workers, context, jobs, monitor)),
        };
        queue.try_send((chunk, share)).map_err(|_| Error::PipelineClosed("an inserting task"))
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

/// Starts a collection's workers: one where order matters.
fn start(
    planned: &Planned,
    workers: &mut JoinSet<Result<()>>,
    context: &Arc<Context>,
    jobs: usize,
    monitor: &Monitor,
) -> async_channel::Sender<Work> {
    let metadata = &planned.metadata;
    let item = monitor.item(metadata.namespace.to_string(), planned.documents, planned.bytes);
    let item = Arc::new(Progress { item, monitor: monitor.clone() });
    let (sender, queue) = async_channel::unbounded();
    let inserter = Inserter::new(&context.target, metadata.data_namespace())
        .ordered(metadata.is_capped())
        .accept_identical(context.accept_identical || is_merged_always(metadata));
    for _ in 0..if metadata.is_capped() { 1 } else { jobs } {
        let (context, inserter, queue) = (Arc::clone(context), inserter.clone(), queue.clone());
        let (item, tally) = (Arc::clone(&item), Arc::clone(&planned.tally));
        let name = metadata.namespace.to_string();
        workers.spawn(async move { insert_all(&context, &inserter, &queue, &item, &tally, &name).await });
    }
    sender
}

async fn insert_all(
    context: &Context,
    inserter: &Inserter,
    queue: &async_channel::Receiver<Work>,
    progress: &Progress,
    tally: &Mutex<Tally>,
    name: &str,
) -> Result<()> {
    while let Ok((chunk, _share)) = queue.recv().await {
        if context.abort.is_requested() {
            continue;
        }
        if locked(tally).refuses() {
            locked(tally).skip(u64::from(chunk.documents));
            continue;
        }
        let _permit = context.inserts.acquire().await.map_err(|_| Error::PipelineClosed("the inserts"))?;
        match inserter.insert(&chunk.bytes).await {
            Ok(outcome) if context.is_settled_later => locked(tally).add_unsettled(outcome),
            Ok(outcome) => locked(tally).add(outcome),
            Err(error) if is_refusal(&error) => {
                // How much of this chunk was taken is unknown; none of it is claimed.
                progress.monitor.fail(name, error.to_string(), 0);
                let mut tally = locked(tally);
                tally.refuse_all();
                tally.skip(u64::from(chunk.documents));
            }
            Err(error) => {
                context.abort.request();
                return Err(error.into());
            }
        }
        progress.item.add(u64::from(chunk.documents), chunk.bytes.len() as u64);
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
        if tally.seen() != destination.arrived.documents {
            let message = format!(
                "{name}: {} documents came from the archive, but {} are accounted for; this is a defect of mongoark",
                destination.arrived.documents,
                tally.seen()
            );
            return Err(Error::Catalog(message));
        }
        let lost = tally.rejected;
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
