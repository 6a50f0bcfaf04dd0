//! Following an oplog beside other work: from its beginning until the end that is told later.

use super::{Beginning, EntryId, time_of};
use crate::scan::is_lost_cursor;
use crate::{Error, Result, Stop};
use mongoark_deployment::oplog::{self, Level, Tail};
use mongoark_deployment::{Batch, Patience, Source};
use mongoark_model::Timestamp;
use mongoark_monitor::{Item, Monitor};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Takes entries as they are read, in order, each once.
pub(crate) trait EntrySink: Send + 'static {
    /// Takes one entry. An error ends the capture.
    fn take(&mut self, entry: &[u8], time: Timestamp) -> impl Future<Output = Result<()>> + Send;
}

/// What following needs of the run it belongs to.
#[derive(Clone)]
pub(crate) struct Following {
    pub(crate) source: Source,
    /// Whether entries are taken as soon as the member has them, or only once a majority does.
    pub(crate) level: Level,
    pub(crate) monitor: Monitor,
    /// The user's request to stop.
    pub(crate) stop: Stop,
    /// Set when one part's failure ends the run; following sets it when it fails itself.
    pub(crate) abort: Stop,
}

/// An oplog that is being followed.
pub(crate) struct Capture<S> {
    beginning: Beginning,
    run: Following,
    end: watch::Sender<Option<Timestamp>>,
    following: JoinHandle<Result<Followed<S>>>,
}

/// An oplog that was followed to an end.
pub(crate) struct Followed<S> {
    pub(crate) sink: S,
    /// The last entry. It may be later than the end that was wanted: what was read before that was known stays.
    pub(crate) last: EntryId,
}

impl<S: EntrySink> Capture<S> {
    /// Begins to follow; `name` is what progress calls it.
    pub(crate) fn begin(run: &Following, beginning: Beginning, name: &str, sink: S) -> Self {
        let (end, wanted) = watch::channel(None);
        let item = run.monitor.item(name, 0, 0);
        let follower =
            Follower { run: run.clone(), first: beginning.first(), last: None, wanted, item, sink };
        Self { beginning, run: run.clone(), end, following: tokio::spawn(follower.run()) }
    }

    /// Waits for everything up to `end`, and checks that what was followed is one whole. An error instead of an end
    /// ends the capture too.
    pub(crate) async fn finish(self, end: Result<Timestamp>) -> Result<Followed<S>> {
        let told = match end {
            Ok(end) => self.end.send(Some(end)).map_err(|_| Error::PipelineClosed("the oplog's reader")),
            Err(error) => {
                self.run.abort.request();
                Err(error)
            }
        };
        let followed = self.following.await.unwrap_or(Err(Error::PipelineClosed("the oplog's reader")));
        let ((), followed) = crate::error::cause_of(told, followed)?;
        self.beginning.check_rollback(&oplog::position(&self.run.source).await?)?;
        self.beginning.check_same_member(&self.run.source).await?;
        Ok(followed)
    }

    /// Ends the capture of a run that has failed; returns its own failure, if there is one that is a cause.
    pub(crate) async fn abandon(self) -> Option<Error> {
        drop(self.end);
        let failed = self.following.await.ok().and_then(Result::err);
        failed.filter(|cause| !cause.is_consequence())
    }
}

/// Reads entries until the end that is wanted.
struct Follower<S> {
    run: Following,
    first: Timestamp,
    last: Option<EntryId>,
    wanted: watch::Receiver<Option<Timestamp>>,
    item: Item,
    sink: S,
}

impl<S: EntrySink> Follower<S> {
    async fn run(mut self) -> Result<Followed<S>> {
        let followed = self.follow().await;
        self.run.monitor.finish(&self.item);
        if followed.is_err() {
            // A dump without its oplog is none: the collections need not be read to their end.
            self.run.abort.request();
        }
        let last = self.last.unwrap_or(EntryId::at(self.first));
        followed.map(|()| Followed { sink: self.sink, last })
    }

    async fn follow(&mut self) -> Result<()> {
        let mut patience = Patience::default();
        while !self.has_all() {
            match self.follow_one_cursor(&mut patience).await {
                Err(Error::Deployment(error)) if error.may_pass() || is_lost(&error) => {
                    self.check()?;
                    patience.wait(error).await?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Follows the oplog until the cursor ends or everything is there.
    async fn follow_one_cursor(&mut self, patience: &mut Patience) -> Result<()> {
        let from = self.last.map_or(self.first, |last| last.time);
        let incoming = tail(Tail::open(&self.run.source, from.into(), self.run.level).await?);
        let mut is_first = true;
        while !self.has_all() {
            self.check()?;
            let batch = tokio::select! {
                batch = incoming.recv() => batch,
                told = self.wanted.changed() => match told {
                    Ok(()) => continue,
                    // The run has ended without the oplog.
                    Err(_) => return Err(Error::PipelineClosed("the dump")),
                },
            };
            // The server has closed the cursor.
            let Ok(batch) = batch else { return Ok(()) };
            for entry in batch?.documents()? {
                let entry = entry?;
                // What lies before the place where a cursor began must not have gone before it was there.
                if std::mem::take(&mut is_first) && time_of(entry)? != from {
                    return Err(Error::OplogLost { needed: from, oldest: time_of(entry)? });
                }
                self.take(entry).await?;
            }
            *patience = Patience::default();
        }
        Ok(())
    }

    /// One entry; those before and behind what is wanted are passed over.
    async fn take(&mut self, entry: &[u8]) -> Result<()> {
        let time = time_of(entry)?;
        let is_known = self.last.is_some_and(|last| time <= last.time);
        let is_late = self.wanted.borrow().is_some_and(|end| time > end);
        if is_known || is_late {
            return Ok(());
        }
        self.sink.take(entry, time).await?;
        self.last = Some(EntryId::of(entry)?);
        self.item.add(1, entry.len() as u64);
        Ok(())
    }

    fn has_all(&self) -> bool {
        let end = *self.wanted.borrow();
        end.is_some_and(|end| self.last.is_some_and(|last| last.time >= end))
    }

    fn check(&self) -> Result<()> {
        self.run.stop.check()?;
        self.run.abort.check_consequence()
    }
}

/// Reads batches of a cursor, so that nobody who waits for one has to drop a request under way. Ends at the
/// latest with the next batch, once nobody takes them any more.
pub(crate) fn tail(mut tail: Tail) -> async_channel::Receiver<mongoark_deployment::Result<Batch>> {
    let (batches, incoming) = async_channel::bounded(1);
    tokio::spawn(async move {
        while let Some(batch) = tail.next().await.transpose() {
            let is_last = batch.is_err();
            if batches.send(batch).await.is_err() || is_last {
                break;
            }
        }
    });
    incoming
}

fn is_lost(error: &mongoark_deployment::Error) -> bool {
    oplog::is_rolled_over(error) || is_lost_cursor(error)
}
