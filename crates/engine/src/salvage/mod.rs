//! A damaged, truncated or unfinished archive into a whole new one, which holds what is authentic of it and says in its
//! summary what is missing. No server is asked, and no other command does this by itself.
//!
//! [`Salvage`](mongoark_container::Salvage) finds what is left and counts what is not; [`plan`] decides what of it is carried
//! over; the chunks are then read again one by one and sealed anew.

mod plan;
mod renames;
#[cfg(test)]
mod tests;

use crate::archive::{self, ArchiveInput, OpenChunk, Output, Written};
use crate::catalog::Summary;
use crate::error::cause_of;
use crate::pool::{Budget, cores};
use crate::{Error, Result, Stop};
use mongoark_bson_bytes::split_documents;
use mongoark_container::{
    Chunk, ChunkKind, Codec, CodecKind, Limits, OpenScratch, Salvage, SalvagedChunk, Secret, WriteOptions,
};
use mongoark_model::Counts;
use mongoark_monitor::Monitor;
use plan::Plan;
pub use plan::{Loss, Lost};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Chunks of the usual length that may be under way at once, beside those that the sealing threads have.
const CHUNKS_AHEAD: usize = 2;

/// What was salvaged.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// Collections, views and time series in the new archive.
    pub namespaces: usize,
    /// Documents in it, and their bytes.
    pub documents: Counts,
    /// Oplog entries in it.
    pub oplog_entries: u64,
    /// What is missing of each namespace.
    pub missing: Vec<Lost>,
    /// Length of the new archive, bytes.
    pub written_bytes: u64,
    /// The file; none where it went to a stream.
    pub path: Option<PathBuf>,
}

