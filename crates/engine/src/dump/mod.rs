//! A deployment into an archive: plan, catalog, documents, end.

mod plan;
mod read;

use crate::archive::{self, ArchiveInput, CHUNK_BYTES, Output, Written};
use crate::catalog::{
    Change, Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, encode_collection, now_ms,
};
use crate::error::cause_of;
use crate::pool::{Budget, cores};
use crate::select::Selection;
use crate::{Error, Result, Stop};
use bson::RawDocumentBuf;
use mongoark_container::WriteOptions;
use mongoark_deployment::Source;
use mongoark_model::{Counts, MemberChoice, TopologyKind};
use mongoark_monitor::Monitor;
use plan::Plan;
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
    tell_consistency(&entry, monitor);
    let since = Instant::now();
    let plan = plan::plan(source, &options, monitor).await?;
    monitor.stage("catalog", since);

    let threads = cores();
    let budget = Budget::new((options.jobs + 2 * threads + 2) * CHUNK_BYTES);
    let (input, archive) = archive::begin(options.output, &options.write, threads, budget, monitor)?;
    let since = Instant::now();
    let read = async {
        write_catalog(&input, &entry, &plan)?;
        read::all(source, &plan, options.filter, options.jobs, &input, monitor, stop).await
    };
    let read = read.await;
    let namespaces = plan.collections.len();
    let end = read.as_ref().ok().map(|done| summary(done, monitor));
    let finished = archive.finish(input, end.as_ref().map(Summary::encode)).await;
    monitor.stage("documents", since);
    let (done, written) = cause_of(read, finished)?;
    let written = written.ok_or(Error::PipelineClosed("the archive's writer"))?;
    Ok(DumpReport {
        written,
        totals: done.totals,
        namespaces,
        consistency: Consistency::PerCollection,
        changes: done.changes,
        member: entry.info.member,
    })
}

fn refuse_mongos(entry: &DeploymentEntry, options: &DumpOptions) -> Result<()> {
    if entry.info.topology == TopologyKind::Sharded && !options.no_oplog {
        let advice = "this is a mongos, whose cluster has no one oplog: dump each shard's replica set, or give \
                      --no-oplog to accept an archive that is of no single moment";
        return Err(Error::Usage(advice.to_owned()));
    }
    Ok(())
}

fn tell_consistency(entry: &DeploymentEntry, monitor: &Monitor) {
    let message = match entry.info.topology {
        TopologyKind::Standalone => "a standalone server has no oplog: the archive is of no single moment",
        TopologyKind::ReplicaSet(_) => {
            "collections are each consistent by themselves only; writes during the dump are in it in part"
        }
        TopologyKind::Sharded | TopologyKind::Unknown => {
            "taken through mongos: the archive is of no single moment"
        }
    };
    monitor.warn("", message);
}

/// The whole catalog goes before the first document, so that a reader of a pipe knows what comes.
fn write_catalog(input: &ArchiveInput, entry: &DeploymentEntry, plan: &Plan) -> Result<()> {
    input.catalog(DEPLOYMENT_STREAM, entry.encode())?;
    for planned in &plan.collections {
        input.catalog(planned.stream, encode_collection(&planned.metadata))?;
    }
    Ok(())
}

fn summary(done: &read::Done, monitor: &Monitor) -> Summary {
    let record = monitor.record();
    let text = |subject: &str, message: &str| {
        if subject.is_empty() { message.to_owned() } else { format!("{subject}: {message}") }
    };
    Summary {
        finished_ms: now_ms(),
        consistency: Consistency::PerCollection,
        totals: done.totals,
        changes: done.changes.clone(),
        failures: record.failures.iter().map(|f| text(&f.subject, &f.message)).collect(),
        warnings: record.warnings.iter().map(|w| text(&w.subject, &w.message)).collect(),
    }
}
