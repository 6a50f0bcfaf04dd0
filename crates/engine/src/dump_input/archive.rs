//! An archive: its prelude tells all that it holds, metadata included; what follows comes in its own order.

use super::{Entry, files};
use crate::quote::quoted;
use crate::{Error, Result};
use mongoark_dump_format::archive::{ArchiveHeader, ArchivePrelude, Demultiplexer};
use mongoark_model::Namespace;
use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes asked of the file at once.
const BUFFER_BYTES: usize = 1024 * 1024;

/// What the prelude was read from.
type Reader = BufReader<Box<dyn Read + Send>>;

/// An archive whose prelude is read.
pub(super) struct Body {
    prelude: ArchivePrelude,
    location: String,
    reader: Reader,
}

/// Opens an archive in a file, or in a folder under its usual name.
pub(super) fn open(path: &Path, gzip: bool) -> Result<(Vec<Entry>, Body)> {
    let path = if path.is_dir() { in_folder(path, gzip) } else { path.to_owned() };
    let location = format!("archive {}", quoted(&path.display().to_string()));
    of(Box::new(files::open(&path)?), location, gzip)
}

/// Opens an archive that comes from a pipe.
pub(super) fn open_stream(reader: Box<dyn Read + Send>, gzip: bool) -> Result<(Vec<Entry>, Body)> {
    of(reader, "archive on stdin".to_owned(), gzip)
}

fn in_folder(folder: &Path, gzip: bool) -> PathBuf {
    folder.join(if gzip { "archive.gz" } else { "archive" })
}

fn of(reader: Box<dyn Read + Send>, location: String, gzip: bool) -> Result<(Vec<Entry>, Body)> {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, files::plain(reader, gzip));
    let prelude = ArchivePrelude::read(&mut reader)
        .map_err(|source| Error::Dump { location: location.clone(), source })?;
    let body = Body { prelude, location, reader };
    Ok((body.entries()?, body))
}

impl Body {
    pub(super) fn header(&self) -> &ArchiveHeader {
        &self.prelude.header
    }

    /// The metadata text of an entry.
    pub(super) fn metadata(&self, entry: usize) -> &[u8] {
        self.prelude.namespaces.get(entry).map(|entry| entry.metadata.as_bytes()).unwrap_or_default()
    }

    fn entries(&self) -> Result<Vec<Entry>> {
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for namespace in &self.prelude.namespaces {
            let data = namespace.data_collection(&self.prelude.header.server_version);
            if !seen.insert((namespace.db.as_str(), namespace.collection.as_str())) {
                let name = quoted(&format!("{}.{}", namespace.db, namespace.collection));
                return Err(Error::Refused(format!("{} names {name} twice", self.location)));
            }
            entries.push(Entry {
                namespace: Namespace::new(&namespace.db, &namespace.collection),
                is_buckets: *data != *namespace.collection,
                data: Some(self.location.clone()),
                metadata: (!namespace.metadata.is_empty()).then(|| self.location.clone()),
                bytes: u64::try_from(namespace.size).unwrap_or(0),
            });
        }
        Ok(entries)
    }

    /// What the blocks come from, and the entries that they belong to.
    pub(super) fn into_blocks(self) -> Blocks {
        let version = &self.prelude.header.server_version;
        let places =
            self.prelude.namespaces.iter().enumerate().map(|(place, entry)| {
                ((entry.db.clone(), entry.data_collection(version).into_owned()), place)
            });
        let places = places.collect();
        let demultiplexer = Demultiplexer::new(self.reader, &self.prelude);
        Blocks { demultiplexer, places, location: self.location }
    }
}

/// The blocks of an archive.
pub(super) struct Blocks {
    pub(super) demultiplexer: Demultiplexer<Reader>,
    /// Database and collection of a block, to the entry.
    pub(super) places: HashMap<(String, String), usize>,
    pub(super) location: String,
}
