//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::plan::{Plan, Planned};
use crate::archive::{ArchiveInput, CHUNK_BYTES};
use crate::catalog::Change;
use crate::scan::{self, Filler, Reading, Whereabouts, is_for_the_collection, is_lost_cursor, whereabouts};
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{self as deployment, ErrorKind, Patience, Scan, Source};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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
                return Ok(gone(context, metadata, whereabouts(&context.source, metadata).await?));
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
        let whereabouts = whereabouts(&context.source, metadata).await?;
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
    let reading = Reading {
        source: &context.source,
        metadata,
        namespace: &namespace,
        filter: context.filter.as_deref(),
        stats,
        parts_max: context.jobs,
        batch_bytes: CHUNK_BYTES,
        raw_data: false,
    };
    let scans = reading.open(&context.monitor).await?;
    // A cursor on a name that does not exist is empty, and one on a name that was given anew reads
    // something else; neither is an error to the server.
    if whereabouts(&context.source, metadata).await? != Whereabouts::Here {
        return Ok(None);
    }
    let mut parts: JoinSet<Result<Counts>> = JoinSet::new();
    for scan in scans {
        let (context, item) = (Arc::clone(context), item.clone());
        parts.spawn(async move { part(&context, scan, stream, &item).await });
    }
    let mut counts = Ok(Counts::default());
    while let Some(read) = parts.join_next().await {
        counts = scan::sum(counts, read.unwrap_or_else(|_| Err(scan::lost_task())));
    }
    counts.map(Some)
}

/// One cursor's documents into chunks, until it ends.
async fn part(context: &Context, mut scan: Scan, stream: u32, item: &Item) -> Result<Counts> {
    let _cursor = context.cursors.acquire().await.map_err(|_| Error::PipelineClosed("the cursors"))?;
    let mut filler = Filler::new(&context.input, stream);
    while let Some(batch) = scan.next().await? {
        context.stop.check()?;
        context.abort.check_consequence()?;
        filler.take(&batch, item).await?;
    }
    filler.finish()
}
