//! A deployment into an archive: plan, catalog, documents with the oplog beside them, end.

mod plan;
mod read;

use crate::archive::{self, ArchiveInput, CHUNK_BYTES, Output, Written};
use crate::catalog::{
    Change, Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, encode_collection, encode_oplog, now_ms,
};
use crate::error::cause_of;
use crate::oplog::{ArchivedOplog, Beginning, Capture, Origin, Scope, Settled, Span, settle};
use crate::pool::{Budget, cores};
use crate::scan::Run;
use crate::select::Selection;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_container::WriteOptions;
use mongoark_deployment::Source;
use mongoark_deployment::oplog::Level;
use mongoark_model::{Counts, MemberChoice, TopologyKind};
use mongoark_monitor::Monitor;
use plan::Plan;
use read::Context;
use std::sync::Arc;
use std::time::Instant;

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
    /// Collections, views and time series in it.
    pub namespaces: usize,
    /// How far it is of one moment.
    pub consistency: Consistency,
    /// The oplog in it.
    pub oplog: Option<DumpedOplog>,
    /// What changed while it ran.
    pub changes: Vec<Change>,
    /// The member that was read, and why.
    pub member: MemberChoice,
}

/// Dumps what is selected. Failures of single namespaces go to the monitor.
///
/// # Errors
/// What keeps the archive as a whole from being made; then no file has the archive's name.
pub async fn dump(
    source: &Source,
    options: DumpOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<DumpReport> {
    let entry = DeploymentEntry {
        info: source.info().clone(),
        tool_version: options.tool_version.clone(),
        dump_tool: None,
        started_ms: now_ms(),
    };
    refuse_mongos(&entry, &options)?;
    // Before anything else is looked at: what is written from here on is in the oplog.
    let beginning = beginning(source, &options, monitor).await?;
    let since = Instant::now();
    let plan = plan::plan(source, &options, monitor).await?;
    monitor.stage("catalog", since);

    let threads = cores();
    // One chunk more is the oplog's.
    let budget = Budget::new((options.jobs + 2 * threads + 3) * CHUNK_BYTES);
    let (input, archive) = archive::begin(options.output, &options.write, threads, budget, monitor)?;
    let since = Instant::now();
    let context = Arc::new(Context {
        run: Arc::new(Run::new(source, input.clone(), options.jobs, monitor, stop)),
        filter: options.filter,
        has_oplog: beginning.is_some(),
    });
    let read = contents(&context, &entry, &plan, options.selection, beginning).await;
    drop(context);
    let namespaces = plan.collections.len();
    let end = read.as_ref().ok().map(|contents| summary(contents, monitor));
    let finished = archive.finish(input, end.as_ref().map(Summary::encode)).await;
    monitor.stage("documents", since);
    let (contents, written) = cause_of(read, finished)?;
    let written = written.ok_or(Error::PipelineClosed("the archive's writer"))?;
    Ok(DumpReport {
        written,
        totals: contents.done.totals,
        namespaces,
        consistency: contents.consistency(),
        oplog: contents.oplog,
        changes: contents.done.changes,
        member: entry.info.member,
    })
}

/// What went into the archive.
struct Contents {
    done: read::Done,
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
            return beginning.map(Some).map_err(|source| Error::NoOplog(Box::new(source)));
        }
    };
    monitor.warn("", without);
    Ok(None)
}

/// Catalog, documents, and the oplog beside them.
async fn contents(
    context: &Arc<Context>,
    entry: &DeploymentEntry,
    plan: &Plan,
    selection: Selection,
    beginning: Option<Beginning>,
) -> Result<Contents> {
    let (run, input) = (&context.run, &context.run.sink);
    write_catalog(input, entry, plan)?;
    let Some(beginning) = beginning else {
        return Ok(Contents { done: read::all(context, plan).await?, oplog: None });
    };
    let stream = plan.oplog_stream();
    let scope = Scope { first: beginning.first(), seen: beginning.seen(), selection };
    input.catalog(stream, encode_oplog(&Origin::Dump(scope.clone())))?;
    let sink = ArchivedOplog::beside(input, stream, &beginning, &scope.selection, plan.uuids());
    // What is in the archive can never be rolled back.
    let following = run.following(Level::Majority);
    let capture = Capture::begin(&following, beginning.clone(), "oplog", sink);
    let done = match read::all(context, plan).await {
        Ok(done) => done,
        // Where the oplog's reader ended the run, its error is the cause.
        Err(error) => return Err(capture.abandon().await.unwrap_or(error)),
    };
    let settled = settle(&run.source, &beginning, &run.stop).await.and_then(committed);
    let end = settled
        .as_ref()
        .map(|settled| settled.consistent)
        .map_err(|_| Error::PipelineClosed("the oplog's end"));
    let (settled, followed) = cause_of(settled, capture.finish(end).await)?;
    let span =
        Span { start: scope.first, consistent: settled.consistent, end: followed.last, end_term: None };
    Ok(Contents { done, oplog: Some(DumpedOplog { span, entries: followed.sink.finish()? }) })
}

/// A dump of which a part may be rolled back is of no moment that anybody can rely on.
fn committed(settled: Settled) -> Result<Settled> {
    let Settled { consistent, committed } = settled;
    if settled.is_committed() { Ok(settled) } else { Err(Error::NotCommitted { consistent, committed }) }
}

fn refuse_mongos(entry: &DeploymentEntry, options: &DumpOptions) -> Result<()> {
    if entry.info.topology == TopologyKind::Sharded && !options.no_oplog {
        let advice = "this is a mongos, whose cluster has no one oplog: dump each shard's replica set, or give \
                      --no-oplog to accept an archive that is of no single moment";
        return Err(Error::Usage(advice.to_owned()));
    }
    Ok(())
}

/// The whole catalog goes before the first document, so that a reader of a pipe knows what comes.
fn write_catalog(input: &ArchiveInput, entry: &DeploymentEntry, plan: &Plan) -> Result<()> {
    input.catalog(DEPLOYMENT_STREAM, entry.encode())?;
    for planned in &plan.collections {
        input.catalog(planned.stream, encode_collection(&planned.metadata))?;
    }
    Ok(())
}

fn summary(contents: &Contents, monitor: &Monitor) -> Summary {
    let done = &contents.done;
    let record = monitor.record();
    let text = |subject: &str, message: &str| {
        if subject.is_empty() { message.to_owned() } else { format!("{subject}: {message}") }
    };
    Summary {
        finished_ms: now_ms(),
        consistency: contents.consistency(),
        span: contents.oplog.map(|oplog| oplog.span),
        totals: done.totals,
        changes: done.changes.clone(),
        failures: record.failures.iter().map(|f| text(&f.subject, &f.message)).collect(),
        warnings: record.warnings.iter().map(|w| text(&w.subject, &w.message)).collect(),
    }
}
