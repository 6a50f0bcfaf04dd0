//! Where a dump goes, and what holds for it as a whole.

use super::entry::Entry;
use super::layout::Layout;
use crate::quote::quoted;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where a dump goes.
pub enum Form {
    /// Files in this folder, which need not exist.
    Directory(PathBuf),
    /// One archive, a file of this name; or `archive` (`archive.gz`) in it where it is a folder.
    Archive(PathBuf),
    /// One archive into a pipe or anything else that takes bytes.
    ArchiveStream(Box<dyn Write + Send>),
    /// The documents of one collection and nothing else.
    Documents(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "Directory({})", path.display()),
            Self::Archive(path) => write!(f, "Archive({})", path.display()),
            Self::ArchiveStream(_) => f.write_str("ArchiveStream"),
            Self::Documents(_) => f.write_str("Documents"),
        }
    }
}

impl Form {
    /// Whether there is one archive.
    pub fn is_archive(&self) -> bool {
        matches!(self, Self::Archive(_) | Self::ArchiveStream(_))
    }

    /// Where the documents of each entry go, in the words of mongodump's log lines.
    pub(super) fn locations(&self, settings: &Settings, entries: &[Entry]) -> Vec<String> {
        let location = |entry: &Entry| match self {
            Self::Directory(root) => Layout::new(root, settings.gzip).data(entry).display().to_string(),
            Self::Archive(path) => format!("archive {}", quoted(&path.display().to_string())),
            Self::ArchiveStream(_) => "archive on stdout".to_owned(),
            Self::Documents(_) => "stdout".to_owned(),
        };
        entries.iter().map(location).collect()
    }
}

/// The file of an archive that goes to `path`.
pub(super) fn archive_file(path: &Path, gzip: bool) -> PathBuf {
    if path.is_dir() { path.join(if gzip { "archive.gz" } else { "archive" }) } else { path.to_owned() }
}

/// What holds for a dump as a whole.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Compress each file, or the archive.
    pub gzip: bool,
    /// The server that the dump is of.
    pub server_version: String,
    /// The tool that the dump names as its maker.
    pub tool_version: String,
    /// How many collections are read at once, as the archive states it.
    pub parallel_collections: i32,
    /// The one database that is dumped: then `prelude.json` is in its folder.
    pub db: Option<String>,
    /// Threads that compress.
    pub threads: usize,
    /// Bytes of documents on their way at once.
    pub memory_bytes: usize,
}
