//! The oplog of the dump's time: followed from before the first collection was looked at until the last one is read.
//!
//! A folder gets the entries as they come. In an archive they have to stand behind all collections, because mongorestore
//! replays them last and reads an archive once; until then they wait in a [`Spool`].

use super::forbidden;
use super::read::Context;
use super::spool::Spool;
use crate::archive::OpenChunk;
use crate::dump_output::CHUNK_BYTES;
use crate::quote::counted;
use crate::{Error, Result};
use bson::Timestamp;
use mongoark_bson_bytes::get;
use mongoark_deployment::oplog::{self, Position, Start, Tail};
use mongoark_deployment::{Batch, Patience, Source};
use mongoark_monitor::Item;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Bytes of entries gathered before they go to a spool.
const SPOOL_BYTES: usize = 1024 * 1024;
/// How often it is asked whether the last entry has reached a majority.
const MAJORITY_POLL: Duration = Duration::from_millis(100);
/// How long the majority may stand still before the dump goes on without it.
const MAJORITY_PATIENCE: Duration = Duration::from_secs(30);

/// What was found before anything else was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    start: Start,
    rollback_id: i32,
}

impl Beginning {
    /// Looks where the oplog stands now.
    pub(super) async fn find(source: &Source) -> Result<Self> {
        let rollback_id = oplog::position(source).await?.rollback_id;
        let start = oplog::start(source).await?;
        Ok(Self { start, rollback_id })
    }
}

/// The oplog as it is being followed.
pub(super) struct Capture {
    beginning: Beginning,
    stream: usize,
    /// Up to where entries are wanted, once that is known.
    end: watch::Sender<Option<Timestamp>>,
    following: JoinHandle<Result<Followed>>,
}

/// What following has brought.
struct Followed {
    entries: u64,
    store: Store,
}

/// Where entries go.
enum Store {
    /// To the output's own stream.
    Output { stream: usize, open: Option<OpenChunk> },
    /// Aside for the time being.
    Aside { spool: Spool, gathered: Vec<u8> },
}

impl Capture {
    /// Begins to follow the oplog into this stream of the output.
    pub(super) fn begin(context: &Arc<Context>, beginning: Beginning, stream: usize) -> Result<Self> {
        let store = if context.is_archive {
            Store::Aside { spool: Spool::new(), gathered: Vec::new() }
        } else {
            context.output.open(stream)?;
            Store::Output { stream, open: None }
        };
        let (end, wanted) = watch::channel(None);
        let item = context.monitor.item(".oplog", 0, 0);
        let follower = Follower {
            context: Arc::clone(context),
            from: beginning.start.first,
            last: None,
            wanted,
            item,
            followed: Followed { entries: 0, store },
        };
        let following = tokio::spawn(follower.run());
        Ok(Self { beginning, stream, end, following })
    }

    /// Ends the capture where the oplog stands now, and writes it. Returns the number of entries.
    pub(super) async fn finish(self, context: &Context) -> Result<u64> {
        let reached = self.settle(context).await;
        // What failed ends the follower too, which must not outlive the run.
        if reached.is_err() {
            context.abort.request();
        }
        let followed = self.following.await.unwrap_or(Err(Error::PipelineClosed("the oplog's reader")));
        let ((), followed) = crate::error::cause_of(reached, followed)?;
        check_rollback(&oplog::position(&context.source).await?, &self.beginning)?;
        check_start(&context.source, self.beginning.start.first).await?;
        context.monitor.step("writing captured oplog to ``");
        let entries = followed.entries;
        followed.store.finish(context, self.stream).await?;
        context.output.end(self.stream).await?;
        context.monitor.step(format!("\tdumped {}", counted(entries, "oplog entry", "oplog entries")));
        Ok(entries)
    }

    /// Ends the capture of a run that has failed; returns its own failure, if there is one.
    pub(super) async fn abandon(self) -> Option<Error> {
        drop(self.end);
        self.following.await.ok().and_then(Result::err)
    }

    /// Says up to where entries are wanted, once these can no longer be rolled back.
    async fn settle(&self, context: &Context) -> Result<()> {
        let end = oplog::position(&context.source).await?.last_applied;
        let mut committed = None;
        let mut moved = Instant::now();
        loop {
            context.stop.check()?;
            let now = oplog::position(&context.source).await?;
            check_rollback(&now, &self.beginning)?;
            if now.last_committed >= end {
                break;
            }
            if committed != Some(now.last_committed) {
                (committed, moved) = (Some(now.last_committed), Instant::now());
            } else if moved.elapsed() > MAJORITY_PATIENCE {
                let message = "the last entries are not on a majority of the members; the dump holds them all the \
                               same, even if they should be rolled back";
                context.monitor.warn("oplog", message);
                break;
            }
            sleep(MAJORITY_POLL).await;
        }
        self.end.send(Some(end)).map_err(|_| Error::PipelineClosed("the oplog's reader"))
    }
}

