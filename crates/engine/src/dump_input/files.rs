//! One file of a dump: opened, decompressed, read in batches or whole, with its name in every error.

use crate::{Error, Result};
use mongoark_dump_format::{DocumentReader, gzip};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes of documents that are read and handed on together: one insert command's worth.
pub(super) const BATCH_BYTES: usize = 1024 * 1024;

/// The documents of one file or pipe.
pub(super) struct Source {
    location: String,
    documents: DocumentReader<Box<dyn Read + Send>>,
}

impl Source {
    /// Opens a file.
    pub(super) fn open(path: &Path, gzip: bool) -> Result<Self> {
        Ok(Self::of(plain(Box::new(open(path)?), gzip), path.display().to_string()))
    }

    /// Takes a pipe, already decompressed.
    pub(super) fn of(reader: Box<dyn Read + Send>, location: String) -> Self {
        Self { location, documents: DocumentReader::new(reader) }
    }

    /// Appends the next batch; the number of its documents, 0 at the end.
    pub(super) fn read(&mut self, out: &mut Vec<u8>) -> Result<u32> {
        let bytes_max = out.len() + BATCH_BYTES;
        let read = self.documents.read(out, bytes_max);
        read.map_err(|source| Error::Dump { location: self.location.clone(), source })
    }
}

/// What is read of an input that may be compressed.
pub(super) fn plain(reader: Box<dyn Read + Send>, gzip: bool) -> Box<dyn Read + Send> {
    if gzip { gzip::reader(reader) } else { reader }
}

pub(super) fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// A text file of at most `bytes_max` bytes, and one byte more where it is longer, which its parser refuses.
pub(super) fn text(path: &Path, gzip: bool, bytes_max: usize) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let reader = plain(Box::new(open(path)?), gzip);
    let read = reader.take(bytes_max as u64 + 1).read_to_end(&mut text);
    read.map(|_| text).map_err(|source| Error::Read { path: path.to_owned(), source })
}
