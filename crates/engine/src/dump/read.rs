//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::plan::{Plan, Planned};
use crate::archive::ArchiveInput;
use crate::catalog::Change;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{self as deployment, ErrorKind, Patience, Scan, Source};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts, Namespace, TopologyKind};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Bytes a reply is asked to hold: a batch fills a chunk.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// From this size on a collection is read through several cursors.
const SPLIT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that each of several cursors gets at least.
const PART_BYTES: u64 = 32 * 1024 * 1024;
/// Documents below which sampling says nothing.
const SPLIT_DOCUMENTS: u64 = 5_000;
/// How often a collection is begun anew after its cursor was lost.
const RESTARTS: u32 = 3;

/// What was read.
#[derive(Default)]
pub(super) struct Done {
    pub(super) totals: Counts,
    pub(super) changes: Vec<Change>,
}

/// What every reading task needs.
struct Context {
    source: Source,
    filter: Option<RawDocumentBuf>,
    input: ArchiveInput,
    monitor: Monitor,
    stop: Stop,
    /// Set when one collection's failure ends the run, so that the others end too.
    abort: Stop,
    jobs: usize,
    /// Cursors that may be read at once.
    cursors: Semaphore,
}

/// How reading one collection ended.
enum Outcome {
    Whole(Counts),
    Changed(Change),
    Failed,
}

pub(super) async fn all(
    source: &Source,
    plan: &Plan,
    filter: Option<RawDocumentBuf>,
    jobs: usize,
    input: &ArchiveInput,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Done> {
    let context = Arc::new(Context {
        source: source.clone(),
        filter,
        input: input.clone(),
        monitor: monitor.clone(),
        stop: stop.clone(),
        abort: Stop::default(),
        jobs,
        cursors: Semaphore::new(jobs),
    });
    let mut order: Vec<&Planned> = plan.collections.iter().collect();
    // The largest first, so that the last to end is small; by name where sizes are equal.
    order.sort_by_key(|planned| std::cmp::Reverse(planned.stats.bytes));
    let mut done = Done::default();
    let mut running: JoinSet<Result<Outcome>> = JoinSet::new();
    let mut failed = None;
    for planned in order {
        while running.len() >= jobs {
            settle(&mut running, &mut done, &mut failed).await;
        }
        if failed.is_some() || stop.is_requested() {
            context.abort.request();
            break;
        }
        let (context, metadata, stream) = (Arc::clone(&context), planned.metadata.clone(), planned.stream);
        let stats = planned.stats;
        running.spawn(async move { collection(&context, &metadata, stats, stream).await });
    }
    while !running.is_empty() {
        settle(&mut running, &mut done, &mut failed).await;
        if failed.is_some() {
            // Dropping a driver future in mid-flight is unsafe: the others end at their next batch.
            context.abort.request();
        }
    }
    match failed {
        Some(error) => Err(error),
        None => stop.check().map(|()| done),
    }
}

/// Waits for one collection. After a failure the others end at their next batch.
async fn settle(running: &mut JoinSet<Result<Outcome>>, done: &mut Done, failed: &mut Option<Error>) {
    let Some(outcome) = running.join_next().await else { return };
    match outcome.unwrap_or(Err(Error::PipelineClosed("a reader"))) {
        Ok(Outcome::Whole(counts)) => done.totals += counts,
        Ok(Outcome::Changed(change)) => done.changes.push(change),
        Ok(Outcome::Failed) => {}
        Err(error) => {
            if failed.as_ref().is_none_or(Error::is_consequence) {
                *failed = Some(error);
            }
        }
    }
}

async fn collection(
    context: &Arc<Context>,
    metadata: &CollectionMetadata,
    stats: deployment::CollectionStats,
    stream: u32,
) -> Result<Outcome> {
    if metadata.kind == CollectionKind::View {
        context.input.stream_end(stream)?;
        return Ok(Outcome::Whole(Counts::default()));
    }
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let item = context.monitor.item(metadata.namespace.to_string(), stats.documents, stats.bytes);
        let read = documents(context, metadata, stats, stream, &item).await;
        context.monitor.finish(&item);
        let error = match read {
            Ok(Some(counts)) => {
                context.input.stream_end(stream)?;
                return Ok(Outcome::Whole(counts));
            }
            Ok(None) => {
                context.input.stream_end(stream)?;
                return Ok(gone(context, metadata, whereabouts(context, metadata).await?));
            }
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        context.input.retract(stream)?;
        if error.is_passing() {
            // The member restarts, steps down, or the network failed: from the start, a little later.
            context.stop.check()?;
            patience.wait(error).await?;
            continue;
        }
        if !is_for_the_collection(&error) {
            return Err(error.into());
        }
        let whereabouts = whereabouts(context, metadata).await?;
        // A capped collection that rolled over, or a plan that was killed: from the start.
        if is_lost_cursor(&error) && restarts < RESTARTS && whereabouts == Whereabouts::Here {
            restarts += 1;
            let message = format!("read again from its start: {error}");
            context.monitor.warn(metadata.namespace.to_string(), message);
            continue;
        }
        context.input.stream_end(stream)?;
        if whereabouts != Whereabouts::Here && error.kind() != ErrorKind::Unauthorized {
            return Ok(gone(context, metadata, whereabouts));
        }
        context.monitor.fail(metadata.namespace.to_string(), error.to_string(), 0);
        return Ok(Outcome::Failed);
    }
}

/// Whether a failure concerns this collection alone, so that the others are still worth reading.
fn is_for_the_collection(error: &deployment::Error) -> bool {
    matches!(error.kind(), ErrorKind::Command(_) | ErrorKind::Unauthorized | ErrorKind::Reply)
}

/// `CappedPositionLost`, `QueryPlanKilled`, `CursorNotFound`, `CursorKilled`.
fn is_lost_cursor(error: &deployment::Error) -> bool {
    matches!(error.code(), Some(136 | 175 | 43 | 237))
}

/// Where the collection that was planned is now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whereabouts {
    Here,
    Renamed(Namespace),
    Gone,
}

