//! The continuous capture: entries that a majority has, into slices, until it is asked to stop.

use super::folder::{Folder, ReplicaSet, SliceAccess, SliceInfo};
use super::slice::{OpenSlice, beginning_of, describe};
use super::tailing::{self, From, Tailed, Tailing, is_passing};
use crate::catalog::{DeploymentEntry, now_ms};
use crate::oplog::{EntryId, Gap, Kept, SliceStart, kept, stand_in};
use crate::quote::counted;
use crate::{Error, Result, Stop};
use mongoark_container::{WriteOptions, open_or_create_own};
use mongoark_deployment::{Batch, Connection, Source, SourceOptions};
use mongoark_model::{Counts, Timestamp};
use mongoark_monitor::{Item, Monitor};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The file that keeps two captures out of one folder.
const LOCK: &str = "capture.lock";
/// Between two tries to find a member.
const RETRY: Duration = Duration::from_millis(500);
/// How long nobody may answer before it is told once more.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How to capture.
#[derive(Debug)]
pub struct CaptureOptions {
    /// Where the slices go.
    pub dir: PathBuf,
    /// Codec and secrets.
    pub write: WriteOptions,
    /// What opens the slices that the folder holds, and which are believed.
    pub access: SliceAccess,
    /// A slice is closed when it is this old.
    pub slice_age_max: Duration,
    /// And when it has so many bytes.
    pub slice_bytes_max: u64,
    /// Which members may be read.
    pub source: SourceOptions,
    /// mongoark's version, for the slices.
    pub tool_version: String,
}

/// What a capture has done.
#[derive(Clone, Debug, Default)]
pub struct CaptureReport {
    /// Slices written.
    pub slices: u64,
    /// Entries in them, and their bytes.
    pub entries: Counts,
    /// Bytes of their files.
    pub file_bytes: u64,
    /// Everything after this is held ..
    pub after: Option<Timestamp>,
    /// .. up to this, but for the gaps.
    pub end: Option<Timestamp>,
    /// Times that are not held.
    pub gaps: Vec<Gap>,
}

/// Captures until it is asked to stop, and closes its last slice then. Goes on where the folder's last slice ends.
///
/// # Errors
/// What another try or another member cannot mend: a full disk, wrong credentials, a deployment without an oplog.
/// The slices that are closed by then stay.
pub async fn capture(
    connection: &Connection,
    options: &CaptureOptions,
    monitor: &Monitor,
    stop: &Stop,
) -> Result<CaptureReport> {
    let _lock = lock(&options.dir)?;
    let folder = Folder::read(&options.dir, &options.access, stop).await?;
    for (path, error) in &folder.damaged {
        monitor.warn(path.display().to_string(), format!("not a slice that can be used: {error}"));
    }
    let last = folder.slices.iter().max_by_key(|slice| slice.end);
    let held = last.map(|slice| slice.end_id);
    // The first connection must come about: a wrong address should not be tried for ever.
    let source = Source::through(connection, &options.source).await?;
    if let Some(last) = last {
        check_set(&source, last)?;
    }
    let from = match held {
        Some(place) => From::Behind(place),
        // A capture that ended before its first slice was whole left its beginning behind.
        None => match unfinished(&options.dir)? {
            Some(after) => From::After(after),
            None => From::After(tailing::beginning(connection, &options.source).await?),
        },
    };
    remove_unfinished(&options.dir)?;
    let item = monitor.item("oplog", 0, 0);
    let mut capture = Capture {
        connection,
        options,
        monitor,
        stop,
        item,
        from,
        slice: None,
        report: CaptureReport::default(),
    };
    let ended = capture.run().await;
    let closed = capture.close().await;
    monitor.finish(&capture.item);
    ended.and(closed)?;
    Ok(capture.report)
}

