//! Reading an archive from a file: END and the whole index are checked first, then records are read by offset, in
//! any order and from many threads.

use std::path::Path;
use std::sync::Arc;

use crate::cipher::EpochKey;
use crate::file_index::{FileIndex, read_index};
use crate::header::Header;
use crate::locate::{Headers, Unlocked, header_of, locate};
use crate::opener::{OpenScratch, Opener, StoredRecord};
use crate::positioned::Positioned;
use crate::record::StreamTotals;
use crate::stream_verifier::StreamVerifier;
use crate::tail::{Warning, compare_headers};
use crate::{End, Error, IndexEntry, Limits, Part, Record, RecordKind, Secret};

/// An archive in a file. `Send` and `Sync`: share it between workers by reference.
#[derive(Debug)]
pub struct FileReader {
    file: Positioned,
    header: Header,
    limits: Limits,
    index: FileIndex,
    warnings: Vec<Warning>,
}

/// A catalog document of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The stream it describes.
    pub stream: u32,
    /// The document, opaque here.
    pub body: Vec<u8>,
}

impl FileReader {
    /// Reads an archive's header only, from whichever copy is whole: to learn whether a secret is needed.
    ///
    /// # Errors
    /// Those of [`Header::read`], and `Io`.
    pub fn header_of(path: &Path, limits: &Limits) -> Result<Header, Error> {
        header_of(path, limits)
    }

    /// Opens an archive: authenticates header, END and index, and checks that they account for every byte of the
    /// file, for the totals of all streams and for the digest. Chunks are not read yet.
    ///
    /// # Errors
    /// Everything but `TrailingData` of a pipe can come; see [`ErrorKind`](crate::ErrorKind).
    pub fn open(path: &Path, secrets: &[Secret], limits: &Limits) -> Result<Self, Error> {
        let file = Positioned::open(path)?;
        let Unlocked { header, keys, is_first } = Headers::read(&file, limits)?.unlock(secrets, limits)?;
        let located = locate(&file, header.archive_id(), limits)?;
        let mut warnings = Vec::from_iter(located.warning);
        if is_first {
            let offset = located.tail_offset();
            let mut second = Vec::new();
            file.read(offset, header.as_bytes().len(), Part::SecondHeader, &mut second)?;
            match compare_headers(&second, offset, &header, &keys, limits) {
                Ok(warning) => warnings.extend(warning),
                Err(_) => warnings.push(Warning::SecondHeaderDamaged),
            }
        } else {
            let mut first = Vec::new();
            file.read(0, header.as_bytes().len(), Part::Preamble, &mut first)?;
            let warning = compare_headers(&first, 0, &header, &keys, limits);
            warnings.push(if warning.is_ok() {
                Warning::RotationUnfinished
            } else {
                Warning::FirstHeaderDamaged
            });
        }
        let index = read_index(&file, &keys, &located, limits)?;
        Ok(Self { file, header, limits: limits.clone(), index, warnings })
    }

    /// The header that opened.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What is wrong with the file, but does not keep it from being read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// What the last record states.
    pub fn end(&self) -> &End {
        &self.index.end
    }

    /// Every indexed record in the order of its number, but for chunks that were retracted.
    pub fn entries(&self) -> &[IndexEntry] {
        &self.index.entries
    }

    /// The chunks that were retracted: nothing to restore, but a check of every byte reads them, too.
    pub fn retracted(&self) -> &[IndexEntry] {
        &self.index.retracted
    }

    /// What each closed stream's `STREAM_END` states, in the order of the archive.
    pub fn streams(&self) -> &[StreamTotals] {
        &self.index.streams
    }

    /// What opens the records of this archive.
    pub fn opener(&self) -> Opener {
        Opener::new(self.header.codec(), self.limits.clone())
    }

    /// Reads every catalog document.
    ///
    /// # Errors
    /// `Damaged`, `NotAuthentic`, `Inconsistent`, `Reordered`, `Io`.
    pub fn catalogs(&self) -> Result<Vec<Catalog>, Error> {
        let (opener, mut scratch) = (self.opener(), OpenScratch::new());
        let mut catalogs = Vec::new();
        for entry in self.entries().iter().filter(|entry| entry.kind == RecordKind::Catalog) {
            if let Record::Catalog { stream, body, .. } = opener.open(self.read(entry)?, &mut scratch)? {
                catalogs.push(Catalog { stream, body });
            }
        }
        Ok(catalogs)
    }

    /// Reads a record. Its header must be the one that the index implies; [`Opener::open`] checks its tag and all else
    /// that the index says of it.
    ///
    /// # Errors
    /// `Damaged`, `Reordered`, `Truncated`, `Io`.
    pub fn read(&self, entry: &IndexEntry) -> Result<StoredRecord, Error> {
        self.read_into(entry, Vec::new())
    }

    /// [`read`](Self::read) into a buffer that was used before.
    pub fn read_into(&self, entry: &IndexEntry, buffer: Vec<u8>) -> Result<StoredRecord, Error> {
        let key = self.index.key_of(entry.seq);
        let Some(key) = key else { return Err(Error::misuse("an index entry of another archive was used")) };
        read_entry(&self.file, entry, key, &self.limits, buffer)
    }

    /// What checks that a caller has read all of one stream; `None` for a stream that has no `STREAM_END`.
    pub fn stream_verifier(&self, stream: u32) -> Option<StreamVerifier> {
        let totals = self.index.streams.iter().find(|totals| totals.stream == stream)?;
        let chunks = self.entries().iter().filter(|entry| entry.stream == stream && entry.kind.is_chunk());
        Some(StreamVerifier::new(*totals, chunks.map(|entry| (entry.seq, entry.tag)).collect()))
    }
}

/// Reads the record that an entry names and nothing else.
pub(crate) fn read_entry(
    file: &Positioned,
    entry: &IndexEntry,
    key: &Arc<EpochKey>,
    limits: &Limits,
    buffer: Vec<u8>,
) -> Result<StoredRecord, Error> {
    let offset = entry.offset;
    let (header, header_bytes) = file.record_header(offset, key.archive_id(), limits)?;
    if header.seq != entry.seq {
        return Err(Error::Reordered { expected: entry.seq, found: header.seq, offset });
    }
    if header != entry.meta(key.epoch()).header() {
        return Err(Error::Inconsistent {
            part: Part::RecordHeader,
            offset,
            why: "it is not the one that the index names",
        });
    }
    let body = file.record_body(offset, &header, &header_bytes, buffer)?;
    Ok(StoredRecord { header, header_bytes, offset, body, key: Arc::clone(key), promised: Some(*entry) })
}
