//! The slices that a restore goes on with behind its archive's own oplog.

use super::folder::{Folder, SliceAccess, SliceInfo, open};
use super::ranges::{Break, Reach, chain};
use crate::reading::Feed;
use crate::restore::send_feed;
use crate::verify::verify;
use crate::{Error, Result, Stop};
use async_channel::Sender;
use mongoark_model::Timestamp;
use mongoark_monitor::Monitor;
use std::path::{Path, PathBuf};

/// Slices of one replica set, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct SlicePlan {
    slices: Vec<SliceInfo>,
    access: SliceAccess,
    /// What could not be read, and why.
    damaged: Vec<(PathBuf, String)>,
}

impl SlicePlan {
    /// Reads the slices of a folder.
    ///
    /// # Errors
    /// A folder without a slice that can be used.
    pub async fn read(dir: &Path, access: SliceAccess, stop: &Stop) -> Result<Self> {
        let Folder { slices, damaged } = Folder::read(dir, &access, stop).await?;
        let damaged: Vec<_> = damaged.into_iter().map(|(path, error)| (path, error.to_string())).collect();
        match (slices.is_empty(), damaged.first()) {
            (true, None) => Err(Error::Usage(format!("{} holds no slices of an oplog", dir.display()))),
            (true, Some((_, why))) => {
                Err(Error::Refused(format!("no slice in {} can be used: {why}", dir.display())))
            }
            _ => Ok(Self { slices, access, damaged }),
        }
    }

    /// The files that are named as slices and cannot be used, and why.
    pub fn unusable(&self) -> &[(PathBuf, String)] {
        &self.damaged
    }

    /// Keeps those that lead from `from`, where the archive of replica set `set` ends, to everything before `limit`.
    pub(crate) fn leading(
        &mut self,
        set: Option<&str>,
        from: Timestamp,
        limit: Option<Timestamp>,
    ) -> Result<()> {
        if let Some(other) = self.slices.iter().find(|slice| slice.set.as_deref() != set) {
            return Err(Error::Usage(format!(
                "{} is of replica set {}, the archive of {}",
                other.path.display(),
                other.set.as_deref().unwrap_or("(none)"),
                set.unwrap_or("(none)")
            )));
        }
        let reaches: Vec<Reach> = self.slices.iter().map(SliceInfo::reach).collect();
        let places = chain(&reaches, from, limit).map_err(|broken| self.gap(broken))?;
        self.slices = places.into_iter().map(|place| self.slices[place].clone()).collect();
        Ok(())
    }

    fn gap(&self, broken: Break) -> Error {
        let next = match broken.next {
            Some(next) => format!("go on only after {next}"),
            None => "end there".to_owned(),
        };
        let why =
            self.slices.iter().filter_map(|slice| slice.gap.as_ref()).find(|gap| gap.since == broken.at);
        let why = why.map(|gap| format!(" ({})", gap.why)).unwrap_or_default();
        let damaged = match self.damaged.as_slice() {
            [] => String::new(),
            damaged => {
                let why: Vec<&str> = damaged.iter().map(|(_, why)| why.as_str()).collect();
                format!("; not readable: {}", why.join("; "))
            }
        };
        Error::Usage(format!(
            "the slices do not lead from the archive to the time that is wanted: up to {} everything is there, then \
             they {next}{why}{damaged}. Choose --to up to {}, or a younger archive",
            broken.at, broken.at
        ))
    }

    /// The last moment that they hold; the beginning of time where there are none.
    pub(crate) fn end(&self) -> Timestamp {
        self.slices.iter().map(|slice| slice.end).max().unwrap_or_default()
    }

    /// Bytes of their entries.
    pub(crate) fn bytes(&self) -> u64 {
        self.slices.iter().map(|slice| slice.entries.bytes).sum()
    }

    /// Reads every entry once: damage is to be found before anything is written.
    pub(crate) async fn verify(&self, stop: &Stop) -> Result<()> {
        for slice in &self.slices {
            let verified =
                async { verify(open(&slice.path, &self.access)?, &Monitor::silent(), stop).await.map(drop) };
            verified.await.map_err(|source| match source {
                Error::Interrupted | Error::Slice { .. } => source,
                source => Error::Slice { path: slice.path.clone(), source: Box::new(source) },
            })?;
        }
        Ok(())
    }

    /// Hands all entries over in their order.
    pub(crate) async fn send(&self, to: &Sender<Result<Vec<u8>>>) -> Result<()> {
        for slice in &self.slices {
            let mut feed = Feed::start(open(&slice.path, &self.access)?, &Stop::default());
            let catalog = feed.catalog().await?;
            let stream = catalog.oplog.map(|oplog| oplog.stream).unwrap_or_default();
            let sent = send_feed(feed, stream, to).await;
            sent.map_err(|source| match source {
                Error::PipelineClosed(_) => source,
                source => Error::Slice { path: slice.path.clone(), source: Box::new(source) },
            })?;
        }
        Ok(())
    }
}
