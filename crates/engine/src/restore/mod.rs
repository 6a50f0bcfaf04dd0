//! An archive into a deployment: plan, create, documents, views, accounts, indexes.
//!
//! From a file the archive's end and index are authenticated before the first write; from a pipe
//! truncation shows only at the end, and then the run fails.

mod accounts;
mod finish;
mod plan;
mod tally;
mod write;

use crate::catalog::Summary;
use crate::reading::{Archive, Feed};
use crate::rename::Rename;
use crate::select::Selection;
use crate::{Error, Result, Stop};
use mongoark_deployment::Target;
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Monitor;
use plan::Plan;
use std::str::FromStr;
use std::time::Instant;

/// What to do about the oplog of an archive that was made from a dump with one.
const OPLOG_IS_LEFT: &str = "is not replayed, so that each collection is of another moment; to replay it, make a dump \
                             of mongodump's of the archive ('mongoark convert') and use 'mongorestore --oplogReplay'";

/// What to do about a collection that exists on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Fail before anything is written.
    #[default]
    Fail,
    /// Add to it; a document that is there byte for byte is kept, any other is a conflict.
    Merge,
    /// Drop it first.
    Drop,
}

impl FromStr for Existing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fail" => Ok(Self::Fail),
            "merge" => Ok(Self::Merge),
            "drop" => Ok(Self::Drop),
            other => Err(format!("'{other}' is none of fail, merge, drop")),
        }
    }
}

/// What to restore, and how.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Which of the archive's namespaces, by their names in the archive.
    pub selection: Selection,
    /// Under which names.
    pub renames: Vec<Rename>,
    /// What to do about what exists.
    pub existing: Existing,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Inserts in flight at once, and collections indexed at once.
    pub jobs: usize,
}

/// How many inserts are in flight unless the user says otherwise.
pub fn default_jobs() -> usize {
    crate::pool::cores().clamp(4, 16)
}

/// One collection, view or time series that was restored.
#[derive(Clone, Debug)]
pub struct RestoredNamespace {
    /// Its name in the archive.
    pub from: Namespace,
    /// Its name on the target.
    pub to: Namespace,
    /// Its kind.
    pub kind: CollectionKind,
    /// Documents that this run wrote.
    pub inserted: u64,
    /// Documents that were there before, byte for byte.
    pub identical: u64,
    /// Documents that were not carried over.
    pub failed: u64,
    /// Indexes built.
    pub indexes: u64,
}

/// What a restore has done.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Each namespace, in the archive's order.
    pub namespaces: Vec<RestoredNamespace>,
    /// What the archive says of itself; none in a dry run of a pipe.
    pub summary: Option<Summary>,
    /// Documents and bytes read from the archive.
    pub read: Counts,
}

/// Restores what is selected. Failures of single documents, indexes and namespaces go to the monitor.
///
/// # Errors
/// What ends the run: a damaged archive, a lost connection, a collection that exists.
pub async fn restore(
    target: &Target,
    archive: Archive,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<RestoreReport> {
    if options.existing == Existing::Drop && !archive.is_verified_ahead() && !options.dry_run {
        let message = "--existing drop needs a file: a pipe may end early, and what was dropped would be gone. \
                       Save the archive to a file, or use --existing merge";
        return Err(Error::Usage(message.to_owned()));
    }
    let since = Instant::now();
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await?;
    let plan = plan::plan(target, &catalog, options, monitor).await?;
    if let Some(oplog) = catalog.oplog {
        monitor.fail("oplog", OPLOG_IS_LEFT, oplog.documents);
    }
    if options.dry_run {
        return Ok(plan.dry_report(monitor));
    }
    let mut report = run(target, feed, plan, options, monitor, stop).await?;
    report.namespaces.sort_by(|a, b| a.from.cmp(&b.from));
    monitor.stage("restore", since);
    Ok(report)
}

async fn run(
    target: &Target,
    feed: Feed,
    plan: Plan,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<RestoreReport> {
    let since = Instant::now();
    let created = plan::create(target, plan, options, monitor, stop).await?;
    monitor.stage("create", since);
    let since = Instant::now();
    let mut written = write::documents(target, feed, created, options, monitor, stop).await?;
    monitor.stage("documents", since);
    let since = Instant::now();
    finish::views(target, &mut written, options, monitor).await?;
    accounts::merge(target, &mut written, monitor).await?;
    finish::indexes(target, &mut written, options.jobs, monitor, stop).await?;
    monitor.stage("indexes", since);
    Ok(written.report())
}
