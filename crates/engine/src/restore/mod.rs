//! An archive into a deployment: plan, check, create, documents, views, accounts, oplog, indexes, what expires.
//!
//! From a file the archive's end and index are authenticated before the first write; from a pipe
//! truncation shows only at the end, and then the run fails.

mod accounts;
mod check;
mod expiry;
mod finish;
mod ledger;
mod oplog;
mod plan;
mod reconcile;
mod tally;
mod write;

use crate::catalog::Summary;
use crate::reading::{Archive, Feed};
use crate::rename::Rename;
use crate::replay::{IndexCatalog, Replayed};
use crate::select::Selection;
use crate::slices::SlicePlan;
use crate::{Error, Result, Stop};
pub use expiry::{Suspended, Ttl};
use finish::Written;
pub use ledger::LedgerOptions;
use ledger::{Earlier, Ledger, Phase};
use mongoark_deployment::{Notes, Target};
use mongoark_model::{CollectionKind, Counts, Namespace};
use mongoark_monitor::Monitor;
pub use oplog::Until;
pub(crate) use oplog::send_feed;
use oplog::{Aside, OplogPlan, Replaying};
use plan::Plan;
use reconcile::reconcile;
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
    /// Do not read the whole of a file before anything is written.
    pub no_verify: bool,
    /// What becomes of the time after which documents expire.
    pub ttl: Ttl,
    /// How to write down on the target how far the restore is; nothing: not at all.
    pub ledger: Option<LedgerOptions>,
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
    /// Documents that stand in the archive twice, of which the oplog makes one.
    pub superseded: u64,
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
    /// What does not expire until it is armed again.
    pub suspended: Vec<Suspended>,
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
    let since = Instant::now();
    let is_file = archive.is_verified_ahead();
    let target = &target.tagged(&ledger::tag(archive.id()));
    let prepared = prepare(target, archive, options, monitor, stop).await?;
    if options.dry_run {
        return Ok(prepared.plan.dry_report(monitor));
    }
    if !options.no_verify {
        prepared.verify(target, monitor, stop).await?;
    }
    let Prepared { feed, plan, oplog, notes, earlier, phase } = prepared;
    let own_accounts = match (&earlier, &oplog) {
        (Some(earlier), _) if earlier.has_begun() => earlier.head.own_accounts.clone(),
        (_, Some(_)) => oplog::own_accounts(target, options).await?,
        (_, None) => HashSet::new(),
    };
    let went_on = earlier.as_ref().map(|earlier| (earlier, phase));
    let ledger = Ledger::open(notes, went_on, &plan, &own_accounts, options, monitor, stop).await?;
    let target = &ledger.leased(target);
    let run = Run { target, ledger: &ledger, own_accounts, options, monitor, stop };
    let restored = run.from(phase, feed, plan, oplog).await.map_err(|error| {
        if error.is_consequence() && stop.is_requested() { Error::Interrupted } else { error }
    });
    let may_go_on = restored.as_ref().err().is_some_and(Error::may_be_gone_on_after);
    let closed = ledger.close(restored.is_ok(), may_go_on, monitor).await;
    let (mut report, ()) = crate::error::cause_of(restored, closed)?;
    if !is_file {
        report.summary.iter().for_each(|summary| tell_what_it_lacks(summary, monitor));
    }
    report.namespaces.sort_by(|a, b| a.from.cmp(&b.from));
    monitor.stage("restore", since);
    Ok(report)
}

/// What an archive says of itself that it does not hold: a dump that ended with exit code 3, or a salvage. The restore brings all
/// that there is, and so this does not change how it ends.
fn tell_what_it_lacks(summary: &Summary, monitor: &Monitor) {
    for failure in &summary.failures {
        monitor.warn("", format!("the archive lacks something: {failure}"));
    }
}

/// A restore of which all is known, and nothing is written.
struct Prepared {
    feed: Feed,
    plan: Plan,
    oplog: Option<OplogPlan>,
    notes: Notes,
    earlier: Option<Earlier>,
    /// Where it begins, or goes on.
    phase: Phase,
}

