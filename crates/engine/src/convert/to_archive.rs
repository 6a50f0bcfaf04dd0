//! A dump of mongodump into an archive of mongoark: the catalog of all that the dump holds, then its documents, several
//! collections at once, then its oplog.

mod copy;
mod plan;

use super::{Converted, Dump};
use crate::archive::{self, ArchiveInput, Output, Written};
use crate::catalog::{
    Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, encode_collection, encode_oplog, now_ms,
};
use crate::dump_input::{DumpInput, Place};
use crate::error::cause_of;
use crate::oplog::Origin;
use crate::pool::{Budget, cores};
use crate::{Result, Stop};
use copy::{Copied, Copying};
use mongoark_container::WriteOptions;
use mongoark_monitor::Monitor;
use plan::Plan;
use std::sync::Arc;

/// Files that are read at once.
const FILES_AT_ONCE: usize = 4;

/// How an archive is made of a dump.
#[derive(Debug)]
pub struct ToArchive {
    /// Codec and secrets.
    pub write: WriteOptions,
    /// Where the archive goes.
    pub output: Output,
    /// Leave the dump's oplog behind; a failure that is counted.
    pub without_oplog: bool,
    /// mongoark's version, for the archive.
    pub tool_version: String,
}

/// Makes an archive of a dump. What is not carried over goes to the monitor.
///
/// # Errors
/// A damaged dump, by file and offset, or an archive that cannot be written; no file has the archive's name then.
pub async fn to_archive(dump: Dump, options: ToArchive, monitor: &Monitor, stop: &Stop) -> Result<Converted> {
    let Dump { place, gzip } = dump;
    let again = reopened(&place);
    let is_folder = matches!(place, Place::Folder(_) | Place::Database { .. });
    let input = DumpInput::open(place, gzip)?;
    let plan = plan::of(&input, again.as_ref(), is_folder, &options, monitor)?;
    monitor.step(format!("{} namespaces to convert", plan.collections.len()));

    let threads = cores();
    let budget = Budget::new((FILES_AT_ONCE + 2 * threads + 2) * archive::CHUNK_BYTES);
    let (archive, task) = archive::begin(options.output, &options.write, threads, budget, monitor)?;
    let plan = Arc::new(plan);
    let partial = archive.partial_path();
    let copied = async {
        write_catalog(&archive, &plan)?;
        let copying = Copying::new(archive.clone(), Arc::clone(&plan), monitor.clone());
        all(copying, input, again, gzip, stop).await
    };
    let copied = copied.await;
    let end = copied.as_ref().ok().map(|copied| summary(copied, monitor));
    let finished = task.finish(archive, end.as_ref().map(Summary::encode)).await;
    let ended = cause_of(copied, finished);
    if let (Err(_), Some(partial)) = (&ended, partial) {
        // Nothing can go on with it. One that cannot be removed is in nobody's way.
        _ = std::fs::remove_file(partial);
    }
    let (copied, written) = ended?;
    Ok(converted(&plan, &copied, written))
}

/// A folder can be read twice: its oplog then comes behind everything else, as it does in an archive.
fn reopened(place: &Place) -> Option<Place> {
    match place {
        Place::Folder(path) => Some(Place::Folder(path.clone())),
        _ => None,
    }
}

/// The whole catalog goes before the first document, so that a reader of a pipe knows what comes.
fn write_catalog(archive: &ArchiveInput, plan: &Plan) -> Result<()> {
    archive.catalog(DEPLOYMENT_STREAM, plan.deployment.encode())?;
    for (stream, collection) in (1..).zip(&plan.collections) {
        archive.catalog(stream, encode_collection(collection))?;
    }
    match plan.oplog_stream {
        Some(stream) => archive.catalog(stream, encode_oplog(&Origin::Converted)),
        None => Ok(()),
    }
}

async fn all(
    copying: Copying,
    input: DumpInput,
    again: Option<Place>,
    gzip: bool,
    stop: &Stop,
) -> Result<Copied> {
    let copying = Arc::new(copying);
    let mut wanted = copying.plan.wanted();
    let oplog = copying.plan.oplog.filter(|_| again.is_some());
    wanted.retain(|entry| Some(*entry) != oplog);
    let mut copied = copy::all(&copying, input.read(&wanted, FILES_AT_ONCE, stop)).await?;
    if let (Some(oplog), Some(place)) = (oplog, again) {
        let feed = DumpInput::open(place, gzip)?.read(&[oplog], 1, stop);
        copied += copy::all(&copying, feed).await?;
    }
    Ok(copied)
}

fn summary(copied: &Copied, monitor: &Monitor) -> Summary {
    let record = monitor.record();
    let text = |subject: &str, message: &str| {
        if subject.is_empty() { message.to_owned() } else { format!("{subject}: {message}") }
    };
    Summary {
        finished_ms: now_ms(),
        consistency: Consistency::PerCollection,
        span: None,
        totals: copied.documents,
        changes: Vec::new(),
        failures: record.failures.iter().map(|f| text(&f.subject, &f.message)).collect(),
        warnings: record.warnings.iter().map(|w| text(&w.subject, &w.message)).collect(),
    }
}

fn converted(plan: &Plan, copied: &Copied, written: Option<Written>) -> Converted {
    Converted {
        namespaces: plan.collections.len(),
        read: copied.documents,
        oplog_entries: copied.oplog_entries,
        written_bytes: written.as_ref().map_or(0, |written| written.bytes),
        path: written.and_then(|written| written.path),
    }
}
