//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::checkpoint::Changes;
use super::plan::{Plan, Planned};
use crate::archive::{ArchiveInput, CHUNK_BYTES, PartPlace};
use crate::catalog::Change;
use crate::scan::{
    self, Reading, Run, Whereabouts, is_for_the_collection, is_lost_cursor, open_where_it_is, whereabouts,
};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_deployment::{Incarnation, Patience, Place, Scan};
use mongoark_model::{CollectionKind, Counts};
use mongoark_monitor::Item;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// How often a collection is begun anew after its cursor was lost.
const RESTARTS: u32 = 3;
/// The document behind which a cursor was to go on is gone.
const KEY_NOT_FOUND: i32 = 211;

/// What every reading task needs.
pub(super) struct Context {
    pub(super) run: Arc<Run<ArchiveInput>>,
    pub(super) filter: Option<RawDocumentBuf>,
    /// Whether the oplog goes along, and tells what happens to collections meanwhile.
    pub(super) has_oplog: bool,
    /// The life of the member in which an earlier run, or this one, began.
    pub(super) life: Option<Incarnation>,
    /// Where cursors of an earlier run had come to, by stream; taken by who goes on there.
    pub(super) left: Mutex<BTreeMap<u32, Vec<PartPlace>>>,
    /// What an earlier run has read of these streams, and is in the archive.
    pub(super) kept: Mutex<BTreeMap<u32, Counts>>,
    /// What changed while the dump ran.
    pub(super) changes: Changes,
}

impl Context {
    /// What earlier runs have read of streams that this one went on with.
    pub(super) fn kept(&self) -> Counts {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values().fold(Counts::default(), |sum, counts| super::sum(sum, *counts))
    }

    /// What changed while the dump ran.
    pub(super) fn changes(&self) -> Vec<Change> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.iter().map(|(_, change)| change.clone()).collect()
    }
}

/// How reading one collection ended.
enum Outcome {
    Read(Counts),
    Failed,
}