/// Plans a restore, and refuses what would do harm.
async fn prepare(
    target: &Target,
    archive: Archive,
    options: &RestoreOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Prepared> {
    let is_file = archive.is_verified_ahead();
    if options.existing == Existing::Drop && !is_file && !options.dry_run {
        let message = "--existing drop needs a file: a pipe may end early, and what was dropped would be gone. \
                       Save the archive to a file, or use --existing merge";
        return Err(Error::Usage(message.to_owned()));
    }
    let notes = ledger::notes(target, archive.id());
    let mut feed = Feed::start(archive, stop);
    let catalog = feed.catalog().await?;
    let oplog = oplog::plan(&catalog, feed.summary_ahead(), options, monitor)?;
    let earlier = ledger::take_over(&notes, options, monitor, stop).await?;
    let begun = earlier.as_ref().filter(|earlier| earlier.has_begun());
    let mut plan = match plan::plan(target, &catalog, options, begun.is_some(), monitor).await {
        Ok(plan) => plan,
        Err(error) => return Err(ledger::hint(&notes, error).await),
    };
    let phase = match begun {
        Some(earlier) => {
            let phase = reconcile(target, &mut plan, earlier, options.existing, monitor).await?;
            earlier.tell_failures(&plan, monitor);
            phase
        }
        None => Phase::Preparing,
    };
    expiry::tell(&plan.namespaces, options.ttl, monitor);
    feed.summary_ahead().into_iter().for_each(|summary| tell_what_it_lacks(summary, monitor));
    if let Some(oplog) = oplog.as_ref().filter(|_| is_file) {
        oplog.check(target, &plan, options, monitor).await?;
    }
    let is_ours = match &earlier {
        Some(earlier) => earlier.head.has_temporary_accounts,
        None => ledger::left_temporary_accounts(&notes).await,
    };
    // Behind the documents accounts are merged already.
    if phase < Phase::Replaying || is_ours {
        accounts::make_room(target, &plan, is_ours, options, monitor).await?;
    }
    Ok(Prepared { feed, plan, oplog, notes, earlier, phase })
}

impl Prepared {
    /// Reads all that a file, and the slices behind it, will give.
    async fn verify(&self, target: &Target, monitor: &Monitor, stop: &Stop) -> Result<()> {
        let Some(feed) = self.feed.again() else { return Ok(()) };
        let stream = self.oplog.as_ref().map(OplogPlan::stream);
        check::whole(target, feed, &self.plan, self.phase, stream, monitor, stop).await?;
        match &self.oplog {
            Some(oplog) => oplog.verify_slices(stop).await,
            None => Ok(()),
        }
    }
}

/// What every phase of a restore needs.
struct Run<'a> {
    target: &'a Target,
    ledger: &'a Ledger,
    own_accounts: HashSet<(CollectionKind, String)>,
    options: &'a RestoreOptions,
    monitor: &'a Monitor,
    stop: &'a Stop,
}

impl Run<'_> {
    /// Goes through the phases, from this one on.
    async fn from(
        self,
        phase: Phase,
        feed: Feed,
        plan: Plan,
        oplog: Option<OplogPlan>,
    ) -> Result<RestoreReport> {
        let Self { target, ledger, options, monitor, stop, .. } = self;
        let since = Instant::now();
        if phase == Phase::Preparing {
            plan::prepare(target, &plan, options, stop).await?;
            ledger.enter(Phase::Documents, monitor).await?;
        }
        let plan = match phase {
            Phase::Preparing | Phase::Documents => {
                let plan = plan::create(target, plan, options, monitor, stop).await?;
                plan::take_uuids(target, &plan).await?;
                // Before the first document: whoever finds documents knows whose collection it was.
                ledger.write().await?;
                plan
            }
            Phase::Finishing | Phase::Replaying => plan,
        };
        monitor.stage("create", since);
        let again = feed.again();
        let mut aside = Aside::new(oplog.as_ref());
        let mut written = self.documents(phase, feed, plan, &mut aside).await?;
        if phase < Phase::Replaying {
            finish::views(target, &mut written, options, monitor).await?;
            accounts::merge(target, &mut written, ledger, monitor).await?;
            ledger.enter(Phase::Replaying, monitor).await?;
        }
        let mut catalog = oplog::index_catalog(&written, options.existing);
        let replayed = match oplog {
            Some(plan) => self.replay(plan, again, aside, &written, &mut catalog).await?,
            None => None,
        };
        finish::settle(&written, replayed.as_ref(), monitor);
        let since = Instant::now();
        let built = finish::indexes(target, catalog, &written, options, monitor, stop).await?;
        monitor.stage("indexes", since);
        Ok(written.report(built, replayed))
    }

    /// Writes the documents, or passes over those that are written.
    async fn documents(&self, phase: Phase, feed: Feed, plan: Plan, aside: &mut Aside) -> Result<Written> {
        let since = Instant::now();
        let written = write::documents(self, feed, plan, phase, aside).await?;
        if phase < Phase::Finishing {
            self.ledger.enter(Phase::Finishing, self.monitor).await?;
        }
        self.monitor.stage("documents", since);
        Ok(written)
    }

    async fn replay(
        self,
        plan: OplogPlan,
        again: Option<Feed>,
        aside: Aside,
        written: &Written,
        catalog: &mut IndexCatalog,
    ) -> Result<Option<Replayed>> {
        let since = Instant::now();
        let Self { target, ledger, options, monitor, stop, own_accounts } = self;
        let marks = ledger.marks();
        let replaying = Replaying { target, plan, options, own_accounts, marks, monitor, stop };
        let replayed = replaying.run(again, aside, written, catalog).await?;
        monitor.stage("oplog", since);
        Ok(replayed)
    }
}

/// For the fuzz target `checkpoint`: notes that can be read can be written.
///
/// # Panics
/// When they cannot.
#[cfg(any(test, fuzzing))]
pub fn fuzz_notes(bytes: &[u8]) {
    ledger::fuzz(bytes);
    let _ = crate::replay::ReplayPlace::decode(bytes);
}
