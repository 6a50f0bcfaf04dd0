//! A deployment into an archive: plan, catalog, documents with the oplog beside them, end.

mod checkpoint;
mod job;
mod plan;
mod read;
mod resume;

pub use resume::Resumable;

use crate::archive::{self, ArchiveInput, CHUNK_BYTES, Output, Written};
use crate::catalog::{
    Change, Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, encode_collection, encode_oplog, now_ms,
};
use crate::error::cause_of;
use crate::oplog::{ArchivedOplog, Beginning, Capture, EntryId, Origin, Scope, Settled, Span, settle};
use crate::pool::{Budget, cores};
use crate::select::Selection;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use checkpoint::Keeper;
use job::Job;
use mongoark_container::WriteOptions;
use mongoark_deployment::Source;
use mongoark_deployment::oplog::Level;
use mongoark_model::{Counts, MemberChoice, TopologyKind};
use mongoark_monitor::Monitor;
use plan::Plan;
use read::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to dump, and how.
#[derive(Debug)]
pub struct DumpOptions {
    /// Which namespaces.
    pub selection: Selection,
    /// Only documents that match; for a selection of one collection.
    pub filter: Option<RawDocumentBuf>,
    /// Codec and secrets.
    pub write: WriteOptions,
    /// Where the archive goes.
    pub output: Output,
    /// Cursors open at once.
    pub jobs: usize,
    /// Whether the user asked for no oplog; mongos is refused otherwise.
    pub no_oplog: bool,
    /// mongoark's version, for the archive.
    pub tool_version: String,
    /// How often a checkpoint is written; none for what cannot be gone on with.
    pub checkpoint_every: Option<Duration>,
    /// A dump that was broken off, to go on with; `output` does not count then.
    pub resume: Option<Box<Resumable>>,
}

/// How many cursors are read at once unless the user says otherwise.
pub fn default_jobs() -> usize {
    cores().clamp(4, 16)
}

/// What a dump has done.
#[derive(Clone, Debug)]
pub struct DumpReport {
    /// The archive.
    pub written: Written,
    /// Documents and bytes in it.
    pub totals: Counts,
    /// Those among them that an earlier run had read.
    pub kept: Counts,
    /// Collections, views and time series in it.
    pub namespaces: usize,
    /// How far it is of one moment.
    pub consistency: Consistency,
    /// The oplog in it.
    pub oplog: Option<DumpedOplog>,
    /// What changed while it ran.
    pub changes: Vec<Change>,
    /// The member that was read, and why; the last of several.
    pub member: MemberChoice,
    /// How often this run went on with another member, or with the same one in another life.
    pub moves: usize,
}

