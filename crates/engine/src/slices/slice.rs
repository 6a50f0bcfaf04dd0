//! One slice while it is written.

use super::folder::{EXTENSION, PREFIX};
use crate::archive::{self, ArchiveInput, ArchiveTask, CHUNK_BYTES, Output, Written};
use crate::catalog::{Consistency, DEPLOYMENT_STREAM, DeploymentEntry, Summary, encode_oplog, now_ms};
use crate::oplog::{ArchivedOplog, EntryId, Gap, Origin, SliceStart, Span};
use crate::pool::Budget;
use crate::{Error, Result};
use mongoark_container::WriteOptions;
use mongoark_model::{Counts, Timestamp};
use mongoark_monitor::Monitor;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The number of the oplog's stream.
const STREAM: u32 = 1;
/// One thread keeps up with more than a server writes.
const THREADS: usize = 1;

/// A slice that is open.
pub(super) struct OpenSlice {
    start: SliceStart,
    opened: Instant,
    input: ArchiveInput,
    task: ArchiveTask,
    oplog: ArchivedOplog,
}

/// A slice that is written and has its name.
pub(super) struct ClosedSlice {
    pub(super) written: Written,
    pub(super) entries: Counts,
}

impl OpenSlice {
    /// Opens a slice of everything after `start.after`.
    pub(super) fn open(
        dir: &Path,
        write: &WriteOptions,
        deployment: &DeploymentEntry,
        start: SliceStart,
        monitor: &Monitor,
    ) -> Result<Self> {
        let output = Output::File { path: free_name(dir, start.after.time)?, overwrite: false };
        let budget = Budget::new(4 * CHUNK_BYTES);
        let (input, task) = archive::begin(output, write, THREADS, budget, monitor)?;
        input.catalog(DEPLOYMENT_STREAM, deployment.encode())?;
        input.catalog(STREAM, encode_oplog(&Origin::Slice(start.clone())))?;
        let oplog = ArchivedOplog::whole(&input, STREAM);
        Ok(Self { start, opened: Instant::now(), input, task, oplog })
    }

    /// Adds an entry.
    pub(super) async fn push(&mut self, entry: &[u8]) -> Result<()> {
        self.oplog.push(entry).await
    }

    /// Whether it is old or large enough to be closed.
    pub(super) fn is_due(&self, age_max: Duration, bytes_max: u64) -> bool {
        self.opened.elapsed() >= age_max || self.input.written() >= bytes_max
    }

    pub(super) fn after(&self) -> Timestamp {
        self.start.after.time
    }

    pub(super) fn gap(&self) -> Option<&Gap> {
        self.start.gap.as_ref()
    }

    /// Closes the slice: it holds everything up to the entry `end`, and that one.
    pub(super) async fn close(self, end: EntryId) -> Result<ClosedSlice> {
        let Self { start, input, task, oplog, .. } = self;
        let entries = oplog.finish();
        let after = start.after.time;
        let EntryId { time: end, term: end_term, wall_ms: end_wall_ms } = end;
        let span = Span { start: after, consistent: after, end, end_term, end_wall_ms };
        let summary = Summary {
            finished_ms: now_ms(),
            consistency: Consistency::Slice,
            span: Some(span),
            totals: Counts::default(),
            changes: Vec::new(),
            failures: start.gap.iter().map(describe).collect(),
            warnings: Vec::new(),
        };
        let summary = entries.is_ok().then(|| summary.encode());
        let finished = task.finish(input, summary).await;
        let (entries, written) = crate::error::cause_of(entries, finished)?;
        let written = written.ok_or(Error::PipelineClosed("the slice's writer"))?;
        Ok(ClosedSlice { written, entries })
    }

    /// Gives up a slice in which nothing happened.
    pub(super) async fn discard(self) -> Result<()> {
        drop(self.oplog);
        let path = self.input.partial_path();
        self.task.finish(self.input, None).await?;
        if let Some(path) = path {
            std::fs::remove_file(&path)
                .map_err(|source| Error::Write { what: path.display().to_string(), source })?;
        }
        Ok(())
    }
}

/// What a gap is, in words.
pub(super) fn describe(gap: &Gap) -> String {
    format!("nothing is held between {} and {}: {}", gap.since, gap.until, gap.why)
}

/// Behind which time a slice begins, by its name.
pub(super) fn beginning_of(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (time, _) = name.split_once('.')?;
    let mut parts = time.split('-');
    Some(Timestamp::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// A name that is not taken: a damaged slice of the same beginning stays where it is.
fn free_name(dir: &Path, after: Timestamp) -> Result<PathBuf> {
    const TRIES: u32 = 1_000;
    let name = |count: u32| {
        let again = if count == 0 { String::new() } else { format!("-{count}") };
        dir.join(format!("{PREFIX}{:010}-{:010}{again}.{EXTENSION}", after.seconds, after.increment))
    };
    let free = (0..TRIES).map(name).find(|path| !path.exists());
    free.ok_or_else(|| Error::Refused(format!("{} holds too many damaged slices", dir.display())))
}
