//! Reading every planned collection into chunks: several collections at once, a large one through
//! several cursors.

use super::job;
use super::plan::{Plan, Planned};
use crate::archive::{ArchiveInput, CHUNK_BYTES, PartPlace};
use crate::catalog::Change;
use crate::error::cause_of;
use crate::scan::{
    self, RESTARTS, Reading, Rest, Run, Whereabouts, is_for_the_collection, is_lost_place, open_where_it_is,
    whereabouts,
};
use crate::{Error, Result};
use bson::RawDocumentBuf;
use mongoark_deployment::oplog::Mark;
use mongoark_deployment::{ErrorKind, Incarnation, Patience, Place, Scan};
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Item;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
    /// What has come of it.
    pub(super) read: Mutex<Read>,
}

/// What reading has come to.
#[derive(Default)]
pub(super) struct Read {
    /// What was read of streams that are ended.
    pub(super) ended: BTreeMap<u32, Counts>,
    /// Behind all that was read of them; nothing without the oplog.
    pub(super) mark: Option<Mark>,
    /// What changed meanwhile, by stream.
    pub(super) changes: Vec<(u32, Change)>,
}

impl Context {
    /// What reading has come to.
    pub(super) fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an earlier run has read of streams, and is in the archive still.
    pub(super) fn take_kept(&self) -> BTreeMap<u32, Counts> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many streams are ended at once at most.
const ENDED_MAX: usize = 1_000;

/// Ends streams that are read to their ends. With the oplog not before it is known up to which entry all that was read of
/// them may reach, and that the member is still the one that it was.
async fn end_streams(context: &Context, mut read: mpsc::UnboundedReceiver<Ended>) -> Result<()> {
    let mut several = Vec::new();
    while read.recv_many(&mut several, ENDED_MAX).await > 0 {
        if context.has_oplog {
            let mark = job::mark(&context.run.source, context.life.as_ref()).await?;
            context.read().mark = Some(mark);
        }
        for Ended { stream, namespace, outcome } in several.drain(..) {
            // Before its end: a checkpoint that has the one has the other.
            let counts = match outcome {
                Outcome::Read(counts) => counts,
                Outcome::Failed(why) => {
                    context.run.monitor.fail(namespace.to_string(), why, 0);
                    Counts::default()
                }
            };
            context.run.sink.stream_end(stream)?;
            context.read().ended.insert(stream, counts);
        }
    }
    Ok(())
}

/// A stream that is read to its end, or that cannot be.
struct Ended {
    stream: u32,
    namespace: Namespace,
    outcome: Outcome,
}

/// How reading one collection ended.
enum Outcome {
    Read(Counts),
    /// With the reason.
    Failed(String),
}

/// Reads every planned collection that is not read yet, and ends their streams.
pub(super) async fn all(context: &Arc<Context>, plan: &Plan) -> Result<()> {
    let (done, read) = mpsc::unbounded_channel();
    let ending = async {
        let ended = end_streams(context, read).await;
        if ended.is_err() {
            context.run.abort.request();
        }
        ended
    };
    let (read, ended) = tokio::join!(collections(context, plan, done), ending);
    cause_of(read, ended).map(|_| ())
}

async fn collections(
    context: &Arc<Context>,
    plan: &Plan,
    mut done: mpsc::UnboundedSender<Ended>,
) -> Result<()> {
    let mut order: Vec<&Planned> = plan.unread().collect();
    // The largest first, so that the last to end is small; by name where sizes are equal.
    order.sort_by_key(|planned| std::cmp::Reverse(planned.stats.bytes));
    let mut running: JoinSet<Result<Ended>> = JoinSet::new();
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
        None => context.run.check(),
    }
}

/// Waits for one collection. After a failure the others end at their next batch.
async fn settle(
    running: &mut JoinSet<Result<Ended>>,
    done: &mut mpsc::UnboundedSender<Ended>,
    failed: &mut Option<Error>,
) {
    let Some(outcome) = running.join_next().await else { return };
    let outcome = outcome.unwrap_or(Err(Error::PipelineClosed("a reader")));
    match outcome.and_then(|read| done.send(read).map_err(|_| Error::PipelineClosed("the streams' ends"))) {
        Ok(()) => {}
        Err(error) => {
            if failed.as_ref().is_none_or(Error::is_consequence) {
                *failed = Some(error);
            }
        }
    }
}

/// One collection: its stream, and what was read of it.
async fn collection(context: &Arc<Context>, planned: &Planned) -> Result<Ended> {
    let outcome = match planned.metadata.kind {
        CollectionKind::View => Outcome::Read(Counts::default()),
        _ => documents(context, planned).await?,
    };
    Ok(Ended { stream: planned.stream, namespace: planned.metadata.namespace.clone(), outcome })
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
        // Of a life that is over nothing may be in the archive but what another one is known to have had.
        if context.has_oplog && error.kind() == ErrorKind::AnotherLife {
            return Err(error.into());
        }
        // A place that the server does not take is as good as lost: only the start is left.
        let is_refused = !left.is_empty() && is_for_the_collection(&error);
        let is_lost = is_lost_place(&error) || is_refused;
        if error.may_pass() || is_lost && restarts < RESTARTS {
            context.run.check()?;
            if is_lost {
                restarts += 1;
                patience = Patience::default();
            }
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
        return Ok(Outcome::Failed(error.to_string()));
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
    let rest = if context.has_oplog { None } else { Rest::among(left) };
    let is_rest = |part: usize| rest.as_ref().is_some_and(|rest| rest.part == part);
    let unread = left.iter().enumerate().filter(|(part, _)| !is_rest(*part));
    let (numbers, places): (Vec<usize>, Vec<Place>) =
        unread.filter_map(|(part, left)| Some((part, left.place.clone()?))).unzip();
    let is_rest_left = places.is_empty() && !left.is_empty();
    if is_rest_left && rest.is_none() {
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
    let opened =
        if is_rest_left { Some(Vec::new()) } else { open_where_it_is(reading, &context.run.monitor).await? };
    let Some(scans) = opened else {
        return Ok(dropped(context, planned, Counts::default()));
    };
    *is_begun = true;
    if !left.is_empty() && !context.run.is_still(life.as_ref()).await? {
        return Err(scan::another_life(&namespace, "it was left by an earlier run"));
    }
    let (mut parts, scans): (Vec<PartPlace>, Vec<(usize, Scan)>) = if left.is_empty() {
        let parts = scans.iter().map(|scan| PartPlace::at(scan.place())).collect();
        (parts, scans.into_iter().enumerate().collect())
    } else {
        (left.to_vec(), numbers.into_iter().zip(scans).collect())
    };
    let rest = if context.has_oplog { None } else { rest.or_else(|| Rest::behind_parts(&parts)) };
    if let Some(rest) = rest.as_ref().filter(|rest| rest.part == parts.len()) {
        parts.push(PartPlace::at(Some(rest.place.clone())));
    }
    context.run.sink.begin_parts(planned.stream, parts);
    let read = scan::to_the_end(&context.run, life, reading, scans, rest, planned.stream, item).await?;
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
    context.read().changes.push((planned.stream, Change { namespace, what }));
    Outcome::Read(counts)
}
