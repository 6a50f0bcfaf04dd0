//! The way into a dump of mongodump's format: documents of any namespace go in as chunks, and come out as the files
//! of a folder, as one archive, or as bare documents. Needs no server.

mod entry;

pub use entry::Entry;

use crate::Result;
use mongoark_monitor::Monitor;
use std::io::Write;
use std::path::PathBuf;

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

/// The entrance of a dump that is being written; clones share it. A stream is the place of its entry.
#[derive(Clone, Debug)]
pub struct DumpOutput;

impl DumpOutput {
    /// Begins a dump of these namespaces: writes the archive's prelude, or the metadata files.
    pub fn begin(form: Form, settings: Settings, entries: Vec<Entry>, monitor: &Monitor) -> Result<Self> {
        _ = (form, settings, entries, monitor);
        todo!()
    }

    /// Begins a stream.
    pub fn open(&self, stream: usize) -> Result<()> {
        _ = stream;
        todo!()
    }

    /// Writes whole documents, a copy of them; waits for memory.
    pub async fn write(&self, stream: usize, documents: &[u8]) -> Result<()> {
        _ = (stream, documents);
        todo!()
    }

    /// Ends a stream, and waits until all of it is written.
    pub async fn end(&self, stream: usize) -> Result<()> {
        _ = stream;
        todo!()
    }

    /// Writes what comes last and closes the dump; its length in bytes.
    pub async fn finish(&self) -> Result<u64> {
        todo!()
    }
}
