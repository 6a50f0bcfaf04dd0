//! A dump that mongodump made, opened for reading without a server: a folder, one file, an archive, a
//! pipe. First what it holds ([`DumpInput::entries`], [`DumpInput::metadata`]), then the documents
//! ([`DumpInput::read`]): each collection's in batches of whole documents, several collections at once, and no
//! more memory than a budget allows, whatever the mixture in an archive.

mod archive;
mod feed;
mod files;
mod folder;
mod place;

pub(crate) use feed::of_file;
pub use feed::{Batch, Documents, Feed};
pub(crate) use folder::collection_of;
pub use place::Place;

use crate::{Error, Result, Stop};
use files::Source;
use mongoark_dump_format::Metadata;
use mongoark_model::Namespace;
use std::io::Read;

/// Bytes of small collections that are read whole, such as the one that tells the version of accounts.
const WHOLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

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

/// Where the documents and the metadata are.
enum Body {
    /// Files, in the order of the entries.
    Files(Vec<folder::Files>),
    /// The one entry's documents.
    Pipe(Box<dyn Read + Send>),
    Archive(archive::Body),
}

/// A dump whose contents are known.
pub struct DumpInput {
    entries: Vec<Entry>,
    body: Body,
    gzip: bool,
    one_collection: bool,
    server_version: Option<String>,
    tool_version: Option<String>,
    unknown: Vec<String>,
}

impl DumpInput {
    /// Opens a dump and finds out what it holds; `gzip` says that it was made with `--gzip`. Blocks while the
    /// beginning of a pipe comes.
    ///
    /// # Errors
    /// What cannot be read, or is no dump, with the file's name.
    pub fn open(place: Place, gzip: bool) -> Result<Self> {
        match place {
            Place::Folder(path) => Self::of_folder(folder::whole(&path, gzip)?, gzip),
            Place::Database { path, db } => Self::of_folder(folder::database(&path, &db, gzip)?, gzip),
            Place::File { path, namespace } => {
                let dump = Self::of_folder(folder::file(&path, &namespace, gzip)?, gzip)?;
                Ok(Self { one_collection: true, ..dump })
            }
            Place::Documents { reader, namespace } => Ok(Self::of_pipe(reader, namespace, gzip)),
            Place::Archive(path) => Ok(Self::of_archive(archive::open(&path, gzip)?, gzip)),
            Place::ArchiveStream(reader) => Ok(Self::of_archive(archive::open_stream(reader, gzip)?, gzip)),
        }
    }

    fn of_folder(found: folder::Found, gzip: bool) -> Result<Self> {
        let prelude = folder::prelude(&found.root, gzip)?;
        let versions = prelude.map(|prelude| (prelude.server_version, prelude.tool_version));
        let (server_version, tool_version) = versions.unzip();
        let (entries, files) = found.entries.into_iter().unzip();
        let (body, unknown, one_collection) = (Body::Files(files), found.unknown, false);
        Ok(Self { entries, body, gzip, one_collection, server_version, tool_version, unknown })
    }

    fn of_pipe(reader: Box<dyn Read + Send>, namespace: Namespace, gzip: bool) -> Self {
        let data = Some("-".to_owned());
        let entry = Entry { namespace, is_buckets: false, data, metadata: None, bytes: 0 };
        let (entries, unknown) = (vec![entry], Vec::new());
        let (body, one_collection, server_version, tool_version) = (Body::Pipe(reader), true, None, None);
        Self { entries, body, gzip, one_collection, server_version, tool_version, unknown }
    }

    fn of_archive((entries, body): (Vec<Entry>, archive::Body), gzip: bool) -> Self {
        let server_version = Some(body.header().server_version.clone());
        let tool_version = Some(body.header().tool_version.clone());
        let (body, unknown, one_collection) = (Body::Archive(body), Vec::new(), false);
        Self { entries, body, gzip, one_collection, server_version, tool_version, unknown }
    }

    /// What it holds, in the order of the folder or archive.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether it is a single collection, pointed at by name.
    pub fn is_one_collection(&self) -> bool {
        self.one_collection
    }

    /// The version of the server that was dumped, where the dump tells.
    pub fn server_version(&self) -> Option<&str> {
        self.server_version.as_deref()
    }

    /// The version of the tool that made the dump, where the dump tells.
    pub fn tool_version(&self) -> Option<&str> {
        self.tool_version.as_deref()
    }

    /// The header of an archive; none of other forms.
    pub fn archive_header(&self) -> Option<&mongoark_dump_format::archive::ArchiveHeader> {
        match &self.body {
            Body::Archive(body) => Some(body.header()),
            Body::Files(_) | Body::Pipe(_) => None,
        }
    }

    /// Files and folders that are no part of a dump: messages in mongorestore's words.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The file of an entry's documents; none in an archive or a pipe.
    pub(crate) fn file(&self, entry: usize) -> Option<&std::path::Path> {
        match &self.body {
            Body::Files(files) => files.get(entry)?.data.as_deref(),
            Body::Pipe(_) | Body::Archive(_) => None,
        }
    }

    /// The metadata of an entry; none where the dump has none.
    ///
    /// # Errors
    /// Metadata that cannot be read, with the file's name.
    pub fn metadata(&self, entry: usize) -> Result<Option<Metadata>> {
        let location = self.entries.get(entry).and_then(|entry| entry.metadata.clone());
        let Some(location) = location else { return Ok(None) };
        let text = match &self.body {
            Body::Files(files) => match files.get(entry).and_then(|files| files.metadata.as_ref()) {
                Some(path) => files::text(path, self.gzip, Metadata::TEXT_BYTES_MAX)?,
                None => return Ok(None),
            },
            Body::Archive(body) => body.metadata(entry).to_vec(),
            Body::Pipe(_) => return Ok(None),
        };
        Metadata::parse(&text).map(Some).map_err(|source| Error::Dump { location, source })
    }

    /// All documents of a small entry, one behind the other; none in an archive or a pipe, which only come in order.
    ///
    /// # Errors
    /// Damage, or more than 64 MiB.
    pub fn whole(&self, entry: usize) -> Result<Option<Vec<u8>>> {
        let Body::Files(files) = &self.body else { return Ok(None) };
        let Some(path) = files.get(entry).and_then(|files| files.data.as_ref()) else { return Ok(None) };
        let mut documents = Source::open(path, self.gzip)?;
        let mut out = Vec::new();
        while documents.read(&mut out)? > 0 {
            if out.len() as u64 > WHOLE_BYTES_MAX {
                let location = path.display();
                return Err(Error::Refused(format!("{location} has more than {WHOLE_BYTES_MAX} bytes")));
            }
        }
        Ok(Some(out))
    }

    /// Begins to read the documents of these entries, in this order where the form allows a choice, at most
    /// `slots` collections at once where it does. The rest of an archive is read, checked and passed over.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn read(self, wanted: &[usize], slots: usize, stop: &Stop) -> Feed {
        match self.body {
            Body::Files(files) => feed::of_files(files, wanted, slots, self.gzip, stop),
            Body::Pipe(reader) => feed::of_pipe(reader, wanted, self.gzip, stop),
            Body::Archive(body) => feed::of_archive(body, wanted, stop),
        }
    }
}

impl std::fmt::Debug for DumpInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DumpInput").field("entries", &self.entries).finish_non_exhaustive()
    }
}