fn lock(dir: &Path) -> Result<File> {
    let failed = |source| Error::Write { what: dir.display().to_string(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let path = dir.join(LOCK);
    let file = open_or_create_own(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Refused(format!(
            "another capture writes to {}; give this one another folder",
            dir.display()
        ))),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Behind which time the unfinished slice begins, where there is one.
fn unfinished(dir: &Path) -> Result<Option<Timestamp>> {
    Ok(Folder::unfinished(dir)?.iter().filter_map(|path| beginning_of(path)).min())
}

/// What an unfinished slice holds is read anew.
fn remove_unfinished(dir: &Path) -> Result<()> {
    for path in Folder::unfinished(dir)? {
        let failed = |source| Error::Write { what: path.display().to_string(), source };
        std::fs::remove_file(&path).map_err(failed)?;
    }
    Ok(())
}

fn check_set(source: &Source, last: &SliceInfo) -> Result<()> {
    match last.set.difference(&ReplicaSet::of(source.info())) {
        None => Ok(()),
        Some(difference) => Err(Error::Usage(format!(
            "the slices in this folder are of another replica set than the one to capture ({difference}); give it another folder"
        ))),
    }
}

/// A capture under way.
struct Capture<'a> {
    connection: &'a Connection,
    options: &'a CaptureOptions,
    monitor: &'a Monitor,
    stop: &'a Stop,
    item: Item,
    /// Where reading goes on.
    from: From,
    slice: Option<OpenSlice>,
    report: CaptureReport,
}

impl Capture<'_> {
    async fn run(&mut self) -> Result<()> {
        let mut told: Option<Instant> = None;
        let mut member = String::new();
        while !self.stop.is_requested() {
            match Tailing::open(self.connection, &self.options.source, self.start()).await {
                Ok(mut tailing) => {
                    let address = tailing.source.info().member.address.clone();
                    if address != member {
                        self.monitor.step(format!("capturing from {address}"));
                        if let Some(warning) = tailing.source.info().member.warning() {
                            self.monitor.warn("", warning);
                        }
                        member = address;
                    }
                    if let Some(error) = self.follow(&mut tailing).await? {
                        self.monitor.detail(format!("another cursor goes on where one was lost: {error}"));
                    }
                    told = None;
                }
                Err(error) if is_passing(&error) => {
                    if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
                        self.monitor.step(format!("waiting for a member that can be read: {error}"));
                        told = Some(Instant::now());
                    }
                }
                Err(error) => return Err(error),
            }
            self.close_if_due().await?;
            sleep(RETRY).await;
        }
        Ok(())
    }

    /// The first entry that is asked for.
    fn start(&self) -> Timestamp {
        match self.from {
            From::Behind(place) => place.time,
            From::After(time) => time,
        }
    }

    /// Follows one cursor to its end; what ended it, where that is known.
    async fn follow(&mut self, tailing: &mut Tailing) -> Result<Option<Error>> {
        while !self.stop.is_requested() {
            match tailing.next().await {
                Tailed::Batch(batch) => {
                    if !self.take(tailing, &batch).await? {
                        return Ok(None);
                    }
                }
                Tailed::Nothing => {}
                Tailed::Ended(None) => return Ok(None),
                Tailed::Ended(Some(error)) => {
                    let error = Error::from(error);
                    return if is_passing(&error) { Ok(Some(error)) } else { Err(error) };
                }
            }
            self.close_if_due().await?;
        }
        Ok(None)
    }

    /// Takes a batch; whether the cursor is where it should be.
    async fn take(&mut self, tailing: &mut Tailing, batch: &Batch) -> Result<bool> {
        for entry in batch.documents()? {
            let entry = entry?;
            let place = EntryId::of(entry)?;
            if !tailing.has_begun()
                && let Some(why) = tailing.check_first(self.from, place)
            {
                let until = tailing::beginning(self.connection, &self.options.source).await?;
                self.cut(until, why).await?;
                self.from = From::After(until);
                return Ok(false);
            }
            let is_known = match self.from {
                From::Behind(last) => place.time <= last.time,
                From::After(time) => place.time <= time,
            };
            if !is_known {
                self.entry(&tailing.source, entry, place).await?;
            }
        }
        Ok(true)
    }

    async fn entry(&mut self, source: &Source, entry: &[u8], place: EntryId) -> Result<()> {
        match kept(entry) {
            Ok(Kept::Whole) => {
                self.open_slice(source)?.push(entry).await?;
                self.item.add(1, entry.len() as u64);
            }
            // So that it can be found: it may be the one with which a dump ends.
            Ok(Kept::Not) => self.open_slice(source)?.push(&stand_in(entry)).await?,
            // No replay can go over it: what comes behind it needs a dump of its own.
            Err(error) => {
                self.open_slice(source)?;
                self.cut(place.time, error.to_string()).await?;
            }
        }
        self.from = From::Behind(place);
        Ok(())
    }

    fn open_slice(&mut self, source: &Source) -> Result<&mut OpenSlice> {
        if self.slice.is_none() {
            let after = match self.from {
                From::Behind(entry) => entry,
                From::After(time) => EntryId::at(time),
            };
            // A gap that was just noticed is told by the slice behind it.
            let gap = self.report.gaps.last().filter(|gap| gap.until == after.time).cloned();
            let deployment = DeploymentEntry {
                info: source.info().clone(),
                tool_version: self.options.tool_version.clone(),
                dump_tool: None,
                started_ms: now_ms(),
            };
            let start = SliceStart { after, has_every_entry: true, gap };
            let write = &self.options.write;
            let opened = OpenSlice::open(&self.options.dir, write, &deployment, start, self.monitor)?;
            self.report.after.get_or_insert(after.time);
            self.slice = Some(opened);
        }
        self.slice.as_mut().ok_or(Error::PipelineClosed("the slice"))
    }

    /// Ends what is held here; it goes on after `until`.
    async fn cut(&mut self, until: Timestamp, why: String) -> Result<()> {
        let since = match self.from {
            From::Behind(place) => place.time,
            From::After(time) => time,
        };
        self.close().await?;
        let gap = Gap { since, until, why };
        self.monitor.fail("oplog", describe(&gap), 0);
        self.report.gaps.push(gap);
        Ok(())
    }

    async fn close_if_due(&mut self) -> Result<()> {
        let (age, bytes) = (self.options.slice_age_max, self.options.slice_bytes_max);
        if self.slice.as_ref().is_some_and(|slice| slice.is_due(age, bytes)) {
            self.close().await
        } else {
            Ok(())
        }
    }

    /// Closes the slice that is open, if there is one, behind the last entry that was read.
    async fn close(&mut self) -> Result<()> {
        let Some(slice) = self.slice.take() else { return Ok(()) };
        let From::Behind(end) = self.from else { return slice.discard().await };
        if end.time <= slice.after() && slice.gap().is_none() {
            return slice.discard().await;
        }
        let closed = slice.close(end).await?;
        self.report.slices += 1;
        self.report.entries += closed.entries;
        self.report.file_bytes += closed.written.bytes;
        self.report.end = Some(end.time);
        let name = closed.written.path.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
        let entries = counted(closed.entries.documents, "entry", "entries");
        self.monitor.detail(format!("{name}: {entries} up to {}", end.time));
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_on_no_file_of_somebody_else() {
        let root = tempfile::tempdir().unwrap();
        let held = lock(root.path()).unwrap();
        assert!(matches!(lock(root.path()), Err(Error::Refused(_))));
        drop(held);
        let path = root.path().join(LOCK);
        std::fs::hard_link(&path, root.path().join("theirs")).unwrap();
        assert!(matches!(lock(root.path()), Err(Error::Archive(_))));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(root.path().join("elsewhere"), &path).unwrap();
        assert!(lock(root.path()).is_err());
        assert!(!root.path().join("elsewhere").exists(), "no link is followed");
    }
}
