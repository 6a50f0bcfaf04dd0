//! What a folder of slices holds, read from each slice's own beginning and end.

use super::ranges::Reach;
use crate::oplog::{EntryId, Gap, Origin, SliceStart};
use crate::reading::{Archive, Feed};
use crate::{Error, Result, Stop};
use mongoark_container::{Header, Limits, Secret};
use mongoark_model::{Counts, DeploymentInfo, Timestamp, TopologyKind};
use std::path::{Path, PathBuf};

/// How a slice's name ends.
pub(super) const EXTENSION: &str = "mongoark";
/// How it begins.
pub(super) const PREFIX: &str = "oplog-";

/// What opens slices, and which are believed.
#[derive(Clone, Debug, Default)]
pub struct SliceAccess {
    /// The secrets that open those that are encrypted.
    pub secrets: Vec<Secret>,
    /// Whether those that are not encrypted are believed, too: anybody can have written them.
    pub allow_unencrypted: bool,
}

impl SliceAccess {
    /// With secrets: what they open, and nothing else. Without: what needs none.
    pub fn with(secrets: Vec<Secret>) -> Self {
        Self { allow_unencrypted: secrets.is_empty(), secrets }
    }

    fn to_open(&self, header: &Header) -> Result<Vec<Secret>> {
        match (header.is_encrypted(), self.allow_unencrypted) {
            (true, _) => Ok(self.secrets.clone()),
            (false, true) => Ok(Vec::new()),
            (false, false) => Err(Error::Refused(
                "it is not encrypted: nothing shows who wrote it, so it is not used (--allow-unencrypted uses it)".to_owned(),
            )),
        }
    }
}

/// A slice that is whole.
#[derive(Clone, Debug)]
pub struct SliceInfo {
    /// Its file.
    pub path: PathBuf,
    /// The entry before its first one.
    pub after: Timestamp,
    /// Its last moment.
    pub end: Timestamp,
    /// The entry at its end.
    pub end_id: EntryId,
    /// The entry before its first one, and what can be found behind it.
    pub start: SliceStart,
    /// Entries and their bytes.
    pub entries: Counts,
    /// The length of its file, bytes.
    pub file_bytes: u64,
    /// The replica set it is of.
    pub set: ReplicaSet,
    /// Whether it is encrypted, and so authentic.
    pub is_encrypted: bool,
}

/// What is known of the replica set that an archive or a slice is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaSet {
    /// Its name: many sets have the same.
    pub name: Option<String>,
    /// The id that it was given when it was initiated; archives of older versions do not tell.
    pub id: Option<[u8; 12]>,
}

impl ReplicaSet {
    /// That of a deployment.
    pub(crate) fn of(info: &DeploymentInfo) -> Self {
        let name = match &info.topology {
            TopologyKind::ReplicaSet(name) => Some(name.clone()),
            _ => None,
        };
        Self { name, id: info.set_id }
    }

    /// In what another one differs, in words; nothing where both may be the same.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let name = |set: &Self| set.name.clone().unwrap_or_else(|| "(none)".to_owned());
        if self.name != other.name {
            return Some(format!("{} and {}", name(self), name(other)));
        }
        let (id, other_id) = self.id.zip(other.id).filter(|(id, other)| id != other)?;
        let text = |id| bson::oid::ObjectId::from_bytes(id).to_hex();
        Some(format!("both are called {}, but their ids are {} and {}", name(self), text(id), text(other_id)))
    }
}

impl SliceInfo {
    /// Opens a slice and authenticates its end.
    pub async fn read(path: &Path, access: &SliceAccess) -> Result<Self> {
        let archive = open(path, access)?;
        let is_encrypted = archive.is_encrypted();
        let mut feed = Feed::start(archive, &Stop::default());
        let catalog = feed.catalog().await?;
        let span = feed.summary_ahead().and_then(|summary| summary.span);
        let (Some(oplog), Some(span)) = (catalog.oplog, span) else { return Err(no_slice(path)) };
        let Origin::Slice(start) = oplog.origin else { return Err(no_slice(path)) };
        let set = catalog.deployment.map(|deployment| ReplicaSet::of(&deployment.info)).unwrap_or_default();
        let metadata = std::fs::metadata(path);
        let metadata = metadata.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self {
            path: path.to_owned(),
            after: start.after.time,
            end: span.end,
            end_id: span.last(),
            start,
            entries: Counts::new(oplog.documents, oplog.bytes),
            file_bytes: metadata.len(),
            set,
            is_encrypted,
        })
    }

    /// Why it does not go on where another one ends.
    pub fn gap(&self) -> Option<&Gap> {
        self.start.gap.as_ref()
    }

    /// What counts for ranges.
    pub fn reach(&self) -> Reach {
        Reach { after: self.after, end: self.end, is_cut_off: self.gap().is_some() }
    }
}

/// Opens a slice's file.
pub(super) fn open(path: &Path, access: &SliceAccess) -> Result<Archive> {
    let archive = Archive::open_file(path, &|header| access.to_open(header), &Limits::default());
    archive.map_err(|source| Error::Slice { path: path.to_owned(), source: Box::new(source) })
}

fn no_slice(path: &Path) -> Error {
    Error::Usage(format!("{} is an archive, but no slice of an oplog", path.display()))
}

/// A folder of slices.
#[derive(Debug, Default)]
pub struct Folder {
    /// Those that are whole, in the order of time.
    pub slices: Vec<SliceInfo>,
    /// Those that are not, or are not believed, and why.
    pub damaged: Vec<(PathBuf, Error)>,
}

impl Folder {
    /// The names of what may be slices, in order. Unfinished ones (`.partial`) are not among them.
    pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
        named(dir, &format!(".{EXTENSION}"))
    }

    /// The names of slices that were never finished.
    pub(super) fn unfinished(dir: &Path) -> Result<Vec<PathBuf>> {
        named(dir, &format!(".{EXTENSION}.partial"))
    }

    /// Reads what the folder holds. One secret opens all.
    pub async fn read(dir: &Path, access: &SliceAccess, stop: &Stop) -> Result<Self> {
        let mut folder = Self::default();
        for path in Self::files(dir)? {
            stop.check()?;
            match SliceInfo::read(&path, access).await {
                Ok(slice) => folder.slices.push(slice),
                Err(error) => folder.damaged.push((path, error)),
            }
        }
        folder.slices.sort_by_key(|slice| (slice.after, slice.end));
        Ok(folder)
    }

    /// What counts of each for ranges.
    pub fn reaches(&self) -> Vec<Reach> {
        self.slices.iter().map(SliceInfo::reach).collect()
    }
}

/// The files of a folder that are named as slices are and end like this, in order.
fn named(dir: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Read { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(PREFIX) && name.ends_with(end) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
