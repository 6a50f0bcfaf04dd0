//! A dump between its attempts: what is to be read, what is read, and from which member. Where that member is lost, the dump
//! goes on with another one that has all that was read (`docs/oplog.md`, "When the member is lost").

use super::checkpoint::Begun;
use super::plan::{self, Plan};
use super::read::{Context, Read};
use super::{DumpOptions, beginning};
use crate::archive::{ArchiveInput, PartPlace};
use crate::catalog::Change;
use crate::scan::{Run, another_life};
use crate::{Error, Result, Stop};
use mongoark_deployment::oplog::{self, Mark};
use mongoark_deployment::{Incarnation, Patience, Source};
use mongoark_model::{Counts, MemberChoice, Namespace};
use mongoark_monitor::Monitor;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How often a dump goes on with another member before it gives up.
const MOVES_MAX: usize = 10;

/// A dump that is begun, or goes on.
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) plan: Plan,
    pub(super) begun: Begun,
    /// Behind all that was read of streams that are ended; nothing without the oplog.
    pub(super) mark: Option<Mark>,
    /// Where cursors of an earlier run had come to, by stream.
    pub(super) left: BTreeMap<u32, Vec<PartPlace>>,
    /// What an earlier run has read of streams that are ended.
    pub(super) whole: Counts,
    /// What it has read of others, and is in the archive.
    pub(super) kept: BTreeMap<u32, Counts>,
    /// What this run has read of streams that are ended.
    pub(super) read: Counts,
    pub(super) changes: Vec<(u32, Change)>,
    /// The members that were lost, each time one was.
    pub(super) lost: Vec<String>,
}

/// How the member that was read is lost.
pub(super) struct Lost {
    pub(super) error: Error,
    /// Members to go on with only where there is no other.
    pub(super) avoided: Vec<String>,
}

