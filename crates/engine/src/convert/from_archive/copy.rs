//! The documents of an archive into the files of a dump, in the archive's order.

use super::plan::Plan;
use crate::dump_output::{CHUNK_BYTES, DumpOutput};
use crate::reading::{Feed, Piece, Retracted};
use crate::spool::Spool;
use crate::{Error, Result};
use mongoark_container::Chunk;
use mongoark_model::Counts;
use mongoark_monitor::{Item, Monitor};
use std::collections::{HashMap, HashSet};

/// What was carried over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    pub(super) documents: Counts,
    pub(super) oplog_entries: u64,
}

/// A stream under way.
struct Open {
    item: Item,
    counts: Counts,
}

struct Copying<'a> {
    plan: &'a Plan,
    output: &'a DumpOutput,
    monitor: &'a Monitor,
    open: HashMap<u32, Open>,
    ended: HashSet<u32>,
    copied: Copied,
    /// Oplog entries that are left behind.
    left: u64,
    /// Oplog entries that wait until all collections are written: mongorestore replays them last, and reads an archive
    /// once.
    aside: Option<Spool>,
}

/// Copies all that the feed gives.
pub(super) async fn all(
    feed: &mut Feed,
    plan: &Plan,
    output: &DumpOutput,
    monitor: &Monitor,
) -> Result<Copied> {
    let (open, ended) = (HashMap::new(), HashSet::new());
    let mut copying =
        Copying { plan, output, monitor, open, ended, copied: Copied::default(), left: 0, aside: None };
    copying.schema().await?;
    loop {
        match feed.next().await? {
            Piece::Chunk(chunk, share, _) => {
                copying.take(&chunk).await?;
                drop(share);
                feed.recycle(chunk.bytes);
            }
            Piece::StreamEnd(stream) if plan.oplog == Some(stream) => {}
            Piece::StreamEnd(stream) => copying.end(stream).await?,
            Piece::Retract(back) => copying.retract(back)?,
            Piece::End(_) => break,
        }
    }
    copying.finish().await
}

impl Copying<'_> {
    /// The version of the accounts' schema, which the archive does not hold.
    async fn schema(&self) -> Result<()> {
        let Some((entry, document)) = &self.plan.schema else { return Ok(()) };
        self.output.open(*entry)?;
        self.output.write(*entry, document.as_bytes()).await?;
        self.output.end(*entry).await
    }

    async fn take(&mut self, chunk: &Chunk) -> Result<()> {
        if self.plan.counted == Some(chunk.stream) {
            self.left += u64::from(chunk.documents);
            return Ok(());
        }
        // A stream that is left behind comes by in a pipe, and is passed over.
        let Some(taken) = self.plan.streams.get(&chunk.stream) else { return Ok(()) };
        self.begin(chunk.stream)?;
        if self.plan.oplog == Some(chunk.stream) {
            self.aside.get_or_insert_with(Spool::new).append(chunk.bytes.clone()).await?;
        } else {
            self.output.write(taken.entry, &chunk.bytes).await?;
        }
        let counts = Counts::new(u64::from(chunk.documents), chunk.bytes.len() as u64);
        if let Some(open) = self.open.get_mut(&chunk.stream) {
            open.item.add(counts.documents, counts.bytes);
            open.counts += counts;
        }
        Ok(())
    }

    /// Opens a stream that is not open yet.
    fn begin(&mut self, stream: u32) -> Result<()> {
        let Some(taken) = self.plan.streams.get(&stream) else { return Ok(()) };
        if self.ended.contains(&stream) {
            return Err(Error::Catalog(format!("{} goes on after its end", taken.name)));
        }
        if !self.open.contains_key(&stream) {
            self.output.open(taken.entry)?;
            let Counts { documents, bytes } = taken.expected;
            let item = self.monitor.item(taken.name.clone(), documents, bytes);
            self.open.insert(stream, Open { item, counts: Counts::default() });
        }
        Ok(())
    }

    async fn end(&mut self, stream: u32) -> Result<()> {
        let Some(taken) = self.plan.streams.get(&stream) else { return Ok(()) };
        self.begin(stream)?;
        self.ended.insert(stream);
        self.output.end(taken.entry).await?;
        if let Some(Open { item, counts }) = self.open.remove(&stream) {
            self.monitor.finish(&item);
            if self.plan.oplog == Some(stream) {
                self.copied.oplog_entries += counts.documents;
            } else {
                self.copied.documents += counts;
            }
        }
        Ok(())
    }

    /// The oplog, behind all collections.
    async fn oplog(&mut self, stream: u32) -> Result<()> {
        let Some(taken) = self.plan.streams.get(&stream) else { return Ok(()) };
        self.begin(stream)?;
        if let Some(aside) = self.aside.take() {
            let mut entries = aside.read_back().await?;
            loop {
                let bytes = entries.read(CHUNK_BYTES).await?;
                if bytes.is_empty() {
                    break;
                }
                self.output.write(taken.entry, &bytes).await?;
            }
        }
        self.end(stream).await
    }

    /// A cursor was lost during the dump: what came of this stream does not count. A file's index knows that ahead.
    /// All that came of it, that is: a part cannot be taken out of a file again.
    fn retract(&mut self, back: Retracted) -> Result<()> {
        let stream = back.stream;
        if self.plan.counted == Some(stream) {
            self.left -= back.counts.documents;
        }
        let (taken, open) = (self.plan.streams.get(&stream), self.open.get_mut(&stream));
        let (Some(taken), Some(open)) = (taken, open) else { return Ok(()) };
        let is_back = back.is_all
            && if self.plan.oplog == Some(stream) {
                self.aside = None;
                true
            } else {
                self.output.take_back(taken.entry)?
            };
        if !is_back {
            return Err(Error::Retracted);
        }
        open.counts = Counts::default();
        Ok(())
    }

    /// Ends what the archive did not: a view has no documents, and so perhaps no end.
    async fn finish(mut self) -> Result<Copied> {
        let is_missing = |stream: &&u32| !self.ended.contains(stream) && self.plan.oplog != Some(**stream);
        let missing: Vec<u32> = self.plan.streams.keys().filter(is_missing).copied().collect();
        for stream in missing {
            self.end(stream).await?;
        }
        if let Some(stream) = self.plan.oplog {
            self.oplog(stream).await?;
        }
        if self.plan.counted.is_some() {
            let message = "left behind, as --without-oplog says; each collection is of another moment";
            self.monitor.fail("oplog", message, self.left);
        }
        Ok(self.copied)
    }
}
