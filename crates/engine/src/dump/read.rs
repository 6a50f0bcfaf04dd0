//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::plan::{Plan, Planned};
use crate::archive::{ArchiveInput, CHUNK_BYTES};
use crate::catalog::Change;
use crate::scan::{
    self, Reading, Run, Whereabouts, is_for_the_collection, is_lost_cursor, open_where_it_is, whereabouts,
};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_deployment::Patience;
use mongoark_model::{CollectionKind, CollectionMetadata, Counts};
use mongoark_monitor::Item;
use std::sync::Arc;
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
    pub(super) run: Arc<Run<ArchiveInput>>,
    pub(super) filter: Option<RawDocumentBuf>,
    /// Whether the oplog goes along, and tells what happens to collections meanwhile.
    pub(super) has_oplog: bool,
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
        while running.len() >= context.run.parts_max {
            settle(&mut running, &mut done, &mut failed).await;
        }
        if failed.is_some() || context.run.stop.is_requested() || context.run.abort.is_requested() {
            context.run.abort.request();
            break;
        }
        let (context, planned) = (Arc::clone(context), planned.clone());
        running.spawn(async move { collection(&context, &planned).await });
    }
    while !running.is_empty() {
        settle(&mut running, &mut done, &mut failed).await;
        if failed.is_some() {
            // Dropping a driver future in mid-flight is unsafe: the others end at their next batch.
            context.run.abort.request();
        }
    }
    match failed {
        Some(error) => Err(error),
        None => context.run.check().map(|()| done),
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
    context.run.sink.stream_end(stream)?;
    Ok(outcome)
}

/// All documents of a collection; from the start again where its cursors were lost for good.
async fn documents(context: &Arc<Context>, planned: &Planned) -> Result<Outcome> {
    let (metadata, stats) = (&planned.metadata, planned.stats);
    let name = || metadata.namespace.to_string();
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let item = context.run.monitor.item(name(), stats.documents, stats.bytes);
        let read = attempt(context, planned, &item).await;
        context.run.monitor.finish(&item);
        let error = match read {
            Ok(outcome) => return Ok(outcome),
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        context.run.sink.retract(planned.stream)?;
        let is_lost = is_lost_cursor(&error) || error.is_code(KEY_NOT_FOUND);
        if error.is_passing() || is_lost && restarts < RESTARTS {
            context.run.check()?;
            restarts += u32::from(is_lost);
            context.run.monitor.warn(name(), format!("read again from its start: {error}"));
            patience.wait(error).await?;
            continue;
        }
        if !is_for_the_collection(&error) {
            return Err(error.into());
        }
        if whereabouts(&context.run.source, metadata).await? == Whereabouts::Gone {
            return Ok(dropped(context, metadata, Counts::default()));
        }
        context.run.monitor.fail(name(), error.to_string(), 0);
        return Ok(Outcome::Failed);
    }
}

/// One attempt at all documents.
async fn attempt(context: &Arc<Context>, planned: &Planned, item: &Item) -> Result<Outcome> {
    let metadata = &planned.metadata;
    let namespace = metadata.data_namespace();
    let reading = Reading {
        source: &context.run.source,
        metadata,
        namespace: &namespace,
        filter: context.filter.as_deref(),
        stats: planned.stats,
        parts_max: context.run.parts_max,
        batch_bytes: CHUNK_BYTES,
        raw_data: false,
    };
    let Some(scans) = open_where_it_is(reading, &context.run.monitor).await? else {
        return Ok(dropped(context, metadata, Counts::default()));
    };
    let read = scan::to_the_end(&context.run, reading, scans, planned.stream, item).await?;
    let counts = read.counts;
    if read.is_gone {
        return Ok(dropped(context, metadata, counts));
    }
    Ok(match whereabouts(&context.run.source, metadata).await? {
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
        context.run.monitor.step(format!("{name}: {what}; a restore will have it as it was in the end"));
    } else {
        context.run.monitor.warn(name, what.clone());
    }
    Outcome::Changed(Change { namespace: metadata.namespace.clone(), what }, counts)
}
