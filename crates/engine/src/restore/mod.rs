//! An archive into a deployment: plan, create, documents, views, accounts, oplog, indexes.
//!
//! From a file the archive's end and index are authenticated before the first write; from a pipe
//! truncation shows only at the end, and then the run fails.

mod accounts;
mod finish;
mod oplog;
mod plan;
mod tally;
mod write;

use crate::catalog::Summary;
use crate::reading::{Archive, Feed};
use crate::rename::Rename;
use crate::replay::Replayed;
use crate::select::Selection;
use crate::slices::SlicePlan;
use crate::{Error, Result, Stop};
use mongoark_deployment::Target;
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Monitor;
pub use oplog::Until;
pub(crate) use oplog::send_feed;
use oplog::{Aside, OplogPlan, Replaying};
use plan::Plan;
use std::collections::HashSet;
use std::str::FromStr;
use std::time::Instant;

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
    /// Leave the archive's oplog alone: each collection is of another moment then.
    pub no_oplog: bool,
    /// Up to when.
    pub until: Until,
    /// Captured slices of the oplog that go on where the archive's ends.
    pub slices: Option<SlicePlan>,
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
    /// What the oplog did; nothing where none was replayed.
    pub replayed: Option<Replayed>,
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
    let is_file = archive.is_verified_ahead();
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await?;
    let oplog = oplog::plan(&catalog, feed.summary_ahead(), options, monitor)?;
    let plan = plan::plan(target, &catalog, options, monitor).await?;
    if let Some(oplog) = oplog.as_ref().filter(|_| is_file) {
        oplog.check(target, &plan, options).await?;
    }
    if options.dry_run {
        return Ok(plan.dry_report(monitor));
    }
    let mut report = run(target, feed, plan, oplog, options, monitor, stop).await?;
    report.namespaces.sort_by(|a, b| a.from.cmp(&b.from));
    monitor.stage("restore", since);
    Ok(report)
}

async fn run(
    target: &Target,
    feed: Feed,
    plan: Plan,
    oplog: Option<OplogPlan>,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<RestoreReport> {
    let since = Instant::now();
    let own_accounts = match &oplog {
        Some(_) => oplog::own_accounts(target, options).await?,
        None => HashSet::new(),
    };
    let created = plan::create(target, plan, options, monitor, stop).await?;
    monitor.stage("create", since);
    let since = Instant::now();
    let again = feed.again();
    let mut aside = Aside::new(oplog.as_ref());
    let mut written = write::documents(target, feed, created, &mut aside, options, monitor, stop).await?;
    monitor.stage("documents", since);
    finish::views(target, &mut written, options, monitor).await?;
    accounts::merge(target, &mut written, monitor).await?;
    let mut catalog = oplog::index_catalog(&written);
    let since = Instant::now();
    let replayed = match oplog {
        Some(plan) => {
            let replaying = Replaying { target, plan, options, own_accounts, monitor, stop };
            replaying.run(again, aside, &written, &mut catalog).await?
        }
        None => None,
    };
    monitor.stage("oplog", since);
    let since = Instant::now();
    let built = finish::indexes(target, catalog, options.jobs, monitor, stop).await?;
    monitor.stage("indexes", since);
    Ok(written.report(built, replayed))
}
