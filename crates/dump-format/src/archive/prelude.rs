//! The prelude: magic, header, one entry a namespace, terminator.

use super::header::{ArchiveHeader, NamespaceEntry};
use super::writer::{MAGIC, TERMINATOR};
use crate::{Error, Result};
use mongoark_bson_bytes::{DOCUMENT_BYTES_MAX, DOCUMENT_BYTES_MIN};
use std::io::Read;

/// Bytes of the longest prelude that is read, 256 for each entry besides its own: metadata of a million collections.
pub const PRELUDE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// What an entry takes in memory beyond its text, so that many small ones count, too.
const ENTRY_OVERHEAD_BYTES: u64 = 256;
/// Bytes of the longest entry that mongorestore reads.
const ENTRY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// All that comes before the first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePrelude {
    /// The header.
    pub header: ArchiveHeader,
    /// The namespaces, in the archive's order.
    pub namespaces: Vec<NamespaceEntry>,
}

impl ArchivePrelude {
    /// As bytes, magic and terminator included.
    ///
    /// # Errors
    /// An entry (for its metadata) of more than 16 MiB, which mongorestore would refuse.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.header.encode());
        for entry in &self.namespaces {
            let bytes = entry.encode();
            if bytes.len() > ENTRY_BYTES_MAX {
                let namespace = format!("{}.{}", entry.db, entry.collection);
                return Err(Error::EntryTooLarge {
                    namespace,
                    bytes: bytes.len(),
                    bytes_max: ENTRY_BYTES_MAX,
                });
            }
            out.extend_from_slice(&bytes);
        }
        out.extend_from_slice(&TERMINATOR);
        Ok(out)
    }

    /// Reads the prelude; the next byte of `reader` is then the first block's. It reads in small pieces, so
    /// the reader should have a buffer.
    ///
    /// # Errors
    /// Another magic, an end before the terminator, an entry that is no document or has a field of another
    /// type, more than [`PRELUDE_BYTES_MAX`]. A `server_version` that cannot be understood is no error here.
    pub fn read<R: Read>(reader: &mut R) -> Result<Self> {
        let mut input = Unbuffered { reader, offset: 0, entries: 0 };
        let magic = input.word()?;
        if magic.as_deref() != Some(&MAGIC) {
            return Err(Error::NoArchive { found: magic.unwrap_or_default() });
        }
        let header = input.document()?.ok_or(Error::Structure { offset: 4, expected: "its header" })?;
        let header = ArchiveHeader::decode(&header).map_err(|fault| Error::Header { offset: 4, fault })?;
        let mut namespaces = Vec::new();
        loop {
            let offset = input.offset;
            let Some(entry) = input.document()? else { return Ok(Self { header, namespaces }) };
            namespaces.push(NamespaceEntry::decode(&entry).map_err(|fault| Error::Header { offset, fault })?);
        }
    }
}

/// Takes no byte more from its reader than it needs, because blocks come after the prelude.
struct Unbuffered<'a, R> {
    reader: &'a mut R,
    offset: u64,
    entries: u64,
}

impl<R: Read> Unbuffered<'_, R> {
    /// The next four bytes, or what is left of the input.
    fn word(&mut self) -> Result<Option<Vec<u8>>> {
        let mut word = Vec::with_capacity(4);
        self.fill(&mut word, 4)?;
        self.offset += word.len() as u64;
        Ok((!word.is_empty()).then_some(word))
    }

    /// The next document; `None` is the terminator.
    fn document(&mut self) -> Result<Option<Vec<u8>>> {
        let offset = self.offset;
        let mut document = self.word()?.unwrap_or_default();
        let Ok(word) = <[u8; 4]>::try_from(document.as_slice()) else {
            return Err(Error::Truncated { offset, available: document.len() });
        };
        if word == TERMINATOR {
            return Ok(None);
        }
        let stated = i32::from_le_bytes(word);
        let len = usize::try_from(stated).unwrap_or(0);
        if !(DOCUMENT_BYTES_MIN..=DOCUMENT_BYTES_MAX).contains(&len) {
            return Err(Error::Length { offset, stated, bytes_max: DOCUMENT_BYTES_MAX });
        }
        self.entries += 1;
        let bytes = offset.saturating_add(len as u64).saturating_add(self.entries * ENTRY_OVERHEAD_BYTES);
        if bytes > PRELUDE_BYTES_MAX as u64 {
            return Err(Error::PreludeTooLarge { offset, bytes_max: PRELUDE_BYTES_MAX });
        }
        self.fill(&mut document, len)?;
        if document.len() < len {
            return Err(Error::Truncated { offset, available: document.len() });
        }
        self.offset = offset + len as u64;
        Ok(Some(document))
    }

    /// Reads until `out` holds `len` bytes or the input ends. Room is made as bytes come, whatever `len` is.
    fn fill(&mut self, out: &mut Vec<u8>, len: usize) -> Result<()> {
        let missing = len.saturating_sub(out.len()) as u64;
        let read = self.reader.by_ref().take(missing).read_to_end(out);
        read.map(drop).map_err(|source| Error::Read { offset: self.offset, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ArchivePrelude {
        let entry = |collection: &str| NamespaceEntry {
            db: "d".to_owned(),
            collection: collection.to_owned(),
            metadata: "{\"indexes\":[]}".to_owned(),
            size: 0,
            kind: "collection".to_owned(),
        };
        let header = ArchiveHeader {
            concurrent_collections: 4,
            version: "0.1".to_owned(),
            server_version: "6.0.5".to_owned(),
            tool_version: "100.18.0".to_owned(),
        };
        ArchivePrelude { header, namespaces: vec![entry("a"), entry("b")] }
    }

    #[test]
    fn reading_stops_at_the_first_block() {
        let bytes = [sample().encode().unwrap(), b"block".to_vec()].concat();
        let mut input = bytes.as_slice();
        assert_eq!(ArchivePrelude::read(&mut input).unwrap(), sample());
        assert_eq!(input, b"block");
    }

    #[test]
    fn a_prelude_cut_anywhere_is_an_error() {
        let bytes = sample().encode().unwrap();
        for len in 0..bytes.len() {
            let error = ArchivePrelude::read(&mut bytes.get(..len).unwrap()).unwrap_err();
            let expected = matches!(error, Error::Truncated { .. }) || len < 4;
            assert!(expected, "cut at {len}: {error}");
        }
    }

    #[test]
    fn something_else_is_no_archive() {
        let error = ArchivePrelude::read(&mut &b"PK\x03\x04"[..]).unwrap_err();
        assert!(error.to_string().contains("begins with [50, 4b, 03, 04]"), "{error}");
        let bytes = [&MAGIC[..], &TERMINATOR].concat();
        let error = ArchivePrelude::read(&mut bytes.as_slice()).unwrap_err();
        assert!(matches!(error, Error::Structure { offset: 4, .. }), "{error}");
    }

    #[test]
    fn an_entry_that_no_reader_takes_is_refused() {
        let mut large = sample();
        large.namespaces[1].metadata = "x".repeat(ENTRY_BYTES_MAX);
        assert!(matches!(large.encode(), Err(Error::EntryTooLarge { .. })));
    }
}
