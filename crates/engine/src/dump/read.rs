//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::plan::{Plan, Planned};
use crate::archive::{ArchiveInput, CHUNK_BYTES};
use crate::catalog::Change;
use crate::scan::{
    self, ReadContext, Reader, Reading, Whereabouts, is_for_the_collection, is_lost_cursor, open_where_it_is,
    whereabouts,
};
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_deployment::{Patience, Source};
use mongoark_model::{CollectionKind, CollectionMetadata, Counts};
use mongoark_monitor::{Item, Monitor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often a collection is begun anew after its cursor was lost.
const RESTARTS: u32 = 3;
/// The document behind which a cursor was to go on is gone.
const KEY_NOT_FOUND: i32 = 211;

/// What was read.
#[derive(Default)]
pub(super) struct Done {
    pub(super) totals: Counts,
    pub(super) changes: Vec<Change>,
}

/// What every reading task needs.
pub(super) struct Context {
    pub(super) source: Source,
    pub(super) filter: Option<RawDocumentBuf>,
    pub(super) input: ArchiveInput,
    pub(super) monitor: Monitor,
    pub(super) stop: Stop,
    /// Set when one failure ends the run, so that the others end too.
    pub(super) abort: Stop,
    pub(super) jobs: usize,
    /// Cursors that may be read at once.
    pub(super) cursors: Semaphore,
    /// Whether the oplog goes along, and tells what happens to collections meanwhile.
    pub(super) has_oplog: bool,
}

impl ReadContext for Context {
    type Sink = ArchiveInput;

    fn source(&self) -> &Source {
        &self.source
    }

    fn sink(&self) -> &ArchiveInput {
        &self.input
    }

    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn cursors(&self) -> &Semaphore {
        &self.cursors
    }

    fn check(&self) -> Result<()> {
        self.stop.check()?;
        self.abort.check_consequence()
    }
}

/// How reading one collection ended.
enum Outcome {
    Whole(Counts),
    Changed(Change, Counts),
    Failed,
}

/// Reads every planned collection.
pub(super) async fn all(context: &Arc<Context>, plan: &Plan) -> Result<Done> {
    let mut order: Vec<&Planned> = plan.collections.iter().collect();
    // The largest first, so that the last to end is small; by name where sizes are equal.
    order.sort_by_key(|planned| std::cmp::Reverse(planned.stats.bytes));
    let mut done = Done::default();
    let mut running: JoinSet<Result<Outcome>> = JoinSet::new();
    let mut failed = None;
    for planned in order {
        while running.len() >= context.jobs {
            settle(&mut running, &mut done, &mut failed).await;
        }
        if failed.is_some() || context.stop.is_requested() || context.abort.is_requested() {
            context.abort.request();
            break;
        }
        let (context, planned) = (Arc::clone(context), planned.clone());
        running.spawn(async move { collection(&context, &planned).await });
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
        None => context.check().map(|()| done),
    }
}

/// Waits for one collection. After a failure the others end at their next batch.
async fn settle(running: &mut JoinSet<Result<Outcome>>, done: &mut Done, failed: &mut Option<Error>) {
    let Some(outcome) = running.join_next().await else { return };
    match outcome.unwrap_or(Err(Error::PipelineClosed("a reader"))) {
        Ok(Outcome::Whole(counts)) => done.totals += counts,
        Ok(Outcome::Changed(change, counts)) => {
            done.totals += counts;
            done.changes.push(change);
        }
        Ok(Outcome::Failed) => {}
        Err(error) => {
            if failed.as_ref().is_none_or(Error::is_consequence) {
                *failed = Some(error);
            }
        }
    }
}

async fn collection(context: &Arc<Context>, planned: &Planned) -> Result<Outcome> {
    let stream = planned.stream;
    let outcome = match planned.metadata.kind {
        CollectionKind::View => Outcome::Whole(Counts::default()),
        _ => documents(context, planned).await?,
    };
    context.input.stream_end(stream)?;
    Ok(outcome)
}

/// All documents of a collection; from the start again where its cursors were lost for good.
async fn documents(context: &Arc<Context>, planned: &Planned) -> Result<Outcome> {
    let (metadata, stats) = (&planned.metadata, planned.stats);
    let name = || metadata.namespace.to_string();
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let item = context.monitor.item(name(), stats.documents, stats.bytes);
        let read = attempt(context, planned, &item).await;
        context.monitor.finish(&item);
        let error = match read {
            Ok(outcome) => return Ok(outcome),
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        context.input.retract(planned.stream)?;
        let is_lost = is_lost_cursor(&error) || error.is_code(KEY_NOT_FOUND);
        if error.is_passing() || is_lost && restarts < RESTARTS {
            context.check()?;
            restarts += u32::from(is_lost);
            context.monitor.warn(name(), format!("read again from its start: {error}"));
            patience.wait(error).await?;
            continue;
        }
        if !is_for_the_collection(&error) {
            return Err(error.into());
        }
        if whereabouts(&context.source, metadata).await? == Whereabouts::Gone {
            return Ok(dropped(context, metadata, Counts::default()));
        }
        context.monitor.fail(name(), error.to_string(), 0);
        return Ok(Outcome::Failed);
    }
}

/// One attempt at all documents.
async fn attempt(context: &Arc<Context>, planned: &Planned, item: &Item) -> Result<Outcome> {
    let metadata = &planned.metadata;
    let namespace = metadata.data_namespace();
    let reading = Reading {
        source: &context.source,
        metadata,
        namespace: &namespace,
        filter: context.filter.as_deref(),
        stats: planned.stats,
        parts_max: context.jobs,
        batch_bytes: CHUNK_BYTES,
        raw_data: false,
    };
    let Some(scans) = open_where_it_is(reading, &context.monitor).await? else {
        return Ok(dropped(context, metadata, Counts::default()));
    };
    let gone = Arc::new(AtomicBool::new(false));
    let mut parts: JoinSet<Result<Counts>> = JoinSet::new();
    for scan in scans {
        let reader = Reader {
            context: Arc::clone(context),
            metadata: metadata.clone(),
            data: namespace.clone(),
            gone: Arc::clone(&gone),
        };
        let (stream, item) = (planned.stream, item.clone());
        parts.spawn(async move { reader.part(scan, stream, &item).await });
    }
    let mut counts = Ok(Counts::default());
    while let Some(read) = parts.join_next().await {
        counts = scan::sum(counts, read.unwrap_or_else(|_| Err(scan::lost_task())));
    }
    let counts = counts?;
    if gone.load(Ordering::Relaxed) {
        return Ok(dropped(context, metadata, counts));
    }
    Ok(match whereabouts(&context.source, metadata).await? {
        Whereabouts::Renamed(to) => {
            let what = format!(
                "renamed to {to} while the dump ran; its documents are in the archive under its old name"
            );
            changed(context, metadata, what, counts)
        }
        Whereabouts::Here | Whereabouts::Gone => Outcome::Whole(counts),
    })
}

/// A collection that was dropped before it was read to its end.
fn dropped(context: &Context, metadata: &CollectionMetadata, counts: Counts) -> Outcome {
    let what = match counts.documents {
        0 => "dropped while the dump ran; its documents are not in the archive".to_owned(),
        some => format!("dropped while the dump ran; only {some} of its documents are in the archive"),
    };
    changed(context, metadata, what, counts)
}

/// What happened is told. With the oplog the replay does it again, and nothing is amiss.
fn changed(context: &Context, metadata: &CollectionMetadata, what: String, counts: Counts) -> Outcome {
    let name = metadata.namespace.to_string();
    if context.has_oplog {
        context.monitor.step(format!("{name}: {what}; a restore will have it as it was in the end"));
    } else {
        context.monitor.warn(name, what.clone());
    }
    Outcome::Changed(Change { namespace: metadata.namespace.clone(), what }, counts)
}