impl Job {
    /// Begins where `source` is, or with another member where that one is lost before there is anything to go on with.
    pub(super) async fn begin_anywhere(
        source: &Source,
        options: &DumpOptions,
        monitor: &Monitor,
    ) -> Result<Self> {
        let lost = match Self::begin(source, options, monitor).await {
            Err(lost) if is_of_the_member(&lost) => lost,
            begun => return begun,
        };
        monitor.step(format!("looking for a member to begin with: {lost}"));
        for choice in source.candidates().await.0 {
            let begun = async { Self::begin(&source.at(choice).await?, options, monitor).await };
            match begun.await {
                Ok(job) => {
                    monitor.step(format!("going on with {}", job.begun.member));
                    return Ok(job);
                }
                Err(error) if is_of_the_member(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(lost)
    }

    async fn begin(source: &Source, options: &DumpOptions, monitor: &Monitor) -> Result<Self> {
        // All that is learnt from here on has to be of this life.
        let incarnation = source.incarnation().await?;
        // Before anything else is looked at: what is written from here on is in the oplog.
        let beginning = beginning(source, options, monitor).await?;
        let plan = plan::plan(source, options, beginning.is_some(), monitor).await?;
        let begun = Begun { incarnation, ..Begun::now(source, options, beginning).await? };
        // What was planned has to be on a member that is read instead, as well as what is read.
        let mark = match begun.beginning {
            Some(_) => Some(mark(source, begun.incarnation.as_ref()).await?),
            None => None,
        };
        Ok(Self {
            source: source.clone(),
            plan,
            begun,
            mark,
            left: BTreeMap::new(),
            whole: Counts::default(),
            kept: BTreeMap::new(),
            read: Counts::default(),
            changes: Vec::new(),
            lost: Vec::new(),
        })
    }

    /// What the readers of one attempt share.
    pub(super) fn context(
        &mut self,
        input: &ArchiveInput,
        options: &DumpOptions,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Arc<Context> {
        let life = self.begun.incarnation.clone();
        Arc::new(Context {
            run: Arc::new(Run::new(&self.source, life.clone(), input.clone(), options.jobs, monitor, stop)),
            filter: options.filter.clone(),
            has_oplog: self.begun.beginning.is_some(),
            life,
            left: Mutex::new(std::mem::take(&mut self.left)),
            kept: Mutex::new(std::mem::take(&mut self.kept)),
            read: Mutex::new(Read {
                ended: BTreeMap::new(),
                mark: self.mark,
                changes: std::mem::take(&mut self.changes),
            }),
        })
    }

    /// Takes in what an attempt has come to.
    pub(super) fn take_in(&mut self, context: &Context) {
        let Read { ended, mark, changes } = std::mem::take(&mut *context.read());
        let mut kept = context.take_kept();
        for (stream, counts) in ended {
            self.plan.is_read.insert(stream);
            self.read += counts;
            self.whole += kept.remove(&stream).unwrap_or_default();
        }
        self.changes = changes.into_iter().filter(|(stream, _)| self.plan.is_read.contains(stream)).collect();
        self.mark = mark;
    }

    /// Goes on with a member that has all that was read, where `lost` is about the one that was read; an error where there is none, or
    /// `lost` is about something else. What was under way is taken back.
    pub(super) async fn move_on(
        &mut self,
        lost: Error,
        input: &ArchiveInput,
        options: &DumpOptions,
        monitor: &Monitor,
        stop: &Stop,
    ) -> Result<()> {
        let (Some(mark), true) = (self.mark, is_of_the_member(&lost) && self.lost.len() < MOVES_MAX) else {
            return Err(lost);
        };
        monitor.step(format!("looking for a member to go on with: {lost}"));
        // What was lost once may be back; what was lost twice, or sees no majority, is not the best to go on with.
        let mut avoided = self.lost.clone();
        if matches!(lost, Error::NotCommitted { .. }) {
            avoided.push(self.begun.member.clone());
        }
        self.lost.push(self.begun.member.clone());
        let lost = Lost { error: lost, avoided };
        let (source, begun) = elsewhere(&self.source, &self.begun, &mark, lost, options, stop).await?;
        for planned in self.plan.unread() {
            input.retract(planned.stream)?;
        }
        input.retract(self.plan.oplog_stream())?;
        self.tell_move(&begun.member, monitor);
        if let Some(warning) = source.info().member.warning() {
            monitor.warn("", warning);
        }
        (self.source, self.begun) = (source, begun);
        Ok(())
    }

    /// Says where the dump goes on, and what that means.
    pub(super) fn tell_move(&self, to: &str, monitor: &Monitor) {
        let unread = self.plan.unread().count();
        let whole = self.plan.collections.len() - unread;
        let what = match &self.begun.member {
            from if from == to => format!("{to} once more"),
            from => format!("{to} in place of {from}"),
        };
        monitor.warn(
            "",
            format!(
                "going on with {what}: it has all that was read; collections that are whole: {whole}, to be read from their start: \
                 {unread}"
            ),
        );
    }
}

/// Whether another member, or another life of the same one, may be without it.
fn is_of_the_member(error: &Error) -> bool {
    match error {
        Error::Deployment(error) => error.may_pass(),
        Error::RolledBack | Error::OplogLost { .. } | Error::NotCommitted { .. } => true,
        _ => false,
    }
}

/// The first member in the order of the read preference that has all that was read, and how the dump stands there. One that
/// sees no majority is not gone on with in the same life.
pub(super) async fn elsewhere(
    source: &Source,
    begun: &Begun,
    mark: &Mark,
    Lost { error, avoided }: Lost,
    options: &DumpOptions,
    stop: &Stop,
) -> Result<(Source, Begun)> {
    // Members that restart or hold an election need a moment; where one was waited for they have had it.
    let was_waited_for = matches!(&error, Error::Deployment(error) if error.is_final());
    let is_cut_off = matches!(error, Error::NotCommitted { .. });
    let mut patience = Patience::default();
    loop {
        stop.check()?;
        let (mut choices, mut refused) = source.candidates().await;
        let mut may_change = !refused.is_empty();
        choices.sort_by_key(|choice| avoided.contains(&choice.address));
        for choice in choices {
            stop.check()?;
            let address = choice.address.clone();
            match begun_at(source, choice, begun, mark, options, stop).await {
                Ok((_, found)) if is_cut_off && found.is_where(begun) => {
                    refused.push(format!("{address}: it sees no majority"));
                }
                Ok(found) => return Ok(found),
                Err(error @ Error::Interrupted) => return Err(error),
                Err(error) => {
                    may_change |= matches!(&error, Error::Deployment(e) if e.may_pass() && !e.is_final());
                    refused.push(format!("{address}: {error}"));
                }
            }
        }
        if was_waited_for || !may_change || !patience.pause().await {
            return Err(Error::NoOtherMember { lost: Box::new(error), others: refused.join("; ") });
        }
    }
}

async fn begun_at(
    source: &Source,
    choice: MemberChoice,
    begun: &Begun,
    mark: &Mark,
    options: &DumpOptions,
    stop: &Stop,
) -> Result<(Source, Begun)> {
    let source = source.at(choice).await?;
    let begun = begun.elsewhere(&source, mark, options, stop).await?;
    Ok((source, begun))
}

/// The newest entry of a member that is still in this life: behind all that was read in it.
pub(super) async fn mark(source: &Source, life: Option<&Incarnation>) -> Result<Mark> {
    let mark = oplog::newest(source).await?;
    if source.incarnation().await?.as_ref() == life {
        return Ok(mark);
    }
    Err(another_life(&Namespace::new("local", "oplog.rs"), "it is not the one that it was"))
}
