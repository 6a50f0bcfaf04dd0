//! A dump that mongodump made, opened for reading without a server: a folder, one file, an archive, a
//! pipe. First what it holds ([`DumpInput::entries`], [`DumpInput::metadata`]), then the documents
//! ([`DumpInput::read`]): each collection's in whole-document batches, several collections at once, and as
//! much memory as its budget allows, whatever the mixture in an archive.

use crate::{Error, Result, Stop};
use mongoark_dump_format::Metadata;
use mongoark_model::Namespace;
use std::io::Read;
use std::path::PathBuf;

/// Where a dump is.
pub enum Place {
    /// The folder that `mongodump --out` made: a folder a database, perhaps `oplog.bson` and `prelude.json`.
    Folder(PathBuf),
    /// The folder of one database, whatever its name; read as this database.
    Database {
        /// The folder.
        path: PathBuf,
        /// The database.
        db: String,
    },
    /// A `.bson` file; read as this collection, with the metadata beside it.
    File {
        /// The file.
        path: PathBuf,
        /// The collection.
        namespace: Namespace,
    },
    /// Documents from a pipe; read as this collection, without metadata.
    Documents {
        /// The pipe.
        reader: Box<dyn Read + Send>,
        /// The collection.
        namespace: Namespace,
    },
    /// A file that `mongodump --archive` made, or the folder that holds it as `archive` or `archive.gz`.
    Archive(PathBuf),
    /// An archive from a pipe.
    ArchiveStream(Box<dyn Read + Send>),
}

/// One collection, view, time series, or other thing with documents, that the dump holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; of a time series its own, not that of its buckets. The oplog's database is empty.
    pub namespace: Namespace,
    /// Whether the data are the buckets of a time series.
    pub is_buckets: bool,
    /// Where its documents are, for messages (`dump/db/c.bson`, ``archive `F` ``); none if there are none.
    pub data: Option<String>,
    /// Where its metadata are, likewise.
    pub metadata: Option<String>,
    /// Bytes of the file with its documents; 0 where unknown.
    pub bytes: u64,
}

/// A dump whose contents are known.
pub struct DumpInput {
    entries: Vec<Entry>,
}

impl DumpInput {
    /// Opens a dump and finds out what it holds; `gzip` says that `--gzip` was given.
    pub fn open(_place: Place, _gzip: bool) -> Result<Self> {
        todo!()
    }

    /// What it holds, in the order of the folder or archive.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The version of the server that was dumped, where the dump tells.
    pub fn server_version(&self) -> Option<&str> {
        todo!()
    }

    /// How many collections the archive's writer read at once; none in a folder.
    pub fn concurrent_collections(&self) -> Option<i32> {
        todo!()
    }

    /// Files and folders that are no part of a dump, for messages.
    pub fn unknown(&self) -> &[String] {
        todo!()
    }

    /// The metadata of an entry; none where the dump has none.
    ///
    /// # Errors
    /// Metadata that cannot be read, with the file's name.
    pub fn metadata(&self, _entry: usize) -> Result<Option<Metadata>> {
        todo!()
    }

    /// Begins to read the documents of these entries, in this order where the form allows a choice, at most
    /// `slots` collections at once where it does. The rest of an archive is read, checked and passed over.
    pub fn read(self, _wanted: &[usize], _slots: usize, _stop: &Stop) -> Feed {
        todo!()
    }
}

/// Collections as their documents come. Whoever takes one from [`Self::next`] must read it to its end, and go on
/// calling `next` meanwhile: an archive has its collections mixed.
pub struct Feed {
    queue: async_channel::Receiver<Result<Documents>>,
}

impl Feed {
    /// The next collection that has documents, or has ended without any; none when all have come, and an
    /// archive was found whole to its last byte.
    ///
    /// # Errors
    /// Damage, with file and offset.
    pub async fn next(&mut self) -> Result<Option<Documents>> {
        self.queue.recv().await.ok().transpose()
    }
}

/// The documents of one entry, in order.
pub struct Documents {
    entry: usize,
    queue: async_channel::Receiver<Result<Batch>>,
}

impl Documents {
    /// Which of [`DumpInput::entries`].
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// The next batch; none at the end of the collection.
    ///
    /// # Errors
    /// Damage in the collection's own file. In an archive [`Error::PipelineClosed`]; [`Feed::next`] tells why.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        self.queue
            .recv()
            .await
            .map_err(|_| Error::PipelineClosed("the dump's reader"))
            .and_then(|batch| batch.map(Some))
    }
}

/// Whole documents.
pub struct Batch {
    /// Their bytes, one behind the other.
    pub bytes: Vec<u8>,
    /// How many.
    pub documents: u32,
}