/// Looks for the collection by its UUID: another one may have its name by now.
async fn whereabouts(context: &Context, metadata: &CollectionMetadata) -> Result<Whereabouts> {
    let mut patience = Patience::default();
    loop {
        match look_for(context, metadata).await {
            Ok(found) => return Ok(found),
            Err(error) if error.is_passing() => patience.wait(error).await?,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn look_for(context: &Context, metadata: &CollectionMetadata) -> deployment::Result<Whereabouts> {
    let namespace = metadata.data_namespace();
    if deployment::catalog::uuid_of(&context.source, &namespace).await? == metadata.uuid {
        return Ok(Whereabouts::Here);
    }
    let all = deployment::catalog::collections(&context.source, &namespace.db).await?;
    let renamed = all.into_iter().find(|found| metadata.uuid.is_some() && found.uuid == metadata.uuid);
    Ok(renamed.map_or(Whereabouts::Gone, |found| Whereabouts::Renamed(found.namespace)))
}

/// A collection that is not there any more. Dropped, its documents are nowhere; renamed, they are
/// under a name that nobody reads, and so were not carried over.
fn gone(context: &Context, metadata: &CollectionMetadata, whereabouts: Whereabouts) -> Outcome {
    let name = metadata.namespace.to_string();
    let what = match whereabouts {
        Whereabouts::Renamed(to) => {
            let what = format!("renamed to {to} while the dump ran; its documents are not in the archive");
            context.monitor.fail(name, what.clone(), 0);
            what
        }
        Whereabouts::Gone | Whereabouts::Here => {
            let what = "dropped while the dump ran; its documents are not in the archive".to_owned();
            context.monitor.warn(name, what.clone());
            what
        }
    };
    Outcome::Changed(Change { namespace: metadata.namespace.clone(), what })
}

/// Reads a collection's documents; nothing where the collection that was planned is not there.
async fn documents(
    context: &Arc<Context>,
    metadata: &CollectionMetadata,
    stats: deployment::CollectionStats,
    stream: u32,
    item: &Item,
) -> Result<Option<Counts>> {
    let namespace = metadata.data_namespace();
    let batch_documents = stats.documents_in(BATCH_BYTES);
    let scans = scans(context, metadata, &namespace, stats, batch_documents).await?;
    // A cursor on a name that does not exist is empty, and one on a name that was given anew reads
    // something else; neither is an error to the server.
    if whereabouts(context, metadata).await? != Whereabouts::Here {
        return Ok(None);
    }
    let mut parts: JoinSet<Result<Counts>> = JoinSet::new();
    for scan in scans {
        let (context, item) = (Arc::clone(context), item.clone());
        parts.spawn(async move { part(&context, scan, stream, &item).await });
    }
    let mut counts = Ok(Counts::default());
    while let Some(read) = parts.join_next().await {
        let read = read.unwrap_or(Err(Error::PipelineClosed("a cursor's task")));
        counts = match (counts, read) {
            (Ok(mut counts), Ok(read)) => {
                counts += read;
                Ok(counts)
            }
            (Err(first), Err(second)) if first.is_consequence() => Err(second),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    counts.map(Some)
}

async fn scans(
    context: &Context,
    metadata: &CollectionMetadata,
    namespace: &Namespace,
    stats: deployment::CollectionStats,
    batch_documents: u32,
) -> Result<Vec<Scan>> {
    let parts = usize::try_from(stats.bytes / PART_BYTES).unwrap_or(usize::MAX).min(context.jobs);
    let can_split = context.filter.is_none()
        && metadata.kind == CollectionKind::Collection
        && !metadata.is_capped()
        && !metadata.is_clustered()
        && context.source.info().topology != TopologyKind::Sharded;
    if can_split && parts > 1 && stats.bytes >= SPLIT_BYTES && stats.documents >= SPLIT_DOCUMENTS {
        match deployment::open_parts(&context.source, namespace, parts, batch_documents).await {
            Ok(Some(scans)) => return Ok(scans),
            Ok(None) => context.monitor.detail(format!("{namespace} cannot be split; one cursor reads it")),
            // Sampling is a help: whatever is really wrong, one cursor will meet it too.
            Err(error) => context.monitor.detail(format!("{namespace} is not split: {error}")),
        }
    }
    let filter = context.filter.as_deref();
    Ok(vec![Scan::open(&context.source, namespace, filter, batch_documents).await?])
}

/// One cursor's documents into chunks, until it ends.
async fn part(context: &Context, mut scan: Scan, stream: u32, item: &Item) -> Result<Counts> {
    let _cursor = context.cursors.acquire().await.map_err(|_| Error::PipelineClosed("the cursors"))?;
    let mut counts = Counts::default();
    let mut chunk = None;
    while let Some(batch) = scan.next().await? {
        context.stop.check()?;
        context.abort.check()?;
        let (mut documents, mut bytes) = (0, 0);
        for document in batch.documents()? {
            let document = document?;
            let mut open = match chunk.take() {
                Some(open) => open,
                None => context.input.open_chunk().await?,
            };
            if open.is_full_for(document.len()) {
                context.input.send(stream, open)?;
                open = context.input.open_chunk().await?;
            }
            open.push(document);
            chunk = Some(open);
            documents += 1;
            bytes += document.len() as u64;
        }
        item.add(documents, bytes);
        counts += Counts::new(documents, bytes);
    }
    if let Some(open) = chunk {
        context.input.send(stream, open)?;
    }
    Ok(counts)
}
