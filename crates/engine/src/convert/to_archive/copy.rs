//! The documents of a dump into the streams of an archive, a task for each collection.

use super::plan::{Destination, Plan};
use crate::archive::{ArchiveInput, OpenChunk};
use crate::dump_input::{Batch, Documents, Feed};
use crate::{Error, Result};
use futures_util::FutureExt;
use mongoark_bson_bytes::split_documents;
use mongoark_container::ChunkKind;
use mongoark_model::Counts;
use mongoark_monitor::{Item, Monitor};
use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// What every task needs.
pub(super) struct Copying {
    archive: ArchiveInput,
    pub(super) plan: Arc<Plan>,
    monitor: Monitor,
    /// How many entries of the dump are still to come, of each stream.
    open: Mutex<HashMap<u32, usize>>,
}

/// What was carried over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    pub(super) documents: Counts,
    pub(super) oplog_entries: u64,
}

impl AddAssign for Copied {
    fn add_assign(&mut self, other: Self) {
        self.documents += other.documents;
        self.oplog_entries += other.oplog_entries;
    }
}

/// Copies every collection that the dump gives.
pub(super) async fn all(copying: &Arc<Copying>, mut feed: Feed) -> Result<Copied> {
    let (mut running, mut copied, mut failed) = (JoinSet::new(), Copied::default(), None);
    loop {
        let next = tokio::select! {
            next = feed.next() => next,
            Some(done) = running.join_next() => {
                settle(done, &mut copied, &mut failed);
                if failed.is_some() { Ok(None) } else { continue }
            }
        };
        match next {
            Ok(Some(documents)) => {
                let copying = Arc::clone(copying);
                running.spawn(async move { copying.one(documents).await });
            }
            Ok(None) => break,
            Err(error) => {
                // What a task says of it is only that its documents ended.
                failed = Some(error);
                break;
            }
        }
    }
    drop(feed);
    while let Some(done) = running.join_next().await {
        settle(done, &mut copied, &mut failed);
    }
    failed.map_or(Ok(copied), Err)
}

fn settle(
    done: Result<Result<Copied>, tokio::task::JoinError>,
    copied: &mut Copied,
    failed: &mut Option<Error>,
) {
    match done.unwrap_or(Err(Error::PipelineClosed("a copying task"))) {
        Ok(more) => *copied += more,
        Err(error) if failed.as_ref().is_none_or(Error::is_consequence) => *failed = Some(error),
        Err(_) => {}
    }
}

impl Copying {
    pub(super) fn new(archive: ArchiveInput, plan: Arc<Plan>, monitor: Monitor) -> Self {
        let mut open: HashMap<u32, usize> = HashMap::new();
        for entry in plan.wanted() {
            if let Some(Destination::Documents(stream) | Destination::Oplog(stream)) = plan.destination(entry)
            {
                *open.entry(stream).or_default() += 1;
            }
        }
        Self { archive, plan, monitor, open: Mutex::new(open) }
    }

    async fn one(&self, documents: Documents) -> Result<Copied> {
        let Some(destination) = self.plan.destination(documents.entry()) else {
            return Ok(Copied::default());
        };
        let item = self.monitor.item(self.name(destination), 0, 0);
        let counts = match destination {
            Destination::Documents(stream) => self.into(ChunkKind::Data, stream, documents, &item).await,
            Destination::Oplog(stream) => self.into(ChunkKind::Oplog, stream, documents, &item).await,
            Destination::Counted => count(documents, &item).await,
        };
        self.monitor.finish(&item);
        let counts = counts?;
        Ok(match destination {
            Destination::Documents(_) => Copied { documents: counts, oplog_entries: 0 },
            Destination::Oplog(_) => Copied { oplog_entries: counts.documents, ..Copied::default() },
            Destination::Counted => {
                let message = "left behind, as --without-oplog says; each collection is of another moment";
                self.monitor.fail("oplog", message, counts.documents);
                Copied::default()
            }
        })
    }

    fn name(&self, destination: Destination) -> String {
        let Destination::Documents(stream) = destination else { return "oplog".to_owned() };
        let collection = self.plan.collections.get((stream as usize).wrapping_sub(1));
        collection.map(|collection| collection.namespace.to_string()).unwrap_or_default()
    }

    async fn into(&self, kind: ChunkKind, stream: u32, mut from: Documents, item: &Item) -> Result<Counts> {
        let mut out = Filling { archive: &self.archive, kind, stream, open: None };
        let mut counts = Counts::default();
        loop {
            let next = if let Some(next) = from.next().now_or_never() {
                next?
            } else {
                // No chunk is held while the dump is waited for: in an archive many collections are under way, and
                // their chunks together would take all the memory that the one which comes next needs.
                out.send()?;
                from.next().await?
            };
            let Some(batch) = next else { break };
            out.take(&batch).await?;
            counts += told(&batch, item);
        }
        out.send()?;
        self.ended(stream)?;
        Ok(counts)
    }

    /// Ends a stream when all the entries that go into it have ended.
    fn ended(&self, stream: u32) -> Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.entry(stream).or_default();
        *left = left.saturating_sub(1);
        if *left == 0 { self.archive.stream_end(stream) } else { Ok(()) }
    }
}

/// Fills chunks of a stream.
struct Filling<'a> {
    archive: &'a ArchiveInput,
    kind: ChunkKind,
    stream: u32,
    open: Option<OpenChunk>,
}

impl Filling<'_> {
    /// Copies the documents of a batch; full chunks go.
    async fn take(&mut self, batch: &Batch) -> Result<()> {
        for document in split_documents(&batch.bytes) {
            let document = document.map_err(|error| Error::Catalog(error.to_string()))?;
            if self.open.as_ref().is_some_and(|open| open.is_full_for(document.len())) {
                self.send()?;
            }
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.archive.open_chunk().await?,
            };
            open.push(document);
            self.open = Some(open);
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        match self.open.take() {
            Some(open) => self.archive.send_as(self.kind, self.stream, open),
            None => Ok(()),
        }
    }
}

async fn count(mut from: Documents, item: &Item) -> Result<Counts> {
    let mut counts = Counts::default();
    while let Some(batch) = from.next().await? {
        counts += told(&batch, item);
    }
    Ok(counts)
}

/// How much a batch is, which the item is told.
fn told(batch: &Batch, item: &Item) -> Counts {
    let (documents, bytes) = (u64::from(batch.documents), batch.bytes.len() as u64);
    item.add(documents, bytes);
    Counts::new(documents, bytes)
}