/// Reads entries until the end that is wanted.
struct Follower {
    context: Arc<Context>,
    from: Timestamp,
    last: Option<Timestamp>,
    wanted: watch::Receiver<Option<Timestamp>>,
    item: Item,
    followed: Followed,
}

impl Follower {
    async fn run(mut self) -> Result<Followed> {
        let followed = self.follow().await;
        self.context.monitor.finish(&self.item);
        if followed.is_err() {
            // A dump without its oplog is none: the collections need not be read to their end.
            self.context.abort.request();
        }
        followed.map(|()| self.followed)
    }

    async fn follow(&mut self) -> Result<()> {
        let mut patience = Patience::default();
        while !self.has_all() {
            match self.follow_one_cursor(&mut patience).await {
                Err(Error::Deployment(error)) if error.is_passing() || is_lost(&error) => {
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
        let from = self.last.unwrap_or(self.from);
        let incoming = batches(Tail::open(&self.context.source, from).await?);
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
            let batch = batch?;
            if std::mem::take(&mut is_first) {
                // Entries may have gone before the cursor was there: the one it begins with must not.
                check_start(&self.context.source, from).await?;
            }
            *patience = Patience::default();
            for entry in batch.documents()? {
                self.take(entry?).await?;
            }
        }
        Ok(())
    }

    /// One entry; those before and behind what is wanted are passed over.
    async fn take(&mut self, entry: &[u8]) -> Result<()> {
        let time = get(entry, "ts").ok().flatten().and_then(|ts| ts.as_timestamp());
        let Some(time) = time else { return Err(Error::Refused("an oplog entry has no time".to_owned())) };
        let time = Timestamp { time: time.0, increment: time.1 };
        let is_known = self.last.is_some_and(|last| time <= last);
        let is_late = self.wanted.borrow().is_some_and(|end| time > end);
        if is_known || is_late {
            return Ok(());
        }
        if let Some(reason) = forbidden::why(entry) {
            return Err(Error::Refused(reason));
        }
        self.followed.store.push(&self.context, entry).await?;
        self.followed.entries += 1;
        self.last = Some(time);
        self.item.add(1, entry.len() as u64);
        Ok(())
    }

    fn has_all(&self) -> bool {
        let end = *self.wanted.borrow();
        end.is_some_and(|end| self.last.is_some_and(|last| last >= end))
    }

    fn check(&self) -> Result<()> {
        self.context.stop.check()?;
        self.context.abort.check_consequence()
    }
}

impl Store {
    async fn push(&mut self, context: &Context, entry: &[u8]) -> Result<()> {
        match self {
            Self::Output { stream, open } => {
                let mut chunk = match open.take() {
                    Some(chunk) => chunk,
                    None => context.output.open_chunk().await?,
                };
                if chunk.is_full_for(entry.len()) {
                    context.output.send(*stream, chunk)?;
                    chunk = context.output.open_chunk().await?;
                }
                chunk.push(entry);
                *open = Some(chunk);
            }
            Self::Aside { spool, gathered } => {
                gathered.extend_from_slice(entry);
                if gathered.len() >= SPOOL_BYTES {
                    spool.append(std::mem::take(gathered)).await?;
                }
            }
        }
        Ok(())
    }

    /// Hands all that is not in the output yet to it.
    async fn finish(self, context: &Context, stream: usize) -> Result<()> {
        match self {
            Self::Output { open: Some(chunk), .. } => context.output.send(stream, chunk),
            Self::Output { open: None, .. } => Ok(()),
            Self::Aside { mut spool, gathered } => {
                spool.append(gathered).await?;
                let mut entries = spool.read_back().await?;
                loop {
                    context.stop.check()?;
                    let bytes = entries.read(CHUNK_BYTES).await?;
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    context.output.write(stream, &bytes).await?;
                }
            }
        }
    }
}

/// Reads batches of a cursor, so that nobody who waits for one has to drop a request under way. Ends at the
/// latest with the next batch, once nobody takes them any more.
fn batches(mut tail: Tail) -> async_channel::Receiver<mongoark_deployment::Result<Batch>> {
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
    oplog::is_rolled_over(error) || crate::scan::is_lost_cursor(error)
}

/// Whether what the dump began with is still in the oplog.
async fn check_start(source: &Source, first: Timestamp) -> Result<()> {
    if oplog::oldest(source).await? <= first {
        return Ok(());
    }
    let message = "oplog overflow: mongodump was unable to capture all new oplog entries during execution";
    Err(Error::Refused(message.to_owned()))
}

fn check_rollback(now: &Position, beginning: &Beginning) -> Result<()> {
    if now.rollback_id == beginning.rollback_id {
        return Ok(());
    }
    let message = "the member that is read has rolled back writes while the dump ran, so that what was dumped is of \
                   no one moment; dump again";
    Err(Error::Refused(message.to_owned()))
}