/// Reads every planned collection that is not read yet.
pub(super) async fn all(context: &Arc<Context>, plan: &Plan) -> Result<Counts> {
    let mut order: Vec<&Planned> = plan.unread().collect();
    // The largest first, so that the last to end is small; by name where sizes are equal.
    order.sort_by_key(|planned| std::cmp::Reverse(planned.stats.bytes));
    let mut done = Counts::default();
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
async fn settle(running: &mut JoinSet<Result<Outcome>>, done: &mut Counts, failed: &mut Option<Error>) {
    let Some(outcome) = running.join_next().await else { return };
    match outcome.unwrap_or(Err(Error::PipelineClosed("a reader"))) {
        Ok(Outcome::Read(counts)) => *done += counts,
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
        CollectionKind::View => Outcome::Read(Counts::default()),
        _ => documents(context, planned).await?,
    };
    context.run.sink.stream_end(stream)?;
    Ok(outcome)
}

/// All documents of a collection; from the start again where its cursors were lost for good.
async fn documents(context: &Arc<Context>, planned: &Planned) -> Result<Outcome> {
    let (metadata, stats) = (&planned.metadata, planned.stats);
    let name = || metadata.namespace.to_string();
    let left = context.left.lock().unwrap_or_else(PoisonError::into_inner).remove(&planned.stream);
    let mut left = left.unwrap_or_default();
    let mut restarts = 0;
    let mut patience = Patience::default();
    loop {
        let item = context.run.monitor.item(name(), stats.documents, stats.bytes);
        let mut is_begun = false;
        let read = attempt(context, planned, &item, &left, &mut is_begun).await;
        context.run.monitor.finish(&item);
        let error = match read {
            Ok(outcome) => return Ok(outcome),
            Err(Error::Deployment(error)) => error,
            Err(error) => return Err(error),
        };
        // A place that the server does not take is as good as lost: only the start is left.
        let is_refused = !left.is_empty() && is_for_the_collection(&error);
        let is_lost = is_lost_cursor(&error) || error.is_code(KEY_NOT_FOUND) || is_refused;
        if error.may_pass() || is_lost && restarts < RESTARTS {
            context.run.check()?;
            restarts += u32::from(is_lost);
            let why = error.to_string();
            // Where this ends the run, what is there stays, and can be gone on with.
            patience.wait(error).await?;
            if is_begun || is_lost || left.is_empty() {
                take_back(context, planned, &mut left)?;
                context.run.monitor.warn(name(), format!("read again from its start: {why}"));
            }
            continue;
        }
        take_back(context, planned, &mut left)?;
        if !is_for_the_collection(&error) {
            return Err(error.into());
        }
        if whereabouts(&context.run.source, metadata).await? == Whereabouts::Gone {
            return Ok(dropped(context, planned, Counts::default()));
        }
        context.run.monitor.fail(name(), error.to_string(), 0);
        return Ok(Outcome::Failed);
    }
}

/// All that was read of a stream counts no longer, and it is begun from its start.
fn take_back(context: &Context, planned: &Planned, left: &mut Vec<PartPlace>) -> Result<()> {
    left.clear();
    context.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(&planned.stream);
    context.run.sink.retract(planned.stream)
}

/// One attempt at all documents, or at those that an earlier run left; `is_begun` once anything may be sent.
async fn attempt(
    context: &Arc<Context>,
    planned: &Planned,
    item: &Item,
    left: &[PartPlace],
    is_begun: &mut bool,
) -> Result<Outcome> {
    let metadata = &planned.metadata;
    let namespace = metadata.data_namespace();
    let (numbers, places): (Vec<usize>, Vec<Place>) =
        left.iter().enumerate().filter_map(|(part, left)| Some((part, left.place.clone()?))).unzip();
    if places.is_empty() && !left.is_empty() {
        return where_it_is(context, planned, Counts::default()).await;
    }
    // Of before the cursors: what they are opened in may be another life already.
    let life = if left.is_empty() { context.run.incarnation() } else { context.life.clone() };
    let reading = Reading {
        source: &context.run.source,
        metadata,
        namespace: &namespace,
        filter: context.filter.as_deref(),
        stats: planned.stats,
        parts_max: context.run.parts_max,
        batch_bytes: CHUNK_BYTES,
        raw_data: false,
        places: &places,
    };
    let Some(scans) = open_where_it_is(reading, &context.run.monitor).await? else {
        return Ok(dropped(context, planned, Counts::default()));
    };
    *is_begun = true;
    if !left.is_empty() && !context.run.is_still(life.as_ref()).await? {
        return Err(scan::another_life(&namespace, "it was left by an earlier run"));
    }
    let (parts, scans): (Vec<PartPlace>, Vec<(usize, Scan)>) = if places.is_empty() {
        let parts = scans.iter().map(|scan| PartPlace::at(scan.place())).collect();
        (parts, scans.into_iter().enumerate().collect())
    } else {
        (left.to_vec(), numbers.into_iter().zip(scans).collect())
    };
    context.run.sink.begin_parts(planned.stream, parts);
    let read = scan::to_the_end(&context.run, life, reading, scans, planned.stream, item).await?;
    let counts = read.counts;
    if read.is_gone {
        return Ok(dropped(context, planned, counts));
    }
    where_it_is(context, planned, counts).await
}

/// A collection that is read to its end, under the name that it has now.
async fn where_it_is(context: &Context, planned: &Planned, counts: Counts) -> Result<Outcome> {
    Ok(match whereabouts(&context.run.source, &planned.metadata).await? {
        Whereabouts::Renamed(to) => {
            let what = format!(
                "renamed to {to} while the dump ran; its documents are in the archive under its old name"
            );
            changed(context, planned, what, counts)
        }
        Whereabouts::Here | Whereabouts::Gone => Outcome::Read(counts),
    })
}

/// A collection that was dropped before it was read to its end.
fn dropped(context: &Context, planned: &Planned, counts: Counts) -> Outcome {
    let kept = context.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&planned.stream).copied();
    let what = match counts.documents + kept.unwrap_or_default().documents {
        0 => "dropped while the dump ran; its documents are not in the archive".to_owned(),
        some => format!("dropped while the dump ran; only {some} of its documents are in the archive"),
    };
    changed(context, planned, what, counts)
}

/// What happened is told. With the oplog the replay does it again, and nothing is amiss.
fn changed(context: &Context, planned: &Planned, what: String, counts: Counts) -> Outcome {
    let namespace = planned.metadata.namespace.clone();
    let name = namespace.to_string();
    if context.has_oplog {
        context.run.monitor.step(format!("{name}: {what}; a restore will have it as it was in the end"));
    } else {
        context.run.monitor.warn(name, what.clone());
    }
    let mut changes = context.changes.lock().unwrap_or_else(PoisonError::into_inner);
    changes.push((planned.stream, Change { namespace, what }));
    Outcome::Read(counts)
}