/// Makes a whole archive of what is left of one. It takes the secrets that open the damaged one, and is not encrypted only
/// if that is not. What is missing goes to the monitor and into its summary.
///
/// # Errors
/// A file that is still being written, of which neither header is whole, or of which nothing is left; an output that cannot
/// be written: no file has its name then.
pub async fn salvage(
    damaged: &Path,
    secrets: Vec<Secret>,
    output: Output,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<Salvaged> {
    let damaged = Arc::new(scan(damaged, secrets, monitor, stop).await?);
    let plan = planned(&damaged, stop).await?;
    plan.tell(monitor);
    let write = WriteOptions {
        codec: codec(damaged.header().codec()),
        secrets: damaged.secrets().to_vec(),
        ..WriteOptions::default()
    };
    let threads = cores();
    let budget = Budget::new((CHUNKS_AHEAD + 2 * threads) * archive::CHUNK_BYTES);
    let (input, task) = archive::begin(output, &write, threads, budget.clone(), monitor)?;
    let partial = input.partial_path();
    let copied =
        Copying { damaged, input: input.clone(), budget, stop: stop.clone() }.all(&plan, monitor).await;
    let end = copied.as_ref().ok().map(|copied| plan.summary(copied.documents, monitor));
    let finished = task.finish(input, end.as_ref().map(Summary::encode)).await;
    let ended = cause_of(copied, finished);
    if let (Err(_), Some(partial)) = (&ended, partial) {
        // Nothing can go on with it. One that cannot be removed is in nobody's way.
        _ = std::fs::remove_file(partial);
    }
    let (copied, written) = ended?;
    Ok(salvaged(plan, &copied, written))
}

/// Decides what is carried over, on a thread that may block: it may take reading the oplog.
async fn planned(damaged: &Arc<Salvage>, stop: &Stop) -> Result<Plan> {
    let (damaged, stop) = (Arc::clone(damaged), stop.clone());
    let plan = tokio::task::spawn_blocking(move || Plan::of(&damaged, &stop)).await;
    plan.map_err(|_| Error::PipelineClosed("the reading of the archive"))?
}

/// What was carried over.
#[derive(Clone, Copy, Default)]
struct Copied {
    documents: Counts,
    oplog_entries: u64,
}

fn salvaged(plan: Plan, copied: &Copied, written: Option<Written>) -> Salvaged {
    Salvaged {
        namespaces: plan.namespaces(),
        documents: copied.documents,
        oplog_entries: copied.oplog_entries,
        missing: plan.missing,
        written_bytes: written.as_ref().map_or(0, |written| written.bytes),
        path: written.and_then(|written| written.path),
    }
}

/// Reads the whole file on a thread that may block.
async fn scan(path: &Path, secrets: Vec<Secret>, monitor: &Monitor, stop: &Stop) -> Result<Salvage> {
    let (path, stop) = (path.to_owned(), stop.clone());
    let length = std::fs::metadata(&path).map_or(0, |found| found.len());
    let item = monitor.item(format!("reading {}", path.display()), 0, length);
    let progress = item.clone();
    let scanned = tokio::task::spawn_blocking(move || {
        let mut progress = |bytes| {
            progress.add(0, bytes);
            stop.check().is_ok()
        };
        Salvage::open(&path, &secrets, &Limits::default(), &is_sound, &mut progress)
    });
    let scanned = scanned.await.map_err(|_| Error::PipelineClosed("the reading of the archive"))??;
    monitor.finish(&item);
    scanned.ok_or(Error::Interrupted)
}

/// Whether a chunk holds the number of whole documents that it states.
fn is_sound(chunk: &Chunk) -> bool {
    let mut documents = 0;
    split_documents(&chunk.bytes).all(|document| {
        documents += 1;
        document.is_ok()
    }) && documents == chunk.documents
}

/// The codec of the damaged archive, as hard as it tries unless told otherwise.
fn codec(kind: CodecKind) -> Codec {
    match kind {
        CodecKind::None => Codec::None,
        CodecKind::Gzip => Codec::Gzip { level: 6 },
        CodecKind::Zstd => archive::default_codec(),
    }
}

/// The way of the chunks.
struct Copying {
    damaged: Arc<Salvage>,
    input: ArchiveInput,
    budget: Budget,
    stop: Stop,
}

impl Copying {
    async fn all(self, plan: &Plan, monitor: &Monitor) -> Result<Copied> {
        for (stream, body) in plan.catalogs() {
            self.input.catalog(stream, body)?;
        }
        let expected = plan.documents;
        let item = monitor.item("salvage", expected.documents, expected.bytes);
        let (mut copied, mut scratch) = (Copied::default(), OpenScratch::new());
        for chunk in self.damaged.chunks() {
            let Some(stream) = plan.stream_of(chunk.entry().stream) else { continue };
            self.stop.check()?;
            let counts;
            (counts, scratch) = self.one(*chunk, stream, scratch).await?;
            item.add(counts.documents, counts.bytes);
            if plan.is_oplog(stream) {
                copied.oplog_entries += counts.documents;
            } else {
                copied.documents += counts;
            }
        }
        for stream in plan.streams_to_end() {
            self.input.stream_end(stream)?;
        }
        monitor.finish(&item);
        Ok(copied)
    }

    /// Reads one chunk and hands it to the new archive. Its memory is counted before it is taken.
    async fn one(
        &self,
        chunk: SalvagedChunk,
        stream: u32,
        mut scratch: OpenScratch,
    ) -> Result<(Counts, OpenScratch)> {
        let entry = chunk.entry();
        let share = self.budget.share(entry.raw_len.max(entry.length) as usize).await?;
        let damaged = Arc::clone(&self.damaged);
        scratch.recycle(self.input.buffer());
        let opened = tokio::task::spawn_blocking(move || {
            let opened = damaged.open_chunk(&chunk, &mut scratch);
            (opened, scratch)
        });
        let (opened, scratch) = opened.await.map_err(|_| Error::PipelineClosed("the opening of a chunk"))?;
        let Chunk { kind, documents, bytes, .. } = opened?;
        let counts = Counts::new(u64::from(documents), bytes.len() as u64);
        self.input.send_as(kind, stream, OpenChunk::whole(bytes, documents, share))?;
        Ok((counts, scratch))
    }
}

/// Whether a stream holds entries of an oplog.
fn is_of_oplog(kind: Option<ChunkKind>) -> bool {
    kind == Some(ChunkKind::Oplog)
}