/// Dumps what is selected. Failures of single namespaces go to the monitor.
///
/// # Errors
/// What keeps the archive as a whole from being made; then no file has the archive's name.
pub async fn dump(
    source: &Source,
    mut options: DumpOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<DumpReport> {
    refuse_mongos(source, &options)?;
    let since = Instant::now();
    let threads = cores();
    // One chunk more is the oplog's.
    let budget = Budget::new((options.jobs + 2 * threads + 3) * CHUNK_BYTES);
    let (mut job, input, archive) = if let Some(found) = options.resume.take() {
        found.go_on(source, &options, threads, budget, monitor, stop).await?
    } else {
        let job = Job::begin_anywhere(source, &options, monitor).await?;
        let output = std::mem::replace(&mut options.output, Output::Stream(Box::new(std::io::sink())));
        let (input, archive) = archive::begin(output, &options.write, threads, budget, monitor)?;
        write_catalog(&input, &job, &options.tool_version)?;
        (job, input, archive)
    };
    monitor.stage("catalog", since);
    let since = Instant::now();
    let read = contents(&mut job, &input, &options, monitor, stop).await;
    let end = read.as_ref().ok().map(|contents| summary(contents, monitor));
    let finished = archive.finish(input, end.as_ref().map(Summary::encode)).await;
    monitor.stage("documents", since);
    let (contents, written) = cause_of(read, finished)?;
    let written = written.ok_or(Error::PipelineClosed("the archive's writer"))?;
    Ok(DumpReport {
        written,
        totals: contents.totals,
        kept: job.whole,
        namespaces: job.plan.collections.len(),
        consistency: contents.consistency(),
        oplog: contents.oplog,
        changes: contents.changes,
        member: job.source.info().member.clone(),
        moves: job.lost.len(),
    })
}

/// What went into the archive.
struct Contents {
    totals: Counts,
    changes: Vec<Change>,
    oplog: Option<DumpedOplog>,
}

/// The oplog that went along.
#[derive(Clone, Copy, Debug)]
pub struct DumpedOplog {
    /// Between which times the archive can bring a deployment.
    pub span: Span,
    /// Entries and their bytes.
    pub entries: Counts,
}

impl Contents {
    fn consistency(&self) -> Consistency {
        if self.oplog.is_some() { Consistency::PointInTime } else { Consistency::PerCollection }
    }
}

/// Where the oplog has to begin; nothing where none goes along, which is told.
async fn beginning(source: &Source, options: &DumpOptions, monitor: &Monitor) -> Result<Option<Beginning>> {
    let without = match source.info().topology {
        TopologyKind::Standalone => "a standalone server has no oplog: the archive is of no single moment",
        TopologyKind::Sharded | TopologyKind::Unknown => {
            "taken through mongos: the archive is of no single moment"
        }
        TopologyKind::ReplicaSet(_) if options.no_oplog => {
            "without the oplog: collections are each consistent by themselves only; writes during the dump are in \
             it in part"
        }
        TopologyKind::ReplicaSet(_) if options.filter.is_some() => {
            "with a query the oplog cannot go along: writes during the dump are in the archive in part"
        }
        TopologyKind::ReplicaSet(_) => {
            let beginning = Beginning::find(source).await;
            return beginning.map(Some).map_err(|source| match source {
                // Without the oplog it would not be there either.
                Error::Deployment(error) if error.may_pass() => error.into(),
                source => Error::NoOplog(Box::new(source)),
            });
        }
    };
    monitor.warn("", without);
    Ok(None)
}

/// All there is to read; from another member where the one that is read is lost.
async fn contents(
    job: &mut Job,
    input: &ArchiveInput,
    options: &DumpOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Contents> {
    loop {
        let context = job.context(input, options, monitor, stop);
        let read = attempt(&context, job, options.checkpoint_every).await;
        job.take_in(&context);
        drop(context);
        let oplog = match read {
            Ok(oplog) => oplog,
            Err(lost) => {
                job.move_on(lost, input, options, monitor, stop).await?;
                continue;
            }
        };
        let mut totals = job.whole;
        totals += job.read;
        let changes = job.changes.iter().map(|(_, change)| change.clone()).collect();
        return Ok(Contents { totals, changes, oplog });
    }
}

/// Documents, and the oplog beside them; a checkpoint every so often.
async fn attempt(
    context: &Arc<Context>,
    job: &Job,
    checkpoint_every: Option<Duration>,
) -> Result<Option<DumpedOplog>> {
    let keeper = checkpoint_every.map(|every| Keeper::start(context, job.begun.clone(), every));
    match &job.begun.beginning {
        Some(beginning) => with_oplog(context, job, beginning, keeper).await.map(Some),
        None => documents(context, &job.plan, keeper).await.map(|()| None),
    }
}

/// Every collection. Checkpoints end with the last one: behind the end of the oplog there is nothing to go on with.
async fn documents(context: &Arc<Context>, plan: &Plan, keeper: Option<Keeper>) -> Result<()> {
    let read = read::all(context, plan).await;
    if let Some(keeper) = keeper {
        keeper.stop().await;
    }
    read
}

async fn with_oplog(
    context: &Arc<Context>,
    job: &Job,
    beginning: &Beginning,
    keeper: Option<Keeper>,
) -> Result<DumpedOplog> {
    let (run, stream) = (&context.run, job.plan.oplog_stream());
    let sink = ArchivedOplog::beside(&run.sink, stream, beginning, &job.begun.selection, job.plan.uuids());
    // What is in the archive can never be rolled back.
    let capture = Capture::begin(&run.following(Level::Majority), beginning.clone(), "oplog", sink);
    if let Err(error) = documents(context, &job.plan, keeper).await {
        // Where the oplog's reader ended the run, its error is the cause.
        return Err(capture.abandon().await.unwrap_or(error));
    }
    let settled = settle(&run.source, beginning, &run.stop).await.and_then(committed);
    let end = settled
        .as_ref()
        .map(|settled| settled.consistent)
        .map_err(|_| Error::PipelineClosed("the oplog's end"));
    let (settled, followed) = cause_of(settled, capture.finish(end).await)?;
    let start = beginning.first();
    let EntryId { time: end, term: end_term, wall_ms: end_wall_ms } = followed.last;
    let span = Span { start, consistent: settled.consistent, end, end_term, end_wall_ms };
    Ok(DumpedOplog { span, entries: followed.sink.finish()? })
}

/// A dump of which a part may be rolled back is of no moment that anybody can rely on.
fn committed(settled: Settled) -> Result<Settled> {
    let Settled { consistent, committed } = settled;
    if settled.is_committed() { Ok(settled) } else { Err(Error::NotCommitted { consistent, committed }) }
}

fn refuse_mongos(source: &Source, options: &DumpOptions) -> Result<()> {
    if source.info().topology == TopologyKind::Sharded && !options.no_oplog {
        let advice = "this is a mongos, whose cluster has no one oplog: dump each shard's replica set, or give \
                      --no-oplog to accept an archive that is of no single moment";
        return Err(Error::Usage(advice.to_owned()));
    }
    Ok(())
}

/// The whole catalog goes before the first document, so that a reader of a pipe knows what comes.
fn write_catalog(input: &ArchiveInput, job: &Job, tool_version: &str) -> Result<()> {
    let entry = DeploymentEntry {
        info: job.source.info().clone(),
        tool_version: tool_version.to_owned(),
        dump_tool: None,
        started_ms: now_ms(),
    };
    input.catalog(DEPLOYMENT_STREAM, entry.encode())?;
    for planned in &job.plan.collections {
        input.catalog(planned.stream, encode_collection(&planned.metadata))?;
    }
    let Some(beginning) = &job.begun.beginning else { return Ok(()) };
    let scope =
        Scope { first: beginning.first(), seen: beginning.seen(), selection: job.begun.selection.clone() };
    input.catalog(job.plan.oplog_stream(), encode_oplog(&Origin::Dump(scope)))
}

fn summary(contents: &Contents, monitor: &Monitor) -> Summary {
    let record = monitor.record();
    let text = |subject: &str, message: &str| {
        if subject.is_empty() { message.to_owned() } else { format!("{subject}: {message}") }
    };
    Summary {
        finished_ms: now_ms(),
        consistency: contents.consistency(),
        span: contents.oplog.map(|oplog| oplog.span),
        totals: contents.totals,
        changes: contents.changes.clone(),
        failures: record.failures.iter().map(|f| text(&f.subject, &f.message)).collect(),
        warnings: record.warnings.iter().map(|w| text(&w.subject, &w.message)).collect(),
    }
}

/// For the fuzz target `checkpoint`: one that can be read can be written.
///
/// # Panics
/// When it cannot.
#[cfg(any(test, fuzzing))]
pub fn fuzz_checkpoint(bytes: &[u8]) {
    if let Ok(checkpoint) = checkpoint::Checkpoint::decode(bytes) {
        let again = checkpoint.encode().expect("what was read can be written");
        let again = checkpoint::Checkpoint::decode(&again).expect("and read");
        assert_eq!(
            (again.parts, again.mark, again.told),
            (checkpoint.parts, checkpoint.mark, checkpoint.told)
        );
    }
}
